/*
 * The bytes of a block's record: the block, and what executing it does. Most of what a block puts
 * into the state stands in its transactions already, and every byte here is written twice, to the
 * journal and to LMDB; so a value that a transaction has is stored as its place there. What comes
 * out is the execution's own encoding again, and its hash in the block's header covers that.
 *
 * Checkpoints carry whole executions: their form changes for other reasons. Reading takes both.
 */
#define _GNU_SOURCE /* memmem */
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/mutant.h"
#include "node/ledger_internal.h"
#include "wire/crypto.h"
#include "wire/wire.h"

/* In place of the version with which an encoding of an execution begins. */
#define PACKED 2
/* What a copy takes, and the shortest value for which it is worth that. */
#define COPY_BYTES (3 * sizeof(uint32_t))
#define COPIED_BYTES_MIN 24

static void append_block(const struct block *block, struct ingot_buffer *value)
{
    const size_t begin = ledger_part_begin(value);
    wire_encode_block(block, value);
    ledger_part_end(value, begin);
}

void ledger_encode_entry(const struct block *block, const struct execution *execution,
                         struct ingot_buffer *value)
{
    append_block(block, value);
    if (execution != NULL)
        ingot_buffer_append_slice(value, execution_encoded(execution));
}

/* --- Packing. --- */

/* Bytes of the encoding that stand in the payload as well. */
struct copy {
    uint32_t at;   /* in the encoding */
    uint32_t from; /* in the payload */
    uint32_t size;
};

/* Where each transaction stands in the payload. free() them. */
static struct ingot_slice *find_transactions(const struct block *block)
{
    struct ingot_slice *transactions = alloc_zeroed(block->transaction_count, sizeof *transactions);
    struct ingot_slice rest = ingot_buffer_slice(&block->payload);
    uint32_t count = 0;
    while (count < block->transaction_count && payload_next(&rest, &transactions[count]))
        count++;
    INGOT_ASSERT(count == block->transaction_count);
    return transactions;
}

/* Where a value stands in the transaction that made it, or NULL. Mostly it is its end. */
static const uint8_t *find_value(struct ingot_slice transaction, struct ingot_slice value)
{
    if (value.size < COPIED_BYTES_MIN || value.size > transaction.size)
        return NULL;
    const uint8_t *end = transaction.data + (transaction.size - value.size);
    if (memcmp(end, value.data, value.size) == 0)
        return end;
    return memmem(transaction.data, transaction.size, value.data, value.size);
}

/*
 * Copies in the order of their places. All together have no more bytes than the payload, so that
 * whoever reads them has a bound.
 */
static uint32_t find_copies(const struct block *block, const struct execution *execution,
                            struct copy *copies)
{
    struct ingot_slice *transactions = find_transactions(block);
    size_t bytes_left = block->payload.size;
    uint32_t count = 0;
    for (uint32_t i = 0; i < execution->update_count; i++) {
        const struct ingot_slice value = execution_update(execution, i).value;
        const uint32_t source = execution->update_sources[i];
        if (source >= block->transaction_count || value.size > bytes_left)
            continue;
        const uint8_t *found = find_value(transactions[source], value);
        if (found == NULL)
            continue;
        copies[count++] = (struct copy){.at = (uint32_t)(value.data - execution->bytes.data),
                                        .from = (uint32_t)(found - block->payload.data),
                                        .size = (uint32_t)value.size};
        bytes_left -= value.size;
    }
    free(transactions);
    return count;
}

static void append_packed(struct ingot_slice encoded, const struct copy *copies, uint32_t count,
                          struct ingot_buffer *value)
{
    ingot_buffer_append_u32(value, PACKED);
    ingot_buffer_append_u32(value, count);
    for (uint32_t i = 0; i < count; i++) {
        ingot_buffer_append_u32(value, copies[i].at);
        ingot_buffer_append_u32(value, copies[i].from);
        ingot_buffer_append_u32(value, copies[i].size);
    }
    size_t done = 0;
    for (uint32_t i = 0; i < count; i++) {
        ingot_buffer_append(value, encoded.data + done, copies[i].at - done);
        done = copies[i].at + (size_t)copies[i].size;
    }
    ingot_buffer_append(value, encoded.data + done, encoded.size - done);
}

void ledger_pack_entry(const struct block *block, const struct execution *execution,
                       struct ingot_buffer *value)
{
    if (execution == NULL || execution->update_sources == NULL) {
        ledger_encode_entry(block, execution, value);
        return;
    }
    append_block(block, value);
    struct copy *copies = alloc_resize(NULL, execution->update_count, sizeof *copies);
    const uint32_t count = find_copies(block, execution, copies);
    if (count > 0)
        append_packed(execution_encoded(execution), copies, count, value);
    else
        ingot_buffer_append_slice(value, execution_encoded(execution));
    free(copies);
}

/* --- Reading. --- */

static bool is_packed(struct ingot_slice bytes)
{
    uint32_t form = 0;
    return ingot_slice_take_u32(&bytes, &form) && form == PACKED;
}

/* The next copy, with the bytes before it, which `literal` begins with. */
static bool take_copy(struct ingot_slice *copies, struct ingot_slice *literal,
                      struct ingot_slice payload, struct ingot_buffer *encoded)
{
    struct copy copy;
    struct ingot_slice before;
    if (!ingot_slice_take_u32(copies, &copy.at) || !ingot_slice_take_u32(copies, &copy.from) ||
        !ingot_slice_take_u32(copies, &copy.size) || copy.at < encoded->size ||
        !ingot_slice_take(literal, copy.at - encoded->size, &before) || copy.size > payload.size ||
        copy.from > payload.size - copy.size)
        return false;
    ingot_buffer_append_slice(encoded, before);
    ingot_buffer_append(encoded, payload.data + copy.from, copy.size);
    return true;
}

/* The encoding that was packed, into an empty buffer. */
static bool unpack(struct ingot_slice bytes, const struct block *block,
                   struct ingot_buffer *encoded)
{
    const struct ingot_slice payload = ingot_buffer_slice(&block->payload);
    uint32_t form = 0;
    uint32_t count = 0;
    struct ingot_slice copies;
    if (!ingot_slice_take_u32(&bytes, &form) || !ingot_slice_take_u32(&bytes, &count) ||
        !ingot_slice_take(&bytes, (size_t)count * COPY_BYTES, &copies))
        return false;
    /* Room for the most that there may be; what is left over goes back. */
    ingot_buffer_reserve(encoded, payload.size + bytes.size);
    while (copies.size > 0) {
        const size_t room = encoded->capacity;
        if (!take_copy(&copies, &bytes, payload, encoded) || encoded->capacity > room)
            return false;
    }
    ingot_buffer_append_slice(encoded, bytes);
    if (encoded->size > 0) {
        encoded->data = alloc_resize(encoded->data, encoded->size, 1);
        encoded->capacity = encoded->size;
    }
    return true;
}

static struct execution *read_execution(struct ingot_slice bytes, const struct block *block,
                                        bool may_be_packed)
{
    struct ingot_buffer encoded = {0};
    if (!may_be_packed || !is_packed(bytes))
        return execution_decode(bytes);
    if (unpack(bytes, block, &encoded))
        return execution_of_bytes(encoded);
    ingot_buffer_deinit(&encoded);
    return NULL;
}

/* The genesis block, which nothing is executed for, has no execution. Any other has one. */
static const char *decode_execution(struct ingot_slice bytes, const struct block *block,
                                    bool may_be_packed, struct execution **execution)
{
    *execution = NULL;
    if (block->height == 0)
        return bytes.size == 0 ? NULL : "the genesis block has an execution";
    *execution = read_execution(bytes, block, may_be_packed);
    if (*execution == NULL)
        return "its execution does not decode";
    if ((*execution)->result_count != block->transaction_count)
        return "it has not one result for each transaction";
    if (!crypto_hash_equal(&(*execution)->updates_hash, &block->updates_hash))
        return "its execution is not the one that its hash covers";
    return NULL;
}

static const char *decode_value(const struct ingot_hash *chain, struct ingot_slice value,
                                bool may_be_packed, struct ledger_entry *entry)
{
    *entry = (struct ledger_entry){0};
    struct ingot_slice bytes;
    if (!ledger_take_part(&value, &bytes) || wire_decode_block(bytes, &entry->block) != REJECT_NONE)
        return "it does not decode";
    const char *wrong = NULL;
    if (!crypto_hash_equal(&entry->block->chain, chain))
        wrong = "it is of another chain";
    else
        wrong = decode_execution(value, entry->block, may_be_packed, &entry->execution);
    if (wrong != NULL)
        ledger_entry_deinit(entry);
    return wrong;
}

const char *ledger_decode_value(const struct ingot_hash *chain, struct ingot_slice value,
                                struct ledger_entry *entry)
{
    return decode_value(chain, value, false, entry);
}

const char *ledger_decode_entry(const struct ingot_hash *chain, struct ingot_slice key,
                                struct ingot_slice value, struct ledger_entry *entry)
{
    const char *wrong = decode_value(chain, value, true, entry);
    if (wrong != NULL)
        return wrong;
    uint8_t expected_key[LEDGER_BLOCK_KEY_BYTES];
    ledger_block_key(entry->block->height, &entry->block->hash, expected_key);
    if (ingot_slice_equal(key, ingot_slice_of(expected_key, sizeof expected_key)) ||
        MUTANT(STORED_BLOCK_UNCHECKED))
        return NULL;
    ledger_entry_deinit(entry);
    return "its bytes do not have the hash it is kept under";
}

bool ledger_entry_block_bytes(struct ingot_slice value, struct ingot_slice *bytes)
{
    return ledger_take_part(&value, bytes);
}

void ledger_entry_deinit(struct ledger_entry *entry)
{
    block_unref(entry->block);
    execution_unref(entry->execution);
    *entry = (struct ledger_entry){0};
}
