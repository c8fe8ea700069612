/*
 * Prepares data folders with a long chain, through the ledger and the executor as a node would
 * have written it: real blocks of the chain's App and real signatures of the validators, in
 * consecutive views without a timeout.
 *
 *     make_chain [--change-every N] NETWORK_FOLDER BLOCKS TRANSACTIONS_PER_BLOCK[xBYTES] NODE...
 *
 * The keys are those of NETWORK_FOLDER/node0 and so on; the data folders of the nodes whose
 * numbers are given must be empty. BLOCKS are committed, up to two more stand on them. With
 * --change-every each block whose height is a multiple of N changes the validator set by the
 * administrator's transaction: one member after the other goes and comes back with the next change.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <ingot/app_kv.h>
#include <ingot/apps.h>

#include "base/alloc.h"
#include "lib/process_home.h"
#include "node/executor.h"
#include "wire/preimage.h"

#define BLOCKS_PER_SYNC 256
#define VALUE_KEYS 4096

/* Everyone's signature; by index in genesis' set. */
struct signatories {
    struct wire_signer signers[INGOT_VALIDATORS_MAX];
    struct crypto_secret_key secrets[INGOT_VALIDATORS_MAX];
    struct crypto_secret_key administrator;
};

/* One node's data while the chain grows. */
struct writer {
    struct process_home home;
    struct ingot_app app;
    struct executor *executor;
    int transaction_bytes; /* of each transaction, at least */
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

static void read_administrator(struct signatories *all, const char *network)
{
    char why[1024];
    char path[4096];
    struct key_pair pair;
    struct ingot_public_key key;
    struct report report;
    report_init(&report, why, sizeof why);
    (void)snprintf(path, sizeof path, "%s/administrator.key", network);
    if (key_file_load(path, KEY_ADMINISTRATOR, &pair, &report) != INGOT_OK) {
        process_fail("%s", why);
    }
    crypto_ed25519.key_from_seed(pair.seed, &all->administrator, &key);
    key_pair_deinit(&pair);
}

static void open_writer(struct writer *writer, const char *network, uint32_t node)
{
    char *path = home_path(network, node);
    process_home_open(&writer->home, path);
    const struct genesis *genesis = &writer->home.home.genesis;
    if (ledger_committed_height(writer->home.ledger) != 0) {
        process_fail("%s: the data folder is not empty", path);
    }
    const struct ingot_app_options app_options = {.chain = genesis->hash,
                                                  .has_administrator = genesis->has_administrator,
                                                  .administrator = genesis->administrator};
    if (ingot_app_init_by_name(genesis->app, &app_options, &writer->app) != INGOT_OK) {
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

/* The chain's end. */
struct branch {
    uint64_t change_every;     /* 0: never */
    struct validator_set *set; /* of the next block */
    struct block *tip;
    struct qc *tip_qc;
    struct block *uncommitted[3]; /* oldest first; the tip is the last of them */
    uint32_t uncommitted_count;
};

static struct wire_signer *signer_of(struct signatories *all, const struct validator_set *genesis,
                                     const struct ingot_public_key *key)
{
    const uint32_t member = validator_set_find(genesis, key);
    if (member == VALIDATOR_NONE) {
        process_fail("a member whose key is not at hand");
    }
    return &all->signers[member];
}

/*
 * A quorum's certificate; who signs takes turns, so that all do. A block that changes the set gets
 * its Commit QC, two views later.
 */
static struct qc *certify(struct signatories *all, const struct validator_set *genesis,
                          const struct validator_set *set, const struct block *block)
{
    struct signers signers = {{0}};
    uint64_t power = 0;
    for (uint64_t i = block->view; power < set->quorum_power; i++) {
        signers_add(&signers, (uint32_t)(i % set->count));
        power += set->validators[i % set->count].power;
    }
    struct qc *qc = qc_new(signers_count(&signers));
    qc->phase = block_changes_set(block) ? PHASE_COMMIT : PHASE_GENERIC;
    qc->epoch = set->epoch;
    qc->view = block->view + (qc->phase == PHASE_COMMIT ? 2 : 0);
    qc->block_view = block->view;
    qc->block = block->hash;
    qc->validator_count = set->count;
    qc->signers = signers;
    for (uint32_t i = 0, signature = 0; i < set->count; i++) {
        if (signers_has(&qc->signers, i)) {
            struct vote vote = {
                .epoch = qc->epoch, .view = qc->view, .block = qc->block, .phase = qc->phase};
            if (!wire_sign_vote(signer_of(all, genesis, &set->validators[i].key), set, &vote)) {
                process_fail("validator %u cannot sign", i);
            }
            qc->signatures[signature++] = vote.signature;
        }
    }
    wire_seal_qc(qc);
    return qc;
}

static struct block *next_block(const struct process_home *home, const struct branch *branch)
{
    const struct block *parent = branch->tip;
    const uint64_t view = qc_position(branch->tip_qc).view + 1;
    const uint32_t leader = leader_of_view(branch->set, view, home->home.genesis.leader_tenure);
    struct block *block = block_new();
    block->version = BLOCK_VERSION;
    block->chain = home->genesis->hash;
    block->parent = parent->hash;
    block->height = parent->height + 1;
    block->view = view;
    block->time_ms = parent->time_ms + 1;
    block->justify = qc_ref(branch->tip_qc);
    block->proposer = branch->set->validators[leader].key;
    block->validators_hash = parent->next_validators_hash;
    return block;
}

/* The nth change: a member of genesis goes, and comes back with the change after. */
static void make_change(const struct writer *writer, const struct signatories *all,
                        const struct branch *branch, uint64_t number, struct ingot_buffer *out)
{
    const struct validator_set *genesis = writer->home.set;
    const bool is_return = branch->set->count < genesis->count;
    const struct ingot_validator change = {
        .key = genesis->validators[number / 2 % genesis->count].key, .power = is_return ? 1 : 0};
    struct ingot_buffer preimage = {0};
    struct ingot_signature signature;
    ingot_administrator_preimage(&preimage, &writer->home.genesis->hash, number + 1, &change, 1);
    crypto_ed25519.sign(&all->administrator, ingot_buffer_slice(&preimage), &signature);
    if (ingot_kv_transaction_set_validators(out, number + 1, &change, 1, &signature) != INGOT_OK) {
        process_fail("the change of the validators cannot be made");
    }
    ingot_buffer_deinit(&preimage);
}

static void build(struct writer *writer, const struct signatories *all, const struct branch *branch,
                  struct block *block, uint32_t transactions)
{
    struct ingot_slice *candidates = alloc_zeroed((size_t)transactions + 2, sizeof *candidates);
    const size_t room = (size_t)writer->transaction_bytes + 64;
    char *texts = alloc_zeroed((size_t)transactions + 1, room);
    struct ingot_buffer change = {0};
    uint32_t count = 0;
    if (branch->change_every > 0 && block->height % branch->change_every == 0) {
        make_change(writer, all, branch, block->height / branch->change_every - 1, &change);
        candidates[count++] = ingot_buffer_slice(&change);
    }
    for (uint32_t i = 0; i < transactions; i++) {
        const uint64_t number = block->height * transactions + i;
        char *text = texts + room * (size_t)i;
        const int key = snprintf(text, room, "chain-%" PRIu64 "=", number % VALUE_KEYS);
        const int digits =
            writer->transaction_bytes > key + 20 ? writer->transaction_bytes - key : 20;
        (void)snprintf(text + key, room - (size_t)key, "%0*" PRIu64, digits, number);
        candidates[count++] = ingot_slice_of_text(text);
    }
    if (executor_build(writer->executor, block, candidates, NULL, count) != INGOT_OK ||
        block->transaction_count != count || block_changes_set(block) != (change.size > 0)) {
        process_fail("the block of height %" PRIu64 " cannot be built", block->height);
    }
    ingot_buffer_deinit(&change);
    free(texts);
    free(candidates);
}

static void put(struct writer *writer, const struct branch *branch, uint32_t commit_count)
{
    struct ledger *ledger = writer->home.ledger;
    const struct position high = qc_position(branch->tip_qc);
    const bool opens_epoch = branch->tip_qc->phase == PHASE_COMMIT;
    const struct core_safety safety = {.current = {high.epoch, high.view + 1},
                                       .last_voted = {branch->tip_qc->epoch, branch->tip_qc->view},
                                       .has_vote = true,
                                       .vote = {.epoch = branch->tip_qc->epoch,
                                                .view = branch->tip_qc->view,
                                                .block = branch->tip_qc->block,
                                                .phase = branch->tip_qc->phase},
                                       .locked =
                                           opens_epoch ? high : qc_position(branch->tip->justify),
                                       .high_qc = branch->tip_qc};
    ledger_put_block(ledger, branch->tip, executor_find(writer->executor, &branch->tip->hash));
    ledger_put_safety(ledger, &safety);
    for (uint32_t i = 0; i < commit_count; i++) {
        struct block *block = branch->uncommitted[i];
        ledger_commit_block(ledger, block, executor_find(writer->executor, &block->hash),
                            executor_next_set(writer->executor, &block->hash));
        executor_committed(writer->executor, block);
        if (block->height % BLOCKS_PER_SYNC == 0) {
            sync_writer(writer);
        }
    }
}

/* Takes the set that the tip opens, if it does; before the tip is committed. */
static void turn_set(struct branch *branch, const struct writer *writer)
{
    struct validator_set *next = executor_next_set(writer->executor, &branch->tip->hash);
    if (next != NULL) {
        validator_set_unref(branch->set);
        branch->set = validator_set_ref(next);
    }
}

static void drop(struct branch *branch, uint32_t count)
{
    branch->uncommitted_count -= count;
    for (uint32_t i = 0; i < count; i++) {
        block_unref(branch->uncommitted[i]);
    }
    memmove(branch->uncommitted, branch->uncommitted + count,
            branch->uncommitted_count * sizeof(struct block *));
}

static void grow(struct branch *branch, struct writer *writers, uint32_t writer_count,
                 struct signatories *all, uint32_t transactions)
{
    struct block *block = next_block(&writers[0].home, branch);
    build(&writers[0], all, branch, block, transactions);
    for (uint32_t i = 1; i < writer_count; i++) {
        const char *why = "";
        if (executor_validate(writers[i].executor, block, &why) != INGOT_OK) {
            process_fail("the block of height %" PRIu64 " is invalid: %s", block->height, why);
        }
    }
    block_unref(branch->tip);
    branch->tip = block;
    branch->uncommitted[branch->uncommitted_count++] = block_ref(block);
    qc_unref(branch->tip_qc);
    branch->tip_qc = certify(all, writers[0].home.set, branch->set, block);
    turn_set(branch, &writers[0]);
    const uint32_t commit_count =
        block_changes_set(block) ? branch->uncommitted_count : branch->uncommitted_count / 3;
    for (uint32_t i = 0; i < writer_count; i++) {
        put(&writers[i], branch, commit_count);
    }
    drop(branch, commit_count);
}

static uint64_t take_option(int *argc, char ***argv)
{
    if (*argc < 3 || strcmp((*argv)[1], "--change-every") != 0) {
        return 0;
    }
    const uint64_t every = strtoull((*argv)[2], NULL, 10);
    *argc -= 2;
    *argv += 2;
    return every;
}

int main(int argc, char **argv)
{
    const uint64_t change_every = take_option(&argc, &argv);
    if (argc < 5) {
        process_fail("usage: make_chain [--change-every N] NETWORK_FOLDER BLOCKS "
                     "TRANSACTIONS_PER_BLOCK[xBYTES] NODE...");
    }
    const uint64_t blocks = strtoull(argv[2], NULL, 10);
    char *rest;
    const uint32_t transactions = (uint32_t)strtoul(argv[3], &rest, 10);
    const uint32_t writer_count = (uint32_t)argc - 4;
    struct writer *writers = alloc_zeroed(writer_count, sizeof *writers);
    struct signatories *all = alloc_zeroed(1, sizeof *all);
    for (uint32_t i = 0; i < writer_count; i++) {
        open_writer(&writers[i], argv[1], (uint32_t)strtoul(argv[4 + i], NULL, 10));
        writers[i].transaction_bytes = *rest == 'x' ? (int)strtoul(rest + 1, NULL, 10) : 0;
    }
    const struct process_home *home = &writers[0].home;
    read_keys(all, argv[1], home);
    if (change_every > 0) {
        read_administrator(all, argv[1]);
    }
    struct branch branch = {.change_every = change_every,
                            .set = validator_set_ref(home->set),
                            .tip = block_ref(home->genesis),
                            .tip_qc = wire_genesis_qc(&home->genesis->hash)};
    while (branch.tip->height - branch.uncommitted_count < blocks) {
        grow(&branch, writers, writer_count, all, transactions);
    }
    (void)printf("%" PRIu64 " blocks committed, %u transactions each, epoch %" PRIu64 "\n",
                 branch.tip->height - branch.uncommitted_count, transactions, branch.set->epoch);
    drop(&branch, branch.uncommitted_count);
    qc_unref(branch.tip_qc);
    block_unref(branch.tip);
    validator_set_unref(branch.set);
    for (uint32_t i = 0; i < writer_count; i++) {
        sync_writer(&writers[i]);
        close_writer(&writers[i]);
    }
    free(all);
    free(writers);
    return 0;
}
