/*
 * Offers load to nodes and times the answers, on one event loop.
 *
 * A connection has one request in flight: one POST /transactions, or one broadcast_tx_commit or a
 * batch of them, whose answer comes when the last of its transactions is committed
 * (docs/performance.md says what that means for the figures).
 */
#ifndef INGOT_CLI_BENCH_LOAD_H
#define INGOT_CLI_BENCH_LOAD_H

#include "cli/bench_calls.h"
#include "cli/link.h"

struct bench_load {
    const struct bench_options *options;
    struct bench_source *source;
    const struct link_target *targets; /* one for each node */
    uint32_t target_count;
    uint32_t request_max; /* transactions in one request of an open loop */
    /* Called about four times a second; false ends the run, with `why` filled in. */
    bool (*watch)(void *context, char *why, size_t why_size);
    void *context;
};

/* Warms up, measures, and waits for what is still under way. */
void bench_load_run(const struct bench_load *load, struct bench_result *result);

#endif
