/*
 * A state of a few keys, changed at once, that stands in for the node's when an App is tested by
 * itself. It defines the functions of <ingot/app.h> that an App calls, so one test includes it
 * once.
 */
#ifndef INGOT_TESTS_APP_STATE_H
#define INGOT_TESTS_APP_STATE_H

#include <ingot/app.h>
#include <stdio.h>

#define ITEMS_MAX 2048

struct item {
    struct ingot_buffer key;
    struct ingot_buffer value;
};

struct ingot_snapshot {
    struct item items[ITEMS_MAX]; /* ordered by key */
    uint32_t count;
    enum ingot_error fails_with;
    enum ingot_error set_answer; /* to changes of validators */
    uint32_t changes_made;       /* how often validators were changed */
    uint32_t change_count;       /* of the last time */
    struct ingot_validator changes[INGOT_VALIDATORS_MAX];
};

struct ingot_execution {
    struct ingot_snapshot *state;
    uint32_t room;
    uint32_t count;
    uint32_t codes[16];
    char logs[16][INGOT_RESULT_LOG_BYTES_MAX + 1];
    struct ingot_buffer data[16];
    uint32_t included[16];
    bool refuses_index_1;
};

static inline void app_state_deinit(struct ingot_snapshot *state, struct ingot_execution *execution)
{
    for (uint32_t i = 0; i < state->count; i++) {
        ingot_buffer_deinit(&state->items[i].key);
        ingot_buffer_deinit(&state->items[i].value);
    }
    for (uint32_t i = 0; i < 16; i++)
        ingot_buffer_deinit(&execution->data[i]);
}

/* The App validates a block of height 8; the results are the execution's. */
static inline enum ingot_error app_state_validate(const struct ingot_app *app,
                                                  struct ingot_execution *execution,
                                                  const struct ingot_slice *transactions,
                                                  uint32_t count)
{
    execution->count = 0;
    execution->room = 16;
    const struct ingot_block_info info = {.height = 8};
    const struct ingot_validate_request request = {
        .block = &info,
        .snapshot = execution->state,
        .transactions = transactions,
        .transaction_count = count,
    };
    return app->validate_block(app->context, &request, execution);
}

static uint32_t position_of(const struct ingot_snapshot *state, struct ingot_slice key, bool *found)
{
    uint32_t at = 0;
    int order = -1;
    while (at < state->count) {
        order = ingot_slice_compare(ingot_buffer_slice(&state->items[at].key), key);
        if (order >= 0)
            break;
        at++;
    }
    *found = order == 0;
    return at;
}

uint64_t ingot_snapshot_height(const struct ingot_snapshot *snapshot)
{
    (void)snapshot;
    return 7;
}

enum ingot_error ingot_snapshot_get(struct ingot_snapshot *snapshot, struct ingot_slice key,
                                    struct ingot_slice *value)
{
    if (snapshot->fails_with != INGOT_OK)
        return snapshot->fails_with;
    bool found = false;
    const uint32_t at = position_of(snapshot, key, &found);
    if (!found)
        return INGOT_ERROR_NOT_FOUND;
    *value = ingot_buffer_slice(&snapshot->items[at].value);
    return INGOT_OK;
}

enum ingot_error ingot_snapshot_range(struct ingot_snapshot *snapshot, struct ingot_slice first,
                                      struct ingot_slice end, ingot_snapshot_visit *visit,
                                      void *context)
{
    if (snapshot->fails_with != INGOT_OK)
        return snapshot->fails_with;
    bool found = false;
    for (uint32_t at = position_of(snapshot, first, &found); at < snapshot->count; at++) {
        const struct ingot_slice key = ingot_buffer_slice(&snapshot->items[at].key);
        if (end.size > 0 && ingot_slice_compare(key, end) >= 0)
            break;
        if (!visit(context, key, ingot_buffer_slice(&snapshot->items[at].value)))
            break;
    }
    return INGOT_OK;
}

enum ingot_error ingot_execution_set(struct ingot_execution *execution, struct ingot_slice key,
                                     struct ingot_slice value)
{
    struct ingot_snapshot *state = execution->state;
    bool found = false;
    const uint32_t at = position_of(state, key, &found);
    if (!found) {
        assert_true(state->count < ITEMS_MAX);
        memmove(&state->items[at + 1], &state->items[at],
                (state->count - at) * sizeof state->items[0]);
        state->items[at] = (struct item){0};
        ingot_buffer_append_slice(&state->items[at].key, key);
        state->count++;
    }
    ingot_buffer_clear(&state->items[at].value);
    ingot_buffer_append_slice(&state->items[at].value, value);
    return INGOT_OK;
}

enum ingot_error ingot_execution_delete(struct ingot_execution *execution, struct ingot_slice key)
{
    struct ingot_snapshot *state = execution->state;
    bool found = false;
    const uint32_t at = position_of(state, key, &found);
    if (found) {
        ingot_buffer_deinit(&state->items[at].key);
        ingot_buffer_deinit(&state->items[at].value);
        state->count--;
        memmove(&state->items[at], &state->items[at + 1],
                (state->count - at) * sizeof state->items[0]);
    }
    return INGOT_OK;
}

/* Which sets are valid is the node's business, and tested there. */
enum ingot_error ingot_snapshot_check_validators(const struct ingot_snapshot *snapshot,
                                                 const struct ingot_validator *changes,
                                                 uint32_t change_count)
{
    assert_non_null(changes);
    assert_in_range(change_count, 1, INGOT_VALIDATORS_MAX);
    return snapshot->set_answer;
}

enum ingot_error ingot_execution_set_validators(struct ingot_execution *execution,
                                                const struct ingot_validator *changes,
                                                uint32_t change_count)
{
    struct ingot_snapshot *state = execution->state;
    assert_int_equal(state->set_answer, INGOT_OK);
    memcpy(state->changes, changes, change_count * sizeof *changes);
    state->change_count = change_count;
    state->changes_made++;
    return INGOT_OK;
}

enum ingot_error ingot_execution_result(struct ingot_execution *execution,
                                        const struct ingot_result *result)
{
    if (execution->count == execution->room)
        return INGOT_ERROR_TOO_LARGE;
    execution->codes[execution->count] = result->code;
    ingot_buffer_clear(&execution->data[execution->count]);
    ingot_buffer_append_slice(&execution->data[execution->count], result->data);
    assert_true(result->log.size <= INGOT_RESULT_LOG_BYTES_MAX);
    assert_int_equal(result->code == 0, result->log.size == 0);
    snprintf(execution->logs[execution->count], sizeof execution->logs[0], "%.*s",
             (int)result->log.size, (const char *)result->log.data);
    execution->count++;
    return INGOT_OK;
}

enum ingot_error ingot_execution_include(struct ingot_execution *execution, uint32_t index,
                                         const struct ingot_result *result)
{
    if (execution->refuses_index_1 && index == 1)
        return INGOT_ERROR_INVALID;
    if (execution->count == execution->room)
        return INGOT_ERROR_FULL;
    execution->included[execution->count] = index;
    return ingot_execution_result(execution, result);
}

#endif
