/*
 * A consistent copy of a store, while it is used: one read transaction of LMDB's, written compactly
 * into a new file. The writer goes on meanwhile; pages that it frees wait until the copy is done,
 * so a copy has the age of a long snapshot and ends with it.
 *
 * It makes data.mdb and nothing else: whoever opens the copy makes its locks. Where the original
 * has a journal, the copy does not know of it.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "storage/lmdb_internal.h"

/* For the few pages that are written anew. */
#define COPY_GROWTH_BYTES (1 << 20)

static enum ingot_error error_of_copy(int code)
{
    if (code == ENOSPC || code == EDQUOT || code == EFBIG)
        return INGOT_ERROR_NO_SPACE;
    if (code == EACCES || code == EPERM || code == EROFS)
        return INGOT_ERROR_PERMISSION;
    if (code == EEXIST)
        return INGOT_ERROR_EXISTS;
    if (code == ENOENT)
        return INGOT_ERROR_NOT_FOUND;
    if (code == MDB_READERS_FULL)
        return INGOT_ERROR_FULL;
    /* LMDB's own codes are negative; those that a copy meets say that a page is not what it should
     * be. */
    return code < 0 ? INGOT_ERROR_CORRUPT : INGOT_ERROR_IO;
}

static enum ingot_error fail(const struct lmdb_store *store, const char *path, int code,
                             struct store_why why)
{
    const enum ingot_error error = error_of_copy(code);
    if (error == INGOT_ERROR_CORRUPT)
        store_why_set(why, "%s/data.mdb: damaged, and cannot be copied: %s", store->folder.path,
                      mdb_strerror(code));
    else
        store_why_set(why, "%s: the copy cannot be written: %s", path, mdb_strerror(code));
    return error;
}

/*
 * The copy is of one moment of LMDB's, and records that the original's journal holds beyond it are
 * not to be looked for beside it.
 */
static int forget_journal(const char *path, int fd)
{
    MDB_env *env = NULL;
    MDB_txn *txn = NULL;
    MDB_dbi table = 0;
    struct stat status;
    int rc = fstat(fd, &status) == 0 ? mdb_env_create(&env) : errno;
    if (rc != 0)
        return rc;
    if ((rc = mdb_env_set_maxdbs(env, 1)) == 0 &&
        (rc = mdb_env_set_mapsize(env, (size_t)status.st_size + COPY_GROWTH_BYTES)) == 0 &&
        (rc = mdb_env_open(env, path, MDB_NOSUBDIR | MDB_NOLOCK, 0600)) == 0)
        rc = mdb_txn_begin(env, NULL, 0, &txn);
    if (rc == 0)
        rc = mdb_dbi_open(txn, STORE_LMDB_JOURNAL_TABLE, 0, &table);
    if (rc == 0)
        rc = mdb_drop(txn, table, 1);
    if (rc == 0)
        rc = mdb_txn_commit(txn);
    else
        mdb_txn_abort(txn);
    mdb_env_close(env);
    return rc == MDB_NOTFOUND ? 0 : rc;
}

enum ingot_error ingot_store_lmdb_copy(struct ingot_store *base, const char *folder, char *why_text,
                                       size_t why_size)
{
    struct lmdb_store *store = (struct lmdb_store *)base;
    const struct store_why why = {.text = why_text, .size = why_size};
    INGOT_ASSERT(getpid() == store->pid);
    store_why_set(why, "%s", "");
    const size_t size = strlen(folder) + sizeof "/data.mdb";
    char *path = alloc_zeroed(size, 1);
    (void)snprintf(path, size, "%s/data.mdb", folder);
    enum ingot_error error = INGOT_OK;
    const int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    lmdb_guard_enter(store);
    int rc = fd < 0 ? errno : mdb_env_copyfd2(store->env, fd, MDB_CP_COMPACT);
    lmdb_guard_leave();
    if (rc == 0)
        rc = forget_journal(path, fd);
    if (rc == 0 && fsync(fd) != 0)
        rc = errno;
    if (fd >= 0 && close(fd) != 0 && rc == 0)
        rc = errno;
    if (rc != 0) {
        error = fail(store, path, rc, why);
        /* A part of a copy must not be taken for one. */
        if (fd >= 0)
            (void)unlink(path);
    } else {
        error = store_folder_sync(folder, why);
    }
    free(path);
    return error;
}
