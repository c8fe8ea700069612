/*
 * Proofs of validator sets out of a ledger. Goal: every change that is committed and certified is
 * in one, pruned or not, and none that is not. Method: chains with changes in a ledger in memory;
 * each change is checked against the set before it.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "lib/checkpoint_chain.h"
#include "lib/fast_crypto.h"
#include "node/set_proof_ledger.h"
#include "wire/verify.h"

#define ROOM ((size_t)1024 * 1024)

static struct checkpoint_chain chain;

static int tear_down(void **state)
{
    (void)state;
    checkpoint_chain_deinit(&chain);
    return 0;
}

/* `height` blocks, of which those in `changes` (bit h: height h) change the set. */
static void make_chain(uint64_t height, unsigned changes, uint64_t retain_blocks)
{
    checkpoint_chain_init(&chain, retain_blocks);
    for (uint64_t h = 1; h <= height; h++)
        checkpoint_chain_commit(&chain, (changes >> h & 1) != 0);
}

static struct validator_set *find_set(void *context, uint64_t epoch)
{
    (void)context;
    return epoch < chain.epoch_count ? chain.epochs[epoch].set : NULL;
}

static enum ingot_error ask(uint64_t first_epoch, size_t bytes_max, struct set_proof *proof)
{
    return ledger_set_proof(chain.world->ledger, first_epoch, bytes_max, proof);
}

/* The changes of these epochs, all proven. */
static void assert_proves(uint64_t first_epoch, uint32_t count, size_t bytes_max)
{
    struct set_proof proof;
    struct verifier verifier;
    assert_int_equal(ask(first_epoch, bytes_max, &proof), INGOT_OK);
    assert_int_equal(proof.change_count, count);
    assert_int_equal(proof.first_epoch, first_epoch);
    verifier_init(&verifier, &chain.world->genesis->hash, &fast_crypto, find_set, NULL);
    for (uint32_t i = 0; i < count; i++) {
        const struct set_change *change = &proof.changes[i];
        assert_true(block_changes_set(change->header));
        assert_true(crypto_hash_equal(&change->header->validators_hash,
                                      &chain.epochs[first_epoch + i].set->hash));
        assert_int_equal(verify_block_certificate(&verifier, change->header, change->commit_qc),
                         REJECT_NONE);
        assert_true(verify_next_set(change->header, change->next_set));
        assert_int_equal(change->header->payload.size, 0);
        assert_int_equal(change->header->transaction_count, 2);
    }
    set_proof_deinit(&proof);
}

static void assert_nothing(uint64_t first_epoch)
{
    struct set_proof proof;
    assert_int_equal(ask(first_epoch, ROOM, &proof), INGOT_ERROR_NOT_FOUND);
    assert_int_equal(proof.change_count, 0);
}

static void all_changes_are_proven_from_any_epoch_on(void **state)
{
    (void)state;
    make_chain(12, 1U << 2 | 1U << 5 | 1U << 6, 0);
    checkpoint_chain_finish(&chain);
    assert_proves(0, 3, ROOM);
    assert_proves(1, 2, ROOM);
    assert_proves(2, 1, ROOM);
    assert_nothing(3);
    assert_nothing(UINT64_MAX);
}

static void a_chain_without_changes_has_nothing_to_prove(void **state)
{
    (void)state;
    make_chain(0, 0, 0);
    assert_nothing(0);
    checkpoint_chain_deinit(&chain);
    make_chain(5, 0, 0);
    checkpoint_chain_finish(&chain);
    assert_nothing(0);
}

static void changes_that_were_pruned_are_still_proven(void **state)
{
    (void)state;
    make_chain(30, 1U << 2 | 1U << 5 | 1U << 28, 4);
    checkpoint_chain_finish(&chain);
    assert_true(ledger_lowest_height(chain.world->ledger) > 6);
    assert_proves(0, 3, ROOM);
    assert_proves(1, 2, ROOM);
    assert_proves(2, 1, ROOM);
}

static void at_least_one_change_is_given_whatever_the_room(void **state)
{
    (void)state;
    make_chain(12, 1U << 2 | 1U << 5 | 1U << 6, 0);
    checkpoint_chain_finish(&chain);
    assert_proves(0, 1, 0);
    struct set_proof proof;
    struct ingot_buffer json = {0};
    uint8_t genesis[32] = {0};
    assert_int_equal(ask(0, ROOM, &proof), INGOT_OK);
    set_proof_format(&proof, genesis, &json);
    assert_proves(0, 3, json.size);
    /* What fits is never more than the room, but for the envelope of type and genesis. */
    assert_proves(0, 2, json.size - 200);
    ingot_buffer_deinit(&json);
    set_proof_deinit(&proof);
}

static void the_newest_change_waits_for_its_certificate(void **state)
{
    (void)state;
    make_chain(6, 1U << 2 | 1U << 6, 0);
    /* The safety record is still that of genesis, and the change has no child. */
    assert_proves(0, 1, ROOM);
    assert_nothing(1);
    /* A certificate of an earlier phase is none of the change. */
    struct qc *precommit = samples_qc(&chain.epochs[1], 7, chain.tip->view + 1, chain.tip->view,
                                      &chain.tip->hash, PHASE_PRECOMMIT);
    ledger_put_safety(chain.world->ledger, &(struct core_safety){.high_qc = precommit});
    world_sync(chain.world);
    qc_unref(precommit);
    assert_nothing(1);
    checkpoint_chain_finish(&chain);
    assert_proves(0, 2, ROOM);
    assert_proves(1, 1, ROOM);
}

static void a_child_that_is_not_committed_brings_the_certificate_too(void **state)
{
    (void)state;
    make_chain(6, 1U << 6, 0);
    assert_nothing(0);
    struct qc *commit = samples_qc(&chain.epochs[0], 7, chain.tip->view + 2, chain.tip->view,
                                   &chain.tip->hash, PHASE_COMMIT);
    struct ledger_entry child = {.execution = world_execution(2, NULL, 0),
                                 .block = samples_block(&chain.epochs[1], commit, 7,
                                                        epoch_first_view(chain.tip->view), 2, 50)};
    child.block->updates_hash = child.execution->updates_hash;
    child.block->validators_hash = chain.epochs[1].set->hash;
    child.block->next_validators_hash = chain.epochs[1].set->hash;
    wire_seal_block(child.block);
    world_put(chain.world, &child);
    world_sync(chain.world);
    assert_proves(0, 1, ROOM);
    ledger_entry_deinit(&child);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(all_changes_are_proven_from_any_epoch_on, tear_down),
        cmocka_unit_test_teardown(a_chain_without_changes_has_nothing_to_prove, tear_down),
        cmocka_unit_test_teardown(changes_that_were_pruned_are_still_proven, tear_down),
        cmocka_unit_test_teardown(at_least_one_change_is_given_whatever_the_room, tear_down),
        cmocka_unit_test_teardown(the_newest_change_waits_for_its_certificate, tear_down),
        cmocka_unit_test_teardown(a_child_that_is_not_committed_brings_the_certificate_too,
                                  tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
