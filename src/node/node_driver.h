/*
 * What a node does besides talking to peers and clients: the protocol that it runs. node.c has the
 * loop, the network, the peers and the listener for clients, which are the same for all; a driver
 * has the rest. node_hotstuff.c is the one of the replicated log.
 *
 * A driver is used on the loop's thread only. It is the first member of each driver's own struct.
 */
#ifndef INGOT_NODE_NODE_DRIVER_H
#define INGOT_NODE_NODE_DRIVER_H

#include <ingot/node.h>

#include "node/rpc.h"

struct node_driver;

struct node_driver_operations {
    /*
     * Opens what the protocol needs: keys, stored data. The node has its home and its loop, but
     * neither network nor clients. On a failure `*driver` may be set, and is freed by the node.
     */
    enum ingot_exit (*open)(struct ingot_node *node, struct node_driver **driver, char *why,
                            size_t why_size);
    void (*free)(struct node_driver *driver);

    /* A peer of this number belongs to this validator; has_key false: to none. */
    void (*set_peer)(struct node_driver *driver, uint32_t peer, bool has_key,
                     const struct ingot_public_key *key);
    /* It has left for good, and the number may go to another. */
    void (*remove_peer)(struct node_driver *driver, uint32_t peer);
    void (*set_connected)(struct node_driver *driver, uint32_t peer, bool is_connected);

    /* Once, when the loop begins to run. Channels may be up already. */
    void (*start)(struct node_driver *driver);
    /* A frame of a peer. Effects may wait for the flush. */
    void (*receive)(struct node_driver *driver, uint32_t peer, struct ingot_slice frame);
    /* The time of node_arm has come. */
    void (*tick)(struct node_driver *driver);
    /* Performs what waits. After each of the above, once the loop has taken the events at hand. */
    void (*flush)(struct node_driver *driver);

    /* As ingot_node_submit. */
    enum ingot_error (*submit)(struct node_driver *driver, struct ingot_slice transaction);
    /* As ingot_node_get_status, but for the peers. */
    void (*get_status)(struct node_driver *driver, struct ingot_node_status *status);
    /* Fills in what the listener for clients sees of the protocol; the node adds what it knows. */
    void (*describe)(struct node_driver *driver, struct rpc_identity *identity,
                     struct rpc_backend *backend);
};

struct node_driver {
    const struct node_driver_operations *operations;
    const char *app_name; /* for people; borrowed */
};

extern const struct node_driver_operations node_hotstuff;
extern const struct node_driver_operations broadcast_node;

#endif
