/*
 * The node's peers: from the peers file to the network and the driver, at the start and whenever
 * the file is to be read again.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/log.h"
#include "node/node_state.h"

/* Returns how many; `peers` has room for INGOT_PEERS_MAX and borrows the host names. */
static uint32_t list_peers(const struct peer_table *table, struct ingot_peer *peers)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < INGOT_PEERS_MAX; i++) {
        const struct peer_slot *slot = &table->slots[i];
        if (slot->is_used) {
            peers[count++] = (struct ingot_peer){.number = i,
                                                 .key = slot->entry.transport_key,
                                                 .host = slot->entry.endpoint.host,
                                                 .port = slot->entry.endpoint.port};
        }
    }
    return count;
}

/* The network first: it is the one that may refuse, and it tells nobody before the loop's turn. */
static enum ingot_error give_to_network(struct ingot_node *node, const struct peer_table *table)
{
    struct ingot_peer *peers = alloc_zeroed(INGOT_PEERS_MAX, sizeof *peers);
    const uint32_t count = list_peers(table, peers);
    enum ingot_error error;
    if (node->discovery == NULL) {
        node->discovery = ingot_discovery_static_new(peers, count);
        error = ingot_discovery_start(node->discovery, node->network);
    } else {
        error = ingot_discovery_static_set(node->discovery, peers, count);
    }
    free(peers);
    return error;
}

static void give_to_driver(struct ingot_node *node, const struct peer_table *table)
{
    const struct node_driver_operations *driver = node->driver->operations;
    for (uint32_t i = 0; i < INGOT_PEERS_MAX; i++) {
        const unsigned change = peer_table_compare(node->peers, table, i);
        const struct peer_entry *entry = &table->slots[i].entry;
        if ((change & PEER_REMOVED) != 0) {
            driver->remove_peer(node->driver, i);
        }
        if ((change & (PEER_ADDED | PEER_CHANGED)) != 0) {
            driver->set_peer(node->driver, i, entry->has_validator_key, &entry->validator_key);
        }
    }
}

static enum ingot_error use(struct ingot_node *node, struct peer_table *table)
{
    const enum ingot_error error = give_to_network(node, table);
    if (error != INGOT_OK) {
        free(table);
        return error;
    }
    give_to_driver(node, table);
    free(node->peers);
    node->peers = table;
    return INGOT_OK;
}

static struct peer_table *next_table(const struct ingot_node *node, const struct peer_list *list)
{
    struct peer_table *table = alloc_zeroed(1, sizeof *table);
    peer_table_next(node->peers, list, &node->home.transport_key.public_key, table);
    return table;
}

enum ingot_error node_peers_start(struct ingot_node *node)
{
    node->peers = alloc_zeroed(1, sizeof *node->peers);
    return use(node, next_table(node, &node->home.peers));
}

static void log_peer(const char *message, uint32_t number, const struct peer_entry *entry)
{
    struct ingot_buffer address = {0};
    endpoint_format(&entry->endpoint, &address);
    ingot_buffer_append_u8(&address, 0);
    LOG(LOG_INFO, message, log_u64("peer", number),
        log_hex("transport_key", entry->transport_key.bytes, INGOT_PUBLIC_KEY_BYTES),
        log_text("address", (const char *)address.data));
    ingot_buffer_deinit(&address);
}

static void log_changes(const struct peer_table *before, const struct peer_table *after)
{
    uint64_t counts[3] = {0};
    uint64_t peers = 0;
    for (uint32_t i = 0; i < INGOT_PEERS_MAX; i++) {
        const unsigned change = peer_table_compare(before, after, i);
        peers += after->slots[i].is_used;
        if ((change & PEER_REMOVED) != 0) {
            log_peer("peer removed", i, &before->slots[i].entry);
            counts[0]++;
        }
        if ((change & PEER_ADDED) != 0) {
            log_peer("peer added", i, &after->slots[i].entry);
            counts[1]++;
        }
        if ((change & PEER_CHANGED) != 0) {
            log_peer("peer changed", i, &after->slots[i].entry);
            counts[2]++;
        }
    }
    LOG(LOG_INFO, "the peers file was read again", log_u64("peers", peers),
        log_u64("added", counts[1]), log_u64("removed", counts[0]), log_u64("changed", counts[2]));
}

/* A line of the log for each complaint. */
static void log_refusal(char *why)
{
    char *rest = NULL;
    for (char *line = strtok_r(why, "\n", &rest); line != NULL;
         line = strtok_r(NULL, "\n", &rest)) {
        LOG(LOG_ERROR, "the peers file is not used, the peers stay as they are",
            log_text("reason", line));
    }
}

/*
 * A file that is empty, or has comments alone, is more likely half-written than meant to drop
 * everybody. Whoever means it leaves the node's own line in.
 */
static bool names_somebody(const struct ingot_node *node, const struct peer_list *list, char *why,
                           size_t why_size)
{
    bool has_peers = false;
    for (uint32_t i = 0; i < INGOT_PEERS_MAX; i++) {
        has_peers = has_peers || node->peers->slots[i].is_used;
    }
    if (list->count > 0 || !has_peers) {
        return true;
    }
    (void)snprintf(why, why_size,
                   "%s/%s: expected at least one line, as this node has peers; found none (a file "
                   "with the node's own line alone removes them all)",
                   node->home.folder, HOME_PEERS_FILE);
    return false;
}

void node_peers_reload(struct ingot_node *node)
{
    char why[4096] = "";
    struct peer_list list;
    if (config_load_peers(&node->home, &list, why, sizeof why) != INGOT_OK ||
        !names_somebody(node, &list, why, sizeof why)) {
        log_refusal(why);
        return;
    }
    struct peer_table *before = alloc_zeroed(1, sizeof *before);
    *before = *node->peers;
    const enum ingot_error error = use(node, next_table(node, &list));
    if (error == INGOT_OK) {
        log_changes(before, node->peers);
    } else {
        LOG(LOG_ERROR, "the peers file is not used, the peers stay as they are",
            log_text("reason", ingot_error_text(error)));
    }
    free(before);
    peers_deinit(&list);
}
