/*
 * The overlay: what the blocks above the applied height changed, as one hash table over all of
 * them. A key has a chain of versions, that of the highest block first; a reader takes the first
 * one that is on its branch. So a read costs one probe, however many blocks wait to be applied,
 * and nothing has to be merged when a block is committed.
 */
#include <sodium/crypto_shorthash.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "node/executor_internal.h"

#define SLOTS_MIN 256

/* Its place among those of its block is that of the update in the block's execution. */
struct version {
    uint64_t hash;
    const struct executed *block;
    struct version *newer;
    struct version *older;
};

/* Empty without a version. */
struct overlay_slot {
    uint64_t hash;
    struct version *newest;
};

static_assert(sizeof(struct key_hasher) == crypto_shorthash_KEYBYTES,
              "the secret is SipHash's key");

uint64_t key_hash(const struct key_hasher *hasher, struct ingot_slice key)
{
    uint64_t hash;
    static_assert(sizeof hash == crypto_shorthash_BYTES, "SipHash gives 8 bytes");
    unsigned char bytes[crypto_shorthash_BYTES];
    (void)crypto_shorthash(bytes, key.data, key.size, hasher->secret);
    memcpy(&hash, bytes, sizeof hash);
    return hash;
}

static struct state_update update_of(const struct version *version)
{
    const struct executed *block = version->block;
    return execution_update(block->execution, (uint32_t)(version - block->versions));
}

void overlay_init(struct overlay *overlay)
{
    *overlay = (struct overlay){.slot_count = SLOTS_MIN};
    overlay->slots = alloc_zeroed(SLOTS_MIN, sizeof *overlay->slots);
}

void overlay_deinit(struct overlay *overlay)
{
    free(overlay->slots);
}

/* The slot of a key: that which holds it, or the empty one where it belongs. */
static uint32_t probe(const struct overlay *overlay, uint64_t hash, struct ingot_slice key)
{
    const uint32_t mask = overlay->slot_count - 1;
    uint32_t at = (uint32_t)hash & mask;
    for (;;) {
        const struct overlay_slot *slot = &overlay->slots[at];
        if (slot->newest == NULL ||
            (slot->hash == hash && ingot_slice_equal(update_of(slot->newest).key, key)))
            return at;
        at = (at + 1) & mask;
    }
}

static void grow(struct overlay *overlay, uint32_t keys_extra)
{
    uint32_t slot_count = overlay->slot_count;
    while (overlay->key_count + keys_extra > slot_count / 4 * 3)
        slot_count *= 2;
    if (slot_count == overlay->slot_count)
        return;
    struct overlay_slot *old = overlay->slots;
    overlay->slots = alloc_zeroed(slot_count, sizeof *overlay->slots);
    for (uint32_t i = 0; i < overlay->slot_count; i++) {
        if (old[i].newest == NULL)
            continue;
        uint32_t at = (uint32_t)old[i].hash & (slot_count - 1);
        while (overlay->slots[at].newest != NULL)
            at = (at + 1) & (slot_count - 1);
        overlay->slots[at] = old[i];
    }
    overlay->slot_count = slot_count;
    free(old);
}

static void insert(struct overlay *overlay, struct version *version)
{
    struct overlay_slot *slot =
        &overlay->slots[probe(overlay, version->hash, update_of(version).key)];
    if (slot->newest == NULL) {
        *slot = (struct overlay_slot){version->hash, version};
        overlay->key_count++;
        return;
    }
    /* Nearly always the new block is the highest, so the loop ends at once. */
    struct version *newer = NULL;
    struct version *older = slot->newest;
    while (older != NULL && older->block->height > version->block->height) {
        newer = older;
        older = older->older;
    }
    version->newer = newer;
    version->older = older;
    if (older != NULL)
        older->newer = version;
    if (newer != NULL)
        newer->older = version;
    else
        slot->newest = version;
}

void overlay_add(struct overlay *overlay, struct executed *block, const uint64_t *hashes)
{
    const struct execution *execution = block->execution;
    if (execution->update_count == 0)
        return;
    grow(overlay, execution->update_count);
    block->versions = alloc_zeroed(execution->update_count, sizeof *block->versions);
    for (uint32_t i = 0; i < execution->update_count; i++) {
        struct version *version = &block->versions[i];
        version->hash = hashes[i];
        version->block = block;
        insert(overlay, version);
    }
    block->layer_previous = NULL;
    block->layer_next = overlay->layers;
    if (overlay->layers != NULL)
        overlay->layers->layer_previous = block;
    overlay->layers = block;
}

/* Empties a slot and moves back those behind it that were pushed past it. */
static void empty_slot(struct overlay *overlay, uint32_t hole)
{
    const uint32_t mask = overlay->slot_count - 1;
    uint32_t at = hole;
    for (;;) {
        at = (at + 1) & mask;
        const struct overlay_slot *slot = &overlay->slots[at];
        if (slot->newest == NULL)
            break;
        const uint32_t home = (uint32_t)slot->hash & mask;
        if (((at - home) & mask) >= ((at - hole) & mask)) {
            overlay->slots[hole] = *slot;
            hole = at;
        }
    }
    overlay->slots[hole] = (struct overlay_slot){0};
    overlay->key_count--;
}

static void remove_version(struct overlay *overlay, struct version *version)
{
    if (version->older != NULL)
        version->older->newer = version->newer;
    if (version->newer != NULL) {
        version->newer->older = version->older;
        return;
    }
    const uint32_t at = probe(overlay, version->hash, update_of(version).key);
    INGOT_ASSERT(overlay->slots[at].newest == version);
    if (version->older != NULL)
        overlay->slots[at].newest = version->older;
    else
        empty_slot(overlay, at);
}

void overlay_remove(struct overlay *overlay, struct executed *block)
{
    if (block->versions == NULL)
        return;
    for (uint32_t i = 0; i < block->execution->update_count; i++)
        remove_version(overlay, &block->versions[i]);
    free(block->versions);
    block->versions = NULL;
    if (block->layer_next != NULL)
        block->layer_next->layer_previous = block->layer_previous;
    if (block->layer_previous != NULL)
        block->layer_previous->layer_next = block->layer_next;
    else
        overlay->layers = block->layer_next;
}

bool overlay_find(const struct overlay *overlay, uint64_t hash, struct ingot_slice key,
                  uint64_t mark, struct state_update *update)
{
    const struct version *version = overlay->slots[probe(overlay, hash, key)].newest;
    while (version != NULL && !executed_counts(version->block, mark))
        version = version->older;
    if (version != NULL)
        *update = update_of(version);
    return version != NULL;
}
