/*
 * Peer discovery: the interface, and its static form, which holds a list and hands it to the
 * network. It reads no file; whoever has read the peers file gives the list here.
 */
#include <ingot/network.h>

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"

struct static_discovery {
    struct ingot_discovery discovery; /* first, so that the two pointers are one */
    struct ingot_network *network;    /* NULL before the start */
    struct ingot_peer *peers;         /* owned, host names too */
    uint32_t peer_count;
};

static struct ingot_peer *copy_peers(const struct ingot_peer *peers, uint32_t peer_count)
{
    struct ingot_peer *copy = alloc_zeroed(peer_count > 0 ? peer_count : 1, sizeof *copy);
    for (uint32_t i = 0; i < peer_count; i++) {
        copy[i] = peers[i];
        copy[i].host = alloc_text(peers[i].host != NULL ? peers[i].host : "");
    }
    return copy;
}

static void free_peers(struct ingot_peer *peers, uint32_t peer_count)
{
    for (uint32_t i = 0; i < peer_count; i++) {
        union {
            const char *borrowed;
            char *owned;
        } host = {.borrowed = peers[i].host};
        free(host.owned);
    }
    free(peers);
}

static enum ingot_error static_start(struct ingot_discovery *discovery,
                                     struct ingot_network *network)
{
    struct static_discovery *self = (struct static_discovery *)discovery;
    enum ingot_error error = ingot_network_set_peers(network, self->peers, self->peer_count);
    if (error == INGOT_OK) {
        self->network = network;
    }
    return error;
}

static void static_free(struct ingot_discovery *discovery)
{
    struct static_discovery *self = (struct static_discovery *)discovery;
    free_peers(self->peers, self->peer_count);
    free(self);
}

static const struct ingot_discovery_operations static_operations = {
    .start = static_start,
    .free = static_free,
};

struct ingot_discovery *ingot_discovery_static_new(const struct ingot_peer *peers,
                                                   uint32_t peer_count)
{
    struct static_discovery *self = alloc_zeroed(1, sizeof *self);
    self->discovery.operations = &static_operations;
    self->peers = copy_peers(peers, peer_count);
    self->peer_count = peer_count;
    return &self->discovery;
}

enum ingot_error ingot_discovery_static_set(struct ingot_discovery *discovery,
                                            const struct ingot_peer *peers, uint32_t peer_count)
{
    struct static_discovery *self = (struct static_discovery *)discovery;
    if (self->network != NULL) {
        enum ingot_error error = ingot_network_set_peers(self->network, peers, peer_count);
        if (error != INGOT_OK) {
            return error;
        }
    }
    struct ingot_peer *copy = copy_peers(peers, peer_count);
    free_peers(self->peers, self->peer_count);
    self->peers = copy;
    self->peer_count = peer_count;
    return INGOT_OK;
}

enum ingot_error ingot_discovery_start(struct ingot_discovery *discovery,
                                       struct ingot_network *network)
{
    return discovery->operations->start(discovery, network);
}

void ingot_discovery_free(struct ingot_discovery *discovery)
{
    if (discovery != NULL) {
        discovery->operations->free(discovery);
    }
}
