/*
 * The bodies of ledger_world.h. It makes blocks and reads records; what a ledger must do with them
 * is for the tests to say.
 */
#include "lib/ledger_world.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "lib/fast_crypto.h"
#include "lib/storage_test.h"
#include "node/ledger_internal.h"
#include "storage/memory.h"
#include "wire/preimage.h"
#include "wire/wire.h"

/* --- Stores and ledgers. --- */

static struct ingot_store *open_on_disk(const char *folder)
{
    struct ingot_store_lmdb_options options = {
        .folder = folder, .tables = ledger_tables, .table_count = ledger_table_count};
    char why[256];
    struct ingot_store *store = NULL;
    if (ingot_store_lmdb_open(&options, &store, why, sizeof why) != INGOT_OK)
        fail_msg("%s", why);
    return store;
}

struct world *world_new(bool on_disk)
{
    struct world *world = alloc_zeroed(1, sizeof *world);
    world->on_disk = on_disk;
    if (on_disk) {
        storage_test_folder(world->folder, sizeof world->folder);
        world->store = open_on_disk(world->folder);
    } else {
        world->store = ingot_store_memory_new(ledger_table_count);
    }
    samples_init(&world->samples, &fast_crypto, 4, 0, 1);
    world->genesis = wire_genesis_block(&world->samples.chain, world->samples.set, 1700000000000);
    world->options = (struct ledger_options){
        .genesis = world->genesis, .genesis_set = world->samples.set, .index_transactions = true};
    return world;
}

int world_set_up_memory(void **state)
{
    *state = world_new(false);
    return 0;
}

int world_set_up_disk(void **state)
{
    *state = world_new(true);
    return 0;
}

int world_tear_down(void **state)
{
    struct world *world = *state;
    ledger_free(world->ledger);
    ingot_store_close(world->store);
    if (world->on_disk)
        storage_test_remove(world->folder);
    block_unref(world->genesis);
    samples_deinit(&world->samples);
    free(world);
    return 0;
}

enum ingot_error world_try_open(struct world *world)
{
    assert_null(world->ledger);
    if (world->lazy_tables != 0)
        ingot_store_memory_set_lazy(world->store, world->lazy_tables);
    return ledger_open(world->store, &world->options, &world->ledger, world->why,
                       sizeof world->why);
}

void world_open(struct world *world)
{
    if (world_try_open(world) != INGOT_OK)
        fail_msg("%s", world->why);
}

/* Only what is durable stays. */
void world_crash(struct world *world)
{
    ledger_free(world->ledger);
    world->ledger = NULL;
    if (world->on_disk) {
        ingot_store_close(world->store);
        world->store = open_on_disk(world->folder);
        return;
    }
    struct ingot_store *clone = ingot_store_memory_clone_durable(world->store);
    ingot_store_close(world->store);
    world->store = clone;
}

void world_restart(struct world *world)
{
    world_crash(world);
    world_open(world);
}

struct ledger_start world_load(struct world *world)
{
    struct ledger_start start;
    if (ledger_load(world->ledger, &start, world->why, sizeof world->why) != INGOT_OK)
        fail_msg("%s", world->why);
    return start;
}

void world_sync(struct world *world)
{
    assert_int_equal(ledger_sync(world->ledger), INGOT_OK);
}

/* --- Blocks and what they do. --- */

static struct qc *qc_of(const struct world *world, const struct block *block)
{
    if (block->height == 0)
        return wire_genesis_qc(&block->chain);
    const bool changes_set = block_changes_set(block);
    return samples_qc(&world->samples, 7, block->view + (changes_set ? 2 : 0), block->view,
                      &block->hash, changes_set ? PHASE_COMMIT : PHASE_GENERIC);
}

/* Results, and one update for each "key=value" or "key" (deleted); keys in order. */
struct execution *world_execution(uint32_t result_count, const char *const *changes,
                                  uint32_t change_count)
{
    struct ingot_result results[16] = {0};
    struct state_update updates[16] = {0};
    assert_true(result_count <= 16 && change_count <= 16);
    for (uint32_t i = 0; i < result_count; i++)
        results[i] = (struct ingot_result){.code = i, .data = text("data"), .log = text("log")};
    for (uint32_t i = 0; i < change_count; i++) {
        const char *equals = strchr(changes[i], '=');
        size_t key_size = equals == NULL ? strlen(changes[i]) : (size_t)(equals - changes[i]);
        updates[i].key = ingot_slice_of(changes[i], key_size);
        updates[i].is_delete = equals == NULL;
        if (equals != NULL)
            updates[i].value = text(equals + 1);
    }
    return execution_new(results, result_count, updates, change_count, NULL, 0);
}

struct ledger_entry world_entry(const struct world *world, const struct block *parent,
                                uint64_t view, uint32_t transactions, const char *const *changes,
                                uint32_t change_count)
{
    struct ledger_entry entry;
    entry.execution = world_execution(transactions, changes, change_count);
    entry.block = samples_block(&world->samples, qc_of(world, parent), parent->height + 1, view,
                                transactions, 50);
    entry.block->parent = parent->hash;
    entry.block->updates_hash = entry.execution->updates_hash;
    entry.block->validators_hash = parent->next_validators_hash;
    entry.block->next_validators_hash = parent->next_validators_hash;
    wire_seal_block(entry.block);
    return entry;
}

/* On the parent, in the view after it, with one change and two transactions. */
struct ledger_entry world_child(const struct world *world, const struct block *parent,
                                const char *change)
{
    return world_entry(world, parent, parent->view + 1, 2, &change, 1);
}

struct ledger_entry world_change(const struct world *world, const struct block *parent,
                                 const struct validator_set *next_set)
{
    struct ledger_entry entry = world_child(world, parent, "changed=1");
    entry.block->next_validators_hash = next_set->hash;
    wire_seal_block(entry.block);
    return entry;
}

void world_put(struct world *world, const struct ledger_entry *entry)
{
    ledger_put_block(world->ledger, entry->block, entry->execution);
}

void world_commit(struct world *world, const struct ledger_entry *entry)
{
    ledger_commit_block(world->ledger, entry->block, entry->execution, NULL);
}

static void assert_same_bytes(const struct ingot_buffer *a, const struct ingot_buffer *b)
{
    assert_true(ingot_slice_equal(ingot_buffer_slice(a), ingot_buffer_slice(b)));
}

void world_assert_same_entry(const struct ledger_entry *a, const struct ledger_entry *b)
{
    struct ingot_buffer left = {0};
    struct ingot_buffer right = {0};
    wire_encode_block(a->block, &left);
    wire_encode_block(b->block, &right);
    assert_same_bytes(&left, &right);
    assert_memory_equal(&a->block->hash, &b->block->hash, sizeof a->block->hash);
    assert_true(
        ingot_slice_equal(execution_encoded(a->execution), execution_encoded(b->execution)));
    ingot_buffer_deinit(&left);
    ingot_buffer_deinit(&right);
}

void world_assert_same_safety(const struct core_safety *a, const struct core_safety *b)
{
    struct ingot_buffer left = {0};
    struct ingot_buffer right = {0};
    ledger_encode_safety(a, &left);
    ledger_encode_safety(b, &right);
    assert_same_bytes(&left, &right);
    assert_int_equal(a->has_vote, b->has_vote);
    assert_memory_equal(wire_qc_digest(a->high_qc), wire_qc_digest(b->high_qc), INGOT_HASH_BYTES);
    ingot_buffer_deinit(&left);
    ingot_buffer_deinit(&right);
}

struct core_safety world_safety(const struct world *world, const struct block *voted, bool has_tc)
{
    struct core_safety safety = {
        .current = {0, voted->view + 1},
        .last_voted = {0, voted->view},
        .has_vote = true,
        .vote = {.epoch = 0, .view = voted->view, .block = voted->hash, .phase = PHASE_GENERIC},
        .locked = {0, voted->view - 1},
        .high_qc = qc_of(world, voted),
    };
    if (has_tc)
        safety.high_tc =
            samples_tc(&world->samples, 7, voted->view, voted->view, qc_ref(safety.high_qc));
    return safety;
}

void world_assert_state(struct world *world, const char *key, const char *expected)
{
    struct ingot_slice value;
    if (expected == NULL) {
        assert_int_equal(ledger_state_get(world->ledger, text(key), &value), INGOT_ERROR_NOT_FOUND);
        return;
    }
    assert_int_equal(ledger_state_get(world->ledger, text(key), &value), INGOT_OK);
    assert_slice(value, expected);
}
