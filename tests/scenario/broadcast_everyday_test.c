/*
 * The broadcast protocols on a good day. Goal: whoever starts, each node delivers each payload
 * exactly once, without a tick, for as many messages as the protocol needs and no more. Method: a
 * table of networks; everything arrives in the order in which it was sent.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "lib/broadcast_world.h"

struct row {
    const char *why;
    uint32_t members;
    uint32_t observers;
    bool is_gossip;
    uint64_t powers[BROADCAST_NODES_MAX]; /* first 0: 1 each */
};

static const struct row rows[] = {
    {"gossip of one", 1, 0, true, {0}},
    {"gossip of two", 2, 0, true, {0}},
    {"gossip of three", 3, 0, true, {0}},
    {"gossip of four", 4, 0, true, {0}},
    {"gossip of seven", 7, 0, true, {0}},
    {"gossip that an observer hears", 4, 1, true, {0}},
    {"quorum of one", 1, 0, false, {0}},
    {"quorum of two", 2, 0, false, {0}},
    {"quorum of three", 3, 0, false, {0}},
    {"quorum of four", 4, 0, false, {0}},
    {"quorum of seven", 7, 0, false, {0}},
    {"a quorum that an observer follows", 4, 1, false, {0}},
    {"one member has all that a quorum needs", 4, 0, false, {90, 3, 3, 4}},
    {"seven of different power", 7, 0, false, {5, 1, 3, 2, 2, 8, 1}},
};

/* Messages for one payload: each is sent once to each other node. */
static uint64_t sent_for_one(const struct row *row)
{
    const uint64_t others = row->members + row->observers - 1;
    const uint64_t votes = 2 * (uint64_t)row->members * others;
    /* Gossip: whoever hears of it first passes it on to all but the one that it is from. */
    return row->is_gossip ? others + others * (others - 1) : others + votes;
}

static void each_delivers_each_payload_once(const struct row *row)
{
    const struct broadcast_world_options options = {.members = row->members,
                                                    .observers = row->observers,
                                                    .is_gossip = row->is_gossip,
                                                    .encodes = true,
                                                    .powers =
                                                        row->powers[0] > 0 ? row->powers : NULL};
    struct broadcast_world world;
    broadcast_world_init(&world, &options);
    for (uint32_t i = 0; i < row->members; i++) {
        assert_int_equal(broadcast_world_start(&world, i, "round", "payload"),
                         BROADCAST_REJECT_NONE);
        broadcast_world_calm(&world);
        assert_int_equal(broadcast_world_delivered_count(&world, i, "round"), world.network.nodes);
        assert_int_equal(world.sent, (i + 1) * sent_for_one(row));
    }
    for (uint32_t i = 0; i < world.network.nodes; i++) {
        assert_int_equal(world.nodes[i].delivered.count, row->members);
        assert_int_equal(world.nodes[i].member->protocol->stats.delivered, row->members);
    }
    assert_string_equal(world.violation, "");
    broadcast_world_deinit(&world);
}

static void on_a_good_day_each_node_delivers_each_payload_once(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        print_message("%s\n", rows[i].why);
        each_delivers_each_payload_once(&rows[i]);
    }
}

/* Three originators at a time, with the same id: an id is one of its originator. */
static void rounds_of_several_originators_do_not_disturb_one_another(void **state)
{
    (void)state;
    const struct broadcast_world_options options = {.members = 4};
    struct broadcast_world world;
    broadcast_world_init(&world, &options);
    static const char *const payloads[] = {"one", "two", "three"};
    for (uint32_t i = 0; i < 3; i++) {
        assert_int_equal(broadcast_world_start(&world, i, "same id", payloads[i]),
                         BROADCAST_REJECT_NONE);
    }
    broadcast_world_calm(&world);
    for (uint32_t i = 0; i < 3; i++) {
        assert_int_equal(broadcast_world_delivered_count(&world, i, "same id"), 4);
    }
    assert_string_equal(world.violation, "");
    broadcast_world_deinit(&world);
}

/* A day later nobody says anything any more, and nothing is in flight. */
static void a_network_where_all_is_delivered_falls_silent(void **state)
{
    (void)state;
    for (uint32_t gossip = 0; gossip < 2; gossip++) {
        const struct broadcast_world_options options = {.members = 4, .is_gossip = gossip == 1};
        struct broadcast_world world;
        broadcast_world_init(&world, &options);
        (void)broadcast_world_start(&world, 0, "round", "payload");
        broadcast_world_settle(&world, 120000);
        const uint64_t sent = world.sent;
        for (uint32_t i = 0; i < 4; i++) {
            assert_true(world.nodes[i].member->deadline_ms == UINT64_MAX);
            assert_int_equal(world.nodes[i].member->protocol->stats.open, 0);
        }
        broadcast_world_settle(&world, 24 * 3600 * 1000);
        assert_int_equal(world.sent, sent);
        broadcast_world_deinit(&world);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(on_a_good_day_each_node_delivers_each_payload_once),
        cmocka_unit_test(rounds_of_several_originators_do_not_disturb_one_another),
        cmocka_unit_test(a_network_where_all_is_delivered_falls_silent),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
