/*
 * Committed blocks as the bytes that are stored, for those who pass them on. The reader has a
 * snapshot of its own and is meant to be short-lived: an old snapshot makes the file grow.
 */
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "node/ledger_internal.h"

struct ledger_reader {
    struct ingot_store_snapshot *snapshot;
    uint64_t committed_height;
    uint64_t lowest_height;
};

enum ingot_error ledger_reader_begin(struct ledger *ledger, struct ledger_reader **reader)
{
    *reader = NULL;
    struct ingot_store_snapshot *snapshot = NULL;
    const enum ingot_error error = ingot_store_snapshot_begin(ledger->store, &snapshot);
    if (error != INGOT_OK)
        return error;
    struct ledger_reader *made = alloc_zeroed(1, sizeof *made);
    *made = (struct ledger_reader){.snapshot = snapshot,
                                   .committed_height = ledger->heights.committed,
                                   .lowest_height = ledger->heights.lowest};
    *reader = made;
    return INGOT_OK;
}

void ledger_reader_end(struct ledger_reader *reader)
{
    if (reader == NULL)
        return;
    ingot_store_snapshot_end(reader->snapshot);
    free(reader);
}

uint64_t ledger_reader_committed_height(const struct ledger_reader *reader)
{
    return reader->committed_height;
}

uint64_t ledger_reader_lowest_height(const struct ledger_reader *reader)
{
    return reader->lowest_height;
}

enum ingot_error ledger_reader_hash(struct ledger_reader *reader, uint64_t height,
                                    struct ingot_hash *hash)
{
    if (height > reader->committed_height || height < reader->lowest_height)
        return INGOT_ERROR_NOT_FOUND;
    uint8_t key[LEDGER_HEIGHT_KEY_BYTES];
    ledger_height_key(height, key);
    struct ingot_slice value;
    const enum ingot_error error = ingot_store_snapshot_get(
        reader->snapshot, LEDGER_CHAIN, ingot_slice_of(key, sizeof key), &value);
    /* What is committed and kept is there. */
    if (error == INGOT_ERROR_NOT_FOUND || (error == INGOT_OK && value.size != INGOT_HASH_BYTES))
        return INGOT_ERROR_CORRUPT;
    if (error == INGOT_OK)
        memcpy(hash->bytes, value.data, INGOT_HASH_BYTES);
    return error;
}

enum ingot_error ledger_reader_block(struct ledger_reader *reader, uint64_t height,
                                     struct ingot_slice *bytes)
{
    struct ingot_hash hash;
    enum ingot_error error = ledger_reader_hash(reader, height, &hash);
    if (error != INGOT_OK)
        return error;
    uint8_t key[LEDGER_BLOCK_KEY_BYTES];
    ledger_block_key(height, &hash, key);
    struct ingot_slice value;
    error = ingot_store_snapshot_get(reader->snapshot, LEDGER_BLOCKS,
                                     ingot_slice_of(key, sizeof key), &value);
    if (error == INGOT_ERROR_NOT_FOUND ||
        (error == INGOT_OK && !ledger_entry_block_bytes(value, bytes)))
        return INGOT_ERROR_CORRUPT;
    return error;
}
