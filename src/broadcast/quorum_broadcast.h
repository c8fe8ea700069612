/*
 * Quorum consensus broadcast: three rounds of messages, after which all honest members deliver the
 * same payload for an (originator, id), once, or none does. docs/broadcast.md states the rules.
 *
 *     PRE-PREPARE   the originator shows the payload
 *     PREPARE       "this is the first payload I have seen for this (originator, id)"
 *     COMMIT        a quorum said PREPARE for this digest, or one honest member said COMMIT
 *     deliver       a quorum said COMMIT for this digest
 *
 * Less than a third of the power may crash or lie.
 */
#ifndef INGOT_BROADCAST_QUORUM_BROADCAST_H
#define INGOT_BROADCAST_QUORUM_BROADCAST_H

#include "broadcast/callbacks.h"
#include "broadcast/protocol.h"

struct quorum_broadcast_config {
    const struct ingot_validator *members; /* ordered by key; copied */
    uint32_t member_count;                 /* 1 to INGOT_VALIDATORS_MAX */
    uint32_t
        own; /* our place among them, or BROADCAST_NONE: we follow and deliver, and say nothing */
    /* SHA-256 of a payload: a pure function, handed in because nothing here can hash. */
    void (*digest)(struct ingot_slice payload, struct broadcast_digest *digest);
    struct broadcast_callbacks callbacks; /* copied */
    /* Times. A tick is asked for every resend_ms while there is something to say again. */
    uint32_t resend_ms;     /* until a message is first said again; the interval doubles */
    uint32_t resend_ms_max; /* and stops growing here */
    uint32_t timeout_ms;    /* an undelivered round is given up after this, and a delivered one is
                               said again for as long */
    /* Quotas, for each originator; members that vote for rounds that their originator has not shown
     * us yet have one of the same size of their own. */
    uint32_t open_rounds_max;
    uint32_t open_bytes_max; /* payloads of rounds in flight; the same again for finished ones */
    uint32_t finished_rounds_max; /* delivered rounds whose COMMIT and payload can be shown again */
    uint32_t remembered_max;      /* older rounds of which only our choice is kept */
    uint32_t repeat_bytes_max;    /* what is said again in one tick, of all originators together */
};

#define QUORUM_BROADCAST_RESEND_MS 400
#define QUORUM_BROADCAST_RESEND_MS_MAX 5000
#define QUORUM_BROADCAST_TIMEOUT_MS 30000
#define QUORUM_BROADCAST_REPEAT_BYTES_MAX (4 * 1024 * 1024)

/*
 * Fills in times, and the quotas of include/ingot/limits.h divided among `member_count`; leaves
 * members, own, digest and callbacks alone.
 */
void quorum_broadcast_config_defaults(struct quorum_broadcast_config *config,
                                      uint32_t member_count);

/*
 * Effects: a start becomes SEND TO_ALL of a PRE-PREPARE, and one day DELIVER or TIMED_OUT. It is
 * REFUSED: NOT_A_MEMBER; BAD_ID; OVERSIZE; CONFLICT (this id has another payload); DELIVERED (this
 * id with this payload was delivered before); QUOTA_ROUNDS or QUOTA_BYTES (too much in flight, try
 * later); VETOED, CALLBACK_ERROR. A start of what is in flight with the same payload changes
 * nothing (DUPLICATE, no effect): its client hears what the first one hears.
 */
struct broadcast_protocol *quorum_broadcast_new(const struct quorum_broadcast_config *config);

#endif
