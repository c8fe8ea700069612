/*
 * Which number each peer has. A number names a peer in the network, the replica and the core, each
 * of which keeps a little of its own for every number, so numbers stay with their peers and are
 * few: a peer keeps its number for as long as it is in the peers file, and what it leaves goes to
 * the next newcomer.
 */
#ifndef INGOT_NODE_PEER_TABLE_H
#define INGOT_NODE_PEER_TABLE_H

#include "config/peers.h"

struct peer_slot {
    bool is_used;
    struct peer_entry entry;
};

/* All zero is empty. */
struct peer_table {
    struct peer_slot slots[INGOT_PEERS_MAX]; /* by number */
};

/* What became of a number from one table to the next. Both _REMOVED and _ADDED may hold. */
#define PEER_REMOVED 1u /* the peer that had it has left */
#define PEER_ADDED 2u   /* a newcomer has it */
#define PEER_CHANGED 4u /* the same peer, with another address or validator key */

/*
 * The table for a list of peers, from the table so far; `own` is the node's own transport key,
 * whose line, if there is one, gets no number. Everything is copied.
 */
void peer_table_next(const struct peer_table *now, const struct peer_list *list,
                     const struct ingot_public_key *own, struct peer_table *next);
/* The PEER_ flags of a number. */
unsigned peer_table_compare(const struct peer_table *before, const struct peer_table *after,
                            uint32_t number);

#endif
