/*
 * Starts and ends nodes as child processes. It knows nothing of what they say.
 */
#include "cli/children.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"

/* In the child: only calls that are safe between fork and exec. */
static _Noreturn void become_node(const char *home, int log, pid_t parent)
{
    static const char program[] = "/proc/self/exe";
    sigset_t none;
    (void)sigemptyset(&none);
    (void)sigprocmask(SIG_SETMASK, &none, NULL);
    /* A Ctrl-C is the parent's to handle: it ends the children in order. */
    (void)setpgid(0, 0);
    (void)prctl(PR_SET_PDEATHSIG, SIGTERM);
    int nothing = open("/dev/null", O_RDONLY | O_CLOEXEC);
    if (getppid() == parent && nothing >= 0 && dup2(nothing, STDIN_FILENO) >= 0 &&
        dup2(log, STDOUT_FILENO) >= 0 && dup2(log, STDERR_FILENO) >= 0) {
        (void)execl(program, "ingot", "node", "--home", home, (char *)NULL);
    }
    _exit(127);
}

bool child_start(struct child *child, const char *home, const char *log)
{
    *child = (struct child){.pid = 0};
    int file = open(log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
    if (file < 0)
        return false;
    pid_t parent = getpid();
    pid_t pid = fork();
    if (pid == 0)
        become_node(home, file, parent);
    int number = errno;
    (void)close(file);
    errno = number;
    if (pid < 0)
        return false;
    child->pid = pid;
    return true;
}

bool children_reap(struct child *children, uint32_t count)
{
    bool any = false;
    for (uint32_t i = 0; i < count; i++) {
        struct child *child = &children[i];
        if (child->pid != 0 && waitpid(child->pid, &child->wait_status, WNOHANG) == child->pid) {
            child->pid = 0;
            child->has_ended = true;
            any = true;
        }
    }
    return any;
}

void child_describe_end(const struct child *child, char *text, uint32_t size)
{
    if (WIFSIGNALED(child->wait_status))
        (void)snprintf(text, size, "killed by signal %d", WTERMSIG(child->wait_status));
    else
        (void)snprintf(text, size, "exit status %d", WEXITSTATUS(child->wait_status));
}

static void signal_all(const struct child *children, uint32_t count, int number)
{
    for (uint32_t i = 0; i < count; i++)
        if (children[i].pid != 0)
            (void)kill(children[i].pid, number);
}

static bool any_runs(const struct child *children, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++)
        if (children[i].pid != 0)
            return true;
    return false;
}

void children_stop(struct child *children, uint32_t count, uint32_t timeout_ms)
{
    static const struct timespec pause = {.tv_nsec = 10 * 1000 * 1000};
    uint64_t deadline_us = clock_monotonic_us() + (uint64_t)timeout_ms * 1000;
    signal_all(children, count, SIGTERM);
    /* One that is stopped can only end once it goes on. */
    signal_all(children, count, SIGCONT);
    bool is_killed = false;
    while (any_runs(children, count)) {
        (void)children_reap(children, count);
        if (!is_killed && clock_monotonic_us() >= deadline_us) {
            signal_all(children, count, SIGKILL);
            is_killed = true;
        }
        if (any_runs(children, count))
            (void)nanosleep(&pause, NULL);
    }
}
