/*
 * The bodies of json.h, over jansson.
 */
#include "attest/json.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/hex.h"
#include "config/base64.h"

/* A reason may quote the text, which is anybody's: nothing in it must move a terminal's cursor, or
 * begin a line of its own. */
static void make_plain(char *why)
{
    for (; *why != '\0'; why++)
        if ((unsigned char)*why < 0x20 || (unsigned char)*why >= 0x7f)
            *why = '?';
}

bool attest_json_begin(struct ingot_slice text, size_t size_max, struct attest_json *json,
                       char *why, size_t why_size)
{
    json_error_t error;
    *json = (struct attest_json){.why = why, .why_size = why_size};
    if (text.size > size_max) {
        (void)snprintf(why, why_size, "expected at most %zu bytes of JSON, found %zu", size_max,
                       text.size);
        return false;
    }
    json->object = json_loadb(text.size == 0 ? "" : (const char *)text.data, text.size,
                              JSON_REJECT_DUPLICATES, &error);
    if (json->object == NULL) {
        (void)snprintf(why, why_size, "expected valid JSON: line %d: %s", error.line, error.text);
        make_plain(why);
        return false;
    }
    if (!json_is_object(json->object)) {
        json_decref(json->object);
        (void)snprintf(why, why_size, "expected a JSON object");
        return false;
    }
    return true;
}

bool attest_json_fail(const struct attest_json *json, const char *name, const char *format, ...)
{
    char text[256];
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    (void)snprintf(json->why, json->why_size, "%s%.64s: %s", json->path, name, text);
    make_plain(json->why);
    return false;
}

bool attest_json_known(const struct attest_json *json, const char *const *known)
{
    const char *key;
    json_t *value;
    json_object_foreach(json->object, key, value)
    {
        const char *const *candidate = known;
        while (*candidate != NULL && strcmp(*candidate, key) != 0)
            candidate++;
        if (*candidate == NULL)
            return attest_json_fail(json, key, "unknown member");
    }
    return true;
}

bool attest_json_text(const struct attest_json *json, const char *name, struct ingot_slice *text)
{
    const json_t *value = json_object_get(json->object, name);
    if (value == NULL)
        return attest_json_fail(json, name, "missing");
    if (!json_is_string(value))
        return attest_json_fail(json, name, "expected a string");
    *text = ingot_slice_of(json_string_value(value), json_string_length(value));
    return true;
}

bool attest_json_is(const struct attest_json *json, const char *name, const char *expected)
{
    struct ingot_slice text = {0};
    if (!attest_json_text(json, name, &text))
        return false;
    return ingot_slice_equal(text, ingot_slice_of_text(expected)) ||
           attest_json_fail(json, name, "expected \"%s\"", expected);
}

bool attest_json_hex(const struct attest_json *json, const char *name, uint8_t *bytes, size_t size)
{
    struct ingot_slice text = {0};
    if (!attest_json_text(json, name, &text))
        return false;
    bool is_lower = true;
    for (size_t i = 0; i < text.size; i++)
        is_lower = is_lower && !(text.data[i] >= 'A' && text.data[i] <= 'F');
    return (is_lower && hex_decode(text, bytes, size)) ||
           attest_json_fail(json, name, "expected %zu hex digits in lower case", 2 * size);
}

bool attest_json_u64(const struct attest_json *json, const char *name, uint64_t min, uint64_t max,
                     uint64_t *number)
{
    struct ingot_slice text = ingot_slice_of_text("");
    char again[24];
    if (!attest_json_text(json, name, &text))
        return false;
    /* Signs, spaces, zeros in front and numbers too large all read as something else. */
    *number = strtoull((const char *)text.data, NULL, 10);
    (void)snprintf(again, sizeof again, "%" PRIu64, *number);
    return (ingot_slice_equal(text, ingot_slice_of_text(again)) && *number >= min &&
            *number <= max) ||
           attest_json_fail(json, name,
                            "expected a string of digits, a number from %" PRIu64 " to %" PRIu64,
                            min, max);
}

bool attest_json_base64(const struct attest_json *json, const char *name,
                        struct ingot_buffer *bytes)
{
    struct ingot_slice text = {0};
    if (!attest_json_text(json, name, &text))
        return false;
    return base64_decode(text, bytes) || attest_json_fail(json, name, "expected base64");
}

bool attest_json_array(const struct attest_json *json, const char *name, size_t count_max,
                       json_t **array)
{
    *array = json_object_get(json->object, name);
    if (*array == NULL)
        return attest_json_fail(json, name, "missing");
    if (!json_is_array(*array))
        return attest_json_fail(json, name, "expected an array");
    const size_t count = json_array_size(*array);
    return count <= count_max ||
           attest_json_fail(json, name, "expected at most %zu, found %zu", count_max, count);
}

bool attest_json_element(const struct attest_json *json, const char *name, json_t *array,
                         size_t index, struct attest_json *element)
{
    *element = *json;
    element->object = json_array_get(array, index);
    (void)snprintf(element->path, sizeof element->path, "%.16s[%zu].", name, index);
    return json_is_object(element->object) ||
           attest_json_fail(json, name, "expected objects, element %zu is none", index);
}
