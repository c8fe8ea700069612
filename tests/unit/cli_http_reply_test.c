/*
 * Answers of HTTP servers. Goal: every legal form is read whatever pieces it comes in, and what is
 * not one ends in a reason, within the limits. Method: each text is fed whole, byte by byte, and in
 * two halves cut everywhere.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "cli/http_reply.h"

#define BODY_BYTES_MAX 64

/* Feeds a text in pieces of up to `piece` bytes after a first one of `first`; returns the rest. */
static size_t feed(struct http_reply *reply, const char *text, size_t first, size_t piece)
{
    size_t size = strlen(text);
    size_t at = 0;
    while (at < size) {
        size_t next = at == 0 && first > 0 ? first : piece;
        next = next < size - at ? next : size - at;
        size_t taken = http_reply_feed(reply, ingot_slice_of(text + at, next));
        at += taken;
        if (taken < next)
            break;
    }
    return size - at;
}

static void legal_answers_are_read_in_any_pieces(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        const char *body;
        int status;
        bool closes;
        const char *why;
    } rows[] = {
        {"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", "hello", 200, false, "a length"},
        {"HTTP/1.1 200 OK\nContent-Length: 5\n\nhello", "hello", 200, false, "bare line feeds"},
        {"HTTP/1.1 500 Internal Server Error\r\ncontent-length:2\r\nConnection: close\r\n\r\n{}",
         "{}", 500, true, "an error, other case, no blank, closing"},
        {"HTTP/1.1 204 No Content\r\nContent-Length: 0\r\n\r\n", "", 204, false, "no body"},
        {"HTTP/1.0 200 OK\r\nContent-Length: 1\r\n\r\nx", "x", 200, true, "HTTP/1.0 closes"},
        {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\nA;x=y\r\n0123456789\r\n"
         "0\r\nTrailer: x\r\n\r\n",
         "abc0123456789", 200, false, "chunks"},
        {"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\ny", "y", 200,
         false, "an interim answer first"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        for (size_t first = 0; first <= strlen(rows[i].text); first++) {
            struct http_reply reply;
            http_reply_init(&reply, BODY_BYTES_MAX);
            size_t left = feed(&reply, rows[i].text, first, first == 0 ? 1 : SIZE_MAX);
            if (reply.state != HTTP_REPLY_DONE || left != 0)
                fail_msg("%s, cut at %zu: state %d, %zu left", rows[i].why, first, (int)reply.state,
                         left);
            assert_int_equal(reply.status, rows[i].status);
            assert_int_equal(reply.closes, rows[i].closes);
            assert_true(ingot_slice_equal(ingot_buffer_slice(&reply.body),
                                          ingot_slice_of_text(rows[i].body)));
            http_reply_deinit(&reply);
        }
    }
}

static void what_is_no_answer_is_refused_with_a_reason(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        const char *why;
    } rows[] = {
        {"SSH-2.0-OpenSSH_9.2\r\n", "it is not an HTTP/1.1 answer"},
        {"HTTP/2 200\r\n", "it is not an HTTP/1.1 answer"},
        {"HTTP/1.1 2x0 OK\r\n", "it is not an HTTP/1.1 answer"},
        {"HTTP/1.1 200 OK\r\nno colon\r\n", "a header line has no colon"},
        {"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n", "its Content-Length is not a number"},
        {"HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999\r\n",
         "its Content-Length is not a number"},
        {"HTTP/1.1 200 OK\r\nContent-Length: 65\r\n\r\n", "it is larger than this program takes"},
        {"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n", "its Transfer-Encoding is not known"},
        {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nx\r\n",
         "the size of a chunk is not a number"},
        {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n41\r\n",
         "it is larger than this program takes"},
        {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n20\r\n"
         "0123456789abcdef0123456789abcdef\r\n21\r\n",
         "it is larger than this program takes"},
        {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nab\r\n",
         "a chunk is longer than its size"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct http_reply reply;
        http_reply_init(&reply, BODY_BYTES_MAX);
        (void)feed(&reply, rows[i].text, 0, 1);
        if (reply.state != HTTP_REPLY_BROKEN || strcmp(reply.why, rows[i].why) != 0)
            fail_msg("expected '%s' for: %s", rows[i].why, rows[i].text);
        http_reply_deinit(&reply);
    }
}

static void an_endless_head_is_given_up(void **state)
{
    (void)state;
    struct http_reply reply;
    http_reply_init(&reply, BODY_BYTES_MAX);
    (void)feed(&reply, "HTTP/1.1 200 OK\r\n", 0, SIZE_MAX);
    for (int i = 0; i < 10000 && reply.state != HTTP_REPLY_BROKEN; i++)
        (void)feed(&reply, "a: b\r\n", 0, SIZE_MAX);
    assert_int_equal(reply.state, HTTP_REPLY_BROKEN);
    assert_string_equal(reply.why, "its header is too large");
    http_reply_deinit(&reply);
}

static void an_early_end_is_no_answer_unless_the_end_is_the_length(void **state)
{
    (void)state;
    struct http_reply reply;
    http_reply_init(&reply, BODY_BYTES_MAX);
    (void)feed(&reply, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhell", 0, SIZE_MAX);
    http_reply_end(&reply);
    assert_int_equal(reply.state, HTTP_REPLY_BROKEN);
    http_reply_reset(&reply);
    (void)feed(&reply, "HTTP/1.1 200 OK\r\n\r\nhell", 0, SIZE_MAX);
    assert_true(reply.closes);
    http_reply_end(&reply);
    assert_int_equal(reply.state, HTTP_REPLY_DONE);
    assert_int_equal(reply.body.size, 4);
    http_reply_deinit(&reply);
}

static void bytes_of_the_next_answer_are_left(void **state)
{
    (void)state;
    struct http_reply reply;
    http_reply_init(&reply, BODY_BYTES_MAX);
    size_t left =
        feed(&reply, "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nxHTTP/1.1", 0, SIZE_MAX);
    assert_int_equal(reply.state, HTTP_REPLY_DONE);
    assert_int_equal(left, strlen("HTTP/1.1"));
    http_reply_deinit(&reply);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(legal_answers_are_read_in_any_pieces),
        cmocka_unit_test(what_is_no_answer_is_refused_with_a_reason),
        cmocka_unit_test(an_endless_head_is_given_up),
        cmocka_unit_test(an_early_end_is_no_answer_unless_the_end_is_the_length),
        cmocka_unit_test(bytes_of_the_next_answer_are_left),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
