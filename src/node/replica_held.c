/*
 * Messages of the epoch that is about to open. Nobody can verify them before the block that changes
 * the set is committed here; without this the first proposal of an epoch, and the votes for it,
 * would be lost on everybody whom they reach before the Commit QC does.
 *
 * A channel may make us keep one proposal or nudge, one vote and one timeout, the highest of each.
 */
#include "base/mutant.h"
#include "node/replica_state.h"

static struct position position_of(const struct message *message)
{
    switch (message->kind) {
    case MESSAGE_PROPOSE:
    case MESSAGE_COMPACT_PROPOSE:
        return vote_position(&message->propose.vote);
    case MESSAGE_NUDGE:
        return vote_position(&message->nudge.vote);
    case MESSAGE_VOTE:
        return vote_position(&message->vote);
    case MESSAGE_TIMEOUT:
        return (struct position){message->timeout.epoch, message->timeout.view};
    case MESSAGE_CERTIFICATE:
    case MESSAGE_ADVERTISE:
    case MESSAGE_SYNC_REQUEST:
    case MESSAGE_SYNC_RESPONSE:
    case MESSAGE_TRANSACTIONS:
    case MESSAGE_TRANSACTIONS_REQUEST:
    case MESSAGE_TRANSACTIONS_RESPONSE:
        break;
    }
    return (struct position){0, 0};
}

/* The place of its kind, or NULL: other kinds are said again by themselves. */
static struct message **place_for(struct replica_peer *peer, const struct message *message)
{
    switch (message->kind) {
    case MESSAGE_PROPOSE:
        return block_size_bytes(message->propose.block) <= INGOT_PENDING_BYTES_PER_PEER_MAX
                   ? &peer->held[0]
                   : NULL;
    case MESSAGE_COMPACT_PROPOSE:
        return compact_size_bytes(message) <= INGOT_PENDING_BYTES_PER_PEER_MAX ? &peer->held[0]
                                                                               : NULL;
    case MESSAGE_NUDGE:
        return &peer->held[0];
    case MESSAGE_VOTE:
        return &peer->held[1];
    case MESSAGE_TIMEOUT:
        return &peer->held[2];
    case MESSAGE_CERTIFICATE:
    case MESSAGE_ADVERTISE:
    case MESSAGE_SYNC_REQUEST:
    case MESSAGE_SYNC_RESPONSE:
    case MESSAGE_TRANSACTIONS:
    case MESSAGE_TRANSACTIONS_REQUEST:
    case MESSAGE_TRANSACTIONS_RESPONSE:
        break;
    }
    return NULL;
}

/* The certificate in it that could be of an epoch that we know already, or NULL. */
static struct qc *shown_qc(const struct message *message)
{
    switch (message->kind) {
    case MESSAGE_PROPOSE:
    case MESSAGE_COMPACT_PROPOSE:
        return message->propose.block->justify;
    case MESSAGE_NUDGE:
        return message->nudge.justify;
    case MESSAGE_TIMEOUT:
        return message->timeout.high_qc;
    case MESSAGE_CERTIFICATE:
        return message->certificate.tc != NULL ? message->certificate.tc->high_qc : NULL;
    case MESSAGE_VOTE:
    case MESSAGE_ADVERTISE:
    case MESSAGE_SYNC_REQUEST:
    case MESSAGE_SYNC_RESPONSE:
    case MESSAGE_TRANSACTIONS:
    case MESSAGE_TRANSACTIONS_REQUEST:
    case MESSAGE_TRANSACTIONS_RESPONSE:
        break;
    }
    return NULL;
}

static void use_qc(struct replica *replica, uint32_t peer, struct qc *qc)
{
    if (qc == NULL || verify_qc(&replica->verifier, qc) != REJECT_NONE) {
        return;
    }
    struct message *message = message_new(MESSAGE_CERTIFICATE);
    message->certificate.qc = qc_ref(qc);
    struct core_event event = {.kind = CORE_MESSAGE, .peer = peer, .message = message};
    (void)replica_step(replica, &event);
    message_unref(message);
}

enum reject held_take(struct replica *replica, uint32_t peer, struct message *message)
{
    use_qc(replica, peer, shown_qc(message));
    const enum reject reject = verify_message(&replica->verifier, message);
    if (reject != REJECT_UNKNOWN_EPOCH) {
        return reject;
    }
    struct message **place = place_for(&replica->peers[peer], message);
    struct core_status status;
    core_get_status(replica->core, &status);
    const struct position position = position_of(message);
    if (place != NULL && !MUTANT(EPOCH_NOT_HELD) && position.epoch == status.current.epoch + 1 &&
        (*place == NULL || position_compare(position, position_of(*place)) > 0)) {
        message_unref(*place);
        *place = message_ref(message);
    }
    return reject;
}

void held_retry(struct replica *replica)
{
    struct core_status status;
    core_get_status(replica->core, &status);
    if (replica->held_epoch == status.current.epoch) {
        return;
    }
    replica->held_epoch = status.current.epoch;
    for (uint32_t i = 0; i < replica->peer_count; i++) {
        for (uint32_t j = 0; j < HELD_KINDS && replica->stop == REPLICA_RUNS; j++) {
            struct message *message = replica->peers[i].held[j];
            if (message != NULL) {
                replica->peers[i].held[j] = NULL;
                replica_receive_message(replica, i, message);
                message_unref(message);
            }
        }
    }
}

void held_clear(struct replica_peer *peer)
{
    for (uint32_t i = 0; i < HELD_KINDS; i++) {
        message_unref(peer->held[i]);
        peer->held[i] = NULL;
    }
}
