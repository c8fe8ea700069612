/*
 * The seal of a record: BLAKE2b-256, with a tag. See seal.h.
 */
#include "node/seal.h"

#include <string.h>

#include "base/mutant.h"
#include "wire/preimage.h"

#define RECORD_TAG "ingot/record/1"

static void seal_digest(const struct ingot_hash *chain, uint32_t table, struct ingot_slice key,
                        struct ingot_slice content, struct ingot_hash *digest)
{
    struct crypto_hasher hasher;
    wire_hasher_begin(&hasher, RECORD_TAG);
    crypto_hasher_add(&hasher, ingot_slice_of(chain->bytes, INGOT_HASH_BYTES));
    wire_hasher_add_u32(&hasher, table);
    wire_hasher_add_u32(&hasher, (uint32_t)key.size);
    crypto_hasher_add(&hasher, key);
    crypto_hasher_add(&hasher, content);
    crypto_hasher_end(&hasher, digest);
}

void record_seal(const struct ingot_hash *chain, uint32_t table, struct ingot_slice key,
                 struct ingot_slice content, struct ingot_buffer *record)
{
    struct ingot_hash digest;
    seal_digest(chain, table, key, content, &digest);
    ingot_buffer_append(record, digest.bytes, INGOT_HASH_BYTES);
    ingot_buffer_append_slice(record, content);
}

bool record_unseal(const struct ingot_hash *chain, uint32_t table, struct ingot_slice key,
                   struct ingot_slice record, struct ingot_slice *content)
{
    struct ingot_slice stored;
    struct ingot_hash digest;
    if (!ingot_slice_take(&record, INGOT_HASH_BYTES, &stored)) {
        return false;
    }
    seal_digest(chain, table, key, record, &digest);
    *content = record;
    return memcmp(stored.data, digest.bytes, INGOT_HASH_BYTES) == 0 || MUTANT(CHECKSUM_UNCHECKED);
}
