/*
 * The bodies of attestor_cluster.h.
 */
#include "lib/attestor_cluster.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "lib/storage_test.h"
#include "node/attestor_record.h"
#include "node/ledger_attest.h"
#include "storage/memory.h"

#define CHAIN_ID "attestor-test"
#define TIME_MS UINT64_C(1700000000000)

/* --- The App. --- */

static bool app_attest(void *context, struct ingot_slice transaction,
                       struct ingot_attest_subject *subject)
{
    (void)context;
    if (transaction.size < 2 || transaction.data[1] != ':' ||
        (transaction.data[0] != 'd' && transaction.data[0] != 'p')) {
        return false;
    }
    const struct ingot_slice text = ingot_slice_of(transaction.data + 2, transaction.size - 2);
    subject->has_payload = transaction.data[0] == 'p';
    subject->payload = text;
    crypto_sha256(text, subject->digest);
    return true;
}

static bool app_may_attest(void *context, struct ingot_slice transaction)
{
    const struct attestor_node *node = context;
    return !node->declines || memchr(transaction.data, 'x', transaction.size) == NULL;
}

/* --- What an attestor asks of the world. --- */

static struct validator_set *find_set(void *context, uint64_t epoch)
{
    const struct attestor_node *node = context;
    const struct attestor_cluster *cluster = node->cluster;
    if (epoch == 0) {
        return cluster->samples.set;
    }
    return epoch == 1 && cluster->has_changed ? cluster->next.set : NULL;
}

static bool has_room(const struct attestor_cluster *cluster, uint32_t from, uint32_t to)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < cluster->frame_count && cluster->queue_frames > 0; i++) {
        count += cluster->frames[i].from == from && cluster->frames[i].to == to;
    }
    return cluster->queue_frames == 0 || count < cluster->queue_frames;
}

static bool on_send(void *context, uint32_t peer, struct ingot_slice frame)
{
    const struct attestor_node *node = context;
    struct attestor_cluster *cluster = node->cluster;
    assert_true(peer < cluster->count && peer != node->number);
    if (cluster->is_full || !has_room(cluster, node->number, peer)) {
        cluster->frames_refused++;
        return false;
    }
    cluster->frames_sent++;
    if (cluster->is_cut[node->number][peer] || prng_chance(&cluster->prng, cluster->loss)) {
        return true;
    }
    if (cluster->frame_count == cluster->frame_capacity) {
        cluster->frame_capacity = 2 * cluster->frame_capacity + 16;
        cluster->frames =
            alloc_resize(cluster->frames, cluster->frame_capacity, sizeof *cluster->frames);
    }
    struct attestor_frame *queued = &cluster->frames[cluster->frame_count++];
    *queued = (struct attestor_frame){.from = node->number, .to = peer};
    ingot_buffer_append_slice(&queued->bytes, frame);
    return true;
}

static void on_wake(void *context)
{
    struct attestor_node *node = context;
    node->is_woken = true;
}

static void on_arm(void *context, uint64_t deadline_ms)
{
    struct attestor_node *node = context;
    node->armed_ms = deadline_ms;
}

static void on_stopped(void *context, enum replica_stop stop, const char *why)
{
    struct attestor_node *node = context;
    node->stop = stop;
    (void)snprintf(node->why, sizeof node->why, "%s", why);
}

static bool on_sync(void *context)
{
    struct attestor_node *node = context;
    const enum ingot_error error = ledger_sync(node->ledger);
    if (error != INGOT_OK) {
        on_stopped(node, REPLICA_STOP_WRITE, ingot_error_text(error));
    }
    return error == INGOT_OK;
}

static void on_attested(void *context, uint64_t height, const struct statement_id *id,
                        struct ingot_slice json)
{
    struct attestor_node *node = context;
    struct attestation attestation;
    char why[200];
    if (attestation_parse(json, &attestation, why, sizeof why) != INGOT_OK) {
        fail_msg("%s", why);
    }
    assert_int_equal(attestation.statement.height, height);
    assert_memory_equal(&attestation.statement.id, id, sizeof *id);
    /* Both the file and the table have it by now, on disk. */
    assert_false(ledger_has_changes(node->ledger));
    struct stat status;
    assert_int_equal(stat(node->file, &status), 0);
    node->reported_bytes += json.size + 1;
    assert_true((uint64_t)status.st_size >= node->reported_bytes);
    attestation_deinit(&attestation);
    node->attested++;
}

static void on_refused(void *context, uint64_t height, const struct statement_id *id)
{
    struct attestor_node *node = context;
    (void)height;
    (void)id;
    node->refused++;
}

static uint64_t on_monotonic_ms(void *context)
{
    const struct attestor_node *node = context;
    return node->cluster->now_ms;
}

/* --- Nodes. --- */

enum ingot_error attestor_node_open(struct attestor_node *node)
{
    struct attestor_cluster *cluster = node->cluster;
    const struct ledger_options ledger_options = {.genesis = cluster->genesis,
                                                  .genesis_set = cluster->samples.set};
    enum ingot_error error =
        ledger_open(node->store, &ledger_options, &node->ledger, node->why, sizeof node->why);
    if (error != INGOT_OK) {
        return error;
    }
    struct attestor_options options = {.ledger = node->ledger,
                                       .app = &node->app,
                                       .chain_id = CHAIN_ID,
                                       .chain = cluster->samples.chain,
                                       .file_path = node->file,
                                       .scheme = &crypto_ed25519,
                                       .limits = cluster->limits,
                                       .output = {.context = node,
                                                  .find_set = find_set,
                                                  .send = on_send,
                                                  .wake = on_wake,
                                                  .arm = on_arm,
                                                  .sync = on_sync,
                                                  .attested = on_attested,
                                                  .refused = on_refused,
                                                  .monotonic_ms = on_monotonic_ms,
                                                  .stopped = on_stopped}};
    memcpy(options.genesis, cluster->genesis_sha256, sizeof options.genesis);
    options.has_key = node->number < cluster->samples.set->count && !node->is_keyless;
    if (options.has_key) {
        options.key = cluster->samples.set->validators[node->number].key;
        options.secret = cluster->samples.secrets[node->number];
    }
    node->armed_ms = 0;
    node->attested = 0;
    node->reported_bytes = 0;
    node->refused = 0;
    node->stop = REPLICA_RUNS;
    return attestor_open(&options, &node->attestor, node->why, sizeof node->why);
}

void attestor_node_crash(struct attestor_node *node)
{
    struct attestor_cluster *cluster = node->cluster;
    attestor_free(node->attestor);
    node->attestor = NULL;
    ledger_free(node->ledger);
    node->ledger = NULL;
    struct ingot_store *durable = ingot_store_memory_clone_durable(node->store);
    ingot_store_close(node->store);
    node->store = durable;
    for (uint32_t i = 0; i < cluster->count; i++) {
        if (cluster->nodes[i].attestor != NULL) {
            attestor_connected(cluster->nodes[i].attestor, node->number, false);
        }
    }
}

void attestor_cluster_disconnect(struct attestor_cluster *cluster, uint32_t a, uint32_t b)
{
    uint32_t kept = 0;
    for (uint32_t i = 0; i < cluster->frame_count; i++) {
        struct attestor_frame *frame = &cluster->frames[i];
        if ((frame->from == a && frame->to == b) || (frame->from == b && frame->to == a)) {
            ingot_buffer_deinit(&frame->bytes);
        } else {
            cluster->frames[kept++] = *frame;
        }
    }
    cluster->frame_count = kept;
    attestor_connected(cluster->nodes[a].attestor, b, false);
    attestor_connected(cluster->nodes[b].attestor, a, false);
}

void attestor_cluster_connect(struct attestor_cluster *cluster, uint32_t a, uint32_t b)
{
    attestor_connected(cluster->nodes[a].attestor, b, true);
    attestor_connected(cluster->nodes[b].attestor, a, true);
    cluster->nodes[a].is_woken = true;
    cluster->nodes[b].is_woken = true;
}

static void connect_node(const struct attestor_node *node)
{
    struct attestor_cluster *cluster = node->cluster;
    for (uint32_t i = 0; i < cluster->count; i++) {
        if (i != node->number && cluster->nodes[i].attestor != NULL) {
            attestor_cluster_connect(cluster, node->number, i);
        }
    }
}

void attestor_node_restart(struct attestor_node *node)
{
    if (node->ledger != NULL) {
        attestor_node_crash(node);
    }
    if (attestor_node_open(node) != INGOT_OK) {
        fail_msg("%s", node->why);
    }
    connect_node(node);
    node->is_woken = true;
}

/* --- The cluster. --- */

static void open_node(struct attestor_cluster *cluster, uint32_t number)
{
    struct attestor_node *node = &cluster->nodes[number];
    node->cluster = cluster;
    node->number = number;
    node->app = (struct ingot_app){.context = node,
                                   .name = "attest",
                                   .version = "1",
                                   .attest = app_attest,
                                   .may_attest = app_may_attest};
    node->store = ingot_store_memory_new(ledger_table_count);
    (void)snprintf(node->file, sizeof node->file, "%s/%u.jsonl", cluster->folder, number);
    attestor_node_restart(node);
}

struct attestor_cluster *attestor_cluster_new(uint32_t validators, uint32_t observers)
{
    struct attestor_cluster *cluster = alloc_zeroed(1, sizeof *cluster);
    storage_test_folder(cluster->folder, sizeof cluster->folder);
    *strrchr(cluster->folder, '/') = '\0';
    samples_init(&cluster->samples, &crypto_ed25519, validators, 0, 1);
    const char *why = NULL;
    cluster->next = cluster->samples;
    cluster->next.set = validator_set_new(1, cluster->samples.set->validators,
                                          validators > 1 ? validators - 1 : 1, &why);
    assert_non_null(cluster->next.set);
    cluster->next.set->first_view = 1;
    wire_seal_set(cluster->next.set);
    cluster->genesis = wire_genesis_block(&cluster->samples.chain, cluster->samples.set, TIME_MS);
    cluster->blocks[0].block = block_ref(cluster->genesis);
    memset(cluster->genesis_sha256, 0x5A, sizeof cluster->genesis_sha256);
    prng_init(&cluster->prng, 1, 0);
    cluster->now_ms = 1000;
    cluster->count = validators + observers;
    for (uint32_t i = 0; i < cluster->count; i++) {
        open_node(cluster, i);
    }
    return cluster;
}

void attestor_cluster_free(struct attestor_cluster *cluster)
{
    char data[80];
    for (uint32_t i = 0; i < cluster->count; i++) {
        attestor_free(cluster->nodes[i].attestor);
        ledger_free(cluster->nodes[i].ledger);
        ingot_store_close(cluster->nodes[i].store);
    }
    for (uint64_t i = 0; i <= cluster->height; i++) {
        ledger_entry_deinit(&cluster->blocks[i]);
    }
    for (uint32_t i = 0; i < cluster->frame_count; i++) {
        ingot_buffer_deinit(&cluster->frames[i].bytes);
    }
    free(cluster->frames);
    block_unref(cluster->genesis);
    validator_set_unref(cluster->next.set);
    samples_deinit(&cluster->samples);
    (void)snprintf(data, sizeof data, "%s/data", cluster->folder);
    storage_test_remove(data);
    free(cluster);
}

/* --- Blocks. --- */

static struct qc *certify(const struct attestor_cluster *cluster, const struct block *parent)
{
    if (parent->height == 0) {
        return wire_genesis_qc(&parent->chain);
    }
    const bool changes_set = block_changes_set(parent);
    const struct samples *samples = block_epoch(parent) == 0 ? &cluster->samples : &cluster->next;
    return samples_qc(samples, SAMPLES_ALL, parent->view + (changes_set ? 2 : 0), parent->view,
                      &parent->hash, changes_set ? PHASE_COMMIT : PHASE_GENERIC);
}

/* A transaction that begins with "!" fails. */
static struct execution *execute(const char *const *transactions, uint32_t count)
{
    struct ingot_result *results = alloc_zeroed(count + 1, sizeof *results);
    for (uint32_t i = 0; i < count; i++) {
        results[i].code = transactions[i][0] == '!';
    }
    struct execution *execution = execution_new(results, count, NULL, 0, NULL, 0);
    free(results);
    return execution;
}

static uint64_t add_block(struct attestor_cluster *cluster, const char *const *transactions,
                          bool changes_set)
{
    const struct block *parent = cluster->blocks[cluster->height].block;
    struct block *block = block_new();
    uint32_t count = 0;
    for (; transactions[count] != NULL; count++) {
        const char *transaction = transactions[count];
        const bool fails = transaction[0] == '!';
        ingot_buffer_append_u32(&block->payload, (uint32_t)strlen(transaction) - fails);
        ingot_buffer_append_slice(&block->payload, ingot_slice_of_text(transaction + fails));
    }
    struct execution *execution = execute(transactions, count);
    block->version = BLOCK_VERSION;
    block->chain = cluster->samples.chain;
    block->parent = parent->hash;
    block->height = parent->height + 1;
    block->view = parent->view + (block_changes_set(parent) && parent->height > 0 ? 3 : 1);
    block->time_ms = TIME_MS + block->height;
    block->justify = certify(cluster, parent);
    block->proposer = cluster->samples.set->validators[0].key;
    block->transaction_count = count;
    block->updates_hash = execution->updates_hash;
    block->validators_hash = parent->next_validators_hash;
    block->next_validators_hash =
        changes_set ? cluster->next.set->hash : parent->next_validators_hash;
    wire_seal_block(block);
    assert_true(cluster->height + 1 < ATTESTOR_BLOCKS_MAX);
    cluster->blocks[++cluster->height] =
        (struct ledger_entry){.block = block, .execution = execution};
    return cluster->height;
}

uint64_t attestor_cluster_block(struct attestor_cluster *cluster, const char *const *transactions)
{
    return add_block(cluster, transactions, false);
}

uint64_t attestor_cluster_one(struct attestor_cluster *cluster, const char *transaction)
{
    const char *const transactions[] = {transaction, NULL};
    return add_block(cluster, transactions, false);
}

void attestor_cluster_change_set(struct attestor_cluster *cluster)
{
    const char *const none[] = {NULL};
    (void)add_block(cluster, none, true);
    cluster->has_changed = true;
}

void attestor_node_commit(struct attestor_node *node, uint64_t height)
{
    struct attestor_cluster *cluster = node->cluster;
    while (node->attestor != NULL && node->stop == REPLICA_RUNS &&
           ledger_committed_height(node->ledger) < height) {
        const struct ledger_entry *entry =
            &cluster->blocks[ledger_committed_height(node->ledger) + 1];
        ledger_put_block(node->ledger, entry->block, entry->execution);
        ledger_commit_block(node->ledger, entry->block, entry->execution,
                            block_changes_set(entry->block) ? cluster->next.set : NULL);
        if (!on_sync(node)) {
            return;
        }
        attestor_committed(node->attestor, entry->block, entry->execution);
        node->is_woken = true;
    }
}

void attestor_cluster_commit(struct attestor_cluster *cluster)
{
    for (uint32_t i = 0; i < cluster->count; i++) {
        attestor_node_commit(&cluster->nodes[i], cluster->height);
    }
}

/* --- Running. --- */

static bool runs(const struct attestor_node *node)
{
    return node->attestor != NULL && node->stop == REPLICA_RUNS;
}

static bool take_turns(struct attestor_cluster *cluster)
{
    bool any = false;
    for (uint32_t i = 0; i < cluster->count; i++) {
        struct attestor_node *node = &cluster->nodes[i];
        if (node->is_woken && runs(node)) {
            node->is_woken = false;
            attestor_flush(node->attestor);
            any = true;
        }
    }
    return any;
}

bool attestor_cluster_deliver(struct attestor_cluster *cluster)
{
    struct attestor_frame *frames = cluster->frames;
    const uint32_t count = cluster->frame_count;
    cluster->frames = NULL;
    cluster->frame_count = 0;
    cluster->frame_capacity = 0;
    for (uint32_t i = 0; i < count; i++) {
        struct attestor_node *node = &cluster->nodes[frames[i].to];
        if (runs(node)) {
            attestor_receive(node->attestor, frames[i].from, ingot_buffer_slice(&frames[i].bytes));
            node->is_woken = true;
        }
        ingot_buffer_deinit(&frames[i].bytes);
    }
    free(frames);
    return count > 0;
}

void attestor_cluster_run(struct attestor_cluster *cluster)
{
    bool any = true;
    for (uint32_t rounds = 0; any; rounds++) {
        assert_true(rounds < 100000);
        any = take_turns(cluster);
        any = attestor_cluster_deliver(cluster) || any;
    }
}

void attestor_cluster_wait(struct attestor_cluster *cluster, uint64_t ms)
{
    const uint64_t end_ms = cluster->now_ms + ms;
    attestor_cluster_run(cluster);
    while (cluster->now_ms < end_ms) {
        cluster->now_ms++;
        for (uint32_t i = 0; i < cluster->count; i++) {
            struct attestor_node *node = &cluster->nodes[i];
            if (runs(node) && node->armed_ms != 0 && node->armed_ms <= cluster->now_ms) {
                node->armed_ms = 0;
                attestor_tick(node->attestor);
                node->is_woken = true;
            }
        }
        attestor_cluster_run(cluster);
    }
}

/* --- Looking. --- */

struct attestor_status attestor_node_status(const struct attestor_node *node)
{
    struct attestor_status status;
    attestor_get_status(node->attestor, &status);
    return status;
}

static void check_line(const struct attestor_node *node, const char *line, struct statement_id *id)
{
    const struct attestor_cluster *cluster = node->cluster;
    struct attestation attestation;
    char why[200] = "";
    uint64_t power = 0;
    if (attestation_parse(ingot_slice_of_text(line), &attestation, why, sizeof why) != INGOT_OK ||
        attestation_verify(&attestation, cluster->genesis_sha256,
                           attestation.epoch == 0 ? cluster->samples.set : cluster->next.set,
                           &power, why, sizeof why) != INGOT_OK) {
        fail_msg("node %u: %s: %s", node->number, line, why);
    }
    *id = attestation.statement.id;
    attestation_deinit(&attestation);
}

uint32_t attestor_node_lines(const struct attestor_node *node)
{
    static struct statement_id ids[4096];
    uint32_t count = 0;
    char *line = NULL;
    size_t capacity = 0;
    FILE *file = fopen(node->file, "r");
    assert_non_null(file);
    for (ssize_t size = 0; (size = getline(&line, &capacity, file)) > 0; count++) {
        assert_true(count < 4096);
        assert_int_equal(line[size - 1], '\n');
        line[size - 1] = '\0';
        check_line(node, line, &ids[count]);
        for (uint32_t i = 0; i < count; i++) {
            assert_memory_not_equal(&ids[i], &ids[count], sizeof ids[i]);
        }
    }
    free(line);
    (void)fclose(file);
    return count;
}

static struct statement_id id_of(const char *transaction)
{
    struct statement_id id;
    struct ingot_hash digest;
    wire_transaction_digest(ingot_slice_of_text(transaction), &digest);
    assert_true(statement_id_from(ingot_slice_of(digest.bytes, sizeof digest.bytes), &id));
    return id;
}

uint32_t attestor_node_signers(struct attestor_node *node, uint64_t height, const char *transaction)
{
    const struct statement_id id = id_of(transaction);
    struct ingot_buffer json = {0};
    struct attestation attestation;
    char why[200];
    assert_int_equal(attestor_find(node->attestor, height, &id, &json), ATTEST_COMPLETE);
    assert_int_equal(attestation_parse(ingot_buffer_slice(&json), &attestation, why, sizeof why),
                     INGOT_OK);
    const uint32_t count = attestation.signer_count;
    attestation_deinit(&attestation);
    ingot_buffer_deinit(&json);
    return count;
}

uint32_t attestor_node_shares(const struct attestor_node *node, uint64_t height)
{
    const struct ledger_entry *entry = &node->cluster->blocks[height];
    uint32_t whole = 0;
    for (uint32_t i = 0; i < node->cluster->samples.set->count; i++) {
        const struct attest_key key = attest_key_share(height, i);
        struct attest_share_record share;
        struct ingot_slice content;
        const enum ingot_error error =
            ledger_get_attest(node->ledger, attest_key_slice(&key), &content);
        if (error != INGOT_ERROR_NOT_FOUND) {
            assert_int_equal(error, INGOT_OK);
            assert_true(attest_share_decode(content, entry->block->transaction_count, &share));
            whole += share.is_whole;
        }
    }
    return whole;
}

enum attest_state attestor_node_state(struct attestor_node *node, uint64_t height,
                                      const char *transaction)
{
    const struct statement_id id = id_of(transaction);
    return attestor_find(node->attestor, height, &id, NULL);
}
