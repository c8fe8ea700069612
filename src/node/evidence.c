/*
 * Evidence as a value. See evidence.h.
 */
#include "node/evidence.h"

#include <string.h>

#include "base/assert.h"
#include "core/core.h"
#include "wire/preimage.h"

/* --- The proof. --- */

static bool is_same_choice(const struct ingot_evidence_vote *a, const struct ingot_evidence_vote *b)
{
    return a->phase == b->phase && crypto_hash_equal(&a->block, &b->block);
}

bool evidence_is_proven(const struct ingot_hash *chain, const struct crypto_scheme *scheme,
                        const struct ingot_evidence *evidence)
{
    if (is_same_choice(&evidence->votes[0], &evidence->votes[1])) {
        return false;
    }
    for (uint32_t i = 0; i < 2; i++) {
        const struct ingot_evidence_vote *vote = &evidence->votes[i];
        uint8_t preimage[WIRE_VOTE_PREIMAGE_BYTES];
        wire_vote_preimage(chain, &evidence->validators_hash, evidence->view, &vote->block,
                           (enum phase)vote->phase, preimage);
        if (!scheme->verify(&evidence->validator, ingot_slice_of(preimage, sizeof preimage),
                            &vote->signature)) {
            return false;
        }
    }
    return true;
}

bool evidence_make(const struct ingot_hash *chain, const struct validator_set *set,
                   const struct crypto_scheme *scheme, uint32_t leader_tenure,
                   const struct vote votes[2], struct ingot_evidence *evidence)
{
    const uint32_t voter = votes[0].voter;
    if (votes[1].voter != voter || voter >= set->count || votes[0].epoch != set->epoch ||
        votes[1].epoch != set->epoch || votes[0].view == 0 || votes[1].view != votes[0].view) {
        return false;
    }
    struct ingot_evidence made = {
        .validator = set->validators[voter].key,
        .power = set->validators[voter].power,
        .epoch = set->epoch,
        .view = votes[0].view,
        .validators_hash = set->hash,
        .is_leader = leader_of_view(set, votes[0].view, leader_tenure) == voter,
    };
    for (uint32_t i = 0; i < 2; i++) {
        made.votes[i] = (struct ingot_evidence_vote){.phase = (uint32_t)votes[i].phase,
                                                     .block = votes[i].block,
                                                     .signature = votes[i].signature};
    }
    if (!evidence_is_proven(chain, scheme, &made)) {
        return false;
    }
    *evidence = made;
    return true;
}

/* --- The record. --- */

void evidence_encode(const struct ingot_evidence *evidence, uint64_t number,
                     struct ingot_buffer *content)
{
    ingot_buffer_append_u64(content, number);
    ingot_buffer_append_u64(content, evidence->epoch);
    ingot_buffer_append_u64(content, evidence->view);
    ingot_buffer_append(content, evidence->validator.bytes, INGOT_PUBLIC_KEY_BYTES);
    ingot_buffer_append_u64(content, evidence->power);
    ingot_buffer_append(content, evidence->validators_hash.bytes, INGOT_HASH_BYTES);
    ingot_buffer_append_u64(content, evidence->height);
    ingot_buffer_append_u8(content, evidence->is_leader ? 1 : 0);
    for (uint32_t i = 0; i < 2; i++) {
        const struct ingot_evidence_vote *vote = &evidence->votes[i];
        ingot_buffer_append_u8(content, (uint8_t)vote->phase);
        ingot_buffer_append(content, vote->block.bytes, INGOT_HASH_BYTES);
        ingot_buffer_append(content, vote->signature.bytes, INGOT_SIGNATURE_BYTES);
    }
}

static bool take_bytes(struct ingot_slice *rest, uint8_t *bytes, size_t size)
{
    struct ingot_slice taken;
    if (!ingot_slice_take(rest, size, &taken)) {
        return false;
    }
    memcpy(bytes, taken.data, size);
    return true;
}

static bool take_vote(struct ingot_slice *rest, struct ingot_evidence_vote *vote)
{
    uint8_t phase = 0;
    if (!ingot_slice_take_u8(rest, &phase) || phase >= PHASE_COUNT) {
        return false;
    }
    vote->phase = phase;
    return take_bytes(rest, vote->block.bytes, INGOT_HASH_BYTES) &&
           take_bytes(rest, vote->signature.bytes, INGOT_SIGNATURE_BYTES);
}

bool evidence_decode(struct ingot_slice content, struct ingot_evidence *evidence, uint64_t *number)
{
    uint8_t is_leader = 0;
    *evidence = (struct ingot_evidence){0};
    if (!ingot_slice_take_u64(&content, number) ||
        !ingot_slice_take_u64(&content, &evidence->epoch) ||
        !ingot_slice_take_u64(&content, &evidence->view) ||
        !take_bytes(&content, evidence->validator.bytes, INGOT_PUBLIC_KEY_BYTES) ||
        !ingot_slice_take_u64(&content, &evidence->power) ||
        !take_bytes(&content, evidence->validators_hash.bytes, INGOT_HASH_BYTES) ||
        !ingot_slice_take_u64(&content, &evidence->height) ||
        !ingot_slice_take_u8(&content, &is_leader) || is_leader > 1 ||
        !take_vote(&content, &evidence->votes[0]) || !take_vote(&content, &evidence->votes[1])) {
        return false;
    }
    evidence->is_leader = is_leader == 1;
    return content.size == 0 && evidence->power > 0 && evidence->view > 0 &&
           !is_same_choice(&evidence->votes[0], &evidence->votes[1]);
}

const char *evidence_phase_text(uint32_t phase)
{
    static const char *const texts[PHASE_COUNT] = {
        [PHASE_GENERIC] = "generic",
        [PHASE_PREPARE] = "prepare",
        [PHASE_PRECOMMIT] = "precommit",
        [PHASE_COMMIT] = "commit",
    };
    INGOT_ASSERT(phase < PHASE_COUNT);
    return texts[phase];
}
