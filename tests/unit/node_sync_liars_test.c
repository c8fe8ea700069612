/*
 * The sync client among peers that lie, stall, drip and boast. Goal: whatever they do, one honest
 * peer is enough, memory stays flat, each fault is counted under its name, and nobody is passed
 * over for ever.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "lib/sync_world.h"

/* --- Peers that do wrong. --- */

struct wrong {
    const char *label;
    enum sync_habit habit;
    enum sync_fault fault; /* what it is counted under */
};

static const struct wrong wrongs[] = {
    {"does not answer", SILENT, SYNC_FAULT_STALLED},
    {"answers late", SLOW, SYNC_FAULT_STALLED},
    {"forges a block", FORGES, SYNC_FAULT_INVALID},
    {"claims too much", BOASTS, SYNC_FAULT_HEIGHT},
    {"shows nothing", HIDES, SYNC_FAULT_HEIGHT},
    {"sends what does not decode", GARBLES, SYNC_FAULT_INVALID},
    {"sends other heights", STRAYS, SYNC_FAULT_NOT_ASKED},
    {"sends more than asked", OVERFILLS, SYNC_FAULT_NOT_ASKED},
    {"sends one block at a time", DRIPS, SYNC_FAULT_MEAGRE},
};

static void one_honest_peer_among_three_bad_ones_is_enough(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof wrongs / sizeof wrongs[0]; i++) {
        struct sync_world *world = sync_world_new(2000, 50);
        for (uint32_t bad = 0; bad < 3; bad++) {
            sync_world_add_peer(world, wrongs[i].habit, 2000, 0);
        }
        sync_world_add_peer(world, HONEST, 2000, 0);
        if (!sync_world_completes(world, 20000)) {
            fail_msg("%s: stands at %u of 2000", wrongs[i].label, (unsigned)world->high);
        }
        if (wrongs[i].habit == BOASTS) { /* found out only at the end */
            sync_world_run(world, world->now_ms + 2000, false);
        }
        const struct sync_client_status status = sync_world_status(world);
        if (status.penalties[wrongs[i].fault] == 0) {
            fail_msg("%s: not counted", wrongs[i].label);
        }
        assert_in_range(world->held_most, 0, 8 * 1024 * 1024);
        sync_world_free(world);
    }
}

static void all_kinds_of_bad_peers_together_do_not_keep_us_behind(void **state)
{
    (void)state;
    struct sync_world *world = sync_world_new(2000, 128);
    const enum sync_habit habits[] = {SILENT, FORGES, BOASTS, HIDES, STRAYS, GARBLES, DRIPS, FORKS};
    for (size_t i = 0; i < sizeof habits / sizeof habits[0]; i++) {
        sync_world_add_peer(world, habits[i], 2000, 0);
    }
    sync_world_add_peer(world, HONEST, 2000, 0);
    assert_true(sync_world_completes(world, 30000));
    sync_world_free(world);
}

static void a_branch_that_is_certified_but_not_committed_is_left_again(void **state)
{
    (void)state;
    struct sync_world *world = sync_world_new(500, 0);
    sync_world_add_peer(world, FORKS, 500, 0);
    sync_world_add_peer(world, HONEST, 500, 0);
    world->peers[0].delay_ms = 1; /* what it says comes first */
    assert_true(sync_world_completes(world, 20000));
    assert_non_null(world->tree[FORK_FIRST][MARK_FORK]);
    sync_world_free(world);
}

static void where_two_answers_do_not_link_we_ask_again_from_our_committed_block_on(void **state)
{
    (void)state;
    struct sync_world *world = sync_world_new(500, 0);
    sync_world_add_peer(world, FORKS, 500, 0);
    sync_world_add_peer(world, HONEST, 500, 0);
    world->peers[0].delay_ms = 1; /* what it says comes first */
    assert_true(sync_world_completes(world, 1000));
    assert_non_null(world->tree[FORK_FIRST][MARK_FORK]);
    assert_true(world->peers[0].asked_from_committed + world->peers[1].asked_from_committed >= 1);
    sync_world_free(world);
}

static void what_is_not_answered_in_time_is_asked_of_another_at_the_deadline(void **state)
{
    (void)state;
    struct sync_world *world = sync_world_new(100, 0);
    sync_world_add_peer(world, SILENT, 100, 0);
    sync_world_add_peer(world, HONEST, 100, 0);
    sync_world_run(world, world->now_ms + SYNC_WORLD_TIMEOUT_MS, false);
    assert_int_equal(world->peers[0].asked, 1);
    assert_int_equal(world->peers[1].asked, 0);
    assert_true(sync_world_completes(world, 50));
    assert_int_equal(sync_world_status(world).penalties[SYNC_FAULT_STALLED], 1);
    sync_world_free(world);
}

static void a_request_that_was_lost_is_given_up_and_sent_again_to_the_same_peer(void **state)
{
    (void)state;
    struct sync_world *world = sync_world_new(100, 0);
    sync_world_add_peer(world, SILENT, 100, 0);
    sync_world_run(world, world->now_ms + 3 * SYNC_WORLD_TIMEOUT_MS, false);
    assert_int_equal(world->peers[0].asked, 1); /* its answer may only be late */
    world->peers[0].habit = HONEST;             /* and there is nobody else to ask */
    assert_true(sync_world_completes(world, 2 * SYNC_WORLD_TIMEOUT_MS));
    sync_world_free(world);
}

/* Links that were bad for long may have become good. */
static void however_many_requests_were_lost_the_next_one_is_not_long_in_coming(void **state)
{
    (void)state;
    struct sync_world *world = sync_world_new(100, 0);
    sync_world_add_peer(world, SILENT, 100, 0);
    sync_world_run(world, world->now_ms + 200 * SYNC_WORLD_TIMEOUT_MS, false);
    assert_true(world->peers[0].asked >= 10);
    world->peers[0].habit = HONEST;
    assert_true(sync_world_completes(world, 17 * SYNC_WORLD_TIMEOUT_MS));
    sync_world_free(world);
}

/* It is asked for something else by then, and its answer is to what it was asked before. */
static void an_answer_that_comes_late_is_no_lie(void **state)
{
    (void)state;
    struct sync_world *world = sync_world_new(3000, 0);
    sync_world_add_peer(world, SLOW, 3000, 0);
    sync_world_add_peer(world, HONEST, 3000, 0);
    world->peers[1].delay_ms = 500;
    assert_true(sync_world_completes(world, 60000));
    assert_true(world->peers[0].asked >= 2);
    const struct sync_client_status status = sync_world_status(world);
    for (uint32_t fault = 0; fault < SYNC_FAULT_COUNT; fault++) {
        assert_true(fault == SYNC_FAULT_STALLED ? status.penalties[fault] > 0
                                                : status.penalties[fault] == 0);
    }
    sync_world_free(world);
}

static void a_slow_peer_is_enough_if_there_is_no_other(void **state)
{
    (void)state;
    struct sync_world *world = sync_world_new(300, 0);
    sync_world_add_peer(world, SLOW, 300, 0);
    assert_true(sync_world_completes(world, 600000));
    /* It is asked for less each time, and what comes then is what was asked for before. */
    assert_int_equal(sync_world_status(world).penalties[SYNC_FAULT_NOT_ASKED], 0);
    sync_world_free(world);
}

static void whoever_was_wrong_is_asked_again_after_a_growing_pause(void **state)
{
    (void)state;
    struct sync_world *world = sync_world_new(100, 0);
    sync_world_add_peer(world, HIDES, 100, 0);
    sync_world_run(world, world->now_ms + 60000, false);
    const uint32_t asked = world->peers[0].asked;
    assert_int_equal(asked, 1); /* its claim is cut down to what it has shown */
    for (uint32_t i = 0; i < 600; i++) {
        sync_world_say_heights(world);
        sync_world_run(world, world->now_ms + 1000, false);
    }
    assert_in_range(world->peers[0].asked, 10, 20);
    world->peers[0].habit = HONEST;
    for (uint32_t i = 0; i < 70; i++) {
        sync_world_say_heights(world);
        sync_world_run(world, world->now_ms + 1000, true);
    }
    assert_int_equal(world->high, 100);
    sync_world_free(world);
}

static void a_lone_boaster_does_not_make_us_say_that_we_are_behind(void **state)
{
    (void)state;
    struct sync_world *world = sync_world_new(100, 0);
    sync_world_add_peer(world, HONEST, 100, 0);
    sync_world_add_peer(world, HONEST, 100, 0);
    sync_world_add_peer(world, BOASTS, 100, 0);
    assert_true(sync_world_completes(world, 1000));
    uint32_t said = 0;
    for (uint32_t i = 0; i < 1000; i++) {
        sync_world_say_heights(world);
        sync_world_run(world, world->now_ms + 1000, false);
        said += sync_world_status(world).is_catching_up;
    }
    assert_int_equal(said, 0);
    assert_in_range(world->peers[2].asked, 2, 40);
    sync_world_free(world);
}

static void a_boaster_without_others_is_believed_only_until_it_is_asked(void **state)
{
    (void)state;
    struct sync_world *world = sync_world_new(100, 0);
    sync_world_add_peer(world, BOASTS, 100, 0);
    sync_world_step(world);
    assert_true(sync_world_status(world).is_catching_up);
    assert_true(sync_world_completes(world, 1000));
    sync_world_run(world, world->now_ms + 1000, false);
    sync_world_say_heights(world);
    sync_world_step(world);
    assert_false(sync_world_status(world).is_catching_up);
    sync_world_free(world);
}

static void what_nobody_asked_for_is_refused_and_counted(void **state)
{
    (void)state;
    struct sync_world *world = sync_world_new(100, 0);
    sync_world_add_peer(world, HONEST, 0, 0);
    struct message *message = message_new(MESSAGE_SYNC_RESPONSE);
    for (uint32_t i = 0; i < 50; i++) {
        assert_int_equal(sync_client_receive(world->client, world->now_ms, 0, message, 10),
                         REJECT_UNREQUESTED);
    }
    assert_int_equal(sync_world_status(world).penalties[SYNC_FAULT_UNREQUESTED], 50);
    assert_int_equal(sync_world_status(world).held_bytes, 0);
    message_unref(message);
    sync_world_free(world);
}

static void whoever_comes_under_the_number_of_a_removed_peer_starts_without_faults(void **state)
{
    (void)state;
    struct sync_world *world = sync_world_new(100, 0);
    sync_world_add_peer(world, HIDES, 100, 0);
    for (uint32_t i = 0; i < 100; i++) {
        sync_world_say_heights(world);
        sync_world_run(world, world->now_ms + 1000, false);
    }
    sync_client_set_connected(world->client, 0, false);
    sync_client_forget(world->client, 0);
    sync_client_set_connected(world->client, 0, true);
    world->peers[0].habit = HONEST;
    sync_world_say_heights(world);
    assert_true(sync_world_completes(world, 50));
    sync_world_free(world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_honest_peer_among_three_bad_ones_is_enough),
        cmocka_unit_test(all_kinds_of_bad_peers_together_do_not_keep_us_behind),
        cmocka_unit_test(a_branch_that_is_certified_but_not_committed_is_left_again),
        cmocka_unit_test(where_two_answers_do_not_link_we_ask_again_from_our_committed_block_on),
        cmocka_unit_test(what_is_not_answered_in_time_is_asked_of_another_at_the_deadline),
        cmocka_unit_test(a_request_that_was_lost_is_given_up_and_sent_again_to_the_same_peer),
        cmocka_unit_test(however_many_requests_were_lost_the_next_one_is_not_long_in_coming),
        cmocka_unit_test(an_answer_that_comes_late_is_no_lie),
        cmocka_unit_test(a_slow_peer_is_enough_if_there_is_no_other),
        cmocka_unit_test(whoever_was_wrong_is_asked_again_after_a_growing_pause),
        cmocka_unit_test(a_lone_boaster_does_not_make_us_say_that_we_are_behind),
        cmocka_unit_test(a_boaster_without_others_is_believed_only_until_it_is_asked),
        cmocka_unit_test(what_nobody_asked_for_is_refused_and_counted),
        cmocka_unit_test(whoever_comes_under_the_number_of_a_removed_peer_starts_without_faults),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
