/*
 * One simulated run: a cluster, faults drawn from the seed, then healing, and the question whether
 * it goes on as it must. Which classes of faults occur, and how often, is drawn for each seed
 * anew, so that some runs see one class alone and others see all of them together.
 */
#ifndef INGOT_SIM_SWARM_H
#define INGOT_SIM_SWARM_H

#include <stdio.h>

#include "lib/checks.h"

#define SWARM_DEAD_DRAWN UINT32_MAX

struct swarm_options {
    uint64_t seed;
    uint32_t validators;
    uint64_t views; /* the faults last until some replica is there */
    uint32_t dead;  /* so many never run, or SWARM_DEAD_DRAWN */
    bool no_faults;
    bool no_byzantine;
    FILE *trace; /* or NULL */
};

struct swarm_result {
    enum check violated;
    char violation[400];
    struct ingot_hash trace_hash;
    uint64_t views;
    uint64_t height;
    uint64_t transactions;
    uint64_t frames;
    uint64_t timeouts;
    uint64_t crashes;
    uint64_t simulated_ms;
    uint64_t views_after_healing; /* that passed until a new block was committed */
    uint64_t views_bound;         /* and how many may */
    uint32_t dead;
    uint32_t byzantine;
};

/* True if nothing was violated. */
bool swarm_run(const struct swarm_options *options, struct swarm_result *result);

#endif
