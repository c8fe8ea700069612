/*
 * The sweep against a model: blocks with any keys, several or none to a sync, laps that begin
 * anywhere, deaths in between. Whatever is in the table is of the applied block or of a later one,
 * never goes back, and with the unapplied blocks over it reads as the last committed block. On a
 * store whose state table is lazy a death takes some of it back, and all else holds as well; so it
 * is with the journal and LMDB, whose files a death leaves as they are at that moment.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include <unistd.h>

#include "base/log.h"
#include "lib/journal_harness.h"
#include "lib/ledger_world.h"
#include "lib/storage_test.h"
#include "node/ledger_transfer.h"
#include "storage/memory.h"

#define SEEDS 60
#define BLOCKS 90
#define KEYS 13

/* In order; some begin others. */
static const char *const names[KEYS] = {"a",  "aa", "aaa", "ab", "b",  "ba", "c",
                                        "ca", "cb", "d",   "da", "db", "z"};

/* Of each key after each block, and the block that changed it last. */
struct model {
    struct {
        uint32_t value; /* 0: none */
        uint32_t changed;
    } at[BLOCKS + 1][KEYS];
    uint32_t in_table[KEYS]; /* the highest block whose value has been seen there */
    uint64_t applied;
};

static uint32_t next_random(uint64_t *seed)
{
    *seed = *seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (uint32_t)(*seed >> 33);
}

static struct ledger_entry make_block(const struct world *world, struct model *model,
                                      const struct block *parent, uint32_t height, uint64_t *seed)
{
    char texts[KEYS][24];
    const char *changes[KEYS];
    uint32_t count = 0;
    const uint32_t share = next_random(seed) % 9;
    memcpy(model->at[height], model->at[height - 1], sizeof model->at[height]);
    for (uint32_t key = 0; key < KEYS; key++) {
        if (next_random(seed) % 9 >= share)
            continue;
        const bool is_deleted = next_random(seed) % 4 == 0;
        if (is_deleted)
            snprintf(texts[count], sizeof texts[count], "%s", names[key]);
        else
            snprintf(texts[count], sizeof texts[count], "%s=%u", names[key], height);
        changes[count] = texts[count];
        count++;
        model->at[height][key].value = is_deleted ? 0 : height;
        model->at[height][key].changed = height;
    }
    return world_entry(world, parent, parent->view + 1, 1, changes, count);
}

static uint32_t number_of(struct ingot_slice value)
{
    uint32_t number = 0;
    for (size_t i = 0; i < value.size; i++)
        number = number * 10 + (value.data[i] - '0');
    return number;
}

static bool find_update(const struct ledger_start *start, struct ingot_slice key,
                        struct state_update *update)
{
    for (uint32_t i = start->unapplied_count; i-- > 0;) {
        const struct execution *execution = start->unapplied[i].execution;
        for (uint32_t j = 0; j < execution->update_count; j++) {
            *update = execution_update(execution, j);
            if (ingot_slice_equal(update->key, key))
                return true;
        }
    }
    return false;
}

static uint32_t table_value(struct world *world, uint32_t key)
{
    struct ingot_slice value;
    const enum ingot_error error =
        ledger_state_get(world->ledger, ingot_slice_of_text(names[key]), &value);
    assert_true(error == INGOT_OK || error == INGOT_ERROR_NOT_FOUND);
    return error == INGOT_OK ? number_of(value) : 0;
}

static void expect_key(struct world *world, struct model *model, const struct ledger_start *start,
                       uint32_t height, uint32_t key)
{
    const uint32_t value = table_value(world, key);
    /* It is that of the applied block or of one above it; and what has been there before stays. */
    uint32_t from = (uint32_t)start->applied_height;
    from = model->in_table[key] > from ? model->in_table[key] : from;
    while (from <= height && model->at[from][key].value != value)
        from++;
    assert_true(from <= height);
    model->in_table[key] = model->at[from][key].changed;

    struct state_update update;
    const bool waits = find_update(start, ingot_slice_of_text(names[key]), &update);
    assert_int_equal(waits ? number_of(update.value) : value, model->at[height][key].value);
}

struct visit {
    const struct model *model;
    uint32_t height;
    uint32_t key;
};

static void skip_missing(struct visit *visit)
{
    while (visit->key < KEYS && visit->model->at[visit->height][visit->key].value == 0)
        visit->key++;
}

static enum ingot_error visit_key(void *context, struct ingot_slice key, struct ingot_slice value)
{
    struct visit *visit = context;
    skip_missing(visit);
    assert_true(visit->key < KEYS);
    assert_true(ingot_slice_equal(key, ingot_slice_of_text(names[visit->key])));
    assert_int_equal(number_of(value), visit->model->at[visit->height][visit->key].value);
    visit->key++;
    return INGOT_OK;
}

static void expect_state(struct world *world, struct model *model, uint32_t height)
{
    struct ledger_start start = world_load(world);
    assert_true(start.applied_height >= model->applied);
    assert_int_equal(start.applied_height + start.unapplied_count, height);
    model->applied = start.applied_height;
    for (uint32_t key = 0; key < KEYS; key++)
        expect_key(world, model, &start, height, key);
    struct visit visit = {.model = model, .height = height};
    assert_int_equal(ledger_visit_state(world->ledger, visit_key, &visit), INGOT_OK);
    skip_missing(&visit);
    assert_int_equal(visit.key, KEYS);
    ledger_start_deinit(&start);
}

/* A start finds an older table, and fewer blocks applied; the rest of what is expected stays. */
static void forget_table(struct model *model)
{
    model->applied = 0;
    memset(model->in_table, 0, sizeof model->in_table);
}

enum kind { KIND_WHOLE, KIND_LAZY, KIND_JOURNALED };

static void open_journaled(struct world *world)
{
    struct ingot_store_journal_options options = journal_options();
    options.lmdb.tables = ledger_tables;
    options.lmdb.table_count = ledger_table_count;
    options.lazy_tables = ledger_lazy_tables;
    const enum ingot_error error =
        store_journal_open_without_worker(&options, &world->store, world->why, sizeof world->why);
    if (error != INGOT_OK)
        fail_msg("%s", world->why);
}

/* With the files as they are now: closing the store would bring LMDB up to date. */
static void die_journaled(struct world *world)
{
    const char *killed = journal_kill();
    ledger_free(world->ledger);
    world->ledger = NULL;
    ingot_store_close(world->store);
    storage_test_remove_files(lmdb_folder);
    assert_int_equal(rmdir(lmdb_folder), 0);
    assert_int_equal(rename(killed, lmdb_folder), 0);
    open_journaled(world);
    world_open(world);
}

static void die(struct world *world, struct model *model, enum kind kind)
{
    if (kind == KIND_JOURNALED)
        die_journaled(world);
    else
        world_restart(world);
    if (kind != KIND_WHOLE)
        forget_table(model);
}

/* What is lazy becomes durable, or some of it. */
static void settle(struct world *world, enum kind kind, uint64_t *seed)
{
    if (kind == KIND_LAZY && next_random(seed) % 5 == 0)
        ingot_store_memory_settle(world->store);
    while (kind == KIND_JOURNALED && next_random(seed) % 4 == 0)
        (void)store_journal_step(world->store);
}

static void run(struct world *world, uint64_t seed, enum kind kind)
{
    struct model model = {0};
    struct block *parent = block_ref(world->genesis);
    const bool is_restless = next_random(&seed) % 2 == 0;
    world->options.index_transactions = false;
    world->options.apply_blocks_max = 1 + next_random(&seed) % 24;
    world->options.apply_bytes_max = next_random(&seed) % 2 == 0 ? 0 : 1500;
    world->options.apply_puts_min = 1 + next_random(&seed) % 5;
    world->options.retain_blocks = kind == KIND_JOURNALED ? next_random(&seed) % 6 : 0;
    world->options.prune_blocks_min = 1;
    world->lazy_tables = kind == KIND_LAZY ? ledger_lazy_tables : 0;
    world_open(world);
    for (uint32_t height = 0; height < BLOCKS;) {
        for (uint32_t more = 1 + next_random(&seed) % 3; more > 0 && height < BLOCKS; more--) {
            struct ledger_entry entry = make_block(world, &model, parent, ++height, &seed);
            world_put(world, &entry);
            world_commit(world, &entry);
            block_unref(parent);
            parent = block_ref(entry.block);
            ledger_entry_deinit(&entry);
        }
        world_sync(world);
        expect_state(world, &model, height);
        settle(world, kind, &seed);
        while (is_restless && next_random(&seed) % 6 == 0) {
            die(world, &model, kind);
            expect_state(world, &model, height);
        }
    }
    assert_true(is_restless || model.applied > 0);
    block_unref(parent);
}

static void the_table_never_goes_back_and_reads_as_the_last_block(void **state)
{
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        run(*state, seed * UINT64_C(0x9e3779b97f4a7c15), KIND_WHOLE);
        world_tear_down(state);
        world_set_up_memory(state);
    }
}

static void a_table_that_a_death_takes_back_reads_as_the_last_block(void **state)
{
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        run(*state, seed * UINT64_C(0x9e3779b97f4a7c15), KIND_LAZY);
        world_tear_down(state);
        world_set_up_memory(state);
    }
}

static void a_kill_with_a_journal_leaves_what_reads_as_the_last_block(void **state)
{
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        struct world *world = *state;
        storage_test_folder(lmdb_folder, sizeof lmdb_folder);
        ingot_store_close(world->store);
        open_journaled(world);
        run(world, seed * UINT64_C(0x9e3779b97f4a7c15), KIND_JOURNALED);
        world_tear_down(state);
        storage_test_remove(lmdb_folder);
        world_set_up_memory(state);
    }
}

/* However long nothing settles, who reads sees all; and what has settled is not put again. */
static void the_applied_height_of_a_start_is_what_has_settled(void **state)
{
    struct world *world = *state;
    struct model model = {0};
    uint64_t seed = 5;
    struct block *parent = block_ref(world->genesis);
    world->options.index_transactions = false;
    world->options.apply_blocks_max = 1;
    world->options.apply_puts_min = 1;
    world->lazy_tables = ledger_lazy_tables;
    world_open(world);
    uint64_t settled = 0;
    for (uint32_t height = 1; height <= 40; height++) {
        struct ledger_entry entry = make_block(world, &model, parent, height, &seed);
        world_put(world, &entry);
        world_commit(world, &entry);
        block_unref(parent);
        parent = block_ref(entry.block);
        ledger_entry_deinit(&entry);
        world_sync(world);
        if (height == 20) {
            settled = ledger_applied_height(world->ledger);
            ingot_store_memory_settle(world->store);
        }
    }
    assert_true(settled > 0 && ledger_applied_height(world->ledger) > settled);
    world_restart(world);
    const uint64_t found = ledger_applied_height(world->ledger);
    assert_true(found > 0 && found <= settled);
    forget_table(&model);
    expect_state(world, &model, 40);
    block_unref(parent);
}

int main(void)
{
    log_configure(LOG_PLAIN, LOG_NONE);
    const struct CMUnitTest tests[] = {
        WORLD_MEMORY(the_table_never_goes_back_and_reads_as_the_last_block),
        WORLD_MEMORY(a_table_that_a_death_takes_back_reads_as_the_last_block),
        WORLD_MEMORY(a_kill_with_a_journal_leaves_what_reads_as_the_last_block),
        WORLD_MEMORY(the_applied_height_of_a_start_is_what_has_settled),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
