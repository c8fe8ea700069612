/*
 * How a liar behaves where sets change, and towards those that catch up.
 */
#include <string.h>

#include "base/alloc.h"
#include "lib/byzantine_state.h"

static void revive(struct byzantine *byzantine, const struct outlet *outlet)
{
    const struct ingot_buffer *old =
        &byzantine->old[prng_below(&byzantine->prng, BYZANTINE_OLD_FRAMES)];
    if (old->size > 0) {
        outlet->emit(outlet->context, outlet->to, NULL, ingot_buffer_slice(old));
        byzantine_mark(byzantine, BYZANTINE_REVIVES);
    }
}

/* Another phase of the same block, or the same on a certificate that is not the last. */
static void nudge_wrongly(struct byzantine *byzantine, const struct outlet *outlet,
                          const struct nudge *nudge)
{
    struct message *message = message_new(MESSAGE_NUDGE);
    message->nudge = *nudge;
    const bool is_stale = byzantine->phased != NULL && prng_chance(&byzantine->prng, MILLION / 2);
    message->nudge.justify = qc_ref(is_stale ? byzantine->phased : nudge->justify);
    message->nudge.tc = nudge->tc == NULL ? NULL : tc_ref(nudge->tc);
    message->nudge.vote.block = message->nudge.justify->block;
    if (!is_stale || prng_chance(&byzantine->prng, MILLION / 2)) {
        message->nudge.vote.phase = (enum phase)prng_between(&byzantine->prng, 1, 3);
    }
    if (byzantine_sign_vote(byzantine, &message->nudge.vote)) {
        byzantine_say(message, outlet);
        byzantine_mark(byzantine, BYZANTINE_NUDGES_WRONGLY);
    }
    message_unref(message);
}

/* The same choice, by a member of the set before: under its own epoch, and under the new one. */
static void vote_as_old(struct byzantine *byzantine, const struct outlet *outlet,
                        const struct vote *vote)
{
    if (vote->epoch == 0) {
        return;
    }
    struct message *message = message_new(MESSAGE_VOTE);
    message->vote = *vote;
    message->vote.epoch = vote->epoch - 1;
    if (byzantine_sign_vote(byzantine, &message->vote)) {
        byzantine_say(message, outlet);
        message->vote.epoch = vote->epoch;
        byzantine_say(message, outlet);
        byzantine_mark(byzantine, BYZANTINE_VOTES_AS_OLD);
    }
    message_unref(message);
}

static bool is_commit_qc(const struct qc *qc)
{
    return qc != NULL && qc->phase == PHASE_COMMIT;
}

/* Keeps a Commit QC from all but one. */
static bool hides(struct byzantine *byzantine, uint32_t to, const struct message *message)
{
    const bool shows =
        (message->kind == MESSAGE_CERTIFICATE && is_commit_qc(message->certificate.qc)) ||
        (message->kind == MESSAGE_ADVERTISE && is_commit_qc(message->advertise.high_qc));
    if (!shows || !byzantine_has(byzantine, BYZANTINE_HIDES_COMMIT)) {
        return false;
    }
    const struct qc *qc =
        message->kind == MESSAGE_CERTIFICATE ? message->certificate.qc : message->advertise.high_qc;
    if (memcmp(byzantine->shown.bytes, qc->block.bytes, INGOT_HASH_BYTES) != 0) {
        byzantine->shown = qc->block;
        byzantine->shown_to =
            (uint32_t)prng_below(&byzantine->prng, byzantine->checks->keys->count);
    }
    byzantine->done[BYZANTINE_HIDES_COMMIT] += byzantine->shown_to != to;
    return byzantine->shown_to != to;
}

bool byzantine_change(struct byzantine *byzantine, const struct outlet *outlet,
                      const struct message *message)
{
    if (byzantine_does(byzantine, BYZANTINE_REVIVES, 200000)) {
        revive(byzantine, outlet);
    }
    if (message->kind == MESSAGE_VOTE &&
        byzantine_does(byzantine, BYZANTINE_VOTES_AS_OLD, 500000)) {
        vote_as_old(byzantine, outlet, &message->vote);
    }
    if (message->kind == MESSAGE_NUDGE &&
        byzantine_does(byzantine, BYZANTINE_NUDGES_WRONGLY, 500000)) {
        nudge_wrongly(byzantine, outlet, &message->nudge);
        return prng_chance(&byzantine->prng, MILLION / 2);
    }
    return hides(byzantine, outlet->to, message);
}

/* --- Answers to those that are behind. --- */

/* A made-up block on top of the last, and a certificate of it that bears our name alone. */
static void invent_tip(struct byzantine *byzantine, struct sync_response *lie)
{
    struct block *last = lie->blocks[lie->block_count - 1];
    struct qc *tail = lie->tail_qc;
    if (tail == NULL || tail->phase != PHASE_GENERIC) {
        return;
    }
    struct block *block = byzantine_copy_block(last);
    qc_unref(block->justify);
    block->justify = tail;
    block->parent = last->hash;
    block->height++;
    block->view = tail->view + 1;
    wire_seal_block(block);
    struct vote vote = {.epoch = tail->epoch, .view = block->view, .block = block->hash};
    struct qc *forged = qc_new(tail->signature_count);
    forged->epoch = tail->epoch;
    forged->view = block->view;
    forged->block_view = block->view;
    forged->block = block->hash;
    forged->validator_count = tail->validator_count;
    forged->signers = tail->signers;
    if (byzantine_sign_vote(byzantine, &vote)) {
        for (uint32_t i = 0; i < forged->signature_count; i++) {
            forged->signatures[i] = vote.signature;
        }
    }
    lie->blocks[lie->block_count++] = block;
    lie->tail_qc = forged;
}

/* What it makes of a true answer, whose blocks it borrows. */
static void lie_in_sync(struct byzantine *byzantine, const struct outlet *outlet,
                        const struct sync_response *response)
{
    struct message *message = message_new(MESSAGE_SYNC_RESPONSE);
    struct sync_response *lie = &message->sync_response;
    const uint64_t kind = prng_below(&byzantine->prng, 5);
    *lie = *response;
    lie->blocks = alloc_zeroed((size_t)response->block_count + 2, sizeof(struct block *));
    lie->block_count = 0;
    const uint64_t at = prng_below(&byzantine->prng, response->block_count + UINT64_C(1));
    for (uint32_t i = 0; i < response->block_count; i++) {
        struct block *block = response->blocks[i];
        if (kind == 0 && i == at) { /* a wrong block */
            block = byzantine_copy_block(block);
            block->time_ms++;
            wire_seal_block(block);
        } else if (kind == 1 && i >= at) { /* the tail is missing */
            break;
        } else {
            block_ref(block);
        }
        lie->blocks[lie->block_count++] = block;
    }
    if (kind == 2) {
        lie->committed_height += prng_between(&byzantine->prng, 1, UINT64_C(1) << 40);
    }
    const bool has_tail = response->tail_qc != NULL && kind != 3;
    lie->tail_qc = has_tail ? qc_ref(response->tail_qc) : NULL;
    if (kind == 4 && lie->block_count > 0) {
        invent_tip(byzantine, lie);
    }
    byzantine_say(message, outlet);
    message_unref(message);
}

/* Does the answer have a block of its own, and is the asker one of those that never get them? */
static bool is_withheld(const struct byzantine *byzantine, uint32_t to,
                        const struct sync_response *response)
{
    bool has_own = false;
    for (uint32_t i = 0; i < response->block_count; i++) {
        has_own = has_own || memcmp(response->blocks[i]->proposer.bytes,
                                    byzantine->signer->key.bytes, INGOT_PUBLIC_KEY_BYTES) == 0;
    }
    return has_own && byzantine_has(byzantine, BYZANTINE_WITHHOLDS_BLOCKS) &&
           (byzantine->withheld_from >> to & 1U) != 0;
}

bool byzantine_answer(struct byzantine *byzantine, const struct outlet *outlet,
                      const struct sync_response *response)
{
    if (is_withheld(byzantine, outlet->to, response)) {
        byzantine_mark(byzantine, BYZANTINE_WITHHOLDS_BLOCKS);
        return true;
    }
    if (!byzantine_does(byzantine, BYZANTINE_LIES_IN_SYNC, 800000)) {
        return false;
    }
    byzantine_mark(byzantine, BYZANTINE_LIES_IN_SYNC);
    if (!prng_chance(&byzantine->prng, MILLION / 5)) {
        lie_in_sync(byzantine, outlet, response);
    }
    return true;
}
