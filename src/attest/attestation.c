/*
 * Attestations as JSON and back. Whether one holds is attestation_verify.c's business.
 */
#include "attest/attestation.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "attest/internal.h"
#include "base/alloc.h"
#include "base/assert.h"
#include "base/hex.h"
#include "config/base64.h"
#include "config/genesis.h"
#include "config/rfc3339.h"
#include "wire/wire.h"

/* What a signer, and all of the rest but the payload, takes at most. */
#define SIGNER_JSON_BYTES 300
#define FIXED_JSON_BYTES 1024

static_assert(ATTESTATION_PAYLOAD_BYTES_MAX / 3 * 4 + INGOT_VALIDATORS_MAX * SIGNER_JSON_BYTES +
                      FIXED_JSON_BYTES <
                  ATTESTATION_JSON_BYTES_MAX,
              "every attestation can be read back");

void attestation_deinit(struct attestation *attestation)
{
    ingot_buffer_deinit(&attestation->payload);
    free(attestation->signers);
    *attestation = (struct attestation){0};
}

static void append_hex(struct ingot_buffer *line, const char *before, const uint8_t *bytes,
                       size_t size)
{
    char text[2 * INGOT_SIGNATURE_BYTES + 1];
    static_assert(STATEMENT_ID_BYTES_MAX <= INGOT_SIGNATURE_BYTES, "an id has room");
    INGOT_ASSERT(size <= INGOT_SIGNATURE_BYTES);
    hex_encode_lower(bytes, size, text);
    ingot_buffer_format(line, "%s\"%s\"", before, text);
}

static void append_payload(struct ingot_buffer *line, const struct ingot_buffer *payload)
{
    INGOT_ASSERT(payload->size <= ATTESTATION_PAYLOAD_BYTES_MAX);
    ingot_buffer_format(line, ",\"payload\":\"");
    base64_append(line, ingot_buffer_slice(payload));
    ingot_buffer_format(line, "\",\"payload_bytes\":\"%zu\"", payload->size);
}

static void append_signer(struct ingot_buffer *line, const struct attestation_signer *signer)
{
    append_hex(line, "{\"key\":", signer->key.bytes, sizeof signer->key.bytes);
    ingot_buffer_format(line, ",\"power\":\"%" PRIu64 "\"", signer->power);
    append_hex(line, ",\"signature\":", signer->signature.bytes, sizeof signer->signature.bytes);
    ingot_buffer_format(line, "}");
}

/*
 * Written out by hand: nothing that goes in can need escaping, as all of it is hex, base64, digits
 * or a chain's id, and a node writes thousands of these a second.
 */
void attestation_format(const struct attestation *attestation, struct ingot_buffer *line)
{
    const struct statement *statement = &attestation->statement;
    char time[RFC3339_TEXT_BYTES];
    INGOT_ASSERT(genesis_is_plain_word(attestation->chain_id));
    INGOT_ASSERT(statement->id.size >= 1 && statement->id.size <= STATEMENT_ID_BYTES_MAX);
    rfc3339_format_ms(statement->time_ms, time);
    ingot_buffer_format(line, "{\"type\":\"" ATTESTATION_TYPE "\",\"chain_id\":\"%s\"",
                        attestation->chain_id);
    append_hex(line, ",\"genesis\":", statement->genesis, sizeof statement->genesis);
    ingot_buffer_format(line, ",\"epoch\":\"%" PRIu64 "\"", attestation->epoch);
    append_hex(line, ",\"validators\":", statement->set, sizeof statement->set);
    append_hex(line, ",\"id\":", statement->id.bytes, statement->id.size);
    append_hex(line, ",\"digest\":", statement->digest, sizeof statement->digest);
    if (attestation->has_payload)
        append_payload(line, &attestation->payload);
    ingot_buffer_format(line, ",\"height\":\"%" PRIu64 "\",\"time\":\"%s\",\"signers\":[",
                        statement->height, time);
    for (uint32_t i = 0; i < attestation->signer_count; i++) {
        if (i > 0)
            ingot_buffer_append_u8(line, ',');
        append_signer(line, &attestation->signers[i]);
    }
    ingot_buffer_format(line, "]}");
}

/* --- Reading. --- */

static bool read_chain_id(const struct attest_json *json, struct attestation *attestation)
{
    struct ingot_slice text;
    if (!attest_json_text(json, "chain_id", &text))
        return false;
    if (text.size > INGOT_CHAIN_ID_BYTES_MAX || !genesis_is_plain_word((const char *)text.data))
        return attest_json_fail(json, "chain_id",
                                "expected 1 to %d characters of A-Z a-z 0-9 . _ -",
                                INGOT_CHAIN_ID_BYTES_MAX);
    memcpy(attestation->chain_id, text.data, text.size);
    return true;
}

static bool read_id(const struct attest_json *json, struct statement_id *id)
{
    struct ingot_slice text;
    if (!attest_json_text(json, "id", &text))
        return false;
    if (text.size < 2 || text.size > 2 * STATEMENT_ID_BYTES_MAX || text.size % 2 != 0)
        return attest_json_fail(json, "id", "expected 2 to %d hex digits, two for each byte",
                                2 * STATEMENT_ID_BYTES_MAX);
    id->size = (uint8_t)(text.size / 2);
    return attest_json_hex(json, "id", id->bytes, id->size);
}

static bool read_time(const struct attest_json *json, uint64_t *time_ms)
{
    struct ingot_slice text;
    if (!attest_json_text(json, "time", &text))
        return false;
    return rfc3339_parse_exact_ms(text, time_ms) ||
           attest_json_fail(json, "time",
                            "expected a time in UTC such as \"2026-01-02T03:04:05.678Z\"");
}

static bool read_payload(const struct attest_json *json, struct attestation *attestation)
{
    const bool has_size = json_object_get(json->object, "payload_bytes") != NULL;
    uint64_t size = 0;
    attestation->has_payload = json_object_get(json->object, "payload") != NULL;
    if (!attestation->has_payload)
        return !has_size ||
               attest_json_fail(json, "payload_bytes", "expected none without payload");
    if (!attest_json_base64(json, "payload", &attestation->payload) ||
        !attest_json_u64(json, "payload_bytes", 0, ATTESTATION_PAYLOAD_BYTES_MAX, &size))
        return false;
    return attestation->payload.size == size ||
           attest_json_fail(json, "payload_bytes", "expected %zu, which payload has",
                            attestation->payload.size);
}

static bool read_signer(const struct attest_json *json, struct attestation_signer *signer)
{
    static const char *const known[] = {"key", "power", "signature", NULL};
    return attest_json_known(json, known) &&
           attest_json_hex(json, "key", signer->key.bytes, sizeof signer->key.bytes) &&
           attest_json_u64(json, "power", 1, INGOT_TOTAL_POWER_MAX, &signer->power) &&
           attest_json_hex(json, "signature", signer->signature.bytes,
                           sizeof signer->signature.bytes);
}

static bool read_signers(const struct attest_json *json, struct attestation *attestation)
{
    json_t *array;
    if (!attest_json_array(json, "signers", INGOT_VALIDATORS_MAX, &array))
        return false;
    const uint32_t count = (uint32_t)json_array_size(array);
    if (count == 0)
        return attest_json_fail(json, "signers", "expected at least one");
    attestation->signers = alloc_zeroed(count, sizeof *attestation->signers);
    attestation->signer_count = count;
    for (uint32_t i = 0; i < count; i++) {
        struct attest_json element;
        if (!attest_json_element(json, "signers", array, i, &element) ||
            !read_signer(&element, &attestation->signers[i]))
            return false;
    }
    return true;
}

bool attestation_read(const struct attest_json *json, struct attestation *attestation)
{
    static const char *const known[] = {
        "type",    "chain_id",      "genesis", "epoch", "validators", "id",          "digest",
        "payload", "payload_bytes", "height",  "time",  "signers",    "set_changes", NULL};
    struct statement *statement = &attestation->statement;
    return attest_json_is(json, "type", ATTESTATION_TYPE) && attest_json_known(json, known) &&
           read_chain_id(json, attestation) &&
           attest_json_hex(json, "genesis", statement->genesis, sizeof statement->genesis) &&
           attest_json_u64(json, "epoch", 0, WIRE_NUMBER_MAX, &attestation->epoch) &&
           attest_json_hex(json, "validators", statement->set, sizeof statement->set) &&
           read_id(json, &statement->id) &&
           attest_json_hex(json, "digest", statement->digest, sizeof statement->digest) &&
           read_payload(json, attestation) &&
           attest_json_u64(json, "height", 0, WIRE_NUMBER_MAX, &statement->height) &&
           read_time(json, &statement->time_ms) && read_signers(json, attestation);
}

enum ingot_error attestation_parse(struct ingot_slice json, struct attestation *attestation,
                                   char *why, size_t why_size)
{
    struct attest_json root;
    *attestation = (struct attestation){0};
    if (!attest_json_begin(json, ATTESTATION_JSON_BYTES_MAX, &root, why, why_size))
        return INGOT_ERROR_INVALID;
    const bool is_read = attestation_read(&root, attestation);
    json_decref(root.object);
    if (is_read)
        return INGOT_OK;
    attestation_deinit(attestation);
    return INGOT_ERROR_INVALID;
}
