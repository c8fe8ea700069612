/*
 * The ledger over records that were damaged, lost or brought from elsewhere: it refuses, and says
 * which. Records are spoiled through the store, byte by byte where they are sealed.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/hex.h"
#include "base/log.h"
#include "lib/fast_crypto.h"
#include "lib/ledger_world.h"
#include "lib/storage_test.h"
#include "node/ledger_internal.h"
#include "wire/preimage.h"
#include "wire/wire.h"

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
    enum ingot_error error = world_try_open(world);
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
    world_open(world);
    struct ledger_entry entries[4];
    const struct block *parent = world->genesis;
    for (uint32_t i = 0; i < 4; i++) {
        entries[i] = world_child(world, parent, "k=v");
        parent = entries[i].block;
        world_put(world, &entries[i]);
        if (i < 3) {
            world_commit(world, &entries[i]);
            world_sync(world);
        }
        if (i > 0)
            ledger_block_key(parent->height, &parent->hash, keys[i - 1]);
    }
    struct core_safety safety = world_safety(world, parent, false);
    ledger_put_safety(world->ledger, &safety);
    core_safety_deinit(&safety);
    world_sync(world);
    assert_int_equal(ledger_applied_height(world->ledger), 2);
    for (uint32_t i = 0; i < 4; i++)
        ledger_entry_deinit(&entries[i]);
    world_crash(world);
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
    world_open(world);
    struct ledger_start start = world_load(world);
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

static void a_damaged_record_of_heights_index_chain_or_set_is_refused(void **state)
{
    struct world *world = *state;
    uint8_t keys[3][LEDGER_BLOCK_KEY_BYTES];
    write_short_chain(world, keys);
    assert_all_damage_is_found(world, LEDGER_META, text("index"), 0, 0, "record 'index'");
    assert_all_damage_is_found(world, LEDGER_META, text("heights"), 0, 0, "record 'heights'");
    assert_all_damage_is_found(world, LEDGER_META, text("chain"), 0, 0, "record 'chain'");
    uint8_t epoch[8] = {0};
    assert_all_damage_is_found(world, LEDGER_SETS, ingot_slice_of(epoch, 8), 0, 0, "validator set");
}

static void hashes_that_wait_for_the_index_must_be_whole(void **state)
{
    struct world *world = *state;
    uint8_t keys[3][LEDGER_BLOCK_KEY_BYTES];
    write_short_chain(world, keys);
    uint8_t key[LEDGER_HEIGHT_KEY_BYTES];
    ledger_height_key(3, key);
    struct ingot_buffer record = {0};
    read_record(world, LEDGER_UNINDEXED, ingot_slice_of(key, sizeof key), &record);
    assert_int_equal(record.size, 64);
    for (size_t size = 0; size < record.size; size++) {
        if (size == 32)
            continue;
        write_record(world, LEDGER_UNINDEXED, ingot_slice_of(key, sizeof key),
                     ingot_slice_of(record.data, size));
        assert_damaged(world, "transactions of height 3");
    }
    ingot_buffer_deinit(&record);
}

static void a_damaged_record_of_a_later_epochs_set_is_refused(void **state)
{
    struct world *world = *state;
    world_open(world);
    struct samples next;
    samples_init(&next, &fast_crypto, 5, 1, 9);
    struct ledger_entry change = world_change(world, world->genesis, next.set);
    world_put(world, &change);
    ledger_commit_block(world->ledger, change.block, change.execution, next.set);
    world_sync(world);
    world_crash(world);
    uint8_t epoch[8] = {[7] = 1};
    assert_all_damage_is_found(world, LEDGER_SETS, ingot_slice_of(epoch, 8), 0, 0, "validator set");
    ledger_entry_deinit(&change);
    samples_deinit(&next);
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
    world_open(world);
    struct ledger_entry first = world_child(world, world->genesis, "k=v");
    struct ledger_entry second = world_child(world, first.block, "k=v");
    world_put(world, &second);
    world_sync(world);
    world_crash(world);
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
    world_open(world);
    struct ledger_start start = world_load(world);
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
    world_open(world);
    world_crash(world);
    world_open(other);
    world_crash(other);
    struct ingot_buffer record = {0};
    read_record(other, LEDGER_META, text("safety"), &record);
    write_record(world, LEDGER_META, text("safety"), ingot_buffer_slice(&record));
    assert_damaged(world, "record 'safety'");
    ingot_buffer_deinit(&record);
    void *other_state = other;
    world_tear_down(&other_state);
}

static void a_block_of_another_chain_is_refused(void **state)
{
    struct world *world = *state;
    world_open(world);
    world_crash(world);
    struct samples other;
    samples_init(&other, &fast_crypto, 4, 0, 1);
    other.chain = samples_hash(0x77);
    struct execution *execution = world_execution(1, NULL, 0);
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

#define SCHEMA_NUMBER_AT 12 /* behind the mark */

/* With this schema record the data is taken, and has our version after the first step. */
static void expect_raised(struct world *world, struct ingot_buffer *record)
{
    write_record(world, LEDGER_META, text("schema"), ingot_buffer_slice(record));
    assert_int_equal(world_try_open(world), INGOT_OK);
    assert_int_equal(ledger_sync(world->ledger), INGOT_OK);
    world_crash(world);
    ingot_buffer_clear(record);
    read_record(world, LEDGER_META, text("schema"), record);
    assert_int_equal(record->data[SCHEMA_NUMBER_AT], LEDGER_SCHEMA_VERSION);
    ingot_buffer_deinit(record);
}

/* The records are the same; what they were before a journal was beside them. */
static void data_from_before_journals_is_taken_over_with_the_first_step(void **state)
{
    struct world *world = *state;
    world_open(world);
    world_crash(world);
    struct ingot_buffer record = {0};
    read_record(world, LEDGER_META, text("schema"), &record);
    record.size -= 4; /* the complement */
    record.data[SCHEMA_NUMBER_AT] = LEDGER_SCHEMA_VERSION_BEFORE_JOURNALS;
    expect_raised(world, &record);
}

/* That a whole execution is read beside packed ones is in node_ledger_entry_test. */
static void data_from_before_packing_is_taken_over_with_the_first_step(void **state)
{
    struct world *world = *state;
    world_open(world);
    world_crash(world);
    struct ingot_buffer record = {0};
    read_record(world, LEDGER_META, text("schema"), &record);
    record.data[SCHEMA_NUMBER_AT] = LEDGER_SCHEMA_VERSION_BEFORE_PACKING;
    record.data[SCHEMA_NUMBER_AT + 4] = (uint8_t)~LEDGER_SCHEMA_VERSION_BEFORE_PACKING;
    expect_raised(world, &record);
}

/* One that is damaged must not be taken for one of the other version. */
static void a_schema_record_is_of_one_version_or_damaged(void **state)
{
    struct world *world = *state;
    world_open(world);
    world_crash(world);
    struct ingot_buffer record = {0};
    read_record(world, LEDGER_META, text("schema"), &record);
    record.data[SCHEMA_NUMBER_AT] = LEDGER_SCHEMA_VERSION_BEFORE_JOURNALS;
    write_record(world, LEDGER_META, text("schema"), ingot_buffer_slice(&record));
    assert_damaged(world, "not that of version 4");
    record.data[SCHEMA_NUMBER_AT] = LEDGER_SCHEMA_VERSION;
    record.data[record.size - 1] ^= 1;
    write_record(world, LEDGER_META, text("schema"), ingot_buffer_slice(&record));
    assert_damaged(world, "not that of version 6");
    record.size -= 4;
    write_record(world, LEDGER_META, text("schema"), ingot_buffer_slice(&record));
    assert_damaged(world, "not that of version 6");
    ingot_buffer_deinit(&record);
}

static void an_unknown_schema_version_is_refused_by_number(void **state)
{
    struct world *world = *state;
    world_open(world);
    world_crash(world);
    struct ingot_buffer record = {0};
    read_record(world, LEDGER_META, text("schema"), &record);
    record.data[SCHEMA_NUMBER_AT] = 9;
    write_record(world, LEDGER_META, text("schema"), ingot_buffer_slice(&record));
    assert_int_equal(world_try_open(world), INGOT_ERROR_VERSION);
    assert_says(world, "schema version 9");
    assert_says(world, "knows versions 4 to 6");
    record.data[0] = 'X';
    write_record(world, LEDGER_META, text("schema"), ingot_buffer_slice(&record));
    assert_damaged(world, "not one of a chain's");
    delete_record(world, LEDGER_META, text("schema"));
    assert_damaged(world, "no schema version");
    ingot_buffer_deinit(&record);
}

static void the_data_of_another_chain_is_refused_with_both_names(void **state)
{
    struct world *world = *state;
    world_open(world);
    world_crash(world);
    char stored[65];
    char expected[65];
    hex_encode_lower(world->samples.chain.bytes, 32, stored);
    world->samples.chain = samples_hash(0x77);
    hex_encode_lower(world->samples.chain.bytes, 32, expected);
    block_unref(world->genesis);
    world->genesis = wire_genesis_block(&world->samples.chain, world->samples.set, 1);
    world->options.genesis = world->genesis;
    assert_int_equal(world_try_open(world), INGOT_ERROR_INVALID);
    assert_says(world, stored);
    assert_says(world, expected);
}

int main(void)
{
    if (!crypto_init())
        return 1;
    log_configure(LOG_PLAIN, LOG_NONE);
    const struct CMUnitTest tests[] = {
        WORLD_MEMORY(a_damaged_safety_record_is_refused),
        WORLD_MEMORY(a_damaged_record_of_heights_index_chain_or_set_is_refused),
        WORLD_MEMORY(hashes_that_wait_for_the_index_must_be_whole),
        WORLD_MEMORY(a_damaged_record_of_a_later_epochs_set_is_refused),
        WORLD_MEMORY(a_damaged_block_that_a_start_needs_is_refused),
        WORLD_MEMORY(an_uncommitted_block_without_its_parent_is_refused),
        WORLD_MEMORY(a_damaged_old_block_is_found_when_it_is_read),
        WORLD_DISK(a_damaged_old_block_is_found_when_it_is_read),
        WORLD_MEMORY(a_safety_record_of_another_chain_is_refused),
        WORLD_MEMORY(a_block_of_another_chain_is_refused),
        WORLD_MEMORY(data_from_before_journals_is_taken_over_with_the_first_step),
        WORLD_MEMORY(data_from_before_packing_is_taken_over_with_the_first_step),
        WORLD_MEMORY(a_schema_record_is_of_one_version_or_damaged),
        WORLD_MEMORY(an_unknown_schema_version_is_refused_by_number),
        WORLD_DISK(an_unknown_schema_version_is_refused_by_number),
        WORLD_MEMORY(the_data_of_another_chain_is_refused_with_both_names),
        WORLD_DISK(the_data_of_another_chain_is_refused_with_both_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
