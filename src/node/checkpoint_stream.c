/*
 * The bodies of checkpoint_stream.h.
 */
#include "node/checkpoint_stream.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/assert.h"
#include "wire/preimage.h"

#define MAGIC "ingot checkpoint"
#define MAGIC_BYTES (sizeof MAGIC - 1)
#define TAG "ingot/checkpoint/1"
#define HEADER_BYTES (MAGIC_BYTES + 4 + INGOT_HASH_BYTES + 8 + INGOT_HASH_BYTES + 8 + 8)
#define RECORD_HEAD_BYTES 5
#define CHUNK_BYTES ((size_t)64 * 1024)

/* --- Writing. --- */

static void flush(struct checkpoint_writer *writer)
{
    if (writer->error == INGOT_OK && writer->buffer.size > 0)
        writer->error =
            writer->sink.write(writer->sink.context, ingot_buffer_slice(&writer->buffer));
    ingot_buffer_clear(&writer->buffer);
}

static void append(struct checkpoint_writer *writer, struct ingot_slice bytes)
{
    ingot_buffer_append_slice(&writer->buffer, bytes);
    writer->bytes += bytes.size;
    if (writer->buffer.size >= CHUNK_BYTES)
        flush(writer);
}

static void append_hashed(struct checkpoint_writer *writer, struct ingot_slice bytes)
{
    crypto_hasher_add(&writer->hasher, bytes);
    append(writer, bytes);
}

void checkpoint_write_header(struct checkpoint_writer *writer,
                             const struct checkpoint_header *header)
{
    struct ingot_buffer bytes = {0};
    ingot_buffer_append_slice(&bytes, ingot_slice_of_text(MAGIC));
    ingot_buffer_append_u32(&bytes, CHECKPOINT_VERSION);
    ingot_buffer_append(&bytes, header->chain.bytes, INGOT_HASH_BYTES);
    ingot_buffer_append_u64(&bytes, header->height);
    ingot_buffer_append(&bytes, header->block.bytes, INGOT_HASH_BYTES);
    ingot_buffer_append_u64(&bytes, header->epochs);
    ingot_buffer_append_u64(&bytes, header->first_height);
    INGOT_ASSERT(bytes.size == HEADER_BYTES);
    wire_hasher_begin(&writer->hasher, TAG);
    append_hashed(writer, ingot_buffer_slice(&bytes));
    ingot_buffer_deinit(&bytes);
}

static void record_head(enum checkpoint_kind kind, size_t size, uint8_t head[RECORD_HEAD_BYTES])
{
    head[0] = (uint8_t)kind;
    for (unsigned i = 0; i < 4; i++)
        head[1 + i] = (uint8_t)(size >> (8 * i));
}

void checkpoint_write(struct checkpoint_writer *writer, enum checkpoint_kind kind,
                      struct ingot_slice content)
{
    INGOT_ASSERT(kind != CHECKPOINT_END);
    if (content.size > CHECKPOINT_RECORD_BYTES_MAX) {
        if (writer->error == INGOT_OK)
            writer->error = INGOT_ERROR_TOO_LARGE;
        return;
    }
    uint8_t head[RECORD_HEAD_BYTES];
    record_head(kind, content.size, head);
    append_hashed(writer, ingot_slice_of(head, sizeof head));
    append_hashed(writer, content);
}

enum ingot_error checkpoint_write_end(struct checkpoint_writer *writer, struct ingot_hash *hash)
{
    uint8_t head[RECORD_HEAD_BYTES];
    record_head(CHECKPOINT_END, INGOT_HASH_BYTES, head);
    crypto_hasher_end(&writer->hasher, hash);
    append(writer, ingot_slice_of(head, sizeof head));
    append(writer, ingot_slice_of(hash->bytes, INGOT_HASH_BYTES));
    flush(writer);
    return writer->error;
}

void checkpoint_writer_deinit(struct checkpoint_writer *writer)
{
    ingot_buffer_deinit(&writer->buffer);
}

/* --- Reading. --- */

/* `why` is written with what is wrong and where; the error is the result. */
static enum ingot_error fail(const struct checkpoint_reader *reader, enum ingot_error error,
                             char *why, size_t why_size, const char *format, ...)
    __attribute__((format(printf, 5, 6)));

static enum ingot_error fail(const struct checkpoint_reader *reader, enum ingot_error error,
                             char *why, size_t why_size, const char *format, ...)
{
    char text[256];
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    (void)snprintf(why, why_size, "at byte %llu: %s", (unsigned long long)reader->bytes, text);
    return error;
}

/* Appends `size` bytes to the content, chunk by chunk: a false length costs no memory. */
static enum ingot_error take(struct checkpoint_reader *reader, size_t size, char *why,
                             size_t why_size)
{
    while (size > 0) {
        const size_t wanted = size < CHUNK_BYTES ? size : CHUNK_BYTES;
        struct ingot_buffer *content = &reader->content;
        ingot_buffer_reserve(content, wanted);
        size_t got = 0;
        const enum ingot_error error = reader->source.read(
            reader->source.context, content->data + content->size, wanted, &got);
        if (error != INGOT_OK)
            return fail(reader, error, why, why_size, "cannot be read: %s",
                        ingot_error_text(error));
        content->size += got;
        reader->bytes += got;
        if (got < wanted)
            return fail(reader, INGOT_ERROR_CORRUPT, why, why_size,
                        "the file ends, expected %zu more bytes; it was cut", size - got);
        size -= wanted;
    }
    return INGOT_OK;
}

static void take_hash(struct ingot_slice *bytes, struct ingot_hash *hash)
{
    struct ingot_slice taken;
    const bool is_there = ingot_slice_take(bytes, INGOT_HASH_BYTES, &taken);
    INGOT_ASSERT(is_there);
    memcpy(hash->bytes, taken.data, INGOT_HASH_BYTES);
}

enum ingot_error checkpoint_read_header(struct checkpoint_reader *reader,
                                        struct checkpoint_header *header, char *why,
                                        size_t why_size)
{
    enum ingot_error error = take(reader, MAGIC_BYTES + 4, why, why_size);
    if (error != INGOT_OK)
        return error;
    struct ingot_slice bytes = ingot_buffer_slice(&reader->content);
    struct ingot_slice magic;
    uint32_t version = 0;
    if (!ingot_slice_take(&bytes, MAGIC_BYTES, &magic) ||
        !ingot_slice_equal(magic, ingot_slice_of_text(MAGIC)) ||
        !ingot_slice_take_u32(&bytes, &version))
        return fail(reader, INGOT_ERROR_CORRUPT, why, why_size,
                    "no checkpoint, expected a file of 'ingot checkpoint export'");
    if (version != CHECKPOINT_VERSION)
        return fail(reader, INGOT_ERROR_VERSION, why, why_size,
                    "the checkpoint's format is of version %u; this program knows version %d only",
                    version, CHECKPOINT_VERSION);
    error = take(reader, HEADER_BYTES - MAGIC_BYTES - 4, why, why_size);
    if (error != INGOT_OK)
        return error;
    wire_hasher_begin(&reader->hasher, TAG);
    bytes = ingot_buffer_slice(&reader->content);
    crypto_hasher_add(&reader->hasher, bytes);
    bytes.data += MAGIC_BYTES + 4;
    bytes.size -= MAGIC_BYTES + 4;
    take_hash(&bytes, &header->chain);
    bool is_whole = ingot_slice_take_u64(&bytes, &header->height);
    take_hash(&bytes, &header->block);
    is_whole = is_whole && ingot_slice_take_u64(&bytes, &header->epochs) &&
               ingot_slice_take_u64(&bytes, &header->first_height) && bytes.size == 0;
    INGOT_ASSERT(is_whole);
    return INGOT_OK;
}

/* The end: compares the digest, and finds that nothing follows. */
static enum ingot_error check_end(struct checkpoint_reader *reader, struct ingot_slice content,
                                  char *why, size_t why_size)
{
    struct ingot_hash hash;
    crypto_hasher_end(&reader->hasher, &hash);
    if (!ingot_slice_equal(content, ingot_slice_of(hash.bytes, INGOT_HASH_BYTES)))
        return fail(reader, INGOT_ERROR_CORRUPT, why, why_size,
                    "the content does not match its checksum; the file was damaged");
    uint8_t byte;
    size_t got = 0;
    const enum ingot_error error = reader->source.read(reader->source.context, &byte, 1, &got);
    if (error != INGOT_OK)
        return fail(reader, error, why, why_size, "cannot be read: %s", ingot_error_text(error));
    if (got > 0)
        return fail(reader, INGOT_ERROR_CORRUPT, why, why_size,
                    "something follows the end of the checkpoint");
    return INGOT_OK;
}

enum ingot_error checkpoint_read(struct checkpoint_reader *reader, enum checkpoint_kind *kind,
                                 struct ingot_slice *content, char *why, size_t why_size)
{
    ingot_buffer_clear(&reader->content);
    enum ingot_error error = take(reader, RECORD_HEAD_BYTES, why, why_size);
    if (error != INGOT_OK)
        return error;
    struct ingot_slice head = ingot_buffer_slice(&reader->content);
    uint8_t number = 0;
    uint32_t size = 0;
    const bool is_whole = ingot_slice_take_u8(&head, &number) && ingot_slice_take_u32(&head, &size);
    INGOT_ASSERT(is_whole);
    if (number < CHECKPOINT_PROOF || number > CHECKPOINT_END)
        return fail(reader, INGOT_ERROR_CORRUPT, why, why_size,
                    "a record of kind %u, expected %d to %d", number, CHECKPOINT_PROOF,
                    CHECKPOINT_END);
    *kind = (enum checkpoint_kind)number;
    if (size > CHECKPOINT_RECORD_BYTES_MAX || (*kind == CHECKPOINT_END && size != INGOT_HASH_BYTES))
        return fail(reader, INGOT_ERROR_CORRUPT, why, why_size, "a record of %u bytes", size);
    if (*kind != CHECKPOINT_END)
        crypto_hasher_add(&reader->hasher, ingot_buffer_slice(&reader->content));
    ingot_buffer_clear(&reader->content);
    error = take(reader, size, why, why_size);
    if (error != INGOT_OK)
        return error;
    *content = ingot_buffer_slice(&reader->content);
    if (*kind == CHECKPOINT_END)
        return check_end(reader, *content, why, why_size);
    crypto_hasher_add(&reader->hasher, *content);
    return INGOT_OK;
}

void checkpoint_reader_deinit(struct checkpoint_reader *reader)
{
    ingot_buffer_deinit(&reader->content);
}
