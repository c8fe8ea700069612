/*
 * How often something may be logged: bursts are fine, floods are not. What is not logged is still
 * counted by the caller.
 */
#ifndef INGOT_NET_LIMITER_H
#define INGOT_NET_LIMITER_H

#include <stdbool.h>
#include <stdint.h>

/* All zero is a limiter that is ready for a burst. */
struct limiter {
    uint64_t spent_until_us;
};

/* True if it may happen now. */
bool net_limiter_take(struct limiter *limiter, uint64_t now_us);

#endif
