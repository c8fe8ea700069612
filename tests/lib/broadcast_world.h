/*
 * A broadcast network in one process and in time of its own: the real protocols, and a network
 * whose every arrival, loss and repetition the test chooses. Nothing happens by itself.
 *
 * What members do goes past the rules (broadcast_rules.h), and the world checks what no member
 * sees alone: nothing is delivered twice by a member that has not lost its memory, and no two
 * payloads are delivered under one originator and id. The first violation stays in `violation`.
 *
 * A crash takes a member's memory. What its driver made durable stays: which payload of each round
 * it has said COMMIT for, and what it has delivered. A member that comes back takes nothing that
 * contradicts that choice, so no two payloads are ever delivered under one name, though it may say
 * PREPARE for another payload than before; and it counts no delivery twice. One that comes back
 * without its choices is one of those f that may lie, for as long as rounds of its former life are
 * open.
 */
#ifndef INGOT_TESTS_BROADCAST_WORLD_H
#define INGOT_TESTS_BROADCAST_WORLD_H

#include <stdio.h>

#include "lib/broadcast_member.h"

struct broadcast_world_options {
    uint32_t members;
    const uint64_t *powers; /* or NULL: 1 each */
    uint32_t observers;
    bool is_gossip;
    bool own_later;  /* a member's own messages come back when the test says so, not at once */
    bool encodes;    /* what arrives has been encoded and decoded */
    bool not_prompt; /* do not ask that all that can be done is done at once */
    FILE *trace;     /* or NULL: what happens, a line each */
    const struct broadcast_callbacks *callbacks; /* one for each node, or NULL: none */
};

struct broadcast_node {
    struct broadcast_member *member; /* NULL: down */
    struct broadcast_callbacks callbacks;
    bool is_liar;                          /* nobody runs there; the test speaks for it */
    struct broadcast_deliveries chosen;    /* durable: what it has said COMMIT for */
    struct broadcast_deliveries delivered; /* durable: each once */
    struct broadcast_deliveries remembers; /* those of this life */
};

struct broadcast_world {
    struct broadcast_network network;
    struct broadcast_world_options options;
    struct broadcast_node nodes[BROADCAST_NODES_MAX];
    struct broadcast_parcels flying; /* in the order in which they were sent */
    uint64_t now_ms;
    uint64_t sent; /* parcels, ever */
    char violation[300];
};

/* All nodes are up. The options' callbacks get their node's number as `context` if they have none.
 */
void broadcast_world_init(struct broadcast_world *world,
                          const struct broadcast_world_options *options);
void broadcast_world_deinit(struct broadcast_world *world);

/* Before anything happens: this one lies. It is down, and only broadcast_world_inject speaks. */
void broadcast_world_make_liar(struct broadcast_world *world, uint32_t node);
bool broadcast_world_is_up(const struct broadcast_world *world, uint32_t node);

enum broadcast_reject broadcast_world_start(struct broadcast_world *world, uint32_t node,
                                            const char *id, const char *payload);
/* Places are those in `flying`. A parcel for a node that is down is lost. */
void broadcast_world_arrive(struct broadcast_world *world, uint32_t place);
void broadcast_world_lose(struct broadcast_world *world, uint32_t place);
/* It arrives, and another copy stays on its way. */
void broadcast_world_repeat(struct broadcast_world *world, uint32_t place);
/* A node's oldest own message comes back; false: there is none. */
bool broadcast_world_own_back(struct broadcast_world *world, uint32_t node);
/* Takes the reference. */
void broadcast_world_inject(struct broadcast_world *world, uint32_t from, uint32_t to,
                            struct broadcast_message *message);
/* The same to every node but `from`. Takes the reference. */
void broadcast_world_inject_to_all(struct broadcast_world *world, uint32_t from,
                                   struct broadcast_message *message);
/* Time passes, and those whose deadline has come get a tick. */
void broadcast_world_pass(struct broadcast_world *world, uint64_t ms);

void broadcast_world_crash(struct broadcast_world *world, uint32_t node);
/* Up again, with new channels to all: what was on its way by the old ones is lost. `forgets`: its
 * durable choices are gone too. */
void broadcast_world_restart(struct broadcast_world *world, uint32_t node, bool forgets);

/* All that flies arrives, in order, and what follows from it. No time passes. */
void broadcast_world_calm(struct broadcast_world *world);
/* The same, and time passes, for so long. */
void broadcast_world_settle(struct broadcast_world *world, uint64_t ms);

/* What a node has delivered under that name in any of its lives, or NULL. */
const struct broadcast_delivery *broadcast_world_delivered(const struct broadcast_world *world,
                                                           uint32_t node, uint32_t originator,
                                                           const char *id);
/* Has it delivered it since it came up last? */
bool broadcast_world_remembers(const struct broadcast_world *world, uint32_t node,
                               uint32_t originator, const char *id);
/* How many nodes that are up have delivered it. */
uint32_t broadcast_world_delivered_count(const struct broadcast_world *world, uint32_t originator,
                                         const char *id);
#endif
