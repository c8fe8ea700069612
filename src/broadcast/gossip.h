/*
 * Full gossip as a protocol of its own (`[node] protocol = gossip`): a message that is seen for the
 * first time goes on to all peers but the one it came from, and is delivered, once. It promises no
 * agreement: an originator may say two things under one id, and both are delivered.
 *
 * What is lost is said again: our own recent messages, on ticks, at intervals that double, to all
 * peers; and to a peer that has just connected. Within bounds: gossip_config, and the newest of
 * INGOT_GOSSIP_RECENT_MAX messages and INGOT_GOSSIP_RECENT_BYTES_MAX bytes.
 *
 * The attestor uses gossip_filter.h alone.
 */
#ifndef INGOT_BROADCAST_GOSSIP_H
#define INGOT_BROADCAST_GOSSIP_H

#include "broadcast/protocol.h"

struct gossip_config {
    const struct ingot_validator *members; /* ordered by key; copied */
    uint32_t member_count;                 /* 1 to INGOT_VALIDATORS_MAX */
    uint32_t own; /* our place among them, or BROADCAST_NONE: we only forward and deliver */
    /* SHA-256 of a payload: a pure function, handed in because nothing here can hash. */
    void (*digest)(struct ingot_slice payload, struct broadcast_digest *digest);
    uint32_t resend_ms;   /* until a message of ours is first said again; at least 1 */
    uint32_t resends_max; /* how often it is said again */
};

#define GOSSIP_RESEND_MS 500
#define GOSSIP_RESENDS_MAX 6

/*
 * Effects: a start becomes SEND TO_ALL, and DELIVER when it comes back signed; a start with the id
 * of a recent message of ours is REFUSED (DELIVERED for the same payload, CONFLICT for another).
 */
struct broadcast_protocol *gossip_new(const struct gossip_config *config);

#endif
