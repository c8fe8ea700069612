/*
 * Decoding with bounded memory, and the comparison with what a message encodes to. Which fields
 * may be there is for whoever has the message.
 */
#include "app/message.h"

#include <stdlib.h>

#include "base/alloc.h"

/*
 * The decoded structs are this much larger than their bytes at most, and what protobuf-c needs
 * beside them: for a SetValidators of the largest size with nothing but whole keys, some 60 KiB.
 */
#define DECODE_OVERHEAD_BYTES (128 * 1024)

/* --- Memory for protobuf-c: taken from one block, given back all at once. --- */

static void *take_memory(void *context, size_t size)
{
    struct message_memory *memory = context;
    const size_t aligned = (size + 15) & ~(size_t)15;
    if (aligned < size || aligned > memory->size - memory->used)
        return NULL;
    void *taken = memory->bytes + memory->used;
    memory->used += aligned;
    return taken;
}

static void give_back(void *context, void *taken)
{
    (void)context;
    (void)taken;
}

void message_memory_deinit(struct message_memory *memory)
{
    free(memory->bytes);
    *memory = (struct message_memory){0};
}

ProtobufCMessage *message_unpack(struct message_memory *memory,
                                 const ProtobufCMessageDescriptor *descriptor,
                                 struct ingot_slice bytes)
{
    const size_t size = 2 * bytes.size + DECODE_OVERHEAD_BYTES;
    if (size > memory->size) {
        free(memory->bytes);
        memory->bytes = alloc_resize(NULL, size, 1);
        memory->size = size;
    }
    memory->used = 0;
    ProtobufCAllocator allocator = {take_memory, give_back, memory};
    return protobuf_c_message_unpack(descriptor, &allocator, bytes.size, bytes.data);
}

bool message_has_unknown(const ProtobufCMessage *message)
{
    return message->n_unknown_fields > 0;
}

/* Compares piece by piece while packing, so that nothing is allocated. */
struct comparison {
    ProtobufCBuffer base;
    struct ingot_slice rest;
    bool is_equal;
};

static void compare_piece(ProtobufCBuffer *buffer, size_t size, const uint8_t *data)
{
    struct comparison *comparison = (struct comparison *)buffer;
    struct ingot_slice piece;
    comparison->is_equal = comparison->is_equal &&
                           ingot_slice_take(&comparison->rest, size, &piece) &&
                           ingot_slice_equal(piece, ingot_slice_of(data, size));
}

bool message_encodes_to(const ProtobufCMessage *message, struct ingot_slice bytes)
{
    struct comparison comparison = {{compare_piece}, bytes, true};
    (void)protobuf_c_message_pack_to_buffer(message, &comparison.base);
    return comparison.is_equal && comparison.rest.size == 0;
}

/* Appends what is packed to a buffer. */
struct appender {
    ProtobufCBuffer base;
    struct ingot_buffer *buffer;
};

static void append_piece(ProtobufCBuffer *buffer, size_t size, const uint8_t *data)
{
    ingot_buffer_append(((struct appender *)buffer)->buffer, data, size);
}

void message_append(struct ingot_buffer *buffer, const ProtobufCMessage *message)
{
    struct appender appender = {{append_piece}, buffer};
    (void)protobuf_c_message_pack_to_buffer(message, &appender.base);
}

struct ingot_slice message_slice(ProtobufCBinaryData data)
{
    return ingot_slice_of(data.data, data.len);
}

ProtobufCBinaryData message_data(struct ingot_slice slice)
{
    /* protobuf-c has no const form; packing only reads. */
    return (ProtobufCBinaryData){slice.size, (uint8_t *)(uintptr_t)slice.data};
}
