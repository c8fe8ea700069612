/*
 * Assertions that stay in every build. They guard against our own bugs only: bytes of peers and
 * clients are rejected and counted, never asserted.
 */
#ifndef INGOT_BASE_ASSERT_H
#define INGOT_BASE_ASSERT_H

_Noreturn void assert_fail(const char *condition, const char *file, int line, const char *function);

/* One condition each, so that the message says which one failed. */
#define INGOT_ASSERT(condition)                                                                    \
    ((condition) ? (void)0 : assert_fail(#condition, __FILE__, __LINE__, __func__))

#endif
