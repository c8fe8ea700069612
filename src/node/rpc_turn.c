/*
 * How much of one turn of the loop clients may have.
 *
 * One loop serves everybody: while it works for clients, it does not hear what other validators
 * say. So the work for all connections together has a bound in each turn, whatever they send; what
 * is beyond it goes on in the next turn, after all else that has come meanwhile. Who waited before
 * goes first then.
 */
#include "base/assert.h"
#include "node/rpc_internal.h"

/* A transaction, or a method call, is one; what a request costs besides is RPC_REQUEST_WORK. At a
 * few microseconds each, another validator's message waits a millisecond or two at the most. */
#define TURN_WORK_MAX 512

/* The loop's own notion of the time changes once in each of its turns. */
static void look_at_time(struct rpc *rpc)
{
    struct rpc_turn *turn = &rpc->turn;
    struct timeval now = {0};
    (void)event_base_gettimeofday_cached(rpc->base, &now);
    if (now.tv_sec != turn->time.tv_sec || now.tv_usec != turn->time.tv_usec) {
        turn->time = now;
        turn->work = 0;
    }
}

uint32_t rpc_turn_room(struct rpc *rpc)
{
    const struct rpc_turn *turn = &rpc->turn;
    look_at_time(rpc);
    if ((turn->oldest != NULL && !turn->is_resuming) || turn->work >= TURN_WORK_MAX) {
        return 0;
    }
    return TURN_WORK_MAX - turn->work;
}

void rpc_turn_work(struct rpc *rpc, uint32_t work)
{
    look_at_time(rpc);
    rpc->turn.work += work;
}
