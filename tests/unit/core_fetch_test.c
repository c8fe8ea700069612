/*
 * Searching for blocks among peers that lie, stall and flood, and what else one member can say too
 * often. Goal: nobody keeps a replica that is behind from asking on, or fills it with inventions.
 * Method: one core of four, alone; the test plays its peers and its App.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "core/core.h"

#define FETCH_TIMEOUT_MS 1000

struct alone {
    struct core *core;
    struct block *genesis;
    struct qc *genesis_qc;
    struct validator_set *set;
    struct core_safety safety;
    struct core_effects effects; /* of the last event */
    uint64_t now_ms;
    uint8_t blocks_made;
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
    memset(alone->genesis->hash.bytes, 0xff, INGOT_HASH_BYTES);
    alone->genesis_qc = qc_new(0);
    alone->genesis_qc->block = alone->genesis->hash;
    alone->safety = core_safety_at_genesis(alone->genesis_qc);
    const struct core_config config = {.genesis = alone->genesis,
                                       .leader_tenure = 4,
                                       .base_timeout_ms = 60000,
                                       .timeout_resend_ms = 60000,
                                       .advertise_interval_ms = 600000,
                                       .fetch_timeout_ms = FETCH_TIMEOUT_MS};
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

static struct qc *certify(struct alone *alone, const struct block *block)
{
    if (block->height == 0) {
        return qc_ref(alone->genesis_qc);
    }
    struct qc *qc = qc_new(3);
    qc->view = block->view;
    qc->block_view = block->view;
    qc->block = block->hash;
    qc->validator_count = 4;
    return qc;
}

static struct block *block_on(struct alone *alone, const struct block *parent, uint64_t view)
{
    struct block *block = block_new();
    memset(block->hash.bytes, ++alone->blocks_made, INGOT_HASH_BYTES);
    block->parent = parent->hash;
    block->height = parent->height + 1;
    block->view = view;
    block->justify = certify(alone, parent);
    return block;
}

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

static enum reject receive(struct alone *alone, struct message *message)
{
    const enum reject reject =
        step(alone, (struct core_event){.kind = CORE_MESSAGE, .peer = 1, .message = message});
    message_unref(message);
    return reject;
}

static void tick(struct alone *alone, uint64_t after_ms)
{
    alone->now_ms += after_ms;
    (void)step(alone, (struct core_event){.kind = CORE_TICK});
}

static void show_certificate(struct alone *alone, const struct block *block)
{
    struct message *message = message_new(MESSAGE_CERTIFICATE);
    message->certificate.qc = certify(alone, block);
    assert_int_equal(receive(alone, message), REJECT_NONE);
}

static void answer(struct alone *alone, struct block *const *blocks, uint32_t count,
                   struct qc *tail_qc)
{
    struct message *message = message_new(MESSAGE_SYNC_RESPONSE);
    message->sync_response.tail_qc = tail_qc;
    message->sync_response.blocks = calloc(count + 1, sizeof(struct block *));
    assert_non_null(message->sync_response.blocks);
    for (uint32_t i = 0; i < count; i++) {
        message->sync_response.blocks[message->sync_response.block_count++] = block_ref(blocks[i]);
    }
    assert_int_equal(receive(alone, message), REJECT_NONE);
}

static void propose(struct alone *alone, struct block *block)
{
    struct message *message = message_new(MESSAGE_PROPOSE);
    message->propose.block = block_ref(block);
    message->propose.vote = (struct vote){.view = block->view, .block = block->hash};
    message->propose.vote.voter = leader_of_view(alone->set, block->view, 4);
    assert_int_equal(receive(alone, message), REJECT_NONE);
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

static void expect_asked(const struct alone *alone, const struct block *block)
{
    const struct core_effect *ask = find(alone, CORE_ASK_VALIDATE);
    assert_non_null(ask);
    assert_memory_equal(ask->block->hash.bytes, block->hash.bytes, INGOT_HASH_BYTES);
}

static void validated(struct alone *alone, struct block *block)
{
    (void)step(alone, (struct core_event){.kind = CORE_VALIDATED, .block = block, .valid = true});
}

static void expect_fetch(const struct alone *alone, uint32_t attempt)
{
    const struct core_effect *fetch = find(alone, CORE_FETCH);
    assert_non_null(fetch);
    assert_int_equal(fetch->attempt, attempt);
}

/* A core that has just asked for `target`. */
static void ask_for(struct alone *alone, const struct block *target)
{
    show_certificate(alone, target);
    tick(alone, 10);
    expect_fetch(alone, 0);
}

/* --- The tests. --- */

static void an_invented_block_is_not_executed_and_another_peer_is_asked(void **state)
{
    struct alone *alone = *state;
    struct block *first = block_on(alone, alone->genesis, 1);
    struct block *second = block_on(alone, first, 2);
    struct block *invented = block_on(alone, alone->genesis, 9);
    ask_for(alone, second);

    answer(alone, &invented, 1, NULL);

    assert_null(find(alone, CORE_ASK_VALIDATE));
    assert_null(find(alone, CORE_PERSIST_BLOCK));
    tick(alone, FETCH_TIMEOUT_MS);
    expect_fetch(alone, 1);
    block_unref(first);
    block_unref(second);
    block_unref(invented);
}

static void the_target_needs_no_certificate_even_when_a_higher_one_has_been_shown(void **state)
{
    struct alone *alone = *state;
    struct block *blocks[3];
    blocks[0] = block_on(alone, alone->genesis, 1);
    blocks[1] = block_on(alone, blocks[0], 2);
    blocks[2] = block_on(alone, blocks[1], 3);
    ask_for(alone, blocks[1]);
    show_certificate(alone, blocks[2]);

    answer(alone, blocks, 2, NULL);
    expect_asked(alone, blocks[0]);
    validated(alone, blocks[0]);

    expect_asked(alone, blocks[1]);
    for (uint32_t i = 0; i < 3; i++) {
        block_unref(blocks[i]);
    }
}

static void a_flood_of_empty_answers_does_not_put_off_the_next_request(void **state)
{
    struct alone *alone = *state;
    struct block *first = block_on(alone, alone->genesis, 1);
    ask_for(alone, first);
    bool has_asked_again = false;

    for (uint32_t i = 0; i < 2 * FETCH_TIMEOUT_MS / 10 && !has_asked_again; i++) {
        alone->now_ms += 10;
        answer(alone, NULL, 0, NULL);
        has_asked_again = find(alone, CORE_FETCH) != NULL;
    }

    assert_true(has_asked_again);
    expect_fetch(alone, 1);
    block_unref(first);
}

static void a_peer_that_gives_one_block_at_a_time_is_not_asked_twice_in_a_row(void **state)
{
    struct alone *alone = *state;
    struct block *first = block_on(alone, alone->genesis, 1);
    struct block *second = block_on(alone, first, 2);
    struct block *third = block_on(alone, second, 3);
    ask_for(alone, third);

    answer(alone, &first, 1, certify(alone, first));
    expect_asked(alone, first);
    validated(alone, first);

    expect_fetch(alone, 1);
    assert_memory_equal(find(alone, CORE_FETCH)->message->sync_request.base.bytes,
                        first->hash.bytes, INGOT_HASH_BYTES);
    block_unref(first);
    block_unref(second);
    block_unref(third);
}

static void one_member_with_many_votes_in_a_view_is_reported_once(void **state)
{
    struct alone *alone = *state;
    uint32_t reports = 0;
    for (uint8_t i = 0; i < 10; i++) {
        struct message *message = message_new(MESSAGE_VOTE);
        message->vote = (struct vote){.view = 5, .voter = 2};
        memset(message->vote.block.bytes, i + 1, INGOT_HASH_BYTES);
        (void)receive(alone, message);
        reports += find(alone, CORE_EVIDENCE) != NULL;
    }
    assert_int_equal(reports, 1);

    struct message *later = message_new(MESSAGE_VOTE);
    later->vote = (struct vote){.view = 6, .voter = 2};
    (void)receive(alone, later);
    later = message_new(MESSAGE_VOTE);
    later->vote = (struct vote){.view = 6, .voter = 2};
    later->vote.block.bytes[0] = 1;
    (void)receive(alone, later);
    assert_non_null(find(alone, CORE_EVIDENCE));
}

/* More than a third lie: the certificates of two branches exclude each other. */
static void conflicting_certificates_stop_the_replica_with_a_reason(void **state)
{
    struct alone *alone = *state;
    struct block *chain[3];
    struct block *rival = block_on(alone, alone->genesis, 9);
    const struct block *parent = alone->genesis;
    for (uint32_t i = 0; i < 3; i++) {
        chain[i] = block_on(alone, parent, i + 1);
        parent = chain[i];
    }
    ask_for(alone, chain[1]);
    answer(alone, chain, 2, NULL);
    validated(alone, chain[0]);
    validated(alone, chain[1]);
    propose(alone, chain[2]);
    expect_asked(alone, chain[2]);
    validated(alone, chain[2]);
    show_certificate(alone, rival);
    tick(alone, 10);
    answer(alone, &rival, 1, NULL);
    validated(alone, rival);

    show_certificate(alone, chain[2]);

    assert_non_null(find(alone, CORE_HALT));
    assert_null(find(alone, CORE_COMMIT));
    block_unref(rival);
    for (uint32_t i = 0; i < 3; i++) {
        block_unref(chain[i]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(an_invented_block_is_not_executed_and_another_peer_is_asked,
                                        set_up, tear_down),
        cmocka_unit_test_setup_teardown(
            the_target_needs_no_certificate_even_when_a_higher_one_has_been_shown, set_up,
            tear_down),
        cmocka_unit_test_setup_teardown(a_flood_of_empty_answers_does_not_put_off_the_next_request,
                                        set_up, tear_down),
        cmocka_unit_test_setup_teardown(
            a_peer_that_gives_one_block_at_a_time_is_not_asked_twice_in_a_row, set_up, tear_down),
        cmocka_unit_test_setup_teardown(one_member_with_many_votes_in_a_view_is_reported_once,
                                        set_up, tear_down),
        cmocka_unit_test_setup_teardown(conflicting_certificates_stop_the_replica_with_a_reason,
                                        set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
