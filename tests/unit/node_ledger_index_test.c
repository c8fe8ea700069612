/*
 * The transaction index, whose entries wait and drain into its table a part at a time: every
 * transaction is found where it was committed last, whatever part is there and whenever the process
 * dies, and none whose block has left.
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
#include "lib/fast_crypto.h"
#include "lib/ledger_world.h"
#include "lib/storage_test.h"
#include "node/ledger_internal.h"
#include "storage/memory.h"

#define BLOCKS_MAX 400
#define TRANSACTIONS 3

/* The chain so far, and what was committed in it. */
struct history {
    struct block *tip; /* owned */
    struct ledger_indexed all[BLOCKS_MAX * TRANSACTIONS];
    uint32_t count;
};

static struct history *history_new(const struct world *world)
{
    struct history *history = calloc(1, sizeof *history);
    assert_non_null(history);
    history->tip = block_ref(world->genesis);
    return history;
}

static void history_free(struct history *history)
{
    block_unref(history->tip);
    free(history);
}

/* The next block, of a few transactions, and of none now and then. */
static struct ledger_entry next_entry(struct world *world, const struct history *history)
{
    const uint64_t height = history->tip->height + 1;
    const char *change = "key=value";
    return world_entry(world, history->tip, history->tip->view + 1,
                       height % 9 == 0 ? 0 : 1 + (uint32_t)(height % TRANSACTIONS), &change, 1);
}

static void put_next(struct world *world, const struct ledger_entry *entry)
{
    world_put(world, entry);
    world_commit(world, entry);
}

static void note(struct history *history, const struct ledger_entry *entry)
{
    struct ingot_slice rest = ingot_buffer_slice(&entry->block->payload);
    struct ingot_slice transaction;
    for (uint32_t i = 0; payload_next(&rest, &transaction); i++) {
        assert_true(history->count < BLOCKS_MAX * TRANSACTIONS);
        struct ledger_indexed *indexed = &history->all[history->count++];
        *indexed = ledger_indexed_at(entry->block->height, i);
        crypto_sha256(transaction, indexed->sha256);
    }
    block_unref(history->tip);
    history->tip = block_ref(entry->block);
}

static void grow(struct world *world, struct history *history)
{
    struct ledger_entry entry = next_entry(world, history);
    put_next(world, &entry);
    world_sync(world);
    note(history, &entry);
    ledger_entry_deinit(&entry);
}

static const struct ledger_indexed *last_of(const struct history *history, const uint8_t *sha256)
{
    for (uint32_t i = history->count; i-- > 0;)
        if (memcmp(history->all[i].sha256, sha256, 32) == 0)
            return &history->all[i];
    return NULL;
}

/* Blocks below the lowest height have left, and nothing of them is found. */
static void expect_found(struct ledger *ledger, const struct history *history)
{
    for (uint32_t i = 0; i < history->count; i++) {
        const struct ledger_indexed *last = last_of(history, history->all[i].sha256);
        struct ledger_location location = {0};
        const enum ingot_error error =
            ledger_find_transaction(ledger, history->all[i].sha256, &location);
        if (last->height < ledger_lowest_height(ledger)) {
            assert_int_equal(error, INGOT_ERROR_NOT_FOUND);
            continue;
        }
        /* Those of a group on its way out are gone before their blocks are. */
        if (error == INGOT_ERROR_NOT_FOUND && ledger->retain_blocks > 0 &&
            last->height + ledger->retain_blocks <= history->tip->height)
            continue;
        assert_int_equal(error, INGOT_OK);
        assert_int_equal(location.height, last->height);
        assert_int_equal(location.index, last->index);
    }
}

/* What a start finds that comes upon what is durable now. */
static void expect_found_after_a_crash(const struct world *world, const struct history *history)
{
    struct ingot_store *durable = ingot_store_memory_clone_durable(world->store);
    struct ledger *ledger = NULL;
    char why[256];
    if (ledger_open(durable, &world->options, &ledger, why, sizeof why) != INGOT_OK)
        fail_msg("%s", why);
    expect_found(ledger, history);
    ledger_free(ledger);
    ingot_store_close(durable);
}

static uint32_t count_records(struct world *world, uint32_t table, uint64_t below)
{
    struct ingot_store_snapshot *snapshot = begin(world->store);
    struct ingot_store_cursor *cursor = NULL;
    uint32_t count = 0;
    assert_int_equal(ingot_store_cursor_open(snapshot, table, &cursor), INGOT_OK);
    enum ingot_error error = ingot_store_cursor_seek(cursor, ingot_slice_of(NULL, 0));
    for (; error == INGOT_OK; error = ingot_store_cursor_next(cursor)) {
        struct ingot_slice key;
        struct ingot_slice value;
        uint64_t height = 0;
        ingot_store_cursor_item(cursor, &key, &value);
        if (table == LEDGER_TRANSACTIONS)
            assert_true(ingot_slice_take_u64(&value, &height));
        else
            height = ledger_height_of_key(key);
        count += height < below;
    }
    ingot_store_cursor_close(cursor);
    ingot_store_snapshot_end(snapshot);
    return count;
}

static size_t waiting(const struct ledger *ledger)
{
    return ledger->index.fresh.entry_count + ledger->index.draining.entry_count;
}

static void a_transaction_is_found_before_while_and_after_it_drains_into_the_table(void **state)
{
    struct world *world = *state;
    world->options.index_entries_max = 40;
    world->options.index_puts_min = 1;
    world_open(world);
    struct history *history = history_new(world);
    uint32_t ended = 0;
    uint32_t under_way = 0;
    uint64_t before = 0;
    for (uint32_t i = 0; i < 200; i++) {
        grow(world, history);
        expect_found(world->ledger, history);
        under_way += world->ledger->index.draining_height > 0;
        ended += world->ledger->index.height > before;
        before = world->ledger->index.height;
        /* What comes in is overtaken by what goes out. */
        assert_true(waiting(world->ledger) < 80);
        assert_true(count_records(world, LEDGER_UNINDEXED, UINT64_MAX) < 80);
    }
    assert_true(ended > 5);
    assert_true(under_way > 5 * ended);
    history_free(history);
}

/* Many transactions at once make parts as large, and the table and the records stay in step. */
static void no_batch_puts_much_more_than_it_brings_in(void **state)
{
    struct world *world = *state;
    world->options.index_entries_max = 60;
    world->options.index_puts_min = 2;
    world->options.apply_blocks_max = 1;
    world_open(world);
    struct history *history = history_new(world);
    struct ingot_store_memory_counters counters;
    uint64_t before = 0;
    uint64_t most = 0;
    for (uint32_t i = 0; i < 200; i++) {
        ingot_store_memory_get_counters(world->store, &counters);
        before = counters.operations;
        grow(world, history);
        ingot_store_memory_get_counters(world->store, &counters);
        if (counters.operations - before > most)
            most = counters.operations - before;
    }
    /*
     * A block, its place in the chain, its update, three records of the meta table, its hashes,
     * twice its transactions and the least, and the records of a drain that has ended.
     */
    assert_in_range(most, 20, 7 + 2 * TRANSACTIONS + 2 + 40);
    history_free(history);
}

/* Every batch may be the last; some are lost, and some are there though they failed. */
static void a_crash_at_any_batch_of_a_drain_loses_nothing(void **state)
{
    struct world *world = *state;
    world->options.index_entries_max = 30;
    world->options.index_puts_min = 1;
    world_open(world);
    struct history *history = history_new(world);
    for (uint32_t i = 0; i < 150; i++) {
        struct ledger_entry entry = next_entry(world, history);
        put_next(world, &entry);
        expect_found_after_a_crash(world, history);
        if (i % 4 == 3) {
            ingot_store_memory_fail_commit(world->store, 1,
                                           i % 8 == 3 ? STORE_MEMORY_FAILED_LOST
                                                      : STORE_MEMORY_FAILED_APPLIED);
            assert_int_equal(ledger_sync(world->ledger), INGOT_ERROR_UNKNOWN_OUTCOME);
            world_restart(world);
        } else {
            world_sync(world);
        }
        if (ledger_committed_height(world->ledger) == entry.block->height)
            note(history, &entry);
        ledger_entry_deinit(&entry);
        expect_found(world->ledger, history);
        expect_found_after_a_crash(world, history);
    }
    assert_true(world->ledger->index.height > 50);
    history_free(history);
}

/* Or what waits, and so what a start reads, would grow with the chain. */
static void a_process_that_dies_after_each_batch_still_ends_its_drains(void **state)
{
    struct world *world = *state;
    world->options.index_entries_max = 30;
    world->options.index_puts_min = 1;
    world_open(world);
    struct history *history = history_new(world);
    uint32_t ended = 0;
    for (uint32_t i = 0; i < 200; i++) {
        const uint64_t before = world->ledger->index.height;
        grow(world, history);
        world_restart(world);
        expect_found(world->ledger, history);
        ended += world->ledger->index.height > before;
        assert_true(waiting(world->ledger) < 60);
        assert_true(count_records(world, LEDGER_UNINDEXED, UINT64_MAX) < 60);
    }
    assert_true(ended > 5);
    history_free(history);
}

/*
 * Blocks leave while their entries wait, drain, or are in the table. Whatever comes later, nothing
 * of them comes back.
 */
static void what_waits_leaves_with_its_block_and_does_not_come_back(void **state)
{
    struct world *world = *state;
    static const uint32_t retained[] = {4, 12, 30, 60};
    world->options.index_entries_max = 50;
    world->options.index_puts_min = 1;
    world->options.prune_blocks_min = 2;
    world->options.apply_blocks_max = 2;
    world->options.retain_blocks = 4;
    world_open(world);
    struct history *history = history_new(world);
    for (uint32_t i = 0; i < 320; i++) {
        if (i % 20 == 19) {
            world->options.retain_blocks = retained[i / 80];
            world_restart(world);
        }
        grow(world, history);
        expect_found(world->ledger, history);
        expect_found_after_a_crash(world, history);
        const uint64_t lowest = ledger_lowest_height(world->ledger);
        assert_int_equal(count_records(world, LEDGER_TRANSACTIONS, lowest), 0);
        if (world->ledger->index.is_clear)
            assert_int_equal(count_records(world, LEDGER_UNINDEXED, lowest), 0);
    }
    assert_true(ledger_lowest_height(world->ledger) > 240);
    assert_true(world->ledger->index.height > 200);
    history_free(history);
}

/* Those committed while it is off are not in it; the others stay, and go on where they were. */
static void an_index_that_is_off_for_a_while_keeps_what_waited(void **state)
{
    struct world *world = *state;
    world->options.index_entries_max = 40;
    world->options.index_puts_min = 1;
    world_open(world);
    struct history *history = history_new(world);
    for (uint32_t i = 0; i < 200; i++) {
        const bool is_on = i / 13 % 2 == 0;
        if (i % 13 == 0) {
            world->options.index_transactions = is_on;
            world_restart(world);
        }
        const uint32_t count = history->count;
        grow(world, history);
        if (!is_on)
            history->count = count; /* it never gets to know them */
        if (is_on)
            expect_found(world->ledger, history);
        else
            assert_int_equal(waiting(world->ledger), 0);
    }
    assert_true(world->ledger->index.height > 50);
    history_free(history);
}

static void an_index_that_is_kept_no_more_leaves_with_its_blocks_wherever_it_was(void **state)
{
    struct world *world = *state;
    world->options.index_entries_max = 40;
    world->options.index_puts_min = 1;
    world->options.apply_blocks_max = 1;
    world_open(world);
    struct history *history = history_new(world);
    while (world->ledger->index.height == 0 || world->ledger->index.draining.taken < 10)
        grow(world, history);
    assert_true(count_records(world, LEDGER_TRANSACTIONS, UINT64_MAX) > 0);
    assert_true(count_records(world, LEDGER_UNINDEXED, UINT64_MAX) > 0);
    world->options.index_transactions = false;
    world->options.retain_blocks = 5;
    world->options.prune_blocks_min = 1;
    world_restart(world);
    for (uint32_t i = 0; i < 60; i++)
        grow(world, history);
    assert_int_equal(count_records(world, LEDGER_TRANSACTIONS, UINT64_MAX), 0);
    assert_int_equal(count_records(world, LEDGER_UNINDEXED, UINT64_MAX), 0);
    history_free(history);
}

static void a_ledger_opened_to_read_only_finds_what_waits(void **state)
{
    struct world *world = *state;
    world->options.index_entries_max = 40;
    world->options.index_puts_min = 1;
    world_open(world);
    struct history *history = history_new(world);
    while (world->ledger->index.draining.taken < 10)
        grow(world, history);
    world->options.read_only = true;
    world_restart(world);
    expect_found(world->ledger, history);
    history_free(history);
}

int main(void)
{
    if (!crypto_init())
        return 1;
    log_configure(LOG_PLAIN, LOG_NONE);
    const struct CMUnitTest tests[] = {
        WORLD_MEMORY(a_transaction_is_found_before_while_and_after_it_drains_into_the_table),
        WORLD_DISK(a_transaction_is_found_before_while_and_after_it_drains_into_the_table),
        WORLD_MEMORY(no_batch_puts_much_more_than_it_brings_in),
        WORLD_MEMORY(a_crash_at_any_batch_of_a_drain_loses_nothing),
        WORLD_MEMORY(a_process_that_dies_after_each_batch_still_ends_its_drains),
        WORLD_MEMORY(what_waits_leaves_with_its_block_and_does_not_come_back),
        WORLD_MEMORY(an_index_that_is_off_for_a_while_keeps_what_waited),
        WORLD_MEMORY(an_index_that_is_kept_no_more_leaves_with_its_blocks_wherever_it_was),
        WORLD_MEMORY(a_ledger_opened_to_read_only_finds_what_waits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
