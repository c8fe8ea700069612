/*
 * One of four is behind: by a block or two, by thousands, by a certified branch that is longer than
 * one answer to a sync request. Goal: it catches up, and takes part in voting again. Method: real
 * replicas in simulated time; links are cut, and answers on their way cut short.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "lib/cluster.h"

#define ALL 4
#define BEHIND 3
#define HONEST 2

static void run_ms(struct cluster *cluster, uint64_t duration_ms)
{
    if (!cluster_run_ms(cluster, duration_ms)) {
        fail_msg("%s", cluster_checks(cluster)->violation);
    }
}

static struct cluster *start(uint32_t empty_block_interval_ms)
{
    struct cluster_options options = cluster_default_options();
    options.empty_block_interval_ms = empty_block_interval_ms;
    struct cluster *cluster = cluster_new(&options);
    cluster_start_all(cluster);
    run_ms(cluster, 1000);
    return cluster;
}

static void cut_off(struct cluster *cluster, bool is_cut)
{
    for (uint32_t node = 0; node < ALL; node++) {
        cluster_link(cluster, node, BEHIND)->is_cut = is_cut;
        cluster_link(cluster, BEHIND, node)->is_cut = is_cut;
    }
}

static uint64_t committed_by_others(struct cluster *cluster)
{
    return cluster_checks(cluster)->committed_count - 1;
}

static bool is_abreast(void *context, struct cluster *cluster)
{
    (void)context;
    return cluster_committed(cluster, BEHIND) + 2 >= committed_by_others(cluster) &&
           cluster_status(cluster, BEHIND).current.view + 1 >= cluster_max_view(cluster);
}

struct voting {
    uint64_t from_view;
    bool has_voted;
};

static bool notes_a_vote(void *context, uint32_t from, uint32_t to, const struct message *message)
{
    struct voting *voting = context;
    (void)to;
    voting->has_voted = voting->has_voted || (from == BEHIND && message->kind == MESSAGE_VOTE &&
                                              message->vote.view >= voting->from_view);
    return false;
}

static bool has_voted(void *context, struct cluster *cluster)
{
    const struct voting *voting = context;
    (void)cluster;
    return voting->has_voted;
}

/* Votes for a view that is not far from the top. */
static void expect_votes_within(struct cluster *cluster, uint64_t limit_ms)
{
    struct voting voting = {.from_view = cluster_max_view(cluster)};
    cluster_set_intercept(cluster, notes_a_vote, &voting);
    assert_true(cluster_run_while_not(cluster, limit_ms, has_voted, &voting));
    cluster_set_intercept(cluster, NULL, NULL);
}

static void who_misses_a_block_or_two_has_them_soon(void **state)
{
    (void)state;
    struct cluster *cluster = start(100);
    for (uint32_t i = 0; i < 30; i++) {
        const uint64_t height = committed_by_others(cluster);
        cut_off(cluster, true);
        run_ms(cluster, 60 + 10 * (i % 12));
        cut_off(cluster, false);
        assert_true(committed_by_others(cluster) <= height + 3);
        assert_true(cluster_run_while_not(cluster, 1500, is_abreast, NULL));
        expect_votes_within(cluster, 1500);
    }
    cluster_free(cluster);
}

static void who_misses_thousands_of_blocks_returns_to_voting(void **state)
{
    (void)state;
    struct cluster *cluster = start(0);
    cut_off(cluster, true);
    const uint64_t height = cluster_committed(cluster, BEHIND);
    while (committed_by_others(cluster) < height + 3000) {
        run_ms(cluster, 1000);
    }
    cut_off(cluster, false);
    assert_true(cluster_run_while_not(cluster, 10000, is_abreast, NULL));
    /* What it fetched went past the journal that a store may have; the others' steps do not. */
    assert_true(cluster_bulk_batches(cluster, BEHIND) >= 3000 / 128);
    assert_true(cluster_bulk_batches(cluster, BEHIND) < 300);
    assert_int_equal(cluster_bulk_batches(cluster, 0), 0);
    expect_votes_within(cluster, 1000);
    const uint64_t while_behind = cluster_bulk_batches(cluster, BEHIND);
    run_ms(cluster, 1000);
    assert_int_equal(cluster_bulk_batches(cluster, BEHIND), while_behind);
    cluster_free(cluster);
}

/* A part of the story above, with so many threads that verify ahead; what has happened in it. */
static struct ingot_hash trace_with_threads(uint32_t threads)
{
    struct cluster_options options = cluster_default_options();
    options.empty_block_interval_ms = 0;
    options.verify_threads = threads;
    struct cluster *cluster = cluster_new(&options);
    cluster_start_all(cluster);
    cut_off(cluster, true);
    while (committed_by_others(cluster) < 700) {
        run_ms(cluster, 1000);
    }
    cut_off(cluster, false);
    assert_true(cluster_run_while_not(cluster, 10000, is_abreast, NULL));
    struct ingot_hash trace;
    cluster_trace_hash(cluster, &trace);
    cluster_free(cluster);
    return trace;
}

static void threads_that_verify_ahead_change_nothing_of_what_happens(void **state)
{
    (void)state;
    const struct ingot_hash alone = trace_with_threads(0);
    const struct ingot_hash helped = trace_with_threads(3);
    assert_memory_equal(alone.bytes, helped.bytes, sizeof alone.bytes);
}

/* --- A branch that is certified and not committed. --- */

/* No tenure gets beyond two certified views, so there are never three in a row. */
static bool drops_votes_of_third_views(void *context, uint32_t from, uint32_t to,
                                       const struct message *message)
{
    (void)context;
    (void)from;
    (void)to;
    return (message->kind == MESSAGE_VOTE && message->vote.view % 4 == 3) ||
           (message->kind == MESSAGE_PROPOSE && message->propose.vote.view % 4 == 3);
}

static uint64_t branch_length(struct cluster *cluster, uint32_t node)
{
    const struct core_status status = cluster_status(cluster, node);
    const struct core *core = replica_core(cluster_replica(cluster, node));
    return core_find_block(core, &status.high_qc->block)->height - status.last_committed->height;
}

static void a_certified_branch_longer_than_one_answer_is_fetched_whole(void **state)
{
    (void)state;
    struct cluster *cluster = start(0);
    cut_off(cluster, true);
    run_ms(cluster, 100);
    cluster_set_intercept(cluster, drops_votes_of_third_views, NULL);
    run_ms(cluster, 100);
    const uint64_t height = committed_by_others(cluster);
    while (branch_length(cluster, 0) <= INGOT_SYNC_BLOCKS_MAX + 10) {
        run_ms(cluster, 10000);
        assert_true(committed_by_others(cluster) <= height + 2);
    }
    cut_off(cluster, false);
    run_ms(cluster, 3000);
    assert_true(branch_length(cluster, BEHIND) > INGOT_SYNC_BLOCKS_MAX + 10);

    cluster_set_intercept(cluster, NULL, NULL);
    run_ms(cluster, 10000);
    assert_true(committed_by_others(cluster) > height + INGOT_SYNC_BLOCKS_MAX);
    assert_true(is_abreast(NULL, cluster));
    cluster_free(cluster);
}

/* --- Peers that serve badly, but do not lie. --- */

struct servers {
    struct cluster *cluster;
    bool is_silent; /* all but one do not answer; else they give one block at a time */
    uint32_t answers;
};

/* The one that serves says nothing else, so that the others are asked first. */
static bool serves_badly(void *context, uint32_t from, uint32_t to, const struct message *message)
{
    struct servers *servers = context;
    const bool is_answer = message->kind == MESSAGE_SYNC_RESPONSE;
    if (to != BEHIND || from == HONEST) {
        return to == BEHIND && !is_answer;
    }
    if (!is_answer || message->sync_response.block_count < 2) {
        return false;
    }
    servers->answers++;
    if (!servers->is_silent) {
        const struct sync_response *whole = &message->sync_response;
        struct message *cut = message_new(MESSAGE_SYNC_RESPONSE);
        cut->sync_response.committed_height = whole->committed_height;
        cut->sync_response.blocks = alloc_zeroed(1, sizeof(struct block *));
        cut->sync_response.blocks[0] = block_ref(whole->blocks[0]);
        cut->sync_response.block_count = 1;
        cut->sync_response.tail_qc = qc_ref(whole->blocks[1]->justify);
        cluster_inject(servers->cluster, from, to, cut);
        message_unref(cut);
    }
    return true;
}

static void catch_up_with(struct servers *servers, uint32_t blocks, uint64_t limit_ms)
{
    struct cluster *cluster = start(0);
    servers->cluster = cluster;
    cut_off(cluster, true);
    const uint64_t height = cluster_committed(cluster, BEHIND);
    while (committed_by_others(cluster) < height + blocks) {
        run_ms(cluster, 100);
    }
    /* The servers are blamed for what the test makes of their answers. */
    cluster_checks(cluster)->has_odd_frames = true;
    cluster_set_intercept(cluster, serves_badly, servers);
    cut_off(cluster, false);
    assert_true(cluster_run_while_not(cluster, limit_ms, is_abreast, NULL));
    assert_true(servers->answers > 0);
    cluster_free(cluster);
}

static void one_peer_that_serves_is_enough_among_silent_ones(void **state)
{
    (void)state;
    struct servers servers = {.is_silent = true};
    catch_up_with(&servers, 1000, 5000);
}

static void one_peer_that_serves_is_enough_among_those_that_give_one_block_at_a_time(void **state)
{
    (void)state;
    struct servers servers = {0};
    catch_up_with(&servers, 1000, 5000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(who_misses_a_block_or_two_has_them_soon),
        cmocka_unit_test(who_misses_thousands_of_blocks_returns_to_voting),
        cmocka_unit_test(threads_that_verify_ahead_change_nothing_of_what_happens),
        cmocka_unit_test(a_certified_branch_longer_than_one_answer_is_fetched_whole),
        cmocka_unit_test(one_peer_that_serves_is_enough_among_silent_ones),
        cmocka_unit_test(one_peer_that_serves_is_enough_among_those_that_give_one_block_at_a_time),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
