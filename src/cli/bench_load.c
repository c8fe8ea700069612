/*
 * The load generator. In a closed loop each client sends its next transactions when those before
 * are answered. In an open loop transactions are due at fixed times whatever the nodes do, and
 * latency counts from those times: a stall is charged to every transaction that it delays.
 */
#include "cli/bench_load.h"

#include <event2/event.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/clock.h"
#include "cli/bench_packed.h"
#include "node/rpc_transactions.h"

/* Nodes give up on a commit after 10 s by default; their answer should come first. */
#define ANSWER_TIMEOUT_US UINT64_C(15000000)
/* After an answer that admitted nothing a client waits, longer each time until something is. */
#define BACK_OFF_US_MIN 5000
#define BACK_OFF_US_MAX 640000
/* How long the end waits for answers, and for transactions that could not even be sent. */
#define DRAIN_TIMEOUT_US UINT64_C(20000000)
#define WATCH_INTERVAL_US 250000
/* An open loop never wakes up more often than this. */
#define PACE_US 500
/* What is due waits for a free connection when nodes do not keep up. A request takes so many of it
 * at most, so that being turned away costs both sides little. */
#define OPEN_REQUEST_MAX 512
/* Connections of an open loop to one node: so many requests may wait for commits at a time. */
#define OPEN_CONNECTIONS_PER_NODE 128

struct generator;

struct connection {
    struct generator *generator;
    struct link link;
    struct event *readable; /* on `watched`, or NULL */
    struct event *writable;
    struct event *timer; /* gives up, or backs off */
    int watched;
    uint32_t count; /* transactions of the request under way; 0: none is */
    uint64_t first; /* open loop: the number of its first transaction, for due_us */
    uint64_t sent_us;
    uint64_t back_off_us; /* 0: the last answer was not one that turns away */
    struct connection *next_idle;
};

struct generator {
    const struct bench_load *load;
    struct bench_result *result;
    struct event_base *base;
    struct event *watch;
    struct event *pace; /* open loop: the next transaction is due */
    struct event *phase;
    struct connection *connections;
    uint32_t connection_count;
    struct connection **idle; /* of each node */
    uint32_t next_node;
    uint32_t busy_count;
    uint64_t start_us;
    uint64_t measure_us;   /* the measured interval begins */
    uint64_t end_us;       /* it ends, and no more load is offered */
    uint64_t scheduled;    /* open loop: transactions that were given to a connection */
    bool is_all_scheduled; /* nothing will be due any more */
    bool is_measuring;
    bool is_draining;         /* the interval is over: wait for the answers */
    uint64_t cpu_us;          /* ours, in the interval */
    struct ingot_buffer body; /* of JSON */
};

static void set_timer(struct event *event, uint64_t wait_us)
{
    const struct timeval wait = {.tv_sec = (time_t)(wait_us / 1000000),
                                 .tv_usec = (suseconds_t)(wait_us % 1000000)};
    (void)event_add(event, &wait);
}

static bool is_measured(const struct generator *generator, uint64_t due_us)
{
    return due_us >= generator->measure_us && due_us < generator->end_us;
}

/* Stops for good when everything that was offered is answered. */
static void end_if_done(struct generator *generator)
{
    if (generator->is_draining && generator->is_all_scheduled && generator->busy_count == 0)
        (void)event_base_loopbreak(generator->base);
}

/* --- One connection. --- */

static void step(struct connection *connection);

static void on_socket(evutil_socket_t socket, short what, void *context)
{
    struct connection *connection = context;
    (void)socket;
    (void)what;
    if (link_is_busy(&connection->link)) {
        step(connection);
        return;
    }
    /* The node closed it while it was idle; the next request finds that out. */
    (void)event_del(connection->readable);
}

static void free_event(struct event **event)
{
    if (*event != NULL)
        event_free(*event);
    *event = NULL;
}

/* Keeps the loop's interest in line with what the link waits for. */
static void watch_socket(struct connection *connection)
{
    const struct link *link = &connection->link;
    struct event_base *base = connection->generator->base;
    if (connection->watched != link->socket) {
        free_event(&connection->readable);
        free_event(&connection->writable);
        connection->watched = link->socket;
        if (link->socket >= 0) {
            connection->readable =
                event_new(base, link->socket, EV_READ | EV_PERSIST, on_socket, connection);
            connection->writable = event_new(base, link->socket, EV_WRITE, on_socket, connection);
        }
    }
    if (link->socket < 0)
        return;
    /* An event that is pending is left as it is, without a call to the system. */
    if (!event_pending(connection->readable, EV_READ, NULL))
        (void)event_add(connection->readable, NULL);
    if (link->state == LINK_CONNECTING || link->state == LINK_SENDING)
        (void)event_add(connection->writable, NULL);
}

/* Open loop: when this transaction of the run is due. */
static uint64_t due_us(const struct generator *generator, uint64_t number)
{
    const uint64_t rate = generator->load->options->rate;
    return generator->start_us + number / rate * 1000000 + number % rate * 1000000 / rate;
}

/* When a transaction of the request under way was due: in a closed loop when it was sent. */
static uint64_t request_due_us(const struct connection *connection, uint32_t index)
{
    const struct generator *generator = connection->generator;
    return generator->load->options->rate > 0 ? due_us(generator, connection->first + index)
                                              : connection->sent_us;
}

static void count(struct generator *generator, const struct connection *connection,
                  const uint32_t outcomes[BENCH_OUTCOME_COUNT])
{
    struct bench_result *result = generator->result;
    const uint64_t now_us = clock_monotonic_us();
    uint32_t committed = outcomes[BENCH_COMMITTED];
    result->committed_in_all += committed;
    if (is_measured(generator, now_us))
        result->committed += committed;
    /* Which of a batch failed does not matter where nearly all have the same time. */
    uint32_t left[BENCH_OUTCOME_COUNT];
    memcpy(left, outcomes, sizeof left);
    for (uint32_t i = 0; i < connection->count; i++) {
        const uint64_t then_us = request_due_us(connection, i);
        uint32_t outcome = BENCH_COMMITTED;
        while (left[outcome] == 0)
            outcome++;
        left[outcome]--;
        if (!is_measured(generator, then_us))
            continue;
        result->offered++;
        result->outcomes[outcome]++;
        if (outcome == BENCH_COMMITTED)
            bench_histogram_add(&result->latency, now_us - then_us);
    }
}

static void offer(struct connection *connection, uint32_t transaction_count)
{
    struct generator *generator = connection->generator;
    struct bench_source *source = generator->load->source;
    struct link *link = &connection->link;
    INGOT_ASSERT(transaction_count > 0);
    connection->count = transaction_count;
    generator->busy_count++;
    set_timer(connection->timer, ANSWER_TIMEOUT_US);
    if (generator->load->options->http) {
        ingot_buffer_clear(&generator->body);
        bench_calls_make(source, transaction_count, &generator->body);
        link_start(link, ingot_buffer_slice(&generator->body));
    } else {
        const size_t size = bench_packed_size(source->tx_bytes, transaction_count);
        bench_packed_make(source, transaction_count,
                          link_prepare(link, RPC_TRANSACTIONS_PATH, RPC_TRANSACTIONS_TYPE, size));
        link_send(link);
    }
    step(connection);
}

/* Closed loop: a client's next transactions are due now. */
static void offer_next(struct connection *connection)
{
    connection->sent_us = clock_monotonic_us();
    if (connection->sent_us < connection->generator->end_us)
        offer(connection, connection->generator->load->options->outstanding);
}

/* --- Open loop: who gets the transactions that are due. --- */

/* The next node in turn that has an idle connection; NULL when all are waiting. */
static struct connection *take_idle(struct generator *generator)
{
    for (uint32_t i = 0; i < generator->load->target_count; i++) {
        const uint32_t node = generator->next_node;
        struct connection *connection = generator->idle[node];
        generator->next_node = (node + 1) % generator->load->target_count;
        if (connection != NULL) {
            generator->idle[node] = connection->next_idle;
            return connection;
        }
    }
    return NULL;
}

static void pump(struct generator *generator)
{
    const uint64_t now_us = clock_monotonic_us();
    const uint64_t last_us = now_us < generator->end_us ? now_us : generator->end_us - 1;
    const uint32_t request_max = generator->load->request_max < OPEN_REQUEST_MAX
                                     ? generator->load->request_max
                                     : OPEN_REQUEST_MAX;
    while (due_us(generator, generator->scheduled) <= last_us) {
        struct connection *connection = take_idle(generator);
        uint32_t due_count = 0;
        if (connection == NULL)
            return;
        connection->first = generator->scheduled;
        while (due_count < request_max &&
               due_us(generator, connection->first + due_count) <= last_us)
            due_count++;
        generator->scheduled += due_count;
        offer(connection, due_count);
    }
    const uint64_t next_us = due_us(generator, generator->scheduled);
    generator->is_all_scheduled = next_us >= generator->end_us;
    if (!generator->is_all_scheduled)
        set_timer(generator->pace, next_us > now_us + PACE_US ? next_us - now_us : PACE_US);
}

static void on_pace(evutil_socket_t socket, short what, void *context)
{
    (void)socket;
    (void)what;
    pump(context);
}

/* --- The end of a request, and what comes next. --- */

static void become_ready(struct connection *connection)
{
    struct generator *generator = connection->generator;
    if (generator->load->options->rate == 0) {
        offer_next(connection);
        return;
    }
    const uint32_t node = (uint32_t)(connection->link.target - generator->load->targets);
    connection->next_idle = generator->idle[node];
    generator->idle[node] = connection;
    pump(generator);
}

static void read_answer(struct connection *connection, uint32_t outcomes[BENCH_OUTCOME_COUNT])
{
    const struct link *link = &connection->link;
    char *first = connection->generator->result->first_error;
    const size_t first_size = sizeof connection->generator->result->first_error;
    const struct bench_load *load = connection->generator->load;
    const struct ingot_slice body = ingot_buffer_slice(&link->reply.body);
    if (link->state == LINK_DONE && link->reply.status == 200) {
        if (load->options->http)
            bench_calls_read(load->source, body, connection->count, outcomes, first, first_size);
        else
            bench_packed_read(body, connection->count, outcomes, first, first_size);
        return;
    }
    const bool is_full = link->state == LINK_DONE && link->reply.status == 503;
    const bool is_late = link->state == LINK_FAILED && link->why[0] == '\0';
    outcomes[is_full   ? BENCH_MEMPOOL_FULL
             : is_late ? BENCH_TIMEOUT
                       : BENCH_LOST] = connection->count;
    if (first[0] == '\0' && is_full)
        (void)snprintf(first, first_size, "a node has no room and asks to retry later");
    else if (first[0] == '\0' && is_late)
        (void)snprintf(first, first_size, "a node did not answer");
    else if (first[0] == '\0' && link->state == LINK_FAILED)
        (void)snprintf(first, first_size, "a node cannot be reached: %s", link->why);
    else if (first[0] == '\0')
        (void)snprintf(first, first_size, "a node answered with HTTP status %d",
                       link->reply.status);
}

/* One that is turned away at once would otherwise spin, and all of them keep the nodes busy. */
static void back_off(struct connection *connection)
{
    const uint64_t wait_us =
        connection->back_off_us == 0 ? BACK_OFF_US_MIN : 2 * connection->back_off_us;
    connection->back_off_us = wait_us < BACK_OFF_US_MAX ? wait_us : BACK_OFF_US_MAX;
    set_timer(connection->timer, connection->back_off_us);
}

static void end_request(struct connection *connection)
{
    struct generator *generator = connection->generator;
    uint32_t outcomes[BENCH_OUTCOME_COUNT] = {0};
    read_answer(connection, outcomes);
    (void)event_del(connection->timer);
    count(generator, connection, outcomes);
    generator->busy_count--;
    connection->count = 0;
    if (outcomes[BENCH_COMMITTED] == 0) {
        back_off(connection);
    } else {
        connection->back_off_us = 0;
        become_ready(connection);
    }
    end_if_done(generator);
}

static void step(struct connection *connection)
{
    link_step(&connection->link);
    watch_socket(connection);
    if (!link_is_busy(&connection->link))
        end_request(connection);
}

static void on_timer(evutil_socket_t socket, short what, void *context)
{
    struct connection *connection = context;
    (void)socket;
    (void)what;
    if (connection->count == 0) {
        become_ready(connection);
        return;
    }
    link_cancel(&connection->link, "");
    step(connection);
}

/* --- The run. --- */

static void on_watch(evutil_socket_t socket, short what, void *context)
{
    struct generator *generator = context;
    struct bench_result *result = generator->result;
    (void)socket;
    (void)what;
    result->was_interrupted = bench_is_interrupted();
    if (result->was_interrupted ||
        !generator->load->watch(generator->load->context, result->why, sizeof result->why))
        (void)event_base_loopbreak(generator->base);
}

static uint64_t own_cpu_us(void)
{
    struct rusage usage;
    (void)getrusage(RUSAGE_SELF, &usage);
    return (uint64_t)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1000000 +
           (uint64_t)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec);
}

/* The interval begins, it ends, and the time for what is left is up. */
static void on_phase(evutil_socket_t socket, short what, void *context)
{
    struct generator *generator = context;
    const uint64_t now_us = clock_monotonic_us();
    (void)socket;
    (void)what;
    if (now_us < generator->measure_us) {
        set_timer(generator->phase, generator->measure_us - now_us);
    } else if (now_us < generator->end_us) {
        /* A timer may fire a moment early, and this come twice. */
        if (!generator->is_measuring)
            generator->cpu_us = own_cpu_us();
        generator->is_measuring = true;
        set_timer(generator->phase, generator->end_us - now_us);
    } else if (!generator->is_draining) {
        generator->cpu_us = own_cpu_us() - generator->cpu_us;
        generator->is_draining = true;
        set_timer(generator->phase, DRAIN_TIMEOUT_US);
        end_if_done(generator);
    } else {
        (void)event_base_loopbreak(generator->base);
    }
}

static void open_loop(struct generator *generator)
{
    struct event_config *config = event_config_new();
    INGOT_ASSERT(config != NULL);
    /* Milliseconds are too coarse for the times at which an open loop sends. */
    (void)event_config_set_flag(config, EVENT_BASE_FLAG_PRECISE_TIMER);
    generator->base = event_base_new_with_config(config);
    event_config_free(config);
    INGOT_ASSERT(generator->base != NULL);
    generator->watch = event_new(generator->base, -1, EV_PERSIST, on_watch, generator);
    generator->pace = evtimer_new(generator->base, on_pace, generator);
    generator->phase = evtimer_new(generator->base, on_phase, generator);
}

static void open_connections(struct generator *generator)
{
    const struct bench_load *load = generator->load;
    generator->connection_count = load->options->rate > 0
                                      ? load->target_count * OPEN_CONNECTIONS_PER_NODE
                                      : load->options->clients;
    generator->connections =
        alloc_zeroed(generator->connection_count, sizeof *generator->connections);
    generator->idle = alloc_zeroed(load->target_count, sizeof(struct connection *));
    for (uint32_t i = 0; i < generator->connection_count; i++) {
        struct connection *connection = &generator->connections[i];
        connection->generator = generator;
        connection->watched = -1;
        connection->timer = evtimer_new(generator->base, on_timer, connection);
        link_init(&connection->link, &load->targets[i % load->target_count]);
    }
}

static void close_all(struct generator *generator)
{
    for (uint32_t i = 0; i < generator->connection_count; i++) {
        struct connection *connection = &generator->connections[i];
        free_event(&connection->readable);
        free_event(&connection->writable);
        free_event(&connection->timer);
        link_deinit(&connection->link);
    }
    free(generator->connections);
    free(generator->idle);
    free_event(&generator->watch);
    free_event(&generator->pace);
    free_event(&generator->phase);
    event_base_free(generator->base);
    ingot_buffer_deinit(&generator->body);
}

/* What was due and is neither answered nor, perhaps, even sent. */
static void count_unanswered(struct generator *generator)
{
    struct bench_result *result = generator->result;
    uint64_t unanswered = 0;
    for (uint32_t i = 0; i < generator->connection_count; i++)
        for (uint32_t j = 0; j < generator->connections[i].count; j++)
            unanswered += is_measured(generator, request_due_us(&generator->connections[i], j));
    for (uint64_t i = generator->scheduled; generator->load->options->rate > 0; i++) {
        if (due_us(generator, i) >= generator->end_us)
            break;
        unanswered += is_measured(generator, due_us(generator, i));
    }
    result->offered += unanswered;
    result->outcomes[BENCH_TIMEOUT] += unanswered;
}

void bench_load_run(const struct bench_load *load, struct bench_result *result)
{
    const struct bench_options *options = load->options;
    const struct timeval watch_interval = {.tv_usec = WATCH_INTERVAL_US};
    struct generator generator = {.load = load, .result = result};
    open_loop(&generator);
    open_connections(&generator);
    generator.start_us = clock_monotonic_us();
    generator.measure_us = generator.start_us + (uint64_t)options->warmup_seconds * 1000000;
    generator.end_us = generator.measure_us + (uint64_t)options->seconds * 1000000;
    generator.is_all_scheduled = options->rate == 0;
    (void)event_add(generator.watch, &watch_interval);
    set_timer(generator.phase, 0);
    for (uint32_t i = 0; i < generator.connection_count; i++)
        become_ready(&generator.connections[i]);
    (void)event_base_dispatch(generator.base);
    count_unanswered(&generator);
    result->seconds = (double)options->seconds;
    result->generator_cpu = (double)generator.cpu_us / 1e6 / result->seconds;
    close_all(&generator);
}
