/*
 * A member that speaks of views and heights of the far future, properly signed. Goal: it moves
 * nobody's view and starts no search for blocks that are not there. Method: what it says is made up
 * by the test, and brought beside what its own replica says.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "lib/cluster.h"

#define ALL 4
#define LIAR 0
#define FAR 1000000

static struct message *far_vote(struct cluster *cluster, uint64_t view)
{
    struct message *message = message_new(MESSAGE_VOTE);
    message->vote = (struct vote){.view = view};
    memset(message->vote.block.bytes, 0xfa, INGOT_HASH_BYTES);
    assert_true(
        wire_sign_vote(cluster_signer(cluster, LIAR), cluster_set(cluster), &message->vote));
    return message;
}

static struct message *far_timeout(struct cluster *cluster, uint64_t view)
{
    struct message *message = message_new(MESSAGE_TIMEOUT);
    message->timeout.view = view;
    message->timeout.high_qc = qc_ref(cluster_status(cluster, LIAR).high_qc);
    assert_true(
        wire_sign_timeout(cluster_signer(cluster, LIAR), cluster_set(cluster), &message->timeout));
    return message;
}

static struct message *far_advertise(struct cluster *cluster)
{
    struct message *message = message_new(MESSAGE_ADVERTISE);
    message->advertise.committed_height = FAR;
    message->advertise.high_qc = qc_ref(cluster_status(cluster, LIAR).high_qc);
    return message;
}

static struct message *far_response(void)
{
    struct message *message = message_new(MESSAGE_SYNC_RESPONSE);
    message->sync_response.committed_height = FAR;
    return message;
}

static void say_to_all(struct cluster *cluster, struct message *message)
{
    for (uint32_t to = 0; to < ALL; to++) {
        if (to != LIAR) {
            cluster_inject(cluster, LIAR, to, message);
        }
    }
    message_unref(message);
}

static void a_member_that_speaks_of_the_far_future_moves_nobody(void **state)
{
    (void)state;
    struct cluster_options options = cluster_default_options();
    struct cluster *cluster = cluster_new(&options);
    cluster_start_all(cluster);
    assert_true(cluster_run_ms(cluster, 1000));
    const uint64_t begin = cluster_max_view(cluster);
    for (uint64_t i = 0; i < 400; i++) {
        say_to_all(cluster, far_vote(cluster, FAR + i));
        say_to_all(cluster, far_timeout(cluster, FAR + i));
        say_to_all(cluster, far_advertise(cluster));
        say_to_all(cluster, far_response());
        assert_true(cluster_run_ms(cluster, 25));
    }
    /* An idle chain takes a view in each pause, and little more. */
    const uint64_t views = cluster_max_view(cluster) - begin;
    assert_in_range(views, 50, 10000 / options.empty_block_interval_ms + 10);
    assert_true(cluster_committed(cluster, 1) + 10 >= cluster_max_view(cluster));
    for (uint32_t node = 0; node < ALL; node++) {
        assert_int_equal(cluster_timeouts(cluster, node), 0);
        assert_true(cluster_committed(cluster, node) + 2 >= cluster_committed(cluster, LIAR));
    }
    cluster_free(cluster);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_member_that_speaks_of_the_far_future_moves_nobody),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
