/*
 * A ledger in memory that holds a chain with changes of the validator set, and checkpoints of it as
 * bytes: for the tests of checkpoints, and for the seeds of their fuzz target.
 */
#ifndef INGOT_TESTS_CHECKPOINT_CHAIN_H
#define INGOT_TESTS_CHECKPOINT_CHAIN_H

#include "lib/ledger_world.h"
#include "node/checkpoint.h"

#define CHECKPOINT_CHAIN_EPOCHS_MAX 4
/* What the chain's genesis would say. */
#define CHECKPOINT_CHAIN_WINDOW 4

struct checkpoint_chain {
    struct world *world;
    struct samples epochs[CHECKPOINT_CHAIN_EPOCHS_MAX];
    uint32_t epoch_count;
    struct block *tip; /* the last block that was put; owned */
};

/* The genesis block is the tip. `retain_blocks` as the ledger's. */
void checkpoint_chain_init(struct checkpoint_chain *chain, uint64_t retain_blocks);
void checkpoint_chain_deinit(struct checkpoint_chain *chain);

/*
 * The next block, committed at once: it sets "h<height>" (two digits) and "shared" to its height,
 * and deletes "h<height - 3>". One that changes the set opens the next epoch.
 */
void checkpoint_chain_commit(struct checkpoint_chain *chain, bool changes_set);
/*
 * Makes everything durable, with two more blocks that are not committed (none if the tip changed
 * the set) and a safety record that knows the certificate of the last.
 */
void checkpoint_chain_finish(struct checkpoint_chain *chain);

/* Opens the ledger to read only, and exports. */
void checkpoint_chain_export(struct checkpoint_chain *chain, struct ingot_buffer *file,
                             struct checkpoint_info *info);
/* Imports bytes into a store; `expected` may be NULL. */
enum ingot_error checkpoint_chain_import(const struct checkpoint_chain *chain,
                                         struct ingot_slice file, struct ingot_store *store,
                                         const struct ingot_hash *expected,
                                         struct checkpoint_info *info, char *why, size_t why_size);

#endif
