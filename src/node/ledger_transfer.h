/*
 * A ledger's content on its way out and into an empty store: what checkpoints are made of and what
 * they fill. It moves what it is given; whether that is right is for the caller to judge.
 */
#ifndef INGOT_NODE_LEDGER_TRANSFER_H
#define INGOT_NODE_LEDGER_TRANSFER_H

#include "node/ledger.h"

/* One key of the state. What it returns, but for INGOT_OK, ends the visit. */
typedef enum ingot_error ledger_visitor(void *context, struct ingot_slice key,
                                        struct ingot_slice value);

/*
 * Shows the whole state after the last committed block, in the order of keys: the applied state
 * with what is unapplied over it. The ledger must have been opened to read only. Returns INGOT_OK,
 * the visitor's error, or the store's.
 */
INGOT_MUST_USE enum ingot_error ledger_visit_state(struct ledger *ledger, ledger_visitor *visitor,
                                                   void *context);

/*
 * The height of the committed block that opens an epoch above 0, by changing the validator set.
 * `height` is where to begin, for who knows that of an earlier epoch, else 0. INGOT_OK,
 * INGOT_ERROR_NOT_FOUND, or an error of ledger_read_block.
 */
INGOT_MUST_USE enum ingot_error ledger_find_change(struct ledger *ledger, uint64_t epoch,
                                                   uint64_t *height);

/*
 * The certificate of a committed block whose child is not committed: a child that is not has it, or
 * it is the highest that this node knows. A reference for the caller. INGOT_OK,
 * INGOT_ERROR_NOT_FOUND, or an error as of ledger_load.
 */
INGOT_MUST_USE enum ingot_error ledger_read_last_certificate(struct ledger *ledger,
                                                             const struct block *last,
                                                             struct qc **certificate);

/* The set of an epoch; a reference for the caller. Errors of ledger_read_block. */
INGOT_MUST_USE enum ingot_error ledger_read_set(struct ledger *ledger, uint64_t epoch,
                                                struct validator_set **set);

/*
 * A block and its whole execution, as a checkpoint carries them; a record of the store may be
 * packed (ledger_entry.c). A block is its own seal: its hash covers all but the logs of its
 * results.
 */
void ledger_encode_entry(const struct block *block, const struct execution *execution,
                         struct ingot_buffer *value);
/* NULL: fine, and `*entry` holds references. Otherwise what is wrong, as static text. */
const char *ledger_decode_value(const struct ingot_hash *chain, struct ingot_slice value,
                                struct ledger_entry *entry);

/*
 * Fills an empty store, in batches of bounded size. The schema record, without which no ledger
 * opens the store, goes in with the last one.
 *
 * All calls but the last: INGOT_OK or the error of ingot_store_batch_commit, after which the store
 * is of no use.
 */
struct ledger_import;

struct ledger_import *ledger_import_new(struct ingot_store *store, const struct ingot_hash *chain);
void ledger_import_free(struct ledger_import *import);
INGOT_MUST_USE enum ingot_error ledger_import_set(struct ledger_import *import,
                                                  const struct validator_set *set);
/* A committed block; the genesis block has no execution. */
INGOT_MUST_USE enum ingot_error ledger_import_block(struct ledger_import *import,
                                                    const struct ledger_entry *entry);
INGOT_MUST_USE enum ingot_error
ledger_import_state(struct ledger_import *import, struct ingot_slice key, struct ingot_slice value);
/*
 * The chain is committed and applied up to `committed`, and there from `lowest` on. The data may
 * not sign: it gets the record of ledger_watermark.h.
 */
INGOT_MUST_USE enum ingot_error ledger_import_finish(struct ledger_import *import,
                                                     uint64_t committed, uint64_t lowest,
                                                     const struct core_safety *safety);

#endif
