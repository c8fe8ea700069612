/*
 * What the LMDB store tells those who watch it, beyond the interface of a store.
 */
#ifndef INGOT_STORAGE_LMDB_H
#define INGOT_STORAGE_LMDB_H

#include "storage/operations.h"

struct store_lmdb_stats {
    uint64_t used_bytes;     /* of data.mdb, free pages within it included */
    uint64_t reserved_bytes; /* given room on the disk ahead of use; at least used_bytes */
    uint64_t map_bytes;      /* the limit that used_bytes may reach */
    uint32_t snapshots_open;
    uint64_t snapshot_age_max_ms;   /* of the oldest open one */
    uint64_t snapshots_old_total;   /* found open for over reader_age_max_ms; each counts once */
    uint64_t stale_readers_cleared; /* slots of processes that died in the middle of a read */
};

/*
 * The table in which a journaled store keeps what it knows of its journal. A file with something in
 * it is not the whole store: only who knows the table may write there, and a copy does not have it.
 */
#define STORE_LMDB_JOURNAL_TABLE "journal"

/* The store must be one of ingot_store_lmdb_open. */
void store_lmdb_get_stats(struct ingot_store *store, struct store_lmdb_stats *stats);

/*
 * As a batch with this content, which is copied nowhere but into LMDB's pages: it is shown twice,
 * first to find room for it. No batch may be open. Returns what ingot_store_batch_commit returns.
 */
INGOT_MUST_USE enum ingot_error store_lmdb_commit(struct ingot_store *store,
                                                  const struct store_content *content);

/*
 * For a program, once: a damaged page that leads LMDB outside of its file ends the process with
 * this status and a line on stderr that names the file, not with a signal. Faults that are not
 * LMDB's go where they went before.
 */
void store_lmdb_catch_damage(int status);

#endif
