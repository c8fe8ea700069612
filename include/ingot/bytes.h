/**
 * Byte strings: `ingot_slice` borrows, `ingot_buffer` owns.
 */
#ifndef INGOT_BYTES_H
#define INGOT_BYTES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <ingot/error.h>

#ifdef __cplusplus
extern "C" {
#endif

/** Bytes that belong to somebody else. `data` may be NULL only if `size` is 0. */
struct ingot_slice {
    const uint8_t *data;
    size_t size;
};

/**
 * A growing byte string that owns its memory. All zero is a valid empty buffer.
 * Running out of memory stops the process.
 */
struct ingot_buffer {
    uint8_t *data;
    size_t size;
    size_t capacity;
};

INGOT_API struct ingot_slice ingot_slice_of(const void *data, size_t size);
/** The bytes of a NUL-terminated string, without the NUL. */
INGOT_API struct ingot_slice ingot_slice_of_text(const char *text);
INGOT_API bool ingot_slice_equal(struct ingot_slice a, struct ingot_slice b);
/** Lexicographic order, a prefix before its extensions: < 0, 0, > 0. */
INGOT_API int ingot_slice_compare(struct ingot_slice a, struct ingot_slice b);

/** Makes room for `size_extra` more bytes without changing the content. */
INGOT_API void ingot_buffer_reserve(struct ingot_buffer *buffer, size_t size_extra);
INGOT_API void ingot_buffer_append(struct ingot_buffer *buffer, const void *data, size_t size);
INGOT_API void ingot_buffer_append_slice(struct ingot_buffer *buffer, struct ingot_slice slice);
INGOT_API void ingot_buffer_append_u8(struct ingot_buffer *buffer, uint8_t value);
/** Little-endian. */
INGOT_API void ingot_buffer_append_u32(struct ingot_buffer *buffer, uint32_t value);
INGOT_API void ingot_buffer_append_u64(struct ingot_buffer *buffer, uint64_t value);
/** printf into the buffer; the terminating NUL is not part of the content. */
INGOT_API void ingot_buffer_format(struct ingot_buffer *buffer, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/** The content, valid until the buffer changes. */
INGOT_API struct ingot_slice ingot_buffer_slice(const struct ingot_buffer *buffer);
/** Forgets the content, keeps the memory. */
INGOT_API void ingot_buffer_clear(struct ingot_buffer *buffer);
/** Frees the memory; the buffer is empty and usable again. */
INGOT_API void ingot_buffer_deinit(struct ingot_buffer *buffer);

/** Takes bytes from the front of a slice: false, and no change, when too few are left. */
INGOT_API bool ingot_slice_take(struct ingot_slice *from, size_t size, struct ingot_slice *taken);
INGOT_API bool ingot_slice_take_u8(struct ingot_slice *from, uint8_t *value);
/** Little-endian. */
INGOT_API bool ingot_slice_take_u32(struct ingot_slice *from, uint32_t *value);
INGOT_API bool ingot_slice_take_u64(struct ingot_slice *from, uint64_t *value);

#ifdef __cplusplus
}
#endif
#endif
