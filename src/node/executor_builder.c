/*
 * An execution in the making: what the App says, gathered in memory that is used again for the next
 * block. Bytes go into chunks that never move, so that values read back stay valid while the
 * App runs. It checks sizes and counts; what the results mean is the App's business.
 */
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "node/executor_internal.h"

#define CHUNK_BYTES (256u * 1024)
/* How much of it is kept from one block to the next: what most blocks need. */
#define SPARE_CHUNKS_MAX 8
#define SLOTS_MIN 64
/* What a result costs besides its data. */
#define RESULT_WEIGHT_MIN 16

struct builder_chunk {
    struct builder_chunk *next;
    size_t used;
    size_t size;
    uint8_t bytes[];
};

struct builder_update {
    uint64_t hash;
    struct state_update update;
    uint32_t source; /* how many results there were when it was given */
};

void builder_init(struct ingot_execution *builder, const struct key_hasher *hasher,
                  const struct crypto_scheme *scheme)
{
    *builder =
        (struct ingot_execution){.hasher = hasher, .scheme = scheme, .slot_count = SLOTS_MIN};
    builder->slots = alloc_zeroed(SLOTS_MIN, sizeof *builder->slots);
}

static void free_chunks(struct builder_chunk *chunk)
{
    while (chunk != NULL) {
        struct builder_chunk *next = chunk->next;
        free(chunk);
        chunk = next;
    }
}

void builder_deinit(struct ingot_execution *builder)
{
    free_chunks(builder->chunks);
    free_chunks(builder->spare);
    free(builder->results);
    free(builder->updates);
    free(builder->slots);
}

void builder_begin(struct ingot_execution *builder, const struct validator_set *set,
                   uint32_t result_count_max, builder_choose *choose, void *context)
{
    builder->choose = choose;
    builder->context = context;
    builder->result_count_max = result_count_max;
    builder->result_count = 0;
    builder->result_bytes = 0;
    builder->is_overfull = false;
    builder->update_count = 0;
    builder->set = set;
    members_begin(&builder->members, set);
    memset(builder->slots, 0, builder->slot_count * sizeof *builder->slots);

    while (builder->chunks != NULL) {
        struct builder_chunk *chunk = builder->chunks;
        builder->chunks = chunk->next;
        if (chunk->size == CHUNK_BYTES && builder->spare_count < SPARE_CHUNKS_MAX) {
            chunk->next = builder->spare;
            builder->spare = chunk;
            builder->spare_count++;
        } else {
            free(chunk);
        }
    }
}

static struct builder_chunk *add_chunk(struct ingot_execution *builder, size_t bytes_min)
{
    struct builder_chunk *chunk = builder->spare;
    if (chunk != NULL && bytes_min <= CHUNK_BYTES) {
        builder->spare = chunk->next;
        builder->spare_count--;
        chunk->used = 0;
    } else {
        const size_t size = bytes_min > CHUNK_BYTES ? bytes_min : CHUNK_BYTES;
        chunk = alloc_resize(NULL, sizeof *chunk + size, 1);
        *chunk = (struct builder_chunk){.size = size};
    }
    chunk->next = builder->chunks;
    builder->chunks = chunk;
    return chunk;
}

static struct ingot_slice keep_bytes(struct ingot_execution *builder, struct ingot_slice bytes)
{
    if (bytes.size == 0)
        return ingot_slice_of(NULL, 0);
    struct builder_chunk *chunk = builder->chunks;
    if (chunk == NULL || chunk->size - chunk->used < bytes.size)
        chunk = add_chunk(builder, bytes.size);
    uint8_t *kept = chunk->bytes + chunk->used;
    memcpy(kept, bytes.data, bytes.size);
    chunk->used += bytes.size;
    return ingot_slice_of(kept, bytes.size);
}

/* --- Results. --- */

/* What the updates hash covers: a log, which it does not, must not decide about validity. */
static size_t result_weight(const struct ingot_result *result)
{
    return RESULT_WEIGHT_MIN + result->data.size;
}

/* A long log is cut, never refused: no hash covers logs, so they must not decide what is valid. */
static struct ingot_slice clip_log(struct ingot_slice log)
{
    return ingot_slice_of(log.data, log.size < INGOT_RESULT_LOG_BYTES_MAX
                                        ? log.size
                                        : (size_t)INGOT_RESULT_LOG_BYTES_MAX);
}

static void append_result(struct ingot_execution *builder, const struct ingot_result *result)
{
    if (builder->result_count == builder->result_capacity) {
        const uint32_t capacity =
            builder->result_capacity > 0 ? builder->result_capacity * 2 : 1024;
        builder->results = alloc_resize(builder->results, capacity, sizeof *builder->results);
        builder->result_capacity = capacity;
    }
    builder->results[builder->result_count++] = (struct ingot_result){
        .code = result->code,
        .data = keep_bytes(builder, result->data),
        .log = keep_bytes(builder, clip_log(result->log)),
    };
    builder->result_bytes += result_weight(result);
}

static bool has_room(const struct ingot_execution *builder, const struct ingot_result *result)
{
    return builder->result_count < builder->result_count_max &&
           builder->result_bytes + result_weight(result) <= INGOT_BLOCK_RESULT_BYTES_MAX;
}

enum ingot_error ingot_execution_include(struct ingot_execution *execution, uint32_t index,
                                         const struct ingot_result *result)
{
    if (execution->choose == NULL)
        return INGOT_ERROR_INVALID;
    if (result->data.size > INGOT_RESULT_DATA_BYTES_MAX)
        return INGOT_ERROR_TOO_LARGE;
    if (!has_room(execution, result))
        return INGOT_ERROR_FULL;
    const enum ingot_error error = execution->choose(execution->context, index);
    if (error == INGOT_OK)
        append_result(execution, result);
    return error;
}

enum ingot_error ingot_execution_result(struct ingot_execution *execution,
                                        const struct ingot_result *result)
{
    if (execution->choose != NULL)
        return INGOT_ERROR_INVALID;
    if (result->data.size > INGOT_RESULT_DATA_BYTES_MAX || !has_room(execution, result)) {
        execution->is_overfull = true;
        return INGOT_ERROR_TOO_LARGE;
    }
    append_result(execution, result);
    return INGOT_OK;
}

/* --- Updates of the state. --- */

static uint32_t probe(const struct ingot_execution *builder, uint64_t hash, struct ingot_slice key)
{
    const uint32_t mask = builder->slot_count - 1;
    uint32_t at = (uint32_t)hash & mask;
    for (;; at = (at + 1) & mask) {
        if (builder->slots[at] == 0)
            return at;
        const struct builder_update *update = &builder->updates[builder->slots[at] - 1];
        if (update->hash == hash && ingot_slice_equal(update->update.key, key))
            return at;
    }
}

static void grow_updates(struct ingot_execution *builder)
{
    if (builder->update_count == builder->update_capacity) {
        const uint32_t capacity =
            builder->update_capacity > 0 ? builder->update_capacity * 2 : 1024;
        builder->updates = alloc_resize(builder->updates, capacity, sizeof *builder->updates);
        builder->update_capacity = capacity;
    }
    if (builder->update_count < builder->slot_count / 2)
        return;
    const uint32_t slot_count = builder->slot_count * 2;
    free(builder->slots);
    builder->slots = alloc_zeroed(slot_count, sizeof *builder->slots);
    builder->slot_count = slot_count;
    for (uint32_t i = 0; i < builder->update_count; i++) {
        const struct builder_update *update = &builder->updates[i];
        builder->slots[probe(builder, update->hash, update->update.key)] = i + 1;
    }
}

static enum ingot_error put(struct ingot_execution *builder, struct ingot_slice key,
                            struct ingot_slice value, bool is_delete)
{
    if (key.size == 0)
        return INGOT_ERROR_INVALID;
    if (key.size > INGOT_STATE_KEY_BYTES_MAX || value.size > INGOT_STATE_VALUE_BYTES_MAX)
        return INGOT_ERROR_TOO_LARGE;
    const uint64_t hash = key_hash(builder->hasher, key);
    grow_updates(builder);
    const uint32_t at = probe(builder, hash, key);
    struct builder_update *update;
    if (builder->slots[at] != 0) {
        update = &builder->updates[builder->slots[at] - 1];
    } else {
        update = &builder->updates[builder->update_count++];
        builder->slots[at] = builder->update_count;
        update->hash = hash;
        update->update.key = keep_bytes(builder, key);
    }
    update->update.value = keep_bytes(builder, value);
    update->update.is_delete = is_delete;
    update->source = builder->result_count;
    return INGOT_OK;
}

enum ingot_error ingot_execution_set(struct ingot_execution *execution, struct ingot_slice key,
                                     struct ingot_slice value)
{
    return put(execution, key, value, false);
}

enum ingot_error ingot_execution_delete(struct ingot_execution *execution, struct ingot_slice key)
{
    return put(execution, key, ingot_slice_of(NULL, 0), true);
}

bool builder_find(const struct ingot_execution *builder, uint64_t hash, struct ingot_slice key,
                  struct state_update *update)
{
    const uint32_t found = builder->slots[probe(builder, hash, key)];
    if (found == 0)
        return false;
    *update = builder->updates[found - 1].update;
    return true;
}

/* --- Order. The first eight bytes decide most comparisons without following a pointer. --- */

struct sorted_update {
    uint64_t prefix;
    const struct builder_update *update;
};

static uint64_t prefix_of(struct ingot_slice key)
{
    uint64_t prefix = 0;
    for (size_t i = 0; i < sizeof prefix; i++)
        prefix = prefix << 8 | (i < key.size ? key.data[i] : 0);
    return prefix;
}

static int compare_updates(const void *left, const void *right)
{
    const struct sorted_update *a = left;
    const struct sorted_update *b = right;
    if (a->prefix != b->prefix)
        return a->prefix < b->prefix ? -1 : 1;
    return ingot_slice_compare(a->update->update.key, b->update->update.key);
}

/* The updates of keys in [first, end), ordered; an empty `end` is no bound. free() them. */
static struct sorted_update *sort_updates(const struct ingot_execution *builder,
                                          struct ingot_slice first, struct ingot_slice end,
                                          uint32_t *count)
{
    struct sorted_update *sorted = alloc_resize(NULL, builder->update_count, sizeof *sorted);
    *count = 0;
    for (uint32_t i = 0; i < builder->update_count; i++) {
        const struct builder_update *update = &builder->updates[i];
        const struct ingot_slice key = update->update.key;
        if (ingot_slice_compare(key, first) < 0 ||
            (end.size > 0 && ingot_slice_compare(key, end) >= 0))
            continue;
        sorted[(*count)++] = (struct sorted_update){prefix_of(key), update};
    }
    qsort(sorted, *count, sizeof *sorted, compare_updates);
    return sorted;
}

struct state_update *builder_range(const struct ingot_execution *builder, struct ingot_slice first,
                                   struct ingot_slice end, uint32_t *count)
{
    struct sorted_update *sorted = sort_updates(builder, first, end, count);
    struct state_update *updates = alloc_resize(NULL, *count, sizeof *updates);
    for (uint32_t i = 0; i < *count; i++)
        updates[i] = sorted[i].update->update;
    free(sorted);
    return updates;
}

/* --- Updates of the validator set. --- */

enum ingot_error ingot_execution_set_validator(struct ingot_execution *execution,
                                               const struct ingot_validator *validator)
{
    return ingot_execution_set_validators(execution, validator, 1);
}

enum ingot_error ingot_execution_set_validators(struct ingot_execution *execution,
                                                const struct ingot_validator *changes,
                                                uint32_t change_count)
{
    return members_change(&execution->members, execution->scheme, changes, change_count);
}

/* --- The end. --- */

struct execution *builder_finish(const struct ingot_execution *builder, uint64_t block_view,
                                 uint64_t **hashes, struct validator_set **next_set)
{
    const struct ingot_slice all = {0};
    uint32_t count = 0;
    struct sorted_update *sorted = sort_updates(builder, all, all, &count);
    struct state_update *updates = alloc_resize(NULL, count, sizeof *updates);
    uint32_t *sources = alloc_resize(NULL, count, sizeof *sources);
    *hashes = alloc_resize(NULL, count, sizeof **hashes);
    for (uint32_t i = 0; i < count; i++) {
        updates[i] = sorted[i].update->update;
        (*hashes)[i] = sorted[i].update->hash;
        /* An App gives a transaction's result, then what it changes; or all results first. */
        sources[i] = sorted[i].update->source - (sorted[i].update->source > 0);
    }
    struct ingot_validator validators[MEMBERS_UPDATES_MAX];
    const uint32_t validator_count = members_updates(&builder->members, builder->set, validators);
    *next_set =
        validator_count > 0 ? members_set_after(&builder->members, builder->set, block_view) : NULL;
    struct execution *execution = execution_new(builder->results, builder->result_count, updates,
                                                count, validators, validator_count);
    execution->update_sources = sources;
    free(updates);
    free(sorted);
    return execution;
}
