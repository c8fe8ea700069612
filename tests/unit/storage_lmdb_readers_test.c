/*
 * Readers of the store on disk, in this process and in others, beside a writer and after it was
 * killed.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "lib/lmdb_harness.h"
#include "lib/storage_test.h"

static void a_read_only_store_needs_one_made_earlier_with_its_tables(void **state)
{
    (void)state;
    struct ingot_store_lmdb_options options = lmdb_options();
    options.read_only = true;
    lmdb_assert_refused(&options, INGOT_ERROR_NOT_FOUND, "");
    assert_int_equal(mkdir(lmdb_folder, 0700), 0);
    lmdb_assert_refused(&options, INGOT_ERROR_NOT_FOUND, "data.mdb");
    options.read_only = false;
    options.table_count = 1;
    ingot_store_close(lmdb_open_with(&options));
    options.read_only = true;
    options.table_count = 2;
    lmdb_assert_refused(&options, INGOT_ERROR_CORRUPT, "the table 'b' is missing");
}

static int read_beside_the_writer(int ready)
{
    struct ingot_store_lmdb_options options = lmdb_options();
    options.read_only = true;
    struct ingot_store *store = NULL;
    struct ingot_store_snapshot *snapshot = NULL;
    struct ingot_slice value;
    if (lmdb_try_open(&options, &store) != INGOT_OK ||
        ingot_store_snapshot_begin(store, &snapshot) != INGOT_OK ||
        ingot_store_snapshot_get(snapshot, 0, text("key"), &value) != INGOT_OK)
        return 1;
    if (write(ready, "r", 1) != 1)
        return 2;
    for (;;)
        pause();
}

static void a_reader_makes_no_file_in_the_folder(void **state)
{
    (void)state;
    ingot_store_close(lmdb_open());
    char path[80];
    (void)snprintf(path, sizeof path, "%s/lock.mdb", lmdb_folder);
    assert_int_equal(unlink(path), 0);
    struct ingot_store_lmdb_options options = lmdb_options();
    options.read_only = true;
    lmdb_assert_refused(&options, INGOT_ERROR_NOT_FOUND, "lock.mdb");
    assert_int_equal(access(path, F_OK), -1);
}

static int copy_beside_the_writer(int ready)
{
    char folder[80];
    char why[256];
    (void)snprintf(folder, sizeof folder, "%s/copy", lmdb_folder);
    struct ingot_store_lmdb_options options = lmdb_options();
    options.read_only = true;
    struct ingot_store *store = NULL;
    if (lmdb_try_open(&options, &store) != INGOT_OK || mkdir(folder, 0700) != 0)
        return 1;
    if (write(ready, "r", 1) != 1)
        return 2;
    const enum ingot_error error = ingot_store_lmdb_copy(store, folder, why, sizeof why);
    const enum ingot_error again = ingot_store_lmdb_copy(store, folder, why, sizeof why);
    ingot_store_close(store);
    return error == INGOT_OK && again == INGOT_ERROR_EXISTS ? 0 : 3;
}

/* Each batch writes one number under two keys; in one snapshot the two are equal. */
static void a_copy_made_beside_a_writer_is_one_snapshot_of_whole_batches(void **state)
{
    (void)state;
    struct other_process other = other_start(copy_beside_the_writer);
    struct ingot_store *store = lmdb_open();
    for (uint32_t i = 0; i < 200; i++) {
        struct ingot_store_batch *batch = ingot_store_batch_begin(store);
        const struct ingot_slice number = ingot_slice_of(&i, sizeof i);
        ingot_store_batch_put(batch, 0, text("one"), number);
        ingot_store_batch_put(batch, 1, text("two"), number);
        assert_int_equal(ingot_store_batch_commit(batch), INGOT_OK);
        if (i == 0) {
            other_tell(&other);
            other_await(&other);
        }
    }
    assert_int_equal(other_end(&other), 0);
    ingot_store_close(store);

    char folder[80];
    (void)snprintf(folder, sizeof folder, "%s/copy", lmdb_folder);
    struct ingot_store_lmdb_options options = lmdb_options();
    options.folder = folder;
    struct ingot_store *copy = lmdb_open_with(&options);
    struct ingot_store_snapshot *snapshot = begin(copy);
    struct ingot_slice one = {0};
    struct ingot_slice two = {0};
    assert_int_equal(ingot_store_snapshot_get(snapshot, 0, text("one"), &one), INGOT_OK);
    assert_int_equal(ingot_store_snapshot_get(snapshot, 1, text("two"), &two), INGOT_OK);
    assert_true(ingot_slice_equal(one, two));
    ingot_store_snapshot_end(snapshot);
    assert_int_equal(lmdb_put(copy, "key", text("value")), INGOT_OK);
    ingot_store_close(copy);
    storage_test_remove_files(folder);
    (void)rmdir(folder);
}

static void a_dead_readers_slot_is_cleared_while_running(void **state)
{
    (void)state;
    struct other_process other = other_start(read_beside_the_writer);
    struct ingot_store *store = lmdb_open();
    assert_int_equal(lmdb_put(store, "key", text("value")), INGOT_OK);
    other_tell(&other);
    other_await(&other);
    kill(other.pid, SIGKILL);
    assert_int_equal(other_end(&other), -SIGKILL);
    assert_int_equal(lmdb_stats(store).stale_readers_cleared, 0);
    for (int i = 0; i < 256; i++)
        assert_int_equal(lmdb_put(store, "key", text("value")), INGOT_OK);
    assert_int_equal(lmdb_stats(store).stale_readers_cleared, 1);
    ingot_store_close(store);
}

static void snapshots_that_stay_open_for_long_are_counted_once_each(void **state)
{
    (void)state;
    struct ingot_store_lmdb_options options = lmdb_options();
    options.reader_age_max_ms = 1;
    struct ingot_store *store = lmdb_open_with(&options);
    struct ingot_store_snapshot *first = begin(store);
    struct ingot_store_snapshot *second = begin(store);
    uint64_t start_us = clock_monotonic_us();
    while (clock_monotonic_us() - start_us < 3000)
        sched_yield();
    for (int i = 0; i < 512; i++)
        assert_int_equal(lmdb_put(store, "key", text("value")), INGOT_OK);
    struct store_lmdb_stats stats = lmdb_stats(store);
    assert_int_equal(stats.snapshots_open, 2);
    assert_int_equal(stats.snapshots_old_total, 2);
    assert_true(stats.snapshot_age_max_ms >= 2);
    ingot_store_snapshot_end(first);
    ingot_store_snapshot_end(second);
    assert_int_equal(lmdb_stats(store).snapshots_open, 0);
    ingot_store_close(store);
}

static void too_many_snapshots_are_refused_until_one_ends(void **state)
{
    (void)state;
    struct ingot_store *store = lmdb_open();
    struct ingot_store_snapshot *open[300];
    uint32_t count = 0;
    enum ingot_error error = INGOT_OK;
    while (count < 300 && error == INGOT_OK) {
        error = ingot_store_snapshot_begin(store, &open[count]);
        if (error == INGOT_OK)
            count++;
    }
    assert_int_equal(error, INGOT_ERROR_FULL);
    assert_true(count >= 200);
    ingot_store_snapshot_end(open[--count]);
    open[count++] = begin(store);
    while (count > 0)
        ingot_store_snapshot_end(open[--count]);
    ingot_store_close(store);
}

struct pair_reader {
    struct ingot_store *store;
    bool stop; /* atomic */
    uint32_t looks;
    bool differed;
};

static void *read_pairs(void *context)
{
    struct pair_reader *reader = context;
    while (!__atomic_load_n(&reader->stop, __ATOMIC_ACQUIRE) || reader->looks == 0) {
        struct ingot_store_snapshot *snapshot = NULL;
        struct ingot_slice a;
        struct ingot_slice b;
        if (ingot_store_snapshot_begin(reader->store, &snapshot) != INGOT_OK)
            break;
        if (ingot_store_snapshot_get(snapshot, 0, text("key"), &a) != INGOT_OK ||
            ingot_store_snapshot_get(snapshot, 1, text("key"), &b) != INGOT_OK ||
            !ingot_slice_equal(a, b))
            reader->differed = true;
        ingot_store_snapshot_end(snapshot);
        reader->looks++;
    }
    return NULL;
}

static enum ingot_error put_pair(struct ingot_store *store, const char *value)
{
    struct ingot_store_batch *batch = ingot_store_batch_begin(store);
    ingot_store_batch_put(batch, 0, text("key"), text(value));
    ingot_store_batch_put(batch, 1, text("key"), text(value));
    return ingot_store_batch_commit(batch);
}

static void snapshots_on_another_thread_see_whole_batches(void **state)
{
    (void)state;
    struct ingot_store *store = lmdb_open();
    assert_int_equal(put_pair(store, "first"), INGOT_OK);
    struct pair_reader reader = {.store = store};
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, read_pairs, &reader), 0);
    for (int i = 0; i < 300; i++) {
        char value[16];
        snprintf(value, sizeof value, "%d", i);
        assert_int_equal(put_pair(store, value), INGOT_OK);
    }
    __atomic_store_n(&reader.stop, true, __ATOMIC_RELEASE);
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_true(reader.looks > 0);
    assert_false(reader.differed);
    ingot_store_close(store);
}

static int write_pairs_for_ever(int ready)
{
    struct ingot_store_lmdb_options options = lmdb_options();
    struct ingot_store *store = NULL;
    if (lmdb_try_open(&options, &store) != INGOT_OK)
        return 1;
    for (uint32_t i = 0;; i++) {
        char value[16];
        snprintf(value, sizeof value, "%u", i);
        if (put_pair(store, value) != INGOT_OK)
            return 2;
        if (write(ready, "r", 1) != 1)
            return 3;
    }
}

/* What was reported is there, and no batch is there by half. */
static void a_writer_killed_at_any_moment_leaves_whole_batches_and_all_it_reported(void **state)
{
    (void)state;
    for (int round = 0; round < 10; round++) {
        struct other_process other = other_start(write_pairs_for_ever);
        other_tell(&other);
        for (int i = 0; i < 3 + round * 7; i++)
            other_await(&other);
        kill(other.pid, SIGKILL);
        uint32_t reported = 3 + (uint32_t)round * 7;
        char byte = 0;
        while (read(other.ready, &byte, 1) == 1)
            reported++;
        assert_int_equal(other_end(&other), -SIGKILL);
        struct ingot_store *store = lmdb_open();
        struct ingot_store_snapshot *snapshot = begin(store);
        struct ingot_slice a;
        struct ingot_slice b;
        assert_int_equal(ingot_store_snapshot_get(snapshot, 0, text("key"), &a), INGOT_OK);
        assert_int_equal(ingot_store_snapshot_get(snapshot, 1, text("key"), &b), INGOT_OK);
        assert_true(ingot_slice_equal(a, b));
        char value[16] = {0};
        assert_true(a.size < sizeof value);
        memcpy(value, a.data, a.size);
        assert_true(strtoul(value, NULL, 10) + 1 >= reported);
        ingot_store_snapshot_end(snapshot);
        ingot_store_close(store);
    }
}

#define TEST(test) cmocka_unit_test_setup_teardown(test, lmdb_set_up, lmdb_tear_down)

int main(void)
{
    log_configure(LOG_PLAIN, LOG_NONE);
    const struct CMUnitTest tests[] = {
        TEST(a_read_only_store_needs_one_made_earlier_with_its_tables),
        TEST(a_reader_makes_no_file_in_the_folder),
        TEST(a_copy_made_beside_a_writer_is_one_snapshot_of_whole_batches),
        TEST(a_dead_readers_slot_is_cleared_while_running),
        TEST(snapshots_that_stay_open_for_long_are_counted_once_each),
        TEST(too_many_snapshots_are_refused_until_one_ends),
        TEST(snapshots_on_another_thread_see_whole_batches),
        TEST(a_writer_killed_at_any_moment_leaves_whole_batches_and_all_it_reported),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
