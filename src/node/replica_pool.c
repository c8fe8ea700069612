/*
 * Between the mempool and the chain: what clients and peers bring, what a block takes, what comes
 * back when a block is abandoned.
 */
#include <stdlib.h>

#include "base/ahead.h"
#include "base/alloc.h"
#include "base/bits.h"
#include "base/log.h"
#include "base/mutant.h"
#include "node/replica_state.h"

/* Admission for all ways in. The digest's check comes first: repeats are the common case. */
static enum ingot_error admit(struct replica *replica, struct ingot_slice transaction,
                              const struct ingot_hash *digest, bool is_local,
                              struct ingot_check_response *response)
{
    if (transaction.size == 0) {
        return INGOT_ERROR_INVALID;
    }
    if (transaction.size > replica->options.transaction_bytes_max) {
        return INGOT_ERROR_TOO_LARGE;
    }
    if (mempool_has(replica->mempool, digest) || executor_is_replay(replica->executor, digest)) {
        return INGOT_ERROR_EXISTS;
    }
    executor_check(replica->executor, transaction, response);
    return response->code != 0 ? INGOT_OK
                               : mempool_add(replica->mempool, transaction, digest, is_local,
                                             response->is_stateless);
}

static void count_admission(struct replica *replica, enum ingot_error error,
                            const struct ingot_check_response *response)
{
    const bool is_admitted = error == INGOT_OK && response->code == 0;
    replica->metrics.mempool_admitted += is_admitted;
    replica->metrics.mempool_refused += !is_admitted;
}

enum ingot_error replica_submit_digested(struct replica *replica, struct ingot_slice transaction,
                                         const struct ingot_hash *digest,
                                         struct ingot_check_response *response)
{
    struct ingot_hash own;
    if (digest == NULL) {
        wire_transaction_digest(transaction, &own);
        digest = &own;
    }
    const enum ingot_error error = admit(replica, transaction, digest, true, response);
    count_admission(replica, error, response);
    pool_notice(replica);
    return error;
}

enum ingot_error replica_submit(struct replica *replica, struct ingot_slice transaction,
                                struct ingot_check_response *response)
{
    return replica_submit_digested(replica, transaction, NULL, response);
}

void replica_expect(const struct replica *replica, const struct ingot_hash *digests, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        mempool_expect(replica->mempool, &digests[i]);
        executor_expect(replica->executor, &digests[i]);
    }
}

/*
 * Who is below the replay window may hold what was committed above it, and we could not tell: such
 * a transaction would be executed twice although its client submitted it once. The sender shows it
 * again when it has caught up and still holds it.
 */
enum reject pool_receive(struct replica *replica, const struct transactions *transactions)
{
    if (transactions->committed_height + 1 < executor_window_height(replica->executor) &&
        !MUTANT(OLD_BATCHES_TAKEN)) {
        return REJECT_PAST;
    }
    struct ingot_slice rest = ingot_buffer_slice(&transactions->packed);
    struct ingot_slice some[WIRE_DIGESTS_AT_ONCE];
    struct ingot_hash digests[WIRE_DIGESTS_AT_ONCE];
    uint32_t count;
    struct ingot_check_response response = {0};
    while ((count = wire_packed_digests(&rest, WIRE_DIGESTS_AT_ONCE, some, digests)) > 0) {
        replica_expect(replica, digests, count);
        for (uint32_t i = 0; i < count; i++) {
            response.code = 0;
            ingot_buffer_clear(&response.log);
            const enum ingot_error error = admit(replica, some[i], &digests[i], false, &response);
            count_admission(replica, error, &response);
        }
    }
    ingot_buffer_deinit(&response.log);
    pool_notice(replica);
    return REJECT_NONE;
}

void pool_notice(struct replica *replica)
{
    const bool has_payload = mempool_waiting_count(replica->mempool) > 0;
    if (has_payload == replica->had_payload || replica->stop != REPLICA_RUNS) {
        return;
    }
    replica->had_payload = has_payload;
    struct core_event event = {.kind = CORE_PAYLOAD, .available = has_payload};
    (void)replica_step(replica, &event);
}

static bool is_still_welcome(void *context, struct ingot_slice transaction)
{
    struct replica *replica = context;
    struct ingot_check_response response = {0};
    executor_check(replica->executor, transaction, &response);
    ingot_buffer_deinit(&response.log);
    return response.code == 0;
}

static void remove_all(struct replica *replica, const struct ingot_hash *digests, uint32_t count)
{
    for (uint32_t i = 0; i < count && !MUTANT(COMMITTED_STAYS_IN_POOL); i++) {
        if (i + 2 * AHEAD < count) {
            mempool_expect(replica->mempool, &digests[i + 2 * AHEAD]);
        }
        if (i + AHEAD < count) {
            mempool_expect_found(replica->mempool, &digests[i + AHEAD]);
        }
        mempool_remove(replica->mempool, &digests[i]);
    }
}

void pool_committed(struct replica *replica, struct block *block)
{
    struct ingot_slice rest = ingot_buffer_slice(&block->payload);
    struct ingot_slice some[WIRE_DIGESTS_AT_ONCE];
    struct ingot_hash digests[WIRE_DIGESTS_AT_ONCE];
    uint32_t count;
    if (block->digests != NULL) {
        remove_all(replica, block->digests, block->transaction_count);
    } else {
        /* Who catches up has nothing waiting, and need not hash what comes. */
        while (mempool_count(replica->mempool) > 0 &&
               (count = wire_packed_digests(&rest, WIRE_DIGESTS_AT_ONCE, some, digests)) > 0) {
            remove_all(replica, digests, count);
        }
    }
    if (block->transaction_count > 0 && !MUTANT(NOT_CHECKED_AGAIN)) {
        mempool_recheck(replica->mempool, is_still_welcome, replica);
    }
}

void pool_abandoned(struct replica *replica, struct block *block)
{
    struct ingot_slice rest = ingot_buffer_slice(&block->payload);
    struct ingot_slice transaction;
    struct ingot_check_response response = {0};
    for (uint32_t i = 0; payload_next(&rest, &transaction) && !MUTANT(ABANDONED_LOST); i++) {
        struct ingot_hash digest;
        if (block->digests != NULL) {
            digest = block->digests[i];
        } else {
            wire_transaction_digest(transaction, &digest);
        }
        response.code = 0;
        ingot_buffer_clear(&response.log);
        (void)admit(replica, transaction, &digest, false, &response);
        mempool_release(replica->mempool, &digest);
    }
    ingot_buffer_deinit(&response.log);
}

/* --- What our own proposals bring to the others. --- */

/* Is it certified, or an ancestor of what is? */
static bool is_on_high_branch(const struct replica *replica, const struct core_status *status,
                              const struct block *block)
{
    const struct block *at = core_find_block(replica->core, &status->high_qc->block);
    while (at != NULL && at->height > block->height) {
        at = core_find_block(replica->core, &at->parent);
    }
    return at != NULL && crypto_hash_equal(&at->hash, &block->hash);
}

void pool_release_failed(struct replica *replica)
{
    struct block *block = replica->withheld;
    struct core_status status;
    if (block == NULL) {
        return;
    }
    core_get_status(replica->core, &status);
    if (position_compare(status.current, block_position(block)) <= 0) {
        return;
    }
    replica->withheld = NULL;
    const bool has_failed =
        !is_on_high_branch(replica, &status, block) && !MUTANT(WITHHELD_FOR_GOOD);
    for (uint32_t i = 0; has_failed && i < block->transaction_count; i++) {
        mempool_release(replica->mempool, &block->digests[i]);
    }
    block_unref(block);
    pool_notice(replica);
}

void pool_withhold(struct replica *replica, struct block *block, const struct message *compact)
{
    pool_release_failed(replica);
    block_unref(replica->withheld);
    replica->withheld = NULL;
    if (block->digests == NULL) {
        return; /* it has no transactions */
    }
    for (uint32_t i = 0; i < block->transaction_count; i++) {
        if (compact == NULL || !bits_has(compact->compact.named.data, i)) {
            mempool_withhold(replica->mempool, &block->digests[i]);
        }
    }
    replica->withheld = block_ref(block);
    pool_notice(replica);
}

static void show(struct replica *replica, struct message *message)
{
    message->transactions.committed_height = ledger_committed_height(replica->ledger);
    ingot_buffer_clear(&replica->frame);
    wire_encode(message, &replica->frame);
    replica->options.output.broadcast(replica->options.output.context, INGOT_FRAME_BULK,
                                      ingot_buffer_slice(&replica->frame));
}

/* A transaction that waits this long may be unknown to those who could propose it. */
#define STUCK_INTERVAL_MS 1000
#define STUCK_COUNT_MAX 512
#define STUCK_BYTES_MAX (64 * 1024)

/* Has a view ended by our own deadline since this was asked last? */
static bool has_given_up(struct replica *replica)
{
    struct core_status status;
    core_get_status(replica->core, &status);
    const bool is_news = status.timeouts > replica->looked_timeouts;
    replica->looked_timeouts = status.timeouts;
    return is_news && !MUTANT(STUCK_SHOWN_LATE);
}

/*
 * Shows the oldest transactions again when the very oldest has not moved for an interval: what
 * was sent while a peer was away, or its queue full, is lost, and a leader that never heard of a
 * transaction waits as on an idle chain. Who gives up a view shows them at once, or view after view
 * would pass in this way until it leads itself. While blocks take transactions nothing is said
 * twice.
 */
static void show_stuck(struct replica *replica)
{
    const uint64_t now_ms = replica_now_ms(replica);
    const bool gives_up = has_given_up(replica);
    if (!gives_up && now_ms - replica->looked_ms < STUCK_INTERVAL_MS) {
        return;
    }
    replica->looked_ms = now_ms;
    struct ingot_slice stuck[STUCK_COUNT_MAX];
    struct ingot_hash oldest = {{0}};
    const bool has_oldest = mempool_peek(replica->mempool, stuck, &oldest, 1,
                                         INGOT_TRANSACTION_BATCH_BYTES_MAX, NULL, NULL) > 0;
    const bool is_stuck =
        has_oldest &&
        (gives_up || (replica->has_oldest && crypto_hash_equal(&oldest, &replica->oldest)));
    replica->has_oldest = has_oldest;
    replica->oldest = oldest;
    if (!is_stuck) {
        return;
    }
    /* The oldest goes out whatever its size, or a large one would never be shown again. */
    const size_t oldest_bytes = 4 + stuck[0].size;
    const uint32_t count = mempool_peek(
        replica->mempool, stuck, NULL, STUCK_COUNT_MAX,
        oldest_bytes > STUCK_BYTES_MAX ? oldest_bytes : (size_t)STUCK_BYTES_MAX, NULL, NULL);
    struct message *message = message_new(MESSAGE_TRANSACTIONS);
    message->transactions.count = count;
    for (uint32_t i = 0; i < count; i++) {
        ingot_buffer_append_u32(&message->transactions.packed, (uint32_t)stuck[i].size);
        ingot_buffer_append_slice(&message->transactions.packed, stuck[i]);
    }
    show(replica, message);
    message_unref(message);
}

void pool_forward(struct replica *replica)
{
    for (;;) {
        struct message *message = message_new(MESSAGE_TRANSACTIONS);
        message->transactions.count = mempool_take_outgoing(
            replica->mempool, &message->transactions.packed, INGOT_TRANSACTION_BATCH_BYTES_MAX);
        const bool is_empty = message->transactions.count == 0;
        if (!is_empty) {
            show(replica, message);
        }
        message_unref(message);
        if (is_empty) {
            break;
        }
    }
    show_stuck(replica);
}

struct taken {
    struct replica *replica;
    const struct block *parent;
};

static bool is_taken(void *context, const struct ingot_hash *digest, const struct ingot_hash *soon)
{
    const struct taken *taken = context;
    if (soon != NULL) {
        executor_expect(taken->replica->executor, soon);
    }
    return executor_is_repeat(taken->replica->executor, &taken->parent->hash, digest);
}

static struct block *begin_block(struct replica *replica, const struct core_effect *ask)
{
    const struct block *parent = ask->block;
    const uint64_t wall_ms = replica->options.output.wall_ms(replica->options.output.context);
    struct block *block = block_new();
    block->version = BLOCK_VERSION;
    block->chain = replica->options.genesis->hash;
    block->parent = parent->hash;
    block->height = parent->height + 1;
    block->view = ask->position.view;
    block->time_ms = wall_ms > parent->time_ms ? wall_ms : parent->time_ms;
    block->justify = qc_ref(ask->justify);
    block->proposer = replica->options.key;
    block->validators_hash = parent->next_validators_hash;
    return block;
}

/* Room for all that wait, or for as many as a block may have. */
static void reserve_candidates(struct replica *replica)
{
    uint32_t count = mempool_count(replica->mempool);
    if (count > INGOT_BLOCK_TRANSACTIONS_MAX) {
        count = INGOT_BLOCK_TRANSACTIONS_MAX;
    }
    if (count > replica->candidate_capacity) {
        replica->candidates = alloc_resize(replica->candidates, count, sizeof(struct ingot_slice));
        replica->candidate_digests =
            alloc_resize(replica->candidate_digests, count, sizeof(struct ingot_hash));
        replica->candidate_capacity = count;
    }
}

struct block *pool_build(struct replica *replica, const struct core_effect *ask)
{
    struct taken taken = {.replica = replica, .parent = ask->block};
    reserve_candidates(replica);
    const uint32_t count = mempool_peek(replica->mempool, replica->candidates,
                                        replica->candidate_digests, replica->candidate_capacity,
                                        replica->options.block_payload_bytes_max, is_taken, &taken);
    struct block *block = begin_block(replica, ask);
    const enum ingot_error error = executor_build(replica->executor, block, replica->candidates,
                                                  replica->candidate_digests, count);
    if (error != INGOT_OK) {
        if (error != INGOT_ERROR_NOT_FOUND && error != INGOT_ERROR_REJECTED) {
            replica_stop_now(replica, replica_stop_of_read(error),
                             "reading the state to build a block failed");
        }
        block_unref(block);
        return NULL;
    }
    replica->metrics.proposals++;
    replica_saw_block(replica, block);
    return block;
}
