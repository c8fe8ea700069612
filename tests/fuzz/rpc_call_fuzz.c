/*
 * Requests of clients from their body or query on: JSON-RPC with its batches, the arguments of each
 * method, the methods themselves against a node with two blocks, and what is said to those who
 * wait. Each request is answered once, with JSON-RPC.
 *
 * The first byte says how: 1 GET, else POST; 2 a node of quorum broadcast; 4 what a call waits for
 * comes, else the client goes away.
 */
#include <event2/event.h>
#include <string.h>

#include "fuzz/fuzz.h"
#include "lib/fast_crypto.h"
#include "lib/wire_samples.h"
#include "node/rpc_internal.h"
#include "node/rpc_json.h"
#include "wire/broadcast.h"

#define HEIGHT 2
#define ANSWER_COMPLEXITY_MAX 100000

/* What rpc_connection.c and rpc_server.c are in a node: one connection, and no timers. */
struct rpc_connection {
    uint32_t answers;
    bool is_uri;
    bool is_metrics; /* or the index: no JSON */
    bool is_batch;
};

static struct samples samples;
static struct block *blocks[HEIGHT + 1]; /* by height; 0 is genesis */
static struct execution *executions[HEIGHT + 1];
static struct genesis genesis;
static struct rpc rpc;
static struct metrics metrics;

static void require_answer(const struct rpc_connection *connection, const json_t *answer)
{
    require(json_is_object(answer));
    require(strcmp(json_string_value(json_object_get(answer, "jsonrpc")), "2.0") == 0);
    require(json_object_get(answer, "id") != NULL);
    require((json_object_get(answer, "result") == NULL) !=
            (json_object_get(answer, "error") == NULL));
    require(!connection->is_uri || json_is_integer(json_object_get(answer, "id")));
}

void rpc_connection_answer(struct rpc_connection *connection, int status, const char *content_type,
                           struct ingot_buffer *body)
{
    struct ingot_buffer why = {0};
    connection->answers++;
    require(content_type != NULL && body->size <= RPC_ANSWER_BYTES_MAX);
    require(status == 200 || (status == 204 && body->size == 0) ||
            (status == 500 && connection->is_uri) || (status == 404 && body->size > 0));
    if (status != 204 && status != 404 && strcmp(content_type, "application/json") == 0) {
        json_t *answer = rpc_json_parse(ingot_buffer_slice(body), ANSWER_COMPLEXITY_MAX, &why);
        require(answer != NULL);
        if (json_is_array(answer)) {
            for (size_t i = 0; i < json_array_size(answer); i++) {
                require_answer(connection, json_array_get(answer, i));
            }
        } else {
            require_answer(connection, answer);
        }
        json_decref(answer);
    }
    ingot_buffer_deinit(&why);
    ingot_buffer_deinit(body);
}

/* Submissions have a target of their own. */
void rpc_connection_drop_body(struct rpc_connection *connection)
{
    (void)connection;
}

void rpc_connection_await_turn(struct rpc_connection *connection)
{
    (void)connection;
}

void rpc_add_timer(struct event *event, uint64_t wait_ms)
{
    (void)event;
    (void)wait_ms;
}

void rpc_get_counters(const struct rpc *of, struct metrics_rpc *counters)
{
    *counters = of->counters;
}

/* --- The node. --- */

static void get_status(void *context, struct rpc_status *status)
{
    (void)context;
    *status = (struct rpc_status){.height = HEIGHT,
                                  .height_lowest = 1,
                                  .hash = blocks[HEIGHT]->hash,
                                  .updates_hash = blocks[HEIGHT]->updates_hash,
                                  .time_ms = blocks[HEIGHT]->time_ms,
                                  .leader = samples.set->validators[0].key,
                                  .peers = 1};
}

static enum ingot_error submit(void *context, struct ingot_slice transaction,
                               const struct ingot_hash *digest,
                               struct ingot_check_response *response)
{
    (void)context;
    (void)digest;
    if (transaction.size == 0 || transaction.data[0] == 'e') {
        return transaction.size == 0 ? INGOT_ERROR_INVALID : INGOT_ERROR_EXISTS;
    }
    if (transaction.data[0] == 'f') {
        return transaction.size > 20 ? INGOT_ERROR_TOO_LARGE : INGOT_ERROR_FULL;
    }
    if (transaction.data[0] == 'n') {
        response->code = 3;
        ingot_buffer_append_slice(&response->log, transaction);
    }
    return INGOT_OK;
}

static enum ingot_error read_block(void *context, uint64_t height, struct ledger_entry *entry)
{
    (void)context;
    if (height == 0 || height > HEIGHT) {
        return INGOT_ERROR_NOT_FOUND;
    }
    *entry = (struct ledger_entry){block_ref(blocks[height]), execution_ref(executions[height])};
    return INGOT_OK;
}

static enum ingot_error find_transaction(void *context, const uint8_t sha256[32],
                                         struct ledger_location *location)
{
    (void)context;
    *location = (struct ledger_location){.height = 1 + sha256[0] % HEIGHT};
    return sha256[1] == 0 ? INGOT_ERROR_NOT_FOUND : INGOT_OK;
}

static enum ingot_error query(void *context, struct ingot_slice path, struct ingot_slice data,
                              struct ingot_query_response *response, uint64_t *height)
{
    (void)context;
    *height = HEIGHT;
    ingot_buffer_append_slice(&response->key, data);
    ingot_buffer_append_slice(&response->value, path);
    ingot_buffer_append_slice(&response->log, path);
    return path.size == 1 ? INGOT_ERROR_NOT_FOUND : INGOT_OK;
}

static enum attest_state find_attestation(void *context, uint64_t height,
                                          const struct ingot_hash *digest,
                                          struct ingot_buffer *json)
{
    (void)context;
    (void)height;
    if (digest->bytes[0] % 2 == 0) {
        return digest->bytes[0] % 4 == 0 ? ATTEST_UNKNOWN : ATTEST_PENDING;
    }
    ingot_buffer_append_slice(json, ingot_slice_of_text("{}"));
    return ATTEST_COMPLETE;
}

static const struct validator_set *get_validators(void *context, uint64_t epoch)
{
    (void)context;
    return epoch == samples.set->epoch ? samples.set : NULL;
}

static uint32_t get_peers(void *context, struct rpc_peer *peers, uint32_t peers_max)
{
    (void)context;
    require(peers_max > 0);
    peers[0] = (struct rpc_peer){.name = "one", .address = "127.0.0.1:1"};
    return 1;
}

static const struct ingot_evidence *get_evidence(void *context, uint32_t *count)
{
    static struct ingot_evidence evidence[2];
    (void)context;
    for (uint32_t i = 0; i < 2; i++) {
        evidence[i] = (struct ingot_evidence){.validator = samples.set->validators[i].key,
                                              .power = 1,
                                              .view = 7 + i,
                                              .is_leader = i == 0,
                                              .votes[1].phase = PHASE_PREPARE};
    }
    *count = 2;
    return evidence;
}

static const struct metrics *get_metrics(void *context)
{
    (void)context;
    return &metrics;
}

static bool broadcast_find(void *context, const struct broadcast_id *id,
                           const struct broadcast_digest *digest, struct rpc_broadcast *broadcast)
{
    (void)context;
    broadcast->id = *id;
    broadcast->state = (enum rpc_broadcast_state)(id->bytes[0] % 4);
    if (digest != NULL) {
        broadcast->digest = *digest;
    }
    if (broadcast->state == RPC_BROADCAST_DELIVERED) {
        broadcast->has_payload = true;
        ingot_buffer_append_slice(&broadcast->payload, broadcast_id_slice(id));
    } else if (broadcast->state == RPC_BROADCAST_REJECTED) {
        memcpy(broadcast->why, "no", 3);
    }
    return id->size != 2;
}

static void broadcast_submit(void *context, const struct broadcast_id *id,
                             struct ingot_slice payload, struct rpc_broadcast *broadcast)
{
    struct broadcast_digest digest;
    wire_broadcast_digest(payload, &digest);
    (void)broadcast_find(context, id, &digest, broadcast);
}

static void make_chain(void)
{
    static const struct ingot_result result = {.code = 1};
    samples_init(&samples, &fast_crypto, 4, 0, 1);
    blocks[0] = wire_genesis_block(&samples.chain, samples.set, 1700000000000);
    struct message *message = samples_sync_response(&samples, HEIGHT);
    for (uint32_t i = 1; i <= HEIGHT; i++) {
        blocks[i] = block_ref(message->sync_response.blocks[i - 1]);
        struct ingot_result results[64];
        require(blocks[i]->transaction_count <= 64);
        for (uint32_t j = 0; j < blocks[i]->transaction_count; j++) {
            results[j] = result;
        }
        executions[i] = execution_new(results, blocks[i]->transaction_count, NULL, 0, NULL, 0);
    }
    message_unref(message);
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc;
    (void)argv;
    require(crypto_init());
    make_chain();
    genesis_init(&genesis);
    struct event_base *base = event_base_new();
    require(base != NULL);
    metrics =
        (struct metrics){.version = "0", .chain_id = "chain", .app_name = "kv", .moniker = "node"};
    rpc = (struct rpc){.base = base,
                       .options = {.commit_timeout_ms = 1000, .batch_calls_max = 16},
                       .identity = {.moniker = "node",
                                    .listen_address = "127.0.0.1:1",
                                    .app_name = "kv",
                                    .app_version = "1",
                                    .program_version = "0",
                                    .genesis = &genesis,
                                    .genesis_block = blocks[0],
                                    .has_key = true,
                                    .index_transactions = true},
                       .backend = {.status = get_status,
                                   .submit = submit,
                                   .read_block = read_block,
                                   .find_transaction = find_transaction,
                                   .query = query,
                                   .find_attestation = find_attestation,
                                   .validators = get_validators,
                                   .broadcast_submit = broadcast_submit,
                                   .broadcast_find = broadcast_find,
                                   .peers = get_peers,
                                   .evidence = get_evidence,
                                   .metrics = get_metrics},
                       .waiter_timer = event_new(base, -1, 0, NULL, NULL)};
    rpc_waiters_init(&rpc.waiters, 8);
    return 0;
}

/* What the oldest waits for comes, again and again: all of it, of any kind. */
static void end_waiting(void)
{
    while (rpc.waiters.oldest != NULL) {
        const struct rpc_call *call = rpc.waiters.oldest->call;
        if (rpc.identity.protocol == SETTINGS_PROTOCOL_HOTSTUFF) {
            rpc.waiters.oldest->deadline_ms = 0;
            rpc_waiters_expire(&rpc);
        } else {
            rpc_broadcast_ended(&rpc, &call->broadcast_id, &call->broadcast_digest);
        }
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 2) {
        return 0;
    }
    const struct ingot_slice text = {data + 1, size - 1};
    const uint8_t *mark = memchr(text.data, '?', text.size);
    struct rpc_connection connection = {.is_uri = data[0] % 2 == 1};
    struct http_request request = {.method = connection.is_uri ? HTTP_GET : HTTP_POST,
                                   .path = ingot_slice_of_text("/")};
    rpc.identity.protocol =
        data[0] / 2 % 2 == 1 ? SETTINGS_PROTOCOL_QUORUM_BROADCAST : SETTINGS_PROTOCOL_HOTSTUFF;
    if (connection.is_uri) {
        if (text.data[0] != '/') {
            return 0;
        }
        request.path.data = text.data;
        request.path.size = mark == NULL ? text.size : (size_t)(mark - text.data);
        if (mark != NULL) {
            request.query = ingot_slice_of(mark + 1, text.size - request.path.size - 1);
        }
    } else {
        ingot_buffer_append_slice(&request.body, text);
    }
    struct rpc_exchange *exchange = rpc_exchange_start(&rpc, &connection, &request);
    require((exchange == NULL) == (connection.answers == 1));
    if (exchange != NULL && data[0] / 4 % 2 == 1) {
        end_waiting();
        require(connection.answers == 1);
    } else if (exchange != NULL) {
        rpc_exchange_abandon(exchange);
        require(connection.answers == 0);
    }
    require(rpc.waiters.index.count == 0);
    ingot_buffer_deinit(&request.body);
    return 0;
}
