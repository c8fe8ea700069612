/*
 * What a view costs while nothing goes wrong. Goal: no replica verifies a signature that it has
 * verified, or made, before; none syncs more than once a view, but where the lead is handed over.
 * Method: four real replicas in simulated time, with transactions all the while; what they verify
 * and sync is counted over many views, by the replicas themselves, and not timed.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>

#include "lib/cluster.h"

#define ALL 4
#define WARM_UP_VIEWS 10
#define VIEWS 100

/*
 * Of all four together, for each view: the proposer's vote at the three others, two votes where
 * they are collected, and of a certificate's three signatures those of the two at most that are
 * neither the proposer's nor one's own. Eight, if nobody had to see more than one new one.
 */
#define VERIFICATIONS_MAX 11

struct cost {
    uint64_t view;
    uint64_t verifications;
    uint64_t syncs;
    uint64_t timeouts;
    uint64_t transactions;
};

static struct cost cost_so_far(struct cluster *cluster)
{
    struct cost cost = {.view = cluster_max_view(cluster),
                        .transactions = cluster_checks(cluster)->transactions_committed};
    for (uint32_t i = 0; i < ALL; i++) {
        const struct metrics *metrics = replica_metrics(cluster_replica(cluster, i));
        cost.verifications += metrics->verifications;
        cost.syncs += metrics->sync.count;
        cost.timeouts += metrics->timeouts;
    }
    return cost;
}

static void run_to_view(struct cluster *cluster, uint64_t view)
{
    for (uint32_t i = 0; cluster_max_view(cluster) < view; i++) {
        cluster_submit_any(cluster, i % ALL);
        assert_true(cluster_run_ms(cluster, 1));
    }
}

static void run(uint64_t seed, struct cost *cost)
{
    struct cluster_options options = cluster_default_options();
    options.seed = seed;
    struct cluster *cluster = cluster_new(&options);
    cluster_start_all(cluster);
    run_to_view(cluster, WARM_UP_VIEWS);
    const struct cost before = cost_so_far(cluster);
    run_to_view(cluster, WARM_UP_VIEWS + VIEWS);
    const struct cost after = cost_so_far(cluster);
    cluster_free(cluster);
    *cost = (struct cost){.view = after.view - before.view,
                          .verifications = after.verifications - before.verifications,
                          .syncs = after.syncs - before.syncs,
                          .timeouts = after.timeouts - before.timeouts,
                          .transactions = after.transactions - before.transactions};
    print_message("seed %llu: %.2f verifications a view, %.2f syncs a view and replica\n",
                  (unsigned long long)seed, (double)cost->verifications / (double)cost->view,
                  (double)cost->syncs / (double)(cost->view * ALL));
}

/*
 * A vote, and the proposal that it is for, are one sync. Where another leads next, the old leader
 * shows the certificate that it forms to all, and what that commits may be durable before the new
 * leader's proposal comes: one more.
 */
static void a_view_costs_eleven_verifications_and_one_sync_at_most(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 5; seed++) {
        struct cost cost;
        run(seed, &cost);
        const uint64_t hand_overs = cost.view / cluster_default_options().leader_tenure + 1;
        assert_int_equal(cost.timeouts, 0);
        assert_true(cost.transactions > cost.view / 2);
        assert_in_range(cost.verifications, 1, VERIFICATIONS_MAX * cost.view);
        assert_in_range(cost.syncs, 1, ALL * (cost.view + hand_overs));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_view_costs_eleven_verifications_and_one_sync_at_most),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
