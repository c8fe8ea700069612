/*
 * Deliberate faults, one of which can be chosen when a test starts: each breaks one rule, and
 * tests/mutants shows which tests notice. In every other build MUTANT() is the constant false and
 * nothing of it is left.
 */
#ifndef INGOT_BASE_MUTANT_H
#define INGOT_BASE_MUTANT_H

#include <stdbool.h>

#ifdef INGOT_MUTANTS

/* What is wrong with each; tests/mutants/killers.txt has the rules and the tests. */
#define MUTANT_LIST(X)                                                                             \
    /* Of the core. */                                                                             \
    X(NO_DURABLE_VOTE, "a vote is not made durable")                                               \
    X(LOCK_LOWERED, "an old QC lowers the lock")                                                   \
    X(GAP_ALLOWED, "three certified blocks commit whatever their views")                           \
    X(SMALL_QUORUM, "the quorum is one too small")                                                 \
    X(DUPLICATE_SIGNER, "a vote that comes twice counts twice")                                    \
    X(TWO_VOTES, "a second vote in a view is allowed")                                             \
    X(TC_WITHOUT_HIGH_QC, "a TC carries any QC, and its leader builds on any")                     \
    X(VIEWS_ALONE, "positions are compared without their epochs")                                  \
    X(COMMIT_AT_OWN_VIEW, "a Commit QC stands at the view that it was formed in")                  \
    X(OLD_TC_MOVES, "a TC of an earlier epoch moves views of this one")                            \
    X(OLD_SET_VOTES, "the old set's votes count for the new one")                                  \
    X(COMMIT_WITHOUT_PRECOMMIT, "a Precommit QC of any view before leads to Commit")               \
    X(NO_PRECOMMIT_LOCK, "a Precommit QC takes no lock")                                           \
    X(CHILD_OF_UNCOMMITTED, "a set-changing block that is not committed gets a child")             \
    X(SET_RECORD_DROPPED, "the commit that opens an epoch does not store its set")                 \
    X(TAIL_QC_UNVERIFIED, "one certificate of what a peer sends is not verified")                  \
    /* Of the broadcast protocols; SMALL_QUORUM too. */                                            \
    X(VOTES_ADD_UP, "a member's vote counts as often as it comes")                                 \
    X(DIGEST_IGNORED, "votes for any payload count for this one")                                  \
    X(DELIVER_ON_PREPARES, "a quorum of PREPAREs delivers")                                        \
    X(ONE_COMMIT, "COMMIT on the COMMIT of anybody")                                               \
    X(TWO_PREPARES, "PREPARE for each payload that is shown")                                      \
    X(DELIVERED_TWICE, "a delivered round stays open")                                             \
    X(ANY_ORIGINATOR, "a PRE-PREPARE of somebody else is taken")                                   \
    X(QUOTA_OF_ALL, "the quota of rounds is one for all members together")                         \
    X(JUNK_EVICTS, "a new round takes the place of another that is in flight")                     \
    X(START_RESETS, "a second start begins the round again")                                       \
    X(NOT_SAID_AGAIN, "ticks repeat nothing")                                                      \
    X(ANSWERED_FOR_GOOD, "who has had an answer gets no other")                                    \
    X(MEMORY_TAKEN_FOR_GOOD, "who connects anew is taken to know what it knew")                    \
    X(VETO_ENDS_ROUND, "a veto keeps a member from following the others")                          \
    X(GOSSIP_GOES_BACK, "gossip is forwarded to where it came from too")                           \
    X(GOSSIP_SAID_ONCE, "own gossip is not said again")

#define MUTANT_ENUM(name, text) MUTANT_##name,
enum mutant { MUTANT_NONE, MUTANT_LIST(MUTANT_ENUM) MUTANT_COUNT };
#undef MUTANT_ENUM

/* Defined by the test: tests/mutants/chosen.c. */
extern enum mutant mutant_active;
/* For each mutant, whether its place in the code has run: MUTANT_COUNT bytes. */
extern unsigned char *mutant_reached;

static inline bool mutant_is(enum mutant mutant)
{
    mutant_reached[mutant] = 1;
    return mutant_active == mutant;
}

#define MUTANT(name) mutant_is(MUTANT_##name)
#else
#define MUTANT(name) false
#endif

#endif
