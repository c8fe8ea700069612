/*
 * Scenarios as values: that none is lost or counted twice, that a text names what it was made of,
 * and that a scenario does to the network what it says.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "twins/play.h"

static struct scenario parse(const char *text)
{
    struct scenario scenario;
    const char *why = NULL;
    if (!scenario_parse(text, &scenario, &why)) {
        fail_msg("%s: %s", text, why);
    }
    return scenario;
}

static void symmetric_scenarios_are_counted_once_and_none_is_lost(void **state)
{
    (void)state;
    for (uint32_t views = 1; views <= 2; views++) {
        uint64_t covered = 0;
        for (uint64_t number = 0; number < scenario_count(views); number++) {
            covered += scenario_symmetries(views, number);
        }
        assert_int_equal(covered, scenario_count(views));
    }
    /* By hand, for each kind of split the leaders that differ: none is cut off; a twin alone; an
     * honest one alone; both twins; a twin and an honest one; two honest ones. */
    uint64_t of_one_view = 0;
    for (uint64_t number = 0; number < scenario_count(1); number++) {
        of_one_view += scenario_symmetries(1, number) > 0;
    }
    assert_int_equal(of_one_view, 2 + 2 + 3 + 2 + 3 + 3);
}

static void a_text_names_the_scenario_that_it_was_made_of(void **state)
{
    (void)state;
    struct prng prng;
    prng_init(&prng, 7, 0);
    for (uint32_t i = 0; i < 1000; i++) {
        struct scenario scenario;
        scenario_draw(&prng, 1 + i % SCENARIO_VIEWS_MAX, &scenario);
        char text[SCENARIO_TEXT_MAX];
        char again[SCENARIO_TEXT_MAX];
        scenario_text(&scenario, text);
        const struct scenario parsed = parse(text);
        scenario_text(&parsed, again);
        assert_string_equal(text, again);
        for (uint32_t j = 0; j < scenario.view_count; j++) {
            assert_int_equal(parsed.views[j].other_side, scenario.views[j].other_side);
            assert_int_equal(parsed.views[j].leader, scenario.views[j].leader);
        }
        assert_memory_equal(parsed.powers, scenario.powers, sizeof scenario.powers);
        assert_int_equal(parsed.order, scenario.order);
        assert_int_equal(parsed.restart_view, scenario.restart_view);
    }
}

static void a_text_that_is_no_scenario_is_refused(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "",                        /* no view */
        "ab12/3",                  /* nobody leads */
        "ab12/3:4",                /* there is no validator 4 */
        "ab12/:0",                 /* 3 is nowhere */
        "ab123:0",                 /* one side */
        "ab1/2/3:0",               /* three sides */
        "ab123/:0,",               /* nothing after the comma */
        "ab123/:0 ",               /* a blank */
        "ab123/:0,tenure=0",       /* no leader keeps no view */
        "ab123/:0,powers=1-1-1",   /* one is missing */
        "ab123/:0,powers=1-1-1-0", /* the twins have a third */
        "ab123/:0,change=1",       /* to what? */
        "ab123/:0,restart=4-1",    /* there is no validator 4 */
        "tenure=4",                /* no view */
        "ab123/:0,color=red",      /* no such option */
    };
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        struct scenario scenario;
        const char *why = NULL;
        if (scenario_parse(texts[i], &scenario, &why)) {
            fail_msg("'%s' is taken", texts[i]);
        }
        assert_non_null(why);
    }
}

static void sides_hear_nothing_of_each_other_until_the_network_is_whole(void **state)
{
    (void)state;
    const struct scenario scenario = parse("a12/b3:1,ab/123:0");
    for (uint32_t from = 0; from < INSTANCES; from++) {
        for (uint32_t to = 0; to < INSTANCES; to++) {
            const bool is_left = from == TWIN_A || from == 1 || from == 2;
            const bool is_other_left = to == TWIN_A || to == 1 || to == 2;
            const bool is_twin = from == TWIN_A || from == TWIN_B;
            const bool is_other_twin = to == TWIN_A || to == TWIN_B;
            assert_int_equal(scenario_is_connected(&scenario, 1, from, to),
                             is_left == is_other_left);
            assert_int_equal(scenario_is_connected(&scenario, 2, from, to),
                             is_twin == is_other_twin);
            assert_true(scenario_is_connected(&scenario, 3, from, to));
        }
    }
}

static struct tally play(const char *text)
{
    const struct scenario scenario = parse(text);
    struct tally tally = {0};
    struct player *player = player_new(false);
    if (!player_play(player, &scenario, NULL, &tally)) {
        fail_msg("%s: %s", text, player_judge(player)->violation);
    }
    player_free(player);
    return tally;
}

/* The honest ones hear both, so that they could not but notice. */
static void twins_that_lead_propose_two_blocks_in_one_view(void **state)
{
    (void)state;
    const struct tally tally = play("ab123/:0");
    assert_int_equal(tally.both_proposed, 1);
    assert_int_equal(tally.accused, 1);
}

static void a_view_that_no_side_can_end_is_ended_all_the_same(void **state)
{
    (void)state;
    assert_int_equal(play("ab1/23:1").lifted, 1);
    assert_int_equal(play("ab/123:1").lifted, 0);
}

static void what_a_scenario_adds_happens(void **state)
{
    (void)state;
    assert_int_equal(play("ab123/:1,ab123/:2,change=1,next=1-2-2-0").set_changes, 1);
    assert_int_equal(play("ab123/:1,ab123/:2,restart=2-2").restarts, 1);
    assert_int_equal(play("ab123/:1,a123/b:1").restarts, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(symmetric_scenarios_are_counted_once_and_none_is_lost),
        cmocka_unit_test(a_text_names_the_scenario_that_it_was_made_of),
        cmocka_unit_test(a_text_that_is_no_scenario_is_refused),
        cmocka_unit_test(sides_hear_nothing_of_each_other_until_the_network_is_whole),
        cmocka_unit_test(twins_that_lead_propose_two_blocks_in_one_view),
        cmocka_unit_test(a_view_that_no_side_can_end_is_ended_all_the_same),
        cmocka_unit_test(what_a_scenario_adds_happens),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
