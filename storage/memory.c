/*
 * The store in memory, for tests: the same contract as the store on disk, with faults on demand.
 *
 * `visible` is what reads see, `durable` what a crash leaves. They differ only after a commit that
 * failed and was applied all the same, once the machine has crashed, and in lazy tables.
 */
#include "storage/memory.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/mutant.h"
#include "storage/memory_tree.h"
#include "storage/operations.h"

struct memory_store {
    struct ingot_store base;
    uint32_t table_count;
    uint32_t lazy_tables; /* bit i: a commit leaves durable[i] as it is */
    uint64_t settled;     /* commits up to which it has all */
    struct memory_node *visible[INGOT_STORE_TABLES_MAX];
    struct memory_node *durable[INGOT_STORE_TABLES_MAX];
    bool batch_open;
    bool outcome_unknown;
    bool is_full;
    bool has_crashed;     /* `durable` stays as it is */
    uint64_t fault_after; /* commits until the fault; 0: none */
    enum store_memory_fault fault;
    struct ingot_store_memory_counters counters;
};

struct memory_batch {
    struct ingot_store_batch base;
    struct store_operations operations;
};

struct memory_snapshot {
    struct ingot_store_snapshot base;
    struct memory_node *roots[INGOT_STORE_TABLES_MAX];
};

struct memory_cursor {
    struct ingot_store_cursor base;
    const struct memory_node *root; /* of the snapshot, which outlives the cursor */
    const struct memory_item *item; /* NULL: stands nowhere */
};

static struct memory_store *store_of(struct ingot_store *base)
{
    return (struct memory_store *)base;
}

static void take_roots(struct memory_node **to, struct memory_node *const *from)
{
    for (uint32_t i = 0; i < INGOT_STORE_TABLES_MAX; i++) {
        struct memory_node *root = memory_tree_ref(from[i]);
        memory_tree_unref(to[i]);
        to[i] = root;
    }
}

static void settle(struct memory_store *store)
{
    if (store->has_crashed)
        return;
    take_roots(store->durable, store->visible);
    store->settled = store->counters.commits;
}

static bool is_lazy(const struct memory_store *store, uint32_t table)
{
    return (store->lazy_tables >> table & 1) != 0;
}

static void drop_roots(struct memory_node **roots)
{
    for (uint32_t i = 0; i < INGOT_STORE_TABLES_MAX; i++) {
        memory_tree_unref(roots[i]);
        roots[i] = NULL;
    }
}

static struct ingot_store_batch *batch_begin(struct ingot_store *base)
{
    struct memory_store *store = store_of(base);
    INGOT_ASSERT(!store->batch_open);
    store->batch_open = true;
    struct memory_batch *batch = alloc_zeroed(1, sizeof *batch);
    batch->base.store = base;
    return &batch->base;
}

static void batch_put(struct ingot_store_batch *base, uint32_t table, struct ingot_slice key,
                      struct ingot_slice value)
{
    INGOT_ASSERT(table < store_of(base->store)->table_count);
    store_operations_put(&((struct memory_batch *)base)->operations, table, key, value);
}

static void batch_delete(struct ingot_store_batch *base, uint32_t table, struct ingot_slice key)
{
    INGOT_ASSERT(table < store_of(base->store)->table_count);
    store_operations_delete(&((struct memory_batch *)base)->operations, table, key);
}

static void batch_abort(struct ingot_store_batch *base)
{
    struct memory_batch *batch = (struct memory_batch *)base;
    store_of(base->store)->batch_open = false;
    store_operations_deinit(&batch->operations);
    free(batch);
}

/* All operations, or those of tables that are not lazy. */
static void apply(const struct memory_store *store, struct memory_node **roots,
                  const struct store_operations *operations, bool with_lazy)
{
    struct ingot_slice rest = ingot_buffer_slice(&operations->bytes);
    struct store_operation operation;
    while (store_operations_next(&rest, &operation) && !(MUTANT(HALF_A_BATCH) && rest.size == 0)) {
        struct memory_node **root = &roots[operation.table];
        if (!with_lazy && is_lazy(store, operation.table))
            continue;
        *root = operation.is_delete ? memory_tree_delete(*root, operation.key)
                                    : memory_tree_put(*root, operation.key, operation.value);
    }
}

static enum ingot_error fail(struct memory_store *store, const struct store_operations *operations)
{
    switch (store->fault) {
    case STORE_MEMORY_NO_SPACE:
        return INGOT_ERROR_NO_SPACE;
    case STORE_MEMORY_FAILED_APPLIED:
        apply(store, store->durable, operations, false);
        break;
    case STORE_MEMORY_FAILED_LOST:
    case STORE_MEMORY_CRASH_BEFORE:
    case STORE_MEMORY_CRASH_AFTER:
        break;
    }
    store->outcome_unknown = !MUTANT(OUTCOME_FORGOTTEN);
    return INGOT_ERROR_UNKNOWN_OUTCOME;
}

static enum ingot_error commit(struct memory_store *store,
                               const struct store_operations *operations, bool is_bulk)
{
    if (store->outcome_unknown)
        return INGOT_ERROR_UNKNOWN_OUTCOME;
    if (store->is_full)
        return INGOT_ERROR_NO_SPACE;
    const bool is_hit = store->fault_after > 0 && --store->fault_after == 0;
    const bool is_crash = is_hit && (store->fault == STORE_MEMORY_CRASH_BEFORE ||
                                     store->fault == STORE_MEMORY_CRASH_AFTER);
    if (is_hit && !is_crash)
        return fail(store, operations);
    store->has_crashed =
        store->has_crashed || (is_crash && store->fault == STORE_MEMORY_CRASH_BEFORE);
    /* Dropped first, so that nothing but a snapshot keeps the old version from changing in place.
     */
    for (uint32_t i = 0; !store->has_crashed && i < store->table_count; i++) {
        if (!is_lazy(store, i)) {
            memory_tree_unref(store->durable[i]);
            store->durable[i] = NULL;
        }
    }
    apply(store, store->visible, operations, true);
    for (uint32_t i = 0; !store->has_crashed && i < store->table_count; i++) {
        if (!is_lazy(store, i))
            store->durable[i] = memory_tree_ref(store->visible[i]);
    }
    store->counters.commits++;
    store->counters.operations += operations->count;
    if (is_bulk)
        settle(store);
    store->has_crashed = store->has_crashed || is_crash;
    return INGOT_OK;
}

static enum ingot_error batch_commit(struct ingot_store_batch *base)
{
    struct memory_batch *batch = (struct memory_batch *)base;
    enum ingot_error error = commit(store_of(base->store), &batch->operations, base->is_bulk);
    store_of(base->store)->counters.bulk += error == INGOT_OK && base->is_bulk;
    batch_abort(base);
    return error;
}

static enum ingot_error snapshot_begin(struct ingot_store *base,
                                       struct ingot_store_snapshot **result)
{
    struct memory_store *store = store_of(base);
    *result = NULL;
    if (store->outcome_unknown)
        return INGOT_ERROR_IO;
    struct memory_snapshot *snapshot = alloc_zeroed(1, sizeof *snapshot);
    snapshot->base.store = base;
    take_roots(snapshot->roots, store->visible);
    store->counters.snapshots_open++;
    *result = &snapshot->base;
    return INGOT_OK;
}

static void snapshot_end(struct ingot_store_snapshot *base)
{
    struct memory_snapshot *snapshot = (struct memory_snapshot *)base;
    store_of(base->store)->counters.snapshots_open--;
    drop_roots(snapshot->roots);
    free(snapshot);
}

static enum ingot_error snapshot_get(struct ingot_store_snapshot *base, uint32_t table,
                                     struct ingot_slice key, struct ingot_slice *value)
{
    struct memory_store *store = store_of(base->store);
    INGOT_ASSERT(table < store->table_count);
    store->counters.gets++;
    const struct memory_item *item =
        memory_tree_find(((struct memory_snapshot *)base)->roots[table], key);
    if (item == NULL)
        return INGOT_ERROR_NOT_FOUND;
    *value = memory_item_value(item);
    return INGOT_OK;
}

static enum ingot_error cursor_open(struct ingot_store_snapshot *base, uint32_t table,
                                    struct ingot_store_cursor **result)
{
    INGOT_ASSERT(table < store_of(base->store)->table_count);
    struct memory_cursor *cursor = alloc_zeroed(1, sizeof *cursor);
    cursor->base.store = base->store;
    cursor->root = ((struct memory_snapshot *)base)->roots[table];
    *result = &cursor->base;
    return INGOT_OK;
}

static enum ingot_error stand_on(struct memory_cursor *cursor, const struct memory_item *item)
{
    store_of(cursor->base.store)->counters.cursor_moves++;
    cursor->item = item;
    return item == NULL ? INGOT_ERROR_NOT_FOUND : INGOT_OK;
}

static enum ingot_error cursor_seek(struct ingot_store_cursor *base, struct ingot_slice key)
{
    struct memory_cursor *cursor = (struct memory_cursor *)base;
    return stand_on(cursor, memory_tree_from(cursor->root, key, false));
}

static enum ingot_error cursor_last(struct ingot_store_cursor *base)
{
    struct memory_cursor *cursor = (struct memory_cursor *)base;
    return stand_on(cursor, memory_tree_last(cursor->root));
}

static enum ingot_error cursor_next(struct ingot_store_cursor *base)
{
    struct memory_cursor *cursor = (struct memory_cursor *)base;
    if (cursor->item == NULL)
        return INGOT_ERROR_NOT_FOUND;
    return stand_on(cursor, memory_tree_from(cursor->root, memory_item_key(cursor->item), true));
}

static enum ingot_error cursor_previous(struct ingot_store_cursor *base)
{
    struct memory_cursor *cursor = (struct memory_cursor *)base;
    if (cursor->item == NULL)
        return INGOT_ERROR_NOT_FOUND;
    return stand_on(cursor, memory_tree_before(cursor->root, memory_item_key(cursor->item)));
}

static void cursor_item(const struct ingot_store_cursor *base, struct ingot_slice *key,
                        struct ingot_slice *value)
{
    const struct memory_cursor *cursor = (const struct memory_cursor *)base;
    INGOT_ASSERT(cursor->item != NULL);
    *key = memory_item_key(cursor->item);
    *value = memory_item_value(cursor->item);
}

static void cursor_close(struct ingot_store_cursor *base)
{
    free(base);
}

static uint64_t last_batch(const struct ingot_store *base)
{
    const struct memory_store *store = (const struct memory_store *)base;
    return store->lazy_tables != 0 ? store->counters.commits + 1 : 0;
}

static bool is_settled(struct ingot_store *base, uint64_t batch)
{
    return store_of(base)->lazy_tables == 0 || batch <= store_of(base)->settled + 1;
}

static void close_store(struct ingot_store *base)
{
    struct memory_store *store = store_of(base);
    INGOT_ASSERT(!store->batch_open);
    INGOT_ASSERT(store->counters.snapshots_open == 0);
    drop_roots(store->visible);
    drop_roots(store->durable);
    free(store);
}

static const struct ingot_store_operations operations = {
    .snapshots_on_any_thread = false,
    .batch_begin = batch_begin,
    .batch_put = batch_put,
    .batch_delete = batch_delete,
    .batch_commit = batch_commit,
    .batch_abort = batch_abort,
    .snapshot_begin = snapshot_begin,
    .snapshot_end = snapshot_end,
    .snapshot_get = snapshot_get,
    .cursor_open = cursor_open,
    .cursor_seek = cursor_seek,
    .cursor_last = cursor_last,
    .cursor_next = cursor_next,
    .cursor_previous = cursor_previous,
    .cursor_item = cursor_item,
    .cursor_close = cursor_close,
    .last_batch = last_batch,
    .is_settled = is_settled,
    .close = close_store,
};

struct ingot_store *ingot_store_memory_new(uint32_t table_count)
{
    INGOT_ASSERT(table_count >= 1);
    INGOT_ASSERT(table_count <= INGOT_STORE_TABLES_MAX);
    struct memory_store *store = alloc_zeroed(1, sizeof *store);
    store->base.operations = &operations;
    store->table_count = table_count;
    return &store->base;
}

void ingot_store_memory_fail_commit(struct ingot_store *base, uint64_t nth,
                                    enum store_memory_fault fault)
{
    struct memory_store *store = store_of(base);
    store->fault_after = nth;
    store->fault = fault;
}

void ingot_store_memory_set_lazy(struct ingot_store *base, uint32_t tables)
{
    store_of(base)->lazy_tables = tables;
    settle(store_of(base));
}

void ingot_store_memory_settle(struct ingot_store *base)
{
    settle(store_of(base));
}

void ingot_store_memory_set_full(struct ingot_store *base, bool is_full)
{
    store_of(base)->is_full = is_full;
}

bool ingot_store_memory_has_crashed(const struct ingot_store *base)
{
    return ((const struct memory_store *)base)->has_crashed;
}

struct ingot_store *ingot_store_memory_clone_durable(const struct ingot_store *base)
{
    const struct memory_store *store = (const struct memory_store *)base;
    struct ingot_store *clone = ingot_store_memory_new(store->table_count);
    take_roots(store_of(clone)->visible, store->durable);
    take_roots(store_of(clone)->durable, store->durable);
    return clone;
}

void ingot_store_memory_get_counters(const struct ingot_store *base,
                                     struct ingot_store_memory_counters *counters)
{
    *counters = ((const struct memory_store *)base)->counters;
}

static uint64_t digest_slice(uint64_t digest, struct ingot_slice slice)
{
    digest = (digest ^ slice.size) * UINT64_C(0x100000001b3);
    for (size_t i = 0; i < slice.size; i++)
        digest = (digest ^ slice.data[i]) * UINT64_C(0x100000001b3);
    return digest;
}

static uint64_t digest_tree(uint64_t digest, const struct memory_node *node)
{
    if (node == NULL)
        return digest;
    digest = digest_tree(digest, node->left);
    digest = digest_slice(digest, memory_item_key(node->item));
    digest = digest_slice(digest, memory_item_value(node->item));
    return digest_tree(digest, node->right);
}

uint64_t ingot_store_memory_digest(const struct ingot_store *base)
{
    const struct memory_store *store = (const struct memory_store *)base;
    uint64_t digest = UINT64_C(0xcbf29ce484222325);
    for (uint32_t i = 0; i < store->table_count; i++) {
        digest = (digest ^ i) * UINT64_C(0x100000001b3);
        digest = digest_tree(digest, store->durable[i]);
    }
    return digest;
}
