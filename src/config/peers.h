/*
 * The peers file: who may connect, by transport key. One peer a line:
 *
 *   <transport key> <host>:<port> [<validator key>]      # comment
 *
 * Keys are 64 hex digits; an IPv6 address stands in brackets. The node's own line may be there,
 * so that one file serves a whole network.
 */
#ifndef INGOT_CONFIG_PEERS_H
#define INGOT_CONFIG_PEERS_H

#include <ingot/types.h>

#include "config/file.h"

#define ENDPOINT_HOST_BYTES_MAX 253
#define PEERS_FILE_BYTES_MAX (1024 * 1024)

/* host:port; an IPv6 host is held without its brackets. */
struct endpoint {
    char host[ENDPOINT_HOST_BYTES_MAX + 1];
    uint16_t port;
};

enum endpoint_port { ENDPOINT_PORT_NONZERO, ENDPOINT_PORT_ANY };

/* Port 0, "any free one", is for listeners; ENDPOINT_PORT_ANY allows it. */
bool endpoint_parse(struct ingot_slice text, enum endpoint_port port, struct endpoint *endpoint);
/* Appends host:port with brackets where they are needed. */
void endpoint_format(const struct endpoint *endpoint, struct ingot_buffer *text);

struct peer_entry {
    struct ingot_public_key transport_key;
    struct endpoint endpoint;
    bool has_validator_key;
    struct ingot_public_key validator_key;
    uint32_t line;
};

struct peer_list {
    struct peer_entry *entries; /* owned; in the file's order */
    uint32_t count;             /* up to INGOT_PEERS_MAX */
};

/*
 * Reads peers from text; `name` is how complaints call it. Complaints name line and expectation.
 * `peers` must be deinitialised only after INGOT_OK.
 *
 * Returns INGOT_OK or INGOT_ERROR_INVALID.
 */
INGOT_MUST_USE enum ingot_error peers_parse(struct ingot_slice text, const char *name,
                                            struct peer_list *peers, struct report *report);
/* As peers_parse, or the error of file_read. */
INGOT_MUST_USE enum ingot_error peers_load(const char *path, struct peer_list *peers,
                                           struct report *report);
void peers_deinit(struct peer_list *peers);
/* Appends one line of a peers file. */
void peers_format_entry(const struct peer_entry *entry, struct ingot_buffer *text);

#endif
