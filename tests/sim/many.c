/*
 * Many runs. See many.h.
 *
 * A worker runs every jobs-th seed and says before each one which it is, and afterwards what came
 * of it, in pieces that a pipe takes whole. If it dies, the seed that it was at has failed, and
 * another worker takes its place behind that seed.
 */
#include "sim/many.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define PROGRESS_SECONDS 5
#define POLL_MS 100

enum report_kind { REPORT_BEGINS, REPORT_ENDED, REPORT_LEAVES };

struct report {
    enum report_kind kind;
    uint32_t worker;
    uint64_t seed;
    struct outcome outcome; /* of REPORT_ENDED */
};

static_assert(sizeof(struct report) <= PIPE_BUF, "a report is written whole or not at all");

struct worker {
    pid_t pid; /* 0: gone */
    bool is_running;
    uint64_t seed; /* that it runs */
};

struct many {
    const struct many_options *options;
    struct many_result *result;
    int channel[2];
    struct worker workers[MANY_JOBS_MAX];
    uint32_t alive;
    double begin;
    double told;
};

double many_seconds_now(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

/* --- The worker's side. --- */

static bool report(int channel, const struct report *report)
{
    return write(channel, report, sizeof *report) == (ssize_t)sizeof *report;
}

static bool work(const struct many_options *options, uint32_t index, uint64_t first, int channel)
{
    struct swarm_options swarm = options->swarm;
    struct report now = {.worker = index};
    for (uint64_t seed = first; seed <= options->seed_last; seed += options->jobs) {
        now.seed = seed;
        now.kind = REPORT_BEGINS;
        if (!report(channel, &now)) {
            return false;
        }
        swarm.seed = seed;
        (void)swarm_run(&swarm, &now.outcome.result);
        now.kind = REPORT_ENDED;
        if (!report(channel, &now)) {
            return false;
        }
    }
    now.kind = REPORT_LEAVES;
    return report(channel, &now);
}

/* --- Whoever waits for them. --- */

static bool start_worker(struct many *many, uint32_t index, uint64_t first)
{
    (void)fflush(stdout);
    const pid_t pid = fork();
    if (pid < 0) {
        return false;
    }
    if (pid == 0) {
        (void)close(many->channel[0]);
        _exit(work(many->options, index, first, many->channel[1]) ? 0 : 1);
    }
    many->workers[index] = (struct worker){.pid = pid};
    many->alive++;
    return true;
}

static void take_outcome(struct many *many, uint64_t seed, const struct outcome *outcome)
{
    struct many_result *result = many->result;
    summary_add(&result->summary, outcome);
    if (outcome_has_failed(outcome) && result->failure_count < MANY_FAILURES_MAX) {
        result->failures[result->failure_count++] =
            (struct many_failure){.seed = seed, .outcome = *outcome};
        struct swarm_options options = many->options->swarm;
        options.seed = seed;
        outcome_print(stdout, &options, outcome);
    }
}

static void take_report(struct many *many, const struct report *report)
{
    struct worker *worker = &many->workers[report->worker];
    switch (report->kind) {
    case REPORT_BEGINS:
        worker->is_running = true;
        worker->seed = report->seed;
        break;
    case REPORT_ENDED:
        worker->is_running = false;
        take_outcome(many, report->seed, &report->outcome);
        break;
    case REPORT_LEAVES:
        (void)waitpid(worker->pid, NULL, 0);
        worker->pid = 0;
        many->alive--;
        break;
    }
}

/* Nothing is left in the pipe: whoever is gone has not said that it leaves. */
static bool take_deaths(struct many *many)
{
    for (uint32_t i = 0; i < many->options->jobs; i++) {
        struct worker *worker = &many->workers[i];
        int status = 0;
        if (worker->pid == 0 || waitpid(worker->pid, &status, WNOHANG) != worker->pid) {
            continue;
        }
        worker->pid = 0;
        many->alive--;
        if (!worker->is_running) {
            return false;
        }
        const struct outcome outcome = {.has_died = true,
                                        .signal = WIFSIGNALED(status) ? WTERMSIG(status) : 0};
        const uint64_t next = worker->seed + many->options->jobs;
        take_outcome(many, worker->seed, &outcome);
        if (next <= many->options->seed_last && !start_worker(many, i, next)) {
            return false;
        }
    }
    return true;
}

static void tell_progress(struct many *many)
{
    const struct many_options *options = many->options;
    const struct summary *summary = &many->result->summary;
    const double now = many_seconds_now();
    if (now - many->told < PROGRESS_SECONDS) {
        return;
    }
    many->told = now;
    (void)fprintf(stderr,
                  "%" PRIu64 " of %" PRIu64 " seeds, %" PRIu64 " views, %.0f views/s, %" PRIu64
                  " failed\n",
                  summary->seeds, options->seed_last - options->seed_first + 1, summary->views,
                  (double)summary->views / (now - many->begin), summary->failures);
}

/* False: the pipe is broken, or a worker has died of something else than its seed. */
static bool listen_to_all(struct many *many)
{
    struct pollfd channel = {.fd = many->channel[0], .events = POLLIN};
    while (many->alive > 0 && many->result->failure_count < many->options->failures_max) {
        const int ready = poll(&channel, 1, POLL_MS);
        if (ready < 0 && errno != EINTR) {
            return false;
        }
        if (ready > 0) {
            struct report report;
            if (read(channel.fd, &report, sizeof report) != (ssize_t)sizeof report) {
                return false;
            }
            take_report(many, &report);
        } else if (!take_deaths(many)) {
            return false;
        }
        tell_progress(many);
    }
    return true;
}

static void end_workers(struct many *many)
{
    for (uint32_t i = 0; i < many->options->jobs; i++) {
        if (many->workers[i].pid > 0) {
            (void)kill(many->workers[i].pid, SIGKILL);
            (void)waitpid(many->workers[i].pid, NULL, 0);
        }
    }
}

bool many_run(const struct many_options *options, struct many_result *result)
{
    memset(result, 0, sizeof *result);
    struct many many = {.options = options, .result = result};
    many.begin = many_seconds_now();
    many.told = many.begin;
    if (pipe(many.channel) != 0) {
        return false;
    }
    bool is_right = true;
    for (uint32_t i = 0; i < options->jobs && is_right; i++) {
        if (options->seed_first + i <= options->seed_last) {
            is_right = start_worker(&many, i, options->seed_first + i);
        }
    }
    is_right = is_right && listen_to_all(&many);
    const int error = errno;
    end_workers(&many);
    (void)close(many.channel[0]);
    (void)close(many.channel[1]);
    errno = error;
    return is_right;
}

bool many_run_apart(const struct swarm_options *options, uint32_t seconds_max,
                    struct outcome *outcome)
{
    int channel[2];
    (void)fflush(stdout);
    if (pipe(channel) != 0) {
        return false;
    }
    const pid_t pid = fork();
    if (pid == 0) {
        (void)alarm(seconds_max);
        struct outcome mine = {0};
        (void)swarm_run(options, &mine.result);
        _exit(write(channel[1], &mine, sizeof mine) == (ssize_t)sizeof mine ? 0 : 1);
    }
    (void)close(channel[1]);
    memset(outcome, 0, sizeof *outcome);
    const bool has_spoken =
        pid > 0 && read(channel[0], outcome, sizeof *outcome) == (ssize_t)sizeof *outcome;
    (void)close(channel[0]);
    int status = 0;
    if (pid < 0 || waitpid(pid, &status, 0) != pid) {
        return false;
    }
    if (!has_spoken) {
        *outcome = (struct outcome){.has_died = true,
                                    .signal = WIFSIGNALED(status) ? WTERMSIG(status) : 0};
    }
    return true;
}
