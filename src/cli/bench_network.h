/*
 * The nodes that `ingot bench` loads: a network of its own, on free ports, with a process for each
 * validator and everything gone at the end; or nodes that are there already.
 */
#ifndef INGOT_CLI_BENCH_NETWORK_H
#define INGOT_CLI_BENCH_NETWORK_H

#include "cli/bench.h"
#include "cli/children.h"
#include "cli/client.h"

struct bench_network {
    char *folder;      /* of our own network, or a temporary one for measuring the disk */
    bool is_temporary; /* removed at the end */
    bool is_own;
    uint32_t node_count;
    struct client clients[BENCH_NODES_MAX];
    struct child children[BENCH_NODES_MAX];
    uint64_t rss_anon_bytes_max[BENCH_NODES_MAX]; /* seen so far; 0: not known */

    /* What the nodes say of themselves. */
    char app[32];
    uint32_t validator_count;
    bool is_durable; /* all of them */
};

/* What is read before and after the load, of all nodes together or of the first. */
struct bench_counts {
    uint64_t height;
    uint64_t view;
    uint64_t committed;
    uint64_t timeouts; /* of all nodes */
    double cpu_s;      /* processor time that all of our nodes have used */
};

/* Makes the folder, or takes the one that is to be kept. deinit is due in any case. */
enum ingot_exit bench_network_init(struct bench_network *network,
                                   const struct bench_options *options);
/* Starts the nodes if they are ours, and waits until all of them are ready. */
enum ingot_exit bench_network_start(struct bench_network *network,
                                    const struct bench_options *options);
/* Ends our nodes and removes the folder unless it is to be kept. */
void bench_network_deinit(struct bench_network *network);

/*
 * Takes note of the nodes' memory. False, with `why`, when one of our nodes has ended. Does not
 * wait.
 */
bool bench_network_watch(struct bench_network *network, char *why, size_t why_size);

/* False when a node does not answer. */
bool bench_network_count(struct bench_network *network, struct bench_counts *counts);

#endif
