/*
 * Certificates that nobody honest would make. Most begin as a genuine one and have one thing wrong.
 */
#include <string.h>

#include "base/assert.h"
#include "lib/byzantine_state.h"

/* Of another chain with the same members. */
#define OTHER_CHAIN_BYTE 0x3D

/* --- Genuine ones as models. --- */

static struct qc *copy_qc(const struct qc *qc, uint32_t signature_count)
{
    struct qc *copy = qc_new(signature_count);
    copy->phase = qc->phase;
    copy->epoch = qc->epoch;
    copy->view = qc->view;
    copy->block_view = qc->block_view;
    copy->block = qc->block;
    copy->signers = qc->signers;
    copy->validator_count = qc->validator_count;
    const uint32_t shared =
        signature_count < qc->signature_count ? signature_count : qc->signature_count;
    memcpy(copy->signatures, qc->signatures, shared * sizeof qc->signatures[0]);
    return copy;
}

static struct tc *copy_tc(const struct tc *tc, uint32_t claim_count)
{
    struct tc *copy = tc_new(claim_count);
    copy->validator_count = tc->validator_count;
    copy->epoch = tc->epoch;
    copy->view = tc->view;
    copy->high_qc = qc_ref(tc->high_qc);
    copy->signers = tc->signers;
    const uint32_t shared = claim_count < tc->claim_count ? claim_count : tc->claim_count;
    memcpy(copy->claims, tc->claims, shared * sizeof tc->claims[0]);
    return copy;
}

static void remove_signer(struct signers *signers, uint32_t index)
{
    signers->bits[index / 8] &= (uint8_t) ~(1U << index % 8);
}

static uint32_t last_signer(const struct signers *signers)
{
    uint32_t last = 0;
    for (uint32_t i = 0; i < INGOT_VALIDATORS_MAX; i++) {
        last = signers_has(signers, i) ? i : last;
    }
    return last;
}

static uint64_t power_of(const struct validator_set *set, const struct signers *signers)
{
    uint64_t power = 0;
    for (uint32_t i = 0; i < set->count; i++) {
        power += signers_has(signers, i) ? set->validators[i].power : 0;
    }
    return power;
}

/* The first member that did not sign, or the set's count. */
static uint32_t absent_signer(const struct validator_set *set, const struct signers *signers)
{
    uint32_t index = 0;
    while (index < set->count && signers_has(signers, index)) {
        index++;
    }
    return index;
}

/* How many signers come before this one. */
static uint32_t place_of(const struct signers *signers, uint32_t index)
{
    uint32_t place = 0;
    for (uint32_t i = 0; i < index; i++) {
        place += signers_has(signers, i);
    }
    return place;
}

/* --- QCs without a model. --- */

static struct qc *begin_qc(const struct validator_set *set, const struct vote *vote)
{
    struct qc *qc = qc_new(set->count);
    qc->phase = vote->phase;
    qc->epoch = vote->epoch;
    qc->view = vote->view;
    qc->block_view = vote->view;
    qc->block = vote->block;
    qc->validator_count = set->count;
    for (uint32_t i = 0; i < set->count; i++) {
        signers_add(&qc->signers, i);
    }
    return qc;
}

struct qc *byzantine_one_signature(struct byzantine *byzantine, struct vote vote)
{
    const struct validator_set *set = checks_set(byzantine->checks, vote.epoch);
    if (!byzantine_sign_vote(byzantine, &vote)) {
        return NULL;
    }
    struct qc *qc = begin_qc(set, &vote);
    for (uint32_t i = 0; i < set->count; i++) {
        qc->signatures[i] = vote.signature;
    }
    return qc;
}

/* A vote for the last block that it has seen; false if it has seen none. */
static bool vote_for_seen(const struct byzantine *byzantine, struct vote *vote)
{
    if (byzantine->seen[0] == NULL) {
        return false;
    }
    const struct block *block = byzantine->seen[0]->propose.block;
    *vote = (struct vote){.epoch = block_epoch(block),
                          .view = block->view,
                          .block = block->hash,
                          .phase = byzantine_first_phase(block)};
    return checks_set(byzantine->checks, vote->epoch) != NULL;
}

/* All members really have signed this, on another chain. */
static struct qc *of_other_chain(struct byzantine *byzantine)
{
    struct vote vote;
    if (!vote_for_seen(byzantine, &vote)) {
        return NULL;
    }
    struct validator_set *set = checks_set(byzantine->checks, vote.epoch);
    struct qc *qc = begin_qc(set, &vote);
    for (uint32_t i = 0; i < set->count; i++) {
        const uint32_t node = checks_voter(byzantine->checks, vote.epoch, i);
        struct wire_signer signer = *byzantine->signer_of(byzantine->signer_context, node);
        memset(signer.chain.bytes, OTHER_CHAIN_BYTE, sizeof signer.chain.bytes);
        const bool is_signed = wire_sign_vote(&signer, set, &vote);
        INGOT_ASSERT(is_signed);
        qc->signatures[i] = vote.signature;
    }
    return qc;
}

/* The signatures of a TC as if they were votes for a block. */
static struct qc *of_timeouts(struct byzantine *byzantine)
{
    const struct tc *tc = byzantine_any_tc(byzantine);
    struct vote vote;
    if (tc == NULL || !vote_for_seen(byzantine, &vote)) {
        return NULL;
    }
    struct qc *qc = qc_new(tc->claim_count);
    qc->phase = vote.phase;
    qc->epoch = tc->epoch;
    qc->view = tc->view;
    qc->block_view = tc->view;
    qc->block = vote.block;
    qc->signers = tc->signers;
    qc->validator_count = tc->validator_count;
    for (uint32_t i = 0; i < tc->claim_count; i++) {
        qc->signatures[i] = tc->claims[i].signature;
    }
    return qc;
}

static struct qc *of_genesis(struct byzantine *byzantine, bool has_extra)
{
    struct qc *genuine = wire_genesis_qc(&byzantine->genesis->hash);
    struct qc *qc = copy_qc(genuine, has_extra && prng_chance(&byzantine->prng, MILLION / 2));
    qc_unref(genuine);
    if (!has_extra) {
        qc->view = prng_between(&byzantine->prng, 1, 1000);
        qc->block_view = prng_chance(&byzantine->prng, MILLION / 2) ? qc->view : 0;
    } else if (qc->signature_count == 0) {
        qc->validator_count = checks_last_set(byzantine->checks)->count;
        signers_add(&qc->signers, (uint32_t)prng_below(&byzantine->prng, qc->validator_count));
    }
    return qc;
}

/* --- QCs with a model. --- */

static struct qc *with_surplus_signature(struct byzantine *byzantine, const struct qc *model,
                                         const struct validator_set *set)
{
    const uint32_t absent = absent_signer(set, &model->signers);
    if (absent == set->count) { /* all have signed: one of them is beyond the quorum */
        struct qc *qc = copy_qc(model, model->signature_count);
        qc->signatures[prng_below(&byzantine->prng, qc->signature_count)].bytes[5] ^= 1;
        return qc;
    }
    struct qc *qc = copy_qc(model, model->signature_count + 1);
    const uint32_t place = place_of(&model->signers, absent);
    memmove(&qc->signatures[place + 1], &qc->signatures[place],
            (model->signature_count - place) * sizeof qc->signatures[0]);
    memset(qc->signatures[place].bytes, 7, sizeof qc->signatures[place].bytes);
    signers_add(&qc->signers, absent);
    return qc;
}

static struct qc *of_minority(const struct qc *model, const struct validator_set *set)
{
    struct qc *qc = copy_qc(model, model->signature_count);
    while (3 * power_of(set, &qc->signers) > 2 * set->total_power) {
        remove_signer(&qc->signers, last_signer(&qc->signers));
        qc->signature_count--;
    }
    return qc;
}

static struct qc *of_other_count(struct byzantine *byzantine, const struct qc *model)
{
    const uint64_t kind = prng_below(&byzantine->prng, 4);
    struct qc *qc = copy_qc(model, kind == 0   ? model->signature_count + 1
                                   : kind == 1 ? model->signature_count - 1
                                               : model->signature_count);
    if (kind >= 2) {
        qc->validator_count = kind == 2 ? model->validator_count + 1 : model->validator_count - 1;
    }
    return qc;
}

static struct qc *of_other_block(const struct byzantine *byzantine, const struct qc *model)
{
    struct vote vote;
    if (!vote_for_seen(byzantine, &vote) ||
        memcmp(vote.block.bytes, model->block.bytes, INGOT_HASH_BYTES) == 0) {
        return NULL;
    }
    struct qc *qc = copy_qc(model, model->signature_count);
    qc->block = vote.block;
    return qc;
}

static struct qc *of_other_phase(struct byzantine *byzantine, const struct qc *model)
{
    struct qc *qc = copy_qc(model, model->signature_count);
    qc->phase =
        (enum phase)(((uint32_t)model->phase + prng_between(&byzantine->prng, 1, 3)) % PHASE_COUNT);
    if (qc->phase == PHASE_GENERIC) {
        qc->block_view = qc->view;
    } else if (qc->view >= (uint64_t)qc->phase) { /* as if the phases had taken a view each */
        qc->block_view = qc->view - (uint64_t)qc->phase + 1;
    }
    return qc;
}

static struct qc *twist_qc(struct byzantine *byzantine, enum byzantine_habit habit,
                           const struct qc *model, const struct validator_set *set)
{
    if (habit == BYZANTINE_QC_BAD_SURPLUS) {
        return with_surplus_signature(byzantine, model, set);
    }
    if (habit == BYZANTINE_QC_MINORITY) {
        return of_minority(model, set);
    }
    if (habit == BYZANTINE_QC_COUNT_MISMATCH) {
        return of_other_count(byzantine, model);
    }
    if (habit == BYZANTINE_QC_WRONG_BLOCK) {
        return of_other_block(byzantine, model);
    }
    if (habit == BYZANTINE_QC_WRONG_PHASE) {
        return of_other_phase(byzantine, model);
    }
    struct qc *qc = copy_qc(model, model->signature_count);
    const uint64_t more = prng_between(&byzantine->prng, 1, 8);
    if (habit == BYZANTINE_QC_SURPLUS_BIT) {
        signers_add(&qc->signers, absent_signer(set, &model->signers));
    } else if (habit == BYZANTINE_QC_WRONG_VIEW) {
        qc->view += more;
        qc->block_view += more;
    } else if (habit == BYZANTINE_QC_WRONG_EPOCH) {
        qc->epoch = qc->epoch > 0 && more > 4 ? qc->epoch - 1 : qc->epoch + 1;
    } else {
        qc->block_view =
            more > 4 || qc->block_view < more ? qc->block_view + more : qc->block_view - more;
    }
    return qc;
}

struct qc *byzantine_forge_qc(struct byzantine *byzantine, enum byzantine_habit habit)
{
    if (habit == BYZANTINE_QC_ONE_SIGNATURE) {
        struct vote vote;
        return vote_for_seen(byzantine, &vote) ? byzantine_one_signature(byzantine, vote) : NULL;
    }
    if (habit == BYZANTINE_QC_WRONG_CHAIN) {
        return of_other_chain(byzantine);
    }
    if (habit == BYZANTINE_QC_OTHER_MESSAGES) {
        return of_timeouts(byzantine);
    }
    if (habit == BYZANTINE_GENESIS_VIEW || habit == BYZANTINE_GENESIS_EXTRA) {
        return of_genesis(byzantine, habit == BYZANTINE_GENESIS_EXTRA);
    }
    const struct qc *model = byzantine_any_qc(byzantine);
    const struct validator_set *set =
        model == NULL ? NULL : checks_set(byzantine->checks, model->epoch);
    if (set == NULL || model->validator_count != set->count || model->signature_count == 0) {
        return NULL;
    }
    return twist_qc(byzantine, habit, model, set);
}

/* --- TCs. --- */

struct tc *byzantine_one_timeout(struct byzantine *byzantine, uint64_t view)
{
    struct timeout timeout = {.epoch = byzantine_epoch(byzantine), .view = view};
    const struct validator_set *set = checks_set(byzantine->checks, timeout.epoch);
    timeout.high_qc = byzantine_oldest_qc(byzantine);
    const struct position claim = checks_position(timeout.high_qc);
    struct tc *tc = NULL;
    if (claim.epoch == timeout.epoch && byzantine_sign_timeout(byzantine, &timeout)) {
        tc = tc_new(set->count);
        tc->validator_count = set->count;
        tc->epoch = timeout.epoch;
        tc->view = view;
        tc->high_qc = qc_ref(timeout.high_qc);
        for (uint32_t i = 0; i < set->count; i++) {
            signers_add(&tc->signers, i);
            tc->claims[i] = (struct tc_claim){.view = claim.view, .signature = timeout.signature};
        }
    }
    qc_unref(timeout.high_qc);
    return tc;
}

static struct tc *of_votes(struct byzantine *byzantine)
{
    const struct qc *qc = byzantine_any_qc(byzantine);
    struct tc *tc = qc == NULL ? NULL : byzantine_one_timeout(byzantine, qc->view);
    if (tc == NULL || tc->epoch != qc->epoch || tc->claim_count < qc->signature_count) {
        tc_unref(tc);
        return NULL;
    }
    tc->signers = qc->signers;
    tc->claim_count = qc->signature_count;
    for (uint32_t i = 0; i < qc->signature_count; i++) {
        tc->claims[i].signature = qc->signatures[i];
    }
    return tc;
}

/* The claims say that nobody knows more than this old QC; or the QC alone says so. */
static struct tc *with_low_qc(struct byzantine *byzantine, const struct tc *model,
                              bool changes_claims)
{
    struct qc *low = byzantine_oldest_qc(byzantine);
    const struct position position = checks_position(low);
    if (position.epoch != model->epoch || position.view >= checks_position(model->high_qc).view) {
        qc_unref(low);
        return NULL;
    }
    struct tc *tc = copy_tc(model, model->claim_count);
    qc_unref(tc->high_qc);
    tc->high_qc = low;
    for (uint32_t i = 0; changes_claims && i < tc->claim_count; i++) {
        tc->claims[i].view = position.view;
    }
    return tc;
}

static struct tc *with_surplus_claim(struct byzantine *byzantine, const struct tc *model,
                                     const struct validator_set *set)
{
    const uint32_t absent = absent_signer(set, &model->signers);
    if (absent == set->count) {
        struct tc *tc = copy_tc(model, model->claim_count);
        tc->claims[prng_below(&byzantine->prng, tc->claim_count)].signature.bytes[5] ^= 1;
        return tc;
    }
    struct tc *tc = copy_tc(model, model->claim_count + 1);
    const uint32_t place = place_of(&model->signers, absent);
    memmove(&tc->claims[place + 1], &tc->claims[place],
            (model->claim_count - place) * sizeof tc->claims[0]);
    memset(tc->claims[place].signature.bytes, 7, sizeof tc->claims[place].signature.bytes);
    tc->claims[place].view = checks_position(model->high_qc).view;
    signers_add(&tc->signers, absent);
    return tc;
}

static struct tc *twist_tc(struct byzantine *byzantine, enum byzantine_habit habit,
                           const struct tc *model, const struct validator_set *set)
{
    if (habit == BYZANTINE_TC_LOW_QC || habit == BYZANTINE_TC_UNSIGNED_CLAIM) {
        return with_low_qc(byzantine, model, habit == BYZANTINE_TC_UNSIGNED_CLAIM);
    }
    if (habit == BYZANTINE_TC_BAD_SURPLUS) {
        return with_surplus_claim(byzantine, model, set);
    }
    struct tc *tc = copy_tc(model, model->claim_count);
    if (habit == BYZANTINE_TC_WRONG_VIEW) {
        tc->view += prng_between(&byzantine->prng, 1, 20);
        return tc;
    }
    while (3 * power_of(set, &tc->signers) > 2 * set->total_power) {
        remove_signer(&tc->signers, last_signer(&tc->signers));
        tc->claim_count--;
    }
    return tc;
}

struct tc *byzantine_forge_tc(struct byzantine *byzantine, enum byzantine_habit habit)
{
    if (habit == BYZANTINE_TC_OTHER_MESSAGES) {
        return of_votes(byzantine);
    }
    const struct tc *model = byzantine_any_tc(byzantine);
    if (habit == BYZANTINE_TC_ONE_SIGNATURE) {
        const struct qc *qc = byzantine_any_qc(byzantine);
        return qc == NULL ? NULL : byzantine_one_timeout(byzantine, qc->view + 1);
    }
    const struct validator_set *set =
        model == NULL ? NULL : checks_set(byzantine->checks, model->epoch);
    return set == NULL || model->validator_count != set->count
               ? NULL
               : twist_tc(byzantine, habit, model, set);
}
