/*
 * Cursors of a journaled store: the trees of the two generations and a cursor of LMDB's, merged.
 * Where several have a key, the newest one counts, and a note that the key is gone hides it.
 *
 * While the cursor goes forward, each source stands on its first key at or after the cursor's;
 * while it goes backward, on its last one at or before it. A source that has no such key stands
 * nowhere.
 */
#include <stdlib.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "storage/journal_internal.h"

/* Newest first. */
enum { SOURCE_FRESH, SOURCE_APPLYING, SOURCE_LMDB, SOURCE_COUNT };

struct source {
    const struct memory_node *root;   /* a tree of the snapshot, which outlives the cursor */
    struct ingot_store_cursor *inner; /* or LMDB's */
    bool stands;
    bool is_deleted;
    struct ingot_slice key;
    struct ingot_slice value;
};

struct journal_cursor {
    struct ingot_store_cursor base;
    struct source sources[SOURCE_COUNT];
    const struct source *current; /* NULL: it stands nowhere */
    bool is_backward;
};

/* --- One source. A move returns an error only if LMDB cannot be read. --- */

static enum ingot_error stand_on_item(struct source *source, const struct memory_item *item)
{
    source->stands = item != NULL;
    if (item != NULL) {
        source->is_deleted = item->is_deleted;
        source->key = memory_item_key(item);
        source->value = memory_item_value(item);
    }
    return INGOT_OK;
}

static enum ingot_error stand_on_inner(struct source *source, enum ingot_error moved)
{
    source->stands = moved == INGOT_OK;
    if (moved == INGOT_OK)
        ingot_store_cursor_item(source->inner, &source->key, &source->value);
    return moved == INGOT_ERROR_NOT_FOUND ? INGOT_OK : moved;
}

static enum ingot_error source_seek(struct source *source, struct ingot_slice key)
{
    if (source->inner != NULL)
        return stand_on_inner(source, ingot_store_cursor_seek(source->inner, key));
    return stand_on_item(source, memory_tree_from(source->root, key, false));
}

static enum ingot_error source_last(struct source *source)
{
    if (source->inner != NULL)
        return stand_on_inner(source, ingot_store_cursor_last(source->inner));
    return stand_on_item(source, memory_tree_last(source->root));
}

static enum ingot_error source_next(struct source *source)
{
    if (source->inner != NULL)
        return stand_on_inner(source, ingot_store_cursor_next(source->inner));
    return stand_on_item(source, memory_tree_from(source->root, source->key, true));
}

static enum ingot_error source_previous(struct source *source)
{
    if (source->inner != NULL)
        return stand_on_inner(source, ingot_store_cursor_previous(source->inner));
    return stand_on_item(source, memory_tree_before(source->root, source->key));
}

/* --- All of them. --- */

/* The one with the key that comes next in the cursor's direction; of equal keys the newest. */
static const struct source *nearest(const struct journal_cursor *cursor)
{
    const struct source *found = NULL;
    for (uint32_t i = 0; i < SOURCE_COUNT; i++) {
        const struct source *source = &cursor->sources[i];
        if (!source->stands)
            continue;
        const int order = found == NULL ? -1 : ingot_slice_compare(source->key, found->key);
        if (found == NULL || (cursor->is_backward ? order > 0 : order < 0))
            found = source;
    }
    return found;
}

/* Those that stand on this key go on. */
static enum ingot_error leave_key(struct journal_cursor *cursor, struct ingot_slice key)
{
    enum ingot_error error = INGOT_OK;
    for (uint32_t i = 0; i < SOURCE_COUNT && error == INGOT_OK; i++) {
        struct source *source = &cursor->sources[i];
        if (source->stands && ingot_slice_equal(source->key, key))
            error = cursor->is_backward ? source_previous(source) : source_next(source);
    }
    return error;
}

/* The cursor stands on the nearest key that is not gone. */
static enum ingot_error settle(struct journal_cursor *cursor, enum ingot_error error)
{
    cursor->current = NULL;
    const struct source *found = NULL;
    while (error == INGOT_OK && (found = nearest(cursor)) != NULL && found->is_deleted)
        error = leave_key(cursor, found->key);
    if (error != INGOT_OK)
        return error;
    cursor->current = found;
    return found == NULL ? INGOT_ERROR_NOT_FOUND : INGOT_OK;
}

/* Sources that are beyond the cursor's key, on the side that it came from, step over it. */
static enum ingot_error turn(struct journal_cursor *cursor, bool is_backward)
{
    const struct ingot_slice key = cursor->current->key;
    enum ingot_error error = INGOT_OK;
    if (cursor->is_backward == is_backward)
        return INGOT_OK;
    for (uint32_t i = 0; i < SOURCE_COUNT && error == INGOT_OK; i++) {
        struct source *source = &cursor->sources[i];
        if (source->stands && ingot_slice_equal(source->key, key))
            continue;
        if (source->stands)
            error = is_backward ? source_previous(source) : source_next(source);
        else
            error =
                is_backward ? source_last(source) : source_seek(source, ingot_slice_of(NULL, 0));
    }
    cursor->is_backward = is_backward;
    return error;
}

static enum ingot_error step(struct journal_cursor *cursor, bool is_backward)
{
    if (cursor->current == NULL)
        return INGOT_ERROR_NOT_FOUND;
    const struct ingot_slice key = cursor->current->key;
    enum ingot_error error = turn(cursor, is_backward);
    if (error == INGOT_OK)
        error = leave_key(cursor, key);
    return settle(cursor, error);
}

enum ingot_error journal_cursor_open(struct ingot_store_snapshot *base, uint32_t table,
                                     struct ingot_store_cursor **result)
{
    const struct journal_snapshot *snapshot = (const struct journal_snapshot *)base;
    INGOT_ASSERT(table < ((const struct journal_store *)base->store)->table_count);
    struct ingot_store_cursor *inner = NULL;
    *result = NULL;
    const enum ingot_error error = ingot_store_cursor_open(snapshot->inner, table, &inner);
    if (error != INGOT_OK)
        return error;
    struct journal_cursor *cursor = alloc_zeroed(1, sizeof *cursor);
    cursor->base.store = base->store;
    cursor->sources[SOURCE_FRESH].root = snapshot->fresh[table];
    cursor->sources[SOURCE_APPLYING].root = snapshot->applying[table];
    cursor->sources[SOURCE_LMDB].inner = inner;
    *result = &cursor->base;
    return INGOT_OK;
}

enum ingot_error journal_cursor_seek(struct ingot_store_cursor *base, struct ingot_slice key)
{
    struct journal_cursor *cursor = (struct journal_cursor *)base;
    enum ingot_error error = INGOT_OK;
    cursor->is_backward = false;
    for (uint32_t i = 0; i < SOURCE_COUNT && error == INGOT_OK; i++)
        error = source_seek(&cursor->sources[i], key);
    return settle(cursor, error);
}

enum ingot_error journal_cursor_last(struct ingot_store_cursor *base)
{
    struct journal_cursor *cursor = (struct journal_cursor *)base;
    enum ingot_error error = INGOT_OK;
    cursor->is_backward = true;
    for (uint32_t i = 0; i < SOURCE_COUNT && error == INGOT_OK; i++)
        error = source_last(&cursor->sources[i]);
    return settle(cursor, error);
}

enum ingot_error journal_cursor_next(struct ingot_store_cursor *base)
{
    return step((struct journal_cursor *)base, false);
}

enum ingot_error journal_cursor_previous(struct ingot_store_cursor *base)
{
    return step((struct journal_cursor *)base, true);
}

void journal_cursor_item(const struct ingot_store_cursor *base, struct ingot_slice *key,
                         struct ingot_slice *value)
{
    const struct journal_cursor *cursor = (const struct journal_cursor *)base;
    INGOT_ASSERT(cursor->current != NULL);
    *key = cursor->current->key;
    *value = cursor->current->value;
}

void journal_cursor_close(struct ingot_store_cursor *base)
{
    struct journal_cursor *cursor = (struct journal_cursor *)base;
    ingot_store_cursor_close(cursor->sources[SOURCE_LMDB].inner);
    free(cursor);
}
