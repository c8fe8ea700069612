/*
 * Transactions for the kv App and a model of it. See kv_model.h.
 */
#include "lib/kv_model.h"

#include <ingot/app_kv.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "wire/preimage.h"

void kv_model_init(struct kv_model *model, uint64_t seed)
{
    *model = (struct kv_model){0};
    prng_init(&model->prng, seed, 0x6B76);
}

void kv_model_deinit(struct kv_model *model)
{
    for (uint32_t i = 0; i < model->operations.capacity; i++) {
        free(model->operations.slots[i].value);
    }
    table_deinit(&model->operations);
    for (uint32_t i = 0; i < KV_MODEL_RECENT; i++) {
        ingot_buffer_deinit(&model->recent[i]);
    }
}

void kv_model_key(uint32_t index, char text[16])
{
    (void)snprintf(text, 16, "key%u", index);
}

void kv_model_value(uint64_t number, char text[32])
{
    (void)snprintf(text, 32, "value%llu", (unsigned long long)number);
}

static struct kv_operation draw(struct kv_model *model)
{
    static const enum kv_operation_kind kinds[] = {KV_PUT_TEXT, KV_PUT_TEXT,        KV_PUT,
                                                   KV_DELETE,   KV_COMPARE_AND_SET, KV_GET};
    struct kv_operation operation = {.value = model->made};
    operation.kind = kinds[prng_below(&model->prng, sizeof kinds / sizeof kinds[0])];
    operation.key = (uint32_t)prng_below(&model->prng, KV_MODEL_KEYS);
    /* Half of the time what is there by now, so that some comparisons succeed. */
    operation.expected = prng_chance(&model->prng, 500000)
                             ? model->values[operation.key]
                             : prng_between(&model->prng, 1, model->made);
    return operation;
}

static void remember(struct kv_model *model, struct ingot_slice transaction,
                     struct kv_operation *operation)
{
    struct ingot_hash digest;
    wire_transaction_digest(transaction, &digest);
    crypto_sha256(transaction, operation->sha256);
    table_add(&model->operations, table_key_of_hash(&digest), operation);
}

void kv_model_make(struct kv_model *model, struct ingot_buffer *transaction)
{
    model->made++;
    struct kv_operation *operation = alloc_zeroed(1, sizeof *operation);
    *operation = draw(model);
    char key_text[16];
    char value_text[32];
    char expected_text[32];
    char nonce_text[32];
    kv_model_key(operation->key, key_text);
    kv_model_value(operation->value, value_text);
    kv_model_value(operation->expected, expected_text);
    kv_model_value(model->made, nonce_text);
    const struct ingot_slice key = ingot_slice_of_text(key_text);
    const struct ingot_slice value = ingot_slice_of_text(value_text);
    const struct ingot_slice expected = ingot_slice_of_text(expected_text);
    const struct ingot_slice nonce = ingot_slice_of_text(nonce_text);
    enum ingot_error error = INGOT_OK;
    switch (operation->kind) {
    case KV_PUT_TEXT:
        ingot_buffer_format(transaction, "%s=%s", key_text, value_text);
        break;
    case KV_PUT:
        error = ingot_kv_transaction_put(transaction, key, value, nonce);
        break;
    case KV_DELETE:
        error = ingot_kv_transaction_delete(transaction, key, nonce);
        break;
    case KV_COMPARE_AND_SET:
        error = ingot_kv_transaction_compare_and_set(
            transaction, key, operation->expected == 0 ? NULL : &expected, value, nonce);
        break;
    case KV_GET:
        error = ingot_kv_transaction_get(transaction, key, nonce);
        break;
    case KV_CHANGE_SET:
        INGOT_ASSERT(false); /* it is made by set_app.c */
        break;
    }
    INGOT_ASSERT(error == INGOT_OK);
    remember(model, ingot_buffer_slice(transaction), operation);
    struct ingot_buffer *recent = &model->recent[model->made % KV_MODEL_RECENT];
    ingot_buffer_clear(recent);
    ingot_buffer_append_slice(recent, ingot_buffer_slice(transaction));
}

void kv_model_add_change(struct kv_model *model, struct ingot_slice transaction)
{
    struct kv_operation *operation = alloc_zeroed(1, sizeof *operation);
    operation->kind = KV_CHANGE_SET;
    remember(model, transaction, operation);
}

const struct ingot_buffer *kv_model_recent(struct kv_model *model)
{
    const struct ingot_buffer *recent = &model->recent[prng_below(&model->prng, KV_MODEL_RECENT)];
    return recent->size == 0 ? NULL : recent;
}

struct kv_operation *kv_model_find(const struct kv_model *model, const struct ingot_hash *digest)
{
    return table_find(&model->operations, table_key_of_hash(digest));
}

static const char *expect(struct kv_operation *operation, const struct ingot_result *result,
                          enum ingot_kv_code code)
{
    operation->code = (uint32_t)code;
    return result == NULL || result->code == (uint32_t)code ? NULL
                                                            : "the code is not what a replay gives";
}

const char *kv_model_execute(struct kv_model *model, struct kv_operation *operation,
                             const struct ingot_result *result)
{
    uint64_t *value = &model->values[operation->key];
    char text[32];
    switch (operation->kind) {
    case KV_PUT_TEXT:
    case KV_PUT:
        *value = operation->value;
        return expect(operation, result, INGOT_KV_OK);
    case KV_DELETE:
        if (*value == 0) {
            return expect(operation, result, INGOT_KV_NOT_FOUND);
        }
        *value = 0;
        return expect(operation, result, INGOT_KV_OK);
    case KV_COMPARE_AND_SET:
        if (*value != operation->expected) {
            return expect(operation, result, INGOT_KV_COMPARE_FAILED);
        }
        *value = operation->value;
        return expect(operation, result, INGOT_KV_OK);
    case KV_GET:
        if (*value == 0) {
            return expect(operation, result, INGOT_KV_NOT_FOUND);
        }
        kv_model_value(*value, text);
        if (result != NULL && !ingot_slice_equal(result->data, ingot_slice_of_text(text))) {
            return "the value that was read is not what a replay gives";
        }
        return expect(operation, result, INGOT_KV_OK);
    case KV_CHANGE_SET:
        return expect(operation, result, INGOT_KV_OK);
    }
    INGOT_ASSERT(false);
    return NULL;
}
