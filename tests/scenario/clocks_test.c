/*
 * Clocks that jump, and a replica that stands still. Goal: the chain goes on, time in it never
 * falls, and who was away says nothing old. Method: real replicas; each has a calendar of its own
 * beside its monotonic clock.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "lib/cluster.h"

#define ALL 4
#define DAY_MS (INT64_C(24) * 60 * 60 * 1000)
#define MINUTE_MS 60000
#define PAUSED 2

struct story {
    struct cluster *cluster;
    uint64_t view_max;    /* that anybody was in when the pause ended */
    uint32_t stale_votes; /* of the one that was paused, for views long gone */
    uint32_t votes;       /* of the one that was paused, since then */
};

static void run_ms(struct cluster *cluster, uint64_t duration_ms)
{
    if (!cluster_run_ms(cluster, duration_ms)) {
        fail_msg("%s", cluster_checks(cluster)->violation);
    }
}

static struct block *committed_block(struct cluster *cluster, uint64_t height)
{
    return checks_find_block(cluster_checks(cluster), &cluster_checks(cluster)->committed[height])
        ->block;
}

static void calendars_that_jump_by_a_day_stop_nothing_and_time_never_falls(void **state)
{
    (void)state;
    const struct cluster_options options = cluster_default_options();
    struct cluster *cluster = cluster_new(&options);
    cluster_start_all(cluster);
    run_ms(cluster, 1000);
    for (uint32_t jump = 0; jump < 16; jump++) {
        const uint64_t before = cluster_checks(cluster)->committed_count;
        cluster_shift_wall(cluster, jump % ALL, jump / ALL % 2 == 0 ? DAY_MS : -DAY_MS);
        cluster_submit_any(cluster, jump % ALL);
        run_ms(cluster, 2000);
        assert_true(cluster_checks(cluster)->committed_count > before + 3);
    }
    bool has_risen = false;
    for (uint64_t height = 1; height < cluster_checks(cluster)->committed_count; height++) {
        const struct block *parent = committed_block(cluster, height - 1);
        const struct block *block = committed_block(cluster, height);
        assert_true(block->time_ms >= parent->time_ms);
        has_risen = has_risen || block->time_ms >= parent->time_ms + DAY_MS / 2;
    }
    assert_true(has_risen); /* or no jump was ever seen */
    for (uint32_t i = 0; i < ALL; i++) {
        assert_int_equal(cluster_timeouts(cluster, i), 0);
    }
    cluster_free(cluster);
}

static bool notes_votes_of_the_paused(void *context, uint32_t from, uint32_t to,
                                      const struct message *message)
{
    struct story *story = context;
    (void)to;
    const bool is_vote = message->kind == MESSAGE_VOTE || message->kind == MESSAGE_PROPOSE;
    if (from == PAUSED && is_vote && story->view_max > 0) {
        const uint64_t view =
            message->kind == MESSAGE_VOTE ? message->vote.view : message->propose.vote.view;
        story->votes++;
        story->stale_votes += view + 3 < story->view_max;
    }
    return false;
}

static void cut_off_the_paused(struct cluster *cluster, bool is_cut)
{
    for (uint32_t node = 0; node < ALL; node++) {
        cluster_link(cluster, node, PAUSED)->is_cut = is_cut;
    }
}

/* A minute's messages are lost but for the few on their way, or wait to be read. */
static void stand_still_for_a_minute(struct story *story, bool is_backlog_lost)
{
    const struct cluster_options options = cluster_default_options();
    story->cluster = cluster_new(&options);
    struct cluster *cluster = story->cluster;
    cluster_set_intercept(cluster, notes_votes_of_the_paused, story);
    cluster_start_all(cluster);
    run_ms(cluster, 2000);
    const uint64_t view_before = cluster_max_view(cluster);
    cluster_pause(cluster, PAUSED, MINUTE_MS);
    cut_off_the_paused(cluster, is_backlog_lost);
    run_ms(cluster, MINUTE_MS - 1);
    story->view_max = cluster_max_view(cluster);
    assert_true(story->view_max > view_before + 20);
    cut_off_the_paused(cluster, false);

    run_ms(cluster, 2000);

    assert_true(cluster_committed(cluster, PAUSED) + 4 >= cluster_checks(cluster)->committed_count);
    assert_true(cluster_status(cluster, PAUSED).current.view + 1 >= cluster_max_view(cluster));
    assert_true(story->votes > 0);
    cluster_free(cluster);
}

static void who_stood_still_for_a_minute_catches_up_and_casts_no_stale_vote(void **state)
{
    (void)state;
    struct story story = {0};
    stand_still_for_a_minute(&story, true);
    assert_int_equal(story.stale_votes, 0);
}

/* Its votes for the views that it reads of are late, but the checkers see that they break no rule.
 */
static void who_stood_still_for_a_minute_reads_a_minutes_messages_and_catches_up(void **state)
{
    (void)state;
    struct story story = {0};
    stand_still_for_a_minute(&story, false);
}

/* --- A leader that stands still. --- */

static bool loses_votes(void *context, uint32_t from, uint32_t to, const struct message *message)
{
    (void)from;
    (void)to;
    const bool *is_losing = context;
    return *is_losing && message->kind == MESSAGE_VOTE;
}

/* And it leads the next view too: nobody else gets the votes. */
static bool has_proposed(void *context, struct cluster *cluster)
{
    const uint32_t *tenure = context;
    const struct core_status status = cluster_status(cluster, PAUSED);
    return status.is_leader && position_compare(status.current, status.last_voted) == 0 &&
           status.current.view % *tenure != 0;
}

static bool the_others_certify(void *context, struct cluster *cluster)
{
    const uint64_t *view = context;
    return cluster_status(cluster, (PAUSED + 1) % ALL).high.view > *view;
}

/*
 * The votes for its proposal find it stopped, so that nobody else commits by them, and with them
 * waits a certificate that the others have made since. It takes in all of this before anything of
 * it is durable or told, as a node does that finds much to read.
 */
static void a_leader_commits_by_late_votes_and_goes_on_before_anybody_sees_it(void **state)
{
    (void)state;
    const struct cluster_options options = cluster_default_options();
    struct cluster *cluster = cluster_new(&options);
    bool is_losing = false;
    cluster_set_intercept(cluster, loses_votes, &is_losing);
    cluster_start_all(cluster);
    run_ms(cluster, 1000);
    uint32_t tenure = options.leader_tenure;
    assert_true(cluster_run_while_not(cluster, MINUTE_MS, has_proposed, &tenure));
    uint64_t view = cluster_max_view(cluster);
    const uint64_t height = cluster_committed(cluster, PAUSED);

    /* What comes is read after a quarter, and a client's transaction makes it act after the whole.
     */
    cluster_pause(cluster, PAUSED, MINUTE_MS);
    cluster_submit_any(cluster, PAUSED);
    cluster_pause(cluster, PAUSED, MINUTE_MS / 4);
    assert_true(cluster_run_while_not(cluster, MINUTE_MS / 8, the_others_certify, &view));
    is_losing = true;
    run_ms(cluster, MINUTE_MS / 2);
    assert_int_equal(cluster_committed(cluster, PAUSED), height);
    assert_int_equal(cluster_status(cluster, PAUSED).high.view, view);
    run_ms(cluster, MINUTE_MS / 2);
    assert_int_equal(cluster_committed(cluster, PAUSED), height + 1);
    assert_true(cluster_status(cluster, PAUSED).high.view > view);
    cluster_free(cluster);
}

/* --- Clocks that run apart. --- */

static void nobody_gives_up_on_an_idle_leader_whose_clock_is_slow(void **state)
{
    (void)state;
    struct cluster_options options = cluster_default_options();
    options.empty_block_interval_ms = 5000;
    options.base_timeout_ms = 100;
    struct cluster *cluster = cluster_new(&options);
    for (uint32_t i = 0; i < ALL; i++) {
        cluster_set_clock_rate(cluster, i, i % 2 == 0 ? 50000 : -50000);
    }
    cluster_start_all(cluster);
    run_ms(cluster, 2 * MINUTE_MS);
    assert_true(cluster_checks(cluster)->committed_count > 15);
    for (uint32_t i = 0; i < ALL; i++) {
        assert_int_equal(cluster_timeouts(cluster, i), 0);
    }
    cluster_free(cluster);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(calendars_that_jump_by_a_day_stop_nothing_and_time_never_falls),
        cmocka_unit_test(who_stood_still_for_a_minute_catches_up_and_casts_no_stale_vote),
        cmocka_unit_test(who_stood_still_for_a_minute_reads_a_minutes_messages_and_catches_up),
        cmocka_unit_test(a_leader_commits_by_late_votes_and_goes_on_before_anybody_sees_it),
        cmocka_unit_test(nobody_gives_up_on_an_idle_leader_whose_clock_is_slow),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
