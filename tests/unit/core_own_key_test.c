/*
 * Our own key, used by somebody else: a copy of this validator that runs elsewhere. Goal: whoever
 * sees what it did not say itself signs nothing any more and raises the alarm, and nothing that it
 * did say makes it do so. Method: one core of four, alone; the test plays its peers and its App.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "lib/solo_story.h"

static int set_up(void **state)
{
    struct solo *solo = calloc(1, sizeof *solo);
    assert_non_null(solo);
    solo_init(solo, 0);
    if (solo_leader(solo, 1) == 0) {
        solo_deinit(solo);
        solo_init(solo, 1);
    }
    *state = solo;
    return 0;
}

static void receive_vote(struct solo *solo, uint64_t view, const struct ingot_hash *block)
{
    struct message *message = message_new(MESSAGE_VOTE);
    message->vote = (struct vote){.view = view, .voter = solo->me, .block = *block};
    (void)solo_receive(solo, 1, message);
}

static void receive_timeout(struct solo *solo, uint64_t view)
{
    struct message *message = message_new(MESSAGE_TIMEOUT);
    message->timeout =
        (struct timeout){.view = view, .voter = solo->me, .high_qc = solo_qc(solo, solo->genesis)};
    (void)solo_receive(solo, 1, message);
}

static void wait_for_the_deadline(struct solo *solo)
{
    solo_tick(solo, solo->config.base_timeout_ms);
}

/* The leader of view 1 proposes on the genesis block, and the App agrees: the block's hash. */
static struct ingot_hash vote_in_view_1(struct solo *solo)
{
    struct block *block = solo_block(solo, solo->genesis, 1);
    solo_accept(solo, block, NULL);
    assert_non_null(solo_sent_vote(solo));
    const struct ingot_hash hash = block->hash;
    block_unref(block);
    return hash;
}

static void expect_alarm_and_silence(struct solo *solo)
{
    assert_non_null(solo_effect(solo, CORE_STOP_SIGNING, 0));
    assert_true(solo_status(solo).has_stopped_signing);
    for (uint32_t i = 0; i < 10; i++) {
        wait_for_the_deadline(solo);
        assert_null(solo_effect(solo, CORE_BROADCAST, 0));
        assert_null(solo_effect(solo, CORE_SEND, 0));
    }
}

/* --- The tests. --- */

static void a_vote_above_our_last_that_we_did_not_cast_ends_our_signing(void **state)
{
    struct solo *solo = *state;
    receive_vote(solo, 5, &solo->genesis->hash);
    expect_alarm_and_silence(solo);
}

static void a_timeout_above_our_last_vote_that_we_did_not_send_ends_our_signing(void **state)
{
    struct solo *solo = *state;
    receive_timeout(solo, 5);
    expect_alarm_and_silence(solo);
}

static void a_vote_in_a_view_that_we_gave_up_ends_our_signing(void **state)
{
    struct solo *solo = *state;
    wait_for_the_deadline(solo);
    assert_non_null(solo_effect(solo, CORE_BROADCAST, 0));
    receive_vote(solo, 1, &solo->genesis->hash);
    expect_alarm_and_silence(solo);
}

static void another_vote_in_the_view_of_ours_ends_our_signing(void **state)
{
    struct solo *solo = *state;
    (void)vote_in_view_1(solo);
    receive_vote(solo, 1, &solo->genesis->hash);
    expect_alarm_and_silence(solo);
}

/* Votes go to leaders alone: all that a copy may see of the original are certificates. */
static void our_signature_in_a_certificate_above_our_last_vote_ends_our_signing(void **state)
{
    struct solo *solo = *state;
    struct block *block = solo_block(solo, solo->genesis, 1);
    struct qc *qc = solo_qc(solo, block);
    (void)solo_show_qc(solo, qc_ref(qc));
    assert_null(solo_effect(solo, CORE_STOP_SIGNING, 0));
    signers_add(&qc->signers, solo->me);
    (void)solo_show_qc(solo, qc);
    block_unref(block);
    expect_alarm_and_silence(solo);
}

static void our_signature_in_a_certificate_of_another_block_ends_our_signing(void **state)
{
    struct solo *solo = *state;
    (void)vote_in_view_1(solo);
    struct block *other = solo_block(solo, solo->genesis, 1);
    struct qc *qc = solo_qc(solo, other);
    signers_add(&qc->signers, solo->me);
    (void)solo_show_qc(solo, qc);
    block_unref(other);
    expect_alarm_and_silence(solo);
}

static void our_signature_in_a_tc_of_a_view_that_we_did_not_leave_ends_our_signing(void **state)
{
    struct solo *solo = *state;
    struct tc *tc = solo_tc(solo, 5, solo_qc(solo, solo->genesis));
    signers_add(&tc->signers, solo->me);
    (void)solo_show_tc(solo, tc);
    expect_alarm_and_silence(solo);
}

static void a_certificate_with_our_own_vote_is_no_offence(void **state)
{
    struct solo *solo = *state;
    struct block *block = solo_block(solo, solo->genesis, 1);
    solo_accept(solo, block, NULL);
    struct qc *qc = solo_qc(solo, block);
    signers_add(&qc->signers, solo->me);
    assert_int_equal(solo_show_qc(solo, qc), REJECT_NONE);
    block_unref(block);
    assert_false(solo_status(solo).has_stopped_signing);
}

static void what_we_said_ourselves_may_come_back_by_any_channel(void **state)
{
    struct solo *solo = *state;
    const struct ingot_hash block = vote_in_view_1(solo);
    receive_vote(solo, 1, &block);
    assert_null(solo_effect(solo, CORE_STOP_SIGNING, 0));
    wait_for_the_deadline(solo);
    assert_non_null(solo_effect(solo, CORE_BROADCAST, 0));
    receive_timeout(solo, 1);
    assert_null(solo_effect(solo, CORE_STOP_SIGNING, 0));
    receive_vote(solo, 1, &block);
    assert_null(solo_effect(solo, CORE_STOP_SIGNING, 0));
    wait_for_the_deadline(solo);
    assert_non_null(solo_effect(solo, CORE_BROADCAST, 0));
}

/* On a copy: what the original said before it stopped is known to others, who may show it again. */
static void while_signing_is_withheld_the_originals_words_raise_no_alarm(void **state)
{
    struct solo *solo = *state;
    solo->config.withholds_signing = true;
    solo_restart(solo, NULL, 0);
    receive_vote(solo, 5, &solo->genesis->hash);
    assert_null(solo_effect(solo, CORE_STOP_SIGNING, 0));
    receive_timeout(solo, 5);
    assert_null(solo_effect(solo, CORE_STOP_SIGNING, 0));
    wait_for_the_deadline(solo);
    assert_null(solo_effect(solo, CORE_BROADCAST, 0));
    assert_false(solo_status(solo).has_stopped_signing);
    (void)solo_step(solo, (struct core_event){.kind = CORE_ALLOW_SIGNING, .position = {.view = 1}});
    assert_int_equal(solo_status(solo).last_voted.view, 1);
    receive_vote(solo, 5, &solo->genesis->hash);
    expect_alarm_and_silence(solo);
}

/* The App is asked for a block; this is the one that it will build, and that a copy has built. */
static struct block *begin_to_lead_view_1(struct solo *solo)
{
    const uint32_t leader = solo_leader(solo, 1);
    solo_deinit(solo);
    solo_init(solo, leader);
    assert_int_equal(solo_count(solo, CORE_ASK_PROPOSE), 1);
    return solo_make(solo, solo->genesis, 1);
}

static void finish_building(struct solo *solo, struct block *block)
{
    (void)solo_step(solo,
                    (struct core_event){.kind = CORE_BUILT, .block = block, .position = {0, 1}});
    assert_int_equal(solo_count(solo, CORE_ABANDON), 0);
}

static void a_block_that_a_copy_has_shown_before_we_had_built_it_stays_in_the_tree(void **state)
{
    struct solo *solo = *state;
    struct block *block = begin_to_lead_view_1(solo);
    (void)solo_propose(solo, block, NULL);
    (void)solo_validated(solo, block, true);
    finish_building(solo, block);
    assert_ptr_equal(core_find_block(solo->core, &block->hash), block);
}

static void a_block_that_a_copy_has_shown_waits_for_the_app_while_we_give_ours_up(void **state)
{
    struct solo *solo = *state;
    struct block *block = begin_to_lead_view_1(solo);
    (void)solo_propose(solo, block, NULL);
    finish_building(solo, block);
    (void)solo_validated(solo, block, true);
    assert_ptr_equal(core_find_block(solo->core, &block->hash), block);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_vote_above_our_last_that_we_did_not_cast_ends_our_signing,
                                        set_up, solo_tear_down),
        cmocka_unit_test_setup_teardown(
            a_timeout_above_our_last_vote_that_we_did_not_send_ends_our_signing, set_up,
            solo_tear_down),
        cmocka_unit_test_setup_teardown(a_vote_in_a_view_that_we_gave_up_ends_our_signing, set_up,
                                        solo_tear_down),
        cmocka_unit_test_setup_teardown(another_vote_in_the_view_of_ours_ends_our_signing, set_up,
                                        solo_tear_down),
        cmocka_unit_test_setup_teardown(
            our_signature_in_a_certificate_above_our_last_vote_ends_our_signing, set_up,
            solo_tear_down),
        cmocka_unit_test_setup_teardown(
            our_signature_in_a_certificate_of_another_block_ends_our_signing, set_up,
            solo_tear_down),
        cmocka_unit_test_setup_teardown(
            our_signature_in_a_tc_of_a_view_that_we_did_not_leave_ends_our_signing, set_up,
            solo_tear_down),
        cmocka_unit_test_setup_teardown(a_certificate_with_our_own_vote_is_no_offence, set_up,
                                        solo_tear_down),
        cmocka_unit_test_setup_teardown(what_we_said_ourselves_may_come_back_by_any_channel, set_up,
                                        solo_tear_down),
        cmocka_unit_test_setup_teardown(
            a_block_that_a_copy_has_shown_before_we_had_built_it_stays_in_the_tree, set_up,
            solo_tear_down),
        cmocka_unit_test_setup_teardown(
            a_block_that_a_copy_has_shown_waits_for_the_app_while_we_give_ours_up, set_up,
            solo_tear_down),
        cmocka_unit_test_setup_teardown(
            while_signing_is_withheld_the_originals_words_raise_no_alarm, set_up, solo_tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
