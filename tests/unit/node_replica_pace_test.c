/*
 * A replica whose disk is slow. Goal: no deadline is shorter than a few of its slowest writes, so
 * that a healthy network of slow disks makes no timeouts. Method: one replica of four; its clock
 * advances while it writes.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "lib/lone_replica.h"

struct scene {
    struct lone lone;
    struct block *parent;
};

static int set_up(void **state)
{
    static struct scene scene;
    struct lone *lone = &scene.lone;
    lone_init(lone, 0);
    const uint32_t leader = lone_leader(lone, 1);
    lone_deinit(lone);
    lone_init(lone, (leader + 1) % LONE_VALIDATORS);
    scene.parent = block_ref(lone->genesis);
    *state = &scene;
    return 0;
}

static int tear_down(void **state)
{
    struct scene *scene = *state;
    block_unref(scene->parent);
    lone_deinit(&scene->lone);
    return 0;
}

/* The next block of the leader, whom this replica follows; each costs it one write. */
static void follow(struct scene *scene)
{
    struct lone *lone = &scene->lone;
    struct block *block = lone_block(lone, scene->parent, scene->parent->view + 1);
    struct message *message = message_new(MESSAGE_CERTIFICATE);
    message->certificate.qc = qc_ref(block->justify);
    const uint32_t peer = (lone->me + 1) % LONE_VALIDATORS;
    if (scene->parent->height == 0) {
        message_unref(message);
    } else {
        lone_receive(lone, peer, message);
    }
    lone_receive(lone, peer, lone_propose(lone, block_ref(block), NULL));
    block_unref(scene->parent);
    scene->parent = block;
    lone_forget(lone);
}

/* From a tick in the middle of work to the deadline of the view that is entered next. */
static uint64_t patience_ms(struct scene *scene)
{
    struct lone *lone = &scene->lone;
    follow(scene);
    lone->write_us = 0;
    replica_tick(lone->replica);
    replica_flush(lone->replica);
    follow(scene);
    const uint64_t timeouts = lone_status(lone).timeouts;
    uint64_t waited_ms = 0;
    while (lone_status(lone).timeouts == timeouts) {
        lone_wait(lone, 50);
        waited_ms += 50;
        assert_in_range(waited_ms, 0, 100000);
    }
    return waited_ms;
}

static void a_quick_disk_leaves_the_deadline_as_configured(void **state)
{
    assert_int_equal(patience_ms(*state), LONE_BASE_TIMEOUT_MS);
}

static void a_slow_disk_makes_deadlines_longer(void **state)
{
    struct scene *scene = *state;
    scene->lone.write_us = 200000;
    follow(scene);
    scene->lone.write_us = 200000;
    assert_in_range(patience_ms(scene), 4 * 200, 20 * 200);
}

int main(void)
{
#define ROW(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        ROW(a_quick_disk_leaves_the_deadline_as_configured),
        ROW(a_slow_disk_makes_deadlines_longer),
    };
#undef ROW
    return cmocka_run_group_tests(tests, NULL, NULL);
}
