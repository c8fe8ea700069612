/*
 * The key-value App: what its transactions and queries do to the state. Keys of users stand in the
 * state behind one prefix byte, so that the App has room for keys of its own (administrator.h).
 *
 * Every transaction gets into the block, also one that fails: its sender learns why from the
 * result.
 */
#include <ingot/apps.h>

#include <stdlib.h>
#include <string.h>

#include "app/administrator.h"
#include "app/kv_transaction.h"
#include "app/steps.h"
#include "base/alloc.h"
#include "base/assert.h"

#define KEY_PREFIX 'k'
#define KEY_PREFIX_END 'l'

struct state_key {
    uint8_t bytes[1 + INGOT_KV_KEY_BYTES_MAX];
    size_t size;
};

static_assert(sizeof((struct state_key *)0)->bytes <= INGOT_STATE_KEY_BYTES_MAX,
              "a key fits the state");

static struct state_key state_key_of(struct ingot_slice key)
{
    INGOT_ASSERT(key.size <= INGOT_KV_KEY_BYTES_MAX);
    struct state_key result = {.size = 1 + key.size};
    result.bytes[0] = KEY_PREFIX;
    if (key.size > 0)
        memcpy(result.bytes + 1, key.data, key.size);
    return result;
}

static struct ingot_slice state_key_slice(const struct state_key *key)
{
    return ingot_slice_of(key->bytes, key->size);
}

/* --- Executing. --- */

enum effect { EFFECT_NONE, EFFECT_SET, EFFECT_DELETE, EFFECT_SET_VALIDATORS };

struct outcome {
    struct ingot_result result;
    enum effect effect;
    struct state_key key;
    struct ingot_slice value;
};

struct kv {
    struct ingot_app_options options;
    struct kv_parser parser;
    struct kv_transaction transaction;    /* the one at work; its slices are the parser's */
    struct administrator_verdict verdict; /* on a change of validators; its log is the result's */
    struct outcome outcome;               /* of the last transaction that was executed */
    uint64_t evidence_count; /* that the node has handed over; each node's own, so no state */
};

static void fail(struct outcome *outcome, enum ingot_kv_code code)
{
    outcome->result.code = (uint32_t)code;
    outcome->result.log = ingot_slice_of_text(kv_code_text(code));
}

/* The value as a result's data, if it fits. */
static struct ingot_slice data_of_value(struct ingot_slice value)
{
    return value.size <= INGOT_RESULT_DATA_BYTES_MAX ? value : ingot_slice_of(NULL, 0);
}

static void compare_and_set(const struct kv_transaction *transaction,
                            const struct ingot_slice *present, struct outcome *outcome)
{
    const bool holds = transaction->expects_absent
                           ? present == NULL
                           : present != NULL && ingot_slice_equal(*present, transaction->expected);
    if (holds) {
        outcome->effect = EFFECT_SET;
        outcome->value = transaction->value;
        return;
    }
    fail(outcome, INGOT_KV_COMPARE_FAILED);
    if (present != NULL)
        outcome->result.data = data_of_value(*present);
}

static void read_value(const struct ingot_slice *present, struct outcome *outcome)
{
    if (present == NULL)
        fail(outcome, INGOT_KV_NOT_FOUND);
    else if (present->size > INGOT_RESULT_DATA_BYTES_MAX)
        fail(outcome, INGOT_KV_VALUE_HIDDEN);
    else
        outcome->result.data = *present;
}

static enum ingot_error set_validators(struct kv *kv, struct ingot_snapshot *snapshot,
                                       struct outcome *outcome)
{
    const enum ingot_error error =
        administrator_judge(&kv->options, snapshot, kv->transaction.change, &kv->verdict);
    outcome->result.code = (uint32_t)kv->verdict.code;
    outcome->result.log = ingot_slice_of_text(kv->verdict.log);
    if (kv->verdict.code == INGOT_ADMINISTRATOR_OK)
        outcome->effect = EFFECT_SET_VALIDATORS;
    return error;
}

static enum ingot_error work_out(struct kv *kv, struct ingot_snapshot *snapshot,
                                 struct ingot_slice bytes, struct outcome *outcome)
{
    const struct kv_transaction *transaction = &kv->transaction;
    outcome->result = (struct ingot_result){0};
    outcome->effect = EFFECT_NONE;
    const enum ingot_kv_code code = kv_transaction_parse(&kv->parser, bytes, &kv->transaction);
    if (code != INGOT_KV_OK) {
        fail(outcome, code);
        return INGOT_OK;
    }
    if (transaction->operation == KV_SET_VALIDATORS)
        return set_validators(kv, snapshot, outcome);
    outcome->key = state_key_of(transaction->key);
    if (transaction->operation == KV_PUT) {
        outcome->effect = EFFECT_SET;
        outcome->value = transaction->value;
        return INGOT_OK;
    }

    struct ingot_slice value;
    const enum ingot_error error =
        ingot_snapshot_get(snapshot, state_key_slice(&outcome->key), &value);
    if (error != INGOT_OK && error != INGOT_ERROR_NOT_FOUND)
        return error;
    const struct ingot_slice *present = error == INGOT_OK ? &value : NULL;
    if (transaction->operation == KV_COMPARE_AND_SET)
        compare_and_set(transaction, present, outcome);
    else if (transaction->operation == KV_GET)
        read_value(present, outcome);
    else if (present == NULL)
        fail(outcome, INGOT_KV_NOT_FOUND);
    else
        outcome->effect = EFFECT_DELETE;
    return INGOT_OK;
}

static enum ingot_error execute(void *context, const struct ingot_block_info *block,
                                struct ingot_snapshot *snapshot, struct ingot_slice bytes,
                                struct ingot_result *result)
{
    struct kv *kv = context;
    (void)block;
    const enum ingot_error error = work_out(kv, snapshot, bytes, &kv->outcome);
    *result = kv->outcome.result;
    return error;
}

static enum ingot_error apply(void *context, struct ingot_execution *execution)
{
    const struct kv *kv = context;
    const struct outcome *outcome = &kv->outcome;
    switch (outcome->effect) {
    case EFFECT_SET:
        return ingot_execution_set(execution, state_key_slice(&outcome->key), outcome->value);
    case EFFECT_DELETE:
        return ingot_execution_delete(execution, state_key_slice(&outcome->key));
    case EFFECT_SET_VALIDATORS:
        return administrator_apply(execution, kv->transaction.change);
    case EFFECT_NONE:
        break;
    }
    return INGOT_OK;
}

static const struct steps steps = {execute, apply};

static enum ingot_error propose_block(void *context, const struct ingot_propose_request *request,
                                      struct ingot_execution *execution)
{
    struct kv *kv = context;
    kv->evidence_count += request->evidence_count;
    return steps_propose(&steps, context, request, execution);
}

static enum ingot_error validate_block(void *context, const struct ingot_validate_request *request,
                                       struct ingot_execution *execution)
{
    struct kv *kv = context;
    kv->evidence_count += request->evidence_count;
    return steps_validate(&steps, context, request, execution);
}

/* What depends on the transaction alone is final; who changes validators has to keep up. */
static void check_tx(void *context, struct ingot_slice bytes, struct ingot_snapshot *snapshot,
                     struct ingot_check_response *response)
{
    struct kv *kv = context;
    enum ingot_kv_code code = kv_transaction_parse(&kv->parser, bytes, &kv->transaction);
    const char *log = kv_code_text(code);
    response->is_stateless = code != INGOT_KV_OK || kv->transaction.operation != KV_SET_VALIDATORS;
    if (!response->is_stateless) {
        const enum ingot_error error =
            administrator_judge(&kv->options, snapshot, kv->transaction.change, &kv->verdict);
        code = error == INGOT_OK ? (enum ingot_kv_code)kv->verdict.code : INGOT_KV_STORE_FAILED;
        log = error == INGOT_OK ? kv->verdict.log : ingot_error_text(error);
    }
    response->code = (uint32_t)code;
    ingot_buffer_append_slice(&response->log, ingot_slice_of_text(log));
}

/* --- Queries. --- */

static void answer(struct ingot_query_response *response, enum ingot_kv_code code, const char *log)
{
    response->code = (uint32_t)code;
    ingot_buffer_append_slice(&response->log, ingot_slice_of_text(log));
}

/* As CometBFT's kvstore: a missing key is an answer, not an error. */
static void query_key(const struct ingot_query_request *request,
                      struct ingot_query_response *response)
{
    ingot_buffer_append_slice(&response->key, request->data);
    struct ingot_slice value;
    enum ingot_error error = INGOT_ERROR_NOT_FOUND;
    if (request->data.size <= INGOT_KV_KEY_BYTES_MAX) {
        const struct state_key key = state_key_of(request->data);
        error = ingot_snapshot_get(request->snapshot, state_key_slice(&key), &value);
    }
    if (error == INGOT_OK) {
        ingot_buffer_append_slice(&response->value, value);
        answer(response, INGOT_KV_OK, "exists");
    } else if (error == INGOT_ERROR_NOT_FOUND) {
        answer(response, INGOT_KV_OK, "does not exist");
    } else {
        answer(response, INGOT_KV_STORE_FAILED, ingot_error_text(error));
    }
}

struct range_visit {
    struct ingot_buffer *value;
    uint32_t count;
    uint32_t limit;
    bool has_more;
};

static bool visit_item(void *context, struct ingot_slice key, struct ingot_slice value)
{
    struct range_visit *visit = context;
    const struct ingot_slice user_key = ingot_slice_of(key.data + 1, key.size - 1);
    if (visit->count == visit->limit ||
        visit->value->size + kv_range_item_size(user_key, value) > INGOT_KV_RANGE_BYTES_MAX) {
        visit->has_more = true;
        return false;
    }
    kv_range_append_item(visit->value, user_key, value);
    visit->count++;
    return true;
}

static_assert(INGOT_KV_VALUE_BYTES_MAX + INGOT_KV_KEY_BYTES_MAX + 64 <= INGOT_KV_RANGE_BYTES_MAX,
              "every answer makes progress");

static void query_range(struct kv *kv, const struct ingot_query_request *request,
                        struct ingot_query_response *response)
{
    struct kv_range range;
    if (!kv_range_parse(&kv->parser, request->data, &range)) {
        answer(response, INGOT_KV_INVALID_ENCODING, "not a canonical RangeQuery message");
        return;
    }
    if (range.first.size > INGOT_KV_KEY_BYTES_MAX || range.end.size > INGOT_KV_KEY_BYTES_MAX) {
        answer(response, INGOT_KV_TOO_LARGE, kv_code_text(INGOT_KV_TOO_LARGE));
        return;
    }
    static const uint8_t prefix_end[1] = {KEY_PREFIX_END};
    const struct state_key first = state_key_of(range.first);
    const struct state_key end = state_key_of(range.end);
    const bool has_limit = range.limit > 0 && range.limit < INGOT_KV_RANGE_ITEMS_MAX;
    struct range_visit visit = {
        .value = &response->value,
        .limit = has_limit ? range.limit : INGOT_KV_RANGE_ITEMS_MAX,
    };
    const enum ingot_error error = ingot_snapshot_range(
        request->snapshot, state_key_slice(&first),
        range.end.size > 0 ? state_key_slice(&end) : ingot_slice_of(prefix_end, sizeof prefix_end),
        visit_item, &visit);
    if (error != INGOT_OK) {
        ingot_buffer_clear(&response->value);
        answer(response, INGOT_KV_STORE_FAILED, ingot_error_text(error));
        return;
    }
    if (visit.has_more)
        kv_range_append_more(&response->value);
    response->code = INGOT_KV_OK;
    ingot_buffer_format(&response->log, "%u items", visit.count);
}

/* For whoever watches one node; another has seen other things. */
static void query_evidence(const struct kv *kv, struct ingot_query_response *response)
{
    ingot_buffer_format(&response->value, "%llu", (unsigned long long)kv->evidence_count);
    answer(response, INGOT_KV_OK, "handed to this App since the node's start");
}

static bool is_path(struct ingot_slice path, const char *text)
{
    return ingot_slice_equal(path, ingot_slice_of_text(text));
}

static void query(void *context, const struct ingot_query_request *request,
                  struct ingot_query_response *response)
{
    struct kv *kv = context;
    if (request->path.size == 0 || is_path(request->path, "/store") ||
        is_path(request->path, "/key"))
        query_key(request, response);
    else if (is_path(request->path, "/range"))
        query_range(kv, request, response);
    else if (is_path(request->path, ADMINISTRATOR_QUERY_PATH))
        administrator_query(&kv->options, request->snapshot, INGOT_KV_STORE_FAILED, response);
    else if (is_path(request->path, "/evidence"))
        query_evidence(kv, response);
    else
        answer(response, INGOT_KV_UNKNOWN_PATH,
               "unknown path; known are /store, /key, /range, /evidence and "
               "/validators/next_sequence");
}

static void free_kv(void *context)
{
    struct kv *kv = context;
    kv_parser_deinit(&kv->parser);
    free(kv);
}

void ingot_app_kv_init(const struct ingot_app_options *options, struct ingot_app *app)
{
    struct kv *kv = alloc_zeroed(1, sizeof *kv);
    if (options != NULL)
        kv->options = *options;
    *app = (struct ingot_app){
        .context = kv,
        .name = "kv",
        .version = "1",
        .propose_block = propose_block,
        .validate_block = validate_block,
        .check_tx = check_tx,
        .query = query,
        .free = free_kv,
    };
}
