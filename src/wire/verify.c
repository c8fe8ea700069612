/*
 * Certificates and votes against the sets that signed them. See verify.h. Messages made of these
 * are in verify_message.c.
 */
#include "wire/verify.h"

#include <string.h>

#include "base/mutant.h"
#include "wire/preimage.h"

void verifier_init(struct verifier *verifier, const struct ingot_hash *chain,
                   const struct crypto_scheme *scheme, verifier_find_set *find_set, void *context)
{
    memset(verifier, 0, sizeof *verifier);
    verifier->chain = *chain;
    verifier->scheme = scheme;
    verifier->find_set = find_set;
    verifier->context = context;
    struct qc *genesis_qc = wire_genesis_qc(chain);
    verifier->genesis_qc_digest = *wire_qc_digest(genesis_qc);
    qc_unref(genesis_qc);
}

/* --- Certificates found valid. --- */

static bool is_remembered(const struct verifier *verifier, const struct ingot_hash *digest)
{
    /* The latest first: that is the one asked for. */
    for (uint32_t i = 1; i <= verifier->valid_count; i++) {
        const uint32_t place =
            (verifier->valid_next + VERIFIER_CERTIFICATES_MAX - i) % VERIFIER_CERTIFICATES_MAX;
        if (crypto_hash_equal(&verifier->valid[place], digest)) {
            return true;
        }
    }
    return false;
}

/* One that is not remembered yet. */
static void remember_new(struct verifier *verifier, const struct ingot_hash *digest)
{
    verifier->valid[verifier->valid_next] = *digest;
    verifier->valid_next = (verifier->valid_next + 1) % VERIFIER_CERTIFICATES_MAX;
    if (verifier->valid_count < VERIFIER_CERTIFICATES_MAX) {
        verifier->valid_count++;
    }
}

static void remember(struct verifier *verifier, const struct ingot_hash *digest)
{
    if (!is_remembered(verifier, digest)) {
        remember_new(verifier, digest);
    }
}

void verifier_remember_qc(struct verifier *verifier, struct qc *qc)
{
    remember(verifier, wire_qc_digest(qc));
}

void verifier_remember_tc(struct verifier *verifier, struct tc *tc)
{
    remember(verifier, wire_tc_digest(tc));
    verifier_remember_qc(verifier, tc->high_qc);
}

/* --- Signatures. --- */

/* Of a member of this set, which the preimage names. */
static bool signature_ok(struct verifier *verifier, const struct validator_set *set,
                         const struct signed_statement *said)
{
    if (verifier->signatures != NULL && signature_memo_has(verifier->signatures, said)) {
        return true;
    }
    verifier->counters.verifications++;
    const bool is_good = verifier->scheme->verify(&set->validators[said->signer].key,
                                                  said->preimage, said->signature);
    if (is_good && verifier->signatures != NULL) {
        signature_memo_add(verifier->signatures, said);
    }
    return is_good;
}

/*
 * Do the signers belong to the set, are they as many as there are signatures, and a quorum by
 * power? A bitmap cannot name a signer twice.
 */
static enum reject check_signers(const struct validator_set *set, const struct signers *signers,
                                 uint32_t validator_count, uint32_t signature_count)
{
    if (validator_count != set->count || signers_count(signers) != signature_count) {
        return REJECT_BAD_CERTIFICATE;
    }
    uint64_t power = 0;
    uint32_t member_count = 0;
    for (uint32_t i = 0; i < set->count; i++) {
        if (signers_has(signers, i)) {
            power += set->validators[i].power;
            member_count++;
        }
    }
    if (member_count != signature_count) {
        return REJECT_BAD_CERTIFICATE; /* others are beyond the set */
    }
    return power >= set->quorum_power || MUTANT(SIGNERS_UNWEIGHED) ? REJECT_NONE : REJECT_NO_QUORUM;
}

/* The first signer at or after `index`. The caller knows that there is one. */
static uint32_t next_signer(const struct signers *signers, uint32_t index)
{
    while (!signers_has(signers, index)) {
        index++;
    }
    return index;
}

/* --- Quorum certificates. --- */

/* In which views a block can be certified, by phase (see docs/protocol.md, "Positions"). */
static bool view_fits_phase(const struct qc *qc)
{
    switch (qc->phase) {
    case PHASE_GENERIC:
        return qc->view == qc->block_view;
    case PHASE_PREPARE:
        return qc->view >= qc->block_view;
    case PHASE_PRECOMMIT:
        return qc->view >= qc->block_view + 1;
    case PHASE_COMMIT:
        return qc->view >= qc->block_view + 2;
    }
    return false;
}

/*
 * The signatures do not cover block_view, which gives a Commit QC its position. So once the epoch
 * that it opened is known, only the position that this epoch began after will do; until then it is
 * proven when the block is there.
 */
static bool opens_its_epoch(const struct verifier *verifier, const struct qc *qc)
{
    if (qc->phase != PHASE_COMMIT) {
        return true;
    }
    const struct validator_set *next = verifier->find_set(verifier->context, qc->epoch + 1);
    return next == NULL || next->first_view == epoch_first_view(qc->block_view);
}

/*
 * Whatever looks like the genesis block's certificate in any respect has to be it in all: it has
 * no signatures, so nothing but its exact bytes makes it genuine.
 */
static bool claims_genesis(const struct verifier *verifier, const struct qc *qc)
{
    return qc->view == 0 || qc->block_view == 0 || qc->validator_count == 0 ||
           qc->signature_count == 0 || crypto_hash_equal(&qc->block, &verifier->chain);
}

enum reject verify_qc_signatures(struct verifier *verifier, const struct validator_set *set,
                                 const struct qc *qc)
{
    uint8_t preimage[WIRE_VOTE_PREIMAGE_BYTES];
    wire_vote_preimage(&verifier->chain, &set->hash, qc->view, &qc->block, qc->phase, preimage);
    uint32_t signer = 0;
    const uint32_t count = qc->signature_count - MUTANT(LAST_SIGNATURE_UNVERIFIED);
    for (uint32_t i = 0; i < count; i++, signer++) {
        signer = next_signer(&qc->signers, signer);
        const struct signed_statement said = {signer, ingot_slice_of(preimage, sizeof preimage),
                                              &qc->signatures[i]};
        if (!signature_ok(verifier, set, &said)) {
            return REJECT_BAD_SIGNATURE;
        }
    }
    if (verifier->between != NULL) {
        verifier->between(verifier->context);
    }
    return REJECT_NONE;
}

enum reject verify_qc_fields(struct verifier *verifier, struct qc *qc, struct validator_set **set)
{
    *set = NULL;
    if (claims_genesis(verifier, qc)) {
        return crypto_hash_equal(wire_qc_digest(qc), &verifier->genesis_qc_digest) ||
                       MUTANT(GENESIS_QC_LOOSE)
                   ? REJECT_NONE
                   : REJECT_BAD_GENESIS_QC;
    }
    if (!view_fits_phase(qc) || !opens_its_epoch(verifier, qc)) {
        return REJECT_BINDING;
    }
    struct validator_set *found = verifier->find_set(verifier->context, qc->epoch);
    if (found == NULL) {
        return REJECT_UNKNOWN_EPOCH;
    }
    const enum reject reject =
        check_signers(found, &qc->signers, qc->validator_count, qc->signature_count);
    if (reject != REJECT_NONE) {
        return reject;
    }
    if (is_remembered(verifier, wire_qc_digest(qc))) {
        verifier->certificates_remembered++;
        return REJECT_NONE;
    }
    *set = found;
    return REJECT_NONE;
}

enum reject verify_qc(struct verifier *verifier, struct qc *qc)
{
    struct validator_set *set;
    enum reject reject = verify_qc_fields(verifier, qc, &set);
    if (reject != REJECT_NONE || set == NULL) {
        return reject;
    }
    reject = verify_qc_signatures(verifier, set, qc);
    if (reject == REJECT_NONE || MUTANT(REMEMBERED_WRONGLY)) {
        remember_new(verifier, wire_qc_digest(qc));
    }
    return reject;
}

/* --- Timeout certificates. --- */

/* Every claim is below the TC's own view, and high_qc stands exactly at the highest of them. */
static enum reject check_claims(const struct tc *tc)
{
    uint64_t highest = 0;
    for (uint32_t i = 0; i < tc->claim_count; i++) {
        if (tc->claims[i].view >= tc->view) {
            return REJECT_BAD_CLAIM;
        }
        if (tc->claims[i].view > highest) {
            highest = tc->claims[i].view;
        }
    }
    const struct position stands = qc_position(tc->high_qc);
    return stands.epoch == tc->epoch && (stands.view == highest || MUTANT(CLAIMS_UNCHECKED))
               ? REJECT_NONE
               : REJECT_BAD_CLAIM;
}

static enum reject verify_tc_signatures(struct verifier *verifier, const struct validator_set *set,
                                        const struct tc *tc)
{
    uint32_t signer = 0;
    for (uint32_t i = 0; i < tc->claim_count; i++, signer++) {
        signer = next_signer(&tc->signers, signer);
        uint8_t preimage[WIRE_TIMEOUT_PREIMAGE_BYTES];
        const struct position claim = {tc->epoch, tc->claims[i].view};
        wire_timeout_preimage(&verifier->chain, &set->hash, tc->view, claim, preimage);
        const struct signed_statement said = {signer, ingot_slice_of(preimage, sizeof preimage),
                                              &tc->claims[i].signature};
        if (!signature_ok(verifier, set, &said)) {
            return REJECT_BAD_SIGNATURE;
        }
    }
    return REJECT_NONE;
}

enum reject verify_tc(struct verifier *verifier, struct tc *tc)
{
    enum reject reject = check_claims(tc);
    if (reject != REJECT_NONE) {
        return reject;
    }
    const struct validator_set *set = verifier->find_set(verifier->context, tc->epoch);
    if (set == NULL) {
        return REJECT_UNKNOWN_EPOCH;
    }
    reject = check_signers(set, &tc->signers, tc->validator_count, tc->claim_count);
    if (reject != REJECT_NONE) {
        return reject;
    }
    /* The TC's digest covers high_qc, so it need not be looked at again either. */
    const struct ingot_hash *digest = wire_tc_digest(tc);
    if (is_remembered(verifier, digest)) {
        verifier->certificates_remembered++;
        return REJECT_NONE;
    }
    reject = verify_qc(verifier, tc->high_qc);
    if (reject == REJECT_NONE) {
        reject = verify_tc_signatures(verifier, set, tc);
    }
    if (reject == REJECT_NONE) {
        remember(verifier, digest);
    }
    return reject;
}

/* --- What one validator says. --- */

enum reject verify_vote(struct verifier *verifier, const struct vote *vote)
{
    const struct validator_set *set = verifier->find_set(verifier->context, vote->epoch);
    if (set == NULL) {
        return REJECT_UNKNOWN_EPOCH;
    }
    if (vote->voter >= set->count) {
        return REJECT_NOT_A_MEMBER;
    }
    uint8_t preimage[WIRE_VOTE_PREIMAGE_BYTES];
    wire_vote_preimage(&verifier->chain, &set->hash, vote->view, &vote->block, vote->phase,
                       preimage);
    const struct signed_statement said = {vote->voter, ingot_slice_of(preimage, sizeof preimage),
                                          &vote->signature};
    return MUTANT(VOTE_UNVERIFIED) || signature_ok(verifier, set, &said) ? REJECT_NONE
                                                                         : REJECT_BAD_SIGNATURE;
}

/* The proof of entry that travels with a message of `position`. */
static enum reject check_entry_tc(const struct tc *tc, struct position position)
{
    return tc == NULL || MUTANT(ENTRY_TC_ANY) ||
                   (tc->epoch == position.epoch && tc->view < position.view)
               ? REJECT_NONE
               : REJECT_BINDING;
}

static enum reject check_timeout_fields(const struct timeout *timeout)
{
    const struct position claim = qc_position(timeout->high_qc);
    if (claim.epoch != timeout->epoch || claim.view >= timeout->view) {
        return REJECT_BAD_CLAIM;
    }
    return check_entry_tc(timeout->tc, (struct position){timeout->epoch, timeout->view});
}

enum reject verify_timeout(struct verifier *verifier, const struct timeout *timeout)
{
    enum reject reject = check_timeout_fields(timeout);
    if (reject != REJECT_NONE) {
        return reject;
    }
    const struct validator_set *set = verifier->find_set(verifier->context, timeout->epoch);
    if (set == NULL) {
        return REJECT_UNKNOWN_EPOCH;
    }
    if (timeout->voter >= set->count) {
        return REJECT_NOT_A_MEMBER;
    }
    uint8_t preimage[WIRE_TIMEOUT_PREIMAGE_BYTES];
    wire_timeout_preimage(&verifier->chain, &set->hash, timeout->view,
                          qc_position(timeout->high_qc), preimage);
    const struct signed_statement said = {timeout->voter, ingot_slice_of(preimage, sizeof preimage),
                                          &timeout->signature};
    if (!MUTANT(TIMEOUT_UNVERIFIED) && !signature_ok(verifier, set, &said)) {
        return REJECT_BAD_SIGNATURE;
    }
    reject = verify_qc(verifier, timeout->high_qc);
    if (reject == REJECT_NONE && timeout->tc != NULL) {
        reject = verify_tc(verifier, timeout->tc);
    }
    return reject;
}

/* --- Blocks and proposals. --- */

enum reject verify_block_fields(const struct verifier *verifier, const struct block *block)
{
    if (!crypto_hash_equal(&block->chain, &verifier->chain)) {
        return REJECT_WRONG_CHAIN;
    }
    if (block->height == 0 || block->justify == NULL) {
        return REJECT_BINDING;
    }
    /* A block that changes the set has no child before its Commit QC. */
    if (block->justify->phase != PHASE_GENERIC && block->justify->phase != PHASE_COMMIT &&
        !MUTANT(CHILD_OF_UNCOMMITTED)) {
        return REJECT_BINDING;
    }
    /* justify stands in the block's own epoch by definition, so views are compared alone. */
    if (!crypto_hash_equal(&block->parent, &block->justify->block) ||
        block->view <= qc_position(block->justify).view) {
        return REJECT_BINDING;
    }
    return REJECT_NONE;
}

/* Is the vote the proposer's own, for this very block? */
static enum reject check_proposer_vote(const struct verifier *verifier, const struct block *block,
                                       const struct vote *vote)
{
    const enum phase phase = block_changes_set(block) ? PHASE_PREPARE : PHASE_GENERIC;
    if (MUTANT(PROPOSER_UNBOUND)) {
        return REJECT_NONE;
    }
    if (vote->epoch != block_epoch(block) || vote->view != block->view || vote->phase != phase ||
        !crypto_hash_equal(&vote->block, &block->hash)) {
        return REJECT_BINDING;
    }
    const struct validator_set *set = verifier->find_set(verifier->context, vote->epoch);
    if (set == NULL) {
        return REJECT_UNKNOWN_EPOCH;
    }
    if (vote->voter >= set->count) {
        return REJECT_NOT_A_MEMBER;
    }
    return crypto_key_equal(&set->validators[vote->voter].key, &block->proposer) ? REJECT_NONE
                                                                                 : REJECT_BINDING;
}

enum reject verify_propose(struct verifier *verifier, const struct propose *propose)
{
    const struct block *block = propose->block;
    enum reject reject = verify_block_fields(verifier, block);
    if (reject == REJECT_NONE) {
        reject = check_proposer_vote(verifier, block, &propose->vote);
    }
    if (reject == REJECT_NONE) {
        reject = check_entry_tc(propose->tc, block_position(block));
    }
    /* The sender's own signature first: an outsider's forgery then costs one verification. */
    if (reject == REJECT_NONE) {
        reject = verify_vote(verifier, &propose->vote);
    }
    if (reject == REJECT_NONE) {
        reject = verify_qc(verifier, block->justify);
    }
    if (reject == REJECT_NONE && propose->tc != NULL) {
        reject = verify_tc(verifier, propose->tc);
    }
    return reject;
}

/* --- Nudges. --- */

/* The parts against each other: what the leader votes for is what its certificate asks for. */
static enum reject check_nudge_fields(const struct nudge *nudge)
{
    const struct qc *justify = nudge->justify;
    const struct vote *vote = &nudge->vote;
    if ((justify->phase != PHASE_PREPARE && justify->phase != PHASE_PRECOMMIT) ||
        justify->epoch != nudge->epoch || justify->view >= nudge->view) {
        return REJECT_BINDING;
    }
    if (vote->epoch != nudge->epoch || vote->view != nudge->view ||
        vote->phase != nudge_phase(justify, nudge->view) ||
        !crypto_hash_equal(&vote->block, &justify->block)) {
        return REJECT_BINDING;
    }
    return check_entry_tc(nudge->tc, (struct position){nudge->epoch, nudge->view});
}

enum reject verify_nudge(struct verifier *verifier, const struct nudge *nudge)
{
    enum reject reject = check_nudge_fields(nudge);
    if (reject == REJECT_NONE) {
        reject = verify_vote(verifier, &nudge->vote);
    }
    if (reject == REJECT_NONE) {
        reject = verify_qc(verifier, nudge->justify);
    }
    if (reject == REJECT_NONE && nudge->tc != NULL) {
        reject = verify_tc(verifier, nudge->tc);
    }
    return reject;
}
