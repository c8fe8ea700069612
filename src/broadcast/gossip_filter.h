/*
 * Which gossip messages have been seen: the part of full gossip that decides. Whoever gets a
 * message (verified first!) that this calls new forwards it to all peers but the one it came from,
 * and uses it; anything else it drops. So each message crosses each link at most once in each
 * direction.
 *
 * Memory is bounded for each originator: a ring of its newest INGOT_GOSSIP_DIGESTS_PER_ORIGINATOR
 * names. Junk of one pushes out only its own. It knows nothing of messages, members or signatures.
 */
#ifndef INGOT_BROADCAST_GOSSIP_FILTER_H
#define INGOT_BROADCAST_GOSSIP_FILTER_H

#include <ingot/types.h>

struct gossip_ring;

/* All zero is empty. */
struct gossip_filter {
    struct gossip_ring *rings; /* one for each originator heard of, up to ORIGINATORS_MAX */
    uint32_t ring_count;
    uint64_t clock;      /* counts additions, to find the originator that was quiet for longest */
    uint64_t name_count; /* in all rings */
};

void gossip_filter_deinit(struct gossip_filter *filter);

/* Is it there? No change. */
bool gossip_filter_has(const struct gossip_filter *filter,
                       const struct ingot_public_key *originator, const struct ingot_hash *name);

/*
 * True, and now remembered, if this message of this originator is new.
 *
 * @originator  the key that its signature was verified with.
 * @name        of the message (struct broadcast_message: name): covers what is signed, not the
 *              signature, of which a liar can make many.
 *
 * There is room for INGOT_GOSSIP_ORIGINATORS_MAX originators, more than a set has; a further one
 * takes the place of the one that was quiet for longest.
 */
INGOT_MUST_USE bool gossip_filter_add(struct gossip_filter *filter,
                                      const struct ingot_public_key *originator,
                                      const struct ingot_hash *name);

/* Appends what is remembered, in order (see broadcast_dump). */
void gossip_filter_dump(const struct gossip_filter *filter, struct ingot_buffer *out);

#endif
