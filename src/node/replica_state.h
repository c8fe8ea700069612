/*
 * The replica's own state, shared by its files.
 */
#ifndef INGOT_NODE_REPLICA_STATE_H
#define INGOT_NODE_REPLICA_STATE_H

#include "base/assert.h"
#include "node/executor.h"
#include "node/mempool.h"
#include "node/replica.h"
#include "node/watermark.h"
#include "wire/verify.h"
#include "wire/wire.h"

#define HELD_KINDS 3
#define COMPACT_PROPOSED_MAX 8 /* own proposals whose transactions may be asked for */

/* A proposal that names transactions which are not all here (replica_compact.c). */
struct incomplete {
    struct message *message;    /* owned */
    struct ingot_buffer wanted; /* what was asked for last; empty: nothing */
    uint64_t ask_at_ms;
    uint32_t asks;
    uint32_t looks;
    uint64_t admitted; /* to the mempool when it was searched last */
};

struct replica_peer {
    bool is_connected;
    bool has_key;
    bool was_warned_of; /* the log has named what it sends that does not decode */
    struct ingot_public_key key;
    struct message *held[HELD_KINDS]; /* of the epoch to come; owned, or NULL (replica_held.c) */

    struct incomplete incomplete[INGOT_ORPHANS_PER_PEER_MAX]; /* lowest first */
    uint32_t incomplete_count;
    bool has_request; /* for transactions of `proposed[request_slot]`, to be answered this turn */
    uint32_t request_slot;
    struct ingot_buffer request_wanted;
    uint32_t answers[COMPACT_PROPOSED_MAX]; /* that it had, of each of our proposals */
};

/* When a block was first seen here, for the time from proposal to commit. */
#define SEEN_BLOCKS 64
struct seen_block {
    struct ingot_hash hash;
    uint64_t seen_us;
};

/* An effect that waits for the next sync; the execution goes with a commit. */
struct outbox_item {
    struct core_effect effect;
    struct execution *execution; /* owned, or NULL */
};

struct outbox {
    struct outbox_item *items;
    uint32_t count;
    uint32_t capacity;
};

struct replica {
    struct replica_options options;
    struct core *core;
    struct ledger *ledger;
    struct executor *executor;
    struct mempool *mempool;
    struct verifier verifier;
    struct wire_signer signer;
    struct signature_memo *signatures; /* shared by the two above; owned */
    struct metrics metrics;
    enum replica_stop stop;
    bool has_started;
    uint64_t held_epoch; /* in which held messages were last looked at */

    struct sync_client *sync_client;
    struct verify_ahead *ahead; /* of what the sync client holds; NULL: on this thread alone */
    struct sync_server *sync_server;
    uint64_t core_deadline_ms;
    uint64_t armed_ms; /* what the timer was last set to */

    struct core_effects effects; /* of the core, not yet taken */
    struct outbox outbox;        /* taken, waiting for the next sync; same order */
    uint64_t sync_by_ms;       /* what was taken is durable by then; UINT64_MAX: nothing waits for a
                                  sync, or for what follows one */
    struct ingot_buffer frame; /* scratch for encoding */

    struct replica_peer *peers;
    uint32_t peer_count;
    bool had_payload;
    bool has_oldest; /* `oldest` waited when stuck transactions were looked for last */
    struct ingot_hash oldest;
    uint64_t looked_ms;
    uint64_t looked_timeouts;    /* of the core, then */
    uint64_t slowest_sync_us;    /* decays */
    struct watermark *watermark; /* owned; NULL: signing is not withheld */

    struct ingot_hash proposed[COMPACT_PROPOSED_MAX]; /* our last that named transactions */
    uint32_t proposed_next;
    struct block *withheld; /* our last, whose bytes of transactions travelled with it; or NULL */
    struct ingot_buffer missing;    /* scratch: what an incomplete proposal lacks */
    struct ingot_slice *candidates; /* scratch: what a block may take */
    struct ingot_hash *candidate_digests;
    uint32_t candidate_capacity;

    struct seen_block seen[SEEN_BLOCKS];
    uint32_t seen_next;
};

uint64_t replica_now_ms(const struct replica *replica);
enum reject replica_step(struct replica *replica, struct core_event *event);
void replica_stop_now(struct replica *replica, enum replica_stop stop, const char *why);
void replica_saw_block(struct replica *replica, const struct block *block);
/* A message that has been decoded. */
void replica_receive_message(struct replica *replica, uint32_t peer, struct message *message);
/* NONE counts nothing. */
void replica_count_reject(struct replica *replica, uint32_t peer, const struct message *message,
                          enum reject reject);
/* replica_effects.c */
void replica_clear_outbox(struct replica *replica);

/* replica_transmit.c: signs and sends what is durable, or need not be. */
void transmit_send(struct replica *replica, struct core_effect *effect);
void transmit_broadcast(struct replica *replica, struct core_effect *effect);
void transmit_answer(struct replica *replica, const struct core_effect *effect);

/* replica_pool.c: between the mempool and the chain. */
enum reject pool_receive(struct replica *replica, const struct transactions *transactions);
void pool_committed(struct replica *replica, struct block *block);
void pool_abandoned(struct replica *replica, struct block *block);
/* Shows local transactions to the other validators. */
void pool_forward(struct replica *replica);
/* Our own proposal is about to leave: what it brings is not passed on besides. */
void pool_withhold(struct replica *replica, struct block *block, const struct message *compact);
/*
 * Once the view of that proposal is over: if nobody has certified it, the others do not have what
 * was withheld, or would not know that they need it.
 */
void pool_release_failed(struct replica *replica);
/* Tells the core when the mempool becomes empty or not empty. */
void pool_notice(struct replica *replica);
/* Builds a block for the core; NULL when there is nothing to show, or the replica had to stop. */
struct block *pool_build(struct replica *replica, const struct core_effect *ask);

/* replica_compact.c: proposals that name transactions. */
/*
 * Our own proposal with names for what the others hold; the caller's reference. NULL: it had better
 * travel as it is.
 */
struct message *compact_make(struct replica *replica, const struct propose *propose);
/* A verified one of a peer's. */
void compact_receive(struct replica *replica, uint32_t peer, struct message *message);
enum reject compact_request(struct replica *replica, uint32_t peer,
                            const struct transactions_request *request);
enum reject compact_response(struct replica *replica, uint32_t peer,
                             const struct transactions_response *response);
/* Answers, looks again and asks, as far as that is due; proposals that become whole are stepped. */
void compact_turn(struct replica *replica);
/* When compact_turn is due at the latest; UINT64_MAX: nothing is. */
uint64_t compact_deadline_ms(const struct replica *replica);
/* What one weighs in a byte cap. */
size_t compact_size_bytes(const struct message *message);
size_t compact_incomplete_bytes(const struct replica_peer *peer);
/* The channel is gone. */
void compact_forget(struct replica_peer *peer);

/* replica_watermark.c: when this is a copy that may not sign yet. */
INGOT_MUST_USE enum ingot_error signing_open(struct replica *replica, char *why, size_t why_size);
/* A verified Advertise has come by this channel. */
void signing_heard(struct replica *replica, uint32_t peer, const struct qc *qc);
/* The core has taken a step: a certificate may have become the highest. */
void signing_look(struct replica *replica);
/* Into the batch that commits the block. */
void signing_committed(struct replica *replica, const struct block *block);

/* replica_sync.c: getting blocks that we lack, and serving those who lack them. */
void sync_open(struct replica *replica);
void sync_close(struct replica *replica);
void sync_connected(struct replica *replica, uint32_t peer, bool is_connected);
void sync_forget(struct replica *replica, uint32_t peer);
/* Hints: an advertised height, a message of an epoch that we do not know. */
void sync_claim(struct replica *replica, uint32_t peer, uint64_t height);
void sync_hint(struct replica *replica, uint32_t peer);
/* False for an answer that nobody asked for, before it is decoded. */
bool sync_admits(struct replica *replica, uint32_t peer, struct ingot_slice frame);
/* A frame that was admitted and does not decode. */
void sync_receive_garbled(struct replica *replica, uint32_t peer, struct ingot_slice frame);
enum reject sync_receive(struct replica *replica, uint32_t peer, struct message *message,
                         size_t size);
enum reject sync_request(struct replica *replica, uint32_t peer,
                         const struct sync_request *request);
/* The core's own deadline; the timer is armed for the earlier of that and ours. */
void sync_arm_for_core(struct replica *replica, uint64_t deadline_ms);
/* Does what is due, once all effects are performed, and arms the timer. */
void sync_turn(struct replica *replica);
/* The same while effects wait: only what the ledger has is served, or nobody could ever follow a
 * lone validator that never rests. */
void sync_turn_between(struct replica *replica);
void sync_metrics(const struct replica *replica, struct metrics *metrics);
bool sync_is_catching_up(const struct replica *replica);
/* Somebody is to be served blocks, or what was fetched is under way: both want all to be durable.
 */
bool sync_needs_durable(const struct replica *replica);
/* Between two parts of a long work, of a replica: others may have the processor if it is behind. */
void sync_give_way(void *context);
/* Do the present effects come of a chain that is being fetched, and not of the protocol's pace? */
bool sync_is_bulk(const struct replica *replica);

/* replica_held.c: what cannot be verified before the next epoch is entered. */
/* Uses the certificate that leads into the epoch, if the message has it; then says again what
 * verification says. REJECT_UNKNOWN_EPOCH: it is kept for later if there is use in that. */
enum reject held_take(struct replica *replica, uint32_t peer, struct message *message);
/* Once an epoch is entered, what was held for it takes its turn. */
void held_retry(struct replica *replica);
void held_clear(struct replica_peer *peer);

#endif
