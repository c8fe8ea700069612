/*
 * What the files of this module share: the parts of *.attestation files.
 */
#ifndef INGOT_ATTEST_INTERNAL_H
#define INGOT_ATTEST_INTERNAL_H

#include "attest/attestation.h"
#include "attest/json.h"
#include "attest/set_proof.h"

/* Into an empty one. False with a sentence; it is to be deinitialised in any case. So below. */
bool attestation_read(const struct attest_json *json, struct attestation *attestation);
/* Is it of this chain? */
bool attestation_check_genesis(const struct attestation *attestation,
                               const uint8_t genesis_sha256[32], char *why, size_t why_size);

/* The array of changes. */
void set_proof_append_changes(const struct set_proof *proof, struct ingot_buffer *json);
/* Reads the member "set_changes". */
bool set_proof_read_changes(const struct attest_json *json, struct set_proof *proof);

#endif
