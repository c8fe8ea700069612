/*
 * What a driver may read of the core. Changes nothing.
 */
#include "core/state.h"

static size_t pending_bytes(const struct core *core)
{
    size_t bytes = 0;
    for (uint32_t i = 0; i < core->peer_count; i++) {
        bytes += orphan_bytes(&core->peers[i]);
    }
    return bytes;
}

void core_get_status(const struct core *core, struct core_status *status)
{
    const uint64_t view = core->safety.current.view;
    const uint32_t leader = view_leader(core, view);
    *status = (struct core_status){
        .current = core->safety.current,
        .last_voted = core->safety.last_voted,
        .locked = core->safety.locked,
        .high = qc_position(core->safety.high_qc),
        .leader = core_set(core)->validators[leader].key,
        .last_committed = tree_root(&core->tree)->block,
        .high_qc = core->safety.high_qc,
        .high_tc = core->safety.high_tc,
        .waiting_qc = core->waiting_qc,
        .waiting_peer = core->waiting_peer,
        .taking_blocks = core->fetched.response != NULL,
        .set = core_set(core),
        .is_leader = core_is_own_key(core, leader),
        .is_member = core_member(core) != VALIDATOR_NONE,
        .has_stopped_signing = core->has_stopped_signing,
        .withholds_signing = core->config.withholds_signing,
        .tree_blocks = core->tree.count - 1,
        .pending_bytes = pending_bytes(core),
        .timeouts = core->timeouts,
        .views_entered = core->views_entered,
    };
}

struct validator_set *core_find_set(const struct core *core, uint64_t epoch)
{
    return epoch < core->set_count ? core->sets[epoch] : NULL;
}

struct block *core_find_block(const struct core *core, const struct ingot_hash *hash)
{
    const struct tree_node *node = tree_find(&core->tree, hash);
    return node == NULL ? NULL : node->block;
}

bool core_wants_block(const struct core *core, struct position position)
{
    return core->has_asked && position_compare(position, core->safety.current) == 0;
}

static bool is_above_ours(const struct core *core, const struct qc *qc)
{
    return position_compare(qc_position(qc), qc_position(core->safety.high_qc)) > 0;
}

/* A TC could bring us its high QC, or let us in to the view it leads to. */
static bool tc_is_of_use(const struct core *core, const struct tc *tc)
{
    return is_above_ours(core, tc->high_qc) ||
           position_compare(view_tc_entry(core, tc), core->safety.current) > 0;
}

/*
 * For what a leader says. While its view is not certified, the leader's vote may be the last that
 * is missing. Once it is, no certificate waits for its block, and its justify is older still.
 */
static bool is_certified_past(const struct core *core, struct position position,
                              const struct tc *tc)
{
    return position_compare(position, qc_position(core->safety.high_qc)) <= 0 &&
           (tc == NULL || !tc_is_of_use(core, tc));
}

bool core_is_leftover(const struct core *core, const struct message *message)
{
    if (message->kind == MESSAGE_TIMEOUT) {
        const struct timeout *timeout = &message->timeout;
        return core_is_past(core, (struct position){timeout->epoch, timeout->view}) &&
               !is_above_ours(core, timeout->high_qc) &&
               (timeout->tc == NULL || !tc_is_of_use(core, timeout->tc));
    }
    if (message->kind == MESSAGE_PROPOSE || message->kind == MESSAGE_COMPACT_PROPOSE) {
        const struct propose *propose = &message->propose;
        return is_certified_past(core, block_position(propose->block), propose->tc) &&
               !core_is_contradicted(core, &propose->vote);
    }
    if (message->kind == MESSAGE_NUDGE) {
        const struct nudge *nudge = &message->nudge;
        return is_certified_past(core, (struct position){nudge->epoch, nudge->view}, nudge->tc) &&
               !core_is_contradicted(core, &nudge->vote);
    }
    return false;
}

bool core_is_past(const struct core *core, struct position position)
{
    return position_compare(position, core->safety.current) < 0;
}

enum reject core_check_propose(const struct core *core, const struct propose *propose)
{
    const struct position position = block_position(propose->block);
    return core_is_past(core, position)
               ? REJECT_PAST
               : propose_check_sender(core, position, propose->block->justify, propose->tc,
                                      propose->vote.voter);
}
