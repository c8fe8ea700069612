/*
 * Lines on disk, with plain POSIX calls: pwrite at the durable end, fsync, and ftruncate back to it
 * when the disk is full. Only what fsync has confirmed counts.
 */
#define _GNU_SOURCE
#include "attest/signatures_file.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "attest/attestation.h"
#include "base/alloc.h"
#include "base/assert.h"
#include "base/log.h"
#include "config/file.h"

#define READ_BYTES ((size_t)64 * 1024)

struct signatures_file {
    int file;
    bool has_failed;             /* an outcome is unknown: nothing is written any more */
    uint64_t size;               /* durable */
    struct ingot_buffer pending; /* whole lines, with their line breaks */
    uint32_t pending_count;
    char *path;
    char *replacement; /* the name that the file has until the end of a replacement; or NULL */
};

static enum ingot_error fail(char *why, size_t why_size, const char *path, const char *what)
{
    const int number = errno;
    (void)snprintf(why, why_size, "%s: %s: %s", path, what, strerror(number));
    /* "Not found" is for lines that are lost. */
    return number == ENOENT ? INGOT_ERROR_IO : file_error_of_errno(number);
}

static char *replacement_name(const char *path)
{
    struct ingot_buffer name = {0};
    ingot_buffer_format(&name, "%s.new", path);
    ingot_buffer_append_u8(&name, 0);
    return (char *)name.data;
}

void signatures_file_close(struct signatures_file *file)
{
    if (file == NULL)
        return;
    if (file->file >= 0)
        (void)close(file->file);
    ingot_buffer_deinit(&file->pending);
    free(file->path);
    free(file->replacement);
    free(file);
}

/* Opens `name` into `file` and locks it. */
static enum ingot_error open_locked(struct signatures_file *file, const char *name, char *why,
                                    size_t why_size)
{
    struct stat status;
    /* O_NONBLOCK, so that a FIFO in a file's place is refused instead of waited for. */
    file->file = open(name, O_RDWR | O_CREAT | O_CLOEXEC | O_NONBLOCK, 0600);
    if (file->file < 0)
        return fail(why, why_size, name, "cannot be opened");
    if (fstat(file->file, &status) != 0)
        return fail(why, why_size, name, "cannot be read");
    if (!S_ISREG(status.st_mode)) {
        (void)snprintf(why, why_size, "%s: expected a regular file", name);
        return INGOT_ERROR_INVALID;
    }
    if (flock(file->file, LOCK_EX | LOCK_NB) != 0) {
        if (errno != EWOULDBLOCK)
            return fail(why, why_size, name, "cannot be locked");
        (void)snprintf(why, why_size, "%s: in use by another process", name);
        return INGOT_ERROR_LOCKED;
    }
    file->size = (uint64_t)status.st_size;
    return INGOT_OK;
}

/* --- Reading. --- */

struct reading {
    const struct signatures_file *file;
    signatures_file_visit *visit;
    void *context;
    struct ingot_buffer bytes; /* read, and not shown yet */
    uint64_t at;               /* of the first of them in the file */
    bool is_cut;               /* what begins there goes, for the reason in `why` */
    char *why;
    size_t why_size;
};

static enum ingot_error corrupt(const struct reading *reading, const char *text)
{
    (void)snprintf(reading->why, reading->why_size, "%s: byte %" PRIu64 ": %s", reading->file->path,
                   reading->at, text);
    return INGOT_ERROR_CORRUPT;
}

/* Shows the line that begins there. */
static enum ingot_error show(struct reading *reading, struct ingot_slice line)
{
    char reason[512] = "it does not belong here";
    const bool is_too_long = line.size > ATTESTATION_JSON_BYTES_MAX;
    if (is_too_long)
        line.size = ATTESTATION_JSON_BYTES_MAX + 1;
    switch (reading->visit(reading->context, line, reason, sizeof reason)) {
    case SIGNATURES_LINE_TAKEN:
        return is_too_long ? corrupt(reading, "a line is too long") : INGOT_OK;
    case SIGNATURES_LINE_CUT:
        reading->is_cut = true;
        (void)snprintf(reading->why, reading->why_size, "%s", reason);
        return INGOT_OK;
    case SIGNATURES_LINE_REFUSED:
        break;
    }
    return corrupt(reading, reason);
}

/* Shows the whole lines among the bytes; what is left of them is the beginning of one. */
static enum ingot_error show_lines(struct reading *reading)
{
    enum ingot_error error = INGOT_OK;
    size_t begin = 0;
    const uint8_t *end;
    while (begin < reading->bytes.size &&
           (end = memchr(reading->bytes.data + begin, '\n', reading->bytes.size - begin)) != NULL) {
        const struct ingot_slice line = {reading->bytes.data + begin,
                                         (size_t)(end - reading->bytes.data) - begin};
        error = show(reading, line);
        if (error != INGOT_OK || reading->is_cut)
            return error;
        begin += line.size + 1;
        reading->at += line.size + 1;
    }
    reading->bytes.size -= begin;
    if (begin > 0 && reading->bytes.size > 0)
        memmove(reading->bytes.data, reading->bytes.data + begin, reading->bytes.size);
    if (reading->bytes.size > ATTESTATION_JSON_BYTES_MAX)
        error = show(reading, ingot_buffer_slice(&reading->bytes));
    return error;
}

static enum ingot_error read_more(struct reading *reading, bool *is_end)
{
    struct ingot_buffer *bytes = &reading->bytes;
    ingot_buffer_reserve(bytes, READ_BYTES);
    const ssize_t taken = pread(reading->file->file, bytes->data + bytes->size, READ_BYTES,
                                (off_t)(reading->at + bytes->size));
    if (taken < 0 && errno != EINTR)
        return fail(reading->why, reading->why_size, reading->file->path, "cannot be read");
    *is_end = taken == 0;
    if (taken > 0)
        bytes->size += (size_t)taken;
    return INGOT_OK;
}

static enum ingot_error check_from(const struct reading *reading)
{
    uint8_t before = '\n';
    const uint64_t from = reading->at;
    if (from > reading->file->size) {
        (void)snprintf(reading->why, reading->why_size,
                       "%s: it has lost lines: %" PRIu64 " bytes, expected at least %" PRIu64,
                       reading->file->path, reading->file->size, from);
        return INGOT_ERROR_NOT_FOUND;
    }
    if (from > 0 && pread(reading->file->file, &before, 1, (off_t)from - 1) != 1)
        return fail(reading->why, reading->why_size, reading->file->path, "cannot be read");
    return before == '\n' ? INGOT_OK : corrupt(reading, "expected the beginning of a line");
}

/* Shows what is there and leaves reading->at at the end of the last line that stays. */
static enum ingot_error read_lines(struct reading *reading)
{
    bool is_end = false;
    enum ingot_error error = check_from(reading);
    while (error == INGOT_OK && !is_end && !reading->is_cut) {
        error = read_more(reading, &is_end);
        if (error == INGOT_OK)
            error = show_lines(reading);
    }
    ingot_buffer_deinit(&reading->bytes);
    return error;
}

static void report_cut(const struct reading *reading)
{
    const uint64_t size = reading->file->size;
    if (size > reading->at)
        LOG(LOG_WARN, "the end of the signatures file was never synced, and is cut off",
            log_text("file", reading->file->path), log_u64("bytes_kept", reading->at),
            log_u64("bytes_cut", size - reading->at),
            log_text("reason", reading->is_cut ? reading->why : "the last line is torn"));
}

enum ingot_error signatures_file_open(const char *path, uint64_t from, signatures_file_visit *visit,
                                      void *context, struct signatures_file **file, char *why,
                                      size_t why_size)
{
    struct signatures_file *opened = alloc_zeroed(1, sizeof *opened);
    opened->path = alloc_text(path);
    struct reading reading = {.file = opened,
                              .visit = visit,
                              .context = context,
                              .at = from,
                              .why = why,
                              .why_size = why_size};
    *file = NULL;
    enum ingot_error error = open_locked(opened, path, why, why_size);
    if (error == INGOT_OK)
        error = read_lines(&reading);
    /* Lines that a process wrote and did not live to sync are only in memory: they are synced. */
    if (error == INGOT_OK && (ftruncate(opened->file, (off_t)reading.at) != 0 ||
                              fsync(opened->file) != 0 || !file_sync_folder(path)))
        error = fail(why, why_size, path, "cannot be synced");
    if (error != INGOT_OK) {
        signatures_file_close(opened);
        return error;
    }
    report_cut(&reading);
    opened->size = reading.at;
    char *left_behind = replacement_name(path);
    (void)unlink(left_behind);
    free(left_behind);
    *file = opened;
    return INGOT_OK;
}

/* --- Writing. --- */

void signatures_file_append(struct signatures_file *file, struct ingot_slice line)
{
    INGOT_ASSERT(line.size > 0 && line.size <= ATTESTATION_JSON_BYTES_MAX);
    INGOT_ASSERT(memchr(line.data, '\n', line.size) == NULL);
    ingot_buffer_append_slice(&file->pending, line);
    ingot_buffer_append_u8(&file->pending, '\n');
    file->pending_count++;
}

/* A write that is cut short is a disk that is almost full: the next one says so. */
static bool write_pending(const struct signatures_file *file)
{
    struct ingot_slice rest = ingot_buffer_slice(&file->pending);
    uint64_t at = file->size;
    while (rest.size > 0) {
        const ssize_t written = pwrite(file->file, rest.data, rest.size, (off_t)at);
        if (written < 0 && errno == EINTR)
            continue;
        if (written <= 0)
            return false;
        at += (uint64_t)written;
        rest.data += written;
        rest.size -= (size_t)written;
    }
    return true;
}

enum ingot_error signatures_file_sync(struct signatures_file *file)
{
    if (file->has_failed)
        return INGOT_ERROR_UNKNOWN_OUTCOME;
    if (file->pending.size == 0)
        return INGOT_OK;
    if (write_pending(file) && fsync(file->file) == 0) {
        file->size += file->pending.size;
        file->pending_count = 0;
        ingot_buffer_clear(&file->pending);
        return INGOT_OK;
    }
    if (file_error_of_errno(errno) == INGOT_ERROR_NO_SPACE &&
        ftruncate(file->file, (off_t)file->size) == 0 && fsync(file->file) == 0)
        return INGOT_ERROR_NO_SPACE;
    file->has_failed = true;
    return INGOT_ERROR_UNKNOWN_OUTCOME;
}

uint64_t signatures_file_size(const struct signatures_file *file)
{
    return file->size;
}

uint32_t signatures_file_pending(const struct signatures_file *file)
{
    return file->pending_count;
}

/* --- Replacing. --- */

enum ingot_error signatures_file_replace_begin(const char *path, struct signatures_file **file,
                                               char *why, size_t why_size)
{
    struct signatures_file *opened = alloc_zeroed(1, sizeof *opened);
    opened->path = alloc_text(path);
    opened->replacement = replacement_name(path);
    *file = NULL;
    enum ingot_error error = open_locked(opened, opened->replacement, why, why_size);
    if (error == INGOT_OK && ftruncate(opened->file, 0) != 0)
        error = fail(why, why_size, opened->replacement, "cannot be emptied");
    if (error != INGOT_OK) {
        signatures_file_close(opened);
        return error;
    }
    opened->size = 0;
    *file = opened;
    return INGOT_OK;
}

enum ingot_error signatures_file_replace_end(struct signatures_file *file)
{
    INGOT_ASSERT(file->replacement != NULL && file->pending.size == 0);
    if (file->has_failed)
        return INGOT_ERROR_UNKNOWN_OUTCOME;
    /* A file of no lines has not been synced yet. */
    if (fsync(file->file) != 0 || rename(file->replacement, file->path) != 0 ||
        !file_sync_folder(file->path)) {
        file->has_failed = true;
        return INGOT_ERROR_UNKNOWN_OUTCOME;
    }
    free(file->replacement);
    file->replacement = NULL;
    return INGOT_OK;
}
