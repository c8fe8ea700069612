/*
 * What the listener for clients (rpc.h) sees of a node that broadcasts payloads without a chain.
 */
#include <stdio.h>
#include <string.h>

#include "base/assert.h"
#include "node/broadcast_node.h"
#include "wire/broadcast.h"

static struct broadcast_node *driver_of(void *context)
{
    const struct ingot_node *node = context;
    return broadcast_node_of(node->driver);
}

static void get_status(void *context, struct rpc_status *status)
{
    const struct broadcast_node *driver = driver_of(context);
    const struct ingot_node *node = driver->node;
    const struct block *genesis = node->genesis.block;
    struct ingot_network_stats network;
    ingot_network_stats(node->network, &network);
    *status = (struct rpc_status){.hash = genesis->hash,
                                  .updates_hash = genesis->updates_hash,
                                  .time_ms = genesis->time_ms,
                                  .is_member = driver->own != BROADCAST_NONE,
                                  .power = driver->own == BROADCAST_NONE
                                               ? 0
                                               : node->genesis.set->validators[driver->own].power,
                                  .peers = (uint32_t)network.peers_connected,
                                  .deliveries = driver->protocol->stats.delivered,
                                  .open_rounds = driver->protocol->stats.open};
}

static const struct validator_set *get_validators(void *context, uint64_t epoch)
{
    return epoch == 0 ? driver_of(context)->node->genesis.set : NULL;
}

static const struct metrics *get_metrics(void *context)
{
    struct ingot_node *node = context;
    struct broadcast_node *driver = broadcast_node_of(node->driver);
    struct metrics *metrics = &driver->metrics;
    const struct crypto_counters *wire = &driver->signer.counters;
    driver->counts = (struct metrics_broadcast){.protocol = driver->protocol->operations->name,
                                                .stats = driver->protocol->stats};
    metrics->signatures = wire->signatures;
    metrics->verifications = wire->verifications;
    if (driver->signing != NULL) {
        const struct signed_records *records = quorum_signing_records(driver->signing);
        const struct crypto_counters *statements = quorum_signing_counters(driver->signing);
        driver->counts.records = signed_records_count(records);
        driver->counts.records_bytes = signed_records_bytes(records);
        driver->counts.records_pending = signed_records_pending(records);
        metrics->signatures += statements->signatures;
        metrics->verifications += statements->verifications;
    }
    metrics->broadcast = &driver->counts;
    metrics->is_member = driver->own != BROADCAST_NONE;
    node_fill_metrics(node, metrics);
    return metrics;
}

/* An id of the one kind as one of the other. */
static struct statement_id statement_id_of(const struct broadcast_id *id)
{
    struct statement_id result;
    const bool is_id = statement_id_from(broadcast_id_slice(id), &result);
    INGOT_ASSERT(is_id);
    return result;
}

static bool find_record(const struct broadcast_node *driver, const struct broadcast_id *id,
                        const struct broadcast_digest *digest, struct rpc_broadcast *broadcast)
{
    const struct statement_id name = statement_id_of(id);
    const enum ingot_error error = signed_records_find(
        quorum_signing_records(driver->signing), &name, digest == NULL ? NULL : digest->bytes,
        broadcast->digest.bytes, &broadcast->attestation);
    if (error == INGOT_OK) {
        broadcast->state = RPC_BROADCAST_DELIVERED;
    } else if (error != INGOT_ERROR_NOT_FOUND) {
        broadcast->state = RPC_BROADCAST_REJECTED;
        (void)snprintf(broadcast->why, sizeof broadcast->why,
                       "the signatures file cannot be read: %s", ingot_error_text(error));
    }
    return error != INGOT_ERROR_NOT_FOUND;
}

static bool find_delivery(const struct broadcast_node *driver, const struct broadcast_id *id,
                          const struct broadcast_digest *digest, struct rpc_broadcast *broadcast)
{
    const struct broadcast_message *message =
        gossip_deliveries_find(&driver->deliveries, id, digest);
    if (message == NULL) {
        return false;
    }
    broadcast->state = RPC_BROADCAST_DELIVERED;
    broadcast->digest = message->digest;
    broadcast->has_payload = true;
    ingot_buffer_append_slice(&broadcast->payload, ingot_buffer_slice(&message->payload));
    return true;
}

static bool find(void *context, const struct broadcast_id *id,
                 const struct broadcast_digest *digest, struct rpc_broadcast *broadcast)
{
    const struct broadcast_node *driver = driver_of(context);
    broadcast->id = *id;
    const bool is_delivered = driver->signing != NULL
                                  ? find_record(driver, id, digest, broadcast)
                                  : find_delivery(driver, id, digest, broadcast);
    if (is_delivered) {
        return true;
    }
    const uint32_t place = broadcast_rounds_find(&driver->started, id, digest);
    if (place == UINT32_MAX) {
        return false;
    }
    broadcast->digest = driver->started.items[place].digest;
    broadcast->state = driver->started.items[place].has_timed_out ? RPC_BROADCAST_TIMED_OUT
                                                                  : RPC_BROADCAST_PENDING;
    return true;
}

static void explain(const struct broadcast_node *driver, enum broadcast_reject reject,
                    size_t payload_size, char *why, size_t why_size)
{
    const char *sentence = broadcast_reject_text(reject);
    if (reject == BROADCAST_REJECT_VETOED || reject == BROADCAST_REJECT_CALLBACK_ERROR) {
        sentence = quorum_signing_why(driver->signing);
    } else if (reject == BROADCAST_REJECT_CONFLICT) {
        sentence = "this id stands for another payload already";
    } else if (reject == BROADCAST_REJECT_NOT_A_MEMBER) {
        sentence = "this node is no validator of the genesis file: it delivers, but cannot submit";
    } else if (reject == BROADCAST_REJECT_QUOTA_ROUNDS || reject == BROADCAST_REJECT_QUOTA_BYTES) {
        sentence = "too much is in flight at this node, retry later";
    } else if (reject == BROADCAST_REJECT_OVERSIZE) {
        (void)snprintf(why, why_size,
                       "the payload is too large: expected at most %d bytes, found %zu",
                       INGOT_BROADCAST_PAYLOAD_BYTES_MAX, payload_size);
        return;
    }
    (void)snprintf(why, why_size, "%s", sentence);
}

static void submit(void *context, const struct broadcast_id *id, struct ingot_slice payload,
                   struct rpc_broadcast *broadcast)
{
    struct broadcast_node *driver = driver_of(context);
    struct broadcast_digest digest;
    wire_broadcast_digest(payload, &digest);
    if (find(context, id, &digest, broadcast)) {
        return; /* an answer, or what others wait for already */
    }
    const enum broadcast_reject reject = broadcast_node_start(driver, id, payload);
    broadcast->id = *id;
    broadcast->digest = digest;
    broadcast->state = RPC_BROADCAST_PENDING;
    /* In flight, or delivered a moment ago and about to be durable. */
    if (reject != BROADCAST_REJECT_NONE && reject != BROADCAST_REJECT_DUPLICATE &&
        reject != BROADCAST_REJECT_DELIVERED) {
        broadcast->state = RPC_BROADCAST_REJECTED;
        explain(driver, reject, payload.size, broadcast->why, sizeof broadcast->why);
    }
}

void broadcast_node_describe(struct node_driver *driver, struct rpc_identity *identity,
                             struct rpc_backend *backend)
{
    identity->app_name = driver->app_name;
    identity->app_version = "";
    backend->status = get_status;
    backend->validators = get_validators;
    backend->metrics = get_metrics;
    backend->broadcast_submit = submit;
    backend->broadcast_find = find;
}
