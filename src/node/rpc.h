/*
 * The listener for clients: JSON-RPC 2.0 over POST `/`, the same methods as GET `/method?arg=`,
 * POST `/transactions` for many transactions at once as bytes, and GET `/metrics`, on the node's
 * own event loop. The dialect is CometBFT v0.38's; docs/rpc.md says which fields stand for what.
 *
 * It decides nothing: everything it shows or submits goes through `struct rpc_backend`, which the
 * node fills. It never blocks the loop, and what clients may make it hold is bounded.
 */
#ifndef INGOT_NODE_RPC_H
#define INGOT_NODE_RPC_H

#include <ingot/app.h>

#include "broadcast/message.h"
#include "config/genesis.h"
#include "config/settings.h"
#include "node/attestor.h"
#include "node/ledger.h"
#include "node/metrics.h"

struct event_base;
struct rpc;

/* The ABCI and protocol versions that clients of this dialect expect to see. */
#define RPC_COMETBFT_VERSION "0.38.0"

/* What never changes while the node runs. Everything is borrowed and outlives the listener. */
struct rpc_identity {
    const char *moniker;        /* a name for people, never empty */
    const char *listen_address; /* where peers reach this node, as host:port */
    const char *app_name;
    const char *app_version;
    const char *program_version;
    enum settings_protocol protocol; /* decides which methods there are */
    const struct genesis *genesis;
    const struct block *genesis_block;
    struct ingot_public_key transport_key;
    bool has_key;                /* false: an observer */
    struct ingot_public_key key; /* the validator key, when has_key */
    bool durable;                /* commits are synced to disk before anybody is told */
    bool index_transactions;     /* find_transaction works */
};

/* The node's present state. */
struct rpc_status {
    uint64_t height;                /* of the last committed block, durable; 0: genesis */
    uint64_t height_lowest;         /* the oldest committed block that can still be read */
    struct ingot_hash hash;         /* of the last committed block */
    struct ingot_hash updates_hash; /* of the same */
    uint64_t time_ms;               /* of the same */
    bool catching_up;               /* others are known to be ahead and blocks are on their way */
    uint64_t epoch;
    uint64_t view;
    struct ingot_public_key leader; /* of that view */
    bool is_leader;
    bool is_member;           /* of the current set */
    uint64_t power;           /* ours in the current set, 0 when not a member */
    bool has_stopped_signing; /* another process signs with this node's key */
    bool withholds_signing;   /* the data is a copy */
    bool has_watermark;       /* withheld until a block above this position is committed */
    struct position watermark;
    uint64_t high_qc_view;
    uint64_t locked_view;
    uint32_t uncommitted_blocks;
    uint32_t peers;                  /* connected */
    uint64_t committed_transactions; /* since the start of the process */
    uint64_t mempool_transactions;
    uint64_t mempool_bytes;
    uint64_t timeouts; /* views that ended by our own deadline, since the start */
    uint64_t evidence; /* how much of it is kept */
    uint64_t attested; /* statements with an attestation */
    uint64_t attest_pending;
    /* Of a node that broadcasts payloads without a chain: */
    uint64_t deliveries; /* since the start */
    uint32_t open_rounds;
};

/* A connected peer, as net_info shows it. */
struct rpc_peer {
    struct ingot_public_key transport_key;
    bool has_validator_key; /* the peers file names one */
    struct ingot_public_key validator_key;
    char name[64];
    char address[80]; /* host:port of the other end */
    bool is_outbound;
    uint64_t connected_ms; /* for how long */
    uint64_t bytes_received;
    uint64_t bytes_sent;
    uint64_t queue_bytes;
};

/* How far a payload has come that is broadcast without a chain. */
enum rpc_broadcast_state {
    RPC_BROADCAST_PENDING,
    RPC_BROADCAST_DELIVERED, /* here; where there are attestations, its attestation is durable */
    RPC_BROADCAST_REJECTED,  /* for good; `why` says so */
    RPC_BROADCAST_TIMED_OUT  /* the protocol has given up; it may be delivered all the same */
};

struct rpc_broadcast {
    enum rpc_broadcast_state state;
    struct broadcast_id id;
    struct broadcast_digest digest; /* of the payload */
    char why[200];                  /* REJECTED: a sentence */
    bool has_payload;
    struct ingot_buffer payload;     /* DELIVERED, where it is known and in no attestation */
    struct ingot_buffer attestation; /* DELIVERED: the JSON object, empty where there is none */
};

/*
 * How the listener reaches the node. All functions are called on the loop's thread, return at
 * once, and must not call back into the listener, except that `submit` may lead to rpc_committed.
 */
struct rpc_backend {
    void *context;

    void (*status)(void *context, struct rpc_status *status);

    /*
     * Checks a transaction and admits it to the mempool. Bytes are borrowed for the call. `digest`
     * is its wire_transaction_digest, or NULL where the caller does not know it.
     *
     * INGOT_OK: the App was asked; code 0 means admitted, anything else refused, with `log` in a
     * buffer that the caller frees. INGOT_ERROR_EXISTS: in the mempool, or committed within the
     * replay window. INGOT_ERROR_FULL: the mempool has no room. INGOT_ERROR_TOO_LARGE: above
     * genesis' transaction_bytes_max. INGOT_ERROR_INVALID: empty.
     */
    enum ingot_error (*submit)(void *context, struct ingot_slice transaction,
                               const struct ingot_hash *digest,
                               struct ingot_check_response *response);

    /* Transactions of these digests are submitted next; may be NULL. It changes nothing but time.
     */
    void (*expect)(void *context, const struct ingot_hash *digests, uint32_t count);

    /* A committed block. References for the caller. INGOT_OK, _NOT_FOUND, _IO, _CORRUPT. */
    enum ingot_error (*read_block)(void *context, uint64_t height, struct ledger_entry *entry);

    /* By the SHA-256 of its bytes. INGOT_OK, _NOT_FOUND, _IO, _CORRUPT. */
    enum ingot_error (*find_transaction)(void *context, const uint8_t sha256[32],
                                         struct ledger_location *location);

    /*
     * The App's answer from the committed state of `*height`; `response` is empty at the start and
     * freed by the caller. INGOT_ERROR_NOT_FOUND: the App answers no queries.
     */
    enum ingot_error (*query)(void *context, struct ingot_slice path, struct ingot_slice data,
                              struct ingot_query_response *response, uint64_t *height);

    /*
     * What became of the statement of a transaction (by wire_transaction_digest) that was committed
     * at this height with code 0; ATTEST_UNKNOWN: it has none. The attestation of a complete one is
     * appended to `json`. NULL: the App asks for no attestations.
     */
    enum attest_state (*find_attestation)(void *context, uint64_t height,
                                          const struct ingot_hash *digest,
                                          struct ingot_buffer *json);

    /* All evidence that is kept, the first recorded first. Borrowed until control returns to the
     * loop. */
    const struct ingot_evidence *(*evidence)(void *context, uint32_t *count);

    /* The set of an epoch, or NULL when there is none or it is not known any more. Borrowed until
     * control returns to the loop. */
    const struct validator_set *(*validators)(void *context, uint64_t epoch);

    /*
     * Where payloads are broadcast without a chain, else NULL. Begins to broadcast a payload under
     * an id, both borrowed for the call, or finds it: `broadcast`, empty at the start, says how far
     * it is, and its buffers are the caller's. What is PENDING ends later with rpc_broadcast_ended.
     */
    void (*broadcast_submit)(void *context, const struct broadcast_id *id,
                             struct ingot_slice payload, struct rpc_broadcast *broadcast);
    /* The same without beginning anything; `digest` may be NULL, for any. False: nothing of this id
     * is known here. */
    bool (*broadcast_find)(void *context, const struct broadcast_id *id,
                           const struct broadcast_digest *digest, struct rpc_broadcast *broadcast);

    /* Fills up to `peers_max` and returns how many. */
    uint32_t (*peers)(void *context, struct rpc_peer *peers, uint32_t peers_max);

    /* Brings the gauges up to date. Borrowed until control returns to the loop. */
    const struct metrics *(*metrics)(void *context);
};

/* Zero means the default, which is given for each. */
struct rpc_options {
    const char *host;            /* an address or a name, "127.0.0.1" */
    uint16_t port;               /* 0: any free one, see rpc_port */
    uint32_t connections_max;    /* INGOT_RPC_CONNECTIONS_MAX; more wait to be accepted */
    uint32_t body_bytes_max;     /* INGOT_RPC_BODY_BYTES_MAX */
    uint32_t request_timeout_ms; /* for all of a request from its first byte; 20 s */
    uint32_t idle_timeout_ms;    /* between the requests of one connection; 60 s */
    uint32_t commit_timeout_ms;  /* how long a client waits for a commit; 10 s */
    uint32_t waiters_max;        /* broadcast_tx_commit and _attest that wait; 16384 */
    uint32_t submitted_max;      /* transactions of POST /transactions that wait; 65536 */
    uint32_t batch_calls_max;    /* calls in one batch; 256 */
    size_t output_bytes_max;     /* answers that all clients together have not read yet; 16 MiB */
};

/*
 * Listens. `identity` and `backend` are copied; what they point to is borrowed. NULL with a
 * sentence in `why` when the address cannot be bound.
 */
struct rpc *rpc_new(struct event_base *base, const struct rpc_options *options,
                    const struct rpc_identity *identity, const struct rpc_backend *backend,
                    char *why, size_t why_size);
/* Closes the listener and every connection at once. Not from within a backend function. NULL is
 * fine. */
void rpc_free(struct rpc *rpc);

uint16_t rpc_port(const struct rpc *rpc);

/*
 * A block is committed and durable: answers the clients that wait for its transactions. The block
 * must already be visible through the backend. Borrowed for the call.
 */
void rpc_committed(struct rpc *rpc, const struct block *block, const struct execution *execution);

/* Does any client wait for a commit? */
bool rpc_has_waiters(const struct rpc *rpc);

/* An attestation is durable: answers the clients that wait for it. `json` is borrowed. */
void rpc_attested(struct rpc *rpc, const struct statement_id *id, struct ingot_slice json);
/* There will be none: validators with too much power have declined. */
void rpc_attest_refused(struct rpc *rpc, const struct statement_id *id);
/* A broadcast is DELIVERED or TIMED_OUT: answers the clients that wait for it. */
void rpc_broadcast_ended(struct rpc *rpc, const struct broadcast_id *id,
                         const struct broadcast_digest *digest);

/* What the listener itself counts; part of /metrics. */
void rpc_get_counters(const struct rpc *rpc, struct metrics_rpc *counters);

#endif
