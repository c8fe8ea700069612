/*
 * A run's own state, shared by its files.
 */
#ifndef INGOT_SIM_SWARM_STATE_H
#define INGOT_SIM_SWARM_STATE_H

#include "lib/cluster.h"
#include "sim/swarm.h"

#define MILLION 1000000u
#define NEVER UINT64_MAX

/* What a seed stands for. */
struct plan {
    uint64_t powers[CHECKS_NODES_MAX];
    bool has_unequal_powers;
    struct cluster_options cluster;
    bool is_dead[CHECKS_NODES_MAX]; /* for good: from the start or from the healing on */
    uint32_t dead_count;
    bool dies_at_start;
    uint64_t habits[CHECKS_NODES_MAX]; /* bits; not 0: Byzantine */
    uint32_t byzantine_count;
    struct cluster_link link;
    uint32_t fault_interval_ms; /* 0: none */
    uint32_t down_ms_max;
    uint32_t transaction_interval_ms; /* 0: none */
    uint32_t burst_max;
    /* How likely each class is, for each frame or when something happens; parts of a million. */
    uint32_t chance[CLUSTER_FAULTS];
    uint32_t submit_again;
    enum cluster_fault victim[CHECKS_NODES_MAX]; /* LOST_DISK, OLD_COPY or BACKUP; else none */
    uint32_t victim_count;
    uint32_t drift_max; /* of clocks, in parts of a million, for good */
    /* Where sets change. */
    uint32_t change_interval_ms; /* 0: they do not */
    uint32_t interrupt;          /* for each message of a change */
    uint32_t disk_us;            /* a durable write takes at least so long */
    bool joins_at_healing[CHECKS_NODES_MAX];
};

struct swarm {
    const struct swarm_options *options;
    struct swarm_result *result;
    struct plan plan;
    struct prng prng;
    struct cluster *cluster;
    int64_t wall_ms[CHECKS_NODES_MAX];      /* how far each calendar has been shifted */
    int32_t drift[CHECKS_NODES_MAX];        /* of its clock, for good */
    uint64_t start_at_us[CHECKS_NODES_MAX]; /* UINT64_MAX: not planned */
    uint64_t heal_at_us;
    uint64_t fault_at_us;
    uint64_t transaction_at_us;
    uint64_t change_at_us;
};

/* Mind that two draws never stand in one expression: compilers differ in which comes first. */
static inline uint32_t draw(struct prng *prng, uint64_t low, uint64_t high)
{
    return (uint32_t)prng_between(prng, low, high);
}

/* A class of faults is off in half of the seeds. */
static inline uint32_t draw_class(struct prng *prng, uint64_t low, uint64_t high)
{
    const uint32_t value = draw(prng, low, high);
    return prng_chance(prng, MILLION / 2) ? value : 0;
}

/* swarm_plan.c: what the seed stands for. */
bool swarm_is_without(const struct swarm_options *options, enum cluster_fault fault);
void plan_before_cluster(struct swarm *swarm);
void plan_with_cluster(struct swarm *swarm);

/* swarm.c */
/* Something of this class happens now. */
bool swarm_draws(struct swarm *swarm, enum cluster_fault fault);
void swarm_set_links(struct swarm *swarm, const struct cluster_link *link);
void swarm_submit(struct swarm *swarm);
void swarm_cut(struct swarm *swarm, const bool side[CHECKS_NODES_MAX]);

/* swarm_disks.c: what happens to disks while their nodes are down. */
/* Is what may happen to its disk more than a crash? It then counts as faulty from the beginning. */
bool disks_is_victim(const struct swarm *swarm, uint32_t node);
void disks_fault(struct swarm *swarm, uint32_t node);

/* swarm_changes.c: changes of the validator set, and what interrupts them. */
void changes_plan(struct swarm *swarm);
/* Asks for one; false if none can be asked for. */
bool changes_submit(struct swarm *swarm);
void changes_watch(struct swarm *swarm, bool is_watched);
void changes_summarize(struct swarm *swarm);

/* swarm_heal.c: the faults end, and the network has to go on. */
bool heal_and_recover(struct swarm *swarm);

#endif
