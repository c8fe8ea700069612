/*
 * A new store's file. LMDB makes one with a write that it does not sync: where the power goes then,
 * half of its first two pages may be there, or a name with nothing behind it, and no later start
 * could tell that from a damaged store. So the file is made whole and synced under another name,
 * and only then gets its own.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "storage/lmdb_internal.h"

#define MADE_NAME "/data.mdb.new"

static char *path_of(const struct lmdb_store *store, const char *name)
{
    const size_t size = strlen(store->folder.path) + strlen(name) + 1;
    char *path = alloc_zeroed(size, 1);
    (void)snprintf(path, size, "%s%s", store->folder.path, name);
    return path;
}

/* An LMDB file with nothing in it. */
static int make_file(const char *path)
{
    MDB_env *env = NULL;
    int rc = mdb_env_create(&env);
    if (rc != 0)
        return rc;
    /* The folder's lock is ours, so LMDB's table of readers, whose name depends on the path, is
     * not needed. */
    rc = mdb_env_open(env, path, MDB_NOSUBDIR | MDB_NOLOCK, 0600);
    if (rc == 0)
        rc = mdb_env_sync(env, 1);
    mdb_env_close(env);
    return rc;
}

enum ingot_error lmdb_make(const struct lmdb_store *store, struct store_why why)
{
    char *made = path_of(store, MADE_NAME);
    char *path = path_of(store, "/data.mdb");
    enum ingot_error error = INGOT_OK;
    /* What an earlier start did not live to name. */
    int rc = unlink(made) == 0 || errno == ENOENT ? 0 : errno;
    if (rc == 0)
        rc = make_file(made);
    if (rc == 0 && rename(made, path) != 0)
        rc = errno;
    if (rc != 0) {
        (void)unlink(made);
        store_why_set(why, "%s: cannot be made: %s", path, mdb_strerror(rc));
        error = lmdb_error_of(rc);
    } else {
        error = store_folder_sync(store->folder.path, why);
    }
    free(made);
    free(path);
    return error;
}
