/*
 * The layouts of what is hashed and signed. Each function here has its table in docs/wire.md; a
 * change of one byte makes another chain.
 */
#include "wire/preimage.h"

#include <string.h>

#include "base/assert.h"
#include "base/mutant.h"
#include "wire/signature_memo.h"

/* Writes fixed-layout fields one after another. The caller's array has room for all of them. */
struct writer {
    uint8_t *at;
};

static void put_bytes(struct writer *writer, const void *bytes, size_t size)
{
    memcpy(writer->at, bytes, size);
    writer->at += size;
}

static void put_u32(struct writer *writer, uint32_t value)
{
    for (unsigned i = 0; i < 4; i++) {
        *writer->at++ = (uint8_t)(value >> (8 * i));
    }
}

static void put_u64(struct writer *writer, uint64_t value)
{
    for (unsigned i = 0; i < 8; i++) {
        *writer->at++ = (uint8_t)(value >> (8 * i));
    }
}

static void put_hash(struct writer *writer, const struct ingot_hash *hash)
{
    put_bytes(writer, hash->bytes, sizeof hash->bytes);
}

static void put_tag(struct writer *writer, const char *tag)
{
    const size_t size = strlen(tag);
    INGOT_ASSERT(size < WIRE_TAG_BYTES);
    memset(writer->at, 0, WIRE_TAG_BYTES);
    memcpy(writer->at, tag, size);
    writer->at += WIRE_TAG_BYTES;
}

void wire_hasher_begin(struct crypto_hasher *hasher, const char *tag)
{
    uint8_t padded[WIRE_TAG_BYTES];
    put_tag(&(struct writer){padded}, tag);
    crypto_hasher_begin(hasher);
    crypto_hasher_add(hasher, ingot_slice_of(padded, sizeof padded));
}

void wire_hasher_add_u32(struct crypto_hasher *hasher, uint32_t value)
{
    uint8_t bytes[4];
    put_u32(&(struct writer){bytes}, value);
    crypto_hasher_add(hasher, ingot_slice_of(bytes, sizeof bytes));
}

void wire_hasher_add_u64(struct crypto_hasher *hasher, uint64_t value)
{
    uint8_t bytes[8];
    put_u64(&(struct writer){bytes}, value);
    crypto_hasher_add(hasher, ingot_slice_of(bytes, sizeof bytes));
}

/* The length of a bitmap over a set. */
static size_t bitmap_bytes(uint32_t validator_count)
{
    INGOT_ASSERT(validator_count <= INGOT_VALIDATORS_MAX);
    return ((size_t)validator_count + 7) / 8;
}

#define QC_HEAD_BYTES (WIRE_TAG_BYTES + 8 + 8 + 8 + 32 + 1 + 4 + INGOT_VALIDATORS_MAX / 8 + 4)

static void hash_qc(const struct qc *qc, struct ingot_hash *digest)
{
    uint8_t head[QC_HEAD_BYTES];
    struct writer writer = {head};
    put_tag(&writer, WIRE_TAG_QC);
    put_u64(&writer, qc->epoch);
    put_u64(&writer, qc->view);
    put_u64(&writer, qc->block_view);
    put_hash(&writer, &qc->block);
    *writer.at++ = (uint8_t)qc->phase;
    put_u32(&writer, qc->validator_count);
    put_bytes(&writer, qc->signers.bits, bitmap_bytes(qc->validator_count));
    put_u32(&writer, qc->signature_count);

    struct crypto_hasher hasher;
    crypto_hasher_begin(&hasher);
    crypto_hasher_add(&hasher, ingot_slice_of(head, (size_t)(writer.at - head)));
    crypto_hasher_add(&hasher, ingot_slice_of(qc->signatures, (size_t)qc->signature_count *
                                                                  sizeof qc->signatures[0]));
    crypto_hasher_end(&hasher, digest);
}

#define TC_HEAD_BYTES (WIRE_TAG_BYTES + 8 + 8 + 32 + 4 + INGOT_VALIDATORS_MAX / 8 + 4)
#define TC_CLAIM_BYTES (8 + INGOT_SIGNATURE_BYTES)

const struct ingot_hash *wire_qc_digest(struct qc *qc)
{
    if (!qc->has_digest) {
        wire_seal_qc(qc);
    }
#ifdef INGOT_DEBUG_CHECKS
    struct ingot_hash found;
    hash_qc(qc, &found);
    INGOT_ASSERT(crypto_hash_equal(&found, &qc->digest));
#endif
    return &qc->digest;
}

static void hash_tc(const struct tc *tc, struct ingot_hash *digest)
{
    uint8_t head[TC_HEAD_BYTES];
    struct writer writer = {head};
    put_tag(&writer, WIRE_TAG_TC);
    put_u64(&writer, tc->epoch);
    put_u64(&writer, tc->view);
    put_hash(&writer, wire_qc_digest(tc->high_qc));
    put_u32(&writer, tc->validator_count);
    put_bytes(&writer, tc->signers.bits, bitmap_bytes(tc->validator_count));
    put_u32(&writer, tc->claim_count);

    struct crypto_hasher hasher;
    crypto_hasher_begin(&hasher);
    crypto_hasher_add(&hasher, ingot_slice_of(head, (size_t)(writer.at - head)));
    for (uint32_t i = 0; i < tc->claim_count; i++) {
        uint8_t claim[TC_CLAIM_BYTES];
        struct writer claim_writer = {claim};
        put_u64(&claim_writer, tc->claims[i].view);
        put_bytes(&claim_writer, tc->claims[i].signature.bytes, INGOT_SIGNATURE_BYTES);
        crypto_hasher_add(&hasher, ingot_slice_of(claim, sizeof claim));
    }
    crypto_hasher_end(&hasher, digest);
}

const struct ingot_hash *wire_tc_digest(struct tc *tc)
{
    if (!tc->has_digest) {
        wire_seal_tc(tc);
    }
#ifdef INGOT_DEBUG_CHECKS
    struct ingot_hash found;
    hash_tc(tc, &found);
    INGOT_ASSERT(crypto_hash_equal(&found, &tc->digest));
#endif
    return &tc->digest;
}

#define BLOCK_PREIMAGE_BYTES (WIRE_TAG_BYTES + 4 + 32 + 8 + 8 + 32 + 32 + 32 + 8 + 32 + 4 + 3 * 32)

void wire_block_hash(const struct block *block, struct ingot_hash *hash)
{
    if (block->height == 0) {
        *hash = block->chain;
        return;
    }
    INGOT_ASSERT(block->justify != NULL);
    uint8_t preimage[BLOCK_PREIMAGE_BYTES];
    struct writer writer = {preimage};
    put_tag(&writer, WIRE_TAG_BLOCK);
    put_u32(&writer, block->version);
    put_hash(&writer, &block->chain);
    put_u64(&writer, block->height);
    put_u64(&writer, block->view);
    put_hash(&writer, &block->parent);
    put_hash(&writer, wire_qc_digest(block->justify));
    put_bytes(&writer, block->proposer.bytes, sizeof block->proposer.bytes);
    put_u64(&writer, block->time_ms);
    put_hash(&writer, &block->transactions_root);
    put_u32(&writer, block->transaction_count);
    put_hash(&writer, &block->updates_hash);
    put_hash(&writer, &block->validators_hash);
    put_hash(&writer, &block->next_validators_hash);
    INGOT_ASSERT(writer.at == preimage + sizeof preimage);
    crypto_blake2b(ingot_slice_of(preimage, sizeof preimage), hash);
}

void wire_validators_hash(const struct validator_set *set, struct ingot_hash *hash)
{
    struct crypto_hasher hasher;
    wire_hasher_begin(&hasher, WIRE_TAG_VALIDATORS);
    wire_hasher_add_u64(&hasher, set->epoch);
    wire_hasher_add_u32(&hasher, set->count);
    for (uint32_t i = 0; i < set->count; i++) {
        const struct ingot_validator *validator = &set->validators[i];
        crypto_hasher_add(&hasher,
                          ingot_slice_of(validator->key.bytes, sizeof validator->key.bytes));
        wire_hasher_add_u64(&hasher, validator->power);
    }
    crypto_hasher_end(&hasher, hash);
}

void wire_seal_block(struct block *block)
{
    wire_payload_root(ingot_buffer_slice(&block->payload), &block->transactions_root, NULL);
    wire_seal_block_header(block);
}

void wire_seal_block_header(struct block *block)
{
    wire_block_hash(block, &block->hash);
}

void wire_seal_qc(struct qc *qc)
{
    hash_qc(qc, &qc->digest);
    qc->has_digest = true;
}

void wire_seal_tc(struct tc *tc)
{
    hash_tc(tc, &tc->digest);
    tc->has_digest = true;
}

void wire_seal_set(struct validator_set *set)
{
    wire_validators_hash(set, &set->hash);
}

struct block *wire_genesis_block(const struct ingot_hash *chain, const struct validator_set *set,
                                 uint64_t time_ms)
{
    struct block *block = block_new();
    block->version = BLOCK_VERSION;
    block->chain = *chain;
    block->time_ms = time_ms;
    wire_validators_hash(set, &block->validators_hash);
    block->next_validators_hash = block->validators_hash;
    wire_seal_block(block);
    return block;
}

struct qc *wire_genesis_qc(const struct ingot_hash *chain)
{
    struct qc *qc = qc_new(0);
    qc->phase = PHASE_GENERIC;
    qc->block = *chain;
    return qc;
}

void wire_vote_preimage(const struct ingot_hash *chain, const struct ingot_hash *validators_hash,
                        uint64_t view, const struct ingot_hash *block, enum phase phase,
                        uint8_t preimage[WIRE_VOTE_PREIMAGE_BYTES])
{
    struct writer writer = {preimage};
    put_tag(&writer, WIRE_TAG_VOTE);
    put_hash(&writer, MUTANT(CHAIN_NOT_SIGNED) ? block : chain);
    put_hash(&writer, validators_hash);
    put_u64(&writer, view);
    put_hash(&writer, block);
    *writer.at++ = MUTANT(PHASE_NOT_SIGNED) ? 0 : (uint8_t)phase;
    INGOT_ASSERT(writer.at == preimage + WIRE_VOTE_PREIMAGE_BYTES);
}

void wire_timeout_preimage(const struct ingot_hash *chain, const struct ingot_hash *validators_hash,
                           uint64_t view, struct position claim,
                           uint8_t preimage[WIRE_TIMEOUT_PREIMAGE_BYTES])
{
    struct writer writer = {preimage};
    put_tag(&writer, WIRE_TAG_TIMEOUT);
    put_hash(&writer, chain);
    put_hash(&writer, validators_hash);
    put_u64(&writer, view);
    put_u64(&writer, claim.epoch);
    put_u64(&writer, MUTANT(CLAIM_NOT_SIGNED) ? 0 : claim.view);
    INGOT_ASSERT(writer.at == preimage + WIRE_TIMEOUT_PREIMAGE_BYTES);
}

static uint32_t signer_index(const struct wire_signer *signer, const struct validator_set *set,
                             uint64_t epoch)
{
    const uint32_t member =
        set->epoch == epoch ? validator_set_find(set, &signer->key) : VALIDATOR_NONE;
    return MUTANT(OBSERVER_SIGNS) && member == VALIDATOR_NONE ? 0 : member;
}

static void sign(struct wire_signer *signer, uint32_t member, struct ingot_slice preimage,
                 struct ingot_signature *signature)
{
    signer->counters.signatures++;
    signer->scheme->sign(signer->secret, preimage, signature);
    if (signer->signatures != NULL) {
        signature_memo_add(signer->signatures,
                           &(struct signed_statement){member, preimage, signature});
    }
}

bool wire_sign_vote(struct wire_signer *signer, const struct validator_set *set, struct vote *vote)
{
    const uint32_t voter = signer_index(signer, set, vote->epoch);
    if (voter == VALIDATOR_NONE) {
        return false;
    }
    uint8_t preimage[WIRE_VOTE_PREIMAGE_BYTES];
    wire_vote_preimage(&signer->chain, &set->hash, vote->view, &vote->block, vote->phase, preimage);
    vote->voter = voter;
    sign(signer, voter, ingot_slice_of(preimage, sizeof preimage), &vote->signature);
    return true;
}

bool wire_sign_timeout(struct wire_signer *signer, const struct validator_set *set,
                       struct timeout *timeout)
{
    const uint32_t voter = signer_index(signer, set, timeout->epoch);
    if (voter == VALIDATOR_NONE) {
        return false;
    }
    uint8_t preimage[WIRE_TIMEOUT_PREIMAGE_BYTES];
    wire_timeout_preimage(&signer->chain, &set->hash, timeout->view, qc_position(timeout->high_qc),
                          preimage);
    timeout->voter = voter;
    sign(signer, voter, ingot_slice_of(preimage, sizeof preimage), &timeout->signature);
    return true;
}
