/*
 * Transactions on their way between validators, from protobuf: batches of them, proposals that name
 * them by their digests, and asking for those that are named. Parts of wire_decode.
 */
#ifndef INGOT_WIRE_COMPACT_H
#define INGOT_WIRE_COMPACT_H

#include "core/message.h"
#include "core/reject.h"
#include "proto/ingot.pb-c.h"
#include "wire/arena.h"

/*
 * decode.c: what every Propose has. Without an arena the block has to be a header. On failure the
 * caller frees what has been filled in; so in all functions here.
 */
enum reject propose_from(const Ingot__Wire__Vote *vote, const Ingot__Wire__Tc *tc,
                         const Ingot__Wire__Block *block, struct arena *arena,
                         struct propose *propose);

/*
 * The digests against the block's root, so whoever names others is found out before anything is
 * looked up: the block has them all afterwards.
 */
enum reject compact_propose_from(const Ingot__Wire__CompactPropose *from, struct arena *arena,
                                 struct compact_propose *compact);
enum reject transactions_from(const Ingot__Wire__Transactions *from, struct arena *arena,
                              struct transactions *transactions);
enum reject transactions_request_from(const Ingot__Wire__TransactionsRequest *from,
                                      struct arena *arena, struct transactions_request *request);
enum reject transactions_response_from(const Ingot__Wire__TransactionsResponse *from,
                                       struct arena *arena, struct transactions_response *response);

#endif
