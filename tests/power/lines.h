/*
 * A member of quorum broadcast whose store and signatures file are recorded: what it has signed
 * binds it for ever, and what it has reported delivered is in its file, once.
 */
#ifndef INGOT_TESTS_POWER_LINES_H
#define INGOT_TESTS_POWER_LINES_H

#include "lib/prng.h"
#include "power/judge.h"

struct lines {
    const struct workload *workload;
    struct prng prng;
    struct record record;
    char why[256];
};

/* As world_run. One at a time. */
bool lines_run(struct lines *lines, const struct workload *workload, uint64_t seed,
               const char *folder, char *why, size_t why_size);
void lines_deinit(struct lines *lines);

/* As judge_image. */
bool lines_judge(const struct record *record, uint32_t at, const struct duty *duty,
                 const char *folder, char *why, size_t why_size);

/* The signatures file of a folder. NULL: it has whole lines that read, no id twice; or what is
 * wrong. */
const char *lines_judge_file(const char *folder);

#endif
