/*
 * Full gossip. The rule is in gossip_filter.c; here it is made a protocol, with our own recent
 * messages, which are said again. See gossip.h.
 */
#include "broadcast/gossip.h"

#include <stdlib.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/mutant.h"
#include "broadcast/effect.h"
#include "broadcast/gossip_filter.h"

/* A message of ours. */
struct recent {
    struct broadcast_message *message;
    bool is_back; /* signed, and delivered here */
    uint32_t resends_left;
    uint64_t interval_ms;
    uint64_t resend_at_ms;
};

struct gossip {
    struct broadcast_protocol base;
    struct gossip_config config;
    struct ingot_validator *members;
    struct gossip_filter filter;
    uint32_t recent_count;
    size_t recent_bytes;
    uint64_t now_ms;
    bool is_armed;
    uint64_t armed_ms;
    struct recent recent[INGOT_GOSSIP_RECENT_MAX]; /* oldest first */
};

static struct gossip *gossip_of(struct broadcast_protocol *protocol)
{
    return (struct gossip *)protocol;
}

/* --- Our own recent messages. --- */

static void drop_oldest(struct gossip *gossip)
{
    gossip->recent_bytes -= gossip->recent[0].message->payload.size;
    broadcast_message_unref(gossip->recent[0].message);
    gossip->recent_count--;
    for (uint32_t i = 0; i < gossip->recent_count; i++) {
        gossip->recent[i] = gossip->recent[i + 1];
    }
}

static void keep(struct gossip *gossip, struct broadcast_message *message)
{
    const size_t size = message->payload.size;
    while (gossip->recent_count > 0 &&
           (gossip->recent_count == INGOT_GOSSIP_RECENT_MAX ||
            gossip->recent_bytes + size > INGOT_GOSSIP_RECENT_BYTES_MAX)) {
        drop_oldest(gossip);
    }
    gossip->recent_bytes += size;
    gossip->recent[gossip->recent_count++] =
        (struct recent){.message = broadcast_message_ref(message)};
}

static struct recent *find_recent(struct gossip *gossip, const struct broadcast_id *id)
{
    for (uint32_t i = 0; i < gossip->recent_count; i++) {
        if (broadcast_id_equal(&gossip->recent[i].message->id, id)) {
            return &gossip->recent[i];
        }
    }
    return NULL;
}

/* --- Time. --- */

static bool is_repeated(const struct recent *recent)
{
    return recent->is_back && recent->resends_left > 0;
}

/* Asks for a tick when the next message is due, unless one comes by then anyway. */
static void arm(struct gossip *gossip, struct broadcast_effects *effects)
{
    bool is_needed = false;
    uint64_t deadline_ms = UINT64_MAX;
    uint32_t open = 0;
    for (uint32_t i = 0; i < gossip->recent_count; i++) {
        if (is_repeated(&gossip->recent[i])) {
            open++;
            is_needed = true;
            if (gossip->recent[i].resend_at_ms < deadline_ms) {
                deadline_ms = gossip->recent[i].resend_at_ms;
            }
        }
    }
    gossip->base.stats.open = open;
    gossip->base.stats.bytes = gossip->recent_bytes;
    if (is_needed && !(gossip->is_armed && gossip->armed_ms <= deadline_ms)) {
        gossip->is_armed = true;
        gossip->armed_ms = deadline_ms;
        broadcast_effect_arm(effects, deadline_ms);
    }
}

static void resend_due(struct gossip *gossip, struct broadcast_effects *effects)
{
    gossip->is_armed = false;
    for (uint32_t i = 0; i < gossip->recent_count; i++) {
        struct recent *recent = &gossip->recent[i];
        if (is_repeated(recent) && gossip->now_ms >= recent->resend_at_ms) {
            broadcast_effect_send(effects, BROADCAST_TO_ALL, 0, recent->message);
            recent->resends_left--;
            recent->interval_ms *= 2;
            recent->resend_at_ms = gossip->now_ms + recent->interval_ms;
        }
    }
}

static void show_recent(struct gossip *gossip, uint32_t peer, struct broadcast_effects *effects)
{
    for (uint32_t i = 0; i < gossip->recent_count; i++) {
        if (gossip->recent[i].is_back) {
            broadcast_effect_send(effects, BROADCAST_TO_PEER, peer, gossip->recent[i].message);
        }
    }
}

/* --- Starts and messages. --- */

static enum broadcast_reject start(struct gossip *gossip, const struct broadcast_event *event,
                                   struct broadcast_effects *effects)
{
    struct broadcast_id id;
    if (gossip->config.own == BROADCAST_NONE) {
        return broadcast_effect_refused(effects, event->id, BROADCAST_REJECT_NOT_A_MEMBER);
    }
    if (!broadcast_id_from(event->id, &id)) {
        return broadcast_effect_refused(effects, event->id, BROADCAST_REJECT_BAD_ID);
    }
    if (event->payload.size > INGOT_BROADCAST_PAYLOAD_BYTES_MAX) {
        return broadcast_effect_refused(effects, event->id, BROADCAST_REJECT_OVERSIZE);
    }
    const struct recent *recent = find_recent(gossip, &id);
    if (recent != NULL) {
        if (!ingot_slice_equal(ingot_buffer_slice(&recent->message->payload), event->payload)) {
            return broadcast_effect_refused(effects, event->id, BROADCAST_REJECT_CONFLICT);
        }
        return recent->is_back
                   ? broadcast_effect_refused(effects, event->id, BROADCAST_REJECT_DELIVERED)
                   : BROADCAST_REJECT_DUPLICATE;
    }
    struct broadcast_message *message = broadcast_message_new(BROADCAST_GOSSIP);
    message->sender = gossip->config.own;
    message->originator = gossip->config.own;
    message->id = id;
    gossip->config.digest(event->payload, &message->digest);
    ingot_buffer_append_slice(&message->payload, event->payload);
    keep(gossip, message);
    broadcast_effect_send(effects, BROADCAST_TO_ALL, 0, message);
    broadcast_message_unref(message);
    return BROADCAST_REJECT_NONE;
}

/* From now on it is said again, if it is one that a client started here. */
static void own_is_back(struct gossip *gossip, const struct broadcast_message *message)
{
    struct recent *recent = find_recent(gossip, &message->id);
    if (recent != NULL && recent->message == message) {
        recent->is_back = true;
        recent->resends_left = MUTANT(GOSSIP_SAID_ONCE) ? 0 : gossip->config.resends_max;
        recent->interval_ms = gossip->config.resend_ms;
        recent->resend_at_ms = gossip->now_ms + recent->interval_ms;
    }
}

static enum broadcast_reject take(struct gossip *gossip, const struct broadcast_event *event,
                                  struct broadcast_effects *effects)
{
    struct broadcast_message *message = event->message;
    const bool is_own = event->peer == BROADCAST_SELF;
    if (message->kind != BROADCAST_GOSSIP || message->topic != BROADCAST_TOPIC_PAYLOAD) {
        return BROADCAST_REJECT_UNEXPECTED;
    }
    if (message->sender >= gossip->config.member_count || message->originator != message->sender) {
        return BROADCAST_REJECT_NOT_A_MEMBER;
    }
    if (is_own) {
        own_is_back(gossip, message);
    }
    if (!gossip_filter_add(&gossip->filter, &gossip->members[message->sender].key,
                           &message->name)) {
        /* A client started again what has left the list of recent messages. */
        return is_own ? broadcast_effect_refused(effects, broadcast_id_slice(&message->id),
                                                 BROADCAST_REJECT_DELIVERED)
                      : BROADCAST_REJECT_DUPLICATE;
    }
    gossip->base.stats.remembered = (uint32_t)gossip->filter.name_count;
    if (!is_own) {
        broadcast_effect_send(effects,
                              MUTANT(GOSSIP_GOES_BACK) ? BROADCAST_TO_ALL : BROADCAST_TO_ALL_BUT,
                              event->peer, message);
    }
    broadcast_effect_deliver(effects, message, NULL, 0);
    gossip->base.stats.delivered++;
    return BROADCAST_REJECT_NONE;
}

static enum broadcast_reject handle(struct broadcast_protocol *protocol,
                                    const struct broadcast_event *event,
                                    struct broadcast_effects *effects)
{
    struct gossip *gossip = gossip_of(protocol);
    enum broadcast_reject reject = BROADCAST_REJECT_NONE;
    gossip->now_ms = event->now_ms;
    switch (event->kind) {
    case BROADCAST_START:
        reject = start(gossip, event, effects);
        break;
    case BROADCAST_MESSAGE:
        reject = take(gossip, event, effects);
        break;
    case BROADCAST_TICK:
        resend_due(gossip, effects);
        break;
    case BROADCAST_CONNECTED:
        show_recent(gossip, event->peer, effects);
        break;
    }
    arm(gossip, effects);
    return reject;
}

static void dump(const struct broadcast_protocol *protocol, struct ingot_buffer *out)
{
    const struct gossip *gossip = (const struct gossip *)protocol;
    gossip_filter_dump(&gossip->filter, out);
    ingot_buffer_append_u32(out, gossip->recent_count);
    for (uint32_t i = 0; i < gossip->recent_count; i++) {
        const struct recent *recent = &gossip->recent[i];
        broadcast_dump_message(recent->message, out);
        ingot_buffer_append_u8(out, recent->is_back);
        ingot_buffer_append_u32(out, recent->resends_left);
        ingot_buffer_append_u64(out, recent->interval_ms);
        broadcast_dump_time(recent->resend_at_ms, gossip->now_ms, out);
    }
    ingot_buffer_append_u8(out, gossip->is_armed);
    broadcast_dump_time(gossip->armed_ms, gossip->now_ms, out);
}

static void gossip_free(struct broadcast_protocol *protocol)
{
    struct gossip *gossip = gossip_of(protocol);
    for (uint32_t i = 0; i < gossip->recent_count; i++) {
        broadcast_message_unref(gossip->recent[i].message);
    }
    gossip_filter_deinit(&gossip->filter);
    free(gossip->members);
    free(gossip);
}

struct broadcast_protocol *gossip_new(const struct gossip_config *config)
{
    static const struct broadcast_operations operations = {
        .name = "gossip", .handle = handle, .dump = dump, .free = gossip_free};
    INGOT_ASSERT(config->member_count >= 1);
    INGOT_ASSERT(config->member_count <= INGOT_VALIDATORS_MAX);
    INGOT_ASSERT(config->own < config->member_count || config->own == BROADCAST_NONE);
    INGOT_ASSERT(config->resend_ms >= 1);
    struct gossip *gossip = alloc_zeroed(1, sizeof *gossip);
    gossip->base.operations = &operations;
    gossip->config = *config;
    gossip->members = alloc_copy(config->members, config->member_count * sizeof *config->members);
    gossip->config.members = gossip->members;
    return &gossip->base;
}
