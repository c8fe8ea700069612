/*
 * What the sync server puts into an answer, and whose turn it is. Goal: the stored bytes that leave
 * here are exactly the message that encoding would make, within the limits of both sides, and no
 * peer is served at the others' expense. Method: a ledger with a short chain and a branch of two
 * blocks above it, in both stores; answers are decoded strictly and looked at.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "lib/ledger_world.h"
#include "node/sync_server.h"
#include "wire/sync_frame.h"
#include "wire/wire.h"

#define COMMITTED 20
#define TIP (COMMITTED + 2)
#define NOW_US 1000000

struct story {
    struct world *world;
    struct sync_server *server;
    struct ledger_entry entries[TIP + 1]; /* by height; 0 is not used */
    struct qc *high_qc;                   /* of the tip */
    struct message *answer;               /* the last one; owned */
    uint32_t answered_peer;
    size_t answer_bytes;
    uint32_t answers;
};

static struct block *find_block(void *context, const struct ingot_hash *hash)
{
    const struct story *story = context;
    for (uint32_t height = COMMITTED; height <= TIP; height++) {
        if (memcmp(&story->entries[height].block->hash, hash, sizeof *hash) == 0) {
            return story->entries[height].block;
        }
    }
    return NULL;
}

static void take_answer(void *context, uint32_t peer, struct ingot_slice frame)
{
    struct story *story = context;
    message_unref(story->answer);
    assert_int_equal(wire_decode(frame, &story->answer), REJECT_NONE);
    assert_int_equal(story->answer->kind, MESSAGE_SYNC_RESPONSE);
    struct ingot_buffer again = {0};
    wire_encode(story->answer, &again);
    assert_true(ingot_slice_equal(ingot_buffer_slice(&again), frame));
    ingot_buffer_deinit(&again);
    story->answered_peer = peer;
    story->answer_bytes = frame.size;
    story->answers++;
}

static struct story *begin(struct world *world)
{
    struct story *story = calloc(1, sizeof *story);
    assert_non_null(story);
    story->world = world;
    world_open(world);
    const struct block *parent = world->genesis;
    for (uint32_t height = 1; height <= TIP; height++) {
        story->entries[height] = world_child(world, parent, "key=value");
        parent = story->entries[height].block;
        world_put(world, &story->entries[height]);
        if (height <= COMMITTED) {
            world_commit(world, &story->entries[height]);
            world_sync(world);
        }
    }
    world_sync(world);
    story->high_qc =
        samples_qc(&world->samples, 7, parent->view, parent->view, &parent->hash, PHASE_GENERIC);
    const struct sync_server_options options = {
        .ledger = world->ledger, .context = story, .find_block = find_block, .send = take_answer};
    story->server = sync_server_new(&options);
    return story;
}

static void end(struct story *story)
{
    sync_server_free(story->server);
    for (uint32_t height = 1; height <= TIP; height++) {
        ledger_entry_deinit(&story->entries[height]);
    }
    qc_unref(story->high_qc);
    message_unref(story->answer);
    free(story);
}

static struct sync_request request_from(const struct story *story, uint32_t base_height)
{
    struct sync_request request = {
        .base_height = base_height, .blocks_max = 1000, .bytes_max = UINT32_MAX};
    if (base_height > 0 && base_height <= TIP) {
        request.base = story->entries[base_height].block->hash;
    }
    return request;
}

static void turn(struct story *story, uint64_t now_us)
{
    sync_server_turn(story->server, now_us, story->entries[COMMITTED].block, story->high_qc);
}

static const struct sync_response *ask(struct story *story, const struct sync_request *request)
{
    const uint32_t answers = story->answers;
    assert_int_equal(sync_server_request(story->server, 3, request), REJECT_NONE);
    assert_int_equal(sync_server_due_us(story->server), 0);
    turn(story, NOW_US);
    assert_int_equal(story->answers, answers + 1);
    assert_int_equal(story->answered_peer, 3);
    assert_true(sync_server_due_us(story->server) > NOW_US);
    return &story->answer->sync_response;
}

static void expect_blocks(const struct story *story, uint32_t first, uint32_t count)
{
    const struct sync_response *response = &story->answer->sync_response;
    assert_int_equal(response->committed_height, COMMITTED);
    assert_int_equal(response->block_count, count);
    for (uint32_t i = 0; i < count; i++) {
        assert_memory_equal(&response->blocks[i]->hash, &story->entries[first + i].block->hash,
                            INGOT_HASH_BYTES);
    }
    if (count == 0) {
        assert_null(response->tail_qc);
    } else {
        assert_non_null(response->tail_qc);
        assert_memory_equal(&response->tail_qc->block,
                            &story->entries[first + count - 1].block->hash, INGOT_HASH_BYTES);
    }
}

/* --- What goes in. --- */

static void a_request_with_a_base_is_answered_up_to_the_certified_tip(void **state)
{
    struct story *story = begin(*state);
    const struct sync_request request = request_from(story, 5);
    (void)ask(story, &request);
    expect_blocks(story, 6, TIP - 5);
    end(story);
}

static void a_request_by_height_gets_committed_blocks_alone(void **state)
{
    struct story *story = begin(*state);
    struct sync_request request = request_from(story, 0);
    request.base_height = 7;
    (void)ask(story, &request);
    expect_blocks(story, 8, COMMITTED - 7);
    request.base_height = COMMITTED;
    (void)ask(story, &request);
    expect_blocks(story, 0, 0);
    request.base_height = UINT64_MAX - 1;
    (void)ask(story, &request);
    expect_blocks(story, 0, 0);
    end(story);
}

static void an_unknown_base_is_answered_from_what_the_asker_has_committed(void **state)
{
    struct story *story = begin(*state);
    struct sync_request request = request_from(story, 9);
    request.base.bytes[0] ^= 1;
    request.committed_height = 6;
    (void)ask(story, &request);
    expect_blocks(story, 7, TIP - 6);
    end(story);
}

static void both_sides_limit_the_number_of_blocks(void **state)
{
    struct story *story = begin(*state);
    struct sync_request request = request_from(story, 2);
    request.blocks_max = 4;
    (void)ask(story, &request);
    expect_blocks(story, 3, 4);
    /* The last committed one, whose certificate is in an uncommitted block. */
    request = request_from(story, COMMITTED - 1);
    request.blocks_max = 1;
    (void)ask(story, &request);
    expect_blocks(story, COMMITTED, 1);
    request.blocks_max = 0;
    (void)ask(story, &request);
    expect_blocks(story, 0, 0);
    end(story);
}

static void the_bytes_are_limited_but_one_block_always_goes(void **state)
{
    struct story *story = begin(*state);
    struct ingot_buffer block = {0};
    wire_encode_block(story->entries[3].block, &block);
    struct sync_request request = request_from(story, 2);
    request.bytes_max = 1;
    (void)ask(story, &request);
    expect_blocks(story, 3, 1);
    request.bytes_max = (uint32_t)(3 * block.size);
    (void)ask(story, &request);
    expect_blocks(story, 3, 3);
    request.bytes_max = (uint32_t)(3 * block.size - 1);
    (void)ask(story, &request);
    expect_blocks(story, 3, 2);
    ingot_buffer_deinit(&block);
    end(story);
}

static void a_target_in_the_tree_names_the_branch(void **state)
{
    struct story *story = begin(*state);
    struct sync_request request = request_from(story, COMMITTED);
    request.target = story->entries[COMMITTED + 1].block->hash;
    (void)ask(story, &request);
    assert_int_equal(story->answer->sync_response.block_count, 1);
    assert_memory_equal(&story->answer->sync_response.blocks[0]->hash, &request.target,
                        INGOT_HASH_BYTES);
    end(story);
}

static void what_was_pruned_is_not_served_and_the_answer_says_from_where_on_it_is(void **state)
{
    struct world *world = *state;
    world->options.retain_blocks = 8;
    world->options.prune_blocks_min = 1;
    world->options.apply_blocks_max = 1;
    struct story *story = begin(world);
    const uint64_t lowest = ledger_lowest_height(world->ledger);
    assert_in_range(lowest, 2, COMMITTED - 7);
    struct sync_request request = request_from(story, 0);
    assert_int_equal(ask(story, &request)->lowest_height, lowest);
    expect_blocks(story, 0, 0);
    request.base_height = lowest - 1;
    assert_int_equal(ask(story, &request)->lowest_height, lowest);
    expect_blocks(story, (uint32_t)lowest, (uint32_t)(COMMITTED - lowest + 1));
    end(story);
}

static void while_the_tree_is_not_durable_only_what_the_ledger_certifies_is_served(void **state)
{
    struct story *story = begin(*state);
    const struct sync_request request = request_from(story, 5);
    assert_int_equal(sync_server_request(story->server, 3, &request), REJECT_NONE);
    sync_server_turn(story->server, NOW_US, NULL, NULL);
    assert_int_equal(story->answers, 1);
    expect_blocks(story, 6, COMMITTED - 1 - 5);
    end(story);
}

/* --- Whose turn it is. --- */

static void peers_take_turns_and_each_has_one_place(void **state)
{
    struct story *story = begin(*state);
    const struct sync_request request = request_from(story, 5);
    const struct sync_request later = request_from(story, 10);
    for (uint32_t peer = 0; peer < 3; peer++) {
        assert_int_equal(sync_server_request(story->server, peer, &request), REJECT_NONE);
    }
    for (uint32_t i = 0; i < 20; i++) {
        assert_int_equal(sync_server_request(story->server, 0, &later), REJECT_RATE_LIMITED);
    }
    for (uint32_t peer = 0; peer < 3; peer++) {
        turn(story, NOW_US);
        assert_int_equal(story->answered_peer, peer);
        assert_int_equal(story->answer->sync_response.blocks[0]->height, peer == 0 ? 11 : 6);
        if (peer == 0) { /* again at the end of the queue */
            assert_int_equal(sync_server_request(story->server, 0, &request), REJECT_NONE);
        }
    }
    turn(story, NOW_US);
    assert_int_equal(story->answered_peer, 0);
    turn(story, NOW_US);
    assert_int_equal(story->answers, 4);
    end(story);
}

static void a_peer_that_asks_without_end_waits_for_its_credit(void **state)
{
    struct story *story = begin(*state);
    const struct sync_request request = request_from(story, 1);
    uint32_t served = 0;
    while (sync_server_request(story->server, 0, &request) == REJECT_NONE) {
        const uint32_t answers = story->answers;
        turn(story, NOW_US);
        served += story->answers > answers;
    }
    /* Requests alone, at 64 KiB each, would use it up a little later: their answers count too. */
    assert_in_range(served, 10, 4 * INGOT_SYNC_BYTES_MAX / (64 * 1024));
    const uint64_t due_us = sync_server_due_us(story->server);
    assert_in_range(due_us, NOW_US + 1, NOW_US + 10000000);
    assert_int_equal(sync_server_request(story->server, 1, &request), REJECT_NONE);
    turn(story, NOW_US);
    assert_int_equal(story->answered_peer, 1);
    turn(story, due_us - 1);
    assert_int_equal(story->answered_peer, 1);
    turn(story, due_us);
    assert_int_equal(story->answered_peer, 0);
    end(story);
}

static void whoever_has_gone_is_not_answered(void **state)
{
    struct story *story = begin(*state);
    const struct sync_request request = request_from(story, 1);
    assert_int_equal(sync_server_request(story->server, 0, &request), REJECT_NONE);
    sync_server_disconnected(story->server, 0);
    assert_int_equal(sync_server_due_us(story->server), UINT64_MAX);
    turn(story, NOW_US);
    assert_int_equal(story->answers, 0);
    end(story);
}

/* --- The justify inside a block's bytes. --- */

static void only_a_block_with_a_justify_has_one(void **state)
{
    struct story *story = begin(*state);
    struct ingot_buffer bytes = {0};
    struct ingot_slice justify;
    wire_encode_block(story->entries[2].block, &bytes);
    assert_true(wire_block_justify(ingot_buffer_slice(&bytes), &justify));
    struct qc *qc = NULL;
    assert_int_equal(wire_decode_qc(justify, &qc), REJECT_NONE);
    assert_memory_equal(wire_qc_digest(qc), wire_qc_digest(story->entries[2].block->justify),
                        INGOT_HASH_BYTES);
    qc_unref(qc);
    for (size_t size = 0; size < 150; size++) { /* cut off before its end */
        assert_false(wire_block_justify(ingot_slice_of(bytes.data, size), &justify));
    }
    ingot_buffer_clear(&bytes);
    wire_encode_block(story->world->genesis, &bytes);
    assert_false(wire_block_justify(ingot_buffer_slice(&bytes), &justify));
    ingot_buffer_deinit(&bytes);
    end(story);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        WORLD_MEMORY(a_request_with_a_base_is_answered_up_to_the_certified_tip),
        WORLD_DISK(a_request_with_a_base_is_answered_up_to_the_certified_tip),
        WORLD_MEMORY(a_request_by_height_gets_committed_blocks_alone),
        WORLD_MEMORY(an_unknown_base_is_answered_from_what_the_asker_has_committed),
        WORLD_MEMORY(both_sides_limit_the_number_of_blocks),
        WORLD_MEMORY(the_bytes_are_limited_but_one_block_always_goes),
        WORLD_MEMORY(a_target_in_the_tree_names_the_branch),
        WORLD_MEMORY(what_was_pruned_is_not_served_and_the_answer_says_from_where_on_it_is),
        WORLD_DISK(what_was_pruned_is_not_served_and_the_answer_says_from_where_on_it_is),
        WORLD_MEMORY(while_the_tree_is_not_durable_only_what_the_ledger_certifies_is_served),
        WORLD_MEMORY(peers_take_turns_and_each_has_one_place),
        WORLD_MEMORY(a_peer_that_asks_without_end_waits_for_its_credit),
        WORLD_MEMORY(whoever_has_gone_is_not_answered),
        WORLD_MEMORY(only_a_block_with_a_justify_has_one),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
