/*
 * BLAKE2b (RFC 7693) over four messages side by side: word i of all four states is one vector, so
 * the rounds read as they do for one message. Unkeyed, 32 bytes of output, nothing else.
 */
#include "wire/blake2b_lanes.h"

#include "base/assert.h"

#ifdef __x86_64__

#include <immintrin.h>
#include <string.h>

#define ROUNDS 12
#define WORDS 16

/* Compiled for these registers whatever the rest is compiled for; the caller has asked. */
#define WITH_LANES __attribute__((target("avx2")))

static const uint64_t initial[8] = {UINT64_C(0x6a09e667f3bcc908), UINT64_C(0xbb67ae8584caa73b),
                                    UINT64_C(0x3c6ef372fe94f82b), UINT64_C(0xa54ff53a5f1d36f1),
                                    UINT64_C(0x510e527fade682d1), UINT64_C(0x9b05688c2b3e6c1f),
                                    UINT64_C(0x1f83d9abfb41bd6b), UINT64_C(0x5be0cd19137e2179)};

/* No key, no salt, sequential, so many bytes of output. */
#define PARAMETERS (UINT64_C(0x01010000) | INGOT_HASH_BYTES)

/* The order in which each round takes the words of the message. */
static const uint8_t order[ROUNDS][WORDS] = {
    {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15},
    {14, 10, 4, 8, 9, 15, 13, 6, 1, 12, 0, 2, 11, 7, 5, 3},
    {11, 8, 12, 0, 5, 2, 15, 13, 10, 14, 3, 6, 7, 1, 9, 4},
    {7, 9, 3, 1, 13, 12, 11, 14, 2, 6, 5, 10, 4, 0, 15, 8},
    {9, 0, 5, 7, 2, 4, 10, 15, 14, 1, 11, 12, 6, 8, 3, 13},
    {2, 12, 6, 10, 0, 11, 8, 3, 4, 13, 7, 5, 15, 14, 1, 9},
    {12, 5, 1, 15, 14, 13, 4, 10, 0, 7, 6, 3, 9, 2, 8, 11},
    {13, 11, 7, 14, 12, 1, 3, 9, 5, 0, 15, 4, 8, 6, 2, 10},
    {6, 15, 14, 9, 11, 3, 0, 8, 12, 2, 13, 7, 1, 4, 10, 5},
    {10, 2, 8, 4, 7, 6, 1, 5, 15, 11, 9, 14, 3, 12, 13, 0},
    {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15},
    {14, 10, 4, 8, 9, 15, 13, 6, 1, 12, 0, 2, 11, 7, 5, 3}};

bool blake2b_lanes_are_there(void)
{
    return __builtin_cpu_supports("avx2") != 0;
}

/* The four words at one place of four blocks. x86 has the byte order of BLAKE2b. */
WITH_LANES static inline __m256i words_at(const uint8_t *const blocks[BLAKE2B_LANES], size_t place)
{
    long long words[BLAKE2B_LANES];
    for (int lane = 0; lane < BLAKE2B_LANES; lane++)
        memcpy(&words[lane], blocks[lane] + place * sizeof words[0], sizeof words[0]);
    return _mm256_set_epi64x(words[3], words[2], words[1], words[0]);
}

WITH_LANES static inline __m256i same_word(uint64_t word)
{
    return _mm256_set1_epi64x((long long)word);
}

/* --- Rotations to the right, by the bits that BLAKE2b uses. --- */

WITH_LANES static inline __m256i rotate_32(__m256i word)
{
    return _mm256_shuffle_epi32(word, _MM_SHUFFLE(2, 3, 0, 1));
}

WITH_LANES static inline __m256i rotate_24(__m256i word)
{
    return _mm256_shuffle_epi8(word, _mm256_setr_epi8(3, 4, 5, 6, 7, 0, 1, 2, 11, 12, 13, 14, 15, 8,
                                                      9, 10, 3, 4, 5, 6, 7, 0, 1, 2, 11, 12, 13, 14,
                                                      15, 8, 9, 10));
}

WITH_LANES static inline __m256i rotate_16(__m256i word)
{
    return _mm256_shuffle_epi8(word, _mm256_setr_epi8(2, 3, 4, 5, 6, 7, 0, 1, 10, 11, 12, 13, 14,
                                                      15, 8, 9, 2, 3, 4, 5, 6, 7, 0, 1, 10, 11, 12,
                                                      13, 14, 15, 8, 9));
}

WITH_LANES static inline __m256i rotate_63(__m256i word)
{
    return _mm256_or_si256(_mm256_srli_epi64(word, 63), _mm256_add_epi64(word, word));
}

/* --- RFC 7693, section 3. --- */

WITH_LANES static inline void mix(__m256i *a, __m256i *b, __m256i *c, __m256i *d, __m256i x,
                                  __m256i y)
{
    *a = _mm256_add_epi64(_mm256_add_epi64(*a, *b), x);
    *d = rotate_32(_mm256_xor_si256(*d, *a));
    *c = _mm256_add_epi64(*c, *d);
    *b = rotate_24(_mm256_xor_si256(*b, *c));
    *a = _mm256_add_epi64(_mm256_add_epi64(*a, *b), y);
    *d = rotate_16(_mm256_xor_si256(*d, *a));
    *c = _mm256_add_epi64(*c, *d);
    *b = rotate_63(_mm256_xor_si256(*b, *c));
}

/* One round. In place, so that what `s` names is known to the compiler: a quarter less to do. */
WITH_LANES __attribute__((always_inline)) static inline void
mix_all(__m256i v[WORDS], const __m256i m[WORDS], const uint8_t *s)
{
    mix(&v[0], &v[4], &v[8], &v[12], m[s[0]], m[s[1]]);
    mix(&v[1], &v[5], &v[9], &v[13], m[s[2]], m[s[3]]);
    mix(&v[2], &v[6], &v[10], &v[14], m[s[4]], m[s[5]]);
    mix(&v[3], &v[7], &v[11], &v[15], m[s[6]], m[s[7]]);
    mix(&v[0], &v[5], &v[10], &v[15], m[s[8]], m[s[9]]);
    mix(&v[1], &v[6], &v[11], &v[12], m[s[10]], m[s[11]]);
    mix(&v[2], &v[7], &v[8], &v[13], m[s[12]], m[s[13]]);
    mix(&v[3], &v[4], &v[9], &v[14], m[s[14]], m[s[15]]);
}

/* `ends` counts the bytes of each message up to the end of this block. */
WITH_LANES static void compress(__m256i state[8], const uint8_t *const blocks[BLAKE2B_LANES],
                                const long long ends[BLAKE2B_LANES], bool is_last)
{
    __m256i m[WORDS];
    __m256i v[WORDS];
    for (size_t i = 0; i < WORDS; i++)
        m[i] = words_at(blocks, i);
    for (int i = 0; i < 8; i++) {
        v[i] = state[i];
        v[i + 8] = same_word(initial[i]);
    }
    v[12] = _mm256_xor_si256(v[12], _mm256_set_epi64x(ends[3], ends[2], ends[1], ends[0]));
    v[14] = _mm256_xor_si256(v[14], same_word(is_last ? UINT64_MAX : 0));
    mix_all(v, m, order[0]);
    mix_all(v, m, order[1]);
    mix_all(v, m, order[2]);
    mix_all(v, m, order[3]);
    mix_all(v, m, order[4]);
    mix_all(v, m, order[5]);
    mix_all(v, m, order[6]);
    mix_all(v, m, order[7]);
    mix_all(v, m, order[8]);
    mix_all(v, m, order[9]);
    mix_all(v, m, order[10]);
    mix_all(v, m, order[11]);
    for (int i = 0; i < 8; i++)
        state[i] = _mm256_xor_si256(state[i], _mm256_xor_si256(v[i], v[i + 8]));
}

/* A block of a message: where it is, or filled up with zeros. */
static const uint8_t *block_at(struct ingot_slice message, size_t begin, uint8_t *room)
{
    const size_t size = message.size - begin;
    if (size >= BLAKE2B_BLOCK_BYTES)
        return message.data + begin;
    memset(room + size, 0, BLAKE2B_BLOCK_BYTES - size);
    if (size > 0)
        memcpy(room, message.data + begin, size);
    return room;
}

WITH_LANES void blake2b_lanes(const struct ingot_slice messages[BLAKE2B_LANES], size_t block_count,
                              struct ingot_hash hashes[BLAKE2B_LANES])
{
    uint8_t room[BLAKE2B_LANES][BLAKE2B_BLOCK_BYTES];
    __m256i state[8];
    for (int i = 0; i < 8; i++)
        state[i] = same_word(i == 0 ? initial[i] ^ PARAMETERS : initial[i]);
    for (size_t block = 0; block < block_count; block++) {
        const size_t begin = block * BLAKE2B_BLOCK_BYTES;
        const bool is_last = block + 1 == block_count;
        const uint8_t *blocks[BLAKE2B_LANES];
        long long ends[BLAKE2B_LANES];
        for (size_t lane = 0; lane < BLAKE2B_LANES; lane++) {
            blocks[lane] = block_at(messages[lane], begin, room[lane]);
            ends[lane] = (long long)(is_last ? messages[lane].size : begin + BLAKE2B_BLOCK_BYTES);
        }
        compress(state, blocks, ends, is_last);
    }
    for (size_t i = 0; i < INGOT_HASH_BYTES / sizeof(uint64_t); i++) {
        uint64_t words[BLAKE2B_LANES];
        memcpy(words, &state[i], sizeof words);
        for (size_t lane = 0; lane < BLAKE2B_LANES; lane++)
            memcpy(hashes[lane].bytes + i * sizeof(uint64_t), &words[lane], sizeof(uint64_t));
    }
}

#else

bool blake2b_lanes_are_there(void)
{
    return false;
}

void blake2b_lanes(const struct ingot_slice messages[BLAKE2B_LANES], size_t block_count,
                   struct ingot_hash hashes[BLAKE2B_LANES])
{
    (void)messages;
    (void)block_count;
    (void)hashes;
    INGOT_ASSERT(false);
}

#endif
