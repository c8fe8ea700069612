#!/usr/bin/env bash
# Each story is about a mistake that somebody has made. Here the core, or a broadcast protocol, makes
# it, and the story that is named for it must fail: one that passes all the same is told about
# something else.
set -euo pipefail

# mutant, program, story
TABLE='
GAP_ALLOWED              view_gaps            a_view_gap_commits_nothing
LOCK_LOWERED             locks                replaying_an_old_qc_lowers_nothing
LOCK_LOWERED             locks                a_lock_outlives_any_number_of_timeouts
VIEWS_ALONE              two_sets_apart       one_change_certified_twice_does_not_fork
VIEWS_ALONE              two_sets_apart       a_late_prepare_of_the_old_set_does_not_halt_the_new_one
COMMIT_AT_OWN_VIEW       two_sets_apart       one_change_certified_twice_does_not_fork
OLD_TC_MOVES             two_sets_apart       an_old_tc_moves_no_view_of_the_new_epoch
OLD_TC_MOVES             two_sets_apart       a_returning_set_does_not_revive_old_timeouts
OLD_SET_VOTES            phases               votes_of_the_old_set_count_for_nothing_in_the_new_one
COMMIT_WITHOUT_PRECOMMIT view_gaps            a_gap_between_phases_prepares_again
NO_PRECOMMIT_LOCK        locks                a_precommit_lock_lets_no_rival_of_its_block_pass
CHILD_OF_UNCOMMITTED     phases               the_leader_nudges_from_phase_to_phase
SMALL_QUORUM             broadcast_attacks    four_forged_messages_make_no_quorum
SMALL_QUORUM             broadcast_exhaustive three_members_with_a_loss_and_a_repetition_anywhere
VOTES_ADD_UP             broadcast_attacks    one_member_that_votes_four_times_is_no_quorum
VOTES_ADD_UP             broadcast_exhaustive three_members_with_a_loss_and_a_repetition_anywhere
DIGEST_IGNORED           broadcast_attacks    an_originator_that_says_two_things_has_no_two_payloads_delivered
DIGEST_IGNORED           broadcast_schedules  all_others_deliver_the_same_though_a_third_lies
DELIVER_ON_PREPARES      broadcast_exhaustive three_members_with_a_loss_and_a_repetition_anywhere
ONE_COMMIT               broadcast_attacks    one_member_that_votes_four_times_is_no_quorum
TWO_PREPARES             broadcast_schedules  all_others_deliver_the_same_though_a_third_lies
DELIVERED_TWICE          broadcast_vetoes     prepared_and_committed_are_called_once_each
ANY_ORIGINATOR           broadcast_attacks    a_member_cannot_originate_for_another
QUOTA_OF_ALL             broadcast_flood      ten_thousand_junk_rounds_of_one_evict_nothing_of_another
JUNK_EVICTS              broadcast_flood      ten_thousand_junk_rounds_of_one_evict_nothing_of_another
START_RESETS             broadcast_attacks    a_duplicate_start_does_not_reset_a_round
NOT_SAID_AGAIN           broadcast_repair     a_lost_last_message_is_repaired_by_ticks
ANSWERED_FOR_GOOD        broadcast_schedules  all_deliver_once_whatever_is_lost
MEMORY_TAKEN_FOR_GOOD    broadcast_repair     who_comes_back_without_its_memory_is_shown_what_it_had_committed_to
VETO_ENDS_ROUND          broadcast_vetoes     a_veto_stops_this_member_only
GOSSIP_GOES_BACK         broadcast_everyday   on_a_good_day_each_node_delivers_each_payload_once
GOSSIP_SAID_ONCE         broadcast_schedules  gossip_arrives_once_whatever_is_lost
'

declare -A NUMBERS=()
next=0
while read -r name; do
    NUMBERS[${name#MUTANT_}]=$next
    next=$((next + 1))
done < <(grep -oE '^    MUTANT_[A-Z_]+' "$INGOT_SOURCE_DIR/src/base/mutant.h")

# What a story that fails leaves behind is no leak of the code.
export ASAN_OPTIONS=detect_leaks=0

run() # program, number; prints what it says
{
    INGOT_MUTANT=$2 timeout 300 "$INGOT_BUILD_DIR/mutants_$1" 2>&1 || true
}

failures=0
declare -A SAID=()
while read -r mutant program story; do
    [ -n "$mutant" ] || continue
    number=${NUMBERS[$mutant]?no such mutant: $mutant}
    if [ -z "${SAID[$program]:-}" ]; then
        SAID[$program]=sound
        if run "$program" 0 | grep -q 'FAILED  \]' ; then
            echo "$program fails without a mistake"
            failures=$((failures + 1))
        fi
    fi
    key="$program $number"
    [ -n "${SAID[$key]:-}" ] || SAID[$key]=$(run "$program" "$number" | grep -F '[ ')
    # It says so, or ended in the middle of it.
    if grep -qF "[  FAILED  ] $story" <<<"${SAID[$key]}" ||
        [ "$(tail -n 1 <<<"${SAID[$key]}")" = "[ RUN      ] $story" ]; then
        echo "$mutant: $story fails, as it must"
    else
        echo "$mutant: $story passes all the same"
        failures=$((failures + 1))
    fi
done <<<"$TABLE"
[ "$failures" = 0 ]
