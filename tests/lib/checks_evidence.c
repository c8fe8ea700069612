/*
 * Evidence. What a replica keeps is proven by its own bytes, names only who lies, and outlives it;
 * and who has been shown two votes of one view by a liar, both in the time in which they can be
 * compared, keeps evidence of it. See checks.h.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "lib/checks.h"

/* The votes of so many views are compared, half of them to come (docs/protocol.md, "Evidence"). */
#define VIEWS_EACH_WAY (INGOT_WITNESSED_VIEWS / 2)

/* The first vote of a liar's that a replica has heard in a view. */
struct checks_heard {
    struct ingot_hash block;
    enum phase phase;
    uint32_t life; /* of the replica: a restart forgets */
    bool is_kept;  /* evidence of this view is in its store */
};

/* Epochs and views of simulations are far below these bounds. */
static uint64_t key_of(uint32_t node, uint32_t liar, struct position position)
{
    return position.epoch << 56 | position.view << 8 | (uint64_t)node << 4 | liar;
}

static struct checks_heard *heard_at(struct checks *checks, uint64_t key)
{
    struct checks_heard *heard = table_find(&checks->heard, key);
    if (heard == NULL) {
        heard = alloc_zeroed(1, sizeof *heard);
        table_add(&checks->heard, key, heard);
    }
    return heard;
}

static bool signs(const struct checks *checks, const struct ingot_public_key *key,
                  const struct validator_set *set, const struct vote *vote)
{
    uint8_t preimage[WIRE_VOTE_PREIMAGE_BYTES];
    wire_vote_preimage(&checks->chain, &set->hash, vote->view, &vote->block, vote->phase, preimage);
    return checks->scheme->verify(key, ingot_slice_of(preimage, sizeof preimage), &vote->signature);
}

/* --- What is kept. --- */

static const char *judge(const struct checks *checks, const struct ingot_evidence *evidence)
{
    const struct validator_set *set = checks_set(checks, evidence->epoch);
    const struct ingot_evidence_vote *votes = evidence->votes;
    if (set == NULL || validator_set_find(set, &evidence->validator) == VALIDATOR_NONE) {
        return "a stranger in that epoch";
    }
    if (votes[0].phase == votes[1].phase &&
        memcmp(votes[0].block.bytes, votes[1].block.bytes, INGOT_HASH_BYTES) == 0) {
        return "two votes for the same";
    }
    for (uint32_t i = 0; i < 2; i++) {
        const struct vote vote = {.epoch = evidence->epoch,
                                  .view = evidence->view,
                                  .block = votes[i].block,
                                  .phase = (enum phase)votes[i].phase,
                                  .signature = votes[i].signature};
        if (!signs(checks, &evidence->validator, set, &vote)) {
            return "a signature that is none";
        }
    }
    const uint32_t accused = checks_node_of(checks, &evidence->validator);
    return accused == CHECKS_NOBODY || checks->nodes[accused].is_honest ? "an honest validator"
                                                                        : NULL;
}

/* Views of the far future have no place in a key, and nobody compares votes of them twice. */
static bool has_key(uint64_t view)
{
    return view < UINT64_C(1) << 40;
}

static void take(struct checks *checks, uint32_t node, const struct ingot_evidence *evidence)
{
    const char *why = judge(checks, evidence);
    if (why != NULL) {
        checks_fail(checks, CHECK_EVIDENCE,
                    "replica %u keeps evidence of view %" PRIu64 " of epoch %" PRIu64
                    " against %02x%02x: %s",
                    node, evidence->view, evidence->epoch, evidence->validator.bytes[0],
                    evidence->validator.bytes[1], why);
        return;
    }
    const uint32_t liar = checks_node_of(checks, &evidence->validator);
    checks->evidence_kept++;
    if (has_key(evidence->view)) {
        const struct position position = {evidence->epoch, evidence->view};
        heard_at(checks, key_of(node, liar, position))->is_kept = true;
    }
    struct checks_node *known = &checks->nodes[node];
    if (++known->evidence_against[liar] > INGOT_EVIDENCE_PER_VALIDATOR_MAX) {
        checks_fail(checks, CHECK_CAPS, "replica %u keeps evidence of %u views against replica %u",
                    node, known->evidence_against[liar], liar);
    }
}

void checks_evidence(struct checks *checks, uint32_t node, const struct ingot_evidence *evidence,
                     uint32_t count)
{
    struct checks_node *known = &checks->nodes[node];
    if (count < known->evidence_count) {
        checks_fail(checks, CHECK_EVIDENCE, "replica %u has lost evidence: %u of %u are left", node,
                    count, known->evidence_count);
        return;
    }
    while (known->evidence_count < count && checks->violated == CHECK_NONE) {
        take(checks, node, &evidence[known->evidence_count++]);
    }
    for (uint32_t i = 0; i < known->expected_count; i++) {
        const struct checks_expected *expected = &known->expected[i];
        const struct checks_heard *heard =
            table_find(&checks->heard, key_of(node, expected->liar, expected->position));
        if (!heard->is_kept &&
            known->evidence_against[expected->liar] < INGOT_EVIDENCE_PER_VALIDATOR_MAX) {
            checks_fail(checks, CHECK_EVIDENCE_KEPT,
                        "replica %u has heard two votes of replica %u in view %" PRIu64
                        " of epoch %" PRIu64 " and keeps no evidence",
                        node, expected->liar, expected->position.view, expected->position.epoch);
        }
    }
    known->expected_count = 0;
}

void checks_forget_heard(struct checks *checks, uint32_t node)
{
    checks->nodes[node].life++;
    checks->nodes[node].expected_count = 0;
}

/* --- What is heard. --- */

static bool is_near(uint64_t view, uint64_t current)
{
    return view > current ? view - current <= VIEWS_EACH_WAY : current - view < VIEWS_EACH_WAY;
}

/* The vote that comes with it, if all that comes with it is good; or NULL. */
static const struct vote *vote_in(struct checks *checks, const struct message *message)
{
    if (message->kind == MESSAGE_VOTE) {
        return &message->vote;
    }
    if (message->kind != MESSAGE_PROPOSE && message->kind != MESSAGE_COMPACT_PROPOSE) {
        return NULL;
    }
    const struct propose *propose = &message->propose;
    const struct block *block = propose->block;
    const struct checks_block *known = checks_find_block(checks, &block->hash);
    uint64_t claim = 0;
    const bool is_good =
        known != NULL && !known->is_forbidden &&
        memcmp(propose->vote.block.bytes, block->hash.bytes, INGOT_HASH_BYTES) == 0 &&
        memcmp(block->parent.bytes, block->justify->block.bytes, INGOT_HASH_BYTES) == 0 &&
        propose->vote.view == block->view && propose->vote.epoch == checks_epoch(block) &&
        (propose->tc == NULL ||
         (propose->tc->epoch == propose->vote.epoch && propose->tc->view < block->view &&
          checks_tc_is_sound(checks, propose->tc, &claim) &&
          checks_qc_is_real(checks, propose->tc->high_qc))) &&
        checks_position(block->justify).view < block->view &&
        checks_qc_is_real(checks, block->justify);
    return is_good ? &propose->vote : NULL;
}

void checks_hear(struct checks *checks, uint32_t node, const struct message *message,
                 const struct core *core)
{
    struct checks_node *known = &checks->nodes[node];
    const struct vote *vote = vote_in(checks, message);
    struct core_status status;
    core_get_status(core, &status);
    if (vote == NULL || vote->epoch != status.current.epoch ||
        !is_near(vote->view, status.current.view)) {
        return;
    }
    const uint32_t liar = checks_voter(checks, vote->epoch, vote->voter);
    const struct validator_set *set = checks_set(checks, vote->epoch);
    if (liar == CHECKS_NOBODY || checks->nodes[liar].is_honest || liar == node ||
        !signs(checks, &checks->keys->of[liar], set, vote)) {
        return;
    }
    const struct position position = {vote->epoch, vote->view};
    const bool is_of_use =
        core_wants_vote(core, position) &&
        (message->kind == MESSAGE_VOTE || checks_compare(position, status.current) >= 0);
    struct checks_heard *heard = heard_at(checks, key_of(node, liar, position));
    const bool is_first = heard->life != known->life + 1;
    if (is_first && is_of_use) {
        heard->life = known->life + 1;
        heard->block = vote->block;
        heard->phase = vote->phase;
    } else if (!is_first && (message->kind == MESSAGE_VOTE || is_of_use) &&
               (heard->phase != vote->phase ||
                memcmp(heard->block.bytes, vote->block.bytes, INGOT_HASH_BYTES) != 0) &&
               known->expected_count < CHECKS_EXPECTED_MAX) {
        known->expected[known->expected_count++] =
            (struct checks_expected){.liar = liar, .position = position};
        checks->equivocations_heard++;
    }
}
