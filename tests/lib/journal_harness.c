/*
 * The bodies of journal_harness.h.
 */
#include "lib/journal_harness.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include <sys/stat.h>
#include <unistd.h>

#include "lib/storage_test.h"

static char killed_folder[80];
static char path[80];

struct ingot_store_journal_options journal_options(void)
{
    return (struct ingot_store_journal_options){.lmdb = lmdb_options(),
                                                .segment_bytes = JOURNAL_TEST_SEGMENT_BYTES};
}

enum ingot_error journal_try_open(struct ingot_store **store)
{
    const struct ingot_store_journal_options options = journal_options();
    return store_journal_open_without_worker(&options, store, lmdb_why, sizeof lmdb_why);
}

struct ingot_store *journal_open_at(const char *folder)
{
    struct ingot_store_journal_options options = journal_options();
    struct ingot_store *store = NULL;
    options.lmdb.folder = folder;
    if (store_journal_open_without_worker(&options, &store, lmdb_why, sizeof lmdb_why) != INGOT_OK)
        fail_msg("%s", lmdb_why);
    return store;
}

struct ingot_store *journal_open(void)
{
    return journal_open_at(lmdb_folder);
}

void journal_assert_refused(enum ingot_error expected, const char *sentence)
{
    struct ingot_store *store = NULL;
    assert_int_equal(journal_try_open(&store), expected);
    assert_null(store);
    assert_non_null(strstr(lmdb_why, lmdb_folder));
    if (strstr(lmdb_why, sentence) == NULL)
        fail_msg("'%s' does not say '%s'", lmdb_why, sentence);
}

const char *journal_path(void)
{
    snprintf(path, sizeof path, "%s/journal", lmdb_folder);
    return path;
}

static void copy_file(const char *name)
{
    char from[96];
    char to[96];
    static uint8_t bytes[64 << 10];
    snprintf(from, sizeof from, "%s/%s", lmdb_folder, name);
    snprintf(to, sizeof to, "%s/%s", killed_folder, name);
    FILE *in = fopen(from, "rb");
    if (in == NULL)
        return; /* there is no journal before the first batch */
    FILE *out = fopen(to, "wb");
    assert_non_null(out);
    for (size_t got = fread(bytes, 1, sizeof bytes, in); got > 0;
         got = fread(bytes, 1, sizeof bytes, in))
        assert_int_equal(fwrite(bytes, 1, got, out), got);
    assert_int_equal(fclose(in), 0);
    assert_int_equal(fclose(out), 0);
}

const char *journal_kill(void)
{
    journal_forget_killed();
    snprintf(killed_folder, sizeof killed_folder, "%s.killed", lmdb_folder);
    assert_int_equal(mkdir(killed_folder, 0700), 0);
    copy_file("data.mdb");
    copy_file("journal");
    return killed_folder;
}

void journal_forget_killed(void)
{
    if (killed_folder[0] != '\0') {
        storage_test_remove_files(killed_folder);
        (void)rmdir(killed_folder);
        killed_folder[0] = '\0';
    }
}

void journal_overwrite(const char *file_path, long at, const void *bytes, size_t size)
{
    FILE *file = fopen(file_path, "r+b");
    assert_non_null(file);
    assert_int_equal(fseek(file, at, SEEK_SET), 0);
    assert_int_equal(fwrite(bytes, 1, size, file), size);
    assert_int_equal(fclose(file), 0);
}

void journal_cut(const char *file_path, long size)
{
    assert_int_equal(truncate(file_path, size), 0);
}
