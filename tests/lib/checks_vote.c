/*
 * The vote rule, derived again from nothing but the blocks that were proposed, the nudges that were
 * sent and the votes. Knows no lock of the core's: a replica that has voted on a certificate holds
 * at least the lock that the certificate gives, so that is the lock that its later votes are
 * measured by.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "lib/checks.h"

struct checks_vote {
    struct ingot_hash block;
    enum phase phase;
    bool is_judged; /* a leader's own, which was found on its disk alone, waits for its nudge */
};

/* Epochs and views of simulations are far below these bounds. */
static uint64_t key_of(uint32_t node, struct position position)
{
    return position.epoch << 56 | position.view << 8 | node;
}

static bool is_same(const struct ingot_hash *a, const struct ingot_hash *b)
{
    return memcmp(a->bytes, b->bytes, INGOT_HASH_BYTES) == 0;
}

/* The record of a vote that is still to be judged, or NULL. */
static struct checks_vote *record(struct checks *checks, uint32_t node, const struct vote *vote)
{
    const uint64_t key = key_of(node, (struct position){vote->epoch, vote->view});
    struct checks_vote *known = table_find(&checks->votes, key);
    if (known == NULL) {
        known = alloc_zeroed(1, sizeof *known);
        known->block = vote->block;
        known->phase = vote->phase;
        table_add(&checks->votes, key, known);
        return known;
    }
    if (!is_same(&known->block, &vote->block) || known->phase != vote->phase) {
        checks_fail(checks, CHECK_ONE_VOTE,
                    "replica %u voted twice in view %" PRIu64
                    ": for %02x%02x in phase %d and %02x%02x in phase %d",
                    node, vote->view, known->block.bytes[0], known->block.bytes[1],
                    (int)known->phase, vote->block.bytes[0], vote->block.bytes[1],
                    (int)vote->phase);
        return NULL;
    }
    return known->is_judged ? NULL : known;
}

/* --- What asks for votes. --- */

void checks_add_nudge(struct checks *checks, struct position position, struct qc *justify,
                      struct tc *tc, const struct ingot_public_key *leader)
{
    const uint64_t key = key_of(0, position);
    struct checks_nudge *first = table_find(&checks->nudges, key);
    const struct ingot_hash *digest = wire_qc_digest(justify);
    struct checks_nudge *known = first;
    while (known != NULL &&
           (!is_same(&known->digest, digest) || memcmp(&known->leader, leader, 32) != 0)) {
        known = known->next;
    }
    if (known == NULL) {
        if (!checks_qc_is_sound(checks, justify)) {
            return;
        }
        known = alloc_zeroed(1, sizeof *known);
        known->justify = qc_ref(justify);
        known->digest = *digest;
        known->leader = *leader;
        if (first == NULL) {
            table_add(&checks->nudges, key, known);
        } else {
            known->next = first->next;
            first->next = known;
        }
    }
    checks_note_entry(checks, position, tc, &known->entry);
}

void checks_free_nudges(struct checks *checks)
{
    for (uint32_t i = 0; i < checks->nudges.capacity; i++) {
        struct checks_nudge *nudge = checks->nudges.slots[i].value;
        while (nudge != NULL) {
            struct checks_nudge *next = nudge->next;
            qc_unref(nudge->justify);
            free(nudge);
            nudge = next;
        }
    }
    table_deinit(&checks->nudges);
}

static bool entry_is_proven(struct position position, const struct qc *justify,
                            const struct checks_entry *entry)
{
    const struct position shown = checks_position(justify);
    if (shown.epoch != position.epoch) {
        return false;
    }
    if (shown.view + 1 == position.view) {
        return true;
    }
    return entry->has_tc && shown.view >= entry->tc_claim && shown.view < position.view;
}

/* --- A vote for a block. --- */

static const char *judge_sets(const struct checks *checks, const struct block *block,
                              const struct block *parent)
{
    const struct validator_set *set = checks_set(checks, checks_epoch(block));
    if (!is_same(&block->validators_hash, &set->hash)) {
        return "it names another set than that of its epoch";
    }
    if (!is_same(&block->validators_hash, &parent->next_validators_hash)) {
        return "it does not belong to the set that its parent leaves behind";
    }
    if (block_changes_set(parent) != (block->justify->phase == PHASE_COMMIT)) {
        return "its justify is not of the phase that its parent asks for";
    }
    struct validator_set *next = checks_next_set(checks, block);
    const bool is_right = is_same(&block->next_validators_hash, &next->hash);
    validator_set_unref(next);
    return is_right ? NULL : "it says another next set than its transactions make";
}

static const char *judge_block(struct checks *checks, struct checks_block *known, enum phase phase)
{
    const struct block *block = known->block;
    const struct checks_block *parent = checks_find_block(checks, &block->parent);
    const struct position position = {checks_epoch(block), block->view};
    if (known->is_forbidden) {
        return "its leader made it wrong on purpose";
    }
    if (parent == NULL) {
        return "its parent was never proposed";
    }
    if (!is_same(&block->parent, &block->justify->block)) {
        return "its justify is not for its parent";
    }
    if (block->height != parent->block->height + 1) {
        return "its height does not follow";
    }
    if (block->time_ms < parent->block->time_ms) {
        return "its time is before its parent's";
    }
    if (checks_node_of(checks, &block->proposer) != checks_leader_at(checks, position)) {
        return "its proposer does not lead the view";
    }
    if (!entry_is_proven(position, block->justify, &known->entry)) {
        return "nothing proves that its view was entered";
    }
    if (phase != (block_changes_set(block) ? PHASE_PREPARE : PHASE_GENERIC)) {
        return "in another phase than a new block asks for";
    }
    known->has_sound_justify =
        known->has_sound_justify || checks_qc_is_sound(checks, block->justify);
    return known->has_sound_justify ? judge_sets(checks, block, parent->block)
                                    : "its justify is not signed by a quorum of its set";
}

/* --- A vote on a nudge. --- */

static enum phase phase_asked_for(const struct qc *justify, uint64_t view)
{
    if (justify->view + 1 != view) {
        return PHASE_PREPARE;
    }
    return justify->phase == PHASE_PREPARE ? PHASE_PRECOMMIT : PHASE_COMMIT;
}

/* The highest certificate on which the leader of the view may have asked for this, or NULL. */
static struct qc *find_nudge(const struct checks *checks, const struct vote *vote)
{
    const struct position position = {vote->epoch, vote->view};
    const uint32_t leader = checks_leader_at(checks, position);
    struct qc *highest = NULL;
    for (const struct checks_nudge *nudge = table_find(&checks->nudges, key_of(0, position));
         nudge != NULL; nudge = nudge->next) {
        struct qc *justify = nudge->justify;
        const bool is_asked =
            is_same(&justify->block, &vote->block) && justify->epoch == vote->epoch &&
            (justify->phase == PHASE_PREPARE || justify->phase == PHASE_PRECOMMIT) &&
            phase_asked_for(justify, vote->view) == vote->phase &&
            checks_node_of(checks, &nudge->leader) == leader &&
            entry_is_proven(position, justify, &nudge->entry);
        if (is_asked && (highest == NULL || justify->view > highest->view)) {
            highest = justify;
        }
    }
    return highest;
}

/* --- Both. --- */

/* Votes that reach the network for the first time, in the order in which they do. */
static void judge_order(struct checks *checks, uint32_t node, struct position position)
{
    struct checks_node *voter = &checks->nodes[node];
    if (checks_compare(position, voter->voted) <= 0) {
        checks_fail(checks, CHECK_VOTE_RULE,
                    "replica %u voted in view %" PRIu64 " after it had voted in view %" PRIu64,
                    node, position.view, voter->voted.view);
    }
    if (checks_compare(position, voter->timed_out) <= 0) {
        checks_fail(checks, CHECK_VOTE_RULE,
                    "replica %u voted in view %" PRIu64 " after it had given up view %" PRIu64,
                    node, position.view, voter->timed_out.view);
    }
    voter->voted = position;
}

struct position checks_lock_of(const struct checks *checks, const struct qc *qc)
{
    const struct checks_block *certified = checks_find_block(checks, &qc->block);
    switch (qc->phase) {
    case PHASE_GENERIC:
    case PHASE_PREPARE:
        if (certified == NULL || certified->block->justify == NULL) {
            return (struct position){0};
        }
        return checks_position(certified->block->justify);
    case PHASE_PRECOMMIT:
        return (struct position){qc->epoch, qc->view - 1};
    case PHASE_COMMIT:
        break;
    }
    return checks_position(qc);
}

static void judge_lock(struct checks *checks, uint32_t node, struct position position,
                       const struct qc *justify)
{
    struct checks_node *voter = &checks->nodes[node];
    const struct position shown = checks_position(justify);
    /* One that was found late says nothing of the lock that later votes have raised. */
    if (checks_compare(position, voter->lock_floor_from) > 0 &&
        checks_compare(shown, voter->lock_floor) < 0) {
        checks_fail(checks, CHECK_VOTE_RULE,
                    "replica %u voted in view %" PRIu64 " on a QC of view %" PRIu64
                    ", below its lock of view %" PRIu64,
                    node, position.view, shown.view, voter->lock_floor.view);
    }
    const struct position lock = checks_lock_of(checks, justify);
    if (checks_compare(lock, voter->lock_floor) > 0) {
        voter->lock_floor = lock;
        voter->lock_floor_from = position;
    }
}

/* What the vote stands on; NULL, and why it must not be. */
static struct qc *judge(struct checks *checks, uint32_t node, const struct vote *vote,
                        struct checks_block *known, enum checks_source source, const char **why)
{
    if (known->block->view == vote->view) {
        *why = judge_block(checks, known, vote->phase);
        return *why == NULL ? known->block->justify : NULL;
    }
    struct qc *justify = find_nudge(checks, vote);
    *why = justify == NULL ? "nothing asked for it in this phase" : NULL;
    if (justify != NULL && source != CHECKS_IN_CERTIFICATE &&
        checks->nodes[node].committed_height >= known->block->height) {
        *why = "it has committed that block already";
        return NULL;
    }
    return justify;
}

void checks_vote(struct checks *checks, uint32_t node, const struct vote *vote,
                 enum checks_source source)
{
    if (checks->violated != CHECK_NONE) {
        return;
    }
    const struct position position = {vote->epoch, vote->view};
    if (!checks_is_member(checks, vote->epoch, node)) {
        checks_fail(checks, CHECK_MEMBERS,
                    "replica %u voted in view %" PRIu64 " of epoch %" PRIu64
                    ", where it is no member",
                    node, vote->view, vote->epoch);
        return;
    }
    struct checks_block *known = checks_find_block(checks, &vote->block);
    if (known == NULL || known->block->justify == NULL || known->block->view > vote->view ||
        checks_epoch(known->block) != vote->epoch) {
        checks_fail(checks, CHECK_VOTE_RULE,
                    "replica %u voted in view %" PRIu64 " for what was not proposed in it", node,
                    vote->view);
        return;
    }
    struct checks_vote *recorded = record(checks, node, vote);
    if (recorded == NULL) {
        return;
    }
    const char *why = NULL;
    const struct qc *justify = judge(checks, node, vote, known, source, &why);
    if (justify == NULL && source != CHECKS_SENT && known->block->view != vote->view &&
        checks_leader_at(checks, position) == node) {
        return;
    }
    recorded->is_judged = true;
    if (justify == NULL) {
        checks_fail(checks, CHECK_VOTE_RULE,
                    "replica %u voted in view %" PRIu64 " for a block of view %" PRIu64 ", but %s",
                    node, vote->view, known->block->view, why);
        return;
    }
    if (source == CHECKS_SENT) {
        judge_order(checks, node, position);
    }
    judge_lock(checks, node, position, justify);
}
