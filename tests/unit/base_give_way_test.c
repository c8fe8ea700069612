/*
 * Giving way. Goal: who works on offers its processor, but not so often that it gets nothing done.
 * Method: moments, in microseconds.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/give_way.h"

static void a_thread_offers_its_processor_after_a_millisecond_of_work(void **state)
{
    (void)state;
    const struct give_way way = {.offered_us = 5000000};
    assert_false(give_way_is_due(&way, 5000000));
    assert_false(give_way_is_due(&way, 5000999));
    assert_true(give_way_is_due(&way, 5001000));
    assert_true(give_way_is_due(&way, 9000000));
}

static void the_work_until_the_next_offer_begins_when_the_processor_is_back(void **state)
{
    (void)state;
    struct give_way way = {0};
    const uint64_t before_us = clock_monotonic_us();
    give_way(&way);
    assert_true(way.offered_us >= before_us);
    assert_true(way.offered_us <= clock_monotonic_us());
    assert_false(give_way_is_due(&way, way.offered_us));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_thread_offers_its_processor_after_a_millisecond_of_work),
        cmocka_unit_test(the_work_until_the_next_offer_begins_when_the_processor_is_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
