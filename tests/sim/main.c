/*
 * The simulator's command line: one seed with its trace, or many seeds over several processes.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/hex.h"
#include "sim/swarm.h"

static const char usage[] =
    "usage: ingot_sim [--seed N | --seeds A..B [--jobs N]] [--changes] [--validators N]\n"
    "                 [--views V] [--dead K] [--no-faults] [--no-byzantine] [--trace]\n"
    "\n"
    "Runs a cluster of real replicas in simulated time. Faults, loads and timing follow from the\n"
    "seed. Checks safety after every step and progress after healing.\n"
    "\n"
    "  --seed N        one run (default 1)\n"
    "  --seeds A..B    all of these\n"
    "  --jobs N        in so many processes (default 1)\n"
    "  --changes       the validator set changes all the time, nodes join with empty disks; loss\n"
    "                  and partition are among the faults of every seed\n"
    "  --validators N  1 to 16 in genesis (default 4; with --changes drawn, 1 to 10)\n"
    "  --views V       the faults last about so many views (default 100)\n"
    "  --dead K        K validators never run\n"
    "  --no-faults     no faults but those dead\n"
    "  --no-byzantine  nobody lies\n"
    "  --trace         print what happens\n";

struct arguments {
    struct swarm_options swarm;
    uint64_t seed_first;
    uint64_t seed_last;
    uint64_t jobs;
    bool is_single;
};

/* What a worker reports of its share. */
struct share {
    uint64_t seeds;
    uint64_t failures;
    uint64_t views;
    uint64_t blocks;
    uint64_t transactions;
    uint64_t crashes;
    uint64_t views_after_healing_max;
    uint64_t marks[CLUSTER_FAULTS];
    uint64_t marked_seeds[CLUSTER_FAULTS];
    uint64_t joined;
    uint64_t changes[SWARM_CHANGES];
    uint64_t interrupted[SWARM_STEPS];
    uint64_t members_min;
    uint64_t members_max;
};

static uint64_t minimum(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

static uint64_t maximum(uint64_t a, uint64_t b)
{
    return a > b ? a : b;
}

static void print_command(const struct swarm_options *options)
{
    printf("to see it again: ./dev sim --seed %" PRIu64 " --views %" PRIu64 "%s", options->seed,
           options->views, options->changes ? " --changes" : "");
    if (options->validators != 0) {
        printf(" --validators %u", options->validators);
    }
    if (options->dead != SWARM_DEAD_DRAWN) {
        printf(" --dead %u", options->dead);
    }
    printf("%s%s\n", options->no_faults ? " --no-faults" : "",
           options->no_byzantine ? " --no-byzantine" : "");
}

static void print_result(const struct swarm_options *options, const struct swarm_result *result)
{
    char hash[2 * INGOT_HASH_BYTES + 1];
    hex_encode_lower(result->trace_hash.bytes, INGOT_HASH_BYTES, hash);
    if (result->violated != CHECK_NONE) {
        printf("seed %" PRIu64 ": VIOLATED: %s\n  %s\n", options->seed,
               check_text(result->violated), result->violation);
    }
    printf("seed %" PRIu64 ": %u validators, %u dead, %u Byzantine, views %" PRIu64
           ", height %" PRIu64 ", transactions %" PRIu64 ", frames %" PRIu64 ", timeouts %" PRIu64
           ", crashes %" PRIu64 ", %" PRIu64 " ms, new block %" PRIu64
           " views after healing (at most %" PRIu64 ")\n",
           options->seed, result->validators, result->dead, result->byzantine, result->views,
           result->height, result->transactions, result->frames, result->timeouts, result->crashes,
           result->simulated_ms, result->views_after_healing, result->views_bound);
    if (options->changes) {
        uint64_t changes = 0;
        for (uint32_t i = 0; i < SWARM_RETURNS; i++) {
            changes += result->changes[i];
        }
        printf("  %" PRIu64 " changes of the set, %u to %u members, %u observers at first\n",
               changes, result->members_min, result->members_max, result->observers);
    }
    printf("trace %s\n", hash);
    if (result->violated != CHECK_NONE) {
        print_command(options);
    }
    (void)fflush(stdout);
}

static void add_result(struct share *share, const struct swarm_result *result)
{
    share->seeds++;
    share->failures += result->violated != CHECK_NONE;
    share->views += result->views;
    share->blocks += result->height;
    share->transactions += result->transactions;
    share->crashes += result->crashes;
    for (uint32_t i = 0; i < CLUSTER_FAULTS; i++) {
        share->marks[i] += result->marks[i];
        share->marked_seeds[i] += result->marks[i] > 0;
    }
    share->joined += result->joined;
    for (uint32_t i = 0; i < SWARM_CHANGES; i++) {
        share->changes[i] += result->changes[i];
    }
    for (uint32_t i = 0; i < SWARM_STEPS; i++) {
        share->interrupted[i] += result->interrupted[i];
    }
    share->views_after_healing_max =
        maximum(share->views_after_healing_max, result->views_after_healing);
    share->members_min = minimum(share->members_min, result->members_min);
    share->members_max = maximum(share->members_max, result->members_max);
}

/* Every jobs-th seed from the first on. A failure is printed and ends the share. */
static struct share run_share(const struct arguments *arguments, uint64_t worker)
{
    struct share share = {.members_min = CHECKS_NODES_MAX};
    struct swarm_options options = arguments->swarm;
    for (uint64_t seed = arguments->seed_first + worker; seed <= arguments->seed_last;
         seed += arguments->jobs) {
        struct swarm_result result;
        options.seed = seed;
        const bool is_right = swarm_run(&options, &result);
        add_result(&share, &result);
        if (!is_right || arguments->is_single) {
            print_result(&options, &result);
        }
        if (!is_right) {
            break;
        }
    }
    return share;
}

static void add_share(struct share *sum, const struct share *share)
{
    sum->seeds += share->seeds;
    sum->failures += share->failures;
    sum->views += share->views;
    sum->blocks += share->blocks;
    sum->transactions += share->transactions;
    sum->crashes += share->crashes;
    for (uint32_t i = 0; i < CLUSTER_FAULTS; i++) {
        sum->marks[i] += share->marks[i];
        sum->marked_seeds[i] += share->marked_seeds[i];
    }
    sum->joined += share->joined;
    for (uint32_t i = 0; i < SWARM_CHANGES; i++) {
        sum->changes[i] += share->changes[i];
    }
    for (uint32_t i = 0; i < SWARM_STEPS; i++) {
        sum->interrupted[i] += share->interrupted[i];
    }
    sum->views_after_healing_max =
        maximum(sum->views_after_healing_max, share->views_after_healing_max);
    sum->members_min = minimum(sum->members_min, share->members_min);
    sum->members_max = maximum(sum->members_max, share->members_max);
}

/* False if the worker could not be started. Its report comes through the pipe. */
static bool start_worker(const struct arguments *arguments, uint64_t worker, const int channel[2])
{
    const pid_t pid = fork();
    if (pid != 0) {
        return pid > 0;
    }
    (void)close(channel[0]);
    const struct share share = run_share(arguments, worker);
    const bool is_written = write(channel[1], &share, sizeof share) == (ssize_t)sizeof share;
    _exit(is_written ? 0 : 1);
}

static bool run_many(const struct arguments *arguments, struct share *sum)
{
    int channel[2];
    if (pipe(channel) != 0) {
        perror("ingot_sim: pipe");
        return false;
    }
    uint64_t started = 0;
    while (started < arguments->jobs && start_worker(arguments, started, channel)) {
        started++;
    }
    (void)close(channel[1]);
    struct share share;
    uint64_t reports = 0;
    while (read(channel[0], &share, sizeof share) == (ssize_t)sizeof share) {
        add_share(sum, &share);
        reports++;
    }
    (void)close(channel[0]);
    bool is_complete = started == arguments->jobs && reports == started;
    for (uint64_t i = 0; i < started; i++) {
        int status = 0;
        is_complete =
            wait(&status) > 0 && WIFEXITED(status) && WEXITSTATUS(status) == 0 && is_complete;
    }
    if (!is_complete) {
        printf("ingot_sim: a worker died; run its seeds one by one to see which\n");
    }
    return is_complete;
}

static double seconds_now(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static void print_changes(const struct share *sum)
{
    uint64_t changes = 0;
    for (uint32_t i = 0; i < SWARM_RETURNS; i++) {
        changes += sum->changes[i];
    }
    printf("%" PRIu64 " changes of the set committed, %" PRIu64 " to %" PRIu64 " members:", changes,
           sum->members_min, sum->members_max);
    for (uint32_t i = 0; i < SWARM_CHANGES; i++) {
        printf("%s %s %" PRIu64, i == 0 ? "" : ",", swarm_change_texts[i], sum->changes[i]);
    }
    printf("\n%" PRIu64 " nodes joined with empty disks; interrupted at:", sum->joined);
    for (uint32_t i = 0; i < SWARM_STEPS; i++) {
        printf("%s %s %" PRIu64, i == 0 ? "" : ",", swarm_step_texts[i], sum->interrupted[i]);
    }
    printf("\n");
}

static void print_sum(const struct arguments *arguments, const struct share *sum, double took)
{
    printf("%" PRIu64 " seeds, %" PRIu64 " to %" PRIu64 " validators, %" PRIu64 " failed: %" PRIu64
           " views, %" PRIu64 " blocks and %" PRIu64 " transactions committed, %" PRIu64
           " crashes; a new block at most %" PRIu64 " views after healing; %.1f s, %.0f views/s\n",
           sum->seeds, sum->members_min, sum->members_max, sum->failures, sum->views, sum->blocks,
           sum->transactions, sum->crashes, sum->views_after_healing_max, took,
           (double)sum->views / took);
    printf("by fault class:");
    for (uint32_t i = 0; i < CLUSTER_FAULTS; i++) {
        printf("%s %s %" PRIu64 " (%" PRIu64 ")", i == 0 ? "" : ",", cluster_fault_texts[i],
               sum->marks[i], sum->marked_seeds[i]);
    }
    printf("\n");
    if (arguments->swarm.changes) {
        print_changes(sum);
    }
}

static int run(const struct arguments *arguments)
{
    struct share sum = {.members_min = CHECKS_NODES_MAX};
    const double begin = seconds_now();
    bool is_complete = true;
    if (arguments->is_single || arguments->jobs == 1) {
        sum = run_share(arguments, 0);
    } else {
        is_complete = run_many(arguments, &sum);
    }
    const double took = seconds_now() - begin;
    if (!arguments->is_single) {
        print_sum(arguments, &sum, took);
    }
    return is_complete && sum.failures == 0 ? 0 : 1;
}

/* --- The command line. --- */

static bool parse_number(const char *text, uint64_t low, uint64_t high, uint64_t *number)
{
    char *end = NULL;
    errno = 0;
    const unsigned long long value = strtoull(text, &end, 10);
    if (errno != 0 || end == text || *end != '\0' || *text == '-' || value < low || value > high) {
        return false;
    }
    *number = value;
    return true;
}

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
    return parse_number(first, 0, UINT64_MAX - 1, &arguments->seed_first) &&
           parse_number(dots + 2, arguments->seed_first, UINT64_MAX - 1, &arguments->seed_last);
}

static bool parse_value(const char *name, const char *value, struct arguments *arguments)
{
    struct swarm_options *swarm = &arguments->swarm;
    uint64_t number = 0;
    bool is_right = false;
    if (strcmp(name, "--seed") == 0) {
        is_right = parse_number(value, 0, UINT64_MAX - 1, &arguments->seed_first);
        arguments->seed_last = arguments->seed_first;
    } else if (strcmp(name, "--seeds") == 0) {
        is_right = parse_range(value, arguments);
    } else if (strcmp(name, "--jobs") == 0) {
        is_right = parse_number(value, 1, 256, &arguments->jobs);
    } else if (strcmp(name, "--validators") == 0) {
        is_right = parse_number(value, 1, CHECKS_NODES_MAX, &number);
        swarm->validators = (uint32_t)number;
    } else if (strcmp(name, "--views") == 0) {
        is_right = parse_number(value, 1, 100000000, &swarm->views);
    } else if (strcmp(name, "--dead") == 0) {
        is_right = parse_number(value, 0, CHECKS_NODES_MAX, &number);
        swarm->dead = (uint32_t)number;
    }
    return is_right;
}

static bool parse(int count, char **words, struct arguments *arguments)
{
    for (int i = 1; i < count; i++) {
        if (strcmp(words[i], "--no-faults") == 0) {
            arguments->swarm.no_faults = true;
        } else if (strcmp(words[i], "--no-byzantine") == 0) {
            arguments->swarm.no_byzantine = true;
        } else if (strcmp(words[i], "--changes") == 0) {
            arguments->swarm.changes = true;
        } else if (strcmp(words[i], "--trace") == 0) {
            arguments->swarm.trace = stdout;
        } else if (i + 1 == count || !parse_value(words[i], words[i + 1], arguments)) {
            (void)fprintf(stderr, "ingot_sim: cannot use '%s'%s%s\n", words[i],
                          i + 1 == count ? "" : " with ", i + 1 == count ? "" : words[i + 1]);
            return false;
        } else {
            i++;
        }
    }
    return true;
}

int main(int argc, char **argv)
{
    struct arguments arguments = {.swarm = {.views = 100, .dead = SWARM_DEAD_DRAWN},
                                  .seed_first = 1,
                                  .seed_last = 1,
                                  .jobs = 1,
                                  .is_single = true};
    if (argc == 2 && strcmp(argv[1], "--help") == 0) {
        (void)fputs(usage, stdout);
        return 0;
    }
    if (!parse(argc, argv, &arguments)) {
        (void)fputs(usage, stderr);
        return 2;
    }
    return run(&arguments);
}
