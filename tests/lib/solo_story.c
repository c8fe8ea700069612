/*
 * Set-up and tear-down of one core's stories. See solo_story.h.
 */
#include "lib/solo_story.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

int solo_set_up(void **state)
{
    struct solo *solo = calloc(1, sizeof *solo);
    assert_non_null(solo);
    solo_init(solo, SOLO_FOLLOWER);
    for (uint64_t view = 1; view <= 8; view++) {
        assert_int_not_equal(solo_leader(solo, view), SOLO_FOLLOWER);
    }
    *state = solo;
    return 0;
}

int solo_tear_down(void **state)
{
    solo_deinit(*state);
    free(*state);
    return 0;
}

void solo_start_again(void **state)
{
    (void)solo_tear_down(state);
    (void)solo_set_up(state);
}

void solo_expect_position(struct position position, uint64_t epoch, uint64_t view)
{
    assert_int_equal(position.epoch, epoch);
    assert_int_equal(position.view, view);
}
