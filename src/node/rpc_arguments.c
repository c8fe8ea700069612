/*
 * Reads the arguments of a call, each by the rule of its name. Texts are judged strictly: what is
 * not wholly what the rule expects is refused.
 */
#include "node/rpc_arguments.h"

#include <inttypes.h>
#include <string.h>

#include "base/hex.h"
#include "config/base64.h"
#include "node/rpc_http.h"
#include "node/rpc_json.h"

void rpc_arguments_deinit(struct rpc_argument arguments[RPC_ARGUMENTS_MAX])
{
    for (uint32_t i = 0; i < RPC_ARGUMENTS_MAX; i++) {
        ingot_buffer_deinit(&arguments[i].bytes);
    }
}

/* Digits with an optional minus sign, and nothing else. */
static bool read_integer(struct ingot_slice text, int64_t *value)
{
    bool is_negative = text.size > 0 && text.data[0] == '-';
    size_t first = is_negative ? 1 : 0;
    uint64_t number = 0;
    if (text.size == first || text.size > first + 19) {
        return false;
    }
    for (size_t i = first; i < text.size; i++) {
        if (text.data[i] < '0' || text.data[i] > '9') {
            return false;
        }
        number = number * 10 + (uint64_t)(text.data[i] - '0');
    }
    if (number > (uint64_t)INT64_MAX) {
        return false;
    }
    *value = is_negative ? -(int64_t)number : (int64_t)number;
    return true;
}

static bool read_hex(struct ingot_slice text, struct ingot_buffer *bytes)
{
    size_t size = text.size / 2;
    if (text.size % 2 != 0) {
        return false;
    }
    ingot_buffer_reserve(bytes, size + 1);
    if (!hex_decode(text, bytes->data + bytes->size, size)) {
        return false;
    }
    bytes->size += size;
    return true;
}

static const char *kind_text(enum rpc_argument_kind kind)
{
    switch (kind) {
    case RPC_ARGUMENT_BASE64:
        return "bytes in base64";
    case RPC_ARGUMENT_HEX:
        return "bytes in hex";
    case RPC_ARGUMENT_TEXT:
        return "a string";
    case RPC_ARGUMENT_INTEGER:
        return "a 64-bit integer";
    case RPC_ARGUMENT_FLAG:
        return "true or false";
    }
    return "something else";
}

static struct ingot_slice json_text(const json_t *value)
{
    return ingot_slice_of(json_string_value(value), json_string_length(value));
}

static bool read_json(enum rpc_argument_kind kind, const json_t *value,
                      struct rpc_argument *argument)
{
    argument->is_given = true;
    if (kind == RPC_ARGUMENT_INTEGER && json_is_integer(value)) {
        argument->integer = json_integer_value(value);
        return true;
    }
    if (kind == RPC_ARGUMENT_FLAG) {
        argument->flag = json_is_true(value);
        return json_is_boolean(value);
    }
    if (!json_is_string(value)) {
        return false;
    }
    switch (kind) {
    case RPC_ARGUMENT_BASE64:
        return base64_decode(json_text(value), &argument->bytes);
    case RPC_ARGUMENT_HEX:
        return read_hex(json_text(value), &argument->bytes);
    case RPC_ARGUMENT_TEXT:
        ingot_buffer_append_slice(&argument->bytes, json_text(value));
        return true;
    case RPC_ARGUMENT_INTEGER:
        return read_integer(json_text(value), &argument->integer);
    case RPC_ARGUMENT_FLAG:
        return false;
    }
    return false;
}

/* After all that were given have been read: those that must be there are. */
static bool check_required(const struct rpc_argument_rule *rules, uint32_t count,
                           const struct rpc_argument *arguments, struct ingot_buffer *why)
{
    for (uint32_t i = 0; i < count; i++) {
        if (rules[i].is_required && !arguments[i].is_given) {
            ingot_buffer_format(why, "missing parameter %s: expected %s", rules[i].name,
                                kind_text(rules[i].kind));
            return false;
        }
    }
    return true;
}

bool rpc_arguments_from_json(const struct rpc_argument_rule *rules, uint32_t count,
                             const json_t *params, struct rpc_argument *arguments,
                             struct ingot_buffer *why)
{
    if (params != NULL && !json_is_null(params) && !json_is_object(params) &&
        !json_is_array(params)) {
        ingot_buffer_format(why, "params have to be an object or an array");
        return false;
    }
    if (json_is_array(params) && json_array_size(params) > count) {
        ingot_buffer_format(why, "expected at most %" PRIu32 " parameters, got %zu", count,
                            json_array_size(params));
        return false;
    }
    for (uint32_t i = 0; i < count; i++) {
        const json_t *value = json_is_array(params) ? json_array_get(params, i)
                                                    : json_object_get(params, rules[i].name);
        if (value == NULL || json_is_null(value)) {
            continue;
        }
        if (!read_json(rules[i].kind, value, &arguments[i])) {
            ingot_buffer_format(why, "parameter %s: expected %s", rules[i].name,
                                kind_text(rules[i].kind));
            return false;
        }
    }
    return check_required(rules, count, arguments, why);
}

/* A value in double quotes is a JSON string. */
static bool read_quoted(struct ingot_slice text, struct ingot_buffer *bytes)
{
    struct ingot_buffer why = {0};
    json_t *value = rpc_json_parse(text, 0, &why);
    bool is_text = json_is_string(value);
    if (is_text) {
        ingot_buffer_append_slice(bytes, json_text(value));
    }
    json_decref(value);
    ingot_buffer_deinit(&why);
    return is_text;
}

static bool read_query(enum rpc_argument_kind kind, struct ingot_slice text,
                       struct rpc_argument *argument)
{
    bool is_quoted = text.size >= 2 && text.data[0] == '"' && text.data[text.size - 1] == '"';
    bool is_hex = text.size >= 2 && text.data[0] == '0' && (text.data[1] | 0x20) == 'x';
    argument->is_given = true;
    switch (kind) {
    case RPC_ARGUMENT_BASE64:
    case RPC_ARGUMENT_HEX:
    case RPC_ARGUMENT_TEXT:
        if (is_hex) {
            return read_hex(ingot_slice_of(text.data + 2, text.size - 2), &argument->bytes);
        }
        return is_quoted && read_quoted(text, &argument->bytes);
    case RPC_ARGUMENT_INTEGER:
        if (is_quoted) {
            text = ingot_slice_of(text.data + 1, text.size - 2);
        }
        return read_integer(text, &argument->integer);
    case RPC_ARGUMENT_FLAG:
        argument->flag = ingot_slice_equal(text, ingot_slice_of_text("true"));
        return argument->flag || ingot_slice_equal(text, ingot_slice_of_text("false"));
    }
    return false;
}

static const char *query_kind_text(enum rpc_argument_kind kind)
{
    switch (kind) {
    case RPC_ARGUMENT_BASE64:
    case RPC_ARGUMENT_HEX:
    case RPC_ARGUMENT_TEXT:
        return "a string in double quotes, or 0x and hex digits";
    case RPC_ARGUMENT_INTEGER:
    case RPC_ARGUMENT_FLAG:
        break;
    }
    return kind_text(kind);
}

bool rpc_arguments_from_query(const struct rpc_argument_rule *rules, uint32_t count,
                              struct ingot_slice query, struct rpc_argument *arguments,
                              struct ingot_buffer *why)
{
    struct ingot_buffer text = {0};
    bool is_valid = true;
    for (uint32_t i = 0; i < count && is_valid; i++) {
        ingot_buffer_clear(&text);
        bool is_given = http_query_find(query, rules[i].name, &text, &is_valid);
        if (is_given && is_valid && text.size > 0) {
            is_valid = read_query(rules[i].kind, ingot_buffer_slice(&text), &arguments[i]);
        }
        if (!is_valid) {
            ingot_buffer_format(why, "parameter %s: expected %s", rules[i].name,
                                query_kind_text(rules[i].kind));
        }
    }
    ingot_buffer_deinit(&text);
    return is_valid && check_required(rules, count, arguments, why);
}
