/*
 * The cluster as a whole: its chain, its time, and what a test may ask for. See cluster.h.
 */
#include "lib/cluster.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/log.h"
#include "lib/cluster_state.h"
#include "lib/fast_crypto.h"
#include "wire/wire.h"

struct cluster_options cluster_default_options(void)
{
    return (struct cluster_options){.seed = 1,
                                    .validators = 4,
                                    .leader_tenure = 4,
                                    .base_timeout_ms = 500,
                                    .empty_block_interval_ms = 100,
                                    .timeout_resend_ms = 500,
                                    .advertise_interval_ms = 1000,
                                    .fetch_timeout_ms = 200,
                                    .replay_window_blocks = 256,
                                    .block_payload_bytes_max = INGOT_BLOCK_PAYLOAD_BYTES_DEFAULT,
                                    .mempool_bytes_max = 1 << 20,
                                    .compact_payload_bytes_min = INGOT_COMPACT_PAYLOAD_BYTES_MIN};
}

#define TEXT(name, text) [FAULT_##name] = (text),
const char *const cluster_fault_texts[CLUSTER_FAULTS] = {CLUSTER_FAULT_LIST(TEXT)};
#undef TEXT

static const struct cluster_link quick_link = {.delay_min_us = 500, .delay_max_us = 2000};

/* Keys come from seeds; genesis' members are numbered in the order that their keys give the set. */
static void make_nodes(struct cluster *cluster)
{
    const uint32_t count = cluster->options.validators;
    struct crypto_secret_key secrets[CHECKS_NODES_MAX];
    struct ingot_validator members[CHECKS_NODES_MAX] = {0};
    cluster->keys.count = count + cluster->options.observers;
    for (uint32_t i = 0; i < cluster->keys.count; i++) {
        const uint8_t seed[CRYPTO_SEED_BYTES] = {0x51, (uint8_t)(i + 1)};
        cluster->options.scheme->key_from_seed(seed, &secrets[i], &members[i].key);
        members[i].power =
            cluster->options.powers == NULL || i >= count ? 1 : cluster->options.powers[i];
    }
    const char *why = NULL;
    cluster->set = validator_set_new(0, members, count, &why);
    INGOT_ASSERT(cluster->set != NULL);
    wire_seal_set(cluster->set);
    struct ingot_hash chain;
    memset(chain.bytes, 0xC7, sizeof chain.bytes);
    cluster->genesis = wire_genesis_block(&chain, cluster->set, UINT64_C(1700000000000));
    for (uint32_t i = 0; i < cluster->keys.count; i++) {
        const uint32_t number = i < count ? validator_set_find(cluster->set, &members[i].key) : i;
        struct cluster_node *node = &cluster->nodes[number];
        node->secret = secrets[i];
        node->signer = (struct wire_signer){.scheme = cluster->options.scheme,
                                            .secret = &node->secret,
                                            .key = members[i].key,
                                            .chain = chain};
        cluster->keys.of[number] = members[i].key;
    }
}

struct cluster *cluster_new(const struct cluster_options *options)
{
    INGOT_ASSERT(options->validators >= 1);
    INGOT_ASSERT(options->validators + options->observers <= CHECKS_NODES_MAX);
    const bool has_crypto = crypto_init();
    INGOT_ASSERT(has_crypto);
    log_configure(LOG_PLAIN, LOG_NONE);
    struct cluster *cluster = alloc_zeroed(1, sizeof *cluster);
    cluster->options = *options;
    if (options->scheme == NULL) {
        cluster->options.scheme = &fast_crypto;
    }
    prng_init(&cluster->network_prng, options->seed, 1);
    prng_init(&cluster->test_prng, options->seed, 2);
    kv_model_init(&cluster->model, options->seed);
    make_nodes(cluster);
    cluster->checks =
        checks_new(cluster->genesis, cluster->set, &cluster->keys, cluster->options.scheme,
                   options->leader_tenure, options->replay_window_blocks, &cluster->model);
    for (uint32_t i = 0; i < cluster->keys.count; i++) {
        node_init(cluster, i);
    }
    cluster_set_all_links(cluster, &quick_link);
    crypto_hasher_begin(&cluster->trace);
    return cluster;
}

void cluster_free(struct cluster *cluster)
{
    if (cluster == NULL) {
        return;
    }
    for (uint32_t i = 0; i < cluster->keys.count; i++) {
        node_deinit(&cluster->nodes[i]);
    }
    network_deinit(cluster);
    checks_free(cluster->checks);
    kv_model_deinit(&cluster->model);
    block_unref(cluster->genesis);
    validator_set_unref(cluster->set);
    free(cluster);
}

void cluster_trace(struct cluster *cluster, const char *what, uint32_t node, uint64_t a, uint64_t b)
{
    crypto_hasher_add(&cluster->trace, ingot_slice_of_text(what));
    wire_hasher_add_u32(&cluster->trace, node);
    wire_hasher_add_u64(&cluster->trace, cluster->now_us);
    wire_hasher_add_u64(&cluster->trace, a);
    wire_hasher_add_u64(&cluster->trace, b);
    if (cluster->options.trace != NULL) {
        (void)fprintf(cluster->options.trace, "%10" PRIu64 " us  %u  %s %" PRIu64 " %" PRIu64 "\n",
                      cluster->now_us, node, what, a, b);
    }
}

void cluster_trace_bytes(struct cluster *cluster, const void *bytes, size_t size)
{
    crypto_hasher_add(&cluster->trace, ingot_slice_of(bytes, size));
}

void cluster_trace_hash(const struct cluster *cluster, struct ingot_hash *hash)
{
    struct crypto_hasher copy = cluster->trace;
    crypto_hasher_end(&copy, hash);
}

/* --- What a test asks for. --- */

static struct cluster_node *node_at(struct cluster *cluster, uint32_t node)
{
    INGOT_ASSERT(node < cluster->keys.count);
    return &cluster->nodes[node];
}

void cluster_start(struct cluster *cluster, uint32_t node)
{
    node_open(node_at(cluster, node));
}

void cluster_start_all(struct cluster *cluster)
{
    for (uint32_t i = 0; i < cluster->keys.count; i++) {
        if (!cluster_is_up(cluster, i)) {
            cluster_start(cluster, i);
        }
    }
}

static struct wire_signer *signer_of(void *context, uint32_t node)
{
    return cluster_signer(context, node);
}

void cluster_set_byzantine(struct cluster *cluster, uint32_t node, uint64_t habits)
{
    struct cluster_node *liar = node_at(cluster, node);
    liar->byzantine.habits = habits;
    liar->byzantine.index = node;
    liar->byzantine.signer = &liar->signer;
    liar->byzantine.signer_of = signer_of;
    liar->byzantine.signer_context = cluster;
    liar->byzantine.checks = cluster->checks;
    liar->byzantine.genesis = cluster->genesis;
    prng_init(&liar->byzantine.prng, cluster->options.seed, 1000 + node);
    cluster->checks->nodes[node].is_honest = habits == 0;
    cluster->has_liars = true;
}

void cluster_add_habits(const struct cluster *cluster, uint64_t done[BYZANTINE_HABITS])
{
    for (uint32_t i = 0; i < cluster->keys.count; i++) {
        for (uint32_t habit = 0; habit < BYZANTINE_HABITS; habit++) {
            done[habit] += cluster->nodes[i].byzantine.done[habit];
        }
    }
}

bool cluster_is_honest(const struct cluster *cluster, uint32_t node)
{
    return cluster->checks->nodes[node].is_honest;
}

void cluster_crash(struct cluster *cluster, uint32_t node)
{
    node_crash(node_at(cluster, node));
}

void cluster_crash_after_sends(struct cluster *cluster, uint32_t node, uint32_t frames)
{
    struct cluster_node *crashing = node_at(cluster, node);
    crashing->has_crash_planned = true;
    crashing->sends_before_crash = frames;
}

void cluster_cancel_faults(struct cluster *cluster, uint32_t node)
{
    node_at(cluster, node)->has_crash_planned = false;
    cluster->nodes[node].full_until_us = 0;
    if (cluster->nodes[node].store != NULL) {
        ingot_store_memory_fail_commit(cluster->nodes[node].store, 0, STORE_MEMORY_NO_SPACE);
        ingot_store_memory_set_full(cluster->nodes[node].store, false);
    }
}

void cluster_set_disk(struct cluster *cluster, uint32_t node, uint32_t min_us, uint32_t max_us)
{
    node_at(cluster, node)->disk_min_us = min_us;
    node_at(cluster, node)->disk_max_us = max_us;
}

void cluster_shift_wall(struct cluster *cluster, uint32_t node, int64_t by_ms)
{
    struct cluster_node *shifted = node_at(cluster, node);
    INGOT_ASSERT(by_ms >= 0 || shifted->wall_offset_ms >= (uint64_t)-by_ms);
    shifted->wall_offset_ms += (uint64_t)by_ms;
}

void cluster_set_clock_rate(struct cluster *cluster, uint32_t node, int32_t parts_per_million)
{
    struct cluster_node *drifting = node_at(cluster, node);
    drifting->clock_us = node_clock_us(drifting);
    drifting->clock_read_us = cluster->now_us;
    drifting->clock_rate = parts_per_million;
    if (drifting->tick_at_us != UINT64_MAX) {
        node_set_timer(drifting);
    }
}

void cluster_pause(struct cluster *cluster, uint32_t node, uint64_t duration_ms)
{
    struct cluster_node *paused = node_at(cluster, node);
    INGOT_ASSERT(paused->replica != NULL);
    paused->busy_until_us = cluster->now_us + duration_ms * 1000;
    if (paused->tick_at_us < paused->busy_until_us) {
        paused->tick_at_us = paused->busy_until_us;
    }
    if (paused->flush_at_us < paused->busy_until_us) {
        paused->flush_at_us = paused->busy_until_us;
    }
}

struct cluster_link *cluster_link(struct cluster *cluster, uint32_t from, uint32_t to)
{
    INGOT_ASSERT(from < cluster->keys.count);
    INGOT_ASSERT(to < cluster->keys.count);
    return &cluster->links[from][to];
}

void cluster_set_all_links(struct cluster *cluster, const struct cluster_link *link)
{
    for (uint32_t from = 0; from < cluster->keys.count; from++) {
        for (uint32_t to = 0; to < cluster->keys.count; to++) {
            cluster->links[from][to] = *link;
        }
    }
}

void cluster_set_intercept(struct cluster *cluster, cluster_intercept *intercept, void *context)
{
    cluster->intercept = intercept;
    cluster->intercept_context = context;
}

void cluster_inject(struct cluster *cluster, uint32_t from, uint32_t to,
                    const struct message *message)
{
    cluster->has_liars = true;
    checks_learn(cluster->checks, message);
    struct ingot_buffer bytes = {0};
    wire_encode(message, &bytes);
    struct frame *frame = network_frame(ingot_buffer_slice(&bytes));
    network_transmit(cluster, from, to, cluster->now_us, frame);
    network_unref(frame);
    ingot_buffer_deinit(&bytes);
}

enum ingot_error cluster_submit(struct cluster *cluster, uint32_t node,
                                struct ingot_slice transaction)
{
    struct cluster_node *receiving = node_at(cluster, node);
    INGOT_ASSERT(receiving->replica != NULL);
    struct ingot_check_response response = {0};
    const enum ingot_error error = replica_submit(receiving->replica, transaction, &response);
    ingot_buffer_deinit(&response.log);
    cluster_trace(cluster, "submit", node, (uint64_t)error == 0, response.code);
    node_wants_flush(receiving);
    return error;
}

void cluster_submit_any(struct cluster *cluster, uint32_t node)
{
    struct ingot_buffer transaction = {0};
    kv_model_make(&cluster->model, &transaction);
    const enum ingot_error error = cluster_submit(cluster, node, ingot_buffer_slice(&transaction));
    INGOT_ASSERT(error == INGOT_OK || error == INGOT_ERROR_FULL);
    ingot_buffer_deinit(&transaction);
}

void cluster_submit_again(struct cluster *cluster, uint32_t node)
{
    const struct ingot_buffer *again = kv_model_recent(&cluster->model);
    if (again != NULL) {
        const enum ingot_error error = cluster_submit(cluster, node, ingot_buffer_slice(again));
        INGOT_ASSERT(error == INGOT_OK || error == INGOT_ERROR_FULL || error == INGOT_ERROR_EXISTS);
    }
}

enum ingot_error cluster_submit_change(struct cluster *cluster, uint32_t node,
                                       const struct set_app_powers *powers)
{
    const struct set_app_powers now = cluster_powers(cluster);
    struct ingot_buffer transaction = {0};
    set_app_make(&transaction, &now, powers, ++cluster->changes_made);
    kv_model_add_change(&cluster->model, ingot_buffer_slice(&transaction));
    const enum ingot_error error = cluster_submit(cluster, node, ingot_buffer_slice(&transaction));
    ingot_buffer_deinit(&transaction);
    return error;
}

/* --- Time. --- */

enum turn { TURN_NONE, TURN_FLUSH, TURN_TICK, TURN_DELIVERY };

struct next {
    enum turn turn;
    uint64_t at_us;
    uint32_t node;
};

/* At one time: flushes first, then ticks, then deliveries; the lowest node first. */
static struct next find_next(const struct cluster *cluster)
{
    struct next next = {.turn = TURN_NONE, .at_us = UINT64_MAX};
    const struct delivery *delivery = network_peek(cluster);
    if (delivery != NULL) {
        next = (struct next){.turn = TURN_DELIVERY, .at_us = delivery->at_us};
    }
    for (uint32_t i = cluster->keys.count; i > 0; i--) {
        const uint64_t at_us = cluster->nodes[i - 1].tick_at_us;
        if (at_us != UINT64_MAX && at_us <= next.at_us) {
            next = (struct next){.turn = TURN_TICK, .at_us = at_us, .node = i - 1};
        }
    }
    for (uint32_t i = cluster->keys.count; i > 0; i--) {
        const uint64_t at_us = cluster->nodes[i - 1].flush_at_us;
        if (at_us != UINT64_MAX && at_us <= next.at_us) {
            next = (struct next){.turn = TURN_FLUSH, .at_us = at_us, .node = i - 1};
        }
    }
    return next;
}

static void deliver(struct cluster *cluster)
{
    const struct delivery delivery = network_take(cluster);
    struct cluster_node *node = &cluster->nodes[delivery.to];
    if (node->replica != NULL && node->busy_until_us > cluster->now_us) {
        network_postpone(cluster, &delivery, node->busy_until_us);
        return;
    }
    if (node->replica != NULL) {
        cluster->frames++;
        network_arrived(cluster, &delivery);
        node_receive(node, &delivery);
    }
    network_unref(delivery.frame);
}

static bool step_before(struct cluster *cluster, uint64_t until_us)
{
    const struct next next = find_next(cluster);
    if (cluster->checks->violated != CHECK_NONE || next.turn == TURN_NONE ||
        next.at_us > until_us) {
        return false;
    }
    INGOT_ASSERT(next.at_us >= cluster->now_us || next.turn == TURN_TICK);
    if (next.at_us > cluster->now_us) {
        cluster->now_us = next.at_us;
    }
    switch (next.turn) {
    case TURN_FLUSH:
        node_flush(&cluster->nodes[next.node]);
        break;
    case TURN_TICK:
        node_tick(&cluster->nodes[next.node]);
        break;
    case TURN_DELIVERY:
        deliver(cluster);
        break;
    case TURN_NONE:
        break;
    }
    return true;
}

bool cluster_step(struct cluster *cluster)
{
    return step_before(cluster, UINT64_MAX - 1);
}

bool cluster_run_until(struct cluster *cluster, uint64_t until_us)
{
    while (step_before(cluster, until_us)) {
    }
    if (cluster->checks->violated != CHECK_NONE) {
        return false;
    }
    cluster->now_us = until_us;
    return true;
}

bool cluster_run_ms(struct cluster *cluster, uint64_t duration_ms)
{
    return cluster_run_until(cluster, cluster->now_us + duration_ms * 1000);
}

bool cluster_run_while_not(struct cluster *cluster, uint64_t limit_ms, cluster_condition *condition,
                           void *context)
{
    const uint64_t limit_us = cluster->now_us + limit_ms * 1000;
    while (!condition(context, cluster)) {
        if (!step_before(cluster, limit_us)) {
            return false;
        }
    }
    return true;
}

/* --- What a test reads. --- */

bool cluster_is_withheld(struct cluster *cluster, uint32_t node)
{
    return cluster_is_up(cluster, node) && cluster_status(cluster, node).withholds_signing;
}

uint64_t cluster_now_us(const struct cluster *cluster)
{
    return cluster->now_us;
}

uint32_t cluster_count(const struct cluster *cluster)
{
    return cluster->keys.count;
}

bool cluster_is_up(const struct cluster *cluster, uint32_t node)
{
    INGOT_ASSERT(node < cluster->keys.count);
    return cluster->nodes[node].replica != NULL;
}

struct replica *cluster_replica(struct cluster *cluster, uint32_t node)
{
    return node_at(cluster, node)->replica;
}

struct core_status cluster_status(struct cluster *cluster, uint32_t node)
{
    INGOT_ASSERT(cluster_is_up(cluster, node));
    struct core_status status;
    replica_get_status(cluster->nodes[node].replica, &status);
    return status;
}

uint64_t cluster_committed(const struct cluster *cluster, uint32_t node)
{
    INGOT_ASSERT(node < cluster->keys.count);
    return cluster->checks->nodes[node].committed_height;
}

uint64_t cluster_max_view(struct cluster *cluster)
{
    uint64_t view = 0;
    for (uint32_t i = 0; i < cluster->keys.count; i++) {
        if (cluster_is_up(cluster, i)) {
            const struct core_status status = cluster_status(cluster, i);
            view = status.current.view > view ? status.current.view : view;
        }
    }
    return view;
}

uint64_t cluster_views_passed(const struct cluster *cluster)
{
    return cluster->frontier_entered;
}

uint64_t cluster_timeouts(struct cluster *cluster, uint32_t node)
{
    const uint64_t before = node_at(cluster, node)->timeouts_before;
    return cluster_is_up(cluster, node) ? before + cluster_status(cluster, node).timeouts : before;
}

uint64_t cluster_timeouts_of_all(struct cluster *cluster)
{
    uint64_t count = 0;
    for (uint32_t i = 0; i < cluster_count(cluster); i++) {
        count += cluster_timeouts(cluster, i);
    }
    return count;
}

struct checks *cluster_checks(struct cluster *cluster)
{
    return cluster->checks;
}

struct kv_model *cluster_model(struct cluster *cluster)
{
    return &cluster->model;
}

struct validator_set *cluster_set(struct cluster *cluster)
{
    return cluster->set;
}

uint64_t cluster_epoch(const struct cluster *cluster)
{
    return cluster->checks->set_count - 1;
}

struct set_app_powers cluster_powers(const struct cluster *cluster)
{
    return checks_powers(cluster->checks, checks_last_set(cluster->checks));
}

struct block *cluster_genesis(struct cluster *cluster)
{
    return cluster->genesis;
}

struct wire_signer *cluster_signer(struct cluster *cluster, uint32_t node)
{
    return &node_at(cluster, node)->signer;
}

struct prng *cluster_prng(struct cluster *cluster)
{
    return &cluster->test_prng;
}

uint64_t cluster_frames(const struct cluster *cluster)
{
    return cluster->frames;
}

uint64_t cluster_bytes_sent(const struct cluster *cluster)
{
    return cluster->bytes_sent;
}

uint64_t cluster_compact_proposals(const struct cluster *cluster)
{
    return cluster->compact_proposals;
}

uint64_t cluster_marked(const struct cluster *cluster, enum cluster_fault fault)
{
    return cluster->marks[fault];
}

void cluster_mark(struct cluster *cluster, enum cluster_fault fault)
{
    cluster->marks[fault]++;
}

uint64_t cluster_joined(const struct cluster *cluster)
{
    return cluster->joined;
}
