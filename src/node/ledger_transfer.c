/*
 * The bodies of ledger_transfer.h.
 */
#include "node/ledger_transfer.h"

#include <stdlib.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "node/ledger_internal.h"
#include "node/ledger_watermark.h"
#include "node/update_merge.h"
#include "wire/crypto.h"
#include "wire/wire.h"

/* --- Out. --- */

/* The updates of all unapplied blocks, each key once, in order. */
struct updates {
    struct update_merge merge;
    struct update_run *runs; /* owned */
};

static void begin_updates(const struct ledger_unapplied_list *list, struct updates *updates)
{
    *updates = (struct updates){.runs = alloc_zeroed(list->count, sizeof *updates->runs)};
    for (uint32_t i = 0; i < list->count; i++) {
        const struct ledger_unapplied *item = &list->items[i];
        update_run_begin(&updates->merge, &updates->runs[i], item->execution, item->height, 0,
                         item->execution->update_count);
    }
}

static void end_updates(struct updates *updates)
{
    update_merge_deinit(&updates->merge);
    free(updates->runs);
}

/* Shows those that come before `end`; all that are left if it is NULL. */
static enum ingot_error visit_updates(struct updates *updates, const struct ingot_slice *end,
                                      ledger_visitor *visitor, void *context)
{
    const struct update_source *top;
    while ((top = update_merge_top(&updates->merge)) != NULL) {
        const struct state_update update = top->item;
        if (end != NULL && ingot_slice_compare(update.key, *end) >= 0)
            return INGOT_OK;
        update_runs_pass(&updates->merge, update.key);
        const enum ingot_error error =
            update.is_delete ? INGOT_OK : visitor(context, update.key, update.value);
        if (error != INGOT_OK)
            return error;
    }
    return INGOT_OK;
}

static bool is_updated(const struct updates *updates, struct ingot_slice key)
{
    const struct update_source *top = update_merge_top(&updates->merge);
    return top != NULL && ingot_slice_equal(top->item.key, key);
}

enum ingot_error ledger_visit_state(struct ledger *ledger, ledger_visitor *visitor, void *context)
{
    struct ledger_state_cursor *cursor = NULL;
    enum ingot_error error = ledger_state_seek(ledger, ingot_slice_of(NULL, 0), &cursor);
    if (error != INGOT_OK)
        return error;
    INGOT_ASSERT(ledger->batch_unapplied.count == 0);
    struct updates updates;
    begin_updates(&ledger->unapplied, &updates);
    struct ingot_slice key;
    struct ingot_slice value;
    while (error == INGOT_OK && ledger_state_next(cursor, &key, &value)) {
        error = visit_updates(&updates, &key, visitor, context);
        /* What is updated is shown as such, before the next key or at the end. */
        if (error == INGOT_OK && !is_updated(&updates, key))
            error = visitor(context, key, value);
    }
    if (error == INGOT_OK)
        error = ledger_state_error(cursor);
    if (error == INGOT_OK)
        error = visit_updates(&updates, NULL, visitor, context);
    end_updates(&updates);
    ledger_state_cursor_free(cursor);
    return error;
}

static enum ingot_error read_epoch(struct ledger *ledger, uint64_t height, uint64_t *epoch,
                                   bool *changes_set)
{
    struct ledger_entry entry;
    const enum ingot_error error = ledger_read_block(ledger, height, &entry);
    if (error != INGOT_OK)
        return error;
    *epoch = block_epoch(entry.block);
    *changes_set = block_changes_set(entry.block);
    ledger_entry_deinit(&entry);
    return INGOT_OK;
}

/* Below the lowest height few blocks are left, which all belong to changes. */
static enum ingot_error find_kept_change(struct ledger *ledger, uint64_t epoch, uint64_t *height)
{
    uint8_t first[LEDGER_HEIGHT_KEY_BYTES];
    enum ingot_error error = INGOT_OK;
    struct ingot_store_snapshot *snapshot = ledger_snapshot(ledger, &error);
    struct ingot_store_cursor *cursor = NULL;
    if (error == INGOT_OK)
        error = ingot_store_cursor_open(snapshot, LEDGER_CHAIN, &cursor);
    ledger_height_key(*height, first);
    if (error == INGOT_OK)
        error = ingot_store_cursor_seek(cursor, ingot_slice_of(first, sizeof first));
    while (error == INGOT_OK) {
        struct ingot_slice key;
        struct ingot_slice hash;
        ingot_store_cursor_item(cursor, &key, &hash);
        uint64_t found = 0;
        bool changes_set = false;
        *height = ledger_height_of_key(key);
        if (*height >= ledger->heights.lowest && *height > 0) {
            error = INGOT_ERROR_NOT_FOUND;
            break;
        }
        error = read_epoch(ledger, *height, &found, &changes_set);
        if (error == INGOT_OK && changes_set && found + 1 == epoch)
            break;
        if (error == INGOT_OK)
            error = ingot_store_cursor_next(cursor);
    }
    ingot_store_cursor_close(cursor);
    return error;
}

enum ingot_error ledger_find_change(struct ledger *ledger, uint64_t epoch, uint64_t *height)
{
    uint64_t low = ledger->heights.lowest > 0 ? ledger->heights.lowest : 1;
    if (low < *height)
        low = *height;
    uint64_t high = ledger->heights.committed;
    uint64_t found = 0;
    bool changes_set = false;
    enum ingot_error error = read_epoch(ledger, high, &found, &changes_set);
    if (error == INGOT_OK && changes_set && found + 1 == epoch) {
        *height = high;
        return INGOT_OK;
    }
    if (error == INGOT_OK && found < epoch)
        error = INGOT_ERROR_NOT_FOUND;
    if (error == INGOT_OK)
        error = read_epoch(ledger, low, &found, &changes_set);
    if (error != INGOT_OK)
        return error;
    if (found >= epoch)
        return find_kept_change(ledger, epoch, height);
    /* Epochs rise with heights: `low` is always before the change, `high` always after it. */
    while (high - low > 1) {
        const uint64_t middle = low + (high - low) / 2;
        error = read_epoch(ledger, middle, &found, &changes_set);
        if (error != INGOT_OK)
            return error;
        if (found < epoch)
            low = middle;
        else
            high = middle;
    }
    *height = low;
    return INGOT_OK;
}

static enum ingot_error certificate_of_child(struct ledger *ledger, const struct block *parent,
                                             struct qc **certificate)
{
    uint8_t first[LEDGER_HEIGHT_KEY_BYTES];
    enum ingot_error error = INGOT_OK;
    struct ingot_store_snapshot *snapshot = ledger_snapshot(ledger, &error);
    struct ingot_store_cursor *cursor = NULL;
    ledger_height_key(parent->height + 1, first);
    if (error == INGOT_OK)
        error = ingot_store_cursor_open(snapshot, LEDGER_BLOCKS, &cursor);
    if (error == INGOT_OK)
        error = ingot_store_cursor_seek(cursor, ingot_slice_of(first, sizeof first));
    while (error == INGOT_OK && *certificate == NULL) {
        struct ingot_slice key;
        struct ingot_slice value;
        struct ledger_entry child;
        ingot_store_cursor_item(cursor, &key, &value);
        if (ledger_height_of_key(key) != parent->height + 1)
            error = INGOT_ERROR_NOT_FOUND;
        else if (ledger_decode_entry(&ledger->chain, key, value, &child) != NULL)
            error = INGOT_ERROR_CORRUPT;
        if (error != INGOT_OK)
            break;
        if (crypto_hash_equal(&child.block->parent, &parent->hash))
            *certificate = qc_ref(child.block->justify);
        ledger_entry_deinit(&child);
        if (*certificate == NULL)
            error = ingot_store_cursor_next(cursor);
    }
    ingot_store_cursor_close(cursor);
    return error;
}

enum ingot_error ledger_read_last_certificate(struct ledger *ledger, const struct block *last,
                                              struct qc **certificate)
{
    struct ingot_slice content;
    struct core_safety safety;
    char text[160];
    *certificate = NULL;
    const enum ingot_error error = ledger_read_meta(ledger, LEDGER_KEY_SAFETY, &content,
                                                    (struct ledger_why){text, sizeof text});
    if (error != INGOT_OK)
        return error;
    if (!ledger_decode_safety(content, &safety))
        return INGOT_ERROR_CORRUPT;
    if (crypto_hash_equal(&safety.high_qc->block, &last->hash))
        *certificate = qc_ref(safety.high_qc);
    core_safety_deinit(&safety);
    return *certificate != NULL ? INGOT_OK : certificate_of_child(ledger, last, certificate);
}

enum ingot_error ledger_read_set(struct ledger *ledger, uint64_t epoch, struct validator_set **set)
{
    uint8_t key_bytes[LEDGER_HEIGHT_KEY_BYTES];
    ledger_height_key(epoch, key_bytes);
    const struct ingot_slice key = ingot_slice_of(key_bytes, sizeof key_bytes);
    struct ingot_slice record;
    struct ingot_slice content;
    enum ingot_error error = INGOT_OK;
    struct ingot_store_snapshot *snapshot = ledger_snapshot(ledger, &error);
    *set = NULL;
    if (error == INGOT_OK)
        error = ingot_store_snapshot_get(snapshot, LEDGER_SETS, key, &record);
    if (error == INGOT_OK && (!record_unseal(&ledger->chain, LEDGER_SETS, key, record, &content) ||
                              wire_decode_validator_set(content, set) != REJECT_NONE))
        error = INGOT_ERROR_CORRUPT;
    return error;
}

/* --- In. --- */

#define BATCH_BYTES_MAX ((size_t)8 * 1024 * 1024)
/* What a record costs beyond its bytes, so that many small ones make a batch too. */
#define RECORD_BYTES 128

struct ledger_import {
    struct ledger ledger; /* of which only the store, the chain, the batch and `entry` are used */
    size_t batch_bytes;
};

struct ledger_import *ledger_import_new(struct ingot_store *store, const struct ingot_hash *chain)
{
    struct ledger_import *import = alloc_zeroed(1, sizeof *import);
    import->ledger.store = store;
    import->ledger.chain = *chain;
    return import;
}

void ledger_import_free(struct ledger_import *import)
{
    if (import == NULL)
        return;
    ingot_store_batch_abort(import->ledger.batch);
    ingot_buffer_deinit(&import->ledger.entry);
    free(import);
}

static enum ingot_error commit(struct ledger_import *import)
{
    /* The state goes in with the rest: nobody could put it again. */
    (void)ledger_open_batch(&import->ledger);
    ledger_set_bulk(&import->ledger);
    const enum ingot_error error = ingot_store_batch_commit(import->ledger.batch);
    import->ledger.batch = NULL;
    import->batch_bytes = 0;
    return error;
}

static enum ingot_error account(struct ledger_import *import, size_t bytes)
{
    import->batch_bytes += bytes + RECORD_BYTES;
    return import->batch_bytes < BATCH_BYTES_MAX ? INGOT_OK : commit(import);
}

enum ingot_error ledger_import_set(struct ledger_import *import, const struct validator_set *set)
{
    ledger_store_set(&import->ledger, set);
    return account(import, (size_t)set->count * sizeof set->validators[0]);
}

enum ingot_error ledger_import_block(struct ledger_import *import, const struct ledger_entry *entry)
{
    ledger_store_entry(&import->ledger, entry->block, entry->execution);
    ledger_store_chain(&import->ledger, entry->block);
    const size_t done = entry->execution == NULL ? 0 : execution_size_bytes(entry->execution);
    return account(import, block_size_bytes(entry->block) + done);
}

enum ingot_error ledger_import_state(struct ledger_import *import, struct ingot_slice key,
                                     struct ingot_slice value)
{
    ingot_store_batch_put(ledger_open_batch(&import->ledger), LEDGER_STATE, key, value);
    return account(import, key.size + value.size);
}

enum ingot_error ledger_import_finish(struct ledger_import *import, uint64_t committed,
                                      uint64_t lowest, const struct core_safety *safety)
{
    struct ledger *ledger = &import->ledger;
    struct ingot_buffer content = {0};
    ledger_store_schema(ledger);
    ingot_buffer_append(&content, ledger->chain.bytes, INGOT_HASH_BYTES);
    ledger_store_meta(ledger, LEDGER_KEY_CHAIN, &content);
    ledger_store_heights(
        ledger,
        &(struct ledger_heights){.committed = committed, .applied = committed, .lowest = lowest});
    ledger_store_index_place(ledger);
    ledger_store_evidence_place(ledger);
    ingot_buffer_clear(&content);
    ledger_encode_safety(safety, &content);
    ledger_store_meta(ledger, LEDGER_KEY_SAFETY, &content);
    ingot_buffer_deinit(&content);
    ledger_put_withheld(ledger, &(struct ledger_withheld){.is_withheld = true});
    return commit(import);
}
