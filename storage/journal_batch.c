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

struct ingot_store_batch *journal_batch_begin(struct ingot_store *base)
{
    struct journal_store *store = (struct journal_store *)base;
    static const uint8_t header[JOURNAL_HEADER_BYTES];
    INGOT_ASSERT(!store->batch_open);
    store->batch_open = true;
    struct journal_batch *batch = alloc_zeroed(1, sizeof *batch);
    batch->base.store = base;
    batch->operations.bytes = store->spare;
    store->spare = (struct ingot_buffer){0};
    ingot_buffer_append(&batch->operations.bytes, header, sizeof header);
    return &batch->base;
}

void journal_batch_put(struct ingot_store_batch *base, uint32_t table, struct ingot_slice key,
                       struct ingot_slice value)
{
    INGOT_ASSERT(table < ((struct journal_store *)base->store)->table_count);
    store_operations_put(&((struct journal_batch *)base)->operations, table, key, value);
}

void journal_batch_delete(struct ingot_store_batch *base, uint32_t table, struct ingot_slice key)
{
    INGOT_ASSERT(table < ((struct journal_store *)base->store)->table_count);
    store_operations_delete(&((struct journal_batch *)base)->operations, table, key);
}

void journal_batch_abort(struct ingot_store_batch *base)
{
    struct journal_batch *batch = (struct journal_batch *)base;
    struct journal_store *store = (struct journal_store *)base->store;
    store->batch_open = false;
    if (batch->operations.bytes.capacity <= JOURNAL_SPARE_BYTES_MAX) {
        store->spare = batch->operations.bytes;
        ingot_buffer_clear(&store->spare);
    } else {
        store_operations_deinit(&batch->operations);
    }
    free(batch);
}

void journal_run(struct ingot_store_batch *inner, struct ingot_slice operations)
{
    struct store_operation operation;
    while (store_operations_next(&operations, &operation)) {
        if (operation.is_delete)
            ingot_store_batch_delete(inner, operation.table, operation.key);
        else
            ingot_store_batch_put(inner, operation.table, operation.key, operation.value);
    }
}

bool journal_has_room(const struct journal_store *store,
                      const struct journal_generation *generation, uint64_t size,
                      uint32_t operation_count)
{
    return generation->used_bytes == 0 ||
           (generation->used_bytes + size <= store->file.segment_bytes &&
            (uint64_t)generation->operation_count + operation_count <= JOURNAL_OPERATIONS_MAX);
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
static enum ingot_error begin_commit(struct journal_store *store, uint64_t size,
                                     uint32_t operation_count, bool is_direct)
{
    bool has_waited = false;
    if (store->is_full) {
        /* There may be room by now. */
        store->is_full = false;
        pthread_cond_signal(&store->work);
        journal_await(store);
    }
    while (!store->outcome_unknown && !store->is_full) {
        const bool has_room = is_direct
                                  ? MUTANT(BULK_OUT_OF_TURN)
                                  : journal_has_room(store, &store->fresh, size, operation_count);
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
static enum ingot_error commit_direct(struct journal_store *store, struct ingot_slice operations)
{
    struct ingot_store_batch *inner = ingot_store_batch_begin(store->inner);
    journal_run(inner, operations);
    journal_state_put(store, inner, store->last + 1);
    return ingot_store_batch_commit(inner);
}

/* With the mutex. */
static void end_record(struct journal_store *store, uint64_t size, struct ingot_slice operations)
{
    struct journal_generation *fresh = &store->fresh;
    const bool is_first = fresh->used_bytes == 0;
    make_visible(store, operations);
    if (is_first)
        fresh->begin_us = clock_monotonic_us();
    fresh->used_bytes += size;
    fresh->last = store->last;
    store->stats.records_total++;
    store->stats.record_bytes_total += size;
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
static enum ingot_error commit_first(struct journal_store *store, struct ingot_slice operations)
{
    enum ingot_error error = make_file(store);
    if (error == INGOT_OK)
        error = commit_direct(store, operations);
    if (error != INGOT_OK)
        journal_file_close(&store->file);
    return error;
}

static enum ingot_error commit(struct journal_store *store, struct store_operations *batch,
                               bool is_bulk)
{
    const size_t operations_bytes = batch->bytes.size - JOURNAL_HEADER_BYTES;
    const uint64_t size = journal_record_size(operations_bytes);
    const bool is_first = store->file.fd < 0;
    const bool is_direct = is_first || is_bulk || size > store->file.segment_bytes;
    pthread_mutex_lock(&store->mutex);
    if (operations_bytes == 0 && !store->outcome_unknown) {
        pthread_mutex_unlock(&store->mutex);
        return INGOT_OK;
    }
    enum ingot_error error = begin_commit(store, size, batch->count, is_direct);
    const uint64_t at =
        journal_segment_begin(&store->file, store->fresh.segment) + store->fresh.used_bytes;
    pthread_mutex_unlock(&store->mutex);
    if (error != INGOT_OK)
        return error;
    const struct ingot_slice operations =
        ingot_slice_of(batch->bytes.data + JOURNAL_HEADER_BYTES, operations_bytes);
    if (is_first)
        error = commit_first(store, operations);
    else if (is_direct)
        error = commit_direct(store, operations);
    else
        error = journal_file_append(&store->file, at, store->last + 1, &batch->bytes);
    pthread_mutex_lock(&store->mutex);
    store->is_committing = false;
    if (error == INGOT_OK) {
        store->last++;
        if (is_direct)
            store->stats.direct_total++;
        else
            end_record(store, size,
                       ingot_slice_of(batch->bytes.data + JOURNAL_HEADER_BYTES, operations_bytes));
    } else if (error != INGOT_ERROR_NO_SPACE) {
        store->outcome_unknown = true;
        error = INGOT_ERROR_UNKNOWN_OUTCOME;
    }
    pthread_mutex_unlock(&store->mutex);
    return error;
}

enum ingot_error journal_batch_commit(struct ingot_store_batch *base)
{
    struct journal_batch *batch = (struct journal_batch *)base;
    const enum ingot_error error =
        commit((struct journal_store *)base->store, &batch->operations, base->is_bulk);
    journal_batch_abort(base);
    return error;
}
