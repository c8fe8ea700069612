/*
 * Goal: full gossip forwards and delivers each message once, says its own again within bounds, and
 * junk of one originator pushes out nothing of another's. Method: the filter by itself, and a
 * member alone with a test that plays the others.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "broadcast/gossip_filter.h"
#include "lib/broadcast_solitary.h"

#define ANY UINT32_MAX

static struct solitary solitary;

static int set_up(void **state)
{
    (void)state;
    solitary_init_gossip(&solitary, 4, 0);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    solitary_deinit(&solitary);
    return 0;
}

static enum broadcast_reject gossip(uint32_t peer, uint32_t sender, const char *id,
                                    const char *payload)
{
    return solitary_receive(&solitary, peer,
                            solitary_message(BROADCAST_GOSSIP, sender, sender, id, payload));
}

static uint32_t sent(enum broadcast_target target, uint32_t to)
{
    return solitary_sent(&solitary, BROADCAST_GOSSIP, target, to);
}

static uint32_t delivered(void)
{
    return solitary_count(&solitary, BROADCAST_DELIVER);
}

/* --- The protocol. --- */

static void what_is_new_is_delivered_and_forwarded_to_all_but_its_sender(void **state)
{
    (void)state;
    assert_int_equal(gossip(7, 1, "id", "x"), BROADCAST_REJECT_NONE);
    assert_int_equal(delivered(), 1);
    assert_int_equal(sent(BROADCAST_TO_ALL_BUT, 7), 1);
    assert_int_equal(solitary_count(&solitary, BROADCAST_SEND), 1);
    assert_int_equal(gossip(3, 1, "id", "x"), BROADCAST_REJECT_DUPLICATE);
    assert_int_equal(gossip(7, 1, "id", "x"), BROADCAST_REJECT_DUPLICATE);
    assert_int_equal(solitary.effects.count, 2);
}

static void another_signature_does_not_make_another_message(void **state)
{
    (void)state;
    gossip(1, 1, "id", "x");
    struct broadcast_message *again = solitary_message(BROADCAST_GOSSIP, 1, 1, "id", "x");
    again->signature.bytes[5] = 99;
    assert_int_equal(solitary_receive(&solitary, 2, again), BROADCAST_REJECT_DUPLICATE);
}

static void messages_differ_by_originator_id_and_payload(void **state)
{
    (void)state;
    assert_int_equal(gossip(1, 1, "id", "x"), BROADCAST_REJECT_NONE);
    assert_int_equal(gossip(1, 2, "id", "x"), BROADCAST_REJECT_NONE);
    assert_int_equal(gossip(1, 1, "id2", "x"), BROADCAST_REJECT_NONE);
    assert_int_equal(gossip(1, 1, "id", "y"), BROADCAST_REJECT_NONE);
    assert_int_equal(delivered(), 4);
}

static void only_members_payloads_are_taken(void **state)
{
    (void)state;
    assert_int_equal(gossip(1, 4, "id", "x"), BROADCAST_REJECT_NOT_A_MEMBER);
    struct broadcast_message *shares = solitary_message(BROADCAST_GOSSIP, 1, 1, "id", "x");
    shares->topic = BROADCAST_TOPIC_SHARES;
    assert_int_equal(solitary_receive(&solitary, 1, shares), BROADCAST_REJECT_UNEXPECTED);
    assert_int_equal(solitary_say(&solitary, BROADCAST_PREPARE, 1, 1, "id", "x"),
                     BROADCAST_REJECT_UNEXPECTED);
    assert_int_equal(solitary.effects.count, 0);
    assert_int_equal(solitary.protocol->stats.rejected[BROADCAST_REJECT_UNEXPECTED], 2);
    assert_int_equal(gossip(1, 1, "id", "x"), BROADCAST_REJECT_NONE);
}

static void our_own_goes_to_all_and_is_delivered_when_it_is_signed(void **state)
{
    (void)state;
    solitary.holds_own = true;
    assert_int_equal(solitary_start(&solitary, "id", "x"), BROADCAST_REJECT_NONE);
    assert_int_equal(sent(BROADCAST_TO_ALL, ANY), 1);
    assert_int_equal(delivered(), 0);
    assert_int_equal(solitary_start(&solitary, "id", "x"), BROADCAST_REJECT_DUPLICATE);
    solitary_give_back(&solitary);
    assert_int_equal(delivered(), 1);
    assert_int_equal(solitary_count(&solitary, BROADCAST_SEND), 1);
    assert_int_equal(gossip(2, 0, "id", "x"), BROADCAST_REJECT_DUPLICATE);
    assert_int_equal(solitary_start(&solitary, "id", "x"), BROADCAST_REJECT_DELIVERED);
    assert_int_equal(solitary_start(&solitary, "id", "y"), BROADCAST_REJECT_CONFLICT);
    assert_int_equal(solitary_start(&solitary, "", "y"), BROADCAST_REJECT_BAD_ID);
    assert_int_equal(solitary_count(&solitary, BROADCAST_REFUSED), 3);
}

static void our_own_is_said_again_a_few_times_and_ever_later(void **state)
{
    (void)state;
    solitary_start(&solitary, "id", "x");
    uint64_t expected_ms = solitary.now_ms;
    for (uint64_t interval_ms = GOSSIP_RESEND_MS, i = 0; i < GOSSIP_RESENDS_MAX;
         i++, interval_ms *= 2) {
        expected_ms += interval_ms;
        assert_int_equal(solitary_last(&solitary, BROADCAST_ARM)->deadline_ms, expected_ms);
        solitary_clear(&solitary);
        solitary_tick(&solitary, expected_ms - 1 - solitary.now_ms);
        assert_int_equal(sent(BROADCAST_TO_ALL, ANY), 0);
        solitary_tick(&solitary, 1);
        assert_int_equal(sent(BROADCAST_TO_ALL, ANY), 1);
    }
    assert_int_equal(solitary.protocol->stats.open, 0);
    solitary_clear(&solitary);
    solitary_tick(&solitary, 1000000);
    assert_int_equal(solitary.effects.count, 0);
}

static void a_peer_that_connects_is_shown_what_we_said_lately(void **state)
{
    (void)state;
    gossip(1, 1, "theirs", "x");
    solitary_start(&solitary, "a", "x");
    solitary_start(&solitary, "b", "x");
    solitary_clear(&solitary);
    solitary_connected(&solitary, 5, BROADCAST_NONE);
    assert_int_equal(sent(BROADCAST_TO_PEER, 5), 2);
    assert_int_equal(solitary_count(&solitary, BROADCAST_SEND), 2);
}

static void own_messages_are_kept_within_bounds(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 3 * INGOT_GOSSIP_RECENT_MAX; i++) {
        const char id[] = {(char)('a' + i % 26), (char)('a' + i / 26 % 26), (char)('a' + i / 676),
                           '\0'};
        assert_int_equal(solitary_start(&solitary, id, "xyz"), BROADCAST_REJECT_NONE);
        solitary_clear(&solitary);
    }
    assert_int_equal(solitary.protocol->stats.open, INGOT_GOSSIP_RECENT_MAX);
    assert_int_equal(solitary.protocol->stats.bytes, 3 * INGOT_GOSSIP_RECENT_MAX);
}

static void the_dump_tells_states_apart(void **state)
{
    (void)state;
    struct ingot_buffer before = {0};
    struct ingot_buffer after = {0};
    broadcast_dump(solitary.protocol, &before);
    gossip(1, 4, "id", "x");
    broadcast_dump(solitary.protocol, &after);
    assert_true(ingot_slice_equal(ingot_buffer_slice(&before), ingot_buffer_slice(&after)));
    gossip(1, 1, "id", "x");
    ingot_buffer_clear(&after);
    broadcast_dump(solitary.protocol, &after);
    assert_false(ingot_slice_equal(ingot_buffer_slice(&before), ingot_buffer_slice(&after)));
    ingot_buffer_deinit(&before);
    ingot_buffer_deinit(&after);
}

/* --- The filter by itself. --- */

static struct ingot_public_key key_of(uint32_t number)
{
    struct ingot_public_key key = {{0}};
    memcpy(key.bytes, &number, sizeof number);
    return key;
}

static bool add(struct gossip_filter *filter, uint32_t originator, uint32_t number)
{
    const struct ingot_public_key key = key_of(originator);
    struct ingot_hash name = {{0}};
    memcpy(name.bytes, &number, sizeof number);
    return gossip_filter_add(filter, &key, &name);
}

static bool has(const struct gossip_filter *filter, uint32_t originator, uint32_t number)
{
    const struct ingot_public_key key = key_of(originator);
    struct ingot_hash name = {{0}};
    memcpy(name.bytes, &number, sizeof number);
    return gossip_filter_has(filter, &key, &name);
}

static void junk_pushes_out_only_its_own_names(void **state)
{
    (void)state;
    struct gossip_filter filter = {0};
    assert_true(add(&filter, 1, 7));
    for (uint32_t i = 0; i < 10000; i++) {
        assert_true(add(&filter, 2, i));
        assert_true(filter.name_count <= INGOT_GOSSIP_DIGESTS_PER_ORIGINATOR + 1);
    }
    assert_false(add(&filter, 1, 7));
    assert_false(has(&filter, 2, 10000 - 1 - INGOT_GOSSIP_DIGESTS_PER_ORIGINATOR));
    assert_true(has(&filter, 2, 10000 - INGOT_GOSSIP_DIGESTS_PER_ORIGINATOR));
    assert_false(add(&filter, 2, 10000 - INGOT_GOSSIP_DIGESTS_PER_ORIGINATOR));
    gossip_filter_deinit(&filter);
}

static void the_originator_that_was_quiet_for_longest_makes_room(void **state)
{
    (void)state;
    struct gossip_filter filter = {0};
    for (uint32_t i = 0; i < INGOT_GOSSIP_ORIGINATORS_MAX; i++) {
        assert_true(add(&filter, i, 1));
    }
    assert_true(add(&filter, 0, 2));
    assert_true(add(&filter, 9999, 1));
    assert_int_equal(filter.ring_count, INGOT_GOSSIP_ORIGINATORS_MAX);
    assert_true(has(&filter, 0, 1));
    assert_false(has(&filter, 1, 1));
    assert_true(has(&filter, 2, 1));
    assert_int_equal(filter.name_count, INGOT_GOSSIP_ORIGINATORS_MAX + 1);
    gossip_filter_deinit(&filter);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(what_is_new_is_delivered_and_forwarded_to_all_but_its_sender),
        TEST(another_signature_does_not_make_another_message),
        TEST(messages_differ_by_originator_id_and_payload),
        TEST(only_members_payloads_are_taken),
        TEST(our_own_goes_to_all_and_is_delivered_when_it_is_signed),
        TEST(our_own_is_said_again_a_few_times_and_ever_later),
        TEST(a_peer_that_connects_is_shown_what_we_said_lately),
        TEST(own_messages_are_kept_within_bounds),
        TEST(the_dump_tells_states_apart),
        cmocka_unit_test(junk_pushes_out_only_its_own_names),
        cmocka_unit_test(the_originator_that_was_quiet_for_longest_makes_room),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
