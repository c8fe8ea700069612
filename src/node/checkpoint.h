/*
 * Checkpoints: a trusted state, moved to a new node as one file (checkpoint_stream.h has the
 * format). What can be proven is in it and is verified by whoever imports it: every validator set,
 * by the certified block that opened it, and the last committed block, by its certificate. The
 * state itself is in no header, so it is taken on trust: the checkpoint's hash is what two
 * operators compare.
 *
 * The index of transactions is not in it, nor are blocks below the replay window but those that
 * changed the set.
 */
#ifndef INGOT_NODE_CHECKPOINT_H
#define INGOT_NODE_CHECKPOINT_H

#include "node/checkpoint_stream.h"
#include "node/ledger.h"

/* What a checkpoint turned out to be. */
struct checkpoint_info {
    uint64_t height;
    struct ingot_hash block;
    uint64_t epoch; /* of the next block */
    uint64_t first_height;
    uint64_t keys;          /* of the state */
    uint64_t bytes;         /* of the file */
    struct ingot_hash hash; /* what operators compare */
};

/*
 * Writes the state that a ledger opened to read only has.
 *
 * @replay_window_blocks  as genesis says: so many blocks go along, as a validator needs them.
 * @why  on failure a sentence; why_size bytes at most.
 *
 * Returns INGOT_OK; INGOT_ERROR_NOT_FOUND when nothing is committed; INGOT_ERROR_CORRUPT when the
 * data is damaged; the sink's error or the store's.
 */
INGOT_MUST_USE enum ingot_error
checkpoint_export(struct ledger *ledger, uint32_t replay_window_blocks, struct checkpoint_sink sink,
                  struct checkpoint_info *info, char *why, size_t why_size);

struct checkpoint_import_options {
    struct ingot_store *store;         /* empty, with ledger_tables; borrowed */
    struct block *genesis;             /* borrowed */
    struct validator_set *genesis_set; /* borrowed */
    uint32_t replay_window_blocks;
    const struct crypto_scheme *scheme;
    const struct ingot_hash *expected; /* the checkpoint's hash, or NULL: whatever it is */
};

/*
 * Reads a checkpoint into an empty store, which a ledger opens afterwards as that of a node that
 * has committed and applied everything up to the checkpoint's height, has never voted, and may not
 * sign before the watermark (watermark.h).
 *
 * Returns INGOT_OK; INGOT_ERROR_CORRUPT when the file is damaged or proves less than it must;
 * INGOT_ERROR_INVALID when it is of another chain or has another hash than expected;
 * INGOT_ERROR_VERSION; the source's error or the store's; all with a sentence in `why`. After an
 * error no ledger opens the store: it has content but no schema.
 */
INGOT_MUST_USE enum ingot_error checkpoint_import(const struct checkpoint_import_options *options,
                                                  struct checkpoint_source source,
                                                  struct checkpoint_info *info, char *why,
                                                  size_t why_size);

#endif
