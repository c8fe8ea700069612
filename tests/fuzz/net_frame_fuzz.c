/*
 * What a connection hears: frames in pieces as the wire brings them, the hello first; and the
 * certificate that the other side shows. The first byte says which, and in what pieces.
 */
#include <event2/buffer.h>
#include <openssl/x509.h>

#include "fuzz/fuzz.h"
#include "net/frame.h"
#include "net/tls.h"

#define BODY_BYTES_MAX 512

static const struct ingot_slice greeting = {(const uint8_t *)"chain", 5};

static void look_at_hello(struct ingot_slice body)
{
    uint64_t instance = 0;
    enum ingot_close_reason reason = INGOT_CLOSE_REASONS;
    uint8_t again[HELLO_BYTES];
    if (!net_hello_check(body, greeting, &instance, &reason)) {
        require(reason == INGOT_CLOSE_HELLO_MALFORMED || reason == INGOT_CLOSE_VERSION ||
                reason == INGOT_CLOSE_GREETING);
        return;
    }
    net_hello_encode(instance, greeting, again);
    require(ingot_slice_equal(body, ingot_slice_of(again, sizeof again)));
}

/* Frames come out in order, whole, and with the very bytes that went in. */
static void read_frames(struct ingot_slice bytes, size_t piece)
{
    struct evbuffer *input = evbuffer_new();
    struct ingot_slice rest = bytes;
    size_t given = 0;
    bool is_first = true;
    require(input != NULL);
    while (given < bytes.size) {
        const size_t now = bytes.size - given < piece ? bytes.size - given : piece;
        require(evbuffer_add(input, bytes.data + given, now) == 0);
        given += now;
        struct ingot_slice body = {0};
        enum frame_look look;
        while ((look = net_frame_look(input, is_first ? HELLO_BYTES : BODY_BYTES_MAX, &body)) ==
               FRAME_COMPLETE) {
            struct ingot_slice header;
            struct ingot_slice expected;
            require(body.size > 0 && body.size <= BODY_BYTES_MAX);
            require(ingot_slice_take(&rest, FRAME_HEADER_BYTES, &header) &&
                    net_frame_body_size(header.data) == body.size &&
                    ingot_slice_take(&rest, body.size, &expected) &&
                    ingot_slice_equal(body, expected));
            if (is_first) {
                look_at_hello(body);
            }
            is_first = false;
            evbuffer_drain(input, FRAME_HEADER_BYTES + body.size);
        }
        /* Nothing is kept of what was refused, and no more than a frame of what is not whole. */
        if (look != FRAME_INCOMPLETE) {
            break;
        }
        require(evbuffer_get_length(input) < FRAME_HEADER_BYTES + BODY_BYTES_MAX + piece);
    }
    evbuffer_free(input);
}

static void read_certificate(struct ingot_slice bytes)
{
    const unsigned char *at = bytes.data;
    X509 *certificate = d2i_X509(NULL, &at, (long)bytes.size);
    struct ingot_public_key key;
    struct ingot_public_key again;
    if (certificate != NULL && net_tls_key_of(certificate, &key)) {
        require(net_tls_key_of(certificate, &again));
        require(ingot_slice_equal(ingot_slice_of(&key, sizeof key),
                                  ingot_slice_of(&again, sizeof again)));
    }
    X509_free(certificate);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0) {
        return 0;
    }
    const struct ingot_slice bytes = {data + 1, size - 1};
    if (data[0] == 0xFF) {
        read_certificate(bytes);
    } else {
        read_frames(bytes, (size_t)data[0] + 1);
        look_at_hello(bytes);
    }
    return 0;
}
