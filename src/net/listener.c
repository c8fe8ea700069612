/*
 * Accepting connections, and the limits on those that have not shown a key yet. All of them are
 * counted from accept on, in all and by the address they come from, so that nobody without a key
 * can take more than a fixed share of memory and descriptors, or keep honest peers out with one
 * address.
 */
#define _GNU_SOURCE /* accept4 */
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/clock.h"
#include "base/log.h"
#include "net/transport.h"

#define LISTEN_BACKLOG 512
/* Connections taken in one turn of the loop; the rest waits for the others' turn. */
#define ACCEPTS_PER_TURN 32
/* How long the listener rests when accept fails, most likely for want of descriptors. */
#define ACCEPT_PAUSE_US 200000

/* One customer of an internet provider gets a whole IPv6 /64, so that counts as one address. */
static void source_address(const struct sockaddr_storage *from, uint8_t address[16])
{
    static const uint8_t mapped_prefix[12] = {[10] = 0xff, [11] = 0xff};
    memset(address, 0, 16);
    if (from->ss_family == AF_INET) {
        const struct sockaddr_in *ipv4 = (const struct sockaddr_in *)from;
        memcpy(address, mapped_prefix, sizeof mapped_prefix);
        memcpy(address + 12, &ipv4->sin_addr, 4);
    } else if (from->ss_family == AF_INET6) {
        const struct sockaddr_in6 *ipv6 = (const struct sockaddr_in6 *)from;
        bool is_mapped = memcmp(&ipv6->sin6_addr, mapped_prefix, sizeof mapped_prefix) == 0;
        memcpy(address, &ipv6->sin6_addr, is_mapped ? 16 : 8);
    }
}

static void address_text(const struct sockaddr_storage *from, char *text, size_t text_size)
{
    char host[INET6_ADDRSTRLEN] = "?";
    if (from->ss_family == AF_INET) {
        const struct sockaddr_in *ipv4 = (const struct sockaddr_in *)from;
        (void)evutil_inet_ntop(AF_INET, &ipv4->sin_addr, host, sizeof host);
        (void)snprintf(text, text_size, "%s:%u", host, (unsigned)ntohs(ipv4->sin_port));
    } else if (from->ss_family == AF_INET6) {
        const struct sockaddr_in6 *ipv6 = (const struct sockaddr_in6 *)from;
        (void)evutil_inet_ntop(AF_INET6, &ipv6->sin6_addr, host, sizeof host);
        (void)snprintf(text, text_size, "[%s]:%u", host, (unsigned)ntohs(ipv6->sin6_port));
    }
}

static struct source *find_source(const struct transport *transport, const uint8_t address[16])
{
    struct source *source;
    LIST_FOREACH(source, &transport->sources, link)
    {
        if (memcmp(source->address, address, sizeof source->address) == 0) {
            return source;
        }
    }
    return NULL;
}

/*
 * All places are taken: the address that holds most of them gives up its oldest, provided that it
 * holds more than the newcomer's address then would. False if it does not.
 */
static bool make_room(struct transport *transport, uint32_t newcomer_pending)
{
    struct source *busiest = NULL;
    struct source *source;
    struct connection *connection;
    LIST_FOREACH(source, &transport->sources, link)
    {
        if (busiest == NULL || source->pending > busiest->pending) {
            busiest = source;
        }
    }
    if (busiest == NULL || busiest->pending <= newcomer_pending + 1) {
        return false;
    }
    TAILQ_FOREACH(connection, &transport->connections, link)
    {
        if (connection->source == busiest) {
            net_connection_close(connection, INGOT_CLOSE_LIMIT_TOTAL);
            return true;
        }
    }
    return false;
}

static void refuse(struct transport *transport, evutil_socket_t fd, enum ingot_close_reason reason)
{
    transport->stats.refused[reason]++;
    (void)evutil_closesocket(fd);
}

static void take_connection(struct transport *transport, evutil_socket_t fd,
                            const struct sockaddr_storage *from)
{
    uint8_t address[16];
    source_address(from, address);
    struct source *source = find_source(transport, address);
    uint32_t pending = source != NULL ? source->pending : 0;
    transport->stats.accepted++;
    if (pending >= transport->settings.handshakes_per_source_max) {
        refuse(transport, fd, INGOT_CLOSE_LIMIT_SOURCE);
        return;
    }
    if (transport->accepted_pending >= transport->settings.handshakes_max &&
        !make_room(transport, pending)) {
        refuse(transport, fd, INGOT_CLOSE_LIMIT_TOTAL);
        return;
    }
    if (source == NULL) {
        source = alloc_zeroed(1, sizeof *source);
        memcpy(source->address, address, sizeof source->address);
        LIST_INSERT_HEAD(&transport->sources, source, link);
    }
    struct connection *connection = net_connection_new(transport, NULL);
    connection->source = source;
    source->pending++;
    transport->accepted_pending++;
    address_text(from, connection->address, sizeof connection->address);
    net_connection_secure(connection, fd);
}

void net_listener_forget(struct connection *connection)
{
    struct source *source = connection->source;
    if (source == NULL) {
        return;
    }
    connection->source = NULL;
    INGOT_ASSERT(source->pending > 0);
    INGOT_ASSERT(connection->transport->accepted_pending > 0);
    source->pending--;
    connection->transport->accepted_pending--;
    if (source->pending == 0) {
        LIST_REMOVE(source, link);
        free(source);
    }
}

static void pause_listener(struct transport *transport, int error)
{
    struct timeval delay = net_transport_timeval(ACCEPT_PAUSE_US);
    transport->stats.accept_errors++;
    if (net_limiter_take(&transport->accept_limiter, clock_monotonic_us())) {
        LOG(LOG_WARN, "cannot accept connections for the moment",
            log_text("error", evutil_socket_error_to_string(error)));
    }
    (void)event_del(transport->listen_event);
    int failed = evtimer_add(transport->listen_resume, &delay);
    INGOT_ASSERT(failed == 0);
}

static void on_acceptable(evutil_socket_t listener, short what, void *context)
{
    struct transport *transport = context;
    (void)what;
    for (int i = 0; i < ACCEPTS_PER_TURN; i++) {
        struct sockaddr_storage from = {0};
        socklen_t size = sizeof from;
        evutil_socket_t fd =
            accept4(listener, (struct sockaddr *)&from, &size, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd >= 0) {
            take_connection(transport, fd, &from);
            continue;
        }
        /* ECONNABORTED: the client has left the backlog already. */
        if (errno == EINTR || errno == ECONNABORTED) {
            continue;
        }
        if (errno != EAGAIN && errno != EWOULDBLOCK) {
            pause_listener(transport, errno);
        }
        return;
    }
}

static void on_resume(evutil_socket_t fd, short what, void *context)
{
    struct transport *transport = context;
    (void)fd;
    (void)what;
    int failed = event_add(transport->listen_event, NULL);
    INGOT_ASSERT(failed == 0);
}

static evutil_socket_t listen_on(const struct evutil_addrinfo *address)
{
    int on = 1;
    evutil_socket_t fd =
        socket(address->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, IPPROTO_TCP);
    if (fd < 0) {
        return -1;
    }
    (void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (bind(fd, address->ai_addr, (socklen_t)address->ai_addrlen) != 0 ||
        listen(fd, LISTEN_BACKLOG) != 0) {
        int error = errno;
        (void)evutil_closesocket(fd);
        errno = error;
        return -1;
    }
    return fd;
}

enum ingot_error net_listener_start(struct transport *transport, char *why, size_t why_size)
{
    struct evutil_addrinfo hints = {
        .ai_family = AF_UNSPEC,
        .ai_socktype = SOCK_STREAM,
        .ai_protocol = IPPROTO_TCP,
        .ai_flags = EVUTIL_AI_PASSIVE | EVUTIL_AI_NUMERICSERV,
    };
    struct evutil_addrinfo *addresses = NULL;
    char port[8];
    if (transport->listen_host == NULL) {
        return INGOT_OK;
    }
    (void)snprintf(port, sizeof port, "%u", (unsigned)transport->listen_port);
    int error = evutil_getaddrinfo(transport->listen_host, port, &hints, &addresses);
    if (error != 0 || addresses == NULL) {
        (void)snprintf(why, why_size, "cannot listen for peers on %s:%s: %s",
                       transport->listen_host, port, evutil_gai_strerror(error));
        return INGOT_ERROR_NETWORK;
    }
    errno = 0;
    for (const struct evutil_addrinfo *at = addresses; at != NULL && transport->listener < 0;
         at = at->ai_next) {
        transport->listener = listen_on(at);
    }
    error = errno;
    evutil_freeaddrinfo(addresses);
    if (transport->listener < 0) {
        (void)snprintf(why, why_size, "cannot listen for peers on %s:%s: %s",
                       transport->listen_host, port, evutil_socket_error_to_string(error));
        return INGOT_ERROR_NETWORK;
    }
    transport->listen_event = event_new(transport->base, transport->listener, EV_READ | EV_PERSIST,
                                        on_acceptable, transport);
    transport->listen_resume = evtimer_new(transport->base, on_resume, transport);
    INGOT_ASSERT(transport->listen_event != NULL);
    INGOT_ASSERT(transport->listen_resume != NULL);
    int failed = event_add(transport->listen_event, NULL);
    INGOT_ASSERT(failed == 0);
    return INGOT_OK;
}

uint16_t net_listener_port(const struct transport *transport)
{
    union {
        struct sockaddr any;
        struct sockaddr_in ipv4;
        struct sockaddr_in6 ipv6;
        struct sockaddr_storage all;
    } address;
    socklen_t size = sizeof address;
    memset(&address, 0, sizeof address);
    if (transport->listener < 0 || getsockname(transport->listener, &address.any, &size) != 0) {
        return 0;
    }
    return ntohs(address.any.sa_family == AF_INET6 ? address.ipv6.sin6_port
                                                   : address.ipv4.sin_port);
}

void net_listener_stop(struct transport *transport)
{
    if (transport->listener < 0) {
        return;
    }
    event_free(transport->listen_event);
    event_free(transport->listen_resume);
    (void)evutil_closesocket(transport->listener);
    transport->listener = -1;
}
