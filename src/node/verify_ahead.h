/*
 * Signatures of fetched certificates, verified on other threads before their turn comes.
 *
 * Verifying is most of what catching up costs, and answers wait for those below them. While they
 * wait, worker threads verify their certificates, the lowest heights first. When the turn of a run
 * comes, what is proven by then needs no verification, what nobody has begun is verified at once,
 * by the caller beside the workers, and nobody ever waits for a worker: what one has begun and not
 * finished counts as not proven.
 *
 * So this decides nothing. All checks but the signatures are made again in their turn, by
 * verify_sync_prefix, and a result that is late or missing only means that the caller verifies
 * itself. "Proven" is said only of what verify_qc_signatures has passed, under the set that
 * verify_qc_fields has found for it.
 *
 * All functions are for one thread, the loop's. What it keeps is bounded by the answers that it is
 * shown and not told to drop, and besides one for each worker.
 */
#ifndef INGOT_NODE_VERIFY_AHEAD_H
#define INGOT_NODE_VERIFY_AHEAD_H

#include "wire/verify.h"

struct verify_ahead;

/*
 * How many threads to use: one for each processor that this process may run on, but for the one of
 * the loop, and at most `threads_max`.
 */
uint32_t verify_ahead_threads(uint32_t threads_max);

/* Starts the threads; if the system gives fewer, with those. NULL if there are none. */
struct verify_ahead *verify_ahead_new(uint32_t threads, const struct ingot_hash *chain,
                                      const struct crypto_scheme *scheme);
/* Ends the threads, each after the certificate that it is at. */
void verify_ahead_free(struct verify_ahead *ahead);

/*
 * A MESSAGE_SYNC_RESPONSE whose turn comes later. Kept by reference, with the sets of its
 * certificates, until it is dropped; it must not change. Those of epochs that are unknown so far
 * are left out, and taken when it is shown again and they are known: showing it often costs little.
 */
void verify_ahead_show(struct verify_ahead *ahead, struct verifier *verifier,
                       struct message *answer);
/* It was handed over, or is of no use any more. One that was never shown is fine. */
void verify_ahead_drop(struct verify_ahead *ahead, const struct message *answer);

/*
 * The turn of a run, the blocks of an answer from its block `first` on: says of each certificate of
 * the run, by its number, whether it is proven. What is not, is verified here as far as nobody has
 * begun with it, but for those that verify_ahead_show has left out.
 *
 * @proven  room for one more than the run has blocks.
 */
void verify_ahead_settle(struct verify_ahead *ahead, struct verifier *verifier,
                         const struct message *answer, uint32_t first,
                         const struct sync_response *run, bool *proven);

/* Signatures that the workers have verified so far. */
uint64_t verify_ahead_verifications(struct verify_ahead *ahead);

#endif
