/*
 * A Propose whose parent, or a Nudge whose block, is still on its way: one for each channel, the
 * highest, within the channel's share of bytes. Its certificates were verified when it came.
 */
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

size_t orphan_bytes(const struct message *orphan)
{
    if (orphan == NULL) {
        return 0;
    }
    return orphan->kind == MESSAGE_NUDGE
               ? sizeof *orphan + orphan->nudge.justify->signature_count *
                                      sizeof orphan->nudge.justify->signatures[0]
               : block_size_bytes(orphan->propose.block);
}

enum reject orphan_keep(struct core *core, uint32_t peer, struct message *message)
{
    struct peer_state *state = core_peer(core, peer);
    const struct position position = position_of(message);
    if (position_compare(position, core->safety.current) < 0) {
        return REJECT_PAST;
    }
    if (orphan_bytes(message) > INGOT_PENDING_BYTES_PER_PEER_MAX) {
        return REJECT_BUFFER_FULL;
    }
    if (state->orphan != NULL && position_compare(position, position_of(state->orphan)) <= 0) {
        return REJECT_DUPLICATE;
    }
    message_unref(state->orphan);
    state->orphan = message_ref(message);
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

bool orphan_retry(struct core *core)
{
    bool has_changed = false;
    for (uint32_t i = 0; i < core->peer_count; i++) {
        struct message *orphan = core->peers[i].orphan;
        if (orphan == NULL) {
            continue;
        }
        const bool is_known = tree_find(&core->tree, needed_block(orphan)) != NULL;
        if (!is_known && !core_is_past(core, position_of(orphan))) {
            continue;
        }
        core->peers[i].orphan = NULL;
        if (is_known) {
            judge(core, i, orphan);
        }
        message_unref(orphan);
        has_changed = true;
    }
    return has_changed;
}
