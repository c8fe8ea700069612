/*
 * Is what a peer sent backed by the signatures it needs, and do its parts belong together? Every
 * function first makes the checks that cost nothing, then verifies signatures. It holds no rule of
 * the protocol that depends on our own state (views, locks, the tree): that is src/core.
 *
 * A rejected message changes nothing but the counters; certificates in it that are valid by
 * themselves are remembered as such, so that they need not be verified again.
 */
#ifndef INGOT_WIRE_VERIFY_H
#define INGOT_WIRE_VERIFY_H

#include "core/message.h"
#include "core/reject.h"
#include "wire/crypto.h"
#include "wire/signature_memo.h"

/* Digests of certificates found valid; the oldest goes first. */
#define VERIFIER_CERTIFICATES_MAX 128

/* The set of an epoch, or NULL when it is not known. Borrowed for the call. */
typedef struct validator_set *verifier_find_set(void *context, uint64_t epoch);

struct verifier {
    struct ingot_hash chain;
    const struct crypto_scheme *scheme;
    verifier_find_set *find_set;
    void *context;
    /* After each certificate's signatures, which take long; with `context`. NULL: nothing. */
    void (*between)(void *context);
    struct crypto_counters counters;
    uint64_t certificates_remembered;  /* how often a certificate needed no verification */
    struct signature_memo *signatures; /* borrowed, or NULL: each signature is verified */
    struct ingot_hash genesis_qc_digest;
    uint32_t valid_count;
    uint32_t valid_next; /* the slot that is overwritten next */
    struct ingot_hash valid[VERIFIER_CERTIFICATES_MAX];
};

/* Without a memo of signatures; the caller may give it one afterwards. */
void verifier_init(struct verifier *verifier, const struct ingot_hash *chain,
                   const struct crypto_scheme *scheme, verifier_find_set *find_set, void *context);

/* Certificates that we formed from verified votes, or read from our own store, are valid. */
void verifier_remember_qc(struct verifier *verifier, struct qc *qc);
void verifier_remember_tc(struct verifier *verifier, struct tc *tc);

/*
 * A Commit QC that passes stands where it says (qc_position) if the set of the epoch that it opens
 * is known. If not, its block_view is unproven until it is compared with the block.
 */
enum reject verify_qc(struct verifier *verifier, struct qc *qc);
/*
 * The two halves of verify_qc, for whoever has signatures verified elsewhere. The first one is all
 * but signatures: with NONE, `*set` is the set under which they are to be verified (borrowed), or
 * NULL if there is nothing left to verify: the certificate is remembered as valid, or genesis'.
 *
 * The second one is the signatures alone, of a certificate that has passed the first. Of a verifier
 * without a memo it changes but the counters, and it reads nothing that ever changes of the set
 * and of the certificate: another thread may call it with a verifier of its own. Ends with
 * `between`, unless a signature is bad.
 */
enum reject verify_qc_fields(struct verifier *verifier, struct qc *qc, struct validator_set **set);
enum reject verify_qc_signatures(struct verifier *verifier, const struct validator_set *set,
                                 const struct qc *qc);
/* With its high_qc. */
enum reject verify_tc(struct verifier *verifier, struct tc *tc);
enum reject verify_vote(struct verifier *verifier, const struct vote *vote);
/* A block's fields among themselves and against its justify. Verifies no signature. */
enum reject verify_block_fields(const struct verifier *verifier, const struct block *block);
/*
 * Does the certificate commit this very block: Commit if it changes the set, else Generic? A
 * Generic one makes it certified only.
 */
enum reject verify_block_certificate(struct verifier *verifier, const struct block *block,
                                     struct qc *qc);
/* Is it the set that the block opens the next epoch with? */
bool verify_next_set(const struct block *block, const struct validator_set *set);
enum reject verify_propose(struct verifier *verifier, const struct propose *propose);
/* Shown again with another justify it may be valid too: the leader signs only the vote. */
enum reject verify_nudge(struct verifier *verifier, const struct nudge *nudge);
enum reject verify_timeout(struct verifier *verifier, const struct timeout *timeout);
/*
 * Every block, its link to the one before it, and the tail; UNKNOWN_EPOCH if not all of it can be
 * judged. The first block's parent is not known.
 */
enum reject verify_sync_response(struct verifier *verifier, const struct sync_response *response);
/*
 * As much of an answer as the known sets can judge: from block `first` on, `*certified_count`
 * blocks are linked to the ones before them and certified, each by a certificate of its own that
 * was verified here: that of block i is the justify of block i + 1, that of the last is the tail.
 * Every certificate is verified, the justify of block `first` included, and none is skipped.
 *
 * Stops with NONE before the first certificate of an unknown epoch. That is after a block that
 * changes the set and its Commit QC: who executes what is certified learns the next set, and goes
 * on with `first` + `*certified_count`. An error says why the block after the certified ones, or
 * the certificate for it, is wrong; what came before is good all the same. Without a tail the last
 * block stays uncertified. (A tail of phase Prepare or Precommit certifies a block without
 * committing it.) NONE with a count of zero: there is nothing (more) to be learnt from this answer
 * with the sets that are known.
 *
 * The parent of block 0 is not known here: the caller compares it.
 *
 * @proven  for each certificate, by its number, whether verify_qc_signatures has passed it already,
 *          under the set of its epoch: `block_count` + 1 of them. NULL: none.
 */
enum reject verify_sync_prefix(struct verifier *verifier, const struct sync_response *response,
                               uint32_t first, const bool *proven, uint32_t *certified_count);
/*
 * Certificate number `i` of an answer, that of block `i` - 1, with all that verify_sync_prefix asks
 * of it and of the block that carries it, but for its signatures: as verify_qc_fields. Without a
 * tail the last one is NULL.
 */
enum reject verify_sync_fields(struct verifier *verifier, const struct sync_response *response,
                               uint32_t i, struct qc **qc, struct validator_set **set);

/* Does a block follow `parent`, and its justify fit it? No signature is verified. */
enum reject verify_link(const struct block *parent, const struct block *block);

/* Whatever the kind. */
enum reject verify_message(struct verifier *verifier, const struct message *message);

#endif
