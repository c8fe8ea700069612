/*
 * What every store must do, run over the store on disk, the same behind a journal, and the one in
 * memory: each test is a function of a store that was just made, and of a way to open the same data
 * again. The journal is small, and its worker quick, so that it has much to do.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "lib/storage_test.h"
#include "storage/memory.h"

static const char *const table_names[] = {"a", "b", "c"};
#define TABLE_COUNT 3

enum kind { KIND_MEMORY, KIND_LMDB, KIND_JOURNAL };

struct fixture {
    enum kind kind;
    char folder[64];
    struct ingot_store *store;
};

static struct ingot_store *open_on_disk(const struct fixture *fixture)
{
    const struct ingot_store_journal_options options = {
        .lmdb = {.folder = fixture->folder, .tables = table_names, .table_count = TABLE_COUNT},
        .segment_bytes = 16 << 10,
        .apply_after_ms = 1};
    char why[256];
    struct ingot_store *store = NULL;
    enum ingot_error error = fixture->kind == KIND_JOURNAL
                                 ? ingot_store_journal_open(&options, &store, why, sizeof why)
                                 : ingot_store_lmdb_open(&options.lmdb, &store, why, sizeof why);
    if (error != INGOT_OK)
        fail_msg("%s", why);
    return store;
}

static int set_up_on_disk(void **state, enum kind kind)
{
    struct fixture *fixture = calloc(1, sizeof *fixture);
    fixture->kind = kind;
    storage_test_folder(fixture->folder, sizeof fixture->folder);
    fixture->store = open_on_disk(fixture);
    *state = fixture;
    return 0;
}

static int set_up_lmdb(void **state)
{
    return set_up_on_disk(state, KIND_LMDB);
}

static int set_up_journal(void **state)
{
    return set_up_on_disk(state, KIND_JOURNAL);
}

static int set_up_memory(void **state)
{
    struct fixture *fixture = calloc(1, sizeof *fixture);
    fixture->store = ingot_store_memory_new(TABLE_COUNT);
    *state = fixture;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *fixture = *state;
    ingot_store_close(fixture->store);
    if (fixture->kind != KIND_MEMORY)
        storage_test_remove(fixture->folder);
    free(fixture);
    return 0;
}

static void open_again(struct fixture *fixture)
{
    if (fixture->kind != KIND_MEMORY) {
        ingot_store_close(fixture->store);
        fixture->store = open_on_disk(fixture);
        return;
    }
    struct ingot_store *clone = ingot_store_memory_clone_durable(fixture->store);
    ingot_store_close(fixture->store);
    fixture->store = clone;
}

static void put_one(struct ingot_store *store, uint32_t table, const char *key, const char *value)
{
    struct ingot_store_batch *batch = ingot_store_batch_begin(store);
    ingot_store_batch_put(batch, table, text(key), text(value));
    assert_int_equal(ingot_store_batch_commit(batch), INGOT_OK);
}

static void what_is_committed_is_read_back_and_survives_reopening(void **state)
{
    struct fixture *fixture = *state;
    put_one(fixture->store, 0, "key", "value");
    assert_value(fixture->store, 0, "key", "value");
    open_again(fixture);
    assert_value(fixture->store, 0, "key", "value");
    assert_missing(fixture->store, 1, "key");
    assert_missing(fixture->store, 0, "ke");
}

static void an_aborted_batch_leaves_nothing(void **state)
{
    struct fixture *fixture = *state;
    struct ingot_store_batch *batch = ingot_store_batch_begin(fixture->store);
    ingot_store_batch_put(batch, 0, text("key"), text("value"));
    assert_missing(fixture->store, 0, "key");
    ingot_store_batch_abort(batch);
    assert_missing(fixture->store, 0, "key");
    open_again(fixture);
    assert_missing(fixture->store, 0, "key");
}

static void the_last_operation_on_a_key_counts(void **state)
{
    struct fixture *fixture = *state;
    put_one(fixture->store, 0, "c", "old");
    struct ingot_store_batch *batch = ingot_store_batch_begin(fixture->store);
    ingot_store_batch_put(batch, 0, text("a"), text("1"));
    ingot_store_batch_put(batch, 0, text("a"), text("2"));
    ingot_store_batch_put(batch, 0, text("b"), text("1"));
    ingot_store_batch_delete(batch, 0, text("b"));
    ingot_store_batch_delete(batch, 0, text("c"));
    ingot_store_batch_put(batch, 0, text("c"), text("new"));
    ingot_store_batch_delete(batch, 0, text("never there"));
    assert_int_equal(ingot_store_batch_commit(batch), INGOT_OK);
    assert_value(fixture->store, 0, "a", "2");
    assert_missing(fixture->store, 0, "b");
    assert_value(fixture->store, 0, "c", "new");
}

static void a_batch_copies_what_it_is_given(void **state)
{
    struct fixture *fixture = *state;
    char key[] = "key";
    char value[] = "value";
    struct ingot_store_batch *batch = ingot_store_batch_begin(fixture->store);
    ingot_store_batch_put(batch, 0, text(key), text(value));
    memset(key, 'x', 3);
    memset(value, 'x', 5);
    assert_int_equal(ingot_store_batch_commit(batch), INGOT_OK);
    assert_value(fixture->store, 0, "key", "value");
}

static void an_empty_batch_commits(void **state)
{
    struct fixture *fixture = *state;
    struct ingot_store_batch *batch = ingot_store_batch_begin(fixture->store);
    assert_int_equal(ingot_store_batch_commit(batch), INGOT_OK);
}

static void values_may_be_empty_or_megabytes_long_and_keys_500_bytes(void **state)
{
    struct fixture *fixture = *state;
    size_t size = 5 * 1024 * 1024;
    uint8_t *large = malloc(size);
    for (size_t i = 0; i < size; i++)
        large[i] = (uint8_t)(i * 31 >> 3);
    uint8_t key[INGOT_STORE_KEY_BYTES_MAX];
    memset(key, 0xfe, sizeof key);
    struct ingot_store_batch *batch = ingot_store_batch_begin(fixture->store);
    ingot_store_batch_put(batch, 1, text("empty"), text(""));
    ingot_store_batch_put(batch, 1, ingot_slice_of(key, sizeof key), ingot_slice_of(large, size));
    assert_int_equal(ingot_store_batch_commit(batch), INGOT_OK);
    open_again(fixture);
    assert_value(fixture->store, 1, "empty", "");
    struct ingot_store_snapshot *snapshot = begin(fixture->store);
    struct ingot_slice value;
    assert_int_equal(ingot_store_snapshot_get(snapshot, 1, ingot_slice_of(key, sizeof key), &value),
                     INGOT_OK);
    assert_true(ingot_slice_equal(value, ingot_slice_of(large, size)));
    ingot_store_snapshot_end(snapshot);
    free(large);
}

static void a_snapshot_does_not_see_later_batches_and_its_values_stay(void **state)
{
    struct fixture *fixture = *state;
    put_one(fixture->store, 0, "key", "before");
    put_one(fixture->store, 0, "gone", "still here");
    struct ingot_store_snapshot *snapshot = begin(fixture->store);
    struct ingot_slice early;
    assert_int_equal(ingot_store_snapshot_get(snapshot, 0, text("key"), &early), INGOT_OK);
    for (int i = 0; i < 200; i++) {
        char value[32];
        snprintf(value, sizeof value, "after %d", i);
        put_one(fixture->store, 0, "key", value);
    }
    struct ingot_store_batch *batch = ingot_store_batch_begin(fixture->store);
    ingot_store_batch_delete(batch, 0, text("gone"));
    assert_int_equal(ingot_store_batch_commit(batch), INGOT_OK);
    assert_slice(early, "before");
    struct ingot_slice value;
    assert_int_equal(ingot_store_snapshot_get(snapshot, 0, text("key"), &value), INGOT_OK);
    assert_slice(value, "before");
    assert_int_equal(ingot_store_snapshot_get(snapshot, 0, text("gone"), &value), INGOT_OK);
    assert_slice(value, "still here");
    ingot_store_snapshot_end(snapshot);
    assert_value(fixture->store, 0, "key", "after 199");
    assert_missing(fixture->store, 0, "gone");
}

static void a_cursor_walks_in_order_of_keys_both_ways(void **state)
{
    struct fixture *fixture = *state;
    static const char *const keys[] = {"b", "a", "ab", "\xff", "aa", "c"};
    static const char *const sorted[] = {"a", "aa", "ab", "b", "c", "\xff"};
    struct ingot_store_batch *batch = ingot_store_batch_begin(fixture->store);
    for (size_t i = 0; i < 6; i++)
        ingot_store_batch_put(batch, 2, text(keys[i]), text(keys[i]));
    assert_int_equal(ingot_store_batch_commit(batch), INGOT_OK);
    struct ingot_store_snapshot *snapshot = begin(fixture->store);
    struct ingot_store_cursor *cursor = NULL;
    assert_int_equal(ingot_store_cursor_open(snapshot, 2, &cursor), INGOT_OK);
    assert_int_equal(ingot_store_cursor_next(cursor), INGOT_ERROR_NOT_FOUND);
    assert_int_equal(ingot_store_cursor_previous(cursor), INGOT_ERROR_NOT_FOUND);
    assert_int_equal(ingot_store_cursor_seek(cursor, text("")), INGOT_OK);
    for (size_t i = 0; i < 6; i++) {
        assert_item(cursor, sorted[i], sorted[i]);
        assert_int_equal(ingot_store_cursor_next(cursor), i < 5 ? INGOT_OK : INGOT_ERROR_NOT_FOUND);
    }
    assert_int_equal(ingot_store_cursor_next(cursor), INGOT_ERROR_NOT_FOUND);
    assert_int_equal(ingot_store_cursor_last(cursor), INGOT_OK);
    for (size_t i = 6; i-- > 0;) {
        assert_item(cursor, sorted[i], sorted[i]);
        assert_int_equal(ingot_store_cursor_previous(cursor),
                         i > 0 ? INGOT_OK : INGOT_ERROR_NOT_FOUND);
    }
    assert_int_equal(ingot_store_cursor_previous(cursor), INGOT_ERROR_NOT_FOUND);
    assert_int_equal(ingot_store_cursor_seek(cursor, text("aaa")), INGOT_OK);
    assert_item(cursor, "ab", "ab");
    assert_int_equal(ingot_store_cursor_seek(cursor, text("\xff\x01")), INGOT_ERROR_NOT_FOUND);
    ingot_store_cursor_close(cursor);
    ingot_store_snapshot_end(snapshot);
}

static void an_empty_table_has_no_first_and_no_last_item(void **state)
{
    struct fixture *fixture = *state;
    struct ingot_store_snapshot *snapshot = begin(fixture->store);
    struct ingot_store_cursor *cursor = NULL;
    assert_int_equal(ingot_store_cursor_open(snapshot, 1, &cursor), INGOT_OK);
    assert_int_equal(ingot_store_cursor_seek(cursor, text("")), INGOT_ERROR_NOT_FOUND);
    assert_int_equal(ingot_store_cursor_last(cursor), INGOT_ERROR_NOT_FOUND);
    ingot_store_cursor_close(cursor);
    ingot_store_snapshot_end(snapshot);
}

static void a_key_that_is_too_long_to_be_stored_is_looked_up_and_sought_like_any(void **state)
{
    struct fixture *fixture = *state;
    uint8_t longer[INGOT_STORE_KEY_BYTES_MAX + 40];
    memset(longer, 'k', sizeof longer);
    struct ingot_store_batch *batch = ingot_store_batch_begin(fixture->store);
    ingot_store_batch_put(batch, 0, ingot_slice_of(longer, INGOT_STORE_KEY_BYTES_MAX), text("cut"));
    ingot_store_batch_put(batch, 0, text("l"), text("next"));
    assert_int_equal(ingot_store_batch_commit(batch), INGOT_OK);
    struct ingot_slice key = ingot_slice_of(longer, sizeof longer);
    struct ingot_slice value;
    struct ingot_store_snapshot *snapshot = begin(fixture->store);
    assert_int_equal(ingot_store_snapshot_get(snapshot, 0, key, &value), INGOT_ERROR_NOT_FOUND);
    assert_int_equal(ingot_store_snapshot_get(snapshot, 0, text(""), &value),
                     INGOT_ERROR_NOT_FOUND);
    struct ingot_store_cursor *cursor = NULL;
    assert_int_equal(ingot_store_cursor_open(snapshot, 0, &cursor), INGOT_OK);
    assert_int_equal(ingot_store_cursor_seek(cursor, key), INGOT_OK);
    assert_item(cursor, "l", "next");
    ingot_store_cursor_close(cursor);
    ingot_store_snapshot_end(snapshot);
}

/* A plain sorted-by-search array, slow and obvious. */
struct model {
    struct {
        bool present;
        uint32_t value;
    } keys[512];
};

static void check_against_model(struct ingot_store *store, const struct model *model)
{
    struct ingot_store_snapshot *snapshot = begin(store);
    struct ingot_store_cursor *cursor = NULL;
    assert_int_equal(ingot_store_cursor_open(snapshot, 0, &cursor), INGOT_OK);
    enum ingot_error error = ingot_store_cursor_seek(cursor, text(""));
    for (uint32_t i = 0; i < 512; i++) {
        if (!model->keys[i].present)
            continue;
        char key[16];
        char value[16];
        snprintf(key, sizeof key, "%03u", i);
        snprintf(value, sizeof value, "%u", model->keys[i].value);
        assert_int_equal(error, INGOT_OK);
        assert_item(cursor, key, value);
        error = ingot_store_cursor_next(cursor);
    }
    assert_int_equal(error, INGOT_ERROR_NOT_FOUND);
    ingot_store_cursor_close(cursor);
    ingot_store_snapshot_end(snapshot);
}

static void many_batches_give_what_a_plain_array_gives(void **state)
{
    struct fixture *fixture = *state;
    static struct model model;
    memset(&model, 0, sizeof model);
    uint64_t random = 42;
    uint32_t batches = fixture->kind == KIND_MEMORY ? 600 : 60;
    for (uint32_t i = 0; i < batches; i++) {
        struct ingot_store_batch *batch = ingot_store_batch_begin(fixture->store);
        for (uint32_t j = 0; j < 20; j++) {
            random = random * UINT64_C(6364136223846793005) + 1442695040888963407;
            uint32_t which = (uint32_t)(random >> 33) % 512;
            bool present = (random >> 60) % 3 != 0;
            char key[16];
            char value[16];
            snprintf(key, sizeof key, "%03u", which);
            snprintf(value, sizeof value, "%u", i);
            model.keys[which].present = present;
            model.keys[which].value = i;
            if (present)
                ingot_store_batch_put(batch, 0, text(key), text(value));
            else
                ingot_store_batch_delete(batch, 0, text(key));
        }
        assert_int_equal(ingot_store_batch_commit(batch), INGOT_OK);
        if (i % 30 == 0)
            check_against_model(fixture->store, &model);
    }
    open_again(fixture);
    check_against_model(fixture->store, &model);
}

#define EACH(test)                                                                                 \
    {#test " [lmdb]", test, set_up_lmdb, tear_down, NULL},                                         \
        {#test " [journal]", test, set_up_journal, tear_down, NULL},                               \
    {                                                                                              \
#test " [memory]", test, set_up_memory, tear_down, NULL                                    \
    }

int main(void)
{
    const struct CMUnitTest tests[] = {
        EACH(what_is_committed_is_read_back_and_survives_reopening),
        EACH(an_aborted_batch_leaves_nothing),
        EACH(the_last_operation_on_a_key_counts),
        EACH(a_batch_copies_what_it_is_given),
        EACH(an_empty_batch_commits),
        EACH(values_may_be_empty_or_megabytes_long_and_keys_500_bytes),
        EACH(a_snapshot_does_not_see_later_batches_and_its_values_stay),
        EACH(a_cursor_walks_in_order_of_keys_both_ways),
        EACH(an_empty_table_has_no_first_and_no_last_item),
        EACH(a_key_that_is_too_long_to_be_stored_is_looked_up_and_sought_like_any),
        EACH(many_batches_give_what_a_plain_array_gives),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
