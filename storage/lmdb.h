/*
 * What the LMDB store tells those who watch it, beyond the interface of a store.
 */
#ifndef INGOT_STORAGE_LMDB_H
#define INGOT_STORAGE_LMDB_H

#include <ingot/store.h>

struct store_lmdb_stats {
    uint64_t used_bytes;     /* of data.mdb, free pages within it included */
    uint64_t reserved_bytes; /* given room on the disk ahead of use; at least used_bytes */
    uint64_t map_bytes;      /* the limit that used_bytes may reach */
    uint64_t commits;
    uint32_t snapshots_open;
    uint32_t snapshots_old;       /* open for longer than reader_age_max_ms */
    uint64_t snapshot_age_max_ms; /* of the oldest open one */
    uint64_t snapshots_old_total; /* ever found old; each counts once */
    uint64_t stale_readers_cleared;
};

/* The store must be one of ingot_store_lmdb_open. */
void store_lmdb_get_stats(struct ingot_store *store, struct store_lmdb_stats *stats);

#endif
