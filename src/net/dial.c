/*
 * From a peer's host name to a connected socket: addresses are taken as they are or resolved
 * without blocking, and tried one after the other. When to dial is peers.c; the deadline for all
 * of it together is the connection's.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <event2/dns.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "net/transport.h"

/*
 * libevent's resolver. A question that is withdrawn is still answered, a turn of the loop later,
 * so the resolver outlives its transport until the last answer is in.
 */
struct resolver {
    struct event_base *base;
    struct evdns_base *dns;
    uint32_t open_questions;
    bool is_orphan; /* the transport is gone */
};

/* A question to the resolver. It outlives its connection, which clears the pointer. */
struct resolution {
    struct resolver *resolver;
    struct connection *connection; /* NULL once nobody waits for the answer */
    struct evdns_getaddrinfo_request *request;
    bool asking; /* the question is being put; an answer comes from inside that call */
};

static void try_next(struct connection *connection);

static void drop_socket(struct connection *connection)
{
    if (connection->writable != NULL) {
        event_free(connection->writable);
        connection->writable = NULL;
    }
    if (connection->fd >= 0) {
        evutil_closesocket(connection->fd);
        connection->fd = -1;
    }
}

/*
 * On one machine a socket that dials a port at which nobody listens may be given that very port
 * and connect to itself, and then keep the port from the one who wants to listen there.
 */
static bool is_connected_to_itself(evutil_socket_t fd)
{
    struct sockaddr_storage own = {0};
    struct sockaddr_storage other = {0};
    socklen_t own_size = sizeof own;
    socklen_t other_size = sizeof other;
    if (getsockname(fd, (struct sockaddr *)&own, &own_size) != 0 ||
        getpeername(fd, (struct sockaddr *)&other, &other_size) != 0) {
        return false;
    }
    return own_size == other_size && memcmp(&own, &other, own_size) == 0;
}

static void on_writable(evutil_socket_t fd, short what, void *context)
{
    struct connection *connection = context;
    int error = 0;
    socklen_t size = sizeof error;
    (void)what;
    if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size) != 0 || error != 0) {
        drop_socket(connection);
        try_next(connection);
        return;
    }
    if (is_connected_to_itself(fd)) {
        struct linger reset = {.l_onoff = 1, .l_linger = 0};
        (void)setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
        drop_socket(connection);
        try_next(connection);
        return;
    }
    event_free(connection->writable);
    connection->writable = NULL;
    connection->fd = -1; /* the stream's from here on */
    net_connection_secure(connection, fd);
}

static bool begin_connect(struct connection *connection, const struct evutil_addrinfo *address)
{
    evutil_socket_t fd =
        socket(address->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, IPPROTO_TCP);
    if (fd < 0) {
        return false;
    }
    connection->fd = fd;
    if (connect(fd, address->ai_addr, (socklen_t)address->ai_addrlen) != 0 &&
        errno != EINPROGRESS) {
        drop_socket(connection);
        return false;
    }
    connection->writable =
        event_new(connection->transport->base, fd, EV_WRITE, on_writable, connection);
    INGOT_ASSERT(connection->writable != NULL);
    int failed = event_add(connection->writable, NULL);
    INGOT_ASSERT(failed == 0);
    return true;
}

static void try_next(struct connection *connection)
{
    while (connection->next_address != NULL) {
        const struct evutil_addrinfo *address = connection->next_address;
        connection->next_address = address->ai_next;
        if (begin_connect(connection, address)) {
            return;
        }
    }
    net_connection_close(connection, INGOT_CLOSE_CONNECT);
}

static void use_addresses(struct connection *connection, struct evutil_addrinfo *addresses)
{
    connection->addresses = addresses;
    connection->next_address = addresses;
    connection->state = CONNECTION_CONNECTING;
    try_next(connection);
}

static void free_resolver(evutil_socket_t fd, short what, void *context)
{
    struct resolver *resolver = context;
    (void)fd;
    (void)what;
    evdns_base_free(resolver->dns, 0);
    free(resolver);
}

static void close_question(struct resolver *resolver)
{
    const struct timeval at_once = {0};
    INGOT_ASSERT(resolver->open_questions > 0);
    resolver->open_questions--;
    if (resolver->is_orphan && resolver->open_questions == 0) {
        /* Not from here: this is libevent's own callback. */
        int failed =
            event_base_once(resolver->base, -1, EV_TIMEOUT, free_resolver, resolver, &at_once);
        INGOT_ASSERT(failed == 0);
    }
}

static void on_resolved(int error, struct evutil_addrinfo *addresses, void *context)
{
    struct resolution *resolution = context;
    struct connection *connection = resolution->connection;
    bool asking = resolution->asking;
    close_question(resolution->resolver);
    resolution->request = NULL;
    resolution->connection = NULL;
    if (!asking) {
        free(resolution);
    }
    if (connection == NULL) {
        if (addresses != NULL) {
            evutil_freeaddrinfo(addresses);
        }
        return;
    }
    connection->resolution = NULL;
    if (error != 0 || addresses == NULL) {
        if (addresses != NULL) {
            evutil_freeaddrinfo(addresses);
        }
        net_connection_close(connection, INGOT_CLOSE_RESOLVE);
        return;
    }
    use_addresses(connection, addresses);
}

static struct resolver *get_resolver(struct transport *transport)
{
    if (transport->resolver != NULL) {
        return transport->resolver;
    }
    struct evdns_base *dns = evdns_base_new(transport->base, EVDNS_BASE_INITIALIZE_NAMESERVERS |
                                                                 EVDNS_BASE_DISABLE_WHEN_INACTIVE);
    if (dns != NULL) {
        transport->resolver = alloc_zeroed(1, sizeof *transport->resolver);
        transport->resolver->base = transport->base;
        transport->resolver->dns = dns;
    }
    return transport->resolver;
}

static void resolve(struct connection *connection, const struct evutil_addrinfo *hints,
                    const char *port)
{
    struct resolver *resolver = get_resolver(connection->transport);
    if (resolver == NULL) {
        net_connection_close(connection, INGOT_CLOSE_RESOLVE);
        return;
    }
    struct resolution *resolution = alloc_zeroed(1, sizeof *resolution);
    resolution->resolver = resolver;
    resolution->connection = connection;
    resolution->asking = true;
    resolver->open_questions++;
    connection->resolution = resolution;
    struct evdns_getaddrinfo_request *request = evdns_getaddrinfo(
        resolver->dns, connection->peer->host, port, hints, on_resolved, resolution);
    resolution->asking = false;
    if (request == NULL) {
        /* Answered already: the name is in the hosts file, or is none. */
        INGOT_ASSERT(resolution->connection == NULL);
        free(resolution);
        return;
    }
    resolution->request = request;
}

void net_dial_start(struct connection *connection)
{
    const struct peer *peer = connection->peer;
    struct evutil_addrinfo hints = {
        .ai_family = AF_UNSPEC,
        .ai_socktype = SOCK_STREAM,
        .ai_protocol = IPPROTO_TCP,
        .ai_flags = EVUTIL_AI_NUMERICHOST | EVUTIL_AI_NUMERICSERV,
    };
    struct evutil_addrinfo *addresses = NULL;
    char port[8];
    (void)snprintf(port, sizeof port, "%u", (unsigned)peer->port);
    (void)snprintf(connection->address, sizeof connection->address, "%.48s:%s", peer->host, port);
    if (evutil_getaddrinfo(peer->host, port, &hints, &addresses) == 0 && addresses != NULL) {
        use_addresses(connection, addresses);
        return;
    }
    hints.ai_flags = EVUTIL_AI_NUMERICSERV;
    resolve(connection, &hints, port);
}

void net_dial_stop(struct connection *connection)
{
    struct resolution *resolution = connection->resolution;
    if (resolution != NULL) {
        connection->resolution = NULL;
        resolution->connection = NULL;
        if (resolution->request != NULL) {
            evdns_getaddrinfo_cancel(resolution->request);
        }
    }
    drop_socket(connection);
    connection->next_address = NULL;
    if (connection->addresses != NULL) {
        evutil_freeaddrinfo(connection->addresses);
        connection->addresses = NULL;
    }
}

void net_dial_shutdown(struct transport *transport)
{
    struct resolver *resolver = transport->resolver;
    if (resolver == NULL) {
        return;
    }
    transport->resolver = NULL;
    resolver->is_orphan = true;
    if (resolver->open_questions == 0) {
        free_resolver(-1, 0, resolver);
    }
}
