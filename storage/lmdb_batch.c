/*
 * Batches of the LMDB store: remembered operations, run in one write transaction at commit, synced
 * by LMDB (data, then the meta page) before the commit returns.
 *
 * LMDB 0.9.24 goes on as if nothing had happened after a failed sync: the next commit succeeds,
 * and the failed one may be there after reopening. So any failure but a full map or disk that is
 * found before the meta page is written makes the outcome unknown, and the store refuses all later
 * use.
 */
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/log.h"
#include "base/mutant.h"
#include "storage/lmdb_internal.h"

#define READERS_CHECK_COMMITS 256

bool lmdb_outcome_is_unknown(const struct lmdb_store *store)
{
    return __atomic_load_n(&store->outcome_unknown, __ATOMIC_ACQUIRE);
}

static enum ingot_error stop(struct lmdb_store *store, const char *call, int code)
{
    LOG(LOG_ERROR, "a durable write failed; whether it is on disk is unknown",
        log_text("file", store->folder.path), log_text("call", call),
        log_text("error", mdb_strerror(code)));
    __atomic_store_n(&store->outcome_unknown, !MUTANT(OUTCOME_FORGOTTEN), __ATOMIC_RELEASE);
    return INGOT_ERROR_UNKNOWN_OUTCOME;
}

struct ingot_store_batch *lmdb_batch_begin(struct ingot_store *base)
{
    struct lmdb_store *store = (struct lmdb_store *)base;
    INGOT_ASSERT(!store->read_only);
    INGOT_ASSERT(!store->batch_open);
    store->batch_open = true;
    struct lmdb_batch *batch = alloc_zeroed(1, sizeof *batch);
    batch->base.store = base;
    return &batch->base;
}

void lmdb_batch_put(struct ingot_store_batch *base, uint32_t table, struct ingot_slice key,
                    struct ingot_slice value)
{
    INGOT_ASSERT(table < ((struct lmdb_store *)base->store)->table_count);
    store_operations_put(&((struct lmdb_batch *)base)->operations, table, key, value);
}

void lmdb_batch_delete(struct ingot_store_batch *base, uint32_t table, struct ingot_slice key)
{
    INGOT_ASSERT(table < ((struct lmdb_store *)base->store)->table_count);
    store_operations_delete(&((struct lmdb_batch *)base)->operations, table, key);
}

void lmdb_batch_abort(struct ingot_store_batch *base)
{
    struct lmdb_batch *batch = (struct lmdb_batch *)base;
    ((struct lmdb_store *)base->store)->batch_open = false;
    store_operations_deinit(&batch->operations);
    free(batch);
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

/* A write transaction, as what takes a batch's operations. */
struct writer {
    const struct lmdb_store *store;
    MDB_txn *txn;
    uint64_t left; /* operations that are to come */
};

static int write_operation(void *taker, const struct store_operation *operation)
{
    struct writer *writer = taker;
    if (--writer->left == 0 && MUTANT(HALF_A_BATCH))
        return 0;
    MDB_val key = val_of(operation->key);
    const MDB_dbi table = writer->store->tables[operation->table];
    if (operation->is_delete) {
        const int rc = mdb_del(writer->txn, table, &key, NULL);
        return rc == MDB_NOTFOUND ? 0 : rc;
    }
    MDB_val value = val_of(operation->value);
    return mdb_put(writer->txn, table, &key, &value, 0);
}

struct extent {
    uint64_t count;
    uint64_t bytes;
};

static int count_operation(void *taker, const struct store_operation *operation)
{
    struct extent *extent = taker;
    extent->count++;
    extent->bytes += store_operation_size(operation);
    return 0;
}

/* The content of a batch. */
static int show_operations(const void *context, store_operation_taker *take, void *taker)
{
    const struct store_operations *operations = context;
    struct ingot_slice rest = ingot_buffer_slice(&operations->bytes);
    struct store_operation operation;
    int rc = 0;
    while (rc == 0 && store_operations_next(&rest, &operation))
        rc = take(taker, &operation);
    return rc;
}

/*
 * Before the commit nothing refers to what has been written, so a full map or disk that is met by
 * an operation (large transactions spill pages early) is a clean refusal.
 */
static bool is_clean_refusal(int code)
{
    return code == MDB_MAP_FULL || code == MDB_TXN_FULL || code == ENOSPC || code == EDQUOT;
}

static enum ingot_error no_space(const struct lmdb_store *store, const char *what)
{
    LOG(LOG_ERROR, what, log_text("folder", store->folder.path),
        log_u64("used_bytes", store_space_used(store)), log_u64("map_size_max", store->map_bytes));
    return INGOT_ERROR_NO_SPACE;
}

static enum ingot_error commit(struct lmdb_store *store, const struct store_content *content)
{
    if (lmdb_outcome_is_unknown(store))
        return INGOT_ERROR_UNKNOWN_OUTCOME;
    INGOT_ASSERT(getpid() == store->pid);
    struct extent extent = {0};
    (void)content->show(content->context, count_operation, &extent);
    enum ingot_error error = MUTANT(ROOM_NOT_RESERVED)
                                 ? INGOT_OK
                                 : store_space_reserve(store, extent.count, extent.bytes);
    if (error == INGOT_ERROR_NO_SPACE)
        return no_space(store, "the disk is full");
    if (error != INGOT_OK)
        return stop(store, "fallocate", EIO);

    MDB_txn *txn = NULL;
    int rc = mdb_txn_begin(store->env, NULL, 0, &txn);
    if (rc != 0)
        return stop(store, "mdb_txn_begin", rc);
    struct writer writer = {.store = store, .txn = txn, .left = extent.count};
    rc = content->show(content->context, write_operation, &writer);
    if (rc != 0) {
        mdb_txn_abort(txn);
        if (is_clean_refusal(rc))
            return no_space(store, "the store has no room for a batch");
        return stop(store, "mdb_put", rc);
    }
    rc = mdb_txn_commit(txn);
    /* LMDB reports a full map before it writes a page; of other errors it does not say when. */
    if (rc == MDB_MAP_FULL)
        return no_space(store, "the store has no room for a batch");
    if (rc != 0)
        return stop(store, "mdb_txn_commit", rc);
    store->commits++;
    if (store->commits % READERS_CHECK_COMMITS == 0)
        lmdb_readers_check(store);
    return INGOT_OK;
}

enum ingot_error store_lmdb_commit(struct ingot_store *base, const struct store_content *content)
{
    struct lmdb_store *store = (struct lmdb_store *)base;
    INGOT_ASSERT(!store->read_only);
    INGOT_ASSERT(!store->batch_open);
    store->batch_open = true;
    lmdb_guard_enter(store);
    const enum ingot_error error = commit(store, content);
    lmdb_guard_leave();
    store->batch_open = false;
    return error;
}

enum ingot_error lmdb_batch_commit(struct ingot_store_batch *base)
{
    struct lmdb_batch *batch = (struct lmdb_batch *)base;
    struct lmdb_store *store = (struct lmdb_store *)base->store;
    const struct store_content content = {.show = show_operations, .context = &batch->operations};
    lmdb_guard_enter(store);
    enum ingot_error error = commit(store, &content);
    lmdb_guard_leave();
    lmdb_batch_abort(base);
    return error;
}
