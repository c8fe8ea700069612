/*
 * Proposals that name transactions, in a cluster. Goal: the bytes of a transaction travel once to
 * each validator; who lacks some has them within the view; a lost request or answer costs no view,
 * and a liar no more than its own. Method: large transactions through all four nodes, and
 * everything that leaves counted to the byte; then one that hears of no transactions, losses at
 * each step, and liars.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "lib/cluster.h"
#include "lib/kv_model.h"

#define ALL 4u
#define LARGE_BYTES 512u
#define POOR 3u /* hears of no transactions */

/* A put of a key that is not the model's. */
static void submit_large(struct cluster *cluster, uint32_t node, uint32_t number)
{
    char text[LARGE_BYTES];
    memset(text, 'x', sizeof text);
    const int size = snprintf(text, sizeof text, "large%u=", number);
    text[size] = 'x';
    const struct ingot_slice transaction = ingot_slice_of(text, sizeof text);
    kv_model_add_change(cluster_model(cluster), transaction);
    assert_int_equal(cluster_submit(cluster, node, transaction), INGOT_OK);
}

static struct cluster_options options(void)
{
    struct cluster_options made = cluster_default_options();
    made.transaction_bytes_max = LARGE_BYTES;
    made.mempool_bytes_max = 16 << 20;
    return made;
}

static uint64_t committed(struct cluster *cluster)
{
    return cluster_checks(cluster)->transactions_committed;
}

/* A client at each node hands in one transaction after another for so long. */
static void load(struct cluster *cluster, uint32_t rounds, uint32_t *number)
{
    for (uint32_t i = 0; i < rounds; i++) {
        submit_large(cluster, *number % ALL, *number);
        (*number)++;
        assert_true(cluster_run_until(cluster, cluster_now_us(cluster) + 25));
    }
}

static void the_bytes_of_a_transaction_travel_once_to_each_validator(void **state)
{
    (void)state;
    struct cluster_options made = options();
    struct cluster *cluster = cluster_new(&made);
    cluster_start_all(cluster);
    for (uint32_t i = 0; i < ALL; i++) {
        cluster_set_disk(cluster, i, 1000, 2000);
    }
    uint32_t number = 0;
    load(cluster, 4000, &number);
    const uint64_t bytes = cluster_bytes_sent(cluster);
    const uint64_t transactions = committed(cluster);
    const uint64_t height = cluster_committed(cluster, 0);
    load(cluster, 12000, &number);
    const uint64_t used = cluster_bytes_sent(cluster) - bytes;
    const uint64_t done = committed(cluster) - transactions;
    const uint64_t blocks = cluster_committed(cluster, 0) - height;
    print_message("%llu bytes for each of %llu transactions, %llu in a block\n",
                  (unsigned long long)(used / done), (unsigned long long)done,
                  (unsigned long long)(done / blocks));
    assert_true(done > 11000);
    assert_true(done / blocks > 100);
    assert_int_equal(cluster_timeouts_of_all(cluster), 0);
    /* 1.15 times the bytes, to each of the three others. */
    assert_true(used * 100 <= done * (ALL - 1) * LARGE_BYTES * 115);
    cluster_free(cluster);
}

/* --- Losses. --- */

struct losses {
    uint32_t requests; /* so many more are lost */
    uint32_t answers;
    uint32_t asked;
    struct ingot_hash block; /* of the last that was lost */
};

static bool keeps_poor(void *context, uint32_t from, uint32_t to, const struct message *message)
{
    struct losses *losses = context;
    uint32_t *left = NULL;
    if (message->kind == MESSAGE_TRANSACTIONS_REQUEST && from == POOR) {
        losses->asked++;
        left = &losses->requests;
    } else if (message->kind == MESSAGE_TRANSACTIONS_RESPONSE && to == POOR) {
        left = &losses->answers;
    }
    if (left == NULL || *left == 0) {
        return message->kind == MESSAGE_TRANSACTIONS && to == POOR;
    }
    (*left)--;
    losses->block = message->kind == MESSAGE_TRANSACTIONS_REQUEST
                        ? message->transactions_request.block
                        : message->transactions_response.block;
    return true;
}

static void who_hears_of_no_transactions_gets_them_within_the_view(void **state)
{
    (void)state;
    struct cluster_options made = options();
    struct cluster *cluster = cluster_new(&made);
    struct losses losses = {0};
    cluster_set_intercept(cluster, keeps_poor, &losses);
    cluster_start_all(cluster);
    assert_true(cluster_run_ms(cluster, 500));
    for (uint32_t i = 0; i < 300; i++) {
        submit_large(cluster, i % (ALL - 1), i);
        assert_true(cluster_run_until(cluster, cluster_now_us(cluster) + 200));
    }
    assert_true(cluster_run_ms(cluster, 500));
    assert_int_equal(committed(cluster), 300);
    assert_true(losses.asked > 0);
    assert_int_equal(cluster_timeouts_of_all(cluster), 0);
    assert_int_equal(cluster_committed(cluster, POOR), cluster_committed(cluster, 0));
    cluster_free(cluster);
}

/* With one of four dead nothing is certified without the vote of who lacks the transactions. */
static void a_lost_request_or_answer_costs_no_view(void **state)
{
    (void)state;
    for (uint32_t lost = 0; lost < 2; lost++) {
        struct cluster_options made = options();
        struct cluster *cluster = cluster_new(&made);
        struct losses losses = {.requests = lost == 0 ? 1 : 0, .answers = lost == 1 ? 1 : 0};
        cluster_set_intercept(cluster, keeps_poor, &losses);
        cluster_start_all(cluster);
        assert_true(cluster_run_ms(cluster, 500));
        cluster_crash(cluster, 0);
        for (uint32_t i = 0; i < 200; i++) {
            submit_large(cluster, 1 + i % 2, i);
            assert_true(cluster_run_ms(cluster, 1));
        }
        assert_true(cluster_run_ms(cluster, 10000));
        assert_int_equal(losses.requests + losses.answers, 0);
        assert_int_equal(committed(cluster), 200);
        const struct checks_block *known =
            checks_find_block(cluster_checks(cluster), &losses.block);
        assert_non_null(known);
        assert_true(known->is_final);
        cluster_free(cluster);
    }
}

/* --- A view that fails. --- */

struct failure {
    uint64_t view; /* of the first block with transactions, whose votes are lost; 0: none yet */
    struct ingot_hash block;
    uint32_t asked;
};

static bool loses_votes(void *context, uint32_t from, uint32_t to, const struct message *message)
{
    struct failure *failure = context;
    (void)from;
    (void)to;
    if (failure->view == 0 && message->kind == MESSAGE_PROPOSE &&
        message->propose.block->transaction_count > 0) {
        failure->view = message->propose.block->view;
        failure->block = message->propose.block->hash;
    }
    failure->asked += message->kind == MESSAGE_TRANSACTIONS_REQUEST;
    return message->kind == MESSAGE_VOTE && message->vote.view == failure->view;
}

/* What was named stays where it was, and what travelled with the lost block is passed on. */
static void the_next_leader_names_again_what_a_failed_view_has_named(void **state)
{
    (void)state;
    struct cluster_options made = options();
    struct cluster *cluster = cluster_new(&made);
    cluster_start_all(cluster);
    assert_true(cluster_run_ms(cluster, 500));
    struct failure failure = {0};
    cluster_set_intercept(cluster, loses_votes, &failure);
    for (uint32_t i = 0; i < ALL; i++) {
        cluster_set_disk(cluster, i, 1000, 2000);
    }
    uint32_t number = 0;
    load(cluster, 400, &number);
    assert_true(cluster_run_ms(cluster, 5000));
    assert_true(failure.view > 0);
    assert_false(checks_find_block(cluster_checks(cluster), &failure.block)->is_final);
    assert_int_equal(committed(cluster), number);
    assert_true(cluster_compact_proposals(cluster) > 0);
    assert_int_equal(failure.asked, 0);
    cluster_free(cluster);
}

/* --- Liars. --- */

/* How many views the others need for a few commits, beside a liar with this habit. */
static void live_with(enum byzantine_habit habit)
{
    struct cluster_options made = options();
    made.compact_payload_bytes_min = 0;
    struct cluster *cluster = cluster_new(&made);
    cluster_set_byzantine(cluster, 2, BYZANTINE_BIT(habit));
    cluster_start_all(cluster);
    for (uint32_t i = 0; i < 400; i++) {
        submit_large(cluster, i % ALL, i);
        assert_true(cluster_run_ms(cluster, 25));
    }
    assert_true(cluster_run_ms(cluster, 5000));
    uint64_t done[BYZANTINE_HABITS] = {0};
    cluster_add_habits(cluster, done);
    if (done[habit] == 0) {
        fail_msg("nobody has seen this: %s", byzantine_text(habit));
    }
    /* Whatever the liar makes of its own client's. */
    assert_in_range(committed(cluster), 300, 400);
    cluster_free(cluster);
}

static void a_leader_that_names_what_nobody_holds_costs_its_own_views_only(void **state)
{
    (void)state;
    live_with(BYZANTINE_NAMES_UNKNOWN);
    live_with(BYZANTINE_NAMES_WRONGLY);
}

static void a_leader_that_does_not_answer_or_lies_costs_its_own_views_only(void **state)
{
    (void)state;
    live_with(BYZANTINE_KEEPS_TRANSACTIONS);
    live_with(BYZANTINE_ANSWERS_FALSELY);
    live_with(BYZANTINE_ASKS_ENDLESSLY);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_bytes_of_a_transaction_travel_once_to_each_validator),
        cmocka_unit_test(who_hears_of_no_transactions_gets_them_within_the_view),
        cmocka_unit_test(a_lost_request_or_answer_costs_no_view),
        cmocka_unit_test(the_next_leader_names_again_what_a_failed_view_has_named),
        cmocka_unit_test(a_leader_that_names_what_nobody_holds_costs_its_own_views_only),
        cmocka_unit_test(a_leader_that_does_not_answer_or_lies_costs_its_own_views_only),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
