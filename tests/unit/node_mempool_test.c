/*
 * The mempool: against a model that is too simple to be wrong, and its bounds.
 */
#include <malloc.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "lib/allocator.h"
#include "node/mempool.h"
#include "wire/preimage.h"

static struct ingot_hash digest_of(struct ingot_slice transaction)
{
    struct ingot_hash digest;
    wire_transaction_digest(transaction, &digest);
    return digest;
}

static enum ingot_error add_text(struct mempool *mempool, const char *text, bool is_local)
{
    const struct ingot_slice transaction = ingot_slice_of_text(text);
    const struct ingot_hash digest = digest_of(transaction);
    return mempool_add(mempool, transaction, &digest, is_local, false);
}

static void remove_text(struct mempool *mempool, const char *text)
{
    const struct ingot_hash digest = digest_of(ingot_slice_of_text(text));
    mempool_remove(mempool, &digest);
}

static bool has_text(const struct mempool *mempool, const char *text)
{
    const struct ingot_hash digest = digest_of(ingot_slice_of_text(text));
    return mempool_has(mempool, &digest);
}

/* All transactions, oldest first, with a comma behind each. */
static void expect_content(const struct mempool *mempool, const char *expected)
{
    struct ingot_slice found[64];
    const uint32_t count = mempool_peek(mempool, found, NULL, 64, SIZE_MAX / 2, NULL, NULL);
    struct ingot_buffer text = {0};
    for (uint32_t i = 0; i < count; i++) {
        ingot_buffer_append_slice(&text, found[i]);
        ingot_buffer_append(&text, ",", 1);
    }
    ingot_buffer_append_u8(&text, 0);
    assert_string_equal((const char *)text.data, expected);
    ingot_buffer_deinit(&text);
    assert_int_equal(mempool_count(mempool), count);
}

static void transactions_come_out_in_the_order_they_went_in(void **state)
{
    (void)state;
    struct mempool *mempool = mempool_new(100000);
    assert_int_equal(add_text(mempool, "one", false), INGOT_OK);
    assert_int_equal(add_text(mempool, "two", false), INGOT_OK);
    assert_int_equal(add_text(mempool, "three", true), INGOT_OK);
    expect_content(mempool, "one,two,three,");
    remove_text(mempool, "two");
    remove_text(mempool, "never there");
    assert_false(has_text(mempool, "two"));
    assert_int_equal(add_text(mempool, "two", false), INGOT_OK);
    expect_content(mempool, "one,three,two,");
    assert_int_equal(mempool_bytes(mempool), 3 + 5 + 3);
    mempool_free(mempool);
}

static void a_duplicate_is_refused_and_changes_nothing(void **state)
{
    (void)state;
    struct mempool *mempool = mempool_new(100000);
    assert_int_equal(add_text(mempool, "one", false), INGOT_OK);
    assert_int_equal(add_text(mempool, "one", true), INGOT_ERROR_EXISTS);
    expect_content(mempool, "one,");
    struct ingot_buffer packed = {0};
    assert_int_equal(mempool_take_outgoing(mempool, &packed, 1000), 0);
    ingot_buffer_deinit(&packed);
    mempool_free(mempool);
}

static void a_flood_of_tiny_transactions_is_bounded_by_what_they_really_take(void **state)
{
    (void)state;
    struct mempool *mempool = mempool_new(64 * 1024);
    enum ingot_error error = INGOT_OK;
    uint32_t added = 0;
    for (; error == INGOT_OK; added++) {
        char text[16];
        snprintf(text, sizeof text, "%u", added);
        error = add_text(mempool, text, false);
    }
    assert_int_equal(error, INGOT_ERROR_FULL);
    assert_true(added > 100);
    assert_true(added < 64 * 1024 / 100);
    remove_text(mempool, "7");
    assert_int_equal(add_text(mempool, "8888", false), INGOT_OK);
    assert_int_equal(add_text(mempool, "9999", false), INGOT_ERROR_FULL);
    mempool_free(mempool);
}

/* glibc's own account: what is in use in its heap and in mappings. */
static size_t memory_in_use(void)
{
    const struct mallinfo2 info = mallinfo2();
    return info.uordblks + info.hblkhd;
}

static void a_full_mempool_takes_no_more_memory_than_its_limit(void **state)
{
    (void)state;
    enum { LIMIT = 16 << 20 };
    static const size_t sizes[] = {9, 32, 33, 512, 100000};
    if (HAS_OTHER_ALLOCATOR)
        skip();
    uint8_t *bytes = calloc(1, 100000);
    assert_non_null(bytes);
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        const size_t before = memory_in_use();
        struct mempool *mempool = mempool_new(LIMIT);
        enum ingot_error error = INGOT_OK;
        for (uint32_t j = 0; error == INGOT_OK; j++) {
            memcpy(bytes, &j, sizeof j);
            const struct ingot_slice transaction = ingot_slice_of(bytes, sizes[i]);
            const struct ingot_hash digest = digest_of(transaction);
            error = mempool_add(mempool, transaction, &digest, false, true);
        }
        assert_int_equal(error, INGOT_ERROR_FULL);
        const size_t taken = memory_in_use() - before;
        assert_in_range(taken, LIMIT / 10 * 8, LIMIT + 4096);
        mempool_free(mempool);
    }
    free(bytes);
}

static void a_flood_of_tiny_transactions_takes_no_room_once_it_has_left(void **state)
{
    (void)state;
    enum { LIMIT = 1 << 20, LARGE = LIMIT / 10 * 9 };
    struct mempool *mempool = mempool_new(LIMIT);
    uint8_t *bytes = calloc(1, LARGE);
    assert_non_null(bytes);
    const struct ingot_slice large = ingot_slice_of(bytes, LARGE);
    const struct ingot_hash digest = digest_of(large);
    uint32_t added = 0;
    char text[16];
    for (enum ingot_error error = INGOT_OK; error == INGOT_OK; added++) {
        snprintf(text, sizeof text, "%u", added);
        error = add_text(mempool, text, false);
    }
    assert_int_equal(mempool_add(mempool, large, &digest, false, true), INGOT_ERROR_FULL);
    for (uint32_t i = 1; i < added - 1; i++) {
        snprintf(text, sizeof text, "%u", i);
        remove_text(mempool, text);
    }
    assert_int_equal(mempool_count(mempool), 1);
    assert_int_equal(mempool_add(mempool, large, &digest, false, true), INGOT_OK);
    assert_true(mempool_has(mempool, &digest));
    assert_true(has_text(mempool, "0"));
    mempool_free(mempool);
    free(bytes);
}

static void the_last_quarter_is_for_what_others_pass_on(void **state)
{
    (void)state;
    struct mempool *mempool = mempool_new(64 * 1024);
    uint32_t local = 0;
    uint32_t foreign = 0;
    char text[16];
    enum ingot_error error = INGOT_OK;
    for (uint32_t i = 0; error == INGOT_OK; i++) {
        snprintf(text, sizeof text, "local%04u", i);
        error = add_text(mempool, text, true);
        local += error == INGOT_OK;
    }
    assert_int_equal(error, INGOT_ERROR_FULL);
    error = INGOT_OK;
    for (uint32_t i = 0; error == INGOT_OK; i++) {
        snprintf(text, sizeof text, "other%04u", i);
        error = add_text(mempool, text, false);
        foreign += error == INGOT_OK;
    }
    assert_int_equal(error, INGOT_ERROR_FULL);
    /* The index, which both need, has been there before the last quarter. */
    assert_in_range(foreign, (local + foreign) / 4, (local + foreign) / 2);
    mempool_free(mempool);
}

static bool is_passed_on(const struct mempool *mempool, const char *text)
{
    const struct ingot_hash digest = digest_of(ingot_slice_of_text(text));
    return mempool_is_passed_on(mempool, &digest);
}

static void what_a_proposal_brings_is_not_passed_on_unless_it_is_released(void **state)
{
    (void)state;
    struct mempool *mempool = mempool_new(100000);
    assert_int_equal(add_text(mempool, "own", true), INGOT_OK);
    assert_int_equal(add_text(mempool, "foreign", false), INGOT_OK);
    const struct ingot_hash own = digest_of(ingot_slice_of_text("own"));
    const struct ingot_hash foreign = digest_of(ingot_slice_of_text("foreign"));
    const struct ingot_hash unknown = digest_of(ingot_slice_of_text("unknown"));
    struct ingot_slice bytes;
    assert_true(mempool_get(mempool, &own, &bytes));
    assert_true(ingot_slice_equal(bytes, ingot_slice_of_text("own")));
    assert_false(mempool_get(mempool, &unknown, &bytes));
    assert_false(is_passed_on(mempool, "own"));
    assert_true(is_passed_on(mempool, "foreign"));
    assert_false(is_passed_on(mempool, "unknown"));

    mempool_withhold(mempool, &own);
    mempool_withhold(mempool, &foreign);
    mempool_withhold(mempool, &unknown);
    assert_false(is_passed_on(mempool, "own"));
    assert_true(is_passed_on(mempool, "foreign"));
    struct ingot_buffer packed = {0};
    assert_int_equal(mempool_take_outgoing(mempool, &packed, 1000), 0);

    mempool_release(mempool, &own);
    mempool_release(mempool, &foreign);
    mempool_release(mempool, &unknown);
    assert_int_equal(mempool_take_outgoing(mempool, &packed, 1000), 1);
    assert_true(is_passed_on(mempool, "own"));
    mempool_release(mempool, &own); /* once is enough */
    assert_int_equal(mempool_take_outgoing(mempool, &packed, 1000), 0);
    ingot_buffer_deinit(&packed);
    mempool_free(mempool);
}

static void a_transaction_above_the_limit_is_too_large(void **state)
{
    (void)state;
    struct mempool *mempool = mempool_new(SIZE_MAX / 4);
    uint8_t *bytes = calloc(1, INGOT_TRANSACTION_BYTES_MAX + 1);
    const struct ingot_slice large = ingot_slice_of(bytes, INGOT_TRANSACTION_BYTES_MAX + 1);
    const struct ingot_slice largest = ingot_slice_of(bytes, INGOT_TRANSACTION_BYTES_MAX);
    struct ingot_hash digest = digest_of(large);
    assert_int_equal(mempool_add(mempool, large, &digest, false, false), INGOT_ERROR_TOO_LARGE);
    digest = digest_of(largest);
    assert_int_equal(mempool_add(mempool, largest, &digest, false, false), INGOT_OK);
    free(bytes);
    mempool_free(mempool);
}

static bool skip_listed(void *context, const struct ingot_hash *digest,
                        const struct ingot_hash *soon)
{
    (void)soon;
    return memcmp(digest, context, sizeof *digest) == 0;
}

static void peeking_keeps_to_count_bytes_and_what_is_skipped(void **state)
{
    (void)state;
    struct mempool *mempool = mempool_new(100000);
    const char *const texts[] = {"aaaa", "bbbb", "cccc", "dddd"};
    for (size_t i = 0; i < 4; i++)
        assert_int_equal(add_text(mempool, texts[i], false), INGOT_OK);
    struct ingot_slice found[4];
    assert_int_equal(mempool_peek(mempool, found, NULL, 3, 1000, NULL, NULL), 3);
    assert_int_equal(mempool_peek(mempool, found, NULL, 4, 31, NULL, NULL), 3);
    assert_int_equal(mempool_peek(mempool, found, NULL, 4, 32, NULL, NULL), 4);
    struct ingot_hash skipped = digest_of(ingot_slice_of_text("bbbb"));
    assert_int_equal(mempool_peek(mempool, found, NULL, 4, 16, skip_listed, &skipped), 2);
    assert_memory_equal(found[1].data, "cccc", 4);
    /* What can never fit must not starve the rest. */
    assert_int_equal(add_text(mempool, "e", false), INGOT_OK);
    assert_int_equal(mempool_peek(mempool, found, NULL, 4, 5, NULL, NULL), 1);
    assert_memory_equal(found[0].data, "e", 1);
    mempool_free(mempool);
}

static void local_transactions_are_passed_on_once_and_in_order(void **state)
{
    (void)state;
    struct mempool *mempool = mempool_new(100000);
    assert_int_equal(add_text(mempool, "a1", true), INGOT_OK);
    assert_int_equal(add_text(mempool, "xx", false), INGOT_OK);
    assert_int_equal(add_text(mempool, "b2", true), INGOT_OK);
    assert_int_equal(add_text(mempool, "c3", true), INGOT_OK);
    assert_int_equal(add_text(mempool, "d4", true), INGOT_OK);
    remove_text(mempool, "b2");
    struct ingot_buffer packed = {0};
    assert_int_equal(mempool_take_outgoing(mempool, &packed, 12), 2);
    assert_int_equal(packed.size, 12);
    assert_memory_equal(packed.data, "\2\0\0\0a1\2\0\0\0c3", 12);
    ingot_buffer_clear(&packed);
    assert_int_equal(mempool_take_outgoing(mempool, &packed, 12), 1);
    assert_memory_equal(packed.data, "\2\0\0\0d4", 6);
    assert_int_equal(mempool_take_outgoing(mempool, &packed, 12), 0);
    expect_content(mempool, "a1,xx,c3,d4,");
    ingot_buffer_deinit(&packed);
    mempool_free(mempool);
}

static bool keep_upper(void *context, struct ingot_slice transaction)
{
    (*(uint32_t *)context)++;
    return transaction.data[0] < 'a';
}

static void a_recheck_removes_what_is_not_kept(void **state)
{
    (void)state;
    struct mempool *mempool = mempool_new(100000);
    const char *const texts[] = {"a", "B", "c", "D", "e"};
    for (size_t i = 0; i < 5; i++)
        assert_int_equal(add_text(mempool, texts[i], true), INGOT_OK);
    uint32_t asked = 0;
    mempool_recheck(mempool, keep_upper, &asked);
    assert_int_equal(asked, 5);
    expect_content(mempool, "B,D,");
    struct ingot_buffer packed = {0};
    assert_int_equal(mempool_take_outgoing(mempool, &packed, 100), 2);
    ingot_buffer_deinit(&packed);
    mempool_free(mempool);
}

static void a_recheck_asks_nothing_about_stateless_transactions(void **state)
{
    (void)state;
    struct mempool *mempool = mempool_new(100000);
    const char *const texts[] = {"a", "b", "c", "d"};
    for (size_t i = 0; i < 4; i++) {
        const struct ingot_slice transaction = ingot_slice_of_text(texts[i]);
        const struct ingot_hash digest = digest_of(transaction);
        assert_int_equal(mempool_add(mempool, transaction, &digest, false, i != 2), INGOT_OK);
    }
    uint32_t asked = 0;
    remove_text(mempool, "b");
    mempool_recheck(mempool, keep_upper, &asked);
    assert_int_equal(asked, 1);
    expect_content(mempool, "a,d,");
    mempool_recheck(mempool, keep_upper, &asked);
    assert_int_equal(asked, 1);
    assert_int_equal(add_text(mempool, "e", false), INGOT_OK);
    mempool_recheck(mempool, keep_upper, &asked);
    assert_int_equal(asked, 2);
    expect_content(mempool, "a,d,");
    mempool_free(mempool);
}

/* --- Random operations against an array in order of arrival. --- */

#define MODEL_MAX 600

struct model {
    uint32_t count;
    struct {
        uint32_t value;
        bool is_outgoing;
    } items[MODEL_MAX];
};

static uint64_t random_state;

static uint32_t random_below(uint32_t bound)
{
    random_state = random_state * UINT64_C(6364136223846793005) + 1442695040888963407u;
    return (uint32_t)(random_state >> 33) % bound;
}

static uint32_t model_find(const struct model *model, uint32_t value)
{
    for (uint32_t i = 0; i < model->count; i++) {
        if (model->items[i].value == value)
            return i;
    }
    return UINT32_MAX;
}

static void model_remove(struct model *model, uint32_t at)
{
    model->count--;
    memmove(&model->items[at], &model->items[at + 1], (model->count - at) * sizeof model->items[0]);
}

/* Transaction number `value`: four bytes of it and some more. */
static struct ingot_slice transaction_of(uint32_t value, uint8_t bytes[64])
{
    memset(bytes, 0x5a, 64);
    memcpy(bytes, &value, sizeof value);
    return ingot_slice_of(bytes, 4 + value % 60);
}

static uint32_t value_of(struct ingot_slice transaction)
{
    uint32_t value;
    memcpy(&value, transaction.data, sizeof value);
    return value;
}

static void expect_same(const struct mempool *mempool, const struct model *model)
{
    static struct ingot_slice found[MODEL_MAX];
    const uint32_t count = mempool_peek(mempool, found, NULL, MODEL_MAX, SIZE_MAX / 2, NULL, NULL);
    assert_int_equal(count, model->count);
    size_t bytes = 0;
    for (uint32_t i = 0; i < count; i++) {
        assert_int_equal(value_of(found[i]), model->items[i].value);
        bytes += found[i].size;
    }
    assert_int_equal(mempool_bytes(mempool), bytes);
}

static void take_outgoing_like(struct mempool *mempool, struct model *model)
{
    struct ingot_buffer packed = {0};
    const size_t bytes_max = random_below(400);
    const uint32_t count = mempool_take_outgoing(mempool, &packed, bytes_max);
    struct ingot_slice rest = ingot_buffer_slice(&packed);
    size_t room = bytes_max;
    uint32_t expected = 0;
    for (uint32_t i = 0; i < model->count; i++) {
        uint8_t bytes[64];
        const struct ingot_slice transaction = transaction_of(model->items[i].value, bytes);
        if (!model->items[i].is_outgoing || 4 + transaction.size > bytes_max)
            continue;
        if (4 + transaction.size > room)
            break;
        room -= 4 + transaction.size;
        model->items[i].is_outgoing = false;
        struct ingot_slice taken;
        assert_true(payload_next(&rest, &taken));
        assert_true(ingot_slice_equal(taken, transaction));
        expected++;
    }
    assert_int_equal(count, expected);
    assert_int_equal(rest.size, 0);
    ingot_buffer_deinit(&packed);
}

static bool keep_not_multiple(void *context, struct ingot_slice transaction)
{
    return value_of(transaction) % *(uint32_t *)context != 0;
}

static void recheck_like(struct mempool *mempool, struct model *model)
{
    uint32_t divisor = 2 + random_below(20);
    mempool_recheck(mempool, keep_not_multiple, &divisor);
    for (uint32_t i = model->count; i-- > 0;) {
        if (model->items[i].value % divisor == 0)
            model_remove(model, i);
    }
}

static void step_both(struct mempool *mempool, struct model *model)
{
    uint8_t bytes[64];
    const uint32_t value = random_below(800);
    const struct ingot_slice transaction = transaction_of(value, bytes);
    const struct ingot_hash digest = digest_of(transaction);
    const uint32_t at = model_find(model, value);
    assert_int_equal(mempool_has(mempool, &digest), at != UINT32_MAX);
    const uint32_t choice = random_below(100);
    if (choice < 55 && model->count < MODEL_MAX) {
        const bool is_local = random_below(2) == 0;
        const enum ingot_error error = mempool_add(mempool, transaction, &digest, is_local, false);
        assert_int_equal(error, at != UINT32_MAX ? INGOT_ERROR_EXISTS : INGOT_OK);
        if (error == INGOT_OK) {
            model->items[model->count].value = value;
            model->items[model->count++].is_outgoing = is_local;
        }
    } else if (choice < 95) {
        mempool_remove(mempool, &digest);
        if (at != UINT32_MAX)
            model_remove(model, at);
    } else if (choice < 99) {
        take_outgoing_like(mempool, model);
    } else {
        recheck_like(mempool, model);
    }
}

static void random_operations_agree_with_a_simple_model(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 20; seed++) {
        random_state = seed;
        struct model model = {0};
        struct mempool *mempool = mempool_new(10 * 1024 * 1024);
        for (uint32_t i = 0; i < 4000; i++) {
            step_both(mempool, &model);
            if (i % 16 == 0)
                expect_same(mempool, &model);
        }
        mempool_free(mempool);
    }
}

int main(void)
{
    if (!crypto_init())
        return 1;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(transactions_come_out_in_the_order_they_went_in),
        cmocka_unit_test(a_duplicate_is_refused_and_changes_nothing),
        cmocka_unit_test(a_flood_of_tiny_transactions_is_bounded_by_what_they_really_take),
        cmocka_unit_test(a_full_mempool_takes_no_more_memory_than_its_limit),
        cmocka_unit_test(a_flood_of_tiny_transactions_takes_no_room_once_it_has_left),
        cmocka_unit_test(the_last_quarter_is_for_what_others_pass_on),
        cmocka_unit_test(what_a_proposal_brings_is_not_passed_on_unless_it_is_released),
        cmocka_unit_test(a_transaction_above_the_limit_is_too_large),
        cmocka_unit_test(peeking_keeps_to_count_bytes_and_what_is_skipped),
        cmocka_unit_test(local_transactions_are_passed_on_once_and_in_order),
        cmocka_unit_test(a_recheck_removes_what_is_not_kept),
        cmocka_unit_test(a_recheck_asks_nothing_about_stateless_transactions),
        cmocka_unit_test(random_operations_agree_with_a_simple_model),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
