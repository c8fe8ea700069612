/*
 * A ledger on a store of its own, in memory or on disk, and blocks to put into it. On memory a
 * crash is a store with what was durable at that moment; on disk the store is closed and opened
 * again. Used by the tests of the ledger; it judges nothing by itself but that calls succeed.
 */
#ifndef INGOT_TESTS_LEDGER_WORLD_H
#define INGOT_TESTS_LEDGER_WORLD_H

#include "lib/wire_samples.h"
#include "node/ledger.h"

struct world {
    bool on_disk;
    char folder[64];
    struct ingot_store *store;
    uint32_t lazy_tables; /* of a store in memory, from the next time on that it is opened */
    struct samples samples;
    struct block *genesis;
    struct ledger_options options;
    struct ledger *ledger;
    char why[256];
};

/* --- Stores and ledgers. --- */

/* The ledger is not open yet, so that a test may still change the options. */
struct world *world_new(bool on_disk);
/* For cmocka: the state is a world; world_tear_down frees it. */
int world_set_up_memory(void **state);
int world_set_up_disk(void **state);
int world_tear_down(void **state);

enum ingot_error world_try_open(struct world *world);
void world_open(struct world *world);
/* Only what is durable stays; the ledger is closed. */
void world_crash(struct world *world);
/* A crash, and the ledger is open again. */
void world_restart(struct world *world);
struct ledger_start world_load(struct world *world);
void world_sync(struct world *world);

/* --- Blocks and what they do. --- */

/* Results, and one update for each "key=value" or "key" (deleted); keys in order. */
struct execution *world_execution(uint32_t result_count, const char *const *changes,
                                  uint32_t change_count);
struct ledger_entry world_entry(const struct world *world, const struct block *parent,
                                uint64_t view, uint32_t transactions, const char *const *changes,
                                uint32_t change_count);
/* On the parent, in the view after it, with one change and two transactions. */
struct ledger_entry world_child(const struct world *world, const struct block *parent,
                                const char *change);
/* A child that opens the next set. */
struct ledger_entry world_change(const struct world *world, const struct block *parent,
                                 const struct validator_set *next_set);
/* What a validator keeps that voted for this block and knows its certificate. */
struct core_safety world_safety(const struct world *world, const struct block *voted, bool has_tc);
void world_put(struct world *world, const struct ledger_entry *entry);
/* One that changes no set. */
void world_commit(struct world *world, const struct ledger_entry *entry);

void world_assert_same_entry(const struct ledger_entry *a, const struct ledger_entry *b);
void world_assert_same_safety(const struct core_safety *a, const struct core_safety *b);
/* What the applied state has under a key; NULL: nothing. */
void world_assert_state(struct world *world, const char *key, const char *expected);

/* Rows of a cmocka table: one test on one of the stores. */
#define WORLD_MEMORY(test)                                                                         \
    {                                                                                              \
#test " [memory]", test, world_set_up_memory, world_tear_down, NULL                        \
    }
#define WORLD_DISK(test)                                                                           \
    {                                                                                              \
#test " [lmdb]", test, world_set_up_disk, world_tear_down, NULL                            \
    }

#endif
