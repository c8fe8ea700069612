/*
 * Which transactions count as repeats: in one block, on one branch, within the window and just
 * outside it, whatever a node has committed and whether it was restarted.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <ingot/apps.h>

#include "lib/executor_script.h"
#include "wire/preimage.h"

static void a_transaction_counts_once_in_a_block(void **state)
{
    (void)state;
    struct pair pair;
    pair_init(&pair, &plain);
    struct block *block = build(&pair.node[0], pair.chain.genesis, 1, "set a 1;set a 1;set b 1");
    assert_int_equal(block->transaction_count, 2);
    struct block *forged = forge(&pair, pair.chain.genesis, 1, "set a 1;set b 1;set a 1");
    expect_refused(&pair.node[1], forged, "repeats");
    block_unref(forged);
    block_unref(block);
    pair_deinit(&pair);
}

static void a_repeat_of_an_uncommitted_ancestor_is_refused_but_not_of_another_branch(void **state)
{
    (void)state;
    struct pair pair;
    pair_init(&pair, &plain);
    struct block *a1 = build(&pair.node[0], pair.chain.genesis, 1, "set a 1");
    struct block *a2 = build(&pair.node[0], a1, 2, "set b 1");
    struct block *b1 = build(&pair.node[0], pair.chain.genesis, 3, "set c 1");
    expect_valid(&pair.node[1], a1);
    expect_valid(&pair.node[1], a2);
    expect_valid(&pair.node[1], b1);
    struct ingot_hash digest;
    wire_transaction_digest(ingot_slice_of_text("set a 1"), &digest);
    assert_true(executor_is_repeat(pair.node[1].executor, &a2->hash, &digest));
    assert_false(executor_is_repeat(pair.node[1].executor, &b1->hash, &digest));
    assert_false(executor_is_replay(pair.node[1].executor, &digest));

    struct block *forged = forge(&pair, a2, 4, "set a 1");
    expect_refused(&pair.node[1], forged, "repeats");
    struct block *again = build(&pair.node[0], a2, 5, "set a 1;set x 1");
    assert_int_equal(again->transaction_count, 1);
    struct block *b2 = build(&pair.node[0], b1, 6, "set a 1");
    assert_int_equal(b2->transaction_count, 1);
    expect_valid(&pair.node[1], b2);
    /* The branch is abandoned: what was in it may come again. */
    test_node_abandon(&pair.node[1], a2);
    test_node_abandon(&pair.node[1], a1);
    test_node_commit(&pair.node[1], b1);
    assert_false(executor_is_replay(pair.node[1].executor, &digest));
    test_node_commit(&pair.node[1], b2);
    assert_true(executor_is_replay(pair.node[1].executor, &digest));
    block_unref(a1);
    block_unref(a2);
    block_unref(b1);
    block_unref(b2);
    block_unref(again);
    block_unref(forged);
    pair_deinit(&pair);
}

/*
 * The window is 3 blocks: a transaction of the block at height 1 is a repeat in blocks up to
 * height 5 (1 is three below the parent, 4), and no repeat at height 6.
 */
static void a_repeat_within_the_window_is_refused_and_just_outside_it_is_not(void **state)
{
    (void)state;
    struct pair pair;
    pair_init(&pair, &(struct test_node_options){.replay_window_blocks = 3, .apply_blocks_max = 1});
    struct block *tip = grow(&pair, pair.chain.genesis, 1, "set a 1;set b 1");
    struct ingot_hash digest;
    wire_transaction_digest(ingot_slice_of_text("set a 1"), &digest);
    for (uint64_t height = 2; height <= 6; height++) {
        struct block *repeat = forge(&pair, tip, 100 + height, "set a 1");
        assert_int_equal(repeat->height, height);
        struct block *built = build(&pair.node[0], tip, 200 + height, "set a 1");
        const bool is_repeat = height <= 5;
        assert_int_equal(built->transaction_count, is_repeat ? 0 : 1);
        assert_int_equal(executor_is_replay(pair.node[0].executor, &digest), is_repeat);
        if (is_repeat)
            expect_refused(&pair.node[1], repeat, "repeats");
        else
            expect_valid(&pair.node[1], built);
        block_unref(built);
        block_unref(repeat);
        /* The same after a restart. */
        test_node_restart(&pair.node[0]);
        test_node_restart(&pair.node[1]);
        struct block *next = grow(&pair, tip, height, "");
        block_unref(tip);
        tip = next;
    }
    block_unref(tip);
    pair_deinit(&pair);
}

/* One node has committed nothing of the chain, the other nearly all of it. */
static void nodes_that_committed_differently_judge_a_block_alike(void **state)
{
    (void)state;
    struct pair pair;
    pair_init(&pair, &(struct test_node_options){.replay_window_blocks = 3, .apply_blocks_max = 1});
    struct block *blocks[6];
    const struct block *parent = pair.chain.genesis;
    for (uint64_t i = 0; i < 5; i++) {
        blocks[i] = build(&pair.node[0], parent, i + 1, i == 0 ? "set a 1" : "");
        expect_valid(&pair.node[1], blocks[i]);
        parent = blocks[i];
    }
    for (int i = 0; i < 4; i++)
        test_node_commit(&pair.node[0], blocks[i]);

    /* At height 5 it is a repeat for both, at height 6 for neither. */
    struct block *early = forge(&pair, blocks[3], 10, "set a 1");
    expect_refused(&pair.node[0], early, "repeats");
    expect_refused(&pair.node[1], early, "repeats");
    struct block *late = build(&pair.node[0], blocks[4], 11, "set a 1");
    assert_int_equal(late->transaction_count, 1);
    expect_valid(&pair.node[1], late);
    test_node_commit(&pair.node[0], blocks[4]);
    struct block *later = build(&pair.node[1], blocks[4], 12, "set a 1;get a");
    assert_int_equal(later->transaction_count, 2);
    expect_valid(&pair.node[0], later);
    for (int i = 0; i < 5; i++)
        block_unref(blocks[i]);
    block_unref(early);
    block_unref(late);
    block_unref(later);
    pair_deinit(&pair);
}

/* Numbers `first` to `first + count - 1` as transactions of four bytes. */
static struct ingot_slice *numbers(uint32_t first, uint32_t count, uint32_t **bytes)
{
    struct ingot_slice *transactions = calloc(count, sizeof *transactions);
    *bytes = calloc(count, sizeof **bytes);
    for (uint32_t i = 0; i < count; i++) {
        (*bytes)[i] = first + i + 1;
        transactions[i] = ingot_slice_of(&(*bytes)[i], sizeof **bytes);
    }
    return transactions;
}

static struct block *build_numbers(struct test_node *node, const struct block *parent,
                                   uint32_t first, uint32_t count)
{
    uint32_t *bytes = NULL;
    struct ingot_slice *transactions = numbers(first, count, &bytes);
    enum ingot_error error;
    struct block *block =
        test_node_build(node, parent, parent->view + 1, transactions, count, &error);
    assert_int_equal(error, INGOT_OK);
    free(transactions);
    free(bytes);
    return block;
}

/*
 * Full blocks: the window ends by the number of transactions, not of blocks. One node commits every
 * block, the other none.
 */
static void a_window_of_full_blocks_is_bounded_in_transactions(void **state)
{
    (void)state;
    struct test_chain chain;
    test_chain_init(&chain);
    struct ingot_app app;
    ingot_app_null_init(&app);
    const struct test_node_options options = {.app = &app, .apply_blocks_max = 4};
    struct test_node node;
    struct test_node lagging;
    test_node_init(&node, &chain, &options);
    test_node_init(&lagging, &chain, &options);
    const uint32_t full = INGOT_BLOCK_TRANSACTIONS_MAX;
    const uint32_t window = INGOT_REPLAY_WINDOW_TRANSACTIONS / INGOT_BLOCK_TRANSACTIONS_MAX;
    struct block *tip = block_ref(chain.genesis);
    for (uint32_t i = 0; i < window + 1; i++) {
        struct block *next = build_numbers(&node, tip, i * full, full);
        assert_int_equal(next->transaction_count, full);
        expect_valid(&lagging, next);
        test_node_commit(&node, next);
        block_unref(tip);
        tip = next;
    }
    for (int restarted = 0; restarted < 2; restarted++) {
        /* The last of the first block is out, the first of the second block is in. */
        struct block *out = build_numbers(&node, tip, full - 1, 1);
        struct block *in = build_numbers(&node, tip, full, 1);
        assert_int_equal(out->transaction_count, 1);
        assert_int_equal(in->transaction_count, 0);
        expect_valid(&lagging, out);
        struct block *lagging_in = build_numbers(&lagging, tip, full, 1);
        assert_int_equal(lagging_in->transaction_count, 0);
        test_node_abandon(&lagging, out);
        test_node_abandon(&lagging, lagging_in);
        block_unref(lagging_in);
        test_node_abandon(&node, out);
        test_node_abandon(&node, in);
        block_unref(out);
        block_unref(in);
        test_node_restart(&node);
        test_node_restart(&lagging);
    }
    block_unref(tip);
    test_node_deinit(&node);
    test_node_deinit(&lagging);
    ingot_app_deinit(&app);
    test_chain_deinit(&chain);
}

/* With the fewest blocks that an operator may keep: two more than the window. */
static void a_node_that_keeps_the_window_alone_judges_as_one_that_keeps_all(void **state)
{
    (void)state;
    enum { WINDOW = 3, HEIGHTS = 30 };
    struct pair pair;
    pair_init(&pair, &(struct test_node_options){.replay_window_blocks = WINDOW,
                                                 .apply_blocks_max = 1,
                                                 .retain_blocks = WINDOW + 2});
    pair.node[1].options.retain_blocks = 0;
    test_node_restart(&pair.node[1]);
    struct block *tip = block_ref(pair.chain.genesis);
    for (int i = 1; i <= HEIGHTS; i++) {
        char line[32];
        snprintf(line, sizeof line, "set a %d", i);
        struct block *next = grow(&pair, tip, (uint64_t)i, line);
        block_unref(tip);
        tip = next;
        test_node_restart(&pair.node[0]);
        for (int j = 1; j <= i; j++) {
            struct ingot_hash digest;
            snprintf(line, sizeof line, "set a %d", j);
            wire_transaction_digest(ingot_slice_of_text(line), &digest);
            const bool is_replay = executor_is_replay(pair.node[0].executor, &digest);
            assert_int_equal(is_replay, j >= i - WINDOW);
            assert_int_equal(is_replay, executor_is_replay(pair.node[1].executor, &digest));
        }
    }
    assert_true(ledger_lowest_height(pair.node[0].ledger) >= HEIGHTS - WINDOW - 3);
    assert_int_equal(ledger_lowest_height(pair.node[1].ledger), 0);
    block_unref(tip);
    pair_deinit(&pair);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_transaction_counts_once_in_a_block),
        cmocka_unit_test(a_repeat_of_an_uncommitted_ancestor_is_refused_but_not_of_another_branch),
        cmocka_unit_test(a_repeat_within_the_window_is_refused_and_just_outside_it_is_not),
        cmocka_unit_test(nodes_that_committed_differently_judge_a_block_alike),
        cmocka_unit_test(a_node_that_keeps_the_window_alone_judges_as_one_that_keeps_all),
        cmocka_unit_test(a_window_of_full_blocks_is_bounded_in_transactions),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
