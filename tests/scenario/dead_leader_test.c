/*
 * One of four is dead, and its turn to lead comes again and again. Goal: the others lose a small
 * part of their time to it, whoever it is; when it is back it leads again. Method: real replicas in
 * simulated time under load, with a view of some milliseconds; each millisecond in which the
 * foremost view is led by the dead one is lost.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "lib/cluster.h"

#define ALL 4
#define BASE_MS 500
#define DISK_US 2500

static struct cluster *start(uint32_t leader_tenure, uint64_t seed)
{
    struct cluster_options options = cluster_default_options();
    options.seed = seed;
    options.leader_tenure = leader_tenure;
    options.base_timeout_ms = BASE_MS;
    struct cluster *cluster = cluster_new(&options);
    for (uint32_t i = 0; i < ALL; i++) {
        cluster_set_disk(cluster, i, DISK_US, DISK_US);
    }
    cluster_start_all(cluster);
    return cluster;
}

static uint32_t leader_now(struct cluster *cluster)
{
    return checks_leader(cluster_checks(cluster), cluster_max_view(cluster));
}

/* Under load; how many milliseconds of it that node led. */
static uint64_t led_ms(struct cluster *cluster, uint32_t node, uint64_t duration_ms)
{
    uint64_t led = 0;
    for (uint64_t i = 0; i < duration_ms; i++) {
        const uint32_t client = (uint32_t)(cluster_now_us(cluster) / 1000 % ALL);
        if (cluster_is_up(cluster, client)) {
            cluster_submit_any(cluster, client);
        }
        if (!cluster_run_ms(cluster, 1)) {
            fail_msg("%s", cluster_checks(cluster)->violation);
        }
        led += leader_now(cluster) == node;
    }
    return led;
}

static void kill_when_leading(struct cluster *cluster, uint32_t victim)
{
    (void)led_ms(cluster, victim, 1000);
    while (leader_now(cluster) != victim) {
        (void)led_ms(cluster, victim, 1);
    }
    cluster_crash(cluster, victim);
}

static void a_dead_one_costs_a_small_part_of_the_time(void **state)
{
    (void)state;
    static const struct {
        uint32_t leader_tenure;
        uint64_t lost_max_percent; /* while it is in doubt */
    } rows[] = {{INGOT_LEADER_TENURE_NEW, 10}, {INGOT_LEADER_TENURE_DEFAULT, 33}};
    for (size_t row = 0; row < sizeof rows / sizeof rows[0]; row++) {
        for (uint32_t victim = 0; victim < ALL; victim++) {
            struct cluster *cluster = start(rows[row].leader_tenure, 1 + victim);
            kill_when_leading(cluster, victim);
            /* It is given up once with all patience. */
            (void)led_ms(cluster, victim, 2 * BASE_MS);
            const uint64_t views = cluster_max_view(cluster);
            const uint64_t duration_ms = 10000;
            const uint64_t lost_ms = led_ms(cluster, victim, duration_ms);
            print_message("tenures of %u, %u dead: %llu of %llu ms lost, %llu views\n",
                          rows[row].leader_tenure, victim, (unsigned long long)lost_ms,
                          (unsigned long long)duration_ms,
                          (unsigned long long)(cluster_max_view(cluster) - views));
            assert_in_range(lost_ms, 1, duration_ms * rows[row].lost_max_percent / 100);
            cluster_free(cluster);
        }
    }
}

/* It may be back and slower than before: the whole of its time is due once in 32 base timeouts. */
static void all_patience_is_tried_again_and_costs_little(void **state)
{
    (void)state;
    struct cluster *cluster = start(INGOT_LEADER_TENURE_NEW, 7);
    kill_when_leading(cluster, 2);
    (void)led_ms(cluster, 2, 2 * BASE_MS);
    const uint64_t duration_ms = UINT64_C(4) * 32 * BASE_MS;
    uint64_t lost_ms = 0;
    uint64_t in_a_row_ms = 0;
    uint32_t whole_waits = 0;
    for (uint64_t i = 0; i < duration_ms; i++) {
        const uint64_t lost = led_ms(cluster, 2, 1);
        lost_ms += lost;
        in_a_row_ms = lost > 0 ? in_a_row_ms + 1 : 0;
        whole_waits += in_a_row_ms == BASE_MS / 2;
    }
    print_message("%llu of %llu ms lost, all patience %u times\n", (unsigned long long)lost_ms,
                  (unsigned long long)duration_ms, whole_waits);
    assert_in_range(whole_waits, 3, 4);
    assert_in_range(lost_ms, 3 * BASE_MS, duration_ms * 13 / 100);
    cluster_free(cluster);
}

static void who_is_back_leads_again_in_its_turn(void **state)
{
    (void)state;
    for (uint32_t victim = 0; victim < ALL; victim++) {
        struct cluster *cluster = start(INGOT_LEADER_TENURE_NEW, 11 + victim);
        kill_when_leading(cluster, victim);
        (void)led_ms(cluster, victim, 5000);
        cluster_start(cluster, victim);
        (void)led_ms(cluster, victim, 2000);
        const uint64_t timeouts = cluster_timeouts_of_all(cluster);
        const uint64_t led = led_ms(cluster, victim, 4000);
        assert_int_equal(cluster_timeouts_of_all(cluster), timeouts);
        assert_in_range(led, 4000 / 8, 4000 / 2);
        cluster_free(cluster);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_dead_one_costs_a_small_part_of_the_time),
        cmocka_unit_test(all_patience_is_tried_again_and_costs_little),
        cmocka_unit_test(who_is_back_leads_again_in_its_turn),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
