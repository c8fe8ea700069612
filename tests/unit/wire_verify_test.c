/*
 * Goal: no certificate counts that a quorum of the right set has not signed for this very purpose.
 * Method: valid certificates of a set of four, of which one thing is spoiled in each row.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "lib/verify_fixture.h"

/* --- Quorum certificates. --- */

static void a_qc_of_a_quorum_is_valid(void **state)
{
    struct verify_fixture *fixture = *state;
    static const uint32_t quorums[] = {0x7, 0xB, 0xD, 0xE, 0xF};
    for (size_t i = 0; i < sizeof quorums / sizeof quorums[0]; i++) {
        struct qc *qc = fixture_qc(&fixture->samples, quorums[i]);
        assert_int_equal(verify_qc(&fixture->verifier, qc), REJECT_NONE);
        qc_unref(qc);
    }
}

static void less_power_than_a_quorum_certifies_nothing(void **state)
{
    struct verify_fixture *fixture = *state;
    static const uint32_t minorities[] = {0x1, 0x3, 0xC, 0x9};
    for (size_t i = 0; i < sizeof minorities / sizeof minorities[0]; i++) {
        struct qc *qc = fixture_qc(&fixture->samples, minorities[i]);
        assert_int_equal(verify_qc(&fixture->verifier, qc), REJECT_NO_QUORUM);
        qc_unref(qc);
    }
    assert_int_equal(fixture->verifier.counters.verifications, 0);
}

static void a_quorum_is_counted_by_power_and_not_by_heads(void **state)
{
    struct verify_fixture *fixture = *state;
    struct samples *samples = &fixture->samples;
    samples->set->validators[0].power = 6; /* of 9: quorum 7 */
    samples->set->total_power = 9;
    samples->set->quorum_power = ingot_quorum_power(9);
    wire_seal_set(samples->set);
    struct qc *three_small_ones = fixture_qc(samples, 0xE);
    struct qc *two_with_the_heavy_one = fixture_qc(samples, 0x3);
    assert_int_equal(verify_qc(&fixture->verifier, three_small_ones), REJECT_NO_QUORUM);
    assert_int_equal(verify_qc(&fixture->verifier, two_with_the_heavy_one), REJECT_NONE);
    qc_unref(three_small_ones);
    qc_unref(two_with_the_heavy_one);
}

static void spoil_view(struct qc *qc)
{
    qc->view++;
    qc->block_view++;
}

static void spoil_view_alone(struct qc *qc)
{
    qc->view++;
}

static void spoil_block(struct qc *qc)
{
    qc->block.bytes[0] ^= 1;
}

static void spoil_phase(struct qc *qc)
{
    qc->phase = PHASE_PREPARE;
}

static void spoil_epoch(struct qc *qc)
{
    qc->epoch = 1;
}

static void spoil_unknown_epoch(struct qc *qc)
{
    qc->epoch = 2;
}

static void spoil_surplus_bit(struct qc *qc)
{
    signers_add(&qc->signers, 4);
    qc->signatures[qc->signature_count++] = qc->signatures[0];
}

static void spoil_count_low(struct qc *qc)
{
    qc->signature_count--;
}

static void spoil_count_high(struct qc *qc)
{
    qc->signatures[qc->signature_count++] = qc->signatures[0];
}

static void spoil_duplicate(struct qc *qc)
{
    /* The bitmap has no room for a signer twice: his second signature stands for another one. */
    qc->signatures[1] = qc->signatures[0];
}

static void spoil_set_size(struct qc *qc)
{
    qc->validator_count = 5;
}

static void spoil_surplus_signature(struct qc *qc)
{
    qc->signatures[3].bytes[40] ^= 1;
}

static void spoil_order(struct qc *qc)
{
    const struct ingot_signature first = qc->signatures[0];
    qc->signatures[0] = qc->signatures[1];
    qc->signatures[1] = first;
}

static void spoil_no_signatures(struct qc *qc)
{
    memset(&qc->signers, 0, sizeof qc->signers);
    qc->signature_count = 0;
}

struct qc_row {
    const char *why;
    void (*spoil)(struct qc *qc);
    enum reject expected;
    bool costs_signatures;
};

static void a_spoiled_qc_is_refused(void **state)
{
    struct verify_fixture *fixture = *state;
    static const struct qc_row rows[] = {
        {"view", spoil_view, REJECT_BAD_SIGNATURE, true},
        {"view that does not fit the phase", spoil_view_alone, REJECT_BINDING, false},
        {"block", spoil_block, REJECT_BAD_SIGNATURE, true},
        {"phase", spoil_phase, REJECT_BAD_SIGNATURE, true},
        {"set of another epoch", spoil_epoch, REJECT_BAD_SIGNATURE, true},
        {"unknown epoch", spoil_unknown_epoch, REJECT_UNKNOWN_EPOCH, false},
        {"a signer beyond the set", spoil_surplus_bit, REJECT_BAD_CERTIFICATE, false},
        {"a signature too few", spoil_count_low, REJECT_BAD_CERTIFICATE, false},
        {"a signature too many", spoil_count_high, REJECT_BAD_CERTIFICATE, false},
        {"one signer twice", spoil_duplicate, REJECT_BAD_SIGNATURE, true},
        {"bitmap of another length", spoil_set_size, REJECT_BAD_CERTIFICATE, false},
        {"one bad signature beyond the quorum", spoil_surplus_signature, REJECT_BAD_SIGNATURE,
         true},
        {"signatures out of order", spoil_order, REJECT_BAD_SIGNATURE, true},
        {"no signatures", spoil_no_signatures, REJECT_BAD_GENESIS_QC, false},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct qc *qc = fixture_qc(&fixture->samples, SAMPLES_ALL);
        rows[i].spoil(qc);
        const uint64_t before = fixture->verifier.counters.verifications;
        const enum reject reject = verify_qc(&fixture->verifier, qc);
        const bool costed = fixture->verifier.counters.verifications > before;
        if (reject != rows[i].expected || costed != rows[i].costs_signatures) {
            fail_msg("%s: got %s, signatures were %sverified", rows[i].why, reject_text(reject),
                     costed ? "" : "not ");
        }
        qc_unref(qc);
    }
    assert_int_equal(fixture->verifier.valid_count, 0);
}

static void each_phase_certifies_in_the_views_it_can(void **state)
{
    struct verify_fixture *fixture = *state;
    static const struct {
        enum phase phase;
        uint64_t views_later;
        enum reject expected;
    } rows[] = {
        {PHASE_GENERIC, 0, REJECT_NONE},      {PHASE_GENERIC, 1, REJECT_BINDING},
        {PHASE_PREPARE, 0, REJECT_NONE},      {PHASE_PREPARE, 5, REJECT_NONE},
        {PHASE_PRECOMMIT, 0, REJECT_BINDING}, {PHASE_PRECOMMIT, 1, REJECT_NONE},
        {PHASE_COMMIT, 1, REJECT_BINDING},    {PHASE_COMMIT, 2, REJECT_NONE},
    };
    const struct ingot_hash block = samples_hash(0xB1);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct qc *qc = samples_qc(&fixture->samples, SAMPLES_ALL, 8 + rows[i].views_later, 8,
                                   &block, rows[i].phase);
        assert_int_equal(verify_qc(&fixture->verifier, qc), rows[i].expected);
        qc_unref(qc);
    }
    struct qc *early = samples_qc(&fixture->samples, SAMPLES_ALL, 7, 8, &block, PHASE_PREPARE);
    assert_int_equal(verify_qc(&fixture->verifier, early), REJECT_BINDING);
    qc_unref(early);
}

static void a_qc_of_other_keys_or_another_chain_is_refused(void **state)
{
    struct verify_fixture *fixture = *state;
    struct qc *of_others = fixture_qc(&fixture->others, SAMPLES_ALL);
    assert_int_equal(verify_qc(&fixture->verifier, of_others), REJECT_BAD_SIGNATURE);
    qc_unref(of_others);

    struct samples elsewhere = fixture->samples;
    elsewhere.chain = samples_hash(0x77);
    struct qc *of_another_chain = fixture_qc(&elsewhere, SAMPLES_ALL);
    assert_int_equal(verify_qc(&fixture->verifier, of_another_chain), REJECT_BAD_SIGNATURE);
    qc_unref(of_another_chain);
}

static void expect_changed(struct verify_fixture *fixture, struct qc *qc, enum reject expected)
{
    wire_seal_qc(qc);
    assert_int_equal(verify_qc(&fixture->verifier, qc), expected);
}

static void the_genesis_qc_is_taken_as_exact_bytes_only(void **state)
{
    struct verify_fixture *fixture = *state;
    const struct ingot_hash *chain = &fixture->samples.chain;
    struct qc *genesis = wire_genesis_qc(chain);
    assert_int_equal(verify_qc(&fixture->verifier, genesis), REJECT_NONE);
    assert_int_equal(fixture->verifier.counters.verifications, 0);

    genesis->view = 1;
    expect_changed(fixture, genesis, REJECT_BAD_GENESIS_QC);
    genesis->view = 0;
    genesis->block_view = 1;
    expect_changed(fixture, genesis, REJECT_BAD_GENESIS_QC);
    genesis->block_view = 0;
    genesis->epoch = 1;
    expect_changed(fixture, genesis, REJECT_BAD_GENESIS_QC);
    genesis->epoch = 0;
    genesis->phase = PHASE_COMMIT;
    expect_changed(fixture, genesis, REJECT_BAD_GENESIS_QC);
    genesis->phase = PHASE_GENERIC;
    genesis->validator_count = 4;
    expect_changed(fixture, genesis, REJECT_BAD_GENESIS_QC);
    genesis->validator_count = 0;
    genesis->block.bytes[3] ^= 1;
    expect_changed(fixture, genesis, REJECT_BAD_GENESIS_QC);
    genesis->block = *chain;
    expect_changed(fixture, genesis, REJECT_NONE);
    qc_unref(genesis);

    /* Properly signed by everybody, and refused all the same: nobody votes for genesis. */
    struct qc *in_a_view = samples_qc(&fixture->samples, SAMPLES_ALL, 1, 1, chain, PHASE_GENERIC);
    struct qc *with_signers =
        samples_qc(&fixture->samples, SAMPLES_ALL, 0, 0, chain, PHASE_GENERIC);
    assert_int_equal(verify_qc(&fixture->verifier, in_a_view), REJECT_BAD_GENESIS_QC);
    assert_int_equal(verify_qc(&fixture->verifier, with_signers), REJECT_BAD_GENESIS_QC);
    qc_unref(in_a_view);
    qc_unref(with_signers);
}

static void a_valid_qc_is_verified_once(void **state)
{
    struct verify_fixture *fixture = *state;
    struct qc *qc = fixture_qc(&fixture->samples, QUORUM);
    assert_int_equal(verify_qc(&fixture->verifier, qc), REJECT_NONE);
    assert_int_equal(fixture->verifier.counters.verifications, 3);
    assert_int_equal(verify_qc(&fixture->verifier, qc), REJECT_NONE);
    assert_int_equal(fixture->verifier.counters.verifications, 3);
    assert_int_equal(fixture->verifier.certificates_remembered, 1);

    /* A change of the bytes makes it another certificate. */
    qc->signatures[2].bytes[63] ^= 1;
    expect_changed(fixture, qc, REJECT_BAD_SIGNATURE);
    qc_unref(qc);
}

static void only_the_latest_certificates_are_remembered(void **state)
{
    struct verify_fixture *fixture = *state;
    struct qc *first = fixture_qc(&fixture->samples, QUORUM);
    verifier_remember_qc(&fixture->verifier, first);
    assert_int_equal(verify_qc(&fixture->verifier, first), REJECT_NONE);
    assert_int_equal(fixture->verifier.counters.verifications, 0);
    for (uint32_t i = 0; i < VERIFIER_CERTIFICATES_MAX; i++) {
        struct qc *other = qc_new(1);
        other->view = i + 100;
        verifier_remember_qc(&fixture->verifier, other);
        verifier_remember_qc(&fixture->verifier, other); /* takes no second place */
        qc_unref(other);
    }
    assert_int_equal(fixture->verifier.valid_count, VERIFIER_CERTIFICATES_MAX);
    assert_int_equal(verify_qc(&fixture->verifier, first), REJECT_NONE);
    assert_int_equal(fixture->verifier.counters.verifications, 3);
    qc_unref(first);
}

/* --- Timeout certificates. --- */

static enum reject verify_and_drop(struct verify_fixture *fixture, struct tc *tc)
{
    const enum reject reject = verify_tc(&fixture->verifier, tc);
    tc_unref(tc);
    return reject;
}

static void a_tc_of_a_quorum_is_valid(void **state)
{
    struct verify_fixture *fixture = *state;
    assert_int_equal(verify_and_drop(fixture, fixture_tc(fixture, QUORUM, 8)), REJECT_NONE);
    assert_int_equal(verify_and_drop(fixture, fixture_tc(fixture, SAMPLES_ALL, 3)), REJECT_NONE);
    const uint64_t before = fixture->verifier.counters.verifications;
    assert_int_equal(verify_and_drop(fixture, fixture_tc(fixture, QUORUM, 8)), REJECT_NONE);
    assert_int_equal(fixture->verifier.counters.verifications, before);

    struct tc *from_genesis =
        samples_tc(&fixture->samples, QUORUM, 1, 0, wire_genesis_qc(&fixture->samples.chain));
    assert_int_equal(verify_and_drop(fixture, from_genesis), REJECT_NONE);
}

static void a_tc_whose_high_qc_is_not_its_highest_claim_is_refused(void **state)
{
    struct verify_fixture *fixture = *state;
    /* Somebody signed that he has seen view 9, but the certificate carries view 8 only. */
    assert_int_equal(verify_and_drop(fixture, fixture_tc(fixture, QUORUM, 9)), REJECT_BAD_CLAIM);
    /* All claim less than the high QC that is carried: it is not theirs. */
    struct tc *tc = fixture_tc(fixture, QUORUM, 8);
    for (uint32_t i = 0; i < tc->claim_count; i++) {
        tc->claims[i].view = 7;
    }
    assert_int_equal(verify_and_drop(fixture, tc), REJECT_BAD_CLAIM);
    /* A claim of the TC's own view, or above it. */
    assert_int_equal(verify_and_drop(fixture, fixture_tc(fixture, QUORUM, 12)), REJECT_BAD_CLAIM);
    tc = samples_tc(&fixture->samples, QUORUM, 8, 8, fixture_qc(&fixture->samples, QUORUM));
    assert_int_equal(verify_and_drop(fixture, tc), REJECT_BAD_CLAIM);
    assert_int_equal(fixture->verifier.counters.verifications, 0);
}

static void claims_are_covered_by_their_signatures(void **state)
{
    struct verify_fixture *fixture = *state;
    struct tc *tc = fixture_tc(fixture, QUORUM, 3);
    tc->claims[0].view = 4;
    assert_int_equal(verify_and_drop(fixture, tc), REJECT_BAD_SIGNATURE);
    tc = fixture_tc(fixture, QUORUM, 8);
    tc->view = 13;
    assert_int_equal(verify_and_drop(fixture, tc), REJECT_BAD_SIGNATURE);
}

static struct qc *commit_qc(const struct verify_fixture *fixture, uint64_t block_view)
{
    const struct ingot_hash block = samples_hash(0xB1);
    return samples_qc(&fixture->samples, QUORUM, 14, block_view, &block, PHASE_COMMIT);
}

/* Anybody can write another view of the block into a Commit QC: nobody's signature covers it. */
static void a_commit_qc_stands_right_before_the_epoch_that_it_opened(void **state)
{
    struct verify_fixture *fixture = *state;
    for (uint64_t block_view = 7; block_view <= 9; block_view++) {
        struct qc *qc = commit_qc(fixture, block_view);
        fixture->epochs_known = 1; /* where the next begins is not known yet */
        assert_int_equal(verify_qc(&fixture->verifier, qc), REJECT_NONE);
        fixture->epochs_known = 2; /* now it is, and having passed before does not help */
        assert_int_equal(verify_qc(&fixture->verifier, qc),
                         block_view == 8 ? REJECT_NONE : REJECT_BINDING);
        qc_unref(qc);
    }
}

static void a_tc_binds_the_position_of_a_commit_qc(void **state)
{
    struct verify_fixture *fixture = *state;
    for (uint64_t block_view = 7; block_view <= 9; block_view++) {
        /* Changed by somebody who passes it on. */
        struct tc *tc = samples_tc(&fixture->next, QUORUM, 12, 10, commit_qc(fixture, 8));
        tc->high_qc->block_view = block_view;
        assert_int_equal(verify_and_drop(fixture, tc),
                         block_view == 8 ? REJECT_NONE : REJECT_BAD_CLAIM);
        /* Changed by those who claim it. */
        tc = samples_tc(&fixture->next, QUORUM, 12, 9, commit_qc(fixture, block_view));
        assert_int_equal(verify_and_drop(fixture, tc),
                         block_view == 8 ? REJECT_NONE : REJECT_BINDING);
    }
}

static void a_spoiled_tc_is_refused(void **state)
{
    struct verify_fixture *fixture = *state;
    assert_int_equal(verify_and_drop(fixture, fixture_tc(fixture, 0x3, 8)), REJECT_NO_QUORUM);

    struct tc *tc = fixture_tc(fixture, SAMPLES_ALL, 8);
    tc->claims[3].signature.bytes[0] ^= 1; /* beyond the quorum */
    assert_int_equal(verify_and_drop(fixture, tc), REJECT_BAD_SIGNATURE);

    tc = fixture_tc(fixture, QUORUM, 8);
    signers_add(&tc->signers, 3);
    assert_int_equal(verify_and_drop(fixture, tc), REJECT_BAD_CERTIFICATE);

    tc = fixture_tc(fixture, QUORUM, 8);
    tc->epoch = 1; /* then high_qc is of another epoch */
    assert_int_equal(verify_and_drop(fixture, tc), REJECT_BAD_CLAIM);

    tc = fixture_tc(fixture, QUORUM, 8);
    tc->high_qc->signatures[0].bytes[0] ^= 1;
    assert_int_equal(verify_and_drop(fixture, tc), REJECT_BAD_SIGNATURE);

    struct qc *of_others = fixture_qc(&fixture->others, QUORUM);
    tc = samples_tc(&fixture->samples, QUORUM, 12, 8, of_others);
    assert_int_equal(verify_and_drop(fixture, tc), REJECT_BAD_SIGNATURE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(name)                                                                                 \
    cmocka_unit_test_setup_teardown(name, verify_fixture_set_up, verify_fixture_tear_down)
        TEST(a_qc_of_a_quorum_is_valid),
        TEST(less_power_than_a_quorum_certifies_nothing),
        TEST(a_quorum_is_counted_by_power_and_not_by_heads),
        TEST(a_spoiled_qc_is_refused),
        TEST(each_phase_certifies_in_the_views_it_can),
        TEST(a_qc_of_other_keys_or_another_chain_is_refused),
        TEST(the_genesis_qc_is_taken_as_exact_bytes_only),
        TEST(a_valid_qc_is_verified_once),
        TEST(only_the_latest_certificates_are_remembered),
        TEST(a_tc_of_a_quorum_is_valid),
        TEST(a_tc_whose_high_qc_is_not_its_highest_claim_is_refused),
        TEST(claims_are_covered_by_their_signatures),
        TEST(a_commit_qc_stands_right_before_the_epoch_that_it_opened),
        TEST(a_tc_binds_the_position_of_a_commit_qc),
        TEST(a_spoiled_tc_is_refused),
#undef TEST
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
