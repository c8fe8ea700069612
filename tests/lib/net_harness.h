/*
 * Nodes of the TLS network in one process, on one event loop, and a raw TLS client that says
 * whatever a test wants. Everything runs on loopback, on ports that the system chooses.
 */
#ifndef INGOT_TESTS_NET_HARNESS_H
#define INGOT_TESTS_NET_HARNESS_H

#include <event2/bufferevent.h>
#include <event2/event.h>
#include <ingot/network.h>

#include "net/tls.h"

#define NODES_MAX 6
#define WAIT_MS 10000

struct harness;

struct node {
    struct harness *harness;
    uint32_t number; /* its own in every table, and its seed */
    struct ingot_network *network;
    uint16_t port;
    /* What the callbacks saw, by peer. */
    uint32_t connected[NODES_MAX];
    uint32_t disconnected[NODES_MAX];
    enum ingot_close_reason reason[NODES_MAX]; /* of the last disconnect */
    uint64_t frames[NODES_MAX];
    uint64_t bytes[NODES_MAX];
    struct ingot_buffer last; /* the last frame of any peer */
    struct ingot_buffer log;  /* first byte of each frame, in order */
    void (*on_receive)(struct node *node, uint32_t peer, struct ingot_slice frame); /* or NULL */
};

struct harness {
    struct event_base *base;
    struct event *tick; /* turns the loop over, so that conditions are looked at */
    struct node nodes[NODES_MAX];
};

/* cmocka setup and teardown; the state is a struct harness. */
int harness_setup(void **state);
int harness_teardown(void **state);

/* The transport key of a node's number. */
void harness_seed(uint32_t number, uint8_t seed[32]);
struct ingot_public_key harness_key(uint32_t number);
/* An entry of a peers table, with the key of node `key`. */
struct ingot_peer harness_peer(uint32_t number, uint32_t key, const char *host, uint16_t port);

/* Options that most tests want: loopback, any port, quick timings. */
struct ingot_network_tls_options harness_options(struct harness *harness, uint32_t number);
/* Makes and starts a node without peers. NULL options: those of harness_options. */
struct node *harness_start(struct harness *harness, uint32_t number,
                           const struct ingot_network_tls_options *options);
/* Ends a node as if its process had ended. */
void harness_stop(struct harness *harness, uint32_t number);
/* Gives a node a table of these peers, with the ports their nodes listen on (0: not dialled). */
void harness_introduce(struct node *node, const uint32_t *numbers, uint32_t count);
/* Each of the first `count` nodes knows all others. */
void harness_introduce_all(struct harness *harness, uint32_t count);

/* Runs the loop until the condition holds: false if it does not within `timeout_ms`. */
typedef bool harness_condition(void *context);
bool harness_run_until(struct harness *harness, harness_condition *condition, void *context,
                       uint32_t timeout_ms);
/* Runs the loop for so long; only for showing that something does not happen. */
void harness_run_for(struct harness *harness, uint32_t ms);
/* Runs until the two are connected both ways and no other connection between them is under way. */
bool harness_wait_connected(struct harness *harness, uint32_t a, uint32_t b);
bool harness_wait_refused(struct node *node, enum ingot_close_reason reason, uint64_t count);

struct ingot_network_stats harness_stats(const struct node *node);
/* Bytes of this process that are in memory and not of a file. */
size_t harness_resident_bytes(void);

/* A client that speaks TLS with any key and then sends what it is told. */
struct raw_client {
    struct harness *harness;
    struct tls tls;
    struct bufferevent *stream;
    bool secure;
    bool ended;
    bool reading;      /* takes what arrives */
    uint64_t instance; /* in its hello; 7 unless a test says otherwise */
    uint64_t received;
};
struct raw_client *raw_client_new(struct harness *harness, uint32_t number, uint16_t port);
/* Waits for a connection on a listening socket and is its TLS server. */
struct raw_client *raw_client_accept(struct harness *harness, uint32_t number, int listener);
void raw_client_send(struct raw_client *client, const void *bytes, size_t size);
/* The right hello for the greeting of harness_options. */
void raw_client_send_hello(struct raw_client *client);
void raw_client_free(struct raw_client *client);

/* A connected, non-blocking TCP socket. */
int harness_connect(uint16_t port);
/* A non-blocking listening TCP socket on a free port. */
int harness_listen(uint16_t *port);

#endif
