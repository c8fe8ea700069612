/*
 * Disks and images. See disk.h.
 *
 * The unit of loss is a page of 4096 bytes of a write, or a change of a file's length; a page may
 * be torn between its sectors. Names change in order: a file system's journal keeps that.
 */
#include "power/disk.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "wire/crypto.h"

void disk_init(struct disk *disk, const struct record *record)
{
    *disk = (struct disk){.record = record};
}

static void free_files(struct disk_file *files)
{
    for (uint32_t i = 0; i < DISK_FILES_MAX; i++) {
        ingot_buffer_deinit(&files[i].bytes);
    }
}

void disk_deinit(struct disk *disk)
{
    free_files(disk->files);
    free(disk->waiting);
    free(disk->naming);
}

static void push(uint32_t **items, uint32_t *count, uint32_t *capacity, uint32_t item)
{
    if (*count == *capacity) {
        *capacity = *capacity == 0 ? 64 : *capacity * 2;
        *items = alloc_resize(*items, *capacity, sizeof **items);
    }
    (*items)[(*count)++] = item;
}

/* --- What operations do. --- */

static void put(struct disk_file *file, uint64_t at, struct ingot_slice bytes)
{
    if (bytes.size == 0) {
        return;
    }
    const size_t end = (size_t)at + bytes.size;
    if (end > file->bytes.size) {
        const size_t before = file->bytes.size;
        ingot_buffer_reserve(&file->bytes, end - before);
        memset(file->bytes.data + before, 0, end - before);
        file->bytes.size = end;
    }
    memcpy(file->bytes.data + at, bytes.data, bytes.size);
    if (end > file->length) {
        file->length = end;
    }
}

static void set_length(struct disk_file *file, const struct op *op)
{
    if (op->kind == OP_CUT || file->length < op->at) {
        file->length = op->at;
    }
    if (file->bytes.size > file->length) {
        file->bytes.size = (size_t)file->length;
    }
}

static uint32_t find_name(const struct disk_names *names, const char *name)
{
    uint32_t i = 0;
    while (i < names->count && strcmp(names->items[i].name, name) != 0) {
        i++;
    }
    return i;
}

static void apply_naming(struct disk_names *names, const struct op *op)
{
    uint32_t i = find_name(names, op->name);
    if (op->kind == OP_CREATE) {
        INGOT_ASSERT(i == names->count && i < DISK_FILES_MAX);
        (void)snprintf(names->items[i].name, RECORD_NAME_BYTES, "%s", op->name);
        names->items[i].file = op->file;
        names->count++;
        return;
    }
    INGOT_ASSERT(i < names->count);
    if (op->kind == OP_UNLINK) {
        names->items[i] = names->items[--names->count];
        return;
    }
    const uint32_t replaced = find_name(names, op->name2);
    if (replaced < names->count) {
        names->items[replaced] = names->items[--names->count];
        i = find_name(names, op->name);
    }
    (void)snprintf(names->items[i].name, RECORD_NAME_BYTES, "%s", op->name2);
}

static bool is_naming(const struct op *op)
{
    return op->kind == OP_CREATE || op->kind == OP_RENAME || op->kind == OP_UNLINK;
}

static bool is_of_bytes(const struct op *op)
{
    return op->kind == OP_WRITE || op->kind == OP_EXTEND || op->kind == OP_CUT;
}

/* --- Time goes on. --- */

bool disk_begin(struct disk *disk)
{
    const struct record *record = disk->record;
    while (disk->next < record->count && !op_is_of_disk(&record->ops[disk->next])) {
        disk->next++;
    }
    if (disk->next == record->count) {
        return false;
    }
    const struct op *op = &record->ops[disk->next];
    if (is_of_bytes(op)) {
        push(&disk->waiting, &disk->waiting_count, &disk->waiting_capacity, disk->next);
    } else if (is_naming(op)) {
        push(&disk->naming, &disk->naming_count, &disk->naming_capacity, disk->next);
    } else if (op->kind == OP_FOLDER_MADE) {
        disk->has_folder = true;
    }
    return true;
}

/* All that waits of a file is durable now. */
static void settle(struct disk *disk, uint32_t number)
{
    uint32_t left = 0;
    for (uint32_t i = 0; i < disk->waiting_count; i++) {
        const struct op *op = &disk->record->ops[disk->waiting[i]];
        if (op->file != number) {
            disk->waiting[left++] = disk->waiting[i];
        } else if (op->kind == OP_WRITE) {
            put(&disk->files[number], op->at, ingot_buffer_slice(&op->bytes));
        } else {
            set_length(&disk->files[number], op);
        }
    }
    disk->waiting_count = left;
}

/* A write that syncs itself covers no other. What waits below it stays below it. */
static bool only_synced_wait(const struct disk *disk, uint32_t number)
{
    for (uint32_t i = 0; i < disk->waiting_count; i++) {
        const struct op *op = &disk->record->ops[disk->waiting[i]];
        if (op->file == number && !op->is_synced) {
            return false;
        }
    }
    return true;
}

static void copy_file(struct disk_file *to, const struct disk_file *from)
{
    ingot_buffer_clear(&to->bytes);
    ingot_buffer_append_slice(&to->bytes, ingot_buffer_slice(&from->bytes));
    to->length = from->length;
}

static void start_again(struct disk *disk, const struct image *image)
{
    for (uint32_t i = 0; i < DISK_FILES_MAX; i++) {
        copy_file(&disk->files[i], &image->files[i]);
    }
    disk->names = image->names;
    disk->has_folder = image->has_folder;
    disk->has_folder_for_good = image->has_folder;
    disk->waiting_count = 0;
    disk->naming_count = 0;
}

void disk_complete(struct disk *disk)
{
    const struct op *op = &disk->record->ops[disk->next++];
    INGOT_ASSERT(op->file < DISK_FILES_MAX);
    if (op->kind == OP_POWER) {
        start_again(disk, op->image);
        return;
    }
    if (op->kind == OP_SYNC || (op->is_synced && only_synced_wait(disk, op->file))) {
        settle(disk, op->file);
    } else if (op->kind == OP_PARENT_SYNC) {
        disk->has_folder_for_good = disk->has_folder;
    } else if (op->kind == OP_FOLDER_SYNC) {
        for (uint32_t i = 0; i < disk->naming_count; i++) {
            apply_naming(&disk->names, &disk->record->ops[disk->naming[i]]);
        }
        disk->naming_count = 0;
    }
}

/* --- What may be lost. --- */

static uint32_t units_of(const struct op *op)
{
    if (op->kind != OP_WRITE) {
        return 1;
    }
    const uint64_t last = op->at + op->bytes.size - 1;
    return (uint32_t)(last / DISK_PAGE_BYTES - op->at / DISK_PAGE_BYTES) + 1;
}

/* A synced write that is complete, over unsynced ones. */
static bool must_stay(const struct disk *disk, uint32_t index)
{
    return disk->record->ops[index].is_synced && index != disk->next;
}

uint32_t disk_units(const struct disk *disk)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < disk->waiting_count; i++) {
        count += units_of(&disk->record->ops[disk->waiting[i]]);
    }
    return count;
}

static bool may_lose_folder(const struct disk *disk)
{
    return disk->has_folder && !disk->has_folder_for_good;
}

/* None, all; without each, each alone; up to each, from each on; and so many names. */
uint32_t disk_plain_losses(const struct disk *disk)
{
    return 2 + 4 * disk_units(disk) + 2 * disk->naming_count + may_lose_folder(disk);
}

static void choose_plain(const struct disk *disk, uint32_t number, struct loss *loss)
{
    const uint32_t count = loss->unit_count;
    if (number < 2) {
        memset(loss->kept, number == 1, count);
        return;
    }
    number -= 2;
    if (number < 4 * count) {
        const uint32_t unit = number % count;
        for (uint32_t i = 0; i < count; i++) {
            const bool kept[] = {i != unit, i == unit, i < unit, i >= unit};
            loss->kept[i] = kept[number / count];
        }
        return;
    }
    number -= 4 * count;
    if (number < 2 * disk->naming_count) {
        loss->names_kept = number / 2;
        memset(loss->kept, number % 2, count);
        return;
    }
    loss->has_folder = false;
}

void disk_choose(const struct disk *disk, uint32_t number, uint64_t seed, struct loss *loss)
{
    *loss = (struct loss){.unit_count = disk_units(disk),
                          .torn = UINT32_MAX,
                          .names_kept = disk->naming_count,
                          .has_folder = disk->has_folder};
    loss->kept = alloc_zeroed(loss->unit_count + 1, 1);
    if (number < disk_plain_losses(disk)) {
        choose_plain(disk, number, loss);
        return;
    }
    struct prng prng;
    prng_init(&prng, seed, (uint64_t)disk->next << 32 | number);
    const uint32_t share = (uint32_t)prng_between(&prng, 0, 10) * 100000;
    for (uint32_t i = 0; i < loss->unit_count; i++) {
        loss->kept[i] = prng_chance(&prng, share);
    }
    if (loss->unit_count > 0 && prng_chance(&prng, 500000)) {
        loss->torn = (uint32_t)prng_below(&prng, loss->unit_count);
        loss->sectors = (uint8_t)prng_next(&prng);
    }
    loss->names_kept = (uint32_t)prng_below(&prng, disk->naming_count + 1);
}

void loss_deinit(struct loss *loss)
{
    free(loss->kept);
    loss->kept = NULL;
}

/* --- Images. --- */

/* One page of a write, or of a torn one the sectors that are kept. */
static void put_page(struct disk_file *file, const struct op *op, uint32_t page, bool is_torn,
                     uint8_t sectors)
{
    const uint64_t step = is_torn ? DISK_SECTOR_BYTES : DISK_PAGE_BYTES;
    const uint64_t begin = (op->at / DISK_PAGE_BYTES + page) * DISK_PAGE_BYTES;
    for (uint64_t at = begin; at < begin + DISK_PAGE_BYTES; at += step) {
        const uint64_t low = at > op->at ? at : op->at;
        const uint64_t end = op->at + op->bytes.size;
        const uint64_t high = at + step < end ? at + step : end;
        const bool is_kept = !is_torn || (sectors >> (at - begin) / DISK_SECTOR_BYTES & 1) != 0;
        if (low < high && is_kept) {
            put(file, low, ingot_slice_of(op->bytes.data + (low - op->at), (size_t)(high - low)));
        }
    }
}

void disk_image(const struct disk *disk, const struct loss *loss, struct image *image)
{
    *image = (struct image){.has_folder = loss->has_folder, .names = disk->names};
    for (uint32_t i = 0; i < loss->names_kept; i++) {
        apply_naming(&image->names, &disk->record->ops[disk->naming[i]]);
    }
    for (uint32_t i = 0; i < DISK_FILES_MAX; i++) {
        copy_file(&image->files[i], &disk->files[i]);
    }
    uint32_t unit = 0;
    for (uint32_t i = 0; i < disk->waiting_count; i++) {
        const struct op *op = &disk->record->ops[disk->waiting[i]];
        struct disk_file *file = &image->files[op->file];
        const bool stays = must_stay(disk, disk->waiting[i]);
        for (uint32_t page = 0; page < units_of(op); page++, unit++) {
            const bool is_torn = unit == loss->torn && !stays;
            if (!stays && !is_torn && loss->kept[unit] == 0) {
                continue;
            }
            if (op->kind == OP_WRITE) {
                put_page(file, op, page, is_torn, loss->sectors);
            } else {
                set_length(file, op);
            }
        }
    }
}

void image_deinit(struct image *image)
{
    free_files(image->files);
}

void image_free(struct image *image)
{
    if (image != NULL) {
        image_deinit(image);
    }
    free(image);
}

void image_hash(const struct image *image, struct ingot_hash *hash)
{
    struct crypto_hasher hasher;
    crypto_hasher_begin(&hasher);
    for (uint32_t i = 0; image->has_folder && i < image->names.count; i++) {
        const struct disk_name *name = &image->names.items[i];
        const struct disk_file *file = &image->files[name->file];
        const uint64_t sizes[] = {file->length, file->bytes.size};
        crypto_hasher_add(&hasher, ingot_slice_of_text(name->name));
        crypto_hasher_add(&hasher, ingot_slice_of((const uint8_t *)sizes, sizeof sizes));
        crypto_hasher_add(&hasher, ingot_buffer_slice(&file->bytes));
    }
    crypto_hasher_end(&hasher, hash);
}

static void write_file(const char *path, const struct disk_file *file)
{
    const int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    INGOT_ASSERT(fd >= 0);
    const ssize_t written = write(fd, file->bytes.data, file->bytes.size);
    INGOT_ASSERT(written == (ssize_t)file->bytes.size);
    const int rc = ftruncate(fd, (off_t)file->length);
    INGOT_ASSERT(rc == 0);
    (void)close(fd);
}

void image_write(const struct image *image, const char *folder)
{
    if (!image->has_folder) {
        return;
    }
    const int rc = mkdir(folder, 0700);
    INGOT_ASSERT(rc == 0);
    for (uint32_t i = 0; i < image->names.count; i++) {
        char path[256];
        (void)snprintf(path, sizeof path, "%s/%s", folder, image->names.items[i].name);
        write_file(path, &image->files[image->names.items[i].file]);
    }
}

void folder_remove(const char *path)
{
    DIR *folder = opendir(path);
    if (folder != NULL) {
        for (struct dirent *entry = readdir(folder); entry != NULL; entry = readdir(folder)) {
            char inner[512];
            (void)snprintf(inner, sizeof inner, "%s/%s", path, entry->d_name);
            if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0 &&
                unlink(inner) != 0) {
                folder_remove(inner);
            }
        }
        (void)closedir(folder);
    }
    (void)rmdir(path);
}

/* --- The record as a whole. --- */

static void run_to_end(struct disk *disk, const struct record *record)
{
    disk_init(disk, record);
    while (disk_begin(disk)) {
        disk_complete(disk);
    }
}

static bool file_is(const char *path, const struct disk_file *expected)
{
    struct stat status;
    const int fd = open(path, O_RDONLY | O_CLOEXEC);
    uint8_t *bytes = alloc_zeroed(expected->bytes.size + 1, 1);
    const bool is_same =
        fd >= 0 && fstat(fd, &status) == 0 && (uint64_t)status.st_size == expected->length &&
        pread(fd, bytes, expected->bytes.size, 0) == (ssize_t)expected->bytes.size &&
        ingot_slice_equal(ingot_slice_of(bytes, expected->bytes.size),
                          ingot_buffer_slice(&expected->bytes));
    free(bytes);
    if (fd >= 0) {
        (void)close(fd);
    }
    return is_same;
}

bool disk_is_as_recorded(const struct record *record)
{
    struct disk disk;
    struct loss loss;
    struct image image;
    run_to_end(&disk, record);
    disk_choose(&disk, 1, 0, &loss);
    disk_image(&disk, &loss, &image);
    bool is_same = true;
    for (uint32_t i = 0; i < image.names.count && is_same; i++) {
        char path[256];
        (void)snprintf(path, sizeof path, "%s/%s", record->folder, image.names.items[i].name);
        is_same = file_is(path, &image.files[image.names.items[i].file]);
    }
    loss_deinit(&loss);
    image_deinit(&image);
    disk_deinit(&disk);
    return is_same;
}

void disk_lose_power(struct record *record, struct prng *prng)
{
    struct disk disk;
    struct loss loss;
    struct image *image = alloc_zeroed(1, sizeof *image);
    run_to_end(&disk, record);
    const uint32_t number = (uint32_t)prng_below(prng, disk_plain_losses(&disk) + 24);
    disk_choose(&disk, number, prng_next(prng), &loss);
    disk_image(&disk, &loss, image);
    loss_deinit(&loss);
    disk_deinit(&disk);
    record_mark(record, OP_POWER)->image = image;
    record->name_count = image->has_folder ? image->names.count : 0;
    for (uint32_t i = 0; i < record->name_count; i++) {
        memcpy(record->names[i].name, image->names.items[i].name, RECORD_NAME_BYTES);
        record->names[i].file = image->names.items[i].file;
    }
    record->is_told_of = false;
    folder_remove(record->folder);
    image_write(image, record->folder);
    record->is_told_of = true;
}
