/*
 * Read snapshots and cursors of the LMDB store: one read transaction each, tied to its own object
 * and not to a thread (MDB_NOTLS).
 *
 * The map never moves while the store is open (lmdb.c), so what a snapshot gives out stays where
 * it is until the snapshot ends. A snapshot that stays open keeps every page that later batches
 * free from being used again: those that are open for too long are counted and warned of.
 */
#include <stdlib.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/clock.h"
#include "base/log.h"
#include "storage/lmdb_internal.h"

static enum ingot_error error_of_read(int code)
{
    if (code == MDB_NOTFOUND)
        return INGOT_ERROR_NOT_FOUND;
    /* A read transaction goes bad only by meeting damage earlier. */
    if (code == MDB_CORRUPTED || code == MDB_PAGE_NOTFOUND || code == MDB_CURSOR_FULL ||
        code == MDB_INCOMPATIBLE || code == MDB_BAD_TXN)
        return INGOT_ERROR_CORRUPT;
    if (code == MDB_READERS_FULL)
        return INGOT_ERROR_FULL;
    return INGOT_ERROR_IO;
}

static struct ingot_slice slice_of(const MDB_val *val)
{
    return ingot_slice_of(val->mv_data, val->mv_size);
}

/* mdb.h takes pointers that are not const; it does not write through them. */
static MDB_val val_of(struct ingot_slice slice)
{
    union {
        const void *in;
        void *out;
    } data = {.in = slice.data};
    MDB_val val = {.mv_size = slice.size, .mv_data = data.out};
    return val;
}

static void clear_stale_readers(struct lmdb_store *store)
{
    int dead = 0;
    if (mdb_reader_check(store->env, &dead) == 0 && dead > 0)
        __atomic_add_fetch(&store->stale_readers_cleared, (uint64_t)dead, __ATOMIC_RELAXED);
}

enum ingot_error lmdb_snapshot_begin(struct ingot_store *base, struct ingot_store_snapshot **result)
{
    struct lmdb_store *store = (struct lmdb_store *)base;
    INGOT_ASSERT(getpid() == store->pid);
    *result = NULL;
    /* After a failed commit this process may see what the disk never got. */
    if (lmdb_outcome_is_unknown(store))
        return INGOT_ERROR_IO;
    MDB_txn *txn = NULL;
    int rc = mdb_txn_begin(store->env, NULL, MDB_RDONLY, &txn);
    if (rc == MDB_READERS_FULL) {
        clear_stale_readers(store);
        rc = mdb_txn_begin(store->env, NULL, MDB_RDONLY, &txn);
    }
    if (rc != 0)
        return error_of_read(rc);
    struct lmdb_snapshot *snapshot = alloc_zeroed(1, sizeof *snapshot);
    snapshot->base.store = base;
    snapshot->txn = txn;
    snapshot->begin_us = clock_monotonic_us();
    pthread_mutex_lock(&store->snapshots_mutex);
    snapshot->next = store->snapshots;
    if (snapshot->next != NULL)
        snapshot->next->previous = snapshot;
    store->snapshots = snapshot;
    pthread_mutex_unlock(&store->snapshots_mutex);
    *result = &snapshot->base;
    return INGOT_OK;
}

void lmdb_snapshot_end(struct ingot_store_snapshot *base)
{
    struct lmdb_snapshot *snapshot = (struct lmdb_snapshot *)base;
    struct lmdb_store *store = (struct lmdb_store *)base->store;
    pthread_mutex_lock(&store->snapshots_mutex);
    if (snapshot->previous != NULL)
        snapshot->previous->next = snapshot->next;
    else
        store->snapshots = snapshot->next;
    if (snapshot->next != NULL)
        snapshot->next->previous = snapshot->previous;
    pthread_mutex_unlock(&store->snapshots_mutex);
    mdb_txn_abort(snapshot->txn);
    free(snapshot);
}

enum ingot_error lmdb_snapshot_get(struct ingot_store_snapshot *base, uint32_t table,
                                   struct ingot_slice key, struct ingot_slice *value)
{
    const struct lmdb_store *store = (const struct lmdb_store *)base->store;
    INGOT_ASSERT(table < store->table_count);
    MDB_val key_val = val_of(key);
    MDB_val value_val;
    /* Such a key cannot be there, and LMDB calls it an error rather than missing. */
    if (key.size == 0 || key.size > INGOT_STORE_KEY_BYTES_MAX)
        return INGOT_ERROR_NOT_FOUND;
    lmdb_guard_enter(store);
    int rc =
        mdb_get(((struct lmdb_snapshot *)base)->txn, store->tables[table], &key_val, &value_val);
    lmdb_guard_leave();
    if (rc != 0)
        return error_of_read(rc);
    *value = slice_of(&value_val);
    return INGOT_OK;
}

enum ingot_error lmdb_cursor_open(struct ingot_store_snapshot *base, uint32_t table,
                                  struct ingot_store_cursor **result)
{
    const struct lmdb_store *store = (const struct lmdb_store *)base->store;
    INGOT_ASSERT(table < store->table_count);
    *result = NULL;
    MDB_cursor *cursor = NULL;
    int rc = mdb_cursor_open(((struct lmdb_snapshot *)base)->txn, store->tables[table], &cursor);
    if (rc != 0)
        return error_of_read(rc);
    struct lmdb_cursor *made = alloc_zeroed(1, sizeof *made);
    made->base.store = base->store;
    made->cursor = cursor;
    *result = &made->base;
    return INGOT_OK;
}

static enum ingot_error move(struct lmdb_cursor *cursor, MDB_cursor_op operation)
{
    lmdb_guard_enter((const struct lmdb_store *)cursor->base.store);
    int rc = mdb_cursor_get(cursor->cursor, &cursor->key, &cursor->value, operation);
    lmdb_guard_leave();
    cursor->stands = rc == 0;
    return rc == 0 ? INGOT_OK : error_of_read(rc);
}

enum ingot_error lmdb_cursor_seek(struct ingot_store_cursor *base, struct ingot_slice key)
{
    struct lmdb_cursor *cursor = (struct lmdb_cursor *)base;
    if (key.size == 0)
        return move(cursor, MDB_FIRST);
    /* LMDB takes no longer key. What follows the long key follows its front, and is not that. */
    bool cut = key.size > INGOT_STORE_KEY_BYTES_MAX;
    if (cut)
        key.size = INGOT_STORE_KEY_BYTES_MAX;
    cursor->key = val_of(key);
    enum ingot_error error = move(cursor, MDB_SET_RANGE);
    if (error == INGOT_OK && cut && ingot_slice_equal(slice_of(&cursor->key), key))
        error = move(cursor, MDB_NEXT);
    return error;
}

enum ingot_error lmdb_cursor_last(struct ingot_store_cursor *base)
{
    return move((struct lmdb_cursor *)base, MDB_LAST);
}

enum ingot_error lmdb_cursor_next(struct ingot_store_cursor *base)
{
    struct lmdb_cursor *cursor = (struct lmdb_cursor *)base;
    return cursor->stands ? move(cursor, MDB_NEXT) : INGOT_ERROR_NOT_FOUND;
}

enum ingot_error lmdb_cursor_previous(struct ingot_store_cursor *base)
{
    struct lmdb_cursor *cursor = (struct lmdb_cursor *)base;
    return cursor->stands ? move(cursor, MDB_PREV) : INGOT_ERROR_NOT_FOUND;
}

void lmdb_cursor_item(const struct ingot_store_cursor *base, struct ingot_slice *key,
                      struct ingot_slice *value)
{
    const struct lmdb_cursor *cursor = (const struct lmdb_cursor *)base;
    INGOT_ASSERT(cursor->stands);
    *key = slice_of(&cursor->key);
    *value = slice_of(&cursor->value);
}

void lmdb_cursor_close(struct ingot_store_cursor *base)
{
    struct lmdb_cursor *cursor = (struct lmdb_cursor *)base;
    mdb_cursor_close(cursor->cursor);
    free(cursor);
}

static uint64_t age_ms(const struct lmdb_snapshot *snapshot, uint64_t now_us)
{
    return (now_us - snapshot->begin_us) / 1000;
}

void lmdb_readers_check(struct lmdb_store *store)
{
    clear_stale_readers(store);
    uint64_t oldest_ms = 0;
    uint32_t found = 0;
    pthread_mutex_lock(&store->snapshots_mutex);
    uint64_t now_us = clock_monotonic_us();
    for (struct lmdb_snapshot *snapshot = store->snapshots; snapshot != NULL;
         snapshot = snapshot->next) {
        if (snapshot->counted_as_old || age_ms(snapshot, now_us) <= store->reader_age_max_ms)
            continue;
        snapshot->counted_as_old = true;
        store->snapshots_old_total++;
        found++;
        if (age_ms(snapshot, now_us) > oldest_ms)
            oldest_ms = age_ms(snapshot, now_us);
    }
    pthread_mutex_unlock(&store->snapshots_mutex);
    if (found > 0)
        LOG(LOG_WARN, "a read of the store stays open and makes the file grow",
            log_text("folder", store->folder.path), log_u64("age_ms", oldest_ms),
            log_u64("snapshots", found));
}

void store_lmdb_get_stats(struct ingot_store *base, struct store_lmdb_stats *stats)
{
    struct lmdb_store *store = (struct lmdb_store *)base;
    *stats = (struct store_lmdb_stats){
        .used_bytes = store_space_used(store),
        .reserved_bytes = __atomic_load_n(&store->reserved_bytes, __ATOMIC_RELAXED),
        .map_bytes = store->map_bytes,
        .stale_readers_cleared = __atomic_load_n(&store->stale_readers_cleared, __ATOMIC_RELAXED),
    };
    pthread_mutex_lock(&store->snapshots_mutex);
    uint64_t now_us = clock_monotonic_us();
    for (const struct lmdb_snapshot *snapshot = store->snapshots; snapshot != NULL;
         snapshot = snapshot->next) {
        uint64_t age = age_ms(snapshot, now_us);
        stats->snapshots_open++;
        if (age > stats->snapshot_age_max_ms)
            stats->snapshot_age_max_ms = age;
    }
    stats->snapshots_old_total = store->snapshots_old_total;
    pthread_mutex_unlock(&store->snapshots_mutex);
}
