/*
 * The state of the replicated log's driver, for its own files.
 */
#ifndef INGOT_NODE_NODE_HOTSTUFF_H
#define INGOT_NODE_NODE_HOTSTUFF_H

#include "base/give_way.h"
#include "node/attestor.h"
#include "node/node_state.h"
#include "node/replica.h"

struct hotstuff {
    struct node_driver driver; /* first */
    struct ingot_node *node;   /* whose driver it is */
    struct ingot_app own_app;  /* when the options bring none */
    const struct ingot_app *app;
    struct ingot_store *store;
    struct replica *replica;
    struct attestor *attestor;  /* NULL: the App asks for no attestations (node_attest.c) */
    struct event *attest_timer; /* its deadline */
    struct block *tip;          /* the last committed block that is durable; owned */
    struct give_way way;        /* of the loop's thread */
    uint64_t reported_us;       /* when a commit was logged last */
    uint64_t reported_transactions;
};

struct hotstuff *node_hotstuff_of(struct node_driver *driver);

/* node_hotstuff_clients.c: what the listener for clients reads of it. */
void node_hotstuff_describe(struct node_driver *driver, struct rpc_identity *identity,
                            struct rpc_backend *backend);

#endif
