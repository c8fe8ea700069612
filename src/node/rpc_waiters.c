/*
 * The calls that wait: found by the hash that names what they wait for, and ordered by deadline.
 * One structure owns both; the waiters themselves belong to their calls.
 */
#include "base/assert.h"
#include "node/rpc_internal.h"

void rpc_waiters_init(struct rpc_waiters *waiters, uint32_t count_max)
{
    *waiters = (struct rpc_waiters){.count_max = count_max};
    rpc_index_init(&waiters->index, count_max);
}

void rpc_waiters_deinit(struct rpc_waiters *waiters)
{
    rpc_index_deinit(&waiters->index);
    *waiters = (struct rpc_waiters){0};
}

bool rpc_waiters_add(struct rpc_waiters *waiters, struct rpc_call *call, const uint8_t key[32],
                     uint64_t deadline_ms)
{
    struct rpc_waiter *waiter = &call->waiter;
    INGOT_ASSERT(!waiter->is_waiting);
    if (waiters->index.count >= waiters->count_max) {
        return false;
    }
    *waiter = (struct rpc_waiter){
        .is_waiting = true, .call = call, .deadline_ms = deadline_ms, .older = waiters->newest};
    rpc_index_add(&waiters->index, &waiter->keyed, key);
    if (waiters->newest == NULL) {
        waiters->oldest = waiter;
    } else {
        INGOT_ASSERT(waiters->newest->deadline_ms <= deadline_ms);
        waiters->newest->newer = waiter;
    }
    waiters->newest = waiter;
    return true;
}

void rpc_waiters_change_key(struct rpc_waiters *waiters, struct rpc_waiter *waiter,
                            const uint8_t key[32])
{
    INGOT_ASSERT(waiter->is_waiting);
    rpc_index_remove(&waiters->index, &waiter->keyed);
    rpc_index_add(&waiters->index, &waiter->keyed, key);
}

void rpc_waiters_remove(struct rpc_waiters *waiters, struct rpc_waiter *waiter)
{
    if (!waiter->is_waiting) {
        return;
    }
    rpc_index_remove(&waiters->index, &waiter->keyed);
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
}

struct rpc_waiter *rpc_waiters_find(const struct rpc_waiters *waiters, const uint8_t key[32])
{
    struct rpc_keyed *keyed = rpc_index_find(&waiters->index, key);
    return (struct rpc_waiter *)keyed; /* its first member, or NULL */
}
