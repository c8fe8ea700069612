/*
 * Snapshots of a journaled store: a version of each generation's trees and a snapshot of LMDB, all
 * taken with the mutex held.
 *
 * The worker's batch may become visible in LMDB at any moment, also while the snapshot is taken.
 * That changes nothing: what it brings lies in the generation that is being applied as well, which
 * stays over LMDB until the worker takes it away, with the mutex. Nor can LMDB be ahead of the
 * snapshot: a further generation begins to be applied only with the mutex.
 */
#include <stdlib.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/mutant.h"
#include "storage/journal_internal.h"

static void take_roots(struct memory_node **to, struct memory_node *const *from, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++)
        to[i] = memory_tree_ref(from[i]);
}

static void drop_roots(struct journal_snapshot *snapshot)
{
    for (uint32_t i = 0; i < INGOT_STORE_TABLES_MAX; i++) {
        memory_tree_unref(snapshot->fresh[i]);
        memory_tree_unref(snapshot->applying[i]);
    }
}

enum ingot_error journal_snapshot_begin(struct ingot_store *base,
                                        struct ingot_store_snapshot **result)
{
    struct journal_store *store = (struct journal_store *)base;
    struct journal_snapshot *snapshot = alloc_zeroed(1, sizeof *snapshot);
    snapshot->base.store = base;
    *result = NULL;
    pthread_mutex_lock(&store->mutex);
    enum ingot_error error = store->outcome_unknown
                                 ? INGOT_ERROR_IO
                                 : ingot_store_snapshot_begin(store->inner, &snapshot->inner);
    if (error == INGOT_OK) {
        take_roots(snapshot->fresh, store->fresh.roots, store->table_count);
        if (store->is_applying && !MUTANT(APPLYING_UNSEEN))
            take_roots(snapshot->applying, store->applying.roots, store->table_count);
    }
    pthread_mutex_unlock(&store->mutex);
    if (error != INGOT_OK) {
        free(snapshot);
        return error;
    }
    *result = &snapshot->base;
    return INGOT_OK;
}

void journal_snapshot_end(struct ingot_store_snapshot *base)
{
    struct journal_snapshot *snapshot = (struct journal_snapshot *)base;
    ingot_store_snapshot_end(snapshot->inner);
    drop_roots(snapshot);
    free(snapshot);
}

enum ingot_error journal_snapshot_get(struct ingot_store_snapshot *base, uint32_t table,
                                      struct ingot_slice key, struct ingot_slice *value)
{
    const struct journal_snapshot *snapshot = (const struct journal_snapshot *)base;
    INGOT_ASSERT(table < ((const struct journal_store *)base->store)->table_count);
    const struct memory_item *item = memory_tree_find(snapshot->fresh[table], key);
    if (item == NULL)
        item = memory_tree_find(snapshot->applying[table], key);
    if (item == NULL)
        return ingot_store_snapshot_get(snapshot->inner, table, key, value);
    if (item->is_deleted)
        return INGOT_ERROR_NOT_FOUND;
    *value = memory_item_value(item);
    return INGOT_OK;
}
