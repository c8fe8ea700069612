/*
 * What many runs come to: sums, marks, and how they are told.
 */
#ifndef INGOT_SIM_SUMMARY_H
#define INGOT_SIM_SUMMARY_H

#include "sim/swarm.h"

/* One run: what it says of itself, or what ended its process. */
struct outcome {
    bool has_died; /* by an assertion, a sanitizer or a signal; `result` is empty then */
    int signal;    /* or 0 */
    struct swarm_result result;
};

struct summary {
    uint64_t seeds;
    uint64_t failures;
    uint64_t views;
    uint64_t blocks;
    uint64_t transactions;
    uint64_t crashes;
    uint64_t views_after_healing_max;
    uint64_t joined;
    uint64_t bearing_seeds; /* with four validators or more */
    uint64_t byzantine_seeds;
    uint64_t bearing_byzantine_seeds;
    uint64_t marks[CLUSTER_FAULTS];
    uint64_t marked_seeds[CLUSTER_FAULTS];
    uint64_t habits[BYZANTINE_HABITS];
    uint64_t habit_seeds[BYZANTINE_HABITS];
    uint64_t changes[SWARM_CHANGES];
    uint64_t interrupted[SWARM_STEPS];
    uint64_t members_min;
    uint64_t members_max;
};

bool outcome_has_failed(const struct outcome *outcome);
/* What was found, and the command that shows it again. */
void outcome_print(FILE *out, const struct swarm_options *options, const struct outcome *outcome);

void summary_add(struct summary *summary, const struct outcome *outcome);
void summary_print(const struct summary *summary, bool changes, double seconds);
/* The same for programs, in one line. */
void summary_print_json(const struct summary *summary, double seconds);
/*
 * How many classes and habits never hit; names them. That too few seeds with four validators or
 * more have liars, less than half, counts as well.
 */
uint32_t summary_print_missing(const struct summary *summary, bool changes);

#endif
