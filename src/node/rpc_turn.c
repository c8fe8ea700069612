/*
 * How much of the loop clients may have.
 *
 * One loop serves everybody: while it works for clients, it does not hear what other validators
 * say. So the work for all connections together is counted, and whenever there was so much of it,
 * whatever comes next waits for the loop's next turn, after all else that has come meanwhile. Who
 * waited before goes first then.
 */
#include "node/rpc_internal.h"

/* A transaction, or a method call, is one; what a request costs besides is RPC_REQUEST_WORK. At a
 * few microseconds each, another validator's message waits a millisecond or two at the most. */
#define TURN_WORK_MAX 512

uint32_t rpc_turn_room(const struct rpc *rpc)
{
    const struct rpc_turn *turn = &rpc->turn;
    if ((turn->oldest != NULL && !turn->is_resuming) || turn->work >= TURN_WORK_MAX) {
        return 0;
    }
    return TURN_WORK_MAX - turn->work;
}

void rpc_turn_work(struct rpc *rpc, uint32_t work)
{
    rpc->turn.work += work;
}
