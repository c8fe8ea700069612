/*
 * The store's folder: made with mode 0700, held by one process at a time, its names durable.
 *
 * LMDB itself lets a second process, and even the same process, open a folder again; the second
 * open of one process then silently breaks its locks. So we hold a lock of our own on the file
 * LOCK (flock: it belongs to the open file, so it also refuses a second open in this process, and
 * it ends with the process however that dies), and keep a list of what this process has open,
 * which covers read-only opens as well. The process id in LOCK is for the message only.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/mutant.h"
#include "storage/folder.h"

static pthread_mutex_t open_folders_mutex = PTHREAD_MUTEX_INITIALIZER;
static struct store_folder *open_folders;

void store_why_set(struct store_why why, const char *format, ...)
{
    if (why.size == 0)
        return;
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(why.text, why.size, format, arguments);
    va_end(arguments);
}

enum ingot_error store_error_of_errno(int code)
{
    switch (code) {
    case EACCES:
    case EPERM:
    case EROFS:
        return INGOT_ERROR_PERMISSION;
    case ENOSPC:
    case EDQUOT:
    case EFBIG:
        return INGOT_ERROR_NO_SPACE;
    case ENOENT:
        return INGOT_ERROR_NOT_FOUND;
    default:
        return INGOT_ERROR_IO;
    }
}

enum ingot_error store_folder_sync(const char *path, struct store_why why)
{
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int rc = fd < 0 ? -1 : fsync(fd);
    int code = errno;
    if (fd >= 0)
        close(fd);
    if (rc == 0)
        return INGOT_OK;
    store_why_set(why, "%s: its list of files cannot be made durable: %s", path, strerror(code));
    return INGOT_ERROR_IO;
}

static enum ingot_error sync_parent(const char *path, struct store_why why)
{
    char *parent = alloc_text(path);
    size_t length = strlen(parent);
    while (length > 1 && parent[length - 1] == '/')
        parent[--length] = '\0';
    char *slash = strrchr(parent, '/');
    if (slash != NULL)
        slash[slash == parent ? 1 : 0] = '\0';
    enum ingot_error error = store_folder_sync(slash != NULL ? parent : ".", why);
    free(parent);
    return error;
}

static enum ingot_error make_folder(const char *path, struct store_why why)
{
    if (mkdir(path, 0700) == 0)
        return sync_parent(path, why);
    if (errno == EEXIST)
        return INGOT_OK;
    int code = errno;
    store_why_set(why,
                  "%s: cannot make the data folder: %s (its parent folder must exist and be "
                  "writable)",
                  path, strerror(code));
    return store_error_of_errno(code);
}

/* Whoever holds the lock wrote its process id; all we do with it is to name it. */
static void explain_locked(const char *path, int fd, struct store_why why)
{
    char text[32] = {0};
    ssize_t size = pread(fd, text, sizeof text - 1, 0);
    long pid = size > 0 ? strtol(text, NULL, 10) : 0;
    if (pid > 0)
        store_why_set(why, "%s: in use by process %ld; a data folder serves one process at a time",
                      path, pid);
    else
        store_why_set(why, "%s: in use by another process; a data folder serves one at a time",
                      path);
}

static enum ingot_error take_lock(struct store_folder *folder, struct store_why why)
{
    size_t size = strlen(folder->path) + sizeof "/LOCK";
    char *path = alloc_zeroed(size, 1);
    snprintf(path, size, "%s/LOCK", folder->path);
    enum ingot_error error = INGOT_OK;
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0) {
        int code = errno;
        store_why_set(why, "%s: cannot be opened for writing: %s", path, strerror(code));
        error = store_error_of_errno(code);
        goto out;
    }
    if (!MUTANT(FOLDER_UNLOCKED) && flock(fd, LOCK_EX | LOCK_NB) != 0) {
        int code = errno;
        if (code == EWOULDBLOCK) {
            explain_locked(path, fd, why);
            error = INGOT_ERROR_LOCKED;
        } else {
            store_why_set(why, "%s: cannot be locked: %s", path, strerror(code));
            error = INGOT_ERROR_IO;
        }
        goto out;
    }
    /* The id is a courtesy; a full disk that refuses it is met again, and judged, by the data. */
    if (ftruncate(fd, 0) == 0)
        (void)!dprintf(fd, "%ld\n", (long)getpid());
    folder->lock_fd = fd;
    fd = -1;
out:
    if (fd >= 0)
        close(fd);
    free(path);
    return error;
}

static enum ingot_error enter_open_list(struct store_folder *folder, struct store_why why)
{
    struct stat status;
    if (stat(folder->path, &status) != 0) {
        int code = errno;
        store_why_set(why, "%s: cannot read the data folder: %s", folder->path, strerror(code));
        return store_error_of_errno(code);
    }
    if (!S_ISDIR(status.st_mode)) {
        store_why_set(why, "%s: not a folder", folder->path);
        return INGOT_ERROR_INVALID;
    }
    folder->device = status.st_dev;
    folder->inode = status.st_ino;
    enum ingot_error error = INGOT_OK;
    pthread_mutex_lock(&open_folders_mutex);
    for (struct store_folder *other = open_folders; other != NULL; other = other->next)
        if (other->device == folder->device && other->inode == folder->inode &&
            !MUTANT(OPENED_TWICE))
            error = INGOT_ERROR_LOCKED;
    if (error == INGOT_OK) {
        folder->next = open_folders;
        open_folders = folder;
    }
    pthread_mutex_unlock(&open_folders_mutex);
    if (error != INGOT_OK)
        store_why_set(why, "%s: already open in this process (%ld)", folder->path, (long)getpid());
    return error;
}

static void leave_open_list(struct store_folder *folder)
{
    pthread_mutex_lock(&open_folders_mutex);
    struct store_folder **link = &open_folders;
    while (*link != NULL && *link != folder)
        link = &(*link)->next;
    if (*link != NULL)
        *link = folder->next;
    pthread_mutex_unlock(&open_folders_mutex);
}

enum ingot_error store_folder_open(struct store_folder *folder, const char *path, bool read_only,
                                   struct store_why why)
{
    *folder = (struct store_folder){.path = alloc_text(path), .lock_fd = -1};
    enum ingot_error error = read_only ? INGOT_OK : make_folder(path, why);
    if (error == INGOT_OK)
        error = enter_open_list(folder, why);
    if (error == INGOT_OK && !read_only) {
        error = take_lock(folder, why);
        if (error != INGOT_OK)
            leave_open_list(folder);
    }
    if (error != INGOT_OK) {
        free(folder->path);
        folder->path = NULL;
    }
    return error;
}

void store_folder_close(struct store_folder *folder)
{
    leave_open_list(folder);
    if (folder->lock_fd >= 0)
        close(folder->lock_fd);
    free(folder->path);
    folder->path = NULL;
}
