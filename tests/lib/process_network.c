/*
 * The body of process_network.h.
 */
#include "lib/process_network.h"

#include <event2/event.h>

#include "lib/process_home.h"

struct ingot_network *process_network_start(const struct node_home *home, struct event_base *base,
                                            const uint8_t *seed,
                                            const struct ingot_network_events *events)
{
    char why[512];
    struct ingot_network *network = NULL;
    const struct ingot_network_tls_options options = {
        .base = base,
        .seed = seed != NULL ? seed : home->transport_key.seed,
        .greeting = ingot_slice_of(home->genesis.hash.bytes, INGOT_HASH_BYTES),
        .listen_host = home->settings.network_listen.host,
        .listen_port = home->settings.network_listen.port};
    struct ingot_peer peers[INGOT_PEERS_MAX];
    for (uint32_t i = 0; i < home->peers.count; i++) {
        const struct peer_entry *entry = &home->peers.entries[i];
        peers[i] = (struct ingot_peer){.number = i,
                                       .key = entry->transport_key,
                                       .host = entry->endpoint.host,
                                       .port = entry->endpoint.port};
    }
    if (ingot_network_tls_new(&options, &network, why, sizeof why) != INGOT_OK ||
        ingot_network_set_peers(network, peers, home->peers.count) != INGOT_OK ||
        ingot_network_start(network, events, why, sizeof why) != INGOT_OK) {
        process_fail("%s", why);
    }
    return network;
}

void process_network_end(struct ingot_network *network, struct event_base *base)
{
    ingot_network_free(network);
    /* Connections that ended just now still have callbacks queued, which hold them. */
    (void)event_base_loop(base, EVLOOP_NONBLOCK);
    event_base_free(base);
}
