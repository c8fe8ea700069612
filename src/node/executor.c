/*
 * The executor's records: which blocks were executed, which of them are committed, applied, or
 * still in the replay window, and when a record may go. Running the App is in executor_run.c.
 *
 * A committed block moves through three places in the list of committed blocks, always in order of
 * height: `last` is the newest; blocks up to `unapplied` have left the overlay; blocks up to
 * `window` have left the replay index. What has left both is freed.
 */
#include "node/executor.h"

#include <sodium/randombytes.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/mutant.h"
#include "node/executor_internal.h"
#include "wire/preimage.h"

#define BUCKETS_MIN 64
/* Where counting transactions starts after a restart: far above what could be subtracted. */
#define FIRST_BASE (UINT64_C(1) << 48)

struct executor *executor_new(const struct executor_options *options)
{
    struct executor *executor = alloc_zeroed(1, sizeof *executor);
    executor->options = *options;
    randombytes_buf(executor->hasher.secret, sizeof executor->hasher.secret);
    overlay_init(&executor->overlay);
    replay_init(&executor->replay);
    builder_init(&executor->builder, &executor->hasher, options->scheme);
    executor->bucket_count = BUCKETS_MIN;
    executor->buckets = alloc_zeroed(BUCKETS_MIN, sizeof *executor->buckets);
    return executor;
}

/* --- Records by hash. --- */

static uint32_t bucket_of(const struct executor *executor, const struct ingot_hash *hash)
{
    uint32_t word;
    memcpy(&word, hash->bytes, sizeof word);
    return word & (executor->bucket_count - 1);
}

struct executed *executor_find_block(const struct executor *executor, const struct ingot_hash *hash)
{
    struct executed *each = executor->buckets[bucket_of(executor, hash)];
    while (each != NULL && !crypto_hash_equal(&each->hash, hash))
        each = each->next_in_bucket;
    return each;
}

static void link_bucket(struct executor *executor, struct executed *block)
{
    struct executed **bucket = &executor->buckets[bucket_of(executor, &block->hash)];
    block->next_in_bucket = *bucket;
    *bucket = block;
}

static void grow_buckets(struct executor *executor)
{
    struct executed **old = executor->buckets;
    const uint32_t old_count = executor->bucket_count;
    executor->bucket_count = old_count * 2;
    executor->buckets = alloc_zeroed(executor->bucket_count, sizeof *executor->buckets);
    for (uint32_t i = 0; i < old_count; i++) {
        while (old[i] != NULL) {
            struct executed *block = old[i];
            old[i] = block->next_in_bucket;
            link_bucket(executor, block);
        }
    }
    free(old);
}

static void unlink_bucket(struct executor *executor, struct executed *block)
{
    struct executed **at = &executor->buckets[bucket_of(executor, &block->hash)];
    while (*at != block)
        at = &(*at)->next_in_bucket;
    *at = block->next_in_bucket;
    executor->executed_count--;
}

/* --- A record's life. --- */

struct executed *executor_new_block(const struct block *block, const struct executed *parent)
{
    struct executed *executed = alloc_zeroed(1, sizeof *executed);
    executed->hash = block->hash;
    executed->parent = block->parent;
    executed->height = block->height;
    executed->time_ms = block->time_ms;
    executed->transaction_count = block->transaction_count;
    executed->mark = MARK_NONE;
    executed->first = parent == NULL ? FIRST_BASE : parent->first + parent->transaction_count;
    return executed;
}

void executor_drop_block(struct executor *executor, struct executed *block)
{
    overlay_remove(&executor->overlay, block);
    replay_remove(&executor->replay, block);
    execution_unref(block->execution);
    validator_set_unref(block->next_set);
    free(block);
}

void executor_link_block(struct executor *executor, struct executed *block)
{
    if (executor->executed_count == executor->bucket_count)
        grow_buckets(executor);
    executor->executed_count++;
    link_bucket(executor, block);
}

void executor_keep_block(struct executor *executor, struct executed *block,
                         struct execution *execution, const uint64_t *hashes)
{
    block->execution = execution;
    overlay_add(&executor->overlay, block, hashes);
    executor_link_block(executor, block);
    if (executor->uncommitted_count == executor->uncommitted_capacity) {
        const uint32_t capacity = executor->uncommitted_capacity * 2 + 16;
        executor->uncommitted =
            alloc_resize(executor->uncommitted, capacity, sizeof(struct executed *));
        executor->uncommitted_capacity = capacity;
    }
    executor->uncommitted[executor->uncommitted_count++] = block;
}

static void forget_uncommitted(struct executor *executor, uint32_t index)
{
    executor->uncommitted[index] = executor->uncommitted[--executor->uncommitted_count];
    executor->has_branch = false;
}

void executor_free(struct executor *executor)
{
    if (executor == NULL)
        return;
    for (uint32_t i = 0; i < executor->uncommitted_count; i++)
        executor_drop_block(executor, executor->uncommitted[i]);
    while (executor->oldest != NULL) {
        struct executed *block = executor->oldest;
        executor->oldest = block->next_committed;
        executor_drop_block(executor, block);
    }
    validator_set_unref(executor->set);
    overlay_deinit(&executor->overlay);
    replay_deinit(&executor->replay);
    builder_deinit(&executor->builder);
    free(executor->buckets);
    free(executor->uncommitted);
    free(executor->transactions);
    free(executor->digests);
    free(executor);
}

/* --- Branches. --- */

/*
 * What a block at `height` on `parent` must not repeat: transactions of ancestors at most
 * replay_window_blocks below the parent and within the last INGOT_REPLAY_WINDOW_TRANSACTIONS
 * counted back from it. Both depend on the block's ancestry alone, so all validators agree.
 */
struct ancestry executor_window_of_child(const struct executor *executor,
                                         const struct executed *parent, uint64_t mark)
{
    const uint64_t window_blocks = executor->options.replay_window_blocks;
    const uint64_t end = parent->first + parent->transaction_count;
    return (struct ancestry){
        .mark = mark,
        .height_min = parent->height > window_blocks
                          ? parent->height - window_blocks + MUTANT(WINDOW_OF_BLOCKS_SHORT)
                          : 0,
        .first_min = end - INGOT_REPLAY_WINDOW_TRANSACTIONS,
    };
}

bool executor_mark_branch(struct executor *executor, struct executed *parent,
                          struct ancestry *ancestry)
{
    executor->has_branch = false;
    const uint64_t mark = ++executor->mark;
    struct executed *each = parent;
    while (each != NULL && !each->is_committed) {
        each->mark = mark;
        each = executor_find_block(executor, &each->parent);
    }
    if (each != executor->last)
        return false;
    *ancestry = executor_window_of_child(executor, parent, mark);
    return true;
}

bool executor_is_replay(const struct executor *executor, const struct ingot_hash *digest)
{
    /* No block has this mark, so that only committed ones count. */
    const struct ancestry committed = executor_window_of_child(executor, executor->last, 0);
    return replay_has(&executor->replay, &committed, digest);
}

void executor_expect(const struct executor *executor, const struct ingot_hash *digest)
{
    replay_expect(&executor->replay, digest);
}

uint64_t executor_window_height(const struct executor *executor)
{
    return executor->window->height;
}

bool executor_is_repeat(struct executor *executor, const struct ingot_hash *parent,
                        const struct ingot_hash *digest)
{
    if (!executor->has_branch || !crypto_hash_equal(&executor->branch_parent, parent)) {
        struct executed *block = executor_find_block(executor, parent);
        if (block == NULL || !executor_mark_branch(executor, block, &executor->branch))
            return true;
        executor->branch_parent = *parent;
        executor->has_branch = true;
    }
    return replay_has(&executor->replay, &executor->branch, digest);
}

/* --- Commit, abandon, apply. --- */

static void free_oldest(struct executor *executor)
{
    while (executor->oldest != executor->window && executor->oldest->execution == NULL) {
        struct executed *block = executor->oldest;
        executor->oldest = block->next_committed;
        unlink_bucket(executor, block);
        executor_drop_block(executor, block);
    }
}

/* Blocks that no child of the last committed block can see any more leave the replay index. */
static void move_window(struct executor *executor)
{
    const struct ancestry seen = executor_window_of_child(executor, executor->last, 0);
    while (executor->window != executor->last && (executor->window->height < seen.height_min ||
                                                  executor->window->first < seen.first_min)) {
        replay_remove(&executor->replay, executor->window);
        executor->window = executor->window->next_committed;
    }
}

static void append_committed(struct executor *executor, struct executed *block)
{
    block->is_committed = true;
    executor->last->next_committed = block;
    executor->last = block;
    if (executor->unapplied == NULL)
        executor->unapplied = block;
}

void executor_committed(struct executor *executor, const struct block *block)
{
    struct executed *committed = executor_find_block(executor, &block->hash);
    INGOT_ASSERT(committed != NULL);
    INGOT_ASSERT(!committed->is_committed);
    INGOT_ASSERT(crypto_hash_equal(&committed->parent, &executor->last->hash));

    /* What is not above the committed height now never will be. */
    for (uint32_t i = executor->uncommitted_count; i-- > 0;) {
        struct executed *each = executor->uncommitted[i];
        if (each->height > committed->height)
            continue;
        forget_uncommitted(executor, i);
        if (each != committed) {
            unlink_bucket(executor, each);
            executor_drop_block(executor, each);
        }
    }
    append_committed(executor, committed);
    if (committed->next_set != NULL) {
        validator_set_unref(executor->set);
        executor->set = validator_set_ref(committed->next_set);
    }
    move_window(executor);
    free_oldest(executor);
}

void executor_abandoned(struct executor *executor, const struct ingot_hash *block)
{
    for (uint32_t i = 0; i < executor->uncommitted_count; i++) {
        struct executed *abandoned = executor->uncommitted[i];
        if (crypto_hash_equal(&abandoned->hash, block)) {
            forget_uncommitted(executor, i);
            unlink_bucket(executor, abandoned);
            executor_drop_block(executor, abandoned);
            return;
        }
    }
}

void executor_applied(struct executor *executor, uint64_t height)
{
    while (executor->unapplied != NULL && executor->unapplied->height <= height) {
        struct executed *block = executor->unapplied;
        overlay_remove(&executor->overlay, block);
        execution_unref(block->execution);
        block->execution = NULL;
        executor->unapplied = block->next_committed;
    }
    free_oldest(executor);
}

struct execution *executor_find(struct executor *executor, const struct ingot_hash *block)
{
    const struct executed *executed = executor_find_block(executor, block);
    return executed == NULL ? NULL : executed->execution;
}

struct validator_set *executor_next_set(struct executor *executor, const struct ingot_hash *block)
{
    const struct executed *executed = executor_find_block(executor, block);
    return executed == NULL ? NULL : executed->next_set;
}

/* --- What clients ask. --- */

struct ingot_snapshot executor_snapshot(struct executor *executor, uint64_t mark, uint64_t height)
{
    return (struct ingot_snapshot){
        .ledger = executor->options.ledger,
        .overlay = &executor->overlay,
        .hasher = &executor->hasher,
        .scheme = executor->options.scheme,
        .set = executor->set,
        .mark = mark,
        .height = height,
    };
}

void executor_check(struct executor *executor, struct ingot_slice transaction,
                    struct ingot_check_response *response)
{
    const struct ingot_app *app = executor->options.app;
    if (transaction.size == 0 || transaction.size > executor->options.transaction_bytes_max) {
        response->code = 1;
        ingot_buffer_format(&response->log, "a transaction has 1 to %u bytes",
                            executor->options.transaction_bytes_max);
        return;
    }
    response->code = 0;
    response->is_stateless = app->check_tx == NULL;
    if (app->check_tx != NULL) {
        struct ingot_snapshot state = executor_snapshot(executor, 0, executor->last->height);
        app->check_tx(app->context, transaction, &state, response);
    }
}

void executor_query(struct executor *executor, struct ingot_slice path, struct ingot_slice data,
                    struct ingot_query_response *response, uint64_t *height)
{
    const struct ingot_app *app = executor->options.app;
    *height = executor->last->height;
    if (app->query == NULL) {
        response->code = 1;
        ingot_buffer_format(&response->log, "the App answers no queries");
        return;
    }
    struct ingot_snapshot state = executor_snapshot(executor, 0, executor->last->height);
    const struct ingot_query_request request = {.path = path, .data = data, .snapshot = &state};
    app->query(app->context, &request, response);
}
