/*
 * Files that a user hands to a subcommand: any bytes, from a file or from standard input.
 */
#ifndef INGOT_CLI_INPUT_H
#define INGOT_CLI_INPUT_H

#include "config/file.h"

/*
 * Reads all of a file, or of standard input if it is called "-", behind what `content` has.
 *
 * Returns INGOT_OK, INGOT_ERROR_TOO_LARGE (more than size_max bytes) or INGOT_ERROR_IO; then the
 * report says why, and `content` holds nothing of use.
 */
INGOT_MUST_USE enum ingot_error input_read(const char *path, size_t size_max,
                                           struct ingot_buffer *content, struct report *report);

#endif
