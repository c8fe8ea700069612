/*
 * Room on the disk, found before a batch is begun.
 *
 * A full disk that is met in the middle of a commit leaves an unknown outcome and stops the
 * process. So the file is given room ahead of use (fallocate), in steps, with no transaction open:
 * a full disk is then met here, where nothing has been written and the batch can be refused
 * cleanly. How much a batch writes is estimated on the high side; were the estimate ever too low,
 * the commit itself would still be judged as always, so only availability hangs on it.
 *
 * File systems that cannot give room ahead (and those that copy on write, where it promises
 * nothing) are left with that last line of defence.
 */
#define _GNU_SOURCE /* fallocate */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "storage/lmdb_internal.h"

#define RESERVE_INITIAL_BYTES (UINT64_C(16) << 20)
#define RESERVE_STEP_BYTES_MIN (UINT64_C(16) << 20)
#define RESERVE_STEP_BYTES_MAX (UINT64_C(256) << 20)
/* For LMDB's own bookkeeping of free pages, and the roots. */
#define RESERVE_MARGIN_BYTES (UINT64_C(1) << 20)

uint64_t store_space_used(const struct lmdb_store *store)
{
    MDB_envinfo info;
    mdb_env_info(store->env, &info);
    return (info.me_last_pgno + 1) * store->page_bytes;
}

static uint64_t lower(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

static uint64_t reserved(const struct lmdb_store *store)
{
    return __atomic_load_n(&store->reserved_bytes, __ATOMIC_RELAXED);
}

static void set_reserved(struct lmdb_store *store, uint64_t bytes)
{
    __atomic_store_n(&store->reserved_bytes, bytes, __ATOMIC_RELAXED);
}

static int give_room(const struct lmdb_store *store, uint64_t bytes)
{
    int fd = -1;
    int rc = mdb_env_get_fd(store->env, &fd);
    if (rc != 0)
        return rc;
    do
        rc = fallocate(fd, 0, 0, (off_t)bytes) == 0 ? 0 : errno;
    while (rc == EINTR);
    return rc;
}

static bool means_full(int code)
{
    return code == ENOSPC || code == EDQUOT || code == EFBIG;
}

/* Gives room up to `wanted`, or if the disk has not so much left, at least up to `needed`. */
static enum ingot_error extend(struct lmdb_store *store, uint64_t needed, uint64_t wanted)
{
    needed = lower(needed, store->map_bytes);
    wanted = lower(wanted, store->map_bytes);
    if (!store->can_reserve || needed <= reserved(store))
        return INGOT_OK;
    uint64_t got = wanted;
    int rc = give_room(store, wanted);
    if (means_full(rc) && needed < wanted) {
        got = needed;
        rc = give_room(store, needed);
    }
    if (rc == 0) {
        set_reserved(store, got);
        return INGOT_OK;
    }
    if (rc == EOPNOTSUPP || rc == ENOSYS || rc == EINVAL) {
        store->can_reserve = false;
        return INGOT_OK;
    }
    return means_full(rc) ? INGOT_ERROR_NO_SPACE : INGOT_ERROR_IO;
}

enum ingot_error store_space_open(struct lmdb_store *store, uint64_t initial_bytes,
                                  struct store_why why)
{
    if (initial_bytes == 0)
        initial_bytes = RESERVE_INITIAL_BYTES;
    store->can_reserve = true;
    set_reserved(store, 0);
    enum ingot_error error = extend(store, store_space_used(store), initial_bytes);
    if (error == INGOT_ERROR_NO_SPACE)
        store_why_set(why, "%s/data.mdb: the disk has no room for it", store->folder.path);
    else if (error != INGOT_OK)
        store_why_set(why, "%s/data.mdb: cannot be given room on the disk", store->folder.path);
    return error;
}

/*
 * Every page that a batch touches is written anew elsewhere. A value that does not fit beside
 * others has pages of its own; an operation touches a leaf and may split it; the branches above are
 * few and come with the margin; all operations together touch no more than all there is.
 */
static uint64_t estimate(const struct lmdb_store *store, uint64_t operation_count, uint64_t content,
                         uint64_t used_bytes)
{
    uint64_t touched = operation_count * 2 * store->page_bytes;
    uint64_t rounding =
        lower(operation_count, content / (store->page_bytes / 4) + 1) * 2 * store->page_bytes;
    return lower(touched, used_bytes + content) + content * 2 + rounding + RESERVE_MARGIN_BYTES;
}

enum ingot_error store_space_reserve(struct lmdb_store *store, uint64_t operation_count,
                                     uint64_t content_bytes)
{
    uint64_t used = store_space_used(store);
    uint64_t needed = used + estimate(store, operation_count, content_bytes, used);
    if (needed <= reserved(store))
        return INGOT_OK;
    uint64_t step = lower(used / 4, RESERVE_STEP_BYTES_MAX);
    if (step < RESERVE_STEP_BYTES_MIN)
        step = RESERVE_STEP_BYTES_MIN;
    return extend(store, needed, needed + step);
}
