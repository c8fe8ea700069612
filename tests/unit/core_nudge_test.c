/*
 * Nudges: how a set-changing block goes from phase to phase. Goal: no order of messages makes a
 * replica vote for a phase that its certificates do not lead to, twice in a view or below its lock,
 * or refuse where it must vote. Method: one core of four, alone; the test plays its peers, its App
 * and time.
 *
 * Views 1 to 4 are led by validator 0, 5 to 8 by 2, 9 to 12 by 0, 13 to 16 by 3.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "lib/solo.h"

#define ME 3
#define MADE_MAX 8

struct story {
    struct solo solo;
    struct block *made[MADE_MAX]; /* owned */
    uint32_t count;
};

static struct story *begin(uint32_t me)
{
    struct story *story = calloc(1, sizeof *story);
    assert_non_null(story);
    solo_init(&story->solo, me);
    return story;
}

static void end(struct story *story)
{
    for (uint32_t i = 0; i < story->count; i++) {
        block_unref(story->made[i]);
    }
    solo_deinit(&story->solo);
    free(story);
}

static int set_up(void **state)
{
    *state = begin(ME);
    return 0;
}

static int tear_down(void **state)
{
    end(*state);
    return 0;
}

static struct block *keep(struct story *story, struct block *block)
{
    assert_true(story->count < MADE_MAX);
    story->made[story->count++] = block;
    return block;
}

/* Validator 0 leaves, validator 8 comes. */
static struct block *make_change(struct story *story, const struct block *parent, uint64_t view)
{
    return keep(story, solo_changing_block(&story->solo, parent, view, (uint8_t[]){1, 2, 3, 8}, 4));
}

/* A set-changing block on the genesis block, proposed in view 1 and voted for. */
static struct block *accept_change(struct story *story)
{
    struct block *block = make_change(story, story->solo.genesis, 1);
    solo_accept(&story->solo, block, NULL);
    return block;
}

/* A Generic block in view 1 and a set-changing one on it in view 2. */
static struct block *accept_change_in_view_2(struct story *story)
{
    struct block *first = keep(story, solo_block(&story->solo, story->solo.genesis, 1));
    solo_accept(&story->solo, first, NULL);
    struct block *block = make_change(story, first, 2);
    solo_accept(&story->solo, block, NULL);
    return block;
}

static struct qc *qc_of(const struct story *story, const struct block *block, enum phase phase,
                        uint64_t view)
{
    return solo_phase_qc(&story->solo, block, phase, view);
}

static void expect_vote(const struct story *story, const struct block *block, enum phase phase,
                        uint64_t view)
{
    const struct vote *vote = solo_sent_vote(&story->solo);
    assert_non_null(vote);
    assert_int_equal(vote->phase, phase);
    assert_int_equal(vote->epoch, 0);
    assert_int_equal(vote->view, view);
    assert_memory_equal(vote->block.bytes, block->hash.bytes, INGOT_HASH_BYTES);
    assert_true(vote_same_choice(vote, &story->solo.safety.vote));
    assert_int_equal(story->solo.safety.last_voted.view, view);
}

static void expect_current(const struct story *story, uint64_t view)
{
    const struct position current = solo_status(&story->solo).current;
    assert_int_equal(current.epoch, 0);
    assert_int_equal(current.view, view);
}

static void expect_lock(const struct story *story, uint64_t epoch, uint64_t view)
{
    const struct position locked = story->solo.safety.locked;
    assert_int_equal(locked.epoch, epoch);
    assert_int_equal(locked.view, view);
}

/* --- The phase that is voted for. --- */

static void
phases_follow_one_another_in_adjacent_views_else_the_block_is_prepared_again(void **state)
{
    (void)state;
    const struct {
        const char *why;
        enum phase justify;
        uint64_t justify_view;
        uint64_t tc_view; /* 0: the justify itself is the proof of entry */
        uint64_t view;
        enum phase expected;
    } rows[] = {
        {"prepared in the view before", PHASE_PREPARE, 1, 0, 2, PHASE_PRECOMMIT},
        {"prepared at the end of the tenure before", PHASE_PREPARE, 4, 0, 5, PHASE_PRECOMMIT},
        {"so, and its view was given up too", PHASE_PREPARE, 4, 4, 5, PHASE_PRECOMMIT},
        {"precommitted in the view before", PHASE_PRECOMMIT, 2, 0, 3, PHASE_COMMIT},
        {"prepared again, then precommitted", PHASE_PRECOMMIT, 8, 0, 9, PHASE_COMMIT},
        {"a view failed after Prepare", PHASE_PREPARE, 3, 4, 5, PHASE_PREPARE},
        {"many views failed after Prepare", PHASE_PREPARE, 1, 12, 13, PHASE_PREPARE},
        {"a view failed after Precommit", PHASE_PRECOMMIT, 3, 4, 5, PHASE_PREPARE},
        {"many views failed after Precommit", PHASE_PRECOMMIT, 2, 8, 9, PHASE_PREPARE},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct story *story = begin(1); /* it leads none of these views */
        struct block *block = accept_change(story);
        struct qc *justify = qc_of(story, block, rows[i].justify, rows[i].justify_view);
        assert_int_equal(nudge_phase(justify, rows[i].view), rows[i].expected);
        struct tc *tc =
            rows[i].tc_view == 0 ? NULL : solo_tc(&story->solo, rows[i].tc_view, qc_ref(justify));
        if (solo_nudge(&story->solo, rows[i].view, justify, tc) != REJECT_NONE) {
            fail_msg("refused: %s", rows[i].why);
        }
        expect_vote(story, block, rows[i].expected, rows[i].view);
        end(story);
    }
}

static void a_proposal_that_changes_the_set_is_voted_for_in_phase_prepare(void **state)
{
    struct story *story = *state;
    struct block *block = accept_change(story);
    expect_vote(story, block, PHASE_PREPARE, 1);
}

/* --- One vote a view. --- */

/* In view 5, by a TC whose claims are all of the genesis QC. */
static struct tc *tc_into_5(struct story *story)
{
    return solo_tc(&story->solo, 4, solo_qc(&story->solo, story->solo.genesis));
}

static void a_nudge_after_a_proposal_of_the_same_view_gets_no_vote(void **state)
{
    struct story *story = *state;
    struct block *change = accept_change(story);
    struct block *rival = keep(story, solo_block(&story->solo, story->solo.genesis, 5));
    solo_accept(&story->solo, rival, tc_into_5(story));
    assert_non_null(solo_sent_vote(&story->solo));
    (void)solo_nudge(&story->solo, 5, qc_of(story, change, PHASE_PREPARE, 1), tc_into_5(story));
    assert_null(solo_sent_vote(&story->solo));
}

static void a_proposal_after_a_nudge_of_the_same_view_gets_no_vote(void **state)
{
    struct story *story = *state;
    struct block *change = accept_change(story);
    assert_int_equal(
        solo_nudge(&story->solo, 5, qc_of(story, change, PHASE_PREPARE, 1), tc_into_5(story)),
        REJECT_NONE);
    expect_vote(story, change, PHASE_PREPARE, 5);
    struct block *rival = keep(story, solo_block(&story->solo, story->solo.genesis, 5));
    (void)solo_propose(&story->solo, rival, tc_into_5(story));
    (void)solo_validated(&story->solo, rival, true);
    assert_null(solo_sent_vote(&story->solo));
}

static void a_nudge_while_the_app_judges_a_proposal_leaves_that_one_without_a_vote(void **state)
{
    struct story *story = *state;
    struct block *change = accept_change(story);
    struct block *rival = keep(story, solo_block(&story->solo, story->solo.genesis, 5));
    (void)solo_propose(&story->solo, rival, tc_into_5(story));
    (void)solo_nudge(&story->solo, 5, qc_of(story, change, PHASE_PREPARE, 1), tc_into_5(story));
    expect_vote(story, change, PHASE_PREPARE, 5);
    (void)solo_validated(&story->solo, rival, true);
    assert_null(solo_sent_vote(&story->solo));
}

static void two_nudges_of_one_view_get_one_vote(void **state)
{
    struct story *story = *state;
    struct block *first = accept_change(story);
    (void)solo_nudge(&story->solo, 5, qc_of(story, first, PHASE_PREPARE, 1), tc_into_5(story));
    expect_vote(story, first, PHASE_PREPARE, 5);
    (void)solo_nudge(&story->solo, 5, qc_of(story, first, PHASE_PREPARE, 4), tc_into_5(story));
    assert_null(solo_sent_vote(&story->solo));
}

static void a_nudge_in_a_view_that_was_given_up_gets_no_vote(void **state)
{
    struct story *story = *state;
    struct block *block = accept_change(story);
    (void)solo_show_qc(&story->solo, qc_of(story, block, PHASE_PREPARE, 1));
    expect_current(story, 2);
    solo_tick(&story->solo, story->solo.config.base_timeout_ms);
    (void)solo_nudge(&story->solo, 2, qc_of(story, block, PHASE_PREPARE, 1), NULL);
    assert_null(solo_sent_vote(&story->solo));
}

/* --- The lock. --- */

static void each_phase_locks_what_others_can_show_and_nothing_lowers_it(void **state)
{
    struct story *story = *state;
    struct block *block = accept_change_in_view_2(story);
    const struct {
        const char *why;
        enum phase phase;
        uint64_t view;
        uint64_t epoch;
        uint64_t locked;
    } rows[] = {
        {"Prepare: the position of the block's justify", PHASE_PREPARE, 2, 0, 1},
        {"Precommit: the view below its own", PHASE_PRECOMMIT, 3, 0, 2},
        {"prepared again: never lower", PHASE_PREPARE, 5, 0, 2},
        {"Precommit again", PHASE_PRECOMMIT, 6, 0, 5},
        {"an old Precommit: never lower", PHASE_PRECOMMIT, 3, 0, 5},
        {"Commit: its position", PHASE_COMMIT, 7, 1, 4},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        (void)solo_show_qc(&story->solo, qc_of(story, block, rows[i].phase, rows[i].view));
        print_message("%s\n", rows[i].why);
        expect_lock(story, rows[i].epoch, rows[i].locked);
    }
}

static void a_locked_replica_votes_to_prepare_its_block_again(void **state)
{
    struct story *story = *state;
    struct block *block = accept_change_in_view_2(story);
    (void)solo_show_qc(&story->solo, qc_of(story, block, PHASE_PRECOMMIT, 3));
    expect_lock(story, 0, 2);
    /* Nobody else has the Precommit QC: the next leader stands on the Prepare QC of view 2. */
    struct qc *prepare = qc_of(story, block, PHASE_PREPARE, 2);
    assert_int_equal(
        solo_nudge(&story->solo, 5, prepare, solo_tc(&story->solo, 4, qc_ref(prepare))),
        REJECT_NONE);
    expect_vote(story, block, PHASE_PREPARE, 5);
}

static void a_nudge_below_the_lock_gets_no_vote(void **state)
{
    struct story *story = *state;
    struct block *block = accept_change_in_view_2(story);
    (void)solo_show_qc(&story->solo, qc_of(story, block, PHASE_PREPARE, 5));
    (void)solo_show_qc(&story->solo, qc_of(story, block, PHASE_PRECOMMIT, 6));
    expect_lock(story, 0, 5);
    struct qc *prepare = qc_of(story, block, PHASE_PREPARE, 2);
    assert_int_equal(
        solo_nudge(&story->solo, 9, prepare, solo_tc(&story->solo, 8, qc_ref(prepare))),
        REJECT_BELOW_LOCK);
    expect_current(story, 9);
    assert_null(solo_sent_vote(&story->solo));
}

static void a_block_without_the_change_below_the_lock_of_a_precommit_gets_no_vote(void **state)
{
    struct story *story = *state;
    struct block *block = accept_change_in_view_2(story);
    (void)solo_show_qc(&story->solo, qc_of(story, block, PHASE_PRECOMMIT, 3));
    struct block *rival = keep(story, solo_block(&story->solo, story->made[0], 5));
    (void)solo_propose(&story->solo, rival,
                       solo_tc(&story->solo, 4, solo_qc(&story->solo, story->made[0])));
    assert_int_equal(solo_validated(&story->solo, rival, true), REJECT_BELOW_LOCK);
    assert_null(solo_sent_vote(&story->solo));
}

/* --- Nudges that do not count. --- */

static void a_nudge_that_does_not_prove_its_entry_is_refused(void **state)
{
    struct story *story = *state;
    struct block *block = accept_change(story);
    assert_int_equal(solo_nudge(&story->solo, 3, qc_of(story, block, PHASE_PREPARE, 1), NULL),
                     REJECT_NO_ENTRY_PROOF);
    assert_null(solo_sent_vote(&story->solo));
    expect_current(story, 2);
    /* A TC of another view, and one whose highest claim is above the justify. */
    assert_int_equal(solo_nudge(&story->solo, 9, qc_of(story, block, PHASE_PREPARE, 1),
                                solo_tc(&story->solo, 4, qc_of(story, block, PHASE_PREPARE, 1))),
                     REJECT_NO_ENTRY_PROOF);
    expect_current(story, 5);
    assert_int_equal(solo_nudge(&story->solo, 9, qc_of(story, block, PHASE_PREPARE, 1),
                                solo_tc(&story->solo, 8, qc_of(story, block, PHASE_PREPARE, 4))),
                     REJECT_NO_ENTRY_PROOF);
    expect_current(story, 9);
    assert_null(solo_sent_vote(&story->solo));
}

static struct message *nudge_from(struct story *story, uint32_t sender, const struct block *block)
{
    struct message *message = message_new(MESSAGE_NUDGE);
    message->nudge = (struct nudge){
        .view = 2,
        .justify = qc_of(story, block, PHASE_PREPARE, 1),
        .vote = {.view = 2, .block = block->hash, .phase = PHASE_PRECOMMIT, .voter = sender}};
    return message;
}

static void a_nudge_of_somebody_who_does_not_lead_the_view_is_refused(void **state)
{
    struct story *story = *state;
    struct block *block = accept_change(story);
    assert_int_equal(solo_receive(&story->solo, 2, nudge_from(story, 2, block)), REJECT_NOT_LEADER);
    assert_null(solo_sent_vote(&story->solo));
    expect_current(story, 2); /* its certificate counts all the same */
    assert_int_equal(solo_receive(&story->solo, 0, nudge_from(story, 0, block)), REJECT_NONE);
    expect_vote(story, block, PHASE_PRECOMMIT, 2);
}

static void a_nudge_of_the_past_is_answered_and_its_certificates_are_used(void **state)
{
    struct story *story = *state;
    struct block *block = accept_change(story);
    (void)solo_show_tc(&story->solo, tc_into_5(story));
    expect_current(story, 5);
    assert_int_equal(solo_nudge(&story->solo, 2, qc_of(story, block, PHASE_PREPARE, 1), NULL),
                     REJECT_PAST);
    assert_null(solo_sent_vote(&story->solo));
    assert_int_equal(solo_count(&story->solo, CORE_ANSWER), 2); /* the high QC and the TC */
    assert_int_equal(solo_status(&story->solo).high.view, 1);
}

static void a_nudge_for_a_block_that_is_committed_gets_no_vote(void **state)
{
    struct story *story = *state;
    struct block *block = accept_change(story);
    (void)solo_show_qc(&story->solo, qc_of(story, block, PHASE_COMMIT, 3));
    assert_int_equal(solo_status(&story->solo).last_committed->height, 1);
    (void)solo_nudge(&story->solo, 2, qc_of(story, block, PHASE_PREPARE, 1), NULL);
    assert_null(solo_sent_vote(&story->solo));
    (void)solo_nudge(&story->solo, 60, qc_of(story, block, PHASE_PREPARE, 59), NULL);
    assert_null(solo_sent_vote(&story->solo));
    assert_int_equal(solo_status(&story->solo).current.epoch, 1);
    assert_int_equal(solo_status(&story->solo).current.view, 4);
}

static void a_nudge_on_a_certificate_of_another_phase_than_its_block_has_is_refused(void **state)
{
    struct story *story = *state;
    struct block *plain = keep(story, solo_block(&story->solo, story->solo.genesis, 1));
    solo_accept(&story->solo, plain, NULL);
    assert_int_equal(solo_nudge(&story->solo, 2, qc_of(story, plain, PHASE_PREPARE, 1), NULL),
                     REJECT_BINDING);
    assert_null(solo_sent_vote(&story->solo));
    expect_current(story, 1);
}

/* --- Nudges and votes that come before the block. --- */

static void expect_vote_in(const struct core_effect *effect, enum phase phase, uint64_t view)
{
    assert_non_null(effect);
    assert_int_equal(effect->message->kind, MESSAGE_VOTE);
    assert_int_equal(effect->message->vote.phase, phase);
    assert_int_equal(effect->message->vote.view, view);
}

static void a_nudge_that_comes_before_its_block_is_used_when_the_block_is_there(void **state)
{
    struct story *story = *state;
    struct block *block = make_change(story, story->solo.genesis, 1);
    assert_int_equal(solo_nudge(&story->solo, 2, qc_of(story, block, PHASE_PREPARE, 1), NULL),
                     REJECT_NONE);
    assert_null(solo_sent_vote(&story->solo));
    assert_true(solo_status(&story->solo).pending_bytes > 0);
    assert_non_null(solo_status(&story->solo).waiting_qc);
    solo_accept(&story->solo, block, NULL);
    /* Its own view is voted for first, then the view that the nudge is of. */
    expect_vote_in(solo_effect(&story->solo, CORE_SEND, 0), PHASE_PREPARE, 1);
    expect_vote_in(solo_effect(&story->solo, CORE_SEND, 1), PHASE_PRECOMMIT, 2);
    assert_int_equal(story->solo.safety.last_voted.view, 2);
    assert_int_equal(solo_status(&story->solo).pending_bytes, 0);
}

static void a_nudge_whose_block_the_app_refuses_gets_no_vote(void **state)
{
    struct story *story = *state;
    struct block *block = make_change(story, story->solo.genesis, 1);
    assert_int_equal(solo_propose(&story->solo, block, NULL), REJECT_NONE);
    (void)solo_validated(&story->solo, block, false);
    (void)solo_nudge(&story->solo, 2, qc_of(story, block, PHASE_PREPARE, 1), NULL);
    assert_null(solo_sent_vote(&story->solo));
}

static void votes_of_a_phase_make_their_certificate_when_the_block_comes(void **state)
{
    (void)state;
    const enum phase phases[] = {PHASE_PREPARE, PHASE_PRECOMMIT, PHASE_COMMIT};
    for (uint64_t i = 0; i < 3; i++) {
        struct story *story = begin(ME);
        struct block *block = make_change(story, story->solo.genesis, 1);
        for (uint32_t voter = 0; voter < 3; voter++) {
            assert_int_equal(solo_phase_vote(&story->solo, voter, block, phases[i], 1 + i),
                             REJECT_NONE);
        }
        assert_null(solo_sent_certificate(&story->solo));
        expect_current(story, 1);
        solo_accept(&story->solo, block, NULL);
        const struct certificate *sent = solo_sent_certificate(&story->solo);
        assert_non_null(sent);
        assert_non_null(sent->qc);
        assert_int_equal(sent->qc->phase, phases[i]);
        assert_int_equal(sent->qc->view, 1 + i);
        assert_int_equal(sent->qc->block_view, 1);
        assert_int_equal(sent->qc->signature_count, 3);
        assert_int_equal(solo_status(&story->solo).current.epoch, i == 2 ? 1 : 0);
        assert_int_equal(solo_status(&story->solo).current.view, 2 + i);
        end(story);
    }
}

static void votes_of_different_phases_make_no_certificate_together(void **state)
{
    struct story *story = *state;
    struct block *block = accept_change(story);
    (void)solo_phase_vote(&story->solo, 0, block, PHASE_PREPARE, 5);
    (void)solo_phase_vote(&story->solo, 1, block, PHASE_PRECOMMIT, 5);
    (void)solo_phase_vote(&story->solo, 2, block, PHASE_PREPARE, 5);
    assert_null(solo_sent_certificate(&story->solo));
    expect_current(story, 1);
}

/* --- To whom votes go. --- */

static bool is_recipient(const struct core_effect *effect, uint32_t validator)
{
    bool is_there = false;
    for (uint32_t i = 0; i < effect->recipient_count; i++) {
        is_there = is_there || effect->recipients[i].bytes[0] == validator + 1;
    }
    return is_there;
}

static void votes_to_commit_go_to_the_first_leader_of_the_new_set_too(void **state)
{
    struct story *story = *state;
    struct block *block =
        keep(story, solo_changing_block(&story->solo, story->solo.genesis, 1, (uint8_t[]){8}, 1));
    solo_accept(&story->solo, block, NULL);
    const struct {
        uint64_t view;
        enum phase justify;
    } nudges[] = {{6, PHASE_PREPARE}, {7, PHASE_PREPARE}, {8, PHASE_PRECOMMIT}};
    (void)solo_show_qc(&story->solo, qc_of(story, block, PHASE_PREPARE, 5));
    for (size_t i = 0; i < 3; i++) {
        const enum phase phase = i == 0 ? PHASE_PREPARE : nudges[i].justify;
        (void)solo_nudge(&story->solo, nudges[i].view,
                         qc_of(story, block, phase, nudges[i].view - 1), NULL);
        assert_non_null(solo_sent_vote(&story->solo));
        const struct core_effect *effect = solo_effect(&story->solo, CORE_SEND, 0);
        assert_non_null(effect);
        const bool is_commit = solo_sent_vote(&story->solo)->phase == PHASE_COMMIT;
        assert_int_equal(is_commit, nudges[i].view == 8);
        assert_true(is_recipient(effect, 2));                           /* leads 5 to 8 */
        assert_int_equal(is_recipient(effect, 0), nudges[i].view == 8); /* leads 9 */
        assert_int_equal(is_recipient(effect, 8), is_commit);
        assert_int_equal(effect->recipient_count, is_commit ? 3 : 1);
    }
}

/* --- The leader's own. --- */

static const struct nudge *sent_nudge(const struct story *story)
{
    for (uint32_t i = 0; i < story->solo.effects.count; i++) {
        const struct core_effect *effect = &story->solo.effects.items[i];
        if (effect->kind == CORE_BROADCAST && effect->message->kind == MESSAGE_NUDGE) {
            return &effect->message->nudge;
        }
    }
    return NULL;
}

static void a_leader_nudges_where_it_holds_a_prepare_or_precommit_qc(void **state)
{
    (void)state;
    struct story *story = begin(2);
    struct block *block = accept_change(story);
    struct qc *prepare = qc_of(story, block, PHASE_PREPARE, 2);
    (void)solo_show_tc(&story->solo, solo_tc(&story->solo, 4, prepare));
    const struct nudge *nudge = sent_nudge(story);
    assert_non_null(nudge);
    assert_int_equal(nudge->view, 5);
    assert_non_null(nudge->tc);
    expect_vote(story, block, PHASE_PREPARE, 5);
    assert_int_equal(solo_count(&story->solo, CORE_ASK_PROPOSE), 0);
    (void)solo_show_qc(&story->solo, qc_of(story, block, PHASE_PREPARE, 5));
    nudge = sent_nudge(story);
    assert_non_null(nudge);
    assert_null(nudge->tc);
    expect_vote(story, block, PHASE_PRECOMMIT, 6);
    (void)solo_show_qc(&story->solo, qc_of(story, block, PHASE_PRECOMMIT, 6));
    expect_vote(story, block, PHASE_COMMIT, 7);
    end(story);
}

static void a_leader_that_restarts_nudges_no_second_time_in_its_view(void **state)
{
    (void)state;
    struct story *story = begin(0);
    struct solo *solo = &story->solo;
    struct block *block = make_change(story, solo->genesis, 1);
    (void)solo_step(solo, (struct core_event){.kind = CORE_BUILT,
                                              .block = block,
                                              .position = {0, 1},
                                              .next_set = solo->changes[0].next_set});
    expect_vote(story, block, PHASE_PREPARE, 1);
    (void)solo_show_qc(solo, qc_of(story, block, PHASE_PREPARE, 1));
    assert_non_null(sent_nudge(story));
    solo_crash(solo);
    assert_null(sent_nudge(story));
    expect_vote(story, block, PHASE_PRECOMMIT, 2); /* the same vote once more */
    solo_tick(solo, 1);
    assert_null(sent_nudge(story));
    end(story);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(phases_follow_one_another_in_adjacent_views_else_the_block_is_prepared_again),
        TEST(a_proposal_that_changes_the_set_is_voted_for_in_phase_prepare),
        TEST(a_nudge_after_a_proposal_of_the_same_view_gets_no_vote),
        TEST(a_proposal_after_a_nudge_of_the_same_view_gets_no_vote),
        TEST(a_nudge_while_the_app_judges_a_proposal_leaves_that_one_without_a_vote),
        TEST(two_nudges_of_one_view_get_one_vote),
        TEST(a_nudge_in_a_view_that_was_given_up_gets_no_vote),
        TEST(each_phase_locks_what_others_can_show_and_nothing_lowers_it),
        TEST(a_locked_replica_votes_to_prepare_its_block_again),
        TEST(a_nudge_below_the_lock_gets_no_vote),
        TEST(a_block_without_the_change_below_the_lock_of_a_precommit_gets_no_vote),
        TEST(a_nudge_that_does_not_prove_its_entry_is_refused),
        TEST(a_nudge_of_somebody_who_does_not_lead_the_view_is_refused),
        TEST(a_nudge_of_the_past_is_answered_and_its_certificates_are_used),
        TEST(a_nudge_for_a_block_that_is_committed_gets_no_vote),
        TEST(a_nudge_on_a_certificate_of_another_phase_than_its_block_has_is_refused),
        TEST(a_nudge_that_comes_before_its_block_is_used_when_the_block_is_there),
        TEST(a_nudge_whose_block_the_app_refuses_gets_no_vote),
        TEST(votes_of_a_phase_make_their_certificate_when_the_block_comes),
        TEST(votes_of_different_phases_make_no_certificate_together),
        TEST(votes_to_commit_go_to_the_first_leader_of_the_new_set_too),
        TEST(a_leader_nudges_where_it_holds_a_prepare_or_precommit_qc),
        TEST(a_leader_that_restarts_nudges_no_second_time_in_its_view),
    };
#undef TEST
    return cmocka_run_group_tests(tests, NULL, NULL);
}
