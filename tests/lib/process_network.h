/*
 * A peer of real nodes that is no node itself, for the programs of the process tests: the transport
 * with the keys and the peers file of a home.
 */
#ifndef INGOT_TESTS_PROCESS_NETWORK_H
#define INGOT_TESTS_PROCESS_NETWORK_H

#include <ingot/network.h>

#include "config/home.h"

struct event_base;

/*
 * Listens and dials as a node of this home would. It is process_network_end's. A failure ends the
 * program with a sentence.
 *
 * @seed  of the transport key; NULL: the home's own.
 */
struct ingot_network *process_network_start(const struct node_home *home, struct event_base *base,
                                            const uint8_t *seed,
                                            const struct ingot_network_events *events);
/* Frees both. Everything else of the loop's has been freed. */
void process_network_end(struct ingot_network *network, struct event_base *base);

#endif
