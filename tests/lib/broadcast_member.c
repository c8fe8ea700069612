/*
 * The driver of one member of a broadcast network. See broadcast_member.h.
 */
#include "lib/broadcast_member.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "lib/fast_crypto.h"
#include "wire/broadcast.h"

/* --- What is common. --- */

void broadcast_network_init(struct broadcast_network *network, uint32_t members,
                            const uint64_t *powers, uint32_t observers)
{
    INGOT_ASSERT(members + observers <= BROADCAST_NODES_MAX);
    *network = (struct broadcast_network){.nodes = members + observers};
    samples_init(&network->samples, &fast_crypto, members, 0, 7);
    if (powers != NULL) {
        samples_weigh(&network->samples, powers);
    }
    quorum_broadcast_config_defaults(&network->times_and_quotas, members);
}

void broadcast_network_deinit(struct broadcast_network *network)
{
    samples_deinit(&network->samples);
}

void broadcast_sign_as(const struct broadcast_network *network, uint32_t signer,
                       const struct ingot_hash *chain, struct broadcast_message *message)
{
    const struct samples *samples = &network->samples;
    struct wire_signer pen = {.scheme = samples->scheme,
                              .secret = &samples->secrets[signer],
                              .key = samples->set->validators[signer].key,
                              .chain = *chain};
    const uint32_t claimed = message->sender;
    message->sender = signer;
    const bool is_signed = wire_broadcast_sign(&pen, samples->set, message);
    INGOT_ASSERT(is_signed);
    message->sender = claimed;
}

struct broadcast_message *broadcast_say(const struct broadcast_network *network,
                                        enum broadcast_kind kind, uint32_t sender,
                                        uint32_t originator, const char *id, const char *payload)
{
    struct broadcast_message *message = broadcast_message_new(kind);
    message->sender = sender;
    message->originator = originator;
    INGOT_ASSERT(broadcast_id_from(ingot_slice_of_text(id), &message->id));
    wire_broadcast_digest(ingot_slice_of_text(payload), &message->digest);
    if (kind == BROADCAST_GOSSIP || kind == BROADCAST_PRE_PREPARE) {
        ingot_buffer_append(&message->payload, payload, strlen(payload));
    }
    broadcast_sign_as(network, sender, &network->samples.chain, message);
    return message;
}

/* --- Lists. --- */

void broadcast_parcels_add(struct broadcast_parcels *parcels, uint32_t from, uint32_t to,
                           struct broadcast_message *message)
{
    if (parcels->count == parcels->capacity) {
        parcels->capacity = parcels->capacity == 0 ? 16 : 2 * parcels->capacity;
        parcels->items = alloc_resize(parcels->items, parcels->capacity, sizeof *parcels->items);
    }
    parcels->items[parcels->count++] = (struct broadcast_parcel){
        .from = from, .to = to, .message = broadcast_message_ref(message)};
}

struct broadcast_parcel broadcast_parcels_take(struct broadcast_parcels *parcels, uint32_t at)
{
    INGOT_ASSERT(at < parcels->count);
    const struct broadcast_parcel parcel = parcels->items[at];
    parcels->count--;
    memmove(&parcels->items[at], &parcels->items[at + 1],
            (parcels->count - at) * sizeof *parcels->items);
    return parcel;
}

void broadcast_parcels_deinit(struct broadcast_parcels *parcels)
{
    for (uint32_t i = 0; i < parcels->count; i++) {
        broadcast_message_unref(parcels->items[i].message);
    }
    free(parcels->items);
    *parcels = (struct broadcast_parcels){0};
}

void broadcast_deliveries_add(struct broadcast_deliveries *deliveries,
                              const struct broadcast_delivery *delivery)
{
    if (deliveries->count == deliveries->capacity) {
        deliveries->capacity = deliveries->capacity == 0 ? 4 : 2 * deliveries->capacity;
        deliveries->items =
            alloc_resize(deliveries->items, deliveries->capacity, sizeof *deliveries->items);
    }
    deliveries->items[deliveries->count++] = *delivery;
}

const struct broadcast_delivery *
broadcast_deliveries_find(const struct broadcast_deliveries *deliveries, uint32_t originator,
                          struct ingot_slice id)
{
    for (uint32_t i = 0; i < deliveries->count; i++) {
        const struct broadcast_delivery *delivery = &deliveries->items[i];
        if (delivery->originator == originator &&
            ingot_slice_equal(broadcast_id_slice(&delivery->id), id)) {
            return delivery;
        }
    }
    return NULL;
}

/* --- The callbacks: the rules see them first, then the test. --- */

static enum broadcast_verdict calls_pre_prepare(void *context,
                                                const struct broadcast_round_view *round,
                                                struct ingot_buffer *payload,
                                                struct ingot_buffer *attachment)
{
    struct broadcast_member *member = context;
    return member->callbacks.pre_prepare == NULL
               ? BROADCAST_GO
               : member->callbacks.pre_prepare(member->callbacks.context, round, payload,
                                               attachment);
}

static enum broadcast_verdict calls_prepare(void *context, const struct broadcast_round_view *round,
                                            struct ingot_buffer *attachment)
{
    struct broadcast_member *member = context;
    return member->callbacks.prepare == NULL
               ? BROADCAST_GO
               : member->callbacks.prepare(member->callbacks.context, round, attachment);
}

static enum broadcast_verdict calls_prepared(void *context,
                                             const struct broadcast_round_view *round)
{
    struct broadcast_member *member = context;
    const enum broadcast_verdict verdict =
        member->callbacks.prepared == NULL
            ? BROADCAST_GO
            : member->callbacks.prepared(member->callbacks.context, round);
    if (verdict != BROADCAST_FAIL) {
        broadcast_rules_calls_prepared(&member->rules, round);
    }
    return verdict;
}

static enum broadcast_verdict calls_commit(void *context, const struct broadcast_round_view *round,
                                           struct ingot_buffer *attachment)
{
    struct broadcast_member *member = context;
    return member->callbacks.commit == NULL
               ? BROADCAST_GO
               : member->callbacks.commit(member->callbacks.context, round, attachment);
}

static enum broadcast_verdict calls_committed(void *context,
                                              const struct broadcast_round_view *round,
                                              struct broadcast_message *const *commits,
                                              uint32_t count)
{
    struct broadcast_member *member = context;
    const enum broadcast_verdict verdict =
        member->callbacks.committed == NULL
            ? BROADCAST_GO
            : member->callbacks.committed(member->callbacks.context, round, commits, count);
    if (verdict != BROADCAST_FAIL) {
        broadcast_rules_calls_committed(&member->rules, round);
    }
    return verdict;
}

static bool calls_check(void *context, const struct broadcast_message *message)
{
    struct broadcast_member *member = context;
    return member->callbacks.check == NULL ||
           member->callbacks.check(member->callbacks.context, message);
}

/* --- The member. --- */

static struct broadcast_protocol *make_protocol(struct broadcast_member *member)
{
    const struct validator_set *set = member->network->samples.set;
    if (member->network->is_gossip) {
        const struct gossip_config config = {.members = set->validators,
                                             .member_count = set->count,
                                             .own = member->own,
                                             .resend_ms = GOSSIP_RESEND_MS,
                                             .resends_max = GOSSIP_RESENDS_MAX,
                                             .digest = wire_broadcast_digest};
        return gossip_new(&config);
    }
    struct quorum_broadcast_config config = member->network->times_and_quotas;
    config.members = set->validators;
    config.member_count = set->count;
    config.own = member->own;
    config.digest = wire_broadcast_digest;
    config.callbacks = (struct broadcast_callbacks){.context = member,
                                                    .pre_prepare = calls_pre_prepare,
                                                    .prepare = calls_prepare,
                                                    .prepared = calls_prepared,
                                                    .commit = calls_commit,
                                                    .committed = calls_committed,
                                                    .check = calls_check};
    return quorum_broadcast_new(&config);
}

struct broadcast_member *broadcast_member_new(const struct broadcast_network *network,
                                              uint32_t node,
                                              const struct broadcast_callbacks *callbacks)
{
    struct broadcast_member *member = alloc_zeroed(1, sizeof *member);
    const struct validator_set *set = network->samples.set;
    member->network = network;
    member->node = node;
    member->own = node < set->count ? node : BROADCAST_NONE;
    member->deadline_ms = UINT64_MAX;
    if (callbacks != NULL) {
        member->callbacks = *callbacks;
    }
    broadcast_rules_init(&member->rules, set, member->own);
    member->protocol = make_protocol(member);
    return member;
}

void broadcast_member_free(struct broadcast_member *member)
{
    if (member == NULL) {
        return;
    }
    broadcast_free(member->protocol);
    broadcast_rules_deinit(&member->rules);
    broadcast_effects_deinit(&member->effects);
    broadcast_parcels_deinit(&member->own_signed);
    broadcast_parcels_deinit(&member->out);
    free(member->delivered.items);
    free(member);
}

static bool is_target(const struct broadcast_member *member, const struct broadcast_effect *effect,
                      uint32_t node)
{
    switch (effect->target) {
    case BROADCAST_TO_ALL:
        return node != member->node;
    case BROADCAST_TO_ALL_BUT:
        return node != member->node && node != effect->peer;
    case BROADCAST_TO_PEER:
        return node == effect->peer;
    case BROADCAST_TO_MEMBER:
        return node == effect->member;
    }
    return false;
}

static void send(struct broadcast_member *member, const struct broadcast_effect *effect)
{
    const struct broadcast_network *network = member->network;
    if (!effect->message->is_signed) {
        if (!network->is_gossip) {
            broadcast_rules_says(&member->rules, effect->message);
        }
        broadcast_sign_as(network, effect->message->sender, &network->samples.chain,
                          effect->message);
        broadcast_parcels_add(&member->own_signed, member->node, member->node, effect->message);
    }
    for (uint32_t i = 0; i < network->nodes; i++) {
        if (is_target(member, effect, i)) {
            broadcast_parcels_add(&member->out, member->node, i, effect->message);
        }
    }
}

static void deliver(struct broadcast_member *member, const struct broadcast_effect *effect)
{
    const struct broadcast_delivery delivery = {.originator = effect->message->originator,
                                                .id = effect->message->id,
                                                .digest = effect->message->digest};
    if (!member->network->is_gossip) {
        broadcast_rules_delivers(&member->rules, effect);
    }
    broadcast_deliveries_add(&member->delivered, &delivery);
}

static void perform(struct broadcast_member *member, const struct broadcast_effect *effect)
{
    switch (effect->kind) {
    case BROADCAST_SEND:
        send(member, effect);
        break;
    case BROADCAST_DELIVER:
        deliver(member, effect);
        break;
    case BROADCAST_REFUSED:
        member->refused++;
        member->refused_as = effect->reason;
        break;
    case BROADCAST_TIMED_OUT:
        member->timed_out++;
        break;
    case BROADCAST_ARM:
        member->deadline_ms = effect->deadline_ms;
        break;
    }
}

static enum broadcast_reject handle(struct broadcast_member *member, struct broadcast_event *event)
{
    event->now_ms = member->now_ms;
    const enum broadcast_reject reject =
        broadcast_handle(member->protocol, event, &member->effects);
    for (uint32_t i = 0; i < member->effects.count; i++) {
        perform(member, &member->effects.items[i]);
    }
    broadcast_effects_clear(&member->effects);
    if (member->own_signed.count == 0) {
        broadcast_rules_rests(&member->rules);
    }
    return reject;
}

enum broadcast_reject broadcast_member_start(struct broadcast_member *member, const char *id,
                                             const char *payload)
{
    struct broadcast_event event = {.kind = BROADCAST_START,
                                    .id = ingot_slice_of_text(id),
                                    .payload = ingot_slice_of_text(payload)};
    return handle(member, &event);
}

enum broadcast_reject broadcast_member_hear(struct broadcast_member *member, uint32_t from,
                                            struct broadcast_message *message)
{
    const struct samples *samples = &member->network->samples;
    if (wire_broadcast_verify(samples->scheme, &samples->chain, samples->set, message, NULL) !=
        REJECT_NONE) {
        member->forged++;
        return BROADCAST_REJECT_NONE;
    }
    /* A payload that is refused was not shown. */
    if (message->kind != BROADCAST_PRE_PREPARE || member->callbacks.check == NULL ||
        member->callbacks.check(member->callbacks.context, message)) {
        broadcast_rules_hears(&member->rules, message);
    }
    struct broadcast_event event = {.kind = BROADCAST_MESSAGE, .peer = from, .message = message};
    return handle(member, &event);
}

enum broadcast_reject broadcast_member_tick(struct broadcast_member *member)
{
    struct broadcast_event event = {.kind = BROADCAST_TICK};
    if (member->deadline_ms <= member->now_ms) {
        member->deadline_ms = UINT64_MAX;
    }
    return handle(member, &event);
}

enum broadcast_reject broadcast_member_connected(struct broadcast_member *member, uint32_t node)
{
    struct broadcast_event event = {
        .kind = BROADCAST_CONNECTED,
        .peer = node,
        .member = node < member->network->samples.set->count ? node : BROADCAST_NONE};
    return handle(member, &event);
}

void broadcast_member_hear_own(struct broadcast_member *member)
{
    const struct broadcast_parcel parcel = broadcast_parcels_take(&member->own_signed, 0);
    broadcast_rules_hears(&member->rules, parcel.message);
    struct broadcast_event event = {
        .kind = BROADCAST_MESSAGE, .peer = BROADCAST_SELF, .message = parcel.message};
    (void)handle(member, &event);
    broadcast_message_unref(parcel.message);
}

void broadcast_member_hear_all_own(struct broadcast_member *member)
{
    while (member->own_signed.count > 0) {
        broadcast_member_hear_own(member);
    }
}

const char *broadcast_member_violation(const struct broadcast_member *member)
{
    return member->rules.violation;
}
