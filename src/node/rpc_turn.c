/*
 * How much of the loop clients may have.
 *
 * One loop serves everybody: while it works for clients, it does not hear what other validators
 * say. So the work for all connections together is counted. Once there was so much of it, whatever
 * comes next waits for the loop's next turn, in the order in which it came, after all else that has
 * come meanwhile (rpc_connections_resume).
 */
#include "node/rpc_internal.h"

/* A transaction, or a method call, is one; what a request costs besides is RPC_REQUEST_WORK. At a
 * few microseconds each, another validator's message waits a millisecond or two at the most. */
#define TURN_WORK_MAX 512

uint32_t rpc_turn_room(const struct rpc *rpc)
{
    return rpc->turn.work < TURN_WORK_MAX ? TURN_WORK_MAX - rpc->turn.work : 0;
}

void rpc_turn_work(struct rpc *rpc, uint32_t work)
{
    rpc->turn.work += work;
}
