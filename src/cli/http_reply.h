/*
 * An HTTP/1.1 answer, read byte by byte from whatever a server sends: no socket, no deadline.
 * Answers are those of a node's client listener: with Content-Length, chunked, or ended by the
 * connection's end. Only what the commands need is understood.
 */
#ifndef INGOT_CLI_HTTP_REPLY_H
#define INGOT_CLI_HTTP_REPLY_H

#include <ingot/bytes.h>

#define HTTP_REPLY_HEAD_BYTES_MAX (16 * 1024)

enum http_reply_state {
    HTTP_REPLY_STATUS,  /* the first line */
    HTTP_REPLY_HEADERS, /* lines up to an empty one */
    HTTP_REPLY_BODY,    /* `remaining` bytes */
    HTTP_REPLY_BODY_TO_END,
    HTTP_REPLY_CHUNK_SIZE, /* the line before a chunk */
    HTTP_REPLY_CHUNK,      /* `remaining` bytes */
    HTTP_REPLY_CHUNK_END,  /* the empty line behind a chunk */
    HTTP_REPLY_TRAILERS,   /* lines up to an empty one */
    HTTP_REPLY_DONE,
    HTTP_REPLY_BROKEN /* `why` */
};

struct http_reply {
    enum http_reply_state state;
    int status;  /* of the first line, 100 to 599 */
    bool closes; /* the server ends the connection after this */
    struct ingot_buffer body;
    const char *why; /* static */

    size_t body_bytes_max;
    bool has_length;
    bool is_chunked;
    uint64_t remaining;
    size_t head_bytes;
    struct ingot_buffer line;
};

/* All zero is a valid state for deinit. */
void http_reply_init(struct http_reply *reply, size_t body_bytes_max);
void http_reply_deinit(struct http_reply *reply);
/* For the next answer on the same connection. */
void http_reply_reset(struct http_reply *reply);

/* Takes bytes until the answer is done or broken; returns how many it took. */
size_t http_reply_feed(struct http_reply *reply, struct ingot_slice bytes);
/* The connection has ended: DONE or BROKEN afterwards. */
void http_reply_end(struct http_reply *reply);

#endif
