/*
 * Whose peer is whose. Goal: a vote reaches the node of the validator it is for, also when that
 * node's line names no validator key, and nothing reaches a peer that was removed, nor is anything
 * of it left to the next one of its number. Method: one replica of four that is shown a proposal.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "lib/lone_replica.h"
#include "node/replica_state.h"

#define OBSERVER 4 /* a fifth peer, whose line names no validator key */

struct scene {
    struct lone lone;
    uint32_t leader; /* of views 1 and 2, which gets the vote of view 1 */
};

/* Somebody who does not lead the first views. */
static int set_up(void **state)
{
    static struct scene scene;
    struct lone *lone = &scene.lone;
    lone_init(lone, 0);
    scene.leader = lone_leader(lone, 1);
    if (scene.leader == 0) {
        lone_deinit(lone);
        lone_init(lone, 1);
    }
    assert_int_equal(lone_leader(lone, 2), scene.leader);
    replica_set_peer(lone->replica, OBSERVER, false, NULL);
    replica_set_connected(lone->replica, OBSERVER, true);
    replica_flush(lone->replica);
    lone_forget(lone);
    *state = &scene;
    return 0;
}

static int tear_down(void **state)
{
    struct scene *scene = *state;
    lone_deinit(&scene->lone);
    return 0;
}

static void show_proposal(struct scene *scene)
{
    struct lone *lone = &scene->lone;
    uint32_t courier = 0; /* proposals count by whoever brings them */
    while (courier == lone->me || courier == scene->leader) {
        courier++;
    }
    lone_receive(lone, courier, lone_propose(lone, lone_block(lone, lone->genesis, 1), NULL));
    assert_int_equal(lone_status(lone).last_voted.view, 1);
}

static void a_vote_goes_to_the_peer_that_bears_the_leaders_key(void **state)
{
    struct scene *scene = *state;
    show_proposal(scene);
    assert_int_equal(lone_count(&scene->lone, MESSAGE_VOTE), 1);
    assert_int_equal(lone_find(&scene->lone, MESSAGE_VOTE, 0)->to, scene->leader);
}

static void a_vote_for_one_whose_key_no_peer_bears_goes_to_those_that_bear_none(void **state)
{
    struct scene *scene = *state;
    replica_set_peer(scene->lone.replica, scene->leader, false, NULL);
    show_proposal(scene);
    assert_int_equal(lone_count(&scene->lone, MESSAGE_VOTE), 2);
    assert_int_equal(lone_find(&scene->lone, MESSAGE_VOTE, 0)->to, scene->leader);
    assert_int_equal(lone_find(&scene->lone, MESSAGE_VOTE, 1)->to, OBSERVER);
}

static void a_vote_for_one_that_is_known_and_away_goes_to_nobody(void **state)
{
    struct scene *scene = *state;
    replica_set_connected(scene->lone.replica, scene->leader, false);
    show_proposal(scene);
    assert_int_equal(lone_count(&scene->lone, MESSAGE_VOTE), 0);
}

static void a_removed_peer_leaves_nothing_to_the_next_of_its_number(void **state)
{
    struct scene *scene = *state;
    struct lone *lone = &scene->lone;
    struct replica_peer *peer = &lone->replica->peers[scene->leader];
    peer->was_warned_of = true;
    replica_remove_peer(lone->replica, scene->leader);
    assert_false(peer->is_connected);
    assert_false(peer->has_key);
    assert_false(peer->was_warned_of);
    show_proposal(scene);
    for (uint32_t i = 0; i < lone->frame_count; i++) {
        assert_int_not_equal(lone->frames[i].to, scene->leader);
    }

    /* The end of the old connection is told late; then the leader is back under this number. */
    replica_set_connected(lone->replica, scene->leader, false);
    replica_set_peer(lone->replica, scene->leader, true,
                     &lone->samples.set->validators[scene->leader].key);
    lone_forget(lone);
    replica_set_connected(lone->replica, scene->leader, true);
    replica_flush(lone->replica);
    assert_int_equal(lone_count(lone, MESSAGE_VOTE), 1);
    assert_int_equal(lone_find(lone, MESSAGE_VOTE, 0)->to, scene->leader);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_vote_goes_to_the_peer_that_bears_the_leaders_key),
        TEST(a_vote_for_one_whose_key_no_peer_bears_goes_to_those_that_bear_none),
        TEST(a_vote_for_one_that_is_known_and_away_goes_to_nobody),
        TEST(a_removed_peer_leaves_nothing_to_the_next_of_its_number),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
