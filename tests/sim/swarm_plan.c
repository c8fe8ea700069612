/*
 * What a seed stands for: the network, its faults, who is dead and who lies. Earlier seeds keep
 * their meaning only as long as the draws keep their order.
 */
#include "sim/swarm_state.h"

bool swarm_is_without(const struct swarm_options *options, enum cluster_fault fault)
{
    return (options->without >> fault & 1) != 0;
}

static void draw_powers(struct swarm *swarm)
{
    struct plan *plan = &swarm->plan;
    const bool is_unequal = prng_chance(&swarm->prng, MILLION / 4);
    for (uint32_t i = 0; i < plan->cluster.validators; i++) {
        plan->powers[i] = is_unequal ? prng_between(&swarm->prng, 1, 9) : 1;
    }
    plan->has_unequal_powers = is_unequal;
}

/* The power of those who may do what nobody may rely on; more must stay below a third of all. */
static uint64_t faulty_power(const struct swarm *swarm)
{
    const struct validator_set *set = cluster_set(swarm->cluster);
    uint64_t power = 0;
    for (uint32_t i = 0; i < set->count; i++) {
        const bool is_faulty =
            swarm->plan.is_dead[i] || swarm->plan.habits[i] != 0 || disks_is_victim(swarm, i);
        power += is_faulty ? set->validators[i].power : 0;
    }
    return power;
}

/* Another member that may be faulty as well, or VALIDATOR_NONE. */
static uint32_t draw_member(struct swarm *swarm)
{
    const struct validator_set *set = cluster_set(swarm->cluster);
    const struct plan *plan = &swarm->plan;
    for (uint32_t tries = 0; tries < 64; tries++) {
        const uint32_t node = draw(&swarm->prng, 0, set->count - 1);
        if (!plan->is_dead[node] && plan->habits[node] == 0 && !disks_is_victim(swarm, node) &&
            faulty_power(swarm) + set->validators[node].power < set->one_honest_power) {
            return node;
        }
    }
    return VALIDATOR_NONE;
}

/* So many are dead, as long as the rest has more than two thirds of the power. */
static void draw_dead(struct swarm *swarm)
{
    struct plan *plan = &swarm->plan;
    const struct validator_set *set = cluster_set(swarm->cluster);
    uint32_t wanted = swarm->options->dead;
    if (wanted == SWARM_DEAD_DRAWN) {
        wanted = draw_class(&swarm->prng, 0, (set->count - 1) / 3);
        wanted = swarm_is_without(swarm->options, FAULT_DEAD) ? 0 : wanted;
    }
    for (uint32_t node = 0; plan->dead_count < wanted && node != VALIDATOR_NONE;) {
        node = draw_member(swarm);
        if (node != VALIDATOR_NONE) {
            plan->is_dead[node] = true;
            plan->dead_count++;
        }
    }
    plan->dies_at_start =
        swarm->options->dead != SWARM_DEAD_DRAWN || prng_chance(&swarm->prng, MILLION / 2);
}

/* In eight of ten seeds that bear a liar some lie, often as many as may: so half of all have one.
 */
static void draw_byzantine(struct swarm *swarm)
{
    struct plan *plan = &swarm->plan;
    struct prng *prng = &swarm->prng;
    const uint64_t habits_seen =
        byzantine_draw(prng, swarm->options->changes) & ~swarm->options->without_habits;
    const bool has_any = prng_chance(prng, 8 * (MILLION / 10));
    const bool has_one = prng_chance(prng, MILLION / 3);
    if (swarm->options->no_faults || swarm->options->no_byzantine || !has_any || habits_seen == 0 ||
        swarm->options->dead != SWARM_DEAD_DRAWN) {
        return;
    }
    const uint32_t wanted = has_one ? 1 : CHECKS_NODES_MAX;
    while (plan->byzantine_count < wanted) {
        const uint32_t node = draw_member(swarm);
        if (node == VALIDATOR_NONE) {
            return;
        }
        plan->habits[node] = habits_seen;
        plan->byzantine_count++;
        cluster_set_byzantine(swarm->cluster, node, habits_seen);
    }
}

/* The disks of some may be lost, or old copies take their places. */
static void draw_victims(struct swarm *swarm)
{
    static const enum cluster_fault kinds[] = {FAULT_LOST_DISK, FAULT_OLD_COPY, FAULT_BACKUP};
    struct prng *prng = &swarm->prng;
    struct plan *plan = &swarm->plan;
    const uint32_t wanted = draw_class(prng, 1, 3);
    if (swarm->options->no_faults || swarm->options->dead != SWARM_DEAD_DRAWN) {
        return;
    }
    for (uint32_t i = 0; i < wanted; i++) {
        const enum cluster_fault kind = kinds[prng_below(prng, 3)];
        const uint32_t node = draw_member(swarm);
        const bool is_excluded = kind == FAULT_OLD_COPY && swarm->options->no_byzantine;
        if (node != VALIDATOR_NONE && !is_excluded && !swarm_is_without(swarm->options, kind)) {
            plan->victim[node] = kind;
            plan->victim_count++;
        }
    }
}

static void draw_timing(struct swarm *swarm)
{
    static const uint32_t tenures[] = {4, 4, 16, 5, 8};
    static const uint32_t empty_intervals_ms[] = {0, 20, 100, 500, 1000, 5000};
    struct prng *prng = &swarm->prng;
    struct plan *plan = &swarm->plan;
    plan->cluster.seed = swarm->options->seed;
    plan->cluster.powers = plan->powers;
    plan->cluster.trace = swarm->options->trace;
    /* The stand-in is many times as fast; the real one once in a while. */
    if (prng_chance(prng, MILLION / 64) && !swarm_is_without(swarm->options, FAULT_REAL_CRYPTO)) {
        plan->cluster.scheme = &crypto_ed25519;
    }
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
    /* From "names whatever it can" to "names hardly ever". */
    static const uint32_t compact_from[] = {0, 0, 100, INGOT_COMPACT_PAYLOAD_BYTES_MIN};
    plan->cluster.compact_payload_bytes_min = compact_from[swarm->options->seed % 4];
    plan->cluster.awaits_few = swarm->options->seed / 4 % 2 == 0;
    plan->transaction_interval_ms = draw_class(prng, 1, 400);
    plan->burst_max = draw(prng, 1, 10);
}

/* How likely each class may be: for each frame, or each time that something happens. */
static const struct {
    uint32_t low;
    uint32_t high;
} chances[CLUSTER_FAULTS] = {
    [FAULT_LOSS] = {1000, 200000},
    [FAULT_DELAY] = {1000, 300000},
    [FAULT_DUPLICATION] = {1000, 300000},
    [FAULT_CORRUPTION] = {100, 50000},
    [FAULT_PARTITION] = {10000, 300000},
    [FAULT_ONE_WAY_CUT] = {10000, 300000},
    [FAULT_SLOW_LINK] = {10000, 300000},
    [FAULT_CLOGGED_LINK] = {10000, 300000},
    [FAULT_CRASH] = {10000, 300000},
    [FAULT_CRASH_IN_SEND] = {10000, 300000},
    [FAULT_CRASH_ALL] = {1000, 50000},
    [FAULT_CRASH_BEFORE_WRITE] = {10000, 200000},
    [FAULT_CRASH_AFTER_WRITE] = {10000, 200000},
    [FAULT_PAUSE] = {10000, 200000},
    [FAULT_CLOCK_JUMP] = {10000, 200000},
    [FAULT_CLOCK_DRIFT] = {10000, 200000},
    [FAULT_REFUSED_WRITE] = {10000, 200000},
    [FAULT_LOST_WRITE] = {10000, 200000},
    [FAULT_APPLIED_WRITE] = {10000, 200000},
    [FAULT_FULL_DISK] = {10000, 200000},
    [FAULT_SLOW_DISK] = {10000, 200000},
    [FAULT_DAMAGED_RECORD] = {10000, 200000},
    /* Of those to whom it may happen. */
    [FAULT_LOST_DISK] = {20000, 500000},
    [FAULT_OLD_COPY] = {20000, 500000},
    [FAULT_BACKUP] = {20000, 500000},
};

static void draw_chances(struct swarm *swarm)
{
    struct prng *prng = &swarm->prng;
    struct plan *plan = &swarm->plan;
    for (uint32_t i = 0; i < CLUSTER_FAULTS; i++) {
        const uint32_t chance = draw(prng, chances[i].low, chances[i].high);
        const bool is_on = prng_chance(prng, MILLION / 2);
        /* Deaths alone expose little of what can go wrong while a set changes: loss and partition
         * do. And what happens to few has been drawn for them already. */
        const bool is_always =
            i == FAULT_LOST_DISK || i == FAULT_OLD_COPY || i == FAULT_BACKUP ||
            (swarm->options->changes && (i == FAULT_LOSS || i == FAULT_PARTITION));
        plan->chance[i] = is_on || is_always ? chance : 0;
        if (swarm_is_without(swarm->options, (enum cluster_fault)i)) {
            plan->chance[i] = 0;
        }
    }
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
    draw_chances(swarm);
    plan->link.loss = plan->chance[FAULT_LOSS];
    plan->link.duplicate = plan->chance[FAULT_DUPLICATION];
    plan->link.late = plan->chance[FAULT_DELAY];
    plan->link.late_us = draw(prng, 1000, 2000000);
    plan->link.corrupt = plan->chance[FAULT_CORRUPTION];
    plan->fault_interval_ms = draw(prng, 20, 3000);
    plan->down_ms_max = draw(prng, 1, 5000);
    plan->submit_again = draw_class(prng, 10000, 500000);
    plan->drift_max = plan->chance[FAULT_CLOCK_DRIFT] > 0 ? draw(prng, 100, 50000) : 0;
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
    } else {
        /* The smallest number that bears a liar; others are dearer, and show what it hides. */
        static const uint32_t counts[] = {4, 4, 4, 4, 4, 4, 4, 4, 5, 6, 7, 1, 2, 3};
        const uint32_t drawn = counts[prng_below(&swarm->prng, sizeof counts / sizeof counts[0])];
        cluster->validators = wanted == 0 ? drawn : wanted;
    }
}

void plan_before_cluster(struct swarm *swarm)
{
    draw_nodes(swarm);
    draw_powers(swarm);
    draw_timing(swarm);
    /* A lone validator passes tens of thousands of views while others pass one. */
    struct cluster_options *cluster = &swarm->plan.cluster;
    if (cluster->validators == 1 && cluster->empty_block_interval_ms == 0) {
        cluster->empty_block_interval_ms = 20; /* as is_bearable has it for later sets */
    }
}

void plan_with_cluster(struct swarm *swarm)
{
    draw_faults(swarm);
    draw_byzantine(swarm);
    draw_victims(swarm);
    draw_dead(swarm);
    if (swarm->options->changes) {
        changes_plan(swarm);
    }
}
