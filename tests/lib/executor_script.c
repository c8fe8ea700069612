/*
 * The scripted App and its two nodes.
 */
#include "lib/executor_script.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "wire/preimage.h"

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

static void set_member(struct script *script, struct ingot_execution *execution,
                       const struct words *words)
{
    struct ingot_validator validator = {.power = strtoull(words->value, NULL, 10)};
    memset(validator.key.bytes, atoi(words->key), sizeof validator.key.bytes);
    script->last_member = ingot_execution_set_validator(execution, &validator);
}

static void set_crowd(struct script *script, struct ingot_execution *execution,
                      const struct words *words)
{
    for (int i = 0; i < atoi(words->value); i++) {
        struct ingot_validator validator = {.power = 1};
        memset(validator.key.bytes, atoi(words->key), 2);
        validator.key.bytes[2] = (uint8_t)(i / 256);
        validator.key.bytes[3] = (uint8_t)(i % 256);
        script->last_member = ingot_execution_set_validator(execution, &validator);
    }
}

static void list_members(struct script *script, const struct ingot_snapshot *snapshot,
                         struct ingot_buffer *data)
{
    uint32_t count = 0;
    const struct ingot_validator *members = ingot_snapshot_validators(snapshot, &count);
    for (uint32_t i = 0; i < count; i++)
        ingot_buffer_format(data, "%u:%llu ", members[i].key.bytes[0],
                            (unsigned long long)members[i].power);
    snprintf(script->last_members, sizeof script->last_members, "%.*s", (int)data->size,
             (const char *)data->data);
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
    } else if (strcmp(words.verb, "member") == 0) {
        set_member(script, execution, &words);
    } else if (strcmp(words.verb, "crowd") == 0) {
        set_crowd(script, execution, &words);
    } else if (strcmp(words.verb, "members") == 0) {
        list_members(script, snapshot, data);
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
           strcmp(words.verb, "members") == 0 || strcmp(words.verb, "big") == 0;
}

static struct ingot_slice log_of(const struct script *script)
{
    static const uint8_t bytes[SCRIPT_LOG_BYTES_MAX];
    return ingot_slice_of(bytes, script->log_bytes);
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
    const struct ingot_result result = {.data = ingot_buffer_slice(&data), .log = log_of(script)};
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
        const struct ingot_result result = {.data = ingot_buffer_slice(&data),
                                            .log = log_of(script)};
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

void pair_init(struct pair *pair, const struct test_node_options *options)
{
    test_chain_init(&pair->chain);
    for (int i = 0; i < 2; i++) {
        script_init(&pair->script[i]);
        struct test_node_options own = *options;
        own.app = &pair->script[i].app;
        test_node_init(&pair->node[i], &pair->chain, &own);
    }
}

void pair_deinit(struct pair *pair)
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

struct block *build(struct test_node *node, const struct block *parent, uint64_t view,
                    const char *lines)
{
    struct ingot_slice transactions[16];
    const uint32_t count = split(lines, transactions);
    enum ingot_error error;
    struct block *block = test_node_build(node, parent, view, transactions, count, &error);
    assert_int_equal(error, INGOT_OK);
    return block;
}

void expect_valid(struct test_node *node, struct block *block)
{
    const char *why = NULL;
    const enum ingot_error error = test_node_validate(node, block, &why);
    if (error != INGOT_OK)
        print_error("refused: %s\n", why != NULL ? why : ingot_error_text(error));
    assert_int_equal(error, INGOT_OK);
}

void expect_refused(struct test_node *node, struct block *block, const char *reason)
{
    const char *why = NULL;
    assert_int_equal(test_node_validate(node, block, &why), INGOT_ERROR_REJECTED);
    assert_non_null(why);
    assert_non_null(strstr(why, reason));
    assert_null(executor_find(node->executor, &block->hash));
}

struct block *grow(struct pair *pair, const struct block *parent, uint64_t view, const char *lines)
{
    struct block *block = build(&pair->node[0], parent, view, lines);
    expect_valid(&pair->node[1], block);
    test_node_commit(&pair->node[0], block);
    test_node_commit(&pair->node[1], block);
    return block;
}

struct block *forge(struct pair *pair, const struct block *parent, uint64_t view, const char *lines)
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

const char *result_data(struct test_node *node, const struct block *block, uint32_t index)
{
    static char text[INGOT_RESULT_DATA_BYTES_MAX + 1];
    const struct execution *execution = executor_find(node->executor, &block->hash);
    assert_non_null(execution);
    assert_true(index < execution->result_count);
    const struct ingot_slice data = execution_result(execution, index)->data;
    memcpy(text, data.size > 0 ? data.data : (const uint8_t *)"", data.size);
    text[data.size] = '\0';
    return text;
}

const struct test_node_options plain = {.apply_blocks_max = 2};
