/*
 * The listener for clients: where it listens, whom it accepts and when it pauses.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* accept4 */
#endif
#include <errno.h>
#include <event2/event.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "node/rpc_internal.h"

#define REQUEST_TIMEOUT_MS 20000
#define IDLE_TIMEOUT_MS 60000
#define COMMIT_TIMEOUT_MS 10000
#define WAITERS_MAX 16384
#define SUBMITTED_MAX 65536
#define BATCH_CALLS_MAX 256
#define OUTPUT_BYTES_MAX ((size_t)16 * 1024 * 1024)
static_assert(RPC_ANSWER_BYTES_MAX + 3 * (INGOT_BLOCK_PAYLOAD_BYTES_MAX / 2) < OUTPUT_BYTES_MAX,
              "one answer that is not read must not turn everybody away");

#define ACCEPT_PAUSE_MS 200
#define ACCEPTS_PER_TURN 32
#define LISTEN_BACKLOG 512

void rpc_add_timer(struct event *event, uint64_t wait_ms)
{
    struct timeval wait = {.tv_sec = (time_t)(wait_ms / 1000),
                           .tv_usec = (suseconds_t)(wait_ms % 1000 * 1000)};
    (void)event_add(event, &wait);
}

void rpc_accept_resume(struct rpc *rpc)
{
    if (rpc->is_paused) {
        rpc->is_paused = false;
        (void)event_del(rpc->accept_timer);
        (void)event_add(rpc->accept_event, NULL);
    }
}

/* Is there a place for one more connection, perhaps by ending one that does nothing? */
static bool make_room(struct rpc *rpc)
{
    if (rpc->counters.connections < rpc->options.connections_max) {
        return true;
    }
    return rpc_connection_evict(rpc);
}

static void pause_accepting(struct rpc *rpc)
{
    rpc->is_paused = true;
    (void)event_del(rpc->accept_event);
    rpc_add_timer(rpc->accept_timer, ACCEPT_PAUSE_MS);
}

static void on_accept(evutil_socket_t listener, short what, void *context)
{
    struct rpc *rpc = context;
    (void)what;
    for (int i = 0; i < ACCEPTS_PER_TURN; i++) {
        if (!make_room(rpc)) {
            pause_accepting(rpc); /* the system's queue holds the rest */
            return;
        }
        int socket = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (socket >= 0) {
            rpc_connection_new(rpc, socket);
        } else if (errno == EAGAIN || errno == EWOULDBLOCK) {
            return;
        } else if (errno != EINTR && errno != ECONNABORTED) {
            pause_accepting(rpc); /* no descriptors or memory: trying again at once would spin */
            return;
        }
    }
}

static void on_accept_timer(evutil_socket_t socket, short what, void *context)
{
    (void)socket;
    (void)what;
    rpc_accept_resume(context);
}

static void on_waiter_timer(evutil_socket_t socket, short what, void *context)
{
    (void)socket;
    (void)what;
    rpc_waiters_expire(context);
}

static void on_submission_timer(evutil_socket_t socket, short what, void *context)
{
    (void)socket;
    (void)what;
    rpc_submissions_expire(context);
}

static void on_turn_timer(evutil_socket_t socket, short what, void *context)
{
    (void)socket;
    (void)what;
    rpc_connections_resume(context);
}

/* Returns a listening socket, or -1 with errno. */
static int listen_on(const struct addrinfo *address)
{
    int on = 1;
    int listener =
        socket(address->ai_family, address->ai_socktype | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (listener < 0) {
        return -1;
    }
    (void)setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (bind(listener, address->ai_addr, address->ai_addrlen) != 0 ||
        listen(listener, LISTEN_BACKLOG) != 0) {
        int error = errno;
        (void)close(listener);
        errno = error;
        return -1;
    }
    return listener;
}

static void read_bound_address(struct rpc *rpc)
{
    struct sockaddr_storage address = {0};
    socklen_t size = sizeof address;
    char host[256] = "";
    char port[16] = "0";
    if (getsockname(rpc->listener, (struct sockaddr *)&address, &size) == 0 &&
        getnameinfo((struct sockaddr *)&address, size, host, sizeof host, port, sizeof port,
                    NI_NUMERICHOST | NI_NUMERICSERV) == 0) {
        rpc->port = (uint16_t)strtoul(port, NULL, 10);
    }
    (void)snprintf(rpc->address, sizeof rpc->address,
                   address.ss_family == AF_INET6 ? "[%s]:%s" : "%s:%s", host, port);
}

static bool open_listener(struct rpc *rpc, char *why, size_t why_size)
{
    const struct rpc_options *options = &rpc->options;
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE};
    struct addrinfo *addresses = NULL;
    char port[16];
    (void)snprintf(port, sizeof port, "%u", (unsigned)options->port);
    int error = getaddrinfo(options->host, port, &hints, &addresses);
    if (error != 0) {
        (void)snprintf(why, why_size, "cannot listen for clients on %s port %s: %s", options->host,
                       port, gai_strerror(error));
        return false;
    }
    rpc->listener = listen_on(addresses);
    if (rpc->listener < 0) {
        (void)snprintf(why, why_size, "cannot listen for clients on %s port %s: %s", options->host,
                       port, strerror(errno));
    }
    freeaddrinfo(addresses);
    return rpc->listener >= 0;
}

#define DEFAULT(value, fallback) ((value) != 0 ? (value) : (fallback))

static struct rpc_options with_defaults(const struct rpc_options *options)
{
    struct rpc_options all = *options;
    all.host = DEFAULT(options->host, "127.0.0.1");
    all.connections_max = DEFAULT(options->connections_max, INGOT_RPC_CONNECTIONS_MAX);
    all.body_bytes_max = DEFAULT(options->body_bytes_max, INGOT_RPC_BODY_BYTES_MAX);
    all.request_timeout_ms = DEFAULT(options->request_timeout_ms, REQUEST_TIMEOUT_MS);
    all.idle_timeout_ms = DEFAULT(options->idle_timeout_ms, IDLE_TIMEOUT_MS);
    all.commit_timeout_ms = DEFAULT(options->commit_timeout_ms, COMMIT_TIMEOUT_MS);
    all.waiters_max = DEFAULT(options->waiters_max, WAITERS_MAX);
    all.submitted_max = DEFAULT(options->submitted_max, SUBMITTED_MAX);
    all.batch_calls_max = DEFAULT(options->batch_calls_max, BATCH_CALLS_MAX);
    all.output_bytes_max = DEFAULT(options->output_bytes_max, OUTPUT_BYTES_MAX);
    return all;
}

struct rpc *rpc_new(struct event_base *base, const struct rpc_options *options,
                    const struct rpc_identity *identity, const struct rpc_backend *backend,
                    char *why, size_t why_size)
{
    struct rpc *rpc = alloc_zeroed(1, sizeof *rpc);
    rpc->base = base;
    rpc->options = with_defaults(options);
    rpc->identity = *identity;
    rpc->backend = *backend;
    if (!open_listener(rpc, why, why_size)) {
        free(rpc);
        return NULL;
    }
    read_bound_address(rpc);
    rpc_waiters_init(&rpc->waiters, rpc->options.waiters_max);
    rpc_index_init(&rpc->awaited, rpc->options.submitted_max);
    rpc->accept_event = event_new(base, rpc->listener, EV_READ | EV_PERSIST, on_accept, rpc);
    rpc->accept_timer = evtimer_new(base, on_accept_timer, rpc);
    rpc->waiter_timer = evtimer_new(base, on_waiter_timer, rpc);
    rpc->submission_timer = evtimer_new(base, on_submission_timer, rpc);
    rpc->turn.timer = evtimer_new(base, on_turn_timer, rpc);
    INGOT_ASSERT(rpc->accept_event != NULL);
    INGOT_ASSERT(rpc->accept_timer != NULL);
    INGOT_ASSERT(rpc->waiter_timer != NULL);
    INGOT_ASSERT(rpc->submission_timer != NULL);
    INGOT_ASSERT(rpc->turn.timer != NULL);
    (void)event_add(rpc->accept_event, NULL);
    return rpc;
}

void rpc_free(struct rpc *rpc)
{
    if (rpc == NULL) {
        return;
    }
    while (rpc->connections != NULL) {
        rpc_connection_free(rpc->connections);
    }
    event_free(rpc->accept_event);
    event_free(rpc->accept_timer);
    event_free(rpc->waiter_timer);
    event_free(rpc->submission_timer);
    event_free(rpc->turn.timer);
    (void)close(rpc->listener);
    rpc_waiters_deinit(&rpc->waiters);
    rpc_index_deinit(&rpc->awaited);
    free(rpc);
}

uint16_t rpc_port(const struct rpc *rpc)
{
    return rpc->port;
}

void rpc_get_counters(const struct rpc *rpc, struct metrics_rpc *counters)
{
    *counters = rpc->counters;
    counters->waiters = rpc->waiters.index.count;
    counters->awaited = rpc->awaited.count;
}
