/*
 * All states that a small broadcast network can reach: every order in which messages can arrive,
 * with a given number of losses and repetitions anywhere. Each distinct state is visited once.
 *
 * A member is a function of what it has heard, so a state of the network is the state of each
 * member, as the protocol dumps it, and the messages on their way. What a member in one state does
 * with one message is asked of the real protocol once, by telling a new one the whole story so far,
 * and then looked up; that two stories with the same dump really go on alike is checked as well.
 *
 * The rules (broadcast_rules.h) are checked at each step of a member; agreement in every state; in
 * every state without messages on their way ticks have to repair what is missing.
 */
#ifndef INGOT_TESTS_BROADCAST_SPACE_H
#define INGOT_TESTS_BROADCAST_SPACE_H

#include "lib/broadcast_member.h"

struct broadcast_space_options {
    uint32_t members; /* 1 to 4 */
    bool is_gossip;
    const uint64_t *powers; /* or NULL */
    bool own_on_its_way;    /* a member's own messages come back at any time, not at once */
    bool lies;              /* member 0 originates two payloads under one id, and votes for both */
    uint32_t losses;        /* so many at most, anywhere */
    uint32_t repetitions;
    uint32_t ticks;      /* so many deadlines may pass in the middle of it, anywhere */
    uint64_t states_max; /* the cap */
};

struct broadcast_space_result {
    uint64_t states;        /* distinct ones */
    uint64_t ends;          /* of those, without messages on their way */
    uint64_t steps;         /* from a state to a next one */
    uint32_t member_states; /* distinct ones, of all members together */
    uint32_t merges;        /* different stories of a member that led to the same state */
    bool is_complete;       /* otherwise the cap was reached */
    char violation[400];    /* empty: all is well */
};

void broadcast_space_explore(const struct broadcast_space_options *options,
                             struct broadcast_space_result *result);

#endif
