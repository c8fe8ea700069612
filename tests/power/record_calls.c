/*
 * The calls themselves. Functions of this program come before those of libraries, so LMDB's calls
 * come here too; the real thing is done by system calls.
 *
 * A file is known by its descriptor from `open` on. Room that is asked for with fallocate is given
 * as length alone, so that thousands of images take no memory for it.
 */
#define _GNU_SOURCE
#include "power/record_calls.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <lmdb.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include "base/assert.h"

#define RECORDS_MAX 8
#define DESCRIPTORS_MAX 256
#define EXPORTED __attribute__((visibility("default")))

enum what { WHAT_NOTHING, WHAT_FILE, WHAT_FOLDER, WHAT_PARENT };

struct descriptor {
    struct record *record;
    enum what what;
    uint32_t file;
    bool is_synced;
};

static struct record *records[RECORDS_MAX];
static const MDB_txn *writing; /* the transaction that changes something; NULL: none is open */
static struct descriptor descriptors[DESCRIPTORS_MAX];

void record_calls_add(struct record *record)
{
    uint32_t i = 0;
    while (records[i] != NULL) {
        i++;
        INGOT_ASSERT(i < RECORDS_MAX);
    }
    records[i] = record;
}

void record_calls_remove(struct record *record)
{
    for (uint32_t i = 0; i < RECORDS_MAX; i++) {
        if (records[i] == record) {
            records[i] = NULL;
        }
    }
    for (uint32_t i = 0; i < DESCRIPTORS_MAX; i++) {
        if (descriptors[i].record == record) {
            descriptors[i] = (struct descriptor){0};
        }
    }
}

static struct descriptor *descriptor_of(int fd)
{
    if (fd < 0 || fd >= DESCRIPTORS_MAX || descriptors[fd].record == NULL ||
        !descriptors[fd].record->is_told_of) {
        return NULL;
    }
    return &descriptors[fd];
}

/* What a path is: a file in a recorded folder, such a folder, or the one that it is in. */
static enum what find(const char *path, struct record **record, const char **name)
{
    for (uint32_t i = 0; i < RECORDS_MAX; i++) {
        const struct record *candidate = records[i];
        if (candidate == NULL || !candidate->is_told_of) {
            continue;
        }
        const size_t size = strlen(candidate->folder);
        const size_t parent = (size_t)(strrchr(candidate->folder, '/') - candidate->folder);
        *record = records[i];
        if (strncmp(path, candidate->folder, size) == 0 && path[size] == '/') {
            *name = path + size + 1;
            return strcmp(*name, "lock.mdb") == 0 || strcmp(*name, "LOCK") == 0 ? WHAT_NOTHING
                                                                                : WHAT_FILE;
        }
        if (strcmp(path, candidate->folder) == 0) {
            return WHAT_FOLDER;
        }
        if (strlen(path) == parent && strncmp(path, candidate->folder, parent) == 0) {
            return WHAT_PARENT;
        }
    }
    return WHAT_NOTHING;
}

/* --- Whether it happens at all. --- */

enum fate { FATE_DONE, FATE_CUT_SHORT, FATE_DEAD };

static enum fate fate_of(struct record *record, bool is_synced)
{
    if (record->is_dead) {
        return FATE_DEAD;
    }
    if (record->is_planned && record->dies_after == RECORD_AT_SYNCED) {
        record->is_dead = is_synced;
        return is_synced ? FATE_CUT_SHORT : FATE_DONE;
    }
    if (record->is_planned && record->dies_after-- == 0) {
        record->is_dead = true;
        return FATE_CUT_SHORT;
    }
    return FATE_DONE;
}

static int dead(void)
{
    errno = EIO;
    return -1;
}

static struct op *note(struct record *record, enum op_kind kind, uint32_t file)
{
    struct op *op = record_mark(record, kind);
    op->file = file;
    return op;
}

/* --- Names. --- */

static uint32_t name_index(const struct record *record, const char *name)
{
    uint32_t i = 0;
    while (i < record->name_count && strcmp(record->names[i].name, name) != 0) {
        i++;
    }
    return i;
}

static uint32_t file_of(struct record *record, const char *name)
{
    const uint32_t i = name_index(record, name);
    if (i < record->name_count) {
        return record->names[i].file;
    }
    INGOT_ASSERT(i < sizeof record->names / sizeof record->names[0]);
    INGOT_ASSERT(strlen(name) < RECORD_NAME_BYTES);
    (void)snprintf(record->names[i].name, sizeof record->names[i].name, "%s", name);
    record->names[i].file = record->file_count++;
    record->name_count++;
    struct op *op = note(record, OP_CREATE, record->names[i].file);
    (void)snprintf(op->name, sizeof op->name, "%s", name);
    return op->file;
}

static void forget_name(struct record *record, const char *name)
{
    const uint32_t i = name_index(record, name);
    if (i < record->name_count) {
        record->names[i] = record->names[--record->name_count];
    }
}

EXPORTED int open(const char *path, int flags, ...)
{
    va_list arguments;
    va_start(arguments, flags);
    const unsigned mode = (flags & O_CREAT) != 0 ? va_arg(arguments, unsigned) : 0;
    va_end(arguments);
    struct record *record = NULL;
    const char *name = "";
    const enum what what = find(path, &record, &name);
    if (what == WHAT_FILE && record->is_dead) {
        return dead();
    }
    const int fd = (int)syscall(SYS_openat, AT_FDCWD, path, flags, mode);
    if (fd < 0 || what == WHAT_NOTHING) {
        return fd;
    }
    INGOT_ASSERT(fd < DESCRIPTORS_MAX);
    descriptors[fd] = (struct descriptor){
        .record = record, .what = what, .is_synced = (flags & (O_DSYNC | O_SYNC)) != 0};
    if (what == WHAT_FILE) {
        descriptors[fd].file = file_of(record, name);
    }
    if (what == WHAT_FILE && (flags & O_TRUNC) != 0) {
        (void)note(record, OP_CUT, descriptors[fd].file);
    }
    return fd;
}

EXPORTED int close(int fd)
{
    if (fd >= 0 && fd < DESCRIPTORS_MAX) {
        descriptors[fd] = (struct descriptor){0};
    }
    return (int)syscall(SYS_close, fd);
}

EXPORTED int mkdir(const char *path, mode_t mode)
{
    struct record *record = NULL;
    const char *name = NULL;
    const int rc = (int)syscall(SYS_mkdir, path, mode);
    if (rc == 0 && find(path, &record, &name) == WHAT_FOLDER) {
        (void)note(record, OP_FOLDER_MADE, 0);
    }
    return rc;
}

EXPORTED int rename(const char *from, const char *to)
{
    struct record *record = NULL;
    const char *name = NULL;
    const char *name2 = NULL;
    const bool is_ours =
        find(from, &record, &name) == WHAT_FILE && find(to, &record, &name2) == WHAT_FILE;
    if (is_ours && fate_of(record, false) == FATE_DEAD) {
        return dead();
    }
    const int rc = (int)syscall(SYS_rename, from, to);
    if (rc == 0 && is_ours) {
        struct op *op = note(record, OP_RENAME, file_of(record, name));
        (void)snprintf(op->name, sizeof op->name, "%s", name);
        (void)snprintf(op->name2, sizeof op->name2, "%s", name2);
        forget_name(record, name2);
        (void)snprintf(record->names[name_index(record, name)].name, RECORD_NAME_BYTES, "%s",
                       name2);
    }
    return rc;
}

EXPORTED int unlink(const char *path)
{
    struct record *record = NULL;
    const char *name = NULL;
    const bool is_ours = find(path, &record, &name) == WHAT_FILE;
    if (is_ours && fate_of(record, false) == FATE_DEAD) {
        return dead();
    }
    const int rc = (int)syscall(SYS_unlink, path);
    if (rc == 0 && is_ours) {
        struct op *op = note(record, OP_UNLINK, file_of(record, name));
        (void)snprintf(op->name, sizeof op->name, "%s", name);
        forget_name(record, name);
    }
    return rc;
}

/* --- Bytes. --- */

static void note_write(struct descriptor *descriptor, const void *bytes, size_t size, uint64_t at,
                       bool is_synced)
{
    struct op *op = note(descriptor->record, OP_WRITE, descriptor->file);
    op->at = at;
    op->is_synced = is_synced;
    ingot_buffer_append(&op->bytes, bytes, size);
}

/*
 * A process that dies in the middle of a write that was to be synced may leave it behind unsynced,
 * where the next one sees it; of another write it leaves a part.
 */
static ssize_t write_at(struct descriptor *descriptor, int fd, const void *bytes, size_t size,
                        uint64_t at)
{
    const enum fate fate = fate_of(descriptor->record, descriptor->is_synced);
    if (fate == FATE_DEAD) {
        return dead();
    }
    const bool is_whole = fate == FATE_DONE || descriptor->is_synced;
    const size_t part = is_whole ? size : size / 2;
    const ssize_t written = syscall(SYS_pwrite64, fd, bytes, part, (off_t)at);
    if (written > 0) {
        note_write(descriptor, bytes, (size_t)written, at,
                   descriptor->is_synced && fate == FATE_DONE);
    }
    return fate == FATE_DONE ? written : dead();
}

EXPORTED ssize_t pwrite(int fd, const void *bytes, size_t size, off_t at)
{
    struct descriptor *descriptor = descriptor_of(fd);
    if (descriptor == NULL) {
        return syscall(SYS_pwrite64, fd, bytes, size, at);
    }
    return write_at(descriptor, fd, bytes, size, (uint64_t)at);
}

EXPORTED ssize_t write(int fd, const void *bytes, size_t size)
{
    struct descriptor *descriptor = descriptor_of(fd);
    if (descriptor == NULL) {
        return syscall(SYS_write, fd, bytes, size);
    }
    const off_t at = lseek(fd, 0, SEEK_CUR);
    const ssize_t written = write_at(descriptor, fd, bytes, size, (uint64_t)at);
    if (written > 0) {
        (void)lseek(fd, at + written, SEEK_SET);
    }
    return written;
}

EXPORTED ssize_t writev(int fd, const struct iovec *parts, int count)
{
    struct descriptor *descriptor = descriptor_of(fd);
    if (descriptor == NULL) {
        return syscall(SYS_writev, fd, parts, count);
    }
    struct ingot_buffer bytes = {0};
    for (int i = 0; i < count; i++) {
        ingot_buffer_append(&bytes, parts[i].iov_base, parts[i].iov_len);
    }
    const ssize_t written = write(fd, bytes.data, bytes.size);
    ingot_buffer_deinit(&bytes);
    return written;
}

EXPORTED int ftruncate(int fd, off_t size)
{
    struct descriptor *descriptor = descriptor_of(fd);
    if (descriptor != NULL && fate_of(descriptor->record, false) == FATE_DEAD) {
        return dead();
    }
    const int rc = (int)syscall(SYS_ftruncate, fd, size);
    if (rc == 0 && descriptor != NULL) {
        note(descriptor->record, OP_CUT, descriptor->file)->at = (uint64_t)size;
    }
    return rc;
}

EXPORTED int fallocate(int fd, int mode, off_t at, off_t size)
{
    struct descriptor *descriptor = descriptor_of(fd);
    INGOT_ASSERT(mode == 0 && at == 0);
    if (descriptor != NULL && descriptor->record->cannot_reserve) {
        errno = EOPNOTSUPP;
        return -1;
    }
    if (descriptor != NULL && fate_of(descriptor->record, false) == FATE_DEAD) {
        return dead();
    }
    struct stat status;
    if (fstat(fd, &status) != 0 || status.st_size >= size) {
        return 0;
    }
    const int rc = (int)syscall(SYS_ftruncate, fd, size);
    if (rc == 0 && descriptor != NULL) {
        note(descriptor->record, OP_EXTEND, descriptor->file)->at = (uint64_t)size;
    }
    return rc;
}

/* --- Syncs. What is on a real disk is of no interest here: none of them is carried out. --- */

static enum record_fault fault_of(const char *name)
{
    if (strstr(name, ".jsonl") != NULL) {
        return FAULT_FILE_UNSYNC;
    }
    return strcmp(name, "journal") == 0 ? FAULT_JOURNAL_UNSYNC : FAULT_DATA_UNSYNC;
}

static bool is_ignored(const struct descriptor *descriptor)
{
    switch (descriptor->what) {
    case WHAT_FOLDER:
    case WHAT_PARENT:
        return record_fault == FAULT_FOLDER_UNSYNC;
    case WHAT_FILE:
        for (uint32_t i = 0; i < descriptor->record->name_count; i++) {
            if (descriptor->record->names[i].file == descriptor->file) {
                return record_fault == fault_of(descriptor->record->names[i].name);
            }
        }
        return false;
    case WHAT_NOTHING:
        break;
    }
    return false;
}

static int sync_file(int fd)
{
    static const enum op_kind kinds[] = {
        [WHAT_FILE] = OP_SYNC, [WHAT_FOLDER] = OP_FOLDER_SYNC, [WHAT_PARENT] = OP_PARENT_SYNC};
    struct descriptor *descriptor = descriptor_of(fd);
    if (descriptor == NULL) {
        return 0;
    }
    if (descriptor->what == WHAT_FILE && fate_of(descriptor->record, false) != FATE_DONE) {
        return dead();
    }
    if (!is_ignored(descriptor)) {
        (void)note(descriptor->record, kinds[descriptor->what], descriptor->file);
    }
    return 0;
}

EXPORTED int fsync(int fd)
{
    return sync_file(fd);
}

EXPORTED int fdatasync(int fd)
{
    return sync_file(fd);
}

/* --- LMDB's own. --- */

/* mdb.h has no other name for the real function, and dlsym gives a pointer to data. */
static void find_next(const char *name, void *function, size_t size)
{
    void *found = dlsym(RTLD_NEXT, name);
    INGOT_ASSERT(found != NULL);
    memcpy(function, &found, size);
}

EXPORTED int mdb_env_open(MDB_env *env, const char *path, unsigned flags, mdb_mode_t mode)
{
    static int (*next)(MDB_env *, const char *, unsigned, mdb_mode_t);
    if (next == NULL) {
        find_next("mdb_env_open", &next, sizeof next);
    }
    if ((flags & MDB_RDONLY) == 0 && record_fault == FAULT_NO_SYNC) {
        flags |= MDB_NOSYNC;
    }
    if ((flags & MDB_RDONLY) == 0 && record_fault == FAULT_NO_META_SYNC) {
        flags |= MDB_NOMETASYNC;
    }
    return next(env, path, flags, mode);
}

EXPORTED int mdb_txn_begin(MDB_env *env, MDB_txn *parent, unsigned flags, MDB_txn **txn)
{
    static int (*next)(MDB_env *, MDB_txn *, unsigned, MDB_txn **);
    if (next == NULL) {
        find_next("mdb_txn_begin", &next, sizeof next);
    }
    const int rc = next(env, parent, flags, txn);
    /* There is one at a time: an older one has ended, and this one may have got its memory. */
    writing = rc == 0 && (flags & MDB_RDONLY) == 0 ? *txn : NULL;
    return rc;
}

/* A commit that has returned is what a restart must find whole. */
EXPORTED int mdb_txn_commit(MDB_txn *txn)
{
    static int (*next)(MDB_txn *);
    if (next == NULL) {
        find_next("mdb_txn_commit", &next, sizeof next);
    }
    MDB_env *env = mdb_txn_env(txn);
    const bool has_written = txn == writing;
    int fd = -1;
    const bool has_fd = mdb_env_get_fd(env, &fd) == 0;
    const int rc = next(txn);
    struct descriptor *descriptor = has_fd ? descriptor_of(fd) : NULL;
    if (rc != 0 || descriptor == NULL || !has_written) {
        return rc;
    }
    for (uint32_t i = 0; i < descriptor->record->name_count; i++) {
        if (descriptor->record->names[i].file == descriptor->file) {
            record_mark_content(descriptor->record, OP_BATCH, descriptor->record->names[i].name);
        }
    }
    return rc;
}
