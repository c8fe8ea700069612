/*
 * The driver of the replicated log: the replica with its store and its App, on the node's loop.
 */
#include "node/node_hotstuff.h"

#include <stdio.h>
#include <stdlib.h>

#include <ingot/apps.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/log.h"
#include "node/executor.h"
#include "node/node_attest.h"
#include "node/verify_ahead.h"
#include "wire/broadcast.h"
#include "wire/crypto.h"

#define REPORT_INTERVAL_US 1000000

struct hotstuff *node_hotstuff_of(struct node_driver *driver)
{
    return (struct hotstuff *)driver;
}

/* --- What the replica asks of the world. --- */

static void on_send(void *context, uint32_t peer, enum ingot_frame_class frame_class,
                    struct ingot_slice frame)
{
    const struct hotstuff *hotstuff = context;
    node_send(hotstuff->node, peer, frame_class, frame);
}

static void on_broadcast(void *context, enum ingot_frame_class frame_class,
                         struct ingot_slice frame)
{
    const struct hotstuff *hotstuff = context;
    (void)ingot_network_broadcast(hotstuff->node->network, frame_class, frame);
}

static void on_arm(void *context, uint64_t deadline_ms)
{
    const struct hotstuff *hotstuff = context;
    node_arm(hotstuff->node, deadline_ms);
}

static void on_wake(void *context)
{
    const struct hotstuff *hotstuff = context;
    node_schedule_flush_later(hotstuff->node);
}

static void report(struct hotstuff *hotstuff, const struct block *block)
{
    const uint64_t now_us = clock_monotonic_us();
    hotstuff->reported_transactions += block->transaction_count;
    if (now_us - hotstuff->reported_us < REPORT_INTERVAL_US) {
        return;
    }
    LOG(LOG_INFO, "committed", log_u64("height", block->height), log_u64("view", block->view),
        log_u64("transactions", hotstuff->reported_transactions),
        log_hex("block", block->hash.bytes, 8));
    hotstuff->reported_us = now_us;
    hotstuff->reported_transactions = 0;
}

static void on_committed(void *context, struct block *block, struct execution *execution)
{
    struct hotstuff *hotstuff = context;
    const struct ingot_node *node = hotstuff->node;
    block_unref(hotstuff->tip);
    hotstuff->tip = block_ref(block);
    report(hotstuff, block);
    if (hotstuff->attestor != NULL) {
        attestor_committed(hotstuff->attestor, block, execution);
    }
    rpc_committed(node->rpc, block, execution);
    if (node->options.committed != NULL) {
        const struct ingot_block_info info = executor_block_info(block);
        node->options.committed(node->options.context, &info, block->transaction_count);
    }
}

/* An App or a program that follows the chain waits for every block. */
static bool on_is_awaited(void *context)
{
    const struct hotstuff *hotstuff = context;
    const struct ingot_node *node = hotstuff->node;
    return hotstuff->attestor != NULL || hotstuff->app->committed != NULL ||
           node->options.committed != NULL || rpc_has_waiters(node->rpc);
}

static void on_stopped(void *context, enum replica_stop stop, const char *why)
{
    struct hotstuff *hotstuff = context;
    enum ingot_exit exit = INGOT_EXIT_OK;
    (void)why; /* the replica has logged it */
    switch (stop) {
    case REPLICA_RUNS:
        break;
    case REPLICA_STOP_WRITE:
        exit = INGOT_EXIT_WRITE;
        break;
    case REPLICA_STOP_DAMAGED:
        exit = INGOT_EXIT_DAMAGED;
        break;
    case REPLICA_STOP_SAFETY:
        exit = INGOT_EXIT_SAFETY;
        break;
    }
    node_fail(hotstuff->node, exit);
}

static uint64_t on_monotonic_us(void *context)
{
    (void)context;
    return clock_monotonic_us();
}

static uint64_t on_wall_ms(void *context)
{
    (void)context;
    return clock_wall_ms();
}

static void on_give_way(void *context)
{
    struct hotstuff *hotstuff = context;
    give_way(&hotstuff->way);
}

/* --- Opening, part by part. --- */

static enum ingot_exit open_app(struct hotstuff *hotstuff, char *why, size_t why_size)
{
    const struct ingot_node *node = hotstuff->node;
    const char *name = node->home.genesis.app;
    if (node->options.app != NULL) {
        hotstuff->app = node->options.app;
        return INGOT_EXIT_OK;
    }
    const struct genesis *genesis = &node->home.genesis;
    const struct settings *settings = &node->home.settings;
    const struct ingot_signing_policy policy = {
        .payload_bytes_max = (uint32_t)settings->signing_payload_bytes_max,
        .submitter_count = settings->signing_submitters.count,
        .submitters = settings->signing_submitters.list};
    const struct ingot_app_options options = {.chain = genesis->hash,
                                              .has_administrator = genesis->has_administrator,
                                              .administrator = genesis->administrator,
                                              .signing_policy = &policy};
    if (ingot_app_init_by_name(name, &options, &hotstuff->own_app) != INGOT_OK) {
        (void)snprintf(why, why_size,
                       "%s/" HOME_GENESIS_FILE ": $.app: \"%s\" is no App of this program",
                       node->home.folder, name);
        return INGOT_EXIT_USAGE;
    }
    hotstuff->app = &hotstuff->own_app;
    return INGOT_EXIT_OK;
}

static enum ingot_exit open_store(struct hotstuff *hotstuff, char *why, size_t why_size)
{
    const struct node_home *home = &hotstuff->node->home;
    return home_ledger_exit(
        home_ledger_open_store(home, home->data_folder, &hotstuff->store, why, why_size));
}

static struct replica_options replica_options_of(struct hotstuff *hotstuff)
{
    const struct ingot_node *node = hotstuff->node;
    const struct genesis *genesis = &node->home.genesis;
    const struct settings *settings = &node->home.settings;
    struct replica_options options = {
        .store = hotstuff->store,
        .app = hotstuff->app,
        .genesis = node->genesis.block,
        .genesis_set = node->genesis.set,
        .output = {.context = hotstuff,
                   .send = on_send,
                   .broadcast = on_broadcast,
                   .arm = on_arm,
                   .wake = on_wake,
                   .committed = on_committed,
                   .stopped = on_stopped,
                   .monotonic_us = on_monotonic_us,
                   .wall_ms = on_wall_ms,
                   .is_awaited = on_is_awaited,
                   .give_way = on_give_way},
        .scheme = &crypto_ed25519,
        .has_key = node->home.has_validator_key,
        .leader_tenure = genesis->leader_tenure,
        .replay_window_blocks = genesis->replay_window_blocks,
        .block_payload_bytes_max = genesis->block_payload_bytes_max,
        .transaction_bytes_max = genesis->transaction_bytes_max,
        .base_timeout_ms = (uint32_t)settings->base_timeout_ms,
        .empty_block_interval_ms = (uint32_t)settings->empty_block_interval_ms,
        .timeout_resend_ms = (uint32_t)settings->timeout_resend_ms,
        .advertise_interval_ms = (uint32_t)settings->advertise_interval_ms,
        .fetch_timeout_ms = (uint32_t)settings->fetch_timeout_ms,
        .mempool_bytes_max = settings->mempool_bytes_max,
        .compact_payload_bytes_min = INGOT_COMPACT_PAYLOAD_BYTES_MIN,
        .index_transactions = settings->rpc_index_tx,
        .retain_blocks = settings->storage_retain_blocks,
        .verify_threads = verify_ahead_threads((uint32_t)settings->verify_threads_max)};
    if (options.has_key) {
        crypto_ed25519.key_from_seed(node->home.validator_key.seed, &options.secret, &options.key);
    }
    return options;
}

static enum ingot_exit open_replica(struct hotstuff *hotstuff, char *why, size_t why_size)
{
    struct replica_options options = replica_options_of(hotstuff);
    char reason[1024] = "";
    const enum ingot_error error =
        replica_open(&options, &hotstuff->replica, reason, sizeof reason);
    crypto_wipe(&options.secret, sizeof options.secret);
    (void)snprintf(why, why_size, "%s: %s", hotstuff->node->home.data_folder, reason);
    if (error == INGOT_OK) {
        struct core_status status;
        replica_get_status(hotstuff->replica, &status);
        hotstuff->tip = block_ref(status.last_committed);
    }
    return home_ledger_exit(error);
}

static enum ingot_exit open_hotstuff(struct ingot_node *node, struct node_driver **driver,
                                     char *why, size_t why_size)
{
    static enum ingot_exit (*const steps[])(struct hotstuff *, char *, size_t) = {
        open_app, open_store, open_replica, node_attest_open};
    struct hotstuff *hotstuff = alloc_zeroed(1, sizeof *hotstuff);
    hotstuff->driver.operations = &node_hotstuff;
    hotstuff->node = node;
    *driver = &hotstuff->driver;
    enum ingot_exit result = INGOT_EXIT_OK;
    for (size_t i = 0; result == INGOT_EXIT_OK && i < sizeof steps / sizeof steps[0]; i++) {
        result = steps[i](hotstuff, why, why_size);
    }
    if (result == INGOT_EXIT_OK) {
        hotstuff->driver.app_name = hotstuff->app->name;
    }
    return result;
}

static void free_hotstuff(struct node_driver *driver)
{
    struct hotstuff *hotstuff = node_hotstuff_of(driver);
    node_attest_free(hotstuff);
    if (hotstuff->replica != NULL) {
        replica_settle(hotstuff->replica); /* who is stopped in order forgets nothing */
    }
    replica_free(hotstuff->replica);
    ingot_store_close(hotstuff->store);
    block_unref(hotstuff->tip);
    if (hotstuff->app == &hotstuff->own_app) {
        ingot_app_deinit(&hotstuff->own_app);
    }
    free(hotstuff);
}

/* --- What the node brings. --- */

static void set_peer(struct node_driver *driver, uint32_t peer, bool has_key,
                     const struct ingot_public_key *key)
{
    replica_set_peer(node_hotstuff_of(driver)->replica, peer, has_key, key);
}

static void remove_peer(struct node_driver *driver, uint32_t peer)
{
    const struct hotstuff *hotstuff = node_hotstuff_of(driver);
    replica_remove_peer(hotstuff->replica, peer);
    if (hotstuff->attestor != NULL) {
        attestor_connected(hotstuff->attestor, peer, false);
    }
}

static void set_connected(struct node_driver *driver, uint32_t peer, bool is_connected)
{
    const struct hotstuff *hotstuff = node_hotstuff_of(driver);
    replica_set_connected(hotstuff->replica, peer, is_connected);
    if (hotstuff->attestor != NULL) {
        attestor_connected(hotstuff->attestor, peer, is_connected);
    }
}

static void start(struct node_driver *driver)
{
    replica_start(node_hotstuff_of(driver)->replica);
}

static void receive(struct node_driver *driver, uint32_t peer, struct ingot_slice frame)
{
    const struct hotstuff *hotstuff = node_hotstuff_of(driver);
    if (hotstuff->attestor != NULL && wire_is_broadcast(frame)) {
        attestor_receive(hotstuff->attestor, peer, frame);
    } else {
        replica_receive(hotstuff->replica, peer, frame);
    }
}

static void tick(struct node_driver *driver)
{
    replica_tick(node_hotstuff_of(driver)->replica);
}

static void flush(struct node_driver *driver)
{
    const struct hotstuff *hotstuff = node_hotstuff_of(driver);
    replica_flush(hotstuff->replica);
    if (hotstuff->attestor != NULL) {
        attestor_flush(hotstuff->attestor);
    }
}

static enum ingot_error submit(struct node_driver *driver, struct ingot_slice transaction)
{
    const struct hotstuff *hotstuff = node_hotstuff_of(driver);
    struct ingot_check_response response = {0};
    enum ingot_error error = replica_submit(hotstuff->replica, transaction, &response);
    if (error == INGOT_OK && response.code != 0) {
        error = INGOT_ERROR_REJECTED;
    }
    ingot_buffer_deinit(&response.log);
    node_schedule_flush(hotstuff->node);
    return error;
}

static void get_status(struct node_driver *driver, struct ingot_node_status *status)
{
    const struct hotstuff *hotstuff = node_hotstuff_of(driver);
    struct core_status core;
    replica_settle(hotstuff->replica);
    replica_get_status(hotstuff->replica, &core);
    *status = (struct ingot_node_status){
        .height = ledger_committed_height(replica_ledger(hotstuff->replica)),
        .view = core.current.view,
        .epoch = core.current.epoch,
        .is_leader = core.is_leader,
        .is_member = core.is_member,
        .is_catching_up = replica_is_catching_up(hotstuff->replica)};
}

const struct node_driver_operations node_hotstuff = {.open = open_hotstuff,
                                                     .free = free_hotstuff,
                                                     .set_peer = set_peer,
                                                     .remove_peer = remove_peer,
                                                     .set_connected = set_connected,
                                                     .start = start,
                                                     .receive = receive,
                                                     .tick = tick,
                                                     .flush = flush,
                                                     .submit = submit,
                                                     .get_status = get_status,
                                                     .describe = node_hotstuff_describe};
