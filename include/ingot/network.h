/**
 * The network between validators: frames of bytes to and from numbered peers.
 *
 * A frame is an opaque byte string; what it means is the caller's business. Delivery is in order
 * on one connection, and best effort: what was queued when a connection ends is lost, and the
 * caller learns of every end and every new beginning. A peer is known by its transport key, an
 * ed25519 key that is not its validator key.
 *
 * The real network is TLS 1.3 over TCP (`ingot_network_tls_new`); a simulator brings its own.
 * A network is used from one thread, the one that runs its event loop.
 */
#ifndef INGOT_NETWORK_H
#define INGOT_NETWORK_H

#include <ingot/types.h>

#ifdef __cplusplus
extern "C" {
#endif

struct event_base;
struct ingot_network;

/* Of the greeting that both ends of a connection must hold, byte for byte. */
#define INGOT_NETWORK_GREETING_BYTES_MAX 64
/* Of a peer's host name or address, without the NUL. */
#define INGOT_NETWORK_HOST_BYTES_MAX 253
/* Of a remote address as text, with the NUL: "[ipv6]:port". */
#define INGOT_NETWORK_ADDRESS_BYTES_MAX 64

/** A peer as the peers table names it. */
struct ingot_peer {
    struct ingot_public_key key; /* its transport key */
    /** Name or address to dial, at most INGOT_NETWORK_HOST_BYTES_MAX; NULL or "": never dialled. */
    const char *host;
    /** Its place in the caller's table, below INGOT_PEERS_MAX; stays the same across reconnects. */
    uint32_t number;
    uint16_t port; /* 0: never dialled */
};

/**
 * What a frame is for. Consensus frames go out before any bulk frame that has not begun to be
 * sent, and are never refused for want of room: a peer that cannot take them is disconnected.
 * Bulk frames are refused early, and the caller offers them again later.
 */
enum ingot_frame_class { INGOT_FRAME_CONSENSUS, INGOT_FRAME_BULK };

/**
 * Why a connection was refused or ended. A connection that ends before both ends have agreed on
 * the greeting counts as refused, after that as disconnected.
 */
enum ingot_close_reason {
    INGOT_CLOSE_LOCAL,             /* ingot_network_disconnect */
    INGOT_CLOSE_REMOVED,           /* the peer has left the table */
    INGOT_CLOSE_BY_PEER,           /* the other side closed it in good order */
    INGOT_CLOSE_ERROR,             /* reset, unreachable, or lost in silence by the system's word */
    INGOT_CLOSE_SILENT,            /* nothing arrived for too long */
    INGOT_CLOSE_QUEUE_FULL,        /* the peer does not read */
    INGOT_CLOSE_FRAME_EMPTY,       /* a frame of length 0 */
    INGOT_CLOSE_FRAME_TOO_LARGE,   /* a declared length above the cap */
    INGOT_CLOSE_REPLACED,          /* a better connection to the same peer took over */
    INGOT_CLOSE_DUPLICATE,         /* the peer is connected already */
    INGOT_CLOSE_KEY_UNKNOWN,       /* the key is not in the peers table */
    INGOT_CLOSE_KEY_WRONG,         /* dialled one peer, found the key of another */
    INGOT_CLOSE_REFUSED_BY_PEER,   /* the other side refused our key or our TLS */
    INGOT_CLOSE_NOT_TLS,           /* bytes that are no acceptable TLS 1.3 handshake */
    INGOT_CLOSE_HANDSHAKE_TIMEOUT, /* not ready by the deadline */
    INGOT_CLOSE_HELLO_MALFORMED,   /* the first frame is no hello */
    INGOT_CLOSE_VERSION,           /* another version of the transport protocol */
    INGOT_CLOSE_GREETING,          /* another greeting: the peer is on another chain */
    INGOT_CLOSE_LIMIT_TOTAL,       /* too many handshakes under way */
    INGOT_CLOSE_LIMIT_SOURCE,      /* too many handshakes under way from one address */
    INGOT_CLOSE_RESOLVE,           /* the peer's host name has no address */
    INGOT_CLOSE_CONNECT,           /* the peer's address does not take connections */
    INGOT_CLOSE_REASONS            /* number of reasons */
};

/** A reason as a metrics label, such as "queue_full". Static; unknown values give "unknown". */
INGOT_API const char *ingot_close_reason_text(enum ingot_close_reason reason);

/**
 * What a network tells its user. The callbacks run from the event loop only, never inside a call
 * of the user's into the network, and may call every function below but ingot_network_free.
 */
struct ingot_network_events {
    void *context;

    /** A frame of a connected peer. The slice is borrowed until the callback returns. */
    void (*receive)(void *context, uint32_t peer, struct ingot_slice frame);

    /** The peer can be sent to. Whatever was sent to it earlier may be lost. Optional. */
    void (*connected)(void *context, uint32_t peer);

    /** The end of a connection that `connected` announced; follows it exactly once. Optional. */
    void (*disconnected)(void *context, uint32_t peer, enum ingot_close_reason reason);
};

/** Counters of one peer since it entered the table. Bytes include the 4-byte frame header. */
struct ingot_network_peer_stats {
    bool connected;
    bool dialled;          /* of the present connection: by us, not by the peer */
    uint64_t connected_ms; /* how long the present connection has lasted */
    uint64_t connections;  /* times it was connected */
    uint64_t disconnections;
    uint64_t bytes_received;
    uint64_t bytes_sent; /* counted when queued */
    uint64_t frames_received;
    uint64_t frames_sent;
    uint64_t bulk_refused;                         /* bulk frames refused for want of room */
    uint64_t queue_bytes;                          /* waiting now, both classes */
    char address[INGOT_NETWORK_ADDRESS_BYTES_MAX]; /* of the other end, "" if not connected */
};

/** Counters of the whole network. */
struct ingot_network_stats {
    uint64_t peers_connected;    /* now */
    uint64_t handshakes_pending; /* now, both directions */
    uint64_t accepted;           /* connections taken from the listener, refused ones included */
    uint64_t accept_errors;      /* accept failed; the listener pauses for a moment */
    uint64_t bytes_received;
    uint64_t bytes_sent;
    uint64_t frames_received;
    uint64_t frames_sent;
    uint64_t bulk_refused;
    uint64_t refused[INGOT_CLOSE_REASONS];      /* connections that never became ready */
    uint64_t disconnected[INGOT_CLOSE_REASONS]; /* connections that were ready */
};

/**
 * What an implementation provides (the paper's NetworkProvider). Users call the ingot_network_...
 * functions below, which state the meaning.
 */
struct ingot_network_operations {
    enum ingot_error (*start)(struct ingot_network *network,
                              const struct ingot_network_events *events, char *why,
                              size_t why_size);
    enum ingot_error (*set_peers)(struct ingot_network *network, const struct ingot_peer *peers,
                                  uint32_t peer_count);
    enum ingot_error (*connect)(struct ingot_network *network, uint32_t peer);
    enum ingot_error (*disconnect)(struct ingot_network *network, uint32_t peer);
    enum ingot_error (*send)(struct ingot_network *network, uint32_t peer,
                             enum ingot_frame_class frame_class, struct ingot_slice frame);
    uint32_t (*broadcast)(struct ingot_network *network, enum ingot_frame_class frame_class,
                          struct ingot_slice frame);
    bool (*is_connected)(const struct ingot_network *network, uint32_t peer);
    enum ingot_error (*peer_stats)(const struct ingot_network *network, uint32_t peer,
                                   struct ingot_network_peer_stats *stats);
    void (*stats)(const struct ingot_network *network, struct ingot_network_stats *stats);
    void (*free)(struct ingot_network *network);
};

/** The first member of every implementation's own struct. */
struct ingot_network {
    const struct ingot_network_operations *operations;
};

/**
 * Starts listening, dialling and delivering. Once for each network.
 *
 * @events  copied.
 * @why     on failure a sentence that names the address and the expectation; NUL-terminated.
 *
 * Returns INGOT_OK, or INGOT_ERROR_NETWORK when the listening address cannot be used (nothing was
 * started; another try is allowed).
 */
INGOT_API INGOT_MUST_USE enum ingot_error
ingot_network_start(struct ingot_network *network, const struct ingot_network_events *events,
                    char *why, size_t why_size);

/**
 * Replaces the peers table, before or after the start. Peers that stay (same number and key) keep
 * their connection and counters, also when their address changes; peers that are gone are
 * disconnected; new ones are dialled. An entry with our own key is skipped. Everything is copied.
 *
 * Returns INGOT_OK; INGOT_ERROR_INVALID, with nothing changed, when a number or a key appears
 * twice, a number is not below INGOT_PEERS_MAX, or a host name is too long.
 */
INGOT_API INGOT_MUST_USE enum ingot_error ingot_network_set_peers(struct ingot_network *network,
                                                                  const struct ingot_peer *peers,
                                                                  uint32_t peer_count);

/**
 * Dials the peer now, without waiting for its back-off, and lifts an earlier disconnect. Peers of
 * the table are dialled on their own; this is for those that were disconnected by hand.
 *
 * Returns INGOT_OK, also when it is connected already, or INGOT_ERROR_NOT_FOUND.
 */
INGOT_API enum ingot_error ingot_network_connect(struct ingot_network *network, uint32_t peer);

/**
 * Ends the connection to the peer, and keeps it away in both directions until
 * ingot_network_connect. `disconnected` follows from the event loop.
 *
 * Returns INGOT_OK or INGOT_ERROR_NOT_FOUND.
 */
INGOT_API enum ingot_error ingot_network_disconnect(struct ingot_network *network, uint32_t peer);

/**
 * Queues a frame for a peer. The bytes are copied at most once.
 *
 * @frame  1 to INGOT_FRAME_BYTES_MAX bytes.
 *
 * Returns INGOT_OK: queued. INGOT_ERROR_NOT_FOUND: no such peer. INGOT_ERROR_NETWORK: not
 * connected, or (consensus) its queue was full and it is now being disconnected.
 * INGOT_ERROR_FULL: (bulk) no room, offer it again later. INGOT_ERROR_INVALID: empty frame.
 * INGOT_ERROR_TOO_LARGE: above INGOT_FRAME_BYTES_MAX.
 */
INGOT_API enum ingot_error ingot_network_send(struct ingot_network *network, uint32_t peer,
                                              enum ingot_frame_class frame_class,
                                              struct ingot_slice frame);

/**
 * Queues a frame for every connected peer, as ingot_network_send does. The bytes are shared.
 *
 * Returns the number of peers it was queued for; 0 also when the frame is empty or too large.
 */
INGOT_API uint32_t ingot_network_broadcast(struct ingot_network *network,
                                           enum ingot_frame_class frame_class,
                                           struct ingot_slice frame);

/** True if a frame can be queued for the peer now. */
INGOT_API bool ingot_network_is_connected(const struct ingot_network *network, uint32_t peer);

/** Returns INGOT_OK, or INGOT_ERROR_NOT_FOUND and all-zero counters. */
INGOT_API enum ingot_error ingot_network_peer_stats(const struct ingot_network *network,
                                                    uint32_t peer,
                                                    struct ingot_network_peer_stats *stats);

INGOT_API void ingot_network_stats(const struct ingot_network *network,
                                   struct ingot_network_stats *stats);

/**
 * Closes all connections and the listener and frees the network; no callback runs any more. Not
 * from inside a callback. The event loop is the caller's; what libevent still holds goes with the
 * loop's next turn or with event_base_free. NULL is fine.
 */
INGOT_API void ingot_network_free(struct ingot_network *network);

/** Switches a timing or limit below off, where its comment allows it. */
#define INGOT_NETWORK_OFF UINT32_MAX

/** Options of the TLS network. All zero but the first five is a good default. */
struct ingot_network_tls_options {
    struct event_base *base; /* borrowed; outlives the network */
    const uint8_t *seed;     /* 32 bytes, the ed25519 transport key's seed; not kept */
    struct ingot_slice
        greeting;            /* 1 to INGOT_NETWORK_GREETING_BYTES_MAX bytes that name the chain */
    const char *listen_host; /* address or name to listen on; NULL: do not listen */
    uint16_t listen_port;    /* 0: the system chooses, see ingot_network_tls_port */

    uint32_t frame_bytes_max;      /* 0: INGOT_FRAME_BYTES_MAX; never higher */
    uint32_t queue_bytes_max;      /* per peer; 0: INGOT_PEER_QUEUE_BYTES_MAX */
    uint32_t bulk_queue_bytes_max; /* per peer: bulk waits below this; 0: 1 MiB */
    uint32_t handshake_timeout_ms; /* from accept or dial to ready, in all; 0: 5000 */
    uint32_t silence_timeout_ms; /* disconnects a peer that sends no frame; 0: 30000; may be off */
    uint32_t handshakes_max;     /* inbound, under way at once; 0: 128 */
    uint32_t handshakes_per_source_max; /* of one address or IPv6 /64; 0: 32 */
    uint32_t reconnect_ms_min;          /* first back-off; 0: 50 */
    uint32_t reconnect_ms_max;          /* last back-off; 0: 5000 */
    uint32_t second_dialler_delay_ms; /* the larger key dials this much later; 0: 100; may be off */
};

/**
 * Makes a network of TLS 1.3 connections with mutual ed25519 certificates.
 *
 * Either side accepts only a certificate whose key is in the peers table, and the dialling side
 * only the key it dialled. There is no plaintext and no resumption. Of two connections between a
 * pair, the one dialled by the smaller transport key stays.
 *
 * @why  on failure a sentence with the expectation; why_size bytes at most, NUL-terminated.
 *
 * Returns INGOT_OK, or INGOT_ERROR_INVALID when an option breaks its rule.
 */
INGOT_API INGOT_MUST_USE enum ingot_error
ingot_network_tls_new(const struct ingot_network_tls_options *options,
                      struct ingot_network **network, char *why, size_t why_size);

/** The port a started TLS network listens on; 0 when it does not listen. */
INGOT_API uint16_t ingot_network_tls_port(const struct ingot_network *network);

/**
 * Peer discovery: who gives the network its peers table, and gives it anew when it changes.
 */
struct ingot_discovery;

struct ingot_discovery_operations {
    enum ingot_error (*start)(struct ingot_discovery *discovery, struct ingot_network *network);
    void (*free)(struct ingot_discovery *discovery);
};

/** The first member of every implementation's own struct. */
struct ingot_discovery {
    const struct ingot_discovery_operations *operations;
};

/**
 * Hands the present table to the network, and every later one. The network outlives the discovery.
 *
 * Returns INGOT_OK or the error of ingot_network_set_peers for the present table.
 */
INGOT_API INGOT_MUST_USE enum ingot_error ingot_discovery_start(struct ingot_discovery *discovery,
                                                                struct ingot_network *network);
/** NULL is fine. */
INGOT_API void ingot_discovery_free(struct ingot_discovery *discovery);

/** Discovery by a fixed list, such as the peers file. Everything is copied. */
INGOT_API struct ingot_discovery *ingot_discovery_static_new(const struct ingot_peer *peers,
                                                             uint32_t peer_count);

/**
 * Replaces the list, for example after the peers file was read again.
 *
 * Returns INGOT_OK, or the error of ingot_network_set_peers; then the old list stays.
 */
INGOT_API INGOT_MUST_USE enum ingot_error
ingot_discovery_static_set(struct ingot_discovery *discovery, const struct ingot_peer *peers,
                           uint32_t peer_count);

#ifdef __cplusplus
}
#endif
#endif
