/*
 * Transactions that wait for a block: one structure owns the list and the index by digest.
 * Bounded in bytes. Oldest first. It neither checks nor sends.
 */
#ifndef INGOT_NODE_MEMPOOL_H
#define INGOT_NODE_MEMPOOL_H

#include <ingot/types.h>

struct mempool;

struct mempool *mempool_new(size_t bytes_max);
void mempool_free(struct mempool *mempool);

/*
 * Adds a transaction; bytes are copied. `is_local`: it came from a client of ours and has to be
 * passed on. `is_stateless`: no commit can change what its check said. INGOT_OK,
 * INGOT_ERROR_EXISTS, INGOT_ERROR_TOO_LARGE (above INGOT_TRANSACTION_BYTES_MAX), INGOT_ERROR_FULL.
 *
 * The last quarter is for what others pass on: they may name it in a proposal, and whoever had no
 * room for it would have to ask for it.
 */
INGOT_MUST_USE enum ingot_error mempool_add(struct mempool *mempool, struct ingot_slice transaction,
                                            const struct ingot_hash *digest, bool is_local,
                                            bool is_stateless);
bool mempool_has(const struct mempool *mempool, const struct ingot_hash *digest);
/*
 * A digest will be asked about soon: fetches where it belongs (base/ahead.h). And once that may be
 * there: fetches the transaction too.
 */
void mempool_expect(const struct mempool *mempool, const struct ingot_hash *digest);
void mempool_expect_found(const struct mempool *mempool, const struct ingot_hash *digest);
/* The bytes of a transaction, borrowed until the mempool changes. False: it is not there. */
bool mempool_get(const struct mempool *mempool, const struct ingot_hash *digest,
                 struct ingot_slice *transaction);

/*
 * Do the other validators have it, as far as we know: is it here, and came from one of them or was
 * passed on to all?
 */
bool mempool_is_passed_on(const struct mempool *mempool, const struct ingot_hash *digest);
/* A transaction that was to be passed on travels with a proposal instead. */
void mempool_withhold(struct mempool *mempool, const struct ingot_hash *digest);
/* Nothing came of that proposal: what was withheld is to be passed on again. */
void mempool_release(struct mempool *mempool, const struct ingot_hash *digest);
/* Removes a transaction if it is there. */
void mempool_remove(struct mempool *mempool, const struct ingot_hash *digest);

uint32_t mempool_count(const struct mempool *mempool);
/* Without those that are withheld: a proposal is bringing them, and nobody waits for another. */
uint32_t mempool_waiting_count(const struct mempool *mempool);
/* Of the transactions alone; the limit also counts what it takes to keep and find them. */
size_t mempool_bytes(const struct mempool *mempool);

/*
 * The oldest transactions, up to count_max and bytes_max of packed payload, leaving out those for
 * which `skip` says true (NULL: none). Slices are borrowed until the mempool changes; `digests` has
 * room for as many, or is NULL. Returns how many.
 */
typedef bool mempool_skip(void *context, const struct ingot_hash *digest,
                          const struct ingot_hash *soon); /* one that is asked about later; NULL */
uint32_t mempool_peek(const struct mempool *mempool, struct ingot_slice *transactions,
                      struct ingot_hash *digests, uint32_t count_max, size_t bytes_max,
                      mempool_skip *skip, void *context);

/*
 * Packs local transactions that were not passed on yet, oldest first, as a payload of up to
 * bytes_max and INGOT_TRANSACTION_BATCH_COUNT_MAX, and marks them. Returns how many.
 */
uint32_t mempool_take_outgoing(struct mempool *mempool, struct ingot_buffer *packed,
                               size_t bytes_max);

/*
 * Asks about every transaction that is not stateless, oldest first, and removes those for which
 * `keep` says false. Free when there is none.
 */
typedef bool mempool_keep(void *context, struct ingot_slice transaction);
void mempool_recheck(struct mempool *mempool, mempool_keep *keep, void *context);

#endif
