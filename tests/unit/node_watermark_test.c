/*
 * When a copy may sign again: the rule of watermark.h, case by case, on a set of five, and the
 * record that keeps it. Certificates here are made by hand and not verified: that is others' work.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/log.h"
#include "lib/ledger_world.h"
#include "lib/storage_test.h"
#include "node/ledger_internal.h"
#include "node/ledger_watermark.h"
#include "node/watermark.h"

#define TENURE 4
#define MEMBERS 5 /* of power 1: four are a quorum */

struct bench {
    struct watermark watermark;
    struct validator_set *set;
};

static int set_up(void **state)
{
    struct bench *bench = test_calloc(1, sizeof *bench);
    struct ingot_validator members[MEMBERS] = {0};
    for (uint8_t i = 0; i < MEMBERS; i++) {
        members[i] = (struct ingot_validator){.key = {{i}}, .power = 1};
    }
    const char *why = NULL;
    bench->set = validator_set_new(1, members, MEMBERS, &why);
    assert_non_null(bench->set);
    watermark_init(&bench->watermark, TENURE, NULL);
    *state = bench;
    return 0;
}

static int tear_down(void **state)
{
    struct bench *bench = *state;
    validator_set_unref(bench->set);
    test_free(bench);
    return 0;
}

static void hear(struct bench *bench, uint8_t member, uint64_t epoch, uint64_t view)
{
    watermark_heard(&bench->watermark, &(struct ingot_public_key){{member}},
                    (struct position){epoch, view});
}

static void hear_all(struct bench *bench, uint8_t count, uint64_t view)
{
    for (uint8_t i = 0; i < count; i++) {
        hear(bench, i, 1, view);
    }
}

/* A QC of epoch 1 in `view`, signed by the members of `who`, whose block stands on one of
 * `justify_view`. */
static bool certify_phase(struct bench *bench, unsigned who, uint64_t view, uint64_t justify_view,
                          enum phase phase)
{
    struct qc *justify = qc_new(0);
    justify->epoch = 1;
    justify->view = justify_view;
    justify->block_view = justify_view;
    struct block *block = block_new();
    block->view = view;
    block->justify = justify;
    struct qc *qc = qc_new(0);
    qc->phase = phase;
    qc->epoch = 1;
    qc->view = view;
    qc->block_view = view;
    for (uint32_t i = 0; i < MEMBERS; i++) {
        if ((who >> i & 1) != 0) {
            signers_add(&qc->signers, i);
        }
    }
    const bool is_new = watermark_certified(&bench->watermark, bench->set, qc, block);
    qc_unref(qc);
    block_unref(block);
    return is_new;
}

static bool certify(struct bench *bench, unsigned who, uint64_t view)
{
    return certify_phase(bench, who, view, view - 1, PHASE_GENERIC);
}

static void
the_watermark_is_a_tenure_above_a_qc_that_a_quorum_signed_after_it_was_heard(void **state)
{
    struct bench *bench = *state;
    hear_all(bench, 4, 20);
    assert_false(bench->watermark.has_mark);
    assert_true(certify(bench, 0x0f, 22));
    assert_true(bench->watermark.has_mark);
    assert_int_equal(bench->watermark.mark.epoch, 1);
    assert_int_equal(bench->watermark.mark.view, 22 + TENURE);
}

static void a_quorum_that_was_not_heard_gives_no_watermark(void **state)
{
    struct bench *bench = *state;
    assert_false(certify(bench, 0x1f, 22));
    hear_all(bench, 3, 20);
    assert_false(certify(bench, 0x0f, 22)); /* the fourth signer may have voted long ago */
    hear(bench, 4, 1, 20);
    assert_false(certify(bench, 0x0f, 22)); /* heard, but no signer of this one */
    assert_true(certify(bench, 0x17, 22));
}

static void a_signer_that_was_heard_at_the_justify_may_have_signed_before(void **state)
{
    struct bench *bench = *state;
    hear_all(bench, 3, 20);
    hear(bench, 3, 1, 21);
    assert_false(certify(bench, 0x0f, 22));
    assert_true(certify(bench, 0x0f, 23));
}

static void of_one_validator_the_first_showing_counts(void **state)
{
    struct bench *bench = *state;
    hear_all(bench, 4, 30);
    hear_all(bench, 4, 10);
    assert_false(certify(bench, 0x0f, 20));
    hear_all(bench, 4, 90);
    assert_true(certify(bench, 0x0f, 32));
}

static void what_was_heard_in_an_earlier_epoch_is_below_all_of_this_one(void **state)
{
    struct bench *bench = *state;
    for (uint8_t i = 0; i < 4; i++) {
        hear(bench, i, 0, 1000);
    }
    assert_true(certify(bench, 0x0f, 6));
}

static void certificates_over_a_gap_or_of_a_phase_give_no_watermark(void **state)
{
    struct bench *bench = *state;
    hear_all(bench, 5, 20);
    assert_false(certify_phase(bench, 0x1f, 40, 38, PHASE_GENERIC));
    assert_false(certify_phase(bench, 0x1f, 40, 39, PHASE_PREPARE));
    assert_false(certify_phase(bench, 0x1f, 40, 39, PHASE_PRECOMMIT));
    assert_false(certify_phase(bench, 0x1f, 40, 39, PHASE_COMMIT));
    assert_true(certify_phase(bench, 0x1f, 40, 39, PHASE_GENERIC));
}

static void a_watermark_that_is_known_stays_as_it_is(void **state)
{
    struct bench *bench = *state;
    hear_all(bench, 4, 20);
    assert_true(certify(bench, 0x0f, 22));
    assert_false(certify(bench, 0x0f, 23));
    assert_int_equal(bench->watermark.mark.view, 22 + TENURE);
    const struct position saved = bench->watermark.mark;
    watermark_init(&bench->watermark, TENURE, &saved);
    hear_all(bench, 4, 20);
    assert_false(certify(bench, 0x0f, 50));
    assert_int_equal(bench->watermark.mark.view, 22 + TENURE);
}

static void only_a_commit_above_the_watermark_ends_the_wait(void **state)
{
    struct bench *bench = *state;
    assert_false(watermark_is_passed(&bench->watermark, (struct position){9, 9}));
    hear_all(bench, 4, 20);
    assert_true(certify(bench, 0x0f, 22));
    assert_false(watermark_is_passed(&bench->watermark, (struct position){0, 100}));
    assert_false(watermark_is_passed(&bench->watermark, (struct position){1, 22 + TENURE}));
    assert_true(watermark_is_passed(&bench->watermark, (struct position){1, 23 + TENURE}));
    assert_true(watermark_is_passed(&bench->watermark, (struct position){2, 1}));
}

/* --- The record. --- */

static struct ledger_withheld read_back(struct world *world)
{
    struct ledger_withheld withheld;
    assert_int_equal(ledger_read_withheld(world->ledger, &withheld, world->why, sizeof world->why),
                     INGOT_OK);
    return withheld;
}

static void put(struct world *world, const struct ledger_withheld *withheld)
{
    ledger_put_withheld(world->ledger, withheld);
    world_sync(world);
    world_restart(world);
}

static void the_record_survives_restarts_and_can_be_taken_away(void **state)
{
    struct world *world = *state;
    world_open(world);
    assert_false(read_back(world).is_withheld);
    put(world, &(struct ledger_withheld){.is_withheld = true});
    assert_true(read_back(world).is_withheld);
    assert_false(read_back(world).has_mark);
    put(world, &(struct ledger_withheld){
                   .is_withheld = true, .has_mark = true, .mark = {.epoch = 3, .view = 77}});
    assert_true(read_back(world).has_mark);
    assert_int_equal(read_back(world).mark.epoch, 3);
    assert_int_equal(read_back(world).mark.view, 77);
    put(world, &(struct ledger_withheld){0});
    assert_false(read_back(world).is_withheld);
}

static void a_damaged_record_is_no_leave_to_sign(void **state)
{
    struct world *world = *state;
    world_open(world);
    put(world, &(struct ledger_withheld){.is_withheld = true, .has_mark = true});
    const struct ingot_slice key = text(LEDGER_KEY_WITHHELD);
    for (size_t i = 0; i < INGOT_HASH_BYTES + 16; i++) {
        struct ingot_buffer record = {0};
        struct ingot_store_snapshot *snapshot = begin(world->store);
        struct ingot_slice value;
        assert_int_equal(ingot_store_snapshot_get(snapshot, LEDGER_META, key, &value), INGOT_OK);
        ingot_buffer_append_slice(&record, value);
        ingot_store_snapshot_end(snapshot);
        for (int spoil = 1; spoil >= 0; spoil--) {
            record.data[i] ^= 0x40;
            struct ingot_store_batch *batch = ingot_store_batch_begin(world->store);
            ingot_store_batch_put(batch, LEDGER_META, key, ingot_buffer_slice(&record));
            assert_int_equal(ingot_store_batch_commit(batch), INGOT_OK);
            world_restart(world);
            struct ledger_withheld withheld;
            assert_int_equal(
                ledger_read_withheld(world->ledger, &withheld, world->why, sizeof world->why),
                spoil ? INGOT_ERROR_CORRUPT : INGOT_OK);
            assert_true(withheld.is_withheld);
        }
        ingot_buffer_deinit(&record);
    }
    assert_true(read_back(world).has_mark);
}

#define TEST(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
    log_configure(LOG_PLAIN, LOG_NONE);
    const struct CMUnitTest tests[] = {
        TEST(the_watermark_is_a_tenure_above_a_qc_that_a_quorum_signed_after_it_was_heard),
        TEST(a_quorum_that_was_not_heard_gives_no_watermark),
        TEST(a_signer_that_was_heard_at_the_justify_may_have_signed_before),
        TEST(of_one_validator_the_first_showing_counts),
        TEST(what_was_heard_in_an_earlier_epoch_is_below_all_of_this_one),
        TEST(certificates_over_a_gap_or_of_a_phase_give_no_watermark),
        TEST(a_watermark_that_is_known_stays_as_it_is),
        TEST(only_a_commit_above_the_watermark_ends_the_wait),
        WORLD_MEMORY(the_record_survives_restarts_and_can_be_taken_away),
        WORLD_DISK(the_record_survives_restarts_and_can_be_taken_away),
        WORLD_MEMORY(a_damaged_record_is_no_leave_to_sign),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
