/*
 * The numbers of peers. Goal: a peer keeps its number for as long as it is in the list, numbers
 * are below INGOT_PEERS_MAX however often the list changes, and what has changed is told. Method:
 * lists of peers made up by number, one after another.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "node/peer_table.h"
#include "wire/crypto.h"

static struct peer_entry entries[INGOT_PEERS_MAX];
static struct peer_list list = {.entries = entries};
static struct peer_table before;
static struct peer_table after;
static const struct ingot_public_key own = {.bytes = {0xff, 0xff}};

static struct ingot_public_key key_of(uint32_t who)
{
    return (struct ingot_public_key){.bytes = {(uint8_t)who, (uint8_t)(who >> 8)}};
}

static void put(uint32_t who)
{
    struct peer_entry *entry = &entries[list.count++];
    *entry = (struct peer_entry){.transport_key = key_of(who), .endpoint = {.port = 1}};
    (void)snprintf(entry->endpoint.host, sizeof entry->endpoint.host, "node%u", who);
}

/* The list becomes `count` peers from `first` on, and the table follows it. */
static void list_becomes(uint32_t first, uint32_t count)
{
    list.count = 0;
    for (uint32_t i = 0; i < count; i++) {
        put(first + i);
    }
    before = after;
    peer_table_next(&before, &list, &own, &after);
}

/* INGOT_PEERS_MAX if it has none. */
static uint32_t number_of(const struct peer_table *table, uint32_t who)
{
    const struct ingot_public_key key = key_of(who);
    for (uint32_t i = 0; i < INGOT_PEERS_MAX; i++) {
        if (table->slots[i].is_used &&
            crypto_key_equal(&table->slots[i].entry.transport_key, &key)) {
            return i;
        }
    }
    return INGOT_PEERS_MAX;
}

static int begin(void **state)
{
    (void)state;
    memset(&after, 0, sizeof after);
    return 0;
}

static void a_peer_keeps_its_number_while_others_come_and_go(void **state)
{
    (void)state;
    list_becomes(10, 4);
    const uint32_t number = number_of(&after, 13);
    assert_int_equal(number, 3);
    list_becomes(12, 3);
    assert_int_equal(number_of(&after, 13), number);
    assert_int_equal(number_of(&after, 12), 2);
    assert_int_equal(number_of(&after, 14), 0); /* the lowest that is free */
    assert_int_equal(number_of(&after, 10), INGOT_PEERS_MAX);
    assert_int_equal(peer_table_compare(&before, &after, 0), PEER_REMOVED | PEER_ADDED);
    assert_int_equal(peer_table_compare(&before, &after, 1), PEER_REMOVED);
    assert_int_equal(peer_table_compare(&before, &after, 2), 0);
    assert_int_equal(peer_table_compare(&before, &after, 3), 0);
    assert_int_equal(peer_table_compare(&before, &after, 4), 0);
}

static void numbers_do_not_run_out_over_many_reloads(void **state)
{
    (void)state;
    for (uint32_t round = 0; round < 20; round++) {
        list_becomes(round * 300, INGOT_PEERS_MAX); /* most of them new each time */
        for (uint32_t i = 0; i < INGOT_PEERS_MAX; i++) {
            const uint32_t number = number_of(&after, round * 300 + i);
            assert_true(number < INGOT_PEERS_MAX);
            const uint32_t old = number_of(&before, round * 300 + i);
            assert_true(old == INGOT_PEERS_MAX || old == number);
        }
    }
}

static void a_nodes_own_line_gets_no_number(void **state)
{
    (void)state;
    list_becomes(10, INGOT_PEERS_MAX);
    entries[0].transport_key = own;
    peer_table_next(&before, &list, &own, &after);
    assert_int_equal(number_of(&after, 10), INGOT_PEERS_MAX);
    assert_int_equal(number_of(&after, 0xffff), INGOT_PEERS_MAX);
    assert_int_equal(number_of(&after, 11), 0);
    assert_false(after.slots[INGOT_PEERS_MAX - 1].is_used);
}

static void another_address_or_validator_key_is_told_as_a_change(void **state)
{
    (void)state;
    list_becomes(10, 3);
    entries[0].endpoint.port = 2;
    entries[1].has_validator_key = true;
    entries[1].validator_key = key_of(99);
    before = after;
    peer_table_next(&before, &list, &own, &after);
    assert_int_equal(peer_table_compare(&before, &after, 0), PEER_CHANGED);
    assert_int_equal(peer_table_compare(&before, &after, 1), PEER_CHANGED);
    assert_int_equal(peer_table_compare(&before, &after, 2), 0);
    assert_int_equal(after.slots[0].entry.endpoint.port, 2);

    entries[1].validator_key = key_of(98);
    (void)snprintf(entries[2].endpoint.host, sizeof entries[2].endpoint.host, "elsewhere");
    before = after;
    peer_table_next(&before, &list, &own, &after);
    assert_int_equal(peer_table_compare(&before, &after, 0), 0);
    assert_int_equal(peer_table_compare(&before, &after, 1), PEER_CHANGED);
    assert_int_equal(peer_table_compare(&before, &after, 2), PEER_CHANGED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(a_peer_keeps_its_number_while_others_come_and_go, begin),
        cmocka_unit_test_setup(numbers_do_not_run_out_over_many_reloads, begin),
        cmocka_unit_test_setup(a_nodes_own_line_gets_no_number, begin),
        cmocka_unit_test_setup(another_address_or_validator_key_is_told_as_a_change, begin),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
