/*
 * Epochs: what the Commit QC of a set-changing block opens, and what ends with the epoch before.
 * Goal: every replica enters at the same position, whoever is in neither set or leaves signs
 * nothing, and nothing of the old epoch moves the new one. Method: one core, alone; the test plays
 * its peers, its App, its disk and time.
 *
 * The first set is 0 to 3. The block that changes it is proposed in view 1; validator 0 leaves and
 * 8 comes. The epoch begins in view 4, which validator 1 leads; 3 leads views 5 to 8.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "lib/solo.h"

#define IDLE_MS 5000

struct story {
    struct solo solo;
    struct block *change; /* owned */
};

static struct story *begin(uint32_t me)
{
    struct story *story = calloc(1, sizeof *story);
    assert_non_null(story);
    solo_init_idle(&story->solo, me, IDLE_MS);
    story->change =
        solo_changing_block(&story->solo, story->solo.genesis, 1, (uint8_t[]){1, 2, 3, 8}, 4);
    return story;
}

static void end(struct story *story)
{
    block_unref(story->change);
    solo_deinit(&story->solo);
    free(story);
}

static struct qc *qc_of(const struct story *story, enum phase phase, uint64_t view)
{
    return solo_phase_qc(&story->solo, story->change, phase, view);
}

static void accept_change(struct story *story)
{
    solo_accept(&story->solo, story->change, NULL);
}

/* The block is here, and its Commit QC opens the epoch. */
static struct story *begin_in_epoch(uint32_t me)
{
    struct story *story = begin(me);
    accept_change(story);
    (void)solo_show_qc(&story->solo, qc_of(story, PHASE_COMMIT, 3));
    return story;
}

static void expect_current(const struct story *story, uint64_t epoch, uint64_t view)
{
    const struct position current = solo_status(&story->solo).current;
    assert_int_equal(current.epoch, epoch);
    assert_int_equal(current.view, view);
}

/* How many messages of a kind the last step sent or broadcast. */
static uint32_t count_said(const struct solo *solo, enum message_kind kind)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < solo->effects.count; i++) {
        const struct core_effect *effect = &solo->effects.items[i];
        count += effect->message != NULL && effect->message->kind == kind;
    }
    return count;
}

static uint32_t count_signed(const struct solo *solo)
{
    return count_said(solo, MESSAGE_PROPOSE) + count_said(solo, MESSAGE_NUDGE) +
           count_said(solo, MESSAGE_VOTE) + count_said(solo, MESSAGE_TIMEOUT);
}

/* The leader of the block's view has built it. */
static void build(struct solo *solo, struct block *block)
{
    (void)solo_step(
        solo,
        (struct core_event){.kind = CORE_BUILT, .block = block, .position = block_position(block)});
}

/* --- Entering. --- */

static void
an_epoch_begins_after_its_blocks_view_whatever_view_its_commit_qc_was_formed_in(void **state)
{
    (void)state;
    const uint64_t views[] = {3, 7, 500};
    for (size_t i = 0; i < 3; i++) {
        struct story *story = begin(2);
        accept_change(story);
        if (i == 1) { /* later views of the old epoch have begun */
            (void)solo_show_qc(&story->solo, qc_of(story, PHASE_PRECOMMIT, 499));
            expect_current(story, 0, 500);
        }
        (void)solo_show_qc(&story->solo, qc_of(story, PHASE_COMMIT, views[i]));
        expect_current(story, 1, 4);
        assert_int_equal(solo_status(&story->solo).locked.epoch, 1);
        assert_int_equal(solo_status(&story->solo).locked.view, 3);
        assert_int_equal(solo_status(&story->solo).last_committed->height, 1);
        assert_int_equal(count_said(&story->solo, MESSAGE_CERTIFICATE), 1);
        /* Another one, formed elsewhere, is no news. */
        (void)solo_show_qc(&story->solo, qc_of(story, PHASE_COMMIT, 9));
        assert_int_equal(count_said(&story->solo, MESSAGE_CERTIFICATE), 0);
        assert_int_equal(solo_status(&story->solo).high_qc->view, views[i]);
        expect_current(story, 1, 4);
        end(story);
    }
}

static void
a_commit_qc_that_comes_before_its_block_opens_the_epoch_when_that_is_fetched(void **state)
{
    (void)state;
    struct story *story = begin(2);
    (void)solo_show_qc(&story->solo, qc_of(story, PHASE_COMMIT, 3));
    expect_current(story, 0, 1);
    assert_int_equal(solo_status(&story->solo).waiting_qc->phase, PHASE_COMMIT);
    struct message *message = message_new(MESSAGE_SYNC_RESPONSE);
    message->sync_response.block_count = 1;
    message->sync_response.blocks = calloc(1, sizeof(struct block *));
    message->sync_response.blocks[0] = block_ref(story->change);
    message->sync_response.tail_qc = qc_of(story, PHASE_COMMIT, 3);
    assert_int_equal(solo_receive(&story->solo, 0, message), REJECT_NONE);
    assert_int_equal(solo_count(&story->solo, CORE_ASK_VALIDATE), 1);
    (void)solo_validated(&story->solo, story->change, true);
    expect_current(story, 1, 4);
    assert_null(solo_status(&story->solo).waiting_qc);
    end(story);
}

/* --- What ends with the epoch before. --- */

static void votes_and_timeouts_of_the_old_epoch_count_for_nothing_in_the_new_one(void **state)
{
    (void)state;
    struct story *story = begin(2);
    struct solo *solo = &story->solo;
    accept_change(story);
    for (uint32_t voter = 0; voter < 2; voter++) {
        assert_int_equal(solo_timeout(solo, voter, 4, solo_qc(solo, solo->genesis), NULL),
                         REJECT_NONE);
    }
    (void)solo_show_qc(solo, qc_of(story, PHASE_COMMIT, 3));
    expect_current(story, 1, 4);
    assert_int_equal(count_signed(solo), 0);
    /* One of the new epoch, with the two of the old one, would be a quorum. */
    (void)solo_timeout(solo, 2, 4, qc_of(story, PHASE_COMMIT, 3), NULL);
    assert_int_equal(count_signed(solo), 0);
    expect_current(story, 1, 4);
    (void)solo_timeout(solo, 3, 4, qc_of(story, PHASE_COMMIT, 3), NULL);
    assert_int_equal(count_said(solo, MESSAGE_TIMEOUT), 1); /* two of four: we join */
    end(story);
}

static void what_the_old_epoch_still_says_moves_nothing(void **state)
{
    (void)state;
    struct story *story = begin_in_epoch(2);
    struct solo *solo = &story->solo;
    const uint64_t views = solo_status(solo).views_entered;
    struct qc *genesis_qc = solo_qc(solo, solo->genesis);
    assert_int_equal(solo_show_tc(solo, solo_tc(solo, 40, genesis_qc)), REJECT_PAST);
    assert_int_equal(solo_phase_vote(solo, 0, story->change, PHASE_COMMIT, 60), REJECT_PAST);
    solo->now_ms += 1000;
    assert_int_equal(solo_timeout(solo, 0, 60, qc_of(story, PHASE_PREPARE, 50), NULL), REJECT_PAST);
    assert_int_equal(solo_count(solo, CORE_ANSWER), 1); /* its sender learns of the epoch */
    solo->now_ms += 1000;
    assert_int_equal(solo_nudge(solo, 61, qc_of(story, PHASE_PRECOMMIT, 60), NULL), REJECT_PAST);
    assert_int_equal(solo_count(solo, CORE_ANSWER), 1);
    (void)solo_show_qc(solo, qc_of(story, PHASE_PREPARE, 90));
    (void)solo_show_qc(solo, qc_of(story, PHASE_PRECOMMIT, 91));
    const struct core_status status = solo_status(solo);
    assert_int_equal(status.views_entered, views);
    assert_int_equal(status.high_qc->phase, PHASE_COMMIT);
    assert_int_equal(status.locked.epoch, 1);
    assert_int_equal(status.locked.view, 3);
    assert_null(status.high_tc);
    expect_current(story, 1, 4);
    end(story);
}

static void a_proposal_that_the_app_still_judges_gets_no_vote_in_the_new_epoch(void **state)
{
    (void)state;
    struct story *story = begin(1);
    struct solo *solo = &story->solo;
    accept_change(story);
    struct block *rival = solo_block(solo, solo->genesis, 5);
    (void)solo_propose(solo, rival, solo_tc(solo, 4, solo_qc(solo, solo->genesis)));
    assert_int_equal(solo_count(solo, CORE_ASK_VALIDATE), 1);
    (void)solo_show_qc(solo, qc_of(story, PHASE_COMMIT, 3));
    (void)solo_validated(solo, rival, true);
    assert_int_equal(count_signed(solo), 0);
    block_unref(rival);
    end(story);
}

static void a_block_that_was_built_for_the_old_epoch_is_not_proposed(void **state)
{
    (void)state;
    struct story *story = begin(2);
    struct solo *solo = &story->solo;
    accept_change(story);
    (void)solo_show_tc(solo, solo_tc(solo, 4, solo_qc(solo, solo->genesis)));
    assert_int_equal(solo_count(solo, CORE_ASK_PROPOSE), 1);
    struct block *block = solo_block(solo, solo->genesis, 5);
    (void)solo_show_qc(solo, qc_of(story, PHASE_COMMIT, 3));
    build(solo, block);
    assert_int_equal(count_signed(solo), 0);
    assert_int_equal(solo_count(solo, CORE_ABANDON), 1);
    block_unref(block);
    end(story);
}

static void a_vote_of_the_old_epoch_is_not_said_again(void **state)
{
    (void)state;
    struct story *story = begin(2);
    struct solo *solo = &story->solo;
    accept_change(story);
    solo_crash(solo);
    assert_int_equal(count_said(solo, MESSAGE_VOTE), 1);
    (void)solo_show_qc(solo, qc_of(story, PHASE_COMMIT, 3));
    (void)solo_step(solo, (struct core_event){.kind = CORE_CONNECTED, .peer = 0});
    assert_int_equal(count_signed(solo), 0);
    solo_crash(solo);
    assert_int_equal(count_signed(solo), 0);
    end(story);
}

/* --- Who signs. --- */

static void who_is_in_neither_set_signs_nothing_and_runs_no_timer(void **state)
{
    (void)state;
    struct story *story = begin(9);
    struct solo *solo = &story->solo;
    accept_change(story);
    assert_int_equal(count_signed(solo), 0);
    solo_tick(solo, 50000);
    assert_int_equal(count_signed(solo), 0);
    (void)solo_nudge(solo, 2, qc_of(story, PHASE_PREPARE, 1), NULL);
    assert_int_equal(count_signed(solo), 0);
    (void)solo_show_qc(solo, qc_of(story, PHASE_COMMIT, 3));
    expect_current(story, 1, 4);
    assert_int_equal(count_said(solo, MESSAGE_CERTIFICATE), 1); /* it passes the news on */
    solo_tick(solo, 40000);
    assert_int_equal(count_signed(solo), 0);
    assert_int_equal(solo->safety.last_voted.view, 0);
    end(story);
}

static void who_leaves_stops_signing_and_follows(void **state)
{
    (void)state;
    struct story *story = begin_in_epoch(0);
    struct solo *solo = &story->solo;
    assert_false(solo_status(solo).is_member);
    solo_tick(solo, 50000);
    assert_int_equal(count_signed(solo), 0);
    struct block *child = solo_block(solo, story->change, 4);
    solo_accept(solo, child, NULL);
    assert_int_equal(count_signed(solo), 0);
    (void)solo_show_qc(solo, solo_qc(solo, child));
    expect_current(story, 1, 5);
    for (uint32_t voter = 0; voter < 3; voter++) {
        (void)solo_timeout(solo, voter, 5, solo_qc(solo, child), NULL);
        assert_int_equal(count_signed(solo), 0);
    }
    expect_current(story, 1, 9); /* by the TC */
    solo_tick(solo, 60000);
    assert_int_equal(count_said(solo, MESSAGE_ADVERTISE), 1);
    assert_int_equal(count_signed(solo), 0);
    block_unref(child);
    end(story);
}

static void who_is_let_in_signs_from_the_first_view_on(void **state)
{
    (void)state;
    struct story *story = begin(8);
    struct solo *solo = &story->solo;
    accept_change(story);
    solo_tick(solo, 50000);
    assert_int_equal(count_signed(solo), 0);
    (void)solo_show_qc(solo, qc_of(story, PHASE_COMMIT, 3));
    assert_true(solo_status(solo).is_member);
    struct block *child = solo_block(solo, story->change, 4);
    solo_accept(solo, child, NULL);
    const struct vote *vote = solo_sent_vote(solo);
    assert_non_null(vote);
    assert_int_equal(vote->epoch, 1);
    assert_int_equal(vote->view, 4);
    assert_int_equal(vote->voter, 3); /* in the new set */
    solo_tick(solo, solo->config.base_timeout_ms);
    assert_int_equal(count_said(solo, MESSAGE_TIMEOUT), 1);
    block_unref(child);
    end(story);
}

static void a_timeout_of_the_first_view_needs_no_tc(void **state)
{
    (void)state;
    struct story *story = begin_in_epoch(2);
    struct solo *solo = &story->solo;
    solo_tick(solo, solo->config.base_timeout_ms);
    const struct core_effect *effect = solo_effect(solo, CORE_BROADCAST, 0);
    assert_non_null(effect);
    assert_int_equal(effect->message->kind, MESSAGE_TIMEOUT);
    assert_int_equal(effect->message->timeout.epoch, 1);
    assert_int_equal(effect->message->timeout.view, 4);
    assert_null(effect->message->timeout.tc);
    assert_int_equal(effect->message->timeout.high_qc->phase, PHASE_COMMIT);
    end(story);
}

static void
signing_that_is_allowed_up_to_a_view_of_the_old_epoch_is_allowed_in_the_new_one(void **state)
{
    (void)state;
    struct story *story = begin(2);
    struct solo *solo = &story->solo;
    solo->config.withholds_signing = true;
    solo_crash(solo);
    accept_change(story);
    (void)solo_show_qc(solo, qc_of(story, PHASE_COMMIT, 3));
    solo_tick(solo, 50000);
    assert_int_equal(count_signed(solo), 0);
    (void)solo_step(solo, (struct core_event){.kind = CORE_ALLOW_SIGNING, .position = {0, 4000}});
    assert_int_equal(solo->safety.last_voted.epoch, 1);
    assert_int_equal(solo->safety.last_voted.view, 4);
    assert_int_equal(count_said(solo, MESSAGE_TIMEOUT), 1); /* the view has lasted long enough */
    end(story);
}

/* --- Idle chains. --- */

static void the_leader_of_the_first_view_does_not_wait(void **state)
{
    (void)state;
    struct story *story = begin_in_epoch(1);
    assert_int_equal(solo_count(&story->solo, CORE_ASK_PROPOSE), 1);
    solo_crash(&story->solo);
    assert_int_equal(solo_count(&story->solo, CORE_ASK_PROPOSE), 1);
    end(story);
}

static void a_change_is_nudged_at_once(void **state)
{
    (void)state;
    struct story *story = begin(2);
    accept_change(story);
    (void)solo_show_tc(&story->solo, solo_tc(&story->solo, 4, qc_of(story, PHASE_PREPARE, 3)));
    assert_int_equal(count_said(&story->solo, MESSAGE_NUDGE), 1);
    (void)solo_show_qc(&story->solo, qc_of(story, PHASE_PREPARE, 5));
    assert_int_equal(count_said(&story->solo, MESSAGE_NUDGE), 1);
    end(story);
}

static void blocks_follow_at_once_until_the_first_of_the_epoch_is_committed(void **state)
{
    (void)state;
    struct story *story = begin_in_epoch(3);
    struct solo *solo = &story->solo;
    struct block *blocks[3];
    blocks[0] = solo_block(solo, story->change, 4);
    solo_accept(solo, blocks[0], NULL);
    for (uint32_t i = 1; i < 3; i++) {
        (void)solo_show_qc(solo, solo_qc(solo, blocks[i - 1]));
        assert_int_equal(solo_count(solo, CORE_ASK_PROPOSE), 1);
        blocks[i] = solo_block(solo, blocks[i - 1], 4 + i);
        build(solo, blocks[i]);
        assert_int_equal(count_said(solo, MESSAGE_PROPOSE), 1);
    }
    (void)solo_show_qc(solo, solo_qc(solo, blocks[2]));
    assert_int_equal(solo_status(solo).last_committed->height, 2);
    assert_int_equal(solo_count(solo, CORE_ASK_PROPOSE), 0);
    solo_tick(solo, IDLE_MS);
    assert_int_equal(solo_count(solo, CORE_ASK_PROPOSE), 1);
    for (uint32_t i = 0; i < 3; i++) {
        block_unref(blocks[i]);
    }
    end(story);
}

/* --- Restarts. --- */

#define STEPS 8

static void do_step(struct story *story, struct block *child, uint32_t step)
{
    struct solo *solo = &story->solo;
    switch (step) {
    case 0:
        (void)solo_propose(solo, story->change, NULL);
        break;
    case 1:
        (void)solo_validated(solo, story->change, true);
        break;
    case 2:
        (void)solo_nudge(solo, 2, qc_of(story, PHASE_PREPARE, 1), NULL);
        break;
    case 3:
        (void)solo_nudge(solo, 3, qc_of(story, PHASE_PRECOMMIT, 2), NULL);
        break;
    case 4:
        (void)solo_show_qc(solo, qc_of(story, PHASE_COMMIT, 3));
        break;
    case 5:
        (void)solo_propose(solo, child, NULL);
        (void)solo_validated(solo, child, true);
        break;
    case 6:
        (void)solo_show_qc(solo, solo_qc(solo, child));
        break;
    default:
        solo_tick(solo, solo->config.base_timeout_ms + IDLE_MS);
        break;
    }
}

static void expect_same(const struct core_status *found, const struct core_status *expected)
{
    assert_int_equal(position_compare(found->current, expected->current), 0);
    assert_int_equal(position_compare(found->last_voted, expected->last_voted), 0);
    assert_int_equal(position_compare(found->locked, expected->locked), 0);
    assert_int_equal(position_compare(found->high, expected->high), 0);
    assert_int_equal(found->high_qc->phase, expected->high_qc->phase);
    assert_int_equal(found->last_committed->height, expected->last_committed->height);
    assert_int_equal(found->is_member, expected->is_member);
    assert_int_equal(found->set->epoch, expected->set->epoch);
    assert_int_equal(found->tree_blocks, expected->tree_blocks);
}

static void
a_restart_after_any_step_finds_what_the_step_left_and_votes_for_nothing_else(void **state)
{
    (void)state;
    for (uint32_t crash_at = 0; crash_at < STEPS; crash_at++) {
        struct story *story = begin(2);
        struct solo *solo = &story->solo;
        struct block *child = solo_block(solo, story->change, 4);
        struct vote last = {0};
        for (uint32_t step = 0; step < STEPS; step++) {
            do_step(story, child, step);
            last = solo_sent_vote(solo) != NULL ? *solo_sent_vote(solo) : last;
            if (step != crash_at) {
                continue;
            }
            const struct core_status before = solo_status(solo);
            struct block *committed = block_ref(before.last_committed);
            struct qc *high_qc = qc_ref(before.high_qc);
            solo_crash(solo);
            const struct core_status after = solo_status(solo);
            expect_same(&after, &before);
            block_unref(committed);
            qc_unref(high_qc);
            const struct vote *again = solo_sent_vote(solo);
            assert_true(again == NULL || vote_same_choice(again, &last));
            do_step(story, child, step); /* what came before the crash comes once more */
            again = solo_sent_vote(solo);
            assert_true(again == NULL || step == 0 || vote_same_choice(again, &last));
        }
        expect_current(story, 1, 5);
        assert_int_equal(solo_status(solo).last_voted.epoch, 1);
        assert_int_equal(solo_status(solo).last_voted.view, 5);
        block_unref(child);
        end(story);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(
            an_epoch_begins_after_its_blocks_view_whatever_view_its_commit_qc_was_formed_in),
        cmocka_unit_test(
            a_commit_qc_that_comes_before_its_block_opens_the_epoch_when_that_is_fetched),
        cmocka_unit_test(votes_and_timeouts_of_the_old_epoch_count_for_nothing_in_the_new_one),
        cmocka_unit_test(what_the_old_epoch_still_says_moves_nothing),
        cmocka_unit_test(a_proposal_that_the_app_still_judges_gets_no_vote_in_the_new_epoch),
        cmocka_unit_test(a_block_that_was_built_for_the_old_epoch_is_not_proposed),
        cmocka_unit_test(a_vote_of_the_old_epoch_is_not_said_again),
        cmocka_unit_test(who_is_in_neither_set_signs_nothing_and_runs_no_timer),
        cmocka_unit_test(who_leaves_stops_signing_and_follows),
        cmocka_unit_test(who_is_let_in_signs_from_the_first_view_on),
        cmocka_unit_test(a_timeout_of_the_first_view_needs_no_tc),
        cmocka_unit_test(
            signing_that_is_allowed_up_to_a_view_of_the_old_epoch_is_allowed_in_the_new_one),
        cmocka_unit_test(the_leader_of_the_first_view_does_not_wait),
        cmocka_unit_test(a_change_is_nudged_at_once),
        cmocka_unit_test(blocks_follow_at_once_until_the_first_of_the_epoch_is_committed),
        cmocka_unit_test(
            a_restart_after_any_step_finds_what_the_step_left_and_votes_for_nothing_else),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
