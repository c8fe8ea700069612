/*
 * Splits a file into keys and values. It sends nothing.
 */
#include "cli/kv_file.h"

#include <errno.h>
#include <fcntl.h>
#include <ingot/app_kv.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"

#define COMPLAINTS_MAX 10

static bool read_all(int file, struct ingot_buffer *content)
{
    for (;;) {
        ingot_buffer_reserve(content, 64 * 1024);
        ssize_t taken =
            read(file, content->data + content->size, content->capacity - content->size);
        if (taken < 0 && errno == EINTR)
            continue;
        if (taken <= 0)
            return taken == 0;
        content->size += (size_t)taken;
    }
}

/* What is wrong with a line, or NULL. */
static const char *split(struct ingot_slice line, struct kv_item *item)
{
    const uint8_t *tab = memchr(line.data, '\t', line.size);
    if (tab == NULL)
        return "expected a key, a tab and a value";
    item->key = (struct ingot_slice){line.data, (size_t)(tab - line.data)};
    item->value = (struct ingot_slice){tab + 1, line.size - item->key.size - 1};
    if (item->key.size == 0 || item->key.size > INGOT_KV_KEY_BYTES_MAX)
        return "expected a key of 1 to 256 bytes";
    if (item->value.size > INGOT_KV_VALUE_BYTES_MAX)
        return "expected a value of at most 524288 bytes";
    return NULL;
}

static void split_all(struct kv_file *file, const char *name, struct report *report)
{
    struct ingot_slice rest = ingot_buffer_slice(&file->content);
    uint32_t capacity = 0;
    uint32_t number = 0;
    while (rest.size > 0 && report->count < COMPLAINTS_MAX) {
        const uint8_t *end = memchr(rest.data, '\n', rest.size);
        struct ingot_slice line = {rest.data, end != NULL ? (size_t)(end - rest.data) : rest.size};
        size_t taken = line.size + (end != NULL ? 1 : 0);
        rest.data += taken;
        rest.size -= taken;
        number++;
        if (line.size == 0)
            continue;
        struct kv_item item = {.line = number};
        const char *problem = split(line, &item);
        if (problem != NULL) {
            report_add(report, "%s:%u: %s", name, number, problem);
            continue;
        }
        if (file->count == capacity) {
            capacity = capacity > 0 ? 2 * capacity : 1024;
            file->items = alloc_resize(file->items, capacity, sizeof *file->items);
        }
        file->items[file->count++] = item;
    }
}

static uint64_t hash_key(struct ingot_slice key)
{
    uint64_t hash = UINT64_C(0xcbf29ce484222325); /* FNV-1a; the file is the caller's own */
    for (size_t i = 0; i < key.size; i++)
        hash = (hash ^ key.data[i]) * UINT64_C(0x100000001b3);
    return hash;
}

/* Keeps the last line of each key. Items are visited from the end, so the first met wins. */
static void drop_overwritten(struct kv_file *file)
{
    size_t slots = 16;
    while (slots < 2 * (size_t)file->count)
        slots *= 2;
    uint32_t *table = alloc_zeroed(slots, sizeof *table); /* 0: empty; else index + 1 */
    uint32_t kept = file->count;                          /* items from here on are kept */
    for (uint32_t i = file->count; i-- > 0;) {
        const struct kv_item item = file->items[i];
        size_t slot = (size_t)(hash_key(item.key) & (slots - 1));
        while (table[slot] != 0 && !ingot_slice_equal(file->items[table[slot] - 1].key, item.key))
            slot = (slot + 1) & (slots - 1);
        if (table[slot] != 0)
            continue;
        file->items[--kept] = item;
        table[slot] = kept + 1;
    }
    free(table);
    file->count -= kept;
    memmove(file->items, file->items + kept, file->count * sizeof *file->items);
}

enum ingot_error kv_file_parse(struct ingot_buffer *content, const char *name, struct kv_file *file,
                               struct report *report)
{
    *file = (struct kv_file){.content = *content};
    *content = (struct ingot_buffer){0};
    split_all(file, name, report);
    if (report->count > 0) {
        kv_file_deinit(file);
        return INGOT_ERROR_INVALID;
    }
    if (file->count > 0)
        drop_overwritten(file);
    return INGOT_OK;
}

enum ingot_error kv_file_read(const char *path, struct kv_file *file, struct report *report)
{
    bool is_standard_input = strcmp(path, "-") == 0;
    int source = is_standard_input ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC);
    struct ingot_buffer content = {0};
    bool is_read = source >= 0 && read_all(source, &content);
    int number = errno;
    if (source >= 0 && !is_standard_input)
        (void)close(source);
    if (!is_read) {
        report_add(report, "%s: cannot be read: %s", path, strerror(number));
        ingot_buffer_deinit(&content);
        return INGOT_ERROR_IO;
    }
    return kv_file_parse(&content, path, file, report);
}

void kv_file_deinit(struct kv_file *file)
{
    free(file->items);
    ingot_buffer_deinit(&file->content);
    *file = (struct kv_file){0};
}
