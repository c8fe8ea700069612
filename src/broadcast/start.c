/*
 * A client starts a round at its originator. A start never changes a round that is there already.
 */
#include "broadcast/effect.h"
#include "broadcast/round.h"

/* What this round is known to be about, or NULL. */
static const struct broadcast_digest *known_digest(const struct round *round)
{
    if (round->started.is_made) {
        return &round->started.digest;
    }
    if (round->delivered.is_made) {
        return &round->delivered.digest;
    }
    if (round->prepare.is_made) {
        return &round->prepare.digest;
    }
    return round->live != NULL && round->live->pre_prepare != NULL
               ? &round->live->pre_prepare->digest
               : NULL;
}

/*
 * NONE: the originator has to show the payload. DUPLICATE: that has been done, and the client waits
 * with those before it. Else why not.
 */
static enum broadcast_reject check_known(struct round *round, const struct broadcast_digest *digest)
{
    const struct broadcast_digest *known = known_digest(round);
    if (known != NULL && !broadcast_digest_equal(known, digest)) {
        return BROADCAST_REJECT_CONFLICT;
    }
    if (round->delivered.is_made) {
        return BROADCAST_REJECT_DELIVERED;
    }
    const bool is_under_way =
        round_is_open(round) && (round->is_started || round->live->pre_prepare != NULL);
    return is_under_way ? BROADCAST_REJECT_DUPLICATE : BROADCAST_REJECT_NONE;
}

/* Lets the application have its say. On NONE the buffers are what goes out. */
static enum broadcast_reject ask_application(const struct quorum_broadcast *broadcast,
                                             const struct broadcast_round_view *view,
                                             struct ingot_buffer *payload,
                                             struct ingot_buffer *attachment)
{
    const struct broadcast_callbacks *callbacks = &broadcast->config.callbacks;
    ingot_buffer_append_slice(payload, view->payload);
    if (callbacks->pre_prepare == NULL) {
        return BROADCAST_REJECT_NONE;
    }
    switch (callbacks->pre_prepare(callbacks->context, view, payload, attachment)) {
    case BROADCAST_GO:
        return payload->size > INGOT_BROADCAST_PAYLOAD_BYTES_MAX ||
                       attachment->size > INGOT_BROADCAST_ATTACHMENT_BYTES_MAX
                   ? BROADCAST_REJECT_OVERSIZE
                   : BROADCAST_REJECT_NONE;
    case BROADCAST_VETO:
        return BROADCAST_REJECT_VETOED;
    case BROADCAST_FAIL:
        break;
    }
    return BROADCAST_REJECT_CALLBACK_ERROR;
}

/* Opens the round and says PRE-PREPARE, if there is room. */
static enum broadcast_reject say_pre_prepare(struct quorum_broadcast *broadcast,
                                             struct round *round,
                                             const struct broadcast_digest *started,
                                             struct broadcast_message *message)
{
    if (round != NULL && round->prepare.is_made &&
        !broadcast_digest_equal(&round->prepare.digest, &message->digest)) {
        return BROADCAST_REJECT_CONFLICT;
    }
    const size_t payload_bytes = message->payload.size;
    const enum broadcast_reject reject =
        round_has_room(broadcast, message->sender, round, payload_bytes);
    if (reject != BROADCAST_REJECT_NONE) {
        return reject;
    }
    round = round_open(broadcast, message->sender, &message->id, round, payload_bytes);
    round->is_started = true;
    round->started = (struct choice){.is_made = true, .digest = *started};
    broadcast_effect_send(broadcast->out, BROADCAST_TO_ALL, 0, message);
    return BROADCAST_REJECT_NONE;
}

static enum broadcast_reject start(struct quorum_broadcast *broadcast,
                                   const struct broadcast_event *event)
{
    struct broadcast_round_view view = {.originator = broadcast->config.own,
                                        .payload = event->payload};
    if (broadcast->config.own == BROADCAST_NONE) {
        return BROADCAST_REJECT_NOT_A_MEMBER;
    }
    if (!broadcast_id_from(event->id, &view.id)) {
        return BROADCAST_REJECT_BAD_ID;
    }
    if (event->payload.size > INGOT_BROADCAST_PAYLOAD_BYTES_MAX) {
        return BROADCAST_REJECT_OVERSIZE;
    }
    broadcast->config.digest(event->payload, &view.digest);
    struct round *round = round_find(broadcast, view.originator, &view.id);
    if (MUTANT(START_RESETS) && round != NULL && round_is_open(round)) {
        round_remember(broadcast, round);
        round = round_find(broadcast, view.originator, &view.id);
    }
    if (round != NULL) {
        const enum broadcast_reject reject = check_known(round, &view.digest);
        if (reject == BROADCAST_REJECT_DUPLICATE) {
            round->is_started = true;
        }
        if (reject != BROADCAST_REJECT_NONE) {
            return reject;
        }
    }
    struct broadcast_message *message = broadcast_message_new(BROADCAST_PRE_PREPARE);
    message->sender = view.originator;
    message->originator = view.originator;
    message->id = view.id;
    enum broadcast_reject reject =
        ask_application(broadcast, &view, &message->payload, &message->attachment);
    if (reject == BROADCAST_REJECT_NONE) {
        broadcast->config.digest(ingot_buffer_slice(&message->payload), &message->digest);
        reject = say_pre_prepare(broadcast, round, &view.digest, message);
    }
    broadcast_message_unref(message);
    return reject;
}

enum broadcast_reject round_start(struct quorum_broadcast *broadcast,
                                  const struct broadcast_event *event)
{
    const enum broadcast_reject reject = start(broadcast, event);
    if (reject != BROADCAST_REJECT_NONE && reject != BROADCAST_REJECT_DUPLICATE) {
        (void)broadcast_effect_refused(broadcast->out, event->id, reject);
    }
    return reject;
}
