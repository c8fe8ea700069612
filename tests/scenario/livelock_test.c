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

/* --- Leaders that cannot sign. --- */

struct target {
    struct story *story;
    uint64_t view;
    bool is_watched;
};

static bool is_there(void *context, struct cluster *cluster)
{
    struct target *target = context;
    if (target->is_watched) {
        lasso_look(&target->story->lasso, cluster);
    }
    return cluster_max_view(cluster) >= target->view;
}

static void go_to(struct story *story, uint64_t view, bool is_watched)
{
    struct target target = {.story = story, .view = view, .is_watched = is_watched};
    assert_true(cluster_run_while_not(story->cluster, 3600000, is_there, &target));
}

static void lose_disk_of_leader(struct cluster *cluster, uint64_t view)
{
    const uint32_t node = checks_leader_at(cluster_checks(cluster), (struct position){0, view});
    cluster_crash(cluster, node);
    cluster_lose_disk(cluster, node);
    cluster_start(cluster, node);
}

/*
 * Long after the last certificate every tenure looks like the one before. Two leaders in a row who
 * have lost their disks let theirs pass, and the third has only come to its turn.
 */
static void leaders_who_have_lost_their_disks_have_no_turn(void **state)
{
    (void)state;
    static const struct cluster_link steady = {.delay_min_us = 1000, .delay_max_us = 1000};
    struct cluster_options options = cluster_default_options();
    options.validators = 7;
    for (options.seed = 1; options.seed <= 8; options.seed++) {
        struct story story = {.cluster = cluster_new(&options), .until_us = UINT64_MAX};
        struct cluster *cluster = story.cluster;
        for (uint32_t i = 0; i < options.validators * options.validators; i++) {
            *cluster_link(cluster, i / options.validators, i % options.validators) = steady;
        }
        cluster_set_intercept(cluster, lose, &story);
        cluster_start_all(cluster);
        assert_true(cluster_run_ms(cluster, 1000));
        story.loses[MESSAGE_VOTE] = true;
        const uint64_t tenure = options.leader_tenure;
        const uint64_t first = (cluster_max_view(cluster) / tenure + 20) * tenure + 1;
        lose_disk_of_leader(cluster, first + tenure);
        lose_disk_of_leader(cluster, first + 2 * tenure);
        go_to(&story, first, false);
        lasso_init(&story.lasso, STILL_MS);
        go_to(&story, first + tenure, true);
        story.loses[MESSAGE_VOTE] = false;
        const uint64_t before = cluster_checks(cluster)->committed_count;
        assert_true(watch(&story, 60000));
        assert_true(cluster_checks(cluster)->committed_count > before);
        cluster_free(cluster);
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
        cmocka_unit_test(leaders_who_have_lost_their_disks_have_no_turn),
        cmocka_unit_test(a_cycle_is_three_rounds_of_the_same_looks),
        cmocka_unit_test(without_an_honest_leaders_turn_it_is_no_livelock),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
