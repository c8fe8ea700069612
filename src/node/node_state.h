/*
 * The node's own state, shared by its files.
 */
#ifndef INGOT_NODE_NODE_STATE_H
#define INGOT_NODE_NODE_STATE_H

#include <event2/event.h>
#include <ingot/node.h>

#include "config/home.h"
#include "node/home_ledger.h"
#include "node/peer_table.h"
#include "node/replica.h"
#include "node/rpc.h"

struct ingot_node {
    struct ingot_node_options options;
    struct node_home home;
    struct ingot_app own_app; /* when the options bring none */
    const struct ingot_app *app;
    struct home_genesis genesis;

    struct ingot_store *store;
    struct replica *replica;
    struct ingot_network *network;
    struct ingot_discovery *discovery; /* the peers file */
    struct peer_table *peers;          /* the same, by number; owned */
    struct rpc *rpc;

    struct event_base *base;
    struct event *timer; /* the replica's deadline */
    struct event *flush; /* performs effects once the events at hand are taken */
    struct event *wake;  /* ingot_node_stop, from anywhere */
    struct event *stop_signals[2];
    struct event *reload_signal;
    int wake_fd;
    enum ingot_exit exit;

    struct ingot_buffer listen_address; /* host:port, as text */
    struct block *tip;                  /* the last committed block that is durable; owned */
    uint64_t reported_us;               /* when a commit was logged last */
    uint64_t reported_transactions;
};

/* node_clients.c: what the listener for clients reads of the node. */
struct rpc_backend node_rpc_backend(struct ingot_node *node);
struct rpc_identity node_rpc_identity(const struct ingot_node *node, const char *listen_address);
/* node_peers.c: */
/* The first table of peers; the error of ingot_network_set_peers. */
INGOT_MUST_USE enum ingot_error node_peers_start(struct ingot_node *node);
/* Reads the peers file again; what is wrong with it is logged, and then nothing changes. */
void node_peers_reload(struct ingot_node *node);
/* Effects are waiting: perform them when the loop has taken the events at hand. */
void node_schedule_flush(struct ingot_node *node);

#endif
