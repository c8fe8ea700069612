/*
 * The body of document.h: reads a piece at a time, so that a document may be larger than memory.
 */
#include "cli/document.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "wire/crypto.h"

#define PIECE_BYTES ((size_t)256 * 1024)

/* False with errno. */
static bool add_all(int file, struct crypto_sha256 *hasher)
{
    uint8_t *piece = alloc_zeroed(PIECE_BYTES, 1);
    ssize_t taken;
    do {
        taken = read(file, piece, PIECE_BYTES);
        if (taken > 0)
            crypto_sha256_add(hasher, ingot_slice_of(piece, (size_t)taken));
    } while (taken > 0 || (taken < 0 && errno == EINTR));
    const int number = errno;
    free(piece);
    errno = number;
    return taken == 0;
}

enum ingot_error document_digest(const char *path, uint8_t digest[32], struct report *report)
{
    const bool is_standard_input = strcmp(path, "-") == 0;
    const int file = is_standard_input ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC);
    struct crypto_sha256 hasher;
    crypto_sha256_begin(&hasher);
    const bool is_read = file >= 0 && add_all(file, &hasher);
    const int number = errno;
    crypto_sha256_end(&hasher, digest);
    if (file >= 0 && !is_standard_input)
        (void)close(file);
    if (is_read)
        return INGOT_OK;
    report_add(report, "%s: cannot be read: %s", path, strerror(number));
    return file_error_of_errno(number);
}
