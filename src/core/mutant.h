/*
 * Deliberate mistakes, for the test that shows that the simulator finds them. In every other build
 * MUTANT() is the constant false and nothing of it is left.
 */
#ifndef INGOT_CORE_MUTANT_H
#define INGOT_CORE_MUTANT_H

#include <stdbool.h>

#ifdef INGOT_MUTANTS

enum mutant {
    MUTANT_NONE,
    MUTANT_NO_DURABLE_VOTE,   /* a vote is not made durable */
    MUTANT_LOCK_LOWERED,      /* an old QC lowers the lock */
    MUTANT_GAP_ALLOWED,       /* three certified blocks commit whatever their views */
    MUTANT_SMALL_QUORUM,      /* the quorum is one too small */
    MUTANT_DUPLICATE_SIGNER,  /* a vote that comes twice counts twice */
    MUTANT_TWO_VOTES,         /* a second vote in a view is allowed */
    MUTANT_TC_WITHOUT_HIGH_QC /* a TC carries any QC, and its leader builds on any */
};

/* Defined by the test. */
extern enum mutant mutant_active;

#define MUTANT(name) (mutant_active == MUTANT_##name)
#else
#define MUTANT(name) false
#endif

#endif
