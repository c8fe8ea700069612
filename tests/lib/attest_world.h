/*
 * A chain as far as its attestations need one: a genesis, validator sets of several epochs with the
 * blocks and certificates that brought them in, and attestations signed by whom a test likes. All
 * with real ed25519, the same bytes in each run.
 *
 * Validator i of the world has power i + 1. The set of epoch e has the `member_count` validators
 * from number e on, so that with each change one leaves and one joins.
 */
#ifndef INGOT_TESTS_ATTEST_WORLD_H
#define INGOT_TESTS_ATTEST_WORLD_H

#include "attest/attestation_file.h"
#include "wire/preimage.h"

#define ATTEST_WORLD_VALIDATORS 16
#define ATTEST_WORLD_ALL UINT32_MAX

struct attest_world {
    struct genesis genesis;
    uint32_t member_count;
    uint64_t epochs; /* how often the set changed */
    struct ingot_public_key keys[ATTEST_WORLD_VALIDATORS];
    struct crypto_secret_key secrets[ATTEST_WORLD_VALIDATORS];
    struct validator_set *sets[ATTEST_WORLD_VALIDATORS]; /* of the epochs */
    struct set_proof proof;                              /* of all of them */
};

/* `name` is the chain's id, and another name makes other keys. At most ATTEST_WORLD_VALIDATORS
 * validators altogether. */
void attest_world_init(struct attest_world *world, const char *name, uint32_t member_count,
                       uint64_t epochs);
void attest_world_deinit(struct attest_world *world);

/*
 * The change that ends `epoch` from one set to another, which is put into epoch + 1; its Commit QC
 * is signed by the members whose bits are in `who`, by their place in the set.
 */
struct set_change attest_world_change(const struct attest_world *world, uint64_t epoch,
                                      const struct validator_set *next, uint32_t who);
/* A set of the world's validators from number `first` on; a reference for the caller. */
struct validator_set *attest_world_set(const struct attest_world *world, uint64_t epoch,
                                       uint32_t first, uint32_t count);

/*
 * A statement about the payload in a block of height 12: its id is the SHA-256 of the digest. As
 * an attestation it is signed by the members in `who`, by their place in the set of the epoch. The
 * payload is not in it.
 */
struct statement attest_world_statement(const struct attest_world *world, uint64_t epoch,
                                        struct ingot_slice payload);
void attest_world_attest(const struct attest_world *world, uint64_t epoch,
                         struct ingot_slice payload, uint32_t who, struct attestation *attestation);
/* What validator `number` of the world says. */
struct attestation_signer attest_world_sign(const struct attest_world *world, uint32_t number,
                                            const struct statement *statement);
/* The number of the member at a place of the set of an epoch. */
uint32_t attest_world_number(const struct attest_world *world, uint64_t epoch, uint32_t place);

#endif
