/*
 * The listener under many clients at once: connections, calls that wait, answers that nobody
 * reads.
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

static int set_up_with_four_connections(void **state)
{
    (void)state;
    rpc_fake_init(&fake);
    fake.options.connections_max = 4;
    rpc_fake_listen(&fake);
    return 0;
}

static int set_up_for_few_waiters(void **state)
{
    (void)state;
    rpc_fake_init(&fake);
    fake.options.commit_timeout_ms = 300;
    fake.options.waiters_max = 8;
    rpc_fake_listen(&fake);
    return 0;
}

static int set_up_for_little_output(void **state)
{
    (void)state;
    rpc_fake_init(&fake);
    fake.options.output_bytes_max = 8 * 1024 * 1024;
    rpc_fake_listen(&fake);
    return 0;
}

static int set_up(void **state)
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

static void three_hundred_connections_do_not_take_more_than_their_share(void **state)
{
    int clients[300];
    uint64_t most = 0;
    uint32_t served = 0;
    (void)state;
    for (size_t i = 0; i < 300; i++) {
        clients[i] = open_client();
        send_text(clients[i], HEALTH);
        uint64_t now = counters().connections;
        most = now > most ? now : most;
    }
    assert_true(most <= INGOT_RPC_CONNECTIONS_MAX);
    /* Each that is served leaves, and so makes room for those that wait. */
    for (size_t i = 0; i < 300; i++) {
        served += status_of_answer(clients[i]) == 200 ? 1 : 0;
        (void)close(clients[i]);
    }
    assert_int_equal(served, 300);
    rpc_fake_await_connections(&fake, 0);
}

static void the_longest_idle_connection_makes_room_for_a_new_one(void **state)
{
    int idle[4];
    (void)state;
    for (int i = 0; i < 4; i++) {
        idle[i] = open_client();
        send_text(idle[i], HEALTH);
        assert_int_equal(status_of_answer(idle[i]), 200);
    }
    int client = open_client();
    send_text(client, HEALTH);
    assert_int_equal(status_of_answer(client), 200);
    assert_true(counters().connections <= 4);
    assert_true(rpc_fake_is_closed(&fake, idle[0]));
    for (int i = 0; i < 4; i++) {
        (void)close(idle[i]);
    }
    (void)close(client);
}

static void busy_connections_are_not_ended_for_new_ones(void **state)
{
    int busy[4];
    char transaction[] = "a=0";
    (void)state;
    for (int i = 0; i < 4; i++) {
        busy[i] = open_client();
        transaction[2] = (char)('0' + i);
        rpc_fake_start_commit(&fake, busy[i], transaction);
    }
    rpc_fake_await_waiters(&fake, 4);
    int late = open_client();
    send_text(late, HEALTH);
    rpc_fake_commit(&fake);
    for (int i = 0; i < 4; i++) {
        assert_int_equal(status_of_answer(busy[i]), 200);
        (void)close(busy[i]);
    }
    assert_int_equal(status_of_answer(late), 200);
    (void)close(late);
}

/* --- Calls that wait --- */

static void a_commit_is_reported_to_who_waits_for_it(void **state)
{
    struct rpc_fake_answer answer;
    int first = open_client();
    int second = open_client();
    (void)state;
    rpc_fake_start_commit(&fake, first, "a=1");
    rpc_fake_start_commit(&fake, second, "b=2");
    rpc_fake_await_waiters(&fake, 2);
    rpc_fake_commit(&fake);
    assert_int_equal(counters().waiters, 0);
    rpc_fake_receive(&fake, second, &answer);
    json_t *json = json_loads((const char *)answer.body.data, 0, NULL);
    assert_string_equal(rpc_fake_text_at(json, "result.height"), "1");
    /* The result's data is the number of the transaction in its block. */
    assert_string_equal(rpc_fake_text_at(json, "result.tx_result.data"), "AQAAAA==");
    json_decref(json);
    rpc_fake_answer_deinit(&answer);
    assert_int_equal(status_of_answer(first), 200);
    (void)close(first);
    (void)close(second);
}

static void a_commit_that_does_not_come_is_given_up(void **state)
{
    struct rpc_fake_answer answer;
    int client = open_client();
    (void)state;
    rpc_fake_start_commit(&fake, client, "a=1");
    rpc_fake_receive(&fake, client, &answer);
    assert_int_equal(answer.status, 500);
    assert_non_null(strstr((const char *)answer.body.data,
                           "timed out waiting for tx to be included in a block"));
    assert_int_equal(counters().waiters, 0);
    rpc_fake_commit(&fake); /* later: nobody is waiting any more */
    rpc_fake_answer_deinit(&answer);
    (void)close(client);
}

static void a_client_that_is_gone_does_not_wait(void **state)
{
    int clients[3];
    char transaction[] = "a=0";
    (void)state;
    for (int i = 0; i < 3; i++) {
        clients[i] = open_client();
        transaction[2] = (char)('0' + i);
        rpc_fake_start_commit(&fake, clients[i], transaction);
    }
    rpc_fake_await_waiters(&fake, 3);
    (void)close(clients[1]);
    rpc_fake_await_waiters(&fake, 2);
    rpc_fake_commit(&fake);
    assert_int_equal(status_of_answer(clients[0]), 200);
    assert_int_equal(status_of_answer(clients[2]), 200);
    (void)close(clients[0]);
    (void)close(clients[2]);
    rpc_fake_await_connections(&fake, 0);
}

static void more_waiting_calls_than_allowed_are_told_so(void **state)
{
    struct rpc_fake_answer answer;
    struct ingot_buffer request = {0};
    struct ingot_buffer body = {0};
    int client = open_client();
    (void)state;
    for (int i = 0; i < 9; i++) {
        /* YT0w is a=0, and so on up to a=8. */
        ingot_buffer_format(&body,
                            "%c{\"id\":%d,\"method\":\"broadcast_tx_commit\","
                            "\"params\":{\"tx\":\"YT0%c\"}}",
                            i == 0 ? '[' : ',', i, "wxyz01234"[i]);
    }
    ingot_buffer_format(&body, "]");
    ingot_buffer_format(&request, "POST / HTTP/1.1\r\n" HOST "Content-Length: %zu\r\n\r\n%.*s",
                        body.size, (int)body.size, (const char *)body.data);
    assert_true(rpc_fake_send(&fake, client, ingot_buffer_slice(&request)));
    rpc_fake_await_waiters(&fake, 8);
    rpc_fake_commit(&fake);
    rpc_fake_receive(&fake, client, &answer);
    json_t *json = json_loads((const char *)answer.body.data, 0, NULL);
    for (int i = 0; i < 8; i++) {
        assert_non_null(json_object_get(json_array_get(json, (size_t)i), "result"));
    }
    assert_string_equal(rpc_fake_text_at(json, "8.error.data"),
                        "too many calls wait for a commit, retry later");
    json_decref(json);
    rpc_fake_answer_deinit(&answer);
    ingot_buffer_deinit(&request);
    ingot_buffer_deinit(&body);
    (void)close(client);
}

static void the_listener_can_end_while_calls_wait(void **state)
{
    int client = open_client();
    (void)state;
    rpc_fake_start_commit(&fake, client, "a=1");
    rpc_fake_await_waiters(&fake, 1);
    rpc_free(fake.rpc);
    fake.rpc = NULL;
    assert_true(rpc_fake_is_closed(&fake, client));
    (void)close(client);
}

/* --- Output --- */

/* Makes a block whose answer is of several megabytes. */
static void commit_big_block(void)
{
    size_t size = 3 * 1024 * 1024;
    ingot_buffer_append_u32(&fake.pending, (uint32_t)size);
    ingot_buffer_reserve(&fake.pending, size);
    memset(fake.pending.data + fake.pending.size, 'x', size);
    fake.pending.size += size;
    fake.pending_count = 1;
    rpc_fake_commit(&fake);
}

static void answers_that_nobody_reads_are_bounded(void **state)
{
    int clients[24];
    uint32_t served = 0;
    uint32_t refused = 0;
    (void)state;
    commit_big_block();
    for (int i = 0; i < 24; i++) {
        clients[i] = open_client();
        send_text(clients[i], "GET /block HTTP/1.1\r\n" HOST "\r\n");
    }
    assert_true(counters().output_bytes <= (8 + 5) * 1024 * 1024);
    for (int i = 0; i < 24; i++) {
        int status = status_of_answer(clients[i]);
        served += status == 200 ? 1 : 0;
        refused += status == 503 ? 1 : 0;
        (void)close(clients[i]);
    }
    assert_true(served >= 4);
    assert_true(refused >= 1);
    assert_int_equal(served + refused, 24);
    rpc_fake_await_connections(&fake, 0);
    assert_int_equal(counters().output_bytes, 0);
}

/* It asks again and again and never reads: it is not served beyond a bound. */
static void a_client_that_pipelines_without_reading_is_paused(void **state)
{
    struct ingot_buffer requests = {0};
    int client = open_client();
    (void)state;
    commit_big_block();
    for (int i = 0; i < 100; i++) {
        ingot_buffer_format(&requests, "GET /block HTTP/1.1\r\n" HOST "\r\n");
    }
    assert_true(rpc_fake_send(&fake, client, ingot_buffer_slice(&requests)));
    rpc_fake_run_for(&fake, 200000);
    assert_true(counters().requests < 5);
    assert_true(counters().output_bytes < 16 * 1024 * 1024);
    (void)close(client);
    rpc_fake_await_connections(&fake, 0);
    assert_int_equal(counters().output_bytes, 0);
    ingot_buffer_deinit(&requests);
}

static void many_half_sent_bodies_do_not_keep_small_requests_out(void **state)
{
    struct ingot_buffer body = {0};
    int clients[12];
    (void)state;
    ingot_buffer_reserve(&body, 2000000);
    memset(body.data, ' ', 2000000);
    body.size = 2000000;
    for (int i = 0; i < 12; i++) {
        clients[i] = open_client();
        send_text(clients[i], "POST / HTTP/1.1\r\n" HOST "Content-Length: 2000001\r\n\r\n");
        (void)rpc_fake_send(&fake, clients[i], ingot_buffer_slice(&body));
    }
    /* 24 MB were sent, 16 MiB are held: the last ones have been refused. */
    assert_int_equal(status_of_answer(clients[11]), 503);
    int client = open_client();
    send_text(client, "POST / HTTP/1.1\r\n" HOST
                      "Content-Length: 26\r\n\r\n{\"id\":1,\"method\":\"health\"}");
    assert_int_equal(status_of_answer(client), 200);
    (void)close(client);
    for (int i = 0; i < 12; i++) {
        (void)close(clients[i]);
    }
    ingot_buffer_deinit(&body);
}

#define WITH(setup, test) cmocka_unit_test_setup_teardown(test, setup, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH(set_up, three_hundred_connections_do_not_take_more_than_their_share),
        WITH(set_up_with_four_connections, the_longest_idle_connection_makes_room_for_a_new_one),
        WITH(set_up_with_four_connections, busy_connections_are_not_ended_for_new_ones),
        WITH(set_up, a_commit_is_reported_to_who_waits_for_it),
        WITH(set_up_for_few_waiters, a_commit_that_does_not_come_is_given_up),
        WITH(set_up, a_client_that_is_gone_does_not_wait),
        WITH(set_up_for_few_waiters, more_waiting_calls_than_allowed_are_told_so),
        WITH(set_up, the_listener_can_end_while_calls_wait),
        WITH(set_up_for_little_output, answers_that_nobody_reads_are_bounded),
        WITH(set_up, a_client_that_pipelines_without_reading_is_paused),
        WITH(set_up, many_half_sent_bodies_do_not_keep_small_requests_out),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
