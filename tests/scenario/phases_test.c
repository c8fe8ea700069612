/*
 * A block that changes the validator set, from its proposal to the first block of the new epoch, as
 * one replica sees it. Goal: each phase asks for the next, nothing is built on the block before it
 * is committed, and no vote of one epoch counts in another. Method: one core of four, alone; the
 * test plays its peers, its App and time.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "lib/solo_story.h"

static struct block *accept_change(struct solo *solo)
{
    struct block *change = solo_make_change(solo, solo->genesis, 1);
    solo_accept(solo, change, NULL);
    return change;
}

static enum reject vote(struct solo *solo, uint32_t voter, uint64_t epoch, uint64_t view,
                        enum phase phase, const struct block *block)
{
    struct message *message = message_new(MESSAGE_VOTE);
    message->vote = (struct vote){
        .epoch = epoch, .view = view, .phase = phase, .block = block->hash, .voter = voter};
    return solo_receive(solo, voter, message);
}

/* The last message of this kind that the last step broadcast, or NULL. */
static const struct message *find_broadcast(const struct solo *solo, enum message_kind kind)
{
    const struct message *found = NULL;
    for (uint32_t i = 0; i < solo_count(solo, CORE_BROADCAST); i++) {
        const struct message *message = solo_effect(solo, CORE_BROADCAST, i)->message;
        found = message->kind == kind ? message : found;
    }
    return found;
}

static void the_commit_qc_opens_the_epoch_after_everything_is_durable(void **state)
{
    struct solo *solo = *state;
    struct block *change = accept_change(solo);
    assert_int_equal(solo_show_qc(solo, solo_phase_qc(solo, change, PHASE_COMMIT, 3)), REJECT_NONE);
    /* The safety record, the commit with the new set, and only then the word to everybody. */
    uint32_t safety_at = UINT32_MAX;
    uint32_t commit_at = UINT32_MAX;
    uint32_t word_at = UINT32_MAX;
    for (uint32_t i = 0; i < solo->effects.count; i++) {
        const struct core_effect *effect = &solo->effects.items[i];
        safety_at = effect->kind == CORE_PERSIST_SAFETY ? i : safety_at;
        commit_at = effect->kind == CORE_COMMIT ? i : commit_at;
        word_at = effect->kind == CORE_BROADCAST ? i : word_at;
    }
    assert_int_not_equal(word_at, UINT32_MAX);
    assert_true(commit_at < word_at);
    assert_true(safety_at < word_at);
    assert_ptr_equal(solo->effects.items[commit_at].next_set, solo->next_set);
    assert_int_equal(solo->effects.items[word_at].message->certificate.qc->phase, PHASE_COMMIT);
    solo_expect_position(solo->safety.current, 1, 4);
    solo_expect_position(solo->safety.locked, 1, 3);
    assert_ptr_equal(core_find_set(solo->core, 1), solo->next_set);
    /* Said once, however often others say it. */
    (void)solo_show_qc(solo, solo_phase_qc(solo, change, PHASE_COMMIT, 3));
    assert_int_equal(solo_count(solo, CORE_BROADCAST), 0);
}

static void no_block_stands_on_a_change_that_is_not_committed(void **state)
{
    struct solo *solo = *state;
    struct block *change = accept_change(solo);
    static const enum phase phases[] = {PHASE_PREPARE, PHASE_PRECOMMIT};
    for (uint64_t i = 0; i < 2; i++) {
        struct block *child = solo_make(solo, change, i + 2);
        qc_unref(child->justify);
        child->justify = solo_phase_qc(solo, change, phases[i], i + 1);
        /* As a leader might have it who takes the new set to be in force, or not. */
        child->validators_hash = i == 0 ? solo->next_set->hash : solo->set->hash;
        child->next_validators_hash = child->validators_hash;
        assert_int_not_equal(solo_propose(solo, child, NULL), REJECT_NONE);
        assert_int_equal(solo_count(solo, CORE_ASK_VALIDATE), 0);
        assert_null(solo_sent_vote(solo));
    }
    /* A Generic QC of such a block was made by nobody honest. */
    assert_int_equal(solo_show_qc(solo, solo_phase_qc(solo, change, PHASE_GENERIC, change->view)),
                     REJECT_BINDING);
}

/* Votes come in until the leader nudges. */
static const struct nudge *collect(struct solo *solo, const struct block *change, uint64_t view,
                                   enum phase phase)
{
    for (uint32_t voter = 0; voter < SOLO_VALIDATORS; voter++) {
        (void)vote(solo, voter, 0, view, phase, change);
        const struct message *message = find_broadcast(solo, MESSAGE_NUDGE);
        if (message != NULL) {
            assert_int_equal(solo_count(solo, CORE_ASK_PROPOSE), 0);
            return &message->nudge;
        }
    }
    return NULL;
}

static void the_leader_nudges_from_phase_to_phase(void **state)
{
    struct solo *solo = *state;
    const uint32_t leader = solo_leader(solo, 1);
    assert_int_equal(solo_leader(solo, 4), leader);
    solo_deinit(solo);
    solo_init(solo, leader);
    struct block *change = solo_make_change(solo, solo->genesis, 1);
    (void)solo_step(solo, (struct core_event){.kind = CORE_BUILT,
                                              .block = change,
                                              .position = {0, 1},
                                              .next_set = solo->next_set});
    const struct message *proposal = find_broadcast(solo, MESSAGE_PROPOSE);
    assert_non_null(proposal);
    assert_int_equal(proposal->propose.vote.phase, PHASE_PREPARE);
    static const enum phase phases[] = {PHASE_PREPARE, PHASE_PRECOMMIT, PHASE_COMMIT};
    for (uint64_t i = 0; i < 2; i++) {
        const struct nudge *nudge = collect(solo, change, i + 1, phases[i]);
        assert_non_null(nudge);
        assert_int_equal(nudge->view, i + 2);
        assert_int_equal(nudge->justify->phase, phases[i]);
        assert_int_equal(nudge->justify->view, i + 1);
        assert_int_equal(nudge->vote.phase, phases[i + 1]);
    }
    assert_null(collect(solo, change, 3, PHASE_COMMIT));
    solo_expect_position(solo_status(solo).current, 1, 4);
}

static void votes_for_a_block_that_is_still_on_its_way_count_once_it_is_here(void **state)
{
    struct solo *solo = *state;
    struct block *change = solo_make_change(solo, solo->genesis, 1);
    for (uint32_t voter = 0; voter < 3; voter++) {
        assert_int_equal(vote(solo, voter, 0, 3, PHASE_COMMIT, change), REJECT_NONE);
        solo_expect_position(solo_status(solo).current, 0, 1);
    }
    assert_int_equal(solo_propose(solo, change, NULL), REJECT_NONE);
    (void)solo_validated(solo, change, true);
    solo_expect_position(solo_status(solo).current, 1, 4);
    assert_int_equal(solo_count(solo, CORE_COMMIT), 1);
}

static void votes_of_the_old_set_count_for_nothing_in_the_new_one(void **state)
{
    struct solo *solo = *state;
    struct block *change = accept_change(solo);
    assert_int_equal(solo_show_qc(solo, solo_phase_qc(solo, change, PHASE_COMMIT, 3)), REJECT_NONE);
    struct block *first = solo_make(solo, change, 4);
    solo_accept(solo, first, NULL);
    const struct position high = solo_status(solo).high;
    /* The very keys, the very view; but what they have signed is of the epoch before. */
    for (uint32_t voter = 0; voter < SOLO_VALIDATORS; voter++) {
        assert_int_equal(vote(solo, voter, 0, 4, PHASE_GENERIC, first), REJECT_PAST);
    }
    assert_int_equal(position_compare(solo_status(solo).high, high), 0);
    for (uint32_t voter = 0; voter < 3; voter++) {
        (void)vote(solo, voter, 1, 4, PHASE_GENERIC, first);
    }
    solo_expect_position(solo_status(solo).high, 1, 4);
}

static void timeouts_of_the_old_set_count_for_nothing_in_the_new_one(void **state)
{
    struct solo *solo = *state;
    struct block *change = accept_change(solo);
    assert_int_equal(solo_show_qc(solo, solo_phase_qc(solo, change, PHASE_COMMIT, 3)), REJECT_NONE);
    for (uint64_t view = 4; view < 40; view++) {
        for (uint32_t voter = 0; voter < SOLO_VALIDATORS; voter++) {
            assert_int_equal(solo_timeout(solo, voter, view, solo_qc(solo, solo->genesis), NULL),
                             REJECT_PAST);
        }
        (void)solo_show_tc(solo, solo_tc(solo, view, solo_qc(solo, solo->genesis)));
        solo_expect_position(solo_status(solo).current, 1, 4);
        assert_int_equal(solo_status(solo).timeouts, 0);
        assert_int_equal(solo_count(solo, CORE_PERSIST_SAFETY), 0);
    }
}

static void restart_with_a_saved_vote(void **state)
{
    struct solo *solo = *state;
    struct block *change = accept_change(solo);
    static const enum phase certified[] = {PHASE_PREPARE, PHASE_PRECOMMIT};
    for (uint64_t i = 0; i < 2; i++) {
        const uint64_t view = i + 2;
        assert_int_equal(
            solo_nudge(solo, view, solo_phase_qc(solo, change, certified[i], view - 1), NULL),
            REJECT_NONE);
        const struct vote before = *solo_sent_vote(solo);
        assert_int_equal(before.phase, certified[i] + 1);
        solo_restart(solo, &change, 1);
        const struct vote *again = solo_sent_vote(solo);
        assert_non_null(again);
        assert_true(vote_same_choice(again, &before));
        assert_int_equal(again->voter, before.voter);
        /* The leader's word again changes nothing. */
        (void)solo_nudge(solo, view, solo_phase_qc(solo, change, certified[i], view - 1), NULL);
        assert_null(solo_sent_vote(solo));
    }
}

static void a_leader_that_restarts_nudges_nothing_at_or_below_its_vote(void **state)
{
    struct solo *solo = *state;
    const uint32_t leader = solo_leader(solo, 1);
    solo_deinit(solo);
    solo_init(solo, leader);
    struct block *change = solo_make_change(solo, solo->genesis, 1);
    (void)solo_step(solo, (struct core_event){.kind = CORE_BUILT,
                                              .block = change,
                                              .position = {0, 1},
                                              .next_set = solo->next_set});
    assert_non_null(collect(solo, change, 1, PHASE_PREPARE));
    solo_restart(solo, &change, 1);
    solo_expect_position(solo_status(solo).current, 0, 2);
    assert_null(find_broadcast(solo, MESSAGE_NUDGE));
    assert_null(find_broadcast(solo, MESSAGE_PROPOSE));
    assert_int_equal(solo_count(solo, CORE_ASK_PROPOSE), 0);
    assert_int_equal(solo_sent_vote(solo)->phase, PHASE_PRECOMMIT);
    /* Only in the next view it speaks again. */
    assert_non_null(collect(solo, change, 2, PHASE_PRECOMMIT));
}

#define STORY(name) cmocka_unit_test_setup_teardown(name, solo_set_up, solo_tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        STORY(the_commit_qc_opens_the_epoch_after_everything_is_durable),
        STORY(no_block_stands_on_a_change_that_is_not_committed),
        STORY(the_leader_nudges_from_phase_to_phase),
        STORY(votes_for_a_block_that_is_still_on_its_way_count_once_it_is_here),
        STORY(votes_of_the_old_set_count_for_nothing_in_the_new_one),
        STORY(restart_with_a_saved_vote),
        STORY(a_leader_that_restarts_nudges_nothing_at_or_below_its_vote),
        STORY(timeouts_of_the_old_set_count_for_nothing_in_the_new_one),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
