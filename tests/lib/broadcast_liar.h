/*
 * A member of a broadcast network that lies, in every way that its key allows: it shows different
 * payloads, votes for several, withholds, forges, replays, and answers with nonsense. What it says
 * is drawn from the caller's random numbers.
 */
#ifndef INGOT_TESTS_BROADCAST_LIAR_H
#define INGOT_TESTS_BROADCAST_LIAR_H

#include "lib/broadcast_world.h"
#include "lib/prng.h"

/* Ids that rounds of these tests have, so that lies are about rounds that are there. */
extern const char *const broadcast_liar_ids[];
#define BROADCAST_LIAR_IDS 3
/* Payloads: that of a correct originator is the first. */
extern const char *const broadcast_liar_payloads[];
#define BROADCAST_LIAR_PAYLOADS 3

/* One lie, to some of the others. */
void broadcast_liar_lies(struct broadcast_world *world, uint32_t liar, struct prng *prng);

#endif
