/*
 * Proofs of validator sets out of a node's own data, for those who have the genesis file only.
 */
#ifndef INGOT_NODE_SET_PROOF_LEDGER_H
#define INGOT_NODE_SET_PROOF_LEDGER_H

#include "attest/set_proof.h"
#include "node/ledger.h"

/*
 * The committed changes of the set from that of `first_epoch` on, as of the last ledger_sync: as
 * many as there are, or as fit `bytes_max` of JSON, but at least one. Whoever wants more asks again
 * with the epoch behind the last.
 *
 * Returns INGOT_OK; INGOT_ERROR_NOT_FOUND when the set of `first_epoch` has not been changed, or
 * when this node does not have the certificate of its change yet: that comes with the next block;
 * INGOT_ERROR_IO, _CORRUPT.
 */
INGOT_MUST_USE enum ingot_error ledger_set_proof(struct ledger *ledger, uint64_t first_epoch,
                                                 size_t bytes_max, struct set_proof *proof);

#endif
