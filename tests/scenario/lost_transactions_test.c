/*
 * A client's transaction that its validator has passed on, and that nobody received. Goal: the
 * first deadline that passes shows it to all, whoever leads. Method: on an idle chain, whose
 * leaders wait, the first frame of transactions is lost on its way to everybody.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "lib/cluster.h"

#define ALL 4
#define TIMEOUT_MS 200

struct story {
    uint32_t lost; /* copies of the first frame */
};

static bool loses_the_first_frame(void *context, uint32_t from, uint32_t to,
                                  const struct message *message)
{
    struct story *story = context;
    (void)from;
    (void)to;
    return message->kind == MESSAGE_TRANSACTIONS && story->lost++ < ALL - 1;
}

static bool is_committed(void *context, struct cluster *cluster)
{
    (void)context;
    return cluster_checks(cluster)->transactions_committed >= 1;
}

static void transactions_that_nobody_received_are_shown_again_with_the_first_timeout(void **state)
{
    (void)state;
    for (uint32_t node = 0; node < ALL; node++) {
        struct cluster_options options = cluster_default_options();
        options.base_timeout_ms = TIMEOUT_MS;
        options.empty_block_interval_ms = 60000; /* leaders who know of nothing wait */
        struct cluster *cluster = cluster_new(&options);
        struct story story = {0};
        cluster_set_intercept(cluster, loses_the_first_frame, &story);
        cluster_start_all(cluster);
        assert_true(cluster_run_ms(cluster, 2000));
        cluster_submit_any(cluster, node);
        /* Its validator's own deadline passes, and it is committed well before the next would. */
        assert_true(cluster_run_while_not(cluster, 2 * TIMEOUT_MS, is_committed, NULL));
        assert_true(story.lost >= ALL - 1 || cluster_timeouts(cluster, node) == 0);
        cluster_free(cluster);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(transactions_that_nobody_received_are_shown_again_with_the_first_timeout),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
