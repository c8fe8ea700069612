/*
 * The parts of the client listener and how they hold together:
 *
 *   rpc_server.c      the listener: who is accepted, and when it pauses
 *   rpc_connection.c  connections: deadlines, and what is in flight
 *   rpc_http.c        bytes of a connection -> requests
 *   rpc_exchange.c    a request -> method calls; their outcomes -> one answer
 *   rpc_arguments.c   parameters of a call
 *   rpc_methods.c     the table of methods, and those about transactions and the App
 *   rpc_commit.c      methods that wait for a commit, and for an attestation
 *   rpc_node.c        methods about the node: status, net_info, genesis, validators
 *   rpc_block.c       method block
 *   rpc_evidence.c    method evidence
 *   rpc_broadcast.c   methods about payloads that are broadcast without a chain
 *   rpc_waiters.c     calls that wait, by what they wait for
 *   rpc_submission.c  POST /transactions: many transactions at once, as bytes
 *   rpc_index.c       what is waited for, by the bytes that name it
 *   rpc_turn.c        how much of one turn of the loop clients may have
 *   rpc_json.c        how values are written
 *
 * A connection has at most one exchange or submission at a time; an exchange has one call, or those
 * of a batch. A call ends exactly once, by rpc_call_result or rpc_call_error, or with its
 * connection. A submission ends when the last of its transactions has a status, or with its
 * connection.
 */
#ifndef INGOT_NODE_RPC_INTERNAL_H
#define INGOT_NODE_RPC_INTERNAL_H

#include <event2/event.h>
#include <jansson.h>

#include "node/rpc.h"
#include "node/rpc_arguments.h"
#include "node/rpc_http.h"
#include "node/rpc_transactions.h"

/* Where a batch's answer ends; its last call, the base64 of the largest block, may go beyond. */
#define RPC_ANSWER_BYTES_MAX (8 * 1024 * 1024)
/* Bodies up to this size may always be held; bigger ones share RPC_BODIES_BYTES_MAX. */
#define RPC_BODY_BYTES_FREE (16 * 1024)
#define RPC_BODIES_BYTES_MAX (16 * 1024 * 1024)
/* What a request costs beside its calls, in calls. */
#define RPC_REQUEST_WORK 8

/* JSON-RPC 2.0, section 5.1. */
#define RPC_ERROR_PARSE (-32700)
#define RPC_ERROR_INVALID_REQUEST (-32600)
#define RPC_ERROR_METHOD_NOT_FOUND (-32601)
#define RPC_ERROR_INVALID_PARAMS (-32602)
#define RPC_ERROR_INTERNAL (-32603)

struct rpc_connection;
struct rpc_exchange;
struct rpc_submission;

/* An entry of an index; the first member of what is indexed. */
struct rpc_keyed {
    uint8_t key[32];
    struct rpc_keyed *next; /* of the same bucket */
};

struct rpc_index {
    struct rpc_keyed **buckets;
    uint32_t bucket_bits;
    uint32_t count;
    uint64_t secret; /* random, so that nobody can aim at one bucket */
};

/* A broadcast_tx_commit, broadcast_tx_attest or broadcast_submit that waits: part of its call. */
struct rpc_waiter {
    struct rpc_keyed keyed; /* by what it waits for: SHA-256 of the transaction; for the attestation
                               the statement's id; SHA-256 of a broadcast's id and digest */
    bool is_waiting;
    bool wants_attestation;
    uint64_t height; /* of the commit, once it waits for the attestation; else 0 */
    struct rpc_call *call;
    uint64_t deadline_ms;
    struct rpc_waiter *older; /* all waiters in the order of their deadlines */
    struct rpc_waiter *newer;
};

struct rpc_waiters {
    struct rpc_index index;
    uint32_t count_max;
    struct rpc_waiter *oldest;
    struct rpc_waiter *newest;
};

/* One method call. */
struct rpc_call {
    struct rpc_exchange *exchange;
    json_t *id; /* owned; NULL: a notification, which gets no answer */
    bool is_done;
    struct ingot_buffer answer; /* the response object, once done */
    struct rpc_waiter waiter;
    struct ingot_check_response check; /* of the waiter's transaction */
    struct ingot_buffer committed;     /* what its answer begins with, once it is committed */
    struct broadcast_id broadcast_id;  /* of the payload that it waits for, and its digest */
    struct broadcast_digest broadcast_digest;
};

/* One HTTP request that asks for method calls. */
struct rpc_exchange {
    struct rpc *rpc;
    struct rpc_connection *connection;
    bool is_batch;
    bool is_uri;         /* GET: errors have HTTP status 500 */
    bool is_dispatching; /* calls are still being started: do not answer yet */
    bool has_error;
    uint32_t call_count;
    uint32_t pending;
    size_t answer_bytes;
    struct rpc_call *calls;
};

/* What clients have had of the loop since it last had a turn, and who waits for the next one. */
struct rpc_turn {
    uint32_t work;
    struct rpc_connection *oldest;
    struct rpc_connection *newest;
    struct event *timer; /* the next turn; armed while somebody waits */
};

struct rpc {
    struct event_base *base;
    struct rpc_options options; /* with the defaults filled in */
    struct rpc_identity identity;
    struct rpc_backend backend;

    int listener;
    uint16_t port;
    char address[300]; /* host:port as bound */
    struct event *accept_event;
    struct event *accept_timer; /* after a pause */
    bool is_paused;             /* no more connections are accepted for the moment */
    struct rpc_connection *connections;
    struct rpc_connection *idle_oldest; /* between requests, in the order they became idle */
    struct rpc_connection *idle_newest;
    size_t bodies_bytes; /* of requests being read, beyond RPC_BODY_BYTES_FREE each */

    struct rpc_waiters waiters;
    struct event *waiter_timer;

    struct rpc_index awaited;                 /* transactions of submissions, by digest */
    uint32_t submitted;                       /* transactions of all submissions under way */
    struct rpc_submission *oldest_submission; /* in the order of their deadlines */
    struct rpc_submission *newest_submission;
    struct event *submission_timer;

    struct rpc_turn turn;
    struct metrics_rpc counters;

    /* The oldest block that is kept, for status. */
    bool has_lowest;
    uint64_t lowest_height;
    struct ingot_hash lowest_hash;
    struct ingot_hash lowest_updates_hash;
    uint64_t lowest_time_ms;
};

/* rpc_exchange.c */

/*
 * Starts on a complete request: answers it through rpc_connection_answer, at once or later.
 * Returns the exchange if the answer is to come, for rpc_exchange_abandon; else NULL.
 */
struct rpc_exchange *rpc_exchange_start(struct rpc *rpc, struct rpc_connection *connection,
                                        const struct http_request *request);
/* The client is gone: frees the exchange with all that waits. */
void rpc_exchange_abandon(struct rpc_exchange *exchange);

/* Ends a call. Takes over the reference to `result`. */
void rpc_call_result(struct rpc_call *call, json_t *result);
/* The same for a result that is JSON text already: what is answered most often is not built. */
void rpc_call_result_text(struct rpc_call *call, struct ingot_slice result);
/* `data` may be NULL. */
void rpc_call_error(struct rpc_call *call, int code, const char *data);
void rpc_call_error_format(struct rpc_call *call, int code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* rpc_connection.c */

/* Answers the request of a connection, once. Takes over the body's memory and empties `body`. */
void rpc_connection_answer(struct rpc_connection *connection, int status, const char *content_type,
                           struct ingot_buffer *body);
/* The request's body has been read for the last time: frees it unless it is small. */
void rpc_connection_drop_body(struct rpc_connection *connection);
/* Goes on with the connection in the next turn of the loop. */
void rpc_connection_await_turn(struct rpc_connection *connection);
/* The next turn has come: serves who waits for it, as far as it lasts. */
void rpc_connections_resume(struct rpc *rpc);
/* Takes over an accepted socket. */
void rpc_connection_new(struct rpc *rpc, int socket);
void rpc_connection_free(struct rpc_connection *connection);
/* Ends the connection that has been idle for longest, if that was long enough. */
bool rpc_connection_evict(struct rpc *rpc);

/* rpc_server.c */

/* A connection has ended, or a pause has: accept again. */
void rpc_accept_resume(struct rpc *rpc);
/* (Re)arms a timer. */
void rpc_add_timer(struct event *event, uint64_t wait_ms);

/* rpc_methods.c */

/* Which nodes answer a method: all, those that run the replicated log, or those that do not. */
enum rpc_scope { RPC_ANY, RPC_LOG, RPC_BROADCAST };

struct rpc_method {
    enum rpc_scope scope;
    const char *name;
    uint32_t rule_count;
    struct rpc_argument_rule rules[RPC_ARGUMENTS_MAX];
    /* Ends the call, now or later. */
    void (*run)(struct rpc_call *call, const struct rpc_argument *arguments);
};

extern const struct rpc_method rpc_methods[];
extern const uint32_t rpc_method_count;
const struct rpc_method *rpc_method_find(struct ingot_slice name);
/* Is the method one of the node's protocol? */
bool rpc_method_is_served(const struct rpc *rpc, const struct rpc_method *method);

/* An execution's or a check's outcome: {code, data, log, info, gas..., events, codespace}. */
json_t *rpc_json_outcome(uint32_t code, struct ingot_slice data, struct ingot_slice log);
/* Submits a transaction, and answers without waiting for its commit. */
void rpc_call_broadcast(struct rpc_call *call, const struct rpc_argument *arguments, bool is_sync);
/* Says why a transaction of this size was not taken. */
void rpc_call_submit_error(struct rpc_call *call, enum ingot_error error, size_t size_bytes);
/* Says that the store failed. */
void rpc_call_store_error(struct rpc_call *call, enum ingot_error error);
/* Says that a block of this height was pruned. */
void rpc_call_pruned(struct rpc_call *call, uint64_t height, uint64_t lowest);
/*
 * The height that was asked for, or the latest; ends the call with CometBFT's words and returns
 * false when there is no such block.
 */
bool rpc_call_height(struct rpc_call *call, const struct rpc_argument *argument, uint64_t latest,
                     uint64_t lowest, uint64_t *height);

/* rpc_node.c */
void rpc_method_status(struct rpc_call *call, const struct rpc_argument *arguments);
void rpc_method_net_info(struct rpc_call *call, const struct rpc_argument *arguments);
void rpc_method_genesis(struct rpc_call *call, const struct rpc_argument *arguments);
void rpc_method_validators(struct rpc_call *call, const struct rpc_argument *arguments);

/* The items [*first, *end) of a page, as `validators` counts them. False: the call has ended with
 * an error, as there is no such page. */
bool rpc_call_page(struct rpc_call *call, const struct rpc_argument *page,
                   const struct rpc_argument *per_page, uint32_t total, uint32_t *first,
                   uint32_t *end);

/* rpc_evidence.c */
void rpc_method_evidence(struct rpc_call *call, const struct rpc_argument *arguments);

/* rpc_block.c */
void rpc_method_block(struct rpc_call *call, const struct rpc_argument *arguments);

/* rpc_broadcast.c */
void rpc_method_broadcast_get(struct rpc_call *call, const struct rpc_argument *arguments);
void rpc_method_broadcast_submit(struct rpc_call *call, const struct rpc_argument *arguments);
/* Nothing has come of it in time. */
void rpc_broadcast_expire(struct rpc_call *call);

/* rpc_submission.c */

/*
 * Starts on a complete POST /transactions: answers it through rpc_connection_answer, at once or
 * later. Returns the submission if the answer is to come, for the next two; else NULL. The
 * request's body stays as it is until rpc_connection_drop_body or the answer.
 */
struct rpc_submission *rpc_submission_start(struct rpc *rpc, struct rpc_connection *connection,
                                            const struct http_request *request);
/* The next turn of the loop has come. May answer, and free the submission with that. */
void rpc_submission_continue(struct rpc_submission *submission);
/* The client is gone: frees the submission. What the mempool has of it stays there. */
void rpc_submission_abandon(struct rpc_submission *submission);
/* As rpc_committed. */
void rpc_submissions_committed(struct rpc *rpc, const struct block *block,
                               const struct execution *execution);
/* The deadline of the oldest has come. */
void rpc_submissions_expire(struct rpc *rpc);

/* rpc_turn.c */

/* How much work may be done for the connection at hand; 0: it has to wait for its turn. */
uint32_t rpc_turn_room(const struct rpc *rpc);
/* So much was done. */
void rpc_turn_work(struct rpc *rpc, uint32_t work);

/* rpc_index.c */
void rpc_index_init(struct rpc_index *index, uint32_t count_max);
/* There must be no entries. */
void rpc_index_deinit(struct rpc_index *index);
void rpc_index_add(struct rpc_index *index, struct rpc_keyed *keyed, const uint8_t key[32]);
/* It must be there. */
void rpc_index_remove(struct rpc_index *index, struct rpc_keyed *keyed);
/* A key will be looked for, or added, soon (base/ahead.h). */
void rpc_index_expect(const struct rpc_index *index, const uint8_t key[32]);
/* Any of this key, or NULL. */
struct rpc_keyed *rpc_index_find(const struct rpc_index *index, const uint8_t key[32]);

/* rpc_waiters.c */
void rpc_waiters_init(struct rpc_waiters *waiters, uint32_t count_max);
void rpc_waiters_deinit(struct rpc_waiters *waiters);
/* False when there are as many as may be. Deadlines never fall from one call to the next. */
bool rpc_waiters_add(struct rpc_waiters *waiters, struct rpc_call *call, const uint8_t key[32],
                     uint64_t deadline_ms);
/* It waits for something else from now on, to the same deadline. */
void rpc_waiters_change_key(struct rpc_waiters *waiters, struct rpc_waiter *waiter,
                            const uint8_t key[32]);
/* Does nothing to one that does not wait. */
void rpc_waiters_remove(struct rpc_waiters *waiters, struct rpc_waiter *waiter);
/* Any that waits for this, or NULL. */
struct rpc_waiter *rpc_waiters_find(const struct rpc_waiters *waiters, const uint8_t key[32]);

/* rpc_commit.c */
void rpc_method_broadcast_tx_commit(struct rpc_call *call, const struct rpc_argument *arguments);
void rpc_method_broadcast_tx_attest(struct rpc_call *call, const struct rpc_argument *arguments);
/* The deadline of the oldest waiter has come. */
void rpc_waiters_expire(struct rpc *rpc);
/* (Re)arms the timer for the oldest waiter. */
void rpc_waiters_arm(struct rpc *rpc);

#endif
