/*
 * Nudges: how a leader moves a set-changing block to its next phase. Prepare, Precommit and
 * Commit follow one another in adjacent views; where a view fails in between, the block is
 * prepared again. The block is in the tree, so our App has agreed to it: nobody is asked again.
 */
#include <string.h>

#include "core/state.h"

void nudge_propose(struct core *core, struct block *block)
{
    struct qc *justify = core->safety.high_qc;
    if (!vote_is_allowed(core, justify)) {
        return;
    }
    core->has_proposed = true;
    vote_record(core, block, nudge_phase(justify, core->safety.current.view));
    struct message *message = message_new(MESSAGE_NUDGE);
    struct nudge *nudge = &message->nudge;
    nudge->epoch = core->safety.current.epoch;
    nudge->view = core->safety.current.view;
    nudge->justify = qc_ref(justify);
    nudge->vote = core->safety.vote;
    nudge->vote.voter = core_member(core);
    nudge->tc = propose_entry_tc(core, justify);
    core->proposal = message_ref(message); /* the driver signs it in place */
    effect_broadcast(core, message);
}

enum reject nudge_judge(struct core *core, const struct nudge *nudge)
{
    const struct position position = {nudge->epoch, nudge->view};
    const int order = position_compare(position, core->safety.current);
    if (order != 0) {
        return order < 0 ? REJECT_PAST : REJECT_FUTURE;
    }
    const struct tree_node *node = tree_find(&core->tree, &nudge->justify->block);
    INGOT_ASSERT(node != NULL);
    if (node->parent == NULL) {
        return REJECT_CONFLICTS_COMMITTED;
    }
    if (core_may_sign(core) && !MUTANT(LOCK_IGNORED) &&
        position_compare(qc_position(nudge->justify), core->safety.locked) < 0) {
        return REJECT_BELOW_LOCK;
    }
    if (vote_is_allowed(core, nudge->justify)) {
        vote_record(core, node->block, nudge_phase(nudge->justify, nudge->view));
        vote_send(core);
    }
    return REJECT_NONE;
}

enum reject nudge_receive(struct core *core, uint32_t peer, struct message *message)
{
    const struct nudge *nudge = &message->nudge;
    const struct position position = {nudge->epoch, nudge->view};
    if (peer == CORE_SELF) {
        return collect_vote(core, peer, &nudge->vote);
    }
    if (nudge->tc != NULL) {
        (void)certify_tc(core, peer, nudge->tc);
    }
    const enum reject certified = certify_qc(core, peer, nudge->justify);
    (void)collect_vote(core, peer, &nudge->vote);
    if (certified == REJECT_BINDING) {
        return certified;
    }
    if (core_is_past(core, position)) {
        answer_with_ours(core, peer);
        return REJECT_PAST;
    }
    const enum reject reject =
        propose_check_sender(core, position, nudge->justify, nudge->tc, nudge->vote.voter);
    if (reject != REJECT_NONE) {
        return reject;
    }
    if (tree_find(&core->tree, &nudge->justify->block) == NULL) {
        return orphan_keep(core, peer, message);
    }
    return nudge_judge(core, nudge);
}
