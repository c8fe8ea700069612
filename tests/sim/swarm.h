/*
 * One simulated run: a cluster, faults drawn from the seed, then healing, and the question whether
 * it goes on as it must. Which classes of faults occur, and how often, is drawn for each seed
 * anew, so that some runs see one class alone and others see all of them together.
 */
#ifndef INGOT_SIM_SWARM_H
#define INGOT_SIM_SWARM_H

#include <stdio.h>

#include "lib/byzantine.h"
#include "lib/cluster_faults.h"

#define SWARM_DEAD_DRAWN UINT32_MAX
/* Sets that change have 1 to so many members. */
#define SWARM_MEMBERS_MAX 10

/* What became of the set, by who was a member before and after. */
#define SWARM_CHANGE_LIST(X)                                                                       \
    X(GROWS, "grew")                                                                               \
    X(SHRINKS, "shrank")                                                                           \
    X(SWAPS_ALL, "nobody stayed")                                                                  \
    X(SWAPS_SOME, "some were replaced")                                                            \
    X(POWERS, "powers alone")                                                                      \
    X(RETURNS, "of all these, back to an earlier set")

#define SWARM_CHANGE_ENUM(name, text) SWARM_##name,
enum swarm_change { SWARM_CHANGE_LIST(SWARM_CHANGE_ENUM) SWARM_CHANGES };
#undef SWARM_CHANGE_ENUM
extern const char *const swarm_change_texts[SWARM_CHANGES];

/* The steps of a change at which it may be interrupted: messages of this kind. */
#define SWARM_STEP_LIST(X)                                                                         \
    X(PROPOSAL, "proposal")                                                                        \
    X(PREPARE_VOTE, "Prepare vote")                                                                \
    X(PREPARE_QC, "Prepare QC")                                                                    \
    X(PRECOMMIT_VOTE, "Precommit vote")                                                            \
    X(PRECOMMIT_QC, "Precommit QC")                                                                \
    X(COMMIT_VOTE, "Commit vote")                                                                  \
    X(COMMIT_QC, "Commit QC")                                                                      \
    X(FIRST_PROPOSAL, "first proposal of the new set")                                             \
    X(SYNC, "blocks for who is behind")

#define SWARM_STEP_ENUM(name, text) SWARM_##name,
enum swarm_step { SWARM_STEP_LIST(SWARM_STEP_ENUM) SWARM_STEPS };
#undef SWARM_STEP_ENUM
extern const char *const swarm_step_texts[SWARM_STEPS];

struct swarm_options {
    uint64_t seed;
    uint32_t validators; /* 0: four, or drawn where sets change */
    bool changes;        /* of the validator set; loss and partition are then among the faults */
    uint64_t views;      /* the faults last until some replica is there */
    uint32_t dead;       /* so many never run, or SWARM_DEAD_DRAWN */
    bool no_faults;
    bool no_byzantine;
    uint64_t without;        /* classes of faults that are switched off, a bit each */
    uint64_t without_habits; /* and of what liars do */
    FILE *trace;             /* or NULL */
};

struct swarm_result {
    enum check violated;
    char violation[400];
    struct ingot_hash trace_hash;
    uint64_t views; /* that were entered; those that a TC skips do not count */
    uint64_t height;
    uint64_t transactions;
    uint64_t frames;
    uint64_t timeouts;
    uint64_t crashes;
    uint64_t simulated_ms;
    uint64_t views_after_healing; /* that passed until a new block was committed */
    uint64_t views_bound;         /* and how many may */
    uint32_t validators;
    uint32_t observers;
    uint32_t dead;
    uint32_t byzantine;
    uint64_t marks[CLUSTER_FAULTS];    /* how often each class has hit */
    uint64_t habits[BYZANTINE_HABITS]; /* how often each was really done */
    uint64_t changes[SWARM_CHANGES];   /* that were committed */
    uint64_t interrupted[SWARM_STEPS]; /* by a crash, a cut or a loss right there */
    uint64_t joined;                   /* started with an empty disk after the chain had begun */
    uint32_t members_min;
    uint32_t members_max;
};

/* True if nothing was violated. */
bool swarm_run(const struct swarm_options *options, struct swarm_result *result);

#endif
