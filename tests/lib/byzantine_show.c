/*
 * How forged certificates travel, in whatever may carry them, and messages of views that nobody has
 * entered.
 */
#include "base/assert.h"
#include "lib/byzantine_state.h"

/* --- What carries them. --- */

static void show_qc(struct byzantine *byzantine, const struct outlet *outlet, struct qc *qc)
{
    struct message *message = NULL;
    const uint64_t carrier = prng_below(&byzantine->prng, 4);
    const struct propose *own = byzantine->proposal == NULL ? NULL : &byzantine->proposal->propose;
    bool is_signed = true;
    if (carrier == 0 && own != NULL && qc->epoch == byzantine_epoch(byzantine)) {
        struct block *block = byzantine_copy_block(own->block);
        const struct checks_block *parent = checks_find_block(byzantine->checks, &qc->block);
        qc_unref(block->justify);
        block->justify = qc_ref(qc);
        block->parent = qc->block;
        block->height = parent == NULL ? block->height + 1 : parent->block->height + 1;
        block->view = qc->view + 1;
        message = byzantine_sign_propose(byzantine, block, own->tc);
    } else if (carrier == 1) {
        message = message_new(MESSAGE_TIMEOUT);
        message->timeout.epoch = qc->epoch;
        message->timeout.view = qc->view + prng_between(&byzantine->prng, 1, 4);
        message->timeout.high_qc = qc_ref(qc);
        is_signed = byzantine_sign_timeout(byzantine, &message->timeout);
    } else if (carrier == 2) {
        message = message_new(MESSAGE_ADVERTISE);
        message->advertise.high_qc = qc_ref(qc);
    } else {
        message = message_new(MESSAGE_CERTIFICATE);
        message->certificate.qc = qc_ref(qc);
    }
    if (message != NULL && is_signed) {
        byzantine_say(message, outlet);
    }
    message_unref(message);
}

static void show_tc(struct byzantine *byzantine, const struct outlet *outlet, struct tc *tc)
{
    struct message *message = NULL;
    const uint64_t carrier = prng_below(&byzantine->prng, 3);
    bool is_signed = true;
    if (carrier == 0 && byzantine->proposal != NULL) {
        const struct propose *own = &byzantine->proposal->propose;
        struct block *block = byzantine_copy_block(own->block);
        block->view = (tc->view + byzantine->checks->leader_tenure - 1) /
                          byzantine->checks->leader_tenure * byzantine->checks->leader_tenure +
                      1;
        message = byzantine_sign_propose(byzantine, block, tc);
    } else if (carrier == 1) {
        message = message_new(MESSAGE_TIMEOUT);
        message->timeout.epoch = tc->epoch;
        message->timeout.view = tc->view + 1;
        message->timeout.high_qc = qc_ref(tc->high_qc);
        message->timeout.tc = tc_ref(tc);
        is_signed = byzantine_sign_timeout(byzantine, &message->timeout);
    } else {
        message = message_new(MESSAGE_CERTIFICATE);
        message->certificate.tc = tc_ref(tc);
    }
    if (message != NULL && is_signed) {
        byzantine_say(message, outlet);
    }
    message_unref(message);
}

/* --- The far future. --- */

static uint64_t far_view(struct byzantine *byzantine)
{
    return prng_between(&byzantine->prng, 1, UINT64_C(1) << 40);
}

static bool say_vote_ahead(struct byzantine *byzantine, const struct outlet *outlet)
{
    struct message *message = message_new(MESSAGE_VOTE);
    message->vote.epoch = byzantine_epoch(byzantine);
    message->vote.view = far_view(byzantine);
    message->vote.block = byzantine->genesis->hash;
    const bool is_signed = byzantine_sign_vote(byzantine, &message->vote);
    if (is_signed) {
        byzantine_say(message, outlet);
    }
    message_unref(message);
    return is_signed;
}

static bool say_timeout_ahead(struct byzantine *byzantine, const struct outlet *outlet)
{
    struct message *message = message_new(MESSAGE_TIMEOUT);
    message->timeout.epoch = byzantine_epoch(byzantine);
    message->timeout.view = far_view(byzantine);
    message->timeout.high_qc = byzantine_oldest_qc(byzantine);
    const bool is_signed = byzantine_sign_timeout(byzantine, &message->timeout);
    if (is_signed) {
        byzantine_say(message, outlet);
    }
    message_unref(message);
    return is_signed;
}

/* Of a view that it leads, and that nothing proves as yet: once a TC does, the block is as good as
 * any. */
static bool propose_ahead(struct byzantine *byzantine, const struct outlet *outlet)
{
    if (byzantine->proposal == NULL) {
        return false;
    }
    const struct block *own = byzantine->proposal->propose.block;
    struct position position = {block_epoch(own), own->view + 2};
    for (uint32_t i = 0;
         i < 64 && checks_leader_at(byzantine->checks, position) != byzantine->index; i++) {
        position.view += byzantine->checks->leader_tenure;
    }
    struct block *block = byzantine_copy_block(own);
    block->view = position.view;
    struct message *message = byzantine_sign_propose(byzantine, block, NULL);
    if (message != NULL) {
        byzantine_say(message, outlet);
    }
    message_unref(message);
    return message != NULL;
}

static bool certify_ahead(struct byzantine *byzantine, const struct outlet *outlet)
{
    const uint64_t view = far_view(byzantine);
    struct vote vote = {.epoch = byzantine_epoch(byzantine), .view = view};
    vote.block = byzantine->genesis->hash;
    vote.block.bytes[0] ^= 1;
    struct qc *qc = byzantine_one_signature(byzantine, vote);
    struct tc *tc = byzantine_one_timeout(byzantine, view);
    if (qc != NULL) {
        show_qc(byzantine, outlet, qc);
    }
    if (tc != NULL) {
        show_tc(byzantine, outlet, tc);
    }
    const bool has_said = qc != NULL || tc != NULL;
    qc_unref(qc);
    tc_unref(tc);
    return has_said;
}

static bool jump_ahead(struct byzantine *byzantine, const struct outlet *outlet,
                       enum byzantine_habit habit)
{
    if (habit == BYZANTINE_FUTURE_VOTE) {
        return say_vote_ahead(byzantine, outlet);
    }
    if (habit == BYZANTINE_FUTURE_TIMEOUT) {
        return say_timeout_ahead(byzantine, outlet);
    }
    return habit == BYZANTINE_FUTURE_PROPOSAL ? propose_ahead(byzantine, outlet)
                                              : certify_ahead(byzantine, outlet);
}

/* --- One of its forgeries. --- */

static enum byzantine_habit choose(struct byzantine *byzantine)
{
    enum byzantine_habit habits[BYZANTINE_HABITS];
    uint32_t count = 0;
    for (uint32_t i = BYZANTINE_FORGERY_FIRST; i <= BYZANTINE_FORGERY_LAST; i++) {
        if (byzantine_has(byzantine, (enum byzantine_habit)i)) {
            habits[count++] = (enum byzantine_habit)i;
        }
    }
    INGOT_ASSERT(count > 0);
    return habits[prng_below(&byzantine->prng, count)];
}

void byzantine_forge(struct byzantine *byzantine, const struct outlet *outlet)
{
    const enum byzantine_habit habit = choose(byzantine);
    bool is_done = false;
    if (habit >= BYZANTINE_FUTURE_VOTE) {
        is_done = jump_ahead(byzantine, outlet, habit);
    } else if (habit >= BYZANTINE_TC_ONE_SIGNATURE) {
        struct tc *tc = byzantine_forge_tc(byzantine, habit);
        is_done = tc != NULL;
        if (is_done) {
            show_tc(byzantine, outlet, tc);
        }
        tc_unref(tc);
    } else {
        struct qc *qc = byzantine_forge_qc(byzantine, habit);
        is_done = qc != NULL;
        if (is_done) {
            show_qc(byzantine, outlet, qc);
        }
        qc_unref(qc);
    }
    byzantine->done[habit] += is_done;
}
