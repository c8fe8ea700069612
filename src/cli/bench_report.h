/*
 * The result of `ingot bench`, for people and for programs.
 */
#ifndef INGOT_CLI_BENCH_REPORT_H
#define INGOT_CLI_BENCH_REPORT_H

#include "cli/bench_machine.h"
#include "cli/bench_network.h"

struct bench_report {
    const struct bench_options *options;
    const struct bench_network *network;
    const struct bench_machine *machine;
    const struct bench_result *result;
    struct bench_counts before; /* the load */
    struct bench_counts after;
};

void bench_report_text(const struct bench_report *report);
void bench_report_json(const struct bench_report *report);

#endif
