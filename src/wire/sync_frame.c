/*
 * The few bytes of protobuf around blocks that are encoded already. See sync_frame.h.
 */
#include "wire/sync_frame.h"

#include <string.h>

/* proto/ingot.proto: the fields, with wire type 2 (a length, then bytes) or 0 (a number). */
#define TAG(field, type) ((uint8_t)((field) << 3 | (type)))
#define ENVELOPE_SYNC_RESPONSE TAG(7, 2)
#define RESPONSE_COMMITTED_HEIGHT TAG(1, 0)
#define RESPONSE_BLOCK TAG(2, 2)
#define RESPONSE_TAIL_QC TAG(3, 2)
#define RESPONSE_LOWEST_HEIGHT TAG(4, 0)
#define BLOCK_JUSTIFY TAG(7, 2)

#define NUMBER_BYTES_MAX 10
/* The response's length is known last, so room is left for it in front. */
#define HEAD_BYTES (1 + NUMBER_BYTES_MAX)

static size_t put_number(uint64_t number, uint8_t bytes[NUMBER_BYTES_MAX])
{
    size_t size = 0;
    while (number >= 0x80) {
        bytes[size++] = (uint8_t)(number | 0x80);
        number >>= 7;
    }
    bytes[size++] = (uint8_t)number;
    return size;
}

static bool take_number(struct ingot_slice *rest, uint64_t *number)
{
    *number = 0;
    for (unsigned shift = 0; shift < 64; shift += 7) {
        struct ingot_slice byte;
        if (!ingot_slice_take(rest, 1, &byte)) {
            return false;
        }
        *number |= (uint64_t)(byte.data[0] & 0x7f) << shift;
        if (byte.data[0] < 0x80) {
            return true;
        }
    }
    return false;
}

static void append_number(struct ingot_buffer *out, uint64_t number)
{
    uint8_t bytes[NUMBER_BYTES_MAX];
    ingot_buffer_append(out, bytes, put_number(number, bytes));
}

/* Zeros are left out. */
static void append_number_field(struct ingot_buffer *out, uint8_t tag, uint64_t number)
{
    if (number > 0) {
        ingot_buffer_append_u8(out, tag);
        append_number(out, number);
    }
}

static void append_bytes_field(struct ingot_buffer *out, uint8_t tag, struct ingot_slice bytes)
{
    ingot_buffer_append_u8(out, tag);
    append_number(out, bytes.size);
    ingot_buffer_append_slice(out, bytes);
}

void wire_sync_frame_begin(struct wire_sync_frame *frame, uint64_t committed_height)
{
    static const uint8_t room[HEAD_BYTES] = {0};
    ingot_buffer_clear(&frame->bytes);
    ingot_buffer_append(&frame->bytes, room, sizeof room);
    append_number_field(&frame->bytes, RESPONSE_COMMITTED_HEIGHT, committed_height);
}

void wire_sync_frame_add(struct wire_sync_frame *frame, struct ingot_slice block)
{
    append_bytes_field(&frame->bytes, RESPONSE_BLOCK, block);
}

struct ingot_slice wire_sync_frame_end(struct wire_sync_frame *frame, struct ingot_slice tail_qc,
                                       uint64_t lowest_height)
{
    if (tail_qc.size > 0) {
        append_bytes_field(&frame->bytes, RESPONSE_TAIL_QC, tail_qc);
    }
    append_number_field(&frame->bytes, RESPONSE_LOWEST_HEIGHT, lowest_height);
    uint8_t length[NUMBER_BYTES_MAX];
    const size_t size = put_number(frame->bytes.size - HEAD_BYTES, length);
    const size_t begin = HEAD_BYTES - size - 1;
    frame->bytes.data[begin] = ENVELOPE_SYNC_RESPONSE;
    memcpy(frame->bytes.data + begin + 1, length, size);
    return ingot_slice_of(frame->bytes.data + begin, frame->bytes.size - begin);
}

void wire_sync_frame_deinit(struct wire_sync_frame *frame)
{
    ingot_buffer_deinit(&frame->bytes);
}

bool wire_is_sync_response(struct ingot_slice frame)
{
    return frame.size > 0 && frame.data[0] == ENVELOPE_SYNC_RESPONSE;
}

bool wire_block_justify(struct ingot_slice block, struct ingot_slice *justify)
{
    while (block.size > 0) {
        uint64_t tag;
        uint64_t number;
        if (!take_number(&block, &tag) || !take_number(&block, &number)) {
            return false;
        }
        if ((tag & 7) == 0) {
            continue;
        }
        if ((tag & 7) != 2 || !ingot_slice_take(&block, number, justify)) {
            return false;
        }
        if (tag == BLOCK_JUSTIFY) {
            return true;
        }
    }
    return false;
}
