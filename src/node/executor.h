/*
 * Runs the App over the block tree: every block is executed on the state of its parent, which is
 * the applied state overlaid with the updates of the blocks between. Keeps the executions of all
 * blocks above the applied height, and the replay window of committed transactions.
 *
 * It decides validity (results, updates hash, replays, limits, roots) but not votes.
 */
#ifndef INGOT_NODE_EXECUTOR_H
#define INGOT_NODE_EXECUTOR_H

#include "node/ledger.h"
#include "wire/crypto.h"

struct executor;

struct executor_options {
    const struct ingot_app *app;        /* borrowed; outlives the executor */
    struct ledger *ledger;              /* borrowed */
    const struct crypto_scheme *scheme; /* says which keys may be validators' */
    struct ingot_hash chain;
    uint32_t replay_window_blocks;
    uint32_t block_payload_bytes_max;
    uint32_t transaction_bytes_max;
};

struct executor *executor_new(const struct executor_options *options);
void executor_free(struct executor *executor);

/* Takes what a restart found, and reads the replay window's blocks. The ledger's errors. */
INGOT_MUST_USE enum ingot_error executor_restore(struct executor *executor,
                                                 const struct ledger_start *start);

/*
 * Builds and executes a block on `parent` from the candidates: fills payload, transaction count,
 * roots, updates hash, next validators hash, and the block's hash. The caller has set the other
 * fields (version, chain, parent, height, view, time, justify, proposer, validators hash).
 * Candidates that repeat a transaction of the replay window or of uncommitted ancestors are
 * left out. `parent` is committed if it changes the validator set.
 *
 * @digests  of the candidates, if the caller has computed them already, so that nothing is hashed
 *           twice; NULL: they are not known.
 *
 * Returns INGOT_OK; the execution is then kept under the block's hash. INGOT_ERROR_NOT_FOUND: the
 * parent's execution is unknown; INGOT_ERROR_REJECTED: the parent is not on a branch that can still
 * be committed. Otherwise the store's error. After an error
 * the block must not be used.
 */
INGOT_MUST_USE enum ingot_error executor_build(struct executor *executor, struct block *block,
                                               const struct ingot_slice *candidates,
                                               const struct ingot_hash *digests,
                                               uint32_t candidate_count);

/*
 * Executes a block that another built. INGOT_OK: valid, its execution is kept;
 * INGOT_ERROR_REJECTED: invalid, with a static sentence in `*why`; INGOT_ERROR_NOT_FOUND: the
 * parent's execution is unknown; or the store's error. Executing a known block again is free. The
 * parent is committed if it changes the validator set.
 */
INGOT_MUST_USE enum ingot_error executor_validate(struct executor *executor, struct block *block,
                                                  const char **why);

/*
 * The updates hash that we found for a block, where it was the last that executor_validate refused
 * because the block says another; else NULL. Borrowed until the next validation.
 */
const struct ingot_hash *executor_differing(const struct executor *executor,
                                            const struct ingot_hash *block);

/* The execution of a block above the applied height, or NULL. Borrowed. */
struct execution *executor_find(struct executor *executor, const struct ingot_hash *block);

/*
 * The set in the next epoch that an executed, uncommitted block opens, also after a restart; NULL
 * if it changes nothing. Borrowed until the block is committed or abandoned.
 */
struct validator_set *executor_next_set(struct executor *executor, const struct ingot_hash *block);

/* The next block is committed: its transactions enter the replay window. */
void executor_committed(struct executor *executor, const struct block *block);
/* The block will never be committed. */
void executor_abandoned(struct executor *executor, const struct ingot_hash *block);
/* The ledger has applied blocks up to this height: their overlays are not needed any more. */
void executor_applied(struct executor *executor, uint64_t height);

/* Was this transaction committed within the replay window? The digest is wire's. */
bool executor_is_replay(const struct executor *executor, const struct ingot_hash *digest);
/* This and executor_is_repeat will be asked about a digest soon (base/ahead.h). */
void executor_expect(const struct executor *executor, const struct ingot_hash *digest);
/* The lowest height of that window. */
uint64_t executor_window_height(const struct executor *executor);
/*
 * Would this transaction be a repeat in a child of `parent`: committed within the replay window, or
 * in `parent` or an uncommitted ancestor of it? For leaving out candidates; true as well when
 * the parent is unknown. Quick when asked many times for one parent.
 */
bool executor_is_repeat(struct executor *executor, const struct ingot_hash *parent,
                        const struct ingot_hash *digest);

/* What an App may know of a block. */
struct ingot_block_info executor_block_info(const struct block *block);

/*
 * check_tx and query of the App on the committed state. Transactions that could never be in a block
 * (empty, or above the chain's limit) are refused before the App is asked.
 */
void executor_check(struct executor *executor, struct ingot_slice transaction,
                    struct ingot_check_response *response);
void executor_query(struct executor *executor, struct ingot_slice path, struct ingot_slice data,
                    struct ingot_query_response *response, uint64_t *height);

#endif
