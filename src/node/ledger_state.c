/*
 * Reading the applied state and single blocks, through one snapshot of the store that lasts until
 * the next change is made durable. A snapshot that stayed open across a commit would keep the
 * pages that the commit frees from being used again.
 */
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/log.h"
#include "node/ledger_internal.h"

struct ingot_store_snapshot *ledger_snapshot(struct ledger *ledger, enum ingot_error *error)
{
    *error = INGOT_OK;
    if (ledger->snapshot == NULL)
        *error = ingot_store_snapshot_begin(ledger->store, &ledger->snapshot);
    return *error == INGOT_OK ? ledger->snapshot : NULL;
}

enum ingot_error ledger_read_entry(struct ledger *ledger, uint64_t height,
                                   struct ledger_entry *entry, struct ledger_why why)
{
    *entry = (struct ledger_entry){0};
    enum ingot_error error = INGOT_OK;
    struct ingot_store_snapshot *snapshot = ledger_snapshot(ledger, &error);
    if (snapshot == NULL)
        return ledger_fail(why, error, "the store cannot be read: %s", ingot_error_text(error));
    uint8_t height_key[LEDGER_HEIGHT_KEY_BYTES];
    ledger_height_key(height, height_key);
    struct ingot_slice hash;
    error = ingot_store_snapshot_get(snapshot, LEDGER_CHAIN,
                                     ingot_slice_of(height_key, sizeof height_key), &hash);
    struct ingot_slice value;
    uint8_t key[LEDGER_BLOCK_KEY_BYTES];
    if (error == INGOT_OK && hash.size != INGOT_HASH_BYTES)
        error = INGOT_ERROR_CORRUPT;
    if (error == INGOT_OK) {
        struct ingot_hash block;
        memcpy(block.bytes, hash.data, INGOT_HASH_BYTES);
        ledger_block_key(height, &block, key);
        error = ingot_store_snapshot_get(snapshot, LEDGER_BLOCKS, ingot_slice_of(key, sizeof key),
                                         &value);
    }
    /* What is committed is there. */
    if (error == INGOT_ERROR_NOT_FOUND)
        return ledger_fail(why, INGOT_ERROR_CORRUPT,
                           "damaged data: the block of height %llu is missing",
                           (unsigned long long)height);
    if (error != INGOT_OK)
        return ledger_fail(why, error, "the block of height %llu cannot be read: %s",
                           (unsigned long long)height, ingot_error_text(error));
    const char *wrong =
        ledger_decode_entry(&ledger->chain, ingot_slice_of(key, sizeof key), value, entry);
    if (wrong == NULL)
        return INGOT_OK;
    return ledger_fail(why, INGOT_ERROR_CORRUPT, "damaged data: the block of height %llu: %s",
                       (unsigned long long)height, wrong);
}

/* Of pruned heights only those that proofs need have a block. */
static enum ingot_error find_kept(struct ledger *ledger, uint64_t height)
{
    enum ingot_error error = INGOT_OK;
    struct ingot_store_snapshot *snapshot = ledger_snapshot(ledger, &error);
    uint8_t key[LEDGER_HEIGHT_KEY_BYTES];
    ledger_height_key(height, key);
    struct ingot_slice hash;
    return snapshot == NULL ? error
                            : ingot_store_snapshot_get(snapshot, LEDGER_CHAIN,
                                                       ingot_slice_of(key, sizeof key), &hash);
}

enum ingot_error ledger_read_block(struct ledger *ledger, uint64_t height,
                                   struct ledger_entry *entry)
{
    *entry = (struct ledger_entry){0};
    if (height > ledger->heights.committed)
        return INGOT_ERROR_NOT_FOUND;
    const enum ingot_error kept =
        height < ledger->heights.lowest ? find_kept(ledger, height) : INGOT_OK;
    if (kept != INGOT_OK)
        return kept;
    char text[160];
    struct ledger_why why = {.text = text, .size = sizeof text};
    const enum ingot_error error = ledger_read_entry(ledger, height, entry, why);
    if (error != INGOT_OK)
        LOG(LOG_ERROR, "a block cannot be read", log_u64("height", height), log_text("why", text));
    return error;
}

enum ingot_error ledger_state_get(struct ledger *ledger, struct ingot_slice key,
                                  struct ingot_slice *value)
{
    enum ingot_error error = INGOT_OK;
    struct ingot_store_snapshot *snapshot = ledger_snapshot(ledger, &error);
    return snapshot == NULL ? error : ingot_store_snapshot_get(snapshot, LEDGER_STATE, key, value);
}

struct ledger_state_cursor {
    struct ledger *ledger;
    struct ingot_store_cursor *cursor;
    enum ingot_error move; /* the result of the last move */
    bool is_before;        /* the item under the cursor has not been given out */
};

enum ingot_error ledger_state_seek(struct ledger *ledger, struct ingot_slice first,
                                   struct ledger_state_cursor **result)
{
    *result = NULL;
    enum ingot_error error = INGOT_OK;
    struct ingot_store_snapshot *snapshot = ledger_snapshot(ledger, &error);
    if (snapshot == NULL)
        return error;
    struct ingot_store_cursor *store_cursor = NULL;
    error = ingot_store_cursor_open(snapshot, LEDGER_STATE, &store_cursor);
    if (error != INGOT_OK)
        return error;
    struct ledger_state_cursor *cursor = alloc_zeroed(1, sizeof *cursor);
    cursor->ledger = ledger;
    cursor->cursor = store_cursor;
    cursor->move = ingot_store_cursor_seek(store_cursor, first);
    cursor->is_before = true;
    ledger->cursors_open++;
    *result = cursor;
    return INGOT_OK;
}

bool ledger_state_next(struct ledger_state_cursor *cursor, struct ingot_slice *key,
                       struct ingot_slice *value)
{
    if (!cursor->is_before && cursor->move == INGOT_OK)
        cursor->move = ingot_store_cursor_next(cursor->cursor);
    cursor->is_before = false;
    if (cursor->move != INGOT_OK)
        return false;
    ingot_store_cursor_item(cursor->cursor, key, value);
    return true;
}

enum ingot_error ledger_state_error(const struct ledger_state_cursor *cursor)
{
    return cursor->move == INGOT_ERROR_NOT_FOUND ? INGOT_OK : cursor->move;
}

void ledger_state_cursor_free(struct ledger_state_cursor *cursor)
{
    if (cursor == NULL)
        return;
    INGOT_ASSERT(cursor->ledger->cursors_open > 0);
    cursor->ledger->cursors_open--;
    ingot_store_cursor_close(cursor->cursor);
    free(cursor);
}
