/*
 * What only the store in memory has: faults on demand, counters, a crash that keeps exactly what
 * was durable.
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

static enum ingot_error try_put(struct ingot_store *store, const char *key, const char *value)
{
    struct ingot_store_batch *batch = ingot_store_batch_begin(store);
    ingot_store_batch_put(batch, 0, text(key), text(value));
    return ingot_store_batch_commit(batch);
}

static void a_refused_commit_changes_nothing_and_the_next_one_succeeds(void **state)
{
    (void)state;
    struct ingot_store *store = ingot_store_memory_new(1);
    ingot_store_memory_fail_commit(store, 2, STORE_MEMORY_NO_SPACE);
    assert_int_equal(try_put(store, "a", "1"), INGOT_OK);
    assert_int_equal(try_put(store, "b", "2"), INGOT_ERROR_NO_SPACE);
    assert_missing(store, 0, "b");
    assert_int_equal(try_put(store, "c", "3"), INGOT_OK);
    struct ingot_store *restarted = ingot_store_memory_clone_durable(store);
    assert_value(restarted, 0, "a", "1");
    assert_missing(restarted, 0, "b");
    assert_value(restarted, 0, "c", "3");
    ingot_store_close(restarted);
    ingot_store_close(store);
}

static void check_unknown_outcome(enum store_memory_fault fault, bool is_there)
{
    struct ingot_store *store = ingot_store_memory_new(1);
    assert_int_equal(try_put(store, "a", "1"), INGOT_OK);
    ingot_store_memory_fail_commit(store, 1, fault);
    assert_int_equal(try_put(store, "b", "2"), INGOT_ERROR_UNKNOWN_OUTCOME);
    assert_int_equal(try_put(store, "c", "3"), INGOT_ERROR_UNKNOWN_OUTCOME);
    struct ingot_store_snapshot *snapshot = NULL;
    assert_int_equal(ingot_store_snapshot_begin(store, &snapshot), INGOT_ERROR_IO);
    struct ingot_store *restarted = ingot_store_memory_clone_durable(store);
    assert_value(restarted, 0, "a", "1");
    if (is_there)
        assert_value(restarted, 0, "b", "2");
    else
        assert_missing(restarted, 0, "b");
    assert_missing(restarted, 0, "c");
    assert_int_equal(try_put(restarted, "d", "4"), INGOT_OK);
    ingot_store_close(restarted);
    ingot_store_close(store);
}

static void a_failed_commit_that_was_lost_is_not_there_after_a_restart(void **state)
{
    (void)state;
    check_unknown_outcome(STORE_MEMORY_FAILED_LOST, false);
}

static void a_failed_commit_that_was_applied_is_there_after_a_restart(void **state)
{
    (void)state;
    check_unknown_outcome(STORE_MEMORY_FAILED_APPLIED, true);
}

static void check_crash_at_a_commit(enum store_memory_fault fault, bool is_there)
{
    struct ingot_store *store = ingot_store_memory_new(1);
    ingot_store_memory_fail_commit(store, 2, fault);
    assert_int_equal(try_put(store, "a", "1"), INGOT_OK);
    assert_false(ingot_store_memory_has_crashed(store));
    assert_int_equal(try_put(store, "b", "2"), INGOT_OK);
    assert_true(ingot_store_memory_has_crashed(store));
    assert_int_equal(try_put(store, "c", "3"), INGOT_OK);
    assert_value(store, 0, "c", "3");
    struct ingot_store *restarted = ingot_store_memory_clone_durable(store);
    assert_false(ingot_store_memory_has_crashed(restarted));
    assert_value(restarted, 0, "a", "1");
    if (is_there)
        assert_value(restarted, 0, "b", "2");
    else
        assert_missing(restarted, 0, "b");
    assert_missing(restarted, 0, "c");
    ingot_store_close(restarted);
    ingot_store_close(store);
}

static void a_crash_right_before_a_commit_leaves_the_disk_without_it(void **state)
{
    (void)state;
    check_crash_at_a_commit(STORE_MEMORY_CRASH_BEFORE, false);
}

static void a_crash_right_after_a_commit_leaves_it_on_the_disk(void **state)
{
    (void)state;
    check_crash_at_a_commit(STORE_MEMORY_CRASH_AFTER, true);
}

static void a_full_disk_refuses_every_commit_until_there_is_space(void **state)
{
    (void)state;
    struct ingot_store *store = ingot_store_memory_new(1);
    ingot_store_memory_set_full(store, true);
    assert_int_equal(try_put(store, "a", "1"), INGOT_ERROR_NO_SPACE);
    assert_int_equal(try_put(store, "a", "1"), INGOT_ERROR_NO_SPACE);
    assert_missing(store, 0, "a");
    ingot_store_memory_set_full(store, false);
    assert_int_equal(try_put(store, "a", "1"), INGOT_OK);
    assert_value(store, 0, "a", "1");
    ingot_store_close(store);
}

static void a_crash_loses_the_open_batch_and_leaves_the_original_alone(void **state)
{
    (void)state;
    struct ingot_store *store = ingot_store_memory_new(1);
    assert_int_equal(try_put(store, "a", "1"), INGOT_OK);
    struct ingot_store_batch *batch = ingot_store_batch_begin(store);
    ingot_store_batch_put(batch, 0, text("b"), text("2"));
    struct ingot_store *restarted = ingot_store_memory_clone_durable(store);
    assert_missing(restarted, 0, "b");
    assert_int_equal(try_put(restarted, "a", "other"), INGOT_OK);
    assert_value(store, 0, "a", "1");
    assert_int_equal(ingot_store_batch_commit(batch), INGOT_OK);
    assert_value(store, 0, "b", "2");
    assert_missing(restarted, 0, "b");
    ingot_store_close(store);
    assert_value(restarted, 0, "a", "other");
    ingot_store_close(restarted);
}

static void equal_content_has_an_equal_digest_whatever_led_to_it(void **state)
{
    (void)state;
    struct ingot_store *forward = ingot_store_memory_new(1);
    struct ingot_store *backward = ingot_store_memory_new(1);
    for (int i = 0; i < 100; i++) {
        char key[16];
        snprintf(key, sizeof key, "%d", i);
        assert_int_equal(try_put(forward, key, "v"), INGOT_OK);
        snprintf(key, sizeof key, "%d", 99 - i);
        assert_int_equal(try_put(backward, key, "v"), INGOT_OK);
    }
    assert_true(ingot_store_memory_digest(forward) == ingot_store_memory_digest(backward));
    assert_int_equal(try_put(forward, "7", "w"), INGOT_OK);
    assert_true(ingot_store_memory_digest(forward) != ingot_store_memory_digest(backward));
    ingot_store_close(forward);
    ingot_store_close(backward);
}

static void counters_count_what_was_done(void **state)
{
    (void)state;
    struct ingot_store *store = ingot_store_memory_new(1);
    assert_int_equal(try_put(store, "a", "1"), INGOT_OK);
    assert_int_equal(try_put(store, "b", "1"), INGOT_OK);
    assert_value(store, 0, "a", "1");
    struct ingot_store_snapshot *snapshot = begin(store);
    struct ingot_store_memory_counters counters;
    ingot_store_memory_get_counters(store, &counters);
    assert_int_equal(counters.commits, 2);
    assert_int_equal(counters.operations, 2);
    assert_int_equal(counters.gets, 1);
    assert_int_equal(counters.cursor_moves, 0);
    assert_int_equal(counters.snapshots_open, 1);
    ingot_store_snapshot_end(snapshot);
    ingot_store_close(store);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_refused_commit_changes_nothing_and_the_next_one_succeeds),
        cmocka_unit_test(a_failed_commit_that_was_lost_is_not_there_after_a_restart),
        cmocka_unit_test(a_failed_commit_that_was_applied_is_there_after_a_restart),
        cmocka_unit_test(a_crash_right_before_a_commit_leaves_the_disk_without_it),
        cmocka_unit_test(a_crash_right_after_a_commit_leaves_it_on_the_disk),
        cmocka_unit_test(a_full_disk_refuses_every_commit_until_there_is_space),
        cmocka_unit_test(a_crash_loses_the_open_batch_and_leaves_the_original_alone),
        cmocka_unit_test(equal_content_has_an_equal_digest_whatever_led_to_it),
        cmocka_unit_test(counters_count_what_was_done),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
