/*
 * The peers table: who is known, who is dialled and when, and which of two connections to a peer
 * stays. It opens no socket itself.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/clock.h"
#include "net/transport.h"

struct peer *net_peers_get(const struct transport *transport, uint32_t number)
{
    return number < INGOT_PEERS_MAX ? transport->peers[number] : NULL;
}

struct peer *net_peers_by_key(const struct transport *transport, const struct ingot_public_key *key)
{
    for (uint32_t i = 0; i < INGOT_PEERS_MAX; i++) {
        struct peer *peer = transport->peers[i];
        if (peer != NULL && memcmp(&peer->key, key, sizeof *key) == 0) {
            return peer;
        }
    }
    return NULL;
}

/* From the system's random source, so that nobody can foresee who dials when. */
static uint32_t random_below(uint32_t limit)
{
    uint32_t value = 0;
    ssize_t size;
    do {
        size = getrandom(&value, sizeof value, 0);
    } while (size != (ssize_t)sizeof value);
    return (uint32_t)((uint64_t)value * limit >> 32);
}

static uint64_t backoff_us(const struct peer *peer)
{
    const struct settings *settings = &peer->transport->settings;
    uint64_t delay_ms = settings->reconnect_ms_min;
    for (uint32_t i = 0; i < peer->failures && delay_ms < settings->reconnect_ms_max; i++) {
        delay_ms *= 2;
    }
    if (delay_ms > settings->reconnect_ms_max) {
        delay_ms = settings->reconnect_ms_max;
    }
    uint32_t half_us = (uint32_t)(delay_ms * 500);
    return half_us + random_below(half_us + 1);
}

void net_peer_schedule(struct peer *peer, bool at_once)
{
    const struct transport *transport = peer->transport;
    if (!transport->started || transport->freeing || peer->held || peer->current != NULL ||
        peer->dialling != NULL || peer->port == 0 || peer->host[0] == '\0') {
        evtimer_del(peer->dial_timer);
        return;
    }
    uint64_t delay_us = at_once ? 0 : backoff_us(peer);
    /* When both dial at the same moment one of the two is in vain, so one side waits a little. */
    if (!peer->we_are_smaller && transport->settings.second_dialler_delay_ms != INGOT_NETWORK_OFF) {
        delay_us += (uint64_t)transport->settings.second_dialler_delay_ms * 1000;
    }
    struct timeval delay = net_transport_timeval(delay_us);
    int failed = evtimer_add(peer->dial_timer, &delay);
    INGOT_ASSERT(failed == 0);
}

static void on_dial_timer(evutil_socket_t fd, short what, void *context)
{
    struct peer *peer = context;
    (void)fd;
    (void)what;
    if (peer->current != NULL || peer->dialling != NULL || peer->held) {
        return;
    }
    peer->failures++;
    peer->dialling = net_connection_new(peer->transport, peer);
    net_dial_start(peer->dialling);
}

/*
 * Both sides come to the same answer: a peer dials only when it has no connection, so a newer one
 * in the same direction means that the older is dead to it; of two that cross, the one dialled by
 * the smaller key stays. A crossing lasts no longer than a handshake and is between the same two
 * processes; what looks like one but is not means that the peer has lost the older connection.
 */
static bool is_better(const struct peer *peer, const struct connection *newer)
{
    const struct connection *older = peer->current;
    if (newer->dialled == older->dialled || newer->dialled == peer->we_are_smaller) {
        return true;
    }
    uint64_t age_us = clock_monotonic_us() - older->ready_us;
    return newer->instance != older->instance ||
           age_us > (uint64_t)peer->transport->settings.handshake_timeout_ms * 1000;
}

bool net_peer_admit(struct peer *peer, struct connection *connection,
                    enum ingot_close_reason *reason)
{
    if (peer->held) {
        *reason = INGOT_CLOSE_LOCAL;
        return false;
    }
    if (peer->current != NULL) {
        if (!is_better(peer, connection)) {
            *reason = INGOT_CLOSE_DUPLICATE;
            return false;
        }
        net_connection_close(peer->current, INGOT_CLOSE_REPLACED);
    }
    peer->current = connection;
    struct connection *rival = peer->dialling;
    if (rival == connection) {
        peer->dialling = NULL;
    } else if (rival != NULL && (!peer->we_are_smaller || rival->state < CONNECTION_GREETING)) {
        /*
         * Our own dial has become needless. If ours is the smaller key and our hello is out, the
         * peer may already have chosen that connection, and then it must be left to win.
         */
        net_connection_close(rival, INGOT_CLOSE_DUPLICATE);
    }
    evtimer_del(peer->dial_timer);
    return true;
}

static bool has_address(const struct ingot_peer *entry)
{
    return entry->host != NULL && entry->host[0] != '\0' && entry->port != 0;
}

static void set_address(struct peer *peer, const struct ingot_peer *entry)
{
    free(peer->host);
    peer->host = alloc_text(has_address(entry) ? entry->host : "");
    peer->port = has_address(entry) ? entry->port : 0;
}

static void peer_add(struct transport *transport, const struct ingot_peer *entry)
{
    struct peer *peer = alloc_zeroed(1, sizeof *peer);
    peer->transport = transport;
    peer->number = entry->number;
    peer->key = entry->key;
    peer->we_are_smaller = memcmp(&transport->tls.key, &entry->key, sizeof entry->key) < 0;
    set_address(peer, entry);
    peer->dial_timer = evtimer_new(transport->base, on_dial_timer, peer);
    INGOT_ASSERT(peer->dial_timer != NULL);
    INGOT_ASSERT(transport->peers[entry->number] == NULL);
    transport->peers[entry->number] = peer;
    net_peer_schedule(peer, true);
}

void net_peer_remove(struct peer *peer, enum ingot_close_reason reason)
{
    struct transport *transport = peer->transport;
    struct connection *connection = TAILQ_FIRST(&transport->connections);
    /* Inbound connections whose key was accepted are the peer's too. */
    peer->held = true;
    while (connection != NULL) {
        struct connection *next = TAILQ_NEXT(connection, link);
        if (connection->peer == peer) {
            net_connection_close(connection, reason);
        }
        connection = next;
    }
    transport->peers[peer->number] = NULL;
    event_free(peer->dial_timer);
    free(peer->host);
    free(peer);
}

static bool is_valid(const struct ingot_peer *peers, uint32_t peer_count)
{
    for (uint32_t i = 0; i < peer_count; i++) {
        if (peers[i].number >= INGOT_PEERS_MAX ||
            (peers[i].host != NULL && strlen(peers[i].host) > INGOT_NETWORK_HOST_BYTES_MAX)) {
            return false;
        }
        for (uint32_t j = 0; j < i; j++) {
            if (peers[j].number == peers[i].number ||
                memcmp(&peers[j].key, &peers[i].key, sizeof peers[i].key) == 0) {
                return false;
            }
        }
    }
    return true;
}

enum ingot_error net_peers_set(struct transport *transport, const struct ingot_peer *peers,
                               uint32_t peer_count)
{
    const struct ingot_peer *entries[INGOT_PEERS_MAX] = {NULL};
    if (peer_count > INGOT_PEERS_MAX || !is_valid(peers, peer_count)) {
        return INGOT_ERROR_INVALID;
    }
    for (uint32_t i = 0; i < peer_count; i++) {
        if (memcmp(&peers[i].key, &transport->tls.key, sizeof peers[i].key) != 0) {
            entries[peers[i].number] = &peers[i];
        }
    }
    for (uint32_t i = 0; i < INGOT_PEERS_MAX; i++) {
        struct peer *peer = transport->peers[i];
        if (peer != NULL &&
            (entries[i] == NULL || memcmp(&entries[i]->key, &peer->key, sizeof peer->key) != 0)) {
            net_peer_remove(peer, INGOT_CLOSE_REMOVED);
        }
    }
    for (uint32_t i = 0; i < INGOT_PEERS_MAX; i++) {
        struct peer *peer = transport->peers[i];
        const struct ingot_peer *entry = entries[i];
        if (entry == NULL) {
            continue;
        }
        if (peer == NULL) {
            peer_add(transport, entry);
        } else if (strcmp(peer->host, has_address(entry) ? entry->host : "") != 0 ||
                   peer->port != (has_address(entry) ? entry->port : 0)) {
            set_address(peer, entry);
            peer->failures = 0;
            net_peer_schedule(peer, true);
        }
    }
    return INGOT_OK;
}
