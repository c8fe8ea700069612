/**
 * Plain values that applications, stores and embedders share with the node.
 */
#ifndef INGOT_TYPES_H
#define INGOT_TYPES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <ingot/bytes.h>
#include <ingot/error.h>
#include <ingot/limits.h>

#ifdef __cplusplus
extern "C" {
#endif

#define INGOT_HASH_BYTES 32
#define INGOT_PUBLIC_KEY_BYTES 32
#define INGOT_SIGNATURE_BYTES 64
#define INGOT_ADDRESS_BYTES 20

/** A BLAKE2b-256 digest (RFC 7693). */
struct ingot_hash {
    uint8_t bytes[INGOT_HASH_BYTES];
};

/** An ed25519 public key (RFC 8032). */
struct ingot_public_key {
    uint8_t bytes[INGOT_PUBLIC_KEY_BYTES];
};

/** An ed25519 signature (RFC 8032). */
struct ingot_signature {
    uint8_t bytes[INGOT_SIGNATURE_BYTES];
};

/** A member of a validator set. */
struct ingot_validator {
    struct ingot_public_key key;
    uint64_t power; /* at least 1 */
};

/**
 * Power that a set of votes must reach to certify a block: floor(2P/3) + 1.
 *
 * @total_power  power of the whole validator set, 1 to INGOT_TOTAL_POWER_MAX.
 *
 * Two quorums of one set share an honest validator as long as less than a
 * third of the power is faulty (Yin et al., PODC 2019, section 4).
 */
INGOT_API uint64_t ingot_quorum_power(uint64_t total_power);

/**
 * Power that holds at least one honest validator: floor((P-1)/3) + 1.
 *
 * @total_power  power of the whole validator set, 1 to INGOT_TOTAL_POWER_MAX.
 */
INGOT_API uint64_t ingot_one_honest_power(uint64_t total_power);

/** What an App and a client may know of a block. Slices are borrowed for the call. */
struct ingot_block_info {
    uint64_t height;
    uint64_t view;
    uint64_t epoch;
    uint64_t time_ms;       /* milliseconds since 1970-01-01 UTC, never before the parent's */
    struct ingot_hash hash; /* all zero while a block is being proposed */
    struct ingot_hash parent;
    struct ingot_public_key proposer;
};

#ifdef __cplusplus
}
#endif
#endif
