/*
 * A merge of ordered runs of state updates, the least key first. Of equal keys that of the highest
 * rank comes first, and those below it follow: it is for the caller to pass them over.
 *
 * It is a binary heap over sources that the caller owns; whoever takes from one steps it.
 */
#ifndef INGOT_NODE_UPDATE_MERGE_H
#define INGOT_NODE_UPDATE_MERGE_H

#include "node/execution.h"

/* The first member of the caller's own struct. */
struct update_source {
    struct state_update item; /* that it stands on */
    uint64_t rank;
};

/* All zero is empty. */
struct update_merge {
    struct update_source **sources; /* borrowed; of the heap: the array is owned */
    uint32_t count;
    uint32_t capacity;
};

/* Takes in a source that stands on an item; it stays where it is until it has left. */
void update_merge_add(struct update_merge *merge, struct update_source *source);
/* The source of the next item, or NULL. */
struct update_source *update_merge_top(const struct update_merge *merge);
/* The top source has been stepped: it stands on another item, or has come to its end. */
void update_merge_step(struct update_merge *merge, bool has_ended);
void update_merge_deinit(struct update_merge *merge);

/* Consecutive updates of an execution, as such a source. */
struct update_run {
    struct update_source base;
    const struct execution *execution; /* borrowed */
    uint32_t next;                     /* the one that it stands on, or `end` */
    uint32_t end;
};

/* Those from `first` on and before `end`. Takes them in, unless there are none. */
void update_run_begin(struct update_merge *merge, struct update_run *run,
                      const struct execution *execution, uint64_t rank, uint32_t first,
                      uint32_t end);
/* Of a merge of runs alone: steps all that stand on this key, which is the top one's. */
void update_runs_pass(struct update_merge *merge, struct ingot_slice key);

/* The first update of an execution at or after a key (or, if `beyond`, after it): its index. */
uint32_t update_bound(const struct execution *execution, struct ingot_slice key, bool beyond);

#endif
