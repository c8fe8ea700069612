/*
 * The model of quorum broadcast: rounds, where they are kept, and which file moves them. For
 * src/broadcast alone.
 *
 * A round is named by (originator, id).
 *
 *                round_open            round_finish             round_remember
 *   (unknown) --------------> OPEN ----------------> FINISHED ----------------> REMEMBERED
 *
 * round_remember is also what becomes of an OPEN round that is given up, and round_open begins a
 * REMEMBERED one again. A round in which we have chosen nothing is unknown afterwards, and so are
 * the oldest REMEMBERED ones above the quota.
 *
 * OPEN: messages are counted. FINISHED: delivered; our COMMIT and the payload can be shown to who
 * lacks them. REMEMBERED: only what we chose, so that we never choose otherwise.
 *
 *   receive.c   what a message adds to a round        tally.c    the power behind a digest
 *   advance.c   thresholds, callbacks, what we say    repeat.c   saying it again, giving up
 *   round_table.c   finding, opening, quotas          start.c    what a client starts
 */
#ifndef INGOT_BROADCAST_ROUND_H
#define INGOT_BROADCAST_ROUND_H

#include "base/mutant.h"
#include "broadcast/quorum_broadcast.h"

/* Where a round is, which is also whose quota it uses. The first three are open. */
enum round_place {
    ROUND_OPEN,     /* its originator has shown us the payload */
    ROUND_REOPENED, /* the same, after we had given it up: apart, so that old messages of an
                       originator, shown again by somebody else, take no room from its new rounds */
    ROUND_BY_VOTE,  /* opened by a member's vote, in that member's account */
    ROUND_FINISHED,
    ROUND_REMEMBERED
};
#define ROUND_PLACE_COUNT 5

/* Of one kind of decision in one round there is at most one. */
struct choice {
    bool is_made;
    struct broadcast_digest digest;
};

/* A bit for each member. */
struct member_bits {
    uint8_t bits[INGOT_VALIDATORS_MAX / 8];
};

/* Callbacks of a round, as bits. */
enum round_callback {
    CALLBACK_PREPARE = 1,
    CALLBACK_PREPARED = 2,
    CALLBACK_COMMIT = 4,
    CALLBACK_COMMITTED = 8
};

/* What an open or finished round has above a remembered one. */
struct live_round {
    /* The originator's message with the payload that we go by, or NULL. */
    struct broadcast_message *pre_prepare;
    /* OPEN: one PREPARE and one COMMIT of each member, or NULL; the first one counts. */
    struct broadcast_message **prepares;
    struct broadcast_message **commits;
    struct broadcast_message *own_prepare; /* FINISHED: for what was delivered, or NULL */
    struct broadcast_message *own_commit;  /* FINISHED: or NULL */
    struct member_bits prepared;           /* FINISHED: who said PREPARE or COMMIT for what was */
    struct member_bits committed;          /* delivered, so has the payload; who said COMMIT */
    /* Who has connected anew since its COMMIT came: it may have lost its memory, and is shown all
     * until it says COMMIT again. */
    struct member_bits returned;
    bool said_prepare; /* it has left, and may not be back yet */
    bool said_commit;
    uint8_t failed;        /* callbacks that failed since the last tick */
    uint64_t give_up_ms;   /* OPEN: abandoned then; FINISHED: not said again any more */
    uint64_t interval_ms;  /* between repeats */
    uint64_t repeat_at_ms; /* the next one */
    uint8_t answered[INGOT_PEERS_MAX / 8]; /* peers that had an answer since the last tick */
};

struct round {
    struct round *next_in_bucket;
    struct round *earlier; /* in the list of its account and state */
    struct round *later;
    enum round_place place;
    uint32_t account; /* the member whose quota it uses */
    uint32_t originator;
    struct broadcast_id id;
    size_t bytes; /* of payload, as charged to the account */
    bool was_given_up;
    bool is_started;         /* a client here waits for it */
    struct choice started;   /* what a client here gave, before callbacks */
    struct choice prepare;   /* ours */
    struct choice commit;    /* ours */
    struct choice delivered; /* here */
    uint8_t done; /* callbacks that are not called again: vetoed, or said what they had to */
    struct live_round *live; /* NULL if REMEMBERED */
};

struct round_list {
    struct round *first; /* the oldest */
    struct round *last;
    uint32_t count;
    size_t bytes; /* of payloads */
};

/* What one member has. */
struct account {
    struct round_list lists[ROUND_PLACE_COUNT];
    struct round **buckets; /* all rounds that it originated */
    uint32_t bucket_count;
    uint32_t round_count;
};

struct quorum_broadcast {
    struct broadcast_protocol base;
    struct quorum_broadcast_config config;
    struct ingot_validator *members;
    uint64_t quorum_power;
    uint64_t one_honest_power;
    struct account *accounts; /* one for each member */
    uint64_t now_ms;
    bool is_armed;
    uint64_t armed_ms;
    bool needs_tick;                        /* though no round may be open */
    size_t answered_bytes[INGOT_PEERS_MAX]; /* since the last tick */
    struct broadcast_effects *out;          /* of the event that is being handled */
};

/* --- round_table.c --- */

bool round_is_open(const struct round *round);
struct round *round_find(const struct quorum_broadcast *broadcast, uint32_t originator,
                         const struct broadcast_id *id);
/*
 * The place for a round, NULL if it is not known, once its originator has shown a payload of this
 * size; NONE, or which quota of the originator is used up.
 */
enum broadcast_reject round_has_room(const struct quorum_broadcast *broadcast, uint32_t originator,
                                     const struct round *round, size_t payload_bytes);
/* The same for a round that a member's vote would open. */
enum broadcast_reject round_has_room_by_vote(const struct quorum_broadcast *broadcast,
                                             uint32_t voter);
/*
 * Makes an open round of `round`: NULL (a new one), a remembered one, or one that a vote opened.
 * Its originator has shown a payload of this size. There is room, or a reason to do without.
 */
struct round *round_open(struct quorum_broadcast *broadcast, uint32_t originator,
                         const struct broadcast_id *id, struct round *round, size_t payload_bytes);
/* The same of NULL or a remembered one, for a member's vote. */
struct round *round_open_by_vote(struct quorum_broadcast *broadcast, uint32_t originator,
                                 const struct broadcast_id *id, struct round *round,
                                 uint32_t voter);
/* The payload of an open round is another one now. */
void round_charge(struct quorum_broadcast *broadcast, struct round *round, size_t payload_bytes);
/* Delivered. Frees the votes. Older finished rounds of the originator may become remembered. */
void round_finish(struct quorum_broadcast *broadcast, struct round *round);
/* Keeps what we chose, if anything, and nothing else. The round may be gone after the call. */
void round_remember(struct quorum_broadcast *broadcast, struct round *round);
void round_table_deinit(struct quorum_broadcast *broadcast);

/* --- tally.c --- */

bool member_has(const struct member_bits *bits, uint32_t member);
void member_add(struct member_bits *bits, uint32_t member);
void member_remove(struct member_bits *bits, uint32_t member);
/* A quorum has said COMMIT for it. Of an open round. */
bool tally_is_committed(const struct quorum_broadcast *broadcast, const struct round *round,
                        const struct broadcast_digest *digest);
/* A quorum has said PREPARE for it, or one honest member COMMIT: nothing else can win. */
bool tally_is_prepared(const struct quorum_broadcast *broadcast, const struct round *round,
                       const struct broadcast_digest *digest);
/* Has this member said anything for it, so that it has the payload? Of an open or finished round.
 * Not if it may have forgotten, here and below. */
bool tally_has_payload(const struct round *round, uint32_t member,
                       const struct broadcast_digest *digest);
/* Have we this member's COMMIT? */
bool tally_has_commit(const struct round *round, uint32_t member);

/* --- The rest: one for each kind of event, and what follows from it. --- */

enum broadcast_reject round_start(struct quorum_broadcast *broadcast,
                                  const struct broadcast_event *event);
enum broadcast_reject round_receive(struct quorum_broadcast *broadcast,
                                    const struct broadcast_event *event);
/* What the round as it is makes us say, and whether it is delivered. */
void round_advance(struct quorum_broadcast *broadcast, struct round *round);
/* Shows a peer that repeats itself what it seems to lack. */
void round_answer(struct quorum_broadcast *broadcast, struct round *round, uint32_t peer,
                  const struct broadcast_message *message);
void round_tick(struct quorum_broadcast *broadcast);
void round_connected(struct quorum_broadcast *broadcast, uint32_t member);
/* Asks for the next tick if there will be something to do. */
void round_arm(struct quorum_broadcast *broadcast);
/* When a round opens, the originator shows it, it is finished, or a peer is back: from now on. */
void round_begin_repeats(const struct quorum_broadcast *broadcast, struct round *round);

#endif
