/*
 * Telling others what we have: everybody at an interval, and whoever shows that it is behind.
 * Votes and certificates are never answered, so no exchange feeds itself.
 */
#include "core/state.h"

/* One channel is answered at most this often. */
#define ANSWER_INTERVAL_MS 50

void answer_with_ours(struct core *core, uint32_t peer)
{
    struct peer_state *state = core_peer(core, peer);
    if (MUTANT(NO_ANSWERS) || (state->was_answered && !MUTANT(ANSWERS_UNLIMITED) &&
                               core->now_ms < state->answered_ms + ANSWER_INTERVAL_MS)) {
        return;
    }
    state->was_answered = true;
    state->answered_ms = core->now_ms;
    const struct core_safety *safety = &core->safety;
    if (!qc_is_genesis(safety->high_qc)) {
        struct message *message = message_new(MESSAGE_CERTIFICATE);
        message->certificate.qc = qc_ref(safety->high_qc);
        effect_answer(core, peer, message);
    }
    if (safety->high_tc != NULL && safety->high_tc->epoch == safety->current.epoch) {
        struct message *message = message_new(MESSAGE_CERTIFICATE);
        message->certificate.tc = tc_ref(safety->high_tc);
        effect_answer(core, peer, message);
    }
}

enum reject answer_advertise(struct core *core, uint32_t peer, const struct advertise *advertise)
{
    const enum reject reject = certify_qc(core, peer, advertise->high_qc);
    if (position_compare(qc_position(advertise->high_qc), qc_position(core->safety.high_qc)) < 0) {
        answer_with_ours(core, peer);
    }
    return reject == REJECT_BINDING ? reject : REJECT_NONE;
}

static struct message *make_advertise(const struct core *core)
{
    struct message *message = message_new(MESSAGE_ADVERTISE);
    message->advertise.committed_height = tree_root(&core->tree)->block->height;
    message->advertise.high_qc = qc_ref(core->safety.high_qc);
    return message;
}

/*
 * What was sent to this channel before it came up is lost. It learns at once what we have, and
 * hears again what we have said in the view that still lasts.
 */
void answer_connected(struct core *core, uint32_t peer)
{
    effect_answer(core, peer, make_advertise(core));
    if (core->proposal != NULL) {
        effect_answer(core, peer, message_ref(core->proposal));
    }
    if (core->has_timed_out) {
        core->resend_at_ms = core->now_ms;
    }
    vote_resend(core);
}

void answer_if_due(struct core *core)
{
    if (core->now_ms < core->advertise_at_ms || MUTANT(NOT_ADVERTISED)) {
        return;
    }
    core->advertise_at_ms = core->now_ms + core->config.advertise_interval_ms;
    effect_broadcast(core, make_advertise(core));
}
