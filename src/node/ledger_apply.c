/*
 * Committed blocks on their way into the state: their updates and index entries wait in memory
 * (they are durable with their blocks) until there are enough to be worth it, and then drain into
 * the tables in the order of their keys, each key once, a part with each commit. Random keys cost a
 * B-tree a page each; many blocks' worth share those pages, and neighbours share them best.
 */
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "node/ledger_internal.h"
#include "wire/crypto.h"

int ledger_compare_indexed(const void *a, const void *b)
{
    const struct ledger_indexed *left = a;
    const struct ledger_indexed *right = b;
    return memcmp(left->sha256, right->sha256, sizeof left->sha256);
}

static void index_block(struct ledger_unapplied *unapplied, const struct block *block)
{
    unapplied->indexed = alloc_zeroed(block->transaction_count, sizeof *unapplied->indexed);
    struct ingot_slice rest = ingot_buffer_slice(&block->payload);
    struct ingot_slice transaction;
    while (payload_next(&rest, &transaction)) {
        INGOT_ASSERT(unapplied->indexed_count < block->transaction_count);
        struct ledger_indexed *indexed = &unapplied->indexed[unapplied->indexed_count];
        crypto_sha256(transaction, indexed->sha256);
        indexed->height = block->height;
        indexed->index = unapplied->indexed_count++;
    }
    qsort(unapplied->indexed, unapplied->indexed_count, sizeof *unapplied->indexed,
          ledger_compare_indexed);
}

static struct ledger_unapplied *append(struct ledger_unapplied_list *list)
{
    if (list->count == list->capacity) {
        list->capacity = list->capacity > 0 ? list->capacity * 2 : 16;
        list->items = alloc_resize(list->items, list->capacity, sizeof *list->items);
    }
    struct ledger_unapplied *item = &list->items[list->count++];
    *item = (struct ledger_unapplied){0};
    return item;
}

void ledger_unapplied_add(struct ledger *ledger, struct ledger_unapplied_list *list,
                          const struct block *block, struct execution *execution)
{
    struct ledger_unapplied *item = append(list);
    item->height = block->height;
    item->execution = execution_ref(execution);
    if (ledger->index_transactions && block->transaction_count > 0)
        index_block(item, block);
    item->bytes =
        execution_size_bytes(execution) + item->indexed_count * sizeof(struct ledger_indexed);
    list->bytes += item->bytes;
}

void ledger_unapplied_move(struct ledger_unapplied_list *to, struct ledger_unapplied_list *from)
{
    for (uint32_t i = 0; i < from->count; i++)
        *append(to) = from->items[i];
    to->bytes += from->bytes;
    from->count = 0;
    from->bytes = 0;
}

void ledger_unapplied_drop(struct ledger_unapplied_list *list, uint64_t height)
{
    uint32_t dropped = 0;
    while (dropped < list->count && list->items[dropped].height <= height) {
        const struct ledger_unapplied *item = &list->items[dropped++];
        list->bytes -= item->bytes;
        execution_unref(item->execution);
        block_unref(item->block);
        free(item->indexed);
    }
    if (dropped == 0)
        return;
    list->count -= dropped;
    memmove(list->items, list->items + dropped, list->count * sizeof *list->items);
}

/* Is it time, counting what the open batch commits? */
static bool should_begin(const struct ledger *ledger)
{
    const struct ledger_unapplied_list *durable = &ledger->unapplied;
    const struct ledger_unapplied_list *coming = &ledger->batch_unapplied;
    return durable->count + coming->count >= ledger->apply_blocks_max ||
           durable->bytes + coming->bytes >= ledger->apply_bytes_max;
}

/* --- State. --- */

struct change {
    const struct state_update *update;
    uint64_t height;
};

static int compare_changes(const void *a, const void *b)
{
    const struct change *left = a;
    const struct change *right = b;
    const int order = ingot_slice_compare(left->update->key, right->update->key);
    if (order != 0)
        return order;
    return (left->height > right->height) - (left->height < right->height);
}

static size_t count_updates(const struct ledger_unapplied_list *list)
{
    size_t count = 0;
    for (uint32_t i = 0; i < list->count; i++)
        count += list->items[i].execution->update_count;
    return count;
}

static size_t collect_updates(const struct ledger_unapplied_list *list, struct change *changes)
{
    size_t count = 0;
    for (uint32_t i = 0; i < list->count; i++) {
        const struct execution *execution = list->items[i].execution;
        for (uint32_t j = 0; j < execution->update_count; j++)
            changes[count++] =
                (struct change){.update = &execution->updates[j], .height = list->items[i].height};
    }
    return count;
}

void ledger_gather_updates(struct ledger *ledger)
{
    const size_t total =
        count_updates(&ledger->unapplied) + count_updates(&ledger->batch_unapplied);
    struct ledger_drain *drain = &ledger->drain;
    struct change *changes = alloc_resize(NULL, total + 1, sizeof *changes);
    size_t count = collect_updates(&ledger->unapplied, changes);
    count += collect_updates(&ledger->batch_unapplied, changes + count);
    INGOT_ASSERT(count == total);
    qsort(changes, count, sizeof *changes, compare_changes);
    drain->updates = alloc_zeroed(count + 1, sizeof(struct state_update *));
    for (size_t i = 0; i < count; i++) {
        /* Of one key's changes, the last block's counts. */
        if (i + 1 == count ||
            !ingot_slice_equal(changes[i].update->key, changes[i + 1].update->key))
            drain->updates[drain->update_count++] = changes[i].update;
    }
    free(changes);
}

static void put_updates(struct ledger *ledger, size_t count)
{
    struct ledger_drain *drain = &ledger->drain;
    for (; count > 0 && drain->updates_done < drain->update_count; count--) {
        const struct state_update *update = drain->updates[drain->updates_done++];
        if (update->is_delete)
            ingot_store_batch_delete(ledger->batch, LEDGER_STATE, update->key);
        else
            ingot_store_batch_put(ledger->batch, LEDGER_STATE, update->key, update->value);
    }
}

/* --- The transaction index. --- */

static size_t count_indexed(const struct ledger_unapplied_list *list)
{
    size_t count = 0;
    for (uint32_t i = 0; i < list->count; i++)
        count += list->items[i].indexed_count;
    return count;
}

static size_t collect_indexed(const struct ledger_unapplied_list *list,
                              const struct ledger_indexed **all)
{
    size_t count = 0;
    for (uint32_t i = 0; i < list->count; i++)
        for (uint32_t j = 0; j < list->items[i].indexed_count; j++)
            all[count++] = &list->items[i].indexed[j];
    return count;
}

/* A transaction that was committed again is found where it was committed last. */
static int compare_all(const void *a, const void *b)
{
    const struct ledger_indexed *left = *(const struct ledger_indexed *const *)a;
    const struct ledger_indexed *right = *(const struct ledger_indexed *const *)b;
    const int order = ledger_compare_indexed(left, right);
    if (order != 0)
        return order;
    return (left->height > right->height) - (left->height < right->height);
}

static void gather_indexed(struct ledger *ledger)
{
    const size_t total =
        count_indexed(&ledger->unapplied) + count_indexed(&ledger->batch_unapplied);
    struct ledger_drain *drain = &ledger->drain;
    drain->indexed = alloc_zeroed(total + 1, sizeof(struct ledger_indexed *));
    size_t count = collect_indexed(&ledger->unapplied, drain->indexed);
    count += collect_indexed(&ledger->batch_unapplied, drain->indexed + count);
    INGOT_ASSERT(count == total);
    qsort(drain->indexed, count, sizeof(struct ledger_indexed *), compare_all);
    for (size_t i = 0; i < count; i++) {
        if (i + 1 == count || ledger_compare_indexed(drain->indexed[i], drain->indexed[i + 1]) != 0)
            drain->indexed[drain->indexed_count++] = drain->indexed[i];
    }
}

static void put_indexed(struct ledger *ledger, size_t count)
{
    struct ledger_drain *drain = &ledger->drain;
    struct ingot_buffer value = {0};
    for (; count > 0 && drain->indexed_done < drain->indexed_count; count--) {
        const struct ledger_indexed *indexed = drain->indexed[drain->indexed_done++];
        ingot_buffer_clear(&value);
        ingot_buffer_append_u64(&value, indexed->height);
        ingot_buffer_append_u32(&value, indexed->index);
        ingot_store_batch_put(ledger->batch, LEDGER_TRANSACTIONS,
                              ingot_slice_of(indexed->sha256, sizeof indexed->sha256),
                              ingot_buffer_slice(&value));
    }
    ingot_buffer_deinit(&value);
}

/* --- Both together. --- */

void ledger_drain_deinit(struct ledger_drain *drain)
{
    free(drain->updates);
    free(drain->indexed);
    *drain = (struct ledger_drain){0};
}

uint64_t ledger_apply(struct ledger *ledger)
{
    struct ledger_drain *drain = &ledger->drain;
    if (drain->height == 0 && should_begin(ledger)) {
        ledger_gather_updates(ledger);
        gather_indexed(ledger);
        drain->height = ledger->batch_committed;
    }
    if (drain->height == 0)
        return ledger->heights.applied;
    /*
     * A quarter more than comes in at the other end, so that it is done before long. Not much more:
     * the more blocks wait, the more of their keys share a page.
     */
    const size_t coming =
        count_updates(&ledger->batch_unapplied) + count_indexed(&ledger->batch_unapplied);
    const size_t count = ledger->apply_puts_min + coming + coming / 4;
    const size_t before = drain->updates_done;
    put_updates(ledger, count);
    put_indexed(ledger, count - (drain->updates_done - before));
    if (drain->updates_done < drain->update_count || drain->indexed_done < drain->indexed_count)
        return ledger->heights.applied;
    const uint64_t height = drain->height;
    ledger_drain_deinit(drain);
    return height;
}

/* --- Finding a transaction: first among what is not in the table yet. --- */

static const struct ledger_indexed *find_unapplied(const struct ledger *ledger,
                                                   const uint8_t sha256[32])
{
    struct ledger_indexed wanted = {0};
    memcpy(wanted.sha256, sha256, sizeof wanted.sha256);
    for (uint32_t i = ledger->unapplied.count; i-- > 0;) {
        const struct ledger_unapplied *item = &ledger->unapplied.items[i];
        if (item->indexed_count == 0)
            continue;
        const struct ledger_indexed *found = bsearch(&wanted, item->indexed, item->indexed_count,
                                                     sizeof wanted, ledger_compare_indexed);
        if (found != NULL)
            return found;
    }
    return NULL;
}

enum ingot_error ledger_find_transaction(struct ledger *ledger, const uint8_t sha256[32],
                                         struct ledger_location *location)
{
    const struct ledger_indexed *indexed = find_unapplied(ledger, sha256);
    if (indexed != NULL) {
        *location = (struct ledger_location){.height = indexed->height, .index = indexed->index};
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
