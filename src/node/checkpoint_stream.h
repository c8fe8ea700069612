/*
 * A checkpoint file as a stream of records, written and read in bounded memory. All integers are
 * little-endian, H is a 32-byte hash:
 *
 *   "ingot checkpoint"     16 bytes
 *   u32                    format version: 1
 *   H                      the chain: its genesis hash
 *   u64 H                  height and hash of the last committed block
 *   u64                    number of validator sets after the first one, which is in the genesis
 *   u64                    height of the first block in the file
 *   records, each          u8 kind, u32 length, content; in the order of their kinds
 *
 *   1  proof        u32 length, a block that changes the set; u32 length, its first child, or none
 *                   if it is the last block; u32 length, its Commit QC if it has no child
 *   2  set          the encoded validator set that the proof before it opens; epochs 1, 2, ...
 *   3  block        a committed block; this and those of proofs as values of the table `blocks`
 *   4  certificate  the QC that certifies the last block
 *   5  state        u32 length, key, and the value up to the end; keys ascend
 *   6  end          H: BLAKE2b-256 over the tag "ingot/checkpoint/1" (filled up to 24 bytes with
 *                   zeros) and all bytes before this record. This is the checkpoint's hash
 *
 * Nothing follows the end. What the records mean is checkpoint_export.c's and
 * checkpoint_import.c's business.
 */
#ifndef INGOT_NODE_CHECKPOINT_STREAM_H
#define INGOT_NODE_CHECKPOINT_STREAM_H

#include "core/types.h"
#include "wire/crypto.h"

/* Takes bytes; what it returns but for INGOT_OK ends the export. */
struct checkpoint_sink {
    enum ingot_error (*write)(void *context, struct ingot_slice bytes);
    void *context;
};

/* Gives bytes: `*got` is `size`, or less at the end alone. */
struct checkpoint_source {
    enum ingot_error (*read)(void *context, uint8_t *bytes, size_t size, size_t *got);
    void *context;
};

#define CHECKPOINT_VERSION 1

enum checkpoint_kind {
    CHECKPOINT_PROOF = 1,
    CHECKPOINT_SET = 2,
    CHECKPOINT_BLOCK = 3,
    CHECKPOINT_CERTIFICATE = 4,
    CHECKPOINT_STATE = 5,
    CHECKPOINT_END = 6
};

struct checkpoint_header {
    struct ingot_hash chain;
    uint64_t height;
    struct ingot_hash block;
    uint64_t epochs;       /* sets after the first one */
    uint64_t first_height; /* of the first block in the file */
};

/* Content longer than this is no record. Memory is taken as bytes arrive, not as they are claimed.
 */
#define CHECKPOINT_RECORD_BYTES_MAX ((size_t)512 * 1024 * 1024)

/* All zero, with the sink set, before the header. The first error stays, and ends all writing. */
struct checkpoint_writer {
    struct checkpoint_sink sink;
    enum ingot_error error;
    uint64_t bytes; /* written so far */
    struct crypto_hasher hasher;
    struct ingot_buffer buffer;
};

void checkpoint_write_header(struct checkpoint_writer *writer,
                             const struct checkpoint_header *header);
void checkpoint_write(struct checkpoint_writer *writer, enum checkpoint_kind kind,
                      struct ingot_slice content);
/* The end record; everything is with the sink then. Returns the first error. */
INGOT_MUST_USE enum ingot_error checkpoint_write_end(struct checkpoint_writer *writer,
                                                     struct ingot_hash *hash);
void checkpoint_writer_deinit(struct checkpoint_writer *writer);

/* All zero, with the source set, before the header. */
struct checkpoint_reader {
    struct checkpoint_source source;
    uint64_t bytes; /* read so far */
    struct crypto_hasher hasher;
    struct ingot_buffer content;
};

/*
 * Both return INGOT_OK; INGOT_ERROR_CORRUPT, or INGOT_ERROR_VERSION, with a sentence in `why` that
 * names the place; or the source's error.
 */
INGOT_MUST_USE enum ingot_error checkpoint_read_header(struct checkpoint_reader *reader,
                                                       struct checkpoint_header *header, char *why,
                                                       size_t why_size);
/*
 * The next record; its content is borrowed until the next call. After CHECKPOINT_END, whose content
 * is the checkpoint's hash, the digest has been compared, and there is nothing more to read.
 */
INGOT_MUST_USE enum ingot_error checkpoint_read(struct checkpoint_reader *reader,
                                                enum checkpoint_kind *kind,
                                                struct ingot_slice *content, char *why,
                                                size_t why_size);
void checkpoint_reader_deinit(struct checkpoint_reader *reader);

#endif
