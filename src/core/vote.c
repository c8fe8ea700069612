/*
 * Voting: when a vote is allowed, what of it must be durable, and who gets it.
 * vote_record is, beside the timeout's rule, the only writer of `last_voted`.
 */
#include <string.h>

#include "core/state.h"

/*
 * The lock is tested against the justify the message carries, not the one inside its block: a
 * locked replica has to accept its own locked block when a later leader brings it again.
 */
bool vote_is_allowed(const struct core *core, const struct qc *justify)
{
    return core_may_sign(core) &&
           (position_compare(core->safety.current, core->safety.last_voted) > 0 ||
            MUTANT(TWO_VOTES)) &&
           position_compare(qc_position(justify), core->safety.locked) >= 0;
}

void vote_record(struct core *core, const struct block *block, enum phase phase)
{
    struct core_safety *safety = &core->safety;
    INGOT_ASSERT(position_compare(safety->current, safety->last_voted) > 0 || MUTANT(TWO_VOTES));
    safety->last_voted = safety->current;
    safety->has_vote = true;
    safety->vote = (struct vote){.epoch = safety->current.epoch,
                                 .view = safety->current.view,
                                 .block = block->hash,
                                 .phase = phase};
    core->safety_is_dirty = core->safety_is_dirty || !MUTANT(NO_DURABLE_VOTE);
}

/*
 * To the next leader, who proposes on the certificate, and where it is another to this one too:
 * if the next leader dies at the hand-over, the certificate is not lost with it.
 */
void vote_send(struct core *core)
{
    const uint64_t view = core->safety.vote.view;
    const uint32_t leaders[] = {view_leader(core, view + 1), view_leader(core, view)};
    struct message *message = message_new(MESSAGE_VOTE);
    message->vote = core->safety.vote;
    message->vote.voter = core_member(core);
    effect_send(core, leaders, 2, message);
}

enum reject vote_on_candidate(struct core *core, struct block *block)
{
    struct message *candidate = core->candidate;
    core->candidate = NULL;
    enum reject reject = REJECT_NONE;
    if (core_may_sign(core) &&
        position_compare(qc_position(block->justify), core->safety.locked) < 0) {
        reject = REJECT_BELOW_LOCK;
    } else if (vote_is_allowed(core, block->justify)) {
        vote_record(core, block, PHASE_GENERIC);
        vote_send(core);
    }
    message_unref(candidate);
    return reject;
}
