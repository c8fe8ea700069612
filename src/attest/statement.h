/*
 * What a validator signs in an attestation. docs/attestation.md gives the layout as a table of
 * offsets; everything in it is SHA-256, ed25519 and little-endian integers, so that any language's
 * standard library can check it.
 */
#ifndef INGOT_ATTEST_STATEMENT_H
#define INGOT_ATTEST_STATEMENT_H

#include "core/types.h"

#define STATEMENT_TAG "ingot/attest/1"
#define STATEMENT_SET_TAG "ingot/attest-set/1"
#define STATEMENT_ID_BYTES_MAX 64
#define STATEMENT_PREIMAGE_BYTES 201

/* Names what is attested within a chain: of a transaction its digest (32 bytes), of a broadcast
 * what its originator chose. */
struct statement_id {
    uint8_t size;                          /* 1 to STATEMENT_ID_BYTES_MAX */
    uint8_t bytes[STATEMENT_ID_BYTES_MAX]; /* zeros behind `size` */
};

struct statement {
    uint8_t genesis[32]; /* SHA-256 of the canonical genesis: the chain */
    uint8_t set[32];     /* statement_set_hash of the validators that sign */
    struct statement_id id;
    uint8_t digest[32]; /* SHA-256 of the document or payload */
    uint64_t height;    /* of the block; 0 where there are no blocks */
    uint64_t time_ms;   /* of the block; 0 where there are no blocks */
};

/* SHA-256 of the tag (24 bytes, filled up with zeros), u64 epoch, u32 count, and for each member,
 * in order of key, 32 bytes key and u64 power. */
void statement_set_hash(const struct validator_set *set, uint8_t hash[32]);

void statement_preimage(const struct statement *statement,
                        uint8_t preimage[STATEMENT_PREIMAGE_BYTES]);

/* 1 to STATEMENT_ID_BYTES_MAX bytes; false otherwise. */
bool statement_id_from(struct ingot_slice bytes, struct statement_id *id);

#endif
