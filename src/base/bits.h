/*
 * Bitmaps as they travel: bit i is bit i % 8, from the lowest, of byte i / 8.
 */
#ifndef INGOT_BASE_BITS_H
#define INGOT_BASE_BITS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

static inline size_t bits_bytes(uint32_t bit_count)
{
    return ((size_t)bit_count + 7) / 8;
}

static inline bool bits_has(const uint8_t *bits, uint32_t index)
{
    return (bits[index / 8] >> (index % 8) & 1) != 0;
}

static inline void bits_set(uint8_t *bits, uint32_t index)
{
    bits[index / 8] = (uint8_t)(bits[index / 8] | 1U << (index % 8));
}

static inline uint32_t bits_count(const uint8_t *bits, size_t size)
{
    uint32_t count = 0;
    for (size_t i = 0; i < size; i++) {
        count += (uint32_t)__builtin_popcount(bits[i]);
    }
    return count;
}

#endif
