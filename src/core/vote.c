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
           (position_compare(qc_position(justify), core->safety.locked) >= 0 ||
            MUTANT(LOCK_IGNORED));
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

/* The leader of the first view of the epoch that this block opens; NULL if it is unknown. */
static const struct ingot_public_key *next_epoch_leader(const struct core *core,
                                                        const struct ingot_hash *hash)
{
    const struct tree_node *node = tree_find(&core->tree, hash);
    if (node == NULL || node->next_set == NULL) {
        return NULL;
    }
    const uint32_t leader = leader_of_view(node->next_set, epoch_first_view(node->block->view),
                                           core->config.leader_tenure);
    return &node->next_set->validators[leader].key;
}

/*
 * To the next leader, who proposes on the certificate, and where it is another to this one too:
 * if the next leader dies at the hand-over, the certificate is not lost with it. Votes to commit a
 * new set go to its first leader as well, who may be no member yet.
 */
void vote_send(struct core *core)
{
    const struct vote *vote = &core->safety.vote;
    struct ingot_public_key keys[CORE_RECIPIENTS_MAX];
    uint32_t count = 0;
    keys[count++] = *view_leader_key(core, vote->view + 1);
    count += MUTANT(NEXT_LEADER_ALONE) ? 0 : 1;
    keys[1] = *view_leader_key(core, vote->view);
    if (vote->phase == PHASE_COMMIT && !MUTANT(NEW_LEADER_LEFT_OUT)) {
        const struct ingot_public_key *leader = next_epoch_leader(core, &vote->block);
        if (leader != NULL) {
            keys[count++] = *leader;
        }
    }
    struct message *message = message_new(MESSAGE_VOTE);
    message->vote = *vote;
    message->vote.voter = core_member(core);
    effect_send(core, keys, count, message);
}

/* A vote of an epoch that has ended is of no use: whoever could count it needs the Commit QC. */
void vote_resend(struct core *core)
{
    const struct core_safety *safety = &core->safety;
    if (safety->has_vote && !MUTANT(VOTE_NOT_RESENT) &&
        safety->vote.epoch == safety->current.epoch && core_may_sign(core)) {
        vote_send(core);
    }
}

enum reject vote_on_candidate(struct core *core, struct block *block)
{
    struct message *candidate = core->candidate;
    core->candidate = NULL;
    enum reject reject = REJECT_NONE;
    if (core_may_sign(core) && !MUTANT(LOCK_IGNORED) &&
        position_compare(qc_position(block->justify), core->safety.locked) < 0) {
        reject = REJECT_BELOW_LOCK;
    } else if (vote_is_allowed(core, block->justify)) {
        vote_record(core, block, block_changes_set(block) ? PHASE_PREPARE : PHASE_GENERIC);
        vote_send(core);
    }
    message_unref(candidate);
    return reject;
}
