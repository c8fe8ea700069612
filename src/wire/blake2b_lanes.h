/*
 * BLAKE2b-256 of four short messages at once, one in each lane of the processor's vector registers:
 * a transaction costs two such hashes, and taking them one after the other leaves most of the
 * processor idle. It is told by crypto_blake2b_each, which has another way where there are no such
 * registers.
 */
#ifndef INGOT_WIRE_BLAKE2B_LANES_H
#define INGOT_WIRE_BLAKE2B_LANES_H

#include <ingot/types.h>

#define BLAKE2B_LANES 4
#define BLAKE2B_BLOCK_BYTES 128

/* Can this processor do it? */
bool blake2b_lanes_are_there(void);

/* All four messages have so many blocks: as many as their bytes fill, at least one. */
void blake2b_lanes(const struct ingot_slice messages[BLAKE2B_LANES], size_t block_count,
                   struct ingot_hash hashes[BLAKE2B_LANES]);

#endif
