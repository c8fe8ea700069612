/*
 * One change of the validator set, with one node dying at each message of it, for good or to come
 * back. Goal: wherever the death falls, the change commits, the new set goes on committing, and a
 * new block is there within the views that the design promises. Method: a run without a death
 * counts the frames that each node sends while the change is under way; then there is one run for
 * each node and each of its frames, in which it dies right before that frame. The change begins
 * at each view of a tenure in turn.
 *
 * With INGOT_TEST_LONG set all of that runs, and deaths also fall between the steps of the whole
 * network, every sixteenth, whether or not the node is about to send. Without, the views of the
 * tenure take turns, and the slow builds that check themselves take a part of the frames.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>

#include "lib/cluster.h"

#define NODES 8
#define TENURE 4
#define NOBODY UINT32_MAX
#define LIMIT_MS 120000
/* The new set has to commit so much on top of what was there when it came. */
#define BLOCKS_MORE 4

enum {
    STRIDE_OF_STEPS = 4,
#ifdef INGOT_DEBUG_CHECKS
    STRIDE = 4
#else
    STRIDE = 1
#endif
};

/* A kind of change: who is a member with what power before and after. */
struct change {
    uint64_t before[NODES];
    uint64_t after[NODES];
};

/* One run. */
struct story {
    const struct change *change;
    uint32_t offset; /* the change is asked for in this view of a tenure */
    uint32_t victim; /* or NOBODY */
    bool by_steps;   /* it dies after so many steps of the network, else after so many frames */
    bool comes_back;
    uint64_t cut;
    uint64_t frames[NODES]; /* what each node sent until the end */
    uint64_t steps;
    uint64_t views; /* from the death to a new block */
    uint64_t bound;
};

static bool counts_frames(void *context, uint32_t from, uint32_t to, const struct message *message)
{
    (void)to;
    (void)message;
    struct story *story = context;
    story->frames[from]++;
    return false;
}

static uint64_t faulty_of(const uint64_t powers[NODES])
{
    uint64_t count = 0;
    for (uint32_t i = 0; i < NODES; i++) {
        count += powers[i] > 0;
    }
    return (count - 1) / 3;
}

static struct cluster *begin(struct story *story)
{
    struct cluster_options options = cluster_default_options();
    options.validators = 0;
    while (options.validators < NODES && story->change->before[options.validators] > 0) {
        options.validators++;
    }
    options.powers = story->change->before;
    options.observers = NODES - options.validators;
    options.leader_tenure = TENURE;
    struct cluster *cluster = cluster_new(&options);
    const struct cluster_link quick = {.delay_min_us = 1000, .delay_max_us = 1000};
    cluster_set_all_links(cluster, &quick);
    cluster_set_intercept(cluster, counts_frames, story);
    cluster_start_all(cluster);
    return cluster;
}

/* Some way into the chain, at the view that the story wants. */
static bool is_at_offset(void *context, struct cluster *cluster)
{
    const struct story *story = context;
    const uint64_t view = cluster_max_view(cluster);
    return view > TENURE && (view - 1) % TENURE == story->offset;
}

static void ask(struct story *story, struct cluster *cluster)
{
    struct set_app_powers powers = {{0}};
    for (uint32_t i = 0; i < NODES; i++) {
        powers.of[i] = story->change->after[i];
        story->frames[i] = 0;
    }
    /* Whoever dies must not take the wish along. */
    const uint32_t asked = story->victim == 0 ? 1 : 0;
    assert_int_equal(cluster_submit_change(cluster, asked, &powers), INGOT_OK);
    if (story->victim != NOBODY && !story->by_steps) {
        cluster_crash_after_sends(cluster, story->victim, (uint32_t)story->cut);
    }
}

static bool is_higher(void *context, struct cluster *cluster)
{
    const uint64_t *height = context;
    return cluster_checks(cluster)->committed_count - 1 > *height;
}

/* The new set's members that live have all committed up to here. */
struct goal {
    const struct story *story;
    uint64_t height; /* 0: not known before the epoch is open */
};

static bool is_reached(void *context, struct cluster *cluster)
{
    struct goal *goal = context;
    if (cluster_epoch(cluster) == 0) {
        return false;
    }
    if (goal->height == 0) {
        goal->height = cluster_checks(cluster)->highest_block + BLOCKS_MORE;
    }
    for (uint32_t i = 0; i < NODES; i++) {
        if (cluster_is_up(cluster, i) && cluster_committed(cluster, i) < goal->height) {
            return false;
        }
    }
    return true;
}

static void fail_story(const struct story *story, struct cluster *cluster, const char *what)
{
    const struct checks *checks = cluster_checks(cluster);
    fail_msg("%s: node %u %s before %s %llu, offset %u: epoch %llu, %s: %s", what, story->victim,
             story->comes_back ? "goes away" : "dies", story->by_steps ? "step" : "frame",
             (unsigned long long)story->cut, story->offset,
             (unsigned long long)cluster_epoch(cluster), check_text(checks->violated),
             checks->violation);
}

static bool is_victim_down(void *context, struct cluster *cluster)
{
    const struct story *story = context;
    return !cluster_is_up(cluster, story->victim);
}

static void die(struct story *story, struct cluster *cluster)
{
    if (story->by_steps) {
        for (uint64_t i = 0; i < story->cut; i++) {
            (void)cluster_step(cluster);
        }
        cluster_crash(cluster, story->victim);
    } else if (!cluster_run_while_not(cluster, LIMIT_MS, is_victim_down, story)) {
        fail_story(story, cluster, "it did not come to the death");
    }
    if (story->comes_back) {
        assert_true(cluster_run_ms(cluster, 30));
        cluster_start(cluster, story->victim);
    }
    const uint64_t views_before = cluster_views_passed(cluster);
    uint64_t height = cluster_checks(cluster)->highest_block;
    if (!cluster_run_while_not(cluster, LIMIT_MS, is_higher, &height)) {
        fail_story(story, cluster, "no new block");
    }
    story->views = cluster_views_passed(cluster) - views_before;
    if (story->views > story->bound) {
        fail_story(story, cluster, "a new block takes too many views");
    }
}

static void run(struct story *story)
{
    struct cluster *cluster = begin(story);
    story->bound = faulty_of(story->change->before) + faulty_of(story->change->after) + 8;
    if (!cluster_run_while_not(cluster, LIMIT_MS, is_at_offset, story)) {
        fail_story(story, cluster, "the chain does not begin");
    }
    ask(story, cluster);
    if (story->victim != NOBODY) {
        die(story, cluster);
    }
    struct goal goal = {.story = story};
    story->steps = 0;
    while (!is_reached(&goal, cluster)) {
        story->steps++;
        if (cluster_now_us(cluster) > (uint64_t)LIMIT_MS * 1000 || !cluster_step(cluster)) {
            fail_story(story, cluster, "the new set does not go on");
        }
    }
    cluster_free(cluster);
}

/* --- All of them. --- */

struct tally {
    uint64_t cases;
    uint64_t views_max;
};

static void run_one(struct story *story, struct tally *tally)
{
    run(story);
    tally->cases++;
    tally->views_max = story->views > tally->views_max ? story->views : tally->views_max;
}

static bool is_long(void)
{
    return getenv("INGOT_TEST_LONG") != NULL;
}

/* Less than a third of the power of whatever set it is in? */
static bool may_stay_dead(const struct change *change, uint32_t node)
{
    uint64_t before = 0;
    uint64_t after = 0;
    for (uint32_t i = 0; i < NODES; i++) {
        before += change->before[i];
        after += change->after[i];
    }
    return 3 * change->before[node] < before && 3 * change->after[node] < after;
}

static void sweep(const struct change *change, uint32_t victim, bool comes_back, bool by_steps,
                  struct tally *tally)
{
    for (uint32_t offset = 0; offset < TENURE; offset++) {
        struct story plain = {.change = change, .offset = offset, .victim = NOBODY};
        run(&plain);
        const uint64_t cuts = by_steps ? plain.steps : plain.frames[victim];
        for (uint64_t cut = 0; cut < cuts; cut++) {
            struct story story = {.change = change,
                                  .offset = offset,
                                  .victim = victim,
                                  .by_steps = by_steps,
                                  .comes_back = comes_back,
                                  .cut = cut};
            const uint64_t stride = by_steps ? STRIDE_OF_STEPS : STRIDE;
            const bool takes_turns = by_steps || !is_long();
            if (!takes_turns || (cut + victim) % (TENURE * stride) == offset) {
                run_one(&story, tally);
            }
        }
    }
}

static void a_death_anywhere_stops_nothing(void **state)
{
    const struct change *change = *state;
    struct tally tally = {0};
    for (uint32_t victim = 0; victim < NODES; victim++) {
        if (change->before[victim] == 0 && change->after[victim] == 0) {
            continue;
        }
        for (uint32_t way = 0; way < 2; way++) {
            const bool comes_back = way == 1;
            if (!comes_back && !may_stay_dead(change, victim)) {
                continue;
            }
            sweep(change, victim, comes_back, false, &tally);
            if (is_long()) {
                sweep(change, victim, comes_back, true, &tally);
            }
        }
    }
    print_message("%llu cases, a new block at most %llu views after the death\n",
                  (unsigned long long)tally.cases, (unsigned long long)tally.views_max);
    assert_true(tally.cases > 20);
}

static const struct change grows = {{1, 1, 1, 1}, {1, 1, 1, 1, 1}};
static const struct change shrinks = {{1, 1, 1, 1, 1}, {1, 1, 1, 0, 1}};
static const struct change shrinks_to_three = {{1, 1, 1, 1}, {1, 1, 1}};
static const struct change swaps_all = {{1, 1, 1, 1}, {0, 0, 0, 0, 1, 1, 1, 1}};
static const struct change swaps_one = {{1, 1, 1, 1}, {1, 1, 1, 0, 1}};
static const struct change weighs = {{1, 1, 1, 1}, {2, 1, 2, 2}};

/* The change comes as the test's state and is only read. */
#define CASES(name, change)                                                                        \
    {                                                                                              \
        name, a_death_anywhere_stops_nothing, NULL, NULL, (void *)(uintptr_t) & (change)           \
    }

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASES("a_death_anywhere_in_a_growth_by_one_stops_nothing", grows),
        CASES("a_death_anywhere_in_a_shrinking_by_one_stops_nothing", shrinks),
        CASES("a_death_anywhere_in_a_shrinking_to_three_stops_nothing", shrinks_to_three),
        CASES("a_death_anywhere_in_a_swap_of_all_stops_nothing", swaps_all),
        CASES("a_death_anywhere_in_a_swap_of_one_stops_nothing", swaps_one),
        CASES("a_death_anywhere_in_a_change_of_powers_stops_nothing", weighs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
