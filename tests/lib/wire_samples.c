/*
 * Valid objects of a small chain. See wire_samples.h.
 */
#include "lib/wire_samples.h"

#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/bits.h"

struct ingot_hash samples_hash(uint8_t fill)
{
    struct ingot_hash hash;
    memset(hash.bytes, fill, sizeof hash.bytes);
    return hash;
}

void samples_init(struct samples *samples, const struct crypto_scheme *scheme, uint32_t count,
                  uint64_t epoch, uint8_t key_seed)
{
    INGOT_ASSERT(count <= SAMPLES_VALIDATORS_MAX);
    INGOT_ASSERT(crypto_init());
    memset(samples, 0, sizeof *samples);
    samples->scheme = scheme;
    samples->chain = samples_hash(0xC4);

    struct crypto_secret_key secrets[SAMPLES_VALIDATORS_MAX];
    struct ingot_validator members[SAMPLES_VALIDATORS_MAX];
    for (uint32_t i = 0; i < count; i++) {
        uint8_t seed[CRYPTO_SEED_BYTES] = {key_seed, (uint8_t)(i + 1)};
        scheme->key_from_seed(seed, &secrets[i], &members[i].key);
        members[i].power = 1;
    }
    const char *why;
    samples->set = validator_set_new(epoch, members, count, &why);
    INGOT_ASSERT(samples->set != NULL);
    wire_seal_set(samples->set);
    for (uint32_t i = 0; i < count; i++) {
        samples->secrets[validator_set_find(samples->set, &members[i].key)] = secrets[i];
    }
}

void samples_weigh(struct samples *samples, const uint64_t *powers)
{
    struct validator_set *old = samples->set;
    for (uint32_t i = 0; i < old->count; i++) {
        old->validators[i].power = powers[i];
    }
    const char *why;
    samples->set = validator_set_new(old->epoch, old->validators, old->count, &why);
    INGOT_ASSERT(samples->set != NULL);
    wire_seal_set(samples->set);
    validator_set_unref(old);
}

void samples_deinit(struct samples *samples)
{
    validator_set_unref(samples->set);
}

static struct wire_signer signer_of(const struct samples *samples, uint32_t validator)
{
    return (struct wire_signer){.scheme = samples->scheme,
                                .secret = &samples->secrets[validator],
                                .key = samples->set->validators[validator].key,
                                .chain = samples->chain};
}

struct vote samples_vote(const struct samples *samples, uint32_t voter, uint64_t view,
                         const struct ingot_hash *block, enum phase phase)
{
    struct wire_signer signer = signer_of(samples, voter);
    struct vote vote = {
        .epoch = samples->set->epoch, .view = view, .block = *block, .phase = phase};
    const bool is_signed = wire_sign_vote(&signer, samples->set, &vote);
    INGOT_ASSERT(is_signed);
    return vote;
}

struct qc *samples_qc(const struct samples *samples, uint32_t who, uint64_t view,
                      uint64_t block_view, const struct ingot_hash *block, enum phase phase)
{
    struct qc *qc = qc_new(SAMPLES_VALIDATORS_MAX);
    qc->signature_count = 0;
    qc->phase = phase;
    qc->epoch = samples->set->epoch;
    qc->view = view;
    qc->block_view = block_view;
    qc->block = *block;
    qc->validator_count = samples->set->count;
    for (uint32_t i = 0; i < samples->set->count; i++) {
        if ((who >> i & 1) != 0) {
            signers_add(&qc->signers, i);
            qc->signatures[qc->signature_count++] =
                samples_vote(samples, i, view, block, phase).signature;
        }
    }
    return qc;
}

struct tc *samples_tc(const struct samples *samples, uint32_t who, uint64_t view,
                      uint64_t first_claim, struct qc *high_qc)
{
    struct tc *tc = tc_new(SAMPLES_VALIDATORS_MAX);
    tc->claim_count = 0;
    tc->validator_count = samples->set->count;
    tc->epoch = samples->set->epoch;
    tc->view = view;
    tc->high_qc = high_qc;
    for (uint32_t i = 0; i < samples->set->count; i++) {
        if ((who >> i & 1) == 0) {
            continue;
        }
        struct tc_claim *claim = &tc->claims[tc->claim_count];
        claim->view = tc->claim_count == 0 ? first_claim : qc_position(high_qc).view;
        tc->claim_count++;
        signers_add(&tc->signers, i);
        uint8_t preimage[WIRE_TIMEOUT_PREIMAGE_BYTES];
        wire_timeout_preimage(&samples->chain, &samples->set->hash, view,
                              (struct position){tc->epoch, claim->view}, preimage);
        samples->scheme->sign(&samples->secrets[i], ingot_slice_of(preimage, sizeof preimage),
                              &claim->signature);
    }
    return tc;
}

static void pack_transactions(struct ingot_buffer *packed, uint8_t salt, uint32_t count,
                              uint32_t size)
{
    for (uint32_t i = 0; i < count; i++) {
        ingot_buffer_append_u32(packed, size);
        for (uint32_t at = 0; at < size; at++) {
            ingot_buffer_append_u8(packed, (uint8_t)(salt + i * 31 + at));
        }
    }
}

struct block *samples_block(const struct samples *samples, struct qc *justify, uint64_t height,
                            uint64_t view, uint32_t count, uint32_t size)
{
    struct block *block = block_new();
    block->version = BLOCK_VERSION;
    block->chain = samples->chain;
    block->parent = justify->block;
    block->height = height;
    block->view = view;
    block->time_ms = UINT64_C(1700000000000) + height;
    block->justify = justify;
    block->proposer = samples->set->validators[0].key;
    block->updates_hash = samples_hash(0x55);
    block->validators_hash = samples->set->hash;
    block->next_validators_hash = samples->set->hash;
    block->transaction_count = count;
    pack_transactions(&block->payload, (uint8_t)height, count, size);
    wire_seal_block(block);
    return block;
}

struct message *samples_propose(const struct samples *samples, struct block *block, struct tc *tc)
{
    struct message *message = message_new(MESSAGE_PROPOSE);
    message->propose.block = block;
    message->propose.tc = tc;
    message->propose.vote = samples_vote(samples, 0, block->view, &block->hash,
                                         block_changes_set(block) ? PHASE_PREPARE : PHASE_GENERIC);
    return message;
}

struct message *samples_nudge(const struct samples *samples, uint32_t voter, uint64_t view,
                              struct qc *justify, struct tc *tc)
{
    struct message *message = message_new(MESSAGE_NUDGE);
    message->nudge.epoch = samples->set->epoch;
    message->nudge.view = view;
    message->nudge.justify = justify;
    message->nudge.vote =
        samples_vote(samples, voter, view, &justify->block, nudge_phase(justify, view));
    message->nudge.tc = tc;
    return message;
}

struct message *samples_timeout(const struct samples *samples, uint32_t voter, uint64_t view,
                                struct qc *high_qc, struct tc *tc)
{
    struct wire_signer signer = signer_of(samples, voter);
    struct message *message = message_new(MESSAGE_TIMEOUT);
    message->timeout.epoch = samples->set->epoch;
    message->timeout.view = view;
    message->timeout.high_qc = high_qc;
    message->timeout.tc = tc;
    const bool is_signed = wire_sign_timeout(&signer, samples->set, &message->timeout);
    INGOT_ASSERT(is_signed);
    return message;
}

struct message *samples_sync_response(const struct samples *samples, uint32_t count)
{
    struct message *message = message_new(MESSAGE_SYNC_RESPONSE);
    struct sync_response *response = &message->sync_response;
    response->committed_height = count;
    response->lowest_height = count / 2;
    response->block_count = count;
    response->blocks = alloc_zeroed(count + 1, sizeof *response->blocks);
    struct qc *justify = wire_genesis_qc(&samples->chain);
    for (uint32_t i = 0; i < count; i++) {
        struct block *block = samples_block(samples, justify, i + 1, i + 1, i % 3, 40);
        response->blocks[i] = block;
        justify = samples_qc(samples, SAMPLES_ALL, i + 1, i + 1, &block->hash, PHASE_GENERIC);
    }
    response->tail_qc = justify;
    return message;
}

struct message *samples_compact(const struct samples *samples, struct block *block, struct tc *tc,
                                uint32_t name_each)
{
    struct message *whole = samples_propose(samples, block, tc);
    struct message *message = message_new(MESSAGE_COMPACT_PROPOSE);
    struct compact_propose *compact = &message->compact;
    const uint32_t count = block->transaction_count;
    struct ingot_hash root;
    compact->propose = whole->propose;
    whole->propose = (struct propose){0};
    message_unref(whole);
    block->digests = alloc_zeroed(count, sizeof *block->digests);
    wire_payload_root(ingot_buffer_slice(&block->payload), &root, block->digests);
    for (size_t i = 0; i < bits_bytes(count); i++) {
        ingot_buffer_append_u8(&compact->named, 0);
    }
    struct ingot_slice rest = ingot_buffer_slice(&block->payload);
    struct ingot_slice transaction;
    for (uint32_t i = 0; payload_next(&rest, &transaction); i++) {
        if (i % name_each == 0) {
            bits_set(compact->named.data, i);
        } else {
            ingot_buffer_append_u32(&compact->packed, (uint32_t)transaction.size);
            ingot_buffer_append_slice(&compact->packed, transaction);
        }
    }
    return message;
}

/* Three of the first eleven transactions. */
static void pack_wanted(struct ingot_buffer *wanted, unsigned variant)
{
    ingot_buffer_append_u8(wanted, variant == 0 ? 0x07 : 0x81);
    if (variant == 1) {
        ingot_buffer_append_u8(wanted, 0x04);
    }
}

/* A chain's middle: a QC of some block of view 6, and one of view 7 after it. */
static struct qc *some_qc(const struct samples *samples, uint64_t view)
{
    const struct ingot_hash block = samples_hash((uint8_t)view);
    return samples_qc(samples, SAMPLES_ALL, view, view, &block, PHASE_GENERIC);
}

/* Asks for Precommit in the view after, or for Prepare again after a failed tenure. */
static struct message *nudge(const struct samples *samples, bool has_failed)
{
    const struct ingot_hash block = samples_hash(6);
    struct qc *prepare = samples_qc(samples, SAMPLES_ALL, 6, 6, &block, PHASE_PREPARE);
    if (!has_failed) {
        return samples_nudge(samples, 1, 7, prepare, NULL);
    }
    return samples_nudge(samples, 1, 9, prepare,
                         samples_tc(samples, SAMPLES_ALL, 8, 6, qc_ref(prepare)));
}

static struct message *sync_request(void)
{
    struct message *message = message_new(MESSAGE_SYNC_REQUEST);
    message->sync_request.committed_height = 10;
    message->sync_request.base_height = 12;
    message->sync_request.base = samples_hash(3);
    message->sync_request.target = samples_hash(4);
    message->sync_request.blocks_max = 100;
    message->sync_request.bytes_max = 1 << 20;
    return message;
}

static struct message *certificate(const struct samples *samples, bool is_qc)
{
    struct message *message = message_new(MESSAGE_CERTIFICATE);
    if (is_qc) {
        message->certificate.qc = some_qc(samples, 6);
    } else {
        message->certificate.tc = samples_tc(samples, SAMPLES_ALL, 8, 5, some_qc(samples, 6));
    }
    return message;
}

struct message *samples_message(const struct samples *samples, enum message_kind kind,
                                unsigned variant)
{
    struct message *message = NULL;
    struct tc *tc = NULL;
    switch (kind) {
    case MESSAGE_PROPOSE:
        if (variant == 1) {
            tc = samples_tc(samples, SAMPLES_ALL, 8, 6, some_qc(samples, 6));
        }
        return samples_propose(
            samples, samples_block(samples, some_qc(samples, 6), 6, 9, variant * 5, 60), tc);
    case MESSAGE_VOTE:
        message = message_new(kind);
        message->vote = samples_vote(samples, 1, 7, &samples->chain, PHASE_GENERIC);
        return message;
    case MESSAGE_TIMEOUT:
        if (variant == 1) {
            tc = samples_tc(samples, SAMPLES_ALL, 8, 6, some_qc(samples, 6));
        }
        return samples_timeout(samples, 2, 9, some_qc(samples, 6), tc);
    case MESSAGE_CERTIFICATE:
        return certificate(samples, variant == 0);
    case MESSAGE_ADVERTISE:
        message = message_new(kind);
        message->advertise.committed_height = 5;
        message->advertise.high_qc =
            variant == 0 ? wire_genesis_qc(&samples->chain) : some_qc(samples, 7);
        return message;
    case MESSAGE_SYNC_REQUEST:
        return sync_request();
    case MESSAGE_SYNC_RESPONSE:
        message = samples_sync_response(samples, variant * 5);
        if (variant == 0) {
            qc_unref(message->sync_response.tail_qc);
            message->sync_response.tail_qc = NULL;
        }
        return message;
    case MESSAGE_TRANSACTIONS:
        message = message_new(kind);
        message->transactions.count = 4;
        message->transactions.committed_height = variant * 77;
        pack_transactions(&message->transactions.packed, 9, 4, variant == 0 ? 30 : 2000);
        return message;
    case MESSAGE_NUDGE:
        return nudge(samples, variant == 1);
    case MESSAGE_COMPACT_PROPOSE:
        if (variant == 1) {
            tc = samples_tc(samples, SAMPLES_ALL, 8, 6, some_qc(samples, 6));
        }
        return samples_compact(samples, samples_block(samples, some_qc(samples, 6), 6, 9, 13, 60),
                               tc, variant == 0 ? 1 : 3);
    case MESSAGE_TRANSACTIONS_REQUEST:
        message = message_new(kind);
        message->transactions_request.block = samples_hash(9);
        pack_wanted(&message->transactions_request.wanted, variant);
        return message;
    case MESSAGE_TRANSACTIONS_RESPONSE:
        message = message_new(kind);
        message->transactions_response.block = samples_hash(9);
        pack_wanted(&message->transactions_response.wanted, variant);
        pack_transactions(&message->transactions_response.packed, 9, 3, variant == 0 ? 30 : 2000);
        return message;
    }
    INGOT_ASSERT(false);
    return NULL;
}
