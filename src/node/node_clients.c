/*
 * What the listener for clients (rpc.h) sees of the node itself, whatever its protocol.
 */
#include <stdio.h>
#include <string.h>

#include "base/hex.h"
#include "node/node_state.h"

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

void node_fill_metrics(struct ingot_node *node, struct metrics *metrics)
{
    metrics->version = ingot_version();
    metrics->chain_id = node->home.genesis.chain_id;
    metrics->app_name = node->driver->app_name;
    metrics->moniker = last_part(node->home.folder);
    ingot_network_stats(node->network, &metrics->network);
}

void node_describe(struct ingot_node *node, struct rpc_identity *identity,
                   struct rpc_backend *backend)
{
    *identity = (struct rpc_identity){.moniker = last_part(node->home.folder),
                                      .listen_address = (const char *)node->listen_address.data,
                                      .program_version = ingot_version(),
                                      .protocol = node->home.settings.protocol,
                                      .genesis = &node->home.genesis,
                                      .genesis_block = node->genesis.block,
                                      .transport_key = node->home.transport_key.public_key,
                                      .has_key = node->home.has_validator_key,
                                      .key = node->home.validator_key.public_key,
                                      .durable = true};
    *backend = (struct rpc_backend){.context = node, .peers = get_peers};
    node->driver->operations->describe(node->driver, identity, backend);
}
