/*
 * The arithmetic below every rule: quorums, leaders, views after a TC, deadlines, sets, signers.
 * Goal: the tables hold at their edges. Method: rows of inputs and what they must give, some
 * derived again by slower and plainer means.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "core/state.h"
#include "lib/solo.h"

#define ROWS(rows) (sizeof(rows) / sizeof((rows)[0]))

static void a_quorum_is_more_than_two_thirds(void **state)
{
    (void)state;
    static const struct {
        const char *why;
        uint64_t total;
        uint64_t quorum;
        uint64_t one_honest;
    } rows[] = {
        {"one alone", 1, 1, 1},
        {"two tolerate nobody", 2, 2, 1},
        {"three tolerate nobody", 3, 3, 1},
        {"four tolerate one", 4, 3, 2},
        {"five tolerate one", 5, 4, 2},
        {"six tolerate one", 6, 5, 2},
        {"seven tolerate two", 7, 5, 3},
        {"ten tolerate three", 10, 7, 4},
        {"a hundred", 100, 67, 34},
        {"the largest total", INGOT_TOTAL_POWER_MAX, UINT64_C(768614336404564651),
         UINT64_C(384307168202282326)},
    };
    for (size_t i = 0; i < ROWS(rows); i++) {
        if (ingot_quorum_power(rows[i].total) != rows[i].quorum ||
            ingot_one_honest_power(rows[i].total) != rows[i].one_honest) {
            fail_msg("%s", rows[i].why);
        }
    }
    for (uint64_t total = 1; total < 1000; total++) {
        const uint64_t quorum = ingot_quorum_power(total);
        const uint64_t honest = ingot_one_honest_power(total);
        /* The least power that is more than two thirds; two quorums share an honest one. */
        assert_true(3 * quorum > 2 * total);
        assert_false(3 * (quorum - 1) > 2 * total);
        assert_true(2 * quorum - total >= honest);
        /* What can be faulty is less than a third, and the rest is a quorum. */
        assert_true(3 * (honest - 1) < total);
        assert_true(total - (honest - 1) >= quorum);
    }
}

static void positions_are_ordered_by_epoch_and_then_by_view(void **state)
{
    (void)state;
    static const struct {
        struct position a;
        struct position b;
        int order;
    } rows[] = {
        {{0, 0}, {0, 0}, 0}, {{0, 1}, {0, 2}, -1}, {{1, 1}, {0, 9}, 1}, {{0, 9}, {1, 1}, -1}};
    for (size_t i = 0; i < ROWS(rows); i++) {
        assert_int_equal(position_compare(rows[i].a, rows[i].b), rows[i].order);
        assert_int_equal(position_compare(rows[i].b, rows[i].a), -rows[i].order);
    }
}

static void a_commit_qc_opens_the_next_epoch_whatever_view_formed_it(void **state)
{
    (void)state;
    struct qc qc = {.phase = PHASE_COMMIT, .epoch = 3, .block_view = 7, .view = 9};
    for (; qc.view < 20; qc.view++) {
        const struct position position = qc_position(&qc);
        assert_int_equal(position.epoch, 4);
        assert_int_equal(position.view, 9);
    }
    qc.phase = PHASE_PRECOMMIT;
    assert_int_equal(qc_position(&qc).epoch, 3);
    assert_int_equal(qc_position(&qc).view, 20);
}

static void a_tc_leads_to_the_first_view_of_the_next_tenure(void **state)
{
    (void)state;
    static const struct {
        uint64_t view;
        uint32_t tenure;
        uint64_t after;
    } rows[] = {{1, 4, 5}, {3, 4, 5},  {4, 4, 5},   {5, 4, 9},    {8, 4, 9},
                {1, 1, 2}, {9, 1, 10}, {7, 10, 11}, {10, 10, 11}, {11, 10, 21}};
    for (size_t i = 0; i < ROWS(rows); i++) {
        assert_int_equal(view_after_tc(rows[i].view, rows[i].tenure), rows[i].after);
    }
}

/* --- Leaders. --- */

static struct validator_set *make_set(const uint64_t *powers, uint32_t count)
{
    struct ingot_validator members[16] = {0};
    assert_true(count <= 16);
    for (uint32_t i = 0; i < count; i++) {
        members[i].power = powers[i];
        members[i].key.bytes[0] = (uint8_t)(i + 1);
    }
    const char *why = NULL;
    struct validator_set *set = validator_set_new(0, members, count, &why);
    assert_non_null(set);
    return set;
}

static void a_leader_keeps_its_tenure_and_all_find_the_same(void **state)
{
    (void)state;
    static const uint64_t powers[] = {1, 1, 1, 1};
    static const uint32_t tenures[] = {0, 2, 0, 3, 1,
                                       0, 2, 1, 3, 2}; /* pinned: part of the rules */
    struct validator_set *set = make_set(powers, 4);
    for (uint64_t tenure = 0; tenure < ROWS(tenures); tenure++) {
        for (uint64_t view = 4 * tenure + 1; view <= 4 * tenure + 4; view++) {
            assert_int_equal(leader_of_view(set, view, 4), tenures[tenure]);
        }
    }
    validator_set_unref(set);
}

static void tenures_are_shared_out_by_power(void **state)
{
    (void)state;
    static const uint64_t powers[] = {1, 50, 7, 100, 42};
    enum { TENURES = 20000, TOTAL = 200 };
    struct validator_set *set = make_set(powers, ROWS(powers));
    uint32_t led[ROWS(powers)] = {0};
    for (uint64_t tenure = 0; tenure < TENURES; tenure++) {
        led[leader_of_view(set, tenure + 1, 1)]++;
    }
    for (uint32_t i = 0; i < ROWS(powers); i++) {
        const uint32_t share = (uint32_t)(powers[i] * TENURES / TOTAL);
        assert_in_range(led[i], share - 5, share + 5);
    }
    validator_set_unref(set);
}

static void no_third_of_the_power_leads_many_tenures_in_a_row(void **state)
{
    (void)state;
    /* All but a third in one hand, in every place of the order. */
    for (uint32_t heavy = 0; heavy < 4; heavy++) {
        uint64_t powers[] = {1000, 1000, 1000, 1000};
        powers[heavy] = 1499;
        struct validator_set *set = make_set(powers, 4);
        uint32_t run = 0;
        for (uint64_t view = 1; view <= 50000; view++) {
            run = leader_of_view(set, view, 1) == heavy ? run + 1 : 0;
            assert_true(run <= 1);
        }
        validator_set_unref(set);
    }
}

static void a_leader_is_found_at_the_largest_numbers(void **state)
{
    (void)state;
    const uint64_t powers[] = {INGOT_TOTAL_POWER_MAX - 1, 1};
    struct validator_set *set = make_set(powers, 2);
    for (uint64_t view = UINT64_MAX; view > UINT64_MAX - 1000; view--) {
        assert_true(leader_of_view(set, view, 1) < 2);
    }
    validator_set_unref(set);
}

/* --- Deadlines. --- */

static void a_view_lasts_longer_the_longer_nothing_is_certified(void **state)
{
    (void)state;
    static const struct {
        const char *why;
        uint64_t view;      /* entered by the TC of the view before */
        uint64_t certified; /* the highest QC's */
        uint64_t wait_ms;
    } rows[] = {
        {"the first view", 1, 0, 1000},
        {"the first tenure that fails costs nothing", 5, 0, 1000},
        {"nor does the second", 9, 0, 1000},
        {"then half more", 13, 0, 1500},
        {"and half more again", 17, 0, 2250},
        {"rounded down", 21, 0, 3375},
        {"and so on", 25, 0, 5062},
        {"and so on", 29, 0, 7593},
        {"never above eight times", 33, 0, 8000},
        {"however long", 4001, 0, 8000},
        {"counted from the QC", 13, 5, 1000},
        {"counted from the QC", 17, 5, 1500},
    };
    for (size_t i = 0; i < ROWS(rows); i++) {
        struct solo solo;
        solo_init(&solo, 1);
        struct block *last = block_ref(solo.genesis);
        if (rows[i].certified > 0) {
            struct block *block = solo_block(&solo, last, rows[i].certified);
            solo_accept(&solo, block, solo_tc(&solo, rows[i].certified - 1, solo_qc(&solo, last)));
            block_unref(last);
            last = block;
            (void)solo_show_qc(&solo, solo_qc(&solo, last));
        }
        if (rows[i].view > 1) {
            (void)solo_show_tc(&solo, solo_tc(&solo, rows[i].view - 1, solo_qc(&solo, last)));
        }
        assert_int_equal(solo_status(&solo).current.view, rows[i].view);
        if (view_wait_ms(solo.core) != rows[i].wait_ms) {
            fail_msg("%s: view %d waits %d ms", rows[i].why, (int)rows[i].view,
                     (int)view_wait_ms(solo.core));
        }
        block_unref(last);
        solo_deinit(&solo);
    }
}

/* --- Sets. --- */

static void a_set_that_breaks_a_rule_never_comes_to_be(void **state)
{
    (void)state;
    static const struct {
        const char *why;
        uint64_t powers[3];
        uint8_t keys[3];
        uint32_t count;
        bool is_good;
    } rows[] = {
        {"empty", {0}, {0}, 0, false},
        {"one", {1}, {1}, 1, true},
        {"out of order is put in order", {1, 2, 3}, {3, 1, 2}, 3, true},
        {"power zero", {1, 0, 1}, {1, 2, 3}, 3, false},
        {"a key twice", {1, 1, 1}, {1, 2, 1}, 3, false},
        {"the largest total", {INGOT_TOTAL_POWER_MAX - 1, 1, 0}, {1, 2, 0}, 2, true},
        {"one above it", {INGOT_TOTAL_POWER_MAX, 1, 0}, {1, 2, 0}, 2, false},
        {"a sum that overflows", {UINT64_MAX, 2, 0}, {1, 2, 0}, 2, false},
    };
    for (size_t i = 0; i < ROWS(rows); i++) {
        struct ingot_validator members[3] = {0};
        for (uint32_t j = 0; j < 3; j++) {
            members[j].power = rows[i].powers[j];
            members[j].key.bytes[0] = rows[i].keys[j];
        }
        const char *why = NULL;
        struct validator_set *set = validator_set_new(0, members, rows[i].count, &why);
        if ((set != NULL) != rows[i].is_good || (set == NULL) != (why != NULL)) {
            fail_msg("%s", rows[i].why);
        }
        for (uint32_t j = 0; set != NULL && j < set->count; j++) {
            assert_true(j == 0 || memcmp(&set->validators[j - 1].key, &set->validators[j].key,
                                         sizeof set->validators[j].key) < 0);
            assert_int_equal(validator_set_find(set, &set->validators[j].key), j);
        }
        validator_set_unref(set);
    }
}

static void a_set_has_at_most_256_members(void **state)
{
    (void)state;
    static struct ingot_validator members[INGOT_VALIDATORS_MAX + 1];
    for (uint32_t i = 0; i < ROWS(members); i++) {
        members[i].power = 1;
        members[i].key.bytes[0] = (uint8_t)i;
        members[i].key.bytes[1] = (uint8_t)(i >> 8);
    }
    const char *why = NULL;
    struct validator_set *set = validator_set_new(0, members, INGOT_VALIDATORS_MAX, &why);
    assert_non_null(set);
    validator_set_unref(set);
    assert_null(validator_set_new(0, members, INGOT_VALIDATORS_MAX + 1, &why));
    assert_non_null(why);
}

static void signers_are_one_bit_each(void **state)
{
    (void)state;
    struct signers signers = {{0}};
    static const uint32_t indexes[] = {0, 7, 8, 100, 255};
    for (size_t i = 0; i < ROWS(indexes); i++) {
        assert_false(signers_has(&signers, indexes[i]));
        signers_add(&signers, indexes[i]);
        signers_add(&signers, indexes[i]);
        assert_true(signers_has(&signers, indexes[i]));
        assert_int_equal(signers_count(&signers), i + 1);
    }
    assert_int_equal(signers.bits[0], 0x81);
    assert_int_equal(signers.bits[1], 0x01);
    assert_int_equal(signers.bits[31], 0x80);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_quorum_is_more_than_two_thirds),
        cmocka_unit_test(positions_are_ordered_by_epoch_and_then_by_view),
        cmocka_unit_test(a_commit_qc_opens_the_next_epoch_whatever_view_formed_it),
        cmocka_unit_test(a_tc_leads_to_the_first_view_of_the_next_tenure),
        cmocka_unit_test(a_leader_keeps_its_tenure_and_all_find_the_same),
        cmocka_unit_test(tenures_are_shared_out_by_power),
        cmocka_unit_test(no_third_of_the_power_leads_many_tenures_in_a_row),
        cmocka_unit_test(a_leader_is_found_at_the_largest_numbers),
        cmocka_unit_test(a_view_lasts_longer_the_longer_nothing_is_certified),
        cmocka_unit_test(a_set_that_breaks_a_rule_never_comes_to_be),
        cmocka_unit_test(a_set_has_at_most_256_members),
        cmocka_unit_test(signers_are_one_bit_each),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
