/*
 * The null App, and the list of Apps by name.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <ingot/apps.h>

#include "unit/app_state.h"

static void apps_are_made_by_name(void **state)
{
    (void)state;
    assert_true(ingot_app_names_count >= 2);
    for (unsigned i = 0; i < ingot_app_names_count; i++) {
        struct ingot_app app = {0};
        assert_int_equal(ingot_app_init_by_name(ingot_app_names[i], NULL, &app), INGOT_OK);
        assert_string_equal(app.name, ingot_app_names[i]);
        ingot_app_deinit(&app);
        assert_null(app.name);
    }
    struct ingot_app app = {0};
    assert_int_equal(ingot_app_init_by_name("KV", NULL, &app), INGOT_ERROR_NOT_FOUND);
    assert_null(app.name);
}

static void the_null_app_takes_everything_and_keeps_nothing(void **state)
{
    (void)state;
    static struct ingot_snapshot snapshot;
    struct ingot_execution execution = {.state = &snapshot, .room = 16};
    struct ingot_app app;
    ingot_app_null_init(&app);
    const struct ingot_slice transactions[] = {ingot_slice_of_text("a=1"),
                                               ingot_slice_of_text("anything")};
    const struct ingot_block_info info = {.height = 8};
    const struct ingot_validate_request validate = {
        .block = &info,
        .snapshot = &snapshot,
        .transactions = transactions,
        .transaction_count = 2,
    };
    assert_int_equal(app.validate_block(app.context, &validate, &execution), INGOT_OK);
    assert_int_equal(execution.count, 2);
    assert_int_equal(execution.codes[0], 0);
    assert_int_equal(execution.codes[1], 0);

    const struct ingot_propose_request propose = {
        .block = &info,
        .snapshot = &snapshot,
        .candidates = transactions,
        .candidate_count = 2,
    };
    execution.count = 0;
    execution.room = 1;
    assert_int_equal(app.propose_block(app.context, &propose, &execution), INGOT_OK);
    assert_int_equal(execution.count, 1);
    assert_int_equal(snapshot.count, 0);
    ingot_app_deinit(&app);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(apps_are_made_by_name),
        cmocka_unit_test(the_null_app_takes_everything_and_keeps_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
