/*
 * Messages and stored objects to protobuf bytes and back. The schema is proto/ingot.proto.
 *
 * Decoding is strict: it refuses unknown fields, wrong lengths, values out of range, anything that
 * would not encode to the same bytes again, and a payload that its block's root does not cover.
 * What it returns has every hash and digest computed from the bytes; proposals keep the digests of
 * their transactions, and so do the blocks of answers to sync requests whose digests weigh no more
 * than their transactions. It checks no signature and no rule that needs the validator set: that is
 * verify.h.
 *
 * Decoding needs memory in proportion to the bytes: at most WIRE_DECODE_BYTES_FACTOR times their
 * number plus WIRE_DECODE_BYTES_BASE, above the decoded object itself.
 */
#ifndef INGOT_WIRE_WIRE_H
#define INGOT_WIRE_WIRE_H

#include "core/message.h"
#include "core/reject.h"

#define WIRE_DECODE_BYTES_FACTOR 3
#define WIRE_DECODE_BYTES_BASE 16384

/* Views, heights and epochs stop here, so that the core's sums cannot overflow. */
#define WIRE_NUMBER_MAX (UINT64_C(1) << 62)
/* The last millisecond of the year 9999: what a timestamp in text can still say. */
#define WIRE_TIME_MS_MAX UINT64_C(253402300799999)

/* Appends the message's frame content (without the frame's length). */
void wire_encode(const struct message *message, struct ingot_buffer *out);

/*
 * Decodes one frame's content. On REJECT_NONE `*message` is a new reference of the caller's;
 * otherwise NULL: OVERSIZE, MALFORMED, NOT_CANONICAL, BAD_PAYLOAD, BAD_ROOT or BAD_GENESIS_QC.
 * A block of height 0 is refused: nobody needs to be told the genesis block.
 */
INGOT_MUST_USE enum reject wire_decode(struct ingot_slice bytes, struct message **message);

/*
 * The same for objects on their own, as the ledger stores them. Each object has exactly one
 * encoding. wire_decode_block also takes the genesis block.
 */
void wire_encode_block(const struct block *block, struct ingot_buffer *out);
INGOT_MUST_USE enum reject wire_decode_block(struct ingot_slice bytes, struct block **block);
/*
 * A block without its payload, which transactions_root stands for: all that its hash covers. The
 * decoded block has the hash and no payload. Not of the genesis block.
 */
void wire_encode_header(const struct block *block, struct ingot_buffer *out);
INGOT_MUST_USE enum reject wire_decode_header(struct ingot_slice bytes, struct block **block);
void wire_encode_qc(const struct qc *qc, struct ingot_buffer *out);
INGOT_MUST_USE enum reject wire_decode_qc(struct ingot_slice bytes, struct qc **qc);
void wire_encode_tc(const struct tc *tc, struct ingot_buffer *out);
INGOT_MUST_USE enum reject wire_decode_tc(struct ingot_slice bytes, struct tc **tc);
/* A saved vote: `voter` may be any number and the signature may be zero. */
void wire_encode_vote(const struct vote *vote, struct ingot_buffer *out);
INGOT_MUST_USE enum reject wire_decode_vote(struct ingot_slice bytes, struct vote *vote);
/* Epoch, first view, keys and powers; the hash is computed when decoding. */
void wire_encode_validator_set(const struct validator_set *set, struct ingot_buffer *out);
INGOT_MUST_USE enum reject wire_decode_validator_set(struct ingot_slice bytes,
                                                     struct validator_set **set);

#endif
