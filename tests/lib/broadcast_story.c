/*
 * Stories about four members of a quorum broadcast. See broadcast_story.h.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "lib/broadcast_story.h"

void story_begin(struct broadcast_world *world)
{
    const struct broadcast_world_options options = {.members = STORY_MEMBERS, .encodes = true};
    broadcast_world_init(world, &options);
}

void story_begin_with_limits(struct broadcast_world *world)
{
    story_begin_with_callbacks(world, NULL);
}

void story_begin_with_callbacks(struct broadcast_world *world,
                                const struct broadcast_callbacks *callbacks)
{
    const struct broadcast_world_options options = {
        .members = STORY_MEMBERS, .not_prompt = true, .callbacks = callbacks};
    broadcast_world_init(world, &options);
}

void story_end(struct broadcast_world *world)
{
    assert_string_equal(world->violation, "");
    broadcast_world_deinit(world);
}

struct broadcast_member *story_member(struct broadcast_world *world, uint32_t node)
{
    return world->nodes[node].member;
}

uint64_t story_rejected(struct broadcast_world *world, uint32_t node, enum broadcast_reject reason)
{
    return story_member(world, node)->protocol->stats.rejected[reason];
}

void story_nobody_delivers(struct broadcast_world *world, uint32_t originator, const char *id)
{
    broadcast_world_settle(world, 60000);
    assert_int_equal(broadcast_world_delivered_count(world, originator, id), 0);
}

void story_all_deliver(struct broadcast_world *world, uint32_t originator, const char *id)
{
    uint32_t up = 0;
    for (uint32_t i = 0; i < STORY_MEMBERS; i++) {
        up += broadcast_world_is_up(world, i);
    }
    assert_int_equal(broadcast_world_delivered_count(world, originator, id), up);
}

uint32_t story_says_after(struct broadcast_world *world, uint32_t node,
                          struct broadcast_message *message)
{
    broadcast_world_inject(world, STORY_LIAR, node, message);
    broadcast_world_arrive(world, world->flying.count - 1);
    const uint32_t said = world->flying.count;
    while (world->flying.count > 0) {
        broadcast_world_lose(world, 0);
    }
    return said;
}
