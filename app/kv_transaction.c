/*
 * The two forms of a kv transaction, and the messages of the range query. Decoding is strict: what
 * does not encode to the same bytes again is refused, so that one operation with one nonce has one
 * digest.
 */
#include "app/kv_transaction.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "proto/kv.pb-c.h"

/* The first byte of the binary form; no text starts with it. */
#define BINARY_MARK 0x00
/*
 * The decoded structs are this much larger than their bytes at most, and what protobuf-c needs
 * beside them: for a SetValidators of the largest size with nothing but whole keys, some 60 KiB.
 */
#define DECODE_OVERHEAD_BYTES (128 * 1024)

/* A canonical SetValidators begins with this byte, and has at most so many bytes. */
#define SET_VALIDATORS_TAG (5 << 3 | 2)
#define CHANGE_BYTES_MAX (2 + 2 + INGOT_PUBLIC_KEY_BYTES + 1 + 10)
#define SET_VALIDATORS_BYTES_MAX                                                                   \
    (1 + 3 + INGOT_VALIDATORS_MAX * CHANGE_BYTES_MAX + 1 + 10 + 2 + INGOT_SIGNATURE_BYTES)

/* --- Memory for protobuf-c: taken from one block, given back all at once. --- */

static void *parser_alloc(void *context, size_t size)
{
    struct kv_parser *parser = context;
    const size_t aligned = (size + 15) & ~(size_t)15;
    if (aligned < size || aligned > parser->size - parser->used)
        return NULL;
    void *memory = parser->memory + parser->used;
    parser->used += aligned;
    return memory;
}

static void parser_release(void *context, void *memory)
{
    (void)context;
    (void)memory;
}

static ProtobufCMessage *unpack(struct kv_parser *parser,
                                const ProtobufCMessageDescriptor *descriptor,
                                struct ingot_slice bytes)
{
    const size_t size = 2 * bytes.size + DECODE_OVERHEAD_BYTES;
    if (size > parser->size) {
        free(parser->memory);
        parser->memory = alloc_resize(NULL, size, 1);
        parser->size = size;
    }
    parser->used = 0;
    ProtobufCAllocator allocator = {parser_alloc, parser_release, parser};
    return protobuf_c_message_unpack(descriptor, &allocator, bytes.size, bytes.data);
}

/* Compares piece by piece while packing, so that nothing is allocated. */
struct comparison {
    ProtobufCBuffer base;
    struct ingot_slice rest;
    bool is_equal;
};

static void compare_piece(ProtobufCBuffer *buffer, size_t size, const uint8_t *data)
{
    struct comparison *comparison = (struct comparison *)buffer;
    struct ingot_slice piece;
    comparison->is_equal = comparison->is_equal &&
                           ingot_slice_take(&comparison->rest, size, &piece) &&
                           ingot_slice_equal(piece, ingot_slice_of(data, size));
}

static bool encodes_to(const ProtobufCMessage *message, struct ingot_slice bytes)
{
    struct comparison comparison = {{compare_piece}, bytes, true};
    (void)protobuf_c_message_pack_to_buffer(message, &comparison.base);
    return comparison.is_equal && comparison.rest.size == 0;
}

void kv_parser_deinit(struct kv_parser *parser)
{
    free(parser->memory);
    *parser = (struct kv_parser){0};
}

static struct ingot_slice slice_of(ProtobufCBinaryData data)
{
    return ingot_slice_of(data.data, data.len);
}

static ProtobufCBinaryData data_of(struct ingot_slice slice)
{
    /* protobuf-c has no const form; packing only reads. */
    return (ProtobufCBinaryData){slice.size, (uint8_t *)(uintptr_t)slice.data};
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

/* `message` has unknown fields that packing would repeat. */
static bool has_unknown(const ProtobufCMessage *message)
{
    return message->n_unknown_fields > 0;
}

static bool take_compare_and_set(const Ingot__Kv__CompareAndSet *message,
                                 struct kv_transaction *transaction)
{
    transaction->operation = KV_COMPARE_AND_SET;
    transaction->key = slice_of(message->key);
    transaction->value = slice_of(message->value);
    switch (message->condition_case) {
    case INGOT__KV__COMPARE_AND_SET__CONDITION_EXPECTED:
        transaction->expected = slice_of(message->expected);
        return !has_unknown(&message->base);
    case INGOT__KV__COMPARE_AND_SET__CONDITION_ABSENT:
        transaction->expects_absent = true;
        return message->absent && !has_unknown(&message->base);
    case INGOT__KV__COMPARE_AND_SET__CONDITION__NOT_SET:
    case _INGOT__KV__COMPARE_AND_SET__CONDITION__CASE_IS_INT_SIZE:
        break;
    }
    return false;
}

/* Copies the changes to the parser. The first INGOT_VALIDATORS_MAX are enough to be refused. */
static bool take_changes(const Ingot__Kv__SetValidators *message, struct kv_parser *parser)
{
    for (size_t i = 0; i < message->n_changes; i++) {
        const Ingot__Kv__ValidatorPower *change = message->changes[i];
        if (change->key.len != INGOT_PUBLIC_KEY_BYTES || has_unknown(&change->base))
            return false;
        if (i < INGOT_VALIDATORS_MAX) {
            memcpy(parser->changes[i].key.bytes, change->key.data, INGOT_PUBLIC_KEY_BYTES);
            parser->changes[i].power = change->power;
        }
    }
    return true;
}

/* A nonce would let anybody make other bytes of what was signed. */
static bool take_set_validators(const Ingot__Kv__SetValidators *message, bool has_nonce,
                                struct kv_parser *parser, struct kv_transaction *transaction)
{
    transaction->operation = KV_SET_VALIDATORS;
    if (has_nonce || message->signature.len != INGOT_SIGNATURE_BYTES ||
        has_unknown(&message->base) || !take_changes(message, parser))
        return false;
    transaction->changes = parser->changes;
    transaction->change_count = (uint32_t)message->n_changes;
    transaction->sequence = message->sequence;
    memcpy(transaction->signature.bytes, message->signature.data, INGOT_SIGNATURE_BYTES);
    return true;
}

static bool take_operation(const Ingot__Kv__Transaction *message, struct kv_parser *parser,
                           struct kv_transaction *transaction)
{
    switch (message->operation_case) {
    case INGOT__KV__TRANSACTION__OPERATION_PUT:
        transaction->operation = KV_PUT;
        transaction->key = slice_of(message->put->key);
        transaction->value = slice_of(message->put->value);
        return !has_unknown(&message->put->base);
    case INGOT__KV__TRANSACTION__OPERATION_DELETE:
        transaction->operation = KV_DELETE;
        transaction->key = slice_of(message->delete_->key);
        return !has_unknown(&message->delete_->base);
    case INGOT__KV__TRANSACTION__OPERATION_COMPARE_AND_SET:
        return take_compare_and_set(message->compare_and_set, transaction);
    case INGOT__KV__TRANSACTION__OPERATION_GET:
        transaction->operation = KV_GET;
        transaction->key = slice_of(message->get->key);
        return !has_unknown(&message->get->base);
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
    ProtobufCMessage *message = unpack(parser, &ingot__kv__transaction__descriptor, bytes);
    if (message == NULL || has_unknown(message))
        return INGOT_KV_INVALID_ENCODING;
    const Ingot__Kv__Transaction *decoded = (const Ingot__Kv__Transaction *)message;
    if (!take_operation(decoded, parser, transaction) || !encodes_to(message, bytes))
        return INGOT_KV_INVALID_ENCODING;
    if (transaction->operation == KV_SET_VALIDATORS)
        return check_change_count(transaction->change_count);
    return check_sizes(transaction, slice_of(decoded->nonce));
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
        return "genesis names no administrator, so the validators cannot be changed";
    case INGOT_KV_BAD_SIGNATURE:
        return "not the signature of the administrator that genesis names over these changes for "
               "this chain";
    case INGOT_KV_WRONG_SEQUENCE:
        return "not the next sequence number";
    case INGOT_KV_INVALID_SET:
        return "not changes to a valid set of validators";
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

/* Appends what is packed to a buffer. */
struct appender {
    ProtobufCBuffer base;
    struct ingot_buffer *buffer;
};

static void append_piece(ProtobufCBuffer *buffer, size_t size, const uint8_t *data)
{
    ingot_buffer_append(((struct appender *)buffer)->buffer, data, size);
}

static void append_message(struct ingot_buffer *buffer, const Ingot__Kv__Transaction *message)
{
    struct appender appender = {{append_piece}, buffer};
    ingot_buffer_append_u8(buffer, BINARY_MARK);
    (void)protobuf_c_message_pack_to_buffer(&message->base, &appender.base);
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
    message->nonce = data_of(nonce);
    append_message(buffer, message);
    return INGOT_OK;
}

enum ingot_error ingot_kv_transaction_put(struct ingot_buffer *transaction, struct ingot_slice key,
                                          struct ingot_slice value, struct ingot_slice nonce)
{
    const struct kv_transaction parts = {.operation = KV_PUT, .key = key, .value = value};
    Ingot__Kv__Put put = INGOT__KV__PUT__INIT;
    put.key = data_of(key);
    put.value = data_of(value);
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
    delete.key = data_of(key);
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
    compare_and_set.key = data_of(key);
    compare_and_set.value = data_of(value);
    if (expected != NULL) {
        parts.expected = *expected;
        compare_and_set.condition_case = INGOT__KV__COMPARE_AND_SET__CONDITION_EXPECTED;
        compare_and_set.expected = data_of(*expected);
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
    get.key = data_of(key);
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
    if (change_count == 0)
        return INGOT_ERROR_INVALID;
    if (change_count > INGOT_VALIDATORS_MAX)
        return INGOT_ERROR_TOO_LARGE;
    Ingot__Kv__ValidatorPower powers[INGOT_VALIDATORS_MAX];
    Ingot__Kv__ValidatorPower *list[INGOT_VALIDATORS_MAX];
    for (uint32_t i = 0; i < change_count; i++) {
        powers[i] = (Ingot__Kv__ValidatorPower)INGOT__KV__VALIDATOR_POWER__INIT;
        powers[i].key = data_of(ingot_slice_of(changes[i].key.bytes, INGOT_PUBLIC_KEY_BYTES));
        powers[i].power = changes[i].power;
        list[i] = &powers[i];
    }
    Ingot__Kv__SetValidators set_validators = INGOT__KV__SET_VALIDATORS__INIT;
    set_validators.n_changes = change_count;
    set_validators.changes = list;
    set_validators.sequence = sequence;
    set_validators.signature = data_of(ingot_slice_of(signature->bytes, INGOT_SIGNATURE_BYTES));
    Ingot__Kv__Transaction message = INGOT__KV__TRANSACTION__INIT;
    message.operation_case = INGOT__KV__TRANSACTION__OPERATION_SET_VALIDATORS;
    message.set_validators = &set_validators;
    append_message(transaction, &message);
    return INGOT_OK;
}

/* --- The range query. --- */

bool kv_range_parse(struct kv_parser *parser, struct ingot_slice bytes, struct kv_range *range)
{
    ProtobufCMessage *message = unpack(parser, &ingot__kv__range_query__descriptor, bytes);
    if (message == NULL || has_unknown(message) || !encodes_to(message, bytes))
        return false;
    const Ingot__Kv__RangeQuery *decoded = (const Ingot__Kv__RangeQuery *)message;
    *range = (struct kv_range){slice_of(decoded->first), slice_of(decoded->end), decoded->limit};
    return true;
}

static Ingot__Kv__Item item_of(struct ingot_slice key, struct ingot_slice value)
{
    Ingot__Kv__Item item = INGOT__KV__ITEM__INIT;
    item.key = data_of(key);
    item.value = data_of(value);
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
    struct appender appender = {{append_piece}, answer};
    (void)protobuf_c_message_pack_to_buffer(&item.base, &appender.base);
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
