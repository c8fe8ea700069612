/*
 * The parts of `ingot bench` that figures hang on: percentiles, the transactions that are sent, and
 * what is read from answers. No network.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <ingot/app_signing.h>

#include "base/alloc.h"
#include "cli/bench_packed.h"
#include "cli/client.h"
#include "node/rpc_transactions.h"

static void percentiles_are_exact_for_small_values_and_never_low(void **state)
{
    (void)state;
    struct bench_histogram *histogram = alloc_zeroed(1, sizeof *histogram);
    assert_int_equal(bench_histogram_quantile_us(histogram, 500), 0);
    for (uint64_t i = 1; i <= 100; i++)
        bench_histogram_add(histogram, i);
    assert_int_equal(bench_histogram_quantile_us(histogram, 500), 50);
    assert_int_equal(bench_histogram_quantile_us(histogram, 990), 99);
    assert_int_equal(bench_histogram_quantile_us(histogram, 999), 100);
    free(histogram);

    for (uint64_t value = 1; value < UINT64_C(1) << 34; value = value * 5 / 3 + 1) {
        histogram = alloc_zeroed(1, sizeof *histogram);
        bench_histogram_add(histogram, value);
        bench_histogram_add(histogram, UINT64_C(1) << 35);
        const uint64_t found = bench_histogram_quantile_us(histogram, 500);
        assert_true(found >= value);
        assert_true(found <= value + value / 64 + 1);
        free(histogram);
    }
}

static void one_slow_transaction_of_a_thousand_is_above_the_last_percentile(void **state)
{
    (void)state;
    struct bench_histogram *histogram = alloc_zeroed(1, sizeof *histogram);
    for (uint32_t i = 0; i < 999; i++)
        bench_histogram_add(histogram, 10);
    bench_histogram_add(histogram, 50);
    assert_int_equal(bench_histogram_quantile_us(histogram, 999), 10);
    bench_histogram_add(histogram, 50);
    assert_int_equal(bench_histogram_quantile_us(histogram, 999), 50);
    assert_int_equal(histogram->max_us, 50);
    free(histogram);
}

static int compare_transactions(const void *a, const void *b)
{
    return memcmp(a, b, BENCH_TX_BYTES_MIN_KV);
}

static void transactions_are_all_different_and_have_their_size(void **state)
{
    (void)state;
    enum { COUNT = 5000 };
    uint8_t *all = alloc_zeroed(COUNT, BENCH_TX_BYTES_MIN_KV);
    struct bench_source source = {
        .app = BENCH_APP_KV, .tx_bytes = BENCH_TX_BYTES_MIN_KV, .keys = 7, .seed = 99};
    for (uint32_t i = 0; i < COUNT; i++) {
        uint8_t *transaction = all + (size_t)i * BENCH_TX_BYTES_MIN_KV;
        bench_source_next(&source, transaction);
        assert_int_equal(transaction[0], 'k');
        assert_int_equal(transaction[9], '=');
        char key[9] = "";
        memcpy(key, transaction + 1, 8);
        assert_true(strtoul(key, NULL, 16) < 7);
    }
    qsort(all, COUNT, BENCH_TX_BYTES_MIN_KV, compare_transactions);
    for (uint32_t i = 1; i < COUNT; i++)
        assert_true(compare_transactions(all + (size_t)(i - 1) * BENCH_TX_BYTES_MIN_KV,
                                         all + (size_t)i * BENCH_TX_BYTES_MIN_KV) != 0);
    free(all);
}

/* What the signing App reads is what was meant, and no two ask for the same digest. */
static void transactions_of_the_signing_app_are_digests_that_it_reads(void **state)
{
    (void)state;
    struct bench_source source = {
        .app = BENCH_APP_SIGNING, .tx_bytes = BENCH_TX_BYTES_SIGNING, .seed = 9};
    uint8_t bytes[2][BENCH_TX_BYTES_SIGNING];
    for (unsigned i = 0; i < 2; i++) {
        struct ingot_signing_request request = {0};
        struct ingot_buffer expected = {0};
        bench_source_next(&source, bytes[i]);
        memcpy(request.digest, bytes[i] + 2, sizeof request.digest);
        assert_int_equal(ingot_signing_transaction(&expected, &request), INGOT_OK);
        assert_int_equal(expected.size, sizeof bytes[i]);
        assert_memory_equal(expected.data, bytes[i], sizeof bytes[i]);
        ingot_buffer_deinit(&expected);
    }
    assert_memory_not_equal(bytes[0], bytes[1], sizeof bytes[0]);
}

/* Any JSON library must find in a body what the source gave, padding of base64 included. */
static void a_body_holds_the_transactions_of_the_source(void **state)
{
    (void)state;
    for (uint32_t size = 16; size < 22; size++) {
        for (uint32_t count = 1; count < 4; count++) {
            struct bench_source source;
            struct bench_source same;
            struct ingot_buffer body = {0};
            uint8_t expected[32];
            source = (struct bench_source){
                .waits_for_attestation = size % 2 == 1, .tx_bytes = size, .seed = 5};
            same = source;
            bench_calls_make(&source, count, &body);
            json_t *root = json_loadb((const char *)body.data, body.size, 0, NULL);
            assert_non_null(root);
            assert_true(count == 1 ? json_is_object(root) : json_array_size(root) == count);
            for (uint32_t i = 0; i < count; i++) {
                const json_t *call = count == 1 ? root : json_array_get(root, i);
                struct ingot_buffer bytes = {0};
                assert_string_equal(client_text(call, "method"),
                                    size % 2 == 1 ? "broadcast_tx_attest" : "broadcast_tx_commit");
                assert_true(client_bytes(call, "params.tx", &bytes));
                bench_source_next(&same, expected);
                assert_int_equal(bytes.size, size);
                assert_memory_equal(bytes.data, expected, size);
                ingot_buffer_deinit(&bytes);
            }
            json_decref(root);
            ingot_buffer_deinit(&body);
        }
    }
}

#define OUTCOME(code, log)                                                                         \
    "{\"code\":" code ",\"data\":null,\"log\":\"" log "\",\"info\":\"\",\"gas_wanted\":\"0\"}"
#define RESULT(check, result, height)                                                              \
    "{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{\"check_tx\":" check ",\"tx_result\":" result       \
    ",\"hash\":\"00\",\"height\":\"" height "\"}}"
#define ERROR(data)                                                                                \
    "{\"jsonrpc\":\"2.0\",\"id\":1,\"error\":{\"code\":-32603,\"message\":\"Internal "             \
    "error\",\"data\":\"" data "\"}}"
#define GOOD RESULT(OUTCOME("0", ""), OUTCOME("0", ""), "7")

static const struct {
    const char *why;
    const char *answer;
    uint32_t count;
    uint32_t expected[BENCH_OUTCOME_COUNT];
} answers[] = {
    {"a single commit", GOOD, 1, {[BENCH_COMMITTED] = 1}},
    {"a batch", "[" GOOD "," GOOD "]", 2, {[BENCH_COMMITTED] = 2}},
    {"spaces and another order",
     "{ \"result\": {\"height\": \"3\", \"tx_result\": {\"code\": 0}, \"check_tx\": {\"code\": "
     "0}}}",
     1,
     {[BENCH_COMMITTED] = 1}},
    {"no room", ERROR("mempool is full, retry later"), 1, {[BENCH_MEMPOOL_FULL] = 1}},
    {"no commit in time",
     ERROR("timed out waiting for tx to be included in a block"),
     1,
     {[BENCH_TIMEOUT] = 1}},
    {"a repeat", ERROR("tx already exists in cache"), 1, {[BENCH_REFUSED] = 1}},
    {"refused by the check",
     RESULT(OUTCOME("2", "no"), OUTCOME("0", ""), "0"),
     1,
     {[BENCH_REFUSED] = 1}},
    {"failed when executed",
     RESULT(OUTCOME("0", ""), OUTCOME("4", "no"), "7"),
     1,
     {[BENCH_REFUSED] = 1}},
    {"height 0 is no commit",
     RESULT(OUTCOME("0", ""), OUTCOME("0", ""), "0"),
     1,
     {[BENCH_LOST] = 1}},
    {"one answer is missing", "[" GOOD "]", 2, {[BENCH_COMMITTED] = 1, [BENCH_LOST] = 1}},
    {"an answer is cut off",
     "[" GOOD ",{\"jsonrpc\":",
     2,
     {[BENCH_COMMITTED] = 1, [BENCH_LOST] = 1}},
    {"nothing", "", 1, {[BENCH_LOST] = 1}},
    {"no JSON", "<html>{}</html>", 1, {[BENCH_LOST] = 1}},
    {"a log that looks like an answer",
     RESULT(OUTCOME("3", "}\\\"tx_result\\\":{\\\"code\\\":0,"), OUTCOME("0", ""), "7"),
     1,
     {[BENCH_REFUSED] = 1}},
};

static void answers_are_counted_by_what_became_of_each_transaction(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof answers / sizeof answers[0]; i++) {
        uint32_t outcomes[BENCH_OUTCOME_COUNT];
        char why[100] = "";
        const struct bench_source source = {.waits_for_attestation = false};
        bench_calls_read(&source, ingot_slice_of_text(answers[i].answer), answers[i].count,
                         outcomes, why, sizeof why);
        if (memcmp(outcomes, answers[i].expected, sizeof outcomes) != 0)
            fail_msg("%s: committed %u, full %u, refused %u, timeout %u, lost %u (%s)",
                     answers[i].why, outcomes[BENCH_COMMITTED], outcomes[BENCH_MEMPOOL_FULL],
                     outcomes[BENCH_REFUSED], outcomes[BENCH_TIMEOUT], outcomes[BENCH_LOST], why);
    }
}

static const char attested[] = "{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{\"check_tx\":" OUTCOME(
    "0", "") ",\"tx_result\":" OUTCOME("0", "") ",\"hash\":\"00\",\"height\":\"7\",\"attestation\":"
                                                "{\"id\":\"00\",\"signers\":[{}]}}}";

/* A transaction that is committed and not attested is not what was waited for. */
static void a_commit_alone_is_not_enough_where_an_attestation_is_waited_for(void **state)
{
    (void)state;
    const struct bench_source source = {.waits_for_attestation = true};
    const struct {
        const char *answer;
        enum bench_outcome expected;
    } cases[] = {{attested, BENCH_COMMITTED},
                 {GOOD, BENCH_LOST},
                 {ERROR("timed out waiting for the attestation: tx is committed at height 7 and "
                        "its attestation is pending"),
                  BENCH_TIMEOUT},
                 {RESULT(OUTCOME("0", ""), OUTCOME("5", "signed already"), "7"), BENCH_REFUSED}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        uint32_t outcomes[BENCH_OUTCOME_COUNT];
        char why[200] = "";
        bench_calls_read(&source, ingot_slice_of_text(cases[i].answer), 1, outcomes, why,
                         sizeof why);
        assert_int_equal(outcomes[cases[i].expected], 1);
    }
}

static void a_body_of_the_largest_batch_fits_a_nodes_limit(void **state)
{
    (void)state;
    static const uint32_t sizes[] = {16, 128, 5000, 100000, BENCH_TX_BYTES_MAX};
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        struct bench_source source = {.tx_bytes = sizes[i], .seed = 5};
        struct ingot_buffer body = {0};
        const uint32_t count = bench_calls_max(sizes[i]);
        assert_in_range(count, 1, BENCH_CALLS_MAX);
        bench_calls_make(&source, count, &body);
        assert_true(body.size <= INGOT_RPC_BODY_BYTES_MAX);
        ingot_buffer_deinit(&body);
    }
}

/* What a node reads in a packed body is what the source gave, also where the transactions are as
 * small as they may be. */
static void a_packed_body_holds_the_transactions_of_the_source(void **state)
{
    enum { COUNT = 3 };
    struct ingot_buffer body = {0};
    uint8_t expected[BENCH_TX_BYTES_MIN_NULL];
    uint8_t last[BENCH_TX_BYTES_MIN_NULL] = {0};
    (void)state;
    struct bench_source source = {.tx_bytes = BENCH_TX_BYTES_MIN_NULL, .seed = 5};
    struct bench_source same = source;
    ingot_buffer_append_u8(&body, 'h'); /* it is appended to a head */
    bench_packed_make(&source, COUNT, &body);
    assert_int_equal(body.size, 1 + bench_packed_size(BENCH_TX_BYTES_MIN_NULL, COUNT));
    struct ingot_slice rest = ingot_slice_of(body.data + 1, body.size - 1);
    for (uint32_t i = 0; i < COUNT; i++) {
        struct ingot_slice transaction;
        uint32_t size = 0;
        assert_true(ingot_slice_take_u32(&rest, &size));
        assert_int_equal(size, BENCH_TX_BYTES_MIN_NULL);
        assert_true(ingot_slice_take(&rest, size, &transaction));
        bench_source_next(&same, expected);
        assert_memory_equal(transaction.data, expected, size);
        assert_memory_not_equal(expected, last, size);
        memcpy(last, expected, size);
    }
    assert_int_equal(rest.size, 0);
    ingot_buffer_deinit(&body);
}

static void a_packed_body_of_the_largest_request_fits_a_nodes_limits(void **state)
{
    static const uint32_t sizes[] = {16, 128, 512, 5000, BENCH_TX_BYTES_MAX};
    (void)state;
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        const uint32_t count = bench_packed_max(sizes[i]);
        assert_in_range(count, 1, INGOT_RPC_TRANSACTIONS_MAX);
        assert_true(bench_packed_size(sizes[i], count) <= INGOT_RPC_BODY_BYTES_MAX);
    }
    assert_int_equal(bench_packed_max(16), INGOT_RPC_TRANSACTIONS_MAX);
}

static void statuses_are_counted_by_what_became_of_each_transaction(void **state)
{
    static const uint8_t statuses[] = {
        RPC_TRANSACTION_COMMITTED, RPC_TRANSACTION_FAILED,    RPC_TRANSACTION_COMMITTED,
        RPC_TRANSACTION_REFUSED,   RPC_TRANSACTION_KNOWN,     RPC_TRANSACTION_FULL,
        RPC_TRANSACTION_TIMED_OUT, RPC_TRANSACTION_TOO_LARGE, 200};
    static const uint32_t expected[BENCH_OUTCOME_COUNT] = {[BENCH_COMMITTED] = 2,
                                                           [BENCH_MEMPOOL_FULL] = 1,
                                                           [BENCH_REFUSED] = 4,
                                                           [BENCH_TIMEOUT] = 1,
                                                           [BENCH_LOST] = 1};
    static const uint32_t all_lost[BENCH_OUTCOME_COUNT] = {[BENCH_LOST] = sizeof statuses};
    struct ingot_buffer answer = {0};
    uint32_t outcomes[BENCH_OUTCOME_COUNT];
    char why[100] = "";
    (void)state;
    for (size_t i = 0; i < sizeof statuses; i++) {
        ingot_buffer_append_u8(&answer, statuses[i]);
        ingot_buffer_append_u64(&answer, UINT64_MAX);
    }
    bench_packed_read(ingot_buffer_slice(&answer), sizeof statuses, outcomes, why, sizeof why);
    assert_memory_equal(outcomes, expected, sizeof expected);
    assert_string_not_equal(why, "");
    answer.size--;
    bench_packed_read(ingot_buffer_slice(&answer), sizeof statuses, outcomes, why, sizeof why);
    assert_memory_equal(outcomes, all_lost, sizeof all_lost);
    ingot_buffer_deinit(&answer);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(percentiles_are_exact_for_small_values_and_never_low),
        cmocka_unit_test(one_slow_transaction_of_a_thousand_is_above_the_last_percentile),
        cmocka_unit_test(transactions_are_all_different_and_have_their_size),
        cmocka_unit_test(transactions_of_the_signing_app_are_digests_that_it_reads),
        cmocka_unit_test(a_body_holds_the_transactions_of_the_source),
        cmocka_unit_test(answers_are_counted_by_what_became_of_each_transaction),
        cmocka_unit_test(a_commit_alone_is_not_enough_where_an_attestation_is_waited_for),
        cmocka_unit_test(a_body_of_the_largest_batch_fits_a_nodes_limit),
        cmocka_unit_test(a_packed_body_holds_the_transactions_of_the_source),
        cmocka_unit_test(a_packed_body_of_the_largest_request_fits_a_nodes_limits),
        cmocka_unit_test(statuses_are_counted_by_what_became_of_each_transaction),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
