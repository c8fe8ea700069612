/*
 * Positions and who leads: the arithmetic that every rule is built on. No state.
 */
#include "base/assert.h"
#include "base/mutant.h"
#include "core/core.h"

int position_compare(struct position a, struct position b)
{
    if (a.epoch != b.epoch && !MUTANT(VIEWS_ALONE)) {
        return a.epoch < b.epoch ? -1 : 1;
    }
    if (a.view != b.view) {
        return a.view < b.view ? -1 : 1;
    }
    return 0;
}

/*
 * The multiplicative sequence of the golden ratio puts the tenures of a heavy validator far apart
 * instead of in one run, and needs no memory of earlier leaders.
 */
#define TENURE_SPREAD UINT64_C(0x9E3779B97F4A7C15)

/* The high 64 bits of a 128-bit product. */
static uint64_t multiply_high(uint64_t a, uint64_t b)
{
    const uint64_t a_low = a & UINT32_MAX;
    const uint64_t a_high = a >> 32;
    const uint64_t b_low = b & UINT32_MAX;
    const uint64_t b_high = b >> 32;
    const uint64_t middle = a_high * b_low + ((a_low * b_low) >> 32);
    const uint64_t other = a_low * b_high + (middle & UINT32_MAX);
    return a_high * b_high + (middle >> 32) + (other >> 32);
}

uint32_t leader_of_view(const struct validator_set *set, uint64_t view, uint32_t leader_tenure)
{
    INGOT_ASSERT(view >= 1);
    INGOT_ASSERT(leader_tenure >= 1);
    const uint64_t tenure = (view - 1) / leader_tenure;
    const uint64_t point = multiply_high(tenure * TENURE_SPREAD, set->total_power);
    uint64_t power_below = 0;
    if (MUTANT(LEADERS_IN_TURN)) {
        return (uint32_t)(tenure % set->count);
    }
    for (uint32_t i = 0; i < set->count; i++) {
        power_below += set->validators[i].power;
        if (point < power_below) {
            return i;
        }
    }
    INGOT_ASSERT(false); /* point < total_power */
    return 0;
}
