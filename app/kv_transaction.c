/*
 * The two forms of a kv transaction, and the messages of the range query.
 */
#include "app/kv_transaction.h"

#include <string.h>

#include "base/assert.h"
#include "proto/kv.pb-c.h"

/* The first byte of the binary form; no text starts with it. */
#define BINARY_MARK 0x00
/* A canonical SetValidators stands behind this byte and a length, and is all there is. */
#define SET_VALIDATORS_TAG (5 << 3 | 2)
#define SET_VALIDATORS_BYTES_MAX (1 + 3 + ADMINISTRATOR_MESSAGE_BYTES_MAX)

void kv_parser_deinit(struct kv_parser *parser)
{
    message_memory_deinit(&parser->memory);
    *parser = (struct kv_parser){0};
}

/* --- Parsing. --- */

static enum ingot_kv_code check_sizes(const struct kv_transaction *transaction,
                                      struct ingot_slice nonce)
{
    if (transaction->key.size == 0)
        return INGOT_KV_INVALID_ENCODING;
    if (transaction->key.size > INGOT_KV_KEY_BYTES_MAX ||
        transaction->value.size > INGOT_KV_VALUE_BYTES_MAX ||
        transaction->expected.size > INGOT_KV_VALUE_BYTES_MAX ||
        nonce.size > INGOT_KV_NONCE_BYTES_MAX)
        return INGOT_KV_TOO_LARGE;
    return INGOT_KV_OK;
}

static enum ingot_kv_code check_change_count(uint32_t change_count)
{
    if (change_count == 0)
        return INGOT_KV_INVALID_ENCODING;
    return change_count > INGOT_VALIDATORS_MAX ? INGOT_KV_TOO_LARGE : INGOT_KV_OK;
}

/* As CometBFT's kvstore: neither side of the first `=` is empty. The value may hold further ones.
 */
static enum ingot_kv_code parse_text(struct ingot_slice text, struct kv_transaction *transaction)
{
    const uint8_t *sign = text.size > 0 ? memchr(text.data, '=', text.size) : NULL;
    if (sign == NULL || sign == text.data || sign == text.data + text.size - 1)
        return INGOT_KV_INVALID_FORMAT;
    const size_t key_size = (size_t)(sign - text.data);
    transaction->operation = KV_PUT;
    transaction->key = ingot_slice_of(text.data, key_size);
    transaction->value = ingot_slice_of(sign + 1, text.size - key_size - 1);
    return check_sizes(transaction, ingot_slice_of(NULL, 0));
}

static bool take_compare_and_set(const Ingot__Kv__CompareAndSet *message,
                                 struct kv_transaction *transaction)
{
    transaction->operation = KV_COMPARE_AND_SET;
    transaction->key = message_slice(message->key);
    transaction->value = message_slice(message->value);
    switch (message->condition_case) {
    case INGOT__KV__COMPARE_AND_SET__CONDITION_EXPECTED:
        transaction->expected = message_slice(message->expected);
        return !message_has_unknown(&message->base);
    case INGOT__KV__COMPARE_AND_SET__CONDITION_ABSENT:
        transaction->expects_absent = true;
        return message->absent && !message_has_unknown(&message->base);
    case INGOT__KV__COMPARE_AND_SET__CONDITION__NOT_SET:
    case _INGOT__KV__COMPARE_AND_SET__CONDITION__CASE_IS_INT_SIZE:
        break;
    }
    return false;
}

/* A nonce would let anybody make other bytes of what was signed. */
static bool take_set_validators(const Ingot__Administrator__SetValidators *message, bool has_nonce,
                                struct kv_parser *parser, struct kv_transaction *transaction)
{
    transaction->operation = KV_SET_VALIDATORS;
    transaction->change = &parser->change;
    return !has_nonce && administrator_take(message, &parser->change);
}

static bool take_operation(const Ingot__Kv__Transaction *message, struct kv_parser *parser,
                           struct kv_transaction *transaction)
{
    switch (message->operation_case) {
    case INGOT__KV__TRANSACTION__OPERATION_PUT:
        transaction->operation = KV_PUT;
        transaction->key = message_slice(message->put->key);
        transaction->value = message_slice(message->put->value);
        return !message_has_unknown(&message->put->base);
    case INGOT__KV__TRANSACTION__OPERATION_DELETE:
        transaction->operation = KV_DELETE;
        transaction->key = message_slice(message->delete_->key);
        return !message_has_unknown(&message->delete_->base);
    case INGOT__KV__TRANSACTION__OPERATION_COMPARE_AND_SET:
        return take_compare_and_set(message->compare_and_set, transaction);
    case INGOT__KV__TRANSACTION__OPERATION_GET:
        transaction->operation = KV_GET;
        transaction->key = message_slice(message->get->key);
        return !message_has_unknown(&message->get->base);
    case INGOT__KV__TRANSACTION__OPERATION_SET_VALIDATORS:
        return take_set_validators(message->set_validators, message->nonce.len > 0, parser,
                                   transaction);
    case INGOT__KV__TRANSACTION__OPERATION__NOT_SET:
    case _INGOT__KV__TRANSACTION__OPERATION__CASE_IS_INT_SIZE:
        break;
    }
    return false;
}

static enum ingot_kv_code parse_binary(struct kv_parser *parser, struct ingot_slice bytes,
                                       struct kv_transaction *transaction)
{
    /*
     * Validators must agree on the code, and how much memory a list of small messages takes depends
     * on the machine. So the size decides first: what passes and has nothing but whole keys can be
     * decoded everywhere, and a list of anything else has the same code when memory runs out.
     */
    if (bytes.size > SET_VALIDATORS_BYTES_MAX && bytes.data[0] == SET_VALIDATORS_TAG)
        return INGOT_KV_TOO_LARGE;
    ProtobufCMessage *message =
        message_unpack(&parser->memory, &ingot__kv__transaction__descriptor, bytes);
    if (message == NULL || message_has_unknown(message))
        return INGOT_KV_INVALID_ENCODING;
    const Ingot__Kv__Transaction *decoded = (const Ingot__Kv__Transaction *)message;
    if (!take_operation(decoded, parser, transaction) || !message_encodes_to(message, bytes))
        return INGOT_KV_INVALID_ENCODING;
    if (transaction->operation == KV_SET_VALIDATORS)
        return check_change_count(transaction->change->count);
    return check_sizes(transaction, message_slice(decoded->nonce));
}

enum ingot_kv_code kv_transaction_parse(struct kv_parser *parser, struct ingot_slice bytes,
                                        struct kv_transaction *transaction)
{
    *transaction = (struct kv_transaction){0};
    if (bytes.size == 0 || bytes.data[0] != BINARY_MARK)
        return parse_text(bytes, transaction);
    return parse_binary(parser, ingot_slice_of(bytes.data + 1, bytes.size - 1), transaction);
}

const char *kv_code_text(enum ingot_kv_code code)
{
    switch (code) {
    case INGOT_KV_OK:
        return "";
    case INGOT_KV_INVALID_ENCODING:
        return "not a canonical kv transaction message with a key or with changes of validators";
    case INGOT_KV_INVALID_FORMAT:
        return "not of the form key=value";
    case INGOT_KV_TOO_LARGE:
        return "too large: a key has up to 256 bytes, a value 524288, a nonce 64; up to 256 "
               "validators change at once";
    case INGOT_KV_COMPARE_FAILED:
        return "compare failed";
    case INGOT_KV_NOT_FOUND:
        return "key not found";
    case INGOT_KV_VALUE_HIDDEN:
        return "the value is too large for a result";
    case INGOT_KV_UNKNOWN_PATH:
        return "unknown path";
    case INGOT_KV_STORE_FAILED:
        return "the store could not be read";
    case INGOT_KV_NO_ADMINISTRATOR:
    case INGOT_KV_BAD_SIGNATURE:
    case INGOT_KV_WRONG_SEQUENCE:
    case INGOT_KV_INVALID_SET:
        break; /* the administrator's verdict has its own words */
    }
    return "";
}

static_assert(INGOT_KV_KEY_BYTES_MAX == 256, "the text says so");
static_assert(INGOT_KV_VALUE_BYTES_MAX == 524288, "the text says so");
static_assert(INGOT_KV_NONCE_BYTES_MAX == 64, "the text says so");
static_assert(INGOT_VALIDATORS_MAX == 256, "the text says so");
static_assert(INGOT_KV_VALUE_BYTES_MAX + INGOT_KV_KEY_BYTES_MAX + INGOT_KV_NONCE_BYTES_MAX + 64 <=
                  INGOT_TRANSACTION_BYTES_MAX,
              "the largest put fits a transaction");
static_assert(INGOT_KV_VALUE_BYTES_MAX <= INGOT_STATE_VALUE_BYTES_MAX, "a value fits the state");

/* --- Making transactions. --- */

static void append_binary(struct ingot_buffer *buffer, const Ingot__Kv__Transaction *message)
{
    ingot_buffer_append_u8(buffer, BINARY_MARK);
    message_append(buffer, &message->base);
}

static enum ingot_error append_transaction(struct ingot_buffer *buffer,
                                           Ingot__Kv__Transaction *message,
                                           const struct kv_transaction *transaction,
                                           struct ingot_slice nonce)
{
    if (transaction->key.size == 0)
        return INGOT_ERROR_INVALID;
    if (check_sizes(transaction, nonce) != INGOT_KV_OK)
        return INGOT_ERROR_TOO_LARGE;
    message->nonce = message_data(nonce);
    append_binary(buffer, message);
    return INGOT_OK;
}

enum ingot_error ingot_kv_transaction_put(struct ingot_buffer *transaction, struct ingot_slice key,
                                          struct ingot_slice value, struct ingot_slice nonce)
{
    const struct kv_transaction parts = {.operation = KV_PUT, .key = key, .value = value};
    Ingot__Kv__Put put = INGOT__KV__PUT__INIT;
    put.key = message_data(key);
    put.value = message_data(value);
    Ingot__Kv__Transaction message = INGOT__KV__TRANSACTION__INIT;
    message.operation_case = INGOT__KV__TRANSACTION__OPERATION_PUT;
    message.put = &put;
    return append_transaction(transaction, &message, &parts, nonce);
}

enum ingot_error ingot_kv_transaction_delete(struct ingot_buffer *transaction,
                                             struct ingot_slice key, struct ingot_slice nonce)
{
    const struct kv_transaction parts = {.operation = KV_DELETE, .key = key};
    Ingot__Kv__Delete delete = INGOT__KV__DELETE__INIT;
    delete.key = message_data(key);
    Ingot__Kv__Transaction message = INGOT__KV__TRANSACTION__INIT;
    message.operation_case = INGOT__KV__TRANSACTION__OPERATION_DELETE;
    message.delete_ = &delete;
    return append_transaction(transaction, &message, &parts, nonce);
}

enum ingot_error ingot_kv_transaction_compare_and_set(struct ingot_buffer *transaction,
                                                      struct ingot_slice key,
                                                      const struct ingot_slice *expected,
                                                      struct ingot_slice value,
                                                      struct ingot_slice nonce)
{
    struct kv_transaction parts = {.operation = KV_COMPARE_AND_SET, .key = key, .value = value};
    Ingot__Kv__CompareAndSet compare_and_set = INGOT__KV__COMPARE_AND_SET__INIT;
    compare_and_set.key = message_data(key);
    compare_and_set.value = message_data(value);
    if (expected != NULL) {
        parts.expected = *expected;
        compare_and_set.condition_case = INGOT__KV__COMPARE_AND_SET__CONDITION_EXPECTED;
        compare_and_set.expected = message_data(*expected);
    } else {
        compare_and_set.condition_case = INGOT__KV__COMPARE_AND_SET__CONDITION_ABSENT;
        compare_and_set.absent = true;
    }
    Ingot__Kv__Transaction message = INGOT__KV__TRANSACTION__INIT;
    message.operation_case = INGOT__KV__TRANSACTION__OPERATION_COMPARE_AND_SET;
    message.compare_and_set = &compare_and_set;
    return append_transaction(transaction, &message, &parts, nonce);
}

enum ingot_error ingot_kv_transaction_get(struct ingot_buffer *transaction, struct ingot_slice key,
                                          struct ingot_slice nonce)
{
    const struct kv_transaction parts = {.operation = KV_GET, .key = key};
    Ingot__Kv__Get get = INGOT__KV__GET__INIT;
    get.key = message_data(key);
    Ingot__Kv__Transaction message = INGOT__KV__TRANSACTION__INIT;
    message.operation_case = INGOT__KV__TRANSACTION__OPERATION_GET;
    message.get = &get;
    return append_transaction(transaction, &message, &parts, nonce);
}

enum ingot_error ingot_kv_transaction_set_validators(struct ingot_buffer *transaction,
                                                     uint64_t sequence,
                                                     const struct ingot_validator *changes,
                                                     uint32_t change_count,
                                                     const struct ingot_signature *signature)
{
    struct administrator_message made;
    const enum ingot_error error =
        administrator_message(&made, sequence, changes, change_count, signature);
    if (error != INGOT_OK)
        return error;
    Ingot__Kv__Transaction message = INGOT__KV__TRANSACTION__INIT;
    message.operation_case = INGOT__KV__TRANSACTION__OPERATION_SET_VALIDATORS;
    message.set_validators = &made.message;
    append_binary(transaction, &message);
    return INGOT_OK;
}

/* --- The range query. --- */

bool kv_range_parse(struct kv_parser *parser, struct ingot_slice bytes, struct kv_range *range)
{
    ProtobufCMessage *message =
        message_unpack(&parser->memory, &ingot__kv__range_query__descriptor, bytes);
    if (message == NULL || message_has_unknown(message) || !message_encodes_to(message, bytes))
        return false;
    const Ingot__Kv__RangeQuery *decoded = (const Ingot__Kv__RangeQuery *)message;
    *range = (struct kv_range){message_slice(decoded->first), message_slice(decoded->end),
                               decoded->limit};
    return true;
}

static Ingot__Kv__Item item_of(struct ingot_slice key, struct ingot_slice value)
{
    Ingot__Kv__Item item = INGOT__KV__ITEM__INIT;
    item.key = message_data(key);
    item.value = message_data(value);
    return item;
}

/* An answer can be long, so it is written item by item; the result is what packing it would give.
 */
void kv_range_append_item(struct ingot_buffer *answer, struct ingot_slice key,
                          struct ingot_slice value)
{
    const Ingot__Kv__Item item = item_of(key, value);
    ingot_buffer_append_u8(answer, 1 << 3 | 2); /* field 1, length-delimited */
    size_t size = protobuf_c_message_get_packed_size(&item.base);
    while (size >= 0x80) {
        ingot_buffer_append_u8(answer, (uint8_t)(size | 0x80));
        size >>= 7;
    }
    ingot_buffer_append_u8(answer, (uint8_t)size);
    message_append(answer, &item.base);
}

size_t kv_range_item_size(struct ingot_slice key, struct ingot_slice value)
{
    const Ingot__Kv__Item item = item_of(key, value);
    return 1 + 5 + protobuf_c_message_get_packed_size(&item.base);
}

void kv_range_append_more(struct ingot_buffer *answer)
{
    ingot_buffer_append_u8(answer, 2 << 3 | 0); /* field 2, varint */
    ingot_buffer_append_u8(answer, 1);
}
