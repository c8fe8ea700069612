/*
 * What only the store on disk has: its lock, growth, limits, failing disks, damaged files,
 * readers. The disk fails by standing in for fdatasync and fallocate, which this program defines
 * itself: the dynamic linker gives ours to liblmdb.
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
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "storage/lmdb_internal.h"
#include "storage_test.h"

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

static const char *const table_names[] = {"a", "b"};

static char folder[64];
static char why[256];

static int set_up(void **state)
{
    (void)state;
    sync_error = 0;
    reserve_error = 0;
    why[0] = '\0';
    storage_test_folder(folder, sizeof folder);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    storage_test_remove(folder);
    return 0;
}

static struct ingot_store_lmdb_options default_options(void)
{
    return (struct ingot_store_lmdb_options){
        .folder = folder, .tables = table_names, .table_count = 2};
}

static enum ingot_error try_open(const struct ingot_store_lmdb_options *options,
                                 struct ingot_store **store)
{
    return ingot_store_lmdb_open(options, store, why, sizeof why);
}

static struct ingot_store *open_with(const struct ingot_store_lmdb_options *options)
{
    struct ingot_store *store = NULL;
    if (try_open(options, &store) != INGOT_OK)
        fail_msg("%s", why);
    return store;
}

static struct ingot_store *open_default(void)
{
    struct ingot_store_lmdb_options options = default_options();
    return open_with(&options);
}

static enum ingot_error put(struct ingot_store *store, const char *key, struct ingot_slice value)
{
    struct ingot_store_batch *batch = ingot_store_batch_begin(store);
    ingot_store_batch_put(batch, 0, text(key), value);
    return ingot_store_batch_commit(batch);
}

static struct store_lmdb_stats stats_of(struct ingot_store *store)
{
    struct store_lmdb_stats stats;
    store_lmdb_get_stats(store, &stats);
    return stats;
}

/* Opening fails with this error, and the sentence names the folder and says this. */
static void assert_refused(const struct ingot_store_lmdb_options *options,
                           enum ingot_error expected, const char *sentence)
{
    struct ingot_store *store = NULL;
    assert_int_equal(try_open(options, &store), expected);
    assert_null(store);
    assert_non_null(strstr(why, folder));
    if (strstr(why, sentence) == NULL)
        fail_msg("'%s' does not say '%s'", why, sentence);
}

static void write_file(const char *name, const void *bytes, size_t size)
{
    char path[96];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *file = fopen(path, "r+b");
    if (file == NULL)
        file = fopen(path, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(bytes, 1, size, file), size);
    fclose(file);
}

/* A process of its own that runs `body` once told to by a byte; its exit status is the answer. */
struct other_process {
    pid_t pid;
    int go;    /* write a byte: run */
    int ready; /* read a byte: the body has got so far */
};

static struct other_process start_other(int (*body)(int ready))
{
    int go[2];
    int ready[2];
    assert_int_equal(pipe(go), 0);
    assert_int_equal(pipe(ready), 0);
    struct other_process other = {.pid = fork(), .go = go[1], .ready = ready[0]};
    assert_true(other.pid >= 0);
    if (other.pid == 0) {
        char byte = 0;
        close(go[1]);
        close(ready[0]);
        _exit(read(go[0], &byte, 1) == 1 ? body(ready[1]) : 99);
    }
    close(go[0]);
    close(ready[1]);
    return other;
}

static void tell(const struct other_process *other)
{
    assert_int_equal(write(other->go, "g", 1), 1);
}

static void await_ready(const struct other_process *other)
{
    char byte = 0;
    assert_int_equal(read(other->ready, &byte, 1), 1);
}

static int end_other(const struct other_process *other)
{
    int status = 0;
    assert_int_equal(waitpid(other->pid, &status, 0), other->pid);
    close(other->go);
    close(other->ready);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

/* --- One process at a time. --- */

static int open_and_report(int ready)
{
    (void)ready;
    struct ingot_store_lmdb_options options = default_options();
    struct ingot_store *store = NULL;
    enum ingot_error error = try_open(&options, &store);
    char holder[32];
    snprintf(holder, sizeof holder, "process %ld;", (long)getppid());
    if (error == INGOT_ERROR_LOCKED && strstr(why, holder) == NULL)
        return 50;
    return -(int)error;
}

static void a_second_process_is_refused_and_told_who_holds_the_folder(void **state)
{
    (void)state;
    struct other_process other = start_other(open_and_report);
    struct ingot_store *store = open_default();
    tell(&other);
    assert_int_equal(end_other(&other), -INGOT_ERROR_LOCKED);
    assert_int_equal(put(store, "key", text("value")), INGOT_OK);
    ingot_store_close(store);
}

static int open_and_hang(int ready)
{
    struct ingot_store_lmdb_options options = default_options();
    struct ingot_store *store = NULL;
    if (try_open(&options, &store) != INGOT_OK)
        return 1;
    if (put(store, "key", text("value")) != INGOT_OK || write(ready, "r", 1) != 1)
        return 2;
    for (;;)
        pause();
}

static void a_killed_process_leaves_the_folder_free_and_its_data_there(void **state)
{
    (void)state;
    struct other_process other = start_other(open_and_hang);
    tell(&other);
    await_ready(&other);
    struct ingot_store_lmdb_options options = default_options();
    assert_refused(&options, INGOT_ERROR_LOCKED, "in use by process");
    kill(other.pid, SIGKILL);
    assert_int_equal(end_other(&other), -SIGKILL);
    struct ingot_store *store = open_default();
    assert_value(store, 0, "key", "value");
    ingot_store_close(store);
}

static void opening_twice_in_one_process_is_refused_read_only_too(void **state)
{
    (void)state;
    struct ingot_store_lmdb_options options = default_options();
    struct ingot_store *store = open_with(&options);
    assert_refused(&options, INGOT_ERROR_LOCKED, "already open in this process");
    options.read_only = true;
    assert_refused(&options, INGOT_ERROR_LOCKED, "already open in this process");
    assert_int_equal(put(store, "key", text("value")), INGOT_OK);
    ingot_store_close(store);
    store = open_with(&options);
    assert_value(store, 0, "key", "value");
    ingot_store_close(store);
}

static void the_folder_and_its_files_are_for_the_owner_alone(void **state)
{
    (void)state;
    ingot_store_close(open_default());
    struct stat status;
    assert_int_equal(stat(folder, &status), 0);
    assert_int_equal(status.st_mode & 07777, 0700);
    static const char *const names[] = {"data.mdb", "lock.mdb", "LOCK"};
    for (size_t i = 0; i < 3; i++) {
        char path[96];
        snprintf(path, sizeof path, "%s/%s", folder, names[i]);
        assert_int_equal(stat(path, &status), 0);
        assert_int_equal(status.st_mode & 07777, 0600);
    }
}

static void a_missing_parent_folder_is_named(void **state)
{
    (void)state;
    char deep[96];
    snprintf(deep, sizeof deep, "%s/no/data", folder);
    struct ingot_store_lmdb_options options = default_options();
    options.folder = deep;
    assert_refused(&options, INGOT_ERROR_NOT_FOUND, "parent folder must exist");
}

/* --- Growth, limits, failing disks. --- */

static void the_file_grows_from_a_tiny_start_under_open_snapshots(void **state)
{
    (void)state;
    struct ingot_store_lmdb_options options = default_options();
    options.map_size_initial = 64 * 1024;
    struct ingot_store *store = open_with(&options);
    assert_int_equal(put(store, "early", text("value")), INGOT_OK);
    struct ingot_store_snapshot *snapshot = begin(store);
    struct ingot_slice early;
    assert_int_equal(ingot_store_snapshot_get(snapshot, 0, text("early"), &early), INGOT_OK);
    size_t size = 1024 * 1024;
    uint8_t *large = calloc(size, 1);
    for (int i = 0; i < 48; i++) {
        char key[16];
        snprintf(key, sizeof key, "%d", i);
        assert_int_equal(put(store, key, ingot_slice_of(large, size)), INGOT_OK);
    }
    assert_slice(early, "value");
    struct ingot_slice value;
    assert_int_equal(ingot_store_snapshot_get(snapshot, 0, text("7"), &value),
                     INGOT_ERROR_NOT_FOUND);
    ingot_store_snapshot_end(snapshot);
    struct store_lmdb_stats stats = stats_of(store);
    assert_true(stats.used_bytes > 48 * size);
    assert_true(stats.reserved_bytes >= stats.used_bytes);
    ingot_store_close(store);
    free(large);
}

static void a_full_map_refuses_the_batch_whole_and_goes_on(void **state)
{
    (void)state;
    struct ingot_store_lmdb_options options = default_options();
    options.map_size_max = 1024 * 1024;
    struct ingot_store *store = open_with(&options);
    assert_int_equal(put(store, "key", text("value")), INGOT_OK);
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
    assert_int_equal(put(store, "x", ingot_slice_of(large, size)), INGOT_OK);
    assert_int_equal(put(store, "y", ingot_slice_of(large, size)), INGOT_ERROR_NO_SPACE);
    assert_int_equal(put(store, "key", text("other")), INGOT_OK);
    ingot_store_close(store);
    options.map_size_max = 4 * 1024 * 1024;
    store = open_with(&options);
    assert_value(store, 0, "key", "other");
    assert_int_equal(put(store, "y", ingot_slice_of(large, size)), INGOT_OK);
    ingot_store_close(store);
    free(large);
}

static void overwriting_reuses_pages_and_the_file_stops_growing(void **state)
{
    (void)state;
    struct ingot_store *store = open_default();
    uint8_t value[64 * 1024] = {0};
    uint64_t used_bytes = 0;
    for (int i = 0; i < 400; i++) {
        value[0] = (uint8_t)i;
        assert_int_equal(put(store, "key", ingot_slice_of(value, sizeof value)), INGOT_OK);
        if (i == 50)
            used_bytes = stats_of(store).used_bytes;
    }
    assert_true(stats_of(store).used_bytes <= used_bytes + 4 * sizeof value);
    ingot_store_close(store);
}

static void a_disk_that_is_full_ahead_of_a_batch_refuses_it_cleanly(void **state)
{
    (void)state;
    struct ingot_store_lmdb_options options = default_options();
    options.map_size_initial = 64 * 1024;
    struct ingot_store *store = open_with(&options);
    reserve_error = ENOSPC;
    assert_int_equal(put(store, "key", text("value")), INGOT_ERROR_NO_SPACE);
    assert_missing(store, 0, "key");
    reserve_error = 0;
    assert_int_equal(put(store, "key", text("value")), INGOT_OK);
    assert_value(store, 0, "key", "value");
    ingot_store_close(store);
}

static void a_file_system_that_cannot_reserve_is_written_all_the_same(void **state)
{
    (void)state;
    reserve_error = EOPNOTSUPP;
    struct ingot_store *store = open_default();
    assert_int_equal(put(store, "key", text("value")), INGOT_OK);
    assert_int_equal(stats_of(store).reserved_bytes, 0);
    ingot_store_close(store);
}

static void a_failed_sync_stops_the_store_for_good(void **state)
{
    (void)state;
    static const int errors[] = {EIO, ENOSPC};
    for (size_t i = 0; i < 2; i++) {
        struct ingot_store *store = open_default();
        assert_int_equal(put(store, "before", text("value")), INGOT_OK);
        sync_error = errors[i];
        assert_int_equal(put(store, "during", text("value")), INGOT_ERROR_UNKNOWN_OUTCOME);
        sync_error = 0;
        assert_int_equal(put(store, "after", text("value")), INGOT_ERROR_UNKNOWN_OUTCOME);
        struct ingot_store_snapshot *snapshot = NULL;
        assert_int_equal(ingot_store_snapshot_begin(store, &snapshot), INGOT_ERROR_IO);
        assert_null(snapshot);
        ingot_store_close(store);
        store = open_default();
        assert_value(store, 0, "before", "value");
        assert_missing(store, 0, "after");
        assert_int_equal(put(store, "before", text("value")), INGOT_OK);
        ingot_store_close(store);
    }
}

/* The failed sync above shows that data is synced; of the meta page only the mode can be seen. */
static void no_option_that_trades_durability_for_speed_is_on(void **state)
{
    (void)state;
    struct ingot_store *store = open_default();
    unsigned flags = 0;
    assert_int_equal(mdb_env_get_flags(((struct lmdb_store *)store)->env, &flags), 0);
    assert_int_equal(flags & (MDB_NOSYNC | MDB_NOMETASYNC | MDB_MAPASYNC | MDB_WRITEMAP), 0);
    ingot_store_close(store);
}

/* In a mount namespace of its own: a disk of 24 MiB, filled. Exit status 77: not permitted. */
static int fill_a_small_disk(int ready)
{
    (void)ready;
    if (mkdir(folder, 0700) != 0 || unshare(CLONE_NEWNS) != 0 ||
        mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0 ||
        mount("ingot", folder, "tmpfs", 0, "size=24m") != 0)
        return 77;
    struct ingot_store *store = NULL;
    struct ingot_store_lmdb_options options = default_options();
    if (try_open(&options, &store) != INGOT_OK)
        return 1;
    static uint8_t value[1024 * 1024];
    enum ingot_error error = INGOT_OK;
    int stored = 0;
    for (; error == INGOT_OK && stored < 100; stored++) {
        char key[16];
        snprintf(key, sizeof key, "%d", stored);
        error = put(store, key, ingot_slice_of(value, sizeof value));
    }
    if (error != INGOT_ERROR_NO_SPACE)
        return 2;
    if (stored < 12)
        return 3;
    ingot_store_close(store);
    if (try_open(&options, &store) != INGOT_OK)
        return 4;
    ingot_store_close(store);
    return 0;
}

static void a_disk_that_really_fills_up_refuses_cleanly_and_can_be_opened_again(void **state)
{
    (void)state;
    struct other_process other = start_other(fill_a_small_disk);
    tell(&other);
    int status = end_other(&other);
    if (status == 77) {
        print_message("skipped: may not mount a small disk\n");
        skip();
    }
    assert_int_equal(status, 0);
}

/* --- Damage. --- */

static void a_file_that_is_not_a_store_is_refused_by_name(void **state)
{
    (void)state;
    struct ingot_store_lmdb_options options = default_options();
    assert_int_equal(mkdir(folder, 0700), 0);
    char garbage[8192];
    memset(garbage, 'x', sizeof garbage);
    write_file("data.mdb", garbage, sizeof garbage);
    assert_refused(&options, INGOT_ERROR_CORRUPT, "data.mdb: damaged");
    write_file("data.mdb", garbage, 100);
    assert_refused(&options, INGOT_ERROR_CORRUPT, "data.mdb: damaged");
}

static void an_empty_file_is_not_taken_for_a_new_store(void **state)
{
    (void)state;
    struct ingot_store_lmdb_options options = default_options();
    assert_int_equal(mkdir(folder, 0700), 0);
    write_file("data.mdb", "", 0);
    assert_refused(&options, INGOT_ERROR_CORRUPT, "data.mdb: empty");
}

static void a_file_that_was_cut_is_refused_rather_than_read_past_its_end(void **state)
{
    (void)state;
    struct ingot_store *store = open_default();
    uint8_t value[256 * 1024] = {0};
    assert_int_equal(put(store, "key", ingot_slice_of(value, sizeof value)), INGOT_OK);
    ingot_store_close(store);
    char path[96];
    snprintf(path, sizeof path, "%s/data.mdb", folder);
    assert_int_equal(truncate(path, 64 * 1024), 0);
    struct ingot_store_lmdb_options options = default_options();
    assert_refused(&options, INGOT_ERROR_CORRUPT, "the file was cut");
}

static void zeroed_first_pages_are_refused(void **state)
{
    (void)state;
    struct ingot_store *store = open_default();
    assert_int_equal(put(store, "key", text("value")), INGOT_OK);
    ingot_store_close(store);
    static const char zeros[8192];
    write_file("data.mdb", zeros, sizeof zeros);
    struct ingot_store_lmdb_options options = default_options();
    assert_refused(&options, INGOT_ERROR_CORRUPT, "data.mdb: damaged");
}

/* --- Readers. --- */

static void a_read_only_store_needs_one_made_earlier_with_its_tables(void **state)
{
    (void)state;
    struct ingot_store_lmdb_options options = default_options();
    options.read_only = true;
    assert_refused(&options, INGOT_ERROR_NOT_FOUND, "");
    assert_int_equal(mkdir(folder, 0700), 0);
    assert_refused(&options, INGOT_ERROR_NOT_FOUND, "data.mdb");
    options.read_only = false;
    options.table_count = 1;
    ingot_store_close(open_with(&options));
    options.read_only = true;
    options.table_count = 2;
    assert_refused(&options, INGOT_ERROR_CORRUPT, "a table is missing");
}

static int read_beside_the_writer(int ready)
{
    struct ingot_store_lmdb_options options = default_options();
    options.read_only = true;
    struct ingot_store *store = NULL;
    struct ingot_store_snapshot *snapshot = NULL;
    struct ingot_slice value;
    if (try_open(&options, &store) != INGOT_OK ||
        ingot_store_snapshot_begin(store, &snapshot) != INGOT_OK ||
        ingot_store_snapshot_get(snapshot, 0, text("key"), &value) != INGOT_OK)
        return 1;
    if (write(ready, "r", 1) != 1)
        return 2;
    for (;;)
        pause();
}

static void a_dead_readers_slot_is_cleared_while_running(void **state)
{
    (void)state;
    struct other_process other = start_other(read_beside_the_writer);
    struct ingot_store *store = open_default();
    assert_int_equal(put(store, "key", text("value")), INGOT_OK);
    tell(&other);
    await_ready(&other);
    kill(other.pid, SIGKILL);
    assert_int_equal(end_other(&other), -SIGKILL);
    assert_int_equal(stats_of(store).stale_readers_cleared, 0);
    for (int i = 0; i < 256; i++)
        assert_int_equal(put(store, "key", text("value")), INGOT_OK);
    assert_int_equal(stats_of(store).stale_readers_cleared, 1);
    ingot_store_close(store);
}

static void snapshots_that_stay_open_for_long_are_counted_once_each(void **state)
{
    (void)state;
    struct ingot_store_lmdb_options options = default_options();
    options.reader_age_max_ms = 1;
    struct ingot_store *store = open_with(&options);
    struct ingot_store_snapshot *first = begin(store);
    struct ingot_store_snapshot *second = begin(store);
    uint64_t start_us = clock_monotonic_us();
    while (clock_monotonic_us() - start_us < 3000)
        sched_yield();
    for (int i = 0; i < 512; i++)
        assert_int_equal(put(store, "key", text("value")), INGOT_OK);
    struct store_lmdb_stats stats = stats_of(store);
    assert_int_equal(stats.snapshots_open, 2);
    assert_int_equal(stats.snapshots_old, 2);
    assert_int_equal(stats.snapshots_old_total, 2);
    assert_true(stats.snapshot_age_max_ms >= 2);
    ingot_store_snapshot_end(first);
    ingot_store_snapshot_end(second);
    assert_int_equal(stats_of(store).snapshots_open, 0);
    ingot_store_close(store);
}

static void too_many_snapshots_are_refused_until_one_ends(void **state)
{
    (void)state;
    struct ingot_store *store = open_default();
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
    struct ingot_store *store = open_default();
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
    struct ingot_store_lmdb_options options = default_options();
    struct ingot_store *store = NULL;
    if (try_open(&options, &store) != INGOT_OK)
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
        struct other_process other = start_other(write_pairs_for_ever);
        tell(&other);
        for (int i = 0; i < 3 + round * 7; i++)
            await_ready(&other);
        kill(other.pid, SIGKILL);
        uint32_t reported = 3 + (uint32_t)round * 7;
        char byte = 0;
        while (read(other.ready, &byte, 1) == 1)
            reported++;
        assert_int_equal(end_other(&other), -SIGKILL);
        struct ingot_store *store = open_default();
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

#define TEST(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
    log_configure(LOG_PLAIN, LOG_NONE);
    const struct CMUnitTest tests[] = {
        TEST(a_second_process_is_refused_and_told_who_holds_the_folder),
        TEST(a_killed_process_leaves_the_folder_free_and_its_data_there),
        TEST(opening_twice_in_one_process_is_refused_read_only_too),
        TEST(the_folder_and_its_files_are_for_the_owner_alone),
        TEST(a_missing_parent_folder_is_named),
        TEST(the_file_grows_from_a_tiny_start_under_open_snapshots),
        TEST(a_full_map_refuses_the_batch_whole_and_goes_on),
        TEST(overwriting_reuses_pages_and_the_file_stops_growing),
        TEST(a_disk_that_is_full_ahead_of_a_batch_refuses_it_cleanly),
        TEST(a_file_system_that_cannot_reserve_is_written_all_the_same),
        TEST(a_failed_sync_stops_the_store_for_good),
        TEST(no_option_that_trades_durability_for_speed_is_on),
        TEST(a_disk_that_really_fills_up_refuses_cleanly_and_can_be_opened_again),
        TEST(a_file_that_is_not_a_store_is_refused_by_name),
        TEST(an_empty_file_is_not_taken_for_a_new_store),
        TEST(a_file_that_was_cut_is_refused_rather_than_read_past_its_end),
        TEST(zeroed_first_pages_are_refused),
        TEST(a_read_only_store_needs_one_made_earlier_with_its_tables),
        TEST(a_dead_readers_slot_is_cleared_while_running),
        TEST(snapshots_that_stay_open_for_long_are_counted_once_each),
        TEST(too_many_snapshots_are_refused_until_one_ends),
        TEST(snapshots_on_another_thread_see_whole_batches),
        TEST(a_writer_killed_at_any_moment_leaves_whole_batches_and_all_it_reported),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
