/*
 * What a replica is locked on, and what it votes for all the same. Goal: nothing that comes later,
 * however often, lowers a lock, and a lock never keeps a replica from what a quorum can still
 * show it. Method: one core of four, alone; the test plays its peers, its App and time.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "lib/solo_story.h"

/* A child of `parent` gets no vote, although the TC that comes with it allows it. */
static void expect_below_lock(struct solo *solo, const struct block *parent, uint64_t view,
                              uint64_t tc_view)
{
    struct block *rival = solo_make(solo, parent, view);
    assert_int_equal(solo_propose(solo, rival, solo_tc(solo, tc_view, solo_qc(solo, parent))),
                     REJECT_NONE);
    assert_int_equal(solo_validated(solo, rival, true), REJECT_BELOW_LOCK);
    assert_null(solo_sent_vote(solo));
}

static void expect_voted(const struct solo *solo, const struct block *block, uint64_t view,
                         enum phase phase)
{
    const struct vote *vote = solo_sent_vote(solo);
    assert_non_null(vote);
    assert_memory_equal(vote->block.bytes, block->hash.bytes, INGOT_HASH_BYTES);
    assert_int_equal(vote->view, view);
    assert_int_equal(vote->phase, phase);
}

static void expect_same_positions(struct core_status before, struct core_status after)
{
    assert_int_equal(position_compare(before.current, after.current), 0);
    assert_int_equal(position_compare(before.last_voted, after.last_voted), 0);
    assert_int_equal(position_compare(before.locked, after.locked), 0);
    assert_int_equal(position_compare(before.high, after.high), 0);
}

/* A set-changing block of view 1, which we have voted for. */
static struct block *accept_change(struct solo *solo)
{
    struct block *change = solo_make_change(solo, solo->genesis, 1);
    solo_accept(solo, change, NULL);
    expect_voted(solo, change, 1, PHASE_PREPARE);
    return change;
}

/* The leader of `view` nudges, standing on a certificate of the view before. */
static void nudge_on(struct solo *solo, const struct block *change, uint64_t view,
                     enum phase certified)
{
    assert_int_equal(solo_nudge(solo, view, solo_phase_qc(solo, change, certified, view - 1), NULL),
                     REJECT_NONE);
    expect_voted(solo, change, view, (enum phase)(certified + 1));
}

/* --- Timeouts. --- */

static void a_lock_outlives_any_number_of_timeouts(void **state)
{
    struct solo *solo = *state;
    const struct block *b1 = solo_accept_next(solo, solo->genesis, 1);
    const struct block *b2 = solo_accept_next(solo, b1, 2);
    const struct block *b3 = solo_accept_next(solo, b2, 3);
    solo_expect_position(solo_status(solo).locked, 0, 1);
    assert_int_equal(solo_show_qc(solo, solo_qc(solo, b3)), REJECT_NONE);
    solo_expect_position(solo_status(solo).locked, 0, 2);
    /* A quorum that knows nothing of it gives up tenure after tenure. */
    for (uint64_t view = 4; view < 400; view += 4) {
        solo_tick(solo, 10000);
        assert_int_equal(solo_show_tc(solo, solo_tc(solo, view, solo_qc(solo, b1))), REJECT_NONE);
        solo_expect_position(solo_status(solo).locked, 0, 2);
        solo_expect_position(solo_status(solo).high, 0, 3);
    }
    const uint64_t view = solo_status(solo).current.view;
    expect_below_lock(solo, b1, view, view - 4);
}

static void a_lock_of_a_phase_outlives_any_number_of_timeouts(void **state)
{
    struct solo *solo = *state;
    const struct block *change = accept_change(solo);
    nudge_on(solo, change, 2, PHASE_PREPARE);
    nudge_on(solo, change, 3, PHASE_PRECOMMIT);
    solo_expect_position(solo_status(solo).locked, 0, 1);
    for (uint64_t view = 4; view < 400; view += 4) {
        solo_tick(solo, 10000);
        assert_int_equal(solo_show_tc(solo, solo_tc(solo, view, solo_qc(solo, solo->genesis))),
                         REJECT_NONE);
        solo_expect_position(solo_status(solo).locked, 0, 1);
        solo_expect_position(solo_status(solo).high, 0, 2);
    }
    const uint64_t view = solo_status(solo).current.view;
    expect_below_lock(solo, solo->genesis, view, view - 4);
}

/* --- Old certificates. --- */

static void replaying_an_old_qc_lowers_nothing(void **state)
{
    struct solo *solo = *state;
    const struct block *b1 = solo_accept_next(solo, solo->genesis, 1);
    const struct block *b2 = solo_accept_next(solo, b1, 2);
    /* A gap, so that nothing is committed and all blocks stay. */
    const struct block *b5 = solo_accept_next(solo, b2, 5);
    const struct block *b6 = solo_accept_next(solo, b5, 6);
    assert_int_equal(solo_show_qc(solo, solo_qc(solo, b6)), REJECT_NONE);
    const struct core_status before = solo_status(solo);
    solo_expect_position(before.locked, 0, 5);
    const struct block *old[] = {b1, b2, b5, b6};
    for (size_t i = 0; i < sizeof old / sizeof old[0]; i++) {
        (void)solo_show_qc(solo, solo_qc(solo, old[i]));
        assert_int_equal(solo_count(solo, CORE_PERSIST_SAFETY), 0);
        expect_same_positions(before, solo_status(solo));
    }
}

static void replaying_an_old_qc_of_a_phase_lowers_nothing(void **state)
{
    struct solo *solo = *state;
    const struct block *change = accept_change(solo);
    nudge_on(solo, change, 2, PHASE_PREPARE);
    nudge_on(solo, change, 3, PHASE_PRECOMMIT);
    /* In the new epoch a block is certified; its justify committed the change. */
    struct block *first = solo_make(solo, change, 4);
    solo_accept(solo, first, NULL);
    assert_int_equal(solo_show_qc(solo, solo_qc(solo, first)), REJECT_NONE);
    const struct core_status before = solo_status(solo);
    solo_expect_position(before.current, 1, 5);
    solo_expect_position(before.high, 1, 4);
    solo_expect_position(before.locked, 1, 3);
    /* All that the old set has ever certified, and what it certifies again in later views. */
    for (uint64_t later = 0; later <= 400; later += 40) {
        const struct {
            enum phase phase;
            uint64_t view;
        } old[] = {{PHASE_PREPARE, 1}, {PHASE_PRECOMMIT, 2}, {PHASE_COMMIT, 3}};
        for (size_t i = 0; i < sizeof old / sizeof old[0]; i++) {
            (void)solo_show_qc(solo,
                               solo_phase_qc(solo, change, old[i].phase, old[i].view + later));
            assert_int_equal(solo_count(solo, CORE_PERSIST_SAFETY), 0);
            assert_int_equal(solo_count(solo, CORE_COMMIT), 0);
            expect_same_positions(before, solo_status(solo));
        }
    }
}

/* --- The same block again. --- */

static void a_locked_replica_accepts_the_same_block_again(void **state)
{
    struct solo *solo = *state;
    const struct block *change = accept_change(solo);
    nudge_on(solo, change, 2, PHASE_PREPARE);
    nudge_on(solo, change, 3, PHASE_PRECOMMIT);
    /* The view fails after all have voted to commit. Whoever leads next prepares it again, though
     * this block's own justify is far below the lock. */
    solo_expect_position(solo_status(solo).locked, 0, 1);
    assert_int_equal(solo_nudge(solo, 5, solo_phase_qc(solo, change, PHASE_PRECOMMIT, 2),
                                solo_tc(solo, 3, solo_phase_qc(solo, change, PHASE_PRECOMMIT, 2))),
                     REJECT_NONE);
    expect_voted(solo, change, 5, PHASE_PREPARE);
    nudge_on(solo, change, 6, PHASE_PREPARE);
    nudge_on(solo, change, 7, PHASE_PRECOMMIT);
    assert_int_equal(solo_show_qc(solo, solo_phase_qc(solo, change, PHASE_COMMIT, 7)), REJECT_NONE);
    assert_int_equal(solo_count(solo, CORE_COMMIT), 1);
    solo_expect_position(solo_status(solo).current, 1, 4);
}

static void a_locked_replica_accepts_the_same_parent_again(void **state)
{
    struct solo *solo = *state;
    const struct block *b1 = solo_accept_next(solo, solo->genesis, 1);
    const struct block *b2 = solo_accept_next(solo, b1, 2);
    assert_int_equal(solo_show_qc(solo, solo_qc(solo, b2)), REJECT_NONE);
    solo_expect_position(solo_status(solo).locked, 0, 1);
    /* The view fails; a later leader builds on the very QC that we are locked on. */
    struct block *again = solo_make(solo, b1, 5);
    solo_accept(solo, again, solo_tc(solo, 3, solo_qc(solo, b1)));
    expect_voted(solo, again, 5, PHASE_GENERIC);
}

/* --- A certificate that nobody else has. --- */

static void a_hidden_precommit_lock_is_provable(void **state)
{
    struct solo *solo = *state;
    const struct block *change = accept_change(solo);
    nudge_on(solo, change, 2, PHASE_PREPARE);
    assert_int_equal(solo_show_qc(solo, solo_phase_qc(solo, change, PHASE_PRECOMMIT, 2)),
                     REJECT_NONE);
    solo_expect_position(solo_status(solo).high, 0, 2);
    solo_expect_position(solo_status(solo).locked, 0, 1);
    solo_expect_position(solo_status(solo).current, 0, 3);
    /* The others complete a TC without us; the most that they know is the Prepare QC. */
    assert_int_equal(solo_nudge(solo, 5, solo_phase_qc(solo, change, PHASE_PREPARE, 1),
                                solo_tc(solo, 3, solo_phase_qc(solo, change, PHASE_PREPARE, 1))),
                     REJECT_NONE);
    expect_voted(solo, change, 5, PHASE_PREPARE);
    nudge_on(solo, change, 6, PHASE_PREPARE);
    nudge_on(solo, change, 7, PHASE_PRECOMMIT);
    assert_int_equal(solo_show_qc(solo, solo_phase_qc(solo, change, PHASE_COMMIT, 7)), REJECT_NONE);
    solo_expect_position(solo_status(solo).current, 1, 4);
}

static void a_precommit_lock_lets_no_rival_of_its_block_pass(void **state)
{
    struct solo *solo = *state;
    const struct block *change = accept_change(solo);
    nudge_on(solo, change, 2, PHASE_PREPARE);
    assert_int_equal(solo_show_qc(solo, solo_phase_qc(solo, change, PHASE_PRECOMMIT, 2)),
                     REJECT_NONE);
    expect_below_lock(solo, solo->genesis, 5, 3);
}

static void the_child_of_a_change_cannot_be_voted_out_by_the_old_set(void **state)
{
    struct solo *solo = *state;
    const struct block *change = accept_change(solo);
    nudge_on(solo, change, 2, PHASE_PREPARE);
    nudge_on(solo, change, 3, PHASE_PRECOMMIT);
    struct block *first = solo_make(solo, change, 4);
    solo_accept(solo, first, NULL);
    expect_voted(solo, first, 4, PHASE_GENERIC);
    struct block *second = solo_make(solo, first, 5);
    solo_accept(solo, second, NULL);
    assert_int_equal(solo_show_qc(solo, solo_qc(solo, second)), REJECT_NONE);
    solo_expect_position(solo_status(solo).locked, 1, 4);
    solo_expect_position(solo_status(solo).current, 1, 6);
    /* The old set has certified the change once more, in a view far above. */
    struct qc *late = solo_phase_qc(solo, change, PHASE_COMMIT, 6);
    struct block *rival = solo_make(solo, change, 6);
    qc_unref(rival->justify);
    rival->justify = late;
    assert_int_not_equal(solo_propose(solo, rival, NULL), REJECT_NONE);
    assert_int_equal(solo_count(solo, CORE_ASK_VALIDATE), 0);
    assert_null(solo_sent_vote(solo));
    solo_expect_position(solo_status(solo).locked, 1, 4);
}

#define STORY(name) cmocka_unit_test_setup_teardown(name, solo_set_up, solo_tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        STORY(a_lock_outlives_any_number_of_timeouts),
        STORY(a_lock_of_a_phase_outlives_any_number_of_timeouts),
        STORY(replaying_an_old_qc_lowers_nothing),
        STORY(replaying_an_old_qc_of_a_phase_lowers_nothing),
        STORY(a_locked_replica_accepts_the_same_block_again),
        STORY(a_locked_replica_accepts_the_same_parent_again),
        STORY(a_hidden_precommit_lock_is_provable),
        STORY(a_precommit_lock_lets_no_rival_of_its_block_pass),
        STORY(the_child_of_a_change_cannot_be_voted_out_by_the_old_set),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
