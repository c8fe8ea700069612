/*
 * The file of `ingot kv import`: lines of key, tab, value.
 */
#ifndef INGOT_CLI_KV_FILE_H
#define INGOT_CLI_KV_FILE_H

#include <ingot/bytes.h>

#include "config/file.h"

struct kv_item {
    struct ingot_slice key; /* into the file's content */
    struct ingot_slice value;
    uint32_t line;
};

struct kv_file {
    struct ingot_buffer content;
    struct kv_item *items; /* one for each key, in the order of their last lines */
    uint32_t count;
};

/*
 * Reads a file, or standard input if it is called "-". Complaints name the line. Every key comes
 * once, with the value of its last line; empty lines are skipped.
 *
 * Returns INGOT_OK, and then the file must be deinitialised; INGOT_ERROR_INVALID or
 * INGOT_ERROR_IO.
 */
INGOT_MUST_USE enum ingot_error kv_file_read(const char *path, struct kv_file *file,
                                             struct report *report);
/* The same for content in memory, which it takes over. */
INGOT_MUST_USE enum ingot_error kv_file_parse(struct ingot_buffer *content, const char *name,
                                              struct kv_file *file, struct report *report);
void kv_file_deinit(struct kv_file *file);

#endif
