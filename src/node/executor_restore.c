/*
 * The executor after a restart: takes the executions that the ledger kept, without running the App
 * again, and fills the replay window from the stored blocks. What it reads is bounded by the window
 * and by what is unapplied, not by the chain.
 */
#include <stdlib.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "node/executor_internal.h"
#include "wire/preimage.h"

static bool belong_together(const struct block *block, const struct execution *execution)
{
    return execution != NULL && execution->result_count == block->transaction_count &&
           crypto_hash_equal(&execution->updates_hash, &block->updates_hash);
}

static uint64_t *hash_keys(const struct executor *executor, const struct execution *execution)
{
    uint64_t *hashes = alloc_resize(NULL, execution->update_count, sizeof *hashes);
    for (uint32_t i = 0; i < execution->update_count; i++)
        hashes[i] = key_hash(&executor->hasher, execution_update(execution, i).key);
    return hashes;
}

static void index_transactions(struct executor *executor, struct executed *executed,
                               const struct block *block)
{
    replay_begin(&executor->replay, executed, block->transaction_count);
    struct ingot_slice rest = ingot_buffer_slice(&block->payload);
    struct ingot_slice some[WIRE_DIGESTS_AT_ONCE];
    struct ingot_hash digests[WIRE_DIGESTS_AT_ONCE];
    uint32_t count;
    while ((count = wire_packed_digests(&rest, WIRE_DIGESTS_AT_ONCE, some, digests)) > 0)
        for (uint32_t i = 0; i < count; i++)
            (void)replay_add(&executor->replay, NULL, executed, &digests[i]);
}

/* Puts a committed block before the lowest one that is there. */
static enum ingot_error prepend_committed(struct executor *executor,
                                          const struct ledger_entry *entry, bool is_unapplied)
{
    struct executed *executed = executor_new_block(entry->block, NULL);
    struct executed *above = executor->oldest;
    executed->is_committed = true;
    executed->next_committed = above;
    executor->oldest = executed;
    executor_link_block(executor, executed);
    if (above == NULL)
        executor->last = executed;
    else
        executed->first = above->first - executed->transaction_count;
    if (above != NULL && !crypto_hash_equal(&above->parent, &executed->hash))
        return INGOT_ERROR_CORRUPT;

    const struct ancestry seen = executor_window_of_child(executor, executor->last, 0);
    if (executed->height >= seen.height_min && executed->first >= seen.first_min) {
        index_transactions(executor, executed, entry->block);
        executor->window = executed;
    }
    if (is_unapplied) {
        if (!belong_together(entry->block, entry->execution))
            return INGOT_ERROR_CORRUPT;
        executed->execution = execution_ref(entry->execution);
        executor->unapplied = executed;
        uint64_t *hashes = hash_keys(executor, entry->execution);
        overlay_add(&executor->overlay, executed, hashes);
        free(hashes);
    }
    return INGOT_OK;
}

/* Is the block at `height` still wanted, given that all above it are there? */
static bool is_wanted(const struct executor *executor, uint64_t height, uint64_t applied_height)
{
    const struct ancestry seen = executor_window_of_child(executor, executor->last, 0);
    return height > 0 && (height > applied_height ||
                          (height >= seen.height_min && executor->oldest->first > seen.first_min));
}

static enum ingot_error restore_committed(struct executor *executor,
                                          const struct ledger_start *start)
{
    const struct ledger_entry *last = &start->last_committed;
    const uint64_t top = last->block->height;
    if (start->applied_height > top || start->unapplied_count != top - start->applied_height)
        return INGOT_ERROR_CORRUPT;
    enum ingot_error error = prepend_committed(executor, last, start->unapplied_count > 0);
    for (uint64_t height = top; error == INGOT_OK && height-- > 0;) {
        if (!is_wanted(executor, height, start->applied_height))
            break;
        if (height > start->applied_height) {
            error = prepend_committed(executor,
                                      &start->unapplied[height - start->applied_height - 1], true);
            continue;
        }
        struct ledger_entry entry = {0};
        error = ledger_read_block(executor->options.ledger, height, &entry);
        if (error == INGOT_OK) {
            error = prepend_committed(executor, &entry, false);
            ledger_entry_deinit(&entry);
        }
    }
    /* Without the whole window we would judge blocks differently from others. */
    return error == INGOT_ERROR_NOT_FOUND ? INGOT_ERROR_CORRUPT : error;
}

/* The set that stored updates make of the current one. NULL: they do not fit it. */
static struct validator_set *make_next_set(const struct executor *executor,
                                           const struct execution *execution, uint64_t block_view)
{
    struct members members;
    members_begin(&members, executor->set);
    if (members_change(&members, executor->options.scheme, execution->validator_updates,
                       execution->validator_update_count) != INGOT_OK)
        return NULL;
    return members_set_after(&members, executor->set, block_view);
}

static enum ingot_error restore_next_set(const struct executor *executor,
                                         const struct ledger_entry *entry,
                                         struct executed *executed)
{
    const struct block *block = entry->block;
    if (!crypto_hash_equal(&block->validators_hash, &executor->set->hash))
        return INGOT_ERROR_CORRUPT;
    if (entry->execution->validator_update_count > 0) {
        executed->next_set = make_next_set(executor, entry->execution, block->view);
        if (executed->next_set == NULL)
            return INGOT_ERROR_CORRUPT;
    }
    const struct ingot_hash *hash =
        executed->next_set != NULL ? &executed->next_set->hash : &block->validators_hash;
    return crypto_hash_equal(hash, &block->next_validators_hash) ? INGOT_OK : INGOT_ERROR_CORRUPT;
}

static enum ingot_error restore_uncommitted(struct executor *executor,
                                            const struct ledger_entry *entry)
{
    const struct executed *parent = executor_find_block(executor, &entry->block->parent);
    if (parent == NULL || !belong_together(entry->block, entry->execution) ||
        (parent->next_set != NULL && !parent->is_committed))
        return INGOT_ERROR_CORRUPT;
    struct executed *executed = executor_new_block(entry->block, parent);
    const enum ingot_error error = restore_next_set(executor, entry, executed);
    if (error != INGOT_OK) {
        executor_drop_block(executor, executed);
        return error;
    }
    index_transactions(executor, executed, entry->block);
    uint64_t *hashes = hash_keys(executor, entry->execution);
    executor_keep_block(executor, executed, execution_ref(entry->execution), hashes);
    free(hashes);
    return INGOT_OK;
}

enum ingot_error executor_restore(struct executor *executor, const struct ledger_start *start)
{
    INGOT_ASSERT(executor->last == NULL);
    INGOT_ASSERT(start->set_count > 0);
    executor->set = validator_set_ref(start->sets[start->set_count - 1]);
    enum ingot_error error = restore_committed(executor, start);
    for (uint32_t i = 0; error == INGOT_OK && i < start->uncommitted_count; i++)
        error = restore_uncommitted(executor, &start->uncommitted[i]);
    return error;
}
