/*
 * The bodies of checkpoint_chain.h.
 */
#include "lib/checkpoint_chain.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "lib/fast_crypto.h"
#include "wire/preimage.h"

void checkpoint_chain_init(struct checkpoint_chain *chain, uint64_t retain_blocks)
{
    *chain = (struct checkpoint_chain){.world = world_new(false), .epoch_count = 1};
    chain->epochs[0] = chain->world->samples;
    chain->world->options.apply_blocks_max = 5;
    chain->world->options.apply_puts_min = 1;
    chain->world->options.retain_blocks = retain_blocks;
    chain->world->options.prune_blocks_min = 1;
    world_open(chain->world);
    chain->tip = block_ref(chain->world->genesis);
}

void checkpoint_chain_deinit(struct checkpoint_chain *chain)
{
    for (uint32_t i = 1; i < chain->epoch_count; i++)
        samples_deinit(&chain->epochs[i]);
    block_unref(chain->tip);
    void *world = chain->world;
    (void)world_tear_down(&world);
}

/* Signed by a bare quorum of the block's own set. */
static struct qc *certify(const struct checkpoint_chain *chain, const struct block *block)
{
    if (block->height == 0)
        return wire_genesis_qc(&block->chain);
    const bool changes_set = block_changes_set(block);
    return samples_qc(&chain->epochs[block_epoch(block)], 7, block->view + (changes_set ? 2 : 0),
                      block->view, &block->hash, changes_set ? PHASE_COMMIT : PHASE_GENERIC);
}

static void open_epoch(struct checkpoint_chain *chain, uint64_t block_view)
{
    assert_true(chain->epoch_count < CHECKPOINT_CHAIN_EPOCHS_MAX);
    struct samples *next = &chain->epochs[chain->epoch_count];
    samples_init(next, &fast_crypto, 4, chain->epoch_count, (uint8_t)(1 + chain->epoch_count));
    next->set->first_view = epoch_first_view(block_view);
    wire_seal_set(next->set);
    chain->epoch_count++;
}

static struct ledger_entry make(struct checkpoint_chain *chain, bool changes_set)
{
    const struct block *parent = chain->tip;
    const uint64_t height = parent->height + 1;
    char own[32];
    char shared[32];
    char old[32];
    (void)snprintf(own, sizeof own, "h%02llu=%llu", (unsigned long long)height,
                   (unsigned long long)height);
    (void)snprintf(shared, sizeof shared, "shared=%llu", (unsigned long long)height);
    (void)snprintf(old, sizeof old, "h%02llu", (unsigned long long)height - 3);
    const char *changes[] = {old, own, shared};
    struct ledger_entry entry;
    entry.execution =
        height > 3 ? world_execution(2, changes, 3) : world_execution(2, changes + 1, 2);
    struct qc *justify = certify(chain, parent);
    entry.block = samples_block(&chain->epochs[qc_position(justify).epoch], justify, height,
                                qc_position(justify).view + 1, 2, 50);
    entry.block->parent = parent->hash;
    entry.block->updates_hash = entry.execution->updates_hash;
    entry.block->validators_hash = parent->next_validators_hash;
    entry.block->next_validators_hash = parent->next_validators_hash;
    if (changes_set) {
        open_epoch(chain, entry.block->view);
        entry.block->next_validators_hash = chain->epochs[chain->epoch_count - 1].set->hash;
    }
    wire_seal_block(entry.block);
    block_unref(chain->tip);
    chain->tip = block_ref(entry.block);
    return entry;
}

void checkpoint_chain_commit(struct checkpoint_chain *chain, bool changes_set)
{
    struct ledger_entry entry = make(chain, changes_set);
    world_put(chain->world, &entry);
    ledger_commit_block(chain->world->ledger, entry.block, entry.execution,
                        changes_set ? chain->epochs[chain->epoch_count - 1].set : NULL);
    world_sync(chain->world);
    ledger_entry_deinit(&entry);
}

void checkpoint_chain_finish(struct checkpoint_chain *chain)
{
    for (int i = 0; i < 2 && !block_changes_set(chain->tip); i++) {
        struct ledger_entry entry = make(chain, false);
        world_put(chain->world, &entry);
        ledger_entry_deinit(&entry);
    }
    struct qc *high_qc = certify(chain, chain->tip);
    const struct position high = qc_position(high_qc);
    ledger_put_safety(chain->world->ledger,
                      &(struct core_safety){.current = {high.epoch, high.view + 1},
                                            .last_voted = {high.epoch, high.view},
                                            .high_qc = high_qc});
    world_sync(chain->world);
    qc_unref(high_qc);
}

static enum ingot_error append(void *context, struct ingot_slice bytes)
{
    ingot_buffer_append_slice(context, bytes);
    return INGOT_OK;
}

void checkpoint_chain_export(struct checkpoint_chain *chain, struct ingot_buffer *file,
                             struct checkpoint_info *info)
{
    struct world *world = chain->world;
    world_crash(world);
    world->options.read_only = true;
    world_open(world);
    const struct checkpoint_sink sink = {.write = append, .context = file};
    if (checkpoint_export(world->ledger, CHECKPOINT_CHAIN_WINDOW, sink, info, world->why,
                          sizeof world->why) != INGOT_OK)
        fail_msg("%s", world->why);
    world->options.read_only = false;
}

static enum ingot_error give(void *context, uint8_t *bytes, size_t size, size_t *got)
{
    struct ingot_slice *rest = context;
    *got = size < rest->size ? size : rest->size;
    if (*got > 0)
        memcpy(bytes, rest->data, *got);
    rest->data += *got;
    rest->size -= *got;
    return INGOT_OK;
}

enum ingot_error checkpoint_chain_import(const struct checkpoint_chain *chain,
                                         struct ingot_slice file, struct ingot_store *store,
                                         const struct ingot_hash *expected,
                                         struct checkpoint_info *info, char *why, size_t why_size)
{
    const struct checkpoint_import_options options = {.store = store,
                                                      .genesis = chain->world->genesis,
                                                      .genesis_set = chain->world->samples.set,
                                                      .replay_window_blocks =
                                                          CHECKPOINT_CHAIN_WINDOW,
                                                      .scheme = &fast_crypto,
                                                      .expected = expected};
    const struct checkpoint_source source = {.read = give, .context = &file};
    return checkpoint_import(&options, source, info, why, why_size);
}
