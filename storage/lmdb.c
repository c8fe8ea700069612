/*
 * Opening and closing the LMDB store: options, checks of the file, tables.
 *
 * The whole of `map_size_max` is mapped at once. Address space is not memory, and growing a map
 * later would move it under every open snapshot, which LMDB forbids; so the map is never grown.
 * What grows is the file, in steps, with no transaction open (lmdb_space.c). Where the address
 * space is limited (a sanitizer, `ulimit -v`), the largest half, quarter, ... that can be had
 * becomes the limit.
 *
 * LMDB keeps no checksums: what it can tell of a damaged file is its first two pages and its
 * length. Both are checked here, the records by whoever wrote them.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/log.h"
#include "base/mutant.h"
#include "storage/lmdb_internal.h"

#define MAP_BYTES_DEFAULT (UINT64_C(1) << 40)
#define MAP_BYTES_MIN (UINT64_C(64) << 10)
#define READERS_MAX 254
#define READER_AGE_MS_DEFAULT 60000

static void close_store(struct ingot_store *base)
{
    struct lmdb_store *store = (struct lmdb_store *)base;
    INGOT_ASSERT(!store->batch_open);
    INGOT_ASSERT(store->snapshots == NULL);
    INGOT_ASSERT(getpid() == store->pid);
    if (store->env != NULL)
        mdb_env_close(store->env);
    store_folder_close(&store->folder);
    pthread_mutex_destroy(&store->snapshots_mutex);
    free(store);
}

static const struct ingot_store_operations operations = {
    .snapshots_on_any_thread = true,
    .batch_begin = lmdb_batch_begin,
    .batch_put = lmdb_batch_put,
    .batch_delete = lmdb_batch_delete,
    .batch_commit = lmdb_batch_commit,
    .batch_abort = lmdb_batch_abort,
    .snapshot_begin = lmdb_snapshot_begin,
    .snapshot_end = lmdb_snapshot_end,
    .snapshot_get = lmdb_snapshot_get,
    .cursor_open = lmdb_cursor_open,
    .cursor_seek = lmdb_cursor_seek,
    .cursor_last = lmdb_cursor_last,
    .cursor_next = lmdb_cursor_next,
    .cursor_previous = lmdb_cursor_previous,
    .cursor_item = lmdb_cursor_item,
    .cursor_close = lmdb_cursor_close,
    .close = close_store,
};

enum ingot_error lmdb_error_of(int code)
{
    if (code == ENOSPC || code == EDQUOT || code == MDB_MAP_FULL)
        return INGOT_ERROR_NO_SPACE;
    if (code == EACCES || code == EPERM || code == EROFS)
        return INGOT_ERROR_PERMISSION;
    return INGOT_ERROR_IO;
}

static enum ingot_error explain(const struct lmdb_store *store, int code, struct store_why why)
{
    const char *path = store->folder.path;
    if (code == MDB_INVALID || code == MDB_VERSION_MISMATCH || code == MDB_CORRUPTED ||
        code == MDB_PAGE_NOTFOUND || code == MDB_INCOMPATIBLE || code == MDB_PANIC) {
        store_why_set(why,
                      "%s/data.mdb: damaged, or not an LMDB 0.9 file of this machine's kind: %s",
                      path, mdb_strerror(code));
        return INGOT_ERROR_CORRUPT;
    }
    if (code == ENOENT) {
        store_why_set(why, "%s/data.mdb: there is none; expected a store made earlier", path);
        return INGOT_ERROR_NOT_FOUND;
    }
    store_why_set(why, "%s/data.mdb: cannot be opened: %s", path, mdb_strerror(code));
    return lmdb_error_of(code);
}

/*
 * The size of data.mdb, 0 when there is none. A file that exists and is empty is not taken for a
 * new one: a validator that has forgotten its votes must not start afresh by itself.
 */
static enum ingot_error data_size(const struct lmdb_store *store, uint64_t *size_bytes,
                                  struct store_why why)
{
    size_t size = strlen(store->folder.path) + sizeof "/data.mdb";
    char *path = alloc_zeroed(size, 1);
    snprintf(path, size, "%s/data.mdb", store->folder.path);
    enum ingot_error error = INGOT_OK;
    struct stat status;
    *size_bytes = 0;
    if (stat(path, &status) != 0) {
        if (errno != ENOENT)
            error = explain(store, errno, why);
    } else if (!S_ISREG(status.st_mode)) {
        store_why_set(why, "%s: not a regular file", path);
        error = INGOT_ERROR_CORRUPT;
    } else if (status.st_size == 0 && !MUTANT(EMPTY_FILE_TAKEN)) {
        store_why_set(why,
                      "%s: empty; expected at least LMDB's first pages. If this folder has never "
                      "been used, remove the file",
                      path);
        error = INGOT_ERROR_CORRUPT;
    } else {
        *size_bytes = (uint64_t)status.st_size;
    }
    free(path);
    return error;
}

static int open_env(struct lmdb_store *store, uint64_t map_bytes)
{
    MDB_env *env = NULL;
    int rc = mdb_env_create(&env);
    if (rc != 0)
        return rc;
    /* Reads of state and of old blocks jump about; reading ahead would only fill the page cache. */
    unsigned flags = MDB_NOTLS | MDB_NORDAHEAD | (store->read_only ? MDB_RDONLY : 0) |
                     (MUTANT(COMMITS_UNSYNCED) ? MDB_NOSYNC : 0);
    if ((rc = mdb_env_set_mapsize(env, map_bytes)) == 0 &&
        (rc = mdb_env_set_maxdbs(env, INGOT_STORE_TABLES_MAX + 1)) == 0 &&
        (rc = mdb_env_set_maxreaders(env, READERS_MAX)) == 0)
        rc = mdb_env_open(env, store->folder.path, flags, 0600);
    if (rc != 0) {
        mdb_env_close(env);
        return rc;
    }
    store->env = env;
    MDB_envinfo info;
    MDB_stat stat;
    mdb_env_info(env, &info);
    mdb_env_stat(env, &stat);
    store->map_bytes = info.me_mapsize;
    store->page_bytes = stat.ms_psize;
    return 0;
}

static enum ingot_error open_map(struct lmdb_store *store, uint64_t map_bytes, uint64_t file_bytes,
                                 struct store_why why)
{
    uint64_t wanted = map_bytes;
    int rc = open_env(store, map_bytes);
    while (rc == ENOMEM && map_bytes / 2 >= MAP_BYTES_MIN && map_bytes / 2 > file_bytes) {
        map_bytes /= 2;
        rc = open_env(store, map_bytes);
    }
    if (rc != 0)
        return explain(store, rc, why);
    if (map_bytes < wanted)
        LOG(LOG_WARN, "address space is limited, and so is the store",
            log_text("folder", store->folder.path), log_u64("map_bytes", map_bytes),
            log_u64("wanted_bytes", wanted));
    return INGOT_OK;
}

/*
 * Reading past the end of a mapped file kills the process, so a file that was cut is found now.
 * What is used is asked first: another process may be making the file longer.
 */
static enum ingot_error check_length(const struct lmdb_store *store, struct store_why why)
{
    const uint64_t used = store_space_used(store);
    uint64_t size_bytes = 0;
    enum ingot_error error = data_size(store, &size_bytes, why);
    if (error != INGOT_OK)
        return error;
    if (size_bytes >= used || MUTANT(CUT_FILE_OPENED))
        return INGOT_OK;
    store_why_set(why,
                  "%s/data.mdb: damaged: %llu bytes long, but its last transaction needs %llu; the "
                  "file was cut",
                  store->folder.path, (unsigned long long)size_bytes, (unsigned long long)used);
    return INGOT_ERROR_CORRUPT;
}

/* Is there a journal, which this opening knows nothing of? Of LMDB's codes. */
static int find_journal(MDB_txn *txn, const struct ingot_store_lmdb_options *options,
                        bool *has_journal)
{
    MDB_dbi table = 0;
    MDB_stat stat = {0};
    for (uint32_t i = 0; i < options->table_count; i++) {
        if (strcmp(options->tables[i], STORE_LMDB_JOURNAL_TABLE) == 0)
            return 0;
    }
    int rc = mdb_dbi_open(txn, STORE_LMDB_JOURNAL_TABLE, 0, &table);
    if (rc == 0)
        rc = mdb_stat(txn, table, &stat);
    *has_journal = stat.ms_entries > 0;
    return rc == MDB_NOTFOUND ? 0 : rc;
}

/* Of LMDB's codes; `*last` is the table that was looked at last. */
static int open_tables_in(struct lmdb_store *store, const struct ingot_store_lmdb_options *options,
                          unsigned txn_flags, unsigned dbi_flags, const char **last,
                          bool *has_journal)
{
    MDB_txn *txn = NULL;
    int rc = mdb_txn_begin(store->env, NULL, txn_flags, &txn);
    if (rc != 0)
        return rc;
    rc = find_journal(txn, options, has_journal);
    for (uint32_t i = 0; i < options->table_count && rc == 0; i++) {
        *last = options->tables[i];
        rc = mdb_dbi_open(txn, *last, dbi_flags, &store->tables[i]);
    }
    if (rc != 0) {
        mdb_txn_abort(txn);
        return rc;
    }
    return mdb_txn_commit(txn);
}

/*
 * A process that died in the middle of a commit may have left its pages in the system's memory
 * alone. What is read is believed and told to others, so it is made durable first.
 */
static enum ingot_error sync_what_is_there(const struct lmdb_store *store, struct store_why why)
{
    const int rc = mdb_env_sync(store->env, 1);
    if (rc == 0)
        return INGOT_OK;
    store_why_set(why, "%s/data.mdb: what an earlier process wrote cannot be synced: %s",
                  store->folder.path, mdb_strerror(rc));
    return INGOT_ERROR_IO;
}

/* Tables that are there cost a read; only a new store, or a new table, costs a synced write. */
static enum ingot_error open_tables(struct lmdb_store *store,
                                    const struct ingot_store_lmdb_options *options,
                                    struct store_why why)
{
    store->table_count = options->table_count;
    const char *last = "";
    bool has_journal = false;
    int rc = open_tables_in(store, options, MDB_RDONLY, 0, &last, &has_journal);
    if (has_journal && !store->read_only) {
        store_why_set(
            why,
            "%s/data.mdb: it has a journal beside it, which may hold what is not in it "
            "yet; expected to be opened together with that, by the kind of node that made both",
            store->folder.path);
        return INGOT_ERROR_INVALID;
    }
    if (rc == MDB_NOTFOUND && !store->read_only)
        rc = open_tables_in(store, options, 0, MDB_CREATE, &last, &has_journal);
    if (rc == 0)
        return INGOT_OK;
    if (rc == MDB_NOTFOUND) {
        store_why_set(why,
                      "%s/data.mdb: the table '%s' is missing; expected a store of this program, "
                      "made by no earlier version of it",
                      store->folder.path, last);
        return INGOT_ERROR_CORRUPT;
    }
    return explain(store, rc, why);
}

/*
 * LMDB would make a table of readers where there is none, with the owner and mode of whoever reads:
 * a backup run by root would lock out the node. So a reader asks for one that is there.
 */
static enum ingot_error check_readers_table(const struct lmdb_store *store, struct store_why why)
{
    size_t size = strlen(store->folder.path) + sizeof "/lock.mdb";
    char *path = alloc_zeroed(size, 1);
    snprintf(path, size, "%s/lock.mdb", store->folder.path);
    enum ingot_error error = INGOT_OK;
    if (access(path, R_OK | W_OK) != 0) {
        int code = errno;
        error = code == ENOENT ? INGOT_ERROR_NOT_FOUND : INGOT_ERROR_PERMISSION;
        store_why_set(why,
                      "%s: %s; a reader needs the one that the folder's node made, readable and "
                      "writable%s",
                      path, strerror(code), code == ENOENT ? ": start and stop the node once" : "");
    }
    free(path);
    return error;
}

static enum ingot_error open_in_folder(struct lmdb_store *store,
                                       const struct ingot_store_lmdb_options *options,
                                       struct store_why why)
{
    uint64_t map_bytes = options->map_size_max > 0 ? options->map_size_max : MAP_BYTES_DEFAULT;
    uint64_t file_bytes = 0;
    enum ingot_error error = data_size(store, &file_bytes, why);
    if (error == INGOT_OK && store->read_only && file_bytes == 0)
        error = explain(store, ENOENT, why);
    if (error == INGOT_OK && store->read_only)
        error = check_readers_table(store, why);
    if (error == INGOT_OK && !store->read_only && file_bytes == 0)
        error = lmdb_make(store, why);
    if (error == INGOT_OK)
        error = open_map(store, map_bytes, file_bytes, why);
    if (error == INGOT_OK)
        error = check_length(store, why);
    if (error == INGOT_OK && !store->read_only)
        error = sync_what_is_there(store, why);
    if (error == INGOT_OK && !store->read_only) {
        int dead = 0;
        if (mdb_reader_check(store->env, &dead) == 0)
            store->stale_readers_cleared = (uint64_t)dead;
        error = store_space_open(store, options->map_size_initial, why);
    }
    if (error == INGOT_OK)
        error = open_tables(store, options, why);
    if (error == INGOT_OK && !store->read_only)
        error = store_folder_sync(store->folder.path, why);
    return error;
}

enum ingot_error ingot_store_lmdb_open(const struct ingot_store_lmdb_options *options,
                                       struct ingot_store **result, char *why_text, size_t why_size)
{
    struct store_why why = {.text = why_text, .size = why_size};
    INGOT_ASSERT(options->folder != NULL);
    INGOT_ASSERT(options->table_count >= 1);
    INGOT_ASSERT(options->table_count <= INGOT_STORE_TABLES_MAX);
    *result = NULL;
    store_why_set(why, "%s", "");
    if (options->map_size_max > 0 && options->map_size_max < MAP_BYTES_MIN) {
        store_why_set(why, "%s: the map's limit must be at least %llu bytes", options->folder,
                      (unsigned long long)MAP_BYTES_MIN);
        return INGOT_ERROR_INVALID;
    }
    struct lmdb_store *store = alloc_zeroed(1, sizeof *store);
    store->base.operations = &operations;
    store->pid = getpid();
    store->read_only = options->read_only;
    store->reader_age_max_ms =
        options->reader_age_max_ms > 0 ? options->reader_age_max_ms : READER_AGE_MS_DEFAULT;
    enum ingot_error error =
        store_folder_open(&store->folder, options->folder, options->read_only, why);
    if (error != INGOT_OK) {
        free(store);
        return error;
    }
    pthread_mutex_init(&store->snapshots_mutex, NULL);
    lmdb_guard_enter(store);
    error = open_in_folder(store, options, why);
    lmdb_guard_leave();
    if (error != INGOT_OK) {
        close_store(&store->base);
        return error;
    }
    *result = &store->base;
    return INGOT_OK;
}
