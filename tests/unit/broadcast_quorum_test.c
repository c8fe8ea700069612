/*
 * Goal: each rule of quorum broadcast, one by one, at one replica. Method: a lone replica of four
 * members (a quorum is three, one honest is two); the test plays the other three.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "lib/broadcast_solitary.h"

#define ANY UINT32_MAX

static struct solitary solitary;

/* We are member 0; member 1 originates where nothing else is said. */
static int set_up(void **state)
{
    (void)state;
    solitary_init_quorum(&solitary, 4, 0, NULL);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    solitary_deinit(&solitary);
    return 0;
}

static enum broadcast_reject pre_prepare(uint32_t originator, const char *id, const char *payload)
{
    return solitary_say(&solitary, BROADCAST_PRE_PREPARE, originator, originator, id, payload);
}

static enum broadcast_reject prepare(uint32_t sender, const char *payload)
{
    return solitary_say(&solitary, BROADCAST_PREPARE, sender, 1, "id", payload);
}

static enum broadcast_reject commit(uint32_t sender, const char *payload)
{
    return solitary_say(&solitary, BROADCAST_COMMIT, sender, 1, "id", payload);
}

/* To everybody, as when something is said for the first time. */
static uint32_t said(enum broadcast_kind kind)
{
    return solitary_sent(&solitary, kind, BROADCAST_TO_ALL, ANY);
}

static uint32_t delivered(void)
{
    return solitary_count(&solitary, BROADCAST_DELIVER);
}

static uint64_t rejected(enum broadcast_reject reject)
{
    return solitary.protocol->stats.rejected[reject];
}

/* --- The way of a round. --- */

static void a_replica_prepares_commits_and_delivers(void **state)
{
    (void)state;
    assert_int_equal(pre_prepare(1, "id", "x"), BROADCAST_REJECT_NONE);
    assert_int_equal(said(BROADCAST_PREPARE), 1);
    assert_int_equal(prepare(1, "x"), BROADCAST_REJECT_NONE);
    assert_int_equal(said(BROADCAST_COMMIT), 0);
    assert_int_equal(prepare(2, "x"), BROADCAST_REJECT_NONE);
    assert_int_equal(said(BROADCAST_COMMIT), 1);
    assert_int_equal(commit(1, "x"), BROADCAST_REJECT_NONE);
    assert_int_equal(delivered(), 0);
    assert_int_equal(commit(2, "x"), BROADCAST_REJECT_NONE);
    assert_int_equal(delivered(), 1);
    const struct broadcast_effect *effect = solitary_last(&solitary, BROADCAST_DELIVER);
    assert_int_equal(effect->message->originator, 1);
    assert_true(
        ingot_slice_equal(ingot_buffer_slice(&effect->message->payload), ingot_slice_of_text("x")));
    assert_int_equal(effect->commit_count, 3);
    for (uint32_t i = 0; i < 3; i++) {
        assert_int_equal(effect->commits[i]->sender, i);
    }
}

static void a_start_goes_through_by_itself_where_we_are_alone(void **state)
{
    (void)state;
    solitary_deinit(&solitary);
    solitary_init_quorum(&solitary, 1, 0, NULL);
    assert_int_equal(solitary_start(&solitary, "id", "x"), BROADCAST_REJECT_NONE);
    assert_int_equal(delivered(), 1);
}

static void one_honest_member_that_commits_is_reason_to_commit(void **state)
{
    (void)state;
    pre_prepare(1, "id", "x");
    commit(2, "x");
    assert_int_equal(said(BROADCAST_COMMIT), 0);
    commit(3, "x");
    assert_int_equal(said(BROADCAST_COMMIT), 1);
    assert_int_equal(delivered(), 1); /* with our own */
}

static void votes_may_come_before_the_payload(void **state)
{
    (void)state;
    prepare(2, "x");
    prepare(3, "x");
    commit(2, "x");
    commit(3, "x");
    commit(1, "x");
    assert_int_equal(solitary_count(&solitary, BROADCAST_SEND), 0);
    pre_prepare(1, "id", "x");
    assert_int_equal(said(BROADCAST_PREPARE), 1);
    assert_int_equal(said(BROADCAST_COMMIT), 1);
    assert_int_equal(delivered(), 1);
}

static void our_own_messages_count_only_when_they_are_back(void **state)
{
    (void)state;
    solitary.holds_own = true;
    pre_prepare(1, "id", "x");
    prepare(1, "x");
    prepare(2, "x");
    assert_int_equal(said(BROADCAST_PREPARE), 1);
    assert_int_equal(said(BROADCAST_COMMIT), 0);
    solitary_give_back(&solitary);
    assert_int_equal(said(BROADCAST_COMMIT), 1);
}

static void votes_for_different_digests_are_not_added_up(void **state)
{
    (void)state;
    pre_prepare(1, "id", "x");
    prepare(1, "y");
    prepare(2, "x");
    prepare(3, "y");
    assert_int_equal(said(BROADCAST_COMMIT), 0);
    commit(1, "y");
    commit(2, "x");
    assert_int_equal(said(BROADCAST_COMMIT), 0);
}

static void one_member_counts_once(void **state)
{
    (void)state;
    pre_prepare(1, "id", "x");
    assert_int_equal(prepare(2, "x"), BROADCAST_REJECT_NONE);
    assert_int_equal(prepare(2, "x"), BROADCAST_REJECT_DUPLICATE);
    assert_int_equal(prepare(2, "y"), BROADCAST_REJECT_EQUIVOCATION);
    assert_int_equal(commit(2, "x"), BROADCAST_REJECT_NONE);
    assert_int_equal(commit(2, "x"), BROADCAST_REJECT_DUPLICATE);
    assert_int_equal(said(BROADCAST_COMMIT), 0);
}

static void rounds_of_different_originators_and_ids_are_apart(void **state)
{
    (void)state;
    pre_prepare(1, "id", "x");
    solitary_say(&solitary, BROADCAST_PREPARE, 1, 2, "id", "x");
    solitary_say(&solitary, BROADCAST_PREPARE, 3, 2, "id", "x");
    solitary_say(&solitary, BROADCAST_PREPARE, 2, 1, "id2", "x");
    assert_int_equal(said(BROADCAST_COMMIT), 0);
    pre_prepare(2, "id", "x");
    assert_int_equal(said(BROADCAST_COMMIT), 1);
}

static void a_round_is_delivered_once(void **state)
{
    (void)state;
    a_replica_prepares_commits_and_delivers(state);
    commit(3, "x");
    pre_prepare(1, "id", "x");
    pre_prepare(1, "id", "y");
    prepare(3, "y");
    for (unsigned i = 0; i < 200; i++) {
        solitary_tick(&solitary, 400);
    }
    assert_int_equal(pre_prepare(1, "id", "x"), BROADCAST_REJECT_DELIVERED);
    assert_int_equal(delivered(), 1);
}

/* --- Lies. --- */

static void only_the_originator_shows_the_payload(void **state)
{
    (void)state;
    assert_int_equal(solitary_say(&solitary, BROADCAST_PRE_PREPARE, 2, 1, "id", "x"),
                     BROADCAST_REJECT_NOT_ORIGINATOR);
    assert_int_equal(solitary_say(&solitary, BROADCAST_PREPARE, 4, 1, "id", "x"),
                     BROADCAST_REJECT_NOT_A_MEMBER);
    assert_int_equal(solitary_say(&solitary, BROADCAST_PREPARE, 2, 9, "id", "x"),
                     BROADCAST_REJECT_NOT_A_MEMBER);
    assert_int_equal(solitary_say(&solitary, BROADCAST_GOSSIP, 1, 1, "id", "x"),
                     BROADCAST_REJECT_UNEXPECTED);
    assert_int_equal(solitary.protocol->stats.open, 0);
    assert_int_equal(pre_prepare(1, "id", "x"), BROADCAST_REJECT_NONE);
}

static void a_second_payload_is_not_prepared(void **state)
{
    (void)state;
    pre_prepare(1, "id", "x");
    assert_int_equal(pre_prepare(1, "id", "y"), BROADCAST_REJECT_EQUIVOCATION);
    assert_int_equal(said(BROADCAST_PREPARE), 1);
}

static void who_prepared_the_wrong_payload_follows_the_others(void **state)
{
    (void)state;
    pre_prepare(1, "id", "x");
    prepare(1, "y");
    prepare(2, "y");
    prepare(3, "y");
    assert_int_equal(said(BROADCAST_COMMIT), 0); /* it lacks the payload */
    assert_int_equal(pre_prepare(1, "id", "y"), BROADCAST_REJECT_NONE);
    assert_int_equal(said(BROADCAST_PREPARE), 1);
    assert_int_equal(said(BROADCAST_COMMIT), 1);
    commit(2, "y");
    commit(3, "y");
    assert_int_equal(delivered(), 1);
}

static void what_was_prepared_once_binds_after_the_round_was_given_up(void **state)
{
    (void)state;
    pre_prepare(1, "id", "x");
    solitary_tick(&solitary, QUORUM_BROADCAST_TIMEOUT_MS);
    assert_int_equal(solitary.protocol->stats.open, 0);
    solitary_clear(&solitary);
    assert_int_equal(pre_prepare(1, "id", "y"), BROADCAST_REJECT_EQUIVOCATION);
    assert_int_equal(said(BROADCAST_PREPARE), 0);
    assert_int_equal(pre_prepare(1, "id", "x"), BROADCAST_REJECT_NONE);
    assert_int_equal(said(BROADCAST_PREPARE), 1);
}

static void who_comes_back_to_a_round_follows_the_others_without_preparing_twice(void **state)
{
    (void)state;
    pre_prepare(1, "id", "x");
    solitary_tick(&solitary, QUORUM_BROADCAST_TIMEOUT_MS);
    solitary_clear(&solitary);
    commit(2, "y");
    commit(3, "y");
    assert_int_equal(pre_prepare(1, "id", "y"), BROADCAST_REJECT_NONE);
    assert_int_equal(said(BROADCAST_PREPARE), 0);
    assert_int_equal(said(BROADCAST_COMMIT), 1);
    assert_int_equal(delivered(), 1);
}

static void a_vote_of_ours_from_before_a_restart_binds_us(void **state)
{
    (void)state;
    assert_int_equal(prepare(0, "y"), BROADCAST_REJECT_NONE);
    assert_int_equal(pre_prepare(1, "id", "x"), BROADCAST_REJECT_EQUIVOCATION);
    assert_int_equal(said(BROADCAST_PREPARE), 0);
}

/* --- Starts. --- */

static void a_duplicate_start_does_not_reset_a_round(void **state)
{
    (void)state;
    assert_int_equal(solitary_start(&solitary, "id", "x"), BROADCAST_REJECT_NONE);
    solitary_say(&solitary, BROADCAST_PREPARE, 1, 0, "id", "x");
    solitary_clear(&solitary);
    assert_int_equal(solitary_start(&solitary, "id", "x"), BROADCAST_REJECT_DUPLICATE);
    assert_int_equal(solitary.effects.count, 0);
    solitary_say(&solitary, BROADCAST_PREPARE, 2, 0, "id", "x");
    assert_int_equal(said(BROADCAST_COMMIT), 1);
}

static void a_start_of_the_same_id_with_another_payload_is_refused(void **state)
{
    (void)state;
    solitary_start(&solitary, "id", "x");
    solitary_clear(&solitary);
    assert_int_equal(solitary_start(&solitary, "id", "y"), BROADCAST_REJECT_CONFLICT);
    assert_int_equal(solitary.effects.count, 1);
    assert_int_equal(solitary_last(&solitary, BROADCAST_REFUSED)->reason,
                     BROADCAST_REJECT_CONFLICT);
    assert_int_equal(solitary_last(&solitary, BROADCAST_REFUSED)->id.size, 2);
}

static void a_start_of_what_was_delivered_is_refused(void **state)
{
    (void)state;
    solitary_start(&solitary, "id", "x");
    for (uint32_t i = 1; i < 4; i++) {
        solitary_say(&solitary, BROADCAST_COMMIT, i, 0, "id", "x");
    }
    assert_int_equal(delivered(), 1);
    assert_int_equal(solitary_start(&solitary, "id", "x"), BROADCAST_REJECT_DELIVERED);
    assert_int_equal(solitary_start(&solitary, "id", "y"), BROADCAST_REJECT_CONFLICT);
}

static void a_start_that_times_out_says_so_and_can_be_made_again(void **state)
{
    (void)state;
    solitary_start(&solitary, "id", "x");
    solitary_tick(&solitary, QUORUM_BROADCAST_TIMEOUT_MS - 1);
    assert_int_equal(solitary_count(&solitary, BROADCAST_TIMED_OUT), 0);
    solitary_tick(&solitary, 1);
    assert_int_equal(solitary_count(&solitary, BROADCAST_TIMED_OUT), 1);
    solitary_clear(&solitary);
    assert_int_equal(solitary_start(&solitary, "id", "y"), BROADCAST_REJECT_CONFLICT);
    assert_int_equal(solitary_start(&solitary, "id", "x"), BROADCAST_REJECT_NONE);
    assert_int_equal(said(BROADCAST_PRE_PREPARE), 1);
    assert_int_equal(said(BROADCAST_PREPARE), 1);
}

static void a_start_is_refused_where_it_cannot_be(void **state)
{
    (void)state;
    static char large[INGOT_BROADCAST_PAYLOAD_BYTES_MAX + 2];
    for (size_t i = 0; i + 1 < sizeof large; i++) {
        large[i] = 'x';
    }
    assert_int_equal(solitary_start(&solitary, "", "x"), BROADCAST_REJECT_BAD_ID);
    assert_int_equal(solitary_last(&solitary, BROADCAST_REFUSED)->id.size, 0);
    assert_int_equal(solitary_start(&solitary, "id", large), BROADCAST_REJECT_OVERSIZE);
    solitary_deinit(&solitary);
    solitary_init_quorum(&solitary, 4, BROADCAST_NONE, NULL);
    assert_int_equal(solitary_start(&solitary, "id", "x"), BROADCAST_REJECT_NOT_A_MEMBER);
    assert_int_equal(solitary_count(&solitary, BROADCAST_REFUSED), 1);
}

static void an_observer_delivers_and_says_nothing(void **state)
{
    (void)state;
    solitary_deinit(&solitary);
    solitary_init_quorum(&solitary, 4, BROADCAST_NONE, NULL);
    pre_prepare(1, "id", "x");
    for (uint32_t i = 1; i < 4; i++) {
        prepare(i, "x");
        commit(i, "x");
    }
    assert_int_equal(delivered(), 1);
    assert_int_equal(solitary_count(&solitary, BROADCAST_SEND), 0);
}

/* --- Lost messages. --- */

static void a_round_is_said_again_to_those_whose_commit_is_missing(void **state)
{
    (void)state;
    pre_prepare(1, "id", "x");
    prepare(1, "x");
    prepare(2, "x");
    commit(2, "x");
    assert_int_equal(solitary_last(&solitary, BROADCAST_ARM)->deadline_ms,
                     1000 + QUORUM_BROADCAST_RESEND_MS);
    solitary_clear(&solitary);
    solitary_tick(&solitary, QUORUM_BROADCAST_RESEND_MS);
    const enum broadcast_target member = BROADCAST_TO_MEMBER;
    assert_int_equal(solitary_sent(&solitary, BROADCAST_PREPARE, member, ANY), 2);
    assert_int_equal(solitary_sent(&solitary, BROADCAST_COMMIT, member, ANY), 2);
    assert_int_equal(solitary_sent(&solitary, BROADCAST_COMMIT, member, 2), 0);
    /* Only member 3 has not shown that it has the payload. */
    assert_int_equal(solitary_sent(&solitary, BROADCAST_PRE_PREPARE, member, ANY), 1);
    assert_int_equal(solitary_sent(&solitary, BROADCAST_PRE_PREPARE, member, 3), 1);
    assert_non_null(solitary_last(&solitary, BROADCAST_ARM));
}

static void repeats_become_rarer_up_to_a_limit(void **state)
{
    (void)state;
    pre_prepare(1, "id", "x");
    uint64_t last_ms = solitary.now_ms;
    uint64_t longest_ms = 0;
    while (solitary.protocol->stats.open > 0) {
        solitary_clear(&solitary);
        solitary_tick(&solitary, 100);
        if (solitary_sent(&solitary, BROADCAST_PREPARE, BROADCAST_TO_MEMBER, 2) > 0) {
            assert_true(solitary.now_ms - last_ms >= longest_ms);
            longest_ms = solitary.now_ms - last_ms;
            last_ms = solitary.now_ms;
        }
    }
    assert_int_equal(longest_ms, QUORUM_BROADCAST_RESEND_MS_MAX);
}

static void who_repeats_itself_is_answered_once_a_tick(void **state)
{
    (void)state;
    a_replica_prepares_commits_and_delivers(state);
    solitary_clear(&solitary);
    for (unsigned i = 0; i < 5; i++) {
        assert_int_equal(commit(2, "x"), BROADCAST_REJECT_DELIVERED);
    }
    const enum broadcast_target peer = BROADCAST_TO_PEER;
    assert_int_equal(solitary_sent(&solitary, BROADCAST_COMMIT, peer, 2), 1);
    assert_int_equal(solitary_count(&solitary, BROADCAST_SEND), 1); /* it has the payload */
    solitary_clear(&solitary);
    prepare(3, "y"); /* it was shown another payload */
    assert_int_equal(solitary_sent(&solitary, BROADCAST_COMMIT, peer, 3), 1);
    assert_int_equal(solitary_sent(&solitary, BROADCAST_PRE_PREPARE, peer, 3), 1);
    /* Long after, when nothing is said again any more. */
    solitary_tick(&solitary, 2 * QUORUM_BROADCAST_TIMEOUT_MS);
    for (unsigned i = 0; i < 3; i++) {
        solitary_clear(&solitary);
        commit(2, "x");
        assert_int_equal(solitary_sent(&solitary, BROADCAST_COMMIT, peer, 2), 1);
        assert_int_equal(solitary_count(&solitary, BROADCAST_ARM), 1); /* or there were no next */
        solitary_tick(&solitary, QUORUM_BROADCAST_RESEND_MS);
    }
}

static void a_delivered_round_is_said_again_to_who_has_not_committed(void **state)
{
    (void)state;
    a_replica_prepares_commits_and_delivers(state);
    solitary_clear(&solitary);
    solitary_tick(&solitary, QUORUM_BROADCAST_RESEND_MS);
    assert_int_equal(solitary_sent(&solitary, BROADCAST_PRE_PREPARE, BROADCAST_TO_MEMBER, 3), 1);
    assert_int_equal(solitary_sent(&solitary, BROADCAST_COMMIT, BROADCAST_TO_MEMBER, 3), 1);
    assert_int_equal(solitary_count(&solitary, BROADCAST_SEND), 2);
    commit(3, "x");
    solitary_clear(&solitary);
    solitary_tick(&solitary, QUORUM_BROADCAST_TIMEOUT_MS / 2);
    assert_int_equal(solitary_count(&solitary, BROADCAST_SEND), 0);
    assert_int_equal(solitary_count(&solitary, BROADCAST_ARM), 0);
}

static void a_commit_that_comes_back_late_can_still_be_shown(void **state)
{
    (void)state;
    pre_prepare(1, "id", "x");
    prepare(1, "x");
    solitary.holds_own = true;
    prepare(2, "x");
    commit(1, "x");
    commit(2, "x");
    commit(3, "x");
    assert_int_equal(delivered(), 1);
    solitary.holds_own = false;
    solitary_give_back(&solitary);
    solitary_clear(&solitary);
    commit(3, "x");
    assert_int_equal(solitary_sent(&solitary, BROADCAST_COMMIT, BROADCAST_TO_PEER, 3), 1);
}

static void a_peer_that_connects_gets_at_once_what_it_lacks(void **state)
{
    (void)state;
    a_replica_prepares_commits_and_delivers(state);
    solitary_tick(&solitary, 2 * QUORUM_BROADCAST_TIMEOUT_MS);
    solitary_clear(&solitary);
    solitary_connected(&solitary, 2, 2);
    assert_int_equal(solitary.effects.count, 0); /* it has all */
    solitary_connected(&solitary, 3, 3);
    assert_int_equal(solitary_last(&solitary, BROADCAST_ARM)->deadline_ms, solitary.now_ms);
    solitary_tick(&solitary, 0);
    assert_int_equal(solitary_sent(&solitary, BROADCAST_COMMIT, BROADCAST_TO_MEMBER, 3), 1);
    assert_int_equal(solitary_sent(&solitary, BROADCAST_PRE_PREPARE, BROADCAST_TO_MEMBER, 3), 1);
}

static void a_member_that_may_have_been_started_anew_is_shown_rounds_of_late(void **state)
{
    (void)state;
    const enum broadcast_target member = BROADCAST_TO_MEMBER;
    a_replica_prepares_commits_and_delivers(state);
    commit(3, "x");
    solitary_say(&solitary, BROADCAST_PRE_PREPARE, 3, 3, "open", "x");
    solitary_say(&solitary, BROADCAST_COMMIT, 2, 3, "open", "x");
    for (unsigned i = 0; i < 3; i++) {
        solitary_clear(&solitary);
        solitary_connected(&solitary, 2, 2);
        solitary_tick(&solitary, 0);
        assert_int_equal(solitary_sent(&solitary, BROADCAST_PRE_PREPARE, member, 2), 2);
        assert_int_equal(solitary_sent(&solitary, BROADCAST_PREPARE, member, 2), 2);
        assert_int_equal(solitary_sent(&solitary, BROADCAST_COMMIT, member, 2), 1);
    }
    commit(2, "x");
    solitary_say(&solitary, BROADCAST_COMMIT, 2, 3, "open", "x");
    solitary_clear(&solitary);
    solitary_tick(&solitary, QUORUM_BROADCAST_RESEND_MS_MAX);
    assert_int_equal(solitary_sent(&solitary, BROADCAST_PRE_PREPARE, member, 2), 0);
    assert_int_equal(solitary_sent(&solitary, BROADCAST_PREPARE, member, 2), 0);
    assert_int_equal(solitary_sent(&solitary, BROADCAST_COMMIT, member, 2), 0);
}

/* --- The state in writing. --- */

static void assert_same_dump(const struct ingot_buffer *a, const struct ingot_buffer *b, bool same)
{
    assert_int_equal(ingot_slice_equal(ingot_buffer_slice(a), ingot_buffer_slice(b)), same);
}

static void the_dump_is_the_state_and_not_its_past(void **state)
{
    (void)state;
    struct ingot_buffer dumps[4] = {0};
    broadcast_dump(solitary.protocol, &dumps[0]);
    prepare(2, "x");
    broadcast_dump(solitary.protocol, &dumps[1]);
    assert_same_dump(&dumps[0], &dumps[1], false);
    prepare(3, "x");
    commit(3, "x");
    broadcast_dump(solitary.protocol, &dumps[2]);

    struct solitary other;
    solitary_init_quorum(&other, 4, 0, NULL);
    other.now_ms = 77777;
    solitary_say(&other, BROADCAST_PREPARE, 2, 1, "id", "x");
    solitary_say(&other, BROADCAST_COMMIT, 3, 1, "id", "x");
    solitary_say(&other, BROADCAST_PREPARE, 3, 1, "id", "x");
    broadcast_dump(other.protocol, &dumps[3]);
    assert_same_dump(&dumps[2], &dumps[3], true);
    solitary_deinit(&other);
    for (unsigned i = 0; i < 4; i++) {
        ingot_buffer_deinit(&dumps[i]);
    }
}

static void rejections_are_counted_by_reason(void **state)
{
    (void)state;
    pre_prepare(1, "id", "x");
    pre_prepare(1, "id", "x");
    pre_prepare(1, "id", "y");
    assert_int_equal(rejected(BROADCAST_REJECT_DUPLICATE), 1);
    assert_int_equal(rejected(BROADCAST_REJECT_EQUIVOCATION), 1);
    assert_string_equal(broadcast_reject_text(BROADCAST_REJECT_EQUIVOCATION), "equivocation");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_replica_prepares_commits_and_delivers),
        TEST(a_start_goes_through_by_itself_where_we_are_alone),
        TEST(one_honest_member_that_commits_is_reason_to_commit),
        TEST(votes_may_come_before_the_payload),
        TEST(our_own_messages_count_only_when_they_are_back),
        TEST(votes_for_different_digests_are_not_added_up),
        TEST(one_member_counts_once),
        TEST(rounds_of_different_originators_and_ids_are_apart),
        TEST(a_round_is_delivered_once),
        TEST(only_the_originator_shows_the_payload),
        TEST(a_second_payload_is_not_prepared),
        TEST(who_prepared_the_wrong_payload_follows_the_others),
        TEST(what_was_prepared_once_binds_after_the_round_was_given_up),
        TEST(who_comes_back_to_a_round_follows_the_others_without_preparing_twice),
        TEST(a_vote_of_ours_from_before_a_restart_binds_us),
        TEST(a_duplicate_start_does_not_reset_a_round),
        TEST(a_start_of_the_same_id_with_another_payload_is_refused),
        TEST(a_start_of_what_was_delivered_is_refused),
        TEST(a_start_that_times_out_says_so_and_can_be_made_again),
        TEST(a_start_is_refused_where_it_cannot_be),
        TEST(an_observer_delivers_and_says_nothing),
        TEST(a_round_is_said_again_to_those_whose_commit_is_missing),
        TEST(repeats_become_rarer_up_to_a_limit),
        TEST(who_repeats_itself_is_answered_once_a_tick),
        TEST(a_delivered_round_is_said_again_to_who_has_not_committed),
        TEST(a_commit_that_comes_back_late_can_still_be_shown),
        TEST(a_peer_that_connects_gets_at_once_what_it_lacks),
        TEST(a_member_that_may_have_been_started_anew_is_shown_rounds_of_late),
        TEST(the_dump_is_the_state_and_not_its_past),
        TEST(rejections_are_counted_by_reason),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
