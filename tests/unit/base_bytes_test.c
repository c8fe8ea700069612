/*
 * Slices and buffers: order, growth, integers of fixed layout, and taking from the front without
 * ever reading past the end.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <ingot/bytes.h>
#include <stdlib.h>
#include <string.h>

static int sign(int value)
{
    return (value > 0) - (value < 0);
}

static void slices_are_ordered_bytewise_with_a_prefix_first(void **state)
{
    (void)state;
    static const struct {
        const char *a;
        const char *b;
        int order;
        const char *why;
    } rows[] = {
        {"", "", 0, "both empty"},
        {"", "a", -1, "empty comes first"},
        {"a", "ab", -1, "a prefix comes before its extension"},
        {"b", "ab", 1, "the first byte decides before the length"},
        {"\x7f", "\x80", -1, "bytes are unsigned"},
        {"abc", "abc", 0, "equal"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct ingot_slice a = ingot_slice_of_text(rows[i].a);
        struct ingot_slice b = ingot_slice_of_text(rows[i].b);
        if (sign(ingot_slice_compare(a, b)) != rows[i].order ||
            sign(ingot_slice_compare(b, a)) != -rows[i].order ||
            ingot_slice_equal(a, b) != (rows[i].order == 0))
            fail_msg("%s", rows[i].why);
    }
}

static void empty_slices_may_have_no_data(void **state)
{
    (void)state;
    struct ingot_slice nothing = {NULL, 0};
    struct ingot_slice taken;

    assert_true(ingot_slice_equal(nothing, ingot_slice_of_text("")));
    assert_int_equal(ingot_slice_compare(nothing, nothing), 0);
    assert_true(ingot_slice_take(&nothing, 0, &taken));
    assert_int_equal(taken.size, 0);
    assert_false(ingot_slice_take(&nothing, 1, &taken));
}

static void a_buffer_keeps_its_content_while_it_grows(void **state)
{
    (void)state;
    struct ingot_buffer buffer = {0};

    for (size_t i = 0; i < 10000; i++) {
        ingot_buffer_append_u8(&buffer, (uint8_t)(i * 7));
        assert_true(buffer.capacity >= buffer.size);
    }

    assert_int_equal(buffer.size, 10000);
    for (size_t i = 0; i < buffer.size; i++)
        assert_int_equal(buffer.data[i], (uint8_t)(i * 7));
    ingot_buffer_deinit(&buffer);
    assert_null(buffer.data);
    ingot_buffer_append_u8(&buffer, 1);
    assert_int_equal(buffer.size, 1);
    ingot_buffer_deinit(&buffer);
}

static void reserved_room_is_used_without_moving_the_content(void **state)
{
    (void)state;
    struct ingot_buffer buffer = {0};
    ingot_buffer_append(&buffer, "x", 1);

    ingot_buffer_reserve(&buffer, 5000);
    assert_int_equal(buffer.size, 1);
    const uint8_t *before = buffer.data;
    for (size_t i = 0; i < 5000; i++)
        ingot_buffer_append_u8(&buffer, 2);

    assert_ptr_equal(buffer.data, before);
    ingot_buffer_clear(&buffer);
    assert_int_equal(buffer.size, 0);
    assert_true(buffer.capacity >= 5001);
    ingot_buffer_deinit(&buffer);
}

static void integers_are_little_endian_and_come_back(void **state)
{
    (void)state;
    struct ingot_buffer buffer = {0};
    static const uint8_t expected[] = {0xfe, 4, 3, 2, 0x81, 8, 7, 6, 5, 4, 3, 2, 0xf1};

    ingot_buffer_append_u8(&buffer, 0xfe);
    ingot_buffer_append_u32(&buffer, UINT32_C(0x81020304));
    ingot_buffer_append_u64(&buffer, UINT64_C(0xf102030405060708));

    assert_int_equal(buffer.size, sizeof expected);
    assert_memory_equal(buffer.data, expected, sizeof expected);

    struct ingot_slice rest = ingot_buffer_slice(&buffer);
    uint8_t small;
    uint32_t middle;
    uint64_t large;
    assert_true(ingot_slice_take_u8(&rest, &small));
    assert_true(ingot_slice_take_u32(&rest, &middle));
    assert_true(ingot_slice_take_u64(&rest, &large));
    assert_int_equal(small, 0xfe);
    assert_int_equal(middle, UINT32_C(0x81020304));
    assert_true(large == UINT64_C(0xf102030405060708));
    assert_int_equal(rest.size, 0);
    ingot_buffer_deinit(&buffer);
}

static void taking_more_than_is_left_changes_nothing(void **state)
{
    (void)state;
    static const uint8_t bytes[] = {1, 2, 3, 4, 5, 6, 7};
    struct ingot_slice rest = ingot_slice_of(bytes, sizeof bytes);
    struct ingot_slice taken = {bytes, 1};
    uint64_t large = 42;
    uint32_t middle = 42;
    uint8_t small = 42;

    assert_false(ingot_slice_take_u64(&rest, &large));
    assert_false(ingot_slice_take(&rest, 8, &taken));
    assert_false(ingot_slice_take(&rest, SIZE_MAX, &taken));
    assert_ptr_equal(rest.data, bytes);
    assert_int_equal(rest.size, 7);
    assert_int_equal(taken.size, 1);
    assert_int_equal(large, 42);

    assert_true(ingot_slice_take(&rest, 4, &taken));
    assert_false(ingot_slice_take_u32(&rest, &middle));
    assert_int_equal(middle, 42);
    assert_true(ingot_slice_take(&rest, 3, &taken));
    assert_memory_equal(taken.data, bytes + 4, 3);
    assert_false(ingot_slice_take_u8(&rest, &small));
    assert_int_equal(small, 42);
}

static void formatted_text_is_appended_without_its_nul(void **state)
{
    (void)state;
    struct ingot_buffer buffer = {0};
    ingot_buffer_format(&buffer, "%s=", "height");
    ingot_buffer_format(&buffer, "%0*d", 300, 7);
    ingot_buffer_format(&buffer, "%s", "");

    assert_int_equal(buffer.size, 307);
    assert_memory_equal(buffer.data, "height=000", 10);
    assert_int_equal(buffer.data[306], '7');
    ingot_buffer_deinit(&buffer);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(slices_are_ordered_bytewise_with_a_prefix_first),
        cmocka_unit_test(empty_slices_may_have_no_data),
        cmocka_unit_test(a_buffer_keeps_its_content_while_it_grows),
        cmocka_unit_test(reserved_room_is_used_without_moving_the_content),
        cmocka_unit_test(integers_are_little_endian_and_come_back),
        cmocka_unit_test(taking_more_than_is_left_changes_nothing),
        cmocka_unit_test(formatted_text_is_appended_without_its_nul),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
