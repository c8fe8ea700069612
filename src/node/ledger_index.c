/*
 * The transaction index. Its keys are hashes, so in a long chain each new entry is on a page of its
 * own: written with every commit, a few bytes for each transaction would cost the disk as many
 * pages. So a commit only puts one record with its block's hashes, in the order of heights, and the
 * entries wait in memory (ledger_runs.h). Once there are many they drain into the table in the
 * order of their hashes, a part with each commit, where neighbours share pages.
 *
 * What has drained is noted with each part, so a restart goes on with the same drain, and reads as
 * many records as there may wait, however often it happens. Records below a drain that has ended
 * are deleted, a part with each commit too.
 *
 * What is in memory goes before what is in the table. Entries of old blocks leave both, and the
 * record leaves with its block: ledger_prune.c.
 */
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/log.h"
#include "base/mutant.h"
#include "node/ledger_internal.h"
#include "wire/crypto.h"

/* Entries that are put into runs at once at a start. */
#define READ_ENTRIES 4096
/* Records that one batch may delete, besides two for each block that it brings in. */
#define CLEAR_RECORDS 256

void ledger_index_deinit(struct ledger_index *index)
{
    ledger_runs_deinit(&index->fresh);
    ledger_runs_deinit(&index->draining);
    free(index->coming);
    *index = (struct ledger_index){0};
}

/* --- What a commit puts. --- */

static void add_coming(struct ledger_index *index, const uint8_t sha256[32], uint64_t height,
                       uint32_t number)
{
    if (index->coming_count == index->coming_capacity) {
        index->coming_capacity = index->coming_capacity > 0 ? index->coming_capacity * 2 : 64;
        index->coming = alloc_resize(index->coming, index->coming_capacity, sizeof *index->coming);
    }
    struct ledger_indexed *entry = &index->coming[index->coming_count++];
    *entry = ledger_indexed_at(height, number);
    memcpy(entry->sha256, sha256, sizeof entry->sha256);
}

void ledger_index_block(struct ledger *ledger, const struct block *block)
{
    if (!ledger->index_transactions || block->transaction_count == 0)
        return;
    struct ingot_slice rest = ingot_buffer_slice(&block->payload);
    struct ingot_slice transaction;
    struct ingot_buffer hashes = {0};
    for (uint32_t i = 0; payload_next(&rest, &transaction); i++) {
        uint8_t sha256[32];
        crypto_sha256(transaction, sha256);
        ingot_buffer_append(&hashes, sha256, sizeof sha256);
        add_coming(&ledger->index, sha256, block->height, i);
    }
    uint8_t key[LEDGER_HEIGHT_KEY_BYTES];
    ledger_height_key(block->height, key);
    ingot_store_batch_put(ledger_open_batch(ledger), LEDGER_UNINDEXED,
                          ingot_slice_of(key, sizeof key), ingot_buffer_slice(&hashes));
    ingot_buffer_deinit(&hashes);
}

void ledger_index_synced(struct ledger *ledger)
{
    struct ledger_index *index = &ledger->index;
    ledger_runs_add(&index->fresh, index->coming, index->coming_count);
    index->coming_count = 0;
}

/* --- Draining. --- */

void ledger_store_index_place(struct ledger *ledger)
{
    const struct ledger_index *index = &ledger->index;
    struct ingot_buffer content = {0};
    ingot_buffer_append_u64(&content, index->height);
    ingot_buffer_append_u64(&content, index->draining_height);
    ingot_buffer_append(&content, index->drained, sizeof index->drained);
    ledger_store_meta(ledger, LEDGER_KEY_INDEX, &content);
    ingot_buffer_deinit(&content);
}

static void put_entries(struct ledger *ledger, size_t count)
{
    struct ledger_index *index = &ledger->index;
    const struct ledger_indexed *entry = NULL;
    struct ingot_buffer value = {0};
    for (; count > 0 && (entry = ledger_runs_take(&index->draining)) != NULL; count--) {
        memcpy(index->drained, entry->sha256, sizeof index->drained);
        if (entry->height == 0)
            continue;
        ingot_buffer_clear(&value);
        ingot_buffer_append_u64(&value, entry->height);
        ingot_buffer_append_u32(&value, entry->index);
        ingot_store_batch_put(ledger->batch, LEDGER_TRANSACTIONS,
                              ingot_slice_of(entry->sha256, sizeof entry->sha256),
                              ingot_buffer_slice(&value));
    }
    ingot_buffer_deinit(&value);
}

/* Deletes some of the records whose entries are all in the table. */
static void clear_records(struct ledger *ledger)
{
    struct ledger_index *index = &ledger->index;
    size_t left = CLEAR_RECORDS + 2 * (size_t)ledger->batch_unapplied.count;
    enum ingot_error error = INGOT_OK;
    struct ingot_store_snapshot *snapshot = ledger_snapshot(ledger, &error);
    struct ingot_store_cursor *cursor = NULL;
    if (error == INGOT_OK)
        error = ingot_store_cursor_open(snapshot, LEDGER_UNINDEXED, &cursor);
    if (error == INGOT_OK)
        error = ingot_store_cursor_seek(cursor, ingot_slice_of(NULL, 0));
    for (; error == INGOT_OK && left > 0; left--) {
        struct ingot_slice key;
        struct ingot_slice hashes;
        ingot_store_cursor_item(cursor, &key, &hashes);
        if (ledger_height_of_key(key) > index->height) {
            error = INGOT_ERROR_NOT_FOUND;
            break;
        }
        ingot_store_batch_delete(ledger->batch, LEDGER_UNINDEXED, key);
        error = ingot_store_cursor_next(cursor);
    }
    ingot_store_cursor_close(cursor);
    index->is_clear = error != INGOT_OK;
    if (error != INGOT_OK && error != INGOT_ERROR_NOT_FOUND)
        LOG(LOG_ERROR, "records of the transaction index are not deleted until the next start",
            log_text("why", ingot_error_text(error)));
}

void ledger_index_drain(struct ledger *ledger)
{
    struct ledger_index *index = &ledger->index;
    if (!index->is_clear)
        clear_records(ledger);
    if (index->draining_height == 0 && index->fresh.entry_count >= ledger->index_entries_max) {
        index->draining = index->fresh;
        index->fresh = (struct ledger_runs){0};
        index->draining_height = ledger->heights.committed;
    }
    if (index->draining_height == 0 || !ledger->index_transactions)
        return;
    /*
     * A quarter more than comes in at the other end, and more where more waits, so that it is done
     * before the next drain is due. Not much more: no batch should become slow.
     */
    size_t waiting = index->draining.entry_count + index->fresh.entry_count;
    if (waiting < ledger->index_entries_max)
        waiting = ledger->index_entries_max;
    put_entries(ledger, ledger->index_puts_min +
                            index->coming_count * 5 * waiting / 4 / ledger->index_entries_max);
    if (index->draining.taken == index->draining.entry_count) {
        ledger_runs_deinit(&index->draining);
        index->height = index->draining_height;
        index->draining_height = 0;
        memset(index->drained, 0, sizeof index->drained);
        index->is_clear = false;
    }
    ledger_store_index_place(ledger);
}

/* --- Starting. --- */

static enum ingot_error read_place(struct ledger *ledger, struct ledger_why why)
{
    struct ledger_index *index = &ledger->index;
    struct ingot_slice content;
    struct ingot_slice drained;
    const enum ingot_error error = ledger_read_meta(ledger, LEDGER_KEY_INDEX, &content, why);
    if (error != INGOT_OK)
        return error;
    if (!ingot_slice_take_u64(&content, &index->height) ||
        !ingot_slice_take_u64(&content, &index->draining_height) ||
        !ingot_slice_take(&content, sizeof index->drained, &drained) || content.size > 0)
        return ledger_fail(why, INGOT_ERROR_CORRUPT,
                           "damaged data: the record '%s' does not decode", LEDGER_KEY_INDEX);
    memcpy(index->drained, drained.data, sizeof index->drained);
    return INGOT_OK;
}

/* What is collected so far goes to the runs that a height belongs to. */
static void flush_read(struct ledger_index *index, uint64_t height)
{
    ledger_runs_add(height <= index->draining_height ? &index->draining : &index->fresh,
                    index->coming, index->coming_count);
    index->coming_count = 0;
}

static bool take_record(struct ledger_index *index, uint64_t height, struct ingot_slice hashes)
{
    const bool is_draining = height <= index->draining_height;
    if (hashes.size == 0 || hashes.size % 32 != 0 ||
        hashes.size / 32 > INGOT_BLOCK_TRANSACTIONS_MAX || height > LEDGER_INDEXED_HEIGHT_MAX)
        return false;
    struct ingot_slice sha256;
    for (uint32_t i = 0; ingot_slice_take(&hashes, 32, &sha256); i++)
        if (!is_draining || memcmp(sha256.data, index->drained, 32) > 0)
            add_coming(index, sha256.data, height, i);
    return true;
}

static enum ingot_error read_records(struct ledger *ledger, struct ledger_why why)
{
    struct ledger_index *index = &ledger->index;
    uint8_t first[LEDGER_HEIGHT_KEY_BYTES];
    ledger_height_key(index->height + 1, first);
    struct ingot_store_cursor *cursor = NULL;
    enum ingot_error error = ingot_store_cursor_open(ledger->snapshot, LEDGER_UNINDEXED, &cursor);
    if (error == INGOT_OK)
        error = ingot_store_cursor_seek(cursor, ingot_slice_of(first, sizeof first));
    uint64_t before = 0;
    while (error == INGOT_OK) {
        struct ingot_slice key;
        struct ingot_slice hashes;
        ingot_store_cursor_item(cursor, &key, &hashes);
        const uint64_t height = ledger_height_of_key(key);
        if (index->coming_count >= READ_ENTRIES ||
            (before <= index->draining_height && height > index->draining_height))
            flush_read(index, before);
        before = height;
        if (key.size != LEDGER_HEIGHT_KEY_BYTES || !take_record(index, height, hashes)) {
            error =
                ledger_fail(why, INGOT_ERROR_CORRUPT,
                            "damaged data: the hashes of the transactions of height %llu, which "
                            "wait for the index, are not whole",
                            (unsigned long long)height);
            goto out;
        }
        error = ingot_store_cursor_next(cursor);
    }
    flush_read(index, before);
    error = error == INGOT_ERROR_NOT_FOUND
                ? INGOT_OK
                : ledger_fail(why, error, "the transaction index cannot be read: %s",
                              ingot_error_text(error));
out:
    ingot_store_cursor_close(cursor);
    return error;
}

enum ingot_error ledger_index_read(struct ledger *ledger, struct ledger_why why)
{
    const enum ingot_error error = read_place(ledger, why);
    if (error != INGOT_OK || !ledger->index_transactions || MUTANT(UNINDEXED_LOST))
        return error;
    return read_records(ledger, why);
}

/* --- Leaving. --- */

bool ledger_index_forget(struct ledger *ledger, const uint8_t sha256[32], uint64_t height)
{
    struct ledger_index *index = &ledger->index;
    const bool is_fresh = height > index->height && height > index->draining_height;
    ledger_runs_forget(is_fresh ? &index->fresh : &index->draining, sha256, height);
    return !is_fresh;
}

/* --- Finding. --- */

enum ingot_error ledger_find_transaction(struct ledger *ledger, const uint8_t sha256[32],
                                         struct ledger_location *location)
{
    const struct ledger_indexed *entry = ledger_runs_find(&ledger->index.fresh, sha256);
    if (entry == NULL)
        entry = ledger_runs_find(&ledger->index.draining, sha256);
    if (entry != NULL) {
        *location = (struct ledger_location){.height = entry->height, .index = entry->index};
        return INGOT_OK;
    }
    enum ingot_error error = INGOT_OK;
    struct ingot_store_snapshot *snapshot = ledger_snapshot(ledger, &error);
    if (snapshot == NULL)
        return error;
    struct ingot_slice value;
    error =
        ingot_store_snapshot_get(snapshot, LEDGER_TRANSACTIONS, ingot_slice_of(sha256, 32), &value);
    if (error != INGOT_OK)
        return error;
    const bool whole = ingot_slice_take_u64(&value, &location->height) &&
                       ingot_slice_take_u32(&value, &location->index) && value.size == 0;
    return whole ? INGOT_OK : INGOT_ERROR_CORRUPT;
}
