/*
 * How the program reads a node's validator set. Method: the real listener for clients on a thread,
 * over a set of more members than one page holds.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>
#include <pthread.h>

#include "cli/validators.h"
#include "lib/rpc_fake.h"

struct node {
    struct rpc_fake fake;
    struct endpoint endpoint;
    atomic_bool is_over;
    pthread_t thread;
};

static void *serve(void *context)
{
    struct node *node = context;
    while (!node->is_over) {
        (void)event_base_loop(node->fake.base, EVLOOP_NONBLOCK);
        (void)usleep(1000);
    }
    return NULL;
}

/* A node without blocks whose set has so many members, of powers 1, 2, 3, ... */
static void start(struct node *node, uint32_t count)
{
    struct ingot_validator members[INGOT_VALIDATORS_MAX];
    const char *why = NULL;
    rpc_fake_init(&node->fake);
    for (uint32_t i = 0; i < count; i++) {
        memset(members[i].key.bytes, 7, sizeof members[i].key.bytes);
        members[i].key.bytes[0] = (uint8_t)i;
        members[i].power = i + 1;
    }
    validator_set_unref(node->fake.sets[0]);
    node->fake.sets[0] = validator_set_new(0, members, count, &why);
    assert_non_null(node->fake.sets[0]);
    rpc_fake_listen(&node->fake);
    node->endpoint = (struct endpoint){.host = "127.0.0.1", .port = rpc_port(node->fake.rpc)};
    node->is_over = false;
    assert_int_equal(pthread_create(&node->thread, NULL, serve, node), 0);
}

static void stop(struct node *node)
{
    node->is_over = true;
    assert_int_equal(pthread_join(node->thread, NULL), 0);
    rpc_fake_deinit(&node->fake);
}

static void a_set_is_read_whole_however_many_pages_it_takes(void **state)
{
    (void)state;
    static const uint32_t counts[] = {1, 99, 100, 101, INGOT_VALIDATORS_MAX};
    static struct node node;
    for (size_t i = 0; i < sizeof counts / sizeof counts[0]; i++) {
        struct client client;
        struct validators validators;
        start(&node, counts[i]);
        assert_true(client_init(&client, &node.endpoint));
        if (validators_read(&client, 0, &validators) != CLIENT_OK)
            fail_msg("%s", client.why);
        client_deinit(&client);
        assert_int_equal(validators.count, counts[i]);
        assert_int_equal(validators.height, 1);
        assert_int_equal(validators.epoch, 0);
        assert_int_equal(validators.total_power, node.fake.sets[0]->total_power);
        assert_memory_equal(validators.list, node.fake.sets[0]->validators,
                            counts[i] * sizeof validators.list[0]);
        assert_int_equal(
            validators_power(&validators, &node.fake.sets[0]->validators[counts[i] - 1].key),
            counts[i]);
        const struct ingot_public_key stranger = {{0}};
        assert_int_equal(validators_power(&validators, &stranger), 0);
        stop(&node);
    }
}

static void a_height_that_is_not_there_is_the_nodes_refusal(void **state)
{
    (void)state;
    static struct node node;
    struct client client;
    struct validators validators;
    start(&node, 3);
    assert_true(client_init(&client, &node.endpoint));
    assert_int_equal(validators_read(&client, 2, &validators), CLIENT_REFUSED);
    assert_non_null(strstr(client.why, "must be less than or equal to"));
    client_deinit(&client);
    stop(&node);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_set_is_read_whole_however_many_pages_it_takes),
        cmocka_unit_test(a_height_that_is_not_there_is_the_nodes_refusal),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
