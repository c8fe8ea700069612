/*
 * Goal: a message counts only if its sender signed it for this purpose and its parts belong
 * together. Method: valid messages of a set of four, of which one thing is spoiled each time, and
 * signatures shown again as something else.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "lib/verify_fixture.h"

/* --- Votes and timeouts. --- */

static void a_vote_cannot_be_replayed(void **state)
{
    struct verify_fixture *fixture = *state;
    const struct ingot_hash block = samples_hash(0xB1);
    const struct vote vote = samples_vote(&fixture->samples, 1, 8, &block, PHASE_PREPARE);
    assert_int_equal(verify_vote(&fixture->verifier, &vote), REJECT_NONE);

    struct vote spoiled = vote;
    spoiled.view = 9;
    assert_int_equal(verify_vote(&fixture->verifier, &spoiled), REJECT_BAD_SIGNATURE);
    spoiled = vote;
    spoiled.block.bytes[31] ^= 1;
    assert_int_equal(verify_vote(&fixture->verifier, &spoiled), REJECT_BAD_SIGNATURE);
    spoiled = vote;
    spoiled.phase = PHASE_COMMIT;
    assert_int_equal(verify_vote(&fixture->verifier, &spoiled), REJECT_BAD_SIGNATURE);
    spoiled = vote;
    spoiled.voter = 2;
    assert_int_equal(verify_vote(&fixture->verifier, &spoiled), REJECT_BAD_SIGNATURE);
    spoiled = vote;
    spoiled.epoch = 1; /* the same members, one epoch later */
    assert_int_equal(verify_vote(&fixture->verifier, &spoiled), REJECT_BAD_SIGNATURE);
    spoiled = vote;
    spoiled.epoch = 2;
    assert_int_equal(verify_vote(&fixture->verifier, &spoiled), REJECT_UNKNOWN_EPOCH);
    spoiled = vote;
    spoiled.voter = 4;
    assert_int_equal(verify_vote(&fixture->verifier, &spoiled), REJECT_NOT_A_MEMBER);
    spoiled = vote;
    memset(&spoiled.signature, 0, sizeof spoiled.signature);
    assert_int_equal(verify_vote(&fixture->verifier, &spoiled), REJECT_BAD_SIGNATURE);

    /* On another chain with the same validators. */
    struct verifier elsewhere;
    const struct ingot_hash chain = samples_hash(0x77);
    verifier_init(&elsewhere, &chain, &crypto_ed25519, verify_fixture_find_set, fixture);
    assert_int_equal(verify_vote(&elsewhere, &vote), REJECT_BAD_SIGNATURE);
}

static struct message *good_timeout(const struct verify_fixture *fixture)
{
    return samples_timeout(
        &fixture->samples, 1, 12, fixture_qc(&fixture->samples, QUORUM),
        samples_tc(&fixture->samples, QUORUM, 10, 8, fixture_qc(&fixture->samples, QUORUM)));
}

static enum reject verify_and_drop_message(struct verify_fixture *fixture, struct message *message)
{
    const enum reject reject = verify_message(&fixture->verifier, message);
    message_unref(message);
    return reject;
}

static void a_timeout_is_bound_to_its_view_and_its_claim(void **state)
{
    struct verify_fixture *fixture = *state;
    assert_int_equal(verify_and_drop_message(fixture, good_timeout(fixture)), REJECT_NONE);

    struct message *message = good_timeout(fixture);
    message->timeout.view = 13;
    assert_int_equal(verify_and_drop_message(fixture, message), REJECT_BAD_SIGNATURE);

    message = good_timeout(fixture);
    message->timeout.voter = 2;
    assert_int_equal(verify_and_drop_message(fixture, message), REJECT_BAD_SIGNATURE);

    message = good_timeout(fixture);
    message->timeout.voter = 4;
    assert_int_equal(verify_and_drop_message(fixture, message), REJECT_NOT_A_MEMBER);

    /* Another high QC than the one that was claimed, although valid by itself. */
    message = good_timeout(fixture);
    const struct ingot_hash block = samples_hash(0xB2);
    qc_unref(message->timeout.high_qc);
    message->timeout.high_qc = samples_qc(&fixture->samples, QUORUM, 7, 7, &block, PHASE_GENERIC);
    assert_int_equal(verify_and_drop_message(fixture, message), REJECT_BAD_SIGNATURE);

    /* A claim that is not below the view, or of another epoch. */
    message = samples_timeout(&fixture->samples, 1, 8, fixture_qc(&fixture->samples, QUORUM), NULL);
    assert_int_equal(verify_and_drop_message(fixture, message), REJECT_BAD_CLAIM);
    message = samples_timeout(&fixture->next, 1, 12, fixture_qc(&fixture->samples, QUORUM), NULL);
    assert_int_equal(verify_and_drop_message(fixture, message), REJECT_BAD_CLAIM);
}

static void what_a_timeout_carries_is_verified_too(void **state)
{
    struct verify_fixture *fixture = *state;
    struct message *message = good_timeout(fixture);
    message->timeout.high_qc->signatures[0].bytes[0] ^= 1;
    assert_int_equal(verify_and_drop_message(fixture, message), REJECT_BAD_SIGNATURE);

    message = good_timeout(fixture);
    message->timeout.tc->claims[0].signature.bytes[0] ^= 1;
    assert_int_equal(verify_and_drop_message(fixture, message), REJECT_BAD_SIGNATURE);

    /* A proof of entry that is not below the view it is to prove. */
    message = good_timeout(fixture);
    tc_unref(message->timeout.tc);
    message->timeout.tc =
        samples_tc(&fixture->samples, QUORUM, 12, 8, fixture_qc(&fixture->samples, QUORUM));
    assert_int_equal(verify_and_drop_message(fixture, message), REJECT_BINDING);
}

static void a_timeout_binds_the_position_of_a_commit_qc(void **state)
{
    struct verify_fixture *fixture = *state;
    const struct ingot_hash block = samples_hash(0xB1);
    for (uint64_t block_view = 7; block_view <= 9; block_view++) {
        /* Changed by somebody who passes it on. */
        struct qc *commit = samples_qc(&fixture->samples, QUORUM, 14, 8, &block, PHASE_COMMIT);
        struct message *message = samples_timeout(&fixture->next, 1, 12, commit, NULL);
        commit->block_view = block_view;
        assert_int_equal(verify_and_drop_message(fixture, message),
                         block_view == 8 ? REJECT_NONE : REJECT_BAD_SIGNATURE);
        /* Changed by its sender. */
        commit = samples_qc(&fixture->samples, QUORUM, 14, block_view, &block, PHASE_COMMIT);
        message = samples_timeout(&fixture->next, 1, 12, commit, NULL);
        assert_int_equal(verify_and_drop_message(fixture, message),
                         block_view == 8 ? REJECT_NONE : REJECT_BINDING);
    }
}

static void a_timeout_signature_is_no_vote(void **state)
{
    struct verify_fixture *fixture = *state;
    struct message *message = good_timeout(fixture);
    struct vote vote = {.epoch = 0,
                        .view = message->timeout.view,
                        .block = message->timeout.high_qc->block,
                        .voter = 1,
                        .signature = message->timeout.signature};
    for (int phase = 0; phase < PHASE_COUNT; phase++) {
        vote.phase = (enum phase)phase;
        assert_int_equal(verify_vote(&fixture->verifier, &vote), REJECT_BAD_SIGNATURE);
    }
    message->timeout.signature =
        samples_vote(&fixture->samples, 1, 12, &vote.block, PHASE_GENERIC).signature;
    assert_int_equal(verify_and_drop_message(fixture, message), REJECT_BAD_SIGNATURE);
}

/* --- Proposals. --- */

static struct message *good_propose(const struct verify_fixture *fixture)
{
    return samples_propose(
        &fixture->samples,
        samples_block(&fixture->samples, fixture_qc(&fixture->samples, QUORUM), 5, 9, 2, 20), NULL);
}

/* Signs again after a change of the block, as its proposer would. */
static void reseal(const struct verify_fixture *fixture, struct message *message)
{
    struct propose *propose = &message->propose;
    wire_seal_qc(propose->block->justify);
    wire_seal_block(propose->block);
    propose->vote = samples_vote(&fixture->samples, 0, propose->block->view, &propose->block->hash,
                                 propose->vote.phase);
}

static void a_proposal_must_be_bound_to_its_proposers_vote(void **state)
{
    struct verify_fixture *fixture = *state;
    assert_int_equal(verify_and_drop_message(fixture, good_propose(fixture)), REJECT_NONE);

    struct message *message = good_propose(fixture);
    message->propose.block->time_ms++; /* the vote is for the block before the change */
    wire_seal_block(message->propose.block);
    assert_int_equal(verify_and_drop_message(fixture, message), REJECT_BINDING);

    message = good_propose(fixture);
    message->propose.vote = samples_vote(&fixture->samples, 1, 9, &message->propose.block->hash,
                                         PHASE_GENERIC); /* somebody else's vote */
    assert_int_equal(verify_and_drop_message(fixture, message), REJECT_BINDING);

    message = good_propose(fixture);
    message->propose.vote = samples_vote(&fixture->samples, 0, 10, &message->propose.block->hash,
                                         PHASE_GENERIC); /* another view */
    assert_int_equal(verify_and_drop_message(fixture, message), REJECT_BINDING);

    message = good_propose(fixture);
    message->propose.vote = samples_vote(&fixture->samples, 0, 9, &message->propose.block->hash,
                                         PHASE_PREPARE); /* only set changes are prepared */
    assert_int_equal(verify_and_drop_message(fixture, message), REJECT_BINDING);

    message = good_propose(fixture);
    message->propose.vote.epoch = 1;
    assert_int_equal(verify_and_drop_message(fixture, message), REJECT_BINDING);

    message = good_propose(fixture);
    message->propose.vote.signature.bytes[5] ^= 1;
    assert_int_equal(verify_and_drop_message(fixture, message), REJECT_BAD_SIGNATURE);

    message = good_propose(fixture);
    message->propose.vote.voter = 4;
    assert_int_equal(verify_and_drop_message(fixture, message), REJECT_NOT_A_MEMBER);
}

static void a_block_must_be_bound_to_its_justify(void **state)
{
    struct verify_fixture *fixture = *state;
    struct message *message = good_propose(fixture);
    message->propose.block->parent.bytes[0] ^= 1;
    reseal(fixture, message);
    assert_int_equal(verify_and_drop_message(fixture, message), REJECT_BINDING);

    message = good_propose(fixture);
    message->propose.block->view = 8; /* not above the justify's */
    reseal(fixture, message);
    assert_int_equal(verify_and_drop_message(fixture, message), REJECT_BINDING);

    message = good_propose(fixture);
    message->propose.block->chain.bytes[0] ^= 1;
    reseal(fixture, message);
    assert_int_equal(verify_and_drop_message(fixture, message), REJECT_WRONG_CHAIN);

    message = good_propose(fixture);
    message->propose.block->justify->signatures[1].bytes[1] ^= 1;
    reseal(fixture, message);
    assert_int_equal(verify_and_drop_message(fixture, message), REJECT_BAD_SIGNATURE);
}

static void no_block_stands_on_a_prepare_or_precommit_qc(void **state)
{
    struct verify_fixture *fixture = *state;
    const struct ingot_hash parent = samples_hash(0xB1);
    for (int phase = PHASE_PREPARE; phase <= PHASE_PRECOMMIT; phase++) {
        struct qc *justify =
            samples_qc(&fixture->samples, QUORUM, 9, 8, &parent, (enum phase)phase);
        struct block *block = samples_block(&fixture->samples, justify, 5, 10, 2, 20);
        assert_int_equal(
            verify_and_drop_message(fixture, samples_propose(&fixture->samples, block, NULL)),
            REJECT_BINDING);
    }
    struct qc *commit = samples_qc(&fixture->samples, QUORUM, 10, 8, &parent, PHASE_COMMIT);
    struct block *block = samples_block(&fixture->next, commit, 5, 11, 2, 20);
    assert_int_equal(verify_and_drop_message(fixture, samples_propose(&fixture->next, block, NULL)),
                     REJECT_NONE);
}

static void a_set_changing_block_is_voted_for_in_prepare(void **state)
{
    struct verify_fixture *fixture = *state;
    struct message *message = good_propose(fixture);
    message->propose.block->next_validators_hash = fixture->next.set->hash;
    reseal(fixture, message);
    assert_int_equal(verify_message(&fixture->verifier, message), REJECT_BINDING);
    message->propose.vote.phase = PHASE_PREPARE;
    reseal(fixture, message);
    assert_int_equal(verify_and_drop_message(fixture, message), REJECT_NONE);
}

static void the_proof_of_entry_of_a_proposal_is_verified(void **state)
{
    struct verify_fixture *fixture = *state;
    struct message *message = good_propose(fixture);
    message->propose.tc = fixture_tc(fixture, QUORUM, 8); /* of view 12: does not prove view 9 */
    assert_int_equal(verify_and_drop_message(fixture, message), REJECT_BINDING);

    message = good_propose(fixture);
    message->propose.block->view = 13;
    reseal(fixture, message);
    message->propose.tc = fixture_tc(fixture, QUORUM, 8);
    assert_int_equal(verify_message(&fixture->verifier, message), REJECT_NONE);
    message->propose.tc->claims[2].signature.bytes[9] ^= 1;
    wire_seal_tc(message->propose.tc);
    assert_int_equal(verify_and_drop_message(fixture, message), REJECT_BAD_SIGNATURE);
}

static void a_forged_proposal_costs_one_verification(void **state)
{
    struct verify_fixture *fixture = *state;
    struct message *message = good_propose(fixture);
    message->propose.vote.signature.bytes[5] ^= 1;
    assert_int_equal(verify_and_drop_message(fixture, message), REJECT_BAD_SIGNATURE);
    assert_int_equal(fixture->verifier.counters.verifications, 1);
}

/* --- Nudges. --- */

static struct qc *phase_qc(const struct samples *samples, enum phase phase, uint64_t view)
{
    const struct ingot_hash block = samples_hash(0xB1);
    return samples_qc(samples, QUORUM, view, 8, &block, phase);
}

static void a_nudge_asks_for_the_phase_that_follows_from_its_justify(void **state)
{
    struct verify_fixture *fixture = *state;
    static const struct {
        enum phase shown;
        uint64_t justify_view;
        uint64_t view;
        enum phase asked;
    } rows[] = {
        {PHASE_PREPARE, 9, 10, PHASE_PRECOMMIT},
        {PHASE_PREPARE, 9, 11, PHASE_PREPARE}, /* a view failed between them */
        {PHASE_PRECOMMIT, 9, 10, PHASE_COMMIT},
        {PHASE_PRECOMMIT, 9, 11, PHASE_PREPARE},
        {PHASE_PRECOMMIT, 9, 13, PHASE_PREPARE},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        for (int phase = 0; phase < PHASE_COUNT; phase++) {
            struct message *message = samples_nudge(
                &fixture->samples, 1, rows[i].view,
                phase_qc(&fixture->samples, rows[i].shown, rows[i].justify_view), NULL);
            const struct nudge *nudge = &message->nudge;
            assert_int_equal(nudge->vote.phase, rows[i].asked);
            message->nudge.vote = samples_vote(&fixture->samples, 1, nudge->view,
                                               &nudge->justify->block, (enum phase)phase);
            assert_int_equal(verify_and_drop_message(fixture, message),
                             (enum phase)phase == rows[i].asked ? REJECT_NONE : REJECT_BINDING);
        }
    }
}

static struct message *good_nudge(const struct verify_fixture *fixture)
{
    return samples_nudge(&fixture->samples, 1, 10, phase_qc(&fixture->samples, PHASE_PREPARE, 9),
                         NULL);
}

static void a_nudge_stands_on_a_prepare_or_precommit_qc_of_an_earlier_view(void **state)
{
    struct verify_fixture *fixture = *state;
    struct message *message =
        samples_nudge(&fixture->samples, 1, 9, phase_qc(&fixture->samples, PHASE_GENERIC, 8), NULL);
    assert_int_equal(verify_and_drop_message(fixture, message), REJECT_BINDING);
    message = samples_nudge(&fixture->samples, 1, 11, phase_qc(&fixture->samples, PHASE_COMMIT, 10),
                            NULL);
    assert_int_equal(verify_and_drop_message(fixture, message), REJECT_BINDING);
    message =
        samples_nudge(&fixture->samples, 1, 9, phase_qc(&fixture->samples, PHASE_PREPARE, 9), NULL);
    assert_int_equal(verify_and_drop_message(fixture, message), REJECT_BINDING);

    /* The next epoch's members, of whom this block knows nothing. */
    message =
        samples_nudge(&fixture->next, 1, 10, phase_qc(&fixture->samples, PHASE_PREPARE, 9), NULL);
    assert_int_equal(verify_and_drop_message(fixture, message), REJECT_BINDING);
    assert_int_equal(fixture->verifier.counters.verifications, 0);
}

static void a_nudge_must_be_bound_to_its_leaders_vote(void **state)
{
    struct verify_fixture *fixture = *state;
    assert_int_equal(verify_and_drop_message(fixture, good_nudge(fixture)), REJECT_NONE);
    fixture->verifier.counters.verifications = 0;

    struct message *message = samples_nudge(&fixture->samples, 1, 11,
                                            phase_qc(&fixture->samples, PHASE_PREPARE, 9), NULL);
    message->nudge.view = 12; /* the vote is for the view before, and in the same phase */
    assert_int_equal(verify_and_drop_message(fixture, message), REJECT_BINDING);

    message = good_nudge(fixture);
    message->nudge.epoch = 1;
    assert_int_equal(verify_and_drop_message(fixture, message), REJECT_BINDING);

    message = good_nudge(fixture);
    message->nudge.vote.epoch = 1;
    assert_int_equal(verify_and_drop_message(fixture, message), REJECT_BINDING);

    message = good_nudge(fixture);
    const struct ingot_hash other = samples_hash(0xB2);
    message->nudge.vote = samples_vote(&fixture->samples, 1, 10, &other, PHASE_PRECOMMIT);
    assert_int_equal(verify_and_drop_message(fixture, message), REJECT_BINDING);

    message = good_nudge(fixture);
    message->nudge.vote.voter = 4;
    assert_int_equal(verify_and_drop_message(fixture, message), REJECT_NOT_A_MEMBER);
    assert_int_equal(fixture->verifier.counters.verifications, 0);

    message = good_nudge(fixture);
    message->nudge.vote.signature.bytes[5] ^= 1;
    assert_int_equal(verify_and_drop_message(fixture, message), REJECT_BAD_SIGNATURE);
    assert_int_equal(fixture->verifier.counters.verifications, 1);
}

static void what_a_nudge_carries_is_verified_too(void **state)
{
    struct verify_fixture *fixture = *state;
    struct message *message = good_nudge(fixture);
    message->nudge.justify->signatures[2].bytes[0] ^= 1;
    assert_int_equal(verify_and_drop_message(fixture, message), REJECT_BAD_SIGNATURE);

    /* A proof of entry that is not below the view it is to prove. */
    message = good_nudge(fixture);
    message->nudge.tc = fixture_tc(fixture, QUORUM, 8);
    assert_int_equal(verify_and_drop_message(fixture, message), REJECT_BINDING);

    message = samples_nudge(&fixture->samples, 1, 13, phase_qc(&fixture->samples, PHASE_PREPARE, 9),
                            fixture_tc(fixture, QUORUM, 8));
    assert_int_equal(verify_message(&fixture->verifier, message), REJECT_NONE);
    message->nudge.tc->claims[2].signature.bytes[9] ^= 1;
    wire_seal_tc(message->nudge.tc);
    assert_int_equal(verify_and_drop_message(fixture, message), REJECT_BAD_SIGNATURE);
}

/* --- The rest. --- */

static bool needs_a_set(const struct message *message)
{
    switch (message->kind) {
    case MESSAGE_SYNC_REQUEST:
    case MESSAGE_TRANSACTIONS:
    case MESSAGE_TRANSACTIONS_REQUEST:
    case MESSAGE_TRANSACTIONS_RESPONSE:
        return false;
    case MESSAGE_ADVERTISE:
        return !qc_is_genesis(message->advertise.high_qc);
    case MESSAGE_SYNC_RESPONSE:
        return message->sync_response.block_count > 0;
    case MESSAGE_PROPOSE:
    case MESSAGE_COMPACT_PROPOSE:
    case MESSAGE_VOTE:
    case MESSAGE_TIMEOUT:
    case MESSAGE_CERTIFICATE:
    case MESSAGE_NUDGE:
        break;
    }
    return true;
}

static void what_needs_an_unknown_set_costs_no_signature_and_is_not_remembered(void **state)
{
    struct verify_fixture *fixture = *state;
    fixture->epochs_known = 0;
    for (unsigned kind = 0; kind < MESSAGE_KIND_COUNT; kind++) {
        for (unsigned variant = 0; variant < 2; variant++) {
            struct message *message =
                samples_message(&fixture->samples, (enum message_kind)kind, variant);
            assert_int_equal(verify_message(&fixture->verifier, message),
                             needs_a_set(message) ? REJECT_UNKNOWN_EPOCH : REJECT_NONE);
            message_unref(message);
        }
    }
    assert_int_equal(fixture->verifier.counters.verifications, 0);
    assert_int_equal(fixture->verifier.valid_count, 0);
}

static void every_sample_of_every_kind_verifies(void **state)
{
    struct verify_fixture *fixture = *state;
    for (unsigned kind = 0; kind < MESSAGE_KIND_COUNT; kind++) {
        for (unsigned variant = 0; variant < 2; variant++) {
            assert_int_equal(
                verify_and_drop_message(
                    fixture, samples_message(&fixture->samples, (enum message_kind)kind, variant)),
                REJECT_NONE);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(name)                                                                                 \
    cmocka_unit_test_setup_teardown(name, verify_fixture_set_up, verify_fixture_tear_down)
        TEST(a_vote_cannot_be_replayed),
        TEST(a_timeout_is_bound_to_its_view_and_its_claim),
        TEST(what_a_timeout_carries_is_verified_too),
        TEST(a_timeout_binds_the_position_of_a_commit_qc),
        TEST(a_timeout_signature_is_no_vote),
        TEST(a_proposal_must_be_bound_to_its_proposers_vote),
        TEST(a_block_must_be_bound_to_its_justify),
        TEST(no_block_stands_on_a_prepare_or_precommit_qc),
        TEST(a_set_changing_block_is_voted_for_in_prepare),
        TEST(the_proof_of_entry_of_a_proposal_is_verified),
        TEST(a_forged_proposal_costs_one_verification),
        TEST(a_nudge_asks_for_the_phase_that_follows_from_its_justify),
        TEST(a_nudge_stands_on_a_prepare_or_precommit_qc_of_an_earlier_view),
        TEST(a_nudge_must_be_bound_to_its_leaders_vote),
        TEST(what_a_nudge_carries_is_verified_too),
        TEST(what_needs_an_unknown_set_costs_no_signature_and_is_not_remembered),
        TEST(every_sample_of_every_kind_verifies),
#undef TEST
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
