/*
 * A peer that has gone bad: it has a validator's transport key and validator key, completes the
 * handshake, and then sends what no honest node sends. For hostile_test.py.
 *
 *     hostile_peer HOME SECONDS SEED [stranger]
 *
 * It keeps what it is sent (proposals, certificates, timeouts, transactions, blocks that it asks
 * for) and one sample of every kind of message, and sends them again: as they were, with bits
 * flipped, cut short, made longer, spliced. It votes twice in every view that it learns of. With
 * `stranger` it uses a transport key that no peers file has. At the end it prints what it did as
 * JSON.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <event2/event.h>
#include <ingot/network.h>

#include "lib/prng.h"
#include "lib/process_home.h"
#include "lib/process_network.h"
#include "lib/wire_samples.h"
#include "wire/wire.h"

#define FRAMES_KEPT 256
#define FRAMES_PER_TICK 8
#define TICK_US 5000

enum mangling {
    AS_IT_WAS,
    BITS_FLIPPED,
    CUT_SHORT,
    MADE_LONGER,
    BYTES_REPLACED,
    SPLICED,
    RANDOM_BYTES
};
#define MANGLING_COUNT 7

struct hostile {
    struct process_home home;
    struct event_base *base;
    struct ingot_network *network;
    struct prng prng;
    struct crypto_secret_key secret;
    struct wire_signer signer;
    struct ingot_buffer kept[FRAMES_KEPT];
    uint32_t kept_count;
    uint32_t kept_next;
    struct ingot_buffer frame; /* scratch */
    uint64_t sent[MANGLING_COUNT];
    uint64_t double_votes;
    uint64_t requests;
    uint64_t received;
    uint64_t received_by_kind[MESSAGE_KIND_COUNT];
    uint32_t connections;
    uint32_t refused;
    uint32_t disconnections;
};

static void keep(struct hostile *hostile, struct ingot_slice frame)
{
    struct ingot_buffer *place = &hostile->kept[hostile->kept_next];
    hostile->kept_next = (hostile->kept_next + 1) % FRAMES_KEPT;
    hostile->kept_count += hostile->kept_count < FRAMES_KEPT;
    ingot_buffer_clear(place);
    ingot_buffer_append_slice(place, frame);
}

static void keep_message(struct hostile *hostile, const struct message *message)
{
    ingot_buffer_clear(&hostile->frame);
    wire_encode(message, &hostile->frame);
    keep(hostile, ingot_buffer_slice(&hostile->frame));
}

/* One of each kind, of a chain and of validators that nobody knows. */
static void keep_samples(struct hostile *hostile)
{
    struct samples samples;
    samples_init(&samples, &crypto_ed25519, 4, 0, 9);
    for (int kind = 0; kind < MESSAGE_KIND_COUNT; kind++) {
        for (unsigned variant = 0; variant < 2; variant++) {
            struct message *message = samples_message(&samples, (enum message_kind)kind, variant);
            keep_message(hostile, message);
            message_unref(message);
        }
    }
    samples_deinit(&samples);
}

static const struct ingot_buffer *any_kept(struct hostile *hostile)
{
    return &hostile->kept[prng_below(&hostile->prng, hostile->kept_count)];
}

static void append_random(struct hostile *hostile, uint64_t count)
{
    for (uint64_t i = 0; i < count; i++) {
        ingot_buffer_append_u8(&hostile->frame, (uint8_t)prng_next(&hostile->prng));
    }
}

/* Writes a frame that is derived from one that was kept into the scratch. */
static void mangle(struct hostile *hostile, enum mangling how)
{
    struct prng *prng = &hostile->prng;
    struct ingot_buffer *frame = &hostile->frame;
    const struct ingot_buffer *other = any_kept(hostile);
    ingot_buffer_clear(frame);
    ingot_buffer_append_slice(frame, ingot_buffer_slice(any_kept(hostile)));
    switch (how) {
    case AS_IT_WAS:
        break;
    case BITS_FLIPPED:
        for (uint64_t flips = prng_between(prng, 1, 3); flips > 0; flips--) {
            frame->data[prng_below(prng, frame->size)] ^= (uint8_t)(1U << prng_below(prng, 8));
        }
        break;
    case CUT_SHORT:
        frame->size = prng_between(prng, 1, frame->size);
        break;
    case MADE_LONGER:
        append_random(hostile, prng_between(prng, 1, 64));
        break;
    case BYTES_REPLACED:
        for (uint64_t count = prng_between(prng, 1, 16); count > 0; count--) {
            frame->data[prng_below(prng, frame->size)] = (uint8_t)prng_next(prng);
        }
        break;
    case SPLICED:
        frame->size = prng_between(prng, 1, frame->size);
        ingot_buffer_append(frame, other->data, prng_below(prng, other->size));
        break;
    case RANDOM_BYTES:
        ingot_buffer_clear(frame);
        append_random(hostile, prng_between(prng, 1, 512));
        break;
    }
}

/* Asks for the whole chain, or for blocks that nobody has. */
static void ask(struct hostile *hostile)
{
    struct message *message = message_new(MESSAGE_SYNC_REQUEST);
    message->sync_request =
        (struct sync_request){.base_height = prng_below(&hostile->prng, 2) * 1000000,
                              .blocks_max = UINT32_MAX,
                              .bytes_max = UINT32_MAX};
    ingot_buffer_clear(&hostile->frame);
    wire_encode(message, &hostile->frame);
    message_unref(message);
    (void)ingot_network_broadcast(hostile->network, INGOT_FRAME_CONSENSUS,
                                  ingot_buffer_slice(&hostile->frame));
    hostile->requests++;
}

static void on_tick(evutil_socket_t socket, short what, void *context)
{
    struct hostile *hostile = context;
    (void)socket;
    (void)what;
    for (int i = 0; i < FRAMES_PER_TICK; i++) {
        const enum mangling how = (enum mangling)prng_below(&hostile->prng, MANGLING_COUNT);
        mangle(hostile, how);
        hostile->sent[how] += ingot_network_broadcast(hostile->network, INGOT_FRAME_CONSENSUS,
                                                      ingot_buffer_slice(&hostile->frame));
    }
    if (prng_below(&hostile->prng, 20) == 0) {
        ask(hostile);
    }
}

/* Votes for the block that is proposed, and for one that does not exist. */
static void vote_twice(struct hostile *hostile, const struct block *block)
{
    struct message *message = message_new(MESSAGE_VOTE);
    for (int i = 0; i < 2; i++) {
        message->vote = (struct vote){.view = block->view, .block = block->hash};
        message->vote.block.bytes[0] ^= (uint8_t)i;
        if (wire_sign_vote(&hostile->signer, hostile->home.set, &message->vote)) {
            ingot_buffer_clear(&hostile->frame);
            wire_encode(message, &hostile->frame);
            (void)ingot_network_broadcast(hostile->network, INGOT_FRAME_CONSENSUS,
                                          ingot_buffer_slice(&hostile->frame));
            hostile->double_votes += (uint64_t)i;
        }
    }
    message_unref(message);
}

static void on_receive(void *context, uint32_t peer, struct ingot_slice frame)
{
    struct hostile *hostile = context;
    struct message *message = NULL;
    (void)peer;
    hostile->received++;
    keep(hostile, frame);
    if (wire_decode(frame, &message) == REJECT_NONE) {
        hostile->received_by_kind[message->kind]++;
        if (message->kind == MESSAGE_PROPOSE || message->kind == MESSAGE_COMPACT_PROPOSE) {
            vote_twice(hostile, message->propose.block);
        }
        message_unref(message);
    }
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

static void connect_all(struct hostile *hostile, bool is_stranger)
{
    uint8_t seed[CRYPTO_SEED_BYTES];
    const struct ingot_network_events events = {.context = hostile,
                                                .receive = on_receive,
                                                .connected = on_connected,
                                                .disconnected = on_disconnected};
    crypto_random_seed(seed);
    hostile->network = process_network_start(&hostile->home.home, hostile->base,
                                             is_stranger ? seed : NULL, &events);
}

static void print_result(const struct hostile *hostile)
{
    struct ingot_network_stats stats;
    uint64_t refused = 0;
    ingot_network_stats(hostile->network, &stats);
    for (int i = 0; i < INGOT_CLOSE_REASONS; i++) {
        refused += stats.refused[i];
    }
    (void)printf("{\"connections\": %u, \"disconnections\": %u, \"refused\": %" PRIu64
                 ", \"received\": %" PRIu64 ", \"double_votes\": %" PRIu64
                 ", \"requests\": %" PRIu64 ", \"sent\": [",
                 hostile->connections, hostile->disconnections, refused, hostile->received,
                 hostile->double_votes, hostile->requests);
    for (int i = 0; i < MANGLING_COUNT; i++) {
        (void)printf("%s%" PRIu64, i > 0 ? ", " : "", hostile->sent[i]);
    }
    (void)printf("], \"received_by_kind\": {");
    for (int i = 0; i < MESSAGE_KIND_COUNT; i++) {
        (void)printf("%s\"%s\": %" PRIu64, i > 0 ? ", " : "",
                     message_kind_text((enum message_kind)i), hostile->received_by_kind[i]);
    }
    (void)printf("}}\n");
}

int main(int argc, char **argv)
{
    static struct hostile hostile;
    if (argc < 4) {
        process_fail("usage: hostile_peer HOME SECONDS SEED [stranger]");
    }
    const struct timeval duration = {.tv_sec = strtol(argv[2], NULL, 10)};
    const struct timeval tick = {.tv_usec = TICK_US};
    process_home_open(&hostile.home, argv[1]);
    prng_init(&hostile.prng, strtoull(argv[3], NULL, 10), 0);
    hostile.signer = (struct wire_signer){
        .scheme = &crypto_ed25519, .secret = &hostile.secret, .chain = hostile.home.genesis->hash};
    crypto_ed25519.key_from_seed(hostile.home.home.validator_key.seed, &hostile.secret,
                                 &hostile.signer.key);
    keep_samples(&hostile);
    hostile.base = event_base_new();
    connect_all(&hostile, argc > 4 && strcmp(argv[4], "stranger") == 0);
    struct event *timer = event_new(hostile.base, -1, EV_PERSIST, on_tick, &hostile);
    (void)event_add(timer, &tick);
    (void)event_base_loopexit(hostile.base, &duration);
    (void)event_base_dispatch(hostile.base);
    print_result(&hostile);
    event_free(timer);
    process_network_end(hostile.network, hostile.base);
    for (uint32_t i = 0; i < FRAMES_KEPT; i++) {
        ingot_buffer_deinit(&hostile.kept[i]);
    }
    ingot_buffer_deinit(&hostile.frame);
    process_home_close(&hostile.home);
    return 0;
}
