/*
 * One member of a broadcast network, or an observer: the real protocol with a driver that signs
 * with the fast stand-in for ed25519, verifies what comes, looks every step up in the rules
 * (broadcast_rules.h), and keeps what is to be sent for whoever plays the network.
 *
 * Nodes are numbered from 0: the members in the set's order, then the observers. A channel has the
 * number of the node at its other end.
 */
#ifndef INGOT_TESTS_BROADCAST_MEMBER_H
#define INGOT_TESTS_BROADCAST_MEMBER_H

#include "broadcast/gossip.h"
#include "broadcast/quorum_broadcast.h"
#include "lib/broadcast_rules.h"
#include "lib/wire_samples.h"

#define BROADCAST_NODES_MAX 8

/* What is common to all nodes of a network. */
struct broadcast_network {
    struct samples samples; /* the members and their keys */
    uint32_t nodes;         /* members and observers */
    bool is_gossip;
    struct quorum_broadcast_config times_and_quotas; /* members, own and callbacks left out */
};

/* `powers` of the members, or NULL: 1 each. Default times and quotas, for the test to change. */
void broadcast_network_init(struct broadcast_network *network, uint32_t members,
                            const uint64_t *powers, uint32_t observers);
void broadcast_network_deinit(struct broadcast_network *network);

/*
 * A signed message of a member, whatever it is: honest members say what the protocol tells them,
 * these are for those that lie. `payload` is the payload of GOSSIP and PRE_PREPARE, and that whose
 * digest the others name.
 */
struct broadcast_message *broadcast_say(const struct broadcast_network *network,
                                        enum broadcast_kind kind, uint32_t sender,
                                        uint32_t originator, const char *id, const char *payload);
/* Signs again after a change of its fields, as `signer`, on `chain`. */
void broadcast_sign_as(const struct broadcast_network *network, uint32_t signer,
                       const struct ingot_hash *chain, struct broadcast_message *message);

/* A message on its way. */
struct broadcast_parcel {
    uint32_t from;
    uint32_t to;
    struct broadcast_message *message; /* a reference */
};

struct broadcast_parcels {
    struct broadcast_parcel *items;
    uint32_t count;
    uint32_t capacity;
};

/* Takes a reference of its own. */
void broadcast_parcels_add(struct broadcast_parcels *parcels, uint32_t from, uint32_t to,
                           struct broadcast_message *message);
/* Removes one and keeps the order of the others; the reference becomes the caller's. */
struct broadcast_parcel broadcast_parcels_take(struct broadcast_parcels *parcels, uint32_t at);
void broadcast_parcels_deinit(struct broadcast_parcels *parcels);

struct broadcast_delivery {
    uint32_t originator;
    struct broadcast_id id;
    struct broadcast_digest digest;
};

struct broadcast_deliveries {
    struct broadcast_delivery *items;
    uint32_t count;
    uint32_t capacity;
};

void broadcast_deliveries_add(struct broadcast_deliveries *deliveries,
                              const struct broadcast_delivery *delivery);
/* NULL if nothing was delivered under that name. */
const struct broadcast_delivery *
broadcast_deliveries_find(const struct broadcast_deliveries *deliveries, uint32_t originator,
                          struct ingot_slice id);

struct broadcast_member {
    const struct broadcast_network *network;
    uint32_t node;
    uint32_t own; /* BROADCAST_NONE: an observer */
    struct broadcast_protocol *protocol;
    struct broadcast_callbacks callbacks; /* the test's */
    struct broadcast_rules rules;
    uint64_t now_ms;      /* whoever plays the clock moves it */
    uint64_t deadline_ms; /* armed; UINT64_MAX: none */
    struct broadcast_effects effects;
    struct broadcast_parcels own_signed; /* its own messages that have not come back yet */
    struct broadcast_parcels out;        /* what it has sent */
    struct broadcast_deliveries delivered;
    uint32_t timed_out;
    uint32_t refused;
    enum broadcast_reject refused_as; /* the last one */
    uint64_t forged;                  /* messages whose signature was not the sender's */
};

/* `callbacks` or NULL. It wants the network as long as it lives. */
struct broadcast_member *broadcast_member_new(const struct broadcast_network *network,
                                              uint32_t node,
                                              const struct broadcast_callbacks *callbacks);
void broadcast_member_free(struct broadcast_member *member);

/* Each returns what the protocol said. Its own messages stay in own_signed. */
enum broadcast_reject broadcast_member_start(struct broadcast_member *member, const char *id,
                                             const char *payload);
/* One whose signature is not its sender's is dropped, as the driver does. */
enum broadcast_reject broadcast_member_hear(struct broadcast_member *member, uint32_t from,
                                            struct broadcast_message *message);
enum broadcast_reject broadcast_member_tick(struct broadcast_member *member);
enum broadcast_reject broadcast_member_connected(struct broadcast_member *member, uint32_t node);
/* The oldest of its own messages comes back, or all of them, and those that follow from it. */
void broadcast_member_hear_own(struct broadcast_member *member);
void broadcast_member_hear_all_own(struct broadcast_member *member);

/* Empty: nothing was wrong so far. */
const char *broadcast_member_violation(const struct broadcast_member *member);

#endif
