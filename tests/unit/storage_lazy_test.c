/*
 * Lazy tables: what is put there is visible with its batch, and durable when the store says that
 * the batch has settled. A crash takes back all lazy tables to one moment, and no other table.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <unistd.h>

#include "base/log.h"
#include "lib/journal_harness.h"
#include "lib/prng.h"
#include "lib/storage_test.h"
#include "storage/memory.h"

#define FIRM 0
#define LAZY 1
#define LAZY_TABLES (UINT32_C(1) << LAZY)

static int tear_down(void **state)
{
    journal_forget_killed();
    return lmdb_tear_down(state);
}

static enum ingot_error try_open_at(const char *folder, struct ingot_store **store)
{
    struct ingot_store_journal_options options = journal_options();
    options.lmdb.folder = folder;
    options.lazy_tables = LAZY_TABLES;
    return store_journal_open_without_worker(&options, store, lmdb_why, sizeof lmdb_why);
}

static struct ingot_store *open_at(const char *folder)
{
    struct ingot_store *store = NULL;
    if (try_open_at(folder, &store) != INGOT_OK)
        fail_msg("%s", lmdb_why);
    return store;
}

/* The same key in both tables, or in the lazy one alone. */
static void put(struct ingot_store *store, const char *key, bool is_in_both, bool is_bulk)
{
    struct ingot_store_batch *batch = ingot_store_batch_begin(store);
    ingot_store_batch_put(batch, LAZY, text(key), text(key));
    if (is_in_both)
        ingot_store_batch_put(batch, FIRM, text(key), text(key));
    if (is_bulk)
        ingot_store_batch_set_bulk(batch);
    assert_int_equal(ingot_store_batch_commit(batch), INGOT_OK);
}

static bool has(struct ingot_store *store, uint32_t table, const char *key)
{
    struct ingot_slice value;
    struct ingot_store_snapshot *snapshot = begin(store);
    const enum ingot_error error = ingot_store_snapshot_get(snapshot, table, text(key), &value);
    ingot_store_snapshot_end(snapshot);
    assert_true(error == INGOT_OK || error == INGOT_ERROR_NOT_FOUND);
    return error == INGOT_OK;
}

/* What a start finds if the process is killed now. */
static void expect_after_a_kill(const char *key, bool in_firm, bool in_lazy)
{
    struct ingot_store *reborn = open_at(journal_kill());
    assert_int_equal(has(reborn, FIRM, key), in_firm);
    assert_int_equal(has(reborn, LAZY, key), in_lazy);
    ingot_store_close(reborn);
}

static void what_is_lazy_is_visible_at_once_and_durable_once_it_has_settled(void **state)
{
    (void)state;
    struct ingot_store *store = open_at(lmdb_folder);
    const uint64_t nothing = ingot_store_last_batch(store);
    assert_true(nothing > 0 && ingot_store_is_settled(store, nothing));
    put(store, "first", true, false); /* goes straight to LMDB */
    const uint64_t first = ingot_store_last_batch(store);
    assert_true(first > nothing && ingot_store_is_settled(store, first));
    put(store, "second", true, false);
    const uint64_t second = ingot_store_last_batch(store);
    assert_true(second > first);
    assert_true(has(store, FIRM, "second") && has(store, LAZY, "second"));
    assert_false(ingot_store_is_settled(store, second));
    expect_after_a_kill("second", true, false);
    assert_true(store_journal_step(store)); /* set aside */
    put(store, "third", true, false);
    assert_true(has(store, LAZY, "second") && has(store, LAZY, "third"));
    assert_false(ingot_store_is_settled(store, second));
    expect_after_a_kill("second", true, false);
    assert_true(store_journal_step(store)); /* applied */
    assert_true(ingot_store_is_settled(store, second));
    assert_false(ingot_store_is_settled(store, ingot_store_last_batch(store)));
    expect_after_a_kill("second", true, true);
    expect_after_a_kill("third", true, false);
    ingot_store_close(store);
    store = open_at(lmdb_folder);
    assert_true(has(store, FIRM, "third") && has(store, LAZY, "third"));
    ingot_store_close(store);
}

static void a_batch_may_have_nothing_but_what_is_lazy(void **state)
{
    (void)state;
    struct ingot_store *store = open_at(lmdb_folder);
    put(store, "first", true, false);
    put(store, "second", false, false);
    const uint64_t second = ingot_store_last_batch(store);
    assert_true(has(store, LAZY, "second"));
    assert_false(ingot_store_is_settled(store, second));
    expect_after_a_kill("second", false, false);
    while (store_journal_step(store))
        ;
    assert_true(ingot_store_is_settled(store, second));
    expect_after_a_kill("second", false, true);
    ingot_store_close(store);
}

static void a_bulk_batch_settles_all_that_came_before(void **state)
{
    (void)state;
    struct ingot_store *store = open_at(lmdb_folder);
    put(store, "first", true, false);
    put(store, "second", true, false);
    put(store, "third", true, true);
    assert_true(ingot_store_is_settled(store, ingot_store_last_batch(store)));
    expect_after_a_kill("second", true, true);
    expect_after_a_kill("third", true, true);
    ingot_store_close(store);
}

/* In memory it is as much as on the disk, so it counts for when LMDB is brought up to date. */
static void what_is_lazy_fills_a_generation_too(void **state)
{
    (void)state;
    static uint8_t value[JOURNAL_TEST_SEGMENT_BYTES / 4];
    struct ingot_store *store = open_at(lmdb_folder);
    put(store, "first", true, false);
    const uint64_t first = ingot_store_last_batch(store);
    struct store_journal_stats stats = {0};
    for (uint32_t i = 0; i < 12; i++) {
        struct ingot_store_batch *batch = ingot_store_batch_begin(store);
        ingot_store_batch_put(batch, LAZY, ingot_slice_of(&i, sizeof i),
                              ingot_slice_of(value, sizeof value));
        assert_int_equal(ingot_store_batch_commit(batch), INGOT_OK);
    }
    store_journal_get_stats(store, &stats);
    assert_true(stats.applied_total >= 3);
    assert_true(ingot_store_is_settled(store, first + 4));
    ingot_store_close(store);
}

static void run_command(const char *verb, const char *what, const char *where)
{
    char command[400];
    snprintf(command, sizeof command, "%s %s%s %s", verb, lmdb_folder, what, where);
    assert_int_equal(system(command), 0);
}

/*
 * The journal may still have every record above older data; but not what was lazy, and whoever
 * relied on that has said so in other tables.
 */
static void older_data_beside_a_journal_that_relies_on_newer_is_refused(void **state)
{
    (void)state;
    char older[96];
    snprintf(older, sizeof older, "%s.older", lmdb_folder);
    run_command("mkdir", ".older", "");
    struct ingot_store *store = open_at(lmdb_folder);
    put(store, "first", true, false);
    put(store, "second", true, false);
    run_command("cp", "/data.mdb", older);
    while (store_journal_step(store))
        ;
    /* Nothing has been committed since then: nobody can have relied on it. */
    run_command("cp", "/journal", older);
    struct ingot_store *reborn = open_at(older);
    assert_true(has(reborn, FIRM, "second"));
    assert_false(has(reborn, LAZY, "second"));
    ingot_store_close(reborn);
    ingot_store_close(store);
    run_command("rm -r", ".older", "");
    run_command("mkdir", ".older", "");

    store = open_at(lmdb_folder);
    put(store, "third", true, false);
    run_command("cp", "/data.mdb", older);
    while (store_journal_step(store))
        ;
    put(store, "fourth", true, false);
    run_command("cp", "/journal", older);
    assert_int_equal(try_open_at(older, &reborn), INGOT_ERROR_CORRUPT);
    if (strstr(lmdb_why, "older than it") == NULL)
        fail_msg("%s", lmdb_why);
    ingot_store_close(store);
    run_command("rm -r", ".older", "");
}

/* A life relies on all that it has found, before LMDB gets anything of its own. */
static void what_a_start_finds_is_relied_on_from_its_first_record_on(void **state)
{
    (void)state;
    char older[96];
    snprintf(older, sizeof older, "%s.older", lmdb_folder);
    run_command("mkdir", ".older", "");
    struct ingot_store *store = open_at(lmdb_folder);
    put(store, "first", true, false);
    put(store, "second", true, false);
    while (store_journal_step(store))
        ;
    run_command("cp", "/data.mdb", older);
    /* In the other segment, so that the next life leaves it there. */
    put(store, "third", true, false);
    ingot_store_close(store);
    store = open_at(lmdb_folder);
    assert_true(ingot_store_is_settled(store, ingot_store_last_batch(store)));
    put(store, "fourth", true, false);
    run_command("cp", "/journal", older);
    struct ingot_store *reborn = NULL;
    assert_int_equal(try_open_at(older, &reborn), INGOT_ERROR_CORRUPT);
    if (strstr(lmdb_why, "older than it") == NULL)
        fail_msg("%s", lmdb_why);
    ingot_store_close(store);
    run_command("rm -r", ".older", "");
}

/* --- At random: of the lazy table a kill leaves what it was right after some batch. --- */

#define SEEDS 8
#define STEPS 250
#define KEYS 12

struct history {
    uint8_t lazy[STEPS + 1][KEYS]; /* after each batch */
    uint8_t firm[KEYS];
    uint64_t names[STEPS + 1]; /* of the batches */
    uint32_t count;
};

static void read_table(struct ingot_store *store, uint32_t table, uint8_t values[KEYS])
{
    struct ingot_store_snapshot *snapshot = begin(store);
    for (uint8_t key = 0; key < KEYS; key++) {
        struct ingot_slice value;
        const uint8_t name = (uint8_t)(key + 1);
        const enum ingot_error error =
            ingot_store_snapshot_get(snapshot, table, ingot_slice_of(&name, 1), &value);
        values[key] = error == INGOT_OK ? value.data[0] : 0;
    }
    ingot_store_snapshot_end(snapshot);
}

static void commit_at_random(struct ingot_store *store, struct history *history, struct prng *prng)
{
    struct ingot_store_batch *batch = ingot_store_batch_begin(store);
    uint8_t *lazy = history->lazy[history->count + 1];
    memcpy(lazy, history->lazy[history->count], KEYS);
    for (uint64_t changes = 1 + prng_below(prng, 6); changes > 0; changes--) {
        const uint8_t key = (uint8_t)prng_below(prng, KEYS);
        const uint8_t name = (uint8_t)(key + 1);
        const uint8_t value = (uint8_t)prng_below(prng, 200);
        const bool is_lazy = prng_below(prng, 3) > 0;
        const uint32_t table = is_lazy ? LAZY : FIRM;
        if (value == 0)
            ingot_store_batch_delete(batch, table, ingot_slice_of(&name, 1));
        else
            ingot_store_batch_put(batch, table, ingot_slice_of(&name, 1),
                                  ingot_slice_of(&value, 1));
        (is_lazy ? lazy : history->firm)[key] = value;
    }
    if (prng_below(prng, 40) == 0)
        ingot_store_batch_set_bulk(batch);
    assert_int_equal(ingot_store_batch_commit(batch), INGOT_OK);
    history->names[++history->count] = ingot_store_last_batch(store);
}

static uint32_t settled_count(struct ingot_store *store, const struct history *history)
{
    uint32_t settled = history->count;
    while (settled > 0 && !ingot_store_is_settled(store, history->names[settled]))
        settled--;
    return settled;
}

/* What a start would find; this store goes on. */
static void expect_after_a_kill_now(struct ingot_store *store, const struct history *history)
{
    const uint32_t settled = settled_count(store, history);
    struct ingot_store *reborn = open_at(journal_kill());
    uint8_t firm[KEYS];
    uint8_t lazy[KEYS];
    read_table(reborn, FIRM, firm);
    read_table(reborn, LAZY, lazy);
    assert_memory_equal(firm, history->firm, KEYS);
    uint32_t at = history->count;
    while (at > settled && memcmp(lazy, history->lazy[at], KEYS) != 0)
        at--;
    assert_memory_equal(lazy, history->lazy[at], KEYS);
    ingot_store_close(reborn);
}

static void a_kill_takes_the_lazy_table_back_to_one_batch_that_has_settled(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        struct prng prng;
        struct history *history = calloc(1, sizeof *history);
        prng_init(&prng, seed, 1);
        struct ingot_store *store = open_at(lmdb_folder);
        for (uint32_t step = 0; step < STEPS; step++) {
            const uint64_t what = prng_below(&prng, 20);
            if (what < 12)
                commit_at_random(store, history, &prng);
            else if (what < 19)
                (void)store_journal_step(store);
            else if (history->count > 0)
                expect_after_a_kill_now(store, history);
            uint8_t lazy[KEYS];
            read_table(store, LAZY, lazy);
            assert_memory_equal(lazy, history->lazy[history->count], KEYS);
        }
        ingot_store_close(store);
        free(history);
        journal_forget_killed();
        storage_test_remove_files(lmdb_folder);
    }
}

/* --- The store in memory has the same contract. --- */

static void memory_takes_back_lazy_tables_that_have_not_settled(void **state)
{
    (void)state;
    struct ingot_store *store = ingot_store_memory_new(2);
    put(store, "before", true, false);
    assert_int_equal(ingot_store_last_batch(store), 0);
    ingot_store_memory_set_lazy(store, LAZY_TABLES);
    put(store, "second", true, false);
    const uint64_t second = ingot_store_last_batch(store);
    assert_true(has(store, LAZY, "second"));
    assert_false(ingot_store_is_settled(store, second));
    struct ingot_store *clone = ingot_store_memory_clone_durable(store);
    assert_true(has(clone, LAZY, "before") && has(clone, FIRM, "second"));
    assert_false(has(clone, LAZY, "second"));
    ingot_store_close(clone);
    ingot_store_memory_settle(store);
    assert_true(ingot_store_is_settled(store, second));
    put(store, "third", true, false);
    clone = ingot_store_memory_clone_durable(store);
    assert_true(has(clone, LAZY, "second") && has(clone, FIRM, "third"));
    assert_false(has(clone, LAZY, "third"));
    ingot_store_close(clone);
    put(store, "fourth", true, true);
    assert_true(ingot_store_is_settled(store, ingot_store_last_batch(store)));
    ingot_store_close(store);
}

int main(void)
{
    log_configure(LOG_PLAIN, LOG_NONE);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(
            what_is_lazy_is_visible_at_once_and_durable_once_it_has_settled, lmdb_set_up,
            tear_down),
        cmocka_unit_test_setup_teardown(a_batch_may_have_nothing_but_what_is_lazy, lmdb_set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(a_bulk_batch_settles_all_that_came_before, lmdb_set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(what_is_lazy_fills_a_generation_too, lmdb_set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(older_data_beside_a_journal_that_relies_on_newer_is_refused,
                                        lmdb_set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_a_start_finds_is_relied_on_from_its_first_record_on,
                                        lmdb_set_up, tear_down),
        cmocka_unit_test_setup_teardown(
            a_kill_takes_the_lazy_table_back_to_one_batch_that_has_settled, lmdb_set_up, tear_down),
        cmocka_unit_test(memory_takes_back_lazy_tables_that_have_not_settled),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
