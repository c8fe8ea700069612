/*
 * The block tree by itself. Goal: what leaves it is told of, once, and what must stay stays.
 * Method: small trees drawn by hand.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "core/tree.h"

#define BLOCKS_MAX 16

/* Block i has the hash i; block 0 is the root. */
struct drawing {
    struct tree tree;
    uint8_t dropped[BLOCKS_MAX];
    uint32_t dropped_count;
};

static struct block *make(uint8_t name, uint8_t parent, uint64_t height, size_t payload_bytes)
{
    struct block *block = block_new();
    block->hash.bytes[0] = name;
    block->parent.bytes[0] = parent;
    block->height = height;
    block->view = name;
    ingot_buffer_reserve(&block->payload, payload_bytes);
    memset(block->payload.data, 0, payload_bytes);
    block->payload.size = payload_bytes;
    return block;
}

static struct tree_node *find(struct drawing *drawing, uint8_t name)
{
    const struct ingot_hash hash = {{name}};
    return tree_find(&drawing->tree, &hash);
}

static void plant(struct drawing *drawing)
{
    *drawing = (struct drawing){0};
    struct block *root = make(0, 0, 10, 1);
    tree_init(&drawing->tree, root);
    block_unref(root);
}

static void grow(struct drawing *drawing, uint8_t name, uint8_t parent)
{
    struct block *block = make(name, parent, find(drawing, parent)->block->height + 1, 100);
    (void)tree_insert(&drawing->tree, block, NULL);
    block_unref(block);
}

static void note_dropped(void *context, struct block *block)
{
    struct drawing *drawing = context;
    drawing->dropped[drawing->dropped_count++] = block->hash.bytes[0];
}

static void expect_dropped(const struct drawing *drawing, const char *names)
{
    assert_int_equal(drawing->dropped_count, strlen(names));
    for (uint32_t i = 0; i < drawing->dropped_count; i++) {
        assert_int_equal(drawing->dropped[i], names[i] - 'a' + 1);
    }
}

/*
 *   0 - 1 - 2 - 3
 *    \   \- 4 - 5
 *     \- 6 - 7
 */
static void draw(struct drawing *drawing)
{
    plant(drawing);
    grow(drawing, 1, 0);
    grow(drawing, 2, 1);
    grow(drawing, 3, 2);
    grow(drawing, 4, 1);
    grow(drawing, 5, 4);
    grow(drawing, 6, 0);
    grow(drawing, 7, 6);
}

static void an_ancestor_is_the_node_itself_or_above_it(void **state)
{
    (void)state;
    struct drawing drawing;
    draw(&drawing);
    assert_true(tree_is_ancestor(find(&drawing, 3), find(&drawing, 3)));
    assert_true(tree_is_ancestor(find(&drawing, 0), find(&drawing, 5)));
    assert_true(tree_is_ancestor(find(&drawing, 1), find(&drawing, 5)));
    assert_false(tree_is_ancestor(find(&drawing, 2), find(&drawing, 5)));
    assert_false(tree_is_ancestor(find(&drawing, 3), find(&drawing, 2)));
    assert_false(tree_is_ancestor(find(&drawing, 3), NULL));
    tree_deinit(&drawing.tree);
}

static void a_new_root_drops_what_does_not_descend_from_it(void **state)
{
    (void)state;
    struct drawing drawing;
    draw(&drawing);
    tree_set_root(&drawing.tree, find(&drawing, 4), note_dropped, &drawing);
    expect_dropped(&drawing, "bcfg"); /* 2, 3, 6, 7; 1 lies on the way and leaves silently */
    assert_int_equal(drawing.tree.count, 2);
    assert_ptr_equal(tree_root(&drawing.tree), find(&drawing, 4));
    assert_null(tree_root(&drawing.tree)->parent);
    assert_non_null(find(&drawing, 5));
    assert_null(find(&drawing, 1));
    assert_null(find(&drawing, 0));
    size_t bytes = 0;
    for (uint32_t i = 0; i < drawing.tree.count; i++) {
        bytes += block_size_bytes(drawing.tree.nodes[i]->block);
    }
    assert_int_equal(drawing.tree.size_bytes, bytes);
    tree_deinit(&drawing.tree);
}

static void the_root_as_new_root_drops_nothing(void **state)
{
    (void)state;
    struct drawing drawing;
    draw(&drawing);
    tree_set_root(&drawing.tree, tree_root(&drawing.tree), note_dropped, &drawing);
    expect_dropped(&drawing, "");
    assert_int_equal(drawing.tree.count, 8);
    tree_deinit(&drawing.tree);
}

static void eviction_takes_the_leaf_of_the_lowest_view_first(void **state)
{
    (void)state;
    struct drawing drawing;
    draw(&drawing);
    tree_evict(&drawing.tree, 6, SIZE_MAX, find(&drawing, 7), NULL, note_dropped, &drawing);
    expect_dropped(&drawing, "cb"); /* 3, and then 2, which has become a leaf */
    assert_int_equal(drawing.tree.count, 6);
    tree_deinit(&drawing.tree);
}

static void eviction_never_takes_what_is_kept(void **state)
{
    (void)state;
    struct drawing drawing;
    draw(&drawing);
    tree_evict(&drawing.tree, 1, 0, find(&drawing, 3), find(&drawing, 7), note_dropped, &drawing);
    expect_dropped(&drawing, "ed"); /* 5 and 4; the rest is on the way to 3 and 7 */
    assert_non_null(find(&drawing, 3));
    assert_non_null(find(&drawing, 7));
    tree_deinit(&drawing.tree);
}

static void eviction_counts_bytes_too(void **state)
{
    (void)state;
    struct drawing drawing;
    draw(&drawing);
    const size_t one = block_size_bytes(find(&drawing, 3)->block);
    tree_evict(&drawing.tree, UINT32_MAX, drawing.tree.size_bytes - one, find(&drawing, 7), NULL,
               note_dropped, &drawing);
    expect_dropped(&drawing, "c");
    tree_evict(&drawing.tree, UINT32_MAX, drawing.tree.size_bytes, find(&drawing, 7), NULL,
               note_dropped, &drawing);
    expect_dropped(&drawing, "c");
    tree_deinit(&drawing.tree);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_ancestor_is_the_node_itself_or_above_it),
        cmocka_unit_test(a_new_root_drops_what_does_not_descend_from_it),
        cmocka_unit_test(the_root_as_new_root_drops_nothing),
        cmocka_unit_test(eviction_takes_the_leaf_of_the_lowest_view_first),
        cmocka_unit_test(eviction_never_takes_what_is_kept),
        cmocka_unit_test(eviction_counts_bytes_too),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
