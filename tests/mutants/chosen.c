/*
 * Which deliberate fault a program of this build runs with: the environment says it. Part of each
 * program, the simulator too.
 *
 *     INGOT_MUTANT          the name of the mutant; none without it
 *     INGOT_MUTANT_TEST     the one test of the program that runs; all without it
 *     INGOT_MUTANT_REACHED  a file that gets one byte a mutant: 1 if its place in the code has run
 */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/mutant.h"

/* No test ends with this: what it says is about the build, not about the mutant. */
#define STATUS_UNUSABLE 97

#define NAME_OF(name, text) [MUTANT_##name] = #name,
static const char *const names[MUTANT_COUNT] = {[MUTANT_NONE] = "", MUTANT_LIST(NAME_OF)};

static unsigned char reached_here[MUTANT_COUNT];

enum mutant mutant_active = MUTANT_NONE;
unsigned char *mutant_reached = reached_here;

static void give_up(const char *what, const char *value)
{
    (void)fprintf(stderr, "mutants: %s: %s\n", what, value);
    _exit(STATUS_UNUSABLE);
}

static void choose_mutant(const char *name)
{
    uint32_t mutant = 0;
    while (mutant < MUTANT_COUNT && strcmp(names[mutant], name) != 0) {
        mutant++;
    }
    if (mutant == MUTANT_COUNT) {
        give_up("there is no such mutant", name);
    }
    mutant_active = (enum mutant)mutant;
}

/* Shared with the processes that a test starts, and whole however they end. */
static void note_reached(const char *path)
{
    const int file = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (file < 0 || ftruncate(file, MUTANT_COUNT) != 0) {
        give_up("cannot be written", path);
    }
    void *map = mmap(NULL, MUTANT_COUNT, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    if (map == MAP_FAILED) {
        give_up("cannot be mapped", path);
    }
    mutant_reached = map;
    (void)close(file);
}

__attribute__((constructor)) static void choose(void)
{
    const char *name = getenv("INGOT_MUTANT");
    const char *test = getenv("INGOT_MUTANT_TEST");
    const char *path = getenv("INGOT_MUTANT_REACHED");
    if (name != NULL) {
        choose_mutant(name);
    }
    if (test != NULL) {
        cmocka_set_test_filter(test);
    }
    if (path != NULL) {
        note_reached(path);
    }
}
