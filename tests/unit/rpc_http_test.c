/*
 * The request parser. Every request of the table is fed at once, byte by byte, and in two pieces
 * cut at every place; the outcome must not depend on it.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "node/rpc_http.h"

#define HEAD_MAX 512
#define BODY_MAX 64
#define HOST "Host: x\r\n"
#define COMPLETE 200

struct row {
    const char *why;
    const char *text;
    int status; /* COMPLETE, or that of the refusal; 0: more is awaited */
    const char *path;
    const char *query;
    const char *body;
    bool keep_alive;
};

static const struct row rows[] = {
    {"the plainest request", "GET / HTTP/1.1\r\n" HOST "\r\n", COMPLETE, "/", "", "", true},
    {"a query with what curl leaves unescaped", "GET /tx?tx=\"a=b\"&c HTTP/1.1\r\n" HOST "\r\n",
     COMPLETE, "/tx", "tx=\"a=b\"&c", "", true},
    {"an empty line before the request is skipped", "\r\nGET / HTTP/1.1\r\n" HOST "\r\n", COMPLETE,
     "/", "", "", true},
    {"the absolute form is for servers too", "GET http://h:1/p?q HTTP/1.1\r\n" HOST "\r\n",
     COMPLETE, "/p", "q", "", true},
    {"close is obeyed", "GET / HTTP/1.1\r\n" HOST "Connection: x, CLOSE\r\n\r\n", COMPLETE, "/", "",
     "", false},
    {"HTTP/1.0 closes", "GET / HTTP/1.0\r\n\r\n", COMPLETE, "/", "", "", false},
    {"HTTP/1.0 may ask for more", "GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", COMPLETE, "/",
     "", "", true},
    {"a body by its length", "POST / HTTP/1.1\r\n" HOST "Content-Length: 5\r\n\r\nhello", COMPLETE,
     "/", "", "hello", true},
    {"a body by its chunks",
     "POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: Chunked\r\n\r\n"
     "3\r\nhel\r\n02;name=\"v\"\r\nlo\r\n0\r\n\r\n",
     COMPLETE, "/", "", "hello", true},
    {"a POST without a body", "POST / HTTP/1.1\r\n" HOST "\r\n", COMPLETE, "/", "", "", true},
    {"a GET whose length is zero", "GET / HTTP/1.1\r\n" HOST "Content-Length: 0\r\n\r\n", COMPLETE,
     "/", "", "", true},
    {"spaces around a value are not part of it",
     "POST / HTTP/1.1\r\n" HOST "Content-Length: \t 2 \t\r\n\r\nok", COMPLETE, "/", "", "ok", true},

    {"a head that is not complete", "GET / HTTP/1.1\r\n" HOST "\r", 0, NULL, NULL, NULL, false},
    {"a body that is not complete", "POST / HTTP/1.1\r\n" HOST "Content-Length: 5\r\n\r\nhell", 0,
     NULL, NULL, NULL, false},
    {"chunks that are not complete",
     "POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n", 0, NULL,
     NULL, NULL, false},

    {"smuggling: a length and a coding",
     "POST / HTTP/1.1\r\n" HOST "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n", 400,
     NULL, NULL, NULL, false},
    {"smuggling: a coding and a length",
     "POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n", 400,
     NULL, NULL, NULL, false},
    {"smuggling: two lengths",
     "POST / HTTP/1.1\r\n" HOST "Content-Length: 5\r\nContent-Length: 6\r\n\r\n", 400, NULL, NULL,
     NULL, false},
    {"smuggling: the same length twice",
     "POST / HTTP/1.1\r\n" HOST "Content-Length: 5\r\nContent-Length: 5\r\n\r\n", 400, NULL, NULL,
     NULL, false},
    {"smuggling: a list of lengths", "POST / HTTP/1.1\r\n" HOST "Content-Length: 5, 5\r\n\r\n", 400,
     NULL, NULL, NULL, false},
    {"smuggling: a signed length", "POST / HTTP/1.1\r\n" HOST "Content-Length: +5\r\n\r\n", 400,
     NULL, NULL, NULL, false},
    {"smuggling: a negative length", "POST / HTTP/1.1\r\n" HOST "Content-Length: -5\r\n\r\n", 400,
     NULL, NULL, NULL, false},
    {"smuggling: a hexadecimal length", "POST / HTTP/1.1\r\n" HOST "Content-Length: 0x5\r\n\r\n",
     400, NULL, NULL, NULL, false},
    {"smuggling: no length", "POST / HTTP/1.1\r\n" HOST "Content-Length:\r\n\r\n", 400, NULL, NULL,
     NULL, false},
    {"smuggling: a length beyond 64 bits",
     "POST / HTTP/1.1\r\n" HOST "Content-Length: 18446744073709551617\r\n\r\n", 400, NULL, NULL,
     NULL, false},
    {"smuggling: a space before the colon", "POST / HTTP/1.1\r\n" HOST "Content-Length : 5\r\n\r\n",
     400, NULL, NULL, NULL, false},
    {"smuggling: a folded line", "POST / HTTP/1.1\r\n" HOST "A: b\r\n Content-Length: 5\r\n\r\n",
     400, NULL, NULL, NULL, false},
    {"smuggling: a line that ends with LF alone",
     "POST / HTTP/1.1\r\n" HOST "A: b\nContent-Length: 5\r\n\r\n", 400, NULL, NULL, NULL, false},
    {"smuggling: a CR within a value",
     "GET / HTTP/1.1\r\n" HOST "A: b\rTransfer-Encoding: chunked\r\n\r\n", 400, NULL, NULL, NULL,
     false},
    {"smuggling: an unknown coding",
     "POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: xchunked\r\n\r\n", 501, NULL, NULL, NULL,
     false},
    {"smuggling: a list of codings",
     "POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: gzip, chunked\r\n\r\n", 501, NULL, NULL, NULL,
     false},
    {"smuggling: chunked twice",
     "POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n",
     400, NULL, NULL, NULL, false},
    {"smuggling: chunks in HTTP/1.0", "POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n", 400,
     NULL, NULL, NULL, false},
    {"smuggling: a chunk longer than its size",
     "POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n2\r\nhello\r\n0\r\n\r\n", 400,
     NULL, NULL, NULL, false},
    {"smuggling: a signed chunk size",
     "POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n+2\r\nok\r\n0\r\n\r\n", 400,
     NULL, NULL, NULL, false},
    {"smuggling: a chunk size with a space",
     "POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n2 \r\nok\r\n0\r\n\r\n", 400,
     NULL, NULL, NULL, false},
    {"smuggling: a chunk size beyond 32 bits",
     "POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n100000002\r\nok\r\n0\r\n\r\n",
     400, NULL, NULL, NULL, false},
    {"smuggling: trailers",
     "POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n0\r\nContent-Length: 5\r\n\r\n",
     400, NULL, NULL, NULL, false},
    {"smuggling: a GET with a body", "GET / HTTP/1.1\r\n" HOST "Content-Length: 5\r\n\r\nhello",
     400, NULL, NULL, NULL, false},
    {"smuggling: a NUL in a header", NULL, 400, NULL, NULL, NULL, false},

    {"no Host", "GET / HTTP/1.1\r\n\r\n", 400, NULL, NULL, NULL, false},
    {"two Hosts", "GET / HTTP/1.1\r\n" HOST HOST "\r\n", 400, NULL, NULL, NULL, false},
    {"a header without a name", "GET / HTTP/1.1\r\n" HOST ": x\r\n\r\n", 400, NULL, NULL, NULL,
     false},
    {"a header without a colon", "GET / HTTP/1.1\r\n" HOST "x\r\n\r\n", 400, NULL, NULL, NULL,
     false},
    {"a method that is not offered", "PUT / HTTP/1.1\r\n" HOST "\r\n", 405, NULL, NULL, NULL,
     false},
    {"methods are case-sensitive", "get / HTTP/1.1\r\n" HOST "\r\n", 405, NULL, NULL, NULL, false},
    {"no method", " / HTTP/1.1\r\n" HOST "\r\n", 400, NULL, NULL, NULL, false},
    {"no target", "GET  HTTP/1.1\r\n" HOST "\r\n", 400, NULL, NULL, NULL, false},
    {"a target with a space", "GET /a b HTTP/1.1\r\n" HOST "\r\n", 400, NULL, NULL, NULL, false},
    {"a target that is no path", "GET * HTTP/1.1\r\n" HOST "\r\n", 400, NULL, NULL, NULL, false},
    {"a target with a fragment", "GET /a#b HTTP/1.1\r\n" HOST "\r\n", 400, NULL, NULL, NULL, false},
    {"a target with no path behind its host", "GET http://h HTTP/1.1\r\n" HOST "\r\n", 400, NULL,
     NULL, NULL, false},
    {"no version", "GET /\r\n" HOST "\r\n", 400, NULL, NULL, NULL, false},
    {"HTTP/2", "PRI / HTTP/2.0\r\n\r\n", 505, NULL, NULL, NULL, false},
    {"TLS on a plain port, before any end of line", "\x16\x03\x01\x02", 400, NULL, NULL, NULL,
     false},
    {"a body above the limit", "POST / HTTP/1.1\r\n" HOST "Content-Length: 65\r\n\r\n", 413, NULL,
     NULL, NULL, false},
    {"chunks above the limit together",
     "POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n"
     "20\r\n0123456789abcdef0123456789abcdef\r\n21\r\n",
     413, NULL, NULL, NULL, false},
    {"an expectation that is not known", "POST / HTTP/1.1\r\n" HOST "Expect: 200-ok\r\n\r\n", 417,
     NULL, NULL, NULL, false},
};

static const char with_nul[] = "GET / HTTP/1.1\r\n" HOST "A: b\0c\r\n\r\n";

static struct ingot_slice text_of(const struct row *row)
{
    return row->text == NULL ? ingot_slice_of(with_nul, sizeof with_nul - 1)
                             : ingot_slice_of_text(row->text);
}

static void expect(const struct row *row, const struct http_request *request, size_t taken)
{
    if (row->status == 0) {
        assert_true(request->state != HTTP_COMPLETE && request->state != HTTP_FAILED);
        return;
    }
    if (row->status != COMPLETE) {
        assert_int_equal(request->state, HTTP_FAILED);
        assert_int_equal(request->status, row->status);
        assert_non_null(request->why);
        return;
    }
    assert_int_equal(request->state, HTTP_COMPLETE);
    assert_int_equal(taken, text_of(row).size);
    assert_true(ingot_slice_equal(request->path, ingot_slice_of_text(row->path)));
    assert_true(ingot_slice_equal(request->query, ingot_slice_of_text(row->query)));
    assert_true(
        ingot_slice_equal(ingot_buffer_slice(&request->body), ingot_slice_of_text(row->body)));
    assert_int_equal(request->keep_alive, row->keep_alive);
}

/* Hands in a piece; where the body can take it in place, and may, without a copy. */
static size_t hand_in(struct http_request *request, struct ingot_slice bytes, bool in_place)
{
    const size_t missing = http_request_body_missing(request);
    if (!in_place || missing == 0) {
        return http_request_feed(request, bytes);
    }
    const size_t size = bytes.size < missing ? bytes.size : missing;
    memcpy(http_request_body_room(request, size), bytes.data, size);
    http_request_body_put(request, size);
    return size;
}

/* Feeds the text in pieces that end at `cut`, each piece of at most `piece` bytes. */
static void feed(const struct row *row, size_t cut, size_t piece, bool in_place)
{
    struct http_request request;
    struct ingot_slice text = text_of(row);
    size_t taken = 0;
    http_request_init(&request, HEAD_MAX, BODY_MAX);
    assert_true(http_request_is_empty(&request));
    while (taken < text.size) {
        size_t end = taken < cut ? cut : text.size;
        size_t size = end - taken < piece ? end - taken : piece;
        size_t now = hand_in(&request, ingot_slice_of(text.data + taken, size), in_place);
        taken += now;
        if (now < size) {
            break;
        }
    }
    expect(row, &request, taken);
    http_request_deinit(&request);
}

static void a_request_is_understood_the_same_however_it_arrives(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        size_t size = text_of(&rows[i]).size;
        print_message("%s\n", rows[i].why);
        feed(&rows[i], size, size, false);
        feed(&rows[i], size, 1, false);
        feed(&rows[i], size, 1, true);
        for (size_t cut = 1; cut < size; cut++) {
            feed(&rows[i], cut, size, false);
            feed(&rows[i], cut, size, true);
        }
    }
}

static void what_follows_a_request_is_left_for_the_next(void **state)
{
    static const char text[] = "POST /a HTTP/1.1\r\n" HOST "Content-Length: 2\r\n\r\nok"
                               "GET /b HTTP/1.1\r\n" HOST "\r\n";
    struct http_request request;
    (void)state;
    http_request_init(&request, HEAD_MAX, BODY_MAX);
    size_t taken = http_request_feed(&request, ingot_slice_of_text(text));
    assert_int_equal(request.state, HTTP_COMPLETE);
    assert_true(ingot_slice_equal(request.path, ingot_slice_of_text("/a")));
    http_request_reset(&request);
    assert_true(http_request_is_empty(&request));
    taken += http_request_feed(&request, ingot_slice_of_text(text + taken));
    assert_int_equal(request.state, HTTP_COMPLETE);
    assert_int_equal(taken, strlen(text));
    assert_true(ingot_slice_equal(request.path, ingot_slice_of_text("/b")));
    assert_int_equal(request.body.size, 0);
    http_request_deinit(&request);
}

/* Feeds `unit` again and again, behind a request line; the state when it stops. */
static void feed_endlessly(struct http_request *request, const char *unit)
{
    http_request_init(request, HEAD_MAX, BODY_MAX);
    (void)http_request_feed(request, ingot_slice_of_text("GET / HTTP/1.1\r\n"));
    for (int i = 0; i < 100000 && request->state != HTTP_FAILED; i++) {
        (void)http_request_feed(request, ingot_slice_of_text(unit));
    }
}

static void a_head_without_end_is_refused_at_its_limit(void **state)
{
    struct http_request request;
    (void)state;
    feed_endlessly(&request, "a");
    assert_int_equal(request.status, 431);
    assert_true(request.head.size <= HEAD_MAX);
    http_request_deinit(&request);
    feed_endlessly(&request, "a: b\r\n");
    assert_int_equal(request.status, 431);
    assert_true(request.head.size <= HEAD_MAX);
    http_request_deinit(&request);
}

static void too_many_headers_are_refused(void **state)
{
    struct http_request request;
    (void)state;
    http_request_init(&request, 64 * 1024, BODY_MAX);
    (void)http_request_feed(&request, ingot_slice_of_text("GET / HTTP/1.1\r\n" HOST));
    for (int i = 0; i < 200; i++) {
        (void)http_request_feed(&request, ingot_slice_of_text("a: b\r\n"));
    }
    (void)http_request_feed(&request, ingot_slice_of_text("\r\n"));
    assert_int_equal(request.state, HTTP_FAILED);
    assert_int_equal(request.status, 431);
    http_request_deinit(&request);
}

static void a_chunk_line_without_end_is_refused_at_its_limit(void **state)
{
    struct http_request request;
    (void)state;
    http_request_init(&request, HEAD_MAX, BODY_MAX);
    (void)http_request_feed(&request, ingot_slice_of_text("POST / HTTP/1.1\r\n" HOST
                                                          "Transfer-Encoding: chunked\r\n\r\n2;"));
    for (int i = 0; i < 100000 && request.state != HTTP_FAILED; i++) {
        (void)http_request_feed(&request, ingot_slice_of_text("x"));
    }
    assert_int_equal(request.state, HTTP_FAILED);
    assert_true(request.line.size <= 4096);
    http_request_deinit(&request);
}

static void an_expectation_is_noted_where_a_body_follows(void **state)
{
    struct http_request request;
    (void)state;
    http_request_init(&request, HEAD_MAX, BODY_MAX);
    (void)http_request_feed(&request,
                            ingot_slice_of_text("POST / HTTP/1.1\r\n" HOST "Content-Length: 2\r\n"
                                                "Expect: 100-continue\r\n\r\n"));
    assert_int_equal(request.state, HTTP_READING_BODY);
    assert_true(request.expects_continue);
    http_request_deinit(&request);
}

static void arguments_of_a_query_are_found_and_decoded(void **state)
{
    static const struct {
        const char *why, *query, *name;
        bool is_found, is_valid;
        const char *value;
    } table[] = {
        {"alone", "a=1", "a", true, true, "1"},
        {"in the middle", "x=0&a=1&y=2", "a", true, true, "1"},
        {"the value may have equal signs", "a=\"b=c\"", "a", true, true, "\"b=c\""},
        {"percent and plus", "a=%22x%20y+z%22", "a", true, true, "\"x y z\""},
        {"without a value", "a", "a", true, true, ""},
        {"the first one counts", "a=1&a=2", "a", true, true, "1"},
        {"a name's prefix is another name", "ab=1", "a", false, true, ""},
        {"none", "", "a", false, true, ""},
        {"a percent at the end", "a=%2", "a", true, false, ""},
        {"a percent without digits", "a=%zz", "a", true, false, ""},
    };
    (void)state;
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        struct ingot_buffer value = {0};
        bool is_valid = false;
        print_message("%s\n", table[i].why);
        assert_int_equal(
            http_query_find(ingot_slice_of_text(table[i].query), table[i].name, &value, &is_valid),
            table[i].is_found);
        assert_int_equal(is_valid, table[i].is_valid);
        if (is_valid) {
            assert_true(
                ingot_slice_equal(ingot_buffer_slice(&value), ingot_slice_of_text(table[i].value)));
        }
        ingot_buffer_deinit(&value);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_request_is_understood_the_same_however_it_arrives),
        cmocka_unit_test(what_follows_a_request_is_left_for_the_next),
        cmocka_unit_test(a_head_without_end_is_refused_at_its_limit),
        cmocka_unit_test(too_many_headers_are_refused),
        cmocka_unit_test(a_chunk_line_without_end_is_refused_at_its_limit),
        cmocka_unit_test(an_expectation_is_noted_where_a_body_follows),
        cmocka_unit_test(arguments_of_a_query_are_found_and_decoded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
