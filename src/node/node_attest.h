/*
 * The attestor on the replicated log's driver: it sees the frames and the commits, and clients see
 * what comes of them. There is one only where the App asks for attestations.
 */
#ifndef INGOT_NODE_NODE_ATTEST_H
#define INGOT_NODE_NODE_ATTEST_H

#include "node/node_hotstuff.h"

/* Opens the attestor, if the App wants one. The replica is open. */
enum ingot_exit node_attest_open(struct hotstuff *hotstuff, char *why, size_t why_size);
void node_attest_free(struct hotstuff *hotstuff);

/* Adds what clients see of it. */
void node_attest_describe(struct hotstuff *hotstuff, struct rpc_backend *backend);
void node_attest_fill_status(const struct hotstuff *hotstuff, struct rpc_status *status);
void node_attest_fill_metrics(const struct hotstuff *hotstuff, struct metrics *metrics);

#endif
