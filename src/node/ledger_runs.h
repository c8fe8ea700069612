/*
 * Entries of the transaction index in memory: runs ordered by hash, each of consecutive blocks.
 * Neighbouring runs merge while they are small, so that there are few of them, and no call does
 * more than a bounded piece of that: there is no moment at which all entries are sorted. Nothing
 * here reads or writes a store.
 */
#ifndef INGOT_NODE_LEDGER_RUNS_H
#define INGOT_NODE_LEDGER_RUNS_H

#include <ingot/limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/assert.h"

/* A transaction of a committed block, by the hash that clients know. */
struct ledger_indexed {
    uint8_t sha256[32];
    uint64_t height : 48; /* 0 in a run: its block has left, or is about to */
    uint64_t index : 16;
};

/* A million of them may wait in memory. */
static_assert(sizeof(struct ledger_indexed) == 40, "an entry is a hash and one word");
static_assert(INGOT_BLOCK_TRANSACTIONS_MAX <= 1 << 16, "a place in a block fits an entry");
/* One block each microsecond would take nine years to it. */
#define LEDGER_INDEXED_HEIGHT_MAX ((UINT64_C(1) << 48) - 1)

/* The place alone; the caller fills in the hash. */
static inline struct ledger_indexed ledger_indexed_at(uint64_t height, uint32_t index)
{
    INGOT_ASSERT(height <= LEDGER_INDEXED_HEIGHT_MAX);
    INGOT_ASSERT(index < 1 << 16);
    return (struct ledger_indexed){.height = height & LEDGER_INDEXED_HEIGHT_MAX,
                                   .index = index & 0xffff};
}

struct ledger_run {
    struct ledger_indexed *entries; /* owned; ordered by sha256, each once */
    size_t count;
    size_t taken; /* by ledger_runs_take */
    uint64_t last_height;
};

struct ledger_runs {
    struct ledger_run *items; /* in the order of their blocks */
    size_t count;
    size_t capacity;
    size_t entry_count; /* of all runs */
    size_t taken;       /* of these */
};

void ledger_runs_deinit(struct ledger_runs *runs);

/*
 * Copies entries, which it puts in order first, of blocks above all that are there. Of entries with
 * one hash the last block's stays, here and where runs merge.
 */
void ledger_runs_add(struct ledger_runs *runs, struct ledger_indexed *entries, size_t count);

/* Of the entries with a hash that are there the last block's, or NULL. Borrowed until a change. */
const struct ledger_indexed *ledger_runs_find(const struct ledger_runs *runs,
                                              const uint8_t sha256[32]);

/* From now on this block's entry with that hash is found and taken no more, if it is there. */
void ledger_runs_forget(struct ledger_runs *runs, const uint8_t sha256[32], uint64_t height);

/*
 * Takes the next hash, in the order of hashes, and returns the last block's entry with it, which
 * may have been forgotten. NULL when all were taken. Nothing may be added once this was called;
 * what was taken is still found.
 */
const struct ledger_indexed *ledger_runs_take(struct ledger_runs *runs);

/* By sha256, for qsort and bsearch. */
int ledger_compare_indexed(const void *a, const void *b);

#endif
