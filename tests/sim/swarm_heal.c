/*
 * The end of a run: the faults stop, the network has to commit something new within so many views,
 * and then comes to rest with all at one height.
 */
#include <inttypes.h>
#include <stdio.h>

#include "lib/checks_lasso.h"
#include "sim/swarm_state.h"

static void heal(struct swarm *swarm)
{
    /* All see a broadcast at the same time, so that there are moments at which all are alike. */
    static const struct cluster_link good = {.delay_min_us = 1000, .delay_max_us = 1000};
    swarm_set_links(swarm, &good);
    for (uint32_t i = 0; i < cluster_count(swarm->cluster); i++) {
        cluster_set_disk(swarm->cluster, i, swarm->plan.disk_us, swarm->plan.disk_us);
        cluster_cancel_faults(swarm->cluster, i);
        cluster_set_clock_rate(swarm->cluster, i, swarm->drift[i]);
        if (swarm->plan.is_dead[i]) {
            cluster_crash(swarm->cluster, i);
        } else if (!cluster_is_up(swarm->cluster, i)) {
            cluster_start(swarm->cluster, i);
        }
    }
}

/* What is waited for; a network that goes round in circles is told from one that is slow. */
struct wait {
    uint64_t height;
    uint64_t epoch;
    struct lasso lasso;
};

static bool has_new_commit(void *context, struct cluster *cluster)
{
    struct wait *wait = context;
    lasso_look(&wait->lasso, cluster);
    return cluster_checks(cluster)->committed_count - 1 > wait->height;
}

/* Everything that was admitted is committed, and all are at the same height. */
static bool is_level(void *context, struct cluster *cluster)
{
    (void)context;
    uint64_t height = UINT64_MAX;
    for (uint32_t i = 0; i < cluster_count(cluster); i++) {
        if (!cluster_is_up(cluster, i) || !cluster_is_honest(cluster, i)) {
            continue;
        }
        const uint64_t committed = cluster_status(cluster, i).last_committed->height;
        height = height == UINT64_MAX ? committed : height;
        if (committed != height || !cluster_has_told(cluster, i) ||
            replica_mempool_count(cluster_replica(cluster, i)) > 0) {
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

static uint64_t faulty_of(const struct validator_set *set)
{
    return (set->count - 1) / 3;
}

/*
 * Views that may pass after healing until a block commits that is higher than all that were
 * proposed before, while the set was `before` and is `after`.
 *
 * Three phases and three blocks, a view for each dead leader of either set, the one in which the
 * healing fell and one in which the end is learnt: f + f' + 8. Two more, because an epoch opens in
 * the middle of a tenure, and what is left of that may be too short for a commit before a dead
 * leader's turn; the same goes for the tenure in which the healing falls where the set does not
 * change. Members that lie cost one view on top.
 *
 * Without faults before, and nothing but dead replicas: two views at the end of a tenure that are
 * too few for a commit, a view for each dead leader, three for the block and the two on it, one in
 * which that is learnt, and the first.
 */
static uint64_t views_bound(const struct swarm *swarm, const struct validator_set *before,
                            const struct validator_set *after)
{
    const uint64_t faulty = faulty_of(before);
    if (swarm->options->no_faults) {
        return faulty + 7;
    }
    const bool has_liars =
        swarm->plan.byzantine_count > 0 || cluster_marked(swarm->cluster, FAULT_OLD_COPY) > 0;
    return faulty + faulty_of(after) + (has_liars ? 11 : 10);
}

/* Until then a run is given up, whatever the bound is. */
#define VIEWS_PATIENCE 50

/* An epoch has opened, or no wish for one is left: another of the same block may have overruled it.
 */
static bool has_opened(void *context, struct cluster *cluster)
{
    struct wait *wait = context;
    lasso_look(&wait->lasso, cluster);
    return cluster_epoch(cluster) > wait->epoch || is_level(NULL, cluster);
}

#define WISHES_MAX 5

/* Where sets change, they do so after the healing too, and the new set goes on. */
static bool changes_once_more(struct swarm *swarm, struct wait *wait, uint64_t limit_ms)
{
    const uint64_t epoch = cluster_epoch(swarm->cluster);
    wait->epoch = epoch;
    for (uint32_t i = 0; i < WISHES_MAX && cluster_epoch(swarm->cluster) == epoch; i++) {
        if (swarm->plan.change_interval_ms == 0 || !changes_submit(swarm)) {
            return true;
        }
        if (!cluster_run_while_not(swarm->cluster, limit_ms, has_opened, wait)) {
            say_stuck(swarm, "a change of the validator set is not committed");
            return false;
        }
    }
    if (cluster_epoch(swarm->cluster) == epoch) {
        say_stuck(swarm, "no wish for another validator set is heard");
        return false;
    }
    return true;
}

bool heal_and_recover(struct swarm *swarm)
{
    struct cluster *cluster = swarm->cluster;
    struct swarm_result *result = swarm->result;
    heal(swarm);
    const uint64_t views_before = cluster_views_passed(cluster);
    const struct cluster_options *options = &swarm->plan.cluster;
    const uint64_t view_ms = INGOT_TIMEOUT_FACTOR_MAX * (uint64_t)options->base_timeout_ms +
                             options->empty_block_interval_ms;
    struct wait wait = {.height = cluster_checks(cluster)->highest_block};
    lasso_init(&wait.lasso, 3 * view_ms);
    const struct validator_set *before = checks_last_set(cluster_checks(cluster));
    if (!cluster_run_while_not(cluster, view_ms * VIEWS_PATIENCE, has_new_commit, &wait)) {
        say_stuck(swarm, "no new block was committed");
        return false;
    }
    const struct validator_set *after = checks_last_set(cluster_checks(cluster));
    result->views_bound = views_bound(swarm, before, after);
    result->views_after_healing = cluster_views_passed(cluster) - views_before;
    if (result->views_after_healing > result->views_bound) {
        checks_fail(cluster_checks(cluster), CHECK_LIVENESS,
                    "%" PRIu64 " views passed before a new block was committed, more than %" PRIu64,
                    result->views_after_healing, result->views_bound);
        return false;
    }
    /* What was lost on its way to the others waits until its own node leads. */
    const uint64_t turns = 8 * (uint64_t)cluster_count(cluster) * options->leader_tenure;
    if (!changes_once_more(swarm, &wait, turns * view_ms)) {
        return false;
    }
    for (uint32_t i = 0; i < 5; i++) {
        swarm_submit(swarm);
    }
    if (!cluster_run_while_not(cluster, turns * view_ms, is_level, NULL)) {
        say_stuck(swarm, "the replicas do not come to rest at one height with empty mempools");
        return false;
    }
    cluster_settle(cluster);
    return cluster_states_are_equal(cluster);
}
