/*
 * The network of broadcast tests. See broadcast_world.h.
 */
#include "lib/broadcast_world.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "wire/broadcast.h"

#define NO_ROUNDS 100000

__attribute__((format(printf, 2, 3))) static void violate(struct broadcast_world *world,
                                                          const char *format, ...)
{
    if (world->violation[0] != '\0') {
        return;
    }
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(world->violation, sizeof world->violation, format, arguments);
    va_end(arguments);
}

__attribute__((format(printf, 2, 3))) static void say(const struct broadcast_world *world,
                                                      const char *format, ...)
{
    if (world->options.trace == NULL) {
        return;
    }
    va_list arguments;
    va_start(arguments, format);
    fprintf(world->options.trace, "%6llu ms  ", (unsigned long long)world->now_ms);
    vfprintf(world->options.trace, format, arguments);
    fputc('\n', world->options.trace);
    va_end(arguments);
}

static const char *kind_text(enum broadcast_kind kind)
{
    switch (kind) {
    case BROADCAST_GOSSIP:
        return "gossip";
    case BROADCAST_PRE_PREPARE:
        return "pre_prepare";
    case BROADCAST_PREPARE:
        return "prepare";
    case BROADCAST_COMMIT:
        return "commit";
    case BROADCAST_SHARE_REQUEST:
        return "share_request";
    }
    INGOT_ASSERT(false);
    return "";
}

static void say_parcel(const struct broadcast_world *world, const char *what,
                       const struct broadcast_parcel *parcel)
{
    const struct broadcast_message *message = parcel->message;
    say(world, "%u -> %u  %s %s of member %u for \"%.*s\" of member %u, %02x%02x", parcel->from,
        parcel->to, what, kind_text(message->kind), message->sender, message->id.size,
        (const char *)message->id.bytes, message->originator, message->digest.bytes[0],
        message->digest.bytes[1]);
}

/* --- The driver's durable memory. --- */

/* What it has said COMMIT for in this round, in any of its lives, or NULL. */
static const struct broadcast_delivery *chosen(const struct broadcast_node *node,
                                               uint32_t originator, const struct broadcast_id *id)
{
    return broadcast_deliveries_find(&node->chosen, originator, broadcast_id_slice(id));
}

static bool contradicts(const struct broadcast_node *node, uint32_t originator,
                        const struct broadcast_id *id, const struct broadcast_digest *digest)
{
    const struct broadcast_delivery *choice = chosen(node, originator, id);
    return choice != NULL && !broadcast_digest_equal(&choice->digest, digest);
}

/* Vetoes what contradicts an earlier life; then the test may say something. */
static enum broadcast_verdict prepares(void *context, const struct broadcast_round_view *round,
                                       struct ingot_buffer *attachment)
{
    struct broadcast_node *node = context;
    if (contradicts(node, round->originator, &round->id, &round->digest)) {
        return BROADCAST_VETO;
    }
    return node->callbacks.prepare == NULL
               ? BROADCAST_GO
               : node->callbacks.prepare(node->callbacks.context, round, attachment);
}

/* The same, and what gets a GO is chosen for ever. */
static enum broadcast_verdict commits(void *context, const struct broadcast_round_view *round,
                                      struct ingot_buffer *attachment)
{
    struct broadcast_node *node = context;
    if (contradicts(node, round->originator, &round->id, &round->digest)) {
        return BROADCAST_VETO;
    }
    const enum broadcast_verdict verdict =
        node->callbacks.commit == NULL
            ? BROADCAST_GO
            : node->callbacks.commit(node->callbacks.context, round, attachment);
    if (verdict == BROADCAST_GO && chosen(node, round->originator, &round->id) == NULL) {
        const struct broadcast_delivery choice = {
            .originator = round->originator, .id = round->id, .digest = round->digest};
        broadcast_deliveries_add(&node->chosen, &choice);
    }
    return verdict;
}

/* The other callbacks get the test's context through a node as well. */
static enum broadcast_verdict pre_prepares(void *context, const struct broadcast_round_view *round,
                                           struct ingot_buffer *payload,
                                           struct ingot_buffer *attachment)
{
    struct broadcast_node *node = context;
    return node->callbacks.pre_prepare(node->callbacks.context, round, payload, attachment);
}

static enum broadcast_verdict prepared(void *context, const struct broadcast_round_view *round)
{
    struct broadcast_node *node = context;
    return node->callbacks.prepared(node->callbacks.context, round);
}

static enum broadcast_verdict committed(void *context, const struct broadcast_round_view *round,
                                        struct broadcast_message *const *certificate,
                                        uint32_t count)
{
    struct broadcast_node *node = context;
    return node->callbacks.committed(node->callbacks.context, round, certificate, count);
}

static bool checks(void *context, const struct broadcast_message *message)
{
    struct broadcast_node *node = context;
    if (message->kind == BROADCAST_PRE_PREPARE &&
        contradicts(node, message->originator, &message->id, &message->digest)) {
        return false;
    }
    return node->callbacks.check == NULL || node->callbacks.check(node->callbacks.context, message);
}

/* --- Nodes. --- */

static void bring_up(struct broadcast_world *world, uint32_t number)
{
    struct broadcast_node *node = &world->nodes[number];
    const struct broadcast_callbacks *own = &node->callbacks;
    const struct broadcast_callbacks callbacks = {
        .context = node,
        .pre_prepare = own->pre_prepare == NULL ? NULL : pre_prepares,
        .prepare = prepares,
        .prepared = own->prepared == NULL ? NULL : prepared,
        .commit = commits,
        .committed = own->committed == NULL ? NULL : committed,
        .check = checks};
    node->member = broadcast_member_new(&world->network, number, &callbacks);
    node->member->rules.is_prompt = !world->options.not_prompt;
    node->member->now_ms = world->now_ms;
}

void broadcast_world_init(struct broadcast_world *world,
                          const struct broadcast_world_options *options)
{
    *world = (struct broadcast_world){.options = *options, .now_ms = 1000};
    broadcast_network_init(&world->network, options->members, options->powers, options->observers);
    world->network.is_gossip = options->is_gossip;
    for (uint32_t i = 0; i < world->network.nodes; i++) {
        if (options->callbacks != NULL) {
            world->nodes[i].callbacks = options->callbacks[i];
        }
        bring_up(world, i);
    }
}

void broadcast_world_deinit(struct broadcast_world *world)
{
    for (uint32_t i = 0; i < world->network.nodes; i++) {
        broadcast_member_free(world->nodes[i].member);
        free(world->nodes[i].chosen.items);
        free(world->nodes[i].delivered.items);
        free(world->nodes[i].remembers.items);
    }
    broadcast_parcels_deinit(&world->flying);
    broadcast_network_deinit(&world->network);
}

void broadcast_world_make_liar(struct broadcast_world *world, uint32_t node)
{
    world->nodes[node].is_liar = true;
    broadcast_world_crash(world, node);
}

bool broadcast_world_is_up(const struct broadcast_world *world, uint32_t node)
{
    return world->nodes[node].member != NULL;
}

/* What was delivered under this name by whoever does not lie has to be this payload. */
static void check_agreement(struct broadcast_world *world, uint32_t number,
                            const struct broadcast_delivery *delivery)
{
    for (uint32_t i = 0; i < world->network.nodes && !world->options.is_gossip; i++) {
        const struct broadcast_delivery *other = broadcast_deliveries_find(
            &world->nodes[i].delivered, delivery->originator, broadcast_id_slice(&delivery->id));
        if (other != NULL && !broadcast_digest_equal(&other->digest, &delivery->digest)) {
            violate(world, "nodes %u and %u deliver two payloads under one id", i, number);
        }
    }
}

static bool is_among(const struct broadcast_deliveries *deliveries,
                     const struct broadcast_delivery *one)
{
    for (uint32_t i = 0; i < deliveries->count; i++) {
        const struct broadcast_delivery *other = &deliveries->items[i];
        if (one->originator == other->originator && broadcast_id_equal(&one->id, &other->id) &&
            broadcast_digest_equal(&one->digest, &other->digest)) {
            return true;
        }
    }
    return false;
}

static void collect_deliveries(struct broadcast_world *world, uint32_t number)
{
    struct broadcast_node *node = &world->nodes[number];
    struct broadcast_deliveries *now = &node->member->delivered;
    for (uint32_t i = 0; i < now->count; i++) {
        const bool is_known = is_among(&node->delivered, &now->items[i]);
        if (is_among(&node->remembers, &now->items[i])) {
            violate(world, "node %u delivers twice", number);
        }
        check_agreement(world, number, &now->items[i]);
        say(world, "%u delivers \"%.*s\" of member %u", number, now->items[i].id.size,
            (const char *)now->items[i].id.bytes, now->items[i].originator);
        if (!is_known) {
            broadcast_deliveries_add(&node->delivered, &now->items[i]);
        }
        broadcast_deliveries_add(&node->remembers, &now->items[i]);
    }
    now->count = 0;
}

/* A member has had its event: what it sent sets out. */
static void follow(struct broadcast_world *world, uint32_t number)
{
    struct broadcast_member *member = world->nodes[number].member;
    if (!world->options.own_later) {
        broadcast_member_hear_all_own(member);
    }
    for (uint32_t i = 0; i < member->out.count; i++) {
        const struct broadcast_parcel *parcel = &member->out.items[i];
        broadcast_parcels_add(&world->flying, parcel->from, parcel->to, parcel->message);
        broadcast_message_unref(parcel->message);
    }
    world->sent += member->out.count;
    member->out.count = 0;
    collect_deliveries(world, number);
    if (broadcast_member_violation(member)[0] != '\0') {
        violate(world, "node %u: %s", number, broadcast_member_violation(member));
    }
}

enum broadcast_reject broadcast_world_start(struct broadcast_world *world, uint32_t node,
                                            const char *id, const char *payload)
{
    const enum broadcast_reject reject =
        broadcast_member_start(world->nodes[node].member, id, payload);
    say(world, "%u starts \"%s\": %s", node, id, broadcast_reject_text(reject));
    follow(world, node);
    return reject;
}

/* The same message as bytes and back. */
static struct broadcast_message *encoded_and_decoded(struct broadcast_message *message)
{
    struct ingot_buffer bytes = {0};
    struct broadcast_message *copy = NULL;
    wire_broadcast_encode(message, &bytes);
    const enum reject reject = wire_broadcast_decode(ingot_slice_of(bytes.data, bytes.size), &copy);
    INGOT_ASSERT(reject == REJECT_NONE);
    ingot_buffer_deinit(&bytes);
    return copy;
}

static void hand_over(struct broadcast_world *world, const struct broadcast_parcel *parcel)
{
    struct broadcast_member *member = world->nodes[parcel->to].member;
    if (member == NULL) {
        return;
    }
    if (world->options.encodes) {
        struct broadcast_message *copy = encoded_and_decoded(parcel->message);
        (void)broadcast_member_hear(member, parcel->from, copy);
        broadcast_message_unref(copy);
    } else {
        (void)broadcast_member_hear(member, parcel->from, parcel->message);
    }
    follow(world, parcel->to);
}

void broadcast_world_arrive(struct broadcast_world *world, uint32_t place)
{
    const struct broadcast_parcel parcel = broadcast_parcels_take(&world->flying, place);
    say_parcel(world, "gets", &parcel);
    hand_over(world, &parcel);
    broadcast_message_unref(parcel.message);
}

void broadcast_world_lose(struct broadcast_world *world, uint32_t place)
{
    const struct broadcast_parcel parcel = broadcast_parcels_take(&world->flying, place);
    say_parcel(world, "loses", &parcel);
    broadcast_message_unref(parcel.message);
}

void broadcast_world_repeat(struct broadcast_world *world, uint32_t place)
{
    const struct broadcast_parcel parcel = world->flying.items[place];
    say_parcel(world, "gets once more", &parcel);
    hand_over(world, &parcel);
}

bool broadcast_world_own_back(struct broadcast_world *world, uint32_t node)
{
    struct broadcast_member *member = world->nodes[node].member;
    if (member == NULL || member->own_signed.count == 0) {
        return false;
    }
    broadcast_member_hear_own(member);
    follow(world, node);
    return true;
}

void broadcast_world_inject(struct broadcast_world *world, uint32_t from, uint32_t to,
                            struct broadcast_message *message)
{
    broadcast_parcels_add(&world->flying, from, to, message);
    broadcast_message_unref(message);
}

void broadcast_world_inject_to_all(struct broadcast_world *world, uint32_t from,
                                   struct broadcast_message *message)
{
    for (uint32_t i = 0; i < world->network.nodes; i++) {
        if (i != from) {
            broadcast_parcels_add(&world->flying, from, i, message);
        }
    }
    broadcast_message_unref(message);
}

void broadcast_world_pass(struct broadcast_world *world, uint64_t ms)
{
    world->now_ms += ms;
    for (uint32_t i = 0; i < world->network.nodes; i++) {
        struct broadcast_member *member = world->nodes[i].member;
        if (member == NULL) {
            continue;
        }
        member->now_ms = world->now_ms;
        if (member->deadline_ms <= world->now_ms) {
            say(world, "%u ticks", i);
            (void)broadcast_member_tick(member);
            follow(world, i);
        }
    }
}

void broadcast_world_crash(struct broadcast_world *world, uint32_t node)
{
    say(world, "%u goes down", node);
    broadcast_member_free(world->nodes[node].member);
    world->nodes[node].member = NULL;
    world->nodes[node].remembers.count = 0;
}

/* What was on its way by its old channels. */
static void lose_channels(struct broadcast_world *world, uint32_t node)
{
    for (uint32_t i = 0; i < world->flying.count;) {
        if (world->flying.items[i].from == node || world->flying.items[i].to == node) {
            broadcast_world_lose(world, i);
        } else {
            i++;
        }
    }
}

void broadcast_world_restart(struct broadcast_world *world, uint32_t node, bool forgets)
{
    INGOT_ASSERT(world->nodes[node].member == NULL);
    if (forgets) {
        world->nodes[node].chosen.count = 0;
    }
    say(world, "%u comes back", node);
    lose_channels(world, node);
    bring_up(world, node);
    for (uint32_t i = 0; i < world->network.nodes; i++) {
        if (i == node || world->nodes[i].member == NULL) {
            continue;
        }
        (void)broadcast_member_connected(world->nodes[i].member, node);
        follow(world, i);
        (void)broadcast_member_connected(world->nodes[node].member, i);
        follow(world, node);
    }
}

void broadcast_world_calm(struct broadcast_world *world)
{
    for (uint32_t rounds = 0;; rounds++) {
        INGOT_ASSERT(rounds < NO_ROUNDS);
        bool had_own = false;
        for (uint32_t i = 0; i < world->network.nodes; i++) {
            had_own |= broadcast_world_own_back(world, i);
        }
        if (world->flying.count == 0 && !had_own) {
            return;
        }
        if (world->flying.count > 0) {
            broadcast_world_arrive(world, 0);
        }
    }
}

void broadcast_world_settle(struct broadcast_world *world, uint64_t ms)
{
    const uint64_t until = world->now_ms + ms;
    broadcast_world_calm(world);
    while (world->now_ms < until) {
        uint64_t next = until;
        for (uint32_t i = 0; i < world->network.nodes; i++) {
            const struct broadcast_member *member = world->nodes[i].member;
            if (member != NULL && member->deadline_ms < next) {
                next = member->deadline_ms;
            }
        }
        broadcast_world_pass(world, next > world->now_ms ? next - world->now_ms : 0);
        broadcast_world_calm(world);
    }
}

const struct broadcast_delivery *broadcast_world_delivered(const struct broadcast_world *world,
                                                           uint32_t node, uint32_t originator,
                                                           const char *id)
{
    return broadcast_deliveries_find(&world->nodes[node].delivered, originator,
                                     ingot_slice_of_text(id));
}

bool broadcast_world_remembers(const struct broadcast_world *world, uint32_t node,
                               uint32_t originator, const char *id)
{
    return broadcast_deliveries_find(&world->nodes[node].remembers, originator,
                                     ingot_slice_of_text(id)) != NULL;
}

uint32_t broadcast_world_delivered_count(const struct broadcast_world *world, uint32_t originator,
                                         const char *id)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < world->network.nodes; i++) {
        count += broadcast_world_is_up(world, i) &&
                 broadcast_world_delivered(world, i, originator, id) != NULL;
    }
    return count;
}
