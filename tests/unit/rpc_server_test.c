/*
 * The listener under clients that are slow, many, rude or gone: real sockets on loopback, on the
 * listener's own loop, with deadlines made short.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "lib/rpc_fake.h"

#define HOST "Host: x\r\n"
#define HEALTH "GET /health HTTP/1.1\r\n" HOST "\r\n"

static struct rpc_fake fake;

static int set_up(void **state)
{
    (void)state;
    rpc_fake_init(&fake);
    fake.options.request_timeout_ms = 300;
    fake.options.idle_timeout_ms = 600;
    rpc_fake_listen(&fake);
    return 0;
}

static int set_up_patient(void **state)
{
    (void)state;
    rpc_fake_init(&fake);
    rpc_fake_listen(&fake);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    rpc_fake_deinit(&fake);
    return 0;
}

static int open_client(void)
{
    return rpc_fake_open(&fake);
}

static void send_text(int client, const char *text)
{
    assert_true(rpc_fake_send_text(&fake, client, text));
}

static int status_of_answer(int client)
{
    return rpc_fake_receive_status(&fake, client);
}

static struct metrics_rpc counters(void)
{
    return rpc_fake_counters(&fake);
}

static void refused_requests_get_a_status_and_the_connection_ends(void **state)
{
    static const struct {
        const char *why, *request;
        int status;
    } table[] = {
        {"a method that is not offered", "DELETE / HTTP/1.1\r\n" HOST "\r\n", 405},
        {"a length and a coding",
         "POST / HTTP/1.1\r\n" HOST "Content-Length: 30\r\nTransfer-Encoding: chunked\r\n\r\n"
         "0\r\n\r\nGET /health HTTP/1.1\r\n" HOST "\r\n",
         400},
        {"two lengths",
         "POST / HTTP/1.1\r\n" HOST "Content-Length: 2\r\nContent-Length: 30\r\n\r\n{}" HEALTH,
         400},
        {"a body above the limit", "POST / HTTP/1.1\r\n" HOST "Content-Length: 2097153\r\n\r\n",
         413},
        {"another protocol", "\x16\x03\x01", 400},
    };
    (void)state;
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        int client = open_client();
        print_message("%s\n", table[i].why);
        send_text(client, table[i].request);
        assert_int_equal(status_of_answer(client), table[i].status);
        assert_true(rpc_fake_is_closed(&fake, client));
        (void)close(client);
    }
    assert_int_equal(counters().bad_requests, sizeof table / sizeof table[0]);
    assert_int_equal(counters().calls, 0);
    rpc_fake_await_connections(&fake, 0);
}

static void unknown_paths_are_not_found_and_the_connection_goes_on(void **state)
{
    int client = open_client();
    (void)state;
    send_text(client, "GET /nope HTTP/1.1\r\n" HOST "\r\n");
    assert_int_equal(status_of_answer(client), 404);
    send_text(client, "POST /health HTTP/1.1\r\n" HOST "Content-Length: 2\r\n\r\n{}");
    assert_int_equal(status_of_answer(client), 404);
    send_text(client, HEALTH);
    assert_int_equal(status_of_answer(client), 200);
    (void)close(client);
}

static void a_header_above_the_limit_is_refused_while_it_arrives(void **state)
{
    int client = open_client();
    char line[1024];
    (void)state;
    memset(line, 'a', sizeof line);
    line[sizeof line - 1] = '\0';
    send_text(client, "GET / HTTP/1.1\r\nA: ");
    for (int i = 0; i < 17; i++) {
        send_text(client, line);
    }
    assert_int_equal(status_of_answer(client), 431);
    (void)close(client);
}

/* The answer is not lost, although the client goes on sending for a while. */
static void a_client_that_sends_too_much_still_reads_the_refusal(void **state)
{
    struct ingot_buffer body = {0};
    int client = open_client();
    (void)state;
    send_text(client, "POST / HTTP/1.1\r\n" HOST "Content-Length: 3000000\r\n\r\n");
    ingot_buffer_reserve(&body, 3000000);
    memset(body.data, 'x', 3000000);
    body.size = 3000000;
    assert_true(rpc_fake_send(&fake, client, ingot_buffer_slice(&body)));
    assert_int_equal(status_of_answer(client), 413);
    ingot_buffer_deinit(&body);
    (void)close(client);
}

static void a_request_one_byte_at_a_time_is_served(void **state)
{
    int client = open_client();
    (void)state;
    for (const char *byte = HEALTH; *byte != '\0'; byte++) {
        assert_true(rpc_fake_send(&fake, client, ingot_slice_of(byte, 1)));
    }
    assert_int_equal(status_of_answer(client), 200);
    (void)close(client);
}

/* Every byte is in time, but the request as a whole is not. */
static void a_request_that_trickles_is_ended_by_its_total_deadline(void **state)
{
    int client = open_client();
    uint64_t start = clock_monotonic_us();
    (void)state;
    send_text(client, "GET /health HTTP/1.1\r\nA: ");
    while (counters().timeouts == 0) {
        (void)rpc_fake_send(&fake, client, ingot_slice_of("x", 1));
        rpc_fake_run_for(&fake, 20000);
        assert_true(clock_monotonic_us() - start < 5000000);
    }
    assert_true(clock_monotonic_us() - start >= 290000);
    assert_int_equal(status_of_answer(client), 408);
    assert_true(rpc_fake_is_closed(&fake, client));
    (void)close(client);
    rpc_fake_await_connections(&fake, 0);
}

static void a_body_that_does_not_come_is_ended_by_the_same_deadline(void **state)
{
    int client = open_client();
    (void)state;
    send_text(client, "POST / HTTP/1.1\r\n" HOST "Content-Length: 10\r\n\r\n{}");
    assert_int_equal(status_of_answer(client), 408);
    (void)close(client);
}

static void a_connection_that_says_nothing_is_closed_after_the_idle_time(void **state)
{
    int silent = open_client();
    int after_one = open_client();
    (void)state;
    send_text(after_one, HEALTH);
    assert_int_equal(status_of_answer(after_one), 200);
    assert_true(rpc_fake_is_closed(&fake, silent));
    assert_true(rpc_fake_is_closed(&fake, after_one));
    rpc_fake_await_connections(&fake, 0);
    (void)close(silent);
    (void)close(after_one);
}

static void requests_of_one_connection_are_answered_in_order(void **state)
{
    int client = open_client();
    (void)state;
    send_text(client, "GET /status HTTP/1.1\r\n" HOST "\r\n"
                      "GET /nope HTTP/1.1\r\n" HOST "\r\n"
                      "GET /broadcast_tx_commit?tx=\"a=1\" HTTP/1.1\r\n" HOST "\r\n" HEALTH);
    assert_int_equal(status_of_answer(client), 200);
    assert_int_equal(status_of_answer(client), 404);
    rpc_fake_await_waiters(&fake, 1);
    rpc_fake_commit(&fake);
    assert_int_equal(status_of_answer(client), 200);
    assert_int_equal(status_of_answer(client), 200);
    (void)close(client);
}

static void hundreds_of_pipelined_requests_are_answered(void **state)
{
    int client = open_client();
    struct ingot_buffer requests = {0};
    (void)state;
    for (int i = 0; i < 500; i++) {
        ingot_buffer_format(&requests, HEALTH);
    }
    assert_true(rpc_fake_send(&fake, client, ingot_buffer_slice(&requests)));
    for (int i = 0; i < 500; i++) {
        assert_int_equal(status_of_answer(client), 200);
    }
    ingot_buffer_deinit(&requests);
    (void)close(client);
}

static void a_client_that_waits_for_continue_is_told_to(void **state)
{
    static const char body[] = "{\"id\":1,\"method\":\"health\"}";
    struct rpc_fake_answer answer;
    char head[200];
    int client = open_client();
    (void)state;
    (void)snprintf(head, sizeof head,
                   "POST / HTTP/1.1\r\n" HOST "Content-Length: %zu\r\nExpect: 100-continue\r\n\r\n",
                   strlen(body));
    send_text(client, head);
    assert_int_equal(status_of_answer(client), 100);
    send_text(client, body);
    rpc_fake_receive(&fake, client, &answer);
    assert_int_equal(answer.status, 200);
    assert_non_null(strstr((const char *)answer.body.data, "\"result\":{}"));
    rpc_fake_answer_deinit(&answer);
    (void)close(client);
}

static void connection_close_is_obeyed(void **state)
{
    int client = open_client();
    (void)state;
    send_text(client, "GET /health HTTP/1.1\r\n" HOST "Connection: close\r\n\r\n" HEALTH);
    assert_int_equal(status_of_answer(client), 200);
    assert_true(rpc_fake_is_closed(&fake, client));
    assert_int_equal(counters().requests, 1);
    (void)close(client);
}

static void a_client_that_ends_its_side_still_gets_its_answer(void **state)
{
    int client = open_client();
    (void)state;
    send_text(client, HEALTH);
    assert_int_equal(shutdown(client, SHUT_WR), 0);
    assert_int_equal(status_of_answer(client), 200);
    rpc_fake_await_connections(&fake, 0);
    (void)close(client);
}

static void a_taken_port_is_named(void **state)
{
    struct rpc_options options = fake.options;
    const struct rpc_backend backend = {0};
    char why[200] = "";
    char expected[64];
    (void)state;
    options.port = rpc_port(fake.rpc);
    assert_null(rpc_new(fake.base, &options, &fake.identity, &backend, why, sizeof why));
    (void)snprintf(expected, sizeof expected, "127.0.0.1 port %u", (unsigned)options.port);
    assert_non_null(strstr(why, expected));
    assert_non_null(strstr(why, "in use"));
}

static void metrics_are_served_as_prometheus_expects(void **state)
{
    struct rpc_fake_answer answer;
    int client = open_client();
    (void)state;
    send_text(client, "GET /metrics HTTP/1.1\r\n" HOST "\r\n");
    rpc_fake_receive(&fake, client, &answer);
    assert_int_equal(answer.status, 200);
    assert_non_null(
        strstr((const char *)answer.head.data, "Content-Type: text/plain; version=0.0.4"));
    assert_non_null(strstr((const char *)answer.body.data, "\ningot_rpc_connections 1\n"));
    rpc_fake_answer_deinit(&answer);
    (void)close(client);
}

#define WITH(setup, test) cmocka_unit_test_setup_teardown(test, setup, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH(set_up_patient, refused_requests_get_a_status_and_the_connection_ends),
        WITH(set_up, unknown_paths_are_not_found_and_the_connection_goes_on),
        WITH(set_up_patient, a_header_above_the_limit_is_refused_while_it_arrives),
        WITH(set_up_patient, a_client_that_sends_too_much_still_reads_the_refusal),
        WITH(set_up_patient, a_request_one_byte_at_a_time_is_served),
        WITH(set_up, a_request_that_trickles_is_ended_by_its_total_deadline),
        WITH(set_up, a_body_that_does_not_come_is_ended_by_the_same_deadline),
        WITH(set_up, a_connection_that_says_nothing_is_closed_after_the_idle_time),
        WITH(set_up_patient, requests_of_one_connection_are_answered_in_order),
        WITH(set_up_patient, hundreds_of_pipelined_requests_are_answered),
        WITH(set_up_patient, a_client_that_waits_for_continue_is_told_to),
        WITH(set_up_patient, connection_close_is_obeyed),
        WITH(set_up_patient, a_client_that_ends_its_side_still_gets_its_answer),
        WITH(set_up_patient, a_taken_port_is_named),
        WITH(set_up_patient, metrics_are_served_as_prometheus_expects),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
