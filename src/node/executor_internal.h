/*
 * What the parts of the executor share: the record of an executed block, the index over the updates
 * of unapplied blocks (executor_overlay.c), the index over the transactions of recent blocks
 * (executor_replay.c), an execution in the making (executor_builder.c), and the state as an App
 * sees it (executor_snapshot.c), and the validator set in the making (executor_members.c).
 * executor.c keeps the records, executor_restore.c brings them back after a restart, executor_run.c
 * runs the App.
 *
 * Both indices hold all branches at once. What belongs to the branch of a block is told by its
 * ancestry: committed blocks are on every branch that can still grow, and the few uncommitted
 * ancestors are marked by walking to the last committed block.
 */
#ifndef INGOT_NODE_EXECUTOR_INTERNAL_H
#define INGOT_NODE_EXECUTOR_INTERNAL_H

#include "base/mutant.h"
#include "node/executor.h"
#include "wire/crypto.h"

struct version;

/*
 * What the replay window keeps of a digest. Whoever wants two transactions that it takes for one
 * has to find a collision of 128 bits, of transactions of its own, and all validators see it alike.
 */
struct replay_tag {
    uint8_t bytes[16];
};

/*
 * An executed block. It lives as long as its updates are not in the ledger's state or its
 * transactions are in the replay window.
 */
struct executed {
    struct ingot_hash hash;
    struct ingot_hash parent;
    uint64_t height;
    uint64_t time_ms;
    bool is_committed;
    uint64_t mark; /* of the latest ancestry it was found in */

    struct execution *execution; /* owned reference; NULL for genesis and once applied */
    struct validator_set
        *next_set;               /* owned reference: the one it opens; NULL: it changes nothing */
    struct version *versions;    /* in the overlay, one for each update; or NULL */
    struct executed *layer_next; /* in the overlay's list */
    struct executed *layer_previous;

    uint64_t first; /* how many transactions its branch holds before it; only differences count */
    uint32_t transaction_count;
    uint32_t tag_count;
    uint32_t tag_capacity;
    struct replay_tag *tags; /* of its transactions in order, while they are in the window */
    uint32_t replay_id;      /* names it in the replay index; 0: it is not there */

    struct executed *next_in_bucket;
    struct executed *next_committed; /* the next higher one */
};

#define MARK_NONE UINT64_MAX

/* The branch that ends in a block's parent, and how far back a repeated transaction counts. */
struct ancestry {
    uint64_t mark;
    uint64_t height_min;
    uint64_t first_min;
};

static inline bool executed_counts(const struct executed *block, uint64_t mark)
{
    return block->is_committed || (block->mark == mark && !MUTANT(BRANCH_UNSEEN));
}

/* Keys are chosen by clients, so they are hashed with a secret. */
struct key_hasher {
    uint8_t secret[16];
};

uint64_t key_hash(const struct key_hasher *hasher, struct ingot_slice key);

/* --- executor_overlay.c: key -> its versions in unapplied blocks, the highest block first. --- */

struct overlay_slot;

struct overlay {
    struct overlay_slot *slots;
    uint32_t slot_count; /* a power of two */
    uint32_t key_count;
    struct executed *layers; /* all blocks with updates */
};

void overlay_init(struct overlay *overlay);
void overlay_deinit(struct overlay *overlay);
/* `hashes` are those of the execution's keys, in order. */
void overlay_add(struct overlay *overlay, struct executed *block, const uint64_t *hashes);
/* Nothing if the block has no updates in it. */
void overlay_remove(struct overlay *overlay, struct executed *block);
/* The newest version on a branch, or false. */
bool overlay_find(const struct overlay *overlay, uint64_t hash, struct ingot_slice key,
                  uint64_t mark, struct state_update *update);

/* --- executor_replay.c: digest -> the recent blocks it is in. --- */

struct replay_index {
    uint64_t *slots;
    uint32_t slot_bits;
    uint32_t used;
    struct executed **blocks; /* by replay_id */
    uint32_t *free_ids;
    uint32_t block_capacity;
    uint32_t free_count;
    uint64_t secret;
};

void replay_init(struct replay_index *index);
void replay_deinit(struct replay_index *index);
/* Makes room for the tags of a block, and gives it a name. */
void replay_begin(struct replay_index *index, struct executed *block, uint32_t tag_capacity);
/*
 * Adds the block's next transaction. False, and no change, when it repeats one of the ancestry,
 * which includes the block itself if that is marked. NULL: no check.
 */
bool replay_add(struct replay_index *index, const struct ancestry *ancestry, struct executed *block,
                const struct ingot_hash *digest);
/* Gives back the room that was not needed. */
void replay_trim(struct executed *block);
/* A digest will be looked for, or added, soon. */
void replay_expect(const struct replay_index *index, const struct ingot_hash *digest);
bool replay_has(const struct replay_index *index, const struct ancestry *ancestry,
                const struct ingot_hash *digest);
/* Takes out all of a block's transactions and frees their tags. */
void replay_remove(struct replay_index *index, struct executed *block);

/* --- executor_members.c: a validator set in the making. --- */

struct members {
    uint32_t count;
    struct ingot_validator list[INGOT_VALIDATORS_MAX]; /* ordered by key */
};

/* Every old member leaves, and as many others come. */
#define MEMBERS_UPDATES_MAX (2 * INGOT_VALIDATORS_MAX)

void members_begin(struct members *members, const struct validator_set *set);
/* All changes or, with an error as ingot_execution_set_validators, none. */
enum ingot_error members_change(struct members *members, const struct crypto_scheme *scheme,
                                const struct ingot_validator *changes, uint32_t change_count);
/* What makes them of a set, ordered by key: nothing of what stays as it is. Returns the count. */
uint32_t members_updates(const struct members *members, const struct validator_set *set,
                         struct ingot_validator updates[MEMBERS_UPDATES_MAX]);
/*
 * Them as the set of the epoch after that of `set`, sealed, opened by a block of `block_view`. The
 * caller owns the reference.
 */
struct validator_set *members_set_after(const struct members *members,
                                        const struct validator_set *set, uint64_t block_view);

/* --- executor_builder.c: `struct ingot_execution`, filled by the App. --- */

struct builder_chunk;
struct builder_update;

/* Takes a candidate into the block; errors as ingot_execution_include. */
typedef enum ingot_error builder_choose(void *context, uint32_t index);

struct ingot_execution {
    const struct key_hasher *hasher;
    builder_choose *choose; /* NULL while validating */
    void *context;
    uint32_t result_count_max;
    uint32_t result_count;
    uint32_t result_capacity;
    size_t result_bytes;
    bool is_overfull; /* validating: the App gave more, or larger, results than a block may have */
    struct ingot_result *results;

    struct builder_update *updates; /* each key once */
    uint32_t update_count;
    uint32_t update_capacity;
    uint32_t *slots; /* index + 1 of an update, by its key's hash; 0 is empty */
    uint32_t slot_count;

    const struct crypto_scheme *scheme;
    const struct validator_set *set; /* that the block belongs to; borrowed */
    struct members members;          /* `set` as the App has changed it so far */

    struct builder_chunk *chunks; /* what slices given to the App point into: never moves */
    struct builder_chunk *spare;  /* for the next blocks */
    uint32_t spare_count;
};

void builder_init(struct ingot_execution *builder, const struct key_hasher *hasher,
                  const struct crypto_scheme *scheme);
void builder_deinit(struct ingot_execution *builder);
/* Empties it for the next block, one of this set. */
void builder_begin(struct ingot_execution *builder, const struct validator_set *set,
                   uint32_t result_count_max, builder_choose *choose, void *context);
/* The update of a key so far, or false. */
bool builder_find(const struct ingot_execution *builder, uint64_t hash, struct ingot_slice key,
                  struct state_update *update);
/* The updates so far of keys in [first, end), ordered; free() them. The slices are the builder's.
 */
struct state_update *builder_range(const struct ingot_execution *builder, struct ingot_slice first,
                                   struct ingot_slice end, uint32_t *count);
/*
 * Makes the execution of a block of `block_view`, the hashes of its keys in order (free() them),
 * and where the App changed the block's set the next one, an owned reference; else NULL.
 */
struct execution *builder_finish(const struct ingot_execution *builder, uint64_t block_view,
                                 uint64_t **hashes, struct validator_set **next_set);

/* --- executor_snapshot.c --- */

struct ingot_snapshot {
    struct ledger *ledger;
    const struct overlay *overlay;
    const struct key_hasher *hasher;
    const struct crypto_scheme *scheme;
    const struct ingot_execution *building; /* or NULL */
    const struct validator_set *set;        /* of the block, or of the next one */
    uint64_t mark;
    uint64_t height;
    enum ingot_error error; /* the first that the store gave, whatever the App made of it */
};

/* --- executor.c, for executor_run.c and executor_restore.c --- */

struct executor {
    struct executor_options options;
    struct key_hasher hasher;
    struct overlay overlay;
    struct replay_index replay;
    struct ingot_execution builder;
    struct validator_set *set; /* of the last committed block's children; NULL before the restore */

    struct executed **buckets; /* by block hash */
    uint32_t bucket_count;
    uint32_t executed_count;
    struct executed *oldest;    /* of the committed ones, in order of height */
    struct executed *window;    /* the lowest committed block of the replay window */
    struct executed *unapplied; /* the lowest committed block above the applied height, or NULL */
    struct executed *last;      /* the last committed block */
    struct executed **uncommitted;
    uint32_t uncommitted_count;
    uint32_t uncommitted_capacity;

    uint64_t mark;   /* the latest one given out */
    bool has_branch; /* `branch` is that of `branch_parent`, and marked */
    struct ingot_hash branch_parent;
    struct ancestry branch;

    bool has_differed; /* `differing` is a block whose updates hash is not what we found */
    struct ingot_hash differing;
    struct ingot_hash differing_updates;

    struct ingot_slice *transactions; /* room for the block at work */
    struct ingot_hash *digests;
    uint32_t transaction_capacity;
};

struct executed *executor_find_block(const struct executor *executor,
                                     const struct ingot_hash *hash);
/* A record for a block that is about to be executed; not findable yet. */
struct executed *executor_new_block(const struct block *block, const struct executed *parent);
/* Takes over the record and the execution: from now on they are found under the block's hash. */
void executor_keep_block(struct executor *executor, struct executed *block,
                         struct execution *execution, const uint64_t *hashes);
/* Makes a record findable. */
void executor_link_block(struct executor *executor, struct executed *block);
/* Frees a record that is not findable. */
void executor_drop_block(struct executor *executor, struct executed *block);
/*
 * Marks the branch that ends in `parent`. False when it does not extend the last committed block:
 * nothing on it can be committed any more.
 */
bool executor_mark_branch(struct executor *executor, struct executed *parent,
                          struct ancestry *ancestry);
struct ancestry executor_window_of_child(const struct executor *executor,
                                         const struct executed *parent, uint64_t mark);
struct ingot_snapshot executor_snapshot(struct executor *executor, uint64_t mark, uint64_t height);

#endif
