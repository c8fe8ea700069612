/*
 * One replica of a simulated cluster: its life, its disk, and what it hands to the network.
 *
 * A crash may fall anywhere between a durable write and the last frame that follows it: the copy
 * of the disk is made at that moment, and what the replica does afterwards in the same turn is
 * neither seen nor kept.
 */
#include <inttypes.h>
#include <string.h>

#include "base/assert.h"
#include "lib/cluster_state.h"
#include "lib/fast_crypto.h"
#include "node/ledger_internal.h"
#include "wire/wire.h"

#define NEVER UINT64_MAX
/* What a turn takes at least; without it a lone validator would stop time. */
#define FLUSH_US 20
/* Above all that the model makes, and below the smallest block. */
#define TRANSACTION_BYTES_MAX 128
/* Some day in 2026; where simulated calendars begin. */
#define WALL_MS_AT_START UINT64_C(1780000000000)

void node_init(struct cluster *cluster, uint32_t index)
{
    struct cluster_node *node = &cluster->nodes[index];
    node->cluster = cluster;
    node->index = index;
    node->tick_at_us = NEVER;
    node->flush_at_us = NEVER;
    node->clock_offset_us = prng_below(&cluster->test_prng, 1000000000);
    node->wall_offset_ms = WALL_MS_AT_START + prng_below(&cluster->test_prng, 4000);
}

void node_deinit(struct cluster_node *node)
{
    replica_free(node->replica);
    ingot_app_deinit(&node->app);
    ingot_store_close(node->store);
    core_safety_deinit(&node->disk);
    byzantine_deinit(&node->byzantine);
}

void node_wants_flush(struct cluster_node *node)
{
    if (node->flush_at_us == NEVER) {
        node->flush_at_us = node->busy_until_us > node->cluster->now_us ? node->busy_until_us
                                                                        : node->cluster->now_us;
    }
}

/* --- The disk. --- */

/* Reads back what the store holds of the safety record, if there was a write since. */
static void read_disk(struct cluster_node *node)
{
    struct ingot_store_memory_counters counters;
    ingot_store_memory_get_counters(node->store, &counters);
    if (node->crashed_store != NULL || counters.commits == node->commits_seen) {
        return;
    }
    node->commits_seen = counters.commits;
    struct ingot_store_snapshot *snapshot = NULL;
    if (ingot_store_snapshot_begin(node->store, &snapshot) != INGOT_OK) {
        return;
    }
    struct ingot_slice record = {0};
    struct ingot_slice content = {0};
    const struct ingot_slice key = ingot_slice_of_text(LEDGER_KEY_SAFETY);
    const enum ingot_error error = ingot_store_snapshot_get(snapshot, LEDGER_META, key, &record);
    INGOT_ASSERT(error == INGOT_OK);
    core_safety_deinit(&node->disk);
    const bool is_read =
        record_unseal(&node->cluster->genesis->hash, LEDGER_META, key, record, &content) &&
        ledger_decode_safety(content, &node->disk);
    INGOT_ASSERT(is_read);
    ingot_store_snapshot_end(snapshot);
    checks_disk(node->cluster->checks, node->index, &node->disk, replica_core(node->replica));
    const uint32_t took_us =
        (uint32_t)prng_between(&node->cluster->network_prng, node->disk_min_us, node->disk_max_us);
    node->send_at_us += took_us;
}

/* The block that opens an epoch is committed, so the epoch's set is durable. */
static void check_stored_set(struct cluster_node *node, uint64_t epoch)
{
    struct ingot_store_snapshot *snapshot = NULL;
    if (ingot_store_snapshot_begin(node->store, &snapshot) != INGOT_OK) {
        return;
    }
    uint8_t key_bytes[LEDGER_HEIGHT_KEY_BYTES];
    ledger_height_key(epoch, key_bytes);
    const struct ingot_slice key = ingot_slice_of(key_bytes, sizeof key_bytes);
    struct ingot_slice record = {0};
    struct ingot_slice content = {0};
    struct validator_set *set = NULL;
    const bool is_read =
        ingot_store_snapshot_get(snapshot, LEDGER_SETS, key, &record) == INGOT_OK &&
        record_unseal(&node->cluster->genesis->hash, LEDGER_SETS, key, record, &content) &&
        wire_decode_validator_set(content, &set) == REJECT_NONE;
    if (is_read) {
        checks_same_set(node->cluster->checks, node->index, set);
    } else {
        checks_fail(node->cluster->checks, CHECK_SAME_SET,
                    "replica %u has opened epoch %" PRIu64 " and its disk lacks the set",
                    node->index, epoch);
    }
    validator_set_unref(set);
    ingot_store_snapshot_end(snapshot);
}

/* --- What the replica sees of the world. --- */

static uint64_t monotonic_us(void *context)
{
    const struct cluster_node *node = context;
    return node->cluster->now_us + node->clock_offset_us;
}

static uint64_t wall_ms(void *context)
{
    const struct cluster_node *node = context;
    return node->wall_offset_ms + node->cluster->now_us / 1000;
}

static void arm(void *context, uint64_t deadline_ms)
{
    struct cluster_node *node = context;
    const uint64_t now_us = monotonic_us(node);
    const uint64_t deadline_us = deadline_ms * 1000;
    node->tick_at_us = node->cluster->now_us + (deadline_us > now_us ? deadline_us - now_us : 0);
}

static void wake(void *context)
{
    struct cluster_node *node = context;
    node->wants_wake = true;
}

/* Counts down to a planned crash; true if this frame no longer leaves. */
static bool has_crashed(struct cluster_node *node)
{
    if (node->crashed_store != NULL) {
        return true;
    }
    if (node->has_crash_planned && node->sends_before_crash-- == 0) {
        node->crashed_store = ingot_store_memory_clone_durable(node->store);
        return true;
    }
    return false;
}

/* For people who read the trace. */
static uint64_t view_of(const struct message *message)
{
    switch (message->kind) {
    case MESSAGE_PROPOSE:
        return message->propose.block->view;
    case MESSAGE_VOTE:
        return message->vote.view;
    case MESSAGE_TIMEOUT:
        return message->timeout.view;
    case MESSAGE_CERTIFICATE:
        return message->certificate.qc != NULL ? message->certificate.qc->view
                                               : message->certificate.tc->view;
    case MESSAGE_ADVERTISE:
        return message->advertise.high_qc->view;
    case MESSAGE_SYNC_REQUEST:
        return message->sync_request.base_height;
    case MESSAGE_SYNC_RESPONSE:
        return message->sync_response.block_count;
    case MESSAGE_TRANSACTIONS:
        return message->transactions.count;
    case MESSAGE_NUDGE:
        return message->nudge.view;
    }
    return 0;
}

static struct message *look_at(struct cluster_node *node, struct ingot_slice bytes)
{
    struct message *message = NULL;
    const enum reject reject = wire_decode(bytes, &message);
    if (reject != REJECT_NONE) {
        checks_fail(node->cluster->checks, CHECK_STOPPED,
                    "replica %u sent a frame that does not decode: %s", node->index,
                    reject_text(reject));
        return NULL;
    }
    read_disk(node);
    checks_send(node->cluster->checks, node->index, message, &node->disk);
    cluster_trace(node->cluster, message_kind_text(message->kind), node->index, bytes.size,
                  view_of(message));
    return message;
}

static void transmit(struct cluster_node *node, uint32_t to, const struct message *message,
                     struct frame *frame)
{
    struct cluster *cluster = node->cluster;
    if (message != NULL && cluster->intercept != NULL &&
        cluster->intercept(cluster->intercept_context, node->index, to, message)) {
        return;
    }
    network_transmit(cluster, node->index, to, node->send_at_us, frame);
}

/* What a liar makes of a message. The checkers learn of its blocks. */
static void emit_lie(void *context, uint32_t to, const struct message *message,
                     struct ingot_slice bytes)
{
    struct cluster_node *node = context;
    if (message != NULL) {
        checks_send(node->cluster->checks, node->index, message, &node->disk);
    }
    struct frame *frame = network_frame(bytes);
    transmit(node, to, message, frame);
    network_unref(frame);
}

static void pass_on(struct cluster_node *node, uint32_t to, struct message *message,
                    struct frame *frame)
{
    if (node->byzantine.habits == 0) {
        transmit(node, to, message, frame);
    } else {
        byzantine_send(&node->byzantine, to, message, ingot_slice_of(frame->bytes, frame->size),
                       emit_lie, node);
    }
}

static void send(void *context, uint32_t peer, enum ingot_frame_class frame_class,
                 struct ingot_slice bytes)
{
    (void)frame_class;
    struct cluster_node *node = context;
    if (has_crashed(node)) {
        return;
    }
    struct message *message = look_at(node, bytes);
    if (message != NULL) {
        struct frame *frame = network_frame(bytes);
        pass_on(node, peer, message, frame);
        network_unref(frame);
    }
    message_unref(message);
}

static void broadcast(void *context, enum ingot_frame_class frame_class, struct ingot_slice bytes)
{
    (void)frame_class;
    struct cluster_node *node = context;
    if (node->crashed_store != NULL || (node->has_crash_planned && node->sends_before_crash == 0)) {
        (void)has_crashed(node);
        return;
    }
    struct message *message = look_at(node, bytes);
    struct frame *frame = network_frame(bytes);
    for (uint32_t to = 0; to < cluster_count(node->cluster); to++) {
        if (to != node->index && message != NULL && !has_crashed(node)) {
            pass_on(node, to, message, frame);
        }
    }
    network_unref(frame);
    message_unref(message);
}

static void committed(void *context, struct block *block, struct execution *execution)
{
    struct cluster_node *node = context;
    if (node->crashed_store != NULL) {
        return;
    }
    read_disk(node);
    checks_qc(node->cluster->checks, node->index, node->disk.high_qc);
    checks_commit(node->cluster->checks, node->index, block, execution);
    if (block_changes_set(block)) {
        check_stored_set(node, checks_epoch(block) + 1);
    }
    cluster_trace(node->cluster, "commit", node->index, block->height, block->view);
    cluster_trace_bytes(node->cluster, block->hash.bytes, INGOT_HASH_BYTES);
}

static void stopped(void *context, enum replica_stop stop, const char *why)
{
    struct cluster_node *node = context;
    node->has_stopped = true;
    if (stop != REPLICA_STOP_WRITE) {
        checks_fail(node->cluster->checks, CHECK_STOPPED, "replica %u has stopped: %s", node->index,
                    why);
    }
}

/* --- Its life. --- */

static struct replica_options options_of(struct cluster_node *node)
{
    const struct cluster *cluster = node->cluster;
    const struct cluster_options *options = &cluster->options;
    return (struct replica_options){.store = node->store,
                                    .app = &node->app,
                                    .genesis = cluster->genesis,
                                    .genesis_set = cluster->set,
                                    .output = {.context = node,
                                               .send = send,
                                               .broadcast = broadcast,
                                               .arm = arm,
                                               .wake = wake,
                                               .committed = committed,
                                               .stopped = stopped,
                                               .monotonic_us = monotonic_us,
                                               .wall_ms = wall_ms},
                                    .scheme = &fast_crypto,
                                    .has_key = true,
                                    .key = cluster->keys.of[node->index],
                                    .secret = node->secret,
                                    .leader_tenure = options->leader_tenure,
                                    .replay_window_blocks = options->replay_window_blocks,
                                    .block_payload_bytes_max = options->block_payload_bytes_max,
                                    .transaction_bytes_max = TRANSACTION_BYTES_MAX,
                                    .base_timeout_ms = options->base_timeout_ms,
                                    .empty_block_interval_ms = options->empty_block_interval_ms,
                                    .timeout_resend_ms = options->timeout_resend_ms,
                                    .advertise_interval_ms = options->advertise_interval_ms,
                                    .fetch_timeout_ms = options->fetch_timeout_ms,
                                    .mempool_bytes_max = options->mempool_bytes_max,
                                    .index_transactions = true};
}

/* A connection comes up when its second end does, and goes with its first. */
static void connect_to_others(struct cluster_node *node, bool is_up)
{
    struct cluster *cluster = node->cluster;
    for (uint32_t i = 0; i < cluster_count(cluster); i++) {
        struct cluster_node *other = &cluster->nodes[i];
        if (i == node->index || other->replica == NULL) {
            continue;
        }
        replica_set_connected(other->replica, node->index, is_up);
        node_wants_flush(other);
        if (node->replica != NULL) {
            replica_set_connected(node->replica, i, is_up);
        }
    }
}

void node_open(struct cluster_node *node)
{
    struct cluster *cluster = node->cluster;
    INGOT_ASSERT(node->replica == NULL);
    const bool is_restart = node->store != NULL;
    if (!is_restart) {
        node->store = ingot_store_memory_new(ledger_table_count);
        cluster->joined += cluster->checks->committed_count > 1;
    }
    set_app_init(&node->app, &cluster->keys);
    node->commits_seen = NEVER;
    node->has_stopped = false;
    node->has_crash_planned = false;
    const struct replica_options options = options_of(node);
    char why[256] = "";
    const enum ingot_error error = replica_open(&options, &node->replica, why, sizeof why);
    if (error != INGOT_OK) {
        node->replica = NULL;
        checks_fail(cluster->checks, CHECK_COMMITTED_STAYS, "replica %u does not start: %s",
                    node->index, why);
        return;
    }
    read_disk(node);
    for (uint32_t i = 0; i < cluster_count(cluster); i++) {
        if (i != node->index) {
            replica_set_peer(node->replica, i, true, &cluster->keys.of[i]);
        }
    }
    if (is_restart) {
        checks_restart(cluster->checks, node->index, replica_core(node->replica));
    }
    node->busy_until_us = 0;
    cluster_trace(cluster, "start", node->index,
                  ledger_committed_height(replica_ledger(node->replica)), 0);
    replica_start(node->replica);
    node_wants_flush(node);
    connect_to_others(node, true);
}

/* The replica goes; `left` is what its disk holds. */
static void bury(struct cluster_node *node, struct ingot_store *left)
{
    struct core_status status;
    replica_get_status(node->replica, &status);
    node->timeouts_before += status.timeouts;
    replica_free(node->replica);
    node->replica = NULL;
    ingot_app_deinit(&node->app);
    ingot_store_close(node->store);
    node->store = left;
    node->crashed_store = NULL;
    node->tick_at_us = NEVER;
    node->flush_at_us = NEVER;
    connect_to_others(node, false);
    cluster_trace(node->cluster, "crash", node->index, 0, 0);
}

void node_crash(struct cluster_node *node)
{
    if (node->replica != NULL) {
        bury(node, ingot_store_memory_clone_durable(node->store));
    }
}

/* Where nobody lies, nothing is ever refused for these reasons, and nobody is accused. */
static void check_rejects(struct cluster_node *node)
{
    static const enum reject never[] = {REJECT_OVERSIZE,        REJECT_MALFORMED,
                                        REJECT_NOT_CANONICAL,   REJECT_BAD_PAYLOAD,
                                        REJECT_BAD_ROOT,        REJECT_WRONG_CHAIN,
                                        REJECT_NOT_A_MEMBER,    REJECT_BAD_SIGNATURE,
                                        REJECT_BAD_CERTIFICATE, REJECT_NO_QUORUM,
                                        REJECT_BAD_CLAIM,       REJECT_BAD_GENESIS_QC,
                                        REJECT_BINDING,         REJECT_NOT_LEADER,
                                        REJECT_NO_ENTRY_PROOF,  REJECT_BAD_PARENT,
                                        REJECT_BAD_HEIGHT,      REJECT_BAD_TIME,
                                        REJECT_SET_CHANGE,      REJECT_BAD_VALIDATORS_HASH,
                                        REJECT_INVALID_BLOCK};
    struct checks *checks = node->cluster->checks;
    const struct metrics *metrics = replica_metrics(node->replica);
    for (size_t i = 0; i < sizeof never / sizeof never[0]; i++) {
        if (metrics->rejects[never[i]] > 0) {
            checks_fail(checks, CHECK_STOPPED, "replica %u has refused what an honest one sent: %s",
                        node->index, reject_text(never[i]));
        }
    }
    /* Where sets change, some are in an epoch before others. */
    if (checks->set_count == 1 && metrics->rejects[REJECT_UNKNOWN_EPOCH] > 0) {
        checks_fail(checks, CHECK_STOPPED, "replica %u knows of no set in a chain that has one",
                    node->index);
    }
    if (metrics->evidence > 0) {
        checks_fail(checks, CHECK_STOPPED, "replica %u accuses an honest one", node->index);
    }
}

static void look_after(struct cluster_node *node)
{
    struct cluster *cluster = node->cluster;
    if (node->crashed_store != NULL) {
        bury(node, node->crashed_store);
        return;
    }
    if (node->has_stopped) {
        bury(node, ingot_store_memory_clone_durable(node->store));
        return;
    }
    checks_core(cluster->checks, node->index, replica_core(node->replica));
    if (!cluster->has_liars) {
        check_rejects(node);
    }
    struct core_status status;
    replica_get_status(node->replica, &status);
    cluster_trace(cluster, "state", node->index, status.current.view, status.last_voted.view);
    cluster_trace(cluster, "lock", node->index, status.locked.view, status.high.view);
    if (checks_compare(status.current, cluster->frontier) > 0) {
        cluster->frontier = status.current;
        cluster->frontier_entered++;
    }
    node->busy_until_us = node->send_at_us;
    if (node->wants_wake) {
        /* What has come in the meantime is heard first, as in the node's loop. */
        node->wants_wake = false;
        node->flush_at_us = node->busy_until_us + 1;
    }
}

void node_flush(struct cluster_node *node)
{
    node->flush_at_us = NEVER;
    node->send_at_us = node->cluster->now_us + FLUSH_US;
    replica_flush(node->replica);
    read_disk(node);
    look_after(node);
}

void node_tick(struct cluster_node *node)
{
    node->tick_at_us = NEVER;
    cluster_trace(node->cluster, "tick", node->index, 0, 0);
    replica_tick(node->replica);
    node_wants_flush(node);
}

void node_receive(struct cluster_node *node, const struct delivery *delivery)
{
    struct cluster *cluster = node->cluster;
    const struct frame *frame = delivery->frame;
    cluster_trace(cluster, "deliver", node->index, delivery->from, frame->size);
    cluster_trace_bytes(cluster, frame->bytes, frame->size);
    if (node->byzantine.habits != 0) {
        byzantine_hear(&node->byzantine, ingot_slice_of(frame->bytes, frame->size));
    }
    /* Answers to sync requests are sent at once. */
    node->send_at_us = cluster->now_us;
    replica_receive(node->replica, delivery->from, ingot_slice_of(frame->bytes, frame->size));
    if (node->crashed_store != NULL || node->has_stopped) {
        look_after(node);
        return;
    }
    node_wants_flush(node);
}
