/*
 * Retention: committed blocks below the newest `retain_blocks` leave, with their entries of the
 * chain and of the transaction index. A part of that goes into each batch that commits something,
 * so that no sync becomes slow, and more of it than the batch brings in, so that it ends.
 *
 * Blocks leave in groups: first a group is looked at, then its transactions leave the index in the
 * order of their hashes, since neighbours share pages, and then the blocks go from the lowest up,
 * each with the lowest height in the same batch. Whatever a crash finds is whole: a group is in
 * memory alone, and what of it has left the index is looked for again.
 *
 * The genesis block stays for ever, and so does every block that changes the validator set, with
 * its first child, whose justify is the certificate of the change: with the set records they show
 * who may certify the blocks that are there.
 */
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/log.h"
#include "base/mutant.h"
#include "node/ledger_internal.h"
#include "wire/crypto.h"

#define GROUP_BLOCKS_MAX 256
#define GROUP_TRANSACTIONS_MAX 65536
/* What one batch may look at or delete, besides four times what it brings in. */
#define BATCH_BYTES ((size_t)512 * 1024)
#define BATCH_KEYS 512
#define BATCH_FACTOR 4
/* What a block costs besides its bytes. */
#define BLOCK_WEIGHT_MIN 4096

struct ledger_leaving {
    uint64_t height;
    struct ingot_hash hash;
    size_t weight;
    bool stays; /* below the lowest height, for proofs */
};

/* The lowest height that stays: nothing that a start needs is below it. */
static uint64_t first_retained(const struct ledger *ledger)
{
    const uint64_t committed = ledger->batch_committed;
    uint64_t first = committed < ledger->retain_blocks ? 0 : committed - ledger->retain_blocks + 1;
    if (first > ledger->held_from)
        first = ledger->held_from;
    const uint64_t settled = MUTANT(PRUNED_UNSETTLED)
                                 ? ledger->heights.applied
                                 : ledger_durable_applied(ledger, ledger->heights.applied);
    return first < settled || MUTANT(PRUNED_TOO_MUCH) ? first : settled;
}

/* A damaged old block is no reason to stop a validator, but nothing above it can leave. */
static void give_up(struct ledger *ledger, uint64_t height, const char *why)
{
    ledger->prune.has_failed = true;
    LOG(LOG_ERROR, "old blocks are not pruned any more: one cannot be read",
        log_u64("height", height), log_text("why", why));
}

/* --- Looking at a group. --- */

static void add_transactions(struct ledger_prune *prune, const struct block *block)
{
    const size_t count = prune->indexed_count + block->transaction_count;
    if (count > prune->indexed_capacity) {
        prune->indexed_capacity = 2 * count;
        prune->indexed = alloc_resize(prune->indexed, 2 * count, sizeof *prune->indexed);
    }
    struct ingot_slice rest = ingot_buffer_slice(&block->payload);
    struct ingot_slice transaction;
    while (payload_next(&rest, &transaction)) {
        struct ledger_indexed *indexed = &prune->indexed[prune->indexed_count++];
        *indexed = ledger_indexed_at(block->height, 0);
        crypto_sha256(transaction, indexed->sha256);
    }
    INGOT_ASSERT(prune->indexed_count == count);
}

static void add_block(struct ledger *ledger, const struct block *block)
{
    struct ledger_prune *prune = &ledger->prune;
    if (prune->blocks == NULL)
        prune->blocks = alloc_zeroed(GROUP_BLOCKS_MAX, sizeof *prune->blocks);
    struct ledger_leaving *leaving = &prune->blocks[prune->block_count++];
    *leaving = (struct ledger_leaving){
        .height = block->height,
        .hash = block->hash,
        .weight = block_size_bytes(block) + BLOCK_WEIGHT_MIN,
        .stays = !MUTANT(SETS_PRUNED) &&
                 (block_changes_set(block) || block->justify->phase == PHASE_COMMIT),
    };
    if (ledger->has_index && !leaving->stays)
        add_transactions(prune, block);
}

static bool is_full(const struct ledger_prune *prune)
{
    return prune->block_count == GROUP_BLOCKS_MAX || prune->indexed_count >= GROUP_TRANSACTIONS_MAX;
}

static void look(struct ledger *ledger, uint64_t end, size_t bytes)
{
    struct ledger_prune *prune = &ledger->prune;
    uint64_t height = ledger->heights.lowest > 0 ? ledger->heights.lowest : 1;
    height += prune->block_count;
    for (size_t done = 0; height < end && done < bytes && !is_full(prune); height++) {
        struct ledger_entry entry;
        char text[160];
        struct ledger_why why = {.text = text, .size = sizeof text};
        if (ledger_read_entry(ledger, height, &entry, why) != INGOT_OK) {
            give_up(ledger, height, text);
            return;
        }
        add_block(ledger, entry.block);
        done += prune->blocks[prune->block_count - 1].weight;
        ledger_entry_deinit(&entry);
    }
    prune->is_whole =
        is_full(prune) || (height >= end && prune->block_count >= ledger->prune_blocks_min);
    if (prune->is_whole && prune->indexed_count > 0)
        qsort(prune->indexed, prune->indexed_count, sizeof *prune->indexed, ledger_compare_indexed);
}

/* --- Leaving. --- */

/* A transaction that was committed again is found where it was committed last, and stays. */
static void leave_index(struct ledger *ledger, size_t keys)
{
    struct ledger_prune *prune = &ledger->prune;
    enum ingot_error error = INGOT_OK;
    struct ingot_store_snapshot *snapshot = ledger_snapshot(ledger, &error);
    for (; error == INGOT_OK && keys > 0 && prune->indexed_done < prune->indexed_count; keys--) {
        const struct ledger_indexed *indexed = &prune->indexed[prune->indexed_done++];
        if (!ledger_index_forget(ledger, indexed->sha256, indexed->height))
            continue;
        const struct ingot_slice key = ingot_slice_of(indexed->sha256, sizeof indexed->sha256);
        struct ingot_slice value;
        uint64_t height = 0;
        error = ingot_store_snapshot_get(snapshot, LEDGER_TRANSACTIONS, key, &value);
        if (error == INGOT_OK && ingot_slice_take_u64(&value, &height) && height == indexed->height)
            ingot_store_batch_delete(ledger->batch, LEDGER_TRANSACTIONS, key);
        if (error == INGOT_ERROR_NOT_FOUND)
            error = INGOT_OK;
    }
    if (error != INGOT_OK)
        give_up(ledger, prune->blocks[0].height, ingot_error_text(error));
}

static void delete_block(struct ledger *ledger, const struct ledger_leaving *leaving)
{
    uint8_t key[LEDGER_BLOCK_KEY_BYTES];
    ledger_block_key(leaving->height, &leaving->hash, key);
    ingot_store_batch_delete(ledger->batch, LEDGER_BLOCKS, ingot_slice_of(key, sizeof key));
    ingot_store_batch_delete(ledger->batch, LEDGER_CHAIN,
                             ingot_slice_of(key, LEDGER_HEIGHT_KEY_BYTES));
    if (leaving->height > ledger->index.height)
        ingot_store_batch_delete(ledger->batch, LEDGER_UNINDEXED,
                                 ingot_slice_of(key, LEDGER_HEIGHT_KEY_BYTES));
}

/* Returns the lowest height once the batch is durable. */
static uint64_t leave(struct ledger *ledger, size_t bytes)
{
    struct ledger_prune *prune = &ledger->prune;
    uint64_t lowest = ledger->heights.lowest;
    for (size_t done = 0; done < bytes && prune->blocks_done < prune->block_count;) {
        const struct ledger_leaving *leaving = &prune->blocks[prune->blocks_done++];
        if (!leaving->stays)
            delete_block(ledger, leaving);
        done += leaving->weight;
        lowest = leaving->height + 1;
    }
    if (prune->blocks_done == prune->block_count) {
        prune->block_count = 0;
        prune->blocks_done = 0;
        prune->indexed_count = 0;
        prune->indexed_done = 0;
        prune->is_whole = false;
    }
    return lowest;
}

uint64_t ledger_prune(struct ledger *ledger)
{
    struct ledger_prune *prune = &ledger->prune;
    if (ledger->retain_blocks == 0)
        return ledger->heights.lowest;
    const size_t bytes = BATCH_BYTES + BATCH_FACTOR * ledger->batch_block_bytes;
    const size_t keys = BATCH_KEYS + BATCH_FACTOR * ledger->index.coming_count;
    if (!prune->has_failed && !prune->is_whole)
        look(ledger, first_retained(ledger), bytes);
    if (!prune->has_failed && prune->is_whole)
        leave_index(ledger, keys);
    if (prune->has_failed || !prune->is_whole || prune->indexed_done < prune->indexed_count)
        return ledger->heights.lowest;
    return leave(ledger, bytes);
}

void ledger_prune_deinit(struct ledger_prune *prune)
{
    free(prune->blocks);
    free(prune->indexed);
}

enum ingot_error ledger_find_index(struct ledger *ledger, bool *has_index)
{
    enum ingot_error error = INGOT_OK;
    struct ingot_store_snapshot *snapshot = ledger_snapshot(ledger, &error);
    struct ingot_store_cursor *cursor = NULL;
    if (error == INGOT_OK)
        error = ingot_store_cursor_open(snapshot, LEDGER_TRANSACTIONS, &cursor);
    if (error == INGOT_OK)
        error = ingot_store_cursor_seek(cursor, ingot_slice_of(NULL, 0));
    ingot_store_cursor_close(cursor);
    *has_index = error == INGOT_OK;
    return error == INGOT_ERROR_NOT_FOUND ? INGOT_OK : error;
}
