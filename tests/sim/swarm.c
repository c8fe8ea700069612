/*
 * One simulated run. See swarm.h.
 */
#include "sim/swarm.h"

#include <inttypes.h>
#include <string.h>

#include "base/assert.h"
#include "lib/cluster.h"

#define MILLION 1000000u

/* What a seed stands for. */
struct plan {
    uint64_t powers[CHECKS_NODES_MAX];
    struct cluster_options cluster;
    bool is_dead[CHECKS_NODES_MAX]; /* for good: from the start or from the healing on */
    uint32_t dead_count;
    bool dies_at_start;
    uint32_t habits[CHECKS_NODES_MAX]; /* not 0: Byzantine */
    uint32_t byzantine_count;
    struct cluster_link link;
    uint32_t fault_interval_ms; /* 0: none */
    uint32_t down_ms_max;
    uint32_t transaction_interval_ms; /* 0: none */
    uint32_t burst_max;
    /* How likely each class is, when something happens; parts of a million. */
    uint32_t partition;
    uint32_t asymmetric;
    uint32_t crash;
    uint32_t crash_in_send;
    uint32_t crash_all;
    uint32_t fail_write;
    uint32_t slow_disk;
    uint32_t pause;
    uint32_t wall_jump;
    uint32_t submit_again;
};

struct swarm {
    const struct swarm_options *options;
    struct swarm_result *result;
    struct plan plan;
    struct prng prng;
    struct cluster *cluster;
    int64_t wall_ms[CHECKS_NODES_MAX];      /* how far each calendar has been shifted */
    uint64_t start_at_us[CHECKS_NODES_MAX]; /* UINT64_MAX: not planned */
    uint64_t heal_at_us;
    uint64_t fault_at_us;
    uint64_t transaction_at_us;
};

#define NEVER UINT64_MAX

static uint32_t draw(struct prng *prng, uint64_t low, uint64_t high)
{
    return (uint32_t)prng_between(prng, low, high);
}

/* Mind that two draws never stand in one expression: compilers differ in which comes first. */

/* A class of faults is off in half of the seeds. */
static uint32_t draw_class(struct prng *prng, uint64_t low, uint64_t high)
{
    const uint32_t value = draw(prng, low, high);
    return prng_chance(prng, MILLION / 2) ? value : 0;
}

/* --- The plan. --- */

static void draw_powers(struct swarm *swarm)
{
    struct plan *plan = &swarm->plan;
    const bool is_unequal = prng_chance(&swarm->prng, MILLION / 4);
    for (uint32_t i = 0; i < swarm->options->validators; i++) {
        plan->powers[i] = is_unequal ? prng_between(&swarm->prng, 1, 9) : 1;
    }
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
    const uint32_t habits_seen = draw(prng, 1, (1U << BYZANTINE_HABITS) - 1);
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
    plan->cluster = cluster_default_options();
    plan->cluster.seed = swarm->options->seed;
    plan->cluster.validators = swarm->options->validators;
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
    plan->link.loss = draw_class(prng, 1000, 200000);
    plan->link.duplicate = draw_class(prng, 1000, 300000);
    plan->link.late = draw_class(prng, 1000, 300000);
    plan->link.late_us = draw(prng, 1000, 2000000);
    plan->fault_interval_ms = draw(prng, 20, 3000);
    plan->down_ms_max = draw(prng, 1, 5000);
    plan->partition = draw_class(prng, 10000, 300000);
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

/* --- Faults. --- */

static void set_links(struct swarm *swarm, const struct cluster_link *link)
{
    cluster_set_all_links(swarm->cluster, link);
    swarm->heal_at_us = NEVER;
}

static void plan_heal(struct swarm *swarm)
{
    swarm->heal_at_us = cluster_now_us(swarm->cluster) +
                        1000 * prng_between(&swarm->prng, 1, 4 * swarm->plan.down_ms_max);
}

static void partition(struct swarm *swarm)
{
    bool side[CHECKS_NODES_MAX];
    const uint32_t count = cluster_count(swarm->cluster);
    for (uint32_t i = 0; i < count; i++) {
        side[i] = prng_chance(&swarm->prng, MILLION / 2);
    }
    for (uint32_t from = 0; from < count; from++) {
        for (uint32_t to = 0; to < count; to++) {
            cluster_link(swarm->cluster, from, to)->is_cut = side[from] != side[to];
        }
    }
    plan_heal(swarm);
}

static void cut_some(struct swarm *swarm)
{
    const uint32_t count = cluster_count(swarm->cluster);
    const uint32_t share = draw(&swarm->prng, 50000, 600000);
    for (uint32_t from = 0; from < count; from++) {
        for (uint32_t to = 0; to < count; to++) {
            cluster_link(swarm->cluster, from, to)->is_cut = prng_chance(&swarm->prng, share);
        }
    }
    plan_heal(swarm);
}

static bool is_dead_now(const struct swarm *swarm, uint32_t node)
{
    return swarm->plan.is_dead[node] && swarm->plan.dies_at_start;
}

/* Whoever is down, for whatever reason, gets a time to come back. */
static void plan_starts(struct swarm *swarm)
{
    for (uint32_t i = 0; i < cluster_count(swarm->cluster); i++) {
        if (!cluster_is_up(swarm->cluster, i) && swarm->start_at_us[i] == NEVER &&
            !is_dead_now(swarm, i)) {
            swarm->start_at_us[i] = cluster_now_us(swarm->cluster) +
                                    1000 * prng_between(&swarm->prng, 0, swarm->plan.down_ms_max);
            swarm->result->crashes++;
        }
    }
}

static void crash_all(struct swarm *swarm)
{
    for (uint32_t i = 0; i < cluster_count(swarm->cluster); i++) {
        cluster_crash(swarm->cluster, i);
    }
}

/* To some time of the first two days. */
static void jump_in_time(struct swarm *swarm, uint32_t node)
{
    const int64_t wall_ms = (int64_t)prng_below(&swarm->prng, UINT64_C(2) * 86400000);
    cluster_shift_wall(swarm->cluster, node, wall_ms - swarm->wall_ms[node]);
    swarm->wall_ms[node] = wall_ms;
}

static void fault(struct swarm *swarm)
{
    const struct plan *plan = &swarm->plan;
    struct prng *prng = &swarm->prng;
    struct cluster *cluster = swarm->cluster;
    const uint32_t node = draw(prng, 0, cluster_count(cluster) - 1);
    if (prng_chance(prng, plan->partition)) {
        partition(swarm);
    }
    if (prng_chance(prng, plan->asymmetric)) {
        cut_some(swarm);
    }
    if (prng_chance(prng, plan->crash)) {
        cluster_crash(cluster, node);
    }
    if (prng_chance(prng, plan->crash_in_send)) {
        cluster_crash_after_sends(cluster, node, draw(prng, 0, 6));
    }
    if (prng_chance(prng, plan->crash_all)) {
        crash_all(swarm);
    }
    if (prng_chance(prng, plan->fail_write) && cluster_is_up(cluster, node)) {
        const uint64_t nth = prng_between(prng, 1, 8);
        cluster_fail_write(cluster, node, nth, (enum store_memory_fault)prng_below(prng, 3));
    }
    if (prng_chance(prng, plan->slow_disk)) {
        cluster_set_disk(cluster, node, 0, draw(prng, 0, 60000));
    }
    if (prng_chance(prng, plan->pause) && cluster_is_up(cluster, node)) {
        cluster_pause(cluster, node, draw(prng, 1, plan->down_ms_max));
    }
    if (prng_chance(prng, plan->wall_jump)) {
        jump_in_time(swarm, node);
    }
}

static void submit(struct swarm *swarm)
{
    const uint32_t burst = draw(&swarm->prng, 1, swarm->plan.burst_max);
    for (uint32_t i = 0; i < burst; i++) {
        const uint32_t node = draw(&swarm->prng, 0, cluster_count(swarm->cluster) - 1);
        if (cluster_is_up(swarm->cluster, node)) {
            cluster_submit_any(swarm->cluster, node);
            if (prng_chance(&swarm->prng, swarm->plan.submit_again)) {
                cluster_submit_again(swarm->cluster, node);
            }
        }
    }
}

/* --- Time. --- */

static uint64_t after_ms(struct swarm *swarm, uint32_t interval_ms)
{
    return interval_ms == 0 ? NEVER
                            : cluster_now_us(swarm->cluster) +
                                  1000 * prng_between(&swarm->prng, 1, 2 * (uint64_t)interval_ms);
}

static uint64_t earliest(const struct swarm *swarm)
{
    uint64_t at_us =
        swarm->heal_at_us < swarm->fault_at_us ? swarm->heal_at_us : swarm->fault_at_us;
    at_us = swarm->transaction_at_us < at_us ? swarm->transaction_at_us : at_us;
    for (uint32_t i = 0; i < cluster_count(swarm->cluster); i++) {
        at_us = swarm->start_at_us[i] < at_us ? swarm->start_at_us[i] : at_us;
    }
    return at_us;
}

static void act(struct swarm *swarm)
{
    const uint64_t now_us = cluster_now_us(swarm->cluster);
    for (uint32_t i = 0; i < cluster_count(swarm->cluster); i++) {
        if (swarm->start_at_us[i] <= now_us) {
            swarm->start_at_us[i] = NEVER;
            cluster_start(swarm->cluster, i);
        }
    }
    if (swarm->heal_at_us <= now_us) {
        set_links(swarm, &swarm->plan.link);
    }
    if (swarm->fault_at_us <= now_us) {
        fault(swarm);
        swarm->fault_at_us = after_ms(swarm, swarm->plan.fault_interval_ms);
    }
    if (swarm->transaction_at_us <= now_us) {
        submit(swarm);
        swarm->transaction_at_us = after_ms(swarm, swarm->plan.transaction_interval_ms);
    }
}

/* Faults until enough views have passed, or enough time in which they could have. */
static bool suffer(struct swarm *swarm)
{
    struct cluster *cluster = swarm->cluster;
    const uint64_t limit_us =
        1000 * swarm->options->views *
        (swarm->plan.cluster.base_timeout_ms + swarm->plan.cluster.empty_block_interval_ms);
    set_links(swarm, &swarm->plan.link);
    swarm->fault_at_us = after_ms(swarm, swarm->plan.fault_interval_ms);
    swarm->transaction_at_us = after_ms(swarm, swarm->plan.transaction_interval_ms);
    while (cluster_max_view(cluster) < swarm->options->views &&
           cluster_now_us(cluster) < limit_us) {
        const uint64_t next_us = earliest(swarm);
        const uint64_t soon_us = cluster_now_us(cluster) + 100000;
        if (!cluster_run_until(cluster, next_us < soon_us ? next_us : soon_us)) {
            return false;
        }
        act(swarm);
        plan_starts(swarm);
    }
    return true;
}

/* --- Healing. --- */

static void heal(struct swarm *swarm)
{
    /* All see a broadcast at the same time, so that there are moments at which all are alike. */
    static const struct cluster_link good = {.delay_min_us = 1000, .delay_max_us = 1000};
    set_links(swarm, &good);
    for (uint32_t i = 0; i < cluster_count(swarm->cluster); i++) {
        cluster_set_disk(swarm->cluster, i, 0, 0);
        cluster_cancel_faults(swarm->cluster, i);
        if (swarm->plan.is_dead[i]) {
            cluster_crash(swarm->cluster, i);
        } else if (!cluster_is_up(swarm->cluster, i)) {
            cluster_start(swarm->cluster, i);
        }
    }
}

static bool has_new_commit(void *context, struct cluster *cluster)
{
    const uint64_t *height = context;
    return cluster_checks(cluster)->committed_count - 1 > *height;
}

/* Everything that was admitted is committed, and all are at the same height. */
static bool is_level(void *context, struct cluster *cluster)
{
    (void)context;
    const uint64_t height = cluster_checks(cluster)->committed_count - 1;
    for (uint32_t i = 0; i < cluster_count(cluster); i++) {
        if (cluster_is_up(cluster, i) && cluster_is_honest(cluster, i) &&
            (cluster_committed(cluster, i) != height ||
             replica_mempool_count(cluster_replica(cluster, i)) > 0)) {
            return false;
        }
    }
    return true;
}

static void say_stuck(struct swarm *swarm, const char *what)
{
    struct cluster *cluster = swarm->cluster;
    char text[256] = "";
    size_t size = 0;
    for (uint32_t i = 0; i < cluster_count(cluster) && size < sizeof text; i++) {
        if (cluster_is_up(cluster, i)) {
            const struct core_status status = cluster_status(cluster, i);
            const int added =
                snprintf(text + size, sizeof text - size,
                         "; %u: view %" PRIu64 ", QC %" PRIu64 ", height %" PRIu64 ", pool %u", i,
                         status.current.view, status.high.view, cluster_committed(cluster, i),
                         replica_mempool_count(cluster_replica(cluster, i)));
            size += added > 0 ? (size_t)added : 0;
        }
    }
    checks_fail(cluster_checks(cluster), CHECK_LIVENESS, "%s%s", what, text);
}

/*
 * Views that may pass after healing until a block commits that is higher than all that were
 * proposed before. With nothing but dead replicas: two views at the end of a tenure that are too
 * few for a commit, a view for each dead leader, three for the block and the two on it, one in
 * which that is learnt, and the one in which the healing fell. After partitions and restarts some
 * replicas first have to learn where the others are: each may sit through a view that the others
 * have left.
 */
static uint64_t views_bound(const struct swarm *swarm)
{
    const uint32_t count = cluster_count(swarm->cluster);
    const uint32_t faulty = (count - 1) / 3;
    if (swarm->plan.byzantine_count > 0) {
        return 6 * faulty + 20;
    }
    return swarm->options->no_faults ? faulty + 7 : 2 * faulty + 12;
}

static bool recover(struct swarm *swarm)
{
    struct cluster *cluster = swarm->cluster;
    struct swarm_result *result = swarm->result;
    heal(swarm);
    const uint64_t views_before = cluster_views_passed(cluster);
    const struct cluster_options *options = &swarm->plan.cluster;
    const uint64_t view_ms = INGOT_TIMEOUT_FACTOR_MAX * (uint64_t)options->base_timeout_ms +
                             options->empty_block_interval_ms;
    uint64_t height = cluster_checks(cluster)->highest_block;
    result->views_bound = views_bound(swarm);
    if (!cluster_run_while_not(cluster, view_ms * 2 * result->views_bound, has_new_commit,
                               &height)) {
        say_stuck(swarm, "no new block was committed");
        return false;
    }
    result->views_after_healing = cluster_views_passed(cluster) - views_before;
    if (result->views_after_healing > result->views_bound) {
        checks_fail(cluster_checks(cluster), CHECK_LIVENESS,
                    "%" PRIu64 " views passed before a new block was committed, more than %" PRIu64,
                    result->views_after_healing, result->views_bound);
        return false;
    }
    for (uint32_t i = 0; i < 5; i++) {
        submit(swarm);
    }
    /* What was lost on its way to the others waits until its own node leads. */
    const uint64_t turns = 8 * (uint64_t)cluster_count(cluster) * options->leader_tenure;
    if (!cluster_run_while_not(cluster, turns * view_ms, is_level, NULL)) {
        say_stuck(swarm, "the replicas do not come to rest at one height with empty mempools");
        return false;
    }
    return cluster_states_are_equal(cluster);
}

static void summarize(struct swarm *swarm)
{
    struct swarm_result *result = swarm->result;
    const struct checks *checks = cluster_checks(swarm->cluster);
    result->violated = checks->violated;
    memcpy(result->violation, checks->violation, sizeof result->violation);
    cluster_trace_hash(swarm->cluster, &result->trace_hash);
    result->views = cluster_max_view(swarm->cluster);
    result->height = checks->committed_count - 1;
    result->transactions = checks->transactions_committed;
    result->frames = cluster_frames(swarm->cluster);
    result->simulated_ms = cluster_now_us(swarm->cluster) / 1000;
    result->dead = swarm->plan.dead_count;
    result->byzantine = swarm->plan.byzantine_count;
    for (uint32_t i = 0; i < cluster_count(swarm->cluster); i++) {
        result->timeouts += cluster_timeouts(swarm->cluster, i);
    }
}

bool swarm_run(const struct swarm_options *options, struct swarm_result *result)
{
    struct swarm swarm = {.options = options, .result = result};
    *result = (struct swarm_result){0};
    prng_init(&swarm.prng, options->seed, 3);
    draw_powers(&swarm);
    draw_timing(&swarm);
    swarm.cluster = cluster_new(&swarm.plan.cluster);
    draw_dead(&swarm);
    draw_faults(&swarm);
    draw_byzantine(&swarm);
    for (uint32_t i = 0; i < options->validators; i++) {
        swarm.start_at_us[i] = NEVER;
        if (!is_dead_now(&swarm, i)) {
            cluster_start(swarm.cluster, i);
        }
    }
    if (suffer(&swarm)) {
        (void)recover(&swarm);
    }
    summarize(&swarm);
    cluster_free(swarm.cluster);
    return result->violated == CHECK_NONE;
}
