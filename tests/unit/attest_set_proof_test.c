/*
 * From the genesis to a later validator set. Goal: what the changes prove is found, and a chain of
 * changes with anything wrong in it proves nothing, with a reason. Method: proofs of three changes
 * with real signatures, each spoiled in one thing; attestations of the sets they lead to.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "lib/attest_world.h"
#include "wire/wire.h"

#define EPOCHS 3

static struct attest_world world;
static struct attest_world other; /* another chain of the same shape */
static char why[1024];

static int set_up(void **state)
{
    (void)state;
    if (!crypto_init())
        return -1;
    attest_world_init(&world, "chain", 4, EPOCHS);
    attest_world_init(&other, "other", 4, EPOCHS);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    attest_world_deinit(&world);
    attest_world_deinit(&other);
    return 0;
}

/* The world's changes of the epochs from `first` to before `end`, as values of their own. */
static struct set_proof copy_proof(uint64_t first, uint64_t end)
{
    struct set_proof proof = {0};
    for (uint64_t epoch = first; epoch < end; epoch++)
        set_proof_add(&proof,
                      attest_world_change(&world, epoch, world.sets[epoch + 1], ATTEST_WORLD_ALL));
    return proof;
}

static void changes_survive_their_json(void **state)
{
    (void)state;
    struct ingot_buffer json = {0};
    struct ingot_buffer again = {0};
    struct set_proof proof;
    set_proof_format(&world.proof, world.genesis.sha256, &json);
    if (set_proof_parse(ingot_buffer_slice(&json), world.genesis.sha256, &proof, why, sizeof why) !=
        INGOT_OK)
        fail_msg("%s", why);
    assert_int_equal(proof.first_epoch, 0);
    assert_int_equal(proof.change_count, EPOCHS);
    set_proof_format(&proof, world.genesis.sha256, &again);
    assert_true(ingot_slice_equal(ingot_buffer_slice(&json), ingot_buffer_slice(&again)));
    set_proof_deinit(&proof);
    ingot_buffer_clear(&json);
    set_proof_format(&(struct set_proof){0}, world.genesis.sha256, &json);
    assert_int_equal(set_proof_parse(ingot_buffer_slice(&json), NULL, &proof, why, sizeof why),
                     INGOT_OK);
    assert_int_equal(proof.change_count, 0);
    assert_int_equal(
        set_proof_parse(ingot_buffer_slice(&json), other.genesis.sha256, &proof, why, sizeof why),
        INGOT_ERROR_INVALID);
    assert_string_equal(why, "genesis: it is of another chain");
    ingot_buffer_deinit(&json);
    ingot_buffer_deinit(&again);
}

static void texts_that_are_not_exactly_right_are_refused(void **state)
{
    (void)state;
    static const struct {
        const char *old;
        const char *new;
        const char *reason;
    } rows[] = {
        {"sets/1", "sets/2", "type: expected \"ingot/validator-sets/1\""},
        {"\"genesis\":\"", "\"genesis\":\"0", "genesis: expected 64 hex digits"},
        {"\"genesis\"", "\"x\":1,\"genesis\"", "x: unknown member"},
        {"\"set_changes\"", "\"set_change\"", "set_change: unknown member"},
        {"[{", "[1,{", "set_changes: expected objects, element 0 is none"},
        {"{\"header\"", "{\"x\":1,\"header\"", "set_changes[0].x: unknown member"},
        {"\"header\":\"", "\"header\":\"AAAA", "set_changes[0].header: does not decode"},
        {"\"commit_qc\":\"", "\"commit_qc\":\"!", "set_changes[0].commit_qc: expected base64"},
        {"\"commit_qc\":\"", "\"commit_qc\":\"AAAA", "set_changes[0].commit_qc: does not decode"},
        {"\"next_set\":\"", "\"next_set\":\"AAAA", "set_changes[0].next_set: does not decode"},
    };
    struct ingot_buffer json = {0};
    set_proof_format(&world.proof, world.genesis.sha256, &json);
    ingot_buffer_append_u8(&json, 0);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct ingot_buffer text = {0};
        struct set_proof proof;
        const char *at = strstr((const char *)json.data, rows[i].old);
        assert_non_null(at);
        ingot_buffer_append(&text, json.data, (size_t)(at - (const char *)json.data));
        ingot_buffer_append_slice(&text, ingot_slice_of_text(rows[i].new));
        ingot_buffer_append_slice(&text, ingot_slice_of_text(at + strlen(rows[i].old)));
        if (set_proof_parse(ingot_buffer_slice(&text), NULL, &proof, why, sizeof why) !=
                INGOT_ERROR_INVALID ||
            strstr(why, rows[i].reason) == NULL)
            fail_msg("%s: '%s'", rows[i].new, why);
        assert_null(proof.changes);
        ingot_buffer_deinit(&text);
    }
    ingot_buffer_deinit(&json);
}

static void parts_of_a_proof_are_put_together(void **state)
{
    (void)state;
    struct set_proof proof = copy_proof(0, 1);
    struct set_proof later = copy_proof(2, 3);
    struct set_proof middle = copy_proof(1, 2);
    assert_false(set_proof_extend(&proof, &later));
    assert_int_equal(later.change_count, 1);
    assert_true(set_proof_extend(&proof, &middle));
    assert_true(set_proof_extend(&proof, &later));
    assert_int_equal(proof.change_count, EPOCHS);
    struct validator_set *set;
    assert_int_equal(set_proof_follow(&proof, &world.genesis, EPOCHS, &set, why, sizeof why),
                     INGOT_OK);
    validator_set_unref(set);
    set_proof_deinit(&proof);
    set_proof_deinit(&middle);
    set_proof_deinit(&later);
}

static void each_epochs_set_is_found(void **state)
{
    (void)state;
    struct validator_set *set;
    for (uint64_t epoch = 0; epoch <= EPOCHS; epoch++) {
        if (set_proof_follow(&world.proof, &world.genesis, epoch, &set, why, sizeof why) !=
            INGOT_OK)
            fail_msg("%s", why);
        assert_true(crypto_hash_equal(&set->hash, &world.sets[epoch]->hash));
        validator_set_unref(set);
    }
    assert_int_equal(
        set_proof_follow(&world.proof, &world.genesis, EPOCHS + 1, &set, why, sizeof why),
        INGOT_ERROR_NOT_FOUND);
    assert_null(set);
    assert_non_null(strstr(why, "end before epoch 4: that of epoch 3 is missing"));
}

/* --- What proves nothing. --- */

static void change_of_another_chain(struct set_proof *proof)
{
    set_change_deinit(&proof->changes[1]);
    proof->changes[1] = attest_world_change(&other, 1, other.sets[2], ATTEST_WORLD_ALL);
}

static void replace(struct set_proof *proof, const struct validator_set *next, uint32_t who)
{
    set_change_deinit(&proof->changes[1]);
    proof->changes[1] = attest_world_change(&world, 1, next, who);
}

static void too_few_signed(struct set_proof *proof)
{
    replace(proof, world.sets[2], 0x1);
}

/* Of the same members in the same views, but the block says that it is of another epoch's set. */
static void not_of_the_set_so_far(struct set_proof *proof)
{
    proof->changes[1].header->validators_hash = world.sets[2]->hash;
    wire_seal_block_header(proof->changes[1].header);
}

static void another_certificate(struct set_proof *proof)
{
    qc_unref(proof->changes[1].commit_qc);
    proof->changes[1].commit_qc = qc_ref(proof->changes[0].commit_qc);
}

static void only_prepared(struct set_proof *proof)
{
    proof->changes[1].commit_qc->phase = PHASE_PREPARE;
    wire_seal_qc(proof->changes[1].commit_qc);
}

static void a_signature_is_wrong(struct set_proof *proof)
{
    proof->changes[1].commit_qc->signatures[3].bytes[0] ^= 1;
    wire_seal_qc(proof->changes[1].commit_qc);
}

static void a_signer_of_no_member(struct set_proof *proof)
{
    struct qc *qc = proof->changes[1].commit_qc;
    qc->validator_count = 5;
    wire_seal_qc(qc);
}

static void another_block(struct set_proof *proof)
{
    proof->changes[1].header->time_ms++;
    wire_seal_block_header(proof->changes[1].header);
}

static void another_next_set(struct set_proof *proof)
{
    validator_set_unref(proof->changes[1].next_set);
    proof->changes[1].next_set = attest_world_set(&world, 2, 5, 4);
}

static void another_first_view(struct set_proof *proof)
{
    proof->changes[1].next_set->first_view++;
}

static void no_change_at_all(struct set_proof *proof)
{
    replace(proof, world.sets[1], ATTEST_WORLD_ALL);
}

static void another_justify(struct set_proof *proof)
{
    proof->changes[1].header->parent.bytes[0] ^= 1;
    wire_seal_block_header(proof->changes[1].header);
}

static void changes_that_do_not_hold_prove_nothing(void **state)
{
    (void)state;
    static const struct {
        void (*spoil)(struct set_proof *proof);
        const char *reason;
    } rows[] = {
        {change_of_another_chain, "its block is of another chain"},
        {too_few_signed, "its certificate is not signed by a quorum"},
        {not_of_the_set_so_far, "its block is not of the validator set that the changes before"},
        {another_certificate, "its certificate is of another block or phase"},
        {only_prepared, "its certificate is of another block or phase"},
        {a_signature_is_wrong, "its certificate has a signature that does not verify"},
        {a_signer_of_no_member, "its certificate is not one of this validator set"},
        {another_block, "its certificate is of another block or phase"},
        {another_next_set, "its next validator set is not the one that was voted in"},
        {another_first_view, "its next validator set is not the one that was voted in"},
        {no_change_at_all, "its block changes no validator set"},
        {another_justify, "its block does not fit its own justify and epoch"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct set_proof proof = copy_proof(0, EPOCHS);
        struct validator_set *set;
        rows[i].spoil(&proof);
        if (set_proof_follow(&proof, &world.genesis, EPOCHS, &set, why, sizeof why) !=
                INGOT_ERROR_REJECTED ||
            strstr(why, rows[i].reason) == NULL ||
            strstr(why, "the change of the validator set of epoch 1: ") == NULL)
            fail_msg("row %zu: '%s', expected '%s'", i, why, rows[i].reason);
        assert_null(set);
        /* What comes before is as good as ever. */
        assert_int_equal(set_proof_follow(&proof, &world.genesis, 1, &set, why, sizeof why),
                         INGOT_OK);
        validator_set_unref(set);
        set_proof_deinit(&proof);
    }
}

static void a_proof_that_begins_later_proves_nothing(void **state)
{
    (void)state;
    struct set_proof proof = copy_proof(1, EPOCHS);
    struct validator_set *set;
    assert_int_equal(set_proof_follow(&proof, &world.genesis, 2, &set, why, sizeof why),
                     INGOT_ERROR_REJECTED);
    assert_non_null(strstr(why, "begin with that of epoch 1: that of epoch 0 is missing"));
    set_proof_deinit(&proof);
}

/* --- Files. --- */

static void a_file_of_a_later_epoch_needs_nothing_but_the_genesis(void **state)
{
    (void)state;
    struct attestation attestation;
    struct attestation parsed;
    struct set_proof proof;
    struct ingot_buffer text = {0};
    struct ingot_buffer again = {0};
    attest_world_attest(&world, EPOCHS, ingot_slice_of_text("x"), ATTEST_WORLD_ALL, &attestation);
    attestation_file_format(&attestation, &world.proof, &text);
    if (attestation_file_parse(ingot_buffer_slice(&text), &parsed, &proof, why, sizeof why) !=
        INGOT_OK)
        fail_msg("%s", why);
    attestation_file_format(&parsed, &proof, &again);
    assert_true(ingot_slice_equal(ingot_buffer_slice(&text), ingot_buffer_slice(&again)));
    struct validator_set *set;
    uint64_t power = 0;
    if (attestation_file_verify(&parsed, &proof, &world.genesis, &set, &power, why, sizeof why) !=
        INGOT_OK)
        fail_msg("%s", why);
    assert_int_equal(set->epoch, EPOCHS);
    assert_int_equal(power, set->total_power);
    validator_set_unref(set);
    /* Another chain, and the same chain by another id. */
    assert_int_equal(
        attestation_file_verify(&parsed, &proof, &other.genesis, &set, &power, why, sizeof why),
        INGOT_ERROR_REJECTED);
    assert_non_null(strstr(why, "it is of another chain: its genesis is "));
    memcpy(parsed.chain_id, "x", 2);
    assert_int_equal(
        attestation_file_verify(&parsed, &proof, &world.genesis, &set, &power, why, sizeof why),
        INGOT_ERROR_REJECTED);
    assert_string_equal(why, "it says that it is of chain x, the genesis is that of chain");
    ingot_buffer_deinit(&text);
    ingot_buffer_deinit(&again);
    attestation_deinit(&attestation);
    attestation_deinit(&parsed);
    set_proof_deinit(&proof);
}

static void a_file_of_the_first_epoch_has_no_changes(void **state)
{
    (void)state;
    struct attestation attestation;
    struct set_proof proof;
    struct ingot_buffer text = {0};
    attest_world_attest(&world, 0, ingot_slice_of_text("x"), ATTEST_WORLD_ALL, &attestation);
    attestation_file_format(&attestation, &world.proof, &text);
    ingot_buffer_append_u8(&text, 0);
    assert_null(strstr((const char *)text.data, "set_changes"));
    text.size -= 3;
    ingot_buffer_format(&text, ",\"set_changes\":[]}");
    attestation_deinit(&attestation);
    assert_int_equal(
        attestation_file_parse(ingot_buffer_slice(&text), &attestation, &proof, why, sizeof why),
        INGOT_ERROR_INVALID);
    assert_string_equal(why, "set_changes: expected none in epoch 0");
    assert_null(attestation.signers);
    ingot_buffer_deinit(&text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(changes_survive_their_json),
        cmocka_unit_test(texts_that_are_not_exactly_right_are_refused),
        cmocka_unit_test(parts_of_a_proof_are_put_together),
        cmocka_unit_test(each_epochs_set_is_found),
        cmocka_unit_test(changes_that_do_not_hold_prove_nothing),
        cmocka_unit_test(a_proof_that_begins_later_proves_nothing),
        cmocka_unit_test(a_file_of_a_later_epoch_needs_nothing_but_the_genesis),
        cmocka_unit_test(a_file_of_the_first_epoch_has_no_changes),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
