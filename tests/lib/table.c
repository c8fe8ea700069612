/*
 * A map from 64-bit keys to pointers: open addressing, never more than half full. See table.h.
 */
#include "lib/table.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"

static uint32_t place(const struct table *table, uint64_t key)
{
    uint64_t mixed = (key ^ key >> 29) * UINT64_C(0x9E3779B97F4A7C15);
    uint32_t at = (uint32_t)(mixed >> 32) & (table->capacity - 1);
    while (table->slots[at].value != NULL && table->slots[at].key != key) {
        at = (at + 1) & (table->capacity - 1);
    }
    return at;
}

void table_deinit(struct table *table)
{
    free(table->slots);
    *table = (struct table){0};
}

void *table_find(const struct table *table, uint64_t key)
{
    return table->capacity == 0 ? NULL : table->slots[place(table, key)].value;
}

static void grow(struct table *table)
{
    const struct table old = *table;
    table->capacity = old.capacity == 0 ? 64 : 2 * old.capacity;
    table->slots = alloc_zeroed(table->capacity, sizeof *table->slots);
    for (uint32_t i = 0; i < old.capacity; i++) {
        if (old.slots[i].value != NULL) {
            table->slots[place(table, old.slots[i].key)] = old.slots[i];
        }
    }
    free(old.slots);
}

void table_add(struct table *table, uint64_t key, void *value)
{
    INGOT_ASSERT(value != NULL);
    if (2 * (table->count + 1) > table->capacity) {
        grow(table);
    }
    struct table_slot *slot = &table->slots[place(table, key)];
    INGOT_ASSERT(slot->value == NULL);
    *slot = (struct table_slot){.key = key, .value = value};
    table->count++;
}

uint64_t table_key_of_hash(const struct ingot_hash *hash)
{
    uint64_t key = 0;
    for (unsigned i = 0; i < 8; i++) {
        key |= (uint64_t)hash->bytes[i] << (8 * i);
    }
    return key;
}
