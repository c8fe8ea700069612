/*
 * Less work than fills a chain of four blocks, on a chain that otherwise sleeps. Goal: it commits
 * at once, not when more work or the next empty block comes. Method: real replicas in simulated
 * time, with a pause between empty blocks that is longer than the test waits.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "lib/cluster.h"

#define ALL 4
#define PAUSE_MS 10000
/* A handful of message delays of at most 2 ms each. */
#define AT_ONCE_MS 60

static bool all_is_committed(void *context, struct cluster *cluster)
{
    const uint64_t *goal = context;
    for (uint32_t i = 0; i < ALL; i++) {
        if (replica_mempool_count(cluster_replica(cluster, i)) > 0) {
            return false;
        }
    }
    return cluster_checks(cluster)->transactions_committed >= *goal;
}

/* So many transactions, 5 ms apart, so that each is in a block of its own. */
static void commit(struct cluster *cluster, uint32_t count)
{
    uint64_t goal = cluster_checks(cluster)->transactions_committed + count;
    for (uint32_t i = 0; i < count; i++) {
        cluster_submit_any(cluster, i % ALL);
        assert_true(cluster_run_ms(cluster, 5));
    }
    assert_true(cluster_run_while_not(cluster, AT_ONCE_MS, all_is_committed, &goal));
}

static void less_than_four_blocks_of_work_commit_at_once(void **state)
{
    (void)state;
    struct cluster_options options = cluster_default_options();
    options.empty_block_interval_ms = PAUSE_MS;
    struct cluster *cluster = cluster_new(&options);
    cluster_start_all(cluster);
    assert_true(cluster_run_ms(cluster, 2000));
    for (uint32_t count = 1; count <= 3; count++) {
        for (uint32_t again = 0; again < 8; again++) {
            commit(cluster, count);
            assert_true(cluster_run_ms(cluster, 1000));
        }
    }
    cluster_free(cluster);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(less_than_four_blocks_of_work_commit_at_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
