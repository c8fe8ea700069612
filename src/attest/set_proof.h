/*
 * How a validator set follows from the genesis file alone: for each change of the set, in order,
 * the header of the block that made it, the Commit QC that its own set gave it, and the members of
 * the next set, which the header names by hash. docs/attestation.md has the JSON.
 */
#ifndef INGOT_ATTEST_SET_PROOF_H
#define INGOT_ATTEST_SET_PROOF_H

#include "attest/statement.h"
#include "config/genesis.h"

#define SET_PROOF_TYPE "ingot/validator-sets/1"
#define SET_PROOF_JSON_BYTES_MAX (64 * 1024 * 1024)

/* One change: the block of `epoch` that opens epoch + 1. Everything is owned. */
struct set_change {
    struct block *header; /* with no payload; `transactions_root` stands for it */
    struct qc *commit_qc;
    struct validator_set *next_set;
};

/* All zero is fine. */
void set_change_deinit(struct set_change *change);

struct set_proof {
    uint64_t first_epoch; /* that changes[0] belongs to; the others follow without gaps */
    uint32_t change_count;
    struct set_change *changes;
};

/* All zero is fine. */
void set_proof_deinit(struct set_proof *proof);

/* Adds a change behind the others; takes over what it owns. */
void set_proof_add(struct set_proof *proof, struct set_change change);

/*
 * Moves the changes of `more`, a later part of the same chain of changes, behind those of `proof`.
 * False, and no change, if they do not follow them; then or in any case `more` is to be
 * deinitialised.
 */
INGOT_MUST_USE bool set_proof_extend(struct set_proof *proof, struct set_proof *more);

/* Drops all changes but the first `count`. */
void set_proof_truncate(struct set_proof *proof, uint64_t count);

/* Appends the JSON object {"type", "genesis", "set_changes": [...]} without a line break. */
void set_proof_format(const struct set_proof *proof, const uint8_t genesis_sha256[32],
                      struct ingot_buffer *json);

/*
 * Reads what set_proof_format writes. INGOT_OK, or INGOT_ERROR_INVALID with a sentence in `why`,
 * and the proof is empty.
 *
 * @genesis_sha256  of the chain that it must be of, or NULL.
 */
INGOT_MUST_USE enum ingot_error set_proof_parse(struct ingot_slice json,
                                                const uint8_t genesis_sha256[32],
                                                struct set_proof *proof, char *why,
                                                size_t why_size);

/*
 * Follows the changes from the genesis set to that of `epoch`, checking each header's hash, chain
 * and sets and each certificate.
 *
 * `set`: on INGOT_OK the set, a reference for the caller. INGOT_ERROR_NOT_FOUND: the proof ends
 * before this epoch; INGOT_ERROR_REJECTED: it does not hold; with a sentence in `why`.
 */
INGOT_MUST_USE enum ingot_error set_proof_follow(const struct set_proof *proof,
                                                 const struct genesis *genesis, uint64_t epoch,
                                                 struct validator_set **set, char *why,
                                                 size_t why_size);

#endif
