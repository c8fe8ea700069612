/*
 * The core's numbered invariants, and the one function that checks them all. It runs after every
 * step in debug builds and in the simulator, and once on what a restart brings back.
 *
 *  1  The current view is the one after the high QC, or the entry of the high TC: the higher.
 *  2  No vote was cast above the current view.
 *  3  The lock is not above the high QC.
 *  4  The high QC's block is in the tree.
 *  5  Every block's parent stands before it in the tree; heights follow, views rise.
 *  6  The saved vote is the last one.
 *  7  A slot holds only what its own member sent, of the current epoch.
 *  8  What waits is above the high QC, and its block is unknown.
 *  9  No channel keeps more than its share of bytes.
 * 10  The candidate is a block of the current view.
 * 11  All sets up to the current epoch's are known, and no later one.
 * 12  A block that changes the set has the next set with it, and no child.
 */
#include <string.h>

#include "core/state.h"

static bool current_is_proven(const struct core *core)
{
    const struct core_safety *safety = &core->safety;
    struct position proven = view_next(qc_position(safety->high_qc));
    if (safety->high_tc != NULL) {
        const struct position entry = view_tc_entry(core, safety->high_tc);
        if (position_compare(entry, proven) > 0) {
            proven = entry;
        }
    }
    return position_compare(proven, safety->current) == 0;
}

static bool tree_is_sound(const struct core *core)
{
    for (uint32_t i = 1; i < core->tree.count; i++) {
        const struct block *block = core->tree.nodes[i]->block;
        const struct tree_node *parent = core->tree.nodes[i]->parent;
        bool stands_before = false;
        for (uint32_t j = 0; j < i; j++) {
            stands_before = stands_before || core->tree.nodes[j] == parent;
        }
        if (!stands_before || block->height != parent->block->height + 1 ||
            position_compare(block_position(block), block_position(parent->block)) <= 0 ||
            memcmp(block->parent.bytes, parent->block->hash.bytes, INGOT_HASH_BYTES) != 0) {
            return false;
        }
    }
    return true;
}

static bool slots_are_sound(const struct core *core)
{
    for (uint32_t i = 0; i < core_set(core)->count; i++) {
        const struct slot *slot = &core->slots[i];
        if (slot->has_vote &&
            (slot->vote.voter != i || slot->vote.epoch != core->safety.current.epoch)) {
            return false;
        }
        if (slot->timeout != NULL && slot->timeout->timeout.voter != i) {
            return false;
        }
    }
    return true;
}

static bool waiting_is_sound(const struct core *core)
{
    return core->waiting_qc == NULL ||
           (tree_find(&core->tree, &core->waiting_qc->block) == NULL &&
            position_compare(qc_position(core->waiting_qc), qc_position(core->safety.high_qc)) > 0);
}

static bool channels_are_bounded(const struct core *core)
{
    for (uint32_t i = 0; i < core->peer_count; i++) {
        if (orphan_bytes(&core->peers[i]) > INGOT_PENDING_BYTES_PER_PEER_MAX) {
            return false;
        }
    }
    return true;
}

static bool vote_is_last(const struct core *core)
{
    return !core->safety.has_vote ||
           position_compare(vote_position(&core->safety.vote), core->safety.last_voted) == 0;
}

static bool candidate_is_current(const struct core *core)
{
    return core->candidate == NULL ||
           position_compare(block_position(core->candidate->propose.block), core->safety.current) ==
               0;
}

static bool sets_are_sound(const struct core *core)
{
    return core->set_count == core->safety.current.epoch + 1;
}

static bool set_changes_are_sound(const struct core *core)
{
    for (uint32_t i = 1; i < core->tree.count; i++) {
        const struct tree_node *node = core->tree.nodes[i];
        if (block_changes_set(node->block) != (node->next_set != NULL) ||
            (node->parent->parent != NULL && node->parent->next_set != NULL)) {
            return false;
        }
    }
    return true;
}

int core_check_invariants(const struct core *core, const char **why)
{
    const struct core_safety *safety = &core->safety;
    const struct {
        bool holds;
        const char *text;
    } invariants[] = {
        {current_is_proven(core), "the current view is not the one its certificates prove"},
        {position_compare(safety->last_voted, safety->current) <= 0,
         "the last vote is above the current view"},
        {position_compare(safety->locked, qc_position(safety->high_qc)) <= 0,
         "the lock is above the highest certificate"},
        {tree_find(&core->tree, &safety->high_qc->block) != NULL,
         "the block of the highest certificate is missing"},
        {tree_is_sound(core), "a block does not follow its parent"},
        {vote_is_last(core), "the saved vote is not the last one"},
        {slots_are_sound(core), "a slot holds what another member sent"},
        {waiting_is_sound(core), "a certificate waits without need"},
        {channels_are_bounded(core), "a channel keeps more than its share"},
        {candidate_is_current(core), "the candidate is not of the current view"},
        {sets_are_sound(core), "the known sets do not end with the current epoch's"},
        {set_changes_are_sound(core), "a block of another set stands on an uncommitted change"},
    };
    for (size_t i = 0; i < sizeof invariants / sizeof invariants[0]; i++) {
        if (!invariants[i].holds) {
            *why = invariants[i].text;
            return (int)i + 1;
        }
    }
    return 0;
}
