/*
 * POST /transactions: many transactions in one body, without JSON, and one answer when each of them
 * is committed or has failed (docs/rpc.md).
 *
 *   start -> admitting, a part in each turn of the loop -> waiting for commits -> answered
 *
 * A transaction waits under its digest, which admission to the mempool takes anyway and which a
 * committed block has with it, unless it was fetched: nothing is hashed for the answer. It waits
 * from before it is submitted, so it may be committed while later ones of its request are still
 * being admitted.
 *
 * What a submission holds is one allocation for all of its transactions, and so bounded by how many
 * may be under way (`submitted_max`); its body goes as soon as the last of it was admitted.
 */
#include <stdlib.h>

#include "base/ahead.h"
#include "base/alloc.h"
#include "base/assert.h"
#include "base/clock.h"
#include "node/rpc_internal.h"
#include "wire/preimage.h"

#define TEXT_TYPE "text/plain; charset=utf-8"
/* More at once would cost more where there is no room for the first of them. */
#define HASHED_AT_ONCE 8
static_assert(HASHED_AT_ONCE <= WIRE_DIGESTS_AT_ONCE, "they can be hashed at once");
static_assert(INGOT_RPC_BODY_BYTES_MAX < 1 << 24, "a transaction of a body can be hashed there");

/* A transaction of a submission; the status counts once it does not wait any more. */
struct awaited {
    struct rpc_keyed keyed; /* by its digest, while it waits */
    struct rpc_submission *submission;
    uint64_t height;
    uint8_t status;
    bool is_waiting;
};

struct rpc_submission {
    struct rpc *rpc;
    struct rpc_connection *connection;
    struct ingot_slice rest; /* of the body: what was not looked at yet */
    uint32_t count;
    uint32_t taken;    /* how many were looked at */
    uint32_t waiting;  /* how many of those wait for their commit */
    bool is_admitting; /* in a loop over `rest`: do not answer yet */
    bool is_full;      /* there was no room for one: the rest is not looked at */
    uint64_t deadline_ms;
    struct rpc_submission *older; /* all submissions in the order of their deadlines */
    struct rpc_submission *newer;
    struct awaited awaited[];
};

/* --- The beginning and the end. --- */

static void refuse(struct rpc *rpc, struct rpc_connection *connection, int status,
                   struct ingot_buffer *why)
{
    struct ingot_buffer body = {0};
    rpc->counters.bad_requests++;
    ingot_buffer_format(&body, "%d %s: %.*s\n", status, http_status_text(status), (int)why->size,
                        (const char *)why->data);
    ingot_buffer_deinit(why);
    rpc_connection_answer(connection, status, TEXT_TYPE, &body);
}

/* Counts the transactions of a body. An HTTP status other than 200, and a sentence, if there is
 * something wrong with it. */
static int look_at_body(struct ingot_slice body, uint32_t *count, struct ingot_buffer *why)
{
    struct ingot_slice rest = body;
    struct ingot_slice transaction;
    *count = 0;
    while (rest.size > 0) {
        const size_t place = body.size - rest.size;
        struct ingot_slice behind = rest;
        uint32_t size = 0;
        if (!ingot_slice_take_u32(&behind, &size)) {
            ingot_buffer_format(why,
                                "transaction %u: expected a length of 4 bytes at byte %zu of the "
                                "body, found %zu bytes",
                                *count, place, rest.size);
            return 400;
        }
        if (!payload_next(&rest, &transaction) || size == 0) {
            ingot_buffer_format(why,
                                "transaction %u: its length, at byte %zu of the body, is %u; "
                                "expected 1 to the %zu bytes behind it",
                                *count, place, size, behind.size);
            return 400;
        }
        if (++*count > INGOT_RPC_TRANSACTIONS_MAX) {
            ingot_buffer_format(why, "a request may have %d transactions at most",
                                INGOT_RPC_TRANSACTIONS_MAX);
            return 413;
        }
    }
    if (*count == 0) {
        ingot_buffer_format(why, "the body is empty; expected transactions, for each a length of 4 "
                                 "bytes, little-endian, and its bytes");
        return 400;
    }
    return 200;
}

static void arm(struct rpc *rpc)
{
    if (rpc->oldest_submission == NULL) {
        (void)event_del(rpc->submission_timer);
        return;
    }
    if (event_pending(rpc->submission_timer, EV_TIMEOUT, NULL)) {
        return; /* it fires at or before the deadline of the oldest, and is armed again then */
    }
    const uint64_t now_ms = clock_monotonic_us() / 1000;
    const uint64_t deadline_ms = rpc->oldest_submission->deadline_ms;
    rpc_add_timer(rpc->submission_timer, deadline_ms > now_ms ? deadline_ms - now_ms : 0);
}

static struct rpc_submission *new_submission(struct rpc *rpc, struct rpc_connection *connection,
                                             struct ingot_slice body, uint32_t count)
{
    /* Each of `awaited` is written when its transaction is looked at. */
    struct rpc_submission *submission =
        alloc_resize(NULL, sizeof *submission + (size_t)count * sizeof submission->awaited[0], 1);
    *submission = (struct rpc_submission){.rpc = rpc,
                                          .connection = connection,
                                          .rest = body,
                                          .count = count,
                                          .deadline_ms = clock_monotonic_us() / 1000 +
                                                         rpc->options.commit_timeout_ms,
                                          .older = rpc->newest_submission};
    *(submission->older == NULL ? &rpc->oldest_submission : &submission->older->newer) = submission;
    rpc->newest_submission = submission;
    rpc->submitted += count;
    rpc->counters.submitted += count;
    return submission;
}

/* Nothing of it waits any more. */
static void free_submission(struct rpc *rpc, struct rpc_submission *submission)
{
    INGOT_ASSERT(submission->waiting == 0);
    if (submission->older == NULL) {
        rpc->oldest_submission = submission->newer;
    } else {
        submission->older->newer = submission->newer;
    }
    if (submission->newer == NULL) {
        rpc->newest_submission = submission->older;
    } else {
        submission->newer->older = submission->older;
    }
    INGOT_ASSERT(rpc->oldest_submission != submission);
    rpc->submitted -= submission->count;
    free(submission);
}

/* It waits no more. */
static void settle(struct awaited *awaited, enum rpc_transaction_status status, uint64_t height)
{
    INGOT_ASSERT(awaited->is_waiting);
    rpc_index_remove(&awaited->submission->rpc->awaited, &awaited->keyed);
    awaited->is_waiting = false;
    awaited->status = (uint8_t)status;
    awaited->height = height;
    awaited->submission->waiting--;
}

/* The time is up, or the client is gone. */
static void settle_all(struct rpc_submission *submission)
{
    for (uint32_t i = 0; i < submission->taken; i++) {
        if (submission->awaited[i].is_waiting) {
            settle(&submission->awaited[i], RPC_TRANSACTION_TIMED_OUT, 0);
        }
    }
}

/* Every transaction has a status: those that were not looked at had no room. Answers, and frees the
 * submission. */
static void finish(struct rpc *rpc, struct rpc_submission *submission)
{
    struct rpc_connection *connection = submission->connection;
    struct ingot_buffer body = {0};
    uint32_t full = submission->count - submission->taken;
    ingot_buffer_reserve(&body, (size_t)submission->count * RPC_TRANSACTION_RECORD_BYTES);
    for (uint32_t i = 0; i < submission->count; i++) {
        const struct awaited *awaited = &submission->awaited[i];
        const bool was_taken = i < submission->taken;
        full += was_taken && awaited->status == RPC_TRANSACTION_FULL;
        ingot_buffer_append_u8(&body, was_taken ? awaited->status : RPC_TRANSACTION_FULL);
        ingot_buffer_append_u64(&body, was_taken ? awaited->height : 0);
    }
    const bool is_all = full == submission->count;
    free_submission(rpc, submission);
    if (is_all) {
        struct ingot_buffer why = {0};
        ingot_buffer_deinit(&body);
        ingot_buffer_format(&why, "mempool is full, retry later");
        refuse(rpc, connection, 503, &why);
    } else {
        rpc_connection_answer(connection, 200, RPC_TRANSACTIONS_TYPE, &body);
    }
}

/* --- Admission. --- */

static enum rpc_transaction_status refusal_of(enum ingot_error error)
{
    if (error == INGOT_ERROR_EXISTS) {
        return RPC_TRANSACTION_KNOWN;
    }
    if (error == INGOT_ERROR_FULL) {
        return RPC_TRANSACTION_FULL;
    }
    return error == INGOT_ERROR_TOO_LARGE ? RPC_TRANSACTION_TOO_LARGE : RPC_TRANSACTION_REFUSED;
}

static void admit(struct rpc_submission *submission, struct ingot_slice transaction,
                  const struct ingot_hash *digest)
{
    struct rpc *rpc = submission->rpc;
    struct awaited *awaited = &submission->awaited[submission->taken++];
    struct ingot_check_response check = {0};
    *awaited = (struct awaited){.submission = submission, .is_waiting = true};
    rpc_index_add(&rpc->awaited, &awaited->keyed, digest->bytes);
    submission->waiting++;
    const enum ingot_error error =
        rpc->backend.submit(rpc->backend.context, transaction, digest, &check);
    if (error != INGOT_OK || check.code != 0) {
        settle(awaited, refusal_of(error), 0);
    }
    submission->is_full = error == INGOT_ERROR_FULL;
    ingot_buffer_deinit(&check.log);
}

static void expect(const struct rpc *rpc, const struct ingot_hash *digests, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        rpc_index_expect(&rpc->awaited, digests[i].bytes);
    }
    if (rpc->backend.expect != NULL) {
        rpc->backend.expect(rpc->backend.context, digests, count);
    }
}

/*
 * Looks at as many transactions as this turn of the loop has room for. Once there is no room in the
 * mempool, those behind are not looked at: turning away a flood has to be cheap, and a client's
 * order is kept. Returns NULL once it has answered.
 */
static struct rpc_submission *go_on(struct rpc_submission *submission)
{
    struct rpc *rpc = submission->rpc;
    const uint32_t room = rpc_turn_room(rpc);
    uint32_t work = 0;
    uint32_t count = 1;
    submission->is_admitting = true;
    while (!submission->is_full && work < room && count > 0) {
        struct ingot_slice some[HASHED_AT_ONCE];
        struct ingot_hash digests[HASHED_AT_ONCE];
        count = room - work < HASHED_AT_ONCE ? room - work : HASHED_AT_ONCE;
        count = wire_packed_digests(&submission->rest, count, some, digests);
        expect(rpc, digests, count);
        for (uint32_t i = 0; i < count && !submission->is_full; i++) {
            admit(submission, some[i], &digests[i]);
        }
        work += count;
    }
    submission->is_admitting = false;
    rpc_turn_work(rpc, work);
    if (!submission->is_full && submission->taken < submission->count) {
        rpc_connection_await_turn(submission->connection);
        return submission;
    }
    submission->rest = (struct ingot_slice){0};
    if (submission->waiting == 0) {
        finish(rpc, submission);
        return NULL;
    }
    rpc_connection_drop_body(submission->connection);
    return submission;
}

struct rpc_submission *rpc_submission_start(struct rpc *rpc, struct rpc_connection *connection,
                                            const struct http_request *request)
{
    struct ingot_slice body = ingot_buffer_slice(&request->body);
    struct ingot_buffer why = {0};
    uint32_t count = 0;
    if (rpc->identity.protocol != SETTINGS_PROTOCOL_HOTSTUFF) {
        ingot_buffer_format(&why, "this node runs %s, which takes no transactions",
                            settings_protocol_name(rpc->identity.protocol));
        refuse(rpc, connection, 404, &why);
        return NULL;
    }
    const int status = look_at_body(body, &count, &why);
    if (status != 200) {
        refuse(rpc, connection, status, &why);
        return NULL;
    }
    if (count > rpc->options.submitted_max - rpc->submitted) {
        ingot_buffer_format(&why, "too many transactions wait for a commit, retry later");
        refuse(rpc, connection, 503, &why);
        return NULL;
    }
    struct rpc_submission *submission = new_submission(rpc, connection, body, count);
    arm(rpc);
    return go_on(submission);
}

void rpc_submission_continue(struct rpc_submission *submission)
{
    if (submission->taken < submission->count && !submission->is_full) {
        (void)go_on(submission);
    }
}

void rpc_submission_abandon(struct rpc_submission *submission)
{
    INGOT_ASSERT(!submission->is_admitting);
    settle_all(submission);
    free_submission(submission->rpc, submission);
}

/* --- What comes of it. --- */

void rpc_submissions_committed(struct rpc *rpc, const struct block *block,
                               const struct execution *execution)
{
    struct ingot_slice rest = ingot_buffer_slice(&block->payload);
    struct ingot_slice transaction;
    if (rpc->awaited.count == 0) {
        return;
    }
    for (uint32_t i = 0; i < block->transaction_count && rpc->awaited.count > 0; i++) {
        struct ingot_hash digest;
        struct rpc_keyed *found;
        if (block->digests != NULL && i + AHEAD < block->transaction_count) {
            rpc_index_expect(&rpc->awaited, block->digests[i + AHEAD].bytes);
        }
        if (block->digests == NULL && payload_next(&rest, &transaction)) {
            wire_transaction_digest(transaction, &digest);
        }
        const uint8_t *key = block->digests != NULL ? block->digests[i].bytes : digest.bytes;
        while ((found = rpc_index_find(&rpc->awaited, key)) != NULL) {
            struct awaited *awaited = (struct awaited *)found; /* its first member */
            struct rpc_submission *submission = awaited->submission;
            settle(awaited,
                   execution_result(execution, i)->code == 0 ? RPC_TRANSACTION_COMMITTED
                                                             : RPC_TRANSACTION_FAILED,
                   block->height);
            const bool is_all_taken = submission->is_full || submission->taken == submission->count;
            if (submission->waiting == 0 && is_all_taken && !submission->is_admitting) {
                finish(rpc, submission);
            }
        }
    }
    arm(rpc);
}

void rpc_submissions_expire(struct rpc *rpc)
{
    const uint64_t now_ms = clock_monotonic_us() / 1000;
    struct rpc_submission *submission;
    while ((submission = rpc->oldest_submission) != NULL && submission->deadline_ms <= now_ms) {
        settle_all(submission);
        finish(rpc, submission);
    }
    arm(rpc);
}
