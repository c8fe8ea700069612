/*
 * Calls to a node. Goal: whatever the other end does, a call ends in time with the right outcome
 * and a reason that names the node. Method: a server on a thread that plays one part for each
 * connection it accepts.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <pthread.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "cli/client.h"

/* What the server does on one connection: answers so many requests, then hangs up or waits. */
struct part {
    const char *answer;
    int requests;
    bool waits; /* keeps the connection open until the client closes it */
};

static struct server {
    int listener;
    struct endpoint endpoint;
    struct part parts[4];
    int part_count;
    int requests_seen;
    char last_request[4096];
    pthread_t thread;
} server;

/* Reads one request: head and as much body as its length says. False at the end. */
static bool read_request(int connection)
{
    size_t size = 0;
    char *text = server.last_request;
    for (;;) {
        ssize_t taken = recv(connection, text + size, sizeof server.last_request - 1 - size, 0);
        if (taken <= 0)
            return false;
        size += (size_t)taken;
        text[size] = '\0';
        const char *end = strstr(text, "\r\n\r\n");
        const char *length = strstr(text, "Content-Length: ");
        if (end != NULL && length != NULL &&
            strlen(end + 4) == strtoul(length + strlen("Content-Length: "), NULL, 10)) {
            server.requests_seen++;
            return true;
        }
    }
}

static void *serve(void *context)
{
    (void)context;
    for (int i = 0; i < server.part_count; i++) {
        const struct part *part = &server.parts[i];
        char byte;
        int connection = accept(server.listener, NULL, NULL);
        if (connection < 0)
            break;
        for (int j = 0; j < part->requests && read_request(connection); j++)
            (void)send(connection, part->answer, strlen(part->answer), MSG_NOSIGNAL);
        if (part->waits)
            while (recv(connection, &byte, 1, 0) > 0) {
            }
        (void)close(connection);
    }
    return NULL;
}

static void start(const struct part *parts, int count)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof address;
    memset(&server, 0, sizeof server);
    memcpy(server.parts, parts, (size_t)count * sizeof *parts);
    server.part_count = count;
    server.listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(server.listener, (struct sockaddr *)&address, size), 0);
    assert_int_equal(listen(server.listener, 4), 0);
    assert_int_equal(getsockname(server.listener, (struct sockaddr *)&address, &size), 0);
    server.endpoint = (struct endpoint){.host = "127.0.0.1", .port = ntohs(address.sin_port)};
    assert_int_equal(pthread_create(&server.thread, NULL, serve, NULL), 0);
}

static void stop(struct client *client)
{
    client_deinit(client);
    assert_int_equal(pthread_join(server.thread, NULL), 0);
    (void)close(server.listener);
}

#define OK_ANSWER                                                                                  \
    "HTTP/1.1 200 OK\r\nContent-Length: "                                                          \
    "41\r\n\r\n{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{\"a\":1}}"
#define ERROR_ANSWER                                                                               \
    "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n"                                                 \
    "{\"id\":1,\"error\":{\"code\":-32603,\"message\":\"Internal error\",\"data\":\"no room\"}}"

static enum client_outcome call(struct client *client, uint32_t timeout_ms, json_t **result)
{
    return client_call(client, "status", NULL, timeout_ms, result);
}

static void calls_share_a_connection(void **state)
{
    (void)state;
    const struct part parts[] = {{OK_ANSWER, 2, true}};
    struct client client;
    json_t *result;
    start(parts, 1);
    assert_true(client_init(&client, &server.endpoint));
    for (int i = 0; i < 2; i++) {
        if (call(&client, 5000, &result) != CLIENT_OK)
            fail_msg("%s", client.why);
        assert_int_equal(client_u64(result, "a"), 1);
        json_decref(result);
    }
    stop(&client);
    assert_int_equal(server.requests_seen, 2);
    assert_non_null(strstr(server.last_request, "\"method\":\"status\""));
}

static void a_connection_that_died_while_idle_is_made_again(void **state)
{
    (void)state;
    const struct part parts[] = {{OK_ANSWER, 1, false}, {OK_ANSWER, 1, true}};
    struct client client;
    json_t *result;
    start(parts, 2);
    assert_true(client_init(&client, &server.endpoint));
    for (int i = 0; i < 2; i++) {
        if (call(&client, 5000, &result) != CLIENT_OK)
            fail_msg("%s", client.why);
        json_decref(result);
    }
    stop(&client);
}

static void a_connection_that_dies_under_a_call_is_a_failure(void **state)
{
    (void)state;
    const struct part parts[] = {{"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n{", 1, false}};
    struct client client;
    json_t *result;
    start(parts, 1);
    assert_true(client_init(&client, &server.endpoint));
    assert_int_equal(call(&client, 5000, &result), CLIENT_UNREACHABLE);
    assert_null(result);
    assert_non_null(strstr(client.why, "the connection ended in the middle of it"));
    stop(&client);
}

static void an_error_of_the_node_is_told(void **state)
{
    (void)state;
    const struct part parts[] = {{ERROR_ANSWER, 1, false}};
    struct client client;
    json_t *result;
    start(parts, 1);
    assert_true(client_init(&client, &server.endpoint));
    assert_int_equal(call(&client, 5000, &result), CLIENT_REFUSED);
    assert_non_null(strstr(client.why, "127.0.0.1:"));
    assert_non_null(strstr(client.why, "refused: no room"));
    stop(&client);
}

static void something_that_is_no_node_is_told(void **state)
{
    (void)state;
    static const struct {
        const char *answer;
        enum client_outcome outcome;
        const char *why;
    } rows[] = {
        {"HTTP/1.1 404 Not Found\r\nContent-Length: 9\r\n\r\nNot Found", CLIENT_NOT_UNDERSTOOD,
         "HTTP status 404"},
        {"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\n<html>", CLIENT_NOT_UNDERSTOOD, "not JSON"},
        {"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}", CLIENT_NOT_UNDERSTOOD,
         "neither a result nor an error"},
        {"220 mail.example.org ESMTP\r\n", CLIENT_UNREACHABLE, "it is not an HTTP/1.1 answer"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        const struct part parts[] = {{rows[i].answer, 1, false}};
        struct client client;
        json_t *result;
        start(parts, 1);
        assert_true(client_init(&client, &server.endpoint));
        assert_int_equal(call(&client, 5000, &result), rows[i].outcome);
        if (strstr(client.why, rows[i].why) == NULL)
            fail_msg("expected '%s' in: %s", rows[i].why, client.why);
        stop(&client);
    }
}

static void a_node_that_does_not_answer_is_not_waited_for_longer_than_said(void **state)
{
    (void)state;
    const struct part parts[] = {{"", 1, true}};
    struct client client;
    json_t *result;
    start(parts, 1);
    assert_true(client_init(&client, &server.endpoint));
    uint64_t start_us = clock_monotonic_us();
    assert_int_equal(call(&client, 100, &result), CLIENT_TIMEOUT);
    uint64_t waited_us = clock_monotonic_us() - start_us;
    assert_true(waited_us >= 100 * 1000);
    assert_true(waited_us < 5000 * 1000);
    assert_non_null(strstr(client.why, "no answer within 100 ms"));
    stop(&client);
}

static void a_closed_port_is_told(void **state)
{
    (void)state;
    const struct part parts[] = {{OK_ANSWER, 1, false}};
    struct client client;
    json_t *result;
    start(parts, 1);
    assert_true(client_init(&client, &server.endpoint));
    if (call(&client, 5000, &result) != CLIENT_OK)
        fail_msg("%s", client.why);
    json_decref(result);
    stop(&client);
    assert_true(client_init(&client, &server.endpoint));
    assert_int_equal(call(&client, 5000, &result), CLIENT_UNREACHABLE);
    assert_non_null(strstr(client.why, "Connection refused"));
    client_deinit(&client);
}

static void members_are_read_in_the_dialects_forms(void **state)
{
    (void)state;
    json_t *object = json_loads("{\"a\":{\"b\":\"12\",\"c\":7,\"d\":\"x\",\"e\":-1,\"f\":\"\","
                                "\"g\":\"18446744073709551616\",\"h\":\"YWI=\",\"i\":null,"
                                "\"j\":\"YW\"}}",
                                0, NULL);
    struct ingot_buffer bytes = {0};
    assert_int_equal(client_u64(object, "a.b"), 12);
    assert_int_equal(client_u64(object, "a.c"), 7);
    assert_int_equal(client_u64(object, "a.d"), 0);
    assert_int_equal(client_u64(object, "a.e"), 0);
    assert_int_equal(client_u64(object, "a.f"), 0);
    assert_int_equal(client_u64(object, "a.g"), 0);
    assert_int_equal(client_u64(object, "a.b.c"), 0);
    assert_string_equal(client_text(object, "a.d"), "x");
    assert_string_equal(client_text(object, "a.none"), "");
    assert_true(client_bytes(object, "a.h", &bytes));
    assert_true(ingot_slice_equal(ingot_buffer_slice(&bytes), ingot_slice_of_text("ab")));
    assert_true(client_bytes(object, "a.i", &bytes));
    assert_int_equal(bytes.size, 2);
    assert_false(client_bytes(object, "a.j", &bytes));
    assert_false(client_bytes(object, "a.c", &bytes));
    ingot_buffer_deinit(&bytes);
    json_decref(object);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(calls_share_a_connection),
        cmocka_unit_test(a_connection_that_died_while_idle_is_made_again),
        cmocka_unit_test(a_connection_that_dies_under_a_call_is_a_failure),
        cmocka_unit_test(an_error_of_the_node_is_told),
        cmocka_unit_test(something_that_is_no_node_is_told),
        cmocka_unit_test(a_node_that_does_not_answer_is_not_waited_for_longer_than_said),
        cmocka_unit_test(a_closed_port_is_told),
        cmocka_unit_test(members_are_read_in_the_dialects_forms),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
