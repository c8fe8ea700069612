/*
 * The simulator and its checkers are only worth something if they find mistakes. Here the core is
 * built with deliberate ones (src/base/mutant.h), and each must be caught by a checker that is
 * about that mistake, within so many seeds. One that survives fails this test.
 */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/mutant.h"
#include "sim/swarm.h"

#define SEEDS_MAX 300
#define CAUGHT_BY_MAX 4

enum mutant mutant_active = MUTANT_NONE;

struct expectation {
    enum mutant mutant;
    uint32_t validators;                 /* 0: sets that change, and as many as the seed says */
    enum check caught_by[CAUGHT_BY_MAX]; /* one of these; CHECK_NONE fills up */
    bool by_assertion;                   /* or the replica itself, before it does harm */
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

struct catch
{
    uint64_t seed;
    enum check violated;
    char violation[400];
};

/* Tries the seeds in turn, and writes what the first that fails has found. */
static void hunt(const struct expectation *expectation, int report)
{
    struct swarm_options options = {.validators = expectation->validators,
                                    .changes = expectation->validators == 0,
                                    .views = 100,
                                    .dead = SWARM_DEAD_DRAWN};
    mutant_active = expectation->mutant;
    for (options.seed = 1; options.seed <= SEEDS_MAX; options.seed++) {
        struct swarm_result result = {0};
        if (!swarm_run(&options, &result)) {
            struct catch caught = {.seed = options.seed, .violated = result.violated};
            memcpy(caught.violation, result.violation, sizeof caught.violation);
            (void)!write(report, &caught, sizeof caught);
            return;
        }
    }
}

/* In a process of its own, as a replica that notices its own mistake ends it. */
static void is_caught(void **state)
{
    const struct expectation *expectation = *state;
    int report[2];
    assert_int_equal(pipe(report), 0);
    const pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        close(report[0]);
        hunt(expectation, report[1]);
        _exit(0);
    }
    close(report[1]);
    struct catch caught = {0};
    const bool has_report = read(report[0], &caught, sizeof caught) == (ssize_t)sizeof caught;
    close(report[0]);
    int status = 0;
    assert_int_equal(waitpid(child, &status, 0), child);
    if (WIFSIGNALED(status)) {
        assert_int_equal(WTERMSIG(status), SIGABRT);
        print_message("an assertion\n");
        assert_true(expectation->by_assertion);
        return;
    }
    if (!has_report) {
        fail_msg("the mutant survived %d seeds", SEEDS_MAX);
    }
    print_message("seed %llu: %s: %s\n", (unsigned long long)caught.seed,
                  check_text(caught.violated), caught.violation);
    assert_true(is_expected(expectation, caught.violated));
}

static void without_a_mutation_nothing_is_found(void **state)
{
    (void)state;
    struct swarm_options options = {.validators = 4, .views = 100, .dead = SWARM_DEAD_DRAWN};
    for (options.seed = 1; options.seed <= 40; options.seed++) {
        options.changes = options.seed > 20;
        options.validators = options.changes ? 0 : 4;
        struct swarm_result result;
        if (!swarm_run(&options, &result)) {
            fail_msg("seed %llu: %s: %s", (unsigned long long)options.seed,
                     check_text(result.violated), result.violation);
        }
    }
}

static const struct expectation no_durable_vote = {
    .mutant = MUTANT_NO_DURABLE_VOTE, .validators = 4, .caught_by = {CHECK_DURABLE_FIRST}};
static const struct expectation lock_lowered = {.mutant = MUTANT_LOCK_LOWERED,
                                                .validators = 4,
                                                .caught_by = {CHECK_DISK_MONOTONIC, CHECK_LOCK}};
static const struct expectation gap_allowed = {
    .mutant = MUTANT_GAP_ALLOWED, .validators = 4, .caught_by = {CHECK_COMMIT_CHAIN}};
static const struct expectation small_quorum = {
    .mutant = MUTANT_SMALL_QUORUM, .validators = 4, .caught_by = {CHECK_REAL_QUORUM}};
static const struct expectation duplicate_signer = {
    .mutant = MUTANT_DUPLICATE_SIGNER, .validators = 4, .caught_by = {CHECK_REAL_QUORUM}};
static const struct expectation two_votes = {
    .mutant = MUTANT_TWO_VOTES, .validators = 4, .caught_by = {CHECK_ONE_VOTE, CHECK_VOTE_RULE}};
static const struct expectation tc_without_high_qc = {
    .mutant = MUTANT_TC_WITHOUT_HIGH_QC,
    .validators = 4,
    .caught_by = {CHECK_TC_CLAIM, CHECK_VOTE_RULE}};

static const struct expectation views_alone = {
    .mutant = MUTANT_VIEWS_ALONE,
    .validators = 0,
    .caught_by = {CHECK_DISK_MONOTONIC, CHECK_ENTRY, CHECK_LOCK, CHECK_COMMIT_CHAIN}};
static const struct expectation commit_at_own_view = {
    .mutant = MUTANT_COMMIT_AT_OWN_VIEW,
    .validators = 0,
    .caught_by = {CHECK_ENTRY, CHECK_LOCK, CHECK_VOTE_RULE}};
static const struct expectation old_tc_moves = {
    .mutant = MUTANT_OLD_TC_MOVES,
    .validators = 0,
    .caught_by = {CHECK_ENTRY, CHECK_LIVENESS, CHECK_COMMITTED_STAYS}};
static const struct expectation old_set_votes = {.mutant = MUTANT_OLD_SET_VOTES,
                                                 .validators = 0,
                                                 .caught_by = {CHECK_REAL_QUORUM, CHECK_LIVENESS}};
static const struct expectation commit_without_precommit = {
    .mutant = MUTANT_COMMIT_WITHOUT_PRECOMMIT,
    .validators = 0,
    .caught_by = {CHECK_VOTE_RULE, CHECK_COMMIT_CHAIN}};
static const struct expectation no_precommit_lock = {
    .mutant = MUTANT_NO_PRECOMMIT_LOCK, .validators = 0, .caught_by = {CHECK_LOCK}};
static const struct expectation child_of_uncommitted = {
    .mutant = MUTANT_CHILD_OF_UNCOMMITTED,
    .validators = 0,
    .caught_by = {CHECK_VOTE_RULE, CHECK_COMMIT_CHAIN},
    .by_assertion = true};
static const struct expectation set_record_dropped = {.mutant = MUTANT_SET_RECORD_DROPPED,
                                                      .validators = 0,
                                                      .caught_by = {CHECK_SAME_SET, CHECK_STOPPED}};
static const struct expectation tail_qc_unverified = {
    .mutant = MUTANT_TAIL_QC_UNVERIFIED,
    .validators = 0,
    .caught_by = {CHECK_REAL_QUORUM, CHECK_COMMIT_CHAIN, CHECK_STOPPED}};

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
        CAUGHT("positions_compared_by_view_alone_are_caught", views_alone),
        CAUGHT("a_commit_qc_at_its_own_view_is_caught", commit_at_own_view),
        CAUGHT("an_old_tc_that_moves_new_views_is_caught", old_tc_moves),
        CAUGHT("the_old_sets_votes_counted_for_the_new_one_are_caught", old_set_votes),
        CAUGHT("a_commit_vote_without_adjacent_precommit_is_caught", commit_without_precommit),
        CAUGHT("a_lock_that_precommit_does_not_take_is_caught", no_precommit_lock),
        CAUGHT("a_child_of_an_uncommitted_set_change_is_caught", child_of_uncommitted),
        CAUGHT("a_set_that_is_not_stored_with_its_commit_is_caught", set_record_dropped),
        CAUGHT("a_certificate_that_sync_does_not_verify_is_caught", tail_qc_unverified),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
