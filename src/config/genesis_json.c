/*
 * genesis.json to struct genesis and back. Shapes and types are checked here, with the JSON path
 * of what is wrong; the rules about values are genesis.c's.
 */
#include "config/genesis.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/hex.h"
#include "config/public_key.h"
#include "config/rfc3339.h"

#define PATH_BYTES_MAX 64

/* A JSON object and how complaints call it. */
struct scope {
    const char *name;          /* of the file */
    char path[PATH_BYTES_MAX]; /* "" or "validators[3]." */
    const json_t *object;
    struct report *report;
};

static void complain(const struct scope *scope, const char *key, const char *expected)
{
    report_add(scope->report, "%s: %s%s: expected %s", scope->name, scope->path, key, expected);
}

/* Reports members that are not among the NULL-terminated known ones. */
static void refuse_unknown(const struct scope *scope, const char *const *known)
{
    const char *key;
    json_t *value;
    /* jansson's iteration does not write, but takes a pointer to non-const. */
    union {
        const json_t *borrowed;
        json_t *iterable;
    } object = {.borrowed = scope->object};
    json_object_foreach(object.iterable, key, value)
    {
        const char *const *candidate = known;
        while (*candidate != NULL && strcmp(*candidate, key) != 0)
            candidate++;
        if (*candidate == NULL) {
            report_add(scope->report, "%s: %s%.64s: unknown key, expected one of", scope->name,
                       scope->path, key);
            for (candidate = known; *candidate != NULL; candidate++)
                report_append(scope->report, "%s%s", candidate == known ? " " : ", ", *candidate);
        }
    }
}

static const json_t *required(const struct scope *scope, const char *key, const char *expected)
{
    const json_t *value = json_object_get(scope->object, key);
    if (value == NULL) {
        report_add(scope->report, "%s: %s%s: missing, expected %s", scope->name, scope->path, key,
                   expected);
    }
    return value;
}

/* Copies a string of at most size_max - 1 bytes. */
static void read_text(const struct scope *scope, const char *key, const json_t *value,
                      const char *expected, char *text, size_t size_max)
{
    if (value == NULL)
        return;
    if (!json_is_string(value) || json_string_length(value) >= size_max) {
        complain(scope, key, expected);
        /* Whatever it is, one complaint is enough: give the later checks nothing to add. */
        memcpy(text, "x", 2);
        return;
    }
    memcpy(text, json_string_value(value), json_string_length(value) + 1);
}

static void read_key(const struct scope *scope, const char *key, const json_t *value,
                     struct ingot_public_key *public_key)
{
    if (!json_is_string(value) ||
        !public_key_parse(ingot_slice_of(json_string_value(value), json_string_length(value)),
                          public_key)) {
        complain(scope, key,
                 "an ed25519 public key as 64 hex digits or base64, neither malformed nor weak");
    }
}

/* An optional number; a value outside 32 bits is left to the range check as the largest one. */
static void read_u32(const struct scope *scope, const char *key, uint32_t *number)
{
    const json_t *value = json_object_get(scope->object, key);
    if (value == NULL)
        return;
    if (!json_is_integer(value) || json_integer_value(value) < 0) {
        complain(scope, key, "a whole number, not negative");
        return;
    }
    json_int_t wide = json_integer_value(value);
    *number = wide > UINT32_MAX ? UINT32_MAX : (uint32_t)wide;
}

static bool decimal_parse(const char *text, size_t size, uint64_t *number)
{
    uint64_t value = 0;
    if (size == 0 || size > 20 || (text[0] == '0' && size > 1))
        return false;
    for (size_t i = 0; i < size; i++)
        if (text[i] < '0' || text[i] > '9' || __builtin_mul_overflow(value, UINT64_C(10), &value) ||
            __builtin_add_overflow(value, (uint64_t)(text[i] - '0'), &value))
            return false;
    *number = value;
    return true;
}

/* Integers above 2^53 do not survive every JSON library, so a power may be a string too. */
static void read_power(const struct scope *scope, uint64_t *power)
{
    static const char expected[] =
        "a whole number from 1 to 1152921504606846976, or the same as a string of digits";
    const json_t *value = required(scope, "power", expected);
    *power = 1;
    if (value == NULL)
        return;
    uint64_t number = 0;
    if (json_is_integer(value) && json_integer_value(value) > 0)
        number = (uint64_t)json_integer_value(value);
    else if (json_is_string(value))
        (void)decimal_parse(json_string_value(value), json_string_length(value), &number);
    if (number == 0 || number > INGOT_TOTAL_POWER_MAX) {
        complain(scope, "power", expected);
        return;
    }
    *power = number;
}

static void read_name(const struct scope *scope, char name[GENESIS_NAME_BYTES_MAX + 1])
{
    const json_t *value = json_object_get(scope->object, "name");
    if (value == NULL)
        return;
    const char *text = json_string_value(value);
    bool is_fine = text != NULL && json_string_length(value) <= GENESIS_NAME_BYTES_MAX;
    for (const char *c = text; is_fine && *c != '\0'; c++)
        is_fine = (unsigned char)*c >= ' ' && *c != 0x7f;
    if (!is_fine) {
        complain(scope, "name", "a string of at most 64 bytes without control characters");
        return;
    }
    memcpy(name, text, json_string_length(value) + 1);
}

static void read_validator(const struct scope *outer, size_t index, const json_t *object,
                           struct genesis_validator *validator)
{
    static const char *const known[] = {"public_key", "power", "name", NULL};
    struct scope scope = *outer;
    scope.object = object;
    (void)snprintf(scope.path, sizeof scope.path, "validators[%zu].", index);
    if (!json_is_object(object)) {
        report_add(outer->report,
                   "%s: validators[%zu]: expected an object with public_key and power", outer->name,
                   index);
        return;
    }
    refuse_unknown(&scope, known);
    const json_t *key = required(&scope, "public_key", "64 hex digits or base64");
    if (key != NULL)
        read_key(&scope, "public_key", key, &validator->validator.key);
    read_power(&scope, &validator->validator.power);
    read_name(&scope, validator->name);
}

static void read_validators(const struct scope *scope, struct genesis *genesis)
{
    static const char expected[] = "an array of 1 to 256 objects with public_key and power";
    const json_t *array = required(scope, "validators", expected);
    if (array == NULL)
        return;
    size_t count = json_array_size(array); /* 0 for what is not an array */
    if (count == 0 || count > INGOT_VALIDATORS_MAX) {
        complain(scope, "validators", expected);
        return;
    }
    genesis->validators = alloc_zeroed(count, sizeof *genesis->validators);
    genesis->validator_count = (uint32_t)count;
    for (size_t i = 0; i < count; i++)
        read_validator(scope, i, json_array_get(array, i), &genesis->validators[i]);
}

static void read_parameters(const struct scope *outer, struct genesis *genesis)
{
    static const char *const known[] = {"leader_tenure",           "replay_window_blocks",
                                        "block_payload_bytes_max", "transaction_bytes_max",
                                        "administrator",           NULL};
    const json_t *object = json_object_get(outer->object, "parameters");
    if (object == NULL)
        return;
    if (!json_is_object(object)) {
        complain(outer, "parameters", "an object");
        return;
    }
    struct scope scope = *outer;
    scope.object = object;
    memcpy(scope.path, "parameters.", sizeof "parameters.");
    refuse_unknown(&scope, known);
    read_u32(&scope, "leader_tenure", &genesis->leader_tenure);
    read_u32(&scope, "replay_window_blocks", &genesis->replay_window_blocks);
    read_u32(&scope, "block_payload_bytes_max", &genesis->block_payload_bytes_max);
    /* A default that a smaller block leaves no room for shrinks with it. */
    if (genesis->block_payload_bytes_max >= GENESIS_BLOCK_PAYLOAD_BYTES_LEAST &&
        genesis->transaction_bytes_max > genesis->block_payload_bytes_max - 4)
        genesis->transaction_bytes_max = genesis->block_payload_bytes_max - 4;
    read_u32(&scope, "transaction_bytes_max", &genesis->transaction_bytes_max);
    const json_t *administrator = json_object_get(object, "administrator");
    if (administrator != NULL) {
        genesis->has_administrator = true;
        read_key(&scope, "administrator", administrator, &genesis->administrator);
    }
}

static void read_time(const struct scope *scope, struct genesis *genesis)
{
    static const char expected[] = "an RFC 3339 time such as \"2026-01-02T03:04:05Z\"";
    const json_t *value = required(scope, "genesis_time", expected);
    if (value != NULL &&
        (!json_is_string(value) ||
         !rfc3339_parse_ns(ingot_slice_of(json_string_value(value), json_string_length(value)),
                           &genesis->time_ns)))
        complain(scope, "genesis_time", expected);
}

static void read_genesis(const struct scope *scope, struct genesis *genesis)
{
    static const char *const known[] = {"chain_id",   "genesis_time", "app",
                                        "parameters", "validators",   NULL};
    refuse_unknown(scope, known);
    static const char chain_id_expected[] = "a string of 1 to 50 characters of A-Z a-z 0-9 . _ -";
    read_text(scope, "chain_id", required(scope, "chain_id", chain_id_expected), chain_id_expected,
              genesis->chain_id, sizeof genesis->chain_id);
    read_time(scope, genesis);
    read_text(scope, "app", json_object_get(scope->object, "app"),
              "an App's name, such as \"signing\"", genesis->app, sizeof genesis->app);
    read_parameters(scope, genesis);
    read_validators(scope, genesis);
}

enum ingot_error genesis_parse(struct ingot_slice json, const char *name, struct genesis *genesis,
                               struct report *report)
{
    json_error_t problem;
    json_t *root = json_loadb((const char *)json.data, json.size, JSON_REJECT_DUPLICATES, &problem);
    if (root == NULL) {
        report_add(report, "%s:%d: expected valid JSON: %s", name, problem.line, problem.text);
        return INGOT_ERROR_INVALID;
    }
    uint32_t count_before = report->count;
    genesis_init(genesis);
    if (json_is_object(root)) {
        struct scope scope = {.name = name, .object = root, .report = report};
        read_genesis(&scope, genesis);
    } else {
        report_add(report, "%s:1: expected a JSON object", name);
    }
    json_decref(root);
    enum ingot_error error = report->count > count_before ? INGOT_ERROR_INVALID : INGOT_OK;
    if (error == INGOT_OK)
        error = genesis_finish(genesis, name, report);
    if (error != INGOT_OK)
        genesis_deinit(genesis);
    return error;
}

enum ingot_error genesis_load(const char *path, struct genesis *genesis, struct report *report)
{
    struct ingot_buffer content = {0};
    enum ingot_error error = file_read(path, GENESIS_FILE_BYTES_MAX, &content, report);
    if (error == INGOT_OK)
        error = genesis_parse(ingot_buffer_slice(&content), path, genesis, report);
    ingot_buffer_deinit(&content);
    return error;
}

/* jansson gives NULL only when it is out of memory or is handed text that is not UTF-8. */
static void put(json_t *object, const char *key, json_t *value)
{
    INGOT_ASSERT(value != NULL);
    int outcome = json_object_set_new(object, key, value);
    INGOT_ASSERT(outcome == 0);
}

static json_t *key_json(const struct ingot_public_key *key)
{
    char text[2 * INGOT_PUBLIC_KEY_BYTES + 1];
    hex_encode_lower(key->bytes, sizeof key->bytes, text);
    return json_string(text);
}

static json_t *parameters_json(const struct genesis *genesis)
{
    json_t *object = json_object();
    put(object, "leader_tenure", json_integer(genesis->leader_tenure));
    put(object, "replay_window_blocks", json_integer(genesis->replay_window_blocks));
    put(object, "block_payload_bytes_max", json_integer(genesis->block_payload_bytes_max));
    put(object, "transaction_bytes_max", json_integer(genesis->transaction_bytes_max));
    if (genesis->has_administrator)
        put(object, "administrator", key_json(&genesis->administrator));
    return object;
}

static json_t *validators_json(const struct genesis *genesis)
{
    json_t *array = json_array();
    for (uint32_t i = 0; i < genesis->validator_count; i++) {
        const struct genesis_validator *validator = &genesis->validators[i];
        char power[24];
        (void)snprintf(power, sizeof power, "%" PRIu64, validator->validator.power);
        json_t *object = json_object();
        put(object, "public_key", key_json(&validator->validator.key));
        put(object, "power", json_string(power));
        if (validator->name[0] != '\0')
            put(object, "name", json_string(validator->name));
        int outcome = json_array_append_new(array, object);
        INGOT_ASSERT(outcome == 0);
    }
    return array;
}

void genesis_format(const struct genesis *genesis, struct ingot_buffer *json)
{
    char time[RFC3339_TEXT_BYTES];
    rfc3339_format_ns(genesis->time_ns, time);
    json_t *root = json_object();
    put(root, "chain_id", json_string(genesis->chain_id));
    put(root, "genesis_time", json_string(time));
    put(root, "app", json_string(genesis->app));
    put(root, "parameters", parameters_json(genesis));
    put(root, "validators", validators_json(genesis));
    char *text = json_dumps(root, JSON_INDENT(2) | JSON_PRESERVE_ORDER);
    INGOT_ASSERT(text != NULL);
    ingot_buffer_append_slice(json, ingot_slice_of_text(text));
    ingot_buffer_append_u8(json, '\n');
    free(text);
    json_decref(root);
}
