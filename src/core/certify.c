/*
 * Using certificates: the lock, the high QC, commits and view changes that follow from one.
 * certify_qc alone writes `locked` and `high_qc`, certify_tc alone writes `high_tc`.
 *
 * Signatures have been checked before; what is checked here is what needs the tree.
 */
#include <string.h>

#include "core/state.h"

/* A certificate that says something else than the block it names was never made by honest ones. */
static bool is_bound(const struct qc *qc, const struct block *block)
{
    return qc->epoch == block_epoch(block) && qc->block_view == block->view &&
           (qc->phase == PHASE_GENERIC) == !block_changes_set(block);
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
        return (struct position){qc->epoch, qc->view - 1};
    case PHASE_COMMIT:
        return qc_position(qc);
    }
    INGOT_ASSERT(false);
    return (struct position){0, 0};
}

/*
 * on_qc. Commits come before the view is entered, because the new view's deadline depends on what
 * is still uncommitted. The order of writes does not matter to a crash: they leave in one effect.
 */
static void apply(struct core *core, struct qc *qc, const struct block *block)
{
    struct core_safety *safety = &core->safety;
    const struct position position = qc_position(qc);
    if (position_compare(position, qc_position(safety->high_qc)) > 0) {
        qc_unref(safety->high_qc);
        safety->high_qc = qc_ref(qc);
        core->safety_is_dirty = true;
    }
    const struct position lock = lock_of(qc, block);
    if (position_compare(lock, safety->locked) > 0 || MUTANT(LOCK_LOWERED)) {
        safety->locked = lock;
        core->safety_is_dirty = true;
    }
    commit_by(core, qc);
    if (position_compare(view_next(position), safety->current) > 0) {
        view_enter(core, view_next(position), ENTRY_QC);
    }
}

static enum reject let_wait(struct core *core, uint32_t peer, struct qc *qc)
{
    const struct position position = qc_position(qc);
    if (position_compare(position, qc_position(core->safety.high_qc)) <= 0) {
        return REJECT_PAST;
    }
    if (core->waiting_qc != NULL &&
        position_compare(position, qc_position(core->waiting_qc)) <= 0) {
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
    struct tree_node *node = tree_find(&core->tree, &qc->block);
    if (node == NULL) {
        return let_wait(core, peer, qc);
    }
    if (node->block->justify == NULL || !is_bound(qc, node->block)) {
        return REJECT_BINDING;
    }
    apply(core, qc, node->block);
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
    } else if (position_compare(qc_position(qc), qc_position(core->safety.high_qc)) <= 0) {
        core->waiting_qc = NULL;
        qc_unref(qc);
    }
}

enum reject certify_tc(struct core *core, uint32_t peer, struct tc *tc)
{
    struct core_safety *safety = &core->safety;
    if (tc->epoch != safety->current.epoch) {
        return tc->epoch < safety->current.epoch ? REJECT_PAST : REJECT_UNKNOWN_EPOCH;
    }
    (void)certify_qc(core, peer, tc->high_qc);
    const struct position entry = view_tc_entry(core, tc);
    if (safety->high_tc == NULL ||
        position_compare(entry, view_tc_entry(core, safety->high_tc)) > 0) {
        tc_unref(safety->high_tc);
        safety->high_tc = tc_ref(tc);
        core->safety_is_dirty = true;
    }
    if (position_compare(entry, safety->current) <= 0) {
        return REJECT_NONE;
    }
    view_enter(core, entry, ENTRY_TC);
    const uint32_t leader = view_leader(core, entry.view);
    if (position_compare(qc_position(tc->high_qc), qc_position(safety->high_qc)) < 0 &&
        !core_is_own_key(core, leader)) {
        /* The new leader may know less than we do, and must not build below our lock. */
        struct message *message = message_new(MESSAGE_CERTIFICATE);
        message->certificate.qc = qc_ref(safety->high_qc);
        effect_send(core, &leader, 1, message);
    }
    return REJECT_NONE;
}
