/*
 * A map from 64-bit keys to pointers, for what the checkers remember. It does not own what it
 * points to.
 */
#ifndef INGOT_TESTS_TABLE_H
#define INGOT_TESTS_TABLE_H

#include <ingot/types.h>

struct table_slot {
    uint64_t key;
    void *value; /* NULL: free */
};

/* All zero is an empty table. */
struct table {
    struct table_slot *slots;
    uint32_t capacity; /* a power of two, or 0 */
    uint32_t count;
};

void table_deinit(struct table *table);
/* NULL if it is not there. */
void *table_find(const struct table *table, uint64_t key);
/* The key must be new. */
void table_add(struct table *table, uint64_t key, void *value);
/* Of a hash, for use as a key. */
uint64_t table_key_of_hash(const struct ingot_hash *hash);

#endif
