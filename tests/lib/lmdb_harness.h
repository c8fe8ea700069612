/*
 * What the tests of the store on disk share: a data folder for each test, short ways to open it,
 * and other processes that open it too.
 */
#ifndef INGOT_TESTS_LMDB_HARNESS_H
#define INGOT_TESTS_LMDB_HARNESS_H

#include <sys/types.h>

#include <ingot/store.h>

#include "storage/lmdb.h"

/* Of the test that runs; the folder does not exist yet when the test starts. */
extern char lmdb_folder[64];
/* What the last opening that failed said. */
extern char lmdb_why[256];

/* For cmocka. */
int lmdb_set_up(void **state);
int lmdb_tear_down(void **state);

/* The folder of the test, with the tables "a" and "b". */
struct ingot_store_lmdb_options lmdb_options(void);
enum ingot_error lmdb_try_open(const struct ingot_store_lmdb_options *options,
                               struct ingot_store **store);
struct ingot_store *lmdb_open_with(const struct ingot_store_lmdb_options *options);
struct ingot_store *lmdb_open(void);
/* One batch with one value in the first table. */
enum ingot_error lmdb_put(struct ingot_store *store, const char *key, struct ingot_slice value);
struct store_lmdb_stats lmdb_stats(struct ingot_store *store);
/* Opening fails with this error, and the sentence names the folder and says this. */
void lmdb_assert_refused(const struct ingot_store_lmdb_options *options, enum ingot_error expected,
                         const char *sentence);

/* A process of its own that runs `body` once told to by a byte; its exit status is the answer. */
struct other_process {
    pid_t pid;
    int go;    /* write a byte: run */
    int ready; /* read a byte: the body has got so far */
};

struct other_process other_start(int (*body)(int ready));
/* Lets the body run. */
void other_tell(const struct other_process *other);
void other_await(const struct other_process *other);
/* Its exit status; minus the signal that ended it. */
int other_end(const struct other_process *other);

#endif
