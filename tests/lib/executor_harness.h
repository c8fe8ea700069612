/*
 * A chain and nodes made of store, ledger and executor alone, for tests of the executor: the test
 * decides which blocks exist, which are committed, and where. Nothing is signed.
 */
#ifndef INGOT_TESTS_EXECUTOR_HARNESS_H
#define INGOT_TESTS_EXECUTOR_HARNESS_H

#include "node/executor.h"

struct test_chain {
    struct validator_set *set;
    struct block *genesis;
};

void test_chain_init(struct test_chain *chain);
void test_chain_deinit(struct test_chain *chain);
/* The head of a block on `parent`: the caller fills or builds the rest. Owned by the caller. */
struct block *test_chain_child(const struct test_chain *chain, const struct block *parent,
                               uint64_t view);
/* A copy that the test may spoil; the hash is as in the original until it is sealed again. */
struct block *test_block_copy(const struct block *block);

struct test_node_options {
    const struct ingot_app *app;
    const struct crypto_scheme *scheme; /* NULL: fast_crypto, which takes any key */
    uint32_t replay_window_blocks;
    uint32_t block_payload_bytes_max;
    uint32_t transaction_bytes_max;
    uint32_t apply_blocks_max;
    uint32_t apply_puts_min;
    uint64_t retain_blocks; /* 0: all; older ones leave one by one */
};

struct test_node {
    const struct test_chain *chain;
    struct test_node_options options;
    struct ingot_store *store;
    struct ledger *ledger;
    struct executor *executor;
};

/* A limit of 0 stands for the default. */
void test_node_init(struct test_node *node, const struct test_chain *chain,
                    const struct test_node_options *options);
void test_node_deinit(struct test_node *node);
/* As after a crash: only what is durable is left. */
void test_node_restart(struct test_node *node);

/* Builds on `parent`; the block is stored. NULL and the error when nothing was built. */
struct block *test_node_build(struct test_node *node, const struct block *parent, uint64_t view,
                              const struct ingot_slice *candidates, uint32_t count,
                              enum ingot_error *error);
/* Validates; a valid block is stored. */
enum ingot_error test_node_validate(struct test_node *node, struct block *block, const char **why);
void test_node_commit(struct test_node *node, struct block *block);
void test_node_abandon(struct test_node *node, struct block *block);

#endif
