/*
 * The TLS transport as an ingot_network: options, start, send, broadcast, counters, the end. What
 * happens on a single connection is connection.c.
 */
#include "net/transport.h"

#include <openssl/rand.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/clock.h"

#define BULK_QUEUE_BYTES_DEFAULT (1024 * 1024)
#define HANDSHAKE_TIMEOUT_MS_DEFAULT 5000
#define SILENCE_TIMEOUT_MS_DEFAULT 30000
#define HANDSHAKES_DEFAULT 128
#define HANDSHAKES_PER_SOURCE_DEFAULT 32
#define RECONNECT_MS_MIN_DEFAULT 50
#define RECONNECT_MS_MAX_DEFAULT 5000
#define SECOND_DIALLER_DELAY_MS_DEFAULT 100
/* Timings above this are a mistake in the options, and must not overflow. */
#define TIMING_MS_MAX (24 * 3600 * 1000)

static_assert(INGOT_PEER_QUEUE_BYTES_MIN == INGOT_FRAME_BYTES_MAX + FRAME_HEADER_BYTES,
              "a peer's queue has room for the largest frame");

struct timeval net_transport_timeval(uint64_t us)
{
    return (struct timeval){
        .tv_sec = (time_t)(us / 1000000),
        .tv_usec = (suseconds_t)(us % 1000000),
    };
}

static struct transport *transport_of(struct ingot_network *network)
{
    return (struct transport *)network;
}

static const struct transport *const_transport_of(const struct ingot_network *network)
{
    return (const struct transport *)network;
}

void net_transport_add_notice(struct transport *transport, uint32_t peer,
                              enum ingot_close_reason reason)
{
    if (transport->freeing || transport->events.disconnected == NULL) {
        return;
    }
    struct notice *notice = alloc_zeroed(1, sizeof *notice);
    notice->peer = peer;
    notice->reason = reason;
    STAILQ_INSERT_TAIL(&transport->notices, notice, link);
}

void net_transport_deliver_notices(struct transport *transport)
{
    while (!STAILQ_EMPTY(&transport->notices)) {
        struct notice *notice = STAILQ_FIRST(&transport->notices);
        STAILQ_REMOVE_HEAD(&transport->notices, link);
        uint32_t peer = notice->peer;
        enum ingot_close_reason reason = notice->reason;
        free(notice);
        transport->events.disconnected(transport->events.context, peer, reason);
    }
}

static void on_reap(evutil_socket_t fd, short what, void *context)
{
    struct transport *transport = context;
    (void)fd;
    (void)what;
    net_transport_deliver_notices(transport);
    while (!TAILQ_EMPTY(&transport->closed)) {
        net_connection_free(TAILQ_FIRST(&transport->closed));
    }
}

static enum ingot_error tls_start(struct ingot_network *network,
                                  const struct ingot_network_events *events, char *why,
                                  size_t why_size)
{
    struct transport *transport = transport_of(network);
    INGOT_ASSERT(!transport->started);
    enum ingot_error error = net_listener_start(transport, why, why_size);
    if (error != INGOT_OK) {
        return error;
    }
    transport->events = *events;
    transport->started = true;
    for (uint32_t i = 0; i < INGOT_PEERS_MAX; i++) {
        if (transport->peers[i] != NULL) {
            net_peer_schedule(transport->peers[i], true);
        }
    }
    return INGOT_OK;
}

static enum ingot_error tls_set_peers(struct ingot_network *network, const struct ingot_peer *peers,
                                      uint32_t peer_count)
{
    return net_peers_set(transport_of(network), peers, peer_count);
}

static enum ingot_error tls_connect(struct ingot_network *network, uint32_t number)
{
    struct peer *peer = net_peers_get(transport_of(network), number);
    if (peer == NULL) {
        return INGOT_ERROR_NOT_FOUND;
    }
    peer->held = false;
    peer->failures = 0;
    net_peer_schedule(peer, true);
    return INGOT_OK;
}

static enum ingot_error tls_disconnect(struct ingot_network *network, uint32_t number)
{
    struct peer *peer = net_peers_get(transport_of(network), number);
    if (peer == NULL) {
        return INGOT_ERROR_NOT_FOUND;
    }
    peer->held = true;
    if (peer->current != NULL) {
        net_connection_close(peer->current, INGOT_CLOSE_LOCAL);
    }
    if (peer->dialling != NULL) {
        net_connection_close(peer->dialling, INGOT_CLOSE_LOCAL);
    }
    net_peer_schedule(peer, false);
    return INGOT_OK;
}

static enum ingot_error tls_send(struct ingot_network *network, uint32_t number,
                                 enum ingot_frame_class frame_class, struct ingot_slice frame)
{
    struct transport *transport = transport_of(network);
    const struct peer *peer = net_peers_get(transport, number);
    struct frame *shared = NULL;
    if (frame.size == 0) {
        return INGOT_ERROR_INVALID;
    }
    if (frame.size > transport->settings.frame_bytes_max) {
        return INGOT_ERROR_TOO_LARGE;
    }
    if (peer == NULL) {
        return INGOT_ERROR_NOT_FOUND;
    }
    if (peer->current == NULL) {
        return INGOT_ERROR_NETWORK;
    }
    enum ingot_error error = net_queue_frame(peer->current, frame_class, frame, &shared);
    if (shared != NULL) {
        net_frame_release(shared);
    }
    return error;
}

static uint32_t tls_broadcast(struct ingot_network *network, enum ingot_frame_class frame_class,
                              struct ingot_slice frame)
{
    struct transport *transport = transport_of(network);
    struct frame *shared = NULL;
    uint32_t count = 0;
    if (frame.size == 0 || frame.size > transport->settings.frame_bytes_max) {
        return 0;
    }
    for (uint32_t i = 0; i < INGOT_PEERS_MAX; i++) {
        const struct peer *peer = transport->peers[i];
        if (peer != NULL && peer->current != NULL &&
            net_queue_frame(peer->current, frame_class, frame, &shared) == INGOT_OK) {
            count++;
        }
    }
    if (shared != NULL) {
        net_frame_release(shared);
    }
    return count;
}

static bool tls_is_connected(const struct ingot_network *network, uint32_t number)
{
    const struct peer *peer = net_peers_get(const_transport_of(network), number);
    return peer != NULL && peer->current != NULL;
}

static enum ingot_error tls_peer_stats(const struct ingot_network *network, uint32_t number,
                                       struct ingot_network_peer_stats *stats)
{
    const struct peer *peer = net_peers_get(const_transport_of(network), number);
    if (peer == NULL) {
        return INGOT_ERROR_NOT_FOUND;
    }
    *stats = peer->stats;
    if (peer->current != NULL) {
        stats->connected = true;
        stats->dialled = peer->current->dialled;
        stats->connected_ms = (clock_monotonic_us() - peer->current->ready_us) / 1000;
        stats->queue_bytes = net_connection_queue_bytes(peer->current);
        memcpy(stats->address, peer->current->address, sizeof stats->address);
    }
    return INGOT_OK;
}

static void tls_stats(const struct ingot_network *network, struct ingot_network_stats *stats)
{
    *stats = const_transport_of(network)->stats;
}

static void tls_free(struct ingot_network *network)
{
    struct transport *transport = transport_of(network);
    transport->freeing = true;
    net_listener_stop(transport);
    for (uint32_t i = 0; i < INGOT_PEERS_MAX; i++) {
        if (transport->peers[i] != NULL) {
            net_peer_remove(transport->peers[i], INGOT_CLOSE_LOCAL);
        }
    }
    while (!TAILQ_EMPTY(&transport->connections)) {
        net_connection_close(TAILQ_FIRST(&transport->connections), INGOT_CLOSE_LOCAL);
    }
    while (!TAILQ_EMPTY(&transport->closed)) {
        net_connection_free(TAILQ_FIRST(&transport->closed));
    }
    while (!STAILQ_EMPTY(&transport->notices)) {
        struct notice *notice = STAILQ_FIRST(&transport->notices);
        STAILQ_REMOVE_HEAD(&transport->notices, link);
        free(notice);
    }
    net_dial_shutdown(transport);
    event_free(transport->reap);
    net_tls_deinit(&transport->tls);
    free(transport->listen_host);
    free(transport);
}

static const struct ingot_network_operations tls_operations = {
    .start = tls_start,
    .set_peers = tls_set_peers,
    .connect = tls_connect,
    .disconnect = tls_disconnect,
    .send = tls_send,
    .broadcast = tls_broadcast,
    .is_connected = tls_is_connected,
    .peer_stats = tls_peer_stats,
    .stats = tls_stats,
    .free = tls_free,
};

static uint32_t or_default(uint32_t value, uint32_t value_default)
{
    return value != 0 ? value : value_default;
}

static struct settings settings_of(const struct ingot_network_tls_options *options)
{
    return (struct settings){
        .frame_bytes_max = or_default(options->frame_bytes_max, INGOT_FRAME_BYTES_MAX),
        .queue_bytes_max = or_default(options->queue_bytes_max, INGOT_PEER_QUEUE_BYTES_MAX),
        .bulk_queue_bytes_max = or_default(options->bulk_queue_bytes_max, BULK_QUEUE_BYTES_DEFAULT),
        .handshake_timeout_ms =
            or_default(options->handshake_timeout_ms, HANDSHAKE_TIMEOUT_MS_DEFAULT),
        .silence_timeout_ms = or_default(options->silence_timeout_ms, SILENCE_TIMEOUT_MS_DEFAULT),
        .handshakes_max = or_default(options->handshakes_max, HANDSHAKES_DEFAULT),
        .handshakes_per_source_max =
            or_default(options->handshakes_per_source_max, HANDSHAKES_PER_SOURCE_DEFAULT),
        .reconnect_ms_min = or_default(options->reconnect_ms_min, RECONNECT_MS_MIN_DEFAULT),
        .reconnect_ms_max = or_default(options->reconnect_ms_max, RECONNECT_MS_MAX_DEFAULT),
        .second_dialler_delay_ms =
            or_default(options->second_dialler_delay_ms, SECOND_DIALLER_DELAY_MS_DEFAULT),
    };
}

static bool is_timing(uint32_t ms, bool may_be_off)
{
    return ms <= TIMING_MS_MAX || (may_be_off && ms == INGOT_NETWORK_OFF);
}

/* NULL if the options keep their rules, else what they break. */
static const char *complaint(const struct ingot_network_tls_options *options,
                             const struct settings *settings)
{
    if (options->base == NULL || options->seed == NULL) {
        return "an event base and a transport key are needed";
    }
    if (options->greeting.size == 0 || options->greeting.size > INGOT_NETWORK_GREETING_BYTES_MAX) {
        return "the greeting must have 1 to 64 bytes";
    }
    if (settings->frame_bytes_max > INGOT_FRAME_BYTES_MAX) {
        return "frame_bytes_max is above INGOT_FRAME_BYTES_MAX";
    }
    if (settings->queue_bytes_max < settings->frame_bytes_max + FRAME_HEADER_BYTES) {
        return "queue_bytes_max has no room for the largest frame";
    }
    if (settings->bulk_queue_bytes_max > settings->queue_bytes_max) {
        return "bulk_queue_bytes_max is above queue_bytes_max";
    }
    if (!is_timing(settings->handshake_timeout_ms, false) ||
        !is_timing(settings->silence_timeout_ms, true) ||
        !is_timing(settings->reconnect_ms_min, false) ||
        !is_timing(settings->reconnect_ms_max, false) ||
        !is_timing(settings->second_dialler_delay_ms, true)) {
        return "a timing is above a day";
    }
    if (settings->reconnect_ms_min > settings->reconnect_ms_max) {
        return "reconnect_ms_min is above reconnect_ms_max";
    }
    return NULL;
}

enum ingot_error ingot_network_tls_new(const struct ingot_network_tls_options *options,
                                       struct ingot_network **network, char *why, size_t why_size)
{
    struct settings settings = settings_of(options);
    const char *wrong = complaint(options, &settings);
    if (wrong != NULL) {
        (void)snprintf(why, why_size, "%s", wrong);
        return INGOT_ERROR_INVALID;
    }
    struct transport *transport = alloc_zeroed(1, sizeof *transport);
    transport->network.operations = &tls_operations;
    transport->base = options->base;
    transport->settings = settings;
    transport->greeting_size = options->greeting.size;
    memcpy(transport->greeting, options->greeting.data, options->greeting.size);
    transport->listen_host = options->listen_host != NULL ? alloc_text(options->listen_host) : NULL;
    transport->listen_port = options->listen_port;
    transport->listener = -1;
    TAILQ_INIT(&transport->connections);
    TAILQ_INIT(&transport->closed);
    LIST_INIT(&transport->sources);
    STAILQ_INIT(&transport->notices);
    int done = RAND_bytes((unsigned char *)&transport->instance, sizeof transport->instance);
    INGOT_ASSERT(done == 1);
    net_tls_init(&transport->tls, options->seed, net_connection_accept_key);
    transport->reap = event_new(transport->base, -1, 0, on_reap, transport);
    INGOT_ASSERT(transport->reap != NULL);
    *network = &transport->network;
    return INGOT_OK;
}

uint16_t ingot_network_tls_port(const struct ingot_network *network)
{
    return net_listener_port(const_transport_of(network));
}
