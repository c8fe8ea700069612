/*
 * The journal before LMDB: what a process that is killed leaves, what a start makes of files that
 * are damaged, missing or another store's, and how a store comes to a journal and a copy does not.
 * The worker's part is done by the test, step by step.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"
#include "lib/journal_harness.h"
#include "lib/storage_test.h"

#define PAGE 4096

static const uint8_t nothing[PAGE];

static int tear_down(void **state)
{
    journal_forget_killed();
    return lmdb_tear_down(state);
}

static void put(struct ingot_store *store, const char *key, const char *value)
{
    assert_int_equal(lmdb_put(store, key, text(value)), INGOT_OK);
}

/* LMDB has the first batch at once; what comes next is in the journal. */
static struct ingot_store *open_with_a_journal(void)
{
    struct ingot_store *store = journal_open();
    put(store, "first", "of all");
    return store;
}

static void take_away(struct ingot_store *store, const char *key)
{
    struct ingot_store_batch *batch = ingot_store_batch_begin(store);
    ingot_store_batch_delete(batch, 0, text(key));
    assert_int_equal(ingot_store_batch_commit(batch), INGOT_OK);
}

/* What LMDB has by itself. */
static void assert_not_in_lmdb(struct ingot_store *store, const char *key)
{
    assert_missing(store_journal_lmdb(store), 0, key);
}

static void apply_all(struct ingot_store *store)
{
    while (store_journal_step(store))
        continue;
}

static void what_was_acknowledged_survives_the_process_and_is_then_in_lmdb(void **state)
{
    (void)state;
    struct ingot_store *store = open_with_a_journal();
    put(store, "second", "in the journal");
    put(store, "gone", "soon");
    put(store, "key", "old");
    put(store, "key", "new");
    take_away(store, "gone");
    assert_not_in_lmdb(store, "key");
    struct ingot_store *reborn = journal_open_at(journal_kill());
    assert_value(reborn, 0, "first", "of all");
    assert_value(reborn, 0, "second", "in the journal");
    assert_value(reborn, 0, "key", "new");
    assert_missing(reborn, 0, "gone");
    assert_value(store_journal_lmdb(reborn), 0, "key", "new");
    ingot_store_close(reborn);
    ingot_store_close(store);
}

static void a_clean_end_leaves_everything_in_lmdb(void **state)
{
    (void)state;
    struct ingot_store *store = open_with_a_journal();
    put(store, "set aside", "1");
    assert_true(store_journal_step(store));
    put(store, "fresh", "2");
    ingot_store_close(store);
    struct ingot_store_lmdb_options options = lmdb_options();
    options.read_only = true;
    store = lmdb_open_with(&options);
    assert_value(store, 0, "set aside", "1");
    assert_value(store, 0, "fresh", "2");
    ingot_store_close(store);
}

/* In all four moments of a batch's way: fresh, set aside, set aside under a fresh one, in LMDB. */
static void reads_see_a_batch_wherever_it_is_on_its_way(void **state)
{
    (void)state;
    struct ingot_store *store = journal_open();
    put(store, "below", "in LMDB");
    apply_all(store);
    put(store, "key", "1");
    take_away(store, "below");
    assert_value(store, 0, "key", "1");
    assert_missing(store, 0, "below");
    assert_true(store_journal_step(store));
    assert_not_in_lmdb(store, "key");
    assert_value(store, 0, "key", "1");
    assert_missing(store, 0, "below");
    struct ingot_store_snapshot *early = begin(store);
    put(store, "key", "2");
    put(store, "below", "again");
    assert_value(store, 0, "key", "2");
    assert_true(store_journal_step(store));
    assert_value(store_journal_lmdb(store), 0, "key", "1");
    assert_value(store, 0, "key", "2");
    assert_value(store, 0, "below", "again");
    struct ingot_slice value;
    assert_int_equal(ingot_store_snapshot_get(early, 0, text("key"), &value), INGOT_OK);
    assert_slice(value, "1");
    assert_int_equal(ingot_store_snapshot_get(early, 0, text("below"), &value),
                     INGOT_ERROR_NOT_FOUND);
    ingot_store_snapshot_end(early);
    apply_all(store);
    assert_value(store_journal_lmdb(store), 0, "key", "2");
    assert_value(store, 0, "below", "again");
    ingot_store_close(store);
}

static void a_cursor_passes_over_what_is_gone_whichever_way_it_turns(void **state)
{
    (void)state;
    struct ingot_store *store = journal_open();
    put(store, "a", "lmdb");
    put(store, "b", "lmdb");
    put(store, "d", "lmdb");
    apply_all(store);
    take_away(store, "b");
    put(store, "c", "applying");
    put(store, "d", "applying");
    assert_true(store_journal_step(store));
    take_away(store, "c");
    put(store, "b", "fresh");
    take_away(store, "e");
    struct ingot_store_snapshot *snapshot = begin(store);
    struct ingot_store_cursor *cursor = NULL;
    assert_int_equal(ingot_store_cursor_open(snapshot, 0, &cursor), INGOT_OK);
    assert_int_equal(ingot_store_cursor_seek(cursor, text("b")), INGOT_OK);
    assert_item(cursor, "b", "fresh");
    assert_int_equal(ingot_store_cursor_next(cursor), INGOT_OK);
    assert_item(cursor, "d", "applying");
    assert_int_equal(ingot_store_cursor_previous(cursor), INGOT_OK);
    assert_item(cursor, "b", "fresh");
    assert_int_equal(ingot_store_cursor_previous(cursor), INGOT_OK);
    assert_item(cursor, "a", "lmdb");
    assert_int_equal(ingot_store_cursor_next(cursor), INGOT_OK);
    assert_item(cursor, "b", "fresh");
    assert_int_equal(ingot_store_cursor_last(cursor), INGOT_OK);
    assert_item(cursor, "d", "applying");
    assert_int_equal(ingot_store_cursor_next(cursor), INGOT_ERROR_NOT_FOUND);
    assert_int_equal(ingot_store_cursor_previous(cursor), INGOT_ERROR_NOT_FOUND);
    ingot_store_cursor_close(cursor);
    ingot_store_snapshot_end(snapshot);
    ingot_store_close(store);
}

/* Both segments are in use, and the older one is not in LMDB yet. */
static void a_segment_is_not_written_over_before_lmdb_has_it(void **state)
{
    (void)state;
    struct ingot_store *store = open_with_a_journal();
    put(store, "older", "set aside");
    assert_true(store_journal_step(store));
    put(store, "newer", "fresh");
    struct ingot_store *reborn = journal_open_at(journal_kill());
    assert_value(reborn, 0, "older", "set aside");
    assert_value(reborn, 0, "newer", "fresh");
    ingot_store_close(reborn);
    ingot_store_close(store);
}

static void batches_go_on_when_both_segments_are_full(void **state)
{
    (void)state;
    struct ingot_store *store = open_with_a_journal();
    static uint8_t value[JOURNAL_TEST_SEGMENT_BYTES / 4];
    for (int i = 0; i < 40; i++) {
        char key[16];
        snprintf(key, sizeof key, "%d", i);
        assert_int_equal(lmdb_put(store, key, ingot_slice_of(value, sizeof value)), INGOT_OK);
    }
    struct store_journal_stats stats;
    store_journal_get_stats(store, &stats);
    assert_int_equal(stats.records_total, 40);
    assert_true(stats.waits_total > 0);
    assert_true(stats.waiting_bytes <= 2 * JOURNAL_TEST_SEGMENT_BYTES);
    struct ingot_store *reborn = journal_open_at(journal_kill());
    struct ingot_slice found;
    struct ingot_store_snapshot *snapshot = begin(reborn);
    assert_int_equal(ingot_store_snapshot_get(snapshot, 0, text("0"), &found), INGOT_OK);
    assert_int_equal(ingot_store_snapshot_get(snapshot, 0, text("39"), &found), INGOT_OK);
    ingot_store_snapshot_end(snapshot);
    ingot_store_close(reborn);
    ingot_store_close(store);
}

static void a_batch_that_fits_into_no_segment_goes_past_the_journal(void **state)
{
    (void)state;
    struct ingot_store *store = open_with_a_journal();
    static uint8_t value[JOURNAL_TEST_SEGMENT_BYTES];
    put(store, "before", "1");
    assert_true(store_journal_step(store));
    put(store, "between", "2");
    assert_int_equal(lmdb_put(store, "large", ingot_slice_of(value, sizeof value)), INGOT_OK);
    assert_value(store_journal_lmdb(store), 0, "before", "1");
    assert_value(store_journal_lmdb(store), 0, "between", "2");
    put(store, "after", "3");
    struct ingot_store *reborn = journal_open_at(journal_kill());
    assert_value(reborn, 0, "after", "3");
    struct ingot_slice found;
    struct ingot_store_snapshot *snapshot = begin(reborn);
    assert_int_equal(ingot_store_snapshot_get(snapshot, 0, text("large"), &found), INGOT_OK);
    assert_int_equal(found.size, sizeof value);
    ingot_store_snapshot_end(snapshot);
    ingot_store_close(reborn);
    ingot_store_close(store);
}

/* It is in LMDB once, after all that came before it and before all that follows. */
static void a_bulk_batch_goes_past_the_journal_in_its_turn(void **state)
{
    (void)state;
    struct ingot_store *store = open_with_a_journal();
    struct store_journal_stats before;
    struct store_journal_stats after;
    put(store, "key", "set aside");
    assert_true(store_journal_step(store));
    put(store, "key", "fresh");
    put(store, "waiting", "too");
    store_journal_get_stats(store, &before);
    struct ingot_store_batch *batch = ingot_store_batch_begin(store);
    ingot_store_batch_put(batch, 0, text("key"), text("bulk"));
    ingot_store_batch_set_bulk(batch);
    assert_int_equal(ingot_store_batch_commit(batch), INGOT_OK);
    store_journal_get_stats(store, &after);
    assert_int_equal(after.record_bytes_total, before.record_bytes_total);
    assert_int_equal(after.direct_total, before.direct_total + 1);
    assert_value(store, 0, "key", "bulk");
    assert_value(store_journal_lmdb(store), 0, "key", "bulk");
    put(store, "other", "after it");
    struct ingot_store *reborn = journal_open_at(journal_kill());
    assert_value(reborn, 0, "key", "bulk");
    assert_value(reborn, 0, "waiting", "too");
    assert_value(reborn, 0, "other", "after it");
    ingot_store_close(reborn);
    ingot_store_close(store);
}

/*
 * A program that knows nothing of journals looks at data.mdb alone. What the first batch has for it
 * to find (a higher schema) must be there however soon the process dies.
 */
static void the_first_batch_is_in_lmdb_together_with_its_knowledge_of_the_journal(void **state)
{
    (void)state;
    struct ingot_store *store = open_with_a_journal();
    assert_value(store_journal_lmdb(store), 0, "first", "of all");
    put(store, "second", "in the journal alone");
    assert_not_in_lmdb(store, "second");
    struct ingot_store_lmdb_options options = lmdb_options();
    options.folder = journal_kill();
    struct ingot_store *without = NULL;
    assert_int_equal(ingot_store_lmdb_open(&options, &without, lmdb_why, sizeof lmdb_why),
                     INGOT_ERROR_INVALID);
    struct ingot_store *reborn = journal_open_at(options.folder);
    assert_value(reborn, 0, "first", "of all");
    assert_value(reborn, 0, "second", "in the journal alone");
    ingot_store_close(reborn);
    ingot_store_close(store);
}

/* --- Damage. --- */

/*
 * Three records of three pages each, from the beginning of the first segment, with the numbers 2 to
 * 4; then it is killed.
 */
static void leave_three_records(void)
{
    static uint8_t value[2 * PAGE];
    struct ingot_store *store = open_with_a_journal();
    memset(value, 'v', sizeof value);
    assert_int_equal(lmdb_put(store, "1", ingot_slice_of(value, sizeof value)), INGOT_OK);
    assert_int_equal(lmdb_put(store, "2", ingot_slice_of(value, sizeof value)), INGOT_OK);
    assert_int_equal(lmdb_put(store, "3", ingot_slice_of(value, sizeof value)), INGOT_OK);
    const char *killed = journal_kill();
    ingot_store_close(store);
    /* The files as they were left take the place of those that a clean end has changed. */
    char from[96];
    char to[96];
    static const char *const names[] = {"data.mdb", "journal"};
    for (size_t i = 0; i < 2; i++) {
        snprintf(from, sizeof from, "%s/%s", killed, names[i]);
        snprintf(to, sizeof to, "%s/%s", lmdb_folder, names[i]);
        assert_int_equal(rename(from, to), 0);
    }
}

static long place_of(int record, int page)
{
    return (1 + (long)record * 3 + page) * PAGE;
}

static void a_record_that_was_cut_short_is_as_if_it_had_not_begun(void **state)
{
    (void)state;
    for (int page = 0; page < 3; page++) {
        leave_three_records();
        journal_overwrite(journal_path(), place_of(2, page), nothing, PAGE);
        struct ingot_store *store = journal_open();
        assert_missing(store, 0, "3");
        put(store, "3", "again");
        ingot_store_close(store);
        store = journal_open();
        assert_value(store, 0, "3", "again");
        ingot_store_close(store);
        storage_test_remove_files(lmdb_folder);
    }
}

static void a_damaged_record_before_a_sound_one_is_refused_with_its_number(void **state)
{
    (void)state;
    for (int page = 0; page < 3; page++) {
        leave_three_records();
        journal_overwrite(journal_path(), place_of(1, page) + 8, nothing, 100);
        journal_assert_refused(INGOT_ERROR_CORRUPT, "journal: damaged: record 3 is missing");
        journal_assert_refused(INGOT_ERROR_CORRUPT, "a later one, 4, is there at byte 28672");
        storage_test_remove_files(lmdb_folder);
    }
}

static void a_journal_that_is_missing_cut_or_changed_in_front_is_refused(void **state)
{
    (void)state;
    leave_three_records();
    const long size = PAGE + 2 * (long)JOURNAL_TEST_SEGMENT_BYTES;
    journal_cut(journal_path(), size - 1);
    journal_assert_refused(INGOT_ERROR_CORRUPT, "expected 135168");
    journal_cut(journal_path(), 0);
    journal_assert_refused(INGOT_ERROR_CORRUPT, "0 bytes long");
    assert_int_equal(unlink(journal_path()), 0);
    journal_assert_refused(INGOT_ERROR_CORRUPT, "it is missing");
    storage_test_remove_files(lmdb_folder);
    leave_three_records();
    journal_overwrite(journal_path(), 30, "x", 1);
    journal_assert_refused(INGOT_ERROR_CORRUPT, "its first page is damaged");
}

static void what_lmdb_knows_of_the_journal_is_checked(void **state)
{
    (void)state;
    leave_three_records();
    static const char *const tables[] = {"a", "b", STORE_LMDB_JOURNAL_TABLE};
    struct ingot_store_lmdb_options options = lmdb_options();
    options.tables = tables;
    options.table_count = 3;
    struct ingot_store *store = lmdb_open_with(&options);
    struct ingot_store_snapshot *snapshot = begin(store);
    struct ingot_slice value;
    assert_int_equal(ingot_store_snapshot_get(snapshot, 2, text("state"), &value), INGOT_OK);
    /* The number of the last record that LMDB has, damaged upwards. */
    struct ingot_buffer damaged = {0};
    ingot_buffer_append_slice(&damaged, value);
    ingot_store_snapshot_end(snapshot);
    damaged.data[4 + 8 + 32] ^= 7;
    struct ingot_store_batch *batch = ingot_store_batch_begin(store);
    ingot_store_batch_put(batch, 2, text("state"), ingot_buffer_slice(&damaged));
    assert_int_equal(ingot_store_batch_commit(batch), INGOT_OK);
    ingot_buffer_deinit(&damaged);
    ingot_store_close(store);
    journal_assert_refused(INGOT_ERROR_CORRUPT, "what data.mdb beside it knows of it is damaged");
}

/* --- How a store comes to a journal, and how it does not. --- */

static void a_store_without_a_journal_gets_one_and_is_not_written_without_it_again(void **state)
{
    (void)state;
    struct ingot_store *store = lmdb_open();
    assert_int_equal(lmdb_put(store, "old", text("value")), INGOT_OK);
    ingot_store_close(store);
    /* Who only looks at it changes nothing. */
    store = journal_open();
    ingot_store_close(store);
    store = lmdb_open();
    ingot_store_close(store);
    assert_int_not_equal(access(journal_path(), F_OK), 0);
    store = journal_open();
    assert_value(store, 0, "old", "value");
    put(store, "new", "value");
    assert_value(store, 0, "new", "value");
    ingot_store_close(store);
    struct ingot_store_lmdb_options options = lmdb_options();
    lmdb_assert_refused(&options, INGOT_ERROR_INVALID, "it has a journal beside it");
    options.read_only = true;
    store = lmdb_open_with(&options);
    assert_value(store, 0, "new", "value");
    ingot_store_close(store);
}

static void a_first_start_that_died_is_made_again(void **state)
{
    (void)state;
    /* It had named its file and not told LMDB of it, */
    struct ingot_store *store = journal_open();
    put(store, "key", "value");
    ingot_store_close(store);
    char data[96];
    snprintf(data, sizeof data, "%s/data.mdb", lmdb_folder);
    assert_int_equal(unlink(data), 0);
    journal_overwrite(journal_path(), PAGE, nothing, PAGE);
    store = journal_open();
    put(store, "key", "value");
    ingot_store_close(store);
    /* or not even named it. */
    storage_test_remove_files(lmdb_folder);
    char made[96];
    snprintf(made, sizeof made, "%s/journal.new", lmdb_folder);
    FILE *file = fopen(made, "wb");
    assert_non_null(file);
    assert_int_equal(fclose(file), 0);
    store = journal_open();
    put(store, "key", "value");
    assert_int_not_equal(access(made, F_OK), 0);
    ingot_store_close(store);
}

static void a_journal_with_records_is_not_made_anew_because_lmdb_knows_of_none(void **state)
{
    (void)state;
    leave_three_records();
    char data[96];
    snprintf(data, sizeof data, "%s/data.mdb", lmdb_folder);
    assert_int_equal(unlink(data), 0);
    journal_assert_refused(INGOT_ERROR_CORRUPT, "beside another data.mdb");
}

/* data.mdb has moved on with its own journal, and another one is put beside it. */
static void the_journal_of_another_store_is_refused(void **state)
{
    (void)state;
    leave_three_records();
    struct stat status;
    char other[96];
    snprintf(other, sizeof other, "%s.other", lmdb_folder);
    assert_int_equal(rename(journal_path(), other), 0);
    storage_test_remove_files(lmdb_folder);
    leave_three_records();
    assert_int_equal(rename(other, journal_path()), 0);
    assert_int_equal(stat(journal_path(), &status), 0);
    journal_assert_refused(INGOT_ERROR_CORRUPT, "made for another data.mdb");
}

/* Older data under a newer journal: the records in between are missing. */
static void data_that_was_put_back_under_its_journal_is_refused(void **state)
{
    (void)state;
    struct ingot_store *store = open_with_a_journal();
    char old[96];
    char data[96];
    snprintf(old, sizeof old, "%s/data.mdb", journal_kill());
    snprintf(data, sizeof data, "%s/data.mdb", lmdb_folder);
    /* Both segments are used anew, so the first record is gone. */
    for (int i = 0; i < 3; i++) {
        apply_all(store);
        put(store, "key", "value");
    }
    assert_true(store_journal_step(store));
    ingot_store_close(store);
    assert_int_equal(rename(old, data), 0);
    journal_assert_refused(INGOT_ERROR_CORRUPT, "record 2 is missing");
}

static void a_copy_is_what_lmdb_has_and_knows_of_no_journal(void **state)
{
    (void)state;
    char folder[96];
    struct ingot_store *store = journal_open();
    put(store, "early", "value");
    apply_all(store);
    put(store, "late", "value");
    snprintf(folder, sizeof folder, "%s.copy", lmdb_folder);
    assert_int_equal(mkdir(folder, 0700), 0);
    assert_int_equal(
        ingot_store_lmdb_copy(store_journal_lmdb(store), folder, lmdb_why, sizeof lmdb_why),
        INGOT_OK);
    ingot_store_close(store);
    struct ingot_store_lmdb_options options = lmdb_options();
    options.folder = folder;
    store = lmdb_open_with(&options);
    assert_value(store, 0, "early", "value");
    assert_missing(store, 0, "late");
    ingot_store_close(store);
    store = journal_open_at(folder);
    assert_value(store, 0, "early", "value");
    ingot_store_close(store);
    storage_test_remove_files(folder);
    (void)rmdir(folder);
}

#define TEST(test) cmocka_unit_test_setup_teardown(test, lmdb_set_up, tear_down)

int main(void)
{
    log_configure(LOG_PLAIN, LOG_NONE);
    const struct CMUnitTest tests[] = {
        TEST(what_was_acknowledged_survives_the_process_and_is_then_in_lmdb),
        TEST(a_clean_end_leaves_everything_in_lmdb),
        TEST(reads_see_a_batch_wherever_it_is_on_its_way),
        TEST(a_cursor_passes_over_what_is_gone_whichever_way_it_turns),
        TEST(a_segment_is_not_written_over_before_lmdb_has_it),
        TEST(batches_go_on_when_both_segments_are_full),
        TEST(a_batch_that_fits_into_no_segment_goes_past_the_journal),
        TEST(a_bulk_batch_goes_past_the_journal_in_its_turn),
        TEST(the_first_batch_is_in_lmdb_together_with_its_knowledge_of_the_journal),
        TEST(a_record_that_was_cut_short_is_as_if_it_had_not_begun),
        TEST(a_damaged_record_before_a_sound_one_is_refused_with_its_number),
        TEST(a_journal_that_is_missing_cut_or_changed_in_front_is_refused),
        TEST(what_lmdb_knows_of_the_journal_is_checked),
        TEST(a_store_without_a_journal_gets_one_and_is_not_written_without_it_again),
        TEST(a_first_start_that_died_is_made_again),
        TEST(a_journal_with_records_is_not_made_anew_because_lmdb_knows_of_none),
        TEST(the_journal_of_another_store_is_refused),
        TEST(data_that_was_put_back_under_its_journal_is_refused),
        TEST(a_copy_is_what_lmdb_has_and_knows_of_no_journal),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
