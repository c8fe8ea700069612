/*
 * One simulated run. See swarm.h.
 */
#include <inttypes.h>
#include <string.h>

#include "sim/swarm_state.h"

/* --- Faults. --- */

void swarm_set_links(struct swarm *swarm, const struct cluster_link *link)
{
    cluster_set_all_links(swarm->cluster, link);
    swarm->heal_at_us = NEVER;
}

static void plan_heal(struct swarm *swarm)
{
    swarm->heal_at_us = cluster_now_us(swarm->cluster) +
                        1000 * prng_between(&swarm->prng, 1, 4 * swarm->plan.down_ms_max);
}

void swarm_cut(struct swarm *swarm, const bool side[CHECKS_NODES_MAX])
{
    const uint32_t count = cluster_count(swarm->cluster);
    for (uint32_t from = 0; from < count; from++) {
        for (uint32_t to = 0; to < count; to++) {
            cluster_link(swarm->cluster, from, to)->is_cut = side[from] != side[to];
        }
    }
    plan_heal(swarm);
}

static void partition(struct swarm *swarm)
{
    bool side[CHECKS_NODES_MAX] = {false};
    for (uint32_t i = 0; i < cluster_count(swarm->cluster); i++) {
        side[i] = prng_chance(&swarm->prng, MILLION / 2);
    }
    swarm_cut(swarm, side);
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
            !is_dead_now(swarm, i) && !swarm->plan.joins_at_healing[i]) {
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
    cluster_mark(swarm->cluster, FAULT_CRASH_ALL);
}

/* To some time of the first two days. */
static void jump_in_time(struct swarm *swarm, uint32_t node)
{
    const int64_t wall_ms = (int64_t)prng_below(&swarm->prng, UINT64_C(2) * 86400000);
    if (wall_ms != swarm->wall_ms[node] && cluster_is_up(swarm->cluster, node)) {
        cluster_mark(swarm->cluster, FAULT_CLOCK_JUMP);
    }
    cluster_shift_wall(swarm->cluster, node, wall_ms - swarm->wall_ms[node]);
    swarm->wall_ms[node] = wall_ms;
}

static int32_t draw_drift(struct swarm *swarm, uint32_t rate_max)
{
    const int32_t rate = (int32_t)draw(&swarm->prng, 0, 2 * (uint64_t)rate_max);
    return rate - (int32_t)rate_max;
}

#define QUEUE_US_MAX 2000000

/* Some links carry little, or nothing for a while. */
static void slow_some(struct swarm *swarm, bool is_clogged)
{
    struct prng *prng = &swarm->prng;
    const uint32_t count = cluster_count(swarm->cluster);
    const uint32_t share = draw(prng, 50000, MILLION);
    const uint64_t until_us =
        cluster_now_us(swarm->cluster) + 1000 * prng_between(prng, 10, 2 * QUEUE_US_MAX / 1000);
    const uint32_t bytes_per_ms = draw(prng, 2, 100);
    for (uint32_t from = 0; from < count; from++) {
        for (uint32_t to = 0; to < count; to++) {
            struct cluster_link *link = cluster_link(swarm->cluster, from, to);
            if (prng_chance(prng, share)) {
                link->queue_us_max = QUEUE_US_MAX;
                link->clogged_until_us = is_clogged ? until_us : link->clogged_until_us;
                link->bytes_per_ms = is_clogged ? link->bytes_per_ms : bytes_per_ms;
            }
        }
    }
    plan_heal(swarm);
}

bool swarm_draws(struct swarm *swarm, enum cluster_fault fault)
{
    return prng_chance(&swarm->prng, swarm->plan.chance[fault]);
}

static void fault_of_network(struct swarm *swarm)
{
    if (swarm_draws(swarm, FAULT_PARTITION)) {
        partition(swarm);
    }
    if (swarm_draws(swarm, FAULT_ONE_WAY_CUT)) {
        cut_some(swarm);
    }
    if (swarm_draws(swarm, FAULT_SLOW_LINK)) {
        slow_some(swarm, false);
    }
    if (swarm_draws(swarm, FAULT_CLOGGED_LINK)) {
        slow_some(swarm, true);
    }
}

/* One write that fails, or that the node does not survive. */
static void fail_write(struct swarm *swarm, uint32_t node)
{
    static const struct {
        enum cluster_fault class;
        enum store_memory_fault fault;
    } ways[] = {{FAULT_REFUSED_WRITE, STORE_MEMORY_NO_SPACE},
                {FAULT_LOST_WRITE, STORE_MEMORY_FAILED_LOST},
                {FAULT_APPLIED_WRITE, STORE_MEMORY_FAILED_APPLIED},
                {FAULT_CRASH_BEFORE_WRITE, STORE_MEMORY_CRASH_BEFORE},
                {FAULT_CRASH_AFTER_WRITE, STORE_MEMORY_CRASH_AFTER}};
    for (size_t i = 0; i < sizeof ways / sizeof ways[0]; i++) {
        const uint64_t nth = prng_between(&swarm->prng, 1, 8);
        if (swarm_draws(swarm, ways[i].class) && cluster_is_up(swarm->cluster, node)) {
            cluster_fail_write(swarm->cluster, node, nth, ways[i].fault);
        }
    }
}

static void fault_of_node(struct swarm *swarm, uint32_t node)
{
    struct prng *prng = &swarm->prng;
    struct cluster *cluster = swarm->cluster;
    const struct plan *plan = &swarm->plan;
    if (swarm_draws(swarm, FAULT_CRASH) && cluster_is_up(cluster, node)) {
        cluster_crash(cluster, node);
        cluster_mark(cluster, FAULT_CRASH);
    }
    if (swarm_draws(swarm, FAULT_CRASH_IN_SEND)) {
        cluster_crash_after_sends(cluster, node, draw(prng, 0, 6));
    }
    if (swarm_draws(swarm, FAULT_CRASH_ALL)) {
        crash_all(swarm);
    }
    fail_write(swarm, node);
    if (swarm_draws(swarm, FAULT_FULL_DISK)) {
        cluster_fill_disk(cluster, node, draw(prng, 1, 2 * (uint64_t)plan->down_ms_max));
    }
    if (swarm_draws(swarm, FAULT_SLOW_DISK)) {
        cluster_set_disk(cluster, node, plan->disk_us, plan->disk_us + draw(prng, 0, 60000));
    }
    if (swarm_draws(swarm, FAULT_PAUSE) && cluster_is_up(cluster, node)) {
        cluster_pause(cluster, node, draw(prng, 1, plan->down_ms_max));
        cluster_mark(cluster, FAULT_PAUSE);
    }
    if (swarm_draws(swarm, FAULT_CLOCK_JUMP)) {
        jump_in_time(swarm, node);
    }
    if (swarm_draws(swarm, FAULT_CLOCK_DRIFT)) {
        cluster_set_clock_rate(cluster, node, draw_drift(swarm, 300000));
    }
    disks_fault(swarm, node);
}

static void fault(struct swarm *swarm)
{
    fault_of_network(swarm);
    fault_of_node(swarm, draw(&swarm->prng, 0, cluster_count(swarm->cluster) - 1));
}

void swarm_submit(struct swarm *swarm)
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
    at_us = swarm->change_at_us < at_us ? swarm->change_at_us : at_us;
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
        swarm_set_links(swarm, &swarm->plan.link);
    }
    if (swarm->fault_at_us <= now_us) {
        fault(swarm);
        swarm->fault_at_us = after_ms(swarm, swarm->plan.fault_interval_ms);
    }
    if (swarm->transaction_at_us <= now_us) {
        swarm_submit(swarm);
        swarm->transaction_at_us = after_ms(swarm, swarm->plan.transaction_interval_ms);
    }
    if (swarm->change_at_us <= now_us) {
        (void)changes_submit(swarm);
        swarm->change_at_us = after_ms(swarm, swarm->plan.change_interval_ms);
    }
}

/* A set whose new members are not there yet stands still, and a longer wait shows nothing more. */
#define SUFFER_CHANGES_US 60000000

/* Faults until enough views have passed, or enough time in which they could have. */
static bool suffer(struct swarm *swarm)
{
    struct cluster *cluster = swarm->cluster;
    uint64_t limit_us =
        1000 * swarm->options->views *
        (swarm->plan.cluster.base_timeout_ms + swarm->plan.cluster.empty_block_interval_ms);
    if (swarm->options->changes && limit_us > SUFFER_CHANGES_US) {
        limit_us = SUFFER_CHANGES_US;
    }
    swarm_set_links(swarm, &swarm->plan.link);
    swarm->fault_at_us = after_ms(swarm, swarm->plan.fault_interval_ms);
    swarm->transaction_at_us = after_ms(swarm, swarm->plan.transaction_interval_ms);
    swarm->change_at_us = after_ms(swarm, swarm->plan.change_interval_ms);
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

static void summarize(struct swarm *swarm)
{
    struct swarm_result *result = swarm->result;
    const struct checks *checks = cluster_checks(swarm->cluster);
    result->violated = checks->violated;
    memcpy(result->violation, checks->violation, sizeof result->violation);
    cluster_trace_hash(swarm->cluster, &result->trace_hash);
    result->validators = swarm->plan.cluster.validators;
    result->observers = swarm->plan.cluster.observers;
    result->views = cluster_views_passed(swarm->cluster);
    result->height = checks->committed_count - 1;
    result->transactions = checks->transactions_committed;
    result->frames = cluster_frames(swarm->cluster);
    result->joined = cluster_joined(swarm->cluster);
    for (uint32_t i = 0; i < CLUSTER_FAULTS; i++) {
        result->marks[i] = cluster_marked(swarm->cluster, (enum cluster_fault)i);
    }
    cluster_add_habits(swarm->cluster, result->habits);
    result->marks[FAULT_DEAD] = swarm->plan.dead_count;
    result->marks[FAULT_REAL_CRYPTO] = swarm->plan.cluster.scheme != NULL;
    result->simulated_ms = cluster_now_us(swarm->cluster) / 1000;
    result->dead = swarm->plan.dead_count;
    result->byzantine = swarm->plan.byzantine_count;
    for (uint32_t i = 0; i < cluster_count(swarm->cluster); i++) {
        result->timeouts += cluster_timeouts(swarm->cluster, i);
    }
    changes_summarize(swarm);
}

/* Observers start with the others, or later, or at the end: always with an empty disk. */
static void start_all(struct swarm *swarm)
{
    for (uint32_t i = 0; i < cluster_count(swarm->cluster); i++) {
        cluster_set_disk(swarm->cluster, i, swarm->plan.disk_us, swarm->plan.disk_us);
        swarm->drift[i] = draw_drift(swarm, swarm->plan.drift_max);
        cluster_set_clock_rate(swarm->cluster, i, swarm->drift[i]);
        const bool is_planned = swarm->start_at_us[i] != NEVER || swarm->plan.joins_at_healing[i];
        if (!is_dead_now(swarm, i) && !is_planned) {
            cluster_start(swarm->cluster, i);
        }
    }
}

bool swarm_run(const struct swarm_options *options, struct swarm_result *result)
{
    struct swarm swarm = {.options = options, .result = result};
    *result = (struct swarm_result){0};
    prng_init(&swarm.prng, options->seed, 3);
    for (uint32_t i = 0; i < CHECKS_NODES_MAX; i++) {
        swarm.start_at_us[i] = NEVER;
    }
    plan_before_cluster(&swarm);
    swarm.cluster = cluster_new(&swarm.plan.cluster);
    plan_with_cluster(&swarm);
    start_all(&swarm);
    changes_watch(&swarm, true);
    const bool is_right = suffer(&swarm);
    changes_watch(&swarm, false);
    if (is_right) {
        (void)heal_and_recover(&swarm);
    }
    summarize(&swarm);
    cluster_free(swarm.cluster);
    return result->violated == CHECK_NONE;
}
