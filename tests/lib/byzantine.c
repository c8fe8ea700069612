/*
 * A member that lies: what it remembers, and which of its habits has its turn. See byzantine.h.
 */
#include "lib/byzantine.h"

#include <string.h>

#include "base/assert.h"
#include "lib/byzantine_state.h"
#include "wire/wire.h"

const char *byzantine_text(enum byzantine_habit habit)
{
#define BYZANTINE_TEXT(name, text) [BYZANTINE_##name] = (text),
    static const char *const texts[BYZANTINE_HABITS] = {BYZANTINE_LIST(BYZANTINE_TEXT)};
#undef BYZANTINE_TEXT
    INGOT_ASSERT(habit < BYZANTINE_HABITS);
    return texts[habit];
}

uint64_t byzantine_draw(struct prng *prng, bool changes)
{
    const uint64_t count = changes ? BYZANTINE_HABITS : BYZANTINE_CHANGES_FIRST;
    if (prng_chance(prng, MILLION / 16)) {
        return (UINT64_C(1) << count) - 1;
    }
    uint64_t habits = 0;
    const uint64_t draws = prng_between(prng, 1, 10);
    for (uint64_t i = 0; i < draws; i++) {
        habits |= UINT64_C(1) << prng_below(prng, count);
    }
    /* These have their turn only when somebody is behind, or asks for much. */
    if (prng_chance(prng, MILLION / 3)) {
        habits |= BYZANTINE_BIT(BYZANTINE_LIES_IN_SYNC) | BYZANTINE_BIT(BYZANTINE_CLAIMS_HEIGHT);
    }
    return habits;
}

void byzantine_deinit(struct byzantine *byzantine)
{
    qc_unref(byzantine->old_qc);
    block_unref(byzantine->repeat);
    message_unref(byzantine->twin);
    message_unref(byzantine->seen[0]);
    message_unref(byzantine->seen[1]);
    message_unref(byzantine->proposal);
    message_unref(byzantine->request);
    qc_unref(byzantine->phased);
    for (uint32_t i = 0; i < BYZANTINE_CERTIFICATES; i++) {
        qc_unref(byzantine->qcs[i]);
        tc_unref(byzantine->tcs[i]);
    }
    for (uint32_t i = 0; i < BYZANTINE_OLD_FRAMES; i++) {
        ingot_buffer_deinit(&byzantine->old[i]);
    }
    for (uint32_t i = 0; i < BYZANTINE_MEMORY; i++) {
        ingot_buffer_deinit(&byzantine->memory[i]);
    }
}

/* --- What it remembers. --- */

static void remember_frame(struct byzantine *byzantine, struct ingot_slice frame)
{
    struct ingot_buffer *slot = &byzantine->memory[byzantine->memory_next];
    byzantine->memory_next = (byzantine->memory_next + 1) % BYZANTINE_MEMORY;
    ingot_buffer_clear(slot);
    ingot_buffer_append_slice(slot, frame);
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

static void remember_block(struct byzantine *byzantine, struct block *block)
{
    if (prng_chance(&byzantine->prng, MILLION / 10)) {
        qc_unref(byzantine->old_qc);
        byzantine->old_qc = qc_ref(block->justify);
        byzantine->old_height = block->height - 1;
    }
    if (block->transaction_count == 0) {
        byzantine->has_empty = true;
        byzantine->empty = block->updates_hash;
    } else if (!block_changes_set(block) &&
               (byzantine->repeat == NULL || prng_chance(&byzantine->prng, MILLION / 10))) {
        block_unref(byzantine->repeat);
        byzantine->repeat = block_ref(block);
    }
}

static void remember_qc(struct byzantine *byzantine, struct qc *qc)
{
    if (qc != NULL && !qc_is_genesis(qc)) {
        struct qc **slot = &byzantine->qcs[byzantine->qc_next];
        byzantine->qc_next = (byzantine->qc_next + 1) % BYZANTINE_CERTIFICATES;
        qc_unref(*slot);
        *slot = qc_ref(qc);
    }
}

static void remember_tc(struct byzantine *byzantine, struct tc *tc)
{
    if (tc != NULL) {
        struct tc **slot = &byzantine->tcs[byzantine->tc_next];
        byzantine->tc_next = (byzantine->tc_next + 1) % BYZANTINE_CERTIFICATES;
        tc_unref(*slot);
        *slot = tc_ref(tc);
    }
}

static void remember_certificates(struct byzantine *byzantine, const struct message *message)
{
    if (message->kind == MESSAGE_PROPOSE) {
        remember_qc(byzantine, message->propose.block->justify);
        remember_tc(byzantine, message->propose.tc);
    } else if (message->kind == MESSAGE_CERTIFICATE) {
        remember_qc(byzantine, message->certificate.qc);
        remember_tc(byzantine, message->certificate.tc);
    } else if (message->kind == MESSAGE_NUDGE) {
        remember_qc(byzantine, message->nudge.justify);
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
    struct message *message = checks_decode(byzantine->checks, frame);
    if (message == NULL) {
        return;
    }
    if (message->kind == MESSAGE_PROPOSE) {
        remember_propose(byzantine, message);
        remember_block(byzantine, message->propose.block);
    }
    if (message->kind == MESSAGE_TRANSACTIONS_REQUEST) {
        byzantine_hear_request(byzantine, message);
    }
    remember_certificates(byzantine, message);
    remember_old(byzantine, message, frame);
    message_unref(message);
}

/* Its own Propose, as its replica made it. */
static void remember_own(struct byzantine *byzantine, struct message *message)
{
    remember_certificates(byzantine, message);
    if (message->kind == MESSAGE_PROPOSE && message != byzantine->proposal) {
        message_unref(byzantine->proposal);
        byzantine->proposal = message_ref(message);
    }
}

/* --- What its files share. --- */

void byzantine_say(struct message *message, const struct outlet *outlet)
{
    struct ingot_buffer frame = {0};
    wire_encode(message, &frame);
    outlet->emit(outlet->context, outlet->to, message, ingot_buffer_slice(&frame));
    ingot_buffer_deinit(&frame);
}

bool byzantine_sign_vote(struct byzantine *byzantine, struct vote *vote)
{
    struct validator_set *set = checks_set(byzantine->checks, vote->epoch);
    return set != NULL && wire_sign_vote(byzantine->signer, set, vote);
}

bool byzantine_sign_timeout(struct byzantine *byzantine, struct timeout *timeout)
{
    struct validator_set *set = checks_set(byzantine->checks, timeout->epoch);
    return set != NULL && wire_sign_timeout(byzantine->signer, set, timeout);
}

struct qc *byzantine_oldest_qc(const struct byzantine *byzantine)
{
    return byzantine->old_qc != NULL ? qc_ref(byzantine->old_qc)
                                     : wire_genesis_qc(&byzantine->genesis->hash);
}

struct qc *byzantine_any_qc(struct byzantine *byzantine)
{
    return byzantine->qcs[prng_below(&byzantine->prng, BYZANTINE_CERTIFICATES)];
}

struct tc *byzantine_any_tc(struct byzantine *byzantine)
{
    return byzantine->tcs[prng_below(&byzantine->prng, BYZANTINE_CERTIFICATES)];
}

uint64_t byzantine_epoch(const struct byzantine *byzantine)
{
    return byzantine->checks->set_count - 1;
}

enum phase byzantine_first_phase(const struct block *block)
{
    return block_changes_set(block) ? PHASE_PREPARE : PHASE_GENERIC;
}

/* --- Frames as they are. --- */

static void replay(struct byzantine *byzantine, const struct outlet *outlet)
{
    const struct ingot_buffer *old =
        &byzantine->memory[prng_below(&byzantine->prng, BYZANTINE_MEMORY)];
    if (old->size > 0) {
        outlet->emit(outlet->context, outlet->to, NULL, ingot_buffer_slice(old));
        byzantine_mark(byzantine, BYZANTINE_REPLAYS);
    }
}

static void mangle(struct byzantine *byzantine, const struct outlet *outlet,
                   struct ingot_slice frame)
{
    struct ingot_buffer mangled = {0};
    ingot_buffer_append_slice(&mangled, frame);
    const uint64_t at = prng_below(&byzantine->prng, mangled.size);
    const uint64_t bit = prng_below(&byzantine->prng, 8);
    mangled.data[at] = (uint8_t)(mangled.data[at] ^ 1U << bit);
    outlet->emit(outlet->context, outlet->to, NULL, ingot_buffer_slice(&mangled));
    ingot_buffer_deinit(&mangled);
    byzantine_mark(byzantine, BYZANTINE_MANGLES);
}

/* --- Silence. --- */

/* For long, for a moment, or towards all but one. */
static bool says_nothing(struct byzantine *byzantine, uint32_t to, const struct message *message)
{
    struct prng *prng = &byzantine->prng;
    if (byzantine->quiet_sends > 0) {
        byzantine->quiet_sends--;
        byzantine_mark(byzantine, BYZANTINE_SILENT);
        return true;
    }
    if (byzantine_does(byzantine, BYZANTINE_SILENT, 3000)) {
        byzantine->quiet_sends = (uint32_t)prng_between(prng, 20, 600);
    }
    if (byzantine_does(byzantine, BYZANTINE_WITHHOLDS, 300000)) {
        byzantine_mark(byzantine, BYZANTINE_WITHHOLDS);
        return true;
    }
    if (byzantine->only_sends == 0 && byzantine_does(byzantine, BYZANTINE_SHOWS_TO_ONE, 100000)) {
        byzantine->only_sends = (uint32_t)prng_between(prng, 1, 40);
        byzantine->only_to = (uint32_t)prng_below(prng, byzantine->checks->keys->count);
    }
    if (byzantine->only_sends > 0) {
        byzantine->only_sends--;
        if (to != byzantine->only_to && message->kind != MESSAGE_TRANSACTIONS) {
            byzantine_mark(byzantine, BYZANTINE_SHOWS_TO_ONE);
            return true;
        }
    }
    return false;
}

/* --- Old or invented claims. --- */

/* True if it has said something else instead. */
static bool shows_old(struct byzantine *byzantine, const struct outlet *outlet,
                      const struct message *message)
{
    struct qc *old = byzantine_any_qc(byzantine);
    if (old == NULL || !byzantine_does(byzantine, BYZANTINE_SHOWS_OLD, 500000)) {
        return false;
    }
    struct message *lie = message_new(message->kind);
    if (message->kind == MESSAGE_ADVERTISE) {
        lie->advertise = message->advertise;
        lie->advertise.high_qc = qc_ref(old);
    } else {
        lie->certificate.qc = qc_ref(old);
    }
    byzantine_say(lie, outlet);
    message_unref(lie);
    byzantine_mark(byzantine, BYZANTINE_SHOWS_OLD);
    return true;
}

static bool claims_height(struct byzantine *byzantine, const struct outlet *outlet,
                          const struct advertise *advertise)
{
    if (!byzantine_does(byzantine, BYZANTINE_CLAIMS_HEIGHT, 500000)) {
        return false;
    }
    struct message *lie = message_new(MESSAGE_ADVERTISE);
    lie->advertise = *advertise;
    lie->advertise.high_qc = qc_ref(advertise->high_qc);
    lie->advertise.committed_height += prng_between(
        &byzantine->prng, 1, prng_chance(&byzantine->prng, MILLION / 2) ? 30 : UINT64_C(1) << 40);
    byzantine_say(lie, outlet);
    message_unref(lie);
    byzantine_mark(byzantine, BYZANTINE_CLAIMS_HEIGHT);
    return true;
}

/* --- Everything that it sends passes here. --- */

/* Beside what its replica says. */
static void add_noise(struct byzantine *byzantine, const struct outlet *outlet,
                      const struct message *message, struct ingot_slice frame)
{
    const uint64_t forgeries = (BYZANTINE_BIT(BYZANTINE_FORGERY_LAST + 1) - 1) &
                               ~(BYZANTINE_BIT(BYZANTINE_FORGERY_FIRST) - 1);
    if ((byzantine->habits & forgeries) != 0 && prng_chance(&byzantine->prng, 80000)) {
        byzantine_forge(byzantine, outlet);
    }
    if (byzantine_does(byzantine, BYZANTINE_REPLAYS, 200000)) {
        replay(byzantine, outlet);
    }
    if (byzantine_does(byzantine, BYZANTINE_ASKS_ENDLESSLY, 200000)) {
        byzantine_ask_transactions(byzantine, outlet);
    }
    byzantine_answer_falsely(byzantine, outlet);
    /* A mangled transaction may be another valid one that no client made. */
    if (message->kind != MESSAGE_TRANSACTIONS &&
        byzantine_does(byzantine, BYZANTINE_MANGLES, 50000)) {
        mangle(byzantine, outlet, frame);
    }
}

/* True if it has said something else instead. */
static bool says_something_else(struct byzantine *byzantine, const struct outlet *outlet,
                                const struct message *message)
{
    switch (message->kind) {
    case MESSAGE_VOTE:
        return byzantine_vote(byzantine, outlet, &message->vote);
    case MESSAGE_TIMEOUT:
        return byzantine_timeout(byzantine, outlet, &message->timeout);
    case MESSAGE_CERTIFICATE:
        return shows_old(byzantine, outlet, message);
    case MESSAGE_ADVERTISE:
        return shows_old(byzantine, outlet, message) ||
               claims_height(byzantine, outlet, &message->advertise);
    case MESSAGE_SYNC_RESPONSE:
        return byzantine_answer(byzantine, outlet, &message->sync_response);
    case MESSAGE_TRANSACTIONS_RESPONSE:
        return byzantine_keeps(byzantine, message);
    case MESSAGE_PROPOSE:
    case MESSAGE_NUDGE:
    case MESSAGE_SYNC_REQUEST:
    case MESSAGE_TRANSACTIONS:
    case MESSAGE_COMPACT_PROPOSE:
    case MESSAGE_TRANSACTIONS_REQUEST:
        break;
    }
    return false;
}

void byzantine_send(struct byzantine *byzantine, uint32_t to, struct message *message,
                    struct ingot_slice frame, byzantine_emit *emit, void *context)
{
    const struct outlet outlet = {.to = to, .emit = emit, .context = context};
    remember_frame(byzantine, frame);
    remember_own(byzantine, message);
    add_noise(byzantine, &outlet, message, frame);
    if (says_nothing(byzantine, to, message) || byzantine_change(byzantine, &outlet, message)) {
        return;
    }
    if (message->kind == MESSAGE_PROPOSE) {
        byzantine_propose(byzantine, &outlet, message, frame);
    } else if (!says_something_else(byzantine, &outlet, message)) {
        emit(context, to, message, frame);
    }
}
