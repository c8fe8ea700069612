/*
 * The bodies of node_attest.h.
 */
#include "node/node_attest.h"

#include <stdlib.h>
#include <string.h>

#include "attest/signatures_file.h"
#include "base/assert.h"
#include "base/clock.h"
#include "wire/crypto.h"

/* --- What the attestor asks of the world. --- */

static struct validator_set *find_set(void *context, uint64_t epoch)
{
    const struct hotstuff *hotstuff = context;
    return core_find_set(replica_core(hotstuff->replica), epoch);
}

static bool on_send(void *context, uint32_t peer, struct ingot_slice frame)
{
    const struct hotstuff *hotstuff = context;
    return ingot_network_send(hotstuff->node->network, peer, INGOT_FRAME_BULK, frame) == INGOT_OK;
}

static void on_wake(void *context)
{
    const struct hotstuff *hotstuff = context;
    node_schedule_flush_later(hotstuff->node);
}

static void on_arm(void *context, uint64_t deadline_ms)
{
    const struct hotstuff *hotstuff = context;
    const uint64_t now_us = clock_monotonic_us();
    const uint64_t wait_us = deadline_ms * 1000 > now_us ? deadline_ms * 1000 - now_us : 0;
    const struct timeval wait = {.tv_sec = (time_t)(wait_us / 1000000),
                                 .tv_usec = (suseconds_t)(wait_us % 1000000)};
    (void)event_add(hotstuff->attest_timer, &wait);
}

static bool on_sync(void *context)
{
    const struct hotstuff *hotstuff = context;
    return replica_sync(hotstuff->replica);
}

static void on_attested(void *context, uint64_t height, const struct statement_id *id,
                        struct ingot_slice json)
{
    const struct hotstuff *hotstuff = context;
    (void)height;
    rpc_attested(hotstuff->node->rpc, id, json);
}

static void on_refused(void *context, uint64_t height, const struct statement_id *id)
{
    const struct hotstuff *hotstuff = context;
    (void)height;
    rpc_attest_refused(hotstuff->node->rpc, id);
}

static uint64_t on_monotonic_ms(void *context)
{
    (void)context;
    return clock_monotonic_us() / 1000;
}

static void on_stopped(void *context, enum replica_stop stop, const char *why)
{
    const struct hotstuff *hotstuff = context;
    replica_fail(hotstuff->replica, stop, why);
}

static void timer_due(evutil_socket_t socket, short what, void *context)
{
    (void)socket;
    (void)what;
    const struct hotstuff *hotstuff = context;
    attestor_tick(hotstuff->attestor);
    node_schedule_flush(hotstuff->node);
}

/* --- Opening. --- */

enum ingot_exit node_attest_open(struct hotstuff *hotstuff, char *why, size_t why_size)
{
    const struct ingot_node *node = hotstuff->node;
    if (hotstuff->app->attest == NULL) {
        return INGOT_EXIT_OK;
    }
    char *path = path_join(node->home.data_folder, SIGNATURES_FILE_NAME);
    struct attestor_options options = {.ledger = replica_ledger(hotstuff->replica),
                                       .app = hotstuff->app,
                                       .chain_id = node->home.genesis.chain_id,
                                       .chain = node->home.genesis.hash,
                                       .file_path = path,
                                       .scheme = &crypto_ed25519,
                                       .has_key = node->home.has_validator_key,
                                       .output = {.context = hotstuff,
                                                  .find_set = find_set,
                                                  .send = on_send,
                                                  .wake = on_wake,
                                                  .arm = on_arm,
                                                  .sync = on_sync,
                                                  .attested = on_attested,
                                                  .refused = on_refused,
                                                  .monotonic_ms = on_monotonic_ms,
                                                  .stopped = on_stopped}};
    memcpy(options.genesis, node->home.genesis.sha256, sizeof options.genesis);
    if (options.has_key) {
        crypto_ed25519.key_from_seed(node->home.validator_key.seed, &options.secret, &options.key);
    }
    hotstuff->attest_timer = evtimer_new(node->base, timer_due, hotstuff);
    const enum ingot_error error = attestor_open(&options, &hotstuff->attestor, why, why_size);
    crypto_wipe(&options.secret, sizeof options.secret);
    free(path);
    return home_ledger_exit(error);
}

void node_attest_free(struct hotstuff *hotstuff)
{
    attestor_free(hotstuff->attestor);
    if (hotstuff->attest_timer != NULL) {
        event_free(hotstuff->attest_timer);
    }
}

/* --- What clients see. --- */

static enum attest_state find_attestation(void *context, uint64_t height,
                                          const struct ingot_hash *digest,
                                          struct ingot_buffer *json)
{
    const struct ingot_node *node = context;
    struct statement_id id;
    const bool has_id = statement_id_from(ingot_slice_of(digest->bytes, sizeof digest->bytes), &id);
    INGOT_ASSERT(has_id);
    return attestor_find(node_hotstuff_of(node->driver)->attestor, height, &id, json);
}

void node_attest_describe(struct hotstuff *hotstuff, struct rpc_backend *backend)
{
    if (hotstuff->attestor != NULL) {
        backend->find_attestation = find_attestation;
    }
}

void node_attest_fill_status(const struct hotstuff *hotstuff, struct rpc_status *status)
{
    struct attestor_status attest;
    if (hotstuff->attestor != NULL) {
        attestor_get_status(hotstuff->attestor, &attest);
        status->attested = attest.attested;
        status->attest_pending = attest.pending;
    }
}

void node_attest_fill_metrics(const struct hotstuff *hotstuff, struct metrics *metrics)
{
    metrics->has_attest = hotstuff->attestor != NULL;
    if (hotstuff->attestor != NULL) {
        attestor_get_status(hotstuff->attestor, &metrics->attest);
    }
}
