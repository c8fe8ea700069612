/*
 * Goal: in the end every node has every member's signatures for every statement, also where a
 * quorum has come together without them: a member signs all that is due, however far behind it was
 * and however often it starts, and what is lost of its shares on the way is asked for; while
 * nothing is missing, or nobody has it, that costs nothing. Method: attestors in memory, with small
 * queues, connections that break and nodes that die.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "lib/attestor_cluster.h"

#define TEST(name) cmocka_unit_test(name)
#define AWAY 3

/* Blocks of one statement each. */
static void run_blocks(struct attestor_cluster *cluster, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        char text[24];
        (void)snprintf(text, sizeof text, "d:%u", (unsigned)cluster->height);
        (void)attestor_cluster_one(cluster, text);
        attestor_cluster_commit(cluster);
        attestor_cluster_run(cluster);
    }
}

/* How many shares of all blocks are not there. */
static uint64_t missing(const struct attestor_cluster *cluster, uint32_t number)
{
    const uint32_t members = cluster->samples.set->count;
    uint64_t count = 0;
    for (uint64_t height = 1; height <= cluster->height; height++) {
        count += members - attestor_node_shares(&cluster->nodes[number], height);
    }
    return count;
}

static void assert_whole(struct attestor_cluster *cluster)
{
    for (uint32_t i = 0; i < cluster->count; i++) {
        const struct attestor_status status = attestor_node_status(&cluster->nodes[i]);
        assert_int_equal(missing(cluster, i), 0);
        assert_int_equal(status.pending, 0);
        assert_int_equal(status.attested, cluster->height);
        assert_int_equal(status.held_bytes, 0);
        assert_int_equal(cluster->nodes[i].stop, REPLICA_RUNS);
    }
}

static void who_was_away_for_3000_blocks_adds_every_share_in_the_end(void **state)
{
    (void)state;
    struct attestor_cluster *cluster = attestor_cluster_new(4, 0);
    struct attestor_node *away = &cluster->nodes[AWAY];
    attestor_node_crash(away);
    run_blocks(cluster, 3000);
    attestor_cluster_wait(cluster, 6000);
    assert_int_equal(missing(cluster, 0), 3000);

    cluster->limits.voter_shares = 8;
    cluster->limits.memory_bytes = (size_t)256 * 1024;
    cluster->queue_frames = 24;
    for (uint32_t i = 0; i < cluster->count; i++) {
        attestor_node_restart(&cluster->nodes[i]);
    }
    for (uint64_t height = 100; height <= cluster->height; height += 100) {
        attestor_node_commit(away, height);
        attestor_cluster_wait(cluster, 50);
        if (height == 700 || height == 2200) {
            attestor_cluster_disconnect(cluster, AWAY, 0);
        }
        if (height == 1000 || height == 2300) {
            attestor_cluster_connect(cluster, AWAY, 0);
        }
        if (height == 1500) {
            attestor_node_restart(away);
        }
    }
    attestor_node_restart(away);
    for (uint32_t i = 0; i < 60 && missing(cluster, 0) + missing(cluster, 1) > 0; i++) {
        attestor_cluster_wait(cluster, 5000);
    }
    attestor_cluster_wait(cluster, 5000);
    assert_whole(cluster);
    for (uint32_t i = 0; i < cluster->count; i++) {
        assert_int_equal(attestor_node_lines(&cluster->nodes[i]), 3000);
    }
    attestor_cluster_free(cluster);
}

/* Alone, so that nothing but its own place in the chain makes it sign. */
static void a_restart_goes_on_signing_where_it_was(void **state)
{
    (void)state;
    struct attestor_cluster *cluster = attestor_cluster_new(4, 0);
    struct attestor_node *node = &cluster->nodes[AWAY];
    const char *const transactions[] = {"d:one", "d:two", NULL};
    for (uint32_t i = 0; i < 3; i++) {
        attestor_node_crash(&cluster->nodes[i]);
    }
    for (uint32_t i = 0; i < 1500; i++) {
        (void)attestor_cluster_block(cluster, transactions);
    }
    attestor_node_commit(node, cluster->height);
    uint64_t made = 0;
    uint32_t lives = 0;
    for (; missing(cluster, AWAY) > 3 * cluster->height && lives < 20; lives++) {
        for (uint32_t i = 0; i < 10; i++) {
            attestor_flush(node->attestor);
        }
        cluster->now_ms += 1000;
        attestor_flush(node->attestor); /* so that it is durable */
        made += attestor_node_status(node).signatures;
        attestor_node_restart(node);
    }
    assert_in_range(lives, 4, 8);
    assert_int_equal(missing(cluster, AWAY), 3 * cluster->height);
    /* One for each statement, one for each message, and nothing twice. */
    assert_int_equal(made, 3 * cluster->height);
    attestor_cluster_free(cluster);
}

static void who_is_behind_signs_first_what_is_new(void **state)
{
    (void)state;
    struct attestor_cluster *cluster = attestor_cluster_new(4, 0);
    struct attestor_node *node = &cluster->nodes[AWAY];
    attestor_node_crash(node);
    run_blocks(cluster, 500);
    cluster->limits.turn_signatures = 4;
    attestor_node_restart(node);
    attestor_node_commit(node, cluster->height);
    for (uint32_t i = 0; i < 20; i++) {
        attestor_flush(node->attestor);
    }
    cluster->now_ms += 1000;
    attestor_flush(node->attestor); /* so that it is durable */
    assert_int_equal(attestor_node_shares(node, cluster->height), 1);
    assert_int_equal(attestor_node_shares(node, cluster->height / 2), 0);
    attestor_cluster_wait(cluster, 10000);
    assert_whole(cluster);
    attestor_cluster_free(cluster);
}

static void who_gets_its_key_later_signs_what_its_epochs_ask_for(void **state)
{
    (void)state;
    struct attestor_cluster *cluster = attestor_cluster_new(4, 0);
    struct attestor_node *node = &cluster->nodes[AWAY];
    node->is_keyless = true;
    attestor_node_restart(node);
    run_blocks(cluster, 100);
    attestor_cluster_wait(cluster, 6000);
    assert_int_equal(missing(cluster, AWAY), 100);
    node->is_keyless = false;
    attestor_node_restart(node);
    attestor_cluster_wait(cluster, 10000);
    assert_whole(cluster);
    attestor_cluster_free(cluster);
}

static uint64_t requests(const struct attestor_cluster *cluster)
{
    uint64_t count = 0;
    for (uint32_t i = 0; i < AWAY; i++) {
        count += attestor_node_status(&cluster->nodes[i]).requests_sent;
    }
    return count;
}

static void a_dead_member_is_asked_for_once_a_connection_and_not_for_ever(void **state)
{
    (void)state;
    struct attestor_cluster *cluster = attestor_cluster_new(4, 0);
    run_blocks(cluster, 50);
    attestor_cluster_wait(cluster, 10000);
    assert_int_equal(requests(cluster), 0); /* nothing is missing */
    attestor_node_crash(&cluster->nodes[AWAY]);
    run_blocks(cluster, 200);
    attestor_cluster_wait(cluster, 60000);
    assert_int_equal(requests(cluster), 0); /* nobody may have it */
    attestor_cluster_disconnect(cluster, 0, 1);
    attestor_cluster_connect(cluster, 0, 1);
    attestor_cluster_wait(cluster, 10000);
    assert_in_range(requests(cluster), 8, 10); /* by both, 64 heights each */
    attestor_cluster_wait(cluster, 60000);
    assert_in_range(requests(cluster), 8, 10);
    attestor_cluster_free(cluster);
}

/* What 0 has asked for it does not pass on; 4, which knows but 0, has to hear that it is there. */
static void what_was_asked_for_reaches_those_who_are_further_away(void **state)
{
    (void)state;
    struct attestor_cluster *cluster = attestor_cluster_new(4, 1);
    struct attestor_node *away = &cluster->nodes[AWAY];
    for (uint32_t i = 1; i < 4; i++) {
        attestor_cluster_disconnect(cluster, i, 4);
    }
    attestor_node_crash(away);
    run_blocks(cluster, 200);
    attestor_cluster_wait(cluster, 6000);
    attestor_node_restart(away);
    attestor_cluster_disconnect(cluster, AWAY, 4);
    for (uint32_t i = 1; i < 4; i++) {
        cluster->is_cut[i][0] = true;
    }
    attestor_node_commit(away, cluster->height);
    attestor_cluster_wait(cluster, 20000);
    memset(cluster->is_cut, 0, sizeof cluster->is_cut);
    run_blocks(cluster, 100); /* so that what it says again of itself is not among it */
    attestor_cluster_wait(cluster, 3000);
    assert_int_equal(missing(cluster, 0), 200);
    attestor_cluster_disconnect(cluster, AWAY, 0);
    attestor_cluster_connect(cluster, AWAY, 0);
    attestor_cluster_wait(cluster, 20000);
    assert_whole(cluster);
    attestor_cluster_free(cluster);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(who_was_away_for_3000_blocks_adds_every_share_in_the_end),
        TEST(a_restart_goes_on_signing_where_it_was),
        TEST(who_is_behind_signs_first_what_is_new),
        TEST(who_gets_its_key_later_signs_what_its_epochs_ask_for),
        TEST(a_dead_member_is_asked_for_once_a_connection_and_not_for_ever),
        TEST(what_was_asked_for_reaches_those_who_are_further_away),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
