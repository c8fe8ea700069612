/*
 * What the files of the ledger share: the tables, the records, the ledger itself.
 */
#ifndef INGOT_NODE_LEDGER_INTERNAL_H
#define INGOT_NODE_LEDGER_INTERNAL_H

#include "node/ledger.h"
#include "node/ledger_evidence.h"
#include "node/ledger_runs.h"
#include "node/ledger_transfer.h"
#include "node/seal.h"

/* storage/FORMAT.md describes keys and values of each. */
enum ledger_table {
    LEDGER_META,         /* name -> sealed record */
    LEDGER_BLOCKS,       /* height, hash -> block and execution; uncommitted ones too */
    LEDGER_CHAIN,        /* height -> hash of the committed block */
    LEDGER_STATE,        /* the App's keys, as of applied_height */
    LEDGER_SETS,         /* epoch -> sealed validator set */
    LEDGER_TRANSACTIONS, /* SHA-256 -> height and index; what is in LEDGER_UNINDEXED may miss */
    LEDGER_UNINDEXED,    /* height -> SHA-256 of the block's transactions, one after the other */
    LEDGER_ATTEST,       /* the attestor's keys -> sealed records */
    LEDGER_EVIDENCE      /* epoch, view, validator -> sealed evidence */
};
#define LEDGER_TABLE_COUNT 9

#define LEDGER_SCHEMA_VERSION 6
/* A program of that time does not know of executions that are packed; we know those that are not.
 */
#define LEDGER_SCHEMA_VERSION_BEFORE_PACKING 5
/* Nor one of that time that a journal may hold the last records. */
#define LEDGER_SCHEMA_VERSION_BEFORE_JOURNALS 4
#define LEDGER_KEY_SCHEMA "schema"
#define LEDGER_KEY_CHAIN "chain"
#define LEDGER_KEY_HEIGHTS "heights"
#define LEDGER_KEY_SAFETY "safety"
#define LEDGER_KEY_INDEX "index"
#define LEDGER_KEY_EVIDENCE "evidence" /* ledger_evidence.c */
#define LEDGER_KEY_WITHHELD "withheld" /* ledger_watermark.c */

/* Where an error is explained. */
struct ledger_why {
    char *text;
    size_t size;
};

/* Writes the sentence and returns the error. */
enum ingot_error ledger_fail(struct ledger_why why, enum ingot_error error, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* A committed block whose updates are not in the state table yet. */
struct ledger_unapplied {
    uint64_t height;
    struct execution *execution; /* owned reference */
    struct block *block;         /* owned reference, only between open and load; or NULL */
    size_t bytes;                /* what it weighs against apply_bytes_max */
    uint32_t next; /* the first of its updates behind where the sweep stands; or their number */
    uint32_t left; /* so many are not in the table yet: from `next` on, around */
};

struct ledger_unapplied_list {
    struct ledger_unapplied *items; /* consecutive heights */
    uint32_t count;
    uint32_t capacity;
    size_t bytes;
};

/* Committed blocks on their way into the state; see ledger_apply.c. */
struct ledger_sweep {
    struct ingot_buffer at; /* the last key that it has passed; empty: it is before all keys */
    uint64_t due;           /* updates that it should have put since it last did, in 1024ths */
};

/* Transactions of committed blocks on their way into the index; see ledger_index.c. */
struct ledger_index {
    uint64_t height;          /* all entries up to it are in the table */
    uint64_t draining_height; /* of the last block of what drains; 0: nothing does */
    uint8_t drained[32];      /* up to it in the order of hashes it is in the table */
    struct ledger_runs draining;
    struct ledger_runs fresh;      /* durable, above what drains */
    struct ledger_indexed *coming; /* of the blocks that the open batch commits */
    size_t coming_count;
    size_t coming_capacity;
    bool is_clear; /* there is no record up to `height` */
};

struct ledger_leaving;

/* Old blocks on their way out: a group of them; see ledger_prune.c. */
struct ledger_prune {
    struct ledger_leaving *blocks; /* consecutive heights from the lowest on */
    uint32_t block_count;
    uint32_t blocks_done;
    struct ledger_indexed *indexed; /* their transactions; ordered once the group is whole */
    size_t indexed_count;
    size_t indexed_capacity;
    size_t indexed_done;
    bool is_whole;   /* it takes in no more, and leaves */
    bool has_failed; /* an old block does not read back: nothing leaves until the next start */
};

/* All that is kept, in the order in which it was recorded; see ledger_evidence.c. */
struct ledger_evidence {
    struct ingot_evidence *items;
    uint32_t count;
    uint32_t capacity;
    uint32_t durable_count;
    uint32_t shown_count; /* to the App; of the durable ones */
};

struct ledger_heights {
    uint64_t committed;
    uint64_t applied; /* on the disk: settled */
    uint64_t lowest;
};

/*
 * The state table is lazy: a start puts again what a crash has taken out of it. So the applied
 * height on the disk, and what blocks may leave, follow what has settled; see ledger_apply.c.
 */
struct ledger_settling {
    uint64_t height;  /* the state of all blocks up to it is durable; at most the applied height */
    uint64_t batch;   /* once the store has settled this one it is `applied`; 0: nothing waits */
    uint64_t applied; /* the applied height after that batch */
};

struct ledger {
    struct ingot_store *store;
    struct ingot_hash chain;
    bool index_transactions;
    uint32_t apply_blocks_max;
    size_t apply_bytes_max;
    uint32_t apply_puts_min;
    uint32_t index_entries_max;
    uint32_t index_puts_min;
    uint64_t retain_blocks;
    uint32_t prune_blocks_min;
    uint64_t held_from; /* ledger_hold_blocks */
    bool has_index;     /* the index may have something: it is kept, or was in an earlier run */

    struct ledger_sweep sweep;
    struct ledger_settling settling;
    struct ledger_index index;
    struct ledger_prune prune;
    struct ledger_evidence evidence;
    struct ledger_heights heights; /* of what is visible and, but for lazy tables, durable */
    struct ledger_unapplied_list unapplied; /* durable */

    struct ingot_store_batch *batch; /* NULL: nothing to make durable */
    uint64_t batch_number;           /* of the open batch, or of the next one; from 1 on */
    uint64_t batch_committed;        /* the committed height once the batch is durable */
    size_t batch_block_bytes;        /* of the blocks that it commits */
    struct ledger_unapplied_list batch_unapplied;
    struct ingot_buffer batch_safety; /* the last record given, sealed; empty: none */
    struct ingot_buffer entry;        /* scratch: a block on its way into the batch */

    struct ingot_store_snapshot *snapshot; /* of what is durable; NULL: begun when needed */
    uint32_t cursors_open;
};

/* --- ledger.c --- */

/* The batch that the next ledger_sync makes durable; begun when there is none. */
struct ingot_store_batch *ledger_open_batch(struct ledger *ledger);
/* Single records, into that batch. */
void ledger_store_sealed(struct ledger *ledger, enum ledger_table table, struct ingot_slice key,
                         struct ingot_slice content);
void ledger_store_schema(struct ledger *ledger);
void ledger_store_meta(struct ledger *ledger, const char *name, const struct ingot_buffer *content);
void ledger_store_heights(struct ledger *ledger, const struct ledger_heights *heights);
void ledger_store_entry(struct ledger *ledger, const struct block *block,
                        const struct execution *execution);
void ledger_store_chain(struct ledger *ledger, const struct block *block);
void ledger_store_set(struct ledger *ledger, const struct validator_set *set);

/* --- ledger_record.c: bytes of records. --- */

#define LEDGER_HEIGHT_KEY_BYTES 8
#define LEDGER_BLOCK_KEY_BYTES (8 + INGOT_HASH_BYTES)

void ledger_height_key(uint64_t height, uint8_t key[LEDGER_HEIGHT_KEY_BYTES]);
/* Of a key that begins with one. */
uint64_t ledger_height_of_key(struct ingot_slice key);
void ledger_block_key(uint64_t height, const struct ingot_hash *hash,
                      uint8_t key[LEDGER_BLOCK_KEY_BYTES]);

void ledger_encode_safety(const struct core_safety *safety, struct ingot_buffer *content);
/* The safety's references are the caller's. */
bool ledger_decode_safety(struct ingot_slice content, struct core_safety *safety);

void ledger_encode_heights(const struct ledger_heights *heights, struct ingot_buffer *content);
bool ledger_decode_heights(struct ingot_slice content, struct ledger_heights *heights);

/* A length and so many bytes; the length is filled in once they are there. */
size_t ledger_part_begin(struct ingot_buffer *content);
void ledger_part_end(struct ingot_buffer *content, size_t begin);
bool ledger_take_part(struct ingot_slice *rest, struct ingot_slice *part);

/* --- ledger_entry.c: bytes of a block's record. --- */

/*
 * As ledger_encode_entry, with values that stand in the block's transactions stored as their places
 * there, as far as the execution knows which transaction they are of.
 */
void ledger_pack_entry(const struct block *block, const struct execution *execution,
                       struct ingot_buffer *value);
/*
 * As ledger_decode_value, for a record of the store: it may be packed, and its key must be the one
 * that belongs to it.
 */
const char *ledger_decode_entry(const struct ingot_hash *chain, struct ingot_slice key,
                                struct ingot_slice value, struct ledger_entry *entry);

/* The block's own bytes inside a stored value, as wire_encode_block made them. Borrowed. */
bool ledger_entry_block_bytes(struct ingot_slice value, struct ingot_slice *bytes);

/* --- ledger_start.c: what a start reads. --- */

struct ingot_store_snapshot *ledger_snapshot(struct ledger *ledger, enum ingot_error *error);
/* A sealed record of the meta table. */
enum ingot_error ledger_read_meta(struct ledger *ledger, const char *name,
                                  struct ingot_slice *content, struct ledger_why why);
/* As ledger_read_block, with a sentence. */
enum ingot_error ledger_read_entry(struct ledger *ledger, uint64_t height,
                                   struct ledger_entry *entry, struct ledger_why why);
enum ingot_error ledger_read_unapplied(struct ledger *ledger, struct ledger_why why);

/* --- ledger_apply.c: committed blocks on their way into the state. --- */

/* The block comes in where the sweep stands. */
void ledger_unapplied_add(struct ledger_unapplied_list *list, const struct ledger_sweep *sweep,
                          uint64_t height, struct execution *execution);
/* Moves all of `from` behind those of `to`. */
void ledger_unapplied_move(struct ledger_unapplied_list *to, struct ledger_unapplied_list *from);
/* Forgets the first items, up to a height. */
void ledger_unapplied_drop(struct ledger_unapplied_list *list, uint64_t height);
/*
 * Puts the updates that are due into the open batch. Returns the height that is applied once the
 * batch is durable.
 */
uint64_t ledger_apply(struct ledger *ledger);
/* What has settled meanwhile; before a batch that commits something is put together. */
void ledger_look_at_settled(struct ledger *ledger);
/* The applied height that such a batch makes durable, where it is this for who reads from now on.
 */
uint64_t ledger_durable_applied(const struct ledger *ledger, uint64_t applied);
/* The batch is committed, with the applied height in `heights`. */
void ledger_begin_settling(struct ledger *ledger);

/* --- ledger_index.c: their transactions on the way into the index. --- */

/* Where the index stands: a record, into the open batch. */
void ledger_store_index_place(struct ledger *ledger);
/* Into the open batch, which commits the block: the record of its transactions. */
void ledger_index_block(struct ledger *ledger, const struct block *block);
/*
 * Puts a part of what is to be in the table into the open batch, which commits something, if it is
 * time or has begun.
 */
void ledger_index_drain(struct ledger *ledger);
/* The open batch is durable: what it committed is found from now on. */
void ledger_index_synced(struct ledger *ledger);
/* What a start needs: where the index stands, and, if it is kept, what is not in the table. */
INGOT_MUST_USE enum ingot_error ledger_index_read(struct ledger *ledger, struct ledger_why why);
/*
 * The entry of a block on its way out leaves what is in memory. Returns whether it may be in the
 * table.
 */
bool ledger_index_forget(struct ledger *ledger, const uint8_t sha256[32], uint64_t height);
void ledger_index_deinit(struct ledger_index *index);

/* --- ledger_evidence.c --- */

/* How much the App has been shown: a record, into the open batch. */
void ledger_store_evidence_place(struct ledger *ledger);
/* The open batch is durable. */
void ledger_evidence_synced(struct ledger *ledger);
INGOT_MUST_USE enum ingot_error ledger_read_evidence(struct ledger *ledger, struct ledger_why why);

/* --- ledger_prune.c: old blocks on their way out. --- */

/*
 * Puts a part of what is to leave into the open batch, which commits something, before what
 * ledger_index_drain puts there: a transaction that is committed again has its entry of the index
 * replaced, not deleted. Returns the lowest height once the batch is durable.
 */
uint64_t ledger_prune(struct ledger *ledger);
void ledger_prune_deinit(struct ledger_prune *prune);
/* Is there anything in the transaction index? */
INGOT_MUST_USE enum ingot_error ledger_find_index(struct ledger *ledger, bool *has_index);

#endif
