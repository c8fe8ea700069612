/*
 * The decoders of messages and of stored objects on arbitrary bytes. The first byte says which;
 * what is accepted must encode to the very same bytes again.
 */

#include "fuzz/fuzz.h"
#include "wire/sync_frame.h"
#include "wire/wire.h"

static void decode_message(struct ingot_slice bytes, struct ingot_buffer *again)
{
    struct message *message = NULL;
    const enum reject reject = wire_decode(bytes, &message);
    require((reject == REJECT_NONE) == (message != NULL));
    if (message != NULL) {
        require(wire_is_sync_response(bytes) == (message->kind == MESSAGE_SYNC_RESPONSE));
        wire_encode(message, again);
        message_unref(message);
    }
}

static void decode_block(struct ingot_slice bytes, struct ingot_buffer *again)
{
    struct block *block = NULL;
    struct ingot_slice justify;
    const bool has_justify = wire_block_justify(bytes, &justify);
    if (wire_decode_block(bytes, &block) == REJECT_NONE) {
        require(has_justify == (block->justify != NULL));
        if (has_justify) {
            struct ingot_buffer qc = {0};
            wire_encode_qc(block->justify, &qc);
            require(ingot_slice_equal(ingot_buffer_slice(&qc), justify));
            ingot_buffer_deinit(&qc);
        }
        wire_encode_block(block, again);
        block_unref(block);
    }
}

static void decode_header(struct ingot_slice bytes, struct ingot_buffer *again)
{
    struct block *block = NULL;
    if (wire_decode_header(bytes, &block) == REJECT_NONE) {
        wire_encode_header(block, again);
        block_unref(block);
    }
}

static void decode_qc(struct ingot_slice bytes, struct ingot_buffer *again)
{
    struct qc *qc = NULL;
    if (wire_decode_qc(bytes, &qc) == REJECT_NONE) {
        wire_encode_qc(qc, again);
        qc_unref(qc);
    }
}

static void decode_tc(struct ingot_slice bytes, struct ingot_buffer *again)
{
    struct tc *tc = NULL;
    if (wire_decode_tc(bytes, &tc) == REJECT_NONE) {
        wire_encode_tc(tc, again);
        tc_unref(tc);
    }
}

static void decode_vote(struct ingot_slice bytes, struct ingot_buffer *again)
{
    struct vote vote;
    if (wire_decode_vote(bytes, &vote) == REJECT_NONE) {
        wire_encode_vote(&vote, again);
    }
}

static void decode_set(struct ingot_slice bytes, struct ingot_buffer *again)
{
    struct validator_set *set = NULL;
    if (wire_decode_validator_set(bytes, &set) == REJECT_NONE) {
        wire_encode_validator_set(set, again);
        validator_set_unref(set);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static void (*const decoders[])(struct ingot_slice, struct ingot_buffer *) = {
        decode_message, decode_block, decode_qc, decode_tc, decode_vote, decode_set, decode_header};
    struct ingot_buffer again = {0};
    if (size == 0) {
        return 0;
    }
    const struct ingot_slice bytes = {data + 1, size - 1};
    decoders[data[0] % (sizeof decoders / sizeof decoders[0])](bytes, &again);
    require(again.size == 0 || ingot_slice_equal(ingot_buffer_slice(&again), bytes));
    ingot_buffer_deinit(&again);
    return 0;
}
