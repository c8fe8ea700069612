/*
 * The methods of nodes without a chain. Goal: a client hears once and for all what became of its
 * payload, or that it is not known yet, and who asks a node for what it does not run is told so.
 * Method: the listener on a loop of its own, over a node that is a few variables.
 */
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

#include "lib/rpc_fake.h"
#include "node/rpc_internal.h"
#include "wire/broadcast.h"

#define SUBMIT "GET /broadcast_submit?payload=\"hello\"&id=\"a\" HTTP/1.1\r\nHost: x\r\n\r\n"

static struct rpc_fake fake;
static struct rpc_broadcast known; /* the node's only payload; id.size 0: none */
static uint32_t submissions;

static void copy_known(struct rpc_broadcast *broadcast)
{
    *broadcast = known;
    broadcast->attestation = (struct ingot_buffer){0};
    broadcast->payload = (struct ingot_buffer){0};
    ingot_buffer_append_slice(&broadcast->attestation, ingot_buffer_slice(&known.attestation));
    ingot_buffer_append_slice(&broadcast->payload, ingot_buffer_slice(&known.payload));
}

static void submit(void *context, const struct broadcast_id *id, struct ingot_slice payload,
                   struct rpc_broadcast *broadcast)
{
    (void)context;
    submissions++;
    known.id = *id;
    wire_broadcast_digest(payload, &known.digest);
    copy_known(broadcast);
}

static bool find(void *context, const struct broadcast_id *id,
                 const struct broadcast_digest *digest, struct rpc_broadcast *broadcast)
{
    (void)context;
    if (!broadcast_id_equal(&known.id, id) ||
        (digest != NULL && !broadcast_digest_equal(&known.digest, digest))) {
        return false;
    }
    copy_known(broadcast);
    return true;
}

static int set_up(void **state)
{
    (void)state;
    known = (struct rpc_broadcast){.state = RPC_BROADCAST_PENDING};
    submissions = 0;
    rpc_fake_init(&fake);
    fake.identity.protocol = SETTINGS_PROTOCOL_QUORUM_BROADCAST;
    fake.options.commit_timeout_ms = 150;
    rpc_fake_listen(&fake);
    fake.rpc->backend.broadcast_submit = submit;
    fake.rpc->backend.broadcast_find = find;
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    ingot_buffer_deinit(&known.attestation);
    ingot_buffer_deinit(&known.payload);
    rpc_fake_deinit(&fake);
    return 0;
}

static json_t *read_answer(int client)
{
    struct rpc_fake_answer answer;
    rpc_fake_receive(&fake, client, &answer);
    assert_int_equal(answer.status, 200);
    json_t *json = json_loadb((const char *)answer.body.data, answer.body.size, 0, NULL);
    assert_non_null(json);
    rpc_fake_answer_deinit(&answer);
    return json;
}

static void all_who_submitted_it_hear_when_it_is_delivered(void **state)
{
    (void)state;
    const int clients[2] = {rpc_fake_open(&fake), rpc_fake_open(&fake)};
    for (int i = 0; i < 2; i++) {
        assert_true(rpc_fake_send_text(&fake, clients[i], SUBMIT));
    }
    rpc_fake_await_waiters(&fake, 2);
    struct broadcast_digest other = known.digest;
    other.bytes[0] ^= 1;
    rpc_broadcast_ended(fake.rpc, &known.id, &other); /* another payload under this id */
    assert_int_equal(rpc_fake_counters(&fake).waiters, 2);
    known.state = RPC_BROADCAST_DELIVERED;
    ingot_buffer_append_slice(&known.attestation, ingot_slice_of_text("{\"signers\":[]}"));
    rpc_broadcast_ended(fake.rpc, &known.id, &known.digest);
    for (int i = 0; i < 2; i++) {
        json_t *json = read_answer(clients[i]);
        assert_string_equal(rpc_fake_text_at(json, "result.state"), "delivered");
        assert_string_equal(rpc_fake_text_at(json, "result.id"), "61");
        assert_string_equal(rpc_fake_text_at(json, "result.digest"),
                            "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824");
        assert_true(json_is_array(rpc_fake_find(json, "result.attestation.signers")));
        assert_true(json_is_null(rpc_fake_find(json, "result.payload")));
        json_decref(json);
    }
}

static void what_is_known_is_answered_at_once(void **state)
{
    (void)state;
    known.state = RPC_BROADCAST_REJECTED;
    (void)snprintf(known.why, sizeof known.why, "not today");
    json_t *json = rpc_fake_get_ok(&fake, "/broadcast_submit?payload=\"x\"&id=\"a\"");
    assert_string_equal(rpc_fake_text_at(json, "result.state"), "rejected");
    assert_string_equal(rpc_fake_text_at(json, "result.why"), "not today");
    json_decref(json);
    known.state = RPC_BROADCAST_DELIVERED;
    known.has_payload = true;
    ingot_buffer_append_slice(&known.payload, ingot_slice_of_text("line\n"));
    json = rpc_fake_get_ok(&fake, "/broadcast_get?id=\"a\"");
    assert_string_equal(rpc_fake_text_at(json, "result.state"), "delivered");
    assert_string_equal(rpc_fake_text_at(json, "result.payload"), "bGluZQo=");
    assert_true(json_is_null(rpc_fake_find(json, "result.attestation")));
    json_decref(json);
}

static void a_wait_that_is_too_long_ends_with_what_is_known(void **state)
{
    (void)state;
    json_t *json = rpc_fake_get_ok(&fake, "/broadcast_submit?payload=\"hello\"&id=\"a\"");
    assert_string_equal(rpc_fake_text_at(json, "result.state"), "pending");
    assert_int_equal(rpc_fake_counters(&fake).waiters, 0);
    json_decref(json);
    const int client = rpc_fake_open(&fake);
    assert_true(rpc_fake_send_text(&fake, client, SUBMIT));
    rpc_fake_await_waiters(&fake, 1);
    known.state = RPC_BROADCAST_TIMED_OUT;
    rpc_broadcast_ended(fake.rpc, &known.id, &known.digest);
    json = read_answer(client);
    assert_string_equal(rpc_fake_text_at(json, "result.state"), "timed out");
    json_decref(json);
}

static void a_client_that_goes_leaves_nothing_behind(void **state)
{
    (void)state;
    const int client = rpc_fake_open(&fake);
    assert_true(rpc_fake_send_text(&fake, client, SUBMIT));
    rpc_fake_await_waiters(&fake, 1);
    (void)shutdown(client, SHUT_RDWR);
    (void)close(client);
    rpc_fake_await_waiters(&fake, 0);
    rpc_broadcast_ended(fake.rpc, &known.id, &known.digest);
}

static void expect_error(const char *target, int64_t code, const char *text)
{
    int status = 0;
    json_t *json = rpc_fake_get(&fake, target, &status);
    assert_int_equal(status, 500);
    assert_int_equal(json_integer_value(rpc_fake_find(json, "error.code")), code);
    if (strstr(rpc_fake_text_at(json, "error.data"), text) == NULL) {
        fail_msg("%s: expected '%s', found '%s'", target, text,
                 rpc_fake_text_at(json, "error.data"));
    }
    json_decref(json);
}

static void mistakes_are_named(void **state)
{
    (void)state;
    char target[256];
    (void)snprintf(target, sizeof target, "/broadcast_get?id=0x%0130d", 0);
    expect_error(target, RPC_ERROR_INVALID_PARAMS, "expected 1 to 64 bytes in hex, found 65");
    expect_error("/broadcast_get?id=\"b\"", RPC_ERROR_INTERNAL, "no broadcast of this id");
    expect_error("/broadcast_get", RPC_ERROR_INVALID_PARAMS, "missing parameter id");
    expect_error("/broadcast_submit?id=\"a\"", RPC_ERROR_INVALID_PARAMS, "missing parameter");
    expect_error("/block", RPC_ERROR_METHOD_NOT_FOUND, "this node runs quorum-broadcast; block is");
    expect_error("/broadcast_tx_commit?tx=\"a\"", RPC_ERROR_METHOD_NOT_FOUND, "quorum-broadcast");
    assert_int_equal(submissions, 0);
    fake.rpc->identity.protocol = SETTINGS_PROTOCOL_HOTSTUFF;
    expect_error("/broadcast_submit?payload=\"a\"", RPC_ERROR_METHOD_NOT_FOUND, "hotstuff");
}

static void without_an_id_each_gets_one_of_its_own(void **state)
{
    (void)state;
    struct broadcast_id first;
    known.state = RPC_BROADCAST_DELIVERED;
    json_decref(rpc_fake_get_ok(&fake, "/broadcast_submit?payload=\"x\""));
    first = known.id;
    json_decref(rpc_fake_get_ok(&fake, "/broadcast_submit?payload=\"x\""));
    assert_int_equal(first.size, 16);
    assert_false(broadcast_id_equal(&first, &known.id));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(all_who_submitted_it_hear_when_it_is_delivered),
        TEST(what_is_known_is_answered_at_once),
        TEST(a_wait_that_is_too_long_ends_with_what_is_known),
        TEST(a_client_that_goes_leaves_nothing_behind),
        TEST(mistakes_are_named),
        TEST(without_an_id_each_gets_one_of_its_own),
    };
    return crypto_init() ? cmocka_run_group_tests(tests, NULL, NULL) : 1;
}
