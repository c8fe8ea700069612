/*
 * Batches of a journaled store: one record, one write, one sync. Then the operations are in the
 * fresh generation, where reads find them. A batch that fits into no segment goes straight to LMDB,
 * as one does that is bulk, and the first of all, which LMDB gets together with its knowledge of
 * the journal.
 *
 * What is refused is refused before anything is written: when LMDB has no room for what it is
 * behind with. After a write or a sync that failed nobody knows what the disk has, and the store
 * refuses all further use, as LMDB's does.
 */
#include <stdlib.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/mutant.h"
#include "storage/journal_internal.h"

/* The memory that the last batch has left. */
static struct ingot_buffer take_spare(struct ingot_buffer *spare)
{
    const struct ingot_buffer taken = *spare;
    *spare = (struct ingot_buffer){0};
    return taken;
}

static void keep_spare(struct store_operations *operations, struct ingot_buffer *spare)
{
    if (operations->bytes.capacity > JOURNAL_SPARE_BYTES_MAX) {
        store_operations_deinit(operations);
        return;
    }
    *spare = operations->bytes;
    ingot_buffer_clear(spare);
}

struct ingot_store_batch *journal_batch_begin(struct ingot_store *base)
{
    struct journal_store *store = (struct journal_store *)base;
    static const uint8_t header[JOURNAL_HEADER_BYTES];
    INGOT_ASSERT(!store->batch_open);
    store->batch_open = true;
    struct journal_batch *batch = alloc_zeroed(1, sizeof *batch);
    batch->base.store = base;
    batch->operations.bytes = take_spare(&store->spare);
    batch->lazy.bytes = take_spare(&store->spare_lazy);
    ingot_buffer_append(&batch->operations.bytes, header, sizeof header);
    return &batch->base;
}

/* Where operations of a table go. */
static struct store_operations *operations_of(struct ingot_store_batch *base, uint32_t table)
{
    const struct journal_store *store = (const struct journal_store *)base->store;
    struct journal_batch *batch = (struct journal_batch *)base;
    INGOT_ASSERT(table < store->table_count);
    return (store->lazy_tables >> table & 1) != 0 ? &batch->lazy : &batch->operations;
}

void journal_batch_put(struct ingot_store_batch *base, uint32_t table, struct ingot_slice key,
                       struct ingot_slice value)
{
    store_operations_put(operations_of(base, table), table, key, value);
}

void journal_batch_delete(struct ingot_store_batch *base, uint32_t table, struct ingot_slice key)
{
    store_operations_delete(operations_of(base, table), table, key);
}

void journal_batch_abort(struct ingot_store_batch *base)
{
    struct journal_batch *batch = (struct journal_batch *)base;
    struct journal_store *store = (struct journal_store *)base->store;
    store->batch_open = false;
    keep_spare(&batch->operations, &store->spare);
    keep_spare(&batch->lazy, &store->spare_lazy);
    free(batch);
}

void journal_run(const struct journal_store *store, struct ingot_store_batch *inner,
                 struct ingot_slice operations)
{
    struct store_operation operation;
    while (store_operations_next(&operations, &operation)) {
        if (operation.table == store->table_count)
            continue;
        if (operation.is_delete)
            ingot_store_batch_delete(inner, operation.table, operation.key);
        else
            ingot_store_batch_put(inner, operation.table, operation.key, operation.value);
    }
}

bool journal_has_room(const struct journal_store *store,
                      const struct journal_generation *generation,
                      const struct journal_extent *extent)
{
    /* What is in no record is in memory all the same. */
    const uint64_t bytes = generation->used_bytes + generation->lazy_bytes;
    return generation->used_bytes == 0 ||
           (bytes + extent->record_bytes + extent->lazy_bytes <= store->file.segment_bytes &&
            (uint64_t)generation->operation_count + extent->operation_count <=
                JOURNAL_OPERATIONS_MAX);
}

/* A batch on its way. */
struct journal_commit {
    struct journal_batch *batch;
    size_t recorded_bytes; /* of the operations that go into the record, without our own */
    struct journal_extent extent;
    bool is_direct;
    uint64_t at; /* of the record, in the file */
};

/* The operations that go into the record; what follows them there is ours. */
static struct ingot_slice commit_recorded(const struct journal_commit *commit)
{
    return ingot_slice_of(commit->batch->operations.bytes.data + JOURNAL_HEADER_BYTES,
                          commit->recorded_bytes);
}

/* With the mutex. */
static void make_visible(struct journal_store *store, struct ingot_slice operations)
{
    struct store_operation operation;
    while (store_operations_next(&operations, &operation)) {
        struct memory_node **root = &store->fresh.roots[operation.table];
        *root = operation.is_delete ? memory_tree_put_deleted(*root, operation.key)
                                    : memory_tree_put(*root, operation.key, operation.value);
        store->fresh.operation_count++;
    }
}

/*
 * With the mutex. Waits until there is room for a record or, for what goes straight to LMDB, until
 * that has all there is; then nothing is set aside until the batch is done.
 */
static enum ingot_error begin_commit(struct journal_store *store,
                                     const struct journal_extent *extent, bool is_direct)
{
    bool has_waited = false;
    if (store->is_full) {
        /* There may be room by now. */
        store->is_full = false;
        pthread_cond_signal(&store->work);
        journal_await(store);
    }
    while (!store->outcome_unknown && !store->is_full) {
        const bool has_room =
            is_direct ? MUTANT(BULK_OUT_OF_TURN) : journal_has_room(store, &store->fresh, extent);
        if (!store->is_applying && store->fresh.used_bytes > 0 &&
            (!has_room || journal_is_due(store))) {
            journal_rotate(store);
        } else if (has_room || !store->is_applying) {
            break;
        } else {
            has_waited = true;
            journal_await(store);
        }
    }
    store->stats.waits_total += has_waited && !is_direct;
    if (store->outcome_unknown)
        return INGOT_ERROR_UNKNOWN_OUTCOME;
    if (store->is_full)
        return INGOT_ERROR_NO_SPACE;
    store->is_committing = true;
    return INGOT_OK;
}

/* Straight into LMDB, which has all that came before. */
static enum ingot_error commit_direct(struct journal_store *store,
                                      const struct journal_commit *commit)
{
    struct ingot_store_batch *inner = ingot_store_batch_begin(store->inner);
    journal_run(store, inner, commit_recorded(commit));
    journal_run(store, inner, ingot_buffer_slice(&commit->batch->lazy.bytes));
    journal_state_put(store, inner, store->last + 1);
    return ingot_store_batch_commit(inner);
}

/* With the mutex. */
static void end_record(struct journal_store *store, const struct journal_commit *commit)
{
    struct journal_generation *fresh = &store->fresh;
    const bool is_first = fresh->used_bytes == 0;
    make_visible(store, commit_recorded(commit));
    make_visible(store, ingot_buffer_slice(&commit->batch->lazy.bytes));
    if (is_first)
        fresh->begin_us = clock_monotonic_us();
    fresh->used_bytes += commit->extent.record_bytes;
    fresh->lazy_bytes += commit->extent.lazy_bytes;
    fresh->last = store->last;
    store->stats.records_total++;
    store->stats.record_bytes_total += commit->extent.record_bytes;
    if (is_first || journal_is_due(store))
        pthread_cond_signal(&store->work);
}

static enum ingot_error make_file(struct journal_store *store)
{
    char text[512] = "";
    const struct store_why why = {.text = text, .size = sizeof text};
    const enum ingot_error error = journal_file_make(&store->file, why);
    if (error != INGOT_OK)
        LOG(LOG_ERROR, "the journal cannot be made", log_text("why", text));
    return error;
}

/*
 * LMDB learns of the journal with the first batch, in one transaction. So a program from before
 * journals finds what that batch says against it (a higher schema) where it looks for it.
 */
static enum ingot_error commit_first(struct journal_store *store,
                                     const struct journal_commit *commit)
{
    enum ingot_error error = make_file(store);
    if (error == INGOT_OK)
        error = commit_direct(store, commit);
    if (error != INGOT_OK)
        journal_file_close(&store->file);
    return error;
}

static enum ingot_error write_commit(struct journal_store *store,
                                     const struct journal_commit *commit)
{
    if (store->file.fd < 0)
        return commit_first(store, commit);
    if (commit->is_direct)
        return commit_direct(store, commit);
    return journal_file_append(&store->file, commit->at, store->last + 1,
                               &commit->batch->operations.bytes);
}

/* With the mutex. */
static enum ingot_error end_commit(struct journal_store *store, const struct journal_commit *commit,
                                   enum ingot_error error)
{
    store->is_committing = false;
    if (error == INGOT_ERROR_NO_SPACE)
        return error;
    if (error != INGOT_OK) {
        store->outcome_unknown = true;
        return INGOT_ERROR_UNKNOWN_OUTCOME;
    }
    store->last++;
    if (commit->is_direct) {
        store->stats.direct_total++;
        store->settled = store->last;
    } else {
        end_record(store, commit);
    }
    return INGOT_OK;
}

/* The batch may get an operation of our own, once it is known how many bytes those of others are.
 */
static struct journal_commit measure(const struct journal_store *store, struct journal_batch *batch)
{
    struct journal_commit commit = {
        .batch = batch, .recorded_bytes = batch->operations.bytes.size - JOURNAL_HEADER_BYTES};
    commit.extent.operation_count = batch->operations.count + batch->lazy.count;
    commit.extent.lazy_bytes = batch->lazy.bytes.size;
    if (store->lazy_tables != 0)
        journal_append_relied(store, &batch->operations, store->settled);
    commit.extent.record_bytes =
        journal_record_size(batch->operations.bytes.size - JOURNAL_HEADER_BYTES);
    commit.is_direct =
        store->file.fd < 0 || batch->base.is_bulk ||
        commit.extent.record_bytes + commit.extent.lazy_bytes > store->file.segment_bytes;
    return commit;
}

static enum ingot_error commit(struct journal_store *store, struct journal_batch *batch)
{
    pthread_mutex_lock(&store->mutex);
    struct journal_commit commit = measure(store, batch);
    enum ingot_error error = INGOT_OK;
    const bool is_empty = commit.extent.operation_count == 0 && !store->outcome_unknown;
    if (!is_empty)
        error = begin_commit(store, &commit.extent, commit.is_direct);
    commit.at = journal_segment_begin(&store->file, store->fresh.segment) + store->fresh.used_bytes;
    pthread_mutex_unlock(&store->mutex);
    if (is_empty || error != INGOT_OK)
        return error;
    error = write_commit(store, &commit);
    pthread_mutex_lock(&store->mutex);
    error = end_commit(store, &commit, error);
    pthread_mutex_unlock(&store->mutex);
    return error;
}

enum ingot_error journal_batch_commit(struct ingot_store_batch *base)
{
    const enum ingot_error error =
        commit((struct journal_store *)base->store, (struct journal_batch *)base);
    journal_batch_abort(base);
    return error;
}

uint64_t journal_last_batch(const struct ingot_store *base)
{
    const struct journal_store *store = (const struct journal_store *)base;
    return store->lazy_tables != 0 ? store->last + 1 : 0;
}

bool journal_is_settled(struct ingot_store *base, uint64_t batch)
{
    struct journal_store *store = (struct journal_store *)base;
    pthread_mutex_lock(&store->mutex);
    const bool is_settled = batch <= store->settled + 1 || MUTANT(SETTLED_TOO_EARLY);
    pthread_mutex_unlock(&store->mutex);
    return is_settled;
}
