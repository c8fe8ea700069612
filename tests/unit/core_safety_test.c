/*
 * One vote for each view, and nothing on the word of a single peer. Goal: neither a restart nor a
 * leader or voter that says two things makes a replica vote twice, and nobody makes it jump or keep
 * more than its share. Locks, gaps and what comes early or late are in tests/scenario. Method: one
 * core of four, alone; the test plays its peers, its App and time.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "lib/solo.h"

/* Leads none of the first four tenures' views that the stories are about: tests check that. */
#define ME 3
#define CHAIN_MAX 16

struct story {
    struct solo solo;
    struct block *chain[CHAIN_MAX]; /* what the test has made; owned */
    uint32_t count;
};

static int set_up(void **state)
{
    struct story *story = calloc(1, sizeof *story);
    assert_non_null(story);
    solo_init(&story->solo, ME);
    *state = story;
    return 0;
}

static int tear_down(void **state)
{
    struct story *story = *state;
    for (uint32_t i = 0; i < story->count; i++) {
        block_unref(story->chain[i]);
    }
    solo_deinit(&story->solo);
    free(story);
    return 0;
}

static struct block *make(struct story *story, const struct block *parent, uint64_t view)
{
    assert_true(story->count < CHAIN_MAX);
    struct block *block = solo_block(&story->solo, parent, view);
    story->chain[story->count++] = block;
    return block;
}

/* The view is entered by a TC where the block before is not of the view before. */
static struct tc *entry_of(struct story *story, const struct block *parent, uint64_t view)
{
    return parent->view + 1 == view
               ? NULL
               : solo_tc(&story->solo, view - 1, solo_qc(&story->solo, parent));
}

static struct block *accept_next(struct story *story, const struct block *parent, uint64_t view)
{
    struct block *block = make(story, parent, view);
    solo_accept(&story->solo, block, entry_of(story, parent, view));
    return block;
}

static void expect_voted(const struct story *story, const struct block *block)
{
    const struct vote *vote = solo_sent_vote(&story->solo);
    assert_non_null(vote);
    assert_memory_equal(vote->block.bytes, block->hash.bytes, INGOT_HASH_BYTES);
    assert_int_equal(vote->view, block->view);
}

static void expect_position(struct position position, uint64_t view)
{
    assert_int_equal(position.epoch, 0);
    assert_int_equal(position.view, view);
}

/* --- Durable first. --- */

static void an_answer_in_time_is_followed_by_a_durable_vote(void **state)
{
    struct story *story = *state;
    struct solo *solo = &story->solo;
    struct block *b1 = make(story, solo->genesis, 1);
    solo_accept(solo, b1, NULL);
    expect_voted(story, b1);
    /* Block, safety record, vote: in this order. */
    uint32_t block_at = UINT32_MAX;
    uint32_t safety_at = UINT32_MAX;
    uint32_t vote_at = UINT32_MAX;
    for (uint32_t i = 0; i < solo->effects.count; i++) {
        const struct core_effect *effect = &solo->effects.items[i];
        block_at = effect->kind == CORE_PERSIST_BLOCK ? i : block_at;
        safety_at = effect->kind == CORE_PERSIST_SAFETY ? i : safety_at;
        vote_at = effect->kind == CORE_SEND ? i : vote_at;
    }
    assert_true(block_at < safety_at);
    assert_true(safety_at < vote_at);
    assert_int_not_equal(vote_at, UINT32_MAX);
    assert_true(solo->safety.has_vote);
    assert_memory_equal(solo->safety.vote.block.bytes, b1->hash.bytes, INGOT_HASH_BYTES);
}

/* --- Restarts. --- */

static void a_restart_says_the_saved_vote_again_and_casts_no_other(void **state)
{
    struct story *story = *state;
    struct solo *solo = &story->solo;
    struct block *b1 = accept_next(story, solo->genesis, 1);
    const struct vote before = *solo_sent_vote(solo);
    solo_restart(solo, &b1, 1);
    const struct vote *again = solo_sent_vote(solo);
    assert_non_null(again);
    assert_true(vote_same_choice(again, &before));
    assert_int_equal(again->voter, before.voter);
    struct block *rival = make(story, solo->genesis, 1);
    (void)solo_propose(solo, rival, NULL);
    (void)solo_validated(solo, rival, true);
    assert_null(solo_sent_vote(solo));
}

static void a_restart_after_a_timeout_says_no_vote(void **state)
{
    struct story *story = *state;
    struct solo *solo = &story->solo;
    solo_tick(solo, 5000);
    solo_restart(solo, NULL, 0);
    assert_null(solo_sent_vote(solo));
    struct block *b1 = make(story, solo->genesis, 1);
    (void)solo_propose(solo, b1, NULL);
    (void)solo_validated(solo, b1, true);
    assert_null(solo_sent_vote(solo));
}

static void a_leader_that_restarts_proposes_nothing_at_or_below_its_vote(void **state)
{
    struct story *story = *state;
    const uint32_t leader = solo_leader(&story->solo, 1);
    solo_deinit(&story->solo);
    solo_init(&story->solo, leader);
    struct solo *solo = &story->solo;
    assert_int_equal(solo_count(solo, CORE_ASK_PROPOSE), 1);
    struct block *b1 = make(story, solo->genesis, 1);
    (void)solo_step(solo, (struct core_event){.kind = CORE_BUILT, .block = b1, .position = {0, 1}});
    assert_int_equal(solo_count(solo, CORE_BROADCAST), 1);
    solo_restart(solo, &b1, 1);
    assert_int_equal(solo_count(solo, CORE_ASK_PROPOSE), 0);
    /* With the certificate it leads the next view, and says so again only there. */
    assert_int_equal(solo_show_qc(solo, solo_qc(solo, b1)), REJECT_NONE);
    assert_int_equal(solo_count(solo, CORE_ASK_PROPOSE), 1);
    assert_int_equal(solo_effect(solo, CORE_ASK_PROPOSE, 0)->position.view, 2);
}

/* --- Certificates of what is unknown, or far ahead. --- */

static void a_view_far_ahead_without_a_certificate_gives_no_jump(void **state)
{
    struct story *story = *state;
    struct solo *solo = &story->solo;
    const struct block *b1 = accept_next(story, solo->genesis, 1);
    assert_int_equal(solo_show_qc(solo, solo_qc(solo, b1)), REJECT_NONE);
    const struct core_status before = solo_status(solo);
    struct block *far = make(story, b1, 1000);
    assert_int_equal(solo_propose(solo, far, NULL), REJECT_NO_ENTRY_PROOF);
    assert_int_equal(solo_count(solo, CORE_ASK_VALIDATE), 0);
    assert_int_equal(solo_vote(solo, 0, far), REJECT_NONE); /* kept in its slot */
    assert_int_equal(solo_timeout(solo, 1, 1000, solo_qc(solo, b1), NULL), REJECT_NONE);
    assert_int_equal(solo_timeout(solo, 2, 1000, solo_qc(solo, b1), NULL), REJECT_NONE);
    const struct core_status after = solo_status(solo);
    assert_int_equal(position_compare(before.current, after.current), 0);
    assert_int_equal(after.timeouts, 0);
}

/* --- Leaders and voters that say two things. --- */

static void two_proposals_of_one_view_get_one_vote(void **state)
{
    struct story *story = *state;
    struct solo *solo = &story->solo;
    struct block *first = make(story, solo->genesis, 1);
    struct block *second = make(story, solo->genesis, 1);
    solo_accept(solo, first, NULL);
    expect_voted(story, first);
    (void)solo_propose(solo, second, NULL);
    assert_null(solo_sent_vote(solo));
    (void)solo_validated(solo, second, true);
    assert_null(solo_sent_vote(solo));
    assert_memory_equal(solo->safety.vote.block.bytes, first->hash.bytes, INGOT_HASH_BYTES);
}

static void a_voter_that_says_two_things_is_accused_of_both(void **state)
{
    struct story *story = *state;
    struct solo *solo = &story->solo;
    struct block *first = make(story, solo->genesis, 1);
    struct block *second = make(story, solo->genesis, 1);
    assert_int_equal(solo_vote(solo, 1, first), REJECT_NONE);
    assert_int_equal(solo_vote(solo, 1, second), REJECT_DUPLICATE);
    const struct core_effect *evidence = solo_effect(solo, CORE_EVIDENCE, 0);
    assert_non_null(evidence);
    assert_memory_equal(evidence->evidence[0].block.bytes, first->hash.bytes, INGOT_HASH_BYTES);
    assert_memory_equal(evidence->evidence[1].block.bytes, second->hash.bytes, INGOT_HASH_BYTES);
    /* The same vote again is no offence. */
    assert_int_equal(solo_vote(solo, 2, first), REJECT_NONE);
    assert_int_equal(solo_vote(solo, 2, first), REJECT_DUPLICATE);
    assert_int_equal(solo_count(solo, CORE_EVIDENCE), 0);
}

static void a_vote_of_our_own_that_we_did_not_cast_stops_us_from_signing(void **state)
{
    struct story *story = *state;
    struct solo *solo = &story->solo;
    struct block *b1 = make(story, solo->genesis, 1);
    struct block *b2 = make(story, b1, 2);
    assert_int_equal(solo_vote(solo, ME, b2), REJECT_DUPLICATE);
    assert_int_equal(solo_count(solo, CORE_STOP_SIGNING), 1);
    /* It follows as an observer from now on. */
    solo_accept(solo, b1, NULL);
    assert_null(solo_sent_vote(solo));
    solo_tick(solo, 100000);
    assert_int_equal(solo_status(solo).timeouts, 0);
    assert_int_equal(solo_show_qc(solo, solo_qc(solo, b1)), REJECT_NONE);
    expect_position(solo_status(solo).high, 1);
}

static void our_own_vote_coming_back_is_nothing_special(void **state)
{
    struct story *story = *state;
    struct solo *solo = &story->solo;
    const struct block *b1 = accept_next(story, solo->genesis, 1);
    (void)solo_vote(solo, ME, b1);
    assert_int_equal(solo_count(solo, CORE_STOP_SIGNING), 0);
    struct block *rival = make(story, solo->genesis, 1);
    (void)solo_vote(solo, ME, rival);
    assert_int_equal(solo_count(solo, CORE_STOP_SIGNING), 1);
}

/* --- What others make us keep. --- */

static enum reject bring_by_one_channel(struct solo *solo, struct block *block)
{
    struct message *message = message_new(MESSAGE_PROPOSE);
    message->propose.block = block_ref(block);
    message->propose.vote = (struct vote){
        .view = block->view, .block = block->hash, .voter = solo_leader(solo, block->view)};
    return solo_receive(solo, 1, message);
}

static void a_channel_keeps_orphans_of_bounded_size(void **state)
{
    struct story *story = *state;
    struct solo *solo = &story->solo;
    struct block *unknown = make(story, solo->genesis, 1);
    for (uint64_t view = 2; view <= 4; view++) {
        struct block *orphan = make(story, unknown, view);
        (void)solo_propose(solo, orphan, solo_tc(solo, view - 1, solo_qc(solo, unknown)));
        assert_true(solo_status(solo).pending_bytes <= block_size_bytes(orphan));
    }
    struct block *child = make(story, unknown, 5);
    assert_int_equal(solo_propose(solo, child, solo_tc(solo, 4, solo_qc(solo, unknown))),
                     REJECT_NONE);
    assert_int_equal(solo_status(solo).pending_bytes, block_size_bytes(child));
    /* Larger than a channel's share. */
    struct block *large = make(story, unknown, 5);
    ingot_buffer_reserve(&large->payload, INGOT_PENDING_BYTES_PER_PEER_MAX + 1);
    large->payload.size = INGOT_PENDING_BYTES_PER_PEER_MAX + 1;
    assert_int_equal(solo_propose(solo, large, solo_tc(solo, 4, solo_qc(solo, unknown))),
                     REJECT_BUFFER_FULL);
    /* Once the parent is there, the orphan is taken up. */
    assert_int_equal(bring_by_one_channel(solo, unknown), REJECT_NONE);
    assert_int_equal(solo_validated(solo, unknown, true), REJECT_NONE);
    assert_int_equal(solo_count(solo, CORE_ASK_VALIDATE), 1);
    assert_int_equal(solo_status(solo).pending_bytes, 0);
    assert_int_equal(solo_validated(solo, child, true), REJECT_NONE);
    expect_voted(story, child);
}

/* While a block is fetched the chain goes on; what was shown meanwhile need not be fetched too. */
static void what_was_shown_while_a_block_was_on_its_way_is_taken_up(void **state)
{
    struct story *story = *state;
    struct solo *solo = &story->solo;
    struct block *late = make(story, solo->genesis, 1);
    struct block *second = make(story, late, 2);
    struct block *third = make(story, second, 3);
    struct block *fourth = make(story, third, 4);
    assert_int_equal(solo_propose(solo, second, NULL), REJECT_NONE);
    assert_int_equal(solo_propose(solo, third, NULL), REJECT_NONE);
    assert_int_equal(solo_propose(solo, fourth, NULL), REJECT_NONE);
    assert_int_equal(solo_propose(solo, third, NULL), REJECT_DUPLICATE);

    assert_int_equal(solo_propose(solo, late, NULL), REJECT_NONE);
    assert_int_equal(solo_validated(solo, late, true), REJECT_NONE);
    assert_int_equal(solo_validated(solo, second, true), REJECT_NONE);
    assert_int_equal(solo_validated(solo, third, true), REJECT_NONE);
    assert_int_equal(solo_validated(solo, fourth, true), REJECT_NONE);
    expect_voted(story, fourth);
}

static void the_highest_of_many_orphans_stay(void **state)
{
    struct story *story = *state;
    struct solo *solo = &story->solo;
    const struct block *parent = make(story, solo->genesis, 1);
    size_t bytes = 0;
    for (uint64_t view = 2; view < 2 * INGOT_ORPHANS_PER_PEER_MAX; view++) {
        struct block *orphan = make(story, parent, view);
        assert_int_equal(bring_by_one_channel(solo, orphan), REJECT_NONE);
        bytes = block_size_bytes(orphan);
        assert_in_range(solo_status(solo).pending_bytes, bytes, INGOT_ORPHANS_PER_PEER_MAX * bytes);
        parent = orphan;
    }
    assert_int_equal(solo_status(solo).pending_bytes, INGOT_ORPHANS_PER_PEER_MAX * bytes);
}

#define STORY(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        STORY(an_answer_in_time_is_followed_by_a_durable_vote),
        STORY(a_restart_says_the_saved_vote_again_and_casts_no_other),
        STORY(a_restart_after_a_timeout_says_no_vote),
        STORY(a_leader_that_restarts_proposes_nothing_at_or_below_its_vote),
        STORY(a_view_far_ahead_without_a_certificate_gives_no_jump),
        STORY(two_proposals_of_one_view_get_one_vote),
        STORY(a_voter_that_says_two_things_is_accused_of_both),
        STORY(a_vote_of_our_own_that_we_did_not_cast_stops_us_from_signing),
        STORY(our_own_vote_coming_back_is_nothing_special),
        STORY(a_channel_keeps_orphans_of_bounded_size),
        STORY(what_was_shown_while_a_block_was_on_its_way_is_taken_up),
        STORY(the_highest_of_many_orphans_stay),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
