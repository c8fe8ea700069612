/*
 * Quorum and timeout certificates as values: their life and their positions. Forming them is
 * collect.c and timeout.c, using them certify.c, verifying them src/wire.
 */
#include <stdlib.h>

#include "base/alloc.h"
#include "base/mutant.h"
#include "core/types.h"

struct qc *qc_new(uint32_t signature_count)
{
    struct qc *qc =
        alloc_zeroed(1, sizeof *qc + (size_t)signature_count * sizeof qc->signatures[0]);
    qc->references = 1;
    qc->signature_count = signature_count;
    return qc;
}

struct qc *qc_ref(struct qc *qc)
{
    qc->references++;
    return qc;
}

void qc_unref(struct qc *qc)
{
    if (qc != NULL && --qc->references == 0) {
        free(qc);
    }
}

bool qc_is_genesis(const struct qc *qc)
{
    return qc->epoch == 0 && qc->view == 0;
}

struct position qc_position(const struct qc *qc)
{
    if (qc->phase == PHASE_COMMIT && MUTANT(COMMIT_AT_OWN_VIEW)) {
        return (struct position){qc->epoch + 1, qc->view};
    }
    if (qc->phase == PHASE_COMMIT) {
        return (struct position){qc->epoch + 1, epoch_first_view(qc->block_view) - 1};
    }
    return (struct position){qc->epoch, qc->view};
}

/* Past the three views that the block's phases take when none of them fails. */
uint64_t epoch_first_view(uint64_t block_view)
{
    return block_view + 3;
}

enum phase nudge_phase(const struct qc *justify, uint64_t view)
{
    if (justify->view + 1 == view && justify->phase == PHASE_PREPARE) {
        return PHASE_PRECOMMIT;
    }
    if ((justify->view + 1 == view || MUTANT(COMMIT_WITHOUT_PRECOMMIT)) &&
        justify->phase == PHASE_PRECOMMIT) {
        return PHASE_COMMIT;
    }
    return PHASE_PREPARE;
}

struct tc *tc_new(uint32_t claim_count)
{
    struct tc *tc = alloc_zeroed(1, sizeof *tc + (size_t)claim_count * sizeof tc->claims[0]);
    tc->references = 1;
    tc->claim_count = claim_count;
    return tc;
}

struct tc *tc_ref(struct tc *tc)
{
    tc->references++;
    return tc;
}

void tc_unref(struct tc *tc)
{
    if (tc != NULL && --tc->references == 0) {
        qc_unref(tc->high_qc);
        free(tc);
    }
}
