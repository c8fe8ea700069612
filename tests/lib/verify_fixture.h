/*
 * A verifier that knows a set of four in the epochs 0 and 1, with the means to sign for it, and
 * valid objects to spoil. With real ed25519. Power 1 each, so 3 of 4 are a quorum.
 */
#ifndef INGOT_TESTS_VERIFY_FIXTURE_H
#define INGOT_TESTS_VERIFY_FIXTURE_H

#include "lib/wire_samples.h"
#include "wire/verify.h"

#define QUORUM 0x7U

struct verify_fixture {
    struct samples samples; /* epoch 0 */
    struct samples next;    /* the same members in epoch 1, opened by a block of view 8 */
    struct samples others;  /* other keys, epoch 0, unknown to the verifier */
    uint64_t epochs_known;  /* 2; a test may lower it */
    struct verifier verifier;
};

/* For cmocka: *state becomes the fixture. */
int verify_fixture_set_up(void **state);
int verify_fixture_tear_down(void **state);
struct validator_set *verify_fixture_find_set(void *context, uint64_t epoch);

/* Of a block of view 8. */
struct qc *fixture_qc(const struct samples *samples, uint32_t who);
/* Of view 12; the first signer claims `first_claim`, the others 8, where the high QC stands. */
struct tc *fixture_tc(const struct verify_fixture *fixture, uint32_t who, uint64_t first_claim);

#define CHANGES_AT 2 /* the third block changes the set */
#define CHAIN_LENGTH 6

/*
 * An answer to a sync request: three blocks of epoch 0, of which the last changes the set, and
 * three of epoch 1.
 */
struct message *fixture_changing_chain(const struct verify_fixture *fixture);

#endif
