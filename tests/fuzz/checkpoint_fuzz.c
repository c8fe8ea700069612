/*
 * The reader of checkpoints on arbitrary records: the target adds the end, with a checksum that is
 * right, so that it is not the checksum that stops them. What is imported must open and load.
 */
#include <string.h>

#include "base/log.h"
#include "fuzz/fuzz.h"
#include "lib/fast_crypto.h"
#include "lib/wire_samples.h"
#include "node/checkpoint.h"
#include "wire/preimage.h"

static enum ingot_error give(void *context, uint8_t *bytes, size_t size, size_t *got)
{
    struct ingot_slice *rest = context;
    *got = size < rest->size ? size : rest->size;
    if (*got > 0) {
        memcpy(bytes, rest->data, *got);
    }
    rest->data += *got;
    rest->size -= *got;
    return INGOT_OK;
}

static void append_end(struct ingot_buffer *file)
{
    struct crypto_hasher hasher;
    struct ingot_hash hash;
    wire_hasher_begin(&hasher, "ingot/checkpoint/1");
    crypto_hasher_add(&hasher, ingot_buffer_slice(file));
    crypto_hasher_end(&hasher, &hash);
    ingot_buffer_append_u8(file, CHECKPOINT_END);
    ingot_buffer_append_u32(file, INGOT_HASH_BYTES);
    ingot_buffer_append(file, hash.bytes, INGOT_HASH_BYTES);
}

static void check_opens(struct ingot_store *store, struct block *genesis, struct validator_set *set,
                        uint64_t height)
{
    const struct ledger_options options = {.genesis = genesis, .genesis_set = set};
    struct ledger *ledger = NULL;
    struct ledger_start start;
    char why[256];
    require(ledger_open(store, &options, &ledger, why, sizeof why) == INGOT_OK);
    require(ledger_load(ledger, &start, why, sizeof why) == INGOT_OK);
    require(start.last_committed.block->height == height);
    ledger_start_deinit(&start);
    ledger_free(ledger);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    log_configure(LOG_PLAIN, LOG_NONE);
    struct samples samples;
    samples_init(&samples, &fast_crypto, 4, 0, 1);
    struct block *genesis = wire_genesis_block(&samples.chain, samples.set, 1700000000000);
    struct ingot_store *store = ingot_store_memory_new(ledger_table_count);
    struct ingot_buffer file = {0};
    ingot_buffer_append(&file, data, size);
    append_end(&file);
    const struct checkpoint_import_options options = {.store = store,
                                                      .genesis = genesis,
                                                      .genesis_set = samples.set,
                                                      .replay_window_blocks = 4,
                                                      .scheme = &fast_crypto};
    struct ingot_slice rest = ingot_buffer_slice(&file);
    const struct checkpoint_source source = {.read = give, .context = &rest};
    struct checkpoint_info info;
    char why[256] = "";
    const enum ingot_error error = checkpoint_import(&options, source, &info, why, sizeof why);
    if (error == INGOT_OK) {
        require(rest.size == 0);
        check_opens(store, genesis, samples.set, info.height);
    } else {
        require(why[0] != '\0');
    }
    ingot_buffer_deinit(&file);
    ingot_store_close(store);
    block_unref(genesis);
    samples_deinit(&samples);
    return 0;
}
