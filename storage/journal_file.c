/*
 * The journal's file: a page with its name, and two segments, full of zeros when they are new, so
 * that a sync of what is written there later has no change of the file's length or extents to
 * write. The layout is in FORMAT.md.
 *
 * It knows nothing of which records LMDB has; numbers tell that. What a record's checksum is made
 * with is known to this file and to LMDB alone, so no value that a client sends in can look like a
 * record.
 */
#include <errno.h>
#include <fcntl.h>
#include <sodium/crypto_onetimeauth_poly1305.h>
#include <sodium/randombytes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/log.h"
#include "base/mutant.h"
#include "storage/journal_internal.h"

#define FILE_NAME "/journal"
#define FILE_MAGIC "ingot journal 1\n"
#define FILE_MAGIC_BYTES 16
#define RECORD_MAGIC "ingotrec"
#define RECORD_MAGIC_BYTES 8
#define RECORD_TAG_AT 24
#define SEGMENTS 2
#define ZEROS_BYTES (256 << 10)

_Static_assert(RECORD_TAG_AT + crypto_onetimeauth_poly1305_BYTES == JOURNAL_HEADER_BYTES,
               "a record's header ends with its checksum");
_Static_assert(JOURNAL_KEY_BYTES == crypto_onetimeauth_poly1305_KEYBYTES, "the key is Poly1305's");

void journal_file_init(struct journal_file *file, const char *folder)
{
    const size_t size = strlen(folder) + sizeof FILE_NAME;
    *file = (struct journal_file){.path = alloc_zeroed(size, 1), .fd = -1};
    (void)snprintf(file->path, size, "%s" FILE_NAME, folder);
}

void journal_file_close(struct journal_file *file)
{
    if (file->fd >= 0)
        (void)close(file->fd);
    file->fd = -1;
}

void journal_file_deinit(struct journal_file *file)
{
    journal_file_close(file);
    free(file->path);
    file->path = NULL;
}

uint64_t journal_segment_begin(const struct journal_file *file, uint32_t segment)
{
    return JOURNAL_PAGE_BYTES + segment * file->segment_bytes;
}

uint64_t journal_record_size(size_t operations_bytes)
{
    const uint64_t bytes = JOURNAL_HEADER_BYTES + (uint64_t)operations_bytes;
    return (bytes + JOURNAL_PAGE_BYTES - 1) / JOURNAL_PAGE_BYTES * JOURNAL_PAGE_BYTES;
}

static uint64_t file_size(const struct journal_file *file)
{
    return journal_segment_begin(file, SEGMENTS);
}

static void fill_first_page(const struct journal_file *file, struct ingot_buffer *page)
{
    ingot_buffer_append(page, FILE_MAGIC, FILE_MAGIC_BYTES);
    ingot_buffer_append_u64(page, file->segment_bytes);
    ingot_buffer_append(page, file->key, sizeof file->key);
    const uint8_t zeros[JOURNAL_PAGE_BYTES] = {0};
    ingot_buffer_append(page, zeros, JOURNAL_PAGE_BYTES - page->size);
}

static int write_all(int fd, const uint8_t *bytes, size_t size, uint64_t at)
{
    while (size > 0) {
        const ssize_t written = pwrite(fd, bytes, size, (off_t)at);
        if (written < 0 && errno == EINTR)
            continue;
        if (written <= 0)
            return written == 0 ? EIO : errno;
        bytes += written;
        size -= (size_t)written;
        at += (uint64_t)written;
    }
    return 0;
}

static int read_all(int fd, uint8_t *bytes, size_t size, uint64_t at)
{
    while (size > 0) {
        const ssize_t got = pread(fd, bytes, size, (off_t)at);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            return got == 0 ? EIO : errno;
        bytes += got;
        size -= (size_t)got;
        at += (uint64_t)got;
    }
    return 0;
}

/* --- A new one, made whole under another name; see lmdb_make.c. --- */

/*
 * A start that did not live to tell LMDB of its file has left one without records. Any other was
 * made for another data.mdb, and may hold what that one's validator has signed.
 */
enum ingot_error journal_file_check_unused(const struct journal_file *file, struct store_why why)
{
    const int fd = open(file->path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0 && errno == ENOENT)
        return INGOT_OK;
    static const uint8_t zeros[RECORD_MAGIC_BYTES];
    uint8_t begin[RECORD_MAGIC_BYTES] = {0};
    bool is_used = fd < 0;
    ssize_t got = 1;
    for (uint64_t at = JOURNAL_PAGE_BYTES; !is_used && got > 0; at += JOURNAL_PAGE_BYTES) {
        got = pread(fd, begin, sizeof begin, (off_t)at);
        /* Of a page that cannot be read nobody knows that it has no record. */
        is_used = got < 0 || memcmp(begin, zeros, sizeof zeros) != 0;
    }
    if (fd >= 0)
        (void)close(fd);
    if (!is_used)
        return INGOT_OK;
    store_why_set(
        why,
        "%s: it was written beside another data.mdb than the one that is there now, which "
        "does not know it; expected both files of one validator, or none of them",
        file->path);
    return INGOT_ERROR_CORRUPT;
}

static int write_new(const struct journal_file *file, int fd)
{
    struct ingot_buffer page = {0};
    uint8_t *zeros = alloc_zeroed(ZEROS_BYTES, 1);
    fill_first_page(file, &page);
    int rc = write_all(fd, page.data, page.size, 0);
    for (uint64_t at = page.size; rc == 0 && at < file_size(file); at += ZEROS_BYTES) {
        const uint64_t left = file_size(file) - at;
        rc = write_all(fd, zeros, left < ZEROS_BYTES ? (size_t)left : ZEROS_BYTES, at);
    }
    if (rc == 0 && fsync(fd) != 0)
        rc = errno;
    ingot_buffer_deinit(&page);
    free(zeros);
    return rc;
}

static enum ingot_error sync_folder_of(const struct journal_file *file, struct store_why why)
{
    char *folder = alloc_text(file->path);
    folder[strlen(folder) - (sizeof FILE_NAME - 1)] = '\0';
    const enum ingot_error error = store_folder_sync(folder, why);
    free(folder);
    return error;
}

enum ingot_error journal_file_make(struct journal_file *file, struct store_why why)
{
    enum ingot_error error = INGOT_OK;
    const size_t size = strlen(file->path) + sizeof ".new";
    char *made = alloc_zeroed(size, 1);
    (void)snprintf(made, size, "%s.new", file->path);
    randombytes_buf(file->key, sizeof file->key);
    /* What an earlier start did not live to name. */
    int rc = unlink(made) == 0 || errno == ENOENT ? 0 : errno;
    if (rc == 0)
        file->fd = open(made, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (rc == 0)
        rc = file->fd < 0 ? errno : write_new(file, file->fd);
    if (rc == 0 && rename(made, file->path) != 0)
        rc = errno;
    if (rc != 0) {
        (void)unlink(made);
        store_why_set(why, "%s: cannot be made, with %llu bytes: %s", file->path,
                      (unsigned long long)file_size(file), strerror(rc));
        error = store_error_of_errno(rc);
    } else {
        error = sync_folder_of(file, why);
    }
    free(made);
    return error;
}

/* --- One that is there. --- */

static enum ingot_error check_file(const struct journal_file *file, struct store_why why)
{
    struct stat status;
    uint8_t found[JOURNAL_PAGE_BYTES];
    if (fstat(file->fd, &status) != 0 || !S_ISREG(status.st_mode)) {
        store_why_set(why, "%s: not a regular file", file->path);
        return INGOT_ERROR_CORRUPT;
    }
    if ((uint64_t)status.st_size != file_size(file)) {
        store_why_set(why, "%s: damaged: %llu bytes long; expected %llu", file->path,
                      (unsigned long long)status.st_size, (unsigned long long)file_size(file));
        return INGOT_ERROR_CORRUPT;
    }
    const int rc = read_all(file->fd, found, sizeof found, 0);
    if (rc != 0) {
        store_why_set(why, "%s: cannot be read: %s", file->path, strerror(rc));
        return INGOT_ERROR_IO;
    }
    struct ingot_buffer expected = {0};
    fill_first_page(file, &expected);
    const bool is_same = memcmp(found, expected.data, sizeof found) == 0;
    ingot_buffer_deinit(&expected);
    if (is_same)
        return INGOT_OK;
    store_why_set(why,
                  "%s: its first page is damaged, or it was made for another data.mdb than the one "
                  "beside it",
                  file->path);
    return INGOT_ERROR_CORRUPT;
}

enum ingot_error journal_file_open(struct journal_file *file, struct store_why why)
{
    file->fd = open(file->path, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
    if (file->fd >= 0)
        return check_file(file, why);
    const int code = errno;
    if (code == ENOENT) {
        store_why_set(why,
                      "%s: it is missing, and may hold what data.mdb does not have yet; expected "
                      "both files of one validator",
                      file->path);
        return INGOT_ERROR_CORRUPT;
    }
    store_why_set(why, "%s: cannot be opened for writing: %s", file->path, strerror(code));
    return store_error_of_errno(code);
}

/* --- Records. --- */

static void make_tag(const struct journal_file *file, const uint8_t *header,
                     struct ingot_slice operations, uint8_t tag[crypto_onetimeauth_poly1305_BYTES])
{
    crypto_onetimeauth_poly1305_state state;
    (void)crypto_onetimeauth_poly1305_init(&state, file->key);
    (void)crypto_onetimeauth_poly1305_update(&state, header, RECORD_TAG_AT);
    (void)crypto_onetimeauth_poly1305_update(&state, operations.data, operations.size);
    (void)crypto_onetimeauth_poly1305_final(&state, tag);
}

static void complete_record(const struct journal_file *file, uint64_t number,
                            struct ingot_buffer *bytes)
{
    struct ingot_buffer header = {0};
    const struct ingot_slice operations =
        ingot_slice_of(bytes->data + JOURNAL_HEADER_BYTES, bytes->size - JOURNAL_HEADER_BYTES);
    ingot_buffer_append(&header, RECORD_MAGIC, RECORD_MAGIC_BYTES);
    ingot_buffer_append_u64(&header, number);
    ingot_buffer_append_u64(&header, operations.size);
    INGOT_ASSERT(header.size == RECORD_TAG_AT);
    memcpy(bytes->data, header.data, header.size);
    ingot_buffer_deinit(&header);
    make_tag(file, bytes->data, operations, bytes->data + RECORD_TAG_AT);
    /* A page that is written as a whole need not be read first. */
    static const uint8_t zeros[JOURNAL_PAGE_BYTES];
    ingot_buffer_append(bytes, zeros, (size_t)journal_record_size(operations.size) - bytes->size);
}

enum ingot_error journal_file_append(const struct journal_file *file, uint64_t at, uint64_t number,
                                     struct ingot_buffer *bytes)
{
    complete_record(file, number, bytes);
    const char *call = "pwrite";
    int rc = write_all(file->fd, bytes->data, bytes->size, at);
    if (rc == 0 && !MUTANT(JOURNAL_UNSYNCED)) {
        call = "fdatasync";
        rc = fdatasync(file->fd) == 0 ? 0 : errno;
    }
    if (rc == 0)
        return INGOT_OK;
    LOG(LOG_ERROR, "a durable write failed; whether it is on disk is unknown",
        log_text("file", file->path), log_text("call", call), log_text("error", strerror(rc)));
    return INGOT_ERROR_IO;
}

/* --- What a start finds. --- */

/* Is there a record above `applied` at this place? `end` is that of the segment. */
static bool read_record(const struct journal_file *file, struct journal_scan *scan, uint64_t at,
                        uint64_t end, uint64_t applied, struct journal_record *record)
{
    const uint8_t *header = scan->bytes + at;
    struct ingot_slice rest =
        ingot_slice_of(header + RECORD_MAGIC_BYTES, RECORD_TAG_AT - RECORD_MAGIC_BYTES);
    uint64_t size = 0;
    uint8_t tag[crypto_onetimeauth_poly1305_BYTES];
    const bool is_whole =
        ingot_slice_take_u64(&rest, &record->number) && ingot_slice_take_u64(&rest, &size);
    INGOT_ASSERT(is_whole);
    if (memcmp(header, RECORD_MAGIC, RECORD_MAGIC_BYTES) != 0 || record->number <= applied)
        return false;
    bool is_sound = size <= end - at - JOURNAL_HEADER_BYTES;
    if (is_sound) {
        record->at = at;
        record->operations = ingot_slice_of(header + JOURNAL_HEADER_BYTES, (size_t)size);
        make_tag(file, header, record->operations, tag);
        is_sound =
            memcmp(tag, header + RECORD_TAG_AT, sizeof tag) == 0 || MUTANT(JOURNAL_UNVERIFIED);
    }
    scan->has_part = scan->has_part || !is_sound;
    return is_sound;
}

static int compare_records(const void *a, const void *b)
{
    const uint64_t first = ((const struct journal_record *)a)->number;
    const uint64_t second = ((const struct journal_record *)b)->number;
    return (first > second) - (first < second);
}

static void find_records(const struct journal_file *file, uint32_t segment, uint64_t applied,
                         struct journal_scan *scan)
{
    const uint64_t end = journal_segment_begin(file, segment + 1);
    uint64_t at = journal_segment_begin(file, segment);
    while (at < end) {
        struct journal_record record;
        if (read_record(file, scan, at, end, applied, &record)) {
            scan->records[scan->count++] = record;
            at += journal_record_size(record.operations.size);
        } else {
            at += JOURNAL_PAGE_BYTES;
        }
    }
}

static enum ingot_error check_records(const struct journal_file *file, uint64_t applied,
                                      uint32_t table_count, const struct journal_scan *scan,
                                      struct store_why why)
{
    for (uint32_t i = 0; i < scan->count; i++) {
        struct journal_record *record = &scan->records[i];
        if (record->number != applied + 1 + i && !MUTANT(JOURNAL_GAP_TAKEN)) {
            store_why_set(
                why,
                "%s: damaged: record %llu is missing or does not verify, and a later one, "
                "%llu, is there at byte %llu; what was acknowledged with it is lost",
                file->path, (unsigned long long)(applied + 1 + i),
                (unsigned long long)record->number, (unsigned long long)record->at);
            return INGOT_ERROR_CORRUPT;
        }
        if (!store_operations_are_whole(record->operations, table_count,
                                        &record->operation_count)) {
            store_why_set(why,
                          "%s: the record at byte %llu is not one of this program's: it names a "
                          "table that this version does not know",
                          file->path, (unsigned long long)record->at);
            return INGOT_ERROR_CORRUPT;
        }
    }
    return INGOT_OK;
}

enum ingot_error journal_file_scan(const struct journal_file *file, uint64_t applied,
                                   uint32_t table_count, struct journal_scan *scan,
                                   struct store_why why)
{
    const size_t size = (size_t)file_size(file);
    *scan = (struct journal_scan){
        .bytes = alloc_resize(NULL, size, 1),
        .records = alloc_zeroed(size / JOURNAL_PAGE_BYTES, sizeof *scan->records)};
    const int rc = read_all(file->fd, scan->bytes, size, 0);
    if (rc != 0) {
        store_why_set(why, "%s: cannot be read: %s", file->path, strerror(rc));
        return INGOT_ERROR_IO;
    }
    for (uint32_t i = 0; i < SEGMENTS; i++)
        find_records(file, i, applied, scan);
    qsort(scan->records, scan->count, sizeof *scan->records, compare_records);
    return check_records(file, applied, table_count, scan, why);
}

void journal_scan_deinit(struct journal_scan *scan)
{
    free(scan->bytes);
    free(scan->records);
    *scan = (struct journal_scan){0};
}
