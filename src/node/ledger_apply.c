/*
 * Committed blocks on their way into the state: their updates wait in memory (they are durable
 * with their blocks) until there are enough to be worth it, and then drain into
 * the tables in the order of their keys, each key once, a part with each commit. Random keys cost a
 * B-tree a page each; many blocks' worth share those pages, and neighbours share them best.
 */
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/mutant.h"
#include "node/ledger_internal.h"

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

void ledger_unapplied_add(struct ledger_unapplied_list *list, uint64_t height,
                          struct execution *execution)
{
    struct ledger_unapplied *item = append(list);
    item->height = height;
    item->execution = execution_ref(execution);
    item->bytes = execution_size_bytes(execution);
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
    }
    if (dropped == 0)
        return;
    list->count -= dropped;
    memmove(list->items, list->items + dropped, list->count * sizeof *list->items);
}

static bool has_updates(const struct ledger_unapplied_list *list)
{
    for (uint32_t i = 0; i < list->count; i++) {
        if (list->items[i].execution->update_count > 0)
            return true;
    }
    return false;
}

/* Is it time, counting what the open batch commits? At once where nothing has to go in: blocks that
 * change no state are not kept for others that will. */
static bool should_begin(const struct ledger *ledger)
{
    const struct ledger_unapplied_list *durable = &ledger->unapplied;
    const struct ledger_unapplied_list *coming = &ledger->batch_unapplied;
    if (!has_updates(durable) && !has_updates(coming))
        return true;
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
    return MUTANT(FIRST_CHANGE_WINS)
               ? (left->height < right->height) - (left->height > right->height)
               : (left->height > right->height) - (left->height < right->height);
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

void ledger_drain_deinit(struct ledger_drain *drain)
{
    free(drain->updates);
    *drain = (struct ledger_drain){0};
}

uint64_t ledger_apply(struct ledger *ledger)
{
    struct ledger_drain *drain = &ledger->drain;
    if (drain->height == 0 && should_begin(ledger)) {
        ledger_gather_updates(ledger);
        drain->height = ledger->batch_committed;
    }
    if (drain->height == 0)
        return ledger->heights.applied;
    /*
     * A quarter more than comes in at the other end, so that it is done before long. Not much more:
     * the more blocks wait, the more of their keys share a page.
     */
    const size_t coming = count_updates(&ledger->batch_unapplied);
    put_updates(ledger, ledger->apply_puts_min + coming + coming / 4);
    if (drain->updates_done < drain->update_count && !MUTANT(APPLIED_TOO_EARLY))
        return ledger->heights.applied;
    const uint64_t height = drain->height;
    ledger_drain_deinit(drain);
    return height;
}
