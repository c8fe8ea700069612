/*
 * Goal: what callbacks say is obeyed, and what they do wrong is counted and leaves the round able
 * to go on. Method: a replica alone whose callbacks follow a script and write down each call.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "lib/broadcast_solitary.h"

enum call { PRE_PREPARE, PREPARE, PREPARED, COMMIT, COMMITTED, CHECK, CALL_COUNT };

static struct {
    enum broadcast_verdict verdicts[CALL_COUNT];
    unsigned calls[CALL_COUNT];
    const char *attach;  /* by PREPARE and COMMIT; NULL: nothing */
    size_t attach_bytes; /* zeros more */
    const char *replace; /* the payload, by PRE_PREPARE; NULL: nothing */
    const char *refuse;  /* what CHECK does not let in; NULL: nothing */
    uint32_t commit_count;
    struct ingot_slice payload;
} script;

static struct solitary solitary;

static void attach(struct ingot_buffer *attachment)
{
    if (script.attach != NULL) {
        ingot_buffer_append_slice(attachment, ingot_slice_of_text(script.attach));
    }
    for (size_t i = 0; i < script.attach_bytes; i++) {
        ingot_buffer_append_u8(attachment, 0);
    }
}

static enum broadcast_verdict on_pre_prepare(void *context,
                                             const struct broadcast_round_view *round,
                                             struct ingot_buffer *payload,
                                             struct ingot_buffer *attachment)
{
    assert_ptr_equal(context, &script);
    assert_true(ingot_slice_equal(round->payload, ingot_buffer_slice(payload)));
    script.calls[PRE_PREPARE]++;
    if (script.replace != NULL) {
        ingot_buffer_clear(payload);
        ingot_buffer_append_slice(payload, ingot_slice_of_text(script.replace));
    }
    attach(attachment);
    return script.verdicts[PRE_PREPARE];
}

static enum broadcast_verdict on_prepare(void *context, const struct broadcast_round_view *round,
                                         struct ingot_buffer *attachment)
{
    (void)context;
    script.calls[PREPARE]++;
    script.payload = round->payload;
    attach(attachment);
    return script.verdicts[PREPARE];
}

static enum broadcast_verdict on_prepared(void *context, const struct broadcast_round_view *round)
{
    (void)context;
    (void)round;
    assert_int_equal(script.calls[COMMIT], 0);
    script.calls[PREPARED]++;
    return script.verdicts[PREPARED];
}

static enum broadcast_verdict on_commit(void *context, const struct broadcast_round_view *round,
                                        struct ingot_buffer *attachment)
{
    (void)context;
    (void)round;
    script.calls[COMMIT]++;
    attach(attachment);
    return script.verdicts[COMMIT];
}

static enum broadcast_verdict on_committed(void *context, const struct broadcast_round_view *round,
                                           struct broadcast_message *const *commits, uint32_t count)
{
    (void)context;
    script.calls[COMMITTED]++;
    script.commit_count = count;
    for (uint32_t i = 0; i < count; i++) {
        assert_int_equal(commits[i]->kind, BROADCAST_COMMIT);
        assert_true(broadcast_digest_equal(&commits[i]->digest, &round->digest));
    }
    return script.verdicts[COMMITTED];
}

static bool on_check(void *context, const struct broadcast_message *message)
{
    (void)context;
    script.calls[CHECK]++;
    return script.refuse == NULL || !ingot_slice_equal(ingot_buffer_slice(&message->attachment),
                                                       ingot_slice_of_text(script.refuse));
}

static int set_up(void **state)
{
    (void)state;
    memset(&script, 0, sizeof script);
    struct quorum_broadcast_config config = {0};
    quorum_broadcast_config_defaults(&config, 4);
    config.callbacks = (struct broadcast_callbacks){.context = &script,
                                                    .pre_prepare = on_pre_prepare,
                                                    .prepare = on_prepare,
                                                    .prepared = on_prepared,
                                                    .commit = on_commit,
                                                    .committed = on_committed,
                                                    .check = on_check};
    solitary_init_quorum(&solitary, 4, 0, &config);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    solitary_deinit(&solitary);
    return 0;
}

static enum broadcast_reject say(enum broadcast_kind kind, uint32_t sender)
{
    return solitary_say(&solitary, kind, sender, 1, "id", "x");
}

/* All that the others say, without our own votes enough for everything. */
static void others_say_all(void)
{
    say(BROADCAST_PRE_PREPARE, 1);
    for (uint32_t i = 1; i < 4; i++) {
        say(BROADCAST_PREPARE, i);
        say(BROADCAST_COMMIT, i);
    }
}

static uint32_t said(enum broadcast_kind kind)
{
    return solitary_sent(&solitary, kind, BROADCAST_TO_ALL, UINT32_MAX);
}

static uint64_t rejected(enum broadcast_reject reject)
{
    return solitary.protocol->stats.rejected[reject];
}

static uint32_t delivered(void)
{
    return solitary_count(&solitary, BROADCAST_DELIVER);
}

static void each_is_called_once_in_a_round_that_goes_well(void **state)
{
    (void)state;
    others_say_all();
    others_say_all();
    solitary_tick(&solitary, 1000);
    for (unsigned i = PREPARE; i <= COMMITTED; i++) {
        assert_int_equal(script.calls[i], 1);
    }
    assert_int_equal(delivered(), 1);
    assert_int_equal(script.commit_count, 3);
}

static void what_is_attached_travels_in_the_message(void **state)
{
    (void)state;
    script.attach = "signature";
    solitary.holds_own = true;
    others_say_all();
    for (uint32_t i = 0; i < solitary.effects.count; i++) {
        const struct broadcast_effect *effect = &solitary.effects.items[i];
        if (effect->kind == BROADCAST_SEND) {
            assert_true(ingot_slice_equal(ingot_buffer_slice(&effect->message->attachment),
                                          ingot_slice_of_text("signature")));
        }
    }
    assert_int_equal(said(BROADCAST_PREPARE), 1);
    assert_int_equal(said(BROADCAST_COMMIT), 1);
}

static void a_start_may_be_refused_replaced_and_attached_to(void **state)
{
    (void)state;
    script.verdicts[PRE_PREPARE] = BROADCAST_VETO;
    assert_int_equal(solitary_start(&solitary, "id", "x"), BROADCAST_REJECT_VETOED);
    script.verdicts[PRE_PREPARE] = BROADCAST_FAIL;
    assert_int_equal(solitary_start(&solitary, "id", "x"), BROADCAST_REJECT_CALLBACK_ERROR);
    assert_int_equal(solitary_count(&solitary, BROADCAST_REFUSED), 2);
    script.verdicts[PRE_PREPARE] = BROADCAST_GO;
    script.attach = "a";
    script.attach_bytes = INGOT_BROADCAST_ATTACHMENT_BYTES_MAX;
    assert_int_equal(solitary_start(&solitary, "id", "x"), BROADCAST_REJECT_OVERSIZE);
    assert_int_equal(solitary.protocol->stats.open, 0);

    script.attach_bytes = 0;
    script.replace = "replaced";
    assert_int_equal(solitary_start(&solitary, "id", "x"), BROADCAST_REJECT_NONE);
    assert_true(ingot_slice_equal(script.payload, ingot_slice_of_text("replaced")));
    /* The same start again is still the same, and its payload was shown to everybody. */
    assert_int_equal(solitary_start(&solitary, "id", "x"), BROADCAST_REJECT_DUPLICATE);
    assert_int_equal(solitary_start(&solitary, "id", "replaced"), BROADCAST_REJECT_CONFLICT);
    assert_int_equal(said(BROADCAST_PRE_PREPARE), 1);
}

static void a_veto_silences_us_and_does_not_stop_the_others(void **state)
{
    (void)state;
    script.verdicts[PREPARE] = BROADCAST_VETO;
    script.verdicts[COMMIT] = BROADCAST_VETO;
    others_say_all();
    solitary_tick(&solitary, 1000);
    assert_int_equal(said(BROADCAST_PREPARE), 0);
    assert_int_equal(said(BROADCAST_COMMIT), 0);
    assert_int_equal(script.calls[PREPARE], 1);
    assert_int_equal(script.calls[COMMIT], 1);
    assert_int_equal(rejected(BROADCAST_REJECT_VETOED), 2);
    assert_int_equal(delivered(), 1);
    assert_int_equal(script.commit_count, 3);
}

static void a_veto_is_remembered_when_the_round_comes_back(void **state)
{
    (void)state;
    script.verdicts[PREPARE] = BROADCAST_VETO;
    say(BROADCAST_PRE_PREPARE, 1);
    solitary_tick(&solitary, QUORUM_BROADCAST_TIMEOUT_MS);
    say(BROADCAST_PRE_PREPARE, 1);
    assert_int_equal(solitary.protocol->stats.open, 1);
    assert_int_equal(script.calls[PREPARE], 1);
}

static void what_fails_is_tried_again_at_the_next_tick(void **state)
{
    (void)state;
    static const struct {
        enum call call;
        uint32_t delivered; /* while it fails */
    } rows[] = {{PREPARE, 1}, {PREPARED, 0}, {COMMIT, 1}, {COMMITTED, 0}};
    for (unsigned i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        tear_down(state);
        set_up(state);
        script.verdicts[rows[i].call] = BROADCAST_FAIL;
        say(BROADCAST_PRE_PREPARE, 1);
        say(BROADCAST_PREPARE, 1);
        say(BROADCAST_PREPARE, 2);
        say(BROADCAST_PREPARE, 3);
        say(BROADCAST_COMMIT, 1);
        if (rows[i].call != COMMITTED) {
            /* Once, however many messages come in between. */
            assert_int_equal(script.calls[rows[i].call], 1);
            solitary_tick(&solitary, 400);
            assert_int_equal(script.calls[rows[i].call], 2);
            assert_int_equal(rejected(BROADCAST_REJECT_CALLBACK_ERROR), 2);
        }
        say(BROADCAST_COMMIT, 2);
        say(BROADCAST_COMMIT, 3);
        assert_int_equal(delivered(), rows[i].delivered);
        script.verdicts[rows[i].call] = BROADCAST_GO;
        solitary_tick(&solitary, 400);
        assert_int_equal(delivered(), 1);
        /* Another round is none the worse for it. */
        assert_int_equal(solitary_say(&solitary, BROADCAST_PRE_PREPARE, 2, 2, "id", "x"),
                         BROADCAST_REJECT_NONE);
    }
}

static void a_full_disk_loses_no_round(void **state)
{
    (void)state;
    script.verdicts[COMMITTED] = BROADCAST_FAIL;
    others_say_all();
    for (unsigned i = 0; i < 100; i++) {
        solitary_tick(&solitary, QUORUM_BROADCAST_TIMEOUT_MS / 10);
    }
    assert_int_equal(delivered(), 0);
    assert_int_equal(solitary.protocol->stats.open, 1);
    script.verdicts[COMMITTED] = BROADCAST_GO;
    solitary_tick(&solitary, 400);
    assert_int_equal(delivered(), 1);
}

static void too_long_an_attachment_counts_as_a_failure(void **state)
{
    (void)state;
    script.attach_bytes = INGOT_BROADCAST_ATTACHMENT_BYTES_MAX + 1;
    say(BROADCAST_PRE_PREPARE, 1);
    assert_int_equal(said(BROADCAST_PREPARE), 0);
    script.attach_bytes = INGOT_BROADCAST_ATTACHMENT_BYTES_MAX;
    solitary_tick(&solitary, 400);
    assert_int_equal(said(BROADCAST_PREPARE), 1);
}

static enum broadcast_reject commit_with(uint32_t sender, const char *attachment)
{
    struct broadcast_message *message = solitary_message(BROADCAST_COMMIT, sender, 1, "id", "x");
    ingot_buffer_append_slice(&message->attachment, ingot_slice_of_text(attachment));
    return solitary_receive(&solitary, sender, message);
}

static void an_attachment_is_checked_before_its_message_counts(void **state)
{
    (void)state;
    script.refuse = "garbage";
    say(BROADCAST_PRE_PREPARE, 1);
    assert_int_equal(commit_with(1, "garbage"), BROADCAST_REJECT_BAD_ATTACHMENT);
    assert_int_equal(commit_with(2, "good"), BROADCAST_REJECT_NONE);
    assert_int_equal(said(BROADCAST_COMMIT), 0);
    const unsigned calls = script.calls[CHECK];
    assert_int_equal(commit_with(2, "garbage"), BROADCAST_REJECT_DUPLICATE);
    assert_int_equal(script.calls[CHECK], calls); /* what would not count is not checked */
    /* The bad one has not taken the good one's place. */
    assert_int_equal(commit_with(1, "good"), BROADCAST_REJECT_NONE);
    assert_int_equal(delivered(), 1);
    assert_int_equal(script.calls[CHECK], calls + 1); /* nor is what we say ourselves */
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(each_is_called_once_in_a_round_that_goes_well),
        TEST(what_is_attached_travels_in_the_message),
        TEST(a_start_may_be_refused_replaced_and_attached_to),
        TEST(a_veto_silences_us_and_does_not_stop_the_others),
        TEST(a_veto_is_remembered_when_the_round_comes_back),
        TEST(what_fails_is_tried_again_at_the_next_tick),
        TEST(a_full_disk_loses_no_round),
        TEST(too_long_an_attachment_counts_as_a_failure),
        TEST(an_attachment_is_checked_before_its_message_counts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
