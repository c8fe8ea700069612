/*
 * The data folder of the store on disk: one process at a time, for the owner alone, and files that
 * are damaged or are something else.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"
#include "lib/lmdb_harness.h"
#include "lib/storage_test.h"

/* --- One process at a time. --- */

static int open_and_report(int ready)
{
    (void)ready;
    struct ingot_store_lmdb_options options = lmdb_options();
    struct ingot_store *store = NULL;
    enum ingot_error error = lmdb_try_open(&options, &store);
    char holder[32];
    snprintf(holder, sizeof holder, "process %ld;", (long)getppid());
    if (error == INGOT_ERROR_LOCKED && strstr(lmdb_why, holder) == NULL)
        return 50;
    return -(int)error;
}

static void a_second_process_is_refused_and_told_who_holds_the_folder(void **state)
{
    (void)state;
    struct other_process other = other_start(open_and_report);
    struct ingot_store *store = lmdb_open();
    other_tell(&other);
    assert_int_equal(other_end(&other), -INGOT_ERROR_LOCKED);
    assert_int_equal(lmdb_put(store, "key", text("value")), INGOT_OK);
    ingot_store_close(store);
}

static int open_and_hang(int ready)
{
    struct ingot_store_lmdb_options options = lmdb_options();
    struct ingot_store *store = NULL;
    if (lmdb_try_open(&options, &store) != INGOT_OK)
        return 1;
    if (lmdb_put(store, "key", text("value")) != INGOT_OK || write(ready, "r", 1) != 1)
        return 2;
    for (;;)
        pause();
}

static void a_killed_process_leaves_the_folder_free_and_its_data_there(void **state)
{
    (void)state;
    struct other_process other = other_start(open_and_hang);
    other_tell(&other);
    other_await(&other);
    struct ingot_store_lmdb_options options = lmdb_options();
    lmdb_assert_refused(&options, INGOT_ERROR_LOCKED, "in use by process");
    kill(other.pid, SIGKILL);
    assert_int_equal(other_end(&other), -SIGKILL);
    struct ingot_store *store = lmdb_open();
    assert_value(store, 0, "key", "value");
    ingot_store_close(store);
}

static void opening_twice_in_one_process_is_refused_read_only_too(void **state)
{
    (void)state;
    struct ingot_store_lmdb_options options = lmdb_options();
    struct ingot_store *store = lmdb_open_with(&options);
    lmdb_assert_refused(&options, INGOT_ERROR_LOCKED, "already open in this process");
    options.read_only = true;
    lmdb_assert_refused(&options, INGOT_ERROR_LOCKED, "already open in this process");
    assert_int_equal(lmdb_put(store, "key", text("value")), INGOT_OK);
    ingot_store_close(store);
    store = lmdb_open_with(&options);
    assert_value(store, 0, "key", "value");
    ingot_store_close(store);
}

static void the_folder_and_its_files_are_for_the_owner_alone(void **state)
{
    (void)state;
    ingot_store_close(lmdb_open());
    struct stat status;
    assert_int_equal(stat(lmdb_folder, &status), 0);
    assert_int_equal(status.st_mode & 07777, 0700);
    static const char *const names[] = {"data.mdb", "lock.mdb", "LOCK"};
    for (size_t i = 0; i < 3; i++) {
        char path[96];
        snprintf(path, sizeof path, "%s/%s", lmdb_folder, names[i]);
        assert_int_equal(stat(path, &status), 0);
        assert_int_equal(status.st_mode & 07777, 0600);
    }
}

static void a_missing_parent_folder_is_named(void **state)
{
    (void)state;
    char deep[96];
    snprintf(deep, sizeof deep, "%s/no/data", lmdb_folder);
    struct ingot_store_lmdb_options options = lmdb_options();
    options.folder = deep;
    lmdb_assert_refused(&options, INGOT_ERROR_NOT_FOUND, "parent folder must exist");
}

/* --- Damage. --- */

static void write_file(const char *name, const void *bytes, size_t size)
{
    char path[96];
    snprintf(path, sizeof path, "%s/%s", lmdb_folder, name);
    FILE *file = fopen(path, "r+b");
    if (file == NULL)
        file = fopen(path, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(bytes, 1, size, file), size);
    fclose(file);
}

static void a_file_that_is_not_a_store_is_refused_by_name(void **state)
{
    (void)state;
    struct ingot_store_lmdb_options options = lmdb_options();
    assert_int_equal(mkdir(lmdb_folder, 0700), 0);
    char garbage[8192];
    memset(garbage, 'x', sizeof garbage);
    write_file("data.mdb", garbage, sizeof garbage);
    lmdb_assert_refused(&options, INGOT_ERROR_CORRUPT, "data.mdb: damaged");
    write_file("data.mdb", garbage, 100);
    lmdb_assert_refused(&options, INGOT_ERROR_CORRUPT, "data.mdb: damaged");
}

/* The power went while the file was made: nothing that anybody was told of is in it. */
static void what_a_first_start_did_not_live_to_name_is_made_anew(void **state)
{
    (void)state;
    char garbage[5000];
    char path[96];
    memset(garbage, 'x', sizeof garbage);
    assert_int_equal(mkdir(lmdb_folder, 0700), 0);
    write_file("data.mdb.new", garbage, sizeof garbage);
    struct ingot_store *store = lmdb_open();
    assert_missing(store, 0, "key");
    ingot_store_close(store);
    snprintf(path, sizeof path, "%s/data.mdb.new", lmdb_folder);
    assert_int_equal(access(path, F_OK), -1);
}

static void an_empty_file_is_not_taken_for_a_new_store(void **state)
{
    (void)state;
    struct ingot_store_lmdb_options options = lmdb_options();
    assert_int_equal(mkdir(lmdb_folder, 0700), 0);
    write_file("data.mdb", "", 0);
    lmdb_assert_refused(&options, INGOT_ERROR_CORRUPT, "data.mdb: empty");
}

static void a_file_that_was_cut_is_refused_rather_than_read_past_its_end(void **state)
{
    (void)state;
    struct ingot_store *store = lmdb_open();
    uint8_t value[256 * 1024] = {0};
    assert_int_equal(lmdb_put(store, "key", ingot_slice_of(value, sizeof value)), INGOT_OK);
    ingot_store_close(store);
    char path[96];
    snprintf(path, sizeof path, "%s/data.mdb", lmdb_folder);
    assert_int_equal(truncate(path, 64 * 1024), 0);
    struct ingot_store_lmdb_options options = lmdb_options();
    lmdb_assert_refused(&options, INGOT_ERROR_CORRUPT, "the file was cut");
}

static void zeroed_first_pages_are_refused(void **state)
{
    (void)state;
    struct ingot_store *store = lmdb_open();
    assert_int_equal(lmdb_put(store, "key", text("value")), INGOT_OK);
    ingot_store_close(store);
    static const char zeros[8192];
    write_file("data.mdb", zeros, sizeof zeros);
    struct ingot_store_lmdb_options options = lmdb_options();
    lmdb_assert_refused(&options, INGOT_ERROR_CORRUPT, "data.mdb: damaged");
}

#define TEST(test) cmocka_unit_test_setup_teardown(test, lmdb_set_up, lmdb_tear_down)

int main(void)
{
    log_configure(LOG_PLAIN, LOG_NONE);
    const struct CMUnitTest tests[] = {
        TEST(a_second_process_is_refused_and_told_who_holds_the_folder),
        TEST(a_killed_process_leaves_the_folder_free_and_its_data_there),
        TEST(opening_twice_in_one_process_is_refused_read_only_too),
        TEST(the_folder_and_its_files_are_for_the_owner_alone),
        TEST(a_missing_parent_folder_is_named),
        TEST(a_file_that_is_not_a_store_is_refused_by_name),
        TEST(what_a_first_start_did_not_live_to_name_is_made_anew),
        TEST(an_empty_file_is_not_taken_for_a_new_store),
        TEST(a_file_that_was_cut_is_refused_rather_than_read_past_its_end),
        TEST(zeroed_first_pages_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
