/*
 * Packing without copies. See pack.h.
 */
#include "wire/pack.h"

#include <string.h>

/* protobuf-c has no const, but packing only reads. */
ProtobufCBinaryData pack_borrow(const void *bytes, size_t size)
{
    ProtobufCBinaryData data = {.len = size, .data = NULL};
    memcpy(&data.data, &bytes, sizeof data.data);
    return data;
}

void pack_append(const ProtobufCMessage *message, struct ingot_buffer *out)
{
    const size_t size = protobuf_c_message_get_packed_size(message);
    ingot_buffer_reserve(out, size);
    out->size += protobuf_c_message_pack(message, out->data + out->size);
}
