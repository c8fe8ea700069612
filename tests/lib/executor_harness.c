/*
 * Store, ledger and executor put together for tests, without a core.
 */
#include "lib/executor_harness.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "lib/fast_crypto.h"
#include "storage/memory.h"
#include "wire/preimage.h"

#define VALIDATORS 4

void test_chain_init(struct test_chain *chain)
{
    INGOT_ASSERT(crypto_init());
    struct ingot_validator members[VALIDATORS] = {0};
    for (uint8_t i = 0; i < VALIDATORS; i++) {
        memset(members[i].key.bytes, i + 1, sizeof members[i].key.bytes);
        members[i].power = 1;
    }
    const char *why = NULL;
    chain->set = validator_set_new(0, members, VALIDATORS, &why);
    INGOT_ASSERT(chain->set != NULL);
    wire_seal_set(chain->set);
    struct ingot_hash name;
    crypto_blake2b(ingot_slice_of_text("a chain for tests"), &name);
    chain->genesis = wire_genesis_block(&name, chain->set, 1000);
}

void test_chain_deinit(struct test_chain *chain)
{
    block_unref(chain->genesis);
    validator_set_unref(chain->set);
}

static struct qc *certify(const struct test_chain *chain, const struct block *block)
{
    if (block->height == 0)
        return wire_genesis_qc(&chain->genesis->hash);
    struct qc *qc = qc_new(VALIDATORS - 1);
    qc->epoch = block_epoch(block);
    qc->phase = block_changes_set(block) ? PHASE_COMMIT : PHASE_GENERIC;
    qc->view = block->view + (block_changes_set(block) ? 2 : 0);
    qc->block_view = block->view;
    qc->block = block->hash;
    qc->validator_count = VALIDATORS;
    for (uint32_t i = 0; i < VALIDATORS - 1; i++)
        signers_add(&qc->signers, i);
    wire_seal_qc(qc);
    return qc;
}

struct block *test_chain_child(const struct test_chain *chain, const struct block *parent,
                               uint64_t view)
{
    struct block *block = block_new();
    block->version = BLOCK_VERSION;
    block->chain = chain->genesis->hash;
    block->parent = parent->hash;
    block->height = parent->height + 1;
    block->view = view;
    block->time_ms = parent->time_ms + 10;
    block->justify = certify(chain, parent);
    block->proposer = chain->set->validators[view % VALIDATORS].key;
    block->validators_hash = parent->next_validators_hash;
    block->next_validators_hash = parent->next_validators_hash;
    return block;
}

struct block *test_block_copy(const struct block *block)
{
    struct block *copy = block_new();
    *copy = *block;
    copy->references = 1;
    copy->justify = qc_ref(block->justify);
    copy->payload = (struct ingot_buffer){0};
    copy->digests = NULL;
    ingot_buffer_append_slice(&copy->payload, ingot_buffer_slice(&block->payload));
    return copy;
}

static void open_node(struct test_node *node)
{
    const struct test_node_options *options = &node->options;
    const struct ledger_options ledger_options = {
        .genesis = node->chain->genesis,
        .genesis_set = node->chain->set,
        .apply_blocks_max = options->apply_blocks_max,
        .apply_puts_min = options->apply_puts_min,
        .retain_blocks = options->retain_blocks,
        .prune_blocks_min = 1,
    };
    char why[256] = "";
    enum ingot_error error =
        ledger_open(node->store, &ledger_options, &node->ledger, why, sizeof why);
    if (error != INGOT_OK)
        fprintf(stderr, "ledger_open: %s\n", why);
    INGOT_ASSERT(error == INGOT_OK);
    struct ledger_start start;
    error = ledger_load(node->ledger, &start, why, sizeof why);
    if (error != INGOT_OK)
        fprintf(stderr, "ledger_load: %s\n", why);
    INGOT_ASSERT(error == INGOT_OK);

    const struct executor_options executor_options = {
        .app = options->app,
        .ledger = node->ledger,
        .scheme = options->scheme != NULL ? options->scheme : &fast_crypto,
        .chain = node->chain->genesis->hash,
        .replay_window_blocks = options->replay_window_blocks,
        .block_payload_bytes_max = options->block_payload_bytes_max,
        .transaction_bytes_max = options->transaction_bytes_max,
    };
    node->executor = executor_new(&executor_options);
    error = executor_restore(node->executor, &start);
    INGOT_ASSERT(error == INGOT_OK);
    ledger_start_deinit(&start);
}

void test_node_init(struct test_node *node, const struct test_chain *chain,
                    const struct test_node_options *options)
{
    *node = (struct test_node){.chain = chain, .options = *options};
    if (node->options.replay_window_blocks == 0)
        node->options.replay_window_blocks = INGOT_REPLAY_WINDOW_BLOCKS_DEFAULT;
    if (node->options.block_payload_bytes_max == 0)
        node->options.block_payload_bytes_max = INGOT_BLOCK_PAYLOAD_BYTES_DEFAULT;
    if (node->options.transaction_bytes_max == 0)
        node->options.transaction_bytes_max = INGOT_TRANSACTION_BYTES_MAX;
    node->store = ingot_store_memory_new(ledger_table_count);
    open_node(node);
}

static void close_node(struct test_node *node)
{
    executor_free(node->executor);
    ledger_free(node->ledger);
}

void test_node_deinit(struct test_node *node)
{
    close_node(node);
    ingot_store_close(node->store);
}

void test_node_restart(struct test_node *node)
{
    close_node(node);
    struct ingot_store *durable = ingot_store_memory_clone_durable(node->store);
    ingot_store_close(node->store);
    node->store = durable;
    open_node(node);
}

static void sync_node(struct test_node *node)
{
    const enum ingot_error error = ledger_sync(node->ledger);
    INGOT_ASSERT(error == INGOT_OK);
    executor_applied(node->executor, ledger_applied_height(node->ledger));
}

static void store_block(struct test_node *node, struct block *block)
{
    struct execution *execution = executor_find(node->executor, &block->hash);
    INGOT_ASSERT(execution != NULL);
    ledger_put_block(node->ledger, block, execution);
    sync_node(node);
}

struct block *test_node_build(struct test_node *node, const struct block *parent, uint64_t view,
                              const struct ingot_slice *candidates, uint32_t count,
                              enum ingot_error *error)
{
    struct block *block = test_chain_child(node->chain, parent, view);
    *error = executor_build(node->executor, block, candidates, NULL, count);
    if (*error == INGOT_OK) {
        store_block(node, block);
        return block;
    }
    block_unref(block);
    return NULL;
}

enum ingot_error test_node_validate(struct test_node *node, struct block *block, const char **why)
{
    const enum ingot_error error = executor_validate(node->executor, block, why);
    if (error == INGOT_OK && block->height > ledger_committed_height(node->ledger))
        store_block(node, block);
    return error;
}

void test_node_commit(struct test_node *node, struct block *block)
{
    ledger_commit_block(node->ledger, block, executor_find(node->executor, &block->hash),
                        executor_next_set(node->executor, &block->hash));
    executor_committed(node->executor, block);
    sync_node(node);
}

void test_node_abandon(struct test_node *node, struct block *block)
{
    ledger_delete_block(node->ledger, block);
    executor_abandoned(node->executor, &block->hash);
    sync_node(node);
}
