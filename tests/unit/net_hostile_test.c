/*
 * The TLS network against peers that break the rules: strangers, liars, floods, silence, greed.
 * Method: raw sockets and raw TLS clients against a node, with an honest pair beside them where
 * it must not suffer.
 */
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "lib/net_harness.h"
#include "net/frame.h"

#define MIB ((size_t)1024 * 1024)

/* True once the other side has closed the socket; what arrives before that is dropped. */
static bool is_closed(void *context)
{
    const int *fd = context;
    uint8_t bytes[4096];
    ssize_t size;
    do {
        size = recv(*fd, bytes, sizeof bytes, 0);
    } while (size > 0);
    return size == 0 || (errno != EAGAIN && errno != EINTR);
}

static bool is_secure(void *context)
{
    const struct raw_client *client = context;
    return client->secure || client->ended;
}

static bool has_ended(void *context)
{
    return ((const struct raw_client *)context)->ended;
}

static bool has_peer(void *context)
{
    const struct node *node = context;
    return harness_stats(node).peers_connected > 0;
}

static bool has_lost_peer(void *context)
{
    const struct node *node = context;
    return node->disconnected[1] > 0;
}

/* Node 0 that knows peer 1 but does not dial it. */
static struct node *start_waiting(struct harness *harness,
                                  const struct ingot_network_tls_options *options)
{
    const uint32_t one = 1;
    struct node *node = harness_start(harness, 0, options);
    harness_introduce(node, &one, 1);
    return node;
}

/* Peer 1, through TLS and the hello, that the node takes for real. */
static struct raw_client *connect_as_peer(struct harness *harness, struct node *node)
{
    struct raw_client *client = raw_client_new(harness, 1, node->port);
    assert_true(harness_run_until(harness, is_secure, client, WAIT_MS));
    assert_false(client->ended);
    raw_client_send_hello(client);
    assert_true(harness_run_until(harness, has_peer, node, WAIT_MS));
    return client;
}

static void a_key_outside_the_table_does_not_get_past_the_handshake(void **state)
{
    struct harness *harness = *state;
    struct node *node = start_waiting(harness, NULL);
    struct raw_client *client = raw_client_new(harness, 2, node->port);

    assert_true(harness_run_until(harness, has_ended, client, WAIT_MS));

    assert_true(harness_wait_refused(node, INGOT_CLOSE_KEY_UNKNOWN, 1));
    assert_int_equal(client->received, 0);
    assert_int_equal(harness_stats(node).peers_connected, 0);
    assert_int_equal(harness_stats(node).handshakes_pending, 0);
    raw_client_free(client);
}

static void our_own_key_is_a_stranger_too(void **state)
{
    struct harness *harness = *state;
    struct node *node = start_waiting(harness, NULL);
    struct raw_client *client = raw_client_new(harness, 0, node->port);
    assert_true(harness_run_until(harness, has_ended, client, WAIT_MS));
    assert_true(harness_wait_refused(node, INGOT_CLOSE_KEY_UNKNOWN, 1));
    raw_client_free(client);
}

static void the_dialler_learns_that_its_key_was_refused(void **state)
{
    struct harness *harness = *state;
    const uint32_t zero = 0;
    struct node *node = start_waiting(harness, NULL);
    struct node *stranger = harness_start(harness, 2, NULL);
    harness_introduce(stranger, &zero, 1);
    assert_true(harness_wait_refused(node, INGOT_CLOSE_KEY_UNKNOWN, 2));
    assert_true(harness_wait_refused(stranger, INGOT_CLOSE_REFUSED_BY_PEER, 1));
    assert_int_equal(stranger->connected[0], 0);
}

static void dialling_one_peer_and_finding_another_is_refused(void **state)
{
    struct harness *harness = *state;
    struct node *node = harness_start(harness, 0, NULL);
    struct node *other = harness_start(harness, 2, NULL);
    /* Node 2 is a peer as well, but it answers at the address of peer 1. */
    struct ingot_peer peers[] = {harness_peer(1, 1, "127.0.0.1", other->port),
                                 harness_peer(2, 2, "", 0)};
    struct ingot_peer zero = harness_peer(0, 0, "", 0);
    assert_int_equal(ingot_network_set_peers(other->network, &zero, 1), INGOT_OK);
    assert_int_equal(ingot_network_set_peers(node->network, peers, 2), INGOT_OK);
    assert_true(harness_wait_refused(node, INGOT_CLOSE_KEY_WRONG, 2));
    assert_int_equal(node->connected[1] + node->connected[2] + other->connected[0], 0);
}

static void bytes_that_are_not_tls_are_closed_and_counted(void **state)
{
    struct harness *harness = *state;
    const char *const texts[] = {"GET / HTTP/1.1\r\nHost: a\r\n\r\n",
                                 "\x05\x00\x00\x00hello and more of the same",
                                 "\x16\x03\x01\x00\x05\x01\xff\xff\xff\xff"};
    struct node *node = start_waiting(harness, NULL);
    for (uint64_t i = 0; i < 3; i++) {
        const char *text = texts[i];
        /* The second has zeros inside; the third is a ClientHello of an absurd length. */
        size_t size = i == 0 ? strlen(text) : i == 1 ? 30 : 10;
        int fd = harness_connect(node->port);
        assert_int_equal(send(fd, text, size, 0), size);
        assert_true(harness_run_until(harness, is_closed, &fd, WAIT_MS));
        assert_true(harness_wait_refused(node, INGOT_CLOSE_NOT_TLS, i + 1));
        (void)close(fd);
    }
    assert_int_equal(harness_stats(node).handshakes_pending, 0);
}

static void tls_before_1_3_and_clients_without_a_key_are_refused(void **state)
{
    struct harness *harness = *state;
    struct node *node = start_waiting(harness, NULL);
    for (int round = 0; round < 2; round++) {
        SSL_CTX *context = SSL_CTX_new(TLS_method());
        if (round == 0) {
            assert_int_equal(SSL_CTX_set_max_proto_version(context, TLS1_2_VERSION), 1);
        }
        SSL *session = SSL_new(context);
        int fd = harness_connect(node->port);
        assert_int_equal(SSL_set_fd(session, fd), 1);
        enum ingot_close_reason reason = round == 0 ? INGOT_CLOSE_NOT_TLS : INGOT_CLOSE_KEY_UNKNOWN;
        for (int i = 0; i < 1000 && harness_stats(node).refused[reason] == 0; i++) {
            (void)SSL_connect(session);
            harness_run_for(harness, 2);
        }
        assert_int_equal(harness_stats(node).refused[reason], 1);
        SSL_free(session);
        SSL_CTX_free(context);
        (void)close(fd);
    }
}

static void a_peer_on_another_chain_is_refused_and_both_sides_know_why(void **state)
{
    struct harness *harness = *state;
    for (uint32_t other = 1; other < 3; other++) {
        struct ingot_network_tls_options options = harness_options(harness, other);
        options.greeting = ingot_slice_of_text("another chain");
        struct node *a = harness_start(harness, 0, NULL);
        struct node *b = harness_start(harness, other, &options);
        const uint32_t zero = 0;
        harness_introduce(a, &other, 1);
        harness_introduce(b, &zero, 1);
        assert_true(harness_wait_refused(a, INGOT_CLOSE_GREETING, 2));
        assert_true(harness_wait_refused(b, INGOT_CLOSE_GREETING, 2));
        assert_int_equal(a->connected[other] + b->connected[0], 0);
        harness_stop(harness, 0);
        harness_stop(harness, other);
    }
}

/* What a peer with a good key sends before its hello is through, and how that ends. */
struct opening {
    const char *why;
    size_t size;
    uint8_t bytes[16];
    enum ingot_close_reason reason;
};

static void a_peer_that_opens_with_anything_but_a_hello_is_refused(void **state)
{
    struct harness *harness = *state;
    const struct opening openings[] = {
        {"an empty frame", 4, {0}, INGOT_CLOSE_FRAME_EMPTY},
        {"one byte above a hello", 4, {HELLO_BYTES + 1}, INGOT_CLOSE_FRAME_TOO_LARGE},
        {"a length fit for a frame", 4, {0, 0, 1}, INGOT_CLOSE_FRAME_TOO_LARGE},
        {"the largest length", 4, {255, 255, 255, 255}, INGOT_CLOSE_FRAME_TOO_LARGE},
        {"a frame of its own", 7, {3, 0, 0, 0, 'a', 'b', 'c'}, INGOT_CLOSE_HELLO_MALFORMED},
        {"another version",
         16,
         {12, 0, 0, 0, 'i', 'n', 'g', 'o', 't', 'n', 'e', 't', 9, 0, 0, 0},
         INGOT_CLOSE_VERSION},
    };
    struct node *node = start_waiting(harness, NULL);
    for (size_t i = 0; i < sizeof openings / sizeof openings[0]; i++) {
        uint64_t before = harness_stats(node).refused[openings[i].reason];
        struct raw_client *client = raw_client_new(harness, 1, node->port);
        assert_true(harness_run_until(harness, is_secure, client, WAIT_MS));
        raw_client_send(client, openings[i].bytes, openings[i].size);
        if (!harness_wait_refused(node, openings[i].reason, before + 1)) {
            fail_msg("%s is not refused for %s", openings[i].why,
                     ingot_close_reason_text(openings[i].reason));
        }
        assert_true(harness_run_until(harness, has_ended, client, WAIT_MS));
        raw_client_free(client);
    }
    assert_int_equal(node->connected[1], 0);
}

static void a_declared_length_above_the_cap_ends_the_connection_with_memory_flat(void **state)
{
    struct harness *harness = *state;
    struct node *node = start_waiting(harness, NULL);
    const uint32_t lengths[] = {INGOT_FRAME_BYTES_MAX + 1, 0x7fffffff, 0xffffffff, 0};
    for (size_t i = 0; i < 4; i++) {
        struct raw_client *client = connect_as_peer(harness, node);
        size_t before = harness_resident_bytes();
        uint8_t header[4];
        for (int j = 0; j < 4; j++) {
            header[j] = (uint8_t)(lengths[i] >> (8 * j));
        }
        node->disconnected[1] = 0;
        node->connected[1] = 1;
        raw_client_send(client, header, sizeof header);
        assert_true(harness_run_until(harness, has_lost_peer, node, WAIT_MS));
        assert_int_equal(node->reason[1],
                         lengths[i] == 0 ? INGOT_CLOSE_FRAME_EMPTY : INGOT_CLOSE_FRAME_TOO_LARGE);
        assert_true(harness_resident_bytes() < before + 2 * MIB);
        raw_client_free(client);
        node->connected[1] = node->disconnected[1];
    }
    assert_int_equal(harness_stats(node).disconnected[INGOT_CLOSE_FRAME_TOO_LARGE], 3);
    assert_int_equal(harness_stats(node).disconnected[INGOT_CLOSE_FRAME_EMPTY], 1);
    assert_int_equal(node->frames[1], 0);
}

static void a_large_declared_length_reserves_nothing_until_the_bytes_arrive(void **state)
{
    struct harness *harness = *state;
    struct node *node = start_waiting(harness, NULL);
    struct raw_client *client = connect_as_peer(harness, node);
    size_t before = harness_resident_bytes();
    const uint8_t header[5] = {0, 0, 0x60, 0, 'x'}; /* exactly INGOT_FRAME_BYTES_MAX */
    raw_client_send(client, header, sizeof header);
    harness_run_for(harness, 50);
    assert_true(ingot_network_is_connected(node->network, 1));
    assert_true(harness_resident_bytes() < before + MIB);
    raw_client_free(client);
}

static void a_slow_handshake_is_cut_at_the_deadline_wherever_it_stands(void **state)
{
    struct harness *harness = *state;
    struct ingot_network_tls_options options = harness_options(harness, 0);
    options.handshake_timeout_ms = 200;
    struct node *node = start_waiting(harness, &options);
    uint64_t begin_us = clock_monotonic_us();
    /* One says nothing, one stops inside its first record, one drips, one keeps its hello back. */
    int silent = harness_connect(node->port);
    int partial = harness_connect(node->port);
    int dripping = harness_connect(node->port);
    const uint8_t record[5] = {0x16, 0x03, 0x01, 0x02, 0x00};
    assert_int_equal(send(partial, record, sizeof record, 0), sizeof record);
    struct raw_client *client = raw_client_new(harness, 1, node->port);
    for (size_t i = 0; harness_stats(node).refused[INGOT_CLOSE_HANDSHAKE_TIMEOUT] < 4; i++) {
        (void)send(dripping, i < sizeof record ? &record[i] : &record[4], 1, MSG_NOSIGNAL);
        harness_run_for(harness, 10);
        assert_true(clock_monotonic_us() - begin_us < 5000000);
    }
    /* The loop's timers count from when its turn began. */
    assert_true(clock_monotonic_us() - begin_us >= 150000);
    assert_true(client->secure);
    assert_true(harness_run_until(harness, has_ended, client, WAIT_MS));
    assert_true(harness_run_until(harness, is_closed, &silent, WAIT_MS));
    assert_true(harness_run_until(harness, is_closed, &partial, WAIT_MS));
    assert_true(harness_run_until(harness, is_closed, &dripping, WAIT_MS));
    assert_int_equal(harness_stats(node).handshakes_pending, 0);
    raw_client_free(client);
    (void)close(silent);
    (void)close(partial);
    (void)close(dripping);
}

static void a_flood_of_connections_is_bounded_and_honest_peers_stay(void **state)
{
    struct harness *harness = *state;
    enum { FLOOD = 300 };
    struct ingot_network_tls_options options = harness_options(harness, 0);
    options.handshakes_max = 20;
    options.handshakes_per_source_max = 10;
    options.handshake_timeout_ms = 500;
    struct node *node = harness_start(harness, 0, &options);
    (void)harness_start(harness, 1, NULL);
    harness_introduce_all(harness, 2);
    assert_true(harness_wait_connected(harness, 0, 1));
    size_t before = harness_resident_bytes();
    int flood[FLOOD];
    for (size_t i = 0; i < FLOOD; i++) {
        flood[i] = harness_connect(node->port);
        if (i % 50 == 0) {
            harness_run_for(harness, 2);
            assert_true(harness_stats(node).handshakes_pending <= 10);
        }
    }
    assert_true(harness_wait_refused(node, INGOT_CLOSE_LIMIT_SOURCE, FLOOD - 20));
    assert_true(harness_stats(node).handshakes_pending <= 10);
    assert_true(harness_resident_bytes() < before + 8 * MIB);
    assert_int_equal(ingot_network_send(harness->nodes[1].network, 0, INGOT_FRAME_CONSENSUS,
                                        ingot_slice_of_text("still here")),
                     INGOT_OK);
    assert_true(harness_wait_refused(node, INGOT_CLOSE_HANDSHAKE_TIMEOUT, 10));
    assert_int_equal(node->frames[1], 1);
    for (size_t i = 0; i < FLOOD; i++) {
        (void)close(flood[i]);
    }
    harness_run_for(harness, 20);
    assert_int_equal(harness_stats(node).handshakes_pending, 0);
}

/* Loopback is a whole /8, so one machine can be many sources. */
static int connect_from(uint32_t last_byte, uint16_t port)
{
    struct sockaddr_in from = {.sin_family = AF_INET,
                               .sin_addr = {htonl(INADDR_LOOPBACK + last_byte)}};
    struct sockaddr_in to = {
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr = {htonl(INADDR_LOOPBACK)}};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(fd, (const struct sockaddr *)&from, sizeof from), 0);
    assert_int_equal(connect(fd, (const struct sockaddr *)&to, sizeof to), 0);
    assert_int_equal(fcntl(fd, F_SETFL, O_NONBLOCK), 0);
    return fd;
}

static void one_address_cannot_keep_the_others_out(void **state)
{
    struct harness *harness = *state;
    struct ingot_network_tls_options options = harness_options(harness, 0);
    options.handshakes_max = 8;
    options.handshakes_per_source_max = 8;
    struct node *node = start_waiting(harness, &options);
    int greedy[8];
    for (size_t i = 0; i < 8; i++) {
        greedy[i] = connect_from(1, node->port);
    }
    harness_run_for(harness, 20);
    assert_int_equal(harness_stats(node).handshakes_pending, 8);

    /* All places are taken, and still a newcomer from elsewhere gets through. */
    struct raw_client *client = connect_as_peer(harness, node);

    assert_true(ingot_network_is_connected(node->network, 1));
    assert_int_equal(harness_stats(node).refused[INGOT_CLOSE_LIMIT_TOTAL], 1);
    assert_int_equal(harness_stats(node).handshakes_pending, 7);
    raw_client_free(client);
    for (size_t i = 0; i < 8; i++) {
        (void)close(greedy[i]);
    }
}

static void the_listener_rests_without_descriptors_and_comes_back(void **state)
{
    struct harness *harness = *state;
    struct node *node = start_waiting(harness, NULL);
    struct rlimit limit;
    struct rlimit low;
    int waiting = harness_connect(node->port); /* in the backlog: the loop has not run */
    int lowest_free = dup(0);
    assert_true(lowest_free >= 0);
    (void)close(lowest_free);
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
    low = limit;
    low.rlim_cur = (rlim_t)lowest_free;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &low), 0);
    struct rusage before;
    struct rusage after;
    (void)getrusage(RUSAGE_SELF, &before);
    harness_run_for(harness, 600);
    (void)getrusage(RUSAGE_SELF, &after);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);

    /* A pause of 200 ms after each of them, so no spinning. */
    assert_in_range(harness_stats(node).accept_errors, 1, 4);
    assert_int_equal(harness_stats(node).accepted, 0);
    int64_t spent_us = (after.ru_utime.tv_sec - before.ru_utime.tv_sec) * 1000000 +
                       (after.ru_utime.tv_usec - before.ru_utime.tv_usec);
    assert_true(spent_us < 300000);

    struct raw_client *client = connect_as_peer(harness, node);
    raw_client_free(client);
    (void)close(waiting);
}

static void a_peer_that_never_reads_is_dropped_and_the_others_do_not_notice(void **state)
{
    struct harness *harness = *state;
    const uint32_t both[] = {1, 2};
    const uint32_t zero = 0;
    uint8_t *bytes = alloc_zeroed(1, MIB);
    struct ingot_network_tls_options options = harness_options(harness, 0);
    options.queue_bytes_max = 8 * MIB;
    struct node *node = harness_start(harness, 0, &options);
    struct node *honest = harness_start(harness, 2, NULL);
    harness_introduce(node, both, 2);
    harness_introduce(honest, &zero, 1);
    assert_true(harness_wait_connected(harness, 0, 2));
    struct raw_client *client = raw_client_new(harness, 1, node->port);
    client->reading = false;
    assert_true(harness_run_until(harness, is_secure, client, WAIT_MS));
    raw_client_send_hello(client);
    for (int i = 0; i < 2000 && !ingot_network_is_connected(node->network, 1); i++) {
        harness_run_for(harness, 1);
    }
    assert_true(ingot_network_is_connected(node->network, 1));

    size_t before = harness_resident_bytes();
    uint64_t sent = 0;
    while (node->disconnected[1] == 0) {
        struct ingot_network_peer_stats stats;
        assert_true(sent < 200);
        assert_true(ingot_network_broadcast(node->network, INGOT_FRAME_CONSENSUS,
                                            ingot_slice_of(bytes, MIB)) >= 1);
        sent++;
        assert_int_equal(ingot_network_peer_stats(node->network, 1, &stats), INGOT_OK);
        assert_true(stats.queue_bytes <= 8 * MIB);
        /* The honest one gets each at once, however long the other's queue. */
        for (int i = 0; i < 2000 && honest->frames[0] < sent; i++) {
            harness_run_for(harness, 1);
        }
        assert_int_equal(honest->frames[0], sent);
    }
    assert_int_equal(node->reason[1], INGOT_CLOSE_QUEUE_FULL);
    assert_int_equal(harness_stats(node).disconnected[INGOT_CLOSE_QUEUE_FULL], 1);
    assert_true(ingot_network_is_connected(node->network, 2));
    assert_int_equal(node->disconnected[2], 0);
    assert_true(harness_resident_bytes() < before + 40 * MIB);
    raw_client_free(client);
    free(bytes);
}

static void a_peer_that_says_nothing_for_too_long_is_disconnected(void **state)
{
    struct harness *harness = *state;
    struct ingot_network_tls_options options = harness_options(harness, 0);
    options.silence_timeout_ms = 150;
    struct node *node = start_waiting(harness, &options);
    struct raw_client *client = connect_as_peer(harness, node);
    const uint8_t frame[5] = {1, 0, 0, 0, 'x'};
    uint64_t begin_us = clock_monotonic_us();
    while (clock_monotonic_us() - begin_us < 400000) {
        raw_client_send(client, frame, sizeof frame);
        harness_run_for(harness, 20);
    }
    assert_int_equal(node->disconnected[1], 0);
    assert_true(harness_run_until(harness, has_lost_peer, node, WAIT_MS));
    assert_int_equal(node->reason[1], INGOT_CLOSE_SILENT);
    raw_client_free(client);
}

static void a_known_key_that_is_merely_claimed_does_not_hold_up_dialling(void **state)
{
    struct harness *harness = *state;
    const uint32_t zero = 0;
    struct ingot_network_tls_options options = harness_options(harness, 0);
    options.reconnect_ms_min = 300;
    options.reconnect_ms_max = 300;
    struct node *node = harness_start(harness, 0, &options);
    struct node *peer = harness_start(harness, 1, NULL);
    uint16_t port = peer->port;
    struct ingot_peer entry = harness_peer(1, 1, "127.0.0.1", port);
    harness_stop(harness, 1);
    harness_run_for(harness, 5);
    assert_int_equal(ingot_network_set_peers(node->network, &entry, 1), INGOT_OK);
    assert_true(harness_wait_refused(node, INGOT_CLOSE_CONNECT, 1));
    /* Somebody keeps connecting and failing while the peer comes up and waits to be dialled. */
    options = harness_options(harness, 1);
    options.listen_port = port;
    peer = harness_start(harness, 1, &options);
    peer->harness->nodes[0].port = 0;
    uint16_t node_port = ingot_network_tls_port(node->network);
    harness_introduce(peer, &zero, 1);
    uint64_t begin_us = clock_monotonic_us();
    while (node->connected[1] == 0) {
        struct raw_client *client = raw_client_new(harness, 1, node_port);
        (void)harness_run_until(harness, is_secure, client, WAIT_MS);
        const uint8_t empty[4] = {0};
        raw_client_send(client, empty, sizeof empty);
        harness_run_for(harness, 10);
        raw_client_free(client);
        assert_true(clock_monotonic_us() - begin_us < 2000000);
    }
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, harness_setup, harness_teardown)
    const struct CMUnitTest tests[] = {
        TEST(a_key_outside_the_table_does_not_get_past_the_handshake),
        TEST(our_own_key_is_a_stranger_too),
        TEST(the_dialler_learns_that_its_key_was_refused),
        TEST(dialling_one_peer_and_finding_another_is_refused),
        TEST(bytes_that_are_not_tls_are_closed_and_counted),
        TEST(tls_before_1_3_and_clients_without_a_key_are_refused),
        TEST(a_peer_on_another_chain_is_refused_and_both_sides_know_why),
        TEST(a_peer_that_opens_with_anything_but_a_hello_is_refused),
        TEST(a_declared_length_above_the_cap_ends_the_connection_with_memory_flat),
        TEST(a_large_declared_length_reserves_nothing_until_the_bytes_arrive),
        TEST(a_slow_handshake_is_cut_at_the_deadline_wherever_it_stands),
        TEST(a_flood_of_connections_is_bounded_and_honest_peers_stay),
        TEST(one_address_cannot_keep_the_others_out),
        TEST(the_listener_rests_without_descriptors_and_comes_back),
        TEST(a_peer_that_never_reads_is_dropped_and_the_others_do_not_notice),
        TEST(a_peer_that_says_nothing_for_too_long_is_disconnected),
        TEST(a_known_key_that_is_merely_claimed_does_not_hold_up_dialling),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
