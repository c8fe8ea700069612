/*
 * What the tests of the journaled store share: short ways to open it in the folder of
 * lmdb_harness.h, and what a process that is killed leaves of it.
 */
#ifndef INGOT_TESTS_JOURNAL_HARNESS_H
#define INGOT_TESTS_JOURNAL_HARNESS_H

#include "lib/lmdb_harness.h"
#include "storage/journal.h"

/* Of each of the two segments that these options ask for. */
#define JOURNAL_TEST_SEGMENT_BYTES (64 << 10)

/* The folder of the test, with the tables "a" and "b". */
struct ingot_store_journal_options journal_options(void);
/* Without a thread: what is applied, and when, is the test's choice. */
enum ingot_error journal_try_open(struct ingot_store **store);
struct ingot_store *journal_open(void);
struct ingot_store *journal_open_at(const char *folder);
/* Opening fails with this error, and the sentence names the folder and says this. */
void journal_assert_refused(enum ingot_error expected, const char *sentence);

/* The path of the journal of the test's store. */
const char *journal_path(void);
/*
 * A copy of the files as they are now, as a process that was killed now would leave them. Ends with
 * journal_forget_killed, or with the next one.
 */
const char *journal_kill(void);
void journal_forget_killed(void);

/* Changes bytes of a file, or cuts it off. */
void journal_overwrite(const char *path, long at, const void *bytes, size_t size);
void journal_cut(const char *path, long size);

#endif
