/*
 * The executor's rules, one at a time: what makes a block valid, its limits, what an App sees, and
 * what a restart keeps. Repeated transactions are in node_executor_replay_test.c, histories over
 * many branches in node_executor_history_test.c.
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

/* --- Validity. --- */

static void what_one_node_builds_another_finds_valid(void **state)
{
    (void)state;
    struct pair pair;
    pair_init(&pair, &plain);
    struct block *block =
        build(&pair.node[0], pair.chain.genesis, 1, "set a 1;get a;delete a;get a again");
    expect_valid(&pair.node[1], block);
    assert_string_equal(result_data(&pair.node[0], block, 1), "1");
    assert_string_equal(result_data(&pair.node[1], block, 1), "1");
    assert_string_equal(result_data(&pair.node[1], block, 3), "");
    assert_true(
        ingot_slice_equal(execution_encoded(executor_find(pair.node[0].executor, &block->hash)),
                          execution_encoded(executor_find(pair.node[1].executor, &block->hash))));
    block_unref(block);
    pair_deinit(&pair);
}

/* For who stores both: the value is in that transaction. The last word on a key counts. */
static void an_execution_knows_which_transaction_made_an_update(void **state)
{
    (void)state;
    struct ingot_app kv;
    ingot_app_kv_init(NULL, &kv);
    struct test_node_options options = plain;
    options.app = &kv;
    struct test_chain chain;
    struct test_node nodes[2];
    test_chain_init(&chain);
    test_node_init(&nodes[0], &chain, &options);
    test_node_init(&nodes[1], &chain, &options);
    struct block *block = build(&nodes[0], chain.genesis, 1, "b=1;not a put;a=2;c=3;b=4");
    expect_valid(&nodes[1], block);
    for (uint32_t i = 0; i < 2; i++) {
        const struct execution *execution = executor_find(nodes[i].executor, &block->hash);
        assert_int_equal(execution->update_count, 3);
        assert_non_null(execution->update_sources);
        assert_int_equal(execution->update_sources[0], 2);
        assert_int_equal(execution->update_sources[1], 4);
        assert_int_equal(execution->update_sources[2], 3);
    }
    block_unref(block);
    test_node_deinit(&nodes[0]);
    test_node_deinit(&nodes[1]);
    test_chain_deinit(&chain);
    ingot_app_deinit(&kv);
}

static void a_known_block_is_not_executed_again(void **state)
{
    (void)state;
    struct pair pair;
    pair_init(&pair, &plain);
    struct block *block = build(&pair.node[0], pair.chain.genesis, 1, "set a 1");
    expect_valid(&pair.node[0], block);
    assert_int_equal(pair.script[0].executions, 1);
    block_unref(block);
    pair_deinit(&pair);
}

static void a_wrong_updates_hash_is_refused_and_leaves_no_trace(void **state)
{
    (void)state;
    struct pair pair;
    pair_init(&pair, &plain);
    struct block *block = build(&pair.node[0], pair.chain.genesis, 1, "set a 1");
    struct block *wrong = test_block_copy(block);
    wrong->updates_hash.bytes[7] ^= 1;
    wire_seal_block_header(wrong);
    expect_refused(&pair.node[1], wrong, "updates hash");
    /* Neither its transactions nor its updates linger. */
    expect_valid(&pair.node[1], block);
    struct block *child = build(&pair.node[1], pair.chain.genesis, 2, "get a;set a 1");
    assert_string_equal(result_data(&pair.node[1], child, 0), "");
    block_unref(child);
    block_unref(wrong);
    block_unref(block);
    pair_deinit(&pair);
}

static void each_field_of_a_block_is_checked(void **state)
{
    (void)state;
    struct pair pair;
    pair_init(&pair, &plain);
    struct block *good = build(&pair.node[0], pair.chain.genesis, 1, "set a 1;set b 2");
    static const struct {
        int field;
        const char *reason;
    } rows[] = {
        {0, "another chain"}, {1, "height"},        {2, "time"}, {3, "validators hash"},
        {4, "does not hold"}, {5, "does not hold"}, {6, "root"}, {7, "too many"},
        {8, "does not hold"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct block *bad = test_block_copy(good);
        switch (rows[i].field) {
        case 0:
            bad->chain.bytes[0] ^= 1;
            break;
        case 1:
            bad->height++;
            break;
        case 2:
            bad->time_ms = pair.chain.genesis->time_ms - 1;
            break;
        case 3:
            bad->validators_hash.bytes[0] ^= 1;
            break;
        case 4:
            bad->transaction_count++;
            break;
        case 5:
            bad->transaction_count--;
            break;
        case 6:
            bad->payload.data[5] ^= 1;
            break;
        case 7:
            bad->transaction_count = INGOT_BLOCK_TRANSACTIONS_MAX + 1;
            break;
        case 8:
            bad->payload.data[0] = 0;
            break;
        }
        wire_seal_block_header(bad);
        expect_refused(&pair.node[1], bad, rows[i].reason);
        block_unref(bad);
    }
    assert_int_equal(pair.script[1].executions, 0);
    expect_valid(&pair.node[1], good);
    block_unref(good);
    pair_deinit(&pair);
}

static void an_app_that_refuses_or_miscounts_makes_the_block_invalid(void **state)
{
    (void)state;
    struct pair pair;
    pair_init(&pair, &plain);
    struct block *block = build(&pair.node[0], pair.chain.genesis, 1, "set a 1;set b 2");
    pair.script[1].refuses = true;
    expect_refused(&pair.node[1], block, "App refuses");
    pair.script[1].refuses = false;
    pair.script[1].forgets_a_result = true;
    expect_refused(&pair.node[1], block, "one result for each");
    pair.script[1].forgets_a_result = false;
    expect_valid(&pair.node[1], block);
    block_unref(block);
    pair_deinit(&pair);
}

static void a_block_on_an_unknown_or_overtaken_parent_is_not_executed(void **state)
{
    (void)state;
    struct pair pair;
    pair_init(&pair, &plain);
    struct block *a1 = build(&pair.node[0], pair.chain.genesis, 1, "set a 1");
    struct block *a2 = build(&pair.node[0], a1, 2, "set a 2");
    const char *why = NULL;
    assert_int_equal(test_node_validate(&pair.node[1], a2, &why), INGOT_ERROR_NOT_FOUND);
    expect_valid(&pair.node[1], a1);
    expect_valid(&pair.node[1], a2);
    /* A fork, whose parent is committed but not the last. */
    struct block *b1 = build(&pair.node[0], pair.chain.genesis, 3, "set a 3");
    struct block *b2 = build(&pair.node[0], b1, 4, "set a 4");
    expect_valid(&pair.node[1], b1);
    test_node_commit(&pair.node[1], a1);
    assert_null(executor_find(pair.node[1].executor, &b1->hash));
    expect_refused(&pair.node[1], b1, "last committed");
    assert_int_equal(test_node_validate(&pair.node[1], b2, &why), INGOT_ERROR_NOT_FOUND);
    block_unref(a1);
    block_unref(a2);
    block_unref(b1);
    block_unref(b2);
    pair_deinit(&pair);
}

/* --- Limits. --- */

static void a_block_is_filled_up_to_the_payload_limit_and_no_further(void **state)
{
    (void)state;
    struct pair pair;
    pair_init(&pair, &(struct test_node_options){.block_payload_bytes_max = 33});
    /* Eleven bytes each when packed. */
    struct block *block =
        build(&pair.node[0], pair.chain.genesis, 1, "set a 1;set b 1;set c 1;set d 1");
    assert_int_equal(block->transaction_count, 3);
    assert_int_equal(block->payload.size, 33);
    expect_valid(&pair.node[1], block);
    struct block *forged = forge(&pair, pair.chain.genesis, 1, "set a 1;set b 1;set c 1;set d 1");
    expect_refused(&pair.node[1], forged, "limit");
    block_unref(forged);
    block_unref(block);
    pair_deinit(&pair);
}

static void transactions_above_the_chains_limit_are_left_out_and_refused(void **state)
{
    (void)state;
    struct pair pair;
    pair_init(&pair, &(struct test_node_options){.transaction_bytes_max = 8});
    struct block *block =
        build(&pair.node[0], pair.chain.genesis, 1, "set a 12;set a 123;;set b 1");
    assert_int_equal(block->transaction_count, 2);
    struct block *forged = forge(&pair, pair.chain.genesis, 1, "set a 123");
    expect_refused(&pair.node[1], forged, "limit");
    struct ingot_check_response response = {0};
    executor_check(pair.node[0].executor, ingot_slice_of_text("set a 123"), &response);
    assert_int_not_equal(response.code, 0);
    ingot_buffer_clear(&response.log);
    executor_check(pair.node[0].executor, ingot_slice_of_text(""), &response);
    assert_int_not_equal(response.code, 0);
    ingot_buffer_clear(&response.log);
    executor_check(pair.node[0].executor, ingot_slice_of_text("set a 12"), &response);
    assert_int_equal(response.code, 0);
    ingot_buffer_deinit(&response.log);
    block_unref(forged);
    block_unref(block);
    pair_deinit(&pair);
}

static void results_cannot_outgrow_a_block(void **state)
{
    (void)state;
    struct pair pair;
    pair_init(&pair, &plain);
    const uint32_t count = 20000;
    struct ingot_slice *lines = calloc(count, sizeof *lines);
    char *text = calloc(count, 16);
    struct block *forged = test_chain_child(&pair.chain, pair.chain.genesis, 1);
    for (uint32_t i = 0; i < count; i++) {
        const int size = snprintf(text + 16 * (size_t)i, 16, "big %u", i);
        lines[i] = ingot_slice_of(text + 16 * (size_t)i, (size_t)size);
        ingot_buffer_append_u32(&forged->payload, (uint32_t)size);
        ingot_buffer_append_slice(&forged->payload, lines[i]);
    }
    forged->transaction_count = count;
    wire_seal_block(forged);
    enum ingot_error error;
    struct block *block =
        test_node_build(&pair.node[0], pair.chain.genesis, 1, lines, count, &error);
    assert_int_equal(error, INGOT_OK);
    assert_in_range(block->transaction_count, 10000, 17000);
    expect_valid(&pair.node[1], block);
    expect_refused(&pair.node[1], forged, "results");
    block_unref(forged);
    block_unref(block);
    free(text);
    free(lines);
    pair_deinit(&pair);
}

/* Logs are for people: two nodes may differ in them, in length too, and agree on the block. */
static void a_long_log_is_cut_and_decides_nothing(void **state)
{
    (void)state;
    struct pair pair;
    pair_init(&pair, &plain);
    pair.script[0].log_bytes = SCRIPT_LOG_BYTES_MAX;
    pair.script[1].log_bytes = 3;
    struct block *block = build(&pair.node[0], pair.chain.genesis, 1, "set a 1");
    assert_int_equal(block->transaction_count, 1);
    const struct execution *execution = executor_find(pair.node[0].executor, &block->hash);
    assert_int_equal(execution_result(execution, 0)->log.size, INGOT_RESULT_LOG_BYTES_MAX);
    expect_valid(&pair.node[1], block);
    pair.script[1].log_bytes = SCRIPT_LOG_BYTES_MAX;
    struct block *other = build(&pair.node[0], pair.chain.genesis, 2, "set b 2");
    expect_valid(&pair.node[1], other);
    block_unref(block);
    block_unref(other);
    pair_deinit(&pair);
}

/* --- What an App sees. --- */

static void a_block_sees_its_own_branch_and_no_other(void **state)
{
    (void)state;
    struct pair pair;
    pair_init(&pair, &(struct test_node_options){.apply_blocks_max = 100});
    struct block *tip = grow(&pair, pair.chain.genesis, 1, "set a 1;set b 1;set c 1;set d 1");
    struct block *left = build(&pair.node[0], tip, 2, "set a 2;delete b");
    struct block *right = build(&pair.node[0], tip, 3, "set a 3;set e 3");
    struct block *left_child =
        build(&pair.node[0], left, 4, "delete c;set c 4;list;get b;set b 5;list 2");
    struct block *right_child = build(&pair.node[0], right, 5, "list;get a");
    struct block *blocks[] = {left, right, right_child, left_child};
    for (int i = 0; i < 4; i++)
        expect_valid(&pair.node[1], blocks[i]);
    for (int i = 0; i < 2; i++) {
        assert_string_equal(result_data(&pair.node[i], left_child, 2), "a=2 c=4 d=1 ");
        assert_string_equal(result_data(&pair.node[i], left_child, 3), "");
        assert_string_equal(result_data(&pair.node[i], left_child, 5), "a=2 b=5 c=4 d=1 ");
        assert_string_equal(result_data(&pair.node[i], right_child, 0), "a=3 b=1 c=1 d=1 e=3 ");
        assert_string_equal(result_data(&pair.node[i], right_child, 1), "3");
    }
    block_unref(tip);
    for (int i = 0; i < 4; i++)
        block_unref(blocks[i]);
    pair_deinit(&pair);
}

static void reads_are_the_same_whether_updates_are_applied_or_not(void **state)
{
    (void)state;
    static const char *const lines[] = {"set a 1;set b 1", "delete a;set c 1", "set a 2;set d 1",
                                        "delete d;set b 2", "list"};
    for (uint32_t apply = 1; apply <= 6; apply++) {
        struct pair pair;
        pair_init(&pair, &(struct test_node_options){.apply_blocks_max = apply});
        struct block *tip = block_ref(pair.chain.genesis);
        for (uint32_t i = 0; i < 5; i++) {
            struct block *next = build(&pair.node[0], tip, i + 1, lines[i]);
            expect_valid(&pair.node[1], next);
            if (i == 4)
                assert_string_equal(result_data(&pair.node[0], next, 0), "a=2 b=2 c=1 ");
            test_node_commit(&pair.node[0], next);
            test_node_commit(&pair.node[1], next);
            block_unref(tip);
            tip = next;
        }
        block_unref(tip);
        pair_deinit(&pair);
    }
}

/* --- The store fails. --- */

static struct ingot_store_operations failing_operations;
static enum ingot_error (*working_get)(struct ingot_store_snapshot *snapshot, uint32_t table,
                                       struct ingot_slice key, struct ingot_slice *value);
static bool get_fails;

static enum ingot_error sometimes_failing_get(struct ingot_store_snapshot *snapshot, uint32_t table,
                                              struct ingot_slice key, struct ingot_slice *value)
{
    return get_fails ? INGOT_ERROR_IO : working_get(snapshot, table, key, value);
}

static void an_error_of_the_store_is_passed_on_even_if_the_app_swallows_it(void **state)
{
    (void)state;
    struct pair pair;
    pair_init(&pair, &plain);
    struct block *block = build(&pair.node[0], pair.chain.genesis, 1, "set a 1;get b");
    struct ingot_store *store = pair.node[1].store;
    failing_operations = *store->operations;
    working_get = failing_operations.snapshot_get;
    failing_operations.snapshot_get = sometimes_failing_get;
    store->operations = &failing_operations;
    for (int swallows = 0; swallows < 2; swallows++) {
        pair.script[1].swallows_errors = swallows == 1;
        get_fails = true;
        const char *why = NULL;
        assert_int_equal(test_node_validate(&pair.node[1], block, &why), INGOT_ERROR_IO);
        assert_null(executor_find(pair.node[1].executor, &block->hash));
        enum ingot_error error;
        const struct ingot_slice line = ingot_slice_of_text("get b");
        assert_null(test_node_build(&pair.node[1], pair.chain.genesis, 2, &line, 1, &error));
        assert_int_equal(error, INGOT_ERROR_IO);
        get_fails = false;
    }
    expect_valid(&pair.node[1], block);
    block_unref(block);
    pair_deinit(&pair);
}

/* --- Restart. --- */

static void a_restart_brings_back_branches_without_running_the_app(void **state)
{
    (void)state;
    struct pair pair;
    pair_init(&pair, &(struct test_node_options){.apply_blocks_max = 100});
    struct block *tip = grow(&pair, pair.chain.genesis, 1, "set a 1;set b 1");
    struct block *second = grow(&pair, tip, 2, "delete b;set c 2");
    struct block *left = build(&pair.node[0], second, 3, "set a 3");
    struct block *right = build(&pair.node[0], second, 4, "set d 4");
    const uint32_t executions = pair.script[0].executions;
    test_node_restart(&pair.node[0]);
    assert_int_equal(pair.script[0].executions, executions);
    assert_non_null(executor_find(pair.node[0].executor, &left->hash));
    assert_non_null(executor_find(pair.node[0].executor, &second->hash));
    struct block *left_child = build(&pair.node[0], left, 5, "list");
    struct block *right_child = build(&pair.node[0], right, 6, "list;set a 3;set c 2");
    assert_string_equal(result_data(&pair.node[0], left_child, 0), "a=3 c=2 ");
    assert_string_equal(result_data(&pair.node[0], right_child, 0), "a=1 c=2 d=4 ");
    assert_int_equal(right_child->transaction_count, 2);
    struct block *blocks[] = {tip, second, left, right, left_child, right_child};
    for (int i = 0; i < 6; i++)
        block_unref(blocks[i]);
    pair_deinit(&pair);
}

static void a_restart_refuses_executions_that_do_not_belong_to_their_blocks(void **state)
{
    (void)state;
    struct pair pair;
    pair_init(&pair, &plain);
    struct block *block = build(&pair.node[0], pair.chain.genesis, 1, "set a 1");
    struct block *other = build(&pair.node[0], pair.chain.genesis, 2, "set b 1");
    struct execution *execution = executor_find(pair.node[0].executor, &block->hash);
    struct executor_options options = {
        .app = &pair.script[0].app,
        .ledger = pair.node[0].ledger,
        .replay_window_blocks = 10,
    };
    struct ledger_entry uncommitted = {.block = other, .execution = execution};
    struct ledger_start start = {
        .sets = &pair.chain.set,
        .set_count = 1,
        .last_committed = {.block = pair.chain.genesis},
        .uncommitted = &uncommitted,
        .uncommitted_count = 1,
    };
    struct executor *executor = executor_new(&options);
    assert_int_equal(executor_restore(executor, &start), INGOT_ERROR_CORRUPT);
    executor_free(executor);
    uncommitted.block = block;
    executor = executor_new(&options);
    assert_int_equal(executor_restore(executor, &start), INGOT_OK);
    executor_free(executor);
    start.unapplied_count = 1;
    executor = executor_new(&options);
    assert_int_equal(executor_restore(executor, &start), INGOT_ERROR_CORRUPT);
    executor_free(executor);
    block_unref(block);
    block_unref(other);
    pair_deinit(&pair);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_one_node_builds_another_finds_valid),
        cmocka_unit_test(an_execution_knows_which_transaction_made_an_update),
        cmocka_unit_test(a_known_block_is_not_executed_again),
        cmocka_unit_test(a_wrong_updates_hash_is_refused_and_leaves_no_trace),
        cmocka_unit_test(each_field_of_a_block_is_checked),
        cmocka_unit_test(an_app_that_refuses_or_miscounts_makes_the_block_invalid),
        cmocka_unit_test(a_block_on_an_unknown_or_overtaken_parent_is_not_executed),
        cmocka_unit_test(a_block_is_filled_up_to_the_payload_limit_and_no_further),
        cmocka_unit_test(transactions_above_the_chains_limit_are_left_out_and_refused),
        cmocka_unit_test(results_cannot_outgrow_a_block),
        cmocka_unit_test(a_long_log_is_cut_and_decides_nothing),
        cmocka_unit_test(a_block_sees_its_own_branch_and_no_other),
        cmocka_unit_test(reads_are_the_same_whether_updates_are_applied_or_not),
        cmocka_unit_test(an_error_of_the_store_is_passed_on_even_if_the_app_swallows_it),
        cmocka_unit_test(a_restart_brings_back_branches_without_running_the_app),
        cmocka_unit_test(a_restart_refuses_executions_that_do_not_belong_to_their_blocks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
