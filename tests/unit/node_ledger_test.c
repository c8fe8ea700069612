/*
 * The ledger over both stores. The tests keep what they wrote and compare it, as bytes, with what
 * a restart gives back. On memory a crash is a store with what was durable at that moment; on
 * disk the store is closed and opened again.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "base/hex.h"
#include "base/log.h"
#include "lib/fast_crypto.h"
#include "lib/wire_samples.h"
#include "node/ledger.h"
#include "node/ledger_internal.h"
#include "storage/memory.h"
#include "storage_test.h"
#include "wire/preimage.h"
#include "wire/wire.h"

#define CHAIN_BLOCKS_MAX 64

struct world {
    bool on_disk;
    char folder[64];
    struct ingot_store *store;
    struct samples samples;
    struct block *genesis;
    struct ledger_options options;
    struct ledger *ledger;
    char why[256];
};

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

static struct world *world_new(bool on_disk)
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

static int set_up_memory(void **state)
{
    *state = world_new(false);
    return 0;
}

static int set_up_disk(void **state)
{
    *state = world_new(true);
    return 0;
}

static int tear_down(void **state)
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

static enum ingot_error try_open(struct world *world)
{
    assert_null(world->ledger);
    return ledger_open(world->store, &world->options, &world->ledger, world->why,
                       sizeof world->why);
}

static void open_ledger(struct world *world)
{
    if (try_open(world) != INGOT_OK)
        fail_msg("%s", world->why);
}

/* Only what is durable stays. */
static void crash(struct world *world)
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

static void restart(struct world *world)
{
    crash(world);
    open_ledger(world);
}

static struct ledger_start load(struct world *world)
{
    struct ledger_start start;
    if (ledger_load(world->ledger, &start, world->why, sizeof world->why) != INGOT_OK)
        fail_msg("%s", world->why);
    return start;
}

static void sync_ledger(struct world *world)
{
    assert_int_equal(ledger_sync(world->ledger), INGOT_OK);
}

/* --- Blocks and what they do. --- */

static struct qc *qc_of(const struct world *world, const struct block *block)
{
    if (block->height == 0)
        return wire_genesis_qc(&block->chain);
    return samples_qc(&world->samples, 7, block->view, block->view, &block->hash, PHASE_GENERIC);
}

/* Results, and one update for each "key=value" or "key" (deleted); keys in order. */
static struct execution *execution_of(uint32_t result_count, const char *const *changes,
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

static struct ledger_entry make_entry(const struct world *world, const struct block *parent,
                                      uint64_t view, uint32_t transactions,
                                      const char *const *changes, uint32_t change_count)
{
    struct ledger_entry entry;
    entry.execution = execution_of(transactions, changes, change_count);
    entry.block = samples_block(&world->samples, qc_of(world, parent), parent->height + 1, view,
                                transactions, 50);
    entry.block->parent = parent->hash;
    entry.block->updates_hash = entry.execution->updates_hash;
    wire_seal_block(entry.block);
    return entry;
}

/* On the parent, in the view after it, with one change and two transactions. */
static struct ledger_entry make_child(const struct world *world, const struct block *parent,
                                      const char *change)
{
    return make_entry(world, parent, parent->view + 1, 2, &change, 1);
}

static void put(struct world *world, const struct ledger_entry *entry)
{
    ledger_put_block(world->ledger, entry->block, entry->execution);
}

static void commit(struct world *world, const struct ledger_entry *entry)
{
    ledger_commit_block(world->ledger, entry->block, entry->execution);
}

static void assert_same_bytes(const struct ingot_buffer *a, const struct ingot_buffer *b)
{
    assert_true(ingot_slice_equal(ingot_buffer_slice(a), ingot_buffer_slice(b)));
}

static void assert_same_entry(const struct ledger_entry *a, const struct ledger_entry *b)
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

static void assert_same_safety(const struct core_safety *a, const struct core_safety *b)
{
    struct ingot_buffer left = {0};
    struct ingot_buffer right = {0};
    ledger_encode_safety(a, &left);
    ledger_encode_safety(b, &right);
    assert_same_bytes(&left, &right);
    assert_int_equal(a->has_vote, b->has_vote);
    assert_memory_equal(&a->high_qc->digest, &b->high_qc->digest, sizeof a->high_qc->digest);
    ingot_buffer_deinit(&left);
    ingot_buffer_deinit(&right);
}

static struct core_safety make_safety(const struct world *world, const struct block *voted,
                                      bool has_tc)
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

static void assert_state(struct world *world, const char *key, const char *expected)
{
    struct ingot_slice value;
    if (expected == NULL) {
        assert_int_equal(ledger_state_get(world->ledger, text(key), &value), INGOT_ERROR_NOT_FOUND);
        return;
    }
    assert_int_equal(ledger_state_get(world->ledger, text(key), &value), INGOT_OK);
    assert_slice(value, expected);
}

/* --- Tests. --- */

static void an_empty_store_is_given_the_genesis_state(void **state)
{
    struct world *world = *state;
    open_ledger(world);
    restart(world);
    assert_int_equal(ledger_committed_height(world->ledger), 0);
    assert_int_equal(ledger_applied_height(world->ledger), 0);
    assert_int_equal(ledger_lowest_height(world->ledger), 0);
    assert_false(ledger_has_changes(world->ledger));
    struct ledger_start start = load(world);
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
    open_ledger(world);
    struct ledger_entry first = make_child(world, world->genesis, "a=1");
    struct ledger_entry second = make_child(world, first.block, "b=2");
    struct ledger_entry fork = make_entry(world, first.block, 9, 3, NULL, 0);
    struct ledger_entry third = make_child(world, second.block, "a");
    for (int has_tc = 0; has_tc < 2; has_tc++) {
        struct core_safety safety = make_safety(world, third.block, has_tc == 1);
        if (has_tc == 0) {
            put(world, &first);
            put(world, &second);
            put(world, &fork);
            put(world, &third);
            commit(world, &first);
        }
        ledger_put_safety(world->ledger, &safety);
        assert_true(ledger_has_changes(world->ledger));
        sync_ledger(world);
        assert_false(ledger_has_changes(world->ledger));
        restart(world);
        struct ledger_start start = load(world);
        assert_same_safety(&start.safety, &safety);
        assert_int_equal(start.safety.high_tc != NULL, has_tc);
        assert_same_entry(&start.last_committed, &first);
        assert_int_equal(start.unapplied_count, 1);
        assert_same_entry(&start.unapplied[0], &first);
        assert_int_equal(start.uncommitted_count, 3);
        assert_same_entry(&start.uncommitted[2], &third);
        bool fork_is_first = start.uncommitted[0].block->view == 9;
        assert_same_entry(&start.uncommitted[fork_is_first ? 0 : 1], &fork);
        assert_same_entry(&start.uncommitted[fork_is_first ? 1 : 0], &second);
        ledger_start_deinit(&start);
        /* A second load of the same ledger gives the same. */
        start = load(world);
        assert_same_entry(&start.unapplied[0], &first);
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
    open_ledger(world);
    struct ledger_entry first = make_child(world, world->genesis, "a=1");
    struct ledger_entry second = make_child(world, first.block, "a=2");
    put(world, &first);
    put(world, &second);
    commit(world, &first);
    struct ledger_entry read;
    assert_int_equal(ledger_committed_height(world->ledger), 0);
    assert_int_equal(ledger_read_block(world->ledger, 1, &read), INGOT_ERROR_NOT_FOUND);
    sync_ledger(world);
    for (int round = 0; round < 2; round++) {
        assert_int_equal(ledger_committed_height(world->ledger), 1);
        assert_int_equal(ledger_read_block(world->ledger, 1, &read), INGOT_OK);
        assert_same_entry(&read, &first);
        ledger_entry_deinit(&read);
        assert_int_equal(ledger_read_block(world->ledger, 2, &read), INGOT_ERROR_NOT_FOUND);
        restart(world);
    }
    commit(world, &second);
    sync_ledger(world);
    assert_int_equal(ledger_committed_height(world->ledger), 2);
    ledger_entry_deinit(&first);
    ledger_entry_deinit(&second);
}

static void abandoned_blocks_are_gone_after_a_restart(void **state)
{
    struct world *world = *state;
    open_ledger(world);
    struct ledger_entry first = make_child(world, world->genesis, "a=1");
    struct ledger_entry fork = make_entry(world, world->genesis, 5, 1, NULL, 0);
    struct ledger_entry fork_child = make_child(world, fork.block, "b=1");
    put(world, &first);
    put(world, &fork);
    put(world, &fork_child);
    sync_ledger(world);
    commit(world, &first);
    ledger_delete_block(world->ledger, fork_child.block);
    ledger_delete_block(world->ledger, fork.block);
    sync_ledger(world);
    restart(world);
    struct ledger_start start = load(world);
    assert_int_equal(start.uncommitted_count, 0);
    assert_same_entry(&start.last_committed, &first);
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
    open_ledger(world);
    struct block *parent = block_ref(world->genesis);
    for (uint32_t i = 0; i < 5; i++) {
        struct ledger_entry entry = make_child(world, parent, changes[i]);
        put(world, &entry);
        commit(world, &entry);
        sync_ledger(world);
        for (int round = 0; round < 2; round++) {
            assert_int_equal(ledger_applied_height(world->ledger), applied[i]);
            assert_state(world, "k", k_applied[i]);
            assert_state(world, "other", i >= 2 ? "x" : NULL);
            struct ledger_start start = load(world);
            assert_int_equal(start.applied_height, applied[i]);
            assert_int_equal(start.unapplied_count, i + 1 - applied[i]);
            if (start.unapplied_count > 0)
                assert_same_entry(&start.unapplied[start.unapplied_count - 1], &entry);
            ledger_start_deinit(&start);
            restart(world);
        }
        block_unref(parent);
        parent = block_ref(entry.block);
        ledger_entry_deinit(&entry);
    }
    struct ledger_entry last = make_child(world, parent, "z=1");
    put(world, &last);
    commit(world, &last);
    sync_ledger(world);
    assert_int_equal(ledger_applied_height(world->ledger), 6);
    assert_state(world, "k", "5");
    assert_state(world, "z", "1");
    block_unref(parent);
    ledger_entry_deinit(&last);
}

static void a_key_deleted_last_is_not_in_the_state(void **state)
{
    struct world *world = *state;
    static const char *const changes[] = {"k=1", "k", "k=3", "k"};
    world->options.apply_blocks_max = 4;
    open_ledger(world);
    struct block *parent = block_ref(world->genesis);
    for (uint32_t i = 0; i < 4; i++) {
        struct ledger_entry entry = make_child(world, parent, changes[i]);
        put(world, &entry);
        commit(world, &entry);
        sync_ledger(world);
        block_unref(parent);
        parent = block_ref(entry.block);
        ledger_entry_deinit(&entry);
    }
    block_unref(parent);
    assert_int_equal(ledger_applied_height(world->ledger), 4);
    assert_state(world, "k", NULL);
}

static void state_is_applied_early_when_updates_are_large(void **state)
{
    struct world *world = *state;
    world->options.apply_bytes_max = 1;
    open_ledger(world);
    struct ledger_entry entry = make_child(world, world->genesis, "k=1");
    put(world, &entry);
    commit(world, &entry);
    sync_ledger(world);
    assert_int_equal(ledger_applied_height(world->ledger), 1);
    assert_state(world, "k", "1");
    ledger_entry_deinit(&entry);
}

static void the_state_is_walked_in_order_of_keys(void **state)
{
    struct world *world = *state;
    static const char *const changes[] = {"a=1", "b=2", "c=3", "d=4"};
    world->options.apply_blocks_max = 1;
    open_ledger(world);
    struct ledger_entry entry = make_entry(world, world->genesis, 1, 1, changes, 4);
    put(world, &entry);
    commit(world, &entry);
    sync_ledger(world);
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
    world->options.apply_blocks_max = 2;
    open_ledger(world);
    struct ledger_entry first = make_entry(world, world->genesis, 1, 3, NULL, 0);
    /* samples_block fills transactions by height and index; a block without any is fine too. */
    struct ledger_entry second = make_entry(world, first.block, 2, 0, NULL, 0);
    put(world, &first);
    sync_ledger(world);
    assert_found(world, first.block, 1, INGOT_ERROR_NOT_FOUND);
    commit(world, &first);
    assert_found(world, first.block, 1, INGOT_ERROR_NOT_FOUND);
    sync_ledger(world);
    for (uint64_t applied = 0; applied <= 2; applied += 2) {
        for (int round = 0; round < 2; round++) {
            assert_int_equal(ledger_applied_height(world->ledger), applied);
            for (uint32_t i = 0; i < 3; i++)
                assert_found(world, first.block, i, INGOT_OK);
            restart(world);
        }
        if (applied == 0) {
            put(world, &second);
            commit(world, &second);
            sync_ledger(world);
        }
    }
    uint8_t unknown[32] = {0};
    struct ledger_location location;
    assert_int_equal(ledger_find_transaction(world->ledger, unknown, &location),
                     INGOT_ERROR_NOT_FOUND);
    ledger_entry_deinit(&first);
    ledger_entry_deinit(&second);
}

static void without_an_index_no_transaction_is_found(void **state)
{
    struct world *world = *state;
    world->options.index_transactions = false;
    open_ledger(world);
    struct ledger_entry first = make_child(world, world->genesis, "a=1");
    put(world, &first);
    commit(world, &first);
    sync_ledger(world);
    assert_found(world, first.block, 0, INGOT_ERROR_NOT_FOUND);
    ledger_entry_deinit(&first);
}

/* --- Crashes. --- */

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
    open_ledger(world);
    struct expectation expected = {0, 0, 0};
    struct ledger_entry chain[CHAIN_BLOCKS_MAX + 1] = {{.block = block_ref(world->genesis)}};
    struct ledger_entry fork = {0};
    for (uint32_t i = 1; i <= 20; i++) {
        char change[32];
        snprintf(change, sizeof change, "key-%03u=v", i);
        const struct block *parent = chain[i - 1].block;
        chain[i] = make_entry(world, parent, parent->view + 3, 1, (const char *const[]){change}, 1);
        put(world, &chain[i]);
        assert_crash_finds(world, &expected);
        if (fork.block != NULL) {
            ledger_delete_block(world->ledger, fork.block);
            ledger_entry_deinit(&fork);
            assert_crash_finds(world, &expected);
        }
        fork = make_entry(world, parent, parent->view + 4, 1, NULL, 0);
        put(world, &fork);
        struct core_safety safety = make_safety(world, chain[i].block, i % 2 == 0);
        ledger_put_safety(world->ledger, &safety);
        core_safety_deinit(&safety);
        assert_crash_finds(world, &expected);
        if (i >= 3) {
            commit(world, &chain[i - 2]);
            assert_crash_finds(world, &expected);
        }
        sync_ledger(world);
        expected.committed = i >= 3 ? i - 2 : 0;
        expected.uncommitted = i + 1 - (uint32_t)expected.committed;
        expected.voted_view = chain[i].block->view;
        assert_crash_finds(world, &expected);
    }
    ledger_entry_deinit(&fork);
    for (uint32_t i = 0; i <= 20; i++)
        ledger_entry_deinit(&chain[i]);
}

static void a_commit_of_unknown_outcome_is_either_there_whole_or_not_at_all(void **state)
{
    struct world *world = *state;
    open_ledger(world);
    struct ledger_entry first = make_child(world, world->genesis, "a=1");
    struct core_safety safety = make_safety(world, first.block, false);
    for (int applied = 0; applied < 2; applied++) {
        put(world, &first);
        commit(world, &first);
        ledger_put_safety(world->ledger, &safety);
        ingot_store_memory_fail_commit(
            world->store, 1, applied == 1 ? STORE_MEMORY_FAILED_APPLIED : STORE_MEMORY_FAILED_LOST);
        assert_int_equal(ledger_sync(world->ledger), INGOT_ERROR_UNKNOWN_OUTCOME);
        struct expectation expected = {.committed = (uint64_t)applied,
                                       .voted_view = applied == 1 ? first.block->view : 0};
        assert_crash_finds(world, &expected);
        restart(world);
    }
    core_safety_deinit(&safety);
    ledger_entry_deinit(&first);
}

static void a_full_store_is_reported_and_leaves_what_was_there(void **state)
{
    struct world *world = *state;
    open_ledger(world);
    struct ledger_entry first = make_child(world, world->genesis, "a=1");
    put(world, &first);
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
    assert_int_equal(try_open(world), INGOT_ERROR_NO_SPACE);
    assert_non_null(strstr(world->why, "genesis state"));
}

static void no_snapshot_stays_open_across_a_sync(void **state)
{
    struct world *world = *state;
    open_ledger(world);
    struct ledger_entry first = make_child(world, world->genesis, "a=1");
    put(world, &first);
    assert_state(world, "a", NULL);
    struct ingot_store_memory_counters counters;
    ingot_store_memory_get_counters(world->store, &counters);
    assert_int_equal(counters.snapshots_open, 1);
    sync_ledger(world);
    ingot_store_memory_get_counters(world->store, &counters);
    assert_int_equal(counters.snapshots_open, 0);
    ledger_entry_deinit(&first);
}

/* --- Damage. --- */

static void read_record(struct world *world, uint32_t table, struct ingot_slice key,
                        struct ingot_buffer *record)
{
    struct ingot_store_snapshot *snapshot = begin(world->store);
    struct ingot_slice value;
    assert_int_equal(ingot_store_snapshot_get(snapshot, table, key, &value), INGOT_OK);
    ingot_buffer_append_slice(record, value);
    ingot_store_snapshot_end(snapshot);
}

static void write_record(struct world *world, uint32_t table, struct ingot_slice key,
                         struct ingot_slice value)
{
    struct ingot_store_batch *batch = ingot_store_batch_begin(world->store);
    ingot_store_batch_put(batch, table, key, value);
    assert_int_equal(ingot_store_batch_commit(batch), INGOT_OK);
}

static void delete_record(struct world *world, uint32_t table, struct ingot_slice key)
{
    struct ingot_store_batch *batch = ingot_store_batch_begin(world->store);
    ingot_store_batch_delete(batch, table, key);
    assert_int_equal(ingot_store_batch_commit(batch), INGOT_OK);
}

static void assert_says(const struct world *world, const char *sentence)
{
    if (strstr(world->why, sentence) == NULL)
        fail_msg("'%s' does not say '%s'", world->why, sentence);
}

/* Opening or loading fails with CORRUPT and a sentence that says this. */
static void assert_damaged(struct world *world, const char *sentence)
{
    enum ingot_error error = try_open(world);
    struct ledger_start start;
    if (error == INGOT_OK)
        error = ledger_load(world->ledger, &start, world->why, sizeof world->why);
    assert_int_equal(error, INGOT_ERROR_CORRUPT);
    assert_says(world, sentence);
    ledger_free(world->ledger);
    world->ledger = NULL;
}

/* A committed and applied block, a committed one, and an uncommitted one; then a crash. */
static void write_short_chain(struct world *world, uint8_t keys[3][LEDGER_BLOCK_KEY_BYTES])
{
    world->options.apply_blocks_max = 2;
    open_ledger(world);
    struct ledger_entry entries[4];
    const struct block *parent = world->genesis;
    for (uint32_t i = 0; i < 4; i++) {
        entries[i] = make_child(world, parent, "k=v");
        parent = entries[i].block;
        put(world, &entries[i]);
        if (i < 3) {
            commit(world, &entries[i]);
            sync_ledger(world);
        }
        if (i > 0)
            ledger_block_key(parent->height, &parent->hash, keys[i - 1]);
    }
    struct core_safety safety = make_safety(world, parent, false);
    ledger_put_safety(world->ledger, &safety);
    core_safety_deinit(&safety);
    sync_ledger(world);
    assert_int_equal(ledger_applied_height(world->ledger), 2);
    for (uint32_t i = 0; i < 4; i++)
        ledger_entry_deinit(&entries[i]);
    crash(world);
}

/* Spoils each byte of a record in turn, and cuts it in each place. */
static void assert_all_damage_is_found(struct world *world, uint32_t table, struct ingot_slice key,
                                       size_t first, size_t last, const char *sentence)
{
    struct ingot_buffer record = {0};
    read_record(world, table, key, &record);
    if (last == 0)
        last = record.size;
    for (size_t i = first; i < last; i++) {
        record.data[i] ^= 0x10;
        write_record(world, table, key, ingot_buffer_slice(&record));
        record.data[i] ^= 0x10;
        assert_damaged(world, sentence);
        write_record(world, table, key, ingot_slice_of(record.data, i));
        assert_damaged(world, sentence);
    }
    delete_record(world, table, key);
    assert_damaged(world, sentence);
    write_record(world, table, key, ingot_buffer_slice(&record));
    open_ledger(world);
    struct ledger_start start = load(world);
    ledger_start_deinit(&start);
    ledger_free(world->ledger);
    world->ledger = NULL;
    ingot_buffer_deinit(&record);
}

static void a_damaged_safety_record_is_refused(void **state)
{
    struct world *world = *state;
    uint8_t keys[3][LEDGER_BLOCK_KEY_BYTES];
    write_short_chain(world, keys);
    assert_all_damage_is_found(world, LEDGER_META, text("safety"), 0, 0, "record 'safety'");
}

static void a_damaged_record_of_heights_chain_or_set_is_refused(void **state)
{
    struct world *world = *state;
    uint8_t keys[3][LEDGER_BLOCK_KEY_BYTES];
    write_short_chain(world, keys);
    assert_all_damage_is_found(world, LEDGER_META, text("heights"), 0, 0, "record 'heights'");
    assert_all_damage_is_found(world, LEDGER_META, text("chain"), 0, 0, "record 'chain'");
    uint8_t epoch[8] = {0};
    assert_all_damage_is_found(world, LEDGER_SETS, ingot_slice_of(epoch, 8), 0, 0, "validator set");
}

static void a_damaged_block_that_a_start_needs_is_refused(void **state)
{
    struct world *world = *state;
    uint8_t keys[3][LEDGER_BLOCK_KEY_BYTES];
    write_short_chain(world, keys);
    struct ingot_buffer record = {0};
    struct ingot_slice key = ingot_slice_of(keys[1], LEDGER_BLOCK_KEY_BYTES);
    read_record(world, LEDGER_BLOCKS, key, &record);
    /* All but the logs, which no hash covers; two results with the text "log" end the record. */
    assert_all_damage_is_found(world, LEDGER_BLOCKS, key, 0, record.size - 3 - 11 - 4,
                               "the block of height 3");
    ingot_buffer_deinit(&record);
    /* The uncommitted one: gone altogether, it is merely unknown; damaged, it is found. */
    key = ingot_slice_of(keys[2], LEDGER_BLOCK_KEY_BYTES);
    read_record(world, LEDGER_BLOCKS, key, &record);
    record.data[record.size / 2] ^= 1;
    write_record(world, LEDGER_BLOCKS, key, ingot_buffer_slice(&record));
    assert_damaged(world, "an uncommitted block above height 3");
    ingot_buffer_deinit(&record);
}

static void an_uncommitted_block_without_its_parent_is_refused(void **state)
{
    struct world *world = *state;
    open_ledger(world);
    struct ledger_entry first = make_child(world, world->genesis, "k=v");
    struct ledger_entry second = make_child(world, first.block, "k=v");
    put(world, &second);
    sync_ledger(world);
    crash(world);
    assert_damaged(world, "has no parent");
    ledger_entry_deinit(&first);
    ledger_entry_deinit(&second);
}

static void a_damaged_old_block_is_found_when_it_is_read(void **state)
{
    struct world *world = *state;
    uint8_t keys[3][LEDGER_BLOCK_KEY_BYTES];
    write_short_chain(world, keys);
    struct ingot_buffer record = {0};
    struct ingot_slice key = ingot_slice_of(keys[0], LEDGER_BLOCK_KEY_BYTES);
    read_record(world, LEDGER_BLOCKS, key, &record);
    record.data[record.size / 2] ^= 1;
    write_record(world, LEDGER_BLOCKS, key, ingot_buffer_slice(&record));
    ingot_buffer_deinit(&record);
    open_ledger(world);
    struct ledger_start start = load(world);
    ledger_start_deinit(&start);
    struct ledger_entry entry;
    assert_int_equal(ledger_read_block(world->ledger, 2, &entry), INGOT_ERROR_CORRUPT);
    assert_null(entry.block);
    assert_int_equal(ledger_read_block(world->ledger, 1, &entry), INGOT_OK);
    ledger_entry_deinit(&entry);
}

static void a_safety_record_of_another_chain_is_refused(void **state)
{
    struct world *world = *state;
    struct world *other = world_new(false);
    other->samples.chain = samples_hash(0x77);
    block_unref(other->genesis);
    other->genesis = wire_genesis_block(&other->samples.chain, other->samples.set, 1);
    other->options.genesis = other->genesis;
    open_ledger(world);
    crash(world);
    open_ledger(other);
    crash(other);
    struct ingot_buffer record = {0};
    read_record(other, LEDGER_META, text("safety"), &record);
    write_record(world, LEDGER_META, text("safety"), ingot_buffer_slice(&record));
    assert_damaged(world, "record 'safety'");
    ingot_buffer_deinit(&record);
    void *other_state = other;
    tear_down(&other_state);
}

static void a_block_of_another_chain_is_refused(void **state)
{
    struct world *world = *state;
    open_ledger(world);
    crash(world);
    struct samples other;
    samples_init(&other, &fast_crypto, 4, 0, 1);
    other.chain = samples_hash(0x77);
    struct execution *execution = execution_of(1, NULL, 0);
    struct block *block =
        samples_block(&other, wire_genesis_qc(&world->genesis->hash), 1, 1, 1, 50);
    block->parent = world->genesis->hash;
    block->updates_hash = execution->updates_hash;
    wire_seal_block(block);
    uint8_t key[LEDGER_BLOCK_KEY_BYTES];
    ledger_block_key(1, &block->hash, key);
    struct ingot_buffer value = {0};
    ledger_encode_entry(block, execution, &value);
    write_record(world, LEDGER_BLOCKS, ingot_slice_of(key, sizeof key), ingot_buffer_slice(&value));
    assert_damaged(world, "of another chain");
    ingot_buffer_deinit(&value);
    block_unref(block);
    execution_unref(execution);
    samples_deinit(&other);
}

static void an_unknown_schema_version_is_refused_by_number(void **state)
{
    struct world *world = *state;
    open_ledger(world);
    crash(world);
    struct ingot_buffer record = {0};
    read_record(world, LEDGER_META, text("schema"), &record);
    record.data[record.size - 4] = 9;
    write_record(world, LEDGER_META, text("schema"), ingot_buffer_slice(&record));
    assert_int_equal(try_open(world), INGOT_ERROR_VERSION);
    assert_says(world, "schema version 9");
    assert_says(world, "knows version 1");
    record.data[0] = 'X';
    write_record(world, LEDGER_META, text("schema"), ingot_buffer_slice(&record));
    assert_damaged(world, "not one of Ingot's");
    delete_record(world, LEDGER_META, text("schema"));
    assert_damaged(world, "no schema version");
    ingot_buffer_deinit(&record);
}

static void the_data_of_another_chain_is_refused_with_both_names(void **state)
{
    struct world *world = *state;
    open_ledger(world);
    crash(world);
    char stored[65];
    char expected[65];
    hex_encode_lower(world->samples.chain.bytes, 32, stored);
    world->samples.chain = samples_hash(0x77);
    hex_encode_lower(world->samples.chain.bytes, 32, expected);
    block_unref(world->genesis);
    world->genesis = wire_genesis_block(&world->samples.chain, world->samples.set, 1);
    world->options.genesis = world->genesis;
    assert_int_equal(try_open(world), INGOT_ERROR_INVALID);
    assert_says(world, stored);
    assert_says(world, expected);
}

/* --- Length. --- */

static uint64_t reads_of_a_start(struct world *world, uint32_t blocks)
{
    open_ledger(world);
    struct block *parent = block_ref(world->genesis);
    for (uint32_t i = 0; i < blocks; i++) {
        struct ledger_entry entry = make_child(world, parent, "k=v");
        put(world, &entry);
        commit(world, &entry);
        sync_ledger(world);
        block_unref(parent);
        parent = block_ref(entry.block);
        ledger_entry_deinit(&entry);
    }
    block_unref(parent);
    restart(world);
    struct ledger_start start = load(world);
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
    struct world *longer = world_new(false);
    longer->options.apply_blocks_max = 8;
    const uint64_t reads = reads_of_a_start(world, 10);
    assert_int_equal(reads_of_a_start(longer, 10002), reads);
    assert_true(reads < 20);
    void *longer_state = longer;
    tear_down(&longer_state);
}

#define MEMORY(test)                                                                               \
    {                                                                                              \
#test " [memory]", test, set_up_memory, tear_down, NULL                                    \
    }
#define DISK(test)                                                                                 \
    {                                                                                              \
#test " [lmdb]", test, set_up_disk, tear_down, NULL                                        \
    }

int main(void)
{
    if (!crypto_init())
        return 1;
    log_configure(LOG_PLAIN, LOG_NONE);
    const struct CMUnitTest tests[] = {
        MEMORY(an_empty_store_is_given_the_genesis_state),
        DISK(an_empty_store_is_given_the_genesis_state),
        MEMORY(what_was_written_is_what_a_restart_reads),
        DISK(what_was_written_is_what_a_restart_reads),
        MEMORY(committing_moves_the_height_and_makes_the_block_readable),
        DISK(committing_moves_the_height_and_makes_the_block_readable),
        MEMORY(abandoned_blocks_are_gone_after_a_restart),
        DISK(abandoned_blocks_are_gone_after_a_restart),
        MEMORY(state_is_applied_late_and_all_of_it_is_always_there),
        DISK(state_is_applied_late_and_all_of_it_is_always_there),
        MEMORY(a_key_deleted_last_is_not_in_the_state),
        MEMORY(state_is_applied_early_when_updates_are_large),
        MEMORY(the_state_is_walked_in_order_of_keys),
        DISK(the_state_is_walked_in_order_of_keys),
        MEMORY(a_committed_transaction_is_found_before_and_after_it_is_applied),
        DISK(a_committed_transaction_is_found_before_and_after_it_is_applied),
        MEMORY(without_an_index_no_transaction_is_found),
        MEMORY(a_crash_between_any_two_calls_leaves_the_last_synced_step),
        MEMORY(a_commit_of_unknown_outcome_is_either_there_whole_or_not_at_all),
        MEMORY(a_full_store_is_reported_and_leaves_what_was_there),
        MEMORY(a_store_too_full_for_genesis_is_refused_with_a_sentence),
        MEMORY(no_snapshot_stays_open_across_a_sync),
        MEMORY(a_damaged_safety_record_is_refused),
        MEMORY(a_damaged_record_of_heights_chain_or_set_is_refused),
        MEMORY(a_damaged_block_that_a_start_needs_is_refused),
        MEMORY(an_uncommitted_block_without_its_parent_is_refused),
        MEMORY(a_damaged_old_block_is_found_when_it_is_read),
        DISK(a_damaged_old_block_is_found_when_it_is_read),
        MEMORY(a_safety_record_of_another_chain_is_refused),
        MEMORY(a_block_of_another_chain_is_refused),
        MEMORY(an_unknown_schema_version_is_refused_by_number),
        DISK(an_unknown_schema_version_is_refused_by_number),
        MEMORY(the_data_of_another_chain_is_refused_with_both_names),
        DISK(the_data_of_another_chain_is_refused_with_both_names),
        MEMORY(a_start_reads_as_much_of_a_long_chain_as_of_a_short_one),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
