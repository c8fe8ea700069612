/*
 * The validator set as an App sees it and changes it, and what of it reaches the block.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "lib/executor_script.h"

static void an_app_sees_the_set_as_the_execution_has_changed_it_so_far(void **state)
{
    (void)state;
    struct pair pair;
    pair_init(&pair, &plain);
    struct block *block = build(&pair.node[0], pair.chain.genesis, 1, "members");
    assert_string_equal(result_data(&pair.node[0], block, 0), "1:1 2:1 3:1 4:1 ");
    struct block *forged = forge(&pair, block, 2, "member 3 0;member 9 9;member 2 7;members again");
    const char *why = NULL;
    (void)test_node_validate(&pair.node[0], forged, &why);
    assert_string_equal(pair.script[0].last_members, "1:1 2:7 4:1 9:9 ");
    block_unref(block);
    block_unref(forged);
    pair_deinit(&pair);
}

static void what_a_set_may_not_be_is_refused_and_changes_nothing(void **state)
{
    (void)state;
    static const struct {
        const char *lines;
        enum ingot_error last;
        const char *members;
    } rows[] = {
        {"member 0 1", INGOT_ERROR_INVALID, "1:1 2:1 3:1 4:1 "},
        {"member 0 0", INGOT_ERROR_INVALID, "1:1 2:1 3:1 4:1 "},
        {"member 9 0", INGOT_OK, "1:1 2:1 3:1 4:1 "},
        {"member 1 1", INGOT_OK, "1:1 2:1 3:1 4:1 "},
        /* 2^60 is the most that all may have. */
        {"member 4 1152921504606846973;member 4 1", INGOT_OK, "1:1 2:1 3:1 4:1 "},
        {"member 4 1152921504606846974", INGOT_ERROR_TOO_LARGE, "1:1 2:1 3:1 4:1 "},
        {"member 9 18446744073709551615", INGOT_ERROR_TOO_LARGE, "1:1 2:1 3:1 4:1 "},
        /* Room that is made in between counts; so does what is taken. */
        {"member 2 0;member 3 0;member 4 0;member 1 0", INGOT_ERROR_REJECTED, "1:1 "},
        {"member 2 0;member 3 0;member 4 0;member 5 1;member 1 0", INGOT_OK, "5:1 "},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct pair pair;
        pair_init(&pair, &plain);
        char lines[256];
        snprintf(lines, sizeof lines, "%s;members", rows[i].lines);
        struct block *forged = forge(&pair, pair.chain.genesis, 1, lines);
        const char *why = NULL;
        (void)test_node_validate(&pair.node[0], forged, &why);
        assert_int_equal(pair.script[0].last_member, rows[i].last);
        assert_string_equal(pair.script[0].last_members, rows[i].members);
        block_unref(forged);
        pair_deinit(&pair);
    }
}

static void the_257th_member_is_refused_until_another_leaves(void **state)
{
    (void)state;
    struct pair pair;
    pair_init(&pair, &plain);
    const char *why = NULL;
    struct block *full = forge(&pair, pair.chain.genesis, 1, "crowd 50 252");
    (void)test_node_validate(&pair.node[0], full, &why);
    assert_int_equal(pair.script[0].last_member, INGOT_OK);
    struct block *overfull = forge(&pair, pair.chain.genesis, 2, "crowd 50 253");
    (void)test_node_validate(&pair.node[0], overfull, &why);
    assert_int_equal(pair.script[0].last_member, INGOT_ERROR_FULL);
    struct block *swapped =
        forge(&pair, pair.chain.genesis, 3, "crowd 50 252;member 1 7;member 2 0;member 60 1");
    (void)test_node_validate(&pair.node[0], swapped, &why);
    assert_int_equal(pair.script[0].last_member, INGOT_OK);
    block_unref(full);
    block_unref(overfull);
    block_unref(swapped);
    pair_deinit(&pair);
}

static void a_key_that_is_no_point_of_large_order_is_refused(void **state)
{
    (void)state;
    struct pair pair;
    struct test_node_options options = plain;
    options.scheme = &crypto_ed25519;
    pair_init(&pair, &options);
    const char *why = NULL;
    /* All bytes 9: not a point of the prime-order subgroup. */
    struct block *forged = forge(&pair, pair.chain.genesis, 1, "member 9 1");
    (void)test_node_validate(&pair.node[0], forged, &why);
    assert_int_equal(pair.script[0].last_member, INGOT_ERROR_INVALID);
    block_unref(forged);
    pair_deinit(&pair);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_app_sees_the_set_as_the_execution_has_changed_it_so_far),
        cmocka_unit_test(what_a_set_may_not_be_is_refused_and_changes_nothing),
        cmocka_unit_test(the_257th_member_is_refused_until_another_leaves),
        cmocka_unit_test(a_key_that_is_no_point_of_large_order_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
