/*
 * The calls that wait: found by the hash that names what they wait for, and ordered by deadline.
 * One structure owns both; the waiters themselves belong to their calls.
 */
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "node/rpc_internal.h"
#include "wire/crypto.h"

void rpc_waiters_init(struct rpc_waiters *waiters, uint32_t count_max)
{
    uint8_t seed[CRYPTO_SEED_BYTES];
    *waiters = (struct rpc_waiters){.count_max = count_max, .bucket_bits = 4};
    while (waiters->bucket_bits < 20 && (UINT32_C(1) << waiters->bucket_bits) < count_max) {
        waiters->bucket_bits++;
    }
    crypto_random_seed(seed);
    memcpy(&waiters->key, seed, sizeof waiters->key);
    waiters->key |= 1;
    waiters->buckets = alloc_zeroed((size_t)1 << waiters->bucket_bits, sizeof(struct rpc_waiter *));
}

void rpc_waiters_deinit(struct rpc_waiters *waiters)
{
    INGOT_ASSERT(waiters->count == 0);
    free(waiters->buckets);
    *waiters = (struct rpc_waiters){0};
}

/* Multiply-shift with a secret odd factor (Dietzfelbinger et al., 1997). */
static struct rpc_waiter **bucket_of(const struct rpc_waiters *waiters, const uint8_t key[32])
{
    uint64_t word;
    memcpy(&word, key, sizeof word);
    return &waiters->buckets[(word * waiters->key) >> (64 - waiters->bucket_bits)];
}

bool rpc_waiters_add(struct rpc_waiters *waiters, struct rpc_call *call, const uint8_t key[32],
                     uint64_t deadline_ms)
{
    struct rpc_waiter *waiter = &call->waiter;
    INGOT_ASSERT(!waiter->is_waiting);
    if (waiters->count >= waiters->count_max) {
        return false;
    }
    struct rpc_waiter **bucket = bucket_of(waiters, key);
    *waiter = (struct rpc_waiter){.is_waiting = true,
                                  .call = call,
                                  .deadline_ms = deadline_ms,
                                  .bucket_next = *bucket,
                                  .older = waiters->newest};
    memcpy(waiter->key, key, sizeof waiter->key);
    *bucket = waiter;
    if (waiters->newest == NULL) {
        waiters->oldest = waiter;
    } else {
        INGOT_ASSERT(waiters->newest->deadline_ms <= deadline_ms);
        waiters->newest->newer = waiter;
    }
    waiters->newest = waiter;
    waiters->count++;
    return true;
}

static void leave_bucket(struct rpc_waiters *waiters, struct rpc_waiter *waiter)
{
    struct rpc_waiter **link = bucket_of(waiters, waiter->key);
    while (*link != waiter) {
        INGOT_ASSERT(*link != NULL);
        link = &(*link)->bucket_next;
    }
    *link = waiter->bucket_next;
}

void rpc_waiters_change_key(struct rpc_waiters *waiters, struct rpc_waiter *waiter,
                            const uint8_t key[32])
{
    INGOT_ASSERT(waiter->is_waiting);
    leave_bucket(waiters, waiter);
    memcpy(waiter->key, key, sizeof waiter->key);
    struct rpc_waiter **bucket = bucket_of(waiters, key);
    waiter->bucket_next = *bucket;
    *bucket = waiter;
}

void rpc_waiters_remove(struct rpc_waiters *waiters, struct rpc_waiter *waiter)
{
    if (!waiter->is_waiting) {
        return;
    }
    leave_bucket(waiters, waiter);
    if (waiter->older == NULL) {
        waiters->oldest = waiter->newer;
    } else {
        waiter->older->newer = waiter->newer;
    }
    if (waiter->newer == NULL) {
        waiters->newest = waiter->older;
    } else {
        waiter->newer->older = waiter->older;
    }
    waiter->is_waiting = false;
    waiters->count--;
}

struct rpc_waiter *rpc_waiters_find(const struct rpc_waiters *waiters, const uint8_t key[32])
{
    struct rpc_waiter *waiter = *bucket_of(waiters, key);
    while (waiter != NULL && memcmp(waiter->key, key, sizeof waiter->key) != 0) {
        waiter = waiter->bucket_next;
    }
    return waiter;
}
