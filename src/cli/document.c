/*
 * The body of document.h: reads a piece at a time, so that a document may be larger than memory.
 */
#include "cli/document.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "wire/crypto.h"

#define PIECE_BYTES ((size_t)256 * 1024)

/* What is wanted of a document as it is read. */
struct reading {
    struct crypto_sha256 hasher;
    uint64_t size;
    struct ingot_buffer *content; /* or NULL */
    size_t content_bytes_max;
};

static void add(struct reading *reading, struct ingot_slice piece)
{
    crypto_sha256_add(&reading->hasher, piece);
    reading->size += piece.size;
    if (reading->content == NULL)
        return;
    if (reading->size <= reading->content_bytes_max)
        ingot_buffer_append_slice(reading->content, piece);
    else
        ingot_buffer_clear(reading->content);
}

/* False with errno. */
static bool add_all(int file, struct reading *reading)
{
    uint8_t *piece = alloc_zeroed(PIECE_BYTES, 1);
    ssize_t taken;
    do {
        taken = read(file, piece, PIECE_BYTES);
        if (taken > 0)
            add(reading, ingot_slice_of(piece, (size_t)taken));
    } while (taken > 0 || (taken < 0 && errno == EINTR));
    const int number = errno;
    free(piece);
    errno = number;
    return taken == 0;
}

static enum ingot_error read_document(const char *path, uint8_t digest[32], struct reading *reading,
                                      struct report *report)
{
    const bool is_standard_input = strcmp(path, "-") == 0;
    const int file = is_standard_input ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC);
    crypto_sha256_begin(&reading->hasher);
    const bool is_read = file >= 0 && add_all(file, reading);
    const int number = errno;
    crypto_sha256_end(&reading->hasher, digest);
    if (file >= 0 && !is_standard_input)
        (void)close(file);
    if (is_read)
        return INGOT_OK;
    report_add(report, "%s: cannot be read: %s", path, strerror(number));
    return file_error_of_errno(number);
}

enum ingot_error document_digest(const char *path, uint8_t digest[32], struct report *report)
{
    struct reading reading = {.content = NULL};
    return read_document(path, digest, &reading, report);
}

enum ingot_error document_read(const char *path, uint8_t digest[32], struct ingot_buffer *content,
                               size_t content_bytes_max, uint64_t *size, struct report *report)
{
    struct reading reading = {.content = content, .content_bytes_max = content_bytes_max};
    const enum ingot_error error = read_document(path, digest, &reading, report);
    *size = reading.size;
    return error;
}

bool document_is_at(const char *document, const char *path)
{
    struct stat one;
    struct stat other;
    return strcmp(document, "-") != 0 && strcmp(path, "-") != 0 && stat(document, &one) == 0 &&
           stat(path, &other) == 0 && one.st_dev == other.st_dev && one.st_ino == other.st_ino;
}
