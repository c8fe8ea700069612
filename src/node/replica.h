/*
 * A validator without a network: the core, the store, the App, the mempool and the keys, put
 * together. Frames go in and out; the real node (node.h) and the simulator both drive it.
 *
 * This is where "durable before sent" is carried out: effects of the core are taken in order,
 * what must be durable gathers in the ledger's batch, and nothing that follows a persist is
 * signed, sent or reported before ledger_sync has returned; only certificates, which prove
 * themselves, may leave before it. Many events share one sync.
 *
 * It reads no clock, socket or random source: time and peers come in through replica_output.
 */
#ifndef INGOT_NODE_REPLICA_H
#define INGOT_NODE_REPLICA_H

#include <ingot/app.h>
#include <ingot/network.h>

#include "core/core.h"
#include "node/ledger.h"
#include "node/metrics.h"
#include "wire/preimage.h"

struct replica;

/* Why a replica refuses to go on. */
enum replica_stop {
    REPLICA_RUNS,
    REPLICA_STOP_WRITE,   /* a durable write failed: its outcome is unknown */
    REPLICA_STOP_DAMAGED, /* stored data does not read back */
    REPLICA_STOP_SAFETY   /* what must never happen has been seen */
};

/*
 * What a read of the store that failed means: INGOT_ERROR_IO is what reads get once a durable write
 * has failed, and a journal's thread may have met that before any step of ours did.
 */
enum replica_stop replica_stop_of_read(enum ingot_error error);

/* How the replica reaches the world. Called from replica_flush, but for `arm`, `wake` and clocks.
 */
struct replica_output {
    void *context;
    /* Queues a frame; losing it is allowed. The slice is borrowed. */
    void (*send)(void *context, uint32_t peer, enum ingot_frame_class frame_class,
                 struct ingot_slice frame);
    void (*broadcast)(void *context, enum ingot_frame_class frame_class, struct ingot_slice frame);
    /* Call replica_tick at this time; replaces the earlier wish. */
    void (*arm)(void *context, uint64_t deadline_ms);
    /* Call replica_flush again soon: there is more to do than one turn should take. */
    void (*wake)(void *context);
    /* A block is committed and durable. Borrowed. */
    void (*committed)(void *context, struct block *block, struct execution *execution);
    /* The replica has stopped for good; `why` is a sentence. Nothing more is sent. */
    void (*stopped)(void *context, enum replica_stop stop, const char *why);
    uint64_t (*monotonic_us)(void *context);
    uint64_t (*wall_ms)(void *context);
    /* Does anybody wait for `committed`? If not, it may come some milliseconds later. NULL: yes. */
    bool (*is_awaited)(void *context);
    /*
     * While it catches up, between two parts of that work, of some tenths of a millisecond each:
     * whoever waits for the processor may have it now. NULL: there is nobody.
     */
    void (*give_way)(void *context);
};

struct replica_options {
    struct ingot_store *store;         /* borrowed, with ledger_tables */
    const struct ingot_app *app;       /* borrowed */
    struct block *genesis;             /* borrowed */
    struct validator_set *genesis_set; /* borrowed */
    struct replica_output output;

    const struct crypto_scheme *scheme;
    bool has_key;
    struct ingot_public_key key;
    struct crypto_secret_key secret; /* copied; wiped by replica_free */

    uint32_t leader_tenure;
    uint32_t replay_window_blocks;
    uint32_t block_payload_bytes_max;
    uint32_t transaction_bytes_max;

    uint32_t base_timeout_ms;
    uint32_t empty_block_interval_ms;
    uint32_t timeout_resend_ms;
    uint32_t advertise_interval_ms;
    uint32_t fetch_timeout_ms;
    size_t mempool_bytes_max;
    /* A proposal with at most so many bytes of transactions brings them all. */
    uint32_t compact_payload_bytes_min;
    bool index_transactions;
    uint64_t retain_blocks; /* 0: all; else more than the replay window */
    /* Threads beside the caller's that verify what is fetched (verify_ahead.h). They change how
     * long it takes and nothing else. */
    uint32_t verify_threads;
};

/*
 * Puts a replica together from its store, which gets the genesis state if it is empty.
 *
 * Returns INGOT_OK; INGOT_ERROR_CORRUPT, _VERSION, _INVALID (another chain, or a safety record that
 * does not fit its chain) or the store's error, with a sentence in `why`.
 */
INGOT_MUST_USE enum ingot_error replica_open(const struct replica_options *options,
                                             struct replica **replica, char *why, size_t why_size);
void replica_free(struct replica *replica);

/* A peer of this number belongs to this validator; has_key false: to none. */
void replica_set_peer(struct replica *replica, uint32_t peer, bool has_key,
                      const struct ingot_public_key *key);
/* A peer that has come up is told at once what we have; the effect waits for replica_flush. */
void replica_set_connected(struct replica *replica, uint32_t peer, bool is_connected);

/*
 * The peer of this number has left for good and is connected no more: what is known of it is
 * forgotten, and the number may go to another. A later replica_set_connected(false) is fine.
 */
void replica_remove_peer(struct replica *replica, uint32_t peer);

/* Once, before any frame or tick. Channels may be up already. */
void replica_start(struct replica *replica);
/* A frame of a peer. Rejections are counted by reason. Effects wait for replica_flush. */
void replica_receive(struct replica *replica, uint32_t peer, struct ingot_slice frame);
void replica_tick(struct replica *replica);
/*
 * Performs all effects: at most one durable commit for each round of them. What nobody depends on
 * may wait for a later one, 20 ms at most (replica_effects.c); see replica_settle.
 */
void replica_flush(struct replica *replica);

/*
 * For others who put into the ledger's batch: makes it durable, as a round of effects would. Not
 * from within replica_flush. False: the replica has stopped.
 */
INGOT_MUST_USE bool replica_sync(struct replica *replica);

/*
 * Before anybody is shown what replica_flush has left to a later sync: it is durable after this,
 * and its commits are told in the next flush. What waits for a flush is durable after that one, so
 * an answer must not leave earlier. Costs nothing where all is durable. If the write fails the
 * replica has stopped, and said so.
 */
void replica_settle(struct replica *replica);
/* Somebody who works beside the replica cannot go on, so it does not either. */
void replica_fail(struct replica *replica, enum replica_stop stop, const char *why);

/*
 * A client's transaction, checked and admitted to the mempool. INGOT_OK: the App was asked, code
 * 0 in `response` means admitted; INGOT_ERROR_EXISTS, _FULL, _TOO_LARGE, _INVALID (empty).
 */
INGOT_MUST_USE enum ingot_error replica_submit(struct replica *replica,
                                               struct ingot_slice transaction,
                                               struct ingot_check_response *response);
/* The same for who knows its wire_transaction_digest already; NULL: it is not known. */
INGOT_MUST_USE enum ingot_error replica_submit_digested(struct replica *replica,
                                                        struct ingot_slice transaction,
                                                        const struct ingot_hash *digest,
                                                        struct ingot_check_response *response);

/* Transactions of these digests are submitted next. It changes nothing but time. */
void replica_expect(const struct replica *replica, const struct ingot_hash *digests,
                    uint32_t count);

void replica_get_status(const struct replica *replica, struct core_status *status);
/* Others are known to have blocks that are not here yet. */
bool replica_is_catching_up(const struct replica *replica);
/* Signing is withheld until a block above this is committed; false: it is not, or not known yet. */
bool replica_watermark(const struct replica *replica, struct position *mark);
/* Brings the gauges up to date; borrowed. The caller adds what only it knows. */
struct metrics *replica_metrics(struct replica *replica);
struct ledger *replica_ledger(struct replica *replica);
const struct core *replica_core(const struct replica *replica);
void replica_query(struct replica *replica, struct ingot_slice path, struct ingot_slice data,
                   struct ingot_query_response *response, uint64_t *height);
uint32_t replica_mempool_count(const struct replica *replica);

#endif
