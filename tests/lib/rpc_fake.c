/*
 * The node's side of rpc_fake.h: a chain, its validators, and what the listener asks of a node.
 */
#include "lib/rpc_fake.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "wire/preimage.h"

#define TIME_MS UINT64_C(1700000000000)

/* --- The node --- */

static void get_status(void *context, struct rpc_status *status)
{
    struct rpc_fake *fake = context;
    fake->status.mempool_transactions = fake->pending_count;
    fake->status.mempool_bytes = fake->pending.size - (size_t)fake->pending_count * 4;
    *status = fake->status;
}

static enum ingot_error read_block(void *context, uint64_t height, struct ledger_entry *entry)
{
    struct rpc_fake *fake = context;
    if (fake->read_error != INGOT_OK) {
        return fake->read_error;
    }
    if (height == 0 || height > fake->status.height || height < fake->status.height_lowest) {
        return INGOT_ERROR_NOT_FOUND;
    }
    entry->block = block_ref(fake->blocks[height].block);
    entry->execution = execution_ref(fake->blocks[height].execution);
    return INGOT_OK;
}

typedef bool visit_transaction(void *context, struct ingot_slice transaction, uint64_t height,
                               uint32_t index);

/* Every committed transaction, the latest block first. */
static void visit(struct rpc_fake *fake, visit_transaction *each, void *context)
{
    for (uint64_t height = fake->status.height; height > 0; height--) {
        struct ingot_slice rest = ingot_buffer_slice(&fake->blocks[height].block->payload);
        struct ingot_slice transaction;
        for (uint32_t index = 0; payload_next(&rest, &transaction); index++) {
            if (!each(context, transaction, height, index)) {
                return;
            }
        }
    }
}

struct search {
    const uint8_t *sha256;
    struct ledger_location location;
    struct ingot_slice key;
    struct ingot_slice value;
    bool is_found;
};

static bool search_hash(void *context, struct ingot_slice transaction, uint64_t height,
                        uint32_t index)
{
    struct search *search = context;
    uint8_t sha256[32];
    crypto_sha256(transaction, sha256);
    if (memcmp(sha256, search->sha256, sizeof sha256) == 0) {
        search->location = (struct ledger_location){.height = height, .index = index};
        search->is_found = true;
    }
    return !search->is_found;
}

static enum ingot_error find_transaction(void *context, const uint8_t sha256[32],
                                         struct ledger_location *location)
{
    struct search search = {.sha256 = sha256};
    visit(context, search_hash, &search);
    *location = search.location;
    return search.is_found ? INGOT_OK : INGOT_ERROR_NOT_FOUND;
}

static enum ingot_error submit(void *context, struct ingot_slice transaction,
                               const struct ingot_hash *digest,
                               struct ingot_check_response *response)
{
    struct rpc_fake *fake = context;
    struct ingot_slice rest = ingot_buffer_slice(&fake->pending);
    struct ingot_slice other;
    struct ledger_location location;
    struct ingot_hash expected;
    uint8_t sha256[32];
    fake->submissions++;
    if (digest != NULL) {
        wire_transaction_digest(transaction, &expected);
        assert_memory_equal(digest->bytes, expected.bytes, sizeof expected.bytes);
    }
    if (fake->submit_error != INGOT_OK) {
        return fake->submit_error;
    }
    if (transaction.size > fake->genesis.transaction_bytes_max) {
        return INGOT_ERROR_TOO_LARGE;
    }
    if (transaction.size == 0) {
        return INGOT_ERROR_INVALID;
    }
    while (payload_next(&rest, &other)) {
        if (ingot_slice_equal(transaction, other)) {
            return INGOT_ERROR_EXISTS;
        }
    }
    crypto_sha256(transaction, sha256);
    if (find_transaction(fake, sha256, &location) == INGOT_OK) {
        return INGOT_ERROR_EXISTS;
    }
    if (memchr(transaction.data, '=', transaction.size) == NULL) {
        response->code = 2;
        ingot_buffer_format(&response->log, "expected key=value");
        return INGOT_OK;
    }
    if (fake->pending_max > 0 && fake->pending_count >= fake->pending_max) {
        return INGOT_ERROR_FULL;
    }
    ingot_buffer_append_u32(&fake->pending, (uint32_t)transaction.size);
    ingot_buffer_append_slice(&fake->pending, transaction);
    fake->pending_count++;
    if (fake->commits_at_once) {
        rpc_fake_commit(fake);
    }
    return INGOT_OK;
}

static bool search_key(void *context, struct ingot_slice transaction, uint64_t height,
                       uint32_t index)
{
    struct search *search = context;
    size_t size = search->key.size;
    (void)height;
    (void)index;
    if (transaction.size > size && transaction.data[size] == '=' &&
        memcmp(transaction.data, search->key.data, size) == 0) {
        search->value = ingot_slice_of(transaction.data + size + 1, transaction.size - size - 1);
        search->is_found = true;
    }
    return !search->is_found;
}

static enum ingot_error query(void *context, struct ingot_slice path, struct ingot_slice data,
                              struct ingot_query_response *response, uint64_t *height)
{
    struct rpc_fake *fake = context;
    struct search search = {.key = data};
    *height = fake->status.height;
    if (ingot_slice_equal(path, ingot_slice_of_text("/none"))) {
        return INGOT_ERROR_NOT_FOUND;
    }
    visit(fake, search_key, &search);
    ingot_buffer_append_slice(&response->key, data);
    if (search.is_found) {
        ingot_buffer_append_slice(&response->value, search.value);
    }
    ingot_buffer_format(&response->log, "%s", search.is_found ? "exists" : "does not exist");
    return INGOT_OK;
}

static enum attest_state find_attestation(void *context, uint64_t height,
                                          const struct ingot_hash *digest,
                                          struct ingot_buffer *json)
{
    const struct rpc_fake *fake = context;
    (void)height;
    (void)digest;
    if (fake->attest_state == ATTEST_COMPLETE) {
        ingot_buffer_format(json, "{\"id\":\"at once\"}");
    }
    return fake->attest_state;
}

static const struct validator_set *get_validators(void *context, uint64_t epoch)
{
    struct rpc_fake *fake = context;
    return epoch < RPC_FAKE_EPOCHS_MAX ? fake->sets[epoch] : NULL;
}

static const struct ingot_evidence *get_evidence(void *context, uint32_t *count)
{
    struct rpc_fake *fake = context;
    *count = fake->evidence_count;
    return fake->evidence;
}

static uint32_t get_peers(void *context, struct rpc_peer *peers, uint32_t peers_max)
{
    struct rpc_fake *fake = context;
    uint32_t count = fake->peer_count < peers_max ? fake->peer_count : peers_max;
    for (uint32_t i = 0; i < count; i++) {
        peers[i] = (struct rpc_peer){.has_validator_key = i < 2,
                                     .is_outbound = i % 2 == 0,
                                     .connected_ms = 5000,
                                     .bytes_received = 1000,
                                     .bytes_sent = 2000};
        memset(peers[i].transport_key.bytes, (int)i + 1, sizeof peers[i].transport_key.bytes);
        memset(peers[i].validator_key.bytes, (int)i + 101, sizeof peers[i].validator_key.bytes);
        (void)snprintf(peers[i].name, sizeof peers[i].name, "node%u", (unsigned)i + 1);
        (void)snprintf(peers[i].address, sizeof peers[i].address, "127.0.0.%u:27650",
                       (unsigned)i + 2);
    }
    return count;
}

static const struct metrics *get_metrics(void *context)
{
    struct rpc_fake *fake = context;
    fake->metrics.height = fake->status.height;
    return &fake->metrics;
}

/* --- Its chain --- */

static void hash_text(const char *text, uint64_t number, struct ingot_hash *hash)
{
    char whole[64];
    (void)snprintf(whole, sizeof whole, "%s %llu", text, (unsigned long long)number);
    crypto_blake2b(ingot_slice_of_text(whole), hash);
}

/* A QC of the parent by all but one validator; nobody checks these signatures. */
static struct qc *certify(const struct rpc_fake *fake, const struct block *block)
{
    const struct validator_set *set = fake->sets[block_epoch(block)];
    struct qc *qc = qc_new(block->height == 0 ? 0 : set->count - 1);
    qc->epoch = set->epoch;
    qc->phase = block_changes_set(block) ? PHASE_COMMIT : PHASE_GENERIC;
    qc->view = block->view + (block_changes_set(block) ? 2 : 0);
    qc->block_view = block->view;
    qc->block = block->hash;
    if (block->height == 0) {
        return qc;
    }
    qc->validator_count = set->count;
    for (uint32_t i = 0, next = 0; i < set->count; i++) {
        if (i != block->height % set->count) {
            signers_add(&qc->signers, i);
            memset(qc->signatures[next].bytes, (int)i + 1, sizeof qc->signatures[next].bytes);
            next++;
        }
    }
    return qc;
}

/* Each result's data is the number of the transaction in its block. */
static struct execution *execute(const struct block *block)
{
    struct ingot_buffer encoded = {0};
    struct ingot_slice rest = ingot_buffer_slice(&block->payload);
    struct ingot_slice transaction;
    ingot_buffer_append_u32(&encoded, 1);
    ingot_buffer_append_u32(&encoded, block->transaction_count);
    for (uint32_t i = 0; payload_next(&rest, &transaction); i++) {
        const bool is_bad = transaction.size > 3 && memcmp(transaction.data, "bad", 3) == 0;
        ingot_buffer_append_u32(&encoded, is_bad ? 7 : 0);
        ingot_buffer_append_u32(&encoded, 4);
        ingot_buffer_append_u32(&encoded, i);
    }
    ingot_buffer_append_u32(&encoded, 0);
    ingot_buffer_append_u32(&encoded, 0);
    ingot_buffer_append_u32(&encoded, 0);
    struct execution *execution = execution_decode(ingot_buffer_slice(&encoded));
    assert_non_null(execution);
    ingot_buffer_deinit(&encoded);
    return execution;
}

/* `next_set` may be NULL: the block does not change the set. */
/* As a block has them that came as a proposal. */
static void take_digests(struct block *block)
{
    struct ingot_slice rest = ingot_buffer_slice(&block->payload);
    struct ingot_slice transaction;
    block->digests = alloc_zeroed(block->transaction_count, sizeof block->digests[0]);
    for (uint32_t i = 0; payload_next(&rest, &transaction); i++) {
        wire_transaction_digest(transaction, &block->digests[i]);
    }
}

static void commit(struct rpc_fake *fake, const struct validator_set *next_set)
{
    uint64_t height = fake->status.height + 1;
    const struct block *parent = height == 1 ? fake->genesis_block : fake->blocks[height - 1].block;
    assert_true(height < RPC_FAKE_BLOCKS_MAX);
    struct block *block = block_new();
    block->version = BLOCK_VERSION;
    block->chain = fake->genesis_block->hash;
    block->parent = parent->hash;
    block->height = height;
    block->view = parent->view + (block_changes_set(parent) ? 3 : 1);
    block->time_ms = TIME_MS + height * 1000;
    block->justify = certify(fake, parent);
    const struct validator_set *set = fake->sets[block_epoch(block)];
    block->proposer = set->validators[height % set->count].key;
    block->validators_hash = set->hash;
    block->next_validators_hash = next_set != NULL ? next_set->hash : set->hash;
    hash_text("block", height, &block->hash);
    hash_text("transactions", height, &block->transactions_root);
    hash_text("updates", height, &block->updates_hash);
    block->transaction_count = fake->pending_count;
    block->payload = fake->pending;
    fake->pending = (struct ingot_buffer){0};
    fake->pending_count = 0;
    if (fake->has_digests) {
        take_digests(block);
    }
    fake->blocks[height] = (struct ledger_entry){block, execute(block)};
    fake->status.height = height;
    fake->status.height_lowest = fake->status.height_lowest == 0 ? 1 : fake->status.height_lowest;
    fake->status.hash = block->hash;
    fake->status.updates_hash = block->updates_hash;
    fake->status.time_ms = block->time_ms;
    fake->status.view = height + 3;
    fake->status.committed_transactions += block->transaction_count;
    rpc_committed(fake->rpc, block, fake->blocks[height].execution);
}

void rpc_fake_commit(struct rpc_fake *fake)
{
    commit(fake, NULL);
}

void rpc_fake_commit_set_change(struct rpc_fake *fake, uint32_t count, uint64_t power)
{
    struct ingot_validator members[RPC_FAKE_VALIDATORS];
    const char *why = NULL;
    const uint64_t epoch = fake->status.epoch + 1;
    assert_in_range(epoch, 1, RPC_FAKE_EPOCHS_MAX - 1);
    assert_in_range(count, 1, RPC_FAKE_VALIDATORS);
    for (uint32_t i = 0; i < count; i++) {
        members[i] = fake->sets[0]->validators[i];
        members[i].power = power;
    }
    fake->sets[epoch] = validator_set_new(epoch, members, count, &why);
    assert_non_null(fake->sets[epoch]);
    hash_text("set", epoch, &fake->sets[epoch]->hash);
    commit(fake, fake->sets[epoch]);
    fake->status.epoch = epoch;
}

void rpc_fake_submit(struct rpc_fake *fake, const char *transaction)
{
    struct ingot_check_response response = {0};
    assert_int_equal(submit(fake, ingot_slice_of_text(transaction), NULL, &response), INGOT_OK);
    assert_int_equal(response.code, 0);
    ingot_buffer_deinit(&response.log);
}

void rpc_fake_add_evidence(struct rpc_fake *fake)
{
    const uint32_t number = fake->evidence_count++;
    const struct validator_set *set = fake->sets[0];
    const struct ingot_validator *member = &set->validators[number % set->count];
    struct ingot_evidence *evidence = &fake->evidence[number];
    assert_in_range(number, 0, RPC_FAKE_EVIDENCE_MAX - 1);
    *evidence = (struct ingot_evidence){.validator = member->key,
                                        .power = member->power,
                                        .view = number + 7,
                                        .validators_hash = set->hash,
                                        .is_leader = number % 2 == 0,
                                        .height = number + 3};
    for (uint32_t i = 0; i < 2; i++) {
        evidence->votes[i].phase = number % PHASE_COUNT;
        hash_text("vote", 2 * number + i, &evidence->votes[i].block);
        memset(evidence->votes[i].signature.bytes, (int)(2 * number + i + 1),
               sizeof evidence->votes[i].signature.bytes);
    }
    fake->status.evidence = fake->evidence_count;
}

static void init_genesis(struct rpc_fake *fake)
{
    struct ingot_validator members[RPC_FAKE_VALIDATORS];
    const char *why = NULL;
    struct genesis *genesis = &fake->genesis;
    genesis_init(genesis);
    (void)snprintf(genesis->chain_id, sizeof genesis->chain_id, "test-chain");
    (void)snprintf(genesis->app, sizeof genesis->app, "kv");
    genesis->time_ns = TIME_MS * 1000000;
    genesis->validators = alloc_zeroed(RPC_FAKE_VALIDATORS, sizeof genesis->validators[0]);
    genesis->validator_count = RPC_FAKE_VALIDATORS;
    for (uint32_t i = 0; i < RPC_FAKE_VALIDATORS; i++) {
        uint8_t seed[CRYPTO_SEED_BYTES];
        struct crypto_secret_key secret;
        memset(seed, (int)i + 1, sizeof seed);
        crypto_ed25519.key_from_seed(seed, &secret, &members[i].key);
        members[i].power = 10;
    }
    fake->sets[0] = validator_set_new(0, members, RPC_FAKE_VALIDATORS, &why);
    assert_non_null(fake->sets[0]);
    hash_text("set", 0, &fake->sets[0]->hash);
    for (uint32_t i = 0; i < RPC_FAKE_VALIDATORS; i++) {
        genesis->validators[i].validator = fake->sets[0]->validators[i];
        (void)snprintf(genesis->validators[i].name, sizeof genesis->validators[i].name, "node%u",
                       (unsigned)i);
    }
    genesis->total_power = fake->sets[0]->total_power;
    hash_text("genesis", 0, &genesis->hash);
    fake->genesis_block = block_new();
    fake->genesis_block->hash = genesis->hash;
    fake->genesis_block->time_ms = TIME_MS;
    hash_text("updates", 0, &fake->genesis_block->updates_hash);
}

void rpc_fake_init(struct rpc_fake *fake)
{
    *fake = (struct rpc_fake){0};
    assert_true(crypto_init());
    fake->base = event_base_new();
    assert_non_null(fake->base);
    init_genesis(fake);
    fake->options.host = "127.0.0.1";
    fake->identity = (struct rpc_identity){.moniker = "node0",
                                           .listen_address = "127.0.0.1:27650",
                                           .app_name = "kv",
                                           .app_version = "1",
                                           .program_version = "0.1.0",
                                           .genesis = &fake->genesis,
                                           .genesis_block = fake->genesis_block,
                                           .has_key = true,
                                           .key = fake->sets[0]->validators[0].key,
                                           .durable = true,
                                           .index_transactions = true};
    memset(fake->identity.transport_key.bytes, 0x77, INGOT_PUBLIC_KEY_BYTES);
    fake->status = (struct rpc_status){.hash = fake->genesis_block->hash,
                                       .updates_hash = fake->genesis_block->updates_hash,
                                       .time_ms = TIME_MS,
                                       .view = 1,
                                       .leader = fake->sets[0]->validators[1].key,
                                       .is_member = true,
                                       .power = 10,
                                       .peers = 3,
                                       .timeouts = 2};
    fake->peer_count = 3;
    fake->metrics = (struct metrics){.version = "0.1.0",
                                     .chain_id = "test-chain",
                                     .app_name = "kv",
                                     .moniker = "node0",
                                     .leader = fake->status.leader};
}

void rpc_fake_listen(struct rpc_fake *fake)
{
    char why[200] = "";
    const struct rpc_backend backend = {.context = fake,
                                        .status = get_status,
                                        .submit = submit,
                                        .read_block = read_block,
                                        .find_transaction = find_transaction,
                                        .query = query,
                                        .find_attestation = fake->attests ? find_attestation : NULL,
                                        .validators = get_validators,
                                        .evidence = get_evidence,
                                        .peers = get_peers,
                                        .metrics = get_metrics};
    fake->rpc = rpc_new(fake->base, &fake->options, &fake->identity, &backend, why, sizeof why);
    assert_string_equal(why, "");
    assert_non_null(fake->rpc);
}

void rpc_fake_init_with_blocks(struct rpc_fake *fake)
{
    rpc_fake_init(fake);
    rpc_fake_listen(fake);
    for (int i = 0; i < 3; i++) {
        char transaction[] = "block=0";
        transaction[6] = (char)('0' + i);
        rpc_fake_submit(fake, transaction);
        rpc_fake_commit(fake);
    }
    rpc_fake_add_evidence(fake);
    rpc_fake_add_evidence(fake);
}

void rpc_fake_deinit(struct rpc_fake *fake)
{
    rpc_free(fake->rpc);
    for (uint64_t height = 1; height <= fake->status.height; height++) {
        block_unref(fake->blocks[height].block);
        execution_unref(fake->blocks[height].execution);
    }
    block_unref(fake->genesis_block);
    for (uint32_t i = 0; i < RPC_FAKE_EPOCHS_MAX; i++) {
        validator_set_unref(fake->sets[i]);
    }
    genesis_deinit(&fake->genesis);
    ingot_buffer_deinit(&fake->pending);
    event_base_free(fake->base);
}
