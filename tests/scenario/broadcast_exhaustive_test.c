/*
 * The broadcast protocols in every order of events that a small network can see. Goal: in each
 * state no rule is broken and nobody disagrees, and from each state everybody delivers. Method:
 * lib/broadcast_space.h visits every distinct state once, and the test prints how many there are.
 *
 * With INGOT_TEST_LONG set the cap is higher, and there are searches with more members and more
 * faults.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>

#include "lib/broadcast_space.h"

enum {
#if defined(INGOT_MUTANTS) || defined(INGOT_DEBUG_CHECKS)
    CAP = 1000000,
    CAP_LONG = 4000000,
#else
    CAP = 3000000,
    CAP_LONG = 10000000,
#endif
#ifdef INGOT_MUTANTS
    HAS_TIME = 0 /* what is wrong is found early, and nothing else matters */
#else
    HAS_TIME = 1
#endif
};

/* One search. */
struct search {
    struct broadcast_space_options options;
    bool is_capped; /* it may end at the cap */
    bool is_long;   /* only in the long form */
};

static bool runs_long(void)
{
    return getenv("INGOT_TEST_LONG") != NULL;
}

static void every_state_is_sound(void **state)
{
    const struct search *search = *state;
    if (search->is_long && !runs_long()) {
        skip();
    }
    struct broadcast_space_options options = search->options;
    const bool may_stop_early = search->is_capped || !HAS_TIME;
    options.states_max = runs_long() || !may_stop_early ? CAP_LONG : CAP;
    struct broadcast_space_result result;
    broadcast_space_explore(&options, &result);
    if (result.violation[0] != '\0') {
        fail_msg("after %llu states: %s", (unsigned long long)result.states, result.violation);
    }
    print_message("%llu distinct states, %s; %llu ends, %llu steps, %u states of single members, "
                  "%u met again on another way\n",
                  (unsigned long long)result.states,
                  result.is_complete ? "complete" : "the cap was reached",
                  (unsigned long long)result.ends, (unsigned long long)result.steps,
                  result.member_states, result.merges);
    assert_true(result.is_complete || may_stop_early);
    assert_true(result.ends > 0 || !result.is_complete);
}

static const struct search gossip_1 = {.options = {.members = 1, .is_gossip = true}};
static const struct search gossip_2 = {
    .options = {.members = 2, .is_gossip = true, .losses = 1, .repetitions = 1, .ticks = 1}};
static const struct search gossip_3 = {
    .options = {.members = 3, .is_gossip = true, .losses = 1, .repetitions = 1, .ticks = 1}};
static const struct search gossip_4 = {
    .options = {.members = 4, .is_gossip = true, .losses = 1, .repetitions = 1}};
static const struct search quorum_1 = {
    .options = {.members = 1, .own_on_its_way = true, .losses = 1, .repetitions = 1, .ticks = 1}};
static const struct search quorum_2 = {
    .options = {.members = 2, .own_on_its_way = true, .losses = 1, .repetitions = 1, .ticks = 1}};
static const struct search quorum_3 = {.options = {.members = 3, .losses = 1, .repetitions = 1}};
static const struct search quorum_3_own = {.options = {.members = 3, .own_on_its_way = true}};
static const struct search quorum_3_ticks = {
    .options = {.members = 3, .losses = 1, .repetitions = 1, .ticks = 1},
    .is_capped = true,
    .is_long = true};
static const struct search quorum_4 = {.options = {.members = 4}, .is_capped = true};
static const struct search quorum_4_lies = {
    .options = {.members = 4, .lies = true}, .is_capped = true, .is_long = true};
static const struct search quorum_4_faults = {
    .options = {.members = 4, .losses = 1, .repetitions = 1}, .is_capped = true, .is_long = true};
static const uint64_t weights[] = {3, 1, 2};
static const struct search quorum_weighted = {
    .options = {.members = 3, .powers = weights, .losses = 1}};

/* The search comes as the test's state and is only read. */
#define SEARCH(name, search)                                                                       \
    {                                                                                              \
        name, every_state_is_sound, NULL, NULL, (void *)(uintptr_t) & (search)                     \
    }

int main(void)
{
    const struct CMUnitTest tests[] = {
        SEARCH("gossip_of_one", gossip_1),
        SEARCH("gossip_of_two_with_a_loss_a_repetition_and_a_tick_anywhere", gossip_2),
        SEARCH("gossip_of_three_with_a_loss_a_repetition_and_a_tick_anywhere", gossip_3),
        SEARCH("gossip_of_four_with_a_loss_and_a_repetition_anywhere", gossip_4),
        SEARCH("one_member_with_its_own_messages_late", quorum_1),
        SEARCH("two_members_with_a_loss_a_repetition_and_a_tick_anywhere", quorum_2),
        SEARCH("three_members_with_a_loss_and_a_repetition_anywhere", quorum_3),
        SEARCH("three_members_with_their_own_messages_late", quorum_3_own),
        SEARCH("three_members_of_different_power_with_a_loss_anywhere", quorum_weighted),
        SEARCH("four_members_without_faults", quorum_4),
        SEARCH("three_members_with_a_tick_anywhere_too", quorum_3_ticks),
        SEARCH("four_members_of_which_the_originator_says_two_things", quorum_4_lies),
        SEARCH("four_members_with_a_loss_and_a_repetition_anywhere", quorum_4_faults),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
