/*
 * Getting blocks that we lack: whom to ask for which, what to make of the answers, and when to
 * stop.
 *
 * A state machine without I/O. Time, peers' claims and their answers come in; requests and verified
 * runs of blocks leave through callbacks. Nothing here executes or stores a block, and nothing that
 * a peer says is believed before the caller's `verify` has seen its certificates: a claimed height
 * only ever makes us ask.
 *
 * What is missing is cut into ranges of consecutive heights, asked of different peers at once. The
 * lowest range begins above a block that we have, and names it (`base`); the others go by height
 * alone. Answers wait, within a byte cap, until all below them is executed. See docs/protocol.md,
 * "Fetching".
 */
#ifndef INGOT_NODE_SYNC_CLIENT_H
#define INGOT_NODE_SYNC_CLIENT_H

#include "core/message.h"
#include "core/reject.h"

struct sync_client;

/* Why a peer is passed over for a while. The texts are labels of ingot_sync_penalties_total. */
#define SYNC_FAULT_LIST(X)                                                                         \
    X(STALLED, "stalled")         /* no answer by the deadline */                                  \
    X(MEAGRE, "meagre")           /* far less than asked for, and far less than it has */          \
    X(INVALID, "invalid")         /* a block or certificate that does not verify or link */        \
    X(NOT_ASKED, "not_asked")     /* other blocks than asked for, or more */                       \
    X(HEIGHT, "height_not_shown") /* claims a height and has no block to show for it */            \
    X(UNREQUESTED, "unrequested") /* an answer without a request */

#define SYNC_FAULT_ENUM(name, text) SYNC_FAULT_##name,
enum sync_fault { SYNC_FAULT_LIST(SYNC_FAULT_ENUM) SYNC_FAULT_COUNT };
#undef SYNC_FAULT_ENUM

const char *sync_fault_text(enum sync_fault fault);

struct sync_client_options {
    uint32_t request_timeout_ms; /* after this another peer is asked for the same blocks */

    void *context;
    /* Sends a request; losing it is allowed. */
    void (*request)(void *context, uint32_t peer, const struct sync_request *request);
    /* A block of the core's tree, or NULL. Borrowed. */
    struct block *(*find_block)(void *context, const struct ingot_hash *hash);
    /*
     * An answer waits for its turn, which may be now: in each step, so that whoever looks ahead may
     * see by then what it could not judge before. A MESSAGE_SYNC_RESPONSE that does not change.
     */
    void (*held)(void *context, struct message *answer);
    /* Its turn is over, or does not come. */
    void (*released)(void *context, const struct message *answer);
    /*
     * Verifies blocks that follow `parent`, each with the certificate that names it (the next
     * block's justify, the last one's is tail_qc): verify_link and verify_sync_prefix. They are the
     * blocks of a held answer from its block `first` on. `*count` is the number of blocks that
     * stand, from the first one on; REJECT_NONE with fewer than all: the set that signed the next
     * certificate is not known yet.
     */
    enum reject (*verify)(void *context, const struct block *parent, const struct message *answer,
                          uint32_t first, const struct sync_response *run, uint32_t *count);
    /*
     * Gives the core a verified MESSAGE_SYNC_RESPONSE, or a MESSAGE_CERTIFICATE that the callee
     * verifies first. Borrowed. Effects may wait until after sync_client_step.
     */
    enum reject (*take)(void *context, uint32_t peer, struct message *message);
};

/* What the client has to know of the chain, as of one call. Borrowed. */
struct sync_chain {
    uint64_t now_ms; /* monotonic */
    const struct block *committed;
    const struct block *high; /* that the highest certificate names */
    struct position high_position;
    struct qc *waiting_qc; /* verified, of a block that we lack; or NULL */
    uint32_t waiting_peer; /* who showed it */
    bool is_busy;          /* a run is still being executed */
};

struct sync_client *sync_client_new(const struct sync_client_options *options);
void sync_client_free(struct sync_client *client);

/* What one connection owed or claimed ends with it; what it did wrong does not. */
void sync_client_set_connected(struct sync_client *client, uint32_t peer, bool is_connected);
/* A peer has left the table: whoever comes under its number is somebody else. */
void sync_client_forget(struct sync_client *client, uint32_t peer);
/* An advertised committed height: a hint. */
void sync_client_claim(struct sync_client *client, uint32_t peer, uint64_t height);
/* A message of an epoch that we do not know: a hint that this peer is ahead. */
void sync_client_hint(struct sync_client *client, uint32_t peer);
/*
 * A test before an answer is decoded: REJECT_UNREQUESTED, and the peer is at fault, if it owes
 * none; REJECT_NONE otherwise.
 */
enum reject sync_client_admit(struct sync_client *client, uint64_t now_ms, uint32_t peer);
/* An answer that was admitted and does not decode: a fault, and others are asked at once. */
void sync_client_receive_garbled(struct sync_client *client, uint64_t now_ms, uint32_t peer);
/*
 * An answer, of `size` bytes on the wire; kept by reference if it is of use. Returns REJECT_NONE,
 * REJECT_UNREQUESTED (nothing was asked for, or something else), or REJECT_PAST (of no use any
 * more).
 */
enum reject sync_client_receive(struct sync_client *client, uint64_t now_ms, uint32_t peer,
                                struct message *message, size_t size);

/*
 * Does what is due. Hands over at most one run, last of all; true if it did: the caller performs
 * the effects and calls again.
 */
bool sync_client_step(struct sync_client *client, const struct sync_chain *chain);
/* Is a run with the core, handed over by the last call of sync_client_step? */
bool sync_client_has_run(const struct sync_client *client);
/* When to call sync_client_step at the latest; UINT64_MAX: nothing is planned. */
uint64_t sync_client_deadline_ms(const struct sync_client *client);

struct sync_client_status {
    /* A verified certificate, or claims that are not one stranger's, are well ahead of us. */
    bool is_catching_up;
    uint64_t height; /* up to which we have blocks on the branch that is followed */
    uint64_t target; /* the height that is believed to exist; at least `height` */
    uint64_t blocks_per_second;
    uint64_t blocks;   /* fetched and executed, since the start of the process */
    uint64_t requests; /* sent */
    size_t held_bytes; /* of answers that wait for their turn */
    uint64_t penalties[SYNC_FAULT_COUNT];
};
void sync_client_get_status(const struct sync_client *client, struct sync_client_status *status);

#endif
