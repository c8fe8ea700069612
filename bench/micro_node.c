/*
 * What happens to a transaction in a validator: admission, the mempool, building, validating and
 * storing of blocks of 1000. The store is the one in memory, so no disk is in any of it.
 */
#include <ingot/apps.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "bench/micro.h"
#include "lib/executor_harness.h"
#include "lib/lone_replica.h"
#include "node/mempool.h"
#include "wire/preimage.h"

/* Leader 0 builds blocks and replica 1 validates them. */
#define NODES 2

static struct test_chain chain;
static struct test_node nodes[NODES];
static struct ingot_app apps[NODES];
static struct block *parent; /* committed */
static struct block *block;  /* on it, or NULL */
static uint64_t view;
static uint8_t *bytes; /* of the transactions */
static struct ingot_slice *slices;
static struct ingot_hash digests[MICRO_BLOCK_TXS]; /* of the slices, where they are known */
static uint64_t counter;

/* The next MICRO_BLOCK_TXS transactions, none like another: key=value with 100,000 keys. */
static void make_transactions(void)
{
    for (uint32_t i = 0; i < MICRO_BLOCK_TXS; i++) {
        uint8_t *transaction = bytes + (size_t)i * MICRO_TX_BYTES;
        const uint64_t number = counter++;
        memset(transaction, '.', MICRO_TX_BYTES);
        (void)snprintf((char *)transaction, MICRO_TX_BYTES, "key%08llu=%llu",
                       (unsigned long long)(number * UINT64_C(2654435761) % 100000),
                       (unsigned long long)number);
        transaction[strlen((const char *)transaction)] = '.';
        slices[i] = ingot_slice_of(transaction, MICRO_TX_BYTES);
    }
}

static void take_digests(void)
{
    for (uint32_t i = 0; i < MICRO_BLOCK_TXS; i++)
        wire_transaction_digest(slices[i], &digests[i]);
}

static void begin_transactions(void)
{
    bytes = alloc_zeroed(MICRO_BLOCK_TXS, MICRO_TX_BYTES);
    slices = alloc_zeroed(MICRO_BLOCK_TXS, sizeof *slices);
    counter = 0;
}

static void end_transactions(void)
{
    free(slices);
    free(bytes);
}

/* --- Blocks. --- */

static bool begin_chain(const char *app)
{
    begin_transactions();
    test_chain_init(&chain);
    for (uint32_t i = 0; i < NODES; i++) {
        const enum ingot_error error = ingot_app_init_by_name(app, NULL, &apps[i]);
        INGOT_ASSERT(error == INGOT_OK);
        const struct test_node_options options = {.app = &apps[i]};
        test_node_init(&nodes[i], &chain, &options);
    }
    parent = block_ref(chain.genesis);
    block = NULL;
    view = 0;
    return true;
}

static void end_chain(void)
{
    block_unref(block);
    block_unref(parent);
    for (uint32_t i = 0; i < NODES; i++) {
        test_node_deinit(&nodes[i]);
        ingot_app_deinit(&apps[i]);
    }
    test_chain_deinit(&chain);
    end_transactions();
}

/* The block of the step before, which everybody has committed, is the parent now. */
static void advance(void)
{
    if (block != NULL) {
        block_unref(parent);
        parent = block;
        block = NULL;
    }
    make_transactions();
    view++;
}

static void build_and_store(void)
{
    enum ingot_error error;
    block = test_node_build(&nodes[0], parent, view, slices, MICRO_BLOCK_TXS, &error);
    INGOT_ASSERT(block != NULL && block->transaction_count == MICRO_BLOCK_TXS);
}

static void build_store_commit(void)
{
    build_and_store();
    test_node_commit(&nodes[0], block);
}

static void prepare_validate(void)
{
    advance();
    build_store_commit();
}

static void validate_store_commit(void)
{
    const char *why = NULL;
    const enum ingot_error error = test_node_validate(&nodes[1], block, &why);
    INGOT_ASSERT(error == INGOT_OK);
    test_node_commit(&nodes[1], block);
}

/* The executor alone; nothing of it is stored, so the next one has the same parent. */
static void prepare_build(void)
{
    if (block != NULL)
        executor_abandoned(nodes[0].executor, &block->hash);
    block_unref(block);
    make_transactions();
    take_digests();
    view++;
    block = test_chain_child(&chain, parent, view);
}

static void build(void)
{
    const enum ingot_error error =
        executor_build(nodes[0].executor, block, slices, digests, MICRO_BLOCK_TXS);
    INGOT_ASSERT(error == INGOT_OK && block->transaction_count == MICRO_BLOCK_TXS);
}

/* Built, but not in the ledger. */
static void prepare_store(void)
{
    if (block != NULL)
        test_node_commit(&nodes[0], block);
    advance();
    take_digests();
    block = test_chain_child(&chain, parent, view);
    build();
}

static void store(void)
{
    struct execution *execution = executor_find(nodes[0].executor, &block->hash);
    INGOT_ASSERT(execution != NULL);
    ledger_put_block(nodes[0].ledger, block, execution);
    const enum ingot_error error = ledger_sync(nodes[0].ledger);
    INGOT_ASSERT(error == INGOT_OK);
}

static void prepare_commit(void)
{
    advance();
    build_and_store();
}

static void commit(void)
{
    test_node_commit(&nodes[0], block);
}

/* --- Before a block. --- */

static struct lone lone;

static bool begin_admission(const char *argument)
{
    (void)argument;
    begin_transactions();
    lone_init(&lone, 0);
    return true;
}

/* An empty mempool, in a replica that does not lead: it would propose at once. */
static void prepare_admission(void)
{
    const uint32_t me = (lone_leader(&lone, 1) + 1) % LONE_VALIDATORS;
    lone_deinit(&lone);
    lone_init(&lone, me);
    make_transactions();
}

static void admit(void)
{
    struct ingot_check_response response = {0};
    for (uint32_t i = 0; i < MICRO_BLOCK_TXS; i++) {
        const enum ingot_error error = replica_submit(lone.replica, slices[i], &response);
        INGOT_ASSERT(error == INGOT_OK && response.code == 0);
    }
    ingot_buffer_deinit(&response.log);
}

static void end_admission(void)
{
    lone_deinit(&lone);
    end_transactions();
}

static struct mempool *mempool;

static bool begin_mempool(const char *argument)
{
    (void)argument;
    begin_transactions();
    mempool = mempool_new((size_t)16 * 1024 * 1024);
    return true;
}

static void pass_mempool(void)
{
    for (uint32_t i = 0; i < MICRO_BLOCK_TXS; i++) {
        wire_transaction_digest(slices[i], &digests[i]);
        const enum ingot_error error = mempool_add(mempool, slices[i], &digests[i], false, true);
        INGOT_ASSERT(error == INGOT_OK);
    }
    for (uint32_t i = 0; i < MICRO_BLOCK_TXS; i++)
        mempool_remove(mempool, &digests[i]);
}

static void end_mempool(void)
{
    mempool_free(mempool);
    end_transactions();
}

#define TXS MICRO_BLOCK_TXS

const struct micro_row micro_node_rows[] = {
    {"admit", "kv: admission of a client's transaction, all checks", TXS, NULL, begin_admission,
     prepare_admission, admit, end_admission},
    {"mempool", "mempool: digest, add, remove a transaction", TXS, NULL, begin_mempool,
     make_transactions, pass_mempool, end_mempool},
    {"null-build", "null: build a proposal of 1000; a transaction", TXS, "null", begin_chain,
     prepare_build, build, end_chain},
    {"kv-build", "kv: build a proposal of 1000; a transaction", TXS, "kv", begin_chain,
     prepare_build, build, end_chain},
    {"null-store", "null: ledger's sync of a block of 1000, in memory; a block", 1, "null",
     begin_chain, prepare_store, store, end_chain},
    {"kv-store", "kv: ledger's sync of a block of 1000, in memory; a block", 1, "kv", begin_chain,
     prepare_store, store, end_chain},
    {"null-commit", "null: commit of a stored block of 1000; a block", 1, "null", begin_chain,
     prepare_commit, commit, end_chain},
    {"kv-commit", "kv: commit of a stored block of 1000; a block", 1, "kv", begin_chain,
     prepare_commit, commit, end_chain},
    {"null-leader", "null: build, store, commit; a transaction", TXS, "null", begin_chain, advance,
     build_store_commit, end_chain},
    {"null-replica", "null: validate, store, commit; a transaction", TXS, "null", begin_chain,
     prepare_validate, validate_store_commit, end_chain},
    {"kv-leader", "kv: build, store, commit; a transaction", TXS, "kv", begin_chain, advance,
     build_store_commit, end_chain},
    {"kv-replica", "kv: validate, store, commit; a transaction", TXS, "kv", begin_chain,
     prepare_validate, validate_store_commit, end_chain},
    {.id = NULL}};
