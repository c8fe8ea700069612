/*
 * The bodies of ledger_runs.h. With runs that are at least twice as long as the next one, unless a
 * merge would be longer than RUN_ENTRIES_MAX, n entries are in n / RUN_ENTRIES_MAX * 2 + 16 runs at
 * most, and each of them has moved 16 times at most.
 */
#include "node/ledger_runs.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"

/* A merge of so many takes less than a millisecond. */
#define RUN_ENTRIES_MAX 32768

int ledger_compare_indexed(const void *a, const void *b)
{
    const struct ledger_indexed *left = a;
    const struct ledger_indexed *right = b;
    return memcmp(left->sha256, right->sha256, sizeof left->sha256);
}

void ledger_runs_deinit(struct ledger_runs *runs)
{
    for (size_t i = 0; i < runs->count; i++)
        free(runs->items[i].entries);
    free(runs->items);
    *runs = (struct ledger_runs){0};
}

/* --- Adding. --- */

static int compare_with_height(const void *a, const void *b)
{
    const int order = ledger_compare_indexed(a, b);
    if (order != 0)
        return order;
    const struct ledger_indexed *left = a;
    const struct ledger_indexed *right = b;
    return (left->height > right->height) - (left->height < right->height);
}

/* Returns how many are left once each hash is there once. */
static size_t keep_last_of_each(struct ledger_indexed *entries, size_t count)
{
    size_t kept = 0;
    for (size_t i = 0; i < count; i++)
        if (i + 1 == count || ledger_compare_indexed(&entries[i], &entries[i + 1]) != 0)
            entries[kept++] = entries[i];
    return kept;
}

static bool should_merge(const struct ledger_runs *runs)
{
    if (runs->count < 2)
        return false;
    const size_t older = runs->items[runs->count - 2].count;
    const size_t newer = runs->items[runs->count - 1].count;
    return older < 2 * newer && older + newer <= RUN_ENTRIES_MAX;
}

static void merge_last_two(struct ledger_runs *runs)
{
    struct ledger_run *older = &runs->items[runs->count - 2];
    const struct ledger_run *newer = &runs->items[runs->count - 1];
    struct ledger_indexed *entries =
        alloc_resize(NULL, older->count + newer->count, sizeof *entries);
    size_t count = 0;
    size_t i = 0;
    size_t j = 0;
    while (i < older->count || j < newer->count) {
        int order = -1;
        if (i == older->count)
            order = 1;
        else if (j < newer->count)
            order = ledger_compare_indexed(&older->entries[i], &newer->entries[j]);
        if (order == 0)
            i++;
        entries[count++] = order < 0 ? older->entries[i++] : newer->entries[j++];
    }
    runs->entry_count -= older->count + newer->count - count;
    free(older->entries);
    free(newer->entries);
    *older =
        (struct ledger_run){.entries = entries, .count = count, .last_height = newer->last_height};
    runs->count--;
}

void ledger_runs_add(struct ledger_runs *runs, struct ledger_indexed *entries, size_t count)
{
    INGOT_ASSERT(runs->taken == 0);
    if (count == 0)
        return;
    uint64_t last_height = 0;
    for (size_t i = 0; i < count; i++)
        last_height = entries[i].height > last_height ? entries[i].height : last_height;
    qsort(entries, count, sizeof *entries, compare_with_height);
    count = keep_last_of_each(entries, count);
    if (runs->count == runs->capacity) {
        runs->capacity = runs->capacity > 0 ? runs->capacity * 2 : 16;
        runs->items = alloc_resize(runs->items, runs->capacity, sizeof *runs->items);
    }
    runs->items[runs->count++] =
        (struct ledger_run){.entries = alloc_copy(entries, count * sizeof *entries),
                            .count = count,
                            .last_height = last_height};
    runs->entry_count += count;
    while (should_merge(runs))
        merge_last_two(runs);
}

/* --- Finding. --- */

static struct ledger_indexed *find_in_run(const struct ledger_run *run, const uint8_t sha256[32])
{
    struct ledger_indexed wanted = {0};
    memcpy(wanted.sha256, sha256, sizeof wanted.sha256);
    return bsearch(&wanted, run->entries, run->count, sizeof wanted, ledger_compare_indexed);
}

const struct ledger_indexed *ledger_runs_find(const struct ledger_runs *runs,
                                              const uint8_t sha256[32])
{
    for (size_t i = runs->count; i-- > 0;) {
        const struct ledger_indexed *found = find_in_run(&runs->items[i], sha256);
        if (found != NULL && found->height > 0)
            return found;
    }
    return NULL;
}

void ledger_runs_forget(struct ledger_runs *runs, const uint8_t sha256[32], uint64_t height)
{
    size_t i = 0;
    while (i < runs->count && runs->items[i].last_height < height)
        i++;
    struct ledger_indexed *found = i < runs->count ? find_in_run(&runs->items[i], sha256) : NULL;
    if (found != NULL && found->height == height)
        found->height = 0;
}

/* --- Taking. --- */

/* The next entry of a run that was not taken; NULL: all were. */
static const struct ledger_indexed *head_of(const struct ledger_run *run)
{
    return run->taken < run->count ? &run->entries[run->taken] : NULL;
}

const struct ledger_indexed *ledger_runs_take(struct ledger_runs *runs)
{
    const struct ledger_indexed *next = NULL;
    for (size_t i = 0; i < runs->count; i++) {
        const struct ledger_indexed *head = head_of(&runs->items[i]);
        /* Of equal ones the last run's. */
        if (head != NULL && (next == NULL || ledger_compare_indexed(head, next) <= 0))
            next = head;
    }
    for (size_t i = 0; next != NULL && i < runs->count; i++) {
        const struct ledger_indexed *head = head_of(&runs->items[i]);
        if (head != NULL && ledger_compare_indexed(head, next) == 0) {
            runs->items[i].taken++;
            runs->taken++;
        }
    }
    return next;
}
