/*
 * When a thread offers its processor, and how. See give_way.h.
 */
#include "base/give_way.h"

#include <sched.h>

#include "base/clock.h"

/*
 * An offer may cost the thread what is left of its turn, which is about as long as this: among
 * threads that never rest it still gets a share.
 */
#define INTERVAL_US 1000

bool give_way_is_due(const struct give_way *way, uint64_t now_us)
{
    return now_us - way->offered_us >= INTERVAL_US;
}

void give_way(struct give_way *way)
{
    if (give_way_is_due(way, clock_monotonic_us())) {
        (void)sched_yield(); /* on Linux it does not fail */
        way->offered_us = clock_monotonic_us();
    }
}
