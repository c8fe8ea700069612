/*
 * The public calls of a store: each goes to the implementation's own function. What holds for
 * every implementation is checked here or nowhere.
 *
 * Batches, snapshots and cursors of every implementation begin with a pointer to their store, so
 * that the calls that are given only one of them find the functions.
 */
#include <ingot/store.h>

void ingot_store_close(struct ingot_store *store)
{
    if (store != NULL)
        store->operations->close(store);
}

struct ingot_store_batch *ingot_store_batch_begin(struct ingot_store *store)
{
    return store->operations->batch_begin(store);
}

void ingot_store_batch_put(struct ingot_store_batch *batch, uint32_t table, struct ingot_slice key,
                           struct ingot_slice value)
{
    batch->store->operations->batch_put(batch, table, key, value);
}

void ingot_store_batch_delete(struct ingot_store_batch *batch, uint32_t table,
                              struct ingot_slice key)
{
    batch->store->operations->batch_delete(batch, table, key);
}

void ingot_store_batch_set_bulk(struct ingot_store_batch *batch)
{
    batch->is_bulk = true;
}

enum ingot_error ingot_store_batch_commit(struct ingot_store_batch *batch)
{
    return batch->store->operations->batch_commit(batch);
}

uint64_t ingot_store_last_batch(const struct ingot_store *store)
{
    return store->operations->last_batch != NULL ? store->operations->last_batch(store) : 0;
}

bool ingot_store_is_settled(struct ingot_store *store, uint64_t batch)
{
    return store->operations->is_settled == NULL || store->operations->is_settled(store, batch);
}

void ingot_store_batch_abort(struct ingot_store_batch *batch)
{
    if (batch != NULL)
        batch->store->operations->batch_abort(batch);
}

enum ingot_error ingot_store_snapshot_begin(struct ingot_store *store,
                                            struct ingot_store_snapshot **snapshot)
{
    return store->operations->snapshot_begin(store, snapshot);
}

void ingot_store_snapshot_end(struct ingot_store_snapshot *snapshot)
{
    if (snapshot != NULL)
        snapshot->store->operations->snapshot_end(snapshot);
}

enum ingot_error ingot_store_snapshot_get(struct ingot_store_snapshot *snapshot, uint32_t table,
                                          struct ingot_slice key, struct ingot_slice *value)
{
    return snapshot->store->operations->snapshot_get(snapshot, table, key, value);
}

enum ingot_error ingot_store_cursor_open(struct ingot_store_snapshot *snapshot, uint32_t table,
                                         struct ingot_store_cursor **cursor)
{
    return snapshot->store->operations->cursor_open(snapshot, table, cursor);
}

enum ingot_error ingot_store_cursor_seek(struct ingot_store_cursor *cursor, struct ingot_slice key)
{
    return cursor->store->operations->cursor_seek(cursor, key);
}

enum ingot_error ingot_store_cursor_last(struct ingot_store_cursor *cursor)
{
    return cursor->store->operations->cursor_last(cursor);
}

enum ingot_error ingot_store_cursor_next(struct ingot_store_cursor *cursor)
{
    return cursor->store->operations->cursor_next(cursor);
}

enum ingot_error ingot_store_cursor_previous(struct ingot_store_cursor *cursor)
{
    return cursor->store->operations->cursor_previous(cursor);
}

void ingot_store_cursor_item(const struct ingot_store_cursor *cursor, struct ingot_slice *key,
                             struct ingot_slice *value)
{
    cursor->store->operations->cursor_item(cursor, key, value);
}

void ingot_store_cursor_close(struct ingot_store_cursor *cursor)
{
    if (cursor != NULL)
        cursor->store->operations->cursor_close(cursor);
}
