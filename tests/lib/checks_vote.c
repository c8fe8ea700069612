/*
 * The vote rule, derived again from nothing but the blocks that were proposed and the votes that
 * were sent. Knows no lock of the core's: a replica that has voted for a block holds at least the
 * lock that the block's justify gives, so that is the lock that its later votes are measured by.
 */
#include <inttypes.h>
#include <string.h>

#include "base/alloc.h"
#include "lib/checks.h"

struct checks_vote {
    struct ingot_hash block;
    enum phase phase;
};

/* Epochs and views of simulations are far below these bounds. */
static uint64_t key_of(uint32_t node, struct position position)
{
    return position.epoch << 56 | position.view << 8 | node;
}

/* True if the vote is new. */
static bool record(struct checks *checks, uint32_t node, const struct vote *vote)
{
    const uint64_t key = key_of(node, vote_position(vote));
    const struct checks_vote *known = table_find(&checks->votes, key);
    if (known == NULL) {
        struct checks_vote *added = alloc_zeroed(1, sizeof *added);
        added->block = vote->block;
        added->phase = vote->phase;
        table_add(&checks->votes, key, added);
        return true;
    }
    if (memcmp(known->block.bytes, vote->block.bytes, INGOT_HASH_BYTES) != 0 ||
        known->phase != vote->phase) {
        checks_fail(checks, CHECK_ONE_VOTE,
                    "replica %u voted twice in view %" PRIu64 ": for %02x%02x and %02x%02x", node,
                    vote->view, known->block.bytes[0], known->block.bytes[1], vote->block.bytes[0],
                    vote->block.bytes[1]);
    }
    return false;
}

static bool entry_is_proven(const struct checks *checks, const struct checks_block *known)
{
    const uint64_t view = known->block->view;
    const uint64_t justify = qc_position(known->block->justify).view;
    if (justify + 1 == view) {
        return true;
    }
    const uint64_t tenure = checks->leader_tenure;
    return known->has_tc && justify >= known->tc_claim && justify < view &&
           (known->tc_view + tenure - 1) / tenure * tenure + 1 == view;
}

static const char *judge_block(const struct checks *checks, const struct checks_block *known)
{
    const struct block *block = known->block;
    const struct checks_block *parent = checks_find_block(checks, &block->parent);
    if (parent == NULL) {
        return "its parent was never proposed";
    }
    if (memcmp(block->parent.bytes, block->justify->block.bytes, INGOT_HASH_BYTES) != 0) {
        return "its justify is not for its parent";
    }
    if (block->height != parent->block->height + 1) {
        return "its height does not follow";
    }
    if (block->time_ms < parent->block->time_ms) {
        return "its time is before its parent's";
    }
    const struct ingot_validator *leader =
        &checks->set->validators[checks_leader(checks, block->view)];
    if (memcmp(block->proposer.bytes, leader->key.bytes, INGOT_PUBLIC_KEY_BYTES) != 0) {
        return "its proposer does not lead the view";
    }
    if (!entry_is_proven(checks, known)) {
        return "nothing proves that its view was entered";
    }
    return NULL;
}

/* Votes that reach the network for the first time, in the order in which they do. */
static void judge_order(struct checks *checks, uint32_t node, struct position position)
{
    struct checks_node *voter = &checks->nodes[node];
    if (position_compare(position, voter->voted) <= 0) {
        checks_fail(checks, CHECK_VOTE_RULE,
                    "replica %u voted in view %" PRIu64 " after it had voted in view %" PRIu64,
                    node, position.view, voter->voted.view);
    }
    if (position_compare(position, voter->timed_out) <= 0) {
        checks_fail(checks, CHECK_VOTE_RULE,
                    "replica %u voted in view %" PRIu64 " after it had given up view %" PRIu64,
                    node, position.view, voter->timed_out.view);
    }
    voter->voted = position;
}

static void judge_lock(struct checks *checks, uint32_t node, struct position position,
                       const struct block *block)
{
    struct checks_node *voter = &checks->nodes[node];
    /* One that was found late says nothing of the lock that later votes have raised. */
    if (position_compare(position, voter->lock_floor_from) > 0 &&
        position_compare(qc_position(block->justify), voter->lock_floor) < 0) {
        checks_fail(checks, CHECK_VOTE_RULE,
                    "replica %u voted in view %" PRIu64 " on a QC of view %" PRIu64
                    ", below its lock of view %" PRIu64,
                    node, position.view, qc_position(block->justify).view, voter->lock_floor.view);
    }
    const struct checks_block *parent = checks_find_block(checks, &block->parent);
    if (parent->block->justify != NULL &&
        position_compare(qc_position(parent->block->justify), voter->lock_floor) > 0) {
        voter->lock_floor = qc_position(parent->block->justify);
        voter->lock_floor_from = position;
    }
}

void checks_vote(struct checks *checks, uint32_t node, const struct vote *vote, bool is_own_hand)
{
    if (checks->violated != CHECK_NONE) {
        return;
    }
    const struct checks_block *known = checks_find_block(checks, &vote->block);
    if (known == NULL || known->block->view != vote->view || known->block->justify == NULL) {
        checks_fail(checks, CHECK_VOTE_RULE,
                    "replica %u voted in view %" PRIu64 " for what was not proposed in it", node,
                    vote->view);
        return;
    }
    if (!record(checks, node, vote)) {
        return;
    }
    const char *why = judge_block(checks, known);
    if (why != NULL) {
        checks_fail(checks, CHECK_VOTE_RULE,
                    "replica %u voted for a block of view %" PRIu64 ", but %s", node, vote->view,
                    why);
        return;
    }
    if (is_own_hand) {
        judge_order(checks, node, vote_position(vote));
    }
    judge_lock(checks, node, vote_position(vote), known->block);
}
