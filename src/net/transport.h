/*
 * The TLS transport's model: one transport has a table of peers and a list of connections. A peer
 * has at most one connection that is ready and at most one that it is being dialled on; inbound
 * connections that are not ready belong to nobody until their key is known.
 *
 *   resolving -> connecting -> securing -> greeting -> ready -> closed        (dialled)
 *                              securing -> greeting -> ready -> closed        (accepted)
 *                                          greeting -> parting -> closed      (wrong hello)
 *
 * net_connection_close is the only way to closed. A closed connection stays in memory until the
 * event loop's next turn, so that whoever is in the middle of a callback may still look at it; the
 * user's callbacks run from the loop only, and after any of them only the connection itself is
 * sure to exist.
 */
#ifndef INGOT_NET_TRANSPORT_H
#define INGOT_NET_TRANSPORT_H

#include <event2/bufferevent.h>
#include <event2/event.h>
#include <event2/util.h>
#include <ingot/network.h>
#include <sys/queue.h>
#include <sys/socket.h>

#include "net/frame.h"
#include "net/limiter.h"
#include "net/tls.h"

struct resolution;
struct resolver;
struct transport;
struct peer;

enum connection_state {
    CONNECTION_RESOLVING,  /* host name to addresses */
    CONNECTION_CONNECTING, /* TCP */
    CONNECTION_SECURING,   /* TLS */
    CONNECTION_GREETING,   /* our hello is out, theirs is awaited */
    CONNECTION_PARTING,    /* theirs was wrong; ours still leaves, so that they learn it too */
    CONNECTION_READY,
    CONNECTION_CLOSED
};

/* Handshakes under way from one address; exists as long as there are any. */
struct source {
    LIST_ENTRY(source) link;
    uint8_t address[16]; /* IPv6, its upper half only, or IPv4-mapped */
    uint32_t pending;
};

/* A bulk frame that waits until the output queue is short. */
struct bulk_frame {
    STAILQ_ENTRY(bulk_frame) link;
    struct frame *frame;
};

struct connection {
    TAILQ_ENTRY(connection) link; /* in transport.connections, or in .closed */
    struct transport *transport;
    enum connection_state state;
    bool dialled;                    /* by us */
    struct peer *peer;               /* NULL until known, and once closed */
    struct source *source;           /* of an accepted one, until it is ready */
    enum ingot_close_reason refusal; /* found in the handshake; INGOT_CLOSE_REASONS if none */
    bool has_stranger;               /* refused for its key, which is: */
    struct ingot_public_key stranger;

    struct resolution *resolution; /* resolving */
    struct evutil_addrinfo *addresses;
    const struct evutil_addrinfo *next_address;
    evutil_socket_t fd; /* connecting; later the stream's */
    struct event *writable;

    struct bufferevent *stream; /* securing and later */
    struct event *timer;        /* the deadline; once ready the watch for silence */
    uint64_t instance;          /* of the other side's process */
    uint64_t ready_us;
    uint64_t received_us;
    STAILQ_HEAD(, bulk_frame) bulk;
    size_t bulk_bytes;
    char address[INGOT_NETWORK_ADDRESS_BYTES_MAX];
};

TAILQ_HEAD(connection_list, connection);

struct peer {
    struct transport *transport;
    uint32_t number;
    struct ingot_public_key key;
    char *host;
    uint16_t port;
    bool we_are_smaller;        /* our key; the connection dialled by the smaller key stays */
    bool held;                  /* disconnected by hand */
    struct connection *current; /* ready */
    struct connection *dialling;
    struct event *dial_timer;
    uint32_t failures; /* dials since the last connection that lasted */
    struct ingot_network_peer_stats stats;
    struct limiter log_limiter;
};

/* A `disconnected` that the user has not been told yet. */
struct notice {
    STAILQ_ENTRY(notice) link;
    uint32_t peer;
    enum ingot_close_reason reason;
};

struct settings {
    uint32_t frame_bytes_max;
    uint32_t queue_bytes_max;
    uint32_t bulk_queue_bytes_max;
    uint32_t handshake_timeout_ms;
    uint32_t silence_timeout_ms;
    uint32_t handshakes_max;
    uint32_t handshakes_per_source_max;
    uint32_t reconnect_ms_min;
    uint32_t reconnect_ms_max;
    uint32_t second_dialler_delay_ms;
};

struct transport {
    struct ingot_network network; /* first, so that the two pointers are one */
    struct event_base *base;
    struct settings settings;
    struct tls tls;
    uint64_t instance;
    uint8_t greeting[INGOT_NETWORK_GREETING_BYTES_MAX];
    size_t greeting_size;
    char *listen_host;
    uint16_t listen_port;
    bool started;
    bool freeing;
    struct ingot_network_events events;

    struct peer *peers[INGOT_PEERS_MAX]; /* by number */
    struct connection_list connections;
    struct connection_list closed;
    LIST_HEAD(, source) sources;
    uint32_t accepted_pending; /* connections with a source */
    STAILQ_HEAD(, notice) notices;
    struct event *reap;

    evutil_socket_t listener;
    struct event *listen_event;
    struct event *listen_resume;
    struct resolver *resolver; /* made when the first name has to be resolved */

    struct ingot_network_stats stats;
    struct limiter refusal_limiter;
    struct limiter accept_limiter;
};

/* transport.c */
/* Tells the user of ends that it has not been told of. From the event loop only. */
void net_transport_deliver_notices(struct transport *transport);
void net_transport_add_notice(struct transport *transport, uint32_t peer,
                              enum ingot_close_reason reason);
struct timeval net_transport_timeval(uint64_t us);

/* peers.c: the table, and who is dialled when. */
enum ingot_error net_peers_set(struct transport *transport, const struct ingot_peer *peers,
                               uint32_t peer_count);
struct peer *net_peers_get(const struct transport *transport, uint32_t number);
struct peer *net_peers_by_key(const struct transport *transport,
                              const struct ingot_public_key *key);
/* Closes what the peer has, for this reason, and frees it. */
void net_peer_remove(struct peer *peer, enum ingot_close_reason reason);
/* Arms the dial timer if the peer is to be dialled and is not; `at_once` skips the back-off. */
void net_peer_schedule(struct peer *peer, bool at_once);
/*
 * A connection has agreed on the greeting: true if it becomes the peer's current one, whereupon
 * rivals have been closed; false if it has to go, for the reason given.
 */
bool net_peer_admit(struct peer *peer, struct connection *connection,
                    enum ingot_close_reason *reason);

/* dial.c: from a host name to a connected socket. */
void net_dial_start(struct connection *connection);
void net_dial_stop(struct connection *connection);
void net_dial_shutdown(struct transport *transport);

/* listener.c */
enum ingot_error net_listener_start(struct transport *transport, char *why, size_t why_size);
void net_listener_stop(struct transport *transport);
uint16_t net_listener_port(const struct transport *transport);
/* The connection's handshake is over, one way or the other. */
void net_listener_forget(struct connection *connection);

/* connection.c */
struct connection *net_connection_new(struct transport *transport, struct peer *dialled);
/* Begins TLS on a connected socket, which the connection owns from here on. */
void net_connection_secure(struct connection *connection, evutil_socket_t fd);
tls_accept_key net_connection_accept_key;
void net_connection_close(struct connection *connection, enum ingot_close_reason reason);
/* Frees a closed connection. */
void net_connection_free(struct connection *connection);
/* Everything that waits to be sent. */
size_t net_connection_queue_bytes(const struct connection *connection);

/* queue.c: what a ready connection still has to send. */
enum ingot_error net_queue_frame(struct connection *connection, enum ingot_frame_class frame_class,
                                 struct ingot_slice body, struct frame **shared);
/* Moves bulk frames up while the output is short. */
void net_queue_pump(struct connection *connection);
void net_queue_clear(struct connection *connection);

/* Output below this is short: small enough that a consensus frame behind it hardly waits. */
#define QUEUE_SHORT_BYTES (64 * 1024)

#endif
