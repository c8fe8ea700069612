/*
 * The block tree: the last committed block and the executed, uncommitted blocks above it.
 * An index by hash; which block belongs in it is decided elsewhere.
 */
#ifndef INGOT_CORE_TREE_H
#define INGOT_CORE_TREE_H

#include "core/types.h"

struct tree_node {
    struct block *block;            /* owned reference */
    struct validator_set *next_set; /* owned; the set that it opens, NULL if it changes nothing */
    struct tree_node *parent;       /* NULL at the root */
};

struct tree {
    struct tree_node **nodes; /* nodes[0] is the root; every node stands after its parent */
    uint32_t count;
    uint32_t capacity;
    size_t size_bytes;
};

void tree_init(struct tree *tree, struct block *root);
void tree_deinit(struct tree *tree);
struct tree_node *tree_root(const struct tree *tree);
struct tree_node *tree_find(const struct tree *tree, const struct ingot_hash *hash);
/* Adds a block whose parent is in the tree and which is not. Takes references of its own. */
struct tree_node *tree_insert(struct tree *tree, struct block *block,
                              struct validator_set *next_set);
/* Is `ancestor` the node itself or above it on the way to the root? */
bool tree_is_ancestor(const struct tree_node *ancestor, const struct tree_node *node);

/* Told of every block that leaves the tree without being the new root or above it. */
typedef void tree_dropped(void *context, struct block *block);
/* Makes a descendant of the root the root; all that does not descend from it leaves, except the
 * blocks between the old root and the new one, which leave without a word. */
void tree_set_root(struct tree *tree, struct tree_node *root, tree_dropped *dropped, void *context);
/*
 * Drops leaves that are not on the way from the root to `keep` or `keep_too`, lowest view first,
 * until the tree is within the caps or nothing more can go.
 */
void tree_evict(struct tree *tree, uint32_t blocks_max, size_t bytes_max,
                const struct tree_node *keep, const struct tree_node *keep_too,
                tree_dropped *dropped, void *context);

#endif
