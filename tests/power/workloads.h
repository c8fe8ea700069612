/*
 * What the recorded nodes live through.
 */
#ifndef INGOT_TESTS_POWER_WORKLOADS_H
#define INGOT_TESTS_POWER_WORKLOADS_H

#include "power/world.h"

extern const struct workload workloads[];
extern const uint32_t workload_count;

#endif
