/*
 * The one timer that the core asks its driver for. Goal: whatever the moment at which ticks come,
 * there is always a next one. Method: one replica of four, alone, at the start of a chain.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "core/core.h"

struct alone {
    struct core *core;
    struct block *genesis;
    struct validator_set *set;
    struct core_safety safety;
    struct core_effects effects;
};

static int set_up(void **state)
{
    struct alone *alone = calloc(1, sizeof *alone);
    assert_non_null(alone);
    struct ingot_validator members[4];
    const char *why = NULL;
    for (uint8_t i = 0; i < 4; i++) {
        members[i] = (struct ingot_validator){.power = 1};
        memset(members[i].key.bytes, i + 1, sizeof members[i].key.bytes);
    }
    alone->set = validator_set_new(0, members, 4, &why);
    assert_non_null(alone->set);
    alone->genesis = block_new();
    memset(alone->genesis->hash.bytes, 7, INGOT_HASH_BYTES);
    struct qc *qc = qc_new(0);
    qc->block = alone->genesis->hash;
    alone->safety = core_safety_at_genesis(qc);
    qc_unref(qc);
    const struct core_config config = {.genesis = alone->genesis,
                                       .has_key = true,
                                       .key = members[0].key,
                                       .leader_tenure = 4,
                                       .base_timeout_ms = 500,
                                       .empty_block_interval_ms = 1000,
                                       .timeout_resend_ms = 500,
                                       .advertise_interval_ms = 100000,
                                       .fetch_timeout_ms = 1000};
    const struct core_restored restored = {.safety = &alone->safety,
                                           .last_committed = alone->genesis,
                                           .sets = &alone->set,
                                           .set_count = 1};
    alone->core = core_new(&config, &restored, &why);
    assert_non_null(alone->core);
    *state = alone;
    return 0;
}

static int tear_down(void **state)
{
    struct alone *alone = *state;
    core_effects_deinit(&alone->effects);
    core_free(alone->core);
    core_safety_deinit(&alone->safety);
    block_unref(alone->genesis);
    validator_set_unref(alone->set);
    free(alone);
    return 0;
}

/* The deadline that the step arms; 0: none. */
static uint64_t step(struct alone *alone, enum core_event_kind kind, uint64_t now_ms)
{
    uint64_t deadline_ms = 0;
    const struct core_event event = {.kind = kind, .now_ms = now_ms};
    core_effects_clear(&alone->effects);
    (void)core_step(alone->core, &event, &alone->effects);
    for (uint32_t i = 0; i < alone->effects.count; i++) {
        if (alone->effects.items[i].kind == CORE_ARM) {
            deadline_ms = alone->effects.items[i].deadline_ms;
        }
    }
    return deadline_ms;
}

static void a_tick_that_comes_early_is_asked_for_again(void **state)
{
    struct alone *alone = *state;
    const uint64_t deadline_ms = step(alone, CORE_START, 1000);
    assert_true(deadline_ms > 1001);
    assert_int_equal(step(alone, CORE_TICK, deadline_ms - 1), deadline_ms);
    assert_int_equal(step(alone, CORE_TICK, deadline_ms - 1), deadline_ms);
    assert_true(step(alone, CORE_TICK, deadline_ms) > deadline_ms);
}

static void every_tick_arms_the_next_however_long_the_silence(void **state)
{
    struct alone *alone = *state;
    uint64_t now_ms = step(alone, CORE_START, 1000);
    for (int i = 0; i < 1000; i++) {
        const uint64_t next_ms = step(alone, CORE_TICK, now_ms);
        assert_true(next_ms > now_ms);
        now_ms = next_ms;
    }
    struct core_status status;
    core_get_status(alone->core, &status);
    assert_int_equal(status.timeouts, 1);
}

/* A TC of view 1 lets us in to view 5, whose deadline is asked for. */
static uint64_t enter_view_5(struct alone *alone, uint64_t now_ms)
{
    struct message *message = message_new(MESSAGE_CERTIFICATE);
    struct tc *tc = tc_new(4);
    tc->view = 1;
    tc->high_qc = qc_ref(alone->safety.high_qc);
    message->certificate.tc = tc;
    const struct core_event event = {
        .kind = CORE_MESSAGE, .now_ms = now_ms, .peer = 1, .message = message};
    core_effects_clear(&alone->effects);
    (void)core_step(alone->core, &event, &alone->effects);
    message_unref(message);
    struct core_status status;
    core_get_status(alone->core, &status);
    assert_int_equal(status.current.view, 5);
    return step(alone, CORE_TICK, now_ms);
}

static void a_view_lasts_its_base_timeout(void **state)
{
    struct alone *alone = *state;
    (void)step(alone, CORE_START, 1000);
    assert_int_equal(enter_view_5(alone, 1100), 1100 + 500);
}

static void a_slow_disk_makes_views_longer(void **state)
{
    struct alone *alone = *state;
    (void)step(alone, CORE_START, 1000);
    const struct core_event tick = {.kind = CORE_TICK, .now_ms = 1100, .timeout_floor_ms = 4000};
    core_effects_clear(&alone->effects);
    (void)core_step(alone->core, &tick, &alone->effects);
    assert_int_equal(enter_view_5(alone, 1100), 1100 + 4000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_tick_that_comes_early_is_asked_for_again, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(every_tick_arms_the_next_however_long_the_silence, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(a_view_lasts_its_base_timeout, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_slow_disk_makes_views_longer, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
