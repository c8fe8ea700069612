/*
 * What LMDB takes straight from whoever keeps it: all of it in order, or nothing, and room found
 * for as much as is shown. What it asks of the disk is seen by standing in for fallocate, which
 * this program defines itself.
 */
#define _GNU_SOURCE
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "lib/lmdb_harness.h"
#include "lib/storage_test.h"

/* The file has been given room up to here. */
static off_t room_bytes;

INGOT_API int fallocate(int fd, int mode, off_t offset, off_t length)
{
    if (offset + length > room_bytes)
        room_bytes = offset + length;
    return (int)syscall(SYS_fallocate, fd, mode, offset, length);
}

/* Some operations, and how often they were shown. */
struct shelf {
    const struct store_operation *operations;
    uint32_t count;
    uint32_t fail_at; /* in the second round this one gives `code` instead; 0: none */
    int code;
    uint32_t *rounds;
};

static int show(const void *context, store_operation_taker *take, void *taker)
{
    const struct shelf *shelf = context;
    const uint32_t round = ++*shelf->rounds;
    for (uint32_t i = 0; i < shelf->count; i++) {
        if (round == 2 && shelf->fail_at == i + 1)
            return shelf->code;
        const int rc = take(taker, &shelf->operations[i]);
        if (rc != 0)
            return rc;
    }
    return 0;
}

static enum ingot_error commit(struct ingot_store *store, const struct shelf *shelf)
{
    const struct store_content content = {.show = show, .context = shelf};
    *shelf->rounds = 0;
    return store_lmdb_commit(store, &content);
}

static void expect_nothing(struct ingot_store *store, uint32_t table, const char *key)
{
    struct ingot_slice value;
    struct ingot_store_snapshot *snapshot = begin(store);
    assert_int_equal(ingot_store_snapshot_get(snapshot, table, text(key), &value),
                     INGOT_ERROR_NOT_FOUND);
    ingot_store_snapshot_end(snapshot);
}

static void all_operations_are_there_in_their_order_after_reopening(void **state)
{
    (void)state;
    const struct store_operation operations[] = {
        {.table = 0, .key = text("twice"), .value = text("first")},
        {.table = 1, .key = text("other table"), .value = text("b")},
        {.is_delete = true, .table = 0, .key = text("old")},
        {.is_delete = true, .table = 1, .key = text("never there")},
        {.table = 0, .key = text("gone again"), .value = text("x")},
        {.table = 0, .key = text("twice"), .value = text("second")},
        {.is_delete = true, .table = 0, .key = text("gone again")},
        {.table = 1, .key = text("last"), .value = text("of all")},
    };
    uint32_t rounds = 0;
    const struct shelf shelf = {.operations = operations, .count = 8, .rounds = &rounds};
    struct ingot_store *store = lmdb_open();
    assert_int_equal(lmdb_put(store, "old", text("value")), INGOT_OK);
    assert_int_equal(commit(store, &shelf), INGOT_OK);
    assert_int_equal(rounds, 2);
    for (int i = 0; i < 2; i++) {
        assert_value(store, 0, "twice", "second");
        assert_value(store, 1, "other table", "b");
        assert_value(store, 1, "last", "of all");
        expect_nothing(store, 0, "old");
        expect_nothing(store, 0, "gone again");
        expect_nothing(store, 1, "never there");
        if (i == 0) {
            ingot_store_close(store);
            store = lmdb_open();
        }
    }
    /* Ordinary batches go on beside it. */
    assert_int_equal(lmdb_put(store, "later", text("value")), INGOT_OK);
    ingot_store_close(store);
}

static void what_is_shown_in_part_leaves_nothing(void **state)
{
    (void)state;
    const struct store_operation operations[] = {
        {.table = 0, .key = text("one"), .value = text("1")},
        {.table = 0, .key = text("two"), .value = text("2")},
    };
    uint32_t rounds = 0;
    struct shelf shelf = {
        .operations = operations, .count = 2, .fail_at = 2, .code = ENOSPC, .rounds = &rounds};
    struct ingot_store *store = lmdb_open();
    assert_int_equal(lmdb_put(store, "first", text("of all")), INGOT_OK);
    /* A refusal: it may come again. */
    assert_int_equal(commit(store, &shelf), INGOT_ERROR_NO_SPACE);
    expect_nothing(store, 0, "one");
    shelf.fail_at = 0;
    assert_int_equal(commit(store, &shelf), INGOT_OK);
    assert_value(store, 0, "one", "1");
    /* Anything else ends the use of the store. */
    shelf.fail_at = 1;
    shelf.code = EIO;
    assert_int_equal(commit(store, &shelf), INGOT_ERROR_UNKNOWN_OUTCOME);
    assert_int_equal(lmdb_put(store, "later", text("value")), INGOT_ERROR_UNKNOWN_OUTCOME);
    ingot_store_close(store);
    store = lmdb_open();
    assert_value(store, 0, "two", "2");
    ingot_store_close(store);
}

#define MANY 6000
#define VALUE_BYTES 3000 /* one to a page */

/* Room is found before anything is written: no page is behind what the disk has promised. */
static void room_is_found_for_all_that_is_shown(void **state)
{
    (void)state;
    struct store_operation *operations = calloc(MANY, sizeof *operations);
    char(*keys)[16] = calloc(MANY, sizeof *keys);
    uint8_t *value = calloc(1, VALUE_BYTES);
    uint32_t rounds = 0;
    for (uint32_t i = 0; i < MANY; i++) {
        snprintf(keys[i], sizeof keys[i], "%u", i * 7919 % MANY);
        operations[i].key = text(keys[i]);
        operations[i].value = ingot_slice_of(value, VALUE_BYTES);
    }
    const struct shelf all = {.operations = operations, .count = MANY, .rounds = &rounds};
    struct ingot_store_lmdb_options options = lmdb_options();
    options.map_size_initial = 64 * 1024;
    room_bytes = 0;
    struct ingot_store *store = lmdb_open_with(&options);
    for (uint32_t i = 0; i < 3; i++) {
        assert_int_equal(commit(store, &all), INGOT_OK);
        const struct store_lmdb_stats stats = lmdb_stats(store);
        assert_true((uint64_t)room_bytes >= stats.used_bytes);
        assert_true(stats.used_bytes >= (uint64_t)MANY * VALUE_BYTES);
    }
    ingot_store_close(store);
    free(operations);
    free(keys);
    free(value);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(all_operations_are_there_in_their_order_after_reopening,
                                        lmdb_set_up, lmdb_tear_down),
        cmocka_unit_test_setup_teardown(what_is_shown_in_part_leaves_nothing, lmdb_set_up,
                                        lmdb_tear_down),
        cmocka_unit_test_setup_teardown(room_is_found_for_all_that_is_shown, lmdb_set_up,
                                        lmdb_tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
