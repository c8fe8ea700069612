/*
 * One replica of four, alone, with the real ed25519 and a store in memory: the test plays its
 * peers, signs for them, and reads every frame that leaves. Peer i is validator i. Blocks are
 * empty, so that the test knows what executing them gives.
 */
#ifndef INGOT_TESTS_LONE_REPLICA_H
#define INGOT_TESTS_LONE_REPLICA_H

#include <ingot/apps.h>

#include "lib/wire_samples.h"
#include "node/replica.h"
#include "storage/memory.h"

#define LONE_VALIDATORS 4
#define LONE_FRAMES_MAX 64
#define LONE_EVERYBODY UINT32_MAX /* a broadcast */
#define LONE_BASE_TIMEOUT_MS 500

struct lone_frame {
    uint32_t to; /* or LONE_EVERYBODY */
    struct ingot_buffer bytes;
};

struct lone {
    struct samples samples;
    struct block *genesis;
    struct ingot_hash empty_updates; /* what executing an empty block gives */
    uint32_t me;
    struct ingot_app app;
    struct ingot_store *store;
    struct replica *replica;

    uint32_t verify_threads; /* as of the next lone_open */
    uint64_t now_us;
    uint64_t write_us;     /* what a durable write takes: the clock advances by it */
    uint64_t commits_seen; /* of the store's counter */
    uint64_t wall_ms;
    uint64_t armed_ms;
    bool nobody_waits;                         /* for a commit */
    uint64_t reported_height;                  /* of the last commit that was told */
    uint32_t gave_way;                         /* how often */
    bool is_woken;                             /* the replica asked for another turn */
    struct lone_frame frames[LONE_FRAMES_MAX]; /* since lone_forget */
    uint32_t frame_count;
    /* A message of this kind gets no further than the call that should send it: that is the moment
     * of the crash, and the store of then is what lone_crash leaves. */
    bool has_planned_crash;
    enum message_kind crash_at;
    struct ingot_store *crashed_store; /* owned; NULL: has not happened */

    enum replica_stop stop;
    char why[400];
};

/* Empty store, replica `me`, started and flushed. */
void lone_init(struct lone *lone, uint32_t me);
void lone_deinit(struct lone *lone);
uint32_t lone_leader(const struct lone *lone, uint64_t view);

/* An empty block of the view's leader on a parent and its certificate. A new reference. */
struct block *lone_block(const struct lone *lone, const struct block *parent, uint64_t view);
/* The certificate of a block by validators 0 to 2. A new reference. */
struct qc *lone_qc(const struct lone *lone, const struct block *block);
/* Signed by its leader. Takes both references. */
struct message *lone_propose(const struct lone *lone, struct block *block, struct tc *tc);

/* Takes the message; it comes by the channel of `peer`. Flushes. */
void lone_receive(struct lone *lone, uint32_t peer, struct message *message);
/* Time passes, and the timer fires where it is due by then. Flushes. */
void lone_wait(struct lone *lone, uint64_t ms);

/* Drops the frames seen so far. */
void lone_forget(struct lone *lone);
/* The nth frame of a kind since then, or NULL. */
const struct lone_frame *lone_find(const struct lone *lone, enum message_kind kind, uint32_t nth);
uint32_t lone_count(const struct lone *lone, enum message_kind kind);

/* Only what is durable stays; frames are forgotten. */
void lone_crash(struct lone *lone);
/* Opens what a crash left; INGOT_OK: started and flushed. Else `why` says it. */
enum ingot_error lone_open(struct lone *lone);
struct core_status lone_status(const struct lone *lone);

#endif
