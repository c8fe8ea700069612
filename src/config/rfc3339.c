/*
 * RFC 3339 times in UTC. Own calendar arithmetic instead of gmtime and strptime: those depend on
 * the environment and are lenient in ways that a strict file format must not be.
 */
#include "config/rfc3339.h"

#include <stdio.h>

#define NS_PER_SECOND UINT64_C(1000000000)
#define SECONDS_PER_DAY 86400
#define SECOND_LAST UINT64_C(253402300799) /* 9999-12-31T23:59:59Z */

/* Days since 1970-01-01 of a date of the proleptic Gregorian calendar, year 1 or later. */
static int64_t days_of_date(int64_t year, int64_t month, int64_t day)
{
    /* Years are counted from March, so that the leap day is a year's last. */
    int64_t march_year = month > 2 ? year : year - 1;
    int64_t march_month = month > 2 ? month - 3 : month + 9;
    int64_t leap_days = march_year / 4 - march_year / 100 + march_year / 400;
    int64_t day_of_year = (153 * march_month + 2) / 5 + day - 1;
    return march_year * 365 + leap_days + day_of_year - 719468;
}

static bool is_leap_year(int64_t year)
{
    return (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
}

static int64_t days_in_month(int64_t year, int64_t month)
{
    static const uint8_t days[12] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    return month == 2 && is_leap_year(year) ? 29 : days[month - 1];
}

/* Finds the date by stepping years and months: few steps, and nothing to get subtly wrong. */
static void format(uint64_t seconds, uint64_t fraction, int digits, char text[RFC3339_TEXT_BYTES])
{
    if (seconds > SECOND_LAST) {
        seconds = SECOND_LAST;
        fraction = digits == 3 ? 999 : NS_PER_SECOND - 1;
    }
    int64_t days = (int64_t)(seconds / SECONDS_PER_DAY);
    uint64_t second_of_day = seconds % SECONDS_PER_DAY;
    int64_t year = 1970 + days / 366;
    while (days_of_date(year + 1, 1, 1) <= days)
        year++;
    int64_t month = 1;
    int64_t day = days - days_of_date(year, 1, 1);
    while (day >= days_in_month(year, month)) {
        day -= days_in_month(year, month);
        month++;
    }
    (void)snprintf(text, RFC3339_TEXT_BYTES, "%04u-%02u-%02uT%02u:%02u:%02u.%0*lluZ",
                   (unsigned)year % 10000, (unsigned)month % 100, (unsigned)(day + 1) % 100,
                   (unsigned)(second_of_day / 3600) % 100,
                   (unsigned)(second_of_day / 60 % 60) % 100, (unsigned)(second_of_day % 60) % 100,
                   digits, (unsigned long long)(fraction % NS_PER_SECOND));
}

void rfc3339_format_ms(uint64_t time_ms, char text[RFC3339_TEXT_BYTES])
{
    format(time_ms / 1000, time_ms % 1000, 3, text);
}

void rfc3339_format_ns(uint64_t time_ns, char text[RFC3339_TEXT_BYTES])
{
    format(time_ns / NS_PER_SECOND, time_ns % NS_PER_SECOND, 9, text);
}

/* Exactly `count` decimal digits with a value in [min, max]. */
static bool take_number(struct ingot_slice *from, size_t count, int64_t min, int64_t max,
                        int64_t *value)
{
    struct ingot_slice digits;
    if (!ingot_slice_take(from, count, &digits))
        return false;
    *value = 0;
    for (size_t i = 0; i < count; i++) {
        if (digits.data[i] < '0' || digits.data[i] > '9')
            return false;
        *value = *value * 10 + (digits.data[i] - '0');
    }
    return *value >= min && *value <= max;
}

static bool take_char(struct ingot_slice *from, char wanted)
{
    if (from->size == 0 || from->data[0] != (uint8_t)wanted)
        return false;
    from->data++;
    from->size--;
    return true;
}

static bool take_letter(struct ingot_slice *from, char upper)
{
    return take_char(from, upper) || take_char(from, (char)(upper + ('a' - 'A')));
}

/* `.` and 1 to 9 digits, or nothing. */
static bool take_fraction(struct ingot_slice *from, uint64_t *fraction_ns)
{
    *fraction_ns = 0;
    if (!take_char(from, '.'))
        return true;
    uint32_t digits = 0;
    while (from->size > 0 && from->data[0] >= '0' && from->data[0] <= '9') {
        if (digits == 9)
            return false;
        *fraction_ns = *fraction_ns * 10 + (uint64_t)(from->data[0] - '0');
        digits++;
        from->data++;
        from->size--;
    }
    for (uint32_t i = digits; i < 9; i++)
        *fraction_ns *= 10;
    return digits > 0;
}

/* Z, or the distance from UTC in seconds. */
static bool take_zone(struct ingot_slice *from, int64_t *offset)
{
    *offset = 0;
    if (take_letter(from, 'Z'))
        return true;
    bool is_behind = from->size > 0 && from->data[0] == '-';
    if (!take_char(from, '-') && !take_char(from, '+'))
        return false;
    int64_t hours;
    int64_t minutes;
    if (!take_number(from, 2, 0, 23, &hours) || !take_char(from, ':') ||
        !take_number(from, 2, 0, 59, &minutes))
        return false;
    *offset = (hours * 60 + minutes) * 60 * (is_behind ? -1 : 1);
    return true;
}

static bool parse(struct ingot_slice text, uint64_t *seconds, uint64_t *fraction_ns)
{
    int64_t year;
    int64_t month;
    int64_t day;
    int64_t hour;
    int64_t minute;
    int64_t second;
    int64_t offset;
    if (!take_number(&text, 4, 1, 9999, &year) || !take_char(&text, '-') ||
        !take_number(&text, 2, 1, 12, &month) || !take_char(&text, '-') ||
        !take_number(&text, 2, 1, days_in_month(year, month), &day) || !take_letter(&text, 'T') ||
        !take_number(&text, 2, 0, 23, &hour) || !take_char(&text, ':') ||
        !take_number(&text, 2, 0, 59, &minute) || !take_char(&text, ':') ||
        !take_number(&text, 2, 0, 59, &second) || !take_fraction(&text, fraction_ns) ||
        !take_zone(&text, &offset) || text.size > 0)
        return false;
    const int64_t sum = days_of_date(year, month, day) * SECONDS_PER_DAY + hour * 3600 +
                        minute * 60 + second - offset;
    *seconds = (uint64_t)sum;
    return sum >= 0;
}

bool rfc3339_parse_ns(struct ingot_slice text, uint64_t *time_ns)
{
    uint64_t seconds;
    uint64_t fraction_ns;
    uint64_t total_ns;
    if (!parse(text, &seconds, &fraction_ns) ||
        __builtin_mul_overflow(seconds, NS_PER_SECOND, &total_ns) ||
        __builtin_add_overflow(total_ns, fraction_ns, &total_ns))
        return false;
    *time_ns = total_ns;
    return true;
}

bool rfc3339_parse_exact_ms(struct ingot_slice text, uint64_t *time_ms)
{
    uint64_t seconds;
    uint64_t fraction_ns;
    if (!parse(text, &seconds, &fraction_ns))
        return false;
    char again[RFC3339_TEXT_BYTES];
    const uint64_t total_ms = seconds * 1000 + fraction_ns / 1000000;
    rfc3339_format_ms(total_ms, again);
    if (!ingot_slice_equal(text, ingot_slice_of_text(again)))
        return false;
    *time_ms = total_ms;
    return true;
}
