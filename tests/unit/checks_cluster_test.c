/*
 * The checkers of the simulator that look at replicas and at what clients were told. Goal: each
 * fires on what is wrong in its own way, and on nothing that is right. Method: a cluster runs, and
 * what a replica or a client knows is changed behind its back. checks_test.c has the others.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "core/state.h"
#include "lib/checks_replica.h"
#include "lib/cluster.h"
#include "node/replica_state.h"
#include "node/sync_client_state.h"

static int start(void **state)
{
    const struct cluster_options options = cluster_default_options();
    struct cluster *cluster = cluster_new(&options);
    cluster_start_all(cluster);
    for (uint32_t i = 0; i < 20; i++) {
        cluster_submit_any(cluster, i % 4);
    }
    *state = cluster;
    return cluster_run_ms(cluster, 2000) ? 0 : -1;
}

static int stop(void **state)
{
    cluster_free(*state);
    return 0;
}

static void expect_in(struct cluster *cluster, enum check check)
{
    const struct checks *checks = cluster_checks(cluster);
    if (checks->violated != check) {
        fail_msg("'%s' was expected, and seen: '%s': %s", check_text(check),
                 check_text(checks->violated), checks->violation);
    }
}

/* Some operation that is committed, or is not. */
static struct kv_operation *operation(struct cluster *cluster, bool is_committed)
{
    struct table *operations = &cluster_model(cluster)->operations;
    for (uint32_t i = 0; i < operations->capacity; i++) {
        struct kv_operation *found = operations->slots[i].value;
        if (found != NULL && (found->commit_height != 0) == is_committed) {
            return found;
        }
    }
    return NULL;
}

static void look_up(struct cluster *cluster)
{
    struct ledger *ledger = replica_ledger(cluster_replica(cluster, 1));
    checks_clients(cluster_checks(cluster), 1, ledger);
    if (cluster_checks(cluster)->committed_count == ledger_committed_height(ledger) + 1) {
        checks_chain_of(cluster_checks(cluster), 1, ledger);
    }
}

static void what_was_acknowledged_is_there(void **state)
{
    look_up(*state);
    expect_in(*state, CHECK_NONE);
}

static void a_transaction_that_was_acknowledged_elsewhere_is_missed(void **state)
{
    operation(*state, true)->commit_height += 1;
    look_up(*state);
    expect_in(*state, CHECK_ACKNOWLEDGED);
}

static void a_transaction_that_nobody_has_acknowledged_is_noticed(void **state)
{
    operation(*state, true)->commit_height = 0;
    look_up(*state);
    expect_in(*state, CHECK_ACKNOWLEDGED);
}

static void a_transaction_that_is_lost_is_missed(void **state)
{
    cluster_submit_any(*state, 0);
    operation(*state, false)->commit_height = 1;
    look_up(*state);
    expect_in(*state, CHECK_ACKNOWLEDGED);
}

static void another_result_than_the_acknowledged_one_is_noticed(void **state)
{
    operation(*state, true)->code = 77;
    look_up(*state);
    expect_in(*state, CHECK_ACKNOWLEDGED);
}

static void look_inside(struct cluster *cluster)
{
    checks_replica(cluster_checks(cluster), 1, cluster_replica(cluster, 1));
}

static void blame_of_an_honest_peer_is_noticed(void **state)
{
    struct replica *replica = cluster_replica(*state, 1);
    sync_peer_fault(replica->sync_client, 0, 2, SYNC_FAULT_STALLED);
    look_inside(*state);
    expect_in(*state, CHECK_NONE);
    sync_peer_fault(replica->sync_client, 0, 2, SYNC_FAULT_INVALID);
    look_inside(*state);
    expect_in(*state, CHECK_BLAME);
}

static void buffers_above_their_caps_are_noticed(void **state)
{
    struct replica *replica = cluster_replica(*state, 1);
    replica->core->tree.size_bytes += INGOT_TREE_BYTES_MAX;
    look_inside(*state);
    expect_in(*state, CHECK_CAPS);
}

static void a_sum_that_is_not_what_is_held_is_noticed(void **state)
{
    struct replica *replica = cluster_replica(*state, 1);
    replica->sync_client->held_bytes++;
    look_inside(*state);
    replica->sync_client->held_bytes--;
    expect_in(*state, CHECK_CAPS);
}

static void a_pool_above_its_cap_is_noticed(void **state)
{
    struct replica *replica = cluster_replica(*state, 1);
    cluster_submit_any(*state, 1);
    replica->options.mempool_bytes_max = 1;
    look_inside(*state);
    expect_in(*state, CHECK_CAPS);
}

static void a_core_that_breaks_its_own_invariants_is_noticed(void **state)
{
    struct core *core = cluster_replica(*state, 1)->core;
    core->safety.locked.view = core->safety.current.view + 1000;
    look_inside(*state);
    expect_in(*state, CHECK_INVARIANT);
}

static void a_restart_below_what_was_reported_is_noticed(void **state)
{
    struct cluster *cluster = *state;
    cluster_checks(cluster)->nodes[1].committed_height += 5;
    cluster_crash(cluster, 1);
    cluster_start(cluster, 1);
    expect_in(cluster, CHECK_COMMITTED_STAYS);
}

#define CLUSTER(name) cmocka_unit_test_setup_teardown(name, start, stop)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CLUSTER(what_was_acknowledged_is_there),
        CLUSTER(a_transaction_that_was_acknowledged_elsewhere_is_missed),
        CLUSTER(a_transaction_that_nobody_has_acknowledged_is_noticed),
        CLUSTER(a_transaction_that_is_lost_is_missed),
        CLUSTER(another_result_than_the_acknowledged_one_is_noticed),
        CLUSTER(blame_of_an_honest_peer_is_noticed),
        CLUSTER(buffers_above_their_caps_are_noticed),
        CLUSTER(a_sum_that_is_not_what_is_held_is_noticed),
        CLUSTER(a_pool_above_its_cap_is_noticed),
        CLUSTER(a_core_that_breaks_its_own_invariants_is_noticed),
        CLUSTER(a_restart_below_what_was_reported_is_noticed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
