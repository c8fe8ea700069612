/*
 * Bump allocation under a budget. See arena.h.
 */
#include "wire/arena.h"

#include <stdlib.h>

#include "base/alloc.h"

#define ARENA_ALIGNMENT ((size_t)16)
#define ARENA_CHUNK_BYTES ((size_t)65536)

static void *allocator_alloc(void *context, size_t size)
{
    return arena_alloc(context, size);
}

static void allocator_free(void *context, void *memory)
{
    (void)context;
    (void)memory;
}

void arena_init(struct arena *arena, size_t budget_bytes)
{
    arena->bytes_left = budget_bytes;
    arena->exhausted = false;
    arena->at = arena->chunk;
    arena->chunk_left = sizeof arena->chunk;
    arena->owned = NULL;
    arena->owned_count = 0;
    arena->owned_capacity = 0;
    arena->allocator = (ProtobufCAllocator){allocator_alloc, allocator_free, arena};
}

void arena_deinit(struct arena *arena)
{
    for (size_t i = 0; i < arena->owned_count; i++) {
        free(arena->owned[i]);
    }
    free(arena->owned);
}

static void *own(struct arena *arena, size_t size)
{
    if (arena->owned_count == arena->owned_capacity) {
        arena->owned_capacity = arena->owned_capacity == 0 ? 8 : arena->owned_capacity * 2;
        arena->owned = alloc_resize(arena->owned, arena->owned_capacity, sizeof arena->owned[0]);
    }
    void *memory = alloc_resize(NULL, size, 1);
    arena->owned[arena->owned_count++] = memory;
    return memory;
}

void *arena_alloc(struct arena *arena, size_t size)
{
    if (size > arena->bytes_left || size > SIZE_MAX - ARENA_ALIGNMENT) {
        arena->exhausted = true;
        return NULL;
    }
    if (size >= ARENA_LARGE_BYTES) {
        arena->bytes_left -= size;
        return own(arena, size);
    }
    const size_t rounded = (size + ARENA_ALIGNMENT - 1) / ARENA_ALIGNMENT * ARENA_ALIGNMENT;
    if (rounded > arena->chunk_left) {
        arena->chunk_left = arena->bytes_left < ARENA_CHUNK_BYTES
                                ? arena->bytes_left + ARENA_ALIGNMENT
                                : ARENA_CHUNK_BYTES;
        arena->at = own(arena, arena->chunk_left);
    }
    void *memory = arena->at;
    arena->at += rounded;
    arena->chunk_left -= rounded;
    arena->bytes_left -= rounded < arena->bytes_left ? rounded : arena->bytes_left;
    return memory;
}

void arena_take(struct arena *arena, ProtobufCBinaryData bytes, struct ingot_buffer *buffer)
{
    if (bytes.len >= ARENA_LARGE_BYTES) {
        for (size_t i = arena->owned_count; i > 0; i--) {
            if (arena->owned[i - 1] == bytes.data) {
                arena->owned[i - 1] = arena->owned[--arena->owned_count];
                *buffer = (struct ingot_buffer){bytes.data, bytes.len, bytes.len};
                return;
            }
        }
    }
    ingot_buffer_append(buffer, bytes.data, bytes.len);
}
