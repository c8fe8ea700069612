/*
 * Executions as values: one encoding each, what the updates hash covers, and strict decoding.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/hex.h"
#include "lib/execution_anew.h"
#include "node/execution.h"
#include "wire/crypto.h"

static struct ingot_slice text(const char *bytes)
{
    return ingot_slice_of_text(bytes);
}

/* The parts of an execution, for tests that change one of them. */
struct parts {
    struct ingot_result results[3];
    struct state_update updates[3];
    struct ingot_validator validators[2];
};

static struct parts sample(void)
{
    struct parts parts = {
        .results = {{0, text("data"), text("log")}, {7, text(""), text("why")}, {0}},
        .updates = {{text("a"), text("1"), false},
                    {text("b"), text(""), true},
                    {text("c"), text(""), false}},
    };
    parts.validators[0].key.bytes[0] = 1;
    parts.validators[0].power = 5;
    parts.validators[1].key.bytes[0] = 2;
    return parts;
}

static struct execution *make(const struct parts *parts)
{
    return execution_new(parts->results, 3, parts->updates, 3, parts->validators, 2);
}

static void an_execution_reads_back_as_it_was_written(void **state)
{
    (void)state;
    const struct parts parts = sample();
    struct execution *made = make(&parts);
    struct execution *read = execution_decode(execution_encoded(made));
    assert_non_null(read);
    assert_true(crypto_hash_equal(&made->updates_hash, &read->updates_hash));
    assert_int_equal(read->result_count, 3);
    for (uint32_t i = 0; i < 3; i++) {
        assert_int_equal(execution_result(read, i)->code, parts.results[i].code);
        assert_true(ingot_slice_equal(execution_result(read, i)->data, parts.results[i].data));
        assert_true(ingot_slice_equal(execution_result(read, i)->log, parts.results[i].log));
        const struct state_update update = execution_update(read, i);
        assert_true(ingot_slice_equal(update.key, parts.updates[i].key));
        assert_true(ingot_slice_equal(update.value, parts.updates[i].value));
        assert_int_equal(update.is_delete, parts.updates[i].is_delete);
    }
    assert_int_equal(read->validator_update_count, 2);
    assert_memory_equal(read->validator_updates, parts.validators, sizeof parts.validators);
    assert_true(ingot_slice_equal(execution_encoded(made), execution_encoded(read)));
    assert_true(execution_size_bytes(read) > execution_encoded(read).size);
    execution_unref(made);
    assert_int_equal(execution_ref(read)->references, 2);
    execution_unref(read);
    execution_unref(read);
    execution_unref(NULL);
}

/* --- Plain results: code 0, no data, no log. --- */

static const struct ingot_result nothing;

/* Of four results the one at `index` is not plain; above 3: none. */
static void expect_results(uint32_t index, struct ingot_result other)
{
    struct ingot_result results[4] = {{0}};
    struct ingot_buffer expected = {0};
    if (index < 4)
        results[index] = other;
    ingot_buffer_append_u32(&expected, 1);
    ingot_buffer_append_u32(&expected, 4);
    for (uint32_t i = 0; i < 4; i++) {
        ingot_buffer_append_u32(&expected, results[i].code);
        ingot_buffer_append_u32(&expected, (uint32_t)results[i].data.size);
        ingot_buffer_append_slice(&expected, results[i].data);
    }
    ingot_buffer_append_u32(&expected, 0);
    ingot_buffer_append_u32(&expected, 0);
    const bool has_log = index < 4 && other.log.size > 0;
    ingot_buffer_append_u32(&expected, has_log);
    if (has_log) {
        ingot_buffer_append_u32(&expected, index);
        ingot_buffer_append_u32(&expected, (uint32_t)other.log.size);
        ingot_buffer_append_slice(&expected, other.log);
    }
    struct execution *made = execution_new(results, 4, NULL, 0, NULL, 0);
    struct execution *read = execution_decode(ingot_buffer_slice(&expected));
    assert_non_null(read);
    assert_true(ingot_slice_equal(execution_encoded(made), ingot_buffer_slice(&expected)));
    assert_true(crypto_hash_equal(&made->updates_hash, &read->updates_hash));
    for (uint32_t i = 0; i < 4; i++) {
        const struct ingot_result *result = execution_result(read, i);
        assert_int_equal(result->code, results[i].code);
        assert_true(ingot_slice_equal(result->data, results[i].data));
        assert_true(ingot_slice_equal(result->log, results[i].log));
        assert_memory_equal(&execution_result(made, i)->code, &result->code, sizeof result->code);
    }
    execution_unref(made);
    execution_unref(read);
    ingot_buffer_deinit(&expected);
}

static void results_read_back_whichever_of_them_is_not_plain(void **state)
{
    (void)state;
    const struct ingot_result others[] = {
        {.code = 1}, {.data = text("d")}, {.log = text("why")}, {7, text("data"), text("log")}};
    expect_results(4, nothing);
    for (uint32_t index = 0; index < 4; index++)
        for (size_t i = 0; i < sizeof others / sizeof others[0]; i++)
            expect_results(index, others[i]);
}

/* Most blocks have nothing else, and thousands of them. */
static void plain_results_take_no_more_memory_than_their_encoding(void **state)
{
    (void)state;
    enum { COUNT = 1000 };
    static struct ingot_result results[COUNT];
    struct execution *plain = execution_new(results, COUNT, NULL, 0, NULL, 0);
    struct execution *same = execution_new(NULL, COUNT, NULL, 0, NULL, 0);
    struct execution *empty = execution_new(NULL, 0, NULL, 0, NULL, 0);
    assert_int_equal(execution_size_bytes(plain) - execution_size_bytes(empty), 8 * COUNT);
    assert_true(ingot_slice_equal(execution_encoded(plain), execution_encoded(same)));
    execution_unref(plain);
    execution_unref(same);
    execution_unref(empty);
}

/* A change here is a change of every chain. */
static void the_hash_of_an_execution_is_pinned(void **state)
{
    (void)state;
    const struct parts parts = sample();
    struct execution *execution = make(&parts);
    char hex[2 * INGOT_HASH_BYTES + 1];
    hex_encode_lower(execution->updates_hash.bytes, INGOT_HASH_BYTES, hex);
    assert_string_equal(hex, "32aef2cb976195915e05bc45a85fe97ae5be270876707eb01d79be36c7dc3517");
    execution_unref(execution);
}

static struct ingot_hash hash_of(const struct parts *parts)
{
    struct execution *execution = make(parts);
    const struct ingot_hash hash = execution->updates_hash;
    execution_unref(execution);
    return hash;
}

static void the_hash_covers_everything_but_the_logs(void **state)
{
    (void)state;
    const struct parts original = sample();
    const struct ingot_hash hash = hash_of(&original);
    struct ingot_hash changed;

    struct parts parts = original;
    parts.results[0].log = text("another log");
    changed = hash_of(&parts);
    assert_true(crypto_hash_equal(&hash, &changed));

    parts = original;
    parts.results[2].code = 1;
    changed = hash_of(&parts);
    assert_false(crypto_hash_equal(&hash, &changed));

    parts = original;
    parts.results[1].data = text("x");
    changed = hash_of(&parts);
    assert_false(crypto_hash_equal(&hash, &changed));

    parts = original;
    parts.updates[0].value = text("2");
    changed = hash_of(&parts);
    assert_false(crypto_hash_equal(&hash, &changed));

    /* Set to nothing is not the same as deleted. */
    parts = original;
    parts.updates[2].is_delete = true;
    changed = hash_of(&parts);
    assert_false(crypto_hash_equal(&hash, &changed));

    parts = original;
    parts.validators[1].power = 1;
    changed = hash_of(&parts);
    assert_false(crypto_hash_equal(&hash, &changed));
}

static void truncated_or_extended_bytes_are_refused(void **state)
{
    (void)state;
    const struct parts parts = sample();
    struct execution *execution = make(&parts);
    const struct ingot_slice encoded = execution_encoded(execution);
    for (size_t size = 0; size < encoded.size; size++) {
        /* A copy of its own, so that a sanitizer sees a read past the end. */
        uint8_t *copy = malloc(size > 0 ? size : 1);
        memcpy(copy, encoded.data, size);
        assert_null(execution_decode(ingot_slice_of(copy, size)));
        free(copy);
    }
    struct ingot_buffer longer = {0};
    ingot_buffer_append_slice(&longer, encoded);
    ingot_buffer_append_u8(&longer, 0);
    assert_null(execution_decode(ingot_buffer_slice(&longer)));
    ingot_buffer_deinit(&longer);
    execution_unref(execution);
}

/* Whatever one byte becomes: refused, or a different execution that encodes to just these bytes. */
static void no_two_encodings_mean_the_same(void **state)
{
    (void)state;
    const struct parts parts = sample();
    struct execution *execution = make(&parts);
    struct ingot_buffer bytes = {0};
    ingot_buffer_append_slice(&bytes, execution_encoded(execution));
    for (size_t i = 0; i < bytes.size; i++) {
        for (unsigned change = 1; change < 256; change++) {
            bytes.data[i] ^= (uint8_t)change;
            struct execution *read = execution_decode(ingot_buffer_slice(&bytes));
            if (read != NULL) {
                struct execution *again = execution_anew(read);
                assert_true(
                    ingot_slice_equal(execution_encoded(again), ingot_buffer_slice(&bytes)));
                execution_unref(again);
                execution_unref(read);
            }
            bytes.data[i] ^= (uint8_t)change;
        }
    }
    ingot_buffer_deinit(&bytes);
    execution_unref(execution);
}

/* Pieces of encodings, written by hand. */
static void put_counts(struct ingot_buffer *bytes, uint32_t a, uint32_t b)
{
    ingot_buffer_append_u32(bytes, a);
    ingot_buffer_append_u32(bytes, b);
}

static bool decodes(struct ingot_buffer *bytes)
{
    struct execution *execution = execution_decode(ingot_buffer_slice(bytes));
    const bool result = execution != NULL;
    execution_unref(execution);
    ingot_buffer_clear(bytes);
    return result;
}

static void put_update(struct ingot_buffer *bytes, uint8_t kind, const char *key)
{
    ingot_buffer_append_u8(bytes, kind);
    ingot_buffer_append_u32(bytes, (uint32_t)strlen(key));
    ingot_buffer_append_slice(bytes, text(key));
}

static void wrong_order_counts_and_sizes_are_refused(void **state)
{
    (void)state;
    struct ingot_buffer bytes = {0};
    const uint32_t version = 1;

    put_counts(&bytes, version, 0);
    put_counts(&bytes, 0, 0);
    put_counts(&bytes, 0, 0);
    bytes.size -= 4;
    assert_true(decodes(&bytes)); /* nothing at all happened */

    put_counts(&bytes, version, UINT32_MAX); /* more results than there are bytes */
    put_counts(&bytes, 0, 0);
    assert_false(decodes(&bytes));

    put_counts(&bytes, version, 0);
    ingot_buffer_append_u32(&bytes, 2);
    put_update(&bytes, 1, "b");
    put_update(&bytes, 1, "a"); /* not ascending */
    put_counts(&bytes, 0, 0);
    assert_false(decodes(&bytes));

    put_counts(&bytes, version, 0);
    ingot_buffer_append_u32(&bytes, 2);
    put_update(&bytes, 1, "a");
    put_update(&bytes, 1, "a"); /* twice */
    put_counts(&bytes, 0, 0);
    assert_false(decodes(&bytes));

    put_counts(&bytes, version, 0);
    ingot_buffer_append_u32(&bytes, 1);
    put_update(&bytes, 2, "a"); /* unknown kind */
    put_counts(&bytes, 0, 0);
    assert_false(decodes(&bytes));

    put_counts(&bytes, version, 0);
    ingot_buffer_append_u32(&bytes, 1);
    put_update(&bytes, 1, ""); /* no key */
    put_counts(&bytes, 0, 0);
    assert_false(decodes(&bytes));

    put_counts(&bytes, version, 0);
    put_counts(&bytes, 0, 0);
    ingot_buffer_append_u32(&bytes, 1); /* a log of a result that is not there */
    put_counts(&bytes, 0, 1);
    ingot_buffer_append_u8(&bytes, 'x');
    assert_false(decodes(&bytes));
    ingot_buffer_deinit(&bytes);
}

int main(void)
{
    if (!crypto_init())
        return 1;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_execution_reads_back_as_it_was_written),
        cmocka_unit_test(results_read_back_whichever_of_them_is_not_plain),
        cmocka_unit_test(plain_results_take_no_more_memory_than_their_encoding),
        cmocka_unit_test(the_hash_of_an_execution_is_pinned),
        cmocka_unit_test(the_hash_covers_everything_but_the_logs),
        cmocka_unit_test(truncated_or_extended_bytes_are_refused),
        cmocka_unit_test(no_two_encodings_mean_the_same),
        cmocka_unit_test(wrong_order_counts_and_sizes_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
