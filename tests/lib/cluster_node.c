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
#include "base/bits.h"
#include "lib/checks_replica.h"
#include "lib/cluster_state.h"
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
    node->clock_start_us = prng_below(&cluster->test_prng, 1000000000);
    node->clock_us = node->clock_start_us;
    node->wall_offset_ms = WALL_MS_AT_START + prng_below(&cluster->test_prng, 4000);
}

void node_deinit(struct cluster_node *node)
{
    replica_free(node->replica);
    ingot_app_deinit(&node->app);
    ingot_store_close(node->store);
    ingot_store_close(node->pristine);
    ingot_store_close(node->copy);
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

/* --- What the replica sees of the world. --- */

uint64_t node_clock_us(const struct cluster_node *node)
{
    const uint64_t passed_us = node->cluster->now_us - node->clock_read_us;
    const uint64_t rate = (uint64_t)(INT64_C(1000000) + node->clock_rate);
    return node->clock_us + (node->clock_rate == 0 ? passed_us : passed_us * rate / 1000000);
}

static uint64_t monotonic_us(void *context)
{
    return node_clock_us(context);
}

static uint64_t wall_ms(void *context)
{
    const struct cluster_node *node = context;
    return node->wall_offset_ms + (node_clock_us(node) - node->clock_start_us) / 1000;
}

void node_set_timer(struct cluster_node *node)
{
    const uint64_t clock_us = node_clock_us(node);
    uint64_t wait_us = node->deadline_us > clock_us ? node->deadline_us - clock_us : 0;
    if (node->clock_rate != 0) {
        /* Rounded up, or the timer would run out before its time. */
        wait_us = wait_us * 1000000 / (uint64_t)(INT64_C(1000000) + node->clock_rate) + 1;
    }
    node->tick_at_us = node->cluster->now_us + wait_us;
}

static void arm(void *context, uint64_t deadline_ms)
{
    struct cluster_node *node = context;
    node->deadline_us = deadline_ms * 1000;
    node_set_timer(node);
}

static void wake(void *context)
{
    struct cluster_node *node = context;
    node->wants_wake = true;
}

bool node_is_gone(struct cluster_node *node)
{
    if (node->crashed_store == NULL && ingot_store_memory_has_crashed(node->store)) {
        node->crashed_store = ingot_store_memory_clone_durable(node->store);
        disk_mark_failure(node);
    }
    return node->crashed_store != NULL;
}

/* Counts down to a planned crash; true if this frame no longer leaves. */
static bool has_crashed(struct cluster_node *node)
{
    if (node_is_gone(node)) {
        return true;
    }
    if (node->has_crash_planned && node->sends_before_crash-- == 0) {
        node->crashed_store = ingot_store_memory_clone_durable(node->store);
        cluster_mark(node->cluster, FAULT_CRASH_IN_SEND);
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
    case MESSAGE_COMPACT_PROPOSE:
        return message->propose.block->view;
    case MESSAGE_TRANSACTIONS_REQUEST:
        return bits_count(message->transactions_request.wanted.data,
                          message->transactions_request.wanted.size);
    case MESSAGE_TRANSACTIONS_RESPONSE:
        return bits_count(message->transactions_response.wanted.data,
                          message->transactions_response.wanted.size);
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
    disk_read(node);
    if (message->kind == MESSAGE_COMPACT_PROPOSE) {
        /* Tests and checkers see what is proposed, however it travels. */
        node->cluster->compact_proposals++;
        struct block *block =
            core_find_block(replica_core(node->replica), &message->propose.block->hash);
        INGOT_ASSERT(block != NULL);
        struct message *whole = checks_whole(&message->propose, block);
        message_unref(message);
        message = whole;
    }
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
    cluster->bytes_sent += 4 + frame->size;
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
    const bool is_next = node->has_crash_planned && node->sends_before_crash == 0;
    if (node_is_gone(node) || (is_next && has_crashed(node))) {
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
    if (node_is_gone(node)) {
        return;
    }
    disk_read(node);
    checks_qc(node->cluster->checks, node->index, node->disk.high_qc);
    disk_check_commit(node, block);
    checks_commit(node->cluster->checks, node->index, block, execution);
    if (block_changes_set(block)) {
        disk_check_set(node, checks_epoch(block) + 1);
    }
    cluster_trace(node->cluster, "commit", node->index, block->height, block->view);
    cluster_trace_bytes(node->cluster, block->hash.bytes, INGOT_HASH_BYTES);
}

static void stopped(void *context, enum replica_stop stop, const char *why)
{
    struct cluster_node *node = context;
    if (node_is_gone(node)) {
        return;
    }
    node->has_stopped = true;
    if (stop == REPLICA_STOP_WRITE) {
        disk_mark_failure(node);
    } else {
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
                                               .wall_ms = wall_ms,
                                               .is_awaited = node_is_awaited},
                                    .scheme = options->scheme,
                                    .has_key = !node->has_lost_key,
                                    .key = cluster->keys.of[node->index],
                                    .secret = node->secret,
                                    .leader_tenure = options->leader_tenure,
                                    .replay_window_blocks = options->replay_window_blocks,
                                    .block_payload_bytes_max = options->block_payload_bytes_max,
                                    .transaction_bytes_max = options->transaction_bytes_max > 0
                                                                 ? options->transaction_bytes_max
                                                                 : TRANSACTION_BYTES_MAX,
                                    .base_timeout_ms = options->base_timeout_ms,
                                    .empty_block_interval_ms = options->empty_block_interval_ms,
                                    .timeout_resend_ms = options->timeout_resend_ms,
                                    .advertise_interval_ms = options->advertise_interval_ms,
                                    .fetch_timeout_ms = options->fetch_timeout_ms,
                                    .mempool_bytes_max = options->mempool_bytes_max,
                                    .compact_payload_bytes_min = options->compact_payload_bytes_min,
                                    .index_transactions = true,
                                    .verify_threads = options->verify_threads};
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

/* False: it stays down, as it must, or that is a violation. */
static bool open_replica(struct cluster_node *node)
{
    struct checks *checks = node->cluster->checks;
    const struct replica_options options = options_of(node);
    char why[256] = "";
    const enum ingot_error error = replica_open(&options, &node->replica, why, sizeof why);
    if (error == INGOT_OK) {
        if (node->pristine != NULL) {
            checks_fail(checks, CHECK_DAMAGE, "replica %u starts on a disk with a damaged record",
                        node->index);
        }
        return true;
    }
    node->replica = NULL;
    ingot_app_deinit(&node->app);
    if (!disk_explains_refusal(node, error, why)) {
        checks_fail(checks, CHECK_COMMITTED_STAYS, "replica %u does not start: %s", node->index,
                    why);
    }
    cluster_trace(node->cluster, "refused", node->index, 0, 0);
    return false;
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
    ingot_store_memory_set_lazy(node->store, ledger_lazy_tables);
    set_app_init(&node->app, &cluster->keys);
    node->commits_seen = NEVER;
    node->has_stopped = false;
    node->has_crash_planned = false;
    node->corrupt_received = 0;
    disk_settle(node);
    if (!open_replica(node)) {
        return;
    }
    disk_read(node);
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
    checks_forget_heard(node->cluster->checks, node->index);
    node->cluster->checks->has_odd_frames = true; /* those on their way find the next life */
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

/*
 * Where nobody lies, nothing is ever refused for these reasons, and nobody is accused. A frame that
 * was changed on its way is refused, and that is all that comes of it.
 */
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
    uint64_t refused = 0;
    for (size_t i = 0; i < sizeof never / sizeof never[0]; i++) {
        refused += metrics->rejects[never[i]];
        if (refused > node->corrupt_received) {
            checks_fail(checks, CHECK_STOPPED, "replica %u has refused what an honest one sent: %s",
                        node->index, reject_text(never[i]));
        }
    }
    /* Where sets change, some are in an epoch before others. */
    if (checks->set_count == 1 && metrics->rejects[REJECT_UNKNOWN_EPOCH] > node->corrupt_received) {
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
    if (node_is_gone(node)) {
        bury(node, node->crashed_store);
        return;
    }
    if (node->has_stopped) {
        bury(node, ingot_store_memory_clone_durable(node->store));
        return;
    }
    checks_replica(cluster->checks, node->index, node->replica);
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
    disk_settle(node);
    node->flush_at_us = NEVER;
    node->send_at_us = node->cluster->now_us + FLUSH_US;
    replica_flush(node->replica);
    disk_read(node);
    disk_check_epoch(node);
    look_after(node);
}

void node_tick(struct cluster_node *node)
{
    node->tick_at_us = NEVER;
    cluster_trace(node->cluster, "tick", node->index, 0, 0);
    if (node->clock_rate != 0) {
        cluster_mark(node->cluster, FAULT_CLOCK_DRIFT);
    }
    replica_tick(node->replica);
    node_wants_flush(node);
}

static uint64_t count_rejects(const struct cluster_node *node)
{
    const struct metrics *metrics = replica_metrics(node->replica);
    uint64_t count = 0;
    for (size_t i = 0; i < REJECT_COUNT; i++) {
        count += metrics->rejects[i];
    }
    return count;
}

/*
 * Another transaction that no client made would be as good as one of theirs; of all else, what is
 * not refused is what any peer may say.
 */
static bool is_another_transaction(struct ingot_slice bytes)
{
    struct message *message = NULL;
    const bool is_one =
        wire_decode(bytes, &message) == REJECT_NONE && message->kind == MESSAGE_TRANSACTIONS;
    message_unref(message);
    return is_one;
}

/*
 * A replica that stood still takes much at once. The certificate by which it commits may be of its
 * own making, and another one have replaced it before anything of this is durable or sent.
 */
static void see_certificate(struct cluster_node *node)
{
    struct core_status status;
    replica_get_status(node->replica, &status);
    checks_qc(node->cluster->checks, node->index, status.high_qc);
}

/* Before the replica does. */
static void hear_liar(struct cluster_node *node, struct ingot_slice frame)
{
    struct message *message = checks_decode(node->cluster->checks, frame);
    if (message != NULL) {
        checks_hear(node->cluster->checks, node->index, message, replica_core(node->replica));
        message_unref(message);
    }
}

void node_receive(struct cluster_node *node, const struct delivery *delivery)
{
    struct cluster *cluster = node->cluster;
    const struct ingot_slice bytes = ingot_slice_of(delivery->frame->bytes, delivery->frame->size);
    if (delivery->is_corrupt && is_another_transaction(bytes)) {
        return;
    }
    cluster_trace(cluster, "deliver", node->index, delivery->from, bytes.size);
    cluster_trace_bytes(cluster, bytes.data, bytes.size);
    if (node->byzantine.habits != 0) {
        byzantine_hear(&node->byzantine, bytes);
    }
    if (!cluster_is_honest(cluster, delivery->from) && cluster_is_honest(cluster, node->index)) {
        hear_liar(node, bytes);
    }
    /* Answers to sync requests are sent at once. */
    node->send_at_us = cluster->now_us;
    const uint64_t refused_before = delivery->is_corrupt ? count_rejects(node) : 0;
    node->corrupt_received += delivery->is_corrupt;
    replica_receive(node->replica, delivery->from, bytes);
    if (delivery->is_corrupt && count_rejects(node) > refused_before) {
        cluster_mark(cluster, FAULT_CORRUPTION);
    }
    if (node_is_gone(node) || node->has_stopped) {
        look_after(node);
        return;
    }
    see_certificate(node);
    node_wants_flush(node);
}
