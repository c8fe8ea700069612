/*
 * Evidence: two different votes of one validator in one position. Goal: each way in which somebody
 * can be seen to vote twice is reported once, with both votes, and nothing that an honest validator
 * does is. Method: one core of four, alone; the test plays its peers and its App.
 *
 * Views 1 to 4 are led by validator 0, 5 to 8 by 2.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "lib/solo_story.h"

#define LEADER 0

static struct vote vote_for(uint32_t voter, uint64_t view, uint8_t block)
{
    struct vote vote = {.view = view, .voter = voter};
    memset(vote.block.bytes, block, INGOT_HASH_BYTES);
    memset(vote.signature.bytes, block, INGOT_SIGNATURE_BYTES);
    return vote;
}

static void receive(struct solo *solo, struct vote vote)
{
    struct message *message = message_new(MESSAGE_VOTE);
    message->vote = vote;
    (void)solo_receive(solo, 1, message);
}

/* Of the last step: one report, of this voter, for these two blocks in this order. */
static void expect_evidence(const struct solo *solo, uint32_t voter, uint64_t view,
                            const struct ingot_hash *first, const struct ingot_hash *second)
{
    assert_int_equal(solo_count(solo, CORE_EVIDENCE), 1);
    const struct vote *votes = solo_effect(solo, CORE_EVIDENCE, 0)->evidence;
    for (uint32_t i = 0; i < 2; i++) {
        assert_int_equal(votes[i].voter, voter);
        assert_int_equal(votes[i].view, view);
    }
    assert_memory_equal(votes[0].block.bytes, first->bytes, INGOT_HASH_BYTES);
    assert_memory_equal(votes[1].block.bytes, second->bytes, INGOT_HASH_BYTES);
}

static void expect_none(const struct solo *solo)
{
    assert_int_equal(solo_count(solo, CORE_EVIDENCE), 0);
}

/* A certificate of validators 0 to 2 for a block of which nothing else is known. */
static struct qc *certificate(uint64_t view, uint8_t block)
{
    struct qc *qc = qc_new(3);
    qc->view = view;
    qc->block_view = view;
    memset(qc->block.bytes, block, INGOT_HASH_BYTES);
    qc->validator_count = SOLO_VALIDATORS;
    for (uint32_t i = 0; i < 3; i++) {
        signers_add(&qc->signers, i);
        memset(qc->signatures[i].bytes, (int)(0x10 * block + i), INGOT_SIGNATURE_BYTES);
    }
    return qc;
}

/* --- Each way of voting twice. --- */

static void two_votes_for_two_blocks_are_evidence_and_a_third_adds_none(void **state)
{
    struct solo *solo = *state;
    const struct vote first = vote_for(1, 1, 7);
    const struct vote second = vote_for(1, 1, 8);
    receive(solo, first);
    expect_none(solo);
    receive(solo, second);
    expect_evidence(solo, 1, 1, &first.block, &second.block);
    const struct vote *votes = solo_effect(solo, CORE_EVIDENCE, 0)->evidence;
    assert_memory_equal(&votes[0].signature, &first.signature, sizeof first.signature);
    assert_memory_equal(&votes[1].signature, &second.signature, sizeof second.signature);
    receive(solo, vote_for(1, 1, 9));
    expect_none(solo);
    receive(solo, second);
    expect_none(solo);
}

static void two_phases_of_one_block_in_one_view_are_evidence(void **state)
{
    struct solo *solo = *state;
    struct vote vote = vote_for(1, 1, 7);
    vote.phase = PHASE_PREPARE;
    receive(solo, vote);
    vote.phase = PHASE_PRECOMMIT;
    receive(solo, vote);
    expect_evidence(solo, 1, 1, &vote.block, &vote.block);
}

static void two_proposals_of_one_view_are_evidence_against_their_leader(void **state)
{
    struct solo *solo = *state;
    struct block *first = solo_make(solo, solo->genesis, 1);
    struct block *second = solo_make(solo, solo->genesis, 1);
    solo_accept(solo, first, NULL);
    expect_none(solo);
    (void)solo_propose(solo, second, NULL);
    expect_evidence(solo, LEADER, 1, &first->hash, &second->hash);
    (void)solo_propose(solo, second, NULL);
    expect_none(solo);
}

static void a_nudge_beside_a_proposal_of_its_view_is_evidence_against_the_leader(void **state)
{
    struct solo *solo = *state;
    struct block *change = solo_make_change(solo, solo->genesis, 1);
    solo_accept(solo, change, NULL);
    (void)solo_show_qc(solo, solo_phase_qc(solo, change, PHASE_PREPARE, 1));
    struct block *rival = solo_make(solo, solo->genesis, 2);
    (void)solo_propose(solo, rival, NULL);
    expect_none(solo);
    (void)solo_nudge(solo, 2, solo_phase_qc(solo, change, PHASE_PREPARE, 1), NULL);
    expect_evidence(solo, LEADER, 2, &rival->hash, &change->hash);
}

static void a_certificate_that_bears_a_voters_name_for_another_block_is_evidence(void **state)
{
    struct solo *solo = *state;
    const struct vote vote = vote_for(1, 1, 7);
    receive(solo, vote);
    struct qc *qc = certificate(1, 8);
    qc_ref(qc);
    (void)solo_show_qc(solo, qc);
    expect_evidence(solo, 1, 1, &vote.block, &qc->block);
    assert_memory_equal(&solo_effect(solo, CORE_EVIDENCE, 0)->evidence[1].signature,
                        &qc->signatures[1], sizeof qc->signatures[1]);
    (void)solo_show_qc(solo, qc);
    expect_none(solo);
}

/* Whatever the order: the certificate first, and then the vote, which is of no use any more. */
static void a_vote_against_a_certificate_that_was_seen_before_is_evidence(void **state)
{
    struct solo *solo = *state;
    struct block *b1 = solo_accept_next(solo, solo->genesis, 1);
    (void)solo_show_qc(solo, solo_qc(solo, b1));
    solo_expect_position(solo_status(solo).high, 0, 1);
    const struct vote late = vote_for(1, 1, 9);
    assert_true(core_is_contradicted(solo->core, &late));
    assert_false(core_wants_vote(solo->core, vote_position(&late)));
    receive(solo, late);
    expect_evidence(solo, 1, 1, &b1->hash, &late.block);
    assert_false(core_is_contradicted(solo->core, &late));
}

/* Two certificates of one view can only be if too many lie; each of them is named. */
static void signers_of_two_certificates_are_each_reported(void **state)
{
    struct solo *solo = *state;
    (void)solo_show_qc(solo, certificate(3, 7));
    expect_none(solo);
    (void)solo_show_qc(solo, certificate(3, 8));
    assert_int_equal(solo_count(solo, CORE_EVIDENCE), 3);
}

static void the_certificate_in_a_fetched_block_is_looked_at_too(void **state)
{
    struct solo *solo = *state;
    struct block *b1 = solo_make(solo, solo->genesis, 1);
    struct block *b2 = solo_make(solo, b1, 2);
    const struct vote vote = vote_for(1, 1, 7);
    receive(solo, vote);
    struct message *message = message_new(MESSAGE_SYNC_RESPONSE);
    message->sync_response.block_count = 2;
    message->sync_response.blocks = calloc(2, sizeof(struct block *));
    message->sync_response.blocks[0] = block_ref(b1);
    message->sync_response.blocks[1] = block_ref(b2);
    message->sync_response.tail_qc = solo_qc(solo, b2);
    (void)solo_receive(solo, 1, message);
    expect_none(solo); /* the justify of the first is of genesis */
    (void)solo_validated(solo, b1, true);
    expect_evidence(solo, 1, 1, &vote.block, &b1->hash);
}

static void the_highest_certificate_is_remembered_across_a_restart(void **state)
{
    struct solo *solo = *state;
    struct block *b1 = solo_accept_next(solo, solo->genesis, 1);
    (void)solo_show_qc(solo, solo_qc(solo, b1));
    solo_crash(solo);
    const struct vote late = vote_for(1, 1, 9);
    receive(solo, late);
    expect_evidence(solo, 1, 1, &b1->hash, &late.block);
}

/* --- What only looks like it. --- */

static void the_same_vote_again_is_none_by_whatever_way_it_comes(void **state)
{
    struct solo *solo = *state;
    struct block *b1 = solo_accept_next(solo, solo->genesis, 1);
    expect_none(solo);
    (void)solo_vote(solo, LEADER, b1); /* as it came with the proposal */
    expect_none(solo);
    (void)solo_vote(solo, 1, b1);
    (void)solo_vote(solo, 1, b1);
    expect_none(solo);
    (void)solo_show_qc(solo, solo_qc(solo, b1)); /* and in a certificate */
    expect_none(solo);
}

static void votes_of_two_validators_for_two_blocks_are_none(void **state)
{
    struct solo *solo = *state;
    receive(solo, vote_for(0, 1, 7));
    receive(solo, vote_for(1, 1, 8));
    expect_none(solo);
}

static void votes_for_two_blocks_in_two_views_are_none(void **state)
{
    struct solo *solo = *state;
    receive(solo, vote_for(1, 1, 7));
    for (uint64_t view = 2; view < 100; view++) {
        receive(solo, vote_for(1, view, (uint8_t)view));
        expect_none(solo);
    }
}

/* A Prepare vote of view 1, a Precommit vote of view 2 and a Commit vote of view 3. */
static void the_phases_of_one_block_in_the_views_that_they_need_are_none(void **state)
{
    struct solo *solo = *state;
    struct block *change = solo_make_change(solo, solo->genesis, 1);
    solo_accept(solo, change, NULL);
    const enum phase phases[] = {PHASE_PREPARE, PHASE_PRECOMMIT, PHASE_COMMIT};
    for (uint32_t i = 0; i < 3; i++) {
        (void)solo_phase_vote(solo, 1, change, phases[i], i + 1);
        expect_none(solo);
    }
    for (uint32_t i = 0; i < 3; i++) {
        (void)solo_show_qc(solo, solo_phase_qc(solo, change, phases[i], i + 1));
        expect_none(solo);
    }
    solo_expect_position(solo_status(solo).current, 1, 4);
}

/* Views may be lower in a new epoch than they were in the old one. */
static void one_view_of_two_epochs_is_none(void **state)
{
    struct solo *solo = *state;
    struct block *change = solo_make_change(solo, solo->genesis, 1);
    solo_accept(solo, change, NULL);
    receive(solo, vote_for(1, 5, 7));
    (void)solo_show_qc(solo, solo_phase_qc(solo, change, PHASE_COMMIT, 3));
    solo_expect_position(solo_status(solo).current, 1, 4);
    struct vote vote = vote_for(1, 5, 8);
    vote.epoch = 1;
    receive(solo, vote);
    expect_none(solo);
    struct vote old = vote_for(1, 5, 9);
    receive(solo, old);
    expect_none(solo); /* true, and too late: nothing of the old epoch is kept */
}

static void timeouts_of_one_view_with_different_claims_are_none(void **state)
{
    struct solo *solo = *state;
    struct block *b1 = solo_accept_next(solo, solo->genesis, 1);
    (void)solo_show_qc(solo, solo_qc(solo, b1));
    (void)solo_timeout(solo, 1, 2, solo_qc(solo, b1), NULL);
    (void)solo_timeout(solo, 1, 3, solo_qc(solo, b1), NULL);
    struct block *b2 = solo_accept_next(solo, b1, 2);
    (void)solo_timeout(solo, 1, 3, solo_qc(solo, b2), NULL);
    expect_none(solo);
}

/* Gave up on view 1, and then votes for a block of view 1: forbidden, but no two votes. */
static void a_timeout_and_a_vote_of_one_view_are_none(void **state)
{
    struct solo *solo = *state;
    (void)solo_timeout(solo, 1, 1, solo_qc(solo, solo->genesis), NULL);
    receive(solo, vote_for(1, 1, 7));
    expect_none(solo);
}

static void our_own_vote_of_before_the_crash_is_none(void **state)
{
    struct solo *solo = *state;
    struct block *b1 = solo_accept_next(solo, solo->genesis, 1);
    (void)solo_vote(solo, SOLO_FOLLOWER, b1);
    solo_crash(solo);
    (void)solo_vote(solo, SOLO_FOLLOWER, b1);
    expect_none(solo);
}

/* --- Bounds. --- */

/* Otherwise whoever votes twice would first fill its places with views that nobody is in. */
static void votes_of_views_far_ahead_do_not_push_out_those_of_now(void **state)
{
    struct solo *solo = *state;
    const struct vote first = vote_for(1, 1, 7);
    const struct vote second = vote_for(1, 1, 8);
    receive(solo, first);
    for (uint64_t i = 1; i < 100; i++) {
        receive(solo, vote_for(1, 1 + i * INGOT_WITNESSED_VIEWS, 9));
        expect_none(solo);
    }
    receive(solo, vote_for(1, UINT64_MAX, 9));
    receive(solo, second);
    expect_evidence(solo, 1, 1, &first.block, &second.block);
}

static void votes_of_now_take_the_place_of_those_far_ahead(void **state)
{
    struct solo *solo = *state;
    receive(solo, vote_for(1, 1 + INGOT_WITNESSED_VIEWS, 9));
    const struct vote first = vote_for(1, 1, 7);
    const struct vote second = vote_for(1, 1, 8);
    receive(solo, first);
    receive(solo, second);
    expect_evidence(solo, 1, 1, &first.block, &second.block);
}

int main(void)
{
#define ROW(test) cmocka_unit_test_setup_teardown(test, solo_set_up, solo_tear_down)
    const struct CMUnitTest tests[] = {
        ROW(two_votes_for_two_blocks_are_evidence_and_a_third_adds_none),
        ROW(two_phases_of_one_block_in_one_view_are_evidence),
        ROW(two_proposals_of_one_view_are_evidence_against_their_leader),
        ROW(a_nudge_beside_a_proposal_of_its_view_is_evidence_against_the_leader),
        ROW(a_certificate_that_bears_a_voters_name_for_another_block_is_evidence),
        ROW(a_vote_against_a_certificate_that_was_seen_before_is_evidence),
        ROW(signers_of_two_certificates_are_each_reported),
        ROW(the_certificate_in_a_fetched_block_is_looked_at_too),
        ROW(the_highest_certificate_is_remembered_across_a_restart),
        ROW(the_same_vote_again_is_none_by_whatever_way_it_comes),
        ROW(votes_of_two_validators_for_two_blocks_are_none),
        ROW(votes_for_two_blocks_in_two_views_are_none),
        ROW(the_phases_of_one_block_in_the_views_that_they_need_are_none),
        ROW(one_view_of_two_epochs_is_none),
        ROW(timeouts_of_one_view_with_different_claims_are_none),
        ROW(a_timeout_and_a_vote_of_one_view_are_none),
        ROW(our_own_vote_of_before_the_crash_is_none),
        ROW(votes_of_views_far_ahead_do_not_push_out_those_of_now),
        ROW(votes_of_now_take_the_place_of_those_far_ahead),
    };
#undef ROW
    return cmocka_run_group_tests(tests, NULL, NULL);
}
