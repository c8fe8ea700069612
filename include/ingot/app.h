/**
 * The App: what a transaction means.
 *
 * An App is a struct of functions. `propose_block` and `validate_block` are deterministic
 * functions of their request and of the state it names: the committed state overlaid with the
 * updates of the block's uncommitted ancestors. Two validators that execute one block must
 * produce the same results and updates, byte for byte; the block's hash covers them.
 *
 * All functions are called on the node's thread and must not block. Slices in requests are
 * borrowed for the length of the call.
 */
#ifndef INGOT_APP_H
#define INGOT_APP_H

#include <ingot/types.h>

#ifdef __cplusplus
extern "C" {
#endif

/** Outcome of one transaction. `data` and `log` may be empty. code 0 means success. */
struct ingot_result {
    uint32_t code;
    struct ingot_slice data; /* up to INGOT_RESULT_DATA_BYTES_MAX */
    struct ingot_slice log;  /* UTF-8; what exceeds INGOT_RESULT_LOG_BYTES_MAX is cut */
};

/** The state a block is executed on, and a query reads. Valid for the length of the call. */
struct ingot_snapshot;

/**
 * Reads a key.
 *
 * @value  on INGOT_OK the value, borrowed until the call into the App returns.
 * Returns INGOT_OK, INGOT_ERROR_NOT_FOUND, or INGOT_ERROR_IO / INGOT_ERROR_CORRUPT of the store
 * (the App returns those to its caller unchanged).
 */
INGOT_API INGOT_MUST_USE enum ingot_error ingot_snapshot_get(struct ingot_snapshot *snapshot,
                                                             struct ingot_slice key,
                                                             struct ingot_slice *value);

/** One step of an iteration: false ends it. `key` and `value` are borrowed for this step. */
typedef bool ingot_snapshot_visit(void *context, struct ingot_slice key, struct ingot_slice value);

/**
 * Visits the keys in [first, end) in lexicographic order. An empty `end` means no upper bound.
 *
 * Returns INGOT_OK, also when the visitor ended it, or the store's error.
 */
INGOT_API INGOT_MUST_USE enum ingot_error
ingot_snapshot_range(struct ingot_snapshot *snapshot, struct ingot_slice first,
                     struct ingot_slice end, ingot_snapshot_visit *visit, void *context);

/** The height of the state: that of the parent while executing, the committed one in a query. */
INGOT_API uint64_t ingot_snapshot_height(const struct ingot_snapshot *snapshot);

/**
 * The members, ordered by key, of the validator set that the block belongs to, as this execution
 * has changed it so far; in check_tx and in a query those of the next block's set.
 *
 * @count  how many, at least 1.
 * Borrowed until the next ingot_execution_set_validator, at the longest until the call into the
 * App returns.
 */
INGOT_API const struct ingot_validator *
ingot_snapshot_validators(const struct ingot_snapshot *snapshot, uint32_t *count);

/**
 * What ingot_execution_set_validators would return now, for check_tx, and for an App that has to
 * give a result before it changes anything.
 */
INGOT_API INGOT_MUST_USE enum ingot_error
ingot_snapshot_check_validators(const struct ingot_snapshot *snapshot,
                                const struct ingot_validator *changes, uint32_t change_count);

/**
 * Where an App puts what executing a block does. Each transaction of the block gets exactly one
 * result, in order. Updates are visible to later reads of the same execution's snapshot.
 */
struct ingot_execution;

/**
 * Takes candidate number `index` (0-based, as given in the request) as the block's next
 * transaction with this result. Only in propose_block. Bytes are copied. Include a transaction
 * before setting what it changes: what was set stays set, also when there was no room.
 *
 * Returns INGOT_OK; INGOT_ERROR_FULL when the block's limits leave no room (end the block);
 * INGOT_ERROR_INVALID when the candidate is in already, or no block may have it (it is empty, too
 * large or a repeat); INGOT_ERROR_TOO_LARGE when the result is.
 */
INGOT_API INGOT_MUST_USE enum ingot_error
ingot_execution_include(struct ingot_execution *execution, uint32_t index,
                        const struct ingot_result *result);

/**
 * Sets the result of the next transaction. Only in validate_block. Bytes are copied.
 *
 * Returns INGOT_OK or INGOT_ERROR_TOO_LARGE.
 */
INGOT_API INGOT_MUST_USE enum ingot_error ingot_execution_result(struct ingot_execution *execution,
                                                                 const struct ingot_result *result);

/**
 * Sets a key of the state. Bytes are copied. Key: 1 to INGOT_STATE_KEY_BYTES_MAX bytes; value: up
 * to INGOT_STATE_VALUE_BYTES_MAX.
 *
 * Returns INGOT_OK or INGOT_ERROR_TOO_LARGE.
 */
INGOT_API INGOT_MUST_USE enum ingot_error ingot_execution_set(struct ingot_execution *execution,
                                                              struct ingot_slice key,
                                                              struct ingot_slice value);

/** Deletes a key of the state; deleting a missing key is fine. Errors as ingot_execution_set. */
INGOT_API INGOT_MUST_USE enum ingot_error ingot_execution_delete(struct ingot_execution *execution,
                                                                 struct ingot_slice key);

/**
 * Gives a validator a new power; 0 removes it. The last word for a key counts, and what leaves the
 * set as it was changes nothing. The change is in force in the child of a block that changes the
 * set; no other block is executed between the two.
 *
 * Judged against the set as this execution has changed it so far. Returns INGOT_OK, or changes
 * nothing and returns INGOT_ERROR_INVALID: the key is not the canonical encoding of an ed25519
 * point of large order; INGOT_ERROR_FULL: there would be more than INGOT_VALIDATORS_MAX members;
 * INGOT_ERROR_TOO_LARGE: the total power would be above INGOT_TOTAL_POWER_MAX;
 * INGOT_ERROR_REJECTED: no validator would be left.
 */
INGOT_API INGOT_MUST_USE enum ingot_error
ingot_execution_set_validator(struct ingot_execution *execution,
                              const struct ingot_validator *validator);

/**
 * As ingot_execution_set_validator for several validators at once: all of the changes or none. What
 * counts is the set in the end, so the order is free, and who leaves makes room for who comes.
 *
 * Returns as that, or INGOT_ERROR_EXISTS when a key is there twice.
 */
INGOT_API INGOT_MUST_USE enum ingot_error
ingot_execution_set_validators(struct ingot_execution *execution,
                               const struct ingot_validator *changes, uint32_t change_count);

/** What the two votes of evidence are about. */
enum ingot_phase {
    INGOT_PHASE_GENERIC = 0,
    INGOT_PHASE_PREPARE = 1, /* this and the next two: blocks that change the validator set */
    INGOT_PHASE_PRECOMMIT = 2,
    INGOT_PHASE_COMMIT = 3
};

/** One vote: a block and a phase, with the validator's signature (docs/wire.md, "Vote"). */
struct ingot_evidence_vote {
    uint32_t phase; /* of enum ingot_phase */
    struct ingot_hash block;
    struct ingot_signature signature;
};

/**
 * Proof that a validator is Byzantine: it has signed two different votes in one view. With the
 * chain's genesis hash it has all that its signatures cover, so anybody can verify it.
 */
struct ingot_evidence {
    struct ingot_public_key validator;
    uint64_t power; /* in the set of that epoch */
    uint64_t epoch;
    uint64_t view;
    struct ingot_hash validators_hash; /* names the set of that epoch */
    bool is_leader;  /* it led the view, and so has proposed two things: its votes are those */
    uint64_t height; /* that was committed here when it was recorded */
    struct ingot_evidence_vote votes[2]; /* the one that was seen first, first */
};

struct ingot_propose_request {
    const struct ingot_block_info *block; /* the block to be; its hash is zero */
    struct ingot_snapshot *snapshot;
    const struct ingot_slice *candidates; /* candidate_count transactions, oldest first */
    uint32_t candidate_count;
    /**
     * What this node has found since the last request, of propose or validate, whichever came
     * first: evidence_count items, usually none. Everything is handed over once it is durable, at
     * least once: again if the node stopped before it had noted that it did.
     *
     * Other nodes have found other things, or the same at other times. So it may decide which
     * candidates an App proposes, and what it does beside the chain, but never what executing a
     * block does, here or in validate_block. Who wants the chain to act on it, such as by lowering
     * a power, submits a transaction with the evidence in it, which every validator can verify.
     */
    const struct ingot_evidence *evidence;
    uint32_t evidence_count;
};

struct ingot_validate_request {
    const struct ingot_block_info *block;
    struct ingot_snapshot *snapshot;
    const struct ingot_slice *transactions; /* transaction_count, in order */
    uint32_t transaction_count;
    const struct ingot_evidence *evidence; /* as in ingot_propose_request; decides nothing here */
    uint32_t evidence_count;
};

struct ingot_query_request {
    struct ingot_slice path; /* may be empty */
    struct ingot_slice data;
    struct ingot_snapshot *snapshot; /* the committed state */
};

/** Filled by the App; the buffers are empty at the start and freed by the caller. */
struct ingot_query_response {
    uint32_t code; /* 0: found or fine */
    struct ingot_buffer key;
    struct ingot_buffer value;
    struct ingot_buffer log;
    uint64_t index;
};

/** Filled by check_tx; `log` is empty at the start and freed by the caller. */
struct ingot_check_response {
    uint32_t code; /* 0: admit to the mempool */
    /** True if the answer comes from the transaction alone, so that no commit can change it.
     * Others are checked again after each commit with transactions. False at the start. */
    bool is_stateless;
    struct ingot_buffer log;
};

/** What a transaction asks the validators to sign. */
struct ingot_attest_subject {
    uint8_t digest[32];         /* SHA-256 of the document or payload */
    bool has_payload;           /* the transaction holds the payload itself */
    struct ingot_slice payload; /* if it does; points into the transaction */
};

/** What a node's operator lets its validator sign. Each node has its own; no rule of the chain. */
struct ingot_signing_policy {
    uint32_t payload_bytes_max; /* 0: digests only; no more than INGOT_SIGNING_PAYLOAD_BYTES_MAX */
    uint32_t submitter_count;   /* 0: anybody, also without a signature */
    const struct ingot_public_key *submitters;
};

/** What an App may be told of its chain when it is made, and of its node. All zero: a chain without
 * administrator. */
struct ingot_app_options {
    struct ingot_hash chain; /* the genesis hash: what is signed for this chain must contain it */
    bool has_administrator;
    struct ingot_public_key administrator; /* that genesis names, when has_administrator */
    const struct ingot_signing_policy *signing_policy; /* NULL: whatever is valid; copied */
};

struct ingot_app {
    void *context;       /* passed to every function */
    const char *name;    /* "signing", shown in status and metrics */
    const char *version; /* of the App's own rules, free text */

    /**
     * Chooses transactions of the candidates and executes them.
     *
     * Returns INGOT_OK (an empty choice is fine) or the snapshot's own error.
     */
    enum ingot_error (*propose_block)(void *context, const struct ingot_propose_request *request,
                                      struct ingot_execution *execution);

    /**
     * Executes a block that another validator built.
     *
     * Returns INGOT_OK: valid, one result for each transaction was given;
     * INGOT_ERROR_REJECTED: the block is invalid, nobody honest built it; or the snapshot's error.
     */
    enum ingot_error (*validate_block)(void *context, const struct ingot_validate_request *request,
                                       struct ingot_execution *execution);

    /** Optional: may this transaction enter the mempool? Reads the committed state. */
    void (*check_tx)(void *context, struct ingot_slice transaction, struct ingot_snapshot *snapshot,
                     struct ingot_check_response *response);

    /** Optional: answers a client from the committed state. */
    void (*query)(void *context, const struct ingot_query_request *request,
                  struct ingot_query_response *response);

    /** Optional: told of each committed block, in order, after the commit is durable. */
    void (*committed)(void *context, const struct ingot_block_info *block);

    /**
     * Optional: what the validators put their names to once this transaction is committed with
     * code 0; see docs/attestation.md. A function of the transaction's bytes alone, so that every
     * validator finds the same statements in a block. False: nothing, `subject` is not looked at.
     */
    bool (*attest)(void *context, struct ingot_slice transaction,
                   struct ingot_attest_subject *subject);

    /**
     * Optional: does this node want its own validator to sign what `attest` says? This may be a
     * matter of the node's own configuration; NULL: always.
     */
    bool (*may_attest)(void *context, struct ingot_slice transaction);

    /** Optional: frees the context. */
    void (*free)(void *context);
};

#ifdef __cplusplus
}
#endif
#endif
