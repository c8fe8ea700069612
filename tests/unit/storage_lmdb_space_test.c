/*
 * Room for the store on disk: growth, limits, disks that are full or fail. The disk fails by
 * standing in for fdatasync and fallocate, which this program defines itself: the dynamic linker
 * gives ours to liblmdb.
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
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/log.h"
#include "lib/lmdb_harness.h"
#include "lib/storage_test.h"
#include "storage/lmdb_internal.h"

static int sync_error;
static int reserve_error;

INGOT_API int fdatasync(int fd)
{
    if (sync_error != 0) {
        errno = sync_error;
        return -1;
    }
    return (int)syscall(SYS_fdatasync, fd);
}

INGOT_API int fallocate(int fd, int mode, off_t offset, off_t length)
{
    if (reserve_error != 0) {
        errno = reserve_error;
        return -1;
    }
    return (int)syscall(SYS_fallocate, fd, mode, offset, length);
}

static int set_up_whole_disk(void **state)
{
    sync_error = 0;
    reserve_error = 0;
    return lmdb_set_up(state);
}

static void the_file_grows_from_a_tiny_start_under_open_snapshots(void **state)
{
    (void)state;
    struct ingot_store_lmdb_options options = lmdb_options();
    options.map_size_initial = 64 * 1024;
    struct ingot_store *store = lmdb_open_with(&options);
    assert_int_equal(lmdb_put(store, "early", text("value")), INGOT_OK);
    struct ingot_store_snapshot *snapshot = begin(store);
    struct ingot_slice early;
    assert_int_equal(ingot_store_snapshot_get(snapshot, 0, text("early"), &early), INGOT_OK);
    size_t size = 1024 * 1024;
    uint8_t *large = calloc(size, 1);
    for (int i = 0; i < 48; i++) {
        char key[16];
        snprintf(key, sizeof key, "%d", i);
        assert_int_equal(lmdb_put(store, key, ingot_slice_of(large, size)), INGOT_OK);
    }
    assert_slice(early, "value");
    struct ingot_slice value;
    assert_int_equal(ingot_store_snapshot_get(snapshot, 0, text("7"), &value),
                     INGOT_ERROR_NOT_FOUND);
    ingot_store_snapshot_end(snapshot);
    struct store_lmdb_stats stats = lmdb_stats(store);
    assert_true(stats.used_bytes > 48 * size);
    assert_true(stats.reserved_bytes >= stats.used_bytes);
    ingot_store_close(store);
    free(large);
}

static void a_full_map_refuses_the_batch_whole_and_goes_on(void **state)
{
    (void)state;
    struct ingot_store_lmdb_options options = lmdb_options();
    options.map_size_max = 1024 * 1024;
    struct ingot_store *store = lmdb_open_with(&options);
    assert_int_equal(lmdb_put(store, "key", text("value")), INGOT_OK);
    size_t size = 600 * 1024;
    uint8_t *large = calloc(size, 1);
    struct ingot_store_batch *batch = ingot_store_batch_begin(store);
    ingot_store_batch_put(batch, 1, text("first"), text("of a batch that fails"));
    ingot_store_batch_put(batch, 0, text("x"), ingot_slice_of(large, size));
    ingot_store_batch_put(batch, 0, text("y"), ingot_slice_of(large, size));
    assert_int_equal(ingot_store_batch_commit(batch), INGOT_ERROR_NO_SPACE);
    assert_missing(store, 1, "first");
    assert_missing(store, 0, "x");
    assert_value(store, 0, "key", "value");
    assert_int_equal(lmdb_put(store, "x", ingot_slice_of(large, size)), INGOT_OK);
    assert_int_equal(lmdb_put(store, "y", ingot_slice_of(large, size)), INGOT_ERROR_NO_SPACE);
    assert_int_equal(lmdb_put(store, "key", text("other")), INGOT_OK);
    ingot_store_close(store);
    options.map_size_max = 4 * 1024 * 1024;
    store = lmdb_open_with(&options);
    assert_value(store, 0, "key", "other");
    assert_int_equal(lmdb_put(store, "y", ingot_slice_of(large, size)), INGOT_OK);
    ingot_store_close(store);
    free(large);
}

static void overwriting_reuses_pages_and_the_file_stops_growing(void **state)
{
    (void)state;
    struct ingot_store *store = lmdb_open();
    uint8_t value[64 * 1024] = {0};
    uint64_t used_bytes = 0;
    for (int i = 0; i < 400; i++) {
        value[0] = (uint8_t)i;
        assert_int_equal(lmdb_put(store, "key", ingot_slice_of(value, sizeof value)), INGOT_OK);
        if (i == 50)
            used_bytes = lmdb_stats(store).used_bytes;
    }
    assert_true(lmdb_stats(store).used_bytes <= used_bytes + 4 * sizeof value);
    ingot_store_close(store);
}

static void a_disk_that_is_full_ahead_of_a_batch_refuses_it_cleanly(void **state)
{
    (void)state;
    struct ingot_store_lmdb_options options = lmdb_options();
    options.map_size_initial = 64 * 1024;
    struct ingot_store *store = lmdb_open_with(&options);
    reserve_error = ENOSPC;
    assert_int_equal(lmdb_put(store, "key", text("value")), INGOT_ERROR_NO_SPACE);
    assert_missing(store, 0, "key");
    reserve_error = 0;
    assert_int_equal(lmdb_put(store, "key", text("value")), INGOT_OK);
    assert_value(store, 0, "key", "value");
    ingot_store_close(store);
}

static void a_file_system_that_cannot_reserve_is_written_all_the_same(void **state)
{
    (void)state;
    reserve_error = EOPNOTSUPP;
    struct ingot_store *store = lmdb_open();
    assert_int_equal(lmdb_put(store, "key", text("value")), INGOT_OK);
    assert_int_equal(lmdb_stats(store).reserved_bytes, 0);
    ingot_store_close(store);
}

static void a_failed_sync_stops_the_store_for_good(void **state)
{
    (void)state;
    static const int errors[] = {EIO, ENOSPC};
    for (size_t i = 0; i < 2; i++) {
        struct ingot_store *store = lmdb_open();
        assert_int_equal(lmdb_put(store, "before", text("value")), INGOT_OK);
        sync_error = errors[i];
        assert_int_equal(lmdb_put(store, "during", text("value")), INGOT_ERROR_UNKNOWN_OUTCOME);
        sync_error = 0;
        assert_int_equal(lmdb_put(store, "after", text("value")), INGOT_ERROR_UNKNOWN_OUTCOME);
        struct ingot_store_snapshot *snapshot = NULL;
        assert_int_equal(ingot_store_snapshot_begin(store, &snapshot), INGOT_ERROR_IO);
        assert_null(snapshot);
        ingot_store_close(store);
        store = lmdb_open();
        assert_value(store, 0, "before", "value");
        assert_missing(store, 0, "after");
        assert_int_equal(lmdb_put(store, "before", text("value")), INGOT_OK);
        ingot_store_close(store);
    }
}

/* The failed sync above shows that data is synced; of the meta page only the mode can be seen. */
static void no_option_that_trades_durability_for_speed_is_on(void **state)
{
    (void)state;
    struct ingot_store *store = lmdb_open();
    unsigned flags = 0;
    assert_int_equal(mdb_env_get_flags(((struct lmdb_store *)store)->env, &flags), 0);
    assert_int_equal(flags & (MDB_NOSYNC | MDB_NOMETASYNC | MDB_MAPASYNC | MDB_WRITEMAP), 0);
    ingot_store_close(store);
}

/* In a mount namespace of its own: a disk of 24 MiB, filled. Exit status 77: not permitted. */
static int fill_a_small_disk(int ready)
{
    (void)ready;
    if (mkdir(lmdb_folder, 0700) != 0 || unshare(CLONE_NEWNS) != 0 ||
        mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0 ||
        mount("ingot", lmdb_folder, "tmpfs", 0, "size=24m") != 0)
        return 77;
    struct ingot_store *store = NULL;
    struct ingot_store_lmdb_options options = lmdb_options();
    if (lmdb_try_open(&options, &store) != INGOT_OK)
        return 1;
    static uint8_t value[1024 * 1024];
    enum ingot_error error = INGOT_OK;
    int stored = 0;
    for (; error == INGOT_OK && stored < 100; stored++) {
        char key[16];
        snprintf(key, sizeof key, "%d", stored);
        error = lmdb_put(store, key, ingot_slice_of(value, sizeof value));
    }
    if (error != INGOT_ERROR_NO_SPACE)
        return 2;
    if (stored < 12)
        return 3;
    ingot_store_close(store);
    if (lmdb_try_open(&options, &store) != INGOT_OK)
        return 4;
    ingot_store_close(store);
    return 0;
}

static void a_disk_that_really_fills_up_refuses_cleanly_and_can_be_opened_again(void **state)
{
    (void)state;
    struct other_process other = other_start(fill_a_small_disk);
    other_tell(&other);
    int status = other_end(&other);
    if (status == 77) {
        print_message("skipped: may not mount a small disk\n");
        skip();
    }
    assert_int_equal(status, 0);
}

#define TEST(test) cmocka_unit_test_setup_teardown(test, set_up_whole_disk, lmdb_tear_down)

int main(void)
{
    log_configure(LOG_PLAIN, LOG_NONE);
    const struct CMUnitTest tests[] = {
        TEST(the_file_grows_from_a_tiny_start_under_open_snapshots),
        TEST(a_full_map_refuses_the_batch_whole_and_goes_on),
        TEST(overwriting_reuses_pages_and_the_file_stops_growing),
        TEST(a_disk_that_is_full_ahead_of_a_batch_refuses_it_cleanly),
        TEST(a_file_system_that_cannot_reserve_is_written_all_the_same),
        TEST(a_failed_sync_stops_the_store_for_good),
        TEST(no_option_that_trades_durability_for_speed_is_on),
        TEST(a_disk_that_really_fills_up_refuses_cleanly_and_can_be_opened_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
