/*
 * The tree of the memory store and of the journal: its depth, whoever chooses the keys. What it
 * keeps is held by the tests of the stores.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "storage/memory_tree.h"

#define KEYS 1000
/* A random treap of so many nodes is deeper once in far more than a million times. */
#define DEPTH_MAX 80

static uint32_t depth_of(const struct memory_node *node)
{
    if (node == NULL)
        return 0;
    const uint32_t left = depth_of(node->left);
    const uint32_t right = depth_of(node->right);
    return 1 + (left > right ? left : right);
}

/* What priorities once were: a function that everybody knows. */
static uint64_t known_hash(struct ingot_slice key)
{
    uint64_t hash = UINT64_C(0xcbf29ce484222325);
    for (size_t i = 0; i < key.size; i++)
        hash = (hash ^ key.data[i]) * UINT64_C(0x100000001b3);
    hash = (hash ^ (hash >> 33)) * UINT64_C(0xff51afd7ed558ccd);
    hash = (hash ^ (hash >> 33)) * UINT64_C(0xc4ceb9fe1a85ec53);
    return hash ^ (hash >> 33);
}

/* Keys that rise while their known hashes fall. */
static struct ingot_slice choose_key(uint32_t number, char key[32])
{
    const uint64_t band = UINT64_MAX / KEYS;
    for (uint32_t i = 0;; i++) {
        const int size = snprintf(key, 32, "%06u-%u", number, i);
        const struct ingot_slice slice = ingot_slice_of((const uint8_t *)key, (size_t)size);
        if (known_hash(slice) / band == KEYS - 1 - number)
            return slice;
    }
}

static void keys_that_a_client_has_chosen_do_not_make_the_tree_deep(void **state)
{
    (void)state;
    struct memory_node *root = NULL;
    for (uint32_t i = 0; i < KEYS; i++) {
        char key[32];
        root = memory_tree_put(root, choose_key(i, key), ingot_slice_of(NULL, 0));
    }
    assert_in_range(depth_of(root), 10, DEPTH_MAX);
    memory_tree_unref(root);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keys_that_a_client_has_chosen_do_not_make_the_tree_deep),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
