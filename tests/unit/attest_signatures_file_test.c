/*
 * The file of attestations. Goal: what a sync reported is there at the next opening, whole and
 * once, whatever was cut off, full or broken in between; nothing else is. Method: files spoiled at
 * every byte; a full disk by a limit on the file's size, a broken one by standing in for fsync.
 */
#define _GNU_SOURCE
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "attest/attestation.h"
#include "attest/signatures_file.h"
#include "base/alloc.h"
#include "lib/storage_test.h"

static int sync_error;
static int sync_failures; /* so many of the next fail by sync_error */
static int syncs;
static int folder_syncs;          /* of them */
static bool is_sync_counted_only; /* where many files are written and none needs to last */

INGOT_API int fsync(int fd)
{
    struct stat status;
    syncs++;
    folder_syncs += fstat(fd, &status) == 0 && S_ISDIR(status.st_mode);
    if (sync_failures > 0) {
        sync_failures--;
        errno = sync_error;
        return -1;
    }
    return is_sync_counted_only ? 0 : (int)syscall(SYS_fsync, fd);
}

static void fail_syncs(int count, int error)
{
    sync_failures = count;
    sync_error = error;
}

static char path[64];
static char why[512];
static struct ingot_buffer shown; /* the lines, each behind a '|' */
static enum signatures_line of_garbage = SIGNATURES_LINE_REFUSED;

/* Lines are of printable characters, and not too long; "refuse" is refused. */
static enum signatures_line show(void *context, struct ingot_slice line, char *reason,
                                 size_t reason_size)
{
    (void)context;
    bool is_garbage = line.size == 0 || line.size > ATTESTATION_JSON_BYTES_MAX;
    for (size_t i = 0; i < line.size && !is_garbage; i++)
        is_garbage = line.data[i] < ' ' || line.data[i] > '~';
    const bool is_refused = ingot_slice_equal(line, text("refuse"));
    if (is_garbage || is_refused) {
        (void)snprintf(reason, reason_size, "no such line");
        return is_refused ? SIGNATURES_LINE_REFUSED : of_garbage;
    }
    ingot_buffer_append_u8(&shown, '|');
    ingot_buffer_append_slice(&shown, line);
    return SIGNATURES_LINE_TAKEN;
}

static int set_up(void **state)
{
    (void)state;
    storage_test_folder(path, sizeof path);
    of_garbage = SIGNATURES_LINE_REFUSED;
    is_sync_counted_only = false;
    sync_failures = 0;
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    ingot_buffer_deinit(&shown);
    (void)unlink(path); /* storage_test_remove expects a folder there */
    storage_test_remove(path);
    return 0;
}

static enum ingot_error open_from(uint64_t from, struct signatures_file **file)
{
    ingot_buffer_clear(&shown);
    why[0] = '\0';
    const enum ingot_error error =
        signatures_file_open(path, from, show, NULL, file, why, sizeof why);
    if (error != INGOT_OK && strncmp(why, path, strlen(path)) != 0)
        fail_msg("'%s' does not begin with the file's name", why);
    return error;
}

static struct signatures_file *open_expecting(const char *lines)
{
    struct signatures_file *file = NULL;
    if (open_from(0, &file) != INGOT_OK)
        fail_msg("%s", why);
    assert_slice(ingot_buffer_slice(&shown), lines);
    return file;
}

static void add(struct signatures_file *file, const char *line)
{
    signatures_file_append(file, text(line));
}

static void assert_synced(struct signatures_file *file)
{
    assert_int_equal(signatures_file_sync(file), INGOT_OK);
    assert_int_equal(signatures_file_pending(file), 0);
}

static void write_file(const char *name, const void *bytes, size_t size)
{
    FILE *file = fopen(name, "w");
    assert_non_null(file);
    assert_int_equal(fwrite(bytes, 1, size, file), size);
    assert_int_equal(fclose(file), 0);
}

static void assert_content(const char *expected)
{
    char content[256];
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    const size_t size = fread(content, 1, sizeof content, file);
    fclose(file);
    assert_slice(ingot_slice_of(content, size), expected);
}

static void what_was_synced_is_shown_at_the_next_opening_once(void **state)
{
    (void)state;
    struct stat status;
    struct signatures_file *file = open_expecting("");
    assert_int_equal(stat(path, &status), 0);
    assert_int_equal(status.st_mode & 0777, 0600);
    add(file, "one");
    add(file, "two");
    assert_int_equal(signatures_file_pending(file), 2);
    assert_int_equal(signatures_file_size(file), 0);
    syncs = 0;
    assert_synced(file);
    assert_int_equal(syncs, 1);
    assert_int_equal(signatures_file_size(file), 8);
    add(file, "three");
    assert_synced(file);
    assert_synced(file);
    assert_int_equal(syncs, 2); /* nothing was new the third time */
    add(file, "never synced");
    signatures_file_close(file);
    file = open_expecting("|one|two|three");
    add(file, "four");
    assert_synced(file);
    signatures_file_close(file);
    signatures_file_close(open_expecting("|one|two|three|four"));
    assert_content("one\ntwo\nthree\nfour\n");
}

static void reading_begins_where_it_is_told_to(void **state)
{
    (void)state;
    struct signatures_file *file = NULL;
    write_file(path, "one\ntwo\n", 8);
    assert_int_equal(open_from(4, &file), INGOT_OK);
    assert_slice(ingot_buffer_slice(&shown), "|two");
    assert_int_equal(signatures_file_size(file), 8);
    signatures_file_close(file);
    assert_int_equal(open_from(8, &file), INGOT_OK);
    assert_slice(ingot_buffer_slice(&shown), "");
    add(file, "three");
    assert_synced(file);
    signatures_file_close(file);
    assert_content("one\ntwo\nthree\n");
    assert_int_equal(open_from(5, &file), INGOT_ERROR_CORRUPT);
    assert_non_null(strstr(why, "byte 5: expected the beginning of a line"));
    assert_null(file);
}

static void a_torn_last_line_is_cut_off_wherever_it_tore(void **state)
{
    (void)state;
    static const char content[] = "one\n{\"a\":\"two\"}\n";
    for (size_t size = 4; size < sizeof content - 1; size++) {
        write_file(path, content, size);
        syncs = 0;
        struct signatures_file *file = open_expecting("|one");
        assert_true(syncs >= 1);
        assert_int_equal(signatures_file_size(file), 4);
        assert_content("one\n");
        add(file, "{\"a\":\"two\"}");
        assert_synced(file);
        signatures_file_close(file);
        assert_content(content);
    }
    write_file(path, content, 3);
    signatures_file_close(open_expecting(""));
    assert_content("");
}

static void lines_that_somebody_wrote_and_did_not_sync_are_synced_by_the_next(void **state)
{
    (void)state;
    struct signatures_file *file = NULL;
    write_file(path, "one\n", 4);
    fail_syncs(1, EIO);
    assert_int_equal(open_from(0, &file), INGOT_ERROR_IO);
    signatures_file_close(open_expecting("|one"));
}

static void a_line_that_is_refused_is_named_by_its_byte_and_nothing_is_cut_off(void **state)
{
    (void)state;
    struct signatures_file *file = NULL;
    write_file(path, "one\nrefuse\nthr", 14);
    assert_int_equal(open_from(0, &file), INGOT_ERROR_CORRUPT);
    assert_non_null(strstr(why, "byte 4: no such line"));
    assert_content("one\nrefuse\nthr");
}

/*
 * Of "two\nthree\nfour\n", which was never synced, a crash of the machine leaves anything: each
 * stretch of it is zeros, line breaks or other bytes here, and the file ends after it or not.
 */
static void what_a_crash_left_of_lines_that_were_never_synced_is_cut_off(void **state)
{
    (void)state;
    static const char content[] = "one\ntwo\nthree\nfour\n";
    static const uint8_t garbage[] = {0, '\n', 0xff};
    const size_t synced = 4;
    const size_t size = sizeof content - 1;
    of_garbage = SIGNATURES_LINE_CUT;
    is_sync_counted_only = true;
    for (size_t i = 0; i < 3 * size * size * 2; i++) {
        const uint8_t byte = garbage[i % 3];
        const size_t begin = i / 3 % size;
        const size_t end = i / 3 / size % size + 1;
        const bool ends = i / 3 / size / size == 1;
        if (begin < synced || begin >= end)
            continue;
        char spoilt[sizeof content];
        memcpy(spoilt, content, sizeof content);
        memset(spoilt + begin, byte, end - begin);
        write_file(path, spoilt, ends ? end : size);
        struct signatures_file *file = NULL;
        assert_int_equal(open_from(synced, &file), INGOT_OK);
        const uint64_t kept = signatures_file_size(file);
        const uint64_t whole = begin < 8 ? 4 : begin < 14 ? 8 : 14;
        /* A line break in another byte's place makes lines that only their owner can tell. */
        assert_true(byte == '\n' ? kept >= whole : kept == whole);
        add(file, "next");
        assert_synced(file);
        signatures_file_close(file);
        of_garbage = SIGNATURES_LINE_REFUSED; /* none is left */
        assert_int_equal(open_from(0, &file), INGOT_OK);
        of_garbage = SIGNATURES_LINE_CUT;
        assert_int_equal(memcmp(shown.data, "|one", 4), 0);
        assert_int_equal(memcmp(shown.data + shown.size - 5, "|next", 5), 0);
        signatures_file_close(file);
    }
}

static void
garbage_without_an_end_is_cut_off_and_a_refused_line_behind_garbage_is_not_seen(void **state)
{
    (void)state;
    struct signatures_file *file = NULL;
    const size_t size = 3 * ATTESTATION_JSON_BYTES_MAX;
    char *content = alloc_zeroed(size, 1);
    memcpy(content, "one\n", sizeof "one\n");
    write_file(path, content, size);
    assert_int_equal(open_from(0, &file), INGOT_ERROR_CORRUPT);
    of_garbage = SIGNATURES_LINE_CUT;
    assert_int_equal(open_from(0, &file), INGOT_OK);
    signatures_file_close(file);
    assert_content("one\n");
    free(content);
    write_file(path, "one\n\xff\nrefuse\n", 13);
    assert_int_equal(open_from(0, &file), INGOT_OK);
    signatures_file_close(file);
    assert_content("one\n");
    /* What is refused stays, with what is behind it. */
    write_file(path, "refuse\n\xff\n", 9);
    assert_int_equal(open_from(0, &file), INGOT_ERROR_CORRUPT);
    assert_content("refuse\n\xff\n");
}

static void damage_where_lines_were_synced_is_not_cut_off(void **state)
{
    (void)state;
    struct signatures_file *file = NULL;
    of_garbage = SIGNATURES_LINE_CUT;
    write_file(path, "on\0\0two\n", 8);
    assert_int_equal(open_from(4, &file), INGOT_ERROR_CORRUPT);
    assert_non_null(strstr(why, "byte 4: expected the beginning of a line"));
    write_file(path, "o\0e\ntwo\n", 8);
    assert_int_equal(open_from(4, &file), INGOT_OK);
    assert_int_equal(signatures_file_size(file), 8);
    signatures_file_close(file);
}

static void a_line_of_the_largest_size_is_read_and_a_larger_one_is_not(void **state)
{
    (void)state;
    struct signatures_file *file = NULL;
    const size_t size = ATTESTATION_JSON_BYTES_MAX;
    char *content = alloc_zeroed(size + 3, 1);
    memset(content, 'x', size + 2);
    content[size] = '\n';
    content[size + 1] = 'y';
    write_file(path, content, size + 2);
    assert_int_equal(open_from(0, &file), INGOT_OK);
    assert_int_equal(shown.size, size + 1);
    assert_int_equal(signatures_file_size(file), size + 1);
    signatures_file_close(file);
    content[size] = 'x';
    write_file(path, content, size + 2);
    assert_int_equal(open_from(0, &file), INGOT_ERROR_CORRUPT);
    content[size + 1] = '\n';
    write_file(path, content, size + 2);
    assert_int_equal(open_from(0, &file), INGOT_ERROR_CORRUPT);
    assert_non_null(strstr(why, "byte 0: no such line"));
    free(content);
}

static void a_second_opening_finds_it_locked(void **state)
{
    (void)state;
    struct signatures_file *file = open_expecting("");
    struct signatures_file *other = NULL;
    assert_int_equal(open_from(0, &other), INGOT_ERROR_LOCKED);
    signatures_file_close(file);
    signatures_file_close(open_expecting(""));
}

static void what_is_no_regular_file_is_refused(void **state)
{
    (void)state;
    struct signatures_file *file = NULL;
    assert_int_equal(mkfifo(path, 0600), 0);
    assert_int_equal(open_from(0, &file), INGOT_ERROR_INVALID);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(signatures_file_open("/nowhere/at/all", 0, show, NULL, &file, why, sizeof why),
                     INGOT_ERROR_IO);
}

static void limit_file_size(rlim_t bytes)
{
    struct rlimit limit;
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &limit), 0);
    limit.rlim_cur = bytes;
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

static void a_full_disk_leaves_whole_lines_and_the_rest_comes_when_there_is_room(void **state)
{
    (void)state;
    (void)signal(SIGXFSZ, SIG_IGN);
    /* The room ends before, within, and behind each byte of what is new. */
    for (rlim_t room = 4; room < 4 + 10; room++) {
        (void)unlink(path);
        struct signatures_file *file = open_expecting("");
        add(file, "one");
        assert_synced(file);
        add(file, "two");
        limit_file_size(room);
        assert_int_equal(signatures_file_sync(file), room < 8 ? INGOT_ERROR_NO_SPACE : INGOT_OK);
        assert_content(room < 8 ? "one\n" : "one\ntwo\n");
        add(file, "three");
        assert_int_equal(signatures_file_sync(file), INGOT_ERROR_NO_SPACE);
        assert_int_equal(signatures_file_size(file), room < 8 ? 4 : 8);
        assert_int_equal(signatures_file_pending(file), room < 8 ? 2 : 1);
        assert_content(room < 8 ? "one\n" : "one\ntwo\n");
        limit_file_size(RLIM_INFINITY);
        assert_synced(file);
        signatures_file_close(file);
        signatures_file_close(open_expecting("|one|two|three"));
    }
}

static void a_disk_that_is_full_only_when_synced_is_tried_again_as_well(void **state)
{
    (void)state;
    struct signatures_file *file = open_expecting("");
    add(file, "one");
    fail_syncs(1, ENOSPC);
    assert_int_equal(signatures_file_sync(file), INGOT_ERROR_NO_SPACE);
    assert_content("");
    assert_synced(file);
    assert_content("one\n");
    /* One that cannot even sync what is cut off has an unknown outcome. */
    add(file, "two");
    fail_syncs(2, ENOSPC);
    assert_int_equal(signatures_file_sync(file), INGOT_ERROR_UNKNOWN_OUTCOME);
    signatures_file_close(file);
    signatures_file_close(open_expecting("|one"));
}

static void after_any_other_failure_nothing_is_written_any_more(void **state)
{
    (void)state;
    struct signatures_file *file = open_expecting("");
    add(file, "one");
    assert_synced(file);
    add(file, "two");
    fail_syncs(1, EIO);
    assert_int_equal(signatures_file_sync(file), INGOT_ERROR_UNKNOWN_OUTCOME);
    assert_int_equal(signatures_file_sync(file), INGOT_ERROR_UNKNOWN_OUTCOME);
    assert_int_equal(signatures_file_size(file), 4);
    signatures_file_close(file);
    /* It was written: the next start finds it, and does not write it again. */
    file = open_expecting("|one|two");
    add(file, "three");
    assert_synced(file);
    signatures_file_close(file);
    assert_content("one\ntwo\nthree\n");
}

static void lines_that_were_lost_show_and_are_replaced(void **state)
{
    (void)state;
    struct signatures_file *file = NULL;
    write_file(path, "one\n", 4);
    assert_int_equal(open_from(8, &file), INGOT_ERROR_NOT_FOUND);
    assert_non_null(strstr(why, "it has lost lines: 4 bytes, expected at least 8"));
    assert_int_equal(signatures_file_replace_begin(path, &file, why, sizeof why), INGOT_OK);
    add(file, "one");
    assert_synced(file);
    add(file, "two");
    assert_synced(file);
    assert_content("one\n");
    assert_int_equal(signatures_file_replace_end(file), INGOT_OK);
    assert_content("one\ntwo\n");
    add(file, "three");
    assert_synced(file);
    assert_int_equal(signatures_file_size(file), 14);
    struct signatures_file *other = NULL;
    assert_int_equal(open_from(0, &other), INGOT_ERROR_LOCKED);
    signatures_file_close(file);
    signatures_file_close(open_expecting("|one|two|three"));
}

static void the_name_of_a_new_file_and_of_a_replacement_is_durable(void **state)
{
    (void)state;
    struct signatures_file *file = NULL;
    folder_syncs = 0;
    signatures_file_close(open_expecting(""));
    assert_int_equal(folder_syncs, 1);
    assert_int_equal(signatures_file_replace_begin(path, &file, why, sizeof why), INGOT_OK);
    add(file, "one");
    assert_synced(file);
    folder_syncs = 0;
    assert_int_equal(signatures_file_replace_end(file), INGOT_OK);
    assert_int_equal(folder_syncs, 1);
    signatures_file_close(file);
}

static void a_replacement_that_never_ends_changes_nothing(void **state)
{
    (void)state;
    struct signatures_file *file = NULL;
    char left_behind[80];
    write_file(path, "one\n", 4);
    assert_int_equal(signatures_file_replace_begin(path, &file, why, sizeof why), INGOT_OK);
    add(file, "another, longer one");
    assert_synced(file);
    signatures_file_close(file);
    (void)snprintf(left_behind, sizeof left_behind, "%s.new", path);
    assert_int_equal(access(left_behind, F_OK), 0);
    signatures_file_close(open_expecting("|one"));
    assert_int_not_equal(access(left_behind, F_OK), 0);
}

static void a_replacement_has_nothing_of_one_that_never_ended(void **state)
{
    (void)state;
    struct signatures_file *file = NULL;
    char left_behind[80];
    (void)snprintf(left_behind, sizeof left_behind, "%s.new", path);
    write_file(left_behind, "of earlier\n", 11);
    assert_int_equal(signatures_file_replace_begin(path, &file, why, sizeof why), INGOT_OK);
    add(file, "one");
    assert_synced(file);
    assert_int_equal(signatures_file_replace_end(file), INGOT_OK);
    signatures_file_close(file);
    assert_content("one\n");
}

static void a_process_killed_at_any_moment_leaves_each_line_at_most_once(void **state)
{
    (void)state;
    /* The child says by a byte what it has been told is durable. */
    for (unsigned life_us = 200; life_us < 20000; life_us += 800) {
        (void)unlink(path);
        int told[2];
        assert_int_equal(pipe(told), 0);
        const pid_t child = fork();
        assert_true(child >= 0);
        if (child == 0) {
            struct signatures_file *file = open_expecting("");
            for (unsigned i = 0;; i++) {
                char line[16];
                (void)snprintf(line, sizeof line, "%u", i);
                add(file, line);
                if (signatures_file_sync(file) != INGOT_OK || write(told[1], "x", 1) != 1)
                    _exit(1);
            }
        }
        close(told[1]);
        usleep(life_us);
        assert_int_equal(kill(child, SIGKILL), 0);
        assert_int_equal(waitpid(child, NULL, 0), child);
        unsigned durable = 0;
        char byte;
        while (read(told[0], &byte, 1) == 1)
            durable++;
        close(told[0]);
        struct signatures_file *file = NULL;
        assert_int_equal(open_from(0, &file), INGOT_OK);
        signatures_file_close(file);
        ingot_buffer_append_u8(&shown, 0);
        unsigned found = 0;
        for (const char *at = (const char *)shown.data; *at == '|'; found++) {
            char *end = NULL;
            assert_int_equal(strtoul(at + 1, &end, 10), found);
            at = end;
        }
        assert_true(found >= durable);
        assert_true(found <= durable + 1);
    }
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(what_was_synced_is_shown_at_the_next_opening_once),
        TEST(reading_begins_where_it_is_told_to),
        TEST(a_torn_last_line_is_cut_off_wherever_it_tore),
        TEST(lines_that_somebody_wrote_and_did_not_sync_are_synced_by_the_next),
        TEST(a_line_that_is_refused_is_named_by_its_byte_and_nothing_is_cut_off),
        TEST(what_a_crash_left_of_lines_that_were_never_synced_is_cut_off),
        TEST(garbage_without_an_end_is_cut_off_and_a_refused_line_behind_garbage_is_not_seen),
        TEST(damage_where_lines_were_synced_is_not_cut_off),
        TEST(a_line_of_the_largest_size_is_read_and_a_larger_one_is_not),
        TEST(a_second_opening_finds_it_locked),
        TEST(what_is_no_regular_file_is_refused),
        TEST(a_full_disk_leaves_whole_lines_and_the_rest_comes_when_there_is_room),
        TEST(a_disk_that_is_full_only_when_synced_is_tried_again_as_well),
        TEST(after_any_other_failure_nothing_is_written_any_more),
        TEST(lines_that_were_lost_show_and_are_replaced),
        TEST(the_name_of_a_new_file_and_of_a_replacement_is_durable),
        TEST(a_replacement_that_never_ends_changes_nothing),
        TEST(a_replacement_has_nothing_of_one_that_never_ended),
        TEST(a_process_killed_at_any_moment_leaves_each_line_at_most_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
