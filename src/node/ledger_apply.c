/*
 * Committed blocks on their way into the state. Their updates wait in memory (they are durable with
 * their blocks), and a sweep puts them into the table in the order of their keys, a part with each
 * commit; at the end it begins again. Random keys cost a B-tree a page each; when the sweep passes
 * a page it takes along all that has come for it since the last time, which is all that may wait.
 *
 * A block comes in where the sweep stands, and is applied when it is there again. Of the updates
 * of one key the highest block's goes into the table: who comes in later is passed with, or after,
 * those before him. Until a block is applied, some keys have its value already, or that of a later
 * one, which is not applied either; readers look at such blocks first. A start takes all that is
 * not applied as new.
 *
 * The table is lazy: what is put there is visible at once, and durable when the store has settled
 * the batch. So there is an applied height for who reads, and one that a start finds: that of the
 * last batch known to have settled when the record was written. What a crash takes back is of
 * blocks above it, which are all there and are put again.
 */
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/mutant.h"
#include "node/ledger_internal.h"
#include "node/update_merge.h"

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

void ledger_unapplied_add(struct ledger_unapplied_list *list, const struct ledger_sweep *sweep,
                          uint64_t height, struct execution *execution)
{
    struct ledger_unapplied *item = append(list);
    item->height = height;
    item->execution = execution_ref(execution);
    item->bytes = execution_size_bytes(execution);
    item->next = update_bound(execution, ingot_buffer_slice(&sweep->at), true);
    item->left = execution->update_count - (MUTANT(BEHIND_THE_SWEEP_LOST) ? item->next : 0);
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

/* --- How fast it sweeps. --- */

/* What waits weighs so much when it is all that may wait. */
#define FILL_FULL 1024

static uint64_t fill_of(const struct ledger *ledger)
{
    const struct ledger_unapplied_list *durable = &ledger->unapplied;
    const struct ledger_unapplied_list *coming = &ledger->batch_unapplied;
    const uint64_t bytes = (uint64_t)durable->bytes + coming->bytes;
    const uint64_t blocks = (uint64_t)durable->count + coming->count;
    const uint64_t by_bytes = bytes * FILL_FULL / ledger->apply_bytes_max;
    const uint64_t by_blocks = blocks * FILL_FULL / ledger->apply_blocks_max;
    return by_bytes > by_blocks ? by_bytes : by_blocks;
}

static uint64_t count_left(const struct ledger_unapplied_list *list)
{
    uint64_t count = 0;
    for (uint32_t i = 0; i < list->count; i++)
        count += list->items[i].left;
    return count;
}

/*
 * How many updates to put with this batch. While as much comes in as may wait, the sweep goes once
 * around, so that what is passed has gathered for that long, and what waits is level from then
 * on. Where there is more than may wait (after a start it has all to go at once), it goes faster by
 * that share of what is left. A few at a time would cost a batch more than they are worth.
 */
static uint64_t puts_due(struct ledger *ledger)
{
    const uint64_t fill = fill_of(ledger);
    const uint64_t coming = count_left(&ledger->batch_unapplied);
    uint64_t *due = &ledger->sweep.due;
    *due += coming * fill;
    if (fill > FILL_FULL)
        *due += (count_left(&ledger->unapplied) + coming) * (fill - FILL_FULL);
    uint64_t puts = *due / FILL_FULL;
    if (fill >= FILL_FULL && puts < ledger->apply_puts_min)
        puts = ledger->apply_puts_min;
    if (puts < ledger->apply_puts_min)
        return 0;
    *due = 0;
    return puts;
}

/* --- The sweep. --- */

/* A block with updates that are not in the table. */
struct waiting {
    struct update_run run;
    struct ledger_unapplied *item;
};

struct waiting_list {
    struct waiting *items;
    uint32_t count;
};

static void gather(struct ledger_unapplied_list *list, struct waiting_list *waiting)
{
    for (uint32_t i = 0; i < list->count; i++) {
        if (list->items[i].left > 0)
            waiting->items[waiting->count++].item = &list->items[i];
    }
}

/* What lies before it, of all that waits. */
static void begin_lap(struct waiting_list *waiting, struct update_merge *merge)
{
    for (uint32_t i = 0; i < waiting->count; i++) {
        struct ledger_unapplied *item = waiting->items[i].item;
        const uint32_t ahead = item->execution->update_count - item->next;
        const uint32_t count = item->left < ahead ? item->left : ahead;
        INGOT_ASSERT(item->left <= item->execution->update_count);
        update_run_begin(merge, &waiting->items[i].run, item->execution,
                         MUTANT(FIRST_CHANGE_WINS) ? UINT64_MAX - item->height : item->height,
                         item->next, item->next + count);
    }
}

static void end_lap(struct waiting_list *waiting)
{
    for (uint32_t i = 0; i < waiting->count; i++) {
        const struct update_run *run = &waiting->items[i].run;
        struct ledger_unapplied *item = waiting->items[i].item;
        item->left -= run->next - item->next;
        item->next = run->next;
    }
}

/* It comes to the end of the keys, and is before them all again. */
static void wrap(struct waiting_list *waiting, struct ledger_sweep *sweep)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < waiting->count; i++) {
        struct ledger_unapplied *item = waiting->items[i].item;
        item->next = 0;
        if (item->left > 0)
            waiting->items[count++].item = item;
    }
    waiting->count = count;
    if (!MUTANT(SWEEP_STAYS_AT_THE_END))
        ingot_buffer_clear(&sweep->at);
}

/* Up to `puts` of what is ahead, each key once. Returns how many. */
static uint64_t put_ahead(struct ledger *ledger, struct update_merge *merge, uint64_t puts)
{
    const struct update_source *top = NULL;
    struct ingot_slice last = {0};
    uint64_t count = 0;
    for (; count < puts && (top = update_merge_top(merge)) != NULL; count++) {
        const struct state_update update = top->item;
        if (update.is_delete)
            ingot_store_batch_delete(ledger->batch, LEDGER_STATE, update.key);
        else
            ingot_store_batch_put(ledger->batch, LEDGER_STATE, update.key, update.value);
        update_runs_pass(merge, update.key);
        last = update.key;
    }
    if (count > 0) {
        ingot_buffer_clear(&ledger->sweep.at);
        ingot_buffer_append_slice(&ledger->sweep.at, last);
    }
    return count;
}

static void put_updates(struct ledger *ledger, uint64_t puts)
{
    struct update_merge merge = {0};
    struct waiting_list waiting = {0};
    waiting.items = alloc_zeroed(ledger->unapplied.count + ledger->batch_unapplied.count,
                                 sizeof *waiting.items);
    gather(&ledger->unapplied, &waiting);
    gather(&ledger->batch_unapplied, &waiting);
    while (puts > 0 && waiting.count > 0) {
        begin_lap(&waiting, &merge);
        puts -= put_ahead(ledger, &merge, puts);
        end_lap(&waiting);
        if (update_merge_top(&merge) == NULL)
            wrap(&waiting, &ledger->sweep);
    }
    update_merge_deinit(&merge);
    free(waiting.items);
}

/* The last of these blocks that has all in the table, as all before it have; or `height`. */
static uint64_t applied_up_to(const struct ledger_unapplied_list *list, uint64_t height)
{
    for (uint32_t i = 0; i < list->count; i++) {
        const struct ledger_unapplied *item = &list->items[i];
        if (item->height == height + 1 && (item->left == 0 || MUTANT(APPLIED_TOO_EARLY)))
            height++;
    }
    return height;
}

uint64_t ledger_apply(struct ledger *ledger)
{
    const uint64_t puts = puts_due(ledger);
    if (puts > 0)
        put_updates(ledger, puts);
    const uint64_t height = applied_up_to(&ledger->unapplied, ledger->heights.applied);
    return applied_up_to(&ledger->batch_unapplied, height);
}

/* --- What of it is durable. --- */

void ledger_look_at_settled(struct ledger *ledger)
{
    struct ledger_settling *settling = &ledger->settling;
    if (settling->batch == 0 || !ingot_store_is_settled(ledger->store, settling->batch))
        return;
    settling->height = settling->applied;
    settling->batch = 0;
}

uint64_t ledger_durable_applied(const struct ledger *ledger, uint64_t applied)
{
    const bool is_lazy = ingot_store_last_batch(ledger->store) > 0;
    return is_lazy && !MUTANT(APPLIED_UNSETTLED) ? ledger->settling.height : applied;
}

/* One batch is waited for at a time; what later ones apply waits with the next. */
void ledger_begin_settling(struct ledger *ledger)
{
    struct ledger_settling *settling = &ledger->settling;
    if (settling->batch > 0 || settling->height == ledger->heights.applied)
        return;
    settling->batch = ingot_store_last_batch(ledger->store);
    settling->applied = ledger->heights.applied;
}
