/*
 * A replica alone with a test. See broadcast_solitary.h.
 */
#include "lib/broadcast_solitary.h"

#include <string.h>

#include "base/assert.h"

void solitary_digest(struct ingot_slice payload, struct broadcast_digest *digest)
{
    uint64_t state = UINT64_C(14695981039346656037);
    for (size_t i = 0; i < payload.size; i++) {
        state = (state ^ payload.data[i]) * UINT64_C(1099511628211);
    }
    for (size_t i = 0; i < sizeof digest->bytes; i++) {
        state = (state ^ i) * UINT64_C(1099511628211);
        digest->bytes[i] = (uint8_t)(state >> 32);
    }
}

/* Covers what is signed, and not the signature. */
static void name_message(struct broadcast_message *message)
{
    struct ingot_buffer bytes = {0};
    struct broadcast_digest digest;
    ingot_buffer_append_u8(&bytes, (uint8_t)message->kind);
    ingot_buffer_append_u8(&bytes, (uint8_t)message->topic);
    ingot_buffer_append_u32(&bytes, message->originator);
    ingot_buffer_append_slice(&bytes, broadcast_id_slice(&message->id));
    ingot_buffer_append(&bytes, message->digest.bytes, sizeof message->digest.bytes);
    solitary_digest(ingot_buffer_slice(&bytes), &digest);
    memcpy(message->name.bytes, digest.bytes, sizeof message->name.bytes);
    message->is_signed = true;
    message->signature.bytes[0] = (uint8_t)(message->sender + 1);
    ingot_buffer_deinit(&bytes);
}

static void init_members(struct solitary *solitary, uint32_t count, uint32_t own)
{
    INGOT_ASSERT(count <= SOLITARY_MEMBERS_MAX);
    memset(solitary, 0, sizeof *solitary);
    solitary->own = own;
    solitary->now_ms = 1000;
    for (uint32_t i = 0; i < count; i++) {
        solitary->members[i].key.bytes[0] = (uint8_t)(i + 1);
        solitary->members[i].power = 1;
    }
}

void solitary_init_gossip(struct solitary *solitary, uint32_t count, uint32_t own)
{
    init_members(solitary, count, own);
    const struct gossip_config config = {.members = solitary->members,
                                         .member_count = count,
                                         .own = own,
                                         .digest = solitary_digest,
                                         .resend_ms = GOSSIP_RESEND_MS,
                                         .resends_max = GOSSIP_RESENDS_MAX};
    solitary->protocol = gossip_new(&config);
}

void solitary_init_quorum(struct solitary *solitary, uint32_t count, uint32_t own,
                          const struct quorum_broadcast_config *config)
{
    init_members(solitary, count, own);
    struct quorum_broadcast_config filled = {0};
    if (config != NULL) {
        filled = *config;
    } else {
        quorum_broadcast_config_defaults(&filled, count);
    }
    filled.members = solitary->members;
    filled.member_count = count;
    filled.own = own;
    filled.digest = solitary_digest;
    solitary->protocol = quorum_broadcast_new(&filled);
}

void solitary_deinit(struct solitary *solitary)
{
    broadcast_effects_deinit(&solitary->effects);
    broadcast_free(solitary->protocol);
}

void solitary_give_back(struct solitary *solitary)
{
    for (; solitary->given_back < solitary->effects.count; solitary->given_back++) {
        const struct broadcast_effect *effect = &solitary->effects.items[solitary->given_back];
        if (effect->kind != BROADCAST_SEND || effect->message->is_signed) {
            continue;
        }
        /* Handling the event may move the list. */
        struct broadcast_message *message = broadcast_message_ref(effect->message);
        name_message(message);
        const struct broadcast_event event = {.kind = BROADCAST_MESSAGE,
                                              .now_ms = solitary->now_ms,
                                              .peer = BROADCAST_SELF,
                                              .message = message};
        (void)broadcast_handle(solitary->protocol, &event, &solitary->effects);
        broadcast_message_unref(message);
    }
}

static enum broadcast_reject handle(struct solitary *solitary, struct broadcast_event event)
{
    event.now_ms = solitary->now_ms;
    const enum broadcast_reject reject =
        broadcast_handle(solitary->protocol, &event, &solitary->effects);
    if (!solitary->holds_own) {
        solitary_give_back(solitary);
    }
    return reject;
}

enum broadcast_reject solitary_start(struct solitary *solitary, const char *id, const char *payload)
{
    return handle(solitary, (struct broadcast_event){.kind = BROADCAST_START,
                                                     .id = ingot_slice_of_text(id),
                                                     .payload = ingot_slice_of_text(payload)});
}

struct broadcast_message *solitary_message(enum broadcast_kind kind, uint32_t sender,
                                           uint32_t originator, const char *id, const char *payload)
{
    struct broadcast_message *message = broadcast_message_new(kind);
    message->sender = sender;
    message->originator = originator;
    const bool is_id = broadcast_id_from(ingot_slice_of_text(id), &message->id);
    INGOT_ASSERT(is_id);
    solitary_digest(ingot_slice_of_text(payload), &message->digest);
    if (kind == BROADCAST_GOSSIP || kind == BROADCAST_PRE_PREPARE) {
        ingot_buffer_append_slice(&message->payload, ingot_slice_of_text(payload));
    }
    name_message(message);
    return message;
}

enum broadcast_reject solitary_receive(struct solitary *solitary, uint32_t peer,
                                       struct broadcast_message *message)
{
    const enum broadcast_reject reject = handle(
        solitary,
        (struct broadcast_event){.kind = BROADCAST_MESSAGE, .peer = peer, .message = message});
    broadcast_message_unref(message);
    return reject;
}

enum broadcast_reject solitary_say(struct solitary *solitary, enum broadcast_kind kind,
                                   uint32_t sender, uint32_t originator, const char *id,
                                   const char *payload)
{
    return solitary_receive(solitary, sender,
                            solitary_message(kind, sender, originator, id, payload));
}

void solitary_tick(struct solitary *solitary, uint64_t passed_ms)
{
    solitary->now_ms += passed_ms;
    (void)handle(solitary, (struct broadcast_event){.kind = BROADCAST_TICK});
}

void solitary_connected(struct solitary *solitary, uint32_t peer, uint32_t member)
{
    (void)handle(solitary, (struct broadcast_event){
                               .kind = BROADCAST_CONNECTED, .peer = peer, .member = member});
}

void solitary_clear(struct solitary *solitary)
{
    solitary_give_back(solitary);
    broadcast_effects_clear(&solitary->effects);
    solitary->given_back = 0;
}

uint32_t solitary_count(const struct solitary *solitary, enum broadcast_effect_kind kind)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < solitary->effects.count; i++) {
        count += solitary->effects.items[i].kind == kind;
    }
    return count;
}

uint32_t solitary_sent(const struct solitary *solitary, enum broadcast_kind kind,
                       enum broadcast_target target, uint32_t to)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < solitary->effects.count; i++) {
        const struct broadcast_effect *effect = &solitary->effects.items[i];
        const uint32_t effect_to = target == BROADCAST_TO_MEMBER ? effect->member : effect->peer;
        count += effect->kind == BROADCAST_SEND && effect->message->kind == kind &&
                 effect->target == target && (to == UINT32_MAX || effect_to == to);
    }
    return count;
}

const struct broadcast_effect *solitary_last(const struct solitary *solitary,
                                             enum broadcast_effect_kind kind)
{
    for (uint32_t i = solitary->effects.count; i > 0; i--) {
        if (solitary->effects.items[i - 1].kind == kind) {
            return &solitary->effects.items[i - 1];
        }
    }
    return NULL;
}
