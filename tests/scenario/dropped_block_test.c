/*
 * A block that loses its view: all had it, nobody certified it, and the next leader builds beside
 * it. Goal: its transactions are proposed again by those who saw the block, and commit once.
 * Method: clients' transactions reach the first leader only, the votes for its block are dropped,
 * and then it dies.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "lib/cluster.h"

#define ALL 4
#define NOBODY UINT32_MAX

struct story {
    uint64_t view; /* of the block with transactions; 0: none yet */
    uint32_t leader;
    struct ingot_hash block;
};

static bool drops_the_block(void *context, uint32_t from, uint32_t to,
                            const struct message *message)
{
    struct story *story = context;
    (void)to;
    if (message->kind == MESSAGE_PROPOSE && story->view == 0 &&
        message->propose.block->transaction_count > 0) {
        story->view = message->propose.block->view;
        story->block = message->propose.block->hash;
        story->leader = from;
    }
    return (message->kind == MESSAGE_TRANSACTIONS && from == story->leader) ||
           (message->kind == MESSAGE_VOTE && message->vote.view == story->view);
}

static bool has_block(void *context, struct cluster *cluster)
{
    const struct story *story = context;
    for (uint32_t i = 0; i < ALL && story->view != 0; i++) {
        if (core_find_block(replica_core(cluster_replica(cluster, i)), &story->block) == NULL) {
            return false;
        }
    }
    return story->view != 0;
}

static bool all_three_are_committed(void *context, struct cluster *cluster)
{
    (void)context;
    return cluster_checks(cluster)->transactions_committed >= 3;
}

static void transactions_of_a_block_that_was_dropped_commit_once(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 10; seed++) {
        struct cluster_options options = cluster_default_options();
        options.seed = seed;
        struct cluster *cluster = cluster_new(&options);
        struct story story = {.leader = NOBODY};
        cluster_set_intercept(cluster, drops_the_block, &story);
        cluster_start_all(cluster);
        assert_true(cluster_run_ms(cluster, 1000 + 37 * seed));
        story.leader =
            checks_leader(cluster_checks(cluster), cluster_status(cluster, 0).current.view);
        for (uint32_t i = 0; i < 3; i++) {
            cluster_submit_any(cluster, story.leader);
        }
        assert_true(cluster_run_while_not(cluster, 10000, has_block, &story));
        cluster_crash(cluster, story.leader);

        assert_true(cluster_run_while_not(cluster, 10000, all_three_are_committed, NULL));
        assert_true(cluster_run_ms(cluster, 5000));
        assert_int_equal(cluster_checks(cluster)->transactions_committed, 3);
        assert_false(checks_find_block(cluster_checks(cluster), &story.block)->is_final);
        cluster_free(cluster);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(transactions_of_a_block_that_was_dropped_commit_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
