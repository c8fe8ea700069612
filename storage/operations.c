/*
 * The list of a batch's operations; see operations.h. Whoever has them from elsewhere than this
 * process asks first whether they are whole; what does not decode then is our own bug.
 */
#include "storage/operations.h"

#include "base/assert.h"

/* Of the fields before the key. */
#define OPERATION_HEADER_BYTES (1 + 3 * sizeof(uint32_t))

size_t store_operation_size(const struct store_operation *operation)
{
    return OPERATION_HEADER_BYTES + operation->key.size + operation->value.size;
}

static void append(struct store_operations *operations, bool is_delete, uint32_t table,
                   struct ingot_slice key, struct ingot_slice value)
{
    INGOT_ASSERT(key.size > 0);
    INGOT_ASSERT(key.size <= INGOT_STORE_KEY_BYTES_MAX);
    INGOT_ASSERT(value.size <= UINT32_MAX);
    struct ingot_buffer *bytes = &operations->bytes;
    ingot_buffer_append_u8(bytes, is_delete ? 1 : 0);
    ingot_buffer_append_u32(bytes, table);
    ingot_buffer_append_u32(bytes, (uint32_t)key.size);
    ingot_buffer_append_u32(bytes, (uint32_t)value.size);
    ingot_buffer_append_slice(bytes, key);
    ingot_buffer_append_slice(bytes, value);
    operations->count++;
}

void store_operations_put(struct store_operations *operations, uint32_t table,
                          struct ingot_slice key, struct ingot_slice value)
{
    append(operations, false, table, key, value);
}

void store_operations_delete(struct store_operations *operations, uint32_t table,
                             struct ingot_slice key)
{
    append(operations, true, table, key, ingot_slice_of(NULL, 0));
}

static bool take(struct ingot_slice *rest, struct store_operation *operation)
{
    uint8_t is_delete = 0;
    uint32_t key_size = 0;
    uint32_t value_size = 0;
    const bool is_whole =
        ingot_slice_take_u8(rest, &is_delete) && ingot_slice_take_u32(rest, &operation->table) &&
        ingot_slice_take_u32(rest, &key_size) && ingot_slice_take_u32(rest, &value_size) &&
        ingot_slice_take(rest, key_size, &operation->key) &&
        ingot_slice_take(rest, value_size, &operation->value);
    operation->is_delete = is_delete != 0;
    return is_whole;
}

bool store_operations_next(struct ingot_slice *rest, struct store_operation *operation)
{
    if (rest->size == 0)
        return false;
    const bool is_whole = take(rest, operation);
    INGOT_ASSERT(is_whole);
    return true;
}

bool store_operations_are_whole(struct ingot_slice bytes, uint32_t table_count, uint32_t *count)
{
    struct store_operation operation;
    for (*count = 0; bytes.size > 0; ++*count) {
        if (!take(&bytes, &operation) || operation.table >= table_count ||
            operation.key.size == 0 || operation.key.size > INGOT_STORE_KEY_BYTES_MAX)
            return false;
    }
    return true;
}

void store_operations_deinit(struct store_operations *operations)
{
    ingot_buffer_deinit(&operations->bytes);
    operations->count = 0;
}
