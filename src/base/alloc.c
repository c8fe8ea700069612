/*
 * Fail-stop allocation. It does not track, pool or limit memory; limits belong to the owners of
 * queues and buffers.
 */
#include "base/alloc.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* A consensus node that cannot allocate cannot keep its promises, so it stops where it stands. */
static _Noreturn void out_of_memory(void)
{
    static const char text[] = "ingot: out of memory\n";
    ssize_t written = write(STDERR_FILENO, text, sizeof text - 1);
    (void)written;
    abort();
}

/* malloc(0) may give NULL, which callers would have to tell from failure. */
static size_t at_least_one(size_t size)
{
    return size > 0 ? size : 1;
}

void *alloc_zeroed(size_t count, size_t size)
{
    void *memory = calloc(at_least_one(count), at_least_one(size));
    if (memory == NULL)
        out_of_memory();
    return memory;
}

void *alloc_resize(void *memory, size_t count, size_t size)
{
    if (size > 0 && count > SIZE_MAX / size)
        out_of_memory();
    void *resized = realloc(memory, at_least_one(count * size));
    if (resized == NULL)
        out_of_memory();
    return resized;
}

void *alloc_copy(const void *data, size_t size)
{
    void *copy = alloc_resize(NULL, size, 1);
    if (size > 0)
        memcpy(copy, data, size);
    return copy;
}

char *alloc_text(const char *text)
{
    return alloc_copy(text, strlen(text) + 1);
}
