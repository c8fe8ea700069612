/*
 * Changes of the validator set through the key-value App: who may make them, how often, and what
 * is refused with which words. Method: an App with a known administrator over the simplest state;
 * which sets are valid is the node's business, whose answers the state gives. The vector was
 * computed by a second implementation.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <sodium.h>

#include <ingot/apps.h>

#include "app/kv_transaction.h"
#include "base/hex.h"
#include "proto/kv.pb-c.h"
#include "unit/app_state.h"

struct fixture {
    struct ingot_app app;
    struct ingot_app_options options;
    uint8_t secret[crypto_sign_SECRETKEYBYTES];
    struct ingot_snapshot state;
    struct ingot_execution execution;
    struct ingot_buffer transaction;
};

/* The keys of the first two vectors of RFC 8032. */
static struct ingot_validator change(unsigned key, uint64_t power)
{
    static const char *const keys[] = {
        "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
        "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c"};
    struct ingot_validator validator = {.power = power};
    assert_true(hex_decode(ingot_slice_of_text(keys[key]), validator.key.bytes, 32));
    return validator;
}

static int set_up(void **state)
{
    struct fixture *fixture = calloc(1, sizeof *fixture);
    uint8_t seed[32];
    for (uint8_t i = 0; i < 32; i++)
        seed[i] = i;
    assert_int_equal(
        crypto_sign_seed_keypair(fixture->options.administrator.bytes, fixture->secret, seed), 0);
    fixture->options.has_administrator = true;
    memset(fixture->options.chain.bytes, 0x11, sizeof fixture->options.chain.bytes);
    ingot_app_kv_init(&fixture->options, &fixture->app);
    fixture->execution.state = &fixture->state;
    *state = fixture;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *fixture = *state;
    app_state_deinit(&fixture->state, &fixture->execution);
    ingot_buffer_deinit(&fixture->transaction);
    ingot_app_deinit(&fixture->app);
    free(fixture);
    return 0;
}

static struct ingot_signature sign(const struct fixture *fixture, const struct ingot_hash *chain,
                                   uint64_t sequence, const struct ingot_validator *changes,
                                   uint32_t count)
{
    struct ingot_buffer preimage = {0};
    struct ingot_signature signature;
    ingot_administrator_preimage(&preimage, chain, sequence, changes, count);
    assert_int_equal(
        crypto_sign_detached(signature.bytes, NULL, preimage.data, preimage.size, fixture->secret),
        0);
    ingot_buffer_deinit(&preimage);
    return signature;
}

/* Makes a well-signed transaction. */
static void make(struct fixture *fixture, uint64_t sequence, const struct ingot_validator *changes,
                 uint32_t count)
{
    const struct ingot_signature signature =
        sign(fixture, &fixture->options.chain, sequence, changes, count);
    ingot_buffer_clear(&fixture->transaction);
    assert_int_equal(ingot_kv_transaction_set_validators(&fixture->transaction, sequence, changes,
                                                         count, &signature),
                     INGOT_OK);
}

static void execute(struct fixture *fixture)
{
    const struct ingot_slice slice = ingot_buffer_slice(&fixture->transaction);
    assert_int_equal(app_state_validate(&fixture->app, &fixture->execution, &slice, 1), INGOT_OK);
    assert_int_equal(fixture->execution.count, 1);
}

/* The check refuses what the execution refuses, with the same words, and neither changes
 * anything. */
static void expect_refusal(struct fixture *fixture, uint32_t code, const char *log)
{
    const uint32_t items = fixture->state.count;
    const uint32_t changes_made = fixture->state.changes_made;
    struct ingot_check_response response = {.code = 999};
    fixture->app.check_tx(fixture->app.context, ingot_buffer_slice(&fixture->transaction),
                          &fixture->state, &response);
    assert_int_equal(response.code, code);
    assert_true(ingot_slice_equal(ingot_buffer_slice(&response.log), ingot_slice_of_text(log)));
    ingot_buffer_deinit(&response.log);
    execute(fixture);
    assert_int_equal(fixture->execution.codes[0], code);
    assert_string_equal(fixture->execution.logs[0], log);
    assert_int_equal(fixture->state.count, items);
    assert_int_equal(fixture->state.changes_made, changes_made);
}

static void expect_made(struct fixture *fixture, uint32_t change_count)
{
    const uint32_t changes_made = fixture->state.changes_made;
    struct ingot_check_response response = {.code = 999};
    fixture->app.check_tx(fixture->app.context, ingot_buffer_slice(&fixture->transaction),
                          &fixture->state, &response);
    assert_int_equal(response.code, INGOT_KV_OK);
    assert_false(response.is_stateless);
    assert_int_equal(response.log.size, 0);
    execute(fixture);
    assert_int_equal(fixture->execution.codes[0], INGOT_KV_OK);
    assert_int_equal(fixture->state.changes_made, changes_made + 1);
    assert_int_equal(fixture->state.change_count, change_count);
}

static void expect_next_sequence(struct fixture *fixture, uint32_t code, const char *value)
{
    struct ingot_query_response response = {0};
    const struct ingot_query_request request = {
        .path = ingot_slice_of_text("/validators/next_sequence"), .snapshot = &fixture->state};
    fixture->app.query(fixture->app.context, &request, &response);
    assert_int_equal(response.code, code);
    assert_true(ingot_slice_equal(ingot_buffer_slice(&response.value), ingot_slice_of_text(value)));
    ingot_buffer_deinit(&response.value);
    ingot_buffer_deinit(&response.log);
}

static const char unsigned_log[] =
    "not the signature of the administrator that genesis names over these changes for this chain";

static void the_documented_vector_is_what_is_made_and_taken(void **state)
{
    struct fixture *fixture = *state;
    static const char preimage_hex[] =
        "696e676f742f6b762d76616c696461746f72732f310000001111111111111111111111111111111111111111"
        "111111111111111111111111010000000000000002000000d75a980182b10ab7d54bfed3c964073a0ee172f3"
        "daa62325af021a68f707511a2c010000000000003d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968c"
        "c0cd55f12af4660c0000000000000000";
    static const char transaction_hex[] =
        "002a8f010a250a20d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a10ac020a"
        "220a203d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c10011a40e8ecd56b14"
        "9106831308aa578d4988b65bd561a36d43e368977239a283a4c08b0bedc3d8e42625b93ab8fd5d3f8f5eb495"
        "f50624689e1c6d13311b7db14ed802";
    const struct ingot_validator changes[] = {change(0, 300), change(1, 0)};
    struct ingot_buffer preimage = {0};
    char text[512];
    ingot_administrator_preimage(&preimage, &fixture->options.chain, 1, changes, 2);
    hex_encode_lower(preimage.data, preimage.size, text);
    assert_string_equal(text, preimage_hex);
    ingot_buffer_deinit(&preimage);
    make(fixture, 1, changes, 2);
    hex_encode_lower(fixture->transaction.data, fixture->transaction.size, text);
    assert_string_equal(text, transaction_hex);
    expect_made(fixture, 2);
    assert_memory_equal(fixture->state.changes, changes, sizeof changes);
}

static void each_change_is_made_once_in_the_order_of_its_number(void **state)
{
    struct fixture *fixture = *state;
    const struct ingot_validator changes[] = {change(0, 1)};
    expect_next_sequence(fixture, INGOT_KV_OK, "1");
    make(fixture, 2, changes, 1);
    expect_refusal(fixture, INGOT_KV_WRONG_SEQUENCE, "expected sequence number 1, found 2");
    make(fixture, 0, changes, 1);
    expect_refusal(fixture, INGOT_KV_WRONG_SEQUENCE, "expected sequence number 1, found 0");
    make(fixture, 1, changes, 1);
    expect_made(fixture, 1);
    expect_next_sequence(fixture, INGOT_KV_OK, "2");
    expect_refusal(fixture, INGOT_KV_WRONG_SEQUENCE, "expected sequence number 2, found 1");
    make(fixture, 2, changes, 1);
    expect_made(fixture, 1);
    expect_next_sequence(fixture, INGOT_KV_OK, "3");
}

static void no_client_writes_the_sequence_number(void **state)
{
    struct fixture *fixture = *state;
    const struct ingot_validator changes[] = {change(0, 1)};
    ingot_buffer_append_slice(&fixture->transaction,
                              ingot_slice_of_text("validators/sequence=12345678"));
    execute(fixture);
    assert_int_equal(fixture->execution.codes[0], INGOT_KV_OK);
    expect_next_sequence(fixture, INGOT_KV_OK, "1");
    make(fixture, 1, changes, 1);
    expect_made(fixture, 1);
    assert_int_equal(fixture->state.count, 2);
}

static void only_the_administrators_signature_over_these_bytes_counts(void **state)
{
    struct fixture *fixture = *state;
    const struct ingot_validator changes[] = {change(0, 7), change(1, 8)};
    const struct ingot_validator others[] = {change(0, 7), change(1, 9)};
    struct ingot_hash other_chain = fixture->options.chain;
    other_chain.bytes[31] ^= 1;
    struct ingot_signature signatures[5];
    signatures[0] = sign(fixture, &other_chain, 1, changes, 2);
    signatures[1] = sign(fixture, &fixture->options.chain, 2, changes, 2);
    signatures[2] = sign(fixture, &fixture->options.chain, 1, others, 2);
    signatures[3] = sign(fixture, &fixture->options.chain, 1, changes, 1);
    memset(&signatures[4], 0, sizeof signatures[4]);
    for (size_t i = 0; i < 5; i++) {
        ingot_buffer_clear(&fixture->transaction);
        assert_int_equal(ingot_kv_transaction_set_validators(&fixture->transaction, 1, changes, 2,
                                                             &signatures[i]),
                         INGOT_OK);
        expect_refusal(fixture, INGOT_KV_BAD_SIGNATURE, unsigned_log);
    }
    /* Another key's. */
    crypto_sign_keypair((uint8_t[32]){0}, fixture->secret);
    make(fixture, 1, changes, 2);
    expect_refusal(fixture, INGOT_KV_BAD_SIGNATURE, unsigned_log);
}

static void without_an_administrator_nobody_changes_the_validators(void **state)
{
    struct fixture *fixture = *state;
    const struct ingot_validator changes[] = {change(0, 1)};
    make(fixture, 1, changes, 1);
    ingot_app_deinit(&fixture->app);
    ingot_app_kv_init(NULL, &fixture->app);
    expect_refusal(fixture, INGOT_KV_NO_ADMINISTRATOR,
                   "genesis names no administrator, so the validators cannot be changed");
    expect_next_sequence(fixture, INGOT_KV_NO_ADMINISTRATOR, "");
}

static void a_set_that_breaks_a_rule_is_refused_with_its_reason(void **state)
{
    struct fixture *fixture = *state;
    static const struct {
        enum ingot_error answer;
        const char *log;
    } rows[] = {
        {INGOT_ERROR_EXISTS, "a validator is changed twice"},
        {INGOT_ERROR_INVALID, "a key is not a valid ed25519 public key"},
        {INGOT_ERROR_FULL, "there would be more than 256 validators"},
        {INGOT_ERROR_TOO_LARGE, "the total power would be above 1152921504606846976"},
        {INGOT_ERROR_REJECTED, "no validator would be left"},
    };
    const struct ingot_validator changes[] = {change(0, 1)};
    make(fixture, 1, changes, 1);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        fixture->state.set_answer = rows[i].answer;
        expect_refusal(fixture, INGOT_KV_INVALID_SET, rows[i].log);
    }
    fixture->state.set_answer = INGOT_OK;
    expect_made(fixture, 1); /* a refused change does not use up its number */
}

static void as_many_changes_as_a_set_has_members_fit_and_no_more(void **state)
{
    struct fixture *fixture = *state;
    struct ingot_validator changes[INGOT_VALIDATORS_MAX + 1];
    for (uint32_t i = 0; i < INGOT_VALIDATORS_MAX + 1; i++) {
        changes[i] = change(0, UINT64_MAX);
        memcpy(changes[i].key.bytes, &i, sizeof i);
    }
    const struct ingot_signature none = {{0}};
    assert_int_equal(
        ingot_kv_transaction_set_validators(&fixture->transaction, 1, changes, 0, &none),
        INGOT_ERROR_INVALID);
    assert_int_equal(ingot_kv_transaction_set_validators(&fixture->transaction, 1, changes,
                                                         INGOT_VALIDATORS_MAX + 1, &none),
                     INGOT_ERROR_TOO_LARGE);
    assert_int_equal(fixture->transaction.size, 0);
    make(fixture, 1, changes, INGOT_VALIDATORS_MAX);
    expect_made(fixture, INGOT_VALIDATORS_MAX);
    assert_memory_equal(fixture->state.changes, changes, INGOT_VALIDATORS_MAX * sizeof changes[0]);

    /* Messages that our own function refuses to make: a few too many, far too many, none. */
    Ingot__Administrator__ValidatorPower power = INGOT__ADMINISTRATOR__VALIDATOR_POWER__INIT;
    static Ingot__Administrator__ValidatorPower *list[20000];
    power.key = (ProtobufCBinaryData){32, changes[0].key.bytes};
    for (uint32_t i = 0; i < 20000; i++)
        list[i] = &power;
    uint8_t signature[64] = {0};
    Ingot__Administrator__SetValidators set = INGOT__ADMINISTRATOR__SET_VALIDATORS__INIT;
    set.changes = list;
    set.signature = (ProtobufCBinaryData){64, signature};
    Ingot__Kv__Transaction message = INGOT__KV__TRANSACTION__INIT;
    message.operation_case = INGOT__KV__TRANSACTION__OPERATION_SET_VALIDATORS;
    message.set_validators = &set;
    const struct {
        size_t count;
        bool has_nonce;
        uint32_t code;
    } rows[] = {{0, false, INGOT_KV_INVALID_ENCODING},
                {1, false, INGOT_KV_WRONG_SEQUENCE},
                {1, true, INGOT_KV_INVALID_ENCODING}, /* others could make it from the signed one */
                {INGOT_VALIDATORS_MAX, false, INGOT_KV_WRONG_SEQUENCE},
                {INGOT_VALIDATORS_MAX + 1, false, INGOT_KV_TOO_LARGE},
                {INGOT_VALIDATORS_MAX + 77, false, INGOT_KV_TOO_LARGE},
                {20000, false, INGOT_KV_TOO_LARGE}}; /* more than is ever decoded */
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        static uint8_t packed[20000 * 40];
        set.n_changes = rows[i].count;
        message.nonce = (ProtobufCBinaryData){rows[i].has_nonce ? 1 : 0, signature};
        packed[0] = 0;
        const size_t size = 1 + ingot__kv__transaction__pack(&message, packed + 1);
        struct ingot_check_response response = {0};
        fixture->app.check_tx(fixture->app.context, ingot_slice_of(packed, size), &fixture->state,
                              &response);
        assert_int_equal(response.code, rows[i].code);
        ingot_buffer_deinit(&response.log);
    }
}

static void a_message_with_other_than_whole_keys_and_signature_is_refused(void **state)
{
    struct fixture *fixture = *state;
    const struct ingot_validator changes[] = {change(0, 300)};
    make(fixture, 1, changes, 1);
    const struct ingot_buffer good = fixture->transaction;
    fixture->transaction = (struct ingot_buffer){0};
    struct kv_parser *parser = calloc(1, sizeof *parser);
    /* Every change of one bit is refused, by the encoding or by the signature. */
    for (size_t bit = 0; bit < 8 * good.size; bit++) {
        ingot_buffer_clear(&fixture->transaction);
        ingot_buffer_append_slice(&fixture->transaction, ingot_buffer_slice(&good));
        fixture->transaction.data[bit / 8] ^= (uint8_t)(1 << bit % 8);
        if (bit / 8 == 0) /* that makes it text */
            continue;
        execute(fixture);
        assert_int_not_equal(fixture->execution.codes[0], INGOT_KV_OK);
    }
    assert_int_equal(fixture->state.changes_made, 0);
    /* A key or a signature that is a byte short, with all lengths mended. */
    struct kv_transaction parsed;
    Ingot__Kv__Transaction *message =
        ingot__kv__transaction__unpack(NULL, good.size - 1, good.data + 1);
    assert_non_null(message);
    ProtobufCBinaryData *const fields[] = {&message->set_validators->changes[0]->key,
                                           &message->set_validators->signature};
    for (size_t i = 0; i < 2; i++) {
        uint8_t packed[512] = {0};
        fields[i]->len--;
        const size_t size = 1 + ingot__kv__transaction__pack(message, packed + 1);
        assert_int_equal(kv_transaction_parse(parser, ingot_slice_of(packed, size), &parsed),
                         INGOT_KV_INVALID_ENCODING);
        fields[i]->len++;
    }
    ingot__kv__transaction__free_unpacked(message, NULL);
    kv_parser_deinit(parser);
    free(parser);
    ingot_buffer_deinit(&fixture->transaction);
    fixture->transaction = good;
}

static void the_stores_errors_are_passed_on(void **state)
{
    struct fixture *fixture = *state;
    const struct ingot_validator changes[] = {change(0, 1)};
    make(fixture, 1, changes, 1);
    fixture->state.fails_with = INGOT_ERROR_IO;
    const struct ingot_slice slice = ingot_buffer_slice(&fixture->transaction);
    assert_int_equal(app_state_validate(&fixture->app, &fixture->execution, &slice, 1),
                     INGOT_ERROR_IO);
    expect_next_sequence(fixture, INGOT_KV_STORE_FAILED, "");
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(the_documented_vector_is_what_is_made_and_taken),
        TEST(each_change_is_made_once_in_the_order_of_its_number),
        TEST(no_client_writes_the_sequence_number),
        TEST(only_the_administrators_signature_over_these_bytes_counts),
        TEST(without_an_administrator_nobody_changes_the_validators),
        TEST(a_set_that_breaks_a_rule_is_refused_with_its_reason),
        TEST(as_many_changes_as_a_set_has_members_fit_and_no_more),
        TEST(a_message_with_other_than_whole_keys_and_signature_is_refused),
        TEST(the_stores_errors_are_passed_on),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
