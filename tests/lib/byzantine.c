/*
 * A member that lies. See byzantine.h.
 */
#include "lib/byzantine.h"

#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "wire/wire.h"

#define MILLION 1000000u

void byzantine_deinit(struct byzantine *byzantine)
{
    qc_unref(byzantine->old_qc);
    message_unref(byzantine->twin);
    message_unref(byzantine->seen[0]);
    message_unref(byzantine->seen[1]);
    qc_unref(byzantine->phased);
    for (uint32_t i = 0; i < BYZANTINE_OLD_FRAMES; i++) {
        ingot_buffer_deinit(&byzantine->old[i]);
    }
    for (uint32_t i = 0; i < BYZANTINE_MEMORY; i++) {
        ingot_buffer_deinit(&byzantine->memory[i]);
    }
}

static bool does(struct byzantine *byzantine, enum byzantine_habit habit,
                 uint32_t parts_per_million)
{
    return (byzantine->habits & (uint32_t)habit) != 0 &&
           prng_chance(&byzantine->prng, parts_per_million);
}

static void remember_frame(struct byzantine *byzantine, struct ingot_slice frame)
{
    struct ingot_buffer *slot = &byzantine->memory[byzantine->memory_next];
    byzantine->memory_next = (byzantine->memory_next + 1) % BYZANTINE_MEMORY;
    ingot_buffer_clear(slot);
    ingot_buffer_append_slice(slot, frame);
}

static struct validator_set *set_of(const struct byzantine *byzantine, uint64_t epoch)
{
    return checks_set(byzantine->checks, epoch);
}

/* False where it is no member. */
static bool sign_vote(struct byzantine *byzantine, struct vote *vote)
{
    struct validator_set *set = set_of(byzantine, vote->epoch);
    return set != NULL && wire_sign_vote(byzantine->signer, set, vote);
}

static bool sign_timeout(struct byzantine *byzantine, struct timeout *timeout)
{
    struct validator_set *set = set_of(byzantine, timeout->epoch);
    return set != NULL && wire_sign_timeout(byzantine->signer, set, timeout);
}

/* Two different blocks of one view are what a second vote needs. */
static void remember_propose(struct byzantine *byzantine, struct message *message)
{
    struct message **seen = byzantine->seen;
    if (seen[0] != NULL && seen[0]->propose.block->view == message->propose.block->view) {
        message_unref(seen[1]);
        seen[1] = message_ref(message);
        return;
    }
    message_unref(seen[0]);
    message_unref(seen[1]);
    seen[0] = message_ref(message);
    seen[1] = NULL;
}

static void remember_block(struct byzantine *byzantine, const struct block *block)
{
    if (prng_chance(&byzantine->prng, MILLION / 10)) {
        qc_unref(byzantine->old_qc);
        byzantine->old_qc = qc_ref(block->justify);
        byzantine->old_height = block->height - 1;
    }
    if (block->transaction_count == 0) {
        byzantine->has_empty = true;
        byzantine->empty = block->updates_hash;
    }
}

/* What an epoch leaves behind: a few frames of it, drawn as it passes. */
static void remember_old(struct byzantine *byzantine, const struct message *message,
                         struct ingot_slice frame)
{
    const bool is_kept = message->kind == MESSAGE_CERTIFICATE || message->kind == MESSAGE_TIMEOUT ||
                         message->kind == MESSAGE_NUDGE;
    if (is_kept && prng_chance(&byzantine->prng, MILLION / 10)) {
        struct ingot_buffer *slot =
            &byzantine->old[prng_below(&byzantine->prng, BYZANTINE_OLD_FRAMES)];
        ingot_buffer_clear(slot);
        ingot_buffer_append_slice(slot, frame);
    }
    if (message->kind == MESSAGE_NUDGE && prng_chance(&byzantine->prng, MILLION / 3)) {
        qc_unref(byzantine->phased);
        byzantine->phased = qc_ref(message->nudge.justify);
    }
}

void byzantine_hear(struct byzantine *byzantine, struct ingot_slice frame)
{
    remember_frame(byzantine, frame);
    struct message *message = NULL;
    if (wire_decode(frame, &message) != REJECT_NONE) {
        return;
    }
    if (message->kind == MESSAGE_PROPOSE) {
        remember_propose(byzantine, message);
        remember_block(byzantine, message->propose.block);
    }
    remember_old(byzantine, message, frame);
    message_unref(message);
}

static void emit_message(struct message *message, uint32_t to, byzantine_emit *emit, void *context)
{
    struct ingot_buffer frame = {0};
    wire_encode(message, &frame);
    emit(context, to, message, ingot_buffer_slice(&frame));
    ingot_buffer_deinit(&frame);
}

/* --- Blocks. --- */

static enum phase first_phase(const struct block *block)
{
    return block_changes_set(block) ? PHASE_PREPARE : PHASE_GENERIC;
}

/* NULL where it is no member of the block's set. Takes over the block. */
static struct message *sign_propose(struct byzantine *byzantine, struct block *block, struct tc *tc)
{
    wire_seal_block(block);
    struct message *message = message_new(MESSAGE_PROPOSE);
    message->propose.block = block;
    message->propose.tc = tc == NULL ? NULL : tc_ref(tc);
    message->propose.vote = (struct vote){.epoch = block_epoch(block),
                                          .view = block->view,
                                          .block = block->hash,
                                          .phase = first_phase(block)};
    if (!sign_vote(byzantine, &message->propose.vote)) {
        message_unref(message);
        return NULL;
    }
    return message;
}

static struct block *copy_block(const struct block *block)
{
    struct block *copy = block_new();
    const uint32_t references = copy->references;
    *copy = *block;
    copy->references = references;
    copy->payload = (struct ingot_buffer){0};
    ingot_buffer_append_slice(&copy->payload, ingot_buffer_slice(&block->payload));
    qc_ref(copy->justify);
    return copy;
}

/* The same block at another time of day. */
static struct message *make_twin(struct byzantine *byzantine, const struct propose *propose)
{
    struct block *block = copy_block(propose->block);
    block->time_ms += 1 + prng_below(&byzantine->prng, 1000);
    return sign_propose(byzantine, block, propose->tc);
}

static struct qc *oldest_qc(const struct byzantine *byzantine)
{
    return byzantine->old_qc != NULL ? qc_ref(byzantine->old_qc)
                                     : wire_genesis_qc(&byzantine->genesis->hash);
}

/* An empty block on an old QC, right in every other way: nobody honest may vote for it. */
static struct message *make_low(struct byzantine *byzantine, const struct propose *propose)
{
    struct block *block = copy_block(propose->block);
    qc_unref(block->justify);
    block->justify = oldest_qc(byzantine);
    block->parent = block->justify->block;
    block->height = byzantine->old_height + 1;
    block->updates_hash = byzantine->empty;
    block->next_validators_hash = block->validators_hash;
    block->transaction_count = 0;
    ingot_buffer_clear(&block->payload);
    return sign_propose(byzantine, block, propose->tc);
}

static void send_propose(struct byzantine *byzantine, uint32_t to, struct message *message,
                         struct ingot_slice frame, byzantine_emit *emit, void *context)
{
    const struct block *block = message->propose.block;
    if (memcmp(byzantine->twin_of.bytes, block->hash.bytes, INGOT_HASH_BYTES) != 0) {
        byzantine->twin_of = block->hash;
        message_unref(byzantine->twin);
        byzantine->twin = NULL;
        if (does(byzantine, BYZANTINE_EQUIVOCATES, 700000)) {
            byzantine->twin = make_twin(byzantine, &message->propose);
        } else if (byzantine->has_empty && does(byzantine, BYZANTINE_BUILDS_LOW, 300000)) {
            byzantine->twin = make_low(byzantine, &message->propose);
        }
        remember_propose(byzantine, message);
        if (byzantine->twin != NULL) {
            remember_propose(byzantine, byzantine->twin);
        }
    }
    const bool is_twin = byzantine->twin != NULL && prng_chance(&byzantine->prng, MILLION / 2);
    if (is_twin) {
        emit_message(byzantine->twin, to, emit, context);
    }
    if (!is_twin || prng_chance(&byzantine->prng, MILLION / 4)) {
        emit(context, to, message, frame);
    }
}

/* --- Votes, timeouts, forgeries. --- */

static void vote_again(struct byzantine *byzantine, uint32_t to, byzantine_emit *emit,
                       void *context)
{
    for (uint32_t i = 0; i < 2; i++) {
        if (byzantine->seen[i] == NULL) {
            continue;
        }
        const struct block *block = byzantine->seen[i]->propose.block;
        struct message *message = message_new(MESSAGE_VOTE);
        message->vote = (struct vote){.epoch = block_epoch(block),
                                      .view = block->view,
                                      .block = block->hash,
                                      .phase = first_phase(block)};
        if (sign_vote(byzantine, &message->vote)) {
            emit_message(message, to, emit, context);
        }
        message_unref(message);
    }
}

static void claim_little(struct byzantine *byzantine, uint32_t to, const struct timeout *timeout,
                         byzantine_emit *emit, void *context)
{
    struct message *message = message_new(MESSAGE_TIMEOUT);
    message->timeout = *timeout;
    message->timeout.high_qc = oldest_qc(byzantine);
    if (message->timeout.tc != NULL) {
        tc_ref(message->timeout.tc);
    }
    if (sign_timeout(byzantine, &message->timeout)) {
        emit_message(message, to, emit, context);
    }
    message_unref(message);
}

/* A QC of its own signature, as often as it takes. */
static void forge_qc(struct byzantine *byzantine, uint32_t to, byzantine_emit *emit, void *context)
{
    if (byzantine->seen[0] == NULL) {
        return;
    }
    const struct block *block = byzantine->seen[0]->propose.block;
    struct vote vote = {.epoch = block_epoch(block),
                        .view = block->view,
                        .block = block->hash,
                        .phase = first_phase(block)};
    if (!sign_vote(byzantine, &vote)) {
        return;
    }
    struct message *message = message_new(MESSAGE_CERTIFICATE);
    const struct validator_set *set = set_of(byzantine, vote.epoch);
    struct qc *qc = qc_new(set->count);
    qc->epoch = vote.epoch;
    qc->view = vote.view;
    qc->block_view = vote.view;
    qc->block = vote.block;
    qc->phase = vote.phase;
    qc->validator_count = set->count;
    for (uint32_t i = 0; i < set->count; i++) {
        signers_add(&qc->signers, i);
        qc->signatures[i] = vote.signature;
    }
    message->certificate.qc = qc;
    emit_message(message, to, emit, context);
    message_unref(message);
}

/* Signed and well-formed, but of a view that nobody has entered. */
static void jump_ahead(struct byzantine *byzantine, uint32_t to, byzantine_emit *emit,
                       void *context)
{
    const uint64_t epoch = byzantine->checks->set_count - 1;
    struct message *message = message_new(MESSAGE_TIMEOUT);
    message->timeout.epoch = epoch;
    message->timeout.view = prng_between(&byzantine->prng, 1, UINT64_C(1) << 40);
    message->timeout.high_qc = oldest_qc(byzantine);
    if (sign_timeout(byzantine, &message->timeout)) {
        emit_message(message, to, emit, context);
    }
    message_unref(message);
    message = message_new(MESSAGE_VOTE);
    message->vote.epoch = epoch;
    message->vote.view = prng_between(&byzantine->prng, 1, UINT64_C(1) << 40);
    message->vote.block = byzantine->genesis->hash;
    if (sign_vote(byzantine, &message->vote)) {
        emit_message(message, to, emit, context);
    }
    message_unref(message);
}

static void replay(struct byzantine *byzantine, uint32_t to, byzantine_emit *emit, void *context)
{
    const struct ingot_buffer *old =
        &byzantine->memory[prng_below(&byzantine->prng, BYZANTINE_MEMORY)];
    if (old->size > 0) {
        emit(context, to, NULL, ingot_buffer_slice(old));
    }
}

static void mangle(struct byzantine *byzantine, uint32_t to, struct ingot_slice frame,
                   byzantine_emit *emit, void *context)
{
    struct ingot_buffer mangled = {0};
    ingot_buffer_append_slice(&mangled, frame);
    const uint64_t at = prng_below(&byzantine->prng, mangled.size);
    const uint64_t bit = prng_below(&byzantine->prng, 8);
    mangled.data[at] = (uint8_t)(mangled.data[at] ^ 1U << bit);
    emit(context, to, NULL, ingot_buffer_slice(&mangled));
    ingot_buffer_deinit(&mangled);
}

/* --- Where sets change. --- */

static void revive(struct byzantine *byzantine, uint32_t to, byzantine_emit *emit, void *context)
{
    const struct ingot_buffer *old =
        &byzantine->old[prng_below(&byzantine->prng, BYZANTINE_OLD_FRAMES)];
    if (old->size > 0) {
        emit(context, to, NULL, ingot_buffer_slice(old));
    }
}

/* Another phase of the same block, or the same on a certificate that is not the last. */
static void nudge_wrongly(struct byzantine *byzantine, uint32_t to, const struct nudge *nudge,
                          byzantine_emit *emit, void *context)
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
    if (sign_vote(byzantine, &message->nudge.vote)) {
        emit_message(message, to, emit, context);
    }
    message_unref(message);
}

/* The same choice, by a member of the set before: under its own epoch, and under the new one. */
static void vote_as_old(struct byzantine *byzantine, uint32_t to, const struct vote *vote,
                        byzantine_emit *emit, void *context)
{
    if (vote->epoch == 0) {
        return;
    }
    struct message *message = message_new(MESSAGE_VOTE);
    message->vote = *vote;
    message->vote.epoch = vote->epoch - 1;
    if (sign_vote(byzantine, &message->vote)) {
        emit_message(message, to, emit, context);
        message->vote.epoch = vote->epoch;
        emit_message(message, to, emit, context);
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
    if (!shows || (byzantine->habits & BYZANTINE_HIDES_COMMIT) == 0) {
        return false;
    }
    const struct qc *qc =
        message->kind == MESSAGE_CERTIFICATE ? message->certificate.qc : message->advertise.high_qc;
    if (memcmp(byzantine->shown.bytes, qc->block.bytes, INGOT_HASH_BYTES) != 0) {
        byzantine->shown = qc->block;
        byzantine->shown_to =
            (uint32_t)prng_below(&byzantine->prng, byzantine->checks->keys->count);
    }
    return byzantine->shown_to != to;
}

/* A made-up block on top of the last, and a certificate of it that bears our name alone. */
static void invent_tip(struct byzantine *byzantine, struct sync_response *lie)
{
    struct block *last = lie->blocks[lie->block_count - 1];
    struct qc *tail = lie->tail_qc;
    if (tail == NULL || tail->phase != PHASE_GENERIC) {
        return;
    }
    struct block *block = copy_block(last);
    qc_unref(block->justify);
    block->justify = tail;
    block->parent = last->hash;
    block->height++;
    block->view = tail->view + 1;
    wire_seal_block(block);
    struct vote vote = {.epoch = tail->epoch, .view = block->view, .block = block->hash};
    struct qc *forged = qc_new(tail->signature_count);
    const struct validator_set *set = set_of(byzantine, tail->epoch);
    forged->epoch = tail->epoch;
    forged->view = block->view;
    forged->block_view = block->view;
    forged->block = block->hash;
    forged->validator_count = tail->validator_count;
    forged->signers = tail->signers;
    if (set != NULL && sign_vote(byzantine, &vote)) {
        for (uint32_t i = 0; i < forged->signature_count; i++) {
            forged->signatures[i] = vote.signature;
        }
    }
    lie->blocks[lie->block_count++] = block;
    lie->tail_qc = forged;
}

/* What it makes of an answer to one that is behind. The blocks are borrowed from the true one. */
static void lie_in_sync(struct byzantine *byzantine, uint32_t to,
                        const struct sync_response *response, byzantine_emit *emit, void *context)
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
            block = copy_block(block);
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
    emit_message(message, to, emit, context);
    message_unref(message);
}

/* True if it has said something else instead. */
static bool lies_about_changes(struct byzantine *byzantine, uint32_t to,
                               const struct message *message, byzantine_emit *emit, void *context)
{
    if (does(byzantine, BYZANTINE_REVIVES, 200000)) {
        revive(byzantine, to, emit, context);
    }
    if (message->kind == MESSAGE_VOTE && does(byzantine, BYZANTINE_VOTES_AS_OLD, 500000)) {
        vote_as_old(byzantine, to, &message->vote, emit, context);
    }
    if (message->kind == MESSAGE_NUDGE && does(byzantine, BYZANTINE_NUDGES_WRONGLY, 500000)) {
        nudge_wrongly(byzantine, to, &message->nudge, emit, context);
        return prng_chance(&byzantine->prng, MILLION / 2);
    }
    if (message->kind == MESSAGE_SYNC_RESPONSE && does(byzantine, BYZANTINE_LIES_IN_SYNC, 800000)) {
        if (!prng_chance(&byzantine->prng, MILLION / 5)) {
            lie_in_sync(byzantine, to, &message->sync_response, emit, context);
        }
        return true;
    }
    return hides(byzantine, to, message);
}

void byzantine_send(struct byzantine *byzantine, uint32_t to, struct message *message,
                    struct ingot_slice frame, byzantine_emit *emit, void *context)
{
    remember_frame(byzantine, frame);
    if (does(byzantine, BYZANTINE_FORGES, 50000)) {
        forge_qc(byzantine, to, emit, context);
        jump_ahead(byzantine, to, emit, context);
    }
    if (does(byzantine, BYZANTINE_REPLAYS, 200000)) {
        replay(byzantine, to, emit, context);
    }
    /* A mangled transaction may be another valid one that no client made. */
    if (message->kind != MESSAGE_TRANSACTIONS && does(byzantine, BYZANTINE_MANGLES, 50000)) {
        mangle(byzantine, to, frame, emit, context);
    }
    if (does(byzantine, BYZANTINE_WITHHOLDS, 300000) ||
        lies_about_changes(byzantine, to, message, emit, context)) {
        return;
    }
    if (message->kind == MESSAGE_PROPOSE) {
        send_propose(byzantine, to, message, frame, emit, context);
        return;
    }
    if (message->kind == MESSAGE_VOTE && does(byzantine, BYZANTINE_VOTES_TWICE, 700000)) {
        vote_again(byzantine, to, emit, context);
    }
    if (message->kind == MESSAGE_TIMEOUT && does(byzantine, BYZANTINE_CLAIMS_LITTLE, 700000)) {
        claim_little(byzantine, to, &message->timeout, emit, context);
        return;
    }
    emit(context, to, message, frame);
}
