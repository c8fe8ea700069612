/*
 * How a message of the core leaves: signed, encoded, to whoever it is for, and back to the core
 * where it is our own. When it may leave is replica_effects.c.
 */
#include "node/replica_state.h"

static bool is_own_key(const struct replica *replica, const struct ingot_public_key *key)
{
    return replica->options.has_key && crypto_key_equal(&replica->options.key, key);
}

static void sign(struct replica *replica, struct message *message)
{
    bool is_signed = true;
    switch (message->kind) {
    case MESSAGE_PROPOSE:
        is_signed = wire_sign_vote(&replica->signer,
                                   core_find_set(replica->core, message->propose.vote.epoch),
                                   &message->propose.vote);
        break;
    case MESSAGE_VOTE:
        is_signed = wire_sign_vote(
            &replica->signer, core_find_set(replica->core, message->vote.epoch), &message->vote);
        break;
    case MESSAGE_NUDGE:
        is_signed =
            wire_sign_vote(&replica->signer, core_find_set(replica->core, message->nudge.epoch),
                           &message->nudge.vote);
        break;
    case MESSAGE_TIMEOUT:
        is_signed = wire_sign_timeout(&replica->signer,
                                      core_find_set(replica->core, message->timeout.epoch),
                                      &message->timeout);
        break;
    case MESSAGE_CERTIFICATE:
    case MESSAGE_ADVERTISE:
    case MESSAGE_SYNC_REQUEST:
    case MESSAGE_SYNC_RESPONSE:
    case MESSAGE_TRANSACTIONS:
    case MESSAGE_COMPACT_PROPOSE:
    case MESSAGE_TRANSACTIONS_REQUEST:
    case MESSAGE_TRANSACTIONS_RESPONSE:
        break;
    }
    INGOT_ASSERT(is_signed);
}

static struct ingot_slice encode(struct replica *replica, const struct message *message)
{
    ingot_buffer_clear(&replica->frame);
    wire_encode(message, &replica->frame);
    return ingot_buffer_slice(&replica->frame);
}

static void give_back(struct replica *replica, struct message *message)
{
    struct core_event event = {.kind = CORE_MESSAGE, .peer = CORE_SELF, .message = message};
    (void)replica_step(replica, &event);
}

static void send_to_peer(struct replica *replica, uint32_t peer, struct ingot_slice frame)
{
    if (replica->peers[peer].is_connected) {
        replica->options.output.send(replica->options.output.context, peer, INGOT_FRAME_CONSENSUS,
                                     frame);
    }
}

/*
 * By the peers' validator keys. If no peer bears the one that is wanted, as when a node has become
 * a validator that was written down as an observer, it is any of those that bear none.
 */
static void send_to_validator(struct replica *replica, const struct ingot_public_key *key,
                              struct ingot_slice frame)
{
    for (uint32_t i = 0; i < replica->peer_count; i++) {
        if (replica->peers[i].has_key && crypto_key_equal(&replica->peers[i].key, key)) {
            send_to_peer(replica, i, frame);
            return;
        }
    }
    for (uint32_t i = 0; i < replica->peer_count; i++) {
        if (!replica->peers[i].has_key) {
            send_to_peer(replica, i, frame);
        }
    }
}

void transmit_send(struct replica *replica, struct core_effect *effect)
{
    sign(replica, effect->message);
    const struct ingot_slice frame = encode(replica, effect->message);
    bool is_for_us = false;
    for (uint32_t i = 0; i < effect->recipient_count; i++) {
        if (is_own_key(replica, &effect->recipients[i])) {
            is_for_us = true;
        } else {
            send_to_validator(replica, &effect->recipients[i], frame);
        }
    }
    if (is_for_us) {
        give_back(replica, effect->message);
    }
}

void transmit_broadcast(struct replica *replica, struct core_effect *effect)
{
    const enum message_kind kind = effect->message->kind;
    struct message *compact = NULL;
    sign(replica, effect->message);
    if (kind == MESSAGE_PROPOSE) {
        compact = compact_make(replica, &effect->message->propose);
        pool_withhold(replica, effect->message->propose.block, compact);
    }
    replica->options.output.broadcast(replica->options.output.context, INGOT_FRAME_CONSENSUS,
                                      encode(replica, compact != NULL ? compact : effect->message));
    message_unref(compact);
    if (kind == MESSAGE_PROPOSE || kind == MESSAGE_NUDGE || kind == MESSAGE_TIMEOUT) {
        give_back(replica, effect->message);
    }
}

void transmit_answer(struct replica *replica, const struct core_effect *effect)
{
    replica->options.output.send(replica->options.output.context, effect->peer,
                                 INGOT_FRAME_CONSENSUS, encode(replica, effect->message));
}
