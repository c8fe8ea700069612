/*
 * Deliberate mistakes, for the tests that show that the simulator and the stories of tests/scenario
 * find them. In every other build MUTANT() is the constant false and nothing of it is left.
 */
#ifndef INGOT_BASE_MUTANT_H
#define INGOT_BASE_MUTANT_H

#include <stdbool.h>

#ifdef INGOT_MUTANTS

enum mutant {
    MUTANT_NONE,
    MUTANT_NO_DURABLE_VOTE,    /* a vote is not made durable */
    MUTANT_LOCK_LOWERED,       /* an old QC lowers the lock */
    MUTANT_GAP_ALLOWED,        /* three certified blocks commit whatever their views */
    MUTANT_SMALL_QUORUM,       /* the quorum is one too small */
    MUTANT_DUPLICATE_SIGNER,   /* a vote that comes twice counts twice */
    MUTANT_TWO_VOTES,          /* a second vote in a view is allowed */
    MUTANT_TC_WITHOUT_HIGH_QC, /* a TC carries any QC, and its leader builds on any */
    /* Of changes of the validator set. */
    MUTANT_VIEWS_ALONE,              /* positions are compared without their epochs */
    MUTANT_COMMIT_AT_OWN_VIEW,       /* a Commit QC stands at the view that it was formed in */
    MUTANT_OLD_TC_MOVES,             /* a TC of an earlier epoch moves views of this one */
    MUTANT_OLD_SET_VOTES,            /* the old set's votes count for the new one */
    MUTANT_COMMIT_WITHOUT_PRECOMMIT, /* a Precommit QC of any view before leads to Commit */
    MUTANT_NO_PRECOMMIT_LOCK,        /* a Precommit QC takes no lock */
    MUTANT_CHILD_OF_UNCOMMITTED,     /* a set-changing block that is not committed gets a child */
    MUTANT_SET_RECORD_DROPPED,       /* the commit that opens an epoch does not store its set */
    MUTANT_TAIL_QC_UNVERIFIED,       /* one certificate of what a peer sends is not verified */
    /* Of the broadcast protocols; SMALL_QUORUM too. */
    MUTANT_VOTES_ADD_UP,          /* a member's vote counts as often as it comes */
    MUTANT_DIGEST_IGNORED,        /* votes for any payload count for this one */
    MUTANT_DELIVER_ON_PREPARES,   /* a quorum of PREPAREs delivers */
    MUTANT_ONE_COMMIT,            /* COMMIT on the COMMIT of anybody */
    MUTANT_TWO_PREPARES,          /* PREPARE for each payload that is shown */
    MUTANT_DELIVERED_TWICE,       /* a delivered round stays open */
    MUTANT_ANY_ORIGINATOR,        /* a PRE-PREPARE of somebody else is taken */
    MUTANT_QUOTA_OF_ALL,          /* the quota of rounds is one for all members together */
    MUTANT_JUNK_EVICTS,           /* a new round takes the place of another that is in flight */
    MUTANT_START_RESETS,          /* a second start begins the round again */
    MUTANT_NOT_SAID_AGAIN,        /* ticks repeat nothing */
    MUTANT_ANSWERED_FOR_GOOD,     /* who has had an answer gets no other */
    MUTANT_MEMORY_TAKEN_FOR_GOOD, /* who connects anew is taken to know what it knew */
    MUTANT_VETO_ENDS_ROUND,       /* a veto keeps a member from following the others */
    MUTANT_GOSSIP_GOES_BACK,      /* gossip is forwarded to where it came from too */
    MUTANT_GOSSIP_SAID_ONCE       /* own gossip is not said again */
};

/* Defined by the test. */
extern enum mutant mutant_active;

#define MUTANT(name) (mutant_active == MUTANT_##name)
#else
#define MUTANT(name) false
#endif

#endif
