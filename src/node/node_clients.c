/*
 * What the listener for clients (rpc.h) sees of the node. It reads, and submits; it decides
 * nothing.
 */
#include <stdio.h>
#include <string.h>

#include "base/hex.h"
#include "node/node_state.h"

static void get_status(void *context, struct rpc_status *status)
{
    struct ingot_node *node = context;
    struct core_status core;
    replica_get_status(node->replica, &core);
    const struct metrics *metrics = replica_metrics(node->replica);
    struct ingot_network_stats network;
    ingot_network_stats(node->network, &network);
    const uint32_t member = node->home.has_validator_key
                                ? validator_set_find(core.set, &node->home.validator_key.public_key)
                                : VALIDATOR_NONE;
    *status = (struct rpc_status){
        .height = node->tip->height,
        .height_lowest = metrics->height_lowest,
        .hash = node->tip->hash,
        .updates_hash = node->tip->updates_hash,
        .time_ms = node->tip->time_ms,
        .catching_up = replica_is_catching_up(node->replica),
        .epoch = core.current.epoch,
        .view = core.current.view,
        .leader = core.leader,
        .is_leader = core.is_leader,
        .is_member = core.is_member,
        .power = member == VALIDATOR_NONE ? 0 : core.set->validators[member].power,
        .has_stopped_signing = core.has_stopped_signing,
        .withholds_signing = core.withholds_signing,
        .high_qc_view = core.high.view,
        .locked_view = core.locked.view,
        .uncommitted_blocks = core.tree_blocks,
        .peers = (uint32_t)network.peers_connected,
        .committed_transactions = metrics->committed_transactions,
        .mempool_transactions = metrics->mempool_transactions,
        .mempool_bytes = metrics->mempool_bytes,
        .timeouts = core.timeouts,
    };
    status->has_watermark = replica_watermark(node->replica, &status->watermark);
}

static enum ingot_error submit(void *context, struct ingot_slice transaction,
                               struct ingot_check_response *response)
{
    struct ingot_node *node = context;
    const enum ingot_error error = replica_submit(node->replica, transaction, response);
    node_schedule_flush(node);
    return error;
}

static enum ingot_error read_block(void *context, uint64_t height, struct ledger_entry *entry)
{
    struct ingot_node *node = context;
    return ledger_read_block(replica_ledger(node->replica), height, entry);
}

static enum ingot_error find_transaction(void *context, const uint8_t sha256[32],
                                         struct ledger_location *location)
{
    struct ingot_node *node = context;
    return ledger_find_transaction(replica_ledger(node->replica), sha256, location);
}

static enum ingot_error query(void *context, struct ingot_slice path, struct ingot_slice data,
                              struct ingot_query_response *response, uint64_t *height)
{
    struct ingot_node *node = context;
    if (node->app->query == NULL) {
        return INGOT_ERROR_NOT_FOUND;
    }
    replica_query(node->replica, path, data, response, height);
    return INGOT_OK;
}

static const struct validator_set *get_validators(void *context, uint64_t epoch)
{
    struct ingot_node *node = context;
    return core_find_set(replica_core(node->replica), epoch);
}

static void name_of(const struct peer_entry *entry, char *name, size_t size)
{
    char text[2 * 8 + 1];
    hex_encode_lower(entry->transport_key.bytes, 8, text);
    (void)snprintf(name, size, "%s", text);
}

static uint32_t get_peers(void *context, struct rpc_peer *peers, uint32_t peers_max)
{
    struct ingot_node *node = context;
    uint32_t count = 0;
    for (uint32_t i = 0; i < INGOT_PEERS_MAX && count < peers_max; i++) {
        struct ingot_network_peer_stats stats;
        if (ingot_network_peer_stats(node->network, i, &stats) != INGOT_OK || !stats.connected) {
            continue;
        }
        const struct peer_entry *entry = &node->peers->slots[i].entry;
        struct rpc_peer *peer = &peers[count++];
        *peer = (struct rpc_peer){.transport_key = entry->transport_key,
                                  .has_validator_key = entry->has_validator_key,
                                  .validator_key = entry->validator_key,
                                  .is_outbound = stats.dialled,
                                  .connected_ms = stats.connected_ms,
                                  .bytes_received = stats.bytes_received,
                                  .bytes_sent = stats.bytes_sent,
                                  .queue_bytes = stats.queue_bytes};
        name_of(entry, peer->name, sizeof peer->name);
        (void)snprintf(peer->address, sizeof peer->address, "%s", stats.address);
    }
    return count;
}

static const char *last_part(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash == NULL || slash[1] == '\0' ? path : slash + 1;
}

static const struct metrics *get_metrics(void *context)
{
    struct ingot_node *node = context;
    struct metrics *metrics = replica_metrics(node->replica);
    metrics->version = ingot_version();
    metrics->chain_id = node->home.genesis.chain_id;
    metrics->app_name = node->app->name;
    metrics->moniker = last_part(node->home.folder);
    ingot_network_stats(node->network, &metrics->network);
    store_lmdb_get_stats(node->store, &metrics->store);
    return metrics;
}

struct rpc_backend node_rpc_backend(struct ingot_node *node)
{
    return (struct rpc_backend){.context = node,
                                .status = get_status,
                                .submit = submit,
                                .read_block = read_block,
                                .find_transaction = find_transaction,
                                .query = query,
                                .validators = get_validators,
                                .peers = get_peers,
                                .metrics = get_metrics};
}

struct rpc_identity node_rpc_identity(const struct ingot_node *node, const char *listen_address)
{
    return (struct rpc_identity){.moniker = last_part(node->home.folder),
                                 .listen_address = listen_address,
                                 .app_name = node->app->name,
                                 .app_version = node->app->version,
                                 .program_version = ingot_version(),
                                 .genesis = &node->home.genesis,
                                 .genesis_block = node->genesis.block,
                                 .transport_key = node->home.transport_key.public_key,
                                 .has_key = node->home.has_validator_key,
                                 .key = node->home.validator_key.public_key,
                                 .durable = true,
                                 .index_transactions = node->home.settings.rpc_index_tx};
}
