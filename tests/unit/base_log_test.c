/*
 * Log lines: their two forms, and that no text from outside can forge a line or a field or break
 * the JSON. Standard error goes to a temporary file for the length of each line.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"

static char captured[4096];
static int saved_stderr = -1;
static int capture_file = -1;

static void capture_begin(void)
{
    char path[] = "/tmp/ingot-log-test-XXXXXX";
    capture_file = mkstemp(path);
    assert_true(capture_file >= 0);
    assert_int_equal(unlink(path), 0);
    saved_stderr = dup(STDERR_FILENO);
    assert_true(saved_stderr >= 0);
    assert_true(dup2(capture_file, STDERR_FILENO) >= 0);
}

/* The captured text without the time, which is checked for its form and differs each run. */
static const char *capture_end(size_t time_end)
{
    assert_true(dup2(saved_stderr, STDERR_FILENO) >= 0);
    close(saved_stderr);
    ssize_t size = pread(capture_file, captured, sizeof captured - 1, 0);
    close(capture_file);
    assert_true(size >= 0);
    captured[size] = '\0';
    if (size == 0)
        return captured;
    assert_true((size_t)size > time_end);
    const char *time = captured + time_end - 24;
    static const char form[] = "dddd-dd-ddTdd:dd:dd.dddZ";
    for (size_t i = 0; i < 24; i++) {
        if (form[i] == 'd')
            assert_true(time[i] >= '0' && time[i] <= '9');
        else
            assert_int_equal(time[i], form[i]);
    }
    return captured + time_end;
}

static const char *plain_line(enum log_level level, const char *message, struct log_field field)
{
    log_configure(LOG_PLAIN, LOG_INFO);
    capture_begin();
    LOG(level, message, field);
    return capture_end(24);
}

static const char *json_line(const char *message, struct log_field field)
{
    log_configure(LOG_JSON, LOG_INFO);
    capture_begin();
    LOG(LOG_INFO, message, field);
    return capture_end(strlen("{\"time\":\"") + 24);
}

static void a_plain_line_has_time_level_message_and_fields(void **state)
{
    (void)state;
    static const uint8_t hash[] = {0xab, 0x01};
    log_configure(LOG_PLAIN, LOG_INFO);
    capture_begin();
    LOG(LOG_WARN, "committed", log_u64("height", UINT64_MAX), log_text("app", "kv"),
        log_hex("hash", hash, sizeof hash));

    assert_string_equal(capture_end(24),
                        " warn  committed height=18446744073709551615 app=kv hash=ab01\n");
}

static void a_json_line_is_one_object(void **state)
{
    (void)state;
    static const uint8_t hash[] = {0xab, 0x01};
    log_configure(LOG_JSON, LOG_INFO);
    capture_begin();
    LOG(LOG_ERROR, "committed", log_u64("height", 12), log_text("app", "kv"),
        log_hex("hash", hash, sizeof hash));

    assert_string_equal(capture_end(strlen("{\"time\":\"") + 24),
                        "\",\"level\":\"error\",\"message\":\"committed\",\"height\":12,"
                        "\"app\":\"kv\",\"hash\":\"ab01\"}\n");
}

static void levels_below_the_chosen_one_are_silent(void **state)
{
    (void)state;
    assert_string_equal(plain_line(LOG_DEBUG, "quiet", log_u64("x", 1)), "");
    log_configure(LOG_PLAIN, LOG_NONE);
    assert_false(log_enabled(LOG_ERROR));
    assert_false(log_enabled(LOG_NONE));
    capture_begin();
    log_write(LOG_ERROR, "quiet", NULL, 0);
    assert_string_equal(capture_end(24), "");
}

static void text_from_outside_forges_neither_lines_nor_fields(void **state)
{
    (void)state;
    assert_string_equal(plain_line(LOG_INFO, "peer", log_text("why", "x\nfake line")),
                        " info  peer why=\"x\\nfake line\"\n");
    assert_string_equal(plain_line(LOG_INFO, "peer", log_text("why", "a=b")),
                        " info  peer why=\"a=b\"\n");
    assert_string_equal(plain_line(LOG_INFO, "peer", log_text("why", "\" height=9")),
                        " info  peer why=\"\\\" height=9\"\n");
    assert_string_equal(plain_line(LOG_INFO, "peer", log_text("why", "")),
                        " info  peer why=\"\"\n");
    assert_string_equal(plain_line(LOG_INFO, "two\nlines", log_u64("x", 1)),
                        " info  two\\nlines x=1\n");
}

/* Escapes move terminals, and broken UTF-8 is no JSON (RFC 8259, section 8.1). */
static void unprintable_and_malformed_text_is_escaped(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        const char *written;
        const char *why;
    } rows[] = {
        {"\x1b[2J", "\\u001b[2J", "terminal escape"},
        {"\x7f", "\\u007f", "delete"},
        {"\t\r", "\\u0009\\u000d", "tab and return"},
        {"\xc2\x9b"
         "2J",
         "\\u009b2J", "the one-character terminal escape, in UTF-8"},
        {"caf\xc3\xa9", "caf\xc3\xa9", "UTF-8 stays"},
        {"\xf0\x9f\x94\xa5", "\xf0\x9f\x94\xa5", "four bytes stay"},
        {"\xc2", "\\ufffd", "cut short, two bytes"},
        {"\xe2\x82", "\\ufffd\\ufffd", "cut short, three bytes"},
        {"\xc0\xaf", "\\ufffd\\ufffd", "overlong"},
        {"\xed\xa0\x80", "\\ufffd\\ufffd\\ufffd", "surrogate"},
        {"\xf4\x90\x80\x80", "\\ufffd\\ufffd\\ufffd\\ufffd", "past the last code point"},
        {"\xff", "\\ufffd", "never a first byte"},
        {"\\", "\\\\", "backslash"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char expected[128];
        snprintf(expected, sizeof expected,
                 "\",\"level\":\"info\",\"message\":\"m\",\"t\":\"%s\"}\n", rows[i].written);
        const char *line = json_line("m", log_text("t", rows[i].text));
        if (strcmp(line, expected) != 0)
            fail_msg("%s: got %s", rows[i].why, line);
    }
}

static void levels_and_formats_are_parsed_by_their_exact_names(void **state)
{
    (void)state;
    enum log_level level = LOG_NONE;
    enum log_format format = LOG_JSON;

    assert_true(log_level_parse("debug", &level));
    assert_int_equal(level, LOG_DEBUG);
    assert_true(log_level_parse("none", &level));
    assert_int_equal(level, LOG_NONE);
    assert_false(log_level_parse("INFO", &level));
    assert_false(log_level_parse("", &level));
    assert_int_equal(level, LOG_NONE);
    assert_true(log_format_parse("plain", &format));
    assert_int_equal(format, LOG_PLAIN);
    assert_false(log_format_parse("xml", &format));
    assert_int_equal(format, LOG_PLAIN);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_plain_line_has_time_level_message_and_fields),
        cmocka_unit_test(a_json_line_is_one_object),
        cmocka_unit_test(levels_below_the_chosen_one_are_silent),
        cmocka_unit_test(text_from_outside_forges_neither_lines_nor_fields),
        cmocka_unit_test(unprintable_and_malformed_text_is_escaped),
        cmocka_unit_test(levels_and_formats_are_parsed_by_their_exact_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
