/*
 * What the tests of the stores share: folders that go away again, and short ways to say what a
 * store is expected to hold. Include after cmocka.h.
 */
#ifndef INGOT_TESTS_STORAGE_TEST_H
#define INGOT_TESTS_STORAGE_TEST_H

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <ingot/store.h>

/* A path that does not exist yet, in a new folder of its own under TMPDIR or /tmp. */
static inline void storage_test_folder(char *path, size_t size)
{
    const char *base = getenv("TMPDIR");
    char made[48];
    if (base == NULL || strlen(base) > 24)
        base = "/tmp";
    snprintf(made, sizeof made, "%s/ingot-XXXXXX", base);
    assert_non_null(mkdtemp(made));
    snprintf(path, size, "%s/data", made);
}

static inline void storage_test_remove_files(const char *folder)
{
    DIR *open = opendir(folder);
    if (open == NULL)
        return;
    for (struct dirent *entry = readdir(open); entry != NULL; entry = readdir(open))
        (void)unlinkat(dirfd(open), entry->d_name, 0);
    closedir(open);
}

/* Takes away the folder of storage_test_folder with all that is in it. */
static inline void storage_test_remove(const char *path)
{
    char parent[128]; /* of any caller's array */
    snprintf(parent, sizeof parent, "%s", path);
    storage_test_remove_files(path);
    (void)rmdir(path);
    *strrchr(parent, '/') = '\0';
    storage_test_remove_files(parent);
    (void)rmdir(parent);
}

static inline struct ingot_slice text(const char *text)
{
    return ingot_slice_of_text(text);
}

static inline struct ingot_store_snapshot *begin(struct ingot_store *store)
{
    struct ingot_store_snapshot *snapshot = NULL;
    assert_int_equal(ingot_store_snapshot_begin(store, &snapshot), INGOT_OK);
    return snapshot;
}

static inline void assert_slice(struct ingot_slice slice, const char *expected)
{
    assert_int_equal(slice.size, strlen(expected));
    assert_true(ingot_slice_equal(slice, ingot_slice_of_text(expected)));
}

static inline void assert_item(struct ingot_store_cursor *cursor, const char *key,
                               const char *value)
{
    struct ingot_slice found_key;
    struct ingot_slice found_value;
    ingot_store_cursor_item(cursor, &found_key, &found_value);
    assert_slice(found_key, key);
    assert_slice(found_value, value);
}

static inline void assert_value(struct ingot_store *store, uint32_t table, const char *key,
                                const char *expected)
{
    struct ingot_store_snapshot *snapshot = begin(store);
    struct ingot_slice value;
    assert_int_equal(ingot_store_snapshot_get(snapshot, table, text(key), &value), INGOT_OK);
    assert_slice(value, expected);
    ingot_store_snapshot_end(snapshot);
}

static inline void assert_missing(struct ingot_store *store, uint32_t table, const char *key)
{
    struct ingot_store_snapshot *snapshot = begin(store);
    struct ingot_slice value;
    assert_int_equal(ingot_store_snapshot_get(snapshot, table, text(key), &value),
                     INGOT_ERROR_NOT_FOUND);
    ingot_store_snapshot_end(snapshot);
}

#endif
