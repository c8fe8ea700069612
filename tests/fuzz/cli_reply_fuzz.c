/*
 * What our own commands read: a node's HTTP answers and the JSON in them, and the file of
 * `ingot kv import`. The first byte says which, and in what pieces an answer arrives; how it
 * arrives must make no difference.
 */
#include <string.h>

#include "cli/bench_packed.h"
#include "cli/client.h"
#include "cli/http_reply.h"
#include "cli/kv_file.h"
#include "fuzz/fuzz.h"

#define BODY_BYTES_MAX 2048
#define PART_FILE 0xFF

static size_t feed(struct http_reply *reply, struct ingot_slice bytes, size_t piece)
{
    size_t taken = 0;
    http_reply_init(reply, BODY_BYTES_MAX);
    while (taken < bytes.size && reply->state != HTTP_REPLY_DONE &&
           reply->state != HTTP_REPLY_BROKEN) {
        const size_t rest = bytes.size - taken;
        taken +=
            http_reply_feed(reply, ingot_slice_of(bytes.data + taken, rest < piece ? rest : piece));
        require(reply->body.size <= BODY_BYTES_MAX &&
                reply->line.size <= HTTP_REPLY_HEAD_BYTES_MAX);
    }
    http_reply_end(reply);
    require(reply->state == HTTP_REPLY_DONE || reply->state == HTTP_REPLY_BROKEN);
    return taken;
}

static void require_outcomes(const uint32_t outcomes[BENCH_OUTCOME_COUNT], uint32_t count)
{
    uint32_t sum = 0;
    for (uint32_t i = 0; i < BENCH_OUTCOME_COUNT; i++) {
        sum += outcomes[i];
    }
    require(sum == count);
}

static void read_statuses(const struct http_reply *reply)
{
    const struct ingot_slice body = ingot_buffer_slice(&reply->body);
    uint32_t outcomes[BENCH_OUTCOME_COUNT] = {0};
    char why[256] = "";
    bench_packed_read(body, (uint32_t)body.size / 9, outcomes, why, sizeof why);
    require_outcomes(outcomes, (uint32_t)body.size / 9);
}

static void read_results(const struct http_reply *reply)
{
    char why[256] = "";
    struct ingot_buffer bytes = {0};
    json_t *answer = client_parse_reply(reply, why, sizeof why);
    if (answer == NULL) {
        require(why[0] != '\0' && strlen(why) < sizeof why - 1);
        return;
    }
    const json_t *result = json_object_get(answer, "result");
    (void)client_error_text(answer, why, sizeof why);
    (void)client_u64(result, "sync_info.latest_block_height");
    require(client_text(result, "response.log") != NULL);
    (void)client_bytes(result, "response.value", &bytes);
    ingot_buffer_deinit(&bytes);
    json_decref(answer);

    const struct bench_source source = {.tx_bytes = 64};
    uint32_t outcomes[BENCH_OUTCOME_COUNT] = {0};
    why[0] = '\0';
    bench_calls_read(&source, ingot_buffer_slice(&reply->body), 3, outcomes, why, sizeof why);
    require_outcomes(outcomes, 3);
}

static void read_reply(struct ingot_slice bytes, size_t piece)
{
    struct http_reply whole;
    struct http_reply parts;
    const size_t taken = feed(&whole, bytes, bytes.size);
    const size_t taken_by_parts = feed(&parts, bytes, piece);
    require(whole.state == parts.state);
    if (whole.state == HTTP_REPLY_DONE) {
        require(taken == taken_by_parts && whole.status == parts.status);
        require(
            ingot_slice_equal(ingot_buffer_slice(&whole.body), ingot_buffer_slice(&parts.body)));
        read_statuses(&whole);
        read_results(&whole);
    } else {
        require(whole.why != NULL && parts.why != NULL);
    }
    http_reply_deinit(&whole);
    http_reply_deinit(&parts);
}

static void read_file(struct ingot_slice bytes)
{
    char complaints[512] = "";
    struct report report;
    struct kv_file file;
    struct ingot_buffer content = {0};
    report_init(&report, complaints, sizeof complaints);
    ingot_buffer_append_slice(&content, bytes);
    if (kv_file_parse(&content, "file", &file, &report) != INGOT_OK) {
        require(report.count > 0 && strncmp(complaints, "file:", 5) == 0);
        return;
    }
    for (uint32_t i = 0; i < file.count; i++) {
        require(file.items[i].key.size > 0);
        require(i == 0 || file.items[i - 1].line < file.items[i].line);
    }
    kv_file_deinit(&file);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0) {
        return 0;
    }
    const struct ingot_slice bytes = {data + 1, size - 1};
    if (data[0] == PART_FILE) {
        read_file(bytes);
    } else {
        read_reply(bytes, (size_t)data[0] % 16 + 1);
    }
    return 0;
}
