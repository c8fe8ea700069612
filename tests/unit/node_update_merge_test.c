/*
 * The merge of ordered runs of updates: the order it gives, which of equal keys comes first, and
 * where runs begin and end.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "node/update_merge.h"

#define RUNS 9
#define KEYS 23
#define ROUNDS 500

static struct ingot_slice text(const char *bytes)
{
    return ingot_slice_of_text(bytes);
}

static struct execution *execution_of(const struct state_update *updates, uint32_t count)
{
    return execution_new(NULL, 0, updates, count, NULL, 0);
}

/* Some begin others, so that length decides as well. */
static void name_key(uint32_t key, char name[8])
{
    snprintf(name, 8, key % 3 == 0 ? "%c" : key % 3 == 1 ? "%ca" : "%cab", (int)('a' + key / 3));
}

/* With `has`, of each key the number of the run that is its value, ordered. */
static struct execution *make_run(const bool has[KEYS], uint8_t number)
{
    char names[KEYS][8];
    struct state_update updates[KEYS];
    uint32_t count = 0;
    for (uint32_t key = 0; key < KEYS; key++) {
        if (!has[key])
            continue;
        name_key(key, names[key]);
        updates[count++] =
            (struct state_update){.key = text(names[key]), .value = ingot_slice_of(&number, 1)};
    }
    return execution_of(updates, count);
}

static uint32_t next_random(uint64_t *seed)
{
    *seed = *seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (uint32_t)(*seed >> 33);
}

/* A share of the keys for each of some runs, merged; each key comes once, of the highest rank. */
static void round_of(uint64_t seed)
{
    bool has[RUNS][KEYS] = {0};
    struct execution *executions[RUNS];
    struct update_run runs[RUNS];
    struct update_merge merge = {0};
    uint32_t first[RUNS];
    uint32_t end[RUNS];
    const uint32_t count = 1 + next_random(&seed) % RUNS;
    for (uint32_t i = 0; i < count; i++) {
        const uint32_t share = next_random(&seed) % 5;
        for (uint32_t key = 0; key < KEYS; key++)
            has[i][key] = next_random(&seed) % 4 < share;
        executions[i] = make_run(has[i], (uint8_t)i);
        first[i] = next_random(&seed) % (executions[i]->update_count + 1);
        end[i] = first[i] + next_random(&seed) % (executions[i]->update_count - first[i] + 1);
    }
    /* Ranks rise with the numbers; they come in the other way round, or in order. */
    const bool is_backwards = seed >> 63;
    for (uint32_t i = 0; i < count; i++) {
        const uint32_t run = is_backwards ? count - 1 - i : i;
        update_run_begin(&merge, &runs[run], executions[run], 10 + run, first[run], end[run]);
    }
    for (uint32_t key = 0; key < KEYS; key++) {
        char name[8];
        name_key(key, name);
        uint32_t best = RUNS;
        for (uint32_t i = 0; i < count; i++) {
            const uint32_t at = update_bound(executions[i], text(name), false);
            if (has[i][key] && at >= first[i] && at < end[i])
                best = i;
        }
        if (best == RUNS)
            continue;
        const struct update_source *top = update_merge_top(&merge);
        assert_non_null(top);
        assert_true(ingot_slice_equal(top->item.key, text(name)));
        assert_int_equal(top->rank, 10 + best);
        assert_int_equal(top->item.value.data[0], best);
        update_runs_pass(&merge, top->item.key);
    }
    assert_null(update_merge_top(&merge));
    for (uint32_t i = 0; i < count; i++) {
        assert_int_equal(runs[i].next, end[i]);
        execution_unref(executions[i]);
    }
    update_merge_deinit(&merge);
}

static void each_key_comes_once_in_order_with_its_highest_rank(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= ROUNDS; seed++)
        round_of(seed * UINT64_C(0x9e3779b97f4a7c15));
}

/* A reader that shows deletes to nobody has to see them, and what lies below. */
static void sources_of_one_key_come_from_the_highest_rank_down(void **state)
{
    (void)state;
    struct update_source sources[6];
    const uint64_t ranks[6] = {3, 1, UINT64_MAX, 0, 7, 2};
    const uint64_t order[6] = {UINT64_MAX, 7, 3, 2, 1, 0};
    struct update_merge merge = {0};
    for (uint32_t i = 0; i < 6; i++) {
        sources[i] =
            (struct update_source){.item = {.key = text("k"), .is_delete = true}, .rank = ranks[i]};
        update_merge_add(&merge, &sources[i]);
    }
    for (uint32_t i = 0; i < 6; i++) {
        const struct update_source *top = update_merge_top(&merge);
        assert_non_null(top);
        assert_true(top->rank == order[i]);
        update_merge_step(&merge, true);
    }
    assert_null(update_merge_top(&merge));
    update_merge_deinit(&merge);
}

/* One that has stepped is where its new key belongs, also if that is behind all others. */
static void a_source_that_is_stepped_goes_where_its_next_key_belongs(void **state)
{
    (void)state;
    struct update_source a = {.item = {.key = text("a")}, .rank = 1};
    struct update_source b = {.item = {.key = text("b")}, .rank = 2};
    struct update_source c = {.item = {.key = text("c")}, .rank = 3};
    struct update_merge merge = {0};
    update_merge_add(&merge, &c);
    update_merge_add(&merge, &b);
    update_merge_add(&merge, &a);
    assert_ptr_equal(update_merge_top(&merge), &a);
    a.item.key = text("d");
    update_merge_step(&merge, false);
    assert_ptr_equal(update_merge_top(&merge), &b);
    b.item.key = text("bb");
    update_merge_step(&merge, false);
    assert_ptr_equal(update_merge_top(&merge), &b);
    update_merge_step(&merge, true);
    assert_ptr_equal(update_merge_top(&merge), &c);
    update_merge_step(&merge, true);
    assert_ptr_equal(update_merge_top(&merge), &a);
    update_merge_step(&merge, true);
    assert_null(update_merge_top(&merge));
    update_merge_deinit(&merge);
}

static void the_bound_is_at_a_key_or_beyond_it(void **state)
{
    (void)state;
    const struct state_update updates[] = {
        {.key = text("b")}, {.key = text("bb"), .is_delete = true}, {.key = text("d")}};
    struct execution *execution = execution_of(updates, 3);
    struct execution *empty = execution_of(updates, 0);
    const struct {
        const char *key;
        uint32_t at;
        uint32_t beyond;
    } cases[] = {{"", 0, 0},  {"a", 0, 0}, {"b", 0, 1},  {"ba", 1, 1}, {"bb", 1, 2},
                 {"c", 2, 2}, {"d", 2, 3}, {"da", 3, 3}, {"e", 3, 3}};
    for (uint32_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        assert_int_equal(update_bound(execution, text(cases[i].key), false), cases[i].at);
        assert_int_equal(update_bound(execution, text(cases[i].key), true), cases[i].beyond);
        assert_int_equal(update_bound(empty, text(cases[i].key), true), 0);
    }
    execution_unref(execution);
    execution_unref(empty);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_key_comes_once_in_order_with_its_highest_rank),
        cmocka_unit_test(sources_of_one_key_come_from_the_highest_rank_down),
        cmocka_unit_test(a_source_that_is_stepped_goes_where_its_next_key_belongs),
        cmocka_unit_test(the_bound_is_at_a_key_or_beyond_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
