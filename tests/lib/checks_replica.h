/*
 * What is judged inside of a replica, after each of its turns: the core's own invariants, the caps
 * of all that others can make it keep, and whom its sync client blames.
 */
#ifndef INGOT_TESTS_CHECKS_REPLICA_H
#define INGOT_TESTS_CHECKS_REPLICA_H

#include "lib/checks.h"
#include "node/replica.h"

void checks_replica(struct checks *checks, uint32_t node, const struct replica *replica);

#endif
