/*
 * The mempool: one structure owns the list and the index by digest, so that they cannot fall out of
 * step. A transaction is one allocation that is in the list of all (oldest first), in one slot of
 * the index, and, while it has to be passed on, in the list of outgoing ones.
 *
 * It does not look into transactions, and it does not know which of them are in blocks.
 */
#include "node/mempool.h"

#include <sodium/randombytes.h>
#include <stdlib.h>
#include <string.h>

#include "base/ahead.h"
#include "base/alloc.h"
#include "base/assert.h"
#include "base/mutant.h"

#define SLOTS_MIN 64

struct transaction {
    struct transaction *next; /* younger */
    struct transaction *previous;
    struct transaction *outgoing_next;
    struct transaction *outgoing_previous;
    struct ingot_hash digest;
    uint32_t size;
    bool is_outgoing;
    bool is_withheld; /* not outgoing, because a proposal of ours brings it to the others */
    bool is_stateless;
    uint8_t bytes[];
};

/* An empty slot has no transaction. The hash is kept so that a probe rarely follows a pointer. */
struct slot {
    uint64_t hash;
    struct transaction *transaction;
};

/* What a transaction weighs beside its bytes and the index: its header, the allocator's, and what
 * the allocator rounds up. */
#define TRANSACTION_OVERHEAD_BYTES (sizeof(struct transaction) + 8 + 15)

struct mempool {
    struct transaction *oldest;
    struct transaction *youngest;
    struct transaction *outgoing_oldest;
    struct transaction *outgoing_youngest;
    uint32_t count;
    uint32_t stateful_count; /* of those that are not stateless */
    uint32_t withheld_count;
    size_t bytes; /* of the transactions themselves */
    size_t bytes_max;
    struct slot *slots;
    uint32_t slot_count; /* a power of two, at most half full */
    uint64_t secret;     /* odd; so that nobody can aim digests at one place of the index */
};

/* --- The index: open addressing with linear probing, no tombstones. --- */

static uint64_t hash_of(const struct mempool *mempool, const struct ingot_hash *digest)
{
    uint64_t word;
    memcpy(&word, digest->bytes, sizeof word);
    word *= mempool->secret;
    return word ^ word >> 32;
}

/* The slot of a digest: that which holds it, or the empty one where it belongs. */
static uint32_t probe(const struct mempool *mempool, uint64_t hash, const struct ingot_hash *digest)
{
    const uint32_t mask = mempool->slot_count - 1;
    uint32_t at = (uint32_t)hash & mask;
    for (;;) {
        const struct slot *slot = &mempool->slots[at];
        if (slot->transaction == NULL)
            return at;
        if (slot->hash == hash &&
            memcmp(slot->transaction->digest.bytes, digest->bytes, INGOT_HASH_BYTES) == 0)
            return at;
        at = (at + 1) & mask;
    }
}

static struct transaction *find(const struct mempool *mempool, const struct ingot_hash *digest)
{
    return mempool->slots[probe(mempool, hash_of(mempool, digest), digest)].transaction;
}

static void resize_index(struct mempool *mempool, uint32_t slot_count)
{
    struct slot *old = mempool->slots;
    const uint32_t old_count = mempool->slot_count;
    mempool->slots = alloc_zeroed(slot_count, sizeof *mempool->slots);
    mempool->slot_count = slot_count;
    for (uint32_t i = 0; i < old_count; i++) {
        uint32_t at = (uint32_t)old[i].hash & (slot_count - 1);
        if (old[i].transaction == NULL)
            continue;
        while (mempool->slots[at].transaction != NULL)
            at = (at + 1) & (slot_count - 1);
        mempool->slots[at] = old[i];
    }
    free(old);
}

/* Empties a slot and moves back those behind it that were pushed past it. */
static void empty_slot(struct mempool *mempool, uint32_t hole)
{
    const uint32_t mask = mempool->slot_count - 1;
    uint32_t at = hole;
    for (;;) {
        at = (at + 1) & mask;
        const struct slot *slot = &mempool->slots[at];
        if (slot->transaction == NULL)
            break;
        const uint32_t home = (uint32_t)slot->hash & mask;
        if (((at - home) & mask) >= ((at - hole) & mask)) {
            mempool->slots[hole] = *slot;
            hole = at;
        }
    }
    mempool->slots[hole] = (struct slot){0};
}

/* --- The lists. --- */

static void link_youngest(struct mempool *mempool, struct transaction *transaction)
{
    transaction->previous = mempool->youngest;
    if (mempool->youngest != NULL)
        mempool->youngest->next = transaction;
    else
        mempool->oldest = transaction;
    mempool->youngest = transaction;
}

static void link_outgoing(struct mempool *mempool, struct transaction *transaction)
{
    transaction->is_outgoing = true;
    transaction->outgoing_previous = mempool->outgoing_youngest;
    if (mempool->outgoing_youngest != NULL)
        mempool->outgoing_youngest->outgoing_next = transaction;
    else
        mempool->outgoing_oldest = transaction;
    mempool->outgoing_youngest = transaction;
}

static void unlink_outgoing(struct mempool *mempool, struct transaction *transaction)
{
    if (!transaction->is_outgoing)
        return;
    if (transaction->outgoing_previous != NULL)
        transaction->outgoing_previous->outgoing_next = transaction->outgoing_next;
    else
        mempool->outgoing_oldest = transaction->outgoing_next;
    if (transaction->outgoing_next != NULL)
        transaction->outgoing_next->outgoing_previous = transaction->outgoing_previous;
    else
        mempool->outgoing_youngest = transaction->outgoing_previous;
    transaction->outgoing_next = NULL;
    transaction->outgoing_previous = NULL;
    transaction->is_outgoing = false;
}

static void remove_transaction(struct mempool *mempool, uint32_t slot)
{
    struct transaction *transaction = mempool->slots[slot].transaction;
    empty_slot(mempool, slot);
    unlink_outgoing(mempool, transaction);
    if (transaction->previous != NULL)
        transaction->previous->next = transaction->next;
    else
        mempool->oldest = transaction->next;
    if (transaction->next != NULL)
        transaction->next->previous = transaction->previous;
    else
        mempool->youngest = transaction->previous;
    mempool->count--;
    mempool->stateful_count -= !transaction->is_stateless;
    mempool->withheld_count -= transaction->is_withheld;
    mempool->bytes -= transaction->size;
    free(transaction);
}

/* --- The interface. --- */

struct mempool *mempool_new(size_t bytes_max)
{
    struct mempool *mempool = alloc_zeroed(1, sizeof *mempool);
    mempool->bytes_max = bytes_max;
    randombytes_buf(&mempool->secret, sizeof mempool->secret);
    mempool->secret |= 1;
    resize_index(mempool, SLOTS_MIN);
    return mempool;
}

void mempool_free(struct mempool *mempool)
{
    if (mempool == NULL)
        return;
    struct transaction *transaction = mempool->oldest;
    while (transaction != NULL) {
        struct transaction *next = transaction->next;
        free(transaction);
        transaction = next;
    }
    free(mempool->slots);
    free(mempool);
}

/* Does the index have to grow for one more? */
static bool is_index_full(const struct mempool *mempool)
{
    return mempool->count >= mempool->slot_count / 2;
}

/* Weighs what the transactions really take, or a flood of tiny ones would take far more. */
static bool has_room(const struct mempool *mempool, size_t size, bool is_local)
{
    const size_t bytes_max = mempool->bytes_max - (is_local ? mempool->bytes_max / 4 : 0);
    const size_t slot_count = (size_t)mempool->slot_count * (is_index_full(mempool) ? 2 : 1);
    const size_t overhead = MUTANT(POOL_UNWEIGHED)
                                ? 0
                                : (mempool->count + (size_t)1) * TRANSACTION_OVERHEAD_BYTES +
                                      slot_count * sizeof(struct slot);
    const size_t used = mempool->bytes + overhead;
    return used <= bytes_max && size <= bytes_max - used;
}

/* A flood that has left must not keep its index, which the limit counts, from what comes next. */
static void shrink_index(struct mempool *mempool)
{
    uint32_t slot_count = mempool->slot_count;
    while (slot_count > SLOTS_MIN && mempool->count < slot_count / 8)
        slot_count /= 2;
    if (slot_count < mempool->slot_count)
        resize_index(mempool, slot_count);
}

enum ingot_error mempool_add(struct mempool *mempool, struct ingot_slice transaction,
                             const struct ingot_hash *digest, bool is_local, bool is_stateless)
{
    const uint64_t hash = hash_of(mempool, digest);
    if (mempool->slots[probe(mempool, hash, digest)].transaction != NULL)
        return INGOT_ERROR_EXISTS;
    if (transaction.size > INGOT_TRANSACTION_BYTES_MAX)
        return INGOT_ERROR_TOO_LARGE;
    if (!has_room(mempool, transaction.size, is_local)) {
        shrink_index(mempool);
        if (!has_room(mempool, transaction.size, is_local))
            return INGOT_ERROR_FULL;
    }
    if (is_index_full(mempool))
        resize_index(mempool, mempool->slot_count * 2);

    struct transaction *added = alloc_resize(NULL, sizeof *added + transaction.size, 1);
    *added = (struct transaction){
        .digest = *digest, .size = (uint32_t)transaction.size, .is_stateless = is_stateless};
    if (transaction.size > 0)
        memcpy(added->bytes, transaction.data, transaction.size);
    mempool->slots[probe(mempool, hash, digest)] = (struct slot){hash, added};
    link_youngest(mempool, added);
    if (is_local)
        link_outgoing(mempool, added);
    mempool->count++;
    mempool->stateful_count += !is_stateless;
    mempool->bytes += transaction.size;
    return INGOT_OK;
}

bool mempool_has(const struct mempool *mempool, const struct ingot_hash *digest)
{
    return find(mempool, digest) != NULL;
}

void mempool_expect(const struct mempool *mempool, const struct ingot_hash *digest)
{
    ahead_fetch(&mempool->slots[(uint32_t)hash_of(mempool, digest) & (mempool->slot_count - 1)]);
}

void mempool_expect_found(const struct mempool *mempool, const struct ingot_hash *digest)
{
    const uint32_t home = (uint32_t)hash_of(mempool, digest) & (mempool->slot_count - 1);
    ahead_fetch(mempool->slots[home].transaction); /* mostly this one; nothing is there, or it */
}

static struct ingot_slice bytes_of(const struct transaction *transaction)
{
    return ingot_slice_of(transaction->bytes, transaction->size);
}

bool mempool_get(const struct mempool *mempool, const struct ingot_hash *digest,
                 struct ingot_slice *transaction)
{
    const struct transaction *found = find(mempool, digest);
    if (found != NULL)
        *transaction = bytes_of(found);
    return found != NULL;
}

bool mempool_is_passed_on(const struct mempool *mempool, const struct ingot_hash *digest)
{
    const struct transaction *found = find(mempool, digest);
    return found != NULL && !found->is_outgoing && !found->is_withheld;
}

void mempool_withhold(struct mempool *mempool, const struct ingot_hash *digest)
{
    struct transaction *found = find(mempool, digest);
    if (found != NULL && found->is_outgoing) {
        unlink_outgoing(mempool, found);
        found->is_withheld = true;
        mempool->withheld_count++;
    }
}

void mempool_release(struct mempool *mempool, const struct ingot_hash *digest)
{
    struct transaction *found = find(mempool, digest);
    if (found != NULL && found->is_withheld) {
        found->is_withheld = false;
        mempool->withheld_count--;
        link_outgoing(mempool, found);
    }
}

void mempool_remove(struct mempool *mempool, const struct ingot_hash *digest)
{
    const uint32_t slot = probe(mempool, hash_of(mempool, digest), digest);
    if (mempool->slots[slot].transaction != NULL)
        remove_transaction(mempool, slot);
}

uint32_t mempool_count(const struct mempool *mempool)
{
    return mempool->count;
}

uint32_t mempool_waiting_count(const struct mempool *mempool)
{
    return mempool->count - mempool->withheld_count;
}

size_t mempool_bytes(const struct mempool *mempool)
{
    return mempool->bytes;
}

uint32_t mempool_peek(const struct mempool *mempool, struct ingot_slice *transactions,
                      struct ingot_hash *digests, uint32_t count_max, size_t bytes_max,
                      mempool_skip *skip, void *context)
{
    uint32_t count = 0;
    size_t room = bytes_max;
    const struct transaction *ahead = mempool->oldest;
    for (uint32_t i = 0; i < AHEAD && ahead != NULL; i++)
        ahead = ahead->next;
    for (const struct transaction *each = mempool->oldest; each != NULL && count < count_max;
         each = each->next) {
        const size_t packed = 4 + (size_t)each->size;
        const struct ingot_hash *soon = ahead != NULL ? &ahead->digest : NULL;
        ahead = ahead != NULL ? ahead->next : NULL;
        /* What could never fit must not hold up what comes after it. */
        if (packed > bytes_max || (skip != NULL && skip(context, &each->digest, soon)))
            continue;
        if (packed > room)
            break;
        room -= packed;
        if (digests != NULL)
            digests[count] = MUTANT(NAMED_AFTER_ANOTHER) && each->previous != NULL
                                 ? each->previous->digest
                                 : each->digest;
        transactions[count++] = bytes_of(each);
    }
    return count;
}

uint32_t mempool_take_outgoing(struct mempool *mempool, struct ingot_buffer *packed,
                               size_t bytes_max)
{
    uint32_t count = 0;
    size_t room = bytes_max;
    struct transaction *each = mempool->outgoing_oldest;
    while (each != NULL && count < INGOT_TRANSACTION_BATCH_COUNT_MAX) {
        struct transaction *next = each->outgoing_next;
        const size_t size = 4 + (size_t)each->size;
        if (size <= bytes_max) {
            if (size > room)
                break;
            room -= size;
            ingot_buffer_append_u32(packed, each->size);
            ingot_buffer_append_slice(packed, bytes_of(each));
            unlink_outgoing(mempool, each);
            count++;
        }
        each = next;
    }
    return count;
}

void mempool_recheck(struct mempool *mempool, mempool_keep *keep, void *context)
{
    struct transaction *each = mempool->oldest;
    while (each != NULL && mempool->stateful_count > 0) {
        struct transaction *next = each->next;
        if (!each->is_stateless && !keep(context, bytes_of(each)))
            mempool_remove(mempool, &each->digest);
        each = next;
    }
}
