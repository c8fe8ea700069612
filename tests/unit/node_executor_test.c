/*
 * The executor's rules, one at a time: what makes a block valid, what counts as a repeat, what an
 * App sees, and what a restart keeps. Histories over many branches are in
 * node_executor_history_test.c.
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

#include "base/alloc.h"
#include "lib/executor_harness.h"
#include "storage/memory.h"
#include "wire/preimage.h"

/* --- An App that does what the test tells it. --- */

/*
 * Transactions: "set K V", "delete K", "get K" (the result's data), "list" (all keys, in the
 * result's data), "power N" (of the first test validator), "new N" (a validator of that power),
 * "big" (a result with as much data as may be). All keys and values are one word.
 */
struct script {
    struct ingot_app app;
    uint32_t executions; /* how often propose_block or validate_block ran */
    bool refuses;
    bool forgets_a_result;
    bool swallows_errors;
    enum ingot_error last; /* what giving the latest result returned */
};

struct words {
    char verb[16];
    char key[32];
    char value[32];
};

static struct words words_of(struct ingot_slice transaction)
{
    char line[96] = "";
    struct words words = {0};
    memcpy(line, transaction.data, transaction.size < 95 ? transaction.size : 95);
    (void)sscanf(line, "%15s %31s %31s", words.verb, words.key, words.value);
    return words;
}

static bool collect(void *context, struct ingot_slice key, struct ingot_slice value)
{
    struct ingot_buffer *list = context;
    ingot_buffer_append_slice(list, key);
    ingot_buffer_append_u8(list, '=');
    ingot_buffer_append_slice(list, value);
    ingot_buffer_append_u8(list, ' ');
    return true;
}

static void set_validator(struct ingot_execution *execution, uint8_t fill, uint64_t power)
{
    struct ingot_validator validator = {.power = power};
    memset(validator.key.bytes, fill, sizeof validator.key.bytes);
    ingot_execution_set_validator(execution, &validator);
}

static enum ingot_error run_line(struct script *script, struct ingot_slice transaction,
                                 struct ingot_snapshot *snapshot, struct ingot_execution *execution,
                                 struct ingot_buffer *data)
{
    const struct words words = words_of(transaction);
    const struct ingot_slice key = ingot_slice_of_text(words.key);
    enum ingot_error error = INGOT_OK;
    if (strcmp(words.verb, "set") == 0) {
        error = ingot_execution_set(execution, key, ingot_slice_of_text(words.value));
    } else if (strcmp(words.verb, "delete") == 0) {
        error = ingot_execution_delete(execution, key);
    } else if (strcmp(words.verb, "get") == 0) {
        struct ingot_slice value = {0};
        error = ingot_snapshot_get(snapshot, key, &value);
        ingot_buffer_append_slice(data, value);
        if (error == INGOT_ERROR_NOT_FOUND || script->swallows_errors)
            error = INGOT_OK;
    } else if (strcmp(words.verb, "list") == 0) {
        const struct ingot_slice all = {0};
        error = ingot_snapshot_range(snapshot, all, all, collect, data);
    } else if (strcmp(words.verb, "power") == 0) {
        set_validator(execution, 1, strtoull(words.key, NULL, 10));
    } else if (strcmp(words.verb, "new") == 0) {
        set_validator(execution, 99, strtoull(words.key, NULL, 10));
    } else if (strcmp(words.verb, "big") == 0) {
        static const uint8_t bytes[INGOT_RESULT_DATA_BYTES_MAX];
        ingot_buffer_append(data, bytes, sizeof bytes);
    }
    return error;
}

/* Reading changes nothing, so it may come before the transaction is in the block. */
static bool only_reads(struct ingot_slice transaction)
{
    const struct words words = words_of(transaction);
    return strcmp(words.verb, "get") == 0 || strcmp(words.verb, "list") == 0 ||
           strcmp(words.verb, "big") == 0;
}

static enum ingot_error propose_line(struct script *script,
                                     const struct ingot_propose_request *request, uint32_t index,
                                     struct ingot_execution *execution)
{
    const struct ingot_slice transaction = request->candidates[index];
    struct ingot_buffer data = {0};
    enum ingot_error error = INGOT_OK;
    if (only_reads(transaction))
        error = run_line(script, transaction, request->snapshot, execution, &data);
    const struct ingot_result result = {.data = ingot_buffer_slice(&data)};
    if (error == INGOT_OK)
        error = ingot_execution_include(execution, index, &result);
    if (error == INGOT_OK && !only_reads(transaction))
        error = run_line(script, transaction, request->snapshot, execution, &data);
    ingot_buffer_deinit(&data);
    return error == INGOT_ERROR_INVALID ? INGOT_OK : error;
}

static enum ingot_error script_propose(void *context, const struct ingot_propose_request *request,
                                       struct ingot_execution *execution)
{
    struct script *script = context;
    script->executions++;
    enum ingot_error error = INGOT_OK;
    for (uint32_t i = 0; error == INGOT_OK && i < request->candidate_count; i++)
        error = propose_line(script, request, i, execution);
    return error == INGOT_ERROR_FULL ? INGOT_OK : error;
}

static enum ingot_error script_validate(void *context, const struct ingot_validate_request *request,
                                        struct ingot_execution *execution)
{
    struct script *script = context;
    script->executions++;
    if (script->refuses)
        return INGOT_ERROR_REJECTED;
    enum ingot_error error = INGOT_OK;
    struct ingot_buffer data = {0};
    for (uint32_t i = 0; error == INGOT_OK && i < request->transaction_count; i++) {
        ingot_buffer_clear(&data);
        error = run_line(script, request->transactions[i], request->snapshot, execution, &data);
        const struct ingot_result result = {.data = ingot_buffer_slice(&data)};
        /* A refused result is noticed without the App's help. */
        if (error == INGOT_OK && !(script->forgets_a_result && i == 0))
            script->last = ingot_execution_result(execution, &result);
    }
    ingot_buffer_deinit(&data);
    return error;
}

static void script_init(struct script *script)
{
    *script = (struct script){0};
    script->app = (struct ingot_app){
        .context = script,
        .name = "script",
        .version = "1",
        .propose_block = script_propose,
        .validate_block = script_validate,
    };
}

/* --- Two nodes with the scripted App, for each test. --- */

struct pair {
    struct test_chain chain;
    struct script script[2];
    struct test_node node[2];
};

static void pair_init(struct pair *pair, const struct test_node_options *options)
{
    test_chain_init(&pair->chain);
    for (int i = 0; i < 2; i++) {
        script_init(&pair->script[i]);
        struct test_node_options own = *options;
        own.app = &pair->script[i].app;
        test_node_init(&pair->node[i], &pair->chain, &own);
    }
}

static void pair_deinit(struct pair *pair)
{
    test_node_deinit(&pair->node[0]);
    test_node_deinit(&pair->node[1]);
    test_chain_deinit(&pair->chain);
}

/* Lines separated by ';' as transactions. */
static uint32_t split(const char *lines, struct ingot_slice transactions[16])
{
    uint32_t count = 0;
    while (*lines != '\0') {
        const size_t size = strcspn(lines, ";");
        transactions[count++] = ingot_slice_of(lines, size);
        lines += size + (lines[size] == ';');
    }
    return count;
}

static struct block *build(struct test_node *node, const struct block *parent, uint64_t view,
                           const char *lines)
{
    struct ingot_slice transactions[16];
    const uint32_t count = split(lines, transactions);
    enum ingot_error error;
    struct block *block = test_node_build(node, parent, view, transactions, count, &error);
    assert_int_equal(error, INGOT_OK);
    return block;
}

static void expect_valid(struct test_node *node, struct block *block)
{
    const char *why = NULL;
    const enum ingot_error error = test_node_validate(node, block, &why);
    if (error != INGOT_OK)
        print_error("refused: %s\n", why != NULL ? why : ingot_error_text(error));
    assert_int_equal(error, INGOT_OK);
}

static void expect_refused(struct test_node *node, struct block *block, const char *reason)
{
    const char *why = NULL;
    assert_int_equal(test_node_validate(node, block, &why), INGOT_ERROR_REJECTED);
    assert_non_null(why);
    assert_non_null(strstr(why, reason));
    assert_null(executor_find(node->executor, &block->hash));
}

/* Builds on the first node, has it validated by the second, and commits it on both. */
static struct block *grow(struct pair *pair, const struct block *parent, uint64_t view,
                          const char *lines)
{
    struct block *block = build(&pair->node[0], parent, view, lines);
    expect_valid(&pair->node[1], block);
    test_node_commit(&pair->node[0], block);
    test_node_commit(&pair->node[1], block);
    return block;
}

/* A block with these transactions that nobody honest built: replays and all. Not executed. */
static struct block *forge(struct pair *pair, const struct block *parent, uint64_t view,
                           const char *lines)
{
    struct ingot_slice transactions[16];
    const uint32_t count = split(lines, transactions);
    struct block *block = test_chain_child(&pair->chain, parent, view);
    for (uint32_t i = 0; i < count; i++) {
        ingot_buffer_append_u32(&block->payload, (uint32_t)transactions[i].size);
        ingot_buffer_append_slice(&block->payload, transactions[i]);
    }
    block->transaction_count = count;
    wire_seal_block(block);
    return block;
}

static const char *result_data(struct test_node *node, const struct block *block, uint32_t index)
{
    static char text[INGOT_RESULT_DATA_BYTES_MAX + 1];
    const struct execution *execution = executor_find(node->executor, &block->hash);
    assert_non_null(execution);
    assert_true(index < execution->result_count);
    const struct ingot_slice data = execution->results[index].data;
    memcpy(text, data.size > 0 ? data.data : (const uint8_t *)"", data.size);
    text[data.size] = '\0';
    return text;
}

static const struct test_node_options plain = {.apply_blocks_max = 2};

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
        {0, "another chain"}, {1, "height"},        {2, "time"},
        {3, "validator set"}, {4, "does not hold"}, {5, "does not hold"},
        {6, "root"},          {7, "too many"},      {8, "does not hold"},
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
            bad->next_validators_hash.bytes[0] ^= 1;
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

static void a_change_of_the_set_is_refused_but_saying_what_is_so_is_not_a_change(void **state)
{
    (void)state;
    struct pair pair;
    pair_init(&pair, &plain);
    struct ingot_slice line = ingot_slice_of_text("power 2");
    enum ingot_error error;
    assert_null(test_node_build(&pair.node[0], pair.chain.genesis, 1, &line, 1, &error));
    assert_int_equal(error, INGOT_ERROR_REJECTED);
    struct block *forged = forge(&pair, pair.chain.genesis, 1, "new 5");
    expect_refused(&pair.node[1], forged, "validator set");
    struct block *block = build(&pair.node[0], pair.chain.genesis, 2, "power 2;power 1;new 0");
    expect_valid(&pair.node[1], block);
    assert_int_equal(executor_find(pair.node[1].executor, &block->hash)->validator_update_count, 0);
    block_unref(forged);
    block_unref(block);
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

/* --- Repeats. --- */

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
        cmocka_unit_test(a_known_block_is_not_executed_again),
        cmocka_unit_test(a_wrong_updates_hash_is_refused_and_leaves_no_trace),
        cmocka_unit_test(each_field_of_a_block_is_checked),
        cmocka_unit_test(an_app_that_refuses_or_miscounts_makes_the_block_invalid),
        cmocka_unit_test(a_block_on_an_unknown_or_overtaken_parent_is_not_executed),
        cmocka_unit_test(a_change_of_the_set_is_refused_but_saying_what_is_so_is_not_a_change),
        cmocka_unit_test(a_block_is_filled_up_to_the_payload_limit_and_no_further),
        cmocka_unit_test(transactions_above_the_chains_limit_are_left_out_and_refused),
        cmocka_unit_test(results_cannot_outgrow_a_block),
        cmocka_unit_test(a_transaction_counts_once_in_a_block),
        cmocka_unit_test(a_repeat_of_an_uncommitted_ancestor_is_refused_but_not_of_another_branch),
        cmocka_unit_test(a_repeat_within_the_window_is_refused_and_just_outside_it_is_not),
        cmocka_unit_test(nodes_that_committed_differently_judge_a_block_alike),
        cmocka_unit_test(a_window_of_full_blocks_is_bounded_in_transactions),
        cmocka_unit_test(a_block_sees_its_own_branch_and_no_other),
        cmocka_unit_test(reads_are_the_same_whether_updates_are_applied_or_not),
        cmocka_unit_test(an_error_of_the_store_is_passed_on_even_if_the_app_swallows_it),
        cmocka_unit_test(a_restart_brings_back_branches_without_running_the_app),
        cmocka_unit_test(a_restart_refuses_executions_that_do_not_belong_to_their_blocks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
