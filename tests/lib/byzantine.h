/*
 * A member that lies. It runs a real replica, so it knows what an honest one knows, but what leaves
 * it is twisted: other blocks for other members, second votes, stale claims, old frames, forged
 * ones, mangled ones, or nothing.
 */
#ifndef INGOT_TESTS_BYZANTINE_H
#define INGOT_TESTS_BYZANTINE_H

#include "core/message.h"
#include "lib/checks.h"
#include "lib/prng.h"
#include "wire/preimage.h"

enum byzantine_habit {
    BYZANTINE_EQUIVOCATES = 1 << 0,   /* proposes two blocks in a view */
    BYZANTINE_VOTES_TWICE = 1 << 1,   /* votes for whatever it sees */
    BYZANTINE_WITHHOLDS = 1 << 2,     /* says nothing now and then */
    BYZANTINE_REPLAYS = 1 << 3,       /* old frames, its own and others' */
    BYZANTINE_CLAIMS_LITTLE = 1 << 4, /* gives up with the oldest QC that it has */
    BYZANTINE_BUILDS_LOW = 1 << 5,    /* proposes on an old QC */
    BYZANTINE_FORGES = 1 << 6,        /* certificates without a quorum, views of the far future */
    BYZANTINE_MANGLES = 1 << 7,       /* flips a byte */
    /* What only has a meaning where sets change or nodes catch up. */
    BYZANTINE_NUDGES_WRONGLY = 1 << 8, /* asks for another phase, or stands on an old QC */
    BYZANTINE_HIDES_COMMIT = 1 << 9,   /* shows a Commit QC to one node only */
    BYZANTINE_VOTES_AS_OLD = 1 << 10,  /* votes in a new epoch as a member of the one before */
    BYZANTINE_REVIVES = 1 << 11,       /* certificates and Timeouts of epochs that have ended */
    BYZANTINE_LIES_IN_SYNC = 1 << 12   /* wrong blocks, cut answers, invented heights, silence */
};
#define BYZANTINE_HABITS 8      /* of a set that does not change */
#define BYZANTINE_HABITS_ALL 13 /* of one that does */

#define BYZANTINE_MEMORY 64
#define BYZANTINE_OLD_FRAMES 16

struct byzantine {
    uint32_t habits; /* 0: honest */
    struct prng prng;
    struct wire_signer *signer;  /* borrowed */
    const struct checks *checks; /* which know every epoch's set; borrowed */
    struct block *genesis;       /* borrowed */
    struct qc *old_qc;           /* owned, or NULL: the genesis QC */
    uint64_t old_height;         /* of its block */
    bool has_empty;              /* it has seen a block without transactions, */
    struct ingot_hash empty;     /* and this is what executing one comes to */
    struct message *twin;        /* of the Propose that is on its way; owned */
    struct ingot_hash twin_of;   /* its block */
    struct message *seen[2];     /* proposals of one view, by whomever; owned */
    struct ingot_buffer memory[BYZANTINE_MEMORY];
    uint32_t memory_next;
    struct ingot_buffer old[BYZANTINE_OLD_FRAMES]; /* of all epochs */
    struct qc *phased;       /* an earlier Prepare or Precommit QC; owned, or NULL */
    struct ingot_hash shown; /* the block whose Commit QC it shows to one, */
    uint32_t shown_to;       /* this one */
};

/* Hands a frame over: `message` is what it says, NULL if it says nothing. */
typedef void byzantine_emit(void *context, uint32_t to, const struct message *message,
                            struct ingot_slice frame);

void byzantine_deinit(struct byzantine *byzantine);
/* It has received this. */
void byzantine_hear(struct byzantine *byzantine, struct ingot_slice frame);
/* Its replica wants to send this to one member. */
void byzantine_send(struct byzantine *byzantine, uint32_t to, struct message *message,
                    struct ingot_slice frame, byzantine_emit *emit, void *context);

#endif
