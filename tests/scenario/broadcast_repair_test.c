/*
 * What is lost in quorum broadcast, and how it comes back: messages, the memory of members, whole
 * rounds. The random schedules have all of that too; here each is a story of its own.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "lib/broadcast_story.h"

/* --- Loss. --- */

static void a_lost_last_message_is_repaired_by_ticks(void **state)
{
    (void)state;
    static const enum broadcast_kind kinds[] = {BROADCAST_PRE_PREPARE, BROADCAST_PREPARE,
                                                BROADCAST_COMMIT};
    for (uint32_t i = 0; i < 3; i++) {
        struct broadcast_world world;
        story_begin(&world);
        (void)broadcast_world_start(&world, 0, "id", "payload");
        while (world.flying.count > 0) {
            const struct broadcast_parcel *parcel = &world.flying.items[0];
            if (parcel->to == 2 && parcel->message->kind == kinds[i]) {
                broadcast_world_lose(&world, 0);
            } else {
                broadcast_world_arrive(&world, 0);
            }
        }
        assert_int_equal(broadcast_world_delivered_count(&world, 0, "id"),
                         kinds[i] == BROADCAST_PREPARE ? 4 : 3);
        broadcast_world_settle(&world, 2000);
        story_all_deliver(&world, 0, "id");
        story_end(&world);
    }
}

/* --- Restarts. --- */

/* It had said COMMIT, so nobody would think that it lacks anything. */
static void who_comes_back_without_its_memory_is_shown_what_it_had_committed_to(void **state)
{
    (void)state;
    for (uint32_t is_open = 0; is_open < 2; is_open++) {
        struct broadcast_world world;
        story_begin_with_limits(&world);
        (void)broadcast_world_start(&world, 0, "id", "payload");
        while (world.flying.count > 0) {
            /* It hears nobody's COMMIT; and the others hear only its own, if they shall not
             * deliver. */
            const struct broadcast_parcel *parcel = &world.flying.items[0];
            const bool is_commit = parcel->message->kind == BROADCAST_COMMIT;
            if (is_commit && (parcel->to == 2 || (is_open == 1 && parcel->from != 2))) {
                broadcast_world_lose(&world, 0);
            } else {
                broadcast_world_arrive(&world, 0);
            }
        }
        assert_int_equal(broadcast_world_delivered_count(&world, 0, "id"), is_open == 1 ? 0 : 3);
        broadcast_world_crash(&world, 2);
        broadcast_world_restart(&world, 2, false);
        broadcast_world_settle(&world, 3000);
        story_all_deliver(&world, 0, "id");
        story_end(&world);
    }
}

/* One has delivered, one is down for good, and the other two lose their memory. */
static void those_who_come_back_begin_with_the_prepare_of_who_has_delivered(void **state)
{
    (void)state;
    struct broadcast_world world;
    story_begin_with_limits(&world);
    broadcast_world_crash(&world, 3);
    (void)broadcast_world_start(&world, 0, "id", "payload");
    while (world.flying.count > 0) {
        if (world.flying.items[0].message->kind == BROADCAST_COMMIT &&
            world.flying.items[0].to != 0) {
            broadcast_world_lose(&world, 0);
        } else {
            broadcast_world_arrive(&world, 0);
        }
    }
    assert_int_equal(broadcast_world_delivered_count(&world, 0, "id"), 1);
    broadcast_world_crash(&world, 1);
    broadcast_world_crash(&world, 2);
    broadcast_world_restart(&world, 1, false);
    broadcast_world_restart(&world, 2, false);
    broadcast_world_settle(&world, 3000);
    story_all_deliver(&world, 0, "id");
    story_end(&world);
}

/* --- Giving up. --- */

/* Nothing arrives for as long as a round lives: its client is told, once, and it costs nothing
 * more. When it asks again, all deliver. */
static void a_round_that_nobody_hears_of_is_given_up_and_can_be_started_again(void **state)
{
    (void)state;
    struct broadcast_world world;
    story_begin_with_limits(&world);
    (void)broadcast_world_start(&world, 0, "id", "payload");
    for (uint32_t i = 0; i < 100; i++) {
        while (world.flying.count > 0) {
            broadcast_world_lose(&world, 0);
        }
        broadcast_world_pass(&world, 400);
    }
    assert_int_equal(story_member(&world, 0)->timed_out, 1);
    assert_int_equal(story_member(&world, 0)->protocol->stats.open, 0);
    assert_int_equal(broadcast_world_start(&world, 0, "id", "another"), BROADCAST_REJECT_CONFLICT);
    assert_int_equal(broadcast_world_start(&world, 0, "id", "payload"), BROADCAST_REJECT_NONE);
    broadcast_world_calm(&world);
    story_all_deliver(&world, 0, "id");
    assert_int_equal(story_member(&world, 0)->timed_out, 1);
    story_end(&world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_lost_last_message_is_repaired_by_ticks),
        cmocka_unit_test(who_comes_back_without_its_memory_is_shown_what_it_had_committed_to),
        cmocka_unit_test(those_who_come_back_begin_with_the_prepare_of_who_has_delivered),
        cmocka_unit_test(a_round_that_nobody_hears_of_is_given_up_and_can_be_started_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
