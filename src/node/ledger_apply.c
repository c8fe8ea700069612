/*
 * Committed blocks on their way into the state: their updates and index entries wait in memory
 * (they are durable with their blocks) until there are enough to be worth it, and then go into the
 * tables sorted by key, each key once. Random keys cost a B-tree a page each; many blocks' worth at
 * a time share those pages.
 */
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "node/ledger_internal.h"
#include "wire/crypto.h"

static int compare_indexed(const void *a, const void *b)
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
          compare_indexed);
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

void ledger_unapplied_clear(struct ledger_unapplied_list *list)
{
    for (uint32_t i = 0; i < list->count; i++) {
        execution_unref(list->items[i].execution);
        block_unref(list->items[i].block);
        free(list->items[i].indexed);
    }
    list->count = 0;
    list->bytes = 0;
}

bool ledger_should_apply(const struct ledger *ledger)
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

static void apply_updates(struct ledger *ledger)
{
    const size_t total =
        count_updates(&ledger->unapplied) + count_updates(&ledger->batch_unapplied);
    if (total == 0)
        return;
    struct change *changes = alloc_resize(NULL, total, sizeof *changes);
    size_t count = collect_updates(&ledger->unapplied, changes);
    count += collect_updates(&ledger->batch_unapplied, changes + count);
    INGOT_ASSERT(count == total);
    qsort(changes, count, sizeof *changes, compare_changes);
    for (size_t i = 0; i < count; i++) {
        const struct state_update *update = changes[i].update;
        /* Of one key's changes, the last block's counts. */
        if (i + 1 < count && ingot_slice_equal(update->key, changes[i + 1].update->key))
            continue;
        if (update->is_delete)
            ingot_store_batch_delete(ledger->batch, LEDGER_STATE, update->key);
        else
            ingot_store_batch_put(ledger->batch, LEDGER_STATE, update->key, update->value);
    }
    free(changes);
}

/* --- The transaction index. --- */

static size_t count_indexed(const struct ledger_unapplied_list *list)
{
    size_t count = 0;
    for (uint32_t i = 0; i < list->count; i++)
        count += list->items[i].indexed_count;
    return count;
}

static size_t collect_indexed(const struct ledger_unapplied_list *list, struct ledger_indexed *all)
{
    size_t count = 0;
    for (uint32_t i = 0; i < list->count; i++) {
        const struct ledger_unapplied *item = &list->items[i];
        if (item->indexed_count > 0)
            memcpy(all + count, item->indexed, item->indexed_count * sizeof *all);
        count += item->indexed_count;
    }
    return count;
}

/* A transaction that was committed again is found where it was committed last. */
static int compare_all(const void *a, const void *b)
{
    const int order = compare_indexed(a, b);
    if (order != 0)
        return order;
    const struct ledger_indexed *left = a;
    const struct ledger_indexed *right = b;
    return (left->height > right->height) - (left->height < right->height);
}

static void apply_index(struct ledger *ledger)
{
    const size_t total =
        count_indexed(&ledger->unapplied) + count_indexed(&ledger->batch_unapplied);
    if (total == 0)
        return;
    struct ledger_indexed *all = alloc_resize(NULL, total, sizeof *all);
    size_t count = collect_indexed(&ledger->unapplied, all);
    count += collect_indexed(&ledger->batch_unapplied, all + count);
    INGOT_ASSERT(count == total);
    qsort(all, count, sizeof *all, compare_all);
    struct ingot_buffer value = {0};
    for (size_t i = 0; i < count; i++) {
        if (i + 1 < count && compare_indexed(&all[i], &all[i + 1]) == 0)
            continue;
        ingot_buffer_clear(&value);
        ingot_buffer_append_u64(&value, all[i].height);
        ingot_buffer_append_u32(&value, all[i].index);
        ingot_store_batch_put(ledger->batch, LEDGER_TRANSACTIONS,
                              ingot_slice_of(all[i].sha256, sizeof all[i].sha256),
                              ingot_buffer_slice(&value));
    }
    ingot_buffer_deinit(&value);
    free(all);
}

void ledger_apply(struct ledger *ledger)
{
    apply_updates(ledger);
    apply_index(ledger);
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
        const struct ledger_indexed *found =
            bsearch(&wanted, item->indexed, item->indexed_count, sizeof wanted, compare_indexed);
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
