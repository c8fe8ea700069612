#!/usr/bin/env bash
# Each story is about a mistake that somebody has made. Here the core makes it, and the story that is
# named for it must fail: one that passes all the same is told about something else.
set -euo pipefail

# mutant, program, story
TABLE='
GAP_ALLOWED              view_gaps       a_view_gap_commits_nothing
LOCK_LOWERED             locks           replaying_an_old_qc_lowers_nothing
LOCK_LOWERED             locks           a_lock_outlives_any_number_of_timeouts
VIEWS_ALONE              two_sets_apart  one_change_certified_twice_does_not_fork
VIEWS_ALONE              two_sets_apart  a_late_prepare_of_the_old_set_does_not_halt_the_new_one
COMMIT_AT_OWN_VIEW       two_sets_apart  one_change_certified_twice_does_not_fork
OLD_TC_MOVES             two_sets_apart  an_old_tc_moves_no_view_of_the_new_epoch
OLD_TC_MOVES             two_sets_apart  a_returning_set_does_not_revive_old_timeouts
OLD_SET_VOTES            phases          votes_of_the_old_set_count_for_nothing_in_the_new_one
COMMIT_WITHOUT_PRECOMMIT view_gaps       a_gap_between_phases_prepares_again
NO_PRECOMMIT_LOCK        locks           a_precommit_lock_lets_no_rival_of_its_block_pass
CHILD_OF_UNCOMMITTED     phases          the_leader_nudges_from_phase_to_phase
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
