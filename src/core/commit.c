/*
 * When a block is committed: by a three-chain of QCs over consecutive views, on both gaps, or by
 * a Commit QC of its own. A gap in either place of the three-chain commits nothing: with one, two
 * conflicting blocks could both look final.
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
        while (next->parent != last && !MUTANT(ANCESTORS_NOT_COMMITTED)) {
            next = next->parent;
        }
        effect_commit(core, next);
        last = next;
    }
    tree_set_root(&core->tree, node, abandon, core);
}

/* The block that a Generic or Prepare QC of b2 makes final, or NULL. */
static struct tree_node *find_final(const struct qc *qc, const struct tree_node *b2)
{
    const struct tree_node *b1 = b2->parent;
    struct tree_node *b0 = b1 == NULL ? NULL : b1->parent;
    if (b0 == NULL || b0->parent == NULL) {
        return NULL; /* already committed */
    }
    const struct qc *qc1 = b2->block->justify;
    const struct qc *qc0 = b1->block->justify;
    const bool is_one_epoch = qc->epoch == qc1->epoch && qc1->epoch == qc0->epoch;
    const bool has_gap = qc->view != qc1->view + 1 || qc1->view != qc0->view + 1;
    return is_one_epoch && (!has_gap || MUTANT(GAP_ALLOWED)) ? b0 : NULL;
}

void commit_by(struct core *core, const struct qc *qc)
{
    struct tree_node *certified = tree_find(&core->tree, &qc->block);
    INGOT_ASSERT(certified != NULL);
    struct tree_node *final = NULL;
    switch (qc->phase) {
    case PHASE_GENERIC:
    case PHASE_PREPARE:
        final = find_final(qc, certified);
        break;
    case PHASE_PRECOMMIT:
        break;
    case PHASE_COMMIT:
        final = certified->parent == NULL ? NULL : certified;
        break;
    }
    if (final == NULL) {
        return;
    }
    if (!tree_is_ancestor(final, core_high_node(core))) {
        /* Two quorums have certified what excludes each other: more are faulty than may be. */
        effect_halt(core, final->block, "a commit conflicts with the highest certificate");
        return;
    }
    commit_up_to(core, final);
    if (final->next_set != NULL) {
        epoch_add_set(core, final->next_set);
    }
}
