/*
 * A sealed record of a store: a digest over chain, table, key and content, then the content.
 * Damage, and a record of another chain or another place, do not go unseen. storage/FORMAT.md.
 */
#ifndef INGOT_NODE_SEAL_H
#define INGOT_NODE_SEAL_H

#include <ingot/types.h>

/* Appends the record. */
void record_seal(const struct ingot_hash *chain, uint32_t table, struct ingot_slice key,
                 struct ingot_slice content, struct ingot_buffer *record);
/* False when the seal does not match. `content` points into the record. */
bool record_unseal(const struct ingot_hash *chain, uint32_t table, struct ingot_slice key,
                   struct ingot_slice record, struct ingot_slice *content);

#endif
