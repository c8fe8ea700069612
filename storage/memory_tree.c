/*
 * The tree of the memory store and of the journal; see memory_tree.h. A node that nobody else
 * refers to is changed in place, any other is copied first. Whoever holds a version keeps its nodes
 * from being changed, so only the counts of references are touched by several threads.
 */
#include "storage/memory_tree.h"

#include <pthread.h>
#include <sodium/crypto_shorthash.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"

struct ingot_slice memory_item_key(const struct memory_item *item)
{
    return ingot_slice_of(item->bytes, item->key_size);
}

struct ingot_slice memory_item_value(const struct memory_item *item)
{
    return ingot_slice_of(item->bytes + item->key_size, item->value_size);
}

/*
 * Clients choose keys, and must not choose the tree's shape: where priorities fall as keys rise it
 * is a list. So they are hashes with a secret.
 */
static uint8_t secret[crypto_shorthash_KEYBYTES];

static void make_secret(void)
{
    crypto_shorthash_keygen(secret);
}

static uint64_t priority_of(struct ingot_slice key)
{
    static pthread_once_t is_made = PTHREAD_ONCE_INIT;
    uint8_t bytes[crypto_shorthash_BYTES];
    uint64_t priority;
    _Static_assert(sizeof priority == sizeof bytes, "a hash makes one number");
    (void)pthread_once(&is_made, make_secret);
    (void)crypto_shorthash(bytes, key.data, key.size, secret);
    memcpy(&priority, bytes, sizeof priority);
    return priority;
}

static struct memory_item *item_new(struct ingot_slice key, struct ingot_slice value)
{
    struct memory_item *item = alloc_resize(NULL, 1, sizeof *item + key.size + value.size);
    *item = (struct memory_item){.references = 1,
                                 .key_size = (uint32_t)key.size,
                                 .value_size = (uint32_t)value.size,
                                 .priority = priority_of(key)};
    memcpy(item->bytes, key.data, key.size);
    if (value.size > 0)
        memcpy(item->bytes + key.size, value.data, value.size);
    return item;
}

static void ref(uint32_t *references)
{
    (void)__atomic_add_fetch(references, 1, __ATOMIC_RELAXED);
}

/* Was it the last one? */
static bool unref(uint32_t *references)
{
    return __atomic_sub_fetch(references, 1, __ATOMIC_ACQ_REL) == 0;
}

static void item_unref(struct memory_item *item)
{
    if (unref(&item->references))
        free(item);
}

struct memory_node *memory_tree_ref(struct memory_node *root)
{
    if (root != NULL)
        ref(&root->references);
    return root;
}

/* As deep as the tree, which is about twice the logarithm of its size. */
void memory_tree_unref(struct memory_node *root)
{
    if (root == NULL || !unref(&root->references))
        return;
    memory_tree_unref(root->left);
    memory_tree_unref(root->right);
    item_unref(root->item);
    free(root);
}

static struct memory_node *node_new(struct memory_item *item)
{
    struct memory_node *node = alloc_zeroed(1, sizeof *node);
    node->references = 1;
    node->item = item;
    return node;
}

/* Takes over a reference; returns the only reference to a node with the same content. */
static struct memory_node *own(struct memory_node *node)
{
    if (__atomic_load_n(&node->references, __ATOMIC_ACQUIRE) == 1)
        return node;
    struct memory_node *copy = node_new(node->item);
    ref(&copy->item->references);
    copy->left = memory_tree_ref(node->left);
    copy->right = memory_tree_ref(node->right);
    memory_tree_unref(node);
    return copy;
}

/* Higher priority is nearer to the root; equal ones are ordered by key. */
static bool is_above(const struct memory_item *a, const struct memory_item *b)
{
    if (a->priority != b->priority)
        return a->priority > b->priority;
    return ingot_slice_compare(memory_item_key(a), memory_item_key(b)) < 0;
}

static struct memory_node *rotate_right(struct memory_node *node)
{
    struct memory_node *up = own(node->left);
    node->left = up->right;
    up->right = node;
    return up;
}

static struct memory_node *rotate_left(struct memory_node *node)
{
    struct memory_node *up = own(node->right);
    node->right = up->left;
    up->left = node;
    return up;
}

static struct memory_node *put(struct memory_node *node, struct memory_item *item)
{
    if (node == NULL)
        return node_new(item);
    node = own(node);
    int order = ingot_slice_compare(memory_item_key(item), memory_item_key(node->item));
    if (order == 0) {
        item_unref(node->item);
        node->item = item;
    } else if (order < 0) {
        node->left = put(node->left, item);
        if (is_above(node->left->item, node->item))
            node = rotate_right(node);
    } else {
        node->right = put(node->right, item);
        if (is_above(node->right->item, node->item))
            node = rotate_left(node);
    }
    return node;
}

struct memory_node *memory_tree_put(struct memory_node *root, struct ingot_slice key,
                                    struct ingot_slice value)
{
    return put(root, item_new(key, value));
}

struct memory_node *memory_tree_put_deleted(struct memory_node *root, struct ingot_slice key)
{
    struct memory_item *item = item_new(key, ingot_slice_of(NULL, 0));
    item->is_deleted = true;
    return put(root, item);
}

/* All keys of `left` are before those of `right`. Takes over both. */
static struct memory_node *merge(struct memory_node *left, struct memory_node *right)
{
    if (left == NULL)
        return right;
    if (right == NULL)
        return left;
    if (is_above(left->item, right->item)) {
        left = own(left);
        left->right = merge(left->right, right);
        return left;
    }
    right = own(right);
    right->left = merge(left, right->left);
    return right;
}

static struct memory_node *delete_present(struct memory_node *node, struct ingot_slice key)
{
    INGOT_ASSERT(node != NULL);
    node = own(node);
    int order = ingot_slice_compare(key, memory_item_key(node->item));
    if (order < 0) {
        node->left = delete_present(node->left, key);
        return node;
    }
    if (order > 0) {
        node->right = delete_present(node->right, key);
        return node;
    }
    struct memory_node *merged = merge(node->left, node->right);
    node->left = NULL;
    node->right = NULL;
    memory_tree_unref(node);
    return merged;
}

struct memory_node *memory_tree_delete(struct memory_node *root, struct ingot_slice key)
{
    /* Looking first spares the copies when there is nothing to delete. */
    return memory_tree_find(root, key) == NULL ? root : delete_present(root, key);
}

const struct memory_item *memory_tree_find(const struct memory_node *root, struct ingot_slice key)
{
    while (root != NULL) {
        int order = ingot_slice_compare(key, memory_item_key(root->item));
        if (order == 0)
            return root->item;
        root = order < 0 ? root->left : root->right;
    }
    return NULL;
}

const struct memory_item *memory_tree_from(const struct memory_node *root, struct ingot_slice key,
                                           bool beyond)
{
    const struct memory_item *best = NULL;
    while (root != NULL) {
        int order = ingot_slice_compare(key, memory_item_key(root->item));
        if (order < 0 || (order == 0 && !beyond)) {
            best = root->item;
            root = root->left;
        } else {
            root = root->right;
        }
    }
    return best;
}

const struct memory_item *memory_tree_before(const struct memory_node *root, struct ingot_slice key)
{
    const struct memory_item *best = NULL;
    while (root != NULL) {
        if (ingot_slice_compare(memory_item_key(root->item), key) < 0) {
            best = root->item;
            root = root->right;
        } else {
            root = root->left;
        }
    }
    return best;
}

const struct memory_item *memory_tree_last(const struct memory_node *root)
{
    while (root != NULL && root->right != NULL)
        root = root->right;
    return root == NULL ? NULL : root->item;
}
