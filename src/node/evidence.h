/*
 * Evidence as a value: its proof, and its bytes in a record of the store. What it says is in
 * include/ingot/app.h; src/core/witness.c finds it, the ledger keeps it (ledger_evidence.h).
 */
#ifndef INGOT_NODE_EVIDENCE_H
#define INGOT_NODE_EVIDENCE_H

#include <ingot/app.h>

#include "core/types.h"
#include "wire/crypto.h"

/*
 * Makes evidence of two votes of a member of `set`, which is that of their epoch, and proves it:
 * one voter, one position, two choices, both signatures. False: it is none, and is not filled.
 */
INGOT_MUST_USE bool evidence_make(const struct ingot_hash *chain, const struct validator_set *set,
                                  const struct crypto_scheme *scheme, uint32_t leader_tenure,
                                  const struct vote votes[2], struct ingot_evidence *evidence);

/* Is it proven by its own bytes? Whether the validator belongs to the set is not asked. */
INGOT_MUST_USE bool evidence_is_proven(const struct ingot_hash *chain,
                                       const struct crypto_scheme *scheme,
                                       const struct ingot_evidence *evidence);

/* `number`: how many were recorded before it. */
void evidence_encode(const struct ingot_evidence *evidence, uint64_t number,
                     struct ingot_buffer *content);
/* False for bytes that evidence_encode never makes. No signature is verified. */
INGOT_MUST_USE bool evidence_decode(struct ingot_slice content, struct ingot_evidence *evidence,
                                    uint64_t *number);

/* "generic", "prepare", "precommit", "commit". */
const char *evidence_phase_text(uint32_t phase);

#endif
