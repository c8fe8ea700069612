/*
 * What one member of a quorum broadcast may say and has to say, told again from the paper's rules
 * and from nothing but the messages that came to it: the checkers' own view of a round, in which
 * all that a member does is looked up. It shares no code with src/broadcast.
 *
 * The rules: PREPARE for the first payload that the originator has shown, once; COMMIT once, on a
 * quorum of PREPAREs for one payload, or on COMMITs of one honest member at least; deliver once, on
 * a quorum of COMMITs. All of it at once, whatever the order in which it came.
 */
#ifndef INGOT_TESTS_BROADCAST_RULES_H
#define INGOT_TESTS_BROADCAST_RULES_H

#include "broadcast/callbacks.h"
#include "broadcast/protocol.h"
#include "core/types.h"

#define BROADCAST_RULES_DIGESTS_MAX 4

/* What a member knows of one payload of a round. Bit i stands for member i. */
struct broadcast_known {
    struct broadcast_digest digest;
    bool is_shown; /* the originator's PRE-PREPARE has come */
    uint32_t prepares;
    uint32_t commits;
};

#define BROADCAST_RULES_NOTHING UINT32_MAX

struct broadcast_round {
    uint32_t originator;
    struct broadcast_id id;
    struct broadcast_known known[BROADCAST_RULES_DIGESTS_MAX];
    uint32_t known_count;
    /* Places in `known`, or BROADCAST_RULES_NOTHING. */
    uint32_t originated;
    uint32_t first_shown;
    uint32_t prepared;
    uint32_t committed;
    uint32_t delivered;
    uint32_t prepared_calls; /* of the callbacks */
    uint32_t committed_calls;
    bool is_lied_about; /* somebody said two things in it */
};

struct broadcast_rules {
    const struct validator_set *set; /* borrowed */
    uint32_t own;                    /* or BROADCAST_NONE */
    /* Also that nothing is left undone: where nothing is vetoed, no quota is full, and no round is
     * given up. */
    bool is_prompt;
    struct broadcast_round *rounds;
    uint32_t round_count;
    uint32_t round_capacity;
    char violation[240]; /* the first that was seen; empty: none */
};

void broadcast_rules_init(struct broadcast_rules *rules, const struct validator_set *set,
                          uint32_t own);
void broadcast_rules_deinit(struct broadcast_rules *rules);

/* A verified message has been handed to the protocol. */
void broadcast_rules_hears(struct broadcast_rules *rules, const struct broadcast_message *message);
/* The protocol wants this said; it is not signed yet. */
void broadcast_rules_says(struct broadcast_rules *rules, const struct broadcast_message *message);
void broadcast_rules_delivers(struct broadcast_rules *rules, const struct broadcast_effect *effect);
void broadcast_rules_calls_prepared(struct broadcast_rules *rules,
                                    const struct broadcast_round_view *round);
void broadcast_rules_calls_committed(struct broadcast_rules *rules,
                                     const struct broadcast_round_view *round);
/* All effects of an event are done, and its own messages have come back. */
void broadcast_rules_rests(struct broadcast_rules *rules);

/* The power of the members whose bits are set. */
uint64_t broadcast_rules_power(const struct validator_set *set, uint32_t members);

#endif
