/*
 * The node: one event loop, the network and the listener for clients around the driver of a
 * protocol (node_driver.h). It moves bytes and time; every decision is the driver's.
 */
#include <ingot/node.h>

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/log.h"
#include "node/node_state.h"
#include "wire/crypto.h"

/* --- What a driver asks of the world. --- */

void node_send(struct ingot_node *node, uint32_t peer, enum ingot_frame_class frame_class,
               struct ingot_slice frame)
{
    (void)ingot_network_send(node->network, peer, frame_class, frame);
}

void node_arm(struct ingot_node *node, uint64_t deadline_ms)
{
    const uint64_t now_us = clock_monotonic_us();
    const uint64_t due_us = deadline_ms * 1000;
    const uint64_t wait_us = due_us > now_us ? due_us - now_us : 0;
    const struct timeval wait = {.tv_sec = (time_t)(wait_us / 1000000),
                                 .tv_usec = (suseconds_t)(wait_us % 1000000)};
    (void)event_add(node->timer, &wait);
}

void node_schedule_flush(struct ingot_node *node)
{
    event_active(node->flush, EV_TIMEOUT, 0);
}

/*
 * An event that is active again when it returns runs before the loop looks at sockets and signals,
 * and a validator that can always go on would never hear of anything else.
 */
void node_schedule_flush_later(struct ingot_node *node)
{
    const struct timeval at_once = {0};
    (void)event_add(node->flush, &at_once);
}

void node_fail(struct ingot_node *node, enum ingot_exit exit)
{
    node->exit = exit;
    (void)event_base_loopbreak(node->base);
}

/* --- What the loop brings. --- */

static void flush_due(evutil_socket_t socket, short what, void *context)
{
    (void)socket;
    (void)what;
    struct ingot_node *node = context;
    node->driver->operations->flush(node->driver);
}

static void timer_due(evutil_socket_t socket, short what, void *context)
{
    (void)socket;
    (void)what;
    struct ingot_node *node = context;
    node->driver->operations->tick(node->driver);
    node_schedule_flush(node);
}

static uint64_t height_of(struct ingot_node *node)
{
    struct ingot_node_status status = {0};
    node->driver->operations->get_status(node->driver, &status);
    return status.height;
}

static void stop_due(evutil_socket_t socket, short what, void *context)
{
    (void)socket;
    (void)what;
    struct ingot_node *node = context;
    LOG(LOG_INFO, "stopping", log_u64("height", height_of(node)));
    (void)event_base_loopbreak(node->base);
}

static void reload_due(evutil_socket_t socket, short what, void *context)
{
    (void)socket;
    (void)what;
    node_peers_reload(context);
}

static void frame_received(void *context, uint32_t peer, struct ingot_slice frame)
{
    struct ingot_node *node = context;
    node->driver->operations->receive(node->driver, peer, frame);
    node_schedule_flush(node);
}

static void peer_connected(void *context, uint32_t peer)
{
    struct ingot_node *node = context;
    /* The network has logged it. */
    node->driver->operations->set_connected(node->driver, peer, true);
    node_schedule_flush(node);
}

static void peer_disconnected(void *context, uint32_t peer, enum ingot_close_reason reason)
{
    struct ingot_node *node = context;
    (void)reason;
    node->driver->operations->set_connected(node->driver, peer, false);
}

/* --- Opening, part by part. --- */

static enum ingot_exit open_genesis(struct ingot_node *node, char *why, size_t why_size)
{
    char reason[256] = "";
    if (home_genesis_init(&node->home.genesis, &node->genesis, reason, sizeof reason) == INGOT_OK) {
        return INGOT_EXIT_OK;
    }
    (void)snprintf(why, why_size, "%s/" HOME_GENESIS_FILE ": %s", node->home.folder, reason);
    return INGOT_EXIT_USAGE;
}

static enum ingot_exit open_driver(struct ingot_node *node, char *why, size_t why_size)
{
    const bool is_log = node->home.settings.protocol == SETTINGS_PROTOCOL_HOTSTUFF;
    const struct node_driver_operations *driver = is_log ? &node_hotstuff : &broadcast_node;
    return driver->open(node, &node->driver, why, why_size);
}

static void catch_signal(struct ingot_node *node, struct event **event, int number,
                         event_callback_fn due)
{
    *event = evsignal_new(node->base, number, due, node);
    (void)evsignal_add(*event, NULL);
}

static enum ingot_exit open_loop(struct ingot_node *node, char *why, size_t why_size)
{
    node->base = event_base_new();
    node->wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (node->base == NULL || node->wake_fd < 0) {
        (void)snprintf(why, why_size, "the event loop cannot be made: %s", strerror(errno));
        return INGOT_EXIT_FAILURE;
    }
    node->timer = evtimer_new(node->base, timer_due, node);
    node->flush = event_new(node->base, -1, 0, flush_due, node);
    node->wake = event_new(node->base, node->wake_fd, EV_READ, stop_due, node);
    (void)event_add(node->wake, NULL);
    /* Opening the store may take its time, and must not be ended by what asks for a reload. */
    if (node->options.handle_signals) {
        catch_signal(node, &node->reload_signal, SIGHUP, reload_due);
    }
    return INGOT_EXIT_OK;
}

static enum ingot_exit open_network(struct ingot_node *node, char *why, size_t why_size)
{
    const struct settings *settings = &node->home.settings;
    /* Only a node with a chain says something from time to time; for the others TCP has to tell
     * when a peer is gone. */
    const bool is_log = settings->protocol == SETTINGS_PROTOCOL_HOTSTUFF;
    const struct ingot_network_tls_options options = {
        .base = node->base,
        .seed = node->home.transport_key.seed,
        .greeting = ingot_slice_of(node->home.genesis.hash.bytes, INGOT_HASH_BYTES),
        .listen_host = settings->network_listen.host,
        .listen_port = settings->network_listen.port,
        .queue_bytes_max = (uint32_t)settings->peer_queue_bytes_max,
        .handshakes_max = (uint32_t)settings->handshakes_max,
        .handshake_timeout_ms = (uint32_t)settings->handshake_timeout_ms,
        .silence_timeout_ms = is_log ? 0 : INGOT_NETWORK_OFF,
        .reconnect_ms_min = (uint32_t)settings->reconnect_delay_ms_min,
        .reconnect_ms_max = (uint32_t)settings->reconnect_delay_ms_max};
    if (ingot_network_tls_new(&options, &node->network, why, why_size) != INGOT_OK) {
        return INGOT_EXIT_FAILURE;
    }
    const enum ingot_error error = node_peers_start(node);
    if (error != INGOT_OK) {
        (void)snprintf(why, why_size, "%s/" HOME_PEERS_FILE ": %s", node->home.folder,
                       ingot_error_text(error));
        return INGOT_EXIT_USAGE;
    }
    const struct ingot_network_events events = {.context = node,
                                                .receive = frame_received,
                                                .connected = peer_connected,
                                                .disconnected = peer_disconnected};
    return ingot_network_start(node->network, &events, why, why_size) == INGOT_OK
               ? INGOT_EXIT_OK
               : INGOT_EXIT_FAILURE;
}

static enum ingot_exit open_clients(struct ingot_node *node, char *why, size_t why_size)
{
    const struct settings *settings = &node->home.settings;
    const struct rpc_options options = {.host = settings->rpc_listen.host,
                                        .port = settings->rpc_listen.port,
                                        .connections_max = (uint32_t)settings->rpc_connections_max,
                                        .body_bytes_max = (uint32_t)settings->rpc_body_bytes_max,
                                        .idle_timeout_ms = (uint32_t)settings->rpc_idle_timeout_ms,
                                        .commit_timeout_ms =
                                            (uint32_t)settings->rpc_commit_timeout_ms};
    struct endpoint listen = settings->network_listen;
    listen.port = ingot_network_tls_port(node->network);
    endpoint_format(&listen, &node->listen_address);
    ingot_buffer_append_u8(&node->listen_address, 0);
    struct rpc_identity identity = {0};
    struct rpc_backend backend = {0};
    node_describe(node, &identity, &backend);
    node->rpc = rpc_new(node->base, &options, &identity, &backend, why, why_size);
    return node->rpc == NULL ? INGOT_EXIT_FAILURE : INGOT_EXIT_OK;
}

static void open_signals(struct ingot_node *node)
{
    if (node->options.handle_signals) {
        catch_signal(node, &node->stop_signals[0], SIGTERM, stop_due);
        catch_signal(node, &node->stop_signals[1], SIGINT, stop_due);
    }
}

enum ingot_exit ingot_node_open(const struct ingot_node_options *options, struct ingot_node **node,
                                char *why, size_t why_size)
{
    static enum ingot_exit (*const steps[])(struct ingot_node *, char *, size_t) = {
        open_loop, open_genesis, open_driver, open_network, open_clients};
    *node = NULL;
    if (!crypto_init()) {
        (void)snprintf(why, why_size, "libsodium cannot be used on this machine");
        return INGOT_EXIT_FAILURE;
    }
    struct ingot_node *opened = alloc_zeroed(1, sizeof *opened);
    opened->options = *options;
    opened->wake_fd = -1;
    enum ingot_exit result = INGOT_EXIT_OK;
    if (config_load_home(options->home, &opened->home, why, why_size) != INGOT_OK) {
        result = INGOT_EXIT_USAGE;
    }
    for (size_t i = 0; result == INGOT_EXIT_OK && i < sizeof steps / sizeof steps[0]; i++) {
        result = steps[i](opened, why, why_size);
    }
    if (result != INGOT_EXIT_OK) {
        ingot_node_free(opened);
        return result;
    }
    open_signals(opened);
    *node = opened;
    return INGOT_EXIT_OK;
}

/* --- Running. --- */

/*
 * libevent answers clients with writev(2), which raises SIGPIPE once a client is gone, and the
 * default of that signal ends the process. The host's ways with signals are its own, so this thread
 * keeps it away while the node runs, and takes what came of it before the old mask returns.
 */
static bool hold_back_broken_pipes(sigset_t *before)
{
    sigset_t pipe;
    sigset_t pending;
    sigemptyset(&pipe);
    sigaddset(&pipe, SIGPIPE);
    (void)sigpending(&pending);
    (void)pthread_sigmask(SIG_BLOCK, &pipe, before);
    return sigismember(&pending, SIGPIPE) == 1;
}

static void let_broken_pipes(const sigset_t *before, bool was_pending)
{
    const struct timespec at_once = {0};
    sigset_t pipe;
    sigemptyset(&pipe);
    sigaddset(&pipe, SIGPIPE);
    while (!was_pending && (sigtimedwait(&pipe, NULL, &at_once) == SIGPIPE || errno == EINTR)) {
    }
    (void)pthread_sigmask(SIG_SETMASK, before, NULL);
}

enum ingot_exit ingot_node_run(struct ingot_node *node)
{
    sigset_t before;
    const bool was_pending = hold_back_broken_pipes(&before);
    LOG(LOG_INFO, "running", log_text("chain", node->home.genesis.chain_id),
        log_text("protocol", settings_protocol_name(node->home.settings.protocol)),
        log_text("app", node->driver->app_name), log_u64("height", height_of(node)),
        log_u64("peer_port", ingot_node_peer_port(node)),
        log_u64("client_port", ingot_node_client_port(node)));
    node->exit = INGOT_EXIT_OK;
    node->driver->operations->start(node->driver);
    node_schedule_flush(node);
    const bool has_looped = event_base_dispatch(node->base) >= 0;
    let_broken_pipes(&before, was_pending);
    return has_looped ? node->exit : INGOT_EXIT_FAILURE;
}

void ingot_node_stop(struct ingot_node *node)
{
    const uint64_t one = 1;
    /* A full counter means that a stop is under way already. */
    const ssize_t written = write(node->wake_fd, &one, sizeof one);
    (void)written;
}

enum ingot_error ingot_node_submit(struct ingot_node *node, struct ingot_slice transaction)
{
    return node->driver->operations->submit(node->driver, transaction);
}

void ingot_node_get_status(struct ingot_node *node, struct ingot_node_status *status)
{
    struct ingot_network_stats network;
    *status = (struct ingot_node_status){0};
    node->driver->operations->get_status(node->driver, status);
    ingot_network_stats(node->network, &network);
    status->peers_connected = (uint32_t)network.peers_connected;
}

uint16_t ingot_node_peer_port(const struct ingot_node *node)
{
    return ingot_network_tls_port(node->network);
}

uint16_t ingot_node_client_port(const struct ingot_node *node)
{
    return rpc_port(node->rpc);
}

static void free_event(struct event *event)
{
    if (event != NULL) {
        event_free(event);
    }
}

void ingot_node_free(struct ingot_node *node)
{
    if (node == NULL) {
        return;
    }
    rpc_free(node->rpc);
    ingot_discovery_free(node->discovery);
    ingot_network_free(node->network);
    if (node->driver != NULL) {
        node->driver->operations->free(node->driver);
    }
    free_event(node->timer);
    free_event(node->flush);
    free_event(node->wake);
    free_event(node->stop_signals[0]);
    free_event(node->stop_signals[1]);
    free_event(node->reload_signal);
    if (node->base != NULL) {
        /* Connections that ended just now still have callbacks queued, which hold them; nothing
         * of ours is left on the loop, so this turn only lets them go. */
        (void)event_base_loop(node->base, EVLOOP_NONBLOCK);
        event_base_free(node->base);
    }
    if (node->wake_fd >= 0) {
        (void)close(node->wake_fd);
    }
    home_genesis_deinit(&node->genesis);
    ingot_buffer_deinit(&node->listen_address);
    free(node->peers);
    node_home_deinit(&node->home);
    free(node);
}

enum ingot_error ingot_log_configure(const char *format, const char *level)
{
    enum log_format log_format = LOG_PLAIN;
    enum log_level log_level = LOG_INFO;
    if ((format != NULL && !log_format_parse(format, &log_format)) ||
        (level != NULL && !log_level_parse(level, &log_level))) {
        return INGOT_ERROR_INVALID;
    }
    log_configure(log_format, log_level);
    return INGOT_OK;
}

const char *ingot_version(void)
{
    return INGOT_VERSION;
}
