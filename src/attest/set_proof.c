/*
 * Proofs of validator sets as values and as JSON. Whether one holds is set_proof_follow.c's
 * business.
 */
#include "attest/set_proof.h"

#include <stdlib.h>

#include "attest/internal.h"
#include "base/alloc.h"
#include "base/assert.h"
#include "base/hex.h"
#include "config/base64.h"
#include "wire/wire.h"

void set_change_deinit(struct set_change *change)
{
    block_unref(change->header);
    qc_unref(change->commit_qc);
    validator_set_unref(change->next_set);
    *change = (struct set_change){0};
}

void set_proof_deinit(struct set_proof *proof)
{
    for (uint32_t i = 0; i < proof->change_count; i++)
        set_change_deinit(&proof->changes[i]);
    free(proof->changes);
    *proof = (struct set_proof){0};
}

void set_proof_add(struct set_proof *proof, struct set_change change)
{
    if (proof->change_count == 0)
        proof->first_epoch = block_epoch(change.header);
    INGOT_ASSERT(block_epoch(change.header) == proof->first_epoch + proof->change_count);
    proof->changes = alloc_resize(proof->changes, proof->change_count + 1, sizeof *proof->changes);
    proof->changes[proof->change_count++] = change;
}

bool set_proof_extend(struct set_proof *proof, struct set_proof *more)
{
    if (proof->change_count > 0 && more->change_count > 0 &&
        more->first_epoch != proof->first_epoch + proof->change_count)
        return false;
    for (uint32_t i = 0; i < more->change_count; i++)
        set_proof_add(proof, more->changes[i]);
    more->change_count = 0;
    return true;
}

void set_proof_truncate(struct set_proof *proof, uint64_t count)
{
    while (proof->change_count > count)
        set_change_deinit(&proof->changes[--proof->change_count]);
}

/* --- Writing. --- */

static void append_member(struct ingot_buffer *json, const char *before, struct ingot_buffer *bytes)
{
    ingot_buffer_format(json, "%s\"", before);
    base64_append(json, ingot_buffer_slice(bytes));
    ingot_buffer_append_u8(json, '"');
    ingot_buffer_clear(bytes);
}

void set_proof_append_changes(const struct set_proof *proof, struct ingot_buffer *json)
{
    struct ingot_buffer bytes = {0};
    ingot_buffer_append_u8(json, '[');
    for (uint32_t i = 0; i < proof->change_count; i++) {
        const struct set_change *change = &proof->changes[i];
        wire_encode_header(change->header, &bytes);
        append_member(json, i == 0 ? "{\"header\":" : ",{\"header\":", &bytes);
        wire_encode_qc(change->commit_qc, &bytes);
        append_member(json, ",\"commit_qc\":", &bytes);
        wire_encode_validator_set(change->next_set, &bytes);
        append_member(json, ",\"next_set\":", &bytes);
        ingot_buffer_append_u8(json, '}');
    }
    ingot_buffer_append_u8(json, ']');
    ingot_buffer_deinit(&bytes);
}

void set_proof_format(const struct set_proof *proof, const uint8_t genesis_sha256[32],
                      struct ingot_buffer *json)
{
    char genesis[65];
    hex_encode_lower(genesis_sha256, 32, genesis);
    ingot_buffer_format(
        json, "{\"type\":\"" SET_PROOF_TYPE "\",\"genesis\":\"%s\",\"set_changes\":", genesis);
    set_proof_append_changes(proof, json);
    ingot_buffer_append_u8(json, '}');
}

/* --- Reading. --- */

static bool fail_decode(const struct attest_json *json, const char *name, enum reject reject)
{
    return attest_json_fail(json, name, "does not decode: %s", reject_text(reject));
}

/* On failure the caller frees what has been filled in. */
static bool read_change(const struct attest_json *json, struct set_change *change)
{
    static const char *const known[] = {"header", "commit_qc", "next_set", NULL};
    struct ingot_buffer header = {0};
    struct ingot_buffer qc = {0};
    struct ingot_buffer set = {0};
    bool is_read = attest_json_known(json, known) && attest_json_base64(json, "header", &header) &&
                   attest_json_base64(json, "commit_qc", &qc) &&
                   attest_json_base64(json, "next_set", &set);
    if (is_read) {
        enum reject reject = wire_decode_header(ingot_buffer_slice(&header), &change->header);
        is_read = reject == REJECT_NONE || fail_decode(json, "header", reject);
    }
    if (is_read) {
        enum reject reject = wire_decode_qc(ingot_buffer_slice(&qc), &change->commit_qc);
        is_read = reject == REJECT_NONE || fail_decode(json, "commit_qc", reject);
    }
    if (is_read) {
        enum reject reject = wire_decode_validator_set(ingot_buffer_slice(&set), &change->next_set);
        is_read = reject == REJECT_NONE || fail_decode(json, "next_set", reject);
    }
    ingot_buffer_deinit(&header);
    ingot_buffer_deinit(&qc);
    ingot_buffer_deinit(&set);
    return is_read;
}

bool set_proof_read_changes(const struct attest_json *json, struct set_proof *proof)
{
    json_t *array;
    if (!attest_json_array(json, "set_changes", UINT32_MAX, &array))
        return false;
    for (size_t i = 0; i < json_array_size(array); i++) {
        struct attest_json element;
        struct set_change change = {0};
        if (!attest_json_element(json, "set_changes", array, i, &element))
            return false;
        bool is_next = read_change(&element, &change);
        if (is_next && proof->change_count > 0) {
            const uint64_t epoch = proof->first_epoch + proof->change_count;
            is_next = block_epoch(change.header) == epoch ||
                      attest_json_fail(&element, "header",
                                       "expected the block that changes the set of epoch %llu, "
                                       "found one of epoch %llu",
                                       (unsigned long long)epoch,
                                       (unsigned long long)block_epoch(change.header));
        }
        if (!is_next) {
            set_change_deinit(&change);
            return false;
        }
        set_proof_add(proof, change);
    }
    return true;
}

static bool read_proof(const struct attest_json *json, const uint8_t *genesis_sha256,
                       struct set_proof *proof)
{
    static const char *const known[] = {"type", "genesis", "set_changes", NULL};
    uint8_t genesis[32];
    if (!attest_json_is(json, "type", SET_PROOF_TYPE) || !attest_json_known(json, known) ||
        !attest_json_hex(json, "genesis", genesis, sizeof genesis))
        return false;
    if (genesis_sha256 != NULL &&
        !ingot_slice_equal(ingot_slice_of(genesis, 32), ingot_slice_of(genesis_sha256, 32)))
        return attest_json_fail(json, "genesis", "it is of another chain");
    return set_proof_read_changes(json, proof);
}

enum ingot_error set_proof_parse(struct ingot_slice json, const uint8_t genesis_sha256[32],
                                 struct set_proof *proof, char *why, size_t why_size)
{
    struct attest_json root;
    *proof = (struct set_proof){0};
    if (!attest_json_begin(json, SET_PROOF_JSON_BYTES_MAX, &root, why, why_size))
        return INGOT_ERROR_INVALID;
    const bool is_read = read_proof(&root, genesis_sha256, proof);
    json_decref(root.object);
    if (is_read)
        return INGOT_OK;
    set_proof_deinit(proof);
    return INGOT_ERROR_INVALID;
}
