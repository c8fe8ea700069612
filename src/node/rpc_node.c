/*
 * What clients may know of the node and of its chain: status, net_info, genesis, validators.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/hex.h"
#include "config/rfc3339.h"
#include "node/rpc_internal.h"
#include "node/rpc_json.h"
#include "wire/crypto.h"

static json_t *json_c_text(const char *text)
{
    return rpc_json_text(ingot_slice_of_text(text == NULL ? "" : text));
}

/* A node's id: as an address, but of its transport key and in lower case, as CometBFT has it. */
static json_t *node_id(const struct ingot_public_key *transport_key)
{
    uint8_t address[INGOT_ADDRESS_BYTES];
    char hex[2 * INGOT_ADDRESS_BYTES + 1];
    crypto_address(transport_key, address);
    hex_encode_lower(address, sizeof address, hex);
    return rpc_json(json_string(hex));
}

/* `other` is taken over. */
static json_t *node_info(const struct rpc *rpc, const struct ingot_public_key *transport_key,
                         const char *address, const char *moniker, json_t *other)
{
    json_t *info = rpc_json(json_object());
    json_t *protocol = rpc_json(json_object());
    rpc_json_set(protocol, "p2p", rpc_json_u64(8));
    rpc_json_set(protocol, "block", rpc_json_u64(11));
    rpc_json_set(protocol, "app", rpc_json_u64(1));
    rpc_json_set(info, "protocol_version", protocol);
    rpc_json_set(info, "id", node_id(transport_key));
    rpc_json_set(info, "listen_addr", json_c_text(address));
    rpc_json_set(info, "network", json_c_text(rpc->identity.genesis->chain_id));
    rpc_json_set(info, "version", rpc_json(json_string(RPC_COMETBFT_VERSION)));
    rpc_json_set(info, "channels", rpc_json(json_string("")));
    rpc_json_set(info, "moniker", json_c_text(moniker));
    rpc_json_set(info, "other", other);
    return info;
}

static json_t *own_node_info(const struct rpc *rpc)
{
    json_t *other = rpc_json(json_object());
    char text[sizeof rpc->address + 8];
    rpc_json_set(other, "tx_index",
                 rpc_json(json_string(rpc->identity.index_transactions ? "on" : "off")));
    (void)snprintf(text, sizeof text, "tcp://%s", rpc->address);
    rpc_json_set(other, "rpc_address", json_c_text(text));
    (void)snprintf(text, sizeof text, "tcp://%s", rpc->identity.listen_address);
    return node_info(rpc, &rpc->identity.transport_key, text, rpc->identity.moniker, other);
}

/*
 * The oldest block that can be read changes seldom, and status is asked often: it is remembered.
 * Where there is none yet, or the store fails, genesis stands in.
 */
static void refresh_lowest(struct rpc *rpc, const struct rpc_status *status)
{
    uint64_t height = status->height_lowest > 0 ? status->height_lowest : 1;
    const struct block *block = rpc->identity.genesis_block;
    struct ledger_entry entry = {0};
    if (rpc->has_lowest && rpc->lowest_height == height) {
        return;
    }
    if (status->height >= height &&
        rpc->backend.read_block(rpc->backend.context, height, &entry) == INGOT_OK) {
        block = entry.block;
        rpc->has_lowest = true;
    }
    rpc->lowest_height = block->height;
    rpc->lowest_hash = block->hash;
    rpc->lowest_updates_hash = block->updates_hash;
    rpc->lowest_time_ms = block->time_ms;
    block_unref(entry.block);
    execution_unref(entry.execution);
}

static json_t *sync_info(struct rpc *rpc, const struct rpc_status *status)
{
    json_t *info = rpc_json(json_object());
    refresh_lowest(rpc, status);
    rpc_json_set(info, "latest_block_hash", rpc_json_hash(&status->hash));
    rpc_json_set(info, "latest_app_hash", rpc_json_hash(&status->updates_hash));
    rpc_json_set(info, "latest_block_height", rpc_json_u64(status->height));
    rpc_json_set(info, "latest_block_time", rpc_json_time_ms(status->time_ms));
    rpc_json_set(info, "earliest_block_hash", rpc_json_hash(&rpc->lowest_hash));
    rpc_json_set(info, "earliest_app_hash", rpc_json_hash(&rpc->lowest_updates_hash));
    rpc_json_set(info, "earliest_block_height", rpc_json_u64(rpc->lowest_height));
    rpc_json_set(info, "earliest_block_time", rpc_json_time_ms(rpc->lowest_time_ms));
    rpc_json_set(info, "catching_up", rpc_json(json_boolean(status->catching_up)));
    return info;
}

/* May this node sign? For people; scripts have the gauges of /metrics. */
static json_t *signing_text(const struct rpc_status *status)
{
    if (status->has_stopped_signing)
        return json_c_text("stopped: another process signs with this key");
    if (!status->withholds_signing)
        return json_c_text("allowed");
    if (!status->has_watermark)
        return json_c_text("withheld: a copy, whose watermark is not known yet");
    return rpc_json(json_sprintf("withheld: a copy, until a block above epoch %llu, view %llu is "
                                 "committed",
                                 (unsigned long long)status->watermark.epoch,
                                 (unsigned long long)status->watermark.view));
}

static void set_log_info(json_t *info, const struct rpc *rpc, const struct rpc_status *status)
{
    rpc_json_set(info, "epoch", rpc_json_u64(status->epoch));
    rpc_json_set(info, "view", rpc_json_u64(status->view));
    rpc_json_set(info, "leader", rpc_json_address(&status->leader));
    rpc_json_set(info, "is_leader", rpc_json(json_boolean(status->is_leader)));
    rpc_json_set(info, "high_qc_view", rpc_json_u64(status->high_qc_view));
    rpc_json_set(info, "locked_view", rpc_json_u64(status->locked_view));
    rpc_json_set(info, "uncommitted_blocks", rpc_json_u64(status->uncommitted_blocks));
    rpc_json_set(info, "committed_txs", rpc_json_u64(status->committed_transactions));
    rpc_json_set(info, "mempool_txs", rpc_json_u64(status->mempool_transactions));
    rpc_json_set(info, "mempool_bytes", rpc_json_u64(status->mempool_bytes));
    rpc_json_set(info, "timeouts", rpc_json_u64(status->timeouts));
    rpc_json_set(info, "evidence", rpc_json_u64(status->evidence));
    if (rpc->backend.find_attestation != NULL) {
        rpc_json_set(info, "attested", rpc_json_u64(status->attested));
        rpc_json_set(info, "attest_pending", rpc_json_u64(status->attest_pending));
    }
}

static void set_broadcast_info(json_t *info, const struct rpc_status *status)
{
    rpc_json_set(info, "deliveries", rpc_json_u64(status->deliveries));
    rpc_json_set(info, "open_rounds", rpc_json_u64(status->open_rounds));
}

/* What this dialect has no field for. */
static json_t *ingot_info(const struct rpc *rpc, const struct rpc_status *status)
{
    const enum settings_protocol protocol = rpc->identity.protocol;
    json_t *info = rpc_json(json_object());
    rpc_json_set(info, "version", json_c_text(rpc->identity.program_version));
    rpc_json_set(info, "protocol", json_c_text(settings_protocol_name(protocol)));
    rpc_json_set(info, "app", json_c_text(rpc->identity.app_name));
    rpc_json_set(info, "genesis_hash", rpc_json_hash(&rpc->identity.genesis_block->hash));
    rpc_json_set(info, "is_member", rpc_json(json_boolean(status->is_member)));
    rpc_json_set(info, "signing", signing_text(status));
    rpc_json_set(info, "peers", rpc_json_u64(status->peers));
    if (protocol == SETTINGS_PROTOCOL_HOTSTUFF) {
        set_log_info(info, rpc, status);
    } else {
        set_broadcast_info(info, status);
    }
    rpc_json_set(info, "durable", rpc_json(json_boolean(rpc->identity.durable)));
    return info;
}

void rpc_method_status(struct rpc_call *call, const struct rpc_argument *arguments)
{
    struct rpc *rpc = call->exchange->rpc;
    const struct rpc_identity *identity = &rpc->identity;
    /* An observer has no validator key; clients expect one all the same. */
    const struct ingot_public_key *key =
        identity->has_key ? &identity->key : &identity->transport_key;
    struct rpc_status status;
    json_t *validator = rpc_json(json_object());
    json_t *result = rpc_json(json_object());
    (void)arguments;
    rpc->backend.status(rpc->backend.context, &status);
    rpc_json_set(validator, "address", rpc_json_address(key));
    rpc_json_set(validator, "pub_key", rpc_json_public_key(key));
    rpc_json_set(validator, "voting_power", rpc_json_u64(status.is_member ? status.power : 0));
    rpc_json_set(result, "node_info", own_node_info(rpc));
    rpc_json_set(result, "sync_info", sync_info(rpc, &status));
    rpc_json_set(result, "validator_info", validator);
    rpc_json_set(result, "ingot", ingot_info(rpc, &status));
    rpc_call_result(call, result);
}

/* The address without its port, and without the brackets of IPv6. */
static json_t *remote_ip(const char *address)
{
    const char *colon = strrchr(address, ':');
    size_t size = colon == NULL ? strlen(address) : (size_t)(colon - address);
    if (size >= 2 && address[0] == '[' && address[size - 1] == ']') {
        address++;
        size -= 2;
    }
    return rpc_json_text(ingot_slice_of(address, size));
}

static json_t *monitor(uint64_t bytes, uint64_t duration_ms)
{
    json_t *object = rpc_json(json_object());
    rpc_json_set(object, "Active", rpc_json(json_true()));
    rpc_json_set(object, "Duration", rpc_json_u64(duration_ms * 1000000));
    rpc_json_set(object, "Bytes", rpc_json_u64(bytes));
    rpc_json_set(object, "AvgRate",
                 rpc_json_u64(duration_ms < 1000 ? 0 : bytes / (duration_ms / 1000)));
    return object;
}

/* What this dialect has no field for: whose votes come and go over this connection. */
static json_t *ingot_peer_info(const struct rpc_peer *peer)
{
    json_t *info = rpc_json(json_object());
    rpc_json_set(info, "transport_key", rpc_json_public_key(&peer->transport_key));
    if (peer->has_validator_key) {
        rpc_json_set(info, "validator_address", rpc_json_address(&peer->validator_key));
        rpc_json_set(info, "validator_pub_key", rpc_json_public_key(&peer->validator_key));
    }
    return info;
}

static json_t *peer_info(const struct rpc *rpc, const struct rpc_peer *peer)
{
    json_t *object = rpc_json(json_object());
    json_t *status = rpc_json(json_object());
    json_t *channel = rpc_json(json_object());
    json_t *channels = rpc_json(json_array());
    rpc_json_set(channel, "ID", rpc_json(json_integer(0)));
    rpc_json_set(channel, "SendQueueSize", rpc_json_u64(peer->queue_bytes));
    rpc_json_append(channels, channel);
    rpc_json_set(status, "Duration", rpc_json_u64(peer->connected_ms * 1000000));
    rpc_json_set(status, "SendMonitor", monitor(peer->bytes_sent, peer->connected_ms));
    rpc_json_set(status, "RecvMonitor", monitor(peer->bytes_received, peer->connected_ms));
    rpc_json_set(status, "Channels", channels);
    rpc_json_set(
        object, "node_info",
        node_info(rpc, &peer->transport_key, peer->address, peer->name, rpc_json(json_object())));
    rpc_json_set(object, "is_outbound", rpc_json(json_boolean(peer->is_outbound)));
    rpc_json_set(object, "connection_status", status);
    rpc_json_set(object, "remote_ip", remote_ip(peer->address));
    rpc_json_set(object, "ingot", ingot_peer_info(peer));
    return object;
}

void rpc_method_net_info(struct rpc_call *call, const struct rpc_argument *arguments)
{
    const struct rpc *rpc = call->exchange->rpc;
    struct rpc_peer *peers = alloc_zeroed(INGOT_PEERS_MAX, sizeof *peers);
    uint32_t count = rpc->backend.peers(rpc->backend.context, peers, INGOT_PEERS_MAX);
    char text[sizeof rpc->address + 16];
    json_t *listeners = rpc_json(json_array());
    json_t *list = rpc_json(json_array());
    json_t *result = rpc_json(json_object());
    (void)arguments;
    (void)snprintf(text, sizeof text, "Listener(@%s)", rpc->identity.listen_address);
    rpc_json_append(listeners, json_c_text(text));
    for (uint32_t i = 0; i < count; i++) {
        rpc_json_append(list, peer_info(rpc, &peers[i]));
    }
    free(peers);
    rpc_json_set(result, "listening", rpc_json(json_true()));
    rpc_json_set(result, "listeners", listeners);
    rpc_json_set(result, "n_peers", rpc_json_u64(count));
    rpc_json_set(result, "peers", list);
    rpc_call_result(call, result);
}

static json_t *consensus_params(const struct genesis *genesis)
{
    json_t *params = rpc_json(json_object());
    json_t *block = rpc_json(json_object());
    json_t *evidence = rpc_json(json_object());
    json_t *validator = rpc_json(json_object());
    json_t *types = rpc_json(json_array());
    json_t *version = rpc_json(json_object());
    json_t *abci = rpc_json(json_object());
    rpc_json_set(block, "max_bytes", rpc_json_u64(genesis->block_payload_bytes_max));
    rpc_json_set(block, "max_gas", rpc_json(json_string("-1")));
    /* Evidence is reported, not put into blocks. */
    rpc_json_set(evidence, "max_age_num_blocks", rpc_json_u64(0));
    rpc_json_set(evidence, "max_age_duration", rpc_json_u64(0));
    rpc_json_set(evidence, "max_bytes", rpc_json_u64(0));
    rpc_json_append(types, rpc_json(json_string("ed25519")));
    rpc_json_set(validator, "pub_key_types", types);
    rpc_json_set(version, "app", rpc_json_u64(1));
    rpc_json_set(abci, "vote_extensions_enable_height", rpc_json_u64(0));
    rpc_json_set(params, "block", block);
    rpc_json_set(params, "evidence", evidence);
    rpc_json_set(params, "validator", validator);
    rpc_json_set(params, "version", version);
    rpc_json_set(params, "abci", abci);
    return params;
}

/* Our own genesis file is in app_state, so that nothing of it is lost in translation. */
static json_t *own_genesis(const struct genesis *genesis)
{
    struct ingot_buffer text = {0};
    genesis_format(genesis, &text);
    json_t *value = json_loadb((const char *)text.data, text.size, 0, NULL);
    ingot_buffer_deinit(&text);
    return value == NULL ? rpc_json(json_null()) : value;
}

void rpc_method_genesis(struct rpc_call *call, const struct rpc_argument *arguments)
{
    const struct rpc_identity *identity = &call->exchange->rpc->identity;
    const struct genesis *genesis = identity->genesis;
    json_t *validators = rpc_json(json_array());
    json_t *object = rpc_json(json_object());
    json_t *result = rpc_json(json_object());
    char time[RFC3339_TEXT_BYTES];
    (void)arguments;
    for (uint32_t i = 0; i < genesis->validator_count; i++) {
        const struct genesis_validator *member = &genesis->validators[i];
        json_t *validator = rpc_json(json_object());
        rpc_json_set(validator, "address", rpc_json_address(&member->validator.key));
        rpc_json_set(validator, "pub_key", rpc_json_public_key(&member->validator.key));
        rpc_json_set(validator, "power", rpc_json_u64(member->validator.power));
        rpc_json_set(validator, "name", json_c_text(member->name));
        rpc_json_append(validators, validator);
    }
    rfc3339_format_ns(genesis->time_ns, time);
    rpc_json_set(object, "genesis_time", rpc_json(json_string(time)));
    rpc_json_set(object, "chain_id", json_c_text(genesis->chain_id));
    rpc_json_set(object, "initial_height", rpc_json_u64(1));
    rpc_json_set(object, "consensus_params", consensus_params(genesis));
    rpc_json_set(object, "validators", validators);
    rpc_json_set(object, "app_hash", rpc_json_hash(&identity->genesis_block->updates_hash));
    rpc_json_set(object, "app_state", own_genesis(genesis));
    rpc_json_set(result, "genesis", object);
    rpc_call_result(call, result);
}

enum { VALIDATORS_HEIGHT, VALIDATORS_PAGE, VALIDATORS_PER_PAGE };
#define PER_PAGE_DEFAULT 30
#define PER_PAGE_MAX 100

static uint32_t page_size(const struct rpc_argument *argument)
{
    if (!argument->is_given || argument->integer < 1) {
        return PER_PAGE_DEFAULT;
    }
    return argument->integer > PER_PAGE_MAX ? PER_PAGE_MAX : (uint32_t)argument->integer;
}

bool rpc_call_page(struct rpc_call *call, const struct rpc_argument *page,
                   const struct rpc_argument *per_page, uint32_t total, uint32_t *first,
                   uint32_t *end)
{
    const uint32_t size = page_size(per_page);
    const uint32_t pages = total == 0 ? 1 : (total - 1) / size + 1;
    const int64_t wanted = page->is_given ? page->integer : 1;
    if (wanted < 1 || wanted > pages) {
        rpc_call_error_format(call, RPC_ERROR_INTERNAL,
                              "page should be within [1, %" PRIu32 "] range, given %" PRId64, pages,
                              wanted);
        return false;
    }
    *first = (uint32_t)(wanted - 1) * size;
    *end = total - *first < size ? total : *first + size;
    return true;
}

/*
 * The epoch of the block at a height, up to the one after `latest`: what certified a block is read
 * off its justify, and a block that changes the set opens the next epoch for its child.
 */
static enum ingot_error epoch_of(const struct rpc *rpc, uint64_t height, uint64_t latest,
                                 uint64_t *epoch)
{
    struct ledger_entry entry = {0};
    *epoch = 0;
    if (height > latest && latest == 0) {
        return INGOT_OK; /* genesis changes nothing */
    }
    const uint64_t read = height > latest ? latest : height;
    const enum ingot_error error = rpc->backend.read_block(rpc->backend.context, read, &entry);
    if (error == INGOT_OK) {
        *epoch = block_epoch(entry.block) + (height > latest && block_changes_set(entry.block));
    }
    block_unref(entry.block);
    execution_unref(entry.execution);
    return error;
}

static json_t *validators_page(const struct validator_set *set, uint32_t first, uint32_t end)
{
    json_t *list = rpc_json(json_array());
    for (uint32_t i = first; i < end; i++) {
        json_t *validator = rpc_json(json_object());
        rpc_json_set(validator, "address", rpc_json_address(&set->validators[i].key));
        rpc_json_set(validator, "pub_key", rpc_json_public_key(&set->validators[i].key));
        rpc_json_set(validator, "voting_power", rpc_json_u64(set->validators[i].power));
        rpc_json_set(validator, "proposer_priority", rpc_json_u64(0));
        rpc_json_append(list, validator);
    }
    return list;
}

static json_t *set_info(const struct validator_set *set)
{
    json_t *info = rpc_json(json_object());
    rpc_json_set(info, "epoch", rpc_json_u64(set->epoch));
    rpc_json_set(info, "validators_hash", rpc_json_hash(&set->hash));
    rpc_json_set(info, "total_power", rpc_json_u64(set->total_power));
    return info;
}

void rpc_method_validators(struct rpc_call *call, const struct rpc_argument *arguments)
{
    const struct rpc *rpc = call->exchange->rpc;
    struct rpc_status status;
    uint64_t height;
    uint64_t epoch;
    rpc->backend.status(rpc->backend.context, &status);
    /* The set of the block that is being agreed on is known too. */
    if (!rpc_call_height(call, &arguments[VALIDATORS_HEIGHT], status.height + 1,
                         status.height_lowest, &height)) {
        return;
    }
    const enum ingot_error error = epoch_of(rpc, height, status.height, &epoch);
    if (error != INGOT_OK) {
        rpc_call_store_error(call, error);
        return;
    }
    const struct validator_set *set = rpc->backend.validators(rpc->backend.context, epoch);
    if (set == NULL) {
        rpc_call_error_format(call, RPC_ERROR_INTERNAL,
                              "could not find validator set for height #%" PRIu64, height);
        return;
    }
    uint32_t first = 0;
    uint32_t end = 0;
    if (!rpc_call_page(call, &arguments[VALIDATORS_PAGE], &arguments[VALIDATORS_PER_PAGE],
                       set->count, &first, &end)) {
        return;
    }
    json_t *result = rpc_json(json_object());
    rpc_json_set(result, "block_height", rpc_json_u64(height));
    rpc_json_set(result, "validators", validators_page(set, first, end));
    rpc_json_set(result, "count", rpc_json_u64(end - first));
    rpc_json_set(result, "total", rpc_json_u64(set->count));
    rpc_json_set(result, "ingot", set_info(set));
    rpc_call_result(call, result);
}
