/*
 * A data folder: made with mode 0700, and held by one process at a time. The LMDB store opens its
 * own; a node that keeps no store opens one all the same, so that no two nodes share a folder.
 */
#ifndef INGOT_STORAGE_FOLDER_H
#define INGOT_STORAGE_FOLDER_H

#include <ingot/error.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

/* Where an error is explained; `text` may be NULL with size 0. */
struct store_why {
    char *text;
    size_t size;
};

void store_why_set(struct store_why why, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* Of the file system; IO where nothing more is known. */
enum ingot_error store_error_of_errno(int code);

struct store_folder {
    char *path;  /* owned; NULL: not open */
    int lock_fd; /* of LOCK, or -1 when read-only */
    dev_t device;
    ino_t inode;
    struct store_folder *next; /* in the list of this process's open folders */
};

/*
 * Opens a folder, and makes it if it is not there, unless read_only; its parent must be there. Must
 * not move while it is open.
 *
 * Returns INGOT_OK; INGOT_ERROR_LOCKED: a process, also this one, has it; INGOT_ERROR_PERMISSION,
 * _NO_SPACE, _NOT_FOUND, _INVALID (no folder) or _IO. Then nothing is open, and `why` has a
 * sentence.
 */
enum ingot_error store_folder_open(struct store_folder *folder, const char *path, bool read_only,
                                   struct store_why why);
void store_folder_close(struct store_folder *folder);
/* Makes the names in a folder durable. */
enum ingot_error store_folder_sync(const char *path, struct store_why why);

#endif
