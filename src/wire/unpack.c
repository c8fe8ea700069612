/*
 * protobuf-c made strict. See unpack.h.
 *
 * protobuf allows many encodings of one message: fields in any order or twice, long varints,
 * explicit zeros, fields it does not know. We accept one of them, so that nobody can make two
 * frames of one message or hide bytes in a frame.
 */
#include "wire/unpack.h"

#include <string.h>

#include "base/mutant.h"
#include "wire/wire.h"

/* Compares what is appended with the bytes that were decoded: encoding again without memory. */
struct comparison {
    ProtobufCBuffer base;
    struct ingot_slice rest;
    bool differs;
};

static void compare_append(ProtobufCBuffer *buffer, size_t size, const uint8_t *data)
{
    struct comparison *comparison = (struct comparison *)(void *)buffer;
    struct ingot_slice expected;
    if (comparison->differs) {
        return;
    }
    if (!ingot_slice_take(&comparison->rest, size, &expected) ||
        (size > 0 && memcmp(expected.data, data, size) != 0)) {
        comparison->differs = true;
    }
}

static bool encodes_to(const ProtobufCMessage *message, struct ingot_slice bytes)
{
    struct comparison comparison = {.base = {compare_append}, .rest = bytes, .differs = false};
    protobuf_c_message_pack_to_buffer(message, &comparison.base);
    return !comparison.differs && comparison.rest.size == 0;
}

/*
 * Calls itself for each message inside. The depth is that of the schema, which has no recursive
 * types: Envelope, SyncResponse, Block, Qc.
 */
static bool has_unknown_fields(const ProtobufCMessage *message)
{
    if (message->n_unknown_fields > 0) {
        return true;
    }
    const ProtobufCMessageDescriptor *descriptor = message->descriptor;
    for (unsigned i = 0; i < descriptor->n_fields; i++) {
        const ProtobufCFieldDescriptor *field = &descriptor->fields[i];
        if (field->type != PROTOBUF_C_TYPE_MESSAGE) {
            continue;
        }
        const uint8_t *base = (const uint8_t *)message;
        const void *member = base + field->offset;
        if (field->label == PROTOBUF_C_LABEL_REPEATED) {
            const size_t count = *(const size_t *)(const void *)(base + field->quantifier_offset);
            const ProtobufCMessage *const *items = *(const ProtobufCMessage *const *const *)member;
            for (size_t at = 0; at < count; at++) {
                if (has_unknown_fields(items[at])) {
                    return true;
                }
            }
            continue;
        }
        if ((field->flags & PROTOBUF_C_FIELD_FLAG_ONEOF) != 0 &&
            *(const uint32_t *)(const void *)(base + field->quantifier_offset) != field->id) {
            continue;
        }
        const ProtobufCMessage *inside = *(const ProtobufCMessage *const *)member;
        if (inside != NULL && has_unknown_fields(inside)) {
            return true;
        }
    }
    return false;
}

enum reject unpack(const ProtobufCMessageDescriptor *descriptor, struct ingot_slice bytes,
                   struct arena *arena, ProtobufCMessage **message)
{
    if (bytes.size > INGOT_FRAME_BYTES_MAX) {
        return REJECT_OVERSIZE;
    }
    arena_init(arena, WIRE_DECODE_BYTES_FACTOR * bytes.size + WIRE_DECODE_BYTES_BASE);
    *message = protobuf_c_message_unpack(descriptor, &arena->allocator, bytes.size, bytes.data);
    enum reject reject = REJECT_NONE;
    if (*message == NULL) {
        reject = arena->exhausted ? REJECT_OVERSIZE : REJECT_MALFORMED;
    } else if (!MUTANT(UNKNOWN_FIELDS) && has_unknown_fields(*message)) {
        reject = REJECT_MALFORMED;
    } else if (!MUTANT(TWO_ENCODINGS) && !encodes_to(*message, bytes)) {
        reject = REJECT_NOT_CANONICAL;
    }
    if (reject != REJECT_NONE) {
        arena_deinit(arena);
    }
    return reject;
}

bool unpack_exactly(ProtobufCBinaryData from, void *to, size_t size)
{
    if (from.len != size) {
        return false;
    }
    memcpy(to, from.data, size);
    return true;
}
