/*
 * HTTP/1.1 requests, read byte by byte from whatever the client sends: a parser without a socket.
 *
 * It is strict where leniency lets two readers of one connection disagree on where a request ends
 * (RFC 9112, section 11.2): lines end with CR LF; no folded lines, no space before a colon; a
 * length is given once, as digits alone; a length and a transfer coding exclude each other. It
 * holds no more than its two limits, whatever the client announces.
 *
 * It knows neither deadlines nor what a request means.
 */
#ifndef INGOT_NODE_RPC_HTTP_H
#define INGOT_NODE_RPC_HTTP_H

#include <ingot/types.h>

enum http_method { HTTP_GET, HTTP_POST };

enum http_state {
    HTTP_READING_HEAD,
    HTTP_READING_BODY,       /* as many bytes as Content-Length says */
    HTTP_READING_CHUNK_SIZE, /* of a chunked body: the line with the size */
    HTTP_READING_CHUNK,      /* the bytes of a chunk */
    HTTP_READING_CHUNK_END,  /* the CR LF behind them */
    HTTP_READING_LAST_LINE,  /* the empty line behind the last chunk */
    HTTP_COMPLETE,
    HTTP_FAILED /* `status` and `why` say how to answer; the connection cannot be used again */
};

struct http_request {
    enum http_state state;
    size_t head_bytes_max;
    size_t body_bytes_max;

    /* Valid from the end of the head on. */
    enum http_method method;
    bool keep_alive;          /* the client lets us keep the connection */
    bool expects_continue;    /* the client waits for "100 Continue" before it sends the body */
    struct ingot_slice path;  /* of the target, still percent-encoded; points into `head` */
    struct ingot_slice query; /* behind the question mark, empty if there is none */

    /* Valid when complete. */
    struct ingot_buffer body;

    /* HTTP_FAILED. */
    int status;
    const char *why; /* static */

    /* Inside. */
    struct ingot_buffer head; /* all lines with their ends */
    size_t line_start;        /* in `head` */
    struct ingot_buffer line; /* of a chunked body: the present line between chunks */
    uint64_t remaining;       /* of the body or of the chunk */
};

void http_request_init(struct http_request *request, size_t head_bytes_max, size_t body_bytes_max);
void http_request_deinit(struct http_request *request);
/* Empties the body of a complete request that is not needed any more; frees it if it is big. */
void http_request_drop_body(struct http_request *request);
/* Gets ready for the next request of the connection. Keeps small buffers, frees big ones. */
void http_request_reset(struct http_request *request);

/*
 * Takes bytes until the request is complete or has failed. Returns how many it took: what is left
 * belongs to the next request.
 */
size_t http_request_feed(struct http_request *request, struct ingot_slice bytes);

/*
 * The same without a copy: while a body of known length arrives, how many bytes of it are still to
 * come (0 at any other time), room for that many of them or less, and that so many were put there.
 */
size_t http_request_body_missing(const struct http_request *request);
uint8_t *http_request_body_room(struct http_request *request, size_t size);
void http_request_body_put(struct http_request *request, size_t size);

/* Has nothing of a request arrived yet? */
bool http_request_is_empty(const struct http_request *request);

/* Appends the status line and the header of an answer with a body of so many bytes. */
void http_response_head(struct ingot_buffer *text, int status, const char *content_type,
                        size_t body_bytes, bool keep_alive);
/* "Not Found" for 404. Static. */
const char *http_status_text(int status);

/*
 * Finds an argument of a query string and appends it with %XX and + decoded. False when there is
 * none of this name; `*valid` is false when its percent-encoding is broken.
 */
bool http_query_find(struct ingot_slice query, const char *name, struct ingot_buffer *value,
                     bool *valid);

#endif
