/*
 * What the ledger writes, over both stores: blocks, the safety record, commits, the state that is
 * applied late, the index. The tests keep what they wrote and compare it, as bytes, with what a
 * restart gives back. Crashes in mid-step and damage have files of their own.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/log.h"
#include "lib/ledger_world.h"
#include "lib/storage_test.h"
#include "node/ledger_internal.h"
#include "storage/memory.h"
#include "wire/wire.h"

static void an_empty_store_is_given_the_genesis_state(void **state)
{
    struct world *world = *state;
    world_open(world);
    world_restart(world);
    assert_int_equal(ledger_committed_height(world->ledger), 0);
    assert_int_equal(ledger_applied_height(world->ledger), 0);
    assert_int_equal(ledger_lowest_height(world->ledger), 0);
    assert_false(ledger_has_changes(world->ledger));
    struct ledger_start start = world_load(world);
    assert_memory_equal(&start.last_committed.block->hash, &world->genesis->hash, 32);
    assert_null(start.last_committed.execution);
    assert_int_equal(start.unapplied_count, 0);
    assert_int_equal(start.uncommitted_count, 0);
    assert_int_equal(start.set_count, 1);
    assert_memory_equal(&start.sets[0]->hash, &world->samples.set->hash, 32);
    assert_true(qc_is_genesis(start.safety.high_qc));
    assert_int_equal(start.safety.current.view, 1);
    assert_false(start.safety.has_vote);
    ledger_start_deinit(&start);
    struct ledger_entry genesis;
    assert_int_equal(ledger_read_block(world->ledger, 0, &genesis), INGOT_OK);
    assert_int_equal(genesis.block->height, 0);
    ledger_entry_deinit(&genesis);
    assert_int_equal(ledger_read_block(world->ledger, 1, &genesis), INGOT_ERROR_NOT_FOUND);
}

static void what_was_written_is_what_a_restart_reads(void **state)
{
    struct world *world = *state;
    world_open(world);
    struct ledger_entry first = world_child(world, world->genesis, "a=1");
    struct ledger_entry second = world_child(world, first.block, "b=2");
    struct ledger_entry fork = world_entry(world, first.block, 9, 3, NULL, 0);
    struct ledger_entry third = world_child(world, second.block, "a");
    for (int has_tc = 0; has_tc < 2; has_tc++) {
        struct core_safety safety = world_safety(world, third.block, has_tc == 1);
        if (has_tc == 0) {
            world_put(world, &first);
            world_put(world, &second);
            world_put(world, &fork);
            world_put(world, &third);
            world_commit(world, &first);
        }
        ledger_put_safety(world->ledger, &safety);
        assert_true(ledger_has_changes(world->ledger));
        world_sync(world);
        assert_false(ledger_has_changes(world->ledger));
        world_restart(world);
        struct ledger_start start = world_load(world);
        world_assert_same_safety(&start.safety, &safety);
        assert_int_equal(start.safety.high_tc != NULL, has_tc);
        world_assert_same_entry(&start.last_committed, &first);
        assert_int_equal(start.unapplied_count, 1);
        world_assert_same_entry(&start.unapplied[0], &first);
        assert_int_equal(start.uncommitted_count, 3);
        world_assert_same_entry(&start.uncommitted[2], &third);
        bool fork_is_first = start.uncommitted[0].block->view == 9;
        world_assert_same_entry(&start.uncommitted[fork_is_first ? 0 : 1], &fork);
        world_assert_same_entry(&start.uncommitted[fork_is_first ? 1 : 0], &second);
        ledger_start_deinit(&start);
        /* A second load of the same ledger gives the same. */
        start = world_load(world);
        world_assert_same_entry(&start.unapplied[0], &first);
        ledger_start_deinit(&start);
        core_safety_deinit(&safety);
    }
    ledger_entry_deinit(&first);
    ledger_entry_deinit(&second);
    ledger_entry_deinit(&fork);
    ledger_entry_deinit(&third);
}

static void committing_moves_the_height_and_makes_the_block_readable(void **state)
{
    struct world *world = *state;
    world_open(world);
    struct ledger_entry first = world_child(world, world->genesis, "a=1");
    struct ledger_entry second = world_child(world, first.block, "a=2");
    world_put(world, &first);
    world_put(world, &second);
    world_commit(world, &first);
    struct ledger_entry read;
    assert_int_equal(ledger_committed_height(world->ledger), 0);
    assert_int_equal(ledger_read_block(world->ledger, 1, &read), INGOT_ERROR_NOT_FOUND);
    world_sync(world);
    for (int round = 0; round < 2; round++) {
        assert_int_equal(ledger_committed_height(world->ledger), 1);
        assert_int_equal(ledger_read_block(world->ledger, 1, &read), INGOT_OK);
        world_assert_same_entry(&read, &first);
        ledger_entry_deinit(&read);
        assert_int_equal(ledger_read_block(world->ledger, 2, &read), INGOT_ERROR_NOT_FOUND);
        world_restart(world);
    }
    world_commit(world, &second);
    world_sync(world);
    assert_int_equal(ledger_committed_height(world->ledger), 2);
    ledger_entry_deinit(&first);
    ledger_entry_deinit(&second);
}

static void abandoned_blocks_are_gone_after_a_restart(void **state)
{
    struct world *world = *state;
    world_open(world);
    struct ledger_entry first = world_child(world, world->genesis, "a=1");
    struct ledger_entry fork = world_entry(world, world->genesis, 5, 1, NULL, 0);
    struct ledger_entry fork_child = world_child(world, fork.block, "b=1");
    world_put(world, &first);
    world_put(world, &fork);
    world_put(world, &fork_child);
    world_sync(world);
    world_commit(world, &first);
    ledger_delete_block(world->ledger, fork_child.block);
    ledger_delete_block(world->ledger, fork.block);
    world_sync(world);
    world_restart(world);
    struct ledger_start start = world_load(world);
    assert_int_equal(start.uncommitted_count, 0);
    world_assert_same_entry(&start.last_committed, &first);
    ledger_start_deinit(&start);
    ledger_entry_deinit(&first);
    ledger_entry_deinit(&fork);
    ledger_entry_deinit(&fork_child);
}

/* Five blocks, applied at the latest after three; every read is made before and after a restart. */
static void state_is_applied_late_and_all_of_it_is_always_there(void **state)
{
    struct world *world = *state;
    static const char *const changes[] = {"k=1", "k=2", "other=x", "k", "k=5"};
    static const char *const k_applied[] = {NULL, NULL, "2", "2", "2"};
    static const uint64_t applied[] = {0, 0, 3, 3, 3};
    world->options.apply_blocks_max = 3;
    world_open(world);
    struct block *parent = block_ref(world->genesis);
    for (uint32_t i = 0; i < 5; i++) {
        struct ledger_entry entry = world_child(world, parent, changes[i]);
        world_put(world, &entry);
        world_commit(world, &entry);
        world_sync(world);
        for (int round = 0; round < 2; round++) {
            assert_int_equal(ledger_applied_height(world->ledger), applied[i]);
            world_assert_state(world, "k", k_applied[i]);
            world_assert_state(world, "other", i >= 2 ? "x" : NULL);
            struct ledger_start start = world_load(world);
            assert_int_equal(start.applied_height, applied[i]);
            assert_int_equal(start.unapplied_count, i + 1 - applied[i]);
            if (start.unapplied_count > 0)
                world_assert_same_entry(&start.unapplied[start.unapplied_count - 1], &entry);
            ledger_start_deinit(&start);
            world_restart(world);
        }
        block_unref(parent);
        parent = block_ref(entry.block);
        ledger_entry_deinit(&entry);
    }
    struct ledger_entry last = world_child(world, parent, "z=1");
    world_put(world, &last);
    world_commit(world, &last);
    world_sync(world);
    assert_int_equal(ledger_applied_height(world->ledger), 6);
    world_assert_state(world, "k", "5");
    world_assert_state(world, "z", "1");
    block_unref(parent);
    ledger_entry_deinit(&last);
}

static void a_key_deleted_last_is_not_in_the_state(void **state)
{
    struct world *world = *state;
    static const char *const changes[] = {"k=1", "k", "k=3", "k"};
    world->options.apply_blocks_max = 4;
    world_open(world);
    struct block *parent = block_ref(world->genesis);
    for (uint32_t i = 0; i < 4; i++) {
        struct ledger_entry entry = world_child(world, parent, changes[i]);
        world_put(world, &entry);
        world_commit(world, &entry);
        world_sync(world);
        block_unref(parent);
        parent = block_ref(entry.block);
        ledger_entry_deinit(&entry);
    }
    block_unref(parent);
    assert_int_equal(ledger_applied_height(world->ledger), 4);
    world_assert_state(world, "k", NULL);
}

static void state_is_applied_early_when_updates_are_large(void **state)
{
    struct world *world = *state;
    world->options.apply_bytes_max = 1;
    world_open(world);
    struct ledger_entry entry = world_child(world, world->genesis, "k=1");
    world_put(world, &entry);
    world_commit(world, &entry);
    world_sync(world);
    assert_int_equal(ledger_applied_height(world->ledger), 1);
    world_assert_state(world, "k", "1");
    ledger_entry_deinit(&entry);
}

static void the_state_is_walked_in_order_of_keys(void **state)
{
    struct world *world = *state;
    static const char *const changes[] = {"a=1", "b=2", "c=3", "d=4"};
    world->options.apply_blocks_max = 1;
    world_open(world);
    struct ledger_entry entry = world_entry(world, world->genesis, 1, 1, changes, 4);
    world_put(world, &entry);
    world_commit(world, &entry);
    world_sync(world);
    struct ledger_state_cursor *cursor = NULL;
    struct ingot_slice key;
    struct ingot_slice value;
    assert_int_equal(ledger_state_seek(world->ledger, text("aa"), &cursor), INGOT_OK);
    for (int i = 1; i < 4; i++) {
        assert_true(ledger_state_next(cursor, &key, &value));
        assert_true(key.data[0] == (uint8_t)changes[i][0]);
        assert_true(value.data[0] == (uint8_t)changes[i][2]);
    }
    assert_false(ledger_state_next(cursor, &key, &value));
    assert_false(ledger_state_next(cursor, &key, &value));
    assert_int_equal(ledger_state_error(cursor), INGOT_OK);
    ledger_state_cursor_free(cursor);
    assert_int_equal(ledger_state_seek(world->ledger, text("x"), &cursor), INGOT_OK);
    assert_false(ledger_state_next(cursor, &key, &value));
    assert_int_equal(ledger_state_error(cursor), INGOT_OK);
    ledger_state_cursor_free(cursor);
    ledger_entry_deinit(&entry);
}

static void assert_found(struct world *world, const struct block *block, uint32_t index,
                         enum ingot_error expected)
{
    struct ingot_slice rest = ingot_buffer_slice(&block->payload);
    struct ingot_slice transaction = {0};
    for (uint32_t i = 0; i <= index; i++)
        assert_true(payload_next(&rest, &transaction));
    uint8_t sha256[32];
    crypto_sha256(transaction, sha256);
    struct ledger_location location;
    assert_int_equal(ledger_find_transaction(world->ledger, sha256, &location), expected);
    if (expected == INGOT_OK) {
        assert_int_equal(location.height, block->height);
        assert_int_equal(location.index, index);
    }
}

static void a_committed_transaction_is_found_before_and_after_it_is_applied(void **state)
{
    struct world *world = *state;
    const char *const change = "a=1";
    world->options.apply_blocks_max = 2;
    world_open(world);
    struct ledger_entry first = world_entry(world, world->genesis, 1, 3, &change, 1);
    /* samples_block fills transactions by height and index; a block without any is fine too. */
    struct ledger_entry second = world_entry(world, first.block, 2, 0, NULL, 0);
    world_put(world, &first);
    world_sync(world);
    assert_found(world, first.block, 1, INGOT_ERROR_NOT_FOUND);
    world_commit(world, &first);
    assert_found(world, first.block, 1, INGOT_ERROR_NOT_FOUND);
    world_sync(world);
    for (uint64_t applied = 0; applied <= 2; applied += 2) {
        for (int round = 0; round < 2; round++) {
            assert_int_equal(ledger_applied_height(world->ledger), applied);
            for (uint32_t i = 0; i < 3; i++)
                assert_found(world, first.block, i, INGOT_OK);
            world_restart(world);
        }
        if (applied == 0) {
            world_put(world, &second);
            world_commit(world, &second);
            world_sync(world);
        }
    }
    uint8_t unknown[32] = {0};
    struct ledger_location location;
    assert_int_equal(ledger_find_transaction(world->ledger, unknown, &location),
                     INGOT_ERROR_NOT_FOUND);
    ledger_entry_deinit(&first);
    ledger_entry_deinit(&second);
}

/* An App that keeps nothing, empty blocks: there is no state to wait for. */
static void blocks_that_change_no_state_are_applied_at_once(void **state)
{
    struct world *world = *state;
    const char *const change = "a=1";
    world_open(world);
    struct ledger_entry first = world_entry(world, world->genesis, 1, 3, NULL, 0);
    struct ledger_entry second = world_entry(world, first.block, 2, 3, &change, 1);
    struct ledger_entry third = world_entry(world, second.block, 3, 3, NULL, 0);
    struct ledger_entry *entries[] = {&first, &second, &third};
    for (uint32_t i = 0; i < 3; i++) {
        world_put(world, entries[i]);
        world_commit(world, entries[i]);
        world_sync(world);
        /* What comes behind a change waits with it. */
        assert_int_equal(ledger_applied_height(world->ledger), 1);
        assert_int_equal(ledger_committed_height(world->ledger), i + 1);
    }
    world_restart(world);
    assert_int_equal(ledger_applied_height(world->ledger), 1);
    for (uint32_t i = 0; i < 3; i++)
        ledger_entry_deinit(entries[i]);
}

static void without_an_index_no_transaction_is_found(void **state)
{
    struct world *world = *state;
    world->options.index_transactions = false;
    world_open(world);
    struct ledger_entry first = world_child(world, world->genesis, "a=1");
    world_put(world, &first);
    world_commit(world, &first);
    world_sync(world);
    assert_found(world, first.block, 0, INGOT_ERROR_NOT_FOUND);
    ledger_entry_deinit(&first);
}

static uint64_t reads_of_a_start(struct world *world, uint32_t blocks)
{
    world_open(world);
    struct block *parent = block_ref(world->genesis);
    for (uint32_t i = 0; i < blocks; i++) {
        struct ledger_entry entry = world_child(world, parent, "k=v");
        world_put(world, &entry);
        world_commit(world, &entry);
        world_sync(world);
        block_unref(parent);
        parent = block_ref(entry.block);
        ledger_entry_deinit(&entry);
    }
    block_unref(parent);
    world_restart(world);
    struct ledger_start start = world_load(world);
    assert_int_equal(start.last_committed.block->height, blocks);
    assert_int_equal(start.unapplied_count, 2);
    ledger_start_deinit(&start);
    struct ingot_store_memory_counters counters;
    ingot_store_memory_get_counters(world->store, &counters);
    return counters.gets + counters.cursor_moves;
}

static void a_start_reads_as_much_of_a_long_chain_as_of_a_short_one(void **state)
{
    struct world *world = *state;
    world->options.apply_blocks_max = 8;
    world->options.index_entries_max = 16;
    struct world *longer = world_new(false);
    longer->options = world->options;
    longer->options.genesis = longer->genesis;
    longer->options.genesis_set = longer->samples.set;
    const uint64_t reads = reads_of_a_start(world, 10);
    assert_int_equal(reads_of_a_start(longer, 10002), reads);
    assert_true(reads < 25);
    void *longer_state = longer;
    world_tear_down(&longer_state);
}

#define MEMORY(test) {

int main(void)
{
    if (!crypto_init())
        return 1;
    log_configure(LOG_PLAIN, LOG_NONE);
    const struct CMUnitTest tests[] = {
        WORLD_MEMORY(an_empty_store_is_given_the_genesis_state),
        WORLD_DISK(an_empty_store_is_given_the_genesis_state),
        WORLD_MEMORY(what_was_written_is_what_a_restart_reads),
        WORLD_DISK(what_was_written_is_what_a_restart_reads),
        WORLD_MEMORY(committing_moves_the_height_and_makes_the_block_readable),
        WORLD_DISK(committing_moves_the_height_and_makes_the_block_readable),
        WORLD_MEMORY(abandoned_blocks_are_gone_after_a_restart),
        WORLD_DISK(abandoned_blocks_are_gone_after_a_restart),
        WORLD_MEMORY(state_is_applied_late_and_all_of_it_is_always_there),
        WORLD_DISK(state_is_applied_late_and_all_of_it_is_always_there),
        WORLD_MEMORY(a_key_deleted_last_is_not_in_the_state),
        WORLD_MEMORY(state_is_applied_early_when_updates_are_large),
        WORLD_MEMORY(the_state_is_walked_in_order_of_keys),
        WORLD_DISK(the_state_is_walked_in_order_of_keys),
        WORLD_MEMORY(a_committed_transaction_is_found_before_and_after_it_is_applied),
        WORLD_DISK(a_committed_transaction_is_found_before_and_after_it_is_applied),
        WORLD_MEMORY(blocks_that_change_no_state_are_applied_at_once),
        WORLD_MEMORY(without_an_index_no_transaction_is_found),
        WORLD_MEMORY(a_start_reads_as_much_of_a_long_chain_as_of_a_short_one),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
