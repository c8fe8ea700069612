/*
 * Runs that have found something, one a file: what was found, in words, and the options that show
 * it again. All of them must pass: what they have found is mended.
 */
#ifndef INGOT_SIM_KEPT_H
#define INGOT_SIM_KEPT_H

#include "sim/summary.h"

/* Writes `folder`/NAME.seed; the name follows from the options. False: errno says why. */
bool kept_write(const char *folder, const struct swarm_options *options,
                const struct outcome *outcome);

/* Runs all files of the folder. True: there are some, and all of them pass. */
bool kept_run_all(const char *folder);

#endif
