/*
 * Gives peers their numbers. It tells nobody of them: that is node_peers.c.
 */
#include "node/peer_table.h"

#include <string.h>

#include "base/assert.h"
#include "wire/crypto.h"

static uint32_t find(const struct peer_table *table, const struct ingot_public_key *key)
{
    uint32_t number = 0;
    while (number < INGOT_PEERS_MAX &&
           !(table->slots[number].is_used &&
             crypto_key_equal(&table->slots[number].entry.transport_key, key))) {
        number++;
    }
    return number;
}

static uint32_t find_free(const struct peer_table *table)
{
    uint32_t number = 0;
    while (number < INGOT_PEERS_MAX && table->slots[number].is_used) {
        number++;
    }
    return number;
}

static void put(struct peer_table *table, uint32_t number, const struct peer_entry *entry)
{
    INGOT_ASSERT(number < INGOT_PEERS_MAX);
    INGOT_ASSERT(!table->slots[number].is_used);
    table->slots[number] = (struct peer_slot){.is_used = true, .entry = *entry};
}

void peer_table_next(const struct peer_table *now, const struct peer_list *list,
                     const struct ingot_public_key *own, struct peer_table *next)
{
    memset(next, 0, sizeof *next);
    for (uint32_t i = 0; i < list->count; i++) {
        const uint32_t number = find(now, &list->entries[i].transport_key);
        if (number < INGOT_PEERS_MAX) {
            put(next, number, &list->entries[i]);
        }
    }
    for (uint32_t i = 0; i < list->count; i++) {
        const struct peer_entry *entry = &list->entries[i];
        if (!crypto_key_equal(&entry->transport_key, own) &&
            find(next, &entry->transport_key) == INGOT_PEERS_MAX) {
            put(next, find_free(next), entry);
        }
    }
}

static bool is_unchanged(const struct peer_entry *a, const struct peer_entry *b)
{
    return a->endpoint.port == b->endpoint.port &&
           strcmp(a->endpoint.host, b->endpoint.host) == 0 &&
           a->has_validator_key == b->has_validator_key &&
           crypto_key_equal(&a->validator_key, &b->validator_key);
}

unsigned peer_table_compare(const struct peer_table *before, const struct peer_table *after,
                            uint32_t number)
{
    const struct peer_slot *old = &before->slots[number];
    const struct peer_slot *new = &after->slots[number];
    if (old->is_used && new->is_used &&
        crypto_key_equal(&old->entry.transport_key, &new->entry.transport_key)) {
        return is_unchanged(&old->entry, &new->entry) ? 0 : PEER_CHANGED;
    }
    return (old->is_used ? PEER_REMOVED : 0) | (new->is_used ? PEER_ADDED : 0);
}
