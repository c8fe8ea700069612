/*
 * One random schedule of a broadcast network: what arrives, what is lost, repeated and delayed, who
 * crashes, comes back or lies, all drawn from a seed. Then the faults end, and everybody who is
 * correct has to deliver what it should. The checks are those of broadcast_world.h and
 * broadcast_rules.h at each step, and these at the end:
 *
 * - a payload whose originator is correct is delivered by every correct member, as it was;
 * - what one correct member has delivered, and not forgotten, all deliver (not with RESTARTS and
 * lies together, which are more faults than the protocol is made for: there nobody disagrees).
 */
#ifndef INGOT_TESTS_BROADCAST_SCHEDULE_H
#define INGOT_TESTS_BROADCAST_SCHEDULE_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

enum broadcast_trouble {
    BROADCAST_TROUBLE_LOSS,     /* and repetition and any order, as in all of them */
    BROADCAST_TROUBLE_CRASHES,  /* less than a third of the power goes away for good */
    BROADCAST_TROUBLE_LIES,     /* less than a third of the power lies */
    BROADCAST_TROUBLE_RESTARTS, /* anybody comes back without its memory, but with its choices; in
                                   every second schedule less than a third lies besides */
    BROADCAST_TROUBLE_FORGETS   /* less than a third comes back without its choices too */
};
#define BROADCAST_TROUBLE_COUNT 5

const char *broadcast_trouble_text(enum broadcast_trouble trouble);

struct broadcast_schedule {
    uint64_t seed;
    uint32_t members; /* 1 to 7 */
    bool is_gossip;   /* LOSS and CRASHES alone */
    enum broadcast_trouble trouble;
    FILE *trace; /* or NULL: what happens, a line each */
};

struct broadcast_schedule_result {
    uint64_t arrivals;
    uint64_t losses;
    uint64_t repetitions;
    uint64_t lies;
    uint64_t forgeries; /* messages that were refused for their signature */
    uint64_t restarts;
    uint64_t delivered;  /* by all members together */
    char violation[400]; /* empty: all is well */
};

/* Adds to what is in the result already. */
void broadcast_schedule_run(const struct broadcast_schedule *schedule,
                            struct broadcast_schedule_result *result);

#endif
