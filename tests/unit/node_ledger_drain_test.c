/*
 * Committed updates and index entries go into the tables a part at a time. Whatever part is there,
 * and whenever the process dies, a reader that looks at the unapplied blocks first sees the state
 * of the last committed block, and finds every transaction.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "lib/ledger_world.h"
#include "wire/crypto.h"

#define BLOCKS 60
#define KEYS 17
#define CHANGES 4

/* The block that changed a key last: each changes four neighbours, and every fifth deletes one. */
static uint32_t key_of(uint32_t block, uint32_t change)
{
    return (block * 3 + change) % KEYS;
}

static bool is_deleted(uint32_t block, uint32_t change)
{
    return block % 5 == 0 && change == 0;
}

static struct ledger_entry make_block(const struct world *world, const struct block *parent,
                                      uint32_t number)
{
    char texts[CHANGES][24];
    const char *changes[CHANGES];
    uint32_t count = 0;
    for (uint32_t key = 0; key < KEYS; key++) {
        for (uint32_t i = 0; i < CHANGES; i++) {
            if (key_of(number, i) != key)
                continue;
            if (is_deleted(number, i))
                snprintf(texts[count], sizeof texts[count], "key-%02u", key);
            else
                snprintf(texts[count], sizeof texts[count], "key-%02u=%u", key, number);
            changes[count] = texts[count];
            count++;
        }
    }
    return world_entry(world, parent, parent->view + 1, 2, changes, count);
}

/* The transactions that the samples make repeat after more blocks than that. */
#define DISTINCT_BLOCKS 30

/* Among the unapplied blocks, the highest first, and then in the table. */
static void read_key(struct world *world, const struct ledger_start *start, const char *key,
                     char *value, size_t size)
{
    const struct ingot_slice wanted = ingot_slice_of_text(key);
    struct ingot_slice found = {0};
    value[0] = '\0';
    for (uint32_t i = start->unapplied_count; i-- > 0;) {
        const struct execution *execution = start->unapplied[i].execution;
        for (uint32_t j = 0; j < execution->update_count; j++) {
            const struct state_update update = execution_update(execution, j);
            if (!ingot_slice_equal(update.key, wanted))
                continue;
            if (!update.is_delete)
                snprintf(value, size, "%.*s", (int)update.value.size,
                         (const char *)update.value.data);
            return;
        }
    }
    if (ledger_state_get(world->ledger, wanted, &found) == INGOT_OK)
        snprintf(value, size, "%.*s", (int)found.size, (const char *)found.data);
}

static void expect_state(struct world *world, uint32_t height)
{
    struct ledger_start start = world_load(world);
    for (uint32_t key = 0; key < KEYS; key++) {
        char name[24];
        char found[24];
        char expected[24] = "";
        for (uint32_t block = 1; block <= height; block++)
            for (uint32_t i = 0; i < CHANGES; i++)
                if (key_of(block, i) == key && is_deleted(block, i))
                    expected[0] = '\0';
                else if (key_of(block, i) == key)
                    snprintf(expected, sizeof expected, "%u", block);
        snprintf(name, sizeof name, "key-%02u", key);
        read_key(world, &start, name, found, sizeof found);
        assert_string_equal(found, expected);
    }
    ledger_start_deinit(&start);
}

static void expect_transactions(struct world *world, const struct block *block)
{
    struct ingot_slice rest = ingot_buffer_slice(&block->payload);
    struct ingot_slice transaction;
    for (uint32_t i = 0; payload_next(&rest, &transaction); i++) {
        struct ledger_location location = {0};
        uint8_t sha256[32];
        crypto_sha256(transaction, sha256);
        assert_int_equal(ledger_find_transaction(world->ledger, sha256, &location), INGOT_OK);
        assert_int_equal(location.height, block->height);
        assert_int_equal(location.index, i);
    }
}

static void readers_see_the_last_block_while_its_state_drains_into_the_tables(void **state)
{
    struct world *world = *state;
    struct block *blocks[BLOCKS + 1] = {block_ref(world->genesis)};
    uint32_t moves = 0;
    uint64_t lag_max = 0;
    world->options.apply_blocks_max = 12;
    world->options.apply_puts_min = 1;
    world->options.index_transactions = true;
    world_open(world);
    for (uint32_t height = 1; height <= BLOCKS; height++) {
        struct ledger_entry entry = make_block(world, blocks[height - 1], height);
        const uint64_t before = ledger_applied_height(world->ledger);
        world_put(world, &entry);
        world_commit(world, &entry);
        world_sync(world);
        assert_true(ledger_applied_height(world->ledger) >= before);
        moves += ledger_applied_height(world->ledger) > before;
        /* Blocks that wait are bounded: as much goes out as comes in. */
        const uint64_t lag = height - ledger_applied_height(world->ledger);
        assert_true(lag <= 14);
        lag_max = lag > lag_max ? lag : lag_max;
        expect_state(world, height);
        blocks[height] = block_ref(entry.block);
        for (uint32_t i = height > DISTINCT_BLOCKS ? height - DISTINCT_BLOCKS : 1; i <= height; i++)
            expect_transactions(world, blocks[i]);
        ledger_entry_deinit(&entry);
    }
    for (uint32_t i = 0; i <= BLOCKS; i++)
        block_unref(blocks[i]);
    /* It comes around again and again, and takes several steps each time. */
    assert_true(moves > 3);
    assert_true(lag_max > 5);
}

/* Each start begins again with what is unapplied; the parts that are there do no harm. */
static void a_process_that_dies_again_and_again_still_reads_the_last_block(void **state)
{
    struct world *world = *state;
    world->options.apply_blocks_max = 5;
    struct block *blocks[BLOCKS + 1] = {block_ref(world->genesis)};
    world->options.index_transactions = true;
    for (uint32_t height = 1; height <= BLOCKS; height++) {
        /* Fewer at a time than come in: without a restart in between, it would never end. */
        world->options.apply_puts_min = height % 7 == 0 ? 1000 : 1;
        if (height == 1)
            world_open(world);
        else
            world_restart(world);
        struct ledger_entry entry = make_block(world, blocks[height - 1], height);
        world_put(world, &entry);
        world_commit(world, &entry);
        world_sync(world);
        expect_state(world, height);
        world_restart(world);
        expect_state(world, height);
        blocks[height] = block_ref(entry.block);
        for (uint32_t i = height > DISTINCT_BLOCKS ? height - DISTINCT_BLOCKS : 1; i <= height; i++)
            expect_transactions(world, blocks[i]);
        ledger_entry_deinit(&entry);
    }
    assert_true(ledger_applied_height(world->ledger) >= BLOCKS - 7);
    for (uint32_t i = 0; i <= BLOCKS; i++)
        block_unref(blocks[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        WORLD_MEMORY(readers_see_the_last_block_while_its_state_drains_into_the_tables),
        WORLD_DISK(readers_see_the_last_block_while_its_state_drains_into_the_tables),
        WORLD_MEMORY(a_process_that_dies_again_and_again_still_reads_the_last_block),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
