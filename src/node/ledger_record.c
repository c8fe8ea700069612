/*
 * The bytes of the ledger's records, but for those of blocks (ledger_entry.c); see
 * storage/FORMAT.md. Decoding is strict: what is not exactly what encoding makes is damage. Nothing
 * here reads or writes a store.
 */
#include <string.h>

#include "base/mutant.h"
#include "node/ledger_internal.h"
#include "wire/wire.h"

/* Big-endian, so that the order of keys is the order of heights. */
void ledger_height_key(uint64_t height, uint8_t key[LEDGER_HEIGHT_KEY_BYTES])
{
    for (uint32_t i = 0; i < LEDGER_HEIGHT_KEY_BYTES; i++)
        key[i] = (uint8_t)(height >> (56 - 8 * i));
}

uint64_t ledger_height_of_key(struct ingot_slice key)
{
    uint64_t height = 0;
    for (uint32_t i = 0; i < LEDGER_HEIGHT_KEY_BYTES && i < key.size; i++)
        height = height << 8 | key.data[i];
    return height;
}

void ledger_block_key(uint64_t height, const struct ingot_hash *hash,
                      uint8_t key[LEDGER_BLOCK_KEY_BYTES])
{
    ledger_height_key(height, key);
    memcpy(key + LEDGER_HEIGHT_KEY_BYTES, hash->bytes, INGOT_HASH_BYTES);
}

/* --- Safety. --- */

static void append_position(struct ingot_buffer *content, struct position position)
{
    ingot_buffer_append_u64(content, position.epoch);
    ingot_buffer_append_u64(content, position.view);
}

static bool take_position(struct ingot_slice *rest, struct position *position)
{
    return ingot_slice_take_u64(rest, &position->epoch) &&
           ingot_slice_take_u64(rest, &position->view);
}

size_t ledger_part_begin(struct ingot_buffer *content)
{
    ingot_buffer_append_u32(content, 0);
    return content->size;
}

void ledger_part_end(struct ingot_buffer *content, size_t begin)
{
    const size_t size = content->size - begin;
    for (uint32_t i = 0; i < 4; i++)
        content->data[begin - 4 + i] = (uint8_t)(size >> (8 * i));
}

bool ledger_take_part(struct ingot_slice *rest, struct ingot_slice *part)
{
    uint32_t size = 0;
    return ingot_slice_take_u32(rest, &size) && ingot_slice_take(rest, size, part);
}

void ledger_encode_safety(const struct core_safety *safety, struct ingot_buffer *content)
{
    append_position(content, safety->current);
    append_position(content, safety->last_voted);
    append_position(content, safety->locked);
    size_t begin = ledger_part_begin(content);
    if (safety->has_vote)
        wire_encode_vote(&safety->vote, content);
    ledger_part_end(content, begin);
    begin = ledger_part_begin(content);
    wire_encode_qc(safety->high_qc, content);
    ledger_part_end(content, begin);
    begin = ledger_part_begin(content);
    if (safety->high_tc != NULL)
        wire_encode_tc(safety->high_tc, content);
    ledger_part_end(content, begin);
}

bool ledger_decode_safety(struct ingot_slice content, struct core_safety *safety)
{
    *safety = (struct core_safety){0};
    struct ingot_slice vote;
    struct ingot_slice qc;
    struct ingot_slice tc;
    if (!take_position(&content, &safety->current) ||
        !take_position(&content, &safety->last_voted) ||
        !take_position(&content, &safety->locked) || !ledger_take_part(&content, &vote) ||
        !ledger_take_part(&content, &qc) || !ledger_take_part(&content, &tc) || content.size > 0)
        return false;
    safety->has_vote = vote.size > 0 && !MUTANT(VOTE_FORGOTTEN);
    if (safety->has_vote && wire_decode_vote(vote, &safety->vote) != REJECT_NONE)
        return false;
    if (wire_decode_qc(qc, &safety->high_qc) != REJECT_NONE)
        return false;
    if (tc.size == 0 || wire_decode_tc(tc, &safety->high_tc) == REJECT_NONE)
        return true;
    core_safety_deinit(safety);
    return false;
}

/* --- Heights. --- */

void ledger_encode_heights(const struct ledger_heights *heights, struct ingot_buffer *content)
{
    ingot_buffer_append_u64(content, heights->committed);
    ingot_buffer_append_u64(content, heights->applied);
    ingot_buffer_append_u64(content, heights->lowest);
}

bool ledger_decode_heights(struct ingot_slice content, struct ledger_heights *heights)
{
    return ingot_slice_take_u64(&content, &heights->committed) &&
           ingot_slice_take_u64(&content, &heights->applied) &&
           ingot_slice_take_u64(&content, &heights->lowest) && content.size == 0 &&
           heights->lowest <= heights->applied && heights->applied <= heights->committed;
}
