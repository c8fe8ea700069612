/*
 * The parser of HTTP answers. It holds no more than its limits, whatever the server announces.
 */
#include "cli/http_reply.h"

#include <string.h>
#include <strings.h>

void http_reply_init(struct http_reply *reply, size_t body_bytes_max)
{
    *reply = (struct http_reply){.body_bytes_max = body_bytes_max};
}

void http_reply_deinit(struct http_reply *reply)
{
    ingot_buffer_deinit(&reply->body);
    ingot_buffer_deinit(&reply->line);
}

void http_reply_reset(struct http_reply *reply)
{
    struct http_reply next = {
        .body_bytes_max = reply->body_bytes_max, .body = reply->body, .line = reply->line};
    *reply = next;
    ingot_buffer_clear(&reply->body);
    ingot_buffer_clear(&reply->line);
}

static void fail(struct http_reply *reply, const char *why)
{
    reply->state = HTTP_REPLY_BROKEN;
    reply->why = why;
}

/* Digits of a base of up to 16; false for none, others, or more than 2^48. */
static bool parse_number(struct ingot_slice text, uint32_t base, uint64_t *number)
{
    uint64_t value = 0;
    if (text.size == 0)
        return false;
    for (size_t i = 0; i < text.size; i++) {
        uint8_t c = text.data[i];
        uint32_t digit = c >= '0' && c <= '9'   ? (uint32_t)(c - '0')
                         : c >= 'a' && c <= 'f' ? (uint32_t)(c - 'a') + 10
                         : c >= 'A' && c <= 'F' ? (uint32_t)(c - 'A') + 10
                                                : 99;
        if (digit >= base || value > UINT64_C(1) << 48)
            return false;
        value = value * base + digit;
    }
    *number = value;
    return true;
}

static void take_status_line(struct http_reply *reply, struct ingot_slice line)
{
    uint64_t status = 0;
    if (line.size < 12 || memcmp(line.data, "HTTP/1.", 7) != 0 || line.data[8] != ' ' ||
        !parse_number((struct ingot_slice){line.data + 9, 3}, 10, &status) || status < 100 ||
        status > 599) {
        fail(reply, "it is not an HTTP/1.1 answer");
        return;
    }
    reply->status = (int)status;
    reply->closes = line.data[7] == '0';
    reply->state = HTTP_REPLY_HEADERS;
}

static bool name_is(struct ingot_slice name, const char *wanted)
{
    return name.size == strlen(wanted) &&
           strncasecmp((const char *)name.data, wanted, name.size) == 0;
}

static void take_header(struct http_reply *reply, struct ingot_slice line)
{
    const uint8_t *colon = memchr(line.data, ':', line.size);
    if (colon == NULL) {
        fail(reply, "a header line has no colon");
        return;
    }
    struct ingot_slice name = {line.data, (size_t)(colon - line.data)};
    struct ingot_slice value = {colon + 1, line.size - name.size - 1};
    while (value.size > 0 && (value.data[0] == ' ' || value.data[0] == '\t')) {
        value.data++;
        value.size--;
    }
    while (value.size > 0 && (value.data[value.size - 1] == ' '))
        value.size--;
    if (name_is(name, "content-length")) {
        if (!parse_number(value, 10, &reply->remaining))
            fail(reply, "its Content-Length is not a number");
        reply->has_length = true;
    } else if (name_is(name, "transfer-encoding")) {
        if (!name_is(value, "chunked"))
            fail(reply, "its Transfer-Encoding is not known");
        reply->is_chunked = true;
    } else if (name_is(name, "connection") && name_is(value, "close")) {
        reply->closes = true;
    }
}

static void take_head_end(struct http_reply *reply)
{
    if (reply->status < 200) {
        /* "100 Continue" and its like come before the answer itself. */
        http_reply_reset(reply);
    } else if (reply->is_chunked) {
        reply->state = HTTP_REPLY_CHUNK_SIZE;
    } else if (reply->has_length && reply->remaining > reply->body_bytes_max) {
        fail(reply, "it is larger than this program takes");
    } else if (reply->has_length) {
        reply->state = reply->remaining > 0 ? HTTP_REPLY_BODY : HTTP_REPLY_DONE;
    } else {
        reply->closes = true;
        reply->state = HTTP_REPLY_BODY_TO_END;
    }
}

static void take_chunk_size(struct http_reply *reply, struct ingot_slice line)
{
    const uint8_t *extension = line.size > 0 ? memchr(line.data, ';', line.size) : NULL;
    if (extension != NULL)
        line.size = (size_t)(extension - line.data);
    if (!parse_number(line, 16, &reply->remaining))
        fail(reply, "the size of a chunk is not a number");
    else if (reply->remaining > reply->body_bytes_max - reply->body.size)
        fail(reply, "it is larger than this program takes");
    else
        reply->state = reply->remaining > 0 ? HTTP_REPLY_CHUNK : HTTP_REPLY_TRAILERS;
}

static void take_line(struct http_reply *reply, struct ingot_slice line)
{
    switch (reply->state) {
    case HTTP_REPLY_STATUS:
        take_status_line(reply, line);
        break;
    case HTTP_REPLY_HEADERS:
        if (line.size > 0)
            take_header(reply, line);
        else
            take_head_end(reply);
        break;
    case HTTP_REPLY_CHUNK_SIZE:
        take_chunk_size(reply, line);
        break;
    case HTTP_REPLY_CHUNK_END:
        if (line.size > 0)
            fail(reply, "a chunk is longer than its size");
        else
            reply->state = HTTP_REPLY_CHUNK_SIZE;
        break;
    case HTTP_REPLY_TRAILERS:
        if (line.size == 0)
            reply->state = HTTP_REPLY_DONE;
        break;
    case HTTP_REPLY_BODY:
    case HTTP_REPLY_BODY_TO_END:
    case HTTP_REPLY_CHUNK:
    case HTTP_REPLY_DONE:
    case HTTP_REPLY_BROKEN:
        break;
    }
}

/* Collects a line; handles it once its end is there. */
static size_t feed_line(struct http_reply *reply, struct ingot_slice bytes)
{
    const uint8_t *end = memchr(bytes.data, '\n', bytes.size);
    size_t taken = end != NULL ? (size_t)(end - bytes.data) + 1 : bytes.size;
    reply->head_bytes =
        reply->state == HTTP_REPLY_CHUNK_SIZE || reply->state == HTTP_REPLY_CHUNK_END
            ? reply->line.size + taken
            : reply->head_bytes + taken;
    if (reply->head_bytes > HTTP_REPLY_HEAD_BYTES_MAX) {
        fail(reply, "its header is too large");
        return taken;
    }
    ingot_buffer_append(&reply->line, bytes.data, taken);
    if (end != NULL) {
        struct ingot_slice line = {reply->line.data, reply->line.size - 1};
        if (line.size > 0 && line.data[line.size - 1] == '\r')
            line.size--;
        reply->line.size = 0; /* the bytes stay until the next append */
        take_line(reply, line);
    }
    return taken;
}

static size_t feed_body(struct http_reply *reply, struct ingot_slice bytes)
{
    size_t taken = bytes.size < reply->remaining ? bytes.size : (size_t)reply->remaining;
    ingot_buffer_append(&reply->body, bytes.data, taken);
    reply->remaining -= taken;
    if (reply->remaining == 0)
        reply->state = reply->state == HTTP_REPLY_CHUNK ? HTTP_REPLY_CHUNK_END : HTTP_REPLY_DONE;
    return taken;
}

static size_t feed_once(struct http_reply *reply, struct ingot_slice bytes)
{
    switch (reply->state) {
    case HTTP_REPLY_STATUS:
    case HTTP_REPLY_HEADERS:
    case HTTP_REPLY_CHUNK_SIZE:
    case HTTP_REPLY_CHUNK_END:
    case HTTP_REPLY_TRAILERS:
        return feed_line(reply, bytes);
    case HTTP_REPLY_BODY:
    case HTTP_REPLY_CHUNK:
        return feed_body(reply, bytes);
    case HTTP_REPLY_BODY_TO_END:
        if (bytes.size > reply->body_bytes_max - reply->body.size)
            fail(reply, "it is larger than this program takes");
        else
            ingot_buffer_append_slice(&reply->body, bytes);
        return bytes.size;
    case HTTP_REPLY_DONE:
    case HTTP_REPLY_BROKEN:
        break;
    }
    return 0;
}

size_t http_reply_feed(struct http_reply *reply, struct ingot_slice bytes)
{
    size_t total = 0;
    while (bytes.size > 0 && reply->state != HTTP_REPLY_DONE && reply->state != HTTP_REPLY_BROKEN) {
        size_t taken = feed_once(reply, bytes);
        bytes.data += taken;
        bytes.size -= taken;
        total += taken;
    }
    return total;
}

void http_reply_end(struct http_reply *reply)
{
    if (reply->state == HTTP_REPLY_BODY_TO_END)
        reply->state = HTTP_REPLY_DONE;
    else if (reply->state != HTTP_REPLY_DONE && reply->state != HTTP_REPLY_BROKEN)
        fail(reply, "the connection ended in the middle of it");
}
