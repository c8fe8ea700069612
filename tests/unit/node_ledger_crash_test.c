/*
 * The ledger when the process dies between any two calls, and when the store does not take what it
 * is given. On memory, where a copy of what is durable can be had at any moment.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/log.h"
#include "lib/fast_crypto.h"
#include "lib/ledger_world.h"
#include "lib/storage_test.h"
#include "storage/memory.h"

#define CHAIN_BLOCKS_MAX 64

/* What a restart must find after the steps up to and including the last sync. */
struct expectation {
    uint64_t committed;
    uint32_t uncommitted;
    uint64_t voted_view;
};

static void assert_restart_finds(const struct world *world, struct ingot_store *durable,
                                 const struct expectation *expected)
{
    struct ledger *ledger = NULL;
    char why[256];
    if (ledger_open(durable, &world->options, &ledger, why, sizeof why) != INGOT_OK)
        fail_msg("%s", why);
    struct ledger_start start;
    if (ledger_load(ledger, &start, why, sizeof why) != INGOT_OK)
        fail_msg("%s", why);
    assert_int_equal(ledger_committed_height(ledger), expected->committed);
    assert_int_equal(start.last_committed.block->height, expected->committed);
    assert_int_equal(start.uncommitted_count, expected->uncommitted);
    assert_int_equal(start.safety.last_voted.view, expected->voted_view);
    assert_int_equal(start.applied_height + start.unapplied_count, expected->committed);
    /* The state: every block sets its own key, so what is applied can be counted. */
    struct ledger_state_cursor *cursor = NULL;
    struct ingot_slice key;
    struct ingot_slice value;
    uint64_t applied = 0;
    assert_int_equal(ledger_state_seek(ledger, text(""), &cursor), INGOT_OK);
    while (ledger_state_next(cursor, &key, &value))
        applied++;
    assert_int_equal(applied, start.applied_height);
    ledger_state_cursor_free(cursor);
    ledger_start_deinit(&start);
    ledger_free(ledger);
}

static void assert_crash_finds(const struct world *world, const struct expectation *expected)
{
    struct ingot_store *durable = ingot_store_memory_clone_durable(world->store);
    assert_restart_finds(world, durable, expected);
    ingot_store_close(durable);
}

/*
 * A chain that grows by a block, a fork and a commit in each step; the process dies after every
 * single call.
 */
static void a_crash_between_any_two_calls_leaves_the_last_synced_step(void **state)
{
    struct world *world = *state;
    world->options.apply_blocks_max = 3;
    world_open(world);
    struct expectation expected = {0, 0, 0};
    struct ledger_entry chain[CHAIN_BLOCKS_MAX + 1] = {{.block = block_ref(world->genesis)}};
    struct ledger_entry fork = {0};
    for (uint32_t i = 1; i <= 20; i++) {
        char change[32];
        snprintf(change, sizeof change, "key-%03u=v", i);
        const struct block *parent = chain[i - 1].block;
        chain[i] =
            world_entry(world, parent, parent->view + 3, 1, (const char *const[]){change}, 1);
        world_put(world, &chain[i]);
        assert_crash_finds(world, &expected);
        if (fork.block != NULL) {
            ledger_delete_block(world->ledger, fork.block);
            ledger_entry_deinit(&fork);
            assert_crash_finds(world, &expected);
        }
        fork = world_entry(world, parent, parent->view + 4, 1, NULL, 0);
        world_put(world, &fork);
        struct core_safety safety = world_safety(world, chain[i].block, i % 2 == 0);
        ledger_put_safety(world->ledger, &safety);
        core_safety_deinit(&safety);
        assert_crash_finds(world, &expected);
        if (i >= 3) {
            world_commit(world, &chain[i - 2]);
            assert_crash_finds(world, &expected);
        }
        world_sync(world);
        expected.committed = i >= 3 ? i - 2 : 0;
        expected.uncommitted = i + 1 - (uint32_t)expected.committed;
        expected.voted_view = chain[i].block->view;
        assert_crash_finds(world, &expected);
    }
    ledger_entry_deinit(&fork);
    for (uint32_t i = 0; i <= 20; i++)
        ledger_entry_deinit(&chain[i]);
}

/* What a restart of the durable copy finds: a height, and the sets up to this epoch. */
static void assert_crash_finds_sets(const struct world *world, uint64_t committed,
                                    struct validator_set *const *sets, uint32_t set_count)
{
    struct ingot_store *durable = ingot_store_memory_clone_durable(world->store);
    struct ledger *ledger = NULL;
    struct ledger_start start;
    char why[256];
    if (ledger_open(durable, &world->options, &ledger, why, sizeof why) != INGOT_OK ||
        ledger_load(ledger, &start, why, sizeof why) != INGOT_OK)
        fail_msg("%s", why);
    assert_int_equal(start.last_committed.block->height, committed);
    assert_int_equal(start.set_count, set_count);
    for (uint32_t i = 0; i < set_count; i++) {
        assert_int_equal(start.sets[i]->epoch, i);
        assert_memory_equal(&start.sets[i]->hash, &sets[i]->hash, INGOT_HASH_BYTES);
    }
    assert_memory_equal(&start.last_committed.block->next_validators_hash,
                        &start.sets[set_count - 1]->hash, INGOT_HASH_BYTES);
    ledger_start_deinit(&start);
    ledger_free(ledger);
    ingot_store_close(durable);
}

/* The process dies after each call that leads over a change of the set, and to what follows it. */
static void a_crash_finds_the_next_set_if_and_only_if_its_block_is_committed(void **state)
{
    struct world *world = *state;
    world->options.apply_blocks_max = 2;
    world_open(world);
    struct samples next;
    samples_init(&next, &fast_crypto, 5, 1, 9);
    struct validator_set *sets[2] = {world->samples.set, next.set};
    struct ledger_entry chain[4] = {{.block = block_ref(world->genesis)}};
    for (uint32_t i = 1; i < 4; i++) {
        const struct block *parent = chain[i - 1].block;
        chain[i] =
            i == 2 ? world_change(world, parent, next.set) : world_child(world, parent, "a=1");
        world_put(world, &chain[i]);
        world_sync(world);
        assert_crash_finds_sets(world, i - 1, sets, i <= 2 ? 1 : 2);
        ledger_commit_block(world->ledger, chain[i].block, chain[i].execution,
                            i == 2 ? next.set : NULL);
        assert_crash_finds_sets(world, i - 1, sets, i <= 2 ? 1 : 2);
        if (i == 2) {
            ingot_store_memory_fail_commit(world->store, 1, STORE_MEMORY_FAILED_LOST);
            assert_int_equal(ledger_sync(world->ledger), INGOT_ERROR_UNKNOWN_OUTCOME);
            assert_crash_finds_sets(world, 1, sets, 1);
            world_restart(world);
            ledger_commit_block(world->ledger, chain[i].block, chain[i].execution, next.set);
        }
        world_sync(world);
        assert_crash_finds_sets(world, i, sets, i < 2 ? 1 : 2);
    }
    for (uint32_t i = 0; i < 4; i++)
        ledger_entry_deinit(&chain[i]);
    samples_deinit(&next);
}

static void a_commit_of_unknown_outcome_is_either_there_whole_or_not_at_all(void **state)
{
    struct world *world = *state;
    world_open(world);
    struct ledger_entry first = world_child(world, world->genesis, "a=1");
    struct core_safety safety = world_safety(world, first.block, false);
    for (int applied = 0; applied < 2; applied++) {
        world_put(world, &first);
        world_commit(world, &first);
        ledger_put_safety(world->ledger, &safety);
        ingot_store_memory_fail_commit(
            world->store, 1, applied == 1 ? STORE_MEMORY_FAILED_APPLIED : STORE_MEMORY_FAILED_LOST);
        assert_int_equal(ledger_sync(world->ledger), INGOT_ERROR_UNKNOWN_OUTCOME);
        struct expectation expected = {.committed = (uint64_t)applied,
                                       .voted_view = applied == 1 ? first.block->view : 0};
        assert_crash_finds(world, &expected);
        world_restart(world);
    }
    core_safety_deinit(&safety);
    ledger_entry_deinit(&first);
}

static void a_full_store_is_reported_and_leaves_what_was_there(void **state)
{
    struct world *world = *state;
    world_open(world);
    struct ledger_entry first = world_child(world, world->genesis, "a=1");
    world_put(world, &first);
    ingot_store_memory_fail_commit(world->store, 1, STORE_MEMORY_NO_SPACE);
    assert_int_equal(ledger_sync(world->ledger), INGOT_ERROR_NO_SPACE);
    struct expectation expected = {0, 0, 0};
    assert_crash_finds(world, &expected);
    ledger_entry_deinit(&first);
}

static void a_store_too_full_for_genesis_is_refused_with_a_sentence(void **state)
{
    struct world *world = *state;
    ingot_store_memory_fail_commit(world->store, 1, STORE_MEMORY_NO_SPACE);
    assert_int_equal(world_try_open(world), INGOT_ERROR_NO_SPACE);
    assert_non_null(strstr(world->why, "genesis state"));
}

static void no_snapshot_stays_open_across_a_sync(void **state)
{
    struct world *world = *state;
    world_open(world);
    struct ledger_entry first = world_child(world, world->genesis, "a=1");
    world_put(world, &first);
    world_assert_state(world, "a", NULL);
    struct ingot_store_memory_counters counters;
    ingot_store_memory_get_counters(world->store, &counters);
    assert_int_equal(counters.snapshots_open, 1);
    world_sync(world);
    ingot_store_memory_get_counters(world->store, &counters);
    assert_int_equal(counters.snapshots_open, 0);
    ledger_entry_deinit(&first);
}

int main(void)
{
    if (!crypto_init())
        return 1;
    log_configure(LOG_PLAIN, LOG_NONE);
    const struct CMUnitTest tests[] = {
        WORLD_MEMORY(a_crash_between_any_two_calls_leaves_the_last_synced_step),
        WORLD_MEMORY(a_crash_finds_the_next_set_if_and_only_if_its_block_is_committed),
        WORLD_MEMORY(a_commit_of_unknown_outcome_is_either_there_whole_or_not_at_all),
        WORLD_MEMORY(a_full_store_is_reported_and_leaves_what_was_there),
        WORLD_MEMORY(a_store_too_full_for_genesis_is_refused_with_a_sentence),
        WORLD_MEMORY(no_snapshot_stays_open_across_a_sync),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
