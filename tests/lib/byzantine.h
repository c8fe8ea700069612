/*
 * A member that lies. It runs a real replica, so it knows what an honest one knows, but what leaves
 * it is twisted: other blocks for other members, second votes, stale claims, old frames, forged
 * ones, mangled ones, or nothing. It also reads what the checkers know, so it knows more than any
 * real liar could; what it cannot do is sign for others on this chain.
 */
#ifndef INGOT_TESTS_BYZANTINE_H
#define INGOT_TESTS_BYZANTINE_H

#include "core/message.h"
#include "lib/checks.h"
#include "lib/prng.h"
#include "wire/preimage.h"

/*
 * What a liar does. Each habit counts how often it was really done. The forgeries stand together,
 * and so does at the end what has a meaning only where sets change.
 */
#define BYZANTINE_LIST(X)                                                                          \
    /* What it proposes. */                                                                        \
    X(EQUIVOCATES, "proposes two blocks of a view to different members")                           \
    X(BUILDS_LOW, "proposes on an old QC")                                                         \
    X(TAIL_FORKS, "proposes beside the block before")                                              \
    X(BUILDS_WRONGLY, "proposes a block with one wrong field")                                     \
    X(EXECUTES_WRONGLY, "proposes a block with a wrong updates hash")                              \
    X(REPEATS_TRANSACTIONS, "proposes an earlier block's transactions again")                      \
    X(WITHHOLDS_BLOCKS, "keeps its block from some, as sync server too")                           \
    X(NAMES_UNKNOWN, "names transactions that nobody holds")                                       \
    X(NAMES_WRONGLY, "names transactions that are not those of its block")                         \
    X(KEEPS_TRANSACTIONS, "names transactions that it keeps from who asks for them")               \
    X(ANSWERS_FALSELY, "gives other transactions than those it has named")                         \
    X(ASKS_ENDLESSLY, "asks for transactions of any block, again and again")                       \
    /* How it votes and gives up. */                                                               \
    X(VOTES_TWICE, "votes for two blocks in one view")                                             \
    X(VOTES_FOR_OTHERS, "votes in others' names")                                                  \
    X(VOTES_NOT_FOR_ONE, "never votes for one leader")                                             \
    X(FLOODS_VOTES, "votes for many choices in one view")                                          \
    X(GIVES_UP_EARLY, "gives up views that have not failed")                                       \
    X(GIVES_UP_FOR_OTHERS, "gives up in others' names")                                            \
    X(CLAIMS_LITTLE, "gives up with an old QC")                                                    \
    /* What it says to whom. */                                                                    \
    X(SILENT, "says nothing for a while")                                                          \
    X(WITHHOLDS, "says nothing now and then")                                                      \
    X(SHOWS_TO_ONE, "shows what it has to one alone")                                              \
    X(SHOWS_OLD, "shows old certificates as its highest")                                          \
    X(REPLAYS, "sends old frames again, its own and others'")                                      \
    X(MANGLES, "flips a bit of a frame")                                                           \
    X(CLAIMS_HEIGHT, "advertises a height that nobody has")                                        \
    X(LIES_IN_SYNC, "lies as a sync server: wrong, cut, invented or no blocks")                    \
    /* Certificates that it forges. */                                                             \
    X(QC_ONE_SIGNATURE, "QC: its own signature for every member's")                                \
    X(QC_SURPLUS_BIT, "QC: a signer too many")                                                     \
    X(QC_COUNT_MISMATCH, "QC: another number of signatures or members")                            \
    X(QC_BAD_SURPLUS, "QC: a bad signature beside the others")                                     \
    X(QC_MINORITY, "QC: less than a quorum")                                                       \
    X(QC_WRONG_VIEW, "QC: of another view")                                                        \
    X(QC_WRONG_BLOCK, "QC: of another block")                                                      \
    X(QC_WRONG_PHASE, "QC: of another phase")                                                      \
    X(QC_WRONG_EPOCH, "QC: of another set")                                                        \
    X(QC_WRONG_CHAIN, "QC: of another chain of the same members")                                  \
    X(QC_OTHER_MESSAGES, "QC: signatures that were made for Timeouts")                             \
    X(QC_BLOCK_VIEW, "QC: another view of the block")                                              \
    X(GENESIS_VIEW, "genesis QC of another view")                                                  \
    X(GENESIS_EXTRA, "genesis QC with something more")                                             \
    X(TC_ONE_SIGNATURE, "TC: its own signature for every member's")                                \
    X(TC_LOW_QC, "TC: a QC below the highest claim")                                               \
    X(TC_UNSIGNED_CLAIM, "TC: claims that nobody signed")                                          \
    X(TC_MINORITY, "TC: less than a quorum")                                                       \
    X(TC_BAD_SURPLUS, "TC: a bad signature beside the others")                                     \
    X(TC_WRONG_VIEW, "TC: of another view")                                                        \
    X(TC_OTHER_MESSAGES, "TC: signatures that were made for votes")                                \
    X(FUTURE_VOTE, "a vote of the far future")                                                     \
    X(FUTURE_TIMEOUT, "a Timeout of the far future")                                               \
    X(FUTURE_PROPOSAL, "a proposal of a view to come")                                             \
    X(FUTURE_CERTIFICATE, "a certificate of the far future")                                       \
    /* Where sets change. */                                                                       \
    X(NUDGES_WRONGLY, "nudges for another phase, or on an old QC")                                 \
    X(HIDES_COMMIT, "shows a Commit QC to one node only")                                          \
    X(VOTES_AS_OLD, "votes in a new epoch as a member of the one before")                          \
    X(REVIVES, "certificates and Timeouts of epochs that have ended")

#define BYZANTINE_ENUM(name, text) BYZANTINE_##name,
enum byzantine_habit { BYZANTINE_LIST(BYZANTINE_ENUM) BYZANTINE_HABITS };
#undef BYZANTINE_ENUM

/* A habit's bit in a liar's `habits`. */
#define BYZANTINE_BIT(habit) (UINT64_C(1) << (habit))
#define BYZANTINE_FORGERY_FIRST BYZANTINE_QC_ONE_SIGNATURE
#define BYZANTINE_FORGERY_LAST BYZANTINE_FUTURE_CERTIFICATE
#define BYZANTINE_CHANGES_FIRST BYZANTINE_NUDGES_WRONGLY

static_assert(BYZANTINE_HABITS < 64, "a bit for each habit");

#define BYZANTINE_MEMORY 64
#define BYZANTINE_OLD_FRAMES 16
#define BYZANTINE_CERTIFICATES 8

/* Signs as another node: for what its members sign on another chain. */
typedef struct wire_signer *byzantine_signer_of(void *context, uint32_t node);

struct byzantine {
    uint64_t habits; /* bits; 0: honest */
    uint64_t done[BYZANTINE_HABITS];
    struct prng prng;
    uint32_t index;             /* of its node */
    struct wire_signer *signer; /* borrowed */
    byzantine_signer_of *signer_of;
    void *signer_context;
    struct checks *checks; /* which know every epoch's set and every block; borrowed */
    struct block *genesis; /* borrowed */

    /* What it remembers. All of it is owned. */
    struct qc *old_qc;         /* or NULL: the genesis QC */
    uint64_t old_height;       /* of its block */
    bool has_empty;            /* it has seen a block without transactions, */
    struct ingot_hash empty;   /* and this is what executing one comes to */
    struct block *repeat;      /* one with transactions, or NULL */
    struct message *twin;      /* of the Propose that is on its way, or NULL */
    uint32_t twin_share;       /* so many members get it; parts of a million */
    struct ingot_hash twin_of; /* its block */
    uint32_t withheld_from;    /* nodes that do not get this block: bits */
    struct message *seen[2];   /* proposals of one view, by whomever */
    struct message *proposal;  /* its own last */
    struct message *request;   /* for transactions of that one, or NULL */
    uint32_t answers_left;
    struct qc *qcs[BYZANTINE_CERTIFICATES]; /* genuine ones, as they came */
    uint32_t qc_next;
    struct tc *tcs[BYZANTINE_CERTIFICATES];
    uint32_t tc_next;
    struct ingot_buffer memory[BYZANTINE_MEMORY];
    uint32_t memory_next;
    struct ingot_buffer old[BYZANTINE_OLD_FRAMES]; /* of all epochs */
    struct qc *phased;                             /* an earlier Prepare or Precommit QC, or NULL */

    struct ingot_hash shown; /* the block whose Commit QC it shows to one, */
    uint32_t shown_to;       /* this one */
    uint32_t quiet_sends;    /* for so many more messages it is silent */
    uint32_t only_sends;     /* for so many more messages it speaks */
    uint32_t only_to;        /* to this one alone */
    bool has_victim;
    uint32_t victim; /* the leader that it never votes for */
};

/* Hands a frame over: `message` is what it says, NULL if it says nothing. */
typedef void byzantine_emit(void *context, uint32_t to, const struct message *message,
                            struct ingot_slice frame);

const char *byzantine_text(enum byzantine_habit habit);
/* A few habits, now and then all; without those for sets that change unless there are such. */
uint64_t byzantine_draw(struct prng *prng, bool changes);

void byzantine_deinit(struct byzantine *byzantine);
/* It has received this. */
void byzantine_hear(struct byzantine *byzantine, struct ingot_slice frame);
/* Its replica wants to send this to one member. */
void byzantine_send(struct byzantine *byzantine, uint32_t to, struct message *message,
                    struct ingot_slice frame, byzantine_emit *emit, void *context);

#endif
