/*
 * Goal: the ledger's table of attestations shares batch and sync with the chain, gives back what is
 * durable and whole, and holds blocks back from pruning. Method: a ledger on each store.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "lib/ledger_world.h"
#include "node/ledger_attest.h"
#include "node/ledger_internal.h"

static struct ingot_slice text_of(const char *text)
{
    return ingot_slice_of_text(text);
}

static void assert_record(struct world *world, const char *key, const char *expected)
{
    struct ingot_slice content;
    const enum ingot_error error = ledger_get_attest(world->ledger, text_of(key), &content);
    if (expected == NULL) {
        assert_int_equal(error, INGOT_ERROR_NOT_FOUND);
        return;
    }
    assert_int_equal(error, INGOT_OK);
    assert_true(ingot_slice_equal(content, text_of(expected)));
}

static void records_are_there_once_they_are_durable_and_not_before(void **state)
{
    struct world *world = *state;
    world_open(world);
    const uint64_t batch = ledger_batch_number(world->ledger);
    ledger_put_attest(world->ledger, text_of("one"), text_of("first"));
    ledger_put_attest(world->ledger, text_of("two"), text_of(""));
    assert_true(ledger_has_changes(world->ledger));
    assert_int_equal(ledger_batch_number(world->ledger), batch);
    assert_record(world, "one", NULL);
    world_sync(world);
    assert_int_equal(ledger_batch_number(world->ledger), batch + 1);
    world_sync(world); /* nothing to do */
    assert_int_equal(ledger_batch_number(world->ledger), batch + 1);
    world_restart(world);
    assert_record(world, "one", "first");
    assert_record(world, "two", "");
    ledger_delete_attest(world->ledger, text_of("one"));
    world_sync(world);
    assert_record(world, "one", NULL);
}

static void seeking_finds_the_next_key(void **state)
{
    struct world *world = *state;
    struct ingot_slice key;
    struct ingot_slice content;
    world_open(world);
    ledger_put_attest(world->ledger, text_of("b"), text_of("at b"));
    world_sync(world);
    assert_int_equal(ledger_seek_attest(world->ledger, text_of("a"), &key, &content), INGOT_OK);
    assert_true(ingot_slice_equal(key, text_of("b")));
    assert_true(ingot_slice_equal(content, text_of("at b")));
    assert_int_equal(ledger_seek_attest(world->ledger, text_of("c"), &key, &content),
                     INGOT_ERROR_NOT_FOUND);
}

static void a_record_that_was_changed_or_moved_is_damage(void **state)
{
    struct world *world = *state;
    struct ingot_slice content;
    struct ingot_slice key;
    world_open(world);
    ledger_put_attest(world->ledger, text_of("one"), text_of("first"));
    world_sync(world);
    struct ingot_buffer record = {0};
    record_seal(&world->ledger->chain, LEDGER_ATTEST, text_of("one"), text_of("first"), &record);
    ingot_store_batch_put(ledger_open_batch(world->ledger), LEDGER_ATTEST, text_of("two"),
                          ingot_buffer_slice(&record));
    record.data[record.size - 1] ^= 1;
    ingot_store_batch_put(ledger_open_batch(world->ledger), LEDGER_ATTEST, text_of("three"),
                          ingot_buffer_slice(&record));
    world_sync(world);
    assert_record(world, "one", "first");
    assert_int_equal(ledger_get_attest(world->ledger, text_of("two"), &content),
                     INGOT_ERROR_CORRUPT);
    assert_int_equal(ledger_seek_attest(world->ledger, text_of("three"), &key, &content),
                     INGOT_ERROR_CORRUPT);
    ingot_buffer_deinit(&record);
}

static void blocks_that_are_held_are_not_pruned(void **state)
{
    struct world *world = *state;
    world->options.retain_blocks = 4;
    world->options.prune_blocks_min = 1;
    world->options.apply_blocks_max = 1;
    world_open(world);
    struct block *tip = block_ref(world->genesis);
    for (uint64_t height = 1; height <= 40; height++) {
        struct ledger_entry entry = world_child(world, tip, "key=value");
        world_put(world, &entry);
        world_commit(world, &entry);
        world_sync(world);
        block_unref(tip);
        tip = block_ref(entry.block);
        ledger_entry_deinit(&entry);
        if (height == 20) {
            ledger_hold_blocks(world->ledger, 18);
        }
        assert_true(height < 21 || ledger_lowest_height(world->ledger) <= 18);
    }
    assert_int_equal(ledger_lowest_height(world->ledger), 18);
    ledger_hold_blocks(world->ledger, 100);
    struct ledger_entry entry = world_child(world, tip, "key=value");
    world_put(world, &entry);
    world_commit(world, &entry);
    world_sync(world);
    assert_true(ledger_lowest_height(world->ledger) > 18);
    ledger_entry_deinit(&entry);
    block_unref(tip);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        WORLD_MEMORY(records_are_there_once_they_are_durable_and_not_before),
        WORLD_DISK(records_are_there_once_they_are_durable_and_not_before),
        WORLD_MEMORY(seeking_finds_the_next_key),
        WORLD_DISK(seeking_finds_the_next_key),
        WORLD_MEMORY(a_record_that_was_changed_or_moved_is_damage),
        WORLD_DISK(a_record_that_was_changed_or_moved_is_damage),
        WORLD_MEMORY(blocks_that_are_held_are_not_pruned),
        WORLD_DISK(blocks_that_are_held_are_not_pruned),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
