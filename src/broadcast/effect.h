/*
 * How the protocols put effects into their list. For src/broadcast alone.
 */
#ifndef INGOT_BROADCAST_EFFECT_H
#define INGOT_BROADCAST_EFFECT_H

#include "broadcast/protocol.h"

/* Each takes a reference of its own to the message. `to`: the peer or member, where there is one.
 */
void broadcast_effect_send(struct broadcast_effects *effects, enum broadcast_target target,
                           uint32_t to, struct broadcast_message *message);
void broadcast_effect_deliver(struct broadcast_effects *effects, struct broadcast_message *message,
                              struct broadcast_message *const *commits, uint32_t commit_count);
/* Takes the id as the client gave it; returns `reason`. */
enum broadcast_reject broadcast_effect_refused(struct broadcast_effects *effects,
                                               struct ingot_slice id, enum broadcast_reject reason);
void broadcast_effect_timed_out(struct broadcast_effects *effects, const struct broadcast_id *id);
void broadcast_effect_arm(struct broadcast_effects *effects, uint64_t deadline_ms);

/* For dumps: how far a time is off, 0 for times of the past. */
void broadcast_dump_time(uint64_t time_ms, uint64_t now_ms, struct ingot_buffer *out);
/* Kind, sender, what is said, and the signature if it is signed; or that there is none. */
void broadcast_dump_message(const struct broadcast_message *message, struct ingot_buffer *out);

#endif
