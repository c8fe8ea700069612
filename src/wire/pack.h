/*
 * A protobuf message that is put together from borrowed parts, to bytes: the other direction of
 * unpack.h.
 */
#ifndef INGOT_WIRE_PACK_H
#define INGOT_WIRE_PACK_H

#include <ingot/bytes.h>
#include <protobuf-c/protobuf-c.h>

/* A field that points to somebody else's bytes until the message is packed. */
ProtobufCBinaryData pack_borrow(const void *bytes, size_t size);
/* Appends the message's encoding. */
void pack_append(const ProtobufCMessage *message, struct ingot_buffer *out);

#endif
