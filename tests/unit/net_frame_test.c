/*
 * Frames, the hello and the log limiter: pure functions, by tables.
 */
#include <event2/buffer.h>
#include <ingot/network.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "net/frame.h"
#include "net/limiter.h"

static void a_frame_is_its_length_in_little_endian_and_its_bytes(void **state)
{
    const uint8_t expected[] = {3, 0, 0, 0, 'a', 'b', 'c'};
    struct evbuffer *output = evbuffer_new();
    struct frame *shared = NULL;
    (void)state;

    net_frame_append(output, ingot_slice_of_text("abc"), &shared);

    assert_int_equal(evbuffer_get_length(output), sizeof expected);
    assert_memory_equal(evbuffer_pullup(output, -1), expected, sizeof expected);
    assert_null(shared);
    evbuffer_free(output);
}

static void a_large_frame_is_shared_between_queues_and_freed_with_the_last(void **state)
{
    static const uint8_t body[100000] = {1, 2, 3};
    struct evbuffer *first = evbuffer_new();
    struct evbuffer *second = evbuffer_new();
    struct frame *shared = NULL;
    (void)state;

    net_frame_append(first, ingot_slice_of(body, sizeof body), &shared);
    net_frame_append(second, ingot_slice_of(body, sizeof body), &shared);

    assert_non_null(shared);
    assert_int_equal(shared->references, 3);
    assert_ptr_equal(evbuffer_pullup(first, 4), shared->bytes);
    assert_ptr_equal(evbuffer_pullup(second, 4), shared->bytes);
    assert_int_equal(net_frame_body_size(shared->bytes), sizeof body);
    net_frame_release(shared);
    evbuffer_free(first);
    assert_int_equal(shared->references, 1);
    evbuffer_free(second);
}

/* How each row spoils a good hello: one byte at `offset` gets `value`, and `size` bytes are sent.
 */
struct hello_row {
    const char *why;
    size_t offset;
    size_t size;
    enum ingot_close_reason reason; /* INGOT_CLOSE_REASONS: accepted */
    uint8_t value;
};

static void a_hello_counts_only_as_exactly_what_it_should_be(void **state)
{
    const struct ingot_slice greeting = ingot_slice_of_text("a chain");
    const size_t size_at = HELLO_MAGIC_BYTES + 4 + 8;
    const struct hello_row rows[] = {
        {"as it is", 0, HELLO_BYTES, INGOT_CLOSE_REASONS, 'i'},
        {"empty", 0, 0, INGOT_CLOSE_HELLO_MALFORMED, 'i'},
        {"other magic", 0, HELLO_BYTES, INGOT_CLOSE_HELLO_MALFORMED, 'I'},
        {"magic alone", 0, HELLO_MAGIC_BYTES, INGOT_CLOSE_HELLO_MALFORMED, 'i'},
        {"other version", HELLO_MAGIC_BYTES, HELLO_BYTES, INGOT_CLOSE_VERSION, 2},
        {"other version, other layout", HELLO_MAGIC_BYTES, 20, INGOT_CLOSE_VERSION, 2},
        {"one byte short", 0, HELLO_BYTES - 1, INGOT_CLOSE_HELLO_MALFORMED, 'i'},
        {"greeting longer than the field", size_at, HELLO_BYTES, INGOT_CLOSE_HELLO_MALFORMED, 65},
        {"greeting of 255 bytes", size_at, HELLO_BYTES, INGOT_CLOSE_HELLO_MALFORMED, 255},
        {"padding in use", HELLO_BYTES - 1, HELLO_BYTES, INGOT_CLOSE_HELLO_MALFORMED, 1},
        {"greeting cut, the rest in the padding", size_at, HELLO_BYTES, INGOT_CLOSE_HELLO_MALFORMED,
         6},
        {"greeting with a zero more", size_at, HELLO_BYTES, INGOT_CLOSE_GREETING, 8},
        {"other greeting", size_at + 1, HELLO_BYTES, INGOT_CLOSE_GREETING, 'A'},
        {"other instance", HELLO_MAGIC_BYTES + 4, HELLO_BYTES, INGOT_CLOSE_REASONS, 1},
    };
    (void)state;

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        uint8_t hello[HELLO_BYTES];
        uint64_t instance = 0;
        enum ingot_close_reason reason = INGOT_CLOSE_REASONS;
        net_hello_encode(0x0102030405060708, greeting, hello);
        hello[rows[i].offset] = rows[i].value;
        bool accepted =
            net_hello_check(ingot_slice_of(hello, rows[i].size), greeting, &instance, &reason);
        if (accepted != (rows[i].reason == INGOT_CLOSE_REASONS) ||
            (!accepted && reason != rows[i].reason)) {
            fail_msg("%s: accepted %d, reason %s", rows[i].why, accepted,
                     ingot_close_reason_text(reason));
        }
    }
}

static void a_hello_carries_the_instance(void **state)
{
    uint8_t hello[HELLO_BYTES];
    uint64_t instance = 0;
    enum ingot_close_reason reason;
    (void)state;
    net_hello_encode(0x0102030405060708, ingot_slice_of_text("x"), hello);
    assert_true(net_hello_check(ingot_slice_of(hello, sizeof hello), ingot_slice_of_text("x"),
                                &instance, &reason));
    assert_true(instance == 0x0102030405060708);
}

static void every_reason_has_a_label_of_its_own(void **state)
{
    (void)state;
    for (int i = 0; i < INGOT_CLOSE_REASONS; i++) {
        const char *text = ingot_close_reason_text((enum ingot_close_reason)i);
        assert_string_not_equal(text, "unknown");
        for (int j = 0; j < i; j++) {
            assert_string_not_equal(text, ingot_close_reason_text((enum ingot_close_reason)j));
        }
    }
    assert_string_equal(ingot_close_reason_text(INGOT_CLOSE_REASONS), "unknown");
}

static void the_limiter_lets_a_burst_through_and_then_one_a_second(void **state)
{
    struct limiter limiter = {0};
    uint64_t now_us = 5000000000;
    int taken = 0;
    (void)state;
    for (int i = 0; i < 1000; i++) {
        taken += net_limiter_take(&limiter, now_us) ? 1 : 0;
    }
    assert_int_equal(taken, 10);
    assert_false(net_limiter_take(&limiter, now_us + 999999));
    assert_true(net_limiter_take(&limiter, now_us + 1000000));
    assert_false(net_limiter_take(&limiter, now_us + 1000000));
    assert_true(net_limiter_take(&limiter, now_us + 3600000000));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_frame_is_its_length_in_little_endian_and_its_bytes),
        cmocka_unit_test(a_large_frame_is_shared_between_queues_and_freed_with_the_last),
        cmocka_unit_test(a_hello_counts_only_as_exactly_what_it_should_be),
        cmocka_unit_test(a_hello_carries_the_instance),
        cmocka_unit_test(every_reason_has_a_label_of_its_own),
        cmocka_unit_test(the_limiter_lets_a_burst_through_and_then_one_a_second),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
