/*
 * What a seed stands for: the network, its faults, who is dead and who lies. Earlier seeds keep
 * their meaning only as long as the draws keep their order.
 */
#include "sim/swarm_state.h"

static void draw_powers(struct swarm *swarm)
{
    struct plan *plan = &swarm->plan;
    const bool is_unequal = prng_chance(&swarm->prng, MILLION / 4);
    for (uint32_t i = 0; i < plan->cluster.validators; i++) {
        plan->powers[i] = is_unequal ? prng_between(&swarm->prng, 1, 9) : 1;
    }
    plan->has_unequal_powers = is_unequal;
}

/* Chooses who is dead, as long as the rest has more than two thirds of the power. */
static void draw_dead(struct swarm *swarm)
{
    struct plan *plan = &swarm->plan;
    const struct validator_set *set = cluster_set(swarm->cluster);
    uint32_t wanted = swarm->options->dead;
    if (wanted == SWARM_DEAD_DRAWN) {
        wanted = draw_class(&swarm->prng, 0, (set->count - 1) / 3);
    }
    uint64_t power = 0;
    for (uint32_t tries = 0; tries < 64 && plan->dead_count < wanted; tries++) {
        const uint32_t node = draw(&swarm->prng, 0, set->count - 1);
        if (!plan->is_dead[node] && power + set->validators[node].power < set->one_honest_power) {
            plan->is_dead[node] = true;
            plan->dead_count++;
            power += set->validators[node].power;
        }
    }
    plan->dies_at_start =
        swarm->options->dead != SWARM_DEAD_DRAWN || prng_chance(&swarm->prng, MILLION / 2);
}

/* Some of those that would be dead lie instead. */
static void draw_byzantine(struct swarm *swarm)
{
    struct plan *plan = &swarm->plan;
    struct prng *prng = &swarm->prng;
    const uint64_t habits_seen = byzantine_draw(prng, swarm->options->changes);
    const bool has_any = prng_chance(prng, MILLION / 3);
    if (swarm->options->no_faults || swarm->options->no_byzantine || !has_any ||
        swarm->options->dead != SWARM_DEAD_DRAWN) {
        return;
    }
    const struct validator_set *set = cluster_set(swarm->cluster);
    uint64_t power = 0;
    for (uint32_t i = 0; i < set->count; i++) {
        power += plan->is_dead[i] ? set->validators[i].power : 0;
    }
    for (uint32_t tries = 0; tries < 16; tries++) {
        const uint32_t node = draw(prng, 0, set->count - 1);
        const uint64_t more = plan->is_dead[node] ? 0 : set->validators[node].power;
        if (plan->habits[node] != 0 || power + more >= set->one_honest_power) {
            continue;
        }
        power += more;
        plan->dead_count -= plan->is_dead[node];
        plan->is_dead[node] = false;
        plan->habits[node] = habits_seen;
        plan->byzantine_count++;
        cluster_set_byzantine(swarm->cluster, node, habits_seen);
    }
}

static void draw_timing(struct swarm *swarm)
{
    static const uint32_t tenures[] = {4, 4, 4, 5, 8};
    static const uint32_t empty_intervals_ms[] = {0, 20, 100, 500, 1000, 5000};
    struct prng *prng = &swarm->prng;
    struct plan *plan = &swarm->plan;
    plan->cluster.seed = swarm->options->seed;
    plan->cluster.powers = plan->powers;
    plan->cluster.trace = swarm->options->trace;
    plan->cluster.leader_tenure = tenures[prng_below(prng, 5)];
    plan->cluster.base_timeout_ms = draw(prng, 200, 800);
    plan->cluster.empty_block_interval_ms = empty_intervals_ms[prng_below(prng, 6)];
    plan->cluster.timeout_resend_ms = draw(prng, 200, 800);
    plan->cluster.advertise_interval_ms = draw(prng, 300, 2000);
    plan->cluster.fetch_timeout_ms = draw(prng, 50, 400);
    if (prng_chance(prng, MILLION / 5)) {
        plan->cluster.replay_window_blocks = draw(prng, 1, 16);
    }
    if (prng_chance(prng, MILLION / 5)) {
        plan->cluster.block_payload_bytes_max = draw(prng, 200, 2000);
    }
    if (prng_chance(prng, MILLION / 5)) {
        plan->cluster.mempool_bytes_max = draw(prng, 2000, 20000);
    }
    plan->transaction_interval_ms = draw_class(prng, 1, 400);
    plan->burst_max = draw(prng, 1, 10);
}

static void draw_faults(struct swarm *swarm)
{
    struct prng *prng = &swarm->prng;
    struct plan *plan = &swarm->plan;
    plan->link.delay_min_us = draw(prng, 100, 2000);
    plan->link.delay_max_us = plan->link.delay_min_us + draw(prng, 0, 20000);
    if (swarm->options->no_faults) {
        return;
    }
    /* Deaths alone expose little of what can go wrong while a set changes: loss and partition do.
     */
    const bool has_all = swarm->options->changes;
    plan->link.loss = has_all ? draw(prng, 1000, 200000) : draw_class(prng, 1000, 200000);
    plan->link.duplicate = draw_class(prng, 1000, 300000);
    plan->link.late = draw_class(prng, 1000, 300000);
    plan->link.late_us = draw(prng, 1000, 2000000);
    plan->fault_interval_ms = draw(prng, 20, 3000);
    plan->down_ms_max = draw(prng, 1, 5000);
    plan->partition = has_all ? draw(prng, 10000, 300000) : draw_class(prng, 10000, 300000);
    plan->asymmetric = draw_class(prng, 10000, 300000);
    plan->crash = draw_class(prng, 10000, 300000);
    plan->crash_in_send = draw_class(prng, 10000, 300000);
    plan->crash_all = draw_class(prng, 1000, 50000);
    plan->fail_write = draw_class(prng, 10000, 200000);
    plan->slow_disk = draw_class(prng, 10000, 200000);
    plan->pause = draw_class(prng, 10000, 200000);
    plan->wall_jump = draw_class(prng, 10000, 200000);
    plan->submit_again = draw_class(prng, 10000, 500000);
}

/* How many members genesis has, and how many nodes are outside. */
static void draw_nodes(struct swarm *swarm)
{
    struct cluster_options *cluster = &swarm->plan.cluster;
    const uint32_t wanted = swarm->options->validators;
    *cluster = cluster_default_options();
    if (swarm->options->changes) {
        cluster->validators = draw(&swarm->prng, 1, SWARM_MEMBERS_MAX);
        cluster->validators = wanted == 0 ? cluster->validators : wanted;
        cluster->observers = draw(&swarm->prng, 1, CHECKS_NODES_MAX - SWARM_MEMBERS_MAX);
        if (cluster->validators + cluster->observers > CHECKS_NODES_MAX) {
            cluster->observers = CHECKS_NODES_MAX - cluster->validators;
        }
    } else if (wanted != 0) {
        cluster->validators = wanted;
    }
}

void plan_before_cluster(struct swarm *swarm)
{
    draw_nodes(swarm);
    draw_powers(swarm);
    draw_timing(swarm);
    struct cluster_options *cluster = &swarm->plan.cluster;
    if (swarm->options->changes && cluster->validators == 1 &&
        cluster->empty_block_interval_ms == 0) {
        cluster->empty_block_interval_ms = 20; /* as is_bearable has it for later sets */
    }
}

void plan_with_cluster(struct swarm *swarm)
{
    draw_dead(swarm);
    draw_faults(swarm);
    draw_byzantine(swarm);
    if (swarm->options->changes) {
        changes_plan(swarm);
    }
}
