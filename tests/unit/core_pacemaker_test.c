/*
 * The pacemaker of one core: when it speaks again, what it keeps for later, when it may wait. The
 * test plays its peers, its App and its clock.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "lib/solo.h"

#define RESEND_MS 500
#define IDLE_MS 3200
#define IDLE_PATIENCE_MS (IDLE_MS + IDLE_MS / 8)

static uint32_t somebody_else(uint32_t leader)
{
    return (leader + 1) % SOLO_VALIDATORS;
}

static uint32_t leader_of(uint64_t view)
{
    struct solo solo;
    solo_init(&solo, 0);
    const uint32_t leader = solo_leader(&solo, view);
    solo_deinit(&solo);
    return leader;
}

static uint32_t timeouts_said(const struct solo *solo)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < solo_count(solo, CORE_BROADCAST); i++) {
        count += solo_effect(solo, CORE_BROADCAST, i)->message->kind == MESSAGE_TIMEOUT;
    }
    return count;
}

/* The view's deadline is eight times as long; what was lost must not wait for that. */
static void a_timeout_is_said_again_at_an_interval_of_its_own(void **state)
{
    (void)state;
    struct solo solo;
    solo_init(&solo, somebody_else(leader_of(101)));
    (void)solo_show_tc(&solo, solo_tc(&solo, 100, solo_qc(&solo, solo.genesis)));
    assert_int_equal(solo_status(&solo).current.view, 101);
    uint64_t waited_ms = 0;
    while (timeouts_said(&solo) == 0) {
        solo_tick(&solo, 100);
        waited_ms += 100;
        assert_in_range(waited_ms, 0, 8000);
    }
    assert_int_equal(waited_ms, 8000);

    for (uint32_t said = 0; said < 40; said++) {
        solo_tick(&solo, RESEND_MS - 1);
        assert_int_equal(timeouts_said(&solo), 0);
        solo_tick(&solo, 1);
        assert_int_equal(timeouts_said(&solo), 1);
    }
    solo_deinit(&solo);
}

/* A stopped process finds the proposal waiting when it wakes, before any timer has fired. */
static void a_proposal_that_is_read_after_the_deadline_gets_no_vote(void **state)
{
    (void)state;
    struct solo solo;
    solo_init(&solo, somebody_else(leader_of(1)));
    struct block *block = solo_block(&solo, solo.genesis, 1);
    solo.now_ms += 60000;
    (void)solo_propose(&solo, block, NULL);
    assert_int_equal(timeouts_said(&solo), 1);
    (void)solo_validated(&solo, block, true);
    assert_null(solo_sent_vote(&solo));
    block_unref(block);
    solo_deinit(&solo);
}

/* The two others vote for a block of the next view before this core has even seen it. */
static void votes_for_a_future_view_are_kept_and_counted_when_it_comes(void **state)
{
    (void)state;
    struct solo solo;
    solo_init(&solo, leader_of(5));
    struct block *blocks[4];
    struct block *parent = solo.genesis;
    for (uint32_t i = 0; i < 4; i++) {
        blocks[i] = solo_block(&solo, parent, i + 1);
        parent = blocks[i];
    }
    for (uint32_t voter = 0; voter < SOLO_VALIDATORS; voter++) {
        if (voter != solo.me && voter != solo_leader(&solo, 1)) {
            assert_int_equal(solo_vote(&solo, voter, blocks[3]), REJECT_NONE);
        }
    }
    assert_int_equal(solo_status(&solo).current.view, 1);

    for (uint32_t i = 0; i < 3; i++) {
        solo_accept(&solo, blocks[i], NULL);
    }
    assert_int_equal(solo_status(&solo).high.view, 2);
    (void)solo_propose(&solo, blocks[3], NULL); /* with the third vote */
    (void)solo_validated(&solo, blocks[3], true);

    assert_int_equal(solo_status(&solo).high.view, 4);
    assert_int_equal(solo_status(&solo).current.view, 5);
    for (uint32_t i = 0; i < 4; i++) {
        block_unref(blocks[i]);
    }
    solo_deinit(&solo);
}

/* --- Idle chains. --- */

/*
 * Enters a view by a QC, with nothing to do but, perhaps, a block with a transaction: on the branch
 * that was certified, or beside it. Then the chain is left alone: how long until this core gives
 * up on the view?
 */
static uint64_t patience_ms(bool has_work, bool is_on_branch)
{
    struct solo solo;
    solo_init_idle(&solo, somebody_else(leader_of(1)), IDLE_MS);
    struct block *first = solo_block(&solo, solo.genesis, 1);
    struct block *second = solo_block(&solo, first, 2);
    struct block *third = solo_block(&solo, is_on_branch ? second : first, 3);
    second->transaction_count = has_work;
    solo_accept(&solo, first, NULL);
    solo_accept(&solo, second, NULL);
    if (is_on_branch) {
        solo_accept(&solo, third, NULL);
        (void)solo_show_qc(&solo, solo_qc(&solo, third));
    } else {
        /* View 2 ended without a certificate, so its block stays beside the branch. */
        block_unref(third);
        third = solo_block(&solo, first, 5);
        struct qc *high_qc = solo_qc(&solo, first);
        solo_accept(&solo, third, solo_tc(&solo, 2, high_qc));
        (void)solo_show_qc(&solo, solo_qc(&solo, third));
    }
    uint64_t waited_ms = 0;
    while (timeouts_said(&solo) == 0) {
        solo_tick(&solo, 100);
        waited_ms += 100;
        assert_in_range(waited_ms, 0, 60000);
    }
    block_unref(first);
    block_unref(second);
    block_unref(third);
    solo_deinit(&solo);
    return waited_ms;
}

static void an_orphan_with_transactions_keeps_nobody_awake(void **state)
{
    (void)state;
    assert_int_equal(patience_ms(false, true), 1000 + IDLE_PATIENCE_MS);
    assert_int_equal(patience_ms(true, true), 1000);
    assert_int_equal(patience_ms(true, false), 1000 + IDLE_PATIENCE_MS);
}

/*
 * Our mempool holds the transaction of the second of four blocks until the certificate of the last
 * one commits it. The same step enters view 5; that nothing waits any more is known right after it.
 * That last block, a new reference.
 */
static struct block *commit_the_last_transaction(struct solo *solo)
{
    struct block *parent = solo->genesis;
    (void)solo_step(solo, (struct core_event){.kind = CORE_PAYLOAD, .available = true});
    for (uint64_t view = 1; view <= 4; view++) {
        struct block *block = solo_block(solo, parent, view);
        block->transaction_count = view == 2;
        solo_accept(solo, block, NULL);
        if (parent != solo->genesis) {
            block_unref(parent);
        }
        parent = block;
    }
    (void)solo_show_qc(solo, solo_qc(solo, parent));
    assert_int_equal(solo_status(solo).current.view, 5);
    assert_int_equal(solo_status(solo).last_committed->height, 2);
    return parent;
}

static void the_transactions_that_a_certificate_commits_make_no_other_block(void **state)
{
    (void)state;
    struct solo solo;
    solo_init_idle(&solo, leader_of(5), IDLE_MS);
    struct block *parent = commit_the_last_transaction(&solo);
    assert_int_equal(solo_count(&solo, CORE_ASK_PROPOSE), 1);
    const struct position position = solo_status(&solo).current;
    assert_true(core_wants_block(solo.core, position));
    (void)solo_step(&solo, (struct core_event){.kind = CORE_PAYLOAD, .available = false});
    assert_false(core_wants_block(solo.core, position));
    assert_non_null(solo_sent_certificate(&solo)); /* who waits shows what it stands on */

    /* An App that answers later has built it all the same. */
    struct block *late = solo_block(&solo, parent, 5);
    (void)solo_step(&solo,
                    (struct core_event){.kind = CORE_BUILT, .block = late, .position = position});
    assert_int_equal(solo_count(&solo, CORE_BROADCAST), 0);
    block_unref(late);
    block_unref(parent);
    solo_tick(&solo, IDLE_MS - 1);
    assert_int_equal(solo_count(&solo, CORE_ASK_PROPOSE), 0);
    solo_tick(&solo, 1);
    assert_int_equal(solo_count(&solo, CORE_ASK_PROPOSE), 1);
    solo_deinit(&solo);
}

static void everybody_is_patient_with_a_leader_whose_transactions_are_committed(void **state)
{
    (void)state;
    struct solo solo;
    uint64_t waited_ms = 0;
    solo_init_idle(&solo, somebody_else(leader_of(5)), IDLE_MS);
    block_unref(commit_the_last_transaction(&solo));
    (void)solo_step(&solo, (struct core_event){.kind = CORE_PAYLOAD, .available = false});
    while (timeouts_said(&solo) == 0) {
        solo_tick(&solo, 100);
        waited_ms += 100;
        assert_in_range(waited_ms, 0, 60000);
    }
    assert_int_equal(waited_ms, 1000 + IDLE_PATIENCE_MS);
    solo_deinit(&solo);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_timeout_is_said_again_at_an_interval_of_its_own),
        cmocka_unit_test(a_proposal_that_is_read_after_the_deadline_gets_no_vote),
        cmocka_unit_test(votes_for_a_future_view_are_kept_and_counted_when_it_comes),
        cmocka_unit_test(an_orphan_with_transactions_keeps_nobody_awake),
        cmocka_unit_test(the_transactions_that_a_certificate_commits_make_no_other_block),
        cmocka_unit_test(everybody_is_patient_with_a_leader_whose_transactions_are_committed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
