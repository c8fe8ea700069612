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
#include <stdio.h>
#include <string.h>

#include "lib/broadcast_world.h"

#define MEMBERS 4
/* The one that lies, where one does. */
#define LIAR 3

static void begin(struct broadcast_world *world)
{
    const struct broadcast_world_options options = {.members = MEMBERS, .encodes = true};
    broadcast_world_init(world, &options);
}

/* In a story in which quotas are used up, or rounds are given up. */
static void begin_with_limits(struct broadcast_world *world)
{
    const struct broadcast_world_options options = {.members = MEMBERS, .not_prompt = true};
    broadcast_world_init(world, &options);
}

static void end(struct broadcast_world *world)
{
    assert_string_equal(world->violation, "");
    broadcast_world_deinit(world);
}

static struct broadcast_member *member(struct broadcast_world *world, uint32_t node)
{
    return world->nodes[node].member;
}

static uint64_t rejected(struct broadcast_world *world, uint32_t node, enum broadcast_reject reason)
{
    return member(world, node)->protocol->stats.rejected[reason];
}

static void nobody_delivers(struct broadcast_world *world, uint32_t originator, const char *id)
{
    broadcast_world_settle(world, 60000);
    assert_int_equal(broadcast_world_delivered_count(world, originator, id), 0);
}

/* All but the liar. */
static void all_deliver(struct broadcast_world *world, uint32_t originator, const char *id)
{
    uint32_t up = 0;
    for (uint32_t i = 0; i < MEMBERS; i++) {
        up += broadcast_world_is_up(world, i);
    }
    assert_int_equal(broadcast_world_delivered_count(world, originator, id), up);
}

/* What this member says as an answer to a message is lost; how much it was is returned. */
static uint32_t says_after(struct broadcast_world *world, uint32_t node,
                           struct broadcast_message *message)
{
    broadcast_world_inject(world, LIAR, node, message);
    broadcast_world_arrive(world, world->flying.count - 1);
    const uint32_t said = world->flying.count;
    while (world->flying.count > 0) {
        broadcast_world_lose(world, 0);
    }
    return said;
}

/* --- Identity is the signature. --- */

static void four_forged_messages_make_no_quorum(void **state)
{
    (void)state;
    struct broadcast_world world;
    begin(&world);
    broadcast_world_make_liar(&world, LIAR);
    const struct broadcast_network *network = &world.network;
    broadcast_world_inject(
        &world, LIAR, 0,
        broadcast_say(network, BROADCAST_PRE_PREPARE, LIAR, LIAR, "id", "payload"));
    for (uint32_t sender = 0; sender < MEMBERS; sender++) {
        for (uint32_t kind = BROADCAST_PREPARE; kind <= BROADCAST_COMMIT; kind++) {
            struct broadcast_message *message =
                broadcast_say(network, (enum broadcast_kind)kind, sender, LIAR, "id", "payload");
            broadcast_sign_as(network, LIAR, &network->samples.chain, message);
            broadcast_world_inject(&world, LIAR, 0, message);
        }
    }
    /* Its own two are real, all others are not. */
    while (world.flying.count > 0 && world.flying.items[0].from == LIAR) {
        broadcast_world_arrive(&world, 0);
    }
    assert_int_equal(member(&world, 0)->forged, 2 * (MEMBERS - 1));
    for (uint32_t i = 0; i < world.flying.count; i++) {
        assert_int_not_equal(world.flying.items[i].message->kind, BROADCAST_COMMIT);
    }
    assert_int_equal(broadcast_world_delivered_count(&world, LIAR, "id"), 0);
    end(&world);
}

static void one_member_that_votes_four_times_is_no_quorum(void **state)
{
    (void)state;
    struct broadcast_world world;
    begin(&world);
    broadcast_world_make_liar(&world, LIAR);
    const struct broadcast_network *network = &world.network;
    (void)says_after(&world, 0,
                     broadcast_say(network, BROADCAST_PRE_PREPARE, LIAR, LIAR, "id", "payload"));
    for (uint32_t i = 0; i < 2 * MEMBERS; i++) {
        /* The same, and the same with another attachment, so that it is another message. */
        struct broadcast_message *message =
            broadcast_say(network, i % 2 == 0 ? BROADCAST_PREPARE : BROADCAST_COMMIT, LIAR, LIAR,
                          "id", "payload");
        ingot_buffer_append_u8(&message->attachment, (uint8_t)i);
        broadcast_sign_as(network, LIAR, &network->samples.chain, message);
        broadcast_world_inject(&world, LIAR, 0, message);
        broadcast_world_arrive(&world, world.flying.count - 1);
    }
    for (uint32_t i = 0; i < world.flying.count; i++) {
        assert_int_not_equal(world.flying.items[i].message->kind, BROADCAST_COMMIT);
    }
    assert_int_equal(rejected(&world, 0, BROADCAST_REJECT_DUPLICATE), 2 * MEMBERS - 2);
    end(&world);
}

static void a_stranger_makes_nobody_sign(void **state)
{
    (void)state;
    struct broadcast_world world;
    struct broadcast_network strangers;
    begin(&world);
    /* The same chain, and keys of which none is a member's. */
    broadcast_network_init(&strangers, MEMBERS, NULL, 0);
    samples_deinit(&strangers.samples);
    samples_init(&strangers.samples, world.network.samples.scheme, MEMBERS, 0, 99);
    for (uint32_t kind = BROADCAST_PRE_PREPARE; kind <= BROADCAST_COMMIT; kind++) {
        for (uint32_t claimed = 0; claimed < MEMBERS + 2; claimed++) {
            const uint32_t key = claimed % MEMBERS;
            struct broadcast_message *message =
                broadcast_say(&strangers, (enum broadcast_kind)kind, key, key, "id", "payload");
            message->sender = claimed;
            message->originator = claimed;
            assert_int_equal(says_after(&world, 0, message), 0);
        }
    }
    assert_int_equal(member(&world, 0)->forged, 3 * (MEMBERS + 2));
    assert_int_equal(member(&world, 0)->protocol->stats.open, 0);
    nobody_delivers(&world, 0, "id");
    broadcast_network_deinit(&strangers);
    end(&world);
}

static void a_member_cannot_originate_for_another(void **state)
{
    (void)state;
    struct broadcast_world world;
    begin(&world);
    struct broadcast_message *message =
        broadcast_say(&world.network, BROADCAST_PRE_PREPARE, LIAR, LIAR, "id", "payload");
    message->originator = 1;
    broadcast_sign_as(&world.network, LIAR, &world.network.samples.chain, message);
    world.options.encodes = false;
    assert_int_equal(says_after(&world, 0, message), 0);
    assert_int_equal(rejected(&world, 0, BROADCAST_REJECT_NOT_ORIGINATOR), 1);
    nobody_delivers(&world, 1, "id");
    end(&world);
}

static void what_was_said_under_one_id_or_on_one_chain_counts_for_no_other(void **state)
{
    (void)state;
    struct broadcast_world world;
    begin(&world);
    const struct broadcast_network *network = &world.network;
    const struct ingot_hash other_chain = samples_hash(0x0C);
    for (uint32_t kind = BROADCAST_PRE_PREPARE; kind <= BROADCAST_COMMIT; kind++) {
        for (uint32_t sender = 1; sender < MEMBERS; sender++) {
            const uint32_t originator = kind == BROADCAST_PRE_PREPARE ? sender : 1;
            struct broadcast_message *renamed = broadcast_say(network, (enum broadcast_kind)kind,
                                                              sender, originator, "id", "payload");
            assert_true(broadcast_id_from(ingot_slice_of_text("di"), &renamed->id));
            assert_int_equal(says_after(&world, 0, renamed), 0);
            struct broadcast_message *elsewhere = broadcast_say(
                network, (enum broadcast_kind)kind, sender, originator, "id", "payload");
            broadcast_sign_as(network, sender, &other_chain, elsewhere);
            assert_int_equal(says_after(&world, 0, elsewhere), 0);
        }
    }
    assert_int_equal(member(&world, 0)->forged, 18);
    assert_int_equal(member(&world, 0)->protocol->stats.open, 0);
    end(&world);
}

/* --- Two payloads. --- */

static void an_originator_that_says_two_things_has_no_two_payloads_delivered(void **state)
{
    (void)state;
    struct broadcast_world world;
    begin(&world);
    broadcast_world_make_liar(&world, LIAR);
    const struct broadcast_network *network = &world.network;
    static const char *const payloads[] = {"one", "other"};
    for (uint32_t i = 0; i < MEMBERS - 1; i++) {
        broadcast_world_inject(
            &world, LIAR, i,
            broadcast_say(network, BROADCAST_PRE_PREPARE, LIAR, LIAR, "id", payloads[i % 2]));
    }
    for (uint32_t i = 0; i < 2; i++) {
        broadcast_world_inject_to_all(
            &world, LIAR, broadcast_say(network, BROADCAST_PREPARE, LIAR, LIAR, "id", payloads[i]));
        broadcast_world_inject_to_all(
            &world, LIAR, broadcast_say(network, BROADCAST_COMMIT, LIAR, LIAR, "id", payloads[i]));
    }
    broadcast_world_settle(&world, 20000);
    /* Two said "one" and so did the liar: that is a quorum, and all see it in the end. */
    all_deliver(&world, LIAR, "id");
    const struct broadcast_delivery *first = broadcast_world_delivered(&world, 0, LIAR, "id");
    struct broadcast_message *one =
        broadcast_say(network, BROADCAST_PREPARE, LIAR, LIAR, "id", payloads[0]);
    assert_memory_equal(first->digest.bytes, one->digest.bytes, sizeof one->digest.bytes);
    broadcast_message_unref(one);
    end(&world);
}

static void payloads_without_a_quorum_are_given_up_and_cost_nothing_more(void **state)
{
    (void)state;
    struct broadcast_world world;
    begin_with_limits(&world);
    broadcast_world_make_liar(&world, LIAR);
    static const char *const payloads[] = {"one", "two", "three"};
    for (uint32_t i = 0; i < MEMBERS - 1; i++) {
        broadcast_world_inject(
            &world, LIAR, i,
            broadcast_say(&world.network, BROADCAST_PRE_PREPARE, LIAR, LIAR, "id", payloads[i]));
    }
    nobody_delivers(&world, LIAR, "id");
    for (uint32_t i = 0; i < MEMBERS - 1; i++) {
        assert_int_equal(member(&world, i)->protocol->stats.open, 0);
        assert_int_equal(member(&world, i)->protocol->stats.bytes, 0);
    }
    const uint64_t sent = world.sent;
    broadcast_world_settle(&world, 600000);
    assert_int_equal(world.sent, sent);
    end(&world);
}

/* The one COMMIT that comes to it first is the liar's, for a payload that nobody else has. */
static void a_vote_for_another_payload_holds_up_nobody(void **state)
{
    (void)state;
    struct broadcast_world world;
    begin(&world);
    broadcast_world_make_liar(&world, LIAR);
    for (uint32_t kind = BROADCAST_PREPARE; kind <= BROADCAST_COMMIT; kind++) {
        broadcast_world_inject_to_all(
            &world, LIAR,
            broadcast_say(&world.network, (enum broadcast_kind)kind, LIAR, 1, "id", "of nobody"));
        broadcast_world_inject_to_all(
            &world, LIAR,
            broadcast_say(&world.network, (enum broadcast_kind)kind, LIAR, 1, "id", "payload"));
    }
    broadcast_world_calm(&world);
    (void)broadcast_world_start(&world, 1, "id", "payload");
    broadcast_world_calm(&world);
    all_deliver(&world, 1, "id");
    end(&world);
}

static void a_member_that_withholds_its_votes_holds_up_nobody(void **state)
{
    (void)state;
    struct broadcast_world world;
    begin(&world);
    broadcast_world_make_liar(&world, LIAR);
    (void)broadcast_world_start(&world, 1, "id", "payload");
    broadcast_world_calm(&world);
    all_deliver(&world, 1, "id");
    end(&world);
}

/* It says COMMIT to one alone, so that this one delivers, and then it is gone. */
static void what_one_delivers_on_a_liars_commit_the_others_deliver_too(void **state)
{
    (void)state;
    struct broadcast_world world;
    begin(&world);
    broadcast_world_make_liar(&world, LIAR);
    broadcast_world_crash(&world, 2);
    (void)broadcast_world_start(&world, 0, "id", "payload");
    broadcast_world_inject_to_all(
        &world, LIAR, broadcast_say(&world.network, BROADCAST_PREPARE, LIAR, 0, "id", "payload"));
    broadcast_world_inject(
        &world, LIAR, 0, broadcast_say(&world.network, BROADCAST_COMMIT, LIAR, 0, "id", "payload"));
    broadcast_world_calm(&world);
    assert_int_equal(broadcast_world_delivered_count(&world, 0, "id"), 1);
    broadcast_world_restart(&world, 2, false);
    broadcast_world_settle(&world, 20000);
    all_deliver(&world, 0, "id");
    end(&world);
}

/* --- Starts. --- */

static void a_duplicate_start_does_not_reset_a_round(void **state)
{
    (void)state;
    struct broadcast_world world;
    begin(&world);
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
    broadcast_dump(member(&world, 0)->protocol, &before);
    assert_int_equal(broadcast_world_start(&world, 0, "id", "payload"), BROADCAST_REJECT_DUPLICATE);
    assert_int_equal(broadcast_world_start(&world, 0, "id", "another"), BROADCAST_REJECT_CONFLICT);
    broadcast_dump(member(&world, 0)->protocol, &after);
    assert_int_equal(world.sent, sent);
    assert_int_equal(before.size, after.size);
    assert_memory_equal(before.data, after.data, before.size);
    ingot_buffer_deinit(&before);
    ingot_buffer_deinit(&after);

    broadcast_world_calm(&world);
    all_deliver(&world, 0, "id");
    assert_int_equal(broadcast_world_start(&world, 0, "id", "payload"), BROADCAST_REJECT_DELIVERED);
    assert_int_equal(broadcast_world_start(&world, 0, "id", "another"), BROADCAST_REJECT_CONFLICT);
    assert_int_equal(member(&world, 0)->refused, 3);
    end(&world);
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
    assert_int_equal(member(&world, 0)->refused, 2);
    assert_int_equal(member(&world, 1)->refused_as, BROADCAST_REJECT_NOT_A_MEMBER);
    assert_int_equal(world.sent, 0);
    end(&world);
}

/* --- Memory. --- */

#define JUNK 10000

/* What a member holds, by its own dump: everything but the tables around it is in there. */
static size_t dump_size(struct broadcast_world *world, uint32_t node)
{
    struct ingot_buffer dump = {0};
    broadcast_dump(member(world, node)->protocol, &dump);
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
        (void)says_after(world, 0,
                         broadcast_say(&world->network, kind, LIAR, originator, id, payload));
    }
}

static void junk_of_one_evicts_nothing_of_another(void **state, enum broadcast_kind kind,
                                                  uint32_t originator)
{
    (void)state;
    struct broadcast_world world;
    begin_with_limits(&world);
    broadcast_world_make_liar(&world, LIAR);
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
    const struct broadcast_stats stats = member(&world, 0)->protocol->stats;
    flood(&world, kind, originator, JUNK, JUNK / 10);
    assert_true(dump_size(&world, 0) <= size + 1024);
    assert_int_equal(member(&world, 0)->protocol->stats.open, stats.open);
    assert_int_equal(member(&world, 0)->protocol->stats.bytes, stats.bytes);
    assert_true(stats.open <= 3 * quotas->open_rounds_max);
    assert_true(stats.bytes <= 3 * (uint64_t)quotas->open_bytes_max);
    assert_true(rejected(&world, 0, BROADCAST_REJECT_QUOTA_ROUNDS) +
                    rejected(&world, 0, BROADCAST_REJECT_QUOTA_BYTES) >=
                JUNK);
    for (uint32_t i = 0; i < held.count; i++) {
        broadcast_world_inject(&world, held.items[i].from, held.items[i].to,
                               broadcast_message_ref(held.items[i].message));
    }
    broadcast_parcels_deinit(&held);
    broadcast_world_calm(&world);
    all_deliver(&world, 1, "id");
    all_deliver(&world, 0, "own");
    end(&world);
}

static void ten_thousand_junk_rounds_of_one_evict_nothing_of_another(void **state)
{
    junk_of_one_evicts_nothing_of_another(state, BROADCAST_PRE_PREPARE, LIAR);
}

static void ten_thousand_votes_for_nothing_evict_nothing(void **state)
{
    junk_of_one_evicts_nothing_of_another(state, BROADCAST_PREPARE, LIAR);
    junk_of_one_evicts_nothing_of_another(state, BROADCAST_COMMIT, 1);
}

/* The quota of an originator whose rounds are voted for is its own, whoever votes. */
static void votes_for_rounds_that_are_not_there_leave_their_originator_its_room(void **state)
{
    (void)state;
    struct broadcast_world world;
    begin_with_limits(&world);
    broadcast_world_make_liar(&world, LIAR);
    flood(&world, BROADCAST_COMMIT, 1, 0, JUNK);
    for (uint32_t i = 0; i < world.network.times_and_quotas.open_rounds_max; i++) {
        char id[32];
        snprintf(id, sizeof id, "real %u", i);
        assert_int_equal(broadcast_world_start(&world, 1, id, "payload"), BROADCAST_REJECT_NONE);
    }
    broadcast_world_calm(&world);
    all_deliver(&world, 1, "real 0");
    assert_int_equal(world.nodes[0].delivered.count,
                     world.network.times_and_quotas.open_rounds_max);
    end(&world);
}

/* Rounds that were delivered are forgotten in the end, and what is left is bounded. */
static void many_rounds_leave_a_bounded_trace(void **state)
{
    (void)state;
    struct broadcast_world world;
    begin_with_limits(&world);
    world.network.times_and_quotas.finished_rounds_max = 8;
    world.network.times_and_quotas.remembered_max = 32;
    for (uint32_t i = 0; i < MEMBERS; i++) {
        broadcast_world_crash(&world, i);
    }
    for (uint32_t i = 0; i < MEMBERS; i++) {
        broadcast_world_restart(&world, i, true);
    }
    size_t size = 0;
    for (uint32_t i = 0; i < 400; i++) {
        char id[32];
        snprintf(id, sizeof id, "round %06u", i);
        (void)broadcast_world_start(&world, 1, id, "payload");
        broadcast_world_calm(&world);
        all_deliver(&world, 1, id);
        if (i == 100) {
            size = dump_size(&world, 0);
        }
    }
    assert_true(dump_size(&world, 0) <= size + 256);
    assert_int_equal(member(&world, 0)->protocol->stats.finished, 8);
    assert_int_equal(member(&world, 0)->protocol->stats.remembered, 32);
    end(&world);
}

/* --- Loss. --- */

static void a_lost_last_message_is_repaired_by_ticks(void **state)
{
    (void)state;
    static const enum broadcast_kind kinds[] = {BROADCAST_PRE_PREPARE, BROADCAST_PREPARE,
                                                BROADCAST_COMMIT};
    for (uint32_t i = 0; i < 3; i++) {
        struct broadcast_world world;
        begin(&world);
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
        all_deliver(&world, 0, "id");
        end(&world);
    }
}

/* Nothing arrives for as long as a round lives: its client is told, once, and it costs nothing
 * more. When it asks again, all deliver. */
static void a_round_that_nobody_hears_of_is_given_up_and_can_be_started_again(void **state)
{
    (void)state;
    struct broadcast_world world;
    begin_with_limits(&world);
    (void)broadcast_world_start(&world, 0, "id", "payload");
    for (uint32_t i = 0; i < 100; i++) {
        while (world.flying.count > 0) {
            broadcast_world_lose(&world, 0);
        }
        broadcast_world_pass(&world, 400);
    }
    assert_int_equal(member(&world, 0)->timed_out, 1);
    assert_int_equal(member(&world, 0)->protocol->stats.open, 0);
    assert_int_equal(broadcast_world_start(&world, 0, "id", "another"), BROADCAST_REJECT_CONFLICT);
    assert_int_equal(broadcast_world_start(&world, 0, "id", "payload"), BROADCAST_REJECT_NONE);
    broadcast_world_calm(&world);
    all_deliver(&world, 0, "id");
    assert_int_equal(member(&world, 0)->timed_out, 1);
    end(&world);
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
        cmocka_unit_test(ten_thousand_junk_rounds_of_one_evict_nothing_of_another),
        cmocka_unit_test(ten_thousand_votes_for_nothing_evict_nothing),
        cmocka_unit_test(votes_for_rounds_that_are_not_there_leave_their_originator_its_room),
        cmocka_unit_test(many_rounds_leave_a_bounded_trace),
        cmocka_unit_test(a_lost_last_message_is_repaired_by_ticks),
        cmocka_unit_test(a_round_that_nobody_hears_of_is_given_up_and_can_be_started_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
