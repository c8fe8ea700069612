/*
 * One replica holds a certificate that nobody else has seen, and one is dead, so that nothing
 * commits without the first. Goal: once the network is whole, blocks commit within the few views
 * that dead replicas alone may cost. Method: votes of one view reach one replica only, and what
 * it says of their certificate is dropped.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "lib/cluster.h"

#define ALL 4
/* Views entered before a new block commits, with f = 1 dead: f + 5. */
#define VIEWS_MAX 6

struct story {
    struct cluster *cluster;
    uint64_t hidden_view; /* 0: nothing is hidden */
    uint32_t holder;
};

static uint64_t certified_by(const struct message *message)
{
    switch (message->kind) {
    case MESSAGE_PROPOSE:
        return message->propose.block->justify->view;
    case MESSAGE_TIMEOUT:
        return message->timeout.high_qc->view;
    case MESSAGE_NUDGE:
        return message->nudge.justify->view;
    case MESSAGE_CERTIFICATE:
        return message->certificate.qc != NULL ? message->certificate.qc->view
                                               : message->certificate.tc->high_qc->view;
    case MESSAGE_ADVERTISE:
        return message->advertise.high_qc->view;
    case MESSAGE_SYNC_RESPONSE:
        return message->sync_response.tail_qc != NULL ? message->sync_response.tail_qc->view : 0;
    case MESSAGE_VOTE:
    case MESSAGE_SYNC_REQUEST:
    case MESSAGE_TRANSACTIONS:
    case MESSAGE_COMPACT_PROPOSE:
    case MESSAGE_TRANSACTIONS_REQUEST:
    case MESSAGE_TRANSACTIONS_RESPONSE:
        break;
    }
    return 0;
}

static bool hides(void *context, uint32_t from, uint32_t to, const struct message *message)
{
    const struct story *story = context;
    (void)from;
    if (story->hidden_view == 0 || to == story->holder) {
        return false;
    }
    return (message->kind == MESSAGE_VOTE && message->vote.view >= story->hidden_view) ||
           certified_by(message) >= story->hidden_view;
}

static bool holds_it(void *context, struct cluster *cluster)
{
    const struct story *story = context;
    return cluster_status(cluster, story->holder).high.view >= story->hidden_view;
}

static bool has_new_block(void *context, struct cluster *cluster)
{
    const uint64_t *height = context;
    return cluster_checks(cluster)->committed_count - 1 > *height;
}

/* The leader of the view after the hidden one is who forms the certificate. */
static void hide_one_from_all_but_its_maker(uint64_t seed, uint32_t view_in_tenure)
{
    struct cluster_options options = cluster_default_options();
    options.seed = seed;
    options.empty_block_interval_ms = 0;
    struct story story = {.cluster = cluster_new(&options)};
    struct cluster *cluster = story.cluster;
    cluster_set_intercept(cluster, hides, &story);
    cluster_start_all(cluster);
    assert_true(cluster_run_ms(cluster, 1000));
    const uint64_t view = (cluster_max_view(cluster) / 4 + 2) * 4 + view_in_tenure;
    story.holder = checks_leader(cluster_checks(cluster), view + 1);
    story.hidden_view = view;
    assert_true(cluster_run_while_not(cluster, 5000, holds_it, &story));
    cluster_crash(cluster, (story.holder + 1) % ALL);
    assert_true(cluster_run_ms(cluster, 10000));
    for (uint32_t i = 0; i < ALL; i++) {
        if (cluster_is_up(cluster, i) && i != story.holder) {
            assert_true(cluster_status(cluster, i).high.view < view);
        }
    }

    uint64_t height = cluster_checks(cluster)->committed_count - 1;
    const uint64_t passed = cluster_views_passed(cluster);
    story.hidden_view = 0;
    assert_true(cluster_run_while_not(cluster, 20000, has_new_block, &height));
    assert_in_range(cluster_views_passed(cluster) - passed, 0, VIEWS_MAX);
    cluster_free(cluster);
}

static void a_certificate_shown_to_one_replica_only_delays_few_views(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 8; seed++) {
        for (uint32_t view_in_tenure = 1; view_in_tenure <= 4; view_in_tenure++) {
            hide_one_from_all_but_its_maker(seed, view_in_tenure);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_certificate_shown_to_one_replica_only_delays_few_views),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
