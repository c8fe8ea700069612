/*
 * What the stories of one core share: cmocka's set-up and tear-down, and what is expected of it.
 * The core itself is lib/solo.h's.
 */
#ifndef INGOT_TESTS_SOLO_STORY_H
#define INGOT_TESTS_SOLO_STORY_H

#include "lib/solo.h"

/* Leads none of the views 1 to 8. */
#define SOLO_FOLLOWER 3

/* *state becomes a core of SOLO_FOLLOWER. */
int solo_set_up(void **state);
int solo_tear_down(void **state);
/* For the next row of a table. */
void solo_start_again(void **state);

void solo_expect_position(struct position position, uint64_t epoch, uint64_t view);

#endif
