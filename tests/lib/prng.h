/*
 * Random numbers from a seed: the same on every machine and compiler. xoshiro256**, seeded by
 * splitmix64 (Blackman and Vigna). Not for anything secret.
 */
#ifndef INGOT_TESTS_PRNG_H
#define INGOT_TESTS_PRNG_H

#include <stdbool.h>
#include <stdint.h>

struct prng {
    uint64_t state[4];
};

/* Different streams of one seed are independent. */
void prng_init(struct prng *prng, uint64_t seed, uint64_t stream);
uint64_t prng_next(struct prng *prng);
/* 0 to bound - 1; bound at least 1. */
uint64_t prng_below(struct prng *prng, uint64_t bound);
/* low to high, both included. */
uint64_t prng_between(struct prng *prng, uint64_t low, uint64_t high);
/* True in `parts` of a million cases. */
bool prng_chance(struct prng *prng, uint32_t parts_per_million);

#endif
