/*
 * Giving up on a view: our Timeout, the Timeouts of others, and the certificate they make.
 * A replica that has given up on a view never votes in it.
 */
#include "core/state.h"

static void broadcast_timeout(struct core *core)
{
    const struct core_safety *safety = &core->safety;
    struct message *message = message_new(MESSAGE_TIMEOUT);
    struct timeout *timeout = &message->timeout;
    timeout->epoch = safety->current.epoch;
    timeout->view = safety->current.view;
    timeout->voter = core_member(core);
    timeout->high_qc = qc_ref(safety->high_qc);
    if (position_compare(view_next(qc_position(safety->high_qc)), safety->current) != 0) {
        timeout->tc = tc_ref(safety->high_tc);
    }
    core->resend_at_ms = core->now_ms + core->config.timeout_resend_ms;
    effect_broadcast(core, message);
}

static void give_up(struct core *core)
{
    struct core_safety *safety = &core->safety;
    if (position_compare(safety->current, safety->last_voted) > 0 && !MUTANT(VOTE_AFTER_TIMEOUT)) {
        safety->last_voted = safety->current;
        safety->has_vote = false;
        core->safety_is_dirty = core->safety_is_dirty || !MUTANT(TIMEOUT_NOT_DURABLE);
    }
    core->has_timed_out = true;
    core->timeouts++;
    broadcast_timeout(core);
}

void timeout_if_due(struct core *core)
{
    if (!core_may_sign(core)) {
        return;
    }
    if (!core->has_timed_out) {
        if (core->now_ms >= core->deadline_ms) {
            give_up(core);
        }
    } else if (core->now_ms >= core->resend_at_ms && !MUTANT(TIMEOUT_SAID_ONCE)) {
        broadcast_timeout(core);
    }
}

static struct position timeout_position(const struct timeout *timeout)
{
    return (struct position){timeout->epoch, timeout->view};
}

/* The highest position, then the highest claim. Differing claims of one view are no offence: a
 * repeat carries what its sender knows by then. */
static enum reject keep(struct core *core, struct message *message)
{
    struct slot *slot = &core->slots[message->timeout.voter];
    if (slot->timeout != NULL) {
        const struct timeout *held = &slot->timeout->timeout;
        int order = position_compare(timeout_position(&message->timeout), timeout_position(held));
        if (order == 0) {
            order =
                position_compare(qc_position(message->timeout.high_qc), qc_position(held->high_qc));
        }
        if (order <= 0) {
            return order < 0 ? REJECT_PAST : REJECT_DUPLICATE;
        }
    }
    message_unref(slot->timeout);
    slot->timeout = message_ref(message);
    return REJECT_NONE;
}

enum reject timeout_receive(struct core *core, uint32_t peer, struct message *message)
{
    const struct timeout *timeout = &message->timeout;
    const struct position position = timeout_position(timeout);
    if (timeout->epoch < core->safety.current.epoch) {
        if (peer != CORE_SELF) {
            answer_with_ours(core, peer);
        }
        return REJECT_PAST;
    }
    if (timeout->epoch > core->safety.current.epoch) {
        return REJECT_UNKNOWN_EPOCH;
    }
    if (peer != CORE_SELF && own_key_check_timeout(core, timeout->voter, position)) {
        return REJECT_DUPLICATE;
    }
    if (timeout->tc != NULL) {
        (void)certify_tc(core, peer, timeout->tc);
    }
    if (!MUTANT(TIMEOUT_QC_IGNORED) && certify_qc(core, peer, timeout->high_qc) == REJECT_BINDING) {
        return REJECT_BINDING;
    }
    if (core_is_past(core, position)) {
        if (peer != CORE_SELF) {
            answer_with_ours(core, peer);
        }
        return REJECT_PAST;
    }
    return keep(core, message);
}

static bool is_for_current(const struct core *core, const struct slot *slot)
{
    return slot->timeout != NULL &&
           position_compare(timeout_position(&slot->timeout->timeout), core->safety.current) == 0;
}

static struct tc *form(const struct core *core)
{
    const struct validator_set *set = core_set(core);
    struct tc *tc = tc_new(set->count);
    tc->claim_count = 0;
    tc->validator_count = set->count;
    tc->epoch = core->safety.current.epoch;
    tc->view = core->safety.current.view;
    struct qc *highest = NULL;
    for (uint32_t i = 0; i < set->count; i++) {
        if (!is_for_current(core, &core->slots[i])) {
            continue;
        }
        const struct timeout *timeout = &core->slots[i].timeout->timeout;
        signers_add(&tc->signers, i);
        tc->claims[tc->claim_count++] = (struct tc_claim){
            .view = qc_position(timeout->high_qc).view, .signature = timeout->signature};
        if (highest == NULL ||
            (position_compare(qc_position(timeout->high_qc), qc_position(highest)) > 0 &&
             !MUTANT(TC_WITHOUT_HIGH_QC))) {
            highest = timeout->high_qc;
        }
    }
    INGOT_ASSERT(highest != NULL);
    tc->high_qc = qc_ref(highest);
    return tc;
}

void timeout_count(struct core *core)
{
    const struct validator_set *set = core_set(core);
    uint64_t power = 0;
    for (uint32_t i = 0; i < set->count; i++) {
        if (is_for_current(core, &core->slots[i])) {
            power += set->validators[i].power;
        }
    }
    if (power >= set->one_honest_power && !core->has_timed_out && core_may_sign(core) &&
        !MUTANT(NO_JOINING)) {
        give_up(core);
    }
    if (power < set->quorum_power) {
        return;
    }
    struct tc *tc = form(core);
    struct message *message = message_new(MESSAGE_CERTIFICATE);
    message->certificate.tc = tc_ref(tc);
    (void)certify_tc(core, CORE_SELF, tc);
    if (!MUTANT(TC_NOT_BROADCAST)) {
        effect_broadcast(core, message);
    }
    tc_unref(tc);
}
