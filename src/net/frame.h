/*
 * Frames on a connection: a 4-byte little-endian length, then that many bytes, at least 1. The
 * first frame each way is the hello, which names the transport's version and the chain.
 */
#ifndef INGOT_NET_FRAME_H
#define INGOT_NET_FRAME_H

#include <ingot/network.h>

#define FRAME_HEADER_BYTES 4

/* The hello: magic, version, instance, size of the greeting, greeting padded with zeros. */
#define HELLO_MAGIC_BYTES 8
#define HELLO_VERSION 1
#define HELLO_BYTES (HELLO_MAGIC_BYTES + 4 + 8 + 1 + INGOT_NETWORK_GREETING_BYTES_MAX)

struct evbuffer;

/* A frame with its header, shared by the queues of several peers. */
struct frame {
    uint32_t references;
    size_t size;
    uint8_t bytes[];
};

/* Copies the body; one reference, which the caller holds. */
struct frame *net_frame_new(struct ingot_slice body);
void net_frame_release(struct frame *frame);

/*
 * Appends a frame to an output queue. Small ones are copied, so that many travel in one TLS
 * record; large ones are shared: `*shared` is made on first need and stays the caller's.
 */
void net_frame_append(struct evbuffer *output, struct ingot_slice body, struct frame **shared);
/* Appends by reference, whatever the size. */
void net_frame_append_shared(struct evbuffer *output, struct frame *frame);

/* Reads a header of FRAME_HEADER_BYTES. */
uint32_t net_frame_body_size(const uint8_t *header);

enum frame_look { FRAME_INCOMPLETE, FRAME_COMPLETE, FRAME_EMPTY, FRAME_TOO_LARGE };

/*
 * Looks at the frame that `input` begins with. What is declared is judged before anything is kept:
 * a size of 0 or above size_max is refused as soon as the header is there. If it is complete,
 * `*body` is borrowed until FRAME_HEADER_BYTES and the body are drained from the input.
 */
enum frame_look net_frame_look(struct evbuffer *input, uint32_t size_max, struct ingot_slice *body);

/*
 * `instance` is a random number of the process, by which the other side tells a restart from a
 * second connection.
 */
void net_hello_encode(uint64_t instance, struct ingot_slice greeting, uint8_t bytes[HELLO_BYTES]);
/* True and `instance`, or false and the reason to close with. */
bool net_hello_check(struct ingot_slice body, struct ingot_slice greeting, uint64_t *instance,
                     enum ingot_close_reason *reason);

#endif
