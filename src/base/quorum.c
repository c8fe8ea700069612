/*
 * The two thresholds on which all protocols stand. No state.
 */
#include <ingot/types.h>

#include "base/assert.h"

uint64_t ingot_quorum_power(uint64_t total_power)
{
    INGOT_ASSERT(total_power >= 1);
    INGOT_ASSERT(total_power <= INGOT_TOTAL_POWER_MAX);
    return 2 * total_power / 3 + 1;
}

uint64_t ingot_one_honest_power(uint64_t total_power)
{
    INGOT_ASSERT(total_power >= 1);
    INGOT_ASSERT(total_power <= INGOT_TOTAL_POWER_MAX);
    return (total_power - 1) / 3 + 1;
}
