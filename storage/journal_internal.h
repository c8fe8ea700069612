/*
 * What the files of the journaled store share.
 *
 * A committed batch is a record in one of two segments of the file, and its operations are in a
 * generation in memory, that of the segment. The *fresh* generation takes what is committed; the
 * one that is *being applied* changes no more, and goes into LMDB in one batch. When that is
 * durable, and not before, its segment is free for the next one. So a record is in the file until
 * LMDB has it.
 */
#ifndef INGOT_STORAGE_JOURNAL_INTERNAL_H
#define INGOT_STORAGE_JOURNAL_INTERNAL_H

#include <pthread.h>

#include "storage/folder.h"
#include "storage/journal.h"
#include "storage/lmdb.h"
#include "storage/memory_tree.h"
#include "storage/operations.h"

/* Records begin at pages, so that no write touches one with a record that somebody relies on. */
#define JOURNAL_PAGE_BYTES 4096
#define JOURNAL_KEY_BYTES 32
/* In front of a record's operations. */
#define JOURNAL_HEADER_BYTES 40
/*
 * A generation has no more than this, unless it is of one batch. At worst LMDB changes a page for
 * each, for which it wants room on the disk beforehand, and whose memory it keeps for good.
 */
#define JOURNAL_OPERATIONS_MAX 15000

/*
 * Memory for operations that is kept from one batch to the next. Under load a batch has megabytes,
 * which would be grown, cleared by the kernel, and given back each time.
 */
#define JOURNAL_SPARE_BYTES_MAX ((size_t)4 << 20)

struct journal_file {
    char *path;                     /* owned */
    int fd;                         /* -1: it has not been made yet, or not been opened */
    uint8_t key[JOURNAL_KEY_BYTES]; /* names this file; its checksums are made with it */
    uint64_t segment_bytes;
};

struct journal_generation {
    struct memory_node *roots[INGOT_STORE_TABLES_MAX];
    uint32_t segment;
    uint64_t used_bytes;      /* of the segment; 0: there is nothing in it */
    uint64_t lazy_bytes;      /* of operations that are in no record */
    uint32_t operation_count; /* with those; of several for one key the trees have the last */
    uint64_t last;            /* number of its newest record */
    uint64_t begin_us;        /* when its first record came */
};

struct journal_store {
    struct ingot_store base;
    struct ingot_store *inner; /* the LMDB store, with our own table behind the others */
    struct journal_file file;
    uint32_t table_count; /* without our own */
    uint32_t lazy_tables; /* bit i: operations of table i are in no record */
    uint64_t apply_after_us;
    uint64_t apply_bytes;
    uint64_t last; /* number of the newest record; of the committing thread */
    bool batch_open;
    /* For the next batch's operations; of the committing thread. */
    struct ingot_buffer spare;
    struct ingot_buffer spare_lazy;
    bool has_worker;
    pthread_t worker;

    pthread_mutex_t mutex; /* covers what follows */
    pthread_cond_t work;   /* there is something for the worker */
    pthread_cond_t done;   /* the worker has got on */
    struct journal_generation fresh;
    struct journal_generation applying; /* the worker reads it without the mutex */
    bool is_applying;
    uint64_t settled; /* number of the last batch that LMDB has */
    bool is_full;     /* LMDB has no room for what is being applied; a commit has it tried again */
    bool is_committing; /* a record is on its way into the fresh segment, which therefore stays */
    bool is_closing;
    bool outcome_unknown; /* set once, never cleared */
    struct store_journal_stats stats;
};

struct journal_batch {
    struct ingot_store_batch base;
    struct store_operations operations; /* behind room for a header */
    struct store_operations lazy;       /* of lazy tables, which the record does not have */
};

/* What a batch takes. */
struct journal_extent {
    uint64_t record_bytes; /* of a segment */
    uint64_t lazy_bytes;
    uint32_t operation_count;
};

/* --- journal_file.c: the file. All give a sentence in `why` when they fail. --- */

/* Of one that was neither made nor opened yet: in this folder. */
void journal_file_init(struct journal_file *file, const char *folder);
void journal_file_deinit(struct journal_file *file);
/* Before one is made. INGOT_ERROR_CORRUPT: there is one with records, which LMDB should know. */
enum ingot_error journal_file_check_unused(const struct journal_file *file, struct store_why why);
/* Makes an empty one, durable under its name, with a key of its own and this length of segments. */
enum ingot_error journal_file_make(struct journal_file *file, struct store_why why);
/* After this it may be made again. */
void journal_file_close(struct journal_file *file);
/* Opens the one with this key and size. INGOT_ERROR_CORRUPT: it is missing, or another. */
enum ingot_error journal_file_open(struct journal_file *file, struct store_why why);

/* Where the records of a segment begin. */
uint64_t journal_segment_begin(const struct journal_file *file, uint32_t segment);
/* Bytes that these operations take in a segment. */
uint64_t journal_record_size(size_t operations_bytes);
/*
 * Writes a record and syncs it. `bytes` has JOURNAL_HEADER_BYTES of room in front of the operations
 * and gets the header there, and zeros up to a whole page behind them. INGOT_OK or INGOT_ERROR_IO
 * (logged): nobody knows what is on the disk.
 */
enum ingot_error journal_file_append(const struct journal_file *file, uint64_t at, uint64_t number,
                                     struct ingot_buffer *bytes);

/* A record that verifies. */
struct journal_record {
    uint64_t number;
    uint64_t at; /* in the file */
    struct ingot_slice operations;
    uint32_t operation_count;
};

struct journal_scan {
    uint8_t *bytes; /* owned: of the whole file */
    struct journal_record *records;
    uint32_t count;
    bool has_part; /* there is the beginning of one that does not verify */
};

/*
 * Finds the records above `applied`, in the order of their numbers, without a gap from the one that
 * follows. A torn record can only be the last one that was begun. INGOT_ERROR_CORRUPT: one is
 * missing although a later one is there, or does not hold operations of `table_count` tables.
 */
enum ingot_error journal_file_scan(const struct journal_file *file, uint64_t applied,
                                   uint32_t table_count, struct journal_scan *scan,
                                   struct store_why why);
void journal_scan_deinit(struct journal_scan *scan);

/* --- journal_state.c: the record in LMDB that knows of the file. --- */

/* INGOT_OK; INGOT_ERROR_NOT_FOUND: there is none; or an error with a sentence in `why`. */
enum ingot_error journal_state_read(const struct journal_store *store, struct journal_file *file,
                                    uint64_t *applied, struct store_why why);
/* LMDB has everything up to `applied` with the batch that this is in. Returns what `take` does. */
int journal_state_show(const struct journal_store *store, uint64_t applied,
                       store_operation_taker *take, void *taker);
/* The same, into a batch. */
void journal_state_put(const struct journal_store *store, struct ingot_store_batch *batch,
                       uint64_t applied);

/*
 * What a record relies on: LMDB had this batch when it was written, with its lazy tables, of which
 * no record tells. An operation of our own table, behind the others; no batch brings one.
 */
void journal_append_relied(const struct journal_store *store, struct store_operations *operations,
                           uint64_t number);
/* Of a record's operations; 0: it does not say. */
uint64_t journal_find_relied(const struct journal_store *store, struct ingot_slice operations);

/* --- journal_batch.c --- */

struct ingot_store_batch *journal_batch_begin(struct ingot_store *store);
void journal_batch_put(struct ingot_store_batch *batch, uint32_t table, struct ingot_slice key,
                       struct ingot_slice value);
void journal_batch_delete(struct ingot_store_batch *batch, uint32_t table, struct ingot_slice key);
enum ingot_error journal_batch_commit(struct ingot_store_batch *batch);
void journal_batch_abort(struct ingot_store_batch *batch);
/* Has a generation room for a further batch? An empty one has, for any. */
bool journal_has_room(const struct journal_store *store,
                      const struct journal_generation *generation,
                      const struct journal_extent *extent);
uint64_t journal_last_batch(const struct ingot_store *store);
bool journal_is_settled(struct ingot_store *store, uint64_t batch);
/* Runs operations in a batch of the inner store, but for those of our own table. */
void journal_run(const struct journal_store *store, struct ingot_store_batch *inner,
                 struct ingot_slice operations);

/* --- journal_worker.c: all but the first and last with the mutex held, which they let go while
 * they wait or write. --- */

enum ingot_error journal_worker_start(struct journal_store *store, struct store_why why);
/* Should the fresh generation be applied, now that nothing else is? */
bool journal_is_due(const struct journal_store *store);
/* Sets the fresh generation aside, to be applied; the other segment becomes the fresh one's. */
void journal_rotate(struct journal_store *store);
/* Applies what was set aside. */
void journal_apply(struct journal_store *store);
/* Until something has been applied, or cannot be. */
void journal_await(struct journal_store *store);
void journal_worker_stop(struct journal_store *store);

/* --- journal_snapshot.c, journal_cursor.c --- */

struct journal_snapshot {
    struct ingot_store_snapshot base;
    /* By table; NULL: nothing. The fresh generation lies over the other, and that over LMDB. */
    struct memory_node *fresh[INGOT_STORE_TABLES_MAX];
    struct memory_node *applying[INGOT_STORE_TABLES_MAX];
    struct ingot_store_snapshot *inner;
};

enum ingot_error journal_snapshot_begin(struct ingot_store *store,
                                        struct ingot_store_snapshot **snapshot);
void journal_snapshot_end(struct ingot_store_snapshot *snapshot);
enum ingot_error journal_snapshot_get(struct ingot_store_snapshot *snapshot, uint32_t table,
                                      struct ingot_slice key, struct ingot_slice *value);
enum ingot_error journal_cursor_open(struct ingot_store_snapshot *snapshot, uint32_t table,
                                     struct ingot_store_cursor **cursor);
enum ingot_error journal_cursor_seek(struct ingot_store_cursor *cursor, struct ingot_slice key);
enum ingot_error journal_cursor_last(struct ingot_store_cursor *cursor);
enum ingot_error journal_cursor_next(struct ingot_store_cursor *cursor);
enum ingot_error journal_cursor_previous(struct ingot_store_cursor *cursor);
void journal_cursor_item(const struct ingot_store_cursor *cursor, struct ingot_slice *key,
                         struct ingot_slice *value);
void journal_cursor_close(struct ingot_store_cursor *cursor);

#endif
