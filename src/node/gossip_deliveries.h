/*
 * What full gossip has delivered lately, for clients that ask: the newest payloads, within bounds.
 */
#ifndef INGOT_NODE_GOSSIP_DELIVERIES_H
#define INGOT_NODE_GOSSIP_DELIVERIES_H

#include "broadcast/message.h"

#define GOSSIP_DELIVERIES_MAX 4096
#define GOSSIP_DELIVERIES_BYTES_MAX (16 * 1024 * 1024)

/* All zero is empty. */
struct gossip_deliveries {
    struct broadcast_message *messages[GOSSIP_DELIVERIES_MAX]; /* a ring of references */
    uint64_t first;                                            /* oldest; counts from the start */
    uint64_t end;
    uint64_t bytes; /* of their payloads */
};

void gossip_deliveries_deinit(struct gossip_deliveries *deliveries);
/* Takes a reference of its own; the oldest make room. */
void gossip_deliveries_add(struct gossip_deliveries *deliveries, struct broadcast_message *message);
/* The newest of this id and, unless NULL, of this digest; borrowed, or NULL. */
const struct broadcast_message *gossip_deliveries_find(const struct gossip_deliveries *deliveries,
                                                       const struct broadcast_id *id,
                                                       const struct broadcast_digest *digest);

#endif
