/*
 * Using certificates: the lock, the high QC, commits and view changes that follow from one.
 * certify_qc alone writes `locked` and `high_qc`, certify_tc alone writes `high_tc`.
 *
 * Signatures have been checked before; what is checked here is what needs the tree.
 */
#include <string.h>

#include "core/state.h"

/*
 * Do the signed fields of a certificate fit the block that it names? If not, it was never made by
 * honest ones.
 */
static bool is_bound(const struct qc *qc, const struct block *block)
{
    if (qc->epoch != block_epoch(block) || MUTANT(QC_UNBOUND)) {
        return MUTANT(QC_UNBOUND);
    }
    switch (qc->phase) {
    case PHASE_GENERIC:
        return !block_changes_set(block) && qc->view == block->view;
    case PHASE_PREPARE:
        return block_changes_set(block) && qc->view >= block->view;
    case PHASE_PRECOMMIT:
        return block_changes_set(block) && qc->view >= block->view + 1;
    case PHASE_COMMIT:
        return block_changes_set(block) && qc->view >= block->view + 2;
    }
    INGOT_ASSERT(false);
    return false;
}

/*
 * The certificate with the view of its block put right. The signatures do not cover that view, so
 * anybody can change it in a genuine certificate, and whoever lacks the block passes it on in good
 * faith: to refuse it would be to refuse what they prove with it, such as their entry into a view.
 */
static struct qc *put_right(struct qc *qc, const struct block *block)
{
    if (qc->block_view == block->view || MUTANT(BLOCK_VIEW_TRUSTED)) {
        return qc_ref(qc);
    }
    struct qc *right = qc_new(qc->signature_count);
    right->phase = qc->phase;
    right->epoch = qc->epoch;
    right->view = qc->view;
    right->block_view = block->view;
    right->block = qc->block;
    right->signers = qc->signers;
    right->validator_count = qc->validator_count;
    memcpy(right->signatures, qc->signatures, qc->signature_count * sizeof qc->signatures[0]);
    if (MUTANT(DIGEST_OF_ANOTHER)) {
        right->has_digest = qc->has_digest;
        right->digest = qc->digest;
    }
    return right;
}

/*
 * What a QC proves that nothing can overtake. A Precommit QC locks the view below its own: a
 * Prepare QC of that view exists, so another replica can show it.
 */
static struct position lock_of(const struct qc *qc, const struct block *block)
{
    switch (qc->phase) {
    case PHASE_GENERIC:
    case PHASE_PREPARE:
        return qc_position(block->justify);
    case PHASE_PRECOMMIT:
        return (struct position){qc->epoch, MUTANT(NO_PRECOMMIT_LOCK) ? 0 : qc->view - 1};
    case PHASE_COMMIT:
        return qc_position(qc);
    }
    INGOT_ASSERT(false);
    return (struct position){0, 0};
}

/*
 * on_qc. Commits come before the view is entered, because the new view's deadline depends on what
 * is still uncommitted. The order of writes does not matter to a crash: the driver makes all
 * effects of a step durable in one transaction.
 */
static void apply(struct core *core, struct qc *qc, const struct block *block)
{
    struct core_safety *safety = &core->safety;
    const struct position position = qc_position(qc);
    if (position_compare(position, qc_position(safety->high_qc)) > 0) {
        qc_unref(safety->high_qc);
        safety->high_qc = qc_ref(qc);
        core->safety_is_dirty = core->safety_is_dirty || !MUTANT(LOCK_NOT_DURABLE);
    }
    const struct position lock = lock_of(qc, block);
    if (position_compare(lock, safety->locked) > 0 || MUTANT(LOCK_LOWERED)) {
        safety->locked = lock;
        core->safety_is_dirty = core->safety_is_dirty || !MUTANT(LOCK_NOT_DURABLE);
    }
    commit_by(core, qc);
    if (position_compare(view_next(position), safety->current) <= 0) {
        return;
    }
    if (qc->phase == PHASE_COMMIT) {
        epoch_enter(core, qc);
    } else {
        view_enter(core, view_next(position), ENTRY_QC);
    }
}

/*
 * Orders certificates of unknown blocks. A QC's signatures do not cover the view of its block, and
 * with it the position of a Commit QC: until the block is here, all that counts of it is its epoch.
 */
static struct position waiting_position(const struct qc *qc)
{
    return qc->phase == PHASE_COMMIT ? (struct position){qc->epoch + 1, 0} : qc_position(qc);
}

static enum reject let_wait(struct core *core, uint32_t peer, struct qc *qc)
{
    if (position_compare(waiting_position(qc), qc_position(core->safety.high_qc)) <= 0) {
        return REJECT_PAST;
    }
    if (MUTANT(UNKNOWN_QC_DROPPED)) {
        return REJECT_PAST;
    }
    if (core->waiting_qc != NULL &&
        position_compare(waiting_position(qc), waiting_position(core->waiting_qc)) <= 0) {
        return REJECT_DUPLICATE;
    }
    qc_unref(core->waiting_qc);
    core->waiting_qc = qc_ref(qc);
    if (peer != CORE_SELF) {
        core->waiting_peer = peer;
    }
    return REJECT_NONE;
}

enum reject certify_qc(struct core *core, uint32_t peer, struct qc *qc)
{
    if (qc_is_genesis(qc)) {
        return REJECT_NONE; /* it locks nothing and commits nothing, and every tree began with it */
    }
    own_key_check_qc(core, qc);
    witness_qc(core, qc);
    struct tree_node *node = tree_find(&core->tree, &qc->block);
    if (node == NULL) {
        return let_wait(core, peer, qc);
    }
    if (node->block->justify == NULL || !is_bound(qc, node->block)) {
        return REJECT_BINDING;
    }
    struct qc *right = put_right(qc, node->block);
    apply(core, right, node->block);
    qc_unref(right);
    return REJECT_NONE;
}

void certify_waiting(struct core *core)
{
    struct qc *qc = core->waiting_qc;
    if (qc == NULL) {
        return;
    }
    if (tree_find(&core->tree, &qc->block) != NULL) {
        core->waiting_qc = NULL;
        (void)certify_qc(core, core->waiting_peer, qc);
        qc_unref(qc);
    } else if (position_compare(waiting_position(qc), qc_position(core->safety.high_qc)) <= 0) {
        core->waiting_qc = NULL;
        qc_unref(qc);
    }
}

enum reject certify_tc(struct core *core, uint32_t peer, struct tc *tc)
{
    struct core_safety *safety = &core->safety;
    if (tc->epoch != safety->current.epoch && !MUTANT(OLD_TC_MOVES)) {
        return tc->epoch < safety->current.epoch ? REJECT_PAST : REJECT_UNKNOWN_EPOCH;
    }
    own_key_check_tc(core, tc);
    if (certify_qc(core, peer, tc->high_qc) == REJECT_BINDING) {
        return REJECT_BINDING;
    }
    const struct position entry = view_tc_entry(core, tc);
    if (!MUTANT(TC_NOT_KEPT) &&
        (safety->high_tc == NULL ||
         position_compare(entry, view_tc_entry(core, safety->high_tc)) > 0)) {
        tc_unref(safety->high_tc);
        safety->high_tc = tc_ref(tc);
        core->safety_is_dirty = true;
    }
    if (position_compare(entry, safety->current) <= 0) {
        return REJECT_NONE;
    }
    view_enter(core, entry, ENTRY_TC);
    if (!MUTANT(LEADER_NOT_TOLD) &&
        position_compare(qc_position(tc->high_qc), qc_position(safety->high_qc)) < 0 &&
        !core_is_own_key(core, view_leader(core, entry.view))) {
        /* The new leader may know less than we do, and must not build below our lock. */
        struct message *message = message_new(MESSAGE_CERTIFICATE);
        message->certificate.qc = qc_ref(safety->high_qc);
        effect_send(core, view_leader_key(core, entry.view), 1, message);
    }
    return REJECT_NONE;
}
