/*
 * Every method through GET and POST over loopback, against a node in memory: what it answers, what
 * it refuses and in which words.
 *
 * Whole answers are compared with tests/unit/rpc_golden.json, which maps requests (a target for
 * GET) to answers. To see what an answer is now:
 *
 *     rpc_fixture 8080 3 & curl -g http://127.0.0.1:8080/status
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/rpc_fake.h"

static int set_up(void **state)
{
    static struct rpc_fake fake;
    rpc_fake_init_with_blocks(&fake);
    *state = &fake;
    return 0;
}

static int set_up_at_genesis(void **state)
{
    static struct rpc_fake fake;
    rpc_fake_init(&fake);
    rpc_fake_listen(&fake);
    *state = &fake;
    return 0;
}

static int tear_down(void **state)
{
    rpc_fake_deinit(*state);
    return 0;
}

static void expect_text(struct rpc_fake *fake, const char *target, const char *path,
                        const char *expected)
{
    json_t *json = rpc_fake_get_ok(fake, target);
    assert_string_equal(rpc_fake_text_at(json, path), expected);
    json_decref(json);
}

/* The port is any free one, so the golden file cannot know it. */
static void hide_port(json_t *answer)
{
    json_t *other =
        json_object_get(json_object_get(json_object_get(answer, "result"), "node_info"), "other");
    if (other != NULL) {
        assert_true(json_object_get(other, "rpc_address") != NULL);
        json_object_set_new(other, "rpc_address", json_string("tcp://127.0.0.1:0"));
    }
}

static void answers_are_those_of_the_golden_file(void **state)
{
    struct rpc_fake *fake = *state;
    json_error_t error;
    json_t *golden = json_load_file(INGOT_TEST_SOURCE_DIR "/tests/unit/rpc_golden.json", 0, &error);
    const char *target;
    json_t *expected;
    assert_non_null(golden);
    assert_true(json_object_size(golden) >= 12);
    json_object_foreach(golden, target, expected)
    {
        int status;
        json_t *answer = rpc_fake_get(fake, target, &status);
        hide_port(answer);
        if (!json_equal(answer, expected)) {
            char *dump = json_dumps(answer, JSON_INDENT(2));
            print_message("%s now answers\n%s\n", target, dump);
            free(dump);
            fail();
        }
        json_decref(answer);
    }
    json_decref(golden);
}

static void methods_answer_the_same_to_get_and_to_post(void **state)
{
    static const struct {
        const char *target, *method, *params, *by_position;
    } table[] = {
        {"/health", "health", "{}", "[]"},
        {"/abci_info", "abci_info", "{}", "[]"},
        {"/abci_query?path=\"\"&data=0x626c6f636b", "abci_query",
         "{\"path\":\"\",\"data\":\"626c6f636b\"}", "[\"\",\"626C6F636B\",\"0\",false]"},
        {"/block", "block", "{}", "[]"},
        {"/block?height=2", "block", "{\"height\":\"2\"}", "[2]"},
        {"/block?height=\"2\"", "block", "{\"height\":2}", "[\"2\"]"},
        {"/evidence?per_page=1&page=2", "evidence", "{\"per_page\":\"1\",\"page\":2}",
         "[\"2\",\"1\"]"},
        {"/genesis", "genesis", "{}", "[]"},
        {"/net_info", "net_info", "{}", "[]"},
        {"/num_unconfirmed_txs", "num_unconfirmed_txs", "{}", "[]"},
        {"/status", "status", "{}", "[]"},
        {"/tx?hash=0x4aa9f9f8a3eb7b26037bbc3dbf8c4384e84b2a514cac893296be150ef07130e6&prove=false",
         "tx", "{\"hash\":\"Sqn5+KPreyYDe7w9v4xDhOhLKlFMrIkylr4VDvBxMOY=\",\"prove\":false}",
         "[\"Sqn5+KPreyYDe7w9v4xDhOhLKlFMrIkylr4VDvBxMOY=\",null]"},
        {"/validators?per_page=3&page=2&height=1", "validators",
         "{\"per_page\":\"3\",\"page\":\"2\",\"height\":\"1\"}", "[\"1\",\"2\",\"3\"]"},
    };
    struct rpc_fake *fake = *state;
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        int status;
        json_t *first = rpc_fake_get(fake, table[i].target, &status);
        print_message("%s\n", table[i].target);
        for (int form = 0; form < 2; form++) {
            char body[512];
            (void)snprintf(body, sizeof body,
                           "{\"jsonrpc\":\"2.0\",\"id\":7,\"method\":\"%s\",\"params\":%s}",
                           table[i].method, form == 0 ? table[i].params : table[i].by_position);
            json_t *second = rpc_fake_post_ok(fake, body);
            assert_int_equal(json_integer_value(json_object_get(second, "id")), 7);
            assert_int_equal(json_integer_value(json_object_get(first, "id")), -1);
            assert_true(json_object_size(first) == 3);
            assert_true(
                json_equal(json_object_get(first, "result"), json_object_get(second, "result")) ||
                json_equal(json_object_get(first, "error"), json_object_get(second, "error")));
            json_decref(second);
        }
        json_decref(first);
    }
}

static void the_tutorial_of_the_dialect_works(void **state)
{
    struct rpc_fake *fake = *state;
    fake->commits_at_once = true;
    json_t *put = rpc_fake_get_ok(fake, "/broadcast_tx_commit?tx=\"name=satoshi\"");
    /* sha256sum of the bytes name=satoshi */
    assert_string_equal(rpc_fake_text_at(put, "result.hash"),
                        "57D835FBBA0DBF922D8A2EDA56922C9B24E7760927F245A7684A736C4769DB8A");
    assert_string_equal(rpc_fake_text_at(put, "result.height"), "4");
    json_decref(put);
    expect_text(fake, "/abci_query?data=\"name\"", "result.response.value", "c2F0b3NoaQ==");
    expect_text(fake, "/abci_query?data=\"name\"", "result.response.log", "exists");
    expect_text(fake, "/abci_query?data=\"nobody\"", "result.response.log", "does not exist");
}

static void transactions_come_in_every_spelling(void **state)
{
    static const struct {
        const char *why, *target, *expected; /* base64 of the transaction */
    } table[] = {
        {"quoted, as curl sends it", "/broadcast_tx_sync?tx=\"a=1\"", "YT0x"},
        {"quoted and percent-encoded", "/broadcast_tx_sync?tx=%22a%3D2%22", "YT0y"},
        {"hex", "/broadcast_tx_sync?tx=0x613D33", "YT0z"},
        {"hex with a big X", "/broadcast_tx_sync?tx=0X613d34", "YT00"},
        {"escapes of JSON", "/broadcast_tx_sync?tx=\"a=\\u0035\\n\"", "YT01Cg=="},
        {"a NUL", "/broadcast_tx_sync?tx=\"a=\\u0000\"", "YT0A"},
        {"UTF-8", "/broadcast_tx_async?tx=\"a=%C3%A9\"", "YT3DqQ=="},
        {"a plus is a space", "/broadcast_tx_async?tx=\"a=+\"", "YT0g"},
    };
    struct rpc_fake *fake = *state;
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        print_message("%s\n", table[i].why);
        json_t *answer = rpc_fake_get_ok(fake, table[i].target);
        assert_int_equal(json_integer_value(rpc_fake_find(answer, "result.code")), 0);
        assert_int_equal(strlen(rpc_fake_text_at(answer, "result.hash")), 64);
        json_decref(answer);
        rpc_fake_commit(fake);
        expect_text(fake, "/block", "result.block.data.txs.0", table[i].expected);
    }
}

static void tx_finds_what_was_committed(void **state)
{
    struct rpc_fake *fake = *state;
    /* sha256sum of the bytes block=1 */
    static const char target[] =
        "/tx?hash=0x4aa9f9f8a3eb7b26037bbc3dbf8c4384e84b2a514cac893296be150ef07130e6";
    json_t *answer = rpc_fake_get_ok(fake, target);
    assert_string_equal(rpc_fake_text_at(answer, "result.tx"), "YmxvY2s9MQ==");
    assert_string_equal(rpc_fake_text_at(answer, "result.height"), "2");
    assert_int_equal(json_integer_value(rpc_fake_find(answer, "result.index")), 0);
    assert_int_equal(json_integer_value(rpc_fake_find(answer, "result.tx_result.code")), 0);
    assert_null(rpc_fake_find(answer, "result.proof"));
    json_decref(answer);
}

/* Errors: HTTP 500 for GET, 200 for POST, and the words that clients know. */
static void errors_have_the_codes_and_words_of_the_dialect(void **state)
{
    static const struct {
        const char *target;
        int code;
        const char *data;
    } table[] = {
        {"/block?height=4", -32603,
         "height 4 must be less than or equal to the current blockchain height 3"},
        {"/block?height=0", -32603, "height must be greater than 0, but got 0"},
        {"/block?height=-1", -32603, "height must be greater than 0, but got -1"},
        {"/block?height=x", -32602,
         "error converting http params to arguments: parameter height: expected a 64-bit integer"},
        {"/block?height=9223372036854775808", -32602,
         "error converting http params to arguments: parameter height: expected a 64-bit integer"},
        {"/validators?height=5", -32603,
         "height 5 must be less than or equal to the current blockchain height 4"},
        {"/validators?page=2", -32603, "page should be within [1, 1] range, given 2"},
        {"/validators?page=0", -32603, "page should be within [1, 1] range, given 0"},
        {"/validators?per_page=2&page=3", -32603, "page should be within [1, 2] range, given 3"},
        {"/tx?hash=0x0000000000000000000000000000000000000000000000000000000000000000", -32603,
         "tx (0000000000000000000000000000000000000000000000000000000000000000) not found"},
        {"/tx?hash=0x00", -32602, "hash has to have 32 bytes"},
        {"/tx", -32602,
         "error converting http params to arguments: missing parameter hash: "
         "expected bytes in base64"},
        {"/broadcast_tx_sync", -32602,
         "error converting http params to arguments: missing parameter tx: "
         "expected bytes in base64"},
        {"/broadcast_tx_sync?tx=a=b", -32602,
         "error converting http params to arguments: parameter tx: "
         "expected a string in double quotes, or 0x and hex digits"},
        {"/broadcast_tx_sync?tx=0x123", -32602,
         "error converting http params to arguments: parameter tx: "
         "expected a string in double quotes, or 0x and hex digits"},
        {"/broadcast_tx_sync?tx=\"a=\"b\"", -32602,
         "error converting http params to arguments: parameter tx: "
         "expected a string in double quotes, or 0x and hex digits"},
        {"/broadcast_tx_sync?tx=%2", -32602,
         "error converting http params to arguments: parameter tx: "
         "expected a string in double quotes, or 0x and hex digits"},
        {"/broadcast_tx_commit?tx=\"\"", -32602, "tx is empty"},
        {"/abci_query?path=\"/none\"", -32603, "the app answers no queries"},
        {"/abci_query?data=\"block\"&height=2", -32603,
         "only the state of the latest height, 3, can be queried"},
        {"/abci_query?data=\"block\"&prove=maybe", -32602,
         "error converting http params to arguments: parameter prove: expected true or false"},
    };
    struct rpc_fake *fake = *state;
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        int status;
        print_message("%s\n", table[i].target);
        json_t *answer = rpc_fake_get(fake, table[i].target, &status);
        assert_int_equal(status, 500);
        assert_int_equal(json_integer_value(rpc_fake_find(answer, "error.code")), table[i].code);
        assert_string_equal(rpc_fake_text_at(answer, "error.data"), table[i].data);
        json_decref(answer);
    }
}

static void submissions_that_fail_say_why(void **state)
{
    static const struct {
        enum ingot_error error;
        const char *data;
    } table[] = {
        {INGOT_ERROR_EXISTS, "tx already exists in cache"},
        {INGOT_ERROR_FULL, "mempool is full, retry later"},
        {INGOT_ERROR_TOO_LARGE, "tx too large. Max size is 262144, but got 3"},
        {INGOT_ERROR_IO, "tx not accepted: input or output failed"},
    };
    static const char *const methods[] = {"broadcast_tx_sync", "broadcast_tx_async",
                                          "broadcast_tx_commit"};
    struct rpc_fake *fake = *state;
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        fake->submit_error = table[i].error;
        for (size_t j = 0; j < sizeof methods / sizeof methods[0]; j++) {
            char body[200];
            (void)snprintf(body, sizeof body,
                           "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"%s\","
                           "\"params\":{\"tx\":\"YT0x\"}}",
                           methods[j]);
            json_t *answer = rpc_fake_post_ok(fake, body);
            assert_int_equal(json_integer_value(rpc_fake_find(answer, "error.code")), -32603);
            if (table[i].error == INGOT_ERROR_IO) {
                assert_non_null(
                    strstr(rpc_fake_text_at(answer, "error.data"), "tx not accepted: "));
            } else {
                assert_string_equal(rpc_fake_text_at(answer, "error.data"), table[i].data);
            }
            json_decref(answer);
        }
    }
}

static void a_transaction_that_the_app_refuses_shows_its_code(void **state)
{
    struct rpc_fake *fake = *state;
    json_t *answer = rpc_fake_get_ok(fake, "/broadcast_tx_sync?tx=\"bad\"");
    assert_int_equal(json_integer_value(rpc_fake_find(answer, "result.code")), 2);
    assert_string_equal(rpc_fake_text_at(answer, "result.log"), "expected key=value");
    json_decref(answer);
    answer = rpc_fake_get_ok(fake, "/broadcast_tx_commit?tx=\"bad\"");
    assert_int_equal(json_integer_value(rpc_fake_find(answer, "result.check_tx.code")), 2);
    assert_string_equal(rpc_fake_text_at(answer, "result.check_tx.log"), "expected key=value");
    assert_int_equal(json_integer_value(rpc_fake_find(answer, "result.tx_result.code")), 0);
    assert_string_equal(rpc_fake_text_at(answer, "result.height"), "0");
    json_decref(answer);
}

static void without_an_index_tx_says_so(void **state)
{
    struct rpc_fake fake;
    int status;
    (void)state;
    rpc_fake_init(&fake);
    fake.identity.index_transactions = false;
    rpc_fake_listen(&fake);
    json_t *answer = rpc_fake_get(
        &fake, "/tx?hash=0x0000000000000000000000000000000000000000000000000000000000000000",
        &status);
    assert_string_equal(rpc_fake_text_at(answer, "error.data"), "transaction indexing is disabled");
    json_decref(answer);
    expect_text(&fake, "/status", "result.node_info.other.tx_index", "off");
    rpc_fake_deinit(&fake);
}

static void a_store_that_fails_is_an_error_and_not_an_answer(void **state)
{
    struct rpc_fake *fake = *state;
    int status;
    fake->read_error = INGOT_ERROR_CORRUPT;
    json_t *answer = rpc_fake_get(fake, "/block?height=1", &status);
    assert_int_equal(status, 500);
    assert_non_null(strstr(rpc_fake_text_at(answer, "error.data"), "the store failed"));
    json_decref(answer);
}

static void pruned_heights_name_the_lowest_one(void **state)
{
    struct rpc_fake *fake = *state;
    int status;
    fake->status.height_lowest = 2;
    json_t *answer = rpc_fake_get(fake, "/block?height=1", &status);
    assert_string_equal(rpc_fake_text_at(answer, "error.data"),
                        "height 1 is not available, lowest height is 2: this node keeps no "
                        "older blocks");
    json_decref(answer);
    answer = rpc_fake_get(
        fake, "/tx?hash=0x0000000000000000000000000000000000000000000000000000000000000000",
        &status);
    assert_string_equal(rpc_fake_text_at(answer, "error.data"),
                        "tx (0000000000000000000000000000000000000000000000000000000000000000) not "
                        "found, lowest height is 2: this node keeps no older blocks");
    json_decref(answer);
    expect_text(fake, "/status", "result.sync_info.earliest_block_height", "2");
}

static void the_chain_can_be_seen_before_its_first_block(void **state)
{
    struct rpc_fake *fake = *state;
    json_t *answer = rpc_fake_get_ok(fake, "/status");
    assert_string_equal(rpc_fake_text_at(answer, "result.sync_info.latest_block_height"), "0");
    assert_int_equal(strlen(rpc_fake_text_at(answer, "result.sync_info.latest_block_hash")), 64);
    assert_int_equal(strlen(rpc_fake_text_at(answer, "result.sync_info.latest_app_hash")), 64);
    assert_string_equal(rpc_fake_text_at(answer, "result.sync_info.latest_block_time"),
                        "2023-11-14T22:13:20.000000000Z");
    json_decref(answer);
    answer = rpc_fake_get_ok(fake, "/block");
    assert_true(json_is_null(rpc_fake_find(answer, "result.block")));
    json_decref(answer);
    expect_text(fake, "/validators", "result.block_height", "1");
    rpc_fake_submit(fake, "a=b");
    rpc_fake_commit(fake);
    expect_text(fake, "/status", "result.sync_info.earliest_block_height", "1");
    expect_text(fake, "/status", "result.sync_info.latest_block_height", "1");
}

static void expect_set(struct rpc_fake *fake, const char *target, const char *height,
                       const char *epoch, const char *total, const char *power)
{
    json_t *answer = rpc_fake_get_ok(fake, target);
    print_message("%s\n", target);
    assert_string_equal(rpc_fake_text_at(answer, "result.block_height"), height);
    assert_string_equal(rpc_fake_text_at(answer, "result.ingot.epoch"), epoch);
    assert_string_equal(rpc_fake_text_at(answer, "result.total"), total);
    assert_string_equal(rpc_fake_text_at(answer, "result.validators.0.voting_power"), power);
    json_decref(answer);
}

static void the_set_of_a_height_is_that_of_its_epoch(void **state)
{
    struct rpc_fake *fake = *state; /* no block yet */
    expect_set(fake, "/validators", "1", "0", "4", "10");
    rpc_fake_commit(fake);
    rpc_fake_commit_set_change(fake, 3, 20);
    /* Block 2 changed the set: it is of the old one itself, and its child of the new one. */
    expect_set(fake, "/validators?height=2", "2", "0", "4", "10");
    expect_set(fake, "/validators", "3", "1", "3", "20");
    rpc_fake_commit(fake);
    rpc_fake_commit_set_change(fake, 1, 5);
    rpc_fake_commit(fake);
    expect_set(fake, "/validators?height=1", "1", "0", "4", "10");
    expect_set(fake, "/validators?height=3", "3", "1", "3", "20");
    expect_set(fake, "/validators?height=4", "4", "1", "3", "20");
    expect_set(fake, "/validators?height=5", "5", "2", "1", "5");
    expect_set(fake, "/validators", "6", "2", "1", "5");
    expect_text(fake, "/validators", "result.ingot.total_power", "5");

    json_t *second = rpc_fake_get_ok(fake, "/block?height=2");
    json_t *third = rpc_fake_get_ok(fake, "/block?height=3");
    assert_string_equal(rpc_fake_text_at(second, "result.block.header.next_validators_hash"),
                        rpc_fake_text_at(third, "result.block.header.validators_hash"));
    assert_string_not_equal(rpc_fake_text_at(second, "result.block.header.validators_hash"),
                            rpc_fake_text_at(third, "result.block.header.validators_hash"));
    /* Those who certified block 2 are the old set's. */
    assert_int_equal(json_array_size(rpc_fake_find(third, "result.block.last_commit.signatures")),
                     4);
    json_decref(second);
    json_decref(third);
    json_t *last = rpc_fake_get_ok(fake, "/block?height=4");
    assert_int_equal(json_array_size(rpc_fake_find(last, "result.block.last_commit.signatures")),
                     3);
    json_decref(last);
}

static void an_observer_has_no_power(void **state)
{
    struct rpc_fake fake;
    (void)state;
    rpc_fake_init(&fake);
    fake.identity.has_key = false;
    fake.status.is_member = false;
    rpc_fake_listen(&fake);
    expect_text(&fake, "/status", "result.validator_info.voting_power", "0");
    rpc_fake_deinit(&fake);
}

static void status_tells_whether_and_until_when_signing_is_withheld(void **state)
{
    struct rpc_fake *fake = *state;
    expect_text(fake, "/status", "result.ingot.signing", "allowed");
    fake->status.withholds_signing = true;
    expect_text(fake, "/status", "result.ingot.signing",
                "withheld: a copy, whose watermark is not known yet");
    fake->status.has_watermark = true;
    fake->status.watermark = (struct position){2, 77};
    expect_text(fake, "/status", "result.ingot.signing",
                "withheld: a copy, until a block above epoch 2, view 77 is committed");
    fake->status.has_stopped_signing = true;
    expect_text(fake, "/status", "result.ingot.signing",
                "stopped: another process signs with this key");
}

static void status_tells_truthfully_whether_it_catches_up(void **state)
{
    struct rpc_fake *fake = *state;
    for (int i = 0; i < 2; i++) {
        fake->status.catching_up = i == 1;
        json_t *answer = rpc_fake_get_ok(fake, "/status");
        assert_int_equal(json_is_true(rpc_fake_find(answer, "result.sync_info.catching_up")), i);
        json_decref(answer);
    }
}

#define WITH(setup, test) cmocka_unit_test_setup_teardown(test, setup, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH(set_up, answers_are_those_of_the_golden_file),
        WITH(set_up, methods_answer_the_same_to_get_and_to_post),
        WITH(set_up, the_tutorial_of_the_dialect_works),
        WITH(set_up, transactions_come_in_every_spelling),
        WITH(set_up, tx_finds_what_was_committed),
        WITH(set_up, errors_have_the_codes_and_words_of_the_dialect),
        WITH(set_up, submissions_that_fail_say_why),
        WITH(set_up, a_transaction_that_the_app_refuses_shows_its_code),
        cmocka_unit_test(without_an_index_tx_says_so),
        WITH(set_up, a_store_that_fails_is_an_error_and_not_an_answer),
        WITH(set_up, pruned_heights_name_the_lowest_one),
        WITH(set_up_at_genesis, the_chain_can_be_seen_before_its_first_block),
        WITH(set_up_at_genesis, the_set_of_a_height_is_that_of_its_epoch),
        cmocka_unit_test(an_observer_has_no_power),
        WITH(set_up, status_tells_whether_and_until_when_signing_is_withheld),
        WITH(set_up, status_tells_truthfully_whether_it_catches_up),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
