/*
 * The network interface: hands each call to the implementation, and names the close reasons. It
 * does no networking itself.
 */
#include <ingot/network.h>

#include <string.h>

#include "base/assert.h"

const char *ingot_close_reason_text(enum ingot_close_reason reason)
{
    switch (reason) {
    case INGOT_CLOSE_LOCAL:
        return "local";
    case INGOT_CLOSE_REMOVED:
        return "removed";
    case INGOT_CLOSE_BY_PEER:
        return "by_peer";
    case INGOT_CLOSE_ERROR:
        return "error";
    case INGOT_CLOSE_SILENT:
        return "silent";
    case INGOT_CLOSE_QUEUE_FULL:
        return "queue_full";
    case INGOT_CLOSE_FRAME_EMPTY:
        return "frame_empty";
    case INGOT_CLOSE_FRAME_TOO_LARGE:
        return "frame_too_large";
    case INGOT_CLOSE_REPLACED:
        return "replaced";
    case INGOT_CLOSE_DUPLICATE:
        return "duplicate";
    case INGOT_CLOSE_KEY_UNKNOWN:
        return "key_unknown";
    case INGOT_CLOSE_KEY_WRONG:
        return "key_wrong";
    case INGOT_CLOSE_REFUSED_BY_PEER:
        return "refused_by_peer";
    case INGOT_CLOSE_NOT_TLS:
        return "not_tls";
    case INGOT_CLOSE_HANDSHAKE_TIMEOUT:
        return "handshake_timeout";
    case INGOT_CLOSE_HELLO_MALFORMED:
        return "hello_malformed";
    case INGOT_CLOSE_VERSION:
        return "version";
    case INGOT_CLOSE_GREETING:
        return "greeting";
    case INGOT_CLOSE_LIMIT_TOTAL:
        return "limit_total";
    case INGOT_CLOSE_LIMIT_SOURCE:
        return "limit_source";
    case INGOT_CLOSE_RESOLVE:
        return "resolve";
    case INGOT_CLOSE_CONNECT:
        return "connect";
    case INGOT_CLOSE_REASONS:
        break;
    }
    return "unknown";
}

enum ingot_error ingot_network_start(struct ingot_network *network,
                                     const struct ingot_network_events *events, char *why,
                                     size_t why_size)
{
    INGOT_ASSERT(events->receive != NULL);
    return network->operations->start(network, events, why, why_size);
}

enum ingot_error ingot_network_set_peers(struct ingot_network *network,
                                         const struct ingot_peer *peers, uint32_t peer_count)
{
    return network->operations->set_peers(network, peers, peer_count);
}

enum ingot_error ingot_network_connect(struct ingot_network *network, uint32_t peer)
{
    return network->operations->connect(network, peer);
}

enum ingot_error ingot_network_disconnect(struct ingot_network *network, uint32_t peer)
{
    return network->operations->disconnect(network, peer);
}

enum ingot_error ingot_network_send(struct ingot_network *network, uint32_t peer,
                                    enum ingot_frame_class frame_class, struct ingot_slice frame)
{
    return network->operations->send(network, peer, frame_class, frame);
}

uint32_t ingot_network_broadcast(struct ingot_network *network, enum ingot_frame_class frame_class,
                                 struct ingot_slice frame)
{
    return network->operations->broadcast(network, frame_class, frame);
}

bool ingot_network_is_connected(const struct ingot_network *network, uint32_t peer)
{
    return network->operations->is_connected(network, peer);
}

enum ingot_error ingot_network_peer_stats(const struct ingot_network *network, uint32_t peer,
                                          struct ingot_network_peer_stats *stats)
{
    memset(stats, 0, sizeof *stats);
    return network->operations->peer_stats(network, peer, stats);
}

void ingot_network_stats(const struct ingot_network *network, struct ingot_network_stats *stats)
{
    memset(stats, 0, sizeof *stats);
    network->operations->stats(network, stats);
}

void ingot_network_free(struct ingot_network *network)
{
    if (network != NULL) {
        network->operations->free(network);
    }
}
