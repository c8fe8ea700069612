/*
 * The node's own state, shared by its files and by the drivers of its protocols.
 */
#ifndef INGOT_NODE_NODE_STATE_H
#define INGOT_NODE_NODE_STATE_H

#include <event2/event.h>
#include <ingot/network.h>
#include <ingot/node.h>

#include "config/home.h"
#include "node/home_ledger.h"
#include "node/node_driver.h"
#include "node/peer_table.h"
#include "node/rpc.h"

struct ingot_node {
    struct ingot_node_options options;
    struct node_home home;
    struct home_genesis genesis;

    struct node_driver *driver; /* owned */
    struct ingot_network *network;
    struct ingot_discovery *discovery; /* the peers file */
    struct peer_table *peers;          /* the same, by number; owned */
    struct rpc *rpc;

    struct event_base *base;
    struct event *timer; /* the driver's deadline */
    struct event *flush; /* performs effects once the events at hand are taken */
    struct event *wake;  /* ingot_node_stop, from anywhere */
    struct event *stop_signals[2];
    struct event *reload_signal;
    int wake_fd;
    enum ingot_exit exit;

    struct ingot_buffer listen_address; /* host:port, as text */
};

/* node.c, for drivers: */
/* Effects are waiting: perform them when the loop has taken the events at hand. */
void node_schedule_flush(struct ingot_node *node);
/* The same, but sockets and signals first: for a driver that could always go on. */
void node_schedule_flush_later(struct ingot_node *node);
/* Ticks the driver at this time of the monotonic clock; replaces the earlier wish. */
void node_arm(struct ingot_node *node, uint64_t deadline_ms);
/* Losing a frame is allowed: whatever matters is said again. */
void node_send(struct ingot_node *node, uint32_t peer, enum ingot_frame_class frame_class,
               struct ingot_slice frame);
/* Ends ingot_node_run with this status. */
void node_fail(struct ingot_node *node, enum ingot_exit exit);

/* node_clients.c: */
/* The node's part of what the listener for clients reads; the rest is the driver's. */
void node_describe(struct ingot_node *node, struct rpc_identity *identity,
                   struct rpc_backend *backend);
/* What /metrics says of the node, whatever its protocol. */
void node_fill_metrics(struct ingot_node *node, struct metrics *metrics);

/* node_peers.c: */
/* The first table of peers; the error of ingot_network_set_peers. */
INGOT_MUST_USE enum ingot_error node_peers_start(struct ingot_node *node);
/* Reads the peers file again; what is wrong with it is logged, and then nothing changes. */
void node_peers_reload(struct ingot_node *node);

#endif
