/*
 * The two clocks. Only drivers and the command line read them; the core is told the time.
 */
#ifndef INGOT_BASE_CLOCK_H
#define INGOT_BASE_CLOCK_H

#include <stdint.h>

/* Never steps; for timers. Starts anywhere. */
uint64_t clock_monotonic_us(void);
/* Milliseconds since 1970-01-01 UTC; may step; for timestamps that people read. */
uint64_t clock_wall_ms(void);

#endif
