/*
 * Serving blocks to those that are behind: consecutive blocks above one that the asker has, with
 * the certificate of the last of them. Committed blocks leave as they are stored, through a
 * snapshot that lives for one answer; uncommitted ones come from the core's tree.
 *
 * A peer has at most one request waiting, and a credit of bytes that fills with time; those that
 * wait take turns, one answer for each turn of the event loop. What is asked for is only ever a
 * lower limit than our own.
 */
#ifndef INGOT_NODE_SYNC_SERVER_H
#define INGOT_NODE_SYNC_SERVER_H

#include "core/message.h"
#include "core/reject.h"
#include "node/ledger.h"

struct sync_server;

struct sync_server_options {
    struct ledger *ledger; /* borrowed */
    void *context;
    /* A block of the core's tree, or NULL. Borrowed. */
    struct block *(*find_block)(void *context, const struct ingot_hash *hash);
    /* Queues an answer behind all consensus frames; losing it is allowed. */
    void (*send)(void *context, uint32_t peer, struct ingot_slice frame);
};

struct sync_server *sync_server_new(const struct sync_server_options *options);
void sync_server_free(struct sync_server *server);

/*
 * A request. A newer one of the same peer takes the place of one that still waits, which is
 * REJECT_RATE_LIMITED; REJECT_NONE otherwise.
 */
enum reject sync_server_request(struct sync_server *server, uint32_t peer,
                                const struct sync_request *request);
/* Its request is of no use any more; what it has used up of its credit stays used. */
void sync_server_disconnected(struct sync_server *server, uint32_t peer);
/* A peer has left the table: whoever comes under its number is somebody else. */
void sync_server_forget(struct sync_server *server, uint32_t peer);

/*
 * Answers one request, if one may be answered now.
 *
 * @committed  the core's last committed block, which with all above it is durable; borrowed. NULL
 *             while that cannot be said: then only what the ledger has is served.
 * @high_qc    the core's highest certificate; borrowed; NULL with `committed`.
 */
void sync_server_turn(struct sync_server *server, uint64_t now_us, const struct block *committed,
                      struct qc *high_qc);
/* When sync_server_turn is due: 0 for at once, UINT64_MAX for never. */
uint64_t sync_server_due_us(const struct sync_server *server);

struct sync_server_status {
    uint64_t answers;
    uint64_t blocks;
    uint64_t bytes;
    uint32_t waiting; /* requests, now */
};
void sync_server_get_status(const struct sync_server *server, struct sync_server_status *status);

#endif
