/*
 * Taking over a store, and changing it: one batch gathers what a step of the protocol wants durable
 * and ledger_sync commits it whole.
 *
 * Reading is in ledger_state.c and ledger_start.c, the way of committed updates into the state in
 * ledger_apply.c, of transactions into their index in ledger_index.c, of old blocks out of it in
 * ledger_prune.c, the bytes of records in ledger_record.c.
 */
#include "node/ledger_internal.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/hex.h"
#include "base/mutant.h"
#include "wire/preimage.h"
#include "wire/wire.h"

#define APPLY_BLOCKS_DEFAULT 1024
#define APPLY_BYTES_DEFAULT ((size_t)24 * 1024 * 1024)
#define APPLY_PUTS_DEFAULT 1024

#define INDEX_ENTRIES_DEFAULT 524288
#define INDEX_PUTS_DEFAULT 64

#define PRUNE_BLOCKS_DEFAULT 64

#define SCHEMA_MARK "ingot ledger"

const char *const ledger_tables[LEDGER_TABLE_COUNT] = {
    [LEDGER_META] = "meta",         [LEDGER_BLOCKS] = "blocks",
    [LEDGER_CHAIN] = "chain",       [LEDGER_STATE] = "state",
    [LEDGER_SETS] = "sets",         [LEDGER_TRANSACTIONS] = "transactions",
    [LEDGER_ATTEST] = "attest",     [LEDGER_UNINDEXED] = "unindexed",
    [LEDGER_EVIDENCE] = "evidence",
};
const uint32_t ledger_table_count = LEDGER_TABLE_COUNT;
const uint32_t ledger_lazy_tables = UINT32_C(1) << LEDGER_STATE;

enum ingot_error ledger_fail(struct ledger_why why, enum ingot_error error, const char *format, ...)
{
    if (why.size > 0) {
        va_list arguments;
        va_start(arguments, format);
        vsnprintf(why.text, why.size, format, arguments);
        va_end(arguments);
    }
    return error;
}

/* --- The open batch. --- */

struct ingot_store_batch *ledger_open_batch(struct ledger *ledger)
{
    if (ledger->batch == NULL)
        ledger->batch = ingot_store_batch_begin(ledger->store);
    return ledger->batch;
}

void ledger_store_sealed(struct ledger *ledger, enum ledger_table table, struct ingot_slice key,
                         struct ingot_slice content)
{
    struct ingot_buffer record = {0};
    record_seal(&ledger->chain, table, key, content, &record);
    ingot_store_batch_put(ledger_open_batch(ledger), table, key, ingot_buffer_slice(&record));
    ingot_buffer_deinit(&record);
}

void ledger_store_meta(struct ledger *ledger, const char *name, const struct ingot_buffer *content)
{
    ledger_store_sealed(ledger, LEDGER_META, ingot_slice_of_text(name),
                        ingot_buffer_slice(content));
}

void ledger_store_heights(struct ledger *ledger, const struct ledger_heights *heights)
{
    struct ingot_buffer content = {0};
    ledger_encode_heights(heights, &content);
    ledger_store_meta(ledger, LEDGER_KEY_HEIGHTS, &content);
    ingot_buffer_deinit(&content);
}

void ledger_store_entry(struct ledger *ledger, const struct block *block,
                        const struct execution *execution)
{
    uint8_t key[LEDGER_BLOCK_KEY_BYTES];
    ledger_block_key(block->height, &block->hash, key);
    ingot_buffer_clear(&ledger->entry);
    ledger_pack_entry(block, execution, &ledger->entry);
    ingot_store_batch_put(ledger_open_batch(ledger), LEDGER_BLOCKS, ingot_slice_of(key, sizeof key),
                          ingot_buffer_slice(&ledger->entry));
}

void ledger_store_chain(struct ledger *ledger, const struct block *block)
{
    uint8_t key[LEDGER_HEIGHT_KEY_BYTES];
    ledger_height_key(block->height, key);
    ingot_store_batch_put(ledger_open_batch(ledger), LEDGER_CHAIN, ingot_slice_of(key, sizeof key),
                          ingot_slice_of(block->hash.bytes, INGOT_HASH_BYTES));
}

void ledger_store_set(struct ledger *ledger, const struct validator_set *set)
{
    uint8_t key[LEDGER_HEIGHT_KEY_BYTES];
    ledger_height_key(set->epoch, key);
    struct ingot_buffer content = {0};
    wire_encode_validator_set(set, &content);
    ledger_store_sealed(ledger, LEDGER_SETS, ingot_slice_of(key, sizeof key),
                        ingot_buffer_slice(&content));
    ingot_buffer_deinit(&content);
}

void ledger_put_block(struct ledger *ledger, struct block *block, struct execution *execution)
{
    INGOT_ASSERT(execution != NULL);
    INGOT_ASSERT(execution->result_count == block->transaction_count);
    INGOT_ASSERT(block->height > ledger->batch_committed);
    ledger_store_entry(ledger, block, execution);
}

void ledger_put_safety(struct ledger *ledger, const struct core_safety *safety)
{
    (void)ledger_open_batch(ledger);
    ingot_buffer_clear(&ledger->batch_safety);
    ledger_encode_safety(safety, &ledger->batch_safety);
}

void ledger_commit_block(struct ledger *ledger, struct block *block, struct execution *execution,
                         const struct validator_set *next_set)
{
    INGOT_ASSERT(execution != NULL);
    INGOT_ASSERT(block->height == ledger->batch_committed + 1);
    INGOT_ASSERT(block_changes_set(block) == (next_set != NULL));
    if (next_set != NULL) {
        INGOT_ASSERT(next_set->epoch == block_epoch(block) + 1);
        INGOT_ASSERT(crypto_hash_equal(&next_set->hash, &block->next_validators_hash));
        if (!MUTANT(SET_RECORD_DROPPED))
            ledger_store_set(ledger, next_set);
    }
    ledger_store_chain(ledger, block);
    ledger_unapplied_add(&ledger->batch_unapplied, &ledger->sweep, block->height, execution);
    ledger_index_block(ledger, block);
    ledger->batch_committed = block->height;
    ledger->batch_block_bytes += block_size_bytes(block);
}

void ledger_delete_block(struct ledger *ledger, const struct block *block)
{
    uint8_t key[LEDGER_BLOCK_KEY_BYTES];
    ledger_block_key(block->height, &block->hash, key);
    ingot_store_batch_delete(ledger_open_batch(ledger), LEDGER_BLOCKS,
                             ingot_slice_of(key, sizeof key));
}

bool ledger_has_changes(const struct ledger *ledger)
{
    return ledger->batch != NULL;
}

void ledger_set_bulk(struct ledger *ledger)
{
    if (ledger->batch != NULL)
        ingot_store_batch_set_bulk(ledger->batch);
}

static void end_snapshot(struct ledger *ledger)
{
    INGOT_ASSERT(ledger->cursors_open == 0);
    ingot_store_snapshot_end(ledger->snapshot);
    ledger->snapshot = NULL;
}

/* Those that a start finds. */
static void store_heights(struct ledger *ledger, const struct ledger_heights *heights)
{
    struct ledger_heights durable = *heights;
    durable.applied = ledger_durable_applied(ledger, heights->applied);
    if (!MUTANT(HEIGHT_LEFT_BEHIND))
        ledger_store_heights(ledger, &durable);
}

enum ingot_error ledger_sync(struct ledger *ledger)
{
    if (ledger->batch == NULL)
        return INGOT_OK;
    struct ledger_heights heights = ledger->heights;
    heights.committed = ledger->batch_committed;
    const bool commits = ledger->batch_unapplied.count > 0;
    if (commits) {
        ledger_look_at_settled(ledger);
        heights.lowest = ledger_prune(ledger);
        heights.applied = ledger_apply(ledger);
        ledger_index_drain(ledger);
        store_heights(ledger, &heights);
    }
    if (MUTANT(STEP_IN_TWO) && ingot_store_batch_commit(ledger->batch) <= INGOT_OK)
        ledger->batch = ingot_store_batch_begin(ledger->store);
    if (ledger->batch_safety.size > 0)
        ledger_store_meta(ledger, LEDGER_KEY_SAFETY, &ledger->batch_safety);
    end_snapshot(ledger);
    const enum ingot_error error = ingot_store_batch_commit(ledger->batch);
    ledger->batch = NULL;
    ledger->batch_number++;
    ledger->batch_block_bytes = 0;
    ingot_buffer_clear(&ledger->batch_safety);
    if (error != INGOT_OK)
        return error;
    ledger->heights = heights;
    ledger_unapplied_move(&ledger->unapplied, &ledger->batch_unapplied);
    ledger_unapplied_drop(&ledger->unapplied, heights.applied);
    ledger_begin_settling(ledger);
    ledger_index_synced(ledger);
    ledger_evidence_synced(ledger);
    return INGOT_OK;
}

uint64_t ledger_committed_height(const struct ledger *ledger)
{
    return ledger->heights.committed;
}

uint64_t ledger_applied_height(const struct ledger *ledger)
{
    return ledger->heights.applied;
}

uint64_t ledger_lowest_height(const struct ledger *ledger)
{
    return ledger->heights.lowest;
}

/* --- Taking over a store. --- */

void ledger_store_schema(struct ledger *ledger)
{
    struct ingot_buffer value = {0};
    ingot_buffer_append_slice(&value, ingot_slice_of_text(SCHEMA_MARK));
    ingot_buffer_append_u32(&value, LEDGER_SCHEMA_VERSION);
    ingot_buffer_append_u32(&value, ~(uint32_t)LEDGER_SCHEMA_VERSION);
    ingot_store_batch_put(ledger_open_batch(ledger), LEDGER_META,
                          ingot_slice_of_text(LEDGER_KEY_SCHEMA), ingot_buffer_slice(&value));
    ingot_buffer_deinit(&value);
}

static enum ingot_error create(struct ledger *ledger, const struct ledger_options *options,
                               struct ledger_why why)
{
    struct ingot_buffer content = {0};
    ledger_store_schema(ledger);
    ingot_buffer_append(&content, ledger->chain.bytes, INGOT_HASH_BYTES);
    ledger_store_meta(ledger, LEDGER_KEY_CHAIN, &content);
    ledger_store_heights(ledger, &(struct ledger_heights){0});
    ledger_store_index_place(ledger);
    ledger_store_evidence_place(ledger);
    ledger_store_entry(ledger, options->genesis, NULL);
    ledger_store_chain(ledger, options->genesis);

    ledger_store_set(ledger, options->genesis_set);
    ingot_buffer_deinit(&content);

    struct qc *genesis_qc = wire_genesis_qc(&ledger->chain);
    struct core_safety safety = core_safety_at_genesis(genesis_qc);
    ledger_put_safety(ledger, &safety);
    core_safety_deinit(&safety);
    qc_unref(genesis_qc);
    const enum ingot_error error = ledger_sync(ledger);
    if (error != INGOT_OK)
        return ledger_fail(why, error, "the genesis state cannot be written: %s",
                           ingot_error_text(error));
    return INGOT_OK;
}

/* INGOT_OK: of our schema, or raised to it; INGOT_ERROR_NOT_FOUND: none is noted. */
static enum ingot_error check_schema(struct ledger *ledger, bool read_only, struct ledger_why why)
{
    enum ingot_error error = INGOT_OK;
    struct ingot_store_snapshot *snapshot = ledger_snapshot(ledger, &error);
    struct ingot_slice value;
    if (error == INGOT_OK)
        error = ingot_store_snapshot_get(snapshot, LEDGER_META,
                                         ingot_slice_of_text(LEDGER_KEY_SCHEMA), &value);
    if (error == INGOT_ERROR_NOT_FOUND)
        return error;
    if (error != INGOT_OK)
        return ledger_fail(why, error, "the store cannot be read: %s", ingot_error_text(error));
    struct ingot_slice mark;
    uint32_t version = 0;
    if (!ingot_slice_take(&value, sizeof SCHEMA_MARK - 1, &mark) ||
        !ingot_slice_equal(mark, ingot_slice_of_text(SCHEMA_MARK)) ||
        !ingot_slice_take_u32(&value, &version))
        return ledger_fail(why, INGOT_ERROR_CORRUPT,
                           "damaged data: the schema record is not one of a chain's; a chain and "
                           "quorum-broadcast need a [node] data_folder each");
    /* A later version may have added something behind the number. */
    const bool is_before_journals = version == LEDGER_SCHEMA_VERSION_BEFORE_JOURNALS;
    const bool is_older = is_before_journals || version == LEDGER_SCHEMA_VERSION_BEFORE_PACKING;
    if (version != LEDGER_SCHEMA_VERSION && !is_older && !MUTANT(SCHEMA_UNCHECKED))
        return ledger_fail(why, INGOT_ERROR_VERSION,
                           "the data is of schema version %u; this program knows versions %u to %u",
                           version, LEDGER_SCHEMA_VERSION_BEFORE_JOURNALS, LEDGER_SCHEMA_VERSION);
    /* The complement tells damage from another version, which the number alone would not. */
    uint32_t complement = ~version;
    if ((!is_before_journals && !ingot_slice_take_u32(&value, &complement)) ||
        complement != ~version || value.size > 0)
        return ledger_fail(why, INGOT_ERROR_CORRUPT,
                           "damaged data: the schema record is not that of version %u", version);
    /*
     * Durable with the first step, before which nothing is sent. Without a journal before, that
     * step goes to LMDB itself, where an older program looks for it; one that knows journals does
     * not take our records, which say what they rely on.
     */
    if (is_older && !read_only)
        ledger_store_schema(ledger);
    return INGOT_OK;
}

static enum ingot_error check_empty(struct ledger *ledger, struct ledger_why why)
{
    enum ingot_error error = INGOT_ERROR_NOT_FOUND;
    for (uint32_t table = 0; table < LEDGER_TABLE_COUNT && error == INGOT_ERROR_NOT_FOUND;
         table++) {
        struct ingot_store_cursor *cursor = NULL;
        error = ingot_store_cursor_open(ledger->snapshot, table, &cursor);
        if (error == INGOT_OK)
            error = ingot_store_cursor_seek(cursor, ingot_slice_of(NULL, 0));
        ingot_store_cursor_close(cursor);
    }
    if (error == INGOT_ERROR_NOT_FOUND)
        return INGOT_OK;
    if (error == INGOT_OK)
        return ledger_fail(why, INGOT_ERROR_CORRUPT,
                           "damaged data: there is content, but no schema version");
    return ledger_fail(why, error, "the store cannot be read: %s", ingot_error_text(error));
}

/* The record is sealed under the chain that it names, whichever that is. */
static enum ingot_error check_chain(struct ledger *ledger, struct ledger_why why)
{
    struct ingot_slice key = ingot_slice_of_text(LEDGER_KEY_CHAIN);
    struct ingot_slice record;
    enum ingot_error error = ingot_store_snapshot_get(ledger->snapshot, LEDGER_META, key, &record);
    if (error != INGOT_OK && error != INGOT_ERROR_NOT_FOUND)
        return ledger_fail(why, error, "the store cannot be read: %s", ingot_error_text(error));
    struct ingot_hash stored = {{0}};
    struct ingot_slice content;
    bool is_sound = error == INGOT_OK && record.size == 2 * (size_t)INGOT_HASH_BYTES;
    if (is_sound) {
        memcpy(stored.bytes, record.data + INGOT_HASH_BYTES, INGOT_HASH_BYTES);
        is_sound = record_unseal(&stored, LEDGER_META, key, record, &content);
    }
    if (!is_sound)
        return ledger_fail(why, INGOT_ERROR_CORRUPT,
                           "damaged data: the record '%s' is missing or does not match its "
                           "checksum",
                           LEDGER_KEY_CHAIN);
    if (crypto_hash_equal(&stored, &ledger->chain))
        return INGOT_OK;
    char theirs[2 * INGOT_HASH_BYTES + 1];
    char ours[2 * INGOT_HASH_BYTES + 1];
    hex_encode_lower(stored.bytes, INGOT_HASH_BYTES, theirs);
    hex_encode_lower(ledger->chain.bytes, INGOT_HASH_BYTES, ours);
    return ledger_fail(why, INGOT_ERROR_INVALID,
                       "the data is of another chain: its genesis hash is %s, expected %s", theirs,
                       ours);
}

static enum ingot_error resume(struct ledger *ledger, struct ledger_why why)
{
    enum ingot_error error = check_chain(ledger, why);
    if (error != INGOT_OK)
        return error;
    struct ingot_slice content = {0};
    error = ledger_read_meta(ledger, LEDGER_KEY_HEIGHTS, &content, why);
    if (error != INGOT_OK)
        return error;
    if (!ledger_decode_heights(content, &ledger->heights))
        return ledger_fail(why, INGOT_ERROR_CORRUPT,
                           "damaged data: the record '%s' does not decode", LEDGER_KEY_HEIGHTS);
    ledger->batch_committed = ledger->heights.committed;
    ledger->settling.height = ledger->heights.applied;
    bool had_index = false;
    error = ledger_find_index(ledger, &had_index);
    if (error != INGOT_OK)
        return ledger_fail(why, error, "the transaction index cannot be read: %s",
                           ingot_error_text(error));
    ledger->has_index = ledger->index_transactions || had_index;
    error = ledger_index_read(ledger, why);
    if (error == INGOT_OK)
        error = ledger_read_evidence(ledger, why);
    return error == INGOT_OK ? ledger_read_unapplied(ledger, why) : error;
}

enum ingot_error ledger_open(struct ingot_store *store, const struct ledger_options *options,
                             struct ledger **result, char *why_text, size_t why_size)
{
    struct ledger_why why = {.text = why_text, .size = why_size};
    INGOT_ASSERT(options->genesis->height == 0);
    *result = NULL;
    (void)ledger_fail(why, INGOT_OK, "%s", "");
    struct ledger *ledger = alloc_zeroed(1, sizeof *ledger);
    ledger->store = store;
    ledger->chain = options->genesis->hash;
    ledger->index_transactions = options->index_transactions;
    ledger->apply_blocks_max =
        options->apply_blocks_max > 0 ? options->apply_blocks_max : APPLY_BLOCKS_DEFAULT;
    ledger->apply_bytes_max =
        options->apply_bytes_max > 0 ? options->apply_bytes_max : APPLY_BYTES_DEFAULT;
    ledger->apply_puts_min =
        options->apply_puts_min > 0 ? options->apply_puts_min : APPLY_PUTS_DEFAULT;
    ledger->index_entries_max =
        options->index_entries_max > 0 ? options->index_entries_max : INDEX_ENTRIES_DEFAULT;
    ledger->index_puts_min =
        options->index_puts_min > 0 ? options->index_puts_min : INDEX_PUTS_DEFAULT;
    ledger->retain_blocks = options->retain_blocks;
    ledger->prune_blocks_min =
        options->prune_blocks_min > 0 ? options->prune_blocks_min : PRUNE_BLOCKS_DEFAULT;
    ledger->has_index = options->index_transactions;
    ledger->held_from = UINT64_MAX;
    ledger->batch_number = 1;
    enum ingot_error error = check_schema(ledger, options->read_only, why);
    if (error == INGOT_ERROR_NOT_FOUND) {
        error = check_empty(ledger, why);
        if (error == INGOT_OK && options->read_only)
            error = ledger_fail(why, INGOT_ERROR_NOT_FOUND,
                                "there is no chain in it yet; expected data that a node has used");
        else if (error == INGOT_OK)
            error = create(ledger, options, why);
    } else if (error == INGOT_OK) {
        error = resume(ledger, why);
    }
    if (error != INGOT_OK) {
        ledger_free(ledger);
        return error;
    }
    *result = ledger;
    return INGOT_OK;
}

void ledger_free(struct ledger *ledger)
{
    if (ledger == NULL)
        return;
    end_snapshot(ledger);
    ingot_store_batch_abort(ledger->batch);
    ingot_buffer_deinit(&ledger->sweep.at);
    ledger_index_deinit(&ledger->index);
    ledger_prune_deinit(&ledger->prune);
    free(ledger->evidence.items);
    ledger_unapplied_drop(&ledger->unapplied, UINT64_MAX);
    ledger_unapplied_drop(&ledger->batch_unapplied, UINT64_MAX);
    free(ledger->unapplied.items);
    free(ledger->batch_unapplied.items);
    ingot_buffer_deinit(&ledger->batch_safety);
    ingot_buffer_deinit(&ledger->entry);
    free(ledger);
}
