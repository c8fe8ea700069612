/*
 * What the program's exit status says. Service managers and scripts act on it, so a number never
 * changes its meaning.
 */
#ifndef INGOT_CLI_EXIT_H
#define INGOT_CLI_EXIT_H

enum exit_code {
    EXIT_CODE_OK = 0,
    EXIT_CODE_FAILURE = 1,     /* it could not be done; the message says why */
    EXIT_CODE_USAGE = 2,       /* wrong command line, or wrong or missing configuration */
    EXIT_CODE_DAMAGED = 3,     /* stored data is damaged, or of a version that is not known */
    EXIT_CODE_LOCKED = 4,      /* another process holds the data folder */
    EXIT_CODE_NOT_DURABLE = 5, /* a durable write failed; start again to see what is on disk */
    EXIT_CODE_SAFETY_STOP = 6  /* going on could break an agreement that was reported as final */
};

#endif
