/*
 * Deaths while four validators make way for four others. Goal: whoever dies, at whatever message,
 * the change takes effect and the new set goes on without it; and a node that comes back goes on
 * where it was, whichever of its writes was the last. Method: the same change again and again, one
 * frame or one write later each time, until the change is over before the fault comes.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "lib/swap.h"

/* Views until a new block commits: f + f' + 8, where one is dead of one of the sets. */
#define VIEWS_MAX 9
/* A change takes far fewer frames, and fewer writes. */
#define STEPS_MAX 1000

/* Where in a tenure the change begins, and so who leads it. Short tenures promise no number of
 * views, since a commit takes more than one of them. */
struct timing {
    uint32_t leader_tenure;
    uint32_t after_ms;
    uint32_t views_max;
};

static const struct timing timings[] = {{4, 0, VIEWS_MAX}, {4, 90, VIEWS_MAX}, {1, 0, 40}};
#define TIMINGS (sizeof timings / sizeof timings[0])

struct death {
    uint32_t node;
    uint64_t height; /* committed by others when it died */
};

static bool is_dead_or_change_is_over(void *context, struct cluster *cluster)
{
    const struct death *death = context;
    if (!cluster_is_up(cluster, death->node)) {
        return true;
    }
    for (uint32_t i = 0; i < SWAP_ALL; i++) {
        if (block_epoch(cluster_status(cluster, i).last_committed) < 1) {
            return false;
        }
    }
    return true;
}

static bool has_new_block(void *context, struct cluster *cluster)
{
    const struct death *death = context;
    return cluster_checks(cluster)->committed_count - 1 > death->height;
}

static bool four_transactions_are_committed(void *context, struct cluster *cluster)
{
    (void)context;
    return cluster_checks(cluster)->transactions_committed >= 4;
}

static void goes_on(struct swap *swap)
{
    swap_await_epoch(swap, 1, 20000);
    for (uint32_t i = 0; i < SWAP_ALL; i++) {
        if (!swap_is_old(i) && cluster_is_up(swap->cluster, i)) {
            cluster_submit_any(swap->cluster, i);
        }
    }
    swap_await_height(swap, swap_height(swap) + 5, 20000);
    assert_int_equal(cluster_epoch(swap->cluster), 1);
    /* What came while its node knew of no leader waits for a moment. */
    swap_await(swap, 2000, four_transactions_are_committed, NULL,
               "what was submitted is committed");
}

static bool all_have_committed_the_same(void *context, struct cluster *cluster)
{
    (void)context;
    for (uint32_t i = 0; i < SWAP_ALL; i++) {
        if (cluster_committed(cluster, i) + 1 != cluster_checks(cluster)->committed_count) {
            return false;
        }
    }
    return true;
}

/* --- Dead for good. --- */

/* False: the change was over before it had sent so many. */
static bool dies_after(uint32_t node, uint32_t frames, const struct timing *timing)
{
    struct swap swap = {0};
    const struct cluster_options options = swap_options(timing->leader_tenure);
    swap_init(&swap, &options);
    swap_run_ms(&swap, timing->after_ms);
    struct death death = {.node = node};
    cluster_crash_after_sends(swap.cluster, node, frames);
    swap_submit(&swap, (node + 1) % SWAP_OLD, false);
    swap_await(&swap, 20000, is_dead_or_change_is_over, &death, "it dies, or the change is over");
    const bool has_died = !cluster_is_up(swap.cluster, node);
    if (has_died) {
        death.height = swap_height(&swap);
        const uint64_t passed = cluster_views_passed(swap.cluster);
        swap_await(&swap, 60000, has_new_block, &death, "a new block is committed");
        assert_in_range(cluster_views_passed(swap.cluster) - passed, 0, timing->views_max);
    }
    cluster_cancel_faults(swap.cluster, node);
    goes_on(&swap);
    swap_deinit(&swap);
    return has_died;
}

static void one_dead_of_four_commits_for_ever(void **state)
{
    (void)state;
    for (size_t i = 0; i < SWAP_ALL * TIMINGS; i++) {
        uint32_t frames = 0;
        while (dies_after((uint32_t)(i / TIMINGS), frames, &timings[i % TIMINGS])) {
            frames++;
            assert_true(frames < STEPS_MAX);
        }
    }
}

/* --- Dead with a certificate. --- */

struct hand_over {
    enum phase phase;
    bool is_done; /* only the first certificate of the phase is lost */
    uint32_t leader;
    bool is_lost[SWAP_ALL]; /* who was to get the votes beside the leader, and dies with them */
    uint64_t view;
};

static bool lose_votes(struct swap *swap, uint32_t from, uint32_t to, const struct message *message)
{
    struct hand_over *story = swap->story;
    if (!swap_is_vote(message, story->phase) || swap_position(message).epoch != 0) {
        return false;
    }
    const uint64_t view = swap_position(message).view;
    if (message->kind != MESSAGE_VOTE) {
        story->leader = story->view == 0 ? from : story->leader;
        story->view = story->view == 0 ? view : story->view;
        return false;
    }
    if (view != story->view || to == story->leader) {
        return false;
    }
    story->is_lost[to] = true;
    return true;
}

static bool has_voted_on(void *context, struct cluster *cluster)
{
    const struct hand_over *story = context;
    (void)cluster;
    for (uint32_t i = 0; i < SWAP_ALL; i++) {
        if (story->is_lost[i]) {
            return true;
        }
    }
    return false;
}

static void leader_of_a_hand_over_dies_with_the_qc(void **state)
{
    (void)state;
    static const enum phase phases[] = {PHASE_PREPARE, PHASE_PRECOMMIT, PHASE_COMMIT};
    uint32_t stories = 0;
    for (uint32_t i = 0; i < 30; i++) {
        struct hand_over story = {.phase = phases[i % 3]};
        struct swap swap = {.story = &story, .rule = lose_votes};
        /* Each view is another leader's, or nearly. */
        const struct cluster_options options = swap_options(1);
        swap_init(&swap, &options);
        swap_run_ms(&swap, 13 * i);
        swap_submit(&swap, i % SWAP_OLD, false);
        if (!cluster_run_while_not(swap.cluster, 200, has_voted_on, &story)) {
            /* The same one leads the next view too. */
            swap_await_epoch(&swap, 1, 20000);
            swap_deinit(&swap);
            continue;
        }
        stories++;
        swap_run_ms(&swap, 1);
        const struct ingot_hash hash = swap.change->hash;
        const uint64_t height = swap.change->height;
        for (uint32_t node = 0; node < SWAP_ALL; node++) {
            if (story.is_lost[node]) {
                cluster_crash(swap.cluster, node);
            }
        }
        goes_on(&swap);
        /* The change that was voted for is the one that is committed. */
        assert_memory_equal(cluster_checks(swap.cluster)->committed[height].bytes, hash.bytes,
                            INGOT_HASH_BYTES);
        swap_deinit(&swap);
    }
    assert_true(stories >= 20);
}

/* --- Back again. --- */

/* What stops it: the frame that it was about to send, or a durable write. */
struct stop {
    bool is_frame;
    enum store_memory_fault fault;
};

static bool comes_back_after(uint32_t node, uint32_t nth, const struct stop *stop)
{
    struct swap swap = {0};
    const struct cluster_options options = swap_options(4);
    swap_init(&swap, &options);
    struct death death = {.node = node};
    if (stop->is_frame) {
        cluster_crash_after_sends(swap.cluster, node, nth - 1);
    } else {
        cluster_fail_write(swap.cluster, node, nth, stop->fault);
    }
    swap_submit(&swap, (node + 1) % SWAP_OLD, false);
    swap_await(&swap, 20000, is_dead_or_change_is_over, &death, "it dies, or the change is over");
    const bool has_died = !cluster_is_up(swap.cluster, node);
    if (has_died) {
        /* Sometimes the change waits for it, sometimes it has gone by. */
        swap_run_ms(&swap, nth % 2 == 0 ? 10 : 3000);
        cluster_start(swap.cluster, node);
    }
    cluster_cancel_faults(swap.cluster, node);
    goes_on(&swap);
    swap_await(&swap, 20000, all_have_committed_the_same, NULL, "all have committed the same");
    assert_true(cluster_states_are_equal(swap.cluster));
    swap_deinit(&swap);
    return has_died;
}

static void restart_in_the_middle_of_an_epoch_change(void **state)
{
    (void)state;
    static const struct stop stops[] = {{false, STORE_MEMORY_NO_SPACE},
                                        {false, STORE_MEMORY_FAILED_LOST},
                                        {false, STORE_MEMORY_FAILED_APPLIED},
                                        {true, STORE_MEMORY_NO_SPACE}};
    for (uint32_t node = 0; node < SWAP_ALL; node++) {
        for (size_t i = 0; i < sizeof stops / sizeof stops[0]; i++) {
            uint32_t nth = 1;
            while (comes_back_after(node, nth, &stops[i])) {
                nth++;
                assert_true(nth < STEPS_MAX);
            }
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_dead_of_four_commits_for_ever),
        cmocka_unit_test(leader_of_a_hand_over_dies_with_the_qc),
        cmocka_unit_test(restart_in_the_middle_of_an_epoch_change),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
