/*
 * A cluster in which four validators are replaced by four others, for stories about what may
 * happen meanwhile. Nodes 0 to 3 are the old set, 4 to 7 the new one; none is in both.
 *
 * The set-changing block is noted when it is first sent, and from then on the story's own rule
 * decides what is lost on the way. Failures end the cmocka test that runs.
 */
#ifndef INGOT_TESTS_SWAP_H
#define INGOT_TESTS_SWAP_H

#include "lib/cluster.h"

#define SWAP_OLD 4
#define SWAP_ALL 8

struct swap;

/* Drops a message on its way (true). */
typedef bool swap_rule(struct swap *swap, uint32_t from, uint32_t to,
                       const struct message *message);

struct swap {
    struct cluster *cluster;
    struct block *change; /* the last one of epoch 0 that was proposed; owned, or NULL */
    swap_rule *rule;      /* asked once there is such a block; or NULL */
    void *story;
};

/* Four validators and four observers, an empty block each 20 ms, tenures of `leader_tenure`. */
struct cluster_options swap_options(uint32_t leader_tenure);
/* Starts all eight, and lets the old set commit a little. */
void swap_init(struct swap *swap, const struct cluster_options *options);
void swap_deinit(struct swap *swap);

/* Asks for the other set, through a node; `back`: for the old one again. */
void swap_submit(struct swap *swap, uint32_t node, bool back);

void swap_run_ms(struct swap *swap, uint64_t duration_ms);
/* Fails the test, and says what was awaited, when it does not come true in time. */
void swap_await(struct swap *swap, uint64_t limit_ms, cluster_condition *condition, void *context,
                const char *awaited);
/* All of the epoch's members that are up are in it, and have committed one of its blocks. */
void swap_await_epoch(struct swap *swap, uint64_t epoch, uint64_t limit_ms);
/* All that are up have committed this height. */
void swap_await_height(struct swap *swap, uint64_t height, uint64_t limit_ms);

bool swap_is_old(uint32_t node);
/* The height of the last block that is committed anywhere. */
uint64_t swap_height(const struct swap *swap);
struct position swap_current(struct swap *swap, uint32_t node);
/* Where a Propose, Nudge, Vote, Timeout or Certificate belongs; all others: (0, 0). */
struct position swap_position(const struct message *message);
/* The QC that a message shows, the one inside a TC too; NULL: none. Borrowed. */
struct qc *swap_shown(const struct message *message);
/* A vote in this phase: alone, or the leader's own. */
bool swap_is_vote(const struct message *message, enum phase phase);

#endif
