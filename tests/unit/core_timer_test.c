/*
 * The one timer that the core asks its driver for. Goal: whatever the moment at which ticks come,
 * there is always a next one. Method: one replica of four, alone, at the start of a chain.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "lib/solo_story.h"

static int set_up(void **state)
{
    struct solo *solo = calloc(1, sizeof *solo);
    assert_non_null(solo);
    solo_init(solo, 0);
    *state = solo;
    return 0;
}

/* The deadline that the last step armed; 0: none. */
static uint64_t armed(const struct solo *solo)
{
    const struct core_effect *effect = solo_effect(solo, CORE_ARM, 0);
    return effect == NULL ? 0 : effect->deadline_ms;
}

static void a_tick_that_comes_early_is_asked_for_again(void **state)
{
    struct solo *solo = *state;
    const uint64_t deadline_ms = armed(solo);
    assert_true(deadline_ms > 1);
    solo_tick(solo, deadline_ms - 1);
    assert_int_equal(armed(solo), deadline_ms);
    solo_tick(solo, 0);
    assert_int_equal(armed(solo), deadline_ms);
    solo_tick(solo, 1);
    assert_true(armed(solo) > deadline_ms);
}

static void every_tick_arms_the_next_however_long_the_silence(void **state)
{
    struct solo *solo = *state;
    for (int i = 0; i < 1000; i++) {
        const uint64_t next_ms = armed(solo);
        assert_true(next_ms > solo->now_ms);
        solo_tick(solo, next_ms - solo->now_ms);
    }
    assert_int_equal(solo_status(solo).timeouts, 1);
}

/* A TC of view 1 lets us in to view 5, whose deadline is asked for. */
static uint64_t wait_of_view_5(struct solo *solo)
{
    assert_int_equal(solo_show_tc(solo, solo_tc(solo, 1, solo_qc(solo, solo->genesis))),
                     REJECT_NONE);
    assert_int_equal(solo_status(solo).current.view, 5);
    return armed(solo) - solo->now_ms;
}

static void a_view_lasts_its_base_timeout(void **state)
{
    struct solo *solo = *state;
    solo_tick(solo, 100);
    assert_int_equal(wait_of_view_5(solo), solo->config.base_timeout_ms);
}

static void a_slow_disk_makes_views_longer(void **state)
{
    struct solo *solo = *state;
    (void)solo_step(solo, (struct core_event){.kind = CORE_TICK, .timeout_floor_ms = 4000});
    assert_int_equal(wait_of_view_5(solo), 4000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_tick_that_comes_early_is_asked_for_again, set_up,
                                        solo_tear_down),
        cmocka_unit_test_setup_teardown(every_tick_arms_the_next_however_long_the_silence, set_up,
                                        solo_tear_down),
        cmocka_unit_test_setup_teardown(a_view_lasts_its_base_timeout, set_up, solo_tear_down),
        cmocka_unit_test_setup_teardown(a_slow_disk_makes_views_longer, set_up, solo_tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
