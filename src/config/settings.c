/*
 * Reads and writes config.ini along the settings table. inih splits the lines; everything that it
 * lets pass (unknown keys, duplicates, lines that are too long) is complained about here.
 */
#include "config/settings.h"

#include <ini.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/assert.h"
#include "base/hex.h"
#include "config/public_key.h"

struct ini_reader_state {
    const char *name;
    struct ingot_slice rest;
    uint32_t line;
    struct settings *settings;
    struct report *report;
};

/* The member of `settings` that a row stands for. */
static void *member(const struct setting *setting, struct settings *settings)
{
    return (char *)settings + setting->offset;
}

static const void *member_const(const struct setting *setting, const struct settings *settings)
{
    return (const char *)settings + setting->offset;
}

static bool parse_number(const char *text, const struct setting *setting, uint64_t *number)
{
    uint64_t value = 0;
    if (text[0] == '\0' || (text[0] == '0' && text[1] != '\0'))
        return false;
    for (const char *c = text; *c != '\0'; c++)
        if (*c < '0' || *c > '9' || __builtin_mul_overflow(value, UINT64_C(10), &value) ||
            __builtin_add_overflow(value, (uint64_t)(*c - '0'), &value))
            return false;
    *number = value;
    return value >= setting->min && value <= setting->max;
}

static bool parse_flag(const char *text, bool *flag)
{
    bool is_yes = strcmp(text, "yes") == 0 || strcmp(text, "true") == 0;
    bool is_no = strcmp(text, "no") == 0 || strcmp(text, "false") == 0;
    *flag = is_yes;
    return is_yes || is_no;
}

static bool parse_choice(const char *text, const struct setting *setting, int *choice)
{
    for (int i = 0; setting->choices[i] != NULL; i++) {
        if (strcmp(setting->choices[i], text) == 0) {
            *choice = i;
            return true;
        }
    }
    return false;
}

static bool parse_text(const char *text, const struct setting *setting, char *value)
{
    size_t size = strlen(text);
    if (size < setting->min || size > setting->max)
        return false;
    memcpy(value, text, size + 1);
    return true;
}

/* Takes the next item of a list with commas, without the blanks around it. */
static bool next_item(struct ingot_slice *rest, struct ingot_slice *item)
{
    if (rest->size == 0)
        return false;
    const uint8_t *comma = memchr(rest->data, ',', rest->size);
    const size_t size = comma != NULL ? (size_t)(comma - rest->data) : rest->size;
    *item = ingot_slice_of(rest->data, size);
    *rest = ingot_slice_of(rest->data + size + (comma != NULL ? 1 : 0),
                           rest->size - size - (comma != NULL ? 1 : 0));
    while (item->size > 0 && item->data[0] == ' ')
        *item = ingot_slice_of(item->data + 1, item->size - 1);
    while (item->size > 0 && item->data[item->size - 1] == ' ')
        item->size--;
    return true;
}

/* Adds to those that are there. `bad`: the item that is no key, or has no room. */
static bool parse_keys(const char *text, struct settings_keys *keys, struct ingot_slice *bad)
{
    struct ingot_slice rest = ingot_slice_of_text(text);
    while (next_item(&rest, bad)) {
        if (keys->count == SETTINGS_KEYS_MAX || !public_key_parse(*bad, &keys->list[keys->count]))
            return false;
        keys->count++;
    }
    return true;
}

/* Stores the value, or leaves it as it was. */
static bool parse_value(const char *text, const struct setting *setting, struct settings *settings)
{
    union {
        uint64_t number;
        bool flag;
        int choice;
        char text[SETTINGS_FOLDER_BYTES_MAX + 1];
        struct endpoint endpoint;
        struct settings_keys keys;
    } value;
    struct ingot_slice bad;
    size_t size = 0;
    bool is_valid = false;
    if (text[0] == ';')
        return false; /* with a blank before it, as settings_format writes it, it is a comment */
    switch (setting->kind) {
    case SETTING_NUMBER:
        is_valid = parse_number(text, setting, &value.number);
        size = sizeof value.number;
        break;
    case SETTING_FLAG:
        is_valid = parse_flag(text, &value.flag);
        size = sizeof value.flag;
        break;
    case SETTING_CHOICE:
        is_valid = parse_choice(text, setting, &value.choice);
        size = sizeof value.choice;
        break;
    case SETTING_TEXT:
        memset(value.text, 0, sizeof value.text);
        is_valid = parse_text(text, setting, value.text);
        size = sizeof value.text;
        break;
    case SETTING_ENDPOINT:
        is_valid = endpoint_parse(ingot_slice_of_text(text), ENDPOINT_PORT_ANY, &value.endpoint);
        size = sizeof value.endpoint;
        break;
    case SETTING_KEYS:
        memcpy(&value.keys, member(setting, settings), sizeof value.keys);
        is_valid = parse_keys(text, &value.keys, &bad);
        size = sizeof value.keys;
        break;
    }
    if (is_valid)
        memcpy(member(setting, settings), &value, size);
    return is_valid;
}

_Static_assert(sizeof(enum settings_app) == sizeof(int), "a choice is stored as an int");
_Static_assert(sizeof(enum settings_protocol) == sizeof(int), "a choice is stored as an int");

static void append_choices(const struct setting *setting, struct ingot_buffer *text)
{
    const char *separator = "";
    for (const char *const *choice = setting->choices; *choice != NULL; choice++) {
        ingot_buffer_format(text, "%s%s", separator, *choice);
        separator = " or ";
    }
}

/* "a whole number from 10 to 60000": what a value has to be. */
static void append_expectation(const struct setting *setting, struct ingot_buffer *text)
{
    switch (setting->kind) {
    case SETTING_NUMBER:
        ingot_buffer_format(text, "a whole number from %" PRIu64 " to %" PRIu64, setting->min,
                            setting->max);
        break;
    case SETTING_FLAG:
        ingot_buffer_format(text, "yes or no");
        break;
    case SETTING_CHOICE:
        append_choices(setting, text);
        break;
    case SETTING_TEXT:
        ingot_buffer_format(
            text, "a text of %" PRIu64 " to %" PRIu64 " bytes that does not begin with ';'",
            setting->min, setting->max);
        break;
    case SETTING_ENDPOINT:
        ingot_buffer_format(text, "host:port, an IPv6 address in brackets");
        break;
    case SETTING_KEYS:
        ingot_buffer_format(text,
                            "up to %d ed25519 public keys, each as 64 hex digits or base64, with "
                            "commas between them, on one line or several",
                            SETTINGS_KEYS_MAX);
        break;
    }
}

static void report_value(const struct ini_reader_state *state, const struct setting *setting,
                         const char *value)
{
    struct ingot_buffer expected = {0};
    struct settings_keys keys = {0};
    struct ingot_slice found = ingot_slice_of_text(value);
    if (setting->kind == SETTING_KEYS)
        (void)parse_keys(value, &keys, &found);
    append_expectation(setting, &expected);
    ingot_buffer_append_u8(&expected, 0);
    report_add(state->report, "%s:%" PRIu32 ": [%s] %s: expected %s, found '%.*s'", state->name,
               state->line, setting->section, setting->key, (const char *)expected.data,
               found.size < 80 ? (int)found.size : 80, (const char *)found.data);
    ingot_buffer_deinit(&expected);
}

/* Lists the sections, or the keys of one. */
static void report_unknown(const struct ini_reader_state *state, const char *section,
                           const char *key)
{
    bool section_is_known = false;
    for (size_t i = 0; i < settings_table_count; i++)
        section_is_known = section_is_known || strcmp(settings_table[i].section, section) == 0;
    if (section_is_known) {
        report_add(state->report, "%s:%" PRIu32 ": [%s] %.50s: unknown key, expected one of",
                   state->name, state->line, section, key);
    } else if (section[0] == '\0') {
        report_add(state->report, "%s:%" PRIu32 ": %.50s: outside any section, expected one of",
                   state->name, state->line, key);
    } else {
        report_add(state->report, "%s:%" PRIu32 ": [%.50s]: unknown section, expected one of",
                   state->name, state->line, section);
    }
    const char *previous = "";
    for (size_t i = 0; i < settings_table_count; i++) {
        const struct setting *setting = &settings_table[i];
        if (section_is_known && strcmp(setting->section, section) == 0) {
            report_append(state->report, " %s", setting->key);
        } else if (!section_is_known && strcmp(setting->section, previous) != 0) {
            report_append(state->report, " [%s]", setting->section);
            previous = setting->section;
        }
    }
}

static int take_pair(void *context, const char *section, const char *key, const char *value)
{
    struct ini_reader_state *state = context;
    for (size_t i = 0; i < settings_table_count; i++) {
        const struct setting *setting = &settings_table[i];
        if (strcmp(setting->section, section) != 0 || strcmp(setting->key, key) != 0)
            continue;
        if (state->settings->lines[i] > 0 && setting->kind != SETTING_KEYS) {
            report_add(state->report,
                       "%s:%" PRIu32 ": [%s] %s: expected once, it is on line %" PRIu32 " already",
                       state->name, state->line, section, key, state->settings->lines[i]);
            return 1;
        }
        if (state->settings->lines[i] == 0)
            state->settings->lines[i] = state->line;
        if (!parse_value(value, setting, state->settings))
            report_value(state, setting, value);
        return 1;
    }
    report_unknown(state, section, key);
    return 1;
}

/* inih would skip a section with nothing in it, whatever its name. */
static void check_section_line(struct ini_reader_state *state, struct ingot_slice line)
{
    const uint8_t *end = line.size > 0 ? memchr(line.data, ']', line.size) : NULL;
    if (line.size == 0 || line.data[0] != '[' || end == NULL)
        return;
    struct ingot_slice section = {line.data + 1, (size_t)(end - line.data) - 1};
    for (size_t i = 0; i < settings_table_count; i++)
        if (ingot_slice_equal(section, ingot_slice_of_text(settings_table[i].section)))
            return;
    char text[64] = "";
    memcpy(text, section.data, section.size < sizeof text ? section.size : sizeof text - 1);
    report_unknown(state, text[0] != '\0' ? text : " ", "");
}

static bool is_comment(struct ingot_slice line)
{
    return line.size == 0 || line.data[0] == '#' || line.data[0] == ';';
}

/*
 * Hands inih one line. Leading blanks are taken off, as inih would take an indented line for more
 * of the value before; a line that does not fit its buffer would come out as two, so it is
 * reported and hidden.
 */
static char *next_line(char *buffer, int size, void *context)
{
    struct ini_reader_state *state = context;
    if (state->rest.size == 0)
        return NULL;
    const uint8_t *end = memchr(state->rest.data, '\n', state->rest.size);
    struct ingot_slice line = {state->rest.data,
                               end != NULL ? (size_t)(end - state->rest.data) : state->rest.size};
    size_t taken = end != NULL ? line.size + 1 : line.size;
    state->rest.data += taken;
    state->rest.size -= taken;
    state->line++;
    while (line.size > 0 && (line.data[0] == ' ' || line.data[0] == '\t' || line.data[0] == '\r')) {
        line.data++;
        line.size--;
    }
    buffer[0] = '\n';
    buffer[1] = '\0';
    if (is_comment(line))
        return buffer;
    check_section_line(state, line);
    if (line.size + 2 > (size_t)size) {
        report_add(state->report, "%s:%" PRIu32 ": expected at most %d characters in a line",
                   state->name, state->line, size - 2);
        return buffer;
    }
    bool is_pair = line.data[0] == '[' ? memchr(line.data, ']', line.size) != NULL
                                       : memchr(line.data, '=', line.size) != NULL ||
                                             memchr(line.data, ':', line.size) != NULL;
    if (!is_pair) {
        report_add(state->report, "%s:%" PRIu32 ": expected [section], key = value or a # comment",
                   state->name, state->line);
        return buffer;
    }
    memcpy(buffer, line.data, line.size);
    buffer[line.size] = '\n';
    buffer[line.size + 1] = '\0';
    return buffer;
}

void settings_init(struct settings *settings)
{
    memset(settings, 0, sizeof *settings);
    for (size_t i = 0; i < settings_table_count; i++) {
        bool is_valid = parse_value(settings_table[i].fallback, &settings_table[i], settings);
        INGOT_ASSERT(is_valid);
    }
}

/* Rules about two values at once. */
static void check_together(const struct settings *settings, const char *name, struct report *report)
{
    if (settings->reconnect_delay_ms_min > settings->reconnect_delay_ms_max) {
        report_add(report,
                   "%s: [network] reconnect_delay_ms_min: expected at most reconnect_delay_ms_max, "
                   "which is %" PRIu64 ", found %" PRIu64,
                   name, settings->reconnect_delay_ms_max, settings->reconnect_delay_ms_min);
    }
    if (settings->storage_map_size_initial > settings->storage_map_size_max) {
        report_add(report,
                   "%s: [storage] map_size_initial: expected at most map_size_max, which is "
                   "%" PRIu64 ", found %" PRIu64,
                   name, settings->storage_map_size_max, settings->storage_map_size_initial);
    }
    if (settings->network_listen.port != 0 &&
        settings->network_listen.port == settings->rpc_listen.port &&
        strcmp(settings->network_listen.host, settings->rpc_listen.host) == 0) {
        report_add(report, "%s: [rpc] listen: expected another address than [network] listen",
                   name);
    }
}

uint32_t settings_line(const struct settings *settings, const char *section, const char *key)
{
    for (size_t i = 0; i < settings_table_count; i++)
        if (strcmp(settings_table[i].section, section) == 0 &&
            strcmp(settings_table[i].key, key) == 0)
            return settings->lines[i];
    INGOT_ASSERT(false);
    return 0;
}

enum ingot_error settings_parse(struct ingot_slice text, const char *name,
                                struct settings *settings, struct report *report)
{
    struct ini_reader_state state = {
        .name = name, .rest = text, .settings = settings, .report = report};
    INGOT_ASSERT(settings_table_count <= SETTINGS_ROWS_MAX);
    uint32_t count_before = report->count;
    settings_init(settings);
    int outcome = ini_parse_stream(next_line, &state, take_pair, &state);
    if (outcome > 0 && report->count == count_before)
        report_add(report, "%s:%d: expected [section], key = value or a # comment", name, outcome);
    else if (outcome < 0)
        report_add(report, "%s: cannot be read", name);
    if (report->count == count_before)
        check_together(settings, name, report);
    return report->count > count_before ? INGOT_ERROR_INVALID : INGOT_OK;
}

enum ingot_error settings_load(const char *path, struct settings *settings, struct report *report)
{
    struct ingot_buffer content = {0};
    enum ingot_error error = file_read(path, SETTINGS_FILE_BYTES_MAX, &content, report);
    if (error == INGOT_OK)
        error = settings_parse(ingot_buffer_slice(&content), path, settings, report);
    ingot_buffer_deinit(&content);
    return error;
}

/* A line for each, or, if there is none, the setting without a value. */
static void append_keys(const struct setting *setting, const struct settings_keys *keys,
                        struct ingot_buffer *text)
{
    if (keys->count == 0)
        ingot_buffer_format(text, "# %s =\n", setting->key);
    for (uint32_t i = 0; i < keys->count; i++) {
        char key[2 * INGOT_PUBLIC_KEY_BYTES + 1];
        hex_encode_lower(keys->list[i].bytes, INGOT_PUBLIC_KEY_BYTES, key);
        ingot_buffer_format(text, "%s = %s\n", setting->key, key);
    }
}

/* The value as it is written in the file, of a setting that is there once. */
static void append_value(const struct setting *setting, const struct settings *settings,
                         struct ingot_buffer *text)
{
    const void *value = member_const(setting, settings);
    switch (setting->kind) {
    case SETTING_NUMBER:
        ingot_buffer_format(text, "%" PRIu64, *(const uint64_t *)value);
        break;
    case SETTING_FLAG:
        ingot_buffer_format(text, "%s", *(const bool *)value ? "yes" : "no");
        break;
    case SETTING_CHOICE:
        ingot_buffer_format(text, "%s", setting->choices[*(const int *)value]);
        break;
    case SETTING_TEXT:
        ingot_buffer_format(text, "%s", (const char *)value);
        break;
    case SETTING_ENDPOINT:
        endpoint_format(value, text);
        break;
    case SETTING_KEYS:
        break;
    }
}

/* A paragraph as comments of at most 90 characters a line. */
static void append_comment(const char *paragraph, struct ingot_buffer *text)
{
    size_t column = 0;
    const char *word = paragraph;
    while (*word != '\0') {
        size_t size = strcspn(word, " ");
        if (column == 0 || column + 1 + size > 90) {
            ingot_buffer_format(text, "%s#", column > 0 ? "\n" : "");
            column = 1;
        }
        ingot_buffer_format(text, " %.*s", (int)size, word);
        column += 1 + size;
        word += size + (word[size] == ' ' ? 1 : 0);
    }
    ingot_buffer_append_u8(text, '\n');
}

void settings_format(const struct settings *settings, struct ingot_buffer *text)
{
    const char *section = "";
    struct ingot_buffer value = {0};
    struct ingot_buffer comment = {0};
    for (size_t i = 0; i < settings_table_count; i++) {
        const struct setting *setting = &settings_table[i];
        if (strcmp(setting->section, section) != 0) {
            ingot_buffer_format(text, "%s[%s]\n", i > 0 ? "\n" : "", setting->section);
            section = setting->section;
        }
        ingot_buffer_clear(&comment);
        ingot_buffer_format(&comment, "%s Expects ", setting->meaning);
        append_expectation(setting, &comment);
        ingot_buffer_append(&comment, ".", 2);
        append_comment((const char *)comment.data, text);
        if (setting->kind == SETTING_KEYS) {
            append_keys(setting, member_const(setting, settings), text);
            continue;
        }
        ingot_buffer_clear(&value);
        append_value(setting, settings, &value);
        bool is_default =
            setting->kind != SETTING_ENDPOINT &&
            ingot_slice_equal(ingot_buffer_slice(&value), ingot_slice_of_text(setting->fallback));
        ingot_buffer_format(text, "%s%s = %.*s\n", is_default ? "# " : "", setting->key,
                            (int)value.size, (const char *)value.data);
    }
    ingot_buffer_deinit(&value);
    ingot_buffer_deinit(&comment);
}
