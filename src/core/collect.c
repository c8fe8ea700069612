/*
 * From votes to a quorum certificate. One slot a member, the highest position wins, so a sender
 * costs one slot whatever it sends; a vote for a view that we have not entered stays there, since
 * a vote carries no proof of entry.
 */
#include "core/state.h"

static uint64_t power_behind(const struct core *core, const struct vote *choice)
{
    const struct validator_set *set = core_set(core);
    uint64_t power = 0;
    for (uint32_t i = 0; i < set->count; i++) {
        if (core->slots[i].has_vote && vote_same_choice(&core->slots[i].vote, choice)) {
            power += set->validators[i].power;
        }
    }
    return power;
}

/* A set-changing block can be voted for in views after its own: only the block itself tells. */
static bool find_block_view(const struct core *core, const struct vote *choice, uint64_t *view)
{
    if (choice->phase == PHASE_GENERIC) {
        *view = choice->view;
        return true;
    }
    const struct tree_node *node = tree_find(&core->tree, &choice->block);
    if (node == NULL) {
        return false;
    }
    *view = node->block->view;
    return true;
}

static struct qc *form(const struct core *core, const struct vote *choice, uint64_t block_view)
{
    const struct validator_set *set = core_set(core);
    struct qc *qc = qc_new(set->count);
    qc->signature_count = 0;
    for (uint32_t i = 0; i < set->count; i++) {
        if (core->slots[i].has_vote && vote_same_choice(&core->slots[i].vote, choice)) {
            signers_add(&qc->signers, i);
            qc->signatures[qc->signature_count++] = core->slots[i].vote.signature;
        }
    }
    qc->phase = choice->phase;
    qc->epoch = choice->epoch;
    qc->view = choice->view;
    qc->block_view = block_view;
    qc->block = choice->block;
    qc->validator_count = set->count;
    return qc;
}

static enum reject keep(struct core *core, const struct vote *vote)
{
    struct slot *slot = &core->slots[vote->voter];
    if (slot->has_vote) {
        const int order = position_compare(vote_position(vote), vote_position(&slot->vote));
        if (order < 0 && !MUTANT(OLD_VOTE_REPLACES)) {
            return REJECT_PAST;
        }
        if (order == 0) {
            return REJECT_DUPLICATE; /* the same vote again, or a second one: witness.c */
        }
    }
    slot->has_vote = true;
    slot->vote = *vote;
    return REJECT_NONE;
}

/* The choice has a quorum behind it. Its slots may be gone when this returns. */
static void certify(struct core *core, uint32_t peer, struct vote choice)
{
    uint64_t block_view = 0;
    if (!find_block_view(core, &choice, &block_view)) {
        return; /* collect_retry comes back to it */
    }
    const bool is_next_leader = core_is_own_key(core, view_leader(core, choice.view + 1));
    struct qc *qc = form(core, &choice, block_view);
    (void)certify_qc(core, peer, qc);
    if (!is_next_leader && choice.phase != PHASE_COMMIT && !MUTANT(QC_NOT_BROADCAST)) {
        /* The next leader may have died with its votes; everybody moves on with this. A Commit QC
         * has been broadcast already, on entering the epoch. */
        struct message *message = message_new(MESSAGE_CERTIFICATE);
        message->certificate.qc = qc_ref(qc);
        effect_broadcast(core, message);
    }
    qc_unref(qc);
}

void collect_retry(struct core *core)
{
    const uint64_t epoch = core->safety.current.epoch;
    for (uint32_t i = 0; core->safety.current.epoch == epoch && i < core_set(core)->count; i++) {
        const struct slot *slot = &core->slots[i];
        if (slot->has_vote && slot->vote.phase != PHASE_GENERIC &&
            core_wants_vote(core, vote_position(&slot->vote)) &&
            power_behind(core, &slot->vote) >= core_set(core)->quorum_power) {
            certify(core, CORE_SELF, slot->vote);
        }
    }
}

enum reject collect_vote(struct core *core, uint32_t peer, const struct vote *vote)
{
    witness_vote(core, vote);
    struct vote of_this_epoch = *vote;
    of_this_epoch.epoch = core->safety.current.epoch;
    if (MUTANT(OLD_SET_VOTES) && vote->epoch < core->safety.current.epoch &&
        vote->voter < core_set(core)->count) {
        vote = &of_this_epoch;
    }
    if (vote->epoch != core->safety.current.epoch) {
        return vote->epoch < core->safety.current.epoch ? REJECT_PAST : REJECT_UNKNOWN_EPOCH;
    }
    INGOT_ASSERT(vote->voter < core_set(core)->count);
    if (peer != CORE_SELF && own_key_check_vote(core, vote)) {
        return REJECT_DUPLICATE;
    }
    if (!core_wants_vote(core, vote_position(vote))) {
        return REJECT_PAST;
    }
    const enum reject reject = keep(core, vote);
    uint64_t power = power_behind(core, vote);
    if (MUTANT(DUPLICATE_SIGNER) && reject == REJECT_DUPLICATE) {
        power += core_set(core)->validators[vote->voter].power;
    } else if (reject != REJECT_NONE) {
        return reject;
    }
    if (power >= core_set(core)->quorum_power) {
        certify(core, peer, *vote);
    }
    return REJECT_NONE;
}

bool core_wants_vote(const struct core *core, struct position position)
{
    return position_compare(position, qc_position(core->safety.high_qc)) > 0 &&
           (core->waiting_qc == NULL ||
            position_compare(position, qc_position(core->waiting_qc)) > 0);
}
