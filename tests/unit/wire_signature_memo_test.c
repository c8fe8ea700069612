/*
 * Signatures that are known to be good. Goal: what was verified or made before is not verified
 * again, and nothing else passes for it. Method: real ed25519 with its verifications counted;
 * known signatures are shown again as they were, and with any one thing about them changed.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "lib/verify_fixture.h"

/* --- The memo by itself. --- */

#define STATEMENT_BYTES 100

struct statement {
    uint8_t preimage[STATEMENT_BYTES];
    struct ingot_signature signature;
    struct signed_statement said;
};

static void state_of(struct statement *statement, uint32_t signer, uint8_t fill)
{
    memset(statement->preimage, fill, sizeof statement->preimage);
    memset(&statement->signature, fill + 1, sizeof statement->signature);
    statement->said = (struct signed_statement){
        signer, ingot_slice_of(statement->preimage, STATEMENT_BYTES), &statement->signature};
}

static void a_known_signature_is_known_by_all_of_its_bytes(void **state)
{
    (void)state;
    struct signature_memo *memo = signature_memo_new();
    struct statement it;
    state_of(&it, 2, 7);
    assert_false(signature_memo_has(memo, &it.said));
    signature_memo_add(memo, &it.said);
    assert_true(signature_memo_has(memo, &it.said));

    for (size_t i = 0; i < STATEMENT_BYTES; i++) {
        it.preimage[i] ^= 1;
        assert_false(signature_memo_has(memo, &it.said));
        it.preimage[i] ^= 1;
    }
    for (size_t i = 0; i < sizeof it.signature.bytes; i++) {
        it.signature.bytes[i] ^= 0x80;
        assert_false(signature_memo_has(memo, &it.said));
        it.signature.bytes[i] ^= 0x80;
    }
    it.said.preimage.size--;
    assert_false(signature_memo_has(memo, &it.said));
    it.said.preimage.size++;
    it.said.signer = 3;
    assert_false(signature_memo_has(memo, &it.said));
    it.said.signer = 2;
    assert_true(signature_memo_has(memo, &it.said));
    signature_memo_free(memo);
}

static void nobody_pushes_out_what_another_has_signed(void **state)
{
    (void)state;
    struct signature_memo *memo = signature_memo_new();
    struct statement honest;
    struct statement first;
    struct statement latest;
    state_of(&honest, 1, 200);
    state_of(&first, 0, 0);
    signature_memo_add(memo, &honest.said);
    signature_memo_add(memo, &first.said);
    for (uint8_t i = 1; i < SIGNATURE_MEMO_EACH; i++) {
        state_of(&latest, 0, i);
        signature_memo_add(memo, &latest.said);
        signature_memo_add(memo, &latest.said); /* takes no second place */
    }
    assert_true(signature_memo_has(memo, &first.said));
    for (uint8_t i = 0; i < 10 * SIGNATURE_MEMO_EACH; i++) {
        state_of(&latest, 0, 100 + i);
        signature_memo_add(memo, &latest.said);
    }
    assert_false(signature_memo_has(memo, &first.said));
    assert_true(signature_memo_has(memo, &latest.said));
    assert_true(signature_memo_has(memo, &honest.said));
    signature_memo_free(memo);
}

/* --- With the verifier. --- */

static int set_up(void **state)
{
    const int failed = verify_fixture_set_up(state);
    struct verify_fixture *fixture = *state;
    if (failed == 0) {
        fixture->verifier.signatures = signature_memo_new();
    }
    return failed;
}

static int tear_down(void **state)
{
    struct verify_fixture *fixture = *state;
    signature_memo_free(fixture->verifier.signatures);
    return verify_fixture_tear_down(state);
}

/* What verifying this costs, in signatures. */
static uint64_t cost_of_qc(struct verify_fixture *fixture, struct qc *qc, enum reject expected)
{
    const uint64_t before = fixture->verifier.counters.verifications;
    assert_int_equal(verify_qc(&fixture->verifier, qc), expected);
    qc_unref(qc);
    return fixture->verifier.counters.verifications - before;
}

static struct vote vote_of(const struct verify_fixture *fixture, uint32_t voter)
{
    const struct ingot_hash block = samples_hash(0xB1);
    return samples_vote(&fixture->samples, voter, 8, &block, PHASE_GENERIC);
}

static void a_vote_that_was_verified_costs_nothing_inside_a_certificate(void **state)
{
    struct verify_fixture *fixture = *state;
    const struct vote first = vote_of(fixture, 0);
    const struct vote second = vote_of(fixture, 2);
    assert_int_equal(verify_vote(&fixture->verifier, &first), REJECT_NONE);
    assert_int_equal(verify_vote(&fixture->verifier, &second), REJECT_NONE);
    assert_int_equal(fixture->verifier.counters.verifications, 2);

    assert_int_equal(cost_of_qc(fixture, fixture_qc(&fixture->samples, 0x7), REJECT_NONE), 1);
    /* Another certificate of the same votes and one more; and a vote that came in the first. */
    assert_int_equal(cost_of_qc(fixture, fixture_qc(&fixture->samples, 0xF), REJECT_NONE), 1);
    const struct vote late = vote_of(fixture, 3);
    assert_int_equal(verify_vote(&fixture->verifier, &late), REJECT_NONE);
    assert_int_equal(fixture->verifier.counters.verifications, 4);
}

static void a_known_signature_is_good_for_nothing_else(void **state)
{
    struct verify_fixture *fixture = *state;
    const struct samples *samples = &fixture->samples;
    for (uint32_t i = 0; i < 4; i++) {
        const struct vote vote = vote_of(fixture, i);
        assert_int_equal(verify_vote(&fixture->verifier, &vote), REJECT_NONE);
    }
    struct qc *of_another_view = fixture_qc(samples, SAMPLES_ALL);
    of_another_view->view = 9;
    of_another_view->block_view = 9;
    assert_int_equal(cost_of_qc(fixture, of_another_view, REJECT_BAD_SIGNATURE), 1);
    struct qc *of_another_block = fixture_qc(samples, SAMPLES_ALL);
    of_another_block->block.bytes[0] ^= 1;
    assert_int_equal(cost_of_qc(fixture, of_another_block, REJECT_BAD_SIGNATURE), 1);
    struct qc *of_another_phase = fixture_qc(samples, SAMPLES_ALL);
    of_another_phase->phase = PHASE_PREPARE;
    assert_int_equal(cost_of_qc(fixture, of_another_phase, REJECT_BAD_SIGNATURE), 1);
    /* The same members, one epoch later. */
    struct qc *of_another_set = fixture_qc(samples, SAMPLES_ALL);
    of_another_set->epoch = 1;
    assert_int_equal(cost_of_qc(fixture, of_another_set, REJECT_BAD_SIGNATURE), 1);
    struct qc *of_somebody_else = fixture_qc(samples, SAMPLES_ALL);
    of_somebody_else->signatures[3] = of_somebody_else->signatures[2];
    assert_int_equal(cost_of_qc(fixture, of_somebody_else, REJECT_BAD_SIGNATURE), 1);
    /* And what is said in the place of a known signature is looked at. */
    struct qc *forged = fixture_qc(samples, SAMPLES_ALL);
    forged->signatures[1].bytes[40] ^= 1;
    assert_int_equal(cost_of_qc(fixture, forged, REJECT_BAD_SIGNATURE), 1);
    assert_int_equal(cost_of_qc(fixture, fixture_qc(samples, SAMPLES_ALL), REJECT_NONE), 0);
}

static void a_signature_that_was_refused_is_verified_again(void **state)
{
    struct verify_fixture *fixture = *state;
    struct vote forged = vote_of(fixture, 1);
    forged.signature.bytes[0] ^= 1;
    for (uint64_t times = 1; times <= 3; times++) {
        assert_int_equal(verify_vote(&fixture->verifier, &forged), REJECT_BAD_SIGNATURE);
        assert_int_equal(fixture->verifier.counters.verifications, times);
    }
}

static void a_timeout_that_was_verified_costs_nothing_inside_a_tc(void **state)
{
    struct verify_fixture *fixture = *state;
    const struct samples *samples = &fixture->samples;
    for (uint32_t voter = 0; voter < 2; voter++) {
        struct message *message =
            samples_timeout(samples, voter, 12, fixture_qc(samples, QUORUM), NULL);
        assert_int_equal(verify_message(&fixture->verifier, message), REJECT_NONE);
        message_unref(message);
    }
    assert_int_equal(fixture->verifier.counters.verifications, 2 + 3);
    struct tc *tc = samples_tc(samples, QUORUM, 12, 8, fixture_qc(samples, QUORUM));
    assert_int_equal(verify_tc(&fixture->verifier, tc), REJECT_NONE);
    assert_int_equal(fixture->verifier.counters.verifications, 2 + 3 + 1);
    tc_unref(tc);
    /* Their claims are of the statement. */
    tc = samples_tc(samples, QUORUM, 12, 8, fixture_qc(samples, QUORUM));
    tc->claims[0].view = 7;
    assert_int_equal(verify_tc(&fixture->verifier, tc), REJECT_BAD_SIGNATURE);
    tc_unref(tc);
}

/* --- Our own. --- */

static struct wire_signer signer_of(struct verify_fixture *fixture, uint32_t member)
{
    const struct samples *samples = &fixture->samples;
    return (struct wire_signer){.scheme = samples->scheme,
                                .secret = &samples->secrets[member],
                                .key = samples->set->validators[member].key,
                                .chain = samples->chain,
                                .signatures = fixture->verifier.signatures};
}

static void our_own_signature_is_compared_with_what_we_signed(void **state)
{
    struct verify_fixture *fixture = *state;
    struct wire_signer signer = signer_of(fixture, 1);
    struct vote own = {.view = 8, .block = samples_hash(0xB1), .phase = PHASE_GENERIC};
    assert_true(wire_sign_vote(&signer, fixture->samples.set, &own));
    assert_int_equal(verify_vote(&fixture->verifier, &own), REJECT_NONE);
    assert_int_equal(fixture->verifier.counters.verifications, 0);

    struct qc *forged = fixture_qc(&fixture->samples, 0x7);
    forged->signatures[1].bytes[20] ^= 1;
    assert_int_equal(cost_of_qc(fixture, forged, REJECT_BAD_SIGNATURE), 2);
    struct qc *of_what_we_did_not_sign = fixture_qc(&fixture->samples, 0x7);
    of_what_we_did_not_sign->block.bytes[1] ^= 1;
    of_what_we_did_not_sign->signatures[1] = own.signature;
    assert_int_equal(cost_of_qc(fixture, of_what_we_did_not_sign, REJECT_BAD_SIGNATURE), 1);
    /* Signer 0 was verified with the forged one. */
    assert_int_equal(cost_of_qc(fixture, fixture_qc(&fixture->samples, 0x7), REJECT_NONE), 1);
}

static void our_own_timeout_is_compared_with_what_we_signed(void **state)
{
    struct verify_fixture *fixture = *state;
    struct wire_signer signer = signer_of(fixture, 2);
    struct qc *high_qc = fixture_qc(&fixture->samples, QUORUM);
    assert_int_equal(verify_qc(&fixture->verifier, high_qc), REJECT_NONE);
    struct timeout own = {.view = 12, .high_qc = high_qc};
    assert_true(wire_sign_timeout(&signer, fixture->samples.set, &own));
    assert_int_equal(verify_timeout(&fixture->verifier, &own), REJECT_NONE);
    assert_int_equal(fixture->verifier.counters.verifications, 3);
    own.signature.bytes[9] ^= 1;
    assert_int_equal(verify_timeout(&fixture->verifier, &own), REJECT_BAD_SIGNATURE);
    assert_int_equal(fixture->verifier.counters.verifications, 4);
    qc_unref(high_qc);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_known_signature_is_known_by_all_of_its_bytes),
        cmocka_unit_test(nobody_pushes_out_what_another_has_signed),
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
        TEST(a_vote_that_was_verified_costs_nothing_inside_a_certificate),
        TEST(a_known_signature_is_good_for_nothing_else),
        TEST(a_signature_that_was_refused_is_verified_again),
        TEST(a_timeout_that_was_verified_costs_nothing_inside_a_tc),
        TEST(our_own_signature_is_compared_with_what_we_signed),
        TEST(our_own_timeout_is_compared_with_what_we_signed),
#undef TEST
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
