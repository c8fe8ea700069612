/*
 * The attestor of a node. See attesting.h.
 */
#include "power/attesting.h"

#include <stdio.h>
#include <string.h>

#include "attest/signatures_file.h"
#include "power/lines.h"
#include "power/world.h"
#include "wire/broadcast.h"

/* Who asks for it is the transaction's key: the changes of the set have another one. */
static bool attest(void *context, struct ingot_slice transaction,
                   struct ingot_attest_subject *subject)
{
    (void)context;
    crypto_sha256(transaction, subject->digest);
    return transaction.size > 3 && memcmp(transaction.data, "key", 3) == 0;
}

void attesting_app(const struct power_node *node, struct ingot_app *app)
{
    set_app_init(app, &node->world->keys);
    if (node->world->workload->attests) {
        app->attest = attest;
    }
}

/* --- What it puts out. --- */

static struct validator_set *find_set(void *context, uint64_t epoch)
{
    const struct attesting *attesting = context;
    return core_find_set(replica_core(attesting->replica), epoch);
}

static bool send(void *context, uint32_t peer, struct ingot_slice frame)
{
    const struct attesting *attesting = context;
    attesting->output.send(attesting->output.context, peer, INGOT_FRAME_BULK, frame);
    return true;
}

static void wake(void *context)
{
    const struct attesting *attesting = context;
    attesting->output.wake(attesting->output.context);
}

static void arm(void *context, uint64_t deadline_ms)
{
    struct attesting *attesting = context;
    attesting->due_ms = deadline_ms;
}

static bool sync_ledger(void *context)
{
    const struct attesting *attesting = context;
    return replica_sync(attesting->replica);
}

static void attested(void *context, uint64_t height, const struct statement_id *id,
                     struct ingot_slice json)
{
    const struct attesting *attesting = context;
    (void)json;
    if (attesting->told != NULL) {
        attesting->told(attesting->output.context, height, id);
    }
}

static void refused(void *context, uint64_t height, const struct statement_id *id)
{
    (void)context;
    (void)height;
    (void)id;
}

static uint64_t monotonic_ms(void *context)
{
    const struct attesting *attesting = context;
    return attesting->output.monotonic_us(attesting->output.context) / 1000;
}

static void stopped(void *context, enum replica_stop stop, const char *why)
{
    const struct attesting *attesting = context;
    attesting->output.stopped(attesting->output.context, stop, why);
}

/* --- Its life. --- */

enum ingot_error attesting_open(struct attesting *attesting, const struct power_node *node,
                                const struct ingot_app *app, const char *folder, char *why,
                                size_t why_size)
{
    char path[256];
    attesting->due_ms = UINT64_MAX;
    if (!node->world->workload->attests) {
        return INGOT_OK;
    }
    (void)snprintf(path, sizeof path, "%s/%s", folder, SIGNATURES_FILE_NAME);
    const struct attestor_options options = {.ledger = replica_ledger(attesting->replica),
                                             .app = app,
                                             .chain_id = "power",
                                             .genesis = {0x11},
                                             .chain = node->world->genesis->hash,
                                             .file_path = path,
                                             .scheme = node->world->scheme,
                                             .has_key = true,
                                             .key = node->world->keys.of[node->index],
                                             .secret = node->secret,
                                             .output = {.context = attesting,
                                                        .find_set = find_set,
                                                        .send = send,
                                                        .wake = wake,
                                                        .arm = arm,
                                                        .sync = sync_ledger,
                                                        .attested = attested,
                                                        .refused = refused,
                                                        .monotonic_ms = monotonic_ms,
                                                        .stopped = stopped}};
    return attestor_open(&options, &attesting->attestor, why, why_size);
}

void attesting_close(struct attesting *attesting)
{
    attestor_free(attesting->attestor);
    attesting->attestor = NULL;
    attesting->due_ms = UINT64_MAX;
}

bool attesting_receive(const struct attesting *attesting, uint32_t peer, struct ingot_slice frame)
{
    if (attesting->attestor == NULL || !wire_is_broadcast(frame)) {
        return false;
    }
    attestor_receive(attesting->attestor, peer, frame);
    return true;
}

void attesting_committed(const struct attesting *attesting, const struct block *block,
                         const struct execution *execution)
{
    if (attesting->attestor != NULL) {
        attestor_committed(attesting->attestor, block, execution);
    }
}

void attesting_connected(const struct attesting *attesting, uint32_t peer, bool is_connected)
{
    if (attesting->attestor != NULL) {
        attestor_connected(attesting->attestor, peer, is_connected);
    }
}

void attesting_flush(const struct attesting *attesting)
{
    if (attesting->attestor != NULL) {
        attestor_flush(attesting->attestor);
    }
}

void attesting_tick(struct attesting *attesting, uint64_t now_ms)
{
    if (attesting->attestor != NULL && attesting->due_ms <= now_ms) {
        attesting->due_ms = UINT64_MAX;
        attestor_tick(attesting->attestor);
    }
}

/* --- The judge. --- */

const char *attesting_judge(const struct attesting *attesting, const struct record *record,
                            uint32_t at, const char *folder)
{
    static char text[96];
    for (uint32_t i = 0; i < at && attesting->attestor != NULL; i++) {
        const struct op *op = &record->ops[i];
        struct statement_id id;
        if (op->kind == OP_TOLD &&
            (!statement_id_from(ingot_slice_of(op->digest.bytes, sizeof op->digest.bytes), &id) ||
             attestor_find(attesting->attestor, op->at, &id, NULL) != ATTEST_COMPLETE)) {
            (void)snprintf(text, sizeof text,
                           "an attestation of height %u was told of, and is lost",
                           (unsigned)op->at);
            return text;
        }
    }
    return attesting->attestor != NULL ? lines_judge_file(folder) : NULL;
}
