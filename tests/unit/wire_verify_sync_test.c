/*
 * Goal: of an answer to a sync request nothing is believed but what is linked and certified, across
 * changes of the validator set too, and what precedes a fault or an unknown set is not lost with
 * it. Method: valid chains, of one set and of two, of which one thing is spoiled each time.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "lib/verify_fixture.h"

static enum reject verify_and_drop_message(struct verify_fixture *fixture, struct message *message)
{
    const enum reject reject = verify_message(&fixture->verifier, message);
    message_unref(message);
    return reject;
}

/* --- Chains of blocks. --- */

static void a_chain_of_blocks_is_valid(void **state)
{
    struct verify_fixture *fixture = *state;
    assert_int_equal(verify_and_drop_message(fixture, samples_sync_response(&fixture->samples, 6)),
                     REJECT_NONE);
}

static void a_chain_with_a_wrong_link_is_refused(void **state)
{
    struct verify_fixture *fixture = *state;
    struct message *message = samples_sync_response(&fixture->samples, 6);
    struct block **blocks = message->sync_response.blocks;
    struct block *third = blocks[2];
    blocks[2] = blocks[3];
    blocks[3] = third;
    assert_int_equal(verify_and_drop_message(fixture, message), REJECT_BINDING);

    message = samples_sync_response(&fixture->samples, 6);
    message->sync_response.blocks[3]->height++;
    assert_int_equal(verify_and_drop_message(fixture, message), REJECT_BINDING);

    message = samples_sync_response(&fixture->samples, 6);
    message->sync_response.blocks[3]->justify->block_view--;
    assert_int_equal(verify_and_drop_message(fixture, message), REJECT_BINDING);

    message = samples_sync_response(&fixture->samples, 6);
    message->sync_response.blocks[5]->time_ms = 5;
    assert_int_equal(verify_and_drop_message(fixture, message), REJECT_BINDING);

    message = samples_sync_response(&fixture->samples, 6);
    message->sync_response.blocks[5]->validators_hash.bytes[0] ^= 1;
    assert_int_equal(verify_and_drop_message(fixture, message), REJECT_BINDING);

    message = samples_sync_response(&fixture->samples, 6);
    message->sync_response.tail_qc->block.bytes[0] ^= 1;
    assert_int_equal(verify_and_drop_message(fixture, message), REJECT_BINDING);

    message = samples_sync_response(&fixture->samples, 0); /* a tail of no block */
    assert_int_equal(verify_and_drop_message(fixture, message), REJECT_BINDING);
    assert_int_equal(fixture->verifier.counters.verifications, 0);
}

static void every_certificate_of_a_chain_is_verified(void **state)
{
    struct verify_fixture *fixture = *state;
    struct message *message = samples_sync_response(&fixture->samples, 6);
    message->sync_response.tail_qc->signatures[3].bytes[0] ^= 1;
    assert_int_equal(verify_and_drop_message(fixture, message), REJECT_BAD_SIGNATURE);

    message = samples_sync_response(&fixture->samples, 6);
    message->sync_response.blocks[4]->justify->signatures[3].bytes[0] ^= 1;
    wire_seal_qc(message->sync_response.blocks[4]->justify);
    assert_int_equal(verify_and_drop_message(fixture, message), REJECT_BAD_SIGNATURE);
}

/* --- Prefixes. --- */

static void expect_prefix(struct verify_fixture *fixture, const struct message *message,
                          uint32_t first, enum reject reject, uint32_t certified)
{
    uint32_t count = UINT32_MAX;
    assert_int_equal(
        verify_sync_prefix(&fixture->verifier, &message->sync_response, first, NULL, &count),
        reject);
    assert_int_equal(count, certified);
}

static void a_chain_that_changes_the_set_is_valid(void **state)
{
    struct verify_fixture *fixture = *state;
    struct message *message = fixture_changing_chain(fixture);
    expect_prefix(fixture, message, 0, REJECT_NONE, CHAIN_LENGTH);
    assert_int_equal(fixture->verifier.counters.verifications, 3 * CHAIN_LENGTH);
    assert_int_equal(verify_and_drop_message(fixture, message), REJECT_NONE);
}

static void a_prefix_ends_before_the_first_certificate_of_an_unknown_set(void **state)
{
    struct verify_fixture *fixture = *state;
    struct message *message = fixture_changing_chain(fixture);
    fixture->epochs_known = 1;
    expect_prefix(fixture, message, 0, REJECT_NONE, CHANGES_AT + 1);
    assert_int_equal(fixture->verifier.counters.verifications, 3 * (CHANGES_AT + 1));
    assert_int_equal(verify_message(&fixture->verifier, message), REJECT_UNKNOWN_EPOCH);

    /* Without the set there is no more to learn. */
    expect_prefix(fixture, message, CHANGES_AT + 1, REJECT_NONE, 0);

    /* With it the rest is, and nothing that was refused before is taken for verified. */
    fixture->epochs_known = 2;
    fixture->verifier.counters.verifications = 0;
    expect_prefix(fixture, message, CHANGES_AT + 1, REJECT_NONE, CHAIN_LENGTH - CHANGES_AT - 1);
    assert_int_equal(fixture->verifier.counters.verifications, 3 * (CHAIN_LENGTH - CHANGES_AT - 1));
    message_unref(message);
}

static void what_comes_before_a_fault_is_good(void **state)
{
    struct verify_fixture *fixture = *state;
    struct message *message = fixture_changing_chain(fixture);
    message->sync_response.blocks[4]->justify->signatures[1].bytes[0] ^= 1;
    wire_seal_qc(message->sync_response.blocks[4]->justify);
    expect_prefix(fixture, message, 0, REJECT_BAD_SIGNATURE, 3);
    message_unref(message);

    message = fixture_changing_chain(fixture);
    message->sync_response.blocks[4]->height++;
    expect_prefix(fixture, message, 0, REJECT_BINDING, 3);
    expect_prefix(fixture, message, 2, REJECT_BINDING, 1);
    message_unref(message);

    message = fixture_changing_chain(fixture);
    message->sync_response.tail_qc->signatures[1].bytes[0] ^= 1;
    expect_prefix(fixture, message, 0, REJECT_BAD_SIGNATURE, CHAIN_LENGTH - 1);
    message_unref(message);
}

static void every_certificate_of_a_prefix_is_verified(void **state)
{
    struct verify_fixture *fixture = *state;
    for (uint32_t i = 1; i <= CHAIN_LENGTH; i++) {
        struct message *message = fixture_changing_chain(fixture);
        const struct sync_response *response = &message->sync_response;
        struct qc *qc = i < CHAIN_LENGTH ? response->blocks[i]->justify : response->tail_qc;
        qc->signatures[2].bytes[0] ^= 1;
        wire_seal_qc(qc);
        expect_prefix(fixture, message, 0, REJECT_BAD_SIGNATURE, i - 1);
        message_unref(message);
    }
    /* That of the first block, too: who asked may hold another one for the same block. */
    struct message *message = samples_sync_response(&fixture->samples, 6);
    message->sync_response.blocks[0]->justify->block.bytes[0] ^= 1;
    wire_seal_qc(message->sync_response.blocks[0]->justify);
    message->sync_response.blocks[0]->parent.bytes[0] ^= 1;
    expect_prefix(fixture, message, 0, REJECT_BAD_GENESIS_QC, 0);
    message_unref(message);
}

static void without_a_tail_the_last_block_is_not_certified(void **state)
{
    struct verify_fixture *fixture = *state;
    struct message *message = samples_sync_response(&fixture->samples, 3);
    qc_unref(message->sync_response.tail_qc);
    message->sync_response.tail_qc = NULL;
    expect_prefix(fixture, message, 0, REJECT_NONE, 2);
    expect_prefix(fixture, message, 2, REJECT_NONE, 0);
    expect_prefix(fixture, message, 3, REJECT_NONE, 0);
    message_unref(message);

    message = message_new(MESSAGE_SYNC_RESPONSE); /* nothing at all */
    expect_prefix(fixture, message, 0, REJECT_NONE, 0);
    message_unref(message);
}

/* Replaces the certificate of the block that changes the set. */
static struct message *chain_changed_by(const struct verify_fixture *fixture, struct qc *commit)
{
    struct message *message = fixture_changing_chain(fixture);
    struct block *child = message->sync_response.blocks[CHANGES_AT + 1];
    qc_unref(child->justify);
    child->justify = commit;
    return message;
}

/* Its signatures hold all the same, and whoever shows it may have been shown it so. */
static void a_tail_certifies_though_it_lies_about_the_view_of_its_block(void **state)
{
    struct verify_fixture *fixture = *state;
    struct message *message = fixture_changing_chain(fixture);
    struct sync_response *response = &message->sync_response;
    while (response->block_count > CHANGES_AT + 1) {
        block_unref(response->blocks[--response->block_count]);
    }
    const struct block *last = response->blocks[CHANGES_AT];
    qc_unref(response->tail_qc);
    response->tail_qc = samples_qc(&fixture->samples, QUORUM, last->view + 1, last->view - 1,
                                   &last->hash, PHASE_PREPARE);
    expect_prefix(fixture, message, 0, REJECT_NONE, CHANGES_AT + 1);
    message_unref(message);
}

static void a_set_changes_by_the_commit_qc_alone(void **state)
{
    struct verify_fixture *fixture = *state;
    struct message *message = fixture_changing_chain(fixture);
    const struct block *block = message->sync_response.blocks[CHANGES_AT];
    const struct ingot_hash hash = block->hash;
    const uint64_t view = block->view;
    message_unref(message);

    for (int phase = PHASE_GENERIC; phase <= PHASE_COMMIT; phase++) {
        message = chain_changed_by(fixture, samples_qc(&fixture->samples, QUORUM,
                                                       phase == PHASE_GENERIC ? view : view + 2,
                                                       view, &hash, (enum phase)phase));
        expect_prefix(fixture, message, 0,
                      (enum phase)phase == PHASE_COMMIT ? REJECT_NONE : REJECT_BINDING,
                      (enum phase)phase == PHASE_COMMIT ? CHAIN_LENGTH : CHANGES_AT);
        message_unref(message);
    }

    /* And one that changes nothing is certified by the Generic one alone. */
    message = samples_sync_response(&fixture->samples, 3);
    for (int phase = PHASE_PREPARE; phase <= PHASE_COMMIT; phase++) {
        struct sync_response *response = &message->sync_response;
        const struct ingot_hash last = response->blocks[2]->hash;
        qc_unref(response->tail_qc);
        response->tail_qc = samples_qc(&fixture->samples, QUORUM, 5, 3, &last, (enum phase)phase);
        expect_prefix(fixture, message, 0, REJECT_BINDING, 2);
    }
    message_unref(message);

    /* Signed by a quorum of the next set, or of strangers. */
    message = chain_changed_by(
        fixture, samples_qc(&fixture->next, QUORUM, view + 2, view, &hash, PHASE_COMMIT));
    expect_prefix(fixture, message, 0, REJECT_BINDING, CHANGES_AT);
    message_unref(message);
    message = chain_changed_by(
        fixture, samples_qc(&fixture->others, QUORUM, view + 2, view, &hash, PHASE_COMMIT));
    expect_prefix(fixture, message, 0, REJECT_BAD_SIGNATURE, CHANGES_AT);
    message_unref(message);

    /* A view of the block that the signatures do not cover. */
    message = chain_changed_by(
        fixture, samples_qc(&fixture->samples, QUORUM, view + 4, view - 1, &hash, PHASE_COMMIT));
    expect_prefix(fixture, message, 0, REJECT_BINDING, CHANGES_AT);
    message_unref(message);

    /* A child of the old set. */
    message = fixture_changing_chain(fixture);
    message->sync_response.blocks[CHANGES_AT + 1]->validators_hash = fixture->samples.set->hash;
    expect_prefix(fixture, message, 0, REJECT_BINDING, CHANGES_AT);
    message_unref(message);
}

static void what_is_proven_costs_nothing_and_passes_every_other_check(void **state)
{
    struct verify_fixture *fixture = *state;
    struct message *message = fixture_changing_chain(fixture);
    struct sync_response *response = &message->sync_response;
    bool proven[CHAIN_LENGTH + 1] = {false};
    uint32_t count;
    /* Two certificates, one of each epoch. */
    proven[1] = true;
    proven[CHAIN_LENGTH] = true;
    assert_int_equal(verify_sync_prefix(&fixture->verifier, response, 0, proven, &count),
                     REJECT_NONE);
    assert_int_equal(count, CHAIN_LENGTH);
    assert_int_equal(fixture->verifier.counters.verifications, 3 * (CHAIN_LENGTH - 2));

    /* All of them, of a chain with another mistake each time. */
    memset(proven, true, sizeof proven);
    response->blocks[4]->height++;
    assert_int_equal(verify_sync_prefix(&fixture->verifier, response, 0, proven, &count),
                     REJECT_BINDING);
    assert_int_equal(count, 3);
    response->blocks[4]->height--;
    struct qc *justify = response->blocks[2]->justify;
    signers_add(&justify->signers, 3); /* who has not signed */
    wire_seal_qc(justify);
    assert_int_equal(verify_sync_prefix(&fixture->verifier, response, 0, proven, &count),
                     REJECT_BAD_CERTIFICATE);
    assert_int_equal(count, 1);
    message_unref(message);

    message = fixture_changing_chain(fixture);
    fixture->epochs_known = 1;
    assert_int_equal(
        verify_sync_prefix(&fixture->verifier, &message->sync_response, 0, proven, &count),
        REJECT_NONE);
    assert_int_equal(count, CHANGES_AT + 1);
    message_unref(message);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(name)                                                                                 \
    cmocka_unit_test_setup_teardown(name, verify_fixture_set_up, verify_fixture_tear_down)
        TEST(a_chain_of_blocks_is_valid),
        TEST(a_chain_with_a_wrong_link_is_refused),
        TEST(every_certificate_of_a_chain_is_verified),
        TEST(a_chain_that_changes_the_set_is_valid),
        TEST(a_prefix_ends_before_the_first_certificate_of_an_unknown_set),
        TEST(what_comes_before_a_fault_is_good),
        TEST(every_certificate_of_a_prefix_is_verified),
        TEST(without_a_tail_the_last_block_is_not_certified),
        TEST(a_tail_certifies_though_it_lies_about_the_view_of_its_block),
        TEST(a_set_changes_by_the_commit_qc_alone),
        TEST(what_is_proven_costs_nothing_and_passes_every_other_check),
#undef TEST
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
