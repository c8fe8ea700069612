/*
 * What the tests of verification start from. See verify_fixture.h.
 */
#include "lib/verify_fixture.h"

#include <stdlib.h>

#include "base/alloc.h"

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

struct message *fixture_changing_chain(const struct verify_fixture *fixture)
{
    struct message *message = message_new(MESSAGE_SYNC_RESPONSE);
    struct sync_response *response = &message->sync_response;
    response->block_count = CHAIN_LENGTH;
    response->blocks = alloc_zeroed(CHAIN_LENGTH, sizeof *response->blocks);
    const struct samples *samples = &fixture->samples;
    struct qc *justify = wire_genesis_qc(&samples->chain);
    for (uint32_t i = 0; i < CHAIN_LENGTH; i++) {
        const uint64_t view =
            i == 0 ? 6 : qc_position(justify).view + 1; /* the third is of view 8 */
        struct block *block = samples_block(samples, justify, i + 1, view, 1, 40);
        response->blocks[i] = block;
        if (i == CHANGES_AT) {
            block->next_validators_hash = fixture->next.set->hash;
            wire_seal_block(block);
            justify = samples_qc(samples, QUORUM, view + 4, view, &block->hash, PHASE_COMMIT);
            samples = &fixture->next;
        } else {
            justify = samples_qc(samples, QUORUM, view, view, &block->hash, PHASE_GENERIC);
        }
    }
    response->tail_qc = justify;
    return message;
}
