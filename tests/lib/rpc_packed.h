/*
 * A client of POST /transactions, for tests with a fake node (rpc_fake.h).
 */
#ifndef INGOT_TESTS_RPC_PACKED_H
#define INGOT_TESTS_RPC_PACKED_H

#include "lib/rpc_fake.h"
#include "node/rpc_transactions.h"

/* Append to a body. The last: `count` transactions `NAME0=1`, `NAME1=1` and so on. */
void rpc_packed_add(struct ingot_buffer *body, struct ingot_slice transaction);
void rpc_packed_text(struct ingot_buffer *body, const char *transaction);
void rpc_packed_many(struct ingot_buffer *body, const char *name, uint32_t count);

/* Sends a body, and empties it. */
void rpc_packed_post(struct rpc_fake *fake, int client, struct ingot_buffer *body);
void rpc_packed_post_texts(struct rpc_fake *fake, int client, const char *const *transactions,
                           uint32_t count);
void rpc_packed_post_text(struct rpc_fake *fake, int client, const char *transaction);

/* Waits until so many transactions wait for their commits. */
void rpc_packed_await(struct rpc_fake *fake, uint64_t count);

/* The answer has HTTP status 200 and so many records. */
struct rpc_fake_answer rpc_packed_receive(struct rpc_fake *fake, int client, uint32_t count);
/* A record is this one; or all of an answer, which is received. */
void rpc_packed_assert(const struct rpc_fake_answer *answer, uint32_t index,
                       enum rpc_transaction_status status, uint64_t height);
void rpc_packed_assert_all(struct rpc_fake *fake, int client, uint32_t count,
                           enum rpc_transaction_status status, uint64_t height);
/* The answer has another HTTP status, and this sentence. */
void rpc_packed_assert_refused(struct rpc_fake *fake, int client, int status, const char *sentence);

#endif
