/*
 * What a journaled store tells and lets those do who watch it, beyond the interface of a store.
 */
#ifndef INGOT_STORAGE_JOURNAL_H
#define INGOT_STORAGE_JOURNAL_H

#include <ingot/store.h>

struct store_journal_stats {
    uint64_t records_total;      /* batches that were appended, with one sync each */
    uint64_t record_bytes_total; /* as written: whole pages */
    uint64_t direct_total;       /* batches that went past it: bulk, too large, or the first */
    uint64_t waits_total;        /* commits that waited for the worker, because it was full */
    uint64_t applied_total;      /* batches of LMDB's that brought it up to date */
    uint64_t apply_us_total;     /* how long those took */
    uint64_t apply_us_last;      /* and the last one of them */
    uint64_t waiting_bytes;      /* of records that LMDB does not have yet */
    uint64_t segment_bytes;      /* of each of the two segments */
};

/* The store must be one of ingot_store_journal_open, as in all calls below. */
void store_journal_get_stats(struct ingot_store *store, struct store_journal_stats *stats);

/* The LMDB store beneath: for its stats, and for a look at what it has by itself. Borrowed. */
struct ingot_store *store_journal_lmdb(struct ingot_store *store);

/*
 * For tests that run the worker's part themselves. The same as ingot_store_journal_open, but no
 * thread is started and no time is kept: a commit that has to wait for the worker does its work at
 * once, and otherwise nothing is applied before store_journal_step or the end. So what happens
 * follows from the calls alone.
 */
INGOT_MUST_USE enum ingot_error
store_journal_open_without_worker(const struct ingot_store_journal_options *options,
                                  struct ingot_store **store, char *why, size_t why_size);
/*
 * Half of the worker's part: what was set aside is applied, or if there is nothing of the kind,
 * what is fresh is set aside. False: there was nothing to do, or a durable write has failed.
 */
bool store_journal_step(struct ingot_store *store);

#endif
