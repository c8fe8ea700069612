/*
 * The evidence that the ledger keeps, in the order in which it was recorded, and how much of it the
 * App has been shown. All of it is in memory too: its number is bounded, for each validator and in
 * all, since a Byzantine one can make more in every view. Nothing that is kept is ever replaced.
 */
#ifndef INGOT_NODE_LEDGER_EVIDENCE_H
#define INGOT_NODE_LEDGER_EVIDENCE_H

#include <ingot/app.h>

#include "node/ledger.h"

enum ledger_evidence_taken {
    LEDGER_EVIDENCE_NEW,
    LEDGER_EVIDENCE_KNOWN, /* of this validator in this position there is some already */
    LEDGER_EVIDENCE_FULL   /* INGOT_EVIDENCE_PER_VALIDATOR_MAX or INGOT_EVIDENCE_MAX is reached */
};

/* Into the open batch, if it is new. Its proof is the caller's to check. */
enum ledger_evidence_taken ledger_put_evidence(struct ledger *ledger,
                                               const struct ingot_evidence *evidence);

/* All that is durable, the first recorded first. Borrowed until the next ledger_put_evidence. */
const struct ingot_evidence *ledger_evidence(const struct ledger *ledger, uint32_t *count);
/* The part of it that the App has not been shown. */
const struct ingot_evidence *ledger_fresh_evidence(const struct ledger *ledger, uint32_t *count);
/* The App has been shown the first `count` of those: into the open batch. */
void ledger_show_evidence(struct ledger *ledger, uint32_t count);

/*
 * For a replica that stops because safety is broken: makes durable what evidence the open batch
 * has, and drops the rest of that batch, which must never become durable. The ledger takes no
 * further change. INGOT_OK, or an error of ingot_store_batch_commit.
 */
INGOT_MUST_USE enum ingot_error ledger_keep_evidence_alone(struct ledger *ledger);

#endif
