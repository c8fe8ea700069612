/*
 * LMDB trusts its pages. One that the disk has damaged can make it follow a number to nowhere, and
 * that kills the process before anything can be said. Here the process still dies, but with words
 * and a status of its own.
 */
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "storage/lmdb_internal.h"

/* The store that this thread's call into LMDB is about. */
static _Thread_local const struct lmdb_store *volatile current;

static int exit_status;
static struct sigaction before_segv;
static struct sigaction before_bus;

void lmdb_guard_enter(const struct lmdb_store *store)
{
    current = store;
}

void lmdb_guard_leave(void)
{
    current = NULL;
}

static void say(const char *text)
{
    const ssize_t written = write(STDERR_FILENO, text, strlen(text));
    (void)written; /* there is nobody else to tell */
}

/* Only calls that POSIX allows in a signal handler. */
static void fault(int number)
{
    const struct lmdb_store *store = current;
    if (store == NULL) {
        /* Not LMDB's: the instruction runs again, and what it does is whoever's was first. */
        (void)sigaction(number, number == SIGSEGV ? &before_segv : &before_bus, NULL);
        return;
    }
    say(store->folder.path);
    say("/data.mdb: damaged: a page of it leads outside of the file\n");
    _exit(exit_status);
}

void store_lmdb_catch_damage(int status)
{
    struct sigaction action = {.sa_handler = fault};
    (void)sigemptyset(&action.sa_mask);
    exit_status = status;
    (void)sigaction(SIGSEGV, &action, &before_segv);
    (void)sigaction(SIGBUS, &action, &before_bus);
}
