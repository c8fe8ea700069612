/*
 * What clients wait for, found by the 32 bytes that name it: a hash table with chains. Several may
 * wait for the same. The entries belong to whoever adds them.
 */
#include <stdlib.h>
#include <string.h>

#include "base/ahead.h"
#include "base/alloc.h"
#include "base/assert.h"
#include "node/rpc_internal.h"
#include "wire/crypto.h"

/* So many buckets for each entry that may be there: most of what is looked for is not there, as
 * others' clients submit it, and an empty bucket says so without following a pointer. */
#define BUCKETS_PER_ENTRY 4

void rpc_index_init(struct rpc_index *index, uint32_t count_max)
{
    uint8_t seed[CRYPTO_SEED_BYTES];
    *index = (struct rpc_index){.bucket_bits = 4};
    while (index->bucket_bits < 20 &&
           (UINT64_C(1) << index->bucket_bits) < (uint64_t)count_max * BUCKETS_PER_ENTRY) {
        index->bucket_bits++;
    }
    crypto_random_seed(seed);
    memcpy(&index->secret, seed, sizeof index->secret);
    index->secret |= 1;
    index->buckets = alloc_zeroed((size_t)1 << index->bucket_bits, sizeof(struct rpc_keyed *));
}

void rpc_index_deinit(struct rpc_index *index)
{
    INGOT_ASSERT(index->count == 0);
    free(index->buckets);
    *index = (struct rpc_index){0};
}

/* Multiply-shift with a secret odd factor (Dietzfelbinger et al., 1997). */
static struct rpc_keyed **bucket_of(const struct rpc_index *index, const uint8_t key[32])
{
    uint64_t word;
    memcpy(&word, key, sizeof word);
    return &index->buckets[(word * index->secret) >> (64 - index->bucket_bits)];
}

void rpc_index_expect(const struct rpc_index *index, const uint8_t key[32])
{
    ahead_fetch(bucket_of(index, key));
}

void rpc_index_add(struct rpc_index *index, struct rpc_keyed *keyed, const uint8_t key[32])
{
    struct rpc_keyed **bucket = bucket_of(index, key);
    memcpy(keyed->key, key, sizeof keyed->key);
    keyed->next = *bucket;
    *bucket = keyed;
    index->count++;
}

void rpc_index_remove(struct rpc_index *index, struct rpc_keyed *keyed)
{
    struct rpc_keyed **link = bucket_of(index, keyed->key);
    while (*link != keyed) {
        INGOT_ASSERT(*link != NULL);
        link = &(*link)->next;
    }
    *link = keyed->next;
    index->count--;
}

struct rpc_keyed *rpc_index_find(const struct rpc_index *index, const uint8_t key[32])
{
    struct rpc_keyed *keyed = *bucket_of(index, key);
    while (keyed != NULL && memcmp(keyed->key, key, sizeof keyed->key) != 0) {
        keyed = keyed->next;
    }
    return keyed;
}
