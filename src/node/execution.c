/*
 * The value of an execution: its canonical encoding, strict decoding, and the updates hash. It
 * runs nothing and knows nothing of blocks.
 *
 * The encoding, all integers little-endian:
 *
 *     u32 version, 1
 *     u32 number of results, for each:           u32 code, u32 size, data
 *     u32 number of state updates, for each:     u8 kind, u32 size, key;
 *                                                kind 0 sets: u32 size, value; kind 1 deletes
 *     u32 number of validator updates, for each: 32-byte key, u64 power
 *     u32 number of logs, for each:              u32 index of the result, u32 size, text
 *
 * Updates are in order of their keys and logs in order of their indices, so that one execution has
 * one encoding. The updates hash covers everything between the version and the logs.
 */
#include "node/execution.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "wire/preimage.h"

#define ENCODING_VERSION 1
#define UPDATES_TAG "ingot/updates/1"

enum update_kind { UPDATE_SET = 0, UPDATE_DELETE = 1 };

/* The shortest encoding of one element, to bound counts before memory is taken for them. */
#define RESULT_BYTES_MIN (4 + 4)
#define UPDATE_BYTES_MIN (1 + 4 + 1)
#define VALIDATOR_UPDATE_BYTES (INGOT_PUBLIC_KEY_BYTES + 8)

static int compare_keys(const struct ingot_public_key *a, const struct ingot_public_key *b)
{
    return memcmp(a->bytes, b->bytes, INGOT_PUBLIC_KEY_BYTES);
}

/* --- Decoding. Takes slices of the execution's own bytes. --- */

static bool take_count(struct ingot_slice *rest, size_t element_bytes_min, uint32_t *count)
{
    return ingot_slice_take_u32(rest, count) && *count <= rest->size / element_bytes_min;
}

static bool take_bytes(struct ingot_slice *rest, size_t size_max, struct ingot_slice *bytes)
{
    uint32_t size = 0;
    return ingot_slice_take_u32(rest, &size) && size <= size_max &&
           ingot_slice_take(rest, size, bytes);
}

/* The results were plain so far. */
static void make_results(struct execution *execution)
{
    execution->results = alloc_zeroed(execution->result_count, sizeof *execution->results);
}

/* Are these bytes all zero? */
static bool are_zero(struct ingot_slice bytes)
{
    return bytes.size == 0 ||
           (bytes.data[0] == 0 && memcmp(bytes.data, bytes.data + 1, bytes.size - 1) == 0);
}

static bool take_results(struct ingot_slice *rest, struct execution *execution)
{
    uint32_t count = 0;
    if (!take_count(rest, RESULT_BYTES_MIN, &count) || count > INGOT_BLOCK_TRANSACTIONS_MAX)
        return false;
    execution->result_count = count;
    struct ingot_slice behind = *rest;
    struct ingot_slice plain;
    if (ingot_slice_take(&behind, (size_t)count * RESULT_BYTES_MIN, &plain) && are_zero(plain)) {
        *rest = behind; /* codes and sizes, all 0 */
        return true;
    }
    make_results(execution);
    for (uint32_t i = 0; i < count; i++) {
        struct ingot_result *result = &execution->results[i];
        if (!ingot_slice_take_u32(rest, &result->code) ||
            !take_bytes(rest, INGOT_RESULT_DATA_BYTES_MAX, &result->data))
            return false;
    }
    return true;
}

static bool take_update(struct ingot_slice *rest, struct state_update *update)
{
    uint8_t kind = 0;
    *update = (struct state_update){0};
    if (!ingot_slice_take_u8(rest, &kind) || kind > UPDATE_DELETE ||
        !take_bytes(rest, INGOT_STATE_KEY_BYTES_MAX, &update->key) || update->key.size == 0)
        return false;
    update->is_delete = kind == UPDATE_DELETE;
    return update->is_delete || take_bytes(rest, INGOT_STATE_VALUE_BYTES_MAX, &update->value);
}

static bool take_updates(struct ingot_slice *rest, struct execution *execution)
{
    uint32_t count = 0;
    if (!take_count(rest, UPDATE_BYTES_MIN, &count))
        return false;
    execution->update_places = alloc_zeroed(count, sizeof *execution->update_places);
    execution->update_count = count;
    struct ingot_slice last = {0};
    for (uint32_t i = 0; i < count; i++) {
        struct state_update update;
        execution->update_places[i] = (uint32_t)(rest->data - execution->bytes.data);
        if (!take_update(rest, &update) || ingot_slice_compare(last, update.key) >= 0)
            return false;
        last = update.key;
    }
    return true;
}

static bool take_validator_updates(struct ingot_slice *rest, struct execution *execution)
{
    uint32_t count = 0;
    if (!take_count(rest, VALIDATOR_UPDATE_BYTES, &count))
        return false;
    execution->validator_updates = alloc_zeroed(count, sizeof *execution->validator_updates);
    execution->validator_update_count = count;
    for (uint32_t i = 0; i < count; i++) {
        struct ingot_validator *update = &execution->validator_updates[i];
        struct ingot_slice key;
        if (!ingot_slice_take(rest, INGOT_PUBLIC_KEY_BYTES, &key) ||
            !ingot_slice_take_u64(rest, &update->power))
            return false;
        memcpy(update->key.bytes, key.data, INGOT_PUBLIC_KEY_BYTES);
        if (i > 0 && compare_keys(&update[-1].key, &update->key) >= 0)
            return false;
    }
    return true;
}

static bool take_logs(struct ingot_slice *rest, struct execution *execution)
{
    uint32_t count = 0;
    if (!ingot_slice_take_u32(rest, &count))
        return false;
    uint32_t index_min = 0;
    for (uint32_t i = 0; i < count; i++) {
        uint32_t index = 0;
        struct ingot_slice log;
        if (!ingot_slice_take_u32(rest, &index) || index < index_min ||
            index >= execution->result_count ||
            !take_bytes(rest, INGOT_RESULT_LOG_BYTES_MAX, &log) || log.size == 0)
            return false;
        if (execution->results == NULL)
            make_results(execution);
        execution->results[index].log = log;
        index_min = index + 1;
    }
    return rest->size == 0;
}

static bool decode(struct execution *execution)
{
    struct ingot_slice rest = ingot_buffer_slice(&execution->bytes);
    uint32_t version = 0;
    if (!ingot_slice_take_u32(&rest, &version) || version != ENCODING_VERSION)
        return false;
    struct ingot_slice covered = rest;
    if (!take_results(&rest, execution) || !take_updates(&rest, execution) ||
        !take_validator_updates(&rest, execution))
        return false;
    covered.size -= rest.size;
    if (!take_logs(&rest, execution))
        return false;

    struct crypto_hasher hasher;
    wire_hasher_begin(&hasher, UPDATES_TAG);
    crypto_hasher_add(&hasher, covered);
    crypto_hasher_end(&hasher, &execution->updates_hash);
    return true;
}

struct execution *execution_of_bytes(struct ingot_buffer bytes)
{
    /* A record of the store is no longer, and places within it are kept in half a word. */
    INGOT_ASSERT(bytes.size <= UINT32_MAX);
    struct execution *execution = alloc_zeroed(1, sizeof *execution);
    execution->references = 1;
    execution->bytes = bytes;
    if (decode(execution))
        return execution;
    execution_unref(execution);
    return NULL;
}

struct execution *execution_decode(struct ingot_slice encoded)
{
    struct ingot_buffer bytes = {0};
    ingot_buffer_append_slice(&bytes, encoded);
    return execution_of_bytes(bytes);
}

/* --- Encoding. --- */

static void append_bytes(struct ingot_buffer *buffer, struct ingot_slice bytes)
{
    ingot_buffer_append_u32(buffer, (uint32_t)bytes.size);
    ingot_buffer_append_slice(buffer, bytes);
}

static bool are_plain(const struct ingot_result *results, uint32_t result_count)
{
    for (uint32_t i = 0; results != NULL && i < result_count; i++) {
        if (results[i].code != 0 || results[i].data.size > 0 || results[i].log.size > 0)
            return false;
    }
    return true;
}

static void append_results(struct ingot_buffer *buffer, const struct ingot_result *results,
                           uint32_t result_count)
{
    ingot_buffer_append_u32(buffer, result_count);
    if (results == NULL) {
        const size_t size = (size_t)result_count * RESULT_BYTES_MIN;
        ingot_buffer_reserve(buffer, size);
        memset(buffer->data + buffer->size, 0, size);
        buffer->size += size;
        return;
    }
    for (uint32_t i = 0; i < result_count; i++) {
        ingot_buffer_append_u32(buffer, results[i].code);
        append_bytes(buffer, results[i].data);
    }
}

static void append_logs(struct ingot_buffer *buffer, const struct ingot_result *results,
                        uint32_t result_count)
{
    uint32_t count = 0;
    result_count = results == NULL ? 0 : result_count;
    for (uint32_t i = 0; i < result_count; i++)
        count += results[i].log.size > 0;
    ingot_buffer_append_u32(buffer, count);
    for (uint32_t i = 0; i < result_count; i++) {
        if (results[i].log.size > 0) {
            ingot_buffer_append_u32(buffer, i);
            append_bytes(buffer, results[i].log);
        }
    }
}

static size_t encoded_size(const struct ingot_result *results, uint32_t result_count,
                           const struct state_update *updates, uint32_t update_count,
                           uint32_t validator_update_count)
{
    size_t size = 5 * sizeof(uint32_t) + (size_t)result_count * RESULT_BYTES_MIN;
    for (uint32_t i = 0; results != NULL && i < result_count; i++) {
        size += results[i].data.size;
        if (results[i].log.size > 0)
            size += 4 + 4 + results[i].log.size;
    }
    for (uint32_t i = 0; i < update_count; i++)
        size +=
            1 + 4 + updates[i].key.size + (updates[i].is_delete ? 0 : 4 + updates[i].value.size);
    return size + (size_t)validator_update_count * VALIDATOR_UPDATE_BYTES;
}

struct execution *execution_new(const struct ingot_result *results, uint32_t result_count,
                                const struct state_update *updates, uint32_t update_count,
                                const struct ingot_validator *validator_updates,
                                uint32_t validator_update_count)
{
    /* The exact size, because executions are kept and many are small. */
    struct ingot_buffer bytes = {0};
    results = are_plain(results, result_count) ? NULL : results;
    bytes.capacity =
        encoded_size(results, result_count, updates, update_count, validator_update_count);
    bytes.data = alloc_resize(NULL, bytes.capacity, 1);

    ingot_buffer_append_u32(&bytes, ENCODING_VERSION);
    append_results(&bytes, results, result_count);
    ingot_buffer_append_u32(&bytes, update_count);
    for (uint32_t i = 0; i < update_count; i++) {
        ingot_buffer_append_u8(&bytes, updates[i].is_delete ? UPDATE_DELETE : UPDATE_SET);
        append_bytes(&bytes, updates[i].key);
        if (!updates[i].is_delete)
            append_bytes(&bytes, updates[i].value);
    }
    ingot_buffer_append_u32(&bytes, validator_update_count);
    for (uint32_t i = 0; i < validator_update_count; i++) {
        ingot_buffer_append(&bytes, validator_updates[i].key.bytes, INGOT_PUBLIC_KEY_BYTES);
        ingot_buffer_append_u64(&bytes, validator_updates[i].power);
    }
    append_logs(&bytes, results, result_count);
    INGOT_ASSERT(bytes.size == bytes.capacity);

    struct execution *execution = execution_of_bytes(bytes);
    INGOT_ASSERT(execution != NULL);
    return execution;
}

struct ingot_slice execution_encoded(const struct execution *execution)
{
    return ingot_buffer_slice(&execution->bytes);
}

/* --- The value. --- */

struct execution *execution_ref(struct execution *execution)
{
    execution->references++;
    return execution;
}

void execution_unref(struct execution *execution)
{
    if (execution != NULL && --execution->references == 0) {
        free(execution->results);
        free(execution->update_places);
        free(execution->update_sources);
        free(execution->validator_updates);
        ingot_buffer_deinit(&execution->bytes);
        free(execution);
    }
}

const struct ingot_result *execution_result(const struct execution *execution, uint32_t index)
{
    static const struct ingot_result plain;
    INGOT_ASSERT(index < execution->result_count);
    return execution->results != NULL ? &execution->results[index] : &plain;
}

struct state_update execution_update(const struct execution *execution, uint32_t index)
{
    INGOT_ASSERT(index < execution->update_count);
    const uint32_t place = execution->update_places[index];
    struct ingot_slice rest =
        ingot_slice_of(execution->bytes.data + place, execution->bytes.size - place);
    struct state_update update;
    const bool is_whole = take_update(&rest, &update);
    INGOT_ASSERT(is_whole);
    return update;
}

size_t execution_size_bytes(const struct execution *execution)
{
    return sizeof *execution + execution->bytes.capacity +
           (execution->results != NULL ? execution->result_count : 0) * sizeof *execution->results +
           execution->update_count * sizeof *execution->update_places +
           (execution->update_sources != NULL ? execution->update_count : 0) *
               sizeof *execution->update_sources +
           execution->validator_update_count * sizeof *execution->validator_updates;
}
