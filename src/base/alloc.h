/*
 * Allocation that never returns NULL: out of memory is fail-stop. Free with free().
 */
#ifndef INGOT_BASE_ALLOC_H
#define INGOT_BASE_ALLOC_H

#include <stddef.h>

void *alloc_zeroed(size_t count, size_t size);
/* Grows or makes an array of `count` elements; new bytes are not initialised. */
void *alloc_resize(void *memory, size_t count, size_t size);
void *alloc_copy(const void *data, size_t size);
char *alloc_text(const char *text);

#endif
