/*
 * Links that work in one direction only. Goal: soon after they are whole, all are in one view and
 * blocks commit, however long it lasted. Method: real replicas in simulated time.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "lib/cluster.h"

#define ALL 4

static bool hears_only_the_next(uint32_t from, uint32_t to)
{
    return from == (to + 1) % ALL;
}

static bool two_hear_all_and_say_nothing(uint32_t from, uint32_t to)
{
    (void)to;
    return from < 2;
}

static bool two_say_all_and_hear_nothing(uint32_t from, uint32_t to)
{
    (void)from;
    return to < 2;
}

typedef bool works(uint32_t from, uint32_t to);

static void cut(struct cluster *cluster, works *link_works)
{
    for (uint32_t from = 0; from < ALL; from++) {
        for (uint32_t to = 0; to < ALL; to++) {
            cluster_link(cluster, from, to)->is_cut = link_works != NULL && !link_works(from, to);
        }
    }
}

static bool are_together(void *context, struct cluster *cluster)
{
    const uint64_t *height = context;
    for (uint32_t i = 0; i < ALL; i++) {
        if (cluster_status(cluster, i).current.view + 1 < cluster_max_view(cluster) ||
            cluster_committed(cluster, i) <= *height) {
            return false;
        }
    }
    return true;
}

static void views_come_together_soon_after_links_work_both_ways(void **state)
{
    (void)state;
    static works *const shapes[] = {hears_only_the_next, two_hear_all_and_say_nothing,
                                    two_say_all_and_hear_nothing};
    for (size_t shape = 0; shape < sizeof shapes / sizeof shapes[0]; shape++) {
        for (uint64_t cut_ms = 1000; cut_ms <= 64000; cut_ms *= 4) {
            const struct cluster_options options = cluster_default_options();
            struct cluster *cluster = cluster_new(&options);
            cluster_start_all(cluster);
            assert_true(cluster_run_ms(cluster, 1000));
            cut(cluster, shapes[shape]);
            assert_true(cluster_run_ms(cluster, cut_ms));
            uint64_t height = cluster_checks(cluster)->committed_count - 1;
            cut(cluster, NULL);
            assert_true(cluster_run_while_not(cluster, 3000, are_together, &height));
            cluster_free(cluster);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(views_come_together_soon_after_links_work_both_ways),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
