/*
 * The network and its nodes. See world.h.
 */
#include "power/world.h"

#include <ingot/apps.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/log.h"
#include "lib/fast_crypto.h"
#include "power/disk.h"
#include "storage/journal.h"
#include "wire/wire.h"

#define NEVER UINT64_MAX
#define ACT_EVERY_US 20000
#define LIMIT_US (UINT64_C(400) * 1000000)
/* At the latest then: the set may be waiting for who is to join. */
#define JOIN_US (UINT64_C(5) * 1000000)
#define WALL_MS UINT64_C(1780000000000)
#define GENESIS_MEMBERS 4
/* Few steps fill one, and some fit into none. */
#define SEGMENT_BYTES (64 << 10)
#define APPLY_DEFAULT 300000

/* --- What a replica sees of the world. --- */

static void show(const struct power_node *node, struct shown *shown)
{
    struct core_status status;
    replica_get_status(node->replica, &status);
    *shown = (struct shown){.current = status.current,
                            .last_voted = status.last_voted,
                            .locked = status.locked,
                            .high = status.high};
}

static void transmit(struct power_node *node, uint32_t to, struct ingot_slice bytes)
{
    struct power_world *world = node->world;
    if (prng_chance(&world->prng, world->workload->loss)) {
        return;
    }
    if (world->frame_count == world->frame_capacity) {
        world->frame_capacity = world->frame_capacity == 0 ? 256 : world->frame_capacity * 2;
        world->frames = alloc_resize(world->frames, world->frame_capacity, sizeof *world->frames);
    }
    struct world_frame *frame = &world->frames[world->frame_count++];
    *frame = (struct world_frame){.at_us = world->now_us + prng_between(&world->prng, 500, 2000),
                                  .from = node->index,
                                  .to = to};
    ingot_buffer_append_slice(&frame->bytes, bytes);
}

static void mark_sent(struct power_node *node, struct ingot_slice bytes)
{
    struct op *op = record_mark(&node->record, OP_SENT);
    ingot_buffer_append_slice(&op->bytes, bytes);
    show(node, &op->shown);
}

static void send(void *context, uint32_t peer, enum ingot_frame_class frame_class,
                 struct ingot_slice frame)
{
    struct power_node *node = context;
    (void)frame_class;
    if (!node->record.is_dead) {
        mark_sent(node, frame);
        transmit(node, peer, frame);
    }
}

static void broadcast(void *context, enum ingot_frame_class frame_class, struct ingot_slice frame)
{
    struct power_node *node = context;
    (void)frame_class;
    if (node->record.is_dead) {
        return;
    }
    mark_sent(node, frame);
    for (uint32_t i = 0; i < node->world->node_count; i++) {
        if (i != node->index) {
            transmit(node, i, frame);
        }
    }
}

static void arm(void *context, uint64_t deadline_ms)
{
    struct power_node *node = context;
    const uint64_t at_us = deadline_ms * 1000;
    node->tick_at_us = at_us > node->world->now_us ? at_us : node->world->now_us;
}

static void wake(void *context)
{
    struct power_node *node = context;
    node->is_woken = true;
}

static void committed(void *context, struct block *block, struct execution *execution)
{
    struct power_node *node = context;
    if (node->record.is_dead) {
        return;
    }
    attesting_committed(&node->attesting, block, execution);
    struct op *op = record_mark(&node->record, OP_REPORTED);
    op->at = block->height;
    op->digest = block->hash;
    show(node, &op->shown);
    if (block->height > node->world->committed) {
        node->world->committed = block->height;
    }
}

static void stopped(void *context, enum replica_stop stop, const char *why)
{
    struct power_node *node = context;
    node->has_stopped = true;
    if (stop != REPLICA_STOP_WRITE || !node->record.is_dead) {
        node->has_failed = true;
        (void)snprintf(node->why, sizeof node->why, "%s", why);
    }
}

static uint64_t monotonic_us(void *context)
{
    return ((const struct power_node *)context)->world->now_us;
}

static uint64_t wall_ms(void *context)
{
    return WALL_MS + ((const struct power_node *)context)->world->now_us / 1000;
}

/*
 * Clients come and go; where statements are signed somebody always waits, as at a node with an
 * attestor.
 */
static bool is_awaited(void *context)
{
    const struct power_node *node = context;
    return node->world->workload->attests || (node->world->now_us / 8192 + node->index) % 4 == 0;
}

static void told(void *context, uint64_t height, const struct statement_id *id)
{
    struct power_node *node = context;
    if (!node->record.is_dead) {
        struct op *op = record_mark(&node->record, OP_TOLD);
        op->at = height;
        memcpy(op->digest.bytes, id->bytes, sizeof op->digest.bytes);
    }
}

/* --- The life of a node. --- */

struct replica_options world_replica_options(const struct power_node *node,
                                             struct ingot_store *store, const struct ingot_app *app,
                                             const struct replica_output *output)
{
    const struct power_world *world = node->world;
    const struct workload *workload = world->workload;
    return (struct replica_options){.store = store,
                                    .app = app,
                                    .genesis = world->genesis,
                                    .genesis_set = world->set,
                                    .output = *output,
                                    .scheme = world->scheme,
                                    .has_key = true,
                                    .key = world->keys.of[node->index],
                                    .secret = node->secret,
                                    .leader_tenure = INGOT_LEADER_TENURE_DEFAULT,
                                    .replay_window_blocks =
                                        workload->replay_window > 0 ? workload->replay_window : 64,
                                    .block_payload_bytes_max = INGOT_BLOCK_PAYLOAD_BYTES_DEFAULT,
                                    .transaction_bytes_max = INGOT_TRANSACTION_BYTES_MAX,
                                    .base_timeout_ms = 300,
                                    .empty_block_interval_ms = 100,
                                    .timeout_resend_ms = 200,
                                    .advertise_interval_ms = 500,
                                    .fetch_timeout_ms = 200,
                                    .mempool_bytes_max = 4 << 20,
                                    .index_transactions = node->index % 2 == 0,
                                    .retain_blocks = workload->retain_blocks};
}

enum ingot_error world_open_store(const char *folder, struct ingot_store **store, char *why,
                                  size_t why_size)
{
    const struct ingot_store_journal_options options = {.lmdb = {.folder = folder,
                                                                 .tables = ledger_tables,
                                                                 .table_count = ledger_table_count,
                                                                 .map_size_initial = 64 << 10,
                                                                 .map_size_max = 64 << 20},
                                                        .segment_bytes = SEGMENT_BYTES,
                                                        .lazy_tables = ledger_lazy_tables};
    return store_journal_open_without_worker(&options, store, why, why_size);
}

static void connect_all(struct power_node *node, bool is_up)
{
    struct power_world *world = node->world;
    for (uint32_t i = 0; i < world->node_count; i++) {
        struct power_node *other = &world->nodes[i];
        if (other == node || other->replica == NULL) {
            continue;
        }
        replica_set_connected(other->replica, node->index, is_up);
        attesting_connected(&other->attesting, node->index, is_up);
        if (node->replica != NULL) {
            replica_set_connected(node->replica, i, is_up);
            attesting_connected(&node->attesting, i, is_up);
        }
    }
}

static void close_node(struct power_node *node, uint64_t start_at_us)
{
    attesting_close(&node->attesting);
    replica_free(node->replica);
    node->replica = NULL;
    ingot_app_deinit(&node->app);
    ingot_store_close(node->store);
    node->store = NULL;
    node->has_stopped = false;
    node->tick_at_us = NEVER;
    node->start_at_us = start_at_us;
    if (node->record.is_dead) {
        record_mark_content(&node->record, OP_LEFT, "data.mdb");
    }
    if (node->record.is_dead && node->loses_power) {
        disk_lose_power(&node->record, &node->world->prng);
    }
    record_reborn(&node->record);
    connect_all(node, false);
}

static void flush(struct power_node *node)
{
    do {
        node->is_woken = false;
        replica_flush(node->replica);
        if (!node->has_stopped && !node->record.is_dead) {
            attesting_flush(&node->attesting);
        }
    } while (node->is_woken && !node->has_stopped && !node->record.is_dead);
    if (node->has_stopped || node->record.is_dead) {
        close_node(node, node->world->now_us + prng_between(&node->world->prng, 1000, 400000));
    }
}

/* In the middle of what comes next, perhaps. */
static void plan_death(struct power_node *node)
{
    struct prng *prng = &node->world->prng;
    const bool loses_power = prng_chance(prng, node->world->workload->lose_power);
    if (loses_power || prng_chance(prng, node->world->workload->die)) {
        node->loses_power = loses_power;
        record_plan_death(&node->record, prng_chance(prng, 300000)
                                             ? RECORD_AT_SYNCED
                                             : (uint32_t)prng_below(prng, 12));
    }
}

static void open_node(struct power_node *node)
{
    const struct power_world *world = node->world;
    const struct replica_output output = {node,    send,       broadcast, arm,
                                          wake,    committed,  stopped,   monotonic_us,
                                          wall_ms, is_awaited, NULL};
    node->start_at_us = NEVER;
    plan_death(node);
    enum ingot_error error =
        world_open_store(node->folder, &node->store, node->why, sizeof node->why);
    attesting_app(node, &node->app);
    if (error == INGOT_OK) {
        const struct replica_options options =
            world_replica_options(node, node->store, &node->app, &output);
        error = replica_open(&options, &node->replica, node->why, sizeof node->why);
    }
    if (error == INGOT_OK) {
        node->attesting =
            (struct attesting){.replica = node->replica, .output = output, .told = told};
        error = attesting_open(&node->attesting, node, &node->app, node->folder, node->why,
                               sizeof node->why);
    }
    if (error != INGOT_OK) {
        /* Its process may have died on the way. */
        node->has_failed = !node->record.is_dead;
        close_node(node, world->now_us + 1000);
        return;
    }
    for (uint32_t i = 0; i < world->node_count; i++) {
        if (i != node->index) {
            replica_set_peer(node->replica, i, true, &world->keys.of[i]);
        }
    }
    replica_start(node->replica);
    connect_all(node, true);
    flush(node);
}

/* --- What chance and the clients do. --- */

static void submit(struct power_world *world)
{
    struct power_node *node = &world->nodes[prng_below(&world->prng, world->node_count)];
    if (node->replica == NULL) {
        return;
    }
    const uint64_t size = prng_between(&world->prng, 1, world->workload->transaction_size);
    const unsigned long long key = prng_below(&world->prng, 200);
    const unsigned long long value = prng_next(&world->prng);
    struct ingot_buffer transaction = {0};
    ingot_buffer_format(&transaction, "key%llu=%016llx", key, value);
    for (uint64_t i = 0; i < size; i++) {
        ingot_buffer_append_u8(&transaction, (uint8_t)('a' + (i * 7 + size) % 26));
    }
    struct ingot_check_response response = {0};
    const enum ingot_error error =
        replica_submit(node->replica, ingot_buffer_slice(&transaction), &response);
    INGOT_ASSERT(error == INGOT_OK || error == INGOT_ERROR_FULL || error == INGOT_ERROR_EXISTS);
    ingot_buffer_deinit(&transaction);
    flush(node);
}

/* One member's power changes, or it leaves or comes; three at least stay. */
static void submit_change(struct power_world *world)
{
    struct power_node *node = &world->nodes[prng_below(&world->prng, GENESIS_MEMBERS)];
    if (node->replica == NULL) {
        return;
    }
    struct core_status status;
    struct set_app_powers before = {{0}};
    replica_get_status(node->replica, &status);
    for (uint32_t i = 0; i < world->node_count; i++) {
        const uint32_t place = validator_set_find(status.set, &world->keys.of[i]);
        before.of[i] = place == VALIDATOR_NONE ? 0 : status.set->validators[place].power;
    }
    struct set_app_powers after = before;
    uint64_t *power = &after.of[prng_below(&world->prng, world->node_count)];
    *power = *power > 0 && status.set->count > 3 ? 0 : prng_between(&world->prng, 1, 2);
    struct ingot_buffer transaction = {0};
    set_app_make(&transaction, &before, &after, world->changes++);
    struct ingot_check_response response = {0};
    const enum ingot_error error =
        replica_submit(node->replica, ingot_buffer_slice(&transaction), &response);
    INGOT_ASSERT(error == INGOT_OK || error == INGOT_ERROR_FULL);
    ingot_buffer_deinit(&transaction);
    flush(node);
}

/* The part of the journal's thread; the process may die in it too. */
static void apply(struct power_world *world)
{
    struct power_node *node = &world->nodes[prng_below(&world->prng, world->node_count)];
    const uint32_t chance = world->workload->apply > 0 ? world->workload->apply : APPLY_DEFAULT;
    if (node->replica != NULL && prng_chance(&world->prng, chance)) {
        (void)store_journal_step(node->store);
        flush(node);
    }
}

static void act(struct power_world *world)
{
    const struct workload *workload = world->workload;
    apply(world);
    if (prng_chance(&world->prng, workload->submit)) {
        submit(world);
    }
    if (prng_chance(&world->prng, workload->change)) {
        submit_change(world);
    }
    struct power_node *node = &world->nodes[prng_below(&world->prng, world->node_count)];
    if (node->replica != NULL && prng_chance(&world->prng, workload->restart)) {
        close_node(node, world->now_us + prng_between(&world->prng, 1000, 400000));
    } else if (node->replica != NULL && !node->record.is_planned) {
        plan_death(node);
    }
    struct power_node *away = &world->nodes[3];
    if (away->start_at_us == NEVER && away->replica == NULL &&
        world->committed >= workload->away_until) {
        away->start_at_us = world->now_us;
    }
    for (uint32_t i = GENESIS_MEMBERS; i < world->node_count; i++) {
        if (world->nodes[i].start_at_us == NEVER && world->nodes[i].replica == NULL &&
            (world->committed >= workload->height / 3 || world->now_us > JOIN_US)) {
            world->nodes[i].start_at_us = world->now_us;
        }
    }
}

/* --- Time. --- */

static void deliver(struct power_world *world, uint32_t index)
{
    struct world_frame frame = world->frames[index];
    world->frames[index] = world->frames[--world->frame_count];
    struct power_node *node = &world->nodes[frame.to];
    if (node->replica != NULL) {
        struct op *op = record_mark(&node->record, OP_RECEIVED);
        op->at = frame.from;
        ingot_buffer_append_slice(&op->bytes, ingot_buffer_slice(&frame.bytes));
        if (!attesting_receive(&node->attesting, frame.from, ingot_buffer_slice(&frame.bytes))) {
            replica_receive(node->replica, frame.from, ingot_buffer_slice(&frame.bytes));
        }
        flush(node);
    }
    ingot_buffer_deinit(&frame.bytes);
}

static uint64_t due_of(const struct power_node *node)
{
    if (node->replica == NULL) {
        return node->start_at_us;
    }
    const uint64_t attest_ms = node->attesting.due_ms;
    const bool is_attest = node->attesting.attestor != NULL && attest_ms < NEVER / 1000 &&
                           attest_ms * 1000 < node->tick_at_us;
    return is_attest ? attest_ms * 1000 : node->tick_at_us;
}

static void tick(struct power_node *node)
{
    if (node->tick_at_us <= node->world->now_us) {
        node->tick_at_us = NEVER;
        replica_tick(node->replica);
    }
    attesting_tick(&node->attesting, node->world->now_us / 1000);
    flush(node);
}

static void step(struct power_world *world)
{
    uint64_t at_us = (world->now_us / ACT_EVERY_US + 1) * ACT_EVERY_US;
    uint32_t frame = UINT32_MAX;
    struct power_node *node = NULL;
    for (uint32_t i = 0; i < world->frame_count; i++) {
        if (world->frames[i].at_us < at_us) {
            at_us = world->frames[i].at_us;
            frame = i;
        }
    }
    for (uint32_t i = 0; i < world->node_count; i++) {
        struct power_node *candidate = &world->nodes[i];
        const uint64_t due_us = due_of(candidate);
        if (due_us < at_us) {
            at_us = due_us;
            node = candidate;
        }
    }
    world->now_us = at_us > world->now_us ? at_us : world->now_us;
    if (node != NULL && node->replica != NULL) {
        tick(node);
    } else if (node != NULL) {
        open_node(node);
    } else if (frame != UINT32_MAX) {
        deliver(world, frame);
    } else {
        act(world);
    }
}

static bool is_done(const struct power_world *world)
{
    for (uint32_t i = 0; i < world->node_count; i++) {
        const struct power_node *node = &world->nodes[i];
        if (node->replica == NULL ||
            ledger_committed_height(replica_ledger(node->replica)) < world->workload->height) {
            return false;
        }
    }
    return true;
}

static bool has_failed(const struct power_world *world, char *why, size_t why_size)
{
    for (uint32_t i = 0; i < world->node_count; i++) {
        if (world->nodes[i].has_failed) {
            (void)snprintf(why, why_size, "node %u: %s", i, world->nodes[i].why);
            return true;
        }
    }
    if (world->now_us > LIMIT_US) {
        (void)snprintf(why, why_size, "the chain stands still at height %llu",
                       (unsigned long long)world->committed);
        return true;
    }
    return false;
}

static void make_nodes(struct power_world *world, const char *folder)
{
    struct ingot_validator members[WORLD_NODES_MAX] = {0};
    struct crypto_secret_key secrets[WORLD_NODES_MAX];
    world->node_count = GENESIS_MEMBERS + world->workload->joiners;
    world->keys.count = world->node_count;
    for (uint32_t i = 0; i < world->node_count; i++) {
        const uint8_t seed[CRYPTO_SEED_BYTES] = {0x77, (uint8_t)(i + 1)};
        world->scheme->key_from_seed(seed, &secrets[i], &members[i].key);
        members[i].power = 1;
    }
    const char *why = NULL;
    world->set = validator_set_new(0, members, GENESIS_MEMBERS, &why);
    wire_seal_set(world->set);
    struct ingot_hash chain;
    memset(chain.bytes, 0x5C, sizeof chain.bytes);
    world->genesis = wire_genesis_block(&chain, world->set, UINT64_C(1700000000000));
    for (uint32_t i = 0; i < world->node_count; i++) {
        const uint32_t number =
            i < GENESIS_MEMBERS ? validator_set_find(world->set, &members[i].key) : i;
        struct power_node *node = &world->nodes[number];
        node->world = world;
        node->index = number;
        node->secret = secrets[i];
        world->keys.of[number] = members[i].key;
        (void)snprintf(node->parent, sizeof node->parent, "%s/%u", folder, number);
        (void)snprintf(node->folder, sizeof node->folder, "%s/%u/data", folder, number);
        const int rc = mkdir(node->parent, 0700);
        INGOT_ASSERT(rc == 0);
        record_init(&node->record, node->folder);
        node->record.cannot_reserve = world->workload->cannot_reserve;
        node->tick_at_us = NEVER;
        const bool is_away =
            number >= GENESIS_MEMBERS || (number == 3 && world->workload->away_until > 0);
        node->start_at_us = is_away ? NEVER : number * 1000;
    }
}

bool world_run(struct power_world *world, const struct workload *workload, uint64_t seed,
               const char *folder, char *why, size_t why_size)
{
    const bool has_crypto = crypto_init();
    INGOT_ASSERT(has_crypto);
    log_configure(LOG_PLAIN, LOG_NONE);
    *world = (struct power_world){.workload = workload, .seed = seed};
    /* Whoever reads an attestation takes nothing else. */
    world->scheme = workload->attests ? &crypto_ed25519 : &fast_crypto;
    prng_init(&world->prng, seed, 1);
    make_nodes(world, folder);
    while (!is_done(world)) {
        if (has_failed(world, why, why_size)) {
            return false;
        }
        step(world);
    }
    for (uint32_t i = 0; i < world->node_count; i++) {
        close_node(&world->nodes[i], NEVER);
        if (!disk_is_as_recorded(&world->nodes[i].record)) {
            (void)snprintf(why, why_size, "node %u: what was recorded is not what its disk has", i);
            return false;
        }
        record_apply_fault(&world->nodes[i].record);
    }
    return true;
}

void world_deinit(struct power_world *world)
{
    for (uint32_t i = 0; i < world->node_count; i++) {
        struct power_node *node = &world->nodes[i];
        if (node->replica != NULL || node->store != NULL) {
            close_node(node, NEVER);
        }
        record_deinit(&node->record);
    }
    for (uint32_t i = 0; i < world->frame_count; i++) {
        ingot_buffer_deinit(&world->frames[i].bytes);
    }
    free(world->frames);
    block_unref(world->genesis);
    validator_set_unref(world->set);
}
