/*
 * POST /transactions when there is much of it: where there is no room, how much of the loop's time
 * clients may have, and what becomes of those who go.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/rpc_packed.h"

/* What one turn of the loop has room for, by rpc_turn.c. */
#define TURN_WORK 512

static struct rpc_fake fake;

static int set_up(void **state)
{
    (void)state;
    rpc_fake_init(&fake);
    fake.has_digests = true;
    rpc_fake_listen(&fake);
    return 0;
}

static int set_up_for_few(void **state)
{
    (void)state;
    rpc_fake_init(&fake);
    fake.has_digests = true;
    fake.options.submitted_max = 4;
    rpc_fake_listen(&fake);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    rpc_fake_deinit(&fake);
    return 0;
}

static struct metrics_rpc counters(void)
{
    return rpc_fake_counters(&fake);
}

/* --- No room. --- */

static void once_there_is_no_room_the_rest_is_not_looked_at(void **state)
{
    const char *const transactions[] = {"a=1", "b=1", "c=1", "a=1", "no equals sign"};
    int client = rpc_fake_open(&fake);
    (void)state;
    fake.pending_max = 2;
    rpc_packed_post_texts(&fake, client, transactions, 5);
    rpc_packed_await(&fake, 2);
    assert_int_equal(fake.submissions, 3);
    rpc_fake_commit(&fake);
    struct rpc_fake_answer answer = rpc_packed_receive(&fake, client, 5);
    rpc_packed_assert(&answer, 0, RPC_TRANSACTION_COMMITTED, 1);
    rpc_packed_assert(&answer, 1, RPC_TRANSACTION_COMMITTED, 1);
    for (uint32_t i = 2; i < 5; i++) {
        rpc_packed_assert(&answer, i, RPC_TRANSACTION_FULL, 0);
    }
    rpc_fake_answer_deinit(&answer);
    (void)close(client);
}

static void a_request_without_any_room_is_told_to_come_back(void **state)
{
    struct ingot_buffer body = {0};
    struct rpc_fake_answer answer;
    int client = rpc_fake_open(&fake);
    (void)state;
    fake.submit_error = INGOT_ERROR_FULL;
    rpc_packed_many(&body, "a", 100);
    rpc_packed_post(&fake, client, &body);
    rpc_fake_receive(&fake, client, &answer);
    assert_int_equal(answer.status, 503);
    assert_non_null(strstr((const char *)answer.head.data, "\r\nRetry-After: "));
    assert_non_null(strstr((const char *)answer.head.data, "\r\nConnection: keep-alive"));
    assert_non_null(strstr((const char *)answer.body.data, "mempool is full, retry later"));
    assert_int_equal(fake.submissions, 1);
    fake.submit_error = INGOT_OK;
    fake.commits_at_once = true;
    rpc_packed_post_text(&fake, client, "a=1");
    rpc_packed_assert_all(&fake, client, 1, RPC_TRANSACTION_COMMITTED, 1);
    rpc_fake_answer_deinit(&answer);
    (void)close(client);
}

static void so_many_transactions_may_wait_and_no_more(void **state)
{
    struct ingot_buffer body = {0};
    int first = rpc_fake_open(&fake);
    int second = rpc_fake_open(&fake);
    (void)state;
    rpc_packed_many(&body, "a", 3);
    rpc_packed_post(&fake, first, &body);
    rpc_packed_await(&fake, 3);
    rpc_packed_many(&body, "b", 2);
    rpc_packed_post(&fake, second, &body);
    rpc_packed_assert_refused(&fake, second, 503,
                              "too many transactions wait for a commit, retry later");
    rpc_fake_commit(&fake);
    rpc_packed_assert_all(&fake, first, 3, RPC_TRANSACTION_COMMITTED, 1);
    rpc_packed_many(&body, "b", 4);
    rpc_packed_post(&fake, second, &body);
    rpc_packed_await(&fake, 4);
    rpc_fake_commit(&fake);
    rpc_packed_assert_all(&fake, second, 4, RPC_TRANSACTION_COMMITTED, 2);
    (void)close(first);
    (void)close(second);
}

/* 40 bodies of a megabyte: more than all bodies together may take while they are read. */
static void what_waits_holds_no_bodies(void **state)
{
    enum { CLIENTS = 40, SIZE = 1000000 };
    int clients[CLIENTS];
    uint8_t *bytes = malloc(SIZE);
    (void)state;
    assert_non_null(bytes);
    memset(bytes, '=', SIZE);
    fake.genesis.transaction_bytes_max = SIZE;
    for (int i = 0; i < CLIENTS; i++) {
        struct ingot_buffer body = {0};
        clients[i] = rpc_fake_open(&fake);
        bytes[0] = (uint8_t)i;
        rpc_packed_add(&body, ingot_slice_of(bytes, SIZE));
        rpc_packed_post(&fake, clients[i], &body);
        rpc_packed_await(&fake, (uint64_t)i + 1);
    }
    rpc_fake_commit(&fake);
    for (int i = 0; i < CLIENTS; i++) {
        rpc_packed_assert_all(&fake, clients[i], 1, RPC_TRANSACTION_COMMITTED, 1);
        (void)close(clients[i]);
    }
    free(bytes);
}

/* --- Turns of the loop. --- */

/* One turn of the loop, which waits for nothing. */
static void turn(void)
{
    (void)event_base_loop(fake.base, EVLOOP_ONCE | EVLOOP_NONBLOCK);
}

/* Turns until the first part of a request is admitted. */
static void run_until_begun(void)
{
    const uint32_t before = fake.submissions;
    for (int i = 0; i < 1000 && fake.submissions == before; i++) {
        turn();
    }
    assert_true(fake.submissions > before);
}

/* Sends a large request without letting the loop work, so that the turns can be looked at. */
static int post_unseen(const char *name, uint32_t count)
{
    struct ingot_buffer request = {0};
    struct ingot_buffer body = {0};
    int client = rpc_fake_open(&fake);
    rpc_packed_many(&body, name, count);
    ingot_buffer_format(&request,
                        "POST /transactions HTTP/1.1\r\nHost: x\r\nContent-Length: %zu\r\n\r\n",
                        body.size);
    ingot_buffer_append_slice(&request, ingot_buffer_slice(&body));
    assert_int_equal(write(client, request.data, request.size), (ssize_t)request.size);
    ingot_buffer_deinit(&request);
    ingot_buffer_deinit(&body);
    return client;
}

static void all_clients_together_have_a_part_of_each_turn(void **state)
{
    enum { CLIENTS = 8, COUNT = 400 };
    int clients[CLIENTS];
    uint32_t most = 0;
    uint32_t turns = 0;
    (void)state;
    for (uint32_t i = 0; i < CLIENTS; i++) {
        char name[] = "a";
        name[0] = (char)('a' + i);
        clients[i] = post_unseen(name, COUNT);
    }
    for (uint32_t before = 0; fake.submissions < CLIENTS * COUNT; before = fake.submissions) {
        turn();
        most = fake.submissions - before > most ? fake.submissions - before : most;
        if (++turns == 1000) {
            fail_msg("%u turns, %u transactions", turns, fake.submissions);
        }
    }
    assert_in_range(most, TURN_WORK / 2, TURN_WORK);
    rpc_fake_commit(&fake);
    for (uint32_t i = 0; i < CLIENTS; i++) {
        rpc_packed_assert_all(&fake, clients[i], COUNT, RPC_TRANSACTION_COMMITTED, 1);
        (void)close(clients[i]);
    }
}

/* Transactions at the front are committed while those behind are not even looked at. */
static void a_block_may_be_committed_in_the_middle_of_admission(void **state)
{
    enum { COUNT = 3 * TURN_WORK };
    int client = post_unseen("a", COUNT);
    (void)state;
    run_until_begun();
    const uint32_t first = fake.submissions;
    assert_in_range(first, 1, TURN_WORK);
    rpc_fake_commit(&fake);
    assert_int_equal(counters().awaited, 0);
    rpc_packed_await(&fake, COUNT - first);
    rpc_fake_commit(&fake);
    struct rpc_fake_answer answer = rpc_packed_receive(&fake, client, COUNT);
    for (uint32_t i = 0; i < COUNT; i++) {
        rpc_packed_assert(&answer, i, RPC_TRANSACTION_COMMITTED, i < first ? 1 : 2);
    }
    rpc_fake_answer_deinit(&answer);
    (void)close(client);
}

/* Method calls have the same bound, however many requests are pipelined. */
static void calls_have_a_part_of_each_turn_too(void **state)
{
    enum { REQUESTS = 200 };
    struct ingot_buffer requests = {0};
    int client = rpc_fake_open(&fake);
    uint64_t most = 0;
    uint32_t turns = 0;
    (void)state;
    for (int i = 0; i < REQUESTS; i++) {
        ingot_buffer_format(&requests, "GET /health HTTP/1.1\r\nHost: x\r\n\r\n");
    }
    assert_int_equal(write(client, requests.data, requests.size), (ssize_t)requests.size);
    for (uint64_t before = 0; counters().requests < REQUESTS; before = counters().requests) {
        turn();
        const uint64_t served = counters().requests - before;
        most = served > most ? served : most;
        assert_true(++turns < 1000);
    }
    assert_in_range(most, 10, TURN_WORK / 8);
    ingot_buffer_deinit(&requests);
    (void)close(client);
}

/* --- Clients and nodes that end. --- */

static void a_client_that_is_gone_waits_for_nothing(void **state)
{
    struct ingot_buffer body = {0};
    int gone = rpc_fake_open(&fake);
    int stays = rpc_fake_open(&fake);
    (void)state;
    rpc_packed_many(&body, "a", 3);
    rpc_packed_post(&fake, gone, &body);
    rpc_packed_await(&fake, 3);
    rpc_packed_post_text(&fake, stays, "b=1");
    rpc_packed_await(&fake, 4);
    (void)close(gone);
    rpc_packed_await(&fake, 1);
    rpc_fake_commit(&fake);
    rpc_packed_assert_all(&fake, stays, 1, RPC_TRANSACTION_COMMITTED, 1);
    (void)close(stays);
    rpc_fake_await_connections(&fake, 0);
}

static void a_client_may_be_gone_in_the_middle_of_admission(void **state)
{
    int client = post_unseen("a", 3 * TURN_WORK);
    (void)state;
    run_until_begun();
    assert_true(fake.submissions < 3 * TURN_WORK);
    (void)close(client);
    rpc_fake_await_connections(&fake, 0);
    assert_int_equal(counters().awaited, 0);
    assert_true(fake.submissions < 3 * TURN_WORK); /* nobody asks for the rest */
    rpc_fake_commit(&fake);
}

static void the_listener_may_end_while_transactions_wait(void **state)
{
    int waits = rpc_fake_open(&fake);
    (void)state;
    rpc_packed_post_text(&fake, waits, "b=1");
    rpc_packed_await(&fake, 1);
    int admitted = post_unseen("a", 3 * TURN_WORK);
    run_until_begun();
    assert_true(fake.submissions < 3 * TURN_WORK);
    rpc_free(fake.rpc);
    fake.rpc = NULL;
    assert_true(rpc_fake_is_closed(&fake, waits));
    (void)close(waits);
    (void)close(admitted);
}

#define WITH(setup, test) cmocka_unit_test_setup_teardown(test, setup, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH(set_up, once_there_is_no_room_the_rest_is_not_looked_at),
        WITH(set_up, a_request_without_any_room_is_told_to_come_back),
        WITH(set_up_for_few, so_many_transactions_may_wait_and_no_more),
        WITH(set_up, what_waits_holds_no_bodies),
        WITH(set_up, all_clients_together_have_a_part_of_each_turn),
        WITH(set_up, a_block_may_be_committed_in_the_middle_of_admission),
        WITH(set_up, calls_have_a_part_of_each_turn_too),
        WITH(set_up, a_client_that_is_gone_waits_for_nothing),
        WITH(set_up, a_client_may_be_gone_in_the_middle_of_admission),
        WITH(set_up, the_listener_may_end_while_transactions_wait),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
