/*
 * What the tests of verification start from. See verify_fixture.h.
 */
#include "lib/verify_fixture.h"

#include <stdlib.h>

struct validator_set *verify_fixture_find_set(void *context, uint64_t epoch)
{
    const struct verify_fixture *fixture = context;
    if (epoch >= fixture->epochs_known) {
        return NULL;
    }
    return epoch == 0 ? fixture->samples.set : epoch == 1 ? fixture->next.set : NULL;
}

int verify_fixture_set_up(void **state)
{
    struct verify_fixture *fixture = calloc(1, sizeof *fixture);
    if (fixture == NULL) {
        return -1;
    }
    fixture->epochs_known = 2;
    samples_init(&fixture->samples, &crypto_ed25519, 4, 0, 1);
    samples_init(&fixture->next, &crypto_ed25519, 4, 1, 1);
    fixture->next.set->first_view = epoch_first_view(8);
    samples_init(&fixture->others, &crypto_ed25519, 4, 0, 2);
    verifier_init(&fixture->verifier, &fixture->samples.chain, &crypto_ed25519,
                  verify_fixture_find_set, fixture);
    *state = fixture;
    return 0;
}

int verify_fixture_tear_down(void **state)
{
    struct verify_fixture *fixture = *state;
    samples_deinit(&fixture->samples);
    samples_deinit(&fixture->next);
    samples_deinit(&fixture->others);
    free(fixture);
    return 0;
}

struct qc *fixture_qc(const struct samples *samples, uint32_t who)
{
    const struct ingot_hash block = samples_hash(0xB1);
    return samples_qc(samples, who, 8, 8, &block, PHASE_GENERIC);
}

struct tc *fixture_tc(const struct verify_fixture *fixture, uint32_t who, uint64_t first_claim)
{
    return samples_tc(&fixture->samples, who, 12, first_claim,
                      fixture_qc(&fixture->samples, QUORUM));
}
