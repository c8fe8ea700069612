/*
 * A block as CometBFT shows one. What stands for what is written down in docs/rpc.md.
 */
#include "node/rpc_internal.h"
#include "node/rpc_json.h"
#include "wire/crypto.h"
#include "wire/preimage.h"

/* {"hash", "parts"}: here a block is always one part. NULL: CometBFT's empty one. */
static json_t *block_id(const struct ingot_hash *hash)
{
    json_t *id = rpc_json(json_object());
    json_t *parts = rpc_json(json_object());
    rpc_json_set(id, "hash", hash == NULL ? rpc_json(json_string("")) : rpc_json_hash(hash));
    rpc_json_set(parts, "total", rpc_json(json_integer(hash == NULL ? 0 : 1)));
    rpc_json_set(parts, "hash", hash == NULL ? rpc_json(json_string("")) : rpc_json_hash(hash));
    rpc_json_set(id, "parts", parts);
    return id;
}

/* The first block has none below it that anybody signed. */
static const struct ingot_hash *last_block(const struct block *block)
{
    return block->height > 1 ? &block->parent : NULL;
}

static json_t *header(const struct rpc *rpc, const struct block *block)
{
    json_t *object = rpc_json(json_object());
    json_t *version = rpc_json(json_object());
    uint8_t nothing[32];
    crypto_sha256((struct ingot_slice){0}, nothing);
    rpc_json_set(version, "block", rpc_json_u64(11));
    rpc_json_set(version, "app", rpc_json_u64(1));
    rpc_json_set(object, "version", version);
    rpc_json_set(object, "chain_id",
                 rpc_json_text(ingot_slice_of_text(rpc->identity.genesis->chain_id)));
    rpc_json_set(object, "height", rpc_json_u64(block->height));
    rpc_json_set(object, "time", rpc_json_time_ms(block->time_ms));
    rpc_json_set(object, "last_block_id", block_id(last_block(block)));
    rpc_json_set(object, "last_commit_hash", rpc_json_hash(wire_qc_digest(block->justify)));
    rpc_json_set(object, "data_hash", rpc_json_hash(&block->transactions_root));
    rpc_json_set(object, "validators_hash", rpc_json_hash(&block->validators_hash));
    rpc_json_set(object, "next_validators_hash", rpc_json_hash(&block->next_validators_hash));
    rpc_json_set(object, "consensus_hash", rpc_json_hash(&block->chain));
    rpc_json_set(object, "app_hash", rpc_json_hash(&block->updates_hash));
    rpc_json_set(object, "last_results_hash", rpc_json_hash(&block->updates_hash));
    rpc_json_set(object, "evidence_hash", rpc_json_hex(ingot_slice_of(nothing, sizeof nothing)));
    rpc_json_set(object, "proposer_address", rpc_json_address(&block->proposer));
    return object;
}

static json_t *data(const struct block *block)
{
    struct ingot_slice rest = ingot_buffer_slice(&block->payload);
    struct ingot_slice transaction;
    json_t *object = rpc_json(json_object());
    json_t *transactions = rpc_json(json_array());
    while (payload_next(&rest, &transaction)) {
        rpc_json_append(transactions, rpc_json_base64(transaction));
    }
    rpc_json_set(object, "txs", transactions);
    return object;
}

/* One entry of a commit: flag 2, "commit", or 1, "absent". */
static json_t *commit_signature(const struct ingot_public_key *key,
                                const struct ingot_signature *signature, uint64_t time_ms)
{
    json_t *object = rpc_json(json_object());
    if (signature == NULL) {
        rpc_json_set(object, "block_id_flag", rpc_json(json_integer(1)));
        rpc_json_set(object, "validator_address", rpc_json(json_string("")));
        rpc_json_set(object, "timestamp", rpc_json(json_string("0001-01-01T00:00:00Z")));
        rpc_json_set(object, "signature", rpc_json(json_null()));
        return object;
    }
    rpc_json_set(object, "block_id_flag", rpc_json(json_integer(2)));
    rpc_json_set(object, "validator_address", rpc_json_address(key));
    rpc_json_set(object, "timestamp", rpc_json_time_ms(time_ms));
    rpc_json_set(object, "signature",
                 rpc_json_base64(ingot_slice_of(signature->bytes, sizeof signature->bytes)));
    return object;
}

/* The signatures of the QC that a block carries for its parent; `set` may be NULL. */
static json_t *commit_signatures(const struct block *block, const struct validator_set *set)
{
    const struct qc *qc = block->justify;
    json_t *signatures = rpc_json(json_array());
    uint32_t next = 0;
    if (set == NULL || set->count != qc->validator_count) {
        return signatures;
    }
    for (uint32_t i = 0; i < set->count; i++) {
        const struct ingot_signature *signature = NULL;
        if (signers_has(&qc->signers, i) && next < qc->signature_count) {
            signature = &qc->signatures[next];
            next++;
        }
        rpc_json_append(signatures,
                        commit_signature(&set->validators[i].key, signature, block->time_ms));
    }
    return signatures;
}

static json_t *last_commit(const struct rpc *rpc, const struct block *block)
{
    const struct validator_set *set =
        block->height > 1 ? rpc->backend.validators(rpc->backend.context, block->justify->epoch)
                          : NULL;
    json_t *object = rpc_json(json_object());
    rpc_json_set(object, "height", rpc_json_u64(block->height > 1 ? block->height - 1 : 0));
    rpc_json_set(object, "round", rpc_json(json_integer(0)));
    rpc_json_set(object, "block_id", block_id(last_block(block)));
    rpc_json_set(object, "signatures", commit_signatures(block, set));
    return object;
}

static json_t *show(const struct rpc *rpc, const struct block *block)
{
    json_t *result = rpc_json(json_object());
    json_t *object = rpc_json(json_object());
    json_t *evidence = rpc_json(json_object());
    rpc_json_set(evidence, "evidence", rpc_json(json_array()));
    rpc_json_set(object, "header", header(rpc, block));
    rpc_json_set(object, "data", data(block));
    rpc_json_set(object, "evidence", evidence);
    rpc_json_set(object, "last_commit", last_commit(rpc, block));
    rpc_json_set(result, "block_id", block_id(&block->hash));
    rpc_json_set(result, "block", object);
    return result;
}

void rpc_method_block(struct rpc_call *call, const struct rpc_argument *arguments)
{
    const struct rpc *rpc = call->exchange->rpc;
    struct rpc_status status;
    struct ledger_entry entry = {0};
    uint64_t height;
    rpc->backend.status(rpc->backend.context, &status);
    /* Some blocks below the lowest height are kept, for proofs: the store knows which. */
    if (!rpc_call_height(call, &arguments[0], status.height, 0, &height)) {
        return;
    }
    if (height == 0) { /* nothing but genesis, which is no block to a client */
        json_t *result = rpc_json(json_object());
        rpc_json_set(result, "block_id", block_id(NULL));
        rpc_json_set(result, "block", rpc_json(json_null()));
        rpc_call_result(call, result);
        return;
    }
    enum ingot_error error = rpc->backend.read_block(rpc->backend.context, height, &entry);
    if (error == INGOT_ERROR_NOT_FOUND) {
        rpc_call_pruned(call, height, status.height_lowest);
        return;
    }
    if (error != INGOT_OK) {
        rpc_call_store_error(call, error);
        return;
    }
    rpc_call_result(call, show(rpc, entry.block));
    block_unref(entry.block);
    execution_unref(entry.execution);
}
