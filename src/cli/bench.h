/*
 * `ingot bench`: what its parts share.
 *
 *   bench.c            the command line, and the order of things
 *   bench_network.c    the network under load: one of its own, or one that is there
 *   bench_load.c       offers load and times the answers
 *   bench_packed.c     transactions -> the body of POST /transactions; its answer -> outcomes
 *   bench_calls.c      where transactions come from; the same with JSON-RPC calls
 *   bench_histogram.c  durations -> percentiles
 *   bench_machine.c    what this machine can do at best
 *   bench_report.c     the result as text and as JSON
 */
#ifndef INGOT_CLI_BENCH_H
#define INGOT_CLI_BENCH_H

#include <ingot/types.h>

#include "cli/bench_histogram.h"
#include "cli/command.h"

#define BENCH_NODES_MAX 64

struct bench_options {
    const char *app;      /* NULL: not given */
    uint32_t validators;  /* 0: not given */
    uint32_t tx_bytes;    /* 0: not given */
    bool attest;          /* wait for attestations, not for commits alone; with http */
    bool http;            /* JSON-RPC calls instead of POST /transactions */
    uint32_t nice;        /* of the load generator, 0 to 19 */
    uint32_t keys;        /* kv: how many different keys are written */
    uint64_t rate;        /* transactions a second in an open loop; 0: closed loop */
    uint32_t clients;     /* closed loop */
    uint32_t outstanding; /* closed loop: transactions that each client waits for at a time */
    uint32_t seconds;
    uint32_t warmup_seconds;
    bool json;
    const char *keep; /* the network's folder, which stays; NULL: a temporary one */
    struct endpoint nodes[BENCH_NODES_MAX];
    uint32_t node_count; /* 0: a network of our own */
};

/* What became of a transaction. */
enum bench_outcome {
    BENCH_COMMITTED,
    BENCH_MEMPOOL_FULL,
    BENCH_REFUSED, /* by the App, or as a repeat */
    BENCH_TIMEOUT, /* no commit in time; it may still come */
    BENCH_LOST,    /* the connection failed, or the answer made no sense */
    BENCH_OUTCOME_COUNT
};

/* The name of an outcome in the result: "mempool_full". */
const char *bench_outcome_name(enum bench_outcome outcome);

/* What load found. Times are of the measured interval only, unless they say otherwise. */
struct bench_result {
    double seconds;                         /* how long the interval really was */
    uint64_t offered;                       /* transactions that were due or sent in it */
    uint64_t committed;                     /* commits that became known in it */
    uint64_t outcomes[BENCH_OUTCOME_COUNT]; /* of the offered ones */
    struct bench_histogram latency;         /* of the offered ones that were committed */
    uint64_t committed_in_all;              /* warm-up and the end included */
    double generator_cpu;                   /* processors that the load generator used */
    int generator_nice;                     /* its niceness as the system says it */
    bool was_interrupted;
    char first_error[256]; /* the text of the first transaction that was not committed, or "" */
    char why[256];         /* not empty: the run is void */
};

/* Has the user, or the system, asked us to end? Signals are blocked and wait for this question. */
bool bench_is_interrupted(void);

#endif
