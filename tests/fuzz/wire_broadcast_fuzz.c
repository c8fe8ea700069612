/*
 * The decoder of broadcast messages on arbitrary bytes, and both protocols on whatever it accepts,
 * as if its signature had been verified. The first byte says how many bytes the first frame has,
 * and so on; an empty one lets time pass. What is accepted must encode to the very same bytes
 * again.
 */

#include "broadcast/gossip.h"
#include "broadcast/quorum_broadcast.h"
#include "fuzz/fuzz.h"
#include "wire/broadcast.h"

#define MEMBERS 4
#define EVENTS_MAX 32

static struct broadcast_message *decode(struct ingot_slice frame)
{
    struct broadcast_message *message = NULL;
    const enum reject reject = wire_broadcast_decode(frame, &message);
    require((reject == REJECT_NONE) == (message != NULL));
    if (message != NULL) {
        struct ingot_buffer again = {0};
        wire_broadcast_encode(message, &again);
        require(wire_is_broadcast(frame));
        require(ingot_slice_equal(ingot_buffer_slice(&again), frame));
        ingot_buffer_deinit(&again);
        crypto_blake2b(frame, &message->name);
    }
    return message;
}

/* Own messages come back at once, and some time passes with each event. */
static void handle(struct broadcast_protocol *protocol, struct broadcast_event event)
{
    struct broadcast_effects effects = {0};
    (void)broadcast_handle(protocol, &event, &effects);
    for (uint32_t i = 0; i < effects.count; i++) {
        if (effects.items[i].kind == BROADCAST_SEND && !effects.items[i].message->is_signed) {
            struct broadcast_message *message = broadcast_message_ref(effects.items[i].message);
            message->is_signed = true;
            const struct broadcast_event back = {.kind = BROADCAST_MESSAGE,
                                                 .now_ms = event.now_ms,
                                                 .peer = BROADCAST_SELF,
                                                 .message = message};
            (void)broadcast_handle(protocol, &back, &effects);
            broadcast_message_unref(message);
        }
    }
    broadcast_effects_deinit(&effects);
}

static void run(struct broadcast_protocol *protocol, struct ingot_slice input)
{
    struct ingot_slice frame;
    uint64_t now_ms = 0;
    uint8_t length;
    for (uint32_t events = 0; events < EVENTS_MAX && ingot_slice_take_u8(&input, &length);
         events++) {
        if (!ingot_slice_take(&input, length, &frame)) {
            frame = input;
            input.size = 0;
        }
        now_ms += length == 0 ? 100 : length;
        struct broadcast_message *message = decode(frame);
        if (message == NULL && frame.size > 0) {
            continue;
        }
        if (message == NULL) {
            handle(protocol, (struct broadcast_event){.kind = BROADCAST_TICK, .now_ms = now_ms});
            continue;
        }
        handle(protocol, (struct broadcast_event){.kind = BROADCAST_MESSAGE,
                                                  .now_ms = now_ms,
                                                  .peer = message->sender,
                                                  .message = message});
        broadcast_message_unref(message);
    }
    broadcast_free(protocol);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct ingot_validator members[MEMBERS] = {0};
    for (uint32_t i = 0; i < MEMBERS; i++) {
        members[i].key.bytes[0] = (uint8_t)i;
        members[i].power = 1;
    }
    const struct gossip_config gossip = {.members = members,
                                         .member_count = MEMBERS,
                                         .digest = wire_broadcast_digest,
                                         .resend_ms = 100,
                                         .resends_max = 3};
    struct quorum_broadcast_config quorum = {
        .members = members, .member_count = MEMBERS, .digest = wire_broadcast_digest};
    quorum_broadcast_config_defaults(&quorum, MEMBERS);
    quorum.open_rounds_max = 2;
    quorum.finished_rounds_max = 1;
    quorum.remembered_max = 2;
    run(gossip_new(&gossip), ingot_slice_of(data, size));
    run(quorum_broadcast_new(&quorum), ingot_slice_of(data, size));
    return 0;
}
