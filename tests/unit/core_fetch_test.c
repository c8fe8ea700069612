/*
 * Searching for blocks among peers that lie, stall and flood, and what else one member can say too
 * often. Goal: nobody keeps a replica that is behind from asking on, or fills it with inventions.
 * Method: one core of four, alone; the test plays its peers and its App.
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

static void expect_fetch(const struct solo *solo, uint32_t attempt)
{
    const struct core_effect *fetch = solo_effect(solo, CORE_FETCH, 0);
    assert_non_null(fetch);
    assert_int_equal(fetch->attempt, attempt);
}

/* A core that has just asked for `target`. */
static void ask_for(struct solo *solo, const struct block *target)
{
    show_certificate(solo, target);
    solo_tick(solo, 10);
    expect_fetch(solo, 0);
}

/* --- The tests. --- */

static void an_invented_block_is_not_executed_and_another_peer_is_asked(void **state)
{
    struct solo *solo = *state;
    struct block *first = solo_block(solo, solo->genesis, 1);
    struct block *second = solo_block(solo, first, 2);
    struct block *invented = solo_block(solo, solo->genesis, 9);
    ask_for(solo, second);

    answer(solo, &invented, 1, NULL);

    assert_null(solo_effect(solo, CORE_ASK_VALIDATE, 0));
    assert_null(solo_effect(solo, CORE_PERSIST_BLOCK, 0));
    solo_tick(solo, solo->config.fetch_timeout_ms);
    expect_fetch(solo, 1);
    block_unref(first);
    block_unref(second);
    block_unref(invented);
}

static void the_target_needs_no_certificate_even_when_a_higher_one_has_been_shown(void **state)
{
    struct solo *solo = *state;
    struct block *blocks[3];
    blocks[0] = solo_block(solo, solo->genesis, 1);
    blocks[1] = solo_block(solo, blocks[0], 2);
    blocks[2] = solo_block(solo, blocks[1], 3);
    ask_for(solo, blocks[1]);
    show_certificate(solo, blocks[2]);

    answer(solo, blocks, 2, NULL);
    expect_asked(solo, blocks[0]);
    (void)solo_validated(solo, blocks[0], true);

    expect_asked(solo, blocks[1]);
    for (uint32_t i = 0; i < 3; i++) {
        block_unref(blocks[i]);
    }
}

static void a_flood_of_empty_answers_does_not_put_off_the_next_request(void **state)
{
    struct solo *solo = *state;
    struct block *first = solo_block(solo, solo->genesis, 1);
    ask_for(solo, first);
    bool has_asked_again = false;

    for (uint32_t i = 0; i < 2 * solo->config.fetch_timeout_ms / 10 && !has_asked_again; i++) {
        solo->now_ms += 10;
        answer(solo, NULL, 0, NULL);
        has_asked_again = solo_effect(solo, CORE_FETCH, 0) != NULL;
    }

    assert_true(has_asked_again);
    expect_fetch(solo, 1);
    block_unref(first);
}

static void a_peer_that_gives_one_block_at_a_time_is_not_asked_twice_in_a_row(void **state)
{
    struct solo *solo = *state;
    struct block *first = solo_block(solo, solo->genesis, 1);
    struct block *second = solo_block(solo, first, 2);
    struct block *third = solo_block(solo, second, 3);
    ask_for(solo, third);

    answer(solo, &first, 1, solo_qc(solo, first));
    expect_asked(solo, first);
    (void)solo_validated(solo, first, true);

    expect_fetch(solo, 1);
    assert_memory_equal(solo_effect(solo, CORE_FETCH, 0)->message->sync_request.base.bytes,
                        first->hash.bytes, INGOT_HASH_BYTES);
    block_unref(first);
    block_unref(second);
    block_unref(third);
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
    ask_for(solo, chain[1]);
    answer(solo, chain, 2, NULL);
    (void)solo_validated(solo, chain[0], true);
    (void)solo_validated(solo, chain[1], true);
    assert_int_equal(solo_propose(solo, chain[2], NULL), REJECT_NONE);
    expect_asked(solo, chain[2]);
    (void)solo_validated(solo, chain[2], true);
    show_certificate(solo, rival);
    solo_tick(solo, 10);
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
        cmocka_unit_test_setup_teardown(an_invented_block_is_not_executed_and_another_peer_is_asked,
                                        set_up, tear_down),
        cmocka_unit_test_setup_teardown(
            the_target_needs_no_certificate_even_when_a_higher_one_has_been_shown, set_up,
            tear_down),
        cmocka_unit_test_setup_teardown(a_flood_of_empty_answers_does_not_put_off_the_next_request,
                                        set_up, tear_down),
        cmocka_unit_test_setup_teardown(
            a_peer_that_gives_one_block_at_a_time_is_not_asked_twice_in_a_row, set_up, tear_down),
        cmocka_unit_test_setup_teardown(one_member_with_many_votes_in_a_view_is_reported_once,
                                        set_up, tear_down),
        cmocka_unit_test_setup_teardown(conflicting_certificates_stop_the_replica_with_a_reason,
                                        set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
