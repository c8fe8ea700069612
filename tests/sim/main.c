/*
 * The simulator's command line: one run with its trace, many seeds over several processes, or the
 * runs that were kept.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "sim/kept.h"
#include "sim/many.h"
#include "sim/options.h"
#include "sim/shrink.h"

static const char usage[] =
    "usage: ingot_sim [--seed N | --seeds A..B [--jobs N]] [--changes] [--validators N]\n"
    "                 [--views V] [--dead K] [--no-faults] [--no-byzantine] [--without CLASS,...]\n"
    "                 [--trace] [--failures N] [--keep FOLDER] [--json] [--all-marks]\n"
    "       ingot_sim --kept FOLDER\n"
    "\n"
    "Runs a cluster of real replicas in simulated time. Faults, loads and timing follow from the\n"
    "seed. Checks safety after every step and progress after healing.\n"
    "\n"
    "  --seed N        one run (default 1)\n"
    "  --seeds A..B    all of these\n"
    "  --jobs N        in so many processes (default 1)\n"
    "  --changes       the validator set changes all the time, nodes join with empty disks; loss\n"
    "                  and partition are among the faults of every seed\n"
    "  --validators N  1 to 16 in genesis (default: drawn, mostly 4; with --changes 1 to 10)\n"
    "  --views V       the faults last about so many views (default 100)\n"
    "  --dead K        K validators never run\n"
    "  --no-faults     no faults but those dead\n"
    "  --no-byzantine  nobody lies\n"
    "  --without LIST  none of these classes of faults, or habits of liars, as the summary\n"
    "                  names them\n"
    "  --trace         print what happens\n"
    "  --failures N    stop after so many failing seeds (default 10)\n"
    "  --keep FOLDER   make failing seeds smaller and write them there, a file each\n"
    "  --json          end with a line for programs\n"
    "  --all-marks     fail if a class of faults or a habit was never seen\n"
    "  --kept FOLDER   run all files that --keep has written there\n";

struct arguments {
    struct many_options many;
    bool is_single;
    bool has_json;
    bool wants_all_marks;
    const char *keep; /* or NULL */
    const char *kept; /* or NULL */
};

static int run_one(const struct swarm_options *options)
{
    struct outcome outcome = {0};
    const bool is_right = swarm_run(options, &outcome.result);
    outcome_print(stdout, options, &outcome);
    return is_right ? 0 : 1;
}

static void keep(const struct arguments *arguments, const struct many_failure *failure)
{
    struct swarm_options options = arguments->many.swarm;
    struct outcome outcome = failure->outcome;
    options.seed = failure->seed;
    if (!shrink(&options, &outcome)) {
        printf("seed %llu does not fail alone as it did\n", (unsigned long long)failure->seed);
        return;
    }
    outcome_print(stdout, &options, &outcome);
    if (!kept_write(arguments->keep, &options, &outcome)) {
        (void)fprintf(stderr, "ingot_sim: %s: cannot keep a seed there: %s\n", arguments->keep,
                      strerror(errno));
    }
}

static int run_many(const struct arguments *arguments)
{
    struct many_result *result = alloc_zeroed(1, sizeof *result);
    const double begin = many_seconds_now();
    bool is_right = many_run(&arguments->many, result);
    const double took = many_seconds_now() - begin;
    if (!is_right) {
        (void)fprintf(stderr, "ingot_sim: the workers cannot go on: %s\n", strerror(errno));
    }
    for (uint32_t i = 0; i < result->failure_count && arguments->keep != NULL; i++) {
        keep(arguments, &result->failures[i]);
    }
    summary_print(&result->summary, arguments->many.swarm.changes, took);
    if (arguments->wants_all_marks &&
        summary_print_missing(&result->summary, arguments->many.swarm.changes) > 0) {
        is_right = false;
    }
    is_right = is_right && result->summary.failures == 0;
    if (arguments->has_json) {
        summary_print_json(&result->summary, took);
    }
    free(result);
    return is_right ? 0 : 1;
}

/* --- The command line. --- */

static bool parse_range(const char *text, struct arguments *arguments)
{
    const char *dots = strstr(text, "..");
    char first[24];
    if (dots == NULL || (size_t)(dots - text) >= sizeof first) {
        return false;
    }
    memcpy(first, text, (size_t)(dots - text));
    first[dots - text] = '\0';
    arguments->is_single = false;
    struct many_options *many = &arguments->many;
    return options_number(first, 0, UINT64_MAX - 1, &many->seed_first) &&
           options_number(dots + 2, many->seed_first, UINT64_MAX / 2, &many->seed_last);
}

static bool parse_flag(const char *name, struct arguments *arguments)
{
    if (strcmp(name, "--trace") == 0) {
        arguments->many.swarm.trace = stdout;
    } else if (strcmp(name, "--json") == 0) {
        arguments->has_json = true;
    } else if (strcmp(name, "--all-marks") == 0) {
        arguments->wants_all_marks = true;
    } else {
        return false;
    }
    return true;
}

static bool parse_value(const char *name, const char *value, struct arguments *arguments)
{
    uint64_t number = 0;
    bool is_right = true;
    if (strcmp(name, "--seeds") == 0) {
        is_right = parse_range(value, arguments);
    } else if (strcmp(name, "--jobs") == 0) {
        is_right = options_number(value, 1, MANY_JOBS_MAX, &number);
        arguments->many.jobs = (uint32_t)number;
    } else if (strcmp(name, "--failures") == 0) {
        is_right = options_number(value, 1, MANY_FAILURES_MAX, &number);
        arguments->many.failures_max = (uint32_t)number;
    } else if (strcmp(name, "--keep") == 0) {
        arguments->keep = value;
    } else if (strcmp(name, "--kept") == 0) {
        arguments->kept = value;
    } else {
        is_right = false;
    }
    return is_right;
}

/* How many words it took; 0: they cannot be used. */
static int parse_word(const char *name, const char *value, struct arguments *arguments)
{
    if (parse_flag(name, arguments)) {
        return 1;
    }
    if (value != NULL && parse_value(name, value, arguments)) {
        return 2;
    }
    return options_take(&arguments->many.swarm, name, value);
}

static bool parse(int count, char **words, struct arguments *arguments)
{
    for (int i = 1; i < count;) {
        const char *value = i + 1 < count ? words[i + 1] : NULL;
        const int taken = parse_word(words[i], value, arguments);
        if (taken == 0) {
            (void)fprintf(stderr, "ingot_sim: cannot use '%s'%s%s\n", words[i],
                          value == NULL ? "" : " with ", value == NULL ? "" : value);
            return false;
        }
        i += taken;
    }
    return true;
}

int main(int argc, char **argv)
{
    struct arguments arguments = {
        .many = {.swarm = options_default(), .jobs = 1, .failures_max = 10}, .is_single = true};
    if (argc == 2 && strcmp(argv[1], "--help") == 0) {
        (void)fputs(usage, stdout);
        return 0;
    }
    if (!parse(argc, argv, &arguments)) {
        (void)fputs(usage, stderr);
        return 2;
    }
    if (arguments.kept != NULL) {
        return kept_run_all(arguments.kept) ? 0 : 1;
    }
    return arguments.is_single ? run_one(&arguments.many.swarm) : run_many(&arguments);
}
