/*
 * The HTTP request parser. The head is gathered line by line and understood as a whole when its
 * empty line arrives; the body goes straight to its buffer.
 */
#include "node/rpc_http.h"

#include <string.h>
#include <strings.h>

#include "base/assert.h"

#define HEADERS_MAX 100
#define CHUNK_LINE_BYTES_MAX 256
/* Buffers of an idle connection that are bigger than this are given back. */
#define BUFFER_BYTES_KEPT (16 * 1024)

void http_request_init(struct http_request *request, size_t head_bytes_max, size_t body_bytes_max)
{
    *request =
        (struct http_request){.head_bytes_max = head_bytes_max, .body_bytes_max = body_bytes_max};
}

void http_request_deinit(struct http_request *request)
{
    ingot_buffer_deinit(&request->head);
    ingot_buffer_deinit(&request->line);
    ingot_buffer_deinit(&request->body);
}

static void empty_buffer(struct ingot_buffer *buffer)
{
    if (buffer->capacity > BUFFER_BYTES_KEPT) {
        ingot_buffer_deinit(buffer);
    } else {
        ingot_buffer_clear(buffer);
    }
}

void http_request_drop_body(struct http_request *request)
{
    empty_buffer(&request->body);
}

void http_request_reset(struct http_request *request)
{
    struct ingot_buffer head = request->head;
    struct ingot_buffer body = request->body;
    ingot_buffer_deinit(&request->line);
    empty_buffer(&head);
    empty_buffer(&body);
    http_request_init(request, request->head_bytes_max, request->body_bytes_max);
    request->head = head;
    request->body = body;
}

bool http_request_is_empty(const struct http_request *request)
{
    return request->state == HTTP_READING_HEAD && request->head.size == 0;
}

static void fail(struct http_request *request, int status, const char *why)
{
    request->state = HTTP_FAILED;
    request->status = status;
    request->why = why;
}

/* The `tchar` of RFC 9110, section 5.6.2. */
static bool is_token_byte(uint8_t byte)
{
    return (byte >= '0' && byte <= '9') || (byte >= 'a' && byte <= 'z') ||
           (byte >= 'A' && byte <= 'Z') || (byte != 0 && strchr("!#$%&'*+-.^_`|~", byte) != NULL);
}

static bool is_token(struct ingot_slice text)
{
    for (size_t i = 0; i < text.size; i++) {
        if (!is_token_byte(text.data[i])) {
            return false;
        }
    }
    return text.size > 0;
}

static bool text_is(struct ingot_slice text, const char *expected)
{
    return text.size == strlen(expected) &&
           strncasecmp((const char *)text.data, expected, text.size) == 0;
}

/* Takes what stands before the separator off the front; all of it if there is none. */
static struct ingot_slice split(struct ingot_slice *rest, uint8_t separator)
{
    const uint8_t *end = rest->size == 0 ? NULL : memchr(rest->data, separator, rest->size);
    struct ingot_slice part = *rest;
    if (end == NULL) {
        *rest = (struct ingot_slice){0};
        return part;
    }
    part.size = (size_t)(end - rest->data);
    rest->data += part.size + 1;
    rest->size -= part.size + 1;
    return part;
}

static struct ingot_slice trim(struct ingot_slice text)
{
    while (text.size > 0 && (text.data[0] == ' ' || text.data[0] == '\t')) {
        text.data++;
        text.size--;
    }
    while (text.size > 0 && (text.data[text.size - 1] == ' ' || text.data[text.size - 1] == '\t')) {
        text.size--;
    }
    return text;
}

/* What the header lines said, before it is judged as a whole. */
struct framing {
    bool is_http_1_0;
    bool has_host;
    bool has_length;
    uint64_t length;
    bool is_chunked;
    bool wants_close;
    bool wants_keep_alive;
    bool expects_continue;
};

static void read_target(struct http_request *request, struct ingot_slice target)
{
    static const char scheme[] = "http://";
    for (size_t i = 0; i < target.size; i++) {
        if (target.data[i] <= ' ' || target.data[i] == 0x7f || target.data[i] == '#') {
            fail(request, 400, "the target has a byte that no target may have");
            return;
        }
    }
    /* The absolute form is meant for proxies, but every server has to understand it. */
    if (target.size > sizeof scheme - 1 &&
        strncasecmp((const char *)target.data, scheme, sizeof scheme - 1) == 0) {
        struct ingot_slice rest = {target.data + sizeof scheme - 1,
                                   target.size - sizeof scheme + 1};
        const uint8_t *path = memchr(rest.data, '/', rest.size);
        if (path == NULL) {
            fail(request, 400, "the target has no path");
            return;
        }
        target.size -= (size_t)(path - target.data);
        target.data = path;
    }
    if (target.size == 0 || target.data[0] != '/') {
        fail(request, 400, "the target has to begin with a slash");
        return;
    }
    request->query = target;
    request->path = split(&request->query, '?');
}

static void read_request_line(struct http_request *request, struct ingot_slice line,
                              struct framing *framing)
{
    struct ingot_slice rest = line;
    struct ingot_slice method = split(&rest, ' ');
    struct ingot_slice target = split(&rest, ' ');
    struct ingot_slice version = rest;
    if (!is_token(method) || target.size == 0) {
        fail(request, 400, "the request line has to be: method, target, version");
        return;
    }
    if (version.size != 8 || memcmp(version.data, "HTTP/", 5) != 0 || version.data[6] != '.') {
        fail(request, 400, "the request line has to end with the version HTTP/1.1");
        return;
    }
    if (version.data[5] != '1' || (version.data[7] != '0' && version.data[7] != '1')) {
        fail(request, 505, "the version has to be HTTP/1.1 or HTTP/1.0");
        return;
    }
    framing->is_http_1_0 = version.data[7] == '0';
    if (ingot_slice_equal(method, ingot_slice_of_text("GET"))) {
        request->method = HTTP_GET;
    } else if (ingot_slice_equal(method, ingot_slice_of_text("POST"))) {
        request->method = HTTP_POST;
    } else {
        fail(request, 405, "the methods are GET and POST");
        return;
    }
    read_target(request, target);
}

static void read_content_length(struct http_request *request, struct ingot_slice value,
                                struct framing *framing)
{
    uint64_t length = 0;
    if (framing->has_length) {
        fail(request, 400, "Content-Length is given twice");
        return;
    }
    if (value.size == 0 || value.size > 18) {
        fail(request, 400, "Content-Length has to be a number");
        return;
    }
    for (size_t i = 0; i < value.size; i++) {
        if (value.data[i] < '0' || value.data[i] > '9') {
            fail(request, 400, "Content-Length has to be a number");
            return;
        }
        length = length * 10 + (uint64_t)(value.data[i] - '0');
    }
    framing->has_length = true;
    framing->length = length;
}

static void read_connection(struct ingot_slice value, struct framing *framing)
{
    while (value.size > 0) {
        struct ingot_slice option = trim(split(&value, ','));
        framing->wants_close = framing->wants_close || text_is(option, "close");
        framing->wants_keep_alive = framing->wants_keep_alive || text_is(option, "keep-alive");
    }
}

static void read_header(struct http_request *request, struct ingot_slice line,
                        struct framing *framing)
{
    struct ingot_slice value = line;
    struct ingot_slice name = split(&value, ':');
    if (name.size == line.size || !is_token(name)) {
        fail(request, 400, "a header line has to be: name, colon, value");
        return;
    }
    value = trim(value);
    for (size_t i = 0; i < value.size; i++) {
        if ((value.data[i] < ' ' && value.data[i] != '\t') || value.data[i] == 0x7f) {
            fail(request, 400, "a header has a control character");
            return;
        }
    }
    if (text_is(name, "content-length")) {
        read_content_length(request, value, framing);
    } else if (text_is(name, "transfer-encoding")) {
        if (framing->is_chunked) {
            fail(request, 400, "Transfer-Encoding is given twice");
        } else if (!text_is(value, "chunked")) {
            fail(request, 501, "the only transfer coding is chunked");
        }
        framing->is_chunked = true;
    } else if (text_is(name, "host")) {
        if (framing->has_host) {
            fail(request, 400, "Host is given twice");
        }
        framing->has_host = true;
    } else if (text_is(name, "connection")) {
        read_connection(value, framing);
    } else if (text_is(name, "expect")) {
        if (!text_is(value, "100-continue")) {
            fail(request, 417, "the only expectation is 100-continue");
        }
        framing->expects_continue = true;
    }
}

/* Judges the framing as a whole and enters the body. */
static void begin_body(struct http_request *request, const struct framing *framing)
{
    if (framing->is_chunked && framing->has_length) {
        fail(request, 400, "Content-Length and Transfer-Encoding exclude each other");
    } else if (framing->is_chunked && framing->is_http_1_0) {
        fail(request, 400, "HTTP/1.0 has no transfer codings");
    } else if (!framing->has_host && !framing->is_http_1_0) {
        fail(request, 400, "Host is missing");
    } else if (request->method == HTTP_GET && (framing->is_chunked || framing->length > 0)) {
        fail(request, 400, "a GET request has no body here");
    } else if (framing->length > request->body_bytes_max) {
        fail(request, 413, "the body is too large");
    } else {
        request->keep_alive =
            framing->is_http_1_0 ? framing->wants_keep_alive : !framing->wants_close;
        request->remaining = framing->length;
        request->state = framing->is_chunked    ? HTTP_READING_CHUNK_SIZE
                         : framing->length == 0 ? HTTP_COMPLETE
                                                : HTTP_READING_BODY;
        request->expects_continue =
            framing->expects_continue && !framing->is_http_1_0 && request->state != HTTP_COMPLETE;
    }
}

static void read_head(struct http_request *request)
{
    struct framing framing = {0};
    struct ingot_slice rest = ingot_buffer_slice(&request->head);
    uint32_t count = 0;
    while (rest.size > 0 && request->state != HTTP_FAILED) {
        struct ingot_slice line = split(&rest, '\n');
        INGOT_ASSERT(line.size > 0);
        line.size--; /* the CR */
        if (line.size == 0) {
            break;
        }
        if (count == 0) {
            read_request_line(request, line, &framing);
        } else if (count > HEADERS_MAX) {
            fail(request, 431, "too many headers");
        } else {
            read_header(request, line, &framing);
        }
        count++;
    }
    if (request->state != HTTP_FAILED) {
        begin_body(request, &framing);
    }
}

/*
 * Appends one line's bytes to a buffer in which the line begins at `start`. Returns how many it
 * took; `*ended` when the line is complete, CR LF included.
 */
static size_t take_line(struct http_request *request, struct ingot_buffer *buffer, size_t start,
                        size_t bytes_max, struct ingot_slice bytes, bool *ended)
{
    const uint8_t *newline = memchr(bytes.data, '\n', bytes.size);
    size_t taken = newline == NULL ? bytes.size : (size_t)(newline - bytes.data) + 1;
    *ended = false;
    if (taken > bytes_max - buffer->size) {
        fail(request, 431, "the header is too large");
        return taken;
    }
    ingot_buffer_append(buffer, bytes.data, taken);
    if (newline != NULL) {
        if (buffer->size < start + 2 || buffer->data[buffer->size - 2] != '\r') {
            fail(request, 400, "lines have to end with CR LF");
            return taken;
        }
        *ended = true;
    }
    return taken;
}

static size_t feed_head(struct http_request *request, struct ingot_slice bytes)
{
    bool ended;
    if (request->head.size == 0 && bytes.data[0] != '\r' && !is_token_byte(bytes.data[0])) {
        /* TLS, for one, might never come to the end of a line. */
        fail(request, 400, "this is not HTTP");
        return 0;
    }
    size_t taken = take_line(request, &request->head, request->line_start, request->head_bytes_max,
                             bytes, &ended);
    if (!ended) {
        return taken;
    }
    if (request->head.size == 2) {
        /* RFC 9112, section 2.2: an empty line before a request is skipped. */
        ingot_buffer_clear(&request->head);
    } else if (request->head.size == request->line_start + 2) {
        read_head(request);
    } else {
        request->line_start = request->head.size;
    }
    return taken;
}

static void count_body(struct http_request *request, size_t size, enum http_state next)
{
    request->remaining -= size;
    if (request->remaining == 0) {
        request->state = next;
    }
}

static size_t feed_body(struct http_request *request, struct ingot_slice bytes,
                        enum http_state next)
{
    size_t taken = bytes.size < request->remaining ? bytes.size : (size_t)request->remaining;
    ingot_buffer_append(&request->body, bytes.data, taken);
    count_body(request, taken, next);
    return taken;
}

size_t http_request_body_missing(const struct http_request *request)
{
    return request->state == HTTP_READING_BODY ? (size_t)request->remaining : 0;
}

uint8_t *http_request_body_room(struct http_request *request, size_t size)
{
    INGOT_ASSERT(size <= http_request_body_missing(request));
    ingot_buffer_reserve(&request->body, size);
    return request->body.data + request->body.size;
}

void http_request_body_put(struct http_request *request, size_t size)
{
    INGOT_ASSERT(size <= http_request_body_missing(request));
    request->body.size += size;
    count_body(request, size, HTTP_COMPLETE);
}

static void read_chunk_size(struct http_request *request, struct ingot_slice line)
{
    struct ingot_slice rest = {line.data, line.size - 2};
    struct ingot_slice digits = split(&rest, ';');
    uint64_t size = 0;
    if (digits.size == 0 || digits.size > 8) {
        fail(request, 400, "a chunk has to begin with its size");
        return;
    }
    for (size_t i = 0; i < digits.size; i++) {
        static const char hex[] = "0123456789abcdef";
        int byte = digits.data[i] >= 'A' && digits.data[i] <= 'F' ? digits.data[i] + 'a' - 'A'
                                                                  : digits.data[i];
        const char *digit = byte == 0 ? NULL : strchr(hex, byte);
        if (digit == NULL) {
            fail(request, 400, "a chunk has to begin with its size");
            return;
        }
        size = size * 16 + (uint64_t)(digit - hex);
    }
    if (size > request->body_bytes_max - request->body.size) {
        fail(request, 413, "the body is too large");
        return;
    }
    request->remaining = size;
    request->state = size == 0 ? HTTP_READING_LAST_LINE : HTTP_READING_CHUNK;
}

/* The lines before, behind and after the chunks. */
static size_t feed_chunked(struct http_request *request, struct ingot_slice bytes)
{
    bool ended;
    size_t taken = take_line(request, &request->line, 0, CHUNK_LINE_BYTES_MAX, bytes, &ended);
    if (!ended) {
        return taken;
    }
    bool is_empty = request->line.size == 2;
    if (request->state == HTTP_READING_CHUNK_SIZE) {
        read_chunk_size(request, ingot_buffer_slice(&request->line));
    } else if (request->state == HTTP_READING_CHUNK_END) {
        request->state = HTTP_READING_CHUNK_SIZE;
        if (!is_empty) {
            fail(request, 400, "a chunk is longer than its size");
        }
    } else {
        request->state = HTTP_COMPLETE;
        if (!is_empty) {
            fail(request, 400, "trailers are not accepted");
        }
    }
    ingot_buffer_clear(&request->line);
    return taken;
}

size_t http_request_feed(struct http_request *request, struct ingot_slice bytes)
{
    size_t taken = 0;
    while (taken < bytes.size) {
        struct ingot_slice rest = {bytes.data + taken, bytes.size - taken};
        switch (request->state) {
        case HTTP_READING_HEAD:
            taken += feed_head(request, rest);
            break;
        case HTTP_READING_BODY:
            taken += feed_body(request, rest, HTTP_COMPLETE);
            break;
        case HTTP_READING_CHUNK:
            taken += feed_body(request, rest, HTTP_READING_CHUNK_END);
            break;
        case HTTP_READING_CHUNK_SIZE:
        case HTTP_READING_CHUNK_END:
        case HTTP_READING_LAST_LINE:
            taken += feed_chunked(request, rest);
            break;
        case HTTP_COMPLETE:
        case HTTP_FAILED:
            return taken;
        }
    }
    return taken;
}

const char *http_status_text(int status)
{
    static const struct {
        int status;
        const char *text;
    } table[] = {
        {200, "OK"},
        {204, "No Content"},
        {400, "Bad Request"},
        {404, "Not Found"},
        {405, "Method Not Allowed"},
        {408, "Request Timeout"},
        {413, "Content Too Large"},
        {417, "Expectation Failed"},
        {431, "Request Header Fields Too Large"},
        {500, "Internal Server Error"},
        {501, "Not Implemented"},
        {503, "Service Unavailable"},
        {505, "HTTP Version Not Supported"},
    };
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        if (table[i].status == status) {
            return table[i].text;
        }
    }
    return "Unknown";
}

void http_response_head(struct ingot_buffer *text, int status, const char *content_type,
                        size_t body_bytes, bool keep_alive)
{
    ingot_buffer_format(text, "HTTP/1.1 %d %s\r\n", status, http_status_text(status));
    if (status != 204) {
        ingot_buffer_format(text, "Content-Type: %s\r\nContent-Length: %zu\r\n", content_type,
                            body_bytes);
    }
    if (status == 405) {
        ingot_buffer_format(text, "Allow: GET, POST\r\n");
    } else if (status == 503) {
        ingot_buffer_format(text, "Retry-After: 1\r\n");
    }
    ingot_buffer_format(text, "Connection: %s\r\n\r\n", keep_alive ? "keep-alive" : "close");
}

static int hex_digit(uint8_t byte)
{
    if (byte >= '0' && byte <= '9') {
        return byte - '0';
    }
    if (byte >= 'a' && byte <= 'f') {
        return byte - 'a' + 10;
    }
    return byte >= 'A' && byte <= 'F' ? byte - 'A' + 10 : -1;
}

static bool append_decoded(struct ingot_buffer *value, struct ingot_slice text)
{
    for (size_t i = 0; i < text.size; i++) {
        uint8_t byte = text.data[i];
        if (byte == '+') {
            byte = ' ';
        } else if (byte == '%') {
            int high = i + 2 < text.size ? hex_digit(text.data[i + 1]) : -1;
            int low = i + 2 < text.size ? hex_digit(text.data[i + 2]) : -1;
            if (high < 0 || low < 0) {
                return false;
            }
            byte = (uint8_t)(high * 16 + low);
            i += 2;
        }
        ingot_buffer_append_u8(value, byte);
    }
    return true;
}

bool http_query_find(struct ingot_slice query, const char *name, struct ingot_buffer *value,
                     bool *valid)
{
    *valid = true;
    while (query.size > 0) {
        struct ingot_slice text = split(&query, '&');
        struct ingot_slice key = split(&text, '=');
        if (ingot_slice_equal(key, ingot_slice_of_text(name))) {
            *valid = append_decoded(value, text);
            return true;
        }
    }
    return false;
}
