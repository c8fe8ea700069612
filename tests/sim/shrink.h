/*
 * A failing run made smaller: fewer replicas, classes of faults switched off one by one, fewer
 * views, as long as the same check still fails.
 */
#ifndef INGOT_SIM_SHRINK_H
#define INGOT_SIM_SHRINK_H

#include "sim/summary.h"

#define SHRINK_RUNS_MAX 300
#define SHRINK_SECONDS_MAX 180

/*
 * `options` is a run that ends like `outcome`; both become those of the smallest that was found,
 * within SHRINK_RUNS_MAX runs and SHRINK_SECONDS_MAX. False: it does not fail again.
 */
bool shrink(struct swarm_options *options, struct outcome *outcome);

#endif
