/*
 * What gossip keeps of its deliveries for clients. Goal: the newest are found, and memory stays
 * within both bounds whatever is delivered.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "node/gossip_deliveries.h"

static struct gossip_deliveries *deliveries;

static int set_up(void **state)
{
    (void)state;
    deliveries = calloc(1, sizeof *deliveries);
    return deliveries == NULL ? -1 : 0;
}

static int tear_down(void **state)
{
    (void)state;
    gossip_deliveries_deinit(deliveries);
    free(deliveries);
    return 0;
}

static struct broadcast_id id_of(uint32_t number)
{
    struct broadcast_id id;
    assert_true(broadcast_id_from(ingot_slice_of(&number, sizeof number), &id));
    return id;
}

static void deliver(uint32_t number, uint8_t digest, size_t payload_size)
{
    struct broadcast_message *message = broadcast_message_new(BROADCAST_GOSSIP);
    message->id = id_of(number);
    message->digest.bytes[0] = digest;
    ingot_buffer_reserve(&message->payload, payload_size);
    memset(message->payload.data, 0, payload_size);
    message->payload.size = payload_size;
    gossip_deliveries_add(deliveries, message);
    broadcast_message_unref(message);
}

static bool has(uint32_t number)
{
    const struct broadcast_id id = id_of(number);
    return gossip_deliveries_find(deliveries, &id, NULL) != NULL;
}

static void the_newest_are_kept_up_to_a_number(void **state)
{
    (void)state;
    for (uint32_t i = 0; i < GOSSIP_DELIVERIES_MAX + 10; i++) {
        deliver(i, 0, 1);
    }
    assert_false(has(9));
    assert_true(has(10));
    assert_true(has(GOSSIP_DELIVERIES_MAX + 9));
    assert_int_equal(deliveries->bytes, GOSSIP_DELIVERIES_MAX);
}

static void large_ones_push_out_more(void **state)
{
    (void)state;
    const uint32_t fit = GOSSIP_DELIVERIES_BYTES_MAX / INGOT_BROADCAST_PAYLOAD_BYTES_MAX;
    for (uint32_t i = 0; i < fit; i++) {
        deliver(i, 0, INGOT_BROADCAST_PAYLOAD_BYTES_MAX);
    }
    assert_true(has(0));
    deliver(fit, 0, 1);
    assert_false(has(0));
    assert_true(has(1));
    deliver(fit + 1, 0, INGOT_BROADCAST_PAYLOAD_BYTES_MAX);
    assert_false(has(1));
    assert_true(deliveries->bytes <= GOSSIP_DELIVERIES_BYTES_MAX);
}

static void of_one_id_the_newest_or_the_one_with_the_digest_is_found(void **state)
{
    (void)state;
    const struct broadcast_id id = id_of(1);
    const struct broadcast_digest first = {{1}};
    const struct broadcast_digest third = {{3}};
    deliver(1, 1, 10);
    deliver(1, 2, 20);
    assert_int_equal(gossip_deliveries_find(deliveries, &id, NULL)->payload.size, 20);
    assert_int_equal(gossip_deliveries_find(deliveries, &id, &first)->payload.size, 10);
    assert_null(gossip_deliveries_find(deliveries, &id, &third));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(the_newest_are_kept_up_to_a_number),
        TEST(large_ones_push_out_more),
        TEST(of_one_id_the_newest_or_the_one_with_the_digest_is_found),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
