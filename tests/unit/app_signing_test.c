/*
 * The signing App: what is taken, what it comes to, and what the validators are asked to sign.
 * Method: an App over the simplest state. The vectors of docs/signing.md were computed by a second
 * implementation.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "app/signing_transaction.h"
#include "base/hex.h"
#include "proto/signing.pb-c.h"
#include "unit/app_signing.h"
#include "wire/preimage.h"

static void make_change(struct fixture *fixture, uint64_t sequence,
                        const struct ingot_validator *changes, uint32_t count)
{
    struct ingot_buffer preimage = {0};
    struct ingot_signature signature;
    ingot_administrator_preimage(&preimage, &fixture->options.chain, sequence, changes, count);
    assert_int_equal(
        crypto_sign_detached(signature.bytes, NULL, preimage.data, preimage.size, fixture->secret),
        0);
    ingot_buffer_deinit(&preimage);
    ingot_buffer_clear(&fixture->transaction);
    assert_int_equal(ingot_signing_transaction_set_validators(&fixture->transaction, sequence,
                                                              changes, count, &signature),
                     INGOT_OK);
}

static void expect_bytes(struct ingot_slice bytes, const char *hex)
{
    char found[1024];
    assert_true(2 * bytes.size < sizeof found);
    hex_encode_lower(bytes.data, bytes.size, found);
    assert_string_equal(found, hex);
}

/* The query with the transaction's digest. */
static void expect_signed(struct fixture *fixture, const char *height)
{
    struct ingot_hash digest;
    wire_transaction_digest(ingot_buffer_slice(&fixture->transaction), &digest);
    struct ingot_query_response response = {.code = 999};
    const struct ingot_query_request request = {.path = text("/signed"),
                                                .data = ingot_slice_of(digest.bytes, 32),
                                                .snapshot = &fixture->state};
    fixture->app.query(fixture->app.context, &request, &response);
    assert_int_equal(response.code, height != NULL ? INGOT_SIGNING_OK : INGOT_SIGNING_NOT_FOUND);
    assert_true(
        ingot_slice_equal(ingot_buffer_slice(&response.value), text(height != NULL ? height : "")));
    assert_true(ingot_slice_equal(ingot_buffer_slice(&response.log),
                                  text(height != NULL ? "signed" : "not signed")));
    ingot_buffer_deinit(&response.key);
    ingot_buffer_deinit(&response.value);
    ingot_buffer_deinit(&response.log);
}

#define MALFORMED_LOG                                                                              \
    "not a canonical signing transaction message with a digest, a payload or changes of "          \
    "validators"
#define LARGE_LOG                                                                                  \
    "too large: a payload has up to 65536 bytes, a nonce 32; up to 256 validators change at once"

static void the_documented_vectors_are_what_is_made_and_taken(void **state)
{
    struct fixture *fixture = *state;
    static const uint8_t nonce[] = {1, 2, 3};
    struct {
        struct ingot_signing_request request;
        const char *signed_end; /* after the tag, chain and submitter */
        const char *transaction;
    } rows[] = {
        {request_for(DOCUMENT), "01" DOCUMENT_SHA256 "00",
         "0a20352c01a47fa7a8c40f8c29dea8fb4faac922f38db049d896fe2e3913638411892a2003a107bff3ce10be1"
         "d"
         "70dd18e74bc09967e4d6309ba50d5f1ddc8664125531b83240cc64021264a86f02f72b3d6b5a812734f27504a"
         "9"
         "e579f78aeef45f40b82510720493e3dc18ccc39bb247ef2eff14133922a251eda443d47498b9ac1eb8bd570"
         "e"},
        {request_with(DOCUMENT), "02" DOCUMENT_SHA256 "03010203",
         "121c696e676f7420302e312e30206d61792062652072656c65617365640a22030102032a2003a107bff3ce10b"
         "e"
         "1d70dd18e74bc09967e4d6309ba50d5f1ddc8664125531b832406cd72476a867abfb31fdc331c33cc1f63c357"
         "7"
         "5336b8815d524d525dfe262e14dc0a0d4d7a2c4d12d99829bc061a7c834bf80ae9e11229ea8ecf3b4b5664fc0"
         "1"},
    };
    rows[1].request.nonce = ingot_slice_of(nonce, sizeof nonce);
    for (size_t i = 0; i < 2; i++) {
        struct ingot_buffer preimage = {0};
        sign_for(fixture, &fixture->options.chain, &rows[i].request);
        ingot_signing_preimage(&preimage, &fixture->options.chain, &rows[i].request);
        expect_bytes(ingot_slice_of(preimage.data, 24 + 64),
                     "696e676f742f7369676e696e672d7375626d69742f310000"
                     "1111111111111111111111111111111111111111111111111111111111111111"
                     "03a107bff3ce10be1d70dd18e74bc09967e4d6309ba50d5f1ddc8664125531b8");
        expect_bytes(ingot_slice_of(preimage.data + 24 + 64, preimage.size - 24 - 64),
                     rows[i].signed_end);
        ingot_buffer_deinit(&preimage);
        make(fixture, &rows[i].request);
        expect_bytes(ingot_buffer_slice(&fixture->transaction), rows[i].transaction);
        expect_checked(fixture, ingot_buffer_slice(&fixture->transaction), INGOT_SIGNING_OK, "");
        expect_result(fixture, ingot_buffer_slice(&fixture->transaction), INGOT_SIGNING_OK, "");
    }
}

static void a_transaction_is_signed_once_and_later_shows_the_height_of_the_first(void **state)
{
    struct fixture *fixture = *state;
    struct ingot_signing_request request = request_for(DOCUMENT);
    make(fixture, &request);
    expect_signed(fixture, NULL);
    expect_result(fixture, ingot_buffer_slice(&fixture->transaction), INGOT_SIGNING_OK, "");
    expect_signed(fixture, "8");
    /* It may be submitted and get into a block; what it comes to stays as it was. */
    expect_checked(fixture, ingot_buffer_slice(&fixture->transaction), INGOT_SIGNING_OK, "");
    expect_result(fixture, ingot_buffer_slice(&fixture->transaction), INGOT_SIGNING_SIGNED_ALREADY,
                  "signed already: at height 8");
    expect_signed(fixture, "8");
    /* Each of these is another transaction. */
    request.nonce = text("again");
    make(fixture, &request);
    expect_signed(fixture, NULL);
    expect_result(fixture, ingot_buffer_slice(&fixture->transaction), INGOT_SIGNING_OK, "");
    sign_for(fixture, &fixture->options.chain, &request);
    make(fixture, &request);
    expect_result(fixture, ingot_buffer_slice(&fixture->transaction), INGOT_SIGNING_OK, "");
    request = request_with(DOCUMENT);
    make(fixture, &request);
    expect_result(fixture, ingot_buffer_slice(&fixture->transaction), INGOT_SIGNING_OK, "");
    assert_int_equal(fixture->state.count, 4);
}

static void what_is_twice_in_one_block_is_signed_once(void **state)
{
    struct fixture *fixture = *state;
    const struct ingot_signing_request request = request_for(DOCUMENT);
    make(fixture, &request);
    const struct ingot_slice twice[] = {ingot_buffer_slice(&fixture->transaction),
                                        ingot_buffer_slice(&fixture->transaction)};
    assert_int_equal(app_state_validate(&fixture->app, &fixture->execution, twice, 2), INGOT_OK);
    assert_int_equal(fixture->execution.codes[0], INGOT_SIGNING_OK);
    assert_int_equal(fixture->execution.codes[1], INGOT_SIGNING_SIGNED_ALREADY);
}

static void the_validators_sign_the_documents_digest_and_see_a_payload(void **state)
{
    struct fixture *fixture = *state;
    for (int has_payload = 0; has_payload < 2; has_payload++) {
        const struct ingot_signing_request request =
            has_payload ? request_with(DOCUMENT) : request_for(DOCUMENT);
        struct ingot_attest_subject subject;
        make(fixture, &request);
        assert_true(fixture->app.attest(fixture->app.context,
                                        ingot_buffer_slice(&fixture->transaction), &subject));
        expect_bytes(ingot_slice_of(subject.digest, 32), DOCUMENT_SHA256);
        assert_int_equal(subject.has_payload, has_payload);
        if (has_payload) {
            assert_true(ingot_slice_equal(subject.payload, text(DOCUMENT)));
            assert_ptr_equal(subject.payload.data, fixture->transaction.data + 2);
        }
        assert_true(fixture->app.may_attest(fixture->app.context,
                                            ingot_buffer_slice(&fixture->transaction)));
    }
    struct ingot_attest_subject subject;
    assert_false(fixture->app.attest(fixture->app.context, text("key=value"), &subject));
    assert_false(fixture->app.may_attest(fixture->app.context, text("key=value")));
}

static void payloads_of_every_size_up_to_the_limit_are_taken_whole(void **state)
{
    struct fixture *fixture = *state;
    static const size_t sizes[] = {1, 127, 128, 16383, 16384, INGOT_SIGNING_PAYLOAD_BYTES_MAX};
    static char bytes[INGOT_SIGNING_PAYLOAD_BYTES_MAX + 1];
    memset(bytes, 'x', sizeof bytes);
    struct ingot_signing_request request = {.has_payload = true, .nonce = text("n")};
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        struct ingot_attest_subject subject;
        request.payload = ingot_slice_of(bytes, sizes[i]);
        make(fixture, &request);
        expect_result(fixture, ingot_buffer_slice(&fixture->transaction), INGOT_SIGNING_OK, "");
        assert_true(fixture->app.attest(fixture->app.context,
                                        ingot_buffer_slice(&fixture->transaction), &subject));
        assert_true(ingot_slice_equal(subject.payload, request.payload));
    }
}

static void what_is_beyond_a_limit_is_neither_made_nor_taken(void **state)
{
    struct fixture *fixture = *state;
    static uint8_t bytes[INGOT_SIGNING_PAYLOAD_BYTES_MAX + 1];
    static uint8_t packed[sizeof bytes + 256];
    struct ingot_signing_request request = {.has_payload = true};
    assert_int_equal(ingot_signing_transaction(&fixture->transaction, &request),
                     INGOT_ERROR_INVALID);
    request.payload = ingot_slice_of(bytes, sizeof bytes);
    assert_int_equal(ingot_signing_transaction(&fixture->transaction, &request),
                     INGOT_ERROR_TOO_LARGE);
    request.payload.size = 1;
    request.nonce = ingot_slice_of(bytes, INGOT_SIGNING_NONCE_BYTES_MAX + 1);
    assert_int_equal(ingot_signing_transaction(&fixture->transaction, &request),
                     INGOT_ERROR_TOO_LARGE);
    assert_int_equal(fixture->transaction.size, 0);

    Ingot__Signing__Transaction message = INGOT__SIGNING__TRANSACTION__INIT;
    message.operation_case = INGOT__SIGNING__TRANSACTION__OPERATION_PAYLOAD;
    message.payload = (ProtobufCBinaryData){sizeof bytes, bytes};
    size_t size = ingot__signing__transaction__pack(&message, packed);
    expect_refusal(fixture, ingot_slice_of(packed, size), INGOT_SIGNING_TOO_LARGE, LARGE_LOG);
    message.payload.len = 1;
    message.nonce = (ProtobufCBinaryData){INGOT_SIGNING_NONCE_BYTES_MAX + 1, bytes};
    size = ingot__signing__transaction__pack(&message, packed);
    expect_refusal(fixture, ingot_slice_of(packed, size), INGOT_SIGNING_TOO_LARGE, LARGE_LOG);
}

#define DIGEST_FIELD                                                                               \
    "\x0a\x20"                                                                                     \
    "dddddddddddddddddddddddddddddddd"
#define KEY_FIELD                                                                                  \
    "\x2a\x20"                                                                                     \
    "kkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkk"
#define SIGNATURE_FIELD                                                                            \
    "\x32\x40"                                                                                     \
    "ssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssss"
#define ROW(bytes, why)                                                                            \
    {                                                                                              \
        {(const uint8_t *)(bytes), sizeof(bytes) - 1}, why                                         \
    }

static void what_is_not_one_canonical_message_is_refused(void **state)
{
    struct fixture *fixture = *state;
    static const struct {
        struct ingot_slice bytes;
        const char *why;
    } rows[] = {
        ROW("", "nothing"),
        ROW("name=satoshi", "text"),
        ROW("\x22\x01n", "a nonce alone"),
        ROW("\x0a\x00", "an empty digest"),
        ROW("\x0a\x1f"
            "ddddddddddddddddddddddddddddddd",
            "a digest of 31 bytes"),
        ROW("\x0a\x21"
            "ddddddddddddddddddddddddddddddddd",
            "a digest of 33 bytes"),
        ROW("\x12\x00", "an empty payload"),
        ROW(DIGEST_FIELD "\x12\x01p", "a digest and a payload"),
        ROW(DIGEST_FIELD DIGEST_FIELD, "the digest twice"),
        ROW(DIGEST_FIELD "\x22\x00", "a default that is not left out"),
        ROW("\x22\x01n" DIGEST_FIELD, "fields out of their order"),
        ROW(DIGEST_FIELD "\x22\x81\x00n", "a length that is not the shortest"),
        ROW(DIGEST_FIELD "\x3a\x01u", "an unknown field"),
        ROW(DIGEST_FIELD "\x22\x02n", "a field that is cut off"),
        ROW(DIGEST_FIELD KEY_FIELD, "a submitter without a signature"),
        ROW(DIGEST_FIELD SIGNATURE_FIELD, "a signature without a submitter"),
        ROW(DIGEST_FIELD "\x2a\x01k" SIGNATURE_FIELD, "a submitter of 1 byte"),
        ROW(DIGEST_FIELD KEY_FIELD "\x32\x01s", "a signature of 1 byte"),
        ROW("\x1a\x00", "a change that is empty"),
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct signing_parser parser = {0};
        struct signing_transaction parsed;
        if (signing_transaction_parse(&parser, rows[i].bytes, &parsed) == INGOT_SIGNING_OK)
            print_error("taken: %s\n", rows[i].why);
        signing_parser_deinit(&parser);
        expect_refusal(fixture, rows[i].bytes, INGOT_SIGNING_INVALID_ENCODING, MALFORMED_LOG);
        assert_false(fixture->app.attest(fixture->app.context, rows[i].bytes,
                                         &(struct ingot_attest_subject){.has_payload = false}));
    }
    /* What the rows spoil is itself good. */
    const struct ingot_slice good = {(const uint8_t *)DIGEST_FIELD "\x22\x01n",
                                     sizeof(DIGEST_FIELD "\x22\x01n") - 1};
    expect_checked(fixture, good, INGOT_SIGNING_OK, "");
}

static void only_the_submitters_signature_over_these_bytes_counts(void **state)
{
    struct fixture *fixture = *state;
    struct ingot_signing_request good = request_for(DOCUMENT);
    struct ingot_hash other_chain = fixture->options.chain;
    other_chain.bytes[31] ^= 1;
    good.nonce = text("n");
    sign_for(fixture, &fixture->options.chain, &good);
    struct ingot_signing_request rows[6] = {good, good, good, good, good, good};
    rows[0].digest[0] ^= 1;
    rows[1].nonce = text("m");
    rows[2].nonce = text("");
    rows[3].submitter.bytes[0] ^= 1;
    sign_for(fixture, &other_chain, &rows[4]);
    /* The document itself is not what was asked to be made known. */
    rows[5].has_payload = true;
    rows[5].payload = text(DOCUMENT);
    for (size_t i = 0; i < 6; i++) {
        make(fixture, &rows[i]);
        expect_refusal(fixture, ingot_buffer_slice(&fixture->transaction),
                       INGOT_SIGNING_BAD_SUBMITTER, UNSIGNED_LOG);
    }
    make(fixture, &good);
    expect_result(fixture, ingot_buffer_slice(&fixture->transaction), INGOT_SIGNING_OK, "");
}

static void every_change_of_one_byte_is_refused_or_another_transaction(void **state)
{
    struct fixture *fixture = *state;
    struct ingot_signing_request request = request_with(DOCUMENT);
    sign_for(fixture, &fixture->options.chain, &request);
    make(fixture, &request);
    const size_t size = fixture->transaction.size;
    for (size_t at = 0; at < size; at++) {
        for (unsigned change = 1; change < 256; change += 3) {
            uint8_t *bytes = malloc(size);
            memcpy(bytes, fixture->transaction.data, size);
            bytes[at] ^= (uint8_t)change;
            const struct ingot_slice slice = ingot_slice_of(bytes, size);
            assert_int_equal(app_state_validate(&fixture->app, &fixture->execution, &slice, 1),
                             INGOT_OK);
            assert_int_not_equal(fixture->execution.codes[0], INGOT_SIGNING_OK);
            free(bytes);
        }
    }
    assert_int_equal(fixture->state.count, 0);
}

/* --- Changes of the validators. --- */

static uint32_t check_code(struct fixture *fixture)
{
    struct ingot_check_response response = {.code = 999};
    fixture->app.check_tx(fixture->app.context, ingot_buffer_slice(&fixture->transaction),
                          &fixture->state, &response);
    assert_false(response.is_stateless);
    assert_int_equal(response.code == 0, response.log.size == 0);
    ingot_buffer_deinit(&response.log);
    return response.code;
}

static void the_administrator_changes_the_validators_and_nobody_signs_that(void **state)
{
    struct fixture *fixture = *state;
    const struct ingot_validator changes[] = {{.key = fixture->key, .power = 7}};
    struct ingot_attest_subject subject;
    const struct ingot_public_key nobody = {{1}};
    use_policy(fixture, 0, &nobody, 1); /* which is about documents */
    make_change(fixture, 1, changes, 1);
    assert_int_equal(check_code(fixture), INGOT_SIGNING_OK);
    assert_false(fixture->app.attest(fixture->app.context,
                                     ingot_buffer_slice(&fixture->transaction), &subject));
    expect_result(fixture, ingot_buffer_slice(&fixture->transaction), INGOT_SIGNING_OK, "");
    assert_int_equal(fixture->state.changes_made, 1);
    assert_memory_equal(fixture->state.changes, changes, sizeof changes);
    expect_signed(fixture, NULL);
    expect_result(fixture, ingot_buffer_slice(&fixture->transaction), INGOT_SIGNING_WRONG_SEQUENCE,
                  "expected sequence number 2, found 1");
    assert_int_equal(check_code(fixture), INGOT_SIGNING_WRONG_SEQUENCE);
    make_change(fixture, 2, changes, 1);
    fixture->transaction.data[fixture->transaction.size - 1] ^= 1;
    assert_int_equal(check_code(fixture), INGOT_SIGNING_BAD_SIGNATURE);
    assert_int_equal(fixture->state.changes_made, 1);
}

static void a_change_with_anything_beside_it_is_refused(void **state)
{
    struct fixture *fixture = *state;
    const struct ingot_validator changes[] = {{.key = fixture->key, .power = 7}};
    static const struct ingot_slice rows[] = {
        {(const uint8_t *)"\x22\x01n", 3},
        {(const uint8_t *)KEY_FIELD SIGNATURE_FIELD, sizeof(KEY_FIELD SIGNATURE_FIELD) - 1},
        {(const uint8_t *)SIGNATURE_FIELD, sizeof(SIGNATURE_FIELD) - 1},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        make_change(fixture, 1, changes, 1);
        ingot_buffer_append_slice(&fixture->transaction, rows[i]);
        expect_refusal(fixture, ingot_buffer_slice(&fixture->transaction),
                       INGOT_SIGNING_INVALID_ENCODING, MALFORMED_LOG);
    }
    /* A list that is too long to be decoded everywhere has one code everywhere. */
    ingot_buffer_clear(&fixture->transaction);
    ingot_buffer_append(&fixture->transaction, "\x1a\xc0\x84\x3d", 4);
    for (uint32_t i = 0; i < 500000; i++)
        ingot_buffer_append(&fixture->transaction, "\x0a\x00", 2);
    expect_refusal(fixture, ingot_buffer_slice(&fixture->transaction), INGOT_SIGNING_TOO_LARGE,
                   LARGE_LOG);
}

/* --- Queries and errors. --- */

static void expect_query(struct fixture *fixture, const char *path, struct ingot_slice data,
                         uint32_t code, const char *value, const char *log)
{
    struct ingot_query_response response = {.code = 999};
    const struct ingot_query_request request = {
        .path = text(path), .data = data, .snapshot = &fixture->state};
    fixture->app.query(fixture->app.context, &request, &response);
    assert_int_equal(response.code, code);
    assert_true(ingot_slice_equal(ingot_buffer_slice(&response.value), text(value)));
    assert_true(ingot_slice_equal(ingot_buffer_slice(&response.log), text(log)));
    ingot_buffer_deinit(&response.key);
    ingot_buffer_deinit(&response.value);
    ingot_buffer_deinit(&response.log);
}

static void queries_say_what_they_expect(void **state)
{
    struct fixture *fixture = *state;
    static const uint8_t digest[32] = {0};
    expect_query(fixture, "", ingot_slice_of(digest, 32), INGOT_SIGNING_NOT_FOUND, "",
                 "not signed");
    expect_query(fixture, "/signed", ingot_slice_of(digest, 31), INGOT_SIGNING_INVALID_ENCODING, "",
                 "expected the 32 bytes of a transaction's digest, found 31");
    expect_query(fixture, "/store", ingot_slice_of(digest, 32), INGOT_SIGNING_UNKNOWN_PATH, "",
                 "unknown path; known are /signed and /validators/next_sequence");
    expect_query(fixture, "/validators/next_sequence", text(""), INGOT_SIGNING_OK, "1", "");
    ingot_app_deinit(&fixture->app);
    ingot_app_signing_init(NULL, &fixture->app);
    expect_query(fixture, "/validators/next_sequence", text(""), INGOT_SIGNING_NO_ADMINISTRATOR, "",
                 "genesis names no administrator, so the validators cannot be changed");
}

static void the_stores_errors_are_passed_on(void **state)
{
    struct fixture *fixture = *state;
    static const uint8_t digest[32] = {0};
    const struct ingot_signing_request request = request_for(DOCUMENT);
    make(fixture, &request);
    const struct ingot_slice bytes = ingot_buffer_slice(&fixture->transaction);
    fixture->state.fails_with = INGOT_ERROR_IO;
    assert_int_equal(app_state_validate(&fixture->app, &fixture->execution, &bytes, 1),
                     INGOT_ERROR_IO);
    expect_query(fixture, "/signed", ingot_slice_of(digest, 32), INGOT_SIGNING_STORE_FAILED, "",
                 ingot_error_text(INGOT_ERROR_IO));
    /* A height that nobody wrote. */
    fixture->state.fails_with = INGOT_OK;
    expect_result(fixture, bytes, INGOT_SIGNING_OK, "");
    ingot_buffer_append_u8(&fixture->state.items[0].value, 0);
    assert_int_equal(app_state_validate(&fixture->app, &fixture->execution, &bytes, 1),
                     INGOT_ERROR_CORRUPT);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(the_documented_vectors_are_what_is_made_and_taken),
        TEST(a_transaction_is_signed_once_and_later_shows_the_height_of_the_first),
        TEST(what_is_twice_in_one_block_is_signed_once),
        TEST(the_validators_sign_the_documents_digest_and_see_a_payload),
        TEST(payloads_of_every_size_up_to_the_limit_are_taken_whole),
        TEST(what_is_beyond_a_limit_is_neither_made_nor_taken),
        TEST(what_is_not_one_canonical_message_is_refused),
        TEST(only_the_submitters_signature_over_these_bytes_counts),
        TEST(every_change_of_one_byte_is_refused_or_another_transaction),
        TEST(the_administrator_changes_the_validators_and_nobody_signs_that),
        TEST(a_change_with_anything_beside_it_is_refused),
        TEST(queries_say_what_they_expect),
        TEST(the_stores_errors_are_passed_on),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
