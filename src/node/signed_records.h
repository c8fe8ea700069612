/*
 * The records of quorum broadcast: the signatures file of a data folder, with an index in the store
 * beside it. Nothing of them is kept in memory, and a start reads only what came into the file
 * after the store's last word.
 */
#ifndef INGOT_NODE_SIGNED_RECORDS_H
#define INGOT_NODE_SIGNED_RECORDS_H

#include "attest/attestation.h"
#include "node/quorum_store.h"

struct signed_records;

/*
 * Opens or makes the file. Lines that the store does not know are looked at: every record has to be
 * of quorum broadcast (epoch 0, height 0), of this chain and this set, and goes into the store.
 * What is no record there is cut off, as nobody was told of it; but not beside a store that is new,
 * which does not say what anybody was told. A torn last line is cut off.
 *
 * @store  borrowed for as long as they live; it syncs with them.
 * Returns INGOT_OK, or the error of signatures_file_open or of the store with a sentence in `why`;
 * INGOT_ERROR_CORRUPT also when the file has lost lines that the store knows.
 */
INGOT_MUST_USE enum ingot_error
signed_records_open(const char *path, const struct statement *expected, struct quorum_store *store,
                    struct signed_records **records, char *why, size_t why_size);
/* NULL is fine. */
void signed_records_close(struct signed_records *records);

/*
 * Looks for a record of this id and, unless `digest` is NULL, of this digest; else the first that
 * was written. One that waits for its sync is not found.
 *
 * @line  NULL, or its text is read from the file and appended.
 * Returns INGOT_OK, INGOT_ERROR_NOT_FOUND, INGOT_ERROR_IO, INGOT_ERROR_FULL or INGOT_ERROR_CORRUPT.
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

/*
 * Makes the records that were added durable, and then all that is new in the store. As
 * signatures_file_sync and quorum_store_sync: after INGOT_OK all that was added is found.
 */
INGOT_MUST_USE enum ingot_error signed_records_sync(struct signed_records *records);

/* In the file, and waiting for a sync. */
uint64_t signed_records_count(const struct signed_records *records);
uint32_t signed_records_pending(const struct signed_records *records);
uint64_t signed_records_bytes(const struct signed_records *records);

#endif
