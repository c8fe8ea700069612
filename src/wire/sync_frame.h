/*
 * A SyncResponse as bytes, put together from blocks that are encoded already, as the ledger keeps
 * them: whoever serves a long history neither decodes nor encodes it. The bytes are those that
 * wire_encode would make.
 */
#ifndef INGOT_WIRE_SYNC_FRAME_H
#define INGOT_WIRE_SYNC_FRAME_H

#include <ingot/bytes.h>

struct wire_sync_frame {
    struct ingot_buffer bytes; /* owned; room for the envelope's head, then the response */
};

/* All zero is a frame nobody has begun. What an earlier frame held is dropped, its memory kept. */
void wire_sync_frame_begin(struct wire_sync_frame *frame, uint64_t committed_height);
/* The next block, as wire_encode_block made it. */
void wire_sync_frame_add(struct wire_sync_frame *frame, struct ingot_slice block);
/*
 * Ends the frame: the tail's certificate as wire_encode_qc made it (empty: none), and the lowest
 * height. Returns the frame's content, borrowed until the next call.
 */
struct ingot_slice wire_sync_frame_end(struct wire_sync_frame *frame, struct ingot_slice tail_qc,
                                       uint64_t lowest_height);
void wire_sync_frame_deinit(struct wire_sync_frame *frame);

/* Is this frame's content a SyncResponse, if it is anything? Its first byte says so. */
bool wire_is_sync_response(struct ingot_slice frame);

/*
 * The encoded justify inside an encoded block, borrowed. False if there is none or the bytes are
 * no block's; nothing else of the block is looked at.
 */
bool wire_block_justify(struct ingot_slice block, struct ingot_slice *justify);

#endif
