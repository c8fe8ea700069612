/*
 * When a block is committed: a three-chain of Generic QCs over consecutive views, on both gaps.
 * A gap in either place commits nothing: with one, two conflicting blocks could both look final.
 */
#include "core/state.h"

static void abandon(void *context, struct block *block)
{
    effect_abandon(context, block);
}

/* Commits everything from above the root to `node`, oldest first. */
static void commit_up_to(struct core *core, struct tree_node *node)
{
    const struct tree_node *root = tree_root(&core->tree);
    for (const struct tree_node *last = root; last != node;) {
        const struct tree_node *next = node;
        while (next->parent != last) {
            next = next->parent;
        }
        effect_commit(core, next->block);
        last = next;
    }
    tree_set_root(&core->tree, node, abandon, core);
}

void commit_by(struct core *core, const struct qc *qc)
{
    if (qc->phase != PHASE_GENERIC) {
        return; /* blocks of the other phases never enter the tree (propose.c) */
    }
    const struct tree_node *b2 = tree_find(&core->tree, &qc->block);
    INGOT_ASSERT(b2 != NULL);
    const struct tree_node *b1 = b2->parent;
    struct tree_node *b0 = b1 == NULL ? NULL : b1->parent;
    if (b0 == NULL || b0->parent == NULL) {
        return; /* already committed */
    }
    const struct qc *qc1 = b2->block->justify;
    const struct qc *qc0 = b1->block->justify;
    const bool is_one_epoch = qc->epoch == qc1->epoch && qc1->epoch == qc0->epoch;
    const bool has_gap = qc->view != qc1->view + 1 || qc1->view != qc0->view + 1;
    if (!is_one_epoch || (has_gap && !MUTANT(GAP_ALLOWED))) {
        return;
    }
    const struct tree_node *high = tree_find(&core->tree, &core->safety.high_qc->block);
    INGOT_ASSERT(high != NULL);
    if (!tree_is_ancestor(b0, high)) {
        /* Two quorums have certified what excludes each other: more are faulty than may be. */
        effect_halt(core, b0->block, "a commit conflicts with the highest certificate");
        return;
    }
    commit_up_to(core, b0);
}
