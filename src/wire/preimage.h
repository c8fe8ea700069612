/*
 * The fixed-layout bytes that are hashed and signed, and the hashes and signatures over them.
 * docs/wire.md gives every layout as a table of offsets. Protobuf bytes are never hashed or signed.
 *
 * Every preimage starts with its domain tag; what is signed also names the chain and the set.
 */
#ifndef INGOT_WIRE_PREIMAGE_H
#define INGOT_WIRE_PREIMAGE_H

#include "core/message.h"
#include "wire/crypto.h"

struct signature_memo;

/* A tag is ASCII text, filled up with zero bytes. */
#define WIRE_TAG_BYTES 24
#define WIRE_TAG_BLOCK "ingot/block/1"
#define WIRE_TAG_QC "ingot/qc/1"
#define WIRE_TAG_TC "ingot/tc/1"
#define WIRE_TAG_VOTE "ingot/vote/1"
#define WIRE_TAG_TIMEOUT "ingot/timeout/1"
#define WIRE_TAG_VALIDATORS "ingot/validators/1"

/* For other parts' preimages: begins a hash with a tag (text shorter than WIRE_TAG_BYTES). */
void wire_hasher_begin(struct crypto_hasher *hasher, const char *tag);
void wire_hasher_add_u32(struct crypto_hasher *hasher, uint32_t value);
void wire_hasher_add_u64(struct crypto_hasher *hasher, uint64_t value);

/* --- Hashes. None trusts a hash field of what it is given, but for `block.parent`. --- */

/*
 * The hash of a block. Covers the justify in full and, by transactions_root, the payload. The
 * genesis block (height 0) has no preimage: its hash is the chain's name.
 */
void wire_block_hash(const struct block *block, struct ingot_hash *hash);
/*
 * The digest of a certificate, of all its fields and signatures. It is computed when it is first
 * asked for and stays with the certificate, which must not change any more; builds with
 * INGOT_DEBUG_CHECKS compute it each time and stop if it has. Borrowed from the certificate.
 */
const struct ingot_hash *wire_qc_digest(struct qc *qc);
const struct ingot_hash *wire_tc_digest(struct tc *tc);
/* Names a set in its epoch. */
void wire_validators_hash(const struct validator_set *set, struct ingot_hash *hash);

/*
 * The name of a transaction: its Merkle leaf, BLAKE2b-256 of 0x00 and its bytes. So one hash
 * serves the mempool, the replay window and the block's root.
 */
void wire_transaction_digest(struct ingot_slice transaction, struct ingot_hash *digest);

/*
 * The next transactions of a packed payload, with the digest of each; several are hashed at once.
 * Returns how many there are, up to `count_max`; 0 at the end. A transaction is shorter than 2^24
 * bytes.
 */
#define WIRE_DIGESTS_AT_ONCE 32
uint32_t wire_packed_digests(struct ingot_slice *packed, uint32_t count_max,
                             struct ingot_slice *transactions, struct ingot_hash *digests);

/*
 * The Merkle root (the shape of RFC 6962) of a well-formed packed payload, without copying it.
 *
 * @digests  NULL, or room for the digest of each transaction.
 */
void wire_payload_root(struct ingot_slice payload, struct ingot_hash *root,
                       struct ingot_hash *digests);
/* The same from digests that are known already. */
void wire_digests_root(const struct ingot_hash *digests, uint32_t count, struct ingot_hash *root);

/*
 * Is a payload well-formed: exactly `count` transactions of 1 to INGOT_TRANSACTION_BYTES_MAX
 * bytes, nothing left over? For bytes from outside, before anything else reads them.
 */
bool wire_payload_is_sound(struct ingot_slice payload, uint32_t count);

/* --- Filling in what is derived, for things made here rather than decoded. --- */

/* Computes transactions_root and then hash. */
void wire_seal_block(struct block *block);
/* Computes hash alone: transactions_root is known already. */
void wire_seal_block_header(struct block *block);
/* Computes the digest anew: for what has been changed since it was asked for. */
void wire_seal_qc(struct qc *qc);
void wire_seal_tc(struct tc *tc);
void wire_seal_set(struct validator_set *set);

/* --- Genesis. --- */

/*
 * The block at height 0 of the chain named `chain` (the hash of the canonical genesis). It has no
 * justify, no proposer and no transactions; updates_hash is zero. The caller owns the reference.
 */
struct block *wire_genesis_block(const struct ingot_hash *chain, const struct validator_set *set,
                                 uint64_t time_ms);
/* The one certificate of the genesis block. The caller owns the reference. */
struct qc *wire_genesis_qc(const struct ingot_hash *chain);

/* --- Signatures. `counters` may be NULL. --- */

#define WIRE_VOTE_PREIMAGE_BYTES 129
#define WIRE_TIMEOUT_PREIMAGE_BYTES 112

void wire_vote_preimage(const struct ingot_hash *chain, const struct ingot_hash *validators_hash,
                        uint64_t view, const struct ingot_hash *block, enum phase phase,
                        uint8_t preimage[WIRE_VOTE_PREIMAGE_BYTES]);
void wire_timeout_preimage(const struct ingot_hash *chain, const struct ingot_hash *validators_hash,
                           uint64_t view, struct position claim,
                           uint8_t preimage[WIRE_TIMEOUT_PREIMAGE_BYTES]);

/* What is needed to sign. `set` is the set of the message's epoch; all borrowed. */
struct wire_signer {
    const struct crypto_scheme *scheme;
    const struct crypto_secret_key *secret;
    struct ingot_public_key key; /* that of `secret` */
    struct ingot_hash chain;
    struct signature_memo *signatures; /* learns what is signed; borrowed, or NULL */
    struct crypto_counters counters;
};

/*
 * Fill `voter` and `signature`. False, and no change, when our key is not in the set or the set
 * is not that of the message's epoch.
 */
INGOT_MUST_USE bool wire_sign_vote(struct wire_signer *signer, const struct validator_set *set,
                                   struct vote *vote);
INGOT_MUST_USE bool wire_sign_timeout(struct wire_signer *signer, const struct validator_set *set,
                                      struct timeout *timeout);

#endif
