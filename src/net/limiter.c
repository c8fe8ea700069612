/*
 * A leaky bucket on monotonic time. Each use fills it by a second's worth, and it holds ten.
 */
#include "net/limiter.h"

#define LIMITER_COST_US 1000000
#define LIMITER_BURST_US (10 * LIMITER_COST_US)

bool net_limiter_take(struct limiter *limiter, uint64_t now_us)
{
    if (limiter->spent_until_us < now_us) {
        limiter->spent_until_us = now_us;
    }
    if (limiter->spent_until_us - now_us > LIMITER_BURST_US - LIMITER_COST_US) {
        return false;
    }
    limiter->spent_until_us += LIMITER_COST_US;
    return true;
}
