/*
 * Times as text. Goal: every moment that 64 bits of nanoseconds hold survives the round trip, and
 * nothing that is not a strict RFC 3339 time is taken for one. Method: tables, and `date -u`
 * values.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "config/rfc3339.h"

#define SECOND UINT64_C(1000000000)

static void valid_times_are_read(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        uint64_t time_ns;
        const char *why;
    } rows[] = {
        {"1970-01-01T00:00:00Z", 0, "the epoch"},
        {"1970-01-01t00:00:00z", 0, "lower case letters are allowed by the RFC"},
        {"2000-02-29T12:00:00Z", 951825600 * SECOND, "a leap day of a century that has one"},
        {"2026-01-02T03:04:05Z", 1767323045 * SECOND, "no fraction"},
        {"2026-01-02T03:04:05.5Z", 1767323045 * SECOND + 500000000, "one digit"},
        {"2026-01-02T03:04:05.000000001Z", 1767323045 * SECOND + 1, "nine digits"},
        {"2026-01-02T04:04:05+01:00", 1767323045 * SECOND, "east of UTC"},
        {"2026-01-01T21:34:05-05:30", 1767323045 * SECOND, "west of UTC"},
        {"1969-12-31T23:00:00-01:00", 0, "a zone may bring a date back over the epoch"},
        {"2554-07-21T23:34:33.709551615Z", UINT64_MAX, "the last moment that fits"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        uint64_t time_ns = 1;
        print_message("%s: %s\n", rows[i].text, rows[i].why);
        assert_true(rfc3339_parse_ns(ingot_slice_of_text(rows[i].text), &time_ns));
        assert_int_equal(time_ns, rows[i].time_ns);
    }
}

static void everything_else_is_refused(void **state)
{
    (void)state;
    static const char *const rows[] = {
        "",
        "2026-01-02",
        "2026-01-02T03:04:05",   /* no zone */
        "2026-01-02 03:04:05Z",  /* a blank for the T */
        "2026-1-02T03:04:05Z",   /* one digit short */
        "2026-13-02T03:04:05Z",  /* no such month */
        "2026-00-02T03:04:05Z",  /* no such month */
        "2026-02-29T03:04:05Z",  /* not a leap year */
        "2100-02-29T03:04:05Z",  /* a century that is none */
        "2026-04-31T03:04:05Z",  /* no such day */
        "2026-01-00T03:04:05Z",  /* no such day */
        "2026-01-02T24:00:00Z",  /* no such hour */
        "2026-01-02T03:60:05Z",  /* no such minute */
        "2026-12-31T23:59:60Z",  /* a leap second */
        "2026-01-02T03:04:05.Z", /* a point without digits */
        "2026-01-02T03:04:05.0000000001Z" /* ten digits */,
        "2026-01-02T03:04:05+1:00",
        "2026-01-02T03:04:05+24:00",
        "2026-01-02T03:04:05Z ", /* something behind it */
        " 2026-01-02T03:04:05Z",
        "1969-12-31T23:59:59Z",           /* before the epoch */
        "1970-01-01T00:30:00+01:00",      /* before the epoch in UTC */
        "2554-07-21T23:34:33.709551616Z", /* one nanosecond too late */
        "9999-12-31T23:59:59Z",
        "+026-01-02T03:04:05Z",
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        uint64_t time_ns = 7;
        if (rfc3339_parse_ns(ingot_slice_of_text(rows[i]), &time_ns))
            fail_msg("taken: '%s'", rows[i]);
        assert_int_equal(time_ns, 7);
    }
}

static void times_are_written_with_all_digits(void **state)
{
    (void)state;
    char text[RFC3339_TEXT_BYTES];
    rfc3339_format_ms(0, text);
    assert_string_equal(text, "1970-01-01T00:00:00.000Z");
    rfc3339_format_ms(UINT64_C(1767323045006), text);
    assert_string_equal(text, "2026-01-02T03:04:05.006Z");
    rfc3339_format_ns(1767323045 * SECOND + 7, text);
    assert_string_equal(text, "2026-01-02T03:04:05.000000007Z");
    rfc3339_format_ns(UINT64_MAX, text);
    assert_string_equal(text, "2554-07-21T23:34:33.709551615Z");
    rfc3339_format_ms(UINT64_C(253402300799999), text);
    assert_string_equal(text, "9999-12-31T23:59:59.999Z");
    rfc3339_format_ms(UINT64_MAX, text);
    assert_string_equal(text, "9999-12-31T23:59:59.999Z");
}

static void every_day_survives_the_round_trip(void **state)
{
    (void)state;
    for (uint64_t day = 0; day < 213503; day++) {
        uint64_t time_ns = day * 86400 * SECOND + day;
        uint64_t again = 0;
        char text[RFC3339_TEXT_BYTES];
        rfc3339_format_ns(time_ns, text);
        if (!rfc3339_parse_ns(ingot_slice_of_text(text), &again) || again != time_ns)
            fail_msg("day %u became %s", (unsigned)day, text);
    }
}

static void an_exact_time_is_read_in_the_form_it_is_written_alone(void **state)
{
    (void)state;
    static const char *const refused[] = {
        "2026-01-02T03:04:05Z",     "2026-01-02T03:04:05.06Z",       "2026-01-02T03:04:05.0060Z",
        "2026-01-02t03:04:05.006z", "2026-01-02T03:04:05.006+00:00", "2026-01-02T03:04:05.006Z ",
        "1969-12-31T23:59:59.999Z",
    };
    static const uint64_t times_ms[] = {0, 1767323045006, 18446744073710, 253402300799999};
    uint64_t again = 7;
    for (size_t i = 0; i < sizeof refused / sizeof refused[0]; i++)
        assert_false(rfc3339_parse_exact_ms(ingot_slice_of_text(refused[i]), &again));
    assert_int_equal(again, 7);
    for (size_t i = 0; i < sizeof times_ms / sizeof times_ms[0]; i++) {
        char text[RFC3339_TEXT_BYTES];
        rfc3339_format_ms(times_ms[i], text);
        assert_true(rfc3339_parse_exact_ms(ingot_slice_of_text(text), &again));
        assert_int_equal(again, times_ms[i]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(valid_times_are_read),
        cmocka_unit_test(everything_else_is_refused),
        cmocka_unit_test(times_are_written_with_all_digits),
        cmocka_unit_test(every_day_survives_the_round_trip),
        cmocka_unit_test(an_exact_time_is_read_in_the_form_it_is_written_alone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
