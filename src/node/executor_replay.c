/*
 * The replay index: which recent blocks hold a transaction. Whether that makes it a repeat is a
 * question of the block that is judged: only its ancestors count, and of these only the ones
 * within the window *as seen from that block*. So validators that have committed more or less of
 * one branch judge a block alike. See docs/kv.md for what it means to clients.
 *
 * A slot is one word: 28 bits of the digest's hash, 20 bits that name the block, 16 bits for the
 * transaction's place in it. A half of each digest, its tag, is kept in its block's record.
 */
#include <sodium/randombytes.h>
#include <stdlib.h>
#include <string.h>

#include "base/ahead.h"
#include "base/alloc.h"
#include "base/assert.h"
#include "base/mutant.h"
#include "node/executor_internal.h"

#define INDEX_BITS 16
#define ID_BITS 20
#define PRINT_BITS 28
#define SLOT_BITS_MIN 10

static_assert(INDEX_BITS + ID_BITS + PRINT_BITS == 64, "a slot is one word");
static_assert(INGOT_BLOCK_TRANSACTIONS_MAX <= 1 << INDEX_BITS, "a place in a block fits a slot");
static_assert(INGOT_REPLAY_WINDOW_BLOCKS_MAX + 2 * INGOT_TREE_BLOCKS_MAX < 1 << ID_BITS,
              "all blocks of the window and the tree have names");

void replay_init(struct replay_index *index)
{
    *index = (struct replay_index){.slot_bits = SLOT_BITS_MIN};
    index->slots = alloc_zeroed((size_t)1 << SLOT_BITS_MIN, sizeof *index->slots);
    /* Odd, and secret, so that nobody can aim transactions at one place of the table. */
    randombytes_buf(&index->secret, sizeof index->secret);
    index->secret |= 1;
}

void replay_deinit(struct replay_index *index)
{
    free(index->slots);
    free(index->blocks);
    free(index->free_ids);
}

static struct replay_tag tag_of(const struct ingot_hash *digest)
{
    struct replay_tag tag;
    memcpy(tag.bytes, digest->bytes, sizeof tag.bytes);
    return tag;
}

static uint32_t print_of(const struct replay_index *index, const struct replay_tag *tag)
{
    uint64_t word;
    memcpy(&word, tag->bytes, sizeof word);
    return (uint32_t)((word * index->secret) >> (64 - PRINT_BITS));
}

static uint64_t slot_of(uint32_t print, uint32_t id, uint32_t index)
{
    return (uint64_t)print << (ID_BITS + INDEX_BITS) | (uint64_t)id << INDEX_BITS | index;
}

static uint32_t slot_print(uint64_t slot)
{
    return (uint32_t)(slot >> (ID_BITS + INDEX_BITS));
}

static uint32_t home_of(const struct replay_index *index, uint32_t print)
{
    return print >> (PRINT_BITS - index->slot_bits);
}

static uint32_t mask_of(const struct replay_index *index)
{
    return ((uint32_t)1 << index->slot_bits) - 1;
}

static void place(struct replay_index *index, uint64_t slot)
{
    uint32_t at = home_of(index, slot_print(slot));
    while (index->slots[at] != 0)
        at = (at + 1) & mask_of(index);
    index->slots[at] = slot;
}

static void reserve_slots(struct replay_index *index, uint32_t extra)
{
    uint32_t bits = index->slot_bits;
    while ((uint64_t)index->used + extra > ((uint64_t)3 << bits) / 4)
        bits++;
    if (bits == index->slot_bits)
        return;
    INGOT_ASSERT(bits <= PRINT_BITS);
    uint64_t *old = index->slots;
    const uint32_t old_count = (uint32_t)1 << index->slot_bits;
    index->slots = alloc_zeroed((size_t)1 << bits, sizeof *index->slots);
    index->slot_bits = bits;
    for (uint32_t i = 0; i < old_count; i++) {
        if (old[i] != 0)
            place(index, old[i]);
    }
    free(old);
}

/* Name 0 stays unused, so that no slot in use is zero. */
static uint32_t take_id(struct replay_index *index)
{
    if (index->free_count == 0) {
        const uint32_t old = index->block_capacity;
        const uint32_t capacity = old > 0 ? old * 2 : 64;
        INGOT_ASSERT(capacity <= (uint32_t)1 << ID_BITS);
        index->blocks = alloc_resize(index->blocks, capacity, sizeof *index->blocks);
        index->free_ids = alloc_resize(index->free_ids, capacity, sizeof *index->free_ids);
        index->block_capacity = capacity;
        for (uint32_t id = capacity - 1; id >= old && id > 0; id--)
            index->free_ids[index->free_count++] = id;
    }
    return index->free_ids[--index->free_count];
}

void replay_begin(struct replay_index *index, struct executed *block, uint32_t tag_capacity)
{
    INGOT_ASSERT(block->replay_id == 0);
    INGOT_ASSERT(tag_capacity <= INGOT_BLOCK_TRANSACTIONS_MAX);
    block->replay_id = take_id(index);
    index->blocks[block->replay_id] = block;
    block->tag_capacity = tag_capacity;
    block->tags = alloc_resize(NULL, tag_capacity, sizeof *block->tags);
    reserve_slots(index, tag_capacity);
}

static bool is_repeat(const struct replay_index *index, const struct ancestry *ancestry,
                      const struct replay_tag *tag, uint64_t slot)
{
    const struct executed *block = index->blocks[(slot >> INDEX_BITS) & ((1u << ID_BITS) - 1)];
    const uint32_t place_in_block = slot & ((1u << INDEX_BITS) - 1);
    return !MUTANT(REPEATS_TAKEN) && block->height >= ancestry->height_min &&
           block->first >= ancestry->first_min && executed_counts(block, ancestry->mark) &&
           memcmp(block->tags[place_in_block].bytes, tag->bytes, sizeof tag->bytes) == 0;
}

/* Looks along a tag's slots up to the first empty one. */
static bool probe(const struct replay_index *index, const struct ancestry *ancestry,
                  const struct replay_tag *tag, uint32_t print, uint32_t *empty)
{
    uint32_t at = home_of(index, print);
    for (; index->slots[at] != 0; at = (at + 1) & mask_of(index)) {
        if (ancestry != NULL && slot_print(index->slots[at]) == print &&
            is_repeat(index, ancestry, tag, index->slots[at]))
            return true;
    }
    *empty = at;
    return false;
}

bool replay_add(struct replay_index *index, const struct ancestry *ancestry, struct executed *block,
                const struct ingot_hash *digest)
{
    const struct replay_tag tag = tag_of(digest);
    const uint32_t print = print_of(index, &tag);
    uint32_t empty = 0;
    if (probe(index, ancestry, &tag, print, &empty))
        return false;
    INGOT_ASSERT(block->tag_count < block->tag_capacity);
    index->slots[empty] = slot_of(print, block->replay_id, block->tag_count);
    index->used++;
    block->tags[block->tag_count++] = tag;
    return true;
}

static void expect_tag(const struct replay_index *index, const struct replay_tag *tag)
{
    ahead_fetch(&index->slots[home_of(index, print_of(index, tag))]);
}

void replay_expect(const struct replay_index *index, const struct ingot_hash *digest)
{
    const struct replay_tag tag = tag_of(digest);
    expect_tag(index, &tag);
}

void replay_trim(struct executed *block)
{
    block->tags = alloc_resize(block->tags, block->tag_count, sizeof *block->tags);
    block->tag_capacity = block->tag_count;
}

bool replay_has(const struct replay_index *index, const struct ancestry *ancestry,
                const struct ingot_hash *digest)
{
    const struct replay_tag tag = tag_of(digest);
    uint32_t empty = 0;
    return probe(index, ancestry, &tag, print_of(index, &tag), &empty);
}

/* Empties a slot and moves back those behind it that were pushed past it. */
static void empty_slot(struct replay_index *index, uint32_t hole)
{
    const uint32_t mask = mask_of(index);
    uint32_t at = hole;
    for (;;) {
        at = (at + 1) & mask;
        const uint64_t slot = index->slots[at];
        if (slot == 0)
            break;
        const uint32_t home = home_of(index, slot_print(slot));
        if (((at - home) & mask) >= ((at - hole) & mask)) {
            index->slots[hole] = slot;
            hole = at;
        }
    }
    index->slots[hole] = 0;
    index->used--;
}

void replay_remove(struct replay_index *index, struct executed *block)
{
    if (block->replay_id == 0)
        return;
    for (uint32_t i = 0; i < block->tag_count; i++) {
        if (i + AHEAD < block->tag_count)
            expect_tag(index, &block->tags[i + AHEAD]);
        const uint32_t print = print_of(index, &block->tags[i]);
        const uint64_t slot = slot_of(print, block->replay_id, i);
        uint32_t at = home_of(index, print);
        while (index->slots[at] != slot) {
            INGOT_ASSERT(index->slots[at] != 0);
            at = (at + 1) & mask_of(index);
        }
        empty_slot(index, at);
    }
    index->blocks[block->replay_id] = NULL;
    index->free_ids[index->free_count++] = block->replay_id;
    block->replay_id = 0;
    free(block->tags);
    block->tags = NULL;
    block->tag_count = 0;
    block->tag_capacity = 0;
}
