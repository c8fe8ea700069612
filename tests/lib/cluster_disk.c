/*
 * The disk of a simulated node: what the checkers read of it, and what happens to it while the node
 * runs or is down. See cluster.h.
 *
 * A start that finds a spoilt record must be refused. What comes then is the operator's choice: the
 * same disk, whole again; an empty one, for a node that no longer has a key; a copy that was made
 * before.
 */
#include <inttypes.h>
#include <string.h>

#include "base/assert.h"
#include "lib/cluster_state.h"
#include "node/ledger_internal.h"
#include "node/ledger_watermark.h"
#include "wire/wire.h"

#define SETTLE_COMMITS 5

void disk_read(struct cluster_node *node)
{
    struct ingot_store_memory_counters counters;
    ingot_store_memory_get_counters(node->store, &counters);
    if (node_is_gone(node) || counters.commits == node->commits_seen) {
        return;
    }
    node->commits_seen = counters.commits;
    /* Some time after it was put there the state is durable too. */
    if (counters.commits % SETTLE_COMMITS == node->index % SETTLE_COMMITS) {
        ingot_store_memory_settle(node->store);
    }
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
    if (node->disk_max_us > node->disk_min_us) {
        cluster_mark(node->cluster, FAULT_SLOW_DISK);
    }
    node->send_at_us += took_us;
}

void disk_check_set(struct cluster_node *node, uint64_t epoch)
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

void disk_check_epoch(struct cluster_node *node)
{
    struct core_status status;
    replica_get_status(node->replica, &status);
    if (!node_is_gone(node) && !node->has_stopped && !node->wants_wake &&
        status.current.epoch > node->disk.current.epoch) {
        checks_fail(node->cluster->checks, CHECK_DURABLE_FIRST,
                    "replica %u is in epoch %" PRIu64 ", of which its disk knows nothing",
                    node->index, status.current.epoch);
    }
}

void disk_check_commit(struct cluster_node *node, const struct block *block)
{
    if (ledger_committed_height(replica_ledger(node->replica)) < block->height) {
        checks_fail(node->cluster->checks, CHECK_DURABLE_FIRST,
                    "replica %u told of height %" PRIu64 ", which its disk does not have",
                    node->index, block->height);
    }
}

/* --- Writes that fail. --- */

static bool is_full(const struct cluster_node *node)
{
    return node->full_until_us > node->cluster->now_us;
}

void disk_settle(struct cluster_node *node)
{
    if (node->full_until_us != 0) {
        ingot_store_memory_set_full(node->store, is_full(node));
    }
}

void disk_mark_failure(struct cluster_node *node)
{
    static const enum cluster_fault faults[] = {
        [STORE_MEMORY_NO_SPACE] = FAULT_REFUSED_WRITE,
        [STORE_MEMORY_FAILED_LOST] = FAULT_LOST_WRITE,
        [STORE_MEMORY_FAILED_APPLIED] = FAULT_APPLIED_WRITE,
        [STORE_MEMORY_CRASH_BEFORE] = FAULT_CRASH_BEFORE_WRITE,
        [STORE_MEMORY_CRASH_AFTER] = FAULT_CRASH_AFTER_WRITE};
    cluster_mark(node->cluster, is_full(node) ? FAULT_FULL_DISK : faults[node->write_fault]);
}

void cluster_fail_write(struct cluster *cluster, uint32_t node, uint64_t nth,
                        enum store_memory_fault fault)
{
    INGOT_ASSERT(cluster_is_up(cluster, node));
    cluster->nodes[node].write_fault = fault;
    ingot_store_memory_fail_commit(cluster->nodes[node].store, nth, fault);
}

void cluster_fill_disk(struct cluster *cluster, uint32_t node, uint64_t duration_ms)
{
    struct cluster_node *filled = &cluster->nodes[node];
    filled->full_until_us = cluster->now_us + 1000 * duration_ms;
    if (filled->replica != NULL) {
        disk_settle(filled);
    }
}

/* --- Damage. --- */

/* The number of items of a table, or the key of one of them. */
static uint64_t find_key(struct ingot_store_snapshot *snapshot, uint32_t table, uint64_t wanted,
                         struct ingot_buffer *key)
{
    struct ingot_store_cursor *cursor = NULL;
    const enum ingot_error opened = ingot_store_cursor_open(snapshot, table, &cursor);
    INGOT_ASSERT(opened == INGOT_OK);
    uint64_t count = 0;
    enum ingot_error error = ingot_store_cursor_seek(cursor, (struct ingot_slice){0});
    while (error == INGOT_OK) {
        if (count++ == wanted) {
            struct ingot_slice found = {0};
            struct ingot_slice value = {0};
            ingot_store_cursor_item(cursor, &found, &value);
            ingot_buffer_append_slice(key, found);
        }
        error = ingot_store_cursor_next(cursor);
    }
    ingot_store_cursor_close(cursor);
    return count;
}

/* A record that a start reads: one of those beside the chain, a set, or the last block. */
static bool draw_record(struct cluster_node *node, struct ingot_store_snapshot *snapshot,
                        uint32_t *table, struct ingot_buffer *key)
{
    static const uint32_t tables[] = {LEDGER_META, LEDGER_META, LEDGER_SETS, LEDGER_BLOCKS};
    *table = tables[prng_below(&node->cluster->test_prng, 4)];
    const uint64_t count = find_key(snapshot, *table, UINT64_MAX, key);
    if (count == 0) {
        return false;
    }
    const uint64_t lot = prng_below(&node->cluster->test_prng, count);
    (void)find_key(snapshot, *table, *table == LEDGER_BLOCKS ? count - 1 : lot, key);
    return true;
}

/* A byte is another, or the end is missing. Of a block only what its hash covers. */
static void spoil(struct prng *prng, uint32_t table, struct ingot_buffer *record)
{
    const uint64_t size = table == LEDGER_BLOCKS && record->size > 32 ? 32 : record->size;
    const uint64_t at = prng_below(prng, size);
    const uint8_t change = (uint8_t)prng_between(prng, 1, 255);
    if (prng_chance(prng, 250000)) {
        record->size = at;
    } else {
        record->data[at] ^= change;
    }
}

bool cluster_damage(struct cluster *cluster, uint32_t index)
{
    struct cluster_node *node = &cluster->nodes[index];
    INGOT_ASSERT(node->replica == NULL);
    if (!cluster_has_disk(cluster, index)) {
        return false;
    }
    struct ingot_store_snapshot *snapshot = NULL;
    const enum ingot_error begun = ingot_store_snapshot_begin(node->store, &snapshot);
    INGOT_ASSERT(begun == INGOT_OK);
    uint32_t table = 0;
    struct ingot_buffer key = {0};
    struct ingot_buffer record = {0};
    const bool is_found = draw_record(node, snapshot, &table, &key);
    if (is_found) {
        struct ingot_slice value = {0};
        const enum ingot_error error =
            ingot_store_snapshot_get(snapshot, table, ingot_buffer_slice(&key), &value);
        INGOT_ASSERT(error == INGOT_OK);
        ingot_buffer_append_slice(&record, value);
    }
    ingot_store_snapshot_end(snapshot);
    if (is_found) {
        spoil(&cluster->test_prng, table, &record);
        node->pristine = node->store;
        node->store = ingot_store_memory_clone_durable(node->pristine);
        struct ingot_store_batch *batch = ingot_store_batch_begin(node->store);
        ingot_store_batch_put(batch, table, ingot_buffer_slice(&key), ingot_buffer_slice(&record));
        const enum ingot_error error = ingot_store_batch_commit(batch);
        INGOT_ASSERT(error == INGOT_OK);
        cluster_trace(cluster, "damage", index, table, record.size);
    }
    ingot_buffer_deinit(&key);
    ingot_buffer_deinit(&record);
    return is_found;
}

bool disk_explains_refusal(struct cluster_node *node, enum ingot_error error, const char *why)
{
    if (node->pristine != NULL) {
        cluster_mark(node->cluster, FAULT_DAMAGED_RECORD);
        return why[0] != '\0' && (error == INGOT_ERROR_CORRUPT || error == INGOT_ERROR_INVALID ||
                                  error == INGOT_ERROR_VERSION);
    }
    if (error == INGOT_ERROR_NO_SPACE && is_full(node)) {
        cluster_mark(node->cluster, FAULT_FULL_DISK);
        return true;
    }
    return false;
}

/* --- What an operator does. --- */

static void replace_store(struct cluster_node *node, struct ingot_store *store)
{
    ingot_store_close(node->pristine);
    node->pristine = NULL;
    ingot_store_close(node->store);
    node->store = store;
}

/* The checkers have seen more of this disk than it has now. What it said stays said. */
static void forget_disk(struct cluster_node *node)
{
    struct checks_node *known = &node->cluster->checks->nodes[node->index];
    known->disk_current = (struct position){0};
    known->disk_voted = (struct position){0};
    known->disk_vote = (struct position){0};
    known->disk_locked = (struct position){0};
    known->committed_height = 0;
    known->evidence_count = 0;
    memset(known->evidence_against, 0, sizeof known->evidence_against);
}

void cluster_repair(struct cluster *cluster, uint32_t index)
{
    struct cluster_node *node = &cluster->nodes[index];
    INGOT_ASSERT(node->replica == NULL);
    INGOT_ASSERT(node->pristine != NULL);
    struct ingot_store *pristine = node->pristine;
    node->pristine = NULL;
    replace_store(node, pristine);
}

void cluster_lose_disk(struct cluster *cluster, uint32_t index)
{
    struct cluster_node *node = &cluster->nodes[index];
    INGOT_ASSERT(node->replica == NULL);
    replace_store(node, NULL);
    forget_disk(node);
    node->has_lost_key = true;
    cluster_mark(cluster, FAULT_LOST_DISK);
    cluster_trace(cluster, "lose disk", index, 0, 0);
}

uint64_t cluster_bulk_batches(const struct cluster *cluster, uint32_t node)
{
    struct ingot_store_memory_counters counters;
    ingot_store_memory_get_counters(cluster->nodes[node].store, &counters);
    return counters.bulk;
}

bool cluster_has_disk(const struct cluster *cluster, uint32_t index)
{
    return cluster->nodes[index].store != NULL && cluster->nodes[index].pristine == NULL;
}

bool cluster_copy_disk(struct cluster *cluster, uint32_t index)
{
    struct cluster_node *node = &cluster->nodes[index];
    if (!cluster_has_disk(cluster, index)) {
        return false;
    }
    ingot_store_close(node->copy);
    node->copy = ingot_store_memory_clone_durable(node->store);
    return true;
}

/* Not where nothing has happened since. */
static bool has_old_copy(const struct cluster_node *node)
{
    return node->copy != NULL && node->store != NULL && node->pristine == NULL &&
           ingot_store_memory_digest(node->copy) != ingot_store_memory_digest(node->store);
}

bool cluster_restore_copy(struct cluster *cluster, uint32_t index)
{
    struct cluster_node *node = &cluster->nodes[index];
    INGOT_ASSERT(node->replica == NULL);
    if (!has_old_copy(node)) {
        return false;
    }
    replace_store(node, ingot_store_memory_clone_durable(node->copy));
    forget_disk(node);
    cluster->checks->nodes[index].is_honest = false;
    cluster->has_liars = true;
    cluster_mark(cluster, FAULT_OLD_COPY);
    cluster_trace(cluster, "old copy", index, 0, 0);
    return true;
}

/* As `ingot backup` does it. */
static void withhold(struct cluster_node *node, struct ingot_store *store)
{
    const struct ledger_options options = {.genesis = node->cluster->genesis,
                                           .genesis_set = node->cluster->set,
                                           .index_transactions = true};
    char why[256] = "";
    struct ledger *ledger = NULL;
    struct ledger_start start;
    enum ingot_error error = ledger_open(store, &options, &ledger, why, sizeof why);
    if (error == INGOT_OK) {
        error = ledger_load(ledger, &start, why, sizeof why);
    }
    if (error == INGOT_OK) {
        ledger_start_deinit(&start);
        ledger_put_withheld(ledger, &(struct ledger_withheld){.is_withheld = true});
        error = ledger_sync(ledger);
    }
    ledger_free(ledger);
    if (error != INGOT_OK) {
        checks_fail(node->cluster->checks, CHECK_DAMAGE, "no backup of replica %u: %s", node->index,
                    why);
    }
}

bool cluster_restore_backup(struct cluster *cluster, uint32_t index)
{
    struct cluster_node *node = &cluster->nodes[index];
    INGOT_ASSERT(node->replica == NULL);
    if (!has_old_copy(node)) {
        return false;
    }
    struct ingot_store *backup = ingot_store_memory_clone_durable(node->copy);
    withhold(node, backup);
    replace_store(node, ingot_store_memory_clone_durable(backup));
    ingot_store_close(backup);
    forget_disk(node);
    cluster_mark(cluster, FAULT_BACKUP);
    cluster_trace(cluster, "backup", index, 0, 0);
    return true;
}
