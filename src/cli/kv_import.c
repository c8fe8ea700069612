/*
 * `ingot kv import`: sets the keys of a file, many at a time. Over each of a few connections goes
 * one batch at a time: first a read of its keys, then a put of those whose value differs. What the
 * node had no room or time for goes back into the queue; so does all of a batch whose connection
 * was lost, as the read then finds what was committed meanwhile.
 */
#include <ingot/app_kv.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/clock.h"
#include "cli/client.h"
#include "cli/kv.h"
#include "cli/kv_file.h"

#define LANES_MAX 8
#define BATCH_ITEMS_MAX 128
#define BATCH_BYTES_MAX (512 * 1024) /* of values and keys; twice as much as base64 and JSON */
#define CALL_TIMEOUT_US (UINT64_C(30) * 1000000)
#define RETRY_DELAY_US (UINT64_C(100) * 1000)
#define PATIENCE_US (UINT64_C(60) * 1000000)
#define PATIENCE_AT_FIRST_US (UINT64_C(5) * 1000000) /* while no node has ever answered */
#define PROGRESS_INTERVAL_US (UINT64_C(1000) * 1000)
#define REFUSALS_SHOWN_MAX 10

enum lane_state { LANE_IDLE, LANE_READING, LANE_WRITING };

/* One connection with the batch that is under way on it. */
struct lane {
    struct link link;
    enum lane_state state;
    uint32_t node; /* of import.targets */
    uint32_t items[BATCH_ITEMS_MAX];
    uint32_t count;
    uint64_t deadline_us;
    uint64_t not_before_us;
};

struct import {
    const char *path;
    struct kv_file file;
    struct link_target targets[KV_NODES_MAX];
    uint32_t target_count;
    struct lane lanes[LANES_MAX];
    uint8_t nonce[KV_NONCE_BYTES];

    uint32_t *queue; /* a ring of file.count items that wait for a lane */
    uint32_t queue_first;
    uint32_t queue_count;

    uint32_t committed;
    uint32_t already_there;
    uint32_t refused;
    uint64_t height_min;
    uint64_t height_max;
    uint64_t start_us;
    uint64_t progress_us; /* when an item was last done with */
    uint64_t shown_us;
    bool has_answer; /* some node has answered once */
    bool is_terminal;
    char last_problem[256];
};

static void queue_push(struct import *import, uint32_t item)
{
    uint32_t end =
        (uint32_t)(((uint64_t)import->queue_first + import->queue_count) % import->file.count);
    import->queue[end] = item;
    import->queue_count++;
}

static uint32_t queue_pop(struct import *import)
{
    uint32_t item = import->queue[import->queue_first];
    import->queue_first = (import->queue_first + 1) % import->file.count;
    import->queue_count--;
    return item;
}

static size_t item_bytes(const struct import *import, uint32_t item)
{
    return import->file.items[item].key.size + import->file.items[item].value.size;
}

static void send_batch(struct lane *lane, json_t *batch, uint64_t now_us)
{
    char *text = json_dumps(batch, JSON_COMPACT);
    INGOT_ASSERT(text != NULL);
    json_decref(batch);
    lane->deadline_us = now_us + CALL_TIMEOUT_US;
    link_start(&lane->link, ingot_slice_of_text(text));
    free(text);
}

static void add_request(json_t *batch, uint32_t id, const char *method, json_t *params)
{
    int outcome = json_array_append_new(batch, client_request(id, method, params));
    INGOT_ASSERT(outcome == 0);
}

/* Takes the next items and asks for what is stored under their keys. */
static void begin_reading(struct import *import, struct lane *lane, uint64_t now_us)
{
    size_t bytes = 0;
    json_t *batch = json_array();
    lane->count = 0;
    while (import->queue_count > 0 && lane->count < BATCH_ITEMS_MAX) {
        size_t more = item_bytes(import, import->queue[import->queue_first]);
        if (lane->count > 0 && bytes + more > BATCH_BYTES_MAX)
            break;
        bytes += more;
        uint32_t item = queue_pop(import);
        add_request(batch, lane->count, "abci_query",
                    client_query_params("", import->file.items[item].key));
        lane->items[lane->count++] = item;
    }
    lane->state = LANE_READING;
    send_batch(lane, batch, now_us);
}

static json_t *put_params(const struct import *import, uint32_t item)
{
    struct ingot_buffer transaction = {0};
    enum ingot_error error = ingot_kv_transaction_put(
        &transaction, import->file.items[item].key, import->file.items[item].value,
        ingot_slice_of(import->nonce, sizeof import->nonce));
    INGOT_ASSERT(error == INGOT_OK); /* kv_file.c has checked the lengths */
    json_t *params = client_tx_params(ingot_buffer_slice(&transaction));
    ingot_buffer_deinit(&transaction);
    return params;
}

static void begin_writing(struct import *import, struct lane *lane, uint64_t now_us)
{
    json_t *batch = json_array();
    for (uint32_t i = 0; i < lane->count; i++)
        add_request(batch, i, "broadcast_tx_commit", put_params(import, lane->items[i]));
    lane->state = LANE_WRITING;
    send_batch(lane, batch, now_us);
}

/* The answer with this id, or NULL. Answers come in the order of the calls nearly always. */
static const json_t *answer_of(const json_t *answers, uint32_t id)
{
    const json_t *guess = json_array_get(answers, id);
    if (guess != NULL && json_integer_value(json_object_get(guess, "id")) == (json_int_t)id)
        return guess;
    for (size_t i = 0; i < json_array_size(answers); i++) {
        const json_t *answer = json_array_get(answers, i);
        const json_t *its_id = json_object_get(answer, "id");
        if (json_is_integer(its_id) && json_integer_value(its_id) == (json_int_t)id)
            return answer;
    }
    return NULL;
}

/* Has the key this value already? */
static bool is_stored(const struct import *import, uint32_t item, const json_t *answer)
{
    struct ingot_buffer value = {0};
    bool is_equal = kv_value(json_object_get(answer, "result"), &value) &&
                    ingot_slice_equal(ingot_buffer_slice(&value), import->file.items[item].value);
    ingot_buffer_deinit(&value);
    return is_equal;
}

/* Drops the items that are stored from the batch and writes the others. */
static void end_reading(struct import *import, struct lane *lane, const json_t *answers,
                        uint64_t now_us)
{
    uint32_t kept = 0;
    for (uint32_t i = 0; i < lane->count; i++) {
        if (is_stored(import, lane->items[i], answer_of(answers, i))) {
            import->already_there++;
            import->progress_us = now_us;
        } else {
            lane->items[kept++] = lane->items[i];
        }
    }
    lane->count = kept;
    if (kept > 0)
        begin_writing(import, lane, now_us);
    else
        lane->state = LANE_IDLE;
}

static void show_refusal(struct import *import, uint32_t item, const json_t *outcome)
{
    import->refused++;
    if (import->refused <= REFUSALS_SHOWN_MAX)
        (void)command_fail(INGOT_EXIT_FAILURE, "%s:%u: refused: code %llu: %s", import->path,
                           import->file.items[item].line,
                           (unsigned long long)client_u64(outcome, "code"),
                           client_text(outcome, "log"));
}

/* True when the item is done with, one way or the other; else it has to be tried again. */
static bool end_item(struct import *import, uint32_t item, const json_t *answer)
{
    const json_t *result = json_object_get(answer, "result");
    uint64_t height = client_u64(result, "height");
    if (client_u64(result, "check_tx.code") != 0) {
        show_refusal(import, item, client_member(result, "check_tx"));
    } else if (client_u64(result, "tx_result.code") != 0) {
        show_refusal(import, item, client_member(result, "tx_result"));
    } else if (height > 0) {
        import->committed++;
        import->height_min = import->height_min == 0 || height < import->height_min ? height
            : import->height_min;
        import->height_max = height > import->height_max ? height : import->height_max;
    } else {
        (void)client_error_text(answer, import->last_problem, sizeof import->last_problem);
        if (strstr(import->last_problem, "too large") == NULL)
            return false;
        import->refused++;
        (void)command_fail(INGOT_EXIT_FAILURE, "%s:%u: refused: %s", import->path,
                           import->file.items[item].line, import->last_problem);
    }
    return true;
}

static void end_writing(struct import *import, struct lane *lane, const json_t *answers,
                        uint64_t now_us)
{
    uint32_t again = 0;
    for (uint32_t i = 0; i < lane->count; i++) {
        if (end_item(import, lane->items[i], answer_of(answers, i))) {
            import->progress_us = now_us;
        } else {
            queue_push(import, lane->items[i]);
            again++;
        }
    }
    lane->state = LANE_IDLE;
    if (again > 0)
        lane->not_before_us = now_us + RETRY_DELAY_US;
}

/* Puts all of the batch back and turns to the next node. */
static void give_back(struct import *import, struct lane *lane, uint64_t now_us)
{
    for (uint32_t i = 0; i < lane->count; i++)
        queue_push(import, lane->items[i]);
    lane->count = 0;
    lane->state = LANE_IDLE;
    lane->not_before_us = now_us + 2 * RETRY_DELAY_US;
    lane->node = (lane->node + 1) % import->target_count;
    link_deinit(&lane->link);
    link_init(&lane->link, &import->targets[lane->node]);
}

static void end_call(struct import *import, struct lane *lane, uint64_t now_us)
{
    json_t *answers = NULL;
    if (lane->link.state == LINK_DONE)
        answers = client_parse_reply(&lane->link.reply, import->last_problem,
                                     sizeof import->last_problem);
    else
        (void)snprintf(import->last_problem, sizeof import->last_problem, "%s", lane->link.why);
    if (!json_is_array(answers)) {
        /* One error for all of the batch, or nothing that can be read. */
        (void)client_error_text(answers, import->last_problem, sizeof import->last_problem);
        give_back(import, lane, now_us);
    } else if (lane->state == LANE_READING) {
        import->has_answer = true;
        end_reading(import, lane, answers, now_us);
    } else {
        end_writing(import, lane, answers, now_us);
    }
    json_decref(answers);
}

static void step_lane(struct import *import, struct lane *lane, uint64_t now_us)
{
    if (lane->state == LANE_IDLE) {
        if (import->queue_count > 0 && now_us >= lane->not_before_us)
            begin_reading(import, lane, now_us);
        return;
    }
    link_step(&lane->link);
    if (link_is_busy(&lane->link) && now_us >= lane->deadline_us)
        link_cancel(&lane->link, "no answer within 30 s");
    if (!link_is_busy(&lane->link))
        end_call(import, lane, now_us);
}

static uint32_t done_count(const struct import *import)
{
    return import->committed + import->already_there + import->refused;
}

static void show_progress(struct import *import, uint64_t now_us)
{
    if (now_us < import->shown_us + PROGRESS_INTERVAL_US)
        return;
    import->shown_us = now_us;
    double seconds = (double)(now_us - import->start_us) / 1e6;
    (void)fprintf(stderr, "%s%u of %u keys, %.0f committed a second%s",
                  import->is_terminal ? "\r" : "", done_count(import), import->file.count,
                  (double)import->committed / seconds, import->is_terminal ? "   " : "\n");
}

/* Sleeps until a connection can go on, or a tenth of a second for the timers. */
static void wait_for_any(struct import *import)
{
    struct pollfd waits[LANES_MAX];
    nfds_t count = 0;
    for (uint32_t i = 0; i < LANES_MAX; i++) {
        const struct link *link = &import->lanes[i].link;
        if (link_is_busy(link))
            waits[count++] = (struct pollfd){.fd = link->socket, .events = link_poll_events(link)};
    }
    (void)poll(waits, count, 100);
}

static bool run(struct import *import)
{
    import->start_us = clock_monotonic_us();
    import->progress_us = import->start_us;
    import->shown_us = import->start_us;
    while (done_count(import) < import->file.count) {
        uint64_t now_us = clock_monotonic_us();
        for (uint32_t i = 0; i < LANES_MAX; i++)
            step_lane(import, &import->lanes[i], now_us);
        if (now_us >
            import->progress_us + (import->has_answer ? PATIENCE_US : PATIENCE_AT_FIRST_US))
            return false;
        show_progress(import, now_us);
        if (done_count(import) < import->file.count)
            wait_for_any(import);
    }
    return true;
}

static void show_result(const struct import *import)
{
    double seconds = (double)(clock_monotonic_us() - import->start_us) / 1e6;
    if (import->is_terminal)
        (void)fputs("\r\033[K", stderr);
    (void)printf("%u keys: %u committed, %u already there, %u refused, in %.2f s",
                 import->file.count, import->committed, import->already_there, import->refused,
                 seconds);
    if (import->committed > 0)
        (void)printf(" (%.0f a second), heights %llu to %llu", (double)import->committed / seconds,
                     (unsigned long long)import->height_min,
                     (unsigned long long)import->height_max);
    (void)putchar('\n');
}

static enum ingot_exit import_file(struct import *import)
{
    import->is_terminal = isatty(STDERR_FILENO) == 1;
    import->queue = alloc_zeroed(import->file.count, sizeof *import->queue);
    kv_nonce(import->nonce);
    for (uint32_t i = 0; i < import->file.count; i++)
        queue_push(import, i);
    for (uint32_t i = 0; i < LANES_MAX; i++) {
        import->lanes[i].node = i % import->target_count;
        link_init(&import->lanes[i].link, &import->targets[import->lanes[i].node]);
    }
    bool is_complete = run(import);
    show_result(import);
    for (uint32_t i = 0; i < LANES_MAX; i++)
        link_deinit(&import->lanes[i].link);
    free(import->queue);
    if (!is_complete)
        return command_fail(INGOT_EXIT_FAILURE,
                            "no progress (%s); the same command goes on where this one ended",
                            import->last_problem);
    return import->refused == 0 ? INGOT_EXIT_OK : INGOT_EXIT_FAILURE;
}

enum ingot_exit kv_import(const struct kv_import_options *options)
{
    char why[4096];
    struct report report;
    struct import *import = alloc_zeroed(1, sizeof *import);
    enum ingot_exit code = INGOT_EXIT_OK;
    report_init(&report, why, sizeof why);
    import->path = options->path;
    for (uint32_t i = 0; i < options->node_count && code == INGOT_EXIT_OK; i++) {
        if (!link_target_resolve(&options->nodes[i], &import->targets[i], why, sizeof why))
            code = command_fail(INGOT_EXIT_FAILURE, "%s", why);
        import->target_count++;
    }
    if (code == INGOT_EXIT_OK && kv_file_read(options->path, &import->file, &report) != INGOT_OK)
        code = command_fail(INGOT_EXIT_FAILURE, "%s", why);
    if (code == INGOT_EXIT_OK)
        code = import_file(import);
    kv_file_deinit(&import->file);
    free(import);
    return code;
}
