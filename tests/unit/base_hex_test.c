/*
 * Hexadecimal text: what is written, and that decoding takes nothing but it.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <string.h>

#include "base/hex.h"

static void every_byte_is_written_and_read_back_in_both_cases(void **state)
{
    (void)state;
    uint8_t bytes[256];
    uint8_t decoded[256];
    char text[513];
    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = (uint8_t)i;

    hex_encode_lower(bytes, sizeof bytes, text);
    assert_int_equal(strlen(text), 512);
    assert_memory_equal(text + 2 * 0xa9, "a9aaabac", 8);
    assert_true(hex_decode(ingot_slice_of_text(text), decoded, sizeof decoded));
    assert_memory_equal(decoded, bytes, sizeof bytes);

    memset(decoded, 0, sizeof decoded);
    hex_encode_upper(bytes, sizeof bytes, text);
    assert_memory_equal(text + 2 * 0xa9, "A9AAABAC", 8);
    assert_true(hex_decode(ingot_slice_of_text(text), decoded, sizeof decoded));
    assert_memory_equal(decoded, bytes, sizeof bytes);
}

static void text_of_another_form_is_refused_and_leaves_the_bytes_alone(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        const char *why;
    } rows[] = {
        {"", "too short"},
        {"aabb", "too short by one byte"},
        {"aabbcc0", "half a byte too long"},
        {"aabbccdd", "too long"},
        {"aabbc", "half a byte missing"},
        {"0xaabb", "a prefix"},
        {"aabbcg", "g is no digit"},
        {"aabb c", "a space"},
        {"-aabbc", "a sign"},
        {"aab/cc", "the character before 0"},
        {"aab:cc", "the character after 9"},
        {"aab@cc", "the character before A"},
        {"aab`cc", "the character before a"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        uint8_t bytes[3] = {1, 2, 3};
        if (hex_decode(ingot_slice_of_text(rows[i].text), bytes, sizeof bytes))
            fail_msg("accepted \"%s\": %s", rows[i].text, rows[i].why);
        if (bytes[0] != 1 || bytes[1] != 2 || bytes[2] != 3)
            fail_msg("bytes changed by \"%s\": %s", rows[i].text, rows[i].why);
    }
}

static void no_bytes_are_the_empty_text(void **state)
{
    (void)state;
    char text[1] = "x";
    uint8_t none[1] = {9};

    hex_encode_lower(none, 0, text);
    assert_string_equal(text, "");
    assert_true(hex_decode(ingot_slice_of_text(""), none, 0));
    assert_int_equal(none[0], 9);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_byte_is_written_and_read_back_in_both_cases),
        cmocka_unit_test(text_of_another_form_is_refused_and_leaves_the_bytes_alone),
        cmocka_unit_test(no_bytes_are_the_empty_text),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
