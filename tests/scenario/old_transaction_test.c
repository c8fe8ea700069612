/*
 * A node that is far behind still holds transactions that the others have committed long ago.
 * Goal: it brings nobody to commit them once more, and what its own client gives it meanwhile is
 * committed when it has caught up. Method: one of four hears nothing but transactions for many
 * times the replay window, while all that it says arrives.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "lib/cluster.h"

#define WINDOW 8
#define BEHIND 3

struct story {
    bool is_over;
    uint32_t shown; /* times that the one behind has shown what it holds */
};

static bool keeps_one_behind(void *context, uint32_t from, uint32_t to,
                             const struct message *message)
{
    struct story *story = context;
    story->shown += from == BEHIND && message->kind == MESSAGE_TRANSACTIONS;
    return to == BEHIND && message->kind != MESSAGE_TRANSACTIONS && !story->is_over;
}

static bool both_are_committed(void *context, struct cluster *cluster)
{
    (void)context;
    return cluster_checks(cluster)->transactions_committed == 2;
}

static void who_is_far_behind_brings_nobody_an_old_transaction(void **state)
{
    (void)state;
    struct cluster_options options = cluster_default_options();
    options.replay_window_blocks = WINDOW;
    options.empty_block_interval_ms = 50;
    struct cluster *cluster = cluster_new(&options);
    struct story story = {.is_over = false};
    cluster_set_intercept(cluster, keeps_one_behind, &story);
    cluster_start_all(cluster);
    /* Not through the leader, whose proposal would bring it. */
    cluster_submit_any(cluster, checks_leader(cluster_checks(cluster), 1) == 0 ? 1 : 0);
    assert_true(cluster_run_ms(cluster, 10000));
    assert_int_equal(cluster_committed(cluster, BEHIND), 0);
    assert_true(cluster_committed(cluster, 0) > 4 * WINDOW);
    assert_int_equal(replica_mempool_count(cluster_replica(cluster, BEHIND)), 1);
    assert_true(story.shown >= 3);
    assert_int_equal(cluster_checks(cluster)->transactions_committed, 1);

    cluster_submit_any(cluster, BEHIND);
    assert_true(cluster_run_ms(cluster, 2000));
    assert_int_equal(cluster_checks(cluster)->transactions_committed, 1);
    story.is_over = true;
    assert_true(cluster_run_while_not(cluster, 20000, both_are_committed, NULL));
    assert_int_equal(replica_mempool_count(cluster_replica(cluster, BEHIND)), 0);
    cluster_free(cluster);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(who_is_far_behind_brings_nobody_an_old_transaction),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
