/*
 * The bodies of attestor_record.h. Numbers in keys are big-endian, so that the order of keys is
 * that of heights.
 */
#include "node/attestor_record.h"

#include <string.h>

#include "base/assert.h"

#define KIND_META 'm'
#define KIND_BLOCK 'b'
#define KIND_PENDING 'p'
#define KIND_LATE 'l'
#define KIND_AHEAD 'f'
#define KIND_SHARE 's'
#define KIND_ID 'i'
#define KIND_DIGEST 'd'

#define FLAG_PAYLOAD 1U
#define FLAG_DECLINED 2U

/* --- Keys. --- */

static void append(struct attest_key *key, const void *bytes, size_t size)
{
    INGOT_ASSERT(key->size + size <= sizeof key->bytes);
    memcpy(key->bytes + key->size, bytes, size);
    key->size += size;
}

static void append_number(struct attest_key *key, uint64_t number, uint32_t size)
{
    for (uint32_t i = size; i-- > 0;) {
        const uint8_t byte = (uint8_t)(number >> (8 * i));
        append(key, &byte, 1);
    }
}

static bool take_number(struct ingot_slice *rest, uint32_t size, uint64_t *number)
{
    struct ingot_slice bytes;
    if (!ingot_slice_take(rest, size, &bytes)) {
        return false;
    }
    *number = 0;
    for (uint32_t i = 0; i < size; i++) {
        *number = *number << 8 | bytes.data[i];
    }
    return true;
}

static struct attest_key key_of(uint8_t kind)
{
    struct attest_key key = {.size = 0};
    append(&key, &kind, 1);
    return key;
}

struct ingot_slice attest_key_slice(const struct attest_key *key)
{
    return ingot_slice_of(key->bytes, key->size);
}

struct attest_key attest_key_meta(void)
{
    return key_of(KIND_META);
}

struct attest_key attest_key_block(uint64_t height)
{
    struct attest_key key = key_of(KIND_BLOCK);
    append_number(&key, height, 8);
    return key;
}

struct attest_key attest_key_pending(uint64_t height)
{
    struct attest_key key = key_of(KIND_PENDING);
    append_number(&key, height, 8);
    return key;
}

struct attest_key attest_key_late(uint64_t height)
{
    struct attest_key key = key_of(KIND_LATE);
    append_number(&key, ~height, 8);
    return key;
}

struct attest_key attest_key_ahead(const struct statement_id *id)
{
    struct attest_key key = key_of(KIND_AHEAD);
    append(&key, id->bytes, id->size);
    return key;
}

struct attest_key attest_key_share(uint64_t height, uint32_t voter)
{
    struct attest_key key = key_of(KIND_SHARE);
    append_number(&key, height, 8);
    append_number(&key, voter, 4);
    return key;
}

struct attest_key attest_key_id(const uint8_t id[32])
{
    struct attest_key key = key_of(KIND_ID);
    append(&key, id, 32);
    return key;
}

struct attest_key attest_key_digest(const uint8_t digest[32], uint64_t height, uint32_t index)
{
    struct attest_key key = key_of(KIND_DIGEST);
    append(&key, digest, 32);
    append_number(&key, height, 8);
    append_number(&key, index, 4);
    return key;
}

bool attest_key_height(struct ingot_slice key, const struct attest_key *like, uint64_t *height)
{
    struct ingot_slice kind;
    return ingot_slice_take(&key, 1, &kind) && kind.data[0] == like->bytes[0] &&
           take_number(&key, 8, height) && key.size == 0;
}

bool attest_key_late_height(struct ingot_slice key, uint64_t *height)
{
    const struct attest_key like = attest_key_late(0);
    const bool is_late = attest_key_height(key, &like, height);
    *height = ~*height;
    return is_late;
}

bool attest_key_voter(struct ingot_slice key, uint64_t height, uint32_t *voter)
{
    const struct attest_key first = attest_key_share(height, 0);
    struct ingot_slice prefix;
    uint64_t number = 0;
    if (!ingot_slice_take(&key, first.size - 4, &prefix) ||
        memcmp(prefix.data, first.bytes, prefix.size) != 0 || !take_number(&key, 4, &number) ||
        key.size > 0) {
        return false;
    }
    *voter = (uint32_t)number;
    return true;
}

bool attest_key_place(struct ingot_slice key, const uint8_t digest[32], uint64_t *height,
                      uint32_t *index)
{
    const struct attest_key first = attest_key_digest(digest, 0, 0);
    struct ingot_slice prefix;
    uint64_t number = 0;
    if (!ingot_slice_take(&key, first.size - 12, &prefix) ||
        memcmp(prefix.data, first.bytes, prefix.size) != 0 || !take_number(&key, 8, height) ||
        !take_number(&key, 4, &number) || key.size > 0) {
        return false;
    }
    *index = (uint32_t)number;
    return true;
}

/* --- Contents. --- */

void attest_meta_encode(const struct attest_meta *meta, struct ingot_buffer *content)
{
    ingot_buffer_append_u64(content, meta->next);
    ingot_buffer_append_u64(content, meta->file_size);
    ingot_buffer_append_u64(content, meta->attested);
    ingot_buffer_append_u64(content, meta->pending);
    ingot_buffer_append_u64(content, meta->refused);
    ingot_buffer_append_u64(content, meta->own);
    ingot_buffer_append(content, meta->key.bytes, sizeof meta->key.bytes);
}

bool attest_meta_decode(struct ingot_slice content, struct attest_meta *meta)
{
    struct ingot_slice key;
    if (!ingot_slice_take_u64(&content, &meta->next) ||
        !ingot_slice_take_u64(&content, &meta->file_size) ||
        !ingot_slice_take_u64(&content, &meta->attested) ||
        !ingot_slice_take_u64(&content, &meta->pending) ||
        !ingot_slice_take_u64(&content, &meta->refused) ||
        !ingot_slice_take_u64(&content, &meta->own) ||
        !ingot_slice_take(&content, sizeof meta->key.bytes, &key) || content.size > 0) {
        return false;
    }
    memcpy(meta->key.bytes, key.data, key.size);
    return true;
}

void attest_place_encode(uint64_t height, uint32_t index, struct ingot_buffer *content)
{
    ingot_buffer_append_u64(content, height);
    ingot_buffer_append_u32(content, index);
}

bool attest_place_decode(struct ingot_slice content, uint64_t *height, uint32_t *index)
{
    return ingot_slice_take_u64(&content, height) && ingot_slice_take_u32(&content, index) &&
           content.size == 0;
}

void attest_block_encode(uint64_t epoch, uint64_t time_ms, uint32_t count,
                         struct ingot_buffer *content)
{
    ingot_buffer_append_u64(content, epoch);
    ingot_buffer_append_u64(content, time_ms);
    ingot_buffer_append_u32(content, count);
}

bool attest_block_decode(struct ingot_slice *content, uint64_t *epoch, uint64_t *time_ms,
                         uint32_t *count)
{
    return ingot_slice_take_u64(content, epoch) && ingot_slice_take_u64(content, time_ms) &&
           ingot_slice_take_u32(content, count) && *count > 0 &&
           *count <= INGOT_BLOCK_TRANSACTIONS_MAX;
}

void attest_entry_encode(const struct attest_entry *entry, struct ingot_buffer *content)
{
    ingot_buffer_append(content, entry->id, 32);
    ingot_buffer_append(content, entry->digest, 32);
    ingot_buffer_append_u8(content, (uint8_t)((entry->has_payload ? FLAG_PAYLOAD : 0U) |
                                              (entry->is_declined ? FLAG_DECLINED : 0U)));
    ingot_buffer_append_u32(content, entry->has_payload ? (uint32_t)entry->payload.size : 0);
    if (entry->has_payload) {
        ingot_buffer_append_slice(content, entry->payload);
    }
}

bool attest_entry_decode(struct ingot_slice *content, struct attest_entry *entry)
{
    struct ingot_slice id;
    struct ingot_slice digest;
    uint8_t flags = 0;
    uint32_t size = 0;
    if (!ingot_slice_take(content, 32, &id) || !ingot_slice_take(content, 32, &digest) ||
        !ingot_slice_take_u8(content, &flags) || flags > (FLAG_PAYLOAD | FLAG_DECLINED) ||
        !ingot_slice_take_u32(content, &size) ||
        !ingot_slice_take(content, size, &entry->payload)) {
        return false;
    }
    entry->id = id.data;
    entry->digest = digest.data;
    entry->has_payload = (flags & FLAG_PAYLOAD) != 0;
    entry->is_declined = (flags & FLAG_DECLINED) != 0;
    return entry->has_payload || size == 0;
}

void attest_share_encode(const struct attest_share_record *share, struct ingot_buffer *content)
{
    ingot_buffer_append_u8(content, share->is_whole);
    ingot_buffer_append(content, share->message, INGOT_SIGNATURE_BYTES);
    ingot_buffer_append_slice(content, share->signatures);
}

bool attest_share_decode(struct ingot_slice content, uint32_t count,
                         struct attest_share_record *share)
{
    struct ingot_slice message;
    uint8_t whole = 0;
    if (!ingot_slice_take_u8(&content, &whole) || whole > 1 ||
        !ingot_slice_take(&content, INGOT_SIGNATURE_BYTES, &message) ||
        content.size != (size_t)count * INGOT_SIGNATURE_BYTES) {
        return false;
    }
    *share = (struct attest_share_record){
        .is_whole = whole == 1, .message = message.data, .signatures = content};
    return true;
}

bool attest_share_is_whole(struct ingot_slice content)
{
    return content.size > 0 && content.data[0] == 1;
}

bool attest_is_zero(const uint8_t *bytes, size_t size)
{
    uint8_t any = 0;
    for (size_t i = 0; i < size; i++) {
        any |= bytes[i];
    }
    return any == 0;
}
