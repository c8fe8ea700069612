/*
 * What every member has voted for lately, so that a second, different vote of one position is
 * noticed wherever it comes in: as a vote, with a Propose or a Nudge, or among the signatures of a
 * certificate. Two such votes prove that their signer is Byzantine, whatever it meant by them.
 *
 * Memory is bounded: one vote for each of INGOT_WITNESSED_VIEWS views around the current one and
 * each member of the current set. A vote from farther away finds room where nothing nearer is, and
 * gives way to it. Nothing outlives a restart or the epoch. So what is reported is true, and not
 * all that is true is reported.
 */
#include <stdlib.h>

#include "base/alloc.h"
#include "core/state.h"

#define VIEWS_EACH_WAY (INGOT_WITNESSED_VIEWS / 2)

/* Views that are near at any moment never share a place. */
static bool is_near(const struct core *core, uint64_t view)
{
    const uint64_t current = core->safety.current.view;
    return view > current ? view - current <= VIEWS_EACH_WAY : current - view < VIEWS_EACH_WAY;
}

/* Where this vote is kept, or NULL: it is of no member of the current set. */
static struct witnessed *place_of(const struct core *core, const struct vote *vote)
{
    if (vote->epoch != core->safety.current.epoch || vote->voter >= core_set(core)->count) {
        return NULL;
    }
    return &core->witnessed[(size_t)vote->voter * INGOT_WITNESSED_VIEWS +
                            vote->view % INGOT_WITNESSED_VIEWS];
}

static bool is_of_its_view(const struct witnessed *place, const struct vote *vote)
{
    return place->is_there && place->vote.view == vote->view;
}

void witness_begin(struct core *core)
{
    free(core->witnessed);
    core->witnessed = alloc_zeroed((size_t)core_set(core)->count * INGOT_WITNESSED_VIEWS,
                                   sizeof *core->witnessed);
}

bool core_is_contradicted(const struct core *core, const struct vote *vote)
{
    const struct witnessed *place = place_of(core, vote);
    return place != NULL && is_of_its_view(place, vote) && !place->is_reported &&
           (!vote_same_choice(&place->vote, vote) || MUTANT(EVIDENCE_OF_NOTHING));
}

void witness_vote(struct core *core, const struct vote *vote)
{
    struct witnessed *place = place_of(core, vote);
    if (place == NULL) {
        return;
    }
    if (core_is_contradicted(core, vote) && !MUTANT(NO_EVIDENCE)) {
        /* Once: whoever signs a hundred choices must not fill the log with them. */
        place->is_reported = true;
        effect_evidence(core, &place->vote, vote);
    } else if (!is_of_its_view(place, vote) && (is_near(core, vote->view) || !place->is_there ||
                                                !is_near(core, place->vote.view))) {
        *place = (struct witnessed){.is_there = true, .vote = *vote};
    }
}

void witness_qc(struct core *core, const struct qc *qc)
{
    struct vote vote = {
        .epoch = qc->epoch, .view = qc->view, .block = qc->block, .phase = qc->phase};
    uint32_t next = 0;
    for (uint32_t i = 0; i < qc->validator_count && next < qc->signature_count; i++) {
        if (signers_has(&qc->signers, i)) {
            vote.voter = i;
            vote.signature = qc->signatures[next++];
            witness_vote(core, &vote);
        }
    }
}
