/*
 * Documents that are signed: files of any size and kind, of which mostly the digest matters.
 */
#ifndef INGOT_CLI_DOCUMENT_H
#define INGOT_CLI_DOCUMENT_H

#include <ingot/bytes.h>

#include "config/file.h"

/*
 * SHA-256 of a file's content; "-" is standard input. INGOT_OK, or what file_error_of_errno makes
 * of the failure, with a sentence that names the file.
 */
INGOT_MUST_USE enum ingot_error document_digest(const char *path, uint8_t digest[32],
                                                struct report *report);

/*
 * The same with the size in bytes, and the content if it has at most content_bytes_max bytes;
 * otherwise `content` stays empty.
 */
INGOT_MUST_USE enum ingot_error document_read(const char *path, uint8_t digest[32],
                                              struct ingot_buffer *content,
                                              size_t content_bytes_max, uint64_t *size,
                                              struct report *report);

/* Is `path` the document itself? Then writing there would destroy it; "-" is never. */
bool document_is_at(const char *document, const char *path);

#endif
