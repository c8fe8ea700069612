/*
 * One connection from a connected socket to its end: TLS, hello, frames in. Finding and dialling
 * the peer is dial.c, accepting is listener.c, frames out are queue.c; which of two connections
 * to a peer stays is peers.c.
 */
#include <event2/buffer.h>
#include <event2/bufferevent_ssl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/clock.h"
#include "base/log.h"
#include "net/transport.h"

/* A path that is dead without a word is given up after about this long. */
#define PATH_DEAD_MS 10000
#define KEEPALIVE_IDLE_S 5
#define KEEPALIVE_INTERVAL_S 2
#define KEEPALIVE_PROBES 3
/* Unsent bytes in the kernel delay consensus frames just as ours do. */
#define KERNEL_UNSENT_BYTES (128 * 1024)
/* A connection that lasted this long resets the back-off. */
#define LASTING_US 1000000

static void arm_timer(struct connection *connection, uint64_t delay_us)
{
    struct timeval delay = net_transport_timeval(delay_us);
    int failed = evtimer_add(connection->timer, &delay);
    INGOT_ASSERT(failed == 0);
}

/* The handshake's deadline; once ready the watch for silence. */
static void on_timer(evutil_socket_t fd, short what, void *context)
{
    struct connection *connection = context;
    (void)fd;
    (void)what;
    if (connection->state != CONNECTION_READY) {
        enum ingot_close_reason reason = connection->refusal != INGOT_CLOSE_REASONS
                                             ? connection->refusal
                                             : INGOT_CLOSE_HANDSHAKE_TIMEOUT;
        net_connection_close(connection, reason);
        return;
    }
    uint64_t timeout_us = (uint64_t)connection->transport->settings.silence_timeout_ms * 1000;
    uint64_t silent_us = clock_monotonic_us() - connection->received_us;
    if (silent_us >= timeout_us) {
        net_connection_close(connection, INGOT_CLOSE_SILENT);
    } else {
        arm_timer(connection, timeout_us - silent_us);
    }
}

struct connection *net_connection_new(struct transport *transport, struct peer *dialled)
{
    struct connection *connection = alloc_zeroed(1, sizeof *connection);
    connection->transport = transport;
    connection->state = dialled != NULL ? CONNECTION_RESOLVING : CONNECTION_SECURING;
    connection->dialled = dialled != NULL;
    connection->peer = dialled;
    connection->refusal = INGOT_CLOSE_REASONS;
    connection->fd = -1;
    connection->timer = evtimer_new(transport->base, on_timer, connection);
    INGOT_ASSERT(connection->timer != NULL);
    STAILQ_INIT(&connection->bulk);
    TAILQ_INSERT_TAIL(&transport->connections, connection, link);
    transport->stats.handshakes_pending++;
    arm_timer(connection, (uint64_t)transport->settings.handshake_timeout_ms * 1000);
    return connection;
}

void net_connection_free(struct connection *connection)
{
    INGOT_ASSERT(connection->state == CONNECTION_CLOSED);
    TAILQ_REMOVE(&connection->transport->closed, connection, link);
    if (connection->stream != NULL) {
        bufferevent_free(connection->stream);
    }
    event_free(connection->timer);
    free(connection);
}

/* What happens all day while peers come and go is not worth a warning. */
static bool is_everyday(enum ingot_close_reason reason)
{
    return reason == INGOT_CLOSE_DUPLICATE || reason == INGOT_CLOSE_LOCAL ||
           reason == INGOT_CLOSE_REMOVED || reason == INGOT_CLOSE_CONNECT ||
           reason == INGOT_CLOSE_BY_PEER || reason == INGOT_CLOSE_ERROR;
}

/* Refusals are for the operator to see, but nobody outside may fill the log. */
static void log_refusal(struct connection *connection, enum ingot_close_reason reason)
{
    struct transport *transport = connection->transport;
    enum log_level level = is_everyday(reason) ? LOG_DEBUG : LOG_WARN;
    if (transport->freeing || !log_enabled(level) ||
        !net_limiter_take(&transport->refusal_limiter, clock_monotonic_us())) {
        return;
    }
    const char *message = connection->dialled ? "dialled connection failed" : "connection refused";
    if (reason == INGOT_CLOSE_GREETING) {
        message = "connection refused: the peer is on another chain";
    }
    /* Before the handshake is through, the key that an inbound one shows is a mere claim. */
    if (connection->peer != NULL &&
        (connection->dialled || connection->state > CONNECTION_SECURING)) {
        LOG(level, message, log_text("reason", ingot_close_reason_text(reason)),
            log_u64("peer", connection->peer->number), log_text("address", connection->address));
    } else if (connection->has_stranger) {
        /* For the operator to see whose line is missing. */
        LOG(level, message, log_text("reason", ingot_close_reason_text(reason)),
            log_text("address", connection->address),
            log_hex("transport_key", connection->stranger.bytes, INGOT_PUBLIC_KEY_BYTES));
    } else {
        LOG(level, message, log_text("reason", ingot_close_reason_text(reason)),
            log_text("address", connection->address));
    }
}

static void close_ready(struct connection *connection, enum ingot_close_reason reason)
{
    struct transport *transport = connection->transport;
    struct peer *peer = connection->peer;
    uint64_t now_us = clock_monotonic_us();
    INGOT_ASSERT(peer != NULL);
    INGOT_ASSERT(peer->current == connection);
    peer->current = NULL;
    peer->stats.disconnections++;
    if (now_us - connection->ready_us >= LASTING_US) {
        peer->failures = 0;
    }
    transport->stats.disconnected[reason]++;
    transport->stats.peers_connected--;
    if (!transport->freeing && net_limiter_take(&peer->log_limiter, now_us)) {
        LOG(LOG_INFO, "peer disconnected", log_u64("peer", peer->number),
            log_text("reason", ingot_close_reason_text(reason)),
            log_text("address", connection->address));
    }
    net_transport_add_notice(transport, peer->number, reason);
}

void net_connection_close(struct connection *connection, enum ingot_close_reason reason)
{
    struct transport *transport = connection->transport;
    struct peer *peer = connection->peer;
    if (connection->state == CONNECTION_CLOSED) {
        return;
    }
    bool was_ready = connection->state == CONNECTION_READY;
    if (was_ready) {
        close_ready(connection, reason);
    } else {
        transport->stats.refused[reason]++;
        transport->stats.handshakes_pending--;
        log_refusal(connection, reason);
    }
    /* Refused inbound connections, which anybody can make, have no say in when we dial. */
    bool was_ours = peer != NULL && (peer->dialling == connection || was_ready);
    if (peer != NULL && peer->dialling == connection) {
        peer->dialling = NULL;
    }
    net_listener_forget(connection);
    net_dial_stop(connection);
    connection->state = CONNECTION_CLOSED;
    connection->peer = NULL;
    evtimer_del(connection->timer);
    if (connection->stream != NULL) {
        /* A word of farewell if it fits; the other side then knows that it was no accident. */
        (void)SSL_shutdown(bufferevent_openssl_get_ssl(connection->stream));
        ERR_clear_error();
        bufferevent_setcb(connection->stream, NULL, NULL, NULL, NULL);
        bufferevent_disable(connection->stream, EV_READ | EV_WRITE);
    }
    net_queue_clear(connection);
    TAILQ_REMOVE(&transport->connections, connection, link);
    TAILQ_INSERT_TAIL(&transport->closed, connection, link);
    event_active(transport->reap, EV_TIMEOUT, 0);
    if (was_ours) {
        net_peer_schedule(peer, false);
    }
}

/* Asked by the handshake. Remembers why it said no, for the handshake only reports a failure. */
bool net_connection_accept_key(void *context, const struct ingot_public_key *key)
{
    struct connection *connection = context;
    struct peer *peer = net_peers_by_key(connection->transport, key);
    if (peer == NULL) {
        connection->has_stranger = true;
        connection->stranger = *key;
        connection->refusal = connection->dialled ? INGOT_CLOSE_KEY_WRONG : INGOT_CLOSE_KEY_UNKNOWN;
        return false;
    }
    if (connection->dialled && peer != connection->peer) {
        connection->refusal = INGOT_CLOSE_KEY_WRONG;
        return false;
    }
    if (peer->held) {
        connection->refusal = INGOT_CLOSE_LOCAL;
        return false;
    }
    connection->peer = peer;
    return true;
}

static void become_ready(struct connection *connection)
{
    struct transport *transport = connection->transport;
    struct peer *peer = connection->peer;
    enum ingot_close_reason reason;
    if (!net_peer_admit(peer, connection, &reason)) {
        net_connection_close(connection, reason);
        return;
    }
    net_listener_forget(connection);
    connection->state = CONNECTION_READY;
    connection->ready_us = clock_monotonic_us();
    connection->received_us = connection->ready_us;
    transport->stats.handshakes_pending--;
    transport->stats.peers_connected++;
    peer->stats.connections++;
    bufferevent_setwatermark(connection->stream, EV_WRITE, QUEUE_SHORT_BYTES, 0);
    evtimer_del(connection->timer);
    if (transport->settings.silence_timeout_ms != INGOT_NETWORK_OFF) {
        arm_timer(connection, (uint64_t)transport->settings.silence_timeout_ms * 1000);
    }
    if (net_limiter_take(&peer->log_limiter, connection->ready_us)) {
        LOG(LOG_INFO, "peer connected", log_u64("peer", peer->number),
            log_text("address", connection->address),
            log_text("dialled", connection->dialled ? "by_us" : "by_peer"));
    }
    /* The end of an earlier connection to this peer comes before the beginning of this one. */
    net_transport_deliver_notices(transport);
    if (connection->state == CONNECTION_READY && transport->events.connected != NULL) {
        transport->events.connected(transport->events.context, connection->peer->number);
    }
}

static void receive_hello(struct connection *connection, struct ingot_slice body)
{
    const struct transport *transport = connection->transport;
    struct ingot_slice greeting = {transport->greeting, transport->greeting_size};
    if (net_hello_check(body, greeting, &connection->instance, &connection->refusal)) {
        connection->refusal = INGOT_CLOSE_REASONS;
        become_ready(connection);
        return;
    }
    if (evbuffer_get_length(bufferevent_get_output(connection->stream)) == 0) {
        net_connection_close(connection, connection->refusal);
        return;
    }
    connection->state = CONNECTION_PARTING;
    bufferevent_disable(connection->stream, EV_READ);
}

static void receive_frame(struct connection *connection, struct ingot_slice body)
{
    struct transport *transport = connection->transport;
    struct peer *peer = connection->peer;
    peer->stats.frames_received++;
    peer->stats.bytes_received += FRAME_HEADER_BYTES + body.size;
    transport->stats.frames_received++;
    transport->stats.bytes_received += FRAME_HEADER_BYTES + body.size;
    transport->events.receive(transport->events.context, peer->number, body);
}

/* Takes one frame from the input if it is there in full: input grows by what really arrives, one
 * TLS record at a time, up to the cap. */
static bool take_frame(struct connection *connection, struct evbuffer *input)
{
    bool ready = connection->state == CONNECTION_READY;
    uint32_t size_max = ready ? connection->transport->settings.frame_bytes_max : HELLO_BYTES;
    struct ingot_slice body = {0};
    switch (net_frame_look(input, size_max, &body)) {
    case FRAME_INCOMPLETE:
        return false;
    case FRAME_EMPTY:
        net_connection_close(connection, INGOT_CLOSE_FRAME_EMPTY);
        return false;
    case FRAME_TOO_LARGE:
        net_connection_close(connection, INGOT_CLOSE_FRAME_TOO_LARGE);
        return false;
    case FRAME_COMPLETE:
        break;
    }
    if (ready) {
        receive_frame(connection, body);
    } else {
        receive_hello(connection, body);
    }
    if (connection->state == CONNECTION_CLOSED || connection->state == CONNECTION_PARTING) {
        return false;
    }
    evbuffer_drain(input, FRAME_HEADER_BYTES + body.size);
    return true;
}

static void on_read(struct bufferevent *stream, void *context)
{
    struct connection *connection = context;
    struct evbuffer *input = bufferevent_get_input(stream);
    if (connection->state == CONNECTION_READY) {
        connection->received_us = clock_monotonic_us();
    } else if (connection->state != CONNECTION_GREETING) {
        return;
    }
    while (take_frame(connection, input)) {
    }
}

static void on_write(struct bufferevent *stream, void *context)
{
    struct connection *connection = context;
    if (connection->state == CONNECTION_READY) {
        net_queue_pump(connection);
    } else if (connection->state == CONNECTION_PARTING &&
               evbuffer_get_length(bufferevent_get_output(stream)) == 0) {
        net_connection_close(connection, connection->refusal);
    }
}

static enum ingot_close_reason reason_of_end(struct connection *connection, short what)
{
    enum ingot_close_reason reason =
        (what & BEV_EVENT_EOF) != 0 ? INGOT_CLOSE_BY_PEER : INGOT_CLOSE_ERROR;
    unsigned long code;
    if (connection->refusal != INGOT_CLOSE_REASONS) {
        return connection->refusal;
    }
    while ((code = bufferevent_get_openssl_error(connection->stream)) != 0) {
        switch (net_tls_failure_of(code)) {
        case TLS_FAILURE_OTHER:
            break;
        case TLS_FAILURE_PROTOCOL:
            reason = INGOT_CLOSE_NOT_TLS;
            break;
        case TLS_FAILURE_NO_KEY:
            reason = INGOT_CLOSE_KEY_UNKNOWN;
            break;
        case TLS_FAILURE_ALERT:
            reason = INGOT_CLOSE_REFUSED_BY_PEER;
            break;
        }
    }
    /* Once ready, whatever breaks the stream is an error like any other. */
    if (connection->state == CONNECTION_READY && reason != INGOT_CLOSE_BY_PEER) {
        reason = INGOT_CLOSE_ERROR;
    }
    return reason;
}

static void on_event(struct bufferevent *stream, short what, void *context)
{
    struct connection *connection = context;
    struct transport *transport = connection->transport;
    if ((what & BEV_EVENT_CONNECTED) == 0) {
        net_connection_close(connection, reason_of_end(connection, what));
        return;
    }
    /* The key was accepted a moment ago, but its peer may have left the table since. */
    if (connection->peer == NULL) {
        net_connection_close(connection, INGOT_CLOSE_KEY_UNKNOWN);
        return;
    }
    uint8_t hello[HELLO_BYTES];
    struct frame *shared = NULL;
    struct ingot_slice greeting = {transport->greeting, transport->greeting_size};
    net_hello_encode(transport->instance, greeting, hello);
    net_frame_append(bufferevent_get_output(stream), ingot_slice_of(hello, sizeof hello), &shared);
    INGOT_ASSERT(shared == NULL);
    connection->state = CONNECTION_GREETING;
}

static void set_option(evutil_socket_t fd, int level, int name, int value)
{
    /* Each of these improves matters and none is needed, so a system without it is fine. */
    (void)setsockopt(fd, level, name, &value, sizeof value);
}

void net_connection_secure(struct connection *connection, evutil_socket_t fd)
{
    enum bufferevent_ssl_state state =
        connection->dialled ? BUFFEREVENT_SSL_CONNECTING : BUFFEREVENT_SSL_ACCEPTING;
    set_option(fd, IPPROTO_TCP, TCP_NODELAY, 1);
    set_option(fd, SOL_SOCKET, SO_KEEPALIVE, 1);
    set_option(fd, IPPROTO_TCP, TCP_KEEPIDLE, KEEPALIVE_IDLE_S);
    set_option(fd, IPPROTO_TCP, TCP_KEEPINTVL, KEEPALIVE_INTERVAL_S);
    set_option(fd, IPPROTO_TCP, TCP_KEEPCNT, KEEPALIVE_PROBES);
    set_option(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, PATH_DEAD_MS);
    set_option(fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT, KERNEL_UNSENT_BYTES);
    connection->state = CONNECTION_SECURING;
    SSL *session = net_tls_session_new(&connection->transport->tls, fd, connection);
    connection->stream = bufferevent_openssl_socket_new(connection->transport->base, fd, session,
                                                        state, BEV_OPT_CLOSE_ON_FREE);
    INGOT_ASSERT(connection->stream != NULL);
    bufferevent_setcb(connection->stream, on_read, on_write, on_event, connection);
    int failed = bufferevent_enable(connection->stream, EV_READ | EV_WRITE);
    INGOT_ASSERT(failed == 0);
}
