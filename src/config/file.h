/*
 * Small files whole: bounded reads, atomic writes, and the list of what is wrong with one.
 */
#ifndef INGOT_CONFIG_FILE_H
#define INGOT_CONFIG_FILE_H

#include <ingot/bytes.h>

/*
 * Complaints, one a line, in a text of fixed size. When the text is full, later complaints are
 * only counted. `text` may be NULL with size 0.
 */
struct report {
    char *text;
    size_t size;
    size_t used;
    uint32_t count;
};

void report_init(struct report *report, char *text, size_t size);
void report_add(struct report *report, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* Goes on with the last complaint. */
void report_append(struct report *report, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* INGOT_ERROR_NOT_FOUND, _PERMISSION, _NO_SPACE, _EXISTS, or _IO for all that is left. */
enum ingot_error file_error_of_errno(int number);

/*
 * Syncs the folder that a file is in: a new, renamed or linked file is on disk only once its folder
 * is. False, with errno.
 */
INGOT_MUST_USE bool file_sync_folder(const char *path);

/* `folder/name`, or `name` alone when it is absolute; the caller frees it. */
char *path_join(const char *folder, const char *name);

/*
 * Reads a regular file of at most size_max bytes into an empty buffer and adds a NUL that
 * `content->size` does not count. On failure the report says which file and why, and the buffer
 * stays empty.
 *
 * Returns INGOT_OK, INGOT_ERROR_NOT_FOUND, INGOT_ERROR_PERMISSION, INGOT_ERROR_TOO_LARGE,
 * INGOT_ERROR_INVALID (holds a NUL byte, or is not a regular file) or INGOT_ERROR_IO.
 */
INGOT_MUST_USE enum ingot_error file_read(const char *path, size_t size_max,
                                          struct ingot_buffer *content, struct report *report);

enum file_overwrite { FILE_KEEP_EXISTING, FILE_REPLACE };

/*
 * Writes a file so that after a crash it is there whole or not at all: temporary file, sync,
 * rename (or link, when an existing file must stay), sync of the folder. Only a regular file is
 * replaced.
 *
 * Returns INGOT_OK, INGOT_ERROR_EXISTS, INGOT_ERROR_PERMISSION, INGOT_ERROR_NO_SPACE,
 * INGOT_ERROR_INVALID (a folder, device or link is to be replaced) or INGOT_ERROR_IO; the report
 * says which file and why.
 */
INGOT_MUST_USE enum ingot_error file_write(const char *path, struct ingot_slice content,
                                           uint32_t mode, enum file_overwrite overwrite,
                                           struct report *report);

/*
 * The same for content that is too large to be had at once, for a new file: begin, any number of
 * writes, then either end. Until it has ended well there is no file of that name.
 */
struct file_stream {
    const char *path; /* borrowed */
    char *temporary;
    int file;
};

/*
 * Each returns INGOT_OK or an error of file_write. INGOT_ERROR_EXISTS comes at the beginning if it
 * can. After an error of begin there is nothing to abandon.
 */
INGOT_MUST_USE enum ingot_error file_stream_begin(struct file_stream *stream, const char *path,
                                                  struct report *report);
INGOT_MUST_USE enum ingot_error file_stream_write(struct file_stream *stream,
                                                  struct ingot_slice content);
INGOT_MUST_USE enum ingot_error file_stream_end(struct file_stream *stream, uint32_t mode,
                                                struct report *report);
/* Leaves nothing behind. */
void file_stream_abandon(struct file_stream *stream);

/* Makes a folder if it is not there. Parents must exist. */
INGOT_MUST_USE enum ingot_error folder_make(const char *path, uint32_t mode, struct report *report);

/*
 * Gives a folder that is complete and synced its final name, durably. `to` is free or an empty
 * folder; both are in one file system.
 *
 * Returns INGOT_OK, INGOT_ERROR_EXISTS (and nothing has changed) or INGOT_ERROR_IO and the like.
 */
INGOT_MUST_USE enum ingot_error folder_rename(const char *from, const char *to,
                                              struct report *report);

#endif
