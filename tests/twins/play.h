/*
 * Plays one scenario: five cores, their Apps, disks, clocks and network, in one thread and without
 * a byte of real input or output.
 *
 * In a view only instances on the same side of its split exchange messages, of whatever kind:
 * proposals, nudges, votes, Timeouts, certificates, advertisements, blocks that one asks of
 * another. Whether two of them can talk is decided by the split of the later of the two views that
 * they are in when something is sent: a split is a state of the network at a time, the same in both
 * directions, and views are the only clock there is. So an instance that is behind talks with one
 * that is ahead as the later split has it, and a certificate is shown to those who share the view
 * that it leads to. As soon as one instance is beyond the last view, the network is whole.
 *
 * Timers fire only when nothing more can be delivered (but see scenario.has_hasty_timers). Where no
 * side of a split has a quorum, no protocol would ever leave the view: once every instance has
 * said its Timeout twice and nobody has moved, the split is lifted until somebody moves.
 */
#ifndef INGOT_TESTS_TWINS_PLAY_H
#define INGOT_TESTS_TWINS_PLAY_H

#include <stdio.h>

#include "twins/judge.h"
#include "twins/scenario.h"

/* What scenarios came to, together. */
struct tally {
    uint64_t plays;
    uint64_t deliveries;
    uint64_t views;            /* the highest that was reached, added up */
    uint64_t blocks_committed; /* of the longest chain */
    uint64_t both_proposed;    /* plays in which both twins proposed in one view */
    uint64_t commits_early;    /* in which something was committed within the scripted views */
    uint64_t lifted;           /* in which no side had a quorum, and Timeouts had to reach all */
    uint64_t accused;          /* in which evidence against the twins was found */
    uint64_t fetched;          /* in which blocks had to be fetched */
    uint64_t set_changes;      /* in which the set changed */
    uint64_t prepared_again;   /* in which a change was cut off between its phases */
    uint64_t restarts;
    uint64_t timeouts;          /* views that somebody gave up on */
    uint32_t heal_views_max[2]; /* beyond the scenario's, until all had committed one more; with
                                   tenures of one view, and longer ones */
};

struct player;

/* With forks_only nothing is a violation but that two have committed different blocks. */
struct player *player_new(bool forks_only);
void player_free(struct player *player);
/* Adds to the tally. False: a rule was violated; see player_judge. `trace` may be NULL. */
bool player_play(struct player *player, const struct scenario *scenario, FILE *trace,
                 struct tally *tally);
/* Of the last play; borrowed. */
const struct judge *player_judge(const struct player *player);

#endif
