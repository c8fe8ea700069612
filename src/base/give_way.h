/*
 * Giving way: a thread whose work can be done a little later lets others have the processor.
 *
 * A niceness says how much of a processor a thread gets beside others, not how soon it hands it
 * over: a thread that computes on keeps the others waiting until the kernel's next tick, 4 ms on
 * many systems. Who offers it between two parts of its work has given it up by then, and where
 * nobody waits for it that costs a system call a millisecond.
 */
#ifndef INGOT_BASE_GIVE_WAY_H
#define INGOT_BASE_GIVE_WAY_H

#include <stdbool.h>
#include <stdint.h>

/* Of one thread; all zero to begin with. */
struct give_way {
    uint64_t offered_us; /* when it has last had the processor back */
};

/* Has the thread worked for long enough since then to offer the processor again? */
bool give_way_is_due(const struct give_way *way, uint64_t now_us);
/* Between two parts of the work: if it is due, whoever waits for this processor has it first. */
void give_way(struct give_way *way);

#endif
