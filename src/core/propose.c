/*
 * Proposing, and judging what others propose. A proposal passes in two steps: here what the
 * message and the tree can tell, then the App; vote.c asks all the conditions once more when the
 * App has answered.
 */
#include <string.h>

#include "core/state.h"

/* High enough to build on: the TC that let us in may know of a higher QC than we hold. */
static bool has_what_entry_needs(const struct core *core)
{
    const struct core_safety *safety = &core->safety;
    const struct position high = qc_position(safety->high_qc);
    if (position_compare(view_next(high), safety->current) == 0) {
        return true;
    }
    INGOT_ASSERT(safety->high_tc != NULL);
    return position_compare(high, qc_position(safety->high_tc->high_qc)) >= 0;
}

bool propose_is_due(const struct core *core)
{
    return core_may_sign(core) &&
           core_is_own_key(core, view_leader(core, core->safety.current.view)) &&
           (position_compare(core->safety.current, core->safety.last_voted) > 0 ||
            MUTANT(TWO_VOTES)) &&
           !core->has_proposed && (has_what_entry_needs(core) || MUTANT(TC_WITHOUT_HIGH_QC));
}

/*
 * A leader that waits shows the QC it stands on. Without this the others would still be in the
 * view before, with blocks to commit and a deadline that knows nothing of the pause.
 */
static void announce(struct core *core)
{
    if (core->has_announced || qc_is_genesis(core->safety.high_qc)) {
        return;
    }
    core->has_announced = true;
    struct message *message = message_new(MESSAGE_CERTIFICATE);
    message->certificate.qc = qc_ref(core->safety.high_qc);
    effect_broadcast(core, message);
}

void propose_if_due(struct core *core)
{
    if (!propose_is_due(core) || core->has_asked) {
        return;
    }
    if (core->now_ms < core->propose_at_ms) {
        announce(core);
        return;
    }
    struct block *block = core_high_node(core)->block;
    const enum phase phase = core->safety.high_qc->phase;
    if ((phase == PHASE_PREPARE || phase == PHASE_PRECOMMIT) && !MUTANT(CHILD_OF_UNCOMMITTED)) {
        nudge_propose(core, block);
        return;
    }
    core->has_asked = true;
    effect_ask_propose(core, block);
}

struct tc *propose_entry_tc(const struct core *core, const struct qc *justify)
{
    if (position_compare(view_next(qc_position(justify)), core->safety.current) == 0) {
        return NULL;
    }
    return tc_ref(core->safety.high_tc);
}

static bool is_awaited(const struct core *core, const struct block *block)
{
    return core->waiting_qc != NULL &&
           memcmp(core->waiting_qc->block.bytes, block->hash.bytes, INGOT_HASH_BYTES) == 0;
}

/*
 * Whoever signs with our key elsewhere, or an older copy of our data that has forgotten what it
 * sent, builds the same block from the same parent: its hash covers nothing that would differ. Then
 * it is in the tree already, or on its way there, and giving it up would take it from there.
 */
static bool is_shown_by_others(const struct core *core, const struct block *block)
{
    const bool is_candidate =
        core->candidate != NULL && memcmp(core->candidate->propose.block->hash.bytes,
                                          block->hash.bytes, INGOT_HASH_BYTES) == 0;
    return is_candidate || tree_find(&core->tree, &block->hash) != NULL ||
           is_awaited(core, block) || fetch_is_certified(core, block);
}

void propose_built(struct core *core, const struct core_event *event)
{
    struct block *block = event->block;
    const bool is_current = position_compare(event->position, core->safety.current) == 0;
    const bool is_asked_for = is_current && core->has_asked;
    if (is_current) {
        core->has_asked = false;
    }
    if (block == NULL) {
        /* Nothing to show for this view: it ends by its deadline. */
        core->has_proposed = core->has_proposed || is_current;
        return;
    }
    const bool is_on_high_qc =
        position_compare(qc_position(block->justify), qc_position(core->safety.high_qc)) == 0;
    if (!is_asked_for || !propose_is_due(core) || (!is_on_high_qc && !MUTANT(BUILT_ON_OLD_QC)) ||
        !vote_is_allowed(core, block->justify)) {
        if (!is_shown_by_others(core, block)) {
            effect_abandon(core, block); /* propose_if_due asks again where there is reason to */
        }
        return;
    }
    core_tree_take(core, block, event->next_set);
    core->has_proposed = true;
    vote_record(core, block, block_changes_set(block) ? PHASE_PREPARE : PHASE_GENERIC);
    struct message *message = message_new(MESSAGE_PROPOSE);
    message->propose.block = block_ref(block);
    message->propose.vote = core->safety.vote;
    message->propose.vote.voter = core_member(core);
    message->propose.tc = propose_entry_tc(core, block->justify);
    core->proposal = message_ref(message); /* the driver signs it in place */
    effect_broadcast(core, message);
}

static bool proves_entry(const struct core *core, struct position position,
                         const struct qc *justify, const struct tc *tc)
{
    if (position_compare(view_next(qc_position(justify)), position) == 0 ||
        MUTANT(ENTRY_UNPROVEN)) {
        return true;
    }
    return tc != NULL && position_compare(view_tc_entry(core, tc), position) == 0 &&
           (position_compare(qc_position(justify), qc_position(tc->high_qc)) >= 0 ||
            MUTANT(CLAIM_IGNORED));
}

enum reject propose_check_sender(const struct core *core, struct position position,
                                 const struct qc *justify, const struct tc *tc, uint32_t voter)
{
    if (position.epoch != core->safety.current.epoch) {
        return REJECT_UNKNOWN_EPOCH;
    }
    if (voter != view_leader(core, position.view) && !MUTANT(ANYBODY_LEADS)) {
        return REJECT_NOT_LEADER;
    }
    return proves_entry(core, position, justify, tc) ? REJECT_NONE : REJECT_NO_ENTRY_PROOF;
}

enum reject propose_check_block(const struct core *core, const struct block *block,
                                const struct block *parent)
{
    if (block->height != parent->height + 1 && !MUTANT(HEIGHT_UNCHECKED)) {
        return REJECT_BAD_HEIGHT;
    }
    if (block->time_ms < parent->time_ms && !MUTANT(TIME_UNCHECKED)) {
        return REJECT_BAD_TIME;
    }
    if (MUTANT(SET_UNCHECKED)) {
        return REJECT_NONE;
    }
    if (memcmp(block->validators_hash.bytes, parent->next_validators_hash.bytes,
               INGOT_HASH_BYTES) != 0 ||
        memcmp(block->validators_hash.bytes, core_set(core)->hash.bytes, INGOT_HASH_BYTES) != 0) {
        return REJECT_BAD_VALIDATORS_HASH;
    }
    if (block->justify->block_view != parent->view && !MUTANT(JUSTIFY_VIEW_UNCHECKED)) {
        return REJECT_BINDING; /* unlike a certificate alone: the block's hash covers this one */
    }
    /* A child of a set-changing block waits until that is committed by its own last phase. */
    const enum phase phase = block_changes_set(parent) ? PHASE_COMMIT : PHASE_GENERIC;
    return block->justify->phase == phase || MUTANT(CHILD_OF_UNCOMMITTED) ? REJECT_NONE
                                                                          : REJECT_SET_CHANGE;
}

enum reject propose_judge(struct core *core, struct message *message)
{
    struct block *block = message->propose.block;
    const struct tree_node *parent = tree_find(&core->tree, &block->parent);
    INGOT_ASSERT(parent != NULL);
    const enum reject reject = propose_check_block(core, block, parent->block);
    if (reject != REJECT_NONE) {
        return reject;
    }
    if (tree_find(&core->tree, &block->hash) != NULL) {
        return REJECT_DUPLICATE;
    }
    const int order = position_compare(block_position(block), core->safety.current);
    if (order > 0) {
        return REJECT_FUTURE;
    }
    if (order < 0 && !is_awaited(core, block)) {
        return REJECT_PAST;
    }
    if (order == 0 && core->has_candidate && !is_awaited(core, block)) {
        return REJECT_DUPLICATE; /* a leader that says two things costs us one block, not many */
    }
    if (order == 0 && !core->has_candidate) {
        core->has_candidate = true;
        core->candidate = message_ref(message);
    }
    effect_ask_validate(core, block);
    return REJECT_NONE;
}

enum reject propose_receive(struct core *core, uint32_t peer, struct message *message)
{
    const struct propose *propose = &message->propose;
    struct block *block = propose->block;
    if (peer == CORE_SELF) {
        return collect_vote(core, peer, &propose->vote);
    }
    if (propose->tc != NULL) {
        (void)certify_tc(core, peer, propose->tc);
    }
    const enum reject certified = certify_qc(core, peer, block->justify);
    (void)collect_vote(core, peer, &propose->vote);
    if (certified == REJECT_BINDING) {
        return certified;
    }
    if (core_is_past(core, block_position(block))) {
        answer_with_ours(core, peer);
        if (!is_awaited(core, block)) {
            return REJECT_PAST;
        }
    }
    const enum reject reject = propose_check_sender(core, block_position(block), block->justify,
                                                    propose->tc, propose->vote.voter);
    if (reject != REJECT_NONE) {
        return reject;
    }
    if (tree_find(&core->tree, &block->parent) != NULL) {
        return propose_judge(core, message);
    }
    if (block->height <= tree_root(&core->tree)->block->height) {
        return REJECT_CONFLICTS_COMMITTED;
    }
    return orphan_keep(core, peer, message);
}
