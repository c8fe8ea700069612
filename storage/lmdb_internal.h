/*
 * What the files of the LMDB store share.
 */
#ifndef INGOT_STORAGE_LMDB_INTERNAL_H
#define INGOT_STORAGE_LMDB_INTERNAL_H

#include <lmdb.h>
#include <pthread.h>

#include "storage/folder.h"
#include "storage/lmdb.h"
#include "storage/operations.h"

struct lmdb_snapshot {
    struct ingot_store_snapshot base;
    MDB_txn *txn;
    uint64_t begin_us;
    bool counted_as_old;
    struct lmdb_snapshot *next;
    struct lmdb_snapshot *previous;
};

struct lmdb_cursor {
    struct ingot_store_cursor base;
    MDB_cursor *cursor;
    bool stands;
    MDB_val key;
    MDB_val value;
};

struct lmdb_batch {
    struct ingot_store_batch base;
    struct store_operations operations;
};

struct lmdb_store {
    struct ingot_store base;
    struct store_folder folder;
    MDB_env *env;
    pid_t pid; /* that opened it: a fork must not go on using it */
    bool read_only;
    uint32_t table_count;
    MDB_dbi tables[INGOT_STORE_TABLES_MAX];
    uint64_t page_bytes;
    uint64_t map_bytes;

    bool can_reserve;        /* the file system gives room ahead of use */
    uint64_t reserved_bytes; /* atomic access only: stats are read on other threads than commits */

    bool batch_open;
    bool outcome_unknown; /* atomic access only; set once, never cleared */
    uint64_t commits;
    uint64_t stale_readers_cleared;

    pthread_mutex_t snapshots_mutex; /* covers what follows */
    struct lmdb_snapshot *snapshots;
    uint64_t snapshots_old_total;
    uint64_t reader_age_max_ms;
};

/* lmdb.c: of a code of LMDB's, or of errno, that says nothing of damage. */
enum ingot_error lmdb_error_of(int code);

/* lmdb_make.c: gives the folder, which has none, a durable data.mdb with nothing in it. */
enum ingot_error lmdb_make(const struct lmdb_store *store, struct store_why why);

/* lmdb_space.c */
enum ingot_error store_space_open(struct lmdb_store *store, uint64_t initial_bytes,
                                  struct store_why why);
/*
 * Room on the disk for what a batch may write: so many operations, so many bytes in a list of them.
 * INGOT_ERROR_NO_SPACE, or _IO.
 */
enum ingot_error store_space_reserve(struct lmdb_store *store, uint64_t operation_count,
                                     uint64_t content_bytes);
uint64_t store_space_used(const struct lmdb_store *store);

/* lmdb_guard.c: around calls into LMDB that follow what is written in its pages. */
void lmdb_guard_enter(const struct lmdb_store *store);
void lmdb_guard_leave(void);

/* lmdb_batch.c */
struct ingot_store_batch *lmdb_batch_begin(struct ingot_store *store);
void lmdb_batch_put(struct ingot_store_batch *batch, uint32_t table, struct ingot_slice key,
                    struct ingot_slice value);
void lmdb_batch_delete(struct ingot_store_batch *batch, uint32_t table, struct ingot_slice key);
enum ingot_error lmdb_batch_commit(struct ingot_store_batch *batch);
void lmdb_batch_abort(struct ingot_store_batch *batch);
bool lmdb_outcome_is_unknown(const struct lmdb_store *store);

/* lmdb_snapshot.c */
enum ingot_error lmdb_snapshot_begin(struct ingot_store *store,
                                     struct ingot_store_snapshot **snapshot);
void lmdb_snapshot_end(struct ingot_store_snapshot *snapshot);
enum ingot_error lmdb_snapshot_get(struct ingot_store_snapshot *snapshot, uint32_t table,
                                   struct ingot_slice key, struct ingot_slice *value);
enum ingot_error lmdb_cursor_open(struct ingot_store_snapshot *snapshot, uint32_t table,
                                  struct ingot_store_cursor **cursor);
enum ingot_error lmdb_cursor_seek(struct ingot_store_cursor *cursor, struct ingot_slice key);
enum ingot_error lmdb_cursor_last(struct ingot_store_cursor *cursor);
enum ingot_error lmdb_cursor_next(struct ingot_store_cursor *cursor);
enum ingot_error lmdb_cursor_previous(struct ingot_store_cursor *cursor);
void lmdb_cursor_item(const struct ingot_store_cursor *cursor, struct ingot_slice *key,
                      struct ingot_slice *value);
void lmdb_cursor_close(struct ingot_store_cursor *cursor);
/* Clears the slots of readers that died, and counts snapshots that have grown old. */
void lmdb_readers_check(struct lmdb_store *store);

#endif
