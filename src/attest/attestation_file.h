/*
 * *.attestation files: an attestation with, in later epochs, the changes of the validator set that
 * lead to the one it names, so that the genesis file is all that a verifier needs besides.
 */
#ifndef INGOT_ATTEST_ATTESTATION_FILE_H
#define INGOT_ATTEST_ATTESTATION_FILE_H

#include "attest/attestation.h"
#include "attest/set_proof.h"

/*
 * Appends the file's text, which ends with a line break. The changes of `proof`, which may be NULL,
 * go in if the attestation's epoch is above 0.
 */
void attestation_file_format(const struct attestation *attestation, const struct set_proof *proof,
                             struct ingot_buffer *text);

/*
 * Reads both parts; without changes the proof is empty. INGOT_OK, or INGOT_ERROR_INVALID with a
 * sentence in `why`, and both are empty. Nothing is verified here.
 */
INGOT_MUST_USE enum ingot_error attestation_file_parse(struct ingot_slice text,
                                                       struct attestation *attestation,
                                                       struct set_proof *proof, char *why,
                                                       size_t why_size);

/*
 * Does a quorum of the set of its epoch, which `proof` leads to from the genesis, stand behind the
 * attestation? That is set_proof_follow and attestation_verify, and that the chain's id is right.
 * The document is the caller's to compare.
 *
 * `set`, a reference for the caller, and `power`, of those who signed, are filled on INGOT_OK.
 * Otherwise INGOT_ERROR_NOT_FOUND (the proof ends before the epoch) or INGOT_ERROR_REJECTED, with a
 * sentence in `why`.
 */
INGOT_MUST_USE enum ingot_error attestation_file_verify(const struct attestation *attestation,
                                                        const struct set_proof *proof,
                                                        const struct genesis *genesis,
                                                        struct validator_set **set, uint64_t *power,
                                                        char *why, size_t why_size);

#endif
