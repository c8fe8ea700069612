/*
 * Running the App: building a block from candidates, and judging a block that another built. Both
 * end in the same record, so that a validator's own block and one it was sent differ in nothing.
 */
#include <stdlib.h>
#include <string.h>

#include "base/ahead.h"
#include "base/alloc.h"
#include "base/assert.h"
#include "base/mutant.h"
#include "node/executor_internal.h"
#include "node/ledger_evidence.h"
#include "wire/preimage.h"

struct ingot_block_info executor_block_info(const struct block *block)
{
    return (struct ingot_block_info){
        .height = block->height,
        .view = block->view,
        .epoch = block_epoch(block),
        .time_ms = block->time_ms,
        .hash = block->hash,
        .parent = block->parent,
        .proposer = block->proposer,
    };
}

static void reserve_transactions(struct executor *executor, uint32_t count)
{
    if (count <= executor->transaction_capacity)
        return;
    executor->transactions =
        alloc_resize(executor->transactions, count, sizeof *executor->transactions);
    executor->digests = alloc_resize(executor->digests, count, sizeof *executor->digests);
    executor->transaction_capacity = count;
}

static struct ingot_snapshot snapshot_of_parent(struct executor *executor,
                                                const struct ancestry *branch,
                                                const struct executed *parent)
{
    struct ingot_snapshot snapshot = executor_snapshot(executor, branch->mark, parent->height);
    snapshot.building = &executor->builder;
    return snapshot;
}

/* --- Building. --- */

struct build {
    struct executor *executor;
    struct block *block;
    struct executed *executed;
    const struct ancestry *branch;
    const struct ingot_slice *candidates;
    const struct ingot_hash *digests; /* theirs */
    uint32_t candidate_count;
};

/* Those that the caller has, or our own. */
static const struct ingot_hash *digests_of(struct executor *executor,
                                           const struct ingot_slice *candidates,
                                           const struct ingot_hash *digests,
                                           uint32_t candidate_count)
{
    if (digests == NULL) {
        reserve_transactions(executor, candidate_count);
        for (uint32_t i = 0; i < candidate_count; i++)
            wire_transaction_digest(candidates[i], &executor->digests[i]);
        return executor->digests;
    }
#ifdef INGOT_DEBUG_CHECKS
    for (uint32_t i = 0; i < candidate_count; i++) {
        struct ingot_hash found;
        wire_transaction_digest(candidates[i], &found);
        INGOT_ASSERT(crypto_hash_equal(&found, &digests[i]));
    }
#endif
    return digests;
}

/* What the candidates can fill, so that the payload is not moved as it grows, nor kept in more
 * memory than it takes. */
static size_t payload_bytes_max(const struct executor *executor,
                                const struct ingot_slice *candidates, uint32_t candidate_count)
{
    size_t bytes = 0;
    for (uint32_t i = 0; i < candidate_count; i++)
        bytes += 4 + candidates[i].size;
    return bytes < executor->options.block_payload_bytes_max
               ? bytes
               : executor->options.block_payload_bytes_max;
}

static enum ingot_error choose(void *context, uint32_t index)
{
    const struct build *build = context;
    const struct executor *executor = build->executor;
    struct ingot_buffer *payload = &build->block->payload;
    if (index >= build->candidate_count)
        return INGOT_ERROR_INVALID;
    const struct ingot_slice transaction = build->candidates[index];
    if (transaction.size == 0 || transaction.size > executor->options.transaction_bytes_max)
        return INGOT_ERROR_INVALID;
    if (build->executed->tag_count == build->executed->tag_capacity ||
        payload->size + 4 + transaction.size > executor->options.block_payload_bytes_max)
        return INGOT_ERROR_FULL;
    if (!replay_add(&build->executor->replay, build->branch, build->executed,
                    &build->digests[index]))
        return INGOT_ERROR_INVALID;
    build->block->digests[build->block->transaction_count++] = build->digests[index];
    ingot_buffer_append_u32(payload, (uint32_t)transaction.size);
    ingot_buffer_append_slice(payload, transaction);
    return INGOT_OK;
}

static enum ingot_error propose(struct build *build, const struct executed *parent)
{
    struct executor *executor = build->executor;
    const struct ingot_app *app = executor->options.app;
    builder_begin(&executor->builder, executor->set, INGOT_BLOCK_TRANSACTIONS_MAX, choose, build);
    struct ingot_snapshot snapshot = snapshot_of_parent(executor, build->branch, parent);
    struct ingot_block_info info = executor_block_info(build->block);
    memset(&info.hash, 0, sizeof info.hash);
    uint32_t evidence_count = 0;
    const struct ingot_evidence *evidence =
        ledger_fresh_evidence(executor->options.ledger, &evidence_count);
    const struct ingot_propose_request request = {
        .block = &info,
        .snapshot = &snapshot,
        .candidates = build->candidates,
        .candidate_count = build->candidate_count,
        .evidence = evidence,
        .evidence_count = evidence_count,
    };
    const enum ingot_error error = app->propose_block(app->context, &request, &executor->builder);
    ledger_show_evidence(executor->options.ledger, evidence_count);
    return snapshot.error != INGOT_OK ? snapshot.error : error;
}

/* What a block says of the set after it, given the set that executing it opens. */
static const struct ingot_hash *next_validators_hash(const struct block *block,
                                                     const struct executed *executed)
{
    return executed->next_set != NULL ? &executed->next_set->hash : &block->validators_hash;
}

/* Gives back the room that was not needed. */
static void keep_digests(struct block *block)
{
    if (block->transaction_count > 0) {
        block->digests =
            alloc_resize(block->digests, block->transaction_count, sizeof *block->digests);
    } else {
        free(block->digests);
        block->digests = NULL;
    }
}

static void finish_build(struct build *build)
{
    struct executor *executor = build->executor;
    struct block *block = build->block;
    struct executed *executed = build->executed;
    uint64_t *hashes = NULL;
    struct execution *execution =
        builder_finish(&executor->builder, block->view, &hashes, &executed->next_set);
    INGOT_ASSERT(block->transaction_count == executed->tag_count);
    block->updates_hash = execution->updates_hash;
    block->next_validators_hash = *next_validators_hash(block, executed);
    wire_digests_root(block->digests, block->transaction_count, &block->transactions_root);
    keep_digests(block);
    wire_seal_block_header(block);

    executed->hash = block->hash;
    executed->transaction_count = block->transaction_count;
    replay_trim(executed);
    if (executor_find_block(executor, &block->hash) == NULL) {
        executor_keep_block(executor, executed, execution, hashes);
    } else {
        executor_drop_block(executor, executed);
        execution_unref(execution);
    }
    free(hashes);
}

enum ingot_error executor_build(struct executor *executor, struct block *block,
                                const struct ingot_slice *candidates,
                                const struct ingot_hash *digests, uint32_t candidate_count)
{
    struct executed *parent = executor_find_block(executor, &block->parent);
    if (parent == NULL)
        return INGOT_ERROR_NOT_FOUND;
    INGOT_ASSERT(block->height == parent->height + 1);
    /* The core waits with a set-changing block's child until that block is committed. */
    INGOT_ASSERT(parent->is_committed || parent->next_set == NULL);
    INGOT_ASSERT(crypto_hash_equal(&block->validators_hash, &executor->set->hash));
    struct ancestry branch;
    if (!executor_mark_branch(executor, parent, &branch))
        return INGOT_ERROR_REJECTED;

    ingot_buffer_clear(&block->payload);
    ingot_buffer_reserve(&block->payload, payload_bytes_max(executor, candidates, candidate_count));
    block->transaction_count = 0;
    const uint32_t count_max = candidate_count < INGOT_BLOCK_TRANSACTIONS_MAX
                                   ? candidate_count
                                   : INGOT_BLOCK_TRANSACTIONS_MAX;
    block->digests = alloc_resize(block->digests, count_max, sizeof *block->digests);
    struct build build = {
        .executor = executor,
        .block = block,
        .executed = executor_new_block(block, parent),
        .branch = &branch,
        .candidates = candidates,
        .digests = digests_of(executor, candidates, digests, candidate_count),
        .candidate_count = candidate_count,
    };
    build.executed->mark = branch.mark;
    replay_begin(&executor->replay, build.executed, count_max);
    const enum ingot_error error = propose(&build, parent);
    if (error == INGOT_OK)
        finish_build(&build);
    else
        executor_drop_block(executor, build.executed);
    return error;
}

/* --- Judging. Each check gives NULL, or the reason to refuse the block. --- */

static const char *check_header(const struct executor *executor, const struct block *block,
                                const struct executed *parent)
{
    if (!crypto_hash_equal(&block->chain, &executor->options.chain))
        return "the block is of another chain";
    if (block->height != parent->height + 1 && !MUTANT(HEIGHT_UNCHECKED))
        return "the height does not follow the parent's";
    if (block->time_ms < parent->time_ms && !MUTANT(TIME_UNCHECKED))
        return "the time is before the parent's";
    if (!crypto_hash_equal(&block->validators_hash, &executor->set->hash))
        return "the validators hash is not that of the set that its parent opens or keeps";
    if (block->transaction_count > INGOT_BLOCK_TRANSACTIONS_MAX)
        return "there are too many transactions";
    if (block->payload.size > executor->options.block_payload_bytes_max)
        return "the payload is above the chain's limit";
    return NULL;
}

/* Also collects the transactions; and their digests, where the block does not have them. */
static const char *check_payload(struct executor *executor, const struct block *block)
{
    const struct ingot_slice payload = ingot_buffer_slice(&block->payload);
    if (!wire_payload_is_sound(payload, block->transaction_count))
        return "the payload does not hold the transactions it should";
    reserve_transactions(executor, block->transaction_count);
    struct ingot_slice rest = payload;
    uint32_t count = 0;
    while (count < block->transaction_count &&
           payload_next(&rest, &executor->transactions[count])) {
        if (executor->transactions[count].size > executor->options.transaction_bytes_max)
            return "a transaction is above the chain's limit";
        count++;
    }
    INGOT_ASSERT(count == block->transaction_count);
    if (block->digests != NULL)
        return NULL; /* they were compared with the root when the block was put together */
    struct ingot_hash root;
    wire_payload_root(payload, &root, executor->digests);
    if (!crypto_hash_equal(&root, &block->transactions_root) && !MUTANT(ROOT_UNCHECKED))
        return "the transactions root does not cover the payload";
    return NULL;
}

static const char *check_repeats(struct executor *executor, const struct block *block,
                                 const struct ancestry *branch, struct executed *executed)
{
    const struct ingot_hash *digests = block->digests != NULL ? block->digests : executor->digests;
    replay_begin(&executor->replay, executed, executed->transaction_count);
    for (uint32_t i = 0; i < executed->transaction_count; i++) {
        if (i + AHEAD < executed->transaction_count)
            replay_expect(&executor->replay, &digests[i + AHEAD]);
        if (!replay_add(&executor->replay, branch, executed, &digests[i]))
            return "a transaction repeats one of the block, its ancestors or the replay window";
    }
    return NULL;
}

static enum ingot_error run_validation(struct executor *executor, const struct block *block,
                                       const struct executed *parent, const struct ancestry *branch,
                                       const char **why)
{
    const struct ingot_app *app = executor->options.app;
    builder_begin(&executor->builder, executor->set, block->transaction_count, NULL, NULL);
    struct ingot_snapshot snapshot = snapshot_of_parent(executor, branch, parent);
    const struct ingot_block_info info = executor_block_info(block);
    uint32_t evidence_count = 0;
    const struct ingot_evidence *evidence =
        ledger_fresh_evidence(executor->options.ledger, &evidence_count);
    const struct ingot_validate_request request = {
        .block = &info,
        .snapshot = &snapshot,
        .transactions = executor->transactions,
        .transaction_count = block->transaction_count,
        .evidence = evidence,
        .evidence_count = evidence_count,
    };
    const enum ingot_error error = app->validate_block(app->context, &request, &executor->builder);
    ledger_show_evidence(executor->options.ledger, evidence_count);
    if (snapshot.error != INGOT_OK)
        return snapshot.error;
    if (error == INGOT_ERROR_REJECTED)
        *why = "the App refuses the block";
    if (error != INGOT_OK)
        return error;

    if (executor->builder.is_overfull)
        *why = "the results are above their limits";
    else if (executor->builder.result_count != block->transaction_count)
        *why = "the App did not give one result for each transaction";
    return *why == NULL ? INGOT_OK : INGOT_ERROR_REJECTED;
}

/* Executes the block into its record, which is kept on INGOT_OK only. */
static enum ingot_error execute(struct executor *executor, const struct block *block,
                                const struct executed *parent, const struct ancestry *branch,
                                struct executed *executed, const char **why)
{
    *why = check_repeats(executor, block, branch, executed);
    if (*why != NULL)
        return INGOT_ERROR_REJECTED;
    const enum ingot_error error = run_validation(executor, block, parent, branch, why);
    if (error != INGOT_OK)
        return error;

    uint64_t *hashes = NULL;
    struct execution *execution =
        builder_finish(&executor->builder, block->view, &hashes, &executed->next_set);
    if (!crypto_hash_equal(&execution->updates_hash, &block->updates_hash) &&
        !MUTANT(UPDATES_UNCHECKED)) {
        *why = "the updates hash differs from our execution";
        executor->has_differed = true;
        executor->differing = block->hash;
        executor->differing_updates = execution->updates_hash;
    } else if (!MUTANT(NEXT_SET_UNCHECKED) &&
               !crypto_hash_equal(next_validators_hash(block, executed),
                                  &block->next_validators_hash)) {
        *why = "the next validators hash is not that of the set its updates make";
    }
    if (*why == NULL)
        executor_keep_block(executor, executed, execution, hashes);
    else
        execution_unref(execution);
    free(hashes);
    return *why == NULL ? INGOT_OK : INGOT_ERROR_REJECTED;
}

const struct ingot_hash *executor_differing(const struct executor *executor,
                                            const struct ingot_hash *block)
{
    return executor->has_differed && crypto_hash_equal(&executor->differing, block)
               ? &executor->differing_updates
               : NULL;
}

enum ingot_error executor_validate(struct executor *executor, struct block *block, const char **why)
{
    *why = NULL;
    if (executor_find_block(executor, &block->hash) != NULL)
        return INGOT_OK;
    struct executed *parent = executor_find_block(executor, &block->parent);
    if (parent == NULL)
        return INGOT_ERROR_NOT_FOUND;
    /* The core waits with a set-changing block's child until that block is committed. */
    INGOT_ASSERT(parent->is_committed || parent->next_set == NULL);
    struct ancestry branch;
    if (!executor_mark_branch(executor, parent, &branch))
        *why = "the block does not extend the last committed block";
    if (*why == NULL)
        *why = check_header(executor, block, parent);
    if (*why == NULL)
        *why = check_payload(executor, block);
    if (*why != NULL)
        return INGOT_ERROR_REJECTED;

    struct executed *executed = executor_new_block(block, parent);
    executed->mark = branch.mark;
    const enum ingot_error error = execute(executor, block, parent, &branch, executed, why);
    if (error != INGOT_OK)
        executor_drop_block(executor, executed);
    return error;
}
