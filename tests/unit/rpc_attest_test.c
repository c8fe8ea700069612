/*
 * Goal: broadcast_tx_attest answers once, when the attestation is there, when there will be none,
 * or when the time is over, and says which. Method: a fake node, whose attestations come and stay
 * away as the test says.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "lib/rpc_fake.h"
#include "wire/preimage.h"

static struct rpc_fake fake;

static int set_up(void **state)
{
    (void)state;
    rpc_fake_init(&fake);
    fake.attests = true;
    fake.attest_state = ATTEST_PENDING;
    fake.options.commit_timeout_ms = 60000;
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    rpc_fake_deinit(&fake);
    return 0;
}

static struct statement_id id_of(const char *transaction)
{
    struct ingot_hash digest;
    struct statement_id id;
    wire_transaction_digest(ingot_slice_of_text(transaction), &digest);
    assert_true(statement_id_from(ingot_slice_of(digest.bytes, sizeof digest.bytes), &id));
    return id;
}

static int start(const char *transaction)
{
    char request[200];
    const int client = rpc_fake_open(&fake);
    (void)snprintf(request, sizeof request,
                   "GET /broadcast_tx_attest?tx=\"%s\" HTTP/1.1\r\nHost: x\r\n\r\n", transaction);
    assert_true(rpc_fake_send_text(&fake, client, request));
    return client;
}

/* The answer, to be freed by the caller. */
static json_t *answer_of(int client, int status)
{
    struct rpc_fake_answer answer;
    rpc_fake_receive(&fake, client, &answer);
    assert_int_equal(answer.status, status);
    json_t *json = json_loads((const char *)answer.body.data, 0, NULL);
    assert_non_null(json);
    rpc_fake_answer_deinit(&answer);
    (void)close(client);
    return json;
}

static void it_answers_when_the_attestation_is_there_and_not_at_the_commit(void **state)
{
    (void)state;
    rpc_fake_listen(&fake);
    const int client = start("a=1");
    const int other = start("b=2");
    rpc_fake_await_waiters(&fake, 2);
    rpc_fake_commit(&fake);
    rpc_fake_run_for(&fake, 50000);
    rpc_fake_await_waiters(&fake, 2);
    const struct statement_id id = id_of("a=1");
    rpc_attested(fake.rpc, &id, ingot_slice_of_text("{\"id\":\"mine\"}"));
    rpc_fake_await_waiters(&fake, 1);
    json_t *json = answer_of(client, 200);
    assert_string_equal(rpc_fake_text_at(json, "result.attestation.id"), "mine");
    assert_string_equal(rpc_fake_text_at(json, "result.height"), "1");
    assert_int_equal(json_integer_value(rpc_fake_find(json, "result.tx_result.code")), 0);
    json_decref(json);
    const struct statement_id second = id_of("b=2");
    rpc_attested(fake.rpc, &second, ingot_slice_of_text("{\"id\":\"other\"}"));
    json = answer_of(other, 200);
    assert_string_equal(rpc_fake_text_at(json, "result.attestation.id"), "other");
    json_decref(json);
}

static void an_attestation_that_is_complete_at_the_commit_is_given_at_once(void **state)
{
    (void)state;
    fake.attest_state = ATTEST_COMPLETE;
    fake.commits_at_once = true;
    rpc_fake_listen(&fake);
    json_t *json = answer_of(start("a=1"), 200);
    assert_string_equal(rpc_fake_text_at(json, "result.attestation.id"), "at once");
    json_decref(json);
}

static void what_asks_for_nothing_has_no_attestation(void **state)
{
    (void)state;
    fake.attest_state = ATTEST_UNKNOWN;
    fake.commits_at_once = true;
    rpc_fake_listen(&fake);
    json_t *json = answer_of(start("a=1"), 200);
    assert_true(json_is_null(rpc_fake_find(json, "result.attestation")));
    json_decref(json);
    /* Nor has what the check refuses. */
    json = answer_of(start("refused"), 200);
    assert_int_equal(json_integer_value(rpc_fake_find(json, "result.check_tx.code")), 2);
    assert_true(json_is_null(rpc_fake_find(json, "result.attestation")));
    json_decref(json);
}

static void a_refused_statement_ends_the_wait(void **state)
{
    (void)state;
    rpc_fake_listen(&fake);
    const int client = start("a=1");
    rpc_fake_await_waiters(&fake, 1);
    rpc_fake_commit(&fake);
    const struct statement_id id = id_of("a=1");
    rpc_attest_refused(fake.rpc, &id);
    json_t *json = answer_of(client, 500);
    assert_non_null(strstr(rpc_fake_text_at(json, "error.data"), "attestation refused"));
    assert_non_null(strstr(rpc_fake_text_at(json, "error.data"), "height 1"));
    json_decref(json);
    rpc_fake_await_waiters(&fake, 0);
}

static void at_the_deadline_it_says_how_far_it_came(void **state)
{
    (void)state;
    fake.options.commit_timeout_ms = 200;
    rpc_fake_listen(&fake);
    const int committed = start("a=1");
    rpc_fake_await_waiters(&fake, 1);
    rpc_fake_commit(&fake);
    const int waiting = start("b=2");
    json_t *json = answer_of(committed, 500);
    assert_string_equal(rpc_fake_text_at(json, "error.data"),
                        "timed out waiting for the attestation: tx is committed at height 1 and "
                        "its attestation is pending");
    json_decref(json);
    json = answer_of(waiting, 500);
    assert_string_equal(rpc_fake_text_at(json, "error.data"),
                        "timed out waiting for tx to be included in a block");
    json_decref(json);
}

static void clients_that_go_away_and_a_listener_that_ends_leave_nothing(void **state)
{
    (void)state;
    rpc_fake_listen(&fake);
    const int gone = start("a=1");
    const int stays = start("b=2");
    rpc_fake_await_waiters(&fake, 2);
    rpc_fake_commit(&fake);
    (void)close(gone);
    rpc_fake_await_waiters(&fake, 1);
    const struct statement_id id = id_of("a=1");
    rpc_attested(fake.rpc, &id, ingot_slice_of_text("{}"));
    rpc_free(fake.rpc);
    fake.rpc = NULL;
    assert_true(rpc_fake_is_closed(&fake, stays));
    (void)close(stays);
}

static void without_attestations_the_method_says_so(void **state)
{
    (void)state;
    fake.attests = false;
    rpc_fake_listen(&fake);
    json_t *json = answer_of(start("a=1"), 500);
    assert_string_equal(rpc_fake_text_at(json, "error.data"), "the app asks for no attestations");
    json_decref(json);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(it_answers_when_the_attestation_is_there_and_not_at_the_commit),
        TEST(an_attestation_that_is_complete_at_the_commit_is_given_at_once),
        TEST(what_asks_for_nothing_has_no_attestation),
        TEST(a_refused_statement_ends_the_wait),
        TEST(at_the_deadline_it_says_how_far_it_came),
        TEST(clients_that_go_away_and_a_listener_that_ends_leave_nothing),
        TEST(without_attestations_the_method_says_so),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
