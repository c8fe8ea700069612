/*
 * Livelock is told from slowness. Goal: a network in which nothing can be committed any more is
 * reported with the cycle that it goes through, and none that is merely slow is. Method: four
 * replicas, messages of some kind lost for ever or for a while, and the detector looking at every
 * step.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "lib/checks_lasso.h"

#define BASE_MS 500
#define STILL_MS (3 * (8 * BASE_MS + 100))

struct story {
    struct cluster *cluster;
    struct lasso lasso;
    bool loses[MESSAGE_KIND_COUNT];
    uint64_t until_us; /* lost until then */
};

static bool lose(void *context, uint32_t from, uint32_t to, const struct message *message)
{
    (void)from;
    (void)to;
    const struct story *story = context;
    return story->loses[message->kind] && cluster_now_us(story->cluster) < story->until_us;
}

static bool never(void *context, struct cluster *cluster)
{
    struct story *story = context;
    lasso_look(&story->lasso, cluster);
    return false;
}

/* For so long; true if it went well. */
static bool watch(struct story *story, uint64_t duration_ms)
{
    (void)cluster_run_while_not(story->cluster, duration_ms, never, story);
    return cluster_checks(story->cluster)->violated == CHECK_NONE;
}

static void expect_livelock(struct story *story, const char *how)
{
    const struct checks *checks = cluster_checks(story->cluster);
    assert_false(watch(story, 600000));
    assert_int_equal(checks->violated, CHECK_LIVELOCK);
    if (strstr(checks->violation, how) == NULL) {
        fail_msg("'%s' does not say '%s'", checks->violation, how);
    }
}

static int set_up(void **state)
{
    static struct story story;
    const struct cluster_options options = cluster_default_options();
    story = (struct story){.cluster = cluster_new(&options), .until_us = UINT64_MAX};
    lasso_init(&story.lasso, STILL_MS);
    cluster_set_intercept(story.cluster, lose, &story);
    *state = &story;
    return 0;
}

static int tear_down(void **state)
{
    struct story *story = *state;
    cluster_free(story->cluster);
    return 0;
}

static void begin(struct story *story)
{
    cluster_start_all(story->cluster);
    assert_true(watch(story, 1000));
    assert_true(cluster_committed(story->cluster, 0) > 0);
}

static void leaders_whose_votes_are_all_lost_go_round_and_round(void **state)
{
    struct story *story = *state;
    begin(story);
    story->loses[MESSAGE_VOTE] = true;
    expect_livelock(story, "round and round");
}

static void views_that_never_end_are_a_standstill(void **state)
{
    struct story *story = *state;
    begin(story);
    story->loses[MESSAGE_VOTE] = true;
    story->loses[MESSAGE_TIMEOUT] = true;
    expect_livelock(story, "nothing moves");
}

static void two_of_four_dead_are_a_standstill(void **state)
{
    struct story *story = *state;
    begin(story);
    cluster_crash(story->cluster, 1);
    cluster_crash(story->cluster, 2);
    expect_livelock(story, "nothing moves");
}

static void a_network_that_commits_with_one_dead_is_never_reported(void **state)
{
    struct story *story = *state;
    begin(story);
    cluster_crash(story->cluster, 3);
    assert_true(watch(story, 300000));
}

static void votes_that_are_lost_for_some_tenures_are_no_livelock(void **state)
{
    struct story *story = *state;
    begin(story);
    story->loses[MESSAGE_VOTE] = true;
    for (uint32_t i = 0; i < 10; i++) {
        story->until_us = cluster_now_us(story->cluster) + 10000000;
        assert_true(watch(story, 20000));
    }
}

/* What the report names is the shortest cycle, and three rounds of it are there. */
static void a_cycle_is_three_rounds_of_the_same_looks(void **state)
{
    (void)state;
    static struct lasso lasso;
    lasso_init(&lasso, STILL_MS);
    for (uint32_t i = 0; i < 9; i++) {
        assert_int_equal(lasso_cycle(&lasso), 0);
        lasso.states[i] = (struct lasso_state){.is_led = i % 3 == 0, .phase = i % 3};
        lasso.count++;
    }
    assert_int_equal(lasso_cycle(&lasso), 3);
    lasso.states[4].nodes[2].lock = 1;
    assert_int_equal(lasso_cycle(&lasso), 0);
}

static void without_an_honest_leaders_turn_it_is_no_livelock(void **state)
{
    (void)state;
    static struct lasso lasso;
    lasso_init(&lasso, STILL_MS);
    lasso.count = 30;
    assert_int_equal(lasso_cycle(&lasso), 0);
    for (uint32_t i = 0; i < lasso.count; i++) {
        lasso.states[i].is_led = true;
    }
    assert_int_equal(lasso_cycle(&lasso), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(leaders_whose_votes_are_all_lost_go_round_and_round, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(views_that_never_end_are_a_standstill, set_up, tear_down),
        cmocka_unit_test_setup_teardown(two_of_four_dead_are_a_standstill, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_network_that_commits_with_one_dead_is_never_reported,
                                        set_up, tear_down),
        cmocka_unit_test_setup_teardown(votes_that_are_lost_for_some_tenures_are_no_livelock,
                                        set_up, tear_down),
        cmocka_unit_test(a_cycle_is_three_rounds_of_the_same_looks),
        cmocka_unit_test(without_an_honest_leaders_turn_it_is_no_livelock),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
