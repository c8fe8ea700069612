/*
 * What a run is, as words of a command line: what people type, what a failure prints, and what is
 * kept of it in a file.
 */
#ifndef INGOT_SIM_OPTIONS_H
#define INGOT_SIM_OPTIONS_H

#include "sim/swarm.h"

/* Four validators, or as many as the seed says, 100 views, all faults. */
struct swarm_options options_default(void);

/*
 * Takes one option and, where it has one, its value; `value` may be NULL. Returns how many words it
 * took; 0: it is none of a run, or its value cannot be used.
 */
int options_take(struct swarm_options *options, const char *name, const char *value);

/* The options that are not the default, each after a space. */
void options_print(FILE *out, const struct swarm_options *options);

/* "qc-one-signature" for BYZANTINE_QC_ONE_SIGNATURE. */
#define OPTIONS_NAME_MAX 40
void options_habit_name(enum byzantine_habit habit, char name[OPTIONS_NAME_MAX]);

/* Decimal, and nothing else. */
bool options_number(const char *text, uint64_t low, uint64_t high, uint64_t *number);

#endif
