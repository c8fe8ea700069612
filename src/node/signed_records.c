/*
 * The signatures file and its index. A line goes to the file first, is synced there, and then into
 * the store with the file's new size; only then it is told of. So whatever a crash leaves, what is
 * beyond the size that the store knows was never told to anybody.
 */
#include "node/signed_records.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "attest/signatures_file.h"
#include "base/alloc.h"
#include "base/assert.h"

/* Added, and not told of yet. */
struct waiting {
    struct statement_id id;
    uint8_t digest[32];
    size_t size;
};

struct signed_records {
    struct signatures_file *file;
    int reader; /* the same file */
    struct statement expected;
    struct quorum_store *store; /* borrowed */
    struct waiting *waiting;
    uint32_t waiting_count;
    uint32_t waiting_capacity;
    uint32_t stored_count; /* of those that wait: the file has them, and the store is to sync */
};

/* --- Opening. --- */

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

static void index_line(const struct signed_records *records, const struct statement_id *id,
                       const uint8_t digest[32], size_t size)
{
    struct quorum_record record = {
        .id = *id, .at = quorum_store_file_size(records->store), .size = (uint32_t)size};
    memcpy(record.digest, digest, sizeof record.digest);
    quorum_store_add_record(records->store, &record);
}

static enum signatures_line visit(void *context, struct ingot_slice line, char *why,
                                  size_t why_size)
{
    struct signed_records *records = context;
    struct attestation attestation;
    if (attestation_parse(line, &attestation, why, why_size) != INGOT_OK) {
        return quorum_store_is_new(records->store) ? SIGNATURES_LINE_REFUSED : SIGNATURES_LINE_CUT;
    }
    const bool is_ours = is_expected(records, &attestation, why, why_size);
    if (is_ours) {
        const struct statement *statement = &attestation.statement;
        index_line(records, &statement->id, statement->digest, line.size);
    }
    attestation_deinit(&attestation);
    return is_ours ? SIGNATURES_LINE_TAKEN : SIGNATURES_LINE_REFUSED;
}

static enum ingot_error open_file(struct signed_records *records, const char *path, char *why,
                                  size_t why_size)
{
    enum ingot_error error = signatures_file_open(path, quorum_store_file_size(records->store),
                                                  visit, records, &records->file, why, why_size);
    if (error == INGOT_ERROR_NOT_FOUND) { /* and there is nowhere else that they are */
        const size_t used = strlen(why);
        (void)snprintf(why + used, why_size - used, "; put back a copy of it that has them");
        return INGOT_ERROR_CORRUPT;
    }
    if (error != INGOT_OK) {
        return error;
    }
    records->reader = open(path, O_RDONLY | O_CLOEXEC);
    if (records->reader < 0) {
        (void)snprintf(why, why_size, "%s: cannot be opened: %s", path, strerror(errno));
        return INGOT_ERROR_IO;
    }
    INGOT_ASSERT(quorum_store_file_size(records->store) == signatures_file_size(records->file));
    error = quorum_store_sync(records->store);
    if (error != INGOT_OK) {
        (void)snprintf(why, why_size, "the index of %s cannot be written: %s", path,
                       ingot_error_text(error));
    }
    return error;
}

enum ingot_error signed_records_open(const char *path, const struct statement *expected,
                                     struct quorum_store *store, struct signed_records **records,
                                     char *why, size_t why_size)
{
    struct signed_records *opened = alloc_zeroed(1, sizeof *opened);
    opened->expected = *expected;
    opened->store = store;
    opened->reader = -1;
    const enum ingot_error error = open_file(opened, path, why, why_size);
    if (error != INGOT_OK) {
        signed_records_close(opened);
        opened = NULL;
    }
    *records = opened;
    return error;
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
    free(records->waiting);
    free(records);
}

/* --- Looking for one. --- */

static enum ingot_error read_text(const struct signed_records *records,
                                  const struct quorum_record *record, struct ingot_buffer *text)
{
    ingot_buffer_reserve(text, record->size);
    while (text->size < record->size) {
        const ssize_t taken = pread(records->reader, text->data + text->size,
                                    record->size - text->size, (off_t)(record->at + text->size));
        if (taken < 0 && errno == EINTR) {
            continue;
        }
        if (taken <= 0) {
            return INGOT_ERROR_IO;
        }
        text->size += (size_t)taken;
    }
    return INGOT_OK;
}

static bool is_same_id(const struct statement_id *a, const struct statement_id *b)
{
    return a->size == b->size && memcmp(a->bytes, b->bytes, a->size) == 0;
}

/* What the file has at the place must be what the index says: it may have been damaged since. */
static enum ingot_error read_line(const struct signed_records *records,
                                  const struct quorum_record *record, struct ingot_buffer *line)
{
    struct ingot_buffer text = {0};
    struct attestation attestation;
    char why[256];
    enum ingot_error error = read_text(records, record, &text);
    if (error == INGOT_OK &&
        attestation_parse(ingot_buffer_slice(&text), &attestation, why, sizeof why) != INGOT_OK) {
        error = INGOT_ERROR_CORRUPT;
    } else if (error == INGOT_OK) {
        const struct statement *found = &attestation.statement;
        if (is_same_id(&found->id, &record->id) &&
            memcmp(found->digest, record->digest, sizeof record->digest) == 0) {
            ingot_buffer_append_slice(line, ingot_buffer_slice(&text));
        } else {
            error = INGOT_ERROR_CORRUPT;
        }
        attestation_deinit(&attestation);
    }
    ingot_buffer_deinit(&text);
    return error;
}

enum ingot_error signed_records_find(const struct signed_records *records,
                                     const struct statement_id *id, const uint8_t *digest,
                                     uint8_t found_digest[32], struct ingot_buffer *line)
{
    struct quorum_record record = {.id = *id};
    enum ingot_error error = quorum_store_find_record(records->store, digest, &record);
    if (error == INGOT_OK && line != NULL) {
        error = read_line(records, &record, line);
    }
    if (error == INGOT_OK) {
        memcpy(found_digest, record.digest, sizeof record.digest);
    }
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

/* --- Adding. --- */

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
    enum ingot_error error = signatures_file_sync(records->file);
    if (error != INGOT_OK) {
        return error;
    }
    while (records->stored_count < records->waiting_count) {
        const struct waiting *waiting = &records->waiting[records->stored_count++];
        index_line(records, &waiting->id, waiting->digest, waiting->size);
    }
    error = quorum_store_sync(records->store);
    if (error == INGOT_OK) {
        records->waiting_count = 0;
        records->stored_count = 0;
        INGOT_ASSERT(quorum_store_file_size(records->store) == signatures_file_size(records->file));
    }
    return error;
}

uint64_t signed_records_count(const struct signed_records *records)
{
    return quorum_store_record_count(records->store);
}

uint32_t signed_records_pending(const struct signed_records *records)
{
    return records->waiting_count;
}

uint64_t signed_records_bytes(const struct signed_records *records)
{
    return signatures_file_size(records->file);
}
