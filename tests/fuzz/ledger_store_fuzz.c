/*
 * A start from a damaged store: a short chain's records, some of which the input drops, cuts,
 * changes, replaces or puts under other keys, sealed anew where they are sealed, so that it is not
 * the seal that stops them. Either the ledger says what is wrong, or all that it has is read and
 * the core takes it or refuses it.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "base/log.h"
#include "fuzz/fuzz.h"
#include "lib/fast_crypto.h"
#include "lib/ledger_world.h"
#include "node/ledger_internal.h"
#include "storage/memory.h"

#define RECORDS_MAX 64
#define EDITS_MAX 6
#define BLOCKS 4

struct record {
    uint32_t table;
    struct ingot_buffer key;
    struct ingot_buffer value;
};

static struct world *world;
static struct record records[RECORDS_MAX];
static uint32_t record_count;

static void make_chain(void)
{
    struct ledger_entry entries[BLOCKS];
    const struct block *parent = world->genesis;
    world->options.apply_blocks_max = 2;
    world_open(world);
    for (uint32_t i = 0; i < BLOCKS; i++) {
        entries[i] = world_child(world, parent, "k=v");
        parent = entries[i].block;
        world_put(world, &entries[i]);
        if (i < BLOCKS - 1) {
            world_commit(world, &entries[i]);
            world_sync(world);
        }
    }
    struct core_safety safety = world_safety(world, parent, true);
    ledger_put_safety(world->ledger, &safety);
    core_safety_deinit(&safety);
    world_sync(world);
    for (uint32_t i = 0; i < BLOCKS; i++) {
        ledger_entry_deinit(&entries[i]);
    }
    world_crash(world);
}

static void list_records(void)
{
    struct ingot_store_snapshot *snapshot = NULL;
    require(ingot_store_snapshot_begin(world->store, &snapshot) == INGOT_OK);
    for (uint32_t table = 0; table < ledger_table_count; table++) {
        struct ingot_store_cursor *cursor = NULL;
        require(ingot_store_cursor_open(snapshot, table, &cursor) == INGOT_OK);
        enum ingot_error error = ingot_store_cursor_seek(cursor, ingot_slice_of_text(""));
        while (error == INGOT_OK) {
            struct ingot_slice key;
            struct ingot_slice value;
            require(record_count < RECORDS_MAX);
            struct record *record = &records[record_count++];
            ingot_store_cursor_item(cursor, &key, &value);
            record->table = table;
            ingot_buffer_append_slice(&record->key, key);
            ingot_buffer_append_slice(&record->value, value);
            error = ingot_store_cursor_next(cursor);
        }
        ingot_store_cursor_close(cursor);
    }
    ingot_store_snapshot_end(snapshot);
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc;
    (void)argv;
    require(crypto_init());
    log_configure(LOG_PLAIN, LOG_NONE);
    world = world_new(false);
    make_chain();
    list_records();
    return 0;
}

static uint8_t take(struct ingot_slice *rest)
{
    uint8_t byte = 0;
    (void)ingot_slice_take_u8(rest, &byte);
    return byte;
}

static bool is_sealed(const struct record *record)
{
    static const struct ingot_slice schema = {(const uint8_t *)LEDGER_KEY_SCHEMA,
                                              sizeof LEDGER_KEY_SCHEMA - 1};
    return record->table == LEDGER_SETS || record->table == LEDGER_ATTEST ||
           record->table == LEDGER_EVIDENCE ||
           (record->table == LEDGER_META &&
            !ingot_slice_equal(ingot_buffer_slice(&record->key), schema));
}

/* What becomes of a value: bytes changed, cut, or others. */
static void change(struct ingot_slice *rest, struct ingot_buffer *value)
{
    struct ingot_slice other;
    const uint8_t how = take(rest);
    if (how % 4 == 0 && ingot_slice_take(rest, take(rest), &other)) {
        ingot_buffer_clear(value);
        ingot_buffer_append_slice(value, other);
    } else if (how % 4 == 1 && value->size > 0) {
        value->size = take(rest) % value->size;
    } else if (how % 4 == 2) {
        ingot_buffer_append_u8(value, take(rest));
    }
    for (uint32_t flips = how / 4 % 4; flips > 0 && value->size > 0; flips--) {
        const size_t at = (size_t)take(rest) << 8 | take(rest);
        value->data[at % value->size] ^= take(rest);
    }
}

static void edit(struct ingot_store_batch *batch, struct ingot_slice *rest)
{
    const struct record *from = &records[take(rest) % record_count];
    const uint8_t how = take(rest);
    /* Mostly it stays where it is; else it goes under a key of any table. */
    const struct record *to = how % 8 < 6 ? from : &records[take(rest) % record_count];
    if (how % 8 == 0) {
        ingot_store_batch_delete(batch, from->table, ingot_buffer_slice(&from->key));
        return;
    }
    struct ingot_slice content = ingot_buffer_slice(&from->value);
    struct ingot_buffer value = {0};
    struct ingot_buffer record = {0};
    struct ingot_slice digest;
    if (is_sealed(from)) {
        require(ingot_slice_take(&content, INGOT_HASH_BYTES, &digest));
    }
    ingot_buffer_append_slice(&value, content);
    change(rest, &value);
    if (is_sealed(to) && how / 8 % 8 != 0) {
        record_seal(&world->samples.chain, to->table, ingot_buffer_slice(&to->key),
                    ingot_buffer_slice(&value), &record);
    } else {
        ingot_buffer_append_slice(&record, ingot_buffer_slice(&value));
    }
    ingot_store_batch_put(batch, to->table, ingot_buffer_slice(&to->key),
                          ingot_buffer_slice(&record));
    ingot_buffer_deinit(&value);
    ingot_buffer_deinit(&record);
}

/* The core makes of it what it can. */
static void give_to_core(const struct ledger_start *start)
{
    const struct core_config config = {.genesis = world->genesis,
                                       .has_key = true,
                                       .key = world->samples.set->validators[0].key,
                                       .leader_tenure = 4,
                                       .base_timeout_ms = 1000,
                                       .timeout_resend_ms = 1000,
                                       .advertise_interval_ms = 1000};
    const struct core_restored restored = {.safety = &start->safety,
                                           .last_committed = start->last_committed.block,
                                           .sets = start->sets,
                                           .set_count = start->set_count};
    const char *why = NULL;
    struct core *core = core_new(&config, &restored, &why);
    if (core == NULL) {
        require(why != NULL);
        return;
    }
    require(core_check_invariants(core, &why) == 0);
    core_free(core);
}

static void read_all(struct ledger *ledger)
{
    for (uint64_t height = 0; height <= ledger_committed_height(ledger) && height < 8; height++) {
        struct ledger_entry entry;
        if (ledger_read_block(ledger, height, &entry) == INGOT_OK) {
            require(entry.block->height == height);
            ledger_entry_deinit(&entry);
        }
    }
    struct ledger_location location;
    for (uint32_t i = 0; i < record_count; i++) {
        if (records[i].table == LEDGER_UNINDEXED && records[i].value.size >= 32) {
            (void)!ledger_find_transaction(ledger, records[i].value.data, &location);
        }
    }
    struct ledger_state_cursor *cursor = NULL;
    if (ledger_state_seek(ledger, ingot_slice_of_text("a"), &cursor) == INGOT_OK) {
        struct ingot_slice key;
        struct ingot_slice value;
        while (ledger_state_next(cursor, &key, &value)) {
        }
        ledger_state_cursor_free(cursor);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct ingot_slice rest = {data, size};
    struct ingot_store *store = ingot_store_memory_clone_durable(world->store);
    struct ingot_store_batch *batch = ingot_store_batch_begin(store);
    for (uint32_t edits = 0; edits < EDITS_MAX && rest.size > 0; edits++) {
        edit(batch, &rest);
    }
    require(ingot_store_batch_commit(batch) == INGOT_OK);
    char why[256] = "";
    struct ledger *ledger = NULL;
    struct ledger_start start;
    if (ledger_open(store, &world->options, &ledger, why, sizeof why) != INGOT_OK) {
        require(why[0] != '\0' && ledger == NULL);
    } else if (ledger_load(ledger, &start, why, sizeof why) != INGOT_OK) {
        require(why[0] != '\0');
    } else {
        require(start.last_committed.block->height == ledger_committed_height(ledger));
        give_to_core(&start);
        read_all(ledger);
        ledger_start_deinit(&start);
    }
    ledger_free(ledger);
    ingot_store_close(store);
    return 0;
}
