/*
 * Nodes as child processes: each is this same program, run as `ingot node`, in a process group of
 * its own, with its logs in a file. They end with their parent, however that ends.
 */
#ifndef INGOT_CLI_CHILDREN_H
#define INGOT_CLI_CHILDREN_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct child {
    pid_t pid; /* 0: not running */
    bool has_ended;
    int wait_status; /* once it has ended, as waitpid() gives it */
};

/* Starts `ingot node --home <home>`, standard error appended to `log`. False with errno. */
bool child_start(struct child *child, const char *home, const char *log);

/* Takes note of children that have ended since; true if any. Does not wait. */
bool children_reap(struct child *children, uint32_t count);

/* "exit status 1", "killed by signal 9"; of one that has ended. */
void child_describe_end(const struct child *child, char *text, uint32_t size);

/* SIGTERM to all, SIGKILL to those that are left after the time; returns when all have ended. */
void children_stop(struct child *children, uint32_t count, uint32_t timeout_ms);

#endif
