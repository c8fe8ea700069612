/*
 * A connection to a node's client listener: one POST at a time, never blocking. Whoever owns links
 * polls their sockets and steps them; client.h has a blocking call on top.
 */
#ifndef INGOT_CLI_LINK_H
#define INGOT_CLI_LINK_H

#include <ingot/bytes.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include "cli/http_reply.h"
#include "config/peers.h"

#define LINK_ADDRESSES_MAX 8
#define LINK_REPLY_BYTES_MAX (64 * 1024 * 1024)

/* Where a node's client listener is: the addresses that its name stands for. */
struct link_target {
    struct endpoint endpoint;
    struct sockaddr_storage addresses[LINK_ADDRESSES_MAX];
    socklen_t sizes[LINK_ADDRESSES_MAX];
    uint32_t address_count;
};

/* Looks the name up; may block. False and why if there is none. */
bool link_target_resolve(const struct endpoint *endpoint, struct link_target *target, char *why,
                         size_t why_size);

enum link_state {
    LINK_IDLE, /* ready for a request; connected or not */
    LINK_CONNECTING,
    LINK_SENDING,
    LINK_RECEIVING,
    LINK_DONE,  /* reply.status and reply.body are there, until the next link_start */
    LINK_FAILED /* `why`; the next link_start connects again */
};

struct link {
    const struct link_target *target; /* borrowed */
    enum link_state state;
    int socket;                  /* -1: not connected */
    uint32_t address;            /* the one in use or being tried */
    bool is_reused;              /* an earlier request went over this connection */
    struct ingot_buffer request; /* kept until it is answered: a reused connection may be dead */
    size_t sent;
    struct http_reply reply;
    char why[160];
};

void link_init(struct link *link, const struct link_target *target);
void link_deinit(struct link *link);

/* Sends a body of JSON as POST `/`. Only when IDLE, DONE or FAILED. */
void link_start(struct link *link, struct ingot_slice body);
/*
 * The same in two steps, for another path and type, and for who writes the body where it is sent
 * from: the caller appends exactly `body_bytes` to what this returns, and then calls link_send.
 */
struct ingot_buffer *link_prepare(struct link *link, const char *path, const char *type,
                                  size_t body_bytes);
void link_send(struct link *link);

/* What poll() is to wait for; 0 when there is nothing to wait for. */
short link_poll_events(const struct link *link);
/* Goes on as far as it can without waiting. */
void link_step(struct link *link);
/* Gives up on the request under way. */
void link_cancel(struct link *link, const char *why);
bool link_is_busy(const struct link *link);

#endif
