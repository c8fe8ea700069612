/*
 * Reads what a user hands over. See input.h.
 */
#include "cli/input.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#define READ_BYTES ((size_t)64 * 1024)

/* Reads one byte more than may be, to tell that there is more. */
static enum ingot_error read_all(int file, size_t size_max, struct ingot_buffer *content)
{
    const size_t before = content->size;
    while (content->size - before <= size_max) {
        ingot_buffer_reserve(content, READ_BYTES);
        const ssize_t taken = read(file, content->data + content->size, READ_BYTES);
        if (taken < 0 && errno == EINTR)
            continue;
        if (taken <= 0)
            return taken == 0 ? INGOT_OK : INGOT_ERROR_IO;
        content->size += (size_t)taken;
    }
    return INGOT_ERROR_TOO_LARGE;
}

enum ingot_error input_read(const char *path, size_t size_max, struct ingot_buffer *content,
                            struct report *report)
{
    const bool is_standard_input = strcmp(path, "-") == 0;
    const int file = is_standard_input ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC);
    const enum ingot_error error = file < 0 ? INGOT_ERROR_IO : read_all(file, size_max, content);
    const int number = errno;
    if (file >= 0 && !is_standard_input)
        (void)close(file);
    if (error == INGOT_ERROR_TOO_LARGE)
        report_add(report, "%s: expected at most %zu bytes", path, size_max);
    else if (error != INGOT_OK)
        report_add(report, "%s: cannot be read: %s", path, strerror(number));
    return error;
}
