/*
 * What callbacks do to a quorum broadcast of four members. Goal: a veto and an error are one
 * member's own affair, what they attach and replace reaches everybody, and `prepared` and
 * `committed` are called once each.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "lib/broadcast_story.h"

enum call { PRE_PREPARE, PREPARE, PREPARED, COMMIT, COMMITTED, CALLS };

/* What one member's callbacks say, and how often they were asked. */
struct script {
    uint32_t node;
    uint32_t vetoes[CALLS]; /* so many, then GO */
    uint32_t errors[CALLS]; /* so many before that */
    uint32_t went[CALLS];   /* how often it was GO */
    bool replaces;          /* the payload */
    bool checks;            /* that a COMMIT bears what `commit` attaches */
    bool spoils;            /* attaches something else */
    uint32_t attached;      /* COMMITs with what was attached, in what is committed */
};

struct scripts {
    struct script of[STORY_MEMBERS];
    struct broadcast_callbacks callbacks[STORY_MEMBERS];
};

static enum broadcast_verdict says(struct script *script, enum call call)
{
    if (script->errors[call] > 0) {
        script->errors[call]--;
        return BROADCAST_FAIL;
    }
    if (script->vetoes[call] > 0) {
        script->vetoes[call]--;
        return BROADCAST_VETO;
    }
    script->went[call]++;
    return BROADCAST_GO;
}

static void text_of(uint32_t node, bool is_spoilt, char text[32])
{
    snprintf(text, 32, "%s of %u", is_spoilt ? "rubbish" : "attached", node);
}

static enum broadcast_verdict pre_prepare(void *context, const struct broadcast_round_view *round,
                                          struct ingot_buffer *payload,
                                          struct ingot_buffer *attachment)
{
    struct script *script = context;
    (void)round;
    if (script->replaces) {
        payload->size = 0;
        ingot_buffer_append_slice(payload, ingot_slice_of_text("replaced"));
        ingot_buffer_append_slice(attachment, ingot_slice_of_text("shown"));
    }
    return says(script, PRE_PREPARE);
}

static enum broadcast_verdict prepare(void *context, const struct broadcast_round_view *round,
                                      struct ingot_buffer *attachment)
{
    (void)round;
    (void)attachment;
    return says(context, PREPARE);
}

static enum broadcast_verdict prepared(void *context, const struct broadcast_round_view *round)
{
    (void)round;
    return says(context, PREPARED);
}

static enum broadcast_verdict commit(void *context, const struct broadcast_round_view *round,
                                     struct ingot_buffer *attachment)
{
    const struct script *script = context;
    char text[32];
    (void)round;
    text_of(script->node, script->spoils, text);
    ingot_buffer_append_slice(attachment, ingot_slice_of_text(text));
    return says(context, COMMIT);
}

static bool bears_attachment(const struct broadcast_message *commit_message)
{
    char text[32];
    text_of(commit_message->sender, false, text);
    return ingot_slice_equal(ingot_buffer_slice(&commit_message->attachment),
                             ingot_slice_of_text(text));
}

static enum broadcast_verdict committed(void *context, const struct broadcast_round_view *round,
                                        struct broadcast_message *const *commits, uint32_t count)
{
    struct script *script = context;
    (void)round;
    script->attached = 0;
    for (uint32_t i = 0; i < count; i++) {
        script->attached += bears_attachment(commits[i]);
    }
    return says(script, COMMITTED);
}

static bool check(void *context, const struct broadcast_message *message)
{
    const struct script *script = context;
    return !script->checks || message->kind != BROADCAST_COMMIT || bears_attachment(message);
}

static void write_scripts(struct scripts *scripts)
{
    memset(scripts, 0, sizeof *scripts);
    for (uint32_t i = 0; i < STORY_MEMBERS; i++) {
        scripts->of[i].node = i;
        scripts->callbacks[i] = (struct broadcast_callbacks){.context = &scripts->of[i],
                                                             .pre_prepare = pre_prepare,
                                                             .prepare = prepare,
                                                             .prepared = prepared,
                                                             .commit = commit,
                                                             .committed = committed,
                                                             .check = check};
    }
}

static void prepared_and_committed_are_called_once_each(void **state)
{
    (void)state;
    struct scripts scripts;
    struct broadcast_world world;
    write_scripts(&scripts);
    story_begin_with_callbacks(&world, scripts.callbacks);
    assert_int_equal(broadcast_world_start(&world, 0, "id", "payload"), BROADCAST_REJECT_NONE);
    while (world.flying.count > 0) { /* everything comes twice */
        broadcast_world_repeat(&world, 0);
        broadcast_world_arrive(&world, 0);
    }
    broadcast_world_settle(&world, 60000);
    story_all_deliver(&world, 0, "id");
    for (uint32_t i = 0; i < STORY_MEMBERS; i++) {
        assert_int_equal(scripts.of[i].went[PRE_PREPARE], i == 0);
        for (enum call call = PREPARE; call < CALLS; call++) {
            assert_int_equal(scripts.of[i].went[call], 1);
        }
        assert_true(scripts.of[i].attached >= 3);
    }
    story_end(&world);
}

static void a_veto_stops_this_member_only(void **state)
{
    (void)state;
    static const enum call calls[] = {PREPARE, COMMIT};
    for (uint32_t k = 0; k < 2; k++) {
        struct scripts scripts;
        struct broadcast_world world;
        write_scripts(&scripts);
        scripts.of[2].vetoes[calls[k]] = UINT32_MAX;
        story_begin_with_callbacks(&world, scripts.callbacks);
        (void)broadcast_world_start(&world, 0, "id", "payload");
        for (uint32_t i = 0; i < world.flying.count; i++) {
            assert_int_not_equal(world.flying.items[i].from, 2);
        }
        broadcast_world_settle(&world, 60000);
        /* The others do without it, and it follows them. */
        story_all_deliver(&world, 0, "id");
        assert_int_equal(scripts.of[2].went[calls[k]], 0);
        assert_int_equal(scripts.of[2].went[COMMITTED], 1);
        assert_int_equal(story_rejected(&world, 2, BROADCAST_REJECT_VETOED), 1);
        story_end(&world);
    }
}

static void vetoes_of_more_than_a_third_stop_the_round(void **state)
{
    (void)state;
    struct scripts scripts;
    struct broadcast_world world;
    write_scripts(&scripts);
    scripts.of[1].vetoes[COMMIT] = UINT32_MAX;
    scripts.of[2].vetoes[COMMIT] = UINT32_MAX;
    story_begin_with_callbacks(&world, scripts.callbacks);
    (void)broadcast_world_start(&world, 0, "id", "payload");
    story_nobody_delivers(&world, 0, "id");
    assert_int_equal(story_member(&world, 0)->timed_out, 1);
    story_end(&world);
}

static void an_error_is_counted_and_tried_again_and_the_next_message_works(void **state)
{
    (void)state;
    for (enum call call = PREPARE; call < CALLS; call++) {
        struct scripts scripts;
        struct broadcast_world world;
        write_scripts(&scripts);
        scripts.of[2].errors[call] = 2;
        story_begin_with_callbacks(&world, scripts.callbacks);
        (void)broadcast_world_start(&world, 0, "id", "payload");
        broadcast_world_calm(&world);
        assert_int_equal(story_rejected(&world, 2, BROADCAST_REJECT_CALLBACK_ERROR), 1);
        /* Meanwhile another round goes on, with the second error. */
        (void)broadcast_world_start(&world, 1, "other", "payload");
        broadcast_world_calm(&world);
        assert_int_equal(story_rejected(&world, 2, BROADCAST_REJECT_CALLBACK_ERROR), 2);
        broadcast_world_settle(&world, 5000);
        story_all_deliver(&world, 0, "id");
        story_all_deliver(&world, 1, "other");
        assert_int_equal(scripts.of[2].went[COMMITTED], 2);
        story_end(&world);
    }
}

/* The disk is full for longer than a round lives. */
static void an_error_at_the_end_keeps_the_round_until_it_goes_well(void **state)
{
    (void)state;
    struct scripts scripts;
    struct broadcast_world world;
    write_scripts(&scripts);
    scripts.of[2].errors[COMMITTED] = 200;
    story_begin_with_callbacks(&world, scripts.callbacks);
    (void)broadcast_world_start(&world, 0, "id", "payload");
    broadcast_world_settle(&world, 2 * QUORUM_BROADCAST_TIMEOUT_MS);
    assert_int_equal(broadcast_world_delivered_count(&world, 0, "id"), 3);
    assert_true(scripts.of[2].errors[COMMITTED] > 0);
    scripts.of[2].errors[COMMITTED] = 0;
    broadcast_world_settle(&world, 1000);
    story_all_deliver(&world, 0, "id");
    assert_int_equal(scripts.of[2].went[COMMITTED], 1);
    story_end(&world);
}

static void what_the_originator_replaces_and_attaches_reaches_everybody(void **state)
{
    (void)state;
    struct scripts scripts;
    struct broadcast_world world;
    write_scripts(&scripts);
    scripts.of[0].replaces = true;
    story_begin_with_callbacks(&world, scripts.callbacks);
    world.options.encodes = true;
    (void)broadcast_world_start(&world, 0, "id", "payload");
    const struct broadcast_message *shown = world.flying.items[0].message;
    assert_int_equal(shown->kind, BROADCAST_PRE_PREPARE);
    assert_true(
        ingot_slice_equal(ingot_buffer_slice(&shown->attachment), ingot_slice_of_text("shown")));
    const struct broadcast_digest digest = shown->digest;
    broadcast_world_calm(&world);
    story_all_deliver(&world, 0, "id");
    struct broadcast_message *replaced =
        broadcast_say(&world.network, BROADCAST_PREPARE, 0, 0, "id", "replaced");
    assert_memory_equal(digest.bytes, replaced->digest.bytes, sizeof digest.bytes);
    for (uint32_t i = 0; i < STORY_MEMBERS; i++) {
        assert_memory_equal(broadcast_world_delivered(&world, i, 0, "id")->digest.bytes,
                            digest.bytes, sizeof digest.bytes);
    }
    broadcast_message_unref(replaced);
    story_end(&world);
}

static void a_refused_attachment_does_not_count(void **state)
{
    (void)state;
    struct scripts scripts;
    struct broadcast_world world;
    write_scripts(&scripts);
    for (uint32_t i = 0; i < STORY_MEMBERS; i++) {
        scripts.of[i].checks = true;
    }
    scripts.of[STORY_LIAR].spoils = true;
    story_begin_with_callbacks(&world, scripts.callbacks);
    (void)broadcast_world_start(&world, 0, "id", "payload");
    broadcast_world_settle(&world, 5000);
    story_all_deliver(&world, 0, "id");
    for (uint32_t i = 0; i < STORY_LIAR; i++) {
        assert_int_equal(scripts.of[i].attached, 3);
        assert_true(story_rejected(&world, i, BROADCAST_REJECT_BAD_ATTACHMENT) > 0);
    }
    story_end(&world);
}

static void a_start_that_is_vetoed_or_fails_says_so_and_sends_nothing(void **state)
{
    (void)state;
    struct scripts scripts;
    struct broadcast_world world;
    write_scripts(&scripts);
    scripts.of[0].errors[PRE_PREPARE] = 1;
    scripts.of[0].vetoes[PRE_PREPARE] = 1;
    story_begin_with_callbacks(&world, scripts.callbacks);
    assert_int_equal(broadcast_world_start(&world, 0, "id", "payload"),
                     BROADCAST_REJECT_CALLBACK_ERROR);
    assert_int_equal(broadcast_world_start(&world, 0, "id", "payload"), BROADCAST_REJECT_VETOED);
    assert_int_equal(story_member(&world, 0)->refused, 2);
    assert_int_equal(world.sent, 0);
    assert_int_equal(broadcast_world_start(&world, 0, "id", "payload"), BROADCAST_REJECT_NONE);
    broadcast_world_calm(&world);
    story_all_deliver(&world, 0, "id");
    story_end(&world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(prepared_and_committed_are_called_once_each),
        cmocka_unit_test(a_veto_stops_this_member_only),
        cmocka_unit_test(vetoes_of_more_than_a_third_stop_the_round),
        cmocka_unit_test(an_error_is_counted_and_tried_again_and_the_next_message_works),
        cmocka_unit_test(an_error_at_the_end_keeps_the_round_until_it_goes_well),
        cmocka_unit_test(what_the_originator_replaces_and_attaches_reaches_everybody),
        cmocka_unit_test(a_refused_attachment_does_not_count),
        cmocka_unit_test(a_start_that_is_vetoed_or_fails_says_so_and_sends_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
