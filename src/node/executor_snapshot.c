/*
 * The state as an App sees it: the execution under way, over the branch it extends, over what the
 * ledger has applied. It reads and never changes anything.
 */
#include <stdlib.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "node/executor_internal.h"

uint64_t ingot_snapshot_height(const struct ingot_snapshot *snapshot)
{
    return snapshot->height;
}

const struct ingot_validator *ingot_snapshot_validators(const struct ingot_snapshot *snapshot,
                                                        uint32_t *count)
{
    if (snapshot->building != NULL) {
        *count = snapshot->building->members.count;
        return snapshot->building->members.list;
    }
    *count = snapshot->set->count;
    return snapshot->set->validators;
}

enum ingot_error ingot_snapshot_check_validators(const struct ingot_snapshot *snapshot,
                                                 const struct ingot_validator *changes,
                                                 uint32_t change_count)
{
    struct members members;
    if (snapshot->building != NULL)
        members = snapshot->building->members;
    else
        members_begin(&members, snapshot->set);
    return members_change(&members, snapshot->scheme, changes, change_count);
}

/* An App that swallows an error must not make us execute differently from others. */
static enum ingot_error remember(struct ingot_snapshot *snapshot, enum ingot_error error)
{
    if (snapshot->error == INGOT_OK && error != INGOT_ERROR_NOT_FOUND)
        snapshot->error = error;
    return error;
}

enum ingot_error ingot_snapshot_get(struct ingot_snapshot *snapshot, struct ingot_slice key,
                                    struct ingot_slice *value)
{
    if (key.size == 0 || key.size > INGOT_STATE_KEY_BYTES_MAX)
        return INGOT_ERROR_NOT_FOUND;
    const uint64_t hash = key_hash(snapshot->hasher, key);
    struct state_update own;
    const struct state_update *update = NULL;
    if (snapshot->building != NULL && builder_find(snapshot->building, hash, key, &own))
        update = &own;
    else
        update = overlay_find(snapshot->overlay, hash, key, snapshot->mark);
    if (update == NULL)
        return remember(snapshot, ledger_state_get(snapshot->ledger, key, value));
    if (update->is_delete)
        return INGOT_ERROR_NOT_FOUND;
    *value = update->value;
    return INGOT_OK;
}

/*
 * A range is a merge of ordered sources: the execution under way, each block of the branch, and the
 * ledger. Of equal keys that of the highest rank counts: the ledger has rank 0, a block its height,
 * the execution under way the highest of all.
 */
struct source {
    uint64_t rank;
    struct state_update item; /* the source stands on it */
    const struct state_update *next;
    const struct state_update *end;
    struct ledger_state_cursor *cursor; /* the ledger's; or NULL */
};

/* A binary heap, the least (key, -rank) on top. */
struct merge {
    struct source *sources;
    uint32_t count;
    uint32_t capacity;
    struct ingot_slice end;
};

static bool comes_before(const struct source *a, const struct source *b)
{
    const int order = ingot_slice_compare(a->item.key, b->item.key);
    return order != 0 ? order < 0 : a->rank > b->rank;
}

static void swap(struct source *a, struct source *b)
{
    const struct source kept = *a;
    *a = *b;
    *b = kept;
}

static void sift_down(struct merge *merge)
{
    uint32_t at = 0;
    for (;;) {
        uint32_t least = at;
        for (uint32_t child = 2 * at + 1; child <= 2 * at + 2 && child < merge->count; child++) {
            if (comes_before(&merge->sources[child], &merge->sources[least]))
                least = child;
        }
        if (least == at)
            return;
        swap(&merge->sources[at], &merge->sources[least]);
        at = least;
    }
}

/* Steps a source to its next item within the range; false at its end. */
static bool advance(const struct merge *merge, struct source *source)
{
    if (source->cursor != NULL) {
        source->item.is_delete = false;
        if (!ledger_state_next(source->cursor, &source->item.key, &source->item.value))
            return false;
    } else {
        if (source->next == source->end)
            return false;
        source->item = *source->next++;
    }
    return merge->end.size == 0 || ingot_slice_compare(source->item.key, merge->end) < 0;
}

static void add_source(struct merge *merge, struct source source)
{
    if (!advance(merge, &source))
        return;
    if (merge->count == merge->capacity) {
        merge->capacity = merge->capacity > 0 ? merge->capacity * 2 : 16;
        merge->sources = alloc_resize(merge->sources, merge->capacity, sizeof *merge->sources);
    }
    uint32_t at = merge->count++;
    merge->sources[at] = source;
    while (at > 0 && comes_before(&merge->sources[at], &merge->sources[(at - 1) / 2])) {
        swap(&merge->sources[at], &merge->sources[(at - 1) / 2]);
        at = (at - 1) / 2;
    }
}

/* The first update at or after a key. */
static const struct state_update *lower_bound(const struct execution *execution,
                                              struct ingot_slice key)
{
    uint32_t low = 0;
    uint32_t high = execution->update_count;
    while (low < high) {
        const uint32_t middle = low + (high - low) / 2;
        if (ingot_slice_compare(execution->updates[middle].key, key) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return execution->updates + low;
}

static void add_blocks(struct merge *merge, const struct ingot_snapshot *snapshot,
                       struct ingot_slice first)
{
    for (const struct executed *block = snapshot->overlay->layers; block != NULL;
         block = block->layer_next) {
        if (!executed_counts(block, snapshot->mark))
            continue;
        add_source(merge, (struct source){.rank = block->height,
                                          .next = lower_bound(block->execution, first),
                                          .end = block->execution->updates +
                                                 block->execution->update_count});
    }
}

static void visit_all(struct merge *merge, ingot_snapshot_visit *visit, void *context)
{
    struct ingot_slice last = {0};
    while (merge->count > 0) {
        struct source *top = &merge->sources[0];
        const bool is_shadowed = last.size > 0 && ingot_slice_equal(last, top->item.key);
        if (!is_shadowed && !top->item.is_delete && !visit(context, top->item.key, top->item.value))
            return;
        /* The ledger's key is gone after the next step, and nothing of a lower rank can equal it.
         */
        last = top->cursor != NULL ? ingot_slice_of(NULL, 0) : top->item.key;
        if (!advance(merge, top))
            *top = merge->sources[--merge->count];
        sift_down(merge);
    }
}

enum ingot_error ingot_snapshot_range(struct ingot_snapshot *snapshot, struct ingot_slice first,
                                      struct ingot_slice end, ingot_snapshot_visit *visit,
                                      void *context)
{
    struct ledger_state_cursor *cursor = NULL;
    enum ingot_error error = ledger_state_seek(snapshot->ledger, first, &cursor);
    if (error != INGOT_OK)
        return remember(snapshot, error);
    INGOT_ASSERT(cursor != NULL);

    struct merge merge = {.end = end};
    add_source(&merge, (struct source){.rank = 0, .cursor = cursor});
    add_blocks(&merge, snapshot, first);
    struct state_update *own = NULL;
    if (snapshot->building != NULL) {
        uint32_t own_count = 0;
        own = builder_range(snapshot->building, first, end, &own_count);
        add_source(&merge,
                   (struct source){.rank = UINT64_MAX, .next = own, .end = own + own_count});
    }
    visit_all(&merge, visit, context);

    free(merge.sources);
    free(own);
    error = ledger_state_error(cursor);
    ledger_state_cursor_free(cursor);
    return remember(snapshot, error);
}
