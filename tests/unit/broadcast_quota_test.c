/*
 * Goal: what one member sends costs the others nothing: junk fills only its own quota, memory stays
 * flat, and no replay takes the room of new rounds. Method: a replica alone, flooded by the test;
 * the protocol's own counts of what it holds, and rounds of honest members that go on through it
 * all.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "lib/broadcast_solitary.h"

#define JUNK 10000
#define ROUNDS_MAX 16
#define BYTES_MAX 2000
#define REMEMBERED_MAX 64

static struct solitary solitary;

static int set_up(void **state)
{
    (void)state;
    struct quorum_broadcast_config config = {0};
    quorum_broadcast_config_defaults(&config, 4);
    config.open_rounds_max = ROUNDS_MAX;
    config.open_bytes_max = BYTES_MAX;
    config.finished_rounds_max = ROUNDS_MAX;
    config.remembered_max = REMEMBERED_MAX;
    solitary_init_quorum(&solitary, 4, 0, &config);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    solitary_deinit(&solitary);
    return 0;
}

static const char *numbered(const char *name, unsigned number)
{
    static char text[32];
    (void)snprintf(text, sizeof text, "%s%u", name, number);
    return text;
}

static enum broadcast_reject say(enum broadcast_kind kind, uint32_t sender, uint32_t originator,
                                 const char *id, const char *payload)
{
    return solitary_say(&solitary, kind, sender, originator, id, payload);
}

/* A round of member 1 that has got as far as two PREPAREs. */
static void begin_honest_round(const char *id)
{
    assert_int_equal(say(BROADCAST_PRE_PREPARE, 1, 1, id, "x"), BROADCAST_REJECT_NONE);
    assert_int_equal(say(BROADCAST_PREPARE, 1, 1, id, "x"), BROADCAST_REJECT_NONE);
}

static void end_honest_round(const char *id)
{
    solitary_clear(&solitary);
    assert_int_equal(say(BROADCAST_PREPARE, 2, 1, id, "x"), BROADCAST_REJECT_NONE);
    assert_int_equal(say(BROADCAST_COMMIT, 1, 1, id, "x"), BROADCAST_REJECT_NONE);
    assert_int_equal(say(BROADCAST_COMMIT, 2, 1, id, "x"), BROADCAST_REJECT_NONE);
    assert_int_equal(solitary_count(&solitary, BROADCAST_DELIVER), 1);
}

static void junk_of_an_originator_evicts_nothing_of_another(void **state)
{
    (void)state;
    const struct broadcast_stats *stats = &solitary.protocol->stats;
    begin_honest_round("id");
    for (unsigned i = 0; i < JUNK; i++) {
        (void)say(BROADCAST_PRE_PREPARE, 3, 3, numbered("junk", i), "some payload");
        assert_true(stats->open <= ROUNDS_MAX + 1);
        assert_true(stats->bytes <= BYTES_MAX + 1);
        solitary_clear(&solitary);
    }
    assert_int_equal(stats->open, ROUNDS_MAX + 1);
    assert_int_equal(stats->rejected[BROADCAST_REJECT_QUOTA_ROUNDS], JUNK - ROUNDS_MAX);
    begin_honest_round("id2");
    end_honest_round("id2");
    end_honest_round("id");
}

static void junk_that_waits_for_its_time_out_leaves_nothing_but_its_own_memory(void **state)
{
    (void)state;
    const struct broadcast_stats *stats = &solitary.protocol->stats;
    begin_honest_round("id");
    end_honest_round("id");
    for (unsigned i = 0; i < JUNK; i++) {
        (void)say(BROADCAST_PRE_PREPARE, 3, 3, numbered("junk", i), "some payload");
        if (i % ROUNDS_MAX == ROUNDS_MAX - 1) {
            solitary_tick(&solitary, QUORUM_BROADCAST_TIMEOUT_MS);
            solitary_tick(&solitary, QUORUM_BROADCAST_TIMEOUT_MS);
            assert_int_equal(stats->open, 0);
            assert_true(stats->remembered <= REMEMBERED_MAX);
        }
        solitary_clear(&solitary);
    }
    assert_int_equal(stats->remembered, REMEMBERED_MAX);
    assert_int_equal(stats->finished, 1);
    assert_int_equal(stats->bytes, 1);
    assert_int_equal(say(BROADCAST_PRE_PREPARE, 1, 1, "id", "y"), BROADCAST_REJECT_DELIVERED);
}

static void votes_for_rounds_that_nobody_started_use_up_the_voters_quota_alone(void **state)
{
    (void)state;
    const struct broadcast_stats *stats = &solitary.protocol->stats;
    begin_honest_round("id");
    for (unsigned i = 0; i < JUNK; i++) {
        (void)say(i % 2 == 0 ? BROADCAST_PREPARE : BROADCAST_COMMIT, 3, 1, numbered("junk", i),
                  "x");
        assert_true(stats->open <= ROUNDS_MAX + 1);
    }
    /* Rounds of the member that was named, and votes of the others. */
    assert_int_equal(say(BROADCAST_PREPARE, 2, 1, "early", "x"), BROADCAST_REJECT_NONE);
    begin_honest_round("id2");
    end_honest_round("id2");
    end_honest_round("id");
    solitary_tick(&solitary, QUORUM_BROADCAST_TIMEOUT_MS);
    assert_int_equal(stats->open, 0);
    assert_int_equal(stats->remembered, 0);
}

static void payloads_are_counted_in_bytes(void **state)
{
    (void)state;
    static char large[BYTES_MAX / 2 + 2];
    for (size_t i = 0; i + 1 < sizeof large; i++) {
        large[i] = 'x';
    }
    assert_int_equal(say(BROADCAST_PRE_PREPARE, 3, 3, "a", large), BROADCAST_REJECT_NONE);
    assert_int_equal(say(BROADCAST_PRE_PREPARE, 3, 3, "b", large), BROADCAST_REJECT_QUOTA_BYTES);
    assert_int_equal(say(BROADCAST_PRE_PREPARE, 3, 3, "c", "x"), BROADCAST_REJECT_NONE);
    assert_int_equal(say(BROADCAST_PRE_PREPARE, 1, 1, "b", large), BROADCAST_REJECT_NONE);
    solitary_tick(&solitary, QUORUM_BROADCAST_TIMEOUT_MS);
    assert_int_equal(solitary.protocol->stats.bytes, 0);
    assert_int_equal(say(BROADCAST_PRE_PREPARE, 3, 3, "d", large), BROADCAST_REJECT_NONE);
}

static void what_others_are_prepared_for_is_let_in_above_the_quota(void **state)
{
    (void)state;
    for (unsigned i = 0; i < ROUNDS_MAX; i++) {
        say(BROADCAST_PRE_PREPARE, 1, 1, numbered("junk", i), "x");
    }
    assert_int_equal(say(BROADCAST_PREPARE, 2, 1, "id", "x"), BROADCAST_REJECT_NONE);
    assert_int_equal(say(BROADCAST_PREPARE, 3, 1, "id", "x"), BROADCAST_REJECT_NONE);
    assert_int_equal(say(BROADCAST_PRE_PREPARE, 1, 1, "id", "x"), BROADCAST_REJECT_QUOTA_ROUNDS);
    assert_int_equal(say(BROADCAST_COMMIT, 2, 1, "id", "x"), BROADCAST_REJECT_NONE);
    assert_int_equal(say(BROADCAST_COMMIT, 3, 1, "id", "x"), BROADCAST_REJECT_NONE);
    assert_int_equal(say(BROADCAST_PRE_PREPARE, 1, 1, "id", "x"), BROADCAST_REJECT_NONE);
    assert_int_equal(solitary_count(&solitary, BROADCAST_DELIVER), 1);
}

static void a_start_above_the_quota_is_refused(void **state)
{
    (void)state;
    for (unsigned i = 0; i < ROUNDS_MAX; i++) {
        assert_int_equal(solitary_start(&solitary, numbered("id", i), "x"), BROADCAST_REJECT_NONE);
    }
    assert_int_equal(solitary_start(&solitary, "more", "x"), BROADCAST_REJECT_QUOTA_ROUNDS);
    assert_int_equal(solitary_last(&solitary, BROADCAST_REFUSED)->reason,
                     BROADCAST_REJECT_QUOTA_ROUNDS);
}

static void old_rounds_that_are_shown_again_take_no_room_of_new_ones(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 3 * ROUNDS_MAX; i++) {
        (void)say(BROADCAST_PRE_PREPARE, 1, 1, numbered("old", i), "x");
        if (i % ROUNDS_MAX == ROUNDS_MAX - 1) {
            solitary_tick(&solitary, QUORUM_BROADCAST_TIMEOUT_MS);
        }
    }
    assert_int_equal(solitary.protocol->stats.open, 0);
    for (unsigned i = 0; i < 3 * ROUNDS_MAX; i++) {
        (void)say(BROADCAST_PRE_PREPARE, 1, 1, numbered("old", i), "x");
    }
    assert_int_equal(solitary.protocol->stats.open, ROUNDS_MAX);
    begin_honest_round("id");
    end_honest_round("id");
}

static void finished_rounds_make_room_oldest_first(void **state)
{
    (void)state;
    for (unsigned i = 0; i < ROUNDS_MAX + 1; i++) {
        begin_honest_round(numbered("id", i));
        end_honest_round(numbered("id", i));
    }
    assert_int_equal(solitary.protocol->stats.finished, ROUNDS_MAX);
    assert_int_equal(solitary.protocol->stats.remembered, 1);
    /* The oldest is not answered for any more, and never delivered again. */
    solitary_clear(&solitary);
    assert_int_equal(say(BROADCAST_COMMIT, 2, 1, "id0", "x"), BROADCAST_REJECT_DELIVERED);
    assert_int_equal(solitary.effects.count, 0);
    assert_int_equal(say(BROADCAST_COMMIT, 2, 1, "id1", "x"), BROADCAST_REJECT_DELIVERED);
    assert_int_equal(solitary_count(&solitary, BROADCAST_SEND), 1);
}

static void a_tick_says_no_more_than_it_may(void **state)
{
    (void)state;
    struct quorum_broadcast_config config = {0};
    quorum_broadcast_config_defaults(&config, 4);
    config.repeat_bytes_max = 4 * 5000;
    solitary_deinit(&solitary);
    solitary_init_quorum(&solitary, 4, 0, &config);
    for (unsigned i = 0; i < 100; i++) {
        (void)say(BROADCAST_PRE_PREPARE, 1, 1, numbered("id", i), "x");
    }
    begin_honest_round("last");
    (void)say(BROADCAST_PRE_PREPARE, 2, 2, "other", "x");
    uint32_t most = 0;
    uint32_t sent = 0;
    for (unsigned i = 0; i < 60; i++) {
        solitary_clear(&solitary);
        solitary_tick(&solitary, i == 0 ? QUORUM_BROADCAST_RESEND_MS : 1);
        const uint32_t count = solitary_count(&solitary, BROADCAST_SEND);
        if (i == 0) { /* the other originator has a part of its own */
            assert_true(solitary_sent(&solitary, BROADCAST_PREPARE, BROADCAST_TO_MEMBER, 3) > 1);
        }
        most = count > most ? count : most;
        sent += count;
    }
    assert_true(most < 100);
    assert_true(sent >= 3 * 100); /* and in the end all was said */
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(junk_of_an_originator_evicts_nothing_of_another),
        TEST(junk_that_waits_for_its_time_out_leaves_nothing_but_its_own_memory),
        TEST(votes_for_rounds_that_nobody_started_use_up_the_voters_quota_alone),
        TEST(payloads_are_counted_in_bytes),
        TEST(what_others_are_prepared_for_is_let_in_above_the_quota),
        TEST(a_start_above_the_quota_is_refused),
        TEST(old_rounds_that_are_shown_again_take_no_room_of_new_ones),
        TEST(finished_rounds_make_room_oldest_first),
        TEST(a_tick_says_no_more_than_it_may),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
