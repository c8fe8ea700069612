/*
 * Many runs, each in a process that may die of it: all seeds of a range over several workers, or a
 * single run apart.
 */
#ifndef INGOT_SIM_MANY_H
#define INGOT_SIM_MANY_H

#include "sim/summary.h"

#define MANY_JOBS_MAX 256
#define MANY_FAILURES_MAX 100

struct many_options {
    struct swarm_options swarm; /* but for the seed */
    uint64_t seed_first;
    uint64_t seed_last;
    uint32_t jobs;
    uint32_t failures_max; /* then the rest is given up; 1 to MANY_FAILURES_MAX */
};

struct many_failure {
    uint64_t seed;
    struct outcome outcome;
};

struct many_result {
    struct summary summary;
    uint32_t failure_count;
    struct many_failure failures[MANY_FAILURES_MAX];
};

/*
 * Failures are printed as they come, on stdout; how far it is, every few seconds, on stderr. False:
 * no worker could be started, or its pipe broke; errno says why.
 */
bool many_run(const struct many_options *options, struct many_result *result);

/* One run in a process of its own, which is ended after so many seconds, as if it had died. */
bool many_run_apart(const struct swarm_options *options, uint32_t seconds_max,
                    struct outcome *outcome);

double many_seconds_now(void);

#endif
