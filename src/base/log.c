/*
 * Log lines on stderr. Each is formatted whole and leaves in one write, so that lines of several
 * threads or processes on one terminal do not mix. It does not rotate files and never blocks the
 * caller for longer than that write.
 */
#include "base/log.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/clock.h"
#include "base/hex.h"

static enum log_format chosen_format = LOG_PLAIN;
static enum log_level chosen_level = LOG_INFO;

static const char *const level_names[] = {"debug", "info", "warn", "error", "none"};
static const char *const format_names[] = {"plain", "json"};

void log_configure(enum log_format format, enum log_level level)
{
    chosen_format = format;
    chosen_level = level;
}

bool log_enabled(enum log_level level)
{
    return level != LOG_NONE && level >= chosen_level;
}

bool log_level_parse(const char *text, enum log_level *level)
{
    for (size_t i = 0; i < sizeof level_names / sizeof level_names[0]; i++) {
        if (strcmp(text, level_names[i]) == 0) {
            *level = (enum log_level)i;
            return true;
        }
    }
    return false;
}

bool log_format_parse(const char *text, enum log_format *format)
{
    for (size_t i = 0; i < sizeof format_names / sizeof format_names[0]; i++) {
        if (strcmp(text, format_names[i]) == 0) {
            *format = (enum log_format)i;
            return true;
        }
    }
    return false;
}

struct log_field log_u64(const char *name, uint64_t value)
{
    struct log_field field = {.kind = LOG_FIELD_U64, .name = name, .number = value};
    return field;
}

struct log_field log_text(const char *name, const char *value)
{
    struct log_field field = {
        .kind = LOG_FIELD_TEXT, .name = name, .bytes = ingot_slice_of_text(value)};
    return field;
}

struct log_field log_hex(const char *name, const void *bytes, size_t size)
{
    struct log_field field = {
        .kind = LOG_FIELD_HEX, .name = name, .bytes = ingot_slice_of(bytes, size)};
    return field;
}

/* `2026-01-02T03:04:05.678Z` */
static void append_time(struct ingot_buffer *line)
{
    uint64_t now_ms = clock_wall_ms();
    time_t seconds = (time_t)(now_ms / 1000);
    struct tm utc;
    struct tm *converted = gmtime_r(&seconds, &utc);
    INGOT_ASSERT(converted != NULL);
    ingot_buffer_format(line, "%04d-%02d-%02dT%02d:%02d:%02d.%03uZ", utc.tm_year + 1900,
                        utc.tm_mon + 1, utc.tm_mday, utc.tm_hour, utc.tm_min, utc.tm_sec,
                        (unsigned)(now_ms % 1000));
}

/*
 * Length of the well-formed UTF-8 character at the front of `text`, which is not empty, or 0.
 * Outside text may hold anything, and a JSON line with broken UTF-8 is no JSON.
 */
static size_t utf8_size(struct ingot_slice text)
{
    uint8_t first = text.data[0];
    if (first < 0x80)
        return 1;
    size_t size = first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : 2;
    if (first < 0xc2 || first > 0xf4 || text.size < size)
        return 0;
    for (size_t i = 1; i < size; i++) {
        if ((text.data[i] & 0xc0) != 0x80)
            return 0;
    }
    /* Overlong forms, surrogates and code points past the last (RFC 3629, section 4). */
    uint8_t second = text.data[1];
    if ((first == 0xe0 && second < 0xa0) || (first == 0xed && second >= 0xa0) ||
        (first == 0xf0 && second < 0x90) || (first == 0xf4 && second >= 0x90))
        return 0;
    return size;
}

/* Text with quotes, backslashes and all that could forge or break a line escaped. */
static void append_escaped(struct ingot_buffer *line, struct ingot_slice text)
{
    while (text.size > 0) {
        uint8_t byte = text.data[0];
        size_t size = utf8_size(text);
        /* The C1 control characters are the two-byte forms c2 80 to c2 9f. */
        bool control = (size == 1 && (byte < 0x20 || byte == 0x7f)) ||
                       (size == 2 && byte == 0xc2 && text.data[1] < 0xa0);
        if (byte == '"' || byte == '\\') {
            ingot_buffer_append_u8(line, '\\');
            ingot_buffer_append_u8(line, byte);
        } else if (byte == '\n') {
            ingot_buffer_append(line, "\\n", 2);
        } else if (control) {
            ingot_buffer_format(line, "\\u%04x", size == 1 ? byte : text.data[1]);
        } else if (size == 0) {
            ingot_buffer_append(line, "\\ufffd", 6);
            size = 1;
        } else {
            ingot_buffer_append(line, text.data, size);
        }
        text.data += size;
        text.size -= size;
    }
}

static void append_quoted(struct ingot_buffer *line, struct ingot_slice text)
{
    ingot_buffer_append_u8(line, '"');
    append_escaped(line, text);
    ingot_buffer_append_u8(line, '"');
}

static void append_hex(struct ingot_buffer *line, struct ingot_slice bytes)
{
    char *text = alloc_zeroed(2 * bytes.size + 1, 1);
    hex_encode_lower(bytes.data, bytes.size, text);
    ingot_buffer_append(line, text, 2 * bytes.size);
    free(text);
}

/* Plain values are quoted only where a reader could not see their end. */
static bool needs_quotes(struct ingot_slice text)
{
    for (size_t i = 0; i < text.size; i++) {
        uint8_t byte = text.data[i];
        if (byte <= ' ' || byte == '"' || byte == '\\' || byte == '=' || byte >= 0x7f)
            return true;
    }
    return text.size == 0;
}

static void append_value(struct ingot_buffer *line, const struct log_field *field, bool quote)
{
    switch (field->kind) {
    case LOG_FIELD_U64:
        ingot_buffer_format(line, "%" PRIu64, field->number);
        break;
    case LOG_FIELD_TEXT:
        if (quote || needs_quotes(field->bytes))
            append_quoted(line, field->bytes);
        else
            ingot_buffer_append_slice(line, field->bytes);
        break;
    case LOG_FIELD_HEX:
        if (quote)
            ingot_buffer_append_u8(line, '"');
        append_hex(line, field->bytes);
        if (quote)
            ingot_buffer_append_u8(line, '"');
        break;
    }
}

static void format_plain(struct ingot_buffer *line, enum log_level level, const char *message,
                         const struct log_field *fields, size_t field_count)
{
    append_time(line);
    ingot_buffer_format(line, " %-5s ", level_names[level]);
    append_escaped(line, ingot_slice_of_text(message));
    for (size_t i = 0; i < field_count; i++) {
        ingot_buffer_format(line, " %s=", fields[i].name);
        append_value(line, &fields[i], false);
    }
    ingot_buffer_append_u8(line, '\n');
}

static void format_json(struct ingot_buffer *line, enum log_level level, const char *message,
                        const struct log_field *fields, size_t field_count)
{
    ingot_buffer_format(line, "{\"time\":\"");
    append_time(line);
    ingot_buffer_format(line, "\",\"level\":\"%s\",\"message\":", level_names[level]);
    append_quoted(line, ingot_slice_of_text(message));
    for (size_t i = 0; i < field_count; i++) {
        ingot_buffer_append_u8(line, ',');
        append_quoted(line, ingot_slice_of_text(fields[i].name));
        ingot_buffer_append_u8(line, ':');
        append_value(line, &fields[i], true);
    }
    ingot_buffer_format(line, "}\n");
}

void log_write(enum log_level level, const char *message, const struct log_field *fields,
               size_t field_count)
{
    if (!log_enabled(level))
        return;
    struct ingot_buffer line = {0};
    switch (chosen_format) {
    case LOG_PLAIN:
        format_plain(&line, level, message, fields, field_count);
        break;
    case LOG_JSON:
        format_json(&line, level, message, fields, field_count);
        break;
    }
    /* A log that cannot be written must not stop a validator; there is no second place to say so.
     */
    ssize_t written = write(STDERR_FILENO, line.data, line.size);
    (void)written;
    ingot_buffer_deinit(&line);
}
