/*
 * Floods on quorum broadcast. Goal: ten thousand ids of one member evict nothing of another's that
 * is in flight, and memory stays flat. Method: what a member holds is what it dumps and accounts
 * for.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "lib/broadcast_story.h"

#define JUNK 10000

/* What a member holds, by its own dump: everything but the tables around it is in there. */
static size_t dump_size(struct broadcast_world *world, uint32_t node)
{
    struct ingot_buffer dump = {0};
    broadcast_dump(story_member(world, node)->protocol, &dump);
    const size_t size = dump.size;
    ingot_buffer_deinit(&dump);
    return size;
}

/* A liar's messages of a kind, each under an id of its own, to member 0 alone. */
static void flood(struct broadcast_world *world, enum broadcast_kind kind, uint32_t originator,
                  uint32_t first, uint32_t count)
{
    for (uint32_t i = first; i < first + count; i++) {
        char id[32];
        char payload[1024];
        snprintf(id, sizeof id, "junk %u", i);
        memset(payload, 'j', sizeof payload - 1);
        payload[sizeof payload - 1] = '\0';
        (void)story_says_after(
            world, 0, broadcast_say(&world->network, kind, STORY_LIAR, originator, id, payload));
    }
}

static void junk_of_one_evicts_nothing_of_another(void **state, enum broadcast_kind kind,
                                                  uint32_t originator)
{
    (void)state;
    struct broadcast_world world;
    story_begin_with_limits(&world);
    broadcast_world_make_liar(&world, STORY_LIAR);
    const struct quorum_broadcast_config *quotas = &world.network.times_and_quotas;
    /* A round of member 1 in which member 0 waits for the others; and one of its own. */
    (void)broadcast_world_start(&world, 1, "id", "payload");
    (void)broadcast_world_start(&world, 0, "own", "payload");
    struct broadcast_parcels held = {0};
    while (world.flying.count > 0) {
        const struct broadcast_parcel parcel = broadcast_parcels_take(&world.flying, 0);
        broadcast_parcels_add(&held, parcel.from, parcel.to, parcel.message);
        broadcast_message_unref(parcel.message);
    }
    flood(&world, kind, originator, 0, JUNK);
    const size_t size = dump_size(&world, 0);
    const struct broadcast_stats stats = story_member(&world, 0)->protocol->stats;
    flood(&world, kind, originator, JUNK, JUNK / 10);
    assert_true(dump_size(&world, 0) <= size + 1024);
    assert_int_equal(story_member(&world, 0)->protocol->stats.open, stats.open);
    assert_int_equal(story_member(&world, 0)->protocol->stats.bytes, stats.bytes);
    assert_true(stats.open <= 3 * quotas->open_rounds_max);
    assert_true(stats.bytes <= 3 * (uint64_t)quotas->open_bytes_max);
    assert_true(story_rejected(&world, 0, BROADCAST_REJECT_QUOTA_ROUNDS) +
                    story_rejected(&world, 0, BROADCAST_REJECT_QUOTA_BYTES) >=
                JUNK);
    for (uint32_t i = 0; i < held.count; i++) {
        broadcast_world_inject(&world, held.items[i].from, held.items[i].to,
                               broadcast_message_ref(held.items[i].message));
    }
    broadcast_parcels_deinit(&held);
    broadcast_world_calm(&world);
    story_all_deliver(&world, 1, "id");
    story_all_deliver(&world, 0, "own");
    story_end(&world);
}

static void ten_thousand_junk_rounds_of_one_evict_nothing_of_another(void **state)
{
    junk_of_one_evicts_nothing_of_another(state, BROADCAST_PRE_PREPARE, STORY_LIAR);
}

static void ten_thousand_votes_for_nothing_evict_nothing(void **state)
{
    junk_of_one_evicts_nothing_of_another(state, BROADCAST_PREPARE, STORY_LIAR);
    junk_of_one_evicts_nothing_of_another(state, BROADCAST_COMMIT, 1);
}

/* The quota of an originator whose rounds are voted for is its own, whoever votes. */
static void votes_for_rounds_that_are_not_there_leave_their_originator_its_room(void **state)
{
    (void)state;
    struct broadcast_world world;
    story_begin_with_limits(&world);
    broadcast_world_make_liar(&world, STORY_LIAR);
    flood(&world, BROADCAST_COMMIT, 1, 0, JUNK);
    for (uint32_t i = 0; i < world.network.times_and_quotas.open_rounds_max; i++) {
        char id[32];
        snprintf(id, sizeof id, "real %u", i);
        assert_int_equal(broadcast_world_start(&world, 1, id, "payload"), BROADCAST_REJECT_NONE);
    }
    broadcast_world_calm(&world);
    story_all_deliver(&world, 1, "real 0");
    assert_int_equal(world.nodes[0].delivered.count,
                     world.network.times_and_quotas.open_rounds_max);
    story_end(&world);
}

/* Rounds that were delivered are forgotten in the end, and what is left is bounded. */
static void many_rounds_leave_a_bounded_trace(void **state)
{
    (void)state;
    struct broadcast_world world;
    story_begin_with_limits(&world);
    world.network.times_and_quotas.finished_rounds_max = 8;
    world.network.times_and_quotas.remembered_max = 32;
    for (uint32_t i = 0; i < STORY_MEMBERS; i++) {
        broadcast_world_crash(&world, i);
    }
    for (uint32_t i = 0; i < STORY_MEMBERS; i++) {
        broadcast_world_restart(&world, i, true);
    }
    size_t size = 0;
    for (uint32_t i = 0; i < 400; i++) {
        char id[32];
        snprintf(id, sizeof id, "round %06u", i);
        (void)broadcast_world_start(&world, 1, id, "payload");
        broadcast_world_calm(&world);
        story_all_deliver(&world, 1, id);
        if (i == 100) {
            size = dump_size(&world, 0);
        }
    }
    assert_true(dump_size(&world, 0) <= size + 256);
    assert_int_equal(story_member(&world, 0)->protocol->stats.finished, 8);
    assert_int_equal(story_member(&world, 0)->protocol->stats.remembered, 32);
    story_end(&world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ten_thousand_junk_rounds_of_one_evict_nothing_of_another),
        cmocka_unit_test(ten_thousand_votes_for_nothing_evict_nothing),
        cmocka_unit_test(votes_for_rounds_that_are_not_there_leave_their_originator_its_room),
        cmocka_unit_test(many_rounds_leave_a_bounded_trace),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
