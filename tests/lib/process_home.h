/*
 * A node's home and data folder from the outside, for the tools of the process tests: the ledger
 * opened as a node opens it, while no node runs. A failure ends the program with a sentence.
 */
#ifndef INGOT_TESTS_PROCESS_HOME_H
#define INGOT_TESTS_PROCESS_HOME_H

#include "config/home.h"
#include "node/ledger.h"

struct process_home {
    struct node_home home;
    struct validator_set *set; /* of genesis */
    struct block *genesis;
    struct ingot_store *store;
    struct ledger *ledger;
    struct ledger_start start;
};

void process_home_open(struct process_home *home, const char *folder);
void process_home_close(struct process_home *home);

/* Prints the sentence and exits with 1. */
void process_fail(const char *format, ...) __attribute__((format(printf, 1, 2), noreturn));

#endif
