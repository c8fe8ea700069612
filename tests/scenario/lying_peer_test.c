/*
 * One of four is behind, and the peer that tells it so lies about the blocks it lacks. Goal: it
 * catches up all the same, from the two that are honest. Method: the liar's answers are replaced
 * on their way; the replica's own code is the real one.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "lib/cluster.h"
#include "lib/executor_harness.h"

#define LIAR 0
#define BEHIND 3
/* Where the liar gives up, so that a failure ends. */
#define LIES_MAX 500

struct story {
    struct cluster *cluster;
    uint64_t goal;
    uint32_t lies;
};

static bool has_reached_goal(void *context, struct cluster *cluster)
{
    const struct story *story = context;
    return cluster_committed(cluster, BEHIND) >= story->goal;
}

static void have_one_behind(struct story *story)
{
    struct cluster_options options = cluster_default_options();
    options.seed = 7;
    story->cluster = cluster_new(&options);
    cluster_start_all(story->cluster);
    for (uint32_t node = 0; node < 4; node++) {
        cluster_link(story->cluster, node, BEHIND)->is_cut = true;
        cluster_link(story->cluster, BEHIND, node)->is_cut = true;
    }
    for (uint32_t i = 0; i < 50; i++) {
        cluster_submit_any(story->cluster, LIAR);
        assert_true(cluster_run_ms(story->cluster, 100));
    }
    story->goal = cluster_committed(story->cluster, LIAR);
    assert_true(story->goal >= 10);
    assert_true(cluster_committed(story->cluster, BEHIND) < story->goal);
}

/* The liar's channel comes up first, so that it is the one that gets asked. */
static void heal(struct story *story)
{
    cluster_checks(story->cluster)->nodes[LIAR].is_honest = false;
    for (uint32_t node = 0; node < 4; node++) {
        cluster_link(story->cluster, BEHIND, node)->is_cut = false;
    }
    cluster_link(story->cluster, LIAR, BEHIND)->is_cut = false;
    assert_true(cluster_run_ms(story->cluster, 3000));
    for (uint32_t node = 0; node < 4; node++) {
        cluster_link(story->cluster, node, BEHIND)->is_cut = false;
    }
}

/* A child of the block that was asked about, as good as the real one but for its name. */
static struct message *invention(const struct sync_response *response, uint32_t serial)
{
    struct block *block = test_block_copy(response->blocks[0]);
    block->time_ms += 1 + serial;
    wire_seal_block(block);
    struct message *lie = message_new(MESSAGE_SYNC_RESPONSE);
    lie->sync_response.committed_height = response->committed_height;
    lie->sync_response.blocks = alloc_zeroed(1, sizeof(struct block *));
    lie->sync_response.blocks[0] = block;
    lie->sync_response.block_count = 1;
    return lie;
}

static bool invents_blocks(void *context, uint32_t from, uint32_t to, const struct message *message)
{
    struct story *story = context;
    if (from != LIAR || to != BEHIND || message->kind != MESSAGE_SYNC_RESPONSE ||
        message->sync_response.block_count == 0) {
        return false;
    }
    struct message *lie = invention(&message->sync_response, story->lies++);
    if (story->lies < LIES_MAX) {
        cluster_inject(story->cluster, from, to, lie);
    }
    message_unref(lie);
    return true;
}

static void a_peer_that_invents_blocks_keeps_nobody_behind(void **state)
{
    (void)state;
    struct story story = {0};
    have_one_behind(&story);
    cluster_set_intercept(story.cluster, invents_blocks, &story);

    heal(&story);
    assert_true(cluster_run_while_not(story.cluster, 20000, has_reached_goal, &story));

    assert_in_range(story.lies, 1, 20);
    assert_in_range(cluster_status(story.cluster, BEHIND).tree_blocks, 0, 10);
    cluster_free(story.cluster);
}

/* For each request, whoever it went to, the liar sends answers of its own. */
static bool floods_with_empty_answers(void *context, uint32_t from, uint32_t to,
                                      const struct message *message)
{
    struct story *story = context;
    if (from == BEHIND && message->kind == MESSAGE_SYNC_REQUEST) {
        struct message *lie = message_new(MESSAGE_SYNC_RESPONSE);
        for (uint32_t i = 0; i < 20; i++) {
            cluster_inject(story->cluster, LIAR, BEHIND, lie);
            story->lies++;
        }
        message_unref(lie);
    }
    return from == LIAR && to == BEHIND && message->kind == MESSAGE_SYNC_RESPONSE;
}

static void answers_that_nobody_asked_for_are_counted_and_change_nothing(void **state)
{
    (void)state;
    struct story story = {0};
    have_one_behind(&story);
    cluster_set_intercept(story.cluster, floods_with_empty_answers, &story);

    heal(&story);
    assert_true(cluster_run_while_not(story.cluster, 20000, has_reached_goal, &story));
    assert_true(cluster_run_ms(story.cluster, 1000));

    const struct metrics *metrics = replica_metrics(cluster_replica(story.cluster, BEHIND));
    assert_true(story.lies >= 20);
    assert_true(metrics->rejects[REJECT_UNREQUESTED] >= story.lies / 2);
    cluster_free(story.cluster);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_peer_that_invents_blocks_keeps_nobody_behind),
        cmocka_unit_test(answers_that_nobody_asked_for_are_counted_and_change_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
