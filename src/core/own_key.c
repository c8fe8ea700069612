/*
 * Our own key, used by somebody else: a copy of this validator that runs elsewhere. Whatever bears
 * our signature above our last vote, or at it over something else, was not said by this process,
 * as a vote is durable before it is sent. It is looked for wherever signatures come in, in the
 * certificates of blocks that are fetched too: votes go to leaders alone, and a copy that follows
 * may never be shown one.
 */
#include "core/state.h"

/*
 * While signing is withheld, what the original has said is still about, and anybody may show it
 * again; it is all at or below the position that ends the wait.
 */
static void alarm(struct core *core, const char *reason)
{
    if (!core->config.withholds_signing && !core->has_stopped_signing &&
        !MUTANT(OWN_KEY_ELSEWHERE)) {
        core->has_stopped_signing = true;
        effect_stop_signing(core, reason);
    }
}

/* Our index in the set of an epoch, or VALIDATOR_NONE. */
static uint32_t own_index(const struct core *core, uint64_t epoch)
{
    const struct validator_set *set = core_find_set(core, epoch);
    return core->config.has_key && set != NULL ? validator_set_find(set, &core->config.key)
                                               : VALIDATOR_NONE;
}

/* A choice that we have not voted for, in a view in which all our votes are known. */
static bool is_news(const struct core *core, const struct vote *choice)
{
    const int order = position_compare(vote_position(choice), core->safety.last_voted);
    return order > 0 ||
           (order == 0 && !(core->safety.has_vote && vote_same_choice(choice, &core->safety.vote)));
}

bool own_key_check_vote(struct core *core, const struct vote *vote)
{
    if (!is_news(core, vote) || own_index(core, vote->epoch) != vote->voter) {
        return false;
    }
    alarm(core, "a vote signed with our key that we did not cast");
    return true;
}

bool own_key_check_timeout(struct core *core, uint32_t voter, struct position position)
{
    if (position_compare(position, core->safety.last_voted) <= 0 ||
        own_index(core, position.epoch) != voter) {
        return false;
    }
    alarm(core, "a timeout signed with our key that we did not send");
    return true;
}

void own_key_check_qc(struct core *core, const struct qc *qc)
{
    const struct vote choice = {
        .epoch = qc->epoch, .view = qc->view, .block = qc->block, .phase = qc->phase};
    if (!is_news(core, &choice)) {
        return;
    }
    const uint32_t index = own_index(core, qc->epoch);
    if (index != VALIDATOR_NONE && signers_has(&qc->signers, index)) {
        alarm(core, "a certificate bears our signature for what we did not vote for");
    }
}

void own_key_check_tc(struct core *core, const struct tc *tc)
{
    const struct position position = {tc->epoch, tc->view};
    if (position_compare(position, core->safety.last_voted) <= 0) {
        return;
    }
    const uint32_t index = own_index(core, tc->epoch);
    if (index != VALIDATOR_NONE && signers_has(&tc->signers, index)) {
        alarm(core, "a timeout certificate bears our signature for a view that we did not leave");
    }
}
