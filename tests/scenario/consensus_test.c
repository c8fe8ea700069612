/*
 * Stories of four validators that broke simpler designs. Goal: each ends well. Method: real
 * replicas in simulated time; the test cuts links, kills nodes and drops messages. The checkers of
 * the cluster watch throughout, so a violation of safety ends any story.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "lib/cluster.h"

#define ALL 4
#define NOBODY UINT32_MAX

static void expect_no_violation(struct cluster *cluster)
{
    const struct checks *checks = cluster_checks(cluster);
    if (checks->violated != CHECK_NONE) {
        fail_msg("%s: %s", check_text(checks->violated), checks->violation);
    }
}

static void run_ms(struct cluster *cluster, uint64_t duration_ms)
{
    (void)cluster_run_ms(cluster, duration_ms);
    expect_no_violation(cluster);
}

static uint64_t lowest_committed(struct cluster *cluster)
{
    uint64_t lowest = UINT64_MAX;
    for (uint32_t i = 0; i < ALL; i++) {
        if (cluster_is_up(cluster, i) && cluster_committed(cluster, i) < lowest) {
            lowest = cluster_committed(cluster, i);
        }
    }
    return lowest;
}

static uint64_t all_timeouts(struct cluster *cluster)
{
    uint64_t timeouts = 0;
    for (uint32_t i = 0; i < ALL; i++) {
        timeouts += cluster_timeouts(cluster, i);
    }
    return timeouts;
}

/* How long it takes until all that are up have committed everything that clients brought. */
static bool all_is_committed(void *context, struct cluster *cluster)
{
    (void)context;
    for (uint32_t i = 0; i < ALL; i++) {
        if (cluster_is_up(cluster, i) && replica_mempool_count(cluster_replica(cluster, i)) > 0) {
            return false;
        }
    }
    return true;
}

/* A transaction at a node; the time until all have committed it. */
static uint64_t commit_one_ms(struct cluster *cluster, uint32_t node)
{
    const uint64_t begin_us = cluster_now_us(cluster);
    const uint64_t before = cluster_checks(cluster)->transactions_committed;
    cluster_submit_any(cluster, node);
    const bool is_done = cluster_run_while_not(cluster, 60000, all_is_committed, NULL);
    expect_no_violation(cluster);
    assert_true(is_done);
    /* Those that had not heard of it yet learn of it with the block. */
    run_ms(cluster, 1);
    while (cluster_checks(cluster)->transactions_committed == before ||
           lowest_committed(cluster) + 1 < cluster_checks(cluster)->committed_count) {
        run_ms(cluster, 1);
        assert_true(cluster_now_us(cluster) < begin_us + UINT64_C(60000000));
    }
    return (cluster_now_us(cluster) - begin_us) / 1000;
}

static struct cluster *start(uint32_t empty_block_interval_ms, uint32_t dead)
{
    struct cluster_options options = cluster_default_options();
    options.empty_block_interval_ms = empty_block_interval_ms;
    struct cluster *cluster = cluster_new(&options);
    for (uint32_t i = 0; i < ALL; i++) {
        if (i != dead) {
            cluster_start(cluster, i);
        }
    }
    return cluster;
}

/* --- Deaths. --- */

static void one_dead_of_four_commits_for_ever(void **state)
{
    (void)state;
    for (uint32_t dead = 0; dead < ALL; dead++) {
        struct cluster *cluster = start(50, dead);
        uint64_t height = 0;
        for (uint32_t i = 0; i < 100; i++) {
            cluster_submit_any(cluster, (dead + 1 + i % 3) % ALL);
            /* A dead leader costs one timeout, and never leads two tenures in a row. */
            run_ms(cluster, 2000);
            assert_true(lowest_committed(cluster) > height);
            height = lowest_committed(cluster);
        }
        assert_int_equal(cluster_checks(cluster)->transactions_committed, 100);
        assert_true(height > 1000);
        cluster_free(cluster);
    }
}

struct hand_over {
    struct cluster *cluster;
    uint64_t view;        /* the last of a tenure */
    uint32_t next_leader; /* who leads the view after it */
    uint32_t votes_seen;
    struct ingot_hash block;
};

/* Votes of that view never reach the next leader: it dies with them. */
static bool lose_votes_of_hand_over(void *context, uint32_t from, uint32_t to,
                                    const struct message *message)
{
    (void)from;
    struct hand_over *story = context;
    if (message->kind == MESSAGE_PROPOSE && message->propose.block->view == story->view) {
        story->block = message->propose.block->hash;
    }
    if (message->kind != MESSAGE_VOTE || message->vote.view != story->view) {
        return false;
    }
    story->votes_seen++;
    return to == story->next_leader;
}

static bool has_reached_hand_over(void *context, struct cluster *cluster)
{
    (void)cluster;
    const struct hand_over *story = context;
    return story->votes_seen > 0;
}

static void leader_of_a_hand_over_dies_with_the_qc(void **state)
{
    (void)state;
    for (uint64_t view = 4; view <= 40; view += 4) {
        struct cluster *cluster = start(0, NOBODY);
        struct hand_over story = {.cluster = cluster, .view = view};
        story.next_leader = checks_leader(cluster_checks(cluster), view + 1);
        cluster_set_intercept(cluster, lose_votes_of_hand_over, &story);
        assert_true(cluster_run_while_not(cluster, 10000, has_reached_hand_over, &story));
        cluster_crash(cluster, story.next_leader);
        run_ms(cluster, 5000);
        const struct checks_block *known = checks_find_block(cluster_checks(cluster), &story.block);
        assert_non_null(known);
        assert_true(known->is_final);
        assert_true(lowest_committed(cluster) > known->block->height);
        cluster_free(cluster);
    }
}

/* --- Idle chains. --- */

static void an_idle_chain_stays_idle_without_timeouts(void **state)
{
    (void)state;
    static const uint32_t intervals_ms[] = {1000, 5000};
    for (size_t i = 0; i < 2; i++) {
        struct cluster *cluster = start(intervals_ms[i], NOBODY);
        run_ms(cluster, 2000);
        cluster_submit_any(cluster, 0);
        run_ms(cluster, 1000);
        assert_int_equal(cluster_checks(cluster)->transactions_committed, 1);
        const uint64_t height = lowest_committed(cluster);
        run_ms(cluster, 300000);
        assert_int_equal(all_timeouts(cluster), 0);
        /* One empty block for each interval. */
        const uint64_t empty = lowest_committed(cluster) - height;
        assert_in_range(empty, 300000 / intervals_ms[i] - 10, 300000 / intervals_ms[i] + 1);
        cluster_free(cluster);
    }
}

static void the_first_transaction_wakes_an_idle_chain(void **state)
{
    (void)state;
    static const uint32_t intervals_ms[] = {1000, 5000};
    for (size_t i = 0; i < 2; i++) {
        struct cluster *cluster = start(intervals_ms[i], NOBODY);
        for (uint32_t node = 0; node < 40; node++) {
            run_ms(cluster, 3 * intervals_ms[i] + 97 * node);
            /* A few round trips of at most 4 ms, at whatever node and moment. */
            assert_in_range(commit_one_ms(cluster, node % ALL), 0, 60);
        }
        assert_int_equal(all_timeouts(cluster), 0);
        cluster_free(cluster);
    }
}

struct orphan {
    uint32_t leader;
    uint32_t witness; /* the only one that gets the block */
    uint32_t seen;
};

static bool show_to_witness_only(void *context, uint32_t from, uint32_t to,
                                 const struct message *message)
{
    struct orphan *story = context;
    if (from != story->leader || story->seen > 1) {
        return false;
    }
    if (message->kind == MESSAGE_PROPOSE && message->propose.block->transaction_count > 0) {
        story->seen += to == story->witness;
        return to != story->witness;
    }
    /* The transaction itself reaches nobody. */
    return message->kind == MESSAGE_TRANSACTIONS;
}

static bool has_been_seen(void *context, struct cluster *cluster)
{
    (void)cluster;
    const struct orphan *story = context;
    return story->seen > 0;
}

static bool one_is_committed(void *context, struct cluster *cluster)
{
    (void)context;
    return cluster_checks(cluster)->transactions_committed == 1;
}

static void the_first_transaction_wakes_a_chain_with_an_orphan_in_the_tree_of_one(void **state)
{
    (void)state;
    struct cluster *cluster = start(5000, NOBODY);
    run_ms(cluster, 7000);
    struct orphan story = {
        .leader = checks_leader(cluster_checks(cluster), cluster_status(cluster, 0).current.view)};
    story.witness = (story.leader + 1) % ALL;
    cluster_set_intercept(cluster, show_to_witness_only, &story);
    cluster_submit_any(cluster, story.leader);
    assert_true(cluster_run_while_not(cluster, 10000, has_been_seen, &story));
    run_ms(cluster, 10);
    cluster_crash(cluster, story.leader);
    /* The view ends by timeouts; the next leader's empty block is a rival of the orphan, which
     * stays in the tree of its witness until that rival is committed, two pauses later. */
    run_ms(cluster, 8000);
    const uint64_t timeouts = all_timeouts(cluster);
    run_ms(cluster, 4000);
    assert_int_equal(cluster_checks(cluster)->transactions_committed, 0);
    assert_int_equal(cluster_status(cluster, story.witness).tree_blocks,
                     cluster_status(cluster, (story.leader + 2) % ALL).tree_blocks + 1);
    /* The witness waits for the leader like the others, and wakes like them. */
    assert_int_equal(all_timeouts(cluster), timeouts);
    /* The tenure of the dead one may come first, and costs one timeout. */
    const uint64_t begin_us = cluster_now_us(cluster);
    cluster_submit_any(cluster, (story.leader + 2) % ALL);
    assert_true(cluster_run_while_not(cluster, 10000, one_is_committed, NULL));
    assert_in_range((cluster_now_us(cluster) - begin_us) / 1000, 0, 600);
    /* What the orphan held has found its way into another block. */
    run_ms(cluster, 20000);
    assert_int_equal(cluster_checks(cluster)->transactions_committed, 2);
    cluster_free(cluster);
}

static bool dead_one_leads(void *context, struct cluster *cluster)
{
    const uint32_t *dead = context;
    const uint64_t view = cluster_status(cluster, (*dead + 1) % ALL).current.view;
    return checks_leader(cluster_checks(cluster), view) == *dead;
}

static void the_first_transaction_wakes_an_idle_chain_whose_leader_is_dead(void **state)
{
    (void)state;
    for (uint32_t dead = 0; dead < ALL; dead++) {
        struct cluster *cluster = start(5000, NOBODY);
        run_ms(cluster, 1000);
        assert_true(cluster_run_while_not(cluster, 1000000, dead_one_leads, &dead));
        run_ms(cluster, 300);
        cluster_crash(cluster, dead);
        run_ms(cluster, 300);
        /* The timeout of 500 ms is counted from the transaction, not from the pause. */
        assert_in_range(commit_one_ms(cluster, (dead + 1) % ALL), 400, 700);
        cluster_free(cluster);
    }
}

/* --- Restarts. --- */

struct saved_vote {
    uint32_t node;
    bool is_back;
    bool has_voted;
    struct vote before; /* the last one before the crash */
    bool has_said_again;
    uint64_t proposed_view_before;
};

static bool watch_votes(void *context, uint32_t from, uint32_t to, const struct message *message)
{
    (void)to;
    struct saved_vote *story = context;
    if (from != story->node) {
        return false;
    }
    const struct vote *vote = NULL;
    if (message->kind == MESSAGE_VOTE) {
        vote = &message->vote;
    } else if (message->kind == MESSAGE_PROPOSE) {
        vote = &message->propose.vote;
    }
    if (vote == NULL) {
        return false;
    }
    if (!story->is_back) {
        story->has_voted = true;
        story->before = *vote;
    } else if (vote->view == story->before.view) {
        /* The same choice, the same bytes, and no second proposal. */
        assert_true(vote_same_choice(vote, &story->before));
        assert_int_equal(vote->voter, story->before.voter);
        assert_memory_equal(vote->signature.bytes, story->before.signature.bytes,
                            INGOT_SIGNATURE_BYTES);
        assert_int_equal(message->kind, MESSAGE_VOTE);
        story->has_said_again = true;
    } else {
        assert_true(vote->view > story->before.view);
    }
    return false;
}

static void restart_with_a_saved_vote(void **state)
{
    (void)state;
    for (uint32_t node = 0; node < ALL; node++) {
        struct cluster *cluster = start(0, NOBODY);
        struct saved_vote story = {.node = node};
        cluster_set_intercept(cluster, watch_votes, &story);
        uint32_t said_again = 0;
        for (uint32_t round = 0; round < 30; round++) {
            run_ms(cluster, 20 + round);
            assert_true(story.has_voted);
            cluster_crash(cluster, node);
            story.is_back = true;
            story.has_said_again = false;
            cluster_start(cluster, node);
            run_ms(cluster, 300);
            said_again += story.has_said_again;
            story.is_back = false;
            assert_true(lowest_committed(cluster) > 10);
        }
        /* Where the vote went to the node itself, nobody sees that it was cast again. */
        assert_true(said_again >= 10);
        cluster_free(cluster);
    }
}

static void a_crash_between_the_durable_vote_and_the_first_frame_costs_no_safety(void **state)
{
    (void)state;
    for (uint32_t frames = 0; frames < 8; frames++) {
        struct cluster *cluster = start(20, NOBODY);
        for (uint32_t round = 0; round < 20; round++) {
            const uint32_t node = round % ALL;
            cluster_crash_after_sends(cluster, node, frames);
            run_ms(cluster, 700 + round);
            assert_false(cluster_is_up(cluster, node));
            cluster_start(cluster, node);
            run_ms(cluster, 300);
        }
        const uint64_t height = lowest_committed(cluster);
        run_ms(cluster, 3000);
        assert_true(lowest_committed(cluster) > height);
        cluster_free(cluster);
    }
}

static void a_failed_write_stops_a_node_and_a_restart_reads_back_what_is_there(void **state)
{
    (void)state;
    static const enum store_memory_fault faults[] = {
        STORE_MEMORY_NO_SPACE, STORE_MEMORY_FAILED_LOST, STORE_MEMORY_FAILED_APPLIED};
    for (size_t i = 0; i < 3; i++) {
        struct cluster *cluster = start(20, NOBODY);
        for (uint32_t round = 0; round < 24; round++) {
            const uint32_t node = round % ALL;
            run_ms(cluster, 200);
            cluster_submit_any(cluster, node);
            cluster_fail_write(cluster, node, 1 + round % 5, faults[i]);
            run_ms(cluster, 1000);
            assert_false(cluster_is_up(cluster, node));
            cluster_start(cluster, node);
        }
        run_ms(cluster, 5000);
        assert_true(lowest_committed(cluster) > 100);
        cluster_free(cluster);
    }
}

/* --- Partitions. --- */

static void set_cut(struct cluster *cluster, bool is_cut)
{
    for (uint32_t from = 0; from < ALL; from++) {
        for (uint32_t to = 0; to < ALL; to++) {
            cluster_link(cluster, from, to)->is_cut = is_cut && from / 2 != to / 2;
        }
    }
}

static void two_halves_that_meet_again_are_in_one_view_soon(void **state)
{
    (void)state;
    for (uint32_t cut_ms = 1000; cut_ms <= 60000; cut_ms *= 4) {
        struct cluster *cluster = start(0, NOBODY);
        run_ms(cluster, 1000);
        set_cut(cluster, true);
        run_ms(cluster, cut_ms);
        const uint64_t height = cluster_checks(cluster)->committed_count - 1;
        set_cut(cluster, false);
        run_ms(cluster, 5000);
        assert_true(lowest_committed(cluster) > height + 3);
        for (uint32_t i = 0; i < ALL; i++) {
            assert_true(cluster_status(cluster, i).current.view + 1 >= cluster_max_view(cluster));
        }
        cluster_free(cluster);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_dead_of_four_commits_for_ever),
        cmocka_unit_test(leader_of_a_hand_over_dies_with_the_qc),
        cmocka_unit_test(an_idle_chain_stays_idle_without_timeouts),
        cmocka_unit_test(the_first_transaction_wakes_an_idle_chain),
        cmocka_unit_test(the_first_transaction_wakes_a_chain_with_an_orphan_in_the_tree_of_one),
        cmocka_unit_test(the_first_transaction_wakes_an_idle_chain_whose_leader_is_dead),
        cmocka_unit_test(restart_with_a_saved_vote),
        cmocka_unit_test(a_crash_between_the_durable_vote_and_the_first_frame_costs_no_safety),
        cmocka_unit_test(a_failed_write_stops_a_node_and_a_restart_reads_back_what_is_there),
        cmocka_unit_test(two_halves_that_meet_again_are_in_one_view_soon),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
