/*
 * The signing App: each transaction succeeds once on a chain, so that the validators put their
 * names to it once. It makes no signature and keeps none: that is the node's part, which asks
 * `attest` what there is to sign and `may_attest` whether this node wants to.
 *
 * The state has the height of each transaction that was committed, under its digest.
 */
#include <ingot/apps.h>

#include <inttypes.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "app/signing_transaction.h"
#include "app/steps.h"
#include "base/alloc.h"
#include "base/hex.h"

#define KEY_PREFIX 's'
#define KEY_BYTES (1 + INGOT_HASH_BYTES)
/* The digest of a transaction is that of a leaf of its block's Merkle tree. */
#define DIGEST_PREFIX 0x00

enum effect { EFFECT_NONE, EFFECT_SIGNED, EFFECT_SET_VALIDATORS };

struct signing {
    struct ingot_app_options options; /* without its policy, which is: */
    uint32_t payload_bytes_max;
    uint32_t submitter_count;
    struct ingot_public_key *submitters; /* owned; none: anybody */

    struct signing_parser parser;
    struct signing_transaction transaction; /* the one at work; its slices are the parser's */
    struct administrator_verdict verdict;   /* on a change of validators */
    char log[INGOT_RESULT_LOG_BYTES_MAX];   /* of a result that has words of its own */

    /* What the last transaction that was executed changes. */
    enum effect effect;
    uint8_t key[KEY_BYTES];
    uint64_t height;
};

/* The state's key of a transaction that has this digest. */
static void key_of_digest(const uint8_t digest[INGOT_HASH_BYTES], uint8_t key[KEY_BYTES])
{
    key[0] = KEY_PREFIX;
    memcpy(key + 1, digest, INGOT_HASH_BYTES);
}

static void key_of_transaction(struct ingot_slice bytes, uint8_t key[KEY_BYTES])
{
    static const uint8_t prefix = DIGEST_PREFIX;
    uint8_t digest[INGOT_HASH_BYTES];
    crypto_generichash_state state;
    (void)crypto_generichash_init(&state, NULL, 0, sizeof digest);
    (void)crypto_generichash_update(&state, &prefix, 1);
    (void)crypto_generichash_update(&state, bytes.data, bytes.size);
    (void)crypto_generichash_final(&state, digest, sizeof digest);
    key_of_digest(digest, key);
}

/* Where a transaction was committed: INGOT_ERROR_NOT_FOUND, or the store's error. */
static enum ingot_error read_height(struct ingot_snapshot *snapshot, const uint8_t key[KEY_BYTES],
                                    uint64_t *height)
{
    struct ingot_slice value;
    const enum ingot_error error =
        ingot_snapshot_get(snapshot, ingot_slice_of(key, KEY_BYTES), &value);
    if (error != INGOT_OK)
        return error;
    return ingot_slice_take_u64(&value, height) && value.size == 0 ? INGOT_OK : INGOT_ERROR_CORRUPT;
}

/* --- Executing. --- */

static void fail(struct ingot_result *result, enum ingot_signing_code code, const char *log)
{
    result->code = (uint32_t)code;
    result->log = ingot_slice_of_text(log);
}

static enum ingot_error execute_change(struct signing *signing, struct ingot_snapshot *snapshot,
                                       struct ingot_result *result)
{
    const enum ingot_error error = administrator_judge(
        &signing->options, snapshot, signing->transaction.change, &signing->verdict);
    result->code = (uint32_t)signing->verdict.code;
    result->log = ingot_slice_of_text(signing->verdict.log);
    if (signing->verdict.code == INGOT_ADMINISTRATOR_OK)
        signing->effect = EFFECT_SET_VALIDATORS;
    return error;
}

/* What was committed before had a good signature, so the state, which is faster, comes first. */
static enum ingot_error execute_request(struct signing *signing,
                                        const struct ingot_block_info *block,
                                        struct ingot_snapshot *snapshot, struct ingot_slice bytes,
                                        struct ingot_result *result)
{
    uint64_t height = 0;
    key_of_transaction(bytes, signing->key);
    const enum ingot_error error = read_height(snapshot, signing->key, &height);
    if (error == INGOT_OK) {
        (void)snprintf(signing->log, sizeof signing->log, "signed already: at height %" PRIu64,
                       height);
        fail(result, INGOT_SIGNING_SIGNED_ALREADY, signing->log);
        return INGOT_OK;
    }
    if (error != INGOT_ERROR_NOT_FOUND)
        return error;
    if (!signing_submitter_signed(&signing->transaction.request, &signing->options.chain)) {
        fail(result, INGOT_SIGNING_BAD_SUBMITTER, signing_code_text(INGOT_SIGNING_BAD_SUBMITTER));
        return INGOT_OK;
    }
    signing->effect = EFFECT_SIGNED;
    signing->height = block->height;
    return INGOT_OK;
}

static enum ingot_error execute(void *context, const struct ingot_block_info *block,
                                struct ingot_snapshot *snapshot, struct ingot_slice bytes,
                                struct ingot_result *result)
{
    struct signing *signing = context;
    signing->effect = EFFECT_NONE;
    const enum ingot_signing_code code =
        signing_transaction_parse(&signing->parser, bytes, &signing->transaction);
    if (code != INGOT_SIGNING_OK) {
        fail(result, code, signing_code_text(code));
        return INGOT_OK;
    }
    if (signing->transaction.change != NULL)
        return execute_change(signing, snapshot, result);
    return execute_request(signing, block, snapshot, bytes, result);
}

static enum ingot_error apply(void *context, struct ingot_execution *execution)
{
    const struct signing *signing = context;
    switch (signing->effect) {
    case EFFECT_SIGNED: {
        struct ingot_buffer height = {0};
        ingot_buffer_append_u64(&height, signing->height);
        const enum ingot_error error = ingot_execution_set(
            execution, ingot_slice_of(signing->key, KEY_BYTES), ingot_buffer_slice(&height));
        ingot_buffer_deinit(&height);
        return error;
    }
    case EFFECT_SET_VALIDATORS:
        return administrator_apply(execution, signing->transaction.change);
    case EFFECT_NONE:
        break;
    }
    return INGOT_OK;
}

static const struct steps steps = {execute, apply};

static enum ingot_error propose_block(void *context, const struct ingot_propose_request *request,
                                      struct ingot_execution *execution)
{
    return steps_propose(&steps, context, request, execution);
}

static enum ingot_error validate_block(void *context, const struct ingot_validate_request *request,
                                       struct ingot_execution *execution)
{
    return steps_validate(&steps, context, request, execution);
}

/* --- What may be signed. --- */

static bool is_submitter(const struct signing *signing, const struct ingot_public_key *key)
{
    for (uint32_t i = 0; i < signing->submitter_count; i++)
        if (memcmp(signing->submitters[i].bytes, key->bytes, sizeof key->bytes) == 0)
            return true;
    return false;
}

/* This node's own rule. False: with a sentence. */
static bool is_allowed(const struct signing *signing, const struct ingot_signing_request *request,
                       char *why, size_t why_size)
{
    char key[2 * INGOT_PUBLIC_KEY_BYTES + 1];
    if (request->has_payload && request->payload.size > signing->payload_bytes_max) {
        if (signing->payload_bytes_max == 0)
            (void)snprintf(why, why_size, "this node takes digests only, no payloads");
        else
            (void)snprintf(why, why_size,
                           "this node takes payloads of at most %" PRIu32 " bytes, found %zu",
                           signing->payload_bytes_max, request->payload.size);
        return false;
    }
    if (signing->submitter_count == 0)
        return true;
    if (!request->has_submitter) {
        (void)snprintf(why, why_size,
                       "this node takes transactions of certain submitters only, and this one "
                       "names none");
        return false;
    }
    hex_encode_lower(request->submitter.bytes, sizeof request->submitter.bytes, key);
    (void)snprintf(why, why_size, "this node does not take transactions of submitter %s", key);
    return is_submitter(signing, &request->submitter);
}

static bool attest(void *context, struct ingot_slice bytes, struct ingot_attest_subject *subject)
{
    struct signing *signing = context;
    if (signing_transaction_parse(&signing->parser, bytes, &signing->transaction) !=
            INGOT_SIGNING_OK ||
        signing->transaction.change != NULL)
        return false;
    const struct ingot_signing_request *request = &signing->transaction.request;
    *subject = (struct ingot_attest_subject){.has_payload = request->has_payload,
                                             .payload = request->payload};
    signing_request_digest(request, subject->digest);
    return true;
}

static bool may_attest(void *context, struct ingot_slice bytes)
{
    struct signing *signing = context;
    return signing_transaction_parse(&signing->parser, bytes, &signing->transaction) ==
               INGOT_SIGNING_OK &&
           is_allowed(signing, &signing->transaction.request, signing->log, sizeof signing->log);
}

static void check_change(struct signing *signing, struct ingot_snapshot *snapshot,
                         struct ingot_check_response *response)
{
    const enum ingot_error error = administrator_judge(
        &signing->options, snapshot, signing->transaction.change, &signing->verdict);
    response->code =
        error == INGOT_OK ? (uint32_t)signing->verdict.code : (uint32_t)INGOT_SIGNING_STORE_FAILED;
    ingot_buffer_append_slice(
        &response->log,
        ingot_slice_of_text(error == INGOT_OK ? signing->verdict.log : ingot_error_text(error)));
}

/*
 * Of a request only what no commit can change is looked at, so that it is looked at once. One that
 * is signed already gets into a block and has a result that says so.
 */
static void check_tx(void *context, struct ingot_slice bytes, struct ingot_snapshot *snapshot,
                     struct ingot_check_response *response)
{
    struct signing *signing = context;
    const struct ingot_signing_request *request = &signing->transaction.request;
    enum ingot_signing_code code =
        signing_transaction_parse(&signing->parser, bytes, &signing->transaction);
    response->is_stateless = code != INGOT_SIGNING_OK || signing->transaction.change == NULL;
    if (!response->is_stateless) {
        check_change(signing, snapshot, response);
        return;
    }
    const char *log = signing->log;
    if (code == INGOT_SIGNING_OK &&
        !is_allowed(signing, request, signing->log, sizeof signing->log)) {
        code = INGOT_SIGNING_NOT_ALLOWED;
    } else {
        if (code == INGOT_SIGNING_OK && !signing_submitter_signed(request, &signing->options.chain))
            code = INGOT_SIGNING_BAD_SUBMITTER;
        log = signing_code_text(code);
    }
    response->code = (uint32_t)code;
    ingot_buffer_append_slice(&response->log, ingot_slice_of_text(log));
}

/* --- Queries. --- */

static void query_signed(const struct ingot_query_request *request,
                         struct ingot_query_response *response)
{
    ingot_buffer_append_slice(&response->key, request->data);
    if (request->data.size != INGOT_HASH_BYTES) {
        response->code = INGOT_SIGNING_INVALID_ENCODING;
        ingot_buffer_format(&response->log,
                            "expected the 32 bytes of a transaction's digest, found %zu",
                            request->data.size);
        return;
    }
    uint8_t key[KEY_BYTES];
    uint64_t height = 0;
    key_of_digest(request->data.data, key);
    const enum ingot_error error = read_height(request->snapshot, key, &height);
    if (error == INGOT_OK) {
        response->code = INGOT_SIGNING_OK;
        ingot_buffer_format(&response->value, "%" PRIu64, height);
        ingot_buffer_append_slice(&response->log, ingot_slice_of_text("signed"));
        return;
    }
    const bool is_unknown = error == INGOT_ERROR_NOT_FOUND;
    response->code = is_unknown ? INGOT_SIGNING_NOT_FOUND : INGOT_SIGNING_STORE_FAILED;
    ingot_buffer_append_slice(
        &response->log, ingot_slice_of_text(is_unknown ? signing_code_text(INGOT_SIGNING_NOT_FOUND)
                                                       : ingot_error_text(error)));
}

static bool is_path(struct ingot_slice path, const char *text)
{
    return ingot_slice_equal(path, ingot_slice_of_text(text));
}

static void query(void *context, const struct ingot_query_request *request,
                  struct ingot_query_response *response)
{
    const struct signing *signing = context;
    if (request->path.size == 0 || is_path(request->path, "/signed")) {
        query_signed(request, response);
    } else if (is_path(request->path, ADMINISTRATOR_QUERY_PATH)) {
        administrator_query(&signing->options, request->snapshot, INGOT_SIGNING_STORE_FAILED,
                            response);
    } else {
        response->code = INGOT_SIGNING_UNKNOWN_PATH;
        ingot_buffer_append_slice(
            &response->log, ingot_slice_of_text(signing_code_text(INGOT_SIGNING_UNKNOWN_PATH)));
    }
}

/* --- The App. --- */

static void free_signing(void *context)
{
    struct signing *signing = context;
    signing_parser_deinit(&signing->parser);
    free(signing->submitters);
    free(signing);
}

static void take_policy(struct signing *signing, const struct ingot_signing_policy *policy)
{
    signing->payload_bytes_max = INGOT_SIGNING_PAYLOAD_BYTES_MAX;
    signing->options.signing_policy = NULL;
    if (policy == NULL)
        return;
    signing->payload_bytes_max = policy->payload_bytes_max;
    if (policy->submitter_count == 0)
        return;
    signing->submitter_count = policy->submitter_count;
    signing->submitters = alloc_zeroed(policy->submitter_count, sizeof *signing->submitters);
    memcpy(signing->submitters, policy->submitters,
           policy->submitter_count * sizeof *signing->submitters);
}

void ingot_app_signing_init(const struct ingot_app_options *options, struct ingot_app *app)
{
    struct signing *signing = alloc_zeroed(1, sizeof *signing);
    if (options != NULL)
        signing->options = *options;
    take_policy(signing, signing->options.signing_policy);
    *app = (struct ingot_app){
        .context = signing,
        .name = "signing",
        .version = "1",
        .propose_block = propose_block,
        .validate_block = validate_block,
        .check_tx = check_tx,
        .query = query,
        .attest = attest,
        .may_attest = may_attest,
        .free = free_signing,
    };
}
