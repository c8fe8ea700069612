/*
 * Memory for decoding one frame: bump allocation under a budget, all freed at once. It stands
 * behind protobuf-c, which by itself would let a small frame claim many times its size.
 */
#ifndef INGOT_WIRE_ARENA_H
#define INGOT_WIRE_ARENA_H

#include <ingot/bytes.h>
#include <protobuf-c/protobuf-c.h>

/* What most consensus messages need, so that they allocate nothing while decoding. */
#define ARENA_INLINE_BYTES 4096
/* Allocations from this size on stand alone and can be taken out of the arena. */
#define ARENA_LARGE_BYTES 4096

struct arena {
    size_t bytes_left; /* of the budget */
    bool exhausted;    /* an allocation was refused */
    uint8_t *at;       /* free space of the present chunk */
    size_t chunk_left;
    void **owned; /* chunks and large allocations */
    size_t owned_count;
    size_t owned_capacity;
    ProtobufCAllocator allocator; /* hands out this arena's memory; freeing is left to deinit */
    _Alignas(16) uint8_t chunk[ARENA_INLINE_BYTES];
};

/* The arena must not move afterwards. */
void arena_init(struct arena *arena, size_t budget_bytes);
void arena_deinit(struct arena *arena);
/* NULL when the budget is used up. 16-byte aligned, not zeroed. */
void *arena_alloc(struct arena *arena, size_t size);
/*
 * Takes bytes out of the arena into an empty buffer: moves them if they stand alone, else copies.
 */
void arena_take(struct arena *arena, ProtobufCBinaryData bytes, struct ingot_buffer *buffer);

#endif
