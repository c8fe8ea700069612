/*
 * An attestation: a statement with the signatures of a quorum of a validator set. As text it is one
 * line of JSON, the same in the signatures file, in answers to clients and in *.attestation files;
 * docs/attestation.md describes it.
 */
#ifndef INGOT_ATTEST_ATTESTATION_H
#define INGOT_ATTEST_ATTESTATION_H

#include "attest/statement.h"

#define ATTESTATION_TYPE "ingot/attestation/1"
/* Of a line without its line break. */
#define ATTESTATION_JSON_BYTES_MAX (4 * 1024 * 1024)
#define ATTESTATION_PAYLOAD_BYTES_MAX (2 * 1024 * 1024)

struct attestation_signer {
    struct ingot_public_key key;
    uint64_t power;
    struct ingot_signature signature;
};

struct attestation {
    char chain_id[INGOT_CHAIN_ID_BYTES_MAX + 1];
    uint64_t epoch;
    struct statement statement;
    bool has_payload;            /* else only the digest is known */
    struct ingot_buffer payload; /* owned; at most ATTESTATION_PAYLOAD_BYTES_MAX */
    uint32_t signer_count;
    struct attestation_signer *signers; /* owned; in the set's order */
};

/* All zero is fine; everything owned is freed. */
void attestation_deinit(struct attestation *attestation);

/* Appends the line, without a line break. All of it is printable ASCII, whatever the payload and
 * the id have, so nothing in them can begin another line or another member. */
void attestation_format(const struct attestation *attestation, struct ingot_buffer *line);

/*
 * Reads one back, strictly: unknown members, other types, wrong lengths and values out of range are
 * refused with a sentence in `why`. A member "set_changes" is skipped: it is set_proof.h's. Nothing
 * is verified here.
 *
 * Returns INGOT_OK, or INGOT_ERROR_INVALID and leaves `attestation` empty.
 */
INGOT_MUST_USE enum ingot_error attestation_parse(struct ingot_slice json,
                                                  struct attestation *attestation, char *why,
                                                  size_t why_size);

/*
 * Does a quorum of `set` stand behind it? The statement names `genesis` and the set; each signer is
 * a member with the power that the set says, there once; every signature verifies (surplus
 * included); their power reaches the quorum; a payload that is there has the digest.
 *
 * `power`: of those who signed. INGOT_OK, or INGOT_ERROR_REJECTED with a sentence in `why`.
 */
INGOT_MUST_USE enum ingot_error attestation_verify(const struct attestation *attestation,
                                                   const uint8_t genesis_sha256[32],
                                                   const struct validator_set *set, uint64_t *power,
                                                   char *why, size_t why_size);

#endif
