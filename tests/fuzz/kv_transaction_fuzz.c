/*
 * Transactions and range queries of the key-value App on arbitrary bytes. What is accepted keeps
 * the limits, and the same operation made anew is accepted as the same.
 */
#include <string.h>

#include "app/kv_transaction.h"
#include "fuzz/fuzz.h"

/* Their memory is used again, as that of an App is. */
static struct kv_parser parser;
static struct kv_parser other;

/* Makes a transaction of a parsed one's parts, without its nonce. */
static void make(const struct kv_transaction *from, struct ingot_buffer *bytes)
{
    const struct ingot_slice none = {0};
    enum ingot_error error = INGOT_ERROR_INVALID;
    switch (from->operation) {
    case KV_PUT:
        error = ingot_kv_transaction_put(bytes, from->key, from->value, none);
        break;
    case KV_DELETE:
        error = ingot_kv_transaction_delete(bytes, from->key, none);
        break;
    case KV_COMPARE_AND_SET:
        error = ingot_kv_transaction_compare_and_set(
            bytes, from->key, from->expects_absent ? NULL : &from->expected, from->value, none);
        break;
    case KV_GET:
        error = ingot_kv_transaction_get(bytes, from->key, none);
        break;
    case KV_SET_VALIDATORS:
        error =
            ingot_kv_transaction_set_validators(bytes, from->change->sequence, from->change->list,
                                                from->change->count, &from->change->signature);
        break;
    }
    require(error == INGOT_OK);
}

static void check_same(const struct kv_transaction *a, const struct kv_transaction *b)
{
    require(a->operation == b->operation && a->expects_absent == b->expects_absent);
    require(ingot_slice_equal(a->key, b->key));
    require(ingot_slice_equal(a->value, b->value));
    require(ingot_slice_equal(a->expected, b->expected));
    if (a->operation != KV_SET_VALIDATORS)
        return;
    require(a->change->count == b->change->count && a->change->sequence == b->change->sequence);
    for (uint32_t i = 0; i < a->change->count; i++)
        require(a->change->list[i].power == b->change->list[i].power &&
                memcmp(&a->change->list[i].key, &b->change->list[i].key,
                       sizeof a->change->list[i].key) == 0);
    require(memcmp(&a->change->signature, &b->change->signature, sizeof a->change->signature) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct kv_transaction transaction = {0};
    struct kv_transaction again = {0};
    struct kv_range range;
    const struct ingot_slice bytes = {data, size};
    if (kv_transaction_parse(&parser, bytes, &transaction) == INGOT_KV_OK) {
        require(transaction.operation == KV_SET_VALIDATORS
                    ? transaction.key.size == 0 && transaction.change->count >= 1 &&
                          transaction.change->count <= INGOT_VALIDATORS_MAX
                    : transaction.key.size >= 1 && transaction.key.size <= INGOT_KV_KEY_BYTES_MAX);
        require(transaction.value.size <= INGOT_KV_VALUE_BYTES_MAX);
        struct ingot_buffer made = {0};
        make(&transaction, &made);
        require(kv_transaction_parse(&other, ingot_buffer_slice(&made), &again) == INGOT_KV_OK);
        check_same(&transaction, &again);
        ingot_buffer_deinit(&made);
    }
    (void)kv_range_parse(&parser, bytes, &range);
    return 0;
}
