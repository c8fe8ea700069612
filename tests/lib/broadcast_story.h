/*
 * What the stories about four members of a quorum broadcast have in common. For tests with cmocka:
 * what does not hold fails the test.
 */
#ifndef INGOT_TESTS_BROADCAST_STORY_H
#define INGOT_TESTS_BROADCAST_STORY_H

#include "lib/broadcast_world.h"

#define STORY_MEMBERS 4
/* The one that lies, where one does. */
#define STORY_LIAR 3

void story_begin(struct broadcast_world *world);
/* In a story in which quotas are used up, something is vetoed, or rounds are given up. */
void story_begin_with_limits(struct broadcast_world *world);
/* The same with callbacks, one set for each member. */
void story_begin_with_callbacks(struct broadcast_world *world,
                                const struct broadcast_callbacks *callbacks);
/* No rule was broken. */
void story_end(struct broadcast_world *world);

struct broadcast_member *story_member(struct broadcast_world *world, uint32_t node);
/* So often a member has rejected something for this reason. */
uint64_t story_rejected(struct broadcast_world *world, uint32_t node, enum broadcast_reject reason);

/* Not even a minute later. */
void story_nobody_delivers(struct broadcast_world *world, uint32_t originator, const char *id);
/* Everybody who is up has. */
void story_all_deliver(struct broadcast_world *world, uint32_t originator, const char *id);

/* A message of the liar's channel arrives (takes the reference). What the member says then is lost;
 * how much it was is returned. */
uint32_t story_says_after(struct broadcast_world *world, uint32_t node,
                          struct broadcast_message *message);

#endif
