/*
 * Lies of a member of a broadcast network. See broadcast_liar.h.
 */
#include "lib/broadcast_liar.h"

#include "base/assert.h"

const char *const broadcast_liar_ids[BROADCAST_LIAR_IDS] = {"first", "second", "third"};
const char *const broadcast_liar_payloads[BROADCAST_LIAR_PAYLOADS] = {"right", "wrong", "none"};

static const char *some_id(struct prng *prng)
{
    return broadcast_liar_ids[prng_below(prng, BROADCAST_LIAR_IDS)];
}

static const char *some_payload(struct prng *prng)
{
    return broadcast_liar_payloads[prng_below(prng, BROADCAST_LIAR_PAYLOADS)];
}

static uint32_t some_member(const struct broadcast_world *world, struct prng *prng)
{
    return (uint32_t)prng_below(prng, world->options.members);
}

/* Takes the reference. Each of the others gets it with a chance of one half. */
static void tell_some(struct broadcast_world *world, uint32_t liar, struct prng *prng,
                      struct broadcast_message *message)
{
    for (uint32_t i = 0; i < world->network.nodes; i++) {
        if (i != liar && prng_chance(prng, 500000)) {
            broadcast_world_inject(world, liar, i, broadcast_message_ref(message));
        }
    }
    broadcast_message_unref(message);
}

/* Half of the others are shown one payload, half another. */
static void equivocates(struct broadcast_world *world, uint32_t liar, struct prng *prng)
{
    const char *id = some_id(prng);
    for (uint32_t i = 0; i < world->network.nodes; i++) {
        if (i != liar) {
            broadcast_world_inject(world, liar, i,
                                   broadcast_say(&world->network, BROADCAST_PRE_PREPARE, liar, liar,
                                                 id, some_payload(prng)));
        }
    }
}

static enum broadcast_kind some_vote(struct prng *prng)
{
    return prng_chance(prng, 500000) ? BROADCAST_PREPARE : BROADCAST_COMMIT;
}

/* For any payload of any round, and so for several. */
static struct broadcast_message *votes(struct broadcast_world *world, uint32_t liar,
                                       struct prng *prng)
{
    return broadcast_say(&world->network, some_vote(prng), liar, some_member(world, prng),
                         some_id(prng), some_payload(prng));
}

static struct broadcast_message *votes_for_nothing(struct broadcast_world *world, uint32_t liar,
                                                   struct prng *prng)
{
    char id[] = "nobody knows 0";
    id[sizeof id - 2] = (char)('0' + prng_below(prng, 10));
    return broadcast_say(&world->network, some_vote(prng), liar, some_member(world, prng), id,
                         id + prng_below(prng, 5));
}

/* Signed by itself, and said to be another's. */
static struct broadcast_message *forges(struct broadcast_world *world, uint32_t liar,
                                        struct prng *prng)
{
    struct broadcast_message *message = votes(world, liar, prng);
    message->sender = some_member(world, prng);
    message->originator = some_member(world, prng);
    broadcast_sign_as(&world->network, liar, &world->network.samples.chain, message);
    return message;
}

/* What another has said, with one field changed. NULL: nothing is there to be changed. */
static struct broadcast_message *replays(struct broadcast_world *world, struct prng *prng)
{
    if (world->flying.count == 0) {
        return NULL;
    }
    const struct broadcast_message *heard =
        world->flying.items[prng_below(prng, world->flying.count)].message;
    struct broadcast_message *message = broadcast_message_new(heard->kind);
    message->sender = heard->sender;
    message->originator = heard->originator;
    message->topic = heard->topic;
    message->id = heard->id;
    message->digest = heard->digest;
    ingot_buffer_append(&message->payload, heard->payload.data, heard->payload.size);
    message->is_signed = true;
    message->signature = heard->signature;
    switch (prng_below(prng, 4)) {
    case 0:
        INGOT_ASSERT(broadcast_id_from(ingot_slice_of_text(some_id(prng)), &message->id));
        break;
    case 1:
        message->sender = some_member(world, prng);
        break;
    case 2:
        message->originator = some_member(world, prng);
        break;
    default:
        message->kind = some_vote(prng);
        ingot_buffer_deinit(&message->payload);
        break;
    }
    return message;
}

/* What an honest member has said on another chain, where its key is in use too. */
static struct broadcast_message *replays_another_chain(struct broadcast_world *world,
                                                       struct prng *prng)
{
    const uint32_t honest = some_member(world, prng);
    const struct ingot_hash chain = samples_hash(0x0C);
    struct broadcast_message *message =
        broadcast_say(&world->network, some_vote(prng), honest, some_member(world, prng),
                      some_id(prng), some_payload(prng));
    broadcast_sign_as(&world->network, honest, &chain, message);
    return message;
}

/* A payload that it attributes to another; or a kind that has no place here. */
static struct broadcast_message *shows_for_another(struct broadcast_world *world, uint32_t liar,
                                                   struct prng *prng)
{
    struct broadcast_message *message = broadcast_say(
        &world->network, prng_chance(prng, 800000) ? BROADCAST_PRE_PREPARE : BROADCAST_GOSSIP, liar,
        liar, some_id(prng), some_payload(prng));
    message->originator = some_member(world, prng);
    broadcast_sign_as(&world->network, liar, &world->network.samples.chain, message);
    return message;
}

void broadcast_liar_lies(struct broadcast_world *world, uint32_t liar, struct prng *prng)
{
    struct broadcast_message *message = NULL;
    switch (prng_below(prng, 10)) {
    case 0:
        equivocates(world, liar, prng);
        return;
    case 1:
        message = votes_for_nothing(world, liar, prng);
        break;
    case 2:
        message = forges(world, liar, prng);
        break;
    case 3:
        message = replays(world, prng);
        break;
    case 4:
        message = replays_another_chain(world, prng);
        break;
    case 5:
        message = shows_for_another(world, liar, prng);
        break;
    default:
        message = votes(world, liar, prng);
        break;
    }
    if (message != NULL) {
        tell_some(world, liar, prng, message);
    }
}
