/*
 * Bytes to a protobuf message that stands for exactly those bytes: bounded memory, no unknown
 * fields, the one canonical encoding. What the fields may say is decode.c's business.
 */
#ifndef INGOT_WIRE_UNPACK_H
#define INGOT_WIRE_UNPACK_H

#include "core/reject.h"
#include "wire/arena.h"

/*
 * @arena    not initialised; on REJECT_NONE it holds the message until arena_deinit.
 * @message  on REJECT_NONE the message, of the descriptor's type.
 *
 * Returns REJECT_NONE, OVERSIZE (more memory needed than such a frame may have), MALFORMED or
 * NOT_CANONICAL; on failure nothing needs to be freed.
 */
INGOT_MUST_USE enum reject unpack(const ProtobufCMessageDescriptor *descriptor,
                                  struct ingot_slice bytes, struct arena *arena,
                                  ProtobufCMessage **message);

/* Copies a field that has to have exactly `size` bytes; false, and no change, if it has not. */
INGOT_MUST_USE bool unpack_exactly(ProtobufCBinaryData from, void *to, size_t size);

#endif
