/*
 * The bodies of attestation_file.h.
 */
#include "attest/attestation_file.h"

#include <stdio.h>
#include <string.h>

#include "attest/internal.h"
#include "base/assert.h"

void attestation_file_format(const struct attestation *attestation, const struct set_proof *proof,
                             struct ingot_buffer *text)
{
    attestation_format(attestation, text);
    if (attestation->epoch > 0 && proof != NULL && proof->change_count > 0) {
        INGOT_ASSERT(text->data[text->size - 1] == '}');
        text->size--;
        ingot_buffer_format(text, ",\"set_changes\":");
        set_proof_append_changes(proof, text);
        ingot_buffer_append_u8(text, '}');
    }
    ingot_buffer_append_u8(text, '\n');
}

static bool read_changes(const struct attest_json *json, const struct attestation *attestation,
                         struct set_proof *proof)
{
    if (json_object_get(json->object, "set_changes") == NULL)
        return true;
    if (attestation->epoch == 0)
        return attest_json_fail(json, "set_changes", "expected none in epoch 0");
    return set_proof_read_changes(json, proof);
}

enum ingot_error attestation_file_parse(struct ingot_slice text, struct attestation *attestation,
                                        struct set_proof *proof, char *why, size_t why_size)
{
    struct attest_json root;
    *proof = (struct set_proof){0};
    *attestation = (struct attestation){0};
    if (!attest_json_begin(text, SET_PROOF_JSON_BYTES_MAX, &root, why, why_size))
        return INGOT_ERROR_INVALID;
    const bool is_read =
        attestation_read(&root, attestation) && read_changes(&root, attestation, proof);
    json_decref(root.object);
    if (is_read)
        return INGOT_OK;
    attestation_deinit(attestation);
    set_proof_deinit(proof);
    return INGOT_ERROR_INVALID;
}

enum ingot_error attestation_file_verify(const struct attestation *attestation,
                                         const struct set_proof *proof,
                                         const struct genesis *genesis, struct validator_set **set,
                                         uint64_t *power, char *why, size_t why_size)
{
    *set = NULL;
    /* Before the sets: those of another chain would only confuse. */
    if (!attestation_check_genesis(attestation, genesis->sha256, why, why_size))
        return INGOT_ERROR_REJECTED;
    if (strcmp(attestation->chain_id, genesis->chain_id) != 0) {
        (void)snprintf(why, why_size, "it says that it is of chain %s, the genesis is that of %s",
                       attestation->chain_id, genesis->chain_id);
        return INGOT_ERROR_REJECTED;
    }
    enum ingot_error error =
        set_proof_follow(proof, genesis, attestation->epoch, set, why, why_size);
    if (error == INGOT_OK)
        error = attestation_verify(attestation, genesis->sha256, *set, power, why, why_size);
    if (error != INGOT_OK) {
        validator_set_unref(*set);
        *set = NULL;
    }
    return error;
}
