/*
 * Our own key, used by somebody else: a copy of this validator that runs elsewhere. Goal: whoever
 * sees what it did not say itself signs nothing any more and raises the alarm, and nothing that it
 * did say makes it do so. Method: one core of four, alone; the test plays its peers and its App.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "core/core.h"

#define BASE_TIMEOUT_MS 500

struct alone {
    struct core *core;
    struct block *genesis;
    struct qc *genesis_qc;
    struct validator_set *set;
    struct core_safety safety;
    struct core_effects effects; /* of the last event */
    uint64_t now_ms;
    uint32_t us;
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
    alone->us = (leader_of_view(alone->set, 1, 4) + 1) % 4;
    alone->genesis = block_new();
    memset(alone->genesis->hash.bytes, 0xff, INGOT_HASH_BYTES);
    alone->genesis_qc = qc_new(0);
    alone->genesis_qc->block = alone->genesis->hash;
    alone->safety = core_safety_at_genesis(alone->genesis_qc);
    const struct core_config config = {.genesis = alone->genesis,
                                       .has_key = true,
                                       .key = alone->set->validators[alone->us].key,
                                       .leader_tenure = 4,
                                       .base_timeout_ms = BASE_TIMEOUT_MS,
                                       .timeout_resend_ms = BASE_TIMEOUT_MS,
                                       .advertise_interval_ms = 600000,
                                       .fetch_timeout_ms = 1000};
    const struct core_restored restored = {.safety = &alone->safety,
                                           .last_committed = alone->genesis,
                                           .sets = &alone->set,
                                           .set_count = 1};
    alone->core = core_new(&config, &restored, &why);
    assert_non_null(alone->core);
    const struct core_event start = {.kind = CORE_START};
    assert_int_equal(core_step(alone->core, &start, &alone->effects), REJECT_NONE);
    *state = alone;
    return 0;
}

static int tear_down(void **state)
{
    struct alone *alone = *state;
    core_free(alone->core);
    core_effects_deinit(&alone->effects);
    core_safety_deinit(&alone->safety);
    qc_unref(alone->genesis_qc);
    block_unref(alone->genesis);
    validator_set_unref(alone->set);
    free(alone);
    return 0;
}

/* --- The world. --- */

static enum reject step(struct alone *alone, struct core_event event)
{
    const char *why = "";
    event.now_ms = alone->now_ms;
    core_effects_clear(&alone->effects);
    const enum reject reject = core_step(alone->core, &event, &alone->effects);
    if (core_check_invariants(alone->core, &why) != 0) {
        fail_msg("%s", why);
    }
    return reject;
}

static const struct core_effect *find(const struct alone *alone, enum core_effect_kind kind)
{
    for (uint32_t i = 0; i < alone->effects.count; i++) {
        if (alone->effects.items[i].kind == kind) {
            return &alone->effects.items[i];
        }
    }
    return NULL;
}

static enum reject receive(struct alone *alone, struct message *message)
{
    const enum reject reject =
        step(alone, (struct core_event){.kind = CORE_MESSAGE, .peer = 1, .message = message});
    message_unref(message);
    return reject;
}

static void receive_vote(struct alone *alone, uint64_t view, const struct ingot_hash *block)
{
    struct message *message = message_new(MESSAGE_VOTE);
    message->vote = (struct vote){.view = view, .voter = alone->us, .block = *block};
    (void)receive(alone, message);
}

static void receive_timeout(struct alone *alone, uint64_t view)
{
    struct message *message = message_new(MESSAGE_TIMEOUT);
    message->timeout =
        (struct timeout){.view = view, .voter = alone->us, .high_qc = qc_ref(alone->genesis_qc)};
    (void)receive(alone, message);
}

static void wait_ms(struct alone *alone, uint64_t after_ms)
{
    alone->now_ms += after_ms;
    (void)step(alone, (struct core_event){.kind = CORE_TICK});
}

/* The leader of view 1 proposes on the genesis block, and the App agrees: the block's hash. */
static struct ingot_hash vote_in_view_1(struct alone *alone)
{
    struct block *block = block_new();
    memset(block->hash.bytes, 1, INGOT_HASH_BYTES);
    block->parent = alone->genesis->hash;
    block->height = 1;
    block->view = 1;
    block->justify = qc_ref(alone->genesis_qc);
    struct message *message = message_new(MESSAGE_PROPOSE);
    message->propose.block = block_ref(block);
    message->propose.vote = (struct vote){.view = 1, .block = block->hash};
    message->propose.vote.voter = leader_of_view(alone->set, 1, 4);
    assert_int_equal(receive(alone, message), REJECT_NONE);
    (void)step(alone, (struct core_event){.kind = CORE_VALIDATED, .block = block, .valid = true});
    assert_non_null(find(alone, CORE_SEND));
    const struct ingot_hash hash = block->hash;
    block_unref(block);
    return hash;
}

static void expect_alarm_and_silence(struct alone *alone)
{
    assert_non_null(find(alone, CORE_STOP_SIGNING));
    struct core_status status;
    core_get_status(alone->core, &status);
    assert_true(status.has_stopped_signing);
    for (uint32_t i = 0; i < 10; i++) {
        wait_ms(alone, BASE_TIMEOUT_MS);
        assert_null(find(alone, CORE_BROADCAST));
        assert_null(find(alone, CORE_SEND));
    }
}

/* --- The tests. --- */

static void a_vote_above_our_last_that_we_did_not_cast_ends_our_signing(void **state)
{
    struct alone *alone = *state;
    receive_vote(alone, 5, &alone->genesis->hash);
    expect_alarm_and_silence(alone);
}

static void a_timeout_above_our_last_vote_that_we_did_not_send_ends_our_signing(void **state)
{
    struct alone *alone = *state;
    receive_timeout(alone, 5);
    expect_alarm_and_silence(alone);
}

static void a_vote_in_a_view_that_we_gave_up_ends_our_signing(void **state)
{
    struct alone *alone = *state;
    wait_ms(alone, BASE_TIMEOUT_MS);
    assert_non_null(find(alone, CORE_BROADCAST));
    receive_vote(alone, 1, &alone->genesis->hash);
    expect_alarm_and_silence(alone);
}

static void another_vote_in_the_view_of_ours_ends_our_signing(void **state)
{
    struct alone *alone = *state;
    (void)vote_in_view_1(alone);
    receive_vote(alone, 1, &alone->genesis->hash);
    expect_alarm_and_silence(alone);
}

static void what_we_said_ourselves_may_come_back_by_any_channel(void **state)
{
    struct alone *alone = *state;
    const struct ingot_hash block = vote_in_view_1(alone);
    receive_vote(alone, 1, &block);
    assert_null(find(alone, CORE_STOP_SIGNING));
    wait_ms(alone, BASE_TIMEOUT_MS);
    assert_non_null(find(alone, CORE_BROADCAST));
    receive_timeout(alone, 1);
    assert_null(find(alone, CORE_STOP_SIGNING));
    receive_vote(alone, 1, &block);
    assert_null(find(alone, CORE_STOP_SIGNING));
    wait_ms(alone, BASE_TIMEOUT_MS);
    assert_non_null(find(alone, CORE_BROADCAST));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_vote_above_our_last_that_we_did_not_cast_ends_our_signing,
                                        set_up, tear_down),
        cmocka_unit_test_setup_teardown(
            a_timeout_above_our_last_vote_that_we_did_not_send_ends_our_signing, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_vote_in_a_view_that_we_gave_up_ends_our_signing, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(another_vote_in_the_view_of_ours_ends_our_signing, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(what_we_said_ourselves_may_come_back_by_any_channel, set_up,
                                        tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
