/**
 * The store: an ordered map of byte strings in a few named tables, with atomic durable batches
 * and read snapshots. LMDB is the default, with a journal before it where batches are small and
 * follow one another closely; memory serves tests.
 *
 * A store is used from one thread, except that read snapshots of a store that says so
 * (`snapshots_on_any_thread`) may be used from other threads, one thread each.
 */
#ifndef INGOT_STORE_H
#define INGOT_STORE_H

#include <ingot/types.h>

#ifdef __cplusplus
extern "C" {
#endif

#define INGOT_STORE_KEY_BYTES_MAX 500
#define INGOT_STORE_TABLES_MAX 16

struct ingot_store;
struct ingot_store_batch;
struct ingot_store_snapshot;
struct ingot_store_cursor;

/**
 * What an implementation provides. Users call the ingot_store_... functions below.
 * Tables are numbered from 0 in the order of the names given when the store was opened.
 */
struct ingot_store_operations {
    bool snapshots_on_any_thread;

    struct ingot_store_batch *(*batch_begin)(struct ingot_store *store);
    void (*batch_put)(struct ingot_store_batch *batch, uint32_t table, struct ingot_slice key,
                      struct ingot_slice value);
    void (*batch_delete)(struct ingot_store_batch *batch, uint32_t table, struct ingot_slice key);
    enum ingot_error (*batch_commit)(struct ingot_store_batch *batch);
    void (*batch_abort)(struct ingot_store_batch *batch);

    enum ingot_error (*snapshot_begin)(struct ingot_store *store,
                                       struct ingot_store_snapshot **snapshot);
    void (*snapshot_end)(struct ingot_store_snapshot *snapshot);
    enum ingot_error (*snapshot_get)(struct ingot_store_snapshot *snapshot, uint32_t table,
                                     struct ingot_slice key, struct ingot_slice *value);
    enum ingot_error (*cursor_open)(struct ingot_store_snapshot *snapshot, uint32_t table,
                                    struct ingot_store_cursor **cursor);
    enum ingot_error (*cursor_seek)(struct ingot_store_cursor *cursor, struct ingot_slice key);
    enum ingot_error (*cursor_last)(struct ingot_store_cursor *cursor);
    enum ingot_error (*cursor_next)(struct ingot_store_cursor *cursor);
    enum ingot_error (*cursor_previous)(struct ingot_store_cursor *cursor);
    void (*cursor_item)(const struct ingot_store_cursor *cursor, struct ingot_slice *key,
                        struct ingot_slice *value);
    void (*cursor_close)(struct ingot_store_cursor *cursor);

    /* Both NULL: the store has no lazy tables. */
    uint64_t (*last_batch)(const struct ingot_store *store);
    bool (*is_settled)(struct ingot_store *store, uint64_t batch);

    void (*close)(struct ingot_store *store);
};

/** The first member of every implementation's own struct. */
struct ingot_store {
    const struct ingot_store_operations *operations;
};

/**
 * The first members of every implementation's own batch, snapshot and cursor: they lead the calls
 * below to the implementation.
 */
struct ingot_store_batch {
    struct ingot_store *store;
    bool is_bulk; /* see ingot_store_batch_set_bulk */
};
struct ingot_store_snapshot {
    struct ingot_store *store;
};
struct ingot_store_cursor {
    struct ingot_store *store;
};

/** Options of the LMDB store. All zero but `folder` and the tables is a good default. */
struct ingot_store_lmdb_options {
    const char *folder;         /* made, mode 0700, if missing */
    const char *const *tables;  /* table_count names */
    uint32_t table_count;       /* 1 to INGOT_STORE_TABLES_MAX */
    uint64_t map_size_initial;  /* bytes given room on the disk at first; 0: 16 MiB */
    uint64_t map_size_max;      /* bytes; 0: 1 TiB; reaching it gives INGOT_ERROR_NO_SPACE */
    uint32_t reader_age_max_ms; /* snapshots older than this are counted and warned of; 0: 60000 */
    /**
     * Beside a process that has the folder open, or while none has: no lock on the folder, no
     * batches, and nothing is made in it. Only LMDB's own table of readers (lock.mdb) gets an
     * entry, so it must be there and writable. A snapshot keeps the other process from using freed
     * space again, as one of its own would: end it soon.
     */
    bool read_only;
};

/**
 * Opens or makes an LMDB store (`data.mdb`, `lock.mdb` and our own `LOCK` in the folder).
 *
 * @why  on failure a sentence that names the file and the expectation; why_size bytes at most,
 *       NUL-terminated.
 *
 * Returns INGOT_OK; INGOT_ERROR_LOCKED when another process (or this one) has it open;
 * INGOT_ERROR_CORRUPT when the file is not an LMDB file or is damaged; INGOT_ERROR_INVALID when it
 * has a journal, which may hold later batches, and is not read_only; INGOT_ERROR_PERMISSION,
 * INGOT_ERROR_IO, INGOT_ERROR_NO_SPACE of the file system.
 */
INGOT_API INGOT_MUST_USE enum ingot_error
ingot_store_lmdb_open(const struct ingot_store_lmdb_options *options, struct ingot_store **store,
                      char *why, size_t why_size);

/**
 * Writes what the last committed batch has left, as one snapshot, to a new file `data.mdb` in
 * `folder`, which exists. The store may be read-only, and other processes may go on changing it.
 * The copy holds hardly any free pages, and knows of no journal: of a store that has one it is what
 * LMDB has. When this returns INGOT_OK, the file and its name are durable, and
 * ingot_store_lmdb_open takes the folder.
 *
 * @store  one of ingot_store_lmdb_open.
 * @why    on failure a sentence that names the file; why_size bytes at most, NUL-terminated.
 *
 * Returns INGOT_OK; INGOT_ERROR_EXISTS when there is a data.mdb (it stays as it is);
 * INGOT_ERROR_CORRUPT when the store is damaged; INGOT_ERROR_NOT_FOUND, INGOT_ERROR_PERMISSION,
 * INGOT_ERROR_IO, INGOT_ERROR_NO_SPACE of the file system; INGOT_ERROR_FULL when too many snapshots
 * are open. After an error there is no new file.
 */
INGOT_API INGOT_MUST_USE enum ingot_error
ingot_store_lmdb_copy(struct ingot_store *store, const char *folder, char *why, size_t why_size);

/** Options of the LMDB store with a journal. All zero but `lmdb` is a good default. */
struct ingot_store_journal_options {
    struct ingot_store_lmdb_options lmdb; /* not read_only; one table less than the maximum */
    uint64_t segment_bytes;  /* of each half of a new journal, in pages of 4096; 0: 8 MiB */
    uint32_t apply_after_ms; /* how long a batch may be in the journal alone; 0: 250 */
    uint32_t lazy_tables;    /* bit i is for table i; see ingot_store_is_settled */
};

/**
 * Opens or makes an LMDB store with a journal (`journal`, beside `data.mdb`): a batch is durable
 * with one write and one sync, and a thread brings LMDB up to date behind it. Whatever is read from
 * this store is up to date; whoever opens the folder read-only with ingot_store_lmdb_open sees an
 * earlier moment, up to apply_after_ms and one batch of LMDB's old. A store without a
 * journal gets one with its first batch, and from then on ingot_store_lmdb_open refuses to open it
 * for writing.
 *
 * Batches that do not fit into the journal, and those that are bulk, are as slow as LMDB's.
 * INGOT_ERROR_NO_SPACE of a commit means that the disk has no room for the journal, or LMDB none
 * for what the journal holds; that stays there.
 *
 * @why  on failure a sentence that names the file and the expectation; why_size bytes at most,
 *       NUL-terminated.
 *
 * Returns INGOT_OK, or what ingot_store_lmdb_open returns. INGOT_ERROR_CORRUPT also when the
 * journal is missing, is not this store's, or has lost a record before its last one;
 * INGOT_ERROR_NO_SPACE also when LMDB has no room for what it holds; INGOT_ERROR_UNKNOWN_OUTCOME
 * when a durable write failed: nothing is lost, but this process must not open it again.
 */
INGOT_API INGOT_MUST_USE enum ingot_error
ingot_store_journal_open(const struct ingot_store_journal_options *options,
                         struct ingot_store **store, char *why, size_t why_size);

/**
 * Makes an empty store in memory. Deterministic, for tests; see storage/memory.h for its faults.
 */
INGOT_API struct ingot_store *ingot_store_memory_new(uint32_t table_count);

/** Closes the store and frees it; open snapshots must have ended. NULL is fine. */
INGOT_API void ingot_store_close(struct ingot_store *store);

/**
 * Begins a batch. Only one may be open at a time. Puts and deletes are remembered, in order, and
 * bytes are copied; nothing is visible before the commit.
 */
INGOT_API struct ingot_store_batch *ingot_store_batch_begin(struct ingot_store *store);
INGOT_API void ingot_store_batch_put(struct ingot_store_batch *batch, uint32_t table,
                                     struct ingot_slice key, struct ingot_slice value);
INGOT_API void ingot_store_batch_delete(struct ingot_store_batch *batch, uint32_t table,
                                        struct ingot_slice key);

/**
 * Says of the open batch that it is a part of large work that goes on for a while, for which bytes
 * count more than the time of one commit. With a journal it goes straight to LMDB, instead of being
 * written twice. What is durable and visible after its commit is the same.
 */
INGOT_API void ingot_store_batch_set_bulk(struct ingot_store_batch *batch);

/**
 * Makes the whole batch durable (synced) or none of it, and frees the batch.
 *
 * Returns INGOT_OK: on disk. INGOT_ERROR_NO_SPACE: the map's limit or the disk was found full
 * before anything was written; nothing changed. Any other error is INGOT_ERROR_UNKNOWN_OUTCOME:
 * the batch may or may not be on disk; the caller must stop the process without telling anybody
 * and read back at the next start. The store refuses every later batch.
 */
INGOT_API INGOT_MUST_USE enum ingot_error ingot_store_batch_commit(struct ingot_store_batch *batch);
/**
 * A store may have lazy tables, whose content can be made again from that of the others. What a
 * batch puts there is visible with the rest of it, and durable some time later: a crash takes back
 * all lazy tables to one moment, right after some batch, and none of the other tables. A batch that
 * is bulk is durable in all tables, and so is what came before it.
 *
 * Names the last batch that was committed, or what was there before the first; names ascend. 0:
 * there are no lazy tables.
 */
INGOT_API uint64_t ingot_store_last_batch(const struct ingot_store *store);
/**
 * Is all durable that the batch of this name, and those before it, have put into lazy tables? Once
 * it is it stays so.
 */
INGOT_API bool ingot_store_is_settled(struct ingot_store *store, uint64_t batch);
/** Drops the batch. NULL is fine. */
INGOT_API void ingot_store_batch_abort(struct ingot_store_batch *batch);

/**
 * Begins a snapshot of the last committed batch. Values it gives out live until it ends. Returns
 * INGOT_OK, INGOT_ERROR_FULL when too many are open, or INGOT_ERROR_IO, also once a commit of this
 * store has had an unknown outcome.
 */
INGOT_API INGOT_MUST_USE enum ingot_error
ingot_store_snapshot_begin(struct ingot_store *store, struct ingot_store_snapshot **snapshot);
INGOT_API void ingot_store_snapshot_end(struct ingot_store_snapshot *snapshot);

/** Returns INGOT_OK, INGOT_ERROR_NOT_FOUND, INGOT_ERROR_IO or INGOT_ERROR_CORRUPT. */
INGOT_API INGOT_MUST_USE enum ingot_error
ingot_store_snapshot_get(struct ingot_store_snapshot *snapshot, uint32_t table,
                         struct ingot_slice key, struct ingot_slice *value);

/**
 * Ordered iteration in a snapshot. A new cursor stands nowhere: seek first. A move that finds
 * nothing leaves it standing nowhere again; next and previous then find nothing either.
 * Close cursors before their snapshot ends.
 */
INGOT_API INGOT_MUST_USE enum ingot_error
ingot_store_cursor_open(struct ingot_store_snapshot *snapshot, uint32_t table,
                        struct ingot_store_cursor **cursor);
/** Moves to the first key at or after `key`: INGOT_OK, or INGOT_ERROR_NOT_FOUND at the end. */
INGOT_API INGOT_MUST_USE enum ingot_error ingot_store_cursor_seek(struct ingot_store_cursor *cursor,
                                                                  struct ingot_slice key);
INGOT_API INGOT_MUST_USE enum ingot_error
ingot_store_cursor_last(struct ingot_store_cursor *cursor);
INGOT_API INGOT_MUST_USE enum ingot_error
ingot_store_cursor_next(struct ingot_store_cursor *cursor);
INGOT_API INGOT_MUST_USE enum ingot_error
ingot_store_cursor_previous(struct ingot_store_cursor *cursor);
/** The item the cursor stands on; borrowed until the snapshot ends. */
INGOT_API void ingot_store_cursor_item(const struct ingot_store_cursor *cursor,
                                       struct ingot_slice *key, struct ingot_slice *value);
INGOT_API void ingot_store_cursor_close(struct ingot_store_cursor *cursor);

#ifdef __cplusplus
}
#endif
#endif
