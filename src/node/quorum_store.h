/*
 * What a node that runs quorum broadcast keeps in its store: which payload it has signed for each
 * round, for ever, and where in the signatures file the records are. What is asked for is looked up
 * by its key; nothing is read through, at a start neither. The bytes are in storage/FORMAT.md.
 */
#ifndef INGOT_NODE_QUORUM_STORE_H
#define INGOT_NODE_QUORUM_STORE_H

#include <ingot/store.h>

#include "attest/statement.h"
#include "broadcast/message.h"

/* For whoever opens the store. */
#define QUORUM_STORE_TABLE_COUNT 3
extern const char *const quorum_store_tables[QUORUM_STORE_TABLE_COUNT];

/* A line of the signatures file, and where it is. */
struct quorum_record {
    struct statement_id id;
    uint8_t digest[32];
    uint64_t at;   /* its first byte */
    uint32_t size; /* without the line break */
};

struct quorum_store;

/*
 * Takes over a store; the first sync makes one of an empty one. It is borrowed for as long as this
 * lives.
 *
 * Returns INGOT_OK; INGOT_ERROR_INVALID (of another chain, or not of quorum broadcast),
 * INGOT_ERROR_VERSION, INGOT_ERROR_CORRUPT, or an error of the store; with a sentence in `why`.
 */
INGOT_MUST_USE enum ingot_error quorum_store_open(struct ingot_store *store,
                                                  const struct ingot_hash *chain,
                                                  struct quorum_store **opened, char *why,
                                                  size_t why_size);
/* What has not been synced is lost. NULL is fine. */
void quorum_store_close(struct quorum_store *store);

/* There is nothing in it, and there has been no sync yet. */
bool quorum_store_is_new(const struct quorum_store *store);

/*
 * Which payload we have signed for a round, synced or not. INGOT_OK; INGOT_ERROR_NOT_FOUND: none;
 * INGOT_ERROR_CORRUPT, _IO or _FULL.
 */
INGOT_MUST_USE enum ingot_error quorum_store_find_choice(struct quorum_store *store,
                                                         uint32_t originator,
                                                         const struct broadcast_id *id,
                                                         struct broadcast_digest *digest);
/* There is no choice for this round yet. It is durable after the next sync. */
void quorum_store_choose(struct quorum_store *store, uint32_t originator,
                         const struct broadcast_id *id, const struct broadcast_digest *digest);

/*
 * Fills in the record of `record->id` and, unless `digest` is NULL, of this digest; else the first
 * one of the id. Only what is synced is found. Errors as in quorum_store_find_choice.
 */
INGOT_MUST_USE enum ingot_error quorum_store_find_record(struct quorum_store *store,
                                                         const uint8_t *digest,
                                                         struct quorum_record *record);
/* A line that is durable in the file, behind all others. It is found after the next sync. */
void quorum_store_add_record(struct quorum_store *store, const struct quorum_record *record);

/* Of the file: what the records take up, and how many there are. */
uint64_t quorum_store_file_size(const struct quorum_store *store);
uint64_t quorum_store_record_count(const struct quorum_store *store);

/*
 * Makes all that was chosen and added durable, with one commit, if there is anything or it is new.
 *
 * Returns INGOT_OK; INGOT_ERROR_NO_SPACE: it is kept, and a later call tries again;
 * INGOT_ERROR_UNKNOWN_OUTCOME: the process must stop.
 */
INGOT_MUST_USE enum ingot_error quorum_store_sync(struct quorum_store *store);

#endif
