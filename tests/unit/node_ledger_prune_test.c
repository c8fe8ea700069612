/*
 * Retention: which blocks and index entries leave the ledger and which stay, whatever happens in
 * between, and what that means for the file.
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
#include "storage/lmdb.h"
#include "storage/memory.h"
#include "wire/preimage.h"

#define HEIGHT_MAX 400

/* The chain so far. Its transactions repeat some of 31 blocks before. */
struct history {
    struct ledger_entry entries[HEIGHT_MAX + 1];
    uint64_t height;
};

static void begin_history(struct history *history, struct world *world)
{
    *history = (struct history){.entries[0].block = block_ref(world->genesis)};
}

static void end_history(struct history *history)
{
    for (uint64_t i = 0; i <= history->height; i++)
        ledger_entry_deinit(&history->entries[i]);
}

/* Puts and commits the next block, which opens the next set unless that is NULL. */
static void grow(struct history *history, struct world *world, const struct validator_set *next_set)
{
    const struct block *parent = history->entries[history->height].block;
    struct ledger_entry *entry = &history->entries[++history->height];
    *entry = next_set != NULL ? world_change(world, parent, next_set)
                              : world_child(world, parent, "key=value");
    world_put(world, entry);
    ledger_commit_block(world->ledger, entry->block, entry->execution, next_set);
}

/* The height of the last block with a block's first transaction. */
static uint64_t last_with(const struct history *history, uint64_t height, uint8_t sha256[32])
{
    const struct block *block = history->entries[height].block;
    struct ingot_slice rest = ingot_buffer_slice(&block->payload);
    struct ingot_slice first;
    assert_true(payload_next(&rest, &first));
    crypto_sha256(first, sha256);
    uint64_t last = height;
    for (uint64_t above = height + 1; above <= history->height; above++) {
        rest = ingot_buffer_slice(&history->entries[above].block->payload);
        struct ingot_slice each;
        while (payload_next(&rest, &each)) {
            if (ingot_slice_equal(first, each))
                last = above;
        }
    }
    return last;
}

static bool stays_for_ever(const struct history *history, uint64_t height)
{
    return height == 0 || block_changes_set(history->entries[height].block) ||
           (height > 1 && block_changes_set(history->entries[height - 1].block));
}

/*
 * From the lowest height on all blocks are there, below it those that stay for ever, and the index
 * finds the transactions of the newest `retain` blocks and none of those that have gone.
 */
static void expect_whole(struct ledger *ledger, const struct history *history, uint64_t committed,
                         uint64_t retain)
{
    const uint64_t lowest = ledger_lowest_height(ledger);
    assert_int_equal(ledger_committed_height(ledger), committed);
    assert_true(lowest <= ledger_applied_height(ledger));
    assert_true(lowest == 0 || lowest + retain <= committed + 1);
    for (uint64_t height = 0; height <= committed; height++) {
        struct ledger_entry entry = {0};
        const enum ingot_error error = ledger_read_block(ledger, height, &entry);
        if (height < lowest && !stays_for_ever(history, height)) {
            assert_int_equal(error, INGOT_ERROR_NOT_FOUND);
        } else {
            assert_int_equal(error, INGOT_OK);
            assert_memory_equal(&entry.block->hash, &history->entries[height].block->hash,
                                INGOT_HASH_BYTES);
        }
        ledger_entry_deinit(&entry);
    }
    for (uint64_t height = 1; height <= committed; height++) {
        uint8_t sha256[32];
        const uint64_t last = last_with(history, height, sha256);
        struct ledger_location location = {0};
        const enum ingot_error error = ledger_find_transaction(ledger, sha256, &location);
        /* Once the last one has left, an earlier one may be found if its block stays. */
        const bool is_kept = error == INGOT_OK && stays_for_ever(history, location.height);
        if (error == INGOT_OK)
            assert_true(location.height == last || last > committed || (last < lowest && is_kept));
        else
            assert_int_equal(error, INGOT_ERROR_NOT_FOUND);
        if (last < lowest)
            assert_true(stays_for_ever(history, last) ? error == INGOT_OK
                                                      : error == INGOT_ERROR_NOT_FOUND || is_kept);
        else if (last <= committed && last + retain > committed)
            assert_int_equal(error, INGOT_OK);
    }
}

static void the_newest_blocks_stay_and_older_ones_leave_while_the_chain_grows(void **state)
{
    struct world *world = *state;
    world->options.retain_blocks = 20;
    world->options.prune_blocks_min = 4;
    world->options.apply_blocks_max = 3;
    world_open(world);
    struct history history;
    begin_history(&history, world);
    for (int i = 0; i < 200; i++) {
        grow(&history, world, NULL);
        world_sync(world);
        if (i % 10 == 9)
            expect_whole(world->ledger, &history, history.height, 20);
        if (i >= 20) {
            const uint64_t kept = history.height + 1 - ledger_lowest_height(world->ledger);
            assert_true(kept <= 20 + 8);
        }
    }
    end_history(&history);
}

/*
 * Transactions come again 31 blocks later. However that falls together with the deletion of their
 * first entry, in one batch or in several, the later block is found.
 */
static void a_transaction_that_comes_again_while_its_first_block_leaves_is_found(void **state)
{
    struct world *world = *state;
    world->options.retain_blocks = 40;
    world->options.apply_blocks_max = 3;
    world_open(world);
    struct history history;
    begin_history(&history, world);
    for (uint32_t retain = 40; retain > 20; retain--) {
        world->options.retain_blocks = retain;
        world->options.prune_blocks_min = 1 + retain % 3;
        world_restart(world);
        for (int i = 0; i < 15; i++) {
            grow(&history, world, NULL);
            world_sync(world);
        }
        expect_whole(world->ledger, &history, history.height, retain);
    }
    end_history(&history);
}

/* The replay of what is unapplied needs its blocks, however few are to be kept. */
static void what_is_unapplied_stays(void **state)
{
    struct world *world = *state;
    world->options.retain_blocks = 3;
    world->options.prune_blocks_min = 1;
    world->options.apply_blocks_max = 40;
    world->options.apply_puts_min = 1;
    world_open(world);
    struct history history;
    begin_history(&history, world);
    for (int i = 0; i < 120; i++) {
        grow(&history, world, NULL);
        world_sync(world);
        assert_true(ledger_lowest_height(world->ledger) <= ledger_applied_height(world->ledger));
        if (i % 20 == 19) {
            world_restart(world);
            struct ledger_start start = world_load(world);
            ledger_start_deinit(&start);
            expect_whole(world->ledger, &history, history.height, 3);
        }
    }
    assert_true(ledger_lowest_height(world->ledger) > 0);
    end_history(&history);
}

static void blocks_that_changed_the_set_and_their_first_children_stay_for_ever(void **state)
{
    struct world *world = *state;
    world->options.retain_blocks = 5;
    world->options.prune_blocks_min = 1;
    world->options.apply_blocks_max = 1;
    world_open(world);
    struct samples next;
    samples_init(&next, &fast_crypto, 5, 1, 9);
    struct history history;
    begin_history(&history, world);
    for (int i = 0; i < 60; i++) {
        grow(&history, world, i == 20 ? next.set : NULL);
        world_sync(world);
    }
    assert_true(ledger_lowest_height(world->ledger) > 40);
    expect_whole(world->ledger, &history, 60, 5);
    world_restart(world);
    expect_whole(world->ledger, &history, 60, 5);
    struct ledger_start start = world_load(world);
    assert_int_equal(start.set_count, 2);
    ledger_start_deinit(&start);
    /* The change, and the certificate that committed it. */
    struct ledger_entry change = {0};
    struct ledger_entry child = {0};
    assert_int_equal(ledger_read_block(world->ledger, 21, &change), INGOT_OK);
    assert_int_equal(ledger_read_block(world->ledger, 22, &child), INGOT_OK);
    assert_memory_equal(&change.block->next_validators_hash, &next.set->hash, INGOT_HASH_BYTES);
    assert_int_equal(child.block->justify->phase, PHASE_COMMIT);
    assert_memory_equal(&child.block->justify->block, &change.block->hash, INGOT_HASH_BYTES);
    ledger_entry_deinit(&change);
    ledger_entry_deinit(&child);
    end_history(&history);
    samples_deinit(&next);
}

/* Every batch may be the last, and some are lost. */
static void crash_at_any_sync(struct world *world, bool is_lazy)
{
    world->lazy_tables = is_lazy ? ledger_lazy_tables : 0;
    world->options.retain_blocks = 8;
    world->options.prune_blocks_min = 6;
    world->options.apply_blocks_max = 2;
    world_open(world);
    struct history history;
    begin_history(&history, world);
    for (int i = 0; i < 90; i++) {
        grow(&history, world, NULL);
        if (i % 7 == 6) {
            ingot_store_memory_fail_commit(world->store, 1,
                                           i % 2 == 0 ? STORE_MEMORY_FAILED_LOST
                                                      : STORE_MEMORY_FAILED_APPLIED);
            assert_int_equal(ledger_sync(world->ledger), INGOT_ERROR_UNKNOWN_OUTCOME);
            world_restart(world);
            if (ledger_committed_height(world->ledger) < history.height)
                ledger_entry_deinit(&history.entries[history.height--]);
        } else {
            world_sync(world);
        }
        if (i % 5 == 4)
            ingot_store_memory_settle(world->store);
        struct ingot_store *durable = ingot_store_memory_clone_durable(world->store);
        struct ledger *ledger = NULL;
        assert_int_equal(
            ledger_open(durable, &world->options, &ledger, world->why, sizeof world->why),
            INGOT_OK);
        expect_whole(ledger, &history, history.height, 8);
        ledger_free(ledger);
        ingot_store_close(durable);
    }
    assert_true(ledger_lowest_height(world->ledger) > 60);
    end_history(&history);
}

static void a_crash_at_any_sync_leaves_a_whole_ledger(void **state)
{
    crash_at_any_sync(*state, false);
}

/* A start needs the blocks whose updates the state may lack again. */
static void a_crash_that_takes_the_state_back_leaves_a_whole_ledger(void **state)
{
    crash_at_any_sync(*state, true);
}

static void a_restart_may_keep_fewer_blocks_or_more_or_all(void **state)
{
    struct world *world = *state;
    static const struct {
        uint64_t retain;
        bool index;
    } rows[] = {{0, true}, {30, true}, {10, false}, {50, true}, {0, true}, {10, true}};
    world->options.prune_blocks_min = 2;
    world->options.apply_blocks_max = 2;
    struct history history;
    begin_history(&history, world);
    uint64_t lowest = 0;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        world->options.retain_blocks = rows[i].retain;
        if (i == 0)
            world_open(world);
        else
            world_restart(world);
        for (int j = 0; j < 60; j++) {
            grow(&history, world, NULL);
            world_sync(world);
            assert_true(ledger_lowest_height(world->ledger) >= lowest);
            if (rows[i].retain == 0)
                assert_int_equal(ledger_lowest_height(world->ledger), lowest);
            lowest = ledger_lowest_height(world->ledger);
        }
        expect_whole(world->ledger, &history, history.height,
                     rows[i].retain > 0 ? rows[i].retain : 1);
        if (rows[i].retain > 0)
            assert_true(history.height + 1 - lowest <= rows[i].retain + 6 || rows[i].retain == 50);
    }
    end_history(&history);
}

static void a_long_chain_is_first_pruned_in_many_small_steps(void **state)
{
    struct world *world = *state;
    world->options.apply_blocks_max = 10;
    world_open(world);
    struct history history;
    begin_history(&history, world);
    while (history.height < 350) {
        for (int i = 0; i < 10; i++)
            grow(&history, world, NULL);
        world_sync(world);
    }
    world->options.retain_blocks = 10;
    world->options.prune_blocks_min = 1;
    world_restart(world);
    uint64_t lowest = 0;
    int syncs = 0;
    while (lowest < 330) {
        grow(&history, world, NULL);
        world_sync(world);
        /* Half a megabyte of blocks of 5 KiB, as they count. */
        assert_true(ledger_lowest_height(world->ledger) - lowest <= 120);
        lowest = ledger_lowest_height(world->ledger);
        assert_true(++syncs < 40);
    }
    assert_true(syncs >= 6);
    expect_whole(world->ledger, &history, history.height, 10);
    end_history(&history);
}

/* What an earlier run indexed leaves with its blocks, or it would point to nothing for ever. */
static void an_index_that_is_kept_no_more_leaves_with_its_blocks(void **state)
{
    struct world *world = *state;
    world->options.apply_blocks_max = 1;
    world_open(world);
    struct history history;
    begin_history(&history, world);
    for (int i = 0; i < 20; i++) {
        grow(&history, world, NULL);
        world_sync(world);
    }
    world->options.index_transactions = false;
    world->options.retain_blocks = 5;
    world->options.prune_blocks_min = 1;
    world_restart(world);
    for (int i = 0; i < 30; i++) {
        grow(&history, world, NULL);
        world_sync(world);
    }
    assert_true(ledger_lowest_height(world->ledger) > 20);
    bool has_index = true;
    assert_int_equal(ledger_find_index(world->ledger, &has_index), INGOT_OK);
    assert_false(has_index);
    end_history(&history);
}

static void an_old_block_that_does_not_read_back_stops_the_pruning_and_nothing_else(void **state)
{
    struct world *world = *state;
    world->options.apply_blocks_max = 1;
    world_open(world);
    struct history history;
    begin_history(&history, world);
    for (int i = 0; i < 10; i++) {
        grow(&history, world, NULL);
        world_sync(world);
    }
    const struct block *damaged = history.entries[4].block;
    uint8_t key[LEDGER_BLOCK_KEY_BYTES];
    ledger_block_key(4, &damaged->hash, key);
    struct ingot_store_batch *batch = ingot_store_batch_begin(world->store);
    ingot_store_batch_put(batch, LEDGER_BLOCKS, ingot_slice_of(key, sizeof key), text("damage"));
    assert_int_equal(ingot_store_batch_commit(batch), INGOT_OK);
    world->options.retain_blocks = 5;
    world->options.prune_blocks_min = 1;
    world_restart(world);
    for (int i = 0; i < 20; i++) {
        grow(&history, world, NULL);
        world_sync(world);
    }
    assert_int_equal(ledger_committed_height(world->ledger), 30);
    assert_true(ledger_lowest_height(world->ledger) <= 4);
    end_history(&history);
}

/* --- The file. --- */

/* Commits blocks of about 8 KiB, ten in each batch. Returns the last; the caller owns it. */
static struct block *write_blocks(struct world *world, struct block *parent, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        char change[64];
        snprintf(change, sizeof change, "key-%llu=value",
                 (unsigned long long)(parent->height % 50));
        const char *changes = change;
        struct ledger_entry entry = world_entry(world, parent, parent->view + 1, 16, &changes, 1);
        ingot_buffer_clear(&entry.block->payload);
        for (uint32_t j = 0; j < 16; j++) {
            uint8_t transaction[600] = {(uint8_t)j};
            memcpy(transaction + 1, &entry.block->height, sizeof entry.block->height);
            const uint32_t size = (uint32_t)(300 + (entry.block->height * 37 + j * 11) % 300);
            ingot_buffer_append_u32(&entry.block->payload, size);
            ingot_buffer_append(&entry.block->payload, transaction, size);
        }
        wire_seal_block(entry.block);
        world_put(world, &entry);
        world_commit(world, &entry);
        if (i % 10 == 9)
            world_sync(world);
        block_unref(parent);
        parent = block_ref(entry.block);
        ledger_entry_deinit(&entry);
    }
    return parent;
}

static uint64_t used_bytes(const struct world *world)
{
    struct store_lmdb_stats stats;
    store_lmdb_get_stats(world->store, &stats);
    return stats.used_bytes;
}

static void the_file_stops_growing_while_the_chain_goes_on(void **state)
{
    struct world *world = *state;
    world->options.retain_blocks = 100;
    world->options.prune_blocks_min = 20;
    world->options.apply_blocks_max = 20;
    world_open(world);
    struct block *tip = write_blocks(world, block_ref(world->genesis), 500);
    const uint64_t early = used_bytes(world);
    tip = write_blocks(world, tip, 2500);
    const uint64_t late = used_bytes(world);
    print_message("used after 500 blocks %llu, after 3000 %llu bytes\n", (unsigned long long)early,
                  (unsigned long long)late);
    assert_true(ledger_lowest_height(world->ledger) > 2800);
    assert_true(late <= early + early / 10);
    block_unref(tip);
}

int main(void)
{
    if (!crypto_init())
        return 1;
    log_configure(LOG_PLAIN, LOG_NONE);
    const struct CMUnitTest tests[] = {
        WORLD_MEMORY(the_newest_blocks_stay_and_older_ones_leave_while_the_chain_grows),
        WORLD_MEMORY(a_transaction_that_comes_again_while_its_first_block_leaves_is_found),
        WORLD_MEMORY(what_is_unapplied_stays),
        WORLD_MEMORY(blocks_that_changed_the_set_and_their_first_children_stay_for_ever),
        WORLD_MEMORY(a_crash_at_any_sync_leaves_a_whole_ledger),
        WORLD_MEMORY(a_crash_that_takes_the_state_back_leaves_a_whole_ledger),
        WORLD_MEMORY(a_restart_may_keep_fewer_blocks_or_more_or_all),
        WORLD_MEMORY(a_long_chain_is_first_pruned_in_many_small_steps),
        WORLD_MEMORY(an_index_that_is_kept_no_more_leaves_with_its_blocks),
        WORLD_MEMORY(an_old_block_that_does_not_read_back_stops_the_pruning_and_nothing_else),
        WORLD_DISK(the_newest_blocks_stay_and_older_ones_leave_while_the_chain_grows),
        WORLD_DISK(the_file_stops_growing_while_the_chain_goes_on),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
