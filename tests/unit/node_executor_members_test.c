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
#include "node/executor_internal.h"
#include "wire/preimage.h"

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
    struct block *stronger = forge(&pair, pair.chain.genesis, 2, "crowd 50 252;member 1 7");
    (void)test_node_validate(&pair.node[0], stronger, &why);
    assert_int_equal(pair.script[0].last_member, INGOT_OK);
    struct block *swapped =
        forge(&pair, pair.chain.genesis, 3, "crowd 50 252;member 1 7;member 2 0;member 60 1");
    (void)test_node_validate(&pair.node[0], swapped, &why);
    assert_int_equal(pair.script[0].last_member, INGOT_OK);
    block_unref(full);
    block_unref(overfull);
    block_unref(stronger);
    block_unref(swapped);
    pair_deinit(&pair);
}

/* A set of members 10 to 19, each with power 1. */
static void ten_members(struct members *members)
{
    *members = (struct members){.count = 10};
    for (uint32_t i = 0; i < 10; i++) {
        memset(members->list[i].key.bytes, (int)(10 + i), INGOT_PUBLIC_KEY_BYTES);
        members->list[i].power = 1;
    }
}

static bool any_key(const struct ingot_public_key *key)
{
    return key->bytes[0] != 0;
}

static void changes_at_once_are_judged_by_the_set_in_the_end(void **state)
{
    (void)state;
    static const struct {
        uint32_t leave; /* of the ten, from the first on */
        uint8_t first;  /* newcomers, from this key on */
        uint32_t come;
        uint64_t power; /* of each newcomer */
        enum ingot_error error;
        const char *why;
    } rows[] = {
        {10, 0, 0, 0, INGOT_ERROR_REJECTED, "nobody is left"},
        {9, 0, 0, 0, INGOT_OK, "one is left"},
        {10, 50, 1, 1, INGOT_OK, "all are replaced by one"},
        {10, 50, 1, INGOT_TOTAL_POWER_MAX, INGOT_OK, "who has all the power there may be"},
        {9, 50, 1, INGOT_TOTAL_POWER_MAX, INGOT_ERROR_TOO_LARGE, "and one more"},
        {10, 50, 2, UINT64_MAX, INGOT_ERROR_TOO_LARGE, "a sum that would overflow"},
        {10, 50, 17, INGOT_TOTAL_POWER_MAX, INGOT_ERROR_TOO_LARGE, "another one"},
        {0, 15, 1, 7, INGOT_OK, "a member's power"},
        {3, 12, 1, 7, INGOT_ERROR_EXISTS, "a key twice"},
        {0, 0, 1, 7, INGOT_ERROR_INVALID, "a key that may not be a member's"},
    };
    const struct crypto_scheme scheme = {.key_is_valid = any_key};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct ingot_validator changes[64];
        struct members members;
        struct members before;
        uint32_t count = 0;
        /* Newcomers first, so that order would matter if it did. */
        for (uint32_t j = 0; j < rows[i].come; j++) {
            memset(changes[count].key.bytes, (int)(rows[i].first + j), INGOT_PUBLIC_KEY_BYTES);
            changes[count++].power = rows[i].power;
        }
        for (uint32_t j = 0; j < rows[i].leave; j++) {
            memset(changes[count].key.bytes, (int)(10 + j), INGOT_PUBLIC_KEY_BYTES);
            changes[count++].power = 0;
        }
        ten_members(&members);
        before = members;
        const enum ingot_error error = members_change(&members, &scheme, changes, count);
        if (error != rows[i].error)
            print_error("%s: %s\n", rows[i].why, ingot_error_text(error));
        assert_int_equal(error, rows[i].error);
        if (error != INGOT_OK)
            assert_memory_equal(&members, &before, sizeof members);
    }
}

static void a_full_set_may_be_replaced_as_a_whole(void **state)
{
    (void)state;
    static struct ingot_validator changes[2 * INGOT_VALIDATORS_MAX + 1];
    struct members members = {.count = INGOT_VALIDATORS_MAX};
    const struct crypto_scheme scheme = {.key_is_valid = any_key};
    memset(changes, 1, sizeof changes);
    for (uint32_t i = 0; i < INGOT_VALIDATORS_MAX; i++) {
        members.list[i].key.bytes[0] = 1;
        members.list[i].key.bytes[1] = (uint8_t)i;
        members.list[i].power = INGOT_TOTAL_POWER_MAX / INGOT_VALIDATORS_MAX;
        changes[i].key.bytes[1] = (uint8_t)i;
        changes[i].key.bytes[2] = 77;
        changes[i].power = members.list[i].power;
        changes[INGOT_VALIDATORS_MAX + i] = members.list[i];
        changes[INGOT_VALIDATORS_MAX + i].power = 0;
    }
    changes[2 * INGOT_VALIDATORS_MAX].key.bytes[3] = 99;
    changes[2 * INGOT_VALIDATORS_MAX].power = 1;
    assert_int_equal(members_change(&members, &scheme, changes, 2 * INGOT_VALIDATORS_MAX + 1),
                     INGOT_ERROR_FULL);
    assert_int_equal(members_change(&members, &scheme, changes, 2 * INGOT_VALIDATORS_MAX),
                     INGOT_OK);
    assert_int_equal(members.count, INGOT_VALIDATORS_MAX);
    for (uint32_t i = 0; i < INGOT_VALIDATORS_MAX; i++)
        assert_memory_equal(&members.list[i], &changes[i], sizeof changes[i]);
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

/* --- Blocks that change the set. --- */

static void expect_members(struct pair *pair, const struct block *parent, const char *members)
{
    static uint64_t view = 1000;
    struct block *block = build(&pair->node[0], parent, ++view, "members now");
    assert_string_equal(result_data(&pair->node[0], block, 0), members);
    test_node_abandon(&pair->node[0], block);
    block_unref(block);
}

static void a_block_that_changes_the_set_opens_the_next_epoch_for_its_children(void **state)
{
    (void)state;
    struct pair pair;
    pair_init(&pair, &plain);
    struct block *before = grow(&pair, pair.chain.genesis, 1, "set a 1");
    struct block *change = build(&pair.node[0], before, 2, "member 9 5;member 3 0");
    expect_valid(&pair.node[1], change);
    assert_true(block_changes_set(change));
    assert_null(executor_next_set(pair.node[0].executor, &before->hash));
    for (int i = 0; i < 2; i++) {
        struct validator_set *next = executor_next_set(pair.node[i].executor, &change->hash);
        assert_int_equal(next->first_view, epoch_first_view(change->view));
        assert_non_null(next);
        assert_int_equal(next->epoch, 1);
        assert_int_equal(next->count, 4);
        assert_int_equal(next->total_power, 8);
        assert_memory_equal(&next->hash, &change->next_validators_hash, INGOT_HASH_BYTES);
        assert_int_equal(
            executor_find(pair.node[i].executor, &change->hash)->validator_update_count, 2);
    }
    /* A sibling is of the old set as long as the change is not committed. */
    expect_members(&pair, before, "1:1 2:1 3:1 4:1 ");
    test_node_commit(&pair.node[0], change);
    test_node_commit(&pair.node[1], change);
    expect_members(&pair, change, "1:1 2:1 4:1 9:5 ");
    /* Back to the old members: another set all the same, for it is of another epoch. */
    struct block *back = grow(&pair, change, 5, "member 9 0;member 3 1");
    assert_true(block_changes_set(back));
    assert_memory_not_equal(&back->next_validators_hash, &pair.chain.set->hash, INGOT_HASH_BYTES);
    expect_members(&pair, back, "1:1 2:1 3:1 4:1 ");
    block_unref(before);
    block_unref(change);
    block_unref(back);
    pair_deinit(&pair);
}

static void what_leaves_the_set_as_it_was_does_not_change_it(void **state)
{
    (void)state;
    struct pair pair;
    pair_init(&pair, &plain);
    struct block *block = grow(&pair, pair.chain.genesis, 1,
                               "member 1 2;member 9 1;member 1 1;member 2 1;member 9 0;set a 1");
    assert_false(block_changes_set(block));
    assert_int_equal(executor_find(pair.node[0].executor, &block->hash)->validator_update_count, 0);
    assert_null(executor_next_set(pair.node[0].executor, &block->hash));
    block_unref(block);
    pair_deinit(&pair);
}

static void a_block_that_names_another_next_set_is_refused(void **state)
{
    (void)state;
    struct pair pair;
    pair_init(&pair, &plain);
    struct block *change = build(&pair.node[0], pair.chain.genesis, 1, "member 9 5");
    struct block *wrong = test_block_copy(change);
    wrong->next_validators_hash.bytes[31] ^= 1;
    wire_seal_block_header(wrong);
    expect_refused(&pair.node[1], wrong, "next validators hash");
    /* Hiding the change. */
    wrong->next_validators_hash = wrong->validators_hash;
    wire_seal_block_header(wrong);
    expect_refused(&pair.node[1], wrong, "next validators hash");
    expect_valid(&pair.node[1], change);
    struct block *plain_block = build(&pair.node[0], pair.chain.genesis, 2, "set a 1");
    struct block *pretended = test_block_copy(plain_block);
    pretended->next_validators_hash = change->next_validators_hash;
    wire_seal_block_header(pretended);
    expect_refused(&pair.node[1], pretended, "next validators hash");
    block_unref(change);
    block_unref(wrong);
    block_unref(plain_block);
    block_unref(pretended);
    pair_deinit(&pair);
}

static void a_restart_keeps_the_next_set_of_an_uncommitted_block_and_the_committed_one(void **state)
{
    (void)state;
    struct pair pair;
    pair_init(&pair, &plain);
    struct block *change = build(&pair.node[0], pair.chain.genesis, 1, "member 9 5;member 1 0");
    struct block *sibling = build(&pair.node[0], pair.chain.genesis, 2, "member 4 7");
    test_node_restart(&pair.node[0]);
    struct validator_set *next = executor_next_set(pair.node[0].executor, &change->hash);
    assert_non_null(next);
    assert_memory_equal(&next->hash, &change->next_validators_hash, INGOT_HASH_BYTES);
    assert_int_equal(next->epoch, 1);
    assert_int_equal(next->first_view, epoch_first_view(1));
    next = executor_next_set(pair.node[0].executor, &sibling->hash);
    assert_non_null(next);
    assert_int_equal(next->first_view, epoch_first_view(2));
    assert_memory_equal(&next->hash, &sibling->next_validators_hash, INGOT_HASH_BYTES);
    expect_members(&pair, pair.chain.genesis, "1:1 2:1 3:1 4:1 ");
    test_node_commit(&pair.node[0], change);
    test_node_abandon(&pair.node[0], sibling);
    test_node_restart(&pair.node[0]);
    expect_members(&pair, change, "2:1 3:1 4:1 9:5 ");
    /* Applied now, and committed long ago. */
    struct block *child = build(&pair.node[0], change, 5, "set a 1");
    test_node_commit(&pair.node[0], child);
    test_node_restart(&pair.node[0]);
    expect_members(&pair, child, "2:1 3:1 4:1 9:5 ");
    block_unref(change);
    block_unref(sibling);
    block_unref(child);
    pair_deinit(&pair);
}

static void a_restart_reads_changes_that_have_no_order_of_single_steps(void **state)
{
    (void)state;
    /* Stored in the order of keys, each of these would break a rule on its way. */
    static const char *const lines[] = {
        "member 9 5;member 1 0;member 2 0;member 3 0;member 4 0",
        "member 4 0;member 3 0;member 1 1152921504606846975",
    };
    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++) {
        struct pair pair;
        pair_init(&pair, &plain);
        struct block *change = build(&pair.node[0], pair.chain.genesis, 1, lines[i]);
        assert_true(block_changes_set(change));
        test_node_restart(&pair.node[0]);
        struct validator_set *next = executor_next_set(pair.node[0].executor, &change->hash);
        assert_non_null(next);
        assert_memory_equal(&next->hash, &change->next_validators_hash, INGOT_HASH_BYTES);
        block_unref(change);
        pair_deinit(&pair);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_app_sees_the_set_as_the_execution_has_changed_it_so_far),
        cmocka_unit_test(what_a_set_may_not_be_is_refused_and_changes_nothing),
        cmocka_unit_test(the_257th_member_is_refused_until_another_leaves),
        cmocka_unit_test(changes_at_once_are_judged_by_the_set_in_the_end),
        cmocka_unit_test(a_full_set_may_be_replaced_as_a_whole),
        cmocka_unit_test(a_key_that_is_no_point_of_large_order_is_refused),
        cmocka_unit_test(a_block_that_changes_the_set_opens_the_next_epoch_for_its_children),
        cmocka_unit_test(what_leaves_the_set_as_it_was_does_not_change_it),
        cmocka_unit_test(a_block_that_names_another_next_set_is_refused),
        cmocka_unit_test(
            a_restart_keeps_the_next_set_of_an_uncommitted_block_and_the_committed_one),
        cmocka_unit_test(a_restart_reads_changes_that_have_no_order_of_single_steps),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
