/*
 * Methods of nodes that broadcast payloads without a chain: broadcast_submit, which answers when
 * there is an outcome, and broadcast_get, for whoever asks later.
 */
#include <string.h>

#include "base/clock.h"
#include "base/hex.h"
#include "node/rpc_internal.h"
#include "node/rpc_json.h"
#include "wire/crypto.h"

/* Of an id that the node chooses. */
#define RANDOM_ID_BYTES 16

enum { SUBMIT_PAYLOAD, SUBMIT_ID };

static const char *state_text(enum rpc_broadcast_state state)
{
    switch (state) {
    case RPC_BROADCAST_PENDING:
        return "pending";
    case RPC_BROADCAST_DELIVERED:
        return "delivered";
    case RPC_BROADCAST_REJECTED:
        return "rejected";
    case RPC_BROADCAST_TIMED_OUT:
        return "timed out";
    }
    return "unknown";
}

static json_t *lower_hex(struct ingot_slice bytes)
{
    char text[2 * INGOT_BROADCAST_ID_BYTES_MAX + 1];
    hex_encode_lower(bytes.data, bytes.size, text);
    return rpc_json(json_string(text));
}

static void broadcast_deinit(struct rpc_broadcast *broadcast)
{
    ingot_buffer_deinit(&broadcast->payload);
    ingot_buffer_deinit(&broadcast->attestation);
}

/* An attestation is JSON already, and is passed on byte for byte. */
static void call_broadcast(struct rpc_call *call, const struct rpc_broadcast *broadcast)
{
    const struct broadcast_digest *digest = &broadcast->digest;
    struct ingot_buffer text = {0};
    json_t *head = rpc_json(json_object());
    rpc_json_set(head, "state", rpc_json(json_string(state_text(broadcast->state))));
    rpc_json_set(head, "id", lower_hex(broadcast_id_slice(&broadcast->id)));
    rpc_json_set(head, "digest", lower_hex(ingot_slice_of(digest->bytes, sizeof digest->bytes)));
    rpc_json_set(head, "why", rpc_json_text(ingot_slice_of_text(broadcast->why)));
    rpc_json_set(head, "payload",
                 broadcast->has_payload ? rpc_json_base64(ingot_buffer_slice(&broadcast->payload))
                                        : rpc_json(json_null()));
    rpc_json_write(head, &text);
    json_decref(head);
    text.size--; /* the closing brace */
    ingot_buffer_append_slice(&text, ingot_slice_of_text(",\"attestation\":"));
    ingot_buffer_append_slice(&text, broadcast->attestation.size > 0
                                         ? ingot_buffer_slice(&broadcast->attestation)
                                         : ingot_slice_of_text("null"));
    ingot_buffer_append_u8(&text, '}');
    rpc_call_result_text(call, ingot_buffer_slice(&text));
    ingot_buffer_deinit(&text);
}

/* What a waiter is found by. */
static void key_of(const struct broadcast_id *id, const struct broadcast_digest *digest,
                   uint8_t key[32])
{
    struct ingot_buffer name = {0};
    ingot_buffer_append_u8(&name, id->size);
    ingot_buffer_append_slice(&name, broadcast_id_slice(id));
    ingot_buffer_append(&name, digest->bytes, sizeof digest->bytes);
    crypto_sha256(ingot_buffer_slice(&name), key);
    ingot_buffer_deinit(&name);
}

static bool read_id(struct rpc_call *call, const struct rpc_argument *argument,
                    struct broadcast_id *id)
{
    uint8_t random[CRYPTO_SEED_BYTES];
    struct ingot_slice bytes = ingot_buffer_slice(&argument->bytes);
    if (!argument->is_given) {
        crypto_random_seed(random);
        bytes = ingot_slice_of(random, RANDOM_ID_BYTES);
    }
    if (broadcast_id_from(bytes, id)) {
        return true;
    }
    rpc_call_error_format(call, RPC_ERROR_INVALID_PARAMS,
                          "id: expected 1 to %d bytes in hex, found %zu bytes",
                          INGOT_BROADCAST_ID_BYTES_MAX, bytes.size);
    return false;
}

void rpc_method_broadcast_submit(struct rpc_call *call, const struct rpc_argument *arguments)
{
    struct rpc *rpc = call->exchange->rpc;
    struct rpc_broadcast broadcast = {0};
    struct broadcast_id id;
    uint8_t key[32];
    if (!read_id(call, &arguments[SUBMIT_ID], &id)) {
        return;
    }
    rpc->backend.broadcast_submit(rpc->backend.context, &id,
                                  ingot_buffer_slice(&arguments[SUBMIT_PAYLOAD].bytes), &broadcast);
    key_of(&broadcast.id, &broadcast.digest, key);
    if (broadcast.state != RPC_BROADCAST_PENDING || call->id == NULL) {
        call_broadcast(call, &broadcast); /* a notification does not wait */
    } else if (!rpc_waiters_add(&rpc->waiters, call, key,
                                clock_monotonic_us() / 1000 + rpc->options.commit_timeout_ms)) {
        rpc_call_error(call, RPC_ERROR_INTERNAL,
                       "too many calls wait for a delivery; ask later with broadcast_get");
    } else {
        call->broadcast_id = id;
        call->broadcast_digest = broadcast.digest;
        rpc_waiters_arm(rpc);
    }
    broadcast_deinit(&broadcast);
}

static void call_found(struct rpc_call *call, const struct broadcast_id *id,
                       const struct broadcast_digest *digest)
{
    const struct rpc_backend *backend = &call->exchange->rpc->backend;
    struct rpc_broadcast broadcast = {0};
    if (backend->broadcast_find(backend->context, id, digest, &broadcast)) {
        call_broadcast(call, &broadcast);
    } else {
        rpc_call_error(call, RPC_ERROR_INTERNAL, "no broadcast of this id is known to this node");
    }
    broadcast_deinit(&broadcast);
}

void rpc_broadcast_ended(struct rpc *rpc, const struct broadcast_id *id,
                         const struct broadcast_digest *digest)
{
    struct rpc_waiter *waiter;
    uint8_t key[32];
    if (rpc->waiters.index.count == 0) {
        return;
    }
    key_of(id, digest, key);
    while ((waiter = rpc_waiters_find(&rpc->waiters, key)) != NULL) {
        rpc_waiters_remove(&rpc->waiters, waiter);
        call_found(waiter->call, id, digest);
    }
    rpc_waiters_arm(rpc);
}

void rpc_broadcast_expire(struct rpc_call *call)
{
    call_found(call, &call->broadcast_id, &call->broadcast_digest);
}

void rpc_method_broadcast_get(struct rpc_call *call, const struct rpc_argument *arguments)
{
    struct broadcast_id id;
    if (read_id(call, &arguments[0], &id)) {
        call_found(call, &id, NULL);
    }
}
