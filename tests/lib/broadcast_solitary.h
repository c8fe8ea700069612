/*
 * One replica of a broadcast protocol, alone with a test that plays all other members: it makes
 * their messages, sees every effect, and hands our own messages back as a driver does. Nothing is
 * signed or hashed in earnest.
 */
#ifndef INGOT_TESTS_BROADCAST_SOLITARY_H
#define INGOT_TESTS_BROADCAST_SOLITARY_H

#include "broadcast/gossip.h"
#include "broadcast/quorum_broadcast.h"

#define SOLITARY_MEMBERS_MAX 8

struct solitary {
    struct ingot_validator members[SOLITARY_MEMBERS_MAX]; /* of power 1 each */
    uint32_t own;
    struct broadcast_protocol *protocol;
    struct broadcast_effects effects; /* of all events since solitary_clear, in order */
    uint64_t now_ms;
    bool holds_own; /* our own messages do not come back until solitary_give_back */
    uint32_t given_back;
};

/* Stands in for SHA-256: no two payloads of the tests have the same. */
void solitary_digest(struct ingot_slice payload, struct broadcast_digest *digest);

/* Members with keys in order, and a protocol for member `own` of `count`. */
void solitary_init_gossip(struct solitary *solitary, uint32_t count, uint32_t own);
/* `config`: NULL for the defaults; else members, own and digest are filled in. */
void solitary_init_quorum(struct solitary *solitary, uint32_t count, uint32_t own,
                          const struct quorum_broadcast_config *config);
void solitary_deinit(struct solitary *solitary);

/* Events. All but solitary_tick happen at solitary->now_ms. */
enum broadcast_reject solitary_start(struct solitary *solitary, const char *id,
                                     const char *payload);
/* Of `sender`, by the channel of the same number. `payload`: what a vote is about. */
enum broadcast_reject solitary_say(struct solitary *solitary, enum broadcast_kind kind,
                                   uint32_t sender, uint32_t originator, const char *id,
                                   const char *payload);
/* Takes the reference. */
enum broadcast_reject solitary_receive(struct solitary *solitary, uint32_t peer,
                                       struct broadcast_message *message);
/* Moves the time on first. */
void solitary_tick(struct solitary *solitary, uint64_t passed_ms);
void solitary_connected(struct solitary *solitary, uint32_t peer, uint32_t member);
void solitary_give_back(struct solitary *solitary);

/* A signed message. The reference is the caller's. */
struct broadcast_message *solitary_message(enum broadcast_kind kind, uint32_t sender,
                                           uint32_t originator, const char *id,
                                           const char *payload);

/* What came out since solitary_clear. */
void solitary_clear(struct solitary *solitary);
uint32_t solitary_count(const struct solitary *solitary, enum broadcast_effect_kind kind);
/* SEND effects of messages of a kind to a kind of target; `to`: UINT32_MAX for any. */
uint32_t solitary_sent(const struct solitary *solitary, enum broadcast_kind kind,
                       enum broadcast_target target, uint32_t to);
/* The last effect of a kind, or NULL. */
const struct broadcast_effect *solitary_last(const struct solitary *solitary,
                                             enum broadcast_effect_kind kind);

#endif
