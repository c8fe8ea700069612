/*
 * The end of a process that found a bug of its own. It does not clean up and does not allocate:
 * nothing can be trusted any more, least of all the heap.
 */
#include "base/assert.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

_Noreturn void assert_fail(const char *condition, const char *file, int line, const char *function)
{
    char text[1024];
    int size = snprintf(text, sizeof text, "ingot: assertion failed: %s (%s:%d, %s)\n", condition,
                        file, line, function);
    if (size > 0) {
        size_t length = (size_t)size < sizeof text ? (size_t)size : sizeof text - 1;
        /* The process ends either way; there is nobody to tell about a failed write. */
        ssize_t written = write(STDERR_FILENO, text, length);
        (void)written;
    }
    abort();
}
