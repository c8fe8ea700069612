/*
 * What the building blocks of a validator cost, each alone on one processor: a table of operations
 * a second. It compares versions of the code on one machine; what a whole network does is
 * `ingot bench`.
 */
#include <ingot/apps.h>
#include <ingot/store.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/clock.h"
#include "cli/temporary.h"
#include "lib/executor_harness.h"
#include "lib/wire_samples.h"
#include "node/mempool.h"
#include "wire/preimage.h"
#include "wire/verify.h"
#include "wire/wire.h"

#define MEASURE_US 300000
#define TX_BYTES 128
#define BLOCK_TXS 1000
#define SYNC_BLOCKS 256
#define SIGNATURES 256
#define STORE_VALUE_BYTES 1024

/* A stopwatch for one row: loop while it says so, then print. */
struct row {
    const char *name;
    uint64_t begin_us;
    uint64_t count;
};

static bool row_goes_on(struct row *row, uint32_t done)
{
    const uint64_t now_us = clock_monotonic_us();
    if (row->begin_us == 0)
        row->begin_us = now_us;
    else
        row->count += done;
    return now_us - row->begin_us < MEASURE_US;
}

static void row_print(const struct row *row)
{
    const double spent_us = (double)(clock_monotonic_us() - row->begin_us);
    (void)printf("%-44s %12.0f /s %12.3f us\n", row->name, (double)row->count * 1e6 / spent_us,
                 spent_us / (double)row->count);
}

static void bench_signatures(void)
{
    static const uint8_t seed[CRYPTO_SEED_BYTES] = {1};
    uint8_t bytes[TX_BYTES] = {0};
    const struct ingot_slice message = ingot_slice_of(bytes, sizeof bytes);
    struct crypto_secret_key secret;
    struct ingot_public_key key;
    struct ingot_signature signatures[SIGNATURES];
    crypto_ed25519.key_from_seed(seed, &secret, &key);
    struct row sign = {.name = "ed25519 sign"};
    while (row_goes_on(&sign, SIGNATURES))
        for (uint32_t i = 0; i < SIGNATURES; i++) {
            bytes[0] = (uint8_t)i;
            crypto_ed25519.sign(&secret, message, &signatures[i]);
        }
    row_print(&sign);
    /* All different: the processor learns the branches of one that comes again and again. */
    struct row verify = {.name = "ed25519 verify"};
    while (row_goes_on(&verify, SIGNATURES))
        for (uint32_t i = 0; i < SIGNATURES; i++) {
            bytes[0] = (uint8_t)i;
            const bool is_valid = crypto_ed25519.verify(&key, message, &signatures[i]);
            INGOT_ASSERT(is_valid);
        }
    row_print(&verify);
}

static void bench_hashes(void)
{
    static uint8_t bytes[65536];
    struct ingot_hash hash;
    uint8_t sha256[32];
    struct row small = {.name = "BLAKE2b-256 of 128 bytes"};
    while (row_goes_on(&small, 100))
        for (uint32_t i = 0; i < 100; i++)
            crypto_blake2b(ingot_slice_of(bytes, TX_BYTES), &hash);
    row_print(&small);
    struct row big = {.name = "BLAKE2b-256 of 64 KiB"};
    while (row_goes_on(&big, 1))
        crypto_blake2b(ingot_slice_of(bytes, sizeof bytes), &hash);
    row_print(&big);
    struct row sha = {.name = "SHA-256 of 128 bytes"};
    while (row_goes_on(&sha, 100))
        for (uint32_t i = 0; i < 100; i++)
            crypto_sha256(ingot_slice_of(bytes, TX_BYTES), sha256);
    row_print(&sha);
}

static void bench_wire(void)
{
    struct samples samples;
    struct ingot_buffer bytes = {0};
    struct ingot_hash parent = samples_hash(1);
    samples_init(&samples, &crypto_ed25519, 4, 0, 1);
    struct block *block = samples_block(
        &samples, samples_qc(&samples, 7, 1, 1, &parent, PHASE_GENERIC), 2, 2, BLOCK_TXS, TX_BYTES);
    struct row encode = {.name = "encode a block of 1000 transactions"};
    while (row_goes_on(&encode, 1)) {
        ingot_buffer_clear(&bytes);
        wire_encode_block(block, &bytes);
    }
    row_print(&encode);
    struct row decode = {.name = "decode a block of 1000 transactions"};
    while (row_goes_on(&decode, 1)) {
        struct block *decoded = NULL;
        const enum reject reject = wire_decode_block(ingot_buffer_slice(&bytes), &decoded);
        INGOT_ASSERT(reject == REJECT_NONE);
        block_unref(decoded);
    }
    row_print(&decode);
    struct row root = {.name = "Merkle root of 1000 transactions"};
    while (row_goes_on(&root, 1))
        wire_payload_root(ingot_buffer_slice(&block->payload), &parent, NULL);
    row_print(&root);
    block_unref(block);
    ingot_buffer_deinit(&bytes);
    samples_deinit(&samples);
}

static struct validator_set *only_set(void *context, uint64_t epoch)
{
    const struct samples *samples = context;
    return epoch == 0 ? samples->set : NULL;
}

/*
 * What a node that catches up spends on each block before it executes it, with three signatures in
 * each certificate as in a network of four. Beside it stands three times ed25519's own row.
 */
static void bench_sync(void)
{
    struct samples samples;
    struct verifier verifier;
    struct ingot_buffer bytes = {0};
    samples_init(&samples, &crypto_ed25519, 3, 0, 1);
    verifier_init(&verifier, &samples.chain, &crypto_ed25519, only_set, &samples);
    struct message *message = samples_sync_response(&samples, SYNC_BLOCKS);
    wire_encode(message, &bytes);
    struct row decode = {.name = "decode an answer to a sync request; a block"};
    while (row_goes_on(&decode, SYNC_BLOCKS)) {
        struct message *decoded = NULL;
        const enum reject reject = wire_decode(ingot_buffer_slice(&bytes), &decoded);
        INGOT_ASSERT(reject == REJECT_NONE);
        message_unref(decoded);
    }
    row_print(&decode);
    struct row verify = {.name = "verify an answer to a sync request; a block"};
    while (row_goes_on(&verify, SYNC_BLOCKS)) {
        uint32_t certified_count;
        const enum reject reject =
            verify_sync_prefix(&verifier, &message->sync_response, 0, &certified_count);
        INGOT_ASSERT(reject == REJECT_NONE && certified_count == SYNC_BLOCKS);
    }
    row_print(&verify);
    /* All of them, each time: far more than are remembered. */
    INGOT_ASSERT(verifier.certificates_remembered == 0);
    message_unref(message);
    ingot_buffer_deinit(&bytes);
    samples_deinit(&samples);
}

/* The next BLOCK_TXS transactions, none like another: key=value with 100,000 keys. */
static void make_transactions(uint64_t *counter, uint8_t *bytes, struct ingot_slice *slices)
{
    for (uint32_t i = 0; i < BLOCK_TXS; i++) {
        uint8_t *transaction = bytes + (size_t)i * TX_BYTES;
        const uint64_t number = (*counter)++;
        memset(transaction, '.', TX_BYTES);
        (void)snprintf((char *)transaction, TX_BYTES, "key%08llu=%llu",
                       (unsigned long long)(number * UINT64_C(2654435761) % 100000),
                       (unsigned long long)number);
        transaction[strlen((const char *)transaction)] = '.';
        slices[i] = ingot_slice_of(transaction, TX_BYTES);
    }
}

/* One validator builds blocks and another validates them, as leader and replica would. */
static void bench_app(const char *name)
{
    struct test_chain chain;
    struct test_node nodes[2];
    struct ingot_app apps[2];
    uint8_t *bytes = alloc_zeroed(BLOCK_TXS, TX_BYTES);
    struct ingot_slice *slices = alloc_zeroed(BLOCK_TXS, sizeof *slices);
    uint64_t counter = 0;
    test_chain_init(&chain);
    for (uint32_t i = 0; i < 2; i++) {
        const enum ingot_error error = ingot_app_init_by_name(name, NULL, &apps[i]);
        INGOT_ASSERT(error == INGOT_OK);
        const struct test_node_options options = {.app = &apps[i]};
        test_node_init(&nodes[i], &chain, &options);
    }
    char labels[2][64];
    (void)snprintf(labels[0], sizeof labels[0], "%s: build, store, commit; a transaction", name);
    (void)snprintf(labels[1], sizeof labels[1], "%s: validate, store, commit; a transaction", name);
    struct row rows[2] = {{.name = labels[0]}, {.name = labels[1]}};
    uint64_t spent_us[2] = {0, 0};
    struct block *parent = block_ref(chain.genesis);
    for (uint64_t view = 1; spent_us[0] + spent_us[1] < 2 * MEASURE_US; view++) {
        enum ingot_error error;
        const char *why = NULL;
        make_transactions(&counter, bytes, slices);
        uint64_t begin_us = clock_monotonic_us();
        struct block *block = test_node_build(&nodes[0], parent, view, slices, BLOCK_TXS, &error);
        INGOT_ASSERT(block != NULL && block->transaction_count == BLOCK_TXS);
        test_node_commit(&nodes[0], block);
        spent_us[0] += clock_monotonic_us() - begin_us;
        begin_us = clock_monotonic_us();
        error = test_node_validate(&nodes[1], block, &why);
        INGOT_ASSERT(error == INGOT_OK);
        test_node_commit(&nodes[1], block);
        spent_us[1] += clock_monotonic_us() - begin_us;
        block_unref(parent);
        parent = block;
    }
    for (uint32_t i = 0; i < 2; i++) {
        rows[i].count = counter;
        rows[i].begin_us = clock_monotonic_us() - spent_us[i];
        row_print(&rows[i]);
        test_node_deinit(&nodes[i]);
        ingot_app_deinit(&apps[i]);
    }
    block_unref(parent);
    test_chain_deinit(&chain);
    free(slices);
    free(bytes);
}

static void bench_mempool(void)
{
    struct mempool *mempool = mempool_new((size_t)16 * 1024 * 1024);
    struct row row = {.name = "mempool: digest, add, remove a transaction"};
    uint8_t bytes[TX_BYTES] = {0};
    struct ingot_hash digests[BLOCK_TXS];
    uint64_t number = 0;
    while (row_goes_on(&row, BLOCK_TXS)) {
        for (uint32_t i = 0; i < BLOCK_TXS; i++) {
            number++;
            memcpy(bytes, &number, sizeof number);
            wire_transaction_digest(ingot_slice_of(bytes, sizeof bytes), &digests[i]);
            const enum ingot_error error =
                mempool_add(mempool, ingot_slice_of(bytes, sizeof bytes), &digests[i], false, true);
            INGOT_ASSERT(error == INGOT_OK);
        }
        for (uint32_t i = 0; i < BLOCK_TXS; i++)
            mempool_remove(mempool, &digests[i]);
    }
    row_print(&row);
    mempool_free(mempool);
}

static void bench_store(const char *name, struct ingot_store *store)
{
    static const uint8_t value[STORE_VALUE_BYTES];
    struct row row = {.name = name};
    uint64_t number = 0;
    while (row_goes_on(&row, 1)) {
        uint8_t key[8];
        number++;
        for (uint32_t i = 0; i < sizeof key; i++)
            key[i] = (uint8_t)(number >> (56 - 8 * i));
        struct ingot_store_batch *batch = ingot_store_batch_begin(store);
        ingot_store_batch_put(batch, 0, ingot_slice_of(key, sizeof key),
                              ingot_slice_of(value, sizeof value));
        const enum ingot_error error = ingot_store_batch_commit(batch);
        INGOT_ASSERT(error == INGOT_OK);
    }
    row_print(&row);
    ingot_store_close(store);
}

static int bench_stores(void)
{
    static const char *const tables[] = {"rows"};
    char why[256];
    char *folder = temporary_folder("micro");
    if (folder == NULL) {
        perror("bench_micro: a temporary folder cannot be made");
        return 1;
    }
    const struct ingot_store_lmdb_options options = {
        .folder = folder, .tables = tables, .table_count = 1};
    struct ingot_store *store;
    bench_store("memory: commit of one put of 1 KiB", ingot_store_memory_new(1));
    const bool is_open = ingot_store_lmdb_open(&options, &store, why, sizeof why) == INGOT_OK;
    if (is_open)
        bench_store("LMDB: synced commit of one put of 1 KiB", store);
    else
        (void)fprintf(stderr, "bench_micro: %s\n", why);
    temporary_remove(folder);
    free(folder);
    return is_open ? 0 : 1;
}

int main(void)
{
    if (!crypto_init())
        return 1;
    bench_signatures();
    bench_hashes();
    bench_wire();
    bench_sync();
    bench_mempool();
    bench_app("null");
    bench_app("kv");
    return bench_stores();
}
