/*
 * The block tree (tree.h). Linear searches: on a chain that commits it holds a handful of blocks.
 */
#include "core/tree.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"

static struct tree_node *node_new(struct block *block, struct validator_set *next_set,
                                  struct tree_node *parent)
{
    struct tree_node *node = alloc_zeroed(1, sizeof *node);
    node->block = block_ref(block);
    node->next_set = next_set == NULL ? NULL : validator_set_ref(next_set);
    node->parent = parent;
    return node;
}

static void node_free(struct tree_node *node)
{
    block_unref(node->block);
    validator_set_unref(node->next_set);
    free(node);
}

static void append(struct tree *tree, struct tree_node *node)
{
    if (tree->count == tree->capacity) {
        tree->capacity = tree->capacity == 0 ? 16 : 2 * tree->capacity;
        tree->nodes = alloc_resize(tree->nodes, tree->capacity, sizeof(struct tree_node *));
    }
    tree->nodes[tree->count++] = node;
    tree->size_bytes += block_size_bytes(node->block);
}

void tree_init(struct tree *tree, struct block *root)
{
    *tree = (struct tree){0};
    append(tree, node_new(root, NULL, NULL));
}

void tree_deinit(struct tree *tree)
{
    for (uint32_t i = 0; i < tree->count; i++) {
        node_free(tree->nodes[i]);
    }
    free(tree->nodes);
    *tree = (struct tree){0};
}

struct tree_node *tree_root(const struct tree *tree)
{
    return tree->nodes[0];
}

struct tree_node *tree_find(const struct tree *tree, const struct ingot_hash *hash)
{
    for (uint32_t i = tree->count; i > 0; i--) {
        struct tree_node *node = tree->nodes[i - 1];
        if (memcmp(node->block->hash.bytes, hash->bytes, INGOT_HASH_BYTES) == 0) {
            return node;
        }
    }
    return NULL;
}

struct tree_node *tree_insert(struct tree *tree, struct block *block,
                              struct validator_set *next_set)
{
    struct tree_node *parent = tree_find(tree, &block->parent);
    INGOT_ASSERT(parent != NULL);
    INGOT_ASSERT(tree_find(tree, &block->hash) == NULL);
    INGOT_ASSERT(block->height == parent->block->height + 1);
    INGOT_ASSERT(block_changes_set(block) == (next_set != NULL));
    struct tree_node *node = node_new(block, next_set, parent);
    append(tree, node);
    return node;
}

bool tree_is_ancestor(const struct tree_node *ancestor, const struct tree_node *node)
{
    while (node != NULL && node != ancestor) {
        node = node->parent;
    }
    return node != NULL;
}

void tree_set_root(struct tree *tree, struct tree_node *root, tree_dropped *dropped, void *context)
{
    /* Judge every node while all parents still exist, then let go. */
    struct tree_node **old = tree->nodes;
    const uint32_t old_count = tree->count;
    bool *keeps = alloc_zeroed(old_count, sizeof *keeps);
    for (uint32_t i = 0; i < old_count; i++) {
        keeps[i] = tree_is_ancestor(root, old[i]);
        if (!keeps[i] && !tree_is_ancestor(old[i], root)) {
            dropped(context, old[i]->block);
        }
    }
    *tree = (struct tree){0};
    for (uint32_t i = 0; i < old_count; i++) {
        if (keeps[i]) {
            append(tree, old[i]);
        } else {
            node_free(old[i]);
        }
    }
    root->parent = NULL;
    INGOT_ASSERT(tree->nodes[0] == root);
    free(keeps);
    free(old);
}

static bool is_leaf(const struct tree *tree, const struct tree_node *node)
{
    for (uint32_t i = 0; i < tree->count; i++) {
        if (tree->nodes[i]->parent == node) {
            return false;
        }
    }
    return true;
}

void tree_evict(struct tree *tree, uint32_t blocks_max, size_t bytes_max,
                const struct tree_node *keep, const struct tree_node *keep_too,
                tree_dropped *dropped, void *context)
{
    while (tree->count > blocks_max || tree->size_bytes > bytes_max) {
        uint32_t lowest = 0;
        for (uint32_t i = 1; i < tree->count; i++) {
            const struct tree_node *node = tree->nodes[i];
            if (tree_is_ancestor(node, keep) || tree_is_ancestor(node, keep_too) ||
                !is_leaf(tree, node)) {
                continue;
            }
            if (lowest == 0 || node->block->view < tree->nodes[lowest]->block->view) {
                lowest = i;
            }
        }
        if (lowest == 0) {
            return;
        }
        struct tree_node *node = tree->nodes[lowest];
        memmove(&tree->nodes[lowest], &tree->nodes[lowest + 1],
                (size_t)(tree->count - lowest - 1) * sizeof(struct tree_node *));
        tree->count--;
        tree->size_bytes -= block_size_bytes(node->block);
        dropped(context, node->block);
        node_free(node);
    }
}
