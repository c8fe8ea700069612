/*
 * What comes before that which it stands on, and what comes after its time. Goal: an answer that is
 * late leads to no vote, and a certificate that is early changes nothing until its block is here,
 * and then counts. Method: one core of four, alone; the test plays its peers, its App and time.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "lib/solo_story.h"

/* A block of view 1 on genesis; a set-changing one where asked for. */
static struct block *make(struct solo *solo, bool changes_set)
{
    return changes_set ? solo_make_change(solo, solo->genesis, 1)
                       : solo_make(solo, solo->genesis, 1);
}

/* --- Too late. --- */

enum meanwhile {
    THE_VIEW_HAS_MOVED,
    A_TIMEOUT_WAS_SENT,
    BOTH,
    IT_IS_CERTIFIED, /* by the votes of the others */
    MEANWHILES
};

static void let_pass(struct solo *solo, enum meanwhile meanwhile, const struct block *block)
{
    switch (meanwhile) {
    case THE_VIEW_HAS_MOVED:
        (void)solo_show_tc(solo, solo_tc(solo, 1, solo_qc(solo, solo->genesis)));
        break;
    case A_TIMEOUT_WAS_SENT:
        solo_tick(solo, 5000);
        break;
    case BOTH:
        solo_tick(solo, 5000);
        (void)solo_show_tc(solo, solo_tc(solo, 1, solo_qc(solo, solo->genesis)));
        break;
    case IT_IS_CERTIFIED:
        (void)solo_show_qc(solo, block_changes_set(block)
                                     ? solo_phase_qc(solo, block, PHASE_PREPARE, 1)
                                     : solo_qc(solo, block));
        break;
    case MEANWHILES:
        break;
    }
}

static void the_answer_of_the_app_comes_too_late(void **state)
{
    for (unsigned i = 0; i < 2 * MEANWHILES; i++) {
        solo_start_again(state);
        struct solo *solo = *state;
        struct block *block = make(solo, i >= MEANWHILES);
        assert_int_equal(solo_propose(solo, block, NULL), REJECT_NONE);
        assert_int_equal(solo_count(solo, CORE_ASK_VALIDATE), 1);
        const enum meanwhile meanwhile = (enum meanwhile)(i % MEANWHILES);
        let_pass(solo, meanwhile, block);
        const struct position voted = solo_status(solo).last_voted;

        (void)solo_validated(solo, block, true);

        const bool may_vote = meanwhile == IT_IS_CERTIFIED;
        if (!may_vote) {
            /* The block is of use, the vote would not be. */
            assert_null(solo_sent_vote(solo));
            assert_int_equal(position_compare(solo_status(solo).last_voted, voted), 0);
            assert_non_null(core_find_block(solo->core, &block->hash));
        }
        assert_int_equal(solo->safety.has_vote, solo_sent_vote(solo) != NULL);
    }
}

static void the_answer_comes_when_the_change_is_committed(void **state)
{
    struct solo *solo = *state;
    struct block *change = make(solo, true);
    assert_int_equal(solo_propose(solo, change, NULL), REJECT_NONE);
    assert_int_equal(solo_show_qc(solo, solo_phase_qc(solo, change, PHASE_COMMIT, 3)), REJECT_NONE);
    solo_expect_position(solo_status(solo).current, 0, 1);
    (void)solo_validated(solo, change, true);
    /* Whatever it may say for the old epoch, it ends up in the new one. */
    assert_int_equal(solo_count(solo, CORE_COMMIT), 1);
    assert_ptr_equal(solo_effect(solo, CORE_COMMIT, 0)->next_set, solo->next_set);
    solo_expect_position(solo_status(solo).current, 1, 4);
    assert_int_equal(solo_status(solo).last_voted.epoch, 0);
}

/* --- Too early. --- */

static void expect_unchanged(const struct solo *solo, struct core_status before)
{
    const struct core_status after = solo_status(solo);
    assert_int_equal(position_compare(before.high, after.high), 0);
    assert_int_equal(position_compare(before.current, after.current), 0);
    assert_int_equal(position_compare(before.locked, after.locked), 0);
    assert_int_equal(position_compare(before.last_voted, after.last_voted), 0);
    assert_ptr_equal(before.last_committed, after.last_committed);
    assert_int_equal(solo_count(solo, CORE_PERSIST_SAFETY), 0);
    assert_int_equal(solo_count(solo, CORE_COMMIT), 0);
}

static void a_certificate_for_an_unknown_block_waits(void **state)
{
    static const struct {
        enum phase phase;
        uint64_t view;
        struct position current; /* once it is used */
        struct position high;
        struct position locked;
        uint32_t commits;
    } rows[] = {
        {PHASE_GENERIC, 2, {0, 3}, {0, 2}, {0, 1}, 0},
        {PHASE_PREPARE, 2, {0, 3}, {0, 2}, {0, 1}, 0},
        {PHASE_PREPARE, 9, {0, 10}, {0, 9}, {0, 1}, 0},
        {PHASE_PRECOMMIT, 3, {0, 4}, {0, 3}, {0, 2}, 0},
        {PHASE_COMMIT, 4, {1, 5}, {1, 4}, {1, 4}, 2},
        {PHASE_COMMIT, 9, {1, 5}, {1, 4}, {1, 4}, 2},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        solo_start_again(state);
        struct solo *solo = *state;
        const struct block *b1 = solo_accept_next(solo, solo->genesis, 1);
        const bool is_generic = rows[i].phase == PHASE_GENERIC;
        struct block *b2 = is_generic ? solo_make(solo, b1, 2) : solo_make_change(solo, b1, 2);
        const struct core_status before = solo_status(solo);
        assert_int_equal(solo_show_qc(solo, solo_phase_qc(solo, b2, rows[i].phase, rows[i].view)),
                         REJECT_NONE);
        expect_unchanged(solo, before);
        /* The block comes: the certificate is used, once. */
        assert_int_equal(solo_propose(solo, b2, NULL), REJECT_NONE);
        assert_int_equal(solo_validated(solo, b2, true), REJECT_NONE);
        const struct core_status after = solo_status(solo);
        solo_expect_position(after.current, rows[i].current.epoch, rows[i].current.view);
        solo_expect_position(after.high, rows[i].high.epoch, rows[i].high.view);
        solo_expect_position(after.locked, rows[i].locked.epoch, rows[i].locked.view);
        assert_int_equal(solo_count(solo, CORE_COMMIT), rows[i].commits);
    }
}

static void a_nudge_of_an_unknown_block_waits(void **state)
{
    struct solo *solo = *state;
    struct block *change = make(solo, true);
    const struct core_status before = solo_status(solo);
    assert_int_equal(solo_nudge(solo, 2, solo_phase_qc(solo, change, PHASE_PREPARE, 1), NULL),
                     REJECT_NONE);
    expect_unchanged(solo, before);
    assert_null(solo_sent_vote(solo));
    /* Nobody asks us to have voted for it before: who has it and agrees may help to commit it. */
    assert_int_equal(solo_propose(solo, change, NULL), REJECT_NONE);
    assert_int_equal(solo_validated(solo, change, true), REJECT_NONE);
    solo_expect_position(solo_status(solo).current, 0, 2);
    solo_expect_position(solo_status(solo).last_voted, 0, 2);
    assert_true(solo->safety.has_vote);
    assert_int_equal(solo->safety.vote.phase, PHASE_PRECOMMIT);
    assert_memory_equal(solo->safety.vote.block.bytes, change->hash.bytes, INGOT_HASH_BYTES);
}

static void a_nudge_of_a_block_that_our_app_refuses_gets_no_vote(void **state)
{
    struct solo *solo = *state;
    struct block *change = make(solo, true);
    assert_int_equal(solo_propose(solo, change, NULL), REJECT_NONE);
    assert_int_equal(solo_validated(solo, change, false), REJECT_INVALID_BLOCK);
    (void)solo_nudge(solo, 2, solo_phase_qc(solo, change, PHASE_PREPARE, 1), NULL);
    assert_null(solo_sent_vote(solo));
    solo_expect_position(solo_status(solo).last_voted, 0, 0);
    solo_expect_position(solo_status(solo).high, 0, 0);
}

/* --- Behind. --- */

/* Does the step tell the one behind this channel of the highest QC, and of the highest TC? */
static void expect_told(const struct solo *solo, uint32_t peer, bool is_told)
{
    const struct core_status status = solo_status(solo);
    bool has_qc = false;
    bool has_tc = false;
    for (uint32_t i = 0; i < solo_count(solo, CORE_ANSWER); i++) {
        const struct core_effect *answer = solo_effect(solo, CORE_ANSWER, i);
        assert_int_equal(answer->peer, peer);
        assert_int_equal(answer->message->kind, MESSAGE_CERTIFICATE);
        has_qc = has_qc || answer->message->certificate.qc == status.high_qc;
        has_tc = has_tc || answer->message->certificate.tc == status.high_tc;
    }
    assert_int_equal(has_qc, is_told);
    assert_int_equal(has_tc, is_told);
}

static void whoever_shows_that_it_is_behind_is_told_at_once(void **state)
{
    struct solo *solo = *state;
    struct block *b1 = solo_accept_next(solo, solo->genesis, 1);
    assert_int_equal(solo_show_tc(solo, solo_tc(solo, 1, solo_qc(solo, b1))), REJECT_NONE);
    solo_expect_position(solo_status(solo).current, 0, 5);

    /* Those who gave up on a view that has ended, who propose in one, and who advertise less. */
    (void)solo_timeout(solo, 1, 1, solo_qc(solo, solo->genesis), NULL);
    expect_told(solo, 1, true);
    (void)solo_timeout(solo, 1, 1, solo_qc(solo, solo->genesis), NULL);
    expect_told(solo, 1, false); /* not for each word of a flood */
    solo_tick(solo, 100);
    struct message *advertise = message_new(MESSAGE_ADVERTISE);
    advertise->advertise.high_qc = solo_qc(solo, solo->genesis);
    (void)solo_receive(solo, 2, advertise);
    expect_told(solo, 2, true);
    solo_tick(solo, 100);
    (void)solo_step(solo, (struct core_event){.kind = CORE_BEHIND, .peer = 1});
    expect_told(solo, 1, true);

    /* Votes and certificates are never answered, or two could keep each other busy for ever. */
    solo_tick(solo, 100);
    (void)solo_vote(solo, 2, b1);
    assert_int_equal(solo_count(solo, CORE_ANSWER), 0);
    (void)solo_show_qc(solo, solo_qc(solo, b1));
    assert_int_equal(solo_count(solo, CORE_ANSWER), 0);
}

static void a_member_of_the_old_set_that_gives_up_is_told_of_the_new_epoch(void **state)
{
    struct solo *solo = *state;
    struct block *change = make(solo, true);
    solo_accept(solo, change, NULL);
    assert_int_equal(solo_show_qc(solo, solo_phase_qc(solo, change, PHASE_COMMIT, 3)), REJECT_NONE);
    solo_expect_position(solo_status(solo).current, 1, 4);
    /* The driver recognises it before it looks at signatures, and answers for it. */
    struct message *message = message_new(MESSAGE_TIMEOUT);
    message->timeout = (struct timeout){
        .view = 40, .voter = 1, .high_qc = solo_phase_qc(solo, change, PHASE_PRECOMMIT, 2)};
    assert_true(core_is_leftover(solo->core, message));
    message_unref(message);
    (void)solo_step(solo, (struct core_event){.kind = CORE_BEHIND, .peer = 1});
    const struct core_effect *answer = solo_effect(solo, CORE_ANSWER, 0);
    assert_non_null(answer);
    assert_int_equal(answer->message->certificate.qc->phase, PHASE_COMMIT);
}

#define STORY(name) cmocka_unit_test_setup_teardown(name, solo_set_up, solo_tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        STORY(the_answer_of_the_app_comes_too_late),
        STORY(the_answer_comes_when_the_change_is_committed),
        STORY(a_certificate_for_an_unknown_block_waits),
        STORY(a_nudge_of_an_unknown_block_waits),
        STORY(a_nudge_of_a_block_that_our_app_refuses_gets_no_vote),
        STORY(whoever_shows_that_it_is_behind_is_told_at_once),
        STORY(a_member_of_the_old_set_that_gives_up_is_told_of_the_new_epoch),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
