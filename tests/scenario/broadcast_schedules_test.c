/*
 * The broadcast protocols under random schedules. Goal: loss, repetition, any order, crashes, lies
 * and restarts never make two members deliver different payloads, and when they end everybody who
 * is correct has delivered. Method: lib/broadcast_schedule.h, 5,000 seeds for each number of
 * members and each kind of trouble; the slow builds that check themselves take a part of them.
 *
 * One of them again, with all that happens: INGOT_BROADCAST_SCHEDULE='quorum lies 4 123'
 * build/release/broadcast_schedules_test
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/broadcast_schedule.h"

#define SEEDS 5000
#define SEEDS_LONG 20000

enum {
#if defined(INGOT_MUTANTS)
    STRIDE = 25 /* what is wrong is found early */
#elif defined(INGOT_DEBUG_CHECKS)
    STRIDE = 10
#else
    STRIDE = 1
#endif
};

static const uint32_t member_counts[] = {1, 2, 3, 4, 7};

static const char *protocol_text(const struct broadcast_schedule *schedule)
{
    return schedule->is_gossip ? "gossip" : "quorum";
}

static void run(const struct broadcast_schedule *schedule, struct broadcast_schedule_result *result)
{
    broadcast_schedule_run(schedule, result);
    if (result->violation[0] != '\0') {
        fail_msg("%s\nagain: INGOT_BROADCAST_SCHEDULE='%s %s %u %llu' %s/broadcast_schedules_test",
                 result->violation, protocol_text(schedule),
                 broadcast_trouble_text(schedule->trouble), schedule->members,
                 (unsigned long long)schedule->seed, INGOT_TEST_BUILD_DIR);
    }
}

/* Everything for one kind of trouble, which comes as the test's state and is only read. */
static void nobody_disagrees_and_all_deliver(void **state)
{
    struct broadcast_schedule schedule = *(const struct broadcast_schedule *)*state;
    const bool is_long = getenv("INGOT_TEST_LONG") != NULL;
    const uint64_t seeds = is_long ? SEEDS_LONG : SEEDS;
    for (size_t i = 0; i < sizeof member_counts / sizeof member_counts[0]; i++) {
        schedule.members = member_counts[i];
        struct broadcast_schedule_result result = {0};
        uint64_t count = 0;
        for (schedule.seed = 1; schedule.seed <= seeds; schedule.seed += STRIDE) {
            run(&schedule, &result);
            count++;
        }
        print_message("%u members, %llu schedules: %llu arrivals, %llu losses, %llu repetitions, "
                      "%llu restarts, %llu lies, %llu refused signatures; %llu deliveries\n",
                      schedule.members, (unsigned long long)count,
                      (unsigned long long)result.arrivals, (unsigned long long)result.losses,
                      (unsigned long long)result.repetitions, (unsigned long long)result.restarts,
                      (unsigned long long)result.lies, (unsigned long long)result.forgeries,
                      (unsigned long long)result.delivered);
        assert_true(result.delivered >= count);
    }
}

/* The one that the environment names. */
static void again(void **state)
{
    (void)state;
    char protocol[16];
    char trouble[16];
    unsigned members = 0;
    unsigned long long seed = 0;
    assert_int_equal(sscanf(getenv("INGOT_BROADCAST_SCHEDULE"), "%15s %15s %u %llu", protocol,
                            trouble, &members, &seed),
                     4);
    struct broadcast_schedule schedule = {.seed = seed,
                                          .members = members,
                                          .is_gossip = strcmp(protocol, "gossip") == 0,
                                          .trace = stdout};
    while (strcmp(trouble, broadcast_trouble_text(schedule.trouble)) != 0) {
        schedule.trouble++;
        assert_true((int)schedule.trouble < BROADCAST_TROUBLE_COUNT);
    }
    struct broadcast_schedule_result result = {0};
    run(&schedule, &result);
}

static const struct broadcast_schedule gossip_loss = {.is_gossip = true,
                                                      .trouble = BROADCAST_TROUBLE_LOSS};
static const struct broadcast_schedule gossip_crashes = {.is_gossip = true,
                                                         .trouble = BROADCAST_TROUBLE_CRASHES};
static const struct broadcast_schedule loss = {.trouble = BROADCAST_TROUBLE_LOSS};
static const struct broadcast_schedule crashes = {.trouble = BROADCAST_TROUBLE_CRASHES};
static const struct broadcast_schedule lies = {.trouble = BROADCAST_TROUBLE_LIES};
static const struct broadcast_schedule restarts = {.trouble = BROADCAST_TROUBLE_RESTARTS};
static const struct broadcast_schedule forgets = {.trouble = BROADCAST_TROUBLE_FORGETS};

#define SCHEDULES(name, schedule)                                                                  \
    {                                                                                              \
        name, nobody_disagrees_and_all_deliver, NULL, NULL, (void *)(uintptr_t) & (schedule)       \
    }

int main(void)
{
    const struct CMUnitTest one[] = {cmocka_unit_test(again)};
    const struct CMUnitTest all[] = {
        SCHEDULES("gossip_arrives_once_whatever_is_lost", gossip_loss),
        SCHEDULES("gossip_arrives_once_though_some_are_down", gossip_crashes),
        SCHEDULES("all_deliver_once_whatever_is_lost", loss),
        SCHEDULES("all_others_deliver_once_though_a_third_is_down", crashes),
        SCHEDULES("all_others_deliver_the_same_though_a_third_lies", lies),
        SCHEDULES("all_deliver_the_same_though_anybody_comes_back_without_its_memory", restarts),
        SCHEDULES("all_others_deliver_the_same_though_a_third_forgets_what_it_has_said", forgets),
    };
    return getenv("INGOT_BROADCAST_SCHEDULE") != NULL ? cmocka_run_group_tests(one, NULL, NULL)
                                                      : cmocka_run_group_tests(all, NULL, NULL);
}
