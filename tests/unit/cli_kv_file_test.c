/*
 * The file of `ingot kv import`. Goal: each key once with its last value, and a line that is none
 * is named. Method: texts in memory.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "cli/kv_file.h"

static char complaints[4096];

static enum ingot_error parse(const char *text, struct kv_file *file)
{
    struct report report;
    struct ingot_buffer content = {0};
    report_init(&report, complaints, sizeof complaints);
    ingot_buffer_append_slice(&content, ingot_slice_of_text(text));
    return kv_file_parse(&content, "file", file, &report);
}

static void assert_item(const struct kv_file *file, uint32_t index, const char *key,
                        const char *value, uint32_t line)
{
    assert_true(index < file->count);
    const struct kv_item *item = &file->items[index];
    assert_true(ingot_slice_equal(item->key, ingot_slice_of_text(key)));
    assert_true(ingot_slice_equal(item->value, ingot_slice_of_text(value)));
    assert_int_equal(item->line, line);
}

static void lines_are_split_at_the_first_tab(void **state)
{
    (void)state;
    struct kv_file file;
    assert_int_equal(parse("a\t1\n\nb c\t2\t3 \nd\t", &file), INGOT_OK);
    assert_int_equal(file.count, 3);
    assert_item(&file, 0, "a", "1", 1);
    assert_item(&file, 1, "b c", "2\t3 ", 3);
    assert_item(&file, 2, "d", "", 4);
    kv_file_deinit(&file);
}

static void the_last_line_of_a_key_counts(void **state)
{
    (void)state;
    struct kv_file file;
    assert_int_equal(parse("a\t1\nb\t2\na\t3\nc\t4\nb\t5\na\t6\n", &file), INGOT_OK);
    assert_int_equal(file.count, 3);
    assert_item(&file, 0, "c", "4", 4);
    assert_item(&file, 1, "b", "5", 5);
    assert_item(&file, 2, "a", "6", 6);
    kv_file_deinit(&file);
}

static void many_keys_come_once_each_in_order(void **state)
{
    (void)state;
    struct kv_file file;
    struct report report;
    struct ingot_buffer content = {0};
    report_init(&report, complaints, sizeof complaints);
    for (int round = 0; round < 2; round++)
        for (int i = 0; i < 5000; i++)
            ingot_buffer_format(&content, "key%d\t%d\n", i, i + round);
    assert_int_equal(kv_file_parse(&content, "file", &file, &report), INGOT_OK);
    assert_int_equal(file.count, 5000);
    for (uint32_t i = 0; i < file.count; i++) {
        char key[16];
        char value[16];
        (void)snprintf(key, sizeof key, "key%u", i);
        (void)snprintf(value, sizeof value, "%u", i + 1);
        assert_item(&file, i, key, value, 5001 + i);
    }
    kv_file_deinit(&file);
}

static void an_empty_file_has_no_keys(void **state)
{
    (void)state;
    struct kv_file file;
    assert_int_equal(parse("\n\n", &file), INGOT_OK);
    assert_int_equal(file.count, 0);
    kv_file_deinit(&file);
}

static void lines_that_are_none_are_named(void **state)
{
    (void)state;
    struct kv_file file;
    assert_int_equal(parse("a\t1\nb=2\n\tx\n", &file), INGOT_ERROR_INVALID);
    assert_non_null(strstr(complaints, "file:2: expected a key, a tab and a value"));
    assert_non_null(strstr(complaints, "file:3: expected a key of 1 to 256 bytes"));
    char text[400];
    memset(text, 'k', sizeof text);
    memcpy(text + 257, "\tv\n", 4);
    assert_int_equal(parse(text, &file), INGOT_ERROR_INVALID);
    assert_non_null(strstr(complaints, "file:1: expected a key of 1 to 256 bytes"));
    memcpy(text + 256, "\tv\n", 4);
    assert_int_equal(parse(text, &file), INGOT_OK);
    kv_file_deinit(&file);
}

static void a_file_that_is_not_there_is_named(void **state)
{
    (void)state;
    struct kv_file file;
    struct report report;
    report_init(&report, complaints, sizeof complaints);
    assert_int_equal(kv_file_read("/nowhere/file", &file, &report), INGOT_ERROR_IO);
    assert_string_equal(complaints, "/nowhere/file: cannot be read: No such file or directory");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lines_are_split_at_the_first_tab),
        cmocka_unit_test(the_last_line_of_a_key_counts),
        cmocka_unit_test(many_keys_come_once_each_in_order),
        cmocka_unit_test(an_empty_file_has_no_keys),
        cmocka_unit_test(lines_that_are_none_are_named),
        cmocka_unit_test(a_file_that_is_not_there_is_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
