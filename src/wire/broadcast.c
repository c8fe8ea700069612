/*
 * The broadcast protocols' messages to protobuf and back. Signatures are in broadcast_sign.c.
 */
#include "wire/broadcast.h"

#include "base/assert.h"
#include "proto/broadcast.pb-c.h"
#include "wire/pack.h"
#include "wire/unpack.h"
#include "wire/wire.h"

/* --- Which envelope: all field numbers from 16 on make a first key of two bytes. --- */

#define BROADCAST_FIELD_MIN 32
#define BROADCAST_FIELD_MAX 63
#define KEY_TYPE_BYTES 2 /* protobuf's wire type of a message inside */

bool wire_is_broadcast(struct ingot_slice frame)
{
    if (frame.size < 2 || frame.data[0] < 0x80) {
        return false;
    }
    const unsigned key = (frame.data[0] & 0x7fU) | (unsigned)frame.data[1] << 7;
    return (key & 7) == KEY_TYPE_BYTES && key >> 3 >= BROADCAST_FIELD_MIN &&
           key >> 3 <= BROADCAST_FIELD_MAX;
}

/* --- Encoding. --- */

static ProtobufCBinaryData borrow_id(const struct broadcast_id *id)
{
    return pack_borrow(id->bytes, id->size);
}

static ProtobufCBinaryData borrow_buffer(const struct ingot_buffer *buffer)
{
    return pack_borrow(buffer->data, buffer->size);
}

static ProtobufCBinaryData borrow_signature(const struct broadcast_message *message)
{
    return pack_borrow(message->signature.bytes, sizeof message->signature.bytes);
}

static void encode_gossip(const struct broadcast_message *message, struct ingot_buffer *out)
{
    Ingot__Wire__BroadcastEnvelope envelope = INGOT__WIRE__BROADCAST_ENVELOPE__INIT;
    Ingot__Wire__Gossip pb = INGOT__WIRE__GOSSIP__INIT;
    pb.sender = message->sender;
    pb.topic = (uint32_t)message->topic;
    pb.id = borrow_id(&message->id);
    pb.payload = borrow_buffer(&message->payload);
    pb.signature = borrow_signature(message);
    envelope.content_case = INGOT__WIRE__BROADCAST_ENVELOPE__CONTENT_GOSSIP;
    envelope.gossip = &pb;
    pack_append(&envelope.base, out);
}

static void encode_pre_prepare(const struct broadcast_message *message, struct ingot_buffer *out)
{
    Ingot__Wire__BroadcastEnvelope envelope = INGOT__WIRE__BROADCAST_ENVELOPE__INIT;
    Ingot__Wire__PrePrepare pb = INGOT__WIRE__PRE_PREPARE__INIT;
    pb.sender = message->sender;
    pb.id = borrow_id(&message->id);
    pb.payload = borrow_buffer(&message->payload);
    pb.attachment = borrow_buffer(&message->attachment);
    pb.signature = borrow_signature(message);
    envelope.content_case = INGOT__WIRE__BROADCAST_ENVELOPE__CONTENT_PRE_PREPARE;
    envelope.pre_prepare = &pb;
    pack_append(&envelope.base, out);
}

static void encode_vote(const struct broadcast_message *message, struct ingot_buffer *out)
{
    Ingot__Wire__BroadcastEnvelope envelope = INGOT__WIRE__BROADCAST_ENVELOPE__INIT;
    Ingot__Wire__RoundVote pb = INGOT__WIRE__ROUND_VOTE__INIT;
    pb.sender = message->sender;
    pb.originator = message->originator;
    pb.id = borrow_id(&message->id);
    pb.digest = pack_borrow(message->digest.bytes, sizeof message->digest.bytes);
    pb.attachment = borrow_buffer(&message->attachment);
    pb.signature = borrow_signature(message);
    if (message->kind == BROADCAST_PREPARE) {
        envelope.content_case = INGOT__WIRE__BROADCAST_ENVELOPE__CONTENT_PREPARE;
        envelope.prepare = &pb;
    } else {
        envelope.content_case = INGOT__WIRE__BROADCAST_ENVELOPE__CONTENT_COMMIT;
        envelope.commit = &pb;
    }
    pack_append(&envelope.base, out);
}

static void encode_share_request(const struct broadcast_message *message, struct ingot_buffer *out)
{
    Ingot__Wire__BroadcastEnvelope envelope = INGOT__WIRE__BROADCAST_ENVELOPE__INIT;
    Ingot__Wire__ShareRequest pb = INGOT__WIRE__SHARE_REQUEST__INIT;
    pb.from_height = message->from_height;
    pb.heights = message->heights;
    pb.members = borrow_buffer(&message->attachment);
    envelope.content_case = INGOT__WIRE__BROADCAST_ENVELOPE__CONTENT_SHARE_REQUEST;
    envelope.share_request = &pb;
    pack_append(&envelope.base, out);
}

void wire_broadcast_encode(const struct broadcast_message *message, struct ingot_buffer *out)
{
    switch (message->kind) {
    case BROADCAST_GOSSIP:
        encode_gossip(message, out);
        return;
    case BROADCAST_PRE_PREPARE:
        encode_pre_prepare(message, out);
        return;
    case BROADCAST_PREPARE:
    case BROADCAST_COMMIT:
        encode_vote(message, out);
        return;
    case BROADCAST_SHARE_REQUEST:
        encode_share_request(message, out);
        return;
    }
    INGOT_ASSERT(false);
}

/* --- Decoding. --- */

static bool take_id(ProtobufCBinaryData from, struct broadcast_id *id)
{
    return broadcast_id_from(ingot_slice_of(from.data, from.len), id);
}

/* The fields that all signed messages have, but for their payloads. */
static bool take_signed(struct broadcast_message *message, uint32_t sender, uint32_t originator,
                        ProtobufCBinaryData id, ProtobufCBinaryData signature)
{
    message->sender = sender;
    message->originator = originator;
    message->is_signed = true;
    return sender < INGOT_VALIDATORS_MAX && originator < INGOT_VALIDATORS_MAX &&
           take_id(id, &message->id) &&
           unpack_exactly(signature, message->signature.bytes, sizeof message->signature.bytes);
}

static enum reject take_payload(ProtobufCBinaryData from, size_t size_max, struct arena *arena,
                                struct broadcast_message *message)
{
    if (from.len > size_max) {
        return REJECT_BAD_PAYLOAD;
    }
    wire_broadcast_digest(ingot_slice_of(from.data, from.len), &message->digest);
    arena_take(arena, from, &message->payload);
    return REJECT_NONE;
}

static enum reject take_attachment(ProtobufCBinaryData from, struct broadcast_message *message)
{
    if (from.len > INGOT_BROADCAST_ATTACHMENT_BYTES_MAX) {
        return REJECT_BAD_PAYLOAD;
    }
    ingot_buffer_append(&message->attachment, from.data, from.len);
    return REJECT_NONE;
}

static enum reject gossip_from(const Ingot__Wire__Gossip *from, struct arena *arena,
                               struct broadcast_message *message)
{
    if (from->topic >= BROADCAST_TOPIC_COUNT ||
        !take_signed(message, from->sender, from->sender, from->id, from->signature)) {
        return REJECT_MALFORMED;
    }
    message->topic = (enum broadcast_topic)from->topic;
    return take_payload(from->payload,
                        message->topic == BROADCAST_TOPIC_SHARES
                            ? INGOT_SHARES_BYTES_MAX
                            : INGOT_BROADCAST_PAYLOAD_BYTES_MAX,
                        arena, message);
}

static enum reject pre_prepare_from(const Ingot__Wire__PrePrepare *from, struct arena *arena,
                                    struct broadcast_message *message)
{
    if (!take_signed(message, from->sender, from->sender, from->id, from->signature)) {
        return REJECT_MALFORMED;
    }
    const enum reject reject = take_attachment(from->attachment, message);
    return reject != REJECT_NONE
               ? reject
               : take_payload(from->payload, INGOT_BROADCAST_PAYLOAD_BYTES_MAX, arena, message);
}

static enum reject vote_from(const Ingot__Wire__RoundVote *from, struct broadcast_message *message)
{
    if (!take_signed(message, from->sender, from->originator, from->id, from->signature) ||
        !unpack_exactly(from->digest, message->digest.bytes, sizeof message->digest.bytes)) {
        return REJECT_MALFORMED;
    }
    return take_attachment(from->attachment, message);
}

static enum reject share_request_from(const Ingot__Wire__ShareRequest *from,
                                      struct broadcast_message *message)
{
    const ProtobufCBinaryData members = from->members;
    if (from->heights == 0 || from->from_height > WIRE_NUMBER_MAX ||
        members.len > INGOT_VALIDATORS_MAX / 8 ||
        (members.len > 0 && members.data[members.len - 1] == 0)) {
        return REJECT_MALFORMED;
    }
    ingot_buffer_append(&message->attachment, members.data, members.len);
    message->from_height = from->from_height;
    message->heights = from->heights;
    return REJECT_NONE;
}

/* A new message filled from the envelope; on failure NULL. */
static enum reject content_from(const Ingot__Wire__BroadcastEnvelope *from, struct arena *arena,
                                struct broadcast_message **message)
{
    struct broadcast_message *made = NULL;
    enum reject reject = REJECT_MALFORMED;
    switch (from->content_case) {
    case INGOT__WIRE__BROADCAST_ENVELOPE__CONTENT_GOSSIP:
        made = broadcast_message_new(BROADCAST_GOSSIP);
        reject = gossip_from(from->gossip, arena, made);
        break;
    case INGOT__WIRE__BROADCAST_ENVELOPE__CONTENT_PRE_PREPARE:
        made = broadcast_message_new(BROADCAST_PRE_PREPARE);
        reject = pre_prepare_from(from->pre_prepare, arena, made);
        break;
    case INGOT__WIRE__BROADCAST_ENVELOPE__CONTENT_PREPARE:
        made = broadcast_message_new(BROADCAST_PREPARE);
        reject = vote_from(from->prepare, made);
        break;
    case INGOT__WIRE__BROADCAST_ENVELOPE__CONTENT_COMMIT:
        made = broadcast_message_new(BROADCAST_COMMIT);
        reject = vote_from(from->commit, made);
        break;
    case INGOT__WIRE__BROADCAST_ENVELOPE__CONTENT_SHARE_REQUEST:
        made = broadcast_message_new(BROADCAST_SHARE_REQUEST);
        reject = share_request_from(from->share_request, made);
        break;
    case INGOT__WIRE__BROADCAST_ENVELOPE__CONTENT__NOT_SET:
    case _INGOT__WIRE__BROADCAST_ENVELOPE__CONTENT__CASE_IS_INT_SIZE:
        break;
    }
    if (reject != REJECT_NONE) {
        broadcast_message_unref(made);
        made = NULL;
    }
    *message = made;
    return reject;
}

enum reject wire_broadcast_decode(struct ingot_slice bytes, struct broadcast_message **message)
{
    *message = NULL;
    struct arena arena;
    ProtobufCMessage *unpacked;
    enum reject reject =
        unpack(&ingot__wire__broadcast_envelope__descriptor, bytes, &arena, &unpacked);
    if (reject == REJECT_NONE) {
        reject = content_from((const Ingot__Wire__BroadcastEnvelope *)unpacked, &arena, message);
        arena_deinit(&arena);
    }
    return reject;
}
