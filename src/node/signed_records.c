/*
 * The signatures file with an index: an open-addressing table from a hash of the id to the place of
 * a record. What a slot points at is read before it is believed, so that the hash need not be
 * perfect.
 */
#include "node/signed_records.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "attest/signatures_file.h"
#include "base/alloc.h"
#include "base/assert.h"
#include "wire/crypto.h"

#define SLOTS_MIN 64

/* size 0: empty. */
struct slot {
    uint64_t hash;
    uint64_t at;
    uint64_t size;
};

/* Added, and not synced yet. */
struct waiting {
    struct statement_id id;
    uint8_t digest[32];
    uint64_t size;
};

struct signed_records {
    struct signatures_file *file;
    int reader; /* the same file */
    struct statement expected;
    uint64_t hash_key; /* random, so that nobody can aim at one slot */
    struct slot *slots;
    uint64_t slot_count; /* a power of two */
    uint64_t count;
    uint64_t size; /* where the next record begins */
    struct waiting *waiting;
    uint32_t waiting_count;
    uint32_t waiting_capacity;
};

static uint64_t hash_of(const struct signed_records *records, const struct statement_id *id)
{
    uint8_t digest[32];
    uint64_t word;
    crypto_sha256(ingot_slice_of(id->bytes, id->size), digest);
    memcpy(&word, digest, sizeof word);
    return word * records->hash_key >> 1; /* the highest bits are the best mixed ones */
}

/* Records of one id lie behind one another in the order in which they were put. */
static void put(struct signed_records *records, uint64_t hash, uint64_t at, uint64_t size)
{
    const unsigned shift = 63 - (unsigned)__builtin_ctzll(records->slot_count);
    uint64_t place = hash >> shift;
    while (records->slots[place].size > 0) {
        place = (place + 1) & (records->slot_count - 1);
    }
    records->slots[place] = (struct slot){hash, at, size};
}

static int by_place(const void *left, const void *right)
{
    const struct slot *a = left;
    const struct slot *b = right;
    return a->at < b->at ? -1 : a->at > b->at;
}

/* In the order of the file again, which is that of the table for records of one id. */
static void grow(struct signed_records *records)
{
    struct slot *old = records->slots;
    const uint64_t old_count = records->slot_count;
    records->slot_count = old_count == 0 ? SLOTS_MIN : 2 * old_count;
    records->slots = alloc_zeroed(records->slot_count, sizeof *records->slots);
    if (old_count > 0) {
        qsort(old, old_count, sizeof *old, by_place);
    }
    for (uint64_t i = 0; i < old_count; i++) {
        if (old[i].size > 0) {
            put(records, old[i].hash, old[i].at, old[i].size);
        }
    }
    free(old);
}

static void index_record(struct signed_records *records, const struct statement_id *id,
                         uint64_t size)
{
    if (2 * (records->count + 1) > records->slot_count) {
        grow(records);
    }
    put(records, hash_of(records, id), records->size, size);
    records->count++;
    records->size += size + 1; /* the line break */
}

static bool is_expected(const struct signed_records *records, const struct attestation *attestation,
                        char *why, size_t why_size)
{
    const struct statement *expected = &records->expected;
    const struct statement *found = &attestation->statement;
    const char *reason = NULL;
    if (memcmp(found->genesis, expected->genesis, sizeof found->genesis) != 0) {
        reason = "it is of another chain";
    } else if (attestation->epoch != 0 || found->height != 0) {
        reason = "expected height 0 and epoch 0; a chain's records and those of quorum-broadcast "
                 "need a [node] data_folder each";
    } else if (memcmp(found->set, expected->set, sizeof found->set) != 0) {
        reason = "it is of another validator set";
    }
    if (reason != NULL) {
        (void)snprintf(why, why_size, "%s", reason);
    }
    return reason == NULL;
}

static enum signatures_line visit(void *context, struct ingot_slice line, char *why,
                                  size_t why_size)
{
    struct signed_records *records = context;
    struct attestation attestation;
    if (attestation_parse(line, &attestation, why, why_size) != INGOT_OK) {
        return SIGNATURES_LINE_REFUSED;
    }
    const bool is_ours = is_expected(records, &attestation, why, why_size);
    if (is_ours) {
        index_record(records, &attestation.statement.id, line.size);
    }
    attestation_deinit(&attestation);
    return is_ours ? SIGNATURES_LINE_TAKEN : SIGNATURES_LINE_REFUSED;
}

enum ingot_error signed_records_open(const char *path, const struct statement *expected,
                                     struct signed_records **records, char *why, size_t why_size)
{
    struct signed_records *opened = alloc_zeroed(1, sizeof *opened);
    uint8_t seed[CRYPTO_SEED_BYTES];
    crypto_random_seed(seed);
    memcpy(&opened->hash_key, seed, sizeof opened->hash_key);
    opened->hash_key |= 1;
    opened->expected = *expected;
    opened->reader = -1;
    *records = NULL;
    enum ingot_error error =
        signatures_file_open(path, 0, visit, opened, &opened->file, why, why_size);
    if (error == INGOT_OK) {
        opened->reader = open(path, O_RDONLY | O_CLOEXEC);
        if (opened->reader < 0) {
            (void)snprintf(why, why_size, "%s: cannot be opened: %s", path, strerror(errno));
            error = INGOT_ERROR_IO;
        }
    }
    if (error != INGOT_OK) {
        signed_records_close(opened);
        return error;
    }
    INGOT_ASSERT(opened->size == signatures_file_size(opened->file));
    *records = opened;
    return INGOT_OK;
}

void signed_records_close(struct signed_records *records)
{
    if (records == NULL) {
        return;
    }
    signatures_file_close(records->file);
    if (records->reader >= 0) {
        (void)close(records->reader);
    }
    free(records->slots);
    free(records->waiting);
    free(records);
}

static enum ingot_error read_record(const struct signed_records *records, const struct slot *slot,
                                    struct ingot_buffer *line)
{
    ingot_buffer_clear(line);
    ingot_buffer_reserve(line, slot->size);
    while (line->size < slot->size) {
        const ssize_t taken = pread(records->reader, line->data + line->size,
                                    slot->size - line->size, (off_t)(slot->at + line->size));
        if (taken < 0 && errno == EINTR) {
            continue;
        }
        if (taken <= 0) {
            return INGOT_ERROR_IO;
        }
        line->size += (size_t)taken;
    }
    return INGOT_OK;
}

static bool is_same_id(const struct statement_id *a, const struct statement_id *b)
{
    return a->size == b->size && memcmp(a->bytes, b->bytes, a->size) == 0;
}

/* INGOT_OK: the record in the slot is the one; INGOT_ERROR_NOT_FOUND: it is another. */
static enum ingot_error look(const struct signed_records *records, const struct slot *slot,
                             const struct statement_id *id, const uint8_t *digest,
                             uint8_t found_digest[32], struct ingot_buffer *text)
{
    struct attestation attestation;
    char why[256];
    enum ingot_error error = read_record(records, slot, text);
    if (error != INGOT_OK) {
        return error;
    }
    if (attestation_parse(ingot_buffer_slice(text), &attestation, why, sizeof why) != INGOT_OK) {
        return INGOT_ERROR_CORRUPT;
    }
    const struct statement *found = &attestation.statement;
    const bool is_it =
        is_same_id(&found->id, id) && (digest == NULL || memcmp(found->digest, digest, 32) == 0);
    if (is_it) {
        memcpy(found_digest, found->digest, 32);
    }
    attestation_deinit(&attestation);
    return is_it ? INGOT_OK : INGOT_ERROR_NOT_FOUND;
}

enum ingot_error signed_records_find(const struct signed_records *records,
                                     const struct statement_id *id, const uint8_t *digest,
                                     uint8_t found_digest[32], struct ingot_buffer *line)
{
    if (records->slot_count == 0) {
        return INGOT_ERROR_NOT_FOUND;
    }
    const uint64_t hash = hash_of(records, id);
    const unsigned shift = 63 - (unsigned)__builtin_ctzll(records->slot_count);
    uint64_t place = hash >> shift;
    struct ingot_buffer text = {0};
    enum ingot_error error = INGOT_ERROR_NOT_FOUND;
    while (error == INGOT_ERROR_NOT_FOUND && records->slots[place].size > 0) {
        if (records->slots[place].hash == hash) {
            error = look(records, &records->slots[place], id, digest, found_digest, &text);
        }
        place = (place + 1) & (records->slot_count - 1);
    }
    if (error == INGOT_OK && line != NULL) {
        ingot_buffer_append_slice(line, ingot_buffer_slice(&text));
    }
    ingot_buffer_deinit(&text);
    return error;
}

bool signed_records_has(const struct signed_records *records, const struct statement_id *id,
                        const uint8_t digest[32])
{
    uint8_t found[32];
    for (uint32_t i = 0; i < records->waiting_count; i++) {
        const struct waiting *waiting = &records->waiting[i];
        if (is_same_id(&waiting->id, id) && memcmp(waiting->digest, digest, 32) == 0) {
            return true;
        }
    }
    return signed_records_find(records, id, digest, found, NULL) == INGOT_OK;
}

void signed_records_add(struct signed_records *records, const struct attestation *attestation)
{
    struct ingot_buffer line = {0};
    attestation_format(attestation, &line);
    signatures_file_append(records->file, ingot_buffer_slice(&line));
    if (records->waiting_count == records->waiting_capacity) {
        records->waiting_capacity = 2 * records->waiting_capacity + 16;
        records->waiting =
            alloc_resize(records->waiting, records->waiting_capacity, sizeof *records->waiting);
    }
    struct waiting *waiting = &records->waiting[records->waiting_count++];
    *waiting = (struct waiting){.id = attestation->statement.id, .size = line.size};
    memcpy(waiting->digest, attestation->statement.digest, sizeof waiting->digest);
    ingot_buffer_deinit(&line);
}

enum ingot_error signed_records_sync(struct signed_records *records)
{
    const enum ingot_error error = signatures_file_sync(records->file);
    if (error != INGOT_OK) {
        return error;
    }
    for (uint32_t i = 0; i < records->waiting_count; i++) {
        index_record(records, &records->waiting[i].id, records->waiting[i].size);
    }
    records->waiting_count = 0;
    INGOT_ASSERT(records->size == signatures_file_size(records->file));
    return INGOT_OK;
}

uint64_t signed_records_count(const struct signed_records *records)
{
    return records->count;
}

uint32_t signed_records_pending(const struct signed_records *records)
{
    return records->waiting_count;
}

uint64_t signed_records_bytes(const struct signed_records *records)
{
    return signatures_file_size(records->file);
}
