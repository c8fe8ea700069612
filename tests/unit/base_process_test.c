/*
 * What ends a process: assertions and lost memory; and the small things every process has, its
 * clocks and the texts of its errors. A child process dies in the test's place, with its standard
 * error in a pipe.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <ingot/error.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/clock.h"

/* Runs `die` in a child, gives what it wrote to stderr, and returns how it ended. */
static int status_of(void (*die)(void), char *text, size_t text_size)
{
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        struct rlimit none = {0, 0};
        if (setrlimit(RLIMIT_CORE, &none) != 0 || dup2(ends[1], STDERR_FILENO) < 0)
            _exit(99);
        /* cmocka catches the signal to report it; the child has to die of it. */
        if (signal(SIGABRT, SIG_DFL) == SIG_ERR)
            _exit(99);
        close(ends[0]);
        close(ends[1]);
        die();
        _exit(0);
    }
    close(ends[1]);
    size_t filled = 0;
    ssize_t got;
    while (filled + 1 < text_size &&
           (got = read(ends[0], text + filled, text_size - 1 - filled)) > 0)
        filled += (size_t)got;
    text[filled] = '\0';
    close(ends[0]);
    int status = 0;
    assert_int_equal(waitpid(child, &status, 0), child);
    return status;
}

static void assert_something_false(void)
{
    volatile int height = 3;
    INGOT_ASSERT(height == 4);
}

static void assert_something_true(void)
{
    volatile int height = 4;
    INGOT_ASSERT(height == 4);
}

/* No sanitizer or system gives out this much; the first is refused before it is asked for. */
static void ask_for_more_elements_than_can_be_counted(void)
{
    volatile size_t count = SIZE_MAX / 2;
    free(alloc_resize(NULL, count, 8));
}

static void a_failed_assertion_says_which_and_where_and_aborts(void **state)
{
    (void)state;
    char text[4096];
    int status = status_of(assert_something_false, text, sizeof text);

    assert_true(WIFSIGNALED(status));
    assert_int_equal(WTERMSIG(status), SIGABRT);
    assert_non_null(strstr(text, "assertion failed: height == 4"));
    assert_non_null(strstr(text, "base_process_test.c:"));
    assert_non_null(strstr(text, "assert_something_false"));
}

static void an_assertion_that_holds_does_nothing(void **state)
{
    (void)state;
    char text[4096];
    int status = status_of(assert_something_true, text, sizeof text);

    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
    assert_string_equal(text, "");
}

static void a_size_that_overflows_stops_the_process(void **state)
{
    (void)state;
    char text[4096];
    int status = status_of(ask_for_more_elements_than_can_be_counted, text, sizeof text);

    assert_true(WIFSIGNALED(status));
    assert_int_equal(WTERMSIG(status), SIGABRT);
    assert_non_null(strstr(text, "out of memory"));
}

static void allocations_are_zeroed_copied_and_grown(void **state)
{
    (void)state;
    uint8_t *zeroed = alloc_zeroed(100, 3);
    for (size_t i = 0; i < 300; i++)
        assert_int_equal(zeroed[i], 0);
    memset(zeroed, 7, 300);
    zeroed = alloc_resize(zeroed, 1000, 3);
    for (size_t i = 0; i < 300; i++)
        assert_int_equal(zeroed[i], 7);
    uint8_t *copy = alloc_copy(zeroed, 300);
    assert_ptr_not_equal(copy, zeroed);
    assert_memory_equal(copy, zeroed, 300);
    char *text = alloc_text("ingot");
    assert_string_equal(text, "ingot");
    free(text);
    free(copy);
    free(zeroed);
}

static void nothing_can_be_allocated_too(void **state)
{
    (void)state;
    void *zeroed = alloc_zeroed(0, 8);
    void *copy = alloc_copy(NULL, 0);
    void *resized = alloc_resize(NULL, 0, 8);
    assert_non_null(zeroed);
    assert_non_null(copy);
    assert_non_null(resized);
    free(zeroed);
    free(copy);
    free(resized);
}

static void the_monotonic_clock_does_not_go_back_and_the_wall_clock_is_of_this_century(void **state)
{
    (void)state;
    uint64_t last = clock_monotonic_us();
    for (int i = 0; i < 1000; i++) {
        uint64_t now = clock_monotonic_us();
        assert_true(now >= last);
        last = now;
    }
    assert_true(clock_wall_ms() > UINT64_C(946684800000));
}

static void every_error_has_a_text_of_its_own(void **state)
{
    (void)state;
    for (int a = INGOT_ERROR_PERMISSION; a <= INGOT_OK; a++) {
        const char *text = ingot_error_text((enum ingot_error)a);
        assert_string_not_equal(text, "unknown error");
        for (int b = INGOT_ERROR_PERMISSION; b < a; b++)
            assert_string_not_equal(text, ingot_error_text((enum ingot_error)b));
    }
    volatile int unknown = INGOT_ERROR_PERMISSION - 1;
    assert_string_equal(ingot_error_text((enum ingot_error)unknown), "unknown error");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_failed_assertion_says_which_and_where_and_aborts),
        cmocka_unit_test(an_assertion_that_holds_does_nothing),
        cmocka_unit_test(a_size_that_overflows_stops_the_process),
        cmocka_unit_test(allocations_are_zeroed_copied_and_grown),
        cmocka_unit_test(nothing_can_be_allocated_too),
        cmocka_unit_test(
            the_monotonic_clock_does_not_go_back_and_the_wall_clock_is_of_this_century),
        cmocka_unit_test(every_error_has_a_text_of_its_own),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
