/*
 * The readers of attestations and of proofs of validator sets on arbitrary bytes. What is accepted
 * must, written out and read again, be the same; what is refused must come with a reason, and
 * judging it must be safe whatever it says.
 */
#include <string.h>

#include "fuzz/fuzz.h"
#include "lib/attest_world.h"

/* That of tests/process/make_attestation.c, so that the seeds get through to the end. */
static struct attest_world world;
static char why[1024];

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc;
    (void)argv;
    require(crypto_init());
    attest_world_init(&world, "chain", 4, 1);
    return 0;
}

static bool has_reason(void)
{
    return why[0] != '\0' && strlen(why) < sizeof why - 1;
}

static void judge(const struct attestation *attestation, const struct set_proof *proof)
{
    struct validator_set *set = NULL;
    uint64_t power = 0;
    why[0] = '\0';
    const enum ingot_error error =
        attestation_file_verify(attestation, proof, &world.genesis, &set, &power, why, sizeof why);
    require(error == INGOT_OK ? power >= set->quorum_power : set == NULL && has_reason());
    validator_set_unref(set);
}

static bool same_statement(const struct statement *a, const struct statement *b)
{
    uint8_t first[STATEMENT_PREIMAGE_BYTES];
    uint8_t second[STATEMENT_PREIMAGE_BYTES];
    statement_preimage(a, first);
    statement_preimage(b, second);
    return memcmp(first, second, sizeof first) == 0;
}

static void read_attestation(struct ingot_slice text)
{
    struct attestation attestation;
    struct attestation again;
    struct set_proof proof;
    struct set_proof proof_again;
    struct ingot_buffer first = {0};
    struct ingot_buffer second = {0};
    why[0] = '\0';
    if (attestation_file_parse(text, &attestation, &proof, why, sizeof why) != INGOT_OK) {
        require(has_reason() && attestation.signers == NULL && proof.changes == NULL);
        return;
    }
    attestation_file_format(&attestation, &proof, &first);
    /* One line of ASCII, whatever was read. */
    for (size_t i = 0; i + 1 < first.size; i++)
        require(first.data[i] >= ' ' && first.data[i] <= '~');
    require(attestation_file_parse(ingot_buffer_slice(&first), &again, &proof_again, why,
                                   sizeof why) == INGOT_OK);
    attestation_file_format(&again, &proof_again, &second);
    require(ingot_slice_equal(ingot_buffer_slice(&first), ingot_buffer_slice(&second)));
    require(same_statement(&attestation.statement, &again.statement));
    judge(&attestation, &proof);
    ingot_buffer_deinit(&first);
    ingot_buffer_deinit(&second);
    attestation_deinit(&attestation);
    attestation_deinit(&again);
    set_proof_deinit(&proof);
    set_proof_deinit(&proof_again);
}

static void read_proof(struct ingot_slice text)
{
    struct set_proof proof;
    struct set_proof again;
    struct ingot_buffer json = {0};
    struct validator_set *set = NULL;
    why[0] = '\0';
    if (set_proof_parse(text, NULL, &proof, why, sizeof why) != INGOT_OK) {
        require(has_reason() && proof.changes == NULL);
        return;
    }
    set_proof_format(&proof, world.genesis.sha256, &json);
    require(set_proof_parse(ingot_buffer_slice(&json), world.genesis.sha256, &again, why,
                            sizeof why) == INGOT_OK);
    require(again.change_count == proof.change_count && again.first_epoch == proof.first_epoch);
    if (set_proof_follow(&proof, &world.genesis, proof.change_count, &set, why, sizeof why) ==
        INGOT_OK)
        require(set->epoch == proof.change_count);
    validator_set_unref(set);
    ingot_buffer_deinit(&json);
    set_proof_deinit(&proof);
    set_proof_deinit(&again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct ingot_slice text = ingot_slice_of(data, size);
    read_attestation(text);
    read_proof(text);
    return 0;
}
