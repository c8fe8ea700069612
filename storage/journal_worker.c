/*
 * Bringing LMDB up to date behind the journal: a generation becomes one batch of LMDB's, synced,
 * with the number of its last record. Of the puts of one key only the last is in it.
 *
 * A thread of its own does that, so that the thread that commits waits for it only when both
 * segments are full. It never touches the file: a segment is free once LMDB has its records.
 */
#include <errno.h>
#include <signal.h>
#include <string.h>

#include "base/assert.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/mutant.h"
#include "storage/journal_internal.h"

bool journal_is_due(const struct journal_store *store)
{
    const struct journal_generation *fresh = &store->fresh;
    return fresh->used_bytes > 0 &&
           (fresh->used_bytes + fresh->lazy_bytes >= store->apply_bytes ||
            fresh->operation_count >= JOURNAL_OPERATIONS_MAX ||
            clock_monotonic_us() - fresh->begin_us >= store->apply_after_us);
}

void journal_rotate(struct journal_store *store)
{
    INGOT_ASSERT(!store->is_applying);
    INGOT_ASSERT(!store->is_committing);
    store->applying = store->fresh;
    store->is_applying = true;
    store->fresh = (struct journal_generation){.segment = MUTANT(SEGMENT_REUSED_EARLY)
                                                              ? store->applying.segment
                                                              : 1 - store->applying.segment};
    pthread_cond_signal(&store->work);
}

static int show_tree(uint32_t table, const struct memory_node *node, store_operation_taker *take,
                     void *taker)
{
    if (node == NULL)
        return 0;
    int rc = show_tree(table, node->left, take, taker);
    if (rc != 0)
        return rc;
    const struct store_operation operation = {.is_delete = node->item->is_deleted,
                                              .table = table,
                                              .key = memory_item_key(node->item),
                                              .value = memory_item_value(node->item)};
    rc = take(taker, &operation);
    return rc != 0 ? rc : show_tree(table, node->right, take, taker);
}

/* The content of LMDB's batch: what is being applied, and that it is. */
static int show_applying(const void *context, store_operation_taker *take, void *taker)
{
    const struct journal_store *store = context;
    int rc = 0;
    for (uint32_t i = 0; i < store->table_count && rc == 0; i++)
        rc = show_tree(i, store->applying.roots[i], take, taker);
    return rc != 0 ? rc : journal_state_show(store, store->applying.last, take, taker);
}

static enum ingot_error write_applying(const struct journal_store *store)
{
    const struct store_content content = {.show = show_applying, .context = store};
    return store_lmdb_commit(store->inner, &content);
}

void journal_apply(struct journal_store *store)
{
    INGOT_ASSERT(store->is_applying);
    struct journal_generation applied = {0};
    const uint64_t begin_us = clock_monotonic_us();
    pthread_mutex_unlock(&store->mutex);
    const enum ingot_error error = write_applying(store);
    pthread_mutex_lock(&store->mutex);
    if (error == INGOT_OK) {
        applied = store->applying;
        store->settled = applied.last;
        store->applying = (struct journal_generation){0};
        store->is_applying = false;
        store->stats.applied_total++;
        store->stats.apply_us_last = clock_monotonic_us() - begin_us;
        store->stats.apply_us_total += store->stats.apply_us_last;
    } else if (error == INGOT_ERROR_NO_SPACE) {
        store->is_full = true;
    } else {
        store->outcome_unknown = true;
    }
    pthread_cond_broadcast(&store->done);
    pthread_mutex_unlock(&store->mutex);
    for (uint32_t i = 0; i < INGOT_STORE_TABLES_MAX; i++)
        memory_tree_unref(applied.roots[i]);
    pthread_mutex_lock(&store->mutex);
}

void journal_await(struct journal_store *store)
{
    INGOT_ASSERT(store->is_applying);
    if (!store->has_worker) {
        journal_apply(store);
        return;
    }
    while (store->is_applying && !store->is_full && !store->outcome_unknown)
        pthread_cond_wait(&store->done, &store->mutex);
}

/* Until there may be something to do. */
static void rest(struct journal_store *store)
{
    const bool has_date = store->fresh.used_bytes > 0 && !store->is_applying &&
                          !store->outcome_unknown && !journal_is_due(store);
    if (!has_date) {
        pthread_cond_wait(&store->work, &store->mutex);
        return;
    }
    const uint64_t at_us = store->fresh.begin_us + store->apply_after_us;
    const struct timespec at = {.tv_sec = (time_t)(at_us / 1000000),
                                .tv_nsec = (long)(at_us % 1000000 * 1000)};
    (void)pthread_cond_timedwait(&store->work, &store->mutex, &at);
}

static void *run_worker(void *context)
{
    struct journal_store *store = context;
    pthread_mutex_lock(&store->mutex);
    while (!store->is_closing) {
        if (store->is_applying && !store->is_full && !store->outcome_unknown)
            journal_apply(store);
        else if (!store->is_applying && !store->is_committing && !store->outcome_unknown &&
                 journal_is_due(store))
            journal_rotate(store);
        else
            rest(store);
    }
    pthread_mutex_unlock(&store->mutex);
    return NULL;
}

enum ingot_error journal_worker_start(struct journal_store *store, struct store_why why)
{
    /* Signals are for the threads of whoever opened the store; but a fault is met where it is. */
    sigset_t all;
    sigset_t before;
    (void)sigfillset(&all);
    (void)sigdelset(&all, SIGSEGV);
    (void)sigdelset(&all, SIGBUS);
    (void)pthread_sigmask(SIG_SETMASK, &all, &before);
    const int rc = pthread_create(&store->worker, NULL, run_worker, store);
    (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
    store->has_worker = rc == 0;
    if (rc == 0)
        return INGOT_OK;
    store_why_set(why, "%s: no thread can be started that keeps data.mdb up to date: %s",
                  store->file.path, strerror(rc));
    return INGOT_ERROR_IO;
}

void journal_worker_stop(struct journal_store *store)
{
    if (!store->has_worker)
        return;
    store->is_closing = true;
    pthread_cond_signal(&store->work);
    pthread_mutex_unlock(&store->mutex);
    (void)pthread_join(store->worker, NULL);
    pthread_mutex_lock(&store->mutex);
    store->has_worker = false;
}

bool store_journal_step(struct ingot_store *base)
{
    struct journal_store *store = (struct journal_store *)base;
    INGOT_ASSERT(!store->has_worker);
    pthread_mutex_lock(&store->mutex);
    const bool has_work = !store->outcome_unknown && !store->is_full &&
                          (store->is_applying || store->fresh.used_bytes > 0);
    if (has_work && store->is_applying)
        journal_apply(store);
    else if (has_work)
        journal_rotate(store);
    pthread_mutex_unlock(&store->mutex);
    return has_work;
}
