/*
 * JSON-RPC itself: requests that are none, batches, notifications, and what bounds them.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "lib/rpc_fake.h"

static int set_up(void **state)
{
    static struct rpc_fake fake;
    rpc_fake_init_with_blocks(&fake);
    *state = &fake;
    return 0;
}

static int tear_down(void **state)
{
    rpc_fake_deinit(*state);
    return 0;
}

static void requests_that_are_none_are_refused_by_code(void **state)
{
    static const struct {
        const char *why, *body;
        int code;
        const char *id; /* of the answer, as JSON */
    } table[] = {
        {"no JSON", "{", -32700, "null"},
        {"not even close", "hello", -32700, "null"},
        {"something behind it", "{} {}", -32700, "null"},
        {"not UTF-8", "\"\xff\"", -32700, "null"},
        {"a key twice", "{\"id\":1,\"id\":2,\"method\":\"health\"}", -32700, "null"},
        {"a number", "1", -32600, "null"},
        {"an empty batch", "[]", -32600, "null"},
        {"no method", "{\"jsonrpc\":\"2.0\",\"id\":1}", -32600, "1"},
        {"a method that is no string", "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":1}", -32600, "1"},
        {"another version", "{\"jsonrpc\":\"1.0\",\"id\":1,\"method\":\"health\"}", -32600, "1"},
        {"a version that is no string", "{\"jsonrpc\":2.0,\"id\":1,\"method\":\"health\"}", -32600,
         "1"},
        {"an id that is an object", "{\"jsonrpc\":\"2.0\",\"id\":{},\"method\":\"health\"}", -32600,
         "null"},
        {"a broken notification", "{\"jsonrpc\":\"2.0\",\"method\":5}", -32600, "null"},
        {"an unknown method", "{\"jsonrpc\":\"2.0\",\"id\":\"x\",\"method\":\"nope\"}", -32601,
         "\"x\""},
        {"a method with a NUL", "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"health\\u0000\"}",
         -32601, "1"},
        {"metrics is no method", "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"metrics\"}", -32601,
         "1"},
        {"params that are a string",
         "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"health\",\"params\":\"x\"}", -32602, "1"},
        {"too many params", "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"health\",\"params\":[1]}",
         -32602, "1"},
        {"a missing param",
         "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"broadcast_tx_sync\",\"params\":{}}", -32602,
         "1"},
        {"a param of another type",
         "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"block\",\"params\":{\"height\":true}}", -32602,
         "1"},
        {"a number with a fraction",
         "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"block\",\"params\":{\"height\":1.5}}", -32602,
         "1"},
        {"base64 without its padding",
         "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"broadcast_tx_sync\","
         "\"params\":{\"tx\":\"YT0xMg\"}}",
         -32602, "1"},
        {"no base64",
         "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"broadcast_tx_sync\","
         "\"params\":{\"tx\":\"a=b\"}}",
         -32602, "1"},
        {"no hex",
         "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"abci_query\",\"params\":{\"data\":\"xy\"}}",
         -32602, "1"},
    };
    struct rpc_fake *fake = *state;
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        print_message("%s\n", table[i].why);
        json_t *answer = rpc_fake_post_ok(fake, table[i].body);
        json_t *id = json_loads(table[i].id, JSON_DECODE_ANY, NULL);
        assert_int_equal(json_integer_value(rpc_fake_find(answer, "error.code")), table[i].code);
        assert_non_null(rpc_fake_find(answer, "error.message"));
        assert_true(json_equal(json_object_get(answer, "id"), id));
        assert_string_equal(rpc_fake_text_at(answer, "jsonrpc"), "2.0");
        json_decref(id);
        json_decref(answer);
    }
}

static void the_version_may_be_left_out_as_in_the_dialect(void **state)
{
    json_t *answer = rpc_fake_post_ok(*state, "{\"method\":\"health\",\"id\":3}");
    assert_non_null(rpc_fake_find(answer, "result"));
    json_decref(answer);
}

static void a_batch_is_answered_in_its_order(void **state)
{
    json_t *answer =
        rpc_fake_post_ok(*state, "[{\"jsonrpc\":\"2.0\",\"id\":\"a\",\"method\":\"health\"},"
                                 "{\"jsonrpc\":\"2.0\",\"method\":\"health\"},"
                                 "7,"
                                 "{\"jsonrpc\":\"2.0\",\"id\":2.5,\"method\":\"nope\"},"
                                 "{\"jsonrpc\":\"2.0\",\"id\":null,\"method\":\"abci_info\"}]");
    assert_int_equal(json_array_size(answer), 4);
    assert_string_equal(rpc_fake_text_at(answer, "0.id"), "a");
    assert_int_equal(json_integer_value(rpc_fake_find(answer, "1.error.code")), -32600);
    assert_int_equal(json_integer_value(rpc_fake_find(answer, "2.error.code")), -32601);
    assert_true(json_real_value(rpc_fake_find(answer, "2.id")) == 2.5);
    assert_true(json_is_null(rpc_fake_find(answer, "3.id")));
    assert_non_null(rpc_fake_find(answer, "3.result"));
    json_decref(answer);
}

static void a_batch_above_the_limit_is_refused_as_a_whole(void **state)
{
    struct rpc_fake *fake = *state;
    struct ingot_buffer body = {0};
    for (int i = 0; i < 257; i++) {
        ingot_buffer_format(&body,
                            "%c{\"id\":1,\"method\":\"broadcast_tx_async\","
                            "\"params\":{\"tx\":\"YT0x\"}}",
                            i == 0 ? '[' : ',');
    }
    ingot_buffer_append(&body, "]", 2);
    json_t *answer = rpc_fake_post_ok(fake, (const char *)body.data);
    assert_int_equal(json_integer_value(rpc_fake_find(answer, "error.code")), -32600);
    assert_string_equal(rpc_fake_text_at(answer, "error.data"),
                        "the batch has 257 calls, the most is 256");
    assert_int_equal(fake->pending_count, 0);
    json_decref(answer);
    ingot_buffer_deinit(&body);
}

/* Two bytes of text can take a hundred of memory: the parser never sees so many. */
static void a_body_of_many_tiny_values_is_refused_before_it_is_parsed(void **state)
{
    struct ingot_buffer body = {0};
    ingot_buffer_append_u8(&body, '[');
    while (body.size < 1024 * 1024) {
        ingot_buffer_append(&body, "{},", 3);
    }
    ingot_buffer_append(&body, "0]", 3);
    json_t *answer = rpc_fake_post_ok(*state, (const char *)body.data);
    assert_int_equal(json_integer_value(rpc_fake_find(answer, "error.code")), -32700);
    assert_non_null(strstr(rpc_fake_text_at(answer, "error.data"), "too many values"));
    json_decref(answer);
    ingot_buffer_deinit(&body);
}

static void a_notification_runs_and_is_not_answered(void **state)
{
    struct rpc_fake *fake = *state;
    int status;
    json_t *answer = rpc_fake_post(fake,
                                   "[{\"jsonrpc\":\"2.0\",\"method\":\"broadcast_tx_commit\","
                                   "\"params\":{\"tx\":\"YT0x\"}}]",
                                   &status);
    assert_int_equal(status, 204);
    assert_null(answer);
    assert_int_equal(fake->pending_count, 1);
}

static void the_answers_of_a_batch_are_bounded_together(void **state)
{
    struct rpc_fake *fake = *state;
    struct ingot_buffer body = {0};
    fake->pending_count = 1;
    ingot_buffer_append_u32(&fake->pending, 4 * 1024 * 1024 - 4);
    ingot_buffer_reserve(&fake->pending, 4 * 1024 * 1024);
    memset(fake->pending.data + 4, 'x', 4 * 1024 * 1024 - 4);
    fake->pending.size = 4 * 1024 * 1024;
    rpc_fake_commit(fake);
    for (int i = 0; i < 20; i++) {
        ingot_buffer_format(&body, "%c{\"id\":%d,\"method\":\"block\"}", i == 0 ? '[' : ',', i);
    }
    ingot_buffer_append(&body, "]", 2);
    json_t *answer = rpc_fake_post_ok(fake, (const char *)body.data);
    assert_int_equal(json_array_size(answer), 20);
    assert_non_null(rpc_fake_find(answer, "0.result"));
    assert_non_null(rpc_fake_find(answer, "1.result"));
    assert_non_null(strstr(rpc_fake_text_at(answer, "2.error.data"), "use smaller batches"));
    assert_non_null(strstr(rpc_fake_text_at(answer, "19.error.data"), "use smaller batches"));
    json_decref(answer);
    ingot_buffer_deinit(&body);
}

#define WITH(setup, test) cmocka_unit_test_setup_teardown(test, setup, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH(set_up, requests_that_are_none_are_refused_by_code),
        WITH(set_up, the_version_may_be_left_out_as_in_the_dialect),
        WITH(set_up, a_batch_is_answered_in_its_order),
        WITH(set_up, a_batch_above_the_limit_is_refused_as_a_whole),
        WITH(set_up, a_body_of_many_tiny_values_is_refused_before_it_is_parsed),
        WITH(set_up, a_notification_runs_and_is_not_answered),
        WITH(set_up, the_answers_of_a_batch_are_bounded_together),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
