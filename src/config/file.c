/*
 * Small files whole, and the list of complaints about one. Nothing here knows what a file means.
 */
#define _GNU_SOURCE /* mkostemp */
#include "config/file.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <sodium.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"

void report_init(struct report *report, char *text, size_t size)
{
    *report = (struct report){.text = text, .size = size};
    if (size > 0)
        text[0] = '\0';
}

static void append(struct report *report, const char *format, va_list arguments)
    __attribute__((format(printf, 2, 0)));

static void append(struct report *report, const char *format, va_list arguments)
{
    size_t room = report->size - report->used;
    if (room <= 1)
        return;
    int length = vsnprintf(report->text + report->used, room, format, arguments);
    if (length > 0)
        report->used += (size_t)length < room ? (size_t)length : room - 1;
}

void report_append(struct report *report, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    append(report, format, arguments);
    va_end(arguments);
}

void report_add(struct report *report, const char *format, ...)
{
    report->count++;
    if (report->used > 0)
        report_append(report, "\n");
    va_list arguments;
    va_start(arguments, format);
    append(report, format, arguments);
    va_end(arguments);
}

char *path_join(const char *folder, const char *name)
{
    if (name[0] == '/')
        return alloc_text(name);
    struct ingot_buffer path = {0};
    ingot_buffer_format(&path, "%s/%s", folder, name);
    ingot_buffer_append_u8(&path, 0);
    return (char *)path.data;
}

enum ingot_error file_error_of_errno(int number)
{
    switch (number) {
    case ENOENT:
    case ENOTDIR:
        return INGOT_ERROR_NOT_FOUND;
    case EACCES:
    case EPERM:
    case EROFS:
        return INGOT_ERROR_PERMISSION;
    case ENOSPC:
    case EDQUOT:
    case EFBIG: /* a limit of the process, or of the file system */
        return INGOT_ERROR_NO_SPACE;
    case EEXIST:
        return INGOT_ERROR_EXISTS;
    default:
        return INGOT_ERROR_IO;
    }
}

/* Reads to the end; -1 and errno on failure, 1 when there is more than size_max. */
static int read_all(int file, size_t size_max, struct ingot_buffer *content)
{
    for (;;) {
        ingot_buffer_reserve(content, 4096);
        ssize_t taken =
            read(file, content->data + content->size, content->capacity - content->size);
        if (taken < 0 && errno == EINTR)
            continue;
        if (taken <= 0)
            return (int)taken;
        content->size += (size_t)taken;
        if (content->size > size_max)
            return 1;
    }
}

static enum ingot_error read_open_file(int file, const char *path, size_t size_max,
                                       struct ingot_buffer *content, struct report *report)
{
    struct stat status;
    if (fstat(file, &status) != 0) {
        report_add(report, "%s: cannot be read: %s", path, strerror(errno));
        return INGOT_ERROR_IO;
    }
    if (!S_ISREG(status.st_mode)) {
        report_add(report, "%s: expected a regular file", path);
        return INGOT_ERROR_INVALID;
    }
    /* All the room at once: growing would leave copies of a key file's secret behind. */
    if (status.st_size > 0 && (uint64_t)status.st_size <= size_max)
        ingot_buffer_reserve(content, (size_t)status.st_size + 8192);
    int outcome = read_all(file, size_max, content);
    if (outcome < 0) {
        report_add(report, "%s: cannot be read: %s", path, strerror(errno));
        return file_error_of_errno(errno);
    }
    if (outcome > 0) {
        report_add(report, "%s: expected at most %zu bytes", path, size_max);
        return INGOT_ERROR_TOO_LARGE;
    }
    if (content->size > 0 && memchr(content->data, 0, content->size) != NULL) {
        report_add(report, "%s: expected text, found a NUL byte", path);
        return INGOT_ERROR_INVALID;
    }
    ingot_buffer_append_u8(content, 0);
    content->size--;
    return INGOT_OK;
}

enum ingot_error file_read(const char *path, size_t size_max, struct ingot_buffer *content,
                           struct report *report)
{
    /* O_NONBLOCK, so that a FIFO in a file's place is refused instead of waited for. */
    int file = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (file < 0) {
        int number = errno;
        report_add(report, "%s: cannot be read: %s", path, strerror(number));
        return file_error_of_errno(number);
    }
    enum ingot_error error = read_open_file(file, path, size_max, content, report);
    (void)close(file);
    if (error != INGOT_OK) {
        if (content->size > 0)
            sodium_memzero(content->data, content->size);
        ingot_buffer_deinit(content);
    }
    return error;
}

static bool write_all(int file, struct ingot_slice content)
{
    while (content.size > 0) {
        ssize_t written = write(file, content.data, content.size);
        if (written < 0 && errno == EINTR)
            continue;
        if (written <= 0)
            return false;
        content.data += written;
        content.size -= (size_t)written;
    }
    return true;
}

bool file_sync_folder(const char *path)
{
    char *copy = alloc_text(path);
    int folder = open(dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    free(copy);
    if (folder < 0)
        return false;
    bool is_synced = fsync(folder) == 0;
    int number = errno;
    (void)close(folder);
    errno = number;
    return is_synced;
}

/* Fills the temporary file and gives it its final name; errno says what failed. */
static bool write_and_name(int file, const char *temporary, const char *path,
                           struct ingot_slice content, uint32_t mode, enum file_overwrite overwrite)
{
    if (!write_all(file, content) || fchmod(file, (mode_t)mode) != 0 || fsync(file) != 0)
        return false;
    if (overwrite == FILE_REPLACE)
        return rename(temporary, path) == 0 && file_sync_folder(path);
    /* link() refuses an existing name, whoever made it meanwhile; rename() would not. */
    if (link(temporary, path) != 0)
        return false;
    return unlink(temporary) == 0 && file_sync_folder(path);
}

/* A rename would put a file in the place of a device, or of a link such as /dev/stdout. */
static bool may_be_replaced(const char *path)
{
    struct stat status;
    return lstat(path, &status) != 0 || S_ISREG(status.st_mode);
}

enum ingot_error file_write(const char *path, struct ingot_slice content, uint32_t mode,
                            enum file_overwrite overwrite, struct report *report)
{
    if (overwrite == FILE_REPLACE && !may_be_replaced(path)) {
        report_add(report, "%s: cannot be written: expected a regular file, or none of that name",
                   path);
        return INGOT_ERROR_INVALID;
    }
    struct ingot_buffer name = {0};
    ingot_buffer_format(&name, "%s.XXXXXX", path);
    ingot_buffer_append_u8(&name, 0);
    char *temporary = (char *)name.data;

    enum ingot_error error = INGOT_OK;
    int file = mkostemp(temporary, O_CLOEXEC);
    if (file < 0) {
        error = file_error_of_errno(errno);
        report_add(report, "%s: cannot be written: %s", path, strerror(errno));
    } else {
        if (!write_and_name(file, temporary, path, content, mode, overwrite)) {
            error = file_error_of_errno(errno);
            report_add(report, "%s: cannot be written: %s", path, strerror(errno));
            (void)unlink(temporary);
        }
        (void)close(file);
    }
    ingot_buffer_deinit(&name);
    return error;
}

enum ingot_error file_stream_begin(struct file_stream *stream, const char *path,
                                   struct report *report)
{
    struct stat status;
    if (lstat(path, &status) == 0) {
        report_add(report, "%s: there is one already; expected the name of a new file", path);
        return INGOT_ERROR_EXISTS;
    }
    struct ingot_buffer name = {0};
    ingot_buffer_format(&name, "%s.XXXXXX", path);
    ingot_buffer_append_u8(&name, 0);
    *stream = (struct file_stream){.path = path, .temporary = (char *)name.data};
    stream->file = mkostemp(stream->temporary, O_CLOEXEC);
    if (stream->file >= 0)
        return INGOT_OK;
    const int number = errno;
    report_add(report, "%s: cannot be written: %s", path, strerror(number));
    ingot_buffer_deinit(&name);
    return file_error_of_errno(number);
}

enum ingot_error file_stream_write(struct file_stream *stream, struct ingot_slice content)
{
    return write_all(stream->file, content) ? INGOT_OK : file_error_of_errno(errno);
}

enum ingot_error file_stream_end(struct file_stream *stream, uint32_t mode, struct report *report)
{
    enum ingot_error error = INGOT_OK;
    if (!write_and_name(stream->file, stream->temporary, stream->path, ingot_slice_of(NULL, 0),
                        mode, FILE_KEEP_EXISTING)) {
        error = file_error_of_errno(errno);
        report_add(report, "%s: cannot be written: %s", stream->path, strerror(errno));
    }
    file_stream_abandon(stream);
    return error;
}

void file_stream_abandon(struct file_stream *stream)
{
    (void)unlink(stream->temporary);
    (void)close(stream->file);
    free(stream->temporary);
}

enum ingot_error folder_make(const char *path, uint32_t mode, struct report *report)
{
    if (mkdir(path, (mode_t)mode) == 0)
        return INGOT_OK;
    int number = errno;
    struct stat status;
    if (number == EEXIST && stat(path, &status) == 0 && S_ISDIR(status.st_mode))
        return INGOT_OK;
    report_add(report, "%s: the folder cannot be made: %s", path, strerror(number));
    return file_error_of_errno(number);
}

enum ingot_error folder_rename(const char *from, const char *to, struct report *report)
{
    if (rename(from, to) == 0 && file_sync_folder(to))
        return INGOT_OK;
    const int number = errno == ENOTEMPTY ? EEXIST : errno;
    report_add(report, "%s: cannot be given its name: %s", to, strerror(number));
    return file_error_of_errno(number);
}
