/*
 * A liar for each habit. Goal: every habit is really done, whatever the seeds of the simulator
 * draw, and alone it breaks nothing. Method: seven members whose set changes now and then, one of
 * them with this one habit; frames are lost, one replica comes and goes, so that somebody is always
 * behind, and the habit's mark must be above zero at the end.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "lib/cluster.h"

#define LIAR 2
#define ROUNDS_MIN 12
#define ROUNDS 40
#define ROUND_MS 250

static const struct cluster_link lossy = {.delay_min_us = 500, .delay_max_us = 5000, .loss = 20000};

/* A member more, or one less. */
static void change_set(struct cluster *cluster, uint32_t round)
{
    struct set_app_powers powers = cluster_powers(cluster);
    powers.of[6] = round % 20 == 0 ? 0 : 1;
    (void)cluster_submit_change(cluster, 0, &powers);
}

static uint64_t times_done(const struct cluster *cluster, enum byzantine_habit habit)
{
    uint64_t done[BYZANTINE_HABITS] = {0};
    cluster_add_habits(cluster, done);
    return done[habit];
}

/* How often the habit was done; fails the test on a violation. */
static uint64_t live_with(enum byzantine_habit habit, uint64_t seed)
{
    struct cluster_options options = cluster_default_options();
    options.validators = 7;
    options.seed = seed;
    options.empty_block_interval_ms = 20;
    options.base_timeout_ms = 200;
    options.compact_payload_bytes_min = 0; /* names whatever it can */
    struct cluster *cluster = cluster_new(&options);
    cluster_set_byzantine(cluster, LIAR, BYZANTINE_BIT(habit));
    cluster_set_all_links(cluster, &lossy);
    cluster_start_all(cluster);
    bool is_right = true;
    for (uint32_t round = 1;
         is_right && round <= ROUNDS && (round <= ROUNDS_MIN || times_done(cluster, habit) < 4);
         round++) {
        for (uint32_t node = 0; node < 3; node++) {
            cluster_submit_any(cluster, node); /* the liar has a client, too */
        }
        if (round % 10 == 0) {
            change_set(cluster, round);
        }
        if (round % 4 == 0) {
            cluster_crash(cluster, 5);
        } else if (!cluster_is_up(cluster, 5) && round % 4 == 3) {
            cluster_start(cluster, 5);
        }
        is_right = cluster_run_ms(cluster, ROUND_MS);
    }
    const uint64_t done = times_done(cluster, habit);
    const struct checks *checks = cluster_checks(cluster);
    if (!is_right) {
        fail_msg("%s: %s: %s", byzantine_text(habit), check_text(checks->violated),
                 checks->violation);
    }
    if (checks->committed_count < 4) {
        fail_msg("%s: seven members with one liar commit nothing", byzantine_text(habit));
    }
    cluster_free(cluster);
    return done;
}

static void every_habit_is_really_done_and_breaks_nothing(void **state)
{
    (void)state;
    for (uint32_t i = 0; i < BYZANTINE_HABITS; i++) {
        uint64_t done = 0;
        for (uint64_t seed = 1; done == 0 && seed <= 4; seed++) {
            done = live_with((enum byzantine_habit)i, seed);
        }
        if (done == 0) {
            fail_msg("nobody has seen this: %s", byzantine_text((enum byzantine_habit)i));
        }
    }
}

static void whoever_votes_twice_is_found_out(void **state)
{
    (void)state;
    struct cluster_options options = cluster_default_options();
    struct cluster *cluster = cluster_new(&options);
    cluster_set_byzantine(cluster, LIAR,
                          BYZANTINE_BIT(BYZANTINE_EQUIVOCATES) |
                              BYZANTINE_BIT(BYZANTINE_FLOODS_VOTES));
    cluster_start_all(cluster);
    assert_true(cluster_run_ms(cluster, 10000));
    const struct checks *checks = cluster_checks(cluster);
    assert_true(checks->equivocations_heard > 0);
    assert_true(checks->evidence_kept > 0);
    cluster_free(cluster);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_habit_is_really_done_and_breaks_nothing),
        cmocka_unit_test(whoever_votes_twice_is_found_out),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
