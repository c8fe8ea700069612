/*
 * A member that has gone bad, and attacks attestations: it has a validator's keys, completes the
 * handshake, and sends shares and requests that no honest validator sends. For
 * signing_attacks_test.py.
 *
 *     hostile_signer HOME SECONDS JUNK
 *
 * It learns of blocks from the shares of others. In turn it sends one of each kind of forgery
 * below; and JUNK messages as fast as they are taken, well signed, each with an id of its own, for
 * blocks that do not exist yet. It ends when both are done and the seconds have passed, and prints
 * what it did as JSON.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <event2/event.h>

#include "base/assert.h"
#include "base/clock.h"
#include "lib/prng.h"
#include "lib/process_home.h"
#include "lib/process_network.h"
#include "wire/broadcast.h"

#define TICK_US 5000
#define JUNK_PER_TICK 16
#define GARBAGE_BYTES_MAX 4096
#define HUGE_BYTES (5 * 1024 * 1024)
#define HUGE_EVERY 16
#define REQUESTS 8 /* at once */
#define HEIGHTS_AHEAD 400

enum forgery {
    FORGED_SIGNATURES, /* ours for a true block, with bytes in them that are no signatures */
    IN_ANOTHERS_NAME,  /* signed by us, said to be of another member */
    OF_A_STRANGER,     /* of a member that there is not */
    OF_ANOTHER_CHAIN,  /* signed by us, for another chain */
    FAR_AHEAD,         /* of a block that nobody will see for a long time */
    OF_ANOTHER_EPOCH,  /* of a validator set that there is not */
    OF_ANOTHER_SHAPE,  /* one signature too many for its block */
    AS_IT_WAS,         /* what another member has sent, again */
    UNDER_ANOTHER_ID,  /* the same, for another block */
    A_PAYLOAD,         /* any bytes, as if the gossip protocol ran */
    A_ROUND,           /* of quorum broadcast, as if that ran: sign this */
    A_REQUEST,         /* for shares, at random, several at once */
    GARBAGE,           /* that begins as a message of these protocols does */
    HUGE
};
#define FORGERY_COUNT 14
#define TURNS_BEFORE_JUNK (10 * FORGERY_COUNT)
static const char *const names[FORGERY_COUNT] = {"forged_signatures", "in_anothers_name",
                                                 "of_a_stranger",     "of_another_chain",
                                                 "far_ahead",         "of_another_epoch",
                                                 "of_another_shape",  "as_it_was",
                                                 "under_another_id",  "a_payload",
                                                 "a_round",           "a_request",
                                                 "garbage",           "huge"};

struct hostile {
    struct process_home home;
    struct event_base *base;
    struct ingot_network *network;
    struct prng prng;
    struct crypto_secret_key secret;
    struct wire_signer signer;
    uint32_t own;    /* our place in the set */
    uint64_t epoch;  /* of the last share that was seen */
    uint64_t height; /* of that share; 0: none yet */
    uint32_t count;  /* statements of its block */
    struct broadcast_message *seen;
    struct ingot_buffer frame; /* scratch */
    uint64_t turn;
    uint64_t junk_left;
    uint64_t end_us;
    uint64_t sent[FORGERY_COUNT];
    uint64_t junk_sent;
    uint32_t connections;
    uint32_t disconnections;
};

static void append_random(struct hostile *hostile, struct ingot_buffer *bytes, uint64_t count)
{
    for (uint64_t i = 0; i < count; i += 8) {
        ingot_buffer_append_u64(bytes, prng_next(&hostile->prng));
    }
}

/* A share of ours: what is in it are random bytes. */
static struct broadcast_message *share(struct hostile *hostile, uint64_t epoch, uint64_t height,
                                       uint32_t count)
{
    struct broadcast_message *message = broadcast_message_new(BROADCAST_GOSSIP);
    message->sender = hostile->own;
    message->originator = hostile->own;
    message->topic = BROADCAST_TOPIC_SHARES;
    message->id = hostile->seen->id;
    ingot_buffer_append_u64(&message->payload, epoch);
    ingot_buffer_append_u64(&message->payload, height);
    append_random(hostile, &message->payload, (uint64_t)count * INGOT_SIGNATURE_BYTES);
    return message;
}

/* Of a block that is not there yet, so that nobody can have that validator's share already. */
static struct broadcast_message *share_ahead(struct hostile *hostile)
{
    return share(hostile, hostile->epoch,
                 hostile->height + 1 + prng_below(&hostile->prng, HEIGHTS_AHEAD),
                 (uint32_t)prng_between(&hostile->prng, 1, 64));
}

/* Signs with our key, whoever it is said to be from. */
static void sign(struct hostile *hostile, struct broadcast_message *message)
{
    uint8_t preimage[WIRE_BROADCAST_PREIMAGE_BYTES];
    wire_broadcast_digest(ingot_buffer_slice(&message->payload), &message->digest);
    wire_broadcast_preimage(&hostile->signer.chain, &hostile->home.set->hash, message, preimage);
    crypto_ed25519.sign(&hostile->secret, ingot_slice_of(preimage, sizeof preimage),
                        &message->signature);
    message->is_signed = true;
}

static bool send_frame(struct hostile *hostile)
{
    return ingot_network_broadcast(hostile->network, INGOT_FRAME_CONSENSUS,
                                   ingot_buffer_slice(&hostile->frame)) > 0;
}

/* Takes over the message. */
static bool send_message(struct hostile *hostile, struct broadcast_message *message)
{
    ingot_buffer_clear(&hostile->frame);
    wire_broadcast_encode(message, &hostile->frame);
    broadcast_message_unref(message);
    return send_frame(hostile);
}

static bool send_signed(struct hostile *hostile, struct broadcast_message *message)
{
    sign(hostile, message);
    return send_message(hostile, message);
}

static struct broadcast_message *copy_seen(const struct hostile *hostile)
{
    const struct broadcast_message *seen = hostile->seen;
    struct broadcast_message *message = broadcast_message_new(seen->kind);
    message->sender = seen->sender;
    message->originator = seen->originator;
    message->topic = seen->topic;
    message->id = seen->id;
    message->digest = seen->digest;
    message->signature = seen->signature;
    message->is_signed = true;
    ingot_buffer_append_slice(&message->payload, ingot_buffer_slice(&seen->payload));
    return message;
}

static bool send_requests(struct hostile *hostile)
{
    bool is_sent = false;
    for (int i = 0; i < REQUESTS; i++) {
        struct broadcast_message *message = broadcast_message_new(BROADCAST_SHARE_REQUEST);
        message->from_height = prng_below(&hostile->prng, hostile->height + 2);
        message->heights = prng_next(&hostile->prng) | 1;
        is_sent = send_message(hostile, message);
    }
    return is_sent;
}

static bool send_payload(struct hostile *hostile, enum broadcast_kind kind)
{
    struct broadcast_message *message = broadcast_message_new(kind);
    message->sender = hostile->own;
    message->originator = hostile->own;
    message->id = hostile->seen->id;
    append_random(hostile, &message->payload, 8 + prng_below(&hostile->prng, 200 * 1024));
    return send_signed(hostile, message);
}

/* A field of these protocols (32 to 36), then anything. */
static bool send_garbage(struct hostile *hostile, uint64_t size)
{
    ingot_buffer_clear(&hostile->frame);
    ingot_buffer_append_u8(&hostile->frame, (uint8_t)(0x82 + 8 * prng_below(&hostile->prng, 5)));
    ingot_buffer_append_u8(&hostile->frame, 0x02);
    append_random(hostile, &hostile->frame, size);
    return send_frame(hostile);
}

static bool send_for_another_chain(struct hostile *hostile)
{
    hostile->signer.chain.bytes[0] ^= 1;
    const bool is_sent = send_signed(hostile, share_ahead(hostile));
    hostile->signer.chain.bytes[0] ^= 1;
    return is_sent;
}

static bool send_as(struct hostile *hostile, uint32_t sender)
{
    struct broadcast_message *message = share_ahead(hostile);
    message->sender = sender;
    message->originator = sender;
    return send_signed(hostile, message);
}

static bool send_under_another_id(struct hostile *hostile)
{
    struct broadcast_message *message = copy_seen(hostile);
    message->id.bytes[0] ^= 1;
    return send_message(hostile, message);
}

static bool send_forgery(struct hostile *hostile, enum forgery forgery)
{
    const uint64_t epoch = hostile->epoch;
    const uint64_t height = hostile->height;
    switch (forgery) {
    case FORGED_SIGNATURES:
        return send_signed(hostile, share(hostile, epoch, height, hostile->count));
    case IN_ANOTHERS_NAME:
        return send_as(hostile, hostile->seen->sender);
    case OF_A_STRANGER:
        return send_as(hostile, hostile->home.set->count);
    case OF_ANOTHER_CHAIN:
        return send_for_another_chain(hostile);
    case FAR_AHEAD:
        return send_signed(hostile, share(hostile, epoch, height + 1000000, hostile->count));
    case OF_ANOTHER_EPOCH:
        return send_signed(hostile, share(hostile, epoch + 7, height, hostile->count));
    case OF_ANOTHER_SHAPE:
        return send_signed(hostile, share(hostile, epoch, height, hostile->count + 1));
    case AS_IT_WAS:
        return send_message(hostile, copy_seen(hostile));
    case UNDER_ANOTHER_ID:
        return send_under_another_id(hostile);
    case A_PAYLOAD:
        return send_payload(hostile, BROADCAST_GOSSIP);
    case A_ROUND:
        return send_payload(hostile, BROADCAST_PRE_PREPARE);
    case A_REQUEST:
        return send_requests(hostile);
    case GARBAGE:
        return send_garbage(hostile, prng_below(&hostile->prng, GARBAGE_BYTES_MAX));
    case HUGE:
        return hostile->sent[GARBAGE] % HUGE_EVERY == 1 && send_garbage(hostile, HUGE_BYTES);
    }
    return false;
}

static bool send_junk(struct hostile *hostile)
{
    struct broadcast_message *message = share_ahead(hostile);
    struct ingot_buffer id = {0};
    append_random(hostile, &id, 16);
    const bool has_id = broadcast_id_from(ingot_buffer_slice(&id), &message->id);
    INGOT_ASSERT(has_id);
    ingot_buffer_deinit(&id);
    return send_signed(hostile, message);
}

static void on_tick(evutil_socket_t socket, short what, void *context)
{
    struct hostile *hostile = context;
    (void)socket;
    (void)what;
    if (hostile->height == 0) {
        return; /* nobody has signed anything yet */
    }
    const enum forgery forgery = (enum forgery)(hostile->turn++ % FORGERY_COUNT);
    hostile->sent[forgery] += send_forgery(hostile, forgery);
    const int junk = hostile->turn > TURNS_BEFORE_JUNK ? JUNK_PER_TICK : 0;
    for (int i = 0; i < junk && hostile->junk_left > 0 && send_junk(hostile); i++) {
        hostile->junk_left--;
        hostile->junk_sent++;
    }
    if (hostile->junk_left == 0 && clock_monotonic_us() >= hostile->end_us) {
        (void)event_base_loopbreak(hostile->base);
    }
}

static void on_receive(void *context, uint32_t peer, struct ingot_slice frame)
{
    struct hostile *hostile = context;
    struct broadcast_message *message = NULL;
    (void)peer;
    if (!wire_is_broadcast(frame) || wire_broadcast_decode(frame, &message) != REJECT_NONE) {
        return;
    }
    struct ingot_slice rest = ingot_buffer_slice(&message->payload);
    uint64_t epoch = 0;
    uint64_t height = 0;
    if (message->kind == BROADCAST_GOSSIP && message->topic == BROADCAST_TOPIC_SHARES &&
        message->sender != hostile->own && ingot_slice_take_u64(&rest, &epoch) &&
        ingot_slice_take_u64(&rest, &height) && height >= hostile->height) {
        hostile->epoch = epoch;
        hostile->height = height;
        hostile->count = (uint32_t)(rest.size / INGOT_SIGNATURE_BYTES);
        broadcast_message_unref(hostile->seen);
        hostile->seen = broadcast_message_ref(message);
    }
    broadcast_message_unref(message);
}

static void on_connected(void *context, uint32_t peer)
{
    struct hostile *hostile = context;
    (void)peer;
    hostile->connections++;
}

static void on_disconnected(void *context, uint32_t peer, enum ingot_close_reason reason)
{
    struct hostile *hostile = context;
    (void)peer;
    (void)reason;
    hostile->disconnections++;
}

static void print_result(const struct hostile *hostile)
{
    (void)printf("{\"connections\": %u, \"disconnections\": %u, \"junk\": %" PRIu64 ", \"sent\": {",
                 hostile->connections, hostile->disconnections, hostile->junk_sent);
    for (int i = 0; i < FORGERY_COUNT; i++) {
        (void)printf("%s\"%s\": %" PRIu64, i > 0 ? ", " : "", names[i], hostile->sent[i]);
    }
    (void)printf("}}\n");
}

static void prepare(struct hostile *hostile, const char *folder)
{
    process_home_open(&hostile->home, folder);
    hostile->signer = (struct wire_signer){.scheme = &crypto_ed25519,
                                           .secret = &hostile->secret,
                                           .chain = hostile->home.genesis->hash};
    crypto_ed25519.key_from_seed(hostile->home.home.validator_key.seed, &hostile->secret,
                                 &hostile->signer.key);
    hostile->own = validator_set_find(hostile->home.set, &hostile->signer.key);
    if (hostile->own == VALIDATOR_NONE) {
        process_fail("%s: its key is not in the genesis set", folder);
    }
}

int main(int argc, char **argv)
{
    static struct hostile hostile;
    if (argc != 4) {
        process_fail("usage: hostile_signer HOME SECONDS JUNK");
    }
    const struct timeval tick = {.tv_usec = TICK_US};
    const struct ingot_network_events events = {.context = &hostile,
                                                .receive = on_receive,
                                                .connected = on_connected,
                                                .disconnected = on_disconnected};
    prepare(&hostile, argv[1]);
    prng_init(&hostile.prng, 1, 0);
    hostile.end_us = clock_monotonic_us() + strtoull(argv[2], NULL, 10) * 1000000;
    hostile.junk_left = strtoull(argv[3], NULL, 10);
    hostile.base = event_base_new();
    hostile.network = process_network_start(&hostile.home.home, hostile.base, NULL, &events);
    struct event *timer = event_new(hostile.base, -1, EV_PERSIST, on_tick, &hostile);
    (void)event_add(timer, &tick);
    (void)event_base_dispatch(hostile.base);
    print_result(&hostile);
    event_free(timer);
    process_network_end(hostile.network, hostile.base);
    broadcast_message_unref(hostile.seen);
    ingot_buffer_deinit(&hostile.frame);
    process_home_close(&hostile.home);
    return 0;
}
