/*
 * The state as an App sees it: the execution under way, over the branch it extends, over what the
 * ledger has applied. It reads and never changes anything.
 */
#include <stdlib.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "node/executor_internal.h"
#include "node/update_merge.h"

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
    struct state_update update;
    const bool is_found =
        (snapshot->building != NULL && builder_find(snapshot->building, hash, key, &update)) ||
        overlay_find(snapshot->overlay, hash, key, snapshot->mark, &update);
    if (!is_found)
        return remember(snapshot, ledger_state_get(snapshot->ledger, key, value));
    if (update.is_delete)
        return INGOT_ERROR_NOT_FOUND;
    *value = update.value;
    return INGOT_OK;
}

/*
 * A range is a merge of ordered sources: the execution under way, each block of the branch, and the
 * ledger. Of equal keys that of the highest rank counts: the ledger has rank 0, a block its height,
 * the execution under way the highest of all.
 */
struct source {
    struct update_source base;
    const struct execution *execution;  /* a block's; or NULL */
    const struct state_update *own;     /* of the execution under way; or NULL */
    struct ledger_state_cursor *cursor; /* the ledger's; or NULL */
    uint32_t next;
    uint32_t count;
};

struct range {
    struct update_merge merge;
    struct source *sources; /* owned; it has room for all there may be */
    uint32_t source_count;
    struct ingot_slice end;
};

/* Steps a source to its next item within the range; false at its end. */
static bool advance(const struct range *range, struct source *source)
{
    struct state_update *item = &source->base.item;
    if (source->cursor != NULL) {
        item->is_delete = false;
        if (!ledger_state_next(source->cursor, &item->key, &item->value))
            return false;
    } else {
        if (source->next == source->count)
            return false;
        *item = source->own != NULL ? source->own[source->next]
                                    : execution_update(source->execution, source->next);
        source->next++;
    }
    return range->end.size == 0 || ingot_slice_compare(item->key, range->end) < 0;
}

static void add_source(struct range *range, struct source source)
{
    if (!advance(range, &source))
        return;
    range->sources[range->source_count] = source;
    update_merge_add(&range->merge, &range->sources[range->source_count++].base);
}

static uint32_t count_layers(const struct overlay *overlay)
{
    uint32_t count = 0;
    for (const struct executed *block = overlay->layers; block != NULL; block = block->layer_next)
        count++;
    return count;
}

static void add_blocks(struct range *range, const struct ingot_snapshot *snapshot,
                       struct ingot_slice first)
{
    for (const struct executed *block = snapshot->overlay->layers; block != NULL;
         block = block->layer_next) {
        if (executed_counts(block, snapshot->mark))
            add_source(range, (struct source){.base.rank = block->height,
                                              .execution = block->execution,
                                              .next = update_bound(block->execution, first, false),
                                              .count = block->execution->update_count});
    }
}

static void visit_all(struct range *range, ingot_snapshot_visit *visit, void *context)
{
    struct ingot_slice last = {0};
    struct update_source *top;
    while ((top = update_merge_top(&range->merge)) != NULL) {
        struct source *source = (struct source *)top;
        const struct state_update *item = &top->item;
        const bool is_shadowed = last.size > 0 && ingot_slice_equal(last, item->key);
        if (!is_shadowed && !item->is_delete && !visit(context, item->key, item->value))
            return;
        /* The ledger's key is gone after the next step, and nothing of a lower rank can equal it.
         */
        last = source->cursor != NULL ? ingot_slice_of(NULL, 0) : item->key;
        update_merge_step(&range->merge, !advance(range, source));
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

    struct range range = {.end = end};
    range.sources = alloc_zeroed(count_layers(snapshot->overlay) + 2, sizeof *range.sources);
    add_source(&range, (struct source){.base.rank = 0, .cursor = cursor});
    add_blocks(&range, snapshot, first);
    struct state_update *own = NULL;
    if (snapshot->building != NULL) {
        uint32_t own_count = 0;
        own = builder_range(snapshot->building, first, end, &own_count);
        add_source(&range,
                   (struct source){.base.rank = UINT64_MAX, .own = own, .count = own_count});
    }
    visit_all(&range, visit, context);

    update_merge_deinit(&range.merge);
    free(range.sources);
    free(own);
    error = ledger_state_error(cursor);
    ledger_state_cursor_free(cursor);
    return remember(snapshot, error);
}
