/*
 * Patience with a leader whose last tenure failed. Goal: it has less time while it is in doubt, all
 * of it again when that is due, and nobody else loses any. Method: one core of four; the test plays
 * the others and the clock, and counts how long this core waits before it gives up on a view.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "lib/solo.h"

/* Tenures are led by 0, 2, 0, 3 (which is this core), 1, 0. */
#define ME 3
#define TENURE 64
#define FIRST(tenure) (TENURE * (tenure) + 1)
#define BASE_MS 1000
#define LEAST_MS (BASE_MS / 32)
#define DOUBT_MS (32 * BASE_MS)
#define IDLE_MS 3200
#define IDLE_PATIENCE_MS (IDLE_MS + IDLE_MS / 8)
#define QUICK_MS 5

struct story {
    struct solo solo;
    const struct block *tip; /* certified, the highest */
};

static void begin(struct story *story, uint32_t empty_block_interval_ms)
{
    solo_init(&story->solo, ME);
    story->solo.config.leader_tenure = TENURE;
    story->solo.config.empty_block_interval_ms = empty_block_interval_ms;
    solo_restart(&story->solo, NULL, 0);
    story->tip = story->solo.genesis;
    static const uint32_t leaders[] = {0, 2, 0, ME, 1, 0};
    for (uint32_t tenure = 0; tenure < sizeof leaders / sizeof leaders[0]; tenure++) {
        assert_int_equal(solo_leader(&story->solo, FIRST(tenure)), leaders[tenure]);
    }
}

static void end(struct story *story)
{
    solo_deinit(&story->solo);
}

static uint64_t current_view(const struct story *story)
{
    return solo_status(&story->solo).current.view;
}

/* The current view is certified after so long. */
static void succeed(struct story *story, uint64_t took_ms)
{
    struct block *block = solo_accept_next(&story->solo, story->tip, current_view(story));
    solo_tick(&story->solo, took_ms);
    (void)solo_show_qc(&story->solo, solo_qc(&story->solo, block));
    story->tip = block;
}

static void succeed_up_to(struct story *story, uint64_t view, uint64_t took_ms)
{
    while (current_view(story) < view) {
        succeed(story, took_ms);
    }
    assert_int_equal(current_view(story), view);
}

static void give_up_together(struct story *story)
{
    struct qc *high_qc = solo_qc(&story->solo, story->tip);
    (void)solo_show_tc(&story->solo, solo_tc(&story->solo, current_view(story), high_qc));
}

/* Nothing comes; how long this core waits. The others have given up when it does. */
static uint64_t wait_in_vain(struct story *story)
{
    const uint64_t timeouts = solo_status(&story->solo).timeouts;
    uint64_t waited_ms = 0;
    while (solo_status(&story->solo).timeouts == timeouts) {
        solo_tick(&story->solo, 1);
        waited_ms++;
        assert_in_range(waited_ms, 0, 60000);
    }
    give_up_together(story);
    return waited_ms;
}

/* Leader 0 fails in the middle of the first tenure, and leader 2 does not. */
static void put_in_doubt(struct story *story, uint64_t views_take_ms)
{
    succeed_up_to(story, 41, views_take_ms);
    assert_int_equal(wait_in_vain(story), BASE_MS);
    assert_int_equal(current_view(story), FIRST(1));
    succeed_up_to(story, FIRST(2), views_take_ms);
}

static void a_leader_whose_tenure_failed_has_less_time_in_its_next(void **state)
{
    (void)state;
    struct story story;
    begin(&story, 0);
    put_in_doubt(&story, QUICK_MS);
    assert_int_equal(wait_in_vain(&story), LEAST_MS);
    end(&story);

    begin(&story, 0);
    succeed_up_to(&story, FIRST(2), QUICK_MS);
    assert_int_equal(wait_in_vain(&story), BASE_MS);
    end(&story);
}

static void a_certificate_of_its_view_ends_the_doubt(void **state)
{
    (void)state;
    struct story story;
    begin(&story, 0);
    put_in_doubt(&story, QUICK_MS);
    succeed(&story, QUICK_MS);
    assert_int_equal(wait_in_vain(&story), BASE_MS);
    end(&story);
}

static void after_a_tenure_that_failed_everybody_has_the_whole_time(void **state)
{
    (void)state;
    struct story story;
    begin(&story, 0);
    succeed_up_to(&story, 41, QUICK_MS);
    (void)wait_in_vain(&story);
    succeed_up_to(&story, FIRST(2) - 1, QUICK_MS);
    assert_int_equal(wait_in_vain(&story), BASE_MS);
    assert_int_equal(current_view(&story), FIRST(2));
    assert_int_equal(wait_in_vain(&story), BASE_MS); /* leader 0, entered by a TC */
    end(&story);
}

/* Long views, and quick ones after them, so that the pace is that of the quick ones. */
static uint64_t patience_after_ms(uint64_t long_view_ms, uint64_t second_long_view_ms)
{
    struct story story;
    begin(&story, 0);
    succeed_up_to(&story, 41, QUICK_MS);
    (void)wait_in_vain(&story);
    succeed(&story, long_view_ms);
    succeed_up_to(&story, FIRST(2), QUICK_MS);
    uint64_t waited_ms = wait_in_vain(&story);
    if (second_long_view_ms > 0) {
        assert_int_equal(waited_ms, LEAST_MS);
        give_up_together(&story); /* this core's own tenure */
        succeed(&story, second_long_view_ms);
        succeed_up_to(&story, FIRST(5), QUICK_MS);
        waited_ms = wait_in_vain(&story);
    }
    end(&story);
    return waited_ms;
}

static void once_in_a_while_a_leader_in_doubt_has_the_whole_time_again(void **state)
{
    (void)state;
    const uint64_t quick_views_ms = (TENURE - 1) * QUICK_MS;
    assert_int_equal(patience_after_ms(DOUBT_MS - quick_views_ms - 1, 0), LEAST_MS);
    assert_int_equal(patience_after_ms(DOUBT_MS - quick_views_ms, 0), BASE_MS);
}

/* Or nobody who is slower than that would ever lead again. */
static void being_cut_short_does_not_prolong_the_doubt(void **state)
{
    (void)state;
    const uint64_t others_ms = 2 * (TENURE - 1) * QUICK_MS + LEAST_MS;
    assert_int_equal(patience_after_ms(DOUBT_MS / 2, DOUBT_MS / 2 - others_ms - 1), LEAST_MS);
    assert_int_equal(patience_after_ms(DOUBT_MS / 2, DOUBT_MS / 2 - others_ms), BASE_MS);
}

/* Others may have given up on it early, with less patience than this core would have had. */
static void who_did_not_have_half_its_time_is_not_in_doubt(void **state)
{
    (void)state;
    static const struct {
        uint64_t given_ms;
        uint64_t patience_ms;
    } rows[] = {{BASE_MS / 2 - 1, BASE_MS}, {BASE_MS / 2, LEAST_MS}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct story story;
        begin(&story, 0);
        succeed_up_to(&story, 41, QUICK_MS);
        solo_tick(&story.solo, rows[i].given_ms);
        give_up_together(&story);
        succeed_up_to(&story, FIRST(2), QUICK_MS);
        assert_int_equal(wait_in_vain(&story), rows[i].patience_ms);
        end(&story);
    }
}

static void where_views_take_long_a_leader_in_doubt_has_longer(void **state)
{
    (void)state;
    static const struct {
        uint64_t views_take_ms;
        uint64_t patience_ms;
    } rows[] = {{LEAST_MS / 2, LEAST_MS}, {200, 400}, {499, 998}, {700, BASE_MS}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct story story;
        begin(&story, 0);
        put_in_doubt(&story, rows[i].views_take_ms);
        assert_int_equal(wait_in_vain(&story), rows[i].patience_ms);
        end(&story);
    }
}

static void a_slow_view_is_forgotten_over_quick_ones(void **state)
{
    (void)state;
    static const struct {
        uint64_t slow_view;
        uint64_t patience_ms;
    } rows[] = {{FIRST(2) - 1, 800}, {FIRST(2) - 9, 276}, {FIRST(2) - 41, LEAST_MS}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct story story;
        begin(&story, 0);
        succeed_up_to(&story, 41, QUICK_MS);
        (void)wait_in_vain(&story);
        succeed_up_to(&story, rows[i].slow_view, QUICK_MS);
        succeed(&story, 400);
        succeed_up_to(&story, FIRST(2), QUICK_MS);
        assert_int_equal(wait_in_vain(&story), rows[i].patience_ms);
        end(&story);
    }
}

/* A leader that waits for transactions takes its time for another reason. */
static void waiting_for_transactions_is_no_part_of_what_views_take(void **state)
{
    (void)state;
    struct story story;
    begin(&story, IDLE_MS);
    struct core_event payload = {.kind = CORE_PAYLOAD, .available = true};
    (void)solo_step(&story.solo, payload);
    succeed_up_to(&story, 41, QUICK_MS);
    assert_int_equal(wait_in_vain(&story), BASE_MS);
    succeed_up_to(&story, FIRST(2) - 4, QUICK_MS);
    payload.available = false;
    (void)solo_step(&story.solo, payload);
    succeed(&story, QUICK_MS);
    succeed_up_to(&story, FIRST(2), IDLE_MS + QUICK_MS);
    assert_int_equal(wait_in_vain(&story), IDLE_PATIENCE_MS + LEAST_MS);
    end(&story);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_leader_whose_tenure_failed_has_less_time_in_its_next),
        cmocka_unit_test(a_certificate_of_its_view_ends_the_doubt),
        cmocka_unit_test(after_a_tenure_that_failed_everybody_has_the_whole_time),
        cmocka_unit_test(once_in_a_while_a_leader_in_doubt_has_the_whole_time_again),
        cmocka_unit_test(being_cut_short_does_not_prolong_the_doubt),
        cmocka_unit_test(who_did_not_have_half_its_time_is_not_in_doubt),
        cmocka_unit_test(where_views_take_long_a_leader_in_doubt_has_longer),
        cmocka_unit_test(a_slow_view_is_forgotten_over_quick_ones),
        cmocka_unit_test(waiting_for_transactions_is_no_part_of_what_views_take),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
