/*
 * How many transactions go into a block. Goal: one that comes alone waits for nothing but messages
 * and syncs; what comes while a block is under way goes into the next one together, so that more
 * load makes fuller blocks and not more of them; where more waits than a block may hold, blocks are
 * full. Method: four real replicas in simulated time; blocks and their transactions are counted.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "lib/cluster.h"
#include "lib/kv_model.h"

#define ALL 4u
#define TX_BYTES 60u
#define BLOCKS_MAX 4096u

/* What is proposed, by view. */
struct blocks {
    uint32_t count;   /* of those with transactions */
    uint32_t empty;   /* and without */
    uint64_t highest; /* view */
    uint32_t transactions[BLOCKS_MAX];
    size_t bytes[BLOCKS_MAX];
};

static struct blocks blocks;
static uint32_t made;

static bool looks_at_blocks(void *context, uint32_t from, uint32_t to,
                            const struct message *message)
{
    struct blocks *seen = context;
    (void)from;
    (void)to;
    if (message->kind != MESSAGE_PROPOSE || message->propose.block->view <= seen->highest) {
        return false;
    }
    const struct block *block = message->propose.block;
    seen->highest = block->view;
    if (block->transaction_count == 0) {
        seen->empty++;
        return false;
    }
    assert_true(seen->count < BLOCKS_MAX);
    seen->transactions[seen->count] = block->transaction_count;
    seen->bytes[seen->count++] = block->payload.size;
    return false;
}

/* A put of a key that is not the model's. */
static void submit(struct cluster *cluster, uint32_t node)
{
    char text[TX_BYTES];
    memset(text, 'x', sizeof text);
    const int size = snprintf(text, sizeof text, "load%u=", made++);
    text[size] = 'x';
    const struct ingot_slice transaction = ingot_slice_of(text, sizeof text);
    kv_model_add_change(cluster_model(cluster), transaction);
    assert_int_equal(cluster_submit(cluster, node, transaction), INGOT_OK);
}

static uint64_t committed(struct cluster *cluster)
{
    return cluster_checks(cluster)->transactions_committed;
}

static bool all_is_done(void *context, struct cluster *cluster)
{
    (void)context;
    for (uint32_t i = 0; i < ALL; i++) {
        if (replica_mempool_count(cluster_replica(cluster, i)) > 0) {
            return false;
        }
    }
    return committed(cluster) == made;
}

static struct cluster *start(struct cluster_options *options)
{
    memset(&blocks, 0, sizeof blocks);
    made = 0;
    options->mempool_bytes_max = 16 << 20;
    struct cluster *cluster = cluster_new(options);
    cluster_set_intercept(cluster, looks_at_blocks, &blocks);
    cluster_start_all(cluster);
    assert_true(cluster_run_ms(cluster, 500));
    blocks.count = 0;
    blocks.empty = 0;
    return cluster;
}

/* --- One client, one transaction at a time. --- */

#define DELAY_US 1000
/* To the leader; its block and the votes; two more views of two messages each; and what tells the
 * others. */
#define MESSAGES_MAX 8
#define BLOCKS_FOR_ONE 3

static void a_lone_transaction_waits_for_nothing_but_messages(void **state)
{
    (void)state;
    struct cluster_options options = cluster_default_options();
    options.empty_block_interval_ms = 10000;
    struct cluster *cluster = start(&options);
    const struct cluster_link link = {.delay_min_us = DELAY_US, .delay_max_us = DELAY_US};
    cluster_set_all_links(cluster, &link);
    assert_true(cluster_run_ms(cluster, 1000));
    for (uint32_t i = 0; i < 40; i++) {
        const uint64_t begin_us = cluster_now_us(cluster);
        const uint32_t before = blocks.count + blocks.empty;
        submit(cluster, i % ALL);
        assert_true(cluster_run_while_not(cluster, 1000, all_is_done, NULL));
        /* Half a message's time is more than all turns of the replicas take. */
        assert_in_range(cluster_now_us(cluster) - begin_us, 1,
                        MESSAGES_MAX * DELAY_US + DELAY_US / 2);
        assert_int_equal(blocks.count, i + 1);
        /* Two on top of it commit it, and nothing makes another one then. */
        assert_in_range(blocks.count + blocks.empty - before, 1, BLOCKS_FOR_ONE);
        assert_true(cluster_run_ms(cluster, 100));
    }
    assert_int_equal(cluster_timeouts_of_all(cluster), 0);
    cluster_free(cluster);
}

/* --- Clients that hand in so many in each millisecond. --- */

#define WARM_UP_MS 100
#define LOAD_MS 400

static void load(struct cluster *cluster, uint32_t each_ms, uint32_t duration_ms)
{
    for (uint32_t i = 0; i < duration_ms; i++) {
        for (uint32_t j = 0; j < each_ms; j++) {
            submit(cluster, made % ALL);
        }
        assert_true(cluster_run_ms(cluster, 1));
    }
}

/* Blocks with transactions, and their transactions, while the load lasts. */
static void count_under_load(uint32_t each_ms, uint32_t *block_count, uint32_t *transactions)
{
    struct cluster_options options = cluster_default_options();
    struct cluster *cluster = start(&options);
    for (uint32_t i = 0; i < ALL; i++) {
        cluster_set_disk(cluster, i, 1000, 1000);
    }
    load(cluster, each_ms, WARM_UP_MS);
    const uint32_t before = blocks.count;
    load(cluster, each_ms, LOAD_MS);
    *block_count = blocks.count - before;
    *transactions = 0;
    for (uint32_t i = before; i < blocks.count; i++) {
        *transactions += blocks.transactions[i];
    }
    assert_true(cluster_run_while_not(cluster, 1000, all_is_done, NULL));
    assert_int_equal(cluster_timeouts_of_all(cluster), 0);
    cluster_free(cluster);
}

static void eight_times_the_load_makes_fuller_blocks_and_not_more(void **state)
{
    (void)state;
    uint32_t blocks_light = 0;
    uint32_t blocks_heavy = 0;
    uint32_t light = 0;
    uint32_t heavy = 0;
    count_under_load(2, &blocks_light, &light);
    count_under_load(16, &blocks_heavy, &heavy);
    print_message("%u transactions in %u blocks, %u in %u\n", light, blocks_light, heavy,
                  blocks_heavy);
    /* All that has come is in a block, but for the last views. */
    assert_in_range(light, 2 * LOAD_MS * 9 / 10, 2 * LOAD_MS * 11 / 10);
    assert_in_range(heavy, 16 * LOAD_MS * 9 / 10, 16 * LOAD_MS * 11 / 10);
    assert_in_range(blocks_heavy, 10, blocks_light * 5 / 4);
}

static void blocks_are_full_while_more_waits_than_they_hold(void **state)
{
    (void)state;
    enum { LIMIT = 8192, IN_A_BLOCK = LIMIT / (TX_BYTES + 4), WAITING = 40 * IN_A_BLOCK };
    struct cluster_options options = cluster_default_options();
    options.block_payload_bytes_max = LIMIT;
    struct cluster *cluster = start(&options);
    for (uint32_t i = 0; i < WAITING; i++) {
        submit(cluster, i % ALL);
    }
    assert_true(cluster_run_while_not(cluster, 5000, all_is_done, NULL));
    /* The first block takes what its leader has heard of, and the last what is left. */
    assert_in_range(blocks.count, WAITING / IN_A_BLOCK, WAITING / IN_A_BLOCK + 2);
    for (uint32_t i = 1; i + 2 < blocks.count; i++) {
        assert_int_equal(blocks.transactions[i], IN_A_BLOCK);
    }
    assert_int_equal(cluster_timeouts_of_all(cluster), 0);
    cluster_free(cluster);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_lone_transaction_waits_for_nothing_but_messages),
        cmocka_unit_test(eight_times_the_load_makes_fuller_blocks_and_not_more),
        cmocka_unit_test(blocks_are_full_while_more_waits_than_they_hold),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
