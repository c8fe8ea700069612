/*
 * The table of methods, and the methods about transactions and the App. The texts of errors are
 * CometBFT's where it has the case: clients look for them.
 */
#include <inttypes.h>
#include <string.h>

#include "base/hex.h"
#include "node/rpc_internal.h"
#include "node/rpc_json.h"
#include "wire/crypto.h"

json_t *rpc_json_outcome(uint32_t code, struct ingot_slice data, struct ingot_slice log)
{
    json_t *outcome = rpc_json(json_object());
    rpc_json_set(outcome, "code", rpc_json(json_integer(code)));
    rpc_json_set(outcome, "data", rpc_json_base64_or_null(data));
    rpc_json_set(outcome, "log", rpc_json_text(log));
    rpc_json_set(outcome, "info", rpc_json(json_string("")));
    rpc_json_set(outcome, "gas_wanted", rpc_json_u64(0));
    rpc_json_set(outcome, "gas_used", rpc_json_u64(0));
    rpc_json_set(outcome, "events", rpc_json(json_array()));
    rpc_json_set(outcome, "codespace", rpc_json(json_string("")));
    return outcome;
}

void rpc_call_store_error(struct rpc_call *call, enum ingot_error error)
{
    rpc_call_error_format(call, RPC_ERROR_INTERNAL, "the store failed: %s",
                          ingot_error_text(error));
}

void rpc_call_pruned(struct rpc_call *call, uint64_t height, uint64_t lowest)
{
    rpc_call_error_format(call, RPC_ERROR_INTERNAL,
                          "height %" PRIu64 " is not available, lowest height is %" PRIu64
                          ": this node keeps no older blocks",
                          height, lowest);
}

bool rpc_call_height(struct rpc_call *call, const struct rpc_argument *argument, uint64_t latest,
                     uint64_t lowest, uint64_t *height)
{
    *height = latest;
    if (!argument->is_given) {
        return true;
    }
    if (argument->integer <= 0) {
        rpc_call_error_format(call, RPC_ERROR_INTERNAL,
                              "height must be greater than 0, but got %" PRId64, argument->integer);
        return false;
    }
    *height = (uint64_t)argument->integer;
    if (*height > latest) {
        rpc_call_error_format(call, RPC_ERROR_INTERNAL,
                              "height %" PRIu64 " must be less than or equal to the current "
                              "blockchain height %" PRIu64,
                              *height, latest);
        return false;
    }
    if (*height < lowest) {
        rpc_call_pruned(call, *height, lowest);
        return false;
    }
    return true;
}

static void run_health(struct rpc_call *call, const struct rpc_argument *arguments)
{
    (void)arguments;
    rpc_call_result(call, rpc_json(json_object()));
}

void rpc_call_submit_error(struct rpc_call *call, enum ingot_error error, size_t size_bytes)
{
    const struct rpc *rpc = call->exchange->rpc;
    if (error == INGOT_ERROR_EXISTS) {
        rpc_call_error(call, RPC_ERROR_INTERNAL, "tx already exists in cache");
    } else if (error == INGOT_ERROR_FULL) {
        rpc_call_error(call, RPC_ERROR_INTERNAL, "mempool is full, retry later");
    } else if (error == INGOT_ERROR_TOO_LARGE) {
        rpc_call_error_format(call, RPC_ERROR_INTERNAL,
                              "tx too large. Max size is %" PRIu32 ", but got %zu",
                              rpc->identity.genesis->transaction_bytes_max, size_bytes);
    } else if (error == INGOT_ERROR_INVALID) {
        rpc_call_error(call, RPC_ERROR_INVALID_PARAMS, "tx is empty");
    } else {
        rpc_call_error_format(call, RPC_ERROR_INTERNAL, "tx not accepted: %s",
                              ingot_error_text(error));
    }
}

/* async and sync: the App's check is immediate here, so they differ in what is said of it only. */
void rpc_call_broadcast(struct rpc_call *call, const struct rpc_argument *arguments, bool is_sync)
{
    const struct rpc_backend *backend = &call->exchange->rpc->backend;
    struct ingot_slice transaction = ingot_buffer_slice(&arguments[0].bytes);
    struct ingot_check_response check = {0};
    enum ingot_error error = backend->submit(backend->context, transaction, NULL, &check);
    if (error != INGOT_OK) {
        rpc_call_submit_error(call, error, transaction.size);
    } else {
        uint8_t sha256[32];
        json_t *result = rpc_json(json_object());
        struct ingot_slice log = {0};
        crypto_sha256(transaction, sha256);
        if (is_sync) {
            log = ingot_buffer_slice(&check.log);
        }
        rpc_json_set(result, "code", rpc_json(json_integer(is_sync ? check.code : 0)));
        rpc_json_set(result, "data", rpc_json(json_string("")));
        rpc_json_set(result, "log", rpc_json_text(log));
        rpc_json_set(result, "codespace", rpc_json(json_string("")));
        rpc_json_set(result, "hash", rpc_json_hex(ingot_slice_of(sha256, sizeof sha256)));
        rpc_call_result(call, result);
    }
    ingot_buffer_deinit(&check.log);
}

static void run_broadcast_tx_async(struct rpc_call *call, const struct rpc_argument *arguments)
{
    rpc_call_broadcast(call, arguments, false);
}

static void run_broadcast_tx_sync(struct rpc_call *call, const struct rpc_argument *arguments)
{
    rpc_call_broadcast(call, arguments, true);
}

static void run_abci_info(struct rpc_call *call, const struct rpc_argument *arguments)
{
    const struct rpc *rpc = call->exchange->rpc;
    struct rpc_status status;
    json_t *response = rpc_json(json_object());
    json_t *result = rpc_json(json_object());
    (void)arguments;
    rpc->backend.status(rpc->backend.context, &status);
    rpc_json_set(response, "data", rpc_json_text(ingot_slice_of_text(rpc->identity.app_name)));
    rpc_json_set(response, "version",
                 rpc_json_text(ingot_slice_of_text(rpc->identity.app_version)));
    rpc_json_set(response, "app_version", rpc_json_u64(1));
    rpc_json_set(response, "last_block_height", rpc_json_u64(status.height));
    rpc_json_set(response, "last_block_app_hash",
                 rpc_json_base64(
                     ingot_slice_of(status.updates_hash.bytes, sizeof status.updates_hash.bytes)));
    rpc_json_set(result, "response", response);
    rpc_call_result(call, result);
}

enum { QUERY_PATH, QUERY_DATA, QUERY_HEIGHT, QUERY_PROVE };

static json_t *query_response(const struct ingot_query_response *response, uint64_t height)
{
    json_t *object = rpc_json(json_object());
    json_t *result = rpc_json(json_object());
    rpc_json_set(object, "code", rpc_json(json_integer(response->code)));
    rpc_json_set(object, "log", rpc_json_text(ingot_buffer_slice(&response->log)));
    rpc_json_set(object, "info", rpc_json(json_string("")));
    rpc_json_set(object, "index", rpc_json_u64(response->index));
    rpc_json_set(object, "key", rpc_json_base64_or_null(ingot_buffer_slice(&response->key)));
    rpc_json_set(object, "value", rpc_json_base64_or_null(ingot_buffer_slice(&response->value)));
    rpc_json_set(object, "proofOps", rpc_json(json_null()));
    rpc_json_set(object, "height", rpc_json_u64(height));
    rpc_json_set(object, "codespace", rpc_json(json_string("")));
    rpc_json_set(result, "response", object);
    return result;
}

static void run_abci_query(struct rpc_call *call, const struct rpc_argument *arguments)
{
    const struct rpc_backend *backend = &call->exchange->rpc->backend;
    struct ingot_query_response response = {0};
    uint64_t height = 0;
    enum ingot_error error =
        backend->query(backend->context, ingot_buffer_slice(&arguments[QUERY_PATH].bytes),
                       ingot_buffer_slice(&arguments[QUERY_DATA].bytes), &response, &height);
    int64_t wanted = arguments[QUERY_HEIGHT].integer;
    if (error == INGOT_ERROR_NOT_FOUND) {
        rpc_call_error(call, RPC_ERROR_INTERNAL, "the app answers no queries");
    } else if (error != INGOT_OK) {
        rpc_call_store_error(call, error);
    } else if (wanted < 0) {
        rpc_call_error(call, RPC_ERROR_INTERNAL, "height must not be negative");
    } else if (wanted > 0 && (uint64_t)wanted != height) {
        /* Better no answer than the state of another height. */
        rpc_call_error_format(call, RPC_ERROR_INTERNAL,
                              "only the state of the latest height, %" PRIu64 ", can be queried",
                              height);
    } else {
        rpc_call_result(call, query_response(&response, height));
    }
    ingot_buffer_deinit(&response.key);
    ingot_buffer_deinit(&response.value);
    ingot_buffer_deinit(&response.log);
}

static void run_num_unconfirmed_txs(struct rpc_call *call, const struct rpc_argument *arguments)
{
    const struct rpc_backend *backend = &call->exchange->rpc->backend;
    struct rpc_status status;
    json_t *result = rpc_json(json_object());
    (void)arguments;
    backend->status(backend->context, &status);
    rpc_json_set(result, "n_txs", rpc_json_u64(status.mempool_transactions));
    rpc_json_set(result, "total", rpc_json_u64(status.mempool_transactions));
    rpc_json_set(result, "total_bytes", rpc_json_u64(status.mempool_bytes));
    rpc_json_set(result, "txs", rpc_json(json_null()));
    rpc_call_result(call, result);
}

static void call_transaction(struct rpc_call *call, const struct ledger_entry *entry,
                             uint32_t index, const uint8_t sha256[32])
{
    struct ingot_slice rest = ingot_buffer_slice(&entry->block->payload);
    struct ingot_slice transaction = {0};
    uint32_t at = 0;
    while (payload_next(&rest, &transaction) && at < index) {
        at++;
    }
    if (at != index || entry->execution == NULL || index >= entry->execution->result_count) {
        rpc_call_store_error(call, INGOT_ERROR_CORRUPT);
        return;
    }
    const struct ingot_result *outcome = execution_result(entry->execution, index);
    json_t *result = rpc_json(json_object());
    rpc_json_set(result, "hash", rpc_json_hex(ingot_slice_of(sha256, 32)));
    rpc_json_set(result, "height", rpc_json_u64(entry->block->height));
    rpc_json_set(result, "index", rpc_json(json_integer(index)));
    rpc_json_set(result, "tx_result", rpc_json_outcome(outcome->code, outcome->data, outcome->log));
    rpc_json_set(result, "tx", rpc_json_base64(transaction));
    rpc_call_result(call, result);
}

/* The index does not tell what was pruned from what never was. */
static void call_missing_transaction(struct rpc_call *call, const uint8_t sha256[32])
{
    const struct rpc *rpc = call->exchange->rpc;
    struct rpc_status status;
    char hex[65];
    hex_encode_upper(sha256, 32, hex);
    rpc->backend.status(rpc->backend.context, &status);
    if (status.height_lowest > 1) {
        rpc_call_error_format(call, RPC_ERROR_INTERNAL,
                              "tx (%s) not found, lowest height is %" PRIu64
                              ": this node keeps no older blocks",
                              hex, status.height_lowest);
    } else {
        rpc_call_error_format(call, RPC_ERROR_INTERNAL, "tx (%s) not found", hex);
    }
}

static void run_tx(struct rpc_call *call, const struct rpc_argument *arguments)
{
    const struct rpc *rpc = call->exchange->rpc;
    const struct rpc_backend *backend = &rpc->backend;
    struct ledger_location location = {0};
    struct ledger_entry entry = {0};
    if (!rpc->identity.index_transactions) {
        rpc_call_error(call, RPC_ERROR_INTERNAL, "transaction indexing is disabled");
        return;
    }
    if (arguments[0].bytes.size != 32) {
        rpc_call_error(call, RPC_ERROR_INVALID_PARAMS, "hash has to have 32 bytes");
        return;
    }
    const uint8_t *sha256 = arguments[0].bytes.data;
    enum ingot_error error = backend->find_transaction(backend->context, sha256, &location);
    if (error == INGOT_OK) {
        error = backend->read_block(backend->context, location.height, &entry);
    }
    if (error == INGOT_ERROR_NOT_FOUND) {
        call_missing_transaction(call, sha256);
    } else if (error != INGOT_OK) {
        rpc_call_store_error(call, error);
    } else {
        call_transaction(call, &entry, location.index, sha256);
    }
    block_unref(entry.block);
    execution_unref(entry.execution);
}

#define TX_RULES                                                                                   \
    1,                                                                                             \
    {                                                                                              \
        {                                                                                          \
            "tx", RPC_ARGUMENT_BASE64, true                                                        \
        }                                                                                          \
    }

const struct rpc_method rpc_methods[] = {
    {RPC_LOG, "abci_info", 0, {{0}}, run_abci_info},
    {RPC_LOG,
     "abci_query",
     4,
     {{"path", RPC_ARGUMENT_TEXT, false},
      {"data", RPC_ARGUMENT_HEX, false},
      {"height", RPC_ARGUMENT_INTEGER, false},
      {"prove", RPC_ARGUMENT_FLAG, false}},
     run_abci_query},
    {RPC_LOG, "block", 1, {{"height", RPC_ARGUMENT_INTEGER, false}}, rpc_method_block},
    {RPC_BROADCAST, "broadcast_get", 1, {{"id", RPC_ARGUMENT_HEX, true}}, rpc_method_broadcast_get},
    {RPC_BROADCAST,
     "broadcast_submit",
     2,
     {{"payload", RPC_ARGUMENT_BASE64, true}, {"id", RPC_ARGUMENT_HEX, false}},
     rpc_method_broadcast_submit},
    {RPC_LOG, "broadcast_tx_async", TX_RULES, run_broadcast_tx_async},
    {RPC_LOG, "broadcast_tx_attest", TX_RULES, rpc_method_broadcast_tx_attest},
    {RPC_LOG, "broadcast_tx_commit", TX_RULES, rpc_method_broadcast_tx_commit},
    {RPC_LOG, "broadcast_tx_sync", TX_RULES, run_broadcast_tx_sync},
    {RPC_LOG,
     "evidence",
     2,
     {{"page", RPC_ARGUMENT_INTEGER, false}, {"per_page", RPC_ARGUMENT_INTEGER, false}},
     rpc_method_evidence},
    {RPC_ANY, "genesis", 0, {{0}}, rpc_method_genesis},
    {RPC_ANY, "health", 0, {{0}}, run_health},
    {RPC_ANY, "net_info", 0, {{0}}, rpc_method_net_info},
    {RPC_LOG, "num_unconfirmed_txs", 0, {{0}}, run_num_unconfirmed_txs},
    {RPC_ANY, "status", 0, {{0}}, rpc_method_status},
    {RPC_LOG,
     "tx",
     2,
     {{"hash", RPC_ARGUMENT_BASE64, true}, {"prove", RPC_ARGUMENT_FLAG, false}},
     run_tx},
    {RPC_ANY,
     "validators",
     3,
     {{"height", RPC_ARGUMENT_INTEGER, false},
      {"page", RPC_ARGUMENT_INTEGER, false},
      {"per_page", RPC_ARGUMENT_INTEGER, false}},
     rpc_method_validators},
};

const uint32_t rpc_method_count = sizeof rpc_methods / sizeof rpc_methods[0];

const struct rpc_method *rpc_method_find(struct ingot_slice name)
{
    for (uint32_t i = 0; i < rpc_method_count; i++) {
        if (ingot_slice_equal(name, ingot_slice_of_text(rpc_methods[i].name))) {
            return &rpc_methods[i];
        }
    }
    return NULL;
}

bool rpc_method_is_served(const struct rpc *rpc, const struct rpc_method *method)
{
    switch (method->scope) {
    case RPC_ANY:
        return true;
    case RPC_LOG:
        return rpc->identity.protocol == SETTINGS_PROTOCOL_HOTSTUFF;
    case RPC_BROADCAST:
        return rpc->identity.protocol != SETTINGS_PROTOCOL_HOTSTUFF;
    }
    return false;
}
