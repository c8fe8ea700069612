/*
 * The journal before LMDB on disks that fail or are full, and with its thread. The disk fails by
 * standing in for the calls, which this program defines itself: the dynamic linker gives ours to
 * liblmdb too.
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
#include <pthread.h>
#include <signal.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/log.h"
#include "lib/journal_harness.h"
#include "lib/storage_test.h"

/* Of the file of this name, "" for all; 0: none. */
static const char *failing = "";
static int sync_error;
static int write_error;
static int read_error;
static off_t room_bytes; /* that the disk has for a file; 0: any */
static uint32_t journal_syncs;
static uint32_t journal_writes;
static uint32_t data_syncs;

static bool is_of(int fd, const char *name)
{
    char link[64];
    char path[256];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    const ssize_t size = readlink(link, path, sizeof path - 1);
    if (size < 0)
        return false;
    path[size] = '\0';
    const char *slash = strrchr(path, '/');
    return name[0] == '\0' || (slash != NULL && strncmp(slash + 1, name, strlen(name)) == 0);
}

INGOT_API int fdatasync(int fd)
{
    __atomic_add_fetch(is_of(fd, "journal") ? &journal_syncs : &data_syncs, 1, __ATOMIC_RELAXED);
    if (sync_error != 0 && is_of(fd, failing)) {
        errno = sync_error;
        return -1;
    }
    return (int)syscall(SYS_fdatasync, fd);
}

INGOT_API ssize_t pwrite(int fd, const void *bytes, size_t size, off_t at)
{
    if (is_of(fd, "journal"))
        __atomic_add_fetch(&journal_writes, 1, __ATOMIC_RELAXED);
    if (write_error != 0 && is_of(fd, failing)) {
        errno = write_error;
        return -1;
    }
    return syscall(SYS_pwrite64, fd, bytes, size, at);
}

INGOT_API ssize_t pread(int fd, void *bytes, size_t size, off_t at)
{
    /* The first page can be read. */
    if (read_error != 0 && at + (off_t)size > 4096 && is_of(fd, failing)) {
        errno = read_error;
        return -1;
    }
    return syscall(SYS_pread64, fd, bytes, size, at);
}

INGOT_API int fallocate(int fd, int mode, off_t offset, off_t length)
{
    if (room_bytes != 0 && offset + length > room_bytes) {
        errno = ENOSPC;
        return -1;
    }
    return (int)syscall(SYS_fallocate, fd, mode, offset, length);
}

static int set_up(void **state)
{
    failing = "";
    sync_error = 0;
    write_error = 0;
    read_error = 0;
    room_bytes = 0;
    return lmdb_set_up(state);
}

static int tear_down(void **state)
{
    journal_forget_killed();
    return lmdb_tear_down(state);
}

static struct ingot_store *open_with_worker(uint32_t apply_after_ms)
{
    struct ingot_store_journal_options options = journal_options();
    struct ingot_store *store = NULL;
    options.apply_after_ms = apply_after_ms;
    if (ingot_store_journal_open(&options, &store, lmdb_why, sizeof lmdb_why) != INGOT_OK)
        fail_msg("%s", lmdb_why);
    return store;
}

/* LMDB has the first batch at once; what comes next is in the journal. */
static struct ingot_store *open_with_a_journal(void)
{
    struct ingot_store *store = journal_open();
    assert_int_equal(lmdb_put(store, "first", text("of all")), INGOT_OK);
    return store;
}

static void a_batch_is_one_write_and_one_sync(void **state)
{
    (void)state;
    struct ingot_store *store = open_with_a_journal();
    journal_syncs = 0;
    journal_writes = 0;
    data_syncs = 0;
    for (uint32_t i = 1; i <= 5; i++) {
        assert_int_equal(lmdb_put(store, "key", text("value")), INGOT_OK);
        assert_int_equal(journal_writes, i);
        assert_int_equal(journal_syncs, i);
    }
    struct ingot_store_batch *batch = ingot_store_batch_begin(store);
    assert_int_equal(ingot_store_batch_commit(batch), INGOT_OK);
    assert_int_equal(journal_writes, 5);
    assert_int_equal(data_syncs, 0);
    ingot_store_close(store);
}

static void a_record_that_cannot_be_written_or_synced_stops_the_store_for_good(void **state)
{
    (void)state;
    for (int i = 0; i < 4; i++) {
        struct ingot_store *store = journal_open();
        assert_int_equal(lmdb_put(store, "before", text("value")), INGOT_OK);
        *(i < 2 ? &sync_error : &write_error) = i % 2 == 0 ? EIO : ENOSPC;
        assert_int_equal(lmdb_put(store, "during", text("value")), INGOT_ERROR_UNKNOWN_OUTCOME);
        sync_error = 0;
        write_error = 0;
        assert_int_equal(lmdb_put(store, "after", text("value")), INGOT_ERROR_UNKNOWN_OUTCOME);
        struct ingot_store_batch *batch = ingot_store_batch_begin(store);
        assert_int_equal(ingot_store_batch_commit(batch), INGOT_ERROR_UNKNOWN_OUTCOME);
        struct ingot_store_snapshot *snapshot = NULL;
        assert_int_equal(ingot_store_snapshot_begin(store, &snapshot), INGOT_ERROR_IO);
        assert_null(snapshot);
        ingot_store_close(store);
        store = journal_open();
        assert_value(store, 0, "before", "value");
        assert_missing(store, 0, "after");
        ingot_store_close(store);
    }
}

static void a_worker_that_cannot_write_stops_the_store_at_the_next_batch(void **state)
{
    (void)state;
    struct ingot_store *store = open_with_a_journal();
    assert_int_equal(lmdb_put(store, "before", text("value")), INGOT_OK);
    assert_true(store_journal_step(store));
    failing = "data.mdb";
    sync_error = EIO;
    assert_true(store_journal_step(store));
    sync_error = 0;
    assert_false(store_journal_step(store));
    assert_int_equal(lmdb_put(store, "after", text("value")), INGOT_ERROR_UNKNOWN_OUTCOME);
    ingot_store_close(store);
    store = journal_open();
    assert_value(store, 0, "before", "value");
    assert_missing(store, 0, "after");
    ingot_store_close(store);
}

/* Where the disk says that it has lost a sector, nothing is taken for a record that was cut short.
 */
static void a_journal_that_cannot_be_read_is_not_passed_over(void **state)
{
    (void)state;
    struct ingot_store *store = open_with_a_journal();
    assert_int_equal(lmdb_put(store, "key", text("value")), INGOT_OK);
    struct ingot_store_journal_options options = journal_options();
    struct ingot_store *reborn = NULL;
    options.lmdb.folder = journal_kill();
    failing = "journal";
    read_error = EIO;
    assert_int_equal(
        store_journal_open_without_worker(&options, &reborn, lmdb_why, sizeof lmdb_why),
        INGOT_ERROR_IO);
    assert_non_null(strstr(lmdb_why, "journal: cannot be read"));
    read_error = 0;
    reborn = journal_open_at(options.lmdb.folder);
    assert_value(reborn, 0, "key", "value");
    ingot_store_close(reborn);
    ingot_store_close(store);
}

/* Beside a data.mdb that knows of none, a journal is made anew only if it has no records. */
static void a_journal_that_cannot_be_read_is_not_made_anew(void **state)
{
    (void)state;
    char data[96];
    struct ingot_store *store = open_with_a_journal();
    assert_int_equal(lmdb_put(store, "key", text("value")), INGOT_OK);
    ingot_store_close(store);
    snprintf(data, sizeof data, "%s/data.mdb", lmdb_folder);
    assert_int_equal(unlink(data), 0);
    failing = "journal";
    read_error = EIO;
    journal_assert_refused(INGOT_ERROR_CORRUPT, "beside another data.mdb");
}

/* LMDB has room for what it has, and none for what it is asked to take. */
static struct ingot_store *open_on_a_disk_that_fills_up(void)
{
    struct ingot_store_journal_options options = journal_options();
    struct ingot_store *store = NULL;
    options.lmdb.map_size_initial = 64 * 1024;
    room_bytes = 4 << 20;
    if (store_journal_open_without_worker(&options, &store, lmdb_why, sizeof lmdb_why) != INGOT_OK)
        fail_msg("%s", lmdb_why);
    assert_int_equal(lmdb_put(store, "first", text("of all")), INGOT_OK);
    assert_int_equal(lmdb_put(store, "kept", text("value")), INGOT_OK);
    assert_true(store_journal_step(store));
    room_bytes = 1;
    assert_true(store_journal_step(store));
    assert_missing(store_journal_lmdb(store), 0, "kept");
    return store;
}

/* What the journal has is kept there, over a restart too. */
static void a_full_disk_refuses_batches_and_keeps_what_was_acknowledged(void **state)
{
    (void)state;
    struct ingot_store *store = open_on_a_disk_that_fills_up();
    assert_int_equal(lmdb_put(store, "refused", text("value")), INGOT_ERROR_NO_SPACE);
    assert_int_equal(lmdb_put(store, "refused", text("value")), INGOT_ERROR_NO_SPACE);
    assert_value(store, 0, "kept", "value");
    assert_missing(store, 0, "refused");
    ingot_store_close(store);
    struct ingot_store_journal_options options = journal_options();
    options.lmdb.map_size_initial = 64 * 1024;
    room_bytes = 256 << 10;
    assert_int_equal(store_journal_open_without_worker(&options, &store, lmdb_why, sizeof lmdb_why),
                     INGOT_ERROR_NO_SPACE);
    assert_non_null(strstr(lmdb_why, "cannot be brought up to date"));
    room_bytes = 0;
    store = journal_open();
    assert_value(store, 0, "kept", "value");
    assert_missing(store, 0, "refused");
    ingot_store_close(store);
}

static void batches_go_on_once_there_is_room_again(void **state)
{
    (void)state;
    struct ingot_store *store = open_on_a_disk_that_fills_up();
    assert_int_equal(lmdb_put(store, "refused", text("value")), INGOT_ERROR_NO_SPACE);
    room_bytes = 0;
    assert_int_equal(lmdb_put(store, "taken", text("value")), INGOT_OK);
    assert_value(store_journal_lmdb(store), 0, "kept", "value");
    assert_value(store, 0, "taken", "value");
    ingot_store_close(store);
}

static void no_room_for_a_journal_is_found_before_anything_is_acknowledged(void **state)
{
    (void)state;
    char made[96];
    failing = "journal";
    write_error = ENOSPC;
    struct ingot_store *store = journal_open();
    assert_int_equal(lmdb_put(store, "key", text("value")), INGOT_ERROR_NO_SPACE);
    assert_missing(store, 0, "key");
    write_error = 0;
    snprintf(made, sizeof made, "%s/journal.new", lmdb_folder);
    assert_int_not_equal(access(made, F_OK), 0);
    assert_int_equal(lmdb_put(store, "key", text("value")), INGOT_OK);
    assert_value(store, 0, "key", "value");
    ingot_store_close(store);
}

static void no_room_in_lmdb_for_the_first_batch_leaves_everything_as_it_was(void **state)
{
    (void)state;
    struct ingot_store_journal_options options = journal_options();
    struct ingot_store *store = NULL;
    options.lmdb.map_size_initial = 64 * 1024;
    assert_int_equal(store_journal_open_without_worker(&options, &store, lmdb_why, sizeof lmdb_why),
                     INGOT_OK);
    room_bytes = 1;
    assert_int_equal(lmdb_put(store, "key", text("refused")), INGOT_ERROR_NO_SPACE);
    assert_missing(store, 0, "key");
    room_bytes = 0;
    assert_int_equal(lmdb_put(store, "key", text("taken")), INGOT_OK);
    assert_int_equal(lmdb_put(store, "next", text("value")), INGOT_OK);
    assert_value(store, 0, "key", "taken");
    struct ingot_store *reborn = journal_open_at(journal_kill());
    assert_value(reborn, 0, "key", "taken");
    assert_value(reborn, 0, "next", "value");
    ingot_store_close(reborn);
    ingot_store_close(store);
}

/* --- With the thread. --- */

static void the_worker_brings_lmdb_up_to_date_by_itself(void **state)
{
    (void)state;
    struct ingot_store *store = open_with_worker(1);
    struct store_journal_stats stats = {0};
    assert_int_equal(lmdb_put(store, "first", text("of all")), INGOT_OK);
    assert_int_equal(lmdb_put(store, "key", text("value")), INGOT_OK);
    for (int i = 0; i < 30000 && stats.applied_total == 0; i++) {
        usleep(1000);
        store_journal_get_stats(store, &stats);
    }
    assert_int_equal(stats.applied_total, 1);
    assert_int_equal(stats.waiting_bytes, 0);
    assert_value(store_journal_lmdb(store), 0, "key", "value");
    ingot_store_close(store);
}

static enum ingot_error put_pair(struct ingot_store *store, uint32_t number)
{
    char value[16];
    snprintf(value, sizeof value, "%u", number);
    struct ingot_store_batch *batch = ingot_store_batch_begin(store);
    ingot_store_batch_put(batch, 0, text("key"), text(value));
    ingot_store_batch_put(batch, 1, text("key"), text(value));
    ingot_store_batch_put(batch, number % 2, text(value), text(value));
    ingot_store_batch_delete(batch, (number + 1) % 2, text(value));
    return ingot_store_batch_commit(batch);
}

struct pair_reader {
    struct ingot_store *store;
    bool stop; /* atomic */
    uint32_t looks;
    bool differed;
};

/* Of the two tables, which must be of one batch; and it never goes back. */
static bool look(struct ingot_store_snapshot *snapshot, long *seen)
{
    struct ingot_slice a;
    struct ingot_slice b;
    struct ingot_store_cursor *cursor = NULL;
    if (ingot_store_snapshot_get(snapshot, 0, text("key"), &a) != INGOT_OK ||
        ingot_store_snapshot_get(snapshot, 1, text("key"), &b) != INGOT_OK ||
        !ingot_slice_equal(a, b) || ingot_store_cursor_open(snapshot, 0, &cursor) != INGOT_OK)
        return false;
    struct ingot_slice key;
    struct ingot_slice value;
    bool is_right = ingot_store_cursor_last(cursor) == INGOT_OK;
    if (is_right) {
        ingot_store_cursor_item(cursor, &key, &value);
        is_right = ingot_slice_equal(value, a);
    }
    ingot_store_cursor_close(cursor);
    char number[16] = "";
    memcpy(number, a.data, a.size < sizeof number ? a.size : sizeof number - 1);
    const long now = strtol(number, NULL, 10);
    is_right = is_right && now >= *seen;
    *seen = now;
    return is_right;
}

static void *read_pairs(void *context)
{
    struct pair_reader *reader = context;
    long seen = 0;
    while (!__atomic_load_n(&reader->stop, __ATOMIC_ACQUIRE) || reader->looks == 0) {
        struct ingot_store_snapshot *snapshot = NULL;
        if (ingot_store_snapshot_begin(reader->store, &snapshot) != INGOT_OK) {
            reader->differed = true;
            break;
        }
        reader->differed = !look(snapshot, &seen) || reader->differed;
        ingot_store_snapshot_end(snapshot);
        reader->looks++;
    }
    return NULL;
}

static void snapshots_on_another_thread_see_whole_batches_whatever_the_worker_does(void **state)
{
    (void)state;
    struct ingot_store *store = open_with_worker(1);
    assert_int_equal(put_pair(store, 0), INGOT_OK);
    struct pair_reader reader = {.store = store};
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, read_pairs, &reader), 0);
    for (uint32_t i = 1; i < 400; i++)
        assert_int_equal(put_pair(store, i), INGOT_OK);
    __atomic_store_n(&reader.stop, true, __ATOMIC_RELEASE);
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_true(reader.looks > 0);
    assert_false(reader.differed);
    struct store_journal_stats stats;
    store_journal_get_stats(store, &stats);
    assert_true(stats.applied_total > 0);
    ingot_store_close(store);
    store = journal_open();
    assert_value(store, 0, "key", "399");
    assert_value(store, 1, "399", "399");
    ingot_store_close(store);
}

static int write_pairs_for_ever(int ready)
{
    struct ingot_store *store = open_with_worker(3);
    for (uint32_t i = 1;; i++) {
        if (put_pair(store, i) != INGOT_OK)
            return 2;
        if (write(ready, &i, sizeof i) != (ssize_t)sizeof i)
            return 3;
    }
}

/* What was reported is there, and no batch is there by half. */
static void a_writer_killed_at_any_moment_leaves_whole_batches_and_all_it_reported(void **state)
{
    (void)state;
    uint32_t lowest = 0;
    for (uint32_t round = 0; round < 8; round++) {
        struct other_process other = other_start(write_pairs_for_ever);
        other_tell(&other);
        uint32_t number = 0;
        for (uint32_t i = 0; i < 3 + round * 11; i++)
            assert_int_equal(read(other.ready, &number, sizeof number), sizeof number);
        assert_int_equal(kill(other.pid, SIGKILL), 0);
        while (read(other.ready, &number, sizeof number) == (ssize_t)sizeof number)
            continue;
        assert_int_equal(other_end(&other), -SIGKILL);
        lowest = number;
        struct ingot_store *store = journal_open();
        struct ingot_store_snapshot *snapshot = begin(store);
        struct ingot_slice a;
        struct ingot_slice b;
        assert_int_equal(ingot_store_snapshot_get(snapshot, 0, text("key"), &a), INGOT_OK);
        assert_int_equal(ingot_store_snapshot_get(snapshot, 1, text("key"), &b), INGOT_OK);
        assert_true(ingot_slice_equal(a, b));
        char found[16] = "";
        memcpy(found, a.data, a.size);
        assert_in_range(strtoul(found, NULL, 10), lowest, lowest + 1);
        ingot_store_snapshot_end(snapshot);
        ingot_store_close(store);
    }
}

#define TEST(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
    log_configure(LOG_PLAIN, LOG_NONE);
    const struct CMUnitTest tests[] = {
        TEST(a_batch_is_one_write_and_one_sync),
        TEST(a_record_that_cannot_be_written_or_synced_stops_the_store_for_good),
        TEST(a_worker_that_cannot_write_stops_the_store_at_the_next_batch),
        TEST(a_journal_that_cannot_be_read_is_not_passed_over),
        TEST(a_journal_that_cannot_be_read_is_not_made_anew),
        TEST(a_full_disk_refuses_batches_and_keeps_what_was_acknowledged),
        TEST(batches_go_on_once_there_is_room_again),
        TEST(no_room_for_a_journal_is_found_before_anything_is_acknowledged),
        TEST(no_room_in_lmdb_for_the_first_batch_leaves_everything_as_it_was),
        TEST(the_worker_brings_lmdb_up_to_date_by_itself),
        TEST(snapshots_on_another_thread_see_whole_batches_whatever_the_worker_does),
        TEST(a_writer_killed_at_any_moment_leaves_whole_batches_and_all_it_reported),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
