/*
 * Connections to a node's client listener, on plain sockets. It knows HTTP's outside; what is in a
 * body is the caller's business.
 */
#include "cli/link.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/assert.h"

bool link_target_resolve(const struct endpoint *endpoint, struct link_target *target, char *why,
                         size_t why_size)
{
    struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM};
    struct addrinfo *found = NULL;
    char port[8];
    *target = (struct link_target){.endpoint = *endpoint};
    (void)snprintf(port, sizeof port, "%u", endpoint->port);
    int problem = getaddrinfo(endpoint->host, port, &hints, &found);
    if (problem != 0) {
        (void)snprintf(why, why_size, "%s: %s", endpoint->host, gai_strerror(problem));
        return false;
    }
    for (const struct addrinfo *a = found; a != NULL && target->address_count < LINK_ADDRESSES_MAX;
         a = a->ai_next) {
        memcpy(&target->addresses[target->address_count], a->ai_addr, a->ai_addrlen);
        target->sizes[target->address_count++] = a->ai_addrlen;
    }
    freeaddrinfo(found);
    return true;
}

void link_init(struct link *link, const struct link_target *target)
{
    *link = (struct link){.target = target, .state = LINK_IDLE, .socket = -1};
    http_reply_init(&link->reply, LINK_REPLY_BYTES_MAX);
}

static void disconnect(struct link *link)
{
    if (link->socket >= 0)
        (void)close(link->socket);
    link->socket = -1;
    link->is_reused = false;
}

void link_deinit(struct link *link)
{
    disconnect(link);
    ingot_buffer_deinit(&link->request);
    http_reply_deinit(&link->reply);
}

static void fail(struct link *link, const char *why)
{
    disconnect(link);
    (void)snprintf(link->why, sizeof link->why, "%s", why);
    link->state = LINK_FAILED;
}

void link_cancel(struct link *link, const char *why)
{
    fail(link, why);
}

bool link_is_busy(const struct link *link)
{
    return link->state == LINK_CONNECTING || link->state == LINK_SENDING ||
           link->state == LINK_RECEIVING;
}

static void begin_sending(struct link *link)
{
    link->sent = 0;
    http_reply_reset(&link->reply);
    link->state = LINK_SENDING;
}

/* Tries addresses from link->address on until one connects, is under way, or none is left. */
static void connect_next(struct link *link)
{
    int problem = EADDRNOTAVAIL;
    for (; link->address < link->target->address_count; link->address++) {
        const struct sockaddr_storage *address = &link->target->addresses[link->address];
        link->socket = socket(address->ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
        if (link->socket < 0) {
            problem = errno;
            continue;
        }
        int on = 1;
        (void)setsockopt(link->socket, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        if (connect(link->socket, (const struct sockaddr *)address,
                    link->target->sizes[link->address]) == 0) {
            begin_sending(link);
            return;
        }
        if (errno == EINPROGRESS) {
            link->state = LINK_CONNECTING;
            return;
        }
        problem = errno;
        disconnect(link);
    }
    fail(link, strerror(problem));
}

struct ingot_buffer *link_prepare(struct link *link, const char *path, const char *type,
                                  size_t body_bytes)
{
    INGOT_ASSERT(!link_is_busy(link));
    ingot_buffer_clear(&link->request);
    ingot_buffer_format(&link->request, "POST %s HTTP/1.1\r\nHost: ", path);
    endpoint_format(&link->target->endpoint, &link->request);
    ingot_buffer_format(&link->request, "\r\nContent-Type: %s\r\nContent-Length: %zu\r\n\r\n", type,
                        body_bytes);
    ingot_buffer_reserve(&link->request, body_bytes);
    return &link->request;
}

void link_send(struct link *link)
{
    if (link->socket >= 0) {
        link->is_reused = true;
        begin_sending(link);
    } else {
        link->address = 0;
        connect_next(link);
    }
    link_step(link);
}

void link_start(struct link *link, struct ingot_slice body)
{
    ingot_buffer_append_slice(link_prepare(link, "/", "application/json", body.size), body);
    link_send(link);
}

short link_poll_events(const struct link *link)
{
    switch (link->state) {
    case LINK_CONNECTING:
    case LINK_SENDING:
        return POLLOUT;
    case LINK_RECEIVING:
        return POLLIN;
    case LINK_IDLE:
    case LINK_DONE:
    case LINK_FAILED:
        break;
    }
    return 0;
}

/* A server may close a connection that was idle just as we use it again: try once on a new one. */
static void lost(struct link *link, const char *why)
{
    bool was_untouched = link->reply.head_bytes == 0 && link->reply.status == 0;
    if (link->is_reused && was_untouched) {
        disconnect(link);
        link->address = 0;
        connect_next(link);
    } else {
        fail(link, why);
    }
}

static void step_connecting(struct link *link)
{
    struct pollfd wait = {.fd = link->socket, .events = POLLOUT};
    if (poll(&wait, 1, 0) <= 0)
        return;
    int problem = 0;
    socklen_t size = sizeof problem;
    if (getsockopt(link->socket, SOL_SOCKET, SO_ERROR, &problem, &size) != 0)
        problem = errno;
    if (problem == 0) {
        begin_sending(link);
        return;
    }
    disconnect(link);
    link->address++;
    if (link->address < link->target->address_count)
        connect_next(link);
    else
        fail(link, strerror(problem));
}

/* False when it has to wait or has ended. */
static bool step_sending(struct link *link)
{
    ssize_t sent = send(link->socket, link->request.data + link->sent,
                        link->request.size - link->sent, MSG_NOSIGNAL);
    if (sent < 0) {
        if (errno != EAGAIN && errno != EINTR)
            lost(link, strerror(errno));
        return errno == EINTR;
    }
    link->sent += (size_t)sent;
    if (link->sent == link->request.size)
        link->state = LINK_RECEIVING;
    return true;
}

static bool step_receiving(struct link *link)
{
    uint8_t bytes[64 * 1024];
    ssize_t taken = recv(link->socket, bytes, sizeof bytes, 0);
    if (taken < 0) {
        if (errno != EAGAIN && errno != EINTR)
            lost(link, strerror(errno));
        return errno == EINTR;
    }
    if (taken == 0 && link->reply.state == HTTP_REPLY_STATUS) {
        lost(link, "the node closed the connection");
        return false;
    }
    if (taken == 0)
        http_reply_end(&link->reply);
    else
        (void)http_reply_feed(&link->reply, ingot_slice_of(bytes, (size_t)taken));
    if (link->reply.state == HTTP_REPLY_BROKEN) {
        fail(link, link->reply.why);
    } else if (link->reply.state == HTTP_REPLY_DONE) {
        if (link->reply.closes || taken == 0)
            disconnect(link);
        link->state = LINK_DONE;
    }
    return link->state == LINK_RECEIVING;
}

void link_step(struct link *link)
{
    if (link->state == LINK_CONNECTING)
        step_connecting(link);
    while (link->state == LINK_SENDING && step_sending(link)) {
    }
    while (link->state == LINK_RECEIVING && step_receiving(link)) {
    }
}
