/*
 * Blocks whose updates hash is not what executing them gives here. Goal: a proposer cannot stop
 * anybody with one, it only gets no votes; but once a quorum has certified such a block, this
 * replica cannot follow the chain, and stops and says what differs. Method: one replica of four.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "base/hex.h"
#include "lib/lone_replica.h"
#include "wire/wire.h"

struct scene {
    struct lone lone;
    uint32_t leader;
    struct block *block; /* of view 1, with a wrong updates hash */
};

static int set_up(void **state)
{
    static struct scene scene;
    struct lone *lone = &scene.lone;
    lone_init(lone, 0);
    scene.leader = lone_leader(lone, 1);
    lone_deinit(lone);
    lone_init(lone, (scene.leader + 1) % LONE_VALIDATORS);
    scene.block = lone_block(lone, lone->genesis, 1);
    memset(scene.block->updates_hash.bytes, 0xd1, INGOT_HASH_BYTES);
    wire_seal_block(scene.block);
    lone_forget(lone);
    *state = &scene;
    return 0;
}

static int tear_down(void **state)
{
    struct scene *scene = *state;
    block_unref(scene->block);
    lone_deinit(&scene->lone);
    return 0;
}

static void propose(struct scene *scene)
{
    lone_receive(&scene->lone, scene->leader,
                 lone_propose(&scene->lone, block_ref(scene->block), NULL));
}

static void show_certificate(struct scene *scene)
{
    struct message *message = message_new(MESSAGE_CERTIFICATE);
    message->certificate.qc = lone_qc(&scene->lone, scene->block);
    lone_receive(&scene->lone, scene->leader, message);
}

static void expect_the_difference(const struct scene *scene)
{
    const struct lone *lone = &scene->lone;
    char certified[2 * INGOT_HASH_BYTES + 1];
    char ours[2 * INGOT_HASH_BYTES + 1];
    hex_encode_lower(scene->block->updates_hash.bytes, INGOT_HASH_BYTES, certified);
    hex_encode_lower(lone->empty_updates.bytes, INGOT_HASH_BYTES, ours);
    assert_int_equal(lone->stop, REPLICA_STOP_SAFETY);
    assert_non_null(strstr(lone->why, "height 1"));
    assert_non_null(strstr(lone->why, certified));
    assert_non_null(strstr(lone->why, ours));
}

static void a_block_that_executes_differently_gets_no_vote_and_stops_nobody(void **state)
{
    struct scene *scene = *state;
    struct lone *lone = &scene->lone;
    propose(scene);
    assert_int_equal(lone->stop, REPLICA_RUNS);
    assert_int_equal(lone_count(lone, MESSAGE_VOTE), 0);
    assert_int_equal(replica_metrics(lone->replica)->rejects[REJECT_INVALID_BLOCK], 1);

    /* The replica goes on: it gives up on the view, and votes in the next one that has a block. */
    lone_wait(lone, LONE_BASE_TIMEOUT_MS);
    assert_int_equal(lone_count(lone, MESSAGE_TIMEOUT), 1);
    struct block *good = lone_block(lone, lone->genesis, 5);
    struct tc *tc = samples_tc(&lone->samples, 7, 1, 0, lone_qc(lone, lone->genesis));
    lone_receive(lone, lone_leader(lone, 5), lone_propose(lone, good, tc));
    assert_int_equal(lone_status(lone).last_voted.view, 5);
}

static void a_certified_block_that_executes_differently_stops_us_with_the_difference(void **state)
{
    struct scene *scene = *state;
    show_certificate(scene);
    assert_int_equal(scene->lone.stop, REPLICA_RUNS); /* its block is not known yet */
    propose(scene);
    expect_the_difference(scene);
}

/* First it is only a block that gets no vote; that others voted for it is seen later. */
static void a_block_that_is_certified_in_spite_of_us_stops_us_when_it_is_fetched(void **state)
{
    struct scene *scene = *state;
    struct lone *lone = &scene->lone;
    propose(scene);
    show_certificate(scene);
    lone_wait(lone, 100);
    assert_int_equal(lone_count(lone, MESSAGE_SYNC_REQUEST), 1);
    assert_int_equal(lone->stop, REPLICA_RUNS);

    struct message *message = message_new(MESSAGE_SYNC_RESPONSE);
    message->sync_response.blocks = calloc(1, sizeof(struct block *));
    assert_non_null(message->sync_response.blocks);
    message->sync_response.blocks[0] = block_ref(scene->block);
    message->sync_response.block_count = 1;
    message->sync_response.tail_qc = lone_qc(lone, scene->block);
    lone_receive(lone, lone_find(lone, MESSAGE_SYNC_REQUEST, 0)->to, message);
    expect_the_difference(scene);

    lone_forget(lone);
    lone_wait(lone, 10 * LONE_BASE_TIMEOUT_MS);
    assert_int_equal(lone->frame_count, 0);
}

int main(void)
{
#define ROW(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        ROW(a_block_that_executes_differently_gets_no_vote_and_stops_nobody),
        ROW(a_certified_block_that_executes_differently_stops_us_with_the_difference),
        ROW(a_block_that_is_certified_in_spite_of_us_stops_us_when_it_is_fetched),
    };
#undef ROW
    return cmocka_run_group_tests(tests, NULL, NULL);
}
