/*
 * The bytes of statements. See statement.h.
 */
#include "attest/statement.h"

#include <string.h>

#include "base/assert.h"
#include "wire/crypto.h"

#define TAG_BYTES 24

static_assert(sizeof STATEMENT_TAG <= TAG_BYTES && sizeof STATEMENT_SET_TAG <= TAG_BYTES,
              "tags are filled up with zeros");
static_assert(STATEMENT_PREIMAGE_BYTES ==
                  TAG_BYTES + 32 + 32 + 1 + STATEMENT_ID_BYTES_MAX + 32 + 8 + 8,
              "the layout of a statement");

void statement_set_hash(const struct validator_set *set, uint8_t hash[32])
{
    uint8_t tag[TAG_BYTES] = STATEMENT_SET_TAG;
    struct ingot_buffer bytes = {0};
    ingot_buffer_append(&bytes, tag, sizeof tag);
    ingot_buffer_append_u64(&bytes, set->epoch);
    ingot_buffer_append_u32(&bytes, set->count);
    for (uint32_t i = 0; i < set->count; i++) {
        ingot_buffer_append(&bytes, set->validators[i].key.bytes, INGOT_PUBLIC_KEY_BYTES);
        ingot_buffer_append_u64(&bytes, set->validators[i].power);
    }
    crypto_sha256(ingot_buffer_slice(&bytes), hash);
    ingot_buffer_deinit(&bytes);
}

static uint8_t *put(uint8_t *at, const void *bytes, size_t size)
{
    memcpy(at, bytes, size);
    return at + size;
}

static uint8_t *put_u64(uint8_t *at, uint64_t value)
{
    for (unsigned i = 0; i < 8; i++)
        at[i] = (uint8_t)(value >> (8 * i));
    return at + 8;
}

void statement_preimage(const struct statement *statement,
                        uint8_t preimage[STATEMENT_PREIMAGE_BYTES])
{
    const uint8_t tag[TAG_BYTES] = STATEMENT_TAG;
    uint8_t *at = put(preimage, tag, sizeof tag);
    at = put(at, statement->genesis, sizeof statement->genesis);
    at = put(at, statement->set, sizeof statement->set);
    *at++ = statement->id.size;
    at = put(at, statement->id.bytes, sizeof statement->id.bytes);
    at = put(at, statement->digest, sizeof statement->digest);
    at = put_u64(at, statement->height);
    at = put_u64(at, statement->time_ms);
    INGOT_ASSERT(at == preimage + STATEMENT_PREIMAGE_BYTES);
}

bool statement_id_from(struct ingot_slice bytes, struct statement_id *id)
{
    if (bytes.size == 0 || bytes.size > STATEMENT_ID_BYTES_MAX)
        return false;
    *id = (struct statement_id){.size = (uint8_t)bytes.size};
    memcpy(id->bytes, bytes.data, bytes.size);
    return true;
}
