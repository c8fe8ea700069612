/*
 * The first proposal of an epoch reaches a validator that has not entered the epoch yet. Goal: it
 * counts all the same, as soon as what came before it is here, so that the view is not lost.
 * Method: one of four hears nothing of a set change but the first proposal of the new epoch, when
 * its vote is needed, as another one dies at that moment.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "lib/cluster.h"

#define LATE 3
#define DYING 2

struct story {
    bool has_change;       /* the set-changing block has been proposed */
    uint64_t first_view;   /* of the new epoch, once its first block is proposed */
    bool late_voted_in_it; /* the late one did, in that very view */
};

static bool hides_the_change(void *context, uint32_t from, uint32_t to,
                             const struct message *message)
{
    struct story *story = context;
    const struct propose *propose = &message->propose;
    if (message->kind == MESSAGE_PROPOSE) {
        story->has_change = story->has_change || block_changes_set(propose->block);
        if (propose->vote.epoch == 1 && story->first_view == 0) {
            story->first_view = propose->block->view;
        }
    }
    if (message->kind == MESSAGE_VOTE && from == LATE && message->vote.epoch == 1) {
        story->late_voted_in_it =
            story->late_voted_in_it || message->vote.view == story->first_view;
    }
    return to == LATE && story->has_change &&
           (story->first_view == 0 ||
            (message->kind != MESSAGE_PROPOSE && message->kind != MESSAGE_SYNC_RESPONSE));
}

static bool epoch_has_begun(void *context, struct cluster *cluster)
{
    (void)cluster;
    return ((const struct story *)context)->first_view != 0;
}

static bool late_has_voted(void *context, struct cluster *cluster)
{
    (void)cluster;
    return ((const struct story *)context)->late_voted_in_it;
}

static void the_first_proposal_of_an_epoch_may_come_before_the_epoch(void **state)
{
    (void)state;
    struct cluster_options options = cluster_default_options();
    options.leader_tenure = 64; /* one leader for all of it, so that nobody else has to speak */
    struct cluster *cluster = cluster_new(&options);
    struct story story = {0};
    cluster_set_intercept(cluster, hides_the_change, &story);
    cluster_start_all(cluster);
    assert_true(cluster_run_ms(cluster, 1000));
    const uint32_t leader =
        checks_leader(cluster_checks(cluster), cluster_status(cluster, 0).current.view);
    assert_true(leader != LATE && leader != DYING);
    struct set_app_powers powers = cluster_powers(cluster);
    powers.of[LATE] = 2; /* four of five are needed: all that live */
    assert_int_equal(cluster_submit_change(cluster, leader, &powers), INGOT_OK);

    assert_true(cluster_run_while_not(cluster, 10000, epoch_has_begun, &story));
    cluster_crash(cluster, DYING);
    assert_true(cluster_run_while_not(cluster, 300, late_has_voted, &story));
    cluster_free(cluster);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_first_proposal_of_an_epoch_may_come_before_the_epoch),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
