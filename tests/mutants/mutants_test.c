/*
 * The simulator and its checkers are only worth something if they find mistakes. Here the core is
 * built with deliberate ones (src/core/mutant.h), and each must be caught by a checker that is
 * about that mistake, within so many seeds. One that survives fails this test.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "core/mutant.h"
#include "sim/swarm.h"

#define SEEDS_MAX 300
#define CAUGHT_BY_MAX 3

enum mutant mutant_active = MUTANT_NONE;

struct expectation {
    enum mutant mutant;
    uint32_t validators;
    enum check caught_by[CAUGHT_BY_MAX]; /* one of these; CHECK_NONE fills up */
};

static bool is_expected(const struct expectation *expectation, enum check violated)
{
    for (unsigned i = 0; i < CAUGHT_BY_MAX; i++) {
        if (expectation->caught_by[i] != CHECK_NONE && expectation->caught_by[i] == violated) {
            return true;
        }
    }
    return false;
}

static void is_caught(void **state)
{
    const struct expectation *expectation = *state;
    struct swarm_options options = {
        .validators = expectation->validators, .views = 100, .dead = SWARM_DEAD_DRAWN};
    struct swarm_result result = {0};
    mutant_active = expectation->mutant;
    for (options.seed = 1; options.seed <= SEEDS_MAX; options.seed++) {
        if (!swarm_run(&options, &result)) {
            break;
        }
    }
    mutant_active = MUTANT_NONE;
    if (result.violated == CHECK_NONE) {
        fail_msg("the mutant survived %d seeds", SEEDS_MAX);
    }
    print_message("seed %llu: %s: %s\n", (unsigned long long)options.seed,
                  check_text(result.violated), result.violation);
    assert_true(is_expected(expectation, result.violated));
}

static void without_a_mutation_nothing_is_found(void **state)
{
    (void)state;
    struct swarm_options options = {.validators = 4, .views = 100, .dead = SWARM_DEAD_DRAWN};
    for (options.seed = 1; options.seed <= 20; options.seed++) {
        struct swarm_result result;
        if (!swarm_run(&options, &result)) {
            fail_msg("seed %llu: %s: %s", (unsigned long long)options.seed,
                     check_text(result.violated), result.violation);
        }
    }
}

static const struct expectation no_durable_vote = {
    MUTANT_NO_DURABLE_VOTE, 4, {CHECK_DURABLE_FIRST}};
static const struct expectation lock_lowered = {
    MUTANT_LOCK_LOWERED, 4, {CHECK_DISK_MONOTONIC, CHECK_LOCK}};
static const struct expectation gap_allowed = {MUTANT_GAP_ALLOWED, 4, {CHECK_COMMIT_CHAIN}};
static const struct expectation small_quorum = {MUTANT_SMALL_QUORUM, 4, {CHECK_REAL_QUORUM}};
static const struct expectation duplicate_signer = {
    MUTANT_DUPLICATE_SIGNER, 4, {CHECK_REAL_QUORUM}};
static const struct expectation two_votes = {
    MUTANT_TWO_VOTES, 4, {CHECK_ONE_VOTE, CHECK_VOTE_RULE}};
static const struct expectation tc_without_high_qc = {
    MUTANT_TC_WITHOUT_HIGH_QC, 4, {CHECK_TC_CLAIM, CHECK_VOTE_RULE}};

/* The expectation comes as the test's state and is only read. */
#define CAUGHT(name, expectation)                                                                  \
    {                                                                                              \
        name, is_caught, NULL, NULL, (void *)(uintptr_t) & (expectation)                           \
    }

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(without_a_mutation_nothing_is_found),
        CAUGHT("a_vote_that_is_not_durable_is_caught", no_durable_vote),
        CAUGHT("a_lock_that_an_old_qc_lowers_is_caught", lock_lowered),
        CAUGHT("a_commit_across_a_view_gap_is_caught", gap_allowed),
        CAUGHT("a_quorum_that_is_one_too_small_is_caught", small_quorum),
        CAUGHT("a_signer_that_counts_twice_is_caught", duplicate_signer),
        CAUGHT("two_votes_in_a_view_are_caught", two_votes),
        CAUGHT("a_tc_without_the_highest_qc_is_caught", tc_without_high_qc),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
