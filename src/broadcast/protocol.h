/*
 * What all broadcast protocols have in common: a plain function from events, ticks included, to a
 * list of effects. One driver runs any of them. They read no clock, socket or random source: the
 * same events give the same effects, byte for byte.
 *
 *     struct broadcast_protocol *protocol = quorum_broadcast_new(&config);   or gossip_new(&config)
 *     for each event:
 *         broadcast_handle(protocol, &event, &effects);
 *         perform the effects in order; broadcast_effects_clear(&effects);
 *
 * What the driver promises:
 * - A MESSAGE event's message has been decoded strictly, and its signature verified with the key of
 *   its `sender` in the set that the protocol was made with.
 * - A message in a SEND effect with `is_signed` false says what we want to say: the driver signs it
 *   in place, sends it, and hands the very same object back as a MESSAGE event with `peer` =
 *   BROADCAST_SELF. Only then does it count. It does so for each of them, in order; other events
 *   may come between. A message with `is_signed` true (a repeat, or another member's to be
 *   forwarded) is sent as it is and does not come back.
 * - It performs effects in order, may take many events before it performs any, and makes what
 *   callbacks wrote durable before it performs the effects that followed.
 *
 * What a message or a callback does wrong is counted by reason, and the next event works as if
 * nothing had happened.
 */
#ifndef INGOT_BROADCAST_PROTOCOL_H
#define INGOT_BROADCAST_PROTOCOL_H

#include "broadcast/message.h"

/* Why an event was not used, or what else went wrong. The texts are labels in the metrics. */
#define BROADCAST_REJECT_LIST(X)                                                                   \
    X(NONE, "none")                                                                                \
    X(UNEXPECTED, "unexpected_kind")                                                               \
    X(NOT_A_MEMBER, "not_a_member")     /* a start at an observer; a sender out of range */        \
    X(NOT_ORIGINATOR, "not_originator") /* a PRE-PREPARE of somebody else */                       \
    X(OVERSIZE, "oversize")                                                                        \
    X(BAD_ID, "bad_id")                                                                            \
    X(DUPLICATE, "duplicate")         /* nothing new; the usual fate of repeats */                 \
    X(EQUIVOCATION, "equivocation")   /* one member, one round, two digests */                     \
    X(DELIVERED, "already_delivered") /* a start of, or a message for, a round of the past */      \
    X(CONFLICT, "other_payload_for_this_id") /* a start */                                         \
    X(QUOTA_ROUNDS, "quota_rounds")                                                                \
    X(QUOTA_BYTES, "quota_bytes")                                                                  \
    X(BAD_ATTACHMENT, "bad_attachment") /* the callback `check` refused it */                      \
    X(VETOED, "vetoed")                 /* by a callback */                                        \
    X(CALLBACK_ERROR, "callback_error")

#define BROADCAST_REJECT_ENUM(name, text) BROADCAST_REJECT_##name,
enum broadcast_reject { BROADCAST_REJECT_LIST(BROADCAST_REJECT_ENUM) BROADCAST_REJECT_COUNT };
#undef BROADCAST_REJECT_ENUM

const char *broadcast_reject_text(enum broadcast_reject reject);

/* Our own signed message coming back; else channels are numbered by the driver from 0 on. */
#define BROADCAST_SELF UINT32_MAX

enum broadcast_event_kind {
    BROADCAST_START,    /* a client wants a payload broadcast; we become its originator */
    BROADCAST_MESSAGE,  /* a verified message */
    BROADCAST_TICK,     /* time has passed, or a deadline that was armed is reached */
    BROADCAST_CONNECTED /* a channel has come up: what was sent to it before may be lost */
};

struct broadcast_event {
    enum broadcast_event_kind kind;
    uint64_t now_ms; /* monotonic; given with every event, never less than before */
    uint32_t peer;   /* MESSAGE: the channel it came by, or BROADCAST_SELF; CONNECTED */
    uint32_t member; /* CONNECTED: who is at the other end, or BROADCAST_NONE if not known */
    struct broadcast_message *message; /* MESSAGE: borrowed; the protocol takes its own reference */
    struct ingot_slice id;             /* START: borrowed; a wrong length is REFUSED */
    struct ingot_slice payload;        /* START: borrowed; too long is REFUSED */
};

enum broadcast_effect_kind {
    BROADCAST_SEND,      /* `message` to `target` */
    BROADCAST_DELIVER,   /* once for each round or gossip message: `message`, and its certificate */
    BROADCAST_REFUSED,   /* a start had no effect: `id`, `reason` */
    BROADCAST_TIMED_OUT, /* a round that a client started here was given up: `id`. The others may
                            still deliver it, and we too if they do */
    BROADCAST_ARM        /* a TICK at deadline_ms, please; replaces the earlier one */
};

enum broadcast_target {
    BROADCAST_TO_ALL,     /* every connected peer; not ourselves */
    BROADCAST_TO_ALL_BUT, /* every connected peer but `peer` */
    BROADCAST_TO_PEER,    /* the channel `peer` */
    BROADCAST_TO_MEMBER   /* the channel of `member`; of several or unknown ones, all that may be */
};

struct broadcast_effect {
    enum broadcast_effect_kind kind;
    enum broadcast_target target;
    uint32_t peer;   /* TO_ALL_BUT, TO_PEER */
    uint32_t member; /* TO_MEMBER */
    /* SEND: what is sent. DELIVER: the GOSSIP or PRE_PREPARE message, which has originator, id,
     * digest and payload. Owned reference, else NULL. */
    struct broadcast_message *message;
    /* DELIVER of quorum broadcast: the COMMITs of a quorum, in order of sender. An owned array of
     * owned references. */
    struct broadcast_message **commits;
    uint32_t commit_count;
    struct broadcast_id id;       /* REFUSED (size 0 if it was not one), TIMED_OUT */
    enum broadcast_reject reason; /* REFUSED */
    uint64_t deadline_ms;         /* ARM */
};

/* The effects of one or more events, in order. All zero is empty. The caller's. */
struct broadcast_effects {
    struct broadcast_effect *items;
    uint32_t count;
    uint32_t capacity;
};

/* Frees what the effects hold and empties the list; keeps the memory of the list. */
void broadcast_effects_clear(struct broadcast_effects *effects);
void broadcast_effects_deinit(struct broadcast_effects *effects);

/* How much a protocol holds, for metrics and for tests that memory stays flat. */
struct broadcast_stats {
    uint32_t open;     /* quorum broadcast: rounds in flight. gossip: own messages being repeated */
    uint32_t finished; /* quorum broadcast: delivered rounds that can still be shown to others */
    uint32_t
        remembered; /* quorum broadcast: rounds of which only the choice is kept; gossip: digests */
    uint64_t bytes; /* payloads held */
    uint64_t delivered;
    uint64_t timed_out;                        /* rounds given up, whoever started them */
    uint64_t rejected[BROADCAST_REJECT_COUNT]; /* by reason */
};

/* A protocol. What it does is in its operations; this struct is the head of its state. */
struct broadcast_protocol {
    const struct broadcast_operations *operations;
    struct broadcast_stats stats; /* kept up to date */
};

struct broadcast_operations {
    const char *name;
    enum broadcast_reject (*handle)(struct broadcast_protocol *protocol,
                                    const struct broadcast_event *event,
                                    struct broadcast_effects *effects);
    void (*dump)(const struct broadcast_protocol *protocol, struct ingot_buffer *out);
    void (*free)(struct broadcast_protocol *protocol);
};

/*
 * Takes one event and appends what is to be done. Returns why it was not used, or
 * BROADCAST_REJECT_NONE; that has been counted in stats.rejected already.
 */
enum broadcast_reject broadcast_handle(struct broadcast_protocol *protocol,
                                       const struct broadcast_event *event,
                                       struct broadcast_effects *effects);

/*
 * Appends all of the state that decides what later events do; counters are left out and times are
 * written as distances from the last event's. Two protocols of one configuration with the same dump
 * behave alike.
 */
void broadcast_dump(const struct broadcast_protocol *protocol, struct ingot_buffer *out);

/* NULL is fine. */
void broadcast_free(struct broadcast_protocol *protocol);

#endif
