/*
 * What an application may say while a round of quorum broadcast goes on: refuse, attach something
 * to our messages (such as a signature that travels in the COMMIT), look at what others attached
 * before it counts, and be told when a round is prepared and when it is committed.
 *
 * All are called from within broadcast_handle and must not call back into the protocol. Everything
 * they are shown is borrowed for the call. Any may be NULL: nothing refused, nothing attached.
 */
#ifndef INGOT_BROADCAST_CALLBACKS_H
#define INGOT_BROADCAST_CALLBACKS_H

#include "broadcast/message.h"

enum broadcast_verdict {
    BROADCAST_GO,   /* on with it */
    BROADCAST_VETO, /* we do not say this in this round, for good; others may, and we follow them */
    BROADCAST_FAIL  /* something is wrong here (a full disk): the next tick tries again. Counted */
};

struct broadcast_round_view {
    uint32_t originator;
    struct broadcast_id id;
    struct broadcast_digest digest;
    struct ingot_slice payload;
};

struct broadcast_callbacks {
    void *context;

    /*
     * A client starts a round here. `payload` holds what it gave and may be replaced (no longer
     * than INGOT_BROADCAST_PAYLOAD_BYTES_MAX, else the start is refused as oversize); what is
     * appended to the empty `attachment` (to INGOT_BROADCAST_ATTACHMENT_BYTES_MAX, else the same)
     * travels in the PRE-PREPARE. Round: its digest and payload are those that the client gave.
     * VETO and FAIL both refuse the start.
     */
    enum broadcast_verdict (*pre_prepare)(void *context, const struct broadcast_round_view *round,
                                          struct ingot_buffer *payload,
                                          struct ingot_buffer *attachment);

    /*
     * We are about to say that this is the payload of the round: PREPARE. At most one digest of
     * a round gets a GO while the round is remembered; the same may be asked for again after it was
     * given up. Too long an attachment counts as FAIL, here and in `commit`.
     */
    enum broadcast_verdict (*prepare)(void *context, const struct broadcast_round_view *round,
                                      struct ingot_buffer *attachment);

    /* A quorum has said PREPARE, or one honest member COMMIT. VETO is as GO. Once: after GO or VETO
     * never again for this round; it comes before `commit`. */
    enum broadcast_verdict (*prepared)(void *context, const struct broadcast_round_view *round);

    /*
     * We are about to say COMMIT. GO at most once for a round, but as in `prepare`. A driver that
     * remembers longer, across restarts, makes this choice durable before the message leaves, and
     * vetoes here what contradicts; better still, its `check` lets no other payload in.
     */
    enum broadcast_verdict (*commit)(void *context, const struct broadcast_round_view *round,
                                     struct ingot_buffer *attachment);

    /*
     * A quorum has said COMMIT: here are all COMMITs for this digest that we have, `count` of them
     * in order of sender, each verified and checked; their power is a quorum at least. VETO is as
     * GO. Once: after GO or VETO never again, and the DELIVER effect follows. After FAIL the round
     * stays, and is never given up, until a later tick's call goes well.
     */
    enum broadcast_verdict (*committed)(void *context, const struct broadcast_round_view *round,
                                        struct broadcast_message *const *commits, uint32_t count);

    /*
     * May this message of a member (PRE_PREPARE, PREPARE, COMMIT; not our own coming back) count,
     * going by its attachment, or by what we have signed in an earlier life? Called once for each
     * message that would be news, before it counts.
     */
    bool (*check)(void *context, const struct broadcast_message *message);
};

#endif
