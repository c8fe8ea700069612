/*
 * The key-value App by itself: both forms of transactions, what each operation does and answers,
 * queries. The state under it is the simplest there is; the real one is tested with the executor.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <ingot/apps.h>

#include "app/kv_transaction.h"
#include "proto/kv.pb-c.h"
#include "unit/app_state.h"

/* --- Each test: an App, a state, and what the last block's execution gave. --- */

struct fixture {
    struct ingot_app app;
    struct ingot_snapshot state;
    struct ingot_execution execution;
};

static int set_up(void **state)
{
    struct fixture *fixture = calloc(1, sizeof *fixture);
    ingot_app_kv_init(NULL, &fixture->app);
    fixture->execution.state = &fixture->state;
    *state = fixture;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *fixture = *state;
    app_state_deinit(&fixture->state, &fixture->execution);
    ingot_app_deinit(&fixture->app);
    free(fixture);
    return 0;
}

static struct ingot_slice text(const char *bytes)
{
    return ingot_slice_of_text(bytes);
}

static enum ingot_error validate(struct fixture *fixture, const struct ingot_slice *transactions,
                                 uint32_t count)
{
    return app_state_validate(&fixture->app, &fixture->execution, transactions, count);
}

/* Executes one transaction and checks its result; frees it. */
static void expect(struct fixture *fixture, struct ingot_buffer *transaction, uint32_t code,
                   const char *data)
{
    const struct ingot_slice slice = ingot_buffer_slice(transaction);
    assert_int_equal(validate(fixture, &slice, 1), INGOT_OK);
    assert_int_equal(fixture->execution.count, 1);
    assert_int_equal(fixture->execution.codes[0], code);
    assert_true(ingot_slice_equal(ingot_buffer_slice(&fixture->execution.data[0]), text(data)));
    ingot_buffer_deinit(transaction);
}

static void expect_text(struct fixture *fixture, const char *line, uint32_t code)
{
    struct ingot_buffer transaction = {0};
    ingot_buffer_append_slice(&transaction, text(line));
    expect(fixture, &transaction, code, "");
}

static void expect_query(struct fixture *fixture, const char *path, struct ingot_slice data,
                         uint32_t code, struct ingot_slice value, const char *log)
{
    struct ingot_query_response response = {0};
    const struct ingot_query_request request = {text(path), data, &fixture->state};
    fixture->app.query(fixture->app.context, &request, &response);
    assert_int_equal(response.code, code);
    assert_true(ingot_slice_equal(ingot_buffer_slice(&response.value), value));
    assert_true(ingot_slice_equal(ingot_buffer_slice(&response.log), text(log)));
    ingot_buffer_deinit(&response.key);
    ingot_buffer_deinit(&response.value);
    ingot_buffer_deinit(&response.log);
}

static void expect_stored(struct fixture *fixture, const char *key, const char *value)
{
    expect_query(fixture, "", text(key), 0, text(value != NULL ? value : ""),
                 value != NULL ? "exists" : "does not exist");
}

/* --- Operations. --- */

static void text_of_the_form_key_equals_value_is_a_put(void **state)
{
    struct fixture *fixture = *state;
    expect_text(fixture, "name=satoshi", INGOT_KV_OK);
    expect_stored(fixture, "name", "satoshi");
    expect_text(fixture, "name=a=b", INGOT_KV_OK); /* the first sign splits */
    expect_stored(fixture, "name", "a=b");
    static const char *const refused[] = {"", "name", "=value", "name=", "="};
    for (size_t i = 0; i < sizeof refused / sizeof refused[0]; i++)
        expect_text(fixture, refused[i], INGOT_KV_INVALID_FORMAT);
    assert_int_equal(fixture->state.count, 1);
}

static void put_get_and_delete_do_what_they_say(void **state)
{
    struct fixture *fixture = *state;
    struct ingot_buffer transaction = {0};
    const struct ingot_slice none = {0};
    assert_int_equal(ingot_kv_transaction_get(&transaction, text("a"), none), INGOT_OK);
    expect(fixture, &transaction, INGOT_KV_NOT_FOUND, "");
    assert_int_equal(ingot_kv_transaction_put(&transaction, text("a"), text("1"), none), INGOT_OK);
    expect(fixture, &transaction, INGOT_KV_OK, "");
    expect_stored(fixture, "a", "1");
    assert_int_equal(ingot_kv_transaction_get(&transaction, text("a"), text("n")), INGOT_OK);
    expect(fixture, &transaction, INGOT_KV_OK, "1");
    assert_int_equal(ingot_kv_transaction_put(&transaction, text("a"), none, none), INGOT_OK);
    expect(fixture, &transaction, INGOT_KV_OK, "");
    expect_stored(fixture, "a", "");
    assert_int_equal(ingot_kv_transaction_delete(&transaction, text("a"), none), INGOT_OK);
    expect(fixture, &transaction, INGOT_KV_OK, "");
    expect_stored(fixture, "a", NULL);
    assert_int_equal(ingot_kv_transaction_delete(&transaction, text("a"), none), INGOT_OK);
    expect(fixture, &transaction, INGOT_KV_NOT_FOUND, "");
}

static void compare_and_set_sets_only_what_it_expects(void **state)
{
    struct fixture *fixture = *state;
    struct ingot_buffer transaction = {0};
    const struct ingot_slice none = {0};
    const struct ingot_slice one = text("1");
    static const struct {
        const char *expected; /* NULL: absent */
        const char *value;
        uint32_t code;
        const char *data;
    } rows[] = {
        {"1", "2", INGOT_KV_COMPARE_FAILED, ""}, /* nothing is there */
        {"", "2", INGOT_KV_COMPARE_FAILED, ""},  /* nothing is not the empty value */
        {NULL, "1", INGOT_KV_OK, ""},
        {NULL, "2", INGOT_KV_COMPARE_FAILED, "1"},
        {"3", "2", INGOT_KV_COMPARE_FAILED, "1"},
        {"1", "", INGOT_KV_OK, ""},
        {"", "4", INGOT_KV_OK, ""},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        const struct ingot_slice expected =
            rows[i].expected == NULL ? none : text(rows[i].expected);
        assert_int_equal(ingot_kv_transaction_compare_and_set(
                             &transaction, text("a"), rows[i].expected == NULL ? NULL : &expected,
                             text(rows[i].value), none),
                         INGOT_OK);
        expect(fixture, &transaction, rows[i].code, rows[i].data);
    }
    expect_stored(fixture, "a", "4");
    assert_int_equal(ingot_kv_transaction_compare_and_set(&transaction, none, &one, one, none),
                     INGOT_ERROR_INVALID);
}

static void a_value_too_large_for_a_result_is_hidden_not_cut(void **state)
{
    struct fixture *fixture = *state;
    uint8_t *bytes = calloc(1, INGOT_KV_VALUE_BYTES_MAX);
    const struct ingot_slice none = {0};
    struct ingot_buffer transaction = {0};
    const size_t sizes[] = {INGOT_RESULT_DATA_BYTES_MAX, INGOT_RESULT_DATA_BYTES_MAX + 1};
    for (size_t i = 0; i < 2; i++) {
        assert_int_equal(ingot_kv_transaction_put(&transaction, text("a"),
                                                  ingot_slice_of(bytes, sizes[i]), none),
                         INGOT_OK);
        expect(fixture, &transaction, INGOT_KV_OK, "");
        assert_int_equal(ingot_kv_transaction_get(&transaction, text("a"), none), INGOT_OK);
        struct ingot_slice slice = ingot_buffer_slice(&transaction);
        assert_int_equal(validate(fixture, &slice, 1), INGOT_OK);
        assert_int_equal(fixture->execution.codes[0], i == 0 ? INGOT_KV_OK : INGOT_KV_VALUE_HIDDEN);
        assert_int_equal(fixture->execution.data[0].size, i == 0 ? sizes[i] : 0);
        ingot_buffer_clear(&transaction);
    }
    ingot_buffer_deinit(&transaction);
    free(bytes);
}

/* --- Limits and encodings. --- */

static void check(struct fixture *fixture, struct ingot_slice transaction, uint32_t code)
{
    struct ingot_check_response response = {.code = 999};
    fixture->app.check_tx(fixture->app.context, transaction, &fixture->state, &response);
    assert_int_equal(response.code, code);
    assert_true(response.is_stateless);
    assert_int_equal(response.log.size > 0, code != 0);
    ingot_buffer_deinit(&response.log);
}

static void sizes_at_the_limit_pass_and_above_it_are_refused_with_a_reason(void **state)
{
    struct fixture *fixture = *state;
    uint8_t *bytes = malloc(INGOT_KV_VALUE_BYTES_MAX + 1);
    memset(bytes, 'x', INGOT_KV_VALUE_BYTES_MAX + 1);
    const struct ingot_slice one = ingot_slice_of(bytes, 1);
    const struct {
        size_t key;
        size_t value;
        size_t nonce;
        enum ingot_error error;
    } rows[] = {
        {INGOT_KV_KEY_BYTES_MAX, INGOT_KV_VALUE_BYTES_MAX, INGOT_KV_NONCE_BYTES_MAX, INGOT_OK},
        {INGOT_KV_KEY_BYTES_MAX + 1, 1, 0, INGOT_ERROR_TOO_LARGE},
        {1, INGOT_KV_VALUE_BYTES_MAX + 1, 0, INGOT_ERROR_TOO_LARGE},
        {1, 1, INGOT_KV_NONCE_BYTES_MAX + 1, INGOT_ERROR_TOO_LARGE},
        {0, 1, 0, INGOT_ERROR_INVALID},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        const struct ingot_slice key = ingot_slice_of(bytes, rows[i].key);
        const struct ingot_slice value = ingot_slice_of(bytes, rows[i].value);
        const struct ingot_slice nonce = ingot_slice_of(bytes, rows[i].nonce);
        struct ingot_buffer transaction = {0};
        assert_int_equal(ingot_kv_transaction_put(&transaction, key, value, nonce), rows[i].error);
        assert_int_equal(transaction.size > 0, rows[i].error == INGOT_OK);
        if (rows[i].error == INGOT_OK)
            check(fixture, ingot_buffer_slice(&transaction), INGOT_KV_OK);
        ingot_buffer_clear(&transaction);
        assert_int_equal(
            ingot_kv_transaction_compare_and_set(&transaction, key, &value, one, nonce),
            rows[i].error);
        ingot_buffer_deinit(&transaction);

        /* The same as text, and as a message that our own functions refuse to make. */
        struct ingot_buffer line = {0};
        ingot_buffer_append_slice(&line, key);
        ingot_buffer_append_u8(&line, '=');
        ingot_buffer_append_slice(&line, value);
        const uint32_t text_code = rows[i].key == 0   ? INGOT_KV_INVALID_FORMAT
                                   : i == 1 || i == 2 ? INGOT_KV_TOO_LARGE
                                                      : INGOT_KV_OK;
        check(fixture, ingot_buffer_slice(&line), text_code);
        ingot_buffer_deinit(&line);
    }
    free(bytes);
}

static void append_message(struct ingot_buffer *transaction, const ProtobufCMessage *message)
{
    ingot_buffer_append_u8(transaction, 0);
    const size_t size = protobuf_c_message_get_packed_size(message);
    ingot_buffer_reserve(transaction, size);
    transaction->size += protobuf_c_message_pack(message, transaction->data + transaction->size);
}

static void a_message_above_the_limits_is_refused_with_a_reason(void **state)
{
    struct fixture *fixture = *state;
    static uint8_t bytes[INGOT_KV_KEY_BYTES_MAX + 1];
    Ingot__Kv__Delete delete = INGOT__KV__DELETE__INIT;
    Ingot__Kv__Transaction message = INGOT__KV__TRANSACTION__INIT;
    message.operation_case = INGOT__KV__TRANSACTION__OPERATION_DELETE;
    message.delete_ = &delete;
    const struct {
        size_t key;
        size_t nonce;
        uint32_t code;
    } rows[] = {
        {1, 0, INGOT_KV_OK},
        {0, 0, INGOT_KV_INVALID_ENCODING},
        {INGOT_KV_KEY_BYTES_MAX + 1, 0, INGOT_KV_TOO_LARGE},
        {1, INGOT_KV_NONCE_BYTES_MAX + 1, INGOT_KV_TOO_LARGE},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        delete.key = (ProtobufCBinaryData){rows[i].key, bytes};
        message.nonce = (ProtobufCBinaryData){rows[i].nonce, bytes};
        struct ingot_buffer transaction = {0};
        append_message(&transaction, &message.base);
        check(fixture, ingot_buffer_slice(&transaction), rows[i].code);
        ingot_buffer_deinit(&transaction);
    }
}

static void bytes_that_are_no_canonical_message_are_refused(void **state)
{
    struct fixture *fixture = *state;
    static const struct {
        const char *bytes;
        size_t size;
        const char *why;
    } rows[] = {
        {"\0", 1, "no operation"},
        {"\0\x12\x03\x0a\x01", 5, "cut off"},
        {"\0\x12\x03\x0a\x01"
         "a\x10\x01",
         8, "unknown field in the transaction"},
        {"\0\x12\x05\x0a\x01"
         "a\x10\x01",
         8, "unknown field in the operation"},
        {"\0\x12\x03\x0a\x01"
         "a\x12\x03\x0a\x01"
         "a",
         11, "the operation twice"},
        {"\0\x7a\x01n\x12\x03\x0a\x01"
         "a",
         9, "fields in the wrong order"},
        {"\0\x12\x03\x0a\x01"
         "a\x7a\x00",
         8, "an empty nonce written out"},
        {"\0\x12\x83\x00\x0a\x01"
         "a",
         7, "a length with a byte too many"},
        {"\0\x1a\x05\x0a\x01"
         "a\x18\x00",
         8, "expects absence, but says false"},
        {"\0\x1a\x03\x0a\x01"
         "a",
         6, "compare-and-set without a condition"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct ingot_check_response response = {0};
        fixture->app.check_tx(fixture->app.context, ingot_slice_of(rows[i].bytes, rows[i].size),
                              &fixture->state, &response);
        if (response.code != INGOT_KV_INVALID_ENCODING)
            print_error("taken: %s\n", rows[i].why);
        assert_int_equal(response.code, INGOT_KV_INVALID_ENCODING);
        ingot_buffer_deinit(&response.log);
    }
    /* What the rows spoil is itself good. */
    check(fixture,
          ingot_slice_of("\0\x12\x03\x0a\x01"
                         "a",
                         6),
          INGOT_KV_OK);
    check(fixture,
          ingot_slice_of("\0\x1a\x05\x0a\x01"
                         "a\x18\x01",
                         8),
          INGOT_KV_OK);
}

static void mangled_transactions_never_do_harm(void **state)
{
    struct fixture *fixture = *state;
    struct ingot_buffer good = {0};
    const struct ingot_slice expected = text("expected");
    assert_int_equal(ingot_kv_transaction_compare_and_set(&good, text("key"), &expected,
                                                          text("value"), text("nonce")),
                     INGOT_OK);
    struct kv_parser parser = {0};
    for (size_t at = 0; at < good.size; at++) {
        for (unsigned change = 1; change < 256; change++) {
            uint8_t *bytes = malloc(good.size);
            memcpy(bytes, good.data, good.size);
            bytes[at] ^= (uint8_t)change;
            struct kv_transaction parsed;
            (void)kv_transaction_parse(&parser, ingot_slice_of(bytes, good.size), &parsed);
            const struct ingot_slice slice = ingot_slice_of(bytes, good.size);
            assert_int_equal(validate(fixture, &slice, 1), INGOT_OK);
            free(bytes);
        }
    }
    kv_parser_deinit(&parser);
    ingot_buffer_deinit(&good);
}

/* --- Blocks. --- */

static void a_proposal_takes_failing_transactions_and_ends_when_there_is_no_room(void **state)
{
    struct fixture *fixture = *state;
    const struct ingot_slice candidates[] = {text("a=1"), text("b=1"), text("broken"), text("c=1"),
                                             text("d=1")};
    const struct ingot_block_info info = {.height = 8};
    const struct ingot_propose_request request = {
        .block = &info,
        .snapshot = &fixture->state,
        .candidates = candidates,
        .candidate_count = 5,
    };
    fixture->execution.room = 3;
    fixture->execution.refuses_index_1 = true;
    assert_int_equal(
        fixture->app.propose_block(fixture->app.context, &request, &fixture->execution), INGOT_OK);
    assert_int_equal(fixture->execution.count, 3);
    assert_int_equal(fixture->execution.included[0], 0);
    assert_int_equal(fixture->execution.included[1], 2);
    assert_int_equal(fixture->execution.codes[1], INGOT_KV_INVALID_FORMAT);
    assert_int_equal(fixture->execution.included[2], 3);
    /* Nothing of what was left out happened. */
    expect_stored(fixture, "a", "1");
    expect_stored(fixture, "b", NULL);
    expect_stored(fixture, "c", "1");
    expect_stored(fixture, "d", NULL);
}

static void the_stores_errors_are_passed_on(void **state)
{
    struct fixture *fixture = *state;
    fixture->state.fails_with = INGOT_ERROR_IO;
    struct ingot_buffer transaction = {0};
    const struct ingot_slice none = {0};
    assert_int_equal(ingot_kv_transaction_get(&transaction, text("a"), none), INGOT_OK);
    const struct ingot_slice slice = ingot_buffer_slice(&transaction);
    assert_int_equal(validate(fixture, &slice, 1), INGOT_ERROR_IO);
    expect_query(fixture, "", text("a"), INGOT_KV_STORE_FAILED, none,
                 ingot_error_text(INGOT_ERROR_IO));
    expect_query(fixture, "/range", none, INGOT_KV_STORE_FAILED, none,
                 ingot_error_text(INGOT_ERROR_IO));
    ingot_buffer_deinit(&transaction);
}

/* --- Queries. --- */

static void a_key_is_queried_by_any_of_its_paths(void **state)
{
    struct fixture *fixture = *state;
    expect_text(fixture, "name=satoshi", INGOT_KV_OK);
    static const char *const paths[] = {"", "/store", "/key"};
    for (size_t i = 0; i < 3; i++)
        expect_query(fixture, paths[i], text("name"), 0, text("satoshi"), "exists");
    expect_query(
        fixture, "/nowhere", text("name"), INGOT_KV_UNKNOWN_PATH, text(""),
        "unknown path; known are /store, /key, /range, /evidence and /validators/next_sequence");
    expect_query(fixture, "", text("other"), 0, text(""), "does not exist");
    expect_query(fixture, "", text(""), 0, text(""), "does not exist");
    char longer[INGOT_KV_KEY_BYTES_MAX + 2];
    memset(longer, 'n', sizeof longer);
    longer[sizeof longer - 1] = '\0';
    expect_query(fixture, "", text(longer), 0, text(""), "does not exist");
}

static void evidence_is_counted_and_changes_nothing_that_a_block_does(void **state)
{
    struct fixture *fixture = *state;
    const char *log = "handed to this App since the node's start";
    expect_query(fixture, "/evidence", text(""), 0, text("0"), log);
    const struct ingot_evidence evidence[2] = {{.view = 7}, {.view = 8}};
    const struct ingot_block_info info = {.height = 8};
    fixture->execution.count = 0;
    const struct ingot_validate_request validate = {
        .block = &info, .snapshot = &fixture->state, .evidence = evidence, .evidence_count = 2};
    assert_int_equal(
        fixture->app.validate_block(fixture->app.context, &validate, &fixture->execution),
        INGOT_OK);
    const struct ingot_propose_request propose = {
        .block = &info, .snapshot = &fixture->state, .evidence = evidence, .evidence_count = 1};
    assert_int_equal(
        fixture->app.propose_block(fixture->app.context, &propose, &fixture->execution), INGOT_OK);
    assert_int_equal(fixture->state.count, 0);
    assert_int_equal(fixture->execution.count, 0);
    expect_query(fixture, "/evidence", text(""), 0, text("3"), log);
}

static Ingot__Kv__RangeAnswer *query_range(struct fixture *fixture, const char *first,
                                           const char *end, uint32_t limit)
{
    Ingot__Kv__RangeQuery message = INGOT__KV__RANGE_QUERY__INIT;
    char first_bytes[64];
    char end_bytes[64];
    message.first.len = strlen(first);
    message.first.data = memcpy(first_bytes, first, message.first.len);
    message.end.len = strlen(end);
    message.end.data = memcpy(end_bytes, end, message.end.len);
    message.limit = limit;
    uint8_t packed[256];
    const size_t size = ingot__kv__range_query__pack(&message, packed);
    struct ingot_query_response response = {0};
    const struct ingot_query_request request = {text("/range"), ingot_slice_of(packed, size),
                                                &fixture->state};
    fixture->app.query(fixture->app.context, &request, &response);
    assert_int_equal(response.code, 0);
    assert_true(response.value.size <= INGOT_KV_RANGE_BYTES_MAX + 2);
    Ingot__Kv__RangeAnswer *answer =
        ingot__kv__range_answer__unpack(NULL, response.value.size, response.value.data);
    assert_non_null(answer);
    /* Written by hand, but just as the message would be. */
    uint8_t *again = malloc(response.value.size + 1);
    assert_int_equal(ingot__kv__range_answer__pack(answer, again), response.value.size);
    if (response.value.size > 0)
        assert_memory_equal(again, response.value.data, response.value.size);
    free(again);
    ingot_buffer_deinit(&response.key);
    ingot_buffer_deinit(&response.value);
    ingot_buffer_deinit(&response.log);
    return answer;
}

static void expect_range(struct fixture *fixture, const char *first, const char *end,
                         uint32_t limit, const char *expected)
{
    Ingot__Kv__RangeAnswer *answer = query_range(fixture, first, end, limit);
    struct ingot_buffer found = {0};
    for (size_t i = 0; i < answer->n_items; i++) {
        const Ingot__Kv__Item *item = answer->items[i];
        ingot_buffer_append(&found, item->key.data, item->key.len);
        ingot_buffer_append(&found, "=", 1);
        ingot_buffer_append(&found, item->value.data, item->value.len);
        ingot_buffer_append(&found, " ", 1);
    }
    ingot_buffer_append(&found, answer->more ? "..." : "", answer->more ? 4 : 1);
    assert_string_equal((const char *)found.data, expected);
    ingot_buffer_deinit(&found);
    ingot__kv__range_answer__free_unpacked(answer, NULL);
}

static void a_range_is_ordered_bounded_and_says_whether_there_is_more(void **state)
{
    struct fixture *fixture = *state;
    expect_range(fixture, "", "", 0, "");
    expect_text(fixture, "b=2", INGOT_KV_OK);
    expect_text(fixture, "a=1", INGOT_KV_OK);
    expect_text(fixture, "c=3", INGOT_KV_OK);
    expect_text(fixture, "ab=x", INGOT_KV_OK);
    /* A key of the App's own, which no range of users' keys shows. */
    assert_int_equal(ingot_execution_set(&fixture->execution, text("m"), text("own")), INGOT_OK);
    expect_range(fixture, "", "", 0, "a=1 ab=x b=2 c=3 ");
    expect_range(fixture, "ab", "c", 0, "ab=x b=2 ");
    expect_range(fixture, "aa", "", 2, "ab=x b=2 ...");
    expect_range(fixture, "b", "", 2, "b=2 c=3 ");
    expect_range(fixture, "d", "", 0, "");
    expect_range(fixture, "c", "a", 0, "");
    const struct ingot_slice none = {0};
    expect_query(fixture, "/range", text("\x50\x01"), INGOT_KV_INVALID_ENCODING, none,
                 "not a canonical RangeQuery message");
}

static void a_long_range_comes_in_several_answers(void **state)
{
    struct fixture *fixture = *state;
    for (uint32_t i = 0; i < INGOT_KV_RANGE_ITEMS_MAX + 5; i++) {
        char key[16];
        const int size = snprintf(key, sizeof key, "k%05u", i);
        assert_int_equal(
            ingot_execution_set(&fixture->execution, ingot_slice_of(key, (size_t)size), text("v")),
            INGOT_OK);
    }
    Ingot__Kv__RangeAnswer *answer = query_range(fixture, "", "", 5000);
    assert_int_equal(answer->n_items, INGOT_KV_RANGE_ITEMS_MAX);
    assert_true(answer->more);
    ingot__kv__range_answer__free_unpacked(answer, NULL);
    /* Three values of 400 KiB do not fit one answer. */
    uint8_t *large = calloc(1, 400 * 1024);
    for (uint32_t i = 0; i < 3; i++) {
        char key[16];
        snprintf(key, sizeof key, "kz%u", i);
        assert_int_equal(
            ingot_execution_set(&fixture->execution, text(key), ingot_slice_of(large, 400 * 1024)),
            INGOT_OK);
    }
    free(large);
    answer = query_range(fixture, "z", "", 0);
    assert_int_equal(answer->n_items, 2);
    assert_true(answer->more);
    ingot__kv__range_answer__free_unpacked(answer, NULL);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(text_of_the_form_key_equals_value_is_a_put),
        TEST(put_get_and_delete_do_what_they_say),
        TEST(compare_and_set_sets_only_what_it_expects),
        TEST(a_value_too_large_for_a_result_is_hidden_not_cut),
        TEST(sizes_at_the_limit_pass_and_above_it_are_refused_with_a_reason),
        TEST(a_message_above_the_limits_is_refused_with_a_reason),
        TEST(bytes_that_are_no_canonical_message_are_refused),
        TEST(mangled_transactions_never_do_harm),
        TEST(a_proposal_takes_failing_transactions_and_ends_when_there_is_no_room),
        TEST(the_stores_errors_are_passed_on),
        TEST(a_key_is_queried_by_any_of_its_paths),
        TEST(evidence_is_counted_and_changes_nothing_that_a_block_does),
        TEST(a_range_is_ordered_bounded_and_says_whether_there_is_more),
        TEST(a_long_range_comes_in_several_answers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
