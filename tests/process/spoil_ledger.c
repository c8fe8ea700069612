/*
 * Damages one record of a node that does not run, where LMDB itself notices nothing: flips the
 * bits of one byte of its value.
 *
 *     spoil_ledger DATA_FOLDER TABLE KEY OFFSET
 *
 * KEY is a text (as in the table `meta`), or `first` or `last` of the table. A negative OFFSET
 * counts from the end. OFFSET `remove` removes the record.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/process_home.h"

static uint32_t table_of(const char *name)
{
    for (uint32_t i = 0; i < ledger_table_count; i++) {
        if (strcmp(ledger_tables[i], name) == 0) {
            return i;
        }
    }
    process_fail("there is no table %s", name);
}

static void find(struct ingot_store_snapshot *snapshot, uint32_t table, const char *name,
                 struct ingot_slice *key, struct ingot_slice *value)
{
    struct ingot_store_cursor *cursor = NULL;
    const bool is_last = strcmp(name, "last") == 0;
    const bool is_first = strcmp(name, "first") == 0;
    enum ingot_error error = ingot_store_cursor_open(snapshot, table, &cursor);
    if (error == INGOT_OK) {
        error = is_last ? ingot_store_cursor_last(cursor)
                        : ingot_store_cursor_seek(cursor, is_first ? ingot_slice_of(NULL, 0)
                                                                   : ingot_slice_of_text(name));
    }
    if (error != INGOT_OK) {
        process_fail("there is no record %s", name);
    }
    ingot_store_cursor_item(cursor, key, value);
    if (!is_first && !is_last && !ingot_slice_equal(*key, ingot_slice_of_text(name))) {
        process_fail("there is no record %s", name);
    }
    ingot_store_cursor_close(cursor);
}

int main(int argc, char **argv)
{
    if (argc != 5) {
        process_fail("usage: spoil_ledger DATA_FOLDER TABLE KEY OFFSET");
    }
    char why[512];
    const struct ingot_store_journal_options options = {
        .lmdb = {.folder = argv[1], .tables = ledger_tables, .table_count = ledger_table_count}};
    const uint32_t table = table_of(argv[2]);
    const bool is_removal = strcmp(argv[4], "remove") == 0;
    struct ingot_store *store = NULL;
    struct ingot_store_snapshot *snapshot = NULL;
    struct ingot_slice key;
    struct ingot_slice value;
    struct ingot_buffer spoilt = {0};
    if (ingot_store_journal_open(&options, &store, why, sizeof why) != INGOT_OK) {
        process_fail("%s", why);
    }
    if (ingot_store_snapshot_begin(store, &snapshot) != INGOT_OK) {
        process_fail("no snapshot");
    }
    find(snapshot, table, argv[3], &key, &value);
    struct ingot_store_batch *batch = ingot_store_batch_begin(store);
    if (is_removal) {
        ingot_store_batch_delete(batch, table, key);
    } else {
        const long offset = strtol(argv[4], NULL, 10);
        ingot_buffer_append_slice(&spoilt, value);
        spoilt.data[(size_t)(offset < 0 ? (long)value.size + offset : offset)] ^= 0xff;
        ingot_store_batch_put(batch, table, key, ingot_buffer_slice(&spoilt));
    }
    if (ingot_store_batch_commit(batch) != INGOT_OK) {
        process_fail("the change cannot be written");
    }
    ingot_store_snapshot_end(snapshot);
    ingot_store_close(store);
    ingot_buffer_deinit(&spoilt);
    return 0;
}
