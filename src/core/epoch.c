/*
 * Entering an epoch: what a set-changing block's Commit QC does, and nothing else. The block is
 * committed by then, in the same durable step; with the old set go all votes and timeouts that
 * were collected from it, and what it was seen to vote for.
 */
#include <stdlib.h>

#include "base/alloc.h"
#include "core/state.h"

void epoch_add_set(struct core *core, struct validator_set *set)
{
    INGOT_ASSERT(set->epoch == core->set_count);
    core->sets = alloc_resize(core->sets, core->set_count + 1, sizeof(struct validator_set *));
    core->sets[core->set_count++] = validator_set_ref(set);
}

/*
 * Whoever enters says so once to everybody: half of the old set may have moved on while the other
 * half has not, or only members that have left may know that they have.
 */
void epoch_enter(struct core *core, struct qc *commit_qc)
{
    const struct position first = view_next(qc_position(commit_qc));
    INGOT_ASSERT(first.epoch + 1 == core->set_count);
    const uint32_t old_count = core_set(core)->count;
    for (uint32_t i = 0; i < old_count; i++) {
        message_unref(core->slots[i].timeout);
    }
    free(core->slots);
    view_enter(core, first, ENTRY_EPOCH);
    core->slots = alloc_zeroed(core_set(core)->count, sizeof *core->slots);
    witness_begin(core);
    struct message *message = message_new(MESSAGE_CERTIFICATE);
    message->certificate.qc = qc_ref(commit_qc);
    if (!MUTANT(EPOCH_NOT_TOLD)) {
        effect_broadcast(core, message);
    }
}
