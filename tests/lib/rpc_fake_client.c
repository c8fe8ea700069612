/*
 * The client's side of rpc_fake.h. Everything waits by letting the listener's loop work.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"
#include "lib/rpc_fake.h"

#define DEADLINE_US (10 * 1000 * 1000)

int rpc_fake_connect(struct rpc_fake *fake)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(rpc_port(fake->rpc))};
    int client = socket(AF_INET, SOCK_STREAM, 0);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (client < 0 || connect(client, (struct sockaddr *)&address, sizeof address) != 0 ||
        evutil_make_socket_nonblocking(client) != 0) {
        return -1;
    }
    return client;
}

/* The loop works; then a moment is waited for the socket, if there is one. */
static void turn(struct rpc_fake *fake, int socket, short events)
{
    struct pollfd wait = {.fd = socket, .events = events};
    (void)event_base_loop(fake->base, EVLOOP_NONBLOCK);
    (void)poll(&wait, 1, 1);
}

void rpc_fake_run_until(struct rpc_fake *fake, rpc_fake_condition *condition, void *context)
{
    uint64_t deadline = clock_monotonic_us() + DEADLINE_US;
    while (!condition(fake, context)) {
        if (clock_monotonic_us() > deadline) {
            fail_msg("%s", "the condition did not come to hold within ten seconds");
        }
        turn(fake, -1, 0);
    }
}

bool rpc_fake_send(struct rpc_fake *fake, int socket, struct ingot_slice bytes)
{
    uint64_t deadline = clock_monotonic_us() + DEADLINE_US;
    while (bytes.size > 0 && clock_monotonic_us() < deadline) {
        ssize_t sent = send(socket, bytes.data, bytes.size, MSG_NOSIGNAL);
        if (sent > 0) {
            bytes.data += sent;
            bytes.size -= (size_t)sent;
        } else if (errno != EAGAIN) {
            return false;
        }
        turn(fake, socket, POLLOUT);
    }
    return bytes.size == 0;
}

bool rpc_fake_send_text(struct rpc_fake *fake, int socket, const char *text)
{
    return rpc_fake_send(fake, socket, ingot_slice_of_text(text));
}

/* Reads up to `size` bytes; how many, 0 at the end. */
static size_t read_some(struct rpc_fake *fake, int socket, char *bytes, size_t size)
{
    uint64_t deadline = clock_monotonic_us() + DEADLINE_US;
    for (;;) {
        ssize_t got = recv(socket, bytes, size, 0);
        if (got >= 0) {
            return (size_t)got;
        }
        if (errno != EAGAIN) {
            return 0;
        }
        if (clock_monotonic_us() > deadline) {
            fail_msg("%s", "no answer within ten seconds");
        }
        turn(fake, socket, POLLIN);
    }
}

void rpc_fake_receive(struct rpc_fake *fake, int socket, struct rpc_fake_answer *answer)
{
    unsigned long length = 0;
    char byte;
    char chunk[65536];
    *answer = (struct rpc_fake_answer){0};
    while (answer->head.size < 4 ||
           memcmp(answer->head.data + answer->head.size - 4, "\r\n\r\n", 4) != 0) {
        if (read_some(fake, socket, &byte, 1) == 0) {
            return;
        }
        ingot_buffer_append_u8(&answer->head, (uint8_t)byte);
    }
    ingot_buffer_append_u8(&answer->head, '\0');
    const char *field = strstr((const char *)answer->head.data, "Content-Length: ");
    if (field != NULL) {
        length = strtoul(field + strlen("Content-Length: "), NULL, 10);
    }
    while (answer->body.size < length) {
        size_t rest = length - answer->body.size;
        size_t got = read_some(fake, socket, chunk, rest < sizeof chunk ? rest : sizeof chunk);
        if (got == 0) {
            return;
        }
        ingot_buffer_append(&answer->body, chunk, got);
    }
    ingot_buffer_append_u8(&answer->body, '\0');
    answer->body.size--;
    answer->status = atoi((const char *)answer->head.data + strlen("HTTP/1.1 "));
}

void rpc_fake_answer_deinit(struct rpc_fake_answer *answer)
{
    ingot_buffer_deinit(&answer->head);
    ingot_buffer_deinit(&answer->body);
}

bool rpc_fake_is_closed(struct rpc_fake *fake, int socket)
{
    char byte;
    return read_some(fake, socket, &byte, 1) == 0;
}

int rpc_fake_open(struct rpc_fake *fake)
{
    int client = rpc_fake_connect(fake);
    assert_true(client >= 0);
    return client;
}

int rpc_fake_receive_status(struct rpc_fake *fake, int socket)
{
    struct rpc_fake_answer answer;
    rpc_fake_receive(fake, socket, &answer);
    int status = answer.status;
    rpc_fake_answer_deinit(&answer);
    return status;
}

void rpc_fake_start_commit(struct rpc_fake *fake, int socket, const char *transaction)
{
    struct ingot_buffer request = {0};
    ingot_buffer_format(&request, "GET /broadcast_tx_commit?tx=\"%s\" HTTP/1.1\r\nHost: x\r\n\r\n",
                        transaction);
    assert_true(rpc_fake_send(fake, socket, ingot_buffer_slice(&request)));
    ingot_buffer_deinit(&request);
}

struct metrics_rpc rpc_fake_counters(const struct rpc_fake *fake)
{
    struct metrics_rpc now;
    rpc_get_counters(fake->rpc, &now);
    return now;
}

static bool waiters_are(struct rpc_fake *fake, void *context)
{
    return rpc_fake_counters(fake).waiters == *(const uint64_t *)context;
}

void rpc_fake_await_waiters(struct rpc_fake *fake, uint64_t count)
{
    rpc_fake_run_until(fake, waiters_are, &count);
}

static bool connections_are(struct rpc_fake *fake, void *context)
{
    return rpc_fake_counters(fake).connections == *(const uint64_t *)context;
}

void rpc_fake_await_connections(struct rpc_fake *fake, uint64_t count)
{
    rpc_fake_run_until(fake, connections_are, &count);
}

static bool time_is(struct rpc_fake *fake, void *context)
{
    (void)fake;
    return clock_monotonic_us() >= *(const uint64_t *)context;
}

void rpc_fake_run_for(struct rpc_fake *fake, uint64_t duration_us)
{
    uint64_t end = clock_monotonic_us() + duration_us;
    rpc_fake_run_until(fake, time_is, &end);
}

static json_t *exchange(struct rpc_fake *fake, const struct ingot_buffer *request, int *status)
{
    struct rpc_fake_answer answer;
    int socket = rpc_fake_connect(fake);
    assert_true(socket >= 0);
    assert_true(rpc_fake_send(fake, socket, ingot_buffer_slice(request)));
    rpc_fake_receive(fake, socket, &answer);
    *status = answer.status;
    json_t *json = answer.body.size == 0 ? NULL
                                         : json_loadb((const char *)answer.body.data,
                                                      answer.body.size, JSON_DECODE_ANY, NULL);
    rpc_fake_answer_deinit(&answer);
    (void)close(socket);
    return json;
}

json_t *rpc_fake_get(struct rpc_fake *fake, const char *target, int *status)
{
    struct ingot_buffer request = {0};
    ingot_buffer_format(&request, "GET %s HTTP/1.1\r\nHost: x\r\n\r\n", target);
    json_t *json = exchange(fake, &request, status);
    ingot_buffer_deinit(&request);
    return json;
}

json_t *rpc_fake_post(struct rpc_fake *fake, const char *body, int *status)
{
    struct ingot_buffer request = {0};
    ingot_buffer_format(&request, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: %zu\r\n\r\n%s",
                        strlen(body), body);
    json_t *json = exchange(fake, &request, status);
    ingot_buffer_deinit(&request);
    return json;
}

const json_t *rpc_fake_find(const json_t *json, const char *path)
{
    char name[128];
    while (json != NULL && *path != '\0') {
        size_t size = strcspn(path, ".");
        assert_true(size < sizeof name);
        memcpy(name, path, size);
        name[size] = '\0';
        json = json_is_array(json) ? json_array_get(json, strtoul(name, NULL, 10))
                                   : json_object_get(json, name);
        path += size + (path[size] == '.' ? 1 : 0);
    }
    return json;
}

const char *rpc_fake_text_at(const json_t *json, const char *path)
{
    const char *text = json_string_value(rpc_fake_find(json, path));
    if (text == NULL) {
        char *dump = json_dumps(json, JSON_ENCODE_ANY);
        print_message("no string at %s in %s\n", path, dump);
        free(dump);
    }
    assert_non_null(text);
    return text;
}

json_t *rpc_fake_get_ok(struct rpc_fake *fake, const char *target)
{
    int status;
    json_t *json = rpc_fake_get(fake, target, &status);
    assert_int_equal(status, 200);
    assert_non_null(json);
    return json;
}

json_t *rpc_fake_post_ok(struct rpc_fake *fake, const char *body)
{
    int status;
    json_t *json = rpc_fake_post(fake, body, &status);
    assert_int_equal(status, 200);
    assert_non_null(json);
    return json;
}
