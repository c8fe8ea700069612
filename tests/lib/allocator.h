/*
 * Is malloc glibc's own, whose account of itself (mallinfo2) a test can read? Under a sanitizer it
 * is another.
 */
#ifndef INGOT_TESTS_ALLOCATOR_H
#define INGOT_TESTS_ALLOCATOR_H

#include <stdbool.h>

#ifndef __has_feature
#define __has_feature(feature) 0
#endif

#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer) ||                         \
    defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define HAS_OTHER_ALLOCATOR true
#else
#define HAS_OTHER_ALLOCATOR false
#endif

#endif
