/*
 * POST /transactions: what each transaction of a request is told, and which requests are refused as
 * a whole.
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

#include "base/hex.h"
#include "lib/rpc_packed.h"

static struct rpc_fake fake;

static int set_up(void **state)
{
    (void)state;
    rpc_fake_init(&fake);
    fake.has_digests = true;
    rpc_fake_listen(&fake);
    return 0;
}

static int set_up_impatient(void **state)
{
    (void)state;
    rpc_fake_init(&fake);
    fake.has_digests = true;
    fake.options.commit_timeout_ms = 300;
    rpc_fake_listen(&fake);
    return 0;
}

static int set_up_with_blocks(void **state)
{
    (void)state;
    rpc_fake_init_with_blocks(&fake);
    fake.has_digests = true;
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

static void append_hex(struct ingot_buffer *bytes, const char *digits)
{
    const size_t size = strlen(digits) / 2;
    ingot_buffer_reserve(bytes, size + 1);
    assert_true(hex_decode(ingot_slice_of_text(digits), bytes->data + bytes->size, size));
    bytes->size += size;
}

/* --- What becomes of transactions. --- */

/* With the digests that the node keeps of a block, and without. */
static void each_transaction_has_its_own_status(bool has_digests)
{
    const char *const transactions[] = {
        "a=1", "bad=1", "no equals sign",
        "a=1", "old=1", "this=is more than forty bytes of transaction",
        "b=2"};
    fake.has_digests = has_digests;
    fake.genesis.transaction_bytes_max = 40;
    rpc_fake_submit(&fake, "old=1");
    rpc_fake_commit(&fake);
    int client = rpc_fake_open(&fake);
    rpc_packed_post_texts(&fake, client, transactions, 7);
    rpc_packed_await(&fake, 3);
    rpc_fake_commit(&fake);
    struct rpc_fake_answer answer = rpc_packed_receive(&fake, client, 7);
    rpc_packed_assert(&answer, 0, RPC_TRANSACTION_COMMITTED, 2);
    rpc_packed_assert(&answer, 1, RPC_TRANSACTION_FAILED, 2);
    rpc_packed_assert(&answer, 2, RPC_TRANSACTION_REFUSED, 0);
    rpc_packed_assert(&answer, 3, RPC_TRANSACTION_KNOWN, 0);
    rpc_packed_assert(&answer, 4, RPC_TRANSACTION_KNOWN, 0);
    rpc_packed_assert(&answer, 5, RPC_TRANSACTION_TOO_LARGE, 0);
    rpc_packed_assert(&answer, 6, RPC_TRANSACTION_COMMITTED, 2);
    rpc_fake_answer_deinit(&answer);
    (void)close(client);
}

static void each_transaction_is_told_what_became_of_it(void **state)
{
    (void)state;
    each_transaction_has_its_own_status(true);
}

static void digests_that_the_node_does_not_keep_are_taken_again(void **state)
{
    (void)state;
    each_transaction_has_its_own_status(false);
}

static void transactions_of_one_request_may_be_in_different_blocks(void **state)
{
    struct ingot_buffer body = {0};
    int client = rpc_fake_open(&fake);
    (void)state;
    rpc_packed_many(&body, "a", 3);
    rpc_packed_post(&fake, client, &body);
    rpc_packed_await(&fake, 3);
    /* The block has the first alone, and one of somebody else. */
    struct ingot_buffer rest = fake.pending;
    const size_t first = 4 + strlen("a0=1");
    fake.pending = (struct ingot_buffer){0};
    ingot_buffer_append(&fake.pending, rest.data, first);
    fake.pending_count = 1;
    rpc_fake_submit(&fake, "else=1");
    rpc_fake_commit(&fake);
    assert_int_equal(counters().awaited, 2);
    ingot_buffer_append(&fake.pending, rest.data + first, rest.size - first);
    fake.pending_count = 2;
    ingot_buffer_deinit(&rest);
    rpc_fake_commit(&fake);
    struct rpc_fake_answer answer = rpc_packed_receive(&fake, client, 3);
    rpc_packed_assert(&answer, 0, RPC_TRANSACTION_COMMITTED, 1);
    rpc_packed_assert(&answer, 1, RPC_TRANSACTION_COMMITTED, 2);
    rpc_packed_assert(&answer, 2, RPC_TRANSACTION_COMMITTED, 2);
    rpc_fake_answer_deinit(&answer);
    (void)close(client);
}

static void what_is_committed_within_its_submission_is_answered(void **state)
{
    struct ingot_buffer body = {0};
    int client = rpc_fake_open(&fake);
    (void)state;
    fake.commits_at_once = true;
    rpc_packed_many(&body, "a", 5);
    rpc_packed_post(&fake, client, &body);
    struct rpc_fake_answer answer = rpc_packed_receive(&fake, client, 5);
    for (uint32_t i = 0; i < 5; i++) {
        rpc_packed_assert(&answer, i, RPC_TRANSACTION_COMMITTED, i + 1);
    }
    assert_int_equal(counters().awaited, 0);
    rpc_fake_answer_deinit(&answer);
    (void)close(client);
}

static void a_transaction_that_is_not_committed_in_time_is_told_so(void **state)
{
    const char *const transactions[] = {"a=1", "no equals sign"};
    int client = rpc_fake_open(&fake);
    (void)state;
    rpc_packed_post_texts(&fake, client, transactions, 2);
    struct rpc_fake_answer answer = rpc_packed_receive(&fake, client, 2);
    rpc_packed_assert(&answer, 0, RPC_TRANSACTION_TIMED_OUT, 0);
    rpc_packed_assert(&answer, 1, RPC_TRANSACTION_REFUSED, 0);
    assert_int_equal(counters().awaited, 0);
    rpc_fake_commit(&fake); /* later: nobody is waiting any more */
    /* It was taken, and so it is known now. */
    rpc_packed_post_text(&fake, client, "a=1");
    rpc_packed_assert_all(&fake, client, 1, RPC_TRANSACTION_KNOWN, 0);
    rpc_fake_answer_deinit(&answer);
    (void)close(client);
}

/* The two ways of waiting do not know of each other: blocks are hashed with SHA-256 for calls of
 * broadcast_tx_commit alone. */
static void both_ways_of_waiting_get_their_answers(void **state)
{
    int bytes = rpc_fake_open(&fake);
    int json = rpc_fake_open(&fake);
    (void)state;
    rpc_packed_post_text(&fake, bytes, "a=1");
    rpc_packed_await(&fake, 1);
    assert_int_equal(counters().waiters, 0);
    rpc_fake_start_commit(&fake, json, "b=1");
    rpc_fake_await_waiters(&fake, 1);
    assert_int_equal(counters().awaited, 1);
    rpc_fake_commit(&fake);
    rpc_packed_assert_all(&fake, bytes, 1, RPC_TRANSACTION_COMMITTED, 1);
    assert_int_equal(rpc_fake_receive_status(&fake, json), 200);
    (void)close(bytes);
    (void)close(json);
}

static void pipelined_requests_are_answered_in_their_order(void **state)
{
    int client = rpc_fake_open(&fake);
    (void)state;
    rpc_packed_post_text(&fake, client, "a=1");
    rpc_packed_post_text(&fake, client, "b=1");
    assert_true(rpc_fake_send_text(&fake, client, "GET /health HTTP/1.1\r\nHost: x\r\n\r\n"));
    rpc_packed_await(&fake, 1);
    rpc_fake_commit(&fake);
    rpc_packed_assert_all(&fake, client, 1, RPC_TRANSACTION_COMMITTED, 1);
    rpc_packed_await(&fake, 1);
    rpc_fake_commit(&fake);
    rpc_packed_assert_all(&fake, client, 1, RPC_TRANSACTION_COMMITTED, 2);
    assert_int_equal(rpc_fake_receive_status(&fake, client), 200);
    (void)close(client);
}

/* --- Requests that are refused as a whole. --- */

static void what_is_not_packed_is_refused_with_the_place(void **state)
{
    static const struct {
        const char *why, *hex, *sentence;
    } table[] = {
        {"nothing", "", "the body is empty"},
        {"half a length", "0100", "transaction 0: expected a length of 4 bytes at byte 0"},
        {"a length without bytes", "01000000",
         "transaction 0: its length, at byte 0 of the body, is 1; expected 1 to the 0 bytes"},
        {"an empty transaction", "03000000613d3100000000",
         "transaction 1: its length, at byte 7 of the body, is 0"},
        {"a length beyond the end", "03000000613d31ffffffff61",
         "transaction 1: its length, at byte 7 of the body, is 4294967295; expected 1 to the 1 "},
        {"bytes left over", "03000000613d3161", "transaction 1: expected a length of 4 bytes at"},
    };
    int client = rpc_fake_open(&fake);
    (void)state;
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        struct ingot_buffer body = {0};
        print_message("%s\n", table[i].why);
        append_hex(&body, table[i].hex);
        rpc_packed_post(&fake, client, &body);
        rpc_packed_assert_refused(&fake, client, 400, table[i].sentence);
    }
    assert_int_equal(fake.submissions, 0);
    assert_int_equal(counters().bad_requests, sizeof table / sizeof table[0]);
    /* The connection is as good as before. */
    fake.commits_at_once = true;
    rpc_packed_post_text(&fake, client, "a=1");
    rpc_packed_assert_all(&fake, client, 1, RPC_TRANSACTION_COMMITTED, 1);
    (void)close(client);
}

static void a_request_has_a_largest_number_of_transactions(void **state)
{
    struct ingot_buffer body = {0};
    int client = rpc_fake_open(&fake);
    (void)state;
    fake.submit_error = INGOT_ERROR_EXISTS; /* quick to answer */
    rpc_packed_many(&body, "a", INGOT_RPC_TRANSACTIONS_MAX);
    rpc_packed_post(&fake, client, &body);
    rpc_packed_assert_all(&fake, client, INGOT_RPC_TRANSACTIONS_MAX, RPC_TRANSACTION_KNOWN, 0);
    rpc_packed_many(&body, "a", INGOT_RPC_TRANSACTIONS_MAX + 1);
    rpc_packed_post(&fake, client, &body);
    rpc_packed_assert_refused(&fake, client, 413, "a request may have 4096 transactions at most");
    (void)close(client);
}

static void a_node_without_a_chain_takes_no_transactions(void **state)
{
    int client = rpc_fake_open(&fake);
    (void)state;
    rpc_packed_post_text(&fake, client, "a=1");
    rpc_packed_assert_refused(&fake, client, 404,
                              "this node runs gossip, which takes no transactions");
    (void)close(client);
}

static int set_up_without_a_chain(void **state)
{
    (void)state;
    rpc_fake_init(&fake);
    fake.identity.protocol = SETTINGS_PROTOCOL_GOSSIP;
    rpc_fake_listen(&fake);
    return 0;
}

/* --- The documentation. --- */

/* Appends the bytes of the code block with this mark in docs/rpc.md: hex digits up to two spaces in
 * each line, a description behind them. */
static void read_example(const char *mark, struct ingot_buffer *bytes)
{
    char line[512];
    bool is_in = false;
    FILE *file = fopen(INGOT_TEST_SOURCE_DIR "/docs/rpc.md", "r");
    assert_non_null(file);
    while (fgets(line, sizeof line, file) != NULL && !(is_in && strncmp(line, "```", 3) == 0)) {
        if (is_in) {
            char digits[512] = "";
            const char *end = strstr(line, "  ");
            assert_non_null(end);
            size_t count = 0;
            for (const char *c = line; c < end; c++) {
                if (*c != ' ') {
                    digits[count++] = *c;
                }
            }
            append_hex(bytes, digits);
        }
        is_in = is_in || strstr(line, mark) != NULL;
    }
    (void)fclose(file);
    assert_true(bytes->size > 0);
}

static void the_example_of_the_documentation_is_what_happens(void **state)
{
    struct ingot_buffer body = {0};
    struct ingot_buffer expected = {0};
    int client = rpc_fake_open(&fake);
    (void)state;
    read_example("```request", &body);
    read_example("```answer", &expected);
    rpc_packed_post(&fake, client, &body);
    rpc_packed_await(&fake, 2);
    rpc_fake_commit(&fake);
    struct rpc_fake_answer answer =
        rpc_packed_receive(&fake, client, (uint32_t)(expected.size / RPC_TRANSACTION_RECORD_BYTES));
    assert_memory_equal(answer.body.data, expected.data, expected.size);
    rpc_fake_answer_deinit(&answer);
    ingot_buffer_deinit(&expected);
    (void)close(client);
}

#define WITH(setup, test) cmocka_unit_test_setup_teardown(test, setup, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH(set_up, each_transaction_is_told_what_became_of_it),
        WITH(set_up, digests_that_the_node_does_not_keep_are_taken_again),
        WITH(set_up, transactions_of_one_request_may_be_in_different_blocks),
        WITH(set_up, what_is_committed_within_its_submission_is_answered),
        WITH(set_up_impatient, a_transaction_that_is_not_committed_in_time_is_told_so),
        WITH(set_up, both_ways_of_waiting_get_their_answers),
        WITH(set_up, pipelined_requests_are_answered_in_their_order),
        WITH(set_up, what_is_not_packed_is_refused_with_the_place),
        WITH(set_up, a_request_has_a_largest_number_of_transactions),
        WITH(set_up_without_a_chain, a_node_without_a_chain_takes_no_transactions),
        WITH(set_up_with_blocks, the_example_of_the_documentation_is_what_happens),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
