/*
 * The protocol's data: positions, validator sets, blocks, votes, certificates.
 *
 * Blocks, certificates and sets are immutable once shared and counted by reference: `_ref` takes
 * one more reference, `_unref` gives one back (NULL is fine). They belong to one thread. Nothing
 * here hashes, signs or encodes: that is src/wire.
 */
#ifndef INGOT_CORE_TYPES_H
#define INGOT_CORE_TYPES_H

#include <ingot/types.h>

/* All order is by position: epoch first, then view. See docs/protocol.md, "Positions". */
struct position {
    uint64_t epoch;
    uint64_t view;
};

/* < 0, 0, > 0. */
int position_compare(struct position a, struct position b);

enum phase { PHASE_GENERIC = 0, PHASE_PREPARE = 1, PHASE_PRECOMMIT = 2, PHASE_COMMIT = 3 };
#define PHASE_COUNT 4

/* The members of one epoch, ordered by public key, without duplicates. */
struct validator_set {
    uint32_t references;
    uint32_t count;
    uint64_t epoch;
    uint64_t first_view; /* of the epoch */
    uint64_t total_power;
    uint64_t quorum_power;
    uint64_t one_honest_power;
    struct ingot_hash hash; /* validators_hash: covers epoch, keys and powers (src/wire fills it) */
    struct ingot_validator validators[];
};

#define VALIDATOR_NONE UINT32_MAX

/*
 * Makes a set of `count` members in any order; the caller fills `hash`, and `first_view` in any
 * epoch but the first, where it is 1. Returns NULL and a static
 * sentence in `*why` when the set breaks a rule: empty, more than INGOT_VALIDATORS_MAX, zero power,
 * duplicate key, total above INGOT_TOTAL_POWER_MAX.
 */
struct validator_set *validator_set_new(uint64_t epoch, const struct ingot_validator *members,
                                        uint32_t count, const char **why);
struct validator_set *validator_set_ref(struct validator_set *set);
void validator_set_unref(struct validator_set *set);
/* The index of a key, or VALIDATOR_NONE. */
uint32_t validator_set_find(const struct validator_set *set, const struct ingot_public_key *key);

/* One bit a validator, in the set's order: bit i is byte i / 8, bit i % 8 from the lowest. */
struct signers {
    uint8_t bits[INGOT_VALIDATORS_MAX / 8];
};

bool signers_has(const struct signers *signers, uint32_t index);
void signers_add(struct signers *signers, uint32_t index);
uint32_t signers_count(const struct signers *signers);

/*
 * A quorum certificate: signatures of a quorum over (chain, validators hash, view, block, phase).
 * The genesis QC has view 0, epoch 0, phase Generic, the genesis hash, and no signers.
 */
struct qc {
    uint32_t references;
    enum phase phase;
    bool has_digest;
    uint64_t epoch;      /* of the block, and so of the set that signed */
    uint64_t view;       /* in which it was formed */
    uint64_t block_view; /* in which the block was proposed; equal to view for Generic */
    struct ingot_hash block;
    struct ingot_hash digest; /* "the same certificate"; read by wire_qc_digest alone */
    struct signers signers;
    uint32_t validator_count; /* of the set, so the bitmap's length in bits; 0 for genesis */
    uint32_t signature_count; /* one for each signer, in validator order */
    struct ingot_signature signatures[];
};

struct qc *qc_new(uint32_t signature_count);
struct qc *qc_ref(struct qc *qc);
void qc_unref(struct qc *qc);
bool qc_is_genesis(const struct qc *qc);
/*
 * The position of a certificate: (epoch, view), but a Commit QC of B stands at
 * (epoch + 1, B.view + 2) whatever view it was formed in: it opens the next epoch.
 */
struct position qc_position(const struct qc *qc);
/* The first view of the epoch that a set-changing block opens which was proposed in `block_view`.
 */
uint64_t epoch_first_view(uint64_t block_view);
/*
 * The phase that a nudge of `view` asks votes for, standing on a Prepare or Precommit QC of an
 * earlier view: phases that follow one another do so in adjacent views, else the block is prepared
 * again.
 */
enum phase nudge_phase(const struct qc *justify, uint64_t view);

/* What one validator put its name to in a timeout certificate. */
struct tc_claim {
    uint64_t view; /* of its highest QC's position; the epoch is the TC's own */
    struct ingot_signature signature;
};

/*
 * A timeout certificate: a quorum gave up on a view. Each signature covers (chain, validators
 * hash, view, claim); high_qc stands exactly at the highest claim.
 */
struct tc {
    uint32_t references;
    uint32_t validator_count;
    uint64_t epoch;
    uint64_t view;
    struct qc *high_qc; /* owned reference */
    bool has_digest;
    struct ingot_hash digest; /* read by wire_tc_digest alone */
    struct signers signers;
    uint32_t claim_count; /* one for each signer, in validator order */
    struct tc_claim claims[];
};

struct tc *tc_new(uint32_t claim_count);
struct tc *tc_ref(struct tc *tc);
void tc_unref(struct tc *tc);

/*
 * A block. `hash` covers everything but the payload's bytes, which `transactions_root` covers.
 * The payload packs the transactions: for each a 4-byte little-endian length and the bytes.
 */
struct block {
    uint32_t references;
    uint32_t version;
    struct ingot_hash hash; /* src/wire fills it */
    struct ingot_hash chain;
    struct ingot_hash parent;
    uint64_t height;
    uint64_t view;
    uint64_t time_ms;
    struct qc *justify; /* owned reference: the parent's QC; NULL only in the genesis block */
    struct ingot_public_key proposer; /* zero in the genesis block */
    struct ingot_hash transactions_root;
    struct ingot_hash updates_hash;
    struct ingot_hash validators_hash;
    struct ingot_hash next_validators_hash;
    uint32_t transaction_count;
    struct ingot_buffer payload; /* owned */
    /* Of the transactions, in order; owned. NULL: nobody has kept them. Whoever fills them in has
     * compared them with transactions_root. */
    struct ingot_hash *digests;
};

#define BLOCK_VERSION 1

struct block *block_new(void);
struct block *block_ref(struct block *block);
void block_unref(struct block *block);
/* The number of set-changing blocks among its ancestors, read off the justify. */
uint64_t block_epoch(const struct block *block);
struct position block_position(const struct block *block);
/* Set-changing: the next set differs from the block's own. */
bool block_changes_set(const struct block *block);
/* What a block weighs in a byte cap. */
size_t block_size_bytes(const struct block *block);

/*
 * Steps through a payload: false, and no change, at the end, or where what is left is no
 * transaction; payloads are checked when they are decoded. Here because every part that touches
 * transactions does little else for each of them.
 */
static inline bool payload_next(struct ingot_slice *rest, struct ingot_slice *transaction)
{
    if (rest->size < 4) {
        return false;
    }
    const uint8_t *at = rest->data;
    const uint32_t size =
        (uint32_t)at[0] | (uint32_t)at[1] << 8 | (uint32_t)at[2] << 16 | (uint32_t)at[3] << 24;
    if (size > rest->size - 4) {
        return false;
    }
    transaction->data = at + 4;
    transaction->size = size;
    rest->data = at + 4 + size;
    rest->size -= 4 + (size_t)size;
    return true;
}

/* A validator's vote for a block in a phase. */
struct vote {
    uint64_t epoch;
    uint64_t view;
    struct ingot_hash block;
    enum phase phase;
    uint32_t voter;                   /* index in the epoch's set */
    struct ingot_signature signature; /* zero while it is not signed */
};

struct position vote_position(const struct vote *vote);
/* The same choice: position, block and phase. */
bool vote_same_choice(const struct vote *a, const struct vote *b);

#endif
