/*
 * Attacks on quorum broadcast, each as a story of its own. Goal: less than a third of four members,
 * whatever it says, and anybody from outside, makes no quorum, makes nobody sign, has no two
 * payloads delivered, keeps nobody from delivering, and fills nobody's memory.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "lib/broadcast_story.h"

/* --- Identity is the signature. --- */

static void four_forged_messages_make_no_quorum(void **state)
{
    (void)state;
    struct broadcast_world world;
    story_begin(&world);
    broadcast_world_make_liar(&world, STORY_LIAR);
    const struct broadcast_network *network = &world.network;
    broadcast_world_inject(
        &world, STORY_LIAR, 0,
        broadcast_say(network, BROADCAST_PRE_PREPARE, STORY_LIAR, STORY_LIAR, "id", "payload"));
    for (uint32_t sender = 0; sender < STORY_MEMBERS; sender++) {
        for (uint32_t kind = BROADCAST_PREPARE; kind <= BROADCAST_COMMIT; kind++) {
            struct broadcast_message *message = broadcast_say(network, (enum broadcast_kind)kind,
                                                              sender, STORY_LIAR, "id", "payload");
            broadcast_sign_as(network, STORY_LIAR, &network->samples.chain, message);
            broadcast_world_inject(&world, STORY_LIAR, 0, message);
        }
    }
    /* Its own two are real, all others are not. */
    while (world.flying.count > 0 && world.flying.items[0].from == STORY_LIAR) {
        broadcast_world_arrive(&world, 0);
    }
    assert_int_equal(story_member(&world, 0)->forged, 2 * (STORY_MEMBERS - 1));
    for (uint32_t i = 0; i < world.flying.count; i++) {
        assert_int_not_equal(world.flying.items[i].message->kind, BROADCAST_COMMIT);
    }
    assert_int_equal(broadcast_world_delivered_count(&world, STORY_LIAR, "id"), 0);
    story_end(&world);
}

static void one_member_that_votes_four_times_is_no_quorum(void **state)
{
    (void)state;
    struct broadcast_world world;
    story_begin(&world);
    broadcast_world_make_liar(&world, STORY_LIAR);
    const struct broadcast_network *network = &world.network;
    (void)story_says_after(
        &world, 0,
        broadcast_say(network, BROADCAST_PRE_PREPARE, STORY_LIAR, STORY_LIAR, "id", "payload"));
    for (uint32_t i = 0; i < 2 * STORY_MEMBERS; i++) {
        /* The same, and the same with another attachment, so that it is another message. */
        struct broadcast_message *message =
            broadcast_say(network, i % 2 == 0 ? BROADCAST_PREPARE : BROADCAST_COMMIT, STORY_LIAR,
                          STORY_LIAR, "id", "payload");
        ingot_buffer_append_u8(&message->attachment, (uint8_t)i);
        broadcast_sign_as(network, STORY_LIAR, &network->samples.chain, message);
        broadcast_world_inject(&world, STORY_LIAR, 0, message);
        broadcast_world_arrive(&world, world.flying.count - 1);
    }
    for (uint32_t i = 0; i < world.flying.count; i++) {
        assert_int_not_equal(world.flying.items[i].message->kind, BROADCAST_COMMIT);
    }
    assert_int_equal(story_rejected(&world, 0, BROADCAST_REJECT_DUPLICATE), 2 * STORY_MEMBERS - 2);
    story_end(&world);
}

static void a_stranger_makes_nobody_sign(void **state)
{
    (void)state;
    struct broadcast_world world;
    struct broadcast_network strangers;
    story_begin(&world);
    /* The same chain, and keys of which none is a member's. */
    broadcast_network_init(&strangers, STORY_MEMBERS, NULL, 0);
    samples_deinit(&strangers.samples);
    samples_init(&strangers.samples, world.network.samples.scheme, STORY_MEMBERS, 0, 99);
    for (uint32_t kind = BROADCAST_PRE_PREPARE; kind <= BROADCAST_COMMIT; kind++) {
        for (uint32_t claimed = 0; claimed < STORY_MEMBERS + 2; claimed++) {
            const uint32_t key = claimed % STORY_MEMBERS;
            struct broadcast_message *message =
                broadcast_say(&strangers, (enum broadcast_kind)kind, key, key, "id", "payload");
            message->sender = claimed;
            message->originator = claimed;
            assert_int_equal(story_says_after(&world, 0, message), 0);
        }
    }
    assert_int_equal(story_member(&world, 0)->forged, 3 * (STORY_MEMBERS + 2));
    assert_int_equal(story_member(&world, 0)->protocol->stats.open, 0);
    story_nobody_delivers(&world, 0, "id");
    broadcast_network_deinit(&strangers);
    story_end(&world);
}

static void a_member_cannot_originate_for_another(void **state)
{
    (void)state;
    struct broadcast_world world;
    story_begin(&world);
    struct broadcast_message *message = broadcast_say(&world.network, BROADCAST_PRE_PREPARE,
                                                      STORY_LIAR, STORY_LIAR, "id", "payload");
    message->originator = 1;
    broadcast_sign_as(&world.network, STORY_LIAR, &world.network.samples.chain, message);
    world.options.encodes = false;
    assert_int_equal(story_says_after(&world, 0, message), 0);
    assert_int_equal(story_rejected(&world, 0, BROADCAST_REJECT_NOT_ORIGINATOR), 1);
    story_nobody_delivers(&world, 1, "id");
    story_end(&world);
}

static void what_was_said_under_one_id_or_on_one_chain_counts_for_no_other(void **state)
{
    (void)state;
    struct broadcast_world world;
    story_begin(&world);
    const struct broadcast_network *network = &world.network;
    const struct ingot_hash other_chain = samples_hash(0x0C);
    for (uint32_t kind = BROADCAST_PRE_PREPARE; kind <= BROADCAST_COMMIT; kind++) {
        for (uint32_t sender = 1; sender < STORY_MEMBERS; sender++) {
            const uint32_t originator = kind == BROADCAST_PRE_PREPARE ? sender : 1;
            struct broadcast_message *renamed = broadcast_say(network, (enum broadcast_kind)kind,
                                                              sender, originator, "id", "payload");
            assert_true(broadcast_id_from(ingot_slice_of_text("di"), &renamed->id));
            assert_int_equal(story_says_after(&world, 0, renamed), 0);
            struct broadcast_message *elsewhere = broadcast_say(
                network, (enum broadcast_kind)kind, sender, originator, "id", "payload");
            broadcast_sign_as(network, sender, &other_chain, elsewhere);
            assert_int_equal(story_says_after(&world, 0, elsewhere), 0);
        }
    }
    assert_int_equal(story_member(&world, 0)->forged, 18);
    assert_int_equal(story_member(&world, 0)->protocol->stats.open, 0);
    story_end(&world);
}

/* --- Two payloads. --- */

static void an_originator_that_says_two_things_has_no_two_payloads_delivered(void **state)
{
    (void)state;
    struct broadcast_world world;
    story_begin(&world);
    broadcast_world_make_liar(&world, STORY_LIAR);
    const struct broadcast_network *network = &world.network;
    static const char *const payloads[] = {"one", "other"};
    for (uint32_t i = 0; i < STORY_MEMBERS - 1; i++) {
        broadcast_world_inject(&world, STORY_LIAR, i,
                               broadcast_say(network, BROADCAST_PRE_PREPARE, STORY_LIAR, STORY_LIAR,
                                             "id", payloads[i % 2]));
    }
    for (uint32_t i = 0; i < 2; i++) {
        broadcast_world_inject_to_all(
            &world, STORY_LIAR,
            broadcast_say(network, BROADCAST_PREPARE, STORY_LIAR, STORY_LIAR, "id", payloads[i]));
        broadcast_world_inject_to_all(
            &world, STORY_LIAR,
            broadcast_say(network, BROADCAST_COMMIT, STORY_LIAR, STORY_LIAR, "id", payloads[i]));
    }
    broadcast_world_settle(&world, 20000);
    /* Two said "one" and so did the liar: that is a quorum, and all see it in the end. */
    story_all_deliver(&world, STORY_LIAR, "id");
    const struct broadcast_delivery *first = broadcast_world_delivered(&world, 0, STORY_LIAR, "id");
    struct broadcast_message *one =
        broadcast_say(network, BROADCAST_PREPARE, STORY_LIAR, STORY_LIAR, "id", payloads[0]);
    assert_memory_equal(first->digest.bytes, one->digest.bytes, sizeof one->digest.bytes);
    broadcast_message_unref(one);
    story_end(&world);
}

static void payloads_without_a_quorum_are_given_up_and_cost_nothing_more(void **state)
{
    (void)state;
    struct broadcast_world world;
    story_begin_with_limits(&world);
    broadcast_world_make_liar(&world, STORY_LIAR);
    static const char *const payloads[] = {"one", "two", "three"};
    for (uint32_t i = 0; i < STORY_MEMBERS - 1; i++) {
        broadcast_world_inject(&world, STORY_LIAR, i,
                               broadcast_say(&world.network, BROADCAST_PRE_PREPARE, STORY_LIAR,
                                             STORY_LIAR, "id", payloads[i]));
    }
    story_nobody_delivers(&world, STORY_LIAR, "id");
    for (uint32_t i = 0; i < STORY_MEMBERS - 1; i++) {
        assert_int_equal(story_member(&world, i)->protocol->stats.open, 0);
        assert_int_equal(story_member(&world, i)->protocol->stats.bytes, 0);
    }
    const uint64_t sent = world.sent;
    broadcast_world_settle(&world, 600000);
    assert_int_equal(world.sent, sent);
    story_end(&world);
}

/* The one COMMIT that comes to it first is the liar's, for a payload that nobody else has. */
static void a_vote_for_another_payload_holds_up_nobody(void **state)
{
    (void)state;
    struct broadcast_world world;
    story_begin(&world);
    broadcast_world_make_liar(&world, STORY_LIAR);
    for (uint32_t kind = BROADCAST_PREPARE; kind <= BROADCAST_COMMIT; kind++) {
        broadcast_world_inject_to_all(&world, STORY_LIAR,
                                      broadcast_say(&world.network, (enum broadcast_kind)kind,
                                                    STORY_LIAR, 1, "id", "of nobody"));
        broadcast_world_inject_to_all(&world, STORY_LIAR,
                                      broadcast_say(&world.network, (enum broadcast_kind)kind,
                                                    STORY_LIAR, 1, "id", "payload"));
    }
    broadcast_world_calm(&world);
    (void)broadcast_world_start(&world, 1, "id", "payload");
    broadcast_world_calm(&world);
    story_all_deliver(&world, 1, "id");
    story_end(&world);
}

static void a_member_that_withholds_its_votes_holds_up_nobody(void **state)
{
    (void)state;
    struct broadcast_world world;
    story_begin(&world);
    broadcast_world_make_liar(&world, STORY_LIAR);
    (void)broadcast_world_start(&world, 1, "id", "payload");
    broadcast_world_calm(&world);
    story_all_deliver(&world, 1, "id");
    story_end(&world);
}

/* It says COMMIT to one alone, so that this one delivers, and then it is gone. */
static void what_one_delivers_on_a_liars_commit_the_others_deliver_too(void **state)
{
    (void)state;
    struct broadcast_world world;
    story_begin(&world);
    broadcast_world_make_liar(&world, STORY_LIAR);
    broadcast_world_crash(&world, 2);
    (void)broadcast_world_start(&world, 0, "id", "payload");
    broadcast_world_inject_to_all(
        &world, STORY_LIAR,
        broadcast_say(&world.network, BROADCAST_PREPARE, STORY_LIAR, 0, "id", "payload"));
    broadcast_world_inject(
        &world, STORY_LIAR, 0,
        broadcast_say(&world.network, BROADCAST_COMMIT, STORY_LIAR, 0, "id", "payload"));
    broadcast_world_calm(&world);
    assert_int_equal(broadcast_world_delivered_count(&world, 0, "id"), 1);
    broadcast_world_restart(&world, 2, false);
    broadcast_world_settle(&world, 20000);
    story_all_deliver(&world, 0, "id");
    story_end(&world);
}

/* --- Starts. --- */

static void a_duplicate_start_does_not_reset_a_round(void **state)
{
    (void)state;
    struct broadcast_world world;
    story_begin(&world);
    (void)broadcast_world_start(&world, 0, "id", "payload");
    /* All but the COMMITs arrive. */
    for (uint32_t i = 0; i < world.flying.count;) {
        if (world.flying.items[i].message->kind == BROADCAST_COMMIT) {
            i++;
        } else {
            broadcast_world_arrive(&world, i);
        }
    }
    const uint64_t sent = world.sent;
    struct ingot_buffer before = {0};
    struct ingot_buffer after = {0};
    broadcast_dump(story_member(&world, 0)->protocol, &before);
    assert_int_equal(broadcast_world_start(&world, 0, "id", "payload"), BROADCAST_REJECT_DUPLICATE);
    assert_int_equal(broadcast_world_start(&world, 0, "id", "another"), BROADCAST_REJECT_CONFLICT);
    broadcast_dump(story_member(&world, 0)->protocol, &after);
    assert_int_equal(world.sent, sent);
    assert_int_equal(before.size, after.size);
    assert_memory_equal(before.data, after.data, before.size);
    ingot_buffer_deinit(&before);
    ingot_buffer_deinit(&after);

    broadcast_world_calm(&world);
    story_all_deliver(&world, 0, "id");
    assert_int_equal(broadcast_world_start(&world, 0, "id", "payload"), BROADCAST_REJECT_DELIVERED);
    assert_int_equal(broadcast_world_start(&world, 0, "id", "another"), BROADCAST_REJECT_CONFLICT);
    assert_int_equal(story_member(&world, 0)->refused, 3);
    story_end(&world);
}

static void a_start_that_is_no_start_is_refused_with_its_reason(void **state)
{
    (void)state;
    struct broadcast_world world;
    const struct broadcast_world_options options = {.members = 1, .observers = 1};
    broadcast_world_init(&world, &options);
    char long_id[INGOT_BROADCAST_ID_BYTES_MAX + 2];
    memset(long_id, 'x', sizeof long_id - 1);
    long_id[sizeof long_id - 1] = '\0';
    assert_int_equal(broadcast_world_start(&world, 0, "", "payload"), BROADCAST_REJECT_BAD_ID);
    assert_int_equal(broadcast_world_start(&world, 0, long_id, "payload"), BROADCAST_REJECT_BAD_ID);
    assert_int_equal(broadcast_world_start(&world, 1, "id", "payload"),
                     BROADCAST_REJECT_NOT_A_MEMBER);
    assert_int_equal(story_member(&world, 0)->refused, 2);
    assert_int_equal(story_member(&world, 1)->refused_as, BROADCAST_REJECT_NOT_A_MEMBER);
    assert_int_equal(world.sent, 0);
    story_end(&world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(four_forged_messages_make_no_quorum),
        cmocka_unit_test(one_member_that_votes_four_times_is_no_quorum),
        cmocka_unit_test(a_stranger_makes_nobody_sign),
        cmocka_unit_test(a_member_cannot_originate_for_another),
        cmocka_unit_test(what_was_said_under_one_id_or_on_one_chain_counts_for_no_other),
        cmocka_unit_test(an_originator_that_says_two_things_has_no_two_payloads_delivered),
        cmocka_unit_test(payloads_without_a_quorum_are_given_up_and_cost_nothing_more),
        cmocka_unit_test(a_vote_for_another_payload_holds_up_nobody),
        cmocka_unit_test(a_member_that_withholds_its_votes_holds_up_nobody),
        cmocka_unit_test(what_one_delivers_on_a_liars_commit_the_others_deliver_too),
        cmocka_unit_test(a_duplicate_start_does_not_reset_a_round),
        cmocka_unit_test(a_start_that_is_no_start_is_refused_with_its_reason),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
