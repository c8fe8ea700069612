/*
 * genesis.json. Goal: one chain has one hash however its JSON is written, the canonical bytes never
 * change by accident, and every mistake is named with its line or JSON path. Method: a golden hash
 * that was computed outside of this program, and tables of bad files.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/hex.h"
#include "config/genesis.h"
#include "wire/crypto.h"

/* RFC 8032, section 7.1, TEST 1 to 3. */
#define KEY_A "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a"
#define KEY_B "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c"
#define KEY_C "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025"
#define KEY_A_BASE64 "11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo="

#define HEAD "\"chain_id\":\"test-chain\",\"genesis_time\":\"2026-01-02T03:04:05Z\",\"app\":\"kv\""
#define ONE "{\"public_key\":\"" KEY_A "\",\"power\":1}"
#define VALIDATORS "\"validators\":[" ONE "]"
#define WITH_VALIDATOR(text) "{" HEAD ",\"validators\":[" text "]}"
#define WITH_PARAMETER(text) "{" HEAD "," VALIDATORS ",\"parameters\":{" text "}}"

static char complaints[4096];

static enum ingot_error parse(const char *json, struct genesis *genesis)
{
    struct report report;
    report_init(&report, complaints, sizeof complaints);
    enum ingot_error error =
        genesis_parse(ingot_slice_of_text(json), "genesis.json", genesis, &report);
    assert_true((error == INGOT_OK) == (report.count == 0));
    return error;
}

static void assert_hash_of(const char *json, const char *expected)
{
    struct genesis genesis;
    char text[2 * INGOT_HASH_BYTES + 1];
    if (parse(json, &genesis) != INGOT_OK)
        fail_msg("%s", complaints);
    hex_encode_lower(genesis.hash.bytes, sizeof genesis.hash.bytes, text);
    assert_string_equal(text, expected);
    genesis_deinit(&genesis);
}

static const char plain[] =
    "{" HEAD ",\"validators\":[{\"public_key\":\"" KEY_A "\",\"power\":10,\"name\":\"first\"},"
    "{\"public_key\":\"" KEY_B "\",\"power\":\"1152921504606846000\"}]}";

/* The same chain: other order, layout, number and key forms, names, zone, and defaults spelled out.
 */
static const char rearranged[] =
    "{\n \"validators\" : [\n  {\"power\":1152921504606846000, \"public_key\":\"" KEY_B "\"},\n"
    "  {\"name\":\"x\", \"power\":\"10\", \"public_key\":\"" KEY_A_BASE64 "\"}],\n"
    " \"parameters\": {\"transaction_bytes_max\": 262144, \"leader_tenure\": 4,\n"
    "   \"block_payload_bytes_max\": 1048576, \"replay_window_blocks\": 256},\n"
    " \"app\":\"kv\", \"genesis_time\":\"2026-01-02T04:04:05.000+01:00\",\n"
    " \"chain_id\":\"test-chain\"}\n";

/* blake2b-256 by Python's hashlib over bytes packed by hand as config/genesis.h says. */
#define GOLDEN_PLAIN "571293f515a66aee2efb23eaf7f1c9c3700bb2f51ddbac4c701617e2d098cd25"
#define GOLDEN_FULL "a9172b92564523477dfec22ad84346eb1b9a17d788725cdeb4f7cf1b0f7622f3"

static void the_hash_is_the_golden_one(void **state)
{
    (void)state;
    assert_hash_of(plain, GOLDEN_PLAIN);
    assert_hash_of("{\"chain_id\":\"c\",\"genesis_time\":\"1970-01-01T00:00:00.000000001Z\","
                   "\"app\":\"null\",\"parameters\":{\"leader_tenure\":1024,"
                   "\"replay_window_blocks\":65536,\"block_payload_bytes_max\":1024,"
                   "\"transaction_bytes_max\":1,\"administrator\":\"" KEY_C "\"},"
                   "\"validators\":[" ONE "]}",
                   GOLDEN_FULL);
}

static void the_hash_does_not_depend_on_how_the_json_is_written(void **state)
{
    (void)state;
    assert_hash_of(rearranged, GOLDEN_PLAIN);
}

static void a_chain_that_names_no_app_runs_the_signing_app(void **state)
{
    (void)state;
    static const char *const rows[] = {
        "{\"chain_id\":\"a\",\"genesis_time\":\"2026-01-02T03:04:05Z\"," VALIDATORS "}",
        "{\"chain_id\":\"a\",\"genesis_time\":\"2026-01-02T03:04:05Z\",\"app\":"
        "\"signing\"," VALIDATORS "}"};
    struct genesis genesis[2];
    for (size_t i = 0; i < 2; i++) {
        assert_int_equal(parse(rows[i], &genesis[i]), INGOT_OK);
        assert_string_equal(genesis[i].app, "signing");
    }
    assert_memory_equal(&genesis[0].hash, &genesis[1].hash, sizeof genesis[0].hash);
    for (size_t i = 0; i < 2; i++)
        genesis_deinit(&genesis[i]);
}

static void every_field_but_a_name_changes_the_hash(void **state)
{
    (void)state;
    static const char *const rows[] = {
        "{" HEAD "," VALIDATORS "}",
        "{\"chain_id\":\"test-chaim\",\"genesis_time\":\"2026-01-02T03:04:05Z\",\"app\":"
        "\"kv\"," VALIDATORS "}",
        "{\"chain_id\":\"test-chain\",\"genesis_time\":\"2026-01-02T03:04:05.000000001Z\","
        "\"app\":\"kv\"," VALIDATORS "}",
        "{\"chain_id\":\"test-chain\",\"genesis_time\":\"2026-01-02T03:04:05Z\",\"app\":"
        "\"kw\"," VALIDATORS "}",
        WITH_PARAMETER("\"leader_tenure\":5"),
        WITH_PARAMETER("\"replay_window_blocks\":257"),
        WITH_PARAMETER("\"block_payload_bytes_max\":1048577"),
        WITH_PARAMETER("\"transaction_bytes_max\":262145"),
        WITH_PARAMETER("\"administrator\":\"" KEY_A "\""),
        WITH_PARAMETER("\"administrator\":\"" KEY_B "\""),
        WITH_VALIDATOR("{\"public_key\":\"" KEY_A "\",\"power\":2}"),
        WITH_VALIDATOR("{\"public_key\":\"" KEY_B "\",\"power\":1}"),
        WITH_VALIDATOR(ONE ",{\"public_key\":\"" KEY_B "\",\"power\":1}"),
    };
    struct ingot_hash hashes[sizeof rows / sizeof rows[0]];
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct genesis genesis;
        if (parse(rows[i], &genesis) != INGOT_OK)
            fail_msg("%s", complaints);
        hashes[i] = genesis.hash;
        genesis_deinit(&genesis);
        for (size_t j = 0; j < i; j++)
            if (memcmp(&hashes[i], &hashes[j], sizeof hashes[i]) == 0)
                fail_msg("%s and %s have one hash", rows[i], rows[j]);
    }
}

static void mistakes_are_named_with_their_place_and_expectation(void **state)
{
    (void)state;
    static const struct {
        const char *json;
        const char *complaint;
        const char *why;
    } rows[] = {
        {"{\n\"chain_id\": \"x\",\n}", "genesis.json:3: expected valid JSON", "broken JSON"},
        {"", "genesis.json:1: expected valid JSON", "nothing"},
        {"[]", "genesis.json:1: expected a JSON object", "another type"},
        {"{" HEAD "," VALIDATORS "} x", "genesis.json:1: expected valid JSON", "something behind"},
        {"{\n\"app\":\"kv\",\n\"app\":\"kv\"}", "genesis.json:3: expected valid JSON: duplicate",
         "a key twice"},
        {"{" HEAD "," VALIDATORS ",\"apps\":1}",
         "genesis.json: apps: unknown key, expected one of chain_id, genesis_time", "unknown key"},
        {"{\"chain_id\":\"a\",\"app\":\"kv\"," VALIDATORS "}",
         "genesis.json: genesis_time: missing, expected an RFC 3339 time", "missing time"},
        {"{\"genesis_time\":\"2026-01-02T03:04:05Z\",\"app\":\"kv\"," VALIDATORS "}",
         "genesis.json: chain_id: missing, expected", "missing chain id"},
        {"{" HEAD "}", "genesis.json: validators: missing, expected an array", "no validators"},
        {"{" HEAD ",\"validators\":{}}", "genesis.json: validators: expected an array",
         "validators of another type"},
        {WITH_VALIDATOR(""), "genesis.json: validators: expected an array of 1 to 256",
         "empty set"},
        {"{\"chain_id\":7,\"genesis_time\":\"2026-01-02T03:04:05Z\",\"app\":\"kv\"," VALIDATORS "}",
         "genesis.json: chain_id: expected a string", "chain id of another type"},
        {"{\"chain_id\":\"a "
         "b\",\"genesis_time\":\"2026-01-02T03:04:05Z\",\"app\":\"kv\"," VALIDATORS "}",
         "genesis.json: chain_id: expected 1 to 50 characters", "a blank in the chain id"},
        {"{\"chain_id\":\"\",\"genesis_time\":\"2026-01-02T03:04:05Z\",\"app\":\"kv\"," VALIDATORS
         "}",
         "genesis.json: chain_id: expected 1 to 50 characters", "empty chain id"},
        {"{\"chain_id\":\"123456789012345678901234567890123456789012345678901\",\"genesis_time\":"
         "\"2026-01-02T03:04:05Z\",\"app\":\"kv\"," VALIDATORS "}",
         "genesis.json: chain_id: expected a string of 1 to 50", "51 characters"},
        {"{\"chain_id\":\"a\",\"genesis_time\":\"yesterday\",\"app\":\"kv\"," VALIDATORS "}",
         "genesis.json: genesis_time: expected an RFC 3339 time", "bad time"},
        {"{\"chain_id\":\"a\",\"genesis_time\":\"2026-01-02T03:04:05Z\",\"app\":\"\"," VALIDATORS
         "}",
         "genesis.json: app: expected an App's name", "empty app"},
        {WITH_VALIDATOR("7"), "genesis.json: validators[0]: expected an object", "not an object"},
        {WITH_VALIDATOR(ONE ",{\"power\":1}"),
         "genesis.json: validators[1].public_key: missing, expected 64 hex digits", "no key"},
        {WITH_VALIDATOR("{\"public_key\":\"" KEY_A "\"}"),
         "genesis.json: validators[0].power: missing, expected a whole number", "no power"},
        {WITH_VALIDATOR("{\"public_key\":\"" KEY_A "\",\"power\":0}"),
         "genesis.json: validators[0].power: expected a whole number from 1", "zero power"},
        {WITH_VALIDATOR("{\"public_key\":\"" KEY_A "\",\"power\":-1}"),
         "genesis.json: validators[0].power: expected", "negative power"},
        {WITH_VALIDATOR("{\"public_key\":\"" KEY_A "\",\"power\":1.5}"),
         "genesis.json: validators[0].power: expected", "half a power"},
        {WITH_VALIDATOR("{\"public_key\":\"" KEY_A "\",\"power\":\"010\"}"),
         "genesis.json: validators[0].power: expected", "leading zero"},
        {WITH_VALIDATOR("{\"public_key\":\"" KEY_A "\",\"power\":\"18446744073709551617\"}"),
         "genesis.json: validators[0].power: expected", "overflows to 1"},
        {WITH_VALIDATOR("{\"public_key\":\"" KEY_A "\",\"power\":1152921504606846977}"),
         "genesis.json: validators[0].power: expected", "one above 2^60"},
        {"{" HEAD ",\"validators\":[\n{\"public_key\":\"" KEY_A
         "\",\"power\":99999999999999999999}]}",
         "genesis.json:2: expected valid JSON", "an integer beyond JSON's 64 bits"},
        {WITH_VALIDATOR("{\"public_key\":\"" KEY_A "\",\"power\":\"1152921504606846976\"},"
                        "{\"public_key\":\"" KEY_B "\",\"power\":1}"),
         "genesis.json: validators: expected a total power of at most 1152921504606846976",
         "a total one above 2^60"},
        {WITH_VALIDATOR("{\"public_key\":\"" KEY_B "\",\"power\":1}," ONE "," ONE),
         "genesis.json: validators[2].public_key: expected each key once, validators[1] has",
         "a key twice"},
        {WITH_VALIDATOR(ONE ",{\"public_key\":\"" KEY_A_BASE64 "\",\"power\":3}"),
         "genesis.json: validators[1].public_key: expected each key once, validators[0] has",
         "a key twice in two forms"},
        {WITH_VALIDATOR("{\"public_key\":\"abcd\",\"power\":1}"),
         "genesis.json: validators[0].public_key: expected an ed25519 public key", "short key"},
        {WITH_VALIDATOR(
             "{\"public_key\":\"0100000000000000000000000000000000000000000000000000000000"
             "000000\",\"power\":1}"),
         "genesis.json: validators[0].public_key: expected", "a key of small order"},
        {WITH_VALIDATOR(
             "{\"public_key\":\"eeffffffffffffffffffffffffffffffffffffffffffffffffffffffff"
             "ffff7f\",\"power\":1}"),
         "genesis.json: validators[0].public_key: expected", "a key that is not canonical"},
        {WITH_VALIDATOR("{\"public_key\":\"11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURp=\","
                        "\"power\":1}"),
         "genesis.json: validators[0].public_key: expected", "base64 with stray last bits"},
        {WITH_VALIDATOR("{\"public_key\":\"" KEY_A "\",\"power\":1,\"pow\":1}"),
         "genesis.json: validators[0].pow: unknown key, expected one of public_key", "unknown key"},
        {WITH_VALIDATOR("{\"public_key\":\"" KEY_A "\",\"power\":1,\"name\":7}"),
         "genesis.json: validators[0].name: expected a string", "name of another type"},
        {WITH_VALIDATOR("{\"public_key\":\"" KEY_A "\",\"power\":1,\"name\":\"a\\nb\"}"),
         "genesis.json: validators[0].name: expected", "a control character"},
        {WITH_PARAMETER("\"leader_tenur\":1"), "genesis.json: parameters.leader_tenur: unknown key",
         "unknown parameter"},
        {WITH_PARAMETER("\"leader_tenure\":0"),
         "genesis.json: parameters.leader_tenure: expected 1 to 1024, found 0", "no tenure"},
        {WITH_PARAMETER("\"leader_tenure\":1025"),
         "genesis.json: parameters.leader_tenure: expected 1 to 1024, found 1025", "above"},
        {WITH_PARAMETER("\"leader_tenure\":\"4\""),
         "genesis.json: parameters.leader_tenure: expected a whole number", "a string"},
        {WITH_PARAMETER("\"leader_tenure\":4294967300"),
         "genesis.json: parameters.leader_tenure: expected 1 to 1024", "wraps to 4"},
        {WITH_PARAMETER("\"replay_window_blocks\":0"),
         "genesis.json: parameters.replay_window_blocks: expected 1 to 65536, found 0", "none"},
        {WITH_PARAMETER("\"block_payload_bytes_max\":4194305"),
         "genesis.json: parameters.block_payload_bytes_max: expected 1024 to 4194304", "above"},
        {WITH_PARAMETER("\"transaction_bytes_max\":2000000"),
         "genesis.json: parameters.transaction_bytes_max: expected 1 to 1048576", "above"},
        {WITH_PARAMETER("\"block_payload_bytes_max\":2048,\"transaction_bytes_max\":2048"),
         "genesis.json: parameters.transaction_bytes_max: expected at least 4 bytes less",
         "a transaction that no block holds"},
        {WITH_PARAMETER("\"administrator\":\"\""),
         "genesis.json: parameters.administrator: expected an ed25519 public key", "empty key"},
        {"{" HEAD "," VALIDATORS ",\"parameters\":[]}",
         "genesis.json: parameters: expected an object", "parameters of another type"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct genesis genesis;
        if (parse(rows[i].json, &genesis) != INGOT_ERROR_INVALID)
            fail_msg("%s: accepted", rows[i].why);
        if (strstr(complaints, rows[i].complaint) == NULL)
            fail_msg("%s: expected '%s' in: %s", rows[i].why, rows[i].complaint, complaints);
    }
}

static void more_validators_than_the_limit_are_refused(void **state)
{
    (void)state;
    struct ingot_buffer json = {0};
    ingot_buffer_format(&json, "{" HEAD ",\"validators\":[");
    for (int i = 0; i < INGOT_VALIDATORS_MAX + 1; i++)
        ingot_buffer_format(&json, "%s" ONE, i > 0 ? "," : "");
    ingot_buffer_append(&json, "]}", 3);
    struct genesis genesis;
    assert_int_equal(parse((const char *)json.data, &genesis), INGOT_ERROR_INVALID);
    assert_non_null(strstr(complaints, "validators: expected an array of 1 to 256"));
    ingot_buffer_deinit(&json);
}

static void what_is_written_reads_back_the_same(void **state)
{
    (void)state;
    struct genesis first;
    struct genesis second;
    struct ingot_buffer json = {0};
    assert_int_equal(parse(plain, &first), INGOT_OK);
    genesis_format(&first, &json);
    ingot_buffer_append_u8(&json, 0);
    if (parse((const char *)json.data, &second) != INGOT_OK)
        fail_msg("%s", complaints);
    assert_memory_equal(&first.hash, &second.hash, sizeof first.hash);
    assert_int_equal(second.validator_count, 2);
    assert_int_equal(second.total_power, UINT64_C(1152921504606846010));
    assert_string_equal(second.validators[1].name, "first"); /* ordered by key */
    assert_string_equal(second.validators[0].name, "");
    ingot_buffer_deinit(&json);
    genesis_deinit(&first);
    genesis_deinit(&second);
}

static void a_smaller_block_shrinks_the_default_transaction(void **state)
{
    (void)state;
    struct genesis genesis;
    if (parse(WITH_PARAMETER("\"block_payload_bytes_max\":2048"), &genesis) != INGOT_OK)
        fail_msg("%s", complaints);
    assert_int_equal(genesis.transaction_bytes_max, 2044);
    genesis_deinit(&genesis);
}

static int begin(void **state)
{
    (void)state;
    return crypto_init() ? 0 : -1;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_hash_is_the_golden_one),
        cmocka_unit_test(the_hash_does_not_depend_on_how_the_json_is_written),
        cmocka_unit_test(a_chain_that_names_no_app_runs_the_signing_app),
        cmocka_unit_test(every_field_but_a_name_changes_the_hash),
        cmocka_unit_test(mistakes_are_named_with_their_place_and_expectation),
        cmocka_unit_test(more_validators_than_the_limit_are_refused),
        cmocka_unit_test(what_is_written_reads_back_the_same),
        cmocka_unit_test(a_smaller_block_shrinks_the_default_transaction),
    };
    return cmocka_run_group_tests(tests, begin, NULL);
}
