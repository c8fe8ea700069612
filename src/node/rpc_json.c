/*
 * Writes values in this dialect's form, and parses what clients send. Knows no method.
 */
#include "node/rpc_json.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/hex.h"
#include "config/base64.h"
#include "config/rfc3339.h"
#include "wire/crypto.h"

json_t *rpc_json(json_t *value)
{
    if (value == NULL) {
        (void)fputs("out of memory\n", stderr);
        abort();
    }
    return value;
}

json_t *rpc_json_u64(uint64_t value)
{
    char text[24];
    (void)snprintf(text, sizeof text, "%" PRIu64, value);
    return rpc_json(json_string(text));
}

json_t *rpc_json_base64(struct ingot_slice bytes)
{
    struct ingot_buffer text = {0};
    base64_append(&text, bytes);
    /* Base64 is ASCII: there is no need to have it checked. */
    json_t *value =
        rpc_json(json_stringn_nocheck(text.size == 0 ? "" : (const char *)text.data, text.size));
    ingot_buffer_deinit(&text);
    return value;
}

json_t *rpc_json_base64_or_null(struct ingot_slice bytes)
{
    return bytes.size == 0 ? rpc_json(json_null()) : rpc_json_base64(bytes);
}

json_t *rpc_json_hex(struct ingot_slice bytes)
{
    char text[2 * INGOT_SIGNATURE_BYTES + 1];
    INGOT_ASSERT(bytes.size <= INGOT_SIGNATURE_BYTES);
    hex_encode_upper(bytes.data, bytes.size, text);
    return rpc_json(json_string_nocheck(text));
}

json_t *rpc_json_hash(const struct ingot_hash *hash)
{
    return rpc_json_hex(ingot_slice_of(hash->bytes, sizeof hash->bytes));
}

json_t *rpc_json_address(const struct ingot_public_key *key)
{
    uint8_t address[INGOT_ADDRESS_BYTES];
    crypto_address(key, address);
    return rpc_json_hex(ingot_slice_of(address, sizeof address));
}

json_t *rpc_json_public_key(const struct ingot_public_key *key)
{
    json_t *value = rpc_json(json_object());
    rpc_json_set(value, "type", rpc_json(json_string("tendermint/PubKeyEd25519")));
    rpc_json_set(value, "value", rpc_json_base64(ingot_slice_of(key->bytes, sizeof key->bytes)));
    return value;
}

json_t *rpc_json_time_ms(uint64_t time_ms)
{
    char text[RFC3339_TEXT_BYTES];
    if (time_ms > UINT64_MAX / 1000000) {
        rfc3339_format_ms(time_ms, text);
    } else {
        rfc3339_format_ns(time_ms * 1000000, text);
    }
    return rpc_json(json_string_nocheck(text));
}

json_t *rpc_json_text(struct ingot_slice text)
{
    json_t *value = json_stringn(text.size == 0 ? "" : (const char *)text.data, text.size);
    if (value == NULL) {
        char *copy = alloc_copy(text.data, text.size);
        for (size_t i = 0; i < text.size; i++) {
            if ((unsigned char)copy[i] >= 0x80) {
                copy[i] = '?';
            }
        }
        value = json_stringn(copy, text.size);
        free(copy);
    }
    return rpc_json(value);
}

void rpc_json_set(json_t *object, const char *name, json_t *value)
{
    int result = json_object_set_new_nocheck(object, name, value);
    INGOT_ASSERT(result == 0);
}

void rpc_json_append(json_t *array, json_t *value)
{
    int result = json_array_append_new(array, value);
    INGOT_ASSERT(result == 0);
}

static int append_text(const char *bytes, size_t size, void *context)
{
    struct ingot_buffer *text = context;
    ingot_buffer_append(text, bytes, size);
    return 0;
}

void rpc_json_write(const json_t *value, struct ingot_buffer *text)
{
    int result = json_dump_callback(value, append_text, text, JSON_COMPACT | JSON_ENCODE_ANY);
    INGOT_ASSERT(result == 0);
}

/* Counts what makes a value of JSON: it needs no understanding but of strings. */
static size_t complexity(struct ingot_slice text)
{
    size_t count = 0;
    bool in_string = false;
    for (size_t i = 0; i < text.size; i++) {
        uint8_t byte = text.data[i];
        if (in_string) {
            if (byte == '\\') {
                i++;
            } else if (byte == '"') {
                in_string = false;
            }
        } else if (byte == '"') {
            in_string = true;
        } else if (byte == '{' || byte == '[' || byte == ',' || byte == ':') {
            count++;
        }
    }
    return count;
}

json_t *rpc_json_parse(struct ingot_slice text, size_t complexity_max, struct ingot_buffer *why)
{
    json_error_t error;
    json_t *value = NULL;
    if (complexity(text) > complexity_max) {
        ingot_buffer_format(why, "error unmarshaling request: too many values");
        return NULL;
    }
    value = json_loadb(text.size == 0 ? "" : (const char *)text.data, text.size,
                       JSON_REJECT_DUPLICATES | JSON_DECODE_ANY | JSON_ALLOW_NUL, &error);
    if (value == NULL) {
        ingot_buffer_format(why, "error unmarshaling request: %s", error.text);
    }
    return value;
}
