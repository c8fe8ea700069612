/*
 * The sync client's own state, shared by its files: sync_client.c decides and hands over,
 * sync_ranges.c keeps what is asked for, sync_answer.c takes answers in, sync_peer.c chooses among
 * peers and remembers what they did, sync_report.c tells operators.
 */
#ifndef INGOT_NODE_SYNC_CLIENT_STATE_H
#define INGOT_NODE_SYNC_CLIENT_STATE_H

#include "base/assert.h"
#include "node/sync_client.h"

/* One request: bounded, so that its answer is soon here and many peers share the work. */
#define SYNC_ASK_BLOCKS 128
#define SYNC_ASK_BYTES ((size_t)512 * 1024)
#define SYNC_ASK_BYTES_MIN ((size_t)16 * 1024)
/* What an answer may weigh beyond its blocks: the tail's certificate and the frame's own fields. */
#define SYNC_ANSWER_EXTRA_BYTES ((size_t)32 * 1024)
#define SYNC_PAST_ASKS 8 /* of each peer: their answers are known when they come late, or twice */
#define SYNC_REQUESTS_MAX 4 /* in flight, to as many peers */
#define SYNC_RANGES_MAX 12
/* Of frames; decoded, with digests of their transactions, answers take up to twice as much. */
#define SYNC_HELD_BYTES_MAX ((size_t)8 * 1024 * 1024)

/* One run: executed and synced as a whole, so that the loop gets its turn in between. */
#define SYNC_RUN_BLOCKS_MAX 128
#define SYNC_RUN_BYTES_MAX ((size_t)1024 * 1024)
#define SYNC_RUN_SIGNATURES_MAX 1024

/* A block often follows its certificate by a moment, over another channel. */
#define SYNC_GRACE_MS 10
/* Fewer blocks than this behind is how following live looks at any moment. */
#define SYNC_LAG_BLOCKS 8

static_assert(SYNC_ASK_BLOCKS <= INGOT_SYNC_BLOCKS_MAX, "an answer may hold what is asked for");
static_assert(SYNC_ASK_BYTES <= INGOT_SYNC_BYTES_MAX, "an answer may hold what is asked for");

enum range_state { RANGE_WANTED, RANGE_ASKED, RANGE_HELD };

/* Consecutive heights. */
struct sync_range {
    uint64_t first;
    uint32_t count;
    enum range_state state;
    uint32_t peer;             /* ASKED, HELD: of whom */
    uint64_t asked_ms;         /* ASKED */
    struct message *answer;    /* HELD: owned reference */
    struct ingot_hash target;  /* HELD: the block that the request named, or zero */
    uint64_t committed_height; /* HELD: ours, when it was asked for */
    size_t bytes;              /* HELD */
    uint32_t done;             /* HELD: blocks of the answer that need no more work */
    bool has_offered_justify;  /* HELD: the core was given the certificate of our own block */
    size_t refused_bytes;      /* of an answer that was here and had no room, or 0 */
};

/* What a peer was asked for last and has not answered. */
struct sync_ask {
    bool is_open;
    bool has_base;
    uint64_t first; /* height */
    uint64_t committed_height;
    uint64_t claim;           /* the peer's, when it was asked */
    struct ingot_hash target; /* or zero */
    uint32_t blocks;
    size_t bytes;
    uint64_t asked_ms;
};

struct sync_peer {
    bool is_connected;
    bool is_ahead;   /* it spoke of an epoch that we do not know */
    bool is_proven;  /* blocks of this connection have verified */
    uint64_t claim;  /* highest committed height that it claims */
    uint64_t lowest; /* of its history, as far as it said */
    struct sync_ask ask;
    struct sync_ask past[SYNC_PAST_ASKS]; /* earlier ones, in a ring */
    uint32_t past_next;
    bool may_repeat;     /* its last answer has come once; a second copy of it is no fault */
    uint32_t abandoned;  /* requests that we have given up on; their answers may still come */
    uint32_t stalls;     /* in a row: ask for less, and wait longer before asking again */
    uint32_t strikes;    /* faults, less good answers */
    bool is_boaster;     /* claimed what it could not show; its claims count for nothing */
    uint32_t warned_of;  /* faults that the log has named: bits of enum sync_fault */
    uint64_t paused_ms;  /* not asked before */
    uint64_t nothing_ms; /* had nothing for us: not asked before */
    uint64_t served;     /* serial number of its last request: the longest idle goes first */
};

/* The run that the core executes now, or has just executed. */
struct sync_run {
    struct block *last; /* owned reference; NULL: none */
    uint32_t peer;
    uint32_t count;
};

struct sync_client {
    struct sync_client_options options;
    struct sync_peer *peers;
    uint32_t peer_count;

    struct sync_range ranges[SYNC_RANGES_MAX]; /* in order, without gaps between them */
    uint32_t range_count;
    size_t held_bytes;

    struct sync_run run;
    struct block *base;  /* the last block of the last run, or of a walk: owned, or NULL: go by
                            the tree */
    bool from_committed; /* the branch we followed leads nowhere: begin above the committed one */
    bool is_walking;     /* along another branch than the highest block's, as far as it is known */
    uint32_t preferred;  /* peer to be asked first for the lowest range, or SYNC_PEER_NONE */
    bool is_wanting;     /* something is missing */
    uint64_t wanting_ms; /* since then */
    uint64_t serial;

    uint64_t committed_height; /* as of the last step */
    uint64_t committed_ms;     /* when it last rose */
    uint32_t stuck;            /* how often nothing was committed for long, in a row */
    uint64_t tip_height;
    bool certificate_is_far;
    uint64_t deadline_ms;
    uint64_t pruned_logged_ms;

    uint64_t blocks;
    uint64_t requests;
    uint64_t penalties[SYNC_FAULT_COUNT];
    uint64_t rate_blocks; /* `blocks` when the rate was taken last */
    uint64_t rate_ms;
    uint64_t rate;     /* blocks a second */
    bool is_reporting; /* the log has said that we are catching up */
    uint64_t report_ms;
    uint64_t report_since_ms;
    uint64_t report_blocks; /* `blocks` when it began */
};

#define SYNC_PEER_NONE UINT32_MAX

/* --- sync_peer.c --- */

struct sync_peer *sync_peer_at(struct sync_client *client, uint32_t peer);
void sync_peer_fault(struct sync_client *client, uint64_t now_ms, uint32_t peer,
                     enum sync_fault fault);
/* What it sent was good. */
void sync_peer_praise(struct sync_client *client, uint32_t peer);
/* It could be asked for a block of this height by its number alone. */
bool sync_peer_claims(const struct sync_peer *peer, uint64_t height);
/* The one to ask for a range now, or SYNC_PEER_NONE; `by_claim`: it must claim the first height. */
uint32_t sync_peer_choose(const struct sync_client *client, uint64_t now_ms, uint64_t first,
                          bool by_claim, uint32_t waiting_peer);
/* Gives up requests that are long overdue. */
void sync_peers_expire(struct sync_client *client, uint64_t now_ms);
/* When sync_peers_expire or a pause ends next. */
uint64_t sync_peers_deadline_ms(const struct sync_client *client, uint64_t now_ms);
/* The highest height that anybody who may be asked claims. */
uint64_t sync_peers_claim(const struct sync_client *client);
/* The highest height that is believed to exist: not on the word of one stranger. */
uint64_t sync_peers_target(const struct sync_client *client);
/* Everybody connected who claims this height has pruned it, and somebody does. */
bool sync_peers_pruned(const struct sync_client *client, uint64_t height);

/* --- sync_ranges.c --- */

/* It has to be asked for again. */
void sync_range_clear(struct sync_client *client, struct sync_range *range);
/* Removes the lowest range. */
void sync_range_pop(struct sync_client *client);
void sync_ranges_clear(struct sync_client *client);
/* What is still missing above the tip, as far as anybody claims to have it, in ranges to ask for.
 */
void sync_ranges_plan(struct sync_client *client);

/* --- sync_report.c --- */

void sync_report(struct sync_client *client, uint64_t now_ms);

#endif
