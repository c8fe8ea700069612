/*
 * Which of two connections to one peer stays. Method: a peer of raw TLS connections, so that each
 * step of a crossing happens in the order the test wants, and a table of all cases.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "lib/net_harness.h"

static bool is_secure(void *context)
{
    return ((const struct raw_client *)context)->secure;
}

static bool has_hello(void *context)
{
    return ((const struct raw_client *)context)->received > 0;
}

static bool has_ended(void *context)
{
    return ((const struct raw_client *)context)->ended;
}

static bool is_idle(void *context)
{
    return harness_stats(context).handshakes_pending == 0;
}

/* The node whose key is the smaller one of nodes 0 and 1, or the larger one. */
static uint32_t number_of(bool smaller)
{
    struct ingot_public_key keys[2] = {harness_key(0), harness_key(1)};
    bool zero_is_smaller = memcmp(&keys[0], &keys[1], sizeof keys[0]) < 0;
    return zero_is_smaller == smaller ? 0 : 1;
}

struct rivals {
    struct node *node;
    uint32_t peer;
    int listener;
    struct raw_client *dialled; /* the node has dialled it; its hello is still to come */
    uint16_t port;
};

/* A node that has dialled its peer, has said its hello there, and waits for the peer's. */
static struct rivals begin(struct harness *harness, bool smaller,
                           const struct ingot_network_tls_options *changes)
{
    struct rivals rivals = {.peer = number_of(!smaller)};
    struct ingot_network_tls_options options = harness_options(harness, number_of(smaller));
    uint16_t peer_port;
    if (changes != NULL) {
        options.handshake_timeout_ms = changes->handshake_timeout_ms;
    }
    rivals.node = harness_start(harness, number_of(smaller), &options);
    rivals.port = rivals.node->port;
    rivals.listener = harness_listen(&peer_port);
    struct ingot_peer entry = harness_peer(rivals.peer, rivals.peer, "127.0.0.1", peer_port);
    assert_int_equal(ingot_network_set_peers(rivals.node->network, &entry, 1), INGOT_OK);
    rivals.dialled = raw_client_accept(harness, rivals.peer, rivals.listener);
    assert_true(harness_run_until(harness, has_hello, rivals.dialled, WAIT_MS));
    return rivals;
}

static void end(struct rivals *rivals)
{
    raw_client_free(rivals->dialled);
    harness_stop(rivals->node->harness, rivals->node->number);
    (void)close(rivals->listener);
    harness_run_for(rivals->node->harness, 5);
}

/* A connection that the peer dials, with its hello said. */
static struct raw_client *dial_in(struct harness *harness, const struct rivals *rivals,
                                  uint64_t instance)
{
    struct raw_client *client = raw_client_new(harness, rivals->peer, rivals->port);
    client->instance = instance;
    assert_true(harness_run_until(harness, is_secure, client, WAIT_MS));
    raw_client_send_hello(client);
    return client;
}

static bool is_dialled(const struct rivals *rivals)
{
    struct ingot_network_peer_stats stats;
    assert_int_equal(ingot_network_peer_stats(rivals->node->network, rivals->peer, &stats),
                     INGOT_OK);
    assert_true(stats.connected);
    return stats.dialled;
}

static void of_a_crossing_the_connection_dialled_by_the_smaller_key_stays(void **state)
{
    struct harness *harness = *state;
    for (int inbound_first = 0; inbound_first < 2; inbound_first++) {
        for (int smaller = 0; smaller < 2; smaller++) {
            struct rivals rivals = begin(harness, smaller == 1, NULL);
            struct raw_client *inbound = NULL;
            if (inbound_first == 1) {
                inbound = dial_in(harness, &rivals, 7);
                for (int i = 0; i < 2000 && rivals.node->connected[rivals.peer] == 0; i++) {
                    harness_run_for(harness, 1);
                }
                assert_int_equal(rivals.node->connected[rivals.peer], 1);
                assert_false(is_dialled(&rivals));
                raw_client_send_hello(rivals.dialled);
            } else {
                raw_client_send_hello(rivals.dialled);
                assert_true(harness_run_until(harness, is_idle, rivals.node, WAIT_MS));
                assert_true(is_dialled(&rivals));
                inbound = dial_in(harness, &rivals, 7);
            }
            struct raw_client *loser = smaller == 1 ? inbound : rivals.dialled;
            struct raw_client *winner = smaller == 1 ? rivals.dialled : inbound;
            assert_true(harness_run_until(harness, has_ended, loser, WAIT_MS));
            harness_run_for(harness, 20);
            assert_false(winner->ended);
            assert_true(is_dialled(&rivals) == (smaller == 1));
            assert_int_equal(
                rivals.node->connected[rivals.peer] - rivals.node->disconnected[rivals.peer], 1);
            raw_client_free(inbound);
            end(&rivals);
        }
    }
}

static void a_peer_that_has_restarted_replaces_its_old_connection_whoever_dialled(void **state)
{
    struct harness *harness = *state;
    for (int smaller = 0; smaller < 2; smaller++) {
        struct rivals rivals = begin(harness, smaller == 1, NULL);
        raw_client_send_hello(rivals.dialled);
        assert_true(harness_run_until(harness, is_idle, rivals.node, WAIT_MS));

        struct raw_client *restarted = dial_in(harness, &rivals, 8);

        assert_true(harness_run_until(harness, has_ended, rivals.dialled, WAIT_MS));
        assert_int_equal(rivals.node->reason[rivals.peer], INGOT_CLOSE_REPLACED);
        assert_false(is_dialled(&rivals));
        assert_int_equal(rivals.node->connected[rivals.peer], 2);
        raw_client_free(restarted);
        end(&rivals);
    }
}

static void a_peer_that_dials_again_has_lost_its_connection(void **state)
{
    struct harness *harness = *state;
    for (int smaller = 0; smaller < 2; smaller++) {
        struct rivals rivals = begin(harness, smaller == 1, NULL);
        struct raw_client *first = dial_in(harness, &rivals, 7);
        for (int i = 0; i < 2000 && rivals.node->connected[rivals.peer] == 0; i++) {
            harness_run_for(harness, 1);
        }
        struct raw_client *second = dial_in(harness, &rivals, 7);
        assert_true(harness_run_until(harness, has_ended, first, WAIT_MS));
        assert_false(second->ended);
        assert_int_equal(rivals.node->connected[rivals.peer], 2);
        assert_int_equal(rivals.node->reason[rivals.peer], INGOT_CLOSE_REPLACED);
        raw_client_free(first);
        raw_client_free(second);
        end(&rivals);
    }
}

static void after_the_time_of_a_crossing_a_second_connection_is_no_crossing(void **state)
{
    struct harness *harness = *state;
    struct ingot_network_tls_options options = {.handshake_timeout_ms = 150};
    struct rivals rivals = begin(harness, true, &options);
    raw_client_send_hello(rivals.dialled);
    assert_true(harness_run_until(harness, is_idle, rivals.node, WAIT_MS));
    harness_run_for(harness, 160);

    struct raw_client *again = dial_in(harness, &rivals, 7);

    assert_true(harness_run_until(harness, has_ended, rivals.dialled, WAIT_MS));
    assert_false(is_dialled(&rivals));
    raw_client_free(again);
    end(&rivals);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, harness_setup, harness_teardown)
    const struct CMUnitTest tests[] = {
        TEST(of_a_crossing_the_connection_dialled_by_the_smaller_key_stays),
        TEST(a_peer_that_has_restarted_replaces_its_old_connection_whoever_dialled),
        TEST(a_peer_that_dials_again_has_lost_its_connection),
        TEST(after_the_time_of_a_crossing_a_second_connection_is_no_crossing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
