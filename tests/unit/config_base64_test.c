/*
 * Base64 is read as strictly as RFC 4648 (section 4) writes it: each text of accepted bytes is the
 * only one.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "config/base64.h"

static bool decodes(const char *text, size_t size)
{
    struct ingot_buffer bytes = {0};
    const bool is_decoded = base64_decode(ingot_slice_of(text, size), &bytes);
    ingot_buffer_deinit(&bytes);
    return is_decoded;
}

/* libsodium's own decoder takes bytes from 0x80 on. */
static void no_byte_outside_the_alphabet_is_taken(void **state)
{
    static const char alphabet[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    (void)state;
    for (int byte = 0; byte < 256; byte++) {
        char text[] = "AAAA";
        text[2] = (char)byte;
        const bool is_known = byte != 0 && strchr(alphabet, byte) != NULL;
        assert_int_equal(decodes(text, 4), is_known);
    }
}

static void padding_is_there_and_right(void **state)
{
    (void)state;
    assert_true(decodes("", 0));
    assert_true(decodes("YQ==", 4));
    assert_true(decodes("YWI=", 4));
    assert_false(decodes("YQ", 2));
    assert_false(decodes("YQ=", 3));
    assert_false(decodes("YQ==\n", 5));
    assert_false(decodes("YR==", 4)); /* a bit behind the last byte */
    assert_false(decodes("=", 1));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_byte_outside_the_alphabet_is_taken),
        cmocka_unit_test(padding_is_there_and_right),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
