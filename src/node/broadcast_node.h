/*
 * The driver of the broadcast protocols (`[node] protocol = quorum-broadcast | gossip`): their
 * sans-I/O state machines over the node's network, with the genesis validators as members. There
 * is no chain; quorum broadcast keeps its attestations in the signatures file.
 *
 *   frame -> decode -> verify -> event -> protocol -> effects -> sign, send, deliver
 *
 * Who sent a message is who signed it; which channel it came by decides where answers go, and
 * nothing else.
 */
#ifndef INGOT_NODE_BROADCAST_NODE_H
#define INGOT_NODE_BROADCAST_NODE_H

#include "broadcast/protocol.h"
#include "node/gossip_deliveries.h"
#include "node/node_state.h"
#include "node/quorum_signing.h"
#include "storage/folder.h"
#include "wire/preimage.h"

struct broadcast_peer {
    bool is_connected;
    bool was_warned_of; /* the log has named what it sends that is not of this protocol */
    uint32_t member;    /* BROADCAST_NONE: no validator's channel */
};

/* Named by what a client asks for. */
struct broadcast_round_name {
    struct broadcast_id id;
    struct broadcast_digest digest;
    bool has_timed_out; /* the protocol has given it up */
};

struct broadcast_rounds {
    struct broadcast_round_name *items; /* owned */
    uint32_t count;
    uint32_t capacity;
};

/* Owned references, in order. */
struct broadcast_messages {
    struct broadcast_message **items; /* owned */
    uint32_t count;
    uint32_t capacity;
};

struct broadcast_node {
    struct node_driver driver;  /* first */
    struct ingot_node *node;    /* whose driver it is */
    struct store_folder folder; /* gossip: nobody else runs on it */
    struct ingot_store *store;  /* quorum broadcast, in the same folder; else NULL */
    struct broadcast_protocol *protocol;
    struct broadcast_effects effects; /* not yet performed */
    struct broadcast_messages held;   /* our COMMITs, unsigned: they may not leave yet */
    struct quorum_signing *signing;   /* quorum broadcast; else NULL */
    struct gossip_deliveries deliveries;
    uint32_t own; /* our place in the genesis set, or BROADCAST_NONE */
    struct crypto_secret_key secret;
    struct wire_signer signer;
    struct broadcast_peer peers[INGOT_PEERS_MAX];
    struct ingot_buffer frame; /* scratch */

    struct broadcast_rounds started;   /* by clients of ours, and not ended */
    struct broadcast_rounds delivered; /* waiting for their record to be durable */
    bool has_deadline;                 /* the protocol's */
    uint64_t deadline_ms;
    bool is_full; /* the disk; the sync is tried again */

    struct metrics metrics;
    struct metrics_broadcast counts;
    uint64_t reported_us; /* when a delivery was logged last */
    uint64_t reported_deliveries;
};

struct broadcast_node *broadcast_node_of(struct node_driver *driver);
uint64_t broadcast_node_now_ms(void);

/* A round is there, by its id and, unless NULL, its digest: its place in the list, or UINT32_MAX.
 */
uint32_t broadcast_rounds_find(const struct broadcast_rounds *rounds, const struct broadcast_id *id,
                               const struct broadcast_digest *digest);
void broadcast_rounds_add(struct broadcast_rounds *rounds, const struct broadcast_id *id,
                          const struct broadcast_digest *digest);

/* A client's payload; what comes of it is in the effects. The reason if it does not begin. */
enum broadcast_reject broadcast_node_start(struct broadcast_node *driver,
                                           const struct broadcast_id *id,
                                           struct ingot_slice payload);

/* broadcast_node_clients.c: what the listener for clients reads, and submits. */
void broadcast_node_describe(struct node_driver *driver, struct rpc_identity *identity,
                             struct rpc_backend *backend);

#endif
