/*
 * Certificates that lie about the view of their block, which their signatures do not cover. Goal:
 * whoever changes it in a genuine certificate wins nothing and stops nothing, whether the block is
 * here or not. Method: one core of four, alone; the test plays its peers and its App.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "lib/solo.h"

#define ME 1 /* leads none of the first sixteen views */

struct story {
    struct solo solo;
    struct block *block; /* in view 1, changes the set; owned */
};

static int set_up(void **state)
{
    struct story *story = calloc(1, sizeof *story);
    assert_non_null(story);
    solo_init(&story->solo, ME);
    story->block =
        solo_changing_block(&story->solo, story->solo.genesis, 1, (uint8_t[]){1, 2, 3, 8}, 4);
    *state = story;
    return 0;
}

static int tear_down(void **state)
{
    struct story *story = *state;
    block_unref(story->block);
    solo_deinit(&story->solo);
    free(story);
    return 0;
}

static struct qc *lying(const struct story *story, enum phase phase, uint64_t view,
                        uint64_t block_view)
{
    struct qc *qc = solo_phase_qc(&story->solo, story->block, phase, view);
    qc->block_view = block_view;
    return qc;
}

static void expect_current(const struct story *story, uint64_t epoch, uint64_t view)
{
    const struct position current = solo_status(&story->solo).current;
    assert_int_equal(current.epoch, epoch);
    assert_int_equal(current.view, view);
}

static void expect_high(const struct story *story, enum phase phase, uint64_t view)
{
    const struct qc *high = story->solo.safety.high_qc;
    assert_int_equal(high->phase, phase);
    assert_int_equal(high->view, view);
    assert_int_equal(high->block_view, 1);
    assert_int_equal(high->signature_count, 3);
}

/* A replica without the block can only take over what it is shown, and gets into the view with it.
 * If those who have the block refused its proof, the two would never meet in a view again. */
static void a_tc_lets_in_though_its_qc_lies_about_the_view_of_its_block(void **state)
{
    struct story *story = *state;
    solo_accept(&story->solo, story->block, NULL);
    const enum reject reject =
        solo_show_tc(&story->solo, solo_tc(&story->solo, 6, lying(story, PHASE_PREPARE, 3, 2)));
    assert_int_equal(reject, REJECT_NONE);
    expect_current(story, 0, 9);
    expect_high(story, PHASE_PREPARE, 3);
}

static void a_timeout_counts_though_its_qc_lies_about_the_view_of_its_block(void **state)
{
    struct story *story = *state;
    solo_accept(&story->solo, story->block, NULL);
    for (uint32_t voter = 0; voter < 4; voter++) {
        if (voter != ME) {
            (void)solo_timeout(&story->solo, voter, 4, lying(story, PHASE_PREPARE, 3, 3), NULL);
        }
    }
    expect_current(story, 0, 5);
}

static void what_a_quorum_has_signed_is_used_with_the_view_of_its_block_put_right(void **state)
{
    struct story *story = *state;
    solo_accept(&story->solo, story->block, NULL);
    assert_int_equal(solo_show_qc(&story->solo, lying(story, PHASE_PREPARE, 1, 9)), REJECT_NONE);
    expect_high(story, PHASE_PREPARE, 1);
    expect_current(story, 0, 2);
    assert_int_equal(solo_show_qc(&story->solo, lying(story, PHASE_PRECOMMIT, 2, 2)), REJECT_NONE);
    expect_high(story, PHASE_PRECOMMIT, 2);
    expect_current(story, 0, 3);
    assert_int_equal(solo_show_qc(&story->solo, lying(story, PHASE_COMMIT, 7, 5)), REJECT_NONE);
    expect_high(story, PHASE_COMMIT, 7);
    expect_current(story, 1, 4);
    assert_int_equal(solo_sent_certificate(&story->solo)->qc->block_view, 1);
}

/* Verification has asked for the digest of what was shown. What is kept of it is another. */
static void a_certificate_that_was_put_right_has_a_digest_of_its_own(void **state)
{
    struct story *story = *state;
    solo_accept(&story->solo, story->block, NULL);
    struct qc *lie = lying(story, PHASE_PREPARE, 1, 9);
    lie->has_digest = true;
    memset(&lie->digest, 0xD1, sizeof lie->digest);
    assert_int_equal(solo_show_qc(&story->solo, lie), REJECT_NONE);
    expect_high(story, PHASE_PREPARE, 1);
    assert_false(story->solo.safety.high_qc->has_digest); /* nobody has asked for it yet */
}

static void a_quorum_in_a_view_in_which_the_block_could_not_have_the_phase_is_refused(void **state)
{
    struct story *story = *state;
    struct block *late =
        solo_changing_block(&story->solo, story->solo.genesis, 5, (uint8_t[]){1, 2, 3, 8}, 4);
    solo_accept(&story->solo, late,
                solo_tc(&story->solo, 4, solo_qc(&story->solo, story->solo.genesis)));
    const struct {
        enum phase phase;
        uint64_t view;
    } rows[] = {{PHASE_GENERIC, 5},   {PHASE_PREPARE, 4}, {PHASE_PRECOMMIT, 4},
                {PHASE_PRECOMMIT, 5}, {PHASE_COMMIT, 5},  {PHASE_COMMIT, 6}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct qc *qc = solo_phase_qc(&story->solo, late, rows[i].phase, rows[i].view);
        qc->block_view = 1;
        assert_int_equal(solo_show_qc(&story->solo, qc), REJECT_BINDING);
        expect_current(story, 0, 5);
    }
    block_unref(late);
}

static void a_lie_that_waits_for_the_block_does_not_keep_the_truth_out(void **state)
{
    struct story *story = *state;
    assert_int_equal(solo_show_qc(&story->solo, lying(story, PHASE_PREPARE, 1, 9)), REJECT_NONE);
    (void)solo_show_qc(&story->solo, lying(story, PHASE_PREPARE, 1, 1));
    expect_current(story, 0, 1);
    solo_accept(&story->solo, story->block, NULL);
    expect_current(story, 0, 2);
    expect_high(story, PHASE_PREPARE, 1);
}

static void a_commit_qc_that_waits_with_a_lie_opens_the_epoch_where_its_block_says(void **state)
{
    struct story *story = *state;
    assert_int_equal(solo_show_qc(&story->solo, lying(story, PHASE_COMMIT, 90, 70)), REJECT_NONE);
    expect_current(story, 0, 1);
    solo_accept(&story->solo, story->block, NULL);
    expect_current(story, 1, 4);
    expect_high(story, PHASE_COMMIT, 90);
}

static void a_block_whose_justify_lies_about_the_view_of_its_parent_is_refused(void **state)
{
    struct story *story = *state;
    solo_accept(&story->solo, story->block, NULL);
    (void)solo_show_qc(&story->solo, lying(story, PHASE_COMMIT, 3, 1));
    expect_current(story, 1, 4);
    /* Let in by a TC, so that only the justify is wrong. */
    struct block *child = solo_block(&story->solo, story->block, 9);
    child->justify->block_view = 2;
    struct tc *tc = solo_tc(&story->solo, 8, lying(story, PHASE_COMMIT, 3, 1));
    assert_int_equal(solo_propose(&story->solo, child, tc), REJECT_BINDING);
    assert_int_equal(solo_count(&story->solo, CORE_ASK_VALIDATE), 0);
    block_unref(child);
}

/* What waits must be above the highest certificate; the invariant looks after each step. */
static void a_certificate_that_waits_goes_once_votes_make_a_higher_one(void **state)
{
    struct story *story = *state;
    struct solo *solo = &story->solo;
    struct block *late = solo_changing_block(solo, solo->genesis, 5, (uint8_t[]){1, 2, 3, 8}, 4);
    struct block *unknown = solo_block(solo, solo->genesis, 6);
    (void)solo_show_tc(solo, solo_tc(solo, 8, solo_qc(solo, solo->genesis)));
    (void)solo_show_qc(solo, solo_phase_qc(solo, late, PHASE_PREPARE, 5));
    (void)solo_propose(solo, late, solo_tc(solo, 4, solo_qc(solo, solo->genesis)));
    assert_int_equal(solo_count(solo, CORE_ASK_VALIDATE), 1);
    (void)solo_show_qc(solo, solo_qc(solo, unknown));
    for (uint32_t voter = 0; voter < 4; voter++) {
        if (voter != ME) {
            (void)solo_phase_vote(solo, voter, late, PHASE_PREPARE, 7);
        }
    }
    assert_non_null(solo_status(solo).waiting_qc);
    (void)solo_validated(solo, late, true);
    assert_int_equal(solo_status(solo).high.view, 7);
    assert_null(solo_status(solo).waiting_qc);
    block_unref(late);
    block_unref(unknown);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(a_tc_lets_in_though_its_qc_lies_about_the_view_of_its_block),
        TEST(a_timeout_counts_though_its_qc_lies_about_the_view_of_its_block),
        TEST(what_a_quorum_has_signed_is_used_with_the_view_of_its_block_put_right),
        TEST(a_certificate_that_was_put_right_has_a_digest_of_its_own),
        TEST(a_quorum_in_a_view_in_which_the_block_could_not_have_the_phase_is_refused),
        TEST(a_lie_that_waits_for_the_block_does_not_keep_the_truth_out),
        TEST(a_commit_qc_that_waits_with_a_lie_opens_the_epoch_where_its_block_says),
        TEST(a_block_whose_justify_lies_about_the_view_of_its_parent_is_refused),
        TEST(a_certificate_that_waits_goes_once_votes_make_a_higher_one),
    };
#undef TEST
    return cmocka_run_group_tests(tests, NULL, NULL);
}
