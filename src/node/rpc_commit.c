/*
 * The methods that wait: broadcast_tx_commit for the commit of its transaction, and
 * broadcast_tx_attest then for the attestation of what the transaction asks the validators to sign.
 */
#include <inttypes.h>
#include <string.h>

#include "base/clock.h"
#include "base/hex.h"
#include "node/rpc_internal.h"
#include "node/rpc_json.h"
#include "wire/crypto.h"
#include "wire/preimage.h"

/* As rpc_json_outcome, but as text. */
static void append_outcome(struct ingot_buffer *text, uint32_t code, struct ingot_slice data,
                           struct ingot_slice log)
{
    static const char plain[] = "{\"code\":0,\"data\":null,\"log\":\"\",\"info\":\"\","
                                "\"gas_wanted\":\"0\",\"gas_used\":\"0\",\"events\":[],"
                                "\"codespace\":\"\"}";
    if (code == 0 && data.size == 0 && log.size == 0) {
        ingot_buffer_append(text, plain, sizeof plain - 1);
        return;
    }
    json_t *outcome = rpc_json_outcome(code, data, log);
    rpc_json_write(outcome, text);
    json_decref(outcome);
}

/*
 * The answer but for its end; `height` is 0 when the check refused the transaction. Under load this
 * is written more often than all else together, so it is not built as a JSON value.
 */
static void append_commit(struct ingot_buffer *text, const struct ingot_check_response *check,
                          const struct ingot_result *outcome, const uint8_t sha256[32],
                          uint64_t height)
{
    char hex[65];
    hex_encode_upper(sha256, 32, hex);
    ingot_buffer_reserve(text, 512);
    ingot_buffer_append_slice(text, ingot_slice_of_text("{\"check_tx\":"));
    append_outcome(text, check->code, (struct ingot_slice){0}, ingot_buffer_slice(&check->log));
    ingot_buffer_append_slice(text, ingot_slice_of_text(",\"tx_result\":"));
    append_outcome(text, outcome->code, outcome->data, outcome->log);
    ingot_buffer_format(text, ",\"hash\":\"%s\",\"height\":\"%" PRIu64 "\"", hex, height);
}

/* Ends the call, and an answer that is begun in `text`; an empty attestation is shown as null. */
static void call_attest_result(struct rpc_call *call, struct ingot_buffer *text,
                               struct ingot_slice json)
{
    ingot_buffer_append_slice(text, ingot_slice_of_text(",\"attestation\":"));
    ingot_buffer_append_slice(text, json.size > 0 ? json : ingot_slice_of_text("null"));
    ingot_buffer_append_u8(text, '}');
    rpc_call_result_text(call, ingot_buffer_slice(text));
}

/* Nothing more is to come: what was committed, or refused by the check, and no attestation. */
static void call_commit_result(struct rpc_call *call, const struct ingot_check_response *check,
                               const struct ingot_result *outcome, const uint8_t sha256[32],
                               uint64_t height)
{
    struct ingot_buffer text = {0};
    append_commit(&text, check, outcome, sha256, height);
    if (call->waiter.wants_attestation) {
        call_attest_result(call, &text, ingot_slice_of(NULL, 0));
    } else {
        ingot_buffer_append_u8(&text, '}');
        rpc_call_result_text(call, ingot_buffer_slice(&text));
    }
    ingot_buffer_deinit(&text);
}

static void call_refused(struct rpc_call *call, uint64_t height)
{
    rpc_call_error_format(call, RPC_ERROR_INTERNAL,
                          "attestation refused: tx is committed at height %" PRIu64
                          ", but so many validators have declined to sign that there is no quorum",
                          height);
}

/* An attestation is wanted of a transaction that is committed now with code 0. */
static void attest_committed(struct rpc *rpc, struct rpc_waiter *waiter,
                             struct ingot_slice transaction, const struct ingot_result *outcome,
                             uint64_t height)
{
    struct rpc_call *call = waiter->call;
    struct ingot_hash digest;
    struct ingot_buffer json = {0};
    uint8_t sha256[32];
    memcpy(sha256, waiter->keyed.key, sizeof sha256);
    wire_transaction_digest(transaction, &digest);
    const enum attest_state state =
        rpc->backend.find_attestation(rpc->backend.context, height, &digest, &json);
    if (state == ATTEST_PENDING) {
        waiter->height = height;
        append_commit(&call->committed, &call->check, outcome, sha256, height);
        rpc_waiters_change_key(&rpc->waiters, waiter, digest.bytes);
        return;
    }
    rpc_waiters_remove(&rpc->waiters, waiter);
    if (state == ATTEST_REFUSED) {
        call_refused(call, height);
    } else {
        append_commit(&call->committed, &call->check, outcome, sha256, height);
        call_attest_result(call, &call->committed, ingot_buffer_slice(&json));
    }
    ingot_buffer_deinit(&json);
}

static void commit(struct rpc_call *call, const struct rpc_argument *arguments,
                   bool wants_attestation)
{
    struct rpc *rpc = call->exchange->rpc;
    struct ingot_slice transaction = ingot_buffer_slice(&arguments[0].bytes);
    struct ingot_check_response check = {0};
    uint8_t sha256[32];

    if (call->id == NULL) { /* a notification does not wait */
        rpc_call_broadcast(call, arguments, false);
        return;
    }
    crypto_sha256(transaction, sha256);
    /* It waits before it is submitted: a validator that is alone may commit within the call. */
    if (!rpc_waiters_add(&rpc->waiters, call, sha256,
                         clock_monotonic_us() / 1000 + rpc->options.commit_timeout_ms)) {
        rpc_call_error(call, RPC_ERROR_INTERNAL, "too many calls wait for a commit, retry later");
        return;
    }
    call->waiter.wants_attestation = wants_attestation;
    enum ingot_error error = rpc->backend.submit(rpc->backend.context, transaction, NULL, &check);
    if (call->is_done) {
        ingot_buffer_deinit(&check.log);
        return;
    }
    if (error != INGOT_OK) {
        rpc_waiters_remove(&rpc->waiters, &call->waiter);
        rpc_call_submit_error(call, error, transaction.size);
    } else if (check.code != 0) {
        const struct ingot_result none = {0};
        rpc_waiters_remove(&rpc->waiters, &call->waiter);
        call_commit_result(call, &check, &none, sha256, 0);
    } else {
        call->check = check;
        rpc_waiters_arm(rpc);
        return;
    }
    ingot_buffer_deinit(&check.log);
}

void rpc_method_broadcast_tx_commit(struct rpc_call *call, const struct rpc_argument *arguments)
{
    commit(call, arguments, false);
}

void rpc_method_broadcast_tx_attest(struct rpc_call *call, const struct rpc_argument *arguments)
{
    if (call->exchange->rpc->backend.find_attestation == NULL) {
        rpc_call_error(call, RPC_ERROR_INTERNAL, "the app asks for no attestations");
        return;
    }
    commit(call, arguments, true);
}

bool rpc_has_waiters(const struct rpc *rpc)
{
    return rpc != NULL && (rpc->awaited.count > 0 || rpc->waiters.index.count > 0);
}

void rpc_committed(struct rpc *rpc, const struct block *block, const struct execution *execution)
{
    struct ingot_slice rest = ingot_buffer_slice(&block->payload);
    struct ingot_slice transaction;
    uint32_t index = 0;
    if (rpc == NULL) {
        return;
    }
    rpc_submissions_committed(rpc, block, execution);
    while (rpc->waiters.index.count > 0 && payload_next(&rest, &transaction)) {
        uint8_t sha256[32];
        struct rpc_waiter *waiter;
        crypto_sha256(transaction, sha256);
        while ((waiter = rpc_waiters_find(&rpc->waiters, sha256)) != NULL) {
            const struct ingot_result *outcome = execution_result(execution, index);
            if (waiter->wants_attestation && outcome->code == 0) {
                attest_committed(rpc, waiter, transaction, outcome, block->height);
                continue;
            }
            rpc_waiters_remove(&rpc->waiters, waiter);
            call_commit_result(waiter->call, &waiter->call->check, outcome, sha256, block->height);
        }
        index++;
    }
    rpc_waiters_arm(rpc);
}

void rpc_attested(struct rpc *rpc, const struct statement_id *id, struct ingot_slice json)
{
    struct rpc_waiter *waiter;
    if (rpc == NULL || id->size != sizeof waiter->keyed.key) {
        return;
    }
    while ((waiter = rpc_waiters_find(&rpc->waiters, id->bytes)) != NULL) {
        rpc_waiters_remove(&rpc->waiters, waiter);
        call_attest_result(waiter->call, &waiter->call->committed, json);
    }
    rpc_waiters_arm(rpc);
}

void rpc_attest_refused(struct rpc *rpc, const struct statement_id *id)
{
    struct rpc_waiter *waiter;
    if (rpc == NULL || id->size != sizeof waiter->keyed.key) {
        return;
    }
    while ((waiter = rpc_waiters_find(&rpc->waiters, id->bytes)) != NULL) {
        rpc_waiters_remove(&rpc->waiters, waiter);
        call_refused(waiter->call, waiter->height);
    }
    rpc_waiters_arm(rpc);
}

void rpc_waiters_arm(struct rpc *rpc)
{
    if (rpc->waiters.oldest == NULL) {
        (void)event_del(rpc->waiter_timer);
        return;
    }
    if (event_pending(rpc->waiter_timer, EV_TIMEOUT, NULL)) {
        return; /* it fires at or before the deadline of the oldest, and is armed again then */
    }
    uint64_t now_ms = clock_monotonic_us() / 1000;
    uint64_t deadline_ms = rpc->waiters.oldest->deadline_ms;
    rpc_add_timer(rpc->waiter_timer, deadline_ms > now_ms ? deadline_ms - now_ms : 0);
}

void rpc_waiters_expire(struct rpc *rpc)
{
    uint64_t now_ms = clock_monotonic_us() / 1000;
    struct rpc_waiter *waiter;
    while ((waiter = rpc->waiters.oldest) != NULL && waiter->deadline_ms <= now_ms) {
        rpc_waiters_remove(&rpc->waiters, waiter);
        if (rpc->identity.protocol != SETTINGS_PROTOCOL_HOTSTUFF) {
            rpc_broadcast_expire(waiter->call);
        } else if (waiter->height > 0) {
            rpc_call_error_format(
                waiter->call, RPC_ERROR_INTERNAL,
                "timed out waiting for the attestation: tx is committed at height "
                "%" PRIu64 " and its attestation is pending",
                waiter->height);
        } else {
            rpc_call_error(waiter->call, RPC_ERROR_INTERNAL,
                           "timed out waiting for tx to be included in a block");
        }
    }
    rpc_waiters_arm(rpc);
}
