/*
 * A second copy of a validator signs with its key. Goal: the first one notices however late the
 * other's vote comes, also when its view has been certified long ago, and signs nothing any more;
 * the others go on. Method: a vote made with the real key is brought by a peer.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "lib/cluster.h"

#define COPIED 0

struct story {
    struct cluster *cluster;
    uint32_t signed_messages;
};

static bool counts_what_is_signed(void *context, uint32_t from, uint32_t to,
                                  const struct message *message)
{
    struct story *story = context;
    (void)to;
    story->signed_messages +=
        from == COPIED && (message->kind == MESSAGE_PROPOSE || message->kind == MESSAGE_VOTE ||
                           message->kind == MESSAGE_TIMEOUT);
    return false;
}

/* For another block in the view of the node's last vote, after that view was certified. */
static void bring_vote_of_the_copy(struct cluster *cluster)
{
    struct core_status status = cluster_status(cluster, COPIED);
    while (position_compare(status.high, status.last_voted) < 0) {
        assert_true(cluster_step(cluster));
        status = cluster_status(cluster, COPIED);
    }
    struct message *message = message_new(MESSAGE_VOTE);
    message->vote = (struct vote){.epoch = status.last_voted.epoch, .view = status.last_voted.view};
    memset(message->vote.block.bytes, 0xee, INGOT_HASH_BYTES);
    assert_true(
        wire_sign_vote(cluster_signer(cluster, COPIED), cluster_set(cluster), &message->vote));
    /* Whoever has its key is this member, so two votes are evidence against it. */
    cluster_checks(cluster)->nodes[COPIED].is_honest = false;
    cluster_inject(cluster, 1, COPIED, message);
    message_unref(message);
}

static void a_vote_of_a_copy_is_noticed_after_its_view_was_certified(void **state)
{
    (void)state;
    struct cluster_options options = cluster_default_options();
    options.empty_block_interval_ms = 1000;
    struct story story = {.cluster = cluster_new(&options)};
    cluster_start_all(story.cluster);
    assert_true(cluster_run_ms(story.cluster, 5500));
    bring_vote_of_the_copy(story.cluster);
    assert_true(cluster_run_ms(story.cluster, 100));
    const uint64_t committed = cluster_committed(story.cluster, 1);

    cluster_set_intercept(story.cluster, counts_what_is_signed, &story);
    assert_true(cluster_run_ms(story.cluster, 60000));

    assert_int_equal(story.signed_messages, 0);
    assert_true(cluster_committed(story.cluster, 1) > committed);
    cluster_free(story.cluster);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_vote_of_a_copy_is_noticed_after_its_view_was_certified),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
