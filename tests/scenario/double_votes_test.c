/*
 * Members that vote twice, in a network. Goal: the honest ones come to keep evidence against them,
 * as leaders and as voters, in every epoch, and still have it after all have crashed; and no honest
 * one is ever accused, whatever crashes and whenever (the cluster's checkers see to that). Method:
 * four replicas, one of which lies in one way; everything else of the network is sound.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "lib/cluster.h"
#include "node/ledger_evidence.h"

#define VALIDATORS 4
#define LIAR 3
#define LIMIT_MS 60000

struct wanted {
    uint64_t epoch;
    bool as_leader;
};

static struct cluster *begin(uint64_t seed, uint64_t habits)
{
    struct cluster_options options = cluster_default_options();
    options.seed = seed;
    options.empty_block_interval_ms = 20;
    struct cluster *cluster = cluster_new(&options);
    cluster_set_byzantine(cluster, LIAR, habits);
    cluster_start_all(cluster);
    return cluster;
}

static void end(struct cluster *cluster)
{
    assert_int_equal(cluster_checks(cluster)->violated, CHECK_NONE);
    cluster_free(cluster);
}

static const struct ingot_evidence *kept(struct cluster *cluster, uint32_t node, uint32_t *count)
{
    return ledger_evidence(replica_ledger(cluster_replica(cluster, node)), count);
}

static bool is_kept_by(struct cluster *cluster, uint32_t node, const struct wanted *wanted)
{
    uint32_t count = 0;
    const struct ingot_evidence *all = kept(cluster, node, &count);
    for (uint32_t i = 0; i < count; i++) {
        if (all[i].epoch == wanted->epoch && all[i].is_leader == wanted->as_leader) {
            return true;
        }
    }
    return false;
}

static bool is_kept(void *context, struct cluster *cluster)
{
    for (uint32_t i = 0; i < VALIDATORS; i++) {
        if (i != LIAR && cluster_is_up(cluster, i) && is_kept_by(cluster, i, context)) {
            return true;
        }
    }
    return false;
}

static void await(struct cluster *cluster, uint64_t epoch, bool as_leader)
{
    struct wanted wanted = {.epoch = epoch, .as_leader = as_leader};
    if (!cluster_run_while_not(cluster, LIMIT_MS, is_kept, &wanted)) {
        print_message("violated: %s\n", check_text(cluster_checks(cluster)->violated));
        fail_msg("no evidence of epoch %llu", (unsigned long long)epoch);
    }
}

/* --- The stories. --- */

static void a_leader_that_proposes_two_blocks_is_named(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 5; seed++) {
        struct cluster *cluster = begin(seed, BYZANTINE_BIT(BYZANTINE_EQUIVOCATES));
        await(cluster, 0, true);
        end(cluster);
    }
}

static void a_voter_for_two_blocks_is_named(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 5; seed++) {
        struct cluster *cluster = begin(seed, BYZANTINE_BIT(BYZANTINE_FLOODS_VOTES));
        await(cluster, 0, false);
        end(cluster);
    }
}

static void what_is_kept_outlives_a_crash_of_all(void **state)
{
    (void)state;
    struct cluster *cluster = begin(1, BYZANTINE_BIT(BYZANTINE_EQUIVOCATES));
    uint32_t before[VALIDATORS] = {0};
    await(cluster, 0, true);
    for (uint32_t i = 0; i < VALIDATORS; i++) {
        (void)kept(cluster, i, &before[i]);
        cluster_crash(cluster, i);
    }
    cluster_start_all(cluster);
    for (uint32_t i = 0; i < VALIDATORS; i++) {
        uint32_t after = 0;
        (void)kept(cluster, i, &after);
        assert_int_equal(after, before[i]);
    }
    assert_true(cluster_run_ms(cluster, 2000));
    end(cluster);
}

/* The same members, one with more power: another set, another epoch, the same liar. */
static void a_liar_is_named_again_in_the_next_epoch(void **state)
{
    (void)state;
    struct cluster *cluster =
        begin(3, BYZANTINE_BIT(BYZANTINE_FLOODS_VOTES) | BYZANTINE_BIT(BYZANTINE_EQUIVOCATES));
    await(cluster, 0, false);
    struct set_app_powers powers = cluster_powers(cluster);
    powers.of[0] = 2;
    assert_int_equal(cluster_submit_change(cluster, 0, &powers), INGOT_OK);
    await(cluster, 1, false);
    await(cluster, 1, true);
    end(cluster);
}

/* Votes that were cast before a crash come again after it; each is said once in its view. */
static void nobody_honest_is_named_though_all_crash_again_and_again(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 5; seed++) {
        struct cluster *cluster =
            begin(seed, BYZANTINE_BIT(BYZANTINE_EQUIVOCATES) | BYZANTINE_BIT(BYZANTINE_REPLAYS));
        for (uint32_t round = 0; round < 20; round++) {
            for (uint32_t i = 0; i < VALIDATORS; i++) {
                cluster_crash_after_sends(cluster, i, (uint32_t)(seed + round + 3 * i) % 17);
            }
            assert_true(cluster_run_ms(cluster, 300));
            for (uint32_t i = 0; i < VALIDATORS; i++) {
                cluster_cancel_faults(cluster, i);
                if (!cluster_is_up(cluster, i)) {
                    cluster_start(cluster, i);
                }
            }
            assert_true(cluster_run_ms(cluster, 300));
        }
        end(cluster);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_leader_that_proposes_two_blocks_is_named),
        cmocka_unit_test(a_voter_for_two_blocks_is_named),
        cmocka_unit_test(what_is_kept_outlives_a_crash_of_all),
        cmocka_unit_test(a_liar_is_named_again_in_the_next_epoch),
        cmocka_unit_test(nobody_honest_is_named_though_all_crash_again_and_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
