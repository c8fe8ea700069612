/*
 * The bodies of attest_world.h.
 */
#include "lib/attest_world.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"

#define GENESIS_TIME_NS UINT64_C(1767323045000000000) /* 2026-01-02T03:04:05Z */
#define HEIGHT 12
#define TIME_MS UINT64_C(1767323106789) /* 2026-01-02T03:05:06.789Z */

static void make_keys(struct attest_world *world, const char *name)
{
    for (uint32_t i = 0; i < ATTEST_WORLD_VALIDATORS; i++) {
        struct ingot_buffer text = {0};
        uint8_t seed[CRYPTO_SEED_BYTES];
        ingot_buffer_format(&text, "%s/%u", name, i);
        crypto_sha256(ingot_buffer_slice(&text), seed);
        crypto_ed25519.key_from_seed(seed, &world->secrets[i], &world->keys[i]);
        ingot_buffer_deinit(&text);
    }
}

static void make_genesis(struct attest_world *world, const char *name)
{
    struct genesis *genesis = &world->genesis;
    genesis_init(genesis);
    (void)snprintf(genesis->chain_id, sizeof genesis->chain_id, "%s", name);
    (void)snprintf(genesis->app, sizeof genesis->app, "signing");
    genesis->time_ns = GENESIS_TIME_NS;
    genesis->validator_count = world->member_count;
    genesis->validators = alloc_zeroed(world->member_count, sizeof *genesis->validators);
    for (uint32_t i = 0; i < world->member_count; i++) {
        genesis->validators[i].validator = (struct ingot_validator){world->keys[i], i + 1};
        (void)snprintf(genesis->validators[i].name, sizeof genesis->validators[i].name, "node%u",
                       i);
    }
    struct report report;
    report_init(&report, NULL, 0);
    const enum ingot_error error = genesis_finish(genesis, "genesis", &report);
    INGOT_ASSERT(error == INGOT_OK);
}

struct validator_set *attest_world_set(const struct attest_world *world, uint64_t epoch,
                                       uint32_t first, uint32_t count)
{
    struct ingot_validator members[ATTEST_WORLD_VALIDATORS];
    const char *why = NULL;
    INGOT_ASSERT(first + count <= ATTEST_WORLD_VALIDATORS);
    for (uint32_t i = 0; i < count; i++)
        members[i] = (struct ingot_validator){world->keys[first + i], first + i + 1};
    struct validator_set *set = validator_set_new(epoch, members, count, &why);
    INGOT_ASSERT(set != NULL);
    wire_seal_set(set);
    return set;
}

uint32_t attest_world_number(const struct attest_world *world, uint64_t epoch, uint32_t place)
{
    uint32_t number = 0;
    while (!crypto_key_equal(&world->keys[number], &world->sets[epoch]->validators[place].key))
        number++;
    return number;
}

static struct qc *make_qc(const struct attest_world *world, uint64_t epoch,
                          const struct block *block, enum phase phase, uint64_t view, uint32_t who)
{
    const struct validator_set *set = world->sets[epoch];
    struct qc *qc = qc_new((uint32_t)__builtin_popcount(who & ((1U << set->count) - 1)));
    qc->phase = phase;
    qc->epoch = epoch;
    qc->view = view;
    qc->block_view = block->view;
    qc->block = block->hash;
    qc->validator_count = set->count;
    uint32_t next = 0;
    for (uint32_t place = 0; place < set->count; place++) {
        if ((who >> place & 1) == 0)
            continue;
        const uint32_t number = attest_world_number(world, epoch, place);
        struct wire_signer signer = {.scheme = &crypto_ed25519,
                                     .secret = &world->secrets[number],
                                     .key = world->keys[number],
                                     .chain = world->genesis.hash};
        struct vote vote = {.epoch = epoch, .view = view, .block = block->hash, .phase = phase};
        const bool is_signed = wire_sign_vote(&signer, set, &vote);
        INGOT_ASSERT(is_signed);
        signers_add(&qc->signers, place);
        qc->signatures[next++] = vote.signature;
    }
    wire_seal_qc(qc);
    return qc;
}

/* A block of the world's chain, in the views of its epoch; its parent is made up. */
static struct block *make_parent(const struct attest_world *world, uint64_t epoch)
{
    struct block *block = block_new();
    block->version = BLOCK_VERSION;
    block->chain = world->genesis.hash;
    block->height = 10 * epoch + 1;
    block->view = world->sets[epoch]->first_view;
    crypto_blake2b(ingot_slice_of(&epoch, sizeof epoch), &block->hash);
    return block;
}

struct set_change attest_world_change(const struct attest_world *world, uint64_t epoch,
                                      const struct validator_set *next, uint32_t who)
{
    struct block *parent = make_parent(world, epoch);
    struct block *block = block_new();
    block->version = BLOCK_VERSION;
    block->chain = world->genesis.hash;
    block->height = parent->height + 1;
    block->view = parent->view + 1;
    block->time_ms = TIME_MS;
    block->parent = parent->hash;
    block->justify = make_qc(world, epoch, parent, PHASE_GENERIC, parent->view, ATTEST_WORLD_ALL);
    block->proposer = world->sets[epoch]->validators[0].key;
    block->validators_hash = world->sets[epoch]->hash;
    block->next_validators_hash = next->hash;
    wire_payload_root(ingot_slice_of(NULL, 0), &block->transactions_root, NULL);
    wire_seal_block_header(block);
    struct validator_set *opened =
        validator_set_new(next->epoch, next->validators, next->count, &(const char *){NULL});
    opened->first_view = epoch_first_view(block->view);
    wire_seal_set(opened);
    block_unref(parent);
    return (struct set_change){.header = block,
                               .commit_qc =
                                   make_qc(world, epoch, block, PHASE_COMMIT, block->view + 2, who),
                               .next_set = opened};
}

void attest_world_init(struct attest_world *world, const char *name, uint32_t member_count,
                       uint64_t epochs)
{
    *world = (struct attest_world){.member_count = member_count, .epochs = epochs};
    make_keys(world, name);
    make_genesis(world, name);
    world->sets[0] = attest_world_set(world, 0, 0, member_count);
    for (uint64_t epoch = 0; epoch < epochs; epoch++) {
        struct validator_set *next =
            attest_world_set(world, epoch + 1, (uint32_t)epoch + 1, member_count);
        const struct set_change change = attest_world_change(world, epoch, next, ATTEST_WORLD_ALL);
        validator_set_unref(next);
        world->sets[epoch + 1] = validator_set_ref(change.next_set);
        set_proof_add(&world->proof, change);
    }
}

void attest_world_deinit(struct attest_world *world)
{
    for (uint64_t epoch = 0; epoch <= world->epochs; epoch++)
        validator_set_unref(world->sets[epoch]);
    set_proof_deinit(&world->proof);
    genesis_deinit(&world->genesis);
}

struct statement attest_world_statement(const struct attest_world *world, uint64_t epoch,
                                        struct ingot_slice payload)
{
    struct statement statement = {.id.size = 32, .height = HEIGHT, .time_ms = TIME_MS};
    memcpy(statement.genesis, world->genesis.sha256, sizeof statement.genesis);
    statement_set_hash(world->sets[epoch], statement.set);
    crypto_sha256(payload, statement.digest);
    crypto_sha256(ingot_slice_of(statement.digest, sizeof statement.digest), statement.id.bytes);
    return statement;
}

struct attestation_signer attest_world_sign(const struct attest_world *world, uint32_t number,
                                            const struct statement *statement)
{
    struct attestation_signer signer = {.key = world->keys[number], .power = number + 1};
    uint8_t preimage[STATEMENT_PREIMAGE_BYTES];
    statement_preimage(statement, preimage);
    crypto_ed25519.sign(&world->secrets[number], ingot_slice_of(preimage, sizeof preimage),
                        &signer.signature);
    return signer;
}

void attest_world_attest(const struct attest_world *world, uint64_t epoch,
                         struct ingot_slice payload, uint32_t who, struct attestation *attestation)
{
    const struct validator_set *set = world->sets[epoch];
    *attestation = (struct attestation){
        .epoch = epoch,
        .statement = attest_world_statement(world, epoch, payload),
        .signers = alloc_zeroed(set->count, sizeof *attestation->signers),
    };
    memcpy(attestation->chain_id, world->genesis.chain_id, sizeof attestation->chain_id);
    for (uint32_t place = 0; place < set->count; place++)
        if ((who >> place & 1) != 0)
            attestation->signers[attestation->signer_count++] = attest_world_sign(
                world, attest_world_number(world, epoch, place), &attestation->statement);
}
