/*
 * Entered blocks: what they ask to be signed, and who has signed it. They are in memory while there
 * is room for them, those that were used last; all of them are in the table.
 *
 * What has been put but is not durable cannot be read from the table, so it stays in memory until a
 * sync has come.
 */
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "node/attestor_state.h"
#include "wire/preimage.h"

/* What a block weighs besides its arrays. */
#define BLOCK_BYTES 512

/* --- Which are in memory. --- */

static struct attest_block **bucket_of(struct attestor *attestor, uint64_t height)
{
    return &attestor->buckets[height % ATTEST_BUCKETS];
}

static void unlink_use(struct attestor *attestor, struct attest_block *block)
{
    if (block->older == NULL) {
        attestor->oldest = block->newer;
    } else {
        block->older->newer = block->newer;
    }
    if (block->newer == NULL) {
        attestor->newest = block->older;
    } else {
        block->newer->older = block->older;
    }
}

static void link_newest(struct attestor *attestor, struct attest_block *block)
{
    block->older = attestor->newest;
    block->newer = NULL;
    if (attestor->newest == NULL) {
        attestor->oldest = block;
    } else {
        attestor->newest->newer = block;
    }
    attestor->newest = block;
}

static void add(struct attestor *attestor, struct attest_block *block)
{
    struct attest_block **bucket = bucket_of(attestor, block->height);
    block->bucket_next = *bucket;
    *bucket = block;
    link_newest(attestor, block);
    attestor->block_count++;
    attestor->block_bytes += block->bytes;
}

static void free_block(struct attest_block *block)
{
    if (block == NULL) {
        return;
    }
    for (uint32_t i = 0; block->shares != NULL && i < block->set->count; i++) {
        free(block->shares[i].content);
    }
    free(block->shares);
    free(block->offsets);
    free(block->powers);
    free(block->done);
    free(block->queued);
    validator_set_unref(block->set);
    ingot_buffer_deinit(&block->record);
    free(block);
}

static void drop(struct attestor *attestor, struct attest_block *block)
{
    struct attest_block **link = bucket_of(attestor, block->height);
    while (*link != block) {
        link = &(*link)->bucket_next;
    }
    *link = block->bucket_next;
    unlink_use(attestor, block);
    attestor->block_count--;
    attestor->block_bytes -= block->bytes;
    free_block(block);
}

static bool is_durable(const struct attestor *attestor, uint64_t batch)
{
    return batch < ledger_batch_number(attestor->options.ledger);
}

/* Lets go of shares that the table has. */
static bool settle(struct attestor *attestor, struct attest_block *block)
{
    bool is_settled = is_durable(attestor, block->batch);
    for (uint32_t i = 0; i < block->set->count; i++) {
        struct attest_share *share = &block->shares[i];
        if (share->content == NULL) {
            continue;
        }
        if (!is_durable(attestor, share->batch)) {
            is_settled = false;
            continue;
        }
        block->bytes -= share->size;
        attestor->block_bytes -= share->size;
        free(share->content);
        share->content = NULL;
    }
    return is_settled;
}

void attest_block_evict(struct attestor *attestor)
{
    struct attest_block *block = attestor->oldest;
    while (block != NULL && (attestor->block_bytes > attestor->options.limits.memory_bytes ||
                             attestor->block_count > ATTEST_BLOCKS_MAX)) {
        struct attest_block *newer = block->newer;
        if (settle(attestor, block) && block->pins == 0 && !block->is_ready) {
            drop(attestor, block);
        }
        block = newer;
    }
}

void attest_block_free_all(struct attestor *attestor)
{
    while (attestor->oldest != NULL) {
        drop(attestor, attestor->oldest);
    }
}

struct attest_block *attest_block_in_memory(struct attestor *attestor, uint64_t height)
{
    struct attest_block *block = *bucket_of(attestor, height);
    while (block != NULL && block->height != height) {
        block = block->bucket_next;
    }
    return block;
}

/* --- Making one from its record. --- */

static const uint8_t *set_hash_of(struct attestor *attestor, const struct validator_set *set)
{
    if (!attestor->has_set_hash || attestor->set_epoch != set->epoch) {
        statement_set_hash(set, attestor->set_hash);
        attestor->set_epoch = set->epoch;
        attestor->has_set_hash = true;
    }
    return attestor->set_hash;
}

/* Takes over the record. NULL when it does not decode, or its set is not known. */
static struct attest_block *make(struct attestor *attestor, uint64_t height,
                                 struct ingot_buffer *record)
{
    const struct attestor_options *options = &attestor->options;
    struct attest_block *block = alloc_zeroed(1, sizeof *block);
    block->record = *record;
    *record = (struct ingot_buffer){0};
    struct ingot_slice rest = ingot_buffer_slice(&block->record);
    bool is_sound = attest_block_decode(&rest, &block->epoch, &block->base.time_ms, &block->count);
    struct validator_set *set =
        is_sound ? options->output.find_set(options->output.context, block->epoch) : NULL;
    if (set == NULL) {
        free_block(block);
        return NULL;
    }
    block->set = validator_set_ref(set);
    block->height = height;
    block->own = options->has_key ? validator_set_find(set, &options->key) : VALIDATOR_NONE;
    memcpy(block->base.genesis, options->genesis, sizeof block->base.genesis);
    memcpy(block->base.set, set_hash_of(attestor, set), sizeof block->base.set);
    block->base.height = height;
    block->open = block->count;
    block->lacking = block->count;
    block->offsets = alloc_zeroed(block->count, sizeof *block->offsets);
    block->powers = alloc_zeroed(block->count, sizeof *block->powers);
    block->done = alloc_zeroed((block->count + 7) / 8, 1);
    block->queued = alloc_zeroed((block->count + 7) / 8, 1);
    block->shares = alloc_zeroed(set->count, sizeof *block->shares);
    for (uint32_t i = 0; i < block->count && is_sound; i++) {
        struct attest_entry entry;
        block->offsets[i] = (uint32_t)(block->record.size - rest.size);
        is_sound = attest_entry_decode(&rest, &entry);
    }
    if (!is_sound || rest.size > 0) {
        free_block(block);
        return NULL;
    }
    block->bytes = BLOCK_BYTES + block->record.capacity + (size_t)block->count * 13 +
                   set->count * sizeof *block->shares;
    return block;
}

void attest_block_entry(const struct attest_block *block, uint32_t index,
                        struct attest_entry *entry)
{
    INGOT_ASSERT(index < block->count);
    const uint32_t offset = block->offsets[index];
    struct ingot_slice rest =
        ingot_slice_of(block->record.data + offset, block->record.size - offset);
    const bool is_sound = attest_entry_decode(&rest, entry);
    INGOT_ASSERT(is_sound);
}

void attest_block_statement(const struct attest_block *block, uint32_t index,
                            struct statement *statement)
{
    struct attest_entry entry;
    attest_block_entry(block, index, &entry);
    *statement = block->base;
    statement->id.size = 32;
    memcpy(statement->id.bytes, entry.id, 32);
    memcpy(statement->digest, entry.digest, 32);
}

/* --- From the table. --- */

static void count_share(struct attest_block *block, uint32_t voter,
                        const struct attest_share_record *share)
{
    const uint64_t power = block->set->validators[voter].power;
    block->shares[voter].is_known = true;
    block->shares[voter].is_whole = share->is_whole;
    if (share->is_whole) {
        block->whole++;
        block->whole_power += power;
    }
    for (uint32_t i = 0; i < block->count; i++) {
        if (!attest_is_zero(share->signatures.data + (size_t)i * 64, 64)) {
            block->powers[i] += power;
        }
    }
}

static enum ingot_error load_shares(struct attestor *attestor, struct attest_block *block)
{
    struct attest_key key = attest_key_share(block->height, 0);
    for (;;) {
        struct ingot_slice found;
        struct ingot_slice content;
        struct attest_share_record share;
        uint32_t voter = 0;
        const enum ingot_error error =
            ledger_seek_attest(attestor->options.ledger, attest_key_slice(&key), &found, &content);
        if (error == INGOT_ERROR_NOT_FOUND ||
            (error == INGOT_OK && !attest_key_voter(found, block->height, &voter))) {
            return INGOT_OK;
        }
        if (error != INGOT_OK) {
            return error;
        }
        if (voter >= block->set->count || !attest_share_decode(content, block->count, &share)) {
            return INGOT_ERROR_CORRUPT;
        }
        count_share(block, voter, &share);
        key = attest_key_share(block->height, voter + 1);
    }
}

/* Without a record of what is pending, all of it is done. */
static enum ingot_error load_done(struct attestor *attestor, struct attest_block *block)
{
    const struct attest_key key = attest_key_pending(block->height);
    const size_t size = (block->count + 7) / 8;
    struct ingot_slice content;
    const enum ingot_error error = attest_get(attestor, &key, &content);
    if (error == INGOT_ERROR_NOT_FOUND) {
        memset(block->done, 0xff, size);
        block->open = 0;
        return INGOT_OK;
    }
    if (error != INGOT_OK) {
        return error;
    }
    if (content.size != size) {
        return INGOT_ERROR_CORRUPT;
    }
    memcpy(block->done, content.data, size);
    for (uint32_t i = 0; i < block->count; i++) {
        block->open -= attest_bit(block->done, i);
    }
    return INGOT_OK;
}

/* What is still open of it may be complete, or refused, by what is stored. */
static void look_at_statements(struct attestor *attestor, struct attest_block *block)
{
    const struct validator_set *set = block->set;
    bool is_ready = false;
    block->lacking = 0;
    for (uint32_t i = 0; i < block->count && block->open > 0; i++) {
        if (attest_bit(block->done, i) || attest_bit(block->queued, i)) {
            continue;
        }
        if (block->powers[i] >= set->quorum_power) {
            is_ready = true;
        } else if (block->whole_power > block->powers[i] &&
                   block->whole_power - block->powers[i] > set->total_power - set->quorum_power) {
            attest_file_refuse(attestor, block, i);
        } else {
            block->lacking++;
        }
    }
    if (is_ready) {
        attest_file_ready(attestor, block);
    }
}

static enum ingot_error load(struct attestor *attestor, uint64_t height,
                             struct attest_block **result)
{
    const struct attest_key key = attest_key_block(height);
    struct ingot_slice content;
    enum ingot_error error = attest_get(attestor, &key, &content);
    if (error != INGOT_OK) {
        return error;
    }
    struct ingot_buffer record = {0};
    ingot_buffer_append_slice(&record, content);
    struct attest_block *block = make(attestor, height, &record);
    if (block == NULL) {
        return INGOT_ERROR_CORRUPT;
    }
    error = load_shares(attestor, block);
    if (error == INGOT_OK) {
        error = load_done(attestor, block);
    }
    if (error != INGOT_OK) {
        free_block(block);
        return error;
    }
    add(attestor, block);
    if (attestor->is_open) {
        look_at_statements(attestor, block);
    }
    *result = block;
    return INGOT_OK;
}

enum ingot_error attest_block_find(struct attestor *attestor, uint64_t height,
                                   struct attest_block **block)
{
    *block = attest_block_in_memory(attestor, height);
    if (*block == NULL) {
        return height < attestor->meta.next ? load(attestor, height, block) : INGOT_ERROR_NOT_FOUND;
    }
    unlink_use(attestor, *block);
    link_newest(attestor, *block);
    return INGOT_OK;
}

/* --- Entering. --- */

/* Appends the block's statements; how many. */
static uint32_t collect(const struct attestor *attestor, const struct block *block,
                        const struct execution *execution, struct ingot_buffer *entries)
{
    const struct ingot_app *app = attestor->options.app;
    struct ingot_slice rest = ingot_buffer_slice(&block->payload);
    struct ingot_slice transaction;
    uint32_t count = 0;
    for (uint32_t i = 0; payload_next(&rest, &transaction); i++) {
        struct ingot_attest_subject subject = {.has_payload = false};
        if (execution_result(execution, i)->code != 0 ||
            !app->attest(app->context, transaction, &subject)) {
            continue;
        }
        struct ingot_hash id;
        wire_transaction_digest(transaction, &id);
        const struct attest_entry entry = {
            .id = id.bytes,
            .digest = subject.digest,
            .is_declined = app->may_attest != NULL && !app->may_attest(app->context, transaction),
            .has_payload = subject.has_payload,
            .payload = subject.payload};
        attest_entry_encode(&entry, entries);
        count++;
    }
    return count;
}

static void put_index(struct attestor *attestor, const struct attest_block *block)
{
    struct ingot_buffer place = {0};
    const struct ingot_buffer nothing = {0};
    for (uint32_t i = 0; i < block->count; i++) {
        struct attest_entry entry;
        attest_block_entry(block, i, &entry);
        ingot_buffer_clear(&place);
        attest_place_encode(block->height, i, &place);
        const struct attest_key id = attest_key_id(entry.id);
        attest_put(attestor, &id, &place);
        const struct attest_key digest = attest_key_digest(entry.digest, block->height, i);
        attest_put(attestor, &digest, &nothing);
    }
    ingot_buffer_deinit(&place);
}

struct attest_block *attest_block_enter(struct attestor *attestor, const struct block *block,
                                        const struct execution *execution)
{
    INGOT_ASSERT(block->height == attestor->meta.next);
    struct ingot_buffer entries = {0};
    const uint32_t count = execution == NULL ? 0 : collect(attestor, block, execution, &entries);
    struct attest_block *entered = NULL;
    if (count > 0) {
        struct ingot_buffer record = {0};
        attest_block_encode(block_epoch(block), block->time_ms, count, &record);
        ingot_buffer_append_slice(&record, ingot_buffer_slice(&entries));
        entered = make(attestor, block->height, &record);
        INGOT_ASSERT(entered != NULL); /* the set of a committed block is known */
        add(attestor, entered);
        entered->entered_ms = attestor->now_ms;
        const struct attest_key key = attest_key_block(block->height);
        attest_put(attestor, &key, &entered->record);
        put_index(attestor, entered);
        attest_block_put_pending(attestor, entered);
        attestor->meta.pending += count;
    }
    ingot_buffer_deinit(&entries);
    if (attestor->meta.own == block->height &&
        (entered == NULL || entered->own == VALIDATOR_NONE)) {
        attestor->meta.own++;
    }
    attestor->meta.next++;
    attest_put_meta(attestor);
    ledger_hold_blocks(attestor->options.ledger, attestor->meta.next);
    return entered;
}

void attest_block_put_pending(struct attestor *attestor, struct attest_block *block)
{
    const struct attest_key key = attest_key_pending(block->height);
    if (block->open == 0) {
        attest_delete(attestor, &key);
        if (block->whole < block->set->count) {
            const struct attest_key late = attest_key_late(block->height);
            const struct ingot_buffer nothing = {0};
            attest_put(attestor, &late, &nothing);
        }
    } else {
        ingot_buffer_clear(&attestor->content);
        ingot_buffer_append(&attestor->content, block->done, (block->count + 7) / 8);
        attest_put(attestor, &key, &attestor->content);
    }
    block->batch = attestor->put_batch;
}

/* --- Signatures. --- */

enum ingot_error attest_share_read(struct attestor *attestor, const struct attest_block *block,
                                   uint32_t voter, struct attest_share_record *share)
{
    const struct attest_share *known = &block->shares[voter];
    if (!known->is_known) {
        return INGOT_ERROR_NOT_FOUND;
    }
    struct ingot_slice content = ingot_slice_of(known->content, known->size);
    if (known->content == NULL) {
        const struct attest_key key = attest_key_share(block->height, voter);
        const enum ingot_error error = attest_get(attestor, &key, &content);
        if (error != INGOT_OK) {
            return error == INGOT_ERROR_NOT_FOUND ? INGOT_ERROR_CORRUPT : error;
        }
    }
    return attest_share_decode(content, block->count, share) ? INGOT_OK : INGOT_ERROR_CORRUPT;
}

/* Writes down `share` with those signatures of `before` that it lacks. */
static void merge(struct attest_block *block, uint32_t voter,
                  const struct attest_share_record *before, const struct attest_share_record *share,
                  struct ingot_buffer *content)
{
    const uint64_t power = block->set->validators[voter].power;
    attest_share_encode(share, content);
    uint8_t *signatures = content->data + content->size - share->signatures.size;
    bool is_changed = false;
    for (uint32_t i = 0; i < block->count; i++) {
        uint8_t *mine = signatures + (size_t)i * 64;
        const uint8_t *old = before == NULL ? NULL : before->signatures.data + (size_t)i * 64;
        const bool was_there = old != NULL && !attest_is_zero(old, 64);
        if (was_there && memcmp(mine, old, 64) != 0) {
            memcpy(mine, old, 64);
            is_changed = true;
        }
        if (!was_there && !attest_is_zero(mine, 64)) {
            block->powers[i] += power;
        }
    }
    if (is_changed) { /* it is not what the message said */
        memset(signatures - INGOT_SIGNATURE_BYTES, 0, INGOT_SIGNATURE_BYTES);
    }
}

void attest_share_add(struct attestor *attestor, struct attest_block *block, uint32_t voter,
                      const struct attest_share_record *share)
{
    struct attest_share *known = &block->shares[voter];
    struct attest_share_record before;
    struct ingot_buffer content = {0};
    INGOT_ASSERT(!known->is_whole);
    const enum ingot_error error = attest_share_read(attestor, block, voter, &before);
    if (error != INGOT_OK && error != INGOT_ERROR_NOT_FOUND) {
        attest_fail(attestor, REPLICA_STOP_DAMAGED, "a share cannot be read back", error);
        return;
    }
    merge(block, voter, error == INGOT_OK ? &before : NULL, share, &content);
    const struct attest_key key = attest_key_share(block->height, voter);
    attest_put(attestor, &key, &content);
    if (share->is_whole) {
        block->whole++;
        block->whole_power += block->set->validators[voter].power;
    }
    if (block->open == 0 && block->whole == block->set->count) {
        const struct attest_key late = attest_key_late(block->height);
        attest_delete(attestor, &late);
    }
    block->bytes += content.size - (known->content == NULL ? 0 : known->size);
    attestor->block_bytes += content.size - (known->content == NULL ? 0 : known->size);
    free(known->content);
    known->is_known = true;
    known->is_whole = share->is_whole;
    known->content = content.data; /* taken over */
    known->size = content.size;
    known->batch = attestor->put_batch;
    look_at_statements(attestor, block);
}
