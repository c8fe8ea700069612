/*
 * The journal before LMDB, when there are many operations: a generation has no more than a certain
 * number of them, however few bytes they are, and what a process has left is brought to LMDB in
 * parts of that number, between which a start may die too.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <sys/syscall.h>
#include <unistd.h>

#include "base/log.h"
#include "lib/journal_harness.h"
#include "lib/storage_test.h"
#include "storage/journal_internal.h"

/* Room for the bytes of far more operations than a generation has. */
#define SEGMENT_BYTES (2 << 20)
#define BATCH_OPERATIONS 1000
#define BATCHES (JOURNAL_OPERATIONS_MAX / BATCH_OPERATIONS) /* fill a generation */
#define DIED 7

_Static_assert(JOURNAL_OPERATIONS_MAX % BATCH_OPERATIONS == 0, "batches fill a generation");

/* The sync that the process does not live to make, of those that are still to come; 0: none. */
static uint32_t deadly_sync;

INGOT_API int fdatasync(int fd)
{
    if (deadly_sync > 0 && --deadly_sync == 0)
        _exit(DIED);
    return (int)syscall(SYS_fdatasync, fd);
}

static int tear_down(void **state)
{
    journal_forget_killed();
    return lmdb_tear_down(state);
}

static struct ingot_store_journal_options options_of_large(void)
{
    struct ingot_store_journal_options options = journal_options();
    options.segment_bytes = SEGMENT_BYTES;
    return options;
}

/* LMDB has the first batch at once; what comes next is in the journal. */
static struct ingot_store *open_large(void)
{
    const struct ingot_store_journal_options options = options_of_large();
    struct ingot_store *store = NULL;
    if (store_journal_open_without_worker(&options, &store, lmdb_why, sizeof lmdb_why) != INGOT_OK)
        fail_msg("%s", lmdb_why);
    assert_int_equal(lmdb_put(store, "first", text("of all")), INGOT_OK);
    return store;
}

/* One key that all batches have, with the batch's number, and keys of its own. */
static void put_batch(struct ingot_store *store, uint32_t number, uint32_t operations)
{
    char key[32];
    char value[16];
    struct ingot_store_batch *batch = ingot_store_batch_begin(store);
    snprintf(value, sizeof value, "%u", number);
    ingot_store_batch_put(batch, 0, text("latest"), text(value));
    for (uint32_t i = 1; i < operations; i++) {
        snprintf(key, sizeof key, "%05u of %u", i, number);
        ingot_store_batch_put(batch, 0, text(key), text(value));
    }
    assert_int_equal(ingot_store_batch_commit(batch), INGOT_OK);
}

static void put_batches(struct ingot_store *store, uint32_t from, uint32_t to)
{
    for (uint32_t i = from; i < to; i++)
        put_batch(store, i, BATCH_OPERATIONS);
}

static uint32_t count_keys(struct ingot_store *store)
{
    struct ingot_store_snapshot *snapshot = begin(store);
    struct ingot_store_cursor *cursor = NULL;
    uint32_t count = 0;
    assert_int_equal(ingot_store_cursor_open(snapshot, 0, &cursor), INGOT_OK);
    for (enum ingot_error error = ingot_store_cursor_seek(cursor, text("")); error == INGOT_OK;
         error = ingot_store_cursor_next(cursor))
        count++;
    ingot_store_cursor_close(cursor);
    ingot_store_snapshot_end(snapshot);
    return count;
}

static struct store_journal_stats stats_of(struct ingot_store *store)
{
    struct store_journal_stats stats;
    store_journal_get_stats(store, &stats);
    return stats;
}

static void a_generation_of_its_number_of_operations_is_set_aside(void **state)
{
    (void)state;
    struct ingot_store *store = open_large();
    put_batches(store, 0, BATCHES);
    put_batch(store, BATCHES, 1);
    assert_missing(store_journal_lmdb(store), 0, "latest");
    /* Half of the worker's part, and the other half was done. */
    assert_true(store_journal_step(store));
    assert_value(store_journal_lmdb(store), 0, "latest", "14");
    assert_value(store, 0, "latest", "15");
    assert_int_equal(stats_of(store).waits_total, 0);
    ingot_store_close(store);
}

static void a_commit_waits_when_both_generations_have_their_number(void **state)
{
    (void)state;
    struct ingot_store *store = open_large();
    put_batches(store, 0, 2 * BATCHES - 1);
    put_batch(store, 2 * BATCHES - 1, BATCH_OPERATIONS - 1);
    assert_int_equal(stats_of(store).waits_total, 0);
    assert_int_equal(stats_of(store).applied_total, 0);
    /* One operation more has room, and two have not. */
    put_batch(store, 2 * BATCHES, 2);
    assert_int_equal(stats_of(store).waits_total, 1);
    assert_int_equal(stats_of(store).applied_total, 1);
    assert_value(store_journal_lmdb(store), 0, "latest", "14");
    put_batches(store, 2 * BATCHES + 1, 3 * BATCHES);
    assert_int_equal(stats_of(store).applied_total, 1);
    assert_value(store, 0, "latest", "44");
    ingot_store_close(store);
}

static void a_batch_of_more_operations_is_a_generation_by_itself(void **state)
{
    (void)state;
    struct ingot_store *store = open_large();
    put_batch(store, 0, 1);
    put_batch(store, 1, JOURNAL_OPERATIONS_MAX + 1);
    assert_int_equal(stats_of(store).records_total, 2);
    assert_true(store_journal_step(store));
    assert_value(store_journal_lmdb(store), 0, "latest", "0");
    put_batch(store, 2, 1);
    struct ingot_store *reborn = journal_open_at(journal_kill());
    assert_value(reborn, 0, "latest", "2");
    assert_int_equal(count_keys(reborn), JOURNAL_OPERATIONS_MAX + 2);
    ingot_store_close(reborn);
    assert_true(store_journal_step(store));
    assert_value(store_journal_lmdb(store), 0, "latest", "1");
    assert_value(store, 0, "latest", "2");
    ingot_store_close(store);
}

static void the_worker_begins_at_the_number_of_operations_before_their_time(void **state)
{
    (void)state;
    struct ingot_store_journal_options options = options_of_large();
    struct ingot_store *store = NULL;
    options.apply_after_ms = 24 * 3600 * 1000;
    assert_int_equal(ingot_store_journal_open(&options, &store, lmdb_why, sizeof lmdb_why),
                     INGOT_OK);
    assert_int_equal(lmdb_put(store, "first", text("of all")), INGOT_OK);
    put_batches(store, 0, BATCHES);
    for (int i = 0; i < 30000 && stats_of(store).applied_total == 0; i++)
        usleep(1000);
    assert_int_equal(stats_of(store).applied_total, 1);
    assert_value(store_journal_lmdb(store), 0, "latest", "14");
    ingot_store_close(store);
}

/* --- A start that brings LMDB what another process has left, and may die itself. --- */

static const char *left;
static uint32_t dies_at;

static int start_and_die(int ready)
{
    (void)ready;
    struct ingot_store_journal_options options = journal_options();
    struct ingot_store *store = NULL;
    options.lmdb.folder = left;
    deadly_sync = dies_at;
    if (store_journal_open_without_worker(&options, &store, lmdb_why, sizeof lmdb_why) != INGOT_OK)
        return 1;
    ingot_store_close(store);
    return 0;
}

/* What data.mdb has by itself; NULL: nothing of the journal. */
static void assert_left_in_lmdb(const char *latest)
{
    struct ingot_store_lmdb_options options = lmdb_options();
    options.folder = left;
    options.read_only = true;
    struct ingot_store *store = lmdb_open_with(&options);
    if (latest == NULL)
        assert_missing(store, 0, "latest");
    else
        assert_value(store, 0, "latest", latest);
    ingot_store_close(store);
}

static void a_start_goes_on_with_the_part_at_which_another_died(void **state)
{
    (void)state;
    static const char *const latest[] = {NULL, "14", "29"};
    struct ingot_store *store = open_large();
    put_batches(store, 0, 2 * BATCHES);
    for (uint32_t i = 0; i < 3; i++) {
        left = journal_kill();
        /* The first sync is one of opening, then there is one for each part. */
        dies_at = i + 2;
        struct other_process other = other_start(start_and_die);
        other_tell(&other);
        assert_int_equal(other_end(&other), i < 2 ? DIED : 0);
        assert_left_in_lmdb(latest[i]);
        struct ingot_store *reborn = journal_open_at(left);
        assert_value(reborn, 0, "latest", "29");
        assert_int_equal(count_keys(reborn), 2 * BATCHES * (BATCH_OPERATIONS - 1) + 2);
        ingot_store_close(reborn);
    }
    ingot_store_close(store);
}

#define TEST(test) cmocka_unit_test_setup_teardown(test, lmdb_set_up, tear_down)

int main(void)
{
    log_configure(LOG_PLAIN, LOG_NONE);
    const struct CMUnitTest tests[] = {
        TEST(a_generation_of_its_number_of_operations_is_set_aside),
        TEST(a_commit_waits_when_both_generations_have_their_number),
        TEST(a_batch_of_more_operations_is_a_generation_by_itself),
        TEST(the_worker_begins_at_the_number_of_operations_before_their_time),
        TEST(a_start_goes_on_with_the_part_at_which_another_died),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
