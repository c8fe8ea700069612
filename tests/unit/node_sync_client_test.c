/*
 * The sync client among honest peers: fast or slow, complete or pruned. Goal: the work is shared,
 * nothing is asked for twice or held without a limit, sets may change on the way, and it ends.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "lib/sync_world.h"

/* --- Honest peers. --- */

static void several_peers_are_asked_at_once_for_different_ranges(void **state)
{
    (void)state;
    struct sync_world *world = sync_world_new(3000, 0);
    for (uint32_t i = 0; i < 3; i++) {
        sync_world_add_peer(world, HONEST, 3000, 0);
    }
    assert_true(sync_world_run(world, world->now_ms + 12, true) || world->event_count == 3);
    assert_true(sync_world_completes(world, 1000));
    for (uint32_t i = 0; i < 3; i++) {
        assert_in_range(world->peers[i].asked, 5, 12); /* 24 ranges, none asked twice */
    }
    const struct sync_client_status status = sync_world_status(world);
    assert_int_equal(status.blocks, 3000);
    assert_in_range(status.requests, 24, 27);
    assert_in_range(world->run_longest, 64, 128);
    for (uint32_t fault = 0; fault < SYNC_FAULT_COUNT; fault++) {
        assert_int_equal(status.penalties[fault], 0);
    }
    sync_world_free(world);
}

static void answers_that_wait_for_lower_ones_are_shown_to_whoever_looks_ahead(void **state)
{
    (void)state;
    struct sync_world *world = sync_world_new(1000, 0);
    for (uint32_t i = 0; i < 3; i++) {
        sync_world_add_peer(world, HONEST, 1000, 0);
    }
    world->peers[0].delay_ms = 100; /* it is asked first, for what all others wait for */
    assert_true(sync_world_completes(world, 1000));
    assert_in_range(world->shown_most, 4, SYNC_WORLD_SHOWN_MAX);
    assert_int_equal(world->shown_count, 0); /* each has gone when its turn was over */
    sync_world_free(world);
}

static void a_block_that_follows_its_certificate_by_a_moment_is_not_asked_for(void **state)
{
    (void)state;
    struct sync_world *world = sync_world_new(10, 0);
    sync_world_add_peer(world, HONEST, 0, 0);
    world->waiting_qc = world->chain[1]->justify; /* any: it is only looked at */
    sync_world_run(world, world->now_ms + 9, false);
    world->waiting_qc = NULL;
    sync_world_run(world, world->now_ms + 5000, false);
    assert_int_equal(sync_world_status(world).requests, 0);
    sync_world_free(world);
}

static void a_certificate_ahead_brings_blocks_that_nobody_has_advertised(void **state)
{
    (void)state;
    struct sync_world *world = sync_world_new(30, 0);
    sync_world_add_peer(world, HONEST, 30, 0);
    sync_client_claim(world->client, 0, 0);
    struct qc *qc = sync_world_qc(world, 30, MARK_CHAIN);
    world->waiting_qc = qc;
    sync_world_step(world);
    assert_true(sync_world_status(world).is_catching_up);
    assert_true(sync_world_completes(world, 100));
    world->waiting_qc = NULL;
    sync_world_step(world);
    assert_false(sync_world_status(world).is_catching_up);
    qc_unref(qc);
    sync_world_free(world);
}

static void
the_block_of_a_certificate_is_taken_from_a_peer_that_has_no_certificate_of_it(void **state)
{
    (void)state;
    struct sync_world *world = sync_world_new(30, 0);
    sync_world_add_peer(world, UNCERTIFIED, 30, 0);
    sync_client_claim(world->client, 0, 0);
    struct qc *qc = sync_world_qc(world, 30, MARK_CHAIN);
    world->waiting_qc = qc;
    assert_true(sync_world_completes(world, 100));
    assert_int_equal(sync_world_status(world).penalties[SYNC_FAULT_INVALID], 0);
    world->waiting_qc = NULL;
    qc_unref(qc);
    sync_world_free(world);
}

static void an_answer_that_a_higher_certificate_has_overtaken_is_no_fault(void **state)
{
    (void)state;
    struct sync_world *world = sync_world_new(31, 0);
    sync_world_add_peer(world, UNCERTIFIED, 30, 0);
    world->peers[0].delay_ms = 20;
    sync_client_claim(world->client, 0, 0);
    struct qc *first = sync_world_qc(world, 30, MARK_CHAIN);
    struct qc *second = sync_world_qc(world, 31, MARK_CHAIN);
    world->waiting_qc = first;
    sync_world_run(world, world->now_ms + 12, false);
    assert_int_equal(sync_world_status(world).requests, 1);
    world->waiting_qc = second; /* the answer with the block of the first is on its way */
    world->peers[0].has = 31;
    assert_true(sync_world_completes(world, 200));
    assert_int_equal(sync_world_status(world).penalties[SYNC_FAULT_INVALID], 0);
    world->waiting_qc = NULL;
    qc_unref(first);
    qc_unref(second);
    sync_world_free(world);
}

/* --- Answers that come when something else has been asked for. --- */

/* When a request is given up that was the first, or the second, in a row without an answer. */
#define FIRST_GIVEN_UP_MS (4 * SYNC_WORLD_TIMEOUT_MS)
#define SECOND_GIVEN_UP_MS (8 * SYNC_WORLD_TIMEOUT_MS)

/* What comes without being asked for, by live consensus. */
static void receive_live(struct sync_world *world, uint64_t up_to)
{
    while (world->high < up_to) {
        world->high++;
        world->tree[world->high][MARK_CHAIN] = world->chain[world->high];
    }
}

static void expect_no_fault_but_slowness(const struct sync_world *world)
{
    const struct sync_client_status status = sync_world_status(world);
    for (uint32_t fault = 0; fault < SYNC_FAULT_COUNT; fault++) {
        assert_true(fault == SYNC_FAULT_STALLED || status.penalties[fault] == 0);
    }
}

static void a_late_answer_with_the_block_that_an_earlier_request_has_named_is_no_fault(void **state)
{
    (void)state;
    struct sync_world *world = sync_world_new(31, 0);
    sync_world_add_peer(world, UNCERTIFIED, 30, 0);
    world->peers[0].delay_ms = FIRST_GIVEN_UP_MS + 100;
    sync_client_claim(world->client, 0, 0);
    struct qc *first = sync_world_qc(world, 30, MARK_CHAIN);
    struct qc *second = sync_world_qc(world, 31, MARK_CHAIN);
    world->waiting_qc = first;
    sync_world_run(world, world->now_ms + 12, false);
    assert_int_equal(world->peers[0].asked, 1);
    world->waiting_qc = second;
    world->peers[0].has = 31;
    sync_world_run(world, world->now_ms + FIRST_GIVEN_UP_MS, false);
    assert_int_equal(world->peers[0].asked, 2); /* and the first answer is not here yet */
    assert_int_equal(world->high, 0);
    world->peers[0].delay_ms = 3;
    sync_world_run(world, world->now_ms + 110, false);
    assert_in_range(world->high, 29, 31);
    expect_no_fault_but_slowness(world);
    assert_true(sync_world_completes(world, FIRST_GIVEN_UP_MS));
    expect_no_fault_but_slowness(world);
    world->waiting_qc = NULL;
    qc_unref(first);
    qc_unref(second);
    sync_world_free(world);
}

static void
a_late_answer_that_begins_where_our_committed_blocks_end_by_now_is_no_fault(void **state)
{
    (void)state;
    struct sync_world *world = sync_world_new(200, 0);
    struct qc *qc = sync_world_qc(world, 200, MARK_CHAIN);
    receive_live(world, 17);
    sync_world_add_peer(world, HONEST, 200, 0);
    sync_client_claim(world->client, 0, 0);
    world->waiting_qc = qc;
    world->peers[0].delay_ms = FIRST_GIVEN_UP_MS + 100;
    sync_world_run(world, world->now_ms + 12, false);
    assert_int_equal(world->peers[0].asked, 1); /* for 128 blocks above 17 */
    receive_live(world, 19);                    /* now 17 is committed */
    sync_world_run(world, world->now_ms + FIRST_GIVEN_UP_MS, false);
    assert_int_equal(world->peers[0].asked, 2); /* for fewer, above 19 */
    world->peers[0].delay_ms = 3;
    sync_world_run(world, world->now_ms + 110, false);
    assert_int_equal(world->event_count, 1); /* the first answer has come, the second has not */
    expect_no_fault_but_slowness(world);
    assert_int_equal(world->peers[0].asked, 2);
    assert_true(sync_world_completes(world, FIRST_GIVEN_UP_MS));
    expect_no_fault_but_slowness(world);
    world->waiting_qc = NULL;
    qc_unref(qc);
    sync_world_free(world);
}

/* Both requests name a block that the peer has not, so both would be answered alike. */
static void an_answer_that_may_be_to_the_open_request_or_to_an_earlier_one_is_taken(void **state)
{
    (void)state;
    struct sync_world *world = sync_world_new(100, 0);
    struct qc *qc = sync_world_qc(world, 100, MARK_CHAIN);
    sync_world_follow_fork(world);
    world->tree[FORK_LAST][MARK_FORK] = NULL;
    sync_world_add_peer(world, SILENT, 100, 0);
    sync_client_claim(world->client, 0, 0);
    world->waiting_qc = qc;
    sync_world_run(world, world->now_ms + 12, false);
    assert_int_equal(world->peers[0].asked, 1);
    world->tree[FORK_LAST][MARK_FORK] = world->fork[FORK_LAST];
    world->peers[0].habit = HONEST;
    assert_true(sync_world_completes(world, FIRST_GIVEN_UP_MS + 100));
    expect_no_fault_but_slowness(world);
    world->waiting_qc = NULL;
    qc_unref(qc);
    sync_world_free(world);
}

static void a_late_answer_of_the_one_block_that_was_asked_for_is_not_too_little(void **state)
{
    (void)state;
    struct sync_world *world = sync_world_new(400, 0);
    struct qc *qc = sync_world_qc(world, 400, MARK_CHAIN);
    receive_live(world, 17);
    sync_world_add_peer(world, SILENT, 400, 0);
    sync_client_claim(world->client, 0, 0);
    world->waiting_qc = qc;
    sync_world_run(world, world->now_ms + SYNC_WORLD_TIMEOUT_MS + 100, false);
    assert_int_equal(world->peers[0].asked, 1);
    receive_live(world, 144); /* one of the 128 blocks is left to be asked for */
    world->peers[0].habit = HONEST;
    world->peers[0].delay_ms = SECOND_GIVEN_UP_MS + 100;
    sync_world_run(world, world->now_ms + FIRST_GIVEN_UP_MS - SYNC_WORLD_TIMEOUT_MS, false);
    assert_int_equal(world->peers[0].asked, 2);
    world->waiting_qc = NULL; /* nothing is missing for a moment, and then all of it */
    sync_world_step(world);
    world->waiting_qc = qc;
    sync_world_run(world, world->now_ms + SECOND_GIVEN_UP_MS, false);
    assert_int_equal(world->peers[0].asked, 3);
    assert_int_equal(world->high, 144);
    world->peers[0].delay_ms = 3;
    sync_world_run(world, world->now_ms + 110, false);
    assert_in_range(world->high, 145, 400);
    expect_no_fault_but_slowness(world);
    assert_true(sync_world_completes(world, 2 * SECOND_GIVEN_UP_MS));
    expect_no_fault_but_slowness(world);
    world->waiting_qc = NULL;
    qc_unref(qc);
    sync_world_free(world);
}

static void a_partial_answer_is_completed(void **state)
{
    (void)state;
    struct sync_world *world = sync_world_new(2000, 0);
    sync_world_add_peer(world, HALVES, 2000, 0);
    sync_world_add_peer(world, HALVES, 2000, 0);
    assert_true(sync_world_completes(world, 2000));
    assert_int_equal(sync_world_status(world).blocks, 2000);
    sync_world_free(world);
}

static void sets_may_change_in_the_middle_of_an_answer(void **state)
{
    (void)state;
    /* Also where the block that changes the set is the last of an answer. */
    static const uint64_t intervals[] = {1, 2, 5, 64, 127, 128, 129};
    for (size_t i = 0; i < sizeof intervals / sizeof intervals[0]; i++) {
        struct sync_world *world = sync_world_new(600, intervals[i]);
        sync_world_add_peer(world, HONEST, 600, 0);
        sync_world_add_peer(world, HONEST, 600, 0);
        assert_true(sync_world_completes(world, 1000));
        assert_int_equal(sync_world_status(world).penalties[SYNC_FAULT_INVALID], 0);
        sync_world_free(world);
    }
}

static void the_certificate_that_opens_an_epoch_is_taken_from_the_child_of_our_block(void **state)
{
    (void)state;
    struct sync_world *world = sync_world_new(60, 40);
    for (uint64_t height = 1; height <= 40; height++) {
        world->tree[height][MARK_CHAIN] = world->chain[height];
    }
    world->high = 40; /* its Commit QC has not reached us */
    sync_world_add_peer(world, HONEST, 60, 0);
    assert_true(sync_world_completes(world, 200));
    assert_int_equal(world->certificates, 1);
    sync_world_free(world);
}

static void answers_that_wait_for_a_lower_one_stay_within_their_cap(void **state)
{
    (void)state;
    struct sync_world *world = sync_world_new(1000, 0);
    world->block_bytes = 3 * 1024 * 1024; /* one block for each answer */
    for (uint32_t i = 0; i < 6; i++) {
        sync_world_add_peer(world, HONEST, 1000, 0);
    }
    world->peers[0].delay_ms = 900; /* the lowest range is asked of this one */
    sync_world_run(world, world->now_ms + 800, false);
    assert_in_range(world->held_most, 1, 8 * 1024 * 1024);
    assert_int_equal(world->high, 0);
    assert_true(sync_world_completes(world, 600000));
    /* What had no room is not fetched over and over meanwhile. */
    assert_in_range(sync_world_status(world).requests, 1000, 1100);
    sync_world_free(world);
}

static void once_we_have_what_there_is_nobody_is_asked_any_more(void **state)
{
    (void)state;
    struct sync_world *world = sync_world_new(500, 0);
    sync_world_add_peer(world, HONEST, 500, 0);
    assert_true(sync_world_completes(world, 500));
    const uint64_t requests = sync_world_status(world).requests;
    sync_world_run(world, world->now_ms + 60000, false);
    /* Two blocks are executed and not committed for long: rare questions, whether that is right. */
    assert_in_range(sync_world_status(world).requests, requests, requests + 6);
    assert_false(sync_world_status(world).is_catching_up);
    assert_true(sync_client_deadline_ms(world->client) > world->now_ms + 1000);
    sync_world_free(world);
}

/* --- Others have committed another branch than ours. --- */

static void who_follows_an_uncommitted_branch_as_high_as_the_committed_one_finds_out(void **state)
{
    (void)state;
    struct sync_world *world = sync_world_new(FORK_LAST, 0);
    sync_world_add_peer(world, HONEST, FORK_LAST, 0);
    sync_world_add_peer(world, HONEST, FORK_LAST, 0);
    sync_world_follow_fork(world);
    /* Nobody claims more than we have, and no certificate waits: only time tells. */
    sync_world_run(world, world->now_ms + 2 * SYNC_WORLD_TIMEOUT_MS - 1, false);
    assert_int_equal(sync_world_status(world).requests, 0);
    assert_true(sync_world_completes(world, 100));
    for (uint32_t fault = 0; fault < SYNC_FAULT_COUNT; fault++) {
        assert_int_equal(sync_world_status(world).penalties[fault], 0);
    }
    sync_world_free(world);
}

static void who_follows_an_uncommitted_branch_finds_out_from_small_answers_too(void **state)
{
    (void)state;
    struct sync_world *world = sync_world_new(FORK_LAST, 0);
    world->block_bytes = 3 * 1024 * 1024; /* one block for each answer, and 39 are known */
    sync_world_add_peer(world, HONEST, FORK_LAST, 0);
    sync_world_add_peer(world, HONEST, FORK_LAST, 0);
    sync_world_follow_fork(world);
    struct qc *qc = sync_world_qc(world, FORK_LAST, MARK_CHAIN);
    world->waiting_qc = qc;
    assert_true(sync_world_completes(world, 2 * SYNC_WORLD_TIMEOUT_MS));
    for (uint32_t fault = 0; fault < SYNC_FAULT_COUNT; fault++) {
        assert_int_equal(sync_world_status(world).penalties[fault], 0);
    }
    world->waiting_qc = NULL;
    qc_unref(qc);
    sync_world_free(world);
}

static void who_follows_an_uncommitted_branch_goes_on_asking_until_somebody_answers(void **state)
{
    (void)state;
    struct sync_world *world = sync_world_new(FORK_LAST, 0);
    sync_world_add_peer(world, SILENT, FORK_LAST, 0);
    sync_world_follow_fork(world);
    sync_world_run(world, world->now_ms + 600000, false);
    assert_in_range(world->peers[0].asked_from_committed, 5, 60);
    world->peers[0].habit = HONEST;
    assert_true(sync_world_completes(world, 20 * SYNC_WORLD_TIMEOUT_MS));
    sync_world_free(world);
}

static void a_branch_that_a_commit_ends_while_its_answer_is_on_the_way_is_no_fault(void **state)
{
    (void)state;
    struct sync_world *world = sync_world_new(60, 0);
    for (uint64_t height = 1; height < FORK_FIRST; height++) {
        world->tree[height][MARK_CHAIN] = world->chain[height];
    }
    world->high = FORK_FIRST - 1;
    sync_world_add_peer(world, FORKS, 60, 0);
    world->peers[0].delay_ms = 200;
    sync_world_run(world, world->now_ms + 100, false);
    assert_int_equal(world->peers[0].asked, 1);
    /* The votes of others, not this peer, bring what is committed in its place. */
    for (uint64_t height = FORK_FIRST; height < FORK_LAST; height++) {
        world->tree[height][MARK_CHAIN] = world->chain[height];
    }
    world->high = FORK_LAST - 1;
    sync_world_run(world, world->now_ms + 200, false);
    assert_int_equal(sync_world_status(world).penalties[SYNC_FAULT_INVALID], 0);
    sync_world_free(world);
}

/* --- Peers that have pruned. --- */

static void a_peer_that_has_pruned_is_passed_over_without_blame(void **state)
{
    (void)state;
    struct sync_world *world = sync_world_new(1000, 0);
    sync_world_add_peer(world, HONEST, 1000, 400);
    sync_world_add_peer(world, HONEST, 1000, 900);
    sync_world_add_peer(world, HONEST, 1000, 0);
    assert_true(sync_world_completes(world, 2000));
    const struct sync_client_status status = sync_world_status(world);
    assert_int_equal(status.penalties[SYNC_FAULT_HEIGHT], 0);
    assert_true(world->peers[0].asked >= 2);
    sync_world_free(world);
}

static void where_all_have_pruned_we_go_on_asking_now_and_then(void **state)
{
    (void)state;
    struct sync_world *world = sync_world_new(1000, 0);
    sync_world_add_peer(world, HONEST, 1000, 400);
    sync_world_add_peer(world, HONEST, 1000, 500);
    assert_false(sync_world_completes(world, 600000));
    const uint32_t asked = world->peers[0].asked + world->peers[1].asked;
    assert_in_range(asked, 10, 100);
    assert_true(sync_world_status(world).is_catching_up);
    sync_world_add_peer(world, HONEST, 1000, 0);
    assert_true(sync_world_completes(world, 2000));
    sync_world_free(world);
}

/* --- Connections. --- */

static void what_a_lost_peer_owed_is_asked_of_another_at_once(void **state)
{
    (void)state;
    struct sync_world *world = sync_world_new(100, 0);
    sync_world_add_peer(world, SILENT, 100, 0);
    sync_world_run(world, world->now_ms + 20, false);
    assert_int_equal(world->peers[0].asked, 1);
    sync_world_add_peer(world, HONEST, 100, 0);
    sync_client_set_connected(world->client, 0, false);
    assert_true(sync_world_completes(world, 50));
    sync_world_free(world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(several_peers_are_asked_at_once_for_different_ranges),
        cmocka_unit_test(answers_that_wait_for_lower_ones_are_shown_to_whoever_looks_ahead),
        cmocka_unit_test(a_block_that_follows_its_certificate_by_a_moment_is_not_asked_for),
        cmocka_unit_test(a_certificate_ahead_brings_blocks_that_nobody_has_advertised),
        cmocka_unit_test(
            the_block_of_a_certificate_is_taken_from_a_peer_that_has_no_certificate_of_it),
        cmocka_unit_test(an_answer_that_a_higher_certificate_has_overtaken_is_no_fault),
        cmocka_unit_test(
            a_late_answer_with_the_block_that_an_earlier_request_has_named_is_no_fault),
        cmocka_unit_test(
            a_late_answer_that_begins_where_our_committed_blocks_end_by_now_is_no_fault),
        cmocka_unit_test(an_answer_that_may_be_to_the_open_request_or_to_an_earlier_one_is_taken),
        cmocka_unit_test(a_late_answer_of_the_one_block_that_was_asked_for_is_not_too_little),
        cmocka_unit_test(a_partial_answer_is_completed),
        cmocka_unit_test(sets_may_change_in_the_middle_of_an_answer),
        cmocka_unit_test(the_certificate_that_opens_an_epoch_is_taken_from_the_child_of_our_block),
        cmocka_unit_test(answers_that_wait_for_a_lower_one_stay_within_their_cap),
        cmocka_unit_test(once_we_have_what_there_is_nobody_is_asked_any_more),
        cmocka_unit_test(who_follows_an_uncommitted_branch_as_high_as_the_committed_one_finds_out),
        cmocka_unit_test(who_follows_an_uncommitted_branch_finds_out_from_small_answers_too),
        cmocka_unit_test(who_follows_an_uncommitted_branch_goes_on_asking_until_somebody_answers),
        cmocka_unit_test(a_branch_that_a_commit_ends_while_its_answer_is_on_the_way_is_no_fault),
        cmocka_unit_test(a_peer_that_has_pruned_is_passed_over_without_blame),
        cmocka_unit_test(where_all_have_pruned_we_go_on_asking_now_and_then),
        cmocka_unit_test(what_a_lost_peer_owed_is_asked_of_another_at_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
