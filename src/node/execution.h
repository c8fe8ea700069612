/*
 * What executing one block does: a result for each transaction, updates of the state, updates of
 * the validator set. Immutable once finished and counted by reference. The updates hash in the
 * block's header covers all of it but the logs.
 *
 * This is a value; running the App to make one is executor.h.
 */
#ifndef INGOT_NODE_EXECUTION_H
#define INGOT_NODE_EXECUTION_H

#include <ingot/app.h>

#include "core/types.h"

/* One key of the state, changed. Slices point into the execution that it is of. */
struct state_update {
    struct ingot_slice key;
    struct ingot_slice value;
    bool is_delete;
};

struct execution {
    uint32_t references;
    struct ingot_hash updates_hash;
    uint32_t result_count; /* one for each transaction of the block, in order */
    /* For execution_result. NULL: all are plain, of code 0 without data or log. So most blocks of
     * most Apps are, and 40 bytes for each transaction would be kept for nothing. */
    struct ingot_result *results;
    uint32_t update_count;   /* ordered by key, each key once: the last word counts */
    uint32_t *update_places; /* of their encodings in `bytes`, for execution_update */
    /* Owned; of each update the place in the block of the transaction that made it, if the one that
     * executed it noted that; else NULL. A hint for whoever stores both. */
    uint32_t *update_sources;
    uint32_t validator_update_count; /* ordered by key, each key once */
    struct ingot_validator *validator_updates;
    struct ingot_buffer bytes; /* the canonical encoding; what is given out points into it */
};

/*
 * Makes an execution of its parts; bytes are copied. `results` may be NULL: all are plain. Updates
 * are ordered by key, each key once, and so are validator updates; a deletion has no value.
 */
struct execution *execution_new(const struct ingot_result *results, uint32_t result_count,
                                const struct state_update *updates, uint32_t update_count,
                                const struct ingot_validator *validator_updates,
                                uint32_t validator_update_count);
struct execution *execution_ref(struct execution *execution);
void execution_unref(struct execution *execution);
/* What the transaction of this index came to. Borrowed. */
const struct ingot_result *execution_result(const struct execution *execution, uint32_t index);
/* The update of this index. Its slices are borrowed. */
struct state_update execution_update(const struct execution *execution, uint32_t index);
/* What it takes in memory. */
size_t execution_size_bytes(const struct execution *execution);

/* The canonical encoding, as stored beside the block. Borrowed. */
struct ingot_slice execution_encoded(const struct execution *execution);
/* Reads an encoding back; copies it. NULL when it is damaged. */
struct execution *execution_decode(struct ingot_slice encoded);
/* The same without the copy: takes over the bytes, in any case. */
struct execution *execution_of_bytes(struct ingot_buffer bytes);
#endif
