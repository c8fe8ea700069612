/*
 * What LMDB knows of the journal beside it: that there is one, which, and up to which record it has
 * it. One record in a table of its own, written in the same batch as what it counts.
 *
 * It has a checksum: a number that was damaged upwards would have acknowledged records forgotten.
 */
#include <sodium/crypto_onetimeauth_poly1305.h>
#include <string.h>

#include "storage/journal_internal.h"

#define STATE_KEY "state"
#define RELIED_KEY "relied"
#define STATE_VERSION 1
#define TAG_BYTES crypto_onetimeauth_poly1305_BYTES

static void encode(const struct journal_file *file, uint64_t applied, struct ingot_buffer *value)
{
    uint8_t tag[TAG_BYTES];
    ingot_buffer_append_u32(value, STATE_VERSION);
    ingot_buffer_append_u64(value, file->segment_bytes);
    ingot_buffer_append(value, file->key, sizeof file->key);
    ingot_buffer_append_u64(value, applied);
    (void)crypto_onetimeauth_poly1305(tag, value->data, value->size, file->key);
    ingot_buffer_append(value, tag, sizeof tag);
}

/* Takes what is there if it encodes to the same bytes again. */
static bool decode(struct ingot_slice value, struct journal_file *file, uint64_t *applied)
{
    struct ingot_slice rest = value;
    struct ingot_slice key;
    uint32_t version = 0;
    if (!ingot_slice_take_u32(&rest, &version) || version != STATE_VERSION ||
        !ingot_slice_take_u64(&rest, &file->segment_bytes) ||
        !ingot_slice_take(&rest, JOURNAL_KEY_BYTES, &key) || !ingot_slice_take_u64(&rest, applied))
        return false;
    memcpy(file->key, key.data, JOURNAL_KEY_BYTES);
    struct ingot_buffer again = {0};
    encode(file, *applied, &again);
    const bool is_same = ingot_slice_equal(ingot_buffer_slice(&again), value);
    ingot_buffer_deinit(&again);
    return is_same;
}

enum ingot_error journal_state_read(const struct journal_store *store, struct journal_file *file,
                                    uint64_t *applied, struct store_why why)
{
    struct ingot_store_snapshot *snapshot = NULL;
    struct ingot_slice value;
    enum ingot_error error = ingot_store_snapshot_begin(store->inner, &snapshot);
    if (error == INGOT_OK)
        error = ingot_store_snapshot_get(snapshot, store->table_count,
                                         ingot_slice_of_text(STATE_KEY), &value);
    if (error == INGOT_OK && !decode(value, file, applied)) {
        store_why_set(why,
                      "%s: what data.mdb beside it knows of it is damaged, or of a later version",
                      file->path);
        error = INGOT_ERROR_CORRUPT;
    } else if (error != INGOT_OK && error != INGOT_ERROR_NOT_FOUND) {
        store_why_set(why, "%s: data.mdb beside it cannot be read: %s", file->path,
                      ingot_error_text(error));
    }
    ingot_store_snapshot_end(snapshot);
    return error;
}

int journal_state_show(const struct journal_store *store, uint64_t applied,
                       store_operation_taker *take, void *taker)
{
    struct ingot_buffer value = {0};
    encode(&store->file, applied, &value);
    const struct store_operation operation = {.table = store->table_count,
                                              .key = ingot_slice_of_text(STATE_KEY),
                                              .value = ingot_buffer_slice(&value)};
    const int rc = take(taker, &operation);
    ingot_buffer_deinit(&value);
    return rc;
}

static int put(void *batch, const struct store_operation *operation)
{
    ingot_store_batch_put(batch, operation->table, operation->key, operation->value);
    return 0;
}

void journal_state_put(const struct journal_store *store, struct ingot_store_batch *batch,
                       uint64_t applied)
{
    (void)journal_state_show(store, applied, put, batch);
}

void journal_append_relied(const struct journal_store *store, struct store_operations *operations,
                           uint64_t number)
{
    struct ingot_buffer value = {0};
    ingot_buffer_append_u64(&value, number);
    store_operations_put(operations, store->table_count, ingot_slice_of_text(RELIED_KEY),
                         ingot_buffer_slice(&value));
    ingot_buffer_deinit(&value);
}

uint64_t journal_find_relied(const struct journal_store *store, struct ingot_slice operations)
{
    uint64_t number = 0;
    struct store_operation operation;
    while (store_operations_next(&operations, &operation)) {
        if (operation.table == store->table_count)
            (void)ingot_slice_take_u64(&operation.value, &number);
    }
    return number;
}
