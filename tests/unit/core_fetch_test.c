/*
 * Runs of fetched blocks, and what one member can say too often. Goal: only what something
 * certifies is executed, oldest first, and nobody fills a replica with inventions. Method: one core
 * of four, alone; the test plays its driver, its peers and its App.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "lib/solo.h"

static int set_up(void **state)
{
    struct solo *solo = calloc(1, sizeof *solo);
    assert_non_null(solo);
    solo_init_observer(solo);
    *state = solo;
    return 0;
}

static int tear_down(void **state)
{
    solo_deinit(*state);
    free(*state);
    return 0;
}

/* --- The world. --- */

static void show_certificate(struct solo *solo, const struct block *block)
{
    assert_int_equal(solo_show_qc(solo, solo_qc(solo, block)), REJECT_NONE);
}

static void answer(struct solo *solo, struct block *const *blocks, uint32_t count,
                   struct qc *tail_qc)
{
    struct message *message = message_new(MESSAGE_SYNC_RESPONSE);
    message->sync_response.tail_qc = tail_qc;
    message->sync_response.blocks = calloc(count + 1, sizeof(struct block *));
    assert_non_null(message->sync_response.blocks);
    for (uint32_t i = 0; i < count; i++) {
        message->sync_response.blocks[message->sync_response.block_count++] = block_ref(blocks[i]);
    }
    assert_int_equal(solo_receive(solo, 1, message), REJECT_NONE);
}

static void expect_asked(const struct solo *solo, const struct block *block)
{
    const struct core_effect *ask = solo_effect(solo, CORE_ASK_VALIDATE, 0);
    assert_non_null(ask);
    assert_memory_equal(ask->block->hash.bytes, block->hash.bytes, INGOT_HASH_BYTES);
}

static struct core_status status_of(const struct solo *solo)
{
    struct core_status status;
    core_get_status(solo->core, &status);
    return status;
}

/* --- The tests. --- */

static void the_status_says_which_certificate_waits_and_who_showed_it(void **state)
{
    struct solo *solo = *state;
    struct block *first = solo_block(solo, solo->genesis, 1);
    struct block *second = solo_block(solo, first, 2);
    assert_null(status_of(solo).waiting_qc);
    show_certificate(solo, second);
    assert_memory_equal(status_of(solo).waiting_qc->block.bytes, second->hash.bytes,
                        INGOT_HASH_BYTES);
    assert_int_equal(status_of(solo).waiting_peer, 1);

    answer(solo, (struct block *[]){first, second}, 2, NULL);
    (void)solo_validated(solo, first, true);
    (void)solo_validated(solo, second, true);
    assert_null(status_of(solo).waiting_qc);
    block_unref(first);
    block_unref(second);
}

static void an_invented_block_is_not_executed(void **state)
{
    struct solo *solo = *state;
    struct block *first = solo_block(solo, solo->genesis, 1);
    struct block *second = solo_block(solo, first, 2);
    struct block *invented = solo_block(solo, solo->genesis, 9);
    show_certificate(solo, second);

    answer(solo, &invented, 1, NULL);

    assert_null(solo_effect(solo, CORE_ASK_VALIDATE, 0));
    assert_null(solo_effect(solo, CORE_PERSIST_BLOCK, 0));
    assert_false(status_of(solo).taking_blocks);
    block_unref(first);
    block_unref(second);
    block_unref(invented);
}

static void a_run_is_taken_block_by_block_and_a_second_one_only_after_it(void **state)
{
    struct solo *solo = *state;
    struct block *blocks[3];
    const struct block *parent = solo->genesis;
    for (uint32_t i = 0; i < 3; i++) {
        blocks[i] = solo_block(solo, parent, i + 1);
        parent = blocks[i];
    }
    answer(solo, blocks, 2, solo_qc(solo, blocks[1])); /* nothing waits: that is no condition */
    expect_asked(solo, blocks[0]);
    assert_true(status_of(solo).taking_blocks);
    struct message *second = message_new(MESSAGE_SYNC_RESPONSE);
    assert_int_equal(solo_receive(solo, 1, second), REJECT_DUPLICATE);

    (void)solo_validated(solo, blocks[0], true);
    expect_asked(solo, blocks[1]);
    (void)solo_validated(solo, blocks[1], true);
    assert_false(status_of(solo).taking_blocks);
    assert_memory_equal(status_of(solo).high_qc->block.bytes, blocks[1]->hash.bytes,
                        INGOT_HASH_BYTES);
    answer(solo, &blocks[2], 1, solo_qc(solo, blocks[2]));
    expect_asked(solo, blocks[2]);
    for (uint32_t i = 0; i < 3; i++) {
        block_unref(blocks[i]);
    }
}

static void one_member_with_many_votes_in_a_view_is_reported_once(void **state)
{
    struct solo *solo = *state;
    uint32_t reports = 0;
    for (uint8_t i = 0; i < 10; i++) {
        struct message *message = message_new(MESSAGE_VOTE);
        message->vote = (struct vote){.view = 5, .voter = 2};
        memset(message->vote.block.bytes, i + 1, INGOT_HASH_BYTES);
        (void)solo_receive(solo, 1, message);
        reports += solo_effect(solo, CORE_EVIDENCE, 0) != NULL;
    }
    assert_int_equal(reports, 1);

    struct message *later = message_new(MESSAGE_VOTE);
    later->vote = (struct vote){.view = 6, .voter = 2};
    (void)solo_receive(solo, 1, later);
    later = message_new(MESSAGE_VOTE);
    later->vote = (struct vote){.view = 6, .voter = 2};
    later->vote.block.bytes[0] = 1;
    (void)solo_receive(solo, 1, later);
    assert_non_null(solo_effect(solo, CORE_EVIDENCE, 0));
}

/* More than a third lie: the certificates of two branches exclude each other. */
static void conflicting_certificates_stop_the_replica_with_a_reason(void **state)
{
    struct solo *solo = *state;
    struct block *chain[3];
    struct block *rival = solo_block(solo, solo->genesis, 9);
    const struct block *parent = solo->genesis;
    for (uint32_t i = 0; i < 3; i++) {
        chain[i] = solo_block(solo, parent, i + 1);
        parent = chain[i];
    }
    show_certificate(solo, chain[1]);
    answer(solo, chain, 2, NULL);
    (void)solo_validated(solo, chain[0], true);
    (void)solo_validated(solo, chain[1], true);
    assert_int_equal(solo_propose(solo, chain[2], NULL), REJECT_NONE);
    expect_asked(solo, chain[2]);
    (void)solo_validated(solo, chain[2], true);
    show_certificate(solo, rival);
    answer(solo, &rival, 1, NULL);
    (void)solo_validated(solo, rival, true);

    show_certificate(solo, chain[2]);

    assert_non_null(solo_effect(solo, CORE_HALT, 0));
    assert_null(solo_effect(solo, CORE_COMMIT, 0));
    block_unref(rival);
    for (uint32_t i = 0; i < 3; i++) {
        block_unref(chain[i]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(the_status_says_which_certificate_waits_and_who_showed_it,
                                        set_up, tear_down),
        cmocka_unit_test_setup_teardown(an_invented_block_is_not_executed, set_up, tear_down),
        cmocka_unit_test_setup_teardown(
            a_run_is_taken_block_by_block_and_a_second_one_only_after_it, set_up, tear_down),
        cmocka_unit_test_setup_teardown(one_member_with_many_votes_in_a_view_is_reported_once,
                                        set_up, tear_down),
        cmocka_unit_test_setup_teardown(conflicting_certificates_stop_the_replica_with_a_reason,
                                        set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
