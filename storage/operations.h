/*
 * The puts and deletes of a batch, remembered in order in one run of bytes, so that a batch can be
 * run again. Shared by the implementations; knows nothing of how they store. The journal keeps
 * these bytes on the disk, so their layout is in FORMAT.md.
 */
#ifndef INGOT_STORAGE_OPERATIONS_H
#define INGOT_STORAGE_OPERATIONS_H

#include <ingot/store.h>

struct store_operation {
    bool is_delete;
    uint32_t table;
    struct ingot_slice key;
    struct ingot_slice value; /* empty for a delete */
};

/* All zero is empty. */
struct store_operations {
    struct ingot_buffer bytes;
    uint32_t count;
};

/* Takes one operation, which it may keep no slice of. Not 0: it wants no more. */
typedef int store_operation_taker(void *taker, const struct store_operation *operation);

/*
 * Operations that somebody else keeps: shows all in their order, the same each time, or up to that
 * at which the taker returns something other than 0, which it returns.
 */
struct store_content {
    int (*show)(const void *context, store_operation_taker *take, void *taker);
    const void *context;
};

/* Copies the key and the value. */
void store_operations_put(struct store_operations *operations, uint32_t table,
                          struct ingot_slice key, struct ingot_slice value);
void store_operations_delete(struct store_operations *operations, uint32_t table,
                             struct ingot_slice key);
/*
 * Steps through them, oldest first: start with `rest` as the slice of `bytes`. False at the end.
 * The slices point into the bytes.
 */
bool store_operations_next(struct ingot_slice *rest, struct store_operation *operation);
/*
 * Would stepping through these bytes, which somebody else wrote, name tables below table_count?
 * Then `count` is how many operations they are.
 */
bool store_operations_are_whole(struct ingot_slice bytes, uint32_t table_count, uint32_t *count);
/* Bytes that one takes in such a list. */
size_t store_operation_size(const struct store_operation *operation);
void store_operations_deinit(struct store_operations *operations);

#endif
