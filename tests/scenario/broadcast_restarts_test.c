/*
 * Restarts of honest members while an originator lies. Goal: no two payloads are delivered under
 * one originator and id, whoever restarts and whenever: what a member has said COMMIT for outlives
 * it, and that is enough, though its PREPAREs are forgotten. Method: a liar that shows one payload,
 * and after restarts another one; every moment between two arrivals, and everybody who may restart
 * then.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "lib/broadcast_story.h"

#define HONEST 3
/* Of one payload's messages; the last moments are after all of them. */
#define MOMENTS 40

/* The liar says all that it can for a payload, to everybody. */
static void lie(struct broadcast_world *world, const char *payload)
{
    static const enum broadcast_kind kinds[] = {BROADCAST_PRE_PREPARE, BROADCAST_PREPARE,
                                                BROADCAST_COMMIT};
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        broadcast_world_inject_to_all(
            world, STORY_LIAR,
            broadcast_say(&world->network, kinds[i], STORY_LIAR, STORY_LIAR, "id", payload));
    }
}

/* So many messages arrive, in the order in which they were sent or the last one first. */
static void arrive(struct broadcast_world *world, uint32_t count, bool is_backwards)
{
    for (uint32_t i = 0; i < count && world->flying.count > 0; i++) {
        broadcast_world_arrive(world, is_backwards ? world->flying.count - 1 : 0);
    }
}

static void restart(struct broadcast_world *world, uint32_t who)
{
    for (uint32_t i = 0; i < HONEST; i++) {
        if ((who >> i & 1) != 0) {
            broadcast_world_crash(world, i);
            broadcast_world_restart(world, i, false);
        }
    }
}

static bool has_chosen(const struct broadcast_world *world, uint32_t who)
{
    for (uint32_t i = 0; i < HONEST; i++) {
        if ((who >> i & 1) != 0 && world->nodes[i].chosen.count > 0) {
            return true;
        }
    }
    return false;
}

/* What has been delivered by anybody in any life is one payload; the world has checked that. */
static uint32_t deliveries(const struct broadcast_world *world)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < HONEST; i++) {
        count += broadcast_world_delivered(world, i, STORY_LIAR, "id") != NULL;
    }
    return count;
}

static void restarts_at_any_moment_let_no_liar_have_two_payloads_delivered(void **state)
{
    (void)state;
    uint32_t bound = 0;
    uint32_t delivered = 0;
    for (uint32_t number = 0; number < 2 * MOMENTS << HONEST; number++) {
        const uint32_t who = number & ((1U << HONEST) - 1);
        const uint32_t moment = (number >> HONEST) % MOMENTS;
        const bool is_backwards = number >> HONEST >= MOMENTS;
        struct broadcast_world world;
        story_begin_with_limits(&world);
        broadcast_world_make_liar(&world, STORY_LIAR);
        lie(&world, "payload A");
        arrive(&world, moment, is_backwards);
        bound += has_chosen(&world, who);
        restart(&world, who);
        lie(&world, "payload B");
        arrive(&world, moment / 2, is_backwards);
        restart(&world, ~who);
        lie(&world, "payload A");
        broadcast_world_settle(&world, 3000);
        delivered += deliveries(&world);
        story_end(&world);
    }
    assert_true(bound > MOMENTS);
    assert_true(delivered > MOMENTS);
}

/* One has delivered A, and both others were on the way to it. */
static void who_has_committed_and_comes_back_is_not_led_to_another_payload(void **state)
{
    (void)state;
    struct broadcast_world world;
    story_begin_with_limits(&world);
    broadcast_world_make_liar(&world, STORY_LIAR);
    lie(&world, "payload A");
    while (world.flying.count > 0) {
        const struct broadcast_parcel *parcel = &world.flying.items[0];
        if (parcel->message->kind == BROADCAST_COMMIT && parcel->to != 0) {
            broadcast_world_lose(&world, 0);
        } else {
            broadcast_world_arrive(&world, 0);
        }
    }
    assert_int_equal(deliveries(&world), 1);
    broadcast_world_crash(&world, 0);
    for (uint32_t i = 1; i < HONEST; i++) {
        broadcast_world_crash(&world, i);
        broadcast_world_restart(&world, i, false);
    }
    lie(&world, "payload B");
    broadcast_world_settle(&world, 3000);
    assert_int_equal(deliveries(&world), 1);
    /* Nor does it keep them from A. */
    broadcast_world_restart(&world, 0, false);
    lie(&world, "payload A");
    broadcast_world_settle(&world, 3000);
    assert_int_equal(deliveries(&world), HONEST);
    story_end(&world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(restarts_at_any_moment_let_no_liar_have_two_payloads_delivered),
        cmocka_unit_test(who_has_committed_and_comes_back_is_not_led_to_another_payload),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
