/*
 * The two places where a Twins scenario reaches into the core, both by the linker (--wrap) so that
 * the product knows nothing of it: who leads a view, and that a twin does not mind hearing its own
 * key from the other.
 */
#ifndef INGOT_TESTS_TWINS_SEAMS_H
#define INGOT_TESTS_TWINS_SEAMS_H

#include "twins/scenario.h"

/* Whose leaders count from now on; borrowed. */
void seams_set_scenario(const struct scenario *scenario);
/* Whose step comes next. */
void seams_set_instance(uint32_t instance);

#endif
