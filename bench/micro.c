/*
 * A table of operations a second, or a row a number of times for a tool that counts instructions.
 * It compares versions of the code on one machine; what a whole network does is `ingot bench`.
 */
#include "bench/micro.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "wire/crypto.h"

#define MEASURE_US 300000

static const struct micro_row *const groups[] = {micro_crypto_rows, micro_wire_rows,
                                                 micro_node_rows,   micro_network_rows,
                                                 micro_rpc_rows,    micro_store_rows};

#define GROUP_COUNT (sizeof groups / sizeof groups[0])

static uint64_t steps_done;

/*
 * The only way to what is measured: bench/micro_instructions.py has instructions counted between
 * its entry and its end, so it has to stay a function with this name that calls the step.
 */
__attribute__((noinline)) void micro_measured(const struct micro_row *row);
void micro_measured(const struct micro_row *row)
{
    row->step();
    steps_done++;
}

static void prepare(const struct micro_row *row)
{
    if (row->prepare != NULL)
        row->prepare();
}

static bool measure(const struct micro_row *row)
{
    uint64_t spent_us = 0;
    if (!row->begin(row->argument))
        return false;
    const uint64_t before = steps_done;
    while (spent_us < MEASURE_US) {
        prepare(row);
        const uint64_t begin_us = clock_monotonic_us();
        micro_measured(row);
        spent_us += clock_monotonic_us() - begin_us;
    }
    row->end();
    const double count = (double)(steps_done - before) * row->operations;
    (void)printf("%-58s %12.0f /s %12.3f us\n", row->text, count * 1e6 / (double)spent_us,
                 (double)spent_us / count);
    return true;
}

/* One step first that is not counted: it pays for what is done once. */
static bool repeat(const struct micro_row *row, uint64_t steps)
{
    if (!row->begin(row->argument))
        return false;
    prepare(row);
    row->step();
    for (uint64_t i = 0; i < steps; i++) {
        prepare(row);
        micro_measured(row);
    }
    row->end();
    return true;
}

static const struct micro_row *find(const char *id)
{
    for (size_t i = 0; i < GROUP_COUNT; i++)
        for (const struct micro_row *row = groups[i]; row->id != NULL; row++)
            if (strcmp(row->id, id) == 0)
                return row;
    return NULL;
}

static bool measure_all(void)
{
    bool is_good = true;
    for (size_t i = 0; i < GROUP_COUNT; i++)
        for (const struct micro_row *row = groups[i]; row->id != NULL; row++)
            is_good = measure(row) && is_good;
    return is_good;
}

static void list(void)
{
    for (size_t i = 0; i < GROUP_COUNT; i++)
        for (const struct micro_row *row = groups[i]; row->id != NULL; row++)
            (void)printf("%s\t%u\t%s\n", row->id, row->operations, row->text);
}

static int usage(void)
{
    (void)fprintf(stderr, "usage: bench_micro                    all rows, timed\n"
                          "       bench_micro ROW ...            these\n"
                          "       bench_micro --list             names, operations in a step\n"
                          "       bench_micro --steps N ROW      N steps of one, for a tool\n");
    return 2;
}

static int run(int argc, char **argv)
{
    bool is_good = true;
    if (argc == 2 && strcmp(argv[1], "--list") == 0) {
        list();
        return 0;
    }
    const bool has_steps = argc == 4 && strcmp(argv[1], "--steps") == 0;
    char *end = NULL;
    const unsigned long long steps = has_steps ? strtoull(argv[2], &end, 10) : 0;
    if (has_steps && (*end != '\0' || steps == 0))
        return usage();
    for (int i = has_steps ? 3 : 1; i < argc; i++) {
        const struct micro_row *row = find(argv[i]);
        if (row == NULL) {
            (void)fprintf(stderr, "bench_micro: no row '%s'; --list says which there are\n",
                          argv[i]);
            return usage();
        }
        is_good = (has_steps ? repeat(row, steps) : measure(row)) && is_good;
    }
    if (argc == 1)
        is_good = measure_all();
    return is_good ? 0 : 1;
}

int main(int argc, char **argv)
{
    return crypto_init() ? run(argc, argv) : 1;
}
