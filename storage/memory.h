/*
 * The store in memory: its faults, its counters, and what a crash leaves of it.
 *
 * Deterministic: the same calls give the same answers and the same counters. Snapshots cost
 * nothing: tables are trees whose versions share what has not changed.
 */
#ifndef INGOT_STORAGE_MEMORY_H
#define INGOT_STORAGE_MEMORY_H

#include <ingot/store.h>

enum store_memory_fault {
    STORE_MEMORY_NO_SPACE,       /* refused cleanly: nothing changes, later commits may succeed */
    STORE_MEMORY_FAILED_LOST,    /* unknown outcome; after a restart the batch is not there */
    STORE_MEMORY_FAILED_APPLIED, /* unknown outcome; after a restart the batch is there */
    /*
     * The machine dies right before the commit, or right after it. Whoever asked sees it succeed,
     * and all that follow, for there is nobody left to be told; the disk stays as it was then.
     */
    STORE_MEMORY_CRASH_BEFORE,
    STORE_MEMORY_CRASH_AFTER
};

/* The nth commit from now fails (1: the next one). One fault at a time; 0 takes it back. */
void ingot_store_memory_fail_commit(struct ingot_store *store, uint64_t nth,
                                    enum store_memory_fault fault);

/* These tables are lazy from now on (bit i is for table i); all is durable that is there now. */
void ingot_store_memory_set_lazy(struct ingot_store *store, uint32_t tables);
/* What lazy tables have now is durable. */
void ingot_store_memory_settle(struct ingot_store *store);

/* A full disk refuses every commit cleanly, until there is space again. */
void ingot_store_memory_set_full(struct ingot_store *store, bool is_full);

/* Has it met STORE_MEMORY_CRASH_BEFORE or _AFTER? */
bool ingot_store_memory_has_crashed(const struct ingot_store *store);

/*
 * What the disk holds, as a store of its own: all commits that succeeded, and one that failed with
 * STORE_MEMORY_FAILED_APPLIED; of lazy tables, what they had when they were settled. An open batch
 * is not in it. The original stays as it is; close both. This is how a test crashes and restarts a
 * node. Without faults or lazy tables, with counters at zero.
 */
struct ingot_store *ingot_store_memory_clone_durable(const struct ingot_store *store);

struct ingot_store_memory_counters {
    uint64_t commits;      /* that succeeded */
    uint64_t operations;   /* puts and deletes in them */
    uint64_t bulk;         /* of the commits, those of batches that were said to be bulk */
    uint64_t gets;         /* snapshot_get calls */
    uint64_t cursor_moves; /* seek, last, next, previous */
    uint32_t snapshots_open;
};

void ingot_store_memory_get_counters(const struct ingot_store *store,
                                     struct ingot_store_memory_counters *counters);

/* A digest of all tables' durable content; equal content, equal digest. Not cryptographic. */
uint64_t ingot_store_memory_digest(const struct ingot_store *store);

#endif
