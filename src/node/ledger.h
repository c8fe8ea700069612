/*
 * The durable chain: blocks with what executing them does, the state, the safety record, the
 * validator sets and the transaction index, in tables of an ingot_store (storage/FORMAT.md).
 *
 * Changes gather in one batch; ledger_sync makes them durable together. The ledger neither
 * executes nor judges: it keeps what it is told and hands it back unchanged, or says what is
 * damaged.
 *
 * The state tables may lag behind the committed height: the updates of committed blocks stay with
 * their blocks and go into the tables in key order, some in each transaction; `applied_height`
 * moves to a block when the last of its updates is there. Until then a key may already have its
 * value of a later committed block. The caller overlays committed blocks above applied_height on
 * what it reads here, and these have all such keys, so it never sees the difference.
 *
 * The transaction index lags too, further; what is missing in its table is in memory, so nobody
 * sees that either.
 */
#ifndef INGOT_NODE_LEDGER_H
#define INGOT_NODE_LEDGER_H

#include <ingot/store.h>

#include "core/core.h"
#include "node/execution.h"

struct ledger;

/* The tables, in the order that ledger_open expects. */
extern const char *const ledger_tables[];
extern const uint32_t ledger_table_count;
/* Of these a start makes the content again (ingot_store_is_settled): bit i is for table i. */
extern const uint32_t ledger_lazy_tables;

struct ledger_options {
    struct block *genesis; /* borrowed; its hash names the chain */
    struct validator_set *genesis_set;
    bool index_transactions;    /* keep transaction hash -> (height, index) */
    uint32_t apply_blocks_max;  /* so many blocks, or a few more, wait to be applied; 0: 1,024 */
    size_t apply_bytes_max;     /* or so many bytes of updates; 0: 24 MiB */
    uint32_t apply_puts_min;    /* in one transaction at least so many keys, or none; 0: 1024 */
    uint32_t index_entries_max; /* they wait for the index until they are so many; 0: 524,288 */
    uint32_t index_puts_min;    /* then at least so many go in with each commit; 0: 64 */
    bool read_only;             /* nothing is put; all that is read is of one moment */
    /*
     * Keep so many committed blocks, and what is unapplied; older ones leave in groups. 0: all. The
     * caller makes sure that the replay window is among them.
     */
    uint64_t retain_blocks;
    uint32_t prune_blocks_min; /* in a group at least; 0: 64 */
};

/*
 * Takes over a store: an empty one is given the genesis state (durable when this returns), any
 * other is checked against the schema version and the chain. The store stays the caller's.
 *
 * Returns INGOT_OK; INGOT_ERROR_NOT_FOUND (empty, and read_only); INGOT_ERROR_VERSION,
 * INGOT_ERROR_CORRUPT, INGOT_ERROR_INVALID (another chain), or the store's error, with a sentence
 * in `why`.
 */
INGOT_MUST_USE enum ingot_error ledger_open(struct ingot_store *store,
                                            const struct ledger_options *options,
                                            struct ledger **ledger, char *why, size_t why_size);
void ledger_free(struct ledger *ledger);

/* A block with its execution (NULL for genesis). Owned references. */
struct ledger_entry {
    struct block *block;
    struct execution *execution;
};

/* Everything a restart needs; its size depends on what is uncommitted and unapplied alone. */
struct ledger_start {
    struct core_safety safety;
    struct ledger_entry last_committed;
    uint64_t applied_height;
    struct ledger_entry *unapplied; /* committed, above applied_height, in order of height */
    uint32_t unapplied_count;
    struct ledger_entry *uncommitted; /* above the last committed, each after its parent */
    uint32_t uncommitted_count;
    struct validator_set **sets; /* of all epochs so far; the last is the next block's */
    uint32_t set_count;
};

/* Errors as ledger_open. `*start` is filled on INGOT_OK only. */
INGOT_MUST_USE enum ingot_error ledger_load(struct ledger *ledger, struct ledger_start *start,
                                            char *why, size_t why_size);
void ledger_start_deinit(struct ledger_start *start);

/* Into the open batch, in order. Blocks and executions are kept by reference where that helps. */
void ledger_put_block(struct ledger *ledger, struct block *block, struct execution *execution);
void ledger_put_safety(struct ledger *ledger, const struct core_safety *safety);
/*
 * The next committed block: its height is the committed height plus one, and it was put before.
 * `next_set` is the one that it opens, which is stored with it; NULL when it changes nothing.
 */
void ledger_commit_block(struct ledger *ledger, struct block *block, struct execution *execution,
                         const struct validator_set *next_set);
/* An uncommitted block that will never be committed. */
void ledger_delete_block(struct ledger *ledger, const struct block *block);
/* Is there anything in the open batch? */
bool ledger_has_changes(const struct ledger *ledger);

/* The open batch, if there is one, is a part of a chain that is being fetched: bulk, for the store.
 */
void ledger_set_bulk(struct ledger *ledger);

/*
 * Makes the open batch durable, applying a part of the state where it is time. Returns INGOT_OK
 * (also when there was nothing), INGOT_ERROR_NO_SPACE or INGOT_ERROR_UNKNOWN_OUTCOME as
 * ingot_store_batch_commit; after an error the process must stop.
 */
INGOT_MUST_USE enum ingot_error ledger_sync(struct ledger *ledger);

/* As of the last ledger_sync. */
uint64_t ledger_committed_height(const struct ledger *ledger);
uint64_t ledger_applied_height(const struct ledger *ledger);
/* From it on every committed block is there. */
uint64_t ledger_lowest_height(const struct ledger *ledger);

/*
 * A committed block by height. INGOT_ERROR_NOT_FOUND, also when it was pruned; _IO, _CORRUPT. Below
 * the lowest height there are still genesis, the blocks that changed the validator set, and their
 * first children. References for the caller.
 */
INGOT_MUST_USE enum ingot_error ledger_read_block(struct ledger *ledger, uint64_t height,
                                                  struct ledger_entry *entry);
void ledger_entry_deinit(struct ledger_entry *entry);

/*
 * Committed blocks as they are stored, for whoever passes them on, as of the last ledger_sync. Not
 * checked: whoever gets them checks their hashes. It holds a snapshot of the store, so it is to be
 * ended soon. INGOT_OK, INGOT_ERROR_FULL or _IO.
 */
struct ledger_reader;
INGOT_MUST_USE enum ingot_error ledger_reader_begin(struct ledger *ledger,
                                                    struct ledger_reader **reader);
/* NULL is fine. */
void ledger_reader_end(struct ledger_reader *reader);
uint64_t ledger_reader_committed_height(const struct ledger_reader *reader);
uint64_t ledger_reader_lowest_height(const struct ledger_reader *reader);
/* INGOT_OK, INGOT_ERROR_NOT_FOUND (not committed, or pruned), _IO, _CORRUPT. */
INGOT_MUST_USE enum ingot_error ledger_reader_hash(struct ledger_reader *reader, uint64_t height,
                                                   struct ingot_hash *hash);
/* The bytes of wire_encode_block, borrowed until the reader ends. Errors as above. */
INGOT_MUST_USE enum ingot_error ledger_reader_block(struct ledger_reader *reader, uint64_t height,
                                                    struct ingot_slice *bytes);

/* Where a transaction was committed, by its SHA-256 (the hash clients know). */
struct ledger_location {
    uint64_t height;
    uint32_t index;
};
INGOT_MUST_USE enum ingot_error ledger_find_transaction(struct ledger *ledger,
                                                        const uint8_t sha256[32],
                                                        struct ledger_location *location);

/*
 * A read snapshot of the applied state, for executing and for queries. Kept open between calls
 * and renewed after ledger_sync; `value` is borrowed until the next ledger_sync.
 */
INGOT_MUST_USE enum ingot_error ledger_state_get(struct ledger *ledger, struct ingot_slice key,
                                                 struct ingot_slice *value);

/* Ordered iteration over the applied state from the first key at or after `first`. */
struct ledger_state_cursor;
INGOT_MUST_USE enum ingot_error ledger_state_seek(struct ledger *ledger, struct ingot_slice first,
                                                  struct ledger_state_cursor **cursor);
/* False at the end. The item is borrowed until the next step; check the error afterwards. */
bool ledger_state_next(struct ledger_state_cursor *cursor, struct ingot_slice *key,
                       struct ingot_slice *value);
enum ingot_error ledger_state_error(const struct ledger_state_cursor *cursor);
void ledger_state_cursor_free(struct ledger_state_cursor *cursor);

#endif
