/*
 * Times as RFC 3339 text in UTC, and back. Reads no clock.
 */
#ifndef INGOT_CONFIG_RFC3339_H
#define INGOT_CONFIG_RFC3339_H

#include <ingot/bytes.h>

/* "2026-01-02T03:04:05.000000006Z" and the NUL. */
#define RFC3339_TEXT_BYTES 31

/*
 * Always the full number of fraction digits: 3 for milliseconds, 9 for nanoseconds. Both count
 * from 1970-01-01T00:00:00Z. Times from the year 10000 on are shown as the last moment of 9999.
 */
void rfc3339_format_ms(uint64_t time_ms, char text[RFC3339_TEXT_BYTES]);
void rfc3339_format_ns(uint64_t time_ns, char text[RFC3339_TEXT_BYTES]);

/*
 * Reads `YYYY-MM-DDThh:mm:ss[.fraction](Z|+hh:mm|-hh:mm)`: 0 to 9 fraction digits, upper or lower
 * case T and Z. False for anything else, for dates that do not exist, leap seconds, and times
 * outside 1970-01-01 to 2554-07-21, which is what 64 bits of nanoseconds hold.
 */
bool rfc3339_parse_ns(struct ingot_slice text, uint64_t *time_ns);

/* Reads what rfc3339_format_ms writes, up to the end of the year 9999, and nothing else. */
bool rfc3339_parse_exact_ms(struct ingot_slice text, uint64_t *time_ms);

#endif
