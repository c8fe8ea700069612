/*
 * Index entries in runs, against a plain list that is searched from its end: whatever was added,
 * merged and forgotten, the last block's entry is found and taken.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "lib/prng.h"
#include "node/ledger_runs.h"

#define ENTRIES_MAX 4000
#define HASHES 700 /* few, so that many come again */

static struct ledger_indexed entry_of(uint32_t hash, uint64_t height, uint32_t index)
{
    struct ledger_indexed entry = ledger_indexed_at(height, index);
    for (uint32_t i = 0; i < 4; i++)
        entry.sha256[i] = (uint8_t)(hash * 2654435761U >> (24 - 8 * i));
    return entry;
}

/* The last block's entry with that hash; NULL: there is none, or it was forgotten. */
static const struct ledger_indexed *last_of(const struct ledger_indexed *list, size_t count,
                                            const struct ledger_indexed *wanted)
{
    while (count-- > 0)
        if (ledger_compare_indexed(&list[count], wanted) == 0)
            return &list[count];
    return NULL;
}

static size_t add_some(struct ledger_runs *runs, struct prng *prng, uint64_t height,
                       struct ledger_indexed *list)
{
    static struct ledger_indexed added[64];
    const size_t count = prng_below(prng, 20) == 0 ? 60 : prng_between(prng, 1, 6);
    const uint32_t first = (uint32_t)prng_below(prng, HASHES);
    for (uint32_t i = 0; i < count; i++)
        added[i] = list[i] = entry_of((first + 31 * i) % HASHES, height, i);
    ledger_runs_add(runs, added, count);
    return count;
}

static void runs_find_and_take_what_a_plain_list_has(void **state)
{
    (void)state;
    static struct ledger_indexed list[ENTRIES_MAX];
    for (uint64_t seed = 1; seed <= 20; seed++) {
        struct prng prng;
        prng_init(&prng, seed, 0);
        struct ledger_runs runs = {0};
        size_t count = 0;
        for (uint64_t height = 1; count + 64 <= ENTRIES_MAX; height++)
            count += add_some(&runs, &prng, height, list + count);
        size_t distinct = 0;
        for (uint32_t hash = 0; hash < HASHES + 10; hash++) {
            const struct ledger_indexed wanted = entry_of(hash, 0, 0);
            const struct ledger_indexed *expected = last_of(list, count, &wanted);
            const struct ledger_indexed *found = ledger_runs_find(&runs, wanted.sha256);
            assert_true((found == NULL) == (expected == NULL));
            if (found == NULL)
                continue;
            assert_memory_equal(found, expected, sizeof *found);
            distinct++;
        }
        size_t taken = 0;
        struct ledger_indexed before = {0};
        const struct ledger_indexed *next = NULL;
        while ((next = ledger_runs_take(&runs)) != NULL) {
            assert_true(taken++ == 0 || ledger_compare_indexed(&before, next) < 0);
            assert_memory_equal(next, last_of(list, count, next), sizeof *next);
            before = *next;
            assert_non_null(ledger_runs_find(&runs, before.sha256));
        }
        assert_int_equal(taken, distinct);
        assert_int_equal(runs.taken, runs.entry_count);
        ledger_runs_deinit(&runs);
    }
}

static void what_was_forgotten_is_not_found_and_nothing_else_is_missed(void **state)
{
    (void)state;
    struct ledger_runs runs = {0};
    for (uint32_t height = 1; height <= 300; height++) {
        struct ledger_indexed entries[2] = {entry_of(height, height, 0),
                                            entry_of(1000 + height % 50, height, 1)};
        ledger_runs_add(&runs, entries, 2);
    }
    for (uint32_t height = 1; height <= 280; height++) {
        const struct ledger_indexed once = entry_of(height, height, 0);
        const struct ledger_indexed again = entry_of(1000 + height % 50, height, 1);
        const struct ledger_indexed other = entry_of(height + 1, height + 1, 0);
        ledger_runs_forget(&runs, other.sha256, height); /* it is of another block */
        ledger_runs_forget(&runs, once.sha256, height);
        ledger_runs_forget(&runs, again.sha256, height);
        assert_null(ledger_runs_find(&runs, once.sha256));
        assert_non_null(ledger_runs_find(&runs, other.sha256));
        const struct ledger_indexed *last = ledger_runs_find(&runs, again.sha256);
        if (height + 50 <= 300)
            assert_true(last != NULL && last->height > 250);
        else
            assert_null(last);
    }
    ledger_runs_deinit(&runs);
}

static void many_small_additions_are_in_few_runs(void **state)
{
    (void)state;
    struct ledger_runs runs = {0};
    for (uint32_t i = 0; i < 300000; i++) {
        struct ledger_indexed entry = entry_of(i, i + 1, 0);
        ledger_runs_add(&runs, &entry, 1);
        if (runs.count > 40)
            fail_msg("%zu runs for %u entries", runs.count, i + 1);
    }
    assert_int_equal(runs.entry_count, 300000);
    ledger_runs_deinit(&runs);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(runs_find_and_take_what_a_plain_list_has),
        cmocka_unit_test(what_was_forgotten_is_not_found_and_nothing_else_is_missed),
        cmocka_unit_test(many_small_additions_are_in_few_runs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
