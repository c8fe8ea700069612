/*
 * The record of a block: a value that stands in a transaction is stored as its place there, and
 * reads back as it was. What does not fit that stays whole, and damage is found.
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
#include "lib/ledger_world.h"
#include "lib/prng.h"
#include "lib/storage_test.h"
#include "node/ledger_internal.h"
#include "wire/wire.h"

#define TRANSACTIONS 8
#define TRANSACTION_BYTES 90

/* A block, what executing it does, and its record. */
struct record {
    struct ledger_entry entry;
    struct ingot_slice transactions[TRANSACTIONS];
    struct state_update updates[TRANSACTIONS];
    char keys[TRANSACTIONS][8];
    struct ingot_buffer value;
    uint8_t key[LEDGER_BLOCK_KEY_BYTES];
};

/* The block; what it does is the test's to say. */
static void begin_record(struct record *record, const struct world *world)
{
    *record = (struct record){0};
    record->entry.block = samples_block(&world->samples, wire_genesis_qc(&world->genesis->hash), 1,
                                        1, TRANSACTIONS, TRANSACTION_BYTES);
    record->entry.block->parent = world->genesis->hash;
    struct ingot_slice rest = ingot_buffer_slice(&record->entry.block->payload);
    for (uint32_t i = 0; i < TRANSACTIONS; i++) {
        const bool is_there = payload_next(&rest, &record->transactions[i]);
        assert_true(is_there);
        snprintf(record->keys[i], sizeof record->keys[i], "key%u", i);
        record->updates[i].key = text(record->keys[i]);
    }
}

/* With these sources of the updates; NULL: nobody has noted them. */
static void pack(struct record *record, const uint32_t sources[TRANSACTIONS])
{
    struct block *block = record->entry.block;
    record->entry.execution =
        execution_new(NULL, TRANSACTIONS, record->updates, TRANSACTIONS, NULL, 0);
    if (sources != NULL)
        record->entry.execution->update_sources =
            alloc_copy(sources, TRANSACTIONS * sizeof *sources);
    block->updates_hash = record->entry.execution->updates_hash;
    wire_seal_block(block);
    ledger_block_key(block->height, &block->hash, record->key);
    ledger_pack_entry(block, record->entry.execution, &record->value);
}

static void end_record(struct record *record)
{
    ledger_entry_deinit(&record->entry);
    ingot_buffer_deinit(&record->value);
}

static const char *decode(const struct record *record, struct ingot_slice value,
                          struct ledger_entry *entry)
{
    return ledger_decode_entry(&record->entry.block->chain,
                               ingot_slice_of(record->key, sizeof record->key), value, entry);
}

/* How many bytes fewer than the whole the record has; it reads back as it was. */
static size_t saved(const struct record *record)
{
    struct ledger_entry found;
    const char *wrong = decode(record, ingot_buffer_slice(&record->value), &found);
    if (wrong != NULL)
        fail_msg("%s", wrong);
    world_assert_same_entry(&record->entry, &found);
    ledger_entry_deinit(&found);
    struct ingot_buffer whole = {0};
    ledger_encode_entry(record->entry.block, record->entry.execution, &whole);
    const size_t size = whole.size;
    ingot_buffer_deinit(&whole);
    assert_true(record->value.size <= size);
    return size - record->value.size;
}

static const uint32_t own[TRANSACTIONS] = {0, 1, 2, 3, 4, 5, 6, 7};

#define VALUE_BYTES (TRANSACTION_BYTES - 10)
/* Of the list of copies, and of one. */
#define LIST_BYTES 8
#define COPY_BYTES 12

static void a_value_that_its_transaction_has_is_stored_as_its_place(void **state)
{
    struct record record;
    begin_record(&record, *state);
    for (uint32_t i = 0; i < TRANSACTIONS; i++) {
        /* At the end, at the beginning, or in between. */
        const uint32_t at = i % 3 == 0 ? TRANSACTION_BYTES - VALUE_BYTES : i % 3 * 3 - 3;
        record.updates[i].value = ingot_slice_of(record.transactions[i].data + at, VALUE_BYTES);
    }
    pack(&record, own);
    assert_int_equal(saved(&record), TRANSACTIONS * (VALUE_BYTES - COPY_BYTES) - LIST_BYTES);
    end_record(&record);
}

static void values_from_elsewhere_stay_whole_among_others(void **state)
{
    struct record record;
    begin_record(&record, *state);
    static uint8_t other[TRANSACTION_BYTES];
    memset(other, 0xEE, sizeof other);
    const uint32_t sources[TRANSACTIONS] = {0, 1, 2, TRANSACTIONS, UINT32_MAX, 6, 6, 7};
    for (uint32_t i = 0; i < TRANSACTIONS; i++)
        record.updates[i].value = ingot_slice_of(record.transactions[i].data, VALUE_BYTES);
    record.updates[0].value = ingot_slice_of(other, VALUE_BYTES);
    record.updates[1].value = ingot_slice_of(record.transactions[1].data, 10); /* not worth it */
    record.updates[2] = (struct state_update){.key = record.updates[2].key, .is_delete = true};
    /* 3 and 4 say that no transaction made them, 5 names another one. */
    pack(&record, sources);
    assert_int_equal(saved(&record), 2 * (VALUE_BYTES - COPY_BYTES) - LIST_BYTES);
    end_record(&record);
}

static void without_sources_or_anything_to_copy_a_record_is_whole(void **state)
{
    struct record record;
    begin_record(&record, *state);
    for (uint32_t i = 0; i < TRANSACTIONS; i++)
        record.updates[i].value = record.transactions[i];
    pack(&record, NULL);
    assert_int_equal(saved(&record), 0);
    end_record(&record);
    begin_record(&record, *state);
    pack(&record, own);
    assert_int_equal(saved(&record), 0);
    end_record(&record);
}

/* One transaction may make many keys; who reads takes no more memory than the payload says. */
static void all_copies_together_are_no_more_than_the_payload(void **state)
{
    struct record record;
    begin_record(&record, *state);
    static const uint32_t first[TRANSACTIONS] = {0};
    struct block *block = record.entry.block;
    block->payload.size = 4 + TRANSACTION_BYTES; /* one transaction alone */
    block->transaction_count = 1;
    for (uint32_t i = 0; i < TRANSACTIONS; i++)
        record.updates[i].value = record.transactions[0];
    record.entry.execution = execution_new(NULL, 1, record.updates, TRANSACTIONS, NULL, 0);
    record.entry.execution->update_sources = alloc_copy(first, sizeof first);
    block->updates_hash = record.entry.execution->updates_hash;
    wire_seal_block(block);
    ledger_block_key(block->height, &block->hash, record.key);
    ledger_pack_entry(block, record.entry.execution, &record.value);
    assert_int_equal(saved(&record), TRANSACTION_BYTES - COPY_BYTES - LIST_BYTES);
    end_record(&record);
}

/* A checkpoint has whole executions, of which other programs know. */
static void a_checkpoint_takes_no_packed_record(void **state)
{
    struct record record;
    begin_record(&record, *state);
    for (uint32_t i = 0; i < TRANSACTIONS; i++)
        record.updates[i].value = record.transactions[i];
    pack(&record, own);
    struct ledger_entry entry;
    assert_non_null(
        ledger_decode_value(&record.entry.block->chain, ingot_buffer_slice(&record.value), &entry));
    assert_null(entry.block);
    end_record(&record);
}

/* Of a packed record no byte can change, and none be missing, without being found. */
static void a_damaged_packed_record_is_refused(void **state)
{
    struct record record;
    begin_record(&record, *state);
    for (uint32_t i = 0; i < TRANSACTIONS; i++)
        record.updates[i].value = record.transactions[i];
    pack(&record, own);
    struct ledger_entry found;
    for (size_t size = 0; size < record.value.size; size++) {
        uint8_t *exact = alloc_copy(record.value.data, size);
        assert_non_null(decode(&record, ingot_slice_of(exact, size), &found));
        free(exact);
    }
    for (size_t at = 0; at < record.value.size; at++) {
        for (uint32_t bit = 0; bit < 8; bit++) {
            record.value.data[at] ^= (uint8_t)(1u << bit);
            assert_non_null(decode(&record, ingot_buffer_slice(&record.value), &found));
            assert_null(found.block);
            record.value.data[at] ^= (uint8_t)(1u << bit);
        }
    }
    assert_true(saved(&record) > 0);
    end_record(&record);
}

static void any_values_read_back(void **state)
{
    struct prng prng;
    prng_init(&prng, 3, 1);
    for (int round = 0; round < 300; round++) {
        struct record record;
        uint32_t sources[TRANSACTIONS];
        begin_record(&record, *state);
        for (uint32_t i = 0; i < TRANSACTIONS; i++) {
            const uint64_t at = prng_below(&prng, TRANSACTION_BYTES);
            const uint64_t size = prng_below(&prng, TRANSACTION_BYTES - at + 1);
            const uint64_t from = prng_below(&prng, TRANSACTIONS);
            sources[i] = (uint32_t)(prng_below(&prng, 3) > 0 ? from : prng_below(&prng, 10));
            if (prng_below(&prng, 6) > 0)
                record.updates[i].value = ingot_slice_of(record.transactions[from].data + at, size);
        }
        pack(&record, sources);
        (void)saved(&record);
        end_record(&record);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        WORLD_MEMORY(a_value_that_its_transaction_has_is_stored_as_its_place),
        WORLD_MEMORY(values_from_elsewhere_stay_whole_among_others),
        WORLD_MEMORY(without_sources_or_anything_to_copy_a_record_is_whole),
        WORLD_MEMORY(all_copies_together_are_no_more_than_the_payload),
        WORLD_MEMORY(a_checkpoint_takes_no_packed_record),
        WORLD_MEMORY(a_damaged_packed_record_is_refused),
        WORLD_MEMORY(any_values_read_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
