/*
 * The Apps that come with the library, by name.
 */
#include <ingot/apps.h>

#include <string.h>

const char *const ingot_app_names[] = {"kv", "null"};
const unsigned ingot_app_names_count = sizeof ingot_app_names / sizeof ingot_app_names[0];

static void (*const constructors[])(struct ingot_app *app) = {
    ingot_app_kv_init,
    ingot_app_null_init,
};

static_assert(sizeof constructors / sizeof constructors[0] ==
                  sizeof ingot_app_names / sizeof ingot_app_names[0],
              "every name has its constructor");

enum ingot_error ingot_app_init_by_name(const char *name, struct ingot_app *app)
{
    for (unsigned i = 0; i < ingot_app_names_count; i++) {
        if (strcmp(name, ingot_app_names[i]) == 0) {
            constructors[i](app);
            return INGOT_OK;
        }
    }
    return INGOT_ERROR_NOT_FOUND;
}

void ingot_app_deinit(struct ingot_app *app)
{
    if (app->free != NULL)
        app->free(app->context);
    *app = (struct ingot_app){0};
}
