/*
 * Structured log lines on stderr: a level, a message, and key-value fields.
 *
 * plain: `2026-01-02T03:04:05.678Z info  committed height=12 txs=3`
 * json:  `{"time":"...","level":"info","message":"committed","height":12,"txs":3}`
 */
#ifndef INGOT_BASE_LOG_H
#define INGOT_BASE_LOG_H

#include <ingot/bytes.h>

enum log_level { LOG_DEBUG, LOG_INFO, LOG_WARN, LOG_ERROR, LOG_NONE };
enum log_format { LOG_PLAIN, LOG_JSON };

/* Process-wide; set once at start. The default is plain, info. */
void log_configure(enum log_format format, enum log_level level);
bool log_enabled(enum log_level level);
/* "debug", "info", "warn", "error", "none"; "plain", "json". */
bool log_level_parse(const char *text, enum log_level *level);
bool log_format_parse(const char *text, enum log_format *format);

enum log_field_kind { LOG_FIELD_U64, LOG_FIELD_TEXT, LOG_FIELD_HEX };

struct log_field {
    enum log_field_kind kind;
    const char *name;
    uint64_t number;
    struct ingot_slice bytes;
};

struct log_field log_u64(const char *name, uint64_t value);
struct log_field log_text(const char *name, const char *value);
struct log_field log_hex(const char *name, const void *bytes, size_t size);

/* One line, one write. Control characters in text are escaped. Use through the macro. */
void log_write(enum log_level level, const char *message, const struct log_field *fields,
               size_t field_count);

/* LOG(LOG_INFO, "committed", log_u64("height", 12)); at least one field. */
#define LOG(level, message, ...)                                                                   \
    do {                                                                                           \
        if (log_enabled(level)) {                                                                  \
            const struct log_field log_fields_[] = {__VA_ARGS__};                                  \
            log_write(level, message, log_fields_, sizeof log_fields_ / sizeof log_fields_[0]);    \
        }                                                                                          \
    } while (0)

#endif
