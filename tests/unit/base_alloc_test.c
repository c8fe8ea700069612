/*
 * What freed memory comes to. Goal: after something large was freed, what is a little smaller still
 * has a mapping of its own, which goes back to the system when it is freed. Method: glibc's own
 * account of its mappings.
 */
#include <malloc.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "lib/allocator.h"

static void what_is_large_goes_back_to_the_system_whatever_was_freed_before(void **state)
{
    (void)state;
    if (HAS_OTHER_ALLOCATOR)
        skip();
    alloc_keep_little();
    free(alloc_zeroed(8 * 1024 * 1024, 1));
    const size_t before = mallinfo2().hblkhd;
    void *block = alloc_zeroed(512 * 1024, 1);
    assert_true(mallinfo2().hblkhd >= before + (size_t)512 * 1024);
    free(block);
    assert_int_equal(mallinfo2().hblkhd, before);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_large_goes_back_to_the_system_whatever_was_freed_before),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
