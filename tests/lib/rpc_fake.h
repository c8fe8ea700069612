/*
 * A node that exists only for the client listener: a chain in memory, four validators of which
 * a block may leave some, and an App for which a transaction is `key=value`, and which executes
 * those that begin with `bad` with a code of 7. Blocks are committed when the test says so. With it
 * a client that speaks raw HTTP over loopback on the same event loop.
 */
#ifndef INGOT_TESTS_RPC_FAKE_H
#define INGOT_TESTS_RPC_FAKE_H

#include <event2/event.h>
#include <jansson.h>

#include "node/rpc.h"
#include "wire/crypto.h"

#define RPC_FAKE_VALIDATORS 4
#define RPC_FAKE_BLOCKS_MAX 4096
#define RPC_FAKE_EPOCHS_MAX 4
#define RPC_FAKE_EVIDENCE_MAX 250

struct rpc_fake {
    struct event_base *base;
    struct rpc *rpc;
    struct rpc_options options;
    struct rpc_identity identity;
    struct rpc_status status;
    struct metrics metrics;
    struct genesis genesis;
    struct block *genesis_block;
    struct validator_set *sets[RPC_FAKE_EPOCHS_MAX]; /* by epoch */
    struct ledger_entry blocks[RPC_FAKE_BLOCKS_MAX]; /* by height; [0] is unused */
    struct ingot_buffer pending;                     /* the next block's payload */
    uint32_t pending_count;

    /* What a test may set. */
    enum ingot_error submit_error; /* of the next submissions */
    bool commits_at_once;          /* a block for each transaction, within `submit` */
    uint32_t pending_max;          /* the mempool has room for so many; 0: for any */
    bool has_digests;              /* blocks come with their transactions' digests */
    uint32_t submissions;          /* how often `submit` was called */
    enum ingot_error read_error;
    uint32_t peer_count;
    struct ingot_evidence evidence[RPC_FAKE_EVIDENCE_MAX];
    uint32_t evidence_count;        /* 0; not above the maximum */
    bool attests;                   /* the App asks for attestations; before rpc_fake_listen */
    enum attest_state attest_state; /* of every statement, at its commit */
};

/* All but the listener. `fake->options` may be changed before rpc_fake_listen. */
void rpc_fake_init(struct rpc_fake *fake);
void rpc_fake_listen(struct rpc_fake *fake);
/* It listens, and has three blocks of one transaction each, `block=0` to `block=2`, and evidence of
 * two validators. */
void rpc_fake_init_with_blocks(struct rpc_fake *fake);
void rpc_fake_deinit(struct rpc_fake *fake);

/* Commits what is pending, as a block that three of four validators certify. */
void rpc_fake_commit(struct rpc_fake *fake);
/* The same with a block that leaves the first `count` of genesis' validators, of this power each.
 */
void rpc_fake_commit_set_change(struct rpc_fake *fake, uint32_t count, uint64_t power);
void rpc_fake_submit(struct rpc_fake *fake, const char *transaction);

/* Of validator 0 as leader, 1 as voter and so on, each in a view of its own. */
void rpc_fake_add_evidence(struct rpc_fake *fake);

/* A connection of a client, non-blocking, or -1. */
int rpc_fake_connect(struct rpc_fake *fake);
/* Lets the loop work until the condition holds; fails the test after ten seconds. */
typedef bool rpc_fake_condition(struct rpc_fake *fake, void *context);
void rpc_fake_run_until(struct rpc_fake *fake, rpc_fake_condition *condition, void *context);
/* Sends everything, the loop working meanwhile. False when the other side has closed. */
bool rpc_fake_send(struct rpc_fake *fake, int socket, struct ingot_slice bytes);
bool rpc_fake_send_text(struct rpc_fake *fake, int socket, const char *text);

struct rpc_fake_answer {
    int status; /* 0: the connection was closed before a complete answer */
    struct ingot_buffer head;
    struct ingot_buffer body; /* NUL-terminated, the NUL not counted */
};

/* Reads one answer. */
void rpc_fake_receive(struct rpc_fake *fake, int socket, struct rpc_fake_answer *answer);
void rpc_fake_answer_deinit(struct rpc_fake_answer *answer);
/* Has the other side closed, once all it sent was read? Waits for it. */
bool rpc_fake_is_closed(struct rpc_fake *fake, int socket);

/* Short forms: each fails the test where the long one would report a failure. */
int rpc_fake_open(struct rpc_fake *fake);
int rpc_fake_receive_status(struct rpc_fake *fake, int socket);
/* Calls broadcast_tx_commit; the answer is still to be received. */
void rpc_fake_start_commit(struct rpc_fake *fake, int socket, const char *transaction);
struct metrics_rpc rpc_fake_counters(const struct rpc_fake *fake);
void rpc_fake_await_waiters(struct rpc_fake *fake, uint64_t count);
void rpc_fake_await_connections(struct rpc_fake *fake, uint64_t count);
/* Lets the loop work for so long. */
void rpc_fake_run_for(struct rpc_fake *fake, uint64_t duration_us);

/* One request on a connection of its own. The caller frees the JSON; NULL when it is none. */
json_t *rpc_fake_get(struct rpc_fake *fake, const char *target, int *status);
json_t *rpc_fake_post(struct rpc_fake *fake, const char *body, int *status);

/* The same, where HTTP 200 and JSON are expected. */
json_t *rpc_fake_get_ok(struct rpc_fake *fake, const char *target);
json_t *rpc_fake_post_ok(struct rpc_fake *fake, const char *body);
/* A member by a path such as "result.block.data.txs.0", numbers being array indices; or NULL. */
const json_t *rpc_fake_find(const json_t *json, const char *path);
/* The same, where a string is expected. */
const char *rpc_fake_text_at(const json_t *json, const char *path);

#endif
