/*
 * The member, and what is asked of it after the power has gone. The other members have no disk. See
 * lines.h.
 */
#include "power/lines.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "attest/signatures_file.h"
#include "base/alloc.h"
#include "base/assert.h"
#include "base/log.h"
#include "config/file.h"
#include "lib/signing_members.h"
#include "power/disk.h"

#define ID_BYTES 16
#define PAYLOAD_BYTES 40
#define ROUNDS_MAX 256

/* The payload of a round: short or longer, but always the same. */
static void name_round(uint32_t number, char id[ID_BYTES], char payload[PAYLOAD_BYTES])
{
    (void)snprintf(id, ID_BYTES, "round %u", number);
    (void)snprintf(payload, PAYLOAD_BYTES, "%0*u", (int)(1 + number * 7 % (PAYLOAD_BYTES - 8)),
                   number);
}

static enum ingot_error open_member(const char *folder, struct ingot_store **store,
                                    struct quorum_signing **signing, char *why, size_t why_size)
{
    const struct ingot_store_lmdb_options store_options = {.folder = folder,
                                                           .tables = quorum_store_tables,
                                                           .table_count = QUORUM_STORE_TABLE_COUNT,
                                                           .map_size_initial = 64 << 10,
                                                           .map_size_max = 64 << 20};
    char path[256];
    (void)snprintf(path, sizeof path, "%s/%s", folder, SIGNATURES_FILE_NAME);
    *signing = NULL;
    enum ingot_error error = ingot_store_lmdb_open(&store_options, store, why, why_size);
    if (error == INGOT_OK) {
        const struct quorum_signing_options options = {.path = path,
                                                       .store = *store,
                                                       .genesis = &signing_genesis,
                                                       .set = signing_set.set,
                                                       .scheme = &crypto_ed25519,
                                                       .secret = &signing_secrets[0],
                                                       .payload_bytes_max =
                                                           SIGNING_PAYLOAD_BYTES_MAX};
        error = quorum_signing_open(&options, signing, why, why_size);
    }
    return error;
}

static void close_member(void)
{
    quorum_signing_close(signing_members[0]);
    ingot_store_close(signing_stores[0]);
    signing_members[0] = NULL;
    signing_stores[0] = NULL;
}

/* --- The workload. --- */

/* Signs for a round, or sees it end; what may leave then is due once it is synced. */
static void advance_round(uint32_t number, bool ends)
{
    char id[ID_BYTES];
    char payload[PAYLOAD_BYTES];
    struct ingot_buffer attachment = {0};
    name_round(number, id, payload);
    const struct broadcast_round_view round = signing_round(id, payload);
    const struct broadcast_callbacks callbacks = quorum_signing_callbacks(signing_members[0]);
    (void)callbacks.commit(callbacks.context, &round, &attachment);
    ingot_buffer_deinit(&attachment);
    if (ends && signing_find(0, id, NULL) == INGOT_ERROR_NOT_FOUND) {
        (void)signing_end_round(0, id, payload);
    }
}

static void mark_round(struct lines *lines, uint32_t number)
{
    char id[ID_BYTES];
    char payload[PAYLOAD_BYTES];
    struct ingot_buffer line = {0};
    name_round(number, id, payload);
    record_mark(&lines->record, OP_SIGNED)->at = number;
    if (signing_find(0, id, &line) == INGOT_OK) {
        struct op *op = record_mark(&lines->record, OP_TOLD);
        op->at = number;
        ingot_buffer_append_slice(&op->bytes, ingot_buffer_slice(&line));
    }
    ingot_buffer_deinit(&line);
}

/* A turn: some rounds, one sync, and then they are shown. False: the process has died. */
static bool take_turn(struct lines *lines, uint32_t first)
{
    const uint32_t count = (uint32_t)prng_between(&lines->prng, 1, 4);
    for (uint32_t i = first; i < first + count; i++) {
        advance_round(i, prng_chance(&lines->prng, 600000));
    }
    if (quorum_signing_sync(signing_members[0]) != INGOT_OK) {
        return false;
    }
    for (uint32_t i = first; i < first + count && !lines->record.is_dead; i++) {
        mark_round(lines, i);
    }
    return !lines->record.is_dead;
}

static void end_life(struct lines *lines)
{
    const bool has_died = lines->record.is_dead;
    close_member();
    if (has_died) {
        record_mark_content(&lines->record, OP_LEFT, "data.mdb");
        if (prng_chance(&lines->prng, 500000)) {
            disk_lose_power(&lines->record, &lines->prng);
        }
    }
    record_reborn(&lines->record);
}

/* From a start to a stop or a death. Returns the round that comes next. */
static uint32_t live(struct lines *lines, uint32_t next)
{
    const uint32_t turns = (uint32_t)prng_between(&lines->prng, 1, 6);
    if (prng_chance(&lines->prng, lines->workload->die)) {
        record_plan_death(&lines->record, prng_chance(&lines->prng, 200000)
                                              ? RECORD_AT_SYNCED
                                              : (uint32_t)prng_below(&lines->prng, 40));
    }
    if (open_member(lines->record.folder, &signing_stores[0], &signing_members[0], lines->why,
                    sizeof lines->why) == INGOT_OK) {
        lines->why[0] = '\0';
        for (uint32_t i = 0; i < turns && take_turn(lines, next); i++) {
            next += (uint32_t)prng_below(&lines->prng, 3);
        }
    } else if (lines->record.is_dead) {
        lines->why[0] = '\0';
    }
    end_life(lines);
    return next;
}

bool lines_run(struct lines *lines, const struct workload *workload, uint64_t seed,
               const char *folder, char *why, size_t why_size)
{
    const bool has_crypto = crypto_init();
    INGOT_ASSERT(has_crypto);
    log_configure(LOG_PLAIN, LOG_NONE);
    *lines = (struct lines){.workload = workload};
    prng_init(&lines->prng, seed, 3);
    (void)signing_set_up(NULL);
    close_member();
    char path[96];
    (void)snprintf(path, sizeof path, "%s/lines", folder);
    const int rc = mkdir(path, 0700);
    INGOT_ASSERT(rc == 0);
    (void)snprintf(path, sizeof path, "%s/lines/data", folder);
    record_init(&lines->record, path);
    uint32_t next = 0;
    while (next < workload->height && lines->why[0] == '\0') {
        next = live(lines, next);
    }
    (void)snprintf(why, why_size, "%s", lines->why);
    if (lines->why[0] == '\0' && !disk_is_as_recorded(&lines->record)) {
        (void)snprintf(why, why_size, "what was recorded is not what the disk has");
    }
    record_apply_fault(&lines->record);
    return why[0] == '\0';
}

void lines_deinit(struct lines *lines)
{
    record_deinit(&lines->record);
    (void)signing_tear_down(NULL);
}

/* --- The judge. --- */

static const char *judge_signed(uint32_t number)
{
    static char text[96];
    char id[ID_BYTES];
    char payload[PAYLOAD_BYTES];
    struct ingot_buffer attachment = {0};
    const char *wrong = NULL;
    name_round(number, id, payload);
    const struct broadcast_round_view other = signing_round(id, "another payload");
    const struct broadcast_callbacks callbacks = quorum_signing_callbacks(signing_members[0]);
    if (callbacks.commit(callbacks.context, &other, &attachment) != BROADCAST_VETO) {
        (void)snprintf(text, sizeof text, "it signs another payload of round %u", number);
        wrong = text;
    }
    ingot_buffer_deinit(&attachment);
    return wrong;
}

static const char *judge_told(const struct op *op)
{
    static char text[96];
    char id[ID_BYTES];
    char payload[PAYLOAD_BYTES];
    struct ingot_buffer line = {0};
    const char *wrong = NULL;
    name_round((uint32_t)op->at, id, payload);
    if (signing_find(0, id, &line) != INGOT_OK) {
        wrong = "is lost";
    } else if (!ingot_slice_equal(ingot_buffer_slice(&line), ingot_buffer_slice(&op->bytes))) {
        wrong = "has changed";
    }
    ingot_buffer_deinit(&line);
    if (wrong != NULL) {
        (void)snprintf(text, sizeof text, "the record of round %u was reported, and %s",
                       (unsigned)op->at, wrong);
        wrong = text;
    }
    return wrong;
}

/* Whole lines that read as what they are, no id twice. */
const char *lines_judge_file(const char *folder)
{
    char path[256];
    struct ingot_buffer content = {0};
    struct report report;
    char why[256];
    const char *wrong = NULL;
    char ids[ROUNDS_MAX][STATEMENT_ID_BYTES_MAX];
    uint32_t count = 0;
    (void)snprintf(path, sizeof path, "%s/%s", folder, SIGNATURES_FILE_NAME);
    report_init(&report, why, sizeof why);
    if (file_read(path, 1 << 24, &content, &report) != INGOT_OK) {
        return "the signatures file cannot be read";
    }
    struct ingot_slice rest = ingot_buffer_slice(&content);
    while (rest.size > 0 && wrong == NULL) {
        const uint8_t *end = memchr(rest.data, '\n', rest.size);
        struct attestation attestation;
        if (end == NULL) {
            wrong = "the signatures file ends within a line";
            break;
        }
        const struct ingot_slice line = {rest.data, (size_t)(end - rest.data)};
        if (attestation_parse(line, &attestation, why, sizeof why) != INGOT_OK) {
            wrong = "a line of the signatures file does not read";
            break;
        }
        memset(ids[count], 0, sizeof ids[count]);
        memcpy(ids[count], attestation.statement.id.bytes, attestation.statement.id.size);
        for (uint32_t i = 0; i < count; i++) {
            if (memcmp(ids[i], ids[count], sizeof ids[i]) == 0) {
                wrong = "a record is in the signatures file twice";
            }
        }
        count++;
        INGOT_ASSERT(count < ROUNDS_MAX);
        attestation_deinit(&attestation);
        rest.data += line.size + 1;
        rest.size -= line.size + 1;
    }
    ingot_buffer_deinit(&content);
    return wrong;
}

bool lines_judge(const struct record *record, uint32_t at, const struct duty *duty,
                 const char *folder, char *why, size_t why_size)
{
    if (!judge_content(record, at, duty, folder, why, why_size)) {
        return false;
    }
    char reason[256] = "";
    const char *wrong = NULL;
    if (open_member(folder, &signing_stores[0], &signing_members[0], reason, sizeof reason) !=
        INGOT_OK) {
        wrong = reason;
    } else {
        wrong = lines_judge_file(folder);
    }
    bool is_signed[ROUNDS_MAX] = {false};
    bool is_told[ROUNDS_MAX] = {false};
    for (uint32_t i = 0; i < at && wrong == NULL; i++) {
        const struct op *op = &record->ops[i];
        if (op->kind == OP_SIGNED && !is_signed[op->at]) {
            is_signed[op->at] = true;
            wrong = judge_signed((uint32_t)op->at);
        } else if (op->kind == OP_TOLD && !is_told[op->at]) {
            is_told[op->at] = true;
            wrong = judge_told(op);
        }
    }
    if (wrong != NULL) {
        (void)snprintf(why, why_size, "%s", wrong);
    }
    close_member();
    return wrong == NULL;
}
