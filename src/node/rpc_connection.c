/*
 * The connections of clients on the event loop: how long a client may take, and how much may be in
 * flight. What the bytes mean is known elsewhere.
 *
 *   idle -> reading -> busy (calls run or wait) -> idle, or closing -> lingering -> gone
 *
 * Every state but busy has a deadline: `deadline_of` lists them. The calls of a busy connection
 * have their own. A client that is gone takes with it what waits on its behalf. A connection whose
 * work does not fit the loop's present turn waits for the next one, idle, reading or busy.
 */
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/clock.h"
#include "node/rpc_internal.h"

/* A client has this long to read an answer, and a second more for every so many bytes. */
#define WRITE_TIMEOUT_MS 20000
#define WRITE_BYTES_PER_S 32768
/* After the last answer the client's remaining bytes are read for this long: closing at once would
 * reset the connection, and the answer could be lost with it. */
#define LINGER_MS 2000
/* When all connections are taken, one that was idle for this long makes room. */
#define EVICT_IDLE_MS 1000

#define INPUT_BYTES_MAX ((size_t)256 * 1024)
/* Of a large body, at a time; each counts as a request does for the loop's turn. */
#define READ_BYTES_MAX ((size_t)64 * 1024)
/* A client that pipelines is not served further while it leaves so much unread. */
#define OUTPUT_PAUSE_BYTES ((size_t)256 * 1024)

struct rpc_connection {
    struct rpc *rpc;
    struct bufferevent *bufferevent;
    struct evbuffer_cb_entry *output_counter;
    struct event *timer;
    uint64_t timer_ms; /* when it fires, 0 when it is not armed */
    struct http_request request;
    struct rpc_exchange *exchange;     /* calls that wait, or NULL */
    struct rpc_submission *submission; /* transactions that wait, or NULL */
    bool is_busy;                      /* a request was read and is not answered yet */
    bool is_processing;                /* `process` is on the stack */
    bool is_closing;                   /* no more requests; ends when the output is written */
    bool is_lingering;
    bool is_idle;     /* and so in the list of the idle ones */
    bool awaits_turn; /* and so in the list of those who wait for the loop's next turn */
    bool has_ended_input;
    size_t body_bytes_counted;
    uint64_t request_deadline_ms; /* 0: no request has begun */
    uint64_t write_deadline_ms;   /* 0: nothing to be written */
    uint64_t idle_since_ms;
    uint64_t linger_deadline_ms;
    struct rpc_connection *previous;
    struct rpc_connection *next;
    struct rpc_connection *idle_older;
    struct rpc_connection *idle_newer;
    struct rpc_connection *turn_older;
    struct rpc_connection *turn_newer;
};

static uint64_t now_ms(void)
{
    return clock_monotonic_us() / 1000;
}

static size_t output_size(const struct rpc_connection *connection)
{
    return evbuffer_get_length(bufferevent_get_output(connection->bufferevent));
}

/* The only place that moves connections in and out of the list of idle ones. */
static void set_idle(struct rpc_connection *connection, bool is_idle)
{
    struct rpc *rpc = connection->rpc;
    if (connection->is_idle == is_idle) {
        return;
    }
    connection->is_idle = is_idle;
    if (is_idle) {
        connection->idle_since_ms = now_ms();
        connection->idle_older = rpc->idle_newest;
        connection->idle_newer = NULL;
        *(rpc->idle_newest == NULL ? &rpc->idle_oldest : &rpc->idle_newest->idle_newer) =
            connection;
        rpc->idle_newest = connection;
        return;
    }
    *(connection->idle_older == NULL ? &rpc->idle_oldest : &connection->idle_older->idle_newer) =
        connection->idle_newer;
    *(connection->idle_newer == NULL ? &rpc->idle_newest : &connection->idle_newer->idle_older) =
        connection->idle_older;
}

void rpc_connection_await_turn(struct rpc_connection *connection)
{
    struct rpc_turn *turn = &connection->rpc->turn;
    if (connection->awaits_turn) {
        return;
    }
    if (turn->oldest == NULL) {
        rpc_add_timer(turn->timer, 0);
    }
    connection->awaits_turn = true;
    connection->turn_older = turn->newest;
    connection->turn_newer = NULL;
    *(turn->newest == NULL ? &turn->oldest : &turn->newest->turn_newer) = connection;
    turn->newest = connection;
}

static void leave_turn(struct rpc_connection *connection)
{
    struct rpc_turn *turn = &connection->rpc->turn;
    if (!connection->awaits_turn) {
        return;
    }
    connection->awaits_turn = false;
    *(connection->turn_older == NULL ? &turn->oldest : &connection->turn_older->turn_newer) =
        connection->turn_newer;
    *(connection->turn_newer == NULL ? &turn->newest : &connection->turn_newer->turn_older) =
        connection->turn_older;
}

static void count_body(struct rpc_connection *connection)
{
    size_t size = connection->request.body.size;
    size_t counted = size > RPC_BODY_BYTES_FREE ? size - RPC_BODY_BYTES_FREE : 0;
    connection->rpc->bodies_bytes += counted - connection->body_bytes_counted;
    connection->body_bytes_counted = counted;
}

void rpc_connection_drop_body(struct rpc_connection *connection)
{
    http_request_drop_body(&connection->request);
    count_body(connection);
}

void rpc_connection_free(struct rpc_connection *connection)
{
    struct rpc *rpc = connection->rpc;
    INGOT_ASSERT(!connection->is_processing);
    if (connection->exchange != NULL) {
        rpc_exchange_abandon(connection->exchange);
    }
    if (connection->submission != NULL) {
        rpc_submission_abandon(connection->submission);
    }
    set_idle(connection, false);
    leave_turn(connection);
    rpc->counters.output_bytes -= output_size(connection);
    rpc->bodies_bytes -= connection->body_bytes_counted;
    rpc->counters.connections--;
    *(connection->previous == NULL ? &rpc->connections : &connection->previous->next) =
        connection->next;
    if (connection->next != NULL) {
        connection->next->previous = connection->previous;
    }
    (void)evbuffer_remove_cb_entry(bufferevent_get_output(connection->bufferevent),
                                   connection->output_counter);
    bufferevent_setcb(connection->bufferevent, NULL, NULL, NULL, NULL);
    bufferevent_free(connection->bufferevent);
    event_free(connection->timer);
    http_request_deinit(&connection->request);
    free(connection);
    rpc_accept_resume(rpc);
}

/* When the present state of a connection ends by itself; 0: never. */
static uint64_t deadline_of(const struct rpc_connection *connection)
{
    const struct rpc_options *options = &connection->rpc->options;
    if (connection->is_lingering) {
        return connection->linger_deadline_ms;
    }
    if (connection->write_deadline_ms != 0) {
        return connection->write_deadline_ms;
    }
    if (connection->is_busy || connection->awaits_turn) {
        return 0;
    }
    if (connection->request_deadline_ms != 0) {
        return connection->request_deadline_ms;
    }
    return connection->idle_since_ms + options->idle_timeout_ms;
}

/* After every step: keeps idleness and the timer in line with the state. */
static void update(struct rpc_connection *connection)
{
    set_idle(connection, !connection->is_busy && !connection->is_closing &&
                             !connection->awaits_turn && connection->write_deadline_ms == 0 &&
                             connection->request_deadline_ms == 0);
    uint64_t deadline = deadline_of(connection);
    /* A timer that fires too early is armed again then: most deadlines only move later. */
    if (deadline != 0 && (connection->timer_ms == 0 || connection->timer_ms > deadline)) {
        uint64_t now = now_ms();
        connection->timer_ms = deadline;
        rpc_add_timer(connection->timer, deadline > now ? deadline - now : 0);
    }
}

static void write_text(struct rpc_connection *connection, struct ingot_buffer *text)
{
    uint64_t allowance = (uint64_t)text->size * 1000 / WRITE_BYTES_PER_S;
    if (connection->write_deadline_ms == 0) {
        connection->write_deadline_ms = now_ms() + WRITE_TIMEOUT_MS;
    }
    connection->write_deadline_ms += allowance;
    (void)bufferevent_write(connection->bufferevent, text->data, text->size);
}

static void free_answer(const void *data, size_t size, void *context)
{
    (void)data;
    (void)size;
    free(context);
}

/* Writes an answer, and gets ready for the next request or for the end. */
static void answer(struct rpc_connection *connection, int status, const char *content_type,
                   struct ingot_buffer *body, bool keep_alive)
{
    struct ingot_buffer head = {0};
    http_response_head(&head, status, content_type, body->size, keep_alive);
    if (body->size < 4096) {
        ingot_buffer_append_slice(&head, ingot_buffer_slice(body));
        ingot_buffer_deinit(body);
    }
    write_text(connection, &head);
    ingot_buffer_deinit(&head);
    if (body->size > 0) {
        /* A big body is handed over as it is. */
        connection->write_deadline_ms += (uint64_t)body->size * 1000 / WRITE_BYTES_PER_S;
        if (evbuffer_add_reference(bufferevent_get_output(connection->bufferevent), body->data,
                                   body->size, free_answer, body->data) != 0) {
            free(body->data);
            connection->is_closing = true;
        }
        *body = (struct ingot_buffer){0};
    }
    http_request_reset(&connection->request);
    count_body(connection);
    connection->request_deadline_ms = 0;
    connection->is_busy = false;
    connection->exchange = NULL;
    connection->submission = NULL;
    connection->is_closing = connection->is_closing || !keep_alive;
}

void rpc_connection_answer(struct rpc_connection *connection, int status, const char *content_type,
                           struct ingot_buffer *body)
{
    INGOT_ASSERT(connection->is_busy);
    answer(connection, status, content_type, body, connection->request.keep_alive);
    if (!connection->is_processing) {
        update(connection);
        /* Requests that were pipelined behind this one are taken up by the loop. */
        bufferevent_trigger(connection->bufferevent, EV_READ, BEV_TRIG_DEFER_CALLBACKS);
    }
}

/* Answers what is no acceptable request; the connection ends with it. */
static void refuse(struct rpc_connection *connection, int status, const char *why)
{
    struct ingot_buffer body = {0};
    ingot_buffer_format(&body, "%d %s: %s\n", status, http_status_text(status), why);
    connection->rpc->counters.bad_requests++;
    answer(connection, status, "text/plain; charset=utf-8", &body, false);
}

static bool is_submission(const struct http_request *request)
{
    return request->method == HTTP_POST &&
           ingot_slice_equal(request->path, ingot_slice_of_text(RPC_TRANSACTIONS_PATH));
}

static void dispatch(struct rpc_connection *connection)
{
    struct rpc *rpc = connection->rpc;
    rpc->counters.requests++;
    if (rpc->counters.output_bytes > rpc->options.output_bytes_max) {
        refuse(connection, 503, "clients leave too many answers unread");
        return;
    }
    connection->is_busy = true;
    rpc_turn_work(rpc, RPC_REQUEST_WORK);
    if (is_submission(&connection->request)) {
        struct rpc_submission *submission =
            rpc_submission_start(rpc, connection, &connection->request);
        if (submission != NULL) {
            connection->submission = submission;
        }
        return;
    }
    const uint64_t calls = rpc->counters.calls;
    struct rpc_exchange *exchange = rpc_exchange_start(rpc, connection, &connection->request);
    rpc_turn_work(rpc, (uint32_t)(rpc->counters.calls - calls));
    if (exchange != NULL) {
        connection->exchange = exchange;
    }
}

/* Feeds what libevent has read. False: nothing. */
static bool feed_input(struct rpc_connection *connection)
{
    struct evbuffer *input = bufferevent_get_input(connection->bufferevent);
    const size_t size = evbuffer_get_contiguous_space(input);
    if (size == 0) {
        return false;
    }
    const struct ingot_slice bytes = ingot_slice_of(evbuffer_pullup(input, (ev_ssize_t)size), size);
    (void)evbuffer_drain(input, http_request_feed(&connection->request, bytes));
    return true;
}

/*
 * libevent reads 4 KiB at a time. What has arrived of a large body beyond that is read into its
 * place; memory is taken for what is there, not for what a length says. False: there is nothing, or
 * libevent will hear what is wrong.
 */
static bool feed_socket(struct rpc_connection *connection)
{
    struct http_request *request = &connection->request;
    const int socket = bufferevent_getfd(connection->bufferevent);
    size_t size = http_request_body_missing(request);
    int arrived = 0;
    if (size == 0 || ioctl(socket, FIONREAD, &arrived) != 0 || arrived <= 0) {
        return false;
    }
    size = size < (size_t)arrived ? size : (size_t)arrived;
    size = size < READ_BYTES_MAX ? size : READ_BYTES_MAX;
    const ssize_t got = recv(socket, http_request_body_room(request, size), size, MSG_DONTWAIT);
    if (got <= 0) {
        return false;
    }
    http_request_body_put(request, (size_t)got);
    rpc_turn_work(connection->rpc, RPC_REQUEST_WORK);
    return true;
}

/* Feeds what has arrived to the parser. False when there is nothing left to be done for now. */
static bool feed(struct rpc_connection *connection)
{
    struct rpc *rpc = connection->rpc;
    struct http_request *request = &connection->request;
    const struct evbuffer *input = bufferevent_get_input(connection->bufferevent);
    if (!feed_input(connection) && !feed_socket(connection)) {
        return false;
    }
    count_body(connection);
    if (connection->request_deadline_ms == 0 && !http_request_is_empty(request)) {
        connection->request_deadline_ms = now_ms() + rpc->options.request_timeout_ms;
    }
    if (request->state == HTTP_FAILED) {
        refuse(connection, request->status, request->why);
    } else if (rpc->bodies_bytes > RPC_BODIES_BYTES_MAX && connection->body_bytes_counted > 0) {
        refuse(connection, 503, "too many large requests at once");
    } else if (request->state == HTTP_COMPLETE) {
        dispatch(connection);
    } else if (request->expects_continue && evbuffer_get_length(input) == 0) {
        struct ingot_buffer text = {0};
        ingot_buffer_format(&text, "HTTP/1.1 100 Continue\r\n\r\n");
        write_text(connection, &text);
        ingot_buffer_deinit(&text);
        request->expects_continue = false;
    }
    return true;
}

static void process(struct rpc_connection *connection)
{
    connection->is_processing = true;
    while (!connection->is_busy && !connection->is_closing &&
           output_size(connection) <= OUTPUT_PAUSE_BYTES) {
        if (rpc_turn_room(connection->rpc) == 0) {
            rpc_connection_await_turn(connection);
            break;
        }
        if (!feed(connection)) {
            break;
        }
    }
    connection->is_processing = false;
    update(connection);
}

void rpc_connections_resume(struct rpc *rpc)
{
    struct rpc_connection *connection;
    rpc->turn.work = 0;
    /* Who does not get to its end joins the others again. */
    while ((connection = rpc->turn.oldest) != NULL && rpc_turn_room(rpc) > 0) {
        leave_turn(connection);
        if (connection->submission != NULL) {
            rpc_submission_continue(connection->submission);
        } else {
            process(connection);
        }
    }
    if (rpc->turn.oldest != NULL) {
        rpc_add_timer(rpc->turn.timer, 0);
    }
}

static void on_read(struct bufferevent *bufferevent, void *context)
{
    struct rpc_connection *connection = context;
    if (connection->is_closing) {
        struct evbuffer *input = bufferevent_get_input(bufferevent);
        (void)evbuffer_drain(input, evbuffer_get_length(input));
        return;
    }
    process(connection);
}

/* All output has been written. */
static void on_written(struct bufferevent *bufferevent, void *context)
{
    struct rpc_connection *connection = context;
    connection->write_deadline_ms = 0;
    if (!connection->is_closing) {
        process(connection);
        return;
    }
    if (connection->has_ended_input) {
        rpc_connection_free(connection);
        return;
    }
    if (!connection->is_lingering) {
        connection->is_lingering = true;
        connection->linger_deadline_ms = now_ms() + LINGER_MS;
        (void)shutdown(bufferevent_getfd(bufferevent), SHUT_WR);
        on_read(bufferevent, context);
        update(connection);
    }
}

static void on_event(struct bufferevent *bufferevent, short what, void *context)
{
    struct rpc_connection *connection = context;
    (void)bufferevent;
    if ((what & BEV_EVENT_EOF) != 0 && (what & BEV_EVENT_READING) != 0 && !connection->is_busy &&
        !connection->is_lingering && output_size(connection) > 0) {
        /* A client that has said all it wanted to say still gets its answers. */
        connection->has_ended_input = true;
        connection->is_closing = true;
        update(connection);
        return;
    }
    rpc_connection_free(connection);
}

static void on_timer(evutil_socket_t socket, short what, void *context)
{
    struct rpc_connection *connection = context;
    uint64_t deadline = deadline_of(connection);
    (void)socket;
    (void)what;
    connection->timer_ms = 0;
    if (deadline == 0 || deadline > now_ms()) {
        update(connection);
        return;
    }
    bool is_reading = !connection->is_lingering && connection->write_deadline_ms == 0 &&
                      connection->request_deadline_ms != 0;
    if (is_reading) {
        connection->rpc->counters.timeouts++;
        refuse(connection, 408, "the request took too long to arrive");
        update(connection);
        return;
    }
    if (connection->write_deadline_ms != 0) {
        connection->rpc->counters.timeouts++;
    }
    rpc_connection_free(connection);
}

static void on_output_changed(struct evbuffer *buffer, const struct evbuffer_cb_info *info,
                              void *context)
{
    struct rpc_connection *connection = context;
    (void)buffer;
    connection->rpc->counters.output_bytes += info->n_added;
    connection->rpc->counters.output_bytes -= info->n_deleted;
}

void rpc_connection_new(struct rpc *rpc, int socket)
{
    int on = 1;
    struct rpc_connection *connection = alloc_zeroed(1, sizeof *connection);
    (void)setsockopt(socket, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    connection->rpc = rpc;
    connection->bufferevent = bufferevent_socket_new(rpc->base, socket, BEV_OPT_CLOSE_ON_FREE);
    connection->timer = evtimer_new(rpc->base, on_timer, connection);
    INGOT_ASSERT(connection->bufferevent != NULL && connection->timer != NULL);
    http_request_init(&connection->request, INGOT_RPC_HEADER_BYTES_MAX,
                      rpc->options.body_bytes_max);
    connection->output_counter = evbuffer_add_cb(bufferevent_get_output(connection->bufferevent),
                                                 on_output_changed, connection);
    connection->next = rpc->connections;
    if (connection->next != NULL) {
        connection->next->previous = connection;
    }
    rpc->connections = connection;
    rpc->counters.connections++;
    rpc->counters.accepted++;
    bufferevent_setcb(connection->bufferevent, on_read, on_written, on_event, connection);
    bufferevent_setwatermark(connection->bufferevent, EV_READ, 0, INPUT_BYTES_MAX);
    (void)bufferevent_enable(connection->bufferevent, EV_READ | EV_WRITE);
    update(connection);
}

bool rpc_connection_evict(struct rpc *rpc)
{
    struct rpc_connection *oldest = rpc->idle_oldest;
    if (oldest == NULL || now_ms() - oldest->idle_since_ms < EVICT_IDLE_MS) {
        return false;
    }
    rpc_connection_free(oldest);
    return true;
}
