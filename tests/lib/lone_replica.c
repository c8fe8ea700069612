/*
 * One replica, alone. See lone_replica.h.
 */
#include "lib/lone_replica.h"

#include <stdio.h>
#include <string.h>

#include "base/assert.h"
#include "base/log.h"
#include "node/execution.h"
#include "wire/wire.h"

/* --- What the replica sees of the world. --- */

static enum message_kind kind_of(struct ingot_slice bytes)
{
    struct message *message = NULL;
    const enum reject reject = wire_decode(bytes, &message);
    INGOT_ASSERT(reject == REJECT_NONE);
    const enum message_kind kind = message->kind;
    message_unref(message);
    return kind;
}

static void take_frame(struct lone *lone, uint32_t to, struct ingot_slice bytes)
{
    if (lone->crashed_store != NULL) {
        return;
    }
    INGOT_ASSERT(lone->frame_count < LONE_FRAMES_MAX);
    struct lone_frame *frame = &lone->frames[lone->frame_count++];
    *frame = (struct lone_frame){.to = to};
    ingot_buffer_append_slice(&frame->bytes, bytes);
    if (lone->has_planned_crash && kind_of(bytes) == lone->crash_at) {
        lone->crashed_store = ingot_store_memory_clone_durable(lone->store);
    }
}

static void send(void *context, uint32_t peer, enum ingot_frame_class frame_class,
                 struct ingot_slice frame)
{
    (void)frame_class;
    take_frame(context, peer, frame);
}

static void broadcast(void *context, enum ingot_frame_class frame_class, struct ingot_slice frame)
{
    (void)frame_class;
    take_frame(context, LONE_EVERYBODY, frame);
}

static void arm(void *context, uint64_t deadline_ms)
{
    struct lone *lone = context;
    lone->armed_ms = deadline_ms;
}

static void wake(void *context)
{
    struct lone *lone = context;
    lone->is_woken = true;
}

static void flush(struct lone *lone)
{
    do {
        lone->is_woken = false;
        replica_flush(lone->replica);
    } while (lone->is_woken);
}

static void committed(void *context, struct block *block, struct execution *execution)
{
    struct lone *lone = context;
    (void)execution;
    lone->reported_height = block->height;
}

static void stopped(void *context, enum replica_stop stop, const char *why)
{
    struct lone *lone = context;
    lone->stop = stop;
    (void)snprintf(lone->why, sizeof lone->why, "%s", why);
}

/* The replica looks at the clock before and after a write; then the store has counted one more. */
static uint64_t monotonic_us(void *context)
{
    struct lone *lone = context;
    struct ingot_store_memory_counters counters;
    ingot_store_memory_get_counters(lone->store, &counters);
    if (counters.commits > lone->commits_seen) {
        lone->now_us += lone->write_us * (counters.commits - lone->commits_seen);
    }
    lone->commits_seen = counters.commits;
    return lone->now_us;
}

static bool is_awaited(void *context)
{
    const struct lone *lone = context;
    return !lone->nobody_waits;
}

static uint64_t wall_ms(void *context)
{
    const struct lone *lone = context;
    return lone->wall_ms;
}

static void give_way(void *context)
{
    struct lone *lone = context;
    lone->gave_way++;
}

/* --- Its life. --- */

void lone_init(struct lone *lone, uint32_t me)
{
    *lone = (struct lone){.me = me, .now_us = 1000000, .wall_ms = UINT64_C(1780000000000)};
    log_configure(LOG_PLAIN, LOG_NONE);
    samples_init(&lone->samples, &crypto_ed25519, LONE_VALIDATORS, 0, 0x3a);
    lone->genesis =
        wire_genesis_block(&lone->samples.chain, lone->samples.set, UINT64_C(1700000000000));
    struct execution *nothing = execution_new(NULL, 0, NULL, 0, NULL, 0);
    lone->empty_updates = nothing->updates_hash;
    execution_unref(nothing);
    ingot_app_kv_init(NULL, &lone->app);
    lone->store = ingot_store_memory_new(ledger_table_count);
    const enum ingot_error error = lone_open(lone);
    INGOT_ASSERT(error == INGOT_OK);
}

void lone_deinit(struct lone *lone)
{
    lone_forget(lone);
    replica_free(lone->replica);
    ingot_app_deinit(&lone->app);
    ingot_store_close(lone->store);
    ingot_store_close(lone->crashed_store);
    block_unref(lone->genesis);
    samples_deinit(&lone->samples);
}

enum ingot_error lone_open(struct lone *lone)
{
    const struct replica_options options = {
        .store = lone->store,
        .app = &lone->app,
        .genesis = lone->genesis,
        .genesis_set = lone->samples.set,
        .output = {lone, send, broadcast, arm, wake, committed, stopped, monotonic_us, wall_ms,
                   is_awaited, give_way},
        .scheme = &crypto_ed25519,
        .has_key = true,
        .key = lone->samples.set->validators[lone->me].key,
        .secret = lone->samples.secrets[lone->me],
        .leader_tenure = INGOT_LEADER_TENURE_DEFAULT,
        .replay_window_blocks = INGOT_REPLAY_WINDOW_BLOCKS_DEFAULT,
        .block_payload_bytes_max = INGOT_BLOCK_PAYLOAD_BYTES_DEFAULT,
        .transaction_bytes_max = INGOT_TRANSACTION_BYTES_MAX,
        .base_timeout_ms = LONE_BASE_TIMEOUT_MS,
        .timeout_resend_ms = LONE_BASE_TIMEOUT_MS,
        .advertise_interval_ms = 600000,
        .fetch_timeout_ms = 1000,
        .mempool_bytes_max = 1 << 20,
        .verify_threads = lone->verify_threads};
    const enum ingot_error error =
        replica_open(&options, &lone->replica, lone->why, sizeof lone->why);
    if (error != INGOT_OK) {
        lone->replica = NULL;
        return error;
    }
    lone->stop = REPLICA_RUNS;
    replica_start(lone->replica);
    for (uint32_t i = 0; i < LONE_VALIDATORS; i++) {
        if (i != lone->me) {
            replica_set_peer(lone->replica, i, true, &lone->samples.set->validators[i].key);
            replica_set_connected(lone->replica, i, true);
        }
    }
    flush(lone);
    return INGOT_OK;
}

void lone_crash(struct lone *lone)
{
    struct ingot_store *left = lone->crashed_store != NULL
                                   ? lone->crashed_store
                                   : ingot_store_memory_clone_durable(lone->store);
    replica_free(lone->replica);
    lone->replica = NULL;
    ingot_store_close(lone->store);
    lone->store = left;
    lone->crashed_store = NULL;
    lone->has_planned_crash = false;
    lone_forget(lone);
}

struct core_status lone_status(const struct lone *lone)
{
    struct core_status status;
    replica_get_status(lone->replica, &status);
    return status;
}

/* --- Its peers. --- */

uint32_t lone_leader(const struct lone *lone, uint64_t view)
{
    return leader_of_view(lone->samples.set, view, INGOT_LEADER_TENURE_DEFAULT);
}

struct qc *lone_qc(const struct lone *lone, const struct block *block)
{
    if (block->height == 0) {
        return wire_genesis_qc(&lone->samples.chain);
    }
    return samples_qc(&lone->samples, 7, block->view, block->view, &block->hash, PHASE_GENERIC);
}

struct block *lone_block(const struct lone *lone, const struct block *parent, uint64_t view)
{
    const struct validator_set *set = lone->samples.set;
    struct block *block = block_new();
    block->version = BLOCK_VERSION;
    block->chain = lone->samples.chain;
    block->parent = parent->hash;
    block->height = parent->height + 1;
    block->view = view;
    block->time_ms = parent->time_ms + 10;
    block->justify = lone_qc(lone, parent);
    block->proposer = set->validators[lone_leader(lone, view)].key;
    block->updates_hash = lone->empty_updates;
    block->validators_hash = set->hash;
    block->next_validators_hash = set->hash;
    wire_seal_block(block);
    return block;
}

struct message *lone_propose(const struct lone *lone, struct block *block, struct tc *tc)
{
    const uint32_t leader = lone_leader(lone, block->view);
    struct message *message = message_new(MESSAGE_PROPOSE);
    message->propose.block = block;
    message->propose.vote =
        samples_vote(&lone->samples, leader, block->view, &block->hash, PHASE_GENERIC);
    message->propose.vote.voter = leader;
    message->propose.tc = tc;
    return message;
}

void lone_receive(struct lone *lone, uint32_t peer, struct message *message)
{
    struct ingot_buffer bytes = {0};
    wire_encode(message, &bytes);
    replica_receive(lone->replica, peer, ingot_buffer_slice(&bytes));
    flush(lone);
    ingot_buffer_deinit(&bytes);
    message_unref(message);
}

void lone_wait(struct lone *lone, uint64_t ms)
{
    lone->now_us += ms * 1000;
    lone->wall_ms += ms;
    if (lone->armed_ms <= lone->now_us / 1000) {
        replica_tick(lone->replica);
    }
    flush(lone);
}

/* --- Its frames. --- */

void lone_forget(struct lone *lone)
{
    for (uint32_t i = 0; i < lone->frame_count; i++) {
        ingot_buffer_deinit(&lone->frames[i].bytes);
    }
    lone->frame_count = 0;
}

const struct lone_frame *lone_find(const struct lone *lone, enum message_kind kind, uint32_t nth)
{
    for (uint32_t i = 0; i < lone->frame_count; i++) {
        const struct lone_frame *frame = &lone->frames[i];
        if (kind_of(ingot_buffer_slice(&frame->bytes)) == kind && nth-- == 0) {
            return frame;
        }
    }
    return NULL;
}

uint32_t lone_count(const struct lone *lone, enum message_kind kind)
{
    uint32_t count = 0;
    while (lone_find(lone, kind, count) != NULL) {
        count++;
    }
    return count;
}
