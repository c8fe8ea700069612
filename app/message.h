/*
 * Strict reading and writing of protobuf messages, for the Apps whose transactions are some. What
 * does not encode to the same bytes again is refused, so that one meaning has one digest.
 */
#ifndef INGOT_APP_MESSAGE_H
#define INGOT_APP_MESSAGE_H

#include <ingot/bytes.h>
#include <protobuf-c/protobuf-c.h>

/* Memory for decoding, used again for each message. All zero is empty. */
struct message_memory {
    uint8_t *bytes;
    size_t size;
    size_t used;
};

void message_memory_deinit(struct message_memory *memory);

/*
 * Decodes, within an amount of memory that follows from the size of the bytes. The message lives
 * until the next one is decoded. NULL: these bytes are none, or take more memory.
 *
 * How much a list of small messages takes depends on the machine, and validators must agree: so
 * whoever has a list in his message looks at the size of the bytes first.
 */
ProtobufCMessage *message_unpack(struct message_memory *memory,
                                 const ProtobufCMessageDescriptor *descriptor,
                                 struct ingot_slice bytes);
/* Does it have unknown fields? Packing would repeat those. Of this message alone, not of those in
 * it. */
bool message_has_unknown(const ProtobufCMessage *message);
bool message_encodes_to(const ProtobufCMessage *message, struct ingot_slice bytes);
void message_append(struct ingot_buffer *buffer, const ProtobufCMessage *message);

struct ingot_slice message_slice(ProtobufCBinaryData data);
/* For packing alone, which only reads. */
ProtobufCBinaryData message_data(struct ingot_slice slice);

#endif
