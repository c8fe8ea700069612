/*
 * Transactions on their way between validators. See compact.h. Whether a block and its proposal are
 * right in other ways is said elsewhere.
 */
#include "wire/compact.h"

#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/bits.h"
#include "base/mutant.h"
#include "wire/preimage.h"
#include "wire/unpack.h"
#include "wire/wire.h"

enum reject transactions_from(const Ingot__Wire__Transactions *from, struct arena *arena,
                              struct transactions *transactions)
{
    const struct ingot_slice packed = ingot_slice_of(from->packed.data, from->packed.len);
    if (packed.size > INGOT_TRANSACTION_BATCH_BYTES_MAX || from->count == 0 ||
        from->count > INGOT_TRANSACTION_BATCH_COUNT_MAX ||
        !wire_payload_is_sound(packed, from->count)) {
        return REJECT_BAD_PAYLOAD;
    }
    if (from->committed_height > WIRE_NUMBER_MAX) {
        return REJECT_MALFORMED;
    }
    transactions->count = from->count;
    transactions->committed_height = from->committed_height;
    arena_take(arena, from->packed, &transactions->packed);
    return REJECT_NONE;
}

/* A bit for each of `count` transactions, none beyond them, at least one set. */
static bool named_ok(ProtobufCBinaryData named, uint32_t count)
{
    if (count == 0 || named.len != bits_bytes(count) || bits_count(named.data, named.len) == 0) {
        return false;
    }
    return count % 8 == 0 || named.data[count / 8] >> (count % 8) == 0;
}

/* The digests of all: those that are named, and those of the bytes that came along. */
static void collect_digests(const Ingot__Wire__CompactPropose *from, uint32_t count,
                            struct ingot_hash *digests)
{
    const uint8_t *next = from->digests.data;
    struct ingot_slice rest = ingot_slice_of(from->packed.data, from->packed.len);
    struct ingot_slice transactions[WIRE_DIGESTS_AT_ONCE];
    struct ingot_hash own[WIRE_DIGESTS_AT_ONCE]; /* of bytes that came along */
    uint32_t own_count = 0;
    uint32_t own_used = 0;
    for (uint32_t i = 0; i < count; i++) {
        if (bits_has(from->named.data, i)) {
            memcpy(digests[i].bytes, next, INGOT_HASH_BYTES);
            next += INGOT_HASH_BYTES;
            continue;
        }
        if (own_used == own_count) {
            own_count = wire_packed_digests(&rest, WIRE_DIGESTS_AT_ONCE, transactions, own);
            own_used = 0;
            INGOT_ASSERT(own_count > 0); /* they have been counted */
        }
        digests[i] = own[own_used++];
    }
}

static enum reject digests_from(const Ingot__Wire__CompactPropose *from, struct block *block)
{
    const uint32_t count = block->transaction_count;
    if (!named_ok(from->named, count)) {
        return REJECT_MALFORMED;
    }
    const uint32_t named_count = bits_count(from->named.data, from->named.len);
    if (from->digests.len != (size_t)named_count * INGOT_HASH_BYTES) {
        return REJECT_MALFORMED;
    }
    const struct ingot_slice packed = ingot_slice_of(from->packed.data, from->packed.len);
    if (packed.size > INGOT_BLOCK_PAYLOAD_BYTES_MAX ||
        !wire_payload_is_sound(packed, count - named_count)) {
        return REJECT_BAD_PAYLOAD;
    }
    block->digests = alloc_resize(NULL, count, sizeof *block->digests);
    collect_digests(from, count, block->digests);
    struct ingot_hash root;
    wire_digests_root(block->digests, count, &root);
    return crypto_hash_equal(&root, &block->transactions_root) || MUTANT(DIGESTS_UNCHECKED)
               ? REJECT_NONE
               : REJECT_BAD_ROOT;
}

enum reject compact_propose_from(const Ingot__Wire__CompactPropose *from, struct arena *arena,
                                 struct compact_propose *compact)
{
    enum reject reject = propose_from(from->vote, from->tc, from->block, NULL, &compact->propose);
    if (reject == REJECT_NONE) {
        reject = digests_from(from, compact->propose.block);
    }
    if (reject == REJECT_NONE) {
        arena_take(arena, from->named, &compact->named);
        arena_take(arena, from->packed, &compact->packed);
    }
    return reject;
}

/* Up to the last that is wanted, and no further, so that there is one way to say it. */
static bool wanted_ok(ProtobufCBinaryData wanted)
{
    return wanted.len > 0 && wanted.len <= bits_bytes(INGOT_BLOCK_TRANSACTIONS_MAX) &&
           wanted.data[wanted.len - 1] != 0;
}

enum reject transactions_request_from(const Ingot__Wire__TransactionsRequest *from,
                                      struct arena *arena, struct transactions_request *request)
{
    if (!unpack_exactly(from->block, request->block.bytes, sizeof request->block.bytes) ||
        !wanted_ok(from->wanted)) {
        return REJECT_MALFORMED;
    }
    arena_take(arena, from->wanted, &request->wanted);
    return REJECT_NONE;
}

enum reject transactions_response_from(const Ingot__Wire__TransactionsResponse *from,
                                       struct arena *arena, struct transactions_response *response)
{
    if (!unpack_exactly(from->block, response->block.bytes, sizeof response->block.bytes) ||
        !wanted_ok(from->wanted)) {
        return REJECT_MALFORMED;
    }
    const struct ingot_slice packed = ingot_slice_of(from->packed.data, from->packed.len);
    if (packed.size > INGOT_BLOCK_PAYLOAD_BYTES_MAX ||
        !wire_payload_is_sound(packed, bits_count(from->wanted.data, from->wanted.len))) {
        return REJECT_BAD_PAYLOAD;
    }
    arena_take(arena, from->wanted, &response->wanted);
    arena_take(arena, from->packed, &response->packed);
    return REJECT_NONE;
}
