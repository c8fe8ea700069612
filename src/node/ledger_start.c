/*
 * What a start reads: the tail of the chain and the few records that say where it stands. How
 * much that is depends on what is uncommitted and unapplied, not on how long the chain is.
 */
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "node/ledger_internal.h"
#include "wire/crypto.h"
#include "wire/wire.h"

enum ingot_error ledger_read_meta(struct ledger *ledger, const char *name,
                                  struct ingot_slice *content, struct ledger_why why)
{
    enum ingot_error error = INGOT_OK;
    struct ingot_store_snapshot *snapshot = ledger_snapshot(ledger, &error);
    struct ingot_slice key = ingot_slice_of_text(name);
    struct ingot_slice record;
    if (error == INGOT_OK)
        error = ingot_store_snapshot_get(snapshot, LEDGER_META, key, &record);
    if (error == INGOT_ERROR_NOT_FOUND)
        return ledger_fail(why, INGOT_ERROR_CORRUPT, "damaged data: the record '%s' is missing",
                           name);
    if (error != INGOT_OK)
        return ledger_fail(why, error, "the record '%s' cannot be read: %s", name,
                           ingot_error_text(error));
    if (!record_unseal(&ledger->chain, LEDGER_META, key, record, content))
        return ledger_fail(why, INGOT_ERROR_CORRUPT,
                           "damaged data: the record '%s' does not match its checksum", name);
    return INGOT_OK;
}

enum ingot_error ledger_read_unapplied(struct ledger *ledger, struct ledger_why why)
{
    for (uint64_t height = ledger->heights.applied + 1; height <= ledger->heights.committed;
         height++) {
        struct ledger_entry entry;
        const enum ingot_error error = ledger_read_entry(ledger, height, &entry, why);
        if (error != INGOT_OK)
            return error;
        ledger_unapplied_add(&ledger->unapplied, &ledger->sweep, height, entry.execution);
        /* The start wants the block as well, and then nobody does. */
        ledger->unapplied.items[ledger->unapplied.count - 1].block = block_ref(entry.block);
        ledger_entry_deinit(&entry);
    }
    return INGOT_OK;
}

static enum ingot_error load_safety(struct ledger *ledger, struct ledger_start *start,
                                    struct ledger_why why)
{
    struct ingot_slice content = {0};
    const enum ingot_error error = ledger_read_meta(ledger, LEDGER_KEY_SAFETY, &content, why);
    if (error != INGOT_OK)
        return error;
    if (ledger_decode_safety(content, &start->safety))
        return INGOT_OK;
    return ledger_fail(why, INGOT_ERROR_CORRUPT,
                       "damaged data: the record '%s' does not decode, so what this validator has "
                       "voted for is unknown",
                       LEDGER_KEY_SAFETY);
}

static enum ingot_error load_committed(struct ledger *ledger, struct ledger_start *start,
                                       struct ledger_why why)
{
    start->applied_height = ledger->heights.applied;
    start->unapplied = alloc_zeroed(ledger->unapplied.count, sizeof *start->unapplied);
    for (uint32_t i = 0; i < ledger->unapplied.count; i++) {
        struct ledger_unapplied *item = &ledger->unapplied.items[i];
        struct ledger_entry *entry = &start->unapplied[start->unapplied_count];
        if (item->block != NULL) {
            *entry = (struct ledger_entry){.block = item->block,
                                           .execution = execution_ref(item->execution)};
            item->block = NULL;
        } else {
            const enum ingot_error error = ledger_read_entry(ledger, item->height, entry, why);
            if (error != INGOT_OK)
                return error;
        }
        start->unapplied_count++;
    }
    if (start->unapplied_count == 0)
        return ledger_read_entry(ledger, ledger->heights.committed, &start->last_committed, why);
    const struct ledger_entry *last = &start->unapplied[start->unapplied_count - 1];
    start->last_committed = (struct ledger_entry){.block = block_ref(last->block),
                                                  .execution = execution_ref(last->execution)};
    return INGOT_OK;
}

/* Keys order blocks by height, so a parent comes before its children. */
static bool has_parent(const struct ledger_start *start, const struct block *block)
{
    for (uint32_t i = start->uncommitted_count; i-- > 0;)
        if (crypto_hash_equal(&start->uncommitted[i].block->hash, &block->parent))
            return true;
    return crypto_hash_equal(&start->last_committed.block->hash, &block->parent);
}

static enum ingot_error take_uncommitted(struct ledger *ledger, struct ingot_slice key,
                                         struct ingot_slice value, struct ledger_start *start,
                                         struct ledger_why why)
{
    if ((start->uncommitted_count & (start->uncommitted_count - 1)) == 0) {
        const uint32_t capacity = start->uncommitted_count > 0 ? start->uncommitted_count * 2 : 1;
        start->uncommitted = alloc_resize(start->uncommitted, capacity, sizeof *start->uncommitted);
    }
    struct ledger_entry entry;
    const char *wrong = ledger_decode_entry(&ledger->chain, key, value, &entry);
    if (wrong != NULL)
        return ledger_fail(why, INGOT_ERROR_CORRUPT,
                           "damaged data: an uncommitted block above height %llu: %s",
                           (unsigned long long)ledger->heights.committed, wrong);
    if (!has_parent(start, entry.block)) {
        const uint64_t height = entry.block->height;
        ledger_entry_deinit(&entry);
        return ledger_fail(why, INGOT_ERROR_CORRUPT,
                           "damaged data: an uncommitted block of height %llu has no parent",
                           (unsigned long long)height);
    }
    start->uncommitted[start->uncommitted_count++] = entry;
    return INGOT_OK;
}

static enum ingot_error load_uncommitted(struct ledger *ledger, struct ledger_start *start,
                                         struct ledger_why why)
{
    uint8_t first[LEDGER_HEIGHT_KEY_BYTES];
    ledger_height_key(ledger->heights.committed + 1, first);
    struct ingot_store_cursor *cursor = NULL;
    enum ingot_error error = ingot_store_cursor_open(ledger->snapshot, LEDGER_BLOCKS, &cursor);
    if (error == INGOT_OK)
        error = ingot_store_cursor_seek(cursor, ingot_slice_of(first, sizeof first));
    while (error == INGOT_OK) {
        struct ingot_slice key;
        struct ingot_slice value;
        ingot_store_cursor_item(cursor, &key, &value);
        error = take_uncommitted(ledger, key, value, start, why);
        if (error != INGOT_OK)
            goto out;
        error = ingot_store_cursor_next(cursor);
    }
    error = error == INGOT_ERROR_NOT_FOUND
                ? INGOT_OK
                : ledger_fail(why, error, "the uncommitted blocks cannot be read: %s",
                              ingot_error_text(error));
out:
    ingot_store_cursor_close(cursor);
    return error;
}

static enum ingot_error take_set(struct ledger *ledger, struct ingot_slice key,
                                 struct ingot_slice record, struct ledger_start *start,
                                 struct ledger_why why)
{
    uint8_t expected_key[LEDGER_HEIGHT_KEY_BYTES];
    ledger_height_key(start->set_count, expected_key);
    struct ingot_slice content;
    struct validator_set *set = NULL;
    if (!ingot_slice_equal(key, ingot_slice_of(expected_key, sizeof expected_key)) ||
        !record_unseal(&ledger->chain, LEDGER_SETS, key, record, &content) ||
        wire_decode_validator_set(content, &set) != REJECT_NONE || set->epoch != start->set_count) {
        validator_set_unref(set);
        return ledger_fail(why, INGOT_ERROR_CORRUPT,
                           "damaged data: the validator set of epoch %u is missing or does not "
                           "match its checksum",
                           start->set_count);
    }
    start->sets = alloc_resize(start->sets, start->set_count + 1, sizeof(struct validator_set *));
    start->sets[start->set_count++] = set;
    return INGOT_OK;
}

/* The record that the last block says is in force; one that is missing at the end shows here. */
static enum ingot_error check_last_set(const struct ledger_start *start, struct ledger_why why)
{
    const struct ingot_hash *expected = &start->last_committed.block->next_validators_hash;
    if (start->set_count > 0 &&
        crypto_hash_equal(&start->sets[start->set_count - 1]->hash, expected))
        return INGOT_OK;
    return ledger_fail(why, INGOT_ERROR_CORRUPT,
                       "damaged data: the last of %u validator sets is not the one that the last "
                       "committed block leaves in force",
                       start->set_count);
}

static enum ingot_error load_sets(struct ledger *ledger, struct ledger_start *start,
                                  struct ledger_why why)
{
    struct ingot_store_cursor *cursor = NULL;
    enum ingot_error error = ingot_store_cursor_open(ledger->snapshot, LEDGER_SETS, &cursor);
    if (error == INGOT_OK)
        error = ingot_store_cursor_seek(cursor, ingot_slice_of(NULL, 0));
    while (error == INGOT_OK) {
        struct ingot_slice key;
        struct ingot_slice record;
        ingot_store_cursor_item(cursor, &key, &record);
        error = take_set(ledger, key, record, start, why);
        if (error != INGOT_OK)
            goto out;
        error = ingot_store_cursor_next(cursor);
    }
    if (error == INGOT_ERROR_NOT_FOUND)
        error = check_last_set(start, why);
    else
        (void)ledger_fail(why, error, "the validator sets cannot be read: %s",
                          ingot_error_text(error));
out:
    ingot_store_cursor_close(cursor);
    return error;
}

enum ingot_error ledger_load(struct ledger *ledger, struct ledger_start *start, char *why_text,
                             size_t why_size)
{
    struct ledger_why why = {.text = why_text, .size = why_size};
    *start = (struct ledger_start){0};
    enum ingot_error error = load_safety(ledger, start, why);
    if (error == INGOT_OK)
        error = load_committed(ledger, start, why);
    if (error == INGOT_OK)
        error = load_uncommitted(ledger, start, why);
    if (error == INGOT_OK)
        error = load_sets(ledger, start, why);
    if (error != INGOT_OK)
        ledger_start_deinit(start);
    return error;
}

static void free_entries(struct ledger_entry *entries, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++)
        ledger_entry_deinit(&entries[i]);
    free(entries);
}

void ledger_start_deinit(struct ledger_start *start)
{
    core_safety_deinit(&start->safety);
    ledger_entry_deinit(&start->last_committed);
    free_entries(start->unapplied, start->unapplied_count);
    free_entries(start->uncommitted, start->uncommitted_count);
    for (uint32_t i = 0; i < start->set_count; i++)
        validator_set_unref(start->sets[i]);
    free(start->sets);
    *start = (struct ledger_start){0};
}
