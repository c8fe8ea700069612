/*
 * What every fuzz target has: the function that libFuzzer calls, and a way to say that something
 * does not hold.
 */
#ifndef INGOT_TESTS_FUZZ_H
#define INGOT_TESTS_FUZZ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <ingot/bytes.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
/* Once, before anything else; optional. */
int LLVMFuzzerInitialize(int *argc, char ***argv);

/* Says what does not hold, and where, and ends the run: libFuzzer then keeps the input. */
#define require(condition)                                                                         \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            require_failed(#condition, __FILE__, __LINE__);                                        \
        }                                                                                          \
    } while (0)

_Noreturn static inline void require_failed(const char *condition, const char *file, int line)
{
    (void)fprintf(stderr, "%s:%d: does not hold: %s\n", file, line, condition);
    abort();
}

/* Two buffers hold the same bytes. Empties both. */
static inline void require_same(struct ingot_buffer *a, struct ingot_buffer *b)
{
    require(ingot_slice_equal(ingot_buffer_slice(a), ingot_buffer_slice(b)));
    ingot_buffer_deinit(a);
    ingot_buffer_deinit(b);
}

#endif
