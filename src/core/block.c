/*
 * Blocks, payloads and votes as values.
 */
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "core/types.h"

struct block *block_new(void)
{
    struct block *block = alloc_zeroed(1, sizeof *block);
    block->references = 1;
    return block;
}

struct block *block_ref(struct block *block)
{
    block->references++;
    return block;
}

/*
 * Iterative on purpose: a block holds its justify, never its parent, so no chain of frees can
 * grow with the length of the chain.
 */
void block_unref(struct block *block)
{
    if (block != NULL && --block->references == 0) {
        qc_unref(block->justify);
        ingot_buffer_deinit(&block->payload);
        free(block->digests);
        free(block);
    }
}

uint64_t block_epoch(const struct block *block)
{
    return block->justify == NULL ? 0 : qc_position(block->justify).epoch;
}

struct position block_position(const struct block *block)
{
    return (struct position){block_epoch(block), block->view};
}

bool block_changes_set(const struct block *block)
{
    return memcmp(block->validators_hash.bytes, block->next_validators_hash.bytes,
                  INGOT_HASH_BYTES) != 0;
}

size_t block_size_bytes(const struct block *block)
{
    const size_t signatures = block->justify == NULL ? 0 : block->justify->signature_count;
    const size_t digests = block->digests == NULL ? 0 : block->transaction_count;
    return sizeof *block + sizeof *block->justify + signatures * sizeof(struct ingot_signature) +
           block->payload.size + digests * sizeof *block->digests;
}

struct position vote_position(const struct vote *vote)
{
    return (struct position){vote->epoch, vote->view};
}

bool vote_same_choice(const struct vote *a, const struct vote *b)
{
    return a->epoch == b->epoch && a->view == b->view && a->phase == b->phase &&
           memcmp(a->block.bytes, b->block.bytes, INGOT_HASH_BYTES) == 0;
}
