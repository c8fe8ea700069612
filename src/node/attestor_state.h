/*
 * The attestor's own state, shared by its files.
 *
 * A statement of an entered block is *open* until it is *done*: attested, or refused. Of a done one
 * the signatures tell which: attested if they reach the quorum. Between the two it may be *queued*:
 * its line is on its way into the signatures file.
 */
#ifndef INGOT_NODE_ATTESTOR_STATE_H
#define INGOT_NODE_ATTESTOR_STATE_H

#include "attest/signatures_file.h"
#include "base/assert.h"
#include "broadcast/gossip_filter.h"
#include "node/attestor.h"
#include "node/attestor_record.h"
#include "node/ledger_attest.h"
#include "wire/broadcast.h"

#define ATTEST_BUCKETS 1024
#define ATTEST_BLOCKS_MAX 4096
#define ATTEST_VOTERS_MAX (2 * INGOT_VALIDATORS_MAX)

/* What is known of one validator's signatures for a block. */
struct attest_share {
    bool is_known;    /* there is a record of it */
    bool is_whole;    /* it has spoken, for good */
    bool is_waiting;  /* one waits to be verified */
    bool has_lied;    /* it has signed a message with a signature in it that is none */
    uint8_t *content; /* owned: the record, until it is durable; NULL: in the table */
    size_t size;
    uint64_t batch; /* that makes it durable */
};

/* An entered block. */
struct attest_block {
    uint64_t height;
    uint64_t epoch;
    uint32_t count;            /* of statements */
    uint32_t own;              /* our place in the set, or VALIDATOR_NONE */
    struct validator_set *set; /* owned reference */
    struct statement base;     /* of all its statements, but for id and digest */
    struct ingot_buffer record;
    uint32_t *offsets;           /* of each statement in the record */
    uint64_t *powers;            /* of those whose signature is there, for each statement */
    uint8_t *done;               /* a bit for each statement */
    uint8_t *queued;             /* the same */
    uint32_t looked_up;          /* the place behind the statement that was found last by its id */
    uint32_t lacking;            /* statements that need more signatures, as far as is known */
    uint32_t open;               /* statements that are not done */
    uint32_t whole;              /* members who have spoken */
    uint64_t whole_power;        /* theirs */
    struct attest_share *shares; /* one for each member of the set */
    uint64_t batch;              /* that makes it durable */
    uint32_t pins;               /* lines on their way to the file, and shares in a queue */
    bool is_ready;               /* it may have something to write, and is in the list of those */
    uint64_t entered_ms;         /* 0: before this process */
    size_t bytes;
    struct attest_block *bucket_next;
    struct attest_block *ready_next;
    struct attest_block *older; /* in the order of use */
    struct attest_block *newer;
};

/* A share that waits for its turn, or for its block. Ours has no signatures yet. */
struct attest_item {
    struct attest_item *next;
    uint64_t epoch;
    uint64_t height;
    uint32_t voter;
    uint32_t done; /* statements that have been signed, or verified */
    uint32_t peer; /* whom it came from; not of ours */
    bool is_own;
    size_t block_bytes;          /* ours: what its block takes in memory */
    bool is_late;                /* its block is done without it */
    struct ingot_public_key key; /* of the voter */
    struct ingot_signature message;
    struct ingot_buffer signatures;
};

struct attest_queue {
    struct attest_item *first;
    struct attest_item **end;
    uint32_t count;
};

/* What a validator has waiting here: [true] of blocks that are done without it, [false] the rest.
 */
struct attest_account {
    struct ingot_public_key key;
    uint32_t shares[2];
    size_t bytes[2];
};

/* A line on its way into the signatures file, or a statement that is refused. */
struct attest_line {
    struct attest_block *block; /* pinned */
    uint32_t index;
    bool is_refused;
    bool is_in_file; /* it was there before */
    size_t begin;    /* of its text */
    size_t end;
};

struct attest_peer {
    bool is_connected;
    bool is_asking; /* and has not been answered in full */
    bool is_asking_late;
    uint8_t members[INGOT_VALIDATORS_MAX / 8]; /* whose late shares it asks for */
    uint32_t voter;                            /* the next of the first height */
    uint64_t from_height;
    uint64_t heights;     /* that are still to be answered: bit i for from_height + i */
    uint64_t due_ms;      /* not before */
    uint64_t answered_ms; /* when the last answer was whole */
    uint64_t own_next;    /* our own shares that it is owed begin here; UINT64_MAX: none */
    uint64_t own_due_ms;  /* when it gets the next part of them */

    /* Our pass over late shares with it; attestor_late.c. */
    bool late_again;      /* another one is to follow */
    bool late_has_asked;  /* in this one */
    bool late_has_gained; /* something that is new to us */
    uint32_t late_left;   /* blocks that this one may still look at */
    uint32_t late_idle;   /* requests on end that have brought nothing */
    uint64_t late_next;   /* it goes on at this height, downwards; 0: there is none */
    uint64_t late_ms;     /* not before */
    uint64_t late_gap_ms; /* before the next one */
};

/* Asking for what is missing, in passes over what is pending; attestor_repair.c. */
struct attest_repair {
    bool is_passing;
    bool is_fresh;     /* the pass began at what was new, not at the lowest height */
    bool has_asked;    /* in this pass */
    bool has_progress; /* shares have come since the pass began */
    uint64_t cursor;   /* the next height to look at */
    uint64_t retry_ms; /* when the pass goes on */
    uint64_t next_ms;  /* when the next pass over everything begins */
    uint64_t interval_ms;
    bool has_fresh; /* blocks from fresh_from on have not been looked at */
    uint64_t fresh_from;
    uint64_t fresh_ms;

    bool is_waiting; /* for an answer */
    uint32_t peer;   /* of whom; afterwards whom we asked last */
    uint64_t from_height;
    uint64_t heights;
    uint64_t deadline_ms;
};

/* Asking for shares of blocks that are done without them; attestor_late.c. */
struct attest_late {
    uint32_t peer;   /* whom we asked last */
    bool is_waiting; /* for its answer */
    bool has_hinted; /* one share of the answer has been passed on */
    bool has_come;   /* something of it */
    uint64_t from_height;
    uint64_t heights;
    uint8_t members[INGOT_VALIDATORS_MAX / 8];
    uint32_t member_bytes; /* as far as it is sent */
    uint32_t lacking;      /* shares that were asked for and have not come */
    uint64_t deadline_ms;
};

struct attestor {
    struct attestor_options options;
    char *chain_id;
    char *file_path;
    struct attest_meta meta;
    uint64_t put_batch; /* into which something was put last */
    bool is_open;       /* the file and the table are in step */
    bool has_stopped;
    uint32_t turns; /* since complete attestations were made durable last */
    uint64_t now_ms;
    uint64_t armed_ms;
    uint64_t dirty_ms; /* when what was put is to be durable at the latest; 0: no wish */

    struct attest_block *buckets[ATTEST_BUCKETS];
    struct attest_block *oldest;
    struct attest_block *newest;
    uint32_t block_count;
    size_t block_bytes;
    uint64_t set_epoch; /* whose statement_set_hash is set_hash */
    bool has_set_hash;
    uint8_t set_hash[32];

    struct attest_queue own;    /* to be signed: others wait for them */
    struct attest_queue urgent; /* to be verified: the block is not done */
    struct attest_queue behind; /* to be signed: the next of those that are in no hurry */
    struct attest_queue late;   /* to be verified: it is done without them */
    struct attest_queue ahead;  /* their block is not committed here yet */
    struct attest_account accounts[ATTEST_VOTERS_MAX];
    size_t held_bytes;
    size_t own_bytes; /* of the blocks in `own` and `behind` */

    struct signatures_file *file;
    bool has_ahead; /* there may be lines in the file whose blocks are not committed here */
    bool is_full;   /* the file's disk; the lines are kept */
    uint64_t retry_ms;
    struct attest_block *ready;
    struct attest_line *lines;
    uint32_t line_count;
    uint32_t line_capacity;
    struct ingot_buffer text; /* of the lines */

    uint64_t lie_reported_ms; /* when the log was told of one last; 0: never */
    struct gossip_filter filter;
    struct wire_signer signer;
    struct crypto_counters counters; /* of verifications */
    struct attest_peer *peers;
    uint32_t peer_count;
    struct attest_repair repair;
    struct attest_late late_shares;
    struct ingot_buffer frame;     /* scratch */
    struct ingot_buffer content;   /* scratch */
    struct attestor_status status; /* the counters */
};

/* --- attestor.c --- */

/* Brings now_ms up to date. */
void attest_look_at_clock(struct attestor *attestor);
/* It cannot go on. */
void attest_fail(struct attestor *attestor, enum replica_stop stop, const char *what,
                 enum ingot_error error);
void attest_put(struct attestor *attestor, const struct attest_key *key,
                const struct ingot_buffer *content);
void attest_delete(struct attestor *attestor, const struct attest_key *key);
void attest_put_meta(struct attestor *attestor);
enum ingot_error attest_get(struct attestor *attestor, const struct attest_key *key,
                            struct ingot_slice *content);

/* --- attestor_block.c --- */

static inline bool attest_bit(const uint8_t *bits, uint32_t index)
{
    return (bits[index / 8] >> (index % 8) & 1U) != 0;
}

static inline void attest_bit_set(uint8_t *bits, uint32_t index)
{
    bits[index / 8] = (uint8_t)(bits[index / 8] | 1U << (index % 8));
}

/* Enters the next committed block. The block, or NULL: it has no statements. */
struct attest_block *attest_block_enter(struct attestor *attestor, const struct block *block,
                                        const struct execution *execution);
/*
 * An entered block by height, from memory or from the table. INGOT_OK; INGOT_ERROR_NOT_FOUND: it
 * has no statements, or is not entered; or the error of the table. Borrowed until the next turn.
 */
INGOT_MUST_USE enum ingot_error attest_block_find(struct attestor *attestor, uint64_t height,
                                                  struct attest_block **block);
/* The same, if it is in memory; else NULL. */
struct attest_block *attest_block_in_memory(struct attestor *attestor, uint64_t height);
void attest_block_entry(const struct attest_block *block, uint32_t index,
                        struct attest_entry *entry);
void attest_block_statement(const struct attest_block *block, uint32_t index,
                            struct statement *statement);
/* Puts what is done of it, or takes it from those that are pending: then it may be a late one. */
void attest_block_put_pending(struct attestor *attestor, struct attest_block *block);
/* Lets go of what is durable and not needed, oldest first, down to the bytes allowed. */
void attest_block_evict(struct attestor *attestor);
void attest_block_free_all(struct attestor *attestor);

/* What is known of a voter's signatures; borrowed until the next ledger_sync. */
INGOT_MUST_USE enum ingot_error attest_share_read(struct attestor *attestor,
                                                  const struct attest_block *block, uint32_t voter,
                                                  struct attest_share_record *share);
/*
 * Adds verified signatures: `share` replaces what was there, but for signatures that it lacks. Puts
 * it, and looks what follows from it.
 */
void attest_share_add(struct attestor *attestor, struct attest_block *block, uint32_t voter,
                      const struct attest_share_record *share);

/* --- attestor_share.c --- */

void attest_queues_init(struct attestor *attestor);
void attest_queues_deinit(struct attestor *attestor);
/* Our validator is to sign this block soon, if it is a member and has not. Where too many wait, the
 * oldest is left to those that are in no hurry. */
void attest_sign_soon(struct attestor *attestor, struct attest_block *block);
/* The same where nobody waits for it. */
void attest_sign_in_order(struct attestor *attestor, struct attest_block *block);
/* Is our share due, and not on its way? */
static inline bool attest_lacks_own(const struct attest_block *block)
{
    return block->own != VALIDATOR_NONE && !block->shares[block->own].is_whole &&
           !block->shares[block->own].is_waiting;
}

/* Room for a share of this voter? */
bool attest_has_room(struct attestor *attestor, const struct ingot_public_key *key, size_t bytes,
                     bool is_late);
/* Queues a share whose message is verified; takes it over. False: there was no room. */
bool attest_verify_later(struct attestor *attestor, struct attest_item *item);
/* The block is entered: what waited for it is queued. */
void attest_block_is_here(struct attestor *attestor, uint64_t height);
/* Signs and verifies a part of what waits. True: there is more. */
bool attest_work(struct attestor *attestor);

/* --- attestor_message.c --- */

void attest_reject_count(struct attestor *attestor, enum attest_reject reject);
struct attest_peer *attest_peer_at(struct attestor *attestor, uint32_t peer);
/* Sends our share, which has just been signed, to everybody. Signs the message. */
void attest_send_own(struct attestor *attestor, const struct attest_block *block,
                     struct ingot_slice signatures, struct ingot_signature *message);
/* Sends a stored share as the message that it came in; false: there is no room. */
bool attest_send_share(struct attestor *attestor, uint32_t peer, const struct attest_block *block,
                       uint32_t voter, const struct attest_share_record *share);
/* Asks for blocks: bit i for from_height + i; of these members, none: all. False: there is no room.
 */
bool attest_send_request(struct attestor *attestor, uint32_t peer, uint64_t from_height,
                         uint64_t heights, struct ingot_slice members);

/* --- attestor_own.c --- */

/* Moves on to the next block that our validator has not signed, and queues it. It takes away from
 * `heights` what it has looked at, and stops at 0. */
void attest_own_next(struct attestor *attestor, uint32_t *heights);
/* What may have been lost with an earlier connection is owed to it. */
void attest_own_connected(struct attestor *attestor, struct attest_peer *peer);
/* Our share of a block has just been made: sends it if it is new, else everybody is owed it. */
void attest_own_made(struct attestor *attestor, uint64_t height, struct ingot_slice frame);
/* Sends a part of what is owed. */
void attest_own_turn(struct attestor *attestor);
/* When a tick is wanted; UINT64_MAX: never. */
uint64_t attest_own_deadline(const struct attestor *attestor);

/* --- attestor_repair.c --- */

void attest_repair_open(struct attestor *attestor);
/* There is somebody new to be asked. */
void attest_repair_soon(struct attestor *attestor);
/* A block with statements is new. */
void attest_repair_entered(struct attestor *attestor, uint64_t height);
/* Asks, and answers who asks. */
void attest_repair_turn(struct attestor *attestor);
/* Was this height asked of this peer just now? */
bool attest_repair_has_asked(const struct attestor *attestor, uint32_t peer, uint64_t height);
enum attest_reject attest_repair_request(struct attestor *attestor, uint32_t peer,
                                         const struct broadcast_message *message);
/* Has it been entered so lately that its shares are still on their way? */
bool attest_is_young(const struct attestor *attestor, const struct attest_block *block);
/* When a tick is wanted; UINT64_MAX: never. */
uint64_t attest_repair_deadline(const struct attestor *attestor);

/* --- attestor_late.c --- */

/* The peer may have late shares that we lack: it is asked in a pass, or in another one. */
void attest_late_want(struct attestor *attestor, uint32_t peer);
void attest_late_want_all(struct attestor *attestor);
void attest_late_connected(struct attestor *attestor, uint32_t peer);
/* A share of another's that was new has been verified. */
void attest_late_came(struct attestor *attestor, const struct attest_block *block,
                      const struct attest_item *item);
/* Of the answer to us, one share of each part is passed on; others need not be. */
bool attest_late_holds_back(struct attestor *attestor, uint32_t peer, uint64_t height);
void attest_late_turn(struct attestor *attestor);
/* When a tick is wanted; UINT64_MAX: never. */
uint64_t attest_late_deadline(const struct attestor *attestor);

/* --- attestor_file.c --- */

INGOT_MUST_USE enum ingot_error attest_file_open(struct attestor *attestor, char *why,
                                                 size_t why_size);
/* The block has statements that are complete, and not done. */
void attest_file_ready(struct attestor *attestor, struct attest_block *block);
/* A statement is refused. */
void attest_file_refuse(struct attestor *attestor, struct attest_block *block, uint32_t index);
/* Makes durable what is ready, and reports it. True: there is more. */
bool attest_file_turn(struct attestor *attestor);

/* --- attestor_query.c --- */

/* The signatures of a block, ready to be written down. */
struct attest_view {
    const struct attest_block *block;
    const uint8_t *signatures[INGOT_VALIDATORS_MAX]; /* of each member, or NULL */
    bool is_whole[INGOT_VALIDATORS_MAX];
    struct attestation_signer signers[INGOT_VALIDATORS_MAX];
};

/* Borrows from the table until the next ledger_sync. */
INGOT_MUST_USE enum ingot_error attest_view_begin(struct attestor *attestor,
                                                  const struct attest_block *block,
                                                  struct attest_view *view);
/* Appends the attestation of a complete statement. */
void attest_view_write(const struct attestor *attestor, struct attest_view *view, uint32_t index,
                       struct ingot_buffer *json);

#endif
