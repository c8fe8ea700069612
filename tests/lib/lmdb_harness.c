/*
 * The bodies of lmdb_harness.h.
 */
#include "lib/lmdb_harness.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include <sys/wait.h>
#include <unistd.h>

#include "lib/storage_test.h"

static const char *const table_names[] = {"a", "b"};

char lmdb_folder[64];
char lmdb_why[256];

int lmdb_set_up(void **state)
{
    (void)state;
    lmdb_why[0] = '\0';
    storage_test_folder(lmdb_folder, sizeof lmdb_folder);
    return 0;
}

int lmdb_tear_down(void **state)
{
    (void)state;
    storage_test_remove(lmdb_folder);
    return 0;
}

struct ingot_store_lmdb_options lmdb_options(void)
{
    return (struct ingot_store_lmdb_options){
        .folder = lmdb_folder, .tables = table_names, .table_count = 2};
}

enum ingot_error lmdb_try_open(const struct ingot_store_lmdb_options *options,
                               struct ingot_store **store)
{
    return ingot_store_lmdb_open(options, store, lmdb_why, sizeof lmdb_why);
}

struct ingot_store *lmdb_open_with(const struct ingot_store_lmdb_options *options)
{
    struct ingot_store *store = NULL;
    if (lmdb_try_open(options, &store) != INGOT_OK)
        fail_msg("%s", lmdb_why);
    return store;
}

struct ingot_store *lmdb_open(void)
{
    struct ingot_store_lmdb_options options = lmdb_options();
    return lmdb_open_with(&options);
}

enum ingot_error lmdb_put(struct ingot_store *store, const char *key, struct ingot_slice value)
{
    struct ingot_store_batch *batch = ingot_store_batch_begin(store);
    ingot_store_batch_put(batch, 0, text(key), value);
    return ingot_store_batch_commit(batch);
}

struct store_lmdb_stats lmdb_stats(struct ingot_store *store)
{
    struct store_lmdb_stats stats;
    store_lmdb_get_stats(store, &stats);
    return stats;
}

/* Opening fails with this error, and the sentence names the folder and says this. */
void lmdb_assert_refused(const struct ingot_store_lmdb_options *options, enum ingot_error expected,
                         const char *sentence)
{
    struct ingot_store *store = NULL;
    assert_int_equal(lmdb_try_open(options, &store), expected);
    assert_null(store);
    assert_non_null(strstr(lmdb_why, lmdb_folder));
    if (strstr(lmdb_why, sentence) == NULL)
        fail_msg("'%s' does not say '%s'", lmdb_why, sentence);
}

struct other_process other_start(int (*body)(int ready))
{
    int go[2];
    int ready[2];
    assert_int_equal(pipe(go), 0);
    assert_int_equal(pipe(ready), 0);
    struct other_process other = {.pid = fork(), .go = go[1], .ready = ready[0]};
    assert_true(other.pid >= 0);
    if (other.pid == 0) {
        char byte = 0;
        close(go[1]);
        close(ready[0]);
        _exit(read(go[0], &byte, 1) == 1 ? body(ready[1]) : 99);
    }
    close(go[0]);
    close(ready[1]);
    return other;
}

void other_tell(const struct other_process *other)
{
    assert_int_equal(write(other->go, "g", 1), 1);
}

void other_await(const struct other_process *other)
{
    char byte = 0;
    assert_int_equal(read(other->ready, &byte, 1), 1);
}

int other_end(const struct other_process *other)
{
    int status = 0;
    assert_int_equal(waitpid(other->pid, &status, 0), other->pid);
    close(other->go);
    close(other->ready);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}
