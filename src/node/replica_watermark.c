/*
 * A replica on a copy of a validator's data: feeds the rule of watermark.h with what the channels
 * show and what is committed, keeps its record, and tells the core when signing is allowed again.
 *
 * What a crash finds: before the watermark is durable, a start looks for it anew; after, it waits
 * for the same one. The record goes in the batch that commits the block above the watermark and
 * raises the last vote to it, so nothing that is signed later can be sent before both are durable.
 */
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/log.h"
#include "node/ledger_watermark.h"
#include "node/replica_state.h"

enum ingot_error signing_open(struct replica *replica, char *why, size_t why_size)
{
    struct ledger_withheld withheld;
    const enum ingot_error error = ledger_read_withheld(replica->ledger, &withheld, why, why_size);
    if (error != INGOT_OK || !withheld.is_withheld) {
        return error;
    }
    replica->watermark = alloc_zeroed(1, sizeof *replica->watermark);
    watermark_init(replica->watermark, replica->options.leader_tenure,
                   withheld.has_mark ? &withheld.mark : NULL);
    if (withheld.has_mark) {
        LOG(LOG_WARN,
            "signing is withheld: this data is a copy, and the chain has not passed its watermark",
            log_u64("epoch", withheld.mark.epoch), log_u64("view", withheld.mark.view));
    } else {
        LOG(LOG_WARN,
            "signing is withheld: this data is a copy, and its watermark is not known yet",
            log_u64("height", ledger_committed_height(replica->ledger)));
    }
    return INGOT_OK;
}

void signing_heard(struct replica *replica, uint32_t peer, const struct qc *qc)
{
    const struct replica_peer *entry = &replica->peers[peer];
    if (replica->watermark != NULL && entry->has_key) {
        watermark_heard(replica->watermark, &entry->key, qc_position(qc));
    }
}

void signing_look(struct replica *replica)
{
    struct core_status status;
    struct watermark *watermark = replica->watermark;
    if (watermark == NULL || watermark->has_mark) {
        return;
    }
    core_get_status(replica->core, &status);
    const struct block *block = core_find_block(replica->core, &status.high_qc->block);
    const struct validator_set *set = core_find_set(replica->core, status.high_qc->epoch);
    INGOT_ASSERT(block != NULL);
    INGOT_ASSERT(set != NULL);
    if (!watermark_certified(watermark, set, status.high_qc, block)) {
        return;
    }
    ledger_put_withheld(
        replica->ledger,
        &(struct ledger_withheld){.is_withheld = true, .has_mark = true, .mark = watermark->mark});
    LOG(LOG_INFO, "the watermark is known: signing is withheld until a block above it is committed",
        log_u64("epoch", watermark->mark.epoch), log_u64("view", watermark->mark.view));
}

void signing_committed(struct replica *replica, const struct block *block)
{
    if (replica->watermark == NULL ||
        !watermark_is_passed(replica->watermark, block_position(block))) {
        return;
    }
    struct core_event event = {.kind = CORE_ALLOW_SIGNING, .position = replica->watermark->mark};
    ledger_put_withheld(replica->ledger, &(struct ledger_withheld){0});
    free(replica->watermark);
    replica->watermark = NULL;
    LOG(LOG_INFO, "signing is allowed again: the chain has passed the watermark",
        log_u64("height", block->height), log_u64("view", block->view));
    (void)replica_step(replica, &event);
}
