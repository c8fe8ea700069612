/*
 * Opening and closing a journaled store; see journal_internal.h for how it works, and
 * docs/adr/0016 for why.
 */
#include "storage/journal.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/log.h"
#include "base/mutant.h"
#include "storage/journal_internal.h"

#define SEGMENT_BYTES_DEFAULT (UINT64_C(8) << 20)
#define APPLY_AFTER_MS_DEFAULT 250

static void drop_generation(struct journal_generation *generation)
{
    for (uint32_t i = 0; i < INGOT_STORE_TABLES_MAX; i++)
        memory_tree_unref(generation->roots[i]);
    *generation = (struct journal_generation){0};
}

static void free_store(struct journal_store *store)
{
    drop_generation(&store->fresh);
    drop_generation(&store->applying);
    ingot_buffer_deinit(&store->spare);
    ingot_buffer_deinit(&store->spare_lazy);
    ingot_store_close(store->inner);
    journal_file_deinit(&store->file);
    pthread_cond_destroy(&store->work);
    pthread_cond_destroy(&store->done);
    pthread_mutex_destroy(&store->mutex);
    free(store);
}

/* What LMDB cannot take now stays in the file, for the next start. */
static void close_store(struct ingot_store *base)
{
    struct journal_store *store = (struct journal_store *)base;
    INGOT_ASSERT(!store->batch_open);
    pthread_mutex_lock(&store->mutex);
    journal_worker_stop(store);
    store->is_full = false;
    while (!store->outcome_unknown && !store->is_full &&
           (store->is_applying || store->fresh.used_bytes > 0)) {
        if (!store->is_applying)
            journal_rotate(store);
        journal_apply(store);
    }
    if (store->is_full)
        LOG(LOG_WARN, "the store has no room for what its journal holds; the next start needs it",
            log_text("file", store->file.path));
    pthread_mutex_unlock(&store->mutex);
    free_store(store);
}

static const struct ingot_store_operations operations = {
    .snapshots_on_any_thread = true,
    .batch_begin = journal_batch_begin,
    .batch_put = journal_batch_put,
    .batch_delete = journal_batch_delete,
    .batch_commit = journal_batch_commit,
    .batch_abort = journal_batch_abort,
    .snapshot_begin = journal_snapshot_begin,
    .snapshot_end = journal_snapshot_end,
    .snapshot_get = journal_snapshot_get,
    .cursor_open = journal_cursor_open,
    .cursor_seek = journal_cursor_seek,
    .cursor_last = journal_cursor_last,
    .cursor_next = journal_cursor_next,
    .cursor_previous = journal_cursor_previous,
    .cursor_item = journal_cursor_item,
    .cursor_close = journal_cursor_close,
    .last_batch = journal_last_batch,
    .is_settled = journal_is_settled,
    .close = close_store,
};

static enum ingot_error open_inner(struct journal_store *store,
                                   const struct ingot_store_lmdb_options *options,
                                   struct store_why why)
{
    const char *tables[INGOT_STORE_TABLES_MAX];
    struct ingot_store_lmdb_options inner = *options;
    memcpy(tables, options->tables, options->table_count * sizeof *tables);
    tables[options->table_count] = STORE_LMDB_JOURNAL_TABLE;
    inner.tables = tables;
    inner.table_count = options->table_count + 1;
    return ingot_store_lmdb_open(&inner, &store->inner, why.text, why.size);
}

static enum ingot_error commit_inner(const struct journal_store *store,
                                     struct ingot_store_batch *batch, uint64_t applied,
                                     struct store_why why)
{
    journal_state_put(store, batch, applied);
    const enum ingot_error error = ingot_store_batch_commit(batch);
    if (error != INGOT_OK)
        store_why_set(why, "%s: data.mdb beside it cannot be brought up to date: %s",
                      store->file.path, ingot_error_text(error));
    return error;
}

/* For whoever wants to know what a crash has left. */
static void log_scan(const struct journal_store *store, const struct journal_scan *scan)
{
    if (scan->count > 0)
        LOG(LOG_INFO, "data.mdb gets from the journal what an earlier process left there",
            log_text("file", store->file.path), log_u64("records", scan->count));
    if (scan->has_part)
        LOG(LOG_WARN, "the journal has a part of a record, which does not count",
            log_text("file", store->file.path), log_u64("last_record", store->last + scan->count));
}

/*
 * The records from `from` on that a generation has room for, in one batch. Where the next part
 * begins.
 */
static uint32_t put_part(const struct journal_store *store, struct ingot_store_batch *batch,
                         const struct journal_scan *scan, uint32_t from)
{
    struct journal_generation part = {0};
    uint32_t i = from;
    for (; i < scan->count; i++) {
        const struct journal_record *record = &scan->records[i];
        const struct journal_extent extent = {.record_bytes =
                                                  journal_record_size(record->operations.size),
                                              .operation_count = record->operation_count};
        if (!journal_has_room(store, &part, &extent))
            break;
        if (i > 0 || !MUTANT(RECORD_SKIPPED))
            journal_run(store, batch, record->operations);
        part.used_bytes += extent.record_bytes;
        part.operation_count += record->operation_count;
    }
    return i;
}

/* An older data.mdb lacks what lazy tables had, although every record above it may be there. */
static enum ingot_error check_relied(const struct journal_store *store,
                                     const struct journal_scan *scan, struct store_why why)
{
    const uint64_t relied =
        scan->count > 0 ? journal_find_relied(store, scan->records[scan->count - 1].operations) : 0;
    if (relied <= store->last || MUTANT(OLDER_DATA_TAKEN))
        return INGOT_OK;
    store_why_set(why,
                  "%s: data.mdb beside it is older than it: it has what was committed up to record "
                  "%llu, and had %llu; expected both files of one moment",
                  store->file.path, (unsigned long long)store->last, (unsigned long long)relied);
    return INGOT_ERROR_CORRUPT;
}

/*
 * All that was acknowledged and is not in LMDB, in parts as large as generations: LMDB need not
 * have room for both at once. Where the process dies in between, the next start goes on.
 */
static enum ingot_error replay(struct journal_store *store, struct store_why why)
{
    struct journal_scan scan;
    /* They may name our own table too. */
    enum ingot_error error =
        journal_file_scan(&store->file, store->last, store->table_count + 1, &scan, why);
    if (error == INGOT_OK)
        error = check_relied(store, &scan, why);
    if (error == INGOT_OK)
        log_scan(store, &scan);
    for (uint32_t next = 0; error == INGOT_OK && next < scan.count;) {
        struct ingot_store_batch *batch = ingot_store_batch_begin(store->inner);
        next = put_part(store, batch, &scan, next);
        store->last = scan.records[next - 1].number;
        error = commit_inner(store, batch, store->last, why);
    }
    journal_scan_deinit(&scan);
    return error;
}

static enum ingot_error open_journal(struct journal_store *store, uint64_t segment_bytes,
                                     struct store_why why)
{
    enum ingot_error error = journal_state_read(store, &store->file, &store->last, why);
    if (error == INGOT_OK) {
        error = journal_file_open(&store->file, why);
        return error == INGOT_OK ? replay(store, why) : error;
    }
    if (error != INGOT_ERROR_NOT_FOUND)
        return error;
    /* It is made with the first batch: who has opened the store may yet find that it is not his. */
    store->last = 0;
    store->file.segment_bytes = segment_bytes;
    return journal_file_check_unused(&store->file, why);
}

static struct journal_store *new_store(const struct ingot_store_journal_options *options)
{
    struct journal_store *store = alloc_zeroed(1, sizeof *store);
    store->base.operations = &operations;
    store->table_count = options->lmdb.table_count;
    store->lazy_tables = options->lazy_tables;
    journal_file_init(&store->file, options->lmdb.folder);
    pthread_condattr_t monotonic;
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_mutex_init(&store->mutex, NULL);
    pthread_cond_init(&store->work, &monotonic);
    pthread_cond_init(&store->done, NULL);
    pthread_condattr_destroy(&monotonic);
    return store;
}

static enum ingot_error open_store(const struct ingot_store_journal_options *options,
                                   bool has_worker, struct ingot_store **result,
                                   struct store_why why)
{
    const uint64_t segment_bytes =
        options->segment_bytes > 0 ? options->segment_bytes : SEGMENT_BYTES_DEFAULT;
    const uint32_t apply_after_ms =
        options->apply_after_ms > 0 ? options->apply_after_ms : APPLY_AFTER_MS_DEFAULT;
    INGOT_ASSERT(!options->lmdb.read_only);
    INGOT_ASSERT(options->lmdb.table_count < INGOT_STORE_TABLES_MAX);
    INGOT_ASSERT(segment_bytes % JOURNAL_PAGE_BYTES == 0);
    *result = NULL;
    struct journal_store *store = new_store(options);
    enum ingot_error error = open_inner(store, &options->lmdb, why);
    if (error == INGOT_OK)
        error = open_journal(store, segment_bytes, why);
    store->settled = store->last;
    if (error == INGOT_OK) {
        store->apply_after_us = has_worker ? (uint64_t)apply_after_ms * 1000 : UINT64_MAX;
        store->apply_bytes = store->file.segment_bytes / 2;
        store->stats.segment_bytes = store->file.segment_bytes;
    }
    if (error == INGOT_OK && has_worker)
        error = journal_worker_start(store, why);
    if (error != INGOT_OK) {
        free_store(store);
        return error;
    }
    *result = &store->base;
    return INGOT_OK;
}

enum ingot_error ingot_store_journal_open(const struct ingot_store_journal_options *options,
                                          struct ingot_store **store, char *why_text,
                                          size_t why_size)
{
    const struct store_why why = {.text = why_text, .size = why_size};
    return open_store(options, true, store, why);
}

enum ingot_error
store_journal_open_without_worker(const struct ingot_store_journal_options *options,
                                  struct ingot_store **store, char *why_text, size_t why_size)
{
    const struct store_why why = {.text = why_text, .size = why_size};
    return open_store(options, false, store, why);
}

struct ingot_store *store_journal_lmdb(struct ingot_store *store)
{
    return ((struct journal_store *)store)->inner;
}

void store_journal_get_stats(struct ingot_store *base, struct store_journal_stats *stats)
{
    struct journal_store *store = (struct journal_store *)base;
    pthread_mutex_lock(&store->mutex);
    *stats = store->stats;
    stats->waiting_bytes = store->fresh.used_bytes + store->applying.used_bytes;
    pthread_mutex_unlock(&store->mutex);
}
