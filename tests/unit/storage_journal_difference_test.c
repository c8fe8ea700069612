/*
 * The journaled store against the one in memory: the same batches, snapshots and cursors, drawn at
 * random, must give the same answers, whenever the worker does its part, and whenever the process
 * is killed or ends. A difference prints its seed.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/log.h"
#include "lib/journal_harness.h"
#include "lib/prng.h"
#include "lib/storage_test.h"

#define SEEDS 8
#define STEPS 1500
#define PAIRS 3
#define TABLES 2
#define KEYS 40

/* A snapshot of each store, of one moment, and a cursor in each. */
struct pair {
    struct ingot_store_snapshot *of_model;
    struct ingot_store_snapshot *of_store;
    struct ingot_store_cursor *in_model;
    struct ingot_store_cursor *in_store;
};

struct run {
    struct prng prng;
    uint64_t seed;
    uint64_t step;
    struct ingot_store *model;
    struct ingot_store *store;
    struct pair pairs[PAIRS];
};

static const struct run *running;

#define CHECK(condition)                                                                           \
    do {                                                                                           \
        if (!(condition))                                                                          \
            fail_msg("seed %llu, step %llu: %s", (unsigned long long)running->seed,                \
                     (unsigned long long)running->step, #condition);                               \
    } while (0)

static struct ingot_slice draw_key(struct run *run, char key[16])
{
    const uint64_t number = prng_below(&run->prng, KEYS);
    /* Some are the front of others. */
    snprintf(key, 16, number % 3 == 0 ? "%02llu" : "%02llu-longer", (unsigned long long)number / 2);
    return text(key);
}

static void commit(struct run *run)
{
    static uint8_t value[JOURNAL_TEST_SEGMENT_BYTES + 100];
    struct ingot_store_batch *first = ingot_store_batch_begin(run->model);
    struct ingot_store_batch *second = ingot_store_batch_begin(run->store);
    const bool has_large = prng_chance(&run->prng, 4000);
    const uint64_t count = prng_below(&run->prng, 9);
    for (uint64_t i = 0; i < count; i++) {
        char text_of_key[16];
        const struct ingot_slice key = draw_key(run, text_of_key);
        const uint32_t table = (uint32_t)prng_below(&run->prng, TABLES);
        if (prng_chance(&run->prng, 350000)) {
            ingot_store_batch_delete(first, table, key);
            ingot_store_batch_delete(second, table, key);
            continue;
        }
        uint64_t size = prng_below(&run->prng, prng_chance(&run->prng, 50000) ? 30000 : 60);
        if (has_large && i == 0)
            size = sizeof value;
        memset(value, (int)prng_below(&run->prng, 256), size);
        ingot_store_batch_put(first, table, key, ingot_slice_of(value, size));
        ingot_store_batch_put(second, table, key, ingot_slice_of(value, size));
    }
    if (prng_chance(&run->prng, 20000))
        ingot_store_batch_set_bulk(second);
    CHECK(ingot_store_batch_commit(first) == INGOT_OK);
    CHECK(ingot_store_batch_commit(second) == INGOT_OK);
}

static void end_pair(struct pair *pair)
{
    ingot_store_cursor_close(pair->in_model);
    ingot_store_cursor_close(pair->in_store);
    ingot_store_snapshot_end(pair->of_model);
    ingot_store_snapshot_end(pair->of_store);
    *pair = (struct pair){0};
}

static void begin_pair(struct run *run, struct pair *pair)
{
    const uint32_t table = (uint32_t)prng_below(&run->prng, TABLES);
    end_pair(pair);
    pair->of_model = begin(run->model);
    pair->of_store = begin(run->store);
    CHECK(ingot_store_cursor_open(pair->of_model, table, &pair->in_model) == INGOT_OK);
    CHECK(ingot_store_cursor_open(pair->of_store, table, &pair->in_store) == INGOT_OK);
}

static void get(struct run *run, const struct pair *pair)
{
    char text_of_key[16];
    const struct ingot_slice key = draw_key(run, text_of_key);
    const uint32_t table = (uint32_t)prng_below(&run->prng, TABLES);
    struct ingot_slice expected = {0};
    struct ingot_slice found = {0};
    const enum ingot_error error = ingot_store_snapshot_get(pair->of_model, table, key, &expected);
    CHECK(ingot_store_snapshot_get(pair->of_store, table, key, &found) == error);
    CHECK(error != INGOT_OK || ingot_slice_equal(expected, found));
}

static enum ingot_error move(struct ingot_store_cursor *cursor, uint64_t way,
                             struct ingot_slice key)
{
    if (way == 0)
        return ingot_store_cursor_seek(cursor, key);
    if (way == 1)
        return ingot_store_cursor_last(cursor);
    return way < 6 ? ingot_store_cursor_next(cursor) : ingot_store_cursor_previous(cursor);
}

static void compare_moves(const struct pair *pair, uint64_t way, struct ingot_slice key)
{
    const enum ingot_error error = move(pair->in_model, way, key);
    CHECK(move(pair->in_store, way, key) == error);
    if (error == INGOT_OK) {
        struct ingot_slice key_expected;
        struct ingot_slice value_expected;
        struct ingot_slice key_found;
        struct ingot_slice value_found;
        ingot_store_cursor_item(pair->in_model, &key_expected, &value_expected);
        ingot_store_cursor_item(pair->in_store, &key_found, &value_found);
        CHECK(ingot_slice_equal(key_expected, key_found));
        CHECK(ingot_slice_equal(value_expected, value_found));
    }
}

static void walk(struct run *run, const struct pair *pair)
{
    for (uint32_t i = 0; i < 12; i++) {
        char text_of_key[16];
        const struct ingot_slice key = draw_key(run, text_of_key);
        compare_moves(pair, prng_below(&run->prng, 10), key);
    }
}

/* All that is in a store that was opened from what the other had left. */
static void compare_all(struct run *run, struct ingot_store *store)
{
    for (uint32_t table = 0; table < TABLES; table++) {
        struct pair pair = {.of_model = begin(run->model), .of_store = begin(store)};
        CHECK(ingot_store_cursor_open(pair.of_model, table, &pair.in_model) == INGOT_OK);
        CHECK(ingot_store_cursor_open(pair.of_store, table, &pair.in_store) == INGOT_OK);
        compare_moves(&pair, 0, text(""));
        for (uint32_t i = 0; i < KEYS; i++)
            compare_moves(&pair, 2, text(""));
        end_pair(&pair);
    }
}

static void kill_it(struct run *run)
{
    struct ingot_store *reborn = journal_open_at(journal_kill());
    compare_all(run, reborn);
    ingot_store_close(reborn);
}

static void open_again(struct run *run)
{
    for (uint32_t i = 0; i < PAIRS; i++)
        end_pair(&run->pairs[i]);
    ingot_store_close(run->store);
    run->store = journal_open();
    compare_all(run, run->store);
}

static void act(struct run *run)
{
    struct pair *pair = &run->pairs[prng_below(&run->prng, PAIRS)];
    const uint64_t what = prng_below(&run->prng, 1000);
    if (what < 300)
        commit(run);
    else if (what < 420)
        (void)store_journal_step(run->store);
    else if (what < 600)
        begin_pair(run, pair);
    else if (what < 608)
        kill_it(run);
    else if (what < 612)
        open_again(run);
    else if (pair->of_model != NULL && what < 750)
        get(run, pair);
    else if (pair->of_model != NULL)
        walk(run, pair);
}

static void the_journal_answers_as_memory_does(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        struct run run = {.seed = seed, .model = ingot_store_memory_new(TABLES)};
        running = &run;
        prng_init(&run.prng, seed, 1);
        run.store = journal_open();
        for (run.step = 0; run.step < STEPS; run.step++)
            act(&run);
        open_again(&run);
        ingot_store_close(run.store);
        ingot_store_close(run.model);
        journal_forget_killed();
        storage_test_remove_files(lmdb_folder);
    }
}

int main(void)
{
    log_configure(LOG_PLAIN, LOG_NONE);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(the_journal_answers_as_memory_does, lmdb_set_up,
                                        lmdb_tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
