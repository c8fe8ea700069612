/**
 * A validator (or an observer) as a whole, for the `ingot` program and for programs that embed
 * one: home folder in, a node that runs on its own event loop out.
 */
#ifndef INGOT_NODE_H
#define INGOT_NODE_H

#include <ingot/app.h>

#ifdef __cplusplus
extern "C" {
#endif

/** How a node ended, and the exit status of the `ingot` program. */
enum ingot_exit {
    INGOT_EXIT_OK = 0,
    INGOT_EXIT_FAILURE = 1,
    INGOT_EXIT_USAGE = 2,   /* flags, configuration, genesis, keys */
    INGOT_EXIT_DAMAGED = 3, /* stored data is damaged, of an unknown version or of another chain */
    INGOT_EXIT_LOCKED = 4,  /* another process has the data folder */
    INGOT_EXIT_WRITE = 5,   /* a durable write failed; its outcome is read back at the next start */
    INGOT_EXIT_SAFETY = 6,  /* what must never happen has been seen; nothing more is signed */
    INGOT_EXIT_TIMEOUT = 7  /* of clients: no outcome in time; it may still come */
};

struct ingot_node;

/** Options of a node. All zero but `home` is a good default. */
struct ingot_node_options {
    /** Folder with config.ini, genesis.json, peers and keys; see docs/operations.md. */
    const char *home;
    /**
     * The App; borrowed, outlives the node. NULL: the built-in one that the configuration or the
     * genesis names.
     */
    const struct ingot_app *app;
    /**
     * SIGTERM and SIGINT end ingot_node_run with INGOT_EXIT_OK; SIGHUP lets it read the peers file
     * again.
     */
    bool handle_signals;
    /**
     * Told of each committed block, in order, when it is durable. Runs on the loop. Optional.
     * Nodes with another [node] protocol than hotstuff have no blocks.
     */
    void (*committed)(void *context, const struct ingot_block_info *block,
                      uint32_t transaction_count);
    /** Passed to `committed`. */
    void *context;
};

/** What ingot_node_get_status tells. */
struct ingot_node_status {
    uint64_t height; /* committed and durable */
    uint64_t view;
    uint64_t epoch;
    uint32_t peers_connected;
    bool is_leader;
    bool is_member;
    bool is_catching_up;
};

/**
 * Reads the home, opens the store, and listens for peers and clients. Nothing runs before
 * ingot_node_run; the threads of `[node] verify_threads_max` are there and wait. They take no
 * signals and end in ingot_node_free.
 *
 * @node  on INGOT_EXIT_OK the node, to be freed by ingot_node_free; otherwise NULL.
 * @why   on failure what is wrong, where, and what was expected: lines of text without a final
 *        line break, NUL-terminated; why_size bytes at most.
 *
 * Returns INGOT_EXIT_OK, _USAGE, _DAMAGED, _LOCKED, _WRITE, or _FAILURE (a port in use, a folder
 * that cannot be read).
 */
INGOT_API INGOT_MUST_USE enum ingot_exit ingot_node_open(const struct ingot_node_options *options,
                                                         struct ingot_node **node, char *why,
                                                         size_t why_size);

/**
 * Runs the node until ingot_node_stop, a handled signal, or a failure. Everything that a client
 * was told is durable at any moment, so this needs no orderly end. The calling thread takes no
 * SIGPIPE meanwhile; its signal mask is as before afterwards.
 *
 * Returns INGOT_EXIT_OK after a stop, else why it could not go on; the log says more.
 */
INGOT_API INGOT_MUST_USE enum ingot_exit ingot_node_run(struct ingot_node *node);

/** Ends ingot_node_run soon. From any thread, and from signal handlers. */
INGOT_API void ingot_node_stop(struct ingot_node *node);

/**
 * Gives the node a transaction (where there is no chain, a payload to broadcast under a random
 * id), as a client would. From the node's thread only: before
 * ingot_node_run, or in a callback. Bytes are copied.
 *
 * Returns INGOT_OK: it waits for a block. INGOT_ERROR_REJECTED: the App's check_tx refused it.
 * INGOT_ERROR_EXISTS: it waits already, or was committed within the replay window.
 * INGOT_ERROR_FULL: the mempool has no room, retry later. INGOT_ERROR_TOO_LARGE, or
 * INGOT_ERROR_INVALID when it is empty.
 */
INGOT_API INGOT_MUST_USE enum ingot_error ingot_node_submit(struct ingot_node *node,
                                                            struct ingot_slice transaction);

/** From the node's thread only, as ingot_node_submit. */
INGOT_API void ingot_node_get_status(struct ingot_node *node, struct ingot_node_status *status);

/** The ports in use, also where the configuration says 0, "any free one". */
INGOT_API uint16_t ingot_node_peer_port(const struct ingot_node *node);
INGOT_API uint16_t ingot_node_client_port(const struct ingot_node *node);

/** Closes everything. Not while ingot_node_run runs. NULL is fine. */
INGOT_API void ingot_node_free(struct ingot_node *node);

/**
 * How log lines on stderr look, for the whole process: "plain" or "json"; "debug", "info",
 * "warn", "error" or "none". NULL means the default: plain, info.
 *
 * Returns INGOT_OK, or INGOT_ERROR_INVALID for an unknown word (then nothing changed).
 */
INGOT_API INGOT_MUST_USE enum ingot_error ingot_log_configure(const char *format,
                                                              const char *level);

/** The version of the library and program, such as "0.1.0". Static. */
INGOT_API const char *ingot_version(void);

#ifdef __cplusplus
}
#endif
#endif
