/*
 * See net_harness.h. It asserts with cmocka where setting up fails, and leaves judging to tests.
 */
#include "lib/net_harness.h"

#include <event2/buffer.h>
#include <event2/bufferevent_ssl.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/log.h"
#include "net/frame.h"

static const char greeting[] = "a chain of the tests";

static void on_tick(evutil_socket_t fd, short what, void *context)
{
    (void)fd;
    (void)what;
    (void)context;
}

int harness_setup(void **state)
{
    struct harness *harness = alloc_zeroed(1, sizeof *harness);
    struct timeval every = {.tv_usec = 2000};
    log_configure(LOG_PLAIN, getenv("INGOT_TEST_LOG") != NULL ? LOG_DEBUG : LOG_NONE);
    harness->base = event_base_new();
    assert_non_null(harness->base);
    harness->tick = event_new(harness->base, -1, EV_PERSIST, on_tick, NULL);
    assert_int_equal(event_add(harness->tick, &every), 0);
    for (uint32_t i = 0; i < NODES_MAX; i++) {
        harness->nodes[i].harness = harness;
        harness->nodes[i].number = i;
    }
    *state = harness;
    return 0;
}

int harness_teardown(void **state)
{
    struct harness *harness = *state;
    for (uint32_t i = 0; i < NODES_MAX; i++) {
        harness_stop(harness, i);
        ingot_buffer_deinit(&harness->nodes[i].last);
        ingot_buffer_deinit(&harness->nodes[i].log);
    }
    event_free(harness->tick);
    event_base_free(harness->base);
    free(harness);
    return 0;
}

void harness_seed(uint32_t number, uint8_t seed[32])
{
    memset(seed, 0x5a, 32);
    seed[0] = (uint8_t)number;
}

static bool accept_any(void *context, const struct ingot_public_key *key)
{
    (void)context;
    (void)key;
    return true;
}

struct ingot_public_key harness_key(uint32_t number)
{
    struct tls tls;
    uint8_t seed[32];
    harness_seed(number, seed);
    net_tls_init(&tls, seed, accept_any);
    struct ingot_public_key key = tls.key;
    net_tls_deinit(&tls);
    return key;
}

struct ingot_peer harness_peer(uint32_t number, uint32_t key, const char *host, uint16_t port)
{
    return (struct ingot_peer){
        .key = harness_key(key),
        .host = host,
        .number = number,
        .port = port,
    };
}

static void on_receive(void *context, uint32_t peer, struct ingot_slice frame)
{
    struct node *node = context;
    node->frames[peer]++;
    node->bytes[peer] += frame.size;
    ingot_buffer_clear(&node->last);
    ingot_buffer_append_slice(&node->last, frame);
    ingot_buffer_append_u8(&node->log, frame.data[0]);
    if (node->on_receive != NULL) {
        node->on_receive(node, peer, frame);
    }
}

static void on_connected(void *context, uint32_t peer)
{
    struct node *node = context;
    /* The contract: an end is told of before the next beginning. */
    assert_int_equal(node->connected[peer], node->disconnected[peer]);
    node->connected[peer]++;
}

static void on_disconnected(void *context, uint32_t peer, enum ingot_close_reason reason)
{
    struct node *node = context;
    node->disconnected[peer]++;
    assert_int_equal(node->connected[peer], node->disconnected[peer]);
    node->reason[peer] = reason;
}

struct ingot_network_tls_options harness_options(struct harness *harness, uint32_t number)
{
    static uint8_t seeds[NODES_MAX][32];
    harness_seed(number, seeds[number]);
    return (struct ingot_network_tls_options){
        .base = harness->base,
        .seed = seeds[number],
        .greeting = ingot_slice_of_text(greeting),
        .listen_host = "127.0.0.1",
    };
}

struct node *harness_start(struct harness *harness, uint32_t number,
                           const struct ingot_network_tls_options *options)
{
    struct node *node = &harness->nodes[number];
    struct ingot_network_tls_options usual = harness_options(harness, number);
    struct ingot_network_events events = {
        .context = node,
        .receive = on_receive,
        .connected = on_connected,
        .disconnected = on_disconnected,
    };
    char why[256] = "";
    memset(node->connected, 0, sizeof node->connected);
    memset(node->disconnected, 0, sizeof node->disconnected);
    if (ingot_network_tls_new(options != NULL ? options : &usual, &node->network, why,
                              sizeof why) != INGOT_OK ||
        ingot_network_start(node->network, &events, why, sizeof why) != INGOT_OK) {
        fail_msg("node %u does not start: %s", number, why);
    }
    node->port = ingot_network_tls_port(node->network);
    return node;
}

void harness_stop(struct harness *harness, uint32_t number)
{
    ingot_network_free(harness->nodes[number].network);
    harness->nodes[number].network = NULL;
}

void harness_introduce(struct node *node, const uint32_t *numbers, uint32_t count)
{
    struct ingot_peer peers[NODES_MAX];
    for (uint32_t i = 0; i < count; i++) {
        uint16_t port = node->harness->nodes[numbers[i]].port;
        peers[i] = harness_peer(numbers[i], numbers[i], "127.0.0.1", port);
    }
    assert_int_equal(ingot_network_set_peers(node->network, peers, count), INGOT_OK);
}

void harness_introduce_all(struct harness *harness, uint32_t count)
{
    const uint32_t numbers[NODES_MAX] = {0, 1, 2, 3, 4, 5};
    for (uint32_t i = 0; i < count; i++) {
        harness_introduce(&harness->nodes[i], numbers, count);
    }
}

bool harness_run_until(struct harness *harness, harness_condition *condition, void *context,
                       uint32_t timeout_ms)
{
    uint64_t end_us = clock_monotonic_us() + (uint64_t)timeout_ms * 1000;
    while (!condition(context)) {
        if (clock_monotonic_us() > end_us) {
            return false;
        }
        (void)event_base_loop(harness->base, EVLOOP_ONCE);
    }
    return true;
}

static bool never(void *context)
{
    (void)context;
    return false;
}

void harness_run_for(struct harness *harness, uint32_t ms)
{
    (void)harness_run_until(harness, never, NULL, ms);
}

struct pair {
    const struct node *a;
    const struct node *b;
};

static bool pair_is_connected(void *context)
{
    const struct pair *pair = context;
    struct ingot_network_stats a = harness_stats(pair->a);
    struct ingot_network_stats b = harness_stats(pair->b);
    return ingot_network_is_connected(pair->a->network, pair->b->number) &&
           ingot_network_is_connected(pair->b->network, pair->a->number) &&
           a.handshakes_pending == 0 && b.handshakes_pending == 0;
}

bool harness_wait_connected(struct harness *harness, uint32_t a, uint32_t b)
{
    struct pair pair = {&harness->nodes[a], &harness->nodes[b]};
    return harness_run_until(harness, pair_is_connected, &pair, WAIT_MS);
}

struct refusal {
    const struct node *node;
    enum ingot_close_reason reason;
    uint64_t count;
};

static bool is_refused(void *context)
{
    const struct refusal *refusal = context;
    return harness_stats(refusal->node).refused[refusal->reason] >= refusal->count;
}

bool harness_wait_refused(struct node *node, enum ingot_close_reason reason, uint64_t count)
{
    struct refusal refusal = {node, reason, count};
    return harness_run_until(node->harness, is_refused, &refusal, WAIT_MS);
}

struct ingot_network_stats harness_stats(const struct node *node)
{
    struct ingot_network_stats stats;
    ingot_network_stats(node->network, &stats);
    return stats;
}

size_t harness_resident_bytes(void)
{
    char line[256];
    unsigned long kilobytes = 0;
    FILE *file = fopen("/proc/self/status", "r");
    assert_non_null(file);
    while (fgets(line, sizeof line, file) != NULL) {
        if (strncmp(line, "RssAnon:", 8) == 0) {
            kilobytes = strtoul(line + 8, NULL, 10);
        }
    }
    (void)fclose(file);
    assert_true(kilobytes > 0);
    return kilobytes * 1024;
}

int harness_connect(uint16_t port)
{
    struct sockaddr_in address = {
        .sin_family = AF_INET,
        .sin_port = htons(port),
        .sin_addr = {htonl(INADDR_LOOPBACK)},
    };
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0);
    assert_int_equal(connect(fd, (const struct sockaddr *)&address, sizeof address), 0);
    assert_int_equal(fcntl(fd, F_SETFL, O_NONBLOCK), 0);
    return fd;
}

int harness_listen(uint16_t *port)
{
    struct sockaddr_in address = {
        .sin_family = AF_INET,
        .sin_addr = {htonl(INADDR_LOOPBACK)},
    };
    socklen_t size = sizeof address;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    assert_true(fd >= 0);
    assert_int_equal(bind(fd, (const struct sockaddr *)&address, sizeof address), 0);
    assert_int_equal(listen(fd, 16), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &size), 0);
    *port = ntohs(address.sin_port);
    return fd;
}

static void on_raw_read(struct bufferevent *stream, void *context)
{
    struct raw_client *client = context;
    struct evbuffer *input = bufferevent_get_input(stream);
    client->received += evbuffer_get_length(input);
    (void)evbuffer_drain(input, evbuffer_get_length(input));
}

static void on_raw_event(struct bufferevent *stream, short what, void *context)
{
    struct raw_client *client = context;
    if ((what & BEV_EVENT_CONNECTED) != 0) {
        client->secure = true;
        if (!client->reading) {
            (void)bufferevent_disable(stream, EV_READ);
        }
    } else {
        client->ended = true;
    }
}

static struct raw_client *raw_client_over(struct harness *harness, uint32_t number, int fd,
                                          enum bufferevent_ssl_state state)
{
    struct raw_client *client = alloc_zeroed(1, sizeof *client);
    uint8_t seed[32];
    client->harness = harness;
    client->reading = true;
    client->instance = 7;
    harness_seed(number, seed);
    net_tls_init(&client->tls, seed, accept_any);
    SSL *session = net_tls_session_new(&client->tls, fd, client);
    client->stream =
        bufferevent_openssl_socket_new(harness->base, fd, session, state, BEV_OPT_CLOSE_ON_FREE);
    assert_non_null(client->stream);
    bufferevent_setcb(client->stream, on_raw_read, NULL, on_raw_event, client);
    assert_int_equal(bufferevent_enable(client->stream, EV_READ | EV_WRITE), 0);
    return client;
}

struct raw_client *raw_client_new(struct harness *harness, uint32_t number, uint16_t port)
{
    int fd = harness_connect(port);
    return raw_client_over(harness, number, fd, BUFFEREVENT_SSL_CONNECTING);
}

struct acceptance {
    int listener;
    int fd;
};

static bool has_accepted(void *context)
{
    struct acceptance *acceptance = context;
    acceptance->fd = accept(acceptance->listener, NULL, NULL);
    return acceptance->fd >= 0;
}

struct raw_client *raw_client_accept(struct harness *harness, uint32_t number, int listener)
{
    struct acceptance acceptance = {listener, -1};
    assert_true(harness_run_until(harness, has_accepted, &acceptance, WAIT_MS));
    assert_int_equal(fcntl(acceptance.fd, F_SETFL, O_NONBLOCK), 0);
    return raw_client_over(harness, number, acceptance.fd, BUFFEREVENT_SSL_ACCEPTING);
}

void raw_client_send(struct raw_client *client, const void *bytes, size_t size)
{
    assert_int_equal(bufferevent_write(client->stream, bytes, size), 0);
}

void raw_client_send_hello(struct raw_client *client)
{
    uint8_t hello[HELLO_BYTES];
    struct frame *shared = NULL;
    net_hello_encode(client->instance, ingot_slice_of_text(greeting), hello);
    net_frame_append(bufferevent_get_output(client->stream), ingot_slice_of(hello, sizeof hello),
                     &shared);
    assert_null(shared);
}

void raw_client_free(struct raw_client *client)
{
    bufferevent_free(client->stream);
    net_tls_deinit(&client->tls);
    free(client);
}
