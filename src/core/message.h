/*
 * What travels between validators, decoded. A message is immutable once shared and counted by
 * reference. It owns a reference to everything it points to.
 */
#ifndef INGOT_CORE_MESSAGE_H
#define INGOT_CORE_MESSAGE_H

#include <assert.h>
#include <stddef.h>

#include "core/types.h"

enum message_kind {
    MESSAGE_PROPOSE,
    MESSAGE_VOTE,
    MESSAGE_TIMEOUT,
    MESSAGE_CERTIFICATE,
    MESSAGE_ADVERTISE,
    MESSAGE_SYNC_REQUEST,
    MESSAGE_SYNC_RESPONSE,
    MESSAGE_TRANSACTIONS,
    MESSAGE_NUDGE,
    MESSAGE_COMPACT_PROPOSE,
    MESSAGE_TRANSACTIONS_REQUEST,
    MESSAGE_TRANSACTIONS_RESPONSE
};
#define MESSAGE_KIND_COUNT 12

/* A block with its proposer's own vote, which authenticates it; tc when the view was entered by
 * one. */
struct propose {
    struct block *block;
    struct vote vote;
    struct tc *tc; /* or NULL */
};

/*
 * Moves a set-changing block to its next phase, or prepares it again: the leader of `view` shows
 * the Prepare or Precommit QC it stands on, and asks for votes for the phase that its own vote
 * names. tc when the view was entered by one.
 */
struct nudge {
    uint64_t epoch; /* of the block, and so of the set that votes */
    uint64_t view;
    struct qc *justify; /* phase Prepare or Precommit */
    struct vote vote;   /* the leader's own, for justify's block in `view` */
    struct tc *tc;      /* or NULL */
};

/* "I give up on this view": with the highest QC known and the proof that the view was entered. */
struct timeout {
    uint64_t epoch;
    uint64_t view;
    uint32_t voter;                   /* index in the epoch's set */
    struct qc *high_qc;               /* its position's view is the signed claim */
    struct tc *tc;                    /* or NULL when high_qc itself proves the entry */
    struct ingot_signature signature; /* zero while it is not signed */
};

/* Exactly one of the two. */
struct certificate {
    struct qc *qc;
    struct tc *tc;
};

struct advertise {
    uint64_t committed_height;
    struct qc *high_qc;
};

/*
 * Asks for blocks above a block that the asker has, oldest first, up to the target where one is
 * named, else up to the highest certified block of the one asked.
 */
struct sync_request {
    uint64_t committed_height; /* of the asker */
    uint64_t base_height;      /* the highest block the asker has on the way to the target */
    struct ingot_hash base;    /* where the asked one does not have it: from committed_height + 1;
                                  zero: committed blocks from base_height + 1, whatever they are */
    struct ingot_hash target;  /* zero: none named */
    uint32_t blocks_max;
    uint32_t bytes_max;
};

/*
 * Consecutive blocks, oldest first; `tail_qc`, if there, certifies the last of them. Without it the
 * last one is of use only if it is the target: a block by itself bears no signature.
 */
struct sync_response {
    uint64_t committed_height; /* of the one that answers: a hint, never trusted */
    uint64_t lowest_height;    /* from which on it has every block up to there: a hint too */
    uint32_t block_count;
    struct block **blocks; /* owned array of owned references */
    struct qc *tail_qc;    /* or NULL */
};

/*
 * Packed like a block's payload. The sender has seen none of them committed up to its height; what
 * comes from far below is not taken, since nobody can tell any more whether it is new.
 */
struct transactions {
    uint32_t count;
    uint64_t committed_height; /* of the sender */
    struct ingot_buffer packed;
};

/*
 * A Propose in which transactions are named by their digests. Its block has the digests of all
 * transactions, and no payload before whoever received it has put that together.
 */
struct compact_propose {
    struct propose propose;     /* first: `message.propose` is this one too */
    struct ingot_buffer named;  /* a bit for each transaction: it is named */
    struct ingot_buffer packed; /* the others, like a block's payload */
};

/* Asks a block's proposer for the bytes of transactions: a bit for each, up to the last wanted. */
struct transactions_request {
    struct ingot_hash block;
    struct ingot_buffer wanted;
};

struct transactions_response {
    struct ingot_hash block;
    struct ingot_buffer wanted; /* as asked */
    struct ingot_buffer packed; /* these, in order, like a block's payload */
};

struct message {
    uint32_t references;
    enum message_kind kind;
    union {
        struct propose propose;
        struct vote vote;
        struct timeout timeout;
        struct certificate certificate;
        struct advertise advertise;
        struct sync_request sync_request;
        struct sync_response sync_response;
        struct transactions transactions;
        struct nudge nudge;
        struct compact_propose compact;
        struct transactions_request transactions_request;
        struct transactions_response transactions_response;
    };
};

static_assert(offsetof(struct compact_propose, propose) == 0,
              "what reads a Propose reads a compact one");

/* All fields zero; fill them, moving references in. */
struct message *message_new(enum message_kind kind);
struct message *message_ref(struct message *message);
void message_unref(struct message *message);
/* A static name such as "propose". */
const char *message_kind_text(enum message_kind kind);

#endif
