/*
 * Views that are missing between certificates. Goal: what is not certified in views that follow one
 * another commits nothing, by three blocks or by three phases; the phases begin again instead.
 * Method: one core of four, alone; the test plays its peers, its App and time.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "lib/solo_story.h"

static uint64_t committed_height(const struct solo *solo)
{
    return solo_status(solo).last_committed->height;
}

/* Three views of three blocks. */
static void a_view_gap_commits_nothing(void **state)
{
    static const struct {
        const char *why;
        uint64_t views[3];
        bool commits;
    } rows[] = {
        {"consecutive views commit the first", {1, 2, 3}, true},
        {"a gap between the first and the second", {1, 5, 6}, false},
        {"a gap between the second and the third", {1, 2, 5}, false},
        {"both gaps", {1, 5, 9}, false},
        {"consecutive, but later", {5, 6, 7}, true},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        solo_start_again(state);
        struct solo *solo = *state;
        const struct block *block = solo->genesis;
        for (size_t j = 0; j < 3; j++) {
            block = solo_accept_next(solo, block, rows[i].views[j]);
            assert_int_equal(committed_height(solo), 0);
        }
        assert_int_equal(solo_show_qc(solo, solo_qc(solo, block)), REJECT_NONE);
        if (committed_height(solo) != (rows[i].commits ? 1 : 0)) {
            fail_msg("%s: height %d", rows[i].why, (int)committed_height(solo));
        }
        assert_int_equal(solo_count(solo, CORE_COMMIT), rows[i].commits ? 1 : 0);
    }
}

/* The third block changes the set: its Prepare QC stands for a Generic one, in its own view only.
 */
static void a_block_that_is_prepared_again_commits_nothing_below_it(void **state)
{
    static const struct {
        uint64_t prepared;
        bool commits;
    } rows[] = {{3, true}, {4, false}, {5, false}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        solo_start_again(state);
        struct solo *solo = *state;
        const struct block *b1 = solo_accept_next(solo, solo->genesis, 1);
        const struct block *b2 = solo_accept_next(solo, b1, 2);
        struct block *change = solo_make_change(solo, b2, 3);
        solo_accept(solo, change, NULL);
        assert_int_equal(
            solo_show_qc(solo, solo_phase_qc(solo, change, PHASE_PREPARE, rows[i].prepared)),
            REJECT_NONE);
        assert_int_equal(committed_height(solo), rows[i].commits ? 1 : 0);
    }
}

/* A block that changes the set, and what the leader of a later view stands on. */
static void a_gap_between_phases_prepares_again(void **state)
{
    static const struct {
        const char *why;
        enum phase certified;
        uint64_t certified_view;
        uint64_t nudge_view;
        enum phase voted;
    } rows[] = {
        {"Precommit follows Prepare", PHASE_PREPARE, 1, 2, PHASE_PRECOMMIT},
        {"Commit follows Precommit", PHASE_PRECOMMIT, 2, 3, PHASE_COMMIT},
        {"a gap after Prepare", PHASE_PREPARE, 1, 5, PHASE_PREPARE},
        {"a gap after Precommit", PHASE_PRECOMMIT, 2, 5, PHASE_PREPARE},
        {"a gap of one view after Precommit", PHASE_PRECOMMIT, 3, 5, PHASE_PREPARE},
        {"Precommit follows a late Prepare", PHASE_PREPARE, 5, 6, PHASE_PRECOMMIT},
        {"Commit follows a late Precommit", PHASE_PRECOMMIT, 5, 6, PHASE_COMMIT},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        solo_start_again(state);
        struct solo *solo = *state;
        struct block *change = solo_make_change(solo, solo->genesis, 1);
        solo_accept(solo, change, NULL);
        struct qc *justify = solo_phase_qc(solo, change, rows[i].certified, rows[i].certified_view);
        const uint64_t view = rows[i].nudge_view;
        struct tc *tc =
            rows[i].certified_view + 1 == view ? NULL : solo_tc(solo, view - 1, qc_ref(justify));
        assert_int_equal(solo_nudge(solo, view, justify, tc), REJECT_NONE);
        const struct vote *vote = solo_sent_vote(solo);
        if (vote == NULL || vote->phase != rows[i].voted || vote->view != view) {
            fail_msg("%s: phase %d", rows[i].why, vote == NULL ? -1 : (int)vote->phase);
        }
        assert_int_equal(committed_height(solo), 0);
        assert_int_equal(solo_status(solo).current.epoch, 0);
    }
}

static void the_last_blocks_of_an_epoch_and_the_first_of_the_next_are_no_chain(void **state)
{
    struct solo *solo = *state;
    struct block *change = solo_make_change(solo, solo->genesis, 1);
    solo_accept(solo, change, NULL);
    struct block *first = solo_make(solo, change, 4);
    solo_accept(solo, first, NULL);
    assert_int_equal(committed_height(solo), 1);
    struct block *second = solo_make(solo, first, 5);
    solo_accept(solo, second, NULL);
    assert_int_equal(solo_show_qc(solo, solo_qc(solo, second)), REJECT_NONE);
    assert_int_equal(committed_height(solo), 1);
    struct block *third = solo_make(solo, second, 6);
    solo_accept(solo, third, NULL);
    assert_int_equal(solo_show_qc(solo, solo_qc(solo, third)), REJECT_NONE);
    assert_int_equal(committed_height(solo), 2);
}

#define STORY(name) cmocka_unit_test_setup_teardown(name, solo_set_up, solo_tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        STORY(a_view_gap_commits_nothing),
        STORY(a_block_that_is_prepared_again_commits_nothing_below_it),
        STORY(a_gap_between_phases_prepares_again),
        STORY(the_last_blocks_of_an_epoch_and_the_first_of_the_next_are_no_chain),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
