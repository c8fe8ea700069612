/*
 * The records of quorum broadcast: the signatures file of a data folder, and where in it the
 * records of an id are. Only that is kept in memory, 50 to 100 bytes a record; the records
 * themselves are read from the file.
 */
#ifndef INGOT_NODE_SIGNED_RECORDS_H
#define INGOT_NODE_SIGNED_RECORDS_H

#include "attest/attestation.h"

struct signed_records;

/*
 * Opens or makes the file; a torn last line is cut off. Every record has to be of quorum broadcast
 * (epoch 0, height 0), of this chain and this set.
 *
 * Returns INGOT_OK, or the error of signatures_file_open with a sentence in `why`.
 */
INGOT_MUST_USE enum ingot_error signed_records_open(const char *path,
                                                    const struct statement *expected,
                                                    struct signed_records **records, char *why,
                                                    size_t why_size);
/* NULL is fine. */
void signed_records_close(struct signed_records *records);

/*
 * Looks for a record of this id and, unless `digest` is NULL, of this digest; else the first that
 * was written. One that waits for its sync is not found.
 *
 * @line  NULL, or its text is appended.
 * Returns INGOT_OK, INGOT_ERROR_NOT_FOUND, INGOT_ERROR_IO or INGOT_ERROR_CORRUPT.
 */
INGOT_MUST_USE enum ingot_error signed_records_find(const struct signed_records *records,
                                                    const struct statement_id *id,
                                                    const uint8_t *digest, uint8_t found_digest[32],
                                                    struct ingot_buffer *line);
/* Is there a record of this id and digest, synced or not? */
bool signed_records_has(const struct signed_records *records, const struct statement_id *id,
                        const uint8_t digest[32]);

/* Keeps a record for the next sync. Its id and digest must not be there yet. */
void signed_records_add(struct signed_records *records, const struct attestation *attestation);

/* As signatures_file_sync: after INGOT_OK all records that were added are found. */
INGOT_MUST_USE enum ingot_error signed_records_sync(struct signed_records *records);

/* On disk, and waiting for a sync. */
uint64_t signed_records_count(const struct signed_records *records);
uint32_t signed_records_pending(const struct signed_records *records);
uint64_t signed_records_bytes(const struct signed_records *records);

#endif
