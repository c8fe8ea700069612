/*
 * A member whose disk or machine fails at each of its durable writes in turn. Goal: whatever the
 * write was, and whether it is on the disk afterwards or not, the member comes back, nobody has
 * broken a rule, a new block is there within the views that the design promises, and all come to
 * one height and one state. Method: the same small story, with transactions and one change of the
 * validator set in it, once for each member, each way to fail and each of its writes, until the
 * story has no such write any more; then also with a second failure at the first writes after the
 * restart.
 *
 * The slow builds that check themselves take a part of the writes, the others all of them.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "lib/cluster.h"

#define MEMBERS 4
#define STORY_VIEWS 40
#define CHANGE_VIEW 5
#define LIMIT_MS 60000
#define DOWN_MS 30
#define STEP_MS 5

enum {
#ifdef INGOT_DEBUG_CHECKS
    STRIDE = 16
#else
    STRIDE = 1
#endif
};

struct story {
    enum store_memory_fault fault;
    uint32_t victim;
    uint64_t nth;       /* write since its first start */
    uint64_t nth_again; /* write since its restart; 0: no second failure */
    uint64_t views;     /* that passed until a new block */
};

static void fail_story(const struct story *story, struct cluster *cluster, const char *what)
{
    const struct checks *checks = cluster_checks(cluster);
    fail_msg("%s: member %u, fault %d, write %llu, then %llu: %s: %s", what, story->victim,
             (int)story->fault, (unsigned long long)story->nth,
             (unsigned long long)story->nth_again, check_text(checks->violated), checks->violation);
}

static struct cluster *begin(const struct story *story)
{
    struct cluster_options options = cluster_default_options();
    options.validators = MEMBERS;
    options.observers = 1;
    options.empty_block_interval_ms = 10;
    struct cluster *cluster = cluster_new(&options);
    const struct cluster_link quick = {.delay_min_us = 1000, .delay_max_us = 1000};
    cluster_set_all_links(cluster, &quick);
    cluster_start_all(cluster);
    cluster_fail_write(cluster, story->victim, story->nth, story->fault);
    return cluster;
}

/* Somebody else is asked, so that nothing is lost with the victim. */
static void ask_for_change(const struct story *story, struct cluster *cluster)
{
    const struct set_app_powers powers = {{1, 1, 1, 1, 1}};
    const uint32_t other = (story->victim + 1) % MEMBERS;
    assert_int_equal(cluster_submit_change(cluster, other, &powers), INGOT_OK);
}

/* The story with a load; false: it is over, and the victim is still up. */
static bool runs_into_fault(const struct story *story, struct cluster *cluster, uint64_t views)
{
    const uint64_t end = cluster_views_passed(cluster) + views;
    while (cluster_is_up(cluster, story->victim)) {
        if (cluster_views_passed(cluster) >= end) {
            return false;
        }
        const bool was_before = cluster_views_passed(cluster) < CHANGE_VIEW;
        if (!cluster_run_ms(cluster, STEP_MS)) {
            fail_story(story, cluster, "before the fault");
        }
        if (was_before && cluster_views_passed(cluster) >= CHANGE_VIEW) {
            ask_for_change(story, cluster);
        }
        cluster_submit_any(cluster, (story->victim + 1) % MEMBERS);
    }
    return true;
}

static void come_back(const struct story *story, struct cluster *cluster)
{
    if (!cluster_run_ms(cluster, DOWN_MS)) {
        fail_story(story, cluster, "while it was down");
    }
    cluster_start(cluster, story->victim);
    if (!cluster_is_up(cluster, story->victim)) {
        fail_story(story, cluster, "it does not start");
    }
}

static bool is_higher(void *context, struct cluster *cluster)
{
    const uint64_t *height = context;
    return cluster_checks(cluster)->committed_count - 1 > *height;
}

static bool is_level(void *context, struct cluster *cluster)
{
    (void)context;
    for (uint32_t i = 0; i < cluster_count(cluster); i++) {
        if (cluster_committed(cluster, i) + 1 != cluster_checks(cluster)->committed_count ||
            replica_mempool_count(cluster_replica(cluster, i)) > 0) {
            return false;
        }
    }
    return true;
}

static void recover(struct story *story, struct cluster *cluster)
{
    /* As for deaths in a change, where one of four, and then one of five, may be faulty. */
    const uint64_t bound = 1 + 1 + 8;
    const uint64_t views_before = cluster_views_passed(cluster);
    uint64_t height = cluster_checks(cluster)->highest_block;
    if (!cluster_run_while_not(cluster, LIMIT_MS, is_higher, &height)) {
        fail_story(story, cluster, "no new block");
    }
    story->views = cluster_views_passed(cluster) - views_before;
    if (story->views > bound) {
        fail_story(story, cluster, "a new block takes too many views");
    }
    if (!cluster_run_while_not(cluster, LIMIT_MS, is_level, NULL) ||
        !cluster_states_are_equal(cluster)) {
        fail_story(story, cluster, "they do not come to one height and state");
    }
}

/* False: the story has no such write. */
static bool run(struct story *story)
{
    struct cluster *cluster = begin(story);
    bool has_failed = runs_into_fault(story, cluster, STORY_VIEWS);
    if (has_failed) {
        come_back(story, cluster);
    }
    if (has_failed && story->nth_again > 0) {
        cluster_fail_write(cluster, story->victim, story->nth_again, story->fault);
        has_failed = runs_into_fault(story, cluster, STORY_VIEWS);
        if (has_failed) {
            come_back(story, cluster);
        }
    }
    cluster_cancel_faults(cluster, story->victim);
    recover(story, cluster);
    cluster_free(cluster);
    return has_failed;
}

static void every_write_in_turn(enum store_memory_fault fault)
{
    uint64_t cases = 0;
    uint64_t views_max = 0;
    for (uint32_t victim = 0; victim < MEMBERS; victim++) {
        struct story story = {.fault = fault, .victim = victim, .nth = 1 + victim % STRIDE};
        while (run(&story)) {
            cases++;
            views_max = story.views > views_max ? story.views : views_max;
            story.nth += STRIDE;
        }
    }
    print_message("%llu writes, a new block at most %llu views after the restart\n",
                  (unsigned long long)cases, (unsigned long long)views_max);
    assert_true(cases * STRIDE > (uint64_t)MEMBERS * STORY_VIEWS);
}

static void a_write_that_is_refused_stops_a_member_and_costs_nothing_else(void **state)
{
    (void)state;
    every_write_in_turn(STORE_MEMORY_NO_SPACE);
}

static void a_write_of_unknown_outcome_that_is_not_there_costs_nothing(void **state)
{
    (void)state;
    every_write_in_turn(STORE_MEMORY_FAILED_LOST);
}

static void a_write_of_unknown_outcome_that_is_there_costs_nothing(void **state)
{
    (void)state;
    every_write_in_turn(STORE_MEMORY_FAILED_APPLIED);
}

static void a_crash_right_before_any_write_costs_nothing(void **state)
{
    (void)state;
    every_write_in_turn(STORE_MEMORY_CRASH_BEFORE);
}

static void a_crash_right_after_any_write_costs_nothing(void **state)
{
    (void)state;
    every_write_in_turn(STORE_MEMORY_CRASH_AFTER);
}

static void a_second_crash_at_the_first_writes_after_a_restart_costs_nothing(void **state)
{
    (void)state;
    static const enum store_memory_fault faults[] = {
        STORE_MEMORY_CRASH_BEFORE, STORE_MEMORY_CRASH_AFTER, STORE_MEMORY_FAILED_APPLIED};
    uint64_t cases = 0;
    for (uint32_t i = 0; i < 3 * MEMBERS; i++) {
        struct story story = {.fault = faults[i % 3], .victim = i / 3, .nth_again = 1 + i % 2};
        for (story.nth = 1 + i % (2 * STRIDE); run(&story); story.nth += 2 * STRIDE) {
            cases++;
        }
    }
    print_message("%llu cases\n", (unsigned long long)cases);
    assert_true(cases > 3 * MEMBERS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_write_that_is_refused_stops_a_member_and_costs_nothing_else),
        cmocka_unit_test(a_write_of_unknown_outcome_that_is_not_there_costs_nothing),
        cmocka_unit_test(a_write_of_unknown_outcome_that_is_there_costs_nothing),
        cmocka_unit_test(a_crash_right_before_any_write_costs_nothing),
        cmocka_unit_test(a_crash_right_after_any_write_costs_nothing),
        cmocka_unit_test(a_second_crash_at_the_first_writes_after_a_restart_costs_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
