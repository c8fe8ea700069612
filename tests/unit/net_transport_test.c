/*
 * The TLS network among honest peers: connecting, delivering, reconnecting, changing the table.
 * Method: several nodes on one event loop, awaiting conditions. What hostile peers do is in
 * net_hostile_test.c.
 */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "lib/net_harness.h"

struct expectation {
    const struct node *node;
    uint32_t peer;
    uint64_t count;
};

static bool has_frames(void *context)
{
    const struct expectation *expected = context;
    return expected->node->frames[expected->peer] >= expected->count;
}

static bool wait_frames(const struct node *node, uint32_t peer, uint64_t count)
{
    struct expectation expected = {node, peer, count};
    return harness_run_until(node->harness, has_frames, &expected, WAIT_MS);
}

static bool has_connections(void *context)
{
    const struct expectation *expected = context;
    return expected->node->connected[expected->peer] >= expected->count;
}

static bool has_disconnections(void *context)
{
    const struct expectation *expected = context;
    return expected->node->disconnected[expected->peer] >= expected->count;
}

static bool wait_disconnections(const struct node *node, uint32_t peer, uint64_t count)
{
    struct expectation expected = {node, peer, count};
    return harness_run_until(node->harness, has_disconnections, &expected, WAIT_MS);
}

/* With this delay of the larger key, or 0 for the usual one. */
static void start_all_with(struct harness *harness, uint32_t count, uint32_t delay_ms)
{
    for (uint32_t i = 0; i < count; i++) {
        struct ingot_network_tls_options options = harness_options(harness, i);
        options.second_dialler_delay_ms = delay_ms;
        (void)harness_start(harness, i, &options);
    }
    harness_introduce_all(harness, count);
    for (uint32_t i = 0; i < count; i++) {
        for (uint32_t j = 0; j < i; j++) {
            assert_true(harness_wait_connected(harness, i, j));
        }
    }
}

static void start_all(struct harness *harness, uint32_t count)
{
    start_all_with(harness, count, 0);
}

static void frames_of_every_size_arrive_whole_and_in_order(void **state)
{
    struct harness *harness = *state;
    const size_t sizes[] = {1,     2,     4095,  4096,    4097,
                            16383, 16384, 65536, 1000000, INGOT_FRAME_BYTES_MAX};
    const size_t count = sizeof sizes / sizeof sizes[0];
    uint8_t *bytes = alloc_zeroed(1, INGOT_FRAME_BYTES_MAX);
    start_all(harness, 2);
    struct node *from = &harness->nodes[0];
    struct node *to = &harness->nodes[1];
    for (size_t i = 0; i < INGOT_FRAME_BYTES_MAX; i++) {
        bytes[i] = (uint8_t)(i * 2654435761U >> 13);
    }
    for (size_t i = 0; i < count; i++) {
        bytes[0] = (uint8_t)i;
        assert_int_equal(ingot_network_send(from->network, 1, INGOT_FRAME_CONSENSUS,
                                            ingot_slice_of(bytes, sizes[i])),
                         INGOT_OK);
    }

    assert_true(wait_frames(to, 0, count));

    for (size_t i = 0; i < count; i++) {
        assert_int_equal(to->log.data[i], i);
    }
    assert_true(
        ingot_slice_equal(ingot_buffer_slice(&to->last), ingot_slice_of(bytes, to->last.size)));
    assert_int_equal(to->last.size, INGOT_FRAME_BYTES_MAX);
    struct ingot_network_peer_stats sent;
    struct ingot_network_peer_stats received;
    assert_int_equal(ingot_network_peer_stats(from->network, 1, &sent), INGOT_OK);
    assert_int_equal(ingot_network_peer_stats(to->network, 0, &received), INGOT_OK);
    assert_int_equal(sent.frames_sent, count);
    assert_int_equal(received.frames_received, count);
    assert_int_equal(sent.bytes_sent, received.bytes_received);
    assert_int_equal(received.bytes_received, to->bytes[0] + 4 * count);
    free(bytes);
}

static void frames_that_break_the_rules_are_refused_before_they_are_queued(void **state)
{
    struct harness *harness = *state;
    uint8_t *bytes = alloc_zeroed(1, INGOT_FRAME_BYTES_MAX + 1);
    start_all(harness, 2);
    struct ingot_network *network = harness->nodes[0].network;
    struct ingot_slice frame = ingot_slice_of(bytes, INGOT_FRAME_BYTES_MAX + 1);
    assert_int_equal(ingot_network_send(network, 1, INGOT_FRAME_CONSENSUS, frame),
                     INGOT_ERROR_TOO_LARGE);
    assert_int_equal(ingot_network_broadcast(network, INGOT_FRAME_CONSENSUS, frame), 0);
    frame.size = 0;
    assert_int_equal(ingot_network_send(network, 1, INGOT_FRAME_CONSENSUS, frame),
                     INGOT_ERROR_INVALID);
    assert_int_equal(ingot_network_broadcast(network, INGOT_FRAME_BULK, frame), 0);
    frame.size = 1;
    assert_int_equal(ingot_network_send(network, 5, INGOT_FRAME_CONSENSUS, frame),
                     INGOT_ERROR_NOT_FOUND);
    assert_int_equal(ingot_network_send(network, UINT32_MAX, INGOT_FRAME_CONSENSUS, frame),
                     INGOT_ERROR_NOT_FOUND);
    assert_int_equal(harness_stats(&harness->nodes[0]).frames_sent, 0);
    free(bytes);
}

static void four_nodes_form_a_full_mesh_and_a_broadcast_reaches_all_others(void **state)
{
    struct harness *harness = *state;
    uint8_t *bytes = alloc_zeroed(1, 300000);
    start_all(harness, 4);
    for (uint32_t i = 0; i < 4; i++) {
        bytes[0] = (uint8_t)i;
        assert_int_equal(ingot_network_broadcast(harness->nodes[i].network, INGOT_FRAME_CONSENSUS,
                                                 ingot_slice_of(bytes, 300000)),
                         3);
        assert_int_equal(ingot_network_broadcast(harness->nodes[i].network, INGOT_FRAME_BULK,
                                                 ingot_slice_of(bytes, 10)),
                         3);
    }
    for (uint32_t i = 0; i < 4; i++) {
        assert_int_equal(harness_stats(&harness->nodes[i]).peers_connected, 3);
        for (uint32_t j = 0; j < 4; j++) {
            if (i != j) {
                assert_true(wait_frames(&harness->nodes[i], j, 2));
                assert_int_equal(harness->nodes[i].bytes[j], 300010);
            }
        }
    }
    free(bytes);
}

static void a_table_may_name_the_node_itself_which_is_not_its_own_peer(void **state)
{
    struct harness *harness = *state;
    struct ingot_network_peer_stats stats;
    start_all(harness, 2);
    assert_int_equal(ingot_network_peer_stats(harness->nodes[0].network, 0, &stats),
                     INGOT_ERROR_NOT_FOUND);
    assert_false(ingot_network_is_connected(harness->nodes[0].network, 0));
}

static void simultaneous_dials_end_with_one_connection_dialled_by_the_smaller_key(void **state)
{
    struct harness *harness = *state;
    for (int round = 0; round < 20; round++) {
        for (uint32_t i = 0; i < 2; i++) {
            struct ingot_network_tls_options options = harness_options(harness, i);
            options.second_dialler_delay_ms = INGOT_NETWORK_OFF;
            (void)harness_start(harness, i, &options);
        }
        harness_introduce_all(harness, 2);
        assert_true(harness_wait_connected(harness, 0, 1));

        struct ingot_network_peer_stats stats[2];
        struct ingot_public_key keys[2] = {harness_key(0), harness_key(1)};
        bool zero_is_smaller = memcmp(&keys[0], &keys[1], sizeof keys[0]) < 0;
        for (uint32_t i = 0; i < 2; i++) {
            const struct node *node = &harness->nodes[i];
            assert_int_equal(ingot_network_peer_stats(node->network, 1 - i, &stats[i]), INGOT_OK);
            assert_int_equal(node->connected[1 - i] - node->disconnected[1 - i], 1);
            /* A crossing may replace one connection, and no more than that. */
            assert_in_range(node->connected[1 - i], 1, 2);
        }
        assert_true(stats[0].dialled != stats[1].dialled);
        assert_true(stats[0].dialled == zero_is_smaller);
        harness_stop(harness, 0);
        harness_stop(harness, 1);
        harness_run_for(harness, 5);
    }
}

/* The usual delay is shorter than this process may have to wait for its turn. */
static void where_the_larger_key_dials_later_there_is_no_crossing(void **state)
{
    struct harness *harness = *state;
    start_all_with(harness, 4, 60000);
    for (uint32_t i = 0; i < 4; i++) {
        struct ingot_network_stats stats = harness_stats(&harness->nodes[i]);
        for (int reason = 0; reason < INGOT_CLOSE_REASONS; reason++) {
            assert_int_equal(stats.disconnected[reason], 0);
            assert_int_equal(stats.refused[reason], 0);
        }
    }
}

static void a_peer_that_cannot_be_dialled_connects_by_dialling(void **state)
{
    struct harness *harness = *state;
    const uint32_t zero = 0;
    const uint32_t one = 1;
    for (uint32_t dialler = 0; dialler < 2; dialler++) {
        struct node *a = harness_start(harness, 0, NULL);
        struct node *b = harness_start(harness, 1, NULL);
        (dialler == 0 ? a : b)->port = 0;
        harness_introduce(a, &one, 1);
        harness_introduce(b, &zero, 1);
        assert_true(harness_wait_connected(harness, 0, 1));
        harness_stop(harness, 0);
        harness_stop(harness, 1);
    }
}

static void host_names_are_resolved(void **state)
{
    struct harness *harness = *state;
    (void)harness_start(harness, 0, NULL);
    (void)harness_start(harness, 1, NULL);
    struct ingot_peer peer = harness_peer(1, 1, "localhost", harness->nodes[1].port);
    struct ingot_peer other = harness_peer(0, 0, "", 0);
    assert_int_equal(ingot_network_set_peers(harness->nodes[0].network, &peer, 1), INGOT_OK);
    assert_int_equal(ingot_network_set_peers(harness->nodes[1].network, &other, 1), INGOT_OK);
    assert_true(harness_wait_connected(harness, 0, 1));
}

static bool asks_or_has_failed(void *context)
{
    struct ingot_network_stats stats = harness_stats(context);
    return stats.handshakes_pending > 0 || stats.refused[INGOT_CLOSE_RESOLVE] > 0;
}

static void a_network_may_end_while_a_name_is_being_resolved(void **state)
{
    struct harness *harness = *state;
    struct node *node = harness_start(harness, 0, NULL);
    struct ingot_peer peers[] = {harness_peer(1, 1, "no-such-host.invalid", 1000),
                                 harness_peer(2, 2, "not a name", 1000)};
    assert_int_equal(ingot_network_set_peers(node->network, peers, 2), INGOT_OK);
    assert_true(harness_run_until(harness, asks_or_has_failed, node, WAIT_MS));
    harness_stop(harness, 0);
    /* The resolver answers what was withdrawn; the sanitizers see what it touches. */
    harness_run_for(harness, 20);
}

static void dialling_nobody_is_tried_again_ever_more_slowly(void **state)
{
    struct harness *harness = *state;
    struct ingot_network_tls_options options = harness_options(harness, 0);
    options.reconnect_ms_min = 5;
    options.reconnect_ms_max = 40;
    struct node *node = harness_start(harness, 0, &options);
    /* A port that was free a moment ago. */
    struct node *gone = harness_start(harness, 1, NULL);
    uint16_t port = gone->port;
    harness_stop(harness, 1);
    struct ingot_peer peer = harness_peer(1, 1, "127.0.0.1", port);
    assert_int_equal(ingot_network_set_peers(node->network, &peer, 1), INGOT_OK);
    uint64_t begin_us = clock_monotonic_us();
    assert_true(harness_wait_refused(node, INGOT_CLOSE_CONNECT, 8));
    /* At least half of 10 + 20 + 40 + 40 + 40 + 40 + 40 ms. */
    assert_true(clock_monotonic_us() - begin_us >= 110000);
}

/* A node in a process of its own, so that it can be killed. */
static pid_t fork_node(uint32_t number, uint16_t own_port, uint32_t peer, uint16_t peer_port)
{
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid > 0) {
        return pid;
    }
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL); /* a failed test leaves nothing behind */
    void *state = NULL;
    (void)harness_setup(&state);
    struct harness *harness = state;
    struct ingot_network_tls_options options = harness_options(harness, number);
    options.listen_port = own_port;
    struct node *node = harness_start(harness, number, &options);
    harness->nodes[peer].port = peer_port;
    harness_introduce(node, &peer, 1);
    harness_run_for(harness, 60000);
    _exit(0);
}

static void a_killed_peer_is_back_within_a_second_of_its_restart(void **state)
{
    struct harness *harness = *state;
    for (uint32_t number = 0; number < 2; number++) {
        uint32_t other = 1 - number; /* both orders of the keys */
        struct node *node = harness_start(harness, number, NULL);
        harness->nodes[other].port = harness_start(harness, 2, NULL)->port;
        harness_stop(harness, 2);
        harness_run_for(harness, 20); /* lets go of the port */
        harness_introduce(node, &other, 1);
        struct expectation expected = {node, other, 1};
        for (int round = 0; round < 3; round++) {
            uint64_t begin_us = clock_monotonic_us();
            pid_t pid = fork_node(other, harness->nodes[other].port, number, node->port);
            expected.count = (uint64_t)round + 1;
            assert_true(harness_run_until(harness, has_connections, &expected, WAIT_MS));
            if (getenv("INGOT_TEST_SLOW") == NULL) {
                assert_true(clock_monotonic_us() - begin_us < 1000000);
            }
            assert_int_equal(kill(pid, SIGKILL), 0);
            assert_int_equal(waitpid(pid, NULL, 0), pid);
            assert_true(wait_disconnections(node, other, expected.count));
            /* Down for long enough that the back-off grows. */
            harness_run_for(harness, 300);
        }
        harness_stop(harness, number);
    }
}

static void a_restarted_peer_replaces_its_dead_connection_from_either_side(void **state)
{
    struct harness *harness = *state;
    start_all(harness, 2);
    for (int round = 0; round < 10; round++) {
        uint32_t number = (uint32_t)round % 2;
        const uint32_t other = 1 - number;
        struct ingot_network_tls_options options = harness_options(harness, number);
        options.listen_port = harness->nodes[number].port;
        harness_stop(harness, number);
        struct node *node = harness_start(harness, number, &options);
        harness_introduce(node, &other, 1);
        assert_true(harness_wait_connected(harness, 0, 1));
        assert_int_equal(ingot_network_send(node->network, other, INGOT_FRAME_CONSENSUS,
                                            ingot_slice_of_text("again")),
                         INGOT_OK);
        harness->nodes[other].frames[number] = 0;
        assert_true(wait_frames(&harness->nodes[other], number, 1));
    }
}

static void peers_join_and_leave_while_the_network_runs(void **state)
{
    struct harness *harness = *state;
    const uint32_t one = 1;
    start_all(harness, 2);
    struct node *node = &harness->nodes[0];
    struct ingot_network_peer_stats before;
    struct ingot_network_peer_stats after;
    assert_int_equal(ingot_network_peer_stats(node->network, 1, &before), INGOT_OK);

    /* Joins: the connection that exists stays as it is. */
    (void)harness_start(harness, 2, NULL);
    harness_introduce_all(harness, 3);
    assert_true(harness_wait_connected(harness, 0, 2));
    assert_true(harness_wait_connected(harness, 1, 2));
    assert_int_equal(ingot_network_peer_stats(node->network, 1, &after), INGOT_OK);
    assert_int_equal(after.connections, before.connections);
    assert_int_equal(node->disconnected[1], 0);

    /* Leaves: it is disconnected, and refused from then on. */
    harness_introduce(node, &one, 1);
    assert_true(wait_disconnections(node, 2, 1));
    assert_int_equal(node->reason[2], INGOT_CLOSE_REMOVED);
    assert_true(harness_wait_refused(node, INGOT_CLOSE_KEY_UNKNOWN, 1));
    assert_true(ingot_network_is_connected(node->network, 1));
    assert_int_equal(
        ingot_network_send(node->network, 2, INGOT_FRAME_CONSENSUS, ingot_slice_of_text("x")),
        INGOT_ERROR_NOT_FOUND);

    /* Its number goes to another key. */
    struct ingot_peer reused[] = {harness_peer(1, 1, "127.0.0.1", harness->nodes[1].port),
                                  harness_peer(2, 3, NULL, 0)};
    assert_int_equal(ingot_network_set_peers(node->network, reused, 2), INGOT_OK);
    assert_int_equal(ingot_network_peer_stats(node->network, 2, &after), INGOT_OK);
    assert_int_equal(after.connections, 0);
}

static void a_table_that_breaks_a_rule_changes_nothing(void **state)
{
    struct harness *harness = *state;
    char long_host[INGOT_NETWORK_HOST_BYTES_MAX + 2];
    start_all(harness, 2);
    struct ingot_network *network = harness->nodes[0].network;
    memset(long_host, 'a', sizeof long_host);
    long_host[sizeof long_host - 1] = '\0';
    const struct ingot_peer same_number[] = {harness_peer(3, 3, "", 0), harness_peer(3, 4, "", 0)};
    const struct ingot_peer same_key[] = {harness_peer(3, 3, "", 0), harness_peer(4, 3, "", 0)};
    const struct ingot_peer high[] = {harness_peer(INGOT_PEERS_MAX, 3, "", 0)};
    const struct ingot_peer host[] = {harness_peer(3, 3, long_host, 1)};
    assert_int_equal(ingot_network_set_peers(network, same_number, 2), INGOT_ERROR_INVALID);
    assert_int_equal(ingot_network_set_peers(network, same_key, 2), INGOT_ERROR_INVALID);
    assert_int_equal(ingot_network_set_peers(network, high, 1), INGOT_ERROR_INVALID);
    assert_int_equal(ingot_network_set_peers(network, host, 1), INGOT_ERROR_INVALID);
    assert_true(ingot_network_is_connected(network, 1));
}

static void a_peer_disconnected_by_hand_stays_away_until_it_is_connected_again(void **state)
{
    struct harness *harness = *state;
    start_all(harness, 2);
    for (uint32_t number = 0; number < 2; number++) {
        struct node *node = &harness->nodes[number];
        uint32_t other = 1 - number;
        uint64_t refused = harness_stats(node).refused[INGOT_CLOSE_LOCAL];
        assert_int_equal(ingot_network_disconnect(node->network, other), INGOT_OK);
        assert_false(ingot_network_is_connected(node->network, other));
        assert_int_equal(ingot_network_send(node->network, other, INGOT_FRAME_CONSENSUS,
                                            ingot_slice_of_text("x")),
                         INGOT_ERROR_NETWORK);
        /* The other side keeps dialling, in vain. */
        assert_true(harness_wait_refused(node, INGOT_CLOSE_LOCAL, refused + 2));
        assert_int_equal(node->reason[other], INGOT_CLOSE_LOCAL);
        assert_int_equal(ingot_network_connect(node->network, other), INGOT_OK);
        assert_true(harness_wait_connected(harness, 0, 1));
    }
    assert_int_equal(ingot_network_connect(harness->nodes[0].network, 9), INGOT_ERROR_NOT_FOUND);
    assert_int_equal(ingot_network_disconnect(harness->nodes[0].network, 9), INGOT_ERROR_NOT_FOUND);
}

static void disconnect_on_receive(struct node *node, uint32_t peer, struct ingot_slice frame)
{
    uint8_t before = frame.data[0];
    (void)ingot_network_disconnect(node->network, peer);
    /* The frame outlives its connection for as long as the callback runs. */
    assert_int_equal(frame.data[0], before);
    /* Nobody is told from inside a call. */
    assert_int_equal(node->disconnected[peer], 0);
}

static void remove_on_receive(struct node *node, uint32_t peer, struct ingot_slice frame)
{
    (void)peer;
    assert_int_equal(ingot_network_set_peers(node->network, NULL, 0), INGOT_OK);
    assert_int_equal(frame.size, 1000);
}

static void callbacks_may_end_the_connection_that_they_are_called_for(void **state)
{
    struct harness *harness = *state;
    static const uint8_t frame[1000] = {42};
    void (*const endings[])(struct node *, uint32_t, struct ingot_slice) = {disconnect_on_receive,
                                                                            remove_on_receive};
    for (size_t i = 0; i < 2; i++) {
        start_all(harness, 2);
        struct node *to = &harness->nodes[1];
        to->on_receive = endings[i];
        to->frames[0] = 0;
        for (int j = 0; j < 5; j++) {
            assert_int_equal(ingot_network_send(harness->nodes[0].network, 1, INGOT_FRAME_CONSENSUS,
                                                ingot_slice_of(frame, sizeof frame)),
                             INGOT_OK);
        }
        assert_true(wait_disconnections(to, 0, 1));
        assert_int_equal(to->frames[0], 1);
        to->on_receive = NULL;
        harness_stop(harness, 0);
        harness_stop(harness, 1);
        harness_run_for(harness, 5);
    }
}

static void consensus_frames_overtake_bulk_and_bulk_is_refused_when_the_queue_is_long(void **state)
{
    struct harness *harness = *state;
    uint8_t *bulk = alloc_zeroed(1, 200000);
    struct ingot_network_peer_stats stats;
    start_all(harness, 2);
    struct node *from = &harness->nodes[0];
    struct node *to = &harness->nodes[1];
    uint64_t queued = 0;
    bulk[0] = 'b';
    while (ingot_network_send(from->network, 1, INGOT_FRAME_BULK, ingot_slice_of(bulk, 200000)) ==
           INGOT_OK) {
        queued++;
    }
    assert_int_equal(ingot_network_send(from->network, 1, INGOT_FRAME_CONSENSUS,
                                        ingot_slice_of_text("consensus")),
                     INGOT_OK);
    assert_in_range(queued, 5, 7); /* 1 MiB, and the frame that crosses it */
    assert_int_equal(ingot_network_peer_stats(from->network, 1, &stats), INGOT_OK);
    assert_int_equal(stats.bulk_refused, 1);
    assert_true(stats.queue_bytes > 1000000);

    assert_true(wait_frames(to, 0, queued + 1));

    const uint8_t *place = memchr(to->log.data, 'c', to->log.size);
    assert_non_null(place);
    assert_int_equal(place - to->log.data, 1); /* behind what was under way, before the rest */
    assert_int_equal(
        ingot_network_send(from->network, 1, INGOT_FRAME_BULK, ingot_slice_of(bulk, 200000)),
        INGOT_OK);
    free(bulk);
}

static void discovery_hands_over_its_list_and_later_ones(void **state)
{
    struct harness *harness = *state;
    struct node *node = harness_start(harness, 0, NULL);
    (void)harness_start(harness, 1, NULL);
    const uint32_t zero = 0;
    harness_introduce(&harness->nodes[1], &zero, 1);
    struct ingot_peer peers[] = {harness_peer(1, 1, "127.0.0.1", harness->nodes[1].port),
                                 harness_peer(1, 2, "", 0)};
    struct ingot_discovery *discovery = ingot_discovery_static_new(peers, 1);
    assert_int_equal(ingot_discovery_start(discovery, node->network), INGOT_OK);
    assert_true(harness_wait_connected(harness, 0, 1));
    assert_int_equal(ingot_discovery_static_set(discovery, peers, 2), INGOT_ERROR_INVALID);
    assert_true(ingot_network_is_connected(node->network, 1));
    assert_int_equal(ingot_discovery_static_set(discovery, NULL, 0), INGOT_OK);
    assert_false(ingot_network_is_connected(node->network, 1));
    ingot_discovery_free(discovery);
    ingot_discovery_free(NULL);
}

static void options_and_addresses_that_cannot_be_are_refused_with_a_reason(void **state)
{
    struct harness *harness = *state;
    struct ingot_network_events events = {.receive = NULL};
    struct ingot_network *network = NULL;
    char why[200] = "";
    struct ingot_network_tls_options options = harness_options(harness, 0);
    options.greeting.size = 0;
    assert_int_equal(ingot_network_tls_new(&options, &network, why, sizeof why),
                     INGOT_ERROR_INVALID);
    assert_non_null(strstr(why, "greeting"));
    options = harness_options(harness, 0);
    options.frame_bytes_max = INGOT_FRAME_BYTES_MAX + 1;
    assert_int_equal(ingot_network_tls_new(&options, &network, why, sizeof why),
                     INGOT_ERROR_INVALID);
    options = harness_options(harness, 0);
    options.queue_bytes_max = 1000;
    assert_int_equal(ingot_network_tls_new(&options, &network, why, sizeof why),
                     INGOT_ERROR_INVALID);
    options = harness_options(harness, 0);
    options.reconnect_ms_min = 6000;
    assert_int_equal(ingot_network_tls_new(&options, &network, why, sizeof why),
                     INGOT_ERROR_INVALID);

    /* A port in use: named, and another try is allowed once it is free. */
    struct node *node = harness_start(harness, 1, NULL);
    options = harness_options(harness, 0);
    options.listen_port = node->port;
    assert_int_equal(ingot_network_tls_new(&options, &network, why, sizeof why), INGOT_OK);
    struct node unused = {.number = 0};
    events.context = &unused;
    events.receive = (void (*)(void *, uint32_t, struct ingot_slice))abort;
    assert_int_equal(ingot_network_start(network, &events, why, sizeof why), INGOT_ERROR_NETWORK);
    assert_non_null(strstr(why, "127.0.0.1:"));
    assert_non_null(strstr(why, "in use"));
    harness_stop(harness, 1);
    assert_int_equal(ingot_network_start(network, &events, why, sizeof why), INGOT_OK);
    assert_int_equal(ingot_network_tls_port(network), options.listen_port);
    ingot_network_free(network);
    ingot_network_free(NULL);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, harness_setup, harness_teardown)
    const struct CMUnitTest tests[] = {
        TEST(frames_of_every_size_arrive_whole_and_in_order),
        TEST(frames_that_break_the_rules_are_refused_before_they_are_queued),
        TEST(four_nodes_form_a_full_mesh_and_a_broadcast_reaches_all_others),
        TEST(a_table_may_name_the_node_itself_which_is_not_its_own_peer),
        TEST(simultaneous_dials_end_with_one_connection_dialled_by_the_smaller_key),
        TEST(where_the_larger_key_dials_later_there_is_no_crossing),
        TEST(a_peer_that_cannot_be_dialled_connects_by_dialling),
        TEST(host_names_are_resolved),
        TEST(a_network_may_end_while_a_name_is_being_resolved),
        TEST(dialling_nobody_is_tried_again_ever_more_slowly),
        TEST(a_killed_peer_is_back_within_a_second_of_its_restart),
        TEST(a_restarted_peer_replaces_its_dead_connection_from_either_side),
        TEST(peers_join_and_leave_while_the_network_runs),
        TEST(a_table_that_breaks_a_rule_changes_nothing),
        TEST(a_peer_disconnected_by_hand_stays_away_until_it_is_connected_again),
        TEST(callbacks_may_end_the_connection_that_they_are_called_for),
        TEST(consensus_frames_overtake_bulk_and_bulk_is_refused_when_the_queue_is_long),
        TEST(discovery_hands_over_its_list_and_later_ones),
        TEST(options_and_addresses_that_cannot_be_are_refused_with_a_reason),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
