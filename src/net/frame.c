/*
 * Frames and the hello, as bytes. It knows nothing of sockets; the caps on what a peer may declare
 * are connection.c's.
 */
#include "net/frame.h"

#include <event2/buffer.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"

/* Up to here a copy into the queue costs less than sharing and a TLS record of its own. */
#define FRAME_COPY_BYTES_MAX 4096

static const uint8_t hello_magic[HELLO_MAGIC_BYTES] = {'i', 'n', 'g', 'o', 't', 'n', 'e', 't'};

static void encode_u32(uint8_t *bytes, uint32_t value)
{
    for (int i = 0; i < 4; i++) {
        bytes[i] = (uint8_t)(value >> (8 * i));
    }
}

uint32_t net_frame_body_size(const uint8_t *header)
{
    return (uint32_t)header[0] | (uint32_t)header[1] << 8 | (uint32_t)header[2] << 16 |
           (uint32_t)header[3] << 24;
}

enum frame_look net_frame_look(struct evbuffer *input, uint32_t size_max, struct ingot_slice *body)
{
    uint8_t header[FRAME_HEADER_BYTES];
    const size_t arrived = evbuffer_get_length(input);
    if (arrived < sizeof header || evbuffer_copyout(input, header, sizeof header) < 0) {
        return FRAME_INCOMPLETE;
    }
    const uint32_t size = net_frame_body_size(header);
    if (size == 0) {
        return FRAME_EMPTY;
    }
    if (size > size_max) {
        return FRAME_TOO_LARGE;
    }
    if (arrived - sizeof header < size) {
        return FRAME_INCOMPLETE;
    }
    const uint8_t *bytes = evbuffer_pullup(input, (ev_ssize_t)(sizeof header + size));
    INGOT_ASSERT(bytes != NULL);
    *body = ingot_slice_of(bytes + sizeof header, size);
    return FRAME_COMPLETE;
}

struct frame *net_frame_new(struct ingot_slice body)
{
    INGOT_ASSERT(body.size > 0);
    INGOT_ASSERT(body.size <= INGOT_FRAME_BYTES_MAX);
    size_t size = FRAME_HEADER_BYTES + body.size;
    struct frame *frame = alloc_resize(NULL, 1, sizeof *frame + size);
    frame->references = 1;
    frame->size = size;
    encode_u32(frame->bytes, (uint32_t)body.size);
    memcpy(frame->bytes + FRAME_HEADER_BYTES, body.data, body.size);
    return frame;
}

void net_frame_release(struct frame *frame)
{
    INGOT_ASSERT(frame->references > 0);
    frame->references--;
    if (frame->references == 0) {
        free(frame);
    }
}

static void release_sent(const void *data, size_t size, void *context)
{
    (void)data;
    (void)size;
    net_frame_release(context);
}

void net_frame_append_shared(struct evbuffer *output, struct frame *frame)
{
    frame->references++;
    int failed = evbuffer_add_reference(output, frame->bytes, frame->size, release_sent, frame);
    INGOT_ASSERT(failed == 0);
}

void net_frame_append(struct evbuffer *output, struct ingot_slice body, struct frame **shared)
{
    if (body.size > FRAME_COPY_BYTES_MAX) {
        if (*shared == NULL) {
            *shared = net_frame_new(body);
        }
        net_frame_append_shared(output, *shared);
        return;
    }
    uint8_t header[FRAME_HEADER_BYTES];
    encode_u32(header, (uint32_t)body.size);
    int failed = evbuffer_add(output, header, sizeof header);
    INGOT_ASSERT(failed == 0);
    failed = evbuffer_add(output, body.data, body.size);
    INGOT_ASSERT(failed == 0);
}

void net_hello_encode(uint64_t instance, struct ingot_slice greeting, uint8_t bytes[HELLO_BYTES])
{
    INGOT_ASSERT(greeting.size <= INGOT_NETWORK_GREETING_BYTES_MAX);
    memset(bytes, 0, HELLO_BYTES);
    memcpy(bytes, hello_magic, HELLO_MAGIC_BYTES);
    uint8_t *at = bytes + HELLO_MAGIC_BYTES;
    encode_u32(at, HELLO_VERSION);
    encode_u32(at + 4, (uint32_t)instance);
    encode_u32(at + 8, (uint32_t)(instance >> 32));
    at[12] = (uint8_t)greeting.size;
    memcpy(at + 13, greeting.data, greeting.size);
}

bool net_hello_check(struct ingot_slice body, struct ingot_slice greeting, uint64_t *instance,
                     enum ingot_close_reason *reason)
{
    struct ingot_slice magic;
    struct ingot_slice theirs;
    uint32_t version;
    uint8_t size;
    *reason = INGOT_CLOSE_HELLO_MALFORMED;
    if (!ingot_slice_take(&body, HELLO_MAGIC_BYTES, &magic) ||
        memcmp(magic.data, hello_magic, HELLO_MAGIC_BYTES) != 0 ||
        !ingot_slice_take_u32(&body, &version)) {
        return false;
    }
    /* A later version may have another layout, so its name alone is read. */
    if (version != HELLO_VERSION) {
        *reason = INGOT_CLOSE_VERSION;
        return false;
    }
    if (!ingot_slice_take_u64(&body, instance) || !ingot_slice_take_u8(&body, &size) ||
        body.size != INGOT_NETWORK_GREETING_BYTES_MAX || !ingot_slice_take(&body, size, &theirs)) {
        return false;
    }
    for (size_t i = 0; i < body.size; i++) {
        if (body.data[i] != 0) {
            return false;
        }
    }
    if (!ingot_slice_equal(theirs, greeting)) {
        *reason = INGOT_CLOSE_GREETING;
        return false;
    }
    return true;
}
