/*
 * A Propose whose parent, or a Nudge whose block, is still on its way: a few for each channel, the
 * highest, within the channel's share of bytes. Their certificates were verified when they came.
 *
 * One alone would not do. While a replica fetches what it lacks, the chain goes on by a block or
 * two; if it forgot those, it would have to fetch them next, and would stay so far behind for ever.
 */
#include <string.h>

#include "core/state.h"

/* The block that must be in the tree first. */
static const struct ingot_hash *needed_block(const struct message *orphan)
{
    return orphan->kind == MESSAGE_NUDGE ? &orphan->nudge.justify->block
                                         : &orphan->propose.block->parent;
}

static struct qc *justify_of(const struct message *orphan)
{
    return orphan->kind == MESSAGE_NUDGE ? orphan->nudge.justify : orphan->propose.block->justify;
}

static struct position position_of(const struct message *orphan)
{
    return orphan->kind == MESSAGE_NUDGE
               ? (struct position){orphan->nudge.epoch, orphan->nudge.view}
               : block_position(orphan->propose.block);
}

static size_t size_of(const struct message *orphan)
{
    return orphan->kind == MESSAGE_NUDGE
               ? sizeof *orphan + orphan->nudge.justify->signature_count *
                                      sizeof orphan->nudge.justify->signatures[0]
               : block_size_bytes(orphan->propose.block);
}

size_t orphan_bytes(const struct peer_state *state)
{
    size_t bytes = 0;
    for (uint32_t i = 0; i < state->orphan_count; i++) {
        bytes += size_of(state->orphans[i]);
    }
    return bytes;
}

/* Takes one off the list; the reference is the caller's. */
static struct message *take(struct peer_state *state, uint32_t index)
{
    struct message *orphan = state->orphans[index];
    state->orphan_count--;
    memmove(state->orphans + index, state->orphans + index + 1,
            (state->orphan_count - index) * sizeof(struct message *));
    return orphan;
}

void orphan_forget(struct peer_state *state)
{
    while (state->orphan_count > 0) {
        message_unref(take(state, state->orphan_count - 1));
    }
}

enum reject orphan_keep(struct core *core, uint32_t peer, struct message *message)
{
    struct peer_state *state = core_peer(core, peer);
    const struct position position = position_of(message);
    const size_t size = size_of(message);
    if (position_compare(position, core->safety.current) < 0) {
        return REJECT_PAST;
    }
    if (size > INGOT_PENDING_BYTES_PER_PEER_MAX && !MUTANT(ORPHANS_UNBOUNDED)) {
        return REJECT_BUFFER_FULL;
    }
    uint32_t at = state->orphan_count;
    while (at > 0 && position_compare(position, position_of(state->orphans[at - 1])) < 0) {
        at--;
    }
    if (at > 0 && position_compare(position, position_of(state->orphans[at - 1])) == 0) {
        return REJECT_DUPLICATE;
    }
    /* The lowest make room. */
    while (state->orphan_count == INGOT_ORPHANS_PER_PEER_MAX ||
           (orphan_bytes(state) + size > INGOT_PENDING_BYTES_PER_PEER_MAX &&
            !MUTANT(ORPHANS_UNBOUNDED))) {
        if (at == 0) {
            return REJECT_BUFFER_FULL;
        }
        message_unref(take(state, 0));
        at--;
    }
    memmove(state->orphans + at + 1, state->orphans + at,
            (state->orphan_count - at) * sizeof(struct message *));
    state->orphans[at] = message_ref(message);
    state->orphan_count++;
    return REJECT_NONE;
}

static void judge(struct core *core, uint32_t peer, struct message *orphan)
{
    if (certify_qc(core, peer, justify_of(orphan)) != REJECT_NONE ||
        tree_find(&core->tree, needed_block(orphan)) == NULL) {
        return;
    }
    if (orphan->kind == MESSAGE_NUDGE) {
        (void)nudge_judge(core, &orphan->nudge);
    } else {
        (void)propose_judge(core, orphan);
    }
}

/* The lowest that is of use, or of none any more; NULL if all have to wait. */
static struct message *take_next(const struct core *core, struct peer_state *state)
{
    for (uint32_t i = 0; i < state->orphan_count; i++) {
        if (tree_find(&core->tree, needed_block(state->orphans[i])) != NULL ||
            core_is_past(core, position_of(state->orphans[i]))) {
            return take(state, i);
        }
    }
    return NULL;
}

bool orphan_retry(struct core *core)
{
    bool has_changed = false;
    for (uint32_t i = 0; i < core->peer_count; i++) {
        struct message *orphan = take_next(core, &core->peers[i]);
        while (orphan != NULL) {
            if (tree_find(&core->tree, needed_block(orphan)) != NULL) {
                judge(core, i, orphan);
            }
            message_unref(orphan);
            has_changed = true;
            orphan = take_next(core, &core->peers[i]);
        }
    }
    return has_changed;
}
