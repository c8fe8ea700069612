/*
 * The bodies of update_merge.h.
 */
#include "node/update_merge.h"

#include <stdlib.h>

#include "base/alloc.h"
#include "base/assert.h"

static bool comes_before(const struct update_source *a, const struct update_source *b)
{
    const int order = ingot_slice_compare(a->item.key, b->item.key);
    return order != 0 ? order < 0 : a->rank > b->rank;
}

void update_merge_add(struct update_merge *merge, struct update_source *source)
{
    if (merge->count == merge->capacity) {
        merge->capacity = merge->capacity > 0 ? merge->capacity * 2 : 16;
        merge->sources =
            alloc_resize(merge->sources, merge->capacity, sizeof(struct update_source *));
    }
    uint32_t at = merge->count++;
    for (; at > 0 && comes_before(source, merge->sources[(at - 1) / 2]); at = (at - 1) / 2)
        merge->sources[at] = merge->sources[(at - 1) / 2];
    merge->sources[at] = source;
}

struct update_source *update_merge_top(const struct update_merge *merge)
{
    return merge->count > 0 ? merge->sources[0] : NULL;
}

void update_merge_step(struct update_merge *merge, bool has_ended)
{
    INGOT_ASSERT(merge->count > 0);
    if (has_ended)
        merge->sources[0] = merge->sources[--merge->count];
    struct update_source *sinking = merge->sources[0];
    uint32_t at = 0;
    for (;;) {
        uint32_t least = 2 * at + 1;
        if (least + 1 < merge->count &&
            comes_before(merge->sources[least + 1], merge->sources[least]))
            least++;
        if (least >= merge->count || !comes_before(merge->sources[least], sinking))
            break;
        merge->sources[at] = merge->sources[least];
        at = least;
    }
    merge->sources[at] = sinking;
}

void update_merge_deinit(struct update_merge *merge)
{
    free(merge->sources);
    *merge = (struct update_merge){0};
}

static bool stand(struct update_run *run)
{
    if (run->next == run->end)
        return false;
    run->base.item = execution_update(run->execution, run->next);
    return true;
}

void update_run_begin(struct update_merge *merge, struct update_run *run,
                      const struct execution *execution, uint64_t rank, uint32_t first,
                      uint32_t end)
{
    *run =
        (struct update_run){.base.rank = rank, .execution = execution, .next = first, .end = end};
    if (stand(run))
        update_merge_add(merge, &run->base);
}

void update_runs_pass(struct update_merge *merge, struct ingot_slice key)
{
    struct update_source *top;
    while ((top = update_merge_top(merge)) != NULL && ingot_slice_equal(top->item.key, key)) {
        struct update_run *run = (struct update_run *)top;
        run->next++;
        update_merge_step(merge, !stand(run));
    }
}

uint32_t update_bound(const struct execution *execution, struct ingot_slice key, bool beyond)
{
    uint32_t low = 0;
    uint32_t high = execution->update_count;
    while (low < high) {
        const uint32_t middle = low + (high - low) / 2;
        const int order = ingot_slice_compare(execution_update(execution, middle).key, key);
        if (order < 0 || (order == 0 && beyond))
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}
