/*
 * The contents of stored records on arbitrary bytes, behind a seal that is right: the safety
 * record, heights, blocks with their executions, the attestor's; and the seal itself. What is
 * accepted must encode to the very same bytes again.
 */
#include <string.h>

#include "fuzz/fuzz.h"
#include "lib/fast_crypto.h"
#include "node/attestor_record.h"
#include "node/evidence.h"
#include "node/ledger_internal.h"
#include "wire/wire.h"

static const struct ingot_hash chain = {{0xC7}};

static void read_seal(struct ingot_slice bytes)
{
    static const struct ingot_slice key = {(const uint8_t *)"key", 3};
    struct ingot_slice content;
    struct ingot_buffer record = {0};
    /* libFuzzer sees what is compared with what, so it does make right seals. */
    if (record_unseal(&chain, LEDGER_META, key, bytes, &content)) {
        struct ingot_buffer again = {0};
        record_seal(&chain, LEDGER_META, key, content, &again);
        require(ingot_slice_equal(ingot_buffer_slice(&again), bytes));
        ingot_buffer_deinit(&again);
    }
    record_seal(&chain, LEDGER_META, key, bytes, &record);
    require(record_unseal(&chain, LEDGER_META, key, ingot_buffer_slice(&record), &content));
    require(ingot_slice_equal(content, bytes));
    require(!record_unseal(&chain, LEDGER_SETS, key, ingot_buffer_slice(&record), &content));
    ingot_buffer_deinit(&record);
}

static void read_safety(struct ingot_slice bytes, struct ingot_buffer *again)
{
    struct core_safety safety;
    if (ledger_decode_safety(bytes, &safety)) {
        ledger_encode_safety(&safety, again);
        core_safety_deinit(&safety);
    }
}

static void read_heights(struct ingot_slice bytes, struct ingot_buffer *again)
{
    struct ledger_heights heights;
    if (ledger_decode_heights(bytes, &heights)) {
        require(heights.lowest <= heights.applied && heights.applied <= heights.committed);
        ledger_encode_heights(&heights, again);
    }
}

/* Of a packed record there is more than one form; it must say the same as the whole one. */
static void check_entry(const struct ledger_entry *entry, struct ingot_slice bytes,
                        struct ingot_buffer *again)
{
    struct ledger_entry whole;
    ledger_encode_entry(entry->block, entry->execution, again);
    require(ledger_decode_value(&entry->block->chain, ingot_buffer_slice(again), &whole) == NULL);
    ledger_entry_deinit(&whole);
    if (ledger_decode_value(&entry->block->chain, bytes, &whole) == NULL) {
        ledger_entry_deinit(&whole);
        return;
    }
    ingot_buffer_clear(again);
    ingot_buffer_append_slice(again, bytes);
}

static void read_entry(struct ingot_slice bytes, struct ingot_buffer *again)
{
    /* The chain's name is the first thing in a block that is looked at, so it is given. */
    struct ledger_entry entry;
    struct ingot_slice rest = bytes;
    struct ingot_slice part;
    struct block *block = NULL;
    uint32_t size = 0;
    if (ingot_slice_take_u32(&rest, &size) && ingot_slice_take(&rest, size, &part) &&
        wire_decode_block(part, &block) == REJECT_NONE) {
        uint8_t key[LEDGER_BLOCK_KEY_BYTES];
        ledger_block_key(block->height, &block->hash, key);
        if (ledger_decode_entry(&block->chain, ingot_slice_of(key, sizeof key), bytes, &entry) ==
            NULL) {
            check_entry(&entry, bytes, again);
            ledger_entry_deinit(&entry);
        } else {
            require(entry.block == NULL && entry.execution == NULL);
        }
        block_unref(block);
    } else {
        require(ledger_decode_value(&chain, bytes, &entry) != NULL && entry.block == NULL);
    }
}

static void read_attest_meta(struct ingot_slice bytes, struct ingot_buffer *again)
{
    struct attest_meta meta;
    uint64_t height = 0;
    uint32_t index = 0;
    if (attest_meta_decode(bytes, &meta)) {
        attest_meta_encode(&meta, again);
    } else if (attest_place_decode(bytes, &height, &index)) {
        attest_place_encode(height, index, again);
    }
}

static void read_attest_block(struct ingot_slice bytes, struct ingot_buffer *again)
{
    struct ingot_slice rest = bytes;
    uint64_t epoch = 0;
    uint64_t time_ms = 0;
    uint32_t count = 0;
    if (!attest_block_decode(&rest, &epoch, &time_ms, &count)) {
        return;
    }
    attest_block_encode(epoch, time_ms, count, again);
    struct attest_entry entry;
    for (uint32_t i = 0; i < count; i++) {
        if (!attest_entry_decode(&rest, &entry)) {
            ingot_buffer_clear(again);
            return;
        }
        attest_entry_encode(&entry, again);
    }
    ingot_buffer_append_slice(again, rest);
}

static void read_attest_share(struct ingot_slice bytes, struct ingot_buffer *again)
{
    struct attest_share_record share;
    for (uint32_t count = 0; count < 4; count++) {
        if (attest_share_decode(bytes, count, &share)) {
            require(attest_share_is_whole(bytes) == share.is_whole);
            attest_share_encode(&share, again);
        }
    }
}

static void read_attest_keys(struct ingot_slice bytes, struct ingot_buffer *again)
{
    static const uint8_t digest[32] = {0};
    uint64_t height = 0;
    uint32_t number = 0;
    struct attest_key key = {.size = 0};
    const struct attest_key like = attest_key_block(0);
    if (attest_key_height(bytes, &like, &height)) {
        key = attest_key_block(height);
    } else if (attest_key_late_height(bytes, &height)) {
        key = attest_key_late(height);
    } else if (attest_key_voter(bytes, 7, &number)) {
        key = attest_key_share(7, number);
    } else if (attest_key_place(bytes, digest, &height, &number)) {
        key = attest_key_digest(digest, height, number);
    }
    ingot_buffer_append_slice(again, attest_key_slice(&key));
}

static void read_evidence(struct ingot_slice bytes, struct ingot_buffer *again)
{
    struct ingot_evidence evidence;
    uint64_t number = 0;
    if (evidence_decode(bytes, &evidence, &number)) {
        require(!evidence_is_proven(&chain, &fast_crypto, &evidence) || bytes.size > 128);
        evidence_encode(&evidence, number, again);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static void (*const readers[])(struct ingot_slice, struct ingot_buffer *) = {
        read_safety,       read_heights,      read_entry,       read_attest_meta,
        read_attest_block, read_attest_share, read_attest_keys, read_evidence};
    struct ingot_buffer again = {0};
    if (size == 0) {
        return 0;
    }
    const struct ingot_slice bytes = {data + 1, size - 1};
    const size_t which = data[0] % (sizeof readers / sizeof readers[0] + 1);
    if (which == sizeof readers / sizeof readers[0]) {
        read_seal(bytes);
    } else {
        readers[which](bytes, &again);
        require(again.size == 0 || ingot_slice_equal(ingot_buffer_slice(&again), bytes));
    }
    ingot_buffer_deinit(&again);
    return 0;
}
