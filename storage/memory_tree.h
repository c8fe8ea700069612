/*
 * An ordered map of byte strings whose versions share structure: a treap (Seidel and Aragon, 1996)
 * that copies the path to what changes. A node's priority is a function of its key, with a secret
 * of this process, so the same content has the same shape, whatever led to it, and nobody chooses
 * it.
 *
 * Versions may be held, read and dropped on any thread. A version is changed by one thread, and who
 * takes a reference must hold one, or see to it that nobody changes or drops that version
 * meanwhile.
 */
#ifndef INGOT_STORAGE_MEMORY_TREE_H
#define INGOT_STORAGE_MEMORY_TREE_H

#include <ingot/store.h>

struct memory_item {
    uint32_t references;
    uint32_t key_size;
    uint32_t value_size;
    bool is_deleted; /* the key is gone from what this tree lies over; the value is empty */
    uint64_t priority;
    uint8_t bytes[]; /* the key, then the value */
};

/* A version of a tree is a reference to its root; NULL is the empty tree. */
struct memory_node {
    uint32_t references; /* atomic access only, as those of items */
    struct memory_item *item;
    struct memory_node *left;
    struct memory_node *right;
};

struct memory_node *memory_tree_ref(struct memory_node *root);
void memory_tree_unref(struct memory_node *root);
/* All take over the reference to `root` and return one to the new version. */
struct memory_node *memory_tree_put(struct memory_node *root, struct ingot_slice key,
                                    struct ingot_slice value);
struct memory_node *memory_tree_delete(struct memory_node *root, struct ingot_slice key);
/* For a tree that lies over another store: notes that the key is gone there. */
struct memory_node *memory_tree_put_deleted(struct memory_node *root, struct ingot_slice key);

/* Borrowed from the version, or NULL. */
const struct memory_item *memory_tree_find(const struct memory_node *root, struct ingot_slice key);
/* The first item with a key at or after `key` (or, if `beyond`, after it). */
const struct memory_item *memory_tree_from(const struct memory_node *root, struct ingot_slice key,
                                           bool beyond);
/* The last item with a key before `key`. */
const struct memory_item *memory_tree_before(const struct memory_node *root,
                                             struct ingot_slice key);
const struct memory_item *memory_tree_last(const struct memory_node *root);

struct ingot_slice memory_item_key(const struct memory_item *item);
struct ingot_slice memory_item_value(const struct memory_item *item);

#endif
