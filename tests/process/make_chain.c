/*
 * Prepares data folders with a long chain, through the ledger and the executor as a node would
 * have written it: real blocks of the chain's App and real signatures of the validators, in
 * consecutive views without a timeout.
 *
 *     make_chain NETWORK_FOLDER BLOCKS TRANSACTIONS_PER_BLOCK[xBYTES] NODE...
 *
 * The keys are those of NETWORK_FOLDER/node0 and so on; the data folders of the nodes whose
 * numbers are given must be empty. BLOCKS are committed, two more stand on them.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <ingot/apps.h>

#include "base/alloc.h"
#include "lib/process_home.h"
#include "node/executor.h"
#include "wire/preimage.h"

#define BLOCKS_PER_SYNC 256
#define VALUE_KEYS 4096

/* Everyone's signature; by index in the set. */
struct signatories {
    struct wire_signer signers[INGOT_VALIDATORS_MAX];
    struct crypto_secret_key secrets[INGOT_VALIDATORS_MAX];
};

/* One node's data while the chain grows. */
struct writer {
    struct process_home home;
    struct ingot_app app;
    struct executor *executor;
};

static char *home_path(const char *network, uint32_t node)
{
    const size_t size = strlen(network) + 32;
    char *path = alloc_zeroed(size, 1);
    (void)snprintf(path, size, "%s/node%u", network, node);
    return path;
}

static void read_keys(struct signatories *all, const char *network, const struct process_home *home)
{
    for (uint32_t i = 0; i < home->set->count; i++) {
        char why[4096];
        struct node_home other;
        char *path = home_path(network, i);
        if (config_load_home(path, &other, why, sizeof why) != INGOT_OK) {
            process_fail("%s", why);
        }
        const uint32_t member = validator_set_find(home->set, &other.validator_key.public_key);
        if (member == VALIDATOR_NONE) {
            process_fail("%s: its validator is not in the genesis", path);
        }
        struct wire_signer *signer = &all->signers[member];
        *signer = (struct wire_signer){.scheme = &crypto_ed25519,
                                       .secret = &all->secrets[member],
                                       .chain = home->genesis->hash};
        crypto_ed25519.key_from_seed(other.validator_key.seed, &all->secrets[member], &signer->key);
        node_home_deinit(&other);
        free(path);
    }
}

static void open_writer(struct writer *writer, const char *network, uint32_t node)
{
    char *path = home_path(network, node);
    process_home_open(&writer->home, path);
    const struct genesis *genesis = &writer->home.home.genesis;
    if (ledger_committed_height(writer->home.ledger) != 0) {
        process_fail("%s: the data folder is not empty", path);
    }
    if (ingot_app_init_by_name(genesis->app, NULL, &writer->app) != INGOT_OK) {
        process_fail("%s: unknown App", path);
    }
    const struct executor_options options = {
        .app = &writer->app,
        .ledger = writer->home.ledger,
        .scheme = &crypto_ed25519,
        .chain = writer->home.genesis->hash,
        .replay_window_blocks = genesis->replay_window_blocks,
        .block_payload_bytes_max = genesis->block_payload_bytes_max,
        .transaction_bytes_max = genesis->transaction_bytes_max};
    writer->executor = executor_new(&options);
    if (executor_restore(writer->executor, &writer->home.start) != INGOT_OK) {
        process_fail("%s: the executor cannot start", path);
    }
    free(path);
}

static void sync_writer(struct writer *writer)
{
    if (ledger_sync(writer->home.ledger) != INGOT_OK) {
        process_fail("a durable write failed");
    }
    executor_applied(writer->executor, ledger_applied_height(writer->home.ledger));
}

static void close_writer(struct writer *writer)
{
    executor_free(writer->executor);
    ingot_app_deinit(&writer->app);
    process_home_close(&writer->home);
}

/* A quorum's certificate; who signs takes turns, so that all do. */
static struct qc *certify(struct signatories *all, struct validator_set *set,
                          const struct block *block)
{
    const uint32_t count = (uint32_t)set->quorum_power;
    struct qc *qc = qc_new(count);
    qc->view = block->view;
    qc->block_view = block->view;
    qc->block = block->hash;
    qc->validator_count = set->count;
    for (uint32_t i = 0; i < count; i++) {
        signers_add(&qc->signers, (uint32_t)((block->view + i) % set->count));
    }
    for (uint32_t i = 0, signature = 0; i < set->count; i++) {
        if (signers_has(&qc->signers, i)) {
            struct vote vote = {.view = block->view, .block = block->hash};
            if (!wire_sign_vote(&all->signers[i], set, &vote)) {
                process_fail("validator %u cannot sign", i);
            }
            qc->signatures[signature++] = vote.signature;
        }
    }
    wire_seal_qc(qc);
    return qc;
}

static struct block *next_block(const struct process_home *home, const struct block *parent,
                                struct qc *justify)
{
    const uint64_t view = parent->view + 1;
    const uint32_t leader = leader_of_view(home->set, view, home->home.genesis.leader_tenure);
    struct block *block = block_new();
    block->version = BLOCK_VERSION;
    block->chain = home->genesis->hash;
    block->parent = parent->hash;
    block->height = parent->height + 1;
    block->view = view;
    block->time_ms = parent->time_ms + 1;
    block->justify = qc_ref(justify);
    block->proposer = home->set->validators[leader].key;
    block->validators_hash = parent->next_validators_hash;
    return block;
}

/* The transactions of each block, and how long each is at least. */
struct filling {
    uint32_t transactions;
    int bytes;
};

static void build(struct writer *writer, struct block *block, const struct filling *filling)
{
    const uint32_t transactions = filling->transactions;
    const size_t room = (size_t)filling->bytes + 64;
    struct ingot_slice *candidates = alloc_zeroed((size_t)transactions + 1, sizeof *candidates);
    char *texts = alloc_zeroed((size_t)transactions + 1, room);
    for (uint32_t i = 0; i < transactions; i++) {
        const uint64_t number = block->height * transactions + i;
        char *text = texts + room * (size_t)i;
        const int key = snprintf(text, room, "chain-%" PRIu64 "=", number % VALUE_KEYS);
        const int digits = filling->bytes - key > 20 ? filling->bytes - key : 20;
        (void)snprintf(text + key, room - (size_t)key, "%0*" PRIu64, digits, number);
        candidates[i] = ingot_slice_of_text(text);
    }
    if (executor_build(writer->executor, block, candidates, transactions) != INGOT_OK ||
        block->transaction_count != transactions) {
        process_fail("the block of height %" PRIu64 " cannot be built", block->height);
    }
    free(texts);
    free(candidates);
}

/* The last three blocks: `tip`, its parent, and the one that `tip`'s certificate commits. */
struct branch {
    struct block *tip;
    struct block *parent;
    struct block *grandparent;
    struct qc *tip_qc;
};

static void put(struct writer *writer, const struct branch *branch)
{
    struct ledger *ledger = writer->home.ledger;
    const struct core_safety safety = {.current = {.view = branch->tip->view + 1},
                                       .last_voted = {.view = branch->tip->view},
                                       .locked = {.view = branch->parent->view},
                                       .high_qc = branch->tip_qc};
    ledger_put_block(ledger, branch->tip, executor_find(writer->executor, &branch->tip->hash));
    ledger_put_safety(ledger, &safety);
    if (branch->grandparent == NULL || branch->grandparent->height == 0) {
        return;
    }
    ledger_commit_block(ledger, branch->grandparent,
                        executor_find(writer->executor, &branch->grandparent->hash), NULL);
    executor_committed(writer->executor, branch->grandparent);
    if (branch->grandparent->height % BLOCKS_PER_SYNC == 0) {
        sync_writer(writer);
    }
}

static void grow(struct branch *branch, struct writer *writers, uint32_t writer_count,
                 struct signatories *all, const struct filling *filling)
{
    struct process_home *home = &writers[0].home;
    struct block *block = next_block(home, branch->tip, branch->tip_qc);
    build(&writers[0], block, filling);
    for (uint32_t i = 1; i < writer_count; i++) {
        const char *why = "";
        if (executor_validate(writers[i].executor, block, &why) != INGOT_OK) {
            process_fail("the block of height %" PRIu64 " is invalid: %s", block->height, why);
        }
    }
    block_unref(branch->grandparent);
    branch->grandparent = branch->parent;
    branch->parent = branch->tip;
    branch->tip = block;
    qc_unref(branch->tip_qc);
    branch->tip_qc = certify(all, home->set, block);
    for (uint32_t i = 0; i < writer_count; i++) {
        put(&writers[i], branch);
    }
}

int main(int argc, char **argv)
{
    if (argc < 5) {
        process_fail(
            "usage: make_chain NETWORK_FOLDER BLOCKS TRANSACTIONS_PER_BLOCK[xBYTES] NODE...");
    }
    const uint64_t blocks = strtoull(argv[2], NULL, 10);
    char *rest;
    struct filling filling = {.transactions = (uint32_t)strtoul(argv[3], &rest, 10)};
    filling.bytes = *rest == 'x' ? (int)strtoul(rest + 1, NULL, 10) : 0;
    const uint32_t writer_count = (uint32_t)argc - 4;
    struct writer *writers = alloc_zeroed(writer_count, sizeof *writers);
    struct signatories *all = alloc_zeroed(1, sizeof *all);
    for (uint32_t i = 0; i < writer_count; i++) {
        open_writer(&writers[i], argv[1], (uint32_t)strtoul(argv[4 + i], NULL, 10));
    }
    read_keys(all, argv[1], &writers[0].home);
    struct branch branch = {.tip = block_ref(writers[0].home.genesis),
                            .tip_qc = wire_genesis_qc(&writers[0].home.genesis->hash)};
    for (uint64_t i = 0; i < blocks + 2; i++) {
        grow(&branch, writers, writer_count, all, &filling);
    }
    (void)printf("%" PRIu64 " blocks committed, %u transactions each\n", blocks,
                 filling.transactions);
    qc_unref(branch.tip_qc);
    block_unref(branch.tip);
    block_unref(branch.parent);
    block_unref(branch.grandparent);
    for (uint32_t i = 0; i < writer_count; i++) {
        sync_writer(&writers[i]);
        close_writer(&writers[i]);
    }
    free(all);
    free(writers);
    return 0;
}
