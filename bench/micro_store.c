/*
 * The stores alone: what a durable commit costs beside one in memory.
 */
#include <errno.h>
#include <ingot/store.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "bench/micro.h"
#include "cli/temporary.h"

#define VALUE_BYTES 1024

static struct ingot_store *store;
static char *folder; /* NULL: in memory */
static uint64_t number;

static bool begin_memory(const char *argument)
{
    (void)argument;
    store = ingot_store_memory_new(1);
    number = 0;
    return true;
}

/* With an @argument: behind a journal. */
static bool begin_lmdb(const char *argument)
{
    static const char *const tables[] = {"rows"};
    char why[256];
    number = 0;
    folder = temporary_folder("micro");
    if (folder == NULL) {
        (void)fprintf(stderr, "bench_micro: a temporary folder cannot be made: %s\n",
                      strerror(errno));
        return false;
    }
    const struct ingot_store_journal_options options = {
        .lmdb = {.folder = folder, .tables = tables, .table_count = 1}};
    const enum ingot_error error =
        argument == NULL ? ingot_store_lmdb_open(&options.lmdb, &store, why, sizeof why)
                         : ingot_store_journal_open(&options, &store, why, sizeof why);
    if (error == INGOT_OK)
        return true;
    (void)fprintf(stderr, "bench_micro: %s\n", why);
    temporary_remove(folder);
    free(folder);
    folder = NULL;
    return false;
}

static void commit_one_put(void)
{
    static const uint8_t value[VALUE_BYTES];
    uint8_t key[8];
    number++;
    for (uint32_t i = 0; i < sizeof key; i++)
        key[i] = (uint8_t)(number >> (56 - 8 * i));
    struct ingot_store_batch *batch = ingot_store_batch_begin(store);
    ingot_store_batch_put(batch, 0, ingot_slice_of(key, sizeof key),
                          ingot_slice_of(value, sizeof value));
    const enum ingot_error error = ingot_store_batch_commit(batch);
    INGOT_ASSERT(error == INGOT_OK);
}

static void end(void)
{
    ingot_store_close(store);
    if (folder != NULL)
        temporary_remove(folder);
    free(folder);
    folder = NULL;
}

const struct micro_row micro_store_rows[] = {
    {"store-memory", "memory: commit of one put of 1 KiB", 1, NULL, begin_memory, NULL,
     commit_one_put, end},
    {"store-lmdb", "LMDB: synced commit of one put of 1 KiB", 1, NULL, begin_lmdb, NULL,
     commit_one_put, end},
    {"store-journal", "journal: synced commit of one put of 1 KiB", 1, "journal", begin_lmdb, NULL,
     commit_one_put, end},
    {.id = NULL}};
