/*
 * Slices and buffers. Lengths that would overflow are treated as running out of memory by the
 * allocator; no function here fails in another way.
 */
#include <ingot/bytes.h>

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"

struct ingot_slice ingot_slice_of(const void *data, size_t size)
{
    struct ingot_slice slice = {.data = data, .size = size};
    return slice;
}

struct ingot_slice ingot_slice_of_text(const char *text)
{
    return ingot_slice_of(text, strlen(text));
}

bool ingot_slice_equal(struct ingot_slice a, struct ingot_slice b)
{
    return a.size == b.size && (a.size == 0 || memcmp(a.data, b.data, a.size) == 0);
}

int ingot_slice_compare(struct ingot_slice a, struct ingot_slice b)
{
    size_t common = a.size < b.size ? a.size : b.size;
    int order = common == 0 ? 0 : memcmp(a.data, b.data, common);
    if (order != 0)
        return order;
    return (a.size > b.size) - (a.size < b.size);
}

void ingot_buffer_reserve(struct ingot_buffer *buffer, size_t size_extra)
{
    INGOT_ASSERT(size_extra <= SIZE_MAX / 2 - buffer->size);
    size_t needed = buffer->size + size_extra;
    if (needed <= buffer->capacity)
        return;
    /* Who says at first how much there will be gets no more than that. */
    size_t capacity = buffer->capacity > 0 ? buffer->capacity : needed;
    while (capacity < needed || capacity < 64)
        capacity *= 2;
    buffer->data = alloc_resize(buffer->data, capacity, 1);
    buffer->capacity = capacity;
}

void ingot_buffer_append(struct ingot_buffer *buffer, const void *data, size_t size)
{
    if (size == 0)
        return;
    ingot_buffer_reserve(buffer, size);
    memcpy(buffer->data + buffer->size, data, size);
    buffer->size += size;
}

void ingot_buffer_append_slice(struct ingot_buffer *buffer, struct ingot_slice slice)
{
    ingot_buffer_append(buffer, slice.data, slice.size);
}

void ingot_buffer_append_u8(struct ingot_buffer *buffer, uint8_t value)
{
    ingot_buffer_append(buffer, &value, 1);
}

void ingot_buffer_append_u32(struct ingot_buffer *buffer, uint32_t value)
{
    ingot_buffer_reserve(buffer, sizeof value);
    uint8_t *to = buffer->data + buffer->size;
    to[0] = (uint8_t)value;
    to[1] = (uint8_t)(value >> 8);
    to[2] = (uint8_t)(value >> 16);
    to[3] = (uint8_t)(value >> 24);
    buffer->size += sizeof value;
}

void ingot_buffer_append_u64(struct ingot_buffer *buffer, uint64_t value)
{
    ingot_buffer_append_u32(buffer, (uint32_t)value);
    ingot_buffer_append_u32(buffer, (uint32_t)(value >> 32));
}

void ingot_buffer_format(struct ingot_buffer *buffer, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    va_list again;
    va_copy(again, arguments);
    int length = vsnprintf(NULL, 0, format, arguments);
    va_end(arguments);
    INGOT_ASSERT(length >= 0);

    /* vsnprintf needs room for its NUL, which stays behind the content. */
    ingot_buffer_reserve(buffer, (size_t)length + 1);
    int written = vsnprintf((char *)buffer->data + buffer->size, (size_t)length + 1, format, again);
    va_end(again);
    INGOT_ASSERT(written == length);
    buffer->size += (size_t)length;
}

struct ingot_slice ingot_buffer_slice(const struct ingot_buffer *buffer)
{
    return ingot_slice_of(buffer->data, buffer->size);
}

void ingot_buffer_clear(struct ingot_buffer *buffer)
{
    buffer->size = 0;
}

void ingot_buffer_deinit(struct ingot_buffer *buffer)
{
    free(buffer->data);
    buffer->data = NULL;
    buffer->size = 0;
    buffer->capacity = 0;
}

bool ingot_slice_take(struct ingot_slice *from, size_t size, struct ingot_slice *taken)
{
    if (from->size < size)
        return false;
    *taken = ingot_slice_of(from->data, size);
    if (size > 0) {
        from->data += size;
        from->size -= size;
    }
    return true;
}

bool ingot_slice_take_u8(struct ingot_slice *from, uint8_t *value)
{
    struct ingot_slice bytes;
    if (!ingot_slice_take(from, 1, &bytes))
        return false;
    *value = bytes.data[0];
    return true;
}

/* In this form compilers see one load. */
static uint32_t load_u32(const uint8_t *from)
{
    return (uint32_t)from[0] | (uint32_t)from[1] << 8 | (uint32_t)from[2] << 16 |
           (uint32_t)from[3] << 24;
}

bool ingot_slice_take_u32(struct ingot_slice *from, uint32_t *value)
{
    struct ingot_slice bytes;
    if (!ingot_slice_take(from, 4, &bytes))
        return false;
    *value = load_u32(bytes.data);
    return true;
}

bool ingot_slice_take_u64(struct ingot_slice *from, uint64_t *value)
{
    struct ingot_slice bytes;
    if (!ingot_slice_take(from, 8, &bytes))
        return false;
    *value = load_u32(bytes.data) | (uint64_t)load_u32(bytes.data + 4) << 32;
    return true;
}
